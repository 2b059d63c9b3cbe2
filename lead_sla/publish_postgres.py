"""The published marts in a Postgres database too: built aside, counted, then swapped in by one transaction.

    <schema>_next   being built; nobody but its owner may look into it
    <schema>        what readers see: renamed from <schema>_next
    <schema>_old    what readers saw before; dropped at once

Whoever has read a mart in a transaction keeps what he sees to its end: the swap waits for it. No reader ever waits for longer than a
second. The schema belongs to the publisher: whatever else is put into it goes with the next version.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import duckdb
import yaml

from lead_sla.errors import LeadSlaError, RefusedInput, explain
from lead_sla.publish import SCHEMA, PublishedRun
from lead_sla.settings import find_project

try:
    import psycopg2
    from psycopg2.sql import SQL, Composable, Identifier, Literal
except ImportError:  # an extra: not everybody has a Postgres
    psycopg2 = None

SCHEMA_VARIABLE, READER_VARIABLE = "LEAD_SLA_POSTGRES_SCHEMA", "LEAD_SLA_POSTGRES_READER"
APPLICATION = "lead-sla"
# The comment of a schema of ours begins with it. Nothing else is ever dropped.
_OURS = "Lead SLA marts of run "
# Any number that no other program is likely to lock by.
_LOCK = 1_279_607_617
# For so long the swap waits for readers to end their transactions.
PATIENCE_SECONDS = 300.0
_PAUSE_SECONDS = 2.0
_GRACE_SECONDS = 3.0
# Less than Postgres' deadlock_timeout of a second: a reader who waits for us while we wait for him is never the one to be cancelled.
_LOCK_TIMEOUT_MS, _SWAP_TIMEOUT_MS = 500, 900

_PASSED_ON = {
    "PGHOST": "host",
    "PGHOSTADDR": "hostaddr",
    "PGPORT": "port",
    "PGDATABASE": "dbname",
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGPASSFILE": "passfile",
    "PGSERVICE": "service",
    "PGSSLMODE": "sslmode",
    "PGSSLROOTCERT": "sslrootcert",
    "PGCONNECT_TIMEOUT": "connect_timeout",
}
_TYPES = {
    "BOOLEAN": "boolean",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "HUGEINT": "numeric(38, 0)",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "VARCHAR": "text",
    "DATE": "date",
    "TIMESTAMP": "timestamp without time zone",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
}
# Besides the primary keys: what people look a single lead up by, and cut long facts by. Everything else is small enough to be read whole.
_INDEXES: Mapping[str, Sequence[Sequence[str]]] = {
    "fct_sales_sla_obligations": (("lead_id",), ("due_at",)),
    "fct_sales_touches": (("lead_id",), ("occurred_date",)),
    "fct_marketing_credits": (("lead_id",), ("credited_date",)),
}

Report = Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """The database and the schema that the marts go to.

    Attributes:
        connection: what libpq is told, under its own names; anything else is as libpq finds it.
        schema: what readers see.
        reader: the role that may read it; empty for none.
    """

    connection: Mapping[str, str] = field(repr=False)
    schema: str
    reader: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Target:
        """Read libpq's own variables (PGHOST, PGDATABASE ...), LEAD_SLA_POSTGRES_SCHEMA and LEAD_SLA_POSTGRES_READER.

        Raises:
            RefusedInput: no database is named, or the schema's name is none.
        """
        connection = {name: environ[variable] for variable, name in _PASSED_ON.items() if environ.get(variable)}
        if not {"dbname", "service"} & connection.keys():
            raise RefusedInput(
                "No Postgres database is named",
                where="PGDATABASE",
                todo="set PGHOST, PGPORT, PGDATABASE, PGUSER and PGPASSWORD (or PGPASSFILE), as for psql",
            )
        schema = environ.get(SCHEMA_VARIABLE) or SCHEMA
        # With its ending _next it has to fit into the 63 bytes of a name.
        if not re.fullmatch(r"(?!pg_)[a-z_][a-z0-9_]{0,57}", schema):
            raise RefusedInput(
                f"{schema!r} is no name for a schema",
                where=SCHEMA_VARIABLE,
                todo="take up to 58 small letters, digits and _, such as marts",
            )
        return cls(connection, schema, environ.get(READER_VARIABLE, ""))

    @property
    def next(self) -> str:
        """The schema that is built aside."""
        return f"{self.schema}_next"

    @property
    def old(self) -> str:
        """The schema of what readers saw before."""
        return f"{self.schema}_old"


@dataclass(frozen=True)
class Mart:
    """One table of the published run: name, comment, and its columns as (name, Postgres type, comment)."""

    name: str
    comment: str | None
    columns: Sequence[tuple[str, str, str | None]]

    def has(self, columns: Sequence[str]) -> bool:
        """Does it have all of these columns?"""
        return set(columns) <= {name for name, _, _ in self.columns}


def publish_to_postgres(
    run: PublishedRun, environ: Mapping[str, str] = os.environ, doing: Report = lambda text: None
) -> dict[str, int]:
    """Copy the marts of a published run into Postgres, and make them what its readers see.

    Args:
        run: the run, whose DuckDB file is read.
        environ: the environment variables that name database, schema and reader.
        doing: told in a few words what happens now.

    Returns:
        The rows of each mart, as counted in Postgres.

    Raises:
        LeadSlaError: nothing was published, and readers see what they saw before.
    """
    if psycopg2 is None:
        raise LeadSlaError(
            "The driver for Postgres is not installed", todo="pip install 'lead-sla[postgres]' (or psycopg2-binary)"
        )
    target = Target.from_environment(environ)
    if not run.is_intact():
        raise LeadSlaError(
            "The published run is damaged", where=str(run.folder), todo="publish it again: lead-sla build"
        )
    doing("connecting to Postgres")
    try:
        with closing(_connect(target)) as connection:
            _be_alone(connection, target)
            _check(connection, target)
            try:
                rows = _build(connection, run, target, doing)
                _swap(connection, target, doing)
            except BaseException:
                _drop(connection, target.next)
                raise
            _drop(connection, target.old)
            return rows
    except psycopg2.Error as error:
        raise _explain(error, target) from error
    except duckdb.Error as error:
        raise explain(error, "Reading the published marts") from error


def _connect(target: Target) -> Any:
    settings = {
        "timezone": "UTC",
        "datestyle": "ISO",
        "statement_timeout": "0",
        "lock_timeout": f"{_LOCK_TIMEOUT_MS}ms",
    }
    return psycopg2.connect(
        **{"connect_timeout": "10", **target.connection},
        application_name=APPLICATION,
        client_encoding="UTF8",
        options=" ".join(f"-c {name}={value}" for name, value in settings.items()),
    )


@contextmanager
def _transaction(connection: Any) -> Iterator[Any]:
    """Give a cursor whose work is committed at the end of the block, or undone."""
    with connection, connection.cursor() as cursor:
        yield cursor


def _be_alone(connection: Any, target: Target) -> None:
    """Take the lock of the schema, which ends with the connection.

    Raises:
        LeadSlaError: another publication holds it.
    """
    # The server may notice a moment late that the session of the last publication is over.
    deadline = time.monotonic() + _GRACE_SECONDS
    while True:
        with _transaction(connection) as cursor:
            cursor.execute("select pg_try_advisory_lock(%s, hashtext(%s))", (_LOCK, target.schema))
            if cursor.fetchone()[0]:
                return
            cursor.execute(
                "select pid, backend_start from pg_locks join pg_stat_activity using (pid)"
                " where locktype = 'advisory' and classid = %s and objid = hashtext(%s)::bigint & 4294967295 and granted",
                (_LOCK, target.schema),
            )
            holder = cursor.fetchone()
        if time.monotonic() >= deadline:
            break
        time.sleep(0.1)
    since = f" (process {holder[0]} of the server, since {holder[1]:%Y-%m-%d %H:%M:%S} UTC)" if holder else ""
    raise LeadSlaError(
        f"A publication to Postgres is running already{since}",
        where=f"schema {target.schema}",
        todo="wait until it ends, then run this again",
    )


def _check(connection: Any, target: Target) -> None:
    """See that nothing of anybody else's would be lost, and that the reader exists.

    Raises:
        LeadSlaError: with what is in the way.
    """
    names = [target.schema, target.next, target.old]
    with _transaction(connection) as cursor:
        cursor.execute(
            "select nspname from pg_namespace where nspname = any(%s)"
            " and coalesce(obj_description(oid, 'pg_namespace'), '') not like %s order by 1",
            (names, f"{_OURS}%"),
        )
        if foreign := [name for (name,) in cursor.fetchall()]:
            raise LeadSlaError(
                f"There is a schema {foreign[0]} already that was not published from here",
                where=SCHEMA_VARIABLE,
                todo="name another schema, or drop that one if nobody needs it",
            )
        cursor.execute(
            "select distinct format('%%I.%%I', viewed.nspname, reader.relname)"
            " from pg_depend"
            " join pg_rewrite on pg_rewrite.oid = pg_depend.objid and pg_depend.classid = 'pg_rewrite'::regclass"
            " join pg_class as reader on reader.oid = pg_rewrite.ev_class"
            " join pg_namespace as viewed on viewed.oid = reader.relnamespace"
            " join pg_class as mart on mart.oid = pg_depend.refobjid and pg_depend.refclassid = 'pg_class'::regclass"
            " join pg_namespace as ours on ours.oid = mart.relnamespace"
            " where ours.nspname = any(%s) and reader.oid <> mart.oid order by 1",
            (names,),
        )
        if views := [view for (view,) in cursor.fetchall()]:
            raise LeadSlaError(
                f"Views read the marts, and would be lost with the version that they read: {', '.join(views)}",
                where=f"schema {target.schema}",
                todo="drop them, and put their queries into the BI tool or into models of this project",
            )
        cursor.execute("select count(*) from pg_roles where rolname = %s", (target.reader,))
        if target.reader and not cursor.fetchone()[0]:
            raise LeadSlaError(
                f"There is no role {target.reader}",
                where=READER_VARIABLE,
                todo=f"create role {target.reader}; and grant it to whoever reads",
            )


def _build(connection: Any, run: PublishedRun, target: Target, doing: Report) -> dict[str, int]:
    """Make the next schema with everything in it, in one transaction: it is there whole, or not at all."""
    keys = _primary_keys(find_project())
    rows = {}
    with (
        duckdb.connect(str(run.database), read_only=True) as source,
        _transaction(connection) as cursor,
    ):
        source.execute("set TimeZone = 'UTC'")
        # Postgres is the slower one: more threads would only pile up rows in front of the pipe.
        source.execute("set threads = 1")
        source.execute("set memory_limit = '512MB'")
        for left_behind in (target.next, target.old):
            cursor.execute(SQL("drop schema if exists {} cascade").format(Identifier(left_behind)))
        cursor.execute(SQL("create schema {}").format(Identifier(target.next)))
        comment = f"{_OURS}{run.run}, as of {run.record['as_of']} UTC"
        cursor.execute(SQL("comment on schema {} is {}").format(Identifier(target.next), Literal(comment)))
        for mart in _marts(source, run):
            doing(f"copying {mart.name} to Postgres")
            table = Identifier(target.next, mart.name)
            _create(cursor, table, mart)
            _copy(source, cursor, table, mart)
            cursor.execute(SQL("select count(*) from {}").format(table))
            rows[mart.name] = cursor.fetchone()[0]
            if rows[mart.name] != run.rows[mart.name]:
                raise LeadSlaError(
                    f"The copy of {mart.name} in Postgres has {rows[mart.name]} rows where {run.rows[mart.name]} were published",
                    where=f"schema {target.next}",
                    todo="see whether a rule or trigger of the database drops rows, then run this again",
                )
            key = keys.get(mart.name, ())
            if key and mart.has(key):
                cursor.execute(SQL("alter table {} add primary key ({})").format(table, _list(key)))
            for columns in _INDEXES.get(mart.name, ()):
                if mart.has(columns):
                    cursor.execute(SQL("create index on {} ({})").format(table, _list(columns)))
            cursor.execute(SQL("analyze {}").format(table))
    return rows


def _marts(source: duckdb.DuckDBPyConnection, run: PublishedRun) -> list[Mart]:
    """Read what there is to copy.

    Raises:
        LeadSlaError: a mart is missing, or a column has a type that is not carried over.
    """
    tables = "select table_name, comment from duckdb_tables() where schema_name = ?"
    columns = """
        select column_name, data_type, comment from duckdb_columns()
        where schema_name = ? and table_name = ? order by column_index
    """
    comments = dict(source.execute(tables, [SCHEMA]).fetchall())
    if missing := sorted(run.rows.keys() - comments.keys()):
        raise LeadSlaError(f"The published run has no {', '.join(missing)}", where=str(run.database))
    return [
        Mart(
            name,
            comments[name],
            [
                (column, _type(f"{name}.{column}", type_), about)
                for column, type_, about in source.execute(columns, [SCHEMA, name]).fetchall()
            ],
        )
        for name in run.rows
    ]


def _type(column: str, type_: str) -> str:
    """Give Postgres' name of a type of DuckDB's."""
    if match := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", type_):
        return f"numeric({match[1]}, {match[2]})"
    if type_ not in _TYPES:
        raise LeadSlaError(
            f"Column {column} is of type {type_}, which is not carried over to Postgres",
            todo="cast it in the model to one of: DECIMAL, " + ", ".join(sorted(_TYPES)),
        )
    return _TYPES[type_]


def _create(cursor: Any, table: Composable, mart: Mart) -> None:
    """Create an empty mart with its comments."""
    columns = SQL(", ").join(SQL("{} {}").format(Identifier(name), SQL(type_)) for name, type_, _ in mart.columns)
    cursor.execute(SQL("create table {} ({})").format(table, columns))
    if mart.comment:
        cursor.execute(SQL("comment on table {} is {}").format(table, Literal(mart.comment)))
    for name, _, comment in mart.columns:
        if comment:
            column = SQL("{}.{}").format(table, Identifier(name))
            cursor.execute(SQL("comment on column {} is {}").format(column, Literal(comment)))


def _copy(source: duckdb.DuckDBPyConnection, cursor: Any, table: Composable, mart: Mart) -> None:
    """Copy all rows of a mart: DuckDB writes CSV into a pipe that Postgres reads from, so that nothing piles up in memory or on the disk.

    Every value is in quotes and NULL is not, which tells NULL from an empty text. The rows are frozen: they exist for a
    transaction that began before they did, which would otherwise find the new tables empty.
    """
    name = mart.name.replace('"', '""')
    query = (
        f"copy {SCHEMA}.\"{name}\" to '{{}}' (format csv, header false, force_quote *, nullstr '', use_tmp_file false)"
    )
    with _written_by(lambda path: source.execute(query.format(path))) as rows:
        try:
            cursor.copy_expert(SQL("copy {} from stdin (format csv, freeze)").format(table), rows, size=1 << 16)
        except psycopg2.Error:
            # What kept us from reading is the cause; Postgres knows only that no more came.
            if isinstance(rows.failure, Exception):
                raise LeadSlaError(f"The published {mart.name} could not be read: {rows.failure}") from None
            if rows.failure:
                raise rows.failure from None
            raise


@contextmanager
def _written_by(write: Callable[[str], Any]) -> Iterator[_Pipe]:
    """Give a file to read from, while `write` writes into its path in a thread."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file:
        pipe = _Pipe(file)

        def work() -> None:
            try:
                write(f"/dev/fd/{writing}")
            except Exception as error:
                pipe.broke_off = error
            finally:
                os.close(writing)

        pipe.writer = threading.Thread(target=work, name="marts for Postgres")
        pipe.writer.start()
        try:
            yield pipe
        finally:
            # A writer that is not done yet finds nobody at the other end, and ends too.
            file.close()
            pipe.writer.join()


class _Pipe:
    """The reading end of a pipe, which ends well only if its writer did: half of the rows are never taken for all of them.

    Attributes:
        writer: the thread at the other end.
        broke_off: why the writer ended early.
        failure: what kept the reader from reading: that, or a stop from outside.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.writer: threading.Thread
        self.broke_off: Exception | None = None
        self.failure: BaseException | None = None

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes; nothing at the end.

        Raises:
            Exception: that of the writer, where it broke off.
        """
        try:
            found = self._file.read(size)
            if not found:
                self.writer.join()
                if self.broke_off:
                    raise self.broke_off
            return found
        except BaseException as error:
            # psycopg2 makes one of its own errors of whatever is raised here.
            self.failure = error
            raise


def _swap(connection: Any, target: Target, doing: Report) -> None:
    """Let readers see the next schema in place of the current one, in one transaction.

    A rename alone would not wait for anybody, and somebody in the middle of a transaction would find other rows than a moment
    ago. So all tables are locked first, which waits for those who have read them. Whoever comes meanwhile waits behind: for so
    short a time that the try is given up, and made again, rather than that anybody notices.

    Raises:
        LeadSlaError: somebody has been reading in one transaction for longer than we wait.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with _transaction(connection) as cursor:
                _swap_once(cursor, target)
            return
        except (psycopg2.errors.LockNotAvailable, psycopg2.errors.QueryCanceled):
            readers = _readers(connection, target)
            if time.monotonic() >= deadline:
                raise LeadSlaError(
                    f"Somebody has been reading the marts in one transaction for longer than {PATIENCE_SECONDS:.0f} seconds",
                    where=f"schema {target.schema}",
                    details=readers,
                    todo="end that transaction (select pg_terminate_backend(<process>)), then run this again",
                ) from None
            doing(f"waiting for readers: {'; '.join(readers) or 'gone by now'}")
            time.sleep(_PAUSE_SECONDS)


def _swap_once(cursor: Any, target: Target) -> None:
    cursor.execute(f"set local statement_timeout = {_SWAP_TIMEOUT_MS}")
    cursor.execute("select tablename from pg_tables where schemaname = %s order by 1", (target.schema,))
    tables = [Identifier(target.schema, name) for (name,) in cursor.fetchall()]
    if tables:
        cursor.execute(SQL("lock table {} in access exclusive mode").format(SQL(", ").join(tables)))
    cursor.execute("select count(*) from pg_namespace where nspname = %s", (target.schema,))
    schema, next_, old = Identifier(target.schema), Identifier(target.next), Identifier(target.old)
    if cursor.fetchone()[0]:
        cursor.execute(SQL("alter schema {} rename to {}").format(schema, old))
    cursor.execute(SQL("alter schema {} rename to {}").format(next_, schema))
    if target.reader:
        reader = Identifier(target.reader)
        cursor.execute(SQL("grant usage on schema {} to {}").format(schema, reader))
        cursor.execute(SQL("grant select on all tables in schema {} to {}").format(schema, reader))


def _readers(connection: Any, target: Target) -> list[str]:
    """Say who has read the marts in a transaction that is not over."""
    with _transaction(connection) as cursor:
        cursor.execute(
            "select distinct pid, usename, application_name, xact_start"
            " from pg_locks join pg_stat_activity using (pid)"
            " join pg_class on pg_class.oid = pg_locks.relation"
            " join pg_namespace on pg_namespace.oid = pg_class.relnamespace"
            " where nspname = %s and granted and pid <> pg_backend_pid() order by xact_start nulls last",
            (target.schema,),
        )
        return [
            f"process {pid} of {user or 'an unknown user'}"
            + (f" ({application})" if application else "")
            + (f", since {since:%Y-%m-%d %H:%M:%S} UTC" if since else "")
            for pid, user, application, since in cursor.fetchall()
        ]


def _drop(connection: Any, schema: str) -> None:
    """Drop a schema that nobody sees. Where that fails, it does no harm, and the next publication does it."""
    with suppress(psycopg2.Error), _transaction(connection) as cursor:
        cursor.execute(SQL("drop schema if exists {} cascade").format(Identifier(schema)))


def _primary_keys(project: Path) -> dict[str, Sequence[str]]:
    """Read the primary key of each mart from its contract: the published copies hold data, and no constraints."""
    keys = {}
    for path in sorted((project / "models" / SCHEMA).rglob("*.yml")):
        for model in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("models") or ():
            for constraint in model.get("constraints") or ():
                if constraint["type"] == "primary_key":
                    keys[model["name"]] = constraint["columns"]
    return keys


def _list(columns: Sequence[str]) -> Composable:
    return SQL(", ").join(map(Identifier, columns))


def _explain(error: Exception, target: Target) -> LeadSlaError:
    """Put what Postgres said into our words. libpq names host and user in its messages, and never the password."""
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, psycopg2.errors.InsufficientPrivilege):
        todo = f"let the user create schemas in the database, and own schema {target.schema}"
    elif isinstance(error, psycopg2.errors.LockNotAvailable):
        todo = f"see who reads {target.next} or {target.old}, which are not for readers, then run this again"
    elif isinstance(error, psycopg2.OperationalError):
        todo = "see whether the database is up and PGHOST, PGPORT, PGDATABASE, PGUSER and PGPASSWORD are right, then run this again"
    else:
        todo = "mend what the database says, then run this again; its readers see what they saw before"
    return LeadSlaError(f"Postgres did not take the marts: {said}", where=f"schema {target.schema}", todo=todo)
