"""Builds the marts of a company of the real data, which is no part of the project and may be absent."""

import os
import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from project_copy import PROJECT, ProjectCopy, copy_project

# Relative to the project, whatever the working directory.
REAL_DATA = PROJECT / os.environ.get("LEAD_SLA_REAL_DATA", "../shared/data")


@dataclass(frozen=True)
class Company:
    """A company after a whole build.

    Attributes:
        project: the project folder with the company's policy, for further runs.
        findings: what the mapping counted in the source, by name.
        results: what became of each node of the build, as ProjectCopy.results gives it.
        marts: a connection to the built warehouse that cannot write to it.
    """

    project: ProjectCopy
    findings: Mapping[str, float]
    results: Sequence[Mapping[str, Any]]
    marts: duckdb.DuckDBPyConnection

    def rows(self, query: str, *parameters: object) -> list[tuple]:
        """The rows of a query on the warehouse."""
        return self.marts.execute(query, parameters).fetchall()

    def warnings(self) -> dict[str, int]:
        """The tests that warned in the build, and how many rows each of them found."""
        return {
            result["unique_id"].split(".")[2]: result["failures"]
            for result in self.results
            if result["status"] == "warn"
        }

    def table(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table such as `marts.dim_leads`, by column."""
        columns = [column[0] for column in self.marts.execute(f"from {name}").description]
        return [dict(zip(columns, row, strict=True)) for row in self.marts.fetchall()]

    def tables(self, schema: str) -> dict[str, list[dict[str, Any]]]:
        """All tables of a schema, by name."""
        names = self.rows("select table_name from information_schema.tables where table_schema = ?", schema)
        return {name: self.table(f"{schema}.{name}") for (name,) in names}

    def value(self, query: str, *parameters: object) -> object:
        """The one value of a query of one row and one column."""
        ((value,),) = self.rows(query, *parameters)
        return value


def build_company(name: str, folder: Path, variables: Mapping[str, object]) -> Company:
    """Maps a company's data, and builds everything but the unit tests under its policy; skips the test where there is no data.

    A threshold test that fails is news about the company; any other failure is a fault, and fails here.

    Args:
        name: the folder of the company in the real data and in tests/real.
        folder: an empty folder to work in.
        variables: dbt vars, by name.
    """
    data = REAL_DATA / name
    if not data.is_dir():
        pytest.skip(
            f"the real data of {name} is absent: there is no folder {data} (set LEAD_SLA_REAL_DATA to the folder that holds it)"
        )
    company = PROJECT / "tests" / "real" / name
    findings = runpy.run_path(str(company / "map.py"))["land"](data, folder / "raw")
    project = copy_project(folder / "project", company / "policy", folder / "raw")
    run = project.dbt("build", "--exclude-resource-type", "unit_test", variables=variables)
    assert run.returncode in {0, 1}, f"dbt did not come to build anything:\n{run.stdout}{run.stderr}"
    results = project.results()
    faults = [
        f"{result['unique_id']}: {result['message']}"
        for result in results
        if result["status"] in {"error", "fail", "runtime error", "skipped"} and "sla_threshold" not in result["tags"]
    ]
    assert not faults, "\n".join([run.stdout, *faults])
    return Company(project, findings, results, duckdb.connect(str(project.warehouse), read_only=True))
