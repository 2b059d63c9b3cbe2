"""The history of the runs: a row per run, stage, model and test, in Parquet files outside what is built and swapped.

    <state>/running.json                             the diary of the run that is going on: what it did so far
    <state>/history/run_<day>_<time>_<run>.parquet   one run that has ended
    <state>/history/month_<month>.parquet            the runs of the finished days of a month

A file appears whole, by a rename: whoever reads while a run writes sees all of a run, or nothing. Once a day the runs of the
finished days are merged into the file of their month: a run every 15 minutes would leave 35,000 files a year. Where a crash
leaves a run in both, the view `history` counts it once, and the next run removes the one too many.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import duckdb
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lead_sla import files
from lead_sla.errors import RefusedInput, explain
from lead_sla.report.figures import clean
from lead_sla.scrub import scrub
from lead_sla.settings import PACKAGE, display
from lead_sla.summary import Row
from lead_sla.terminal import print_list

FOLDER = "history"
RUNNING = "running.json"
DIED = "died"
COLUMNS = {
    "run_id": "varchar",
    "kind": "varchar",
    "stage": "varchar",
    "name": "varchar",
    "started_at": "timestamp",
    "seconds": "double",
    "rows": "bigint",
    "failures": "bigint",
    "status": "varchar",
    "message": "varchar",
    "as_of": "timestamp",
}
# A stage is called slower than usual by both: a ratio alone would flag what takes a second, a difference alone what takes an hour.
SLOWER_TIMES = 1.5
SLOWER_SECONDS = 5.0
_LONGEST_MESSAGE = 2_000
_SHOWN_RUNS = 8
# The runs whose median is the usual time of a stage.
_COMPARED_RUNS = 14
_SHOWN_NODES = 10
_GOOD = ("success", "pass", "no-op", "skipped", "reused")
_STYLES = {
    **dict.fromkeys(("published", "done", "pass", "success"), "green"),
    **dict.fromkeys(("published_stale", "held", "stopped", "warned", "warn", "warning"), "yellow"),
    **dict.fromkeys(("nothing_new", "skipped", "reused", "no-op"), "dim"),
}


@dataclass(frozen=True)
class Entry:
    """One row of the history.

    Attributes:
        kind: `run`, `stage`, `seed`, `model`, `test` or `check`.
        name: of the stage, model, test or check; of a run its id.
        status: of a run `published`, `published_stale`, `nothing_new`, `failed`, `refused`, `held`, `stopped` or `died`; of a
            stage `done`, `warned`, `failed`, `skipped` or `reused`; of anything else dbt's.
        stage: the stage that it belongs to; None for a run.
        started_at: UTC.
        seconds: how long it took.
        rows: what it made.
        failures: of a test or check, the rows that fail it.
        message: what is to be known of it, a sentence.
        as_of: of a run, the instant that its marts are true of, UTC.
    """

    kind: str
    name: str
    status: str
    stage: str | None = None
    started_at: datetime | None = None
    seconds: float | None = None
    rows: int | None = None
    failures: int | None = None
    message: str = ""
    as_of: datetime | None = None


class Diary:
    """The diary of the run that is going on. No trouble with it ends a run: `end` tells of it.

    It is kept by one process at a time, under the lock of the run.

    Args:
        state: the folder of what runs remember of each other.
        run_id: names the run, unlike any other run.
        started_at: when the run began, UTC. The diary is made then: it measures how long the run takes.
        environ: the environment variables, whose secrets no message may hold.
    """

    def __init__(self, state: Path, run_id: str, started_at: datetime, environ: Mapping[str, str] = os.environ) -> None:
        self._folder, self._running = state / FOLDER, state / RUNNING
        self._run_id, self._started_at, self._environ = run_id, started_at, environ
        # A clock that is set in the middle of a run makes it neither longer nor shorter.
        self._began = monotonic()
        self._stage: str | None = None
        self._stage_began: datetime | None = None
        self._entries: list[Entry] = []
        self._trouble: list[str] = []

    def begin(self) -> Entry | None:
        """Open the diary. A run that broke off without a word is remembered first, with all that it had noted.

        Returns:
            The run that broke off, with status `died` and a sentence that says at which stage and when it was last heard of.
        """
        for part in self._folder.glob("*.part"):
            with suppress(OSError):
                part.unlink()
        left_behind = read_running(self._running)
        died = None
        if left_behind and not _place(self._folder, left_behind.run_id, left_behind.started_at).exists():
            with self._unless_in_vain("The run before this one could not be remembered"):
                entries = left_behind.entries_as_left()
                _write_run(self._folder, left_behind.run_id, left_behind.started_at, entries)
                died = next((entry for entry in entries if entry.kind == "run" and entry.status == DIED), None)
        self._save()
        return died

    def stage(self, name: str) -> None:
        """Note which stage begins now, so that a run that breaks off says where."""
        self._stage, self._stage_began = name, _now()
        self._save()

    def note(self, *entries: Entry) -> None:
        """Note what came of stages, models, tests and checks. Secrets and people's data in their messages are blotted out."""
        self._entries += [self._clean(entry) for entry in entries]
        if any(entry.kind == "stage" for entry in entries):
            self._save()

    def end(self, status: str, message: str = "", *, as_of: datetime | None = None, rows: int | None = None) -> str:
        """Remember the run, and close the diary.

        Args:
            status: what became of the run.
            message: why, in a sentence.
            as_of: the instant that its marts are true of, UTC.
            rows: the rows of the marts that it published.

        Returns:
            What went wrong with the history, in sentences; empty where nothing did. The run itself is as good as it was.
        """
        seconds = monotonic() - self._began
        run = Entry("run", self._run_id, status, None, self._started_at, seconds, rows, None, message, as_of)
        self._entries.append(self._clean(run))
        # First in the diary: should the disk be full for the history, the next run makes up for it.
        self._save()
        with self._unless_in_vain("This run is not in the history yet"):
            _write_run(self._folder, self._run_id, self._started_at, self._entries)
            self._running.unlink(missing_ok=True)
        with self._unless_in_vain("The history of earlier days is in more files than it need be"):
            self._trouble += merge(self._folder, _now().date())
        return " ".join(self._trouble)

    def _clean(self, entry: Entry) -> Entry:
        return replace(entry, message=clean(scrub(entry.message, self._environ))[:_LONGEST_MESSAGE])

    def _save(self) -> None:
        """Write down what is known so far."""
        content = {
            "run_id": self._run_id,
            "started_at": self._started_at,
            "heard_at": _now(),
            "pid": os.getpid(),
            "stage": self._stage,
            "stage_began": self._stage_began,
            "entries": [asdict(entry) for entry in self._entries],
        }
        with self._unless_in_vain("If this run breaks off, the next one may not know"):
            files.write_json(self._running, content)

    @contextmanager
    def _unless_in_vain(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, duckdb.Error) as error:
            sentence = f"{what}: {' '.join(str(error).split())}."
            if sentence not in self._trouble:
                self._trouble.append(sentence)


@dataclass(frozen=True)
class Running:
    """The diary of a run, as its file tells: of one that is going on, or that broke off.

    Attributes:
        run_id: the run.
        started_at: when it began, UTC.
        heard_at: when it last wrote, UTC.
        pid: its process.
        stage: the stage that began last; None before the first.
        stage_began: when that was, UTC.
        entries: what it noted.
    """

    run_id: str
    started_at: datetime
    heard_at: datetime
    pid: int
    stage: str | None
    stage_began: datetime | None
    entries: tuple[Entry, ...]

    @property
    def is_alive(self) -> bool:
        """Is there a process of that number?"""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return True

    def entries_as_left(self) -> list[Entry]:
        """Give the rows of a run that is no more: what it noted, the stage that it was at, and the run itself."""
        entries = list(self.entries)
        if any(entry.kind == "run" for entry in entries):
            return entries
        noted = {entry.name for entry in entries if entry.kind == "stage"}
        if self.stage and self.stage not in noted:
            entries.append(Entry("stage", self.stage, DIED, self.stage, self.stage_began))
        where = f"at the stage {self.stage}" if self.stage else "before its first stage"
        message = f"It broke off {where}, and was last heard of at {self.heard_at:%Y-%m-%d %H:%M:%S} UTC"
        seconds = (self.heard_at - self.started_at).total_seconds()
        return [*entries, Entry("run", self.run_id, DIED, None, self.started_at, seconds, message=message)]


def read_running(path: Path) -> Running | None:
    """Read running.json; None where there is none, or none that can be read."""

    def instant(value: str | None) -> datetime | None:
        return datetime.fromisoformat(value) if value else None

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = tuple(
            Entry(**{**row, "started_at": instant(row["started_at"]), "as_of": instant(row["as_of"])})
            for row in content["entries"]
        )
        return Running(
            content["run_id"],
            datetime.fromisoformat(content["started_at"]),
            datetime.fromisoformat(content["heard_at"]),
            int(content["pid"]),
            content["stage"],
            instant(content["stage_began"]),
            entries,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def connect(state: Path) -> duckdb.DuckDBPyConnection:
    """Open the history for reading: an in-memory DuckDB with the view `history`, a row per run, stage, model, test or check.

    It may be open while runs write and merge: it shows what there was when it was opened. A file that cannot be read is
    left out, and stands in the table `damaged` (file, reason). Where there is no history, the view is empty.
    """
    folder = state / FOLDER
    return _open(lambda: sorted(folder.glob("run_*.parquet")), lambda: sorted(folder.glob("month_*.parquet")))


def show_history(
    state: Path, console: Console, *, limit: int = 14, run: str | None = None, as_csv: bool = False
) -> None:
    """Print the last runs, what became slower, and the tests that did not pass; or one run in detail.

    Args:
        state: the folder of what runs remember of each other.
        console: where to.
        limit: how many runs are shown.
        run: the id of a run, or how it begins: show that one.
        as_csv: write every row of these runs as CSV instead; spreadsheets run nothing of it as a formula.

    Raises:
        RefusedInput: no run, or more than one, has that id.
        LeadSlaError: the history cannot be read.
    """
    try:
        with connect(state) as connection:
            if run is not None:
                run = _find(connection, run)
            if as_csv:
                runs = [run] if run else [row["run_id"] for row in _rows(connection, "runs", limit=limit)]
                _write_csv(console, connection, runs)
                return
            if run is not None:
                _show_run(console, connection, run)
                return
            _show_running(console, read_running(state / RUNNING))
            _show_runs(console, _rows(connection, "runs", limit=limit))
            _show_stages(console, _rows(connection, "stages", limit=limit, compared=_COMPARED_RUNS))
            _show_tests(console, _rows(connection, "tests", limit=limit))
            damaged = connection.execute("select file from damaged").fetchall()
            print_list(console, [f"{display(Path(file))} cannot be read, and is left out" for (file,) in damaged])
    except (OSError, duckdb.Error) as error:
        raise explain(error, "Reading the history") from error


def merge(folder: Path, today: date) -> list[str]:
    """Merge the runs of finished days into the files of their months.

    Args:
        folder: the folder of the history.
        today: the day that is not finished, UTC.

    Returns:
        A sentence for every file that could not be read, and was set aside.

    Raises:
        OSError: a file could not be written; nothing is lost, and the next call tries again.
        duckdb.Error: likewise.
    """
    months: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("run_*.parquet")):
        day = path.name.removeprefix("run_")[:10]
        if day < today.isoformat():
            months.setdefault(day[:7], []).append(path)
    told = []
    for month, runs in months.items():
        target = folder / f"month_{month}.parquet"
        part = target.with_suffix(".part")
        with _tidy(part):
            with _open(lambda runs=runs: runs, lambda target=target: [target] if target.exists() else []) as connection:
                damaged = [Path(file) for (file,) in connection.execute("select file from damaged").fetchall()]
                connection.execute(
                    f"copy (from history order by run_id, started_at, kind, name) to {_text(part)} (format parquet)"
                )
            for path in damaged:
                path.replace(path.with_name(f"{path.name}.damaged"))
                told.append(f"A file of the history cannot be read, and was set aside as {path.name}.damaged.")
            files.put(part, target)
        for path in runs:
            path.unlink(missing_ok=True)
    return told


def _open(runs: Callable[[], list[Path]], months: Callable[[], list[Path]]) -> duckdb.DuckDBPyConnection:
    """Open files of the history. The runs are listed and read first: what is merged meanwhile is then found in its month."""
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    columns = ", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items())
    connection.execute(f"create table ended ({columns})")
    connection.execute("create table damaged (file varchar, reason varchar)")

    def is_readable(path: Path, query: str) -> bool:
        try:
            connection.execute(query)
        except duckdb.Error as error:
            # Not there any more is no damage: the run was merged between listing and reading.
            if path.exists():
                connection.execute("insert into damaged values (?, ?)", [str(path), str(error).splitlines()[0]])
            return False
        return True

    for path in runs():
        is_readable(path, f"insert into ended by name from {_source([path])}")
    readable = [
        path for path in months() if is_readable(path, f"select {', '.join(COLUMNS)} from {_source([path])} limit 0")
    ]
    names = ", ".join(COLUMNS)
    merged = f"select {names} from {_source(readable)}" if readable else "select * from ended limit 0"
    connection.execute(
        f"create view history as with merged as not materialized ({merged}) from merged "
        "union all (from ended except from merged where run_id in (select run_id from ended))"
    )
    return connection


def _write_run(folder: Path, run_id: str, started_at: datetime, entries: list[Entry]) -> None:
    """Write the file of one run."""
    files.make_folder(folder)
    path = _place(folder, run_id, started_at)
    part = path.with_suffix(".part")
    names = [field.name for field in fields(Entry)]
    with _tidy(part), duckdb.connect() as connection:
        columns = ", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items())
        connection.execute(f"create table history ({columns})")
        connection.executemany(
            f"insert into history (run_id, {', '.join(names)}) values (?{', ?' * len(names)})",
            [(run_id, *(getattr(entry, name) for name in names)) for entry in entries],
        )
        connection.execute(f"copy history to {_text(part)} (format parquet)")
        files.put(part, path)


def _place(folder: Path, run_id: str, started_at: datetime) -> Path:
    name = re.sub(r"[^A-Za-z0-9.-]", "_", run_id)
    return folder / f"run_{started_at:%Y-%m-%d_%H%M%S}_{name}.parquet"


@contextmanager
def _tidy(part: Path) -> Iterator[None]:
    """Leave no half-written file behind."""
    try:
        yield
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _rows(connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> list[Row]:
    cursor = connection.execute((PACKAGE / "sql" / f"history_{name}.sql").read_text(encoding="utf-8"), parameters)
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def _find(connection: duckdb.DuckDBPyConnection, run: str) -> str:
    """Give the id of the run that begins like this."""
    query = "select distinct run_id from history where starts_with(run_id, ?) order by run_id"
    found = [run_id for (run_id,) in connection.execute(query, [run]).fetchall()]
    if run in found or len(found) == 1:
        return run if run in found else found[0]
    what = f"{len(found)} runs begin like that" if found else "No run of the history has this id"
    raise RefusedInput(f"{what}: {run}", where="--run", todo="lead-sla history lists the runs with their ids")


def _write_csv(console: Console, connection: duckdb.DuckDBPyConnection, runs: list[str]) -> None:
    from lead_sla.report.mail import make_csv  # with the report's libraries: only a file for spreadsheets needs it

    cursor = connection.execute(
        "select * from history where list_contains(?, run_id) order by run_id, started_at, kind, name", [runs]
    )
    if rows := [dict(zip(COLUMNS, row, strict=True)) for row in cursor.fetchall()]:
        console.file.write(make_csv(rows).decode("utf-8-sig"))


def _show_running(console: Console, running: Running | None) -> None:
    if running is None:
        return
    at = f"at the stage {running.stage}" if running.stage else "before its first stage"
    if running.is_alive:
        text = f"A run is going on since {_instant(running.started_at)} UTC, {at}."
    else:
        text = f"A run broke off {at}, last heard of at {_instant(running.heard_at)} UTC: the next one notes it."
    console.print(Text(text, style="bold yellow"))
    console.print()


def _show_runs(console: Console, rows: list[Row]) -> None:
    if not rows:
        console.print("No run has been remembered yet: lead-sla nightly writes the history.")
        return
    console.print(Text(f"{'Runs (UTC)':<19}  {'status':<15}  {'took':>8}  {'as of':<16}  id", style="bold"))
    for row in rows:
        _show_head(console, row)
        if row["message"]:
            console.print(Padding(Text(row["message"], style="dim"), (0, 0, 0, 4), expand=False))


def _show_head(console: Console, row: Row) -> None:
    as_of = f"{row['as_of']:%Y-%m-%d %H:%M}" if row["as_of"] else "–"
    status = Text(f"{row['status']:<15}", style=_STYLES.get(row["status"], "red"))
    took = f"  {_seconds(row['seconds']):>8}  {as_of:<16}  {row['run_id']}"
    console.print(Text.assemble(f"{_instant(row['started_at'])}  ", status, took), soft_wrap=True)


def _show_stages(console: Console, rows: list[Row]) -> None:
    if not rows:
        return
    table = _table("Stages", "status", "last>", "usually>", "ratio>", "")
    for row in rows:
        usual, slower = row["usual_seconds"], is_slower(row["seconds"], row["usual_seconds"], row["runs"])
        _add(
            table,
            row["name"],
            Text(row["status"], style=_STYLES.get(row["status"], "red")),
            _seconds(row["seconds"]),
            _seconds(usual),
            f"{row['seconds'] / usual:.1f} ×" if usual and row["seconds"] is not None else "–",
            Text("slower than usual", style="bold yellow")
            if slower
            else Text(f"last ran {_instant(row['run_started_at'])}", style="dim"),
        )
    console.print()
    console.print(table)


def _show_tests(console: Console, rows: list[Row]) -> None:
    if not rows:
        return
    table = _table("Tests that do not pass, or did not lately", "now", "since (UTC)", "failures, the last on the right")
    for row in rows:
        failures = row["failures"][-_SHOWN_RUNS:]
        _add(
            table,
            row["name"],
            Text(row["status"], style=_STYLES.get(row["status"], "red")),
            f"{row['since']:%Y-%m-%d %H:%M}",
            f"{' '.join('!' if count is None else f'{count:,}' for count in failures)}  {_trend(row['is_bad'], row['is_in_last_run'], failures)}",
        )
    console.print()
    console.print(table)


def _show_run(console: Console, connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Print one run: its stages, what did not pass, and what took longest."""
    for row in _rows(connection, "runs", limit=1_000_000_000):
        if row["run_id"] == run_id:
            _show_head(console, row)
            if row["message"]:
                console.print(row["message"], markup=False)
    rows = _rows(connection, "run", run_id=run_id)
    stages = _table("Stage", "status", "took>", "rows>", "message")
    for row in rows:
        if row["kind"] == "stage":
            status = Text(row["status"], style=_STYLES.get(row["status"], "red"))
            _add(stages, row["name"], status, _seconds(row["seconds"]), _count(row["rows"]), row["message"])
    console.print()
    console.print(stages)
    nodes = [row for row in rows if row["kind"] != "stage"]
    bad = [row for row in nodes if row["status"] not in _GOOD]
    if bad:
        table = _table("Did not pass", "status", "failures>", "message")
        for row in bad:
            status = Text(row["status"], style=_STYLES.get(row["status"], "red"))
            _add(table, row["name"], status, _count(row["failures"]), row["message"])
        console.print()
        console.print(table)
    slow = sorted((row for row in nodes if row["seconds"]), key=lambda row: -row["seconds"])[:_SHOWN_NODES]
    if slow:
        table = _table(f"Took longest, of {len(nodes):,}", "kind", "took>", "rows>")
        for row in slow:
            _add(table, row["name"], row["kind"], _seconds(row["seconds"]), _count(row["rows"]))
        console.print()
        console.print(table)


def is_slower(seconds: float | None, usual: float | None, runs: int) -> bool:
    """Did a stage take more than half as long again as usually, and more than a few seconds longer?

    Args:
        seconds: its time in the last run.
        usual: the median of the runs before.
        runs: how many these are: three at least make it usual.
    """
    if seconds is None or usual is None or runs < 3:
        return False
    return seconds > SLOWER_TIMES * usual and seconds - usual > SLOWER_SECONDS


def _trend(is_bad: bool, is_in_last_run: bool, failures: list[int | None]) -> str:
    """Say in a word where a test is going."""
    if not is_bad:
        return "passes again"
    if not is_in_last_run:
        # Checks of the raw tables are noted only where they found something; dbt's tests, where the run came to them.
        return "not in the last run"
    if all(count == 0 for count in failures[:-1]):
        return "new"
    known = [count for count in failures if count is not None]
    if failures[-1] is None or len(known) < 2 or known[0] == known[-1]:
        return "as before"
    return "more" if known[-1] > known[0] else "fewer"


def _table(*columns: str) -> Table:
    """Make a table without lines; a column whose name ends in > is a number's; only the last one and the first are folded."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for place, column in enumerate(columns):
        is_number = column.endswith(">")
        folded = place in (0, len(columns) - 1)
        table.add_column(
            column.removesuffix(">"), justify="right" if is_number else "left", no_wrap=not folded, overflow="fold"
        )
    return table


def _add(table: Table, *cells: str | Text) -> None:
    """Add a row whose texts are texts, whatever brackets they hold."""
    table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))


def _instant(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}"


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.1f} s" if value < 600 else f"{value / 60:,.0f} min"


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _source(paths: list[Path]) -> str:
    return f"read_parquet([{', '.join(_text(path) for path in paths)}], union_by_name = true)"


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
