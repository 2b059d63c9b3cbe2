"""Runs of dbt one after the other in one session of Spark, and what they leave: a program for Spark's own environment.

    python spark_runs.py RUNS ANSWERS

RUNS is a JSON file, a list of runs of the project in this folder (tests/fixtures/kept_model): the `values` of all leads, the `batch`,
and further `arguments` of dbt. Written are, for each: `success`, `messages` of what failed, the `rows` of table kept.kept by lead,
each with its bucket, the table's `files` with their times of change by bucket, and `done`, the run that it has got to. At the end:
`changes`, the statements of table kept.changes, which Spark's own parser has taken.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner

from lead_sla.load_spark import open_session


def run(spark: Any, values: dict[str, int | None], batch: list[str], arguments: list[str]) -> dict[str, Any]:
    """Run dbt, and look at what it has left."""
    _give(spark, "leads", list(values.items()), "lead_id string, value bigint")
    _give(spark, "batch", [(lead,) for lead in batch], "lead_id string")
    outcome = dbtRunner().invoke(["--quiet", "run", "--target", "spark", "--threads", "1", *arguments])
    if outcome.exception:
        raise outcome.exception
    kept = spark.table("kept.kept")
    files = [Path(file.removeprefix("file://")) for file in kept.inputFiles()]
    done = spark.sql("select run_number from increments.done where model_name = 'kept'").collect()
    return {
        "success": outcome.success,
        "messages": [node.message for node in outcome.result if str(node.status) == "error"],
        "rows": {row.lead_id: [row.value, row.lead_bucket] for row in kept.collect()},
        "files": {file.parent.name: [file.name, file.stat().st_mtime_ns] for file in files},
        "done": [row.run_number for row in done],
    }


def _give(spark: Any, name: str, rows: list[tuple], columns: str) -> None:
    spark.createDataFrame(rows, columns).coalesce(1).write.mode("overwrite").saveAsTable(f"given.{name}")


def main(runs: str, answers: str) -> None:
    """Carry every run of a file out."""
    spark = open_session(Path.cwd())
    # A load's own setting: the tables of a build have to say by themselves that they are replaced in parts.
    spark.conf.set("spark.sql.sources.partitionOverwriteMode", "static")
    spark.sql("create schema if not exists given")
    found: dict[str, Any] = {"runs": [run(spark, **each) for each in json.loads(Path(runs).read_text())]}
    found["changes"] = [row.change for row in spark.table("kept.changes").orderBy("step").collect()]
    for change in found["changes"]:
        spark._jsparkSession.sessionState().sqlParser().parsePlan(change)
    Path(answers).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
