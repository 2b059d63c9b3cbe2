"""What of the agreement the marts do not hold: names and order of rules, the pass line, values, promised attainments.

Read from the project's files as they are, for the day of `as_of`. The pages show their numbers without it; a file that is
missing or that does not fit leaves out what it would have told.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from lead_sla.policy import FOLDER

PROMISES = Path("tests/sla")
_RULE = re.compile(r"\brule_id\s*=\s*'([^']+)'")
_RATE = re.compile(r"\bwarn_below\s*=\s*([01](?:\.\d+)?)")


@dataclass(frozen=True)
class Agreement:
    """The agreement on one day.

    Attributes:
        rule_names: the name of each rule, in the order of the seed; of several versions the one in force, else the newest.
        promised: the attainment that the tests of promises warn below, by rule, 0 to 1.
        personas: the personas of the Buyer Matrix, the smallest first.
        stages: the journey stages in their order.
        passes: whether a buyer state passes to Sales, by persona and stage.
        values: dollars that a lead of a buyer state is worth, whatever proved it, by persona and stage.
    """

    rule_names: Mapping[str, str] = field(default_factory=dict)
    promised: Mapping[str, float] = field(default_factory=dict)
    personas: Sequence[str] = ()
    stages: Sequence[str] = ()
    passes: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    values: Mapping[tuple[str, str], float] = field(default_factory=dict)


def read_agreement(project: Path, day: date) -> Agreement:
    """Read the agreement in force on a day of the reporting time zone."""
    rules = list(_seed(project, "sales_sla_rules"))
    names = {row["rule_id"]: row["rule_name"] for row in sorted(rules, key=lambda row: row["valid_from"])}
    names |= {row["rule_id"]: row["rule_name"] for row in rules if _in_force(row, day)}
    stages = sorted(_seed(project, "journey_stages"), key=lambda row: int(row["stage_rank"]))
    matrix = [row for row in _seed(project, "buyer_matrix") if _in_force(row, day)]
    personas = [row for row in _seed(project, "personas") if _in_force(row, day)]
    values = {}
    for row in _seed(project, "lead_values"):
        if _in_force(row, day) and not row["activity_type"]:
            value = float(row["win_rate"]) * float(row["average_purchase_price_usd"])
            values[row["persona"], row["journey_stage"]] = round(value, 2)
    return Agreement(
        rule_names={row["rule_id"]: names[row["rule_id"]] for row in rules},
        promised=dict(_promises(project)),
        personas=[row["persona"] for row in sorted(personas, key=lambda row: int(row["min_employees"] or 0))],
        stages=[row["journey_stage"] for row in stages],
        passes={(row["persona"], row["journey_stage"]): row["passes_to_sales"].lower() == "true" for row in matrix},
        values=values,
    )


def _seed(project: Path, name: str) -> Iterator[dict[str, str]]:
    try:
        with (project / FOLDER / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)
    except FileNotFoundError:
        return


def _in_force(row: Mapping[str, str], day: date) -> bool:
    return row["valid_from"] <= day.isoformat() and (not row["valid_to"] or day.isoformat() < row["valid_to"])


def _promises(project: Path) -> Iterator[tuple[str, float]]:
    for path in sorted((project / PROMISES).glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        rule, rate = _RULE.search(text), _RATE.search(text)
        if "sales_promise(" in text and rule and rate:
            yield rule[1], float(rate[1])
