"""Up to when a run may know the world: heartbeats of the loaders, and the `as_of` that follows from how fresh the tables are.

A loader that looked and found nothing new says so with a heartbeat, a marker file beside its Parquet files:

    <raw>/<table>/_heartbeat       for one table
    <raw>/_heartbeat               for all tables

It holds the instant at which the loader looked (`2026-11-21T03:00:00Z`; without a zone it is UTC). An empty file counts by its
time of change, so that `touch` is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lead_sla.errors import LeadSlaError
from lead_sla.gate import Load

HEARTBEAT = "_heartbeat"
# A loader's clock may run ahead of ours by as much as the gate allows its rows.
_AHEAD = timedelta(hours=1)


@dataclass(frozen=True)
class Heartbeats:
    """What the loaders said.

    Attributes:
        heard: per raw table, when its loader last said that it looked, UTC.
        problems: a sentence for each heartbeat that does not count.
    """

    heard: Mapping[str, datetime]
    problems: tuple[str, ...]


def listen(raw: Path, tables: Iterable[str], now: datetime) -> Heartbeats:
    """Read the heartbeats.

    Args:
        raw: the raw folder.
        tables: the names of the raw tables.
        now: the present, UTC, without a zone.
    """
    heard: dict[str, datetime] = {}
    problems: list[str] = []
    everywhere = _read(raw / HEARTBEAT, now, problems)
    for table in tables:
        of_table = _read(raw / table / HEARTBEAT, now, problems)
        if signs := [sign for sign in (everywhere, of_table) if sign]:
            heard[table] = max(signs)
    return Heartbeats(heard, tuple(problems))


def _read(path: Path, now: datetime, problems: list[str]) -> datetime | None:
    """Read one heartbeat; one that cannot be right is a problem, and no sign of life."""
    try:
        text = path.read_text(encoding="utf-8").strip()
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        said = datetime.fromisoformat(text) if text else changed
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        problems.append(
            f"the heartbeat {path} holds no instant such as 2026-11-21T03:00:00Z, and does not count. "
            "Write the instant at which the loader looked, or leave the file empty and touch it. Who mends it: loader"
        )
        return None
    said = said.astimezone(UTC).replace(tzinfo=None) if said.tzinfo else said
    if said > now + _AHEAD:
        problems.append(
            f"the heartbeat {path} claims {said:%Y-%m-%d %H:%M} UTC, which is yet to come, and does not count. "
            "See whether the loader's clock runs ahead. Who mends it: loader"
        )
        return None
    return min(said, now)


@dataclass(frozen=True)
class Freshness:
    """What follows from how fresh the raw tables are.

    Attributes:
        as_of: the instant up to which the run knows the world, UTC.
        late: the tables whose loader was not heard of for longer than the contract allows, with what was landed of each.
    """

    as_of: datetime
    late: Mapping[str, Load]

    @property
    def unknown(self) -> list[str]:
        """Say of each late table since when nothing is known: sentences without full stop, the oldest first."""
        signs = sorted((load.last_sign or datetime.min, table) for table, load in self.late.items())
        return [f"unknown: no data in {table} since {sign:%Y-%m-%d %H:%M} UTC" for sign, table in signs]


def check_clock(now: datetime, published_as_of: datetime | None) -> None:
    """See that the clock has not gone back.

    Args:
        now: the start of the run, UTC, without a zone.
        published_as_of: `as_of` of the published marts; None where there are none.

    Raises:
        LeadSlaError: the clock is behind the published marts.
    """
    if published_as_of and now < published_as_of:
        raise LeadSlaError(
            f"The machine's clock says {now:%Y-%m-%d %H:%M:%S} UTC, but the published marts are as of "
            f"{published_as_of:%Y-%m-%d %H:%M:%S} UTC: one of the two is wrong",
            todo="set the clock; if it was ahead when those marts were published, take them back first: lead-sla rollback",
        )


def judge(loads: Mapping[str, Load], now: datetime, published_as_of: datetime | None) -> Freshness:
    """Decide up to when this run may know the world.

    Its own start, where every raw table is fresh: a quiet hour must not hide a deadline that was missed in it. Else the newest
    load, for nobody knows what happened since. Never an instant before the one that readers know already: what they
    were told would be taken back.

    Args:
        loads: what was landed of each raw table, with its age at `now`.
        now: the start of the run, UTC, without a zone.
        published_as_of: `as_of` of the published marts, which is not after `now`; None where there are none.
    """
    late = {table: load for table, load in loads.items() if load.is_late}
    newest = max((load.newest_load for load in loads.values() if load.newest_load), default=now)
    as_of = min(newest, now) if late else now
    return Freshness(max(as_of, published_as_of or as_of), late)
