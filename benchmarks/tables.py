"""Results of measures, and how they are told: ratios, fitted exponents, tables and the plot of the cost curve."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from measure import Cost

# What is measured, in the order in which each run goes through it.
MEASURES = {
    "start": "dbt's own start (`dbt run`, nothing selected)",
    "build": "full build (`dbt run`)",
    "yardstick": "the same marts by one hand-written script",
    "positions": "positions of instants on business clocks",
    "pandas": "the same positions of one calendar, by pandas and numpy",
    "library": "open time between two instants, by businesstimedelta",
    "publish": "publish for the first time",
    "publish_again": "publish again, with nothing new",
    "increment": "the next load arrives (`dbt run`)",
    "increment_week": "the load of a week later, night by night (`dbt run`)",
    "increment_nothing": "`dbt run` with nothing new",
    "publish_increment": "publish after the next load",
    "increment_full": "the same data, built anew (`dbt run --full-refresh`)",
    "increment_value": "a lead value of the policy changes (`dbt run`)",
    "increment_holiday": "a calendar gets a holiday (`dbt run`)",
    "night": "a whole night (`lead-sla nightly`): gate, build, every check, publish, dashboard",
    "nothing_new": "a night with nothing new",
}
# What the guard against a slide needs, and what a cost curve is made of, without and with increments.
SMOKE = ("start", "build", "yardstick")
INCREMENTS = ("increment", "increment_nothing", "increment_full")
UNITS = ("wall_seconds", "cpu_seconds", "peak_mb", "read_mb", "written_mb")


@dataclass(frozen=True)
class Result:
    """All runs of one measure.

    Attributes:
        costs: one for each run, without its output; a unit that the system does not tell is missing.
        told: what the measured program said of its own work (rows, seconds of the part that matters), from its best run.
    """

    costs: list[dict[str, float]]
    told: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, costs: Sequence[Cost]) -> Result:
        """Keep what matters of some runs; a program's output counts where it is a JSON object."""
        try:
            told = json.loads(min(costs, key=lambda cost: cost.cpu_seconds).output)
        except ValueError:
            told = {}
        known = [{unit: getattr(cost, unit) for unit in UNITS if getattr(cost, unit) is not None} for cost in costs]
        return cls([{unit: round(number, 3) for unit, number in cost.items()} for cost in known], told)

    def best(self, unit: str) -> float:
        """Give the least of a unit over the runs: what disturbs a run only ever adds. Not a number where nobody knows."""
        return min((cost[unit] for cost in self.costs if unit in cost), default=math.nan)


Results = dict[str, Result]


# --- a file of results ------------------------------------------------------------------------------------------------


def record(by_size: dict[int, Results], facts: dict[str, Any]) -> dict[str, Any]:
    """Give what bench.json holds: the machine, and all runs of all measures by size."""
    return {
        "machine": facts,
        "leads": {
            leads: {
                "measures": {name: asdict(result) for name, result in results.items()},
                "build_in_yardsticks": {unit: ratio(results, unit) for unit in UNITS[:3]},
            }
            for leads, results in by_size.items()
        },
    }


def recalled(files: Iterable[Path]) -> tuple[dict[int, Results], list[dict[str, Any]]]:
    """Read files that hold a `record`, and give the results of all, smallest size first, and the machines.

    A measure that several files have at one size is that of the last.
    """
    by_size: dict[int, Results] = {}
    machines = []
    for file in files:
        recorded = json.loads(file.read_text())
        machines.append(recorded["machine"])
        for leads, found in recorded["leads"].items():
            results = {name: Result(**result) for name, result in found["measures"].items()}
            by_size.setdefault(int(leads), {}).update(results)
    return dict(sorted(by_size.items())), machines


# --- ratios and fits --------------------------------------------------------------------------------------------------


def ratio(results: Results, unit: str = "cpu_seconds") -> float | None:
    """Give the full build without dbt's own start, as a multiple of the yardstick; None where one was not measured.

    Args:
        results: of one size.
        unit: `cpu_seconds` or `wall_seconds`; or `peak_mb`, of which nothing is taken off for the start.
    """
    if not set(SMOKE) <= results.keys():
        return None
    start = 0.0 if unit == "peak_mb" else results["start"].best(unit)
    return (results["build"].best(unit) - start) / results["yardstick"].best(unit)


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Fit cost = a x size^b by least squares of the logarithms, and give b: 1 is proportional, 2 quadratic.

    Raises:
        ValueError: fewer than two sizes, or a cost that is not above 0.
    """
    if len(set(sizes)) < 2 or min(costs) <= 0:
        raise ValueError("an exponent needs two sizes and costs above 0")
    x, y = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return covariance / sum((a - mean_x) ** 2 for a in x)


# What the curve tells of each measure, and whether dbt's own start is taken off its times.
FITTED = {
    "build": ("build without dbt's start", True),
    "yardstick": ("yardstick", False),
    "increment": ("increment without dbt's start", True),
}


def exponents(by_size: dict[int, Results]) -> dict[str, dict[str, float | None]]:
    """Fit the costs of several sizes.

    Returns:
        For each of `FITTED` that was measured, by its words: the exponents of `cpu_seconds`, `wall_seconds` and `peak_mb`. None
        where dbt's start was no less than the whole, so that nothing is left to fit.
    """
    fits: dict[str, dict[str, float | None]] = {}
    for name, (words, without_start) in FITTED.items():
        if not all(name in results for results in by_size.values()):
            continue
        fits[words] = {}
        for unit in ("cpu_seconds", "wall_seconds", "peak_mb"):
            own = without_start and unit != "peak_mb"
            costs = [r[name].best(unit) - (r["start"].best(unit) if own else 0) for r in by_size.values()]
            fits[words][unit] = exponent(list(by_size), costs) if min(costs) > 0 else None
    return fits


# --- tables -----------------------------------------------------------------------------------------------------------


def table(head: str, rows: Iterable[Sequence[str]], texts: int = 1) -> list[str]:
    """Give the lines of a Markdown table: text in the first column or the first few, numbers in the others."""
    aligned = "|" + "---|" * texts + "--:|" * (head.count("|") - 1 - texts)
    return [head, aligned, *(f"| {' | '.join(row)} |" for row in rows)]


def _number(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:,.{digits}f}"


def _costs(result: Result, units: Sequence[str]) -> list[str]:
    return [_number(result.best(unit), 1 if unit.endswith("seconds") else 0) for unit in units]


def markdown(leads: int, results: Results) -> str:
    """Give the results of one size as a Markdown table, with the ratios and what each number is."""
    yardstick = results.get("yardstick")
    units = ("wall_seconds", "cpu_seconds", "peak_mb", "read_mb")
    lines = table(
        f"| {leads:,} leads | wall, s | processor, s | peak memory, MB | read, MB | processor, in yardsticks |",
        (
            [
                MEASURES[name],
                *_costs(result, units),
                f"{result.best('cpu_seconds') / yardstick.best('cpu_seconds'):.2f}" if yardstick else "",
            ]
            for name, result in results.items()
        ),
    )
    return "\n".join([*lines, "", *_said(results)]) + "\n"


def _said(results: Results) -> list[str]:
    """Give the sentences below a table: what its numbers come to."""
    said = []
    if (found := ratio(results)) is not None:
        said.append(
            f"Full build without dbt's start: {found:.2f} x the yardstick by processor time,"
            f" {ratio(results, 'wall_seconds'):.2f} x by the clock; memory {ratio(results, 'peak_mb'):.2f} x."
        )
    if "increment" in results:
        told = results["increment"].told
        said.append(
            f"The next load: {told['rows']:,} rows of {told['leads']:,} leads, {told['mb']:,.1f} MB of Parquet beside"
            f" {told['raw_mb']:,.1f} MB of before; the warehouse takes {told['warehouse_mb']:,.0f} MB."
        )
        if "build" in results:
            share = {unit: results["increment"].best(unit) / results["build"].best(unit) for unit in UNITS[:2]}
            said.append(
                f"Its run costs {share['cpu_seconds']:.1%} of the full build's processor time, {share['wall_seconds']:.1%} by the clock."
            )
    if "increment_week" in results:
        week = results["increment_week"]
        told = week.told
        said.append(
            f"The load of a week later: {told['rows']:,} rows of {told['leads']:,} leads, {week.best('wall_seconds'):.1f} s, as the last"
            f" of {told['nights']} nights one after the other."
        )
    for name, what in (("positions", "on business clocks"), ("pandas", "by pandas and numpy, of one calendar")):
        if name in results:
            told = results[name].told
            said.append(
                f"{told['positions']:,} positions {what}: {told['seconds']:.1f} s, processor {told['cpu_seconds']:.1f} s,"
                f" for the lookup alone; {told['cpu_seconds'] / told['positions'] * 1e6:.2f} µs of processor time each."
            )
    if "library" in results:
        told = results["library"].told
        each = told["cpu_seconds"] / told["pairs"]
        said.append(
            f"businesstimedelta, a Python loop: {each * 1e6:,.0f} µs for the open time between two instants, measured on"
            f" {told['pairs']} pairs. 10,000,000 positions are 5,000,000 pairs: extrapolated, not measured,"
            f" {each * 5e6 / 60:,.0f} minutes."
        )
    return said


def curve_markdown(by_size: dict[int, Results]) -> str:
    """Give the cost of several sizes as Markdown tables, with the exponents that fit."""
    units = UNITS[:3]
    lines = table(
        "| leads | build, s | processor, s | MB | yardstick, s | processor, s | MB | ratio |",
        (
            [f"{leads:,}", *_costs(found["build"], units), *_costs(found["yardstick"], units), f"{ratio(found):.2f}"]
            for leads, found in by_size.items()
        ),
    )
    if all("increment" in results for results in by_size.values()):
        lines += ["", *table(
            "| leads | new rows | of leads | increment, s | processor, s | MB | read, MB | nothing new, s | build anew, s | read, MB"
            " | increment / build anew | raw data, MB | warehouse, MB |",
            (_increment_row(leads, results) for leads, results in by_size.items()),
        )]  # fmt: skip
    fits = table(
        "| fitted exponent (1 is proportional) | processor time | wall time | memory |",
        (
            [words, *("" if value is None else f"{value:.2f}" for value in fit.values())]
            for words, fit in exponents(by_size).items()
        ),
    )
    return "\n".join([*lines, "", *fits]) + "\n"


def _increment_row(leads: int, results: Results) -> list[str]:
    increment, nothing = results["increment"], results["increment_nothing"]
    # Where the same data was not built anew, the build before the load is the next best.
    full = results.get("increment_full", results["build"])
    told = increment.told
    return [
        f"{leads:,}",
        f"{told['rows']:,}",
        f"{told['leads']:,}",
        *_costs(increment, ("wall_seconds", "cpu_seconds", "peak_mb", "read_mb")),
        *_costs(nothing, ("wall_seconds",)),
        *_costs(full, ("wall_seconds", "read_mb")),
        f"{increment.best('cpu_seconds') / full.best('cpu_seconds'):.1%}",
        f"{told['raw_mb']:,.0f}",
        f"{told['warehouse_mb']:,.0f}",
    ]


def machines_told(machines: Iterable[dict[str, Any]]) -> str:
    """Give the facts of bench.py's `machine`, a sentence each."""
    return "\n".join(
        f"{facts['measured_at']}, commit {facts['commit']}, {facts['cores']} cores of {facts['processor']},"
        f" {facts['memory_gb']} GB, load {facts['load_before'][0]} before and {facts['load_after'][0]} after;"
        f" {', '.join(f'{name} {number}' for name, number in facts['versions'].items())}."
        for facts in machines
    )


def plot(by_size: dict[int, Results], file: Path) -> None:
    """Draw the cost curve, both axes logarithmic, into an SVG or PNG file."""
    import altair

    names = {
        "build": "full build",
        "yardstick": "hand-written script",
        "increment": "increment",
        "increment_nothing": "nothing new",
        "start": "dbt's own start",
    }
    measured = [name for name in names if all(name in results for results in by_size.values())]
    units = {"cpu_seconds": "processor time, s", "peak_mb": "peak memory, MB"}
    rows = [
        {"leads": leads, "what": names[name], "unit": unit, "cost": results[name].best(unit)}
        for leads, results in by_size.items()
        for name in measured
        for unit in units
    ]
    charts = [
        altair.Chart(altair.Data(values=[row for row in rows if row["unit"] == unit]))
        .mark_line(point=True)
        .encode(
            x=altair.X(
                "leads:Q",
                scale=altair.Scale(type="log", nice=False),
                axis=altair.Axis(format="~s", values=list(by_size)),
            ),
            y=altair.Y("cost:Q", scale=altair.Scale(type="log"), title=title),
            color=altair.Color("what:N", title=None, sort=[names[name] for name in measured]),
        )
        .properties(width=320, height=240)
        for unit, title in units.items()
    ]
    altair.hconcat(*charts).save(str(file))
