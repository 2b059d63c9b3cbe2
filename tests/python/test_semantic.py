"""Metrics: each is asked of MetricFlow and reconciled with SQL of its own on the marts. And readers: lineage ends at what they read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup
from project_copy import PROJECT, ProjectCopy, copy_project


class Renderer:
    """All that MetricFlow needs to know of an engine to write SQL for it."""

    sql_engine_type = SqlEngine.DUCKDB
    sql_plan_renderer = DuckDbSqlPlanRenderer()


@dataclass
class Metrics:
    """MetricFlow's SQL for the sample's marts, run on them."""

    engine: MetricFlowEngine
    connection: duckdb.DuckDBPyConnection

    def ask(self, metrics: Sequence[str], by: Sequence[str] = (), where: Sequence[str] = ()) -> list[dict[str, Any]]:
        return self._answer(
            MetricFlowQueryRequest.create(metric_names=metrics, group_by_names=by, where_constraints=where or None)
        )

    def saved(self, name: str) -> list[dict[str, Any]]:
        return self._answer(MetricFlowQueryRequest.create(saved_query_name=name))

    def _answer(self, request: MetricFlowQueryRequest) -> list[dict[str, Any]]:
        return rows(self.connection, self.engine.explain(request).sql_statement.sql)


@dataclass(frozen=True)
class Case:
    """Metrics by dimensions, and the SQL on the marts that must give the same rows: the dimensions first, then the metrics."""

    metrics: list[str]
    by: list[str]
    sql: str
    where: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.metrics[0]} by {', '.join(self.by) or 'nothing'}"


AS_OF = "(select as_of from marts.run_metadata)"
TODAY = "(select cast(as_of as date) from marts.run_metadata)"
MONTH_ENDS = "date_day = least(last_day(date_day), (select max(date_day) from marts.fct_marketing_sla_daily))"

CASES = [
    # The Sales SLA: what the daily mart has counted is counted again from the promises themselves.
    Case(
        ["met_obligations", "due_obligations", "breached_obligations", "cancelled_obligations", "attainment_rate"],
        ["metric_time__month", "rule"],
        f"""
        select
            date_trunc('month', due_at), rule_id,
            count(*) filter (status = 'met') as met,
            count(*) filter (status = 'met' or is_breached) as due,
            count(*) filter (is_breached),
            count(*) filter (status = 'cancelled'),
            met / nullif(due, 0)
        from marts.fct_sales_sla_obligations
        where due_at < {AS_OF}
        group by 1, 2
        """,
    ),
    Case(
        ["attainment_rate", "met_obligations", "due_obligations", "breached_obligations"],
        ["metric_time__week", "rep", "rule"],
        "select week_start_date, rep_id, rule_id, attainment_rate, met, due, breached from marts.rep_scorecard",
    ),
    Case(
        ["attainment_rate"],
        ["rep__team"],
        """
        select team, sum(met) / sum(due)
        from marts.rep_scorecard left join marts.dim_reps using (rep_id)
        group by team
        """,
    ),
    Case(
        ["triggered_obligations"],
        ["metric_time__day", "rep"],
        """
        select cast(triggered_at as date), responsible_rep_id, count(*)
        from marts.fct_sales_sla_obligations
        group by 1, 2
        """,
    ),
    Case(
        ["open_violations", "leads_in_violation"],
        ["rule", "rep"],
        """
        select rule_id, responsible_rep_id, count(*), count(distinct lead_id)
        from marts.do_not_be_on_it
        group by 1, 2
        """,
    ),
    Case(
        ["open_violations", "leads_in_violation"],
        ["rep__team"],
        "select team, count(*), count(distinct lead_id) from marts.do_not_be_on_it group by 1",
    ),
    Case(["open_violations"], [], "select count(*) from marts.do_not_be_on_it"),
    Case(
        ["obligations_at_risk"],
        ["rule", "rep"],
        "select rule_id, responsible_rep_id, count(*) from marts.due_soon group by 1, 2",
    ),
    # The stock of open violations: each day by the definition of an open violation, a month by its last day.
    Case(
        ["open_violations_at_day_end"],
        ["metric_time__day", "rule"],
        f"""
        select cast(day as date), rule_id, count(*)
        from generate_series(timestamp '2025-01-01', {TODAY}, interval 1 day) as days (day)
        inner join marts.fct_sales_sla_obligations
            on due_at < least(day + interval 1 day, {AS_OF})
            and coalesce(satisfied_at, cancelled_at, 'infinity') > least(day + interval 1 day, {AS_OF})
        group by 1, 2
        """,
    ),
    Case(
        ["open_violations_at_day_end"],
        ["metric_time__month", "rep"],
        f"""
        select date_trunc('month', date_day), rep_id, sum(open_violations)
        from marts.fct_sales_sla_daily
        where date_day = least(last_day(date_day), {TODAY})
        group by 1, 2
        """,
    ),
    Case(["open_violations_at_day_end"], [], "select count(*) from marts.do_not_be_on_it"),
    # Speed to lead: from the instants, not from the minutes of the mart.
    *(
        Case(
            [
                "converted_leads",
                "leads_touched",
                "leads_touched_within_an_hour",
                "touched_rate",
                "touched_within_an_hour_rate",
                "speed_to_lead_p50_minutes",
                "speed_to_lead_p90_minutes",
            ],
            [dimension],
            f"""
            with speed as (
                select
                    {expression} as answer,
                    speed.first_touch_at <= speed.first_conversion_at + interval 1 hour as is_in_time,
                    date_diff('microsecond', speed.first_conversion_at, speed.first_touch_at) / 6e7 as minutes
                from marts.fct_speed_to_lead as speed
                inner join marts.dim_leads on speed.lead_id = dim_leads.lead_id
            )

            select
                answer, count(*), count(minutes), count(*) filter (is_in_time), count(minutes) / count(*),
                count(*) filter (is_in_time) / count(*), quantile_cont(minutes, 0.5), quantile_cont(minutes, 0.9)
            from speed
            group by 1
            """,
        )
        for dimension, expression in {
            "metric_time__month": "date_trunc('month', speed.first_conversion_at)",
            "lead__speed_band": "speed.speed_band",
            "lead__source": "dim_leads.lead_source",
        }.items()
    ),
    Case(
        ["speed_to_lead_p50_business_minutes", "system_delay_p50_minutes", "rep_delay_p50_minutes"],
        ["metric_time__month"],
        """
        select
            date_trunc('month', first_conversion_at),
            quantile_cont(business_minutes, 0.5),
            quantile_cont(system_delay_minutes, 0.5),
            quantile_cont(elapsed_minutes - system_delay_minutes, 0.5)
        from marts.fct_speed_to_lead
        group by 1
        """,
    ),
    Case(
        ["touches", "connected_touches", "connection_rate"],
        ["metric_time__month", "touch__touch_channel"],
        """
        select date_trunc('month', occurred_at), touch_channel, count(*), sum(cast(is_connected as int)),
            avg(cast(is_connected as int))
        from marts.fct_sales_touches
        group by 1, 2
        """,
    ),
    # The Marketing SLA: leads and credits one by one against the daily mart, and its stocks on the last day of each month.
    Case(
        ["qualified_leads"],
        ["metric_time__day", "lead__qualified_persona"],
        "select date_day, persona, qualified_leads from marts.fct_marketing_sla_daily where persona <> 'all'",
    ),
    Case(
        ["credited_value_usd"],
        ["metric_time__day", "credit__persona"],
        "select date_day, persona, credited_value_usd from marts.fct_marketing_sla_daily where persona <> 'all'",
    ),
    Case(
        ["credit_per_qualified_lead_usd"],
        ["metric_time__month"],
        """
        select date_trunc('month', date_day), cast(sum(credited_value_usd) as double) / nullif(sum(qualified_leads), 0)
        from marts.fct_marketing_sla_daily
        where persona = 'all'
        group by 1
        """,
    ),
    *(
        Case(
            [
                "mtd_leads",
                "ideal_mtd_leads",
                "target_leads",
                "leads_attainment_rate",
                "leads_pace_ratio",
                "mtd_value_usd",
                "ideal_mtd_value_usd",
                "target_value_usd",
                "value_attainment_rate",
                "value_pace_ratio",
            ],
            by,
            f"""
            select
                {columns}, mtd_leads, ideal_mtd_leads, target_leads, leads_attainment_rate,
                mtd_leads / nullif(ideal_mtd_leads, 0), mtd_value_usd, ideal_mtd_value_usd, target_value_usd,
                value_attainment_rate, cast(mtd_value_usd as double) / nullif(cast(ideal_mtd_value_usd as double), 0)
            from marts.fct_marketing_sla_daily
            where {where}
            """,
        )
        for by, columns, where in (
            (["metric_time__day"], "date_day", "persona = 'all'"),
            (["metric_time__day", "marketing_day__persona"], "date_day, persona", "persona <> 'all'"),
            (
                ["metric_time__month", "marketing_day__persona"],
                "date_trunc('month', date_day), persona",
                f"persona <> 'all' and {MONTH_ENDS}",
            ),
        )
    ),
    # The funnel: persons one by one.
    Case(
        ["created_leads", "created_and_qualified", "created_and_won", "qualification_rate", "win_rate"],
        ["metric_time__month", "funnel_cell__lead_source"],
        """
        select
            date_trunc('month', created_at), lead_source, count(*) as leads, count(qualified_at), count(won_at),
            count(qualified_at) / leads, count(won_at) / leads
        from marts.dim_leads
        where not is_merged
        group by 1, 2
        """,
    ),
    Case(
        ["created_and_contacted", "won_value_usd", "contact_rate", "won_value_per_lead_usd"],
        ["funnel_cell__persona"],
        """
        select persona, sum(contacted), sum(won_value_usd), sum(contacted) / sum(leads),
            cast(sum(won_value_usd) as double) / sum(leads)
        from marts.fct_funnel_monthly
        group by 1
        """,
    ),
]


def rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    result = connection.execute(sql)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def plain(value: Any) -> Any:
    """Days and numbers of one kind each, so that answers can be compared."""
    if isinstance(value, datetime):
        return value.date()
    return float(value) if isinstance(value, Decimal | int) and not isinstance(value, bool) else value


def table(answer: list[dict[str, Any]], by: int) -> dict[tuple[Any, ...], list[float | None]]:
    """Rows by their dimensions; one in which nothing was counted says the same as no row at all."""
    found = {}
    for row in answer:
        values = [plain(value) for value in row.values()]
        key = tuple(values[:by])
        assert key not in found, f"two rows for {key}"
        if any(values[by:]):
            found[key] = values[by:]
    return found


@pytest.fixture(scope="module")
def manifest(sample_build: ProjectCopy) -> dict[str, Any]:
    return json.loads((sample_build.folder / "target" / "manifest.json").read_text())


@pytest.fixture(scope="module")
def metrics(sample_build: ProjectCopy, built_warehouse: Path) -> Iterator[Metrics]:
    text = (sample_build.folder / "target" / "semantic_manifest.json").read_text()
    lookup = SemanticManifestLookup(parse_manifest_from_dbt_generated_manifest(text))
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        yield Metrics(MetricFlowEngine(semantic_manifest_lookup=lookup, sql_client=Renderer()), connection)


# Metrics


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_metric_says_what_its_mart_says(case: Case, metrics: Metrics) -> None:
    asked = metrics.ask(case.metrics, case.by, case.where)
    ordered = [{name: row[name] for name in [*(case.by), *case.metrics]} for row in asked]
    answer = table(ordered, len(case.by))
    expected = table(rows(metrics.connection, case.sql), len(case.by))
    assert expected
    assert set(answer) == set(expected)
    # Dollars of the ideal line are rounded in each persona: their sum may be a cent off that of `all`.
    differ = {
        key: (answer[key], expected[key]) for key in expected if answer[key] != pytest.approx(expected[key], abs=0.02)
    }
    assert differ == {}


def test_every_metric_is_reconciled(manifest: dict[str, Any]) -> None:
    assert {metric["name"] for metric in manifest["metrics"].values()} == {
        name for case in CASES for name in case.metrics
    }


def test_every_metric_says_what_it_is(manifest: dict[str, Any]) -> None:
    text = (PROJECT / "docs" / "metrics.md").read_text()
    for metric in manifest["metrics"].values():
        assert metric["label"] and metric["description"].endswith("."), metric["name"]
        assert f"`{metric['name']}`" in text, f"docs/metrics.md does not explain {metric['name']}"
        if metric["name"].endswith("_rate"):
            assert re.search("share", metric["description"].lower()), metric["name"]


def test_pace_in_words_follows_from_the_pace_in_dollars(metrics: Metrics) -> None:
    """The agreement's tolerance is a tenth, and the shipped targets are in dollars too."""
    answer = metrics.ask(["value_pace_ratio"], ["metric_time__day", "marketing_day__persona", "marketing_day__pace"])
    words = {"behind": lambda ratio: ratio < 0.9001, "ahead": lambda ratio: ratio > 1.0999}
    seen = set()
    for row in answer:
        word, ratio = row["marketing_day__pace"], row["value_pace_ratio"]
        if ratio is None:
            assert word == "no_target", row
        else:
            assert words.get(word, lambda ratio: 0.8999 < ratio < 1.1001)(float(ratio)), row
            seen.add(word)
    assert seen


def test_every_saved_query_has_an_answer(metrics: Metrics, manifest: dict[str, Any]) -> None:
    names = [query["name"] for query in manifest["saved_queries"].values()]
    assert len(names) >= 5
    for name in names:
        assert metrics.saved(name), name


def test_no_metric_reads_anything_but_marts(metrics: Metrics, manifest: dict[str, Any]) -> None:
    """So that they can be asked of the published copy, which has nothing else."""
    for model in manifest["semantic_models"].values():
        assert model["node_relation"]["schema_name"] == "marts", model["name"]
    for case in CASES:
        request = MetricFlowQueryRequest.create(metric_names=case.metrics, group_by_names=case.by)
        read = re.findall(r'FROM "\w+"\."(\w+)"', metrics.engine.explain(request).sql_statement.sql)
        assert set(read) == {"marts"}, case


def test_the_command_of_metricflow_answers_from_a_published_copy_that_others_read(
    sample_build: ProjectCopy, built_warehouse: Path, tmp_path: Path
) -> None:
    project = copy_project(tmp_path / "project", raw=sample_build.raw)
    published = tmp_path / "published"
    published.mkdir()
    (published / "marts.duckdb").symlink_to(built_warehouse)
    before = hashlib.sha256(built_warehouse.read_bytes()).hexdigest()
    environment = os.environ | {
        "DBT_PROFILES_DIR": str(project.folder / "config" / "metricflow"),
        "DO_NOT_TRACK": "1",
        "LEAD_SLA_PUBLISHED": str(published),
    }

    def run(program: str, *arguments: str) -> str:
        command = [str(Path(sys.executable).with_name(program)), *arguments]
        done = subprocess.run(command, cwd=project.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with duckdb.connect(str(built_warehouse), read_only=True) as reader:
        run("dbt", "--quiet", "parse")
        run("mf", "query", "--saved-query", "open_violations_by_team", "--csv", str(tmp_path / "teams.csv"))
        answered = reader.execute(f"select sum(open_violations) from read_csv('{tmp_path / 'teams.csv'}')").fetchone()
        assert answered == reader.execute("select count(*) from marts.do_not_be_on_it").fetchone()
    assert hashlib.sha256(built_warehouse.read_bytes()).hexdigest() == before


# Readers

# Where the code of each reader lies. The dashboard shows the figures of report and summary too; Superset's datasets are YAML with the
# name of a table.
READERS = {
    "dashboard": ["lead_sla/dashboard", "lead_sla/report", "lead_sla/sql", "lead_sla/summary.py"],
    "daily_report": ["lead_sla/report"],
    "run_summary": ["lead_sla/sql", "lead_sla/summary.py"],
    "workbook": [
        "lead_sla/export",
        "lead_sla/report/figures.py",
        *(f"lead_sla/report/sql/{name}.sql" for name in ("clock", "marketing", "reps")),
    ],
    "superset": ["bi/superset"],
}
MART = re.compile(r"\bmarts\.([a-z_]+)\b")
DATASET = re.compile(r"^table_name: (\w+)$", re.MULTILINE)


def read_by(paths: Sequence[str], marts: set[str]) -> set[str]:
    """The marts that the code below these paths asks for by name."""
    found = set()
    for path in (PROJECT / path for path in paths):
        for file in [path, *path.rglob("*")]:
            if file.is_file() and file.suffix in {".sql", ".py", ".j2"}:
                found |= set(MART.findall(file.read_text()))
            elif file.is_file() and file.suffix in {".yaml", ".yml"} and "datasets" in file.parts:
                found |= set(DATASET.findall(file.read_text())) | set(MART.findall(file.read_text()))
    return found & marts


@pytest.fixture(scope="module")
def exposed(manifest: dict[str, Any]) -> dict[str, set[str]]:
    """Exposure -> the marts that it depends on."""
    nodes = manifest["nodes"]
    return {
        exposure["name"]: {nodes[node]["name"] for node in exposure["depends_on"]["nodes"]}
        for exposure in manifest["exposures"].values()
    }


@pytest.fixture(scope="module")
def marts(manifest: dict[str, Any]) -> set[str]:
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    return {model["name"] for model in models if model["schema"] == "marts"}


def test_a_reader_is_exposed_with_every_mart_that_its_code_reads(exposed: dict[str, set[str]], marts: set[str]) -> None:
    assert set(exposed) == set(READERS)
    missing = {name: sorted(read_by(paths, marts) - exposed[name]) for name, paths in READERS.items()}
    assert not any(missing.values()), f"models/marts/_exposures.yml lacks {missing}"


def test_the_readers_of_this_package_are_exposed_with_nothing_else(
    exposed: dict[str, set[str]], marts: set[str]
) -> None:
    for name in ("dashboard", "daily_report", "run_summary", "workbook"):
        assert exposed[name] - read_by(READERS[name], marts) == set(), name


def test_no_code_reads_marts_without_an_exposure(marts: set[str]) -> None:
    """`run_metadata` apart, which the machinery itself asks for the clock."""
    known = tuple(str(PROJECT / path) for paths in READERS.values() for path in paths)
    strangers = {
        str(file.relative_to(PROJECT)): found
        for file in (PROJECT / "lead_sla").rglob("*")
        if file.suffix in {".sql", ".py"} and not str(file).startswith(known)
        if (
            found := set(re.findall(r"\b(?:from|join) marts\.([a-z_]+)", file.read_text())) & (marts - {"run_metadata"})
        )
    }
    assert strangers == {}, "add the reader to models/marts/_exposures.yml and to READERS"


def test_every_mart_has_a_reader(exposed: dict[str, set[str]], marts: set[str]) -> None:
    assert marts - set().union(*exposed.values()) == set()


def test_every_exposure_says_who_answers_for_it(manifest: dict[str, Any]) -> None:
    for exposure in manifest["exposures"].values():
        assert exposure["owner"]["name"] and exposure["maturity"] and exposure["description"], exposure["name"]
