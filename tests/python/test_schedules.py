"""What stands in deploy/: the schedulers accept it, they agree on the times, and all of them call the one command and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt.cli.main import cli as dbt_cli
from project_copy import PROJECT

from lead_sla.cli import cli

DEPLOY = PROJECT / "deploy"
SYSTEMD, CRONTAB = DEPLOY / "systemd", DEPLOY / "cron" / "lead-sla.crontab"
WORKFLOW = DEPLOY / "github-actions" / "lead-sla.yml"
SCHEDULERS = [SYSTEMD / "lead-sla.service", CRONTAB, WORKFLOW, DEPLOY / "dagster" / "definitions.py"]
SETTINGS = [DEPLOY / "lead-sla.env", DEPLOY / "secrets.env"]
# A Monday: the week that the schedules are compared over, in the time zone of whatever reads them.
WEEK = datetime(2026, 3, 2)


def without_comments(file: Path) -> str:
    """A file without its comments, which may tell of other commands."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        text = re.sub(r'"""[\s\S]*?"""', "", text)
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


# --- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", SCHEDULERS, ids=lambda file: file.name)
def test_a_scheduler_calls_the_one_command_and_nothing_else_of_ours(file: Path) -> None:
    text = without_comments(file).replace('"lead-sla"), "', "lead-sla ")
    called = re.findall(r"(?<=lead-sla )[a-z]+", text)
    ours = {word for word in called if word in cli.commands} | {word for word in called if word == "nightly"}
    assert ours == {"nightly"}


def test_every_variable_of_ours_and_of_dbts_is_one_that_they_read() -> None:
    code = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("lead_sla", "config")
        for path in sorted((PROJECT / folder).rglob("*"))
        if path.suffix in (".py", ".yml")
    )
    options = [option for command in (dbt_cli, *dbt_cli.commands.values()) for option in command.params]
    variables = [option.envvar for option in options if option.envvar]
    of_dbt = {name for names in variables for name in ([names] if isinstance(names, str) else names)}
    named = {
        (name, file.name)
        for file in sorted(DEPLOY.rglob("*"))
        if file.is_file() and file.suffix != ".txt" and not {"__pycache__", ".venv"} & set(file.parts)
        for name in re.findall(r"\b(?:LEAD_SLA|DBT)_[A-Z_]+\b", file.read_text(encoding="utf-8"))
    }
    assert ("LEAD_SLA_STATE", "lead-sla.env") in named
    assert ("DBT_TARGET_PATH", "lead-sla.env") in named
    assert not {entry for entry in named if entry[0] not in of_dbt and not re.search(rf"\b{entry[0]}\b", code)}


def test_every_other_variable_that_is_set_is_one_of_the_schedulers_or_used_where_it_is_set() -> None:
    of_systemd = {"MONITOR_SERVICE_RESULT", "MONITOR_EXIT_STATUS"}
    of_cron = {"SHELL", "PATH", "HOME", "MAILTO", "NIGHTLY"}
    of_aws = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}
    units = "\n".join(without_comments(unit) for unit in SYSTEMD.iterdir())
    assert set(re.findall(r"\b([A-Z_]+)=", units)) == of_systemd
    assert set(crontab()[0]) == of_cron
    settings = "\n".join(file.read_text(encoding="utf-8") for file in SETTINGS)
    assert all(name.startswith(("LEAD_SLA_", "DBT_")) for name in re.findall(r"^#?(\w+)=", settings, re.MULTILINE))
    for step in steps():
        for name in step.get("env", {}):
            assert name.startswith("LEAD_SLA_") or name in of_aws or f"${{{name}:?" in step["run"]


@pytest.mark.parametrize("file", SETTINGS, ids=lambda file: file.name)
def test_the_settings_are_read_alike_by_systemd_and_by_the_shell(file: Path) -> None:
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("# ")]
    for line in lines:
        name, value = line.removeprefix("#").split("=", 1)
        assert re.fullmatch(r"[A-Z_]+", name)
        # Plain, or in single quotes: neither of the two expands anything.
        assert re.fullmatch(r"[A-Za-z0-9/._-]+|'[^']*'", value), line


def test_no_secret_has_a_value() -> None:
    for line in (DEPLOY / "secrets.env").read_text(encoding="utf-8").splitlines():
        if re.search("PASSWORD|_URL|TOKEN", line.partition("=")[0]) and "=" in line:
            assert line.endswith("=''")


def test_every_path_is_of_the_documented_layout() -> None:
    known = ("/opt/lead-sla", "/var/lib/lead-sla", "/etc/lead-sla", "/usr/local/bin", "/usr/bin", "/bin")
    for file in (*SYSTEMD.iterdir(), CRONTAB, *SETTINGS):
        for path in re.findall(r"(?<![\w./*:0-9])/[a-z][\w./-]+", without_comments(file).replace("file://", "")):
            assert path.startswith(known), f"{file.name}: {path}"


# --- systemd ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def analyze() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Ask systemd itself; the machine need not be running it."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze on this machine: units and calendar expressions are not checked")

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {"TZ": "UTC", "LC_ALL": "C", "PATH": "/usr/bin:/bin", "SYSTEMD_COLORS": "0"}
        return subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units, with a command that exists on every machine: systemd looks for it."""
    for unit in SYSTEMD.iterdir():
        text = unit.read_text(encoding="utf-8").replace("/opt/lead-sla/.venv/bin/lead-sla nightly", "/bin/true nightly")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    return sorted(tmp_path.iterdir())


def directives(unit: str) -> dict[str, list[str]]:
    """The settings of a unit: each with its values, in order."""
    found: dict[str, list[str]] = {}
    for line in without_comments(SYSTEMD / unit).splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found.setdefault(name, []).append(value)
    return found


def test_systemd_accepts_the_units_without_a_word(analyze: Callable, units: list[Path]) -> None:
    result = analyze("verify", "--man=no", *units)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_systemd_would_notice_a_misspelt_setting(analyze: Callable, units: list[Path]) -> None:
    [service] = [unit for unit in units if unit.name == "lead-sla.service"]
    service.write_text(service.read_text(encoding="utf-8").replace("ProtectHome=", "ProtectHouse="), encoding="utf-8")
    assert "ProtectHouse" in analyze("verify", "--man=no", *units).stderr


def test_the_night_may_do_little_to_the_machine(analyze: Callable, units: list[Path]) -> None:
    [service] = [unit for unit in units if unit.name == "lead-sla.service"]
    # Of 100; 14 when it was written, and 96 without the hardening.
    result = analyze("security", "--offline=true", "--threshold=20", service)
    if "unrecognized option" in result.stderr:
        pytest.skip("this systemd-analyze is too old to judge a file")
    assert result.returncode == 0, result.stdout


def test_both_timers_start_the_one_service_which_is_never_started_again_at_once() -> None:
    for timer in ("lead-sla.timer", "lead-sla-hours.timer"):
        assert directives(timer)["Unit"] == ["lead-sla.service"]
        assert directives(timer)["WantedBy"] == ["timers.target"]
    service = directives("lead-sla.service")
    assert service["Type"] == ["oneshot"]
    assert service["Restart"] == ["no"]
    assert service["TimeoutStartSec"]
    assert (SYSTEMD / service["OnFailure"][0]).is_file()


def test_what_is_published_stale_is_no_failure_and_a_broken_channel_is_one() -> None:
    assert directives("lead-sla.service")["SuccessExitStatus"] == ["3 5"]


def test_the_night_does_not_start_without_its_settings_and_writes_nowhere_but_where_they_point() -> None:
    service = directives("lead-sla.service")
    assert service["EnvironmentFile"][0] == "/etc/lead-sla/lead-sla.env"
    [writable] = service["ReadWritePaths"]
    for line in without_comments(DEPLOY / "lead-sla.env").splitlines():
        name, _, value = line.partition("=")
        if value.startswith("/") and name != "LEAD_SLA_REPORT_CONFIG":
            assert value.startswith(f"{writable}/")


# --- the times --------------------------------------------------------------------------------------------------------


def cron_times(expression: str) -> set[datetime]:
    """Every minute of the week at which five fields of cron are due.

    Raises:
        ValueError: the expression is none.
    """
    fields = expression.split()
    if len(fields) != 5:
        raise ValueError(f"{expression}: five fields, please")
    bounds = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
    minutes, hours, days, months, weekdays = (
        _cron_field(field, *limits) for field, limits in zip(fields, bounds, strict=True)
    )
    if fields[2] != "*" and fields[4] != "*":
        raise ValueError(f"{expression}: day and weekday together mean either of the two, which nobody expects")
    moments = (WEEK + timedelta(minutes=minute) for minute in range(7 * 24 * 60))
    return {
        moment
        for moment in moments
        if moment.minute in minutes
        and moment.hour in hours
        and moment.day in days
        and moment.month in months
        and (moment.isoweekday() in weekdays or moment.isoweekday() % 7 in weekdays)
    }


def _cron_field(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
        if match is None:
            raise ValueError(f"{part} is nothing that cron knows")
        first, last, step = (int(group) if group else None for group in match.groups())
        if first is None:
            first, last = low, high
        last = first if last is None else last
        if not low <= first <= last <= high or step == 0 or (step and first == last):
            raise ValueError(f"{part} is not between {low} and {high}")
        found |= set(range(first, last + 1, step or 1))
    return found


@pytest.mark.parametrize(
    "wrong",
    ["60 4 * * *", "30 4 * *", "30 4 * * * *", "x 4 * * *", "5/15 7 * * *", "0 4 1 * 1", "*/0 * * * *", "9-3 * * * *"],
)
def test_an_expression_that_cron_would_not_take_is_noticed(wrong: str) -> None:
    with pytest.raises(ValueError):
        cron_times(wrong)


def crontab() -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The crontab's variables, and its lines as expression and command."""
    variables: dict[str, str] = {}
    lines: list[tuple[str, str]] = []
    for line in without_comments(CRONTAB).splitlines():
        if match := re.fullmatch(r"([A-Z_]+)=(.*)", line):
            assert not lines, "a variable holds for the lines below it only"
            variables[match[1]] = match[2]
        elif line:
            *expression, command = line.split(maxsplit=5)
            lines.append((" ".join(expression), command))
    return variables, lines


def systemd_times(analyze: Callable, timer: str) -> set[datetime]:
    """Every time of the week at which a timer elapses, as systemd reckons it."""
    found = set()
    for expression in directives(timer)["OnCalendar"]:
        # From the second before the week on: systemd gives what comes after.
        base = f"--base-time={WEEK - timedelta(seconds=1):%Y-%m-%d %H:%M:%S}"
        result = analyze("calendar", base, "--iterations=400", expression)
        assert result.returncode == 0, result.stderr
        stamps = re.findall(r"(?:Next elapse|Iter\. #\d+|Iteration #\d+): \w+ (\S+ \S+) UTC", result.stdout)
        assert len(stamps) > 300
        found |= {datetime.fromisoformat(stamp) for stamp in stamps}
    return {moment for moment in found if WEEK <= moment < WEEK + timedelta(days=7)}


def dagster_expressions() -> list[str]:
    text = (DEPLOY / "dagster" / "definitions.py").read_text(encoding="utf-8")
    return re.findall(r'"((?:[\d*/,-]+ ){4}[\d*/,-]+)"', text)


def workflow() -> dict[str, Any]:
    content = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    # YAML 1.1 reads `on` as true.
    return {"on" if key is True else key: value for key, value in content.items()}


def nights() -> set[datetime]:
    days = [WEEK + timedelta(days=day) for day in range(7)]
    return {day + timedelta(hours=hour, minutes=minute) for day in days for hour, minute in ((4, 30), (6, 45))}


def working_quarters() -> set[datetime]:
    days = [WEEK + timedelta(days=day) for day in range(5)]
    return {day + timedelta(minutes=minute) for day in days for minute in range(7 * 60, 20 * 60, 15)}


def test_cron_runs_twice_a_night_and_every_quarter_of_a_working_hour() -> None:
    assert set().union(*(cron_times(expression) for expression, _ in crontab()[1])) == nights() | working_quarters()


def test_systemd_runs_at_the_times_of_cron(analyze: Callable) -> None:
    assert systemd_times(analyze, "lead-sla.timer") == nights()
    assert systemd_times(analyze, "lead-sla-hours.timer") == working_quarters()


def test_dagster_runs_at_the_times_of_cron() -> None:
    assert set().union(*map(cron_times, dagster_expressions())) == nights() | working_quarters()


def test_github_runs_every_quarter_of_a_working_hour_beside_the_full_hour_when_it_is_busiest() -> None:
    times = set().union(*(cron_times(entry["cron"]) for entry in workflow()["on"]["schedule"]))
    assert times == nights() | {moment + timedelta(minutes=7) for moment in working_quarters()}


# --- cron -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def run_line(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Run the command of a crontab line as cron does, on a machine below `tmp_path`, with this script as `lead-sla`."""
    for tool in ("flock", "logger", "bash"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool} on this machine: the lines of the crontab are not run")
    for folder in ("opt/lead-sla/.venv/bin", "etc/lead-sla", "var/lib/lead-sla", "bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(DEPLOY / "lead-sla.env", tmp_path / "etc/lead-sla")
    (tmp_path / "etc/lead-sla/secrets.env").write_text("LEAD_SLA_SMTP_PASSWORD='p$$ w0rd'\n", encoding="utf-8")
    script(tmp_path / "bin/logger", f'echo "$@" >>{tmp_path}/logged; cat >>{tmp_path}/logged')
    variables, lines = crontab()
    running: list[subprocess.Popen[str]] = []

    def start(line: int, lead_sla: str) -> subprocess.Popen[str]:
        script(tmp_path / "opt/lead-sla/.venv/bin/lead-sla", lead_sla)
        moved = {
            name: re.sub(r"(?<=[\s=.])/(?=(?:opt|etc|var)/)", f"{tmp_path}/", value)
            for name, value in variables.items()
        }
        moved |= {"PATH": f"{tmp_path}/bin:{variables['PATH']}"}
        process = subprocess.Popen(
            [variables["SHELL"], "-c", lines[line][1]],
            env=moved,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def wait_for(path: Path, text: str) -> str:
    """What a file says, once it says `text`."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if path.exists() and text in (content := path.read_text(encoding="utf-8")):
            return content
        time.sleep(0.02)
    raise AssertionError(f"{path.name} does not say {text}")


def test_a_line_of_cron_brings_command_folder_settings_and_secrets_together(run_line: Callable, tmp_path: Path) -> None:
    told = 'echo "$0 $@ in $PWD: $LEAD_SLA_STATE, $LEAD_SLA_SMTP_PASSWORD, $(umask)"'
    assert run_line(0, told).communicate(timeout=10) == ("", "")
    said = wait_for(tmp_path / "logged", "nightly")
    assert f"nightly in {tmp_path}/opt/lead-sla: /var/lib/lead-sla/state, p$$ w0rd, 0077" in said


def test_the_line_of_the_night_mails_errors_and_that_of_the_day_logs_them(run_line: Callable, tmp_path: Path) -> None:
    failing = "echo it rained >&2; exit 1"
    assert run_line(0, failing).communicate(timeout=10) == ("", "it rained\n")
    assert run_line(2, failing).communicate(timeout=10) == ("", "")
    wait_for(tmp_path / "logged", "it rained")


def test_a_second_run_ends_well_and_quietly_while_the_first_is_not_over(run_line: Callable, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    slow = f"echo once >>{tmp_path}/runs; read <{tmp_path}/gate"
    first = run_line(0, slow)
    wait_for(tmp_path / "runs", "once")
    second = run_line(1, slow)
    assert second.communicate(timeout=10) == ("", "")
    assert second.returncode == 0
    assert first.poll() is None
    (tmp_path / "gate").write_text("go on\n")
    assert first.wait(timeout=10) == 0
    assert (tmp_path / "runs").read_text() == "once\n"


def test_no_line_of_the_crontab_holds_a_percent_sign_or_more_than_cron_reads() -> None:
    variables, lines = crontab()
    assert not any("%" in command for _, command in lines)
    # Debian's cron reads up to 1,000 characters of either.
    assert all(len(name) + len(value) < 900 for name, value in variables.items())


# --- GitHub Actions ---------------------------------------------------------------------------------------------------


def test_the_workflow_fits_the_schema_of_workflows() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    result = subprocess.run(check, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_workflow_may_read_the_repository_and_no_more_and_runs_one_at_a_time() -> None:
    content = workflow()
    assert content["permissions"] == {"contents": "read"}
    assert content["concurrency"] == {"group": "lead-sla", "cancel-in-progress": False}
    assert all("permissions" not in job for job in content["jobs"].values())
    assert "workflow_dispatch" in content["on"]


def steps() -> list[dict[str, Any]]:
    [job] = workflow()["jobs"].values()
    assert job["timeout-minutes"] <= 60
    return job["steps"]


def test_every_action_is_pinned_to_a_major_version() -> None:
    used = [step["uses"] for step in steps() if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[a-z/-]+@v\d+", name) for name in used)


def test_every_step_that_runs_something_of_ours_has_a_time_limit() -> None:
    assert all(step["timeout-minutes"] for step in steps() if "run" in step)


def test_nothing_that_somebody_else_may_write_is_pasted_into_a_script() -> None:
    assert all("${{" not in step["run"] for step in steps() if "run" in step)


def test_only_the_steps_that_need_a_secret_have_it() -> None:
    [job] = workflow()["jobs"].values()
    assert not any("secrets." in str(value) for value in job["env"].values())
    for step in steps():
        for name, value in step.get("env", {}).items():
            if "secrets." in value:
                assert value == f"${{{{ secrets.{name} }}}}"


def test_what_the_runs_remember_is_restored_before_the_night_and_kept_whatever_became_of_it() -> None:
    names = [step.get("name") for step in steps()]
    assert names.index("Memory") < names.index("Night") < names.index("Keep the memory")
    memory, keep = (
        next(step for step in steps() if step.get("name") == name) for name in ("Memory", "Keep the memory")
    )
    assert memory["with"]["path"] == keep["with"]["path"]
    assert memory["with"]["key"] == keep["with"]["key"]
    assert memory["with"]["key"].startswith(memory["with"]["restore-keys"])
    assert keep["if"] == "always()"
    assert {"data/state", "data/published"} <= set(keep["with"]["path"].split())


@pytest.mark.parametrize(
    ("status", "ends", "says"),
    [
        (0, 0, ""),
        (1, 1, ""),
        (2, 2, ""),
        (3, 0, "::warning title=Published stale::"),
        (4, 0, "::warning title=Published, but"),
        (130, 130, ""),
    ],
)
def test_the_workflow_fails_where_nothing_was_published_and_warns_where_something_is_to_be_mended(
    tmp_path: Path, status: int, ends: int, says: str
) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    script(tmp_path / ".venv/bin/lead-sla", f'[ "$1" = nightly ] && exit {status}')
    [night] = [step for step in steps() if step.get("name") == "Night"]
    # As GitHub runs it.
    result = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", night["run"]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == ends
    assert result.stdout.startswith(says) and bool(result.stdout) == bool(says)


# --- Dagster ----------------------------------------------------------------------------------------------------------


def locked(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", file.read_text(encoding="utf-8"), flags=re.MULTILINE))


def test_dagsters_environment_is_locked_with_hashes_and_has_the_dbt_of_the_night() -> None:
    lock = DEPLOY / "dagster" / "requirements.txt"
    dagsters, ours = locked(lock), locked(PROJECT / "requirements" / "runtime.txt")
    entries = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").strip())
    assert all("--hash=sha256:" in entry for entry in entries)
    assert len(entries) > 50 and "://" not in lock.read_text(encoding="utf-8")
    for package in ("dbt-core", "dbt-adapters", "dbt-duckdb", "duckdb"):
        assert dagsters[package] == ours[package]
    wanted = re.findall(r"^[a-z_-]+", (lock.with_suffix(".in")).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {name.replace("_", "-") for name in wanted} <= set(dagsters)
