"""The gate before dbt: what was landed is checked with Great Expectations, as SQL on DuckDB over the landed files.

Errors stop the run; warnings go on, and into the report. What is expected stands in `lead_sla/gate/suites.py`, and explained in
docs/data-checks.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lead_sla import raw
from lead_sla.errors import LeadSlaError, RefusedInput, translate
from lead_sla.files import write_json
from lead_sla.fingerprint import fingerprint
from lead_sla.gate import counts
from lead_sla.gate.result import ERROR, WARNING, Finding, GateResult, Load
from lead_sla.gate.verdicts import judge
from lead_sla.lock import only_one
from lead_sla.orphan import as_my_child
from lead_sla.raw import RawTable
from lead_sla.settings import Settings

__all__ = ["Finding", "GateResult", "Load", "recall_gate", "run_gate"]

# What the last accepted check found, and of what: as long as that has not changed, the check stands.
_LAST = "last.json"

_LOADER = "loader"


def run_gate(
    settings: Settings,
    *,
    now: datetime | None = None,
    heard: Mapping[str, datetime] | None = None,
    accept_counts: bool = False,
    doing: Callable[[str], None] = lambda text: None,
) -> GateResult:
    """Check what was landed, and write a page about it.

    Nothing of it touches the warehouse or the published marts. Only a check without errors becomes part of the history that
    later loads are compared with.

    Args:
        settings: the paths.
        now: the present, UTC; default: the machine's clock. Ages, and what lies in the future, are judged by it.
        heard: per raw table, when its loader last said that it looked and found nothing new, UTC: as good as a load.
        accept_counts: take the row counts as they are, and begin their history anew: rows were taken away on purpose.
        doing: told in a few words what happens now.

    Returns:
        What was found. Nothing is raised for wrong data: ask `is_accepted`, and raise `refusal()` to end the run.

    Raises:
        LeadSlaError: the check itself could not run, or another one is running.
    """
    started = time.monotonic()
    checked_at = _naive_utc(now or datetime.now(UTC))
    folder = settings.state / "gate"
    with only_one(folder / "lock", "A check of the landed data"):
        check = _Check(
            settings, folder, checked_at, {table: _naive_utc(at) for table, at in (heard or {}).items()}, doing
        )
        try:
            check.run(accept_counts=accept_counts)
        finally:
            for left in folder.glob("scratch.duckdb*"):
                left.unlink()
        result = check.result(started)
        from lead_sla.gate.page import write_page  # Jinja2, not before it is needed

        write_page(result, check.verdicts, check.columns)
        if result.is_accepted:
            rows = {table: load.row_count for table, load in result.loads.items()}
            counts.remember(check.row_counts, checked_at, rows, anew=accept_counts)
            write_json(folder / _LAST, {"looked_at": _looked_at(settings), "result": result.record()})
    return result


def recall_gate(settings: Settings, *, now: datetime, heard: Mapping[str, datetime] | None = None) -> GateResult | None:
    """Give the result of the last check again if another one could not find anything else.

    That is so if it found no error, if neither the landed files nor the contract, the policy or the checks have changed, and if
    no table has become late or fresh since. Whether a day brought fewer rows than usual is judged again with the next load.

    Args:
        settings: the paths.
        now: the present, UTC.
        heard: as for `run_gate`.

    Returns:
        The result with the ages of now, or None: check again.
    """
    now, folder = _naive_utc(now), settings.state / "gate"
    try:
        last = json.loads((folder / _LAST).read_text(encoding="utf-8"))
        result = GateResult.from_record(last["result"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    said = {table: _naive_utc(instant) for table, instant in (heard or {}).items()}
    loads = {table: load.seen_at(now, said.get(table)) for table, load in result.loads.items()}
    if (
        not result.is_accepted
        or now < result.checked_at
        or last["looked_at"] != _looked_at(settings)
        or any(load.is_late != result.loads[table].is_late or load.is_too_old for table, load in loads.items())
    ):
        return None
    # The rows of a day are told from checks a day apart: this one counts among them.
    counts.remember(folder / "row_counts.parquet", now, {table: load.row_count for table, load in loads.items()})
    return replace(result, loads=loads)


def _looked_at(settings: Settings) -> str:
    """Give a text that changes with everything that a check looks at, but for the clock."""
    tables = raw.landed(settings.project, settings.raw)
    return fingerprint(settings.project, settings.raw, (file for table in tables for file in table.files), {})


class _Check:
    """One check, from the landed files to its findings."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        checked_at: datetime,
        heard: Mapping[str, datetime],
        doing: Callable[[str], None],
    ) -> None:
        self._settings, self._folder, self._doing = settings, folder, doing
        self._checked_at, self._heard = checked_at, heard
        self._scratch = folder / "scratch.duckdb"
        self.row_counts = folder / "row_counts.parquet"
        self.findings: list[Finding] = []
        self.verdicts: list[Any] = []
        self.columns: list[dict[str, Any]] = []
        self.loads: dict[str, Load] = {}
        self.seconds: dict[str, float] = {}

    def run(self, *, accept_counts: bool) -> None:
        """Look at the files, then at their columns, then at their rows; stop where the next cannot be read."""
        tables = raw.landed(self._settings.project, self._settings.raw)
        self._doing("reading the footers of the files")
        for table in tables:
            self._finds_damage(table, lambda table=table: raw.check(self._settings.raw, [table]))
        if self.findings:
            return
        counted = self.row_counts if not accept_counts and self.row_counts.exists() else None
        if counted and not counts.is_readable(counted):
            counted = None
            self.findings.append(
                Finding(
                    "all tables",
                    "counts_are_readable",
                    WARNING,
                    "the row counts of earlier checks cannot be read",
                    (),
                    "There is nothing to compare the loads with: the history begins anew.",
                    "whoever runs this",
                )
            )
        started = time.monotonic()
        # Great Expectations takes seconds to import: it does so while dbt makes the tables readable.
        with _child("lead_sla.gate.worker", self._settings.project) as (worker, last_words):
            self._doing("making the landed tables readable")
            self._prepare()
            self.seconds["prepare"] = time.monotonic() - started
            self._doing("looking at the rows")
            job = {
                "project": str(self._settings.project),
                "scratch": str(self._scratch),
                "checked_at": self._checked_at.isoformat(),
                "files": {table.name: [str(file) for file in table.files] for table in tables},
                "heard": {table: at.isoformat() for table, at in self._heard.items()},
                "row_counts": str(counted) if counted else None,
            }
            answer, _ = worker.communicate(json.dumps(job) + "\n")
            if worker.returncode or not answer:
                raise _failure("Great Expectations", worker.returncode, last_words())
        self._take(json.loads(answer), tables)

    def result(self, started: float) -> GateResult:
        """Give what was found."""
        return GateResult(
            checked_at=self._checked_at,
            errors=[finding for finding in self.findings if finding.severity == ERROR],
            warnings=[finding for finding in self.findings if finding.severity == WARNING],
            loads=self.loads,
            checks=len(self.verdicts),
            page=self._folder / "data-checks.html",
            seconds={"total": time.monotonic() - started, **self.seconds},
        )

    def _prepare(self) -> None:
        """Let dbt make the landed tables readable in the scratch file, as it does before a build."""
        for left in self._folder.glob("scratch.duckdb*"):
            left.unlink()
        # Folders of its own: the warehouse's name is part of what dbt remembers, and a build would have to read everything again.
        paths = ["--target-path", str(self._folder / "target"), "--log-path", str(self._folder / "logs")]
        command = json.dumps([["run-operation", "collect_raw_problems", "--target", "duckdb", *paths]])
        with _child(
            "lead_sla.dbt_worker",
            self._settings.project,
            command,
            DBT_SEND_ANONYMOUS_USAGE_STATS="false",
            LEAD_SLA_RAW=str(self._settings.raw),
            LEAD_SLA_WAREHOUSE=str(self._scratch),
        ) as (worker, last_words):
            events, _ = worker.communicate()
            if worker.returncode:
                told = [json.loads(line) for line in events.splitlines()]
                reasons = [event["text"] for event in told if event["event"] == "exception"]
                raise _failure("dbt", worker.returncode, "\n".join(reasons) or last_words())

    def _take(self, answer: Mapping[str, Any], tables: Sequence[RawTable]) -> None:
        """Take over what the worker found."""
        if damage := answer.get("damage"):
            # DuckDB does not always name the file: look for it.
            for table in tables:
                self._finds_damage(table, lambda table=table: raw.find_damage([table]))
            if not any(finding.severity == ERROR for finding in self.findings):
                raise _failure("Reading the landed files", 1, damage)
            return
        self.columns = answer["columns"]
        self.verdicts = judge(answer["results"])
        self.findings += [finding for verdict in self.verdicts for finding in verdict.findings()]
        self.loads = {row["table_name"]: _load(row) for row in answer["loads"]}
        self.seconds.update(answer["seconds"])

    def _finds_damage(self, table: RawTable, look: Callable[[], Any]) -> None:
        """Turn what makes a table unreadable into a finding."""
        try:
            look()
        except RefusedInput as refusal:
            what = f"{refusal.what[0].lower()}{refusal.what[1:]} ({refusal.where})"
            todo = f"{refusal.todo[:1].upper()}{refusal.todo[1:]}. Nothing else was looked at."
            self.findings.append(Finding(table.name, "files_are_readable", ERROR, what, (), todo, _LOADER))


@contextmanager
def _child(
    module: str, project: Path, *arguments: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], Callable[[], str]]]:
    """Run a module of ours in a process of its own for as long as the block runs.

    Yields:
        The process, with pipes for its standard input and output, and what gives its standard error when it has ended.
    """
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stray,
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=project,
            env={**os.environ, **environment, **as_my_child()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stray,
            encoding="utf-8",
        ) as process,
    ):

        def last_words() -> str:
            stray.seek(0)
            return stray.read().strip()

        try:
            yield process, last_words
        except BaseException:
            process.kill()
            raise


def _failure(what: str, status: int, words: str) -> LeadSlaError:
    """Give the message for a check that could not run."""
    return translate(words) or LeadSlaError(
        f"The landed data could not be checked: {what} stopped with status {status}",
        details=[line.strip() for line in words.splitlines() if line.strip()][-3:],
        todo="mend what is named above; nothing was built",
    )


def _load(row: Mapping[str, Any]) -> Load:
    def instant(text: str | None) -> datetime | None:
        return datetime.fromisoformat(text) if text else None

    return Load(
        row_count=row["row_count"],
        newest_load=instant(row["newest_load"]),
        heard_at=instant(row["heard_at"]),
        **{
            name: row[name]
            for name in (
                "age_hours",
                "warn_hours",
                "error_hours",
                "lost_rows",
                "new_rows",
                "usual_low",
                "usual_high",
                "days_compared",
            )
        },
    )


def _naive_utc(instant: datetime) -> datetime:
    """Give an instant in UTC without its zone; one without a zone is UTC already."""
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant
