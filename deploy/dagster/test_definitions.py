"""The Dagster definitions load, and tell of a night what its run history says. Run by `make test-dagster` in an environment of its own."""

# ruff: noqa: D103 - a test says in its name what it proves
from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

os.environ["DAGSTER_IS_DEV_CLI"] = "1"  # as `dagster dev` does: the manifest is made anew

import definitions

from lead_sla.history import Diary, Entry

MANIFEST = json.loads(definitions.project.manifest_path.read_text())
TESTS = {node["name"] for node in MANIFEST["nodes"].values() if node["resource_type"] == "test"}
MODELS = {node["name"] for node in MANIFEST["nodes"].values() if node["resource_type"] in ("model", "seed")}

# Stands for `lead-sla nightly`: keeps the diary that the test wants, and ends as it wants.
NIGHT = """
import json, os, pathlib, sys
from datetime import UTC, datetime
from lead_sla.history import Diary, Entry
now = datetime.now(UTC).replace(tzinfo=None)
diary = Diary(pathlib.Path(os.environ["LEAD_SLA_STATE"]), "tonight", now)
diary.begin()
diary.stage("Build")
for entry in json.loads(sys.argv[2]):
    diary.note(Entry(**entry, stage="Build", started_at=now, seconds=0.5))
diary.end("published")
print(sys.argv[3], file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""

Night = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    """Run the job over a night that ends with this exit status and leaves these nodes in the history; an older one built dim_reps."""
    monkeypatch.setenv("LEAD_SLA_STATE", str(tmp_path))
    yesterday = Diary(tmp_path, "yesterday", datetime(2020, 1, 1))
    yesterday.begin()
    yesterday.note(Entry("model", "dim_reps", "success", "Build", datetime(2020, 1, 1), 0.5, rows=12))
    yesterday.end("published")

    def run(status: int, *nodes: Entry, said: str = "") -> dg.ExecuteInProcessResult:
        entries = json.dumps([{name: value for name, value in asdict(node).items() if value} for node in nodes])
        monkeypatch.setattr(definitions, "COMMAND", (sys.executable, "-c", NIGHT, str(status), entries, said))
        return definitions.defs.resolve_job_def("night").execute_in_process(raise_on_error=False)

    return run


def materialized(result: dg.ExecuteInProcessResult) -> dict[str, dict]:
    return {
        event.asset_key.path[-1]: {label: value.value for label, value in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
    }


def checked(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str]]:
    return {event.check_name: (event.passed, event.severity.value) for event in result.get_asset_check_evaluations()}


def test_every_model_and_seed_is_an_asset_and_every_data_test_a_check() -> None:
    graph = definitions.defs.resolve_asset_graph()
    assert {key.path[-1] for key in graph.materializable_asset_keys} == MODELS
    assert len(graph.materializable_asset_keys) == len(MODELS) > 40
    assert {key.name for key in graph.asset_check_keys} == TESTS
    assert len(graph.asset_check_keys) == len(TESTS) > 100


def test_the_marts_stand_in_the_lineage_of_the_raw_tables() -> None:
    graph = definitions.defs.resolve_asset_graph()
    [mart] = [key for key in graph.materializable_asset_keys if key.path[-1] == "do_not_be_on_it"]
    assert any(key.path[-1] == "activities" for key in graph.get_ancestor_asset_keys(mart))


def test_the_job_is_the_one_command_of_the_project() -> None:
    assert definitions.COMMAND[1:] == ("nightly",)
    assert Path(definitions.COMMAND[0]) == definitions.PROJECT / ".venv" / "bin" / "lead-sla"
    assert [step.name for step in definitions.defs.resolve_job_def("night").nodes] == ["nightly"]


def test_the_schedules_run_it_at_night_and_every_quarter_of_a_working_hour() -> None:
    schedules = {schedule.name: schedule for schedule in definitions.defs.schedules}
    assert schedules["at_night"].cron_schedule == ["30 4 * * *", "45 6 * * *"]
    assert schedules["in_working_hours"].cron_schedule == "*/15 7-19 * * 1-5"
    assert {schedule.job_name for schedule in schedules.values()} == {"night"}
    assert {schedule.execution_timezone for schedule in schedules.values()} == {"UTC"}


def test_a_time_at_which_a_run_is_not_over_is_left_out(tmp_path: Path) -> None:
    [hours] = [schedule for schedule in definitions.defs.schedules if schedule.name == "in_working_hours"]
    repository = definitions.defs.get_repository_def()
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        context = dg.build_schedule_context(instance=instance, repository_def=repository)
        assert len(hours.evaluate_tick(context).run_requests) == 1
        job = definitions.defs.resolve_job_def("night")
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        tick = hours.evaluate_tick(context)
        assert not tick.run_requests
        assert run.run_id in tick.skip_message


def test_a_published_night_materializes_its_models_and_reports_its_checks(night: Night) -> None:
    good, warned, *_ = sorted(TESTS)
    failed = "raw_required_columns_are_filled"  # of the raw tables, which are no assets of the night
    result = night(
        0,
        Entry("model", "dim_leads", "success", rows=20_000),
        Entry("seed", "personas", "success", rows=3),
        Entry("test", good, "pass"),
        Entry("test", warned, "warn", failures=7),
        Entry("test", failed, "fail", failures=8),
    )
    assert result.success
    assert set(materialized(result)) == {"dim_leads", "personas"}
    assert materialized(result)["dim_leads"]["dagster/row_count"] == 20_000
    assert checked(result) == {good: (True, "ERROR"), warned: (False, "WARN"), failed: (False, "ERROR")}


@pytest.mark.parametrize("status", [3, 4])
def test_a_night_that_published_with_a_reservation_succeeds_and_says_which(night: Night, status: int) -> None:
    result = night(status, Entry("model", "dim_leads", "success"))
    assert result.success
    assert materialized(result)["dim_leads"]["night"] == definitions.WELL[status]


@pytest.mark.parametrize("status", [1, 2])
def test_a_night_that_failed_fails_the_run_in_its_own_words_and_materializes_nothing(night: Night, status: int) -> None:
    test = min(TESTS)
    nodes = Entry("model", "dim_leads", "success"), Entry("test", test, "fail", failures=3)
    result = night(status, *nodes, said="The raw data is wrong.")
    assert not result.success
    assert not materialized(result)
    assert checked(result) == {test: (False, "ERROR")}
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "The raw data is wrong." in failure.step_failure_data.user_failure_data.description
    assert f"exit status {status}" in failure.step_failure_data.user_failure_data.description


@pytest.mark.parametrize("status", [0, 5])
def test_a_night_that_had_nothing_to_do_materializes_nothing_and_succeeds(night: Night, status: int) -> None:
    result = night(status)
    assert result.success
    assert not materialized(result)


def test_a_failed_night_is_told_by_the_sensor() -> None:
    [sensor] = definitions.defs.sensors
    assert sensor.name == "night_failed"
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.defs.resolve_job_def("night")
        run = instance.create_run_for_job(job)
        event = dg.DagsterEvent("PIPELINE_FAILURE", "night", message="it rained")
        context = dg.build_run_status_sensor_context(
            sensor_name="night_failed", dagster_event=event, dagster_instance=instance, dagster_run=run
        ).for_run_failure()
        sensor(context)
