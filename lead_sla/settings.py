"""Where the project, the raw data, the warehouse and the published marts lie."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

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


def check_limits(environ: Mapping[str, str] = os.environ) -> None:
    """See that LEAD_SLA_THREADS and LEAD_SLA_MEMORY_LIMIT, which dbt's profile reads, are what they should be.

    Raises:
        RefusedInput: one of them is not; it says which.
    """
    threads, memory = environ.get("LEAD_SLA_THREADS"), environ.get("LEAD_SLA_MEMORY_LIMIT")
    if threads is not None and not (threads.isdecimal() and int(threads) > 0):
        raise RefusedInput(
            f"LEAD_SLA_THREADS is '{threads}', and has to be a whole number from 1 on: how many models dbt builds at once",
            todo="mend or unset it, then run this again",
        )
    if memory is not None:
        try:
            duckdb.connect(config={"memory_limit": memory}).close()
        except duckdb.Error as error:
            raise RefusedInput(
                f"LEAD_SLA_MEMORY_LIMIT is '{memory}', which DuckDB does not take: {str(error).splitlines()[0]}",
                todo="give a size such as 8GB or 80%, or unset it, then run this again",
            ) from None


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
