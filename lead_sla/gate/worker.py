"""Runs Great Expectations in a process of its own: it is slow to import, and noisy when it ends.

Not for people: `lead_sla.gate` starts it, writes one JSON line with the job to its standard input when the scratch file is
ready, and reads one JSON line with what was found from its standard output.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from lead_sla.gate.contract import read_contract
from lead_sla.gate.suites import CHECKPOINTS, FOLDER, SCRATCH_VARIABLE
from lead_sla.gate.tables import make_columns, make_loads, make_rows, rows_of
from lead_sla.orphan import die_with_parent


def look(job: dict[str, Any]) -> dict[str, Any]:
    """Look at the landed tables.

    Args:
        job: `project`, `scratch`, `checked_at`, `files` (table -> paths), `heard` (table -> instant), `row_counts` (a path or
            null).

    Returns:
        `results` (suite -> one entry per expectation), `columns` and `loads` (the rows of these tables), `seconds` (of the SQL
        that makes the tables, and of Great Expectations). Without `loads` the columns do not fit the contract, and nothing
        else was looked at. `damage` says what DuckDB said where the landed files cannot be read.
    """
    project = Path(job["project"])
    contract = read_contract(project)
    found: dict[str, Any] = {"results": {}, "columns": [], "loads": [], "seconds": {}}
    checkpoints = list(CHECKPOINTS)
    checked_at = datetime.fromisoformat(job["checked_at"])
    heard = {table: datetime.fromisoformat(instant) for table, instant in job["heard"].items()}
    counted = Path(job["row_counts"]) if job["row_counts"] else None
    started = time.monotonic()
    try:
        with duckdb.connect(job["scratch"]) as connection:
            connection.execute("set enable_progress_bar = false")
            make_columns(connection, contract, job["files"])
            found["columns"] = rows_of(connection, "columns")
            if any(column["problem"] for column in found["columns"]):
                checkpoints = checkpoints[:1]
            else:
                make_rows(connection, contract, project / "seeds" / "policy", checked_at)
                make_loads(connection, contract, checked_at, heard, counted)
                found["loads"] = rows_of(connection, "loads")
    except duckdb.Error as error:
        return {**found, "damage": str(error)}
    made = time.monotonic()
    for checkpoint in checkpoints:
        found["results"].update(_run(project / FOLDER, job["scratch"], checkpoint))
    return {**found, "seconds": {"sql": made - started, "gx": time.monotonic() - made}}


def _run(folder: Path, scratch: str, checkpoint: str) -> dict[str, list[dict[str, Any]]]:
    """Run a checkpoint of the context in `folder`; give what came of each expectation, by suite."""
    import great_expectations

    os.environ[SCRATCH_VARIABLE] = scratch
    context = great_expectations.get_context(mode="file", context_root_dir=folder)
    outcome = context.checkpoints.get(checkpoint).run()
    return {result.suite_name: [_entry(entry) for entry in result.results] for result in outcome.run_results.values()}


def _entry(result: Any) -> dict[str, Any]:
    expectation, counted = result.expectation_config, result.result
    raised = result.exception_info or {}
    if "raised_exception" not in raised:  # one for each metric
        raised = next(iter(raised.values()), {})
    return {
        **expectation.meta,
        "column": expectation.kwargs["column"],
        "allowed": round(1 - expectation.kwargs.get("mostly", 1), 6),
        "expects": expectation.description,
        "severity": str(getattr(expectation.severity, "value", expectation.severity)),
        "success": bool(result.success),
        "exception": raised.get("exception_message") if raised.get("raised_exception") else None,
        # The share is one of the filled cells, but where it is the empty ones that are looked for.
        "rows": counted.get("element_count", 0) - (counted.get("missing_count") or 0),
        "unexpected": counted.get("unexpected_count", 0),
        "examples": counted.get("partial_unexpected_index_list") or [],
    }


def _prepare() -> None:
    """Import what is slow, and silence what would be told twice."""
    import logging

    # The committed context says so too; this holds against a setting of the machine.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations  # noqa: F401
    from sqlalchemy.dialects import registry

    registry.register("duckdb.autocommit", "lead_sla.gate.dialect", "AutocommitDialect")
    logging.disable(logging.WARNING)


if __name__ == "__main__":
    # The answer has the standard output to itself: whatever else is printed goes to the standard error.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    die_with_parent()
    _prepare()
    line = sys.stdin.readline()
    if line.strip():
        print(json.dumps(look(json.loads(line)), default=str), file=answer, flush=True)
    sys.stderr.flush()
    # Without the interpreter's farewell, in which DuckDB's bindings complain about SQLAlchemy's connections.
    os._exit(0)
