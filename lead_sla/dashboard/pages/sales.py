"""Sales SLA: attainment of each rule by week, speed to lead, rep scorecards, and the hours of the week."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import Any

from lead_sla.dashboard import charts
from lead_sla.dashboard.board import Board
from lead_sla.dashboard.pages import wording
from lead_sla.dashboard.parts import JUDGED_FROM, Cell, Chart, Column, Interval, Table, Tile, leads_link, wilson
from lead_sla.report import words
from lead_sla.summary import RECENT_DAYS, Row

# Bands as the marts name them: the column of the query, and the words.
_BANDS = (
    ("within_5m", "up to 5 min"),
    ("within_30m", "5 to 30 min"),
    ("within_60m", "30 to 60 min"),
    ("within_24h", "1 to 24 h"),
    ("after_24h", "over 24 h"),
    ("never", "not yet"),
)
# Fewer leads in an hour of the week say nothing about it.
_HOUR_JUDGED_FROM = 5


def sales(board: Board) -> dict[str, Any]:
    """Lay the page out."""
    names = board.rule_names()
    weeks = board.rows("speed_weeks")
    return {
        "recent_days": RECENT_DAYS,
        "judged_from": JUDGED_FROM,
        "rules": _rules(board, names),
        "switch_options": list(names.items()),
        "attainment": _attainment(board, names),
        "speed_tiles": _speed_tiles(board, weeks),
        "speed_charts": _speed(board, weeks),
        "scorecards": _scorecards(board, names),
        "hours": _hours(board),
    }


def _rules(board: Board, names: dict[str, str]) -> Table:
    recent = {row["rule_id"]: row for row in board.summary.sales}
    weeks = {row["rule_id"]: row for row in board.report_rows("rules")}
    rows = []
    for rule_id, name in names.items():
        row, week, promised = recent[rule_id], weeks[rule_id], board.agreement.promised.get(rule_id)
        met, due = row["recent_met"] or 0, row["recent_due"] or 0
        share = words.rate(met, due)
        now, before = words.rate(week["week_met"], week["week_due"]), words.rate(week["before_met"], week["before_due"])
        tone = "" if share is None or promised is None else "met" if share >= promised else "breach"
        rows.append(
            [
                Cell(name),
                Cell(words.percent(share), share, note=f"{met:,} of {due:,}", tone=tone),
                Cell(words.percent(promised, 0), promised),
                Cell(words.percent(now), now, note=f"{week['week_met']:,} of {week['week_due']:,}"),
                Cell(words.percent(before), before, note=f"{week['before_met']:,} of {week['before_due']:,}"),
                wording.open_count(board, week["at_risk"], leads_link(list="due", rule=rule_id)),
                wording.open_count(board, week["on_the_list"], leads_link(rule=rule_id)),
            ]
        )
    columns = [
        Column("Rule"), Column(f"Last {RECENT_DAYS} days", True), Column("Promised", True), Column("Last 7 days", True),
        Column("7 days before", True), Column("At risk now", True), Column("Open now", True),
    ]  # fmt: skip
    return Table("Attainment by rule", columns, rows, "No promise has been opened yet.", True)


def _attainment(board: Board, names: dict[str, str]) -> list[Chart]:
    running = board.company.clock.as_of_date
    monday = running - timedelta(days=running.weekday())
    by_rule = {
        rule_id: list(rows) for rule_id, rows in groupby(board.report_rows("weeks"), key=lambda row: row["rule_id"])
    }
    drawn = []
    for rule_id, name in names.items():
        weeks, promised = by_rule.get(rule_id, []), board.agreement.promised.get(rule_id)
        points = [
            {
                "week": row["week_start_date"].isoformat(),
                "label": wording.week(row["week_start_date"]),
                "rate": words.rate(row["met"], row["due"]),
                "text": f"{words.percent(words.rate(row['met'], row['due']))} ({row['met']:,} of {row['due']:,})",
                "running": row["week_start_date"] == monday,
            }
            for row in weeks
        ]
        last = points[-1]["text"] if points else "nothing was due"
        at_least = f", promised {words.percent(promised, 0)}" if promised is not None else ""
        table = Table(
            f"{name}: attainment by week of the deadline",
            [Column("Week of"), Column("Met", True), Column("Due", True), Column("Attainment", True)],
            [
                [
                    Cell(wording.week(row["week_start_date"]), row["week_start_date"].isoformat(), note="so far" if row["week_start_date"] == monday else ""),
                    Cell(words.number(row["met"]), row["met"]),
                    Cell(words.number(row["due"]), row["due"]),
                    Cell(words.percent(words.rate(row["met"], row["due"])), words.rate(row["met"], row["due"])),
                ]
                for row in reversed(weeks)
            ],
        )  # fmt: skip
        drawn.append(
            Chart(
                f"attainment-{rule_id}", name, "", f"Attainment by week: the newest {last}{at_least}.",
                charts.attainment(points, promised) if points else None, table,
                figure=words.percent(points[-1]["rate"], 0) if points else "–",
                keys=[("promise", f"promised {words.percent(promised, 0)}")] if promised is not None else [],
            )
        )  # fmt: skip
    return drawn


def _speed_tiles(board: Board, weeks: list[Row]) -> list[Tile]:
    full = [row for row in weeks if row["week_start_date"] + timedelta(days=7) <= board.company.clock.as_of_date]
    if not full:
        return []
    last = full[-1]
    before = full[-2] if len(full) > 1 else None
    hour = last["within_5m"] + last["within_30m"] + last["within_60m"]
    named = f"week of {wording.week(last['week_start_date'])}"

    def compared(column: str) -> str:
        return f"{wording.minutes(before[column])} the week before" if before else named

    return [
        Tile("Within the hour", words.percent(words.rate(hour, last["leads"]), 0), f"{hour:,} of {last['leads']:,} leads, {named}"),
        Tile("Median", wording.minutes(last["p50_minutes"]), compared("p50_minutes")),
        Tile("90th percentile", wording.minutes(last["p90_minutes"]), compared("p90_minutes")),
        Tile("Never touched", words.number(last["never"]), f"of {last['leads']:,} leads, {named}", "breach" if last["never"] else "met"),
    ]  # fmt: skip


def _speed(board: Board, weeks: list[Row]) -> list[Chart]:
    if not weeks:
        return []
    labels = [wording.week(row["week_start_date"]) for row in weeks]
    stacked = [
        {
            "week": label,
            "band": name,
            "place": place,
            "leads": row[column],
            "text": f"{row[column]:,} of {row['leads']:,} ({words.percent(words.rate(row[column], row['leads']))})",
        }
        for label, row in zip(labels, weeks, strict=True)
        for place, (column, name) in enumerate(_BANDS)
    ]
    newest = weeks[-1]
    told = ", ".join(
        f"{name} {words.percent(words.rate(newest[column], newest['leads']), 0)}" for column, name in _BANDS
    )
    bands = Chart(
        "speed-bands", "How fast the first touch comes", "Share of leads by week of their first conversion",
        f"Share of leads by speed band and week; in the newest week {told}.",
        charts.bands(stacked, [name for _, name in _BANDS], labels),
        Table(
            "Leads by speed band and week of the first conversion",
            [Column("Week of"), *(Column(name, True) for _, name in _BANDS), Column("Leads", True)],
            [[_week(row), *(wording.count(row[column]) for column, _ in _BANDS), wording.count(row["leads"])] for row in reversed(weeks)],
        ),
        keys=[(f"band-{place}", name) for place, (_, name) in enumerate(_BANDS)],
    )  # fmt: skip
    points = [
        {
            "week": row["week_start_date"].isoformat(),
            "label": wording.week(row["week_start_date"]),
            # A logarithm begins above zero.
            "p50": max(1.0, row["p50_minutes"]),
            "p90": max(1.0, row["p90_minutes"]),
            "p50_text": wording.minutes(row["p50_minutes"]),
            "p90_text": wording.minutes(row["p90_minutes"]),
        }
        for row in weeks
    ]
    percentiles = Chart(
        "speed-percentiles", "Minutes to the first touch", "Median and 90th percentile; who waits still, counts with the time so far",
        f"Median and 90th percentile by week; in the newest week {points[-1]['p50_text']} and {points[-1]['p90_text']}.",
        charts.percentiles(points),
        Table(
            "Time to the first touch by week of the first conversion",
            [Column("Week of"), Column("Leads", True), Column("Median", True), Column("90th percentile", True),
             Column("Median, open hours", True), Column("Median until assigned", True)],
            [
                [
                    _week(row),
                    wording.count(row["leads"]),
                    Cell(wording.minutes(row["p50_minutes"]), row["p50_minutes"]),
                    Cell(wording.minutes(row["p90_minutes"]), row["p90_minutes"]),
                    Cell(wording.minutes(row["p50_business_minutes"]), row["p50_business_minutes"]),
                    Cell(wording.minutes(row["p50_system_delay_minutes"]), row["p50_system_delay_minutes"]),
                ]
                for row in reversed(weeks)
            ],
        ),
        keys=[("actual", "median"), ("second", "90th percentile")],
    )  # fmt: skip
    return [bands, percentiles]


def _week(row: Row) -> Cell:
    return Cell(wording.week(row["week_start_date"]), row["week_start_date"].isoformat())


def _scorecards(board: Board, names: dict[str, str]) -> list[dict[str, Any]]:
    by_rule: dict[str, list[Row]] = {}
    for row in board.rows("scorecards"):
        by_rule.setdefault(row["rule_id"], []).append(row)
    cards = []
    for rule_id, name in names.items():
        promised = board.agreement.promised.get(rule_id)
        rows = sorted(by_rule.get(rule_id, []), key=lambda row: (row["met"] / row["due"], -row["due"]))
        columns = [
            Column("Rep"), Column("Team"), Column("Due", True), Column("Met", True), Column("Attainment", True),
            Column("95 % interval"), Column("Median response", True), Column("90th percentile", True),
        ]  # fmt: skip
        table = Table(
            f"Scorecards of the last {RECENT_DAYS} days: {name}", columns, [_scorecard(row, promised) for row in rows],
            f"Nothing was due in the last {RECENT_DAYS} days.", True, 4, False,
        )  # fmt: skip
        cards.append(
            {
                "name": rule_id,
                "title": name,
                "promised": words.percent(promised, 0) if promised is not None else "",
                "table": table,
            }
        )
    return cards


def _scorecard(row: Row, promised: float | None) -> list[Cell]:
    share, (low, high) = row["met"] / row["due"], wilson(row["met"], row["due"])
    few = row["due"] < JUDGED_FROM
    # A rep is only called good or bad where the whole interval lies on one side of the promise.
    sure = "" if few or promised is None else "met" if low >= promised else "breach" if high < promised else ""
    return [
        Cell(wording.rep(row["rep_id"], row["rep_name"]), tone="quiet" if few else ""),
        Cell(wording.team(row["team"])),
        Cell(words.number(row["due"]), row["due"], note="too few to judge" if few else ""),
        Cell(words.number(row["met"]), row["met"]),
        Cell(words.percent(share, 0), share, tone="quiet" if few else sure),
        Cell(f"{words.percent(low, 0)} to {words.percent(high, 0)}", low, tone="quiet" if few else sure, interval=Interval(low, share, high, promised)),
        Cell(wording.minutes(row["p50_response_minutes"]), row["p50_response_minutes"], tone="quiet" if few else ""),
        Cell(wording.minutes(row["p90_response_minutes"]), row["p90_response_minutes"], tone="quiet" if few else ""),
    ]  # fmt: skip


def _hours(board: Board) -> list[Chart]:
    found = {(row["iso_weekday"], row["hour_of_day"]): row for row in board.rows("hours")}
    if not found:
        return []
    converted, answered = [], []
    for weekday, day in enumerate(charts.WEEKDAYS, start=1):
        for hour in range(24):
            row = found.get((weekday, hour), {"leads": 0, "judged_leads": 0, "touched_within_the_hour": 0})
            when = {"day": day, "hour": hour, "when": f"{day} {hour:02}:00 to {hour + 1:02}:00"}
            share, few = (
                words.rate(row["touched_within_the_hour"], row["judged_leads"]),
                row["judged_leads"] < _HOUR_JUDGED_FROM,
            )
            converted.append(when | {"value": row["leads"], "text": f"{row['leads']:,}"})
            text = f"{words.percent(share, 0)} of {row['judged_leads']:,}" + (": too few to judge" if few else "")
            answered.append(when | {"value": None if few else share, "text": text})
    busiest = max(converted, key=lambda cell: cell["value"])
    judged = [cell for cell in answered if cell["value"] is not None]
    slowest = min(judged, key=lambda cell: cell["value"], default=None)
    slow = f"; the least from {slowest['when']}: {slowest['text']}" if slowest else ""
    return [
        Chart(
            "hours-leads", "When leads convert", "Leads by the hour of their first conversion",
            f"Leads by hour of the week; the most from {busiest['when']}: {busiest['text']}.",
            charts.hours(converted, is_share=False), _hour_table("Leads by hour of the week", converted, lambda cell: cell["text"]),
            keys=[("ramp", "none to the most")],
        ),
        Chart(
            "hours-answered", "When they are answered", "Share touched within the hour",
            f"Share of leads touched within the hour by hour of the week{slow}.",
            charts.hours(answered, is_share=True),
            _hour_table("Share touched within the hour, by hour of the week", answered, lambda cell: "–" if cell["value"] is None else words.percent(cell["value"], 0)),
            keys=[("ramp", f"none to all; grey: fewer than {_HOUR_JUDGED_FROM} leads")],
        ),
    ]  # fmt: skip


def _hour_table(caption: str, cells: list[dict[str, Any]], write: Any) -> Table:
    columns = [Column("Hour"), *(Column(day, True) for day in charts.WEEKDAYS)]
    by_hour = [[cell for cell in cells if cell["hour"] == hour] for hour in range(24)]
    rows = [[Cell(f"{hour:02}:00"), *(Cell(write(cell)) for cell in row)] for hour, row in enumerate(by_hour)]
    return Table(caption, columns, rows, stacks=False)
