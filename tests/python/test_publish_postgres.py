"""The marts in Postgres: the same rows and types as published, swapped under the eyes of readers, and nothing half-done.

Against a real server on a socket in a temporary folder; skipped where there are no binaries of one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest
from postgres_server import PASSWORD, connect, running_server, wait_until

from lead_sla import publish_postgres
from lead_sla.errors import LeadSlaError, RefusedInput
from lead_sla.publish import PublishedRun, publish
from lead_sla.publish_postgres import Target, publish_to_postgres

Ask = Callable[..., list[tuple]]


# --- a server, a database of each test, and what is published ----------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """The socket's folder of a Postgres server; its superuser is `admin`."""
    with running_server() as home:
        yield home


@pytest.fixture
def environ(server: Path) -> Iterator[dict[str, str]]:
    """The settings of a publisher, who owns a new database and is no superuser."""
    database = f"company_{time.monotonic_ns()}"
    with closing(connect(server, "postgres", "admin")) as admin, admin.cursor() as cursor:
        for role in ("publisher", "reader"):
            cursor.execute("select count(*) from pg_roles where rolname = %s", (role,))
            if not cursor.fetchone()[0]:
                cursor.execute(f"create role {role} login password %s", (PASSWORD,))
        cursor.execute(f"create database {database} owner publisher")
        yield {
            "PGHOST": str(server),
            "PGDATABASE": database,
            "PGUSER": "publisher",
            "PGPASSWORD": PASSWORD,
            "LEAD_SLA_POSTGRES_READER": "reader",
        }
        cursor.execute(f"drop database {database} with (force)")


@pytest.fixture
def session(server: Path, environ: dict[str, str]) -> Callable[..., Any]:
    """Open a session of a user; `ask` reads in it."""

    @contextmanager
    def open_as(user: str) -> Iterator[Ask]:
        with closing(connect(server, environ["PGDATABASE"], user)) as connection, connection.cursor() as cursor:

            def ask(query: str, *parameters: Any) -> list[tuple]:
                cursor.execute(query, parameters or None)
                return cursor.fetchall() if cursor.description else []

            yield ask

    return open_as


@pytest.fixture
def ask(session: Callable[..., Any]) -> Iterator[Ask]:
    """Read as the server's superuser."""
    with session("admin") as admin:
        yield admin


TRAPS = '''
create schema marts;
create table marts.run_metadata as select 'r1' as run_id, timestamp '2026-06-18 15:00:00' as as_of;
create table marts.dim_leads (
    lead_id varchar, persona varchar, "Owner's ""id""" varchar, is_qualified boolean, touches bigint, value_usd decimal(18, 2),
    share double, created_on date, created_at timestamp, rank integer
);
insert into marts.dim_leads values
    ('a', 'plain', 'x', true, 1, 0.01, 0.1, '2026-06-18', '2026-06-18 15:00:00', 1),
    ('b', '', '', false, -9223372036854775808, -9999999999999999.99, 1e-300, '0001-01-01', '0001-01-01 00:00:00', null),
    ('c', null, null, null, null, null, null, null, null, null),
    ('d', 'NULL', '\\N', true, 9223372036854775807, 9999999999999999.99, 'nan', '9999-12-31', '2026-06-18 15:00:00.000001', -1),
    ('e', '\\.', '"', true, 0, 0, 'infinity', '2024-02-29', '2026-03-29 02:30:00.1', 0),
    ('f', 'a' || chr(10) || '\\.' || chr(10) || 'b', ',"",', true, 0, 0, '-infinity', '2024-02-29', '1969-12-31 23:59:59.999999', 0),
    ('g', 'tab' || chr(9) || 'and' || chr(13) || chr(10) || 'lines', '  spaces  ', true, 0, 0, -0.0, '2024-02-29', '2026-06-18', 0),
    ('h', '☃ Müller %s {} ''quoted'' \\\\', '\\', true, 0, 0, 123456789.123456789, '2024-02-29', '2026-06-18', 0);
comment on table marts.dim_leads is 'One row per lead; it''s "all" of them, 100 %';
comment on column marts.dim_leads.value_usd is 'Dollars (%s)';
create table marts.fct_sales_touches as
    select 'T' || i as activity_id, 'L' || i // 3 as lead_id, date '2026-01-01' + (i % 180)::integer as occurred_date
    from range(30000) as t (i);
create table marts.due_soon (obligation_id varchar);
'''


def make_run(folder: Path, statements: str = "") -> PublishedRun:
    """Publish a small company whose values are all traps."""
    warehouse = folder / f"warehouse_{time.monotonic_ns()}.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(TRAPS + statements)
    return publish(warehouse, folder / "published")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> PublishedRun:
    return make_run(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> PublishedRun:
    """A later run: another company, a column more, and a mart less."""
    return make_run(
        tmp_path_factory.mktemp("second"),
        """
        delete from marts.dim_leads where lead_id <> 'a';
        alter table marts.dim_leads add column journey_stage varchar;
        drop table marts.due_soon;
        """,
    )


def schemas(ask: Ask) -> list[str]:
    return [name for (name,) in ask("select nspname from pg_namespace where nspname like '%marts%' order by 1")]


def cut_connection(ask: Ask) -> None:
    """End the publisher's session as an administrator or a crash would, and wait until it is gone."""
    query = "select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = 'lead-sla'"
    assert ask(query) == [(True,)]


def leads(ask: Ask) -> int:
    return ask("select count(*) from marts.dim_leads")[0][0]


# --- what arrives ------------------------------------------------------------------------------------------------------


def test_every_value_arrives_as_it_was_published(first: PublishedRun, environ: dict[str, str], ask: Ask) -> None:
    rows = publish_to_postgres(first, environ)
    assert rows == first.rows == {"dim_leads": 8, "due_soon": 0, "fct_sales_touches": 30_000, "run_metadata": 1}
    with duckdb.connect(str(first.database), read_only=True) as published:
        for mart in rows:
            query = f"select * from marts.{mart} order by 1"
            # As texts, because one NaN is unlike another, and 0.0 like -0.0.
            assert repr(ask(query)) == repr(published.execute(query).fetchall())


def test_every_type_is_the_one_that_fits(first: PublishedRun, environ: dict[str, str], ask: Ask) -> None:
    publish_to_postgres(first, environ)
    found = ask(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = 'marts.dim_leads'::regclass and attnum > 0 order by attnum"
    )
    assert found == [
        ("lead_id", "text"),
        ("persona", "text"),
        ('Owner\'s "id"', "text"),
        ("is_qualified", "boolean"),
        ("touches", "bigint"),
        ("value_usd", "numeric(18,2)"),
        ("share", "double precision"),
        ("created_on", "date"),
        ("created_at", "timestamp without time zone"),
        ("rank", "integer"),
    ]


def test_a_type_that_is_not_carried_over_is_named_with_its_column(tmp_path: Path, environ: dict[str, str]) -> None:
    run = make_run(tmp_path, "create table marts.odd as select [1, 2] as numbers")
    with pytest.raises(LeadSlaError, match=r"Column odd\.numbers is of type INTEGER\[\]"):
        publish_to_postgres(run, environ)


def test_descriptions_and_the_run_can_be_read_in_the_database(
    first: PublishedRun, environ: dict[str, str], ask: Ask
) -> None:
    publish_to_postgres(first, environ)
    assert ask("select obj_description('marts.dim_leads'::regclass)") == [
        ("""One row per lead; it's "all" of them, 100 %""",)
    ]
    assert ask("select col_description('marts.dim_leads'::regclass, 6)") == [("Dollars (%s)",)]
    [(about,)] = ask("select obj_description('marts'::regnamespace)")
    assert first.run in about and "2026-06-18 15:00:00" in about


def test_primary_keys_are_those_of_the_contracts_and_long_facts_have_an_index_by_lead(
    first: PublishedRun, environ: dict[str, str], ask: Ask
) -> None:
    publish_to_postgres(first, environ)
    indexes = ask("select indexdef from pg_indexes where schemaname = 'marts' and tablename = 'fct_sales_touches'")
    columns = sorted(definition.rpartition(" (")[2].rstrip(")") for (definition,) in indexes)
    assert columns == ["activity_id", "lead_id", "occurred_date"]
    keys = ask(
        "select conrelid::regclass::text from pg_constraint where contype = 'p' and connamespace = 'marts'::regnamespace order by 1"
    )
    assert keys == [("marts.dim_leads",), ("marts.due_soon",), ("marts.fct_sales_touches",), ("marts.run_metadata",)]


def test_the_planner_knows_the_marts_at_once(first: PublishedRun, environ: dict[str, str], ask: Ask) -> None:
    publish_to_postgres(first, environ)
    assert ask("select reltuples from pg_class where oid = 'marts.fct_sales_touches'::regclass") == [(30_000,)]
    assert ask("select count(*) > 0 from pg_stats where schemaname = 'marts'") == [(True,)]


def test_the_marts_of_the_sample_company_arrive_whole(
    built_warehouse: Path, tmp_path: Path, environ: dict[str, str], ask: Ask
) -> None:
    run = publish(built_warehouse, tmp_path / "published")
    assert publish_to_postgres(run, environ) == run.rows
    with duckdb.connect(str(run.database), read_only=True) as published:
        for mart in run.rows:
            theirs = sorted(map(repr, ask(f"select * from marts.{mart}")))
            assert theirs == sorted(map(repr, published.execute(f"select * from marts.{mart}").fetchall())), mart
    without_key = ask(
        "select tablename from pg_tables where schemaname = 'marts'"
        " and not exists (select 1 from pg_constraint where contype = 'p' and conrelid = format('marts.%I', tablename)::regclass)"
    )
    # Its key has a column that may be null.
    assert without_key == [("fct_funnel_monthly",)]


# --- the swap ----------------------------------------------------------------------------------------------------------


def test_a_second_run_takes_the_place_of_the_first(
    first: PublishedRun, second: PublishedRun, environ: dict[str, str], ask: Ask
) -> None:
    publish_to_postgres(first, environ)
    assert publish_to_postgres(second, environ) == second.rows
    assert leads(ask) == 1
    assert ask("select to_regclass('marts.due_soon')") == [(None,)]
    assert schemas(ask) == ["marts"]


def test_a_reader_keeps_what_he_sees_to_the_end_of_his_transaction(
    first: PublishedRun,
    second: PublishedRun,
    environ: dict[str, str],
    session: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publish_postgres, "_PAUSE_SECONDS", 0.05)
    publish_to_postgres(first, environ)
    said: list[str] = []
    publication = threading.Thread(target=publish_to_postgres, args=(second, environ, said.append))
    with session("reader") as reader:
        reader("begin")
        assert leads(reader) == 8
        publication.start()
        wait_until(lambda: sum("waiting for readers: process" in text for text in said) >= 2)
        assert leads(reader) == 8
        # A mart that he has not read yet is of the same run.
        assert reader("select count(*) from marts.due_soon") == [(0,)]
        with session("reader") as another:
            assert leads(another) == 8
        reader("commit")
        publication.join(timeout=20)
        assert leads(reader) == 1


def test_a_transaction_that_began_before_finds_the_new_marts_filled(
    first: PublishedRun, second: PublishedRun, environ: dict[str, str], session: Callable[..., Any]
) -> None:
    publish_to_postgres(first, environ)
    with session("reader") as reader:
        reader("begin isolation level repeatable read")
        reader("select 1")
        publish_to_postgres(second, environ)
        assert leads(reader) == 1
        assert reader("select count(*) from marts.fct_sales_touches") == [(30_000,)]


def test_a_reader_who_never_ends_does_not_hang_the_night(
    first: PublishedRun,
    second: PublishedRun,
    environ: dict[str, str],
    session: Callable[..., Any],
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish_to_postgres(first, environ)
    monkeypatch.setattr(publish_postgres, "PATIENCE_SECONDS", 0.0)
    with session("reader") as reader:
        reader("begin")
        assert leads(reader) == 8
        with pytest.raises(LeadSlaError, match="longer than") as refusal:
            publish_to_postgres(second, environ)
        [(process,)] = reader("select pg_backend_pid()")
        [named] = refusal.value.details
        assert named.startswith(f"process {process} of ")
        assert leads(reader) == 8
    assert schemas(ask) == ["marts"]


def test_a_second_publisher_is_refused_and_told_since_when_the_first_is_at_it(
    first: PublishedRun, second: PublishedRun, environ: dict[str, str], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_postgres, "_GRACE_SECONDS", 0.2)
    refusals: list[str] = []

    def doing(text: str) -> None:
        if text.startswith("copying dim_leads"):
            with pytest.raises(LeadSlaError, match=r"running already \(process \d+ of the server, since ") as refusal:
                publish_to_postgres(second, environ)
            refusals.append(refusal.value.what)

    publish_to_postgres(first, environ, doing)
    assert len(refusals) == 1
    assert leads(ask) == 8


# --- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_connection_that_is_cut_in_the_middle_leaves_the_old_marts(
    first: PublishedRun, second: PublishedRun, environ: dict[str, str], ask: Ask
) -> None:
    publish_to_postgres(first, environ)

    def cut(text: str) -> None:
        if text.startswith("copying fct_sales_touches"):
            cut_connection(ask)

    with pytest.raises(LeadSlaError, match="Postgres did not take the marts") as refusal:
        publish_to_postgres(second, environ, cut)
    assert PASSWORD not in refusal.value.format_message()
    assert leads(ask) == 8
    assert schemas(ask) == ["marts"]
    publish_to_postgres(second, environ)
    assert leads(ask) == 1


def test_a_cut_between_building_and_swapping_leaves_the_old_marts_and_is_tidied_up(
    first: PublishedRun, second: PublishedRun, environ: dict[str, str], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_to_postgres(first, environ)
    with monkeypatch.context() as patch:

        def cut(*arguments: Any) -> None:
            cut_connection(ask)
            swap(*arguments)

        swap = publish_postgres._swap
        patch.setattr(publish_postgres, "_swap", cut)
        with pytest.raises(LeadSlaError):
            publish_to_postgres(second, environ)
    assert leads(ask) == 8
    assert schemas(ask) == ["marts", "marts_next"]
    publish_to_postgres(second, environ)
    assert leads(ask) == 1
    assert schemas(ask) == ["marts"]


def test_a_stop_from_outside_leaves_nothing_behind(
    first: PublishedRun, second: PublishedRun, environ: dict[str, str], ask: Ask
) -> None:
    publish_to_postgres(first, environ)

    def stop(text: str) -> None:
        if text.startswith("copying fct_sales_touches"):
            raise SystemExit(143)

    with pytest.raises(SystemExit):
        publish_to_postgres(second, environ, stop)
    assert leads(ask) == 8
    assert schemas(ask) == ["marts"]


def test_a_stop_from_outside_in_the_middle_of_a_table_is_a_stop(
    first: PublishedRun, second: PublishedRun, environ: dict[str, str], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_to_postgres(first, environ)

    class Stopped:
        def read(self, size: int) -> bytes:
            raise SystemExit(143)

    monkeypatch.setattr(
        publish_postgres._Pipe, "_file", property(lambda self: Stopped(), lambda self, file: None), raising=False
    )
    with pytest.raises(SystemExit):
        publish_to_postgres(second, environ)
    assert leads(ask) == 8
    assert schemas(ask) == ["marts"]


def test_rows_that_cannot_be_read_to_the_end_are_not_taken_for_all_of_them(
    tmp_path: Path, environ: dict[str, str], ask: Ask
) -> None:
    run = make_run(tmp_path)
    with run.database.open("r+b") as file:  # the same size, so that only reading finds out
        file.seek(run.database.stat().st_size // 2)
        file.write(b"\xff" * (run.database.stat().st_size // 2))
    with pytest.raises(LeadSlaError):
        publish_to_postgres(run, environ)
    assert schemas(ask) == []


def test_a_writer_that_breaks_off_is_told_in_its_own_words(
    first: PublishedRun, environ: dict[str, str], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    written_by = publish_postgres._written_by

    def break_off(write: Callable[[str], Any]) -> Any:
        def half(path: str) -> None:
            Path(path).write_text('"a"\n', encoding="utf-8")
            raise OSError("the disk of the marts is gone")

        return written_by(half)

    monkeypatch.setattr(publish_postgres, "_written_by", break_off)
    with pytest.raises(LeadSlaError, match="could not be read: the disk of the marts is gone"):
        publish_to_postgres(first, environ)
    assert schemas(ask) == []


def test_a_copy_of_fewer_rows_is_not_published(
    first: PublishedRun, environ: dict[str, str], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = publish_postgres._copy

    def lose_one(source: Any, cursor: Any, table: Any, mart: Any) -> None:
        copy(source, cursor, table, mart)
        if mart.name == "dim_leads":
            cursor.execute(f"delete from {table.as_string(cursor)} where lead_id = 'a'")

    monkeypatch.setattr(publish_postgres, "_copy", lose_one)
    with pytest.raises(LeadSlaError, match="dim_leads in Postgres has 7 rows where 8 were published"):
        publish_to_postgres(first, environ)
    assert schemas(ask) == []


def test_a_damaged_run_is_not_published(tmp_path: Path, environ: dict[str, str], ask: Ask) -> None:
    run = make_run(tmp_path)
    with run.database.open("ab") as file:
        file.write(b"more")
    with pytest.raises(LeadSlaError, match="damaged"):
        publish_to_postgres(run, environ)


# --- what is somebody else's -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", ["marts", "marts_next", "marts_old"])
def test_a_schema_that_was_not_published_from_here_is_never_touched(
    first: PublishedRun, environ: dict[str, str], session: Callable[..., Any], schema: str
) -> None:
    with session("publisher") as owner:
        owner(f"create schema {schema}")
        owner(f"create table {schema}.precious as select 1 as one")
        with pytest.raises(LeadSlaError, match=f"There is a schema {schema} already"):
            publish_to_postgres(first, environ)
        assert owner(f"select * from {schema}.precious") == [(1,)]


def test_a_view_on_the_marts_is_named_rather_than_dropped(
    first: PublishedRun, second: PublishedRun, environ: dict[str, str], session: Callable[..., Any]
) -> None:
    publish_to_postgres(first, environ)
    with session("publisher") as owner:
        owner("create view public.my_leads as select * from marts.dim_leads")
        with pytest.raises(LeadSlaError, match=r"would be lost .*: public\.my_leads"):
            publish_to_postgres(second, environ)
        assert owner("select count(*) from public.my_leads") == [(8,)]


def test_the_reader_reads_the_marts_and_can_do_nothing_else(
    first: PublishedRun, second: PublishedRun, environ: dict[str, str], session: Callable[..., Any], ask: Ask
) -> None:
    publish_to_postgres(first, environ)
    publish_to_postgres(second, environ)
    ask("create schema secrets")
    ask("create table secrets.salaries as select 1 as one")
    with session("reader") as reader:
        assert leads(reader) == 1
        for forbidden in (
            "delete from marts.dim_leads",
            "insert into marts.due_soon values ('x')",
            "truncate marts.dim_leads",
            "drop table marts.dim_leads",
            "create table marts.mine (one integer)",
            "create schema mine",
            "select * from secrets.salaries",
        ):
            with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.UndefinedTable)):
                reader(forbidden)
    granted = ask("select distinct privilege_type from information_schema.role_table_grants where grantee = 'reader'")
    assert granted == [("SELECT",)]


def test_the_reader_does_not_see_what_is_being_built(
    first: PublishedRun, environ: dict[str, str], session: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    swap, refused = publish_postgres._swap, []

    def look(*arguments: Any) -> None:
        with session("reader") as reader:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                reader("select * from marts_next.dim_leads")
            refused.append(True)
        swap(*arguments)

    monkeypatch.setattr(publish_postgres, "_swap", look)
    publish_to_postgres(first, environ)
    assert refused


def test_nobody_is_granted_anything_where_no_reader_is_named(
    first: PublishedRun, environ: dict[str, str], session: Callable[..., Any]
) -> None:
    publish_to_postgres(first, {**environ, "LEAD_SLA_POSTGRES_READER": ""})
    with session("reader") as reader, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        leads(reader)


def test_a_reader_that_does_not_exist_is_told_before_anything_is_copied(
    first: PublishedRun, environ: dict[str, str]
) -> None:
    said: list[str] = []
    with pytest.raises(LeadSlaError, match="There is no role nobody_at_all"):
        publish_to_postgres(first, {**environ, "LEAD_SLA_POSTGRES_READER": "nobody_at_all"}, said.append)
    assert not any("copying" in text for text in said)


# --- settings ----------------------------------------------------------------------------------------------------------


def test_another_schema_may_be_named(first: PublishedRun, environ: dict[str, str], ask: Ask) -> None:
    publish_to_postgres(first, {**environ, "LEAD_SLA_POSTGRES_SCHEMA": "sla_marts"})
    assert schemas(ask) == ["sla_marts"]


@pytest.mark.parametrize("name", ["pg_marts", "Marts", 'marts"; drop schema public', "m" * 59, "1marts", "mar ts"])
def test_a_name_that_is_none_for_a_schema_is_refused(name: str) -> None:
    with pytest.raises(RefusedInput, match="is no name for a schema"):
        Target.from_environment({"PGDATABASE": "company", "LEAD_SLA_POSTGRES_SCHEMA": name})


def test_no_database_is_guessed() -> None:
    with pytest.raises(RefusedInput, match="No Postgres database is named"):
        Target.from_environment({"PGHOST": "localhost"})


def test_the_password_shows_up_nowhere(first: PublishedRun, environ: dict[str, str]) -> None:
    wrong = {**environ, "PGPASSWORD": "an0ther-secret"}
    assert "an0ther-secret" not in repr(Target.from_environment(wrong))
    with pytest.raises(LeadSlaError, match="password authentication failed") as refusal:
        publish_to_postgres(first, wrong)
    assert "an0ther-secret" not in refusal.value.format_message()


def test_a_password_file_does_as_well(first: PublishedRun, environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "pgpass"
    file.write_text(f"*:*:*:publisher:{PASSWORD}\n", encoding="utf-8")
    file.chmod(0o600)
    with_file = {**environ, "PGPASSFILE": str(file)}
    del with_file["PGPASSWORD"]
    assert publish_to_postgres(first, with_file) == first.rows


def test_a_server_that_is_not_there_is_told_with_what_to_do(first: PublishedRun, tmp_path: Path) -> None:
    with pytest.raises(LeadSlaError, match="Postgres did not take the marts") as refusal:
        publish_to_postgres(first, {"PGHOST": str(tmp_path), "PGDATABASE": "company"})
    assert "PGHOST" in refusal.value.todo


def test_a_user_who_may_not_create_schemas_is_told_so(first: PublishedRun, environ: dict[str, str]) -> None:
    with pytest.raises(LeadSlaError, match="permission denied") as refusal:
        publish_to_postgres(first, {**environ, "PGUSER": "reader"})
    assert "create schemas" in refusal.value.todo


def test_a_missing_driver_is_told_with_how_to_install_it(first: PublishedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_postgres, "psycopg2", None)
    with pytest.raises(LeadSlaError, match="driver for Postgres is not installed") as refusal:
        publish_to_postgres(first, {"PGDATABASE": "company"})
    assert "lead-sla[postgres]" in refusal.value.todo
