"""The script that makes the environment, with an interpreter that only writes down what it was asked to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from project_copy import PROJECT

INTERPRETER = """#!/usr/bin/env bash
echo "$*" >>"$LOG"
case "$*" in
    --version) echo Python 3.12.1 ;;
    "-m venv .venv") mkdir -p .venv/bin .venv/lib && cp "$0" .venv/bin/python ;;
    *--require-hashes*) echo "Collecting duckdb"; [ -z "${BROKEN:-}" ] || { echo "ERROR: no network" >&2; exit 1; } ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "requirements").mkdir(parents=True)
    shutil.copy(PROJECT / "requirements" / "environment.sh", folder / "requirements")
    (folder / "requirements" / "dev.txt").write_text("duckdb==2.0.0\n")
    (folder / "pyproject.toml").write_text("[project]\n")
    interpreter = tmp_path / "python3"
    interpreter.write_text(INTERPRETER)
    interpreter.chmod(0o755)
    return folder


def make(project: Path, **settings: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the script; also give what the interpreter was asked to do."""
    log = project.parent / "log"
    log.write_text("")
    run = subprocess.run(
        [str(project / "requirements" / "environment.sh")],
        env={**os.environ, "LOG": str(log), "PYTHON": str(project.parent / "python3"), **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    asked = [line for line in log.read_text().splitlines() if line.startswith("-m ")]
    return run, [line.split()[1] + (" lock" if "--require-hashes" in line else "") for line in asked]


def test_the_environment_is_made_once(project: Path) -> None:
    run, asked = make(project)
    assert run.returncode == 0, run.stderr
    assert asked == ["venv", "pip lock", "compileall", "pip"]
    assert "Setting up .venv" in run.stdout

    run, asked = make(project)
    assert (run.returncode, run.stdout, run.stderr, asked) == (0, "", "", [])


def test_another_lock_makes_another_environment(project: Path) -> None:
    make(project)
    (project / ".venv" / "left behind").touch()
    (project / "requirements" / "dev.txt").write_text("duckdb==2.0.1\n")

    _, asked = make(project)

    assert asked == ["venv", "pip lock", "compileall", "pip"]
    assert not (project / ".venv" / "left behind").exists()


def test_a_changed_project_file_installs_the_project_alone(project: Path) -> None:
    make(project)
    (project / "pyproject.toml").write_text("[project]\nversion = '2'\n")
    assert make(project)[1] == ["pip"]
    assert make(project)[1] == []


def test_an_environment_cannot_be_moved(project: Path) -> None:
    make(project)
    moved = project.rename(project.with_name("moved"))
    assert make(moved)[1] == ["venv", "pip lock", "compileall", "pip"]


def test_a_half_made_environment_is_not_taken_for_a_good_one(project: Path) -> None:
    run, asked = make(project, BROKEN="yes")
    assert run.returncode != 0
    assert asked == ["venv", "pip lock"]
    assert "ERROR: no network" in run.stderr
    assert "could not be installed" in run.stderr

    run, asked = make(project)
    assert run.returncode == 0
    assert asked == ["venv", "pip lock", "compileall", "pip"]


def test_a_machine_without_a_fitting_python_is_told_so(project: Path) -> None:
    run, _ = make(project, PYTHON="/nowhere/python3")
    assert run.returncode != 0
    assert "No Python 3.11 or newer" in run.stderr
    assert not (project / ".venv").exists()
