"""The whole project on an emulator of Snowflake: it builds, its data tests say the same, and its marts are DuckDB's, row by row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from compiled_for import PROJECT

from lead_sla.sample import make_sample

HERE = Path(__file__).parent
MARTS = sorted(path.stem for path in (PROJECT / "models/marts").rglob("*.sql"))
# What a run says of itself.
OF_THE_RUN = {"run_metadata": ["run_id", "run_started_at"]}
Outcomes = dict[str, tuple[str, int | None]]


def outcomes(folder: Path) -> Outcomes:
    """Name of the node -> what dbt says of it, and how many rows a test found."""
    results = json.loads((folder / "run_results.json").read_text())["results"]
    return {result["unique_id"]: (result["status"], result["failures"]) for result in results}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A sample company built by the emulator and by DuckDB: the folder of each."""
    folder = tmp_path_factory.mktemp("built")
    raw, emulated, own = folder / "raw", folder / "snowflake", folder / "duckdb"
    make_sample(300, 60, 42, raw)
    for made in (emulated, own):
        made.mkdir()
    without = ["--exclude", "resource_type:unit_test"]
    duck = {"LEAD_SLA_RAW": str(raw), "LEAD_SLA_WAREHOUSE": str(own / "own.duckdb"), "DBT_PROFILES_DIR": str(PROJECT)}
    paths = ["--target-path", str(own), "--log-path", str(own)]
    for command in (
        [HERE / "emulator.py", PROJECT, raw, emulated, *without],
        ["-m", "dbt.cli.main", "--quiet", "build", *without, *paths],
    ):
        said = subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=PROJECT,
            env={**os.environ, **duck, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
            capture_output=True,
            text=True,
        )
        print(said.stdout[-3000:], said.stderr[-3000:])
    return emulated, own


def test_every_seed_model_and_data_test_ends_as_on_duckdb(built: tuple[Path, Path]) -> None:
    emulated, own = map(outcomes, built)
    assert sum(name.startswith("model.") for name in emulated) > len(MARTS)
    assert emulated == own


@pytest.mark.parametrize("mart", MARTS)
def test_a_mart_is_that_of_duckdb(built: tuple[Path, Path], mart: str) -> None:
    emulated, own = built
    connection = duckdb.connect(own / "own.duckdb", read_only=True)
    theirs = f"'{emulated}/marts/{mart}.parquet'"
    columns = [row[0] for row in connection.execute(f"describe marts.{mart}").fetchall()]
    found = connection.execute(f"describe select * from {theirs}").fetchall()
    assert [row[0].lower() for row in found] == columns
    # Floating numbers are sums in another order; whole numbers have the type of any number there.
    compared = ", ".join(
        f"round({name}, 9) as {name}" if kind == "DOUBLE" else f"cast({name} as {kind}) as {name}"
        for name, kind in ((row[0], row[1]) for row in connection.execute(f"describe marts.{mart}").fetchall())
        if name not in OF_THE_RUN.get(mart, [])
    )
    sides = [f"select {compared} from marts.{mart}", f"select {compared} from {theirs}"]
    assert connection.execute(f"select count(*) from marts.{mart}").fetchone() != (0,)
    for one, other in (sides, sides[::-1]):
        assert connection.execute(f"({one}) except all ({other}) limit 5").fetchall() == []
