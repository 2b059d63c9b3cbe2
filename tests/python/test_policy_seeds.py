"""Do the tests of the agreement bite? The shipped seeds pass; every way to get them wrong is named in a sentence; what is legal passes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from compiled_project import DATABASE, PROJECT, fill, policy_columns
from compiled_tests import DataTest, compiled_tests

Row = dict[str, str | None]
Policy = dict[str, list[Row]]
Change = Callable[[Policy], None]


def read_policy(folder: Path) -> Policy:
    """Seed -> rows, as texts; empty is null."""
    policy: Policy = {}
    for name in policy_columns():
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8-sig") as file:
            policy[name] = [
                {key: value if value else None for key, value in row.items()} for row in csv.DictReader(file)
            ]
    return policy


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach ':memory:' as {DATABASE}")
        connection.execute(f"create schema {DATABASE}.policy")
        yield connection


@pytest.fixture(scope="module")
def policy_tests() -> list[DataTest]:
    """All tests of the agreement."""
    tests = [test for test in compiled_tests().values() if "policy" in test.tags]
    assert tests, "no test is tagged policy"
    return tests


Findings = Callable[[Policy], dict[str, list[str]]]


@pytest.fixture(scope="module")
def findings(connection: duckdb.DuckDBPyConnection, policy_tests: list[DataTest]) -> Findings:
    """Test -> sentences, for the tests of the agreement that find something in it. Asks a test again only where its seeds changed."""
    loaded: Policy = {}
    known: dict[str, list[str]] = {}

    def find(policy: Policy) -> dict[str, list[str]]:
        changed = {name for name in policy_columns() if loaded.get(name) != policy[name]}
        for name in changed:
            fill(connection, f"{DATABASE}.policy.{name}", policy_columns()[name], policy[name])
            loaded[name] = policy[name]
        for test in policy_tests:
            if changed & {seed.split(".")[-1] for seed in test.node["depends_on"]["nodes"]}:
                known[test.name] = test.problems(connection)
        return {name: problems for name, problems in known.items() if problems}

    return find


def update(seed: str, where: Row, **values: str | None) -> Change:
    """Changes cells of the rows that match `where`."""

    def change(policy: Policy) -> None:
        rows = [row for row in policy[seed] if all(row[key] == value for key, value in where.items())]
        assert rows, f"{seed} has no row with {where}"
        for row in rows:
            row.update(values)

    return change


def add(seed: str, text: str) -> Change:
    """Adds a row, given as a line of the file."""

    def change(policy: Policy) -> None:
        (values,) = csv.reader([text])
        policy[seed].append({key: value or None for key, value in zip(policy_columns()[seed], values, strict=True)})

    return change


def delete(seed: str, **where: str | None) -> Change:
    """Deletes the rows that match, all of them without a condition."""

    def change(policy: Policy) -> None:
        policy[seed] = [row for row in policy[seed] if any(row[key] != value for key, value in where.items())]

    return change


def all_of(*changes: Change) -> Change:
    def change(policy: Policy) -> None:
        for one in changes:
            one(policy)

    return change


def rename_calendar(old: str, new: str) -> Change:
    return update("business_calendars", {"calendar_id": old}, calendar_id=new)


TRIAL: Row = {"rule_id": "trial_calls"}
MONDAY: Row = {"calendar_id": "default", "iso_weekday": "1"}
TARGET: Row = {"target_month": "2026-03-01", "persona": "enterprise"}
VALUE: Row = {"persona": "enterprise", "journey_stage": "solution_research", "activity_type": "demo_request"}
NEXT_TRIAL = "trial_calls,Trials,free_trial,,call,3,168,elapsed,0.75,{begin},"


def next_trial(end: str | None, begin: str) -> Change:
    """The rule changes: the row in force ends, another begins."""
    return all_of(
        update("sales_sla_rules", TRIAL, valid_to=end), add("sales_sla_rules", NEXT_TRIAL.format(begin=begin))
    )


@dataclass(frozen=True)
class Wrong:
    """A way to get the agreement wrong, the tests that must say so, and words that one of their sentences has."""

    change: Change
    tests: set[str]
    words: str


WRONG = {
    "a rule twice": Wrong(
        add("sales_sla_rules", NEXT_TRIAL.format(begin="2015-01-01")),
        {"sales_sla_rules_key", "sales_sla_rules_versions"},
        "sales_sla_rules (rule_id trial_calls, valid_from 2015-01-01): the key occurs 2 times",
    ),
    "a rule without an id": Wrong(
        update("sales_sla_rules", TRIAL, rule_id=None),
        {"sales_sla_rules_key"},
        "sales_sla_rules (rule_id (empty), valid_from 2015-01-01): rule_id is part of the key and empty",
    ),
    "a rule without a first day": Wrong(
        update("sales_sla_rules", TRIAL, valid_from=None), {"sales_sla_rules_key"}, "valid_from is part of the key"
    ),
    "a rule without a name": Wrong(
        update("sales_sla_rules", TRIAL, rule_name=None),
        {"sales_sla_rules_rule_name_is_filled_in"},
        "rule_name is empty",
    ),
    "an unknown trigger": Wrong(
        update("sales_sla_rules", TRIAL, trigger="free_trail"),
        {"sales_sla_rules_trigger_exists"},
        "(rule_id trial_calls, valid_from 2015-01-01): trigger 'free_trail' is not in activity_types. "
        "A trigger is new_lead, qualified, assigned or an activity type",
    ),
    "no trigger": Wrong(
        update("sales_sla_rules", TRIAL, trigger=None), {"sales_sla_rules_trigger_is_filled_in"}, "trigger is empty"
    ),
    "a rule for an unknown persona": Wrong(
        update("sales_sla_rules", TRIAL, persona="Enterprise"),
        {"sales_sla_rules_persona_exists"},
        "persona 'Enterprise' is not in personas",
    ),
    "a rule for leads without a persona never binds": Wrong(
        update("sales_sla_rules", TRIAL, persona="unknown"),
        {"sales_sla_rules_persona_exists"},
        "persona 'unknown' is not in personas",
    ),
    "a channel of no activity type": Wrong(
        update("sales_sla_rules", TRIAL, touch_channel="phone"),
        {"sales_sla_rules_touch_channel_exists"},
        "touch_channel 'phone' is not in activity_types. No touch could ever keep the rule",
    ),
    "no touch required": Wrong(
        update("sales_sla_rules", TRIAL, required_touches="0"),
        {"sales_sla_rules_required_touches_is_positive"},
        "required_touches is 0. It must be at least 1.",
    ),
    "required touches left out": Wrong(
        update("sales_sla_rules", TRIAL, required_touches=None),
        {"sales_sla_rules_required_touches_is_filled_in"},
        "required_touches is empty",
    ),
    "no time": Wrong(
        update("sales_sla_rules", TRIAL, within_hours="0"),
        {"sales_sla_rules_within_hours_is_positive"},
        "within_hours is 0.0000. It must be more than 0.",
    ),
    "time left out": Wrong(
        update("sales_sla_rules", TRIAL, within_hours=None),
        {"sales_sla_rules_within_hours_is_filled_in"},
        "within_hours is empty",
    ),
    "an unknown clock": Wrong(
        update("sales_sla_rules", TRIAL, clock="working"),
        {"sales_sla_rules_clock_is_known"},
        "clock is 'working'. Use one of: elapsed, business.",
    ),
    "clock left out": Wrong(
        update("sales_sla_rules", TRIAL, clock=None), {"sales_sla_rules_clock_is_filled_in"}, "clock is empty"
    ),
    "a warn fraction in per cent": Wrong(
        update("sales_sla_rules", TRIAL, warn_fraction="75"),
        {"sales_sla_rules_warn_fraction_is_a_share"},
        "It must be at least 0 and at most 1.",
    ),
    "warn fraction left out": Wrong(
        update("sales_sla_rules", TRIAL, warn_fraction=None),
        {"sales_sla_rules_warn_fraction_is_filled_in"},
        "warn_fraction is empty",
    ),
    "a rule that ends on the day before the next begins": Wrong(
        next_trial("2026-03-31", "2026-04-01"),
        {"sales_sla_rules_versions"},
        "no row for the same rule_id holds on 2026-03-31, the day before. valid_to is not the last day",
    ),
    "a rule that pauses": Wrong(
        next_trial("2026-03-01", "2026-04-01"),
        {"sales_sla_rules_versions"},
        "holds from 2026-03-01 until this one begins",
    ),
    "a rule that does not end before the next begins": Wrong(
        next_trial(None, "2026-04-01"),
        {"sales_sla_rules_versions"},
        "End the earlier row with valid_to 2026-04-01",
    ),
    "a rule that ends before it begins": Wrong(
        update("sales_sla_rules", TRIAL, valid_to="2014-01-01"),
        {"sales_sla_rules_versions"},
        "valid_to 2014-01-01 does not lie after valid_from 2015-01-01",
    ),
    "an activity type twice": Wrong(
        add("activity_types", "call,touch,,call"), {"activity_types_key"}, "activity_types (activity_type call)"
    ),
    "an activity type that is named like a trigger": Wrong(
        add("activity_types", "qualified,system,,"),
        {"activity_types_is_no_reserved_trigger"},
        "(activity_type qualified): this word already names a trigger",
    ),
    "an unknown category": Wrong(
        update("activity_types", {"activity_type": "note"}, category="notes"),
        {"activity_types_category_is_known"},
        "(activity_type note): category is 'notes'. Use one of: conversion, engagement, touch, reply, system.",
    ),
    "an empty category": Wrong(
        update("activity_types", {"activity_type": "note"}, category=None),
        {"activity_types_category_is_filled_in"},
        "category is empty",
    ),
    "an unknown channel": Wrong(
        update("activity_types", {"activity_type": "sms"}, touch_channel="text"),
        {"activity_types_touch_channel_is_known"},
        "touch_channel is 'text'",
    ),
    "a channel of what is no touch": Wrong(
        update("activity_types", {"activity_type": "reply"}, touch_channel="email"),
        {"activity_types_channel_is_of_a_touch"},
        "only a touch has a channel and this is a reply",
    ),
    "a touch that proves a stage (warns)": Wrong(
        update("activity_types", {"activity_type": "call"}, journey_stage="solution_selection"),
        {"activity_types_stage_is_proven_by_the_buyer"},
        "a touch proves the stage solution_selection",
    ),
    "a stage that does not exist": Wrong(
        update("activity_types", {"activity_type": "webinar"}, journey_stage="awareness"),
        {"activity_types_journey_stage_exists"},
        "journey_stage 'awareness' is not in journey_stages",
    ),
    "two stages of one rank": Wrong(
        update("journey_stages", {"journey_stage": "solution_selection"}, stage_rank="2"),
        {"journey_stages_rank_is_unique"},
        "journey_stages (stage_rank 2): the key occurs 2 times",
    ),
    "a stage without a rank": Wrong(
        update("journey_stages", {"journey_stage": "solution_selection"}, stage_rank=None),
        {"journey_stages_rank_is_unique"},
        "stage_rank is part of the key and empty",
    ),
    "a stage twice": Wrong(
        add("journey_stages", "solution_selection,4"),
        {"journey_stages_key"},
        "journey_stages (journey_stage solution_selection)",
    ),
    "personas that share a number of employees": Wrong(
        update("personas", {"persona": "enterprise"}, min_employees="10000"),
        {"personas_ranges_join_up"},
        "(personas enterprise and mid_market): from 2015-01-01 on, both claim companies of 10000 employees",
    ),
    "personas that leave a hole": Wrong(
        update("personas", {"persona": "mid_market"}, min_employees="1001"),
        {"personas_ranges_join_up"},
        "companies of 1000 employees belong to no persona",
    ),
    "personas that leave a hole later on": Wrong(
        all_of(
            update("personas", {"persona": "mid_market"}, valid_to="2026-01-01"),
            add("personas", "mid_market,2000,10000,2026-01-01,"),
        ),
        {"personas_ranges_join_up"},
        "from 2026-01-01 on, companies of 1000 to 1999 employees belong to no persona",
    ),
    "personas that begin above one employee (warns)": Wrong(
        update("personas", {"persona": "small_business"}, min_employees="10"),
        {"personas_ranges_are_open_ended"},
        "companies below 10 employees belong to no persona",
    ),
    "personas that end (warns)": Wrong(
        update("personas", {"persona": "enterprise"}, max_employees="500000"),
        {"personas_ranges_are_open_ended"},
        "companies above 500000 employees belong to no persona",
    ),
    "bounds the wrong way round": Wrong(
        update("personas", {"persona": "mid_market"}, min_employees="10000", max_employees="1000"),
        {"personas_ranges_join_up"},
        "min_employees 10000 is more than max_employees 1000",
    ),
    "fewer than no employees": Wrong(
        update("personas", {"persona": "small_business"}, min_employees="-5"),
        {"personas_min_employees_is_not_negative"},
        "min_employees is -5",
    ),
    "a persona called all": Wrong(
        add("personas", "all,,,2014-01-01,2015-01-01"),
        {"personas_persona_is_no_reserved_word"},
        "(persona all, valid_from 2014-01-01)",
    ),
    "a persona twice": Wrong(
        add("personas", "mid_market,1000,10000,2015-01-01,"),
        {"personas_key", "personas_versions"},
        "personas (persona mid_market, valid_from 2015-01-01): the key occurs 2 times",
    ),
    "a matrix that is not upward closed": Wrong(
        update(
            "buyer_matrix", {"persona": "enterprise", "journey_stage": "solution_research"}, passes_to_sales="false"
        ),
        {"buyer_matrix_is_upward_closed"},
        "enterprise passes to Sales at problem_education but not at the later stage solution_research",
    ),
    "a matrix that is not upward closed for a while": Wrong(
        all_of(
            update(
                "buyer_matrix",
                {"persona": "mid_market", "journey_stage": "solution_selection"},
                valid_to="2026-01-01",
            ),
            add("buyer_matrix", "mid_market,solution_selection,false,2026-01-01,2026-02-01"),
            add("buyer_matrix", "mid_market,solution_selection,true,2026-02-01,"),
        ),
        {"buyer_matrix_is_upward_closed"},
        "from 2026-01-01 on, mid_market passes to Sales at solution_research but not at",
    ),
    "a cell twice": Wrong(
        add("buyer_matrix", "enterprise,problem_education,true,2015-01-01,"),
        {"buyer_matrix_key", "buyer_matrix_versions"},
        "the key occurs 2 times",
    ),
    "a cell that says nothing": Wrong(
        update(
            "buyer_matrix", {"persona": "small_business", "journey_stage": "problem_education"}, passes_to_sales=None
        ),
        {"buyer_matrix_passes_to_sales_is_filled_in"},
        "passes_to_sales is empty",
    ),
    "a cell of an unknown persona": Wrong(
        add("buyer_matrix", "startup,solution_selection,true,2015-01-01,"),
        {"buyer_matrix_persona_exists"},
        "persona 'startup' is not in personas",
    ),
    "a cell of an unknown stage": Wrong(
        add("buyer_matrix", "enterprise,solution_trial,true,2015-01-01,"),
        {"buyer_matrix_journey_stage_exists"},
        "journey_stage 'solution_trial' is not in journey_stages",
    ),
    "a value twice, for any type": Wrong(
        add("lead_values", "enterprise,problem_education,,0.01,1.00,2015-01-01,"),
        {"lead_values_key", "lead_values_versions"},
        "(persona enterprise, journey_stage problem_education, activity_type (empty), valid_from 2015-01-01)",
    ),
    "a win rate in per cent": Wrong(
        update("lead_values", VALUE, win_rate="4.5"), {"lead_values_win_rate_is_a_share"}, "win_rate is 4.500000"
    ),
    "a value without a win rate": Wrong(
        update("lead_values", VALUE, win_rate=None), {"lead_values_win_rate_is_filled_in"}, "win_rate is empty"
    ),
    "a negative price": Wrong(
        update("lead_values", VALUE, average_purchase_price_usd="-1"),
        {"lead_values_price_is_not_negative"},
        "average_purchase_price_usd is -1.00",
    ),
    "a value without a price": Wrong(
        update("lead_values", VALUE, average_purchase_price_usd=None),
        {"lead_values_price_is_filled_in"},
        "average_purchase_price_usd is empty",
    ),
    "a value of an activity type of another stage": Wrong(
        update("lead_values", VALUE, activity_type="free_trial"),
        {"lead_values_activity_type_is_of_its_stage"},
        "activity_type 'free_trial' with journey_stage 'solution_research' is not in activity_types",
    ),
    "a value of an activity type without a stage": Wrong(
        update("lead_values", VALUE, activity_type="visit"),
        {"lead_values_activity_type_is_of_its_stage"},
        "The row would never apply",
    ),
    "a value of an unknown persona": Wrong(
        add("lead_values", "startup,solution_selection,,0.01,1.00,2015-01-01,"),
        {"lead_values_persona_exists"},
        "persona 'startup' is not in personas",
    ),
    "a value of an unknown stage": Wrong(
        add("lead_values", "enterprise,solution_trial,,0.01,1.00,2015-01-01,"),
        {"lead_values_journey_stage_exists"},
        "journey_stage 'solution_trial' is not in journey_stages",
    ),
    "a value that is missing on one day": Wrong(
        all_of(
            update("lead_values", VALUE, valid_to="2026-03-31"),
            add("lead_values", "enterprise,solution_research,demo_request,0.05,60000,2026-04-01,"),
        ),
        {"lead_values_versions"},
        "set valid_to of the row before to 2026-04-01",
    ),
    "a value for any type that pauses": Wrong(
        all_of(
            update("lead_values", {**VALUE, "activity_type": None}, valid_to="2026-03-01"),
            add("lead_values", "enterprise,solution_research,,0.05,60000,2026-04-01,"),
        ),
        {"lead_values_versions"},
        "holds from 2026-03-01 until this one begins",
    ),
    "a target in mid-month": Wrong(
        update("marketing_targets", TARGET, target_month="2026-03-15"),
        {"marketing_targets_month_is_given_by_its_first_day"},
        "marketing_targets (target_month 2026-03-15, persona enterprise): target_month is not the first day of a month",
    ),
    "a target of nothing": Wrong(
        update("marketing_targets", TARGET, leads_per_rep=None),
        {"marketing_targets_has_a_target"},
        "the row sets no target",
    ),
    "a target twice": Wrong(
        add("marketing_targets", "2026-03-01,enterprise,,10,"), {"marketing_targets_key"}, "the key occurs 2 times"
    ),
    "a target without a month": Wrong(
        update("marketing_targets", TARGET, target_month=None),
        {"marketing_targets_key"},
        "target_month is part of the key and empty",
    ),
    "a target for an unknown persona": Wrong(
        update("marketing_targets", TARGET, persona="startup"),
        {"marketing_targets_persona_exists"},
        "persona 'startup' is not in personas",
    ),
    "a target for all": Wrong(
        update("marketing_targets", TARGET, persona="all"),
        {"marketing_targets_persona_exists"},
        "persona 'all' is not in personas",
    ),
    "negative leads per rep": Wrong(
        update("marketing_targets", TARGET, leads_per_rep="-150"),
        {"marketing_targets_leads_per_rep_is_not_negative"},
        "leads_per_rep is -150.00",
    ),
    "a negative target": Wrong(
        update("marketing_targets", TARGET, target_leads="-1"),
        {"marketing_targets_target_leads_is_not_negative"},
        "target_leads is -1.00",
    ),
    "a negative value": Wrong(
        update("marketing_targets", TARGET, target_value_usd="-1"),
        {"marketing_targets_target_value_is_not_negative"},
        "target_value_usd is -1.00",
    ),
    "no default calendar": Wrong(
        all_of(
            rename_calendar("default", "new_york"),
            update("holidays", {"calendar_id": "default"}, calendar_id="new_york"),
        ),
        {"business_calendars_has_the_default_calendar"},
        "business_calendars: no row has calendar_id 'default'. It is the default calendar",
    ),
    "no calendar at all": Wrong(
        all_of(delete("business_calendars"), delete("holidays")),
        {"business_calendars_has_the_default_calendar"},
        "no row has calendar_id 'default'",
    ),
    "two time zones in a calendar": Wrong(
        update("business_calendars", MONDAY, time_zone="America/Chicago"),
        {"business_calendars_one_time_zone_a_calendar"},
        "(calendar_id default): time_zone differs from row to row (America/Chicago, America/New_York)",
    ),
    "an unknown time zone": Wrong(
        update("business_calendars", {"calendar_id": "default"}, time_zone="New York"),
        {"business_calendars_time_zone_is_known"},
        "(calendar_id default): time_zone 'New York' is not a known time zone",
    ),
    "no time zone": Wrong(
        update("business_calendars", {"calendar_id": "sydney"}, time_zone=None),
        {"business_calendars_time_zone_is_filled_in"},
        "time_zone is empty",
    ),
    "an eighth day": Wrong(
        update("business_calendars", MONDAY, iso_weekday="8"),
        {"business_calendars_iso_weekday_is_a_weekday"},
        "iso_weekday is 8. It must be at least 1 and at most 7.",
    ),
    "hours in another format": Wrong(
        update("business_calendars", MONDAY, opens_at="9:00"),
        {"business_calendars_opening_hours"},
        "opens_at is '9:00'. Write it as HH:MM",
    ),
    "a shift over midnight": Wrong(
        update("business_calendars", MONDAY, opens_at="22:00", closes_at="06:00"),
        {"business_calendars_opening_hours"},
        "split one that passes midnight at 24:00",
    ),
    "a calendar without open hours": Wrong(
        add("business_calendars", "closed,UTC,1,,"),
        {"business_calendars_key", "business_calendars_closes_at_is_filled_in"},
        "(calendar_id closed, iso_weekday 1, opens_at (empty))",
    ),
    "a shift without an end": Wrong(
        update("business_calendars", MONDAY, closes_at=None),
        {"business_calendars_opening_hours", "business_calendars_closes_at_is_filled_in"},
        "only opens_at is given",
    ),
    "overlapping shifts": Wrong(
        add("business_calendars", "default,America/New_York,1,17:00,20:00"),
        {"business_calendars_shifts_do_not_overlap"},
        "(calendar_id default, iso_weekday 1): the shift from 17:00 to 20:00 begins before an earlier one has ended",
    ),
    "a shift twice": Wrong(
        add("business_calendars", "default,America/New_York,1,09:00,17:30"),
        {"business_calendars_key", "business_calendars_shifts_do_not_overlap"},
        "the key occurs 2 times",
    ),
    "a holiday of an unknown calendar": Wrong(
        add("holidays", "berlin,2026-10-03,German Unity Day,,"),
        {"holidays_calendar_exists"},
        "holidays (calendar_id berlin, holiday_date 2026-10-03): calendar_id 'berlin' is not in business_calendars",
    ),
    "a holiday twice": Wrong(
        add("holidays", "default,2026-12-25,Christmas,09:00,12:00"), {"holidays_key"}, "the key occurs 2 times"
    ),
    "a short day that only opens": Wrong(
        add("holidays", "default,2026-12-31,New Year's Eve,09:00,"),
        {"holidays_opening_hours"},
        "only opens_at is given",
    ),
    "a short day that only closes": Wrong(
        add("holidays", "default,2026-12-31,New Year's Eve,,13:00"),
        {"holidays_opening_hours"},
        "only closes_at is given",
    ),
    "a holiday without a date": Wrong(
        add("holidays", "default,,New Year's Eve,,"), {"holidays_key"}, "holiday_date is part of the key and empty"
    ),
}

LEGAL = {
    "as shipped": lambda policy: None,
    "no holidays": delete("holidays"),
    "no targets": delete("marketing_targets"),
    "no rules": delete("sales_sla_rules"),
    "no values": delete("lead_values"),
    "an empty matrix": delete("buyer_matrix"),
    "a persona without a cell, a value or a target": all_of(
        delete("buyer_matrix", persona="enterprise"),
        delete("lead_values", persona="enterprise"),
        delete("marketing_targets", persona="enterprise"),
    ),
    "a persona that never passes": update("buyer_matrix", {"persona": "small_business"}, passes_to_sales="false"),
    "leads without a persona may pass, too": all_of(
        add("buyer_matrix", "unknown,solution_selection,true,2015-01-01,"),
        add("lead_values", "unknown,solution_selection,,0.01,500,2015-01-01,"),
        add("marketing_targets", "2026-03-01,unknown,,20,"),
    ),
    "versions that join": next_trial("2026-04-01", "2026-04-01"),
    "a rule that has ended": update("sales_sla_rules", TRIAL, valid_to="2026-01-01"),
    "a rule that begins next year": update("sales_sla_rules", TRIAL, valid_from="2027-01-01"),
    "a rule for one persona, any channel": update(
        "sales_sla_rules", TRIAL, persona="enterprise", touch_channel=None, trigger="assigned"
    ),
    "a rule on an automated activity": update("sales_sla_rules", TRIAL, trigger="email_open"),
    "the bounds themselves": all_of(
        update("sales_sla_rules", TRIAL, warn_fraction="1", required_touches="1", within_hours="0.0001"),
        update("sales_sla_rules", {"rule_id": "demo_touches"}, warn_fraction="0"),
        update("lead_values", VALUE, win_rate="0", average_purchase_price_usd="0"),
        update("lead_values", {**VALUE, "persona": "mid_market"}, win_rate="1"),
        update("marketing_targets", TARGET, leads_per_rep="0"),
        update("personas", {"persona": "small_business"}, min_employees="1"),
    ),
    "a target in dollars alone": update("marketing_targets", TARGET, leads_per_rep=None, target_value_usd="100000"),
    "all targets of a row": update("marketing_targets", TARGET, target_leads="10", target_value_usd="100000"),
    "a value for demo requests in one month only": all_of(
        update("lead_values", VALUE, valid_from="2026-03-01", valid_to="2026-04-01"),
        add("lead_values", "enterprise,solution_research,demo_request,0.05,60000,2026-06-01,2026-07-01"),
    ),
    "personas that change together": all_of(
        update("personas", {"persona": "small_business"}, valid_to="2026-01-01"),
        update("personas", {"persona": "mid_market"}, valid_to="2026-01-01"),
        add("personas", "small_business,,499,2026-01-01,"),
        add("personas", "mid_market,500,10000,2026-01-01,"),
    ),
    "a persona that is given up": all_of(
        update("personas", {"persona": "small_business"}, valid_to="2026-01-01"),
        update("personas", {"persona": "mid_market"}, valid_to="2026-01-01"),
        add("personas", "mid_market,,10000,2026-01-01,"),
    ),
    "a matrix that loosens": all_of(
        update("buyer_matrix", {"persona": "mid_market", "journey_stage": "problem_education"}, valid_to="2026-01-01"),
        add("buyer_matrix", "mid_market,problem_education,true,2026-01-01,"),
    ),
    "ranks with a gap": update("journey_stages", {"journey_stage": "solution_selection"}, stage_rank="30"),
    "round the clock": all_of(
        delete("business_calendars", calendar_id="sydney"),
        *(add("business_calendars", f"sydney,Australia/Sydney,{day},00:00,24:00") for day in range(1, 8)),
    ),
    "shifts that touch": add("business_calendars", "default,America/New_York,1,17:30,20:00"),
    "a working holiday on a day that is closed otherwise": add("holidays", "default,2026-03-07,Fair,10:00,24:00"),
    "a touch type without a channel": add("activity_types", "letter,touch,,"),
    "a conversion without a stage": add("activity_types", "newsletter_signup,conversion,,"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(findings: Findings, name: str) -> None:
    wrong = WRONG[name]
    policy = read_policy(PROJECT / "seeds/policy")
    wrong.change(policy)
    found = findings(policy)
    assert found.keys() == wrong.tests, found
    assert any(wrong.words in problem for problems in found.values() for problem in problems), found


@pytest.mark.parametrize("name", LEGAL)
def test_what_is_legal_passes(findings: Findings, name: str) -> None:
    policy = read_policy(PROJECT / "seeds/policy")
    LEGAL[name](policy)
    assert findings(policy) == {}


@pytest.mark.parametrize("company", sorted(path.parent.name for path in (PROJECT / "tests/real").glob("*/policy")))
def test_agreements_of_the_real_companies_pass(findings: Findings, company: str) -> None:
    assert findings(read_policy(PROJECT / "tests/real" / company / "policy")) == {}


def test_every_policy_test_is_seen_to_bite(policy_tests: list[DataTest]) -> None:
    seen = set().union(*(wrong.tests for wrong in WRONG.values()))
    # These read the columns of the file, which is another harness' business: see test_generic_tests.py.
    columns = {f"{seed}_has_its_columns" for seed in policy_columns()}
    assert {test.name for test in policy_tests} - seen - columns == set()


def test_only_what_is_legal_warns(policy_tests: list[DataTest]) -> None:
    assert {test.name for test in policy_tests if test.severity == "warn"} == {
        "activity_types_stage_is_proven_by_the_buyer",
        "personas_ranges_are_open_ended",
    }
