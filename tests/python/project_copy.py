"""A copy of the dbt project under another agreement: the same models, macros and tests, other policy seeds.

dbt reads its seed folder from dbt_project.yml and from nowhere else, so another company's policy needs another project folder.
The copy links everything but the seeds to the project itself, so that it can never lag behind it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

# What a copy has for itself; it shares all the rest with the project, but for what is hidden and does not concern dbt.
OWN = {"seeds", "data", "target", "logs"}
HIDDEN = {".dbtignore"}


@dataclass(frozen=True)
class ProjectCopy:
    """A temporary project folder with its own raw data, warehouse and target.

    Attributes:
        folder: the folder that holds dbt_project.yml.
        raw: the folder with the landed tables ($LEAD_SLA_RAW).
        warehouse: the DuckDB file that dbt builds ($LEAD_SLA_WAREHOUSE).
    """

    folder: Path
    raw: Path
    warehouse: Path

    def dbt(self, *arguments: str, variables: Mapping[str, object] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs dbt in the copy, and returns its exit status and output, whether it succeeded or not.

        Args:
            arguments: the command and its options, such as "build", "--select", "tag:policy".
            variables: dbt vars, by name.
        """
        command = [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", *arguments]
        if variables:
            command += ["--vars", json.dumps(variables)]
        environment = os.environ | {
            "DBT_PROFILES_DIR": str(self.folder),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DO_NOT_TRACK": "1",
            "LEAD_SLA_RAW": str(self.raw),
            "LEAD_SLA_WAREHOUSE": str(self.warehouse),
        }
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def results(self) -> list[dict]:
        """What became of each node in the last run: `unique_id`, `status`, `failures`, `message`, and its `tags`."""
        run = json.loads((self.folder / "target" / "run_results.json").read_text())
        nodes = json.loads((self.folder / "target" / "manifest.json").read_text())["nodes"]
        return [result | {"tags": nodes.get(result["unique_id"], {}).get("tags", [])} for result in run["results"]]


def copy_project(folder: Path, policy: Path | Mapping[str, str] | None = None, raw: Path | None = None) -> ProjectCopy:
    """Makes a project folder that differs from the project in its policy seeds alone.

    Args:
        folder: where to make it; it must not exist.
        policy: the seeds that replace those of the project: a folder of CSV files, or the text of each by its name without
            `.csv`. A seed that is not named stays the project's.
        raw: the folder with the landed tables; `raw` beside the copy's project file by default.

    Raises:
        ValueError: a replaced seed does not exist in the project.
    """
    folder.mkdir(parents=True)
    for entry in PROJECT.iterdir():
        if entry.name in HIDDEN or not (entry.name.startswith(".") or entry.name in OWN):
            (folder / entry.name).symlink_to(entry)
    if isinstance(policy, Path):
        policy = {seed.stem: seed.read_text() for seed in sorted(policy.glob("*.csv"))}
    replaced = dict(policy or {})
    seeds = PROJECT / "seeds"
    for source in (seeds, *sorted(seeds.rglob("*"))):
        target = folder / source.relative_to(PROJECT)
        if source.is_dir():
            target.mkdir()
        elif source.suffix == ".csv" and source.stem in replaced:
            target.write_text(replaced.pop(source.stem))
        else:
            target.symlink_to(source)
    if replaced:
        raise ValueError(f"the project has no seed {', '.join(replaced)}")
    return ProjectCopy(folder, raw or folder / "raw", folder / "warehouse.duckdb")
