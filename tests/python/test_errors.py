"""Everything that commonly goes wrong, made to go wrong: one clear message, an exit status that says whose turn it is, and
what readers see as it was."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from command_line import CommandLine, Finished, contents
from project_copy import PROJECT, copy_project

from lead_sla.errors import AS_THEY_WERE, BUSY, FAILED, REFUSED, RefusedInput, translate
from lead_sla.publish import publish


@pytest.fixture(scope="session")
def published_before(built_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published folder, to be copied by each test."""
    folder = tmp_path_factory.mktemp("before") / "published"
    publish(built_warehouse, folder)
    return folder


@pytest.fixture
def lead_sla(tmp_path: Path, sample_raw: Path, published_before: Path) -> CommandLine:
    """The command line over a copy of the sample's raw data, with something published already, and no warehouse yet.

    The warehouse has the same path in all tests: dbt then need not read the whole project in each of them.
    """
    data, shared = tmp_path / "data", published_before.parent
    shutil.copytree(sample_raw, tmp_path / "raw")
    shutil.copytree(published_before, data / "published", symlinks=True)
    for left in shared.glob("warehouse*"):
        left.unlink()
    return CommandLine(PROJECT, data, tmp_path / "raw").with_settings(
        LEAD_SLA_WAREHOUSE=str(shared / "warehouse.duckdb"), DBT_TARGET_PATH=str(shared / "target")
    )


def one_file(raw: Path, table: str) -> Path:
    return sorted((raw / table).rglob("*.parquet"))[len(list((raw / table).rglob("*.parquet"))) // 2]


def rewrite(file: Path, query: str) -> None:
    """Replace a Parquet file by the answer of a query in which `this` is the file."""
    draft = file.with_suffix(".draft")
    duckdb.sql(f"copy ({query.replace('this', repr(str(file)))}) to '{draft}' (format parquet)")
    draft.replace(file)


def refused(run: Finished, status: int, *words: str) -> None:
    """See that a run ended with one clear message."""
    told = " ".join(run.err.split())
    assert run.status == status, f"{run.out}\n{run.err}"
    for word in words:
        assert word in told, f"{word!r} is not in: {told}"
    assert told.count("✗") == 1
    assert told.endswith(AS_THEY_WERE)
    assert "Traceback" not in run.err + run.out
    assert len(run.err.splitlines()) <= 18


@contextmanager
def nothing_changes(lead_sla: CommandLine) -> Iterator[None]:
    before = contents(lead_sla.published)
    assert before
    yield
    assert contents(lead_sla.published) == before


# --- raw data, seen before dbt starts


def test_no_raw_folder(lead_sla: CommandLine) -> None:
    shutil.rmtree(lead_sla.raw)
    with nothing_changes(lead_sla):
        refused(lead_sla("build"), REFUSED, "No raw data: the folder does not exist", str(lead_sla.raw), "LEAD_SLA_RAW")
    assert not lead_sla.raw.exists()


def test_an_empty_raw_folder(lead_sla: CommandLine) -> None:
    shutil.rmtree(lead_sla.raw)
    lead_sla.raw.mkdir()
    with nothing_changes(lead_sla):
        refused(lead_sla("build"), REFUSED, "No raw data: the folder is empty", "LEAD_SLA_RAW")


@pytest.mark.parametrize("table", ["leads", "activities", "reps"])
def test_a_missing_table(lead_sla: CommandLine, table: str) -> None:
    shutil.rmtree(lead_sla.raw / table)
    with nothing_changes(lead_sla):
        refused(lead_sla("build"), REFUSED, f"Table {table} is missing", str(lead_sla.raw / table), "no such folder")


def test_a_table_landed_in_another_format(lead_sla: CommandLine) -> None:
    shutil.rmtree(lead_sla.raw / "reps")
    (lead_sla.raw / "reps").mkdir()
    (lead_sla.raw / "reps" / "reps.csv").write_text("rep_id\nR1\n")
    with nothing_changes(lead_sla):
        refused(lead_sla("build"), REFUSED, "Table reps is missing: there is no Parquet file for it")


@pytest.mark.parametrize("table", ["leads", "activities", "reps"])
def test_an_empty_table(lead_sla: CommandLine, table: str) -> None:
    for file in (lead_sla.raw / table).rglob("*.parquet"):
        rewrite(file, "from this limit 0")
    with nothing_changes(lead_sla):
        refused(lead_sla("build"), REFUSED, f"Table {table} is empty", str(lead_sla.raw / table))


@pytest.mark.parametrize("bytes_left", [0, 7, 900])
def test_a_parquet_file_that_was_broken_off(lead_sla: CommandLine, bytes_left: int) -> None:
    file = one_file(lead_sla.raw, "activities")
    file.write_bytes(file.read_bytes()[:bytes_left])
    with nothing_changes(lead_sla):
        refused(lead_sla("build"), REFUSED, "A raw file is not a readable Parquet file", str(file), "land it again")


def test_a_file_that_is_no_parquet_file(lead_sla: CommandLine) -> None:
    file = one_file(lead_sla.raw, "deals")
    file.write_text("deal_id,lead_id\n" * 100)
    with nothing_changes(lead_sla):
        refused(lead_sla("build"), REFUSED, "A raw file is not a readable Parquet file", str(file))


# --- raw data, seen by dbt


def test_a_missing_column(lead_sla: CommandLine) -> None:
    for file in (lead_sla.raw / "activities").rglob("*.parquet"):
        rewrite(file, "select * exclude (occurred_at) from this")
    with nothing_changes(lead_sla):
        refused(lead_sla("build"), REFUSED, "table activities has no column occurred_at (timestamp)", "land it")


def test_a_mistyped_column(lead_sla: CommandLine) -> None:
    for file in (lead_sla.raw / "leads").rglob("*.parquet"):
        rewrite(file, "select * replace (updated_at::varchar as updated_at) from this")
    with nothing_changes(lead_sla):
        refused(lead_sla("build"), REFUSED, "column updated_at of table leads is VARCHAR", "timestamp")


def test_one_file_with_a_mistyped_column_is_named(lead_sla: CommandLine) -> None:
    file = one_file(lead_sla.raw, "leads")
    rewrite(file, "select * replace (updated_at::varchar as updated_at) from this")
    with nothing_changes(lead_sla):
        refused(lead_sla("build"), REFUSED, f"column updated_at of table leads is VARCHAR in {file}, where")


@pytest.mark.parametrize("everywhere", [True, False])
def test_timestamps_with_a_zone(lead_sla: CommandLine, everywhere: bool) -> None:
    files = list((lead_sla.raw / "deals").rglob("*.parquet")) if everywhere else [one_file(lead_sla.raw, "deals")]
    for file in files:
        rewrite(file, "select * replace (closed_at::timestamptz as closed_at) from this")
    with nothing_changes(lead_sla):
        refused(lead_sla("build"), REFUSED, "column closed_at of table deals is TIMESTAMP WITH TIME ZONE", "UTC")


def test_a_parquet_file_with_damaged_pages(lead_sla: CommandLine) -> None:
    file = one_file(lead_sla.raw, "activities")
    content = bytearray(file.read_bytes())
    content[8:800] = b"\xff" * 792
    file.write_bytes(content)
    with nothing_changes(lead_sla):
        refused(lead_sla("build"), REFUSED, "A raw file is not a readable Parquet file", str(file))


def test_a_setting_out_of_range(lead_sla: CommandLine) -> None:
    with nothing_changes(lead_sla):
        refused(lead_sla("build", "--vars", "{pacing: weekdays}"), REFUSED, "var pacing is 'weekdays'")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ("{pace_tolerence: 0.5}", "var pace_tolerence is none of this project: they are as_of, reporting_time_zone"),
        ("{as_of: '2026-02-30'}", "var as_of is '2026-02-30', and that month has no such day"),
        ("{as_of: '2026-13-01'}", "var as_of is '2026-13-01': give a UTC timestamp"),
    ],
)
def test_a_setting_that_cannot_be_meant(lead_sla: CommandLine, variables: str, words: str) -> None:
    with nothing_changes(lead_sla):
        refused(lead_sla("build", "--vars", variables), REFUSED, words)


@pytest.mark.parametrize("command", ["build", "nightly"])
@pytest.mark.parametrize(
    ("variable", "value"),
    [("LEAD_SLA_THREADS", "many"), ("LEAD_SLA_THREADS", "0"), ("LEAD_SLA_MEMORY_LIMIT", "lots")],
)
def test_a_limit_that_is_none_is_named_before_anything_is_done(
    lead_sla: CommandLine, command: str, variable: str, value: str
) -> None:
    with nothing_changes(lead_sla):
        refused(lead_sla.with_settings(**{variable: value})(command), REFUSED, f"{variable} is '{value}'")


# --- the policy


def test_a_policy_cell_of_the_wrong_type(lead_sla: CommandLine, tmp_path: Path) -> None:
    rules = (PROJECT / "seeds/policy/sales_sla_rules.csv").read_text().replace("168", "one week")
    copy = copy_project(tmp_path / "project", {"sales_sla_rules": rules})
    with nothing_changes(lead_sla):
        run = replace(lead_sla, folder=copy.folder)("build")
    refused(run, REFUSED, "sales_sla_rules.csv line 3, column within_hours: 'one week' is not a number")


def test_a_policy_that_contradicts_itself(lead_sla: CommandLine, tmp_path: Path) -> None:
    rules = (PROJECT / "seeds/policy/sales_sla_rules.csv").read_text().replace("free_trial", "free_tryal")
    copy = copy_project(tmp_path / "project", {"sales_sla_rules": rules})
    with nothing_changes(lead_sla):
        run = replace(lead_sla, folder=copy.folder)("build")
    refused(run, REFUSED, "The policy is wrong", "sales_sla_rules", "free_tryal", "seeds/policy")


# --- locks and disks


def test_a_locked_warehouse(lead_sla: CommandLine) -> None:
    program = f"import duckdb, sys; c = duckdb.connect({str(lead_sla.warehouse)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        with nothing_changes(lead_sla):
            run = lead_sla("build")
        other.communicate("")
    refused(run, FAILED, "locked by another program", f"PID {other.pid}", str(lead_sla.warehouse), "close that program")


def test_a_damaged_warehouse(lead_sla: CommandLine) -> None:
    lead_sla.warehouse.write_bytes(b"x" * 5000)
    with nothing_changes(lead_sla):
        refused(lead_sla("build"), FAILED, "not a DuckDB file, or is damaged", str(lead_sla.warehouse), "delete it")


def test_a_second_build_at_once(lead_sla: CommandLine) -> None:
    with lead_sla.warehouse.with_name("warehouse.duckdb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("process 4711, since 2026-06-18 15:00:00 UTC\n")
        lock.flush()
        with nothing_changes(lead_sla):
            refused(lead_sla("build"), BUSY, "A run is running already (process 4711, since 2026-06-18")


def test_a_publication_by_hand_waits_for_the_run_that_builds(lead_sla: CommandLine, built_warehouse: Path) -> None:
    shutil.copy(built_warehouse, lead_sla.warehouse)
    with lead_sla.warehouse.with_name("warehouse.duckdb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with nothing_changes(lead_sla):
            refused(lead_sla("publish"), BUSY, "A run is running already", "wait until it ends")


def test_the_lock_of_a_killed_build_is_no_lock(lead_sla: CommandLine) -> None:
    lead_sla.warehouse.with_name("warehouse.duckdb.lock").write_text("process 4711, since 2026-06-18 15:00:00 UTC\n")
    shutil.rmtree(lead_sla.raw / "reps")
    refused(lead_sla("build"), REFUSED, "Table reps is missing")


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Mount a disk of that size at the folder, with what lies in it; skip the test where that is not allowed."""
    kept = folder.with_name(f"{folder.name}_kept")
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder.mkdir(parents=True, exist_ok=True)
    folder.rename(kept)
    folder.mkdir()
    command = [mount, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        shutil.copytree(kept, folder, symlinks=True, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_full_while_publishing(lead_sla: CommandLine, built_warehouse: Path) -> None:
    shutil.copy(built_warehouse, lead_sla.warehouse)
    size = sum(
        path.stat().st_size for path in lead_sla.published.rglob("*") if path.is_file() and not path.is_symlink()
    )
    with small_disk(lead_sla.published, megabytes=1 + int(1.4 * size / 2**20)), nothing_changes(lead_sla):
        refused(lead_sla("publish"), FAILED, "The disk is full", "free some space")


def test_a_disk_that_is_full_while_building(lead_sla: CommandLine) -> None:
    data = lead_sla.data / "small"
    with small_disk(data, megabytes=3), nothing_changes(lead_sla):
        run = lead_sla.with_settings(LEAD_SLA_WAREHOUSE=str(data / "warehouse.duckdb"))("build")
        refused(run, FAILED, "The disk is full", "free some space")


def test_a_published_folder_that_may_not_be_made(lead_sla: CommandLine, tmp_path: Path, built_warehouse: Path) -> None:
    shutil.copy(built_warehouse, lead_sla.warehouse)
    (tmp_path / "file").touch()
    run = lead_sla.with_settings(LEAD_SLA_PUBLISHED=str(tmp_path / "file" / "published"))("publish")
    refused(run, FAILED, str(tmp_path / "file"))


# --- options and order


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["build", "--as-of", "yesterday"], "give an instant in UTC"),
        (["build", "--as-of", "2026-05-01 12:00:00+02:00"], "without another zone"),
        (["build", "--vars", "[a, list]"], "give a YAML mapping"),
        (["build", "--as-of", "2026-05-01", "--vars", "{as_of: 2026-05-02}"], "say the same thing"),
        (["nightly", "--target", "spark"], "'spark' is not 'postgres'"),
        (["build", "--frobnicate"], "No such option"),
        (["sample", "--leads", "0"], "--leads"),
    ],
)
def test_an_option_that_cannot_be_meant(tmp_path: Path, arguments: list[str], words: str) -> None:
    run = CommandLine(PROJECT, tmp_path, tmp_path / "raw")(*arguments)
    assert run.status == REFUSED
    assert words in run.err
    assert "Traceback" not in run.err


@pytest.mark.parametrize(
    ("command", "words"), [("publish", "no warehouse to publish"), ("summary", "Nothing has been published")]
)
def test_a_command_that_comes_too_early(tmp_path: Path, command: str, words: str) -> None:
    run = CommandLine(PROJECT, tmp_path, tmp_path / "raw")(command)
    refused(run, FAILED, words, "lead-sla build")


def test_sample_data_is_never_mixed_with_what_is_there(lead_sla: CommandLine) -> None:
    before = contents(lead_sla.raw)
    refused(lead_sla("sample", "--leads", "10", "--days", "5"), REFUSED, "not an empty folder", str(lead_sla.raw))
    assert contents(lead_sla.raw) == before


def test_outside_of_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lead_sla.settings.PACKAGE", tmp_path / "site-packages" / "lead_sla")
    from lead_sla.settings import find_project

    with pytest.raises(RefusedInput, match="The dbt project was not found"):
        find_project()


# --- words of others


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("IO Error: Could not write file: No space left on device", "The disk is full"),
        ("[Errno 28] No space left on device: 'x'", "The disk is full"),
        (
            "Runtime Error\n  Invalid Input Error: No magic bytes found at end of file '/raw/a.parquet'",
            "not a readable Parquet file",
        ),
        (
            "Out of Memory Error: could not allocate block of size 256 KiB (2.5 GiB/2.5 GiB used)",
            "DuckDB ran out of memory",
        ),
        ("[Errno 13] Permission denied: '/data'", "may not be read or written"),
    ],
)
def test_known_words_are_translated(words: str, message: str) -> None:
    known = translate(words)
    assert known is not None
    assert message in known.what


def test_unknown_words_are_not_guessed_at() -> None:
    assert translate("Binder Error: column x not found in file.parquet") is None
