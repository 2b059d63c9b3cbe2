"""Landed Parquet files, brought into schema `raw` of Spark: each file once, nothing taken back.

What a load brings of a table is one partition of it, `load_number`, which is replaced as a whole: a load that broke off before its
files were written down is made again, with the same number, in the same place. Executors read the files and write the
tables; the driver sees names of files.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import yaml
from jinja2 import Template

from lead_sla.errors import LeadSlaError, RefusedInput, explain
from lead_sla.gate.contract import Table, read_contract
from lead_sla.load import MEMORY, SCHEMA, LandedFile, Loaded, Report, landed_columns
from lead_sla.lock import only_one
from lead_sla.raw import check, landed
from lead_sla.settings import Settings

try:
    from pyspark.errors import PySparkException, PySparkRuntimeError
    from pyspark.sql import SparkSession
except ImportError:  # an environment of its own: deploy/spark
    SparkSession = None

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

LOCK = "load_spark.lock"


def load_into_spark(
    settings: Settings, environ: Mapping[str, str] = os.environ, doing: Report = lambda text: None
) -> list[Loaded]:
    """Bring what was landed since the last load into schema `raw` of Spark.

    Tables are made from the raw contract; what is optional there and was not landed is there too, empty.

    Args:
        settings: say where the raw files, the contract and the state lie. Every executor must be able to read the raw files.
        environ: the environment variables that profiles.yml asks for (LEAD_SLA_SPARK_HOME ...).
        doing: told in a few words what happens now.

    Returns:
        What was done, a table each, in the order of the contract.

    Raises:
        RefusedInput: what was landed does not fit the contract. Tables before the one that is named have been loaded.
        Busy: another load is going on.
        LeadSlaError: Spark is not there, or did not take it; likewise.
    """
    if SparkSession is None:
        raise LeadSlaError(
            "Spark is not installed in this environment",
            todo="run this with the lead-sla of Spark's own environment, which deploy/spark/environment.sh makes (docs/engines.md)",
        )
    doing("looking at what was landed")
    tables = {table.name: table for table in landed(settings.project, settings.raw)}
    contract = read_contract(settings.project)
    with only_one(settings.state / LOCK, "A load into Spark"):
        try:
            doing("starting Spark")
            spark = open_session(settings.project, environ)
            with duckdb.connect() as source:
                remembered = _prepare(spark, contract)
                # A table whose files were all cleared away since is still a table.
                check(settings.raw, [table for name, table in tables.items() if table.files or not remembered[name]])
                return [
                    _load(spark, source, settings.raw, table, tables[table.name].files, remembered[table.name], doing)
                    for table in contract
                ]
        except PySparkException as error:
            raise _explain(error) from error
        except duckdb.Error as error:
            raise explain(error, "Reading the landed files") from error


def open_session(project: Path, environ: Mapping[str, str] = os.environ) -> SparkSession:
    """Open the session that target `spark` of profiles.yml describes, so that loads and builds see the same tables."""
    page = Path(environ.get("DBT_PROFILES_DIR") or project) / "profiles.yml"
    output = yaml.safe_load(page.read_text(encoding="utf-8"))["lead_sla"]["outputs"]["spark"]
    home = Path(environ.get("LEAD_SLA_SPARK_HOME") or project / "data/spark").absolute()
    given = {**environ, "LEAD_SLA_SPARK_HOME": str(home)}
    builder = SparkSession.builder.enableHiveSupport()
    for name, value in output["server_side_parameters"].items():
        builder = builder.config(name, Template(value).render(env_var=lambda key, default="": given.get(key, default)))
    spark = builder.getOrCreate()
    # Nanoseconds come as numbers (see _expression); what does not fit its type is an error here, and no null.
    spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    spark.conf.set("spark.sql.ansi.enabled", "true")
    spark.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")
    # The files have been looked at already: no job of its own that does it again.
    spark.conf.set("spark.sql.sources.parallelPartitionDiscovery.threshold", "100000")
    return spark


def _prepare(spark: SparkSession, contract: Sequence[Table]) -> dict[str, list[Any]]:
    """Make the schema, its tables and the columns that they do not have yet.

    Returns:
        What was ever loaded, by table: rows of the memory.
    """
    spark.sql(f"create schema if not exists {SCHEMA}")
    spark.sql(
        f"create table if not exists {SCHEMA}.{MEMORY} (file_name string, bytes bigint, modified_at timestamp,"
        " load bigint, loaded_at timestamp, table_name string) using parquet partitioned by (table_name)"
    )
    for table in contract:
        name = f"{SCHEMA}.{table.name}"
        columns = [f"{column.name} {_type(column.data_type)}" for column in table.columns]
        spark.sql(
            f"create table if not exists {name} ({', '.join(columns)}, load_number bigint) using parquet partitioned by (load_number)"
        )
        there = {column.lower() for column in spark.table(name).columns}
        missing = [text for text, column in zip(columns, table.columns, strict=True) if column.name not in there]
        if missing:
            spark.sql(f"alter table {name} add columns ({', '.join(missing)})")
    remembered: dict[str, list[Any]] = {table.name: [] for table in contract}
    for row in spark.table(f"{SCHEMA}.{MEMORY}").collect():
        remembered.setdefault(row.table_name, []).append(row)
    return remembered


def _load(
    spark: SparkSession,
    source: duckdb.DuckDBPyConnection,
    raw: Path,
    table: Table,
    paths: Sequence[Path],
    remembered: Sequence[Any],
    doing: Report,
) -> Loaded:
    """Load what is new of one table, as one partition."""
    folder, name = raw / table.name, f"{SCHEMA}.{table.name}"
    known = {LandedFile(row.file_name, row.bytes, row.modified_at) for row in remembered}
    names = {file.name for file in known}
    files = {LandedFile.of(path, folder): path for path in paths}
    new = [file for file in files if file not in known]
    rows = 0
    if new:
        doing(f"loading {table.name}: {len(new):,} files")
        load = max((row.load for row in remembered), default=0) + 1
        columns = ", ".join(column.name for column in table.columns)
        parts = []
        if fresh := [files[file] for file in new if file.name not in names]:
            _read(spark, source, table, fresh).createOrReplaceTempView("landed_new")
            parts.append(f"select {columns} from landed_new")
        if again := [files[file] for file in new if file.name in names]:
            _read(spark, source, table, again).createOrReplaceTempView("landed_again")
            parts.append(
                f"(select {columns} from landed_again except select {columns} from {name} where load_number <> {load}"
                " and _loaded_at >= (select min(_loaded_at) from landed_again))"
            )
        query = " union all ".join(parts)
        spark.sql(
            f"insert overwrite table {name} partition (load_number) ({columns}, load_number) select *, {load} from ({query}) as rows"
        )
        rows = spark.table(name).where(f"load_number = {load}").count()
        for file in new:
            if LandedFile.of(files[file], folder) != file:
                raise LeadSlaError(
                    f"A file of {table.name} changed while it was being loaded",
                    where=str(files[file]),
                    todo="let the loader write it under another name and rename it when it is complete; then run this again",
                )
        loaded_at = datetime.now(UTC).replace(tzinfo=None)
        told = [(file.name, file.bytes, file.modified_at, load, loaded_at, table.name) for file in new]
        schema = spark.table(f"{SCHEMA}.{MEMORY}").schema
        spark.createDataFrame(told, schema).coalesce(1).write.insertInto(f"{SCHEMA}.{MEMORY}")
    return Loaded(
        table.name,
        files=len(new),
        rows=rows,
        known=len(files) - len(new),
        changed=tuple(sorted(file.name for file in new if file.name in names)),
        gone=tuple(sorted(names - {file.name for file in files})),
    )


def _read(spark: SparkSession, source: duckdb.DuckDBPyConnection, table: Table, paths: Sequence[Path]) -> DataFrame:
    """Read files under the names and types of the contract; those that name and type their columns alike at once.

    Raises:
        RefusedInput: one does not fit the contract.
    """
    alike: dict[tuple[tuple[str, str], ...], list[str]] = defaultdict(list)
    for path in paths:
        found = landed_columns(source, table, path)
        for column, (_, type_) in zip(table.columns, found, strict=True):
            if type_ == "UUID":
                raise RefusedInput(
                    f"Column {column.name} of table {table.name} is UUID in a file, which Spark does not read",
                    where=str(path),
                    todo="land it as text",
                )
        alike[tuple(found)].append(str(path))
    read = [
        spark.read.option("recursiveFileLookup", "true")  # the folders' names are no columns
        .parquet(*files)
        .selectExpr(
            *(
                f"cast({_expression(*column)} as {_type(wanted.data_type)}) as {wanted.name}"
                for wanted, column in zip(table.columns, columns, strict=True)
            )
        )
        for columns, files in alike.items()
    ]
    whole = read[0]
    for part in read[1:]:
        whole = whole.unionAll(part)
    return whole


def _expression(name: str, type_: str) -> str:
    """Give what reads a landed column (its name and DuckDB's type, both empty for none) in Spark's SQL."""
    if not name:
        return "null"
    quoted = "`" + name.replace("`", "``") + "`"
    return f"timestamp_micros(cast(floor({quoted} / 1000bd) as bigint))" if type_ == "TIMESTAMP_NS" else quoted


def _type(data_type: str) -> str:
    """Give Spark's word for a type of the contract: a `varchar` has a length there."""
    return "string" if data_type == "varchar" else data_type


def _explain(error: Exception) -> LeadSlaError:
    """Put what Spark said into our words: its first line says what, the rest is a plan."""
    said = str(error).strip().splitlines()[0]
    if isinstance(error, PySparkRuntimeError) and "JAVA_GATEWAY" in str(error):
        return LeadSlaError(
            "Spark did not start: it needs Java 17 or newer", todo="install one (on Debian: openjdk-17-jre-headless)"
        )
    return LeadSlaError(
        f"Spark did not take the landed files: {said}",
        where=f"schema {SCHEMA}",
        todo="mend what Spark says, then run this again: whatever was loaded is not loaded twice",
    )
