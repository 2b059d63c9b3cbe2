"""Small companies full of traps: Hypothesis strategies for raw tables, agreements and settings.

A company is made from one number, so that it costs a few milliseconds, and a case can be named by its number. A failing
one is shrunk by dropping rows and simplifying the agreement; what remains is the few rows that make it. As a Hypothesis
strategy (`cases`) each row is a draw of its own, so that Hypothesis shrinks in the same way.

Instants are weighted towards those that decide something: a touch falls on the trigger, on a deadline, on a clock
change, on a merge, or a second beside it.

Agreements are always valid ones: a company with overlapping versions or with a matrix that is not upward closed is
refused by the project, and no property can be stated about it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from math import ceil
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from reference import Settings
from reference.agreement import Agreement
from reference.contract import ORDERING, RAW_COLUMNS, raw_row
from reference.records import build_world
from reference.sales_sla import Obligation, obligations
from reference.settings import DAY, Days, Row

SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
LONG_AGO = date(2015, 1, 1)

ZONES = ("America/New_York", "Asia/Kolkata", "Australia/Sydney", "Europe/Amsterdam")
REPORTING_ZONES = ("UTC", *ZONES)

# The instant around which a company is drawn: mostly one at which some clock changes.
SCENES = (
    datetime(2025, 6, 18),
    datetime(2025, 3, 9, 7),  # New York skips 02:00-03:00
    datetime(2025, 11, 2, 6),  # New York repeats 01:00-02:00
    datetime(2025, 3, 30, 1),  # Amsterdam skips 02:00-03:00
    datetime(2025, 10, 26, 1),  # Amsterdam repeats 02:00-03:00
    datetime(2025, 10, 4, 16),  # Sydney skips 02:00-03:00
    datetime(2025, 4, 5, 16),  # Sydney repeats 02:00-03:00
    datetime(2025, 9, 1),
    datetime(2025, 1, 1),
    datetime(2024, 2, 29, 12),
)

STAGES = ("problem_education", "solution_research", "solution_selection")
PERSONAS = ("small_business", "mid_market", "enterprise")

# --- what agreements are made of --------------------------------------------------------------------------------------

# (activity type, category, stage, channel)
ACTIVITY_TYPES = (
    ("content_download", "conversion", "problem_education", None),
    ("product_download", "conversion", "solution_research", None),
    ("demo_request", "conversion", "solution_research", None),
    ("free_trial", "conversion", "solution_selection", None),
    ("newsletter", "conversion", None, None),
    ("visit", "engagement", None, None),
    ("webinar", "engagement", "problem_education", None),
    ("pricing_visit", "engagement", "solution_selection", None),
    ("call", "touch", None, "call"),
    ("voicemail", "touch", None, "call"),
    ("email", "touch", None, "email"),
    ("sms", "touch", None, "sms"),
    ("meeting", "touch", None, "meeting"),
    ("social_message", "touch", None, "social"),
    ("reply", "reply", None, None),
    ("note", "system", None, None),
)

# Ranges of employees that tile 1.. to the open end.
PERSONA_SHAPES: tuple[dict[str, tuple[int | None, int | None]], ...] = (
    {"small_business": (None, 999), "mid_market": (1000, 10_000), "enterprise": (10_001, None)},
    {"small_business": (1, 4999), "mid_market": (5000, 9999), "enterprise": (10_000, None)},
    {"small_business": (None, 4999), "enterprise": (5000, None)},
    {"mid_market": (1, None)},
)

EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
OFFICE_DAYS = (1, 2, 3, 4, 5)
Shifts = tuple[tuple[tuple[int, ...], str, str], ...]
CALENDAR_SHAPES: tuple[Shifts, ...] = (
    ((OFFICE_DAYS, "09:00", "17:30"),),
    ((OFFICE_DAYS, "08:30", "12:30"), (OFFICE_DAYS, "13:15", "17:15")),
    ((EVERY_DAY, "16:00", "24:00"),),
    ((EVERY_DAY, "00:00", "24:00"),),
    (((6, 7), "01:30", "02:30"), (OFFICE_DAYS, "10:00", "15:00")),
    (((7,), "02:15", "02:45"), ((1,), "09:00", "13:00")),
    ((OFFICE_DAYS, "09:00", "12:00"), (OFFICE_DAYS, "12:00", "15:00")),
    (((6,), "10:00", "14:00"),),
    ((EVERY_DAY, "00:00", "02:00"), (EVERY_DAY, "02:30", "03:30"), (EVERY_DAY, "23:00", "24:00")),
)

HOLIDAY_HOURS = (
    (None, None),
    ("09:00", "12:00"),
    ("10:00", "24:00"),
    ("01:30", "02:30"),
    ("00:00", "09:30"),
)

# (win rate, price): among them values that round a half cent, and equal ones.
VALUES = (
    ("0.01", "12000.00"),
    ("0.03", "12000.00"),
    ("0.06", "12000.00"),
    ("0.005", "33.00"),
    ("0.333333", "1000.01"),
    ("0", "500.00"),
    ("0.03", "12000.00"),
)

TARGETS = (
    {"target_leads": "30"},
    {"target_leads": "4"},
    {"leads_per_rep": "150"},
    {"leads_per_rep": "2.5"},
    {"target_value_usd": "1000.00"},
    {"target_leads": "2", "target_value_usd": "0.05"},
    {"leads_per_rep": "1", "target_value_usd": "480.00"},
)

# --- cases ------------------------------------------------------------------------------------------------------------


# A raw row (table, number), or what a row of the agreement is about (seed, key...).
Part = tuple

DROPPABLE = ("sales_sla_rules", "lead_values", "marketing_targets", "holidays")


def _term(seed: str, row: Row) -> tuple:
    """What a row of the agreement is about, whatever its version."""
    keys = ("rule_id", "target_month", "persona", "journey_stage", "activity_type", "calendar_id", "holiday_date")
    # All versions of a rule go together, though their persona may differ.
    return (seed, row["rule_id"]) if seed == "sales_sla_rules" else (seed, *(row.get(key) for key in keys))


@dataclass(frozen=True)
class Case:
    """A small company: its raw rows, its agreement, its settings."""

    raw: dict[str, list[Row]]
    policy: dict[str, list[Row]]
    settings: Settings

    def render(self) -> str:
        """The case as a person reads it: the settings, the raw rows, and where the agreement is not the plain one."""
        lines = [repr(self.settings)]
        for table, rows in self.raw.items():
            lines.append(f"raw.{table}: {'' if rows else 'empty'}".rstrip())
            lines += [_line(row) for row in sorted(rows, key=lambda row: [str(row[c]) for c in ORDERING[table]])]
        for seed, plain in plain_policy().items():
            rows = self.policy[seed]
            if not rows and plain:
                lines.append(f"policy.{seed}: empty")
            elif rows != plain:
                lines.append(f"policy.{seed}:")
                lines += [_line(row) for row in rows if row not in plain]
                lines += [f"  without{_line(row)}" for row in plain if row not in rows]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"\n{self.render()}\n"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What Hypothesis prints of a failing case."""
        printer.text(repr(self))

    def parts(self) -> list[Part]:
        """What the case could do without: each raw row, and terms without which the agreement is still valid."""
        rows = [(table, n) for table, rows in self.raw.items() for n in range(len(rows))]
        return rows + sorted({_term(seed, row) for seed in DROPPABLE for row in self.policy[seed]}, key=str)

    def without(self, dropped: set[Part]) -> "Case":
        """The case without some of its parts."""
        raw = {
            table: [row for n, row in enumerate(rows) if (table, n) not in dropped] for table, rows in self.raw.items()
        }
        policy = {
            seed: [row for row in rows if seed not in DROPPABLE or _term(seed, row) not in dropped]
            for seed, rows in self.policy.items()
        }
        return replace(self, raw=raw, policy=policy)


def _line(row: Row) -> str:
    return "  " + ", ".join(f"{column}={value!s}" for column, value in row.items() if value is not None)


def company(seed: int, max_leads: int = 6, max_activities: int = 25) -> Case:
    """The company of a number: at most so many leads (typically three), with so many activities each (about seven)."""
    drawn = _Company(Random(seed), max_leads, max_activities)
    raw = {table: _without_conflicts(table, rows) for table, rows in drawn.raw.items()}
    return Case(raw, drawn.policy, drawn.settings)


# Hypothesis asks for one company again and again while it drops parts of it.
_company = lru_cache(maxsize=16)(company)


@st.composite
def cases(draw: st.DrawFn, max_leads: int = 6, max_activities: int = 25) -> Case:
    """The same companies for Hypothesis, which drops their parts one by one when it shrinks.

    It repeats most draws with small changes; where each check costs much, go through the numbers of `company` instead,
    and shrink with `smallest`.
    """
    digits = draw(st.tuples(*[st.integers(0, 255)] * 4))
    case = _company(int.from_bytes(digits), max_leads, max_activities)
    # Nearly every part stays. 0 is the simplest draw, and means that the part goes.
    return case.without({part for part in case.parts() if draw(st.integers(0, 50)) == 0})


def policies() -> st.SearchStrategy[dict[str, list[Row]]]:
    """Valid agreements, most of which change on one day."""
    return cases(max_leads=1, max_activities=1).map(lambda case: case.policy)


def _without_conflicts(table: str, rows: list[Row]) -> list[Row]:
    """Without rows that agree with an earlier one in every ordering column and in content do not: no such data exist."""
    seen: dict[tuple, Row] = {}
    return [row for row in rows if seen.setdefault(tuple(row[column] for column in ORDERING[table]), row) == row]


# --- shrinking --------------------------------------------------------------------------------------------------------


def smallest(case: Case, is_wrong: Callable[[Case], bool]) -> Case:
    """The case without everything that it can do without while something stays wrong with it."""
    case = _with_few_parts(case, is_wrong)
    for simpler in SIMPLER:
        candidate = simpler(case)
        if candidate != case and is_wrong(candidate):
            case = candidate
    for table, ornaments in ORNAMENTS.items():
        for n, row in enumerate(case.raw[table]):
            rows = [*case.raw[table][:n], {**row, **dict.fromkeys(ornaments)}, *case.raw[table][n + 1 :]]
            candidate = replace(case, raw={**case.raw, table: _without_conflicts(table, rows)})
            if candidate != case and len(candidate.raw[table]) == len(rows) and is_wrong(candidate):
                case = candidate
    return case


def _with_few_parts(case: Case, is_wrong: Callable[[Case], bool]) -> Case:
    """Drop halves, then quarters, then single parts, until no single part can go."""
    size = len(case.parts())
    while size:
        size = max(1, size // 2)
        start, dropped_some = 0, False
        while start < len(case.parts()):
            candidate = case.without(set(case.parts()[start : start + size]))
            if is_wrong(candidate):
                case, dropped_some = candidate, True
            else:
                start += size
        if size == 1 and not dropped_some:
            break
    return case


# What a row can do without; nulling it makes a case easier to read.
ORNAMENTS = {
    "leads": ("email", "lead_source", "disqualified_reason"),
    "activities": ("actor_id", "outcome"),
    "reps": ("team", "manager_id", "personas"),
    "deals": ("amount",),
}


def _with_plain(*seeds: str, **changed: Any) -> Callable[[Case], Case]:
    """Some seeds of the plain agreement, and plain settings."""

    def simpler(case: Case) -> Case:
        plain = {seed: plain_policy()[seed] for seed in seeds}
        return replace(case, policy={**case.policy, **plain}, settings=replace(case.settings, **changed))

    return simpler


# Seeds that refer to each other become plain together, so that the agreement stays valid.
SIMPLER = (
    _with_plain("personas", "buyer_matrix", "activity_types", "lead_values", "marketing_targets"),
    _with_plain("activity_types", "lead_values"),
    _with_plain("business_calendars", "holidays", default_calendar="default"),
    _with_plain(reporting_time_zone="UTC"),
    _with_plain(pacing="calendar_days", pace_tolerance=0.1),
)


# --- chance -----------------------------------------------------------------------------------------------------------


class _Dice:
    """Choices from one source of chance."""

    def __init__(self, rng: Random):
        self.rng = rng

    def pick(self, options: Sequence[Any]) -> Any:
        """One of the options, each as likely."""
        return self.rng.choice(options)

    def weighted(self, **weights: int) -> str:
        """One of the names, each as likely as its weight says."""
        return self.rng.choices(list(weights), list(weights.values()))[0]

    def once_in(self, times: float) -> bool:
        """True about once in so many times."""
        return self.rng.random() * times < 1

    def number(self, low: int, high: int) -> int:
        """A whole number between the bounds, both included."""
        return self.rng.randint(low, high)

    def some(self, most: int) -> int:
        """A number from 0 to `most`, small ones more often."""
        return min(self.rng.randint(0, most), self.rng.randint(0, most))

    def span(self, longest: timedelta) -> timedelta:
        """A duration up to `longest`, in whole seconds."""
        return self.rng.randint(0, int(longest / SECOND)) * SECOND

    def nudge(self) -> timedelta:
        """Nothing, or the smallest step to either side."""
        return self.pick(
            (timedelta(0), timedelta(0), timedelta(0), SECOND, SECOND, -SECOND, -SECOND, MICROSECOND, -MICROSECOND)
        )


# --- agreements -------------------------------------------------------------------------------------------------------


@lru_cache
def plain_policy() -> dict[str, list[Row]]:
    """The agreement of the book: nothing changes, the office in New York is open from 09:00 to 17:30, no rules."""
    plain = _Terms(_Dice(Random(0)), SCENES[0], is_plain=True)
    return plain.policy()


def _versions(change: date, before: Row | None, after: Row | None) -> list[Row]:
    """One version for ever where nothing changes, else one until the day of the change and one from then on."""
    if before == after:
        return [{**before, "valid_from": LONG_AGO, "valid_to": None}] if before is not None else []
    rows = []
    if before is not None:
        rows.append({**before, "valid_from": LONG_AGO, "valid_to": change})
    if after is not None:
        rows.append({**after, "valid_from": change, "valid_to": None})
    return rows


class _Terms:
    """An agreement, drawn seed by seed. What changes, changes on one day near the scene."""

    def __init__(self, dice: _Dice, scene: datetime, is_plain: bool = False):
        self.dice = dice
        self.scene = scene
        self.is_plain = is_plain
        self.change = scene.date() + (0 if is_plain else dice.number(-2, 6)) * DAY

    def policy(self) -> dict[str, list[Row]]:
        """Every seed, typed."""
        types = self._activity_types()
        personas = self._personas()
        self.known_personas = sorted({row["persona"] for row in personas}, key=PERSONAS.index)
        calendars = self._business_calendars()
        return {
            "personas": personas,
            "journey_stages": [{"journey_stage": s, "stage_rank": n} for n, s in enumerate(STAGES, start=1)],
            "activity_types": types,
            "buyer_matrix": self._buyer_matrix(),
            "lead_values": self._lead_values({row["activity_type"]: row["journey_stage"] for row in types}),
            "marketing_targets": self._marketing_targets(),
            "sales_sla_rules": self._sales_sla_rules(),
            "business_calendars": calendars,
            "holidays": self._holidays(sorted({row["calendar_id"] for row in calendars})),
        }

    def _is(self, once_in: float) -> bool:
        return not self.is_plain and self.dice.once_in(once_in)

    def _activity_types(self) -> list[Row]:
        moved: dict[str, str | None] = {}
        if self._is(3):
            moved = self.dice.pick([{"visit": STAGES[0]}, {"demo_request": STAGES[2]}, {"webinar": STAGES[1]}])
        return [
            {"activity_type": t, "category": c, "journey_stage": moved.get(t, stage), "touch_channel": channel}
            for t, c, stage, channel in ACTIVITY_TYPES
        ]

    def _personas(self) -> list[Row]:
        before = self.dice.pick(PERSONA_SHAPES) if self._is(3) else PERSONA_SHAPES[0]
        after = self.dice.pick(PERSONA_SHAPES) if self._is(3) else before
        rows = []
        for persona in PERSONAS:
            versions = [
                {"persona": persona, "min_employees": shape[persona][0], "max_employees": shape[persona][1]}
                if persona in shape
                else None
                for shape in (before, after)
            ]
            rows += _versions(self.change, *versions)
        return rows

    def _buyer_matrix(self) -> list[Row]:
        rows = []
        book = {"small_business": 3, "mid_market": 2, "enterprise": 1}
        for persona in self.known_personas:
            lowest = self.dice.number(1, 4) if self._is(4) else book[persona]
            later = self.dice.number(1, 4) if self._is(3) else lowest
            for rank, stage in enumerate(STAGES, start=1):
                cell = {"persona": persona, "journey_stage": stage}
                rows += _versions(
                    self.change,
                    {**cell, "passes_to_sales": rank >= lowest},
                    {**cell, "passes_to_sales": rank >= later},
                )
        return rows

    def _lead_values(self, stage_of: dict[str, str | None]) -> list[Row]:
        rows = []
        for persona in self.known_personas:
            cells: list[tuple[str, str | None]] = [(stage, None) for stage in STAGES]
            if not self.is_plain:
                kinds = [
                    k for k in ("demo_request", "product_download", "webinar", "free_trial") if self.dice.once_in(2)
                ]
                cells += [(stage_of[kind], kind) for kind in kinds]
            is_changed = self._is(3)
            for stage, kind in cells:
                cell = {"persona": persona, "journey_stage": stage, "activity_type": kind}
                before = None if self._is(8) else self._value(cell)
                after = before
                if is_changed:
                    after = None if self.dice.once_in(6) else self._value(cell)
                rows += _versions(self.change, before, after)
        return rows

    def _value(self, cell: Row) -> Row:
        win_rate, price = VALUES[0] if self.is_plain else self.dice.pick(VALUES)
        return {**cell, "win_rate": Decimal(win_rate), "average_purchase_price_usd": Decimal(price)}

    def _marketing_targets(self) -> list[Row]:
        if self.is_plain or self.dice.once_in(6):
            return []
        first = self.scene.date().replace(day=1)
        months = [(first - DAY).replace(day=1), first, (first + 31 * DAY).replace(day=1)]
        rows = []
        for month in months:
            for persona in self.known_personas:
                if self.dice.once_in(2):
                    given = {column: Decimal(value) for column, value in self.dice.pick(TARGETS).items()}
                    empty = {"leads_per_rep": None, "target_leads": None, "target_value_usd": None}
                    rows.append({"target_month": month, "persona": persona, **empty, **given})
        return rows

    def _sales_sla_rules(self) -> list[Row]:
        if self.is_plain:
            return []
        rows = []
        for n in range(1, self.dice.number(2, 5)):
            before: Row | None = self._rule(f"rule_{n}", "first version")
            after = before
            life = self.dice.weighted(kept=6, changed=3, changed_little=3, ended=1, begun=1)
            if life == "changed":
                after = self._rule(f"rule_{n}", "second version")
            elif life == "changed_little":
                column = self.dice.pick(("within_hours", "required_touches", "touch_channel", "warn_fraction"))
                after = {**before, column: self._rule("", "")[column], "rule_name": f"Rule {n}, second version"}
                after["within_hours"] = _bearable(after)
            elif life == "ended":
                after = None
            elif life == "begun":
                before = None
            rows += _versions(self.change, before, after)
        return rows

    def _rule(self, rule_id: str, version: str) -> Row:
        dice = self.dice
        rule = {
            "rule_id": rule_id,
            "rule_name": f"Rule {rule_id[5:]}, {version}",
            "trigger": dice.weighted(
                new_lead=4,
                demo_request=4,
                qualified=4,
                assigned=3,
                free_trial=2,
                content_download=1,
                reply=2,
                visit=1,
                voicemail=1,
            ),
            "persona": dice.pick(self.known_personas) if dice.once_in(6) else None,
            "touch_channel": dice.pick(("call", "email")) if dice.once_in(4) else None,
            "required_touches": dice.pick((1, 1, 1, 2, 2, 3)),
            "within_hours": Decimal(
                dice.pick(("1", "2", "8", "24", "72", "168", "0.25", "8.5", "0.3333", "0.0003", "40"))
            ),
            "clock": dice.pick(("elapsed", "business")),
            "warn_fraction": Decimal(dice.pick(("0.5", "0.25", "0.75", "0.333333", "0.9"))),
        }
        rule["within_hours"] = _bearable(rule)
        return rule

    def _business_calendars(self) -> list[Row]:
        # Those that are open at night more often: what a clock change does to them is easily got wrong.
        shapes = CALENDAR_SHAPES + tuple(
            shape for shape in CALENDAR_SHAPES if any(opens < "03" for _, opens, _ in shape)
        )
        calendars = {"default": ZONES[0] if self.is_plain else self.dice.pick(ZONES)}
        if not self.is_plain:
            local = {zone.split("/")[1].lower(): zone for zone in ZONES}
            calendars |= {name: zone for name, zone in local.items() if self.dice.once_in(2)}
        rows = []
        for name, zone in calendars.items():
            for weekdays, opens, closes in CALENDAR_SHAPES[0] if self.is_plain else self.dice.pick(shapes):
                rows += [
                    {"calendar_id": name, "time_zone": zone, "iso_weekday": day, "opens_at": opens, "closes_at": closes}
                    for day in weekdays
                ]
        return rows

    def _holidays(self, calendar_ids: list[str]) -> list[Row]:
        if self.is_plain:
            return []
        rows = {}
        for _ in range(self.dice.some(8)):
            opens, closes = self.dice.pick(HOLIDAY_HOURS)
            row = {
                "calendar_id": self.dice.pick(calendar_ids),
                "holiday_date": self.scene.date() + self.dice.number(-5, 14) * DAY,
                "holiday_name": "Closed" if opens is None else "Other hours",
                "opens_at": opens,
                "closes_at": closes,
            }
            rows[row["calendar_id"], row["holiday_date"]] = row
        return list(rows.values())


def _bearable(rule: Row) -> Decimal:
    """A window that a calendar with one short day a week gets through within a year."""
    return min(rule["within_hours"], Decimal(40)) if rule["clock"] == "business" else rule["within_hours"]


# --- companies --------------------------------------------------------------------------------------------------------

EMPLOYEES = (5000, 5000, 5000, None, 999, 1000, 10_000, 10_001, 50_000, 1, 0, 4999)
OWNERS = ("R1", "R1", "R2", "R2", "R3", None, "R_ghost")


class _Company:
    """Raw rows, an agreement and settings, drawn row by row; it remembers the instants that decide something."""

    def __init__(self, rng: Random, max_leads: int, max_activities: int):
        self.dice = _Dice(rng)
        self.max_activities = max_activities
        self.raw: dict[str, list[Row]] = {table: [] for table in RAW_COLUMNS}
        self.scene = self.dice.pick(SCENES)
        self.start = self.scene - 7 * DAY
        self.policy = _Terms(self.dice, self.scene).policy()
        self.calendars = sorted({row["calendar_id"] for row in self.policy["business_calendars"]})
        default_calendar = self.dice.pick(self.calendars) if self.dice.once_in(6) else "default"
        self.agreement = Agreement(self.policy, default_calendar)
        zone = self.dice.pick(REPORTING_ZONES)
        self.days = Days(ZoneInfo(zone))
        self.shared = self._shared_instants()
        self.told: list[datetime] = []
        self.ids = Random(rng.random())

        for n in range(1, self.dice.number(0, 3) + 1):
            self._rep(f"R{n}")
        self._leads(self.dice.pick([n for n in (1, 1, 2, 2, 3, 3, 3, 4, 5, 6) if n <= max_leads]))
        for _ in range(self.dice.number(1, 5)):
            self._decide()
        if self.dice.once_in(12):
            self.raw[self.dice.pick(list(RAW_COLUMNS))].clear()
        if self.dice.once_in(1.5):
            for rows in self.raw.values():
                rng.shuffle(rows)
        self.settings = Settings(
            as_of=self._as_of(),
            reporting_time_zone=zone,
            default_calendar=default_calendar,
            pacing=self.dice.pick(("calendar_days", "business_days")),
            pace_tolerance=self.dice.pick((0.1, 0.1, 0.0, 0.25)),
        )

    # --- instants -----------------------------------------------------------------------------------------------------

    def _shared_instants(self) -> list[datetime]:
        """Instants that matter to everybody: the clock change, midnights, the day on which the agreement changes."""
        begins = [row["valid_from"] for rows in self.policy.values() for row in rows if "valid_from" in row]
        changes = {day for day in begins if day > LONG_AGO}
        midnight = self.days.start(self.scene.date())
        return [self.scene, self.scene - HOUR, self.scene + HOUR, midnight, *map(self.days.start, sorted(changes))]

    def _loaded(self, told: datetime) -> datetime:
        """When a row about an instant is loaded: at once, the night after, late, or with a clock that runs ahead."""
        how = self.dice.weighted(at_once=4, nightly=4, late=1, ahead=1)
        if how == "at_once":
            return told
        if how == "late":
            return told + 5 * DAY
        if how == "ahead":
            return told - 2 * DAY
        return datetime(told.year, told.month, told.day, 3) + DAY

    def _as_of(self) -> datetime | None:
        dice = self.dice
        how = dice.weighted(newest_load=4, late=4, deciding=6, told=2, midnight=1, scene=2)
        if how == "newest_load":
            return None
        if how == "deciding" and (promises := self._promises()):
            promise = dice.pick(promises)
            warned = Agreement.window(promise.rule) // MICROSECOND * promise.rule["warn_fraction"]
            warned_at = promise.clock.deadline(promise.trigger.at, timedelta(microseconds=ceil(warned)))
            return dice.pick((promise.due_at, promise.due_at, warned_at, promise.trigger.at)) + dice.nudge()
        if how == "told" and self.told:
            return sorted(self.told)[-1 - dice.some(len(self.told) - 1)] + dice.nudge()
        if how == "midnight":
            return self.days.start(self.scene.date() + dice.number(1, 25) * DAY) + dice.nudge()
        if how == "scene":
            return self.scene + dice.pick((HOUR, -HOUR, timedelta(0), 7 * HOUR, 12 * HOUR)) + dice.nudge()
        return self.scene + dice.number(8, 40) * DAY + dice.span(DAY)

    # --- what decides -------------------------------------------------------------------------------------------------

    def _promises(self) -> list[Obligation]:
        """The obligations of the rows so far, in the end."""
        in_the_end = Settings(as_of=self.scene + 400 * DAY)
        world = build_world(self.raw, self.agreement, self.days, in_the_end)
        return [o for lead in world.recorded() for o in obligations(world, lead)]

    def _decide(self) -> None:
        """Something at the very instant at which it decides about an obligation, or a step beside it."""
        dice = self.dice
        promises = self._promises()
        if not promises:
            return
        promise = dice.pick(promises)
        lead_id, rule = promise.lead.lead_id, promise.rule
        touch = {"call": "call", "email": "email", None: "voicemail"}[rule["touch_channel"]]
        at = (
            dice.pick((promise.due_at, promise.due_at, promise.due_at, promise.trigger.at, promise.ends_at))
            + dice.nudge()
        )
        how = dice.weighted(touch=8, again=4, owner=2, won=3, disqualify=1, opt_out=1, delete=1, merge=1)
        if how == "touch" and rule["clock"] == "business" and dice.once_in(3):
            how = "evening"
        if how in ("touch", "evening"):
            if how == "evening":
                at = promise.due_at + dice.pick((10 * MINUTE, 5 * HOUR))
            for _ in range(rule["required_touches"] - promise.touches_by_due):
                self._simple_activity(lead_id, touch, at)
        if how == "again":
            kind = rule["trigger"] if rule["trigger"] in self.agreement.types else "demo_request"
            self._simple_activity(lead_id, kind, dice.pick((at, promise.due_at, promise.ends_at)))
        if how == "owner":
            self._put("owner_changes", at, lead_id=lead_id, owner_id=dice.pick(OWNERS), changed_at=at)
        if how == "won":
            self._put(
                "deals",
                at,
                deal_id=f"D{len(self.raw['deals'])}",
                lead_id=lead_id,
                amount=Decimal("10.00"),
                status="won",
                created_at=at,
                closed_at=at,
                updated_at=at,
            )
        if how in ("disqualify", "opt_out", "delete", "merge"):
            column = {"disqualify": "disqualified_at", "opt_out": "opted_out_at", "merge": "merged_at"}.get(how)
            changed = {"is_deleted": True} if column is None else {column: at}
            if how == "merge":
                changed["merged_into_lead_id"] = "L1"
            row = promise.lead.current
            at = max(at, row["updated_at"])
            self._again("leads", row, max(at - row["_loaded_at"], SECOND), **changed, updated_at=at)

    def _simple_activity(self, lead_id: str, kind: str, at: datetime) -> Row:
        return self._put(
            "activities",
            at,
            # The order of the ids has nothing to do with the order in time.
            activity_id=f"a{self.ids.randrange(10**9)}",
            lead_id=lead_id,
            activity_type=kind,
            occurred_at=at,
            actor_id=self.dice.pick((None, "R1", "R2", "R3", "R_ghost")),
            outcome=self.dice.pick((None, "no_answer", "connected")),
        )

    # --- reps ---------------------------------------------------------------------------------------------------------

    def _put(self, table: str, told: datetime, **values: Any) -> Row:
        row = raw_row(table, _loaded_at=self._loaded(told), **values)
        self.raw[table].append(row)
        return row

    def _again(self, table: str, row: Row, later: timedelta = timedelta(0), **changed: Any) -> Row:
        """A row again: a duplicate of the same load, or another version."""
        again = {**row, **changed, "_loaded_at": row["_loaded_at"] + later}
        self.raw[table].append(again)
        return again

    def _rep(self, rep_id: str) -> None:
        dice = self.dice
        first = self.scene.date().replace(day=1)
        row = raw_row(
            "reps",
            rep_id=rep_id,
            full_name=f"Rep {rep_id}",
            team=dice.pick((None, "East", "West")),
            calendar_id=dice.pick((None, *self.calendars, *self.calendars, "atlantis")),
            personas=dice.pick((None, None, "mid_market|enterprise", "small_business", "mid_market")),
            active_from=dice.pick((LONG_AGO, LONG_AGO, LONG_AGO, first, first + DAY)),
            active_to=dice.pick((None, None, None, first, first + DAY, self.scene.date())),
            _loaded_at=self.start - 100 * DAY,
        )
        self.raw["reps"].append(row)
        if dice.once_in(6):
            self._again("reps", row)
        if dice.once_in(4):
            loaded_later = (100 + dice.number(0, 30)) * DAY
            calendar_id = dice.pick((None, *self.calendars))
            self._again("reps", row, loaded_later, calendar_id=calendar_id, team="North", manager_id="R1")

    # --- leads --------------------------------------------------------------------------------------------------------

    def _leads(self, count: int) -> None:
        lead_ids = [f"L{n}" for n in range(1, count + 1)]
        created = {lead_id: self._created_at() for lead_id in lead_ids}
        merges = self._merges(lead_ids)
        test_leads = {lead_id for lead_id in lead_ids if self.dice.once_in(15)}
        if len(lead_ids) > 2 and self.dice.once_in(8):
            # A test lead where it matters: as the survivor of somebody.
            test_leads |= {survivor for survivor, _ in merges.values() if survivor in lead_ids}
        for lead_id in lead_ids:
            self._lead(lead_id, created[lead_id], merges.get(lead_id), lead_id in test_leads, lead_ids)

    def _created_at(self) -> datetime:
        if self.dice.once_in(5):
            return self.dice.pick(self.shared) + self.dice.nudge()
        return self.start + self.dice.span(12 * DAY)

    def _merges(self, lead_ids: list[str]) -> dict[str, tuple[str, datetime]]:
        """Who is merged into whom, and when."""
        dice = self.dice
        ids = list(lead_ids)
        dice.rng.shuffle(ids)
        shape = dice.weighted(none=5, pair=3, chain=5, fork=1, circle=1, tail=1, itself=1, ghost=1)
        pairs: list[tuple[str, str]] = []
        if shape in ("pair", "chain", "circle", "tail"):
            length = 2 if shape == "pair" else dice.number(2, 4)
            pairs = list(pairwise(ids[:length]))
        if shape == "circle" and pairs:
            pairs.append((pairs[-1][1], pairs[0][0]))
        if shape == "tail" and pairs:
            # The last two of the chain are merged into each other.
            pairs.append((pairs[-1][1], pairs[-1][0]))
        if shape == "fork":
            pairs = [(lead_id, ids[0]) for lead_id in ids[1:3]]
        if shape == "itself":
            pairs = [(ids[0], ids[0])]
        if shape == "ghost":
            pairs = [(ids[0], "L_ghost")]
        merges = {}
        for merged, survivor in pairs:
            merged_at = self.start + dice.span(20 * DAY)
            if merges and dice.once_in(4):
                merged_at = next(iter(merges.values()))[1] + dice.nudge()
            merges[merged] = (survivor, merged_at)
        return merges

    def _lead(
        self,
        lead_id: str,
        created_at: datetime,
        merge: tuple[str, datetime] | None,
        is_test: bool,
        lead_ids: list[str],
    ) -> None:
        dice = self.dice
        own = [created_at]
        if merge is not None:
            own += [merge[1]] * 3
        self.told.append(created_at)
        self._lead_versions(lead_id, created_at, merge, is_test, own)
        if dice.once_in(2):
            for _ in range(dice.number(1, 4)):
                self._owner_change(lead_id, created_at, own)
        # What a merged lead won is won by its survivor, too.
        if dice.once_in(4 if merge is None else 2):
            for _ in range(dice.number(1, 2)):
                self._deal(lead_id, created_at, own)
        for _ in range(dice.some(self.max_activities)):
            self._activity(lead_id, created_at, own, lead_ids)

    def _instant(self, base: datetime, own: list[datetime]) -> datetime:
        """An instant in a lead's life: near one that matters, or somewhen after the base."""
        dice = self.dice
        how = dice.weighted(after_base=5, at_own=4, at_latest=4, after_own=4, at_shared=1)
        if how == "at_own":
            return dice.pick(own) + dice.nudge()
        if how == "at_latest":
            return own[-1 - dice.number(0, min(3, len(own) - 1))] + dice.nudge()
        if how == "after_own":
            soon = dice.pick(
                (5 * MINUTE, 5 * MINUTE + SECOND, 30 * MINUTE, HOUR, dice.span(HOUR), dice.span(12 * HOUR))
            )
            return dice.pick(own) + soon
        if how == "at_shared":
            return dice.pick(self.shared) + dice.nudge()
        return base + dice.span(12 * DAY)

    def _lead_versions(
        self,
        lead_id: str,
        created_at: datetime,
        merge: tuple[str, datetime] | None,
        is_test: bool,
        own: list[datetime],
    ) -> None:
        """Every version of a lead: each shows the state as it was changed up to then."""
        dice = self.dice
        # What a CRM tells first of a lead may be a state of some days after its creation.
        told_at = created_at + (dice.span(6 * DAY) if dice.once_in(3) else timedelta())
        row = self._put(
            "leads",
            told_at,
            lead_id=lead_id,
            created_at=created_at,
            updated_at=told_at,
            email=f"{lead_id}@example.com",
            employee_count=dice.pick(EMPLOYEES),
            lead_source=dice.pick((None, "web", "event")),
            owner_id=dice.pick(OWNERS),
            is_test=is_test or dice.pick((None, False)),
        )
        if merge is not None:
            changed = {"merged_into_lead_id": merge[0], "merged_at": merge[1]}
            if dice.once_in(3):
                # Known from the start, so that as_of finds it already there.
                row.update(changed)
            else:
                row = self._version(row, max(told_at, merge[1]), changed)
        for _ in range(dice.number(1, 4) if dice.once_in(2) else 0):
            effective = self._instant(created_at, own)
            changed = self._changed(row, effective)
            # A version does not tell of a lead before the first one.
            updated_at = max(told_at, effective if dice.once_in(2) else self._instant(created_at, own))
            row = self._version(row, updated_at, changed)
            own += [updated_at, effective]
            self.told += [updated_at, effective]
        if dice.once_in(8):
            self._again("leads", row)

    def _version(self, row: Row, updated_at: datetime, changed: Row) -> Row:
        """A further version; sometimes one that replaces the one before at the same `updated_at`."""
        if self.dice.once_in(6):
            later = self.dice.pick((SECOND, DAY, -DAY))
            return self._again("leads", row, later, **changed)
        changed = {**changed, "updated_at": updated_at}
        return self._again("leads", row, self._loaded(updated_at) - row["_loaded_at"], **changed)

    def _changed(self, row: Row, effective: datetime) -> Row:
        """The columns that a version changes."""
        what = self.dice.weighted(
            employees=8,
            delete=3,
            undelete=1,
            disqualify=2,
            requalify=1,
            opt_out=2,
            owner=1,
            source=1,
            nothing=1,
            undated_merge=1,
            unmerge=1,
            test=1,
            created=1,
        )
        return {
            "employees": {"employee_count": self.dice.pick(EMPLOYEES)},
            "delete": {"is_deleted": True},
            "undelete": {"is_deleted": False},
            "disqualify": {"disqualified_at": effective, "disqualified_reason": "no budget"},
            "requalify": {"disqualified_at": None, "disqualified_reason": None},
            "opt_out": {"opted_out_at": effective},
            "owner": {"owner_id": self.dice.pick(OWNERS)},
            "source": {"lead_source": "partner"},
            "nothing": {},
            "undated_merge": {"merged_into_lead_id": "L1", "merged_at": None},
            "unmerge": {"merged_into_lead_id": None, "merged_at": None},
            "test": {"is_test": self.dice.pick((True, False))},
            "created": {"created_at": row["created_at"] + self.dice.pick((HOUR, DAY, -DAY))},
        }[what]

    def _owner_change(self, lead_id: str, created_at: datetime, own: list[datetime]) -> None:
        dice = self.dice
        changed_at = created_at - dice.span(2 * DAY) if dice.once_in(6) else self._instant(created_at, own)
        own.append(changed_at)
        self.told.append(changed_at)
        row = self._put("owner_changes", changed_at, lead_id=lead_id, owner_id=dice.pick(OWNERS), changed_at=changed_at)
        if dice.once_in(10):
            self._again("owner_changes", row)
        if dice.once_in(6):
            self._again("owner_changes", row, dice.pick((HOUR, -HOUR)), owner_id=dice.pick(OWNERS))

    def _deal(self, lead_id: str, created_at: datetime, own: list[datetime]) -> None:
        dice = self.dice
        opened_at = self._instant(created_at, own)
        closed_at = self._instant(opened_at, own) if dice.once_in(1.5) else None
        updated_at = dice.pick((opened_at, closed_at or opened_at, max(opened_at, closed_at or opened_at)))
        own.append(closed_at or updated_at)
        self.told.append(closed_at or updated_at)
        row = self._put(
            "deals",
            updated_at,
            deal_id=f"D{len(self.raw['deals'])}",
            lead_id="L_ghost" if dice.once_in(15) else lead_id,
            amount=dice.pick((Decimal("1000.00"), Decimal("1000.01"), None, Decimal("0.00"), Decimal("250.50"))),
            status=dice.weighted(won=3, open=1, lost=1),
            created_at=opened_at,
            closed_at=closed_at,
            updated_at=updated_at,
        )
        if dice.once_in(4):
            # A later version, or one that replaces this one at the same `updated_at`.
            later_at = dice.pick((updated_at, self._instant(updated_at, own)))
            changed = dice.pick(({"status": "won"}, {"status": "lost"}, {"lead_id": "L1"}))
            self._again("deals", row, dice.pick((HOUR, -HOUR)), **changed, updated_at=later_at)
        if dice.once_in(10):
            self._again("deals", row)

    def _activity(self, lead_id: str, created_at: datetime, own: list[datetime], lead_ids: list[str]) -> None:
        dice = self.dice
        occurred_at = self._instant(created_at - dice.pick((0, 0, 1)) * DAY, own)
        kind = self._activity_type()
        if kind in TRIGGERING:
            own.append(occurred_at)
        self.told.append(occurred_at)
        row = self._simple_activity("L_ghost" if dice.once_in(30) else lead_id, kind, occurred_at)
        row["is_automated"] = dice.pick((None, None, None, None, False, False, False, False, True))
        fate = dice.weighted(
            kept=24, duplicated=1, redelivered=1, retimed=1, retyped=1, moved=1, deleted=1, restored=1, postponed=1
        )
        if fate == "duplicated":
            self._again("activities", row)
        if fate == "redelivered":
            self._again("activities", row, DAY)
        if fate == "retimed":
            self._again("activities", row, DAY, occurred_at=self._instant(created_at, own))
        if fate == "retyped":
            self._again("activities", row, DAY, activity_type=self._activity_type())
        if fate == "moved":
            self._again("activities", row, DAY, lead_id=dice.pick(lead_ids))
        if fate in ("deleted", "restored"):
            row = self._again("activities", row, HOUR, is_deleted=True)
        if fate == "restored":
            self._again("activities", row, HOUR, is_deleted=False)
        if fate == "postponed":
            self._again("activities", row, HOUR, occurred_at=self.scene + 60 * DAY)

    def _activity_type(self) -> str:
        """The last types are unknown to the agreement, and two of them bear the name of a trigger."""
        return self.dice.weighted(
            call=10,
            demo_request=6,
            content_download=3,
            free_trial=3,
            email=4,
            reply=3,
            product_download=2,
            voicemail=2,
            visit=2,
            webinar=1,
            pricing_visit=1,
            newsletter=1,
            sms=1,
            meeting=1,
            note=1,
            carrier_pigeon=1,
            qualified=1,
            new_lead=1,
        )


# The types whose activities are followed by something that falls due.
TRIGGERING = {t for t, category, _, _ in ACTIVITY_TYPES if category in ("conversion", "engagement", "reply")}
