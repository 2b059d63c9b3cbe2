"""Runs `lead-sla nightly` with a fault at a stage of one's choice. Not a test: test_night.py and test_night_faults.py start it.

    python faulty_night.py '{"fault": "kill", "stage": "Build", "when": "begin"}' [options of nightly]

`when` is the `begin` of the stage, or a number of seconds after it. The faults:

    kill       SIGKILL to the run itself
    stop       SIGTERM to the run itself
    disk       from now on no file grows beyond a few kilobytes
    corrupt    the newest landed file of raw activities loses its second half
    clock      the clock jumps by `days`
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from lead_sla import cli, history, night, publish

# The diary of the run still fits, and nothing else does.
_SMALL = 48 * 1024


def _shift_clock(days: float) -> None:
    jump = timedelta(days=days)

    class Jumped(publish.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return super().now(tz) + jump

    publish.datetime = night.datetime = Jumped
    true_now = history._now
    history._now = lambda: true_now() + jump
    night._utc_now = history._now


def _corrupt() -> None:
    newest = max(Path(os.environ["LEAD_SLA_RAW"], "activities").rglob("*.parquet"))
    os.truncate(newest, newest.stat().st_size // 2)


def _act(fault: dict[str, Any]) -> None:
    actions: dict[str, Callable[[], None]] = {
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "stop": lambda: os.kill(os.getpid(), signal.SIGTERM),
        "disk": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALL, _SMALL)),
        "corrupt": _corrupt,
        "clock": lambda: _shift_clock(fault["days"]),
    }
    actions[fault["fault"]]()


def main() -> None:
    fault = json.loads(sys.argv[1])
    begin = history.Diary.stage

    def stage(diary: history.Diary, name: str) -> None:
        begin(diary, name)
        if name == fault["stage"]:
            if fault["when"] == "begin":
                _act(fault)
            else:
                threading.Timer(fault["when"], _act, [fault]).start()

    history.Diary.stage = stage  # type: ignore[method-assign]
    sys.argv[:] = ["lead-sla", "nightly", *sys.argv[2:]]
    cli.main()


if __name__ == "__main__":
    main()
