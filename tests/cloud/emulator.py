"""The project built by dbt-snowflake on fakesnow, which runs Snowflake's SQL on DuckDB in this process.

As a program (`python emulator.py PROJECT RAW FOLDER`): loads the Parquet files under RAW, builds the project with its data tests, and leaves
`marts/<mart>.parquet` and dbt's `run_results.json` in FOLDER. RAW may be `-`: nothing is loaded.

Two things that Snowflake does and the emulator does not are taken out on the way: primary keys in a `create table as` (it takes them for
columns), and comments on several columns at once.
"""

import json
import os
import re
import sys
from pathlib import Path
from unittest.mock import patch

import duckdb
import fakesnow
import snowflake.connector
import yaml
from compiled_for import NOWHERE, PROJECT
from fakesnow.cursor import FakeSnowflakeCursor

PRIMARY_KEY = re.compile(r",\s*primary key \([^)]*\)")
COMMENT = re.compile(r"\s*(comment\s+on\b|alter\s+(table|view)\s[^;$]*\bcomment \$\$)", re.IGNORECASE)


def _execute(cursor: FakeSnowflakeCursor, command: str, *arguments: object, **options: object) -> FakeSnowflakeCursor:
    command = PRIMARY_KEY.sub("", command) if "create or replace" in command else command
    return _emulated(cursor, "select 1" if COMMENT.match(command) else command, *arguments, **options)


_emulated = FakeSnowflakeCursor.execute


def _load(connection: snowflake.connector.SnowflakeConnection, raw: Path) -> None:
    contract = yaml.safe_load((PROJECT / "models/staging/crm/_crm__sources.yml").read_text())["sources"][0]["tables"]
    connection.cursor().execute("create schema if not exists raw")
    for table in contract:
        columns = {column["name"]: column["data_type"] for column in table["columns"]}
        definition = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        connection.cursor().execute(f"create table raw.{table['name']} ({definition})")
        read = f"read_parquet('{raw}/{table['name']}/**/*.parquet', union_by_name = true, hive_partitioning = false)"
        landed = {row[0] for row in duckdb.sql(f"describe select * from {read}").fetchall()}
        values = ", ".join(f"cast({name if name in landed else 'null'} as {kind})" for name, kind in columns.items())
        # Parquet files are none of what a Snowflake session reads from a disk: DuckDB below it does.
        connection._duck_conn.execute(f"insert into COMPANY.RAW.{table['name'].upper()} select {values} from {read}")


def main(project: str, raw: str, folder: str, *options: str) -> None:
    """Build, and leave the marts."""
    from dbt.cli.main import dbtRunner

    os.environ.update(NOWHERE, DBT_PROFILES_DIR=project, DBT_SEND_ANONYMOUS_USAGE_STATS="false")
    os.chdir(project)
    paths = ["--target-path", folder, "--log-path", folder]
    with fakesnow.patch(), patch.object(FakeSnowflakeCursor, "execute", _execute):
        connection = snowflake.connector.connect(**{"account": "nowhere", "database": "company", "schema": "public"})
        if raw != "-":
            _load(connection, Path(raw))
        dbtRunner().invoke(["--quiet", "build", "--target", "snowflake", "--threads", "1", *options, *paths])
        manifest = json.loads((Path(folder) / "manifest.json").read_text())
        (Path(folder) / "marts").mkdir()
        for node in manifest["nodes"].values():
            if node["resource_type"] == "model" and node["schema"] == "marts":
                connection._duck_conn.execute(
                    f"copy COMPANY.MARTS.{node['name'].upper()} to '{folder}/marts/{node['name']}.parquet' (format parquet)"
                )


if __name__ == "__main__":
    main(*sys.argv[1:])
