"""Google's own analyzer and reference implementation of the language that BigQuery speaks (ZetaSQL), in this process.

It knows types, functions and names as BigQuery does, and runs small queries. It allows some of what BigQuery does not (it is told to
know every feature), and nothing of BigQuery's engine is in it: limits, correlated subqueries that no join can replace, costs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from compiled_for import Node
from zetasql.api import CatalogBuilder, PreparedQuery, TableBuilder
from zetasql.core import ZetaSQLError
from zetasql.types import AnalyzerOptions, LanguageOptions, TypeKind, ZetaSQLBuiltinFunctionOptions

TYPES = {
    "varchar": TypeKind.TYPE_STRING,
    "boolean": TypeKind.TYPE_BOOL,
    "date": TypeKind.TYPE_DATE,
    "integer": TypeKind.TYPE_INT64,
    "bigint": TypeKind.TYPE_INT64,
    "timestamp": TypeKind.TYPE_TIMESTAMP,
    "decimal": TypeKind.TYPE_NUMERIC,
    "double": TypeKind.TYPE_DOUBLE,
}


class GoogleSql:
    """A catalog that grows with every model that is read."""

    def __init__(self) -> None:
        features = LanguageOptions.maximum_features()
        self._options = AnalyzerOptions(language_options=features, default_timezone="UTC")
        self._functions = ZetaSQLBuiltinFunctionOptions(language_options=features)
        self._tables: dict[str, Any] = {}
        self._add("information_schema.columns", {"table_name": TYPES["varchar"], "column_name": TYPES["varchar"]})

    def add(self, node: Node) -> None:
        """Make the columns of a seed or source known."""
        self._add(
            f"{node.schema}.{node.name}", {name: TYPES[kind.split("(")[0]] for name, kind in node.columns.items()}
        )

    def problems(self, node: Node) -> list[str]:
        """What is wrong with one text; a model is made known."""
        try:
            with self._prepared(node.sql) as query:
                if node.kind == "model":
                    self._add(f"{node.schema}.{node.name}", {column.name: column.type for column in query.columns})
        except ZetaSQLError as error:
            return [f"GoogleSQL: {error}"]
        return []

    def rows(self, sql: str) -> list[list[Any]]:
        """The rows of a query that reads no table, each value as a message of ZetaSQL."""
        with self._prepared(sql) as query:
            data = query.execute().content.table_data
            return [list(row.cell) for row in data.row] if data else []

    def _add(self, name: str, columns: Mapping[str, Any]) -> None:
        table = TableBuilder(name)
        for column, kind in columns.items():
            table.add_column(column, kind)
        self._tables[name] = table.build()

    def _prepared(self, sql: str) -> PreparedQuery:
        sql = _plain(sql)
        catalog = CatalogBuilder("company")
        for name, table in self._tables.items():
            if name in sql:
                catalog.add_table(table)
        return (
            PreparedQuery.builder()
            .set_sql(sql)
            .set_analyzer_options(self._options)
            .set_catalog(catalog.with_builtin_functions(self._functions).build())
            .prepare()
        )


def _plain(sql: str) -> str:
    # BigQuery has more names for INT64 than its language, and its catalog is one of three levels.
    sql = re.sub(r"\b(bigint|integer)\b", "int64", sql)
    sql = re.sub(r"`company`\.`\w+`\.INFORMATION_SCHEMA\.COLUMNS", "`information_schema.columns`", sql)
    return re.sub(r"`company`\.`(\w+)`\.`(\w+)`", r"`\1.\2`", sql)
