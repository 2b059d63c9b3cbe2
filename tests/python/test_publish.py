"""The published copy: whole or not at all, verified, swapped in one step, and the last few kept."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from command_line import contents

from lead_sla import publish as publishing
from lead_sla.errors import LeadSlaError
from lead_sla.publish import KEPT_RUNS, current, publish

AS_OF = datetime(2026, 6, 18, 15, 0)


def make_warehouse(path: Path, reps: int = 3, as_of: datetime | None = AS_OF) -> Path:
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts; create schema staging")
        connection.execute("create table staging.secret as select 'jo@example.com' as email")
        connection.execute("create table marts.run_metadata as select ?::timestamp as as_of", [as_of])
        connection.execute(
            "create table marts.dim_reps as select 'R' || range as rep_id, 'it''s ' || range as full_name from range(?)",
            [reps],
        )
        connection.execute("comment on table marts.dim_reps is 'One row per rep: it''s the team.'")
        connection.execute("comment on column marts.dim_reps.rep_id is 'The salesperson.'")
        connection.execute("create view marts.rep_count as select count(*) as reps from marts.dim_reps")
    return path


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return make_warehouse(tmp_path / "warehouse.duckdb")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return tmp_path / "published"


def reps_seen_by_a_reader(published: Path) -> int:
    with duckdb.connect(str(published / "marts.duckdb"), read_only=True) as reader:
        ((from_database,),) = reader.execute("select count(*) from marts.dim_reps").fetchall()
        ((from_parquet,),) = reader.execute(
            f"select count(*) from '{published / 'parquet' / 'dim_reps.parquet'}'"
        ).fetchall()
    assert from_database == from_parquet
    return from_database


def test_readers_find_every_mart_as_a_table_and_as_a_parquet_file(warehouse: Path, published: Path) -> None:
    run = publish(warehouse, published)

    assert run.rows == {"dim_reps": 3, "rep_count": 1, "run_metadata": 1}
    assert reps_seen_by_a_reader(published) == 3
    assert (published / "current").readlink() == Path("runs") / run.run
    assert (published / "current" / "marts.duckdb").readlink() == Path(run.database.name)
    assert sorted(path.name for path in (published / "parquet").iterdir()) == [
        "dim_reps.parquet",
        "rep_count.parquet",
        "run_metadata.parquet",
    ]
    assert run.run.startswith("20260618T150000Z_")


def test_only_the_marts_leave_the_warehouse(warehouse: Path, published: Path) -> None:
    run = publish(warehouse, published)

    with duckdb.connect(str(run.database), read_only=True) as reader:
        schemas = {row[0] for row in reader.execute("select schema_name from duckdb_tables()").fetchall()}
    assert schemas == {"marts"}
    assert b"jo@example.com" not in run.database.read_bytes()


def test_comments_travel_with_tables_and_columns(warehouse: Path, published: Path) -> None:
    run = publish(warehouse, published)

    with duckdb.connect(str(run.database), read_only=True) as reader:
        query = "select comment from duckdb_tables() where table_name = 'dim_reps'"
        assert reader.execute(query).fetchall() == [("One row per rep: it's the team.",)]
        query = "select column_name, comment from duckdb_columns() where table_name = 'dim_reps' order by column_index"
        assert reader.execute(query).fetchall() == [("rep_id", "The salesperson."), ("full_name", None)]


def test_a_database_of_any_duckdb_since_1_4_can_be_read(warehouse: Path, published: Path) -> None:
    run = publish(warehouse, published)

    with duckdb.connect() as reader:
        reader.execute(f"attach '{run.database}' as marts_copy (read_only)")
        ((tags,),) = reader.execute("select tags from duckdb_databases() where database_name = 'marts_copy'").fetchall()
    assert str(tags["storage_version"]).startswith("v1.4")


def test_the_same_marts_give_the_same_parquet_bytes(tmp_path: Path, published: Path) -> None:
    forwards, backwards = (
        make_warehouse(tmp_path / "a.duckdb", reps=5000),
        make_warehouse(tmp_path / "b.duckdb", reps=5000),
    )
    with duckdb.connect(str(backwards)) as connection:
        connection.execute("create or replace table marts.dim_reps as from marts.dim_reps order by rep_id desc")

    runs = [publish(warehouse, published) for warehouse in (forwards, backwards)]

    first, second = ((run.folder / "parquet" / "dim_reps.parquet").read_bytes() for run in runs)
    assert first == second


def test_a_table_of_a_model_that_is_no_more_is_left_behind(warehouse: Path, published: Path) -> None:
    run = publish(warehouse, published, only=["dim_reps", "run_metadata"])

    assert set(run.rows) == {"dim_reps", "run_metadata"}


def test_a_mart_that_should_be_there_and_is_not_is_refused(warehouse: Path, published: Path) -> None:
    with pytest.raises(LeadSlaError, match="has no do_not_be_on_it"):
        publish(warehouse, published, only=["dim_reps", "do_not_be_on_it"])

    assert current(published) is None


@pytest.mark.parametrize("as_of", [None])
def test_marts_that_do_not_say_as_of_when_are_refused(tmp_path: Path, published: Path, as_of: None) -> None:
    with pytest.raises(LeadSlaError, match="no as_of"):
        publish(make_warehouse(tmp_path / "warehouse.duckdb", as_of=as_of), published)


def test_a_reader_with_an_open_connection_keeps_its_version(warehouse: Path, published: Path) -> None:
    publish(warehouse, published)
    with duckdb.connect(str(published / "marts.duckdb"), read_only=True) as reader:
        for reps in range(4, 4 + KEPT_RUNS + 2):
            publish(make_warehouse(warehouse, reps=reps), published)

        assert reader.execute("select count(*) from marts.dim_reps").fetchall() == [(3,)]
        # A second connection of the same process sees the new version, though the link has the same name.
        assert reps_seen_by_a_reader(published) == 4 + KEPT_RUNS + 1


def test_a_reader_at_any_moment_finds_whole_marts(warehouse: Path, published: Path) -> None:
    publish(warehouse, published)
    seen: list[object] = []
    stop = threading.Event()

    def keep_reading() -> None:
        while not stop.is_set():
            try:
                with duckdb.connect(str(published / "marts.duckdb"), read_only=True) as reader:
                    seen.append(reader.execute("select count(*) from marts.dim_reps").fetchall()[0][0])
            except duckdb.Error as error:
                seen.append(error)

    thread = threading.Thread(target=keep_reading)
    thread.start()
    for reps in (5, 7, 11):
        publish(make_warehouse(warehouse, reps=reps), published)
    stop.set()
    thread.join()

    assert len(seen) > 3
    assert set(seen) <= {3, 5, 7, 11}


def test_the_last_runs_are_kept_by_the_time_of_their_publication(tmp_path: Path, published: Path) -> None:
    runs = []
    for year in (2026, 2025, 2024, 2027, 2018, 2019, 2017):
        warehouse = make_warehouse(tmp_path / "warehouse.duckdb", as_of=datetime(year, 1, 1))
        runs.append(publish(warehouse, published).run)

    assert sorted(path.name for path in (published / "runs").iterdir()) == sorted(runs[-KEPT_RUNS:])
    assert (published / "current").resolve().name == runs[-1]


def test_the_current_run_is_told_with_what_the_build_noted(warehouse: Path, published: Path) -> None:
    assert current(published) is None
    run = publish(warehouse, published, notes={"fingerprint": "f", "rows": "cannot be overwritten"})

    found = current(published)
    assert found is not None
    assert (found.run, found.record["fingerprint"], found.rows["dim_reps"]) == (run.run, "f", 3)
    assert found.is_intact()


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_run_is_not_intact(warehouse: Path, published: Path, damage: str) -> None:
    run = publish(warehouse, published)
    file = run.folder / "parquet" / "dim_reps.parquet"
    file.unlink() if damage == "missing" else file.write_bytes(file.read_bytes()[:-1])

    found = current(published)
    assert found is not None
    assert not found.is_intact()


def test_a_copy_that_lost_a_row_is_not_published(
    warehouse: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(warehouse, published)
    before = contents(published)
    honest = publishing._copy

    def careless(connection: duckdb.DuckDBPyConnection, mart: str, parquet: Path) -> None:
        honest(connection, mart, parquet)
        if mart == "dim_reps":
            connection.execute("delete from draft.marts.dim_reps where rep_id = 'R0'")

    monkeypatch.setattr(publishing, "_copy", careless)
    with pytest.raises(LeadSlaError, match="DuckDB copy of dim_reps has 2 rows where the warehouse has 3"):
        publish(warehouse, published)

    assert contents(published) == before


@pytest.mark.parametrize("step", ["_write_run", "_verify", "sync", "point"])
def test_a_failure_at_any_step_leaves_what_readers_see(
    warehouse: Path, published: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    publish(warehouse, published)
    before = contents(published)

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publishing, step, fail)
    with pytest.raises(LeadSlaError, match="The disk is full"):
        publish(make_warehouse(warehouse, reps=9), published)

    assert contents(published) == before


def test_a_publication_that_was_killed_leaves_nothing_in_the_way(warehouse: Path, published: Path) -> None:
    first = publish(warehouse, published)
    (published / "runs" / ".0123.tmp" / "parquet").mkdir(parents=True)
    (published / ".current.draft").symlink_to("nowhere")

    second = publish(make_warehouse(warehouse, reps=9), published)

    assert sorted(path.name for path in (published / "runs").iterdir()) == [first.run, second.run]
    assert reps_seen_by_a_reader(published) == 9


@pytest.mark.parametrize("name", ["marts.duckdb", "parquet", "current"])
@pytest.mark.parametrize("is_folder", [True, False])
def test_what_somebody_else_put_there_is_not_replaced(
    warehouse: Path, published: Path, name: str, is_folder: bool
) -> None:
    foreign = published / name / "precious" if is_folder else published / name
    foreign.parent.mkdir(parents=True)
    foreign.write_text("somebody's work")
    mode = published.stat().st_mode

    with pytest.raises(LeadSlaError, match="would replace a file or folder that is not a publication"):
        publish(warehouse, published)

    assert foreign.read_text() == "somebody's work"
    assert published.stat().st_mode == mode
    assert {path.name for path in published.iterdir()} == {name, ".lock"}


def test_two_publications_at_once_are_refused(warehouse: Path, published: Path) -> None:
    published.mkdir()
    with (published / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LeadSlaError, match="A publication is running already"):
            publish(warehouse, published)


def test_a_warehouse_that_is_being_written_is_not_published(warehouse: Path, published: Path) -> None:
    program = f"import duckdb, sys; c = duckdb.connect({str(warehouse)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == "open\n"
        with pytest.raises(LeadSlaError, match=rf"locked by another program: .*PID {writer.pid}"):
            publish(warehouse, published)
        writer.communicate("")


def fill_the_disk(published: Path) -> None:
    """Mount a small disk in place of `published`; skip the test where that is not allowed."""
    published.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(published)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this machine does not let us mount a small disk")


def test_a_full_disk_leaves_what_readers_see(warehouse: Path, published: Path) -> None:
    fill_the_disk(published)
    try:
        publish(warehouse, published)
        before = contents(published)
        with pytest.raises(LeadSlaError, match="The disk is full"):
            publish(make_warehouse(warehouse, reps=2_000_000), published)
        assert contents(published) == before
        assert reps_seen_by_a_reader(published) == 3
    finally:
        subprocess.run(["umount", str(published)], check=True)


def test_a_limit_on_file_sizes_leaves_what_readers_see(warehouse: Path, published: Path) -> None:
    publish(warehouse, published)
    before = contents(published)
    make_warehouse(warehouse, reps=500_000)
    program = (
        "import resource, sys; from pathlib import Path; from lead_sla.errors import LeadSlaError; "
        "from lead_sla.publish import publish\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        f"try: publish(Path({str(warehouse)!r}), Path({str(published)!r}))\n"
        "except LeadSlaError as error: print(error.format_message()); sys.exit(error.exit_code)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1, run.stderr
    assert "beyond the size that this user may write" in run.stdout
    assert contents(published) == before
