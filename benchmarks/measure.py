"""What a command costs as a whole process, children included: wall time, processor time, peak memory, bytes read and written.

On Linux memory is the proportional set size (shared pages are split among those that share them) of all its processes at once,
sampled; elsewhere, or where it ended before the first look, the resident set of the largest one.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.1
# A look is followed by a pause of so many times its own length.
SHARE_OF_LOOKS = 50
# What a failed command said last.
SHOWN = 3000


@dataclass(frozen=True)
class Cost:
    """What one run of a command cost.

    Attributes:
        wall_seconds: from start to end; grows when others use the machine.
        cpu_seconds: user and system time of all its processes and threads; hardly grows then.
        peak_mb: most memory in use at once, in MB (1,000,000 bytes).
        read_mb: what all its processes asked the system to read, in MB, from the cache or not; None where there is no /proc.
        written_mb: what they asked it to write, likewise.
        output: what it wrote to the standard output.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float
    read_mb: float | None
    written_mb: float | None
    output: str


class CommandFailed(Exception):
    """A measured command failed, so that there is nothing to compare; the message ends with what it said."""


def measure(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Cost:
    """Run a command to its end in a folder, and measure it.

    Raises:
        CommandFailed: its exit status is not 0.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    watch = _Watch(process.pid)
    errors: list[str] = []
    listener = threading.Thread(target=lambda: errors.append(process.stderr.read()))
    listener.start()
    output = process.stdout.read()
    listener.join()
    moved = _moved_by(process.pid)
    # Not Popen.wait: this one tells the processor time of the process and of the children that it waited for.
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    process.stderr.close()
    if process.returncode:
        said = f"{output}{errors[0]}"[-SHOWN:]
        raise CommandFailed(f"{' '.join(command)} ended with exit status {process.returncode}:\n{said}")
    # Only where nothing better is known: on Linux it counts this process, too, as the one that the command was forked from.
    largest = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Cost(
        wall_seconds=wall,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_mb=(watch.stop() or largest) / 1e6,
        read_mb=moved.get("rchar"),
        written_mb=moved.get("wchar"),
        output=output,
    )


class _Watch:
    """Looks at the memory of a process and its descendants again and again, until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._pid, self._peak, self._ended = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """End the watch, and return the most bytes seen (0 where the system does not tell)."""
        self._ended.set()
        self._thread.join()
        return self._peak

    def _look(self) -> None:
        pause = SECONDS_BETWEEN_LOOKS
        while not self._ended.wait(pause):
            began = time.monotonic()
            self._peak = max(self._peak, sum(_bytes_of(pid) for pid in _family(self._pid)))
            # The system counts page by page: of a process with gigabytes that takes a while, which the measured one must not feel.
            pause = max(SECONDS_BETWEEN_LOOKS, SHARE_OF_LOOKS * (time.monotonic() - began))


def _family(pid: int) -> list[int]:
    """Give a process and its descendants; those that ended meanwhile are left out, and all where there is no /proc."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # "123 (its name) S 1 ...": the parent is the second word after the name, which may hold spaces.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    family = [pid]
    for member in family:
        family += children.get(member, [])
    return family


def _bytes_of(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    except (OSError, StopIteration):
        return 0


def _moved_by(pid: int) -> dict[str, float]:
    """Wait for a child to end, and give the counters of its /proc/PID/io in MB; empty where the system has none.

    `rchar` and `wchar` are what read and write calls asked for, those of the children that it waited for included.
    """
    counters = Path(f"/proc/{pid}/io")
    if not counters.exists():
        return {}
    # Ended, but not yet forgotten by the system.
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        lines = counters.read_text().splitlines()
    except OSError:
        return {}
    return {name: int(count) / 1e6 for name, count in (line.split(": ") for line in lines)}


def cpu_seconds_of_this_process() -> float:
    """Give the user and system time that this process has used so far, all threads together."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
