"""Runs `lead-sla` as a person would, and remembers what it said."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from project_copy import PROJECT


@dataclass(frozen=True)
class Finished:
    """A finished command: its exit status, and what it wrote to the standard output and the standard error."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class CommandLine:
    """The command line in a project folder, with data folders of its own.

    Attributes:
        folder: the working folder, inside a dbt project.
        data: the folder of warehouse, published marts, dbt's target and logs.
        raw: LEAD_SLA_RAW.
        settings: further environment variables.
    """

    folder: Path
    data: Path
    raw: Path
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def warehouse(self) -> Path:
        return Path(self.environment()["LEAD_SLA_WAREHOUSE"])

    @property
    def published(self) -> Path:
        return Path(self.environment()["LEAD_SLA_PUBLISHED"])

    def with_settings(self, **settings: str) -> CommandLine:
        """The same with further environment variables."""
        return replace(self, settings=(*self.settings, *settings.items()))

    def environment(self) -> dict[str, str]:
        """The environment variables that a command gets."""
        return {
            **os.environ,
            "PYTHONPATH": str(PROJECT),
            "LEAD_SLA_RAW": str(self.raw),
            "LEAD_SLA_WAREHOUSE": str(self.data / "warehouse.duckdb"),
            "LEAD_SLA_PUBLISHED": str(self.data / "published"),
            "LEAD_SLA_STATE": str(self.data / "state"),
            "DBT_TARGET_PATH": str(self.data / "target"),
            "DBT_LOG_PATH": str(self.data / "logs"),
            **dict(self.settings),
        }

    def __call__(self, *arguments: str, before: Callable[[], None] | None = None) -> Finished:
        """Run `lead-sla` with these arguments; `before` is called in its process first."""
        run = subprocess.run(
            [sys.executable, "-m", "lead_sla", *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=before,
        )
        return Finished(run.returncode, run.stdout, run.stderr)


def contents(folder: Path) -> dict[str, str]:
    """Every file and link below a folder, with the hash of its bytes or its target: equal answers, equal folders.

    Lock files are left out: they may stay, and say nothing.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file() and path.name != ".lock":
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
