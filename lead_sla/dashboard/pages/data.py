"""Data: as of when, how fresh, what the checks found, which promises were broken, and how the last runs went."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Any

import duckdb

from lead_sla import history
from lead_sla.dashboard.board import Board
from lead_sla.dashboard.pages import wording
from lead_sla.dashboard.parts import Cell, Column, Table, Tile
from lead_sla.report import words
from lead_sla.report.figures import clean
from lead_sla.summary import Row

_RUNS, _SHOWN_TESTS = 30, 50
_PASSED = ("pass", "success", "done", "skipped", "no-op")
_TONES = {
    "published": "met", "done": "met", "pass": "met", "success": "met", "nothing_new": "quiet", "skipped": "quiet", "no-op": "quiet",
    "reused": "quiet", "published_stale": "risk", "held": "risk", "warned": "risk", "warn": "risk", "stopped": "risk",
    "failed": "breach", "refused": "breach", "died": "breach", "fail": "breach", "error": "breach",
}  # fmt: skip


def data(board: Board) -> dict[str, Any]:
    """Lay the page out."""
    company, record = board.company, board.run.record
    history = _history(board)
    return {
        "tiles": [
            Tile("Loads", *(("late", "what happened since is unknown", "risk") if company.unknown else ("fresh", "no raw table is late", "met", "", True))),
            Tile("Broken promises", words.number(len(company.promises)), "attainments that were promised and not reached", "breach" if company.promises else "met"),
            Tile("Findings", words.number(len(company.findings)), "warnings of the checks about the data", "risk" if company.findings else "met"),
            Tile("Published", _utc(record.get("published_at")), f"UTC; {sum(board.run.rows.values()):,} rows in {len(board.run.rows)} marts"),
        ],
        "loads": _loads(board),
        "promises": [clean(sentence) for sentence in company.promises],
        "findings": [clean(sentence) for sentence in company.findings],
        "rows": Table(
            "Rows of the published marts", [Column("Mart"), Column("Rows", True)],
            [[Cell(mart), wording.count(rows)] for mart, rows in sorted(board.run.rows.items())], is_sortable=True,
        ),
        "run": clean(board.run.run),
        "history": history,
    }  # fmt: skip


def _utc(text: Any) -> str:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return "–"
    return f"{at.day} {at:%b}, {at:%H:%M}"


def _loads(board: Board) -> Table:
    rows = []
    for load in board.company.loads:
        limit = board.limits.get(load.table)
        late_at = load.heard_at + limit if load.heard_at and limit else None
        heard, now = load.heard_at_local, board.company.clock.now_local
        since = "no data yet" if heard is None else f"{words.day(heard)} {heard.year}, {heard:%H:%M}"
        state = ("late", "breach") if load.is_late else ("never landed", "quiet") if heard is None else ("fresh", "met")
        said = f"unknown: no data {'yet' if heard is None else f'since {since}'}" if load.is_late else ""
        rows.append(
            [
                Cell(load.table),
                Cell(since, load.heard_at.isoformat() if load.heard_at else None),
                Cell("–" if heard is None else words.duration(now - heard), (now - heard).total_seconds() if heard else None),
                Cell("never" if limit is None else words.duration(limit), limit.total_seconds() if limit else None),
                Cell(state[0], tone=state[1], note=said, late_at="" if late_at is None or load.is_late else f"{late_at.isoformat()}Z"),
            ]
        )  # fmt: skip
    columns = [
        Column("Raw table"),
        Column("Newest data"),
        Column("Age", True),
        Column("Late after", True),
        Column("State"),
    ]
    return Table("Freshness of the raw tables", columns, rows, is_sortable=True)


def _history(board: Board) -> dict[str, Any]:
    """Read the last runs, and how stages and tests of the newest one went; nothing where no history is kept.

    While a nightly run writes the dashboard, it is itself the newest: its tests stand in its diary, and not in the history yet.
    """
    try:
        with history.connect(board.state) as connection:
            runs = _ask(connection, f"from history where kind = 'run' order by started_at desc limit {_RUNS}")
            newest = runs[0]["run_id"] if runs else ""
            nodes = _ask(
                connection, "from history where kind <> 'run' and run_id = $run_id order by started_at", newest
            )
            tested = "select arg_max(run_id, started_at) from history where kind in ('test', 'check')"
            tests = _ask(connection, f"from history where kind in ('test', 'check') and run_id = ({tested})")
    except duckdb.Error:
        # A history that cannot be read must not keep the dashboard from its readers.
        return {}
    running = history.read_running(board.state / history.RUNNING)
    if running and any(entry.kind in ("test", "check") for entry in running.entries):
        nodes = [asdict(entry) for entry in running.entries]
        tests = [row for row in nodes if row["kind"] in ("test", "check")]
    if not runs and not nodes:
        return {}
    counts = Counter(row["status"] for row in tests)
    failures = {status: sum(row["failures"] or 0 for row in tests if row["status"] == status) for status in counts}
    failing = sorted(
        (row for row in tests if row["status"] not in _PASSED), key=lambda row: (row["status"], row["name"])
    )
    return {
        "runs": Table(
            "The last runs",
            [Column("Started (UTC)"), Column("Outcome"), Column("Took", True), Column("Run"), Column("Message")],
            [
                [
                    Cell(f"{row['started_at']:%Y-%m-%d %H:%M}", row["started_at"].isoformat()),
                    _status(row["status"]),
                    Cell(_seconds(row["seconds"]), row["seconds"]),
                    Cell(words.name(str(row["run_id"]))),
                    Cell(clean(row["message"] or "")),
                ]
                for row in runs
            ],
            empty="No run has ended yet.",
            is_sortable=True,
            sorted_by=0,
        ),
        "stages": Table(
            "Stages of the newest run",
            [Column("Stage"), Column("Outcome"), Column("Took", True), Column("Message")],
            [
                [
                    Cell(words.name(row["name"])),
                    _status(row["status"]),
                    Cell(_seconds(row["seconds"]), row["seconds"]),
                    Cell(clean(row["message"] or "")),
                ]
                for row in nodes
                if row["kind"] == "stage"
            ],
        ),
        "tests": Table(
            "Tests and checks of the newest run that had any",
            [Column("Result"), Column("Tests", True), Column("Failing rows", True)],
            [
                [_status(status), wording.count(count), wording.count(failures[status])]
                for status, count in counts.most_common()
            ],
        ),
        "failing": Table(
            "Tests and checks that did not pass",
            [Column("Test"), Column("Result"), Column("Failing rows", True), Column("Message")],
            [
                [
                    Cell(words.name(row["name"])),
                    _status(row["status"]),
                    wording.count(row["failures"] or 0),
                    Cell(clean(row["message"] or "")),
                ]
                for row in failing[:_SHOWN_TESTS]
            ],
            empty="All passed." if tests else "No test has run yet.",
            is_sortable=True,
        ),
    }


def _ask(connection: duckdb.DuckDBPyConnection, query: str, run_id: str | None = None) -> list[Row]:
    cursor = connection.execute(query, {} if run_id is None else {"run_id": run_id})
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def _status(text: str) -> Cell:
    return Cell(words.name(text).replace("_", " "), tone=_TONES.get(text, ""))


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}\u00a0s" if value < 120 else f"{value / 60:.0f}\u00a0min"
