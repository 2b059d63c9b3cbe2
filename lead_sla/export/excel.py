"""What Excel needs to know of us: texts that run nothing, formats, and tables whose rows need no memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import quote

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_range
from xlsxwriter.worksheet import Worksheet

from lead_sla.report.figures import clean
from lead_sla.report.mail import no_formula

# What Excel allows. More would be dropped, or would make it repair the file.
LONGEST_TEXT = 32_767
ROWS_OF_A_SHEET = 1_048_576
LINKS_OF_A_SHEET = 65_530
_LONGEST_URL = 2_079
_FIRST_YEAR = 1900

_BANDED = "Table Style Light 1"
_INK, _PAPER = "#1F3A4D", "#FFFFFF"
# Everything that is told by a colour is told by a word or a number too.
_TONES = {
    "bad": {"bg_color": "#F9DEDC", "font_color": "#8C1D18"},
    "warn": {"bg_color": "#FCEFC7", "font_color": "#6B4E00"},
    "quiet": {"font_color": "#767676"},
}
_NUMBER_FORMATS = {
    "day": "yyyy-mm-dd",
    "instant": "yyyy-mm-dd hh:mm",
    "count": "#,##0",
    "decimal": "#,##0.0",
    "percent": "0.0%",
    "dollars": "[$$-409]#,##0",
    "duration": "[h]:mm",
}
_MINUTES_OF_A_DAY = 24 * 60


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: what stands above it, with the unit.
        key: the name of its value in a row.
        kind: `text`, `lead` (an id with its link), `sheet` (a name with its link), `day`, `instant`, `count`, `decimal`,
            `percent` (given as a share of 1), `dollars`, or `duration` (given in minutes, shown as hours and minutes).
        width: in characters.
    """

    heading: str
    key: str
    kind: str = "text"
    width: float = 12


class _Sheet(Worksheet):
    """A worksheet that keeps no row in memory, and can hold tables all the same.

    XlsxWriter refuses tables where rows go straight to the disk, because it writes headings and totals after them. Without
    totals, headings written first and the last row told at the end, nothing is in the way.
    """

    def begin_table(self, row: int, options: Mapping[str, Any]) -> None:
        """Begin a table with its headings in `row`."""
        columns = options["columns"]
        self.constant_memory = False
        # One row long: of each cell of a table XlsxWriter would keep a note.
        problem = self.add_table(row, 0, row + 1, len(columns) - 1, dict(options))
        self.constant_memory = True
        assert not problem, f"XlsxWriter refused the table {options['name']}"
        for place, column in enumerate(columns):
            self.write_string(row, place, column["header"], column["header_format"])

    def end_table(self, row: int, last_row: int) -> None:
        """End the table that began in `row`; `last_row` lies below it, for no table of Excel is without a row."""
        table = self.tables[-1]
        table["range"] = table["a_range"] = xl_range(row, 0, last_row, len(table["columns"]) - 1)
        if "autofilter" in table:
            table["autofilter"] = table["range"]


class Book:
    """A workbook that is being written.

    Args:
        path: where to.
        scratch: a folder for what is on its way.
        lead_url: the address of a lead in the CRM with `{lead_id}` in it; empty for none.
        header: what stands at the top right of each printed page.
        footer: what stands at the bottom left of each printed page.
    """

    def __init__(self, path: Path, scratch: Path, lead_url: str, header: str, footer: str) -> None:
        self._book = Workbook(
            str(path),
            {
                "constant_memory": True,
                "tmpdir": str(scratch),
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        self._lead_url, self._header, self._footer = lead_url, header, footer
        self._kinds = {
            kind: self._book.add_format({"num_format": shown, "valign": "top"})
            for kind, shown in _NUMBER_FORMATS.items()
        }
        self._kinds["text"] = self._book.add_format({"valign": "top"})
        self._kinds["wrapped"] = self._book.add_format({"valign": "top", "text_wrap": True})
        self._kinds["lead"] = self._kinds["sheet"] = self._book.add_format(
            {"font_color": "#0B57D0", "underline": 1, "valign": "top"}
        )
        self._tones = {tone: self._book.add_format(shown) for tone, shown in _TONES.items()}
        self._title = self._book.add_format({"bold": True, "font_size": 14, "font_color": _INK})
        self._warning = self._book.add_format({"bold": True, "font_color": _TONES["bad"]["font_color"]})
        self._about = self._book.add_format({"font_color": "#5F6368"})
        self._heading = self._book.add_format(
            {"bold": True, "font_color": _PAPER, "bg_color": _INK, "text_wrap": True, "valign": "vcenter"}
        )

    def describe(self, title: str, subject: str, comments: str, created: datetime) -> None:
        """Set the properties of the document."""
        self._book.set_properties(
            {
                "title": safe_text(title),
                "subject": safe_text(subject),
                "author": "Lead SLA",
                "comments": safe_text(comments),
                "created": created,
            }
        )

    def sheet(self, name: str) -> SheetWriter:
        """Add a sheet."""
        sheet = self._book.add_worksheet(name, worksheet_class=_Sheet)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.4, right=0.4, top=0.7, bottom=0.6)
        sheet.set_header(f"&L&B{_printed(name, 60)}&R{_printed(self._header, 120)}")
        sheet.set_footer(f"&L{_printed(self._footer, 160)}&RPage &P of &N")
        lines = {"title": self._title, "about": self._about, "warning": self._warning, "text": self._kinds["text"]}
        return SheetWriter(sheet, lines, self._heading, self._kinds, self._tones, self._lead_url)

    def close(self) -> None:
        """Write the file."""
        self._book.close()


class SheetWriter:
    """Writes one sheet from top to bottom.

    Attributes:
        row: the next row, from 0.
        links: how many leads have a link.
    """

    def __init__(
        self,
        sheet: _Sheet,
        lines: Mapping[str, Format],
        heading: Format,
        kinds: Mapping[str, Format],
        tones: Mapping[str, Format],
        lead_url: str,
    ) -> None:
        self._sheet, self._lines, self._heading = sheet, lines, heading
        self._kinds, self._tones, self._lead_url = kinds, tones, lead_url
        self.row = self.links = 0

    @property
    def has_links(self) -> bool:
        """Is there an address of a lead in the CRM?"""
        return bool(self._lead_url)

    def line(self, text: str, how: str = "about") -> None:
        """Write a line of its own: a `title`, `about`, `warning` or `text`; an empty one is left free."""
        if text:
            self._sheet.write_string(self.row, 0, safe_text(text), self._lines[how])
        self.row += 1

    def widths(self, widths: Sequence[float]) -> None:
        """Set the widths of the columns, in characters."""
        for place, width in enumerate(widths):
            self._sheet.set_column(place, place, width)

    def table(
        self,
        name: str,
        columns: Sequence[Column],
        rows: Iterable[Mapping[str, Any]],
        *,
        filters: bool = True,
        wrapped: bool = False,
    ) -> tuple[int, int]:
        """Write a table.

        Args:
            name: what formulas of the reader call it: letters and digits.
            columns: its columns.
            rows: its rows, read one by one.
            filters: whether its headings have filter buttons.
            wrapped: whether long texts are folded.

        Returns:
            The first and the last row below the headings, from 0: one empty row where there are none.
        """
        top = self.row
        self._sheet.set_row(top, 32 if filters else 20)
        self._sheet.begin_table(
            top,
            {
                "name": name,
                "style": _BANDED,
                "autofilter": filters,
                "columns": [{"header": column.heading, "header_format": self._heading} for column in columns],
            },
        )
        for row in rows:
            self.row += 1
            for place, column in enumerate(columns):
                self._cell(place, column.kind, row.get(column.key), wrapped)
        last = max(self.row, top + 1)
        self._sheet.end_table(top, last)
        self.row = last + 1
        return top + 1, last

    def freeze(self, row: int, columns: int) -> None:
        """Keep the rows above `row` and the first columns in sight, and print the last of those rows on every page."""
        self._sheet.freeze_panes(row, columns)
        self._sheet.repeat_rows(row - 1)

    def print_only(self, last: int, columns: int) -> None:
        """Print the rows down to `last` and so many columns: a long line above would make the pages wider."""
        self._sheet.print_area(0, 0, last, columns - 1)

    def highlight(self, first: int, last: int, column: int, tone: str, rule: Mapping[str, Any]) -> None:
        """Highlight the cells of a column by a rule in the words of XlsxWriter; an earlier rule wins."""
        options = {**rule, "format": self._tones[tone], "stop_if_true": True}
        self._sheet.conditional_format(first, column, last, column, options)

    def bars(self, first: int, last: int, column: int) -> None:
        """Show the numbers of a column as bars too."""
        self._sheet.conditional_format(
            first,
            column,
            last,
            column,
            {"type": "data_bar", "bar_color": "#F2B8B5", "bar_solid": True, "min_type": "num", "min_value": 0},
        )

    def _cell(self, place: int, kind: str, value: Any, wrapped: bool) -> None:
        if value is None or value == "":
            return
        if kind == "lead":
            self._lead(place, str(value))
        elif kind == "sheet":
            self._sheet.write_url(self.row, place, f"internal:'{value}'!A1", self._kinds["sheet"], value)
        elif kind in ("day", "instant") and isinstance(value, date) and value.year >= _FIRST_YEAR:
            self._sheet.write_datetime(self.row, place, value, self._kinds[kind])
        elif kind in ("count", "decimal", "percent", "dollars", "duration"):
            number = float(value) / _MINUTES_OF_A_DAY if kind == "duration" else float(value)
            if isfinite(number):
                self._sheet.write_number(self.row, place, number, self._kinds[kind])
        else:
            self._sheet.write_string(
                self.row, place, safe_text(str(value)), self._kinds["wrapped" if wrapped else "text"]
            )

    def _lead(self, place: int, lead_id: str) -> None:
        shown = safe_text(lead_id)
        if self._lead_url:
            url = self._lead_url.replace("{lead_id}", quote(lead_id, safe=""))
            if self.links < LINKS_OF_A_SHEET and len(url) <= _LONGEST_URL:
                self.links += 1
                self._sheet.write_url(self.row, place, url, self._kinds["lead"], shown)
                return
        self._sheet.write_string(self.row, place, shown, self._kinds["text"])


@lru_cache(maxsize=20_000)
def safe_text(text: str) -> str:
    """Write a text so that nothing ever runs it: on one line, without control characters, within Excel's length.

    A cell that holds a text is no formula. But what begins like one becomes one in whatever the sheet is saved as next, so it gets the
    apostrophe that the lists of the report have.
    """
    text = no_formula(clean(text))
    # XlsxWriter takes this for markup of its own, and puts it into the file as it is.
    if text.startswith("<r>"):
        text = f"'{text}"
    if len(text) * 2 > LONGEST_TEXT and len(encoded := text.encode("utf-16-le")) > 2 * LONGEST_TEXT:
        text = encoded[: 2 * (LONGEST_TEXT - 1)].decode("utf-16-le", errors="ignore") + "…"
    return text


def _printed(text: str, longest: int) -> str:
    """Write a text for the header or footer of a page, where & begins a command, and all parts share 255 characters."""
    shown = clean(text).replace("&", "&&")
    if len(shown) <= longest:
        return shown
    cut = shown[: longest - 1]
    # A command may not begin where half of a doubled & was cut off.
    return f"{cut[:-1] if (len(cut) - len(cut.rstrip('&'))) % 2 else cut}…"
