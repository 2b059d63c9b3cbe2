"""The agreement between Sales and Marketing: the policy seeds, looked up by day."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from reference.calendars import Calendar
from reference.settings import Row, Tables

UNKNOWN = "unknown"


def in_force(rows: Iterable[Row], day: date) -> list[Row]:
    """The rows whose validity (from inclusive, to exclusive) covers a day."""
    return [r for r in rows if r["valid_from"] <= day and (r["valid_to"] is None or day < r["valid_to"])]


def cents(value: Fraction | Decimal) -> Decimal:
    """A sum of money rounded to the cent, half away from zero."""
    hundredfold = Fraction(value) * 100
    whole = (Decimal(hundredfold.numerator) / Decimal(hundredfold.denominator)).quantize(Decimal(1), ROUND_HALF_UP)
    return whole.scaleb(-2)


def exact(number: object) -> Fraction:
    """A number of a seed or of a raw table, as written."""
    return Fraction(str(number))


class Agreement:
    """Every question that the semantics put to the seeds."""

    def __init__(self, policy: Tables, default_calendar: str):
        self.policy = policy
        self.types = {row["activity_type"]: row for row in policy["activity_types"]}
        self.rank = {row["journey_stage"]: row["stage_rank"] for row in policy["journey_stages"]}
        self.matrix_personas = sorted({row["persona"] for row in policy["buyer_matrix"]})
        self.rule_ids = sorted({row["rule_id"] for row in policy["sales_sla_rules"]})
        self.calendars = self._calendars(policy)
        self.default_calendar = self.calendars[default_calendar]

    @staticmethod
    def _calendars(policy: Tables) -> dict[str, Calendar]:
        calendars = {}
        for calendar_id in {row["calendar_id"] for row in policy["business_calendars"]}:
            shifts = [row for row in policy["business_calendars"] if row["calendar_id"] == calendar_id]
            holidays = [row for row in policy["holidays"] if row["calendar_id"] == calendar_id]
            calendars[calendar_id] = Calendar(ZoneInfo(shifts[0]["time_zone"]), shifts, holidays)
        return calendars

    def calendar(self, calendar_id: str | None) -> Calendar:
        """A calendar; the default one for none and for one that is not known."""
        return self.calendars.get(calendar_id, self.default_calendar)

    def category(self, activity_type: str) -> str:
        """What an activity type means; an unknown one is `system`."""
        return self.types[activity_type]["category"] if activity_type in self.types else "system"

    def stage(self, activity_type: str) -> str | None:
        """The journey stage that an activity type proves, if any."""
        return self.types[activity_type]["journey_stage"] if activity_type in self.types else None

    def channel(self, activity_type: str) -> str | None:
        """The channel of a touch."""
        return self.types[activity_type]["touch_channel"] if activity_type in self.types else None

    def persona(self, employee_count: int | None, day: date) -> str:
        """The persona of a company of that many employees, by the seed in force on a day."""
        if employee_count is None:
            return UNKNOWN
        for row in in_force(self.policy["personas"], day):
            smallest, largest = row["min_employees"], row["max_employees"]
            if (smallest is None or smallest <= employee_count) and (largest is None or employee_count <= largest):
                return row["persona"]
        return UNKNOWN

    def passing_cells(self, persona: str, day: date) -> list[Row]:
        """The cells of a persona that pass to Sales on a day, highest stage first."""
        rows = [
            row
            for row in in_force(self.policy["buyer_matrix"], day)
            if row["persona"] == persona and row["passes_to_sales"]
        ]
        return sorted(rows, key=lambda row: self.rank[row["journey_stage"]], reverse=True)

    def lead_value(self, persona: str, stage: str | None, activity_type: str | None, day: date) -> Decimal | None:
        """The value of a lead in a cell by an activity type: the row for the type, else the row for any type."""
        rows = [
            row
            for row in in_force(self.policy["lead_values"], day)
            if row["persona"] == persona and row["journey_stage"] == stage
        ]
        for wanted in (activity_type, None):
            for row in rows:
                if row["activity_type"] == wanted:
                    return cents(exact(row["win_rate"]) * exact(row["average_purchase_price_usd"]))
        return None

    def rule(self, rule_id: str, day: date) -> Row | None:
        """The version of a rule in force on a day."""
        versions = [row for row in self.policy["sales_sla_rules"] if row["rule_id"] == rule_id]
        return next(iter(in_force(versions, day)), None)

    @staticmethod
    def window(rule: Row) -> timedelta:
        """The time within which a rule wants its touches."""
        return timedelta(microseconds=int(exact(rule["within_hours"]) * 3_600_000_000))
