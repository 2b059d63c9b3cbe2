"""The workbook: the marts' numbers as Excel has them, whatever the data, the names in it or the disk do."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import warnings
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from openpyxl.utils import range_boundaries
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet
from project_copy import PROJECT

from lead_sla.errors import LeadSlaError, RefusedInput
from lead_sla.export import ExportResult, excel, export, parse_scope
from lead_sla.publish import publish
from lead_sla.report.config import Scope
from lead_sla.settings import Settings

SHEETS = ["Do Not Be On It", "Due soon", "Scorecard", "Sales SLA daily", "Marketing SLA", "Speed to lead", "Funnel"]
URL = "https://crm.example.com/#/leads/{lead_id}?a=1&b=2"


@pytest.fixture(scope="module")
def published(built_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample company's marts, published with a finding of the checks and a promise that was not kept."""
    folder = tmp_path_factory.mktemp("published")
    publish(
        built_warehouse,
        folder,
        notes={"findings": ["rep R99: not known to jo@customer.example"], "broken_promises": ["rule x: 56 % were met"]},
    )
    return folder


@pytest.fixture(scope="module")
def as_of(published: Path) -> datetime:
    return ask(published, "select as_of from marts.run_metadata")[0][0]


@pytest.fixture(scope="module")
def whole(published: Path, as_of: datetime, tmp_path_factory: pytest.TempPathFactory) -> Workbook:
    """The workbook of the whole company, ten minutes after the marts were true, read back."""
    path = tmp_path_factory.mktemp("workbook") / "whole.xlsx"
    return read(write(published, as_of + timedelta(minutes=10), path))


@pytest.fixture
def change_marts(published: Path, tmp_path: Path) -> Callable[..., Path]:
    """Publishes the sample company's marts anew, after some statements."""

    def change(*statements: str) -> Path:
        warehouse = tmp_path / "changed.duckdb"
        shutil.copy((published / "marts.duckdb").resolve(), warehouse)
        with duckdb.connect(str(warehouse)) as connection:
            for statement in statements:
                connection.execute(statement)
        publish(warehouse, tmp_path / "changed")
        return tmp_path / "changed"

    return change


def ask(published: Path, query: str, *parameters: Any) -> list[tuple]:
    with duckdb.connect(str(published / "marts.duckdb"), read_only=True) as connection:
        return connection.execute(query, parameters).fetchall()


def write(published: Path, now: datetime, out: Path | None, scope: Scope | None = None, url: str = URL) -> ExportResult:
    settings = Settings(PROJECT, published, False, published / "none.duckdb", published, published / "state")
    return export(settings, out, scope=scope, now=now, environ={"LEAD_SLA_CRM_LEAD_URL": url} if url else {})


def read(result: ExportResult) -> Workbook:
    with warnings.catch_warnings():
        # openpyxl does not know the bars of Excel 2010.
        warnings.filterwarnings("ignore", message=".*extension is not supported")
        return openpyxl.load_workbook(result.path)


def headings(sheet: Worksheet) -> list[str]:
    return list(next(rows(sheet, with_headings=True)))


def rows(sheet: Worksheet, *, with_headings: bool = False) -> Iterator[tuple[Any, ...]]:
    """The values in the only table of a sheet, without rows that are empty."""
    (table,) = sheet.tables.values()
    left, top, right, bottom = range_boundaries(table.ref)
    for number, row in enumerate(
        sheet.iter_rows(min_row=top, max_row=bottom, min_col=left, max_col=right, values_only=True)
    ):
        if (with_headings or number) and any(value is not None for value in row):
            yield row


def columns(sheet: Worksheet, *wanted: str) -> list[tuple[Any, ...]]:
    """The rows of a sheet's table, of each the columns whose headings begin so."""
    names = headings(sheet)
    places = [next(place for place, name in enumerate(names) if name.startswith(prefix)) for prefix in wanted]
    return [tuple(row[place] for place in places) for row in rows(sheet)]


def texts(sheet: Worksheet) -> str:
    return "\n".join(str(cell) for row in sheet.iter_rows(values_only=True) for cell in row if cell is not None)


def lines_above(sheet: Worksheet) -> list[str]:
    return [sheet.cell(row, 1).value or "" for row in range(1, 5)]


# --- the numbers ------------------------------------------------------------------------------------------------------


def test_the_lists_are_those_of_the_marts_row_by_row(published: Path, whole: Workbook) -> None:
    expected = ask(
        published,
        "select lead_id, rule_name, rep_name, responsible_rep_id, team, touches_total, required_touches, triggered_at, due_at, "
        "violation_age_days, late_minutes from marts.do_not_be_on_it order by due_at desc, obligation_id",
    )
    shown = columns(
        whole["Do Not Be On It"],
        *("Lead", "Rule", "Responsible", "Rep id", "Team", "Touches so far", "Touches required", "Triggered", "Due"),
        *("Late (days)", "Late on the rule's clock (h:mm)"),
    )
    assert len(shown) == len(expected) > 50
    for here, there in zip(shown, expected, strict=True):
        assert here[:7] == there[:7]
        assert [round_to_second(at) for at in here[7:9]] == [round_to_second(at) for at in there[7:9]]
        assert here[9] == pytest.approx(there[9])
        assert minutes(here[10]) == pytest.approx(there[10], abs=0.02)
    soon = ask(published, "select lead_id, minutes_left from marts.due_soon order by due_at, obligation_id")
    left = [(lead, minutes(left)) for lead, left in columns(whole["Due soon"], "Lead", "Left")]
    assert [lead for lead, _ in left] == [lead for lead, _ in soon] and soon
    assert [left for _, left in left] == pytest.approx([left for _, left in soon], abs=0.02)


def round_to_second(at: datetime) -> datetime:
    return (at + timedelta(microseconds=500_000)).replace(microsecond=0)


def minutes(value: Any) -> float:
    """What openpyxl makes of hours and minutes."""
    if isinstance(value, datetime):
        value -= datetime(1899, 12, 30)
    return value.total_seconds() / 60 if isinstance(value, timedelta) else value * 1440


def test_the_scorecard_and_the_days_are_those_of_the_marts(published: Path, whole: Workbook) -> None:
    weeks = ask(
        published,
        "select week_start_date, rep_id, rule_id, due, met, breached, attainment_rate, p50_response_minutes, p90_response_minutes "
        "from marts.rep_scorecard, marts.run_metadata where week_start_date > as_of::date - 84 order by all",
    )
    shown = columns(
        whole["Scorecard"],
        *("Week from", "Rep id", "Rule id", "Due", "Met", "Breached", "Attainment", "Median", "90th"),
    )
    assert sorted((at.date(), *rest) for at, *rest in shown) == approximately(weeks)
    days = ask(
        published,
        "select date_day, rep_id, rule_id, triggered, due, met, breached, cancelled, open_violations "
        "from marts.fct_sales_sla_daily, marts.run_metadata "
        "where date_day > as_of::date - 28 and date_day <= as_of::date order by all",
    )
    shown = columns(
        whole["Sales SLA daily"],
        *("Day", "Rep id", "Rule id", "Triggered", "Due", "Met", "Breached", "Cancelled", "Open"),
    )
    assert sorted((at.date(), *rest) for at, *rest in shown) == days and days
    week = columns(whole["Scorecard"], "Week from", "ISO week")[0]
    assert f"{week[0]:%G-W%V}" == week[1]


def approximately(expected: list[tuple]) -> list[tuple]:
    assert expected
    return [tuple(pytest.approx(v) if isinstance(v, float) else v for v in row) for row in expected]


def test_marketing_speed_and_funnel_are_those_of_the_marts(published: Path, whole: Workbook) -> None:
    personas = ask(
        published,
        "select replace(upper(persona[1]) || persona[2:], '_', ' '), replace(pace, '_', ' '), mtd_leads, target_leads, "
        "leads_attainment_rate, forecast_leads, forecast_leads_low, mtd_value_usd::double, value_attainment_rate "
        "from marts.fct_marketing_sla_daily where date_day = (select max(date_day) from marts.fct_marketing_sla_daily) order by 1",
    )
    shown = columns(
        whole["Marketing SLA"],
        *(
            "Persona",
            "Pace",
            "Qualified",
            "Target of the month (leads)",
            "To date of target (leads",
            "Forecast (leads)",
        ),
        *("Forecast, 80 % low", "Credited", "To date of target (US$"),
    )
    assert sorted(shown) == approximately(personas) and len(personas) == 4

    leads, never = ask(
        published,
        "select count(*), count(*) filter (where first_touch_at is null) from marts.fct_speed_to_lead, marts.run_metadata "
        "where first_conversion_at >= date_trunc('week', as_of) - interval 84 day",
    )[0]
    speed = columns(whole["Speed to lead"], "Leads", "Within 5", "5 to", "30 to", "1 to", "Over 24", "Not yet")
    assert sum(row[0] for row in speed) == leads and sum(row[6] for row in speed) == never > 0
    assert all(row[0] == sum(row[1:]) for row in speed)

    funnel = ask(
        published,
        "select sum(leads), sum(qualified), sum(won), sum(won_value_usd)::double from marts.fct_funnel_monthly",
    )
    shown = columns(whole["Funnel"], "Leads", "Qualified", "Won", "Won (US$)")
    assert [tuple(sum(values) for values in zip(*shown, strict=True))] == approximately(funnel)


def test_the_read_me_says_as_of_what_each_sheet_is_and_what_the_checks_found(
    published: Path, as_of: datetime, whole: Workbook
) -> None:
    text = texts(whole["Read me"])
    assert f"As of {as_of:%A %-d %B %Y, %H:%M} (UTC)" in text and "Whole company" in text
    assert "unknown" not in text and "rule x: 56 % were met" in text
    assert "rep R99: not known to (left out)" in text
    ((sheets, loads, _),) = [tuple(whole["Read me"].tables.values())]
    named = {row[0].value: row for row in whole["Read me"][sheets.ref][1:]}
    assert list(named) == SHEETS == whole.sheetnames[1:]
    for name, (cell, what, a_row, whose, count) in named.items():
        assert cell.hyperlink.location == f"'{name}'!A1"
        assert what.value and a_row.value and whose.value == "Whole company"
        assert count.value == len(list(rows(whole[name]))) > 0
    heard = {row[0].value: (row[1].value, row[2].value) for row in whole["Read me"][loads.ref][1:]}
    assert heard["leads"] == ("fresh", ask(published, "select leads_loaded_at from marts.run_metadata")[0][0])


# --- whose, when, and what is unknown ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sees", "members"),
    [
        ("team=Europe", "select rep_id from marts.dim_reps where team = 'Europe'"),
        ("manager=R06", "select rep_id from marts.dim_reps where 'R06' in (rep_id, manager_id)"),
        ("rep=R07", "select 'R07'"),
        ("rep=unassigned", "select 'unassigned'"),
    ],
)
def test_a_team_a_manager_and_a_rep_see_their_own(
    published: Path, as_of: datetime, tmp_path: Path, sees: str, members: str
) -> None:
    result = write(published, as_of, tmp_path / "scoped.xlsx", parse_scope(sees))
    book = read(result)
    reps = set(ask(published, members))
    for sheet, mart in (("Do Not Be On It", "do_not_be_on_it"), ("Due soon", "due_soon")):
        mine = ask(published, f"select lead_id, rule_name from marts.{mart} where responsible_rep_id in ({members})")
        assert sorted(columns(book[sheet], "Lead", "Rule")) == sorted(mine)
        assert result.sheets[sheet] == len(mine)
    for sheet in ("Scorecard", "Sales SLA daily"):
        shown = set(columns(book[sheet], "Rep id"))
        assert shown and shown <= reps, sheet
    ((leads,),) = ask(
        published,
        "select count(*) from marts.fct_speed_to_lead as speed join marts.dim_leads using (lead_id), marts.run_metadata "
        "where speed.first_conversion_at >= date_trunc('week', as_of) - interval 84 day "
        f"and coalesce(owner_id, 'unassigned') in ({members})",
    )
    assert sum(count for (count,) in columns(book["Speed to lead"], "Leads")) == leads > 0
    assert result.sheets["Funnel"] == ask(published, "select count(*) from marts.fct_funnel_monthly")[0][0]
    assert "rule x" not in texts(book["Read me"]), "what the company did not keep is told to those who see all of it"


def test_a_scope_that_nobody_knows_is_refused(published: Path, as_of: datetime, tmp_path: Path) -> None:
    for sees in ("team", "team=", "boss=R01", "", "rep=\x07"):
        with pytest.raises(RefusedInput, match="team=NAME"):
            parse_scope(sees)
    with pytest.raises(RefusedInput, match=r"no team Eurpoe \(there are Americas, Europe, Pacific\)"):
        write(published, as_of, tmp_path / "none.xlsx", parse_scope("team=Eurpoe"))
    assert list(tmp_path.iterdir()) == []


def test_late_data_is_unknown_and_never_no_violations(
    change_marts: Callable[..., Path], as_of: datetime, tmp_path: Path
) -> None:
    nothing_open = change_marts("delete from marts.do_not_be_on_it", "delete from marts.due_soon")
    fresh, late = (
        read(write(nothing_open, as_of + age, tmp_path / f"{age.days}.xlsx"))
        for age in (timedelta(), timedelta(days=3))
    )
    assert lines_above(fresh["Do Not Be On It"])[0] == "Do Not Be On It: nobody is on it"
    assert lines_above(fresh["Due soon"])[0] == "Due soon: nothing is due soon"
    assert not any("no data in" in texts(sheet) for sheet in fresh)

    for sheet in late:
        assert "Unknown: no data in leads" in texts(sheet), sheet.title
        assert "nobody is on it" not in texts(sheet) and "nothing is due" not in texts(sheet)
    assert lines_above(late["Do Not Be On It"])[0] == "Do Not Be On It: unknown"
    _, loads = list(late["Read me"].tables.values())[:2]
    states = {row[0].value: row[1].value for row in late["Read me"][loads.ref][1:]}
    assert states["leads"].startswith("unknown: no data in leads") and f"{as_of:%-d %B, %H:%M}" in states["leads"]
    named = {row[0].value: row[4].value for row in late["Read me"]["A1:E30"]}
    assert named["Do Not Be On It"] is None, "a zero would be a lie"


def test_instants_are_of_the_zone_that_the_heading_names(
    change_marts: Callable[..., Path], as_of: datetime, tmp_path: Path
) -> None:
    changed = change_marts("update marts.run_metadata set reporting_time_zone = 'Asia/Kolkata'")
    book = read(write(changed, as_of, tmp_path / "kolkata.xlsx"))
    ((due_at,),) = ask(changed, "select max(due_at) from marts.do_not_be_on_it")
    shown = columns(book["Do Not Be On It"], "Due (Asia/Kolkata)")[0][0]
    assert round_to_second(shown) == round_to_second(due_at + timedelta(hours=5, minutes=30))
    assert f"{as_of + timedelta(hours=5, minutes=30):%H:%M} (Asia/Kolkata)" in lines_above(book["Funnel"])[1]


# --- what stands in a name --------------------------------------------------------------------------------------------

HOSTILE = (
    "=cmd|' /C calc'!A0",
    "+1",
    "@SUM(1)",
    "-2",
    "\t=1+1",
    "\uff1d1",
    '=HYPERLINK("http://evil.example")',
    "{=1}",
    "<r>&broken",
    "<r><t>x</t></r>",
    "</t></is></c>",
    "a\x07b\x1b[31mc",
    "_x0041_",
    "\ufffe\uffff\u202egnp.exe",
    "https://evil.example/",
    "mailto:x@evil.example",
    "007",
    "2026-01-02",
    "x" * 40_000,
    "😀" * 20_000,
)


def test_hostile_texts_are_harmless_texts_in_a_sound_file(
    change_marts: Callable[..., Path], as_of: datetime, tmp_path: Path
) -> None:
    # DuckDB keeps a null byte in a text, but takes none in a query.
    values = ", ".join(["('zero' || chr(0) || '=1')"] + ["('" + text.replace("'", "''") + "')" for text in HOSTILE])
    changed = change_marts(
        f"create temp table hostile as select row_number() over () as n, col0 as t from (values {values})",
        "update marts.do_not_be_on_it as l set lead_id = t, rep_name = t, team = t, lead_source = t, current_owner_id = t from hostile, "
        "(select obligation_id, row_number() over () as n from marts.do_not_be_on_it) as o "
        "where o.obligation_id = l.obligation_id and o.n = hostile.n",
        "update marts.dim_reps set full_name = '=1+1', team = '@x'",
    )
    result = write(changed, as_of, tmp_path / "hostile.xlsx")
    with zipfile.ZipFile(result.path) as file:
        parts = {name: ET.fromstring(file.read(name)) for name in file.namelist() if name.endswith((".xml", ".rels"))}
    assert not [name for name, part in parts.items() if "sheet" in name and list(part.iter("{*}f"))], (
        "no cell is a formula"
    )

    book = read(result)
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
    assert {cell.data_type for cell in cells} <= {"s", "inlineStr"}
    assert not [cell.value[:50] for cell in cells if cell.value.startswith(tuple("=+-@\t\r\uff1d"))]
    assert not [cell.value[:50] for cell in cells if any(ord(c) < 32 or c in "\u202e\ufffe\uffff" for c in cell.value)]
    assert all(len(cell.value.encode("utf-16-le")) <= 2 * 32_767 for cell in cells)
    teams = {team for (team,) in columns(book["Do Not Be On It"], "Team")}
    assert {"'=cmd|' /C calc'!A0", "'+1", "'-2", "'=1+1", "'@SUM(1)", "'<r>&broken", "'<r><t>x</t></r>"} <= teams
    assert {"zero =1", "</t></is></c>", "007", "2026-01-02", "https://evil.example/", "{=1}"} <= teams
    # Excel reads _x0041_ as a letter A, unless its own first sign is written so; openpyxl shows what is written.
    assert "_x005F_x0041_" in teams
    links = {cell.hyperlink.target for cell in cells if cell.hyperlink and cell.hyperlink.target}
    assert links and all(link.startswith("https://crm.example.com/") for link in links)


def test_a_lead_is_a_link_into_the_crm_and_none_without_an_address(
    published: Path, as_of: datetime, tmp_path: Path, whole: Workbook
) -> None:
    def links(book: Workbook) -> list[str]:
        cells = [row[0] for row in book["Do Not Be On It"].iter_rows(min_row=6)]
        return [f"{cell.hyperlink.target}#{cell.hyperlink.location}" for cell in cells if cell.hyperlink]

    leads = columns(whole["Do Not Be On It"], "Lead")
    assert links(whole) == [URL.replace("{lead_id}", lead) for (lead,) in leads]
    plain = read(write(published, as_of, tmp_path / "plain.xlsx", url=""))
    assert links(plain) == [] and columns(plain["Do Not Be On It"], "Lead") == leads


# --- what Excel allows ------------------------------------------------------------------------------------------------


def test_beyond_the_limits_of_excel_rows_and_links_are_cut_and_it_is_said(
    published: Path, as_of: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excel, "ROWS_OF_A_SHEET", 25)
    monkeypatch.setattr(excel, "LINKS_OF_A_SHEET", 7)
    result = write(published, as_of, tmp_path / "cut.xlsx")
    sheet = read(result)["Do Not Be On It"]
    ((count,),) = ask(published, "select count(*) from marts.do_not_be_on_it")

    assert sheet.max_row == 25 and result.sheets["Do Not Be On It"] == 20
    assert lines_above(sheet)[0] == f"Do Not Be On It: {count:,} open violations"
    assert f"Only the first 20 of {count:,} rows fit into a sheet" in lines_above(sheet)[3]
    assert "Only the first 7 leads have a link" in lines_above(sheet)[3]
    assert len([cell for (cell,) in sheet["A6:A25"] if cell.hyperlink]) == 7
    assert all(cell.value for (cell,) in sheet["A6:A25"])


def test_every_sheet_is_a_table_with_filters_and_prints_well(whole: Workbook) -> None:
    names = [table.name for sheet in whole for table in sheet.tables.values()]
    assert len(names) == len(set(names)) == 10
    for name in SHEETS:
        sheet = whole[name]
        (table,) = sheet.tables.values()
        left, top, right, bottom = range_boundaries(table.ref)
        assert (left, top, bottom) == (1, 5, sheet.max_row) and table.autoFilter.ref == table.ref
        assert [column.name for column in table.tableColumns] == [cell.value for cell in sheet[5]][:right]
        assert table.tableStyleInfo.showRowStripes
        assert sheet.freeze_panes.endswith("6") and sheet.print_title_rows == "$5:$5"
        assert sheet.page_setup.orientation == "landscape" and sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.page_setup.fitToHeight == 0 and "As of" in sheet.oddHeader.right.text
        assert all(sheet.column_dimensions[cell.column_letter].width for cell in sheet[5][:right])
    formats = {cell.value: whole["Scorecard"].cell(6, cell.column).number_format for cell in whole["Scorecard"][5]}
    assert formats["Attainment (met of due)"] == "0.0%" and formats["Week from (Monday)"] == "yyyy-mm-dd"
    assert whole["Marketing SLA"]["J6"].number_format == "[$$-409]#,##0"
    assert whole.properties.title.startswith("Lead SLA. As of") and whole.properties.subject == "Whole company"


def test_the_same_marts_and_the_same_present_give_the_same_bytes(
    published: Path, as_of: datetime, tmp_path: Path
) -> None:
    once, again = (write(published, as_of, tmp_path / f"{name}.xlsx").path.read_bytes() for name in "ab")
    assert once == again


def test_an_empty_mart_gives_a_sound_workbook(
    change_marts: Callable[..., Path], as_of: datetime, tmp_path: Path
) -> None:
    marts = ("do_not_be_on_it", "due_soon", "rep_scorecard", "fct_sales_sla_daily", "fct_marketing_sla_daily")
    marts += ("fct_speed_to_lead", "fct_funnel_monthly")
    result = write(change_marts(*(f"delete from marts.{mart}" for mart in marts)), as_of, tmp_path / "empty.xlsx")
    assert dict(result.sheets) == dict.fromkeys(SHEETS, 0)
    assert all(len(sheet.tables) == 1 and not list(rows(sheet)) for sheet in read(result).worksheets[1:])


# --- whole, or not at all ---------------------------------------------------------------------------------------------


def test_by_default_it_lies_in_the_working_folder_under_its_day_and_scope(
    published: Path, as_of: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for scope in (None, Scope("team", "Europe")):
        write(published, as_of, None, scope)
    day = date(as_of.year, as_of.month, as_of.day)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"lead-sla_{day}.xlsx",
        f"lead-sla_{day}_team-Europe.xlsx",
    ]
    assert (tmp_path / f"lead-sla_{day}.xlsx").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("fails_in", ["a row", "the file", "the disk", "the rename", "Ctrl-C"])
def test_a_workbook_that_fails_leaves_the_old_one_and_nothing_else(
    published: Path, as_of: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_in: str
) -> None:
    out = tmp_path / "mine.xlsx"
    out.write_text("the old one")

    def fail(error: BaseException) -> Callable[..., None]:
        def raising(*_: object, **__: object) -> None:
            raise error

        return raising

    place, error, kind, message = {
        "a row": ("lead_sla.export.excel.SheetWriter._cell", duckdb.Error("broken"), LeadSlaError, "broken"),
        "the file": (
            "lead_sla.export.excel.Book.close",
            OSError(errno.ENOSPC, "No space left on device"),
            LeadSlaError,
            "disk is full",
        ),
        "the disk": (
            "xlsxwriter.workbook.ZipFile",
            OSError(errno.ENOSPC, "No space left on device"),
            LeadSlaError,
            "disk is full",
        ),
        "the rename": ("pathlib.Path.replace", PermissionError(13, "denied"), LeadSlaError, "open in Excel"),
        "Ctrl-C": ("lead_sla.export.excel.SheetWriter._cell", KeyboardInterrupt(), KeyboardInterrupt, None),
    }[fails_in]
    with monkeypatch.context() as patch:
        patch.setattr(place, fail(error))
        with pytest.raises(kind, match=message):
            write(published, as_of, out)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.xlsx"] and out.read_text() == "the old one"

    write(published, as_of, out)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.xlsx"] and zipfile.is_zipfile(out)


def test_a_place_where_no_workbook_can_lie_is_refused_with_what_to_do(
    published: Path, as_of: datetime, tmp_path: Path
) -> None:
    (tmp_path / "folder.xlsx").mkdir()
    for name, sentence in (("a.xls", "ends in .xlsx"), ("folder.xlsx", "name a file in it"), ("no/a.xlsx", "make it")):
        with pytest.raises(RefusedInput, match=sentence):
            write(published, as_of, tmp_path / name)
    with pytest.raises(LeadSlaError, match="run: lead-sla build"):
        write(tmp_path, as_of, tmp_path / "a.xlsx")
    for mark in ("~$a.xlsx", ".~lock.a.xlsx#"):
        (tmp_path / mark).touch()
        with pytest.raises(LeadSlaError, match="open in a spreadsheet"):
            write(published, as_of, tmp_path / "a.xlsx")
        (tmp_path / mark).unlink()
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(LeadSlaError, match="may not be written"):
            write(published, as_of, tmp_path / "locked" / "a.xlsx")


@pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice (soffice) is not installed")
def test_libreoffice_opens_it(published: Path, as_of: datetime, tmp_path: Path) -> None:
    path = write(published, as_of, tmp_path / "office.xlsx").path
    command = ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "pdf"]
    subprocess.run([*command, "--outdir", str(tmp_path), str(path)], check=True, timeout=120, capture_output=True)
    assert (tmp_path / "office.pdf").stat().st_size > 10_000
