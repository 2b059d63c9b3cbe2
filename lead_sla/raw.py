"""What the loader landed, looked at before dbt starts: cheap checks that need no more than names and file footers.

Columns and types are checked by the dbt macro `prepare_raw_tables`, which sees every engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import yaml

from lead_sla.errors import RefusedInput, translate

CONTRACT = Path("models/staging/crm/_crm__sources.yml")


@dataclass(frozen=True)
class RawTable:
    """One landed table: its Parquet files in the order of their names."""

    name: str
    is_optional: bool
    files: tuple[Path, ...]


def landed(project: Path, raw: Path) -> list[RawTable]:
    """List the tables of the raw contract with the files that were landed for each."""
    contract = yaml.safe_load((project / CONTRACT).read_text(encoding="utf-8"))
    return [
        RawTable(
            name=table["name"],
            is_optional=bool(table.get("config", {}).get("meta", {}).get("optional")),
            files=tuple(sorted(path for path in (raw / table["name"]).rglob("*.parquet") if path.is_file())),
        )
        for source in contract["sources"]
        for table in source["tables"]
    ]


def late_after(project: Path) -> dict[str, timedelta]:
    """Give the age at which the newest load of a raw table counts as late: the contract's `warn_after`.

    A table whose freshness is null in the contract is never late, and not in the answer.
    """
    contract = yaml.safe_load((project / CONTRACT).read_text(encoding="utf-8"))
    limits: dict[str, timedelta] = {}
    for source in contract["sources"]:
        of_source = source.get("config", {}).get("freshness")
        for table in source["tables"]:
            freshness = table.get("config", {}).get("freshness", of_source)
            if limit := (freshness or {}).get("warn_after"):
                limits[table["name"]] = timedelta(**{f"{limit['period']}s": limit["count"]})
    return limits


def check(raw: Path, tables: Sequence[RawTable]) -> dict[str, int]:
    """Check that every file is readable, and that the tables which a build needs have rows.

    Args:
        raw: the raw folder, for the messages.
        tables: what was landed there.

    Returns:
        The rows of each landed table (rows are versions: the tables are change logs).

    Raises:
        RefusedInput: a table is missing or empty, or a file is unreadable.
    """
    rows: dict[str, int] = {}
    for table in tables:
        folder = raw / table.name
        if not table.files:
            if table.is_optional:
                continue
            raise RefusedInput(
                f"Table {table.name} is missing: there is no Parquet file for it",
                where=f"{folder}{'' if folder.is_dir() else ' (no such folder)'}",
                todo=f"land {table.name} as Parquet files in that folder; the build cannot do without it",
            )
        rows[table.name] = _count_rows(table.files)
        if not rows[table.name] and not table.is_optional:
            raise RefusedInput(
                f"Table {table.name} is empty: its {len(table.files)} Parquet file(s) hold no row",
                where=str(folder),
                todo="land its rows (look at the last load: an empty table is rarely meant)",
            )
    return rows


def newest_load(tables: Sequence[RawTable]) -> datetime | None:
    """Give the newest `_loaded_at` of what was landed, UTC: the `as_of` of a build; None where the files do not tell it.

    Raises:
        RefusedInput: a file is unreadable.
    """
    newest = [
        _ask(table.files, "select max(try_cast(_loaded_at as timestamp)) from read_parquet(?, union_by_name = true)")
        for table in tables
        if table.files and _has_load_times(table.files)
    ]
    return max((instant for instant in newest if instant), default=None)


def find_damage(tables: Sequence[RawTable]) -> None:
    """Read every value of every file, to find the one that a failed build could not read.

    DuckDB names a file whose footer is damaged, but not always one whose pages are. This reads all of the raw data, so it
    is for a build that has failed already.

    Raises:
        RefusedInput: a file is unreadable; it says which.
    """
    for table in tables:
        if table.files:
            _ask(table.files, "select bit_xor(hash(file)) from read_parquet(?, union_by_name = true) as file")


def _has_load_times(files: Sequence[Path]) -> bool:
    return bool(_ask(files, "select count(*) from parquet_schema(?) where lower(name) = '_loaded_at'"))


def _count_rows(files: Sequence[Path]) -> int:
    """Add up the rows that the files' footers tell.

    Raises:
        RefusedInput: a file is no Parquet file.
    """
    return int(_ask(files, "select coalesce(sum(num_rows), 0) from parquet_file_metadata(?)"))


def _ask(files: Sequence[Path], query: str) -> Any:
    """Ask for one value over Parquet files, given to the query as a list of paths.

    Raises:
        RefusedInput: a file cannot be read; it says which.
    """
    with duckdb.connect() as connection:
        try:
            return connection.execute(query, [[str(file) for file in files]]).fetchall()[0][0]
        except duckdb.Error as error:
            trouble = error
        # The words of an error about many files need not name the one: look for it.
        for file in files:
            try:
                connection.execute(query, [[str(file)]])
            except duckdb.Error as error:
                raise translate(str(error)) or RefusedInput(
                    f"A raw file is not a readable Parquet file: {str(error).splitlines()[0]}",
                    where=str(file),
                    todo="land it again (it is often a copy that was broken off), or move it away",
                ) from None
    raise RefusedInput(
        f"The raw files cannot be read together: {str(trouble).splitlines()[0]}", where=str(files[0].parent)
    ) from None
