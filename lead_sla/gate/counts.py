"""The row counts of earlier checks: what a load is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

# Eight weeks are compared; the day before the first of them is needed too.
_KEPT = timedelta(days=60)


def is_readable(path: Path) -> bool:
    """Can the counts be read? A file that does not exist cannot."""
    try:
        with duckdb.connect() as connection:
            connection.execute("select checked_at, table_name, row_count from read_parquet(?) limit 1", [str(path)])
    except duckdb.Error:
        return False
    return True


def remember(path: Path, checked_at: datetime, rows: Mapping[str, int], *, anew: bool = False) -> None:
    """Add the row counts of a check that found no error, and forget those of long ago.

    The file is replaced in one step: one row per check and raw table (checked_at in UTC, table_name, row_count).

    Args:
        path: the Parquet file.
        checked_at: when the tables were counted, UTC.
        rows: the rows of each raw table.
        anew: forget all earlier counts.
    """
    kept = not anew and is_readable(path)
    part = path.with_suffix(".part")
    with duckdb.connect() as connection:
        connection.execute("create table counts (checked_at timestamp, table_name varchar, row_count bigint)")
        if kept:
            connection.execute(
                "insert into counts by name select checked_at, table_name, row_count from read_parquet(?) "
                "where checked_at between ?::timestamp - ?::interval and ?::timestamp and checked_at <> ?::timestamp",
                [str(path), checked_at, _KEPT, checked_at, checked_at],
            )
        connection.executemany("insert into counts values (?, ?, ?)", [(checked_at, *count) for count in rows.items()])
        connection.execute(
            f"copy (from counts order by all) to '{str(part).replace(chr(39), chr(39) * 2)}' (format parquet)"
        )
    part.replace(path)
