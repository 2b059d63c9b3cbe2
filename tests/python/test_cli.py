"""The command line itself: help, paths, progress, what counts as new, and what dbt's outcome means."""

from __future__ import annotations

import io
import os
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from command_line import CommandLine
from project_copy import PROJECT, copy_project
from rich.console import Console

from lead_sla import build as job
from lead_sla import dbt_build, policy, raw, summary
from lead_sla.cli import cli
from lead_sla.dbt_build import Node, Outcome
from lead_sla.errors import BuildFailed, LeadSlaError, RefusedInput
from lead_sla.fingerprint import fingerprint
from lead_sla.settings import Settings
from lead_sla.summary import Summary
from lead_sla.terminal import stage

# --- help and paths


@pytest.mark.parametrize("arguments", [[], ["build"], ["publish"], ["summary"], ["sample"]])
def test_help_tells_the_exit_codes(tmp_path: Path, arguments: list[str]) -> None:
    run = CommandLine(PROJECT, tmp_path, tmp_path)(*arguments, "--help")
    assert run.status == 0
    for line in ("0  done", "1  failed", "2  refused"):
        assert line in run.out


def test_a_given_path_is_meant_from_the_working_folder_and_a_default_from_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_project(tmp_path / "project").folder
    monkeypatch.chdir(project / "seeds")

    settings = Settings.from_environment({"LEAD_SLA_RAW": "landed"})

    assert settings.project == project
    assert settings.raw == project / "seeds" / "landed"
    assert not settings.raw_is_default
    assert settings.warehouse == project / "data" / "warehouse.duckdb"
    assert settings.published == project / "data" / "published"


def test_an_empty_variable_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    settings = Settings.from_environment({"LEAD_SLA_RAW": ""})
    assert settings.raw == PROJECT / "data" / "raw"
    assert settings.raw_is_default


def test_a_bare_date_in_vars_is_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}
    monkeypatch.setattr(job, "build", lambda settings, console, **options: given.update(options))
    cli.main(["build", "--vars", "{as_of: 2026-05-01, pace_tolerance: 0.2}"], standalone_mode=False)
    assert given["variables"] == {"as_of": "2026-05-01", "pace_tolerance": 0.2}

    cli.main(["build", "--as-of", "2026-05-01T12:00Z"], standalone_mode=False)
    assert given["variables"] == {"as_of": "2026-05-01 12:00:00"}


# --- sample data


def in_project(folder: Path, *, raw_is_default: bool) -> Settings:
    data = folder / "data"
    return Settings(folder, data / "raw", raw_is_default, data / "w.duckdb", data / "published", data / "state")


def quiet() -> Console:
    return Console(file=io.StringIO(), width=120)


@pytest.mark.parametrize("folder_is_there", [True, False])
def test_a_sample_company_is_made_where_nobody_named_the_raw_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder_is_there: bool
) -> None:
    monkeypatch.setattr(job, "SAMPLE_LEADS", 50)
    monkeypatch.setattr(job, "SAMPLE_DAYS", 10)
    settings = in_project(tmp_path, raw_is_default=True)
    if folder_is_there:
        settings.raw.mkdir(parents=True)

    job.ensure_raw(settings, quiet())

    assert {path.name for path in settings.raw.iterdir()} == {"leads", "activities", "owner_changes", "reps", "deals"}


def test_data_that_is_there_is_left_alone(tmp_path: Path) -> None:
    settings = in_project(tmp_path, raw_is_default=True)
    (settings.raw / "leads").mkdir(parents=True)
    job.ensure_raw(settings, quiet())
    assert [path.name for path in settings.raw.iterdir()] == ["leads"]


def test_no_sample_is_made_in_a_folder_that_somebody_named(tmp_path: Path) -> None:
    settings = in_project(tmp_path, raw_is_default=False)
    with pytest.raises(RefusedInput, match="No raw data"):
        job.ensure_raw(settings, quiet())
    assert not settings.raw.exists()


# --- what counts as new


def test_the_same_input_has_the_same_fingerprint_and_any_change_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_project(tmp_path / "project")
    landed = copy.folder / "leads.parquet"
    landed.write_bytes(b"1234")
    seed = copy.folder / policy.FOLDER / "holidays.csv"

    def now(**variables: str) -> str:
        return fingerprint(copy.folder, copy.folder, [landed], variables)

    seen = [now()]
    assert now() == seen[0]

    os.utime(landed, ns=(0, 0))
    seen.append(now())
    landed.write_bytes(b"12345")
    os.utime(landed, ns=(0, 0))
    seen.append(now())
    text = seed.read_text()
    seed.unlink()
    seed.write_text(f"{text}amsterdam,2030-01-01,New Year's Day,,\n")
    seen.append(now())
    seen.append(now(pacing="business_days"))
    monkeypatch.setenv("DBT_TARGET", "other")
    seen.append(now())
    monkeypatch.setattr("lead_sla.fingerprint.__version__", "99")
    seen.append(now())

    assert len(set(seen)) == len(seen)


def test_where_dbt_writes_and_what_a_test_of_the_command_line_says_is_nothing_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprint(PROJECT, PROJECT, [], {})
    monkeypatch.setenv("DBT_LOG_PATH", str(tmp_path))
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path))
    assert fingerprint(PROJECT, PROJECT, [], {}) == before


# --- what dbt's outcome means


def node(
    name: str = "dim_leads", type_: str = "model", status: str = "success", *tags: str, schema: str = "marts"
) -> Node:
    return Node(name, type_, status, f"{name} said {status}", 0, tags, schema)


MART = node()
PROMISE = node("promise_kept", "test", "pass", "sla_threshold", schema="x")


def build_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *nodes: Node, said: list[str] | None = None) -> Outcome:
    monkeypatch.setattr(dbt_build, "_run", lambda *_: Outcome(nodes=list(nodes), said=said or []))
    return dbt_build.build(in_project(tmp_path, raw_is_default=False), {}, print)


def test_a_broken_promise_is_news_and_withholds_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = node("promise_kept", "test", "fail", "sla_threshold")
    said = ["[sla] error promise_kept: trial_calls: 61.2 % of 940 were met, where 90 % were promised."]
    outcome = build_with(monkeypatch, tmp_path, MART, broken, said=said)
    assert outcome.findings() == []
    assert outcome.broken_promises() == ["trial_calls: 61.2 % of 940 were met, where 90 % were promised"]


@pytest.mark.parametrize(
    "failed",
    [
        node("fct", "model", "error"),
        node("credits_add_up", "test", "fail", "integrity"),
        node("not_null", "test", "fail"),
        node("promise_kept", "test", "error", "sla_threshold"),
        node("hook", "operation", "error"),
    ],
)
def test_broken_data_withholds_the_marts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failed: Node) -> None:
    with pytest.raises(BuildFailed, match=f"{failed.name} failed: nothing was published") as error:
        build_with(monkeypatch, tmp_path, MART, PROMISE, failed)
    assert error.value.details == (f"{failed.name}: {failed.name} said {failed.status}",)


def test_a_warning_is_told_in_its_own_words_or_in_those_of_dbt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = [
        "[problem] warning known_reps: rep R99: 60 leads name it.",
        "[problem] warning known_reps: ... and 2 more like these.",
    ]
    warnings = [node("known_reps", "test", "warn"), node("freshness", "test", "warn")]
    outcome = build_with(monkeypatch, tmp_path, MART, PROMISE, *warnings, said=said)
    assert outcome.findings() == [
        "rep R99: 60 leads name it",
        "... and 2 more like these",
        "freshness: freshness said warn",
    ]
    assert outcome.broken_promises() == []


def test_a_wrong_policy_is_refused_with_its_own_sentences(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = ["[policy] error one_of: buyer_matrix (persona x): x is unknown.", "[problem] warning other: not this one."]
    with pytest.raises(RefusedInput) as error:
        build_with(monkeypatch, tmp_path, MART, PROMISE, node("one_of", "test", "fail", "policy"), said=said)
    assert error.value.details == ("buyer_matrix (persona x): x is unknown",)


def test_an_empty_selection_is_no_success(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(LeadSlaError, match="selected no mart at all"):
        build_with(monkeypatch, tmp_path, PROMISE)
    with pytest.raises(LeadSlaError, match="selected no test of a promised attainment"):
        build_with(monkeypatch, tmp_path, MART)


# --- the terminal


def test_a_stage_leaves_one_line_in_a_log() -> None:
    console = quiet()
    with stage(console, "Publish") as current:
        current.doing("copying")
        current.result("15 marts")
    (line,) = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert line.startswith("✓ Publish") and "15 marts" in line and line.rstrip().endswith(" s")


def test_a_stage_that_fails_says_so_and_what_it_was_doing() -> None:
    console = quiet()
    with pytest.raises(LeadSlaError), stage(console, "Publish") as current:
        current.doing("copying")
        raise LeadSlaError("no")
    assert console.file.getvalue().startswith("✗ Publish")  # type: ignore[attr-defined]
    assert "copying" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_person_sees_a_live_line_that_ends_as_the_same_one_line() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with stage(console, "Build") as current:
        current.doing("1 of 2 · dim_leads")
        current.result("2 models")
    assert "2 models" in console.file.getvalue().splitlines()[-1]  # type: ignore[attr-defined]


# --- the summary


NOON = datetime(2026, 6, 18, 12)


def a_summary(**changes: object) -> Summary:
    figures = {
        "as_of": NOON,
        "as_of_date": NOON.date(),
        "loads": {"leads": NOON, "activities": NOON, "deals": None},
        "marketing": [
            {
                "persona": "all",
                "mtd_leads": 1234,
                "ideal_mtd_leads": 1200.5,
                "target_leads": None,
                "mtd_value_usd": 0,
                "ideal_mtd_value_usd": None,
                "target_value_usd": None,
                "pace": "no_target",
            }
        ],
        "sales": [
            {
                "rule_id": "r",
                "month_met": 1,
                "month_due": 8,
                "recent_met": 0,
                "recent_due": 0,
                "violating": 3,
                "at_risk": 0,
            }
        ],
        "violations": [],
    }
    return Summary(**{**figures, **changes})  # type: ignore[arg-type]


def shown(figures: Summary, now: datetime = NOON, **limits: timedelta) -> str:
    console = Console(file=io.StringIO(), width=80)
    summary.show(console, figures, limits, now)
    return console.file.getvalue()  # type: ignore[attr-defined]


def rep(rep_id: str, violations: int) -> dict[str, object]:
    return {
        "responsible_rep_id": rep_id,
        "rep_name": f"Name of {rep_id}",
        "team": None,
        "open_violations": violations,
        "leads": 1,
        "oldest_days": 2.04,
    }


def test_missing_figures_are_shown_as_missing() -> None:
    text = shown(a_summary())
    assert "12.5 %" in text and "1/8" in text
    assert "none due" in text
    assert "no target" in text
    assert "0.0 %" not in text


def test_five_reps_and_nobody_are_on_the_list() -> None:
    violations = [rep("unassigned", 90), *(rep(f"R{number}", 80 - number) for number in range(7))]
    text = shown(a_summary(violations=violations))
    assert [f"Name of R{number}" in text for number in range(7)] == [True] * 5 + [False] * 2
    assert "Name of unassigned" in text
    assert f"{90 + sum(80 - number for number in range(7))} open violations" in text
    assert "1 open violation\n" in shown(a_summary(violations=[rep("R1", 1)]))


def test_nobody_is_on_the_list_only_where_the_loads_are_in_time() -> None:
    limit = timedelta(hours=26)
    assert "nobody is on it" in shown(a_summary(), leads=limit, activities=limit)

    late = shown(
        a_summary(loads={"leads": NOON, "activities": NOON - timedelta(days=2)}), leads=limit, activities=limit
    )
    assert "nobody is on it" not in late
    assert "unknown: no data in activities since 2026-06-16 12:00 UTC" in late


def test_old_marts_say_that_they_are_old() -> None:
    limit = timedelta(hours=26)
    assert "ago" not in shown(a_summary(), NOON + timedelta(hours=26), leads=limit)
    assert "3 days ago: what happened since is unknown" in shown(a_summary(), NOON + timedelta(days=3), leads=limit)


def test_the_limits_of_lateness_come_from_the_raw_contract() -> None:
    assert raw.late_after(PROJECT)["activities"] == timedelta(hours=26)


def test_the_summary_fits_a_terminal_of_eighty_columns(built_warehouse: Path) -> None:
    text = shown(summary.read(built_warehouse))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_the_figures_are_those_of_the_marts(built_warehouse: Path) -> None:
    figures = summary.read(built_warehouse)
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        statuses = dict(
            connection.execute("select status, count(*) from marts.fct_sales_sla_obligations group by all").fetchall()
        )
        day = figures.as_of_date
        ((met, due),) = connection.execute(
            """
            select count(*) filter (where status = 'met'), count(*) filter (where status in ('met', 'late', 'closed', 'violating'))
            from marts.fct_sales_sla_obligations
            where due_at::date between ? and ? and due_at < ?
            """,
            [day - timedelta(days=27), day, figures.as_of],
        ).fetchall()

    assert sum(row["violating"] for row in figures.sales) == statuses["violating"]
    assert sum(row["open_violations"] for row in figures.violations) == statuses["violating"]
    assert sum(row["at_risk"] for row in figures.sales) == statuses.get("at_risk", 0)
    assert sum(row["recent_met"] for row in figures.sales) == met
    assert sum(row["recent_due"] for row in figures.sales) == due
    assert [row["persona"] for row in figures.marketing][-1] == "all"
