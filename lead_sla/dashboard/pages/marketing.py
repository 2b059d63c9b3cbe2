"""Marketing SLA: the month so far against its ideal line, per persona, by source, and the months before."""

from __future__ import annotations

from typing import Any

from lead_sla.dashboard import charts
from lead_sla.dashboard.board import Board
from lead_sla.dashboard.pages import wording
from lead_sla.dashboard.parts import Cell, Chart, Column, Table, Tile
from lead_sla.report import charts as mail_charts
from lead_sla.report import words
from lead_sla.summary import Row

_SOURCES = 10


def marketing(board: Board) -> dict[str, Any]:
    """Lay the page out."""
    company = board.company
    sources: dict[str, list[Row]] = {}
    for row in board.rows("sources"):
        sources.setdefault(row["persona"], []).append(row)
    months: dict[str, list[Row]] = {}
    for row in board.rows("months"):
        months.setdefault(row["persona"], []).append(row)
    return {
        "month": f"{company.clock.month_start:%B %Y}",
        "overview": _overview(board),
        "switch_options": [(persona, wording.persona(persona)) for persona in company.months],
        "personas": [
            {
                "name": persona,
                "title": wording.persona(persona),
                "tiles": _tiles(board, days[-1]),
                "charts": _month(board, persona, days),
                "sources": _sources(persona, sources.get(persona, [])),
                "months": _months(persona, months.get(persona, [])),
            }
            for persona, days in company.months.items()
        ],
    }


def _overview(board: Board) -> Table:
    rows = []
    for row in board.company.to_date:
        share = words.ideal_share(row)
        rows.append(
            [
                Cell(wording.persona(row["persona"])),
                Cell(words.pace(row["pace"]).capitalize(), share, tone=wording.PACE_TONES.get(row["pace"], "")),
                Cell(words.percent(share, 0), share),
                Cell(words.number(row["mtd_leads"]), row["mtd_leads"]),
                Cell(words.number(row["ideal_mtd_leads"]), row["ideal_mtd_leads"]),
                Cell(words.number(row["target_leads"]), row["target_leads"]),
                Cell(_forecast(row), row["forecast_leads"]),
                Cell(words.dollars(row["mtd_value_usd"]), _float(row["mtd_value_usd"])),
                Cell(words.dollars(row["ideal_mtd_value_usd"]), _float(row["ideal_mtd_value_usd"])),
                Cell(words.dollars(row["target_value_usd"]), _float(row["target_value_usd"])),
            ]
        )
    columns = [
        Column("Persona"), Column("Pace"), Column("Of the ideal line", True), Column("Leads", True),
        Column("Ideal so far", True), Column("Target", True), Column("Forecast (80 %)", True), Column("Credited", True),
        Column("Ideal so far", True), Column("Target", True),
    ]  # fmt: skip
    return Table("The month so far by persona", columns, rows, "No targets and no qualified leads yet.", True)


def _tiles(board: Board, row: Row) -> list[Tile]:
    share, by_value = words.ideal_share(row), words.by_value(row)
    measured = "by value" if by_value else "by leads"
    is_unknown = bool(board.company.unknown) and not row["mtd_leads"]
    pace = Tile(
        "Pace",
        "unknown" if is_unknown else words.pace(row["pace"]).capitalize(),
        f"{words.percent(share, 0)} of the ideal line, {measured}"
        if share is not None
        else "nothing to compare with yet",
        "risk" if is_unknown else wording.PACE_TONES.get(row["pace"], ""),
        is_nothing=not row["mtd_leads"],
    )
    leads = Tile("Qualified leads", words.number(row["mtd_leads"]), _against(row, "leads"))
    dollars = Tile("Credited value", words.dollars(row["mtd_value_usd"]), _against(row, "value_usd"))
    left = f"{board.company.clock.days_left:.1f} days left"
    forecast = Tile("Forecast", words.number(row["forecast_leads"]), "fewer than 14 full days of history")
    if row["forecast_leads"] is not None:
        low, high = words.number(row["forecast_leads_low"]), words.number(row["forecast_leads_high"])
        dollars_too = (
            f" and {words.dollars(row['forecast_value_usd'])}" if row["forecast_value_usd"] is not None else ""
        )
        forecast = Tile(
            "Forecast",
            words.number(row["forecast_leads"]),
            f"leads (80 % between {low} and {high}){dollars_too}; {left}",
        )
    return [pace, leads, dollars, forecast]


def _against(row: Row, what: str) -> str:
    write = words.dollars if what == "value_usd" else words.number
    if row[f"target_{what}"] is None:
        return "no target"
    return f"{write(row[f'ideal_mtd_{what}'])} on the ideal line, target {write(row[f'target_{what}'])}"


def _month(board: Board, persona: str, days: list[Row]) -> list[Chart]:
    drawn = []
    for measure, title, unit in (
        (mail_charts._LEADS, "Qualified leads, cumulative", "leads"),
        (mail_charts._DOLLARS, "Credited value, cumulative", "dollars"),
    ):
        panel = mail_charts._month_panel(board.company.clock, persona, days, measure, labelled=True)
        write, last = measure.write, days[-1]
        has_band = measure.low is not None and last[measure.low] is not None
        columns = [Column("Day"), Column("On the day", True), Column("Month to date", True), Column("Ideal line", True)]
        daily = "credited_value_usd" if measure.is_money else "qualified_leads"
        rows = [
            [
                Cell(words.day(row["date_day"]), row["date_day"].isoformat()),
                Cell(write(row[daily]), _float(row[daily])),
                Cell(write(row[measure.actual]), _float(row[measure.actual])),
                Cell(write(row[measure.ideal]), _float(row[measure.ideal])),
            ]
            for row in days
        ]
        keys = [("actual", "so far")]
        keys += [("ideal", "ideal line")] if panel["ideal"] else []
        keys += [("forecast", "forecast, 80 % band" if has_band else "forecast")] if panel["forecast"] else []
        drawn.append(
            Chart(
                f"month-{unit}-{persona}", title, "", panel["alt"], charts.month(panel),
                Table(f"{title}, {wording.persona(persona)}, by day", columns, rows), keys=keys,
            )
        )  # fmt: skip
    return drawn


def _sources(persona: str, rows: list[Row]) -> dict[str, Any]:
    leads, value = sum(row["qualified_leads"] for row in rows), sum(row["credited_value_usd"] for row in rows)
    table = Table(
        f"The month so far by source, {wording.persona(persona)}",
        [Column("Source"), Column("Qualified leads", True), Column("Share", True), Column("Credited", True), Column("Share", True),
         Column("Per lead", True)],
        [
            [
                Cell(wording.source(row["lead_source"])),
                Cell(words.number(row["qualified_leads"]), row["qualified_leads"]),
                _share(row["qualified_leads"], leads),
                Cell(words.dollars(row["credited_value_usd"]), float(row["credited_value_usd"])),
                _share(row["credited_value_usd"], value),
                _per_lead(row),
            ]
            for row in rows
        ],
        empty="Nothing has qualified this month yet.",
        is_sortable=True,
        sorted_by=3,
    )  # fmt: skip
    drawn = []
    for column, title, write in (
        ("qualified_leads", "Qualified leads by source", words.number),
        ("credited_value_usd", "Credited value by source", words.dollars),
    ):
        bars = [
            {"name": wording.source(row["lead_source"]), "value": float(row[column]), "text": write(row[column])}
            for row in sorted(rows, key=lambda row: -row[column])[:_SOURCES]
        ]
        drawn.append(
            (
                title,
                charts.horizontal_bars(bars, style="bar", unit=title, is_money=write is words.dollars)
                if bars
                else None,
                bars,
            )
        )
    return {
        "table": table,
        "charts": [
            {
                "title": title,
                "spec": spec,
                "alt": f"{title}: " + ", ".join(f"{bar['name']} {bar['text']}" for bar in bars) + ".",
            }
            for title, spec, bars in drawn
        ],
    }


def _per_lead(row: Row) -> Cell:
    each = words.rate(row["credited_value_usd"], row["qualified_leads"])
    return Cell(words.dollars(each), each)


def _share(part: Any, whole: Any) -> Cell:
    share = words.rate(part, whole)
    return Cell(words.percent(share, 0), share, share=share)


def _months(persona: str, rows: list[Row]) -> dict[str, Any]:
    drawn = []
    for column, target, title, write in (
        ("leads", "target_leads", "Qualified leads by month", words.number),
        ("value_usd", "target_value_usd", "Credited value by month", words.dollars),
    ):
        bars = [
            {
                "month": f"{row['month_start_date']:%b %y}",
                "value": float(row[column]),
                "target": _float(row[target]),
                "text": write(row[column])
                + (f" of {write(row[target])}" if row[target] is not None else ", no target"),
            }
            for row in rows
        ]
        alt = f"{title}: " + ", ".join(f"{bar['month']} {bar['text']}" for bar in bars) + "."
        drawn.append(
            {"title": title, "spec": charts.months(bars, is_money=write is words.dollars) if bars else None, "alt": alt}
        )
    table = Table(
        f"The last months, {wording.persona(persona)}",
        [Column("Month"), Column("Leads", True), Column("Target", True), Column("Attained", True), Column("Credited", True),
         Column("Target", True), Column("Attained", True), Column("Pace at the end")],
        [
            [
                Cell(wording.month(row["month_start_date"]), row["month_start_date"].isoformat(), note="so far" if row is rows[-1] else ""),
                Cell(words.number(row["leads"]), row["leads"]),
                Cell(words.number(row["target_leads"]), row["target_leads"]),
                _attained(row["leads"], row["target_leads"]),
                Cell(words.dollars(row["value_usd"]), float(row["value_usd"])),
                Cell(words.dollars(row["target_value_usd"]), _float(row["target_value_usd"])),
                _attained(row["value_usd"], row["target_value_usd"]),
                Cell(words.pace(row["pace"]).capitalize(), tone=wording.PACE_TONES.get(row["pace"], "")),
            ]
            for row in reversed(rows)
        ],
        is_sortable=True,
        sorted_by=0,
    )  # fmt: skip
    return {"charts": drawn, "table": table}


def _attained(value: Any, target: Any) -> Cell:
    share = words.rate(value, target)
    return Cell(words.percent(share, 0), share)


def _forecast(row: Row) -> str:
    if row["forecast_leads"] is None:
        return "–"
    low, high = words.number(row["forecast_leads_low"]), words.number(row["forecast_leads_high"])
    return f"{words.number(row['forecast_leads'])} ({low}–{high})"


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
