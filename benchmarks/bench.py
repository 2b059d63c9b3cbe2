"""What the project costs, beside a hand-written script that makes the same marts: whole processes, in one run.

    python benchmarks/bench.py --leads 100000 --runs 3             every measure, as a table
    python benchmarks/bench.py --only start build yardstick        some of them
    python benchmarks/bench.py --smoke                             100,000 leads; exit status 1 after a slide
    python benchmarks/bench.py --curve 10000 100000 1000000        cost against size, with the fitted exponents

docs/performance.md explains the measures. The results are left in --out, as bench.json and bench.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from business_time import QUERY
from measure import CommandFailed, Cost, measure

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
BASELINE = HERE / "baseline.json"

# How much dearer than at the recorded ratio a build may become, against the yardstick, before --smoke fails. Two runs on one
# machine differ by a few per cent in processor time, two machines by some tens of per cent in the ratio; a scan or a join too
# many, the explosion of rows or the lost pushdown that this is to catch costs more than that.
SLIDE = 1.5
SMOKE_LEADS = 100_000
# The sample company: half a year, whatever its size, so that only the number of leads grows.
DAYS, SEED = 180, 42
# An hour after the last instant of the sample: nothing is late.
NIGHT = "2026-06-18 16:00:00"
POSITIONS, PAIRS = 10_000_000, 300

MEASURES = {
    "start": "dbt's own start (`dbt run`, nothing selected)",
    "build": "full build (`dbt run`)",
    "yardstick": "the same marts by one hand-written script",
    "positions": "positions of instants on business clocks",
    "library": "open time between two instants, by businesstimedelta",
    "publish": "publish for the first time",
    "publish_again": "publish again, with nothing new",
    "night": "a whole night (`lead-sla nightly`): gate, build, every check, publish, dashboard",
    "nothing_new": "a night with nothing new",
}
SMOKE = ("start", "build", "yardstick")


@dataclass(frozen=True)
class Result:
    """All runs of one measure.

    Attributes:
        costs: one for each run, without its output.
        told: what the measured program said of its own work (rows, seconds of the part that matters), from its best run.
    """

    costs: list[dict[str, float]]
    told: dict[str, float] = field(default_factory=dict)

    def best(self, unit: str) -> float:
        """Give the least of a unit over the runs: what disturbs a run only ever adds."""
        return min(cost[unit] for cost in self.costs)


Results = dict[str, Result]


class Bench:
    """The measures, on one sample company in one folder.

    Args:
        folder: where everything is put; a sample of the same size that is there already is used again.
        leads: the size of the sample.
        positions: how many positions on business clocks.
        memory_limit: DuckDB's limit for the yardstick, such as 8GB; the project's own is that of its profile.
    """

    def __init__(self, folder: Path, leads: int, positions: int = POSITIONS, memory_limit: str | None = None) -> None:
        self.folder, self.leads, self.positions, self.memory_limit = folder, leads, positions, memory_limit
        self.raw = folder / f"raw_{leads}"
        self.warehouse = folder / "warehouse.duckdb"
        self.published = folder / "published"
        self.environment = {
            # No setting of the machine's user gets in.
            **{name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "LEAD_SLA_"))},
            "DBT_PROFILES_DIR": str(PROJECT),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
            "LEAD_SLA_RAW": str(self.raw),
            "LEAD_SLA_WAREHOUSE": str(self.warehouse),
            "LEAD_SLA_PUBLISHED": str(self.published),
            "LEAD_SLA_STATE": str(folder / "state"),
        }

    def run(self, names: Sequence[str], runs: int, say: Callable[[str], None]) -> Results:
        """Measure, each run going through all measures, so that what disturbs one run disturbs all alike.

        Args:
            names: of `MEASURES`, in any order.
            runs: how often.
            say: is told what is going on.
        """
        if not self.raw.exists():
            say(f"making {self.leads:,} leads")
            self._lead_sla("sample", "--leads", str(self.leads), "--days", str(DAYS), "--seed", str(SEED))
        found: dict[str, list[Cost]] = {name: [] for name in MEASURES if name in names}
        for number in range(1, runs + 1):
            self._forget()
            for name in found:
                say(f"{name}, run {number} of {runs}")
                cost = getattr(self, f"_{name}")()
                say(f"{name}: {cost.wall_seconds:.1f} s, processor {cost.cpu_seconds:.1f} s, {cost.peak_mb:,.0f} MB")
                found[name].append(cost)
        return {name: _result(costs) for name, costs in found.items()}

    # --- the measures: each gives the cost of one run ---------------------------------------------------------------

    def _start(self) -> Cost:
        # Finds the project read before, as every run but the very first does, and nothing to do.
        self._dbt("parse")
        return self._dbt("run", "--select", "tag:no_model_has_this_tag")

    def _build(self) -> Cost:
        # `dbt run` is about the models: the seeds are there already.
        self.warehouse.unlink(missing_ok=True)
        self._dbt("seed")
        return self._dbt("run")

    def _yardstick(self) -> Cost:
        limit = ["--memory-limit", self.memory_limit] if self.memory_limit else []
        return self._python(HERE / "yardstick.py", str(self.raw), str(self.folder / "yardstick.duckdb"), *limit)

    def _positions(self) -> Cost:
        self._need_build()
        query = self.folder / "positions.sql"
        query.write_text(self._dbt("--quiet", "compile", "--inline", QUERY).output)
        return self._python(HERE / "business_time.py", "sql", str(self.warehouse), str(query), str(self.positions))

    def _library(self) -> Cost:
        return self._python(HERE / "business_time.py", "library", str(PAIRS))

    def _publish(self) -> Cost:
        self._need_build()
        shutil.rmtree(self.published, ignore_errors=True)
        return self._publish_again()

    def _publish_again(self) -> Cost:
        self._need_build()
        code = "import sys; from pathlib import Path; from lead_sla.publish import publish; publish(*map(Path, sys.argv[1:]))"
        return self._python("-c", code, str(self.warehouse), str(self.published))

    def _night(self) -> Cost:
        self._forget()
        return self._lead_sla("nightly", "--no-report", "--now", NIGHT)

    def _nothing_new(self) -> Cost:
        if not (self.folder / "state").exists():
            self._night()
        return self._lead_sla("nightly", "--no-report", "--now", NIGHT)

    # --- what they need -----------------------------------------------------------------------------------------------

    def _forget(self) -> None:
        """Begin a run with nothing built and nothing published."""
        for path in (self.published, self.folder / "state"):
            shutil.rmtree(path, ignore_errors=True)
        self.warehouse.unlink(missing_ok=True)

    def _need_build(self) -> None:
        if not self.warehouse.exists():
            self._build()

    def _dbt(self, *arguments: str) -> Cost:
        return self._measure([str(Path(sys.executable).with_name("dbt")), "--no-use-colors", *arguments])

    def _lead_sla(self, *arguments: str) -> Cost:
        return self._measure([sys.executable, "-m", "lead_sla", *arguments])

    def _python(self, *arguments: str | Path) -> Cost:
        return self._measure([sys.executable, *map(str, arguments)])

    def _measure(self, command: Sequence[str]) -> Cost:
        return measure(command, self.environment, PROJECT)


def _result(costs: Sequence[Cost]) -> Result:
    best = min(costs, key=lambda cost: cost.cpu_seconds)
    try:
        told = json.loads(best.output)
    except ValueError:
        told = {}
    units = ("wall_seconds", "cpu_seconds", "peak_mb")
    return Result([{unit: round(getattr(cost, unit), 3) for unit in units} for cost in costs], told)


# --- ratios, tables, fits ---------------------------------------------------------------------------------------------


def ratio(results: Results, unit: str = "cpu_seconds") -> float | None:
    """Give the full build without dbt's own start, as a multiple of the yardstick; None where one was not measured.

    Args:
        results: of `Bench.run`.
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


def markdown(leads: int, results: Results) -> str:
    """Give the results of one size as a Markdown table, with the ratios and what each number is."""
    yardstick = results.get("yardstick")
    lines = [
        f"| {leads:,} leads | wall, s | processor, s | peak memory, MB | processor, in yardsticks |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, result in results.items():
        times = f"{result.best('cpu_seconds') / yardstick.best('cpu_seconds'):.2f}" if yardstick else ""
        lines.append(
            f"| {MEASURES[name]} | {result.best('wall_seconds'):.1f} | {result.best('cpu_seconds'):.1f} |"
            f" {result.best('peak_mb'):,.0f} | {times} |"
        )
    said = []
    if (found := ratio(results)) is not None:
        said.append(
            f"Full build without dbt's start: {found:.2f} x the yardstick by processor time,"
            f" {ratio(results, 'wall_seconds'):.2f} x by the clock; memory {ratio(results, 'peak_mb'):.2f} x."
        )
    if "positions" in results:
        told = results["positions"].told
        said.append(
            f"{told['positions']:,} positions on business clocks: {told['seconds']:.1f} s, processor {told['cpu_seconds']:.1f} s,"
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
    return "\n".join([*lines, "", *said]) + "\n"


def curve_markdown(by_size: dict[int, Results]) -> str:
    """Give the cost of several sizes as a Markdown table, with the exponents that fit."""
    lines = [
        "| leads | build, s | processor, s | MB | yardstick, s | processor, s | MB | ratio |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for leads, results in by_size.items():
        cells = [
            f"{results[name].best(unit):,.{digits}f}"
            for name in ("build", "yardstick")
            for unit, digits in (("wall_seconds", 1), ("cpu_seconds", 1), ("peak_mb", 0))
        ]
        lines.append(f"| {leads:,} | {' | '.join(cells)} | {ratio(results):.2f} |")
    fits = [f"{told} {value:.2f}" for told, value in exponents(by_size).items()]
    return "\n".join([*lines, "", f"Fitted exponents (1 is proportional): {', '.join(fits)}."]) + "\n"


def exponents(by_size: dict[int, Results]) -> dict[str, float]:
    """Give the fitted exponents of the processor time of the build (without dbt's start) and of the yardstick, and of memory."""
    sizes = list(by_size)
    build = [r["build"].best("cpu_seconds") - r["start"].best("cpu_seconds") for r in by_size.values()]
    return {
        "build without dbt's start": exponent(sizes, build),
        "yardstick": exponent(sizes, [r["yardstick"].best("cpu_seconds") for r in by_size.values()]),
        "memory of the build": exponent(sizes, [r["build"].best("peak_mb") for r in by_size.values()]),
        "memory of the yardstick": exponent(sizes, [r["yardstick"].best("peak_mb") for r in by_size.values()]),
    }


def plot(by_size: dict[int, Results], file: Path) -> None:
    """Draw the cost curve, both axes logarithmic, into an SVG or PNG file."""
    import altair

    names = {"start": "dbt's own start", "build": "full build", "yardstick": "hand-written script"}
    units = {"cpu_seconds": "processor time, s", "peak_mb": "peak memory, MB"}
    rows = [
        {"leads": leads, "what": told, "unit": unit, "cost": results[name].best(unit)}
        for leads, results in by_size.items()
        for name, told in names.items()
        for unit in units
    ]
    charts = [
        altair.Chart(altair.Data(values=[row for row in rows if row["unit"] == unit]))
        .mark_line(point=True)
        .encode(
            x=altair.X("leads:Q", scale=altair.Scale(type="log"), axis=altair.Axis(format="~s", values=list(by_size))),
            y=altair.Y("cost:Q", scale=altair.Scale(type="log"), title=title),
            color=altair.Color("what:N", title=None, sort=list(names.values())),
        )
        .properties(width=320, height=240)
        for unit, title in units.items()
    ]
    altair.hconcat(*charts).save(str(file))


# --- the guard against a slide ----------------------------------------------------------------------------------------


def slide(found: float, recorded: float) -> str | None:
    """Say in a sentence that the build has slid away from the yardstick; None if it has not."""
    limit = SLIDE * recorded
    if found <= limit:
        return None
    return (
        f"The full build without dbt's start costs {found:.2f} x the yardstick in processor time. At most {limit:.2f} x is"
        f" allowed: {SLIDE} x the {recorded:.2f} x that benchmarks/baseline.json records. Look for a model that reads, joins"
        " or sorts more than it did; if the new cost is worth it, record it with --record."
    )


def judge(results: Results, facts: dict[str, Any], record: bool) -> int:
    """Print whether the build has slid away from the yardstick, and give the exit status: 1 if it has.

    Args:
        results: of the measures in `SMOKE`.
        facts: of `machine`.
        record: write the ratio to benchmarks/baseline.json instead.
    """
    found = ratio(results)
    if record:
        measured = {"build_in_yardsticks": round(found, 2), "leads": SMOKE_LEADS, "machine": facts}
        BASELINE.write_text(json.dumps(measured, indent=2) + "\n")
        print(f"Recorded {found:.2f} in benchmarks/baseline.json.")
        return 0
    recorded = json.loads(BASELINE.read_text())["build_in_yardsticks"]
    problem = slide(found, recorded)
    print(
        problem
        or f"No slide: {found:.2f} x the yardstick, {recorded:.2f} x recorded, {SLIDE * recorded:.2f} x allowed."
    )
    return 1 if problem else 0


# --- the program ------------------------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """Say what the measures ran on; nothing in it names the machine or its folders."""
    model = [
        line.partition(":")[2].strip()
        for line in (Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ())
        if line.startswith("model name")
    ]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=PROJECT, capture_output=True, text=True)
    return {
        "measured_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": commit.stdout.strip(),
        "processor": model[0] if model else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "load_before": [round(load, 1) for load in os.getloadavg()],
        "versions": {name: version(name) for name in ("dbt-core", "dbt-duckdb", "duckdb")},
    }


def told(facts: dict[str, Any]) -> str:
    """Give the facts of `machine` as a sentence."""
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    return (
        f"{facts['measured_at']}, commit {facts['commit']}, {facts['cores']} cores of {facts['processor']},"
        f" {facts['memory_gb']} GB, load {facts['load_before'][0]} before and {facts['load_after'][0]} after; {versions}."
    )


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=SMOKE_LEADS, help="size of the sample company (default: 100,000)")
    parser.add_argument("--runs", type=int, help="how often; the best of each measure counts (default: 1, --smoke: 2)")
    parser.add_argument("--only", nargs="+", choices=MEASURES, metavar="MEASURE", help=f"of {', '.join(MEASURES)}")
    parser.add_argument("--positions", type=int, default=POSITIONS, help="positions on business clocks")
    parser.add_argument("--memory-limit", help="DuckDB's limit for the yardstick, such as 8GB")
    parser.add_argument("--smoke", action="store_true", help="100,000 leads, the ratio alone; fails after a slide")
    parser.add_argument(
        "--record", action="store_true", help="with --smoke: write the ratio to benchmarks/baseline.json"
    )
    parser.add_argument("--curve", nargs="+", type=int, metavar="LEADS", help="sizes of a cost curve, two or more")
    parser.add_argument("--plot", type=Path, help="with --curve: the SVG or PNG file to draw it into")
    parser.add_argument("--work", type=Path, help="folder to work in, which is kept (default: a temporary one)")
    parser.add_argument("--out", type=Path, default=PROJECT / "target/bench", help="folder of bench.json and bench.md")
    chosen = parser.parse_args()
    if chosen.curve and len(set(chosen.curve)) < 2:
        parser.error("--curve needs two sizes or more")
    if chosen.smoke and (chosen.curve or chosen.only):
        parser.error("--smoke measures what it needs, at its own size")
    if chosen.record and not chosen.smoke:
        parser.error("--record goes with --smoke")
    chosen.runs = chosen.runs or (2 if chosen.smoke else 1)
    return chosen


def main() -> int:
    """Measure what the command line asks for; 1 is a slide (see `SLIDE`), 2 a command that failed."""
    chosen = options()
    if chosen.smoke:
        chosen.leads, chosen.only = SMOKE_LEADS, SMOKE
    if chosen.curve:
        chosen.only = SMOKE
    facts = machine()
    work = chosen.work or Path(tempfile.mkdtemp(prefix="lead_sla_bench_"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        by_size = _measure_sizes(sorted(set(chosen.curve or [chosen.leads])), chosen, work.resolve())
    except CommandFailed as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        if not chosen.work:
            shutil.rmtree(work, ignore_errors=True)
    facts["load_after"] = [round(load, 1) for load in os.getloadavg()]
    text = curve_markdown(by_size) if chosen.curve else markdown(chosen.leads, by_size[chosen.leads])
    text = f"{text}\n{told(facts)}\n"
    print(f"\n{text}")
    _write(chosen.out, {"machine": facts, "leads": {n: _plain(r) for n, r in by_size.items()}}, text)
    if chosen.plot:
        plot(by_size, chosen.plot)
    return judge(by_size[SMOKE_LEADS], facts, chosen.record) if chosen.smoke else 0


def _measure_sizes(sizes: Iterable[int], chosen: argparse.Namespace, work: Path) -> dict[int, Results]:
    def say(text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    return {
        leads: Bench(work, leads, chosen.positions, chosen.memory_limit).run(
            chosen.only or list(MEASURES), chosen.runs, say
        )
        for leads in sizes
    }


def _plain(results: Results) -> dict[str, Any]:
    ratios = {unit: ratio(results, unit) for unit in ("cpu_seconds", "wall_seconds", "peak_mb")}
    return {"measures": {name: asdict(result) for name, result in results.items()}, "build_in_yardsticks": ratios}


def _write(folder: Path, record: dict[str, Any], text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(record, indent=2) + "\n")
    (folder / "bench.md").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
