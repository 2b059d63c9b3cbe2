"""Runs benchmarks/yardstick.sql: raw Parquet files and policy CSV files in, a DuckDB file with all marts out.

    python benchmarks/yardstick.py data/raw yardstick.duckdb --as-of '2026-05-01 12:00:00'

It is the hand-written counterpart of a `dbt run`: what it costs is what the project is measured against.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import yaml

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
SCRIPT = HERE / "yardstick.sql"
VARIABLES = ("as_of", "reporting_time_zone", "default_calendar", "pacing", "pace_tolerance")


def run(connection: duckdb.DuckDBPyConnection, variables: Mapping[str, Any] | None = None) -> None:
    """Write schema `marts` of the connection's default database from its schemas `raw` and `policy`.

    Args:
        connection: has the three schemas; `raw` and `policy` hold every table and column of the contract.
        variables: as the dbt vars of these names; those not given, or None, have the defaults of dbt_project.yml.
    """
    given = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    given.update({name: value for name, value in (variables or {}).items() if value is not None})
    for name in VARIABLES:
        kind = {"as_of": "timestamp", "pace_tolerance": "double"}.get(name, "varchar")
        value = "null" if given[name] == "" else _literal(given[name])
        connection.execute(f"set variable {name} = cast({value} as {kind})")
    connection.execute(SCRIPT.read_text())


def read_inputs(connection: duckdb.DuckDBPyConnection, raw: Path, policy: Path) -> None:
    """Make schema `raw` of views over the landed Parquet files, schema `policy` of the CSV files, and a schema `marts`.

    A table or column that was not landed is null throughout, as the contract allows for optional ones.

    Args:
        connection: its default database gets the schemas.
        raw: the raw folder, one folder a table.
        policy: the folder of the nine CSV files; their types stand in the YAML beside each seed of the project.
    """
    for schema in ("raw", "policy", "marts"):
        connection.execute(f"create schema if not exists {schema}")
    contract = yaml.safe_load((PROJECT / "models/staging/crm/_crm__sources.yml").read_text())
    for table in contract["sources"][0]["tables"]:
        nothing = ", ".join(f"cast(null as {column['data_type']}) as {column['name']}" for column in table["columns"])
        landed = f"{raw / table['name']}/**/*.parquet"
        files = f"from read_parquet({_literal(landed)}, union_by_name = true, hive_partitioning = false)"
        rows = f"union all by name {files}" if any((raw / table["name"]).rglob("*.parquet")) else ""
        connection.execute(f"create view raw.{table['name']} as (select {nothing} where false) {rows}")
    for description in sorted((PROJECT / "seeds/policy").glob("*.yml")):
        seed = yaml.safe_load(description.read_text())["seeds"][0]
        types = ", ".join(
            f"{_literal(name)}: {_literal(kind)}" for name, kind in seed["config"]["column_types"].items()
        )
        connection.execute(
            f"create table policy.{seed['name']} as"
            f" from read_csv({_literal(policy / (seed['name'] + '.csv'))}, header = true, types = {{{types}}})"
        )


def _literal(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def main() -> None:
    """Run the script as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("raw", type=Path, help="the folder of the landed tables")
    parser.add_argument("into", type=Path, help="the DuckDB file to write; one that is there is replaced")
    parser.add_argument(
        "--policy", type=Path, default=PROJECT / "seeds/policy", help="the folder of the nine CSV files"
    )
    parser.add_argument("--threads", type=int, help="DuckDB's threads (default: all cores)")
    parser.add_argument("--memory-limit", help="DuckDB's limit, such as 8GB")
    for name in VARIABLES:
        parser.add_argument(f"--{name.replace('_', '-')}", help=f"as the dbt var {name}")
    options = parser.parse_args()
    options.into.unlink(missing_ok=True)
    with duckdb.connect(str(options.into)) as connection:
        connection.execute("set enable_progress_bar = false; set TimeZone = 'UTC'")
        if options.threads:
            connection.execute(f"set threads = {options.threads}")
        if options.memory_limit:
            connection.execute(f"set memory_limit = {_literal(options.memory_limit)}")
        read_inputs(connection, options.raw, options.policy)
        run(connection, {name: getattr(options, name) for name in VARIABLES})


if __name__ == "__main__":
    main()
