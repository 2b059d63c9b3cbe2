"""The main job: raw files in, published marts out. Nothing that readers see changes before everything has been checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.text import Text

from lead_sla import dbt_build, policy, raw, summary
from lead_sla import publish as publishing
from lead_sla.dbt_build import Breakpoint, Outcome
from lead_sla.errors import BuildFailed, RefusedInput, explain
from lead_sla.fingerprint import fingerprint
from lead_sla.lock import only_one
from lead_sla.publish import PublishedRun
from lead_sla.raw import RawTable
from lead_sla.sample import make_sample
from lead_sla.settings import Settings, check_limits, display
from lead_sla.terminal import Stage, print_list, stage

SAMPLE_LEADS, SAMPLE_DAYS, SAMPLE_SEED = 20_000, 180, 42
_SHOWN = 8
_TRIES, _SECONDS_BETWEEN_TRIES = 5, 0.3


def build(
    settings: Settings,
    console: Console,
    *,
    variables: Mapping[str, Any],
    force: bool = False,
    publish_to: Path | None = None,
) -> None:
    """Check the input, build, publish, and print the summary.

    A replay (a build with the variable `as_of`) uses a warehouse of its own beside the nightly one, and publishes only where
    it is told to: what readers see is never set back by accident. For the same reason no other build is of an instant before
    the one that readers know already.

    Args:
        settings: the paths.
        console: where progress and summary go.
        variables: dbt variables of this run.
        force: build also if nothing has changed since the last published run.
        publish_to: the folder to publish to; default: the usual one, and none for a replay.

    Raises:
        RefusedInput: the raw data or the policy is wrong.
        LeadSlaError: the build failed. In both cases what readers see is as it was.
    """
    is_replay = bool(variables.get("as_of"))
    if is_replay:
        settings = replace(settings, warehouse=settings.warehouse.with_stem(f"{settings.warehouse.stem}_replay"))
    target = publish_to or (None if is_replay else settings.published)

    check_limits()
    with only_run(settings):
        ensure_raw(settings, console)
        tables = raw.landed(settings.project, settings.raw)
        if target == settings.published and not is_replay:
            variables = {**variables, **_not_before_what_readers_know(target, tables)}
        made_from = fingerprint(
            settings.project, settings.raw, (file for table in tables for file in table.files), variables
        )
        last = publishing.current(target) if target else None
        if last and not force and settings.warehouse.exists() and is_unchanged(last, made_from):
            console.print(
                Text.assemble(
                    ("✓ ", "green"),
                    f"Nothing new since {last.record['published_at']} UTC: the published marts are what a build would make.",
                )
            )
            show_notes(console, last.record)
            show_published(settings, console, last)
            return

        with stage(console, "Raw data") as current:
            current.doing("reading the footers of the files")
            rows = raw.check(settings.raw, tables)
            files = sum(len(table.files) for table in tables)
            current.result(
                f"{sum(rows.values()):,} rows of {len(rows)} tables, {files:,} files in {display(settings.raw)}"
            )
        if variables.get("as_of") and not is_replay:
            console.print(
                f"  The newest load is older than what readers know: built as of {variables['as_of']} UTC again",
                soft_wrap=True,
            )
        with stage(console, "Policy") as current:
            current.result(f"{policy.check(settings.project)} seeds in {policy.FOLDER}")
        with stage(console, "Build") as current:
            outcome = run_dbt(settings, tables, variables, current)
        notes = {"broken_promises": outcome.broken_promises(), "findings": outcome.findings()}

        if target is None:
            show_notes(console, notes)
            summary.show(console, summary.read(settings.warehouse), raw.late_after(settings.project))
            summary.show_where(console, settings.warehouse, None)
            return
        with stage(console, "Publish") as current:
            current.doing("copying and verifying")
            published = publishing.publish(
                settings.warehouse,
                target,
                only=outcome.marts(),
                notes={"fingerprint": made_from, "variables": dict(variables), **notes},
            )
            current.result(f"{len(published.rows)} marts, {sum(published.rows.values()):,} rows in {display(target)}")
    show_notes(console, notes)
    show_published(settings, console, published)


def only_run(settings: Settings) -> AbstractContextManager[None]:
    """Hold the lock of the warehouse: of those who build in it, and of those who publish it, there is one at a time.

    Raises:
        Busy: another process holds it.
    """
    return only_one(settings.warehouse.with_name(f"{settings.warehouse.name}.lock"), "A run")


def _not_before_what_readers_know(published: Path, tables: Sequence[RawTable]) -> dict[str, str]:
    """Give the variable `as_of` of a build whose newest load is older than the published marts; else none.

    A run of the night knows the world up to its own start. A build after it would take back what readers were told.
    """
    last = publishing.current(published)
    newest = raw.newest_load(tables) if last else None
    if last is None or newest is None or newest >= last.as_of:
        return {}
    return {"as_of": format_instant(last.as_of)}


def run_dbt(
    settings: Settings,
    tables: Sequence[RawTable],
    variables: Mapping[str, Any],
    current: Stage,
    *,
    resume: Breakpoint | None = None,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Let dbt build and test in the warehouse, which no reader opens.

    Args:
        settings: the paths.
        tables: what was landed.
        variables: dbt variables of this run.
        current: the stage that shows it.
        resume: the build that broke off, which this one goes on with.
        told: told what came of every node, also where the build then fails.

    Raises:
        RefusedInput: the raw data or the policy is wrong.
        LeadSlaError: something failed that withholds the marts.
    """
    current.doing("opening the warehouse")
    _check_warehouse(settings.warehouse)
    current.doing("starting dbt")
    try:
        outcome = dbt_build.build(settings, variables, current.doing, say=current.say, resume=resume, told=told)
    except BuildFailed:
        raw.find_damage(tables)
        raise
    tests, passed = outcome.count("test"), outcome.count("test", "pass")
    current.result(f"{outcome.count('model')} models, {passed} of {tests} checks passed", warn=passed < tests)
    return outcome


def ensure_raw(settings: Settings, console: Console) -> None:
    """See that there is raw data; make the sample company where nobody said where the raw data lies.

    Raises:
        RefusedInput: LEAD_SLA_RAW names a folder without raw data.
    """
    if settings.raw.is_dir() and any(settings.raw.iterdir()):
        return
    if not settings.raw_is_default:
        what = "is empty" if settings.raw.is_dir() else "does not exist"
        raise RefusedInput(
            f"No raw data: the folder {what}",
            where=f"{settings.raw} (LEAD_SLA_RAW)",
            todo="land the raw tables there, or unset LEAD_SLA_RAW to try the sample company in data/raw",
        )
    with stage(console, "Sample data") as current:
        current.doing(f"making a sample company with {SAMPLE_LEADS:,} leads in {display(settings.raw)}")
        rows = sample(settings.raw, SAMPLE_LEADS, SAMPLE_DAYS, SAMPLE_SEED)
        current.result(
            f"{rows.get('leads', 0):,} lead versions, {rows.get('activities', 0):,} activities: a company that is not real"
        )


def sample(out: Path, leads: int, days: int, seed: int) -> dict[str, int]:
    """Make sample data in `out`, whole or not at all.

    Args:
        out: the raw folder to make; it must not exist yet, or be empty.
        leads: how many leads.
        days: over how many days.
        seed: equal seeds give equal data.

    Returns:
        The rows of each raw table.

    Raises:
        RefusedInput: there is something in `out` already, or a number is out of range.
        LeadSlaError: the sample could not be written.
    """
    try:
        return make_sample(leads, days, seed, out)
    except ValueError as error:
        raise RefusedInput(str(error).rstrip("."), where=str(out)) from error
    except (duckdb.Error, OSError) as error:
        raise explain(error, "Making sample data") from error


def show_published(settings: Settings, console: Console, run: PublishedRun, now: datetime | None = None) -> None:
    """Print the summary of a published run, seen from `now` (UTC; default: the machine's clock), and where it lies."""
    published = run.folder.parent.parent
    figures = summary.read(run.database).heard(run.record.get("heartbeats") or {})
    summary.show(console, figures, raw.late_after(settings.project), now)
    summary.show_where(console, published / "marts.duckdb", published / "parquet")


def show_notes(console: Console, notes: Mapping[str, Any]) -> None:
    """Print what the checks want to be known though it withholds nothing.

    Args:
        console: where to.
        notes: lists of sentences: `findings` about the data, and `broken_promises`.
    """
    # Of a promise, what was measured; its reason stands in the test.
    promises = [sentence.split(". ")[0] for sentence in notes.get("broken_promises", [])]
    for sentences, one, many in (
        (notes.get("findings", []), "warning", "warnings"),
        (promises, "promise not kept, or not shown to be", "promises not kept, or not shown to be"),
    ):
        if sentences:
            console.print(Text(f"\n{len(sentences)} {one if len(sentences) == 1 else many}", style="bold yellow"))
            more = [f"and {len(sentences) - _SHOWN} more, in current/run.json"] if len(sentences) > _SHOWN else []
            print_list(console, [*sentences[:_SHOWN], *more])


def format_instant(instant: datetime) -> str:
    """Write an instant as the variable `as_of` has it: equal instants as equal texts."""
    return f"{instant:%Y-%m-%d %H:%M:%S.%f}".removesuffix(".000000")


def is_unchanged(last: PublishedRun, made_from: str) -> bool:
    """Are the published marts what a build would make now, and whole?"""
    return last.record.get("fingerprint") == made_from and last.is_intact()


def _check_warehouse(warehouse: Path) -> None:
    """See that the warehouse can be opened for writing, before dbt takes its time to find out.

    Raises:
        LeadSlaError: it is locked, damaged, or may not be written.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            warehouse.parent.mkdir(parents=True, exist_ok=True)
            existed = warehouse.exists()
            duckdb.connect(str(warehouse)).close()
            if not existed:
                warehouse.unlink(missing_ok=True)
            return
        except (duckdb.Error, OSError) as error:
            # The worker of a run that was killed needs a moment to notice it.
            if not (tries_left and "Could not set lock on file" in str(error)):
                raise explain(error, "Opening the warehouse") from error
            time.sleep(_SECONDS_BETWEEN_TRIES)
