"""Business time: the open windows of a calendar, listed day by day and added up."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from reference.settings import DAY, Row, instant_of, local_time

NOTHING = timedelta(0)
# A deadline further away than this is an agreement without opening hours.
HORIZON_DAYS = 20 * 366


class Calendar:
    """The opening hours of one `calendar_id`: weekly shifts, and the holidays that replace a day of them."""

    def __init__(self, zone: ZoneInfo, shifts: list[Row], holidays: list[Row]):
        self.zone = zone
        self.shifts = shifts
        self.holidays = {row["holiday_date"]: row for row in holidays}
        self._windows: dict[date, list[tuple[datetime, datetime]]] = {}

    def windows(self, day: date) -> list[tuple[datetime, datetime]]:
        """The open windows (opens, closes: UTC) that begin on a local day, in order."""
        if day not in self._windows:
            pairs = [
                (instant_of(_on(day, opens), self.zone), instant_of(_on(day, closes), self.zone))
                for opens, closes in self._hours(day)
            ]
            # Hours that a clock change skips altogether leave a window without length.
            self._windows[day] = sorted((opens, closes) for opens, closes in pairs if opens < closes)
        return self._windows[day]

    def _hours(self, day: date) -> list[tuple[str, str]]:
        holiday = self.holidays.get(day)
        if holiday is not None:
            return [(holiday["opens_at"], holiday["closes_at"])] if holiday["opens_at"] else []
        return [(s["opens_at"], s["closes_at"]) for s in self.shifts if s["iso_weekday"] == day.isoweekday()]

    def is_open_on(self, day: date) -> bool:
        """Whether a day has any open hours."""
        return bool(self.windows(day))

    def open_time(self, start: datetime, end: datetime) -> timedelta:
        """The open time between two instants."""
        total = NOTHING
        day = local_time(start, self.zone).date() - DAY
        while day <= local_time(end, self.zone).date() + DAY:
            for opens, closes in self.windows(day):
                total += max(NOTHING, min(closes, end) - max(opens, start))
            day += DAY
        return total

    def deadline(self, start: datetime, within: timedelta) -> datetime:
        """The earliest instant at which `within` of open time has passed since `start`."""
        left = within
        first_day = local_time(start, self.zone).date() - DAY
        for number in range(HORIZON_DAYS):
            for opens, closes in self.windows(first_day + number * DAY):
                begins = max(opens, start)
                if begins >= closes:
                    continue
                if left <= closes - begins:
                    return begins + left
                left -= closes - begins
        raise ValueError(f"no {within} of open time in {HORIZON_DAYS} days from {start}")


class ElapsedClock:
    """The clock that never closes."""

    def open_time(self, start: datetime, end: datetime) -> timedelta:
        """The time between two instants."""
        return end - start

    def deadline(self, start: datetime, within: timedelta) -> datetime:
        """The instant `within` later."""
        return start + within


Clock = Calendar | ElapsedClock


def _on(day: date, clock_time: str) -> datetime:
    """The naive local time `HH:MM` of a day; `24:00` is the next midnight."""
    hours, mins = clock_time.split(":")[:2]
    return datetime(day.year, day.month, day.day) + timedelta(hours=int(hours), minutes=int(mins))
