"""The run history: what a run did is remembered once, whatever breaks off, is damaged or is read meanwhile."""

from __future__ import annotations

import csv
import io
import shutil
import stat
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console

from lead_sla import files, history
from lead_sla.errors import RefusedInput
from lead_sla.history import COLUMNS, Diary, Entry, connect, merge, show_history

START = datetime(2026, 6, 17, 1, 0)
TODAY = datetime(2026, 6, 18)
ENVIRON = {"CRM_PASSWORD": "hunter2-of-the-crm"}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """What the diary takes for the present."""
    present = [START + timedelta(seconds=30)]
    monkeypatch.setattr(history, "_now", lambda: present[0])
    return present


def remember(state: Path, run_id: str, *entries: Entry, at: datetime = START, status: str = "published") -> str:
    """Keep the diary of a whole run."""
    diary = Diary(state, run_id, at, ENVIRON)
    diary.begin()
    diary.stage("Build")
    diary.note(*(entries or (Entry("stage", "Build", "done", "Build", at, 12.5),)))
    return diary.end(status, "All well", as_of=at, rows=99)


def rows(state: Path, query: str = "select run_id, kind, name, status from history order by all") -> list[tuple]:
    with connect(state) as connection:
        return connection.execute(query).fetchall()


def shown(state: Path, width: int = 120, **options: Any) -> str:
    out = io.StringIO()
    show_history(state, Console(file=out, width=width, highlight=False), **options)
    return out.getvalue()


def test_a_run_is_remembered_with_its_stages_models_and_tests(state: Path) -> None:
    entries = [
        Entry("stage", "Build", "warned", "Build", START, 12.5),
        Entry("model", "dim_leads", "success", "Build", START, 1.5, rows=20_000),
        Entry("test", "unique_dim_leads", "warn", "Build", START, 0.25, failures=3, message="3 rows"),
    ]
    assert remember(state, "run1", *entries) == ""

    with connect(state) as connection:
        cursor = connection.execute("select * from history order by kind")
        assert {column[0]: str(column[1]).lower() for column in cursor.description} == COLUMNS
        told = cursor.fetchall()
        assert 0 <= told[1][5] < 10
        assert told == [
            ("run1", "model", "Build", "dim_leads", START, 1.5, 20_000, None, "success", "", None),
            ("run1", "run", None, "run1", START, told[1][5], 99, None, "published", "All well", START),
            ("run1", "stage", "Build", "Build", START, 12.5, None, None, "warned", "", None),
            ("run1", "test", "Build", "unique_dim_leads", START, 0.25, None, 3, "warn", "3 rows", None),
        ]
    # BI tools read the files themselves.
    assert duckdb.sql(f"select count(distinct name) from '{state}/history/*.parquet'").fetchall() == [(4,)]


def test_without_a_history_the_view_is_empty_and_has_its_columns(state: Path) -> None:
    with connect(state) as connection:
        cursor = connection.execute("select * from history")
        assert [column[0] for column in cursor.description] == list(COLUMNS)
        assert cursor.fetchall() == []
    assert "No run has been remembered yet" in shown(state)


def test_secrets_and_peoples_data_are_in_no_message(state: Path) -> None:
    said = "Could not log in as hunter2-of-the-crm, for jo@customer.example or +49 30 1234567\x1b[31m"
    diary = Diary(state, "run1", START, ENVIRON)
    diary.note(
        Entry("test", "t", "error", "Build", message=said), Entry("stage", "Build", "failed", "Build", message=said)
    )
    noted = (state / "running.json").read_bytes()
    diary.end("failed", said)

    written = noted + b"".join(path.read_bytes() for path in (state / "history").iterdir())
    for secret in (b"hunter2", b"customer.example", b"1234567", b"\x1b"):
        assert secret not in written
    assert rows(state, "select distinct message from history") == [("Could not log in as •••, for ••• or ••• [31m",)]


def test_everything_is_for_its_owner_alone(state: Path) -> None:
    diary = Diary(state, "run2", START, ENVIRON)
    remember(state, "run1")
    diary.begin()

    paths = [state, *state.rglob("*")]
    assert {path.name for path in paths} >= {"history", "running.json"} and len(paths) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o700, 0o600}


# --- runs that break off ----------------------------------------------------------------------------------------------


def test_a_run_that_was_killed_is_remembered_by_the_next_with_its_stage_and_all_it_had_noted(state: Path) -> None:
    script = (
        "import os, signal, sys\nfrom datetime import datetime\nfrom pathlib import Path\n"
        "from lead_sla.history import Diary, Entry\n"
        "diary = Diary(Path(sys.argv[1]), 'killed', datetime(2026, 6, 17, 0, 15))\n"
        "diary.begin()\ndiary.stage('Gate')\ndiary.note(Entry('stage', 'Gate', 'done', 'Gate', seconds=2.0))\n"
        "diary.stage('Build')\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(state)], check=False).returncode == -9
    assert "A run broke off at the stage Build" in shown(state)

    diary = Diary(state, "next", START, ENVIRON)
    died = diary.begin()

    assert died is not None and (died.name, died.status) == ("killed", "died")
    assert died.message.startswith("It broke off at the stage Build, and was last heard of at 20")
    assert rows(state) == [
        ("killed", "run", "killed", "died"),
        ("killed", "stage", "Build", "died"),
        ("killed", "stage", "Gate", "done"),
    ]
    diary.end("published")
    assert rows(state, "select run_id, status from history where kind = 'run' order by all") == [
        ("killed", "died"),
        ("next", "published"),
    ]


def test_a_run_that_was_killed_after_its_end_is_not_called_dead(state: Path) -> None:
    diary = Diary(state, "run1", START, ENVIRON)
    diary.begin()
    left_behind = state / "left_behind.json"
    diary.stage("Publish")
    shutil.copy(state / "running.json", left_behind)
    diary.end("published")
    # As if the diary had not been removed any more.
    left_behind.replace(state / "running.json")

    assert Diary(state, "run2", START + timedelta(hours=1), ENVIRON).begin() is None
    assert rows(state) == [("run1", "run", "run1", "published")]


def test_the_diary_of_a_run_that_ended_while_the_disk_was_full_goes_into_the_history_later(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(history, "_write_run", full)
        told = remember(state, "run1")
    assert told == "This run is not in the history yet: [Errno 28] No space left on device."
    assert rows(state) == []

    assert Diary(state, "run2", START + timedelta(hours=1), ENVIRON).begin() is None
    assert rows(state) == [("run1", "run", "run1", "published"), ("run1", "stage", "Build", "done")]


def test_a_state_folder_that_cannot_be_written_is_told_and_fails_nothing(state: Path) -> None:
    state.parent.mkdir(exist_ok=True)
    state.write_text("a file in the place of the folder")

    told = remember(state, "run1")

    assert "This run is not in the history yet" in told and "the next one may not know" in told
    assert state.read_text() == "a file in the place of the folder"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"run_id": 3}', '{"run_id": "x", "entries": [{"a": 1}]}'])
def test_a_damaged_diary_is_no_trouble(state: Path, content: str) -> None:
    files.write_json(state / "running.json", {})
    (state / "running.json").write_text(content)

    assert Diary(state, "run1", START, ENVIRON).begin() is None
    assert "A run is going on" in shown(state)


# --- files ------------------------------------------------------------------------------------------------------------


def test_finished_days_are_merged_by_month_and_no_row_is_lost_or_counted_twice(
    state: Path, clock: list[datetime]
) -> None:
    for day in (datetime(2026, 5, 31), datetime(2026, 6, 1), datetime(2026, 6, 2), datetime(2026, 6, 3)):
        for hour in (1, 23):
            clock[0] = day + timedelta(hours=hour, seconds=30)
            remember(state, f"{day:%m%d}_{hour:02}", at=day + timedelta(hours=hour))

    assert sorted(path.name for path in (state / "history").iterdir()) == [
        "month_2026-05.parquet",
        "month_2026-06.parquet",
        "run_2026-06-03_010000_0603_01.parquet",
        "run_2026-06-03_230000_0603_23.parquet",
    ]
    query = "select count(*), count(distinct run_id), count(distinct (run_id, kind)) from history"
    assert rows(state, query) == [(16, 8, 16)]


@pytest.mark.parametrize("crash", ["before the merged file is in its place", "before the single files are removed"])
def test_a_crash_while_merging_loses_nothing_and_counts_nothing_twice(
    state: Path, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    remember(state, "old", at=START - timedelta(days=1))
    remember(state, "run1")
    folder = state / "history"
    before = rows(state)

    class Crash(BaseException):
        pass

    put = files.put

    def crashing(part: Path, path: Path) -> None:
        if crash == "before the single files are removed":
            put(part, path)
        raise Crash

    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(files, "put", crashing)
        merge(folder, TODAY.date())

    assert rows(state) == before
    if crash == "before the single files are removed":
        singles = duckdb.sql(f"select count(*) from '{folder}/run_*.parquet'").fetchall()
        assert singles == [(2,)] and (folder / "month_2026-06.parquet").exists()
    assert merge(folder, TODAY.date()) == []
    assert [path.name for path in folder.iterdir()] == ["month_2026-06.parquet"]
    assert rows(state) == before and len(before) == 4


def test_a_damaged_file_is_left_out_told_and_set_aside(state: Path) -> None:
    remember(state, "good")
    remember(state, "bad", at=START + timedelta(minutes=15))
    bad = state / "history" / "run_2026-06-17_011500_bad.parquet"
    bad.write_bytes(bad.read_bytes()[:-20])

    assert {row[0] for row in rows(state)} == {"good"}
    assert f"{bad.name} cannot be read, and is left out" in shown(state).replace("\n", "")

    told = merge(state / "history", TODAY.date())
    assert told == [f"A file of the history cannot be read, and was set aside as {bad.name}.damaged."]
    assert {row[0] for row in rows(state)} == {"good"}
    assert duckdb.sql(f"select distinct run_id from '{state}/history/*.parquet'").fetchall() == [("good",)]
    assert "cannot be read" not in shown(state)


def test_a_damaged_month_is_set_aside_and_the_other_days_stay(state: Path, clock: list[datetime]) -> None:
    remember(state, "may", at=datetime(2026, 5, 3))
    remember(state, "june1", at=datetime(2026, 6, 1))
    month = state / "history" / "month_2026-06.parquet"
    month.write_bytes(b"PAR1")

    told = remember(state, "june2", at=datetime(2026, 6, 2))

    assert told == "A file of the history cannot be read, and was set aside as month_2026-06.parquet.damaged."
    assert {row[0] for row in rows(state)} == {"may", "june2"}


def test_the_history_can_be_read_while_runs_are_written_and_merged(state: Path, clock: list[datetime]) -> None:
    remember(state, "old", at=START - timedelta(days=1))
    remember(state, "run1")
    with connect(state) as reader:
        clock[0] = TODAY + timedelta(hours=1)
        remember(state, "run2", at=TODAY)

        seen = reader.execute("select distinct run_id from history order by all").fetchall()
    # The file of run1 went into that of the month meanwhile; run2 came after the reader.
    assert seen == [("old",), ("run1",)]
    assert [run for (run,) in rows(state, "select distinct run_id from history order by all")] == [
        "old",
        "run1",
        "run2",
    ]


def test_what_a_killed_run_left_half_written_is_swept_away(state: Path) -> None:
    remember(state, "run1")
    (state / "history" / "run_2026-06-17_000000_x.part").write_bytes(b"PAR1")

    remember(state, "run2", at=START + timedelta(hours=1))
    assert {path.suffix for path in (state / "history").iterdir()} == {".parquet"}


def test_an_odd_run_id_is_no_path(state: Path) -> None:
    assert remember(state, "../../x y'z") == ""

    assert [path.name for path in (state / "history").iterdir()] == ["run_2026-06-17_010000_.._.._x_y_z.parquet"]
    assert rows(state)[0][0] == "../../x y'z"


# --- what is printed --------------------------------------------------------------------------------------------------


def nights(state: Path, build_seconds: list[float], failures: list[int | None]) -> None:
    """Remember a night a run: how long the build took, and what its test found (None: it could not run)."""
    for number, (seconds, count) in enumerate(zip(build_seconds, failures, strict=True)):
        at = START + timedelta(minutes=15 * number)
        status = "error" if count is None else "warn" if count else "pass"
        remember(
            state,
            f"night{number:02}",
            Entry("stage", "Build", "done", "Build", at, seconds),
            Entry("model", "dim_leads", "success", "Build", at, seconds / 2, rows=7),
            Entry("test", "[orphans]", status, "Build", at, 0.1, failures=count, message="rep R99: unknown"),
            at=at,
        )


@pytest.mark.parametrize(
    ("seconds", "flagged"),
    [
        ([10, 10, 10, 16], True),
        ([10, 10, 10, 14.9], False),
        ([2, 2, 2, 6.9], False),
        ([10, 10, 16], False),
        ([10, 60, 10, 10, 16], True),
    ],
    ids=["by half and more", "by less than half", "by less than five seconds", "two runs are no habit", "a median"],
)
def test_a_stage_is_flagged_that_took_longer_than_the_runs_before(
    state: Path, seconds: list[float], flagged: bool
) -> None:
    nights(state, seconds, [0] * len(seconds))

    (line,) = [line for line in shown(state, limit=1).splitlines() if line.startswith("Build")]
    assert ("slower than usual" in line) is flagged
    usual = 10.0 if seconds[0] == 10 else 2.0
    assert f"{seconds[-1]:.1f} s  " in line and f"{usual:.1f} s  {seconds[-1] / usual:.1f} ×" in line


def test_a_stage_that_failed_or_was_skipped_says_nothing_about_its_usual_time(state: Path) -> None:
    for number, status in enumerate(["done", "done", "done", "failed", "skipped", "done"]):
        at = START + timedelta(hours=number)
        seconds = 20.0 if status == "done" else 0.1
        remember(state, f"r{number}", Entry("stage", "Build", status, "Build", at, seconds), at=at)

    assert "20.0 s   20.0 s  1.0 ×" in shown(state)


@pytest.mark.parametrize(
    ("failures", "line"),
    [
        ([0, 0, 3], "warn  2026-06-17 01:30  0 0 3  new"),
        ([2, 3, 5], "warn  2026-06-17 01:00  2 3 5  more"),
        ([5, 0, 5, 4], "warn  2026-06-17 01:30  5 0 5 4  fewer"),
        ([5, 5], "warn  2026-06-17 01:00  5 5  as before"),
        ([4, 0, 0], "pass  2026-06-17 01:15  4 0 0  passes again"),
        ([0, None], "error  2026-06-17 01:15  0 !  new"),
    ],
)
def test_a_test_that_did_not_pass_is_told_with_its_failures_and_since_when(
    state: Path, failures: list[int | None], line: str
) -> None:
    nights(state, [10.0] * len(failures), failures)

    (told,) = [text for text in shown(state).splitlines() if text.startswith("[orphans]")]
    assert " ".join(told.removeprefix("[orphans]").split()) == " ".join(line.split())


def test_since_looks_further_back_than_what_is_shown_and_a_test_that_is_no_more_is_forgotten(state: Path) -> None:
    nights(state, [10.0] * 6, [0, 1, 1, 1, 1, 1])
    assert "2026-06-17 01:15  1 1  as before" in shown(state, limit=2)

    for number in range(2):
        at = START + timedelta(days=1, hours=number)
        remember(state, f"later{number}", Entry("test", "another", "pass", "Build", at, 0.1, failures=0), at=at)
    assert "[orphans]" not in shown(state, limit=2)


def test_what_the_last_run_did_not_find_or_come_to_is_not_called_failing(state: Path) -> None:
    nights(state, [10.0] * 2, [3, 3])
    at = START + timedelta(hours=1)
    remember(state, "later", Entry("check", "leads.keys", "error", "Gate", at, message="two rows"), at=at)

    text = shown(state)
    (told,) = [line for line in text.splitlines() if line.startswith("[orphans]")]
    assert told.rstrip().endswith("3 3  not in the last run")
    assert text.index("leads.keys") < text.index("[orphans]")


def test_the_last_runs_are_told_in_a_log_of_120_columns_with_their_sentences(state: Path) -> None:
    nights(state, [10.0] * 16, [0] * 16)
    why = (
        "Two rows of the raw table leads have one lead_id, and nobody knows which of them is meant, so " + "much " * 20
    )
    at = START + timedelta(days=1)
    diary = Diary(state, "20260618T010000Z", at, ENVIRON)
    diary.end("refused", why)

    text = shown(state)
    lines = text.splitlines()
    assert "2026-06-18 01:00:00  refused" in lines[1] and "20260618T010000Z" in lines[1]
    assert "Two rows of the raw table leads" in lines[2] and " ".join(why.split()) in " ".join(text.split())
    assert max(map(len, lines)) <= 120
    assert "2026-06-17 04:45:00  published           0.0 s  2026-06-17 04:45  night15" in text
    assert text.count("  published  ") == 13
    assert shown(state, limit=3).count("  published  ") == 2


def test_one_run_is_shown_in_detail_by_its_id_or_how_it_begins(state: Path) -> None:
    nights(state, [10.0, 12.0], [0, 4])

    text = shown(state, run="night01")
    assert "night01" in text and "night00" not in text
    assert "[orphans] warn 4 rep R99: unknown" in " ".join(text.split())
    assert "dim_leads model 6.0 s 7" in " ".join(text.split())
    remember(state, "another", at=TODAY)
    assert shown(state, run="ano").startswith("2026-06-18 00:00:00")
    with pytest.raises(RefusedInput, match="2 runs begin like that"):
        shown(state, run="night")
    with pytest.raises(RefusedInput, match="No run of the history has this id"):
        shown(state, run="x")


def test_the_rows_can_be_written_for_a_spreadsheet_in_which_nothing_is_a_formula(state: Path) -> None:
    assert shown(state, as_csv=True) == ""
    nights(state, [10.0, 12.0], [0, 4])
    remember(state, "evil", Entry("test", "=1+1", "warn", "Build", TODAY, 0.1, message="@SUM(A1)"), at=TODAY)

    written = list(csv.DictReader(shown(state, limit=2, as_csv=True).splitlines()))
    assert list(written[0]) == list(COLUMNS)
    assert {row["run_id"] for row in written} == {"night01", "evil"}
    assert {row["name"] for row in written} >= {"'=1+1", "[orphans]"}
    assert not [cell for row in written for cell in row.values() if cell.startswith(("=", "@", "+", "-"))]
    assert {row["run_id"] for row in csv.DictReader(shown(state, run="night00", as_csv=True).splitlines())} == {
        "night00"
    }


def test_a_run_that_is_going_on_is_told(state: Path) -> None:
    diary = Diary(state, "run1", START, ENVIRON)
    diary.begin()
    assert "A run is going on since 2026-06-17 01:00:00 UTC, before its first stage." in shown(state)
    diary.stage("Build")
    assert "A run is going on since 2026-06-17 01:00:00 UTC, at the stage Build." in shown(state)
    diary.end("published")
    assert "going on" not in shown(state) and not (state / "running.json").exists()
