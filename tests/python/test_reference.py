"""Worked examples: each computed by hand from the semantics, and stated as a sentence."""

from copy import deepcopy
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from reference import KEYS, Settings, build_marts
from reference.calendars import Calendar
from reference.contract import raw_row
from reference.marts import percentile

ALWAYS = {"valid_from": date(2015, 1, 1), "valid_to": None}
LATER = datetime(2025, 6, 30, 12)


def at(text: str) -> datetime:
    """`06-02 13:00` is an instant of 2025 (UTC); seconds may follow."""
    return datetime.fromisoformat(f"2025-{text}")


def weekly(calendar_id: str, zone: str, *shifts: tuple[str, str], weekdays: Any = range(1, 6)) -> list[dict]:
    return [
        {"calendar_id": calendar_id, "time_zone": zone, "iso_weekday": day, "opens_at": opens, "closes_at": closes}
        for day in weekdays
        for opens, closes in shifts
    ]


def rule(rule_id: str, trigger: str, within_hours: str, **changes: Any) -> dict:
    return {
        "rule_id": rule_id,
        "rule_name": rule_id.replace("_", " "),
        "trigger": trigger,
        "persona": None,
        "touch_channel": None,
        "required_touches": 1,
        "within_hours": Decimal(within_hours),
        "clock": "elapsed",
        "warn_fraction": Decimal("0.5"),
        **ALWAYS,
        **changes,
    }


def book() -> dict[str, list[dict]]:
    """The agreement of the book, with values that are easy to add up: a demo is worth three downloads."""
    stages = ["problem_education", "solution_research", "solution_selection"]
    passing = {"small_business": 3, "mid_market": 2, "enterprise": 1}
    types = [
        ("content_download", "conversion", stages[0], None),
        ("product_download", "conversion", stages[1], None),
        ("demo_request", "conversion", stages[1], None),
        ("free_trial", "conversion", stages[2], None),
        ("visit", "engagement", None, None),
        ("webinar", "engagement", stages[0], None),
        ("call", "touch", None, "call"),
        ("email", "touch", None, "email"),
        ("reply", "reply", None, None),
        ("note", "system", None, None),
    ]
    prices = {"small_business": 2500, "mid_market": 12000, "enterprise": 60000}
    rates = [(0, None, "0.01"), (1, None, "0.03"), (1, "demo_request", "0.06"), (1, "product_download", "0.02")]
    return {
        "personas": [
            {"persona": "small_business", "min_employees": None, "max_employees": 999, **ALWAYS},
            {"persona": "mid_market", "min_employees": 1000, "max_employees": 10000, **ALWAYS},
            {"persona": "enterprise", "min_employees": 10001, "max_employees": None, **ALWAYS},
        ],
        "journey_stages": [{"journey_stage": stage, "stage_rank": n} for n, stage in enumerate(stages, start=1)],
        "activity_types": [
            {"activity_type": t, "category": c, "journey_stage": s, "touch_channel": ch} for t, c, s, ch in types
        ],
        "buyer_matrix": [
            {"persona": persona, "journey_stage": stage, "passes_to_sales": rank >= lowest, **ALWAYS}
            for persona, lowest in passing.items()
            for rank, stage in enumerate(stages, start=1)
        ],
        "lead_values": [
            {
                "persona": persona,
                "journey_stage": stages[n],
                "activity_type": kind,
                "win_rate": Decimal(win_rate),
                "average_purchase_price_usd": Decimal(price),
                **ALWAYS,
            }
            for persona, price in prices.items()
            for n, kind, win_rate in [*rates, (2, None, "0.09")]
        ],
        "marketing_targets": [],
        "sales_sla_rules": [],
        "business_calendars": weekly("default", "America/New_York", ("09:00", "17:30"))
        + weekly("split", "Europe/Amsterdam", ("08:30", "12:30"), ("13:15", "17:15"))
        + weekly("round_the_clock", "America/New_York", ("00:00", "24:00"), weekdays=range(1, 8)),
        "holidays": [],
    }


class Story:
    """Raw rows and an agreement, told line by line."""

    def __init__(self, *rules: dict, **settings: Any):
        self.raw: dict[str, list[dict]] = {t: [] for t in ("leads", "activities", "owner_changes", "reps", "deals")}
        self.policy = book()
        self.policy["sales_sla_rules"] += rules
        self.settings = settings
        self.count = 0

    def lead(self, lead_id: str, created_at: str = "06-02 12:00", **values: Any) -> "Story":
        created = at(created_at)
        defaults = {"updated_at": created, "employee_count": 5000, "_loaded_at": created}
        self.raw["leads"].append(raw_row("leads", lead_id=lead_id, created_at=created, **(defaults | values)))
        return self

    def act(self, lead_id: str, activity_type: str, when: str, activity_id: str | None = None, **values: Any):
        self.count += 1
        occurred = at(when)
        row = {
            "activity_id": activity_id or f"a{self.count:02d}",
            "lead_id": lead_id,
            "activity_type": activity_type,
            "occurred_at": occurred,
            "_loaded_at": occurred,
        }
        self.raw["activities"].append(raw_row("activities", **(row | values)))
        return self

    def owner(self, lead_id: str, owner_id: str | None, when: str, **values: Any) -> "Story":
        row = {"lead_id": lead_id, "owner_id": owner_id, "changed_at": at(when), "_loaded_at": at(when)}
        self.raw["owner_changes"].append(raw_row("owner_changes", **(row | values)))
        return self

    def rep(self, rep_id: str, **values: Any) -> "Story":
        row = {
            "rep_id": rep_id,
            "full_name": f"Name of {rep_id}",
            "active_from": date(2020, 1, 1),
            "_loaded_at": at("01-01"),
        }
        self.raw["reps"].append(raw_row("reps", **(row | values)))
        return self

    def won(self, lead_id: str, when: str, amount: str = "1000.00", **values: Any) -> "Story":
        row = {
            "deal_id": f"d{len(self.raw['deals'])}",
            "lead_id": lead_id,
            "amount": Decimal(amount),
            "status": "won",
            "created_at": at(when),
            "closed_at": at(when),
            "updated_at": at(when),
            "_loaded_at": at(when),
        }
        self.raw["deals"].append(raw_row("deals", **(row | values)))
        return self

    def marts(self, as_of: str | datetime = LATER) -> dict[str, list[dict]]:
        instant = at(as_of) if isinstance(as_of, str) else as_of
        return build_marts(deepcopy(self.raw), self.policy, Settings(as_of=instant, **self.settings))

    def obligations(self, as_of: str | datetime = LATER) -> list[dict]:
        rows = self.marts(as_of)["fct_sales_sla_obligations"]
        return sorted(rows, key=lambda o: (o["triggered_at"], o["trigger_activity_id"] or "", o["lead_id"]))

    def obligation(self, as_of: str | datetime = LATER) -> dict:
        (row,) = self.obligations(as_of)
        return row

    def dim(self, lead_id: str, as_of: str | datetime = LATER) -> dict:
        (row,) = [row for row in self.marts(as_of)["dim_leads"] if row["lead_id"] == lead_id]
        return row


HOUR = rule("hour", "new_lead", "1")
DEMO = rule("demo", "demo_request", "72", required_touches=2)
DAY_OF_WORK = rule("day_of_work", "new_lead", "8", clock="business")


def one_lead(*rules: dict, converted_at: str = "06-02 13:00", **settings: Any) -> Story:
    return Story(*rules, **settings).lead("L").act("L", "content_download", converted_at)


# --- deadline and status ----------------------------------------------------------------------------------------------


def test_a_touch_at_the_very_deadline_is_in_time():
    o = one_lead(HOUR).act("L", "call", "06-02 14:00:00").obligation()
    assert (o["due_at"], o["status"], o["touches_by_due"]) == (at("06-02 14:00"), "met", 1)
    assert o["response_minutes"] == 60
    assert o["late_minutes"] is None
    assert o["breached_at"] is None


def test_a_touch_one_second_after_the_deadline_cures_a_breach_and_does_not_erase_it():
    o = one_lead(HOUR).act("L", "call", "06-02 14:00:01").obligation()
    assert (o["status"], o["is_breached"], o["breached_at"]) == ("late", True, at("06-02 14:00"))
    assert (o["touches_by_due"], o["touches_total"]) == (0, 1)
    assert o["late_minutes"] == pytest.approx(1 / 60)


@pytest.mark.parametrize(
    ("as_of", "status"),
    [
        ("06-02 13:29:59.999999", "pending"),
        ("06-02 13:30", "at_risk"),
        ("06-02 14:00", "at_risk"),
        ("06-02 14:00:00.000001", "violating"),
    ],
)
def test_an_untouched_lead_is_at_risk_from_half_the_window_to_the_deadline_and_violating_after(as_of, status):
    assert one_lead(HOUR).obligation(as_of)["status"] == status


def test_a_touch_before_the_trigger_counts_for_nothing_and_one_at_the_trigger_counts():
    before = one_lead(HOUR).act("L", "call", "06-02 12:59:59").obligation()
    assert (before["status"], before["touches_total"]) == ("violating", 0)
    at_trigger = one_lead(HOUR).act("L", "call", "06-02 13:00").obligation()
    assert (at_trigger["status"], at_trigger["response_minutes"]) == ("met", 0)


def test_automated_touches_and_notes_are_no_touches_and_an_unknown_rep_is_one():
    story = one_lead(HOUR).act("L", "email", "06-02 13:10", is_automated=True).act("L", "note", "06-02 13:11")
    assert story.obligation()["touches_total"] == 0
    story.act("L", "call", "06-02 13:12", actor_id="nobody_knows")
    assert story.obligation()["status"] == "met"
    (touch,) = story.marts()["fct_sales_touches"]
    assert (touch["rep_id"], touch["touch_number"]) == ("nobody_knows", 1)


def test_the_second_touch_satisfies_where_two_are_required_ties_by_id():
    story = Story(DEMO).lead("L").act("L", "demo_request", "06-02 13:00", "a0")
    story.act("L", "call", "06-03 09:00", "z").act("L", "call", "06-03 09:00", "b").act("L", "call", "06-07 09:00", "c")
    o = story.obligation()
    assert (o["satisfied_at"], o["satisfying_activity_id"]) == (at("06-03 09:00"), "z")
    assert (o["touches_by_due"], o["touches_total"]) == (2, 3)


def test_only_touches_of_the_channel_of_the_rule_count():
    story = one_lead(rule("calls", "new_lead", "1", touch_channel="call")).act("L", "email", "06-02 13:10")
    assert story.obligation()["status"] == "violating"


# --- business time ----------------------------------------------------------------------------------------------------


def test_a_friday_evening_lead_is_due_eight_open_hours_after_monday_opens():
    # Friday 18:00 in New York; Monday opens at 13:00 UTC.
    assert one_lead(DAY_OF_WORK, converted_at="06-06 22:00").obligation()["due_at"] == at("06-09 21:00")


def test_a_deadline_falls_on_a_closing_time_rather_than_on_the_next_opening():
    assert one_lead(DAY_OF_WORK, converted_at="06-02 13:30").obligation()["due_at"] == at("06-02 21:30")


def test_an_evening_call_after_a_closing_time_deadline_is_late_by_no_open_minute():
    o = one_lead(DAY_OF_WORK, converted_at="06-02 13:30").act("L", "call", "06-03 01:00").obligation()
    assert (o["status"], o["late_minutes"], o["response_minutes"]) == ("late", 0, 480)


def test_a_split_shift_counts_no_lunch():
    story = (
        one_lead(DAY_OF_WORK, converted_at="06-02 10:00").rep("R", calendar_id="split").owner("L", "R", "06-02 12:00")
    )
    # Nobody owns the lead before it is created at 12:00, and the trigger is at 10:00: the default calendar.
    assert story.obligation()["due_at"] == at("06-02 21:00")
    story = Story(DAY_OF_WORK).lead("L", "06-01 12:00", owner_id="R").rep("R", calendar_id="split")
    story.act("L", "content_download", "06-02 10:00")
    # Amsterdam, noon: half an hour, then four hours, then 3.5 hours of Tuesday from 08:30 (06:30 UTC).
    assert story.obligation()["due_at"] == at("06-03 10:00")


def test_an_unknown_calendar_is_the_default_one():
    story = Story(DAY_OF_WORK).lead("L", owner_id="R").rep("R", calendar_id="atlantis")
    assert story.act("L", "content_download", "06-02 13:00").obligation()["due_at"] == at("06-02 21:00")


def test_holidays_close_shorten_and_open_a_day():
    zone = ZoneInfo("America/New_York")
    shifts = weekly("c", "America/New_York", ("09:00", "17:00"))

    def holiday(day: date, opens: str | None, closes: str | None) -> dict:
        return {"calendar_id": "c", "holiday_date": day, "holiday_name": "h", "opens_at": opens, "closes_at": closes}

    calendar = Calendar(
        zone,
        shifts,
        [
            holiday(date(2025, 7, 3), "09:00", "12:00"),
            holiday(date(2025, 7, 4), None, None),
            holiday(date(2025, 7, 5), "10:00", "14:00"),
        ],
    )
    # Thursday 15:00 UTC: one hour before noon; Friday closed; Saturday four hours; Monday the rest.
    assert calendar.open_time(at("07-03 15:00"), at("07-06 00:00")) == timedelta(hours=5)
    assert calendar.deadline(at("07-03 15:00"), timedelta(hours=6)) == at("07-07 14:00")
    assert not calendar.is_open_on(date(2025, 7, 4))


def test_a_day_that_closes_at_midnight_runs_into_the_next():
    calendar = Calendar(ZoneInfo("Asia/Kolkata"), weekly("c", "", ("22:00", "24:00"), ("00:00", "02:00")), [])
    # Monday 22:00 in Kolkata is 16:30 UTC.
    assert calendar.open_time(at("06-02 16:00"), at("06-03 12:00")) == timedelta(hours=4)
    assert calendar.deadline(at("06-02 16:00"), timedelta(hours=3)) == at("06-02 19:30")


def test_hours_that_the_spring_night_skips_do_not_exist():
    zone = ZoneInfo("America/New_York")
    sunday = [7]
    across = Calendar(zone, weekly("c", "", ("01:00", "04:00"), weekdays=sunday), [])
    assert across.open_time(at("03-09 00:00"), at("03-10 00:00")) == timedelta(hours=2)
    opening_inside = Calendar(zone, weekly("c", "", ("02:30", "04:00"), weekdays=sunday), [])
    assert opening_inside.windows(date(2025, 3, 9)) == [(at("03-09 07:00"), at("03-09 08:00"))]
    closing_inside = Calendar(zone, weekly("c", "", ("01:00", "02:30"), weekdays=sunday), [])
    assert closing_inside.windows(date(2025, 3, 9)) == [(at("03-09 06:00"), at("03-09 07:00"))]
    wholly_inside = Calendar(zone, weekly("c", "", ("02:15", "02:45"), weekdays=sunday), [])
    assert not wholly_inside.is_open_on(date(2025, 3, 9))


def test_in_the_repeated_hour_of_the_autumn_night_opening_and_closing_are_the_first_pass():
    zone = ZoneInfo("America/New_York")
    closing = Calendar(zone, weekly("c", "", ("00:30", "01:30"), weekdays=[7]), [])
    assert closing.windows(date(2025, 11, 2)) == [(at("11-02 04:30"), at("11-02 05:30"))]
    opening = Calendar(zone, weekly("c", "", ("01:30", "03:00"), weekdays=[7]), [])
    assert opening.windows(date(2025, 11, 2)) == [(at("11-02 05:30"), at("11-02 08:00"))]
    day = Calendar(zone, weekly("c", "", ("00:00", "24:00"), weekdays=[7]), [])
    assert day.open_time(at("11-02 00:00"), at("11-04 00:00")) == timedelta(hours=25)


# --- triggers ---------------------------------------------------------------------------------------------------------


def test_a_repeated_trigger_opens_nothing_while_one_is_running_and_opens_at_the_very_deadline():
    story = Story(rule("demo", "demo_request", "24")).lead("L").act("L", "demo_request", "06-02 13:00")
    story.act("L", "demo_request", "06-03 12:59:59").act("L", "demo_request", "06-03 13:00")
    assert [o["triggered_at"] for o in story.obligations()] == [at("06-02 13:00"), at("06-03 13:00")]


def test_a_trigger_at_the_satisfying_touch_opens():
    story = Story(rule("demo", "demo_request", "24")).lead("L").act("L", "demo_request", "06-02 13:00")
    story.act("L", "call", "06-02 14:00").act("L", "demo_request", "06-02 14:00")
    assert [o["response_minutes"] for o in story.obligations()] == [60, 0]


def test_the_rule_in_force_at_the_trigger_binds_for_life_and_keeps_its_successor_from_opening():
    changed = date(2025, 6, 3)
    story = Story(
        rule("demo", "demo_request", "48", valid_to=changed),
        rule("demo", "demo_request", "1", valid_from=changed),
    )
    story.lead("L").act("L", "demo_request", "06-02 13:00").act("L", "demo_request", "06-04 10:00")
    story.act("L", "demo_request", "06-04 13:00")
    first, second = story.obligations()
    assert (first["due_at"], first["rule_valid_from"]) == (at("06-04 13:00"), date(2015, 1, 1))
    assert (second["due_at"], second["rule_valid_from"]) == (at("06-04 14:00"), changed)


def test_validity_goes_by_days_of_the_reporting_time_zone():
    changed = date(2025, 6, 3)
    versions = [rule("hour", "new_lead", "1", valid_to=changed), rule("hour", "new_lead", "2", valid_from=changed)]
    # 03:00 UTC on 3 June is still 2 June in New York.
    assert one_lead(*versions, converted_at="06-03 03:00").obligation()["due_at"] == at("06-03 05:00")
    local = one_lead(*versions, converted_at="06-03 03:00", reporting_time_zone="America/New_York")
    assert local.obligation()["due_at"] == at("06-03 04:00")


def test_only_the_first_conversion_of_the_record_is_a_new_lead_and_automated_ones_trigger_too():
    story = one_lead(HOUR).act("L", "call", "06-02 13:01").act("L", "demo_request", "06-05 13:00")
    assert len(story.obligations()) == 1
    assert len(Story(HOUR).lead("L").act("L", "free_trial", "06-02 13:00", is_automated=True).obligations()) == 1


def test_an_unknown_type_is_system_whatever_its_name():
    story = Story(rule("q", "qualified", "1"), rule("d", "new_lead", "1")).lead("L")
    assert story.act("L", "qualified", "06-02 13:00").act("L", "new_lead", "06-02 13:00").obligations() == []


def test_assigned_triggers_at_each_change_to_an_owner_other_than_the_state_just_before():
    story = Story(rule("assigned", "assigned", "1")).lead("L", owner_id="ignored")
    story.owner("L", "A", "06-03 10:00").owner("L", "A", "06-04 10:00").owner("L", None, "06-05 10:00")
    story.owner("L", "A", "06-06 10:00").owner("L", "B", "06-07 10:00")
    triggered = [(o["triggered_at"], o["owner_at_trigger"], o["trigger_activity_id"]) for o in story.obligations()]
    assert triggered == [
        (at("06-03 10:00"), "A", None),
        (at("06-06 10:00"), "A", None),
        (at("06-07 10:00"), "B", None),
    ]


def test_owner_changes_before_creation_take_effect_at_creation_where_the_last_one_wins():
    story = Story(rule("assigned", "assigned", "1")).lead("L", "06-02 12:00")
    story.owner("L", "A", "06-01 10:00").owner("L", "B", "06-01 11:00")
    o = story.obligation()
    assert (o["triggered_at"], o["owner_at_trigger"]) == (at("06-02 12:00"), "B")


def test_without_owner_changes_the_owner_of_the_current_version_was_assigned_at_creation():
    o = Story(rule("assigned", "assigned", "1")).lead("L", owner_id="gone").obligation()
    assert (o["triggered_at"], o["owner_at_trigger"], o["responsible_rep_id"]) == (at("06-02 12:00"), "gone", "gone")


def test_of_two_owner_changes_at_one_instant_the_later_load_wins():
    story = Story().lead("L").owner("L", "A", "06-03 10:00", _loaded_at=at("06-05"))
    assert story.owner("L", "B", "06-03 10:00", _loaded_at=at("06-04")).dim("L")["owner_id"] == "A"


def test_responsible_is_the_owner_at_the_deadline_and_nobody_is_shown():
    story = one_lead(HOUR).owner("L", "A", "06-02 13:30").owner("L", "B", "06-02 14:00").owner("L", "C", "06-02 15:00")
    o = story.obligation()
    assert (o["owner_at_trigger"], o["responsible_rep_id"]) == ("unassigned", "B")
    assert story.obligation("06-02 13:45")["responsible_rep_id"] == "A"
    (listed,) = story.marts()["do_not_be_on_it"]
    assert (listed["responsible_rep_id"], listed["rep_name"], listed["current_owner_id"]) == ("B", "B", "C")
    assert one_lead(HOUR).obligation()["responsible_rep_id"] == "unassigned"


def test_a_rule_for_a_persona_binds_by_the_persona_at_the_trigger_and_not_where_it_is_unknown():
    for_mid = rule("mid", "new_lead", "1", persona="mid_market")
    story = Story(for_mid).lead("L", employee_count=None).act("L", "content_download", "06-02 13:00")
    story.lead("L", updated_at=at("06-05"), _loaded_at=at("06-05"), employee_count=5000)
    assert story.obligations() == []
    assert one_lead(for_mid).obligation()["persona"] == "mid_market"


# --- cancellation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "status"), [("06-02 14:00:00", "cancelled"), ("06-02 14:00:01", "closed"), ("06-02 13:00", None)]
)
def test_won_at_the_deadline_cancels_after_it_closes_and_at_the_trigger_opens_nothing(when, status):
    rows = one_lead(HOUR).won("L", when).obligations()
    assert [(o["status"], o["cancel_reason"]) for o in rows] == ([(status, "won")] if status else [])


def test_a_touch_at_the_very_cancellation_still_counts_and_a_satisfied_obligation_is_not_cancelled():
    o = one_lead(HOUR).act("L", "call", "06-02 13:30").act("L", "call", "06-02 13:31").won("L", "06-02 13:30")
    row = o.obligation()
    assert (row["status"], row["cancelled_at"], row["touches_total"]) == ("met", None, 1)


def test_ties_among_reasons_go_in_their_order():
    story = Story(HOUR).act("L", "content_download", "06-02 13:00")
    moment = at("06-02 13:30")
    story.lead("L", opted_out_at=moment, disqualified_at=moment)
    assert story.dim("L")["cancel_reason"] == "disqualified"
    assert story.won("L", "06-02 13:30").dim("L")["cancel_reason"] == "won"


def test_a_won_deal_without_closing_date_counts_at_its_update_and_not_before_it_has_happened():
    story = Story().lead("L").won("L", "06-05 10:00", closed_at=None)
    assert story.dim("L")["won_at"] == at("06-05 10:00")
    future = Story().lead("L").won("L", "06-05 10:00", closed_at=at("06-20 10:00"))
    assert future.dim("L", "06-19 10:00")["won_at"] is None
    assert future.marts("06-19 10:00")["fct_funnel_monthly"][0]["deals"] == 1
    assert future.dim("L", "06-20 10:00")["won_at"] == at("06-20 10:00")


def test_deletion_is_the_first_of_the_unbroken_run_of_deleted_versions():
    story = one_lead(HOUR)
    for day, is_deleted in [("06-03", True), ("06-04", False), ("06-05", True), ("06-06", True)]:
        story.lead("L", updated_at=at(day), _loaded_at=at(day), is_deleted=is_deleted)
    o = story.obligation()
    assert (o["status"], o["cancelled_at"], o["cancel_reason"]) == ("closed", at("06-05"), "deleted")


# --- merging ----------------------------------------------------------------------------------------------------------


def merged_pair(*rules: dict) -> Story:
    """A is merged into B at 12:00 on 10 June."""
    merged = {"merged_into_lead_id": "B", "merged_at": at("06-10 12:00")}
    return Story(*rules).lead("A", **merged).lead("B")


def test_a_trigger_belongs_to_the_record_that_held_its_activity_at_that_instant():
    story = merged_pair(rule("demo", "demo_request", "240"))
    story.act("A", "demo_request", "06-09 12:00").act("A", "demo_request", "06-10 12:00")
    rows = [(o["lead_id"], o["status"], o["cancel_reason"], o["cancelled_at"]) for o in story.obligations()]
    assert rows == [("A", "cancelled", "merged", at("06-10 12:00")), ("B", "violating", None, None)]


def test_the_survivor_has_the_touches_of_both_and_the_merged_lead_its_own_until_the_merge():
    story = merged_pair(HOUR).act("A", "content_download", "06-03 10:00").act("B", "content_download", "06-04 10:00")
    story.act("A", "call", "06-04 10:30").act("B", "call", "06-03 10:30")
    of_a, of_b = story.obligations()
    assert (of_a["lead_id"], of_a["satisfied_at"], of_a["status"]) == ("A", at("06-04 10:30"), "late")
    assert (of_b["lead_id"], of_b["satisfied_at"], of_b["touches_total"]) == ("B", at("06-04 10:30"), 1)
    marts = story.marts()
    assert {t["lead_id"] for t in marts["fct_sales_touches"]} == {"B"}
    assert [t["touch_number"] for t in marts["fct_sales_touches"]] == [1, 2]
    assert [r["lead_id"] for r in marts["fct_speed_to_lead"]] == ["B"]
    assert story.dim("A")["first_touch_at"] == at("06-04 10:30")
    assert story.dim("B")["first_touch_at"] == at("06-03 10:30")


def test_an_unmerged_past_is_shown_until_the_merge_has_happened():
    story = merged_pair().act("A", "demo_request", "06-09 12:00")
    before = story.marts("06-10 11:59:59")["fct_qualified_leads"]
    assert [row["lead_id"] for row in before] == ["A"]
    assert [row["lead_id"] for row in story.marts("06-10 12:00")["fct_qualified_leads"]] == ["B"]


def test_qualified_triggers_for_the_record_that_held_the_proof_and_for_no_other():
    story = merged_pair(rule("q", "qualified", "1")).act("A", "demo_request", "06-09 12:00")
    assert [(o["lead_id"], o["triggered_at"]) for o in story.obligations()] == [("A", at("06-09 12:00"))]
    after = merged_pair(rule("q", "qualified", "1")).act("A", "demo_request", "06-10 12:00")
    assert [o["lead_id"] for o in after.obligations()] == ["B"]


def test_a_won_deal_of_a_merged_lead_cancels_the_survivor_from_the_merge_on():
    story = merged_pair(rule("slow", "demo_request", "1000"))
    story.act("B", "demo_request", "06-05 12:00").won("A", "06-06 12:00")
    o = story.obligation()
    assert (o["lead_id"], o["cancelled_at"], o["cancel_reason"]) == ("B", at("06-10 12:00"), "won")
    assert story.dim("B")["won_at"] == at("06-06 12:00")


def test_chains_are_followed_and_a_test_lead_passes_rows_through_but_counts_for_nobody():
    story = Story(HOUR)
    story.lead("A", merged_into_lead_id="T", merged_at=at("06-10"))
    story.lead("T", merged_into_lead_id="C", merged_at=at("06-12"), is_test=True)
    story.lead("C")
    story.act("A", "call", "06-05 10:00").act("T", "call", "06-05 11:00").act("A", "content_download", "06-11 10:00")
    marts = story.marts()
    assert [row["lead_id"] for row in marts["dim_leads"]] == ["A", "C"]
    assert [(t["lead_id"], t["touch_number"]) for t in marts["fct_sales_touches"]] == [("C", 1)]
    # The record that held the download was the test lead: it triggers for nobody.
    assert marts["fct_sales_sla_obligations"] == []
    # From the second merge on the survivor holds it, and has had no conversion on its record before.
    story.act("A", "content_download", "06-12 10:00")
    assert [(o["lead_id"], o["triggered_at"]) for o in story.obligations()] == [("C", at("06-12 10:00"))]
    assert story.dim("C")["first_conversion_at"] == at("06-11 10:00")


def test_a_lead_merged_into_a_test_lead_keeps_its_obligations_and_is_in_no_other_fact():
    story = Story(HOUR).lead("A", merged_into_lead_id="T", merged_at=at("06-10")).lead("T", is_test=True)
    story.act("A", "demo_request", "06-05 10:00").act("A", "call", "06-05 12:00")
    marts = story.marts()
    filled = {mart for mart in KEYS if marts[mart]}
    assert filled == {"dim_leads", "fct_sales_sla_obligations", "fct_sales_sla_daily", "rep_scorecard"}


def test_cycles_missing_survivors_and_merges_without_a_date_stay_unmerged_and_others_merge_into_them():
    story = Story()
    day = at("06-10")
    story.lead("A", merged_into_lead_id="B", merged_at=day).lead("B", merged_into_lead_id="C", merged_at=day)
    story.lead("C", merged_into_lead_id="B", merged_at=day).lead("D", merged_into_lead_id="ghost", merged_at=day)
    story.lead("E", merged_into_lead_id="B").lead("F", merged_into_lead_id="F", merged_at=day)
    for lead_id in "ABCDEF":
        story.act(lead_id, "call", "06-05 10:00")
    holders = [t["lead_id"] for t in story.marts()["fct_sales_touches"]]
    assert sorted(holders) == ["B", "B", "C", "D", "E", "F"]


# --- versions and visibility ------------------------------------------------------------------------------------------


def test_of_two_versions_with_one_update_the_later_load_replaces_the_earlier():
    story = Story().act("L", "demo_request", "06-04 12:00").lead("L", employee_count=20_000)
    story.lead("L", updated_at=at("06-03"), _loaded_at=at("06-05"), employee_count=5)
    story.lead("L", updated_at=at("06-03"), _loaded_at=at("06-04"), employee_count=5000)
    assert story.marts()["fct_qualified_leads"] == []
    assert story.dim("L", "06-04 12:00")["qualified_at"] == at("06-04 12:00")


def test_what_lies_after_as_of_is_invisible_and_no_earlier_version_of_an_activity_comes_back():
    story = Story().lead("L").act("L", "call", "06-05 10:00", "a")
    story.act("L", "call", "06-20 10:00", "a", _loaded_at=at("06-06"))
    assert len(story.marts("06-05 12:00")["fct_sales_touches"]) == 1
    assert story.marts("06-19 12:00")["fct_sales_touches"] == []
    assert story.marts("06-20 10:00")["fct_sales_touches"][0]["occurred_at"] == at("06-20 10:00")


def test_a_lead_created_after_as_of_is_in_no_mart_yet():
    story = Story(HOUR).lead("L", "06-10 12:00", updated_at=at("06-01"), _loaded_at=at("06-01"))
    story.act("L", "content_download", "06-05 10:00")
    assert not any(story.marts("06-09 12:00").values())
    assert len(story.marts("06-10 12:00")["fct_sales_sla_obligations"]) == 1


def test_exact_duplicates_count_once_and_as_of_is_the_newest_load():
    story = one_lead(HOUR).act("L", "call", "06-02 13:30", "a")
    story.raw["activities"] += story.raw["activities"]
    assert story.obligation(None)["touches_total"] == 1
    # The newest load is the call's, at 13:30: the deadline lies ahead, and the obligation is met.
    assert story.obligation(None)["status"] == "met"


# --- qualification ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("employees", "persona"),
    [(999, "small_business"), (1000, "mid_market"), (10_000, "mid_market"), (10_001, "enterprise"), (None, "unknown")],
)
def test_the_bounds_of_the_personas_are_inclusive(employees, persona):
    assert Story().lead("L", employee_count=employees).dim("L")["persona"] == persona


def test_a_persona_enriched_later_qualifies_then_with_the_highest_passing_stage_reached():
    story = Story().lead("L", employee_count=None)
    story.act("L", "content_download", "06-03 10:00", "x").act("L", "free_trial", "06-04 10:00", "y")
    story.lead("L", updated_at=at("06-07 10:00"), _loaded_at=at("06-07 10:00"), employee_count=20_000)
    (row,) = story.marts()["fct_qualified_leads"]
    assert (row["qualified_at"], row["journey_stage"], row["activity_id"]) == (
        at("06-07 10:00"),
        "solution_selection",
        "y",
    )


def test_a_loosened_matrix_does_not_requalify_the_backlog():
    story = Story().lead("L").act("L", "content_download", "06-03 10:00")
    for row in story.policy["buyer_matrix"]:
        row["valid_to"] = date(2025, 6, 10)
    story.policy["buyer_matrix"] += [
        {**row, "passes_to_sales": True, "valid_from": date(2025, 6, 10), "valid_to": None}
        for row in story.policy["buyer_matrix"]
    ]
    assert story.marts()["fct_qualified_leads"] == []
    # The stage is reached once: a second download proves nothing new, the next stage does.
    story.act("L", "content_download", "06-12 10:00").act("L", "demo_request", "06-13 10:00")
    (row,) = story.marts()["fct_qualified_leads"]
    assert (row["qualified_at"], row["matrix_valid_from"]) == (at("06-13 10:00"), date(2025, 6, 10))


def test_an_activity_before_creation_proves_its_stage_under_the_first_persona():
    story = Story().lead("L", "06-02 12:00").act("L", "demo_request", "06-01 10:00")
    (row,) = story.marts()["fct_qualified_leads"]
    assert (row["qualified_at"], row["persona"]) == (at("06-01 10:00"), "mid_market")


# --- credits and the Marketing SLA ------------------------------------------------------------------------------------


def test_a_demo_after_a_download_earns_only_what_exceeds_the_credit_so_far():
    story = Story().lead("L").act("L", "product_download", "06-03 10:00").act("L", "demo_request", "06-04 10:00")
    story.act("L", "product_download", "06-05 10:00").act("L", "free_trial", "06-06 10:00")
    # Worth 0.02, 0.06, 0.02 and 0.09 of 12,000 dollars.
    earned = [(c["activity_id"], c["value_usd"]) for c in story.marts()["fct_marketing_credits"]]
    assert earned == [("a01", Decimal("240.00")), ("a02", Decimal("480.00")), ("a04", Decimal("360.00"))]


def test_the_best_activity_so_far_is_credited_at_the_qualifying_instant_also_from_a_cell_that_does_not_pass():
    story = Story().lead("L").act("L", "content_download", "06-03 10:00").act("L", "product_download", "06-04 10:00")
    for row in story.policy["lead_values"]:
        if row["journey_stage"] == "problem_education":
            row["win_rate"] = Decimal("0.5")
    (credit,) = story.marts()["fct_marketing_credits"]
    assert (credit["activity_id"], credit["journey_stage"]) == ("a01", "problem_education")
    assert (credit["credited_at"], credit["value_usd"]) == (at("06-04 10:00"), Decimal("6000.00"))


def test_ties_at_the_qualifying_instant_go_to_the_earliest_then_to_the_id():
    story = Story().lead("L").act("L", "demo_request", "06-03 10:00", "z").act("L", "demo_request", "06-03 10:00", "b")
    (credit,) = story.marts()["fct_marketing_credits"]
    assert credit["activity_id"] == "b"


def test_a_lead_without_a_value_row_qualifies_and_earns_nothing():
    story = Story().lead("L").act("L", "demo_request", "06-03 10:00")
    story.policy["lead_values"] = []
    marts = story.marts()
    assert len(marts["fct_qualified_leads"]) == 1
    assert marts["fct_marketing_credits"] == []


def marketing(story: Story, as_of: str, day: date, persona: str = "mid_market") -> dict:
    rows = story.marts(as_of)["fct_marketing_sla_daily"]
    (row,) = [r for r in rows if (r["date_day"], r["persona"]) == (day, persona)]
    return row


def target(persona: str = "mid_market", **values: Any) -> dict:
    empty = {"leads_per_rep": None, "target_leads": None, "target_value_usd": None}
    return {"target_month": date(2025, 6, 1), "persona": persona, **empty, **values}


def test_150_leads_per_rep_and_10_reps_are_1500_leads_and_the_value_of_the_lowest_passing_stage_each():
    story = Story()
    story.policy["marketing_targets"] = [target(leads_per_rep=Decimal(150))]
    for n in range(10):
        story.rep(f"R{n}", personas="enterprise|mid_market" if n % 2 else None)
    story.rep("small", personas="small_business").rep("late", active_from=date(2025, 6, 2))
    story.rep("gone", active_to=date(2025, 6, 1))
    row = marketing(story, "06-16 00:00", date(2025, 6, 15))
    # Half of June; the any-type value of solution_research is 0.03 x 12,000.
    assert (row["target_leads"], row["target_value_usd"]) == (1500, Decimal("540000.00"))
    assert (row["ideal_mtd_leads"], row["ideal_mtd_value_usd"]) == (750, Decimal("270000.00"))
    assert (row["leads_attainment_rate"], row["pace"]) == (0, "behind")


def test_no_reps_make_no_target_and_neither_do_other_personas():
    story = Story()
    story.policy["marketing_targets"] = [target(leads_per_rep=Decimal(150))]
    for persona in ("mid_market", "enterprise", "all"):
        row = marketing(story.rep("E", personas="enterprise"), "06-16 00:00", date(2025, 6, 15), persona)
        assert (row["target_leads"], row["leads_attainment_rate"], row["pace"]) == (None, None, "no_target")


@pytest.mark.parametrize(("leads", "pace"), [(8, "behind"), (9, "on_pace"), (11, "on_pace"), (12, "ahead")])
def test_pace_is_by_leads_without_a_value_and_its_bounds_are_on_pace(leads, pace):
    story = Story()
    story.policy["lead_values"] = []
    story.policy["marketing_targets"] = [target(target_leads=Decimal(30))]
    for n in range(leads):
        story.lead(f"L{n}").act(f"L{n}", "demo_request", "06-05 10:00")
    row = marketing(story, "06-11 00:00", date(2025, 6, 10))
    assert (row["ideal_mtd_leads"], row["pace"]) == (10, pace)
    assert row["leads_attainment_rate"] == pytest.approx(leads / 30)


def test_the_day_of_as_of_is_pro_rata_and_business_pacing_counts_open_days_only():
    story = Story()
    story.policy["marketing_targets"] = [target(target_leads=Decimal(30))]
    assert marketing(story, "06-11 06:00", date(2025, 6, 11))["ideal_mtd_leads"] == 10.25
    story.settings["pacing"] = "business_days"
    # June 2025 has 21 working days; Wednesday 11 June is the eighth.
    assert marketing(story, "06-11 06:00", date(2025, 6, 11))["ideal_mtd_leads"] == pytest.approx(30 * 7.25 / 21)
    assert marketing(story, "06-15 06:00", date(2025, 6, 15))["ideal_mtd_leads"] == pytest.approx(30 * 10 / 21)


def test_all_is_the_sum_of_the_personas_where_a_missing_target_adds_nothing():
    story = Story()
    story.policy["marketing_targets"] = [
        target(target_leads=Decimal(30)),
        target("enterprise", target_leads=Decimal(6)),
    ]
    row = marketing(story, "06-11 00:00", date(2025, 6, 10), "all")
    # 30 x 0.03 x 12,000 and 6 x 0.01 x 60,000; Small Business has none.
    assert (row["target_leads"], row["target_value_usd"]) == (36, Decimal("14400.00"))
    assert row["ideal_mtd_leads"] == 12


def test_the_forecast_needs_fourteen_full_days_and_carries_their_mean_to_the_end_of_the_month():
    story = Story()
    story.policy["marketing_targets"] = [target(target_leads=Decimal(30))]
    for n in range(7):
        story.lead(f"L{n}").act(f"L{n}", "demo_request", "06-05 10:00")
    assert marketing(story, "06-14 12:00", date(2025, 6, 14))["forecast_leads"] is None
    row = marketing(story, "06-15 12:00", date(2025, 6, 15))
    # 7 leads in 14 days, and 15.5 days to come: 7.75 more.
    assert row["forecast_leads"] == 14.75
    assert row["forecast_leads_low"] == pytest.approx(7 + 7.75 - 1.2815515655446004 * 7.75**0.5)
    assert row["forecast_leads_high"] == pytest.approx(7 + 7.75 + 1.2815515655446004 * 7.75**0.5)


# --- speed, day rows, scorecards --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("touched", "band"),
    [("13:05:00", "<=5m"), ("13:05:01", "5-30m"), ("13:30:00", "5-30m"), ("14:00:00", "30-60m"), ("14:00:01", "1-24h")],
)
def test_speed_bands_include_their_upper_bound(touched, band):
    (row,) = one_lead().act("L", "call", f"06-02 {touched}").marts()["fct_speed_to_lead"]
    assert row["speed_band"] == band


def test_the_delay_splits_into_assignment_and_rep_and_business_minutes_use_the_owner_at_the_conversion():
    story = one_lead(converted_at="06-02 21:00").owner("L", "R", "06-02 21:20").rep("R", calendar_id="round_the_clock")
    (row,) = story.act("L", "call", "06-03 13:10").act("L", "reply", "06-03 14:00").marts()["fct_speed_to_lead"]
    assert (row["assigned_at"], row["first_contact_at"]) == (at("06-02 21:20"), at("06-03 14:00"))
    assert (row["elapsed_minutes"], row["system_delay_minutes"], row["rep_delay_minutes"]) == (970, 20, 950)
    # Nobody owned the lead at the conversion: half an hour until New York closes, and ten minutes of Tuesday.
    assert row["business_minutes"] == 40


def test_a_lead_never_touched_shows_the_system_delay_of_its_assignment_only():
    (row,) = one_lead().owner("L", "R", "06-02 13:20").marts()["fct_speed_to_lead"]
    assert (row["speed_band"], row["elapsed_minutes"], row["rep_delay_minutes"]) == ("never", None, None)
    assert row["system_delay_minutes"] == 20
    (row,) = one_lead().marts()["fct_speed_to_lead"]
    assert row["system_delay_minutes"] is None


def test_day_rows_show_a_violation_at_the_end_of_each_day_until_it_is_cured():
    story = one_lead(HOUR).owner("L", "R", "06-02 12:30").act("L", "call", "06-04 00:00")
    days = {row["date_day"]: row for row in story.marts()["fct_sales_sla_daily"]}
    assert [(d.day, r["triggered"], r["due"], r["breached"], r["open_violations"]) for d, r in days.items()] == [
        (2, 1, 1, 1, 1)
    ]
    story.raw["activities"][-1]["occurred_at"] += timedelta(seconds=1)
    assert [row["open_violations"] for row in story.marts()["fct_sales_sla_daily"]] == [1, 1]
    assert [row["rep_id"] for row in story.marts("06-02 15:00")["fct_sales_sla_daily"]] == ["R"]


def test_a_met_obligation_counts_as_due_only_once_its_deadline_has_passed():
    story = one_lead(HOUR).act("L", "call", "06-02 13:10")
    (row,) = story.marts("06-02 14:00")["fct_sales_sla_daily"]
    assert (row["triggered"], row["due"], row["met"], row["attainment_rate"]) == (1, 0, 0, None)
    (row,) = story.marts("06-02 14:00:01")["fct_sales_sla_daily"]
    assert (row["due"], row["met"], row["attainment_rate"]) == (1, 1, 1)


def test_an_unanswered_lead_counts_its_minutes_so_far_in_the_median():
    story = Story(HOUR)
    for lead_id, touched in [("A", "13:10"), ("B", "13:50"), ("C", None)]:
        story.lead(lead_id).act(lead_id, "content_download", "06-02 13:00")
        if touched:
            story.act(lead_id, "call", f"06-02 {touched}")
    (row,) = story.marts("06-02 15:30")["rep_scorecard"]
    assert (row["week_start_date"], row["due"], row["met"]) == (date(2025, 6, 2), 3, 2)
    assert (row["p50_response_minutes"], row["p90_response_minutes"]) == (50, 130)


def test_percentiles_interpolate_linearly():
    assert percentile([10, 20], 0.5) == 15
    assert percentile([0, 10, 20, 30], 0.9) == pytest.approx(27)


def test_the_list_and_its_companion_name_the_open_violations_and_those_at_risk():
    story = one_lead(HOUR).owner("L", "R", "06-02 12:30").rep("R", team="East")
    assert story.marts("06-02 13:45")["do_not_be_on_it"] == []
    (soon,) = story.marts("06-02 13:45")["due_soon"]
    assert (soon["rep_name"], soon["team"], soon["late_minutes"]) == ("Name of R", "East", None)
    (listed,) = story.marts("06-03 02:00")["do_not_be_on_it"]
    assert (listed["violation_age_days"], listed["late_minutes"]) == (0.5, 720)


def test_the_funnel_counts_persons_once_and_adds_up_what_they_bought():
    story = merged_pair().act("A", "demo_request", "06-05 10:00").act("B", "call", "06-05 11:00", outcome="connected")
    story.won("A", "06-06 10:00", "100.10").won("B", "06-07 10:00", "200.20")
    (row,) = story.marts()["fct_funnel_monthly"]
    assert (row["created_month"], row["persona"], row["lead_source"]) == (date(2025, 6, 1), "mid_market", None)
    counts = [row[c] for c in ("leads", "qualified", "touched", "contacted", "deals", "won")]
    assert (counts, row["won_value_usd"]) == ([1] * 6, Decimal("300.30"))


def test_without_any_raw_row_every_mart_is_empty():
    assert not any(Story().marts(None).values())
