"""Every mart of the contract, as rows."""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from reference.agreement import Agreement, cents, exact
from reference.marketing_sla import credits, marketing_daily
from reference.qualification import qualification, stages_reached
from reference.records import Lead, World, build_world
from reference.sales_sla import Obligation, obligations
from reference.settings import DAY, Days, Row, Settings, Tables, days_between, earliest, month_of
from reference.speed_to_lead import speed_to_lead

KEYS: dict[str, tuple[str, ...]] = {
    "dim_leads": ("lead_id",),
    "dim_reps": ("rep_id",),
    "fct_lead_stages": ("lead_id", "journey_stage"),
    "fct_qualified_leads": ("lead_id",),
    "fct_sales_touches": ("activity_id",),
    "fct_sales_sla_obligations": ("lead_id", "rule_id", "triggered_at", "trigger_activity_id"),
    "fct_sales_sla_daily": ("date_day", "rule_id", "rep_id"),
    "do_not_be_on_it": ("lead_id", "rule_id", "triggered_at", "due_at"),
    "due_soon": ("lead_id", "rule_id", "triggered_at", "due_at"),
    "rep_scorecard": ("week_start_date", "rep_id", "rule_id"),
    "fct_speed_to_lead": ("lead_id",),
    "fct_marketing_credits": ("lead_id", "activity_id"),
    "fct_marketing_sla_daily": ("date_day", "persona"),
    "fct_funnel_monthly": ("created_month", "persona", "lead_source"),
}
"""The natural key of each mart. (A null is a value of its own in a key.)"""


def build_marts(raw: Tables, policy: Tables, settings: Settings) -> dict[str, list[Row]]:
    """Every mart, from raw rows (dicts with all columns of the raw contract) and typed policy rows."""
    agreement = Agreement(policy, settings.default_calendar)
    days = Days(ZoneInfo(settings.reporting_time_zone))
    world = build_world(raw, agreement, days, settings)
    if world is None:
        return {mart: [] for mart in KEYS}

    promises = [obligation for lead in world.recorded() for obligation in obligations(world, lead)]
    qualified = fct_qualified_leads(world)
    credited = fct_marketing_credits(world)
    return {
        "dim_leads": dim_leads(world),
        "dim_reps": dim_reps(world),
        "fct_lead_stages": fct_lead_stages(world),
        "fct_qualified_leads": qualified,
        "fct_sales_touches": fct_sales_touches(world),
        "fct_sales_sla_obligations": [_obligation_row(obligation) for obligation in promises],
        "fct_sales_sla_daily": fct_sales_sla_daily(world, promises),
        "do_not_be_on_it": [_listed(world, o) for o in promises if o.status == "violating"],
        "due_soon": [_listed(world, o) for o in promises if o.status == "at_risk"],
        "rep_scorecard": rep_scorecard(world, promises),
        "fct_speed_to_lead": [row for lead in world.persons() if (row := speed_to_lead(world, lead))],
        "fct_marketing_credits": credited,
        "fct_marketing_sla_daily": marketing_daily(world, settings, qualified, credited),
        "fct_funnel_monthly": fct_funnel_monthly(world),
    }


# --- leads and reps ---------------------------------------------------------------------------------------------------


def dim_leads(world: World) -> list[Row]:
    """A row for every lead but test leads; a merged one shows its own record's values."""
    rows = []
    for lead in world.recorded():
        activities = world.activities_of(lead)
        reached = stages_reached(world, lead)
        qualified = qualification(world, lead)
        cancellation = world.cancellation(lead)
        rows.append(
            {
                "lead_id": lead.lead_id,
                "persona": lead.persona_at(world.as_of),
                "journey_stage": max(reached, key=lambda stage: world.agreement.rank[stage], default=None),
                "is_qualified": qualified is not None,
                "qualified_at": qualified.qualified_at if qualified else None,
                "owner_id": lead.owner_at(world.as_of),
                "lead_source": lead.current["lead_source"],
                "created_at": lead.created_at,
                "first_conversion_at": earliest(a.occurred_at for a in activities if a.is_conversion),
                "first_touch_at": earliest(a.occurred_at for a in activities if a.is_touch),
                "won_at": world.won_at(lead),
                "cancelled_at": cancellation[0] if cancellation else None,
                "cancel_reason": cancellation[1] if cancellation else None,
            }
        )
    return rows


def dim_reps(world: World) -> list[Row]:
    """A row for every rep, by its current version."""
    columns = ("rep_id", "full_name", "team", "manager_id", "calendar_id", "active_from", "active_to")
    return [{column: rep[column] for column in columns} for _, rep in sorted(world.reps.items())]


# --- qualification ----------------------------------------------------------------------------------------------------


def fct_lead_stages(world: World) -> list[Row]:
    """A row for every person and stage reached."""
    return [
        {
            "lead_id": lead.lead_id,
            "journey_stage": stage,
            "reached_at": proof.occurred_at,
            "activity_id": proof.activity_id,
        }
        for lead in world.persons()
        for stage, proof in stages_reached(world, lead).items()
    ]


def fct_qualified_leads(world: World) -> list[Row]:
    """A row for every qualified person."""
    rows = []
    for lead in world.persons():
        qualified = qualification(world, lead)
        if qualified is None:
            continue
        rows.append(
            {
                "lead_id": lead.lead_id,
                "qualified_at": qualified.qualified_at,
                "qualified_date": world.days.of(qualified.qualified_at),
                "persona": qualified.persona,
                "journey_stage": qualified.journey_stage,
                "activity_id": qualified.proof.activity_id,
                "lead_source": lead.current["lead_source"],
                "matrix_valid_from": qualified.matrix_valid_from,
            }
        )
    return rows


def fct_marketing_credits(world: World) -> list[Row]:
    """A row for every credit of every qualified person."""
    rows = []
    for lead in world.persons():
        qualified = qualification(world, lead)
        if qualified is not None:
            rows += credits(world, lead, qualified)
    return rows


# --- Sales SLA --------------------------------------------------------------------------------------------------------


def fct_sales_touches(world: World) -> list[Row]:
    """A row for every touch of every person."""
    rows = []
    for lead in world.persons():
        touches = [a for a in world.activities_of(lead) if a.is_touch]
        for number, touch in enumerate(touches, start=1):
            rows.append(
                {
                    "activity_id": touch.activity_id,
                    "lead_id": lead.lead_id,
                    "rep_id": touch.actor_id,
                    "touch_channel": touch.touch_channel,
                    "occurred_at": touch.occurred_at,
                    "touch_number": number,
                }
            )
    return rows


def _obligation_row(o: Obligation) -> Row:
    return {
        "lead_id": o.lead.lead_id,
        "rule_id": o.rule["rule_id"],
        "rule_valid_from": o.rule["valid_from"],
        "trigger_activity_id": o.trigger.activity_id,
        "triggered_at": o.trigger.at,
        "due_at": o.due_at,
        "required_touches": o.rule["required_touches"],
        "touches_by_due": o.touches_by_due,
        "touches_total": o.touches_total,
        "satisfied_at": o.satisfied_at,
        "satisfying_activity_id": o.satisfying_activity_id,
        "cancelled_at": o.cancelled_at,
        "cancel_reason": o.cancel_reason,
        "owner_at_trigger": o.owner_at_trigger,
        "responsible_rep_id": o.responsible,
        "persona": o.persona,
        "status": o.status,
        "is_breached": o.is_breached,
        "breached_at": o.due_at if o.is_breached else None,
        "response_minutes": o.response_minutes,
        "late_minutes": o.late_minutes,
    }


def counts_in_due(world: World, o: Obligation) -> bool:
    """Met or breached, with the deadline behind us: pending and cancelled ones are in neither."""
    return o.due_at < world.as_of and (o.status == "met" or o.is_breached)


def fct_sales_sla_daily(world: World, promises: list[Obligation]) -> list[Row]:
    """A row for every day, rule and responsible rep with something to count."""
    today = world.days.of(world.as_of)
    counts: dict[tuple, Counter] = defaultdict(Counter)
    for o in promises:
        rule_id, rep_id = o.rule["rule_id"], o.responsible
        counts[world.days.of(o.trigger.at), rule_id, rep_id]["triggered"] += 1
        if o.due_at < world.as_of:
            due_day = counts[world.days.of(o.due_at), rule_id, rep_id]
            if o.status == "cancelled":
                due_day["cancelled"] += 1
            if counts_in_due(world, o):
                due_day["due"] += 1
                due_day["met" if o.status == "met" else "breached"] += 1
        for day in days_between(world.days.of(o.due_at), today):
            ends = min(world.days.end(day), world.as_of)
            if o.is_open_violation_at(ends):
                counts[day, rule_id, rep_id]["open_violations"] += 1
    return [
        {
            "date_day": day,
            "rule_id": rule_id,
            "rep_id": rep_id,
            "triggered": count["triggered"],
            "due": count["due"],
            "met": count["met"],
            "breached": count["breached"],
            "cancelled": count["cancelled"],
            "open_violations": count["open_violations"],
            "attainment_rate": count["met"] / count["due"] if count["due"] else None,
        }
        for (day, rule_id, rep_id), count in sorted(counts.items())
        if any(count.values())
    ]


def _listed(world: World, o: Obligation) -> Row:
    """A row of the lists that people read by name."""
    rep = world.reps.get(o.responsible)
    is_violating = o.status == "violating"
    return {
        "rule_id": o.rule["rule_id"],
        "rule_name": o.rule["rule_name"],
        "lead_id": o.lead.lead_id,
        "responsible_rep_id": o.responsible,
        "rep_name": rep["full_name"] if rep is not None else o.responsible,
        "team": rep["team"] if rep is not None else None,
        "current_owner_id": o.lead.owner_at(world.as_of),
        "triggered_at": o.trigger.at,
        "due_at": o.due_at,
        "touches_total": o.touches_total,
        "required_touches": o.rule["required_touches"],
        "late_minutes": o.late_minutes,
        "violation_age_days": (world.as_of - o.due_at) / timedelta(days=1) if is_violating else None,
    }


def percentile(values: list[float], share: float) -> float:
    """The percentile of a list, interpolated linearly between its neighbours."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def rep_scorecard(world: World, promises: list[Obligation]) -> list[Row]:
    """A row for every week of the deadline, rep and rule with an obligation that counts in `due`."""
    groups: dict[tuple, list[Obligation]] = defaultdict(list)
    for o in promises:
        if counts_in_due(world, o):
            due_day = world.days.of(o.due_at)
            monday = due_day - due_day.weekday() * DAY
            groups[monday, o.responsible, o.rule["rule_id"]].append(o)
    rows = []
    for (monday, rep_id, rule_id), group in sorted(groups.items()):
        met = sum(1 for o in group if o.status == "met")
        response = [o.response_minutes for o in group]
        rows.append(
            {
                "week_start_date": monday,
                "rep_id": rep_id,
                "rule_id": rule_id,
                "due": len(group),
                "met": met,
                "breached": len(group) - met,
                "attainment_rate": met / len(group),
                "p50_response_minutes": percentile(response, 0.5),
                "p90_response_minutes": percentile(response, 0.9),
            }
        )
    return rows


# --- funnel -----------------------------------------------------------------------------------------------------------


def fct_funnel_monthly(world: World) -> list[Row]:
    """A row for every month of creation, persona at `as_of` and source, over persons."""
    groups: dict[tuple, list[Lead]] = defaultdict(list)
    for lead in world.persons():
        month = month_of(world.days.of(lead.created_at))
        groups[month, lead.persona_at(world.as_of), lead.current["lead_source"]].append(lead)

    def count(group: list[Lead], test: Callable[[Lead], bool]) -> int:
        return sum(1 for lead in group if test(lead))

    return [
        {
            "created_month": month,
            "persona": persona,
            "lead_source": lead_source,
            "leads": len(group),
            "qualified": count(group, lambda lead: qualification(world, lead) is not None),
            "touched": count(group, lambda lead: any(a.is_touch for a in world.activities_of(lead))),
            "contacted": count(group, lambda lead: any(a.is_contact for a in world.activities_of(lead))),
            "deals": count(group, lambda lead: bool(world.deals_of(lead))),
            "won": count(group, lambda lead: world.won_at(lead) is not None),
            "won_value_usd": cents(sum((_won_value(world, lead) for lead in group), Decimal(0))),
        }
        for (month, persona, lead_source), group in groups.items()
    ]


def _won_value(world: World, lead: Lead) -> Decimal:
    amounts = [deal.amount for deal in world.deals_of(lead) if deal.won_at is not None and deal.amount is not None]
    return sum((cents(exact(amount)) for amount in amounts), Decimal(0))
