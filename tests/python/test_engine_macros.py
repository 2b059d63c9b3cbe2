"""The macros of macros/engines mean the same on every engine: tests/fixtures/engine_macros holds a question and its answer for each."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from postgres_server import PASSWORD, running_server
from spark_environment import spark_python, spark_variables

PROJECT = Path(__file__).resolve().parents[2]
FIXTURES = PROJECT / "tests/fixtures/engine_macros"
# It must fail, or the other tests could not.
WRONG = "a_wrong_answer_is_told"
# Macros without an answer: what they do is looked at where an engine does it (test_postgres.py, test_spark.py, test_increments.py,
# the gate's tests).
DEEDS = {
    "as_it_was",
    "forget_runs",
    "has_nothing_landed",
    "hold_to_contract",
    "let_readers_in",
    "new_rows",
    "note_increment",
    "note_what_landed",
    "prepare_new_rows",
    "prepare_raw_tables",
    "remember",
    "remembered_by",
    "take_statistics",
    "what_is_gone",
}


@dataclass(frozen=True)
class Outcome:
    """What one model or test of the fixture project did."""

    kind: str
    name: str
    status: str
    failures: int | None
    message: str


@pytest.fixture(
    scope="module",
    params=[
        "duckdb",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("spark", marks=pytest.mark.spark),
    ],
)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, str]]]:
    """An engine: the name of its target, and the environment variables that lead to it."""
    if request.param == "duckdb":
        yield request.param, {}
        return
    if request.param == "spark":
        spark_python()
        yield request.param, spark_variables(tmp_path_factory.mktemp("spark"))
        return
    with running_server() as home:
        names = {"PGHOST": str(home), "PGUSER": "admin", "PGPASSWORD": PASSWORD, "PGDATABASE": "postgres"}
        # Neither the language of dates nor the zone of a session may matter.
        yield request.param, {**names, "PGDATESTYLE": "SQL, DMY", "PGTZ": "Asia/Kathmandu"}


@pytest.fixture(scope="module")
def outcomes(engine: tuple[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    target, environ = engine
    python = spark_python() if target == "spark" else sys.executable
    folder = tmp_path_factory.mktemp("engine_macros")
    finished = subprocess.run(
        [python, "-m", "dbt.cli.main", "--quiet", "build", "--target", target],
        cwd=FIXTURES,
        env={
            **os.environ,
            **environ,
            "LEAD_SLA_WAREHOUSE": str(folder / "engine.duckdb"),
            "DBT_PROFILES_DIR": str(FIXTURES),
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
        },
        capture_output=True,
        text=True,
    )
    results = folder / "target/run_results.json"
    assert results.exists(), finished.stdout + finished.stderr
    return [
        Outcome(*result["unique_id"].split(".")[:3:2], result["status"], result["failures"], result["message"] or "")
        for result in json.loads(results.read_text())["results"]
    ]


def test_every_answer_is_the_same(outcomes: list[Outcome]) -> None:
    right = [outcome for outcome in outcomes if outcome.kind == "test" and outcome.name != WRONG]
    assert right
    assert [outcome for outcome in right if outcome.status != "pass"] == []


def test_a_wrong_answer_fails(outcomes: list[Outcome]) -> None:
    assert [(outcome.status, outcome.failures) for outcome in outcomes if outcome.name == WRONG] == [("fail", 2)]


def test_a_row_against_a_contract_fails_its_model(outcomes: list[Outcome]) -> None:
    """Whoever refuses it: the engine, or hold_to_contract where the engine takes whatever comes."""
    models = {outcome.name: (outcome.status, outcome.message) for outcome in outcomes if outcome.kind == "model"}
    assert [name for name, (status, _) in models.items() if status == "success"] == ["described", "keeps_its_contract"]
    assert re.search(r"status", models["with_an_empty_column"][1])
    assert re.search(r"check|status in", models["with_a_value_out_of_range"][1], re.IGNORECASE)
    assert re.search(r"duplicate|more than onc?e", models["with_a_key_twice"][1], re.IGNORECASE)


def test_every_engine_macro_is_asked() -> None:
    macros = {
        name
        for path in (PROJECT / "macros").rglob("*.sql")
        for name in re.findall(r"adapter\.dispatch\(['\"](\w+)['\"], ['\"]lead_sla['\"]\)", path.read_text())
    }
    asked = {path.stem for path in (FIXTURES / "tests").glob("*.sql")}
    assert macros - DEEDS <= asked
    assert macros >= DEEDS
