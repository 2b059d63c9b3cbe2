"""Who got the report today: one small file a day and recipient, so that a repeated run tells nobody twice.

A report is sent at most once a day. The mark is written, and flushed to the disk, before a report is handed over, and
completed afterwards. A run that dies in between leaves a mark that says "handing over": nobody knows whether the report
arrived, so it is not sent again, but reported as unsure. Whatever is known not to have arrived leaves no mark, and the next
run tries again.

    <state>/reports/2026-06-18/<hash of the recipient>.json   {"state": "sent", "at": ..., "run": ...}
"""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

from lead_sla.errors import explain
from lead_sla.files import write_json

KEPT_DAYS = 60
HANDING_OVER = "handing over"
SENT = "sent"


class Ledger:
    """The marks of one day.

    Args:
        state: the folder of what runs remember of each other.
        day: the day of the report, in the reporting time zone.
    """

    def __init__(self, state: Path, day: date) -> None:
        self._all = state / "reports"
        self._day = self._all / day.isoformat()

    @property
    def lock(self) -> Path:
        """The file to lock while reports are sent."""
        return self._all / ".lock"

    def state(self, key: str) -> str | None:
        """Give the state of a recipient's report: `sent`, `handing over`, or None where it has not been sent today.

        A mark that cannot be read counts as `handing over`: something was about to happen.
        """
        try:
            return str(json.loads(self._path(key).read_text(encoding="utf-8"))["state"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return HANDING_OVER

    def mark(self, key: str, state: str, run: str) -> None:
        """Write a mark, whole or not at all, and flush it to the disk.

        Raises:
            LeadSlaError: it could not be written. Then nothing may be sent, or every run would send it again.
        """
        content = {"state": state, "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}", "run": run}
        try:
            write_json(self._path(key), content)
        except OSError as error:
            raise explain(error, "Writing down who got the report") from error

    def release(self, key: str) -> None:
        """Take a mark back: the report is known not to have arrived."""
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            raise explain(error, "Writing down who got the report") from error

    def prune(self) -> None:
        """Forget the days before the last sixty."""
        days = sorted(path for path in self._all.glob("????-??-??") if path.is_dir())
        for old in days[:-KEPT_DAYS]:
            shutil.rmtree(old, ignore_errors=True)

    def _path(self, key: str) -> Path:
        return self._day / f"{key}.json"


def key_of(kind: str, whom: str) -> str:
    """Give the name under which a recipient is remembered: a hash, so that the folder holds no addresses."""
    return hashlib.sha256(f"{kind}:{whom.casefold()}".encode()).hexdigest()[:32]
