"""Mutants: small wrong edits of the project's SQL, each of which the tests must notice.

`make mutants` runs them all. An edit is made in the compiled SQL of a model (or, for a macro, of every model that it went
into), the edited project is built on generated companies, and the marts are compared with the plain-Python reference. A
mutant that equals the reference on all of them survives: either the tests have a hole, or the edit changes nothing.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Timer

import compiled_project
from comparison import differences
from compiled_project import Kind, Model, compiled
from reference import KEYS, build_marts
from strategies import company

COMPANIES = 400
"""How many companies a mutant has to survive."""

PATIENCE_SECONDS = 20.0
"""How long a build may take: some edits make a recursion that never ends."""


@dataclass(frozen=True)
class Mutant:
    """One wrong edit.

    Attributes:
        where: a model by name, or `*` for every model that holds the text (the edit of a macro).
        old: the text that is edited: it stands in the model exactly once.
        new: what stands there instead.
        idea: the rule of the semantics that the edit breaks.
        equivalent: why the edit changes nothing, for the few that are meant to survive.
    """

    where: str
    old: str
    new: str
    idea: str
    equivalent: str = ""

    def edit(self, models: Sequence[Model]) -> list[Model]:
        """The models with the edit.

        Raises:
            ValueError: the text is not there, or not once: the list has to follow the model.
        """
        edited = [self._edit(model) for model in models]
        if edited == list(models):
            raise ValueError(f"{self.where} does not hold {self.old!r}")
        return edited

    def _edit(self, model: Model) -> Model:
        if self.where not in ("*", model.name):
            return model
        if self.where == model.name and model.sql.count(self.old) != 1:
            raise ValueError(f"{self.where} holds {self.old!r} {model.sql.count(self.old)} times")
        return replace(model, sql=model.sql.replace(self.old, self.new))


MUTANTS = [
    # Versions and time
    Mutant(
        "stg_crm__lead_versions",
        "raw_leads.updated_at, raw_leads._loaded_at\n        ) as next_updated_at",
        "raw_leads.updated_at, raw_leads._loaded_at desc\n        ) as next_updated_at",
        "the later load replaces",
    ),
    Mutant(
        "stg_crm__lead_versions",
        "and raw_leads.updated_at <=",
        "or raw_leads.updated_at <=",
        "a version is loaded, and has begun",
    ),
    Mutant(
        "stg_crm__activities",
        "order by activity_versions.loaded_at desc",
        "order by activity_versions.loaded_at",
        "current version",
    ),
    Mutant("stg_crm__activities", "where load_rank = 1", "where true", "one version of an activity"),
    Mutant("stg_crm__activities", "not coalesce(is_deleted, false)\n    and ", "", "deleted activities do not exist"),
    Mutant(
        "stg_crm__owner_changes",
        "order by raw_owner_changes.changed_at, raw_owner_changes._loaded_at",
        "order by raw_owner_changes.changed_at, raw_owner_changes._loaded_at desc",
        "later load wins",
    ),
    Mutant(
        "stg_crm__deals",
        "coalesce(versions.closed_at, versions.updated_at)",
        "versions.closed_at",
        "won without closing time",
    ),
    Mutant(
        "int_leads__records",
        "min(versions_of_deleted_leads.updated_at) as deleted_at",
        "max(versions_of_deleted_leads.updated_at) as deleted_at",
        "first of the deleted run",
    ),
    Mutant(
        "int_leads__records",
        """last_kept_versions.updated_at is null
        or versions_of_deleted_leads.updated_at > last_kept_versions.updated_at""",
        "versions_of_deleted_leads.is_deleted",
        "unbroken run of deleted versions",
    ),
    # Merges
    Mutant("int_leads__merges", "where cycles.lead_number is null", "", "members of a cycle stay unmerged"),
    Mutant(
        "int_leads__holders",
        "greatest(chains.held_from, lead_merges.merged_at)",
        "lead_merges.merged_at",
        "all merges up to a survivor",
    ),
    Mutant("int_leads__holders", "not record_leads.is_test", "true", "a test lead's activities count for nobody"),
    Mutant(
        "int_leads__activities",
        "typed.occurred_at < holders.history_until",
        "typed.occurred_at <= holders.history_until",
        "a merged lead's end before its merge",
    ),
    Mutant(
        "int_leads__activities",
        "holders.held_from <= typed.occurred_at",
        "holders.held_from < typed.occurred_at",
        "the survivor holds from the merge on",
    ),
    Mutant("int_leads__activities", "and not activities.is_automated", "", "automated activities are no touches"),
    Mutant(
        "int_leads__activities",
        "        or known_types.journey_stage is not null\n",
        "",
        "what proves a stage counts, whatever it is",
    ),
    Mutant(
        "int_leads__activities",
        "    select rules.trigger as activity_type\n    from rules",
        "    select rules.trigger as activity_type\n    from rules where false",
        "any type may be a trigger",
    ),
    Mutant(
        "int_leads__activities",
        "nullif(holders.record_lead_number, holders.lead_number)",
        "cast(null as bigint)",
        "an activity on another lead's record",
    ),
    Mutant(
        "int_leads__deals",
        "then holders.held_from\n",
        "then deals.won_at\n",
        "a win reaches a survivor after the merges",
    ),
    Mutant(
        "int_leads__cancellations",
        "order by reasons.cancelled_at, reasons.reason_rank",
        "order by reasons.cancelled_at, reasons.reason_rank desc",
        "ties of cancellation",
    ),
    Mutant("fct_lead_stages", "where not leads.is_merged", "", "merged leads are in no other fact"),
    # Personas and owners
    Mutant(
        "int_leads__personas",
        "version_begins.employee_count <= coalesce",
        "version_begins.employee_count < coalesce",
        "ranges include both ends",
    ),
    Mutant(
        "int_leads__personas",
        "when versions.is_first then",
        "when false then",
        "the first version begins at created_at",
    ),
    Mutant(
        "int_leads__personas",
        "case when not is_first then updated_at end",
        "updated_at",
        "before the timeline the first persona holds",
    ),
    Mutant(
        "int_leads__owners",
        "greatest(owner_changes.changed_at, leads.created_at) as valid_from",
        "owner_changes.changed_at as valid_from",
        "nobody owns a lead before its creation",
    ),
    Mutant(
        "int_leads__owners",
        "leads_with_changes.lead_number is null",
        "true",
        "the version's owner only without changes",
    ),
    Mutant(
        "int_leads__owners",
        "where followed_changes.next_valid_from is distinct from followed_changes.valid_from",
        "",
        "of changes at one instant the last wins",
    ),
    Mutant(
        "int_leads__owners",
        "where owner_id is distinct from previous_owner_id",
        "",
        "a change to the same owner assigns nobody",
    ),
    # Qualification
    Mutant(
        "int_qualification__stages",
        "order by activities.occurred_at, activities.activity_id",
        "order by activities.occurred_at desc, activities.activity_id",
        "the first proof",
    ),
    Mutant(
        "int_qualification__qualified",
        "order by dated_instants.looked_at asc, stages.stage_rank desc",
        "order by dated_instants.looked_at asc, stages.stage_rank",
        "the highest passing stage",
    ),
    Mutant(
        "int_qualification__qualified",
        "dated_instants.looked_at >= stages.reached_at",
        "dated_instants.looked_at > stages.reached_at",
        "reaching a stage qualifies at once",
    ),
    Mutant("int_qualification__qualified", "where buyer_matrix.passes_to_sales", "", "only passing cells qualify"),
    Mutant(
        "int_qualification__qualified",
        "holders.held_until > passes.qualified_at",
        "holders.held_until >= passes.qualified_at",
        "who held the proof",
        equivalent="whoever holds it until that instant is merged then, and a trigger at the cancellation opens nothing",
    ),
    # Triggers, deadlines, touches
    Mutant(
        "int_sales_sla__triggers",
        "where conversion_activities.is_held",
        "",
        "a trigger belongs to the holder",
    ),
    Mutant(
        "int_sales_sla__triggers", "where qualified.is_held", "", "qualified triggers for the holder of the proof alone"
    ),
    Mutant("int_sales_sla__triggers", "where owners.owner_id is not null", "", "losing the owner is no assignment"),
    Mutant(
        "int_sales_sla__candidates",
        "triggers.triggered_at < cancellations.cancelled_at",
        "triggers.triggered_at <= cancellations.cancelled_at",
        "a trigger at the cancellation opens none",
    ),
    Mutant(
        "int_sales_sla__candidates",
        "(rules.persona is null or rules.persona = personas.persona)",
        "true",
        "a rule for a persona",
    ),
    Mutant(
        "int_sales_sla__candidates",
        "left join owners\n",
        "inner join owners\n",
        "a lead without an owner is not dropped",
    ),
    Mutant(
        "int_sales_sla__follow_ups",
        """            and candidates.touch_scope = scoped_touches.touch_scope
""",
        "",
        "touches of the rule's channel",
    ),
    Mutant(
        "int_sales_sla__follow_ups",
        "partition by channel_touches.lead_number, channel_touches.touch_channel",
        "partition by channel_touches.lead_number",
        "each channel numbers its own touches",
    ),
    Mutant(
        "int_sales_sla__follow_ups",
        "candidates.triggered_at <= scoped_touches.occurred_at",
        "candidates.triggered_at < scoped_touches.occurred_at",
        "a touch at the trigger counts",
    ),
    Mutant(
        "int_sales_sla__follow_ups",
        "case when scoped_touches.occurred_at <= candidates.due_at then",
        "case when scoped_touches.occurred_at < candidates.due_at then",
        "a touch at the deadline is in time",
    ),
    Mutant(
        "int_sales_sla__follow_ups",
        "candidates.cancelled_at >= scoped_touches.occurred_at",
        "candidates.cancelled_at > scoped_touches.occurred_at",
        "a touch at the cancellation counts",
    ),
    Mutant(
        "int_sales_sla__follow_ups",
        "counted.first_number + counted.required_touches - 1",
        "counted.first_number",
        "the required number of touches",
    ),
    Mutant(
        "int_sales_sla__follow_ups",
        "\n        and counted.required_touches <= counted.touches_total",
        "",
        "what follows the cancellation satisfies nothing",
    ),
    Mutant(
        "int_sales_sla__not_opened",
        "order by candidates.triggered_at, candidates.trigger_activity_id",
        "order by candidates.triggered_at desc, candidates.trigger_activity_id",
        "candidates go by time",
    ),
    Mutant(
        "int_sales_sla__not_opened",
        "earlier.ends_at <= later.triggered_at",
        "earlier.ends_at < later.triggered_at",
        "a trigger at the very deadline opens",
    ),
    Mutant(
        "int_sales_sla__not_opened",
        "when follow_ups.satisfied_at < candidates.due_at then follow_ups.satisfied_at",
        "when false then follow_ups.satisfied_at",
        "satisfied obligations do not run",
    ),
    Mutant(
        "int_sales_sla__obligations",
        "case when follow_ups.satisfied_at is null then candidates.cancelled_at end",
        "candidates.cancelled_at",
        "satisfied ones are not cancelled",
    ),
    Mutant(
        "int_sales_sla__obligations",
        "where not_opened.candidate_number is null",
        "",
        "a running obligation opens no other",
    ),
    Mutant(
        "int_sales_sla__obligations",
        "left join follow_ups\n",
        "inner join follow_ups\n",
        "no touch at all still has a row",
    ),
    Mutant(
        "int_sales_sla__obligations",
        "owners_at_due.valid_to > candidates.due_at",
        "false",
        "responsible is the owner at the deadline",
    ),
    Mutant(
        "int_sales_sla__obligations",
        "coalesce(owner_at_due, 'unassigned')",
        "coalesce(owner_at_due, owner_at_trigger, 'unassigned')",
        "nobody is responsible for a lead given up",
    ),
    # Business time
    Mutant(
        "*",
        "l.due_position > r.open_microseconds_before",
        "l.due_position >= r.open_microseconds_before",
        "a deadline falls on a closing time",
    ),
    Mutant(
        "int_calendar__spans",
        "case when with_window.starts_at < windows.closes_at then 1 else 0 end",
        "1",
        "the clock stands still while it is closed",
    ),
    Mutant(
        "int_calendar__spans",
        "then with_window.starts_at else windows.closes_at end",
        "then windows.opens_at else windows.closes_at end",
        "a shift goes on after midnight UTC",
    ),
    Mutant("int_calendar__hours", "where holidays.calendar_id is null", "", "a holiday replaces the hours"),
    Mutant(
        "int_calendar__hours", "where holidays.opens_at is not null", "where false", "short days and working holidays"
    ),
    Mutant(
        "int_calendar__windows",
        "sum(open_seconds) as seconds_until_origin",
        "count(*) as seconds_until_origin",
        "positions count from the origin",
        equivalent="every position moves by one constant, and only differences are ever used",
    ),
    Mutant(
        "int_calendar__utc_offsets",
        "offset_seconds <> previous_offset_seconds",
        "offset_seconds = previous_offset_seconds",
        "clock changes are found to the minute",
    ),
    # Status and day rows
    Mutant(
        "fct_sales_sla_obligations",
        "when on_the_clock.satisfied_at <= on_the_clock.due_at then 'met'",
        "when on_the_clock.satisfied_at < on_the_clock.due_at then 'met'",
        "met at the very deadline",
    ),
    Mutant(
        "fct_sales_sla_obligations",
        "when on_the_clock.due_at >= on_the_clock.as_of then 'pending'",
        "when on_the_clock.due_at > on_the_clock.as_of then 'pending'",
        "pending while the deadline is not past",
        equivalent="at the very deadline the whole window has passed, and the branch before has said at_risk",
    ),
    Mutant(
        "fct_sales_sla_obligations",
        ">= on_the_clock.warn_fraction *",
        "> on_the_clock.warn_fraction *",
        "at risk once the share has passed",
    ),
    Mutant("fct_sales_sla_daily", "to_microseconds(-1)", "to_microseconds(0)", "a violation that ends at midnight"),
    Mutant("fct_sales_sla_daily", "or spans.open_violations > 0", "", "open violations on days without events"),
    Mutant(
        "rep_scorecard",
        "quantile_cont(response_minutes, [0.5, 0.9])[2]",
        "quantile_disc(response_minutes, [0.5, 0.9])[2]",
        "percentiles interpolate",
    ),
    Mutant(
        "rep_scorecard",
        "(obligations.status = 'met' or obligations.is_breached)",
        "(obligations.status = 'met')",
        "breached ones count in the scorecard",
    ),
    # Speed to lead
    Mutant(
        "fct_speed_to_lead",
        "elapsed_microseconds <= 5 *",
        "elapsed_microseconds < 5 *",
        "bands include their upper bound",
    ),
    Mutant(
        "fct_speed_to_lead",
        "conversions.first_conversion_at <= answering_activities.occurred_at",
        "conversions.first_conversion_at < answering_activities.occurred_at",
        "a touch at the conversion",
    ),
    # Marketing
    Mutant(
        "int_marketing_sla__valued_activities",
        "activities.occurred_at <= qualified.qualified_at as is_so_far",
        "activities.occurred_at < qualified.qualified_at as is_so_far",
        "the qualifying instant is so far",
    ),
    Mutant(
        "int_marketing_sla__valued_activities",
        "coalesce(cast(round(values_of_types.win_rate * values_of_types.average_purchase_price_usd, 2) as decimal(18, 2)), ",
        "coalesce(null, ",
        "the more specific value wins",
    ),
    Mutant(
        "fct_marketing_credits",
        "where not best_so_far.is_so_far or best_so_far.best_rank = 1",
        "",
        "the best activity so far",
    ),
    Mutant(
        "fct_marketing_credits",
        "best_so_far.value_usd - coalesce(",
        "best_so_far.value_usd - 0 * coalesce(",
        "nothing is credited twice",
    ),
    Mutant(
        "int_marketing_sla__targets",
        "order by journey_stages.stage_rank",
        "order by journey_stages.stage_rank desc",
        "the lowest passing stage",
    ),
    Mutant(
        "int_marketing_sla__targets",
        "nullif(leads_promised.target_leads, 0)",
        "leads_promised.target_leads",
        "no target of zero",
    ),
    Mutant(
        "int_marketing_sla__targets",
        "and (reps.active_to is null or reps.active_to >",
        "and (reps.active_to is null or reps.active_to >=",
        "active_to is exclusive",
    ),
    Mutant(
        "fct_marketing_sla_daily",
        "when measured.target_value_usd is not null then cast(",
        "when false then cast(",
        "pace goes by value",
    ),
    Mutant(
        "fct_marketing_sla_daily",
        "to_date.history_days < 14",
        "to_date.history_days < 0",
        "no forecast below 14 full days",
    ),
    Mutant(
        "fct_marketing_sla_daily",
        "on all_days.date_day >= first_day.first_date",
        "on true",
        "the first day of Marketing",
    ),
    # Lists
    Mutant("do_not_be_on_it", "left join reps\n", "inner join reps\n", "unassigned violations are shown"),
    Mutant("fct_funnel_monthly", "where not is_merged", "", "a funnel counts persons"),
    Mutant(
        "fct_funnel_monthly",
        "count(case when leads.deal_count > 0 then 1 end)",
        "cast(sum(leads.deal_count) as bigint)",
        "a person with several deals counts once",
    ),
    Mutant(
        "dim_leads",
        "when deals.won_at is not null and (leads.merged_at",
        "when (leads.merged_at",
        "the dollars of the won deals",
    ),
    Mutant(
        "dim_leads",
        "case when activities.is_contact then",
        "case when activities.is_contact and activities.is_touch then",
        "who answers is contacted",
    ),
    Mutant(
        "dim_leads",
        "max(stages.stage_rank) as stage_rank",
        "min(stages.stage_rank) as stage_rank",
        "the highest stage so far",
    ),
    Mutant(
        "dim_leads",
        "min(case when leads.merged_at is null or deals.won_at < leads.merged_at then deals.won_at end)",
        "min(deals.won_at)",
        "a merged lead's own wins",
    ),
]


@lru_cache(maxsize=COMPANIES)
def _case(number: int):
    case = company(number)
    return case, build_marts(case.raw, case.policy, case.settings)


def killed_by(mutant: Mutant, companies: int = COMPANIES) -> tuple[int, str] | None:
    """The first company that tells the mutant from the project, and how; None if none of them does."""
    connection = compiled_project.connect()
    edited = {kind: mutant.edit(models) for kind, models in compiled().items()}
    for number in range(companies):
        case, expected = _case(number)
        overdue = Timer(PATIENCE_SECONDS, connection.interrupt)
        overdue.start()
        try:
            compiled_project.build(connection, case.raw, case.policy, case.settings, edited[Kind.of(case.settings)])
            got = {mart: compiled_project.rows_of(connection, mart) for mart in KEYS}
        except Exception as error:
            return number, f"the build fails: {str(error).splitlines()[0]}"
        finally:
            overdue.cancel()
        if found := differences(got, expected, KEYS):
            return number, found[0]
    return None


def main(words: Sequence[str]) -> int:
    """Run the mutants whose model or idea holds one of the words (all without words): a line each, the score, and how many survived."""
    chosen = [
        mutant for mutant in MUTANTS if not words or any(word in f"{mutant.where} {mutant.idea}" for word in words)
    ]
    survivors = []
    for mutant in chosen:
        began = time.monotonic()
        verdict = killed_by(mutant)
        took = time.monotonic() - began
        if verdict is None and not mutant.equivalent:
            survivors.append(mutant)
        state = f"killed by company {verdict[0]}" if verdict else "equivalent" if mutant.equivalent else "SURVIVED"
        print(f"{mutant.where:38} {mutant.idea:48} {state:22} {took:5.1f} s", flush=True)
    equivalent = sum(bool(mutant.equivalent) for mutant in chosen)
    print(
        f"{len(chosen) - len(survivors) - equivalent} of {len(chosen) - equivalent} mutants killed, {equivalent} equivalent"
    )
    return len(survivors)


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
