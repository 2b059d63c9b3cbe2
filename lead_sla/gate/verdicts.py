"""From what Great Expectations counted to what a person needs to hear."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lead_sla.errors import LeadSlaError
from lead_sla.gate.result import ERROR, WARNING, Finding

OK, WITHIN = "ok", "within bounds"
_SHOWN = 5


@dataclass(frozen=True)
class Verdict:
    """What came of one check.

    Attributes:
        suite: the suite, which is a raw table, `columns` or `loads`.
        check: its name in the suite.
        verdict: `ok`, `within bounds` (some rows are not as expected, but no more than allowed), `warning` or `error`.
        expects: what was expected, a sentence.
        finds: what is wrong with the rows; empty where each says it itself.
        unexpected: how many rows are not as expected.
        rows: of how many (for a column that may be empty: of those that are filled).
        bounds: the allowed share of rows for each severity.
        examples: up to twenty rows with the value of the column, each once.
        todo: what follows, and what to do.
        why: the reason for the bounds.
        mends: who mends it.
    """

    suite: str
    check: str
    verdict: str
    expects: str
    finds: str
    unexpected: int
    rows: int
    bounds: Mapping[str, float]
    examples: Sequence[tuple[str, str]]
    todo: str
    why: str
    mends: str

    @property
    def share(self) -> str:
        """The share of rows that are not as expected, such as `0.4 %`."""
        return percent(self.unexpected / self.rows) if self.rows else percent(0)

    @property
    def named_rows(self) -> list[str]:
        """Name up to five rows: `A1 (X7)`, `A2`."""
        return [f"{row} ({value})" if value else row for row, value in self.examples[:_SHOWN]]

    def findings(self) -> list[Finding]:
        """Give what the run reports: nothing where all is within bounds."""
        if self.verdict not in (ERROR, WARNING):
            return []
        if not self.finds:
            return [
                Finding(row.split(".")[0], self.check, self.verdict, value, (), self.todo, self.mends)
                for row, value in self.examples
            ]
        allowed = self.bounds[self.verdict]
        bound = f"{self.share}, up to {percent(allowed)} are allowed" if allowed else self.share
        finds = self.finds if self.unexpected > 1 else _singular(self.finds)
        what = f"raw {self.suite}: {self.unexpected:,} of {self.rows:,} rows ({bound}) {finds}"
        return [Finding(self.suite, self.check, self.verdict, what, self.named_rows, self.todo, self.mends)]


def judge(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Verdict]:
    """Put the levels of each check together.

    Args:
        results: suite -> one entry per expectation, as `lead_sla.gate.worker` gives them.

    Raises:
        LeadSlaError: Great Expectations could not look at something.
    """
    verdicts = []
    for suite, entries in results.items():
        checks: dict[str, list[Mapping[str, Any]]] = {}
        for entry in entries:
            if entry["exception"]:
                raise LeadSlaError(
                    f"Great Expectations could not look at {entry['check']} of {suite}",
                    details=[" ".join(str(entry["exception"]).split())],
                    todo="see that gx/ and lead_sla/gate fit together: python -m lead_sla.gate.suites",
                )
            checks.setdefault(entry["check"], []).append(entry)
        verdicts += [_verdict(suite, levels) for levels in checks.values()]
    return verdicts


def percent(share: float) -> str:
    """Say a share in percent, with two figures: `0.36 %`, `12 %`, `100 %`."""
    if not share:
        return "0 %"
    if share >= 0.0995:
        return f"{100 * share:.0f} %"
    return f"{float(f'{100 * share:.1g}' if share < 0.0001 else f'{100 * share:.2g}'):g} %"


def _verdict(suite: str, levels: Sequence[Mapping[str, Any]]) -> Verdict:
    of_severity = {ERROR if level["severity"] == "critical" else WARNING: level for level in levels}
    failed = [
        severity for severity in (ERROR, WARNING) if severity in of_severity and not of_severity[severity]["success"]
    ]
    any_level = levels[0]
    return Verdict(
        suite=suite,
        check=any_level["check"],
        verdict=failed[0] if failed else WITHIN if any_level["unexpected"] else OK,
        expects=any_level["expects"],
        finds=any_level["finds"],
        unexpected=any_level["unexpected"],
        rows=any_level["rows"],
        bounds={severity: of_severity[severity]["allowed"] for severity in (WARNING, ERROR) if severity in of_severity},
        examples=list(dict.fromkeys(_examples(any_level))),
        todo=any_level["todo"],
        why=any_level["why"],
        mends=any_level["mends"],
    )


def _examples(entry: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for example in entry["examples"]:
        value = example.get(entry["column"])
        said = "" if value is None or isinstance(value, bool) else str(value)
        # Instants come with seconds.
        said = re.sub(r"^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:00)?$", r"\1 \2", said)
        yield example["row_name"], "" if said in example["row_name"] else said


def _singular(phrase: str) -> str:
    """Turn `are of leads` into `is of leads`."""
    verb, _, rest = phrase.partition(" ")
    irregular = {"are": "is", "have": "has", "were": "was", "happened": "happened"}
    return f"{irregular.get(verb, f'{verb}s')} {rest}"
