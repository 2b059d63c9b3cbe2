"""How Spark would carry out queries, and what two executors made of some: a program for Spark's own environment.

    python spark_plans.py explain QUESTIONS ANSWERS
    python spark_plans.py distribute QUESTIONS ANSWERS

QUESTIONS is a JSON file, a mapping of names to queries. `explain` writes for each the windows and the single partitions of its
physical plan; `distribute` makes each a table of schema `distributed`, and writes how many files came of it, how many rows
differ from table `schema.name` that the name tells, and how many tasks each executor did.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lead_sla.load_spark import open_session

# What adds up rows that were added up in parts before may do the last step in one place.
ADDING_UP = ("HashAggregate", "SortAggregate", "ObjectHashAggregate")


def explain(spark: Any, query: str) -> dict[str, Any]:
    """Find what keeps a query from being spread out.

    Returns:
        `windows`: of each its columns of partition and the tables below it. `single`: what reads all rows in one partition.
    """
    plan = spark.sql(query)._jdf.queryExecution().executedPlan()
    windows, single = [], []
    for node in _nodes(plan):
        if node.nodeName().startswith("Window"):
            columns = [column.toString().split("#")[0] for column in _each(node.partitionSpec())]
            windows.append({"by": columns, "over": sorted(set(_tables(node)))})
        elif not node.nodeName().startswith(ADDING_UP):
            single += [node.nodeName() for child in _each(node.children()) if _is_gathered(child)]
    return {"windows": windows, "single": single}


def distribute(spark: Any, name: str, query: str) -> dict[str, Any]:
    """Carry a query out, and compare what came of it with the table that was made of it before."""
    table = f"distributed.{name.split('.')[1]}"
    # What would be large is shuffled, as it would be; what is small even here (the policy) goes to every executor.
    spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "10000")
    spark.sql("create schema if not exists distributed")
    spark.sql(f"drop table if exists {table}")
    spark.sql(f"create table {table} using parquet as {query}")
    columns = ", ".join(spark.table(table).columns)  # a kept table has one more, by which it is laid out
    differing = [
        spark.sql(
            f"select count(*) from (select {columns} from {one} except all select {columns} from {other}) as rows"
        ).first()[0]
        for one, other in ((table, name), (name, table))
    ]
    return {
        "files": len(spark.table(table).inputFiles()),
        "rows": spark.table(table).count(),
        "differing": sum(differing),
    }


def tasks_by_executor(spark: Any) -> dict[str, int]:
    """How many tasks each executor did; the driver is none."""
    executors = _each(spark.sparkContext._jsc.sc().statusStore().executorList(False))
    return {found.id(): found.completedTasks() for found in executors if found.id() != "driver"}


def _nodes(plan: Any) -> Iterator[Any]:
    if plan.nodeName() == "AdaptiveSparkPlan":
        plan = plan.initialPlan()
    yield plan
    for group in (plan.children(), plan.subqueries()):
        for child in _each(group):
            yield from _nodes(child)


def _tables(plan: Any) -> Iterator[str]:
    for node in _nodes(plan):
        if node.nodeName().startswith("Scan "):
            yield node.nodeName().split()[-1]


def _is_gathered(node: Any) -> bool:
    return node.nodeName() == "Exchange" and node.outputPartitioning().toString().startswith("SinglePartition")


def _each(sequence: Any) -> list[Any]:
    return [sequence.apply(number) for number in range(sequence.size())]


def main(what: str, questions: str, answers: str) -> None:
    """Answer every question of a file."""
    spark = open_session(Path.cwd())
    # What dbt runs in; and small data stays in as many parts as large data would be.
    spark.conf.set("spark.sql.ansi.enabled", "false")
    spark.conf.set("spark.sql.adaptive.coalescePartitions.enabled", "false")
    found: dict[str, Any] = {}
    for name, query in json.loads(Path(questions).read_text()).items():
        found[name] = explain(spark, query) if what == "explain" else distribute(spark, name, query)
    if what == "distribute":
        found["executors"] = tasks_by_executor(spark)
    Path(answers).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
