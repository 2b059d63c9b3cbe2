"""What a check found: findings as sentences, and what was loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lead_sla.errors import RefusedInput

ERROR, WARNING = "error", "warning"
_SHOWN = 12


@dataclass(frozen=True)
class Finding:
    """Something that is not as expected.

    Attributes:
        table: the raw table.
        check: the name of the check, such as `lead_is_known`.
        severity: `error` or `warning`.
        what: what is wrong: a sentence without its full stop.
        rows: up to five of the rows that it is about.
        todo: what follows, and what to do: sentences.
        mends: who mends it.
    """

    table: str
    check: str
    severity: str
    what: str
    rows: Sequence[str]
    todo: str
    mends: str

    @property
    def sentence(self) -> str:
        """All of it in one line, without the last full stop."""
        rows = f", such as {', '.join(self.rows)}" if self.rows else ""
        return f"{self.what}{rows}. {self.todo} Who mends it: {self.mends}"


@dataclass(frozen=True)
class Load:
    """What was landed of one raw table.

    Attributes:
        row_count: its rows (versions).
        newest_load: the newest `_loaded_at`, UTC; None where there is no row.
        heard_at: when the loader last said that there was nothing new; None if it did not.
        age_hours: from the later of the two to the check.
        warn_hours: the age from which it is late; None for never.
        error_hours: the age from which it is too old; None for never.
        lost_rows: how many fewer there are than at the last check without errors (negative: more); None without one.
        new_rows: in the day before the check; None where no check of a day ago is known.
        usual_low: the fewest new rows that are no news; None where too few days are known.
        usual_high: the most.
        days_compared: the days that these two come from.
    """

    row_count: int
    newest_load: datetime | None
    heard_at: datetime | None
    age_hours: float | None
    warn_hours: float | None
    error_hours: float | None
    lost_rows: int | None
    new_rows: int | None
    usual_low: int | None
    usual_high: int | None
    days_compared: int

    @property
    def is_late(self) -> bool:
        """Is the newest load older than the contract's `warn_after`?"""
        return None not in (self.age_hours, self.warn_hours) and self.age_hours > self.warn_hours

    @property
    def is_too_old(self) -> bool:
        """Is the newest load older than the contract's `error_after`?"""
        return None not in (self.age_hours, self.error_hours) and self.age_hours > self.error_hours

    @property
    def last_sign(self) -> datetime | None:
        """When its loader was last heard of: by its newest row, or by a heartbeat that came later."""
        return max(filter(None, (self.newest_load, self.heard_at)), default=None)

    def seen_at(self, now: datetime, heard_at: datetime | None) -> Load:
        """Give the same load at another present, with the loader's last word until then."""
        later = replace(self, heard_at=heard_at)
        sign = later.last_sign
        return replace(later, age_hours=(now - sign) / timedelta(hours=1) if sign else None)

    @property
    def verdict_on_amount(self) -> str:
        """Say what can be said of the number of new rows."""
        if self.lost_rows is not None and self.lost_rows > 0:
            return "no verdict: rows have gone"
        if self.new_rows is None:
            return "no verdict: no check of a day ago is known"
        if self.usual_low is None or self.usual_high is None:
            return f"no verdict: {self.days_compared} of the 5 days that it takes are known"
        if self.new_rows < self.usual_low:
            return "fewer than usual"
        return "more than usual" if self.new_rows > self.usual_high else "as usual"


@dataclass(frozen=True)
class GateResult:
    """What a check found.

    Attributes:
        checked_at: the present of the check, UTC, without a zone.
        errors: what stops the run.
        warnings: what goes on, and into the report.
        loads: what was landed of each raw table; empty where the tables could not be read at all.
        checks: how many expectations were looked at.
        page: the page that shows it all, an HTML file.
        seconds: how long it took: `total`, `prepare` (dbt makes the tables readable), `sql`, `gx`.
    """

    checked_at: datetime
    errors: Sequence[Finding]
    warnings: Sequence[Finding]
    loads: Mapping[str, Load]
    checks: int
    page: Path
    seconds: Mapping[str, float]

    @property
    def is_accepted(self) -> bool:
        """May the run go on?"""
        return not self.errors

    def refusal(self) -> RefusedInput:
        """Give the errors as the message that ends a run: exit status 2."""
        more = len(self.errors) - _SHOWN
        return RefusedInput(
            f"The landed data was refused: {count(len(self.errors), 'error')}",
            details=[
                *(finding.sentence for finding in self.errors[:_SHOWN]),
                *([f"and {count(more, 'more error')}, on the page"] if more > 0 else []),
            ],
            where=str(self.page),
            todo="mend what is named above, then run this again",
        )

    def record(self) -> dict[str, Any]:
        """Give everything as plain values for a run's record (instants as text)."""
        plain = asdict(self)
        plain["page"] = str(self.page)
        plain["checked_at"] = self.checked_at.isoformat(sep=" ")
        for load in plain["loads"].values():
            for name in ("newest_load", "heard_at"):
                load[name] = load[name] and load[name].isoformat(sep=" ")
        return plain

    @classmethod
    def from_record(cls, plain: Mapping[str, Any]) -> GateResult:
        """Give what `record` made plain.

        Raises:
            KeyError, TypeError, ValueError: it is no such record.
        """

        def instant(text: str | None) -> datetime | None:
            return datetime.fromisoformat(text) if text else None

        return cls(
            checked_at=datetime.fromisoformat(plain["checked_at"]),
            errors=[Finding(**finding) for finding in plain["errors"]],
            warnings=[Finding(**finding) for finding in plain["warnings"]],
            loads={
                table: Load(
                    **{**load, "newest_load": instant(load["newest_load"]), "heard_at": instant(load["heard_at"])}
                )
                for table, load in plain["loads"].items()
            },
            checks=plain["checks"],
            page=Path(plain["page"]),
            seconds=plain["seconds"],
        )


def count(number: int, what: str) -> str:
    """Say a number of something: `1 error`, `1,200 errors`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
