"""Speed to lead of one person with a conversion."""

from datetime import datetime, timedelta

from reference.records import Lead, World
from reference.sales_sla import owner_calendar
from reference.settings import Row, earliest, minutes

BANDS = [
    (timedelta(minutes=5), "<=5m"),
    (timedelta(minutes=30), "5-30m"),
    (timedelta(minutes=60), "30-60m"),
    (timedelta(hours=24), "1-24h"),
]


def speed_to_lead(world: World, lead: Lead) -> Row | None:
    """The row of a person, None for one without a conversion."""
    activities = world.activities_of(lead)
    conversions = [a.occurred_at for a in activities if a.is_conversion]
    if not conversions:
        return None
    converted_at = conversions[0]
    touched_at = earliest(a.occurred_at for a in activities if a.is_touch and a.occurred_at >= converted_at)
    contacted_at = earliest(a.occurred_at for a in activities if a.is_contact and a.occurred_at >= converted_at)
    assigned_at = _first_owned(lead, converted_at)
    begun_at = earliest([assigned_at, touched_at])

    elapsed = business = rep_delay = None
    if touched_at is not None:
        elapsed = minutes(touched_at - converted_at)
        business = minutes(owner_calendar(world, lead, converted_at).open_time(converted_at, touched_at))
        rep_delay = minutes(touched_at - begun_at)
    return {
        "lead_id": lead.lead_id,
        "first_conversion_at": converted_at,
        "assigned_at": assigned_at,
        "first_touch_at": touched_at,
        "first_contact_at": contacted_at,
        "elapsed_minutes": elapsed,
        "business_minutes": business,
        "system_delay_minutes": minutes(begun_at - converted_at) if begun_at is not None else None,
        "rep_delay_minutes": rep_delay,
        "speed_band": _band(converted_at, touched_at),
    }


def _first_owned(lead: Lead, start: datetime) -> datetime | None:
    """The first instant from `start` on with an owner."""
    if lead.owner_at(start) is not None:
        return start
    return earliest(at for at, owner in lead.owners if owner is not None and at > start)


def _band(converted_at: datetime, touched_at: datetime | None) -> str:
    if touched_at is None:
        return "never"
    for bound, band in BANDS:
        if touched_at - converted_at <= bound:
            return band
    return ">24h"
