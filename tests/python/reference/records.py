"""From change logs to the records as they stand at `as_of`: visibility, versions, deletion, owners, merges."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from reference.agreement import Agreement
from reference.settings import Days, Row, Tables, as_of_of, earliest


@dataclass(frozen=True)
class Activity:
    """An activity that exists at `as_of`, with what the seed says of its type."""

    activity_id: str
    lead_id: str
    activity_type: str
    category: str
    journey_stage: str | None
    touch_channel: str | None
    occurred_at: datetime
    actor_id: str | None
    is_automated: bool
    outcome: str | None

    @property
    def order(self) -> tuple[datetime, str]:
        """Activities go by time, ties by id."""
        return (self.occurred_at, self.activity_id)

    @property
    def is_conversion(self) -> bool:
        """A timestamped action of the buyer on the website."""
        return self.category == "conversion"

    @property
    def is_touch(self) -> bool:
        """An outbound, human attempt to reach the lead."""
        return self.category == "touch" and not self.is_automated

    @property
    def is_contact(self) -> bool:
        """The lead answered."""
        return self.category == "reply" or (self.is_touch and self.outcome == "connected")


@dataclass(frozen=True)
class Deal:
    """A deal that exists at `as_of`. `won_at` is None for one that is not won, or not yet."""

    deal_id: str
    lead_id: str
    amount: Any
    won_at: datetime | None


@dataclass(eq=False)
class Lead:
    """A lead record that exists at `as_of`: its current version, and what its history says."""

    lead_id: str
    current: Row
    is_test: bool
    created_at: datetime
    deleted_at: datetime | None
    personas: list[tuple[datetime, str]]
    """Begin and persona of each version, in the order of the versions."""
    owners: list[tuple[datetime, str | None]]
    """Effective instant and owner of each change, in order."""
    merged_into: str | None = None
    """The survivor of a merge that has happened; None for an unmerged lead."""
    merged_at: datetime | None = None

    @property
    def is_merged(self) -> bool:
        """Whether the lead has been merged into another."""
        return self.merged_into is not None

    def persona_at(self, instant: datetime) -> str:
        """The persona at an instant; before the timeline the first one holds."""
        begun = [persona for begins, persona in self.personas if begins <= instant]
        return begun[-1] if begun else self.personas[0][1]

    def persona_changes(self) -> list[datetime]:
        """The instants at which the persona changes to another."""
        pairs = zip(self.personas, self.personas[1:], strict=False)
        return [begins for (_, before), (begins, after) in pairs if after != before]

    def owner_at(self, instant: datetime) -> str | None:
        """The owner at an instant, None for nobody."""
        past = [owner for at, owner in self.owners if at <= instant]
        return past[-1] if past else None

    def assignments(self) -> list[datetime]:
        """The instants of each change to an owner other than the state just before."""
        before: str | None = None
        instants = []
        for at, owner in self.owners:
            if owner is not None and owner != before:
                instants.append(at)
            before = owner
        return instants


@dataclass(eq=False)
class World:
    """Everything that exists at `as_of`."""

    as_of: datetime
    days: Days
    agreement: Agreement
    leads: dict[str, Lead] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)
    deals: list[Deal] = field(default_factory=list)
    reps: dict[str, Row] = field(default_factory=dict)

    # --- merges -------------------------------------------------------------------------------------------------------

    def holder(self, lead_id: str, instant: datetime) -> str:
        """The record that holds a lead's activities at an instant: the end of the merges that have happened by then."""
        lead = self.leads[lead_id]
        while lead.is_merged and lead.merged_at <= instant:
            lead = self.leads[lead.merged_into]
        return lead.lead_id

    def later_survivors(self, lead_id: str) -> list[Lead]:
        """The chain of survivors of a lead, nearest first."""
        chain = []
        lead = self.leads[lead_id]
        while lead.is_merged:
            lead = self.leads[lead.merged_into]
            chain.append(lead)
        return chain

    def rows_of(self, lead: Lead) -> list[str]:
        """The ids of a lead and of all leads merged into it whose rows count: not those of test leads."""
        return [
            other.lead_id
            for other in self.leads.values()
            if not other.is_test and (other is lead or lead in self.later_survivors(other.lead_id))
        ]

    def activities_of(self, lead: Lead) -> list[Activity]:
        """A lead's activities in order: its own and those of leads merged into it, before its own merge."""
        ids = self.rows_of(lead)
        return sorted(
            (a for a in self.activities if a.lead_id in ids and (not lead.is_merged or a.occurred_at < lead.merged_at)),
            key=lambda a: a.order,
        )

    def held_by(self, lead: Lead) -> list[Activity]:
        """The activities that a record held at the instant they occurred, in order."""
        return [
            a
            for a in sorted(self.activities, key=lambda a: a.order)
            if a.lead_id in self.leads
            and not self.leads[a.lead_id].is_test
            and self.holder(a.lead_id, a.occurred_at) == lead.lead_id
        ]

    def deals_of(self, lead: Lead) -> list[Deal]:
        """A lead's deals: its own and those of leads merged into it."""
        ids = self.rows_of(lead)
        return [deal for deal in self.deals if deal.lead_id in ids]

    def won_at(self, lead: Lead) -> datetime | None:
        """When a lead was won first; a merged lead only before its own merge."""
        won = earliest(deal.won_at for deal in self.deals_of(lead))
        if won is not None and lead.is_merged and won >= lead.merged_at:
            return None
        return won

    def cancellation(self, lead: Lead) -> tuple[datetime, str] | None:
        """When and why the obligations of a record are cancelled: the first of the reasons, ties in their order."""
        wins = []
        for deal in self.deals_of(lead):
            if deal.won_at is not None:
                wins.append(max([deal.won_at, *self._merges_between(deal.lead_id, lead)]))
        reasons = [
            (earliest(wins), "won"),
            (self._happened(lead.current["disqualified_at"]), "disqualified"),
            (self._happened(lead.current["opted_out_at"]), "opted_out"),
            (lead.deleted_at, "deleted"),
            (lead.merged_at, "merged"),
        ]
        happened = [(at, reason) for at, reason in reasons if at is not None]
        return min(happened, key=lambda pair: pair[0], default=None)

    def _merges_between(self, lead_id: str, survivor: Lead) -> list[datetime]:
        """The instants of all merges that lead from a record to one of its survivors."""
        instants = []
        lead = self.leads[lead_id]
        while lead is not survivor:
            instants.append(lead.merged_at)
            lead = self.leads[lead.merged_into]
        return instants

    def _happened(self, instant: datetime | None) -> datetime | None:
        return instant if instant is not None and instant <= self.as_of else None

    # --- who is in the marts ------------------------------------------------------------------------------------------

    def recorded(self) -> list[Lead]:
        """The leads of `dim_leads`, which may have obligations: all but test leads."""
        return [lead for _, lead in sorted(self.leads.items()) if not lead.is_test]

    def persons(self) -> list[Lead]:
        """The leads of all other facts: neither test leads nor merged ones."""
        return [lead for lead in self.recorded() if not lead.is_merged]


# --- building ---------------------------------------------------------------------------------------------------------


def build_world(raw: Tables, agreement: Agreement, days: Days, settings: Any) -> World | None:
    """The world at `as_of`; None where there is no row at all that could tell the time."""
    as_of = as_of_of(raw, settings)
    if as_of is None:
        return None
    loaded = {
        name: _distinct(row for row in raw.get(name, []) if row["_loaded_at"] <= as_of)
        for name in ("leads", "activities", "owner_changes", "reps", "deals")
    }
    world = World(as_of, days, agreement)
    world.reps = {
        rep_id: versions[-1] for rep_id, versions in _versions(loaded["reps"], "rep_id", lambda r: r["_loaded_at"])
    }
    world.leads = _leads(loaded, agreement, days, as_of)
    _merge(world.leads, as_of)
    world.activities = _activities(loaded["activities"], agreement, as_of)
    world.deals = _deals(loaded["deals"], as_of)
    return world


def _distinct(rows: Iterable[Row]) -> list[Row]:
    """Exact duplicates count once."""
    kept: dict[tuple, Row] = {}
    for row in rows:
        kept[tuple(sorted(row.items(), key=lambda item: item[0]))] = row
    return list(kept.values())


def _versions(rows: Iterable[Row], key: str, order: Callable[[Row], Any]) -> list[tuple[str, list[Row]]]:
    """The versions of each record, in order."""
    records: dict[str, list[Row]] = {}
    for row in rows:
        records.setdefault(row[key], []).append(row)
    return [(record, sorted(versions, key=order)) for record, versions in records.items()]


def _leads(loaded: dict[str, list[Row]], agreement: Agreement, days: Days, as_of: datetime) -> dict[str, Lead]:
    leads = {}
    changes = dict(
        _versions(
            (row for row in loaded["owner_changes"] if row["changed_at"] <= as_of),
            "lead_id",
            lambda r: (r["changed_at"], r["_loaded_at"]),
        )
    )
    visible = (row for row in loaded["leads"] if row["updated_at"] <= as_of)
    for lead_id, rows in _versions(visible, "lead_id", lambda r: (r["updated_at"], r["_loaded_at"])):
        # Of two versions with one `updated_at` the later load replaces the earlier.
        versions = list({row["updated_at"]: row for row in rows}.values())
        current = versions[-1]
        created_at = current["created_at"]
        if created_at > as_of:
            continue
        begins = [created_at] + [row["updated_at"] for row in versions[1:]]
        leads[lead_id] = Lead(
            lead_id=lead_id,
            current=current,
            is_test=bool(current["is_test"]),
            created_at=created_at,
            deleted_at=_deleted_at(versions),
            personas=[
                (begin, agreement.persona(row["employee_count"], days.of(begin)))
                for begin, row in zip(begins, versions, strict=True)
            ],
            owners=_owners(created_at, current, changes.get(lead_id, [])),
        )
    return leads


def _deleted_at(versions: list[Row]) -> datetime | None:
    """`updated_at` of the first in the unbroken run of deleted versions that ends in the current one."""
    deleted_at = None
    for row in reversed(versions):
        if not row["is_deleted"]:
            break
        deleted_at = row["updated_at"]
    return deleted_at


def _owners(created_at: datetime, current: Row, changes: list[Row]) -> list[tuple[datetime, str | None]]:
    """The owner from each instant on. Several changes at one instant: the last one holds."""
    if not changes:
        return [(created_at, current["owner_id"])]
    owner_from: dict[datetime, str | None] = {}
    for row in changes:
        # Nobody owns a lead before it is created.
        owner_from[max(row["changed_at"], created_at)] = row["owner_id"]
    return sorted(owner_from.items(), key=lambda item: item[0])


def _merge(leads: dict[str, Lead], as_of: datetime) -> None:
    """Note the merges that have happened: by `as_of`, into a lead that exists, and not in a circle."""
    wanted = {}
    for lead in leads.values():
        merged_at, survivor = lead.current["merged_at"], lead.current["merged_into_lead_id"]
        if merged_at is not None and merged_at <= as_of and survivor in leads:
            wanted[lead.lead_id] = survivor
    for lead_id, survivor in wanted.items():
        if not _is_in_circle(lead_id, wanted):
            leads[lead_id].merged_into = survivor
            leads[lead_id].merged_at = leads[lead_id].current["merged_at"]


def _is_in_circle(lead_id: str, wanted: dict[str, str]) -> bool:
    """Whether the chain of a lead comes back to it."""
    seen = set()
    at: str | None = wanted.get(lead_id)
    while at is not None and at not in seen:
        if at == lead_id:
            return True
        seen.add(at)
        at = wanted.get(at)
    return False


def _activities(rows: list[Row], agreement: Agreement, as_of: datetime) -> list[Activity]:
    """The activities whose current version is neither deleted nor in the future."""
    activities = []
    for activity_id, versions in _versions(rows, "activity_id", lambda r: r["_loaded_at"]):
        row = versions[-1]
        if row["is_deleted"] or row["occurred_at"] > as_of:
            continue
        kind = row["activity_type"]
        activities.append(
            Activity(
                activity_id=activity_id,
                lead_id=row["lead_id"],
                activity_type=kind,
                category=agreement.category(kind),
                journey_stage=agreement.stage(kind),
                touch_channel=agreement.channel(kind),
                occurred_at=row["occurred_at"],
                actor_id=row["actor_id"],
                is_automated=bool(row["is_automated"]),
                outcome=row["outcome"],
            )
        )
    return activities


def _deals(rows: list[Row], as_of: datetime) -> list[Deal]:
    """The deals at `as_of`: by the current version among those that had happened, created by then."""
    deals = []
    visible = (row for row in rows if row["updated_at"] <= as_of)
    for deal_id, versions in _versions(visible, "deal_id", lambda r: (r["updated_at"], r["_loaded_at"])):
        row = versions[-1]
        if row["created_at"] > as_of:
            continue
        won_at = None
        if row["status"] == "won":
            won_at = row["closed_at"] if row["closed_at"] is not None else row["updated_at"]
        deals.append(
            Deal(deal_id, row["lead_id"], row["amount"], won_at if won_at is not None and won_at <= as_of else None)
        )
    return deals


def active_reps(world: World, day: date, persona: str) -> int:
    """The reps active on a day who serve a persona."""
    return sum(
        1
        for rep in world.reps.values()
        if rep["active_from"] <= day
        and (rep["active_to"] is None or day < rep["active_to"])
        and (rep["personas"] is None or persona in rep["personas"].split("|"))
    )
