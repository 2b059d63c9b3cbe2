"""Where the seconds of a build go: dbt's start, its nodes, the statements that it sends, what its threads wait for.

    python benchmarks/build_profile.py --leads 20000                    on a sample company of this size
    python benchmarks/build_profile.py --warehouse FILE --raw FOLDER    on a warehouse that is there, and is built further

It runs dbt with its debug log as JSON, which makes it a little slower, and reads that log. docs/performance.md says how to read
the tables. They go to the terminal and to --out, as profile.md.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import NOTHING, PROJECT, Bench
from measure import CommandFailed
from tables import table

TESTS = {"test", "unit_test"}


@dataclass
class Node:
    """A model, test, seed... that dbt ran.

    Attributes:
        id: dbt's unique id, which begins with its type.
        seconds: from dbt's taking it up to dbt's laying it down, by the clock.
        compile_seconds: of these, until its SQL was written.
        sql_seconds: of these, while the engine had a statement of it.
        statements: how many.
    """

    id: str
    seconds: float
    compile_seconds: float
    sql_seconds: float = 0.0
    statements: int = 0

    @property
    def type(self) -> str:
        """Give `model`, `test`, `unit_test`, `seed`..."""
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        """Give the id without type and project, and without the number that dbt gives a generic test."""
        name = self.id.split(".", 2)[2]
        return name.rpartition(".")[0] or name if self.type == "test" else name

    @property
    def overhead(self) -> float:
        """Give the seconds in which dbt did something else than waiting for the engine."""
        return self.seconds - self.sql_seconds


@dataclass
class Statements:
    """All statements of one kind: how many, and the seconds that dbt waited for them."""

    count: int = 0
    seconds: float = 0.0


@dataclass
class Profile:
    """Where the seconds of one dbt command went.

    Attributes:
        phases: seconds by the clock of each part of the command, in order; they add up to the whole.
        nodes: what ran, in the order in which it ended.
        hooks: seconds of each hook at the start and the end of the run.
        statements: by what sent them (`model`, `test`, `dbt itself`...) and their first two words.
        threads: how many nodes dbt runs at once.
        cpu_seconds: the processor time of dbt's process, as it tells itself.
        engine_seconds: by the clock, how long the engine had any statement of a node at all.
        path: the nodes of the longest chain, each waiting for the one before it, first to last.
    """

    phases: dict[str, float]
    nodes: list[Node]
    hooks: dict[str, float]
    statements: dict[tuple[str, str], Statements]
    threads: int
    cpu_seconds: float
    engine_seconds: float
    path: list[Node] = field(default_factory=list)


def read_log(file: Path) -> list[dict[str, Any]]:
    """Read the events of dbt's log in JSON, in order."""
    with file.open() as lines:
        return [json.loads(line) for line in lines]


def profile(
    events: Sequence[Mapping[str, Any]], edges: Mapping[str, Sequence[str]], started: datetime, ended: datetime
) -> Profile:
    """Work out where the seconds of a command went.

    Args:
        events: of `read_log`, all of one command.
        edges: what waits for each node, by the ids of dbt's graph.
        started: when the process began.
        ended: when it was over.

    Raises:
        ValueError: the log holds no node that ran.
    """
    moments: defaultdict[str, list[datetime]] = defaultdict(list)
    nodes: dict[str, Node] = {}
    hooks: dict[str, float] = {}
    statements: defaultdict[tuple[str, str], Statements] = defaultdict(Statements)
    sent: dict[str, tuple[datetime, str, str]] = {}
    busy: list[tuple[datetime, datetime]] = []
    of_connection: defaultdict[str, Statements] = defaultdict(Statements)
    threads, cpu_seconds = 1, 0.0
    for event in events:
        info, data = event["info"], event["data"]
        name, at = info["name"], datetime.fromisoformat(info["ts"])
        moments[name].append(at)
        match name:
            case "SQLQuery":
                sent[info["thread"]] = (at, data["conn_name"], data["sql"])
            case "SQLQueryStatus" if info["thread"] in sent:
                began, connection, sql = sent.pop(info["thread"])
                sender = connection.partition(".")[0] if connection.count(".") > 1 else "dbt itself"
                for found in (statements[sender, _kind(sql)], of_connection[connection]):
                    found.count += 1
                    found.seconds += data["elapsed"]
                if sender != "dbt itself":
                    busy.append((began, at))
            # One that was skipped, after another failed, never began.
            case "NodeFinished" if data["node_info"]["node_started_at"] and data["node_info"]["node_finished_at"]:
                node = _node(data)
                nodes[node.id] = node
            case "LogHookEndLine":
                hooks[data["statement"]] = data["execution_time"]
            case "ConcurrencyLine":
                threads = data["num_threads"]
            case "ResourceReport":
                cpu_seconds = data["process_user_time"] + data["process_kernel_time"]
    if not nodes:
        raise ValueError("dbt's log tells of no node that ran")
    for node in nodes.values():
        node.sql_seconds, node.statements = of_connection[node.id].seconds, of_connection[node.id].count
    marks = {
        "Python starts and imports dbt": min(at for times in moments.values() for at in times),
        "dbt reads the project": moments["FoundStats"][0],
        "schemas, hooks before the run": moments["NodeStart"][0],
        "nodes": moments["NodeFinished"][-1],
        "hooks after the run, artifacts": max(at for times in moments.values() for at in times),
        "the process ends": ended,
    }
    phases, before = {}, started
    for phase, until in marks.items():
        phases[phase], before = (until - before).total_seconds(), until
    return Profile(
        phases=phases,
        nodes=list(nodes.values()),
        hooks=hooks,
        statements=dict(statements),
        threads=threads,
        cpu_seconds=cpu_seconds,
        engine_seconds=_covered(busy),
        path=longest_chain(nodes, edges),
    )


def _node(data: Mapping[str, Any]) -> Node:
    info, result = data["node_info"], data["run_result"]
    times = {timing["name"]: timing for timing in result["timing_info"]}
    began, over = (datetime.fromisoformat(info[name]) for name in ("node_started_at", "node_finished_at"))
    compiled = 0.0
    if (compiling := times.get("compile")) and compiling.get("completed_at"):
        compiled = _seconds(compiling["started_at"], compiling["completed_at"])
    return Node(info["unique_id"], (over - began).total_seconds(), compiled)


def _seconds(began: str, over: str) -> float:
    return (datetime.fromisoformat(over) - datetime.fromisoformat(began)).total_seconds()


def _kind(sql: str) -> str:
    """Give the first two words of a statement, which tell what it is, without `or replace`."""
    bare = re.sub(r"/\*.*?\*/|--[^\n]*|\bor replace\b", "", sql, flags=re.DOTALL)
    return " ".join(re.findall(r"[a-z_]+", bare.lower())[:2])


def _covered(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """Give the seconds that are in any of the spans, those in several counted once."""
    total, until = 0.0, None
    for began, over in sorted(spans):
        if until is None or began > until:
            total += (over - began).total_seconds()
        elif over > until:
            total += (over - until).total_seconds()
        until = over if until is None else max(until, over)
    return total


def longest_chain(nodes: Mapping[str, Node], edges: Mapping[str, Sequence[str]]) -> list[Node]:
    """Give the chain of nodes, each waiting for the one before it, whose seconds sum up to the most.

    However many threads there are, a run cannot take less.

    Args:
        nodes: what ran, by id.
        edges: what waits for each node; ids that did not run pass the waiting on. The graph has no cycle.
    """
    rest: dict[str, tuple[float, list[Node]]] = {}
    # Each id is worked out after all that wait for it: without recursion, for graphs of any depth.
    pending = list(edges.keys() | nodes.keys())
    while pending:
        id = pending[-1]
        missing = [next_id for next_id in edges.get(id, ()) if next_id not in rest]
        if missing:
            pending += missing
            continue
        pending.pop()
        seconds, chain = max(
            (rest[next_id] for next_id in edges.get(id, ())), key=lambda found: found[0], default=(0, [])
        )
        own = [nodes[id]] if id in nodes else []
        rest[id] = (seconds + sum(node.seconds for node in own), own + chain)
    return max(rest.values(), key=lambda found: found[0], default=(0, []))[1]


def read_edges(target: Path, with_tests: bool) -> dict[str, list[str]]:
    """Read the graph that dbt left in its target folder: what waits for each node, by id.

    Args:
        target: dbt's target folder.
        with_tests: as in `dbt build`, where what follows a model waits for its tests, too.
    """
    summary = json.loads((target / "graph_summary.json").read_text())
    graph = (with_tests and summary.get("with_test_edges")) or summary["linked"]
    return {node["name"]: [graph[str(number)]["name"] for number in node.get("succ", ())] for node in graph.values()}


# --- tables -----------------------------------------------------------------------------------------------------------


def tell(title: str, found: Profile, top: int) -> str:
    """Give a profile as Markdown.

    Args:
        title: what was profiled.
        found: the profile.
        top: how many of the dearest nodes, and of the statements, are named.
    """
    whole = sum(found.phases.values())
    span, used = found.phases["nodes"], sum(node.seconds for node in found.nodes)
    sql = sum(node.sql_seconds for node in found.nodes)
    path = sum(node.seconds for node in found.path)
    lines = [f"## {title}: {whole:.1f} s, processor {found.cpu_seconds:.1f} s", ""]
    lines += table(
        "| phase | s | share |",
        ([phase, f"{seconds:.2f}", f"{seconds / whole:.0%}"] for phase, seconds in found.phases.items()),
    )
    lines += [
        "",
        *table("| nodes | number | s | of it compiling | of it SQL | dbt's own, ms a node |", _by_type(found.nodes)),
    ]
    lines += [
        "",
        f"- {found.threads} threads have {found.threads * span:.1f} s while nodes run ({span:.1f} s by the clock), and use"
        f" {used:.1f} s of them ({used / (found.threads * span):.0%}); the rest is waiting for other nodes.",
        f"- The longest chain of {len(found.path)} nodes takes {path:.1f} s ({path / span:.0%} of that time): no number of"
        f" threads makes the nodes faster. It is {' > '.join(_short(node) for node in found.path)}.",
        f"- The engine has a statement for {found.engine_seconds:.1f} s by the clock; for {span - found.engine_seconds:.1f} s"
        " of the nodes' time it has nothing to do.",
        f"- Beside SQL, a node costs {(used - sql) / len(found.nodes) * 1000:.0f} ms on average, all of them"
        f" {used - sql:.1f} s; threads that wait for each other's Python are in it.",
        f"- Hooks: {', '.join(f'{name} {seconds:.2f} s' for name, seconds in found.hooks.items()) or 'none'}.",
        "",
    ]
    lines += table("| statements of | kind | number | s |", _by_kind(found.statements, top), texts=2)
    for kind, types in (("models", {"model"}), ("tests", TESTS)):
        chosen = sorted((node for node in found.nodes if node.type in types), key=lambda node: -node.seconds)
        if chosen:
            share = sum(node.seconds for node in chosen[:top]) / sum(node.seconds for node in chosen)
            lines += [
                "",
                f"The dearest {kind}, {share:.0%} of the seconds of all {len(chosen)}:",
                "",
                *_dearest(chosen[:top]),
            ]
    return "\n".join(lines) + "\n"


def _by_type(nodes: Sequence[Node]) -> list[list[str]]:
    groups = {"all": list(nodes)}
    for type, _ in Counter(node.type for node in nodes).most_common():
        groups[type] = [node for node in nodes if node.type == type]
    return [
        [
            name,
            str(len(group)),
            *(
                f"{sum(getattr(node, part) for node in group):.2f}"
                for part in ("seconds", "compile_seconds", "sql_seconds")
            ),
            f"{sum(node.overhead for node in group) / len(group) * 1000:.0f}",
        ]
        for name, group in groups.items()
    ]


def _by_kind(statements: Mapping[tuple[str, str], Statements], top: int) -> list[list[str]]:
    ordered = sorted(statements.items(), key=lambda item: -item[1].seconds)
    rows = [[sender, kind, str(found.count), f"{found.seconds:.2f}"] for (sender, kind), found in ordered[:top]]
    if rest := [found for _, found in ordered[top:]]:
        rows.append(["others", "", str(sum(f.count for f in rest)), f"{sum(f.seconds for f in rest):.2f}"])
    return rows


def _dearest(nodes: Sequence[Node]) -> list[str]:
    return table(
        "| name | s | of it compiling | of it SQL | statements |",
        (
            [
                node.name,
                *(f"{s:.2f}" for s in (node.seconds, node.compile_seconds, node.sql_seconds)),
                str(node.statements),
            ]
            for node in nodes
        ),
    )


def _short(node: Node) -> str:
    return f"{node.name} ({node.seconds:.2f})"


# --- the program ------------------------------------------------------------------------------------------------------


class Profiler:
    """Runs dbt in the folder of a benchmark, and tells where its seconds went.

    Args:
        bench: whose project, raw folder and warehouse are used.
        top: how many of the dearest nodes are named.
    """

    def __init__(self, bench: Bench, top: int) -> None:
        self.bench, self.top = bench, top
        self.failures: list[str] = []
        self.logs, self.target = bench.folder / "profile_logs", Path(bench.environment["DBT_TARGET_PATH"])

    def command(self, title: str, *arguments: str) -> str:
        """Run a dbt command, and give its profile as Markdown. A test that fails is in `failures`, and costs what it costs.

        Raises:
            CommandFailed: it failed before any node ran.
        """
        print(f"  {title}", file=sys.stderr, flush=True)
        shutil.rmtree(self.logs, ignore_errors=True)
        log = ("--log-path", str(self.logs), "--log-level-file", "debug", "--log-format-file", "json")
        started, failed = datetime.now(UTC), None
        try:
            self.bench.dbt(*log, "--log-file-max-bytes", "0", *arguments)
        except CommandFailed as error:
            failed = error
            self.failures.append(str(error))
        ended = datetime.now(UTC)
        edges = read_edges(self.target, with_tests=arguments[0] == "build")
        try:
            return tell(title, profile(read_log(self.logs / "dbt.log"), edges, started, ended), self.top)
        except ValueError as error:
            raise failed or CommandFailed(f"{title}: {error}") from error

    def start(self) -> str:
        """Give what dbt's start costs, as Markdown."""
        print("  dbt's start", file=sys.stderr, flush=True)
        costs = {
            "Python and its imports of dbt": self.bench.python("-c", "import dbt.cli.main, dbt.adapters.duckdb"),
            "`dbt parse` from nothing": self.bench.dbt("parse", "--no-partial-parse"),
            "`dbt parse` of a project read before": self.bench.dbt("parse"),
            "`dbt run` with nothing selected": self.bench.dbt(*NOTHING),
        }
        rows = ([what, f"{cost.wall_seconds:.2f}", f"{cost.cpu_seconds:.2f}"] for what, cost in costs.items())
        return "\n".join(["## Starting dbt", "", *table("| | s | processor, s |", rows)]) + "\n"


def main() -> int:
    """Profile what the command line asks for; 2 is a dbt command that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=20_000, help="size of the sample company (default: 20,000)")
    parser.add_argument("--warehouse", type=Path, help="a warehouse that is there, instead of a sample's")
    parser.add_argument("--raw", type=Path, help="with --warehouse: its raw folder")
    parser.add_argument("--top", type=int, default=10, help="how many of the dearest are named (default: 10)")
    parser.add_argument("--memory-limit", help="DuckDB's limit, such as 8GB")
    parser.add_argument("--work", type=Path, help="folder to work in, which is kept (default: a temporary one)")
    parser.add_argument("--out", type=Path, default=PROJECT / "target/bench", help="folder of profile.md")
    chosen = parser.parse_args()
    if (chosen.warehouse is None) != (chosen.raw is None):
        parser.error("--warehouse and --raw go together")
    work = chosen.work or Path(tempfile.mkdtemp(prefix="lead_sla_profile_"))
    work.mkdir(parents=True, exist_ok=True)
    bench = Bench(work.resolve(), chosen.leads, memory_limit=chosen.memory_limit)
    profiler = Profiler(bench, chosen.top)
    told: list[str] = []
    try:
        if chosen.warehouse:
            bench.begin(sample=False)
            bench.environment |= {
                "LEAD_SLA_WAREHOUSE": str(chosen.warehouse.resolve()),
                "LEAD_SLA_RAW": str(chosen.raw.resolve()),
            }
            told.append(profiler.start())
            told.append(profiler.command("`dbt run`", "run"))
            told.append(profiler.command("`dbt build`", "build"))
        else:
            bench.begin()
            told.append(profiler.start())
            bench.dbt("seed")
            told.append(profiler.command("`dbt run` on a new warehouse", "run"))
            told.append(profiler.command("`dbt run` with nothing new", "run"))
            bench.land()
            told.append(profiler.command("`dbt run` after the next load", "run"))
            told.append(profiler.command("`dbt build`, every test", "build"))
    except CommandFailed as error:
        # What was told by then is worth reading.
        profiler.failures.append(str(error))
    finally:
        if not chosen.work:
            shutil.rmtree(work, ignore_errors=True)
    of_what = "an existing warehouse" if chosen.warehouse else f"{chosen.leads:,} leads"
    text = "\n".join([f"# Where the seconds go: {of_what}", "", *told])
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "profile.md").write_text(text)
    print(f"\n{text}")
    for failure in profiler.failures:
        print(failure, file=sys.stderr)
    return 2 if profiler.failures else 0


if __name__ == "__main__":
    sys.exit(main())
