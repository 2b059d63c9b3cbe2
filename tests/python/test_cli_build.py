"""`lead-sla build` as a person runs it, over the sample company, with real dbt runs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from command_line import CommandLine, Finished, contents
from project_copy import PROJECT, ProjectCopy, copy_project

from lead_sla import dbt_build
from lead_sla.errors import BuildFailed, LeadSlaError
from lead_sla.publish import current, kept
from lead_sla.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lead_sla(tmp_path_factory: pytest.TempPathFactory, sample_raw: Path) -> CommandLine:
    """The command line with data folders that the tests of this module share."""
    return CommandLine(PROJECT, tmp_path_factory.mktemp("build"), sample_raw)


@pytest.fixture(scope="module")
def first(lead_sla: CommandLine) -> Finished:
    """The first build of this module."""
    return lead_sla("build")


def test_plain_dbt_build_is_green_with_unit_tests_and_all(sample_build: ProjectCopy) -> None:
    results = sample_build.results()
    failed = [
        f"{result['unique_id']}: {result['message']}"
        for result in results
        if result["status"].lower() not in ("success", "pass", "warn", "no-op")
    ]
    assert not failed, "\n".join(failed)
    kinds = {result["unique_id"].split(".")[0] for result in results}
    assert kinds >= {"seed", "model", "test", "unit_test"}


def test_a_selection_that_finds_nothing_is_an_error_in_plain_dbt_and_a_sentence_in_a_build(
    sample_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_project(tmp_path / "project", raw=sample_raw)
    for command in ("build", "run", "test"):
        run = project.dbt(command, "--select", "rep_scorcard")
        assert run.returncode == 2, run.stdout
        assert "The selection criterion 'rep_scorcard' does not match" in run.stdout
        assert "Nothing to do" in run.stdout
    assert not project.warehouse.exists()

    # Settings of dbt's own do not decide what withholds the marts; these two would even contradict the project's.
    monkeypatch.setenv("DBT_WARN_ERROR", "true")
    for commands in ("_BUILD", "_THRESHOLDS"):
        monkeypatch.setattr(dbt_build, commands, ("build", "--select", "rep_scorcard"))
    settings = Settings(
        project.folder, sample_raw, False, project.warehouse, tmp_path / "published", tmp_path / "state"
    )
    with pytest.raises(LeadSlaError, match="selected no mart at all"):
        dbt_build.build(settings, {}, print)


def test_a_build_publishes_every_mart_and_ends_with_the_summary(lead_sla: CommandLine, first: Finished) -> None:
    assert first.status == 0, first.out + first.err
    assert first.err == ""
    for words in (
        "Raw data",
        "Policy",
        "Build",
        "Publish",
        "As of Thursday 18 June 2026, 15:00 UTC",
        "Marketing SLA, June 2026 to date",
        "Sales SLA, attainment by day due",
        "new_lead_touch",
        "Do Not Be On It",
        "unassigned",
        "Newest loads",
        str(lead_sla.published / "marts.duckdb"),
    ):
        assert words in first.out
    run = current(lead_sla.published)
    assert run is not None and run.is_intact()
    assert set(run.rows) == {path.stem for path in (PROJECT / "models" / "marts").rglob("*.sql")}


def test_a_second_build_does_no_work_twice(lead_sla: CommandLine, first: Finished) -> None:
    before, warehouse = contents(lead_sla.published), lead_sla.warehouse.stat()

    second = lead_sla("build")

    assert second.status == 0
    assert second.out.startswith("✓ Nothing new since")
    assert second.out.split("As of")[1] == first.out.split("As of")[1]
    assert contents(lead_sla.published) == before
    assert lead_sla.warehouse.stat().st_mtime_ns == warehouse.st_mtime_ns


def test_the_summary_comes_again_without_a_build(lead_sla: CommandLine, first: Finished) -> None:
    again = lead_sla("summary")
    assert again.status == 0
    assert again.out.split("As of")[1] == first.out.split("As of")[1]


def test_a_forced_build_gives_the_same_marts_again(lead_sla: CommandLine, first: Finished) -> None:
    before = current(lead_sla.published)
    assert lead_sla("build", "--force").status == 0
    after = current(lead_sla.published)

    assert before is not None and after is not None and after.run != before.run
    for mart in before.rows.keys() - {"run_metadata"}:
        first_bytes, second_bytes = (
            (run.folder / "parquet" / f"{mart}.parquet").read_bytes() for run in (before, after)
        )
        assert first_bytes == second_bytes, mart


def test_a_replay_knows_what_was_known_and_leaves_the_readers_alone(
    lead_sla: CommandLine, first: Finished, tmp_path: Path
) -> None:
    before, warehouse = contents(lead_sla.published), lead_sla.warehouse.stat()

    replay = lead_sla("build", "--as-of", "2026-05-01 12:00:00", "--publish-to", str(tmp_path / "replay"))

    assert replay.status == 0, replay.out + replay.err
    assert "As of Friday 1 May 2026, 12:00 UTC" in replay.out
    assert contents(lead_sla.published) == before
    assert lead_sla.warehouse.stat().st_mtime_ns == warehouse.st_mtime_ns
    with duckdb.connect(str(tmp_path / "replay" / "marts.duckdb"), read_only=True) as reader:
        (newest,) = reader.execute("select max(triggered_at)::varchar from marts.fct_sales_sla_obligations").fetchall()
    assert newest[0] <= "2026-05-01 12:00:00"


def test_a_build_is_never_of_an_instant_before_the_one_that_readers_know(
    lead_sla: CommandLine, first: Finished, tmp_path: Path
) -> None:
    # As a run of the night leaves it, which knows the world up to its own start.
    later = lead_sla.with_settings(LEAD_SLA_PUBLISHED=str(tmp_path / "published"))
    night = later("nightly", "--no-report", "--now", "2026-06-18 16:05:00")
    assert night.status == 0, night.out + night.err

    again = later("build")
    assert again.status == 0 and "Nothing new since" in again.out
    forced = later("build", "--force")

    assert forced.status == 0, forced.out + forced.err
    assert "older than what readers know: built as of 2026-06-18 16:05:00 UTC" in forced.out
    assert "As of Thursday 18 June 2026, 16:05 UTC" in forced.out
    assert {f"{run.as_of}" for run in kept(tmp_path / "published")} == {"2026-06-18 16:05:00"}


def test_a_build_that_is_stopped_leaves_the_readers_alone(
    lead_sla: CommandLine, first: Finished, tmp_path: Path
) -> None:
    before = contents(lead_sla.published)
    stopped = lead_sla.with_settings(LEAD_SLA_WAREHOUSE=str(tmp_path / "warehouse.duckdb"))
    with subprocess.Popen(
        [sys.executable, "-m", "lead_sla", "build", "--force"],
        cwd=stopped.folder,
        env=stopped.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        deadline = time.monotonic() + 60
        while not (tmp_path / "warehouse.duckdb.wal").exists() and time.monotonic() < deadline and run.poll() is None:
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=30)

    assert run.returncode == 128 + signal.SIGTERM
    assert contents(lead_sla.published) == before
    # dbt's process has let go of the warehouse.
    duckdb.connect(str(tmp_path / "warehouse.duckdb")).close()


def with_test(copy: ProjectCopy, name: str, sql: str) -> None:
    """Give a copy of the project one more singular test."""
    tests = copy.folder / "tests"
    original = tests.resolve()
    tests.unlink()
    tests.mkdir()
    for entry in original.iterdir():
        (tests / entry.name).symlink_to(entry)
    (tests / f"{name}.sql").write_text(sql)


def test_a_broken_promise_does_not_withhold_the_marts_and_broken_data_does(
    lead_sla: CommandLine, first: Finished, tmp_path: Path
) -> None:
    copy = copy_project(tmp_path / "project")
    with_test(
        copy,
        "every_lead_is_won",
        "{{ config(severity='error', tags=['sla_threshold']) }}\n"
        "select 'too few leads are won: promise less' as problem from {{ ref('dim_leads') }} where won_at is null",
    )
    # Settings of plain dbt do not decide what is built and tested here.
    promising = CommandLine(copy.folder, tmp_path / "data", lead_sla.raw).with_settings(
        DBT_EMPTY="true", DBT_RESOURCE_TYPES="model"
    )
    run = promising("build")
    assert run.status == 0, run.out + run.err
    assert "too few leads are won: promise less" in run.out
    assert set(current(promising.published).rows) == set(current(lead_sla.published).rows)  # type: ignore[union-attr]

    before = contents(promising.published)
    test = copy.folder / "tests" / "every_lead_is_won.sql"
    test.write_text(test.read_text().replace(", tags=['sla_threshold']", ", tags=['integrity']"))
    run = promising("build")
    assert run.status == BuildFailed.exit_code
    assert "every_lead_is_won failed: nothing was published" in run.err
    assert "too few leads are won: promise less" in run.err
    assert contents(promising.published) == before


def test_a_warehouse_built_by_hand_can_be_published(
    lead_sla: CommandLine, sample_build: ProjectCopy, tmp_path: Path
) -> None:
    by_hand = lead_sla.with_settings(
        LEAD_SLA_WAREHOUSE=str(sample_build.warehouse), LEAD_SLA_PUBLISHED=str(tmp_path / "published")
    )
    run = by_hand("publish")
    assert run.status == 0, run.out + run.err
    assert "Do Not Be On It" in run.out
    assert current(tmp_path / "published") is not None
