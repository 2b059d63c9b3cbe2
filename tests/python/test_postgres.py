"""The whole project on Postgres: landed files loaded once, every model, every check, and the same marts as on DuckDB, row by row.

In a database whose sessions write dates otherwise and live in another time zone, and whose language orders texts otherwise; built
by a role that owns it and is no superuser. Run by make test-postgres; skipped where there is no server.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import comparison
import compiled_project
import duckdb
import psycopg2
import psycopg2.extras
import pytest
import yaml
from postgres_server import PASSWORD, connect, running_server
from project_copy import PROJECT, ProjectCopy, copy_project
from reference import KEYS, build_marts
from strategies import company

from lead_sla.errors import Busy, LeadSlaError, RefusedInput
from lead_sla.load import FITS, Loaded, load_into_postgres
from lead_sla.settings import Settings

pytestmark = pytest.mark.postgres

# Doubles are minutes, rates and means: only the order of adding up may differ.
RELATIVE = 1e-9
ABOUT_THE_RUN = {"run_id", "run_started_at"}
TYPES = {
    "varchar": "character varying",
    "double": "double precision",
    "timestamp": "timestamp without time zone",
    "decimal(18,2)": "numeric(18,2)",
}
# Other days, another clock and another pace than those of the sample's own build.
OTHERWISE = {
    "as_of": "2026-04-30 09:30:00",
    "reporting_time_zone": "America/New_York",
    "default_calendar": "default",
    "pacing": "business_days",
}
COMPANIES = range(12)
Ask = Callable[..., list[tuple]]


# --- a server, its databases, and the builds ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """The socket's folder of a Postgres server with the roles `builder` and `reader`; its superuser is `admin`."""
    with running_server() as home, closing(connect(home, "postgres", "admin")) as admin, admin.cursor() as cursor:
        for role in ("builder", "reader"):
            cursor.execute(f"create role {role} login password %s", (PASSWORD,))
        yield home


@contextmanager
def database(server: Path, **settings: str) -> Iterator[dict[str, str]]:
    """Give the environment variables that lead to a new database of `builder`, which orders texts as English does."""
    name = f"company_{time.monotonic_ns()}"
    with closing(connect(server, "postgres", "admin")) as admin, admin.cursor() as cursor:
        cursor.execute(
            f"create database {name} owner builder template template0 locale_provider icu icu_locale 'en-US'"
        )
        names = {"PGHOST": str(server), "PGDATABASE": name, "PGUSER": "builder", "PGPASSWORD": PASSWORD}
        hostile = {"PGTZ": "Asia/Kathmandu", "PGDATESTYLE": "SQL, DMY", "LEAD_SLA_POSTGRES_READER": ""}
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in {**names, **hostile, **settings}.items():
                patch.setenv(variable, value)
            yield names
        cursor.execute(f"drop database {name} with (force)")


@contextmanager
def asking(names: dict[str, str], user: str = "builder") -> Iterator[Ask]:
    """A session of a user; each statement stands for itself."""
    with closing(connect(Path(names["PGHOST"]), names["PGDATABASE"], user)) as session, session.cursor() as cursor:

        def ask(query: str, *parameters: Any) -> list[tuple]:
            cursor.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []

        yield ask


def settings_of(raw: Path) -> Settings:
    return replace(Settings.from_environment(), project=PROJECT, raw=raw)


@pytest.fixture(scope="module")
def built(
    server: Path, sample_raw: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, str], ProjectCopy]]:
    """The sample company, loaded and built with all tests of dbt; what leads to its database, and the project."""
    with database(server, LEAD_SLA_POSTGRES_READER="reader") as names:
        load_into_postgres(settings_of(sample_raw))
        project = copy_project(tmp_path_factory.mktemp("postgres") / "project", raw=sample_raw)
        run = project.dbt("build", "--target", "postgres")
        assert run.returncode == 0, run.stdout[-6000:]
        assert "language of the database" not in run.stdout
        yield names, project


@pytest.fixture(scope="module")
def ask(built: tuple[dict[str, str], ProjectCopy]) -> Iterator[Ask]:
    with asking(built[0]) as builder:
        yield builder


def marts_of(names: dict[str, str]) -> comparison.Marts:
    with closing(connect(Path(names["PGHOST"]), names["PGDATABASE"], "builder")) as session:
        return {mart: rows_of(session, mart) for mart in (*KEYS, "run_metadata")}


def rows_of(session: Any, mart: str) -> list[dict[str, Any]]:
    with session.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute(f"select * from marts.{mart}")
        return [dict(row) for row in cursor.fetchall()]


def duckdb_marts_of(warehouse: Path) -> comparison.Marts:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return {mart: compiled_project.rows_of(connection, mart, warehouse.stem) for mart in (*KEYS, "run_metadata")}


def disagreements(got: comparison.Marts, expected: comparison.Marts) -> list[str]:
    """Every difference of two sets of marts, but for what the two runs say about themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "RELATIVE", RELATIVE)
        lines = comparison.differences(got, expected, KEYS)
    about = [
        [{name: value for name, value in row.items() if name not in ABOUT_THE_RUN} for row in marts["run_metadata"]]
        for marts in (got, expected)
        if "run_metadata" in marts
    ]
    return lines + ([f"run_metadata: {about}"] if about and about[0] != about[1] else [])


# --- the marts ---------------------------------------------------------------------------------------------------------


def test_every_row_of_every_mart_is_the_one_of_duckdb(
    built: tuple[dict[str, str], ProjectCopy], built_warehouse: Path
) -> None:
    expected = duckdb_marts_of(built_warehouse)
    assert all(len(rows) for rows in expected.values())
    assert disagreements(marts_of(built[0]), expected) == []


def test_every_check_finds_what_it_finds_on_duckdb(
    built: tuple[dict[str, str], ProjectCopy], sample_build: ProjectCopy
) -> None:
    """Unit tests, data tests, promises: each passes, warns or fails with as many rows."""

    def found(project: ProjectCopy) -> dict[str, tuple[str, int | None]]:
        return {
            result["unique_id"]: (result["status"], result["failures"])
            for result in project.results()
            if result["unique_id"].startswith(("test.", "unit_test."))
        }

    expected = found(sample_build)
    assert len(expected) > 300
    assert found(built[1]) == expected


def test_other_days_another_clock_and_another_pace_give_the_rows_of_duckdb(
    server: Path, sample_raw: Path, tmp_path: Path
) -> None:
    project = copy_project(tmp_path / "otherwise", raw=sample_raw)
    with database(server) as names:
        load_into_postgres(settings_of(sample_raw))
        for target in ("duckdb", "postgres"):
            for command in ("seed", "run"):
                run = project.dbt(command, "--target", target, variables=OTHERWISE)
                assert run.returncode == 0, run.stdout[-3000:]
        assert disagreements(marts_of(names), duckdb_marts_of(project.warehouse)) == []
        with asking(names) as ask:
            granted = "select count(*) from information_schema.role_table_grants where grantee in ('reader', 'PUBLIC')"
            assert ask(f"{granted} and table_schema in ('marts', 'staging', 'raw')") == [(0,)], "nobody was named"


def test_increments_end_where_duckdbs_full_build_does(server: Path, sample_raw: Path, tmp_path: Path) -> None:
    """Three runs as of later and later, of which the last two rebuild what is new alone; and rows that land late."""
    raw = shutil.copytree(sample_raw, tmp_path / "raw")
    project = copy_project(tmp_path / "increments", raw=raw)
    with database(server) as names:
        load_into_postgres(settings_of(raw))
        assert project.dbt("seed", "--target", "postgres").returncode == 0
        said = []
        for as_of in ("2026-05-20 12:00:00", "2026-06-18 13:00:00", "2026-06-18 15:00:00"):
            run = project.dbt("run", "--target", "postgres", variables={"as_of": as_of})
            assert run.returncode == 0, run.stdout[-3000:]
            said += [line.partition("[increment] ")[2] for line in run.stdout.splitlines() if "[increment]" in line]
        assert [line.partition(" ")[2] for line in said] == [
            "leads are rebuilt, by what is new since 2026-05-20 12:00:00 UTC",
            "leads are rebuilt, by what is new since 2026-06-18 13:00:00 UTC",
        ]
        for command in ("seed", "run"):
            assert project.dbt(command, variables={"as_of": "2026-06-18 15:00:00"}).returncode == 0
        assert disagreements(marts_of(names), duckdb_marts_of(project.warehouse)) == []

        with asking(names) as ask:
            ask("insert into raw.activities select * from raw.activities where _loaded_at < '2026-06-01' limit 1")
        late = project.dbt("run", "--target", "postgres", variables={"as_of": "2026-06-18 15:00:00"})
        assert late.returncode == 0, late.stdout[-3000:]
        assert "every lead is rebuilt: raw.activities has " in late.stdout
        assert disagreements(marts_of(names), duckdb_marts_of(project.warehouse)) == [], (
            "an exact duplicate counts once"
        )


def test_generated_companies_have_the_marts_of_the_reference(server: Path, tmp_path: Path) -> None:
    """What dbt renders for Postgres, run on small companies full of traps, against the plain reading of the semantics."""
    with database(server) as names, closing(psycopg2.connect("")) as session:
        session.autocommit = True
        compiled = subprocess.run(
            [sys.executable, compiled_project.__file__, str(tmp_path)],
            cwd=PROJECT,
            env={**os.environ, "DBT_PROFILES_DIR": str(PROJECT), "DBT_TARGET": "postgres"},
            capture_output=True,
            text=True,
        )
        assert compiled.returncode == 0, compiled.stdout[-3000:]
        kinds = {
            compiled_project.Kind(*kind): [compiled_project.Model(*model) for model in models]
            for kind, models in json.loads((tmp_path / "compiled.json").read_text())
        }
        assert f'"{names["PGDATABASE"]}"' in next(iter(kinds.values()))[0].sql, "compiled for another database"
        wrong = {}
        for number in COMPANIES:
            case = company(number)
            with session.cursor() as cursor:
                _fill(cursor, case)
                for model in kinds[compiled_project.Kind.of(case.settings)]:
                    cursor.execute(f"create table {model.schema}.{model.name} as {model.sql_for(case.settings)}")
            got = {mart: rows_of(session, mart) for mart in KEYS}
            expected = build_marts(case.raw, case.policy, case.settings)
            wrong[number] = comparison.differences(got, expected, KEYS)
    assert {number: lines[:5] for number, lines in wrong.items() if lines} == {}


def _fill(cursor: Any, case: Any) -> None:
    """Make the raw tables and policy seeds of a company anew, and forget the last one's models."""
    for schema in ("raw", "policy", "staging", "intermediate", "marts"):
        cursor.execute(f"drop schema if exists {schema} cascade; create schema {schema}")
    for schema, tables, rows_by_table in (
        ("raw", compiled_project.raw_columns(), case.raw),
        ("policy", compiled_project.policy_columns(), case.policy),
    ):
        for name, columns in tables.items():
            declared = ", ".join(
                f'"{column}" {kind}' + (' collate "C"' if kind == "varchar" else "") for column, kind in columns.items()
            )
            cursor.execute(f'create table {schema}."{name}" ({declared})')
            values = [tuple(row.get(column) for column in columns) for row in rows_by_table.get(name, ())]
            if values:
                psycopg2.extras.execute_values(cursor, f'insert into {schema}."{name}" values %s', values)


# --- contracts, constraints, descriptions, indexes ---------------------------------------------------------------------


def contracts() -> dict[str, dict[str, Any]]:
    files = sorted((PROJECT / "models/marts").rglob("*.yml"))
    models = [model for path in files for model in yaml.safe_load(path.read_text()).get("models") or ()]
    return {model["name"]: model for model in models}


def test_every_column_of_a_mart_has_the_type_and_description_of_its_contract(ask: Ask) -> None:
    promised = {
        (name, column["name"]): TYPES.get(column["data_type"], column["data_type"])
        for name, model in contracts().items()
        for column in model["columns"]
    }
    found = ask(
        "select relname, attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum)"
        " from pg_attribute join pg_class on pg_class.oid = attrelid"
        " where relnamespace = 'marts'::regnamespace and relkind = 'r' and attnum > 0"
    )
    assert {(mart, column): type_ for mart, column, type_, _ in found} == promised
    assert [(mart, column) for mart, column, _, description in found if not description] == []


def test_every_constraint_of_a_contract_is_in_the_database(ask: Ask) -> None:
    kinds = {"primary_key": "p", "check": "c"}
    for name, model in contracts().items():
        promised = sorted(kinds[constraint["type"]] for constraint in model.get("constraints") or ())
        found = ask("select contype from pg_constraint where conrelid = %s::regclass order by contype", f"marts.{name}")
        assert sorted(kind for (kind,) in found) == promised, name


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("update marts.fct_sales_sla_obligations set status = 'fine'", psycopg2.errors.CheckViolation),
        ("update marts.fct_sales_sla_obligations set persona = null", psycopg2.errors.NotNullViolation),
        ("insert into marts.dim_reps select * from marts.dim_reps", psycopg2.errors.UniqueViolation),
    ],
    ids=["check", "not null", "primary key"],
)
def test_a_row_against_the_contract_is_refused(ask: Ask, statement: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        ask(statement)


def test_what_people_look_up_has_an_index_on_postgres_and_none_on_duckdb(ask: Ask, built_warehouse: Path) -> None:
    query = "select indexdef from pg_indexes where schemaname = 'marts' and indexdef not like 'CREATE UNIQUE%%'"
    found = {re.sub(r".* ON (\S+) USING btree (.*)", r"\1 \2", definition) for (definition,) in ask(query)}
    assert found == {
        "marts.fct_sales_sla_obligations (lead_id)",
        "marts.fct_sales_sla_obligations (due_at)",
        "marts.fct_sales_touches (lead_id)",
        "marts.fct_sales_touches (occurred_date)",
        "marts.fct_marketing_credits (lead_id)",
        "marts.fct_marketing_credits (credited_date)",
    }
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        assert connection.execute("select count(*) from duckdb_indexes()").fetchone() == (0,)


def test_tables_are_analyzed_before_others_are_joined_with_them(ask: Ask) -> None:
    unknown = (
        "select relname from pg_class where relkind = 'r' and reltuples < 0 and relnamespace = any(%s::regnamespace[])"
    )
    assert ask(unknown, ["staging", "intermediate", "marts"]) == []


# --- readers -----------------------------------------------------------------------------------------------------------


def test_the_reader_reads_every_mart_and_nothing_else(built: tuple[dict[str, str], ProjectCopy]) -> None:
    with asking(built[0]) as ask, asking(built[0], "reader") as read:
        tables = ask(
            "select * from (select schemaname, tablename from pg_tables union select schemaname, viewname from pg_views) as t"
            " where schemaname not in ('pg_catalog', 'information_schema')"
        )
        schemas = {"raw", "policy", "staging", "intermediate", "marts", "increments"}
        assert {schema for schema, _ in tables} == schemas
        assert ("staging", "stg_crm__lead_versions") in tables, "views are among them"
        for schema, table in tables:
            query = f'select count(*) from {schema}."{table}"'
            if schema == "marts":
                assert read(query)[0][0] > 0, table
            else:
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    read(query)


@pytest.mark.parametrize(
    "statement",
    [
        "delete from marts.dim_leads",
        "drop table marts.dim_leads",
        "create table marts.mine (id int)",
        "create schema mine",
    ],
)
def test_the_reader_changes_nothing(built: tuple[dict[str, str], ProjectCopy], statement: str) -> None:
    with asking(built[0], "reader") as read, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        read(statement)


def test_a_reader_who_does_not_exist_is_named_before_anything_is_built(
    built: tuple[dict[str, str], ProjectCopy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAD_SLA_POSTGRES_READER", "no'body")
    run = built[1].dbt("run", "--target", "postgres", "--select", "run_metadata")
    assert run.returncode != 0
    assert "there is no role no'body (LEAD_SLA_POSTGRES_READER)" in run.stdout
    assert "Nothing was built" in run.stdout


# --- raw tables of other loaders ---------------------------------------------------------------------------------------


def test_what_another_loader_brought_is_checked_against_the_contract_and_completed(
    server: Path, tmp_path: Path
) -> None:
    project = copy_project(tmp_path / "project", raw=tmp_path)
    with database(server) as names, asking(names) as ask:
        ask("create schema raw")
        ask(
            "create table raw.leads (lead_id text, created_at timestamptz, updated_at timestamp(3), employee_count integer,"
            " is_test text, _loaded_at timestamp, extra jsonb)"
        )
        ask(
            "create table raw.activities (activity_id varchar(36), lead_id text, activity_type text, occurred_at timestamp)"
        )
        ask("create view raw.deals as select 'd'::text as deal_id, 'l'::text as lead_id, 1.5::numeric as amount")
        run = project.dbt("run-operation", "collect_raw_problems", "--target", "postgres")
        assert run.returncode == 0, run.stdout
        problems = {
            (table, column): problem
            for table, column, problem in ask("select table_name, column_name, problem from raw.contract_problems")
        }
        added = ask("select attname from pg_attribute where attrelid = 'raw.leads'::regclass and attname = 'merged_at'")
        changes = ask("select count(*) from raw.owner_changes")
    assert "without a zone" in problems.pop(("leads", "created_at"))
    assert "is text, where the contract says boolean" in problems.pop(("leads", "is_test"))
    assert "has no column _loaded_at" in problems.pop(("activities", "_loaded_at"))
    assert "raw.reps is missing" in problems.pop(("reps", None))
    assert "numeric, where the contract says decimal(18,2)" in problems.pop(("deals", "amount"))
    assert "is a view without column closed_at" in problems.pop(("deals", "closed_at"))
    assert {table for table, _ in problems} == {"deals"}, problems
    assert added == [("merged_at",)]
    assert changes == [(0,)]
    assert "raw.leads: lead_id are ordered by the language of the database" in " ".join(run.stdout.split())


def test_a_build_that_lacks_a_raw_table_ends_with_a_sentence(server: Path, tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project", raw=tmp_path)
    with database(server) as names, asking(names) as ask:
        run = project.dbt("run", "--target", "postgres", "--select", "stg_crm__clock")
        assert run.returncode != 0
        assert "[raw] table raw.leads is missing" in run.stdout
        assert ask("select count(*) from pg_namespace where nspname = 'raw'") == [(0,)]


# --- loading -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def names(server: Path) -> Iterator[dict[str, str]]:
    """An empty database."""
    with database(server) as found:
        yield found


@pytest.fixture
def look(names: dict[str, str]) -> Iterator[Ask]:
    with asking(names) as builder:
        yield builder


ACTIVITIES = (
    "select 'A1' as activity_id, 'L1' as lead_id, 'visit' as activity_type, timestamp '2026-01-01' as occurred_at,"
    " timestamp '2026-01-02' as _loaded_at"
)
REPS = (
    "select 'R1' as rep_id, 'Ann' as full_name, date '2026-01-01' as active_from, timestamp '2026-01-02' as _loaded_at"
)


def lead(
    lead_id: str = "L1", more: str = "", updated: str = "updated_at", loaded: str = "timestamp '2026-01-02'"
) -> str:
    """The query of a landed lead, with further columns."""
    return (
        f"select '{lead_id}' as lead_id, timestamp '2026-01-01' as created_at, timestamp '2026-01-01' as {updated},"
        f" {loaded} as _loaded_at{more}"
    )


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A raw folder with one row of each table that must be there."""
    land(tmp_path / "raw/leads/day=1/a.parquet", lead())
    land(tmp_path / "raw/activities/a.parquet", ACTIVITIES)
    land(tmp_path / "raw/reps/a.parquet", REPS)
    return tmp_path / "raw"


def land(path: Path, query: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    duckdb.execute(f"copy ({query}) to '{path}' (format parquet)")


def load(raw: Path) -> dict[str, Loaded]:
    return {loaded.table: loaded for loaded in load_into_postgres(settings_of(raw))}


def lead_ids(look: Ask) -> list[str]:
    return [lead for (lead,) in look('select lead_id from raw.leads order by lead_id collate "C"')]


def test_the_sample_arrives_once_however_often_it_is_loaded(sample_raw: Path, look: Ask) -> None:
    first, second = load(sample_raw), load(sample_raw)
    assert {table: loaded.files for table, loaded in second.items()} == dict.fromkeys(first, 0)
    for table, loaded in first.items():
        landed = f"read_parquet('{sample_raw}/{table}/**/*.parquet', union_by_name = true)"
        expected = duckdb.execute(f"select count(*), count(distinct _loaded_at) from {landed}").fetchone()
        assert look(f"select count(*), count(distinct _loaded_at) from raw.{table}") == [expected]
        assert (loaded.rows, loaded.files) == (expected[0], second[table].known)


def test_a_file_that_landed_since_is_added_alone(raw: Path, look: Ask) -> None:
    load(raw)
    land(raw / "leads/day=2/a.parquet", lead("L2"))
    assert {table: (loaded.files, loaded.rows) for table, loaded in load(raw).items() if loaded.files} == {
        "leads": (1, 1)
    }
    assert lead_ids(look) == ["L1", "L2"]


def test_of_a_file_that_changed_the_new_rows_are_added_and_told(raw: Path, look: Ask) -> None:
    load(raw)
    land(raw / "leads/day=1/a.parquet", f"{lead()} union all {lead('L2')}")
    loaded = load(raw)["leads"]
    assert (loaded.rows, loaded.changed) == (1, ("day=1/a.parquet",))
    assert loaded.findings()[0].startswith("leads: day=1/a.parquet was changed after being loaded")
    assert lead_ids(look) == ["L1", "L2"]
    assert load(raw)["leads"].files == 0


def test_a_file_that_was_only_touched_adds_nothing(raw: Path, look: Ask) -> None:
    load(raw)
    os.utime(raw / "leads/day=1/a.parquet", (1, 1))
    assert load(raw)["leads"].rows == 0
    assert lead_ids(look) == ["L1"]


def test_the_rows_of_a_file_that_is_gone_stay_and_it_is_told(raw: Path, look: Ask) -> None:
    load(raw)
    (raw / "leads/day=1/a.parquet").unlink()
    loaded = load(raw)["leads"]
    assert loaded.gone == ("day=1/a.parquet",)
    assert "gone since" in loaded.findings()[0]
    assert lead_ids(look) == ["L1"]


def test_what_is_optional_and_was_not_landed_is_there_and_empty(raw: Path, look: Ask) -> None:
    load(raw)
    assert look("select count(*) from raw.deals") == look("select count(email) from raw.leads") == [(0,)]
    look("alter table raw.leads drop column merged_at")
    load(raw)
    assert look("select count(merged_at) from raw.leads") == [(0,)]


def test_texts_arrive_as_they_are(raw: Path, look: Ask) -> None:
    texts = [
        "",
        "  ",
        "NULL",
        "\\N",
        "\\.",
        'a "quoted" one',
        "it's",
        "two\nlines",
        "a\n\\.\nb",
        "tab\tand\r\n",
        "☃ Müller",
        None,
    ]
    rows = " union all ".join(
        f"select {number} as number, {'null' if text is None else in_quotes(text)} as company_name"
        for number, text in enumerate(texts)
    )
    (raw / "leads/day=1/a.parquet").unlink()
    land(
        raw / "leads/b.parquet",
        "select 'L' || lpad(number::varchar, 2, '0') as lead_id, company_name, number::smallint as employee_count,"
        " timestamp '2026-01-01 00:00:00.000001' as created_at, timestamp '1969-12-31 23:59:59.5' as updated_at,"
        f" timestamp_ns '2026-01-02 10:00:00' as _loaded_at from ({rows})",
    )
    load(raw)
    found = look('select company_name, employee_count from raw.leads order by lead_id collate "C"')
    assert found == [(text, number) for number, text in enumerate(texts)]
    instants = look(
        "select distinct to_char(created_at, 'US'), to_char(updated_at, 'YYYY-MM-DD HH24:MI:SS.US') from raw.leads"
    )
    assert instants == [("000001", "1969-12-31 23:59:59.500000")]


def in_quotes(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def test_a_column_of_nulls_fits_whatever_type_the_loader_guessed(raw: Path, look: Ask) -> None:
    land(raw / "leads/b.parquet", lead("L2", ", null::integer as is_deleted"))
    load(raw)
    assert look("select count(*), count(is_deleted) from raw.leads") == [(2, 0)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (lead(loaded="timestamptz '2026-01-02 00:00:00+00'"), "_loaded_at of table leads is TIMESTAMP WITH TIME ZONE"),
        (lead(more=", 'yes' as is_test"), "is_test of table leads is VARCHAR"),
        (
            lead(updated="changed_at"),
            "Table leads has no column updated_at",
        ),
    ],
)
def test_what_does_not_fit_the_contract_is_refused_and_nothing_of_its_table_is_loaded(
    raw: Path, look: Ask, query: str, said: str
) -> None:
    land(raw / "leads/b.parquet", query)
    with pytest.raises(RefusedInput, match=said) as refusal:
        load(raw)
    assert refusal.value.where.endswith("b.parquet")
    assert lead_ids(look) == []
    assert look("select count(*) from raw._loaded_files") == [(0,)]


def test_a_file_that_cannot_be_read_is_named_and_nothing_is_loaded(raw: Path, look: Ask) -> None:
    (raw / "reps/b.parquet").write_bytes(b"PAR1 broken off")
    with pytest.raises(RefusedInput) as refusal:
        load(raw)
    assert "b.parquet" in refusal.value.format_message()
    assert lead_ids(look) == []


def test_a_table_that_is_missing_is_named(raw: Path, names: dict[str, str]) -> None:
    (raw / "reps/a.parquet").unlink()
    with pytest.raises(RefusedInput, match="Table reps is missing"):
        load(raw)


def test_a_second_load_at_once_does_nothing(raw: Path, names: dict[str, str], look: Ask) -> None:
    load(raw)
    land(raw / "leads/b.parquet", lead("L2"))
    with closing(connect(Path(names["PGHOST"]), names["PGDATABASE"], "builder")) as other, other.cursor() as cursor:
        cursor.execute("begin; lock table raw._loaded_files in share row exclusive mode")
        with pytest.raises(Busy):
            load(raw)
        cursor.execute("rollback")
    assert lead_ids(look) == ["L1"]
    assert load(raw)["leads"].rows == 1


def test_a_load_that_breaks_off_leaves_nothing_half_loaded(
    raw: Path, look: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(raw / "leads/b.parquet", lead("L2"))
    stops = iter([None, KeyboardInterrupt])

    def stop(text: str) -> None:
        if text.startswith("loading leads") and (raised := next(stops)):
            raise raised

    with pytest.raises(KeyboardInterrupt):
        load_into_postgres(settings_of(raw), doing=stop)
    assert lead_ids(look) == []
    load(raw)
    assert lead_ids(look) == ["L1", "L2"]


def test_whoever_may_not_create_is_told_what_is_missing(raw: Path, names: dict[str, str]) -> None:
    environ = {**names, "PGUSER": "reader"}
    with pytest.raises(LeadSlaError, match="permission denied") as refusal:
        load_into_postgres(settings_of(raw), environ)
    assert "own schema raw" in refusal.value.todo
    assert PASSWORD not in refusal.value.format_message()


def test_without_a_database_nothing_is_guessed(raw: Path) -> None:
    with pytest.raises(RefusedInput, match="No Postgres database is named"):
        load_into_postgres(settings_of(raw), {})


def test_the_load_takes_the_types_that_duckdb_takes() -> None:
    macro = (PROJECT / "macros/engines/duckdb_raw_tables.sql").read_text()
    family = re.search(r"set family = (\{.*?\}) -%\}", macro, flags=re.DOTALL)
    assert family and ast.literal_eval(family[1]) == FITS
