"""Landed Parquet into schema `raw` of an engine with tables of its own: every file once, and nothing is ever taken back.

`raw._loaded_files` remembers each file by its name, size and time. The files of a table and what is remembered of them come in
one transaction, so that a load which breaks off leaves nothing half-loaded, and the next one goes on where it ended.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from lead_sla.errors import Busy, LeadSlaError, RefusedInput, explain, translate
from lead_sla.gate.contract import Column, Table, read_contract
from lead_sla.publish_postgres import Target
from lead_sla.raw import check, landed
from lead_sla.settings import Settings

try:
    import psycopg2
    from psycopg2.sql import SQL, Composable, Identifier
except ImportError:  # an extra: not everybody has a Postgres
    psycopg2 = None

SCHEMA, MEMORY = "raw", "_loaded_files"
# The landed types that can stand for a type of the contract without losing anything: as in macros/engines/duckdb_raw_tables.sql.
FITS: Mapping[str, Sequence[str]] = {
    "varchar": ["VARCHAR", "UUID", "ENUM"],
    "boolean": ["BOOLEAN"],
    "date": ["DATE"],
    "bigint": ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"],
    "timestamp": ["TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"],
    "decimal": ["DECIMAL", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE"],
}
READ = "read_parquet(?, hive_partitioning = false)"
_EPOCH = datetime(1970, 1, 1)
Report = Callable[[str], None]


@dataclass(frozen=True, order=True)
class LandedFile:
    """A file as it is remembered.

    Attributes:
        name: its path below the table's folder, with `/` on every system.
        bytes: its size.
        modified_at: when it was last written, UTC, without a zone, to the microsecond.
    """

    name: str
    bytes: int
    modified_at: datetime

    @classmethod
    def of(cls, path: Path, folder: Path) -> LandedFile:
        """Look at a file."""
        found = path.stat()
        modified_at = _EPOCH + timedelta(microseconds=found.st_mtime_ns // 1000)
        return cls(path.relative_to(folder).as_posix(), found.st_size, modified_at)


@dataclass(frozen=True)
class Loaded:
    """What a load did with one table.

    Attributes:
        table: its name.
        files: how many files were loaded.
        rows: the rows that they brought.
        known: how many files had been loaded before.
        changed: names of files that had been loaded with another size or time: only rows that the table did not have were added.
        gone: names of files that had been loaded and are no longer there: their rows stay.
    """

    table: str
    files: int
    rows: int
    known: int
    changed: tuple[str, ...]
    gone: tuple[str, ...]

    def findings(self) -> list[str]:
        """What people should know, in sentences."""
        told = []
        if self.changed:
            told.append(
                f"{self.table}: {_named(self.changed)} changed after being loaded: the rows that the table did not have were added, "
                "and none was taken back"
            )
        if self.gone:
            told.append(f"{self.table}: {_named(self.gone)} loaded once, and gone since: the rows stay")
        return told


def load_into_postgres(
    settings: Settings, environ: Mapping[str, str] = os.environ, doing: Report = lambda text: None
) -> list[Loaded]:
    """Bring what was landed since the last load into schema `raw` of a Postgres database.

    Tables are made from the raw contract; what is optional there and was not landed is there too, empty.

    Args:
        settings: say where the raw files and the contract lie.
        environ: the environment variables that name the database, as for psql (PGHOST, PGDATABASE ...).
        doing: told in a few words what happens now.

    Returns:
        What was done, a table each, in the order of the contract.

    Raises:
        RefusedInput: what was landed does not fit the contract. Tables before the one that is named have been loaded.
        Busy: another load is going on.
        LeadSlaError: the database did not take it; likewise.
    """
    if psycopg2 is None:
        raise LeadSlaError(
            "The driver for Postgres is not installed", todo="pip install 'lead-sla[postgres]' (or psycopg2-binary)"
        )
    target = Target.from_environment(environ)
    doing("looking at what was landed")
    tables = {table.name: table for table in landed(settings.project, settings.raw)}
    try:
        with closing(_connect(target)) as connection, duckdb.connect() as source:
            source.execute("set TimeZone = 'UTC'")
            remembered = _prepare(connection, read_contract(settings.project))
            # A table whose files were all cleared away since is still a table.
            check(settings.raw, [table for name, table in tables.items() if table.files or not remembered[name]])
            return [
                _load(connection, source, settings.raw, table, tables[table.name].files, doing)
                for table in read_contract(settings.project)
            ]
    except psycopg2.errors.LockNotAvailable:
        raise Busy("Another load is going on", where=f"schema {SCHEMA}", todo="wait until it ends") from None
    except psycopg2.Error as error:
        raise _explain(error) from error
    except duckdb.Error as error:
        raise explain(error, "Reading the landed files") from error


def _connect(target: Target) -> Any:
    return psycopg2.connect(
        **{"connect_timeout": "10", **target.connection},
        application_name="lead-sla",
        client_encoding="UTF8",
        options="-c timezone=UTC -c datestyle=ISO",
    )


def _prepare(connection: Any, contract: Sequence[Table]) -> dict[str, bool]:
    """Make the schema, its tables and the columns that they do not have yet.

    Returns:
        Whether anything has ever been loaded, by table.
    """
    with connection, connection.cursor() as cursor:
        # One at a time: two that make the same schema would get in each other's way.
        cursor.execute("select pg_advisory_xact_lock(hashtext('lead-sla load'))")
        cursor.execute(SQL("create schema if not exists {}").format(Identifier(SCHEMA)))
        cursor.execute(
            SQL(
                "create table if not exists {} (table_name text, file_name text, bytes bigint, modified_at timestamp,"
                " row_count bigint, loaded_at timestamp, primary key (table_name, file_name, bytes, modified_at))"
            ).format(Identifier(SCHEMA, MEMORY))
        )
        for table in contract:
            cursor.execute(
                "select column_name from information_schema.columns where table_schema = %s and table_name = %s",
                (SCHEMA, table.name),
            )
            there = {name for (name,) in cursor.fetchall()}
            missing = [column for column in table.columns if column.name not in there]
            if not there:
                columns = SQL(", ").join(map(_definition, missing))
                cursor.execute(SQL("create table {} ({})").format(Identifier(SCHEMA, table.name), columns))
            elif missing:
                columns = SQL(", ").join(SQL("add column {}").format(_definition(column)) for column in missing)
                cursor.execute(SQL("alter table {} {}").format(Identifier(SCHEMA, table.name), columns))
        cursor.execute(SQL("select distinct table_name from {}").format(Identifier(SCHEMA, MEMORY)))
        known = {name for (name,) in cursor.fetchall()}
    return {table.name: table.name in known for table in contract}


def _definition(column: Column) -> Composable:
    # Texts are ordered by their bytes, as in DuckDB, and not by the language of the database: ids break ties.
    order = ' collate "C"' if column.data_type == "varchar" else ""
    return SQL("{} {}").format(Identifier(column.name), SQL(column.data_type + order))


def _load(
    connection: Any,
    source: duckdb.DuckDBPyConnection,
    raw: Path,
    table: Table,
    paths: Sequence[Path],
    doing: Report,
) -> Loaded:
    """Load what is new of one table, in one transaction."""
    folder, memory = raw / table.name, Identifier(SCHEMA, MEMORY)
    with connection, connection.cursor() as cursor:
        # Whoever reads the tables is not kept from it; a second load ends here, before it knows what the first one loads.
        cursor.execute(SQL("lock table {} in share row exclusive mode nowait").format(memory))
        query = SQL("select file_name, bytes, modified_at from {} where table_name = %s").format(memory)
        cursor.execute(query, (table.name,))
        remembered = {LandedFile(*row) for row in cursor.fetchall()}
        names = {file.name for file in remembered}
        files = {LandedFile.of(path, folder): path for path in paths}
        new = [file for file in files if file not in remembered]
        rows = 0
        for number, file in enumerate(new, 1):
            doing(f"loading {table.name}: file {number} of {len(new)}, {rows:,} rows so far")
            count = _copy(source, cursor, table, files[file], is_new=file.name not in names)
            if LandedFile.of(files[file], folder) != file:
                raise LeadSlaError(
                    f"A file of {table.name} changed while it was being loaded",
                    where=str(files[file]),
                    todo="let the loader write it under another name and rename it when it is complete; then run this again",
                )
            cursor.execute(
                SQL("insert into {} values (%s, %s, %s, %s, %s, %s)").format(memory),
                (table.name, file.name, file.bytes, file.modified_at, count, datetime.now(UTC).replace(tzinfo=None)),
            )
            rows += count
        if new:
            cursor.execute(SQL("analyze {}").format(Identifier(SCHEMA, table.name)))
    there = {file.name for file in files}
    return Loaded(
        table.name,
        files=len(new),
        rows=rows,
        known=len(files) - len(new),
        changed=tuple(sorted(file.name for file in new if file.name in names)),
        gone=tuple(sorted(names - there)),
    )


def _copy(source: duckdb.DuckDBPyConnection, cursor: Any, table: Table, path: Path, *, is_new: bool) -> int:
    """Add the rows of a file to its table: all of them, or those that the table does not have if the file was loaded before.

    Returns:
        How many were added.
    """
    target, names = Identifier(SCHEMA, table.name), SQL(", ").join(Identifier(column.name) for column in table.columns)
    with tempfile.TemporaryDirectory(prefix="lead_sla_load_") as folder:
        # Every value is in quotes and NULL is not, which tells NULL from an empty text.
        csv = Path(folder) / "rows.csv"
        source.execute(
            f"copy ({_select(source, table, path)}) to '{csv}' (format csv, header false, force_quote *, nullstr '')",
            [str(path)],
        )
        with csv.open("rb") as file:
            if is_new:
                cursor.copy_expert(SQL("copy {} ({}) from stdin (format csv)").format(target, names), file)
                return cursor.rowcount
            again = Identifier(f"{table.name}_again")
            cursor.execute(
                SQL("create temporary table {} on commit drop as select {} from {} where false").format(
                    again, names, target
                )
            )
            cursor.copy_expert(SQL("copy {} ({}) from stdin (format csv)").format(again, names), file)
    cursor.execute(
        SQL(
            "insert into {target} ({names}) select {names} from {again} except"
            " select {names} from {target} where _loaded_at >= (select min(_loaded_at) from {again})"
        ).format(target=target, names=names, again=again)
    )
    added = cursor.rowcount
    cursor.execute(SQL("drop table {}").format(again))
    return added


def _select(source: duckdb.DuckDBPyConnection, table: Table, path: Path) -> str:
    """Give the query (with a parameter for the path) that reads a file under the names and types of the contract.

    Raises:
        RefusedInput: it does not fit the contract.
    """
    selected = []
    for column, (name, _) in zip(table.columns, landed_columns(source, table, path), strict=True):
        quoted = '"' + name.replace('"', '""') + '"'
        selected.append(f"cast({quoted if name else 'null'} as {column.data_type}) as {column.name}")
    return f"select {', '.join(selected)} from {READ}"


def landed_columns(source: duckdb.DuckDBPyConnection, table: Table, path: Path) -> list[tuple[str, str]]:
    """Look up the columns of the contract in a landed file.

    Returns:
        Name and DuckDB's type there, a column of the contract each; both empty where null stands for the column.

    Raises:
        RefusedInput: the file does not fit the contract.
    """
    described = source.execute(f"describe select * from {READ}", [str(path)]).fetchall()
    types = {name.lower(): (name, type_) for name, type_, *_ in described}
    found = []
    for column in table.columns:
        name, type_ = types.get(column.name.lower(), ("", ""))
        if not name and not column.is_optional:
            raise RefusedInput(
                f"Table {table.name} has no column {column.name} ({column.data_type}) in a file",
                where=str(path),
                todo="land it, or map it in staging",
            )
        if name and type_.split("(")[0] not in FITS[column.data_type.split("(")[0]]:
            quoted = '"' + name.replace('"', '""') + '"'
            # A loader that never saw a value often guesses another type: a column of nulls alone fits every type.
            if source.execute(f"select 1 from {READ} where {quoted} is not null limit 1", [str(path)]).fetchone():
                is_zoned = "WITH TIME ZONE" in type_
                raise RefusedInput(
                    f"Column {column.name} of table {table.name} is {type_} in a file, where the contract says {column.data_type}",
                    where=str(path),
                    todo="land UTC timestamps without a zone" if is_zoned else "land it in the type of the contract",
                )
            name, type_ = "", ""
        found.append((name, type_))
    return found


def _named(names: Sequence[str]) -> str:
    """Name files: the first three, and how many more."""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} {'was' if len(names) == 1 else 'were'}"


def _explain(error: Exception) -> LeadSlaError:
    """Put what Postgres said into our words. libpq names host and user in its messages, and never the password."""
    if known := translate(str(error)):
        return known
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, psycopg2.errors.InsufficientPrivilege):
        todo = f"let the user create schemas in the database, and own schema {SCHEMA}"
    elif isinstance(error, psycopg2.OperationalError):
        todo = "see whether the database is up and PGHOST, PGPORT, PGDATABASE, PGUSER and PGPASSWORD are right, then run this again"
    else:
        todo = "mend what the database says, then run this again: whatever was loaded is not loaded twice"
    return LeadSlaError(f"Postgres did not take the landed files: {said}", where=f"schema {SCHEMA}", todo=todo)
