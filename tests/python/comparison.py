"""Two sets of marts, compared row by row: what differs, in words."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isclose
from typing import Any

Row = Mapping[str, Any]
Marts = Mapping[str, Sequence[Row]]

# Floating numbers are rates, minutes and means: two ways of adding them up differ in the last digits.
RELATIVE = 1e-6
ABSOLUTE = 1e-9


def same(got: Any, expected: Any) -> bool:
    """Whether two values of a column are equal: null only to null, decimals exactly, floating numbers to a millionth.

    Values of different kinds (a day and an instant, a text and a number) are never equal.
    """
    if got is None or expected is None:
        return got is expected
    if isinstance(got, float) or isinstance(expected, float):
        if isinstance(got, float | int | Decimal) and isinstance(expected, float | int | Decimal):
            return isclose(got, expected, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
        return False
    if isinstance(got, date) and isinstance(got, datetime) != isinstance(expected, datetime):
        return False
    return bool(got == expected)


def differences(got: Marts, expected: Marts, keys: Mapping[str, Sequence[str]]) -> list[str]:
    """Every difference, a line each: mart, key, column, what came out and what was expected.

    Compared are the marts of `keys` on every column of the expected rows; rows go by their key, in no order.
    """
    return [f"{mart} {line}" for mart, key in keys.items() for line in _differing(got[mart], expected[mart], key)]


def _differing(got: Sequence[Row], expected: Sequence[Row], key: Sequence[str]) -> Iterable[str]:
    got_rows, expected_rows = _by_key(got, key), _by_key(expected, key)
    for side, rows in (("got", got), ("expected", expected)):
        for name, count in Counter(_key(row, key) for row in rows).items():
            if count > 1:
                yield f"[{_shown(name, key)}]: {side} {count} rows of this key"
    for name in sorted(got_rows.keys() | expected_rows.keys(), key=str):
        if name not in expected_rows:
            yield f"[{_shown(name, key)}]: a row that is not expected: {_told(got_rows[name])}"
        elif name not in got_rows:
            yield f"[{_shown(name, key)}]: no row, expected {_told(expected_rows[name])}"
        else:
            for column, value in expected_rows[name].items():
                if column not in got_rows[name]:
                    yield f"[{_shown(name, key)}]: has no column {column}"
                elif not same(got_rows[name][column], value):
                    yield f"[{_shown(name, key)}]: {column}: got {got_rows[name][column]}, expected {value}"


def _key(row: Row, key: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[column] for column in key)


def _by_key(rows: Sequence[Row], key: Sequence[str]) -> dict[tuple[Any, ...], Row]:
    return {_key(row, key): row for row in rows}


def _told(row: Row) -> str:
    return ", ".join(f"{column}={value}" for column, value in row.items() if value is not None)


def _shown(name: tuple[Any, ...], key: Sequence[str]) -> str:
    return ", ".join(f"{column}={value}" for column, value in zip(key, name, strict=True))
