"""The marts do not depend on their history: on the order of rows, on how often they come, on how they were split into loads.

The first half changes the raw data of small companies in ways that must change nothing, and builds them in memory. The second half
lives through the nights of a larger company with dbt itself: files land, and the warehouse of the night before is still there.
Whatever was in it, the marts must equal those of one build from scratch of all that has landed by then, in every column.
"""

import csv
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from comparison import differences
from compiled_project import build_rows, fill, marts, policy_columns, raw_columns, rows_of
from project_copy import ProjectCopy, copy_project
from proof import FIRST, IS_LONG, companies, hold
from reference import KEYS, Settings
from strategies import Case, company

Row = dict[str, Any]
Raw = Mapping[str, Sequence[Row]]

ALL_KEYS: dict[str, tuple[str, ...]] = KEYS | {"run_metadata": ()}
# What a run says of itself, and not of the company.
OF_THE_RUN = {"run_id", "run_started_at"}

# What a row says has happened by then; an activity has no such column, for a correction may move it to the future.
TOLD_AT = {"leads": "updated_at", "owner_changes": "changed_at", "deals": "updated_at"}


def built(raw: Raw, case: Case, as_of: datetime | None) -> dict[str, list[Row]]:
    """The marts of raw rows, under the agreement and the settings of a case, at an instant."""
    return facts(build_rows(raw, case.policy, replace(case.settings, as_of=as_of)))


def facts(built_marts: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """Marts without the columns that tell of the run."""
    return {
        mart: [{column: value for column, value in row.items() if column not in OF_THE_RUN} for row in rows]
        for mart, rows in built_marts.items()
    }


def as_of_of(case: Case) -> datetime | None:
    """The instant of a case: its setting, else its newest load; None where nothing was ever loaded."""
    return case.settings.as_of or max((row["_loaded_at"] for rows in case.raw.values() for row in rows), default=None)


def test_all_marts_are_compared() -> None:
    assert set(ALL_KEYS) == set(marts())


# --- raw data that mean the same ----------------------------------------------------------------------------------------


def changed_by_order_and_duplicates(case: Case) -> list[str]:
    random = Random(1)
    raw = {}
    for table, rows in case.raw.items():
        raw[table] = [row for row in rows for _ in range(random.choice([1, 1, 2, 3]))]
        random.shuffle(raw[table])
    return differences(built(raw, case, case.settings.as_of), built(case.raw, case, case.settings.as_of), ALL_KEYS)


@pytest.mark.parametrize("numbers", companies(quick=14, long=600, parts=2), ids=str)
def test_neither_the_order_of_rows_nor_exact_duplicates_change_anything(numbers: range) -> None:
    hold(changed_by_order_and_duplicates, numbers)


def changed_by_the_future(case: Case) -> list[str]:
    """Replays some instants on all raw rows, and on those alone that were there and had happened."""
    loads = sorted({row["_loaded_at"] for rows in case.raw.values() for row in rows})
    lines = []
    for as_of in Random(1).sample(loads, min(2, len(loads))):
        known = {
            table: [row for row in rows if row["_loaded_at"] <= as_of and row.get(TOLD_AT.get(table), as_of) <= as_of]
            for table, rows in case.raw.items()
        }
        # Rows that tell of the future have been loaded all the same: the metadata count them.
        keys = {mart: key for mart, key in ALL_KEYS.items() if mart != "run_metadata"}
        lines += differences(built(case.raw, case, as_of), built(known, case, as_of), keys)
    return lines


@pytest.mark.parametrize("numbers", companies(quick=12, long=600, parts=2), ids=str)
def test_a_replay_of_an_instant_knows_nothing_of_what_came_after_it(numbers: range) -> None:
    hold(changed_by_the_future, numbers)


def changed_by_naming_the_clock(case: Case) -> list[str]:
    newest = as_of_of(replace(case, settings=replace(case.settings, as_of=None)))
    return differences(built(case.raw, case, newest), built(case.raw, case, None), ALL_KEYS) if newest else []


@pytest.mark.parametrize("numbers", companies(quick=4, long=100, parts=1), ids=str)
def test_without_as_of_the_newest_load_tells_the_time(numbers: range) -> None:
    hold(changed_by_naming_the_clock, numbers)


def changed_by_superseded_versions(case: Case) -> list[str]:
    """Leaves out the versions that a correction or a deletion has replaced, where no history is read from them."""
    as_of = as_of_of(case)
    if as_of is None:
        return []
    current: dict[str, list[Row]] = {table: [] for table in case.raw} | {"leads": list(case.raw["leads"])}
    for table, key in (("activities", "activity_id"), ("reps", "rep_id"), ("deals", "deal_id")):
        last: dict[str, Row] = {}
        for row in sorted(case.raw[table], key=lambda row: (row.get("updated_at"), row["_loaded_at"])):
            if row["_loaded_at"] <= as_of and row.get("updated_at", as_of) <= as_of:
                last[row[key]] = row
        current[table] = [row for row in last.values() if not row.get("is_deleted")]
    changes: dict[tuple[str, datetime], Row] = {}
    for row in sorted(case.raw["owner_changes"], key=lambda row: row["_loaded_at"]):
        if row["_loaded_at"] <= as_of:
            changes[row["lead_id"], row["changed_at"]] = row
    current["owner_changes"] = list(changes.values())
    # Rows that are left out were the newest load, perhaps.
    keys = {mart: key for mart, key in ALL_KEYS.items() if mart != "run_metadata"}
    return differences(built(current, case, as_of), built(case.raw, case, as_of), keys)


@pytest.mark.parametrize("numbers", companies(quick=12, long=600, parts=2), ids=str)
def test_what_a_correction_replaced_and_what_was_deleted_count_for_nothing(numbers: range) -> None:
    hold(changed_by_superseded_versions, numbers)


# The facts that can become incremental by touched leads: whatever a person has in them follows from the person's rows.
BY_LEAD = [
    "dim_leads",
    "fct_lead_stages",
    "fct_qualified_leads",
    "fct_sales_touches",
    "fct_sales_sla_obligations",
    "fct_speed_to_lead",
    "fct_marketing_credits",
]


def changed_by_other_leads(case: Case) -> list[str]:
    """Leaves out one lead, with all leads that it was ever merged with and all that was ever logged on them."""
    groups = related_leads(case.raw)
    as_of = as_of_of(case)
    if as_of is None or len(groups) < 2:
        return []
    gone = groups[0]
    rest = {table: [row for row in rows if row.get("lead_id") not in gone] for table, rows in case.raw.items()}
    everything = built(case.raw, case, as_of)
    expected = {mart: [row for row in everything[mart] if row["lead_id"] not in gone] for mart in BY_LEAD}
    return differences(built(rest, case, as_of), expected, {mart: ALL_KEYS[mart] for mart in BY_LEAD})


def related_leads(raw: Raw) -> list[set[str]]:
    """Leads in groups, so that no row of any version ties two of them together."""
    ties = [{row["lead_id"], row["merged_into_lead_id"] or row["lead_id"]} for row in raw["leads"]]
    for table, key in (("activities", "activity_id"), ("deals", "deal_id"), ("owner_changes", "lead_id")):
        by_key: dict[str, set[str]] = {}
        for row in raw[table]:
            by_key.setdefault(row[key], set()).add(row["lead_id"])
        ties += by_key.values()
    groups: list[set[str]] = []
    for tie in ties:
        tied = [group for group in groups if group & tie]
        groups = [group for group in groups if not group & tie] + [tie.union(*tied)]
    return groups


@pytest.mark.parametrize("numbers", companies(quick=12, long=600, parts=2), ids=str)
def test_nothing_of_a_lead_depends_on_unrelated_leads(numbers: range) -> None:
    hold(changed_by_other_leads, numbers)


# --- nights with dbt itself -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Night:
    """What lands before a run, and under which agreement and settings it runs.

    Attributes:
        rows: the raw rows that land this night.
        landed: those and all that landed before.
    """

    number: int
    rows: Raw
    landed: Raw
    policy: Mapping[str, Sequence[Row]]
    settings: Settings


NIGHTS = 4
# The nights from which on the agreement, or the settings, are other ones.
NEW_POLICY, NEW_SETTINGS = 2, 3


def crowd(first: int, count: int = 40) -> Case:
    """Companies that follow each other in number as one: of the first are the agreement and the settings, and the time."""
    cases = [company(number) for number in range(first, first + count)]
    raw: dict[str, list[Row]] = {table: [] for table in raw_columns()}
    start = _first_day(cases[0])
    for number, case in enumerate(cases):
        moved = start - _first_day(case)
        for table, rows in case.raw.items():
            raw[table] += [{name: _moved(name, value, number, moved) for name, value in row.items()} for row in rows]
    return replace(cases[0], raw=raw)


def _first_day(case: Case) -> datetime:
    loads = [row["_loaded_at"] for table in ("leads", "activities") for row in case.raw[table]]
    return min(loads, default=datetime(2025, 6, 1)).replace(hour=0, minute=0, second=0, microsecond=0)


def _moved(column: str, value: Any, number: int, moved: timedelta) -> Any:
    if isinstance(value, datetime):
        return value + moved
    is_id = column.endswith("_id") and column != "calendar_id"
    return f"{number}:{value}" if is_id and value is not None else value


def nights_of(case: Case, later: Case, random: Random) -> list[Night]:
    """Lets a company's rows land over some nights: most when they are loaded, some later, and some before their time.

    Args:
        case: the company.
        later: whose agreement and settings it takes over in the middle.
        random: the source of chance.
    """
    loads = sorted(row["_loaded_at"] for rows in case.raw.values() for row in rows)
    ends = [loads[len(loads) * n // NIGHTS - 1] for n in range(1, NIGHTS)] + [loads[-1] + timedelta(days=20)]
    landing: list[dict[str, list[Row]]] = [{table: [] for table in case.raw} for _ in ends]
    for table, rows in case.raw.items():
        for row in rows:
            due = next(n for n, end in enumerate(ends) if row["_loaded_at"] <= end)
            night = min(max(0, due + random.choice([0] * 8 + [1, 2, -1, -2])), NIGHTS - 1)
            landing[night][table].append(row)
            # A loader that repeats itself.
            if random.random() < 0.05:
                landing[random.randrange(NIGHTS)][table].append(row)
    nights, landed = [], {table: [] for table in case.raw}
    for n, (rows, as_of) in enumerate(zip(landing, ends, strict=True)):
        landed = {table: [*landed[table], *rows[table]] for table in landed}
        agreed = later if n >= NEW_POLICY else case
        settings = later.settings if n >= NEW_SETTINGS else case.settings
        # The default calendar is one of the agreement.
        settings = replace(settings, as_of=as_of, default_calendar=agreed.settings.default_calendar)
        nights.append(Night(n, rows, landed, agreed.policy, settings))
    return nights


def land(project: ProjectCopy, night: Night, random: Random) -> None:
    """Writes a night's rows as Parquet files, in any order and any number of files, some of them twice."""
    with duckdb.connect(config={"threads": 1}) as connection:
        for table, rows in night.rows.items():
            shuffled = random.sample(list(rows), len(rows))
            size = random.choice([len(rows), len(rows), 7, 30]) or 1
            parts = [shuffled[start : start + size] for start in range(0, len(rows), size)]
            # An empty file is still a table.
            for number, part in enumerate(parts or [[]]):
                file = (
                    project.raw
                    / table
                    / f"loaded_date={night.settings.as_of.date()}"
                    / f"{night.number}-{number}.parquet"
                )
                file.parent.mkdir(parents=True, exist_ok=True)
                fill(connection, "part", raw_columns()[table], part)
                connection.execute(f"copy part to '{file}' (format parquet)")
                if random.random() < 0.2:
                    shutil.copy(file, file.with_name(f"again-{file.name}"))


def write_policy(project: ProjectCopy, policy: Mapping[str, Sequence[Row]]) -> None:
    """Writes the seeds of the copy; they are files of its own."""
    for seed, text in seed_files(policy).items():
        (project.folder / "seeds" / "policy" / f"{seed}.csv").write_text(text)


def seed_files(policy: Mapping[str, Sequence[Row]]) -> dict[str, str]:
    """The text of each seed."""
    files = {}
    for seed, columns in policy_columns().items():
        text = StringIO()
        writer = csv.DictWriter(text, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: row.get(name) for name in columns} for row in policy[seed])
        files[seed] = text.getvalue()
    return files


def run(project: ProjectCopy, settings: Settings) -> dict[str, list[Row]]:
    """Builds seeds and models with dbt, upon whatever the warehouse holds, and reads the marts."""
    variables = {
        "as_of": str(settings.as_of),
        "reporting_time_zone": settings.reporting_time_zone,
        "default_calendar": settings.default_calendar,
        "pacing": settings.pacing,
        "pace_tolerance": settings.pace_tolerance,
    }
    finished = project.dbt("build", "--resource-type", "seed", "--resource-type", "model", variables=variables)
    if finished.returncode:
        pytest.fail(f"dbt failed:\n{finished.stdout[-3000:]}{finished.stderr}", pytrace=False)
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        return facts({mart: rows_of(connection, mart, project.warehouse.stem) for mart in marts()})


def from_scratch(night: Night) -> dict[str, list[Row]]:
    """The marts of one build, in memory, of all that has landed by a night."""
    return facts(build_rows(night.landed, night.policy, night.settings))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[ProjectCopy]:
    yield copy_project(tmp_path / "project", seed_files(company(0).policy))


@pytest.mark.slow
@pytest.mark.parametrize("number", [FIRST + 100 * n for n in range(10 if IS_LONG else 1)])
def test_nights_of_any_loads_give_the_marts_of_one_build_from_scratch(project: ProjectCopy, number: int) -> None:
    random = Random(number)
    nights = nights_of(crowd(number), company(number + 99), random)
    lines = []
    for night in nights:
        write_policy(project, night.policy)
        land(project, night, random)
        lines += [
            f"night {night.number}: {line}"
            for line in differences(run(project, night.settings), from_scratch(night), ALL_KEYS)
        ]
    # A replay of an earlier night, in a warehouse of its own, by what has landed since.
    project.warehouse.unlink()
    replayed = replace(nights[-1], settings=replace(nights[-1].settings, as_of=nights[1].settings.as_of))
    lines += [
        f"replay: {line}" for line in differences(run(project, replayed.settings), from_scratch(replayed), ALL_KEYS)
    ]
    assert not lines, "\n".join(lines[:20])
