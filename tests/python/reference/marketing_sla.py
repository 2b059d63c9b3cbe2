"""The Marketing SLA: the credits of one person, and the day rows of the whole company."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import sqrt

from reference.agreement import cents, exact
from reference.qualification import Qualification
from reference.records import Activity, Lead, World, active_reps
from reference.settings import DAY, Row, Settings, days_between, days_of_month, month_of

ALL = "all"
TRAILING_DAYS = 28
HISTORY_DAYS = 14
# The standard normal deviate of a two-sided 80 % interval.
Z_80 = 1.2815515655446004
PACE_SLACK = 1e-6
# The ideal line is a computed number: what lies so close to half a cent is half a cent, and is rounded up.
IDEAL_DIGITS = 8
ZERO = Decimal("0.00")


# --- credits ----------------------------------------------------------------------------------------------------------


def credits(world: World, lead: Lead, qualified: Qualification) -> list[Row]:
    """The credits that a qualified person has earned, in order."""
    activities = world.activities_of(lead)
    at = qualified.qualified_at
    so_far = [a for a in activities if a.occurred_at <= at]
    later = [a for a in activities if a.occurred_at > at]

    rows = []
    earned = ZERO
    persona = lead.persona_at(at)
    day = world.days.of(at)
    # The first of the best: `so_far` goes by time and id, and max() keeps the first of equals.
    best = max(so_far, key=lambda a: _value(world, a, persona, day))
    value = _value(world, best, persona, day)
    if value > 0:
        rows.append(_credit(world, lead, best, persona, at, value))
        earned = value
    for activity in later:
        persona = lead.persona_at(activity.occurred_at)
        value = _value(world, activity, persona, world.days.of(activity.occurred_at))
        if value > earned:
            rows.append(_credit(world, lead, activity, persona, activity.occurred_at, value - earned))
            earned = value
    return rows


def _value(world: World, activity: Activity, persona: str, day: date) -> Decimal:
    """What an activity is worth for a persona on a day: nothing without a stage or a value row."""
    if activity.journey_stage is None:
        return ZERO
    value = world.agreement.lead_value(persona, activity.journey_stage, activity.activity_type, day)
    return value if value is not None else ZERO


def _credit(world: World, lead: Lead, activity: Activity, persona: str, at, value: Decimal) -> Row:
    return {
        "lead_id": lead.lead_id,
        "persona": persona,
        "journey_stage": activity.journey_stage,
        "activity_id": activity.activity_id,
        "credited_at": at,
        "credited_date": world.days.of(at),
        "value_usd": value,
        "lead_source": lead.current["lead_source"],
    }


# --- day rows ---------------------------------------------------------------------------------------------------------


@dataclass
class Line:
    """One day and persona (or `all`), in exact numbers. None means: there is no target."""

    qualified: int
    credited: Decimal
    mtd_leads: int
    mtd_value: Decimal
    ideal_leads: Fraction | None
    ideal_value: Fraction | None
    target_leads: Fraction | None
    target_value: Decimal | None
    expected_rest: float | None
    """Qualified leads that the rest of the month should bring; None without enough history."""


def marketing_daily(world: World, settings: Settings, qualified: list[Row], credited: list[Row]) -> list[Row]:
    """A row for every day, every persona of the matrix and `all`."""
    today = world.days.of(world.as_of)
    first_days = [row["target_month"] for row in world.agreement.policy["marketing_targets"]]
    first_days += [row["qualified_date"] for row in qualified]
    if not first_days:
        return []
    rows = []
    for day in days_between(min(first_days), today):
        share = ideal_share(world, settings, day)
        lines = {
            persona: _line(world, day, share, persona, min(first_days), qualified, credited)
            for persona in world.agreement.matrix_personas
        }
        lines[ALL] = _total(list(lines.values()))
        rows += [_row(settings, day, persona, line) for persona, line in lines.items()]
    return rows


def _line(
    world: World,
    day: date,
    share: Fraction,
    persona: str,
    first_day: date,
    qualified: list[Row],
    credited: list[Row],
) -> Line:
    leads_on = [row["qualified_date"] for row in qualified if row["persona"] == persona]
    values_on = [(row["credited_date"], row["value_usd"]) for row in credited if row["persona"] == persona]
    first_of_month = month_of(day)
    mtd_leads = sum(1 for d in leads_on if first_of_month <= d <= day)
    mtd_value = sum((v for d, v in values_on if first_of_month <= d <= day), ZERO)

    target_leads, target_value = targets(world, first_of_month, persona)

    # Full days of history: today is not full.
    last_full = day if day < world.days.of(world.as_of) else day - DAY
    first_full = max(first_day, last_full - (TRAILING_DAYS - 1) * DAY)
    history = (last_full - first_full).days + 1
    expected_rest = None
    if history >= HISTORY_DAYS:
        mean = sum(1 for d in leads_on if first_full <= d <= last_full) / history
        expected_rest = mean * float(len(days_of_month(day)) - day.day + 1 - passed_share(world, day))

    return Line(
        qualified=sum(1 for d in leads_on if d == day),
        credited=sum((v for d, v in values_on if d == day), ZERO),
        mtd_leads=mtd_leads,
        mtd_value=mtd_value,
        ideal_leads=target_leads * share if target_leads is not None else None,
        ideal_value=Fraction(target_value) * share if target_value is not None else None,
        target_leads=target_leads,
        target_value=target_value,
        expected_rest=expected_rest,
    )


def targets(world: World, month: date, persona: str) -> tuple[Fraction | None, Decimal | None]:
    """Target leads and target value of a month and persona; one of zero is no target."""
    rows = [
        row
        for row in world.agreement.policy["marketing_targets"]
        if row["target_month"] == month and row["persona"] == persona
    ]
    if not rows:
        return None, None
    row = rows[0]
    leads = None
    if row["target_leads"] is not None:
        leads = exact(row["target_leads"])
    elif row["leads_per_rep"] is not None:
        leads = exact(row["leads_per_rep"]) * active_reps(world, month, persona)
    value = None
    if row["target_value_usd"] is not None:
        value = cents(exact(row["target_value_usd"]))
    elif leads is not None:
        cells = world.agreement.passing_cells(persona, month)
        lowest = cells[-1]["journey_stage"] if cells else None
        each = world.agreement.lead_value(persona, lowest, None, month)
        value = cents(leads * Fraction(each)) if each is not None else None
    return leads or None, value or None


def passed_share(world: World, day: date) -> Fraction:
    """The part of a day that has passed by `as_of`: 1 for a past day."""
    if day < world.days.of(world.as_of):
        return Fraction(1)
    begins, ends = world.days.start(day), world.days.end(day)
    passed = world.as_of - begins
    return Fraction(passed // passed.resolution, (ends - begins) // passed.resolution)


def ideal_share(world: World, settings: Settings, day: date) -> Fraction:
    """The part of the month's target that the ideal line wants by a day's end, or by `as_of` on its day."""
    month = days_of_month(day)
    if settings.pacing == "business_days":
        # A month without a business day is paced by all its days.
        month = [d for d in month if world.agreement.default_calendar.is_open_on(d)] or month
    passed = Fraction(sum(1 for d in month if d < day))
    if day in month:
        passed += passed_share(world, day)
    return passed / len(month)


def _total(lines: list[Line]) -> Line:
    """The sums of the personas' rows: a missing target adds nothing, all missing is missing."""

    def total(values):
        present = [value for value in values if value is not None]
        return sum(present[1:], present[0]) if present else None

    return Line(
        qualified=sum(line.qualified for line in lines),
        credited=sum((line.credited for line in lines), ZERO),
        mtd_leads=sum(line.mtd_leads for line in lines),
        mtd_value=sum((line.mtd_value for line in lines), ZERO),
        ideal_leads=total(line.ideal_leads for line in lines),
        ideal_value=total(line.ideal_value for line in lines),
        target_leads=total(line.target_leads for line in lines),
        target_value=total(line.target_value for line in lines),
        expected_rest=total(line.expected_rest for line in lines),
    )


def _row(settings: Settings, day: date, persona: str, line: Line) -> Row:
    forecast = low = high = None
    if line.expected_rest is not None:
        spread = Z_80 * sqrt(line.expected_rest)
        forecast = line.mtd_leads + line.expected_rest
        low = line.mtd_leads + max(0.0, line.expected_rest - spread)
        high = line.mtd_leads + line.expected_rest + spread
    return {
        "date_day": day,
        "persona": persona,
        "qualified_leads": line.qualified,
        "credited_value_usd": line.credited,
        "mtd_leads": line.mtd_leads,
        "mtd_value_usd": line.mtd_value,
        "ideal_mtd_leads": float(line.ideal_leads) if line.ideal_leads is not None else None,
        "ideal_mtd_value_usd": cents(round(line.ideal_value, IDEAL_DIGITS)) if line.ideal_value is not None else None,
        "target_leads": float(line.target_leads) if line.target_leads is not None else None,
        "target_value_usd": line.target_value,
        "leads_attainment_rate": float(line.mtd_leads / line.target_leads) if line.target_leads else None,
        "value_attainment_rate": float(line.mtd_value / line.target_value) if line.target_value else None,
        "pace": _pace(settings, line),
        "forecast_leads": forecast,
        "forecast_leads_low": low,
        "forecast_leads_high": high,
    }


def _pace(settings: Settings, line: Line) -> str:
    """Against the ideal line, by value where there is a value target, else by leads."""
    if line.target_value is not None:
        done, ideal = Fraction(line.mtd_value), line.ideal_value
    elif line.target_leads is not None:
        done, ideal = Fraction(line.mtd_leads), line.ideal_leads
    else:
        return "no_target"
    tolerance = exact(settings.pace_tolerance)
    if done < ideal * (1 - tolerance) - Fraction(PACE_SLACK):
        return "behind"
    if done > ideal * (1 + tolerance) + Fraction(PACE_SLACK):
        return "ahead"
    return "on_pace"
