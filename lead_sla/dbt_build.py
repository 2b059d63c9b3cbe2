"""Runs the dbt build in a child process, and reads what came of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lead_sla.errors import BuildFailed, LeadSlaError, RefusedInput, translate
from lead_sla.files import make_folder, write_json
from lead_sla.orphan import as_my_child
from lead_sla.settings import Settings, display

THRESHOLD = "sla_threshold"
POLICY = "policy"
# A breached promise is news for the readers: it runs last, and alone, so that it neither skips a mart nor withholds one.
# A build makes nothing of saved queries and exposures.
_BUILD = ("build", "--exclude-resource-types", "unit_test saved_query exposure", "--exclude", f"tag:{THRESHOLD}")
_THRESHOLDS = ("test", "--select", f"tag:{THRESHOLD}")
_STEPS = {
    "parse": "reading the project",
    "build": "checking the raw tables",
    "retry": "going on where it broke off",
    "test": "measuring the promises",
}
# What is built, what is tested and what withholds the marts is not for a setting to decide that was meant for plain dbt.
_NOT_HEARD = {
    "DBT_EMPTY",
    "DBT_EXCLUDE_RESOURCE_TYPES",
    "DBT_INDIRECT_SELECTION",
    "DBT_RESOURCE_TYPES",
    "DBT_SAMPLE",
    "DBT_WARN_ERROR",
    "DBT_WARN_ERROR_OPTIONS",
}
# What is skipped was kept from running by something that failed, which is told.
_HARMLESS = ("success", "pass", "warn", "skipped", "no-op")
_SHOWN = 12

# What the macro explain_failures prints: `[policy] error one_row_per_rule: sales_sla_rules (rule_id x): ...`
_INCREMENT = "[increment] "
_SAID = re.compile(r"\[\w+\] (?:error|warning) (?P<test>\S+): (?P<sentence>.+)", flags=re.DOTALL)

_RUN_RESULTS = "run_results.json"

Report = Callable[[str], None]


@dataclass(frozen=True)
class Node:
    """What came of one node of dbt's graph: a seed, a model, a test or a hook."""

    name: str
    type: str
    status: str
    message: str
    failures: int
    tags: tuple[str, ...]
    schema: str
    started_at: str | None = None
    seconds: float = 0.0

    @property
    def is_threshold(self) -> bool:
        """Does it test a promised attainment?"""
        return THRESHOLD in self.tags

    @property
    def is_well(self) -> bool:
        """Did it run, and need not run again?"""
        return self.status in _HARMLESS and self.status != "skipped"

    @property
    def withholds(self) -> bool:
        """Does it withhold the marts from their readers?

        Everything that failed does, but for a promise that was measured and found broken.
        """
        return self.status not in _HARMLESS and not (self.is_threshold and self.status == "fail")

    def sentence(self) -> str:
        """Say what happened, where the test itself printed no sentence."""
        return _sentence(f"{self.name}: {self.message or self.status}")


@dataclass
class Outcome:
    """What a run of dbt found.

    Attributes:
        nodes: everything that ran.
        said: what macros printed: the sentences of failed and warning tests.
        warnings: what dbt itself warned of.
    """

    nodes: list[Node] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def followed_by(self, later: Outcome) -> Outcome:
        """Put the outcome of a retry behind this one: what ran again counts as it came out the second time."""
        again = {node.name for node in later.nodes}
        return Outcome(
            nodes=[*(node for node in self.nodes if node.name not in again), *later.nodes],
            said=[
                *(text for text in self.said if (match := _SAID.match(text)) and match["test"] not in again),
                *later.said,
            ],
            warnings=list(dict.fromkeys([*self.warnings, *later.warnings])),
        )

    def count(self, type_: str, *statuses: str) -> int:
        """Count the nodes of a type, of these statuses if given."""
        return sum(node.type == type_ and (not statuses or node.status in statuses) for node in self.nodes)

    def marts(self, schema: str = "marts") -> list[str]:
        """List the models that were built in the marts."""
        return sorted(node.name for node in self.nodes if node.type == "model" and node.schema == schema)

    def broken_promises(self) -> list[str]:
        """Give a sentence or more for every promised attainment that was not kept."""
        return self._sentences(node for node in self.nodes if node.is_threshold and node.status in ("warn", "fail"))

    def findings(self) -> list[str]:
        """Give a sentence or more for everything else that warns: the data first, then dbt itself."""
        warning = (node for node in self.nodes if not node.is_threshold and node.status == "warn")
        return [*self._sentences(warning), *self.warnings]

    def failures(self) -> list[str]:
        """Give a sentence or more for everything that withholds the marts."""
        return self._sentences(node for node in self.nodes if node.withholds)

    def _sentences(self, nodes: Iterable[Node]) -> list[str]:
        """Take what the tests printed themselves, and what dbt said of the other nodes."""
        own: dict[str, list[str]] = {}
        for text in self.said:
            if match := _SAID.match(text):
                own.setdefault(match["test"], []).append(_sentence(match["sentence"]))
        return [sentence for node in nodes for sentence in own.get(node.name) or [node.sentence()]]


@dataclass(frozen=True)
class Breakpoint:
    """How far a build came that failed, kept in a folder of its own for `lead-sla nightly --resume`.

    dbt's own results are copied there: the next dbt command that somebody types would overwrite them.
    """

    folder: Path

    def outcome(self) -> Outcome | None:
        """Give what came of the build that broke off; None where there is none to go on with."""
        try:
            known = json.loads((self.folder / "outcome.json").read_text(encoding="utf-8"))
            nodes = [Node(**{**node, "tags": tuple(node["tags"])}) for node in known["nodes"]]
            return Outcome(nodes, known["said"], known["warnings"]) if (self.folder / _RUN_RESULTS).exists() else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def note(self, outcome: Outcome, settings: Settings) -> None:
        """Keep an outcome with a node that withholds the marts; forget what was kept before."""
        self.forget()
        broke_off = any(node.withholds and not node.is_threshold for node in outcome.nodes)
        results = Path(os.environ.get("DBT_TARGET_PATH", settings.project / "target")) / _RUN_RESULTS
        # A disk that is full takes no note: the next run then begins at the beginning.
        with suppress(OSError):
            if broke_off:
                make_folder(self.folder)
                shutil.copyfile(results, self.folder / _RUN_RESULTS)
                write_json(self.folder / "outcome.json", asdict(outcome))

    def forget(self) -> None:
        """Forget it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def build(
    settings: Settings,
    variables: Mapping[str, Any],
    doing: Report,
    *,
    say: Report = lambda sentence: None,
    resume: Breakpoint | None = None,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Build and test everything but the unit tests, then measure the promises.

    Args:
        settings: the paths.
        variables: dbt variables of this run.
        doing: told in a few words what happens now.
        say: told in a sentence, before it is done, how much is rebuilt and why.
        resume: the build that broke off, which this one goes on with.
        told: told what came of every node, also where the build then fails.

    Raises:
        RefusedInput: the raw data or the policy is wrong.
        LeadSlaError: something failed that withholds the marts, or nothing was selected.
    """
    before = resume.outcome() if resume else None
    outcome = _run(settings, variables, doing, say, resume.folder if resume and before else None)
    if before:
        outcome = before.followed_by(outcome)
    told(outcome)
    failed = [node for node in outcome.nodes if node.withholds]
    if failed:
        raise _failure(outcome, failed)
    if not outcome.marts():
        raise LeadSlaError(
            "dbt selected no mart at all",
            where=str(settings.project / "models" / "marts"),
            todo="check that the models are there and enabled",
        )
    if not any(node.is_threshold for node in outcome.nodes):
        raise LeadSlaError(
            f"dbt selected no test of a promised attainment (tag:{THRESHOLD})",
            where=str(settings.project / "tests" / "sla"),
            todo="check that the tests are there, enabled and tagged",
        )
    return outcome


def _run(settings: Settings, variables: Mapping[str, Any], doing: Report, say: Report, retry: Path | None) -> Outcome:
    flags = ["--vars", json.dumps(dict(variables))]
    # No model's place in the graph depends on the clock: parsed without it, the project is read anew only when it has changed.
    parse = ["parse", "--vars", json.dumps({name: value for name, value in variables.items() if name != "as_of"})]
    # A retry takes its selection and its variables from the run that it goes on with.
    build_ = ["retry", "--state", str(retry)] if retry else [*_BUILD, *flags]
    commands = [parse, build_, [*_THRESHOLDS, *flags]]
    environment = {
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        **{name: value for name, value in os.environ.items() if name not in _NOT_HEARD},
        "LEAD_SLA_RAW": str(settings.raw),
        "LEAD_SLA_WAREHOUSE": str(settings.warehouse),
        **as_my_child(),
    }
    settings.warehouse.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stray,
        subprocess.Popen(
            [sys.executable, "-m", "lead_sla.dbt_worker", json.dumps(commands)],
            cwd=settings.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stray,
            encoding="utf-8",
        ) as worker,
    ):
        assert worker.stdout is not None
        try:
            outcome, exceptions = _listen(worker.stdout, doing, say)
            status = worker.wait()
        except BaseException:
            worker.terminate()
            raise
        stray.seek(0)
        last_words = stray.read().strip()
    log = display(log_file(settings))
    if exceptions:
        raise _exception(exceptions[0], log)
    if status and not any(node.status not in _HARMLESS for node in outcome.nodes):
        raise translate(last_words) or LeadSlaError(
            f"dbt stopped with status {status}",
            where=log,
            details=last_words.splitlines()[-1:],
            todo="read the end of that log; if nothing is there, the system may have run out of memory",
        )
    return outcome


def log_file(settings: Settings) -> Path:
    """Give the file in which dbt tells its whole story."""
    return Path(os.environ.get("DBT_LOG_PATH", settings.project / "logs")) / "dbt.log"


def _listen(events: Any, doing: Report, say: Report) -> tuple[Outcome, list[str]]:
    """Follow the events of the worker to their end; also give why commands could not run."""
    outcome, exceptions = Outcome(), []
    done = total = 0
    running: dict[str, None] = {}
    for line in events:
        event = json.loads(line)
        match event.pop("event"):
            case "step":
                doing(_STEPS[event["command"][0]])
                done = total = 0
            case "total":
                total = event["nodes"]
            case "start":
                running[event["name"]] = None
                doing(f"{done} of {total} · {event['name']}")
            case "finish":
                running.pop(event["name"], None)
                done += 1
                doing(f"{done} of {total} · {next(reversed(running), event['name'])}")
            case "said":
                text = event["text"].strip()
                if text.startswith(_INCREMENT):
                    say(text.removeprefix(_INCREMENT))
                else:
                    outcome.said.append(text)
            case "warning":
                outcome.warnings.append(" ".join(event["text"].split()))
            case "exception":
                exceptions.append(event["text"])
            case "node":
                event["message"] = event["message"] or ""
                event["failures"] = event["failures"] or 0
                outcome.nodes.append(Node(**{**event, "tags": tuple(event["tags"])}))
    return outcome, exceptions


def _exception(text: str, log: str) -> LeadSlaError:
    """Give the message for a dbt command that could not run."""
    if text.lstrip().startswith("[raw]"):
        return RefusedInput(_sentence(text), todo="mend the raw data or the setting, then run this again")
    return translate(text) or LeadSlaError(
        "dbt could not run",
        details=[line.strip() for line in text.strip().splitlines() if line.strip()][:_SHOWN],
        todo=f"mend the project; the whole story stands in {log}",
    )


def _failure(outcome: Outcome, failed: list[Node]) -> LeadSlaError:
    """Give the message for nodes that withhold the marts."""
    for node in failed:
        if node.status != "fail" and (known := translate(node.message)):
            return known
    details = outcome.failures()
    shown = details[:_SHOWN] + ([f"and {len(details) - _SHOWN} more"] if len(details) > _SHOWN else [])
    if any(POLICY in node.tags and node.status == "fail" for node in failed):
        return RefusedInput(
            "The policy is wrong: nothing was published",
            details=shown,
            todo="mend the rows named above in seeds/policy/, then run this again",
        )
    what = {1: f"{failed[0].name} failed"}.get(len(failed), f"{len(failed)} checks and models failed")
    return BuildFailed(f"{what}: nothing was published", details=shown, todo="mend the data or the model named above")


def _sentence(text: str) -> str:
    """Put a text on one line, without its full stop and the mark of a refusal: `[raw] x is missing.` -> `x is missing`."""
    return " ".join(text.split()).removeprefix("[raw] ").rstrip(".")
