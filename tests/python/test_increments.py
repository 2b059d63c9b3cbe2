"""A full build and any sequence of increments agree: every mart in every column, on small companies full of traps."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
from comparison import differences
from compiled_project import KINDS, Row, build, build_increment, build_rows, compiled, connect, rows_of
from proof import companies, hold
from reference import KEYS
from strategies import Case

STEPS = 4
Landed = dict[str, list[Row]]


def disagreements(case: Case) -> list[str]:
    """Where the marts after some increments differ from those of one full build at the last `as_of`."""
    random = Random(repr(case.settings))
    last = case.settings.as_of or max(
        (row["_loaded_at"] for rows in case.raw.values() for row in rows), default=datetime(2026, 1, 1)
    )
    settings = replace(case.settings, as_of=last)
    with connect() as connection:
        since = None
        for as_of, all_rows, unseen in _landings(case, last, random):
            now = replace(settings, as_of=as_of)
            if since is None:
                build(connection, all_rows, case.policy, now)
            else:
                new = {
                    name: [row for row in rows if row["_loaded_at"] > since or row in unseen[name]]
                    for name, rows in all_rows.items()
                }
                build_increment(connection, all_rows, new, now, since)
            since = as_of
        got = {mart: rows_of(connection, mart) for mart in KEYS}
    return differences(got, build_rows(case.raw, case.policy, settings, KEYS), KEYS)


def _landings(case: Case, last: datetime, random: Random) -> Iterator[tuple[datetime, Landed, Landed]]:
    """Give the instants at which runs take place, and what has landed by then: all rows, and those since the run before.

    Runs take place just when something happens that they may have to notice, or a little later. Most rows land when they
    are loaded, some a run or two later than that.
    """
    instants = {
        value
        for rows in case.raw.values()
        for row in rows
        for value in row.values()
        if isinstance(value, datetime) and value <= last
    }
    chosen = random.sample(sorted(instants), min(STEPS, len(instants)))
    moments = sorted({*(min(last, each + timedelta(hours=random.choice((0, 0, 1, 30)))) for each in chosen), last})
    landing = {
        name: [
            min(
                next((n for n, moment in enumerate(moments) if moment >= row["_loaded_at"]), 0)
                + random.choice((0, 0, 0, 0, 1, 2)),
                len(moments) - 1,
            )
            for row in rows
        ]
        for name, rows in case.raw.items()
    }
    for step, moment in enumerate(moments):
        landed = {
            name: [row for row, at in zip(rows, landing[name], strict=True) if at <= step]
            for name, rows in case.raw.items()
        }
        unseen = {
            name: [row for row, at in zip(rows, landing[name], strict=True) if at == step]
            for name, rows in case.raw.items()
        }
        yield moment, landed, unseen


@pytest.mark.parametrize("numbers", companies(quick=48, long=2000), ids=str)
def test_increments_end_where_a_full_build_does(numbers: Sequence[int]) -> None:
    hold(disagreements, numbers)


def test_an_increment_is_compiled_from_every_kept_model_and_from_no_other_raw_rows_than_the_new_ones() -> None:
    increments = {kind: models for kind, models in compiled().items() if kind.is_increment}
    assert set(increments) == {kind for kind in KINDS if kind.is_increment}
    for models in increments.values():
        kept = {model.name for model in models if model.is_kept}
        assert kept == {
            "dim_leads",
            "fct_lead_stages",
            "fct_marketing_credits",
            "fct_qualified_leads",
            "fct_sales_sla_obligations",
            "fct_sales_touches",
            "fct_speed_to_lead",
            "int_sales_sla__obligations",
        }
        batch = next(model.sql for model in models if model.name == "stg_crm__batch")
        assert all(f'"new_{table}"' in batch for table in ("leads", "activities", "owner_changes", "reps", "deals"))
