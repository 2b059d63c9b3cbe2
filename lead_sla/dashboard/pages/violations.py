"""Do Not Be On It: who has which open violations, what is due soon, and the leads themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lead_sla.dashboard import charts
from lead_sla.dashboard.board import Board
from lead_sla.dashboard.pages import wording
from lead_sla.dashboard.parts import Cell, Chart, Column, Table, Tile, leads_link
from lead_sla.report import words
from lead_sla.summary import Row

CHUNK = 5_000
_BARS = 12


@dataclass(frozen=True)
class LeadList:
    """The lists of leads as the page's script reads them.

    Attributes:
        index: what the page knows at once: names, options of the filters, how many rows and chunks each list has.
        chunks: rows of each list, 5,000 a chunk, in the list's order; loaded when they are needed.
    """

    index: dict[str, Any]
    chunks: dict[str, list[list[list[Any]]]]


def violations(board: Board, version: str) -> tuple[dict[str, Any], LeadList]:
    """Lay the page out; give what its template shows, and its lists of leads."""
    company = board.company
    names = board.rule_names()
    counts: dict[str, list[Row]] = {}
    for row in board.rows("open_counts"):
        counts.setdefault(row["grouped_by"], []).append(row)
    change = board.report_rows("change")[0]
    due = board.rows("list_due")
    leads = _lists(board, names, board.rows("list_open"), due, version)
    content = {
        "tiles": _tiles(board, counts, change, due),
        "change_since": words.instant(company.clock.day_before_local),
        "charts": [_chart(board, rule_id, name, counts) for rule_id, name in names.items()],
        "teams": _teams(names, counts),
        "reps": _reps(names, counts),
        "list": leads.index,
        "list_counts": {
            name: wording.open_count(board, one["rows"], "").text for name, one in leads.index["lists"].items()
        },
        "has_links": bool(board.crm_lead_url),
    }
    return content, leads


def _tiles(board: Board, counts: dict[str, list[Row]], change: Row, due: Sequence[Row]) -> list[Tile]:
    (total,) = counts.get("all", [{"open_violations": 0, "leads": 0, "oldest_days": None}])
    company = board.company
    came = f"{change['newly']:,} came on, {change['cured']:,} cured, {change['closed']:,} closed in 24 h"
    next_due = f"the next in {wording.minutes(due[0]['minutes'])}" if due else "nothing is at risk"
    leads = f"on {total['leads']:,} {'lead' if total['leads'] == 1 else 'leads'}; " if total["leads"] else ""
    oldest = words.days_long(total["oldest_days"]) if total["oldest_days"] is not None else "–"
    return [
        wording.open_tile(board, "Open violations", total["open_violations"], f"{leads}{came}", "breach", "#leads"),
        Tile("Oldest", oldest, "since its deadline", "", "#sort=-minutes") if total["leads"] else Tile("Oldest", "–"),
        wording.open_tile(
            board, "Unassigned", company.unassigned, "open violations of leads that nobody owned at the deadline", "breach",
            leads_link(rep="unassigned"),
        ),
        wording.open_tile(board, "Due soon", len(due), f"{next_due}, as of the time above", "risk", leads_link(list="due")),
    ]  # fmt: skip


def _chart(board: Board, rule_id: str, name: str, counts: dict[str, list[Row]]) -> Chart:
    rows = [row for row in counts.get("rule and rep", []) if row["rule_id"] == rule_id]
    total = sum(row["open_violations"] for row in rows)
    shown, rest = rows[:_BARS], rows[_BARS:]
    labels = _unique(wording.rep(row["rep_id"], row["rep_name"]) for row in shown)
    bars = [
        {"name": label, "rep": row["rep_id"], "value": row["open_violations"], "text": f"{row['open_violations']:,}"}
        for label, row in zip(labels, shown, strict=True)
    ]
    more = ""
    if rest:
        left = sum(row["open_violations"] for row in rest)
        more = f"The {len(shown)} longest; {len(rest):,} more {'rep has' if len(rest) == 1 else 'reps have'} {left:,}."
    unknown = bool(board.company.unknown) and not total
    told = ", ".join(f"{bar['name']} {bar['text']}" for bar in bars[:3])
    table = Table(
        f"Open violations by rep: {name}",
        [Column("Rep"), Column("Team"), Column("Open", True), Column("New in 24\u00a0h", True), Column("Oldest", True)],
        [
            [
                Cell(wording.rep(row["rep_id"], row["rep_name"]), href=leads_link(rule=rule_id, rep=row["rep_id"])),
                Cell(wording.team(row["team"])),
                wording.count(row["open_violations"]),
                wording.count(row["new_violations"]),
                Cell(words.days_long(row["oldest_days"]), row["oldest_days"]),
            ]
            for row in rows
        ],
        empty="Nobody is on it.",
        is_sortable=True,
        sorted_by=2,
    )
    return Chart(
        name=f"rule-{rule_id}",
        title=name,
        subtitle=more,
        alt=f"Open violations by rep, {total:,} in all{': ' + told if told else ''}{' and others' if len(rows) > 3 else ''}.",
        spec=charts.horizontal_bars(bars, style="breach", unit="open violations") if bars else None,
        numbers=table,
        figure="unknown" if unknown else f"{total:,}",
        tone="breach" if total else "risk" if unknown else "met",
        drill={"rule": rule_id},
        is_nothing=not total and not unknown,
    )


def _unique(names: Iterable[str]) -> list[str]:
    """Tell apart reps of one name, who would share a bar."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def _teams(names: dict[str, str], counts: dict[str, list[Row]]) -> Table:
    by_rule = {(row["rule_id"], row["team"]): row["open_violations"] for row in counts.get("rule and team", [])}
    rows = [
        [
            Cell(wording.team(row["team"]), wording.team(row["team"]), leads_link(team=row["team"])),
            wording.count(row["open_violations"], href=leads_link(team=row["team"])),
            *(_linked(by_rule.get((rule_id, row["team"]), 0), rule=rule_id, team=row["team"]) for rule_id in names),
            wording.count(row["leads"]),
            Cell(words.days_long(row["oldest_days"]), row["oldest_days"]),
        ]
        for row in counts.get("team", [])
    ]
    columns = [Column("Team"), Column("Open", True), *(Column(name, True) for name in names.values())]
    columns += [Column("Leads", True), Column("Oldest", True)]
    return Table("Open violations by team and rule", columns, rows, "Nobody is on it.", True, 1)


def _reps(names: dict[str, str], counts: dict[str, list[Row]]) -> Table:
    by_rule = {(row["rule_id"], row["rep_id"]): row["open_violations"] for row in counts.get("rule and rep", [])}
    rows = [
        [
            Cell(wording.rep(row["rep_id"], row["rep_name"]), href=leads_link(rep=row["rep_id"])),
            Cell(wording.team(row["team"])),
            wording.count(row["open_violations"], href=leads_link(rep=row["rep_id"])),
            *(_linked(by_rule.get((rule_id, row["rep_id"]), 0), rule=rule_id, rep=row["rep_id"]) for rule_id in names),
            wording.count(row["leads"]),
            wording.count(row["new_violations"]),
            Cell(words.days_long(row["oldest_days"]), row["oldest_days"]),
        ]
        for row in counts.get("rep", [])
    ]
    columns = [Column("Rep"), Column("Team"), Column("Open", True), *(Column(name, True) for name in names.values())]
    columns += [Column("Leads", True), Column("New in 24\u00a0h", True), Column("Oldest", True)]
    return Table("Open violations by rep and rule", columns, rows, "Nobody is on it.", True, 2)


def _linked(value: int, **filters: str) -> Cell:
    return wording.count(value, href=leads_link(**filters) if value else "")


def _lists(board: Board, names: dict[str, str], opened: list[Row], due: list[Row], version: str) -> LeadList:
    """Write rows as short arrays: what repeats (rules, reps, personas...) as its place in a list of names."""
    rules, reps, texts = _Places(), _Places(), _Places()
    for rule_id in names:
        rules.of(rule_id)
    people: dict[str, tuple[str, str]] = {}
    facets: dict[str, dict[tuple[int, int], int]] = {}
    chunks: dict[str, list[list[list[Any]]]] = {}
    for name, rows in (("open", opened), ("due", due)):
        packed, facet = [], facets.setdefault(name, {})
        for row in rows:
            rule, rep = rules.of(row["rule_id"]), reps.of(row["rep_id"])
            people.setdefault(row["rep_id"], (row["rep_name"], row["team"]))
            facet[rule, rep] = facet.get((rule, rep), 0) + 1
            packed.append(
                [
                    row["lead_id"],
                    rule,
                    rep,
                    texts.of(words.persona(row["persona"])),
                    texts.of(wording.source(row["lead_source"])),
                    texts.of(words.name(row["owner_name"])),
                    row["due_seconds"],
                    row["minutes"],
                    row["touches_total"],
                    row["required_touches"],
                ]
            )
        chunks[name] = [packed[first : first + CHUNK] for first in range(0, len(packed), CHUNK)]
    index = {
        "version": version,
        "crm": board.crm_lead_url,
        "chunk": CHUNK,
        "rules": [{"id": rule_id, "name": names.get(rule_id, words.name(rule_id))} for rule_id in rules.values],
        "reps": [
            {"id": rep_id, "name": wording.rep(rep_id, people[rep_id][0]), "team": people[rep_id][1]}
            for rep_id in reps.values
        ],
        "texts": texts.values,
        "lists": {
            name: {
                "rows": sum(map(len, chunks[name])),
                "chunks": len(chunks[name]),
                # How many rows each rule has with each rep: the filters know their counts before a chunk is loaded.
                "facets": [[rule, rep, rows] for (rule, rep), rows in facets[name].items()],
            }
            for name in chunks
        },
    }
    return LeadList(index, chunks)


class _Places:
    """Numbers values in the order in which they come."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def of(self, value: str) -> int:
        """Give the place of a value, a new one the next."""
        return self._places.setdefault(value, len(self._places))

    @property
    def values(self) -> list[str]:
        """The values by their places."""
        return list(self._places)
