"""Prepares Superset and serves it on this machine: its own database, an admin, the assets of this folder.

    python bi/superset/start.py [--port 8088] [--prepare-only]

Run again, it updates everything: what is in assets/ overwrites what was imported before, by the UUIDs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import secrets
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
ASSETS = HERE / "assets"
ADMIN = "admin"
CONFIG = {"SUPERSET_CONFIG_PATH": str(HERE / "superset_config.py"), "FLASK_APP": "superset.app:create_app()"}


def main() -> int:
    """Prepare Superset, then become its server. Gives the exit status: 2 where nothing was published yet."""
    parser = argparse.ArgumentParser(description="Serve Superset with the dashboards of this folder on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8088, help="the port on 127.0.0.1 (default: %(default)s)")
    parser.add_argument("--prepare-only", action="store_true", help="import the assets, and serve nothing")
    arguments = parser.parse_args()

    os.umask(0o077)
    os.environ |= CONFIG
    logging.disable(logging.WARNING)  # Superset tells a great deal about itself
    sys.path.insert(0, str(HERE))
    import superset_config as config

    if not (config.PUBLISHED / "marts.duckdb").exists():
        print(f"Nothing was published in {config.PUBLISHED}. Run first: make build", file=sys.stderr)
        return 2
    prepare(config)
    if not arguments.prepare_only:
        print(
            f"Superset  http://127.0.0.1:{arguments.port}/dashboard/list/  (user {ADMIN}; Ctrl-C ends it)", flush=True
        )
        serve(arguments.port)
    return 0


def prepare(config: Any) -> None:
    """Bring Superset's own database to its version, see that there is an admin, and import the assets."""
    first = not (config.HOME / "superset.db").exists()
    if first:
        print(f"Setting up Superset in {config.HOME} (once, about a minute)", flush=True)
    from superset.app import create_app

    with contextlib.redirect_stdout(io.StringIO()):
        app = create_app()
    with app.app_context():
        from flask_migrate import upgrade
        from superset.extensions import appbuilder, db, security_manager
        from superset.utils.core import override_user

        with contextlib.redirect_stdout(io.StringIO()):
            upgrade()
            logging.disable(logging.WARNING)  # the migrations set up logging anew
            appbuilder.add_permissions(update_perms=True)
            security_manager.sync_role_definitions()
        admin = see_to_admin(security_manager)
        with override_user(admin):
            import_assets(db)
    print(f"Imported  {', '.join(f'{len(list(files(kind)))} {kind}' for kind in ('datasets', 'charts', 'dashboards'))}")


def see_to_admin(security_manager: Any) -> Any:
    """Give the admin; make it if need be, with the password of LEAD_SLA_SUPERSET_PASSWORD, or one that is shown once."""
    password = os.environ.get("LEAD_SLA_SUPERSET_PASSWORD", "")
    admin = security_manager.find_user(ADMIN)
    if admin is None:
        generated = "" if password else secrets.token_urlsafe(12)
        role = security_manager.find_role("Admin")
        admin = security_manager.add_user(ADMIN, "Lead", "SLA", "admin@localhost", role, password or generated)
        if generated:
            print(
                f"Admin     user {ADMIN}, password {generated}  (shown this once; LEAD_SLA_SUPERSET_PASSWORD sets another)"
            )
    elif password:
        security_manager.reset_password(admin.id, password)
    return admin


def files(kind: str) -> list[Path]:
    """List the files of a kind of asset (`databases`, `datasets`, `charts`, `dashboards`)."""
    return sorted((ASSETS / kind).rglob("*.yaml"))


def import_assets(db: Any) -> None:
    """Import all assets in one transaction, and take away charts and dashboards of earlier versions that are no more."""
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice

    contents = {str(path.relative_to(ASSETS)): path.read_text(encoding="utf-8") for path in files(".")}
    described = comments()
    for name, text in contents.items():
        if name.startswith("datasets/"):
            contents[name] = yaml.safe_dump(describe(yaml.safe_load(text), described), sort_keys=False)
    ImportAssetsCommand(contents).run()

    ours = {yaml.safe_load(text).get("uuid") for text in contents.values()}
    for model in (Dashboard, Slice):
        for asset in db.session.query(model).filter(model.is_managed_externally):
            if str(asset.uuid) not in ours:
                db.session.delete(asset)
    db.session.commit()


def comments() -> dict[tuple[str, str], str]:
    """Read what the published marts say about themselves: (mart, column or nothing) -> description."""
    from superset_config import CATALOG, open_published

    connection = open_published()
    columns = (
        "select table_name, column_name, comment from duckdb_columns() where database_name = $1 and comment is not null"
    )
    tables = "select table_name, '', comment from duckdb_tables() where database_name = $1 and comment is not null"
    try:
        rows = connection.execute(f"{columns} union all {tables}", [CATALOG]).fetchall()
    finally:
        connection.close()
    return {(table, column): comment for table, column, comment in rows}


def describe(dataset: dict[str, Any], described: dict[tuple[str, str], str]) -> dict[str, Any]:
    """Fill in the descriptions that the marts have, so that each stands in one place: the YAML of its mart.

    A dataset that is a query names the marts that its columns come from in `extra: {marts: [...]}`.
    """
    marts = (dataset.get("extra") or {}).get("marts", [dataset["table_name"]])
    dataset.setdefault("description", described.get((dataset["table_name"], "")))
    for column in dataset["columns"]:
        texts = (described[mart, name] for mart in marts if (mart, name := column["column_name"]) in described)
        column.setdefault("description", next(texts, None))
    return dataset


def serve(port: int) -> None:
    """Become the server: one process with threads, which share Superset's SQLite."""
    os.environ.pop("LEAD_SLA_SUPERSET_PASSWORD", None)
    options = f"--bind 127.0.0.1:{port} --workers 1 --threads 8 --timeout 120 --log-level warning".split()
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *options, CONFIG["FLASK_APP"]])


if __name__ == "__main__":
    sys.exit(main())
