"""A worker ends when the command that started it does, however that ended: `kill -9` leaves no time to tell the worker."""

from __future__ import annotations

import os
import signal
import threading
import time

VARIABLE = "LEAD_SLA_PARENT_PID"
_SECONDS_BETWEEN_LOOKS = 0.2


def as_my_child() -> dict[str, str]:
    """Give the environment variable by which a worker knows whose child it is."""
    return {VARIABLE: str(os.getpid())}


def die_with_parent() -> None:
    """End this process as soon as the one that started it is gone; without one named in the environment, do nothing.

    At once, and without a farewell: an orphan that goes on writing would lock the warehouse against the next run. DuckDB's
    files survive that.
    """
    parent = os.environ.get(VARIABLE)
    if parent:
        threading.Thread(target=_watch, args=(int(parent),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGKILL)
