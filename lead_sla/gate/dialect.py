"""DuckDB for SQLAlchemy, as Great Expectations uses it: every statement stands for itself."""

from __future__ import annotations

from typing import Any

from duckdb_engine import Dialect


class AutocommitDialect(Dialect):
    """The dialect of duckdb-engine without transactions, under the name `duckdb+autocommit`.

    Great Expectations reads the rows of a result after it has left the connection. duckdb-engine rolls back there, which
    ends the result too. Nothing is lost without transactions: a check only reads.
    """

    supports_statement_cache = False

    def do_begin(self, dbapi_connection: Any) -> None:
        """Begin nothing."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll nothing back."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit nothing."""
