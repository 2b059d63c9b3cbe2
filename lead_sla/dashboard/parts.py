"""What pages are made of: tiles, tables and charts, in words and numbers, without any markup."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

# Below this many cases a rate is shown, and said to be too small a number to judge by.
JUDGED_FROM = 20
_Z = 1.96


@dataclass(frozen=True)
class Tile:
    """One of the few numbers that matter.

    Attributes:
        tone: `met`, `risk`, `breach` or empty.
        is_nothing: the value says that there is nothing, which is unknown once data is late.
    """

    label: str
    value: str
    note: str = ""
    tone: str = ""
    href: str = ""
    is_nothing: bool = False


@dataclass(frozen=True)
class Interval:
    """A share between two others, and the one that was promised; all 0 to 1."""

    low: float
    share: float
    high: float
    promised: float | None = None


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        sort: what its column sorts by, if it is not the text; null is last.
        note: a second, quieter line.
        tone: `met`, `risk`, `breach`, `quiet` or empty.
        share: length of a bar behind the number, 0 to 1.
        is_nothing: as of a tile.
        late_at: when what it says ends (UTC, ISO 8601): then it says `late`; empty for never.
    """

    text: str
    sort: float | str | None = None
    href: str = ""
    note: str = ""
    tone: str = ""
    share: float | None = None
    interval: Interval | None = None
    is_nothing: bool = False
    late_at: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    label: str
    is_number: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows.

    Attributes:
        sorted_by: the place of the column that it comes sorted by, from 0; None where its order is another.
        is_sortable: readers may sort it.
        stacks: a phone shows each row as a block.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    empty: str = "Nothing yet."
    is_sortable: bool = False
    sorted_by: int | None = None
    is_descending: bool = True
    stacks: bool = True


@dataclass(frozen=True)
class Chart:
    """A picture with its numbers.

    Attributes:
        name: names it on its page.
        alt: what it shows, in a sentence or two.
        spec: Vega-Lite, without colours, fonts and width: those are the page's.
        numbers: the same as a table.
        drill: what a click on a mark adds to the filters of the list; the mark's datum gives `rep`.
    """

    name: str
    title: str
    subtitle: str
    alt: str
    spec: Mapping[str, Any] | None
    numbers: Table
    figure: str = ""
    tone: str = ""
    drill: Mapping[str, str] = field(default_factory=dict)
    keys: Sequence[tuple[str, str]] = ()
    is_nothing: bool = False


def embed(value: Any) -> Markup:
    """Write JSON for a script element: no text in it can end the element or begin another."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def leads_link(**filters: str) -> str:
    """Give the address of the list of leads under these filters."""
    return f"index.html#{urlencode(filters)}"


def wilson(part: int, whole: int) -> tuple[float, float]:
    """Give the 95 % interval of a share (Wilson's), which stays within 0 and 1 and is honest for small numbers."""
    share, spread = part / whole, _Z * _Z / whole
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * sqrt(share * (1 - share) / whole + spread / (4 * whole)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
