"""The generator is worth something only while its traps spring: each is counted over a fixed set of companies.

The same companies show that the reference runs on whatever the generator can make, and keeps the promises that hold for
every company.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from reference import KEYS, Settings, build_marts
from reference.agreement import Agreement, exact
from reference.calendars import Calendar
from reference.contract import ORDERING, RAW_COLUMNS
from reference.marketing_sla import targets
from reference.qualification import qualification
from reference.records import Lead, World, build_world
from reference.sales_sla import Obligation, obligations, triggers
from reference.settings import DAY, Days, as_of_of, days_between, local_time
from strategies import STAGES, ZONES, Case, cases, company, policies, smallest

DRAWS = 400
SECOND = timedelta(seconds=1)
FIXED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Drawn:
    """A case with what the reference makes of it."""

    case: Case

    @cached_property
    def marts(self) -> dict[str, list[dict]]:
        return build_marts(self.case.raw, self.case.policy, self.case.settings)

    @cached_property
    def agreement(self) -> Agreement:
        return Agreement(self.case.policy, self.case.settings.default_calendar)

    @cached_property
    def world(self) -> World | None:
        days = Days(ZoneInfo(self.case.settings.reporting_time_zone))
        return build_world(self.case.raw, self.agreement, days, self.case.settings)

    @cached_property
    def promises(self) -> list[Obligation]:
        return [o for lead in self.world.recorded() for o in obligations(self.world, lead)]


@lru_cache
def draws() -> list[Drawn]:
    return [Drawn(company(seed)) for seed in range(DRAWS)]


# --- the traps --------------------------------------------------------------------------------------------------------

Traps = Iterator[tuple[str, bool]]


def traps_of_the_agreement(drawn: Drawn) -> Traps:
    policy, agreement = drawn.case.policy, drawn.agreement
    zones = {row["time_zone"] for row in policy["business_calendars"]}
    for zone in ZONES:
        yield f"a calendar in {zone}", zone in zones
    for seed in ("personas", "buyer_matrix", "lead_values", "sales_sla_rules"):
        yield f"a version of {seed} begins", any(row["valid_from"].year > 2015 for row in policy[seed])
        yield f"a version of {seed} ends", any(row["valid_to"] is not None for row in policy[seed])
    versions = defaultdict(list)
    for row in policy["sales_sla_rules"]:
        versions[row["rule_id"]].append(row)
    pairs = [rows for rows in versions.values() if len(rows) == 2]
    for column in ("trigger", "persona", "touch_channel", "required_touches", "within_hours", "clock"):
        yield f"a rule changes its {column}", any(a[column] != b[column] for a, b in pairs)
    for trigger in ("new_lead", "qualified", "assigned", "demo_request", "reply", "voicemail"):
        yield f"a rule on {trigger}", any(row["trigger"] == trigger for row in policy["sales_sla_rules"])
    shifts = Counter((row["calendar_id"], row["iso_weekday"]) for row in policy["business_calendars"])
    yield "a split shift", max(shifts.values()) > 1
    yield "a day that closes at 24:00", any(row["closes_at"] == "24:00" for row in policy["business_calendars"])
    holidays = [(row, shifts[row["calendar_id"], row["holiday_date"].isoweekday()]) for row in policy["holidays"]]
    yield "a holiday", any(row["opens_at"] is None and usual for row, usual in holidays)
    yield "a short day", any(row["opens_at"] is not None and usual for row, usual in holidays)
    yield "a working holiday", any(row["opens_at"] is not None and not usual for row, usual in holidays)
    lowest = {persona: agreement.passing_cells(persona, date(2015, 1, 1)) for persona in agreement.matrix_personas}
    yield "a persona that passes nowhere", any(not cells for cells in lowest.values())
    cells = {(row["persona"], row["journey_stage"]) for row in policy["lead_values"] if row["activity_type"] is None}
    yield "a cell without a value", len(cells) < len(agreement.matrix_personas) * len(STAGES)
    yield "a value of its own for a type", any(row["activity_type"] for row in policy["lead_values"])
    for column in ("leads_per_rep", "target_leads", "target_value_usd"):
        yield f"a target by {column}", any(row[column] is not None for row in policy["marketing_targets"])
    yield "no targets", not policy["marketing_targets"]


def traps_of_the_settings(drawn: Drawn) -> Traps:
    chosen = drawn.case.settings
    yield "the newest load tells the time", chosen.as_of is None
    yield "a default calendar of another name", chosen.default_calendar != "default"
    yield "pacing by business days", chosen.pacing == "business_days"
    yield "no tolerance", chosen.pace_tolerance == 0
    for zone in ("UTC", *ZONES):
        yield f"reporting in {zone}", chosen.reporting_time_zone == zone


def traps_of_the_raw_rows(drawn: Drawn) -> Traps:
    raw = drawn.case.raw
    for table, rows in raw.items():
        yield f"empty {table}", not rows
    as_of = as_of_of(raw, drawn.case.settings)
    if as_of is None:
        return
    leads, activities = raw["leads"], raw["activities"]
    lead_ids = {row["lead_id"] for row in leads}
    for table, rows in raw.items():
        yield f"exact duplicates in {table}", len(rows) > len({tuple(row.values()) for row in rows})
        yield f"rows of {table} loaded after as_of", any(row["_loaded_at"] > as_of for row in rows)
    for table, key in (("leads", "lead_id"), ("deals", "deal_id")):
        loads = defaultdict(set)
        for row in raw[table]:
            loads[row[key], row["updated_at"]].add(row["_loaded_at"])
        yield f"version ties on updated_at in {table}", any(len(loaded) > 1 for loaded in loads.values())
    contested = Counter((row["lead_id"], row["changed_at"]) for row in raw["owner_changes"])
    yield "two owner changes at one instant", max(contested.values(), default=0) > 1
    order = [row["_loaded_at"] for row in activities]
    yield "rows out of order", order != sorted(order)

    seen = [row for row in activities if row["_loaded_at"] <= as_of]
    yield "an activity in the future", any(row["occurred_at"] > as_of for row in seen)
    yield "a lead version in the future", any(row["updated_at"] > as_of >= row["_loaded_at"] for row in leads)
    yield "a lead created in the future", any(row["created_at"] > as_of >= row["_loaded_at"] for row in leads)
    yield "an owner change in the future", any(r["changed_at"] > as_of >= r["_loaded_at"] for r in raw["owner_changes"])
    for column in ("disqualified_at", "opted_out_at", "merged_at"):
        yield f"{column} in the future", any(row[column] is not None and row[column] > as_of for row in leads)
    won = [row for row in raw["deals"] if row["status"] == "won" and row["updated_at"] <= as_of]
    yield "a won deal without closed_at", any(row["closed_at"] is None for row in won)
    versions = defaultdict(list)
    for row in sorted(seen, key=lambda row: row["_loaded_at"]):
        versions[row["activity_id"]].append(row)
    yield "a deleted activity", any(rows[-1]["is_deleted"] for rows in versions.values())
    yield (
        "a restored activity",
        any(not rows[-1]["is_deleted"] and any(row["is_deleted"] for row in rows) for rows in versions.values()),
    )
    yield (
        "an activity postponed into the future",
        any(rows[-1]["occurred_at"] > as_of >= rows[0]["occurred_at"] for rows in versions.values()),
    )
    for column in ("lead_id", "activity_type", "occurred_at"):
        yield (
            f"an activity corrected in {column}",
            any(len({r[column] for r in rows}) > 1 for rows in versions.values()),
        )
    yield "an activity of an unknown lead", any(row["lead_id"] not in lead_ids for row in seen)
    yield "an unknown activity type", any(row["activity_type"] == "carrier_pigeon" for row in seen)
    yield "a type named like a trigger", any(row["activity_type"] in ("qualified", "new_lead") for row in seen)
    yield "an automated conversion", any(r["is_automated"] and r["activity_type"] == "demo_request" for r in seen)
    yield "an automated touch", any(row["is_automated"] and row["activity_type"] == "call" for row in seen)
    yield "an unknown rep", any(row["actor_id"] == "R_ghost" for row in seen)
    yield "an unknown calendar", any(row["calendar_id"] == "atlantis" for row in raw["reps"])
    times = Counter((row["lead_id"], row["occurred_at"]) for row in seen)
    yield "two activities at one instant", max(times.values(), default=0) > 1


def traps_of_merges(drawn: Drawn) -> Traps:
    world = drawn.world
    merged = [lead for lead in world.leads.values() if lead.is_merged]
    chains = {lead.lead_id: world.later_survivors(lead.lead_id) for lead in merged}
    yield "a merge", bool(merged)
    yield "a chain of merges", any(len(chain) > 1 for chain in chains.values())
    yield (
        "a chain whose later merge happened first",
        any(
            chain[0].is_merged and chain[0].merged_at < world.leads[lead_id].merged_at
            for lead_id, chain in chains.items()
        ),
    )
    yield "a merge into a test lead", any(chain[-1].is_test for chain in chains.values())
    yield "a test lead within a chain", any(any(lead.is_test for lead in chain[:-1]) for chain in chains.values())
    wanted = {
        lead.lead_id: lead.current["merged_into_lead_id"]
        for lead in world.leads.values()
        if lead.current["merged_at"] is not None and lead.current["merged_at"] <= world.as_of
    }
    unmerged = {lead_id: survivor for lead_id, survivor in wanted.items() if not world.leads[lead_id].is_merged}
    circles = {lead_id for lead_id, survivor in unmerged.items() if survivor in world.leads}
    yield "a lead merged into itself", any(lead_id == survivor for lead_id, survivor in unmerged.items())
    yield "a circle of leads", any(unmerged[lead_id] != lead_id for lead_id in circles)
    yield "a lead merged into a circle", any(lead.merged_into in circles for lead in merged)
    yield "a merge into a lead that does not exist", any(survivor not in world.leads for survivor in unmerged.values())
    yield (
        "a merge without a date",
        any(
            lead.current["merged_into_lead_id"] is not None and lead.current["merged_at"] is None
            for lead in world.leads.values()
        ),
    )
    of_merged = [a for a in world.activities if a.lead_id in chains]
    yield (
        "an activity of a merged lead at the very merge",
        any(a.occurred_at == world.leads[a.lead_id].merged_at for a in of_merged),
    )
    yield (
        "an activity of a merged lead after the merge",
        any(a.occurred_at > world.leads[a.lead_id].merged_at for a in of_merged),
    )
    kept = [o for o in drawn.promises if o.lead.is_merged]
    yield "an obligation cancelled by a merge", any(o.cancel_reason == "merged" for o in kept)
    yield "a qualified trigger of a merged lead", any(o.trigger.kind == "qualified" for o in kept)
    own = {a.activity_id: a.lead_id for a in world.activities}
    yield (
        "a survivor's obligation on a merged lead's activity",
        any(own.get(o.trigger.activity_id, o.lead.lead_id) != o.lead.lead_id for o in drawn.promises),
    )
    yield (
        "a survivor's obligation satisfied by a merged lead's touch",
        any(own.get(o.satisfying_activity_id, o.lead.lead_id) != o.lead.lead_id for o in drawn.promises),
    )
    yield (
        "a merged lead's won deal cancels its survivor",
        any(
            o.cancel_reason == "won" and not any(d.lead_id == o.lead.lead_id and d.won_at for d in world.deals)
            for o in drawn.promises
        ),
    )


def traps_of_obligations(drawn: Drawn) -> Traps:
    world, promises = drawn.world, drawn.promises
    for status in ("met", "cancelled", "pending", "at_risk", "late", "closed", "violating"):
        yield f"status {status}", any(o.status == status for o in promises)
    for reason in ("won", "disqualified", "opted_out", "deleted", "merged"):
        yield f"cancelled as {reason}", any(o.cancel_reason == reason for o in promises)
    for kind in ("new_lead", "qualified", "assigned", "demo_request", "free_trial", "reply"):
        yield f"an obligation on {kind}", any(o.trigger.kind == kind for o in promises)

    near: Counter[str] = Counter()
    for o in promises:
        for touch in world.activities_of(o.lead):
            if touch.is_touch:
                for name, offset in (("at", 0 * SECOND), ("a second before", -SECOND), ("a second after", SECOND)):
                    near[f"a touch {name} the trigger"] += touch.occurred_at == o.trigger.at + offset
                    near[f"a touch {name} the deadline"] += touch.occurred_at == o.due_at + offset
                near["a touch at the cancellation"] += touch.occurred_at == o.cancelled_at
        for name, offset in (("at", 0 * SECOND), ("a second before", -SECOND), ("a second after", SECOND)):
            near[f"as_of {name} a deadline"] += world.as_of == o.due_at + offset
            near[f"cancelled {name} the deadline"] += o.cancelled_at == o.due_at + offset
        warned = o.clock.deadline(o.trigger.at, Agreement.window(o.rule) * float(exact(o.rule["warn_fraction"])))
        near["as_of at the warning"] += world.as_of == warned
        changes = [at for at, _ in o.lead.owners]
        near["the owner changes at the deadline"] += o.due_at in changes
        near["the owner changes while it runs"] += any(o.trigger.at < at < o.due_at for at in changes)
        near["nobody is responsible"] += o.responsible == "unassigned"
        near["an unknown owner is responsible"] += o.responsible == "R_ghost"
        near["nobody at the trigger, somebody at the deadline"] += (
            o.owner_at_trigger == "unassigned" and o.responsible != "unassigned"
        )
        near["several touches required"] += o.rule["required_touches"] > 1 and o.satisfied_at is not None
        near["touches beyond satisfaction"] += (
            o.satisfied_at is not None and o.touches_total > o.rule["required_touches"]
        )
        near["a channel required"] += o.rule["touch_channel"] is not None and o.touches_total > 0
        near["a rule for a persona binds"] += o.rule["persona"] is not None
        near["an unknown persona"] += o.persona == "unknown"
        near["the rule changed while it ran"] += (
            o.rule["valid_to"] is not None and world.days.of(o.due_at) >= o.rule["valid_to"]
        )
        near["late by no open minute"] += o.is_breached and o.late_minutes == 0
        near["a month or more to go"] += o.due_at > world.as_of + 28 * DAY
        if isinstance(o.clock, Calendar):
            cut, stretched = night_shift(o.clock, o.trigger.at, o.due_at)
            near["open hours skipped by a clock change"] += cut
            near["open hours repeated by a clock change"] += stretched
            near["a business deadline met"] += o.status == "met"
            near["due at a closing time"] += any(
                o.due_at == c for _, c in o.clock.windows(local_day(o.clock, o.due_at))
            )
            near["triggered outside opening hours"] += not any(
                opens <= o.trigger.at < closes for opens, closes in o.clock.windows(local_day(o.clock, o.trigger.at))
            )
    for lead in world.recorded():
        opened = [o for o in promises if o.lead is lead]
        events = triggers(world, lead)
        for earlier in opened:
            again = [e for e in events if e.kind == earlier.trigger.kind and e != earlier.trigger]
            same = {e.trigger for e in opened if e.rule["rule_id"] == earlier.rule["rule_id"]}
            near["a repeated trigger opens nothing"] += any(
                earlier.trigger.at <= e.at < earlier.due_at and e not in same for e in again
            )
            near["a trigger at the very deadline opens"] += any(e.at == earlier.due_at for e in again if e in same)
            near["a trigger at the satisfying touch opens"] += any(
                e.at == earlier.satisfied_at > earlier.trigger.at for e in again if e in same
            )
        cancellation = world.cancellation(lead)
        if cancellation is not None:
            near["a trigger at the cancellation"] += any(e.at == cancellation[0] for e in events)
            near["a trigger after the cancellation"] += any(e.at > cancellation[0] for e in events)
        near["an owner change before the creation"] += any(
            row["lead_id"] == lead.lead_id and row["changed_at"] < lead.created_at
            for row in drawn.case.raw["owner_changes"]
        )
        near["no owner changes"] += len(lead.owners) == 1 and lead.owners[0][0] == lead.created_at
        near["an owner taken away"] += any(owner is None for _, owner in lead.owners[1:])
    for name in NEAR:
        yield name, near[name] > 0
    assert set(near) <= set(NEAR), set(near) - set(NEAR)


# Counted row by row in `traps_of_obligations`.
NEAR = (
    *(f"a touch {n} the {w}" for n in ("at", "a second before", "a second after") for w in ("trigger", "deadline")),
    *(f"as_of {name} a deadline" for name in ("at", "a second before", "a second after")),
    *(f"cancelled {name} the deadline" for name in ("at", "a second before", "a second after")),
    "a touch at the cancellation",
    "as_of at the warning",
    "the owner changes at the deadline",
    "the owner changes while it runs",
    "nobody is responsible",
    "an unknown owner is responsible",
    "nobody at the trigger, somebody at the deadline",
    "several touches required",
    "touches beyond satisfaction",
    "a channel required",
    "a rule for a persona binds",
    "an unknown persona",
    "the rule changed while it ran",
    "late by no open minute",
    "a month or more to go",
    "open hours skipped by a clock change",
    "open hours repeated by a clock change",
    "a business deadline met",
    "due at a closing time",
    "triggered outside opening hours",
    "a repeated trigger opens nothing",
    "a trigger at the very deadline opens",
    "a trigger at the satisfying touch opens",
    "a trigger at the cancellation",
    "a trigger after the cancellation",
    "an owner change before the creation",
    "no owner changes",
    "an owner taken away",
)


def local_day(calendar: Calendar, instant: datetime) -> date:
    return local_time(instant, calendar.zone).date()


def night_shift(calendar: Calendar, start: datetime, end: datetime) -> tuple[bool, bool]:
    """Whether between two instants a day has fewer open hours than its shifts say, and whether one has more."""
    cut = stretched = False
    for day in days_between(local_day(calendar, start), local_day(calendar, end)):
        if (
            local_time(calendar_midnight(calendar, day), calendar.zone).utcoffset()
            == local_time(calendar_midnight(calendar, day + DAY), calendar.zone).utcoffset()
        ):
            continue
        holiday = calendar.holidays.get(day)
        shifts = [s for s in calendar.shifts if s["iso_weekday"] == day.isoweekday()] if holiday is None else [holiday]
        promised = sum((clock(s["closes_at"]) - clock(s["opens_at"]) for s in shifts if s["opens_at"]), 0 * SECOND)
        open_time = sum((closes - opens for opens, closes in calendar.windows(day)), 0 * SECOND)
        cut, stretched = cut or open_time < promised, stretched or open_time > promised
    return cut, stretched


def calendar_midnight(calendar: Calendar, day: date) -> datetime:
    return Days(calendar.zone).start(day)


def clock(text: str) -> timedelta:
    return timedelta(hours=int(text[:2]), minutes=int(text[3:]))


def traps_of_qualification(drawn: Drawn) -> Traps:
    world = drawn.world
    qualified: dict[str, tuple[Lead, object]] = {}
    for lead in world.persons():
        found = qualification(world, lead)
        if found is not None:
            qualified[lead.lead_id] = (lead, found)
    pairs = list(qualified.values())
    yield "qualified by a change of persona", any(q.qualified_at != q.proof.occurred_at for _, q in pairs)
    yield "qualified before creation", any(q.qualified_at < lead.created_at for lead, q in pairs)
    yield "qualified under a second matrix", any(q.matrix_valid_from.year > 2015 for _, q in pairs)
    yield (
        "qualified, skipping a stage",
        any(
            q.journey_stage == STAGES[2]
            and not any(a.journey_stage == STAGES[1] and a.order <= q.proof.order for a in world.activities_of(lead))
            for lead, q in pairs
        ),
    )
    yield "a persona that changes", any(lead.persona_changes() for lead in world.persons())
    yield (
        "merely touched by a matrix that loosened",
        any(
            lead.lead_id not in qualified
            and any(
                a.journey_stage in {c["journey_stage"] for c in world.agreement.passing_cells(persona, today)}
                for a in world.activities_of(lead)
                for persona in [lead.persona_at(world.as_of)]
                for today in [world.days.of(world.as_of)]
            )
            for lead in world.persons()
        ),
    )
    earned = defaultdict(list)
    for row in drawn.marts["fct_marketing_credits"]:
        earned[row["lead_id"]].append(row)
    yield "several credits of one lead", any(len(rows) > 1 for rows in earned.values())
    yield (
        "credits of one lead under two personas",
        any(len({r["persona"] for r in rows}) > 1 for rows in earned.values()),
    )
    yield "a qualified lead without a credit", any(lead_id not in earned for lead_id in qualified)
    yield (
        "a credit for an activity before the qualification",
        any(rows[0]["activity_id"] != qualified[lead_id][1].proof.activity_id for lead_id, rows in earned.items()),
    )
    yield (
        "a credit from a cell that does not pass",
        any(
            row["journey_stage"]
            not in {c["journey_stage"] for c in world.agreement.passing_cells(row["persona"], row["credited_date"])}
            for rows in earned.values()
            for row in rows
        ),
    )


def traps_of_the_marts(drawn: Drawn) -> Traps:
    world, marts = drawn.world, drawn.marts
    for mart in KEYS:
        yield f"rows in {mart}", bool(marts[mart])
    daily = marts["fct_marketing_sla_daily"]
    for pace in ("behind", "on_pace", "ahead", "no_target"):
        yield f"pace {pace}", any(row["pace"] == pace for row in daily)
    yield "a forecast of some leads to come", any((r["forecast_leads"] or 0) > r["mtd_leads"] for r in daily)
    yield "too little history for a forecast", any(row["forecast_leads"] is None for row in daily)
    yield (
        "a value target without a leads target",
        any(row["target_value_usd"] is not None and row["target_leads"] is None for row in daily),
    )
    yield (
        "no rep serves a persona with a target by reps",
        any(
            row["leads_per_rep"] is not None and targets(world, row["target_month"], row["persona"])[0] is None
            for row in drawn.case.policy["marketing_targets"]
        ),
    )
    speed = marts["fct_speed_to_lead"]
    for band in ("<=5m", "5-30m", "30-60m", "1-24h", ">24h", "never"):
        yield f"speed {band}", any(row["speed_band"] == band for row in speed)
    yield "assigned after the conversion", any(row["system_delay_minutes"] and row["assigned_at"] for row in speed)
    yield "touched before anybody owned it", any(row["assigned_at"] is None and row["first_touch_at"] for row in speed)
    yield "a contact without a touch", any(row["first_contact_at"] and not row["first_touch_at"] for row in speed)
    yield "a week with several obligations", any(row["due"] > 1 for row in marts["rep_scorecard"])
    yield (
        "a violation open for days",
        any(row["open_violations"] and not row["due"] for row in marts["fct_sales_sla_daily"]),
    )
    yield "a deal that is not won", any(row["deals"] > row["won"] for row in marts["fct_funnel_monthly"])
    yield (
        "as_of on a day of 23 or 25 hours",
        any(world.days.end(day) - world.days.start(day) != DAY for day in [world.days.of(world.as_of)]),
    )
    yield "as_of at midnight", world.as_of == world.days.start(world.days.of(world.as_of))


@lru_cache
def counted() -> Counter[str]:
    counts: Counter[str] = Counter()
    for drawn in draws():
        parts = [traps_of_the_agreement(drawn), traps_of_the_settings(drawn), traps_of_the_raw_rows(drawn)]
        if drawn.world is not None:
            parts += [traps_of_merges(drawn), traps_of_obligations(drawn), traps_of_qualification(drawn)]
            parts += [traps_of_the_marts(drawn)]
        for part in parts:
            for name, is_sprung in part:
                counts[name] += is_sprung
    return counts


def test_every_trap_springs_in_some_of_the_draws():
    never = sorted(name for name, count in counted().items() if not count)
    assert len(counted()) > 150
    assert not never, f"in {len(draws())} draws no case has: {'; '.join(never)}"


# --- the agreements are valid, the raw rows possible --------------------------------------------------------------------


def assert_valid(policy: dict[str, list[dict]]) -> None:
    keys = {
        "personas": ("persona",),
        "buyer_matrix": ("persona", "journey_stage"),
        "lead_values": ("persona", "journey_stage", "activity_type"),
        "sales_sla_rules": ("rule_id",),
    }
    days = sorted({row["valid_from"] for seed in keys for row in policy[seed]})
    for seed, key in keys.items():
        versions = defaultdict(list)
        for row in policy[seed]:
            versions[tuple(row[column] for column in key)].append(row)
        for rows in versions.values():
            ordered = sorted(rows, key=lambda row: row["valid_from"])
            for before, after in pairwise(ordered):
                assert before["valid_to"] == after["valid_from"], f"{seed}: validity overlaps or has a gap"
    for day in days:
        ranges = sorted(
            (row["min_employees"] or 1, row["max_employees"])
            for row in policy["personas"]
            if row["valid_from"] <= day and (row["valid_to"] is None or day < row["valid_to"])
        )
        assert ranges[0][0] == 1
        assert ranges[-1][1] is None
        assert all(before[1] + 1 == after[0] for before, after in pairwise(ranges))

    personas = {row["persona"] for row in policy["personas"]}
    types = {row["activity_type"]: row for row in policy["activity_types"]}
    for seed in ("buyer_matrix", "lead_values", "marketing_targets", "sales_sla_rules"):
        assert {row["persona"] for row in policy[seed]} - {None} <= personas
    agreement = Agreement(policy, "default")
    for day in days:
        for persona in agreement.matrix_personas:
            passing = [row["journey_stage"] for row in agreement.passing_cells(persona, day)]
            assert passing == list(reversed(STAGES))[: len(passing)], "the matrix is not upward closed"
    for row in policy["sales_sla_rules"]:
        assert row["trigger"] in {"new_lead", "qualified", "assigned", *types}
    for row in policy["lead_values"]:
        assert row["activity_type"] is None or types[row["activity_type"]]["journey_stage"] == row["journey_stage"]

    zones = defaultdict(set)
    shifts = defaultdict(list)
    for row in policy["business_calendars"]:
        zones[row["calendar_id"]].add(row["time_zone"])
        shifts[row["calendar_id"], row["iso_weekday"]].append((row["opens_at"], row["closes_at"]))
    assert "default" in zones
    assert all(len(of_calendar) == 1 for of_calendar in zones.values())
    for of_day in shifts.values():
        assert all(opens < closes for opens, closes in of_day)
        assert all(a[1] <= b[0] for a, b in pairwise(sorted(of_day)))
    holidays = Counter((row["calendar_id"], row["holiday_date"]) for row in policy["holidays"])
    assert max(holidays.values(), default=1) == 1
    assert {calendar_id for calendar_id, _ in holidays} <= set(zones)


def assert_possible(raw: dict[str, list[dict]]) -> None:
    for table, rows in raw.items():
        contents = defaultdict(set)
        for row in rows:
            assert tuple(row) == RAW_COLUMNS[table]
            contents[tuple(row[column] for column in ORDERING[table])].add(tuple(row.values()))
        assert all(len(different) == 1 for different in contents.values())


def test_every_agreement_is_valid_and_all_raw_rows_are_possible():
    for drawn in draws():
        assert_valid(drawn.case.policy)
        assert_possible(drawn.case.raw)


# --- what holds for every company ---------------------------------------------------------------------------------------


def assert_consistent(case: Case, marts: dict[str, list[dict]]) -> None:
    for mart, key in KEYS.items():
        keys = [tuple(row[column] for column in key) for row in marts[mart]]
        assert len(keys) == len(set(keys)), f"{mart} is not unique by {key}"
        assert len({tuple(row) for row in marts[mart]}) <= 1
    as_of = as_of_of(case.raw, case.settings)
    if as_of is not None:
        assert_sales_sla_consistent(as_of, case.settings, marts)
        assert_marketing_sla_consistent(case.policy, marts)
        assert_persons_consistent(marts)


def assert_sales_sla_consistent(as_of: datetime, chosen: Settings, marts: dict[str, list[dict]]) -> None:
    promises = marts["fct_sales_sla_obligations"]
    cancelled_at = {row["lead_id"]: row["cancelled_at"] for row in marts["dim_leads"]}
    past = [o for o in promises if o["due_at"] < as_of]
    for o in promises:
        assert o["status"] in ("met", "cancelled", "pending", "at_risk", "late", "closed", "violating")
        assert o["is_breached"] == (o["status"] in ("late", "closed", "violating"))
        assert o["is_breached"] == (o["breached_at"] is not None) == (o["late_minutes"] is not None)
        assert not o["is_breached"] or o["touches_by_due"] < o["required_touches"]
        assert (o["satisfied_at"] is None) == (o["touches_total"] < o["required_touches"])
        assert o["satisfied_at"] is None or o["cancelled_at"] is None
        assert o["triggered_at"] <= o["due_at"]
        assert o["response_minutes"] >= 0
        stopped = cancelled_at[o["lead_id"]]
        assert stopped is None or o["triggered_at"] < stopped
    running = defaultdict(list)
    for o in sorted(promises, key=lambda o: (o["triggered_at"], o["trigger_activity_id"] or "")):
        for earlier in running[o["lead_id"], o["rule_id"]]:
            ended = min(earlier["due_at"], earlier["satisfied_at"] or datetime.max)
            assert ended <= o["triggered_at"], "two obligations of one lead and rule run at once"
        running[o["lead_id"], o["rule_id"]].append(o)

    daily = marts["fct_sales_sla_daily"]
    total = {
        column: sum(row[column] for row in daily) for column in ("triggered", "due", "met", "breached", "cancelled")
    }
    assert total["triggered"] == len(promises)
    assert total["met"] == sum(o["status"] == "met" for o in past)
    assert total["breached"] == sum(o["is_breached"] for o in promises)
    assert total["cancelled"] == sum(o["status"] == "cancelled" for o in past)
    assert total["due"] == total["met"] + total["breached"] == sum(row["due"] for row in marts["rep_scorecard"])
    today = Days(ZoneInfo(chosen.reporting_time_zone)).of(as_of)
    assert max((row["date_day"] for row in daily), default=today) <= today
    violating = sum(o["status"] == "violating" for o in promises)
    assert violating == len(marts["do_not_be_on_it"])
    assert violating == sum(row["open_violations"] for row in daily if row["date_day"] == today)
    assert len(marts["due_soon"]) == sum(o["status"] == "at_risk" for o in promises)


def assert_marketing_sla_consistent(policy: dict[str, list[dict]], marts: dict[str, list[dict]]) -> None:
    qualified, daily = marts["fct_qualified_leads"], marts["fct_marketing_sla_daily"]
    personas = {row["persona"] for row in policy["buyer_matrix"]}
    assert sum(row["qualified_leads"] for row in daily if row["persona"] == "all") == len(qualified)
    credited = sum(row["value_usd"] for row in marts["fct_marketing_credits"] if row["persona"] in personas)
    assert sum(row["credited_value_usd"] for row in daily if row["persona"] == "all") == credited
    assert all(row["value_usd"] > 0 for row in marts["fct_marketing_credits"])
    assert {row["lead_id"] for row in marts["fct_marketing_credits"]} <= {row["lead_id"] for row in qualified}
    days = Counter(row["date_day"] for row in daily)
    assert set(days.values()) <= {len(personas) + 1}
    assert len(days) == 0 or (max(days) - min(days)).days + 1 == len(days)
    for row in daily:
        assert (row["pace"] == "no_target") == (row["target_leads"] is None and row["target_value_usd"] is None)
        assert (row["leads_attainment_rate"] is None) == (row["target_leads"] is None)
        if row["forecast_leads"] is not None:
            assert row["mtd_leads"] <= row["forecast_leads_low"] <= row["forecast_leads"] <= row["forecast_leads_high"]


def assert_persons_consistent(marts: dict[str, list[dict]]) -> None:
    leads = {row["lead_id"]: row for row in marts["dim_leads"]}
    funnel = marts["fct_funnel_monthly"]
    assert sum(row["leads"] for row in funnel) <= len(leads)
    assert sum(row["qualified"] for row in funnel) == len(marts["fct_qualified_leads"])
    for row in marts["fct_qualified_leads"]:
        assert leads[row["lead_id"]]["qualified_at"] == row["qualified_at"]
    numbers = defaultdict(list)
    for row in marts["fct_sales_touches"]:
        numbers[row["lead_id"]].append((row["occurred_at"], row["touch_number"]))
    for lead_id, touches in numbers.items():
        assert [number for _, number in sorted(touches, key=lambda t: t[1])] == list(range(1, len(touches) + 1))
        assert leads[lead_id]["first_touch_at"] == min(occurred_at for occurred_at, _ in touches)
    assert sum(row["touched"] for row in funnel) == len(numbers)


def test_the_marts_of_every_draw_are_consistent():
    for drawn in draws():
        assert_consistent(drawn.case, drawn.marts)


@settings(FIXED, max_examples=60)
@given(cases())
def test_the_marts_of_a_drawn_case_are_consistent(case):
    assert_consistent(case, build_marts(case.raw, case.policy, case.settings))


def test_neither_order_nor_duplicates_nor_invisible_rows_matter():
    for seed, drawn in enumerate(draws()[:60]):
        case = drawn.case
        as_of = as_of_of(case.raw, case.settings)
        raw = {
            table: [row for row in rows if row["_loaded_at"] <= as_of]
            + [r for r in rows if r["_loaded_at"] <= as_of][:3]
            for table, rows in case.raw.items()
        }
        for rows in raw.values():
            Random(seed).shuffle(rows)
        again = build_marts(raw, case.policy, replace(case.settings, as_of=as_of))
        for mart, key in KEYS.items():
            assert by_key(again[mart], key) == by_key(drawn.marts[mart], key), mart


def by_key(rows: list[dict], key: tuple[str, ...]) -> list[dict]:
    return sorted(rows, key=lambda row: [str(row[column]) for column in key])


# --- shrinking and printing ---------------------------------------------------------------------------------------------


def is_closed(case: Case) -> bool:
    marts = build_marts(case.raw, case.policy, case.settings)
    return any(o["status"] == "closed" for o in marts["fct_sales_sla_obligations"])


def test_a_failing_case_shrinks_to_the_few_rows_that_make_it():
    case = next(drawn.case for drawn in draws() if is_closed(drawn.case))
    small = smallest(case, is_closed)
    assert is_closed(small)
    # A lead, its trigger, and what closes the breach: three rows, or four where the lead has two versions.
    assert sum(len(rows) for rows in small.raw.values()) <= 4
    assert len({row["rule_id"] for row in small.policy["sales_sla_rules"]}) == 1
    assert not small.policy["holidays"]
    assert_valid(small.policy)


def test_a_case_prints_its_settings_its_rows_and_its_rules():
    case = company(7)
    text = repr(case)
    assert "Settings(as_of=" in text
    assert text.count("  activity_id=") == len(case.raw["activities"])
    assert text.count("  rule_id=") == len(case.policy["sales_sla_rules"])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_number_always_gives_the_same_company(seed):
    assert company(seed) == company(seed)
    assert company(seed) != company(seed + 1)


def test_agreements_alone_can_be_drawn_too():
    @settings(FIXED, max_examples=30)
    @given(policies())
    def check(policy: dict[str, list[dict]]) -> None:
        assert_valid(policy)

    check()
