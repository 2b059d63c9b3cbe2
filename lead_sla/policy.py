"""The policy seeds, read before dbt loads them.

dbt tells of a cell that does not fit its column's type in the words of a database; here it is a sentence that names file,
line and column. What the values mean (keys, ranges, references, overlaps) is tested by dbt.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import yaml

from lead_sla.errors import RefusedInput

FOLDER = Path("seeds/policy")
# An agreement without a row of one of these promises nothing, and is a file that lost its rows. The others may be empty.
_NEEDED = ("personas", "journey_stages", "activity_types", "buyer_matrix", "sales_sla_rules", "business_calendars")
_SHOWN = 10


def check(project: Path) -> int:
    """Check the shape of every policy seed: its header, and that each cell is of its column's type.

    Args:
        project: the folder of dbt_project.yml.

    Returns:
        How many seeds were read.

    Raises:
        RefusedInput: with one sentence a finding, the first ten of them.
    """
    types = column_types(project)
    problems: list[str] = []
    for seed, columns in types.items():
        problems += check_seed(project / FOLDER / f"{seed}.csv", columns)
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise RefusedInput(
            f"The policy is not readable: {len(problems)} problem{'s' if len(problems) > 1 else ''} in {FOLDER}/",
            details=problems[:_SHOWN] + more,
            todo="mend these cells, then run this again",
        )
    return len(types)


def column_types(project: Path) -> dict[str, dict[str, str]]:
    """Read the columns of each policy seed, and their types, from the yml beside it: seed -> column -> type."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted((project / FOLDER).glob("*.yml")):
        for seed in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("seeds", []):
            found[seed["name"]] = dict(seed.get("config", {}).get("column_types", {}))
    return found


def check_seed(path: Path, types: Mapping[str, str]) -> list[str]:
    """Give a sentence for everything in one seed that does not fit its columns.

    Args:
        path: the CSV file.
        types: its columns and their types.
    """
    try:
        return list(_problems(path, types))
    except FileNotFoundError:
        return [f"{path.name} is missing: put it back, if need be with its header line alone"]
    except UnicodeDecodeError as error:
        return [f"{path.name} is not UTF-8 text (byte {error.start + 1}): save it as 'CSV UTF-8'"]


def _problems(path: Path, types: Mapping[str, str]) -> Iterator[str]:
    read = 0
    # Spreadsheets put a byte order mark in front.
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            header = next(rows, [])
            yield from _header_problems(path.name, header, types)
            if sorted(header) != sorted(types):
                return
            read = 1
            for row in rows:
                read = rows.line_num
                yield from _row_problems(f"{path.name} line {read}", header, row, types)
        except csv.Error as error:
            yield f"{path.name} is not readable as CSV from line {read + 1} on, where a quote may not be closed: {error}"
            return
    if read == 1 and path.stem in _NEEDED:
        yield f"{path.name} has no row: without one nothing is agreed. Put its rows back"


def _row_problems(at: str, header: Sequence[str], row: Sequence[str], types: Mapping[str, str]) -> Iterator[str]:
    if not any(row):
        yield f"{at} is empty: delete it"
    elif len(row) != len(header):
        yield f"{at} has {len(row)} cells where the header has {len(header)}: put a text with a comma in double quotes"
    else:
        for column, cell in zip(header, row, strict=True):
            if expected := _misfit(cell, types[column]):
                yield f"{at}, column {column}: '{cell}' is not {expected}"


def _header_problems(name: str, header: Sequence[str], types: Mapping[str, str]) -> Iterator[str]:
    if len(header) == 1 and ";" in header[0]:
        yield f"{name} is separated by semicolons: save it separated by commas"
        return
    if missing := [column for column in types if column not in header]:
        yield f"{name} line 1: the header lacks {', '.join(missing)}"
    if unknown := [column for column in header if column not in types]:
        yield f"{name} line 1: the header has {', '.join(map(repr, unknown))}, which this seed does not know"
    if doubled := sorted({column for column in header if header.count(column) > 1}):
        yield f"{name} line 1: the header has {', '.join(doubled)} twice"


def _misfit(cell: str, data_type: str) -> str:
    """Say what the cell should have been, or nothing where it is of the type (an empty cell is of every type)."""
    if not cell:
        return ""
    if cell != cell.strip():
        return "free of spaces at its ends: delete them"
    kind = data_type.split("(")[0].strip().lower()
    fits, expected = _TYPES[kind]
    if fits(cell):
        return _too_long(cell, data_type) if kind == "decimal" else ""
    return expected


def _is_whole(cell: str) -> bool:
    return re.fullmatch(r"[+-]?\d{1,18}", cell) is not None


def _is_number(cell: str) -> bool:
    try:
        return Decimal(cell).is_finite() and "_" not in cell
    except InvalidOperation:
        return False


def _is_date(cell: str) -> bool:
    try:
        return re.fullmatch(r"\d{4}-\d{2}-\d{2}", cell) is not None and date.fromisoformat(cell) is not None
    except ValueError:
        return False


def _too_long(cell: str, data_type: str) -> str:
    """Say so where a number has more digits than decimal(precision, scale) keeps: it would be rounded in silence."""
    match = re.search(r"\((\d+)\s*,\s*(\d+)\)", data_type)
    if match is None:
        return ""
    precision, scale = int(match[1]), int(match[2])
    number = Decimal(cell)
    if number.adjusted() >= precision - scale:
        return f"below 10^{precision - scale}"
    if number != round(number, scale):
        return f"a number of at most {scale} decimals"
    return ""


_TYPES: dict[str, tuple[Callable[[str], bool], str]] = {
    "varchar": (lambda cell: True, ""),
    "boolean": (lambda cell: cell.lower() in ("true", "false"), "true or false"),
    "integer": (_is_whole, "a whole number"),
    "bigint": (_is_whole, "a whole number"),
    "decimal": (_is_number, "a number such as 1250.50 (a point before the decimals, nothing between the thousands)"),
    "date": (_is_date, "a date written as 2026-07-31"),
}
