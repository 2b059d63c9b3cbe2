"""The configuration of Superset: on this machine alone, asking nobody outside, reading what was published and nothing else.

Superset reads it by the environment variable SUPERSET_CONFIG_PATH, which start.py sets.
"""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path
from typing import Any

import duckdb
from duckdb_engine import ConnectionWrapper
from sqlalchemy.engine.url import URL
from sqlalchemy.pool import NullPool

PROJECT = Path(__file__).resolve().parents[2]
PUBLISHED = PROJECT / os.environ.get("LEAD_SLA_PUBLISHED", "data/published")
# Superset's own things: users, saved charts, its secret key. Nobody else may read them.
HOME = PROJECT / os.environ.get("LEAD_SLA_SUPERSET_HOME", "data/superset")
HOME.mkdir(mode=0o700, parents=True, exist_ok=True)


def _secret_key(path: Path) -> str:
    """Read the key that signs the sessions; make it on the first start."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii")
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key := secrets.token_urlsafe(48))
    return key


SECRET_KEY = _secret_key(HOME / "secret_key")
DATA_DIR = str(HOME)
SQLALCHEMY_DATABASE_URI = f"sqlite:///{HOME / 'superset.db'}"
# SQLite lets one write at a time: the others wait.
SQLALCHEMY_ENGINE_OPTIONS = {"connect_args": {"timeout": 30}}

# The marts

# What databases/lead_sla.yaml names: an empty DuckDB in memory, to which each connection attaches the marts.
PUBLISHED_URI = "duckdb:///:memory:lead_sla"
# A name that stays, although each run has a file of its own: datasets and SQL that people save name it.
CATALOG = "lead_sla"


def open_published() -> ConnectionWrapper:
    """Open the newest published marts, read-only.

    The link is followed here, once a connection, and each query has a connection of its own: it sees one version from its beginning
    to its end, and the next one the version that is published by then. The file is attached to a DuckDB in memory, and not opened by
    its path, for two reasons: the name of the database stays (inside the file it is that of the run, and what people save in SQL
    Lab would be broken by the next night), and connections with different settings do not meet in one database, which DuckDB refuses.

    Raises:
        FileNotFoundError: nothing was published yet.
    """
    marts = str((PUBLISHED / "marts.duckdb").resolve(strict=True)).replace("'", "''")
    connection = duckdb.connect(config={"custom_user_agent": "superset"})
    connection.execute(f"attach '{marts}' as {CATALOG} (read_only)")
    connection.execute(f"use {CATALOG}.marts")
    # SQL Lab lets people write SQL: it reads the marts, and no other file and no network.
    connection.execute("set autoinstall_known_extensions = false")
    connection.execute("set autoload_known_extensions = false")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return ConnectionWrapper(connection)


def DB_CONNECTION_MUTATOR(uri: URL, params: dict[str, Any], *_: Any) -> tuple[URL, dict[str, Any]]:
    """Connect to the marts by `open_published`, anew for each query; leave other databases alone."""
    if str(uri) == PUBLISHED_URI:
        return uri, {"creator": open_published, "poolclass": NullPool}
    return uri, params


# DuckDB answers within milliseconds, and a cache would show what was true before the last run.
CACHE_CONFIG = DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}

# Nobody outside is asked: the browser refuses whatever a page wants from elsewhere, Superset's own count of installations
# included. Superset itself sends nothing.
THEME_FONT_URL_ALLOWED_DOMAINS: list[str] = []
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'", "data:"],
        "script-src": ["'self'", "'strict-dynamic'"],
        "frame-ancestors": ["'none'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}
SLACK_ENABLE_AVATARS = False
# Reached by http://127.0.0.1 alone: cookies go nowhere else.
SESSION_COOKIE_SAMESITE = "Strict"

LOG_LEVEL = logging.WARNING
APP_NAME = "Lead SLA"
# No number of the marts depends on the clock of the machine; charts that look back count from `as_of`.
DEFAULT_TIME_FILTER = "No filter"
