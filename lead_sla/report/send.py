"""Makes the reports and sends them: each recipient once a day, and nobody is kept waiting by another's trouble."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parseaddr
from functools import lru_cache
from pathlib import Path

from lead_sla import publish as publishing
from lead_sla import raw
from lead_sla.errors import LeadSlaError, RefusedInput, explain
from lead_sla.lock import only_one
from lead_sla.publish import PublishedRun
from lead_sla.report import deliver
from lead_sla.report.config import (
    CONFIG_VARIABLE,
    EXAMPLE,
    Channel,
    Recipient,
    ReportConfig,
    Scope,
    config_path,
    load_config,
)
from lead_sla.report.deliver import MailServer, Undelivered
from lead_sla.report.figures import Marts, clean
from lead_sla.report.ledger import HANDING_OVER, SENT, Ledger, key_of
from lead_sla.report.mail import LISTS, Report, make_mail, make_report
from lead_sla.report.outcome import Outcome, ReportResult, Status
from lead_sla.settings import Settings, display

Make = Callable[[Scope], Report]


def send_reports(
    settings: Settings,
    *,
    published: Path | None = None,
    only: str | None = None,
    again: bool = False,
    now: datetime | None = None,
    environ: Mapping[str, str] = os.environ,
    sleep: Callable[[float], None] = time.sleep,
) -> ReportResult:
    """Send the report of the published marts to everybody who has not got it today.

    Args:
        settings: the paths.
        published: the folder of the published marts; default: the usual one.
        only: the name of one recipient or channel; default: all.
        again: send also what was sent today already, may have been, or is not to be sent this early.
        now: the present, UTC without a zone; default: the machine's clock.
        environ: the environment variables with the mail server and the channels' URLs.
        sleep: waits between tries, for so many seconds.

    Returns:
        What became of each recipient's report. Trouble with one is in there, and never raised.

    Raises:
        RefusedInput: the configuration is missing or wrong, or names no `only`. Nothing was sent.
        LeadSlaError: nothing has been published, another process is sending, or nobody could note who got the report.
            Nothing was sent.
    """
    config = load_config(config_path(settings, environ))
    chosen = _choose(config, only)
    run = _current(published or settings.published)
    now = now or datetime.now(UTC).replace(tzinfo=None)
    with Marts(run, now, raw.late_after(settings.project)) as marts:
        clock = marts.company.clock
        ledger = Ledger(settings.state, clock.now_local.date())

        @lru_cache
        def make(scope: Scope) -> Report:
            return make_report(marts.figures(scope), config)

        try:
            with only_one(ledger.lock, "Sending the report"):
                if config.not_before and clock.now_local.time() < config.not_before and not again:
                    wait = f"not before {config.not_before:%H:%M} ({clock.zone})"
                    outcomes = [Outcome(each.name, _kind(each), Status.NOT_YET, detail=wait) for each in chosen]
                else:
                    sender = _Sender(config, ledger, run.run, make, again, now, environ, sleep)
                    outcomes = [sender.tell(each) for each in chosen]
                    ledger.prune()
        except OSError as error:
            raise explain(error, "Writing down who got the report") from error
    return ReportResult(run.run, outcomes)


def write_reports(
    folder: Path,
    settings: Settings,
    *,
    published: Path | None = None,
    only: str | None = None,
    now: datetime | None = None,
    environ: Mapping[str, str] = os.environ,
) -> ReportResult:
    """Write what would be sent into files, and send nothing: `<folder>/<name>/report.eml`, `.html`, `.txt` and the lists.

    The HTML file stands alone. Without a configuration of one's own, the example shows what there is.

    Args:
        folder: where to; made if need be.
        settings: the paths.
        published: the folder of the published marts; default: the usual one.
        only: the name of one recipient or channel; default: all.
        now: the present, UTC without a zone; default: the machine's clock.
        environ: the environment variables.

    Raises:
        RefusedInput: the configuration is wrong, or names no `only`.
        LeadSlaError: nothing has been published, or a file cannot be written.
    """
    path = config_path(settings, environ)
    if not path.exists() and not environ.get(CONFIG_VARIABLE):
        path = settings.project / EXAMPLE
    config = load_config(path)
    chosen = _choose(config, only)
    run = _current(published or settings.published)
    now = now or datetime.now(UTC).replace(tzinfo=None)
    outcomes = []
    with Marts(run, now, raw.late_after(settings.project)) as marts:
        for each in chosen:
            try:
                report = make_report(marts.figures(each.sees), config)
            except LeadSlaError as error:
                outcomes.append(Outcome(each.name, _kind(each), Status.FAILED, detail=_sentence(error)))
                continue
            place = folder / each.name
            try:
                _write(place, report, config, each, now)
            except OSError as error:
                raise explain(error, "Writing the report") from error
            outcomes.append(Outcome(each.name, _kind(each), Status.WRITTEN, detail=display(place)))
    return ReportResult(run.run, outcomes)


class _Sender:
    """Tells one recipient after the other."""

    def __init__(
        self,
        config: ReportConfig,
        ledger: Ledger,
        run: str,
        make: Make,
        again: bool,
        now: datetime,
        environ: Mapping[str, str],
        sleep: Callable[[float], None],
    ) -> None:
        self._config, self._ledger, self._run, self._make, self._again = config, ledger, run, make, again
        self._now, self._environ, self._sleep = now, environ, sleep
        # Why no mail gets through: then the next one is not tried, which would wait in vain, or lock the account.
        self._no_mail: Undelivered | None = None

    def tell(self, whom: Recipient | Channel) -> Outcome:
        """Send a recipient's report, unless it was sent today. Raises nothing."""
        kind = _kind(whom)
        key = key_of(kind, whom.address if isinstance(whom, Recipient) else whom.name)

        def outcome(status: Status, detail: str = "", attempts: int = 0) -> Outcome:
            return Outcome(whom.name, kind, status, attempts, detail)

        state = self._ledger.state(key)
        if state == SENT and not self._again:
            return outcome(Status.ALREADY_SENT)
        if state == HANDING_OVER and not self._again:
            detail = (
                "a run broke off while it was handed over: it may have arrived; ask, and send it by --again if need be"
            )
            return outcome(Status.UNSURE, detail)
        try:
            hand_over = self._mail(whom, key) if isinstance(whom, Recipient) else self._post(whom, key)
            attempts = deliver.with_retries(hand_over, self._sleep)
        except Undelivered as error:
            if error.everybody:
                self._no_mail = error
            if error.unsure:
                return outcome(Status.UNSURE, error.sentence, error.attempts)
            return outcome(Status.FAILED, self._released(key, error.sentence), error.attempts)
        except LeadSlaError as error:
            return outcome(Status.FAILED, _sentence(error))
        except Exception as error:
            # A mistake of ours in one report must not keep the others from being sent. The words of an unforeseen error
            # may hold anything, so its kind must do.
            return outcome(Status.FAILED, self._released(key, f"the report could not be made ({type(error).__name__})"))
        try:
            self._ledger.mark(key, SENT, self._run)
        except LeadSlaError:
            # The mark of before stands, so nothing is sent twice.
            return outcome(Status.SENT, "but this could not be written down", attempts)
        return outcome(Status.SENT, attempts=attempts)

    def _mail(self, whom: Recipient, key: str) -> Callable[[], None]:
        if self._no_mail:
            raise Undelivered(f"not tried, because {self._no_mail.sentence}")
        server = MailServer.from_environment(self._environ)
        mail = make_mail(self._make(whom.sees), self._config, whom, self._now.replace(tzinfo=UTC))
        sender, content = parseaddr(self._config.sender)[1], mail.as_bytes()
        return lambda: server.send(sender, whom.address, content, lambda: self._mark(key))

    def _post(self, whom: Channel, key: str) -> Callable[[], None]:
        url = self._environ.get(whom.url_env, "").strip()
        if not url:
            raise Undelivered(f"the environment variable {whom.url_env} is not set")
        report = self._make(whom.sees)

        def hand_over() -> None:
            self._mark(key)
            deliver.post(url, report.subject, report.short)

        return hand_over

    def _mark(self, key: str) -> None:
        self._ledger.mark(key, HANDING_OVER, self._run)

    def _released(self, key: str, sentence: str) -> str:
        """Take the mark back, and say so where that fails: the next run would not try again."""
        try:
            self._ledger.release(key)
        except LeadSlaError as error:
            return f"{sentence}; it will not be tried again today: {error.what}"
        return sentence


def _kind(whom: Recipient | Channel) -> str:
    return "mail" if isinstance(whom, Recipient) else "channel"


def _sentence(error: LeadSlaError) -> str:
    return clean(f"{error.what}{f': {error.todo}' if error.todo else ''}")


def _choose(config: ReportConfig, only: str | None) -> list[Recipient | Channel]:
    everybody = [*config.recipients, *config.channels]
    chosen = [each for each in everybody if only in (None, each.name)]
    if not chosen:
        raise RefusedInput(
            f"No recipient or channel is called {clean(only)}",
            where=str(config.path),
            todo=f"name one of: {', '.join(config.names)}",
        )
    return chosen


def _current(published: Path) -> PublishedRun:
    run = publishing.current(published)
    if run is None:
        raise LeadSlaError("Nothing has been published yet", where=str(published), todo="run: lead-sla build")
    return run


def _write(place: Path, report: Report, config: ReportConfig, whom: Recipient | Channel, now: datetime) -> None:
    place.mkdir(parents=True, exist_ok=True)
    if isinstance(whom, Channel):
        (place / "message.txt").write_text(f"{report.subject}\n\n{report.short}\n", encoding="utf-8")
        return
    for name in LISTS:
        (place / name).unlink(missing_ok=True)
    files = {
        "report.eml": make_mail(report, config, whom, now.replace(tzinfo=UTC)).as_bytes(),
        "report.html": report.pages["data"].encode(),
        "report.txt": report.text.encode(),
        **report.attachments,
    }
    for name, content in files.items():
        (place / name).write_bytes(content)
