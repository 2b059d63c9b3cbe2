"""Reads what the dashboard wrote: tables of a page, JSON of its charts, and rows of its lists, with no code of the dashboard."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

Table = list[dict[str, str]]


class _Tables(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self._cell: list[str] | None = None
        self._caption: list[str] | None = None
        self._quiet = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "table":
            self._rows, self._name = [], ""
        elif tag == "caption":
            self._caption = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("th", "td"):
            self._cell = []
        elif tag == "span" and self._cell is not None:
            # A note below the number of a cell.
            self._quiet += self._quiet > 0 or given.get("class") == "note"

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption" and self._caption is not None:
            self._name, self._caption = "".join(self._caption).strip(), None
        elif tag in ("th", "td") and self._cell is not None:
            self._rows[-1].append(" ".join("".join(self._cell).split()))
            self._cell = None
        elif tag == "span" and self._quiet:
            self._quiet -= 1
        elif tag == "table":
            self.found[self._name] = self._rows

    def handle_data(self, data: str) -> None:
        if self._caption is not None:
            self._caption.append(data)
        elif self._cell is not None and not self._quiet:
            self._cell.append(data)


def tables(page: Path) -> dict[str, list[list[str]]]:
    """Give the tables of a page by their captions: rows of texts, the header first, without the notes below numbers."""
    reader = _Tables()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader.found


def embedded(page: Path, which: str) -> Any:
    """Give the JSON of the script element with this id or class, of a class the list of all."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(rf'<script type="application/json" (?:id|class)="{which}">(.*?)</script>', text, flags=re.DOTALL)
    read = [json.loads(each) for each in found]
    return read[0] if f'id="{which}"' in text else read


def chunks(site: Path, name: str) -> list[list[Any]]:
    """Give all rows of a list, in the order of its chunks."""
    rows: list[list[Any]] = []
    for place in range(len(list((site / "data").glob(f"{name}-*.js")))):
        text = (site / "data" / f"{name}-{place}.js").read_text(encoding="utf-8")
        match = re.fullmatch(rf'leadSla\.chunk\("[^"]+","{name}",{place},(.*)\);\n', text, flags=re.DOTALL)
        assert match, text[:100]
        rows += json.loads(match[1])
    return rows


def number(text: str) -> float | None:
    """Read a number as the pages write it: 1,418; $433,560; 88 %; a dash for none."""
    text = text.replace("\u00a0", "").replace(",", "").replace("$", "").replace("%", "").strip()
    return None if text in ("–", "") else float(text)
