"""Every model, test and analysis, as dbt renders it for a warehouse in the cloud, is SQL that the warehouse's language knows.

No warehouse is asked. Two parsers read each text: sqlglot also looks every column up, and sqlfluff knows the reserved words. For
BigQuery Google's own analyzer (ZetaSQL) reads it as well, with all types and functions.
"""

from __future__ import annotations

import re
from functools import lru_cache

import pytest
from compiled_for import PROJECT, SETTINGS, Node, compiled
from google_sql import GoogleSql
from sqlfluff.core import Linter
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

ENGINES = ["snowflake", "bigquery", "databricks"]
# sqlglot takes a function that it does not know for one of the user's own: these exist (in Databricks; `hash` in Snowflake).
KNOWN_FUNCTIONS = {"get", "hash", "timestamp_micros", "xxhash64"}
# A table of Databricks with one column `id`, which sqlglot does not know.
RANGE = re.compile(r"\brange\(\d+, \d+ \+ 1\)")


class Dialect:
    """What is wrong with the SQL of an engine, as sentences; the columns of what was read remain known to what is read later."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.schema = MappingSchema(dialect=engine)
        self.linter = Linter(dialect=engine)
        self.google = GoogleSql() if engine == "bigquery" else None

    def add(self, node: Node) -> None:
        """Make the columns of a seed, source or model known."""
        names = {_quoted(self.engine, name): kind for name, kind in node.columns.items()}
        self.schema.add_table(exp.table_(node.name, node.schema, "company"), names, dialect=self.engine)

    def problems(self, node: Node) -> list[str]:
        """What is wrong with one text; a model is made known."""
        found = [*self._of_glot(node), *self._of_fluff(node)]
        if self.google is not None:
            found += self.google.problems(node)
        return [f"{node.kind} {node.name}: {problem}" for problem in found]

    def _of_glot(self, node: Node) -> list[str]:
        try:
            tree = parse_one(RANGE.sub("(select 1 as id)", node.sql), read=self.engine)
            unknown = {function.name.lower() for function in tree.find_all(exp.Anonymous)} - KNOWN_FUNCTIONS
            if unknown:
                return [f"nobody knows the functions {unknown}"]
            # What the engine itself has is none of the project's.
            if "information_schema" in node.sql.lower():
                return []
            tree = qualify(tree, schema=self.schema, dialect=self.engine)
        except (SqlglotError, AttributeError) as error:  # the latter where an argument is missing
            return [f"sqlglot: {error}"]
        if node.kind == "model":
            names = [exp.to_identifier(name, quoted=True).sql(self.engine) for name in tree.named_selects]
            columns = dict.fromkeys(names, "varchar")
            self.schema.add_table(exp.table_(node.name, node.schema, "company"), columns, dialect=self.engine)
        return []

    def _of_fluff(self, node: Node) -> list[str]:
        # It reads a thousand characters a second: the models, and not the tests and analyses.
        if node.kind not in ("model", "wrong"):
            return []
        return [f"sqlfluff: {violation.desc()}" for violation in self.linter.parse_string(node.sql).violations]


def _quoted(engine: str, name: str) -> str:
    return '"trigger"' if (engine, name) == ("snowflake", "trigger") else name


@lru_cache
def known(engine: str) -> Dialect:
    """A dialect that knows the seeds and sources of the project."""
    dialect = Dialect(engine)
    for node in compiled(engine):
        if node.kind in ("seed", "source"):
            dialect.add(node)
            if dialect.google is not None:
                dialect.google.add(node)
    return dialect


@pytest.mark.parametrize("engine", ENGINES)
def test_every_text_is_known_to_the_dialect(engine: str) -> None:
    dialect = known(engine)
    # Under other settings most texts are the same.
    nodes = {(node.name, node.sql): node for settings in SETTINGS for node in compiled(engine, settings) if node.sql}
    models = {path.stem for path in (PROJECT / "models").rglob("*.sql")}
    assert models == {node.name for node in nodes.values() if node.kind == "model"}
    assert [problem for node in nodes.values() for problem in dialect.problems(node)] == []


# What each language does not know, though another does: the check can fail.
WRONG = {
    "a column that is not there": (ENGINES, "select no_such_column from {policy}"),
    "a table that is not there": (ENGINES, "select rule_id from {policy}_of_nobody"),
    "a function that nobody has": (ENGINES, "select no_such_function(rule_id) from {policy}"),
    "half a sentence": (ENGINES, "select rule_id from {policy} where"),
    "a reserved word": (["snowflake"], "select trigger from {policy}"),
    "an interpolating aggregate": (
        ["bigquery"],
        "select percentile_cont(0.5) within group (order by warn_fraction) from {policy}",
    ),
    "a union that does not say which": (
        ["bigquery"],
        "select rule_id from {policy} union select rule_id from {policy}",
    ),
    "the sign for a remainder": (["bigquery"], "select required_touches % 7 from {policy}"),
    "a date beside a timestamp": (["bigquery"], "select valid_from < timestamp '2026-01-01' from {policy}"),
    "a type of another engine": (["bigquery"], "select cast(rule_id as varchar) from {policy}"),
}


@pytest.mark.parametrize(
    ("engine", "sql"),
    [pytest.param(engine, sql, id=f"{engine}: {what}") for what, (engines, sql) in WRONG.items() for engine in engines],
)
def test_what_the_dialect_does_not_know_is_found(engine: str, sql: str) -> None:
    quote = "" if engine == "snowflake" else "`"
    table = ".".join(f"{quote}{part}{quote}" for part in ("company", "policy", "sales_sla_rules"))
    wrong = sql.replace("{policy}_of_nobody", table.replace("rules", "rules_of_nobody")).format(policy=table)
    assert known(engine).problems(Node("wrong", "wrong", "tests", wrong, {})) != []


@pytest.mark.parametrize("engine", ENGINES)
def test_right_sql_passes(engine: str) -> None:
    quote = "" if engine == "snowflake" else "`"
    table = ".".join(f"{quote}{part}{quote}" for part in ("company", "policy", "sales_sla_rules"))
    right = Node("test", "right", "tests", f"select rule_id, count(*) as versions from {table} group by rule_id", {})
    assert known(engine).problems(right) == []
