"""Buyer Matrix: where the leads stand, persona by stage, what passes to Sales, how they move on, and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lead_sla.dashboard import charts
from lead_sla.dashboard.board import Board
from lead_sla.dashboard.pages import wording
from lead_sla.dashboard.parts import Cell, Column, Table
from lead_sla.report import words
from lead_sla.summary import Row

NO_STAGE = "No stage yet"


@dataclass(frozen=True)
class State:
    """A buyer state: a cell of the matrix.

    Attributes:
        passes: whether it passes to Sales on the day of `as_of`; null where the agreement does not say.
        begins: it is the first of its persona that passes: the pass line runs before it.
        shade: its leads as a share of the fullest cell, 0 to 4.
        value: what a lead is worth by the agreement; empty where it does not say.
        credited: what Marketing earned in the month so far; empty where it never earned anything.
    """

    leads: str
    active: str
    won: str
    passes: bool | None
    begins: bool
    shade: int
    value: str
    credited: str


def matrix(board: Board) -> dict[str, Any]:
    """Lay the page out."""
    cells = board.rows("cells")
    stages = _order(board.agreement.stages, [row["journey_stage"] for row in cells])
    personas = _order(board.agreement.personas, [row["persona"] for row in cells])
    if "unknown" in personas:
        personas = [*(persona for persona in personas if persona != "unknown"), "unknown"]
    credits = {(row["persona"], row["journey_stage"]): row for row in board.rows("credits")}
    counts = {(row["persona"], row["journey_stage"]): row for row in cells}
    flow = board.rows("flow", stages=stages)
    return {
        "month": f"{board.company.clock.month_start:%B}",
        "stages": [words.persona(stage) for stage in stages],
        "no_stage": NO_STAGE,
        "personas": [
            {
                "name": wording.persona(persona),
                "none": words.number(counts.get((persona, ""), {"leads": 0})["leads"]),
                "states": _states(board, persona, stages, counts, credits),
                "steps": [_step(flow, persona, rank) for rank in range(1, len(stages))],
            }
            for persona in personas
        ],
        "total": words.number(sum(row["leads"] for row in cells)),
        "flow_charts": [_flow_chart(persona, stages, flow, counts) for persona in personas],
        "flow_table": _flow(personas, stages, flow),
        "states_table": _table(board, personas, stages, counts, credits),
    }


def _order(known: Any, found: list[str]) -> list[str]:
    """Give the values of the agreement in its order, and then what else there is."""
    return [*known, *sorted({value for value in found if value and value not in known})]


def _states(
    board: Board,
    persona: str,
    stages: list[str],
    counts: dict[tuple[str, str], Row],
    credits: dict[tuple[str, str], Row],
) -> list[State]:
    fullest = max((row["leads"] for (_, stage), row in counts.items() if stage), default=0)
    states, passed = [], False
    for stage in stages:
        row = counts.get((persona, stage), {"leads": 0, "active_leads": 0, "won_leads": 0})
        passes = board.agreement.passes.get((persona, stage))
        credit, value = credits.get((persona, stage)), board.agreement.values.get((persona, stage))
        states.append(
            State(
                leads=words.number(row["leads"]),
                active=words.number(row["active_leads"]),
                won=words.number(row["won_leads"]),
                passes=passes,
                begins=bool(passes) and not passed,
                shade=round(4 * row["leads"] / fullest) if fullest else 0,
                value="" if value is None else words.dollars(value),
                credited="" if credit is None else words.dollars(credit["month_value_usd"]),
            )
        )
        passed = passed or bool(passes)
    return states


def _step(flow: list[Row], persona: str, rank: int) -> dict[str, str]:
    """Say how many leads of a persona went on from a stage to a higher one, and after how long."""
    steps = [row for row in flow if row["persona"] == persona and row["from_rank"] == rank]
    return {"leads": words.number(sum(row["leads"] for row in steps))}


def _flow_chart(persona: str, stages: list[str], flow: list[Row], counts: dict[tuple[str, str], Row]) -> dict[str, Any]:
    """Draw a persona's funnel: how many of its leads have come to each stage or beyond."""
    everybody = sum(row["leads"] for (name, _), row in counts.items() if name == persona)
    bars = [{"name": "Leads", "value": everybody, "text": f"{everybody:,}"}]
    for rank, stage in enumerate(stages, start=1):
        beyond = sum(row["leads"] for (name, at), row in counts.items() if name == persona and at in stages[rank - 1 :])
        share = words.percent(words.rate(beyond, everybody), 0)
        bars.append({"name": words.persona(stage), "value": beyond, "text": f"{beyond:,} · {share}"})
    title = wording.persona(persona)
    alt = (
        f"{title}: leads that have come to a stage or beyond: "
        + ", ".join(f"{bar['name']} {bar['text']}" for bar in bars)
        + "."
    )
    return {"title": title, "alt": alt, "spec": charts.horizontal_bars(bars, style="bar", unit="leads", is_money=True)}


def _flow(personas: list[str], stages: list[str], flow: list[Row]) -> Table:
    steps = {(row["from_rank"], row["to_rank"], row["persona"]): row for row in flow}
    names = ["", *(words.persona(stage) for stage in stages)]
    rows = []
    for begin, end in sorted({(row["from_rank"], row["to_rank"]) for row in flow}):
        found = [steps.get((begin, end, persona)) for persona in personas]
        rows.append(
            [
                Cell(f"{names[begin]} → {names[end]}" if begin else f"First proof: {names[end]}"),
                *(Cell("–") if row is None else wording.count(row["leads"], note=_pace(row)) for row in found),
                wording.count(sum(row["leads"] for row in found if row)),
            ]
        )
    columns = [Column("Step"), *(Column(wording.persona(persona), True) for persona in personas), Column("All", True)]
    return Table("Steps from stage to stage: leads ever", columns, rows, "No lead has reached a stage yet.", True)


def _pace(row: Row) -> str:
    after = "" if row["median_days"] is None else f", after {words.days_long(row['median_days'])}"
    return f"{row['recent_leads']:,} in 28 days{after}"


def _table(
    board: Board,
    personas: list[str],
    stages: list[str],
    counts: dict[tuple[str, str], Row],
    credits: dict[tuple[str, str], Row],
) -> Table:
    rows = []
    for persona in personas:
        for stage in ["", *stages]:
            row, credit = counts.get((persona, stage)), credits.get((persona, stage))
            if row is None and credit is None:
                continue
            row = row or {"leads": 0, "active_leads": 0, "qualified_leads": 0, "won_leads": 0}
            passes = board.agreement.passes.get((persona, stage))
            value = board.agreement.values.get((persona, stage))
            rows.append(
                [
                    Cell(wording.persona(persona)),
                    Cell(words.persona(stage) if stage else NO_STAGE),
                    Cell("–" if passes is None else "yes" if passes else "no", tone="met" if passes else "quiet"),
                    wording.count(row["leads"]),
                    wording.count(row["active_leads"]),
                    wording.count(row["qualified_leads"]),
                    wording.count(row["won_leads"]),
                    Cell(words.dollars(value), value),
                    Cell(
                        words.dollars(credit and credit["month_value_usd"]), credit and float(credit["month_value_usd"])
                    ),
                    Cell(words.dollars(credit and credit["value_usd"]), credit and float(credit["value_usd"])),
                ]
            )
    columns = [
        Column("Persona"), Column("Stage"), Column("Passes to Sales"), Column("Leads", True), Column("Active", True),
        Column("Qualified", True), Column("Won", True), Column("Worth a lead", True), Column("Credited this month", True),
        Column("Credited ever", True),
    ]  # fmt: skip
    return Table("All buyer states", columns, rows, "No leads yet.", True)
