"""What the project costs, beside a hand-written script that makes the same marts: whole processes, in one run.

    python benchmarks/bench.py --leads 100000 --runs 3             every measure, as a table
    python benchmarks/bench.py --only start build yardstick        some of them
    python benchmarks/bench.py --smoke                             100,000 leads; exit status 1 after a slide
    python benchmarks/bench.py --curve 10000 100000 1000000        cost against size, with the fitted exponents
    python benchmarks/bench.py --curve 10000 100000 --increments   the same, and what the next load costs
    python benchmarks/bench.py --tell bench.json ...               the tables and the plot of results that were kept

docs/performance.md explains the measures. The results are left in --out, as bench.json and bench.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from business_time import QUERY
from contents import contents, differences
from measure import CommandFailed, Cost, measure
from next_load import SHARE
from tables import (
    INCREMENTS,
    MEASURES,
    SMOKE,
    Result,
    Results,
    curve_markdown,
    machines_told,
    markdown,
    plot,
    ratio,
    recalled,
    record,
)

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
# A run that selects nothing, which is an error elsewhere.
NOTHING = ("run", "--select", "tag:no_model_has_this_tag", "--warn-error-options", '{"error": []}')
# After the next load: the sample dates activities and versions up to two days ahead, which these nights pass first.
NIGHTS = 6


class WrongMarts(Exception):
    """What was measured made other marts than a build from scratch, so that its cost means nothing."""


class Bench:
    """The measures, on one sample company in one folder.

    Args:
        folder: where everything is put; a sample of the same size that is there already is used again.
        leads: the size of the sample.
        positions: how many positions on business clocks.
        memory_limit: DuckDB's limit, such as 8GB, for the project and the yardstick; beyond it they spill beside their files.
        share: how much the next load brings, as a share of all leads.
        threads: how many models dbt builds at once; else as many as the profile says.
    """

    def __init__(
        self,
        folder: Path,
        leads: int,
        positions: int = POSITIONS,
        memory_limit: str | None = None,
        share: float = SHARE,
        threads: int | None = None,
    ) -> None:
        self.folder, self.leads, self.positions, self.memory_limit = folder, leads, positions, memory_limit
        self.share, self.next_load = share, ""
        self.sample = folder / f"raw_{leads}"
        # What dbt reads: the project and the sample as they are when a run begins. Loads arrive and the policy changes there.
        self.project, self.raw = folder / "project", folder / "raw"
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
            **({"LEAD_SLA_MEMORY_LIMIT": memory_limit} if memory_limit else {}),
            **({"LEAD_SLA_THREADS": str(threads)} if threads else {}),
        }

    def run(self, names: Sequence[str], runs: int, say: Callable[[str], None]) -> Results:
        """Measure, each run going through all measures, so that what disturbs one run disturbs all alike.

        Args:
            names: of `MEASURES`, in any order.
            runs: how often.
            say: is told what is going on.

        Raises:
            CommandFailed: a command did not end well.
            WrongMarts: an increment made other marts than a build from scratch.
        """
        found: dict[str, list[Cost]] = {name: [] for name in MEASURES if name in names}
        for number in range(1, runs + 1):
            if not self.sample.exists():
                say(f"making {self.leads:,} leads")
            self.begin()
            for name in found:
                say(f"{name}, run {number} of {runs}")
                cost = getattr(self, f"_{name}")()
                say(f"{name}: {cost.wall_seconds:.1f} s, processor {cost.cpu_seconds:.1f} s, {cost.peak_mb:,.0f} MB")
                found[name].append(cost)
        return {name: Result.of(costs) for name, costs in found.items()}

    def begin(self, sample: bool = True) -> None:
        """Go back to where a run begins: a copy of the project, the sample landed, nothing built and nothing published.

        Args:
            sample: land a sample; otherwise the caller has other raw data.
        """
        if sample and not self.sample.exists():
            size = ("--leads", str(self.leads), "--days", str(DAYS), "--seed", str(SEED))
            self._lead_sla("sample", *size, "--out", str(self.sample))
        self.next_load = ""
        for path in (self.project, self.raw, self.published, self.folder / "state"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.warehouse, self.warehouse.with_name("warehouse.duckdb.wal")):
            path.unlink(missing_ok=True)
        if sample:
            # Hard links: the sample stays as it is, and its files look the same to whoever remembers them.
            shutil.copytree(self.sample, self.raw, copy_function=os.link)
        self.project.mkdir()
        settings = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
        for name in ("dbt_project.yml", ".dbtignore"):
            shutil.copy2(PROJECT / name, self.project / name)
        for kind in ("model", "seed", "macro", "test", "analysis"):
            for name in settings[f"{kind}-paths"]:
                shutil.copytree(PROJECT / name, self.project / name, ignore=shutil.ignore_patterns("__pycache__"))

    def dbt(self, *arguments: str) -> Cost:
        """Run dbt on the project's copy."""
        return measure(
            [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", *arguments], self.environment, self.project
        )

    def land(self) -> None:
        """Have the next load arrive, and remember in `next_load` how large it is beside what was there, as a JSON object."""
        before = {"raw_mb": _megabytes(self.raw), "warehouse_mb": _megabytes(self.warehouse)}
        landed = self.python(HERE / "next_load.py", str(self.raw), "--share", str(self.share)).output
        self.next_load = json.dumps({**json.loads(landed), **before})

    # --- the measures: each gives the cost of one run ---------------------------------------------------------------

    def _start(self) -> Cost:
        # Finds the project read before, as every run but the very first does, and nothing to do.
        self.dbt("parse")
        return self.dbt(*NOTHING)

    def _build(self) -> Cost:
        # `dbt run` is about the models: the seeds are there already.
        self.warehouse.unlink(missing_ok=True)
        self.dbt("seed")
        return self.dbt("run")

    def _yardstick(self) -> Cost:
        limit = ["--memory-limit", self.memory_limit] if self.memory_limit else []
        return self.python(HERE / "yardstick.py", str(self.sample), str(self.folder / "yardstick.duckdb"), *limit)

    def _positions(self) -> Cost:
        self._need_build()
        query = self.folder / "positions.sql"
        query.write_text(self.dbt("--quiet", "compile", "--inline", QUERY).output)
        return self.python(HERE / "business_time.py", "sql", str(self.warehouse), str(query), str(self.positions))

    def _pandas(self) -> Cost:
        return self.python(HERE / "business_time.py", "pandas", str(self.positions))

    def _library(self) -> Cost:
        return self.python(HERE / "business_time.py", "library", str(PAIRS))

    def _publish(self) -> Cost:
        self._need_build()
        shutil.rmtree(self.published, ignore_errors=True)
        return self._publish_again()

    def _publish_again(self) -> Cost:
        self._need_build()
        code = "import sys; from pathlib import Path; from lead_sla.publish import publish; publish(*map(Path, sys.argv[1:]))"
        return self.python("-c", code, str(self.warehouse), str(self.published))

    def _increment(self) -> Cost:
        self._need_build()
        self.land()
        return replace(self.dbt("run"), output=self.next_load)

    def _increment_week(self) -> Cost:
        """The last of some nights: what the sample dates ahead of its end has long passed by then."""
        self._need_increment()
        for _ in range(NIGHTS):
            self.land()
            cost = self.dbt("run")
        return replace(cost, output=json.dumps({**json.loads(self.next_load), "nights": NIGHTS}))

    def _increment_nothing(self) -> Cost:
        self._need_increment()
        return self.dbt("run")

    def _publish_increment(self) -> Cost:
        if not self.published.exists():
            self.begin()
            self._publish()
        self._need_increment()
        return self._publish_again()

    def _increment_full(self) -> Cost:
        self._need_increment()
        before = contents(self.warehouse)
        cost = self.dbt("run", "--full-refresh")
        if found := differences(before, contents(self.warehouse)):
            raise WrongMarts("\n".join(["The marts are not those of a build from scratch:", *found]))
        return cost

    def _increment_value(self) -> Cost:
        def dearer(rows: list[dict[str, str]]) -> None:
            rows[-1]["average_purchase_price_usd"] = str(2 * float(rows[-1]["average_purchase_price_usd"]))

        return self._amended("lead_values", dearer)

    def _increment_holiday(self) -> Cost:
        def a_day_off(rows: list[dict[str, str]]) -> None:
            day = dict.fromkeys(rows[0], "") | {"calendar_id": "default", "holiday_date": "2026-04-15"}
            rows.append(day | {"holiday_name": "A Day Off"})

        return self._amended("holidays", a_day_off)

    def _night(self) -> Cost:
        self.begin()
        return self._lead_sla("nightly", "--no-report", "--now", NIGHT)

    def _nothing_new(self) -> Cost:
        if not (self.folder / "state").exists():
            self._night()
        return self._lead_sla("nightly", "--no-report", "--now", NIGHT)

    # --- what they need -----------------------------------------------------------------------------------------------

    def _need_build(self) -> None:
        if not self.warehouse.exists():
            self._build()

    def _need_increment(self) -> None:
        if not self.next_load:
            self._increment()

    def _amended(self, seed: str, amend: Callable[[list[dict[str, str]]], None]) -> Cost:
        """Change a policy seed, load it, and give the cost of the run after it, once its marts have been proven right."""
        self._need_increment()
        file = self.project / "seeds/policy" / f"{seed}.csv"
        with file.open(newline="") as text:
            rows = list(csv.DictReader(text))
        amend(rows)
        with file.open("w", newline="") as text:
            writer = csv.DictWriter(text, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        self.dbt("seed")
        cost = self.dbt("run")
        self._increment_full()
        return cost

    def _lead_sla(self, *arguments: str) -> Cost:
        return self.python("-m", "lead_sla", *arguments)

    def python(self, *arguments: str | Path) -> Cost:
        """Run Python in the project itself."""
        return measure([sys.executable, *map(str, arguments)], self.environment, PROJECT)


def _megabytes(path: Path) -> float:
    """Give the size of a file, or of all files below a folder."""
    return sum(file.stat().st_size for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()) / 1e6


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


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=SMOKE_LEADS, help="size of the sample company (default: 100,000)")
    parser.add_argument("--runs", type=int, help="how often; the best of each measure counts (default: 1, --smoke: 2)")
    parser.add_argument("--only", nargs="+", choices=MEASURES, metavar="MEASURE", help=f"of {', '.join(MEASURES)}")
    parser.add_argument("--positions", type=int, default=POSITIONS, help="positions on business clocks")
    parser.add_argument(
        "--memory-limit", help="DuckDB's limit for the project and the yardstick, such as 8GB: they spill into --work"
    )
    parser.add_argument("--threads", type=int, help="how many models dbt builds at once (default: the profile's)")
    parser.add_argument(
        "--share", type=float, default=SHARE, help="what the next load brings, of all leads (default: 0.001)"
    )
    parser.add_argument("--smoke", action="store_true", help="100,000 leads, the ratio alone; fails after a slide")
    parser.add_argument(
        "--record", action="store_true", help="with --smoke: write the ratio to benchmarks/baseline.json"
    )
    parser.add_argument("--curve", nargs="+", type=int, metavar="LEADS", help="sizes of a cost curve, two or more")
    parser.add_argument("--increments", action="store_true", help="with --curve: also what the next load costs")
    parser.add_argument(
        "--plot", type=Path, help="the SVG or PNG file to draw a curve into (default: curve.svg in --out)"
    )
    parser.add_argument(
        "--tell",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="measure nothing: tell what these bench.json hold, together",
    )
    parser.add_argument("--work", type=Path, help="folder to work in, which is kept (default: a temporary one)")
    parser.add_argument("--out", type=Path, default=PROJECT / "target/bench", help="folder of bench.json and bench.md")
    chosen = parser.parse_args()
    if chosen.curve and len(set(chosen.curve)) < 2:
        parser.error("--curve needs two sizes or more")
    if chosen.increments and not chosen.curve:
        parser.error("--increments goes with --curve")
    if chosen.smoke and (chosen.curve or chosen.only):
        parser.error("--smoke measures what it needs, at its own size")
    if chosen.record and not chosen.smoke:
        parser.error("--record goes with --smoke")
    chosen.runs = chosen.runs or (2 if chosen.smoke else 1)
    return chosen


def main() -> int:
    """Measure what the command line asks for; 1 is a slide (see `SLIDE`), 2 a command that failed or made wrong marts."""
    chosen = options()
    if chosen.tell:
        print(_told(*recalled(chosen.tell), chosen))
        return 0
    if chosen.smoke:
        chosen.leads, chosen.only = SMOKE_LEADS, SMOKE
    if chosen.curve:
        chosen.only = (*SMOKE, *INCREMENTS) if chosen.increments else SMOKE
    facts = machine()
    work = chosen.work or Path(tempfile.mkdtemp(prefix="lead_sla_bench_"))
    work.mkdir(parents=True, exist_ok=True)
    by_size: dict[int, Results] = {}
    try:
        for leads in sorted(set(chosen.curve or [chosen.leads])):
            bench = Bench(work.resolve(), leads, chosen.positions, chosen.memory_limit, chosen.share, chosen.threads)
            by_size[leads] = bench.run(chosen.only or list(MEASURES), chosen.runs, _say)
            facts["load_after"] = [round(load, 1) for load in os.getloadavg()]
            # After each size, so that a larger one that fails takes nothing along.
            _keep(chosen.out / "bench.json", json.dumps(record(by_size, facts), indent=2) + "\n")
    except (CommandFailed, WrongMarts) as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        if not chosen.work:
            shutil.rmtree(work, ignore_errors=True)
    text = _told(by_size, [facts], chosen)
    _keep(chosen.out / "bench.md", text)
    print(f"\n{text}")
    return judge(by_size[SMOKE_LEADS], facts, chosen.record) if chosen.smoke else 0


def _told(by_size: dict[int, Results], machines: list[dict[str, Any]], chosen: argparse.Namespace) -> str:
    """Give the tables of the results, of one size or as a curve, and draw the curve."""
    if len(by_size) > 1:
        text = curve_markdown(by_size)
        chosen.out.mkdir(parents=True, exist_ok=True)
        plot(by_size, chosen.plot or chosen.out / "curve.svg")
    else:
        ((leads, results),) = by_size.items()
        text = markdown(leads, results)
    return f"{text}\n{machines_told(machines)}\n"


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _keep(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
