"""What the pages show, read from the published marts: the report's figures, and the dashboard's own queries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from lead_sla import raw, summary
from lead_sla.dashboard.agreement import read_agreement
from lead_sla.publish import PublishedRun
from lead_sla.report import words
from lead_sla.report.figures import Load, Marts
from lead_sla.settings import PACKAGE, Settings
from lead_sla.summary import Row

_SQL = PACKAGE / "dashboard" / "sql"


class Board(Marts):
    """A published run, open for reading, with what the pages need beyond the report.

    Args:
        run: the published run.
        settings: the paths; of the project's files the contract of the raw tables and the agreement are read.
        now: the present, UTC without a zone: data is late in its eyes.
        crm_lead_url: the address of a lead in the CRM with `{lead_id}` in it; empty for none.
        company_name: what stands above the pages; may be empty.
    """

    def __init__(
        self, run: PublishedRun, settings: Settings, now: datetime, crm_lead_url: str = "", company_name: str = ""
    ) -> None:
        self.limits = raw.late_after(settings.project)
        super().__init__(run, now, self.limits)
        self.run, self.now, self.state = run, now, settings.state
        self.crm_lead_url, self.company_name = crm_lead_url, company_name
        self.summary = summary.read(run.database)
        self.agreement = read_agreement(settings.project, self.company.clock.as_of_date)

    def report_rows(self, name: str) -> list[Row]:
        """Run a query of the daily report for the whole company."""
        return self._file(PACKAGE / "report" / "sql" / f"{name}.sql", {"reps": None})

    def rows(self, name: str, **parameters: Any) -> list[Row]:
        """Run lead_sla/dashboard/sql/<name>.sql; instants and days of the clock are given to it where it asks for them."""
        return self._file(_SQL / f"{name}.sql", parameters)

    def rule_names(self) -> dict[str, str]:
        """Give each rule with an obligation its name, in the order in which the agreement lists the rules."""
        names = {row["rule_id"]: row["rule_name"] for row in self.report_rows("rules")}
        known = self.agreement.rule_names
        order = {rule_id: place for place, rule_id in enumerate(known)}
        return {
            rule_id: words.name(known.get(rule_id, names[rule_id]))
            for rule_id in sorted(names, key=lambda rule_id: (order.get(rule_id, len(order)), rule_id))
        }

    def becoming_late(self) -> list[tuple[datetime, str]]:
        """Say of each load that is not late yet when it will be (UTC), and what will be unknown then.

        A site outlives its night: a page that is opened after the next one failed must say so by itself.
        """
        groups: dict[tuple[datetime, datetime | None], list[Load]] = {}
        for load in self.company.loads:
            if load.heard_at and load.table in self.limits and not load.is_late:
                groups.setdefault((load.heard_at + self.limits[load.table], load.heard_at_local), []).append(load)
        return [(at, _no_data([load.table for load in loads], local)) for (at, local), loads in sorted(groups.items())]

    def _file(self, path: Path, parameters: dict[str, Any]) -> list[Row]:
        clock, query = self.company.clock, path.read_text(encoding="utf-8")
        code = "\n".join(line.split("--")[0] for line in query.splitlines())
        known = {
            "as_of": clock.as_of,
            "as_of_date": clock.as_of_date,
            "month_start": clock.month_start,
            "days_left": clock.days_left,
            **parameters,
        }
        return self._ask(query, {name: value for name, value in known.items() if _asks_for(code, name)})


def _asks_for(code: str, parameter: str) -> bool:
    # A name that begins with another's is not that other.
    return any(not rest[:1].isalnum() and rest[:1] != "_" for rest in code.split(f"${parameter}")[1:])


def _no_data(tables: Sequence[str], heard: datetime | None) -> str:
    if heard is None:
        return f"unknown: no data in {words.enumeration(list(tables))} yet"
    return f"unknown: no data in {words.enumeration(list(tables))} since {words.day(heard)} {heard.year}, {heard:%H:%M}"
