"""Where the project, the raw data, the warehouse and the published marts lie."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lead_sla.errors import RefusedInput

PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Settings:
    """The paths of one run, all absolute.

    Attributes:
        project: folder of dbt_project.yml.
        raw: folder of the landed Parquet files, one folder a table.
        raw_is_default: nobody named `raw`, so that sample data may be made there.
        warehouse: the DuckDB file that dbt builds, which no reader opens.
        published: the folder that readers open.
        state: the folder of what runs remember of each other; nobody else opens it.
    """

    project: Path
    raw: Path
    raw_is_default: bool
    warehouse: Path
    published: Path
    state: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read LEAD_SLA_RAW, LEAD_SLA_WAREHOUSE, LEAD_SLA_PUBLISHED and LEAD_SLA_STATE.

        A relative path is meant from the working folder, a default from the project's folder.
        """
        project = find_project()

        def path(variable: str, default: str) -> Path:
            value = environ.get(variable)
            return Path(value).absolute() if value else project / default

        return cls(
            project=project,
            raw=path("LEAD_SLA_RAW", "data/raw"),
            raw_is_default=not environ.get("LEAD_SLA_RAW"),
            warehouse=path("LEAD_SLA_WAREHOUSE", "data/warehouse.duckdb"),
            published=path("LEAD_SLA_PUBLISHED", "data/published"),
            state=path("LEAD_SLA_STATE", "data/state"),
        )


def find_project() -> Path:
    """Find the dbt project: around the working folder, else around this package.

    Raises:
        RefusedInput: there is no dbt_project.yml in any of these folders.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, PACKAGE.parent):
        if (folder / "dbt_project.yml").is_file() and (folder / "seeds" / "policy").is_dir():
            return folder
    raise RefusedInput(
        "The dbt project was not found",
        where=f"{here} and the folders above it",
        todo="run lead-sla inside the project's folder (where dbt_project.yml lies)",
    )


def display(path: Path) -> str:
    """Show a path as a person would type it: relative to the working folder where it lies inside."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
