"""What the marts of a warehouse hold, in few numbers: equal numbers mean equal rows, in whatever order they lie."""

from __future__ import annotations

from pathlib import Path

import duckdb

# Says of the run, not of the data.
OWN = {"run_metadata"}

# By mart: the number of its rows, a digest of its whole rows (named `*`), and one of each column.
Contents = dict[str, dict[str, int]]


def contents(warehouse: Path) -> Contents:
    """Read every mart but `run_metadata`, once, in little memory.

    A digest is the sum of 64-bit hashes over the rows: marts that differ in a row have another one, but for a chance of 1 in
    10^19. Floating numbers count bit by bit.
    """
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        listed = (
            "SELECT table_name, list(column_name) FROM duckdb_columns() WHERE schema_name = 'marts' GROUP BY table_name"
        )
        return {
            mart: _digests(connection, mart, sorted(columns))
            for mart, columns in sorted(connection.execute(listed).fetchall())
            if mart not in OWN
        }


def _digests(connection: duckdb.DuckDBPyConnection, mart: str, columns: list[str]) -> dict[str, int]:
    whole = ", ".join(f'"{column}"' for column in columns)
    each = ", ".join(f'sum(hash("{column}"))' for column in columns)
    row = connection.execute(f'SELECT count(*), sum(hash({whole})), {each} FROM marts."{mart}"').fetchall()[0]
    return dict(zip(["rows", "*", *columns], (int(number or 0) for number in row), strict=True))


def differences(got: Contents, expected: Contents) -> list[str]:
    """Say in a sentence for each mart how it differs; nothing where all rows are equal."""
    found = []
    for mart in sorted(got.keys() | expected.keys()):
        here, there = got.get(mart), expected.get(mart)
        if here is None or there is None:
            found.append(f"{mart} is missing in one of both")
        elif here != there:
            columns = [name for name in sorted(here.keys() | there.keys()) if here.get(name) != there.get(name)]
            where = ", ".join(column for column in columns if column not in ("rows", "*")) or "the pairing of columns"
            found.append(f"{mart} has {here['rows']:,} rows and should have {there['rows']:,}; it differs in {where}")
    return found
