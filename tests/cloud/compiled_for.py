"""The whole project as dbt renders it for a warehouse in the cloud, without the warehouse.

`dbt compile` asks a warehouse nothing where it is told not to, but two adapters want to be connected all the same: dbt-bigquery
looks for credentials, and dbt-databricks asks which runtime it talks to. They are told: nobody's, and a SQL warehouse.

As a program (`python compiled_for.py TARGET FOLDER VARS`) it does the dbt part, in a process of its own: dbt keeps state.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

PROJECT = Path(__file__).resolve().parents[2]
# Nothing is reached under these names: they only have to be there.
NOWHERE = {
    "SNOWFLAKE_ACCOUNT": "nowhere",
    "SNOWFLAKE_USER": "nobody",
    "SNOWFLAKE_DATABASE": "company",
    "GOOGLE_CLOUD_PROJECT": "company",
    "DATABRICKS_HOST": "127.0.0.1",
    "DATABRICKS_HTTP_PATH": "/nowhere",
    "DATABRICKS_TOKEN": "none",
    "DATABRICKS_CATALOG": "company",
}
# The settings on which the text of the models depends.
SETTINGS = {
    "as they come": {},
    "another zone, paced by business days, an as_of": {
        "as_of": "2026-05-01 12:00:00",
        "reporting_time_zone": "America/New_York",
        "pacing": "business_days",
    },
}


@dataclass(frozen=True)
class Node:
    """A model, seed, source or test: `sql` is what dbt made of it, empty where there is nothing to make."""

    kind: str
    name: str
    schema: str
    sql: str
    # Column -> type, as the YAML says.
    columns: dict[str, str]


@lru_cache
def compiled(engine: str, settings: str = "as they come", project: Path = PROJECT) -> tuple[Node, ...]:
    """Every node of the project for an engine, in an order in which each one finds what it reads.

    Raises:
        RuntimeError: dbt could not compile the project; the message holds what dbt said.
    """
    with TemporaryDirectory() as folder:
        finished = subprocess.run(
            [sys.executable, __file__, engine, folder, json.dumps(SETTINGS[settings])],
            cwd=project,
            env={**os.environ, **NOWHERE, "DBT_PROFILES_DIR": str(project), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
            capture_output=True,
            text=True,
        )
        if finished.returncode:
            raise RuntimeError(f"dbt could not compile the project for {engine}:\n{finished.stdout}{finished.stderr}")
        return tuple(Node(*node) for node in json.loads((Path(folder) / "compiled.json").read_text()))


def _compile(engine: str, folder: str, variables: str) -> None:
    from dbt.cli.main import dbtRunner

    options = ["--quiet", "compile", "--target", engine, "--no-introspect", "--no-populate-cache", "--vars", variables]
    outcome = dbtRunner().invoke([*options, "--target-path", folder, "--log-path", folder])
    if not outcome.success:
        sys.exit(str(outcome.exception or "dbt compile failed"))
    manifest = json.loads((Path(folder) / "manifest.json").read_text())
    waiting = {**manifest["nodes"], **manifest["sources"]}
    nodes = []
    while waiting:
        ready = sorted(
            k for k, n in waiting.items() if not waiting.keys() & set(n.get("depends_on", {}).get("nodes", ()))
        )
        nodes += [_node(waiting.pop(key)) for key in ready]
    (Path(folder) / "compiled.json").write_text(json.dumps(nodes))


def _node(node: dict[str, Any]) -> tuple[str, str, str, str, dict[str, str]]:
    columns = {name: column["data_type"] for name, column in node["columns"].items() if column["data_type"]}
    columns |= node["config"].get("column_types") or {}
    return node["resource_type"], node["name"], node["schema"], node.get("compiled_code") or "", columns


def _compile_unconnected(engine: str, folder: str, variables: str) -> None:
    if engine == "bigquery":
        from google.auth.credentials import AnonymousCredentials

        with patch("google.auth.default", return_value=(AnonymousCredentials(), NOWHERE["GOOGLE_CLOUD_PROJECT"])):
            _compile(engine, folder, variables)
    elif engine == "databricks":
        from dbt.adapters.databricks.dbr_capabilities import DBRCapabilities
        from dbt.adapters.databricks.impl import DatabricksAdapter

        warehouse = DBRCapabilities(is_sql_warehouse=True)
        with patch.object(
            DatabricksAdapter, "has_capability", lambda _, capability: warehouse.has_capability(capability)
        ):
            _compile(engine, folder, variables)
    else:
        _compile(engine, folder, variables)


if __name__ == "__main__":
    _compile_unconnected(*sys.argv[1:])
