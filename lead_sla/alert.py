"""Tells people at once when a night fails, and once when it is over. No trouble of its own ends a run: it is told in sentences.

Who heard of what, and when, is remembered in <state>/alerts.json: the same trouble (the same stage and cause, whatever the
numbers in it) is told again after some hours, a different one at once, and everybody who heard of one hears that it is over.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parseaddr
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lead_sla import files
from lead_sla.errors import LeadSlaError
from lead_sla.report import deliver
from lead_sla.report.config import EXAMPLE, Alerts, Channel, Recipient, config_path, load_alerts
from lead_sla.report.deliver import MailServer, Undelivered
from lead_sla.report.figures import clean
from lead_sla.report.ledger import key_of
from lead_sla.report.mail import Report, make_mail
from lead_sla.report.outcome import Outcome, Status
from lead_sla.scrub import scrub
from lead_sla.settings import PACKAGE, Settings, display

if TYPE_CHECKING:
    import jinja2

__all__ = ["AlertResult", "Trouble", "alert", "all_clear", "scrub"]

FILE = "alerts.json"
LOG_LINES = 40
_LONGEST_LINE = 300
_LONGEST_SUBJECT = 150
_DETAILS = 20
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# How a line of dbt.log begins: `03:00:12.123456 [error] [MainThread]: ...`. What does not begin so goes on from the line before.
_LEVEL = re.compile(r"\d\d:\d\d:\d\d\.\d+ \[(\w+)\s*\]")
# What became of a night, by its exit status.
_WHAT_IT_DID = {
    1: "failed",
    2: "refused its input",
    3: "is late",
    4: "could not tell everybody",
    130: "was stopped",
    143: "was stopped",
}


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a night.

    Attributes:
        run_id: the run.
        stage: at which stage it came up.
        what: the cause, a sentence.
        exit_code: the exit status of the night.
        details: further sentences, one a finding.
        todo: what to do, a sentence.
        readers_see: what readers see meanwhile, a sentence.
        log_excerpt: lines of the log, the last ones last, rather more than are shown: they are cut to the last forty, without
            dbt's debug messages, and what must not leave is blotted out.
    """

    run_id: str
    stage: str
    what: str
    exit_code: int
    details: Sequence[str] = ()
    todo: str = ""
    readers_see: str = ""
    log_excerpt: Sequence[str] = ()

    @property
    def cause(self) -> str:
        """What makes it the same trouble as another: stage, cause, and what its details are about, without their numbers."""
        about = sorted({_without_numbers(detail.split(": ")[0]) for detail in self.details})
        return hashlib.sha256(json.dumps([self.stage, _without_numbers(self.what), about]).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class AlertResult:
    """What became of an alert, or of an all-clear.

    Attributes:
        outcomes: one a recipient and channel; empty where nobody is told.
        notes: further sentences: why nobody is told, and what could not be remembered.
    """

    outcomes: Sequence[Outcome] = ()
    notes: Sequence[str] = ()

    @property
    def is_ok(self) -> bool:
        """Did everybody who is to be told hear of it, now or before?"""
        return all(outcome.status in (Status.SENT, Status.ALREADY_SENT) for outcome in self.outcomes)

    def sentences(self) -> list[str]:
        """Say it in lines, for the terminal and the log."""
        return [*(outcome.sentence() for outcome in self.outcomes), *self.notes]


def alert(
    settings: Settings,
    trouble: Trouble,
    *,
    environ: Mapping[str, str] = os.environ,
    sleep: Callable[[float], None] = time.sleep,
    now: datetime | None = None,
) -> AlertResult:
    """Tell of a trouble, whoever has not heard of it lately.

    Args:
        settings: the paths.
        trouble: what is wrong.
        environ: the environment variables with the mail server and the channels' URLs.
        sleep: waits between tries, for so many seconds.
        now: the present, UTC without a zone; default: the machine's clock.

    Returns:
        What became of it. Nothing is raised.
    """
    now = now or _now()

    def tell(alerts: Alerts, memory: _Memory) -> AlertResult:
        known = memory.troubles.setdefault(trouble.cause, _Known(first_at=now))
        message = _alert_message(trouble, alerts, known.first_at, now, lambda text: _scrub(text, alerts, environ))

        def is_told(key: str) -> bool:
            # A clock that was set back must not silence anything.
            return key in known.told and now >= known.told[key] > now - alerts.repeat_after

        messenger = _Messenger(alerts, message, environ, sleep, now)
        outcomes = []
        for whom in (*alerts.recipients, *alerts.channels):
            key = _key(whom)
            if is_told(key):
                told = f"at {known.told[key]:%Y-%m-%d %H:%M} UTC, and again after {_hours(alerts)} if it lasts"
                outcomes.append(Outcome(whom.name, _kind(whom), Status.ALREADY_SENT, detail=told))
                continue
            outcomes.append(messenger.tell(whom))
            if outcomes[-1].status is Status.SENT:
                known.told[key] = now
        return AlertResult(outcomes, _saved(memory, "the next run tells it again"))

    return _guarded(settings, environ, "Nobody is alerted", tell)


def all_clear(
    settings: Settings,
    run_id: str,
    *,
    readers_see: str = "",
    environ: Mapping[str, str] = os.environ,
    sleep: Callable[[float], None] = time.sleep,
    now: datetime | None = None,
) -> AlertResult:
    """Tell everybody who heard of a trouble that it is over; nobody where there was none.

    Args:
        settings: the paths.
        run_id: the run that is well again.
        readers_see: what readers see now, a sentence.
        environ: the environment variables with the mail server and the channels' URLs.
        sleep: waits between tries, for so many seconds.
        now: the present, UTC without a zone; default: the machine's clock.

    Returns:
        What became of it. Nothing is raised. Whoever could not be told is told by the next run that is well.
    """
    now = now or _now()
    if not (settings.state / FILE).exists():
        return AlertResult()

    def tell(alerts: Alerts, memory: _Memory) -> AlertResult:
        everybody = [*alerts.recipients, *alerts.channels]
        heard = {key for known in memory.troubles.values() for key in known.told}
        # Of a memory that cannot be read, only this is known: somebody heard of something.
        whom_to_tell = [whom for whom in everybody if memory.is_damaged or _key(whom) in heard]
        since = min((known.first_at for known in memory.troubles.values()), default=None)
        message = _clear_message(run_id, readers_see, since, alerts, lambda text: _scrub(text, alerts, environ))
        messenger = _Messenger(alerts, message, environ, sleep, now)
        outcomes = [messenger.tell(whom) for whom in whom_to_tell]
        waiting = {
            _key(whom)
            for whom, outcome in zip(whom_to_tell, outcomes, strict=True)
            if outcome.status is not Status.SENT
        }
        # What lasts of the troubles: that some have not heard of their end. One that comes up again is a new one.
        memory.troubles = {"": _Known(since or now, dict.fromkeys(waiting, now))} if waiting else {}
        return AlertResult(outcomes, _saved(memory, "the next run tells it again"))

    return _guarded(settings, environ, "Nobody is told that all is well again", tell)


@dataclass
class _Known:
    """A trouble that somebody heard of: since when it lasts, and who was told when, by the hashes of their addresses."""

    first_at: datetime
    told: dict[str, datetime] = field(default_factory=dict)


class _Memory:
    """Who heard of which trouble: <state>/alerts.json. One that cannot be read counts as empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.troubles: dict[str, _Known] = {}
        self.is_damaged = False
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            self.troubles = {
                cause: _Known(
                    datetime.fromisoformat(known["first_at"]),
                    {key: datetime.fromisoformat(told) for key, told in known["told"].items()},
                )
                for cause, known in content.items()
            }
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.is_damaged = True

    def save(self) -> None:
        """Write it down, or remove the file where there is nothing to remember.

        Raises:
            OSError: it could not be; the file is as it was.
        """
        if not self.troubles:
            self._path.unlink(missing_ok=True)
            return
        files.write_json(
            self._path,
            {
                cause: {
                    "first_at": known.first_at.isoformat(sep=" "),
                    "told": {key: told.isoformat(sep=" ") for key, told in known.told.items()},
                }
                for cause, known in self.troubles.items()
            },
        )


@dataclass(frozen=True)
class _Message:
    """What is told, in parts that the templates put together. All of it may leave the machine."""

    subject: str
    paragraphs: Sequence[str]
    lists: Sequence[tuple[str, Sequence[str]]]
    log: Sequence[str]
    footer: Sequence[str]
    short: str
    is_well: bool = False

    def as_report(self) -> Report:
        """Put it into the form of a mail."""
        text = _template("alert.txt.j2").render(message=self).strip() + "\n"
        return Report(self.subject, text, {"cid": _template("alert.html.j2").render(message=self)}, self.short, (), {})


class _Messenger:
    """Hands a message over to one recipient after the other."""

    def __init__(
        self,
        alerts: Alerts,
        message: _Message,
        environ: Mapping[str, str],
        sleep: Callable[[float], None],
        now: datetime,
    ) -> None:
        self._alerts, self._message, self._environ, self._sleep, self._now = alerts, message, environ, sleep, now
        # Why no mail gets through: then the next one is not tried, which would wait in vain, or lock the account.
        self._no_mail: Undelivered | None = None

    def tell(self, whom: Recipient | Channel) -> Outcome:
        """Hand it over. Raises nothing."""

        def outcome(status: Status, attempts: int, detail: str = "") -> Outcome:
            return Outcome(whom.name, _kind(whom), status, attempts, detail)

        try:
            hand_over = self._mail(whom) if isinstance(whom, Recipient) else self._post(whom)
            return outcome(Status.SENT, deliver.with_retries(hand_over, self._sleep))
        except Undelivered as error:
            if error.everybody:
                self._no_mail = error
            # Better told twice than not at all: what may have arrived is told again by the next run.
            return outcome(Status.UNSURE if error.unsure else Status.FAILED, error.attempts, error.sentence)
        except Exception as error:
            # The words of an unforeseen error may hold anything, so its kind must do.
            return outcome(Status.FAILED, 0, f"the alert could not be made ({type(error).__name__})")

    def _mail(self, whom: Recipient) -> Callable[[], None]:
        if self._no_mail:
            raise Undelivered(f"not tried, because {self._no_mail.sentence}")
        server = MailServer.from_environment(self._environ)
        mail = make_mail(self._message.as_report(), self._alerts, whom, self._now.replace(tzinfo=UTC))
        sender, content = parseaddr(self._alerts.sender)[1], mail.as_bytes()
        return lambda: server.send(sender, whom.address, content, lambda: None)

    def _post(self, whom: Channel) -> Callable[[], None]:
        url = self._environ.get(whom.url_env, "").strip()
        if not url:
            raise Undelivered(f"the environment variable {whom.url_env} is not set")
        return lambda: deliver.post(url, self._message.subject, self._message.short)


def _guarded(
    settings: Settings, environ: Mapping[str, str], nobody: str, tell: Callable[[Alerts, _Memory], AlertResult]
) -> AlertResult:
    """Read who is to be told and who heard of what; tell them; turn whatever is in the way into a sentence."""
    path = config_path(settings, environ)
    try:
        if not path.exists():
            return AlertResult(notes=[f"{nobody}: there is no {display(path)}; {EXAMPLE} explains it"])
        alerts = load_alerts(path)
        if alerts is None:
            return AlertResult(notes=[f"{nobody}: {display(path)} has no section alerts; {EXAMPLE} explains it"])
        return tell(alerts, _Memory(settings.state / FILE))
    except LeadSlaError as error:
        return AlertResult(notes=[clean(f"{nobody}: {'; '.join([error.what, *error.details])}")])
    except OSError as error:
        return AlertResult(notes=[f"{nobody}: {display(path)} cannot be read ({type(error).__name__})"])
    except Exception as error:
        return AlertResult(notes=[f"{nobody}: a mistake of the program ({type(error).__name__})"])


def _saved(memory: _Memory, otherwise: str) -> list[str]:
    """Write the memory down; where that fails, say what comes of it."""
    try:
        memory.save()
    except OSError as error:
        return [f"who was told could not be written down ({type(error).__name__}), so {otherwise}"]
    return []


def _alert_message(
    trouble: Trouble, alerts: Alerts, first_at: datetime, now: datetime, hide: Callable[[str], str]
) -> _Message:
    what = _sentence(hide(trouble.what))
    did = _WHAT_IT_DID.get(trouble.exit_code, "failed")
    stage, run_id = clean(hide(trouble.stage)), clean(trouble.run_id)
    subject = clean(f"Lead SLA night {did} at {stage}: {what.rstrip('.')}")
    details = [_sentence(hide(detail)) for detail in trouble.details]
    if len(details) > _DETAILS:
        details = [*details[:_DETAILS], f"and {len(details) - _DETAILS} more."]
    readers_see, todo = _sentence(hide(trouble.readers_see)), _sentence(hide(trouble.todo))
    lasting = [f"It has lasted since {first_at:%Y-%m-%d %H:%M} UTC."] if first_at < now else []
    return _Message(
        subject=subject if len(subject) <= _LONGEST_SUBJECT else f"{subject[: _LONGEST_SUBJECT - 1]}…",
        paragraphs=[what, *lasting, *([readers_see] if readers_see else [])],
        lists=[
            (title, texts) for title, texts in (("What was found", details), ("To do", [todo] if todo else [])) if texts
        ],
        log=_excerpt(trouble.log_excerpt, hide),
        footer=[
            f"Run {run_id}, exit status {trouble.exit_code}. On its machine: lead-sla history --run {run_id}",
            f"The same trouble is told again after {_hours(alerts)} if it lasts, and once when it is over.",
            *([alerts.link] if alerts.link else []),
        ],
        # Numbers and no rows: what a chat shows to many holds neither details nor the log.
        short="\n".join(
            line
            for line in (
                what,
                *lasting,
                f"{len(trouble.details):,} findings: see the mail or the log." if len(trouble.details) > 1 else "",
                readers_see,
                f"To do: {todo}" if todo else "",
                alerts.link,
            )
            if line
        ),
    )


def _clear_message(
    run_id: str, readers_see: str, since: datetime | None, alerts: Alerts, hide: Callable[[str], str]
) -> _Message:
    what = "The night is well again."
    if since:
        what = f"The night is well again. The trouble that you heard of began at {since:%Y-%m-%d %H:%M} UTC."
    paragraphs = [what, *([_sentence(hide(readers_see))] if readers_see else [])]
    return _Message(
        subject="Lead SLA night: all clear",
        paragraphs=paragraphs,
        lists=(),
        log=(),
        footer=[f"Run {clean(run_id)}.", *([alerts.link] if alerts.link else [])],
        short="\n".join([*paragraphs, *([alerts.link] if alerts.link else [])]),
        is_well=True,
    )


def _excerpt(log: Sequence[str], hide: Callable[[str], str]) -> list[str]:
    """Give the last lines of a log, fit to leave the machine. What must not is blotted out before lines are cut."""
    text = hide(_ANSI.sub("", "\n".join(log)))
    lines = [_printable(line) for line in text.splitlines() if line.strip()]
    kept = (_relevant(lines) or lines)[-LOG_LINES:]
    return [line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…" for line in kept]


def _relevant(lines: Sequence[str]) -> list[str]:
    """Leave out what dbt notes for its developers alone: every query that it runs, and more."""
    kept, is_relevant = [], True
    for line in lines:
        if level := _LEVEL.match(line):
            is_relevant = level[1] != "debug"
        if is_relevant:
            kept.append(line)
    return kept


def _printable(line: str) -> str:
    """Put a space in place of control and direction-changing characters; columns stay where they are."""
    return "".join(character if character.isprintable() else " " for character in line).rstrip()


def _scrub(text: str, alerts: Alerts, environ: Mapping[str, str]) -> str:
    return scrub(text, environ, variables=[channel.url_env for channel in alerts.channels])


def _sentence(text: str) -> str:
    """Put it on one line, with a full stop. It may begin with the name of a model, so with no capital."""
    text = clean(_ANSI.sub("", text))
    return text if not text or text[-1] in ".!?…" else f"{text}."


def _without_numbers(text: str) -> str:
    """Put a mark in place of all that differs from run to run: digits, hashes, names of temporary files."""
    text = re.sub(r"\btmp\w{6,}", "#", text)
    text = re.sub(r"\b(?=[a-f]*\d)[0-9a-f]{6,}\b", "#", text)
    return re.sub(r"\d+(?:[.,:]\d+)*", "#", text)


def _hours(alerts: Alerts) -> str:
    hours = alerts.repeat_after.total_seconds() / 3600
    return "1 hour" if hours == 1 else f"{hours:g} hours"


def _key(whom: Recipient | Channel) -> str:
    return key_of(_kind(whom), whom.address if isinstance(whom, Recipient) else whom.name)


def _kind(whom: Recipient | Channel) -> str:
    return "mail" if isinstance(whom, Recipient) else "channel"


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@lru_cache
def _template(name: str) -> jinja2.Template:
    import jinja2

    environment: Any = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PACKAGE / "templates"),
        autoescape=name.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
