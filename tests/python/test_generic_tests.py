"""Do the generic dbt tests of our own bite? One run of a small dbt project, in which each of them has seeds that it must pass and must fail.

The project is tests/fixtures/generic_tests; the sentences that a bad seed must bring forth stand in its yml, under `meta: problems`.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

PROJECT = Path(__file__).resolve().parents[2]
FIXTURES = PROJECT / "tests/fixtures/generic_tests"


@dataclass(frozen=True)
class Outcome:
    """What one data test did. `problems` are the sentences it selects, `expected` those of its yml."""

    macro: str
    seed: str
    status: str
    problems: list[str]
    expected: list[str]


@dataclass(frozen=True)
class Run:
    """The run of the fixture project: its tests, all generic tests that it knows, and what it printed."""

    outcomes: list[Outcome]
    macros: set[str]
    output: str


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("generic_tests")
    warehouse = folder / "fixtures.duckdb"
    finished = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "--quiet", "build"],
        cwd=FIXTURES,
        env={
            **os.environ,
            "LEAD_SLA_WAREHOUSE": str(warehouse),
            "DBT_PROFILES_DIR": str(FIXTURES),
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
        },
        capture_output=True,
        text=True,
    )
    results = folder / "target/run_results.json"
    assert results.exists(), finished.stdout + finished.stderr
    manifest = json.loads((folder / "target/manifest.json").read_text())
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        outcomes = [
            _outcome(manifest["nodes"][result["unique_id"]], result, connection)
            for result in json.loads(results.read_text())["results"]
            if _is_fixture(manifest["nodes"][result["unique_id"]])
        ]
    macros = {
        macro["name"].removeprefix("test_")
        for macro in manifest["macros"].values()
        if macro["package_name"] == "lead_sla" and macro["name"].startswith("test_")
    }
    return Run(outcomes, macros, finished.stdout)


def _is_fixture(node: dict) -> bool:
    """A test of a good or bad seed."""
    return node["resource_type"] == "test" and node["attached_node"] != "seed.lead_sla.other"


def _outcome(node: dict, result: dict, connection: duckdb.DuckDBPyConnection) -> Outcome:
    problems: list[str] = []
    if result["status"] != "error":
        problems = [row[0] for row in connection.execute(node["compiled_code"]).fetchall()]
    seed = node["attached_node"].split(".")[-1]
    expected = [" ".join(problem.split()) for problem in node["config"]["meta"].get("problems", [])]
    return Outcome(node["test_metadata"]["name"], seed, result["status"], sorted(problems), sorted(expected))


def test_every_generic_test_has_a_good_and_a_bad_fixture(run: Run):
    assert run.macros, "no generic test found: the macro paths of the fixture project are wrong"
    for side in ("good", "bad"):
        covered = {outcome.macro for outcome in run.outcomes if outcome.seed == f"{side}_{outcome.macro}"}
        missing = sorted(run.macros - covered)
        assert not missing, f"no {side}_<test>.csv in tests/fixtures/generic_tests/seeds for: {', '.join(missing)}"


def test_main_project_has_no_generic_test_out_of_reach_of_the_fixtures(run: Run):
    files = {path.stem for path in (PROJECT / "tests/generic").glob("*.sql")}
    assert files == run.macros, "one generic test a file of tests/generic, named like it, and nowhere else"


def test_good_seeds_pass(run: Run):
    good = [outcome for outcome in run.outcomes if outcome.seed.startswith("good_")]
    assert good
    assert [(outcome.seed, outcome.status, outcome.problems) for outcome in good if outcome.status != "pass"] == []


def test_bad_seeds_fail_with_their_sentences(run: Run):
    bad = [outcome for outcome in run.outcomes if outcome.seed.startswith("bad_")]
    assert bad
    for outcome in bad:
        assert outcome.status in ("fail", "warn"), outcome
        assert outcome.expected, f"no expected sentence for {outcome.seed}: {outcome.problems}"
        assert outcome.problems == outcome.expected


def test_run_ends_with_the_sentences_of_failed_tests(run: Run):
    lines = [line for line in run.output.splitlines() if line.startswith("[")]
    for outcome in run.outcomes:
        shown = [line for line in lines if any(line.endswith(": " + problem) for problem in outcome.problems)]
        assert len(shown) == min(len(outcome.problems), 5), outcome
    assert any(line.startswith("[policy] warning ") for line in lines)
    assert any(line.startswith("[sla] error ") for line in lines)
    assert any(line.startswith("[problem] error ") for line in lines)
    assert any(line.endswith("... and 6 more like these.") for line in lines)


def test_built_in_tests_are_told_by_count_and_description(run: Run):
    assert "[problem] error built_in_not_null: 2 rows. Every rule has a name." in run.output


def test_broken_tests_do_not_break_the_end_of_the_run(run: Run):
    assert "test_that_breaks" in run.output
    assert "[problem] error test_that_breaks" not in run.output
