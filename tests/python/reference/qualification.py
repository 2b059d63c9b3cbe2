"""Buyer Matrix qualification of one lead."""

from dataclasses import dataclass
from datetime import date, datetime

from reference.records import Activity, Lead, World


@dataclass(frozen=True)
class Qualification:
    """The first instant at which persona and a reached stage make a cell that passes to Sales."""

    qualified_at: datetime
    persona: str
    journey_stage: str
    proof: Activity
    matrix_valid_from: date


def stages_reached(world: World, lead: Lead) -> dict[str, Activity]:
    """Each stage that a lead has reached, with the first activity that proves it."""
    reached: dict[str, Activity] = {}
    for activity in world.activities_of(lead):
        if activity.journey_stage is not None:
            reached.setdefault(activity.journey_stage, activity)
    return reached


def qualification(world: World, lead: Lead) -> Qualification | None:
    """The qualification of a lead on its activities, None for a lead that is not qualified."""
    reached = stages_reached(world, lead)
    instants = [proof.occurred_at for proof in reached.values()] + lead.persona_changes()
    for instant in sorted(instants):
        persona = lead.persona_at(instant)
        for cell in world.agreement.passing_cells(persona, world.days.of(instant)):
            proof = reached.get(cell["journey_stage"])
            if proof is not None and proof.occurred_at <= instant:
                return Qualification(instant, persona, cell["journey_stage"], proof, cell["valid_from"])
    return None
