"""One build at a time: a lock file that vanishes with its process."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from lead_sla.errors import Busy


@contextmanager
def only_one(path: Path, what: str) -> Iterator[None]:
    """Hold the lock at `path` while the block runs.

    The operating system gives the lock back when its process ends, however it ends: no lock is ever stale, and the
    file may stay. It says who holds it, and since when.

    Args:
        path: the lock file; its folder is made if need be.
        what: what is being done under it, such as "A build".

    Raises:
        Busy: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = re.sub(r"\s+", " ", file.read()).strip() or "an unknown process"
            raise Busy(
                f"{what} is running already ({holder})", where=str(path), todo="wait until it ends, then run this again"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
