"""Every mart of the compiled SQL equals the plain reading of the semantics, on small companies full of traps."""

import pytest
from comparison import differences
from compiled_project import build_rows, marts
from proof import companies, hold
from reference import KEYS, build_marts
from strategies import Case


def disagreements(case: Case) -> list[str]:
    """Where the marts differ from the reference, in keys, in the number of rows or in any column of the reference."""
    got = build_rows(case.raw, case.policy, case.settings, KEYS)
    return differences(got, build_marts(case.raw, case.policy, case.settings), KEYS)


@pytest.mark.parametrize("numbers", companies(quick=150, long=4000), ids=str)
def test_every_mart_equals_the_reference(numbers: range) -> None:
    hold(disagreements, numbers)


def test_the_reference_gives_every_mart_but_the_metadata_of_the_run() -> None:
    assert set(KEYS) == set(marts()) - {"run_metadata"}
