"""The short summary that ends a build: what a manager would ask first, read from the published marts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from math import floor
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lead_sla.settings import PACKAGE, display

TOP_REPS = 5
RECENT_DAYS = 28
UNASSIGNED = "unassigned"
_PACES = {"on_pace": "green", "behind": "red", "ahead": "yellow", "no_target": "dim"}

Row = dict[str, Any]


@dataclass(frozen=True)
class Summary:
    """The figures of the summary, each list in the order in which it is shown.

    Attributes:
        as_of: the instant that the marts are true of, UTC.
        as_of_date: its day in the reporting time zone.
        loads: the newest load of each raw table, UTC; None where it has no row.
        marketing: a row per persona, and `all`: month to date, ideal line, target, pace.
        sales: a row per rule: met and due of the month and of the last 28 days, open violations, at risk.
        violations: a row per rep with open violations, and `unassigned`, the most first.
    """

    as_of: datetime
    as_of_date: date
    loads: Mapping[str, datetime | None]
    marketing: Sequence[Row]
    sales: Sequence[Row]
    violations: Sequence[Row]

    def heard(self, heartbeats: Mapping[str, str]) -> Summary:
        """Give the same summary where these loaders said later than their newest row that there was nothing new."""
        said = {table: datetime.fromisoformat(instant) for table, instant in heartbeats.items()}
        signs = {table: max(filter(None, (load, said.get(table))), default=None) for table, load in self.loads.items()}
        return replace(self, loads=signs)

    def late(self, limits: Mapping[str, timedelta]) -> dict[str, datetime]:
        """Give the raw tables whose newest load lies further before `as_of` than their limit, with that load."""
        return {
            table: load
            for table, load in self.loads.items()
            if load and table in limits and self.as_of - load > limits[table]
        }

    def worst_reps(self) -> list[Row]:
        """Give the five reps with most open violations, and `unassigned` wherever it stands."""
        reps = [row for row in self.violations if row["responsible_rep_id"] != UNASSIGNED]
        nobody = [row for row in self.violations if row["responsible_rep_id"] == UNASSIGNED]
        return reps[:TOP_REPS] + nobody


def read(database: Path) -> Summary:
    """Read the figures from schema `marts` of a DuckDB file, which is opened for reading alone."""
    with duckdb.connect(str(database), read_only=True) as connection:
        (run,) = _rows(connection, "run")
        day = {"as_of_date": run["as_of_date"]}
        return Summary(
            as_of=run.pop("as_of"),
            as_of_date=run.pop("as_of_date"),
            loads=run,
            marketing=_rows(connection, "marketing", day),
            sales=_rows(connection, "sales", day),
            violations=_rows(connection, "violations"),
        )


def _rows(connection: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
    query = (PACKAGE / "sql" / f"summary_{name}.sql").read_text(encoding="utf-8")
    cursor = connection.execute(query, dict(parameters or {}))
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def show(console: Console, summary: Summary, limits: Mapping[str, timedelta], now: datetime | None = None) -> None:
    """Print the summary.

    Args:
        console: where to.
        summary: the figures.
        limits: how old the newest load of a raw table may be before it counts as late.
        now: the present, UTC, without a zone; default: the machine's clock.
    """
    now = now or datetime.now(UTC).replace(tzinfo=None)
    console.print()
    console.print(_headline(summary, limits, now))
    for title, hint, body in (
        (
            f"Marketing SLA, {summary.as_of_date:%B %Y} to date",
            "against the ideal line at this day",
            _marketing(summary),
        ),
        ("Sales SLA, attainment by day due", "met of those due", _sales(summary)),
        ("Do Not Be On It", _violations_hint(summary), _violations(summary, limits)),
        ("Newest loads", "", _loads(summary, limits)),
    ):
        console.print()
        console.print(Text.assemble((title, "bold"), (f"   {hint}" if hint else "", "dim")))
        console.print(Padding(body, (0, 0, 0, 2), expand=False))


def show_where(console: Console, database: Path, parquet: Path | None) -> None:
    """Print where the marts lie, and how to query them.

    Args:
        console: where to.
        database: a DuckDB file with schema `marts`.
        parquet: the folder with a Parquet file a mart, if there is one.
    """
    shown, query = display(database), '"from marts.do_not_be_on_it"'
    lines = [
        ("DuckDB", f"{shown}, schema marts"),
        *([("Parquet", f"{display(parquet)}/<mart>.parquet")] if parquet else []),
        ("shell", f"duckdb -readonly {shown} {query}"),
        ("Python", f'duckdb.connect("{shown}", read_only=True).sql({query})'),
    ]
    console.print()
    console.print(Text("The marts", style="bold"))
    for name, text in lines:
        # Not folded by us: these lines are there to be copied.
        console.print(Text.assemble((f"  {name:<9}", "dim"), text), soft_wrap=True)


def _headline(summary: Summary, limits: Mapping[str, timedelta], now: datetime) -> Text:
    line = Text.assemble(("As of ", "bold"), (f"{summary.as_of:%A %-d %B %Y, %H:%M} UTC", "bold"))
    if limits and now - summary.as_of > min(limits.values()):
        line.append(f"\n{_age(now - summary.as_of)} ago: what happened since is unknown", style="yellow")
    return line


def _marketing(summary: Summary) -> RenderableType:
    if not summary.marketing:
        return Text("no targets and no qualified leads yet", style="dim")
    table = _table("persona", "leads>", "ideal>", "target>", "credited>", "ideal>", "target>", "pace")
    for row in summary.marketing:
        table.add_row(
            row["persona"],
            _number(row["mtd_leads"]),
            _number(row["ideal_mtd_leads"]),
            _number(row["target_leads"]),
            _dollars(row["mtd_value_usd"]),
            _dollars(row["ideal_mtd_value_usd"]),
            _dollars(row["target_value_usd"]),
            Text(row["pace"].replace("_", " "), style=_PACES.get(row["pace"], "")),
            style="bold" if row["persona"] == "all" else "",
        )
    return table


def _sales(summary: Summary) -> RenderableType:
    if not summary.sales:
        return Text("no obligation has been opened yet", style="dim")
    month, recent = f"{summary.as_of_date:%B}>", f"last {RECENT_DAYS} days>"
    table = _table("rule", month, "met/due>", recent, "met/due>", "at risk>", "open>")
    for row in summary.sales:
        table.add_row(
            row["rule_id"],
            *_attainment(row["month_met"], row["month_due"]),
            *_attainment(row["recent_met"], row["recent_due"]),
            _number(row["at_risk"]),
            _number(row["violating"]),
        )
    return table


def _attainment(met: int | None, due: int | None) -> tuple[RenderableType, RenderableType]:
    if not due:
        return Text("none due", style="dim"), ""
    return Text(f"{per_cent((met or 0) / due):.1f} %"), Text(f"{met:,}/{due:,}", style="dim")


def per_cent(share: float, digits: int = 1) -> float:
    """Give a share of 1 in per cent, rounded down as the tests of promises do: 89.97 % is not the promised 90."""
    tick = 10.0**digits
    return floor(100 * share * tick + 1e-6) / tick


def _violations_hint(summary: Summary) -> str:
    total = sum(row["open_violations"] for row in summary.violations)
    return f"{total:,} open violation{'' if total == 1 else 's'}" if total else ""


def _violations(summary: Summary, limits: Mapping[str, timedelta]) -> RenderableType:
    late = summary.late(limits)
    parts: list[RenderableType] = []
    if summary.violations:
        table = _table("rep", "team", "open>", "leads>", "oldest>")
        for row in summary.worst_reps():
            table.add_row(
                row["rep_name"],
                row["team"] or "",
                _number(row["open_violations"]),
                _number(row["leads"]),
                f"{row['oldest_days']:,.1f} days",
                style="yellow" if row["responsible_rep_id"] == UNASSIGNED else "",
            )
        if not any(row["responsible_rep_id"] == UNASSIGNED for row in summary.violations):
            table.add_row(UNASSIGNED, "", "0", "", "", style="dim")
        parts.append(table)
    elif not late:
        parts.append(Text("nobody is on it", style="green"))
    for table_name, load in late.items():
        parts.append(Text(f"unknown: no data in {table_name} since {load:%Y-%m-%d %H:%M} UTC", style="yellow"))
    return Group(*parts)


def _loads(summary: Summary, limits: Mapping[str, timedelta]) -> RenderableType:
    late = summary.late(limits)
    tables_by_load: dict[datetime | None, list[str]] = {}
    for table, load in summary.loads.items():
        tables_by_load.setdefault(load, []).append(table)
    grid = _table("", "")
    grid.show_header = False
    for load, tables in sorted(tables_by_load.items(), key=lambda item: item[0] or datetime.min, reverse=True):
        grid.add_row(
            f"{load:%Y-%m-%d %H:%M} UTC" if load else "no row",
            Text(", ".join(tables), style="yellow" if late.keys() & set(tables) else "dim"),
        )
    return grid


def _table(*columns: str) -> Table:
    """Make a table without lines; a column whose name ends in > is a number's, and stands to the right."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for column in columns:
        table.add_column(column.removesuffix(">"), justify="right" if column.endswith(">") else "left", no_wrap=True)
    return table


def _number(value: Any) -> RenderableType:
    return Text("–", style="dim") if value is None else f"{value:,.0f}"


def _dollars(value: Any) -> RenderableType:
    return Text("–", style="dim") if value is None else f"${value:,.0f}"


def _age(age: timedelta) -> str:
    return f"{age.days} days" if age.days > 1 else f"{age.total_seconds() / 3600:.0f} hours"
