"""A full build and any sequence of increments agree: every mart in every column, on small companies full of traps."""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

import duckdb
import pytest
from comparison import differences
from compiled_project import KINDS, Row, build, build_increment, build_rows, compiled, connect, rows_of
from project_copy import ProjectCopy, copy_project
from proof import FIRST, companies, hold
from reference import KEYS
from strategies import Case
from strategies import company as generated_company

STEPS = 4
Landed = dict[str, list[Row]]


def disagreements(case: Case) -> list[str]:
    """Where the marts after some increments differ from those of one full build at the last `as_of`."""
    random = Random(repr(case.settings))
    last = case.settings.as_of or max(
        (row["_loaded_at"] for rows in case.raw.values() for row in rows), default=datetime(2026, 1, 1)
    )
    settings = replace(case.settings, as_of=last)
    with connect() as connection:
        since = None
        for as_of, all_rows, unseen in _landings(case, last, random):
            now = replace(settings, as_of=as_of)
            if since is None:
                build(connection, all_rows, case.policy, now)
            else:
                new = {
                    name: [row for row in rows if row["_loaded_at"] > since or row in unseen[name]]
                    for name, rows in all_rows.items()
                }
                build_increment(connection, all_rows, new, now, since)
            since = as_of
        got = {mart: rows_of(connection, mart) for mart in KEYS}
    return differences(got, build_rows(case.raw, case.policy, settings, KEYS), KEYS)


def _landings(case: Case, last: datetime, random: Random) -> Iterator[tuple[datetime, Landed, Landed]]:
    """Give the instants at which runs take place, and what has landed by then: all rows, and those since the run before.

    Runs take place just when something happens that they may have to notice, or a little later. Most rows land when they
    are loaded, some a run or two later than that.
    """
    instants = {
        value
        for rows in case.raw.values()
        for row in rows
        for value in row.values()
        if isinstance(value, datetime) and value <= last
    }
    chosen = random.sample(sorted(instants), min(STEPS, len(instants)))
    moments = sorted({*(min(last, each + timedelta(hours=random.choice((0, 0, 1, 30)))) for each in chosen), last})
    landing = {
        name: [
            min(
                next((n for n, moment in enumerate(moments) if moment >= row["_loaded_at"]), 0)
                + random.choice((0, 0, 0, 0, 1, 2)),
                len(moments) - 1,
            )
            for row in rows
        ]
        for name, rows in case.raw.items()
    }
    for step, moment in enumerate(moments):
        landed = {
            name: [row for row, at in zip(rows, landing[name], strict=True) if at <= step]
            for name, rows in case.raw.items()
        }
        unseen = {
            name: [row for row, at in zip(rows, landing[name], strict=True) if at == step]
            for name, rows in case.raw.items()
        }
        yield moment, landed, unseen


@pytest.mark.parametrize("numbers", companies(quick=48, long=2000), ids=str)
def test_increments_end_where_a_full_build_does(numbers: Sequence[int]) -> None:
    hold(disagreements, numbers)


def test_a_call_that_one_increment_brought_and_the_next_one_moved_leaves_its_first_lead() -> None:
    """The only trace of where it was is the one that the increment has left."""
    case = generated_company(FIRST)
    days = [datetime(2026, 3, day) for day in (2, 3, 4)]
    rep = {"rep_id": "R1", "full_name": "Ada", "active_from": date(2026, 1, 1), "_loaded_at": days[0]}
    leads = [
        {"lead_id": lead, "created_at": days[0], "updated_at": days[0], "owner_id": "R1", "_loaded_at": days[0]}
        for lead in ("first", "second")
    ]
    calls = [
        {
            "activity_id": "call",
            "lead_id": lead,
            "activity_type": "call",
            "actor_id": "R1",
            "occurred_at": days[0],
            "_loaded_at": day,
        }
        for lead, day in zip(("first", "second"), days[1:], strict=True)
    ]
    whose = []
    with connect() as connection:
        for number, as_of in enumerate(days):
            now = replace(case.settings, as_of=as_of)
            raw = {"reps": [rep], "leads": leads, "activities": calls[:number]}
            if number:
                build_increment(connection, raw, {"activities": [calls[number - 1]]}, now, days[number - 1])
            else:
                build(connection, raw, case.policy, now)
            got = {mart: rows_of(connection, mart) for mart in KEYS}
            assert differences(got, build_rows(raw, case.policy, now, KEYS), KEYS) == []
            whose.append([touch["lead_id"] for touch in got["fct_sales_touches"]])
    assert whose == [[], ["first"], ["second"]]


def test_an_increment_is_compiled_from_every_kept_model_and_from_no_other_raw_rows_than_the_new_ones() -> None:
    increments = {kind: models for kind, models in compiled().items() if kind.is_increment}
    assert set(increments) == {kind for kind in KINDS if kind.is_increment}
    for models in increments.values():
        kept = {model.name for model in models if model.is_kept}
        assert kept == {
            "dim_leads",
            "fct_lead_stages",
            "fct_marketing_credits",
            "fct_qualified_leads",
            "fct_sales_sla_obligations",
            "fct_sales_touches",
            "fct_speed_to_lead",
            "int_sales_sla__open_obligations",
            "stg_crm__activity_places",
            "stg_crm__moves",
        }
        assert {model.name for model in models if model.is_added_to} == {"stg_crm__activity_places"}
        batch = next(model.sql for model in models if model.name == "stg_crm__batch")
        assert all(f'"new_{table}"' in batch for table in ("leads", "activities", "owner_changes", "reps", "deals"))


# --- runs of dbt itself, one after the other in one warehouse ---------------------------------------------------------

# They take minutes, as whole nights do.
night = pytest.mark.night
EARLY, LATER = "2026-05-20 12:00:00", "2026-06-18 13:00:00"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, sample_raw: Path) -> ProjectCopy:
    """A project whose raw folder is its own, with a first build as of `EARLY`."""
    folder = tmp_path_factory.mktemp("increments")
    raw = shutil.copytree(sample_raw, folder / "raw")
    project = copy_project(folder / "project", raw=raw)
    assert project.dbt("seed").returncode == 0
    assert "every lead" not in run(project, EARLY), "a first build is no news"
    return project


def run(project: ProjectCopy, as_of: str, *options: str) -> str:
    """Run the models, and give what the run said of its increment."""
    done = project.dbt("run", *options, variables={"as_of": as_of})
    assert done.returncode == 0, done.stdout[-3000:]
    return " ".join(line.partition("[increment] ")[2] for line in done.stdout.splitlines() if "[increment]" in line)


def own_models(project: ProjectCopy) -> Path:
    """The folder of the models, as a copy that a test may change: a project copy links to the project's."""
    models = project.folder / "models"
    if models.is_symlink():
        shared = models.resolve()
        models.unlink()
        shutil.copytree(shared, models)
    return models


@contextmanager
def seed_changed(project: ProjectCopy, name: str, old: str, new: str) -> Iterator[None]:
    """A seed of the agreement with one place changed, loaded; afterwards as it was."""
    seed = project.folder / f"seeds/policy/{name}.csv"
    agreed = seed.read_text()
    for text in (agreed.replace(old, new, 1), agreed):
        seed.unlink()
        seed.write_text(text)
        assert project.dbt("seed").returncode == 0
        if text != agreed:
            yield


def batch(project: ProjectCopy) -> set[str]:
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        return {lead for (lead,) in connection.execute("select lead_id from staging.stg_crm__batch").fetchall()}


def activities_without_a_place(project: ProjectCopy, as_of: str) -> int:
    """How many landed rows of activities the next run's batch would not find."""
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        landed, placed = connection.execute(
            "select count(*), count(*) filter ((hash(activity_id), lead_id) in"
            " (select (activity_stand_in, lead_id) from staging.stg_crm__activity_places))"
            f" from read_parquet('{project.raw}/activities/**/*.parquet', union_by_name = true)"
            f" where _loaded_at <= timestamp '{as_of}'"
        ).fetchone()
    assert landed > 0
    return landed - placed


def marts(project: ProjectCopy) -> dict[str, list[Row]]:
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        return {mart: rows_of(connection, mart, project.warehouse.stem) for mart in KEYS}


def made_anew(project: ProjectCopy, as_of: str) -> dict[str, list[Row]]:
    """The marts of a full build in a warehouse of its own."""
    other = replace(project, warehouse=project.warehouse.with_name("anew.duckdb"))
    other.warehouse.unlink(missing_ok=True)
    assert other.dbt("seed").returncode == 0
    run(other, as_of)
    return marts(other)


def land(project: ProjectCopy, table: str, query: str) -> Path:
    """Add a file to a raw table, as a loader does."""
    file = project.raw / table / "loaded_date=2026-06-18" / f"late_{table}_{time.monotonic_ns()}.parquet"
    with duckdb.connect() as connection:
        source = f"read_parquet('{project.raw / table}/**/*.parquet', union_by_name = true, hive_partitioning = false)"
        connection.execute(f"copy ({query.format(table=source)}) to '{file}' (format parquet)")
    return file


@night
def test_runs_with_new_loads_late_files_and_partial_runs_end_where_a_full_build_does(company: ProjectCopy) -> None:
    assert "leads are rebuilt, by what is new since 2026-05-20 12:00:00 UTC" in run(company, LATER)

    # A file that lands when its load is long past, with a call on a lead that nothing else has happened to.
    quiet = (
        "(select lead_id from {table} group by lead_id having max(_loaded_at) < '2026-06-01' order by lead_id limit 1)"
    )
    land(
        company,
        "activities",
        "select * replace ('late-call' as activity_id, 'call' as activity_type, timestamp '2026-05-19' as occurred_at,"
        f" timestamp '2026-05-20' as _loaded_at) from {{table}} where lead_id = {quiet} limit 1",
    )
    said = run(company, LATER, "--exclude", "fct_speed_to_lead", "fct_sales_sla_obligations+")
    assert said.startswith("1 lead is rebuilt") or said.startswith("2 leads are rebuilt"), said
    late = batch(company)

    assert activities_without_a_place(company, LATER) == 0

    # Two models have been left behind: the next run takes along what they miss.
    run(company, LATER)
    assert batch(company) == late
    assert run(company, LATER).startswith("nothing is new since 2026-06-18 13:00:00 UTC")

    # A call turns out to have been with somebody else: both leads are rebuilt.
    land(
        company,
        "activities",
        f"select * replace ('nobody-yet' as lead_id, timestamp '{LATER}' as _loaded_at) from {{table}}"
        f" where lead_id = {quiet} order by activity_id limit 1",
    )
    run(company, LATER)
    assert "nobody-yet" in batch(company) and len(batch(company)) > 1
    assert differences(marts(company), made_anew(company, LATER), KEYS) == []

    now = "2026-06-18 15:00:00"
    run(company, now)
    assert 0 < len(batch(company)) < 500
    assert activities_without_a_place(company, now) == 0
    assert differences(marts(company), made_anew(company, now), KEYS) == []


@night
def test_what_was_made_of_an_older_model_is_made_again_by_the_next_run(company: ProjectCopy) -> None:
    now = "2026-06-18 15:00:00"
    run(company, LATER, "--full-refresh")
    run(company, now, "--exclude", "int_leads__owners")
    assert not run(company, now).startswith(("0 leads", "nothing")), (
        "the facts were made of the owners of the run before"
    )
    assert differences(marts(company), made_anew(company, now), KEYS) == []

    # One layer after the other is as good as all at once.
    run(company, LATER, "--full-refresh")
    for layer in ("staging", "intermediate", "marts"):
        run(company, now, "--select", layer)
    assert run(company, now).startswith("0 leads are rebuilt")
    assert differences(marts(company), made_anew(company, now), KEYS) == []


@night
def test_a_run_says_why_it_rebuilds_every_lead(company: ProjectCopy) -> None:
    now = "2026-06-18 15:00:00"
    run(company, now)
    assert run(company, LATER) == f"every lead is rebuilt: as_of moves back from {now} to {LATER}"
    seed = company.folder / "seeds/policy/lead_values.csv"
    agreed = seed.read_text()
    seed.unlink()
    seed.write_text(agreed.replace("0.", "0.0", 1))
    assert company.dbt("seed").returncode == 0
    assert run(company, now) == "every lead is rebuilt: seed lead_values has changed since the last run"
    targets = company.folder / "seeds/policy/marketing_targets.csv"
    targets_before = targets.read_text()
    targets.unlink()
    targets.write_text(targets_before.replace("150", "151"))
    assert company.dbt("seed").returncode == 0
    assert run(company, now).startswith("0 leads are rebuilt"), "the daily mart alone is made by the targets"
    with duckdb.connect(str(company.warehouse)) as connection:
        # As another version of DuckDB would have left it, whose hashes are others.
        marks = connection.execute("select worked_by from increments.runs order by run_number desc limit 1").fetchone()
        hashed = json.loads(marks[0])["what the engine has stand in for an id"]
        connection.execute("update increments.runs set worked_by = replace(worked_by, ?, '1')", [hashed])
    assert run(company, now) == (
        "every lead is rebuilt: what the engine has stand in for an id has changed since the last run"
    )
    file = land(company, "deals", "select * from {table} limit 3")
    run(company, now)
    file.unlink()
    assert "raw files that the marts were made from have changed or are gone (such as deals/" in run(company, now)
    assert differences(marts(company), made_anew(company, now), KEYS) == []


@night
def test_a_run_with_nothing_new_leaves_every_model_as_it_is(company: ProjectCopy) -> None:
    now = "2026-06-18 15:00:00"
    run(company, now)
    before = marts(company)
    run(company, now, "--full-refresh", "--exclude", "rep_scorecard")
    assert run(company, now).startswith("0 leads are rebuilt"), "rep_scorecard is still the one of the run before"
    assert differences(marts(company), before, KEYS) == []

    marked = {"rep_scorecard", "int_leads__owners"}
    with duckdb.connect(str(company.warehouse)) as connection:
        # A mark that a model which is made anew loses.
        connection.execute("comment on table marts.rep_scorecard is 'made before'")
        connection.execute("comment on table intermediate.int_leads__owners is 'made before'")
    assert run(company, now) == "nothing is new since 2026-06-18 15:00:00 UTC: the marts stay as they are"
    assert _comments(company) == marked
    # That is a finding of the invocation itself: a model that is asked for alone is made.
    run(company, now, "--select", "rep_scorecard")
    assert _comments(company) == marked - {"rep_scorecard"}
    # What only the models that are not kept are made by is news to them.
    tolerant = company.dbt("run", variables={"as_of": now, "pace_tolerance": 0.5})
    assert "0 leads are rebuilt" in tolerant.stdout
    assert _comments(company) == set()


def _comments(project: ProjectCopy) -> set[str]:
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        found = connection.execute("select table_name from duckdb_tables() where comment = 'made before'").fetchall()
    return {name for (name,) in found}


@night
def test_what_a_run_that_broke_off_has_made_does_not_stand_beside_the_rest(company: ProjectCopy) -> None:
    """It is as though it had broken off: the models after those that were chosen were not made."""
    now, later = "2026-06-18 15:00:00", "2026-06-18 16:00:00"
    run(company, now)
    assert run(company, now, "--full-refresh") == "every lead is rebuilt: a full refresh was asked for"
    before = marts(company)

    with seed_changed(company, "lead_values", "0.", "0.0"):
        run(company, now, "--select", "+fct_marketing_credits")
        assert marts(company)["fct_marketing_credits"] != before["fct_marketing_credits"]
    assert run(company, now) == "every lead is rebuilt: seed lead_values has changed since the last run"
    assert differences(marts(company), before, KEYS) == []

    run(company, later, "--select", "+dim_leads")
    assert run(company, now) == f"every lead is rebuilt: as_of moves back from {later} to {now}"
    assert differences(marts(company), before, KEYS) == []

    file = land(company, "leads", "select * replace ('gone' as lead_id, false as is_test) from {table} limit 1")
    run(company, now, "--select", "+dim_leads")
    assert len(marts(company)["dim_leads"]) == len(before["dim_leads"]) + 1
    file.unlink()
    assert "have changed or are gone (such as leads/" in run(company, now)
    assert differences(marts(company), before, KEYS) == []


@night
def test_a_change_that_was_tried_on_chosen_models_and_taken_back_leaves_nothing_behind(company: ProjectCopy) -> None:
    now = "2026-06-18 15:00:00"
    run(company, LATER, "--full-refresh")
    run(company, now)
    before = marts(company)
    assert run(company, now).startswith("nothing is new")

    # By a var of a model that is not kept.
    company.dbt("run", "--select", "fct_marketing_sla_daily", variables={"as_of": now, "pace_tolerance": 0.9})
    assert marts(company)["fct_marketing_sla_daily"] != before["fct_marketing_sla_daily"]
    assert run(company, now).startswith("0 leads are rebuilt")
    assert differences(marts(company), before, KEYS) == []

    # By the code of a kept one, whose rows of the last batch it makes.
    run(company, LATER, "--full-refresh")
    run(company, now)
    model = own_models(company) / "marts/sales_sla/fct_speed_to_lead.sql"
    agreed = model.read_text()
    model.write_text(agreed.replace(" as elapsed_minutes", " * 2 as elapsed_minutes"))
    run(company, now, "--select", "fct_speed_to_lead")
    model.write_text(agreed)
    assert marts(company)["fct_speed_to_lead"] != before["fct_speed_to_lead"]
    assert run(company, now) == "every lead is rebuilt: the code of the project has changed since the last run"
    assert differences(marts(company), before, KEYS) == []

    # Without rows: a mart that is not kept, and one that is.
    run(company, now, "--empty", "--select", "rep_scorecard", "fct_sales_touches")
    assert marts(company)["rep_scorecard"] == marts(company)["fct_sales_touches"] == []
    assert run(company, now) == "every lead is rebuilt: dbt's option --empty has changed since the last run"
    assert differences(marts(company), before, KEYS) == []

    # What was chosen and made as everything else was changes nothing.
    run(company, now, "--select", "rep_scorecard")
    run(company, now)
    run(company, now, "--select", "rep_scorecard")
    assert run(company, now).startswith("nothing is new")


@night
def test_chosen_models_of_a_whole_build_know_what_has_landed_since(company: ProjectCopy) -> None:
    """They are made of all raw rows, also of those that the register of activities does not have yet."""
    now = "2026-06-18 15:00:00"
    run(company, now, "--full-refresh")
    land(
        company,
        "activities",
        f"select * replace (timestamp '{now}' as _loaded_at) from {{table}}"
        " where activity_type = 'call' qualify count(*) over (partition by activity_id) = 1"
        " order by _loaded_at desc, activity_id limit 20",
    )
    run(company, now, "--select", "stg_crm__activity_versions+")
    assert differences(marts(company), made_anew(company, now), KEYS) == []


@night
def test_a_kept_model_cannot_be_refreshed_alone(company: ProjectCopy) -> None:
    now = "2026-06-18 15:00:00"
    run(company, now)
    run(company, now)
    before = marts(company)
    refused = company.dbt("run", "--full-refresh", "--select", "dim_leads", variables={"as_of": now})
    assert refused.returncode == 1
    assert "dim_leads cannot be refreshed alone" in refused.stdout
    assert marts(company) == before
    assert run(company, now, "--full-refresh") == "every lead is rebuilt: a full refresh was asked for"


@night
@pytest.mark.parametrize("name", ["marts.dim_leads", "staging.stg_crm__activity_places"])
def test_a_kept_model_that_is_missing_is_not_made_of_the_last_batch_alone(company: ProjectCopy, name: str) -> None:
    now = "2026-06-18 15:00:00"
    run(company, LATER, "--full-refresh")
    run(company, now)
    before = marts(company)
    with duckdb.connect(str(company.warehouse)) as connection:
        connection.execute(f"drop table {name}")
    refused = company.dbt("run", "--select", name.partition(".")[2], variables={"as_of": now})
    assert refused.returncode == 1
    assert f"{name.partition('.')[2]} is missing, and cannot be made alone" in refused.stdout
    assert run(company, now) == (
        "every lead is rebuilt: a kept model is missing, or has not been built to its end before"
    )
    assert differences(marts(company), before, KEYS) == []
    assert activities_without_a_place(company, now) == 0


@night
def test_rows_that_break_a_key_leave_the_mart_as_it_was(company: ProjectCopy) -> None:
    now = "2026-06-18 15:00:00"
    run(company, now)
    with duckdb.connect(str(company.warehouse)) as connection:
        touch, lead = connection.execute(
            "select activity_id, lead_id from marts.fct_sales_touches order by all limit 1"
        ).fetchone()
        connection.execute(
            "insert into marts.fct_sales_touches select * replace ('ghost' as lead_id) from marts.fct_sales_touches"
            " where activity_id = ?",
            [touch],
        )
    before = marts(company)["fct_sales_touches"]
    land(
        company,
        "activities",
        f"select * replace ('new-call' as activity_id) from {{table}} where lead_id = '{lead}' limit 1",
    )
    refused = company.dbt("run", variables={"as_of": now})
    assert refused.returncode == 1
    assert f"fct_sales_touches has more than one row of activity_id {touch}" in refused.stdout
    assert marts(company)["fct_sales_touches"] == before

    with duckdb.connect(str(company.warehouse)) as connection:
        connection.execute("delete from marts.fct_sales_touches where lead_id = 'ghost'")
    run(company, now)
    assert activities_without_a_place(company, now) == 0
    assert differences(marts(company), made_anew(company, now), KEYS) == []


@night
def test_a_model_that_breaks_its_contract_leaves_the_table_as_it_was(company: ProjectCopy) -> None:
    now = "2026-06-18 15:00:00"
    run(company, now)
    before = marts(company)["rep_scorecard"]
    model = own_models(company) / "marts/sales_sla/rep_scorecard.sql"
    agreed = model.read_text()
    for broken, told in {
        f"select * replace (cast(null as varchar) as rep_id) from (\n{agreed}\n) as scorecard": (
            "NOT NULL constraint failed: rep_scorecard.rep_id"
        ),
        f"with scorecard as (\n{agreed}\n) select * from scorecard union all select * from scorecard": (
            "rep_scorecard has more than one row of week_start_date, rep_id, rule_id"
        ),
    }.items():
        model.write_text(broken)
        refused = company.dbt("run", "--select", "rep_scorecard", variables={"as_of": now})
        model.write_text(agreed)
        assert refused.returncode == 1
        assert told in refused.stdout
        assert marts(company)["rep_scorecard"] == before != []


@night
def test_a_view_becomes_a_table_in_its_place(company: ProjectCopy) -> None:
    description = own_models(company) / "intermediate/sales_sla/int_sales_sla__triggers.yml"
    as_view = description.read_text()
    assert "materialized: view" in as_view
    description.write_text(as_view.replace("materialized: view", "materialized: table"))
    run(company, "2026-06-18 15:00:00", "--select", "int_sales_sla__triggers")
    description.write_text(as_view)
    with duckdb.connect(str(company.warehouse), read_only=True) as connection:
        (kind,) = connection.execute(
            "select table_type from information_schema.tables where table_name = 'int_sales_sla__triggers'"
        ).fetchone()
    assert kind == "BASE TABLE"
