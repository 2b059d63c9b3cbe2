"""Runs dbt in a process of its own, and tells the parent in one JSON line an event what happens.

A process of its own, because DuckDB keeps a file to itself for as long as the process that opened it lives, and because
nothing that dbt prints or breaks may disturb the terminal. Not for people: `lead_sla.dbt_build` starts it.

Argument: a JSON list of dbt command lines, of which the first is `parse`: the others share what it read. The first command
that fails ends the run.

Events:
    {"event": "step", "command": [...]}                     a command begins
    {"event": "total", "nodes": 131}                        so many nodes will run
    {"event": "start", "name": "dim_leads"}                 a node begins
    {"event": "node", "name": ..., "type": ..., "status": ..., "message": ..., "failures": ..., "tags": [...], "schema": ...,
     "started_at": ..., "seconds": ...}                     what came of a node: started_at is UTC, null where it was skipped
    {"event": "said", "text": ...}                          what a macro printed
    {"event": "warning", "text": ...}                       what dbt itself warns of
    {"event": "exception", "text": ...}                     why a command could not run
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

from lead_sla.orphan import die_with_parent

# Silent on the terminal, whole in the log file: whoever mends a failed night reads that. A selection that finds nothing, which
# the project makes an error of, is told by the parent, which knows what should have been found.
_OPTIONS = ("--log-level", "none", "--log-level-file", "debug", "--warn-error-options", '{"error": []}')

# Warnings that repeat what the results of the nodes tell.
_TOLD_BY_RESULTS = {
    "LogTestResult",
    "LogNodeResult",
    "RunResultWarning",
    "RunResultWarningMessage",
    "EndOfRunSummary",
    "NothingToDo",
}


def main(commands: list[list[str]], out: TextIO) -> int:
    """Run dbt commands one after the other.

    Args:
        commands: dbt command lines, each without `dbt` itself; the first is `parse`.
        out: where the events go.

    Returns:
        0 if every command succeeded, else 1: the events say why.
    """
    from dbt.cli.main import dbtRunner  # slow to import: not before it is needed

    def tell(event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, **fields}, default=str), file=out, flush=True)

    def listen(event: Any) -> None:
        name, data = event.info.name, event.data
        if name == "ConcurrencyLine":
            tell("total", nodes=data.node_count)
        elif name == "NodeStart":
            tell("start", name=data.node_info.node_name)
        elif name == "NodeFinished":
            tell("finish", name=data.node_info.node_name)
        elif name in ("JinjaLogInfo", "JinjaLogWarning", "PrintEvent"):
            tell("said", text=event.info.msg)
        elif name in ("RunningOperationCaughtError", "RunningOperationUncaughtError"):
            tell("exception", text=data.exc)
        elif event.info.level == "warn" and name not in _TOLD_BY_RESULTS:
            tell("warning", text=event.info.msg)

    def run(command: list[str], manifest: Any) -> Any:
        tell("step", command=command)
        outcome = dbtRunner(manifest=manifest, callbacks=[listen]).invoke([*command, *_OPTIONS])
        if outcome.exception is not None:
            error = outcome.exception
            tell("exception", text=str(getattr(error, "msg", None) or error))
        return outcome

    parsed = run(commands[0], None)
    if not parsed.success:
        return 1
    for command in commands[1:]:
        outcome = run(command, parsed.result)
        for result in outcome.result or []:
            tell(
                "node",
                name=result.node.name,
                type=str(result.node.resource_type),
                status=str(result.status),
                message=result.message,
                failures=result.failures,
                tags=list(result.node.tags),
                schema=getattr(result.node, "schema", ""),
                started_at=result.timing[0].started_at.isoformat() if result.timing else None,
                seconds=result.execution_time,
            )
        if not outcome.success:
            return 1
    return 0


if __name__ == "__main__":
    # The events have the standard output to themselves: whatever else is printed goes to the standard error.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    die_with_parent()
    sys.exit(main(json.loads(sys.argv[1]), events))
