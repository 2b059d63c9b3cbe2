"""The project's own SQL, compiled once by dbt and then run in memory on rows: a build in a fraction of a second.

dbt renders every model for one set of vars; running what it rendered, in dbt's own order, needs nothing but DuckDB.
So a property can look at thousands of small companies, where a dbt run of each would take seconds.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import yaml

PROJECT = Path(__file__).resolve().parents[2]
DATABASE = "compiled"
AS_OF_MARK = "2001-02-03 04:05:06"
ZONE_MARK = "Compiled/Zone"
CALENDAR_MARK = "compiled_calendar"
TOLERANCE_MARK = "0.123456"

Row = dict[str, Any]
Tables = Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class Model:
    """A model as dbt compiled it."""

    schema: str
    name: str
    sql: str


@dataclass(frozen=True)
class CompiledProject:
    """The models in an order in which each one finds what it reads."""

    models: tuple[Model, ...]

    def build(self, connection: duckdb.DuckDBPyConnection, settings: Any) -> None:
        """Build every model in a database that `load` has filled. `settings` has the attributes of the reference's Settings."""
        for model in self.models:
            sql = model.sql.replace(CALENDAR_MARK, settings.default_calendar).replace(ZONE_MARK, settings.reporting_time_zone)
            sql = sql.replace(TOLERANCE_MARK, str(settings.pace_tolerance))
            if settings.as_of is not None:
                sql = sql.replace(AS_OF_MARK, settings.as_of.isoformat(sep=" "))
            connection.execute(f'create or replace table {DATABASE}.{model.schema}."{model.name}" as {sql}')


def compiled_for(settings: Any) -> CompiledProject:
    """The project compiled for settings of the same kind; everything but the kind is filled in when it is built."""
    return _compile(settings.as_of is not None, settings.reporting_time_zone == "UTC", settings.pacing)


@lru_cache
def _compile(with_as_of: bool, in_utc: bool, pacing: str) -> CompiledProject:
    variables = {
        "as_of": AS_OF_MARK if with_as_of else "",
        "reporting_time_zone": "UTC" if in_utc else ZONE_MARK,
        "default_calendar": CALENDAR_MARK,
        "pacing": pacing,
        "pace_tolerance": float(TOLERANCE_MARK),
    }
    with tempfile.TemporaryDirectory() as folder:
        dbt = [sys.executable, "-m", "dbt.cli.main"]
        options = ["--quiet", "--no-introspect", "--no-populate-cache", "--target-path", folder, "--log-path", folder]
        finished = subprocess.run(
            [*dbt, "compile", *options, "--vars", json.dumps(variables), "--select", "resource_type:model"],
            cwd=PROJECT,
            env={**os.environ, "LEAD_SLA_WAREHOUSE": f"{folder}/{DATABASE}.duckdb"},
            capture_output=True,
            text=True,
        )
        if finished.returncode:
            raise RuntimeError(f"dbt compile failed:\n{finished.stdout}{finished.stderr}")
        manifest = json.loads((Path(folder) / "manifest.json").read_text())
    return CompiledProject(tuple(_in_order(manifest["nodes"])))


def _in_order(nodes: Mapping[str, Any]) -> Iterable[Model]:
    done: set[str] = set()
    waiting = {key: node for key, node in nodes.items() if node["resource_type"] == "model"}
    while waiting:
        ready = sorted(key for key, node in waiting.items() if not (set(node["depends_on"]["nodes"]) & waiting.keys()))
        for key in ready:
            node = waiting.pop(key)
            done.add(key)
            yield Model(node["schema"], node["name"], node["compiled_code"])


@lru_cache
def raw_columns() -> dict[str, dict[str, str]]:
    """Raw table -> column -> type, as the contract says."""
    contract = yaml.safe_load((PROJECT / "models/staging/crm/_crm__sources.yml").read_text())
    tables = contract["sources"][0]["tables"]
    return {table["name"]: {column["name"]: column["data_type"] for column in table["columns"]} for table in tables}


@lru_cache
def policy_columns() -> dict[str, dict[str, str]]:
    """Policy seed -> column -> type, as the YAML beside each seed says."""
    seeds = [yaml.safe_load(path.read_text())["seeds"][0] for path in sorted((PROJECT / "seeds/policy").glob("*.yml"))]
    return {seed["name"]: seed["config"]["column_types"] for seed in seeds}


def load(connection: duckdb.DuckDBPyConnection, raw: Tables, policy: Tables) -> None:
    """Make a database with the raw tables and the policy seeds (and the empty schemas of the models)."""
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(f"attach ':memory:' as {DATABASE}")
    for schema in ("raw", "policy", "staging", "intermediate", "marts"):
        connection.execute(f"create schema {DATABASE}.{schema}")
    for name, columns in raw_columns().items():
        fill(connection, f"{DATABASE}.raw.{name}", columns, raw.get(name, ()))
    for name, columns in policy_columns().items():
        fill(connection, f"{DATABASE}.policy.{name}", columns, policy.get(name, ()))


def fill(connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
    """Make (or replace) a table with the given rows."""
    declared = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    connection.execute(f"create or replace table {table} ({declared})")
    if rows:
        values = ", ".join(f"({', '.join('?' for _ in columns)})" for _ in rows)
        connection.execute(f"insert into {table} values {values}", [row.get(name) for row in rows for name in columns])


def rows_of(connection: duckdb.DuckDBPyConnection, mart: str) -> list[Row]:
    """All rows of a mart."""
    result = connection.execute(f"select * from {DATABASE}.marts.{mart}")
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def build_rows(raw: Tables, policy: Tables, settings: Any, marts: Iterable[str]) -> dict[str, list[Row]]:
    """The marts that the project makes of rows."""
    with duckdb.connect(config={"threads": 1}) as connection:
        load(connection, raw, policy)
        compiled_for(settings).build(connection, settings)
        return {mart: rows_of(connection, mart) for mart in marts}
