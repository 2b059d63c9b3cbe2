"""Business time against two libraries that know nothing of this project, and the two as-of joins against each other.

A company of thousands of leads goes through the compiled models: the lead converts at one instant and is touched at another, under rules
of several lengths. So `business_minutes` is the open time between two instants, and `due_at` the deadline after one: by
int_calendar__spans, int_calendar__windows and the macros on them, as the marts use them. numpy's business days with clamped hours check every pair;
businesstimedelta, which is slow, checks some, on calendars that it can express.

Both libraries are wrong in places. `LIBRARY_ERRORS` lists them, each with the right answer and the library's: an error that a later
version mends fails here, and leaves the list.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import businesstimedelta
import duckdb
import jinja2
import numpy
import pytest
import pytz
from compiled_project import PROJECT, build_rows, fill
from proof import IS_LONG
from reference import Settings

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
FIRST, LAST = date(2023, 1, 1), date(2026, 6, 30)
HOURS = ("0.25", "1", "4", "8.5", "24", "100")

# Pairs of instants for each calendar; every HOURS adds a deadline to each.
PAIRS = 4000 if IS_LONG else 500
# Those of them that the slow library checks too.
SLOW_PAIRS = 400 if IS_LONG else 50


@dataclass(frozen=True)
class Shift:
    """Opening hours in minutes after local midnight, on ISO weekdays (1 = Monday)."""

    weekdays: tuple[int, ...]
    opens: int
    closes: int


@dataclass(frozen=True)
class Hours:
    """A calendar: a time zone, weekly shifts, and days that have other hours or (None) none."""

    zone: str
    shifts: tuple[Shift, ...]
    days: Mapping[date, tuple[int, int] | None] = field(default_factory=dict)

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


def minute(clock_time: str) -> int:
    hours, minutes = clock_time.split(":")
    return int(hours) * 60 + int(minutes)


def clock_time(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def weekly(weekdays: Sequence[int], *hours: str) -> tuple[Shift, ...]:
    """`09:00-17:30` on some weekdays; several make a split shift."""
    return tuple(Shift(tuple(weekdays), *map(minute, text.split("-"))) for text in hours)


OFFICE, DAILY = range(1, 6), range(1, 8)
YEARS = range(FIRST.year, LAST.year + 1)
SHORT = (minute("09:00"), minute("12:30"))

CALENDARS = {
    "new_york": Hours(
        "America/New_York",
        weekly(OFFICE, "09:00-17:30"),
        {date(year, 7, 4): None for year in YEARS}
        | {date(year, 12, 25): None for year in YEARS}
        | {date(year, 12, 24): SHORT for year in YEARS},
    ),
    "amsterdam": Hours(
        "Europe/Amsterdam",
        weekly(OFFICE, "08:30-12:30", "13:15-17:15"),
        {date(year, 4, 27): None for year in YEARS} | {date(year, 12, 5): SHORT for year in YEARS},
    ),
    "kolkata": Hours(
        "Asia/Kolkata",
        weekly(range(1, 7), "10:00-19:00"),
        # Sunday, open all the same: a working holiday.
        {date(year, 8, 15): None for year in YEARS} | {date(2024, 10, 27): (minute("11:00"), minute("16:00"))},
    ),
    "sydney": Hours(
        "Australia/Sydney",
        (*weekly(OFFICE, "08:00-16:00"), *weekly([6], "10:00-13:00")),
        {date(year, 1, 26): None for year in YEARS} | {date(2025, 10, 5): (minute("09:00"), minute("24:00"))},
    ),
}

# Open while clocks change: here numpy, which knows wall clocks alone, is wrong by the hour that is skipped or repeated.
NIGHTS = {
    "new_york_nights": Hours("America/New_York", weekly(DAILY, "00:00-06:00", "22:00-24:00")),
    "sydney_nights": Hours("Australia/Sydney", weekly(DAILY, "00:00-06:00")),
}


# --- numpy: business days with clamped hours ----------------------------------------------------------------------------


def wall_clock(instants: Sequence[datetime], zone: str) -> numpy.ndarray:
    """Naive UTC instants on the wall clock of a zone."""
    tz = ZoneInfo(zone)
    return numpy.array([i.replace(tzinfo=UTC).astimezone(tz).replace(tzinfo=None) for i in instants], "datetime64[us]")


def open_microseconds(hours: Hours, local: numpy.ndarray) -> numpy.ndarray:
    """The open time from FIRST to wall-clock times: whole business days, and the hours of the last day, clamped."""
    day = local.astype("datetime64[D]")
    origin = numpy.datetime64(FIRST - 400 * DAY)
    special = [numpy.datetime64(d) for d in hours.days]
    total = numpy.zeros(len(local), "int64")
    for shift in hours.shifts:
        mask = [weekday in shift.weekdays for weekday in DAILY]
        length = _microseconds(shift.closes - shift.opens)
        today = numpy.clip((local - day).astype("int64") - _microseconds(shift.opens), 0, length)
        total += numpy.busday_count(origin, day, mask, special) * length
        total += numpy.where(numpy.is_busday(day, mask, special), today, 0)
    for special_day, opened in hours.days.items():
        if opened is not None:
            since = (local - numpy.datetime64(special_day)).astype("int64")
            total += numpy.clip(since - _microseconds(opened[0]), 0, _microseconds(opened[1] - opened[0]))
    return total


def _microseconds(minutes: int) -> int:
    return minutes * 60_000_000


def shifted_by(zone: str, start: datetime, end: datetime) -> timedelta:
    """How far the wall clock of a zone was put forward (or, negative, back) between two instants."""
    tz = ZoneInfo(zone)
    return end.replace(tzinfo=UTC).astimezone(tz).utcoffset() - start.replace(tzinfo=UTC).astimezone(tz).utcoffset()


# --- businesstimedelta ------------------------------------------------------------------------------------------------


def rules_of(hours: Hours) -> businesstimedelta.Rules:
    """The calendar in the library's words; it has none for a short day or a working holiday."""
    tz = pytz.timezone(hours.zone)
    shifts = [
        businesstimedelta.WorkDayRule(_time(s.opens), _time(s.closes), [w - 1 for w in s.weekdays], tz=tz)
        for s in hours.shifts
    ]
    # The library fails where no holiday lies ahead: give it one that is never reached, within the five years in which it looks.
    closed = [day for day, opened in hours.days.items() if opened is None] + [LAST + 400 * DAY]
    return businesstimedelta.Rules([*shifts, businesstimedelta.HolidayRule(set(closed), tz=tz)])


def _time(minutes: int) -> time:
    return time(minutes // 60 % 24, minutes % 60)


def library_open_time(rules: businesstimedelta.Rules, start: datetime, end: datetime) -> timedelta:
    return rules.difference(pytz.utc.localize(start), pytz.utc.localize(end)).timedelta


def library_deadline(rules: businesstimedelta.Rules, start: datetime, within: Decimal) -> datetime:
    delta = businesstimedelta.BusinessTimeDelta(rules, timedelta=timedelta(hours=float(within)))
    return (pytz.utc.localize(start) + delta).astimezone(UTC).replace(tzinfo=None)


# --- the compiled project ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """Two instants (naive UTC) on a calendar."""

    calendar_id: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Measured:
    """What the marts say of a pair."""

    pair: Pair
    minutes: float
    due_at: dict[str, datetime]
    """Deadline by hours."""


def measure(calendars: Mapping[str, Hours], pairs: Sequence[Pair]) -> list[Measured]:
    """Lets each pair be a lead that converts at its start and is touched at its end, and builds the marts."""
    long_ago = datetime.combine(FIRST, time()) - 30 * DAY
    raw: dict[str, list[dict[str, Any]]] = {
        "reps": [
            {"rep_id": name, "full_name": name, "calendar_id": name, "active_from": FIRST, "_loaded_at": long_ago}
            for name in calendars
        ],
        "leads": [],
        "activities": [],
    }
    for number, pair in enumerate(pairs):
        lead = {"lead_id": f"L{number}", "_loaded_at": pair.end}
        raw["leads"].append(
            lead
            | {"created_at": pair.start, "updated_at": pair.start, "owner_id": pair.calendar_id, "employee_count": 10}
        )
        raw["activities"] += [
            lead | {"activity_id": f"L{number}a", "activity_type": "demo_request", "occurred_at": pair.start},
            lead | {"activity_id": f"L{number}b", "activity_type": "call", "occurred_at": pair.end},
        ]
    built = build_rows(
        raw,
        policy_of(calendars),
        Settings(default_calendar=next(iter(calendars))),
        ["fct_speed_to_lead", "fct_sales_sla_obligations"],
    )
    minutes = {row["lead_id"]: row["business_minutes"] for row in built["fct_speed_to_lead"]}
    due: dict[str, dict[str, datetime]] = {}
    for row in built["fct_sales_sla_obligations"]:
        due.setdefault(row["lead_id"], {})[row["rule_id"]] = row["due_at"]
    return [Measured(pair, minutes[f"L{n}"], due[f"L{n}"]) for n, pair in enumerate(pairs)]


def policy_of(calendars: Mapping[str, Hours]) -> dict[str, list[dict[str, Any]]]:
    always = {"valid_from": date(2015, 1, 1), "valid_to": None}
    return {
        "personas": [{"persona": "small_business", **always}],
        "journey_stages": [{"journey_stage": "problem_education", "stage_rank": 1}],
        "activity_types": [
            {"activity_type": "demo_request", "category": "conversion"},
            {"activity_type": "call", "category": "touch", "touch_channel": "call"},
        ],
        "sales_sla_rules": [
            {
                "rule_id": hours,
                "rule_name": f"{hours} h",
                "trigger": "demo_request",
                "required_touches": 1,
                "within_hours": Decimal(hours),
                "clock": "business",
                "warn_fraction": Decimal("0.5"),
                **always,
            }
            for hours in HOURS
        ],
        "business_calendars": [
            {
                "calendar_id": name,
                "time_zone": hours.zone,
                "iso_weekday": weekday,
                "opens_at": clock_time(shift.opens),
                "closes_at": clock_time(shift.closes),
            }
            for name, hours in calendars.items()
            for shift in hours.shifts
            for weekday in shift.weekdays
        ],
        "holidays": [
            {
                "calendar_id": name,
                "holiday_date": day,
                "holiday_name": "Closed" if opened is None else "Other hours",
                "opens_at": clock_time(opened[0]) if opened else None,
                "closes_at": clock_time(opened[1]) if opened else None,
            }
            for name, hours in calendars.items()
            for day, opened in hours.days.items()
        ],
    }


def drawn_pairs(calendar_id: str, hours: Hours, count: int) -> Iterator[Pair]:
    """Pairs of instants in whole seconds, most of them on what decides something: openings, closings, a second beside."""
    random = Random(calendar_id) if not IS_LONG else Random()
    for _ in range(count):
        start = _drawn_instant(random, hours, FIRST + random.randrange((LAST - FIRST).days - 60) * DAY)
        last_day = start.date() + random.choice([0, 0, 1, 1, 2, 3, 7, 14, 40]) * DAY
        end = _drawn_instant(random, hours, last_day)
        yield Pair(calendar_id, min(start, end), max(start, end))


def _drawn_instant(random: Random, hours: Hours, day: date) -> datetime:
    if random.random() < 0.2:
        day = random.choice(clock_changes(hours.zone) + [d for d in hours.days if FIRST < d < LAST - 60 * DAY] + [day])
    edges = [edge for shift in hours.shifts for edge in (shift.opens, shift.closes)]
    minutes = random.choice([*edges, *edges, random.randrange(1440), random.randrange(1440)])
    local = datetime.combine(day, time()) + timedelta(
        minutes=minutes, seconds=random.choice([0, 0, -1, 1, random.randrange(60)])
    )
    return local.replace(tzinfo=hours.tz, fold=random.randrange(2)).astimezone(UTC).replace(tzinfo=None)


def clock_changes(zone: str) -> list[date]:
    """The days on which the clocks of a zone change."""
    noons = [datetime.combine(FIRST + n * DAY, time(12)) for n in range((LAST - FIRST).days - 60)]
    return [noon.date() for noon in noons if shifted_by(zone, noon - DAY, noon)]


@pytest.fixture(scope="module")
def measured() -> dict[str, list[Measured]]:
    """The pairs of each calendar, as the marts see them."""
    calendars = CALENDARS | NIGHTS
    pairs = [pair for name, hours in calendars.items() for pair in drawn_pairs(name, hours, PAIRS)]
    found: dict[str, list[Measured]] = {name: [] for name in calendars}
    for result in measure(calendars, pairs):
        found[result.pair.calendar_id].append(result)
    return found


# --- random pairs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("calendar_id", CALENDARS)
def test_open_time_equals_numpys_business_days(measured: dict[str, list[Measured]], calendar_id: str) -> None:
    hours, results = CALENDARS[calendar_id], measured[calendar_id]
    assert [r.minutes for r in results] == pytest.approx(numpy_minutes(hours, results), abs=1e-6)


@pytest.mark.parametrize("calendar_id", CALENDARS)
def test_deadlines_are_the_earliest_instants_at_which_enough_open_time_has_passed(
    measured: dict[str, list[Measured]], calendar_id: str
) -> None:
    hours, results = CALENDARS[calendar_id], measured[calendar_id]
    starts = open_microseconds(hours, wall_clock([r.pair.start for r in results], hours.zone))
    for rule_id in HOURS:
        due = wall_clock([r.due_at[rule_id] for r in results], hours.zone)
        wanted = int(Decimal(rule_id) * 3_600_000_000)
        assert (open_microseconds(hours, due) - starts == wanted).all()
        assert (open_microseconds(hours, due - numpy.timedelta64(1, "us")) - starts == wanted - 1).all()


@pytest.mark.parametrize("calendar_id", NIGHTS)
def test_where_open_windows_span_a_clock_change_numpy_is_wrong_by_that_change(
    measured: dict[str, list[Measured]], calendar_id: str
) -> None:
    hours, changes = NIGHTS[calendar_id], set(clock_changes(NIGHTS[calendar_id].zone))
    # On the day of a change itself, a part of the window may be compared: the list below has such cases.
    results = [
        r for r in measured[calendar_id] if not {local_day(r.pair.start, hours), local_day(r.pair.end, hours)} & changes
    ]
    expected = numpy_minutes(hours, results)
    errors = [theirs - r.minutes for r, theirs in zip(results, expected, strict=True)]
    shifts = [shifted_by(hours.zone, r.pair.start, r.pair.end) / timedelta(minutes=1) for r in results]
    assert errors == pytest.approx(shifts, abs=1e-6)
    assert set(shifts) == {-60, 0, 60}


# It cannot say when a shift that ends at midnight begins: see the list below.
@pytest.mark.parametrize("calendar_id", [*CALENDARS, "sydney_nights"])
def test_open_time_and_deadlines_equal_businesstimedelta(measured: dict[str, list[Measured]], calendar_id: str) -> None:
    hours = (CALENDARS | NIGHTS)[calendar_id]
    rules = rules_of(hours)
    inexpressible = [day for day, opened in hours.days.items() if opened is not None]
    fit = [
        r
        for r in measured[calendar_id]
        if not any(
            r.pair.start.date() - DAY <= day <= max(r.pair.end, *r.due_at.values()).date() + DAY
            for day in inexpressible
        )
    ]
    assert len(fit) >= SLOW_PAIRS
    for r in fit[:SLOW_PAIRS]:
        assert library_open_time(rules, r.pair.start, r.pair.end) == timedelta(minutes=r.minutes), r
        for within, due_at in r.due_at.items():
            assert library_deadline(rules, r.pair.start, Decimal(within)) == due_at, (r, within)


def numpy_minutes(hours: Hours, results: Sequence[Measured]) -> list[float]:
    starts = open_microseconds(hours, wall_clock([r.pair.start for r in results], hours.zone))
    ends = open_microseconds(hours, wall_clock([r.pair.end for r in results], hours.zone))
    return list((ends - starts) / 60_000_000)


def local_day(instant: datetime, hours: Hours) -> date:
    return instant.replace(tzinfo=UTC).astimezone(hours.tz).date()


# --- where the libraries are wrong ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LibraryError:
    """A pair of instants (UTC) that a library gets wrong; minutes each."""

    why: str
    hours: Hours
    start: str
    end: str
    right: float
    numpy: float
    businesstimedelta: float

    def pair(self, calendar_id: str) -> Pair:
        return Pair(calendar_id, datetime.fromisoformat(self.start), datetime.fromisoformat(self.end))


def new_york(weekdays: Sequence[int], *hours: str, closed: Sequence[date] = ()) -> Hours:
    return Hours("America/New_York", weekly(weekdays, *hours), dict.fromkeys(closed))


# New York skips 02:00-03:00 on 2025-03-09 (at 07:00 UTC) and repeats 01:00-02:00 on 2025-11-02 (from 05:00 UTC).
LIBRARY_ERRORS = [
    LibraryError(
        "numpy counts the hour that is skipped inside an open window",
        new_york(DAILY, "00:00-06:00"),
        *("2025-03-09 05:00", "2025-03-09 10:00"),
        right=300,
        numpy=360,
        businesstimedelta=300,
    ),
    LibraryError(
        "numpy counts the hour that is repeated inside an open window once",
        new_york(DAILY, "00:00-06:00"),
        *("2025-11-02 04:00", "2025-11-02 11:00"),
        right=420,
        numpy=360,
        businesstimedelta=420,
    ),
    LibraryError(
        "both count hours that are skipped altogether",
        new_york([7], "02:15-02:45"),
        *("2025-03-09 05:00", "2025-03-09 12:00"),
        right=0,
        numpy=30,
        businesstimedelta=30,
    ),
    LibraryError(
        "both close in the skipped hour, half an hour after the clocks have left it",
        new_york([7], "01:30-02:30"),
        *("2025-03-09 05:00", "2025-03-09 12:00"),
        right=30,
        numpy=60,
        businesstimedelta=60,
    ),
    LibraryError(
        "businesstimedelta closes in the second pass of the repeated hour",
        new_york([7], "00:00-01:30"),
        *("2025-11-02 04:00", "2025-11-02 11:00"),
        right=90,
        numpy=90,
        businesstimedelta=150,
    ),
    LibraryError(
        "numpy takes an instant of the second pass for one of the first",
        new_york([7], "00:00-01:30"),
        *("2025-11-02 04:00", "2025-11-02 06:10"),
        right=90,
        numpy=70,
        businesstimedelta=130,
    ),
    LibraryError(
        "both open in the second pass of the repeated hour",
        new_york([7], "01:30-02:30"),
        *("2025-11-02 04:00", "2025-11-02 11:00"),
        right=120,
        numpy=60,
        businesstimedelta=60,
    ),
    LibraryError(
        "businesstimedelta leaves a shift that ends at midnight as soon as it has begun",
        new_york(DAILY, "16:00-24:00"),
        *("2025-06-02 22:00", "2025-06-03 04:00"),
        right=360,
        numpy=360,
        businesstimedelta=0,
    ),
    LibraryError(
        "businesstimedelta makes a holiday 24 hours long, also on a day of 23",
        new_york(DAILY, "00:30-06:00", closed=[date(2025, 3, 9)]),
        *("2025-03-09 05:00", "2025-03-10 10:00"),
        right=330,
        numpy=330,
        businesstimedelta=300,
    ),
]


def test_the_marts_are_right_where_a_library_is_wrong() -> None:
    calendars = {f"case_{n}": error.hours for n, error in enumerate(LIBRARY_ERRORS)}
    results = measure(calendars, [error.pair(name) for name, error in zip(calendars, LIBRARY_ERRORS, strict=True)])
    assert [r.minutes for r in results] == [error.right for error in LIBRARY_ERRORS]


@pytest.mark.parametrize("error", LIBRARY_ERRORS, ids=lambda error: error.why)
def test_a_library_is_wrong_where(error: LibraryError) -> None:
    pair = error.pair("")
    instants = wall_clock([pair.start, pair.end], error.hours.zone)
    start, end = open_microseconds(error.hours, instants)
    theirs = library_open_time(rules_of(error.hours), pair.start, pair.end)
    assert ((end - start) / 60_000_000, theirs / timedelta(minutes=1)) == (error.numpy, error.businesstimedelta)
    assert error.right not in (error.numpy, error.businesstimedelta) or error.numpy != error.businesstimedelta


def test_businesstimedelta_never_answers_where_a_shift_begins_on_a_holiday_of_25_hours() -> None:
    rules = rules_of(new_york(DAILY, "18:00-23:30", closed=[date(2025, 11, 2)]))
    opens, closes = rules.next(pytz.utc.localize(datetime(2025, 11, 2, 12)))
    assert closes < opens  # and so it goes round and round


def test_businesstimedelta_fails_where_no_holiday_lies_ahead() -> None:
    tz = pytz.timezone("America/New_York")
    holidays = businesstimedelta.HolidayRule({date(2025, 6, 2)}, tz=tz)
    rules = businesstimedelta.Rules([businesstimedelta.WorkDayRule(tz=tz), holidays])
    with pytest.raises(TypeError):
        library_open_time(rules, datetime(2025, 6, 5, 14), datetime(2025, 6, 5, 15))


def test_businesstimedelta_forgets_a_break_that_lasts_until_closing_time() -> None:
    tz = pytz.timezone("America/New_York")
    day, rest = (
        businesstimedelta.WorkDayRule(time(9), time(17), tz=tz),
        businesstimedelta.LunchTimeRule(time(15), time(17), tz=tz),
    )
    rules = businesstimedelta.Rules([day, rest])
    assert library_open_time(rules, datetime(2025, 6, 2, 13), datetime(2025, 6, 3, 4)) == timedelta(hours=8)


def test_businesstimedelta_drops_fractions_of_a_second() -> None:
    rules = rules_of(new_york(OFFICE, "09:00-17:00"))
    start = datetime(2025, 6, 2, 14)
    assert library_open_time(rules, start, start + timedelta(milliseconds=1500)) == SECOND


# --- the two as-of joins ----------------------------------------------------------------------------------------------

ASOF_JOIN = jinja2.Environment().from_string((PROJECT / "macros/engines/asof_join.sql").read_text()).module

Point = tuple[str | None, int | None]


def points(random: Random, keys: int) -> list[Point]:
    """A few instants for each key, none for some; they are few values, so that they tie. A null is one of them."""
    return [(key, random.choice([None, *range(6)])) for n in range(keys) for key in [f"key_{n}"] * random.randrange(6)]


@pytest.mark.parametrize("strict", [False, True], ids=["at or before", "before"])
@pytest.mark.parametrize("empty", ["neither", "left", "right"])
def test_the_portable_asof_join_equals_that_of_duckdb(empty: str, strict: bool) -> None:
    random = Random() if IS_LONG else Random(7)
    left = [] if empty == "left" else [*points(random, 2000), (None, 3), (None, None)]
    # The instants of the right side are unique within a key.
    right = [] if empty == "right" else sorted({*points(random, 2000), (None, 2), (None, None)}, key=str)
    columns = {"found": "r.moment", "twice": "r.number * 2"}
    with duckdb.connect(config={"threads": 1}) as connection:
        for table, rows in (("l", left), ("r", right)):
            fill(connection, table, {"number": "bigint", "key": "varchar", "moment": "bigint"}, numbered(rows))
        duckdbs, portable = (
            connection.execute(
                f"{join('l', 'r', 'key', 'moment', 'moment', columns, strict)} order by l.number"
            ).fetchall()
            for join in (ASOF_JOIN.duckdb__asof_join, ASOF_JOIN.default__asof_join)
        )
    assert portable == duckdbs == looked_up(left, right, strict)


def numbered(rows: Sequence[Point]) -> list[dict[str, Any]]:
    return [{"number": n, "key": key, "moment": moment} for n, (key, moment) in enumerate(rows)]


def looked_up(left: Sequence[Point], right: Sequence[Point], strict: bool) -> list[tuple[int | str | None, ...]]:
    """What the lookup should find: the last instant of the key at or before (`strict`: before) the one given."""
    known: dict[str, list[tuple[int, int]]] = {}
    for n, (key, moment) in enumerate(right):
        if key is not None and moment is not None:
            known.setdefault(key, []).append((moment, n))
    rows = []
    for n, (key, moment) in enumerate(left):
        before = [
            (t, m) for t, m in known.get(key, ()) if moment is not None and (t < moment or (t == moment and not strict))
        ]
        found, number = max(before, default=(None, None))
        rows.append((n, key, moment, found, number * 2 if number is not None else None))
    return rows
