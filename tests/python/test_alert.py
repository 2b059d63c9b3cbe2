"""Alerts: people hear at once when a night fails, not every quarter of an hour, and once when it is over; nothing secret leaves."""

from __future__ import annotations

import base64
import json
import logging
import stat
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from post_office import PASSWORD, TOKEN, USER, Hook, Mailbox, certificate, hook, mailbox
from project_copy import PROJECT

from lead_sla.alert import LOG_LINES, AlertResult, Trouble, alert, all_clear
from lead_sla.report import Status
from lead_sla.report.deliver import WAITS
from lead_sla.scrub import scrub
from lead_sla.settings import Settings

# pytest finds fixtures by their names in the module.
FIXTURES = (certificate, hook, mailbox)

NIGHT = datetime(2026, 6, 18, 3, 0)
HOUR = timedelta(hours=1)
TROUBLE = Trouble(
    run_id="20260618T030000Z",
    stage="Build",
    what="dim_leads failed: nothing was published",
    exit_code=1,
    details=["dim_leads: 3 rows have no lead_id", "orphans: rep R99 is unknown"],
    todo="mend the data or the model named above",
    readers_see="Readers see the marts as of 2026-06-17 15:00 UTC, published 2026-06-17 15:04 UTC.",
    log_excerpt=["03:00:12  Concurrency: 4 threads", "  \x1b[31mERROR\x1b[0m dim_leads", "Done."],
)


@dataclass
class Watch:
    """Alerts with settings of its own, without ever waiting."""

    settings: Settings
    environ: dict[str, str]
    waits: list[float] = field(default_factory=list)

    def alert(self, trouble: Trouble = TROUBLE, now: datetime = NIGHT) -> AlertResult:
        return alert(self.settings, trouble, environ=self.environ, sleep=self.waits.append, now=now)

    def all_clear(self, now: datetime = NIGHT + HOUR, **options: Any) -> AlertResult:
        return all_clear(self.settings, "next", environ=self.environ, sleep=self.waits.append, now=now, **options)

    def statuses(self, result: AlertResult) -> dict[str, Status]:
        return {outcome.name: outcome.status for outcome in result.outcomes}

    @property
    def memory(self) -> Path:
        return self.settings.state / "alerts.json"

    def configure(self, **section: Any) -> None:
        config = {"sender": "Lead SLA <lead-sla@example.com>", "link": "https://sla.example.com/", "alerts": section}
        Path(self.environ["LEAD_SLA_REPORT_CONFIG"]).write_text(yaml.safe_dump(config))


@pytest.fixture
def watch(tmp_path: Path, mailbox: Mailbox, certificate: Path, hook: Hook) -> Watch:
    environ = {
        "LEAD_SLA_REPORT_CONFIG": str(tmp_path / "report.yml"),
        "LEAD_SLA_SMTP_HOST": "127.0.0.1",
        "LEAD_SLA_SMTP_PORT": str(mailbox.port),
        "LEAD_SLA_SMTP_USER": USER,
        "LEAD_SLA_SMTP_PASSWORD": PASSWORD,
        "LEAD_SLA_SMTP_CA_FILE": str(certificate),
        "OPERATIONS_CHAT": hook.url,
    }
    settings = Settings(
        PROJECT, tmp_path / "raw", False, tmp_path / "w.duckdb", tmp_path / "published", tmp_path / "state"
    )
    watch = Watch(settings, environ)
    watch.configure(
        recipients=["ann@example.com", "ops@example.com"], channels=[{"name": "chat", "url_env": "OPERATIONS_CHAT"}]
    )
    return watch


def subject_of(mail: EmailMessage) -> str:
    # A long one begins on a line of its own.
    return str(mail["Subject"]).strip()


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return body.get_content()


def page_of(mail: EmailMessage) -> str:
    body = mail.get_body(("html",))
    assert body is not None
    return body.get_content()


# --- what is told -----------------------------------------------------------------------------------------------------


def test_everybody_hears_where_and_why_and_what_readers_see_meanwhile(
    watch: Watch, mailbox: Mailbox, hook: Hook
) -> None:
    result = watch.alert()

    assert result.is_ok and result.sentences() == [
        "mail ann@example.com: sent",
        "mail ops@example.com: sent",
        "channel chat: sent",
    ]
    assert [address for address, _ in mailbox.mails] == ["ann@example.com", "ops@example.com"]
    mail = mailbox.mails[0][1]
    assert subject_of(mail) == "Lead SLA night failed at Build: dim_leads failed: nothing was published"
    assert mail["To"] == "ann@example.com" and mail["Auto-Submitted"] == "auto-generated"
    for part in (text_of(mail), page_of(mail)):
        for sentence in (
            "dim_leads failed: nothing was published.",
            "dim_leads: 3 rows have no lead_id.",
            TROUBLE.readers_see,
            "mend the data or the model named above.",
            "03:00:12  Concurrency: 4 threads",
            "  ERROR dim_leads",
            "lead-sla history --run 20260618T030000Z",
            "The same trouble is told again after 6 hours",
            "https://sla.example.com/",
        ):
            assert sentence in part
    (told,) = hook.told
    assert told["title"] == subject_of(mail)
    assert TROUBLE.readers_see in told["message"] and "2 findings" in told["message"]
    # A chat is read by many: no rows, no log.
    assert "R99" not in told["message"] and "Concurrency" not in told["message"]


@pytest.mark.parametrize(
    ("exit_code", "subject"),
    [
        (2, "Lead SLA night refused its input at Build: "),
        (3, "Lead SLA night is late at Build: "),
        (143, "Lead SLA night was stopped at Build: "),
        (99, "Lead SLA night failed at Build: "),
    ],
)
def test_the_subject_says_how_bad_it_is(watch: Watch, mailbox: Mailbox, exit_code: int, subject: str) -> None:
    watch.alert(replace(TROUBLE, exit_code=exit_code))

    assert subject_of(mailbox.mails[0][1]).startswith(subject)


def test_hostile_words_stay_words(watch: Watch, mailbox: Mailbox) -> None:
    evil = "<script>alert(1)</script>\r\nBcc: all@example.com {{ 7 * 7 }}"
    watch.alert(
        replace(TROUBLE, stage=evil, what=evil, details=[evil], todo=evil, readers_see=evil, log_excerpt=[evil])
    )

    mail = mailbox.mails[0][1]
    assert mail["Bcc"] is None and len(mail["Subject"]) <= 150
    assert "<script>" not in page_of(mail) and "&lt;script&gt;" in page_of(mail)
    assert "{{ 7 * 7 }}" in text_of(mail) and "49" not in text_of(mail)


def test_the_log_is_cut_to_its_end_and_long_lists_and_lines_are_cut(watch: Watch, mailbox: Mailbox) -> None:
    lines = [f"line {number} {'x' * 1000}" for number in range(100)] + ["", "  "]
    watch.alert(replace(TROUBLE, log_excerpt=lines, details=[f"model {number}: wrong" for number in range(50)]))

    text = text_of(mailbox.mails[0][1])
    shown = [line for line in text.splitlines() if line.startswith("  | ")]
    assert len(shown) == LOG_LINES and shown[0].startswith("  | line 60 ") and shown[-1].startswith("  | line 99 ")
    assert max(map(len, shown)) < 310
    assert "model 19: wrong." in text and "model 20: wrong." not in text and "and 30 more." in text


def test_of_dbts_log_the_queries_are_left_out_unless_there_is_nothing_else(watch: Watch, mailbox: Mailbox) -> None:
    queries = ["03:00:12.123456 [debug] [Thread-1]: On model.dim_leads:", "  select secret_column", "  from leads"] * 50
    said = ["03:00:13.123456 [error] [MainThread]: Runtime Error", "  Conversion Error in dim_leads"]
    watch.alert(replace(TROUBLE, log_excerpt=[*said, *queries]))
    watch.alert(replace(TROUBLE, stage="Gate", log_excerpt=queries))

    texts = [text_of(mail) for _, mail in mailbox.mails[::2]]
    assert "Conversion Error in dim_leads" in texts[0] and "select secret_column" not in texts[0]
    assert "select secret_column" in texts[1]


# --- how often --------------------------------------------------------------------------------------------------------


def test_the_same_trouble_is_told_again_only_after_some_hours_whatever_its_numbers(
    watch: Watch, mailbox: Mailbox
) -> None:
    watch.alert()
    same = replace(
        TROUBLE,
        run_id="20260618T031500Z",
        details=["dim_leads: 4 rows have no lead_id, see /tmp/tmpa1b2c3d4", "orphans: rep R12 is unknown"],
    )
    again = watch.alert(same, NIGHT + HOUR)

    assert set(watch.statuses(again).values()) == {Status.ALREADY_SENT} and again.is_ok
    assert "already sent: at 2026-06-18 03:00 UTC, and again after 6 hours" in again.sentences()[0]
    assert len(mailbox.mails) == 2
    watch.alert(same, NIGHT + 6 * HOUR)
    assert len(mailbox.mails) == 4
    assert "It has lasted since 2026-06-18 03:00 UTC." in text_of(mailbox.mails[-1][1])
    watch.alert(same, NIGHT + 11 * HOUR)
    assert len(mailbox.mails) == 4


@pytest.mark.parametrize(
    "other",
    [
        {"stage": "Publish"},
        {"what": "fct_funnel_monthly failed: nothing was published"},
        {"details": ["dim_leads: 3 rows have no lead_id"]},
    ],
    ids=["stage", "cause", "findings"],
)
def test_a_different_trouble_is_told_at_once(watch: Watch, mailbox: Mailbox, other: dict[str, Any]) -> None:
    watch.alert()
    watch.alert(replace(TROUBLE, **other), NIGHT + HOUR)
    assert len(mailbox.mails) == 4
    # Two that take turns are not told each time.
    watch.alert(TROUBLE, NIGHT + 2 * HOUR)
    assert len(mailbox.mails) == 4


def test_a_clock_that_is_set_back_silences_nothing(watch: Watch, mailbox: Mailbox) -> None:
    watch.alert(now=NIGHT + timedelta(days=400))
    watch.alert(now=NIGHT)

    assert len(mailbox.mails) == 4


def test_the_hours_are_those_of_the_configuration(watch: Watch, mailbox: Mailbox) -> None:
    watch.configure(recipients=["ops@example.com"], repeat_hours=0.5)
    watch.alert()
    watch.alert(now=NIGHT + timedelta(minutes=29))
    assert len(mailbox.mails) == 1
    watch.alert(now=NIGHT + timedelta(minutes=30))
    assert len(mailbox.mails) == 2


# --- all clear --------------------------------------------------------------------------------------------------------


def test_when_it_is_over_those_who_heard_of_it_hear_once(watch: Watch, mailbox: Mailbox, hook: Hook) -> None:
    assert watch.all_clear().sentences() == []
    watch.alert()
    watch.alert(replace(TROUBLE, stage="Publish"))
    watch.configure(
        recipients=["ops@example.com", "new@example.com"], channels=[{"name": "chat", "url_env": "OPERATIONS_CHAT"}]
    )
    mailbox.mails.clear(), hook.told.clear()

    result = watch.all_clear(readers_see="Readers see the marts as of 2026-06-18 04:00 UTC.")

    assert result.sentences() == ["mail ops@example.com: sent", "channel chat: sent"]
    ((address, mail),) = mailbox.mails
    assert address == "ops@example.com" and mail["Subject"] == "Lead SLA night: all clear"
    for part in (text_of(mail), page_of(mail), hook.told[0]["message"]):
        assert "began at 2026-06-18 03:00 UTC" in part
        assert "Readers see the marts as of 2026-06-18 04:00 UTC." in part
    assert not watch.memory.exists()
    assert watch.all_clear().sentences() == []
    watch.alert(now=NIGHT + 2 * HOUR)
    assert len(mailbox.mails) == 3, "after the all-clear it is a new trouble"


def test_nobody_hears_the_end_of_what_he_never_heard_of(watch: Watch, mailbox: Mailbox) -> None:
    mailbox.refuse["ann@example.com"] = "550 no such user"
    watch.alert()
    mailbox.refuse.clear()
    mailbox.mails.clear()

    watch.all_clear()
    assert [address for address, _ in mailbox.mails] == ["ops@example.com"]


def test_an_all_clear_that_does_not_arrive_is_sent_by_the_next_good_run(watch: Watch, mailbox: Mailbox) -> None:
    watch.alert()
    mailbox.refuse["ann@example.com"] = "550 mailbox is away"
    assert not watch.all_clear().is_ok
    mailbox.refuse.clear()
    mailbox.mails.clear()

    assert watch.statuses(watch.all_clear(NIGHT + 2 * HOUR)) == {"ann@example.com": Status.SENT}
    assert [address for address, _ in mailbox.mails] == ["ann@example.com"] and not watch.memory.exists()


# --- what may be in the way -------------------------------------------------------------------------------------------


def test_a_recipient_who_is_refused_keeps_nobody_waiting_and_is_told_by_the_next_run(
    watch: Watch, mailbox: Mailbox, hook: Hook
) -> None:
    mailbox.refuse["ann@example.com"] = "550 no such user"
    hook.codes[:] = [500, 500, 500]
    result = watch.alert()

    assert watch.statuses(result) == {
        "ann@example.com": Status.FAILED,
        "ops@example.com": Status.SENT,
        "chat": Status.FAILED,
    }
    assert not result.is_ok and watch.waits == list(WAITS)
    assert "the mail server answered 550 no such user" in result.sentences()[0]
    assert "channel chat: failed after 3 attempts: the service answered HTTP 500" in result.sentences()
    mailbox.refuse.clear()
    assert watch.statuses(watch.alert(now=NIGHT + HOUR)) == {
        "ann@example.com": Status.SENT,
        "ops@example.com": Status.ALREADY_SENT,
        "chat": Status.SENT,
    }


def test_a_mail_server_that_is_not_there_is_told_in_sentences_and_the_chat_hears_it(watch: Watch, hook: Hook) -> None:
    watch.environ["LEAD_SLA_SMTP_PORT"] = "1"
    result = watch.alert()

    assert watch.statuses(result)["chat"] is Status.SENT and len(hook.told) == 1
    assert "failed after 3 attempts: the mail server cannot be reached" in result.sentences()[0]
    assert "not tried, because" in result.sentences()[1] and watch.waits == list(WAITS)


def test_what_may_have_arrived_is_told_again(watch: Watch, mailbox: Mailbox) -> None:
    watch.configure(recipients=["ops@example.com"])
    mailbox.data_script[:] = ["hang up"]

    assert watch.statuses(watch.alert()) == {"ops@example.com": Status.UNSURE}
    assert watch.statuses(watch.alert(now=NIGHT + HOUR)) == {"ops@example.com": Status.SENT}


def test_nobody_is_alerted_where_nobody_is_configured_and_a_sentence_says_so(watch: Watch, mailbox: Mailbox) -> None:
    config = Path(watch.environ["LEAD_SLA_REPORT_CONFIG"])
    for content, sentence in (
        ("sender: a@example.com\n", "has no section alerts; config/report.example.yml explains it"),
        (
            "sender: a@example.com\nalerts: {recipients: [nobody]}\n",
            "1 mistake; alerts: recipients, entry 1 is not one",
        ),
        ("alerts: [\n", "is not YAML"),
        ("- a\n", "no mapping of keys"),
        (None, "there is no "),
    ):
        config.unlink(missing_ok=True)
        if content is not None:
            config.write_text(content)
        result = watch.alert()
        (note,) = result.sentences()
        assert note.startswith("Nobody is alerted: ") and sentence in note
        assert result.outcomes == () and result.is_ok
    assert mailbox.mails == [] and not watch.memory.exists()


def test_a_mistake_in_the_reports_own_part_of_the_file_keeps_no_alert_back(watch: Watch, mailbox: Mailbox) -> None:
    config = Path(watch.environ["LEAD_SLA_REPORT_CONFIG"])
    config.write_text(config.read_text() + "subject: '{'\nrecipients: all\n")

    assert watch.alert().is_ok and len(mailbox.mails) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"x": 3}', '{"x": {"first_at": "y", "told": {}}}', "\udcff"])
def test_a_damaged_memory_is_no_trouble_and_silences_nothing(watch: Watch, mailbox: Mailbox, content: str) -> None:
    watch.alert()
    watch.memory.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert set(watch.statuses(watch.alert()).values()) == {Status.SENT}

    watch.memory.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert len(watch.all_clear().outcomes) == 3, "somebody heard of something"
    assert not watch.memory.exists()


def test_a_memory_that_cannot_be_written_keeps_no_alert_back(watch: Watch, mailbox: Mailbox) -> None:
    watch.settings.state.write_text("a file in the place of the folder")
    result = watch.alert()

    assert len(mailbox.mails) == 2 and result.is_ok
    assert result.sentences()[-1].startswith("who was told could not be written down")


def test_the_memory_holds_no_address_and_is_for_its_owner_alone(watch: Watch) -> None:
    watch.alert()

    assert "@" not in watch.memory.read_text() and "Build" not in watch.memory.read_text()
    assert len(json.loads(watch.memory.read_text())) == 1
    assert stat.S_IMODE(watch.memory.stat().st_mode) == 0o600
    assert stat.S_IMODE(watch.memory.parent.stat().st_mode) == 0o700


def test_a_mistake_of_ours_is_a_sentence(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError(PASSWORD)

    with monkeypatch.context() as patch:
        patch.setattr("lead_sla.alert.make_mail", fail)
        assert "failed: the alert could not be made (ZeroDivisionError)" in watch.alert().sentences()[0]
    monkeypatch.setattr("lead_sla.alert._alert_message", fail)
    assert watch.alert().sentences() == ["Nobody is alerted: a mistake of the program (ZeroDivisionError)"]


# --- secrets and people -----------------------------------------------------------------------------------------------


def test_no_secret_and_no_address_leaves_or_stays_anywhere(
    watch: Watch,
    mailbox: Mailbox,
    hook: Hook,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    watch.environ |= {"CRM_API_TOKEN": "canary-of-the-crm-1", "PGPASSWORD": "canary of Postgres"}
    login = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    leak = (
        f"login {PASSWORD} {quote(PASSWORD, safe='')} {login} at {hook.url} with {TOKEN}, canary-of-the-crm-1 and "
        f"canary of Postgres of jo.o-neil+crm@customer.example, +49 (30) 123-4567, (030) 123-4567, 555-123-4567"
    )
    # Cut in the middle, a secret would no longer be known as one.
    cut = "x" * 290 + PASSWORD
    trouble = Trouble("run", "Build", leak, 1, [leak, f"a: {leak}"], leak, leak, [leak, cut])
    results = [watch.alert(trouble), watch.all_clear(readers_see=leak)]
    watch.environ["LEAD_SLA_SMTP_PASSWORD"] = f"{PASSWORD}!"
    results.append(watch.alert(TROUBLE))

    assert len(mailbox.mails) == 4 and len(hook.told) == 3
    seen = "\n".join(f"{mail['Subject']}\n{text_of(mail)}\n{page_of(mail)}" for _, mail in mailbox.mails)
    seen += json.dumps(hook.told) + watch.memory.read_text() + "".join(map(repr, results)) + "".join(capfd.readouterr())
    seen += "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("mail."))
    assert "login •••" in seen
    for secret in (PASSWORD, PASSWORD[:10], quote(PASSWORD, safe=""), login[12:40], TOKEN, "canary", "neil", "3-4567"):
        assert secret not in seen


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-18 15:00:00.123456",
        "20260618T150000Z_20261121T235638228706Z",
        "L00000224 of rep R99, 1,234,567 rows in 12.345678 s",
        "03:00:12.345678  1 of 42 START sql table model marts.dim_leads",
        "dbt=1.11.16, duckdb 2.0.0, 127.0.0.1:5432",
        "-0.1234567891 and 1e-10",
        "macros/engines/duckdb.sql@L12",
    ],
)
def test_what_is_nobodys_stays(text: str) -> None:
    environ = {"SOME_KEY": "short", "HOME": "/home/ann", "A_TOKEN": "", "LEAD_SLA_SMTP_USER": "ann"}
    assert scrub(text, environ) == text


@pytest.mark.parametrize(
    "person",
    [
        "jo@customer.example",
        "jörg.müller@firma-köln.de",
        "o'neil+crm@customer.co.uk",
        "+4930123456",
        "+49 (30) 123-4567",
        "0049 30 123456",
        "(030) 123-4567",
        "030/1234567",
        "030 1234567",
        "555-123-4567",
        "(555) 123-4567",
        "5551234567",
    ],
)
def test_what_is_somebodys_is_blotted_out(person: str) -> None:
    for text in ("{}", "lead L1: {}.", "'{}'", "email={}, x", "<{}>", "a,{},b"):
        left = scrub(text.format(person), {})
        assert "•••" in left and not [part for part in ("123", "customer", "firma") if part in left]


def test_a_line_without_end_is_no_trouble() -> None:
    began = time.monotonic()
    for endless in ("x" * 300_000, "1" * 300_000, "+1" + " 1" * 150_000, "a@" * 150_000):
        scrub(endless, {"A_TOKEN": "secret"})
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEAD_SLA_SMTP_PASSWORD", "s3cret"),
        ("LEAD_SLA_SMTP_USER", "mailer"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG"),
        ("github_token", "ghp_16C7e42F292c6912E7"),
        ("DATABASE_URL", "postgres.internal"),
        ("WHATEVER", "postgresql://u:pass-word@db/x"),
        ("CHAT", "no-url-but-named"),
    ],
)
def test_a_secret_is_hidden_in_every_form_in_which_it_travels(name: str, value: str) -> None:
    forms = [value, quote(value, safe=""), json.dumps(value), base64.b64encode(value.encode()).decode()]
    for form in forms:
        assert form.strip('"').strip("=") not in scrub(f"before {form} after", {name: value}, variables=["CHAT"])


def test_a_part_of_a_url_that_is_a_secret_by_itself_is_hidden() -> None:
    environ = {
        "CHAT": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?x=y",
        "DB": "pg://user:pass-word@db/leads",
    }

    said = "no_service: TIiajkdnlazkcOXrIdevi7FQ of T1JJ3T3L2; pass-word refused for leads"
    assert scrub(said, environ) == "no_service: ••• of •••; ••• refused for leads"
