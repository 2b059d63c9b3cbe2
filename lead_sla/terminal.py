"""Progress on the terminal: one line a stage, live where a person is watching, plain lines where a log is written."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

# A log file has no width of its own: wide enough for every table of the summary.
_WIDTH_OF_A_LOG = 120
_NAME_WIDTH = 12
_SECONDS_BETWEEN_LOG_LINES = 10.0


def make_console() -> Console:
    """Give the console for everything that is no error."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_OF_A_LOG)
    return console


def print_list(console: Console, items: Sequence[str]) -> None:
    """Print sentences as a list: folded beside their dashes for a person, one a line in a log."""
    for item in items:
        if console.is_terminal:
            line = Table.grid(padding=(0, 1, 0, 0))
            line.add_row(Text("  -", style="dim"), Text(item))
            console.print(line)
        else:
            console.print(f"  - {item}", soft_wrap=True, markup=False)


class Stage:
    """One stage of a run: a name, what it is doing, and the time it took.

    Args:
        console: where it is shown.
        name: one word or two.

    Attributes:
        warns: whether something came of it that should be looked at.
    """

    def __init__(self, console: Console, name: str) -> None:
        self._console, self._name = console, name
        self._started = self._logged = time.monotonic()
        self._doing = ""
        self.warns = False
        self._spinner = Spinner("dots", style="cyan")

    @property
    def said(self) -> str:
        """What it did last, or what came of it."""
        return self._doing

    @property
    def seconds(self) -> float:
        """The time since the stage began, in seconds."""
        return time.monotonic() - self._started

    def doing(self, text: str) -> None:
        """Show what the stage is doing now; in a log, at most every few seconds."""
        self._doing = text
        if not self._console.is_terminal and time.monotonic() - self._logged > _SECONDS_BETWEEN_LOG_LINES:
            self._logged = time.monotonic()
            self._console.print(self._line(Text("…", style="dim")))

    def say(self, sentence: str) -> None:
        """Say at once, on a line of its own, what the reader should know before the stage is done."""
        self._console.print(Text(f"  {sentence}.", style="dim"), soft_wrap=True)

    def result(self, text: str, *, warn: bool = False) -> None:
        """Say in a few words what came of the stage: the text of its final line."""
        self._doing, self.warns = text, warn

    def __rich__(self) -> RenderableType:
        """The live line: a spinner in front, the elapsed time behind."""
        return self._line(self._spinner)

    def final(self, *, failed: bool = False) -> RenderableType:
        """The line that stays."""
        if failed:
            return self._line(Text("✗", style="red"))
        return self._line(Text("!", style="yellow") if self.warns else Text("✓", style="green"))

    def _line(self, mark: RenderableType) -> RenderableType:
        line = Table.grid(padding=(0, 1), expand=False)
        line.add_column(width=1)
        line.add_column(width=_NAME_WIDTH)
        line.add_column(
            width=max(20, min(self._console.width, 100) - _NAME_WIDTH - 16), overflow="ellipsis", no_wrap=True
        )
        line.add_column(width=8, justify="right")
        line.add_row(mark, Text(self._name, style="bold"), self._doing, Text(f"{self.seconds:.1f} s", style="dim"))
        return line


@contextmanager
def stage(console: Console, name: str) -> Iterator[Stage]:
    """Show a stage while its block runs, and leave one line behind: with ✗ if the block raised."""
    current = Stage(console, name)
    failed = True
    try:
        if console.is_terminal:
            with Live(current, console=console, transient=True, refresh_per_second=10):
                yield current
        else:
            yield current
        failed = False
    finally:
        console.print(current.final(failed=failed))
