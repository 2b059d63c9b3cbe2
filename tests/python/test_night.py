"""`lead-sla nightly` and what belongs to it, over the sample company with real dbt runs."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from command_line import CommandLine, Finished, contents
from project_copy import PROJECT, copy_project

from lead_sla import history
from lead_sla.errors import BUSY, FAILED, REFUSED, STALE, UNTOLD
from lead_sla.publish import PublishedRun, current

pytestmark = pytest.mark.night

NEWEST_LOAD = datetime(2026, 6, 18, 15, 0)
START = datetime(2026, 6, 18, 15, 5)


@dataclass(frozen=True)
class Night:
    """The scheduled command with folders of its own."""

    command: CommandLine

    @property
    def state(self) -> Path:
        return Path(self.command.environment()["LEAD_SLA_STATE"])

    @property
    def published(self) -> Path:
        return self.command.published

    def __call__(self, *options: str, now: datetime = START, **settings: str) -> Finished:
        return self.command.with_settings(**settings)("nightly", "--now", f"{now}", *options)

    def with_fault(self, fault: Mapping[str, Any], *options: str, now: datetime = START) -> Finished:
        run = subprocess.run(
            [
                sys.executable,
                Path(__file__).with_name("faulty_night.py"),
                json.dumps(fault),
                "--now",
                f"{now}",
                *options,
            ],
            cwd=self.command.folder,
            env=self.command.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Finished(run.returncode, run.stdout, run.stderr)

    def readers_see(self) -> PublishedRun:
        run = current(self.published)
        assert run is not None and run.is_intact()
        return run

    def as_of(self) -> datetime:
        with duckdb.connect(str(self.published / "marts.duckdb"), read_only=True) as reader:
            ((as_of,),) = reader.execute("select as_of from marts.run_metadata").fetchall()
        return as_of

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the history."""
        with history.connect(self.state) as connection:
            return connection.execute(query).fetchall()

    def last_run(self) -> tuple[str, str]:
        """The status and the message of the run that ended last."""
        ((status, message),) = self.asked(
            "select status, message from history where kind = 'run' order by started_at + to_seconds(seconds) desc limit 1"
        )
        return status, message


def a_night(data: Path, raw: Path, project: Path = PROJECT) -> Night:
    command = CommandLine(project, data, raw).with_settings(
        LEAD_SLA_STATE=str(data / "state"), LEAD_SLA_REPORT_CONFIG=""
    )
    return Night(command)


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory, sample_raw: Path) -> tuple[Night, Finished]:
    """A night that went well, and what it said. Not to be changed."""
    night = a_night(tmp_path_factory.mktemp("first_night"), sample_raw)
    return night, night()


@pytest.fixture
def night(first_night: tuple[Night, Finished], tmp_path: Path) -> Night:
    """A copy of everything that the first night left, with raw files of its own."""
    before, said = first_night
    assert said.status == 0, said.out + said.err
    data = tmp_path / "data"
    shutil.copytree(before.command.data, data, symlinks=True)
    shutil.copytree(before.command.raw, tmp_path / "raw")
    return a_night(data, tmp_path / "raw")


def beat(night: Night, now: datetime, table: str = "") -> None:
    (night.command.raw / table / "_heartbeat").write_text(f"{now:%Y-%m-%dT%H:%M:%SZ}\n")


def no_half_files(night: Night) -> None:
    """Nothing that a reader comes across is unfinished."""
    for folder in (night.published / "runs").iterdir():
        if not folder.name.startswith("."):
            assert (folder / "run.json").is_file(), f"{folder} is unfinished"
    assert not list(night.published.rglob("*.wal"))


# --- a night that goes well


def test_a_night_with_fresh_tables_publishes_as_of_its_own_start(first_night: tuple[Night, Finished]) -> None:
    night, said = first_night
    assert said.status == 0, said.out + said.err
    assert night.as_of() == START
    for stage in ("Landed data", "Freshness", "Policy", "Build", "Publish", "Dashboard", "Report"):
        assert stage in said.out
    assert (night.published / "dashboard" / "index.html").is_file()


def test_the_history_has_a_row_for_the_run_and_each_of_its_stages_models_and_tests(
    first_night: tuple[Night, Finished],
) -> None:
    night, _ = first_night
    assert night.last_run()[0] == "published"
    counts = dict(night.asked("select kind, count(*) from history group by kind"))
    models = len(list((PROJECT / "models").rglob("*.sql")))
    assert (counts["run"], counts["stage"], counts["model"]) == (1, 7, models) and counts["test"] > 100
    rows = dict(night.asked("select name, rows from history where kind = 'model'"))
    assert {name: rows[name] for name in night.readers_see().rows} == night.readers_see().rows
    assert not night.asked(
        "select name from history where kind in ('model', 'test') and (seconds is null or started_at is null)"
    )


def test_nothing_new_is_said_and_costs_nothing(night: Night) -> None:
    before, warehouse = contents(night.published), night.command.warehouse.stat().st_mtime_ns

    again = night()

    assert again.status == 0 and "Nothing new since" in again.out
    assert contents(night.published) == before and night.command.warehouse.stat().st_mtime_ns == warehouse
    stages = night.asked(
        "select name, status from history semi join (from history where status = 'nothing_new') using (run_id) where kind = 'stage'"
    )
    assert dict(stages) == {"Landed data": "reused", "Freshness": "done", "Report": "done"}


def test_a_quiet_quarter_of_an_hour_does_not_hide_a_missed_deadline(night: Night) -> None:
    """Nothing is landed any more, and nobody calls: whatever was at risk at the last run and due since is on the list now."""
    with duckdb.connect(str(night.published / "marts.duckdb"), read_only=True) as reader:
        due = reader.execute("select obligation_id, due_at from marts.due_soon order by due_at limit 1").fetchall()
    ((obligation, due_at),) = due
    later = due_at + timedelta(minutes=1)
    beat(night, later)

    said = night(now=later)

    assert said.status == 0, said.out + said.err
    assert "92 checks of" in said.out and ", as at" in said.out  # what was checked was not checked again
    with duckdb.connect(str(night.published / "marts.duckdb"), read_only=True) as reader:
        listed = reader.execute(
            "select due_at from marts.do_not_be_on_it where obligation_id = ?", [obligation]
        ).fetchall()
    assert listed == [(due_at,)] and night.as_of() == later


# --- freshness


def test_late_data_is_published_as_of_what_is_known_and_said_to_be_unknown_since(night: Night) -> None:
    said = night(now=NEWEST_LOAD + timedelta(hours=30))
    assert said.status == STALE, said.out + said.err
    assert "unknown: no data in leads since 2026-06-18 15:00 UTC" in said.out
    assert night.as_of() == START, "what readers know already is not taken back"
    status, message = night.last_run()
    assert status == "published_stale" and "unknown: no data in leads since 2026-06-18 15:00 UTC" in message


def test_data_past_its_limit_fails_the_night_and_readers_keep_what_they_have(night: Night) -> None:
    before = contents(night.published)
    said = night(now=NEWEST_LOAD + timedelta(hours=60))
    assert said.status == REFUSED and "leads" in said.err and "2026-06-18 15:00 UTC, 60 hours ago" in said.err
    assert contents(night.published) == before
    assert night.last_run()[0] == "refused"


def test_a_heartbeat_tells_a_quiet_loader_from_a_dead_one(night: Night) -> None:
    now = NEWEST_LOAD + timedelta(hours=60)
    for table in ("leads", "activities", "owner_changes", "deals"):
        beat(night, now - timedelta(minutes=10), table)
    said = night(now=now)
    assert said.status == 0, said.out + said.err
    assert night.as_of() == now and night.readers_see().record["late"] == {}
    assert night.readers_see().record["heartbeats"]["leads"] == "2026-06-21 02:50:00"
    assert "unknown" not in said.out


def test_a_clock_behind_the_published_marts_publishes_nothing(night: Night) -> None:
    before = contents(night.published)
    said = night(now=START - timedelta(days=1))
    assert said.status == FAILED and "set the clock" in said.err and "lead-sla rollback" in said.err
    assert contents(night.published) == before


# --- one at a time


def test_a_second_run_says_who_holds_the_lock_since_when_and_does_nothing(night: Night) -> None:
    lock = night.command.warehouse.with_name("warehouse.duckdb.lock")
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from lead_sla.lock import only_one\n"
            "with only_one(Path(sys.argv[1]), 'A run'): print('held', flush=True); time.sleep(60)",
            lock,
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        runs = night.asked("select count(*) from history where kind = 'run'")
        said = night()
        assert said.status == BUSY and f"A run is running already (process {holder.pid}, since 20" in said.err
        assert night.asked("select count(*) from history where kind = 'run'") == runs
    finally:
        holder.kill()
        holder.wait()
    assert night().status == 0, "the lock of a dead process is nobody's"


# --- going back


def test_a_rollback_shows_the_version_before_and_holds_publishing_back_until_it_is_forced(night: Night) -> None:
    first = night.readers_see()
    assert night(now=START + timedelta(minutes=15)).status == 0
    second = night.readers_see()
    assert second.record["previous"] == first.run and second.record["number"] == first.record["number"] + 1

    back = night.command("rollback")

    assert back.status == 0 and f"Readers see {first.run} again" in back.out
    assert night.readers_see().run == first.run
    assert f"{first.as_of:%H:%M}" in (night.published / "dashboard" / "index.html").read_text()
    later = START + timedelta(minutes=30)
    held = night(now=later)
    assert held.status == STALE and f"rolled back from {second.run} to {first.run}" in held.out
    assert night.readers_see().run == first.run and night.last_run()[0] == "held"

    assert night("--force", now=later).status == 0
    assert night.as_of() == later
    assert night(now=later + timedelta(minutes=15)).status == 0, "the hold is gone"


def test_a_rollback_with_nothing_to_go_back_to_changes_nothing(night: Night) -> None:
    before = contents(night.published)
    said = night.command("rollback")
    assert said.status == REFUSED and "no whole version before" in said.err
    named = night.command("rollback", "20200101T000000Z_x")
    assert named.status == REFUSED and night.readers_see().run in named.err
    assert contents(night.published) == before


# --- going on


def test_resume_publishes_what_was_built_and_tested_when_only_publishing_failed(night: Night) -> None:
    later = START + timedelta(minutes=15)
    failed = night.with_fault({"fault": "disk", "stage": "Publish", "when": "begin"}, now=later)
    assert failed.status == FAILED and night.as_of() == START
    warehouse = night.command.warehouse.stat().st_mtime_ns

    resumed = night("--resume", now=later + timedelta(minutes=5))

    assert resumed.status == 0, resumed.out + resumed.err
    assert "as the run before has built and tested it" in resumed.out
    assert night.command.warehouse.stat().st_mtime_ns == warehouse and night.as_of() == later


def test_resume_goes_on_with_the_models_that_had_failed(first_night: tuple[Night, Finished], tmp_path: Path) -> None:
    """A model that cannot be built once: a file that it reads is not there yet."""
    before, _ = first_night
    project = copy_project(tmp_path / "project").folder
    models = project / "models"
    models.unlink()
    shutil.copytree(PROJECT / "models", models)
    trap = tmp_path / "not_there_yet.csv"
    dim_reps = models / "marts" / "core" / "dim_reps.sql"
    dim_reps.write_text(
        f"-- depends on {trap}\n{{% set trap = modules.re.sub('^', '', '{trap}') %}}\n"
        + dim_reps.read_text().rstrip()
        + f"\nwhere (select count(*) from read_csv('{trap}')) >= 0\n"
    )
    data = tmp_path / "data"
    shutil.copytree(before.command.data, data, symlinks=True)
    night = a_night(data, before.command.raw, project)
    later = START + timedelta(minutes=15)

    failed = night(now=later)
    assert failed.status == FAILED and "dim_reps" in failed.err, failed.out + failed.err
    assert night.as_of() == START
    trap.write_text("x\n1\n")
    resumed = night("--resume", now=later + timedelta(minutes=5))

    assert resumed.status == 0, resumed.out + resumed.err
    assert night.as_of() == later
    again = night.asked(
        "select count(*) from history where kind = 'model' and run_id = (select max(run_id) from history)"
    )
    rerun = json.loads((data / "target" / "run_results.json").read_text())
    assert again and rerun


def test_resume_begins_anew_where_the_input_has_changed(night: Night) -> None:
    later = START + timedelta(minutes=15)
    assert night.with_fault({"fault": "disk", "stage": "Publish", "when": "begin"}, now=later).status == FAILED
    newest = max((night.command.raw / "activities").rglob("*.parquet"))
    os.utime(newest)
    resumed = night("--resume", now=later + timedelta(minutes=5))
    assert resumed.status == 0 and "Nothing to go on with" in resumed.out
    assert night.as_of() == later + timedelta(minutes=5)


# --- ends that nobody wished for


def test_a_run_that_was_killed_is_in_the_history_and_takes_its_worker_with_it(night: Night) -> None:
    later = START + timedelta(minutes=15)
    killed = night.with_fault({"fault": "kill", "stage": "Build", "when": 6.0}, now=later)
    assert killed.status == -9 and night.as_of() == START
    no_half_files(night)

    said = night(now=later)

    assert said.status == 0, said.out + said.err
    assert "It broke off at the stage Build" in said.out and night.as_of() == later
    assert night.asked("select count(*) from history where kind = 'run' and status = 'died'") == [(1,)]


def test_a_terminated_run_says_so_and_readers_keep_what_they_have(night: Night) -> None:
    before = contents(night.published)
    stopped = night.with_fault(
        {"fault": "stop", "stage": "Publish", "when": "begin"}, now=START + timedelta(minutes=15)
    )
    assert stopped.status == 143 and contents(night.published) == before
    assert night.last_run() == ("stopped", "The run was stopped from outside at Publish")


def test_a_dashboard_or_report_that_fails_does_not_fail_the_publication(night: Night, tmp_path: Path) -> None:
    config = tmp_path / "report.yml"
    config.write_text(
        "sender: lead-sla@example.com\nrecipients:\n  - {name: anna, address: anna@example.com, sees: all}\n"
    )
    later = START + timedelta(minutes=15)
    settings = {"LEAD_SLA_REPORT_CONFIG": str(config), "LEAD_SLA_SMTP_HOST": "", "PGDATABASE": "", "PGSERVICE": ""}
    said = night("--target", "postgres", now=later, **settings)
    assert (
        said.status == UNTOLD and "set LEAD_SLA_SMTP_HOST" in said.out and "No Postgres database is named" in said.out
    )
    assert night.as_of() == later
    again = night("--target", "postgres", now=later, **settings)
    assert again.status == UNTOLD and "Nothing new since" in again.out and "No Postgres database is named" in again.out
    assert "Dashboard" not in again.out, "it was written"


# --- secrets, people and permissions


SECRETS = {
    "LEAD_SLA_SMTP_HOST": "127.0.0.1",
    "LEAD_SLA_SMTP_PORT": "9",
    "LEAD_SLA_SMTP_SECURITY": "tls",
    "LEAD_SLA_SMTP_USER": "canary-user-7301",
    "LEAD_SLA_SMTP_PASSWORD": "canary-password-4c8d",
    "LEAD_SLA_CHAT_URL": "json://127.0.0.1:9/canary-token-91ab",
}


def test_no_secret_and_no_lead_s_address_leaves_the_warehouse(night: Night, tmp_path: Path) -> None:
    config = tmp_path / "report.yml"
    config.write_text(
        "sender: lead-sla@example.com\n"
        "recipients:\n  - {name: anna, address: anna@example.com, sees: all}\n"
        "channels:\n  - {name: chat, url_env: LEAD_SLA_CHAT_URL, sees: all}\n"
        "alerts:\n  recipients:\n    - ops@example.com\n  channels:\n    - {name: ops, url_env: LEAD_SLA_CHAT_URL}\n"
    )
    activities = sorted((night.command.raw / "activities").rglob("*.parquet"))
    settings = {**SECRETS, "LEAD_SLA_REPORT_CONFIG": str(config)}
    ends = [
        night(now=START + timedelta(minutes=15), **settings),
        night.command.with_settings(**settings)("report", "--dry-run", str(tmp_path / "mail")),
        night.command.with_settings(**settings)("history"),
    ]
    os.truncate(activities[-1], 10)
    ends.append(night(now=START + timedelta(minutes=30), **settings))
    assert [end.status for end in ends] == [UNTOLD, 0, 0, REFUSED], [end.err for end in ends]

    with duckdb.connect() as connection:
        emails = connection.execute(
            f"select distinct email from read_parquet('{night.command.raw}/leads/**/*.parquet', union_by_name = true) where email is not null"
        ).fetchall()
    people = {email for (email,) in emails}
    assert len(people) > 1_000
    secrets = {value for name, value in SECRETS.items() if "canary" in value} | {"canary-token-91ab"}
    texts = {f"output {number}": end.out + end.err for number, end in enumerate(ends)}
    folders = [
        night.published,
        night.state,
        tmp_path / "mail",
        night.command.data / "logs",
        night.command.data / "target",
    ]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {".parquet", ".json", ".log", ".html"} <= {path.suffix for path in files}
    for path in files:
        texts[str(path)] = path.read_bytes().decode("utf-8", "replace")
    for place, text in texts.items():
        for secret in secrets:
            assert secret not in text, f"{secret} in {place}"
        found = people & set(text.replace('"', " ").replace("'", " ").split())
        assert not found and sum(email in text for email in list(people)[:50]) == 0, f"{found} in {place}"
    with duckdb.connect(str(night.published / "marts.duckdb"), read_only=True) as reader:
        for mart in night.readers_see().rows:
            ((hits,),) = reader.execute(
                f"select count(*) from marts.{mart} as mart where regexp_matches(mart::varchar, '[[:alnum:].]+@[[:alnum:]]')"
            ).fetchall()
            assert hits == 0, f"an address in {mart}"


def test_what_is_published_is_for_owner_and_group_and_the_rest_for_the_owner_alone(
    first_night: tuple[Night, Finished],
) -> None:
    night, _ = first_night
    for path in night.published.rglob("*"):
        if path.is_symlink() or path.name == ".lock":
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o777 == (0o750 if path.is_dir() else 0o640), f"{oct(mode)} {path}"
    for path in (night.command.warehouse, *night.state.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, f"{oct(mode)} {path}"
