"""How the proof goes through companies, and how it tells of one that fails.

`make test` looks at the same companies each time, `make prove` at thousands. The environment variable LEAD_SLA_PROOF chooses:
`long` is the long proof, nothing the quick one. LEAD_SLA_PROOF_FROM is the number of the first company (0).
"""

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import pytest
from strategies import Case, company, smallest

IS_LONG = os.environ.get("LEAD_SLA_PROOF") == "long"
FIRST = int(os.environ.get("LEAD_SLA_PROOF_FROM", "0"))

# Of a mart that is wrong throughout, the first lines tell enough.
SHOWN = 15

# What is wrong with a case, a line each that begins with the mart; nothing for a case that is right.
Check = Callable[[Case], Sequence[str]]


def companies(quick: int, long: int, parts: int = 4) -> list[range]:
    """The numbers of the companies to look at, in parts that pytest can hand to several workers.

    Args:
        quick: companies in `make test`.
        long: companies in `make prove`.
        parts: how many parts to make of the quick ones; the long proof makes four times as many.
    """
    count, parts = (long, 4 * parts) if IS_LONG else (quick, parts)
    bounds = [FIRST + count * n // parts for n in range(parts + 1)]
    return [range(start, stop) for start, stop in pairwise(bounds)]


def hold(check: Check, numbers: Iterable[int]) -> None:
    """Fail at the first company with which something is wrong, shrunk to the few raw rows that make it."""
    for number in numbers:
        case = company(number)
        lines = check(case)
        if lines:
            case = smallest(case, _still_wrong(check, _mart(lines[0])))
            pytest.fail(told(number, case, check(case)), pytrace=False)


def told(number: int, case: Case, lines: Sequence[str]) -> str:
    """A failing case as a person reads it."""
    more = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join(
        [
            f"company({number}) of tests/python/strategies.py, shrunk to what makes it fail:",
            case.render(),
            "",
            *lines[:SHOWN],
            *more,
        ]
    )


def _still_wrong(check: Check, mart: str) -> Callable[[Case], bool]:
    """Whether a smaller case is wrong in the same mart. One that cannot be told at all says nothing."""

    def is_wrong(case: Case) -> bool:
        try:
            return any(_mart(line) == mart for line in check(case))
        except Exception:
            return False

    return is_wrong


def _mart(line: str) -> str:
    return line.split(" ")[0]
