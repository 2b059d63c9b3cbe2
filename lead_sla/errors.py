"""What can go wrong, in sentences: what happened, where, and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import IO, Any

import click
from rich.console import Console
from rich.text import Text

from lead_sla.terminal import print_list

FAILED = 1
REFUSED = 2
STALE = 3
UNTOLD = 4
BUSY = 5

AS_THEY_WERE = "The published marts are as they were."


class LeadSlaError(click.ClickException):
    """The run failed: one message, exit status 1.

    Args:
        what: what happened, a sentence without its full stop.
        where: the file, folder or table that it happened to.
        todo: what the reader should do next.
        details: further sentences, one a finding, shown as a list.
    """

    exit_code = FAILED

    def __init__(self, what: str, *, where: str = "", todo: str = "", details: Sequence[str] = ()) -> None:
        self.what, self.where, self.todo, self.details = what, where, todo, tuple(details)
        super().__init__(self.format_message())

    def format_message(self) -> str:
        """Give the whole message as plain text."""
        lines = [f"{self.what}."]
        lines += [f"  - {detail}" for detail in self.details]
        lines += [f"  where  {self.where}"] if self.where else []
        lines += [f"  to do  {self.todo}"] if self.todo else []
        return "\n".join(lines)

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message to the standard error (or to `file`)."""
        console = Console(file=file, stderr=file is None, highlight=False, soft_wrap=True)
        console.print(Text.assemble(("\n✗ ", "red"), (f"{self.what}.", "bold")))
        print_list(console, self.details)
        for label, text in (("where", self.where), ("to do", self.todo)):
            if text:
                console.print(Text.assemble((f"  {label}  ", "dim"), text))
        console.print(Text(f"  {AS_THEY_WERE}", style="dim"))


class RefusedInput(LeadSlaError):
    """The raw data or the policy is wrong: exit status 2."""

    exit_code = REFUSED


class Busy(LeadSlaError):
    """Another run is going on, and this one did nothing: exit status 5."""

    exit_code = BUSY


class BuildFailed(LeadSlaError):
    """Models or checks of the dbt build failed, for a reason that their own words tell."""


# What DuckDB and the operating system say, and what a person needs to hear. The first that fits wins;
# `{0}` is the first group of the pattern.
_TRANSLATIONS: tuple[tuple[str, type[LeadSlaError], str, str, str], ...] = (
    (
        r'Could not set lock on file "([^"]+)".*?held in ([^\n]*?\(PID \d+\))',
        LeadSlaError,
        "The warehouse is locked by another program: {1}",
        "{0}",
        "close that program (or wait until it ends), then run this again; readers open the published marts instead",
    ),
    (
        r'file "([^"]+)" exists, but it is not a valid DuckDB database',
        LeadSlaError,
        "The warehouse is not a DuckDB file, or is damaged",
        "{0}",
        "delete it: it holds nothing that the next build does not make again from the raw data",
    ),
    (
        r"(?i)(?:No space left on device|Errno 28|disk quota exceeded|disk is full|Errno 122)",
        LeadSlaError,
        "The disk is full",
        "",
        "free some space, then run this again; nothing half-written was kept",
    ),
    (
        r"(?i)(?:File too large|Errno 27)",
        LeadSlaError,
        "A file grew beyond the size that this user may write (ulimit -f)",
        "",
        "raise the limit, then run this again; nothing half-written was kept",
    ),
    (
        r"(?:No magic bytes found at end of file|Failed to read file|File) ['\"]([^'\"]+\.parquet)['\"]",
        RefusedInput,
        "A raw file is not a readable Parquet file",
        "{0}",
        "land it again (it is often a copy that was broken off), or move it away",
    ),
    (
        r"(?i)Out of Memory Error: ([^\n]+)",
        LeadSlaError,
        "DuckDB ran out of memory: {0}",
        "",
        "close other programs, or set a lower number of threads in profiles.yml",
    ),
    (
        r"Permission denied(?::? ['\"]?([^'\"\n]+))?",
        LeadSlaError,
        "A file may not be read or written",
        "{0}",
        "check its owner and permissions",
    ),
)


def translate(text: str) -> LeadSlaError | None:
    """Turn what DuckDB, dbt or the operating system said into one of our messages.

    Args:
        text: the words of the exception or of the log line.

    Returns:
        The message, or None where the words are not known: they are then shown as they are.
    """
    for pattern, kind, what, where, todo in _TRANSLATIONS:
        match = re.search(pattern, text, flags=re.DOTALL)
        if match is None:
            continue
        groups = [group or "" for group in match.groups()]
        return kind(what.format(*groups), where=where.format(*groups), todo=todo)
    return None


def explain(error: Exception, doing: str) -> LeadSlaError:
    """Give the message for any exception that came up while `doing` something."""
    known = translate(str(error))
    return known or LeadSlaError(f"{doing} failed: {str(error).strip().splitlines()[0]}")
