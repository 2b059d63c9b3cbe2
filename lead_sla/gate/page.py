"""The page about a check: one HTML file that opens without the network, on a phone and in the dark."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from lead_sla.gate.result import ERROR, WARNING, Finding, GateResult, Load, count
from lead_sla.gate.verdicts import OK, WITHIN, Verdict, percent

_MARKS = {OK: "✓", WITHIN: "○", WARNING: "!", ERROR: "✗"}
_CLASSES = {OK: "ok", WITHIN: "within", WARNING: "warning", ERROR: "error"}
_TITLES = {"columns": "Columns", "loads": "Loads"}


def write_page(result: GateResult, verdicts: Sequence[Verdict], columns: Sequence[Mapping[str, Any]]) -> None:
    """Write the page, in one step.

    Args:
        result: what was found; says where the page lies.
        verdicts: every check with what came of it, in the order of the suites.
        columns: the columns of the contract and of the landed files.
    """
    part = result.page.with_suffix(".part")
    part.write_text(render(result, verdicts, columns), encoding="utf-8")
    part.replace(result.page)


def render(result: GateResult, verdicts: Sequence[Verdict], columns: Sequence[Mapping[str, Any]]) -> str:
    """Give the page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        code=_code, bare=_bare, age=_age, count=count, mark=_MARKS.__getitem__, css=_CLASSES.__getitem__, when=_when
    )
    return environment.get_template("page.html.j2").render(
        result=result,
        headline=_headline(result),
        suites=[_suite(name, list(group), columns) for name, group in groupby(verdicts, lambda verdict: verdict.suite)],
        allowed=lambda verdict: [
            f"{severity} above {percent(share)}" if share else f"{severity} if any"
            for severity, share in verdict.bounds.items()
        ],
        scale=_scale,
        rows=sum(load.row_count for load in result.loads.values()),
    )


def _headline(result: GateResult) -> tuple[str, str]:
    """Give the class and the words of the verdict."""
    if result.errors:
        warnings = f", {count(len(result.warnings), 'warning')}" if result.warnings else ""
        return ERROR, f"Refused: {count(len(result.errors), 'error')}{warnings}"
    if result.warnings:
        return WARNING, f"Accepted, with {count(len(result.warnings), 'warning')}"
    return OK, "Accepted"


def _suite(name: str, verdicts: list[Verdict], columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    tally = {kind: sum(verdict.verdict == kind for verdict in verdicts) for kind in (ERROR, WARNING, WITHIN, OK)}
    return {
        "name": name,
        "title": _TITLES.get(name, name),
        "is_table": name not in _TITLES,
        "verdicts": verdicts,
        "tally": {kind: number for kind, number in tally.items() if number},
        "columns": [column for column in columns if column["table_name"] == name],
    }


def _scale(load: Load) -> dict[str, float] | None:
    """Give where the new rows and the usual band lie on a line, in percent of its length."""
    if load.verdict_on_amount.startswith("no verdict"):
        return None
    length = max(load.new_rows, load.usual_high, 1) * 1.1
    return {
        "low": 100 * load.usual_low / length,
        "width": 100 * (load.usual_high - load.usual_low) / length,
        "at": 100 * max(0, load.new_rows) / length,
    }


def _code(text: str) -> Markup:
    """Set what stands in backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _bare(finding: Finding) -> str:
    """Say what is wrong under a title that names the table already."""
    what = finding.what.removeprefix(f"raw {finding.table}: ")
    return what[:1].upper() + what[1:]


def _age(hours: float | None) -> str:
    if hours is None:
        return "–"
    if hours < 1:
        return "less than an hour"
    return count(round(hours), "hour") if hours < 72 else count(round(hours / 24), "day")


def _when(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M}" if instant else "–"
