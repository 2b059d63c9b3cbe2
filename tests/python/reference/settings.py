"""The settings of a run, and the days of the reporting time zone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
Tables = Mapping[str, Sequence[Row]]

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Settings:
    """The dbt vars. `as_of` is a naive UTC instant, None for the newest `_loaded_at`."""

    as_of: datetime | None = None
    reporting_time_zone: str = "UTC"
    default_calendar: str = "default"
    pacing: str = "calendar_days"
    pace_tolerance: float = 0.1


def as_of_of(raw: Tables, settings: Settings) -> datetime | None:
    """The one clock: the setting, else the newest `_loaded_at`, else None (no raw row at all)."""
    if settings.as_of is not None:
        return settings.as_of
    return max((row["_loaded_at"] for rows in raw.values() for row in rows), default=None)


def local_time(instant: datetime, zone: ZoneInfo) -> datetime:
    """A naive UTC instant on the clock of `zone`."""
    return instant.replace(tzinfo=UTC).astimezone(zone)


@lru_cache(maxsize=100_000)
def instant_of(local: datetime, zone: ZoneInfo) -> datetime:
    """The naive UTC instant of a naive local time.

    A repeated local time means its first pass. A local time that a clock change skips means the instant of that change,
    which is where the next local minute that exists begins.
    """
    while True:
        utc = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if utc.astimezone(zone).replace(tzinfo=None) == local:
            return utc.replace(tzinfo=None)
        local += timedelta(minutes=1)


@dataclass(frozen=True)
class Days:
    """The days of the reporting time zone."""

    zone: ZoneInfo

    def of(self, instant: datetime) -> date:
        """The day in which an instant lies."""
        return local_time(instant, self.zone).date()

    def start(self, day: date) -> datetime:
        """The instant at which a day begins."""
        return instant_of(datetime(day.year, day.month, day.day), self.zone)

    def end(self, day: date) -> datetime:
        """The instant at which a day ends, and the next one begins."""
        return self.start(day + DAY)


def days_between(first: date, last: date) -> Iterator[date]:
    """Every day from `first` to `last`, both included."""
    day = first
    while day <= last:
        yield day
        day += DAY


def month_of(day: date) -> date:
    """The first day of the month of `day`."""
    return day.replace(day=1)


def days_of_month(day: date) -> list[date]:
    """Every day of the month of `day`."""
    first = month_of(day)
    return [d for d in days_between(first, first + 30 * DAY) if d.month == first.month]


def minutes(duration: timedelta) -> float:
    """A duration in minutes, not rounded."""
    return duration / timedelta(minutes=1)


def earliest(instants: Iterable[datetime | None]) -> datetime | None:
    """The earliest of the instants that are there, None if none is."""
    return min((instant for instant in instants if instant is not None), default=None)
