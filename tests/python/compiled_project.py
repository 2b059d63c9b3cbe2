"""The project's own SQL, compiled once by dbt and then run in memory on rows: a build in a fraction of a second.

dbt renders every model for one set of vars; running what it rendered, in dbt's own order, needs nothing but DuckDB.
So a property can look at thousands of small companies, where a dbt run of each would take seconds.

As a program (`python compiled_project.py FOLDER`) it does the dbt part, in a process of its own: dbt keeps state, and moves to
the project's folder.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import yaml

PROJECT = Path(__file__).resolve().parents[2]
DATABASE = "compiled"
AS_OF_MARK = "2001-02-03 04:05:06"
SINCE_MARK = "2001-02-03 04:05:05"
ZONE_MARK = "Compiled/Zone"
CALENDAR_MARK = "compiled_calendar"
TOLERANCE_MARK = "0.123456"
# Rows of one insert: the time to plan one grows faster than its rows.
AT_ONCE = 200

Row = dict[str, Any]
Tables = Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class Kind:
    """The settings on which the text of the models depends; every other one is filled in afterwards."""

    has_as_of: bool
    is_in_utc: bool
    pacing: str
    is_increment: bool = False

    @classmethod
    def of(cls, settings: Any, is_increment: bool = False) -> "Kind":
        """The kind of settings that have the attributes of the reference's Settings."""
        return cls(settings.as_of is not None, settings.reporting_time_zone == "UTC", settings.pacing, is_increment)

    def variables(self) -> dict[str, Any]:
        """The dbt vars that compile a project of this kind."""
        return {
            "as_of": AS_OF_MARK if self.has_as_of else "",
            "reporting_time_zone": "UTC" if self.is_in_utc else ZONE_MARK,
            "default_calendar": CALENDAR_MARK,
            "pacing": self.pacing,
            "pace_tolerance": float(TOLERANCE_MARK),
            **({"compile_as_increment": SINCE_MARK} if self.is_increment else {}),
        }


KINDS = [
    *(Kind(*values) for values in product((True, False), (True, False), ("calendar_days", "business_days"))),
    # A run that goes on from an earlier one, always with an `as_of` of its own.
    *(Kind(True, *values, True) for values in product((True, False), ("calendar_days", "business_days"))),
]


@dataclass(frozen=True)
class Model:
    """A model as dbt compiled it.

    Attributes:
        is_kept: whether it is kept from run to run: what it holds of the leads of a batch is replaced.
        also_replaced: conditions on the other rows that a run replaces.
        is_added_to: whether a kept model loses nothing, and gets rows alone.
    """

    schema: str
    name: str
    sql: str
    is_kept: bool = False
    also_replaced: Sequence[str] = ()
    is_added_to: bool = False

    def sql_for(self, settings: Any, since: datetime | None = None) -> str:
        """The query of the model under settings of the kind that it was compiled for, going on from a run as of `since`."""
        sql = self.sql.replace(CALENDAR_MARK, settings.default_calendar).replace(
            ZONE_MARK, settings.reporting_time_zone
        )
        sql = sql.replace(TOLERANCE_MARK, str(settings.pace_tolerance))
        if since is not None:
            sql = sql.replace(SINCE_MARK, since.isoformat(sep=" "))
        return sql.replace(AS_OF_MARK, settings.as_of.isoformat(sep=" ")) if settings.as_of is not None else sql


# --- compiling --------------------------------------------------------------------------------------------------------


@lru_cache
def compiled() -> dict[Kind, tuple[Model, ...]]:
    """The models of each kind, in an order in which each one finds what it reads.

    Raises:
        RuntimeError: dbt could not compile the project; the message holds what dbt said.
    """
    with tempfile.TemporaryDirectory() as folder:
        finished = subprocess.run(
            [sys.executable, __file__, folder],
            cwd=PROJECT,
            env={
                **os.environ,
                "DBT_PROFILES_DIR": str(PROJECT),
                "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
                "LEAD_SLA_WAREHOUSE": f"{folder}/{DATABASE}.duckdb",
            },
            capture_output=True,
            text=True,
        )
        if finished.returncode:
            raise RuntimeError(f"dbt could not compile the project:\n{finished.stdout}{finished.stderr}")
        kinds = json.loads((Path(folder) / "compiled.json").read_text())
    return {Kind(*kind): tuple(Model(*model) for model in models) for kind, models in kinds}


def _compile(folder: str) -> None:
    """Compile the project for every kind with one parse, and leave the models in `folder`/compiled.json."""
    from dbt.cli.main import dbtRunner

    options = ["--target-path", folder, "--log-path", folder]
    parsed = dbtRunner().invoke(["parse", *options])
    kinds = []
    for kind in KINDS if parsed.success else []:
        command = [
            "compile",
            *options,
            "--no-introspect",
            "--no-populate-cache",
            "--select",
            "resource_type:model",
            "--indirect-selection",
            "empty",
        ]
        outcome = dbtRunner(manifest=parsed.result).invoke([*command, "--vars", json.dumps(kind.variables())])
        if outcome.success:
            kinds.append(
                (
                    astuple(kind),
                    _in_order(result.node for result in outcome.result if result.node.resource_type == "model"),
                )
            )
    if len(kinds) < len(KINDS):
        sys.exit(1)
    (Path(folder) / "compiled.json").write_text(json.dumps(kinds))


def _in_order(nodes: Iterable[Any]) -> list[tuple[Any, ...]]:
    waiting = {node.unique_id: node for node in nodes}
    models = []
    while waiting:
        for key in sorted(key for key, node in waiting.items() if not waiting.keys() & set(node.depends_on.nodes)):
            node = waiting.pop(key)
            is_kept = node.config.materialized == "incremental"
            also_replaced = node.config.get("incremental_predicates") or []
            is_added_to = is_kept and node.config.incremental_strategy == "append"
            models.append((node.schema, node.name, node.compiled_code, is_kept, also_replaced, is_added_to))
    return models


# --- building ---------------------------------------------------------------------------------------------------------


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


def connect() -> duckdb.DuckDBPyConnection:
    """A database in memory with the schemas of the project, under the settings of its profile."""
    profile = yaml.safe_load((PROJECT / "profiles.yml").read_text())
    connection = duckdb.connect(config={"threads": 1})
    for name, value in profile["lead_sla"]["outputs"]["duckdb"]["settings"].items():
        if name == "memory_limit":  # of the machine, and no matter of what comes out
            continue
        connection.execute(f"set {name} = '{value}'")
    connection.execute(f"attach ':memory:' as {DATABASE}")
    for schema in ("raw", "policy", "staging", "intermediate", "marts"):
        connection.execute(f"create schema {DATABASE}.{schema}")
    return connection


def fill(connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
    """Make (or replace) a table with the given rows; a column that a row does not name is null."""
    declared = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    connection.execute(f"create or replace table {table} ({declared})")
    for first in range(0, len(rows), AT_ONCE):
        some = rows[first : first + AT_ONCE]
        values = ", ".join(f"({', '.join('?' for _ in columns)})" for _ in some)
        connection.execute(f"insert into {table} values {values}", [row.get(name) for row in some for name in columns])


def build(
    connection: duckdb.DuckDBPyConnection,
    raw: Tables,
    policy: Tables,
    settings: Any,
    models: Sequence[Model] | None = None,
) -> None:
    """Build every model from rows: nothing of an earlier build remains.

    Args:
        connection: of `connect`.
        raw: rows of the raw tables; one that is not named is empty.
        policy: rows of the policy seeds.
        settings: an object with the attributes of the reference's Settings.
        models: edited models to build instead of the project's own.
    """
    for name, columns in raw_columns().items():
        fill(connection, f"{DATABASE}.raw.{name}", columns, raw.get(name, ()))
    for name, columns in policy_columns().items():
        fill(connection, f"{DATABASE}.policy.{name}", columns, policy.get(name, ()))
    build_models(connection, settings, models)


def build_models(connection: duckdb.DuckDBPyConnection, settings: Any, models: Sequence[Model] | None = None) -> None:
    """Build every model from the raw tables and seeds that are there."""
    for model in compiled()[Kind.of(settings)] if models is None else models:
        connection.execute(
            f'create or replace table {DATABASE}.{model.schema}."{model.name}" as {model.sql_for(settings)}'
        )


def build_increment(
    connection: duckdb.DuckDBPyConnection, raw: Tables, new: Tables, settings: Any, since: datetime
) -> None:
    """Go on from the build that is there, as a run does that rebuilds what has changed.

    Args:
        connection: of `connect`, after `build` or another increment, under the same agreement and settings but `as_of`.
        raw: all rows of the raw tables.
        new: those of them that the build that is there has not seen, or was not to see yet.
        settings: an object with the attributes of the reference's Settings; `as_of` is given.
        since: `as_of` of the build that is there.
    """
    for name, columns in raw_columns().items():
        fill(connection, f"{DATABASE}.raw.{name}", columns, raw.get(name, ()))
        fill(connection, f"{DATABASE}.raw.new_{name}", columns, new.get(name, ()))
    for model in compiled()[Kind.of(settings, is_increment=True)]:
        name, sql = f'{DATABASE}.{model.schema}."{model.name}"', model.sql_for(settings, since)
        if not model.is_kept:
            connection.execute(f"create or replace table {name} as {sql}")
            continue
        if model.is_added_to:
            connection.execute(f"insert into {name} by name {sql}")
            continue
        replaced = [f"lead_id in (select lead_id from {DATABASE}.staging.stg_crm__batch)", *model.also_replaced]
        connection.execute(f"create or replace temp table rows_of_the_batch as {sql}")
        connection.execute(f"delete from {name} where {' or '.join(f'({each})' for each in replaced)}")
        connection.execute(f"insert into {name} by name from rows_of_the_batch")


def rows_of(connection: duckdb.DuckDBPyConnection, mart: str, database: str = DATABASE) -> list[Row]:
    """All rows of a mart."""
    result = connection.execute(f"select * from {database}.marts.{mart}")
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def marts() -> list[str]:
    """The names of all marts."""
    return [model.name for model in compiled()[KINDS[0]] if model.schema == "marts"]


@lru_cache
def _shared_connection() -> duckdb.DuckDBPyConnection:
    # A connection that outlives the interpreter makes DuckDB complain at the very end.
    atexit.register(_shared_connection.cache_clear)
    return connect()


def build_rows(raw: Tables, policy: Tables, settings: Any, wanted: Iterable[str] | None = None) -> dict[str, list[Row]]:
    """The marts that the project makes of rows; all of them where none is named."""
    connection = _shared_connection()
    build(connection, raw, policy, settings)
    return {mart: rows_of(connection, mart) for mart in (wanted if wanted is not None else marts())}


if __name__ == "__main__":
    _compile(sys.argv[1])
