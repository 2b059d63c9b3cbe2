"""Business time alone: many instants through the project's own SQL and through pandas, a few through a library of the field.

    python benchmarks/business_time.py sql WAREHOUSE QUERY_FILE 10000000
    python benchmarks/business_time.py pandas 10000000
    python benchmarks/business_time.py library 300

Each prints one JSON object: what was worked out, and what it took, without the start of the process.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import duckdb
from measure import cpu_seconds_of_this_process

if TYPE_CHECKING:
    import numpy

POLICY = Path(__file__).resolve().parent.parent / "seeds" / "policy"
# The sample company's half year; instants are spread over it evenly, at any hour of any day.
FIRST, DAYS = datetime(2025, 12, 20), 180

# dbt puts the project's macro in here. `instants` is the table of `by_sql`; its rows are (calendar_id, instant).
QUERY = (
    "with spans as (select * from {{ ref('int_calendar__spans') }}), "
    "positions as ({{ with_business_position('instants', 'instant', 'position') }}) "
    "select calendar_id, instant, position from positions"
)


def by_sql(warehouse: Path, query: str, rows: int) -> dict[str, float]:
    """Look up the positions of instants on business clocks, into a table.

    Args:
        warehouse: a DuckDB file that dbt built, with int_calendar__spans.
        query: `QUERY` as dbt compiled it.
        rows: how many (instant, calendar) positions.

    Returns:
        `positions` that were found, and the `seconds` and `cpu_seconds` of the lookup alone.
    """
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        connection.execute("set preserve_insertion_order = false; set asof_loop_join_threshold = 0")
        connection.execute(f"""
            create temp table instants as
            select c.calendar_id, timestamp '{FIRST}' + to_seconds(hash(n) % {DAYS * 86_400}) as instant
            from range({rows}) as numbers (n)
            inner join (
                select calendar_id, row_number() over (order by calendar_id) - 1 as number, count(*) over () as calendars
                from (select distinct calendar_id from policy.business_calendars)
            ) as c on n % c.calendars = c.number
        """)
        started, used = time.monotonic(), cpu_seconds_of_this_process()
        connection.execute(f"create temp table found as {query}")
        seconds, used = time.monotonic() - started, cpu_seconds_of_this_process() - used
        positions = connection.execute("select count(position) from found").fetchall()[0][0]
    if positions < rows:
        raise SystemExit(f"{rows - positions} of {rows} instants have no position: int_calendar__spans is too short")
    return {"positions": positions, "seconds": seconds, "cpu_seconds": used}


def by_pandas(rows: int) -> dict[str, float]:
    """Look up the positions of instants on the default calendar of the seeds, by whole columns in pandas and numpy.

    Returns:
        `positions` that were found, and the `seconds` and `cpu_seconds` of the lookup alone.
    """
    import numpy

    seconds_of = numpy.random.default_rng(1).integers(0, DAYS * 86_400, rows)
    instants = numpy.datetime64(FIRST, "s") + seconds_of.astype("timedelta64[s]")
    started, used = time.monotonic(), cpu_seconds_of_this_process()
    positions = open_seconds(instants)
    seconds, used = time.monotonic() - started, cpu_seconds_of_this_process() - used
    return {"positions": len(positions), "seconds": seconds, "cpu_seconds": used}


def open_seconds(instants: numpy.ndarray) -> numpy.ndarray:
    """Give the open seconds of the default calendar from `FIRST` to each UTC instant, as a vectorised script would.

    `busday_count` knows one span of hours, the same on every open day, and closed days: no split shifts and no short days. On
    the default calendar without its short days that is enough.
    """
    import numpy
    import pandas

    shifts, closed = default_calendar()
    opens, closes = (numpy.timedelta64(_minutes(shifts[0][name]), "m") for name in ("opens_at", "closes_at"))
    week = [any(shift["iso_weekday"] == str(day) for shift in shifts) for day in range(1, 8)]
    days = numpy.busdaycalendar(weekmask=week, holidays=[day.isoformat() for day in closed])
    zoned = pandas.DatetimeIndex(instants).tz_localize("UTC").tz_convert(shifts[0]["time_zone"])
    local = zoned.tz_localize(None).to_numpy()
    day = local.astype("datetime64[D]")
    since_opening = numpy.clip(local - day, opens, closes) - opens
    of_day = numpy.where(numpy.is_busday(day, busdaycal=days), since_opening, numpy.timedelta64(0, "s"))
    full_days = numpy.busday_count(numpy.datetime64(FIRST, "D"), day, busdaycal=days)
    return (full_days * (closes - opens) + of_day) / numpy.timedelta64(1, "s")


def by_library(pairs: int) -> dict[str, float]:
    """Work out the open time between two instants, up to three days apart, by a loop over businesstimedelta.

    It is the library's own loop, one pair at a time, on the default calendar of the seeds without short days, which it cannot
    express.

    Returns:
        `pairs` that were worked out, and the `cpu_seconds` that it took, on one core.
    """
    rules, instants = library_rules(), random_pairs(pairs)
    used = cpu_seconds_of_this_process()
    for start, end in instants:
        rules.difference(start, end)
    return {"pairs": pairs, "cpu_seconds": cpu_seconds_of_this_process() - used}


def library_rules() -> Any:
    """Give the default calendar as rules of businesstimedelta."""
    # What the tests alone need is not there on every machine.
    import businesstimedelta
    import pytz

    shifts, closed = default_calendar()
    zone = pytz.timezone(shifts[0]["time_zone"])
    return businesstimedelta.Rules(
        [
            *(
                businesstimedelta.WorkDayRule(
                    clock_time.fromisoformat(shift["opens_at"]),
                    clock_time.fromisoformat(shift["closes_at"]),
                    [int(shift["iso_weekday"]) - 1],
                    tz=zone,
                )
                for shift in shifts
            ),
            # It fails where no holiday lies ahead: one that is never reached.
            businesstimedelta.HolidayRule(closed | {date(2029, 12, 31)}, tz=zone),
        ]
    )


def random_pairs(pairs: int) -> list[tuple[datetime, datetime]]:
    """Give pairs of UTC instants of the half year, the second up to three days after the first."""
    chance = Random(1)
    starts = [FIRST.replace(tzinfo=UTC) + timedelta(seconds=chance.randrange(DAYS * 86_400)) for _ in range(pairs)]
    return [(start, start + timedelta(seconds=chance.randrange(3 * 86_400))) for start in starts]


def default_calendar() -> tuple[list[dict[str, str]], set[date]]:
    """Read the shifts of the default calendar from the seeds, and the days on which it is closed altogether."""
    with (POLICY / "business_calendars.csv").open() as file:
        shifts = [row for row in csv.DictReader(file) if row["calendar_id"] == "default"]
    with (POLICY / "holidays.csv").open() as file:
        closed = [row for row in csv.DictReader(file) if row["calendar_id"] == "default" and not row["opens_at"]]
    return shifts, {date.fromisoformat(row["holiday_date"]) for row in closed}


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["sql", warehouse, query, rows]:
            print(json.dumps(by_sql(Path(warehouse), Path(query).read_text(), int(rows))))
        case ["pandas", rows]:
            print(json.dumps(by_pandas(int(rows))))
        case ["library", pairs]:
            print(json.dumps(by_library(int(pairs))))
        case _:
            sys.exit(__doc__)
