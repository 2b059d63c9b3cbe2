"""The worked questions in analyses/: each runs on the sample, and its answer is computed once more in plain Python."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from math import sqrt
from pathlib import Path
from typing import Any

import duckdb
import pytest
from project_copy import PROJECT, ProjectCopy, copy_project

Row = dict[str, Any]
DAY = timedelta(days=1)
FILES = sorted((PROJECT / "analyses").glob("*.sql"))


class Sample:
    """The marts of the built sample, whose reporting time zone is UTC, and the answers of the analyses on them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, compiled: Path) -> None:
        self._connection = connection
        self._compiled = compiled
        (self.run,) = self.rows("run_metadata")
        self.as_of: datetime = self.run["as_of"]
        self.obligations = self.rows("fct_sales_sla_obligations")
        self.leads = {lead["lead_id"]: lead for lead in self.rows("dim_leads")}
        self.teams = {rep["rep_id"]: rep["team"] for rep in self.rows("dim_reps")}

    def rows(self, mart: str) -> list[Row]:
        return self._ask(f"select * from marts.{mart}")

    def answer(self, analysis: str) -> list[Row]:
        return self._ask((self._compiled / f"{analysis}.sql").read_text())

    def _ask(self, query: str) -> list[Row]:
        result = self._connection.execute(query)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


@pytest.fixture(scope="module")
def compiled(sample_build: ProjectCopy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the SQL that dbt makes of the analyses."""
    project = copy_project(tmp_path_factory.mktemp("analyses") / "project", raw=sample_build.raw)
    run = project.dbt("compile", "--no-introspect", "--no-populate-cache", "--select", "path:analyses")
    assert run.returncode == 0, run.stdout
    return project.folder / "target" / "compiled" / "lead_sla" / "analyses"


@pytest.fixture(scope="module")
def sample(built_warehouse: Path, compiled: Path) -> Iterator[Sample]:
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        yield Sample(connection, compiled)


def end_of(day: date) -> datetime:
    return datetime.combine(day + DAY, time())


def is_open_at(obligation: Row, instant: datetime) -> bool:
    """Semantics: due before the instant, and neither satisfied nor cancelled at or before it."""
    ended_at = obligation["satisfied_at"] or obligation["cancelled_at"]
    return obligation["due_at"] < instant and (ended_at is None or ended_at > instant)


# The questions


def test_there_are_five_questions_and_each_says_how_to_read_its_answer() -> None:
    assert len(FILES) >= 5
    for path in FILES:
        header = path.read_text().split("\nwith ")[0]
        for label in ("Question", "Grain", "How to read", "Caveats"):
            assert re.search(rf"^-- {label}: ", header, re.MULTILINE), f"{path.name} does not say: {label}"
        assert max(len(line) for line in path.read_text().splitlines()) <= 120, path.name


def test_each_question_reads_marts_alone_and_is_described(sample_build: ProjectCopy) -> None:
    nodes = json.loads((sample_build.folder / "target" / "manifest.json").read_text())["nodes"]
    found = {node["name"]: node for node in nodes.values() if node["resource_type"] == "analysis"}
    assert set(found) == {path.stem for path in FILES}
    for node in found.values():
        assert node["depends_on"]["nodes"]
        assert {nodes[parent]["schema"] for parent in node["depends_on"]["nodes"]} == {"marts"}, node["name"]
        assert "?" in node["description"], node["name"]


def test_each_answer_has_rows(sample: Sample) -> None:
    for path in FILES:
        assert sample.answer(path.stem), path.name


# The answers


def test_who_was_on_the_list_on_each_day_of_the_last_whole_week(sample: Sample) -> None:
    today = sample.as_of.date()
    monday = today - timedelta(days=today.weekday() + 7)
    days = [monday + n * DAY for n in range(7)]
    lists: dict[str, dict[date, set[str]]] = defaultdict(lambda: {day: set() for day in days})
    for obligation in sample.obligations:
        for day in days:
            if is_open_at(obligation, end_of(day)):
                lists[obligation["responsible_rep_id"]][day].add(obligation["obligation_id"])
    expected = {
        rep: (
            min(len(ids) for ids in by_day.values()),
            max(len(ids) for ids in by_day.values()),
            len(set.intersection(*by_day.values())),
        )
        for rep, by_day in lists.items()
        if all(by_day.values())
    }
    answer = sample.answer("who_was_on_the_list_every_day_last_week")
    assert expected
    assert {row["rep_id"]: (row["fewest_open"], row["most_open"], row["open_all_week"]) for row in answer} == expected
    assert {(row["first_date"], row["last_date"]) for row in answer} == {(monday, days[-1])}


def test_what_last_month_would_have_cost_at_a_30_minute_promise(sample: Sample) -> None:
    first = (sample.as_of.replace(day=1) - DAY).date().replace(day=1)
    counts: Counter[tuple[str, str, str]] = Counter()
    for obligation in sample.obligations:
        if obligation["rule_id"] != "new_lead_touch":
            continue
        deadlines = {"agreed": obligation["due_at"], "tighter": obligation["triggered_at"] + timedelta(minutes=30)}
        for promise, due_at in deadlines.items():
            if due_at.date().replace(day=1) != first or due_at >= sample.as_of:
                continue
            if obligation["satisfied_at"] and obligation["satisfied_at"] <= due_at:
                outcome = "met"
            elif obligation["cancelled_at"] and obligation["cancelled_at"] <= due_at:
                continue
            else:
                outcome = "breached"
            for team in ("all teams", sample.teams.get(obligation["responsible_rep_id"]) or "no team"):
                counts[team, promise, outcome] += 1
    answer = {row["team"]: row for row in sample.answer("what_would_last_month_have_cost_at_30_minutes")}
    assert set(answer) == {team for team, _, _ in counts}
    for team, row in answer.items():
        for promise in ("agreed", "tighter"):
            met, breached = counts[team, promise, "met"], counts[team, promise, "breached"]
            assert (row[f"{promise}_met"], row[f"{promise}_breached"]) == (met, breached), team
            assert row[f"{promise}_due"] == met + breached
            assert row[f"{promise}_attainment_rate"] == pytest.approx(met / (met + breached))
        assert row["extra_breaches"] == row["tighter_breached"] - row["agreed_breached"]
    assert answer["all teams"]["tighter_met"] < answer["all teams"]["agreed_met"]


def test_the_agreed_promise_of_that_answer_is_the_mart_s(sample: Sample) -> None:
    row = sample.answer("what_would_last_month_have_cost_at_30_minutes")[0]
    month = [
        day
        for day in sample.rows("fct_sales_sla_daily")
        if day["rule_id"] == "new_lead_touch" and day["date_day"].replace(day=1) == row["month_start_date"]
    ]
    assert row["team"] == "all teams"
    assert (row["agreed_due"], row["agreed_met"]) == (
        sum(day["due"] for day in month),
        sum(day["met"] for day in month),
    )


def test_which_sources_bring_leads_that_win(sample: Sample) -> None:
    young = (sample.as_of.date() - timedelta(days=60)).replace(day=1)
    mature = {
        key: lead for key, lead in sample.leads.items() if not lead["is_merged"] and lead["created_at"].date() < young
    }
    leads = Counter(lead["lead_source"] or "(none logged)" for lead in mature.values())
    won = Counter(lead["lead_source"] or "(none logged)" for lead in mature.values() if lead["won_at"])
    credited: Counter[str] = Counter()
    for credit in sample.rows("fct_marketing_credits"):
        if lead := mature.get(credit["lead_id"]):
            credited[lead["lead_source"] or "(none logged)"] += credit["value_usd"]
    answer = sample.answer("which_sources_bring_leads_that_win")
    assert {row["lead_source"]: (row["leads"], row["won"]) for row in answer} == {
        source: (n, won[source]) for source, n in leads.items()
    }
    for row in answer:
        n, rate = row["leads"], row["won"] / row["leads"]
        assert row["win_rate"] == pytest.approx(rate)
        # The bounds of Wilson are where the rate lies 1.96 standard errors of the *bound* away.
        for bound in (row["win_rate_low"], row["win_rate_high"]):
            assert abs(rate - bound) == pytest.approx(1.96 * sqrt(bound * (1 - bound) / n), abs=1e-6)
        assert row["credited_usd_per_lead"] == pytest.approx(float(credited[row["lead_source"]]) / n)
    assert sum(won.values()) > 0


def test_does_speed_to_lead_pay(sample: Sample) -> None:
    mature = [
        lead | sample.leads[lead["lead_id"]]
        for lead in sample.rows("fct_speed_to_lead")
        if lead["first_conversion_at"] <= sample.as_of - timedelta(days=60)
    ]
    mix = Counter(lead["persona"] for lead in mature)
    answer = sample.answer("does_speed_to_lead_pay")
    order = ["<=5m", "5-30m", "30-60m", "1-24h", ">24h", "never"]
    assert [row["speed_band"] for row in answer] == [
        band for band in order if band in {x["speed_band"] for x in mature}
    ]
    for row in answer:
        band = [lead for lead in mature if lead["speed_band"] == row["speed_band"]]
        assert row["leads"] == len(band)
        assert row["answered"] == sum(lead["first_contact_at"] is not None for lead in band)
        assert row["win_rate"] == pytest.approx(sum(lead["won_at"] is not None for lead in band) / len(band))
        # Every lead of the band weighs as much as its persona has leads in all bands for one of it here.
        own = Counter(lead["persona"] for lead in band)
        weights = [mix[lead["persona"]] / own[lead["persona"]] for lead in band]
        weighted = sum(weight for weight, lead in zip(weights, band, strict=True) if lead["won_at"] is not None)
        assert row["win_rate_at_equal_mix"] == pytest.approx(weighted / sum(weights))


def test_which_rep_hours_miss_the_hour(sample: Sample) -> None:
    due: Counter[tuple[str, int]] = Counter()
    breached: Counter[tuple[str, int]] = Counter()
    for obligation in sample.obligations:
        is_recent = sample.as_of.date() - obligation["due_at"].date() < timedelta(days=28)
        is_due = obligation["due_at"] < sample.as_of and (obligation["status"] == "met" or obligation["is_breached"])
        if obligation["rule_id"] == "new_lead_touch" and is_recent and is_due:
            rep_hour = obligation["responsible_rep_id"], obligation["triggered_at"].hour
            due[rep_hour] += 1
            breached[rep_hour] += obligation["is_breached"]
    answer = sample.answer("which_rep_hours_miss_the_hour")
    shown = {key for key, n in due.items() if n >= 5}
    assert {(row["rep_id"], row["hour_of_day"]): (row["due"], row["met"], row["breached"]) for row in answer} == {
        key: (due[key], due[key] - breached[key], breached[key]) for key in shown
    }
    assert [row["breached"] for row in answer] == sorted((row["breached"] for row in answer), reverse=True)
    assert answer[0]["share_of_breaches"] == pytest.approx(answer[0]["breached"] / breached.total())
    assert answer[-1]["share_of_breaches"] == pytest.approx(sum(breached[key] for key in shown) / breached.total())
