"""The sheets: which figures stand on each, in whose words, and where a reader should look first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from xlsxwriter.utility import xl_col_to_name

from lead_sla import raw
from lead_sla.dashboard.agreement import read_agreement
from lead_sla.dashboard.parts import JUDGED_FROM
from lead_sla.errors import LeadSlaError
from lead_sla.export import excel
from lead_sla.export.excel import Book, Column, SheetWriter
from lead_sla.publish import PublishedRun
from lead_sla.report import words
from lead_sla.report.config import Scope
from lead_sla.report.figures import Load, Marts
from lead_sla.settings import PACKAGE, Settings
from lead_sla.summary import UNASSIGNED, Row

# Title, as of when, what it tells, what is unknown: then the headings.
_LINES_ABOVE = 4
_ROWS_AT_ONCE = 2_000
_WORST_SHARE = 0.1
README = "Read me"

_REP = (Column("Rep", "rep_name", width=20), Column("Rep id", "rep_id", width=10), Column("Team", "team", width=14))
_RULE = (Column("Rule", "rule", width=38), Column("Rule id", "rule_id", width=18))
_WEEK = (Column("Week from (Monday)", "week_start_date", "day"), Column("ISO week", "iso_week", width=10))
_LEAD = (
    Column("Lead", "lead_id", "lead", 15),
    Column("Rule", "rule_name", width=38),
    Column("Responsible rep", "rep_name", width=20),
    Column("Rep id", "rep_id", width=10),
    Column("Team", "team", width=14),
    Column("Owner now", "owner_name", width=20),
    Column("Persona", "persona_name", width=15),
    Column("Source", "lead_source", width=16),
    Column("Touches so far", "touches_total", "count", 10),
    Column("Touches required", "required_touches", "count", 10),
    Column("Triggered ({zone})", "triggered_at_local", "instant", 18),
    Column("Due ({zone})", "due_at_local", "instant", 18),
)


@dataclass(frozen=True)
class Sheet:
    """A sheet of one table.

    Attributes:
        name: its name.
        table: what formulas of the reader call its table.
        what: what it tells, a sentence.
        a_row: what one row is, and in which order.
        of_scope: its rows are those of the scope; else of the whole company in every workbook.
        unit: what its rows are called, in the plural, where their number is news; else empty.
        none: what it means that it has no row, where nothing is late.
        columns: its columns.
        query: its rows are those of lead_sla/export/sql/<query>.sql; empty for the month to date of the report.
        asks: the parameters of the query.
        frozen: how many of the first columns stay in sight.
    """

    name: str
    table: str
    what: str
    a_row: str
    of_scope: bool
    unit: str
    none: str
    columns: Sequence[Column]
    query: str = ""
    asks: Sequence[str] = ()
    frozen: int = 1


ON_THE_LIST = Sheet(
    "Do Not Be On It",
    "DoNotBeOnIt",
    "Promises to leads that were broken and are still open: call them.",
    "open violation, the newest first",
    True,
    "open violations",
    "nobody is on it",
    (
        *_LEAD,
        Column("Late (days)", "violation_age_days", "decimal", 10),
        Column("Late on the rule's clock (h:mm)", "late_minutes", "duration", 14),
        Column("New in the last 24 hours", "is_new", width=11),
    ),
    "on_the_list",
    ("reps", "as_of"),
)
DUE_SOON = Sheet(
    "Due soon",
    "DueSoon",
    "Promises that will be broken next if nobody acts.",
    "obligation at risk, the next deadline first",
    True,
    "obligations at risk",
    "nothing is due soon",
    (*_LEAD, Column("Left at as of (h:mm)", "minutes_left", "duration", 12)),
    "due_soon",
    ("reps",),
)
SCORECARD = Sheet(
    "Scorecard",
    "Scorecard",
    f"How well each rep kept each rule. Grey: fewer than {JUDGED_FROM} due, too few to judge. Red: the lowest tenth of the others. "
    "Minutes run on the rule's clock; who has not answered counts with the minutes so far.",
    "ISO week of the deadline, rep and rule: the last 12 weeks, the newest first, which still runs",
    True,
    "",
    "nothing was due in the last 12 weeks",
    (
        *_WEEK,
        *_REP,
        *_RULE,
        Column("Due (obligations)", "due", "count", 12),
        Column("Met", "met", "count", 8),
        Column("Breached", "breached", "count", 10),
        Column("Attainment (met of due)", "attainment_rate", "percent", 12),
        Column("Median response (minutes)", "p50_response_minutes", "decimal", 14),
        Column("90th percentile response (minutes)", "p90_response_minutes", "decimal", 16),
    ),
    "scorecard",
    ("reps", "as_of_date"),
    frozen=3,
)
DAILY = Sheet(
    "Sales SLA daily",
    "SalesSlaDaily",
    "What was promised, met and breached each day. Counts add up, open violations only within one day; a day, rep and rule with "
    "nothing to count has no row.",
    "day, rep and rule: the last 28 days, the newest first",
    True,
    "",
    "nothing was promised in the last 28 days",
    (
        Column("Day ({zone})", "date_day", "day"),
        *_REP,
        *_RULE,
        Column("Triggered", "triggered", "count", 10),
        Column("Due", "due", "count", 8),
        Column("Met", "met", "count", 8),
        Column("Breached", "breached", "count", 10),
        Column("Cancelled", "cancelled", "count", 10),
        Column("Attainment (met of due)", "attainment_rate", "percent", 12),
        Column("Open violations at the day's end", "open_violations", "count", 14),
    ),
    "daily",
    ("reps", "as_of_date"),
    frozen=2,
)
MARKETING = Sheet(
    "Marketing SLA",
    "MarketingSla",
    "What Marketing owes Sales: the month to date against the ideal line at as of, the month's target, and the forecast of its end.",
    "persona, and All for the sums",
    False,
    "",
    "no target and no qualified lead yet",
    (
        Column("Persona", "persona_name", width=16),
        Column("Pace", "pace_name", width=11),
        Column("Qualified leads to date", "mtd_leads", "count"),
        Column("Ideal to date (leads)", "ideal_mtd_leads", "decimal"),
        Column("Target of the month (leads)", "target_leads", "count", 13),
        Column("To date of target (leads, %)", "leads_rate", "percent", 13),
        Column("Forecast (leads)", "forecast_leads", "count"),
        Column("Forecast, 80 % low (leads)", "forecast_leads_low", "count", 13),
        Column("Forecast, 80 % high (leads)", "forecast_leads_high", "count", 13),
        Column("Credited to date (US$)", "mtd_value_usd", "dollars", 13),
        Column("Ideal to date (US$)", "ideal_mtd_value_usd", "dollars", 13),
        Column("Target of the month (US$)", "target_value_usd", "dollars", 13),
        Column("To date of target (US$, %)", "value_rate", "percent", 13),
        Column("Forecast (US$)", "forecast_value_usd", "dollars", 13),
    ),
)
SPEED = Sheet(
    "Speed to lead",
    "SpeedToLead",
    "How soon a lead that converted was touched for the first time. Bands include their upper bound. In a scope: the leads that its reps "
    "own now.",
    "ISO week of the first conversion: the last 13 weeks, the newest first, which still runs",
    True,
    "",
    "no lead converted in the last 13 weeks",
    (
        *_WEEK,
        Column("Leads", "leads", "count", 8),
        Column("Within 5 minutes (leads)", "within_5m", "count"),
        Column("5 to 30 minutes (leads)", "within_30m", "count"),
        Column("30 to 60 minutes (leads)", "within_60m", "count"),
        Column("1 to 24 hours (leads)", "within_24h", "count"),
        Column("Over 24 hours (leads)", "after_24h", "count"),
        Column("Not yet touched (leads)", "never", "count"),
        Column("Touched within the hour (%)", "within_the_hour_rate", "percent", 13),
        Column("Median (minutes)", "p50_minutes", "decimal"),
        Column("90th percentile (minutes)", "p90_minutes", "decimal"),
        Column("Median of the touched (business minutes)", "p50_business_minutes", "decimal", 18),
        Column("Median until assigned (minutes)", "p50_system_delay_minutes", "decimal", 15),
    ),
    "speed",
    ("reps", "as_of", "as_of_date", "nobody"),
)
FUNNEL = Sheet(
    "Funnel",
    "Funnel",
    "What became of the leads that were created in a month. Counts are of persons, and add up.",
    "month of creation, persona and source: the last 13 months, the newest first",
    False,
    "",
    "no lead was created in the last 13 months",
    (
        Column("Month of creation", "created_month", "day"),
        Column("Persona", "persona_name", width=16),
        Column("Source", "lead_source", width=18),
        Column("Leads", "leads", "count", 10),
        Column("Qualified", "qualified", "count", 10),
        Column("Touched", "touched", "count", 10),
        Column("Contacted", "contacted", "count", 10),
        Column("With a deal", "deals", "count", 10),
        Column("Won", "won", "count", 10),
        Column("Won (US$)", "won_value_usd", "dollars", 14),
        Column("Qualified of leads (%)", "qualified_rate", "percent"),
        Column("Won of leads (%)", "won_rate", "percent"),
    ),
    "funnel",
    ("as_of_date",),
)
SHEETS = (ON_THE_LIST, DUE_SOON, SCORECARD, DAILY, MARKETING, SPEED, FUNNEL)


class SheetMarts(Marts):
    """A published run, open for reading, with what the sheets need beyond the report.

    Args:
        run: the published run.
        settings: the paths; of the project's files the contract of the raw tables and the names of the rules are read.
        now: the present, UTC without a zone: data is late in its eyes.
        scope: whose leads.

    Attributes:
        title: the scope in words.

    Raises:
        UnknownScope: the marts know no such team, manager or rep.
    """

    def __init__(self, run: PublishedRun, settings: Settings, now: datetime, scope: Scope) -> None:
        super().__init__(run, now, raw.late_after(settings.project))
        clock = self.company.clock
        try:
            reps, self.title = self._reps(scope)
        except LeadSlaError:
            self._connection.close()
            raise
        self._known = {"reps": reps, "as_of": clock.as_of, "as_of_date": clock.as_of_date, "nobody": UNASSIGNED}
        self._rule_names = read_agreement(settings.project, clock.as_of_date).rule_names

    def count(self, sheet: Sheet) -> int:
        """Count the rows of a sheet."""
        if not sheet.query:
            return len(self.company.to_date)
        return self._ask(f"select count(*) as n from ({_text(sheet)})", self._parameters(sheet))[0]["n"]

    def rows(self, sheet: Sheet, limit: int) -> Iterator[Row]:
        """Read the first rows of a sheet, without holding them all, with names for people."""
        for row in self._read(sheet, limit) if sheet.query else map(_to_date, self.company.to_date):
            if "persona" in row:
                row["persona_name"] = words.persona(row["persona"])
            if "rule_id" in row:
                row["rule"] = self._rule_names.get(row["rule_id"], row["rule_id"])
            yield row

    def worst(self, sheet: Sheet) -> float | None:
        """Give the attainment up to which rows with enough due are the lowest tenth; null for none."""
        query = (
            f"select quantile_disc(attainment_rate, {_WORST_SHARE}) filter (where due >= {JUDGED_FROM}) as worst "
            f"from ({_text(sheet)})"
        )
        return self._ask(query, self._parameters(sheet))[0]["worst"]

    def _read(self, sheet: Sheet, limit: int) -> Iterator[Row]:
        cursor = self._connection.execute(f"{_text(sheet)} limit {limit}", self._parameters(sheet))
        keys = [column[0] for column in cursor.description]
        while chunk := cursor.fetchmany(_ROWS_AT_ONCE):
            for values in chunk:
                yield dict(zip(keys, values, strict=True))

    def _parameters(self, sheet: Sheet) -> dict[str, Any]:
        return {name: self._known[name] for name in sheet.asks}


def _text(sheet: Sheet) -> str:
    return (PACKAGE / "export" / "sql" / f"{sheet.query}.sql").read_text(encoding="utf-8").strip()


def _to_date(row: Row) -> Row:
    return row | {
        "pace_name": words.pace(row["pace"]),
        "leads_rate": words.rate(row["mtd_leads"], row["target_leads"]),
        "value_rate": words.rate(row["mtd_value_usd"], row["target_value_usd"]),
    }


def write_sheets(book: Book, marts: SheetMarts, *, is_all: bool, doing: Callable[[str], None]) -> dict[str, int]:
    """Write all sheets.

    Args:
        book: the workbook.
        marts: what stands in it.
        is_all: everything, of the whole company: only then promises that were not kept are told, as in the report.
        doing: told what is being done.

    Returns:
        The rows in the table of each sheet, in the order of the sheets.
    """
    most = excel.ROWS_OF_A_SHEET - _LINES_ABOVE - 1
    counts = {sheet.name: marts.count(sheet) for sheet in SHEETS}
    _write_readme(book.sheet(README), marts, counts, most, is_all)
    for sheet in SHEETS:
        doing(sheet.name)
        _write_sheet(book.sheet(sheet.name), sheet, marts, counts[sheet.name], most)
    return {name: min(count, most) for name, count in counts.items()}


def as_of(marts: Marts) -> str:
    """Say as of when everything is true."""
    clock = marts.company.clock
    return f"As of {clock.as_of_local:%A %-d %B %Y, %H:%M} ({clock.zone})"


def _write_sheet(writer: SheetWriter, sheet: Sheet, marts: SheetMarts, count: int, most: int) -> None:
    company = marts.company
    columns = [replace(column, heading=column.heading.format(zone=company.clock.zone)) for column in sheet.columns]
    title = sheet.name
    if count == 0:
        title = f"{sheet.name}: {'unknown' if company.unknown else sheet.none}"
    elif sheet.unit:
        title = f"{sheet.name}: {count:,} {sheet.unit}"
    limits = [f"Only the first {most:,} of {count:,} rows fit into a sheet"] if count > most else []
    if writer.has_links and sheet in (ON_THE_LIST, DUE_SOON) and count > excel.LINKS_OF_A_SHEET:
        limits.append(f"Only the first {excel.LINKS_OF_A_SHEET:,} leads have a link: Excel allows no more")
    writer.widths([column.width for column in columns])
    writer.line(title, "title")
    writer.line(f"{_whose(sheet, marts)}. {as_of(marts)}. One row per {sheet.a_row}.")
    writer.line(sheet.what)
    writer.line(". ".join([*map(_capital, words.unknown(company)), *limits]), "warning")
    writer.freeze(writer.row + 1, sheet.frozen)
    first, last = writer.table(sheet.table, columns, marts.rows(sheet, most))
    writer.print_only(last, len(columns))
    if count:
        _highlight(writer, sheet, marts, first, last)


def _highlight(writer: SheetWriter, sheet: Sheet, marts: SheetMarts, first: int, last: int) -> None:
    """Show where to look first, in the rows from `first` to `last`."""
    place = {column.key: number for number, column in enumerate(sheet.columns)}

    def tone(key: str, tone: str, **rule: Any) -> None:
        writer.highlight(first, last, place[key], tone, rule)

    if sheet in (ON_THE_LIST, DUE_SOON):
        tone("rep_name", "warn", type="cell", criteria="==", value=f'"{UNASSIGNED}"')
    if sheet is ON_THE_LIST:
        writer.bars(first, last, place["violation_age_days"])
    if sheet is DUE_SOON:
        tone("minutes_left", "warn", type="cell", criteria="<=", value="1/24")
    if sheet is SCORECARD:
        few = f"=${xl_col_to_name(place['due'])}{first + 1}<{JUDGED_FROM}"
        tone("attainment_rate", "quiet", type="formula", criteria=few)
        if (worst := marts.worst(sheet)) is not None and worst < 1:
            tone("attainment_rate", "bad", type="cell", criteria="<=", value=worst)
    if sheet is MARKETING:
        tone("pace_name", "bad", type="cell", criteria="==", value='"behind"')
        tone("pace_name", "warn", type="cell", criteria="==", value='"ahead"')


def _write_readme(writer: SheetWriter, marts: SheetMarts, counts: Mapping[str, int], most: int, is_all: bool) -> None:
    company = marts.company
    zone = company.clock.zone
    writer.widths((24, 84, 50, 16, 10))
    writer.line(f"Lead SLA: {marts.title}", "title")
    writer.line(as_of(marts), "text")
    for sentence in words.unknown(company):
        writer.line(_capital(sentence), "warning")
    writer.line(f"Days and instants are of the time zone {zone}. Marketing SLA and funnel are the whole company's.")
    writer.line(f"From the published run {company.run}. It is a copy: what happens later is in the next one.")
    writer.line("")
    writer.table(
        "Sheets",
        (
            Column("Sheet", "name", "sheet"),
            Column("What", "what"),
            Column("One row per", "a_row"),
            Column("Whose", "whose"),
            Column("Rows", "rows", "count"),
        ),
        (
            {
                "name": sheet.name,
                "what": sheet.what,
                "a_row": sheet.a_row,
                "whose": _whose(sheet, marts),
                "rows": min(counts[sheet.name], most) or (None if company.unknown else 0),
            }
            for sheet in SHEETS
        ),
        filters=False,
        wrapped=True,
    )
    writer.line("")
    late = {
        table: sentence
        for (tables, _), sentence in zip(company.unknown, words.unknown(company), strict=True)
        for table in tables
    }
    first, last = writer.table(
        "Freshness",
        (
            Column("Raw table", "table"),
            Column("State", "state"),
            Column(f"Last heard of ({zone})", "heard_at_local", "instant"),
        ),
        (
            {"table": load.table, "state": late.get(load.table, _fresh(load)), "heard_at_local": load.heard_at_local}
            for load in company.loads
        ),
        filters=False,
        wrapped=True,
    )
    writer.highlight(first, last, 1, "bad", {"type": "text", "criteria": "begins with", "value": "unknown"})
    notes = [{"kind": "Promise not kept", "note": promise} for promise in company.promises if is_all]
    notes += [{"kind": "Warning about the data", "note": finding} for finding in company.findings]
    if notes:
        writer.line("")
        writer.table("Notes", (Column("Kind", "kind"), Column("Note", "note")), notes, filters=False, wrapped=True)


def _fresh(load: Load) -> str:
    return "fresh" if load.heard_at else "never loaded: this table may be missing"


def _whose(sheet: Sheet, marts: SheetMarts) -> str:
    return marts.title if sheet.of_scope else "Whole company"


def _capital(sentence: str) -> str:
    return f"{sentence[:1].upper()}{sentence[1:]}"
