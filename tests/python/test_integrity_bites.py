"""Do the integrity tests bite? Each of them meets the marts of the sample with one thing broken, and must say so.

The sample's tables are copied once into memory; each breakage is one statement in a transaction that is rolled back. The other
way round, no integrity test and no constraint of the marts may complain of a company that is only unusual.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import duckdb
import pytest
import yaml
from compiled_project import DATABASE, PROJECT, build, connect
from compiled_tests import DataTest, compiled_tests
from project_copy import ProjectCopy
from proof import companies, hold
from strategies import Case

VISIBLE = "_loaded_at <= (select as_of from staging.stg_crm__clock)"


def another(table: str, changes: str, where: str = "true") -> str:
    """A statement that adds a changed copy of one row to a table."""
    return f"insert into {table} select * replace ({changes}) from {table} where {where} limit 1"


def one(table: str, key: str, where: str = "true") -> str:
    """A condition that holds for one row of a table."""
    return f"{key} = (select min({key}) from {table} where {where})"


# Integrity test -> the breakages that it must report, one statement each.
BREAKAGES: dict[str, list[str]] = {
    "raw_versions_do_not_conflict": [
        another("raw.leads", "coalesce(lead_source, '') || '!' as lead_source", VISIBLE),
        another("raw.leads", "case when employee_count is null then 7 end as employee_count", VISIBLE),
        another("raw.activities", "occurred_at - interval 1 microsecond as occurred_at", VISIBLE),
        another("raw.activities", "not coalesce(is_deleted, false) as is_deleted", VISIBLE),
        another("raw.owner_changes", "null as owner_id", f"{VISIBLE} and owner_id is not null"),
        another("raw.reps", "full_name || '!' as full_name", VISIBLE),
        another("raw.deals", "coalesce(amount, 0) + 0.01 as amount", VISIBLE),
    ],
    "raw_required_columns_are_filled": [
        f"update raw.leads set created_at = null where {one('raw.leads', 'lead_id')}",
        f"update raw.leads set _loaded_at = null where {one('raw.leads', 'lead_id')}",
        f"update raw.activities set activity_id = null where {one('raw.activities', 'activity_id')}",
        f"update raw.activities set occurred_at = null where {one('raw.activities', 'activity_id')}",
        f"update raw.owner_changes set changed_at = null where {one('raw.owner_changes', 'lead_id')}",
        f"update raw.reps set active_from = null where {one('raw.reps', 'rep_id')}",
        f"update raw.deals set status = null where {one('raw.deals', 'deal_id')}",
    ],
    "the_clock_is_set": [
        "delete from staging.stg_crm__clock",
        "update staging.stg_crm__clock set as_of = null",
        "insert into staging.stg_crm__clock select * from staging.stg_crm__clock",
    ],
    "no_lead_is_lost": [
        f"delete from marts.dim_leads where {one('marts.dim_leads', 'lead_id', 'not is_merged')}",
        f"delete from marts.dim_leads where {one('marts.dim_leads', 'lead_id', 'is_merged')}",
        another("marts.dim_leads", "lead_id || '!' as lead_id"),
        another("marts.dim_leads", "lead_id as lead_id"),
        another("raw.leads", "lead_id || '!' as lead_id, false as is_test", VISIBLE),
        "update raw.leads set is_test = true where lead_id = (select min(lead_id) from marts.dim_leads)",
    ],
    "leads_agree_with_their_facts": [
        f"delete from marts.fct_qualified_leads where {one('marts.fct_qualified_leads', 'lead_id')}",
        f"delete from marts.fct_sales_touches where touch_number = 1 and {one('marts.fct_sales_touches', 'lead_id')}",
        f"delete from marts.fct_lead_stages where {one('marts.fct_lead_stages', 'lead_id')}",
        f"update marts.dim_leads set qualified_at = null where {one('marts.fct_qualified_leads', 'lead_id')}",
        *(
            f"update marts.dim_leads set {change} where {one('marts.dim_leads', 'lead_id', 'won_at is not null and not is_merged')}"
            for change in (
                "first_contact_at = null",
                "deal_count = deal_count + 1",
                "won_at = won_at + interval 1 second",
                "won_value_usd = won_value_usd + 0.01",
                "won_value_usd = null",
            )
        ),
        "delete from intermediate.int_leads__deals where lead_number = (select min(lead_number) from intermediate.int_leads__deals "
        "where lead_number in (select lead_number from intermediate.int_leads__leads where not is_merged))",
    ],
    "facts_belong_to_their_leads": [
        f"delete from marts.dim_leads where {one('marts.fct_sales_touches', 'lead_id')}",
        f"delete from marts.dim_leads where {one('marts.fct_sales_sla_obligations', 'lead_id')}",
        f"update marts.dim_leads set is_merged = true where {one('marts.fct_lead_stages', 'lead_id')}",
        f"update marts.dim_leads set is_merged = true where {one('marts.fct_marketing_credits', 'lead_id')}",
        f"update marts.dim_leads set is_merged = true where {one('marts.fct_speed_to_lead', 'lead_id')}",
    ],
    "no_touch_is_lost": [
        f"delete from marts.fct_sales_touches where {one('marts.fct_sales_touches', 'activity_id')}",
        f"delete from marts.fct_sales_touches where {one('marts.fct_sales_touches', 'activity_id', 'rep_id is null')}",
        another("marts.fct_sales_touches", "activity_id as activity_id"),
        another("marts.fct_sales_touches", "activity_id || '!' as activity_id"),
        f"update marts.fct_sales_touches set lead_id = lead_id || '!' where {one('marts.fct_sales_touches', 'activity_id')}",
        f"update marts.fct_sales_touches set rep_id = null where {one('marts.fct_sales_touches', 'activity_id', 'rep_id is not null')}",
        "update staging.stg_crm__activities set is_automated = true "
        "where activity_id = (select min(activity_id) from marts.fct_sales_touches)",
    ],
    "touches_are_numbered": [
        f"delete from marts.fct_sales_touches where touch_number = 1 and {one('marts.fct_sales_touches', 'lead_id', 'touch_number = 2')}",
        f"update marts.fct_sales_touches set touch_number = 0 where touch_number = 1 and {one('marts.fct_sales_touches', 'lead_id')}",
    ],
    "every_conversion_has_its_speed": [
        f"delete from marts.fct_speed_to_lead where {one('marts.fct_speed_to_lead', 'lead_id')}",
        "delete from marts.fct_speed_to_lead where "
        + one("marts.fct_speed_to_lead", "lead_id", "first_touch_at is null"),
        another("marts.fct_speed_to_lead", "lead_id || '!' as lead_id"),
        "update marts.fct_speed_to_lead set first_conversion_at = first_conversion_at + interval 1 second "
        f"where {one('marts.fct_speed_to_lead', 'lead_id')}",
    ],
    "qualified_leads_are_proven": [
        f"update marts.fct_qualified_leads set activity_id = activity_id || '!' where {one('marts.fct_qualified_leads', 'lead_id')}",
        f"delete from marts.fct_lead_stages where {one('marts.fct_qualified_leads', 'lead_id')}",
        f"update marts.fct_qualified_leads set persona = 'unknown' where {one('marts.fct_qualified_leads', 'lead_id')}",
        f"update marts.fct_qualified_leads set matrix_valid_from = '2001-01-01' where {one('marts.fct_qualified_leads', 'lead_id')}",
        "update policy.buyer_matrix set passes_to_sales = false where persona = 'enterprise'",
        "update policy.buyer_matrix set valid_to = '2016-01-01' where persona = 'mid_market'",
    ],
    "credits_are_worth_the_best_activity": [
        f"update marts.fct_marketing_credits set value_usd = value_usd + 1 where {one('marts.fct_marketing_credits', 'credit_id')}",
        f"delete from marts.fct_marketing_credits where {one('marts.fct_marketing_credits', 'credit_id')}",
        another("marts.fct_marketing_credits", "credit_id || '!' as credit_id"),
    ],
    "marketing_days_add_up": [
        f"update marts.fct_marketing_credits set value_usd = value_usd + 0.01 where {one('marts.fct_marketing_credits', 'credit_id')}",
        f"update marts.fct_marketing_credits set credited_date = credited_date + 1 where {one('marts.fct_marketing_credits', 'credit_id')}",
        f"delete from marts.fct_qualified_leads where {one('marts.fct_qualified_leads', 'lead_id')}",
        "delete from marts.fct_marketing_sla_daily where persona <> 'all' and "
        + one("marts.fct_marketing_sla_daily", "date_day", "persona <> 'all' and qualified_leads > 0"),
    ],
    "marketing_months_add_up": [
        "update marts.fct_marketing_sla_daily set mtd_value_usd = mtd_value_usd + 0.01 where persona = 'all' and "
        + one("marts.fct_marketing_sla_daily", "date_day"),
        "update marts.fct_marketing_sla_daily set qualified_leads = qualified_leads + 1 where persona = 'mid_market' and "
        + one("marts.fct_marketing_sla_daily", "date_day"),
    ],
    "marketing_days_are_complete": [
        f"delete from marts.fct_marketing_sla_daily where {one('marts.fct_marketing_sla_daily', 'date_day')}",
        "delete from marts.fct_marketing_sla_daily where date_day = (select max(date_day) from marts.fct_marketing_sla_daily)",
        "delete from marts.fct_marketing_sla_daily where date_day = '2026-03-15' and persona = 'enterprise'",
        "delete from marts.fct_marketing_sla_daily where persona = 'all'",
        "delete from marts.fct_marketing_sla_daily",
    ],
    "all_personas_add_up": [
        "update marts.fct_marketing_sla_daily set credited_value_usd = credited_value_usd + 0.01 where persona = 'all' and "
        + one("marts.fct_marketing_sla_daily", "date_day"),
        "update marts.fct_marketing_sla_daily set target_leads = null where persona = 'enterprise' and "
        + one("marts.fct_marketing_sla_daily", "date_day", "target_leads is not null"),
        "delete from marts.fct_marketing_sla_daily where persona = 'all' and "
        + one("marts.fct_marketing_sla_daily", "date_day", "mtd_leads > 0"),
    ],
    "sales_days_add_up": [
        f"delete from marts.fct_sales_sla_obligations where {one('marts.fct_sales_sla_obligations', 'obligation_id')}",
        *(
            f"update marts.fct_sales_sla_daily set {count} = {count} + 1 where rep_id = 'unassigned' and "
            + one("marts.fct_sales_sla_daily", "date_day", "rep_id = 'unassigned'")
            for count in ("triggered", "due", "met", "breached", "cancelled")
        ),
        "delete from marts.fct_sales_sla_daily where " + one("marts.fct_sales_sla_daily", "date_day"),
    ],
    "open_violations_add_up": [
        "delete from marts.fct_sales_sla_obligations where "
        + one("marts.fct_sales_sla_obligations", "obligation_id", "status = 'violating'"),
        "update marts.fct_sales_sla_daily set open_violations = open_violations + 1 "
        "where date_day = (select max(date_day) from marts.fct_sales_sla_daily) and "
        + one("marts.fct_sales_sla_daily", "rep_id", "open_violations > 0"),
    ],
    "violations_are_listed": [
        f"delete from marts.do_not_be_on_it where {one('marts.do_not_be_on_it', 'obligation_id')}",
        f"delete from marts.do_not_be_on_it where {one('marts.do_not_be_on_it', 'obligation_id', 'touches_total = 0')}",
        another("marts.do_not_be_on_it", "obligation_id as obligation_id"),
        another("marts.do_not_be_on_it", "obligation_id || '!' as obligation_id"),
        f"update marts.do_not_be_on_it set responsible_rep_id = 'R0' where {one('marts.do_not_be_on_it', 'obligation_id')}",
        "update marts.fct_sales_sla_obligations set status = 'violating' where "
        + one("marts.fct_sales_sla_obligations", "obligation_id", "status = 'late'"),
    ],
    "risks_are_listed": [
        f"delete from marts.due_soon where {one('marts.due_soon', 'obligation_id')}",
        another("marts.due_soon", "obligation_id as obligation_id"),
        another("marts.due_soon", "obligation_id || '!' as obligation_id"),
    ],
    "scorecards_add_up": [
        "delete from marts.rep_scorecard where rep_id = 'unassigned'",
        f"update marts.rep_scorecard set met = met + 1 where {one('marts.rep_scorecard', 'week_start_date')}",
        f"update marts.rep_scorecard set week_start_date = week_start_date + 1 where {one('marts.rep_scorecard', 'rep_id')}",
    ],
    "obligations_do_not_overlap": [
        another(
            "marts.fct_sales_sla_obligations",
            "obligation_id || '!' as obligation_id, triggered_at + interval 1 second as triggered_at",
            "satisfied_at is null",
        ),
    ],
    "no_trigger_is_ignored": [
        "delete from marts.fct_sales_sla_obligations where "
        + one("marts.fct_sales_sla_obligations", "obligation_id", "trigger_activity_id is not null"),
        "delete from marts.fct_sales_sla_obligations where "
        + one("marts.fct_sales_sla_obligations", "obligation_id", "touches_total = 0"),
        # A rule that nobody ever applied.
        "update policy.sales_sla_rules set rule_id = 'another' where rule_id = 'new_lead_touch'",
    ],
    "rules_were_in_force": [
        "update policy.sales_sla_rules set required_touches = required_touches + 1 where rule_id = 'trial_calls'",
        "update policy.sales_sla_rules set valid_to = '2016-01-01' where rule_id = 'qualified_touch'",
        "update policy.sales_sla_rules set within_hours = within_hours + 1 where rule_id = 'new_lead_touch'",
        "update policy.sales_sla_rules set persona = 'enterprise' where rule_id = 'demo_touches'",
        "delete from policy.sales_sla_rules where rule_id = 'demo_touches'",
    ],
    "funnel_adds_up": [
        "delete from marts.fct_funnel_monthly where lead_source is null",
        f"update marts.fct_funnel_monthly set leads = leads + 1 where {one('marts.fct_funnel_monthly', 'created_month')}",
        f"update marts.fct_funnel_monthly set won_value_usd = won_value_usd + 0.01 where {one('marts.fct_funnel_monthly', 'created_month')}",
        f"delete from marts.fct_qualified_leads where {one('marts.fct_qualified_leads', 'lead_id')}",
        f"delete from marts.fct_sales_touches where {one('marts.fct_sales_touches', 'lead_id')}",
        f"update marts.dim_leads set won_at = null where {one('marts.dim_leads', 'lead_id', 'won_at is not null and not is_merged')}",
        f"update marts.fct_funnel_monthly set contacted = contacted + 1 where {one('marts.fct_funnel_monthly', 'created_month')}",
        f"update marts.fct_funnel_monthly set deals = deals + 1 where {one('marts.fct_funnel_monthly', 'created_month')}",
        f"update marts.dim_leads set won_value_usd = 0.01 where {one('marts.dim_leads', 'lead_id', 'not is_merged')}",
    ],
    "activities_have_known_leads": [
        another("staging.stg_crm__activities", "'nobody' as lead_id"),
        another("staging.stg_crm__owner_changes", "'nobody' as lead_id"),
        another("staging.stg_crm__deals", "'nobody' as lead_id"),
    ],
    "activities_have_known_types": ["delete from policy.activity_types where activity_type = 'call'"],
    "reps_are_known": [
        f"delete from staging.stg_crm__reps where {one('staging.stg_crm__reps', 'rep_id')}",
        another("staging.stg_crm__lead_versions", "'nobody' as owner_id", "is_current"),
        another("staging.stg_crm__owner_changes", "'nobody' as owner_id"),
        another("staging.stg_crm__activities", "'nobody' as actor_id", "not is_automated"),
        another("staging.stg_crm__deals", "'nobody' as owner_id"),
    ],
    "calendars_are_known": ["update staging.stg_crm__reps set calendar_id = 'moon'"],
    "merges_have_survivors": [
        another(
            "intermediate.int_leads__records",
            "-1 as lead_number, lead_id || '!' as lead_id, 'nobody' as merged_into_lead_id",
        ),
        f"delete from intermediate.int_leads__merges where {one('intermediate.int_leads__merges', 'lead_number')}",
    ],
    "rows_are_not_in_the_future": [
        *(
            another(f"raw.{table}", f"'9999-01-01' as {column}", VISIBLE)
            for table, column in (
                ("leads", "updated_at"),
                ("leads", "opted_out_at"),
                ("activities", "occurred_at"),
                ("owner_changes", "changed_at"),
                ("deals", "closed_at"),
            )
        )
    ],
    "won_deals_are_closed": ["update staging.stg_crm__deals set closed_at = null where status = 'won'"],
    "credits_have_a_month": [
        f"update marts.fct_marketing_credits set persona = 'unknown' where {one('marts.fct_marketing_credits', 'credit_id')}",
        "delete from policy.buyer_matrix where persona = 'enterprise'",
    ],
}

# Integrity test -> changes that look like breakages, and are none.
HARMLESS: dict[str, list[str]] = {
    "raw_versions_do_not_conflict": [
        "insert into raw.leads select * from raw.leads",
        "insert into raw.activities select * from raw.activities",
        another("raw.activities", "asset || '!' as asset, timestamp '9999-01-01' as _loaded_at"),
    ],
    "raw_required_columns_are_filled": ["update raw.leads set owner_id = null, email = null, merged_at = null"],
    "no_lead_is_lost": [
        "insert into raw.leads select * from raw.leads",
        another("raw.leads", "lead_id || '!' as lead_id, timestamp '9999-01-01' as _loaded_at"),
        another("raw.leads", "lead_id || '!' as lead_id, timestamp '9999-01-01' as created_at", VISIBLE),
        another("raw.leads", "lead_id || '!' as lead_id, true as is_test", VISIBLE),
    ],
    "won_deals_are_closed": ["delete from staging.stg_crm__deals"],
}


def pairs(statements: dict[str, list[str]]) -> list:
    return [
        pytest.param(test, statement, id=f"{test}-{number}")
        for test, listed in statements.items()
        for number, statement in enumerate(listed, 1)
    ]


@pytest.fixture(scope="module")
def sample(sample_build: ProjectCopy) -> Iterator[duckdb.DuckDBPyConnection]:
    """The built sample, in memory and without constraints, so that it can be broken."""
    connection = connect()
    connection.execute(f"attach '{sample_build.warehouse}' as built (read_only)")
    relations = connection.execute(
        "select table_schema, table_name from information_schema.tables "
        "where table_catalog = 'built' and table_schema in ('raw', 'policy', 'staging', 'intermediate', 'marts')"
    ).fetchall()
    for schema, name in relations:
        connection.execute(f'create table {DATABASE}.{schema}."{name}" as select * from built.{schema}."{name}"')
    connection.execute(f"use {DATABASE}")
    yield connection
    connection.close()


def reported(connection: duckdb.DuckDBPyConnection, test: DataTest, statement: str) -> set[str]:
    """What a test says after a statement, and did not say before; the statement leaves no trace."""
    before = set(test.problems(connection))
    assert not before or test.severity == "warn", f"The sample itself is broken: {sorted(before)[:3]}"
    connection.execute("begin")
    try:
        changed = connection.execute(statement).fetchall()[0][0]
        assert changed, "The statement changed nothing: the sample has no such row"
        return set(test.problems(connection)) - before
    finally:
        connection.execute("rollback")


@pytest.mark.parametrize(("test", "statement"), pairs(BREAKAGES))
def test_a_breakage_is_reported(sample: duckdb.DuckDBPyConnection, test: str, statement: str) -> None:
    assert reported(sample, compiled_tests()[test], statement)


@pytest.mark.parametrize(("test", "statement"), pairs(HARMLESS))
def test_what_is_harmless_is_not_reported(sample: duckdb.DuckDBPyConnection, test: str, statement: str) -> None:
    assert not reported(sample, compiled_tests()[test], statement)


def test_every_integrity_test_has_a_breakage() -> None:
    files = {path.stem for path in (PROJECT / "tests/integrity").rglob("*.sql")}
    assert files == set(BREAKAGES)


def test_every_integrity_test_is_tagged_and_of_the_severity_of_its_folder() -> None:
    for name in BREAKAGES:
        test = compiled_tests()[name]
        assert "integrity" in test.tags
        assert test.severity == ("warn" if "warnings" in Path(test.node["original_file_path"]).parts else "error")


def constraints() -> dict[str, dict]:
    """Mart -> its entry in the YAML beside it."""
    files = sorted(path for path in (PROJECT / "models/marts").rglob("*.yml") if not path.name.endswith(".unit.yml"))
    return {model["name"]: model for path in files for model in yaml.safe_load(path.read_text()).get("models", [])}


def test_the_constraints_of_the_yaml_are_those_of_the_built_marts(built_warehouse: Path) -> None:
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        rows = connection.execute(
            "select table_name, constraint_type, count(*) from duckdb_constraints() where schema_name = 'marts' group by all"
        ).fetchall()
    built = {(table, kind): number for table, kind, number in rows}
    for name, mart in constraints().items():
        declared = [constraint["type"] for constraint in mart.get("constraints", [])]
        not_null = [
            column["name"] for column in mart["columns"] if {"type": "not_null"} in column.get("constraints", [])
        ]
        # A key is checked by a query whenever the mart is written (test_increments.py breaks some): an index costs more.
        assert (name, "PRIMARY KEY") not in built, name
        assert built.get((name, "CHECK"), 0) == declared.count("check"), name
        assert built.get((name, "NOT NULL"), 0) == len(not_null), name


def complaints(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """What the integrity tests, and the constraints of the marts, have against the tables of a connection."""
    found = [
        f"{test.name}: {problem}"
        for test in compiled_tests().values()
        if "integrity" in test.tags and test.severity == "error"
        for problem in test.problems(connection)
    ]
    for name, mart in constraints().items():
        conditions = [
            constraint["expression"] for constraint in mart.get("constraints", []) if constraint["type"] == "check"
        ]
        conditions += [f"{column['name']} is not null" for column in mart["columns"] if column.get("constraints")]
        broken = " union all ".join(
            f"select $${condition}$$ from marts.{name} where not ({condition})" for condition in conditions
        )
        for constraint in mart.get("constraints", []):
            if constraint["type"] == "primary_key":
                key = ", ".join(constraint["columns"])
                broken += f" union all select 'key {key}' from marts.{name} group by {key} having count(*) > 1"
        found += [f"{name}: {row[0]}" for row in connection.execute(broken).fetchall()]
    return found


@lru_cache
def memory() -> duckdb.DuckDBPyConnection:
    connection = connect()
    connection.execute(f"use {DATABASE}")
    return connection


def false_alarms(case: Case) -> list[str]:
    # The tests are compiled for days of UTC. Without a single raw row there is no instant: the_clock_is_set reports it.
    settings = replace(case.settings, reporting_time_zone="UTC")
    if settings.as_of is None and not any(case.raw.values()):
        return []
    build(memory(), case.raw, case.policy, settings)
    return complaints(memory())


@pytest.mark.parametrize("numbers", companies(quick=12, long=2000, parts=1), ids=str)
def test_a_company_that_is_only_unusual_raises_no_alarm(numbers: range) -> None:
    hold(false_alarms, numbers)
