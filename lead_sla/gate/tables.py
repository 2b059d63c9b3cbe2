"""The tables that the suites look at, made in one pass over the landed files each (SQL in `lead_sla/gate/sql`).

They live in a scratch DuckDB file in which dbt has made the views of schema `raw` before (macro `collect_raw_problems`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from lead_sla.gate.contract import Table

_SQL = Path(__file__).parent / "sql"


def make_columns(
    connection: duckdb.DuckDBPyConnection, contract: Sequence[Table], files: Mapping[str, Sequence[str]]
) -> None:
    """Make the table `columns`: one row per column of the contract or of the landed files.

    Args:
        connection: to the scratch file.
        contract: the raw contract.
        files: the landed files of each table.
    """
    connection.execute(
        "create table contract (table_name varchar, column_name varchar, data_type varchar, is_optional boolean)"
    )
    connection.executemany(
        "insert into contract values (?, ?, ?, ?)",
        [
            (table.name, column.name, column.data_type, column.is_optional)
            for table in contract
            for column in table.columns
        ],
    )
    connection.execute("create table landed_columns (table_name varchar, column_name varchar, landed_type varchar)")
    for table, paths in files.items():
        if paths:
            connection.execute(
                "insert into landed_columns select ?, column_name, column_type from "
                "(describe select * from read_parquet(?, union_by_name = true, hive_partitioning = false))",
                [table, list(paths)],
            )
    connection.execute((_SQL / "columns.sql").read_text(encoding="utf-8"))


def make_rows(
    connection: duckdb.DuckDBPyConnection, contract: Sequence[Table], policy: Path, checked_at: datetime
) -> None:
    """Make a table of checks for every raw table: one row per landed row.

    Args:
        connection: to the scratch file, in which `columns` has been made.
        contract: the raw contract.
        policy: the folder of the policy seeds.
        checked_at: the present, UTC, without a zone.
    """
    connection.execute("set variable checked_at = ?::timestamp", [checked_at])
    connection.execute("set variable policy = ?", [str(policy)])
    connection.execute((_SQL / "tools.sql").read_text(encoding="utf-8"))
    for table in contract:
        connection.execute(_versions(table))
        connection.execute((_SQL / f"{table.name}.sql").read_text(encoding="utf-8"))


def make_loads(
    connection: duckdb.DuckDBPyConnection,
    contract: Sequence[Table],
    checked_at: datetime,
    heard: Mapping[str, datetime],
    row_counts: Path | None,
) -> None:
    """Make the table `loads`: one row per raw table.

    Args:
        connection: to the scratch file.
        contract: the raw contract.
        checked_at: the present, UTC, without a zone.
        heard: per raw table, when its loader last said that it had nothing new.
        row_counts: the Parquet file of earlier counts (checked_at, table_name, row_count), if there is one.
    """
    connection.execute("set variable checked_at = ?::timestamp", [checked_at])
    connection.execute("create table limits (table_name varchar, warn_after interval, error_after interval)")
    connection.executemany(
        "insert into limits values (?, ?, ?)", [(table.name, table.warn_after, table.error_after) for table in contract]
    )
    connection.execute("create table heard (table_name varchar, heard_at timestamp)")
    if heard:
        connection.executemany("insert into heard values (?, ?)", list(heard.items()))
    connection.execute("create table row_counts (checked_at timestamp, table_name varchar, row_count bigint)")
    if row_counts:
        connection.execute("insert into row_counts by name from read_parquet(?)", [str(row_counts)])
    connection.execute(
        "create table landed as "
        + " union all ".join(
            f"select {place} as place, '{table.name}' as table_name, count(*) as row_count, max(_loaded_at) as newest_load "
            f"from raw.{table.name}"
            for place, table in enumerate(contract)
        )
    )
    connection.execute((_SQL / "loads.sql").read_text(encoding="utf-8"))


def rows_of(connection: duckdb.DuckDBPyConnection, table: str) -> list[dict[str, Any]]:
    """Give a small table as a list of rows."""
    cursor = connection.execute(f"from {table}")
    columns = [column[0] for column in cursor.description or []]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def _versions(table: Table) -> str:
    """Give a view of a raw table with what its rows have in common with each other.

    `repetition` is filled in the second and each further of rows that are equal in every column; `conflict` names the columns
    in which rows differ that are equal in the id and the ordering columns. Only rows whose key occurs more than once are
    compared, which are few.
    """
    key = ", ".join(table.version_key)
    differing = ",\n".join(
        f"""            case
                when
                    count(versions.{column.name}) over same_key not in (0, count(*) over same_key)
                    or min(versions.{column.name}) over same_key <> max(versions.{column.name}) over same_key
                    then '{column.name}'
            end"""
        for column in table.columns
        if column.name not in table.version_key
    )
    return f"""
        create view versions.{table.name} as
        with repeated as (
            select {key}
            from raw.{table.name}
            group by all
            having count(*) > 1
        )

        select
            versions.*,
            null::boolean as repetition,
            null::varchar as conflict
        from raw.{table.name} as versions
        anti join repeated using ({key})
        union all
        select
            versions.*,
            if(row_number() over (partition by versions) > 1, true, null) as repetition,
            nullif(concat_ws(', ',
{differing}
            ), '') as conflict
        from raw.{table.name} as versions
        semi join repeated using ({key})
        window same_key as (partition by {key})
    """
