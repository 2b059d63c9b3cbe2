"""The night in Dagster: assets and checks from dbt's manifest, run by the one command `lead-sla nightly`.

Dagster starts the command, which does all of the work in the project's own environment (.venv), and then tells of each model and
test what the run history says. dbt is asked for its manifest only. docs/scheduling.md tells how to install it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject, dbt_assets

from lead_sla import history
from lead_sla.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
COMMAND = (str(PROJECT / ".venv" / "bin" / "lead-sla"), "nightly")
# The exit statuses of a run that did what it could. `lead-sla nightly --help` explains them.
WELL = {
    0: "published, or nothing new",
    3: "published stale (late data), or publishing is held after a rollback",
    4: "published, but somebody was not told",
    5: "nothing done: another run is going on",
}
NOT_OVER = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]

# dagster-dbt looks for dbt on the PATH, which need not be this environment's.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
project = DbtProject(PROJECT, target_path=PROJECT / "target" / "dagster")
project.prepare_if_dev()


class Translator(DagsterDbtTranslator):
    """Every dbt test becomes a check, and none of them blocks."""

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetCheckSpec | None:
        """Give the check of a test, where `asset_spec` is the model (or else the raw table) that it belongs to.

        A test of several belongs to the first of them. What a failed test means has been decided by the command (a broken
        promise withholds nothing), so that no check blocks.
        """
        test = manifest["nodes"][unique_id]
        # By their ids, `model.` and `seed.` come before `source.`.
        home = test.get("attached_node") or min(test["depends_on"]["nodes"])
        if asset_spec.metadata["dagster_dbt/unique_id"] != home:
            return None
        return dg.AssetCheckSpec(test["name"], asset=asset_spec.key, description=test["description"] or None)


translator = Translator(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))


@dbt_assets(manifest=project.manifest_path, project=project, dagster_dbt_translator=translator, name="nightly")
def assets(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Run the night, whole, and report the assets and checks that were selected.

    Raises:
        dg.Failure: the night failed or refused its input. The checks that ran are reported all the same.
    """
    began = datetime.now(UTC).replace(tzinfo=None)
    with subprocess.Popen(COMMAND, cwd=PROJECT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as night:
        try:
            _, errors = night.communicate()
        except BaseException:
            # A run that is cancelled: the command puts away what is half-done, and is waited for.
            night.terminate()
            raise
    sys.stderr.write(errors)
    outcome = WELL.get(night.returncode)

    keys = {key.path[-1]: key for key in context.selected_asset_keys}
    checks = {key.name: key for key in context.selected_asset_check_keys}
    for name, kind, seconds, rows, failures, status, message in nodes_since(began):
        metadata = {"seconds": seconds, "failures": failures, "dagster/row_count": rows, "message": message}
        metadata = {label: value for label, value in metadata.items() if value is not None}
        if kind == "test" and name in checks:
            yield dg.AssetCheckResult(
                asset_key=checks[name].asset_key,
                check_name=name,
                passed=status == "pass",
                severity=dg.AssetCheckSeverity.WARN if status == "warn" else dg.AssetCheckSeverity.ERROR,
                metadata={**metadata, "status": status},
            )
        elif kind != "test" and name in keys and outcome and status == "success":
            yield dg.MaterializeResult(asset_key=keys[name], metadata={**metadata, "night": outcome})

    if outcome is None:
        raise dg.Failure(
            f"lead-sla nightly ended with exit status {night.returncode}. {errors.strip()}",
            metadata={"exit status": night.returncode},
            allow_retries=False,
        )
    if night.returncode:
        context.log.warning(f"lead-sla nightly: {outcome}. {errors.strip()}")


def nodes_since(began: datetime) -> list[tuple[Any, ...]]:
    """Read from the run history what dbt did in the newest run that started at `began` (UTC) or later.

    Returns:
        name, kind (seed, model or test), seconds, rows, failures, status and message of each node; nothing where dbt did not run.
    """
    query = """
        select name, kind, seconds, rows, failures, status, message from history
        where kind in ('seed', 'model', 'test')
            and run_id = (select max_by(run_id, started_at) from history where kind = 'run' and started_at >= ?)
            and status <> 'skipped'
        order by kind = 'test', started_at, name
    """
    with history.connect(Settings.from_environment().state) as connection:
        return connection.execute(query, [began]).fetchall()


# With the checks of the raw tables, which are no assets of this run.
everything = dg.AssetSelection.assets(assets) | dg.AssetSelection.checks(assets)
night = dg.define_asset_job("night", selection=everything, description="lead-sla nightly")


def schedule(name: str, cron: str | list[str], description: str) -> dg.ScheduleDefinition:
    """Make a schedule of the night that leaves out a time at which a run is not over yet."""

    def due(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        running = context.instance.get_runs(dg.RunsFilter(job_name="night", statuses=NOT_OVER), limit=1)
        return dg.SkipReason(f"run {running[0].run_id} is not over yet") if running else dg.RunRequest()

    agreement = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    return dg.ScheduleDefinition(
        name=name,
        job=night,
        cron_schedule=cron,
        execution_fn=due,
        execution_timezone=agreement["vars"]["reporting_time_zone"],
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )


@dg.run_failure_sensor(monitored_jobs=[night], default_status=dg.DefaultSensorStatus.RUNNING)
def night_failed(context: dg.RunFailureSensorContext) -> None:
    """Put a failed night into Dagster's log, also where the command was killed before it could tell anybody.

    Whoever has Dagster's Slack, Teams or PagerDuty integration sends the same sentence there.
    """
    context.log.error(f"The night failed in run {context.dagster_run.run_id}: {context.failure_event.message}")


defs = dg.Definitions(
    assets=[assets],
    jobs=[night],
    schedules=[
        schedule("at_night", ["30 4 * * *", "45 6 * * *"], "The night; 06:45 is its second try and sends the report"),
        schedule("in_working_hours", "*/15 7-19 * * 1-5", "A promise of one hour is stale by morning"),
    ],
    sensors=[night_failed],
)
