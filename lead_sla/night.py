"""The scheduled run: check what landed, build aside, publish or keep, tell people, remember.

Whatever happens, readers have good marts in the morning: these, or those of before. Every stage is noted in the diary of the
run before it begins, so that a run which is killed still leaves word of where it was.
"""

from __future__ import annotations

import json
import os
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.text import Text

from lead_sla import alert, dbt_build, freshness, policy, raw
from lead_sla import build as job
from lead_sla import publish as publishing
from lead_sla.alert import Trouble
from lead_sla.dbt_build import Breakpoint, Outcome
from lead_sla.errors import FAILED, STALE, UNTOLD, LeadSlaError, RefusedInput, explain
from lead_sla.files import write_json
from lead_sla.fingerprint import fingerprint
from lead_sla.freshness import Freshness
from lead_sla.gate import GateResult, Load, recall_gate, run_gate
from lead_sla.history import Diary, Entry
from lead_sla.publish import PublishedRun
from lead_sla.settings import Settings, check_limits, display
from lead_sla.terminal import Stage, print_list, stage

# Alerts keep the few of them that say something.
_LOG_LINES = 2_000
_KINDS = ("seed", "model", "test")


@dataclass(frozen=True)
class Options:
    """What a run was asked to do.

    Attributes:
        force: build and publish also if nothing is new, or a rollback holds publishing back.
        resume: go on where the last run failed, as far as its work still stands.
        accept_counts: rows were taken away on purpose.
        report: send the daily report.
        postgres: copy the marts into a Postgres database, too.
        now: the start of the run, UTC without a zone; default: the machine's clock.
    """

    force: bool = False
    resume: bool = False
    accept_counts: bool = False
    report: bool = True
    postgres: bool = False
    now: datetime | None = None


def nightly(settings: Settings, console: Console, options: Options, environ: Mapping[str, str] = os.environ) -> int:
    """Run the night.

    Args:
        settings: the paths.
        console: where progress goes.
        options: what to do.
        environ: the environment variables: mail server and channels.

    Returns:
        The exit status: 0 published or nothing new, 3 published stale or held back, 4 published but not everybody was told.

    Raises:
        RefusedInput: what landed, or the policy, is wrong. As with the following, readers see what they saw before, the history
            knows of it, and whoever is to be alerted was.
        Busy: another run is going on. Nothing was done, and nobody alerted.
        LeadSlaError: something failed.
    """
    with job.only_run(settings):
        return _Night(settings, console, options, environ).run()


class _Night:
    """One run, under the lock."""

    def __init__(self, settings: Settings, console: Console, options: Options, environ: Mapping[str, str]) -> None:
        self._settings, self._console, self._options, self._environ = settings, console, options, environ
        self._started_at = _utc_now()
        self._now = options.now or self._started_at.replace(microsecond=0)
        self._run_id = f"{self._started_at:%Y%m%dT%H%M%SZ}_{uuid.uuid4().hex[:6]}"
        self._diary = Diary(settings.state, self._run_id, self._started_at, environ)
        self._checkpoint = Checkpoint(settings.state / "resume")
        self._stage = "Start"
        # Whether the stage that runs takes what an earlier run did: its time says nothing about the work.
        self._reuses = False
        self._untold: list[str] = []

    def run(self) -> int:
        died = self._diary.begin()
        if died:
            self._tell(f"{died.message}. Its work was not published; this run begins anew")
            self._alert(self._trouble(died.message, died.name, "see whether this run does better", FAILED))
        try:
            return self._work()
        except LeadSlaError as error:
            status = "refused" if isinstance(error, RefusedInput) else "failed"
            self._fail(status, self._trouble(error.what, self._run_id, error.todo, error.exit_code, error.details))
            raise
        except (OSError, duckdb.Error) as error:
            known = explain(error, self._stage)
            self._fail("failed", self._trouble(known.what, self._run_id, known.todo, FAILED, known.details))
            raise known from error
        except Exception as error:
            what = f"{self._stage} ended in an error that nobody foresaw: {type(error).__name__}: {error}"
            told = traceback.format_exc().splitlines()
            self._fail("failed", self._trouble(what, self._run_id, "report it with these lines", FAILED, log=told))
            raise
        except KeyboardInterrupt:  # whoever pressed Ctrl-C need not be told
            self._close("stopped", f"The run was stopped by hand at {self._stage}")
            raise
        except SystemExit as stop:  # a scheduler that ran out of patience, or a shutdown
            what = f"The run was stopped from outside at {self._stage}"
            self._fail(
                "stopped", self._trouble(what, self._run_id, "run it again; --resume goes on from there", stop.code)
            )
            raise

    def _work(self) -> int:
        settings = self._settings
        check_limits(self._environ)
        last = publishing.current(settings.published)
        freshness.check_clock(self._now, last.as_of if last else None)
        tables = raw.landed(settings.project, settings.raw)
        heartbeats = freshness.listen(settings.raw, [table.name for table in tables], self._now)
        gate = self._check(heartbeats.heard)
        fresh = self._judge(gate, last)

        files = [file for table in tables for file in table.files]
        inputs = fingerprint(settings.project, settings.raw, files, {})
        as_of = self._resume_from(inputs) or job.format_instant(fresh.as_of)
        variables = {"as_of": as_of}
        made_from = fingerprint(settings.project, settings.raw, files, variables)
        if last and not self._options.force and job.is_unchanged(last, made_from):
            since = f"Nothing new since {last.record['published_at']} UTC"
            self._tell(f"{since}: the published marts are what a run would make")
            return self._finish("nothing_new", since, last, fresh)

        with self._in_stage("Policy") as current:
            current.result(f"{policy.check(settings.project)} seeds in {policy.FOLDER}")
        notes = self._build(tables, inputs, variables)
        notes["findings"] = [*heartbeats.problems, *(each.sentence for each in gate.warnings), *notes["findings"]]
        if (why := publishing.held(settings.published)) and not self._options.force:
            with self._in_stage("Publish") as current:
                current.result("held back: readers see what they saw", warn=True)
            return self._hold(why, last)
        with self._in_stage("Publish") as current:
            current.doing("copying and verifying")
            run = publishing.publish(
                settings.warehouse,
                settings.published,
                only=notes.pop("marts"),
                notes={
                    "fingerprint": made_from,
                    "variables": variables,
                    "heartbeats": {
                        table: f"{instant:%Y-%m-%d %H:%M:%S}" for table, instant in heartbeats.heard.items()
                    },
                    "late": {table: _signs(load) for table, load in fresh.late.items()},
                    **notes,
                },
            )
            self._checkpoint.forget()
            current.result(f"{len(run.rows)} marts, {sum(run.rows.values()):,} rows in {display(settings.published)}")
        job.show_notes(self._console, run.record)
        job.show_published(settings, self._console, run, self._now)
        return self._finish("published", "", run, fresh)

    def _check(self, heard: Mapping[str, datetime]) -> GateResult:
        """Check what landed, unless the last check stands."""
        with self._in_stage("Landed data") as current:
            current.doing("looking for what is new")
            anew = self._options.force or self._options.accept_counts
            gate = None if anew else recall_gate(self._settings, now=self._now, heard=heard)
            self._reuses = gate is not None
            if gate is None:
                gate = run_gate(
                    self._settings,
                    now=self._now,
                    heard=heard,
                    accept_counts=self._options.accept_counts,
                    doing=current.doing,
                )
            self._note_checks(gate)
            rows = sum(load.row_count for load in gate.loads.values())
            since = f", as at {gate.checked_at:%Y-%m-%d %H:%M} UTC" if self._reuses else ""
            current.result(f"{gate.checks} checks of {rows:,} rows{since}", warn=bool(gate.warnings))
            if not gate.is_accepted:
                raise gate.refusal()
        return gate

    def _judge(self, gate: GateResult, last: PublishedRun | None) -> Freshness:
        with self._in_stage("Freshness") as current:
            fresh = freshness.judge(gate.loads, self._now, last.as_of if last else None)
            if fresh.late:
                current.result("; ".join(fresh.unknown), warn=True)
            else:
                current.result(f"every table is fresh: as of {fresh.as_of:%Y-%m-%d %H:%M} UTC, the start of this run")
        return fresh

    def _resume_from(self, inputs: str) -> str | None:
        """Give the `as_of` of the run to go on with; None where this run begins at its beginning."""
        if not self._options.resume:
            return None
        as_of = self._checkpoint.as_of(inputs)
        if as_of is None:
            self._tell(
                "Nothing to go on with: the last run ended well, or its raw data, policy or project have changed since"
            )
        return as_of

    def _build(self, tables: Any, inputs: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Build and audit aside, or take what the last run has built; give what to publish, and what to note with it."""
        with self._in_stage("Build") as current:
            resume = self._options.resume and self._checkpoint.as_of(inputs) is not None
            built = self._checkpoint.built(self._settings.warehouse) if resume else None
            if built:
                self._reuses = True
                current.result("as the run before has built and tested it")
                return built
            if not resume:
                self._checkpoint.begin(inputs, variables["as_of"])

            def told(outcome: Outcome) -> None:
                self._note_nodes(outcome)
                self._checkpoint.breakpoint.note(outcome, self._settings)

            broke_off = self._checkpoint.breakpoint if resume else None
            outcome = job.run_dbt(self._settings, tables, variables, current, resume=broke_off, told=told)
            notes = {
                "marts": outcome.marts(),
                "broken_promises": outcome.broken_promises(),
                "findings": outcome.findings(),
            }
            self._checkpoint.note_built(self._settings.warehouse, notes)
        return notes

    def _dashboard(self, run: PublishedRun, current: Stage) -> None:
        from lead_sla.dashboard import write_dashboard  # not before it is needed

        site = write_dashboard(self._settings, run, now=self._now, doing=current.doing)
        current.result(f"{len(site.pages)} pages in {display(site.folder)}")

    def _postgres(self, run: PublishedRun, current: Stage) -> None:
        from lead_sla.publish_postgres import publish_to_postgres

        rows = publish_to_postgres(run, self._environ, current.doing)
        current.result(f"{len(rows)} marts, {sum(rows.values()):,} rows")

    def _bring_up_to_date(self, name: str, run: PublishedRun, work: Callable[[PublishedRun, Stage], None]) -> None:
        """Make a copy of the published run, unless it is one already: what failed is tried again by a run that finds nothing new."""
        path = self._settings.state / "copies.json"
        try:
            copies = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            copies = {}
        if copies.get(name) == run.run:
            return

        def copy(current: Stage) -> None:
            work(run, current)
            write_json(path, {**copies, name: run.run})

        self._afterwards(name, copy)

    def _report(self, current: Stage) -> None:
        from lead_sla import report
        from lead_sla.report.config import CONFIG_VARIABLE, config_path

        path = config_path(self._settings, self._environ)
        if not path.exists() and not self._environ.get(CONFIG_VARIABLE):
            current.result(f"nobody is to get it: there is no {display(path)}")
            return
        current.doing("reading the marts")
        result = report.send_reports(self._settings, now=self._now, environ=self._environ)
        current.result(result.summary(), warn=not result.is_ok)
        self._untold += [outcome.sentence() for outcome in result.trouble]

    def _finish(self, status: str, message: str, run: PublishedRun, fresh: Freshness) -> int:
        """Bring the copies of the marts up to date, tell people, and give the exit status."""
        self._bring_up_to_date("Dashboard", run, self._dashboard)
        if self._options.postgres:
            self._bring_up_to_date("Postgres", run, self._postgres)
        if self._options.report:
            self._afterwards("Report", self._report)
        if self._untold:
            print_list(self._console, self._untold)
        if fresh.late:
            what = f"The marts are stale: {'; '.join(fresh.unknown)}"
            trouble = self._trouble(what, self._run_id, "see why the loader brings nothing", STALE)
            return self._end("published_stale", STALE, run, trouble)
        if self._untold:
            what = f"The marts are published, but {len(self._untold)} did not hear of them"
            trouble = self._trouble(what, self._run_id, "mend it and run again", UNTOLD, self._untold)
            return self._end(status, UNTOLD, run, trouble)
        return self._end(status, 0, run, None, message)

    def _hold(self, why: str, last: PublishedRun | None) -> int:
        what = f"Publishing is held back, and what was built now is kept aside: {why}"
        todo = "when the cause is mended: lead-sla nightly --force"
        return self._end("held", STALE, last, self._trouble(what, self._run_id, todo, STALE))

    def _end(
        self, status: str, exit_status: int, run: PublishedRun | None, trouble: Trouble | None, message: str = ""
    ) -> int:
        if trouble:
            self._tell(f"{trouble.what}. To do: {trouble.todo}")
            self._alert(trouble)
        else:
            self._print(
                alert.all_clear(
                    self._settings,
                    self._run_id,
                    readers_see=readers_see(self._settings),
                    environ=self._environ,
                    now=self._now,
                )
            )
        as_of = run.as_of if run else None
        rows = sum(run.rows.values()) if run else None
        self._close(status, trouble.what if trouble else message, as_of=as_of, rows=rows)
        return exit_status

    def _fail(self, status: str, trouble: Trouble) -> None:
        self._alert(trouble)
        self._close(status, trouble.what)

    def _close(self, status: str, message: str, **figures: Any) -> None:
        if told := self._diary.end(status, message, **figures):
            self._tell(told)

    def _alert(self, trouble: Trouble) -> None:
        self._print(alert.alert(self._settings, trouble, environ=self._environ, now=self._now))

    def _trouble(
        self,
        what: str,
        run_id: str,
        todo: str,
        exit_status: int,
        details: Any = (),
        log: list[str] | None = None,
    ) -> Trouble:
        return Trouble(
            run_id=run_id,
            stage=self._stage,
            what=what,
            details=tuple(details),
            todo=todo,
            exit_code=exit_status,
            readers_see=readers_see(self._settings),
            log_excerpt=log if log is not None else self._log_excerpt(),
        )

    def _log_excerpt(self) -> list[str]:
        """Give the last lines of dbt's log, if this run has written to it."""
        log = dbt_build.log_file(self._settings)
        try:
            if datetime.fromtimestamp(log.stat().st_mtime, UTC).replace(tzinfo=None) < self._started_at:
                return []
            return log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        except OSError:
            return []

    @contextmanager
    def _in_stage(self, name: str) -> Iterator[Stage]:
        """Show a stage while its block runs, and note it in the diary: before, and what came of it."""
        self._stage, self._reuses = name, False
        self._diary.stage(name)
        began, status = _utc_now(), "failed"
        with stage(self._console, name) as current:
            try:
                yield current
                status = "reused" if self._reuses else "warned" if current.warns else "done"
            finally:
                entry = Entry("stage", name, status, None, began, current.seconds, message=current.said)
                self._diary.note(entry)

    def _afterwards(self, name: str, work: Callable[[Stage], None]) -> None:
        """Do what comes after publishing: it fails neither that, nor what else is to be done."""
        try:
            with self._in_stage(name) as current:
                work(current)
        except LeadSlaError as error:
            self._untold.append(
                f"{name}: {error.what}{f' ({error.where})' if error.where else ''}. {error.todo}".rstrip(". ")
            )
        except Exception as error:
            traceback.print_exc()
            self._untold.append(f"{name}: {type(error).__name__}: {error}")

    def _note_checks(self, gate: GateResult) -> None:
        self._diary.note(
            *(
                Entry("check", f"{found.table}.{found.check}", found.severity, self._stage, message=found.what)
                for found in (*gate.errors, *gate.warnings)
            )
        )

    def _note_nodes(self, outcome: Outcome) -> None:
        rows = _rows_of_tables(self._settings.warehouse)
        self._diary.note(
            *(
                Entry(
                    node.type,
                    node.name,
                    node.status,
                    self._stage,
                    datetime.fromisoformat(node.started_at) if node.started_at else None,
                    node.seconds,
                    rows.get((node.schema, node.name)) if node.type != "test" else None,
                    node.failures if node.type == "test" else None,
                    node.message if not node.is_well or node.status == "warn" else "",
                )
                for node in outcome.nodes
                if node.type in _KINDS
            )
        )

    def _tell(self, sentence: str) -> None:
        self._console.print(Text(f"! {sentence}."), soft_wrap=True)

    def _print(self, result: Any) -> None:
        for sentence in result.sentences():
            self._tell(sentence.rstrip("."))


@dataclass(frozen=True)
class Checkpoint:
    """What a run has done that need not be done again if it fails later: kept until a run has published.

    Attributes:
        folder: `<state>/resume`.
    """

    folder: Path

    @property
    def breakpoint(self) -> Breakpoint:
        """How far the dbt build came."""
        return Breakpoint(self.folder / "dbt")

    def begin(self, inputs: str, as_of: str) -> None:
        """Note what is about to be built, and forget what was before."""
        self.breakpoint.forget()
        write_json(self._path, {"inputs": inputs, "as_of": as_of})

    def note_built(self, warehouse: Path, notes: Mapping[str, Any]) -> None:
        """Note that the warehouse has been built and has passed its tests."""
        write_json(self._path, {**self._read(), "warehouse": _stamp(warehouse), "notes": dict(notes)})

    def as_of(self, inputs: str) -> str | None:
        """Give the `as_of` of a run that failed on the same inputs; None where there is none to go on with."""
        known = self._read()
        return known["as_of"] if known.get("inputs") == inputs else None

    def built(self, warehouse: Path) -> dict[str, Any] | None:
        """Give the notes on the warehouse if it was built whole, and nobody has written it since."""
        known = self._read()
        return known["notes"] if "warehouse" in known and known["warehouse"] == _stamp(warehouse) else None

    def forget(self) -> None:
        """Forget it: the marts are published."""
        self.breakpoint.forget()
        self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return self.folder / "checkpoint.json"

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
            return known if isinstance(known, dict) and "as_of" in known else {}
        except (OSError, ValueError):
            return {}


def readers_see(settings: Settings) -> str:
    """Say what readers see now, in a sentence."""
    run = publishing.current(settings.published)
    if run is None:
        return "Nothing has been published yet: readers see nothing."
    return (
        f"Readers see the marts as of {run.as_of:%Y-%m-%d %H:%M} UTC, published {run.record['published_at'][:16]} UTC."
    )


def _signs(load: Load) -> dict[str, str | None]:
    """Say when something was last heard of a raw table, as text in UTC."""
    signs = {"newest_load": load.newest_load, "heard_at": load.heard_at}
    return {name: instant and f"{instant:%Y-%m-%d %H:%M:%S}" for name, instant in signs.items()}


def _stamp(warehouse: Path) -> list[int]:
    """Give what changes whenever somebody writes the warehouse."""
    try:
        stat = warehouse.stat()
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns]


def _rows_of_tables(warehouse: Path) -> dict[tuple[str, str], int]:
    """Count the rows of every table of the warehouse, by what DuckDB knows without reading them."""
    try:
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            query = "select schema_name, table_name, estimated_size from duckdb_tables()"
            return {(schema, table): rows for schema, table, rows in connection.execute(query).fetchall()}
    except duckdb.Error:
        return {}


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
