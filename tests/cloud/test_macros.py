"""The macros of macros/engines give the answers that were worked out by hand: Snowflake's on the emulator, BigQuery's on Google's reference.

tests/fixtures/engine_macros asks; tests/python/test_engine_macros.py asks the engines that are here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from compiled_for import PROJECT, compiled
from google_sql import GoogleSql

QUESTIONS = PROJECT / "tests/fixtures/engine_macros"
WRONG = "a_wrong_answer_is_told"
# What the emulator and the reference have not: an answer to where the columns of a built table stand.
LEFT_OUT = {"bigquery": {"column_names"}}


def of_google() -> dict[str, int]:
    """Question -> wrong answers."""
    google = GoogleSql()
    tests = [node for node in compiled("bigquery", project=QUESTIONS) if node.kind == "test"]
    return {node.name: len(google.rows(node.sql)) for node in tests if node.name not in LEFT_OUT["bigquery"]}


def of_the_emulator(folder: Path) -> dict[str, int]:
    """Question -> wrong answers; -1 where there was an error."""
    command = [sys.executable, str(Path(__file__).parent / "emulator.py"), str(QUESTIONS), "-", str(folder)]
    said = subprocess.run(command, capture_output=True, text=True)
    print(said.stdout[-5000:], said.stderr[-3000:])
    results = json.loads((folder / "run_results.json").read_text())["results"]
    asked = [result for result in results if result["unique_id"].startswith("test.")]
    return {
        result["unique_id"].split(".")[2]: -1 if result["failures"] is None else result["failures"] for result in asked
    }


@pytest.mark.parametrize("engine", ["snowflake", "bigquery"])
def test_every_answer_is_right_and_a_wrong_one_is_told(engine: str, tmp_path: Path) -> None:
    wrong = of_google() if engine == "bigquery" else of_the_emulator(tmp_path)
    asked = {path.stem for path in (QUESTIONS / "tests").glob("*.sql")}
    assert wrong.keys() == asked - LEFT_OUT.get(engine, set())
    assert {question: count for question, count in wrong.items() if count} == {WRONG: 2}
