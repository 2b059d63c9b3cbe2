"""What several test modules share: a small sample company, and one dbt build of it.

Under pytest-xdist every worker is a process of its own: the first that needs the sample or the build makes it, the others
wait and use it too.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from project_copy import ProjectCopy, copy_project

from lead_sla.sample import make_sample

# Long enough for both changes of the clock in spring, and large enough for every trap.
LEADS, DAYS, SEED = 1_500, 120, 42


@pytest.fixture(scope="session", autouse=True)
def _only_our_own_settings() -> Iterator[None]:
    """No test reads or writes what the settings of the machine's user point to."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("LEAD_SLA_", "DBT_")) and name != "LEAD_SLA_REAL_DATA":
                patch.delenv(name)
        patch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
        yield


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of this test run share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def sample_raw(shared_folder: Path) -> Path:
    """The raw folder of a small sample company. Not to be changed: a test that needs other data copies it."""
    raw = shared_folder / "sample" / "raw"
    with _one_at_a_time(shared_folder / "sample.lock"):
        if not raw.exists():
            make_sample(LEADS, DAYS, SEED, raw)
    return raw


@pytest.fixture(scope="session")
def sample_build(shared_folder: Path, sample_raw: Path) -> ProjectCopy:
    """The project after a whole `dbt build` of the sample, unit tests and all. It need not have succeeded: see test_cli_build.py.

    Not to be changed: a test that runs dbt copies it.
    """
    folder, output = shared_folder / "sample_build", shared_folder / "sample_build.log"
    with _one_at_a_time(shared_folder / "sample_build.lock"):
        if not output.exists():
            build = copy_project(folder, raw=sample_raw)
            run = build.dbt("build")
            output.write_text(f"{run.stdout}{run.stderr}")
    return ProjectCopy(folder, sample_raw, folder / "warehouse.duckdb")


@pytest.fixture(scope="session")
def built_warehouse(sample_build: ProjectCopy) -> Path:
    """The DuckDB file with the sample company's marts, to be opened with `read_only=True`."""
    if not sample_build.warehouse.exists():
        pytest.fail(f"dbt built nothing:\n{sample_build.folder.with_suffix('.log').read_text()[-3000:]}", pytrace=False)
    return sample_build.warehouse


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
