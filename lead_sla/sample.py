"""The raw data of a made-up company, for trying the project out and for testing it.

The company sells software to small, middle and large firms, with twelve reps in three teams (New York, Amsterdam,
Sydney), each led by a rep. Leads come from six channels in the rhythm of the week and of their own wall clock, and take
one of some twenty paths of downloads, webinars, visits, demo requests and trials. They are routed by region and
persona to a rep, who answers within minutes or days: most well, R07 ever more slowly, R12 new and overwhelmed, R09
badly. The sooner the answer, the more often the lead buys, at the win rates and prices of the seed `lead_values`.
In the last month Marketing is ahead of its target for small business, on pace for mid-market, behind for enterprise.

Everything ends at `END`, in the afternoon of a working day, so that obligations are pending, at risk and violated.
Loads are nightly, and hourly on the last day. `TRAPS` names every way in which the data is as awkward as a real
CRM's, with its share; docs/sample-data.md says more.

Everything is made by DuckDB from `hash(seed, lead, name of the draw)`, in the SQL files beside this one: the same
arguments give the same bytes, whatever the number of threads, the machine and the hour.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path

import duckdb

# The last instant of every sample: a Thursday, 11:00 in New York, 17:00 in Amsterdam, 01:00 on Friday in Sydney.
END = datetime(2026, 6, 18, 15, 0, 0)

TABLES = ("leads", "activities", "owner_changes", "reps", "deals")

# Leads are made in portions of this size, so that memory does not grow with their number: one file each per folder.
PORTION = 500_000


@dataclass(frozen=True)
class Trap:
    """One way in which real CRM data is awkward, and how often the sample has it.

    Attributes:
        name: what the SQL files know it by.
        per_thousand: how many of 1,000 leads (or groups of leads) have it; at least one of any 200.
        what: what is awkward, for the documentation.
        size: leads in a group: a merged lead needs a survivor.
    """

    name: str
    per_thousand: int
    what: str
    size: int = 1


TRAPS = (
    Trap("duplicate_rows", 5, "every row of the lead in every table is there twice, equal in every column"),
    Trap("reloaded_activities", 15, "activities loaded again in a later load, then with their outcome"),
    Trap("deleted_activity", 5, "first touches deleted in a later load"),
    Trap("undeleted_activity", 1, "first touches deleted, then restored"),
    Trap("activity_moved_to_future", 1, "first touches whose current version lies after the newest load"),
    Trap("future_activity", 3, "a clock five hours ahead, and a call that lies after the newest load"),
    Trap("late_activities", 10, "activities loaded three days late"),
    Trap("unknown_lead", 3, "touches logged on a lead that is in no table"),
    Trap("unknown_activity_type", 3, "visits of the unknown type `chat`"),
    Trap("unknown_rep", 3, "owner and actor `R99`, who is not in `reps`"),
    Trap("touch_without_actor", 5, "touches that nobody signed"),
    Trap("automated_trigger", 2, "conversions made by a machine, which trigger too"),
    Trap("activity_before_created", 5, "webinar and download days before `created_at`"),
    Trap("activities_at_one_instant", 2, "three conversions in the same second"),
    Trap("touch_at_deadline", 3, "one touch, exactly one hour after the first conversion"),
    Trap("touch_just_late", 3, "one touch, one second after that"),
    Trap("trigger_at_deadline", 2, "a demo request exactly 72 hours after an unanswered one"),
    Trap("trigger_while_running", 2, "demo requests while one is running, and after it"),
    Trap("future_lead", 1, "a lead whose `created_at` lies after the newest load"),
    Trap("future_lead_version", 1, "a lead version, disqualified, after the newest load"),
    Trap("late_lead", 3, "lead versions loaded two days late"),
    Trap("lead_corrected", 5, "two lead versions with one `updated_at`, the later load corrected"),
    Trap("persona_boundary", 1, "999, 1,000, 10,000 and 10,001 employees", size=4),
    Trap("persona_changed", 3, "employees corrected, so that the persona changes"),
    Trap("enriched_later", 3, "employees known days later only"),
    Trap("disqualified", 2, "disqualified soon after the first touch"),
    Trap("opted_out", 2, "opted out soon after the first touch"),
    Trap("test_lead", 3, "a lead of the company's own tests"),
    Trap("deleted_lead", 3, "a lead that nobody touched, deleted after its first breach"),
    Trap("undeleted_lead", 1, "a lead deleted, then restored"),
    Trap("lead_deleted_twice", 1, "two deleted versions in a row"),
    Trap("merged", 6, "a lead merged into the next one", size=2),
    Trap("merge_chain", 2, "a lead merged into a lead that is merged itself, before or after", size=3),
    Trap("merge_cycle", 1, "two leads merged into each other, and a third merged into one of them", size=3),
    Trap("merge_into_itself", 1, "a lead merged into itself"),
    Trap("merge_missing_survivor", 1, "a lead merged into one that is in no table"),
    Trap("merge_without_date", 1, "a survivor without `merged_at`", size=2),
    Trap("merged_into_test_lead", 1, "a lead merged into a test lead", size=2),
    Trap("no_owner_changes", 2, "`owner_id` alone, and no row in `owner_changes`"),
    Trap("never_owned", 2, "nobody's lead, and nobody touched it"),
    Trap("assigned_days_later", 3, "a lead that nobody owns for days"),
    Trap("owner_taken_away", 3, "owner set to nobody, then to the next"),
    Trap("owner_repeated", 2, "a change to the owner of before"),
    Trap("owner_change_before_created", 3, "owner set two hours before `created_at`"),
    Trap("owner_change_corrected", 3, "two owner changes at one `changed_at`, the later load corrected"),
    Trap("won_without_closed_at", 2, "a won deal without `closed_at`"),
    Trap("won_before_deadline", 2, "a deal won 40 minutes after the first conversion, before any touch"),
    Trap("won_then_reopened", 1, "a won deal that is open in its current version"),
    Trap("deal_corrected", 2, "two deal versions with one `updated_at`, the later load corrected"),
)


def trap_slots() -> list[tuple[int, str, int]]:
    """Give each trap its lead numbers modulo 1,000.

    Returns:
        Rows (slot, trap, role in the group): one group of each trap within slots 1 to 199, the rest after them.
    """
    slots: list[tuple[int, str, int]] = []
    for first, groups in ((1, lambda trap: 1), (200, lambda trap: trap.per_thousand - 1)):
        slot = first
        for trap in TRAPS:
            for _ in range(groups(trap)):
                slots.extend((slot + role, trap.name, role) for role in range(trap.size))
                slot += trap.size
    return slots


def make_sample(leads: int, days: int, seed: int, out: Path, *, threads: int | None = None) -> dict[str, int]:
    """Write the raw tables of the sample company to `<out>/<table>/loaded_date=YYYY-MM-DD/*.parquet`.

    The rows appear in `out` all at once, when they are complete.

    Args:
        leads: number of leads; from 200 on, the sample holds every trap.
        days: length of the sample, which ends at `END`.
        seed: another seed makes other rows.
        out: a folder that is empty or does not exist.
        threads: DuckDB's threads (default: all cores); the rows do not depend on them.

    Returns:
        Rows by table.

    Raises:
        ValueError: if `out` is not an empty or new folder, or an argument is out of range.
    """
    if not 1 <= leads < 90_000_000 or days < 2:
        raise ValueError(
            f"A sample needs 1 to 89,999,999 leads and at least 2 days, not {leads} leads and {days} days."
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is not an empty folder: remove what is there, or choose another --out.")
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        with contextlib.closing(duckdb.connect()) as connection:
            # Above the limit, DuckDB spills to disk.
            connection.execute("SET memory_limit = '3GB'")
            connection.execute(f"SET temp_directory = {_literal(work / 'spill')}")
            connection.execute("SET enable_progress_bar = false")
            if threads is not None:
                connection.execute(f"SET threads = {int(threads)}")
            counts = _write(connection, leads, days, seed, work / "raw")
        (work / "raw").replace(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return counts


def _write(connection: duckdb.DuckDBPyConnection, leads: int, days: int, seed: int, raw: Path) -> dict[str, int]:
    """Make the company with the connection, and write it below the new folder `raw`; return rows by table."""
    epoch = datetime(1970, 1, 1)
    _set(connection, seed=seed)
    _set(connection, start_s=int((END - timedelta(days=days) - epoch).total_seconds()))
    _set(connection, end_s=int((END - epoch).total_seconds()))
    connection.execute("CREATE TABLE trap_slot (slot BIGINT, trap VARCHAR, role BIGINT)")
    connection.executemany("INSERT INTO trap_slot VALUES (?, ?, ?)", trap_slots())
    _run(connection, "sample_company.sql")
    counts = dict.fromkeys(TABLES, 0)
    counts["reps"] = _copy(connection, "reps", raw, 0)
    for portion, first in enumerate(range(1, leads + 1, PORTION)):
        _set(connection, first_lead=first, last_lead=min(first + PORTION - 1, leads))
        _run(connection, "sample_leads.sql")
        for table in ("owner_changes", "leads"):
            counts[table] += _copy(connection, table, raw, portion)
        _run(connection, "sample_activities.sql")
        for table in ("activities", "deals"):
            counts[table] += _copy(connection, table, raw, portion)
    _merge_portions(connection, raw)
    return counts


def _copy(connection: duckdb.DuckDBPyConnection, table: str, raw: Path, portion: int) -> int:
    """Write a table, sorted by `_loaded_at`, to one file for each date of it, and drop it; return its rows."""
    dates = connection.execute(f"SELECT _loaded_at::DATE AS d, count(*) FROM {table} GROUP BY d ORDER BY d").fetchall()
    for date, _ in dates:
        folder = raw / table / f"loaded_date={date}"
        folder.mkdir(parents=True, exist_ok=True)
        connection.execute(
            f"COPY (FROM {table} WHERE _loaded_at >= DATE '{date}' AND _loaded_at < DATE '{date}' + 1)"
            f" TO {_literal(folder / f'part-{portion:05}.parquet')} (FORMAT parquet)"
        )
    connection.execute(f"DROP TABLE {table}")
    return sum(rows for _, rows in dates)


def _merge_portions(connection: duckdb.DuckDBPyConnection, raw: Path) -> None:
    """Leave one file in each folder, as a nightly load does: what reads many small files pays for each of them."""
    for folder in raw.glob("*/*"):
        portions = list(folder.iterdir())
        merged = portions[0]
        if len(portions) > 1:
            merged = folder / "merged"
            connection.execute(
                f"COPY (FROM read_parquet({_literal(folder / '*.parquet')}, hive_partitioning = false))"
                f" TO {_literal(merged)} (FORMAT parquet)"
            )
            for portion in portions:
                portion.unlink()
        merged.rename(folder / "part-00000.parquet")


def _run(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Run one of the package's SQL files."""
    connection.execute(resources.files("lead_sla").joinpath("sql", name).read_text("utf-8"))


def _set(connection: duckdb.DuckDBPyConnection, **variables: int) -> None:
    """Set variables that the SQL files read."""
    for name, value in variables.items():
        connection.execute(f"SET VARIABLE {name} = {int(value)}::BIGINT")


def _literal(path: Path) -> str:
    """Write a path as an SQL text literal."""
    return "'" + str(path).replace("'", "''") + "'"
