"""The benchmark measures what it says: its yardstick makes the same marts, and its measures, ratios and fits are right."""

import math
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import numpy
import pytest
from compiled_project import DATABASE, PROJECT, build, build_models, connect, marts
from reference import Settings
from strategies import company

# The benchmarks are programs of a folder of their own, not part of the package.
sys.path.append(str(PROJECT / "benchmarks"))
bench, build_profile, business_time, contents, measuring, next_load, tables, yardstick = (
    import_module(name)
    for name in (
        "bench",
        "build_profile",
        "business_time",
        "contents",
        "measure",
        "next_load",
        "tables",
        "yardstick",
    )
)

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
        return math.isclose(got, expected, rel_tol=1e-9, abs_tol=1e-9)
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


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system does not count what a process reads")
def test_a_measured_command_counts_what_its_children_read_and_write(tmp_path: Path) -> None:
    (tmp_path / "read").write_bytes(bytes(20_000_000))
    child = "open('written', 'wb', buffering=0).write(open('read', 'rb', buffering=0).read()[:10_000_000])"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    cost = measuring.measure([sys.executable, "-c", parent], {}, tmp_path)
    # Python reads itself, too.
    assert 20 <= cost.read_mb < 25
    assert 10 <= cost.written_mb < 11


def test_a_command_that_fails_is_no_measure(tmp_path: Path) -> None:
    with pytest.raises(measuring.CommandFailed, match=r"(?s)exit status 3:.*why it failed"):
        measuring.measure([sys.executable, "-c", "import sys; print('why it failed'); sys.exit(3)"], {}, tmp_path)


# --- the next load ----------------------------------------------------------------------------------------------------


def landed(raw: Path) -> dict[str, tuple[int, int, int]]:
    """Every file of a raw folder, with what tells that it has not changed."""
    return {
        str(file.relative_to(raw)): (file.stat().st_ino, file.stat().st_size, file.stat().st_mtime_ns)
        for file in raw.rglob("*.parquet")
    }


@pytest.fixture
def raw(sample_raw: Path, tmp_path: Path) -> Path:
    """A raw folder that shares its files with the sample, and to which a load may be added."""
    bench.shutil.copytree(sample_raw, tmp_path / "raw", copy_function=bench.os.link)
    return tmp_path / "raw"


def test_the_next_load_adds_files_and_leaves_those_of_before_as_they_were(sample_raw: Path, raw: Path) -> None:
    before = landed(sample_raw)
    next_load.land(raw, 0.02)
    after = landed(raw)
    assert landed(sample_raw) == before
    assert before.items() < after.items()
    assert {str(Path(file).parent) for file in after.keys() - before.keys()} == {
        f"{table}/loaded_date=2026-06-19" for table in ("leads", "activities", "owner_changes", "deals")
    }


def test_the_next_load_brings_new_leads_and_news_of_every_kind_about_others(sample_raw: Path, raw: Path) -> None:
    told = next_load.land(raw, 0.05)
    connection = duckdb.connect()
    tables_of = {"old": sample_raw.glob("*/*"), "new": raw.glob("*/loaded_date=2026-06-19")}
    for name, folders in tables_of.items():
        connection.execute(f"create schema {name}")
        files: dict[str, list[str]] = {}
        for folder in folders:
            files.setdefault(folder.parent.name, []).append(f"{folder}/*.parquet")
        for table, patterns in files.items():
            connection.execute(
                f"create view {name}.{table} as from read_parquet({patterns}, hive_partitioning = false)"
            )

    def count(query: str) -> int:
        return connection.execute(f"select count(*) from {query}").fetchall()[0][0]

    assert sum(count(f"new.{table}") for table in ("leads", "activities", "owner_changes", "deals")) == told["rows"]
    # A twentieth of the sample's 1,500 leads is new, as many others are touched, by chance a few more or less.
    assert count("(from new.leads anti join old.leads using (lead_id))") == 75
    assert 75 + 40 < told["leads"] < 75 + 120
    for column in ("disqualified_at", "opted_out_at", "merged_at"):
        assert count(f"(from new.leads semi join old.leads using (lead_id)) where {column} is not null") > 0
    assert count("(from new.leads semi join old.leads using (lead_id)) where is_deleted") > 0
    assert count("(from new.activities semi join old.activities using (activity_id)) where is_deleted") > 0
    assert count("(from new.activities semi join old.activities using (activity_id)) where not is_deleted") > 0
    assert count("(from new.activities anti join old.activities using (activity_id)) where activity_type = 'call'") > 0
    assert count("(from new.owner_changes semi join old.leads using (lead_id))") > 0
    assert count("(from new.deals semi join old.deals using (deal_id)) where status = 'won'") > 0
    assert count("(from new.deals anti join old.deals using (deal_id))") > 0
    # No two versions of one record that nothing orders.
    assert count("(select 1 from new.activities group by activity_id having count(*) > 1)") == 0
    assert count("(select 1 from new.leads group by lead_id having count(*) > 1)") == 0
    assert count("(select 1 from new.deals group by deal_id having count(*) > 1)") == 0
    assert count("(select 1 from new.owner_changes group by lead_id, changed_at having count(*) > 1)") == 0


def test_the_next_load_is_the_same_for_the_same_data_and_another_the_night_after(sample_raw: Path, raw: Path) -> None:
    again = raw.with_name("again")
    bench.shutil.copytree(sample_raw, again, copy_function=bench.os.link)
    assert next_load.land(raw, 0.02) == next_load.land(again, 0.02)
    files = sorted(file.relative_to(raw) for file in raw.glob("*/loaded_date=2026-06-19/*"))
    assert [(raw / file).read_bytes() for file in files] == [(again / file).read_bytes() for file in files]

    next_load.land(raw, 0.02)
    nights = [
        {row[0] for row in duckdb.sql(f"from '{raw}/leads/loaded_date={day}/*.parquet'").fetchall() if row[0][0] == "N"}
        for day in ("2026-06-19", "2026-06-20")
    ]
    # Two in a hundred of 1,500 leads, then of 1,530; beside the newest there is news of those of the night before.
    assert [len(nights[0]), len(nights[1] - nights[0])] == [30, 31]


# --- increments -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A benchmark of a few leads, after the next load was measured, and its results."""
    measured = bench.Bench(tmp_path_factory.mktemp("bench"), leads=300, share=0.05)
    return measured, measured.run(["increment"], 1, lambda text: None)


def test_an_increment_that_is_measured_makes_the_marts_that_the_yardstick_makes_of_the_same_files(
    measured: Any,
) -> None:
    measured, found = measured
    assert found["increment"].told["rows"] > 100
    connection = duckdb.connect()
    yardstick.read_inputs(connection, measured.raw, PROJECT / "seeds/policy")
    yardstick.run(connection)
    expected = read_marts(connection, "memory")
    assert expected["run_metadata"][1][0]["as_of"] == datetime(2026, 6, 19, 2)
    connection.execute(f"attach '{measured.warehouse}' as built (read_only)")
    assert differences(read_marts(connection, "built"), expected)[:SHOWN] == []
    connection.close()

    # One minute more in one row, and the measure is refused.
    with duckdb.connect(str(measured.warehouse)) as warehouse:
        warehouse.execute(
            "update marts.fct_speed_to_lead set elapsed_minutes = elapsed_minutes + 1"
            " where lead_id = (select min(lead_id) from marts.fct_speed_to_lead where elapsed_minutes is not null)"
        )
    with pytest.raises(bench.WrongMarts, match=r"fct_speed_to_lead has .* rows .* differs in elapsed_minutes$"):
        measured._increment_full()


def test_equal_contents_are_equal_rows_in_any_order(tmp_path: Path) -> None:
    def made(rows: str) -> Any:
        file = tmp_path / "made.duckdb"
        file.unlink(missing_ok=True)
        with duckdb.connect(str(file)) as connection:
            connection.execute("create schema marts")
            connection.execute(f"create table marts.dim_leads as select * from (values {rows}) as v (lead_id, minutes)")
            connection.execute("create table marts.run_metadata as select random() as run_id")
        return contents.contents(file)

    rows = "('a', 1.5::double), ('b', null), ('b', null)"
    assert contents.differences(made(rows), made("('b', null), ('a', 1.5::double), ('b', null)")) == []
    assert contents.differences(made("('a', 1.5::double), ('b', null)"), made(rows)) == [
        "dim_leads has 2 rows and should have 3; it differs in lead_id, minutes"
    ]
    assert contents.differences(made("('a', null), ('b', 1.5::double), ('b', null)"), made(rows)) == [
        "dim_leads has 3 rows and should have 3; it differs in the pairing of columns"
    ]
    assert contents.differences({}, made(rows)) == ["dim_leads is missing in one of both"]


@pytest.mark.parametrize(("measure", "seed"), [("increment_value", "lead_values"), ("increment_holiday", "holidays")])
def test_a_measured_policy_change_changes_one_row_of_a_copy(
    tmp_path: Path, sample_raw: Path, monkeypatch: pytest.MonkeyPatch, measure: str, seed: str
) -> None:
    (tmp_path / "raw_300").symlink_to(sample_raw)
    measured = bench.Bench(tmp_path, leads=300)
    measured.begin()
    measured.next_load, ran = "{}", []
    monkeypatch.setattr(measured, "dbt", lambda *arguments: ran.append(arguments))
    monkeypatch.setattr(measured, "_increment_full", lambda: ran.append("checked"))
    getattr(measured, f"_{measure}")()
    assert ran == [("seed",), ("run",), "checked"]

    def rows(project: Path) -> set[str]:
        return set((project / "seeds/policy" / f"{seed}.csv").read_text().splitlines())

    assert len(rows(measured.project) - rows(PROJECT)) == 1
    assert len(rows(PROJECT) - rows(measured.project)) == (seed == "lead_values")


def test_a_week_of_nights_lands_a_load_before_each_run_and_tells_of_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, done = bench.Bench(tmp_path, leads=300), []

    def land() -> None:
        done.append("load")
        measured.next_load = bench.json.dumps({"rows": 10 * len(done), "leads": 4})

    def dbt(*arguments: str) -> Any:
        done.extend(arguments)
        return bench.Cost(wall_seconds=len(done), cpu_seconds=1, peak_mb=1, read_mb=1, written_mb=1, output="")

    measured.next_load = "{}"
    monkeypatch.setattr(measured, "land", land)
    monkeypatch.setattr(measured, "dbt", dbt)
    result = tables.Result.of([measured._increment_week()])
    assert done == ["load", "run"] * bench.NIGHTS
    assert result.told == {"rows": 10 * (len(done) - 1), "leads": 4, "nights": bench.NIGHTS}
    assert (
        "The load of a week later: 110 rows of 4 leads, 12.0 s, as the last of 6 nights one after the other."
        in tables.markdown(300, {"increment_week": result})
    )


def test_a_memory_limit_reaches_the_project_and_no_setting_of_the_user_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAD_SLA_MEMORY_LIMIT", "1GB")
    assert "LEAD_SLA_MEMORY_LIMIT" not in bench.Bench(tmp_path, 300).environment
    assert bench.Bench(tmp_path, 300, memory_limit="8GB").environment["LEAD_SLA_MEMORY_LIMIT"] == "8GB"
    assert "LEAD_SLA_THREADS" not in bench.Bench(tmp_path, 300).environment
    assert bench.Bench(tmp_path, 300, threads=1).environment["LEAD_SLA_THREADS"] == "1"


# --- peers for business time ------------------------------------------------------------------------------------------


def test_pandas_and_the_library_find_the_same_open_time() -> None:
    rules, pairs = business_time.library_rules(), business_time.random_pairs(200)
    found = [rules.difference(start, end) for start, end in pairs]
    naive = [[instant.replace(tzinfo=None) for instant in pair] for pair in pairs]
    positions = business_time.open_seconds(numpy.array(naive, dtype="datetime64[s]").ravel()).reshape(-1, 2)
    assert [span.hours * 3600 + span.seconds for span in found] == [end - start for start, end in positions]
    assert len({end - start for start, end in positions}) > 50


# --- ratios and fits --------------------------------------------------------------------------------------------------


def results(start: float, build: float, script: float) -> Any:
    """Results with these seconds, and a second, slower run of each."""
    return {
        name: tables.Result(
            [{"wall_seconds": 2 * t, "cpu_seconds": t, "peak_mb": 100 * t} for t in (seconds, seconds + 1)]
        )
        for name, seconds in (("start", start), ("build", build), ("yardstick", script))
    }


def with_increments(times: float) -> Any:
    """Results with increments, in so many times their seconds."""
    found = results(start=times, build=9 * times, script=4 * times)
    told = {"rows": 300, "leads": 40, "mb": 0.1, "raw_mb": 1000.0, "warehouse_mb": 2000.0}
    for name, (seconds, read) in {
        "increment": (5, 30),
        "increment_nothing": (1.6, 20),
        "increment_full": (10, 90),
    }.items():
        cost = {
            "wall_seconds": 2 * seconds * times,
            "cpu_seconds": seconds * times,
            "peak_mb": 500.0,
            "read_mb": float(read),
        }
        found[name] = tables.Result([cost], told if name == "increment" else {})
    return found


def test_the_ratio_takes_the_best_runs_and_leaves_out_dbts_own_start() -> None:
    assert tables.ratio(results(start=3, build=9, script=4)) == 1.5
    assert tables.ratio(results(start=3, build=9, script=4), "wall_seconds") == 1.5
    assert tables.ratio(results(start=3, build=9, script=4), "peak_mb") == 2.25
    assert tables.ratio({}) is None


def test_a_slide_is_told_beyond_one_and_a_half_times_the_recorded_ratio_and_not_at_it() -> None:
    assert bench.slide(3.0, recorded=2.0) is None
    assert "3.01 x" in bench.slide(3.01, recorded=2.0)


def test_the_exponent_of_a_cost_that_grows_with_a_power_is_that_power() -> None:
    sizes = [10_000, 100_000, 1_000_000]
    assert math.isclose(tables.exponent(sizes, [size**1.25 for size in sizes]), 1.25)
    assert math.isclose(tables.exponent(sizes, [7 * size for size in sizes]), 1)
    with pytest.raises(ValueError, match="two sizes"):
        tables.exponent([10, 10], [1, 2])


def test_the_cost_curve_is_told_and_drawn(tmp_path: Path) -> None:
    by_size = {1_000: results(1, 2, 1), 10_000: results(1, 11, 10), 100_000: results(1, 101, 100)}
    table = tables.curve_markdown(by_size)
    assert "| 10,000 | 22.0 | 11.0 | 1,100 | 20.0 | 10.0 | 1,000 | 1.00 |" in table
    assert "| build without dbt's start | 1.00 | 1.00 | 0.85 |" in table
    tables.plot(by_size, tmp_path / "curve.svg")
    assert "hand-written script" in (tmp_path / "curve.svg").read_text()


def test_the_cost_curve_tells_and_draws_increments(tmp_path: Path) -> None:
    by_size = {1_000: with_increments(0.5), 10_000: with_increments(1), 100_000: with_increments(1.5)}
    table = tables.curve_markdown(by_size)
    assert "| 10,000 | 300 | 40 | 10.0 | 5.0 | 500 | 30 | 3.2 | 20.0 | 90 | 50.0% | 1,000 | 2,000 |" in table
    assert "| increment without dbt's start | 0." in table
    tables.plot(by_size, tmp_path / "curve.svg")
    assert "nothing new" in (tmp_path / "curve.svg").read_text()


def test_what_is_left_when_the_start_is_all_there_is_has_no_exponent() -> None:
    found = tables.exponents({1_000: results(2, 2, 1), 10_000: results(2, 3, 2)})
    assert found["build without dbt's start"]["cpu_seconds"] is None
    assert found["yardstick"]["cpu_seconds"] == pytest.approx(math.log10(2))


def test_results_that_were_kept_are_told_again_several_files_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = bench.machine() | {"load_after": [0.1]}
    small, large = {1_000: with_increments(0.5)}, {10_000: with_increments(1)}
    for name, by_size in (("large", large), ("small", small)):
        (tmp_path / name).write_text(bench.json.dumps(tables.record(by_size, facts)))
    files = [str(tmp_path / "large"), str(tmp_path / "small")]
    monkeypatch.setattr(sys, "argv", ["bench.py", "--tell", *files, "--out", str(tmp_path / "out")])
    assert bench.main() == 0
    assert tables.curve_markdown({**small, **large}) in capsys.readouterr().out
    assert (tmp_path / "out/curve.svg").exists()


def test_the_smoke_run_fails_after_a_slide_and_passes_at_the_recorded_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    recorded = bench.json.loads(bench.BASELINE.read_text())["build_in_yardsticks"]
    assert bench.judge(results(start=3, build=3 + recorded, script=1), {}, record=False) == 0
    assert "No slide" in capsys.readouterr().out
    assert bench.judge(results(start=3, build=3 + 1.6 * recorded, script=1), {}, record=False) == 1
    assert "benchmarks/baseline.json" in capsys.readouterr().out


def test_a_table_tells_the_ratio() -> None:
    assert "1.50 x the yardstick by processor time" in tables.markdown(100_000, results(start=3, build=9, script=4))


# --- where the seconds go ---------------------------------------------------------------------------------------------


class Log:
    """Writes events as dbt's log has them, at seconds after midnight."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def add(self, second: float, name: str, thread: str = "MainThread", **data: Any) -> None:
        self.events.append({"info": {"name": name, "ts": self.at(second).isoformat(), "thread": thread}, "data": data})

    def statement(self, began: float, over: float, connection: str, sql: str, thread: str) -> None:
        self.add(began, "SQLQuery", thread, conn_name=connection, sql=sql)
        self.add(over, "SQLQueryStatus", thread, elapsed=over - began, status="OK")

    def node(self, began: float, compiled: float, over: float, id: str, thread: str) -> None:
        stamps = [self.at(second).replace(tzinfo=None).isoformat() for second in (began, compiled, over)]
        info = {"unique_id": id, "node_started_at": stamps[0], "node_finished_at": stamps[2]}
        timing = [{"name": "compile", "started_at": stamps[0] + "Z", "completed_at": stamps[1] + "Z"}]
        self.add(over, "NodeFinished", thread, node_info=info, run_result={"timing_info": timing})

    @staticmethod
    def at(second: float) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


def test_the_profile_tells_phases_nodes_statements_and_the_longest_chain() -> None:
    log = Log()
    log.add(1, "MainReportVersion")
    log.add(3, "FoundStats")
    log.add(3, "ConcurrencyLine", num_threads=2)
    log.statement(3, 3.5, "list_warehouse", "/* dbt */ select schema_name from schemata", "MainThread")
    log.add(4, "LogHookEndLine", statement="p.on-run-start.0", execution_time=0.4)
    log.add(4, "NodeStart", "one")
    log.statement(5, 7, "model.p.first", "/* dbt */\n-- Grain\ncreate table x as select 1", "one")
    log.node(4, 4.5, 8, "model.p.first", "one")
    # Two at once: the engine works for both, from 9 to 12 by the clock.
    log.statement(9, 11, "model.p.second", "create table y as select 1", "one")
    log.node(8, 9, 11, "model.p.second", "one")
    log.statement(10, 12, "test.p.not_null_first.0123456789", "select count(*) from x", "two")
    log.node(8, 8, 13, "test.p.not_null_first.0123456789", "two")
    skipped = {"unique_id": "model.p.skipped", "node_started_at": "", "node_finished_at": ""}
    log.add(13, "NodeFinished", "one", node_info=skipped, run_result={"timing_info": []})
    log.add(14, "ResourceReport", process_user_time=11, process_kernel_time=1)
    edges = {
        "model.p.first": ["view.p.between", "test.p.not_null_first.0123456789"],
        "view.p.between": ["model.p.second"],
    }
    found = build_profile.profile(log.events, edges, log.at(0), log.at(15))

    assert list(found.phases.values()) == [1, 2, 1, 9, 1, 1]
    assert {node.name: (node.seconds, node.compile_seconds, node.sql_seconds) for node in found.nodes} == {
        "first": (4, 0.5, 2),
        "second": (3, 1, 2),
        "not_null_first": (5, 0, 2),
    }
    assert {key: (kind.count, kind.seconds) for key, kind in found.statements.items()} == {
        ("dbt itself", "select schema_name"): (1, 0.5),
        ("model", "create table"): (2, 4),
        ("test", "select count"): (1, 2),
    }
    assert found.engine_seconds == 2 + 3
    assert found.hooks == {"p.on-run-start.0": 0.4}
    assert [node.name for node in found.path] == ["first", "not_null_first"]

    told = build_profile.tell("dbt build", found, top=1)
    assert "## dbt build: 15.0 s, processor 12.0 s" in told
    assert "2 threads have 18.0 s while nodes run (9.0 s by the clock), and use 12.0 s of them (67%)" in told
    assert "| all | 3 | 12.00 | 1.50 | 6.00 | 2000 |" in told
    assert "The dearest models, 57% of the seconds of all 2:" in told
    assert "| others |  | 2 | 2.50 |" in told


def test_a_chain_passes_through_what_did_not_run_and_does_not_follow_a_cheaper_way() -> None:
    nodes = {id: build_profile.Node(id, seconds, 0) for id, seconds in {"m.p.a": 1, "m.p.b": 5, "m.p.c": 2}.items()}
    edges = {"m.p.a": ["m.p.skipped", "m.p.c"], "m.p.skipped": ["m.p.b"], "m.p.b": [], "m.p.c": []}
    assert [node.id for node in build_profile.longest_chain(nodes, edges)] == ["m.p.a", "m.p.b"]
    assert build_profile.longest_chain({}, {}) == []


def test_a_log_without_nodes_has_no_profile() -> None:
    log = Log()
    log.add(1, "MainReportVersion")
    with pytest.raises(ValueError, match="no node that ran"):
        build_profile.profile(log.events, {}, log.at(0), log.at(2))


def test_a_real_run_is_profiled(measured: Any) -> None:
    told = build_profile.Profiler(measured[0], top=5).command("`dbt run`", "run", "--select", "stg_crm__loads+1")
    assert "stg_crm__loads (" in told
    assert "stg_crm__clock (" in told
    assert re.search(r"\| model \| create table \| \d+ \|", told)
    assert "lead_sla.on-run-start.0" in told


def test_a_run_that_fails_is_profiled_and_told(measured: Any) -> None:
    profiler = build_profile.Profiler(measured[0], top=5)
    broken = measured[0].project / "models/staging/crm/stg_crm__loads.sql"
    right = broken.read_text()
    broken.write_text("select 1 / 'nothing' as table_name")
    try:
        assert "stg_crm__loads (" in profiler.command("`dbt run`", "run", "--select", "stg_crm__loads+1")
    finally:
        broken.write_text(right)
    assert "stg_crm__loads" in profiler.failures[0]
