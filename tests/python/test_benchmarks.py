"""The benchmark measures what it says: its yardstick makes the same marts, and its measures, ratios and fits are right."""

import subprocess
import sys
from datetime import datetime
from importlib import import_module
from math import isclose
from pathlib import Path
from typing import Any

import duckdb
import pytest
from compiled_project import DATABASE, PROJECT, build, build_models, connect, marts
from reference import Settings
from strategies import company

# The benchmarks are programs of a folder of their own, not part of the package.
sys.path.append(str(PROJECT / "benchmarks"))
bench, measuring, yardstick = (import_module(name) for name in ("bench", "measure", "yardstick"))

# A run has an id and a beginning of its own.
OWN = {"run_id", "run_started_at"}
# Companies of tests/python/strategies.py: a dozen of any kind, one with a touch at the very deadline, and one with a trigger at
# the very end of a running obligation.
COMPANIES = (*range(12), 13, 66)
SHOWN = 10

Mart = tuple[dict[str, str], list[dict[str, Any]]]


def read_marts(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, Mart]:
    """Every mart: its columns with their types, and its rows in the order of all that are no floating number."""
    found = {}
    listed = f"select table_name from duckdb_tables() where database_name = '{database}' and schema_name = 'marts'"
    for (name,) in connection.execute(listed).fetchall():
        relation = connection.execute(f"select * from {database}.marts.{name}")
        columns = {column[0]: str(column[1]) for column in relation.description}
        order = [column for column, kind in columns.items() if kind != "DOUBLE" and column not in OWN]
        rows = [dict(zip(columns, row, strict=True)) for row in relation.fetchall()]
        found[name] = (columns, sorted(rows, key=lambda row, order=order: [str(row[column]) for column in order]))
    return found


def differences(got: dict[str, Mart], expected: dict[str, Mart]) -> list[str]:
    """Every difference, a line each."""
    lines = [f"{name}: only one of both makes it" for name in got.keys() ^ expected.keys()]
    for name in got.keys() & expected.keys():
        (columns, rows), (expected_columns, expected_rows) = got[name], expected[name]
        if columns != expected_columns:
            lines.append(f"{name}: columns {columns}, expected {expected_columns}")
        elif len(rows) != len(expected_rows):
            lines.append(f"{name}: {len(rows)} rows, expected {len(expected_rows)}")
        else:
            lines += [
                f"{name}: {column}: got {row[column]}, expected {other[column]} in {other}"
                for row, other in zip(rows, expected_rows, strict=True)
                for column in columns
                if column not in OWN and not same(row[column], other[column])
            ]
    return lines


def same(got: Any, expected: Any) -> bool:
    if isinstance(got, float) and isinstance(expected, float):
        return isclose(got, expected, rel_tol=1e-9, abs_tol=1e-9)
    return got == expected


# --- the yardstick ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_of", [None, datetime(2026, 5, 4, 14, 30)], ids=["newest load", "a replayed day"])
def test_the_yardstick_makes_the_same_marts_of_the_sample(
    sample_raw: Path, tmp_path: Path, as_of: datetime | None
) -> None:
    connection = connect()
    connection.execute(f"use {DATABASE}")
    yardstick.read_inputs(connection, sample_raw, PROJECT / "seeds/policy")
    build_models(connection, Settings(as_of=as_of))
    expected = read_marts(connection, DATABASE)
    assert set(expected) == set(marts())
    assert all(rows for _, rows in expected.values())

    command = [sys.executable, PROJECT / "benchmarks/yardstick.py", sample_raw, tmp_path / "yardstick.duckdb"]
    subprocess.run([*command, *(["--as-of", str(as_of)] if as_of else [])], check=True)
    connection.execute(f"attach '{tmp_path / 'yardstick.duckdb'}' as yardstick (read_only)")
    assert differences(read_marts(connection, "yardstick"), expected)[:SHOWN] == []


def test_the_yardstick_makes_the_same_marts_of_companies_full_of_traps() -> None:
    connection = connect()
    connection.execute(f"use {DATABASE}")
    for number in COMPANIES:
        case = company(number)
        build(connection, case.raw, case.policy, case.settings)
        expected = read_marts(connection, DATABASE)
        yardstick.run(connection, vars(case.settings))
        found = differences(read_marts(connection, DATABASE), expected)[:SHOWN]
        assert found == [], f"company({number}) of tests/python/strategies.py"


def test_the_yardstick_writes_every_mart_itself() -> None:
    # It runs in the database of the compiled project above: a mart that it left out would equal itself.
    connection = connect()
    connection.execute(f"use {DATABASE}")
    case = company(0)
    build(connection, case.raw, case.policy, case.settings, models=[])
    yardstick.run(connection, vars(case.settings))
    assert set(read_marts(connection, DATABASE)) == set(marts())


def test_a_table_that_was_not_landed_is_empty_for_the_yardstick(sample_raw: Path, tmp_path: Path) -> None:
    for table in ("leads", "activities", "reps"):
        (tmp_path / table).symlink_to(sample_raw / table)
    connection = duckdb.connect()
    yardstick.read_inputs(connection, tmp_path, PROJECT / "seeds/policy")
    assert connection.execute("select count(*) from raw.deals").fetchall() == [(0,)]
    yardstick.run(connection)
    assert connection.execute("select count(won_at), count(*) > 1000 from marts.dim_leads").fetchall() == [(0, True)]


# --- measuring --------------------------------------------------------------------------------------------------------


def test_a_measured_command_counts_the_work_and_the_memory_of_its_children(tmp_path: Path) -> None:
    hungry = "import time; held = bytearray(80_000_000); end = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    parent = f"import subprocess, sys; print('done'); subprocess.run([sys.executable, '-c', {hungry!r}], check=True)"
    cost = measuring.measure([sys.executable, "-c", parent], {}, tmp_path)
    assert cost.output == "done\n"
    assert 0.5 <= cost.cpu_seconds < 2
    assert cost.wall_seconds >= 0.5
    assert 80 < cost.peak_mb < 200


def test_a_command_that_fails_is_no_measure(tmp_path: Path) -> None:
    with pytest.raises(measuring.CommandFailed, match=r"(?s)exit status 3:.*why it failed"):
        measuring.measure([sys.executable, "-c", "import sys; print('why it failed'); sys.exit(3)"], {}, tmp_path)


# --- ratios and fits --------------------------------------------------------------------------------------------------


def results(start: float, build: float, script: float) -> Any:
    """Results with these seconds, and a second, slower run of each."""
    return {
        name: bench.Result(
            [{"wall_seconds": 2 * t, "cpu_seconds": t, "peak_mb": 100 * t} for t in (seconds, seconds + 1)]
        )
        for name, seconds in (("start", start), ("build", build), ("yardstick", script))
    }


def test_the_ratio_takes_the_best_runs_and_leaves_out_dbts_own_start() -> None:
    assert bench.ratio(results(start=3, build=9, script=4)) == 1.5
    assert bench.ratio(results(start=3, build=9, script=4), "wall_seconds") == 1.5
    assert bench.ratio(results(start=3, build=9, script=4), "peak_mb") == 2.25
    assert bench.ratio({}) is None


def test_a_slide_is_told_beyond_one_and_a_half_times_the_recorded_ratio_and_not_at_it() -> None:
    assert bench.slide(3.0, recorded=2.0) is None
    assert "3.01 x" in bench.slide(3.01, recorded=2.0)


def test_the_exponent_of_a_cost_that_grows_with_a_power_is_that_power() -> None:
    sizes = [10_000, 100_000, 1_000_000]
    assert isclose(bench.exponent(sizes, [size**1.25 for size in sizes]), 1.25)
    assert isclose(bench.exponent(sizes, [7 * size for size in sizes]), 1)
    with pytest.raises(ValueError, match="two sizes"):
        bench.exponent([10, 10], [1, 2])


def test_the_cost_curve_is_told_and_drawn(tmp_path: Path) -> None:
    by_size = {1_000: results(1, 2, 1), 10_000: results(1, 11, 10), 100_000: results(1, 101, 100)}
    table = bench.curve_markdown(by_size)
    assert "| 10,000 | 22.0 | 11.0 | 1,100 | 20.0 | 10.0 | 1,000 | 1.00 |" in table
    assert "build without dbt's start 1.00" in table
    bench.plot(by_size, tmp_path / "curve.svg")
    assert "hand-written script" in (tmp_path / "curve.svg").read_text()


def test_the_smoke_run_fails_after_a_slide_and_passes_at_the_recorded_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    recorded = bench.json.loads(bench.BASELINE.read_text())["build_in_yardsticks"]
    assert bench.judge(results(start=3, build=3 + recorded, script=1), {}, record=False) == 0
    assert "No slide" in capsys.readouterr().out
    assert bench.judge(results(start=3, build=3 + 1.6 * recorded, script=1), {}, record=False) == 1
    assert "benchmarks/baseline.json" in capsys.readouterr().out


def test_a_table_tells_the_ratio() -> None:
    assert "1.50 x the yardstick by processor time" in bench.markdown(100_000, results(start=3, build=9, script=4))
