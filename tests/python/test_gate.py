"""The gate: a clean company passes, everything that it looks for is found and named, and what it writes is what it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from command_line import CommandLine, contents
from corrupted_raw import corrupt, wrong_rows
from project_copy import PROJECT

from lead_sla import raw
from lead_sla.gate import GateResult, _Check, counts, run_gate
from lead_sla.gate.contract import read_contract
from lead_sla.gate.suites import DOCS, FOLDER, files, suites, with_tables
from lead_sla.gate.tables import make_loads, rows_of
from lead_sla.gate.verdicts import Verdict, percent
from lead_sla.settings import Settings

# The sample ends here.
NOW = datetime(2026, 6, 18, 15)
TABLES = ("leads", "activities", "owner_changes", "reps", "deals")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all checks of this module: dbt reads the project once."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def history(state: Path) -> Iterator[Path]:
    """The file of row counts, empty before and after the test."""
    path = state / "gate" / "row_counts.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def settings(sample_raw: Path, tmp_path: Path) -> Settings:
    return Settings(
        PROJECT, sample_raw, False, tmp_path / "warehouse.duckdb", tmp_path / "published", tmp_path / "state"
    )


def gate(settings: Settings, state: Path, **options: object) -> GateResult:
    return run_gate(replace(settings, state=state), **{"now": NOW, **options})


def no_reference_leads_out(page: str) -> bool:
    """Does the page load nothing, neither from the network nor from beside it?"""
    return not re.search(r"<(?:script|link|img|iframe|object)\b|\b(?:src|href)\s*=|url\(|@import|https?:", page)


# --- What is committed --------------------------------------------------------------------------------------------------


def test_the_committed_context_is_what_the_suites_say() -> None:
    wanted = files(PROJECT)
    committed = {
        str(path.relative_to(PROJECT / FOLDER)): path.read_text()
        for path in (PROJECT / FOLDER).rglob("*")
        if path.is_file()
    }
    assert committed == wanted, "run: python -m lead_sla.gate.suites"


def test_the_documented_checks_are_what_the_suites_say() -> None:
    page = (PROJECT / DOCS).read_text()
    assert all(f"<!-- checks:{suite}:begin -->" in page for suite in suites(read_contract(PROJECT)))
    assert with_tables(page, PROJECT) == page, "run: python -m lead_sla.gate.suites"


def test_the_committed_context_names_no_machine_no_network_and_no_secret() -> None:
    for name, text in files(PROJECT).items():
        assert not re.search(r"https?:|password|token", text), name
        assert not any(str(place) in text for place in (PROJECT, Path.home(), tempfile.gettempdir())), name
    assert "duckdb+autocommit:///${LEAD_SLA_GATE_SCRATCH}" in files(PROJECT)["great_expectations.yml"]


def test_every_check_says_what_it_expects_why_and_who_mends_it() -> None:
    for suite, checks in suites(read_contract(PROJECT)).items():
        assert len({check.name for check in checks}) == len(checks), suite
        for check in checks:
            assert check.expects and check.todo.endswith(".") and check.why and check.mends, (suite, check.name)
            assert list(check.severities()), (suite, check.name)


def test_the_command_line_starts_without_great_expectations() -> None:
    heavy = {"great_expectations", "sqlalchemy", "jinja2", "pandas"}
    code = f"import sys, lead_sla.cli, lead_sla.gate; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert run.stdout.strip() == "[]"


# --- A company without faults -------------------------------------------------------------------------------------------


def test_a_clean_company_is_accepted_without_a_finding(settings: Settings, state: Path, history: Path) -> None:
    committed = contents(PROJECT / FOLDER)
    result = gate(settings, state)
    assert result.is_accepted
    assert [finding.sentence for finding in (*result.errors, *result.warnings)] == []
    assert result.checks == sum(len(checks) for checks in suites(read_contract(PROJECT)).values())
    with duckdb.connect() as connection:
        for table, load in result.loads.items():
            files_of_table = str(settings.raw / table / "**" / "*.parquet")
            landed = connection.execute("select count(*) from read_parquet(?)", [files_of_table]).fetchall()
            assert load.row_count == landed[0][0]
        kept = connection.execute("select table_name, row_count, checked_at from read_parquet(?)", [str(history)])
        assert set(kept.fetchall()) == {(table, load.row_count, NOW) for table, load in result.loads.items()}
    assert result.loads["leads"].newest_load == NOW
    assert result.loads["leads"].verdict_on_amount.startswith("no verdict")

    page = result.page.read_text()
    assert no_reference_leads_out(page)
    assert "Accepted" in page and "no verdict" in page and "prefers-color-scheme: dark" in page
    assert json.loads(json.dumps(result.record()))["loads"]["leads"]["newest_load"] == "2026-06-18 15:00:00"
    # Nothing is left over, and looking changes nothing of what it looks with.
    assert sorted(path.name for path in result.page.parent.iterdir()) == [
        "data-checks.html",
        "last.json",
        "lock",
        "logs",
        "row_counts.parquet",
        "target",
    ]
    assert contents(PROJECT / FOLDER) == committed
    assert not settings.warehouse.exists() and not settings.published.exists()


# --- A company with every fault -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corrupted(sample_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corrupted") / "raw"
    corrupt(sample_raw, folder)
    return folder


@pytest.fixture(scope="module")
def refused(corrupted: Path, state: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[GateResult, str]:
    """What a check of the corrupted company found, and its page."""
    nowhere = tmp_path_factory.mktemp("nowhere")
    result = gate(Settings(PROJECT, corrupted, False, nowhere / "w.duckdb", nowhere / "published", state), state)
    assert not (state / "gate" / "row_counts.parquet").exists(), "a refused load became history"
    return result, result.page.read_text()


def test_each_check_of_a_row_fails_counts_and_names_the_rows_and_who_mends_them(
    refused: tuple[GateResult, str], corrupted: Path
) -> None:
    result, _ = refused
    wrong = wrong_rows(corrupted)
    found = {(finding.table, finding.check): finding for finding in (*result.errors, *result.warnings)}
    for table in TABLES:
        for check in suites(read_contract(PROJECT))[table]:
            finding = found.pop((table, check.name))
            strongest = next(iter(check.severities()))[0]
            assert (finding.severity, finding.mends) == (strongest, check.mends), finding
            assert f"Who mends it: {check.mends}" in finding.sentence and 1 <= len(finding.rows) <= 5
            if check.name == "rows_are_not_repeated":
                continue  # counted below
            count, ids = wrong[table, check.name]
            assert f"raw {table}: {count:,} of " in finding.what, (finding, count)
            for row in finding.rows:
                named = re.split(r" at | \(", row)[0].strip()
                assert named in ids or (row.startswith("(no ") and "" in ids), (finding, sorted(ids)[:5])
    assert not found


def test_each_row_that_repeats_another_is_counted(refused: tuple[GateResult, str], corrupted: Path) -> None:
    result, _ = refused
    found = {finding.table: finding.what for finding in result.warnings if finding.check == "rows_are_not_repeated"}
    with duckdb.connect() as connection:
        for table in TABLES:
            # Rows without a key are not compared: that they have none is the finding.
            key = " and ".join(
                f"{column} is not null" for column in read_contract(PROJECT)[TABLES.index(table)].version_key
            )
            repeated = f"select count(*) - count(distinct row) from read_parquet('{corrupted}/{table}/*.parquet') as row where {key}"
            assert f"raw {table}: {connection.execute(repeated).fetchall()[0][0]:,} of " in found[table]


def test_a_refusal_is_a_message_of_exit_status_2(refused: tuple[GateResult, str]) -> None:
    result, _ = refused
    message = result.refusal()
    assert not result.is_accepted and message.exit_code == 2
    assert "have no lead_id" in str(message) and "more errors, on the page" in str(message)


def test_the_page_of_a_refusal_shows_every_finding_and_loads_nothing(refused: tuple[GateResult, str]) -> None:
    result, page = refused
    assert no_reference_leads_out(page)
    assert f"Refused: {len(result.errors)} errors, {len(result.warnings)} warnings" in page
    for finding in (*result.errors, *result.warnings):
        assert finding.what.split(": ", 1)[1][1:] in page
        assert all(row in page for row in finding.rows)


# --- Columns and files --------------------------------------------------------------------------------------------------


def test_every_misfit_of_the_columns_is_told_at_once(sample_raw: Path, tmp_path: Path, state: Path) -> None:
    folder = tmp_path / "raw"
    with duckdb.connect() as connection:
        for table, columns in {
            "leads": "* replace (employee_count::varchar as employee_count), '555' as phone",
            "activities": "* exclude (occurred_at)",
            "owner_changes": "*",
            "reps": "*",
            "deals": "* replace (created_at at time zone 'UTC' as created_at)",
        }.items():
            (folder / table).mkdir(parents=True)
            landed = f"read_parquet('{sample_raw}/{table}/**/*.parquet', hive_partitioning = false)"
            connection.execute(
                f"copy (select {columns} from {landed}) to '{folder}/{table}/1.parquet' (format parquet)"
            )
    command = CommandLine(PROJECT, tmp_path / "data", folder).with_settings(LEAD_SLA_STATE=str(state))
    run = command("check", "--now", str(NOW))
    assert run.status == 2
    assert "The landed data was refused: 3 errors" in run.err
    assert "table activities has no column occurred_at (timestamp)" in run.err
    assert "column employee_count of table leads is VARCHAR" in run.err
    assert "column created_at of table deals is TIMESTAMP WITH TIME ZONE" in run.err
    assert "Who mends it: loader" in run.err and "The published marts are as they were." in run.err
    page = (state / "gate" / "data-checks.html").read_text()
    assert "Column phone of table leads is landed (VARCHAR)" in page and "Refused: 3 errors, 1 warning" in page
    assert "were not looked at" in page and no_reference_leads_out(page)


def test_missing_empty_and_broken_files_are_all_told(settings: Settings, tmp_path: Path, state: Path) -> None:
    folder = tmp_path / "raw"
    (folder / "leads").mkdir(parents=True)
    (folder / "leads" / "1.parquet").write_bytes(b"PAR1 broken off")
    (folder / "reps").mkdir()
    with duckdb.connect() as connection:
        connection.execute(f"copy (select 'R1' as rep_id where false) to '{folder}/reps/1.parquet' (format parquet)")
    result = gate(replace(settings, raw=folder), state)
    assert {finding.table: finding.what.split(" (")[0].split(":")[0] for finding in result.errors} == {
        "leads": "a raw file is not a readable Parquet file",
        "activities": "table activities is missing",
        "reps": "table reps is empty",
    }
    assert result.loads == {} and result.checks == 0


def test_a_file_with_damaged_pages_is_named(settings: Settings, tmp_path: Path) -> None:
    # Footers are read before anything else; of damaged pages DuckDB tells while the rows are looked at, and does not name the file.
    raw_folder = tmp_path / "raw"
    for table in ("leads", "activities"):
        shutil.copytree(settings.raw / table, raw_folder / table)
    damaged = max((raw_folder / "activities").rglob("*.parquet"), key=lambda path: path.stat().st_size)
    content = bytearray(damaged.read_bytes())
    content[8:800] = b"\xff" * 792
    damaged.write_bytes(content)
    check = _Check(replace(settings, raw=raw_folder), tmp_path, NOW, {}, lambda text: None)
    check._take({"damage": "Invalid Input Error: corrupt data"}, raw.landed(PROJECT, raw_folder))
    (finding,) = check.findings
    assert (finding.table, finding.severity, finding.mends) == ("activities", "error", "loader")
    assert str(damaged) in finding.what


# --- Loads --------------------------------------------------------------------------------------------------------------


def test_what_is_optional_may_be_missing_and_what_is_late_lost_or_odd_is_told(
    settings: Settings, tmp_path: Path, state: Path, history: Path
) -> None:
    folder = tmp_path / "raw"
    now = NOW + timedelta(hours=60)
    rows = {}
    with duckdb.connect() as connection:
        for table, columns in {
            "leads": "* exclude (employee_count, merged_at)",
            "activities": "*",
            "owner_changes": "* exclude (owner_id)",
            "reps": "* exclude (email)",
        }.items():
            (folder / table).mkdir(parents=True)
            landed = f"read_parquet('{settings.raw}/{table}/**/*.parquet', hive_partitioning = false)"
            connection.execute(
                f"copy (select {columns} from {landed}) to '{folder}/{table}/1.parquet' (format parquet)"
            )
            ((rows[table],),) = connection.execute(f"select count(*) from '{folder}/{table}/1.parquet'").fetchall()
    # Steady loads until yesterday. Today there are far more activities than ever, no owner changes at all, and rows have gone.
    for days in range(10, 0, -1):
        counted = {
            "leads": rows["leads"] + 2,
            "activities": rows["activities"] - 9_000 - 100 * days,
            "owner_changes": rows["owner_changes"] - 200 * (days - 1),
            "reps": rows["reps"] + 1,
            "deals": 0,
        }
        counts.remember(history, now - timedelta(days=days), counted)
    heard = {"activities": now - timedelta(hours=30), "owner_changes": now - timedelta(hours=3)}
    result = gate(replace(settings, raw=folder), state, now=now, heard=heard)
    told = {(finding.table, finding.check): finding for finding in (*result.errors, *result.warnings)}
    assert {name: finding.severity for name, finding in told.items()} == {
        ("leads", "is_fresh_enough"): "error",
        ("leads", "loses_no_row"): "warning",
        ("activities", "brings_not_too_much"): "warning",
        ("activities", "is_fresh"): "warning",
        ("owner_changes", "brings_enough"): "warning",
        ("reps", "keeps_its_rows"): "error",
    }
    assert "nothing was loaded since 2026-06-18 15:00 UTC, 60 hours ago" in told["leads", "is_fresh_enough"].what
    assert "UTC, and the loader was last heard 30 hours ago (late after 26" in told["activities", "is_fresh"].what
    assert "2 rows fewer than at 2026-06-20 03:00 UTC" in told["leads", "loses_no_row"].what
    assert "9,100 new rows in a day, where 50 to 150 are usual" in told["activities", "brings_not_too_much"].what
    assert "0 new rows in a day, where 100 to 300 are usual" in told["owner_changes", "brings_enough"].what
    assert result.loads["activities"].age_hours == pytest.approx(30)
    assert (result.loads["deals"].row_count, result.loads["deals"].age_hours) == (0, None)
    page = result.page.read_text()
    assert "fewer than usual: 100 to 300, from 9 days" in page and "too old" in page and "not landed" in page


def loads(
    tmp_path: Path,
    rows: Mapping[str, int],
    earlier: Mapping[datetime, Mapping[str, int]],
    *,
    now: datetime = NOW,
    newest: datetime = NOW,
    heard: Mapping[str, datetime] | None = None,
) -> dict[str, dict[str, object]]:
    """Make the table of loads for raw tables of so many rows, after checks that counted so many."""
    path = tmp_path / "row_counts.parquet"
    path.unlink(missing_ok=True)
    with duckdb.connect() as connection:
        connection.execute("create schema raw")
        for table in TABLES:
            connection.execute(
                f"create table raw.{table} as select ?::timestamp as _loaded_at from range(?)",
                [newest, rows.get(table, 0)],
            )
        if earlier:
            connection.execute("create table counts (checked_at timestamp, table_name varchar, row_count bigint)")
            connection.executemany(
                "insert into counts values (?, ?, ?)",
                [(at, table, count) for at, tables in earlier.items() for table, count in tables.items()],
            )
            connection.execute(f"copy counts to '{path}' (format parquet)")
        make_loads(connection, read_contract(PROJECT), now, heard or {}, path if earlier else None)
        return {row["table_name"]: row for row in rows_of(connection, "loads")}


def nightly(new_rows: list[int], until: datetime = NOW) -> dict[datetime, dict[str, int]]:
    """Checks of raw leads once a night: the last number is the news of the night before `until`."""
    total, checks = 10_000, {until - timedelta(days=len(new_rows) + 1): {"leads": 10_000}}
    for night, new in enumerate(new_rows):
        total += new
        checks[until - timedelta(days=len(new_rows) - night)] = {"leads": total}
    return checks


@pytest.mark.parametrize(
    ("days", "new_today", "verdict"),
    [
        ([500] * 4, 5_000, None),  # too few days for a verdict
        ([500] * 5, 500, ""),
        ([500] * 5, 250, ""),  # exactly half of the median
        ([500] * 5, 249, "fewer"),
        ([500] * 5, 750, ""),
        ([500] * 5, 751, "more"),
        ([500] * 9 + [50_000], 500, ""),  # one odd day moves nothing
        ([400, 600] * 5, 1_094, ""),  # 500 + 4 x 1.4826 x 100, rounded up
        ([400, 600] * 5, 1_095, "more"),
        ([2] * 10, 52, ""),  # fifty rows are no news
        ([2] * 10, 53, "more"),
        ([0] * 10, 0, ""),
    ],
)
def test_the_usual_amount_is_the_median_with_its_deviation(
    tmp_path: Path, days: list[int], new_today: int, verdict: str | None
) -> None:
    earlier = nightly(days)
    row = loads(tmp_path, {"leads": max(at["leads"] for at in earlier.values()) + new_today}, earlier)["leads"]
    assert row["new_rows"] == new_today
    assert (row["usual_low"] is None) == (verdict is None)
    assert bool(row["fewer_rows"]) == (verdict == "fewer") and bool(row["more_rows"]) == (verdict == "more")


def test_a_weekday_is_compared_with_the_same_weekday_as_soon_as_there_are_four(tmp_path: Path) -> None:
    week = [10, 500, 500, 500, 500, 500, 10]
    for weeks, low in ((3, 250), (4, 0)):
        # The last night but seven, fourteen... brought ten rows, and so does this one.
        earlier = nightly(week * weeks)
        total = max(at["leads"] for at in earlier.values())
        row = loads(tmp_path, {"leads": total + 10}, earlier)["leads"]
        assert (row["new_rows"], row["usual_low"], bool(row["fewer_rows"])) == (10, low, low > 0), weeks


def test_a_check_each_quarter_of_an_hour_counts_the_same_day_of_news(tmp_path: Path) -> None:
    quarters = range(-8 * 96, 0)
    earlier = {NOW + timedelta(minutes=15 * quarter): {"leads": 100_000 + 10 * quarter} for quarter in quarters}
    row = loads(tmp_path, {"leads": 100_000}, earlier)["leads"]
    assert (row["new_rows"], row["days_compared"], row["fewer_rows"], row["more_rows"]) == (960, 7, None, None)


def test_without_a_check_of_a_day_ago_there_is_no_verdict(tmp_path: Path) -> None:
    earlier = {at - timedelta(hours=5): tables for at, tables in nightly([500] * 10).items()}
    row = loads(tmp_path, {"leads": 99_000}, earlier)["leads"]
    assert (row["new_rows"], row["more_rows"]) == (None, None)
    row = loads(tmp_path, {"leads": 99_000}, {})["leads"]
    assert (row["new_rows"], row["lost_rows"], row["days_compared"]) == (None, None, 0)


@pytest.mark.parametrize(
    ("rows", "some", "many"), [(1_000, False, False), (999, True, False), (990, True, False), (989, False, True)]
)
def test_rows_that_went_are_a_warning_and_more_than_a_hundredth_an_error(
    tmp_path: Path, rows: int, some: bool, many: bool
) -> None:
    earlier = {NOW - timedelta(days=2): {"leads": 5_000}, NOW - timedelta(hours=1): {"leads": 1_000}}
    row = loads(tmp_path, {"leads": rows}, earlier)["leads"]
    assert (bool(row["lost_some_rows"]), bool(row["lost_many_rows"])) == (some, many)


@pytest.mark.parametrize(
    ("hours", "late", "too_old"), [(26, False, False), (26.1, True, False), (50, True, False), (50.1, False, True)]
)
def test_a_load_is_late_and_then_too_old_unless_its_loader_was_heard(
    tmp_path: Path, hours: float, late: bool, too_old: bool
) -> None:
    newest = NOW - timedelta(hours=hours)
    row = loads(tmp_path, {"leads": 1}, {}, newest=newest)["leads"]
    assert (bool(row["late"]), bool(row["too_old"])) == (late, too_old)
    row = loads(tmp_path, {"leads": 1}, {}, newest=newest, heard={"leads": NOW - timedelta(hours=1)})["leads"]
    assert (row["late"], row["too_old"], row["age_hours"]) == (None, None, pytest.approx(1))


def test_the_history_forgets_what_is_long_ago_replaces_itself_and_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "row_counts.parquet"

    def kept() -> list[tuple[datetime, int]]:
        with duckdb.connect() as connection:
            rows = connection.execute("select checked_at, row_count from read_parquet(?) order by all", [str(path)])
            return rows.fetchall()

    assert not counts.is_readable(path)
    for days in (70, 61, 60, 1, 0):
        counts.remember(path, NOW - timedelta(days=days), {"leads": days})
    assert kept() == [(NOW - timedelta(days=days), days) for days in (60, 1, 0)]
    counts.remember(path, NOW, {"leads": 7})
    assert kept()[-1] == (NOW, 7) and len(kept()) == 3
    counts.remember(path, NOW, {"leads": 8}, anew=True)
    assert kept() == [(NOW, 8)]
    path.write_bytes(b"broken off")
    assert not counts.is_readable(path)
    counts.remember(path, NOW, {"leads": 9})
    assert kept() == [(NOW, 9)] and [entry.name for entry in tmp_path.iterdir()] == [path.name]


# --- Words --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0, "0 %"),
        (0.000061, "0.006 %"),
        (0.0036, "0.36 %"),
        (0.0421, "4.2 %"),
        (0.099, "9.9 %"),
        (0.175, "18 %"),
        (1, "100 %"),
    ],
)
def test_a_share_is_said_with_two_figures(share: float, words: str) -> None:
    assert percent(share) == words


def test_a_finding_is_one_sentence_for_one_row_and_for_many() -> None:
    verdict = Verdict(
        suite="activities",
        check="lead_is_known",
        verdict="warning",
        expects="`lead_id` is in raw leads.",
        finds="are of leads that raw leads does not have",
        unexpected=1_200,
        rows=60_000,
        bounds={"warning": 0.01, "error": 0.2},
        examples=[(f"A{number}", "L-gone" if number else "") for number in range(9)],
        todo="They count for nobody: land the leads.",
        why="",
        mends="loader",
    )
    (finding,) = verdict.findings()
    assert finding.sentence == (
        "raw activities: 1,200 of 60,000 rows (2 %, up to 1 % are allowed) are of leads that raw leads does not have, such as "
        "A0, A1 (L-gone), A2 (L-gone), A3 (L-gone), A4 (L-gone). They count for nobody: land the leads. Who mends it: loader"
    )
    (one,) = replace(verdict, unexpected=1, rows=10).findings()
    assert (
        one.what
        == "raw activities: 1 of 10 rows (10 %, up to 1 % are allowed) is of leads that raw leads does not have"
    )
    assert replace(verdict, verdict="within bounds").findings() == []
