"""A Postgres server of the tests' own: on a socket in a temporary folder, with a superuser `admin`, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

# Of every role: it must not be understood as anything but a password.
PASSWORD = "p$$-w0rd of the 'publisher'"


def find_server() -> Path | None:
    """The folder of `initdb` and `postgres`; they stand side by side, and seldom in the PATH."""
    candidates = [Path(found).resolve() for found in [shutil.which("postgres")] if found]
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)
    return next((path.parent for path in candidates if (path.parent / "initdb").exists()), None)


def somebody_else() -> dict[str, Any]:
    """Whom to run the server as: it refuses to be root."""
    if os.geteuid():
        return {}
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = users.get("postgres") or users.get("nobody")
    if user is None:
        pytest.skip("Postgres does not run as root, and there is nobody else to run it as")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextmanager
def running_server() -> Iterator[Path]:
    """Give the folder of the socket of a Postgres server; skip the test where there are no binaries of one."""
    binaries = find_server()
    if binaries is None:
        pytest.skip("there is no Postgres server on this machine (Debian: apt-get install postgresql)")
    somebody = somebody_else()
    # Not pytest's folder, which nobody else may enter; and short, as the path of a socket has to be.
    home = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    try:
        if somebody:
            os.chown(home, somebody["user"], somebody["group"])
        password, data, log = home / "password", home / "data", home / "log"
        password.write_text(PASSWORD, encoding="utf-8")
        password.chmod(0o644)
        make = f"initdb -D {data} -U admin -A scram-sha-256 --pwfile {password} -E UTF8 --locale=C --no-sync".split()
        subprocess.run([binaries / make[0], *make[1:]], check=True, capture_output=True, cwd="/", **somebody)
        options = {"listen_addresses": "", "unix_socket_directories": home, "fsync": "off", "max_connections": 20}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [binaries / "postgres", "-D", data, *settings], stdout=output, stderr=output, cwd="/", **somebody
            )
        try:
            wait_until(lambda: can_connect(home), log)
            yield home
        finally:
            process.send_signal(signal.SIGINT)  # a fast shutdown
            process.wait(timeout=20)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def wait_until(is_so: Callable[[], Any], log: Path | None = None) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8") if log else "waited for 20 seconds"
        time.sleep(0.02)


def can_connect(home: Path) -> bool:
    try:
        connect(home, "postgres", "admin").close()
    except psycopg2.OperationalError:
        return False
    return True


def connect(home: Path, database: str, user: str) -> Any:
    """A connection that commits each statement."""
    connection = psycopg2.connect(host=str(home), dbname=database, user=user, password=PASSWORD)
    connection.autocommit = True
    return connection
