"""The whole project on Spark: landed files loaded once, every model and check, the same marts as on DuckDB row by row, and spread out.

Spark runs on this machine, in an environment of its own; at the end with two executors, which are processes of their own. Run by
make test-spark; skipped, saying why, where there is no Java.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comparison
import compiled_project
import duckdb
import pytest
from project_copy import PROJECT, ProjectCopy, copy_project
from reference import KEYS
from spark_environment import run_in_spark, spark_python, spark_variables

from lead_sla.sample import make_sample

sys.path.append(str(PROJECT / "benchmarks"))
from next_load import land

pytestmark = pytest.mark.spark

# Doubles are minutes, rates and means: only the order of adding up may differ.
RELATIVE = 1e-9
ABOUT_THE_RUN = {"run_id", "run_started_at"}
# So many that a night leaves some of them alone.
BUCKETS = 32
PROGRAM = PROJECT / "tests/python/spark_plans.py"
# Tables that stay small when a company grows: days, hours, targets, reps, and the policy.
SMALL = re.compile(
    r"OneRowRelation|policy\.|int_calendar__|int_marketing_sla__(days|targets)$|stg_crm__(reps|clock|loads)$|raw\.reps$"
)
# What there are many values of, so that a window of each is a small one.
MANY = {"lead_id", "lead_number", "candidate_number", "activity_id", "deal_id", "obligation_id"}
# These add up by day before a window sees them: rows of a day, rule, rep or persona, however many leads there are.
ADDED_UP = {"fct_sales_sla_daily", "fct_marketing_sla_daily"}


@dataclass(frozen=True)
class Company:
    """A company in Spark: its project, and the variables that lead to its tables."""

    project: ProjectCopy
    variables: dict[str, str]

    @property
    def warehouse(self) -> Path:
        return Path(self.variables["LEAD_SLA_SPARK_HOME"]) / "warehouse"

    def load(self, raw: Path) -> str:
        """Bring landed files into schema `raw`, and return what was said."""
        run = run_in_spark(
            "-m", "lead_sla", "load", "--target", "spark", variables={**self.variables, "LEAD_SLA_RAW": str(raw)}
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stderr + run.stdout

    def dbt(self, *arguments: str) -> str:
        command = ["-m", "dbt.cli.main", "--no-use-colors", *arguments, "--target", "spark"]
        variables = {**self.variables, "DBT_PROFILES_DIR": str(self.project.folder)}
        run = run_in_spark(*command, variables=variables, folder=self.project.folder)
        assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
        return run.stdout

    def ask(self, what: str, questions: dict[str, str], folder: Path, **variables: str) -> dict[str, Any]:
        """Have spark_plans.py answer questions."""
        asked, answered = folder / "questions.json", folder / "answers.json"
        asked.write_text(json.dumps(questions))
        run = run_in_spark(str(PROGRAM), what, str(asked), str(answered), variables={**self.variables, **variables})
        assert run.returncode == 0, run.stderr[-4000:]
        return json.loads(answered.read_text())

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row of a table, read from its files; instants as UTC, without a zone."""
        schema, name = table.split(".")
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            files = f"read_parquet('{self.warehouse}/{schema}.db/{name}/**/*.parquet', hive_partitioning = false)"
            described = connection.execute(f"describe select * from {files}").fetchall()
            columns = [
                f"{column}::timestamp as {column}" if "ZONE" in type_ else column for column, type_, *_ in described
            ]
            found = connection.execute(f"select {', '.join(columns)} from {files}")
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def kept_files(self) -> dict[str, dict[str, int]]:
        """When each file of the tables that are kept from run to run was written, by `schema.db/table`."""
        found: dict[str, dict[str, int]] = {}
        for bucket in self.warehouse.glob("*/*/lead_bucket=*"):
            table = found.setdefault(str(bucket.parent.relative_to(self.warehouse)), {})
            table.update({f"{bucket.name}/{file.name}": file.stat().st_mtime_ns for file in bucket.glob("*.parquet")})
        return found

    def compiled(self) -> dict[str, str]:
        """The SQL of every model as dbt rendered it for Spark, by `schema.name`."""
        nodes = json.loads((self.project.folder / "target/manifest.json").read_text())["nodes"].values()
        folder = self.project.folder / "target/compiled/lead_sla"
        return {
            f"{node['schema']}.{node['name']}": (folder / node["original_file_path"]).read_text()
            for node in nodes
            if node["resource_type"] == "model"
        }


@pytest.fixture(scope="module")
def company(sample_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """The sample company, loaded and built with dbt's data tests."""
    spark_python()
    folder = tmp_path_factory.mktemp("spark")
    project = copy_project(folder / "project", raw=sample_raw)
    loaded = Company(project, spark_variables(folder / "home", LEAD_SLA_SPARK_BUCKETS=str(BUCKETS)))
    assert re.search(r"[1-9]\S* rows of [1-9]\S* new files; 0 files were known", loaded.load(sample_raw))
    loaded.dbt("build", "--exclude-resource-type", "unit_test")
    yield loaded


# --- the marts ---------------------------------------------------------------------------------------------------------


def disagreements(company: Company, warehouse: Path) -> list[str]:
    """Where the marts in Spark differ from those of a DuckDB file."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        expected = {
            mart: compiled_project.rows_of(connection, mart, warehouse.stem) for mart in (*KEYS, "run_metadata")
        }
    assert all(expected.values())
    got = {mart: company.rows(f"marts.{mart}") for mart in expected}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "RELATIVE", RELATIVE)
        told = comparison.differences(got, expected, KEYS)
    about = [
        [{name: value for name, value in row.items() if name not in ABOUT_THE_RUN} for row in marts["run_metadata"]]
        for marts in (got, expected)
    ]
    return told if about[0] == about[1] else [*told, f"run_metadata: got {about[0]}, expected {about[1]}"]


def test_every_row_of_every_mart_is_the_one_of_duckdb(company: Company, built_warehouse: Path) -> None:
    assert disagreements(company, built_warehouse) == []


def found(project: ProjectCopy, kind: str) -> dict[str, tuple[str, int | None]]:
    """What tests of dbt found in the last run, by their names: status, and rows."""
    return {
        result["unique_id"]: (result["status"], result["failures"])
        for result in project.results()
        if result["unique_id"].startswith(kind)
    }


def test_every_check_finds_what_it_finds_on_duckdb(company: Company, sample_build: ProjectCopy) -> None:
    """Data tests and promises: each passes, warns or fails with as many rows."""
    expected = found(sample_build, "test.")
    assert len(expected) > 100
    assert found(company.project, "test.") == expected


# --- spread out --------------------------------------------------------------------------------------------------------


def faults(plans: dict[str, Any]) -> list[str]:
    """What keeps queries over large tables from being spread out, in words."""
    told = []
    for name, plan in plans.items():
        told += [f"{name}: {node} reads everything in one partition" for node in plan["single"]]
        for window in plan["windows"]:
            large = [table for table in window["over"] if not SMALL.search(table)]
            if large and not window["by"]:
                told.append(f"{name}: a window over everything, of {', '.join(large)}")
            elif large and not MANY.intersection(window["by"]) and name.split(".")[-1] not in ADDED_UP:
                told.append(f"{name}: a window of few, large parts ({', '.join(window['by'])}), of {', '.join(large)}")
    return told


# What must be found fault with, or the models could not be.
BAD = {
    "over_everything": "select row_number() over (order by occurred_at) from raw.activities",
    "of_few_parts": (
        "select max(occurred_at) over (partition by touch_channel order by occurred_at) from intermediate.int_sales_sla__touches"
    ),
    "in_one_partition": "select distinct lead_id from (select * from raw.activities limit 100000) as some",
}


@pytest.fixture(scope="module")
def plans(company: Company, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The plans of all models, and of the bad queries, by `schema.name` and `name`."""
    return company.ask("explain", {**company.compiled(), **BAD}, tmp_path_factory.mktemp("plans"))


def test_no_model_reads_a_large_table_in_one_place(plans: dict[str, Any]) -> None:
    models = {name: plan for name, plan in plans.items() if name not in BAD}
    assert faults(models) == []
    over = {table for plan in models.values() for window in plan["windows"] for table in window["over"]}
    assert {table.split(".")[-1] for table in over} >= {"stg_crm__activity_versions", "leads", "int_leads__activities"}


def test_a_query_that_cannot_be_spread_out_is_told(plans: dict[str, Any]) -> None:
    told = "\n".join(faults({name: plans[name] for name in BAD}))
    assert "over_everything: a window over everything, of spark_catalog.raw.activities" in told
    assert "of_few_parts: a window of few, large parts (touch_channel)" in told
    assert re.search(r"in_one_partition: \w+ reads everything in one partition", told)


def test_two_executors_share_the_work_and_make_the_same_of_it(company: Company, tmp_path: Path) -> None:
    models = ["intermediate.int_leads__activities", "intermediate.int_sales_sla__candidates", "marts.fct_speed_to_lead"]
    compiled = company.compiled()
    answers = company.ask(
        "distribute",
        {model: compiled[model] for model in models},
        tmp_path,
        LEAD_SLA_SPARK_MASTER="local-cluster[2,1,1024]",
        LEAD_SLA_SPARK_MEMORY="1g",
    )
    tasks = answers.pop("executors")
    assert len(tasks) == 2 and min(tasks.values()) > 10, tasks
    for name, answer in answers.items():
        assert answer["rows"] > 0, name
        assert answer["differing"] == 0, name
        assert answer["files"] > 1, f"{name} came of one task"


def test_no_row_comes_to_the_driver() -> None:
    """Models are SQL, so all that could bring rows together is Python: the loader, which knows names of files alone."""
    gathering = re.compile(r"^.*\b(?:collect|toPandas|toLocalIterator|toArrow|take|head)\(.*$", re.MULTILINE)
    found = [line.strip() for line in gathering.findall((PROJECT / "lead_sla/load_spark.py").read_text())]
    assert found == ['for row in spark.table(f"{SCHEMA}.{MEMORY}").collect():']
    assert not list((PROJECT / "models").rglob("*.py"))


# --- loading -----------------------------------------------------------------------------------------------------------


def test_what_was_landed_is_loaded_as_it_is(company: Company, sample_raw: Path) -> None:
    """In whatever types the loader landed it: DuckDB's own reading of the contract is what it must come to."""
    for table in ("activities", "reps"):
        got = [
            {name: value for name, value in row.items() if name != "load_number"}
            for row in company.rows(f"raw.{table}")
        ]
        columns = ", ".join(got[0])
        with duckdb.connect() as connection:
            files = (
                f"read_parquet('{sample_raw}/{table}/**/*.parquet', union_by_name = true, hive_partitioning = false)"
            )
            landed = connection.execute(f"describe select * from {files}").fetchall()
            missing = "".join(f", null as {name}" for name in got[0] if name not in {row[0] for row in landed})
            expected = connection.execute(f"select {columns} from (select *{missing} from {files})").fetchall()
        assert sorted(map(str, (tuple(row.values()) for row in got))) == sorted(map(str, expected))


def test_a_file_is_loaded_once_and_of_a_changed_one_what_is_new(tmp_path: Path) -> None:
    spark_python()
    raw = tmp_path / "raw"
    make_sample(40, 12, 7, raw)
    loaded = Company(copy_project(tmp_path / "project", raw=raw), spark_variables(tmp_path / "home"))
    loaded.load(raw)
    before = len(loaded.rows("raw.reps"))
    file = sorted((raw / "reps").rglob("*.parquet"))[0]
    with duckdb.connect() as connection:
        read = f"from read_parquet('{file}', hive_partitioning = false)"
        loaded_at = connection.execute(f"select _loaded_at {read} limit 1").fetchone()
        # In nanoseconds, as pandas writes them.
        again = f"select * replace (_loaded_at::timestamp_ns as _loaded_at) {read}"
        connection.execute(
            f"copy ({again} union all (select * replace ('a rep''s id' as rep_id) from ({again}) limit 1)) to '{file}.part' (format parquet)"
        )
    Path(f"{file}.part").replace(file)
    said = loaded.load(raw)
    assert re.search(r" 1 rows of 1 new files; [1-9]\S* files were known", said)
    assert f"{file.name} was changed after being loaded" in re.sub(r"\s+", " ", said)
    after = loaded.rows("raw.reps")
    assert len(after) == before + 1
    assert [row["_loaded_at"] for row in after if row["rep_id"] == "a rep's id"] == list(loaded_at)


# --- unit tests --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_unit_test_passes(company: Company, sample_build: ProjectCopy) -> None:
    """Half of what takes time, and the least likely to differ: left out where time is short."""
    company.dbt("test", "--resource-type", "unit_test")
    expected = found(sample_build, "unit_test.")
    assert len(expected) > 150
    assert found(company.project, "unit_test.") == expected


# --- increments --------------------------------------------------------------------------------------------------------

KEPT_MODEL = PROJECT / "tests/fixtures/kept_model"


@pytest.fixture(scope="module")
def kept_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Five runs over a small kept model: everything, two leads without rows and one with a new one, a value against the contract,
    the model alone, and everything again; each lead in a bucket of its own."""
    folder = tmp_path_factory.mktemp("kept")
    values = {"ada": 1, "bea": 2, "cleo": 3, "dora": 4, "open": -1}
    later = {"ada": 10, "dora": 4, "open": -2, "new": 6}
    broken = {**later, "ada": None}
    runs = [
        {"values": values, "batch": [], "arguments": []},
        {"values": later, "batch": ["ada", "bea", "cleo", "new"], "arguments": []},
        {"values": broken, "batch": ["ada"], "arguments": []},
        {"values": later, "batch": ["ada"], "arguments": ["--select", "kept"]},
        {"values": later, "batch": [], "arguments": []},
    ]
    asked, answered = folder / "runs.json", folder / "answers.json"
    asked.write_text(json.dumps(runs))
    variables = spark_variables(
        folder / "home",
        LEAD_SLA_SPARK_BUCKETS="512",
        DBT_PROFILES_DIR=str(PROJECT),
        DBT_TARGET_PATH=str(folder / "target"),
        DBT_LOG_PATH=str(folder / "logs"),
    )
    program = str(PROJECT / "tests/python/spark_runs.py")
    finished = run_in_spark(program, str(asked), str(answered), variables=variables, folder=KEPT_MODEL)
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
    return json.loads(answered.read_text())


def test_an_increment_writes_the_buckets_of_its_leads_and_empties_those_without_rows(kept_runs: dict[str, Any]) -> None:
    before, after, *_ = kept_runs["runs"]
    assert before["success"] and after["success"]
    assert {lead: value for lead, (value, _) in before["rows"].items()} == {
        "ada": 1, "bea": 2, "cleo": 3, "dora": 4, "open": -1
    }  # fmt: skip
    bucket = {lead: f"lead_bucket={number}" for lead, (_, number) in {**before["rows"], **after["rows"]}.items()}
    assert len(set(bucket.values())) == 6
    assert {lead: value for lead, (value, _) in after["rows"].items()} == {"ada": 10, "dora": 4, "open": -2, "new": 6}
    assert set(after["files"]) == {bucket[lead] for lead in ("ada", "dora", "open", "new")}
    unchanged = {name for name, file in after["files"].items() if before["files"].get(name) == file}
    assert unchanged == {bucket["dora"]}
    assert (before["done"], after["done"]) == ([1], [2])


def test_a_run_that_breaks_off_is_mended_by_the_next_one_and_by_no_half(kept_runs: dict[str, Any]) -> None:
    _, good, broken, half, mended = kept_runs["runs"]
    assert not broken["success"]
    assert re.search(r"kept is against its contract: 1 row\(s\): value is empty", broken["messages"][0])
    assert broken["done"] == []
    assert not half["success"]
    assert "kept was left half written by a run that broke off" in half["messages"][0]
    assert (half["rows"], half["done"]) == (broken["rows"], [])
    assert mended["success"]
    assert mended["rows"] == good["rows"]
    assert mended["done"] == [4]


def test_where_rows_can_be_deleted_an_increment_is_three_statements_that_spark_can_read(
    kept_runs: dict[str, Any],
) -> None:
    """No Delta and no Iceberg here: their parsers are Spark's, and nobody has carried these out."""
    assert [change.split()[0] for change in kept_runs["changes"]] == ["merge", "delete", "insert"]


@pytest.fixture(scope="module")
def next_night(company: Company, sample_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run over the next load says and leaves, beside DuckDB's marts of the same files; the files of kept tables before and after.

    The last to look at the company, whose tables it changes.
    """
    folder = tmp_path_factory.mktemp("next_night")
    raw = shutil.copytree(sample_raw, folder / "raw")
    land(raw, share=0.003)
    before = company.kept_files()
    company.load(raw)
    said = company.dbt("run")
    anew = copy_project(folder / "project", raw=raw)
    for command in ("seed", "run"):
        assert anew.dbt(command).returncode == 0
    return {"said": said, "before": before, "after": company.kept_files(), "anew": anew.warehouse}


def test_the_next_run_rebuilds_what_is_new_and_ends_where_duckdbs_full_build_does(
    company: Company, next_night: dict[str, Any]
) -> None:
    told = re.search(r"\[increment\] (\d+) leads are rebuilt, by what is new since 2026", next_night["said"])
    assert told and 5 <= int(told[1]) < 100, next_night["said"][-3000:]
    assert disagreements(company, next_night["anew"]) == []


def test_files_of_buckets_that_nothing_happened_to_stay(next_night: dict[str, Any]) -> None:
    assert len(next_night["after"]) == 8
    for table, files in next_night["after"].items():
        before = next_night["before"][table]
        stayed = [file for file in files if before.get(file) == files[file]]
        assert len(stayed) < len(files), f"{table} was not written"
        # Open promises are derived anew, and there are some in nearly every bucket.
        assert table.endswith("fct_sales_sla_obligations") or len(stayed) >= BUCKETS / 4, table
