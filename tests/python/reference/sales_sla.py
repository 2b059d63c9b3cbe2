"""The Sales SLA of one record: triggers, obligations, touches, status."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from reference.agreement import UNKNOWN, Agreement, exact
from reference.calendars import Calendar, Clock, ElapsedClock
from reference.qualification import qualification
from reference.records import Activity, Lead, World
from reference.settings import Row, minutes

UNASSIGNED = "unassigned"


@dataclass(frozen=True)
class Trigger:
    """Something that happened to a record, by which a rule may bind."""

    kind: str
    at: datetime
    activity_id: str | None


@dataclass
class Obligation:
    """One promise of Sales, and what became of it by `as_of`."""

    lead: Lead
    rule: Row
    clock: Clock
    trigger: Trigger
    due_at: datetime
    persona: str
    owner_at_trigger: str
    responsible: str
    touches_by_due: int
    touches_total: int
    satisfied_at: datetime | None
    satisfying_activity_id: str | None
    cancelled_at: datetime | None
    cancel_reason: str | None
    status: str
    ends_at: datetime
    """Where the minutes stop: satisfied, else cancelled, else `as_of`."""

    @property
    def is_breached(self) -> bool:
        """Whether fewer touches than required were there when the deadline passed."""
        return self.status in ("late", "closed", "violating")

    @property
    def response_minutes(self) -> float:
        """Minutes on the rule's clock since the trigger."""
        return minutes(self.clock.open_time(self.trigger.at, self.ends_at))

    @property
    def late_minutes(self) -> float | None:
        """Minutes on the rule's clock since the deadline of a breach."""
        return minutes(self.clock.open_time(self.due_at, self.ends_at)) if self.is_breached else None

    def is_open_violation_at(self, instant: datetime) -> bool:
        """Whether the breach was neither cured nor closed at an instant."""
        return (
            self.due_at < instant
            and (self.satisfied_at is None or self.satisfied_at > instant)
            and (self.cancelled_at is None or self.cancelled_at > instant)
        )


def owner_calendar(world: World, lead: Lead, instant: datetime) -> Calendar:
    """The calendar of the owner at an instant; the default one where there is no owner or calendar."""
    rep = world.reps.get(lead.owner_at(instant))
    return world.agreement.calendar(rep["calendar_id"] if rep is not None else None)


def triggers(world: World, lead: Lead) -> list[Trigger]:
    """Everything that triggers for a record, in order."""
    found = [Trigger("assigned", at, None) for at in lead.assignments()]
    conversions = 0
    for activity in world.held_by(lead):
        if activity.activity_type not in world.agreement.types:
            continue
        found.append(Trigger(activity.activity_type, activity.occurred_at, activity.activity_id))
        conversions += activity.is_conversion
        if activity.is_conversion and conversions == 1:
            found.append(Trigger("new_lead", activity.occurred_at, activity.activity_id))
    qualified = qualification(world, lead)
    if qualified is not None:
        proof = qualified.proof
        if world.holder(proof.lead_id, qualified.qualified_at) == lead.lead_id:
            found.append(Trigger("qualified", qualified.qualified_at, proof.activity_id))
    return sorted(found, key=lambda t: (t.at, t.activity_id or ""))


def obligations(world: World, lead: Lead) -> Iterator[Obligation]:
    """The obligations of a record, under all rules."""
    events = triggers(world, lead)
    touches = [activity for activity in world.activities_of(lead) if activity.is_touch]
    cancellation = world.cancellation(lead)
    for rule_id in world.agreement.rule_ids:
        opened: list[Obligation] = []
        for event in events:
            rule = world.agreement.rule(rule_id, world.days.of(event.at))
            if rule is None or rule["trigger"] != event.kind:
                continue
            persona = lead.persona_at(event.at)
            if rule["persona"] is not None and (persona == UNKNOWN or rule["persona"] != persona):
                continue
            if cancellation is not None and event.at >= cancellation[0]:
                continue
            if any(_is_running(earlier, event.at) for earlier in opened):
                continue
            opened.append(_obligation(world, lead, rule, event, persona, touches, cancellation))
        yield from opened


def _name(owner: str | None) -> str:
    return owner if owner is not None else UNASSIGNED


def _is_running(earlier: Obligation, instant: datetime) -> bool:
    """Not yet satisfied, and its deadline not yet reached."""
    is_satisfied = earlier.satisfied_at is not None and earlier.satisfied_at <= instant
    return not is_satisfied and instant < earlier.due_at


def _obligation(
    world: World,
    lead: Lead,
    rule: Row,
    event: Trigger,
    persona: str,
    touches: list[Activity],
    cancellation: tuple[datetime, str] | None,
) -> Obligation:
    as_of = world.as_of
    clock: Clock = owner_calendar(world, lead, event.at) if rule["clock"] == "business" else ElapsedClock()
    window = Agreement.window(rule)
    due_at = clock.deadline(event.at, window)

    counted = [
        touch
        for touch in touches
        if touch.occurred_at >= event.at
        and (cancellation is None or touch.occurred_at <= cancellation[0])
        and (rule["touch_channel"] is None or touch.touch_channel == rule["touch_channel"])
    ]
    required = rule["required_touches"]
    satisfying = counted[required - 1] if len(counted) >= required else None
    satisfied_at = satisfying.occurred_at if satisfying is not None else None
    cancelled_at, cancel_reason = cancellation if cancellation is not None and satisfying is None else (None, None)

    passed = Fraction(clock.open_time(event.at, as_of) // window.resolution, window // window.resolution)
    if satisfied_at is not None and satisfied_at <= due_at:
        status = "met"
    elif cancelled_at is not None and cancelled_at <= due_at:
        status = "cancelled"
    elif satisfied_at is None and due_at >= as_of:
        status = "at_risk" if passed >= exact(rule["warn_fraction"]) else "pending"
    elif satisfied_at is not None:
        status = "late"
    elif cancelled_at is not None:
        status = "closed"
    else:
        status = "violating"

    return Obligation(
        lead=lead,
        rule=rule,
        clock=clock,
        trigger=event,
        due_at=due_at,
        persona=persona,
        owner_at_trigger=_name(lead.owner_at(event.at)),
        responsible=_name(lead.owner_at(min(due_at, as_of))),
        touches_by_due=sum(1 for touch in counted if touch.occurred_at <= due_at),
        touches_total=len(counted),
        satisfied_at=satisfied_at,
        satisfying_activity_id=satisfying.activity_id if satisfying is not None else None,
        cancelled_at=cancelled_at,
        cancel_reason=cancel_reason,
        status=status,
        ends_at=satisfied_at or cancelled_at or as_of,
    )
