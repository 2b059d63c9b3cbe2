"""The project's data tests, compiled once by dbt and then run in memory on rows: what each test says of a table, in milliseconds.

The counterpart of compiled_project.py, which does the same with the models.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
from compiled_project import DATABASE, PROJECT


@dataclass(frozen=True)
class DataTest:
    """A data test as dbt compiled it. `node` is its entry in dbt's manifest."""

    name: str
    severity: str
    tags: tuple[str, ...]
    sql: str
    node: dict[str, Any]

    def problems(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """The sentences that the test selects, sorted."""
        return sorted(row["problem"] for row in self.rows(connection))

    def rows(self, connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
        """The rows that the test selects, by column."""
        result = connection.execute(self.sql)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


@lru_cache
def compiled_tests() -> dict[str, DataTest]:
    """Every data test of the project, by name, compiled for a database `compiled` and the default vars."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--no-introspect", "--no-populate-cache", "--target-path", folder, "--log-path", folder]
        finished = subprocess.run(
            [sys.executable, "-m", "dbt.cli.main", "--quiet", "compile", *options, "--select", "resource_type:test"],
            cwd=PROJECT,
            env={**os.environ, "LEAD_SLA_WAREHOUSE": f"{folder}/{DATABASE}.duckdb"},
            capture_output=True,
            text=True,
        )
        if finished.returncode:
            raise RuntimeError(f"dbt compile failed:\n{finished.stdout}{finished.stderr}")
        manifest = json.loads((Path(folder) / "manifest.json").read_text())
    return {
        node["name"]: DataTest(
            node["name"], node["config"]["severity"].lower(), tuple(node["tags"]), node["compiled_code"], node
        )
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
    }
