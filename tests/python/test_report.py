"""The daily report: the marts' numbers, told to the right people once a day, whatever the data, the server or the network do."""

from __future__ import annotations

import base64
import csv
import html
import io
import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from click.testing import CliRunner
from post_office import PASSWORD, TOKEN, USER, Hook, Mailbox, certificate, hook, mailbox, serve
from project_copy import PROJECT

from lead_sla import raw
from lead_sla.cli import cli
from lead_sla.errors import LeadSlaError, RefusedInput
from lead_sla.lock import only_one
from lead_sla.publish import PublishedRun, current, publish
from lead_sla.report import Outcome, ReportResult, Status, load_config, send_reports, write_reports
from lead_sla.report.config import EXAMPLE, ReportConfig, Scope, load_alerts
from lead_sla.report.deliver import WAITS, MailServer
from lead_sla.report.figures import Figures, Marts, UnknownScope
from lead_sla.report.ledger import Ledger
from lead_sla.report.mail import Report, make_csv, make_mail, make_report
from lead_sla.settings import Settings

# pytest finds fixtures by their names in the module.
FIXTURES = (certificate, hook, mailbox)
GMAIL_CLIPS_AT = 102_000


# --- the marts that are reported on -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(built_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample company's marts, published with two findings of the checks."""
    folder = tmp_path_factory.mktemp("published")
    notes = {
        "findings": [
            "\x1b[33mraw leads\x1b[0m: 3 rows name jo@customer.example or +49 (30) 123-4567",
            "rep R99: unknown",
        ],
        "broken_promises": ["rule new_lead_touch: 56.6 % were met, and 75 % are promised. An hour is short"],
    }
    publish(built_warehouse, folder, notes=notes)
    return folder


@pytest.fixture(scope="module")
def now(published: Path) -> datetime:
    """Ten minutes after the marts were true."""
    return ask(published, "select as_of from marts.run_metadata")[0][0] + timedelta(minutes=10)


def ask(published: Path, query: str, *parameters: Any) -> list[tuple]:
    with duckdb.connect(str(published / "marts.duckdb"), read_only=True) as connection:
        return connection.execute(query, parameters).fetchall()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts are laid out, but not drawn, which takes most of the time."""
    monkeypatch.setattr("lead_sla.report.charts._picture", lambda *_: b"\x89PNG")


@pytest.fixture
def change_marts(published: Path, tmp_path: Path) -> Callable[..., Path]:
    """Publishes the sample company's marts anew, after some statements; `tables` are emptied first."""

    def change(*statements: str, empty: bool = False, notes: dict[str, Any] | None = None) -> Path:
        warehouse = tmp_path / "changed.duckdb"
        shutil.copy(Path(published / "marts.duckdb").resolve(), warehouse)
        with duckdb.connect(str(warehouse)) as connection:
            tables = connection.execute("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall()
            for (table,) in tables:
                if empty and table != "run_metadata":
                    connection.execute(f"delete from marts.{table}")
            for statement in statements:
                connection.execute(statement)
        publish(warehouse, tmp_path / "changed", notes=notes)
        return tmp_path / "changed"

    return change


def config_of(folder: Path, **changes: Any) -> Path:
    """Write a configuration: the example's, with other values."""
    content = yaml.safe_load((PROJECT / EXAMPLE).read_text()) | changes
    path = folder / "report.yml"
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return path


@pytest.fixture
def config(tmp_path: Path) -> ReportConfig:
    return load_config(config_of(tmp_path, not_before=None))


def figures_of(published: Path, now: datetime, scope: Scope | None = None) -> Figures:
    run = current(published)
    assert run is not None
    with Marts(run, now, raw.late_after(PROJECT)) as marts:
        return marts.figures(scope or Scope())


def report_of(published: Path, now: datetime, config: ReportConfig, scope: Scope | None = None) -> Report:
    return make_report(figures_of(published, now, scope), config)


def words(text: str) -> str:
    """The text of an HTML page or of a mail with single plain spaces."""
    return " ".join(html.unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL)).split())


# --- the configuration ------------------------------------------------------------------------------------------------


def test_the_example_is_valid_and_holds_no_real_address() -> None:
    config = load_config(PROJECT / EXAMPLE)

    assert {recipient.sees.kind for recipient in config.recipients} == {"all", "team", "manager", "rep"}
    assert all(recipient.address.endswith("@example.com") for recipient in config.recipients)
    assert [channel.url_env for channel in config.channels] == ["LEAD_SLA_SLACK_URL"]
    assert f"{config.not_before}" == "06:30:00"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sender": None}, "sender is missing"),
        ({"sender": "nobody"}, "sender is not an e-mail address"),
        ({"sender": "a@example.com\nBcc: b@example.com"}, "sender is not a text on one line"),
        ({"subject": "{open.__class__}"}, "subject: what stands in braces is one of date, scope"),
        ({"subject": "{"}, "subject: what stands in braces"),
        ({"crm_lead_url": "https://crm.example.com/leads"}, "crm_lead_url has {lead_id} once"),
        ({"crm_lead_url": "javascript:alert({lead_id})"}, "crm_lead_url is no address that begins with https://"),
        ({"link": '"><script>'}, "link is no address"),
        ({"not_before": "25:00"}, "not_before is a time of day"),
        ({"recipients": [], "channels": []}, "nobody would get the report"),
        ({"recipients": [{"name": "a", "address": "a@example.com"}]}, "recipients, entry 1: sees is one of"),
        ({"recipients": [{"name": "a", "address": "a@b@c", "sees": "all"}]}, "is not one plain e-mail address"),
        ({"recipients": [{"name": "../a", "address": "a@example.com", "sees": "all"}]}, "a name is made of letters"),
        ({"recipients": [{"name": "a", "address": "a@example.com", "sees": {"rep": 7}}]}, "stands in quotes"),
        ({"recipients": [{"name": "a", "address": "a@example.com", "sees": "all", "cc": "b"}]}, "unknown key cc"),
        (
            {"recipients": [{"name": n, "address": a, "sees": "all"} for n, a in (("a", "X@e.com"), ("b", "x@E.com"))]},
            "the address x@e.com stands twice",
        ),
        ({"channels": [{"name": "alice", "url_env": "LEAD_SLA_X", "sees": "all"}]}, "the name alice stands twice"),
        ({"alerts": "all"}, "alerts: give recipients, channels, or both"),
        ({"alerts": {"repeat_hours": 3}}, "alerts: there are neither recipients nor channels: nobody would be alerted"),
        ({"alerts": {"recipients": "a@example.com"}}, "alerts: recipients: give a list of e-mail addresses"),
        ({"alerts": {"recipients": ["a@b@c"]}}, "alerts: recipients, entry 1 is not one plain e-mail address"),
        ({"alerts": {"recipients": [{"address": "a@example.com"}]}}, "alerts: recipients, entry 1 is not a text"),
        ({"alerts": {"recipients": ["A@e.com", "a@E.com"]}}, "alerts: the address a@e.com stands twice"),
        (
            {"alerts": {"recipients": ["a@e.com"], "repeat_hours": 0}},
            "alerts: repeat_hours is a number of hours above 0",
        ),
        ({"alerts": {"recipients": ["a@e.com"], "repeat_hours": True}}, "alerts: repeat_hours is a number of hours"),
        ({"alerts": {"recipients": ["a@e.com"], "repeat_minutes": 5}}, "alerts: unknown key repeat_minutes"),
        ({"alerts": {"channels": [{"name": "s", "url_env": f"slack://{TOKEN}"}]}}, "and never the URL"),
        (
            {"alerts": {"channels": [{"name": "s", "url": f"slack://{TOKEN}"}]}},
            "alerts: channels, entry 1: unknown key url",
        ),
        ({"smtp_password": PASSWORD}, "unknown key smtp_password"),
        ({"channels": [{"name": "s", "url_env": f"slack://{TOKEN}", "sees": "all"}]}, "and never the URL"),
        ({"channels": [{"name": "s", "url": f"slack://{TOKEN}", "sees": "all"}]}, "unknown key url"),
    ],
)
def test_a_mistake_in_the_configuration_is_named_in_a_sentence(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RefusedInput) as refused:
        load_config(config_of(tmp_path, **changes))

    message = refused.value.format_message()
    assert sentence in message
    assert PASSWORD not in message and TOKEN not in message


def test_the_example_says_who_is_alerted_and_a_section_without_hours_means_six() -> None:
    alerts = load_alerts(PROJECT / EXAMPLE)

    assert alerts is not None
    assert [recipient.address for recipient in alerts.recipients] == ["data-operations@example.com"]
    assert [channel.url_env for channel in alerts.channels] == ["LEAD_SLA_ALERTS_URL"]
    assert alerts.repeat_after == timedelta(hours=6)


def test_who_is_alerted_can_be_read_where_the_rest_of_the_file_is_wrong(tmp_path: Path) -> None:
    path = config_of(tmp_path, subject="{", recipients=[], channels=[], alerts={"recipients": ["ops@example.com"]})
    with pytest.raises(RefusedInput):
        load_config(path)

    alerts = load_alerts(path)
    assert alerts is not None and alerts.recipients[0].address == "ops@example.com"
    assert alerts.repeat_after == timedelta(hours=6)
    assert load_alerts(config_of(tmp_path, alerts=None)) is None
    with pytest.raises(RefusedInput, match="sender is missing"):
        load_alerts(config_of(tmp_path, sender=None))


def test_a_missing_configuration_says_what_to_copy_and_a_broken_one_in_which_line(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match=r"copy config/report\.example\.yml"):
        load_config(tmp_path / "report.yml")
    (tmp_path / "report.yml").write_text(f"sender: x\npassword: [{PASSWORD}\n")
    with pytest.raises(RefusedInput, match=r"report\.yml, line \d") as refused:
        load_config(tmp_path / "report.yml")
    assert PASSWORD not in refused.value.format_message()


# --- what the report says ---------------------------------------------------------------------------------------------


def test_every_number_of_the_first_screen_is_that_of_the_marts(
    published: Path, now: datetime, config: ReportConfig
) -> None:
    report = report_of(published, now, config)
    ((on_the_list,),) = ask(published, "select count(*) from marts.do_not_be_on_it")
    ((due_soon,),) = ask(published, "select count(*) from marts.due_soon")
    ((met, due),) = ask(
        published,
        "select sum(met), sum(due) from marts.fct_sales_sla_daily, marts.run_metadata "
        "where date_day > as_of::date - 7 and date_day <= as_of::date",
    )
    ((value, ideal, pace),) = ask(
        published,
        "select mtd_value_usd, ideal_mtd_value_usd, pace from marts.fct_marketing_sla_daily "
        "where persona = 'all' order by date_day desc limit 1",
    )
    assert on_the_list > 0 and due_soon > 0

    for text in (words(report.pages["cid"]), words(report.text), words(report.short)):
        assert f"{met:,} of {due:,} promises met" in text
        assert f"{pace.replace('_', ' ')}: ${value:,.0f} of the ideal ${ideal:,.0f}" in text
        assert re.search(rf"Do Not Be On It:? {on_the_list:,} ", text)
        assert re.search(rf"Due soon:? {due_soon:,} ", text)


def test_every_persona_rule_and_rep_is_told_with_the_numbers_of_the_marts(
    published: Path, now: datetime, config: ReportConfig
) -> None:
    figures = figures_of(published, now)
    report = make_report(figures, config)
    text, page = words(report.text), words(report.pages["cid"])
    personas = ask(
        published,
        "select mtd_leads, target_leads, forecast_leads, mtd_value_usd, target_value_usd "
        "from marts.fct_marketing_sla_daily where date_day = (select max(date_day) from marts.fct_marketing_sla_daily)",
    )
    assert len(personas) == 4
    for leads, target, forecast, value, target_value in personas:
        assert f"{leads:,} leads" in text
        for number in (
            f"target {target:,.0f}",
            f"forecast {forecast:,.0f}",
            f"${value:,.0f}",
            f"target ${target_value:,.0f}",
        ):
            assert number in text and number in page
    violating = dict(
        ask(
            published,
            "select rule_id, count(*) from marts.fct_sales_sla_obligations where status = 'violating' group by all",
        )
    )
    assert {rule["rule_id"]: rule["on_the_list"] for rule in figures.rules if rule["on_the_list"]} == violating
    for rule in figures.rules:
        assert f"{rule['week_met']:,} of {rule['week_due']:,}" in text
    for name, count in ask(published, "select rep_name, count(*) from marts.do_not_be_on_it group by all"):
        assert re.search(rf"{re.escape(name)}( \([^)]*\))?: {count:,} open", text, flags=re.IGNORECASE)


def test_dollars_are_forecast_by_the_formula_by_which_the_marts_forecast_leads(published: Path, now: datetime) -> None:
    company = figures_of(published, now).company
    clock = company.clock
    for row in company.to_date:
        recent = ask(
            published,
            "select avg(qualified_leads), avg(credited_value_usd) from marts.fct_marketing_sla_daily "
            "where persona = ? and date_day < ? and date_day >= ?::date - 28",
            row["persona"],
            clock.as_of_date,
            clock.as_of_date,
        )
        leads_a_day, dollars_a_day = recent[0]
        assert row["forecast_leads"] == pytest.approx(row["mtd_leads"] + leads_a_day * clock.days_left)
        assert row["forecast_value_usd"] == pytest.approx(float(row["mtd_value_usd"]) + dollars_a_day * clock.days_left)


def test_what_came_onto_the_list_and_left_it_since_yesterday_adds_up(published: Path, now: datetime) -> None:
    change = figures_of(published, now).change
    yesterday = (
        "select count(*) from marts.fct_sales_sla_obligations, marts.run_metadata where due_at < as_of - interval 1 day "
        "and coalesce(satisfied_at > as_of - interval 1 day, true) and coalesce(cancelled_at > as_of - interval 1 day, true)"
    )
    assert change["before"] == ask(published, yesterday)[0][0]
    assert change["now"] == ask(published, "select count(*) from marts.do_not_be_on_it")[0][0]
    assert change["before"] + change["newly"] - change["cured"] - change["closed"] == change["now"]
    assert change["newly"] > 0 and change["cured"] > 0


def test_the_attached_lists_are_whole_and_the_shown_ones_are_cut(
    published: Path, now: datetime, config: ReportConfig
) -> None:
    report = report_of(published, now, config)
    listed = ask(published, "select lead_id, rule_id, responsible_rep_id from marts.do_not_be_on_it order by all")
    attached = list(csv.DictReader(io.StringIO(report.attachments["do_not_be_on_it.csv"].decode("utf-8-sig"))))

    assert sorted((row["lead_id"], row["rule_id"], row["rep_id"]) for row in attached) == listed
    assert len(re.findall("https://crm.example.com/leads/", report.text)) < len(listed)
    assert re.search(r"and \d+ more", report.text) and re.search(r"and \d+ more", words(report.pages["cid"]))
    assert set(report.attachments) == {"do_not_be_on_it.csv", "due_soon.csv", "promises_not_kept.csv", "warnings.csv"}


@pytest.mark.parametrize("scope", [Scope("team", "Europe"), Scope("manager", "R07"), Scope("rep", "R07")], ids=str)
def test_promises_of_the_whole_company_go_to_those_alone_who_see_it(
    published: Path, now: datetime, config: ReportConfig, scope: Scope
) -> None:
    assert "promises_not_kept.csv" not in report_of(published, now, config, scope).attachments


def test_a_team_a_manager_and_a_rep_see_their_own_and_everything_is_somebodys(
    published: Path, now: datetime, config: ReportConfig
) -> None:
    def reps_on(scope: Scope) -> dict[str, int]:
        figures = figures_of(published, now, scope)
        assert figures.change["now"] == len(figures.on_the_list) == figures.total("on_the_list")
        assert len(figures.due_soon) == figures.total("at_risk")
        return {rep["rep_id"]: rep["open"] for rep, _ in figures.reps}

    everybody = reps_on(Scope())
    teams = [team for (team,) in ask(published, "select distinct team from marts.dim_reps")]
    shown: dict[str, int] = {}
    for team in teams:
        members = {rep for (rep,) in ask(published, "select rep_id from marts.dim_reps where team = ?", team)}
        of_team = reps_on(Scope("team", team))
        assert of_team.keys() <= members
        shown |= of_team
    shown |= reps_on(Scope("rep", "unassigned")) | reps_on(Scope("rep", "R99"))
    assert shown == everybody
    assert reps_on(Scope("rep", "R07")) == {"R07": everybody["R07"]}
    assert reps_on(Scope("manager", "R06")) == {
        rep: everybody[rep] for rep in ("R06", "R07", "R08", "R09") if rep in everybody
    }
    report = report_of(published, now, config, Scope("rep", "R07"))
    others = [name for (name,) in ask(published, "select full_name from marts.dim_reps where rep_id <> 'R07'")]
    assert "Giulia Conti" in report.text and not any(name in report.text for name in others)


def test_a_manager_sees_whoever_is_below_at_any_depth_and_a_circle_ends(
    change_marts: Callable[..., Path], now: datetime
) -> None:
    changed = change_marts(
        "update marts.dim_reps set manager_id = case rep_id when 'R02' then 'R01' when 'R03' then 'R02' when 'R01' then 'R03' end"
    )
    figures = figures_of(changed, now, Scope("manager", "R01"))
    assert {rep["rep_id"] for rep, _ in figures.reps} == {"R01", "R02", "R03"}


def test_a_scope_that_the_marts_do_not_know_is_refused_because_its_empty_list_would_be_a_lie(
    published: Path, now: datetime
) -> None:
    with pytest.raises(UnknownScope, match=r"no team Eurpoe \(there are Americas, Europe, Pacific\)"):
        figures_of(published, now, Scope("team", "Eurpoe"))
    for kind in ("manager", "rep"):
        with pytest.raises(UnknownScope, match=f"know no {kind} R77"):
            figures_of(published, now, Scope(kind, "R77"))


@pytest.mark.usefixtures("undrawn")
def test_late_data_is_unknown_and_never_no_violations(
    change_marts: Callable[..., Path], now: datetime, config: ReportConfig
) -> None:
    nothing_open = change_marts("delete from marts.do_not_be_on_it", "delete from marts.due_soon")
    fresh, late = (report_of(nothing_open, at, config) for at in (now, now + timedelta(days=3)))

    for text in (words(fresh.text), words(fresh.pages["cid"])):
        assert "Nobody is on it." in text and "Nothing is due soon." in text and "unknown" not in text.lower()
    heard = f"{now - timedelta(minutes=10):%-d %B, %H:%M}"
    for text in (words(late.text), words(late.pages["cid"])):
        assert re.search(rf"Unknown: no data in leads(,| and) activities[a-z_, ]* since {heard} \(3 days\)", text)
        assert (
            "Nobody is on it" not in text and "Nothing is due soon" not in text and "no violations" not in text.lower()
        )
        assert re.search(r"Do Not Be On It:? unknown", text) and re.search(r"Due soon:? unknown", text)
        assert re.search(r"activities.{0,30}late", text, flags=re.IGNORECASE)
    assert late.subject.startswith("No data since ") and "unknown on the list" in late.subject
    assert "Unknown: no data in" in late.short


@pytest.mark.usefixtures("undrawn")
def test_a_deadline_has_its_day_unless_it_is_the_day_of_the_mail(
    change_marts: Callable[..., Path], now: datetime, config: ReportConfig
) -> None:
    due_at = now + timedelta(minutes=20)
    changed = change_marts(f"update marts.due_soon set due_at = '{due_at}'")
    today, late = (report_of(changed, at, config).short for at in (now, now + timedelta(days=3)))

    assert f"(the next: {due_at:%H:%M})" in today
    assert f"(the next: {due_at:%-d %B, %H:%M})" in late


@pytest.mark.usefixtures("undrawn")
def test_a_heartbeat_of_the_loader_tells_a_quiet_crm_from_a_dead_one(
    change_marts: Callable[..., Path], now: datetime, config: ReportConfig
) -> None:
    later = now + timedelta(days=3)
    beats = {table: f"{later - timedelta(hours=1)}" for table in raw.late_after(PROJECT)}
    assert "unknown" not in report_of(change_marts(notes={"heartbeats": beats}), later, config).text.lower()


@pytest.mark.usefixtures("undrawn")
def test_empty_marts_make_a_report_that_says_what_is_unknown(
    change_marts: Callable[..., Path], now: datetime, config: ReportConfig
) -> None:
    never = ", ".join(
        f"{table}_loaded_at = null" for table in ("leads", "activities", "owner_changes", "reps", "deals")
    )
    report = report_of(change_marts(f"update marts.run_metadata set {never}", empty=True), now, config)

    assert "Unknown: no data in leads and activities yet" in words(report.text)
    assert "Unknown: no data in leads and activities yet" in words(report.pages["cid"])
    assert report.charts == [] and report.attachments == {}
    fresh_but_empty = report_of(change_marts(empty=True), now, config)
    assert "No targets and no qualified leads yet." in fresh_but_empty.text
    assert "No promise has been opened yet." in fresh_but_empty.text
    assert "Nobody is on it." in words(fresh_but_empty.pages["cid"])


@pytest.mark.usefixtures("undrawn")
def test_without_a_target_there_is_no_attainment(
    change_marts: Callable[..., Path], now: datetime, config: ReportConfig
) -> None:
    columns = ("ideal_mtd_leads", "target_leads", "leads_attainment_rate", "ideal_mtd_value_usd", "target_value_usd")
    nulls = ", ".join(f"{column} = null" for column in (*columns, "value_attainment_rate"))
    report = report_of(
        change_marts(f"update marts.fct_marketing_sla_daily set pace = 'no_target', {nulls}"), now, config
    )

    assert "qualified leads, no target" in report.text
    assert all("no target" in chart.alt for chart in report.charts if chart.name.startswith("marketing"))


@pytest.mark.usefixtures("undrawn")
def test_where_the_ideal_line_begins_nothing_is_behind_it(
    change_marts: Callable[..., Path], now: datetime, config: ReportConfig
) -> None:
    begins = "ideal_mtd_leads = 0, ideal_mtd_value_usd = 0, pace = 'on_pace'"
    report = report_of(change_marts(f"update marts.fct_marketing_sla_daily set {begins}"), now, config)

    assert "the ideal line has just begun" in report.text and "The ideal line has just begun." in report.text
    assert "no target" not in report.text


@pytest.mark.usefixtures("undrawn")
def test_the_first_instant_of_a_month_has_a_month_of_its_own(
    change_marts: Callable[..., Path], now: datetime, config: ReportConfig
) -> None:
    first = f"{now:%Y-%m}-01 00:00:00"
    nothing = "mtd_leads = 0, mtd_value_usd = 0, ideal_mtd_leads = 0, ideal_mtd_value_usd = 0"
    changed = change_marts(
        f"update marts.run_metadata set as_of = '{first}'",
        f"delete from marts.fct_marketing_sla_daily where date_day > '{first}'",
        f"update marts.fct_marketing_sla_daily set {nothing} where date_day = '{first}'",
    )
    figures = figures_of(changed, now)

    assert figures.company.clock.elapsed_days == 0
    assert {len(days) for days in figures.company.months.values()} == {1}
    assert f"MARKETING SLA, {now:%B} TO DATE".upper() in make_report(figures, config).text.upper()


@pytest.mark.usefixtures("undrawn")
def test_days_and_instants_are_those_of_the_reporting_time_zone(
    change_marts: Callable[..., Path], now: datetime, config: ReportConfig
) -> None:
    # 15:00 UTC is one o'clock of the next day in Sydney, whose month has a day more of the ideal line behind it.
    changed = change_marts("update marts.run_metadata set reporting_time_zone = 'Australia/Sydney'")
    figures = figures_of(changed, now)

    local = figures.company.clock.as_of_local
    assert local == figures.company.clock.as_of + timedelta(hours=10)
    assert figures.company.clock.elapsed_days == pytest.approx(local.day - 1 + (local.hour * 60 + local.minute) / 1440)
    assert f"as of {local:%H:%M} (Australia/Sydney)" in make_report(figures, config).text


# --- hostile values ---------------------------------------------------------------------------------------------------

HOSTILE = "<script>alert('x')</script>\r\nBcc: all@example.com \u202egnp.exe"
FORMULA = "=cmd|' /C calc'!A0"
ODD_ID = "a/b?c=d&e\"'<i>\u00fc #%"


@pytest.fixture
def hostile(change_marts: Callable[..., Path]) -> Path:
    """Marts whose names, ids and teams are as bad as a CRM can make them."""
    text = HOSTILE.replace("'", "''")
    return change_marts(
        f"update marts.dim_reps set full_name = '{text}', team = '{FORMULA.replace(chr(39), chr(39) * 2)}'",
        f"update marts.do_not_be_on_it set rep_name = '{text}', team = '{text}', rule_name = '{text}', lead_source = '@SUM(A1)', "
        f"lead_id = case when lead_id = (select min(lead_id) from marts.do_not_be_on_it) then '{ODD_ID.replace(chr(39), chr(39) * 2)}' else '-1+1' end",
        f"update marts.due_soon set rep_name = '{text}', lead_id = '\t=1'",
        "update marts.fct_marketing_sla_daily set persona = '<b>' || persona || '</b>' where persona = 'enterprise'",
        "update marts.fct_sales_sla_obligations set rule_id = '{{ 7 * 7 }}<svg/onload=x>' where rule_id = 'trial_calls'",
        notes={
            "findings": ["<img src=x onerror=alert(1)> of jo@customer.example"],
            "broken_promises": ["<u>x</u>. <s>y</s>"],
        },
    )


class _Page(HTMLParser):
    """Collects what a page is made of, and sees that every element is closed in its turn."""

    VOID = ("img", "meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def attributes(self, tag: str, attribute: str) -> list[str]:
        return [
            attributes[attribute] or "" for name, attributes in self.tags if name == tag and attribute in attributes
        ]


def parse(text: str) -> _Page:
    page = _Page()
    page.feed(text)
    assert page.open == []
    return page


@pytest.mark.parametrize("scope", [Scope(), Scope("team", FORMULA), Scope("rep", "R07")], ids=lambda scope: scope.kind)
def test_hostile_names_stay_text(hostile: Path, now: datetime, config: ReportConfig, scope: Scope) -> None:
    report = report_of(hostile, now, replace(config, subject="{scope}: {on_the_list}"), scope)

    for how in ("cid", "data"):
        page = parse(report.pages[how])
        assert not {"script", "svg", "i", "u", "s"} & {tag for tag, _ in page.tags}
        assert not [attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    assert "&lt;script&gt;" in report.pages["cid"]
    assert "49" not in re.findall(r"\{\{ 7 \* 7 \}\}|(?<=>)49(?=<svg)", report.pages["cid"])
    assert "\n" not in report.subject and "\u202e" not in report.subject + report.text + report.pages["cid"]
    assert not [line for line in report.text.splitlines() if line.startswith("Bcc:")]
    mail = make_mail(report, config, config.recipients[0], datetime.now(UTC))
    read = message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert read["Bcc"] is None and read["To"] == config.recipients[0].address


@pytest.mark.usefixtures("undrawn")
def test_a_lead_id_of_any_characters_is_one_segment_of_its_link(
    hostile: Path, now: datetime, config: ReportConfig
) -> None:
    rows = figures_of(hostile, now).on_the_list
    only_odd = [row for row in rows if row["lead_id"] == ODD_ID][:1]
    figures = replace(figures_of(hostile, now), on_the_list=only_odd)
    links = parse(make_report(figures, config).pages["cid"]).attributes("a", "href")

    link = "https://crm.example.com/leads/a%2Fb%3Fc%3Dd%26e%22%27%3Ci%3E%C3%BC%20%23%25"
    assert link in links
    assert link in make_report(figures, config).text
    without_crm = make_report(figures, replace(config, crm_lead_url="", link=""))
    assert parse(without_crm.pages["cid"]).attributes("a", "href") == []


@pytest.mark.usefixtures("undrawn")
def test_no_cell_of_an_attached_list_is_a_formula(hostile: Path, now: datetime, config: ReportConfig) -> None:
    report = report_of(hostile, now, config)
    cells = []
    for content in report.attachments.values():
        for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")):
            cells += row
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r\n")]
    assert {"'@SUM(A1)", "'-1+1", "'\t=1"} <= set(cells)
    dangerous = ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "\uff1d1"]
    written = list(
        csv.reader(io.StringIO(make_csv([{"a": text} for text in dangerous]).decode("utf-8-sig"), newline=""))
    )
    assert [row[0] for row in written[1:]] == [f"'{text}" for text in dangerous]
    assert b'"3"\r\n' in make_csv([{"a": 3}])


def test_no_address_or_telephone_number_of_a_lead_is_in_any_part(
    published: Path, sample_raw: Path, now: datetime, config: ReportConfig
) -> None:
    report = report_of(published, now, config)
    everything = "\n".join(
        [
            report.text,
            *report.pages.values(),
            report.short,
            *(content.decode() for content in report.attachments.values()),
        ]
    )
    emails = duckdb.sql(
        f"select distinct email from '{sample_raw}/leads/**/*.parquet' where email is not null"
    ).fetchall()
    assert len(emails) > 1000
    assert not [email for (email,) in emails if email in everything]
    assert "customer.example" not in everything and "123-4567" not in everything
    assert "raw leads: 3 rows name (left out) or (left out)" in words(report.text)
    assert "\x1b" not in everything


# --- how it looks -----------------------------------------------------------------------------------------------------


def test_the_page_shows_every_picture_with_its_numbers_and_loads_nothing_from_elsewhere(
    published: Path, now: datetime, config: ReportConfig
) -> None:
    report = report_of(published, now, config)
    mail = message_from_bytes(
        make_mail(report, config, config.recipients[0], datetime.now(UTC)).as_bytes(), policy=policy.default
    )
    page = parse(mail.get_body(("html",)).get_content())
    sources, alts = page.attributes("img", "src"), page.attributes("img", "alt")
    pictures = {part["Content-ID"][1:-1]: part.get_content() for part in mail.walk() if part["Content-ID"]}

    assert {source.removeprefix("cid:") for source in sources} == pictures.keys()
    assert len(pictures) == 2 * len(report.charts) == 2 * 6
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())
    assert all(re.search(r"\d", alt) for alt in alts)
    ((leads, low),) = ask(
        published,
        "select mtd_leads, forecast_leads_low from marts.fct_marketing_sla_daily where persona = 'all' order by date_day desc limit 1",
    )
    assert any(
        f"Leads: {leads:,} by" in alt and f"80 % between {low:,.0f}" in alt.replace("\u00a0", " ") for alt in alts
    )
    assert not page.attributes("link", "href") and not page.attributes("script", "src")
    assert all(
        source.startswith("data:image/png;base64,") for source in parse(report.pages["data"]).attributes("img", "src")
    )
    assert "prefers-color-scheme: dark" in report.pages["cid"] and "max-width: 640px" in report.pages["cid"]
    assert len(report.pages["cid"].encode()) < GMAIL_CLIPS_AT
    assert mail.get_payload()[0].get_content_type() == "multipart/alternative"
    assert words(mail.get_body(("plain",)).get_content()) == words(report.text)


@pytest.mark.usefixtures("undrawn")
def test_a_long_name_does_not_make_a_mail_that_is_clipped(
    change_marts: Callable[..., Path], now: datetime, config: ReportConfig
) -> None:
    long = change_marts(
        "update marts.do_not_be_on_it set rep_name = repeat('x', 20000), rule_name = repeat('y', 20000), lead_id = repeat('z', 300)",
        "update marts.dim_reps set full_name = repeat('x', 20000), team = 'Europe'",
    )
    for scope in (Scope(), Scope("team", "Europe"), Scope("rep", "R07")):
        assert len(report_of(long, now, config, scope).pages["cid"].encode()) < GMAIL_CLIPS_AT


def test_equal_figures_draw_equal_pictures(published: Path, now: datetime, config: ReportConfig) -> None:
    first, second = (report_of(published, now, config) for _ in range(2))
    assert first.charts == second.charts and first.text == second.text


# --- sending ----------------------------------------------------------------------------------------------------------


@dataclass
class Office:
    """Sends reports with settings of its own, without ever waiting."""

    settings: Settings
    environ: dict[str, str]
    now: datetime
    state: Path
    waits: list[float] = field(default_factory=list)

    def send(self, now: datetime | None = None, **options: Any) -> dict[str, Outcome]:
        result: ReportResult = send_reports(
            self.settings, now=now or self.now, environ=self.environ, sleep=self.waits.append, **options
        )
        return {outcome.name: outcome for outcome in result.outcomes}


@pytest.fixture
def office(tmp_path: Path, published: Path, now: datetime, mailbox: Mailbox, certificate: Path, hook: Hook) -> Office:
    everybody = [("anna", "anna@example.com", "all"), ("ben", "ben@example.com", {"rep": "R02"})]
    config = config_of(
        tmp_path,
        not_before=None,
        recipients=[{"name": name, "address": address, "sees": sees} for name, address, sees in everybody],
        channels=[{"name": "chat", "url_env": "LEAD_SLA_CHAT_URL", "sees": "all"}],
    )
    environ = {
        "LEAD_SLA_REPORT_CONFIG": str(config),
        "LEAD_SLA_SMTP_HOST": "127.0.0.1",
        "LEAD_SLA_SMTP_PORT": str(mailbox.port),
        "LEAD_SLA_SMTP_USER": USER,
        "LEAD_SLA_SMTP_PASSWORD": PASSWORD,
        "LEAD_SLA_SMTP_CA_FILE": str(certificate),
        "LEAD_SLA_CHAT_URL": hook.url,
    }
    settings = Settings(PROJECT, tmp_path / "raw", False, tmp_path / "warehouse.duckdb", published, tmp_path / "state")
    return Office(settings, environ, now, tmp_path / "state")


def test_everybody_gets_one_mail_a_day_however_often_the_run_is_repeated(
    office: Office, mailbox: Mailbox, hook: Hook
) -> None:
    first = office.send()
    second = office.send()

    assert {name: outcome.status for name, outcome in first.items()} == dict.fromkeys(
        ("anna", "ben", "chat"), Status.SENT
    )
    assert {outcome.status for outcome in second.values()} == {Status.ALREADY_SENT}
    assert sorted(address for address, _ in mailbox.mails) == ["anna@example.com", "ben@example.com"]
    assert len(hook.told) == 1 and mailbox.logins == 2
    for address, mail in mailbox.mails:
        assert mail["To"] == address and mail["From"] == "Lead SLA <lead-sla@example.com>"
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail.get_body(("plain",)) and mail.get_body(("html",))
        assert "do_not_be_on_it.csv" in [part.get_filename() for part in mail.iter_attachments()]
    ben = next(mail for address, mail in mailbox.mails if address == "ben@example.com")
    assert "Ben Carter" in ben.get_body(("plain",)).get_content()
    tomorrow = office.send(now=office.now + timedelta(days=1))
    assert {outcome.status for outcome in tomorrow.values()} == {Status.SENT}
    again = office.send(only="ben", again=True)
    assert list(again) == ["ben"] and again["ben"].status is Status.SENT


def test_a_channel_hears_numbers_and_no_names(office: Office, hook: Hook, published: Path) -> None:
    office.send(only="chat")
    ((told),) = hook.told
    text = f"{told['title']} {told['message']}"

    assert f"Do Not Be On It: {ask(published, 'select count(*) from marts.do_not_be_on_it')[0][0]:,}" in text
    assert not [name for (name,) in ask(published, "select full_name from marts.dim_reps") if name in text]


def test_a_server_that_is_busy_is_asked_again_with_growing_waits(office: Office, mailbox: Mailbox) -> None:
    mailbox.rcpt_script[:] = ["450 busy", "421 too many"]
    outcome = office.send(only="anna")["anna"]

    assert (outcome.status, outcome.attempts) == (Status.SENT, 3)
    assert office.waits == list(WAITS) and len(mailbox.mails) == 1


def test_content_that_is_refused_for_now_is_sent_by_the_next_run(office: Office, mailbox: Mailbox) -> None:
    mailbox.data_script[:] = ["451 later"] * 3
    first = office.send(only="anna")["anna"]
    second = office.send(only="anna")["anna"]

    assert (first.status, first.attempts, first.detail) == (Status.FAILED, 3, "the mail server answered 451 later")
    assert second.status is Status.SENT and len(mailbox.mails) == 1


def test_a_recipient_whom_the_server_refuses_keeps_nobody_else_waiting(office: Office, mailbox: Mailbox) -> None:
    mailbox.refuse["anna@example.com"] = f"550 5.1.1 <Anna@Example.com>: unknown, says {PASSWORD}"
    outcomes = office.send()

    assert outcomes["anna"].status is Status.FAILED and outcomes["anna"].attempts == 1
    assert outcomes["anna"].detail == "the mail server answered 550 5.1.1 <the recipient>: unknown, says •••"
    assert outcomes["ben"].status is outcomes["chat"].status is Status.SENT and office.waits == []


def test_a_connection_that_breaks_in_the_middle_is_unsure_and_never_repeated_by_itself(
    office: Office, mailbox: Mailbox
) -> None:
    mailbox.data_script[:] = ["hang up"]
    first = office.send(only="anna")["anna"]
    second = office.send(only="anna")["anna"]
    third = office.send(only="anna", again=True)["anna"]

    assert first.status is second.status is Status.UNSURE and first.attempts == 1
    assert "may have arrived" in first.detail and "--again" in second.detail
    assert third.status is Status.SENT and len(mailbox.mails) == 1


def test_a_run_that_dies_while_it_hands_over_is_at_most_once(
    office: Office, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(server: MailServer, sender: str, address: str, content: bytes, about_to: Callable[[], None]) -> None:
        about_to()
        raise SystemExit(143)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(MailServer, "send", die)
        office.send(only="anna")
    outcome = office.send()

    assert outcome["anna"].status is Status.UNSURE and outcome["ben"].status is Status.SENT
    assert [address for address, _ in mailbox.mails] == ["ben@example.com"]


def test_a_damaged_mark_counts_as_a_mail_that_may_have_arrived(office: Office, mailbox: Mailbox) -> None:
    office.send(only="anna")
    (mark,) = office.state.glob("reports/*/*.json")
    for damage in ("", "{", "[]", "null"):
        mark.write_text(damage)
        assert office.send(only="anna")["anna"].status is Status.UNSURE
    assert len(mailbox.mails) == 1


def test_nothing_is_sent_where_nobody_could_note_it(
    office: Office, mailbox: Mailbox, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.state.write_text("a file where the folder should be")
    with pytest.raises(LeadSlaError):
        office.send()
    office.state.unlink()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lead_sla.files.os.fsync", full)
    outcomes = office.send()
    assert {outcome.status for outcome in outcomes.values()} == {Status.FAILED}
    assert {outcome.detail.split(":")[0] for outcome in outcomes.values()} == {"The disk is full"}
    assert mailbox.mails == [] and hook.told == []


def test_the_folder_of_marks_holds_no_address_and_is_for_its_owner_alone(office: Office) -> None:
    office.send()
    marks = list(office.state.glob("reports/*/*.json"))

    assert len(marks) == 3
    assert marks[0].parent.name == f"{office.now:%Y-%m-%d}"
    assert not any("anna" in f"{mark}{mark.read_text()}" for mark in marks)
    assert {mark.stat().st_mode & 0o077 for mark in marks} == {0}
    ledger = Ledger(office.state, date(2026, 1, 1))
    for day in range(70):
        (office.state / "reports" / f"{date(2025, 1, 1) + timedelta(days=day)}").mkdir()
    ledger.prune()
    assert len(list(office.state.glob("reports/????-??-??"))) == 60 and marks[0].exists()


def test_two_at_once_do_not_both_send(office: Office, mailbox: Mailbox) -> None:
    with (
        only_one(office.state / "reports" / ".lock", "Sending the report"),
        pytest.raises(LeadSlaError, match="Sending the report is running already"),
    ):
        office.send()
    assert mailbox.mails == []


def test_nothing_is_sent_before_its_time_of_day_in_the_reporting_time_zone(
    office: Office, mailbox: Mailbox, tmp_path: Path
) -> None:
    content = yaml.safe_load(Path(office.environ["LEAD_SLA_REPORT_CONFIG"]).read_text())
    (tmp_path / "report.yml").write_text(
        yaml.safe_dump(content | {"not_before": f"{office.now + timedelta(minutes=1):%H:%M}"})
    )
    early = office.send()
    assert {outcome.status for outcome in early.values()} == {Status.NOT_YET}
    assert early["anna"].detail.endswith("(UTC)") and mailbox.mails == []
    assert office.send(now=office.now + timedelta(minutes=1))["anna"].status is Status.SENT


def test_a_failing_channel_is_tried_again_and_keeps_nobody_else_waiting(
    office: Office, mailbox: Mailbox, hook: Hook
) -> None:
    hook.codes[:] = [500, 503]
    assert office.send(only="chat")["chat"].attempts == 3 and len(hook.told) == 1
    hook.codes[:] = [500] * 3
    tomorrow = office.now + timedelta(days=1)
    outcomes = office.send(now=tomorrow)
    assert outcomes["chat"].status is Status.FAILED and outcomes["chat"].detail == "the service answered HTTP 500"
    assert outcomes["anna"].status is outcomes["ben"].status is Status.SENT
    office.waits.clear()
    hook.codes[:] = [403]
    refused = office.send(now=tomorrow)["chat"]
    assert (refused.status, refused.attempts, office.waits) == (Status.FAILED, 1, [])
    assert office.send(now=tomorrow)["chat"].status is Status.SENT and len(hook.told) == 2


@pytest.mark.parametrize(
    ("changes", "sentence", "attempts"),
    [
        ({"LEAD_SLA_SMTP_CA_FILE": ""}, "the mail server's certificate is not trusted", 1),
        ({"LEAD_SLA_SMTP_CA_FILE": "/nowhere.pem"}, "LEAD_SLA_SMTP_CA_FILE names no readable file", 1),
        ({"LEAD_SLA_SMTP_PASSWORD": f"{PASSWORD}!"}, "the mail server refused user and password (535)", 1),
        ({"LEAD_SLA_SMTP_HOST": ""}, "no mail server is configured: set LEAD_SLA_SMTP_HOST", 1),
        ({"LEAD_SLA_SMTP_PORT": "x"}, "LEAD_SLA_SMTP_PORT is no port number", 1),
        ({"LEAD_SLA_SMTP_PORT": "1"}, "the mail server cannot be reached, or broke off (ConnectionRefusedError)", 3),
        ({"LEAD_SLA_SMTP_SECURITY": "none"}, "a password is not sent over an open connection", 1),
        ({"LEAD_SLA_SMTP_SECURITY": "on"}, "LEAD_SLA_SMTP_SECURITY is one of starttls, tls, none", 1),
        ({"LEAD_SLA_SMTP_SECURITY": "tls"}, "found no common encryption", 3),
        ({"LEAD_SLA_SMTP_PASSWORD": "pässword"}, "SMTP takes user and password in plain ASCII letters alone", 1),
        ({"LEAD_SLA_SMTP_USER": ""}, "set both LEAD_SLA_SMTP_USER and LEAD_SLA_SMTP_PASSWORD", 1),
    ],
)
def test_a_mail_server_that_takes_nothing_is_explained_once_and_channels_are_told_all_the_same(
    office: Office, mailbox: Mailbox, changes: dict[str, str], sentence: str, attempts: int
) -> None:
    office.environ |= changes
    outcomes = office.send()

    assert sentence in outcomes["anna"].detail and outcomes["anna"].attempts == attempts
    assert outcomes["ben"].detail.startswith("not tried, because ") and outcomes["ben"].status is Status.FAILED
    assert outcomes["chat"].status is Status.SENT
    assert mailbox.mails == [] and mailbox.logins <= 2
    assert not any(PASSWORD in outcome.sentence() for outcome in outcomes.values())


def test_mail_is_not_sent_in_the_open_unless_it_is_configured(office: Office) -> None:
    box = Mailbox()
    controller = serve(box)
    try:
        office.environ |= {"LEAD_SLA_SMTP_PORT": str(controller.port)}
        refused = office.send(only="anna")["anna"]
        assert refused.status is Status.FAILED and "offers no STARTTLS" in refused.detail and box.mails == []
        office.environ |= {"LEAD_SLA_SMTP_SECURITY": "none", "LEAD_SLA_SMTP_USER": "", "LEAD_SLA_SMTP_PASSWORD": ""}
        assert office.send(only="anna")["anna"].status is Status.SENT and len(box.mails) == 1
    finally:
        controller.stop()


def test_a_wrong_team_or_a_mistake_of_ours_fails_one_report_alone(
    office: Office, mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = yaml.safe_load((tmp_path / "report.yml").read_text())
    content["recipients"][0]["sees"] = {"team": "Eurpoe"}
    (tmp_path / "report.yml").write_text(yaml.safe_dump(content))
    outcomes = office.send()
    assert outcomes["anna"].status is Status.FAILED and "know no team Eurpoe" in outcomes["anna"].detail
    assert outcomes["ben"].status is outcomes["chat"].status is Status.SENT

    def break_down(*_: object) -> None:
        raise ZeroDivisionError(PASSWORD)

    monkeypatch.setattr("lead_sla.report.send.make_report", break_down)
    broken = office.send(now=office.now + timedelta(days=1))
    assert broken["ben"].detail == "the report could not be made (ZeroDivisionError)"


def test_no_secret_is_in_logs_outputs_errors_or_files(
    office: Office, hook: Hook, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    hook.codes[:] = [500, 500, 500]
    outcomes = [*office.send().values()]
    office.environ |= {"LEAD_SLA_SMTP_PASSWORD": f"{PASSWORD}!", "LEAD_SLA_CHAT_URL": f"jsons://127.0.0.1:1/{TOKEN}"}
    outcomes += office.send(again=True).values()
    office.environ |= {"LEAD_SLA_CHAT_URL": f"nonsense://{TOKEN}"}
    outcomes += office.send(only="chat").values()
    write_reports(tmp_path / "dry", office.settings, now=office.now, environ=office.environ)

    assert [outcome.status for outcome in outcomes if outcome.name == "chat"] == [Status.FAILED] * 3
    files = [path for folder in (office.state, tmp_path / "dry") for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    seen = b"\n".join(path.read_bytes() for path in files).decode("utf-8", "replace")
    seen += "".join(capfd.readouterr()) + "".join(map(repr, outcomes))
    # The server of this test may say what it was told.
    seen += "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("mail."))
    seen += repr(MailServer.from_environment(office.environ))
    for secret in (PASSWORD, TOKEN):
        assert secret not in seen and base64.b64encode(secret.encode()).decode() not in seen


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    monkeypatch.chdir(PROJECT)
    monkeypatch.setenv("LEAD_SLA_STATE", str(tmp_path / "state"))
    # Whoever runs the tests may have a configuration of their own.
    monkeypatch.setattr("lead_sla.report.config.CONFIG", Path("config/none.yml"))
    return lambda *arguments: CliRunner().invoke(cli, ["report", *arguments])


def test_a_dry_run_writes_every_form_of_the_mail_and_sends_nothing(
    run: Callable[..., Any], published: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    finished = run("--dry-run", str(out), "--published", str(published), "--only", "giulia")

    assert finished.exit_code == 0, finished.output
    assert "mail giulia: written" in finished.output
    assert {path.name for path in (out / "giulia").iterdir()} >= {
        "report.eml",
        "report.html",
        "report.txt",
        "warnings.csv",
    }
    assert not (tmp_path / "state").exists()
    mail = message_from_bytes((out / "giulia" / "report.eml").read_bytes(), policy=policy.default)
    assert mail["To"] == "giulia.conti@example.com" and mail["Subject"].startswith("No data since ")
    parse((out / "giulia" / "report.html").read_text())
    assert run("--dry-run", str(out), "--published", str(published), "--only", "slack-sales").exit_code == 0
    assert "Due soon: " in (out / "slack-sales" / "message.txt").read_text()


def test_the_command_fails_with_a_list_of_who_got_nothing_and_refuses_what_is_wrong(
    run: Callable[..., Any], published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config_of(tmp_path, not_before=None)
    monkeypatch.setenv("LEAD_SLA_REPORT_CONFIG", str(path))
    failed = run("--published", str(published))
    assert isinstance(failed.exception, SystemExit) and failed.exit_code == 1
    assert "mail alice: failed" in failed.output and "set LEAD_SLA_SMTP_HOST" in failed.output
    assert "5 of 5 did not get the report" in failed.output
    unknown = run("--published", str(published), "--only", "nobody")
    assert unknown.exit_code == 2 and "name one of: sales-and-marketing, team-europe" in unknown.output
    unpublished = run("--published", str(tmp_path / "nothing"))
    assert unpublished.exit_code == 1 and "Nothing has been published yet" in unpublished.output
    monkeypatch.setenv("LEAD_SLA_REPORT_CONFIG", str(tmp_path / "none.yml"))
    assert run("--published", str(published)).exit_code == 2
    assert run("--published", str(published), "--dry-run", str(tmp_path / "out")).exit_code == 2


def test_the_published_run_is_only_read(published: Path, office: Office) -> None:
    def state() -> list[tuple[str, int]]:
        return sorted((str(path), path.stat().st_mtime_ns) for path in published.rglob("*"))

    before = state()
    office.send()
    assert state() == before
    assert isinstance(current(published), PublishedRun)
