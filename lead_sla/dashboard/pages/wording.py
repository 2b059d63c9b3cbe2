"""Words that several pages share."""

from __future__ import annotations

from datetime import date, timedelta

from lead_sla.dashboard.board import Board
from lead_sla.dashboard.parts import Cell, Tile
from lead_sla.report import words
from lead_sla.summary import UNASSIGNED

NO_TEAM = "No team"
NO_SOURCE = "No source logged"
PACE_TONES = {"behind": "breach", "ahead": "risk", "on_pace": "met", "no_target": ""}


def rep(rep_id: str, name: str) -> str:
    """Write a rep's name; nobody begins with a capital, as a name does."""
    return "Unassigned" if rep_id == UNASSIGNED else words.name(name) or words.name(rep_id)


def team(name: str) -> str:
    """Write a team's name."""
    return words.name(name) or NO_TEAM


def source(name: str) -> str:
    """Write a lead source: `paid_search` is Paid search."""
    return words.persona(name) if name else NO_SOURCE


def persona(name: str) -> str:
    """Write a persona; `all` is All personas."""
    return "All personas" if name == "all" else words.persona(name)


def minutes(value: float | None) -> str:
    """Write a number of minutes by its largest unit; a dash for null."""
    if value is None:
        return "–"
    return "<\u00a01\u00a0min" if 0 < value < 1 else words.duration(timedelta(minutes=value))


def week(value: date) -> str:
    """Write the Monday of a week, such as `1 Jun`."""
    return f"{value.day} {value:%b}"


def month(value: date) -> str:
    """Write a month, such as `Jun 2026`."""
    return f"{value:%b %Y}"


def count(value: int, **more: object) -> Cell:
    """Give the cell of a count; none is quiet."""
    return Cell(words.number(value), value, tone="" if value else "quiet", **more)  # type: ignore[arg-type]


def open_tile(board: Board, label: str, value: int, note: str, tone: str, href: str = "") -> Tile:
    """Give the tile of a count that is unknown, and not zero, where data is late."""
    if value:
        return Tile(label, words.number(value), note, tone, href)
    if board.company.unknown:
        return Tile(label, "unknown", f"no data {words.since(board.company)}", "risk")
    return Tile(label, "0", note, "met", is_nothing=True)


def open_count(board: Board, value: int, href: str) -> Cell:
    """Give the cell of a count that is unknown, and not zero, where data is late."""
    if value:
        return count(value, href=href)
    return Cell("unknown" if board.company.unknown else "0", 0, tone="quiet", is_nothing=True)
