"""The figures of the report, read from the published marts and from nowhere else: numbers and rows, nothing written out yet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import duckdb

from lead_sla.errors import LeadSlaError
from lead_sla.publish import PublishedRun
from lead_sla.report.config import Scope
from lead_sla.settings import PACKAGE
from lead_sla.summary import UNASSIGNED, Row

# Without these nothing can be said at all; the other tables may never have been landed.
_INDISPENSABLE = ("leads", "activities")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# Findings name ids. Where a CRM uses addresses or telephone numbers as ids, they are blotted out.
_PERSONAL = re.compile(r"[^\s@<>()'\",;:]+@[^\s@<>()'\",;:]+\.[A-Za-z]{2,}|\+\d[\d\s().-]{6,}\d")


class UnknownScope(LeadSlaError):
    """The configuration names a team, manager or rep whom the marts do not know: their empty list would be a lie."""


@dataclass(frozen=True)
class Load:
    """How fresh a raw table is.

    Attributes:
        table: its name in the raw contract.
        heard_at: when its newest row was landed, or its loader last said that there was nothing new; UTC, null for never.
        heard_at_local: the same in the reporting time zone.
        is_late: it is older than the contract allows, seen from the present.
    """

    table: str
    heard_at: datetime | None
    heard_at_local: datetime | None
    is_late: bool


@dataclass(frozen=True)
class Clock:
    """When the numbers are true of; `*_local` in the reporting time zone.

    Attributes:
        month_days: days of the month of `as_of`.
        elapsed_days: how many of them have passed, the day of `as_of` by its share.
    """

    as_of: datetime
    as_of_local: datetime
    day_before_local: datetime
    now_local: datetime
    zone: str
    month_start: date
    month_days: int
    elapsed_days: float

    @property
    def as_of_date(self) -> date:
        """The day of `as_of` in the reporting time zone."""
        return self.as_of_local.date()

    @property
    def days_left(self) -> float:
        """The days from `as_of` to the end of the month."""
        return self.month_days - self.elapsed_days


@dataclass(frozen=True)
class Company:
    """What is the same for every reader.

    Attributes:
        marketing: a row per day of the month and persona, `all` first.
        on_the_list: open violations of the whole company.
        unassigned: those of them that nobody owns.
        promises: a sentence per promised attainment that was not kept.
        findings: a sentence per warning about the data.
    """

    run: str
    clock: Clock
    loads: Sequence[Load]
    marketing: Sequence[Row]
    on_the_list: int
    unassigned: int
    promises: Sequence[str]
    findings: Sequence[str]

    @cached_property
    def months(self) -> dict[str, list[Row]]:
        """The days of the month by persona, in the order in which personas are shown."""
        months: dict[str, list[Row]] = {}
        for row in self.marketing:
            months.setdefault(row["persona"], []).append(row)
        return months

    @property
    def to_date(self) -> list[Row]:
        """The newest day of each persona: the month to date."""
        return [days[-1] for days in self.months.values()]

    @property
    def unknown(self) -> list[tuple[list[str], Load]]:
        """The tables that are late, those with one newest load together: the oldest first, those never loaded before all."""
        late: dict[datetime | None, list[Load]] = {}
        for load in self.loads:
            if load.is_late:
                late.setdefault(load.heard_at, []).append(load)
        ordered = sorted(late.values(), key=lambda loads: loads[0].heard_at or datetime.min)
        return [([load.table for load in loads], loads[0]) for loads in ordered]


@dataclass(frozen=True)
class Figures:
    """What one reader sees.

    Attributes:
        company: what is the same for everybody.
        scope: whose leads.
        title: the scope in words.
        rules: a row per rule: attainment of the last 7 days and of the 7 before, open and at risk now.
        weeks: a row per rule and ISO week.
        change: one row: how the list came from that of 24 hours before.
        on_the_list: every open violation, the newest first.
        due_soon: every obligation at risk, the next deadline first.
    """

    company: Company
    scope: Scope
    title: str
    rules: Sequence[Row]
    weeks: Sequence[Row]
    change: Row
    on_the_list: Sequence[Row]
    due_soon: Sequence[Row]

    def total(self, column: str) -> int:
        """Add up a count of all rules."""
        return sum(row[column] for row in self.rules)

    @cached_property
    def reps(self) -> list[tuple[Row, list[Row]]]:
        """Who is on the list, the most first: a row (rep, team, open, leads, oldest_days), and the violations."""
        lists: dict[str, list[Row]] = {}
        for row in self.on_the_list:
            lists.setdefault(row["rep_id"], []).append(row)
        reps = [
            (
                {
                    "rep_id": rep_id,
                    "rep_name": rows[0]["rep_name"],
                    "team": rows[0]["team"],
                    "open": len(rows),
                    "leads": len({row["lead_id"] for row in rows}),
                    "oldest_days": max(row["violation_age_days"] for row in rows),
                    "new": sum(row["is_new"] for row in rows),
                },
                rows,
            )
            for rep_id, rows in lists.items()
        ]
        return sorted(reps, key=lambda entry: (-entry[0]["open"], entry[0]["rep_id"]))


class Marts:
    """A published run, open for reading.

    Args:
        run: the published run.
        now: the present, UTC without a zone: data is late in its eyes.
        limits: how old the newest load of a raw table may be.
    """

    def __init__(self, run: PublishedRun, now: datetime, limits: Mapping[str, timedelta]) -> None:
        self._connection = duckdb.connect(str(run.database), read_only=True)
        self._connection.execute("set TimeZone = 'UTC'")
        self._connection.execute("set variable zone = (select reporting_time_zone from marts.run_metadata)")
        self._connection.execute(
            "create temp macro local_time(instant) as (instant at time zone 'UTC') at time zone getvariable('zone')"
        )
        self._connection.execute(
            "create temp macro utc_start_of(day) as (cast(day as timestamp) at time zone getvariable('zone')) at time zone 'UTC'"
        )
        self.company = self._company(run, now, limits)

    def __enter__(self) -> Marts:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def figures(self, scope: Scope) -> Figures:
        """Read what a scope sees.

        Raises:
            UnknownScope: the marts know no such team, manager or rep.
        """
        reps, title = self._reps(scope)
        clock = self.company.clock
        day = {"reps": reps, "as_of_date": clock.as_of_date}
        instant = {"reps": reps, "as_of": clock.as_of}
        (change,) = self._rows("change", instant)
        return Figures(
            company=self.company,
            scope=scope,
            title=title,
            rules=self._rows("rules", day),
            weeks=self._rows("weeks", day),
            change=change,
            on_the_list=self._rows("on_the_list", instant),
            due_soon=self._rows("due_soon", {"reps": reps}),
        )

    def _company(self, run: PublishedRun, now: datetime, limits: Mapping[str, timedelta]) -> Company:
        (row,) = self._rows("clock", {"now": now})
        clock = Clock(
            as_of=row["as_of"],
            as_of_local=row["as_of_local"],
            day_before_local=row["day_before_local"],
            now_local=row["now_local"],
            zone=row["reporting_time_zone"],
            month_start=row["month_start_date"],
            month_days=(row["month_end_date"] - row["month_start_date"]).days + 1,
            elapsed_days=(row["as_of_local"].date() - row["month_start_date"]).days
            + row["us_passed"] / row["us_of_day"],
        )
        (counts,) = self._ask(
            "select count(*) as on_the_list, count(*) filter (where responsible_rep_id = $nobody) as unassigned "
            "from marts.do_not_be_on_it",
            {"nobody": UNASSIGNED},
        )
        return Company(
            run=run.run,
            clock=clock,
            loads=self._loads(run.record.get("heartbeats") or {}, now, limits),
            marketing=self._rows("marketing", {"as_of_date": clock.as_of_date, "days_left": clock.days_left}),
            promises=_sentences(run.record.get("broken_promises")),
            findings=_sentences(run.record.get("findings")),
            **counts,
        )

    def _loads(self, heartbeats: Mapping[str, str], now: datetime, limits: Mapping[str, timedelta]) -> list[Load]:
        """Say how fresh each raw table is: by its newest row, or by a heartbeat of its loader that came later."""
        (row,) = self._ask(r"select columns('^(.*)_loaded_at$') as '\1' from marts.run_metadata")
        loads = []
        for table, loaded_at in row.items():
            beat = heartbeats.get(table)
            heard = [at for at in (loaded_at, datetime.fromisoformat(beat) if beat else None) if at]
            heard_at = max(heard, default=None)
            ((local,),) = self._connection.execute("select local_time(cast(? as timestamp))", [heard_at]).fetchall()
            is_late = now - heard_at > limits[table] if heard_at and table in limits else False
            loads.append(Load(table, heard_at, local, is_late or (heard_at is None and table in _INDISPENSABLE)))
        return loads

    def _reps(self, scope: Scope) -> tuple[list[str] | None, str]:
        """Give the ids of a scope's reps, null for all, and the scope in words."""
        if scope.kind == "all":
            return None, "Whole company"
        if (scope.kind, scope.of) == ("rep", UNASSIGNED):
            return [UNASSIGNED], "What nobody owns"
        reps = [row["rep_id"] for row in self._rows("reps", {"kind": scope.kind, "of": scope.of})]
        if not reps:
            known = self._ask("select distinct team from marts.dim_reps where team is not null order by team")
            teams = f" (there are {', '.join(clean(row['team']) for row in known)})" if known else ""
            raise UnknownScope(
                f"The marts know no {scope.kind} {clean(scope.of)}{teams if scope.kind == 'team' else ''}",
                todo="correct `sees` in the report's configuration",
            )
        if scope.kind == "team":
            return reps, f"Team {scope.of}"
        named = self._ask("select full_name from marts.dim_reps where rep_id = $of", {"of": scope.of})
        name = named[0]["full_name"] if named else scope.of
        return reps, f"{name} and team" if scope.kind == "manager" else name

    def _rows(self, name: str, parameters: Mapping[str, Any]) -> list[Row]:
        """Run lead_sla/report/sql/<name>.sql."""
        return self._ask((PACKAGE / "report" / "sql" / f"{name}.sql").read_text(encoding="utf-8"), parameters)

    def _ask(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        cursor = self._connection.execute(query, dict(parameters or {}))
        columns = [column[0] for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def clean(text: object) -> str:
    """Put a text on one line: control and direction-changing characters, which could fake a line or a file name, become spaces."""
    return " ".join("".join(c if c.isprintable() or c == "\u200d" else " " for c in str(text)).split())


def _sentences(value: Any) -> list[str]:
    """Read a list of sentences of run.json for people: no colours of a terminal, no personal data."""
    return [_PERSONAL.sub("(left out)", clean(_ANSI.sub("", str(sentence)))) for sentence in value or []]
