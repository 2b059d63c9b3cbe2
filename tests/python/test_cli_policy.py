"""The shape of the policy seeds: what a spreadsheet did to them is told with file, line and column."""

from __future__ import annotations

from pathlib import Path

import pytest
from project_copy import PROJECT, copy_project

from lead_sla import policy
from lead_sla.errors import RefusedInput

TYPES = {
    "persona": "varchar",
    "passes": "boolean",
    "required": "integer",
    "price_usd": "decimal(6,2)",
    "valid_from": "date",
}
HEADER = "persona,passes,required,price_usd,valid_from"
GOOD = "mid_market,true,2,1250.50,2026-07-31"


def problems(tmp_path: Path, text: str | bytes) -> list[str]:
    path = tmp_path / "rules.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return policy.check_seed(path, TYPES)


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n{GOOD}\n",
        f"{HEADER}\r\n{GOOD}\r\n",
        f"\ufeff{HEADER}\n{GOOD}\n",
        f"{HEADER}\n",
        f"{HEADER}\nmid_market,FALSE,-1,0,2024-02-29\n",
        "valid_from,price_usd,required,passes,persona\n2026-07-31,1,1,true,mid_market\n",
        f'{HEADER}\n"a, quoted text",,,,\n',
    ],
)
def test_a_seed_in_shape_has_no_problem(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == []


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("mid_market,yes,,,", "rules.csv line 3, column passes: 'yes' is not true or false"),
        ("mid_market,,2.5,,", "rules.csv line 3, column required: '2.5' is not a whole number"),
        ("mid_market,,two,,", "rules.csv line 3, column required: 'two' is not a whole number"),
        ('mid_market,,,"1,250",', "column price_usd: '1,250' is not a number such as 1250.50"),
        ("mid_market,,,$5,", "column price_usd: '$5' is not a number such as 1250.50"),
        ("mid_market,,,NaN,", "column price_usd: 'NaN' is not a number"),
        ("mid_market,,,10000,", "column price_usd: '10000' is not below 10^4"),
        ("mid_market,,,1.005,", "column price_usd: '1.005' is not a number of at most 2 decimals"),
        ("mid_market,,,,31/07/2026", "column valid_from: '31/07/2026' is not a date written as 2026-07-31"),
        ("mid_market,,,,2026-02-29", "column valid_from: '2026-02-29' is not a date"),
        ("mid_market,,,,2026-7-1", "column valid_from: '2026-7-1' is not a date"),
        ("mid_market ,,,,", "column persona: 'mid_market ' is not free of spaces at its ends"),
        ("mid_market,,,", "rules.csv line 3 has 4 cells where the header has 5"),
        ("mid_market,,,,,", "rules.csv line 3 has 6 cells where the header has 5"),
        (",,,,", "rules.csv line 3 is empty: delete it"),
    ],
)
def test_a_cell_out_of_shape_is_named_by_line_and_column(tmp_path: Path, row: str, sentence: str) -> None:
    (found,) = problems(tmp_path, f"{HEADER}\n{GOOD}\n{row}\n{GOOD}\n")
    assert sentence in found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1: the header lacks persona, passes, required, price_usd, valid_from"),
        ("persona,passes,required,price_usd\n", "line 1: the header lacks valid_from"),
        (f"{HEADER},note\n", "line 1: the header has 'note', which this seed does not know"),
        (f"{HEADER},persona\n", "line 1: the header has persona twice"),
        (HEADER.replace(",", ";"), "is separated by semicolons"),
        (f"{HEADER}\nd\xe9j\xe0,,,,\n".encode("latin-1"), "is not UTF-8 text"),
        (f'{HEADER}\n{GOOD}\n"open,,,,\n{GOOD}\n', "is not readable as CSV from line 3 on, where a quote may"),
    ],
)
def test_a_file_out_of_shape_is_told(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    (found,) = problems(tmp_path, text)
    assert found.startswith("rules.csv") and sentence in found


def test_of_an_agreement_that_has_lost_its_rows_each_seed_is_told_but_those_that_may_be_empty(tmp_path: Path) -> None:
    seeds = {path.stem: path.read_text().splitlines()[0] + "\n" for path in (PROJECT / policy.FOLDER).glob("*.csv")}
    copy = copy_project(tmp_path / "project", seeds)
    with pytest.raises(RefusedInput) as refused:
        policy.check(copy.folder)
    empty = {detail.split(".csv has no row: ")[0] for detail in refused.value.details}
    assert empty == set(seeds) - {"holidays", "lead_values", "marketing_targets"}


def test_the_line_is_counted_in_the_file_where_a_cell_has_line_breaks(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, f'{HEADER}\n"two\nlines",,,,\nmid_market,maybe,,,\n')
    assert found.startswith("rules.csv line 4, column passes")


def test_the_shipped_policy_is_in_shape_and_every_type_is_known() -> None:
    types = policy.column_types(PROJECT)
    assert policy.check(PROJECT) == len(types) == len(list((PROJECT / policy.FOLDER).glob("*.csv")))
    assert all(columns for columns in types.values())


def test_a_missing_seed_is_told(tmp_path: Path) -> None:
    copy = copy_project(tmp_path / "project")
    (copy.folder / policy.FOLDER / "holidays.csv").unlink()
    with pytest.raises(RefusedInput, match=r"holidays\.csv is missing"):
        policy.check(copy.folder)


def test_many_problems_are_told_in_one_message_of_bearable_length(tmp_path: Path) -> None:
    rows = "\n".join(f"day{number}" for number in range(40))
    copy = copy_project(
        tmp_path / "project", {"journey_stages": f"journey_stage,stage_rank\n{rows}\n", "personas": "persona\n"}
    )
    with pytest.raises(RefusedInput) as refused:
        policy.check(copy.folder)
    assert "41 problems" in refused.value.what
    assert refused.value.details[-1] == "and 31 more"
