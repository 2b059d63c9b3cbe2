"""The published copy: what readers open. Built aside, verified, then swapped in with one rename.

    published/
      current -> runs/<run>                the one link that changes, atomically
      marts.duckdb -> current/marts.duckdb
      parquet -> current/parquet
      runs/<run>/marts_<run>.duckdb        schema `marts`
      runs/<run>/marts.duckdb -> marts_<run>.duckdb
      runs/<run>/parquet/<mart>.parquet
      runs/<run>/run.json                  what was published, and what it was made from
      held.json                            a rollback holds publishing back, until it is let go

Owner and group may read it, and nobody else (folders 0750, files 0640), whatever the umask: who may read the marts is decided
by the group of the folder. The database's file carries the run in its name, because readers that keep a connection open tell databases apart by their
files. A reader that has an old version open keeps it: its files stay for the last few runs, and for as long as it holds them.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from lead_sla.errors import LeadSlaError, RefusedInput, explain
from lead_sla.files import point, sync, write_json
from lead_sla.lock import only_one

SCHEMA = "marts"
# Readable by every DuckDB since 1.4, so that BI tools need not follow our version.
STORAGE_VERSION = "v1.4.0"
KEPT_RUNS, KEPT_DAYS = 5, 7
FOLDER_MODE, FILE_MODE = 0o750, 0o640
_RECORD, _HELD = "run.json", "held.json"
_LINKS = ("current", "marts.duckdb", "parquet")
_UNFINISHED = ".tmp"


@dataclass(frozen=True)
class PublishedRun:
    """One published version of the marts.

    Attributes:
        folder: `<published>/runs/<run>`.
        record: what its run.json tells: run, number, previous, as_of, published_at, rows of each mart, bytes of each
            file, and whatever the build added.
    """

    folder: Path
    record: Mapping[str, Any]

    @property
    def run(self) -> str:
        """The name of the run: `<as_of>_<published at>`."""
        return self.folder.name

    @property
    def database(self) -> Path:
        """The DuckDB file with schema `marts`."""
        return self.folder / f"marts_{self.run}.duckdb"

    @property
    def as_of(self) -> datetime:
        """The instant that the marts are true of, UTC."""
        return datetime.fromisoformat(self.record["as_of"])

    @property
    def order(self) -> tuple[int, str]:
        """The place in the order of publication, which no clock that was set back can disturb."""
        return (self.record.get("number", 0), self.record["published_at"])

    @property
    def rows(self) -> dict[str, int]:
        """The rows of each mart."""
        return dict(self.record["rows"])

    def is_intact(self) -> bool:
        """Is every file there, with the size that it was published with?"""
        return all(
            (self.folder / name).is_file() and (self.folder / name).stat().st_size == size
            for name, size in self.record["files"].items()
        )


def current(published: Path) -> PublishedRun | None:
    """Give the run that readers see now, or None where nothing was published yet."""
    return _read((published / "current").resolve())


def kept(published: Path) -> list[PublishedRun]:
    """List the versions that are still there, in the order of their publication."""
    folders = (published / "runs").iterdir() if (published / "runs").is_dir() else ()
    runs = (_read(folder) for folder in folders if not folder.name.endswith(_UNFINISHED))
    return sorted((run for run in runs if run), key=lambda run: run.order)


def held(published: Path) -> str:
    """Say why publishing is held back, in a sentence without full stop; empty where it is not."""
    try:
        return str(json.loads((published / _HELD).read_text(encoding="utf-8"))["why"])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError):
        return f"{_HELD} is there, and cannot be read"


def rollback(published: Path, to: str = "") -> PublishedRun:
    """Let readers see an earlier version again, and hold back what scheduled runs would publish over it.

    Publishing by hand (`lead-sla publish`, `lead-sla build`, `lead-sla nightly --force`) lets go of the hold.

    Args:
        published: the folder that readers open.
        to: the run to go back to; default: the one published before the current one.

    Returns:
        The run that readers see from now on.

    Raises:
        RefusedInput: there is no such run, or no earlier one that is whole. Nothing was changed.
    """
    with only_one(published / ".lock", "A publication"):
        now, runs = current(published), kept(published)
        if now is None or not runs:
            raise RefusedInput("Nothing has been published yet", where=str(published), todo="run: lead-sla build")
        earlier = [run for run in runs if (run.run == to if to else run.order < now.order) and run.is_intact()]
        if not earlier:
            raise RefusedInput(
                f"There is no whole version {to} to go back to"
                if to
                else f"There is no whole version before {now.run}",
                where=str(published / "runs"),
                details=[f"{run.run}, published {run.record['published_at']} UTC" for run in runs],
                todo="name one of those that are kept, or build again from the raw data: lead-sla build --force",
            )
        chosen = earlier[-1]
        why = f"rolled back from {now.run} to {chosen.run} at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        try:
            # First, so that no scheduled run publishes again what is being taken back.
            write_json(published / _HELD, {"why": why})
            point(published / "current", f"runs/{chosen.run}")
        except OSError as error:
            raise explain(error, "Rolling back") from error
        return chosen


def publish(
    warehouse: Path,
    published: Path,
    *,
    only: Collection[str] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> PublishedRun:
    """Copy the marts of a warehouse, verify the copy, and make it the one that readers see.

    Args:
        warehouse: the DuckDB file that dbt built; nobody may be writing it.
        published: the folder that readers open; made if need be.
        only: the marts to publish. What else lies in schema `marts` is left behind (models that are no more); a mart that
            is not there is an error. Default: everything in schema `marts`.
        notes: what to add to run.json.

    Returns:
        The new current run. A hold that a rollback left is let go.

    Raises:
        LeadSlaError: nothing was published, and `current` is as it was.
    """
    with only_one(published / ".lock", "A publication"):
        runs = published / "runs"
        unfinished = runs / f".{uuid.uuid4().hex}{_UNFINISHED}"
        folder = None
        _see_that_nothing_is_in_the_way(published)
        try:
            runs.mkdir(exist_ok=True)
            for path in (published, runs):
                path.chmod(
                    path.stat().st_mode & ~0o777 | FOLDER_MODE
                )  # a set-group-id bit stays: it hands the group down
            for left_behind in runs.glob(f".*{_UNFINISHED}"):
                shutil.rmtree(left_behind)
            unfinished.mkdir()
            before = current(published)
            number = max((run.order[0] for run in kept(published)), default=0) + 1
            place = {"number": number, "previous": before.run if before else None}
            record = _write_run(warehouse, unfinished, only, {**(notes or {}), **place})
            folder = unfinished.rename(runs / record["run"])
            sync(runs)
            point(published / "marts.duckdb", "current/marts.duckdb")
            point(published / "parquet", "current/parquet")
            # Last, because from here on readers see the new run: nothing after it may fail.
            point(published / "current", f"runs/{folder.name}")
        except (duckdb.Error, OSError) as error:
            raise explain(error, "Publishing") from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
            if folder and (published / "current").resolve() != folder.resolve():
                shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            (published / _HELD).unlink()
        _prune(published, folder)
        return PublishedRun(folder, record)


def _see_that_nothing_is_in_the_way(published: Path) -> None:
    """See that the names which readers open are links of ours, or free.

    Raises:
        LeadSlaError: a file or folder that somebody else put there would be replaced. Nothing was touched.
    """
    for name in _LINKS:
        path = published / name
        if path.exists() and not path.is_symlink():
            raise LeadSlaError(
                "Publishing would replace a file or folder that is not a publication",
                where=str(path),
                todo="move it away, or publish to another folder (LEAD_SLA_PUBLISHED)",
            )


def _write_run(warehouse: Path, folder: Path, only: Collection[str] | None, notes: dict[str, Any]) -> dict[str, Any]:
    """Write and verify all files of a run in an unfinished folder, flushed to the disk; give its record."""
    now = datetime.now(UTC)
    (folder / "parquet").mkdir()
    draft = folder / "draft.duckdb"
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set temp_directory = {_text(folder / 'spill')}")
        connection.execute(f"attach {_text(warehouse)} as warehouse (read_only)")
        connection.execute(f"attach {_text(draft)} as draft (storage_version '{STORAGE_VERSION}')")
        marts = _marts(connection, warehouse, only)
        connection.execute(f"create schema draft.{SCHEMA}")
        for mart in marts:
            _copy(connection, mart, folder / "parquet" / f"{mart}.parquet")
        rows = {mart: _count(connection, f"warehouse.{SCHEMA}.{_name(mart)}") for mart in marts}
        as_of = _as_of(connection, warehouse)
        connection.execute("detach draft")
    shutil.rmtree(folder / "spill", ignore_errors=True)

    _verify(draft, folder / "parquet", rows)
    run = f"{as_of:%Y%m%dT%H%M%SZ}_{now:%Y%m%dT%H%M%S%fZ}"
    database = draft.rename(folder / f"marts_{run}.duckdb")
    (folder / "marts.duckdb").symlink_to(database.name)
    files = [database, *sorted((folder / "parquet").iterdir())]
    record = {
        **notes,
        "run": run,
        "as_of": f"{as_of:%Y-%m-%d %H:%M:%S.%f}",
        "published_at": f"{now:%Y-%m-%d %H:%M:%S}",
        "rows": rows,
        "files": {str(file.relative_to(folder)): file.stat().st_size for file in files},
    }
    (folder / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for path in (*files, folder / _RECORD, folder / "parquet", folder):
        path.chmod(FOLDER_MODE if path.is_dir() else FILE_MODE)
        sync(path)
    return record


def _marts(connection: duckdb.DuckDBPyConnection, warehouse: Path, only: Collection[str] | None) -> list[str]:
    """List the marts to publish, by name."""
    query = """
        select table_name from information_schema.tables
        where table_catalog = 'warehouse' and table_schema = ? order by table_name
    """
    there = [name for (name,) in connection.execute(query, [SCHEMA]).fetchall()]
    missing = sorted(set(only or ()) - set(there))
    if missing or not there:
        raise LeadSlaError(
            f"Schema {SCHEMA} of the warehouse has no {', '.join(missing) or 'tables'}",
            where=str(warehouse),
            todo="build the warehouse first: lead-sla build",
        )
    return [name for name in there if only is None or name in only]


def _copy(connection: duckdb.DuckDBPyConnection, mart: str, parquet: Path) -> None:
    """Copy one mart into the draft, with its comments, and into a Parquet file.

    Sorted by all columns: the same marts give the same files, and the ids in front make good row groups.
    """
    source, target = f"warehouse.{SCHEMA}.{_name(mart)}", f"draft.{SCHEMA}.{_name(mart)}"
    connection.execute(f"create table {target} as from {source} order by all")
    for kind, comments in (("tables", "table_name"), ("views", "view_name")):
        query = f"select comment from duckdb_{kind}() where database_name = 'warehouse' and schema_name = ? and {comments} = ?"
        for (comment,) in connection.execute(query, [SCHEMA, mart]).fetchall():
            if comment:
                connection.execute(f"comment on table {target} is {_text(comment)}")
    query = """
        select column_name, comment from duckdb_columns()
        where database_name = 'warehouse' and schema_name = ? and table_name = ? and comment is not null
    """
    for column, comment in connection.execute(query, [SCHEMA, mart]).fetchall():
        connection.execute(f"comment on column {target}.{_name(column)} is {_text(comment)}")
    connection.execute(f"copy (from {target}) to {_text(parquet)} (format parquet, compression zstd)")


def _verify(database: Path, parquet: Path, rows: Mapping[str, int]) -> None:
    """Open the copy as a reader would, and count.

    Raises:
        LeadSlaError: the copy is not the warehouse's marts.
    """
    if (log := database.with_name(f"{database.name}.wal")).exists():
        raise LeadSlaError(
            "The copy of the marts was not written out to the end", where=str(log), todo="run this again"
        )
    with duckdb.connect(str(database), read_only=True) as copy:
        for mart, expected in rows.items():
            counts = {
                "DuckDB": _count(copy, f"{SCHEMA}.{_name(mart)}"),
                "Parquet": _count(copy, f"read_parquet({_text(parquet / f'{mart}.parquet')})"),
            }
            for kind, count in counts.items():
                if count != expected:
                    raise LeadSlaError(
                        f"The {kind} copy of {mart} has {count} rows where the warehouse has {expected}",
                        where=str(database.parent),
                        todo="see whether another program writes the warehouse, then run this again",
                    )


def _as_of(connection: duckdb.DuckDBPyConnection, warehouse: Path) -> datetime:
    """Read `as_of` from the one row of run_metadata."""
    found = connection.execute(f"select as_of from warehouse.{SCHEMA}.run_metadata").fetchall()
    if len(found) != 1 or found[0][0] is None:
        raise LeadSlaError(
            f"{SCHEMA}.run_metadata has {len(found)} rows, or no as_of, where one row should say as of when the marts are",
            where=str(warehouse),
            todo="build the warehouse again: lead-sla build --force",
        )
    return found[0][0]


def _prune(published: Path, newest: Path) -> None:
    """Remove old runs: the last few stay, and the last of each of the last few days, so that there is a yesterday to go back to."""
    runs = kept(published)
    last_of_day = {run.record["published_at"][:10]: run.folder for run in runs}
    days = sorted(last_of_day)[-KEPT_DAYS:]
    staying = {newest, *(run.folder for run in runs[-KEPT_RUNS:]), *(last_of_day[day] for day in days)}
    for run in runs:
        if run.folder not in staying:
            shutil.rmtree(run.folder, ignore_errors=True)


def _read(folder: Path) -> PublishedRun | None:
    try:
        return PublishedRun(folder, json.loads((folder / _RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    return int(connection.execute(f"select count(*) from {relation}").fetchall()[0][0])


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
