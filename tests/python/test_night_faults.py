"""Faults at every stage of a night: readers keep a whole version, nothing half-made is left to see, and the next run succeeds.

Takes minutes: `make test-night` runs it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from command_line import Finished, contents
from test_night import START, Night, a_night, beat, no_half_files

from lead_sla.errors import BUSY, FAILED, REFUSED, STALE, UNTOLD

pytestmark = pytest.mark.night

STAGES = ("Landed data", "Freshness", "Policy", "Build", "Publish", "Dashboard", "Report")
# From here on the new version is what readers see.
AFTER_PUBLISHING = ("Dashboard", "Report")
LATER = START + timedelta(minutes=15)
LATER_STILL = START + timedelta(minutes=30)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory, sample_raw: Path) -> Night:
    """A night that went well."""
    data = tmp_path_factory.mktemp("before")
    raw = data / "raw"
    shutil.copytree(sample_raw, raw)
    night = a_night(data / "data", raw)
    said = night()
    assert said.status == 0, said.out + said.err
    return night


@pytest.fixture
def night(before: Night, tmp_path: Path) -> Night:
    """A copy of all that it left, and of the raw files."""
    shutil.copytree(before.command.data, tmp_path / "data", symlinks=True)
    shutil.copytree(before.command.raw, tmp_path / "raw")
    return a_night(tmp_path / "data", tmp_path / "raw")


class Reader:
    """A reader who keeps the marts open, as a BI tool does, and goes on asking."""

    def __init__(self, night: Night) -> None:
        self._connection = duckdb.connect(str(night.published / "marts.duckdb"), read_only=True)
        self._answer = self._ask()

    def sees_what_it_saw(self) -> bool:
        return self._ask() == self._answer

    def close(self) -> None:
        self._connection.close()

    def _ask(self) -> list[tuple[Any, ...]]:
        return self._connection.execute(
            "select count(*), sum(hash(obligations)) from marts.fct_sales_sla_obligations as obligations"
        ).fetchall()


@pytest.fixture
def reader(night: Night) -> Iterator[Reader]:
    reader = Reader(night)
    yield reader
    reader.close()


def marts_of(night: Night) -> dict[str, str]:
    """The bytes of every mart but the one that names the run."""
    files = contents(night.readers_see().folder / "parquet")
    return {name: digest for name, digest in files.items() if name != "run_metadata.parquet"}


def succeeds(night: Night, *options: str) -> Finished:
    """The next run: without a word it makes good marts."""
    said = night(*options, now=LATER_STILL)
    assert said.status == 0, said.out + said.err
    assert night.as_of() == LATER_STILL
    no_half_files(night)
    assert not [path for path in (night.published / "runs").iterdir() if path.name.startswith(".")]
    return said


@pytest.fixture(scope="module")
def undisturbed(before: Night, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What an undisturbed run makes of the same data."""
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(before.command.data, folder / "data", symlinks=True)
    shutil.copytree(before.command.raw, folder / "raw")
    night = a_night(folder / "data", folder / "raw")
    succeeds(night)
    return marts_of(night)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("fault", "when", "status"),
    [("kill", "begin", -9), ("kill", 1.0, -9), ("stop", "begin", 143)],
)
def test_a_run_that_is_killed_or_stopped_leaves_a_whole_version(
    night: Night, reader: Reader, undisturbed: dict[str, str], stage: str, fault: str, when: str | float, status: int
) -> None:
    old = night.readers_see().run
    ended = night.with_fault({"fault": fault, "stage": stage, "when": when}, "--force", now=LATER)
    # A stage that takes less than a second is over before the fault comes, and the next one is hit, or none.
    assert ended.status in ((status, 0) if when == 1.0 else (status,)), ended.out + ended.err
    if when != 1.0:
        assert (night.readers_see().run != old) == (stage in AFTER_PUBLISHING)
    no_half_files(night)
    assert reader.sees_what_it_saw()
    succeeds(night)
    assert marts_of(night) == undisturbed
    assert reader.sees_what_it_saw()


@pytest.mark.parametrize("stage", STAGES)
def test_a_disk_that_becomes_full_leaves_a_whole_version(
    night: Night, reader: Reader, undisturbed: dict[str, str], stage: str
) -> None:
    old = night.readers_see().run
    ended = night.with_fault({"fault": "disk", "stage": stage, "when": "begin"}, "--force", now=LATER)
    if stage in AFTER_PUBLISHING:
        assert ended.status == (UNTOLD if stage == "Dashboard" else 0), ended.out + ended.err
    else:
        assert ended.status == FAILED and "A file grew beyond the size" in ended.err, ended.out + ended.err
        assert night.readers_see().run == old
    no_half_files(night)
    assert reader.sees_what_it_saw()
    succeeds(night)
    assert marts_of(night) == undisturbed


@pytest.mark.parametrize("stage", STAGES)
def test_a_raw_file_that_is_cut_off_under_the_run_is_named_or_does_not_matter(
    night: Night, reader: Reader, undisturbed: dict[str, str], stage: str
) -> None:
    old, newest = night.readers_see().run, max((night.command.raw / "activities").rglob("*.parquet"))
    whole, changed = newest.read_bytes(), newest.stat()
    ended = night.with_fault({"fault": "corrupt", "stage": stage, "when": "begin"}, "--force", now=LATER)
    if stage in ("Landed data", "Freshness", "Policy", "Build"):
        assert ended.status == REFUSED and str(newest) in ended.err, ended.out + ended.err
        assert night.readers_see().run == old
    else:
        assert ended.status == 0, ended.out + ended.err
    assert reader.sees_what_it_saw()

    refused = night(now=LATER_STILL)
    assert refused.status == REFUSED and str(newest) in refused.err
    newest.write_bytes(whole)
    os.utime(newest, ns=(changed.st_atime_ns, changed.st_mtime_ns))
    succeeds(night)
    assert marts_of(night) == undisturbed


@pytest.mark.parametrize(("stage", "days"), [*((stage, -400) for stage in STAGES), ("Build", 400), ("Publish", 400)])
def test_a_clock_that_jumps_under_the_run_breaks_nothing(
    night: Night, reader: Reader, undisturbed: dict[str, str], stage: str, days: int
) -> None:
    ended = night.with_fault({"fault": "clock", "stage": stage, "when": "begin", "days": days}, "--force", now=LATER)
    assert ended.status == 0, ended.out + ended.err
    assert night.as_of() == LATER
    jumped = night.readers_see()
    no_half_files(night)
    succeeds(night)
    assert marts_of(night) == undisturbed
    assert night.readers_see().record["previous"] == jumped.run
    assert night.command("rollback").status == 0 and night.readers_see().run == jumped.run, (
        "order is not told by clocks"
    )


@pytest.mark.parametrize("days", [-400, 400])
def test_a_run_that_starts_with_a_wrong_clock_publishes_nothing(night: Night, reader: Reader, days: int) -> None:
    old = contents(night.published)
    said = night(now=LATER + timedelta(days=days))
    assert said.status == (FAILED if days < 0 else REFUSED)
    assert contents(night.published) == old and reader.sees_what_it_saw()
    succeeds(night)


def test_a_disk_that_is_really_full_leaves_a_whole_version(before: Night, tmp_path: Path) -> None:
    """A small file system of its own, on which the copies of the next version have no room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = sum(
        path.stat().st_size for path in before.command.data.rglob("*") if path.is_file() and not path.is_symlink()
    )
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size + 1_500_000}", "tmpfs", disk], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        shutil.copytree(before.command.data, disk / "data", symlinks=True)
        shutil.copytree(before.command.raw, tmp_path / "raw")
        night = a_night(disk / "data", tmp_path / "raw")
        old = night.readers_see().run
        ended = night("--force", now=LATER)
        assert ended.status == FAILED and "The disk is full" in ended.err, ended.out + ended.err
        assert night.readers_see().run == old and night.as_of() == START
        no_half_files(night)
        subprocess.run(["mount", "-o", "remount,size=1g", disk], check=True)
        succeeds(night)
        assert night.asked("select count(*) from history where status = 'failed' and kind = 'run'") == [(1,)]
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_readers_of_old_versions_keep_them_while_many_are_published(night: Night, reader: Reader) -> None:
    for minutes in range(15, 15 * 8, 15):
        beat(night, START + timedelta(minutes=minutes))
        publish = night(now=START + timedelta(minutes=minutes))
        assert publish.status == 0, publish.out + publish.err
        assert reader.sees_what_it_saw()
    runs = list((night.published / "runs").iterdir())
    assert len(runs) == 5, "all were published on one day: the last five stay"


def test_two_runs_at_once_are_one_run_and_one_refusal(night: Night) -> None:
    environment = night.command.environment()
    command = [sys.executable, "-m", "lead_sla", "nightly", "--force", "--now", f"{LATER}"]
    both = [
        subprocess.Popen(
            command, cwd=night.command.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [run.communicate()[1].decode() for run in both]
    assert sorted(run.returncode for run in both) == [0, BUSY], said
    assert night.as_of() == LATER


def test_late_data_and_then_a_fault_and_then_fresh_data(night: Night) -> None:
    """Troubles one after the other: each is told as what it is, and the end is good."""
    late = START + timedelta(hours=30)
    assert night(now=late).status == STALE
    assert night.with_fault({"fault": "kill", "stage": "Build", "when": "begin"}, "--force", now=late).status == -9
    beat(night, late)
    well = night(now=late + timedelta(minutes=15))
    assert well.status == 0, well.out + well.err
    told = night.asked("select status from history where kind = 'run' order by started_at")
    assert [status for (status,) in told] == ["published", "published_stale", "died", "published"]
    assert json.loads((night.published / "current" / "run.json").read_text())["late"] == {}
