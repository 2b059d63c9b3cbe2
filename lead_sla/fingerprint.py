"""What a published run was made from, in one short text: equal fingerprints promise equal marts."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lead_sla import __version__

# Everything of the project that dbt reads. tests/python and docs are none of it.
_DBT_FOLDERS = ("models", "seeds", "macros", "tests", "analyses")
_DBT_SUFFIXES = {".sql", ".yml", ".yaml", ".csv", ".md", ".py"}
_DBT_FILES = ("dbt_project.yml", "profiles.yml", "packages.yml")
# Settings of dbt that say where it writes or how it talks, and do not change what it builds.
_SILENT_SETTINGS = (
    "DBT_TARGET_PATH",
    "DBT_LOG",
    "DBT_SEND_ANONYMOUS_USAGE_STATS",
    "DBT_USE_COLORS",
    "DBT_PROFILES_DIR",
)


def fingerprint(project: Path, raw: Path, raw_files: Iterable[Path], variables: Mapping[str, Any]) -> str:
    """Give the fingerprint of everything that the marts depend on.

    Raw files count by name, size and time of change (they may be large), files of the project by content, and then the
    versions of this package, dbt and DuckDB, the dbt variables, and the settings in the environment that dbt heeds.

    Args:
        project: the folder of dbt_project.yml.
        raw: the raw folder.
        raw_files: the landed Parquet files in it.
        variables: the dbt variables given for this run.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()

    def add(*parts: object) -> None:
        digest.update(json.dumps(parts, default=str).encode())

    add("versions", __version__, *(version(name) for name in ("dbt-core", "dbt-duckdb", "duckdb")))
    add("variables", sorted(variables.items()))
    add("settings", sorted((name, value) for name, value in os.environ.items() if _matters(name)))
    for path in raw_files:
        stat = path.stat()
        add("raw", str(path.relative_to(raw)), stat.st_size, stat.st_mtime_ns)
    for path in _project_files(project):
        add("project", str(path.relative_to(project)), hashlib.sha256(path.read_bytes()).hexdigest())
    return digest.hexdigest()


def _matters(name: str) -> bool:
    return name.startswith("DBT_") and not name.startswith(_SILENT_SETTINGS)


def _project_files(project: Path) -> list[Path]:
    files = [project / name for name in _DBT_FILES if (project / name).is_file()]
    for folder in _DBT_FOLDERS:
        files += [
            path
            for path in (project / folder).rglob("*")
            if path.suffix in _DBT_SUFFIXES and path.is_file() and project / "tests" / "python" not in path.parents
        ]
    return sorted(files)
