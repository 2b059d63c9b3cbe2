"""What became of the daily report, recipient by recipient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What became of one recipient's report."""

    SENT = "sent"
    WRITTEN = "written"
    ALREADY_SENT = "already sent"
    NOT_YET = "not yet"
    UNSURE = "unsure"
    FAILED = "failed"


_TROUBLE = (Status.FAILED, Status.UNSURE)


@dataclass(frozen=True)
class Outcome:
    """What became of the report of one recipient or channel.

    Attributes:
        name: as in the configuration.
        kind: `mail` or `channel`.
        status: `unsure` is a report that may have arrived, and is therefore not sent again.
        attempts: how often it was tried now.
        detail: a sentence without full stop: where it was written, or why it was not sent. Never a secret.
    """

    name: str
    kind: str
    status: Status
    attempts: int = 0
    detail: str = ""

    def sentence(self) -> str:
        """Say it in a line."""
        tried = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        return f"{self.kind} {self.name}: {self.status}{tried}{f': {self.detail}' if self.detail else ''}"


@dataclass(frozen=True)
class ReportResult:
    """What became of the whole report.

    Attributes:
        run: the published run that it was read from.
        outcomes: one a recipient and channel, in the order of the configuration.
    """

    run: str
    outcomes: Sequence[Outcome]

    @property
    def trouble(self) -> list[Outcome]:
        """The outcomes that somebody should look at."""
        return [outcome for outcome in self.outcomes if outcome.status in _TROUBLE]

    @property
    def is_ok(self) -> bool:
        """Did everybody get what they should by now?"""
        return not self.trouble

    def count(self, status: Status) -> int:
        """Count the outcomes of a status."""
        return sum(outcome.status is status for outcome in self.outcomes)

    def summary(self) -> str:
        """Say it in a few words, such as `3 sent, 1 failed`."""
        counts = [(self.count(status), status) for status in Status]
        return ", ".join(f"{count} {status}" for count, status in counts if count) or "nobody to tell"
