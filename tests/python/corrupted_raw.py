"""A copy of landed tables in which everything is wrong that the gate looks for.

Which rows are wrong is told a second time here, in plain SQL over the corrupted files, so that a test can compare what the gate
names with what is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

NOW = "timestamp '2026-06-18 15:00:00'"

# What becomes of the columns of a table; `n` numbers its rows from 1. Where more than a share of rows must be wrong, every
# third or fifth is.
_CHANGES: dict[str, dict[str, str]] = {
    "leads": {
        "lead_id": "case n when 1 then null when 2 then '  ' else lead_id end",
        "created_at": "case when n = 3 then null when n % 20 = 4 then timestamp '1970-01-01' when n % 20 = 5 then updated_at + interval 1 day else created_at end",
        "updated_at": f"case when n = 6 then null when n % 20 = 7 then timestamp '1900-01-01' when n % 20 = 8 then {NOW} + interval 3 day else updated_at end",
        "disqualified_at": "case when n % 20 = 9 then timestamp '1970-01-01' else disqualified_at end",
        "opted_out_at": "case when n % 20 = 10 then timestamp '1970-01-01' else opted_out_at end",
        "merged_at": "case when n % 20 = 11 then timestamp '1970-01-01' else merged_at end",
        "employee_count": "case when n % 3 > 0 then null when n % 2 = 0 then -5 else employee_count end",
        "owner_id": "case when n % 20 = 12 then 'R77' else owner_id end",
        "merged_into_lead_id": "case when n % 20 = 13 then 'L-gone' else merged_into_lead_id end",
        "_loaded_at": f"case when n = 14 then null when n = 15 then timestamp '1970-01-01' when n % 20 = 16 then timestamp '1980-01-01' when n = 17 then {NOW} + interval 2 hour else _loaded_at end",
    },
    "activities": {
        "activity_id": "case n when 1 then null when 2 then '' else activity_id end",
        "lead_id": "case when n = 3 then null when n % 4 = 0 then 'L-gone' else lead_id end",
        "activity_type": "case when n = 5 then null when n % 4 = 1 then 'telex' else activity_type end",
        "occurred_at": f"case when n = 6 then null when n % 20 = 7 then timestamp '1970-01-01' when n % 20 = 10 then {NOW} + interval 3 day when n % 20 = 11 then _loaded_at + interval 6 hour else occurred_at end",
        "actor_id": "case when n % 20 = 14 then 'R77' else actor_id end",
        "is_automated": "case when n % 20 = 14 then false else is_automated end",
        "_loaded_at": f"case when n = 15 then null when n % 20 = 18 then timestamp '1970-01-01' when n = 19 then {NOW} + interval 2 hour else _loaded_at end",
    },
    "owner_changes": {
        "lead_id": "case when n = 1 then null when n % 4 = 2 then 'L-gone' else lead_id end",
        "owner_id": "case when n % 20 = 3 then 'R77' else owner_id end",
        "changed_at": f"case when n = 4 then null when n % 20 = 5 then timestamp '1970-01-01' when n % 20 = 7 then {NOW} + interval 3 day when n % 20 = 8 then _loaded_at + interval 6 hour else changed_at end",
        "_loaded_at": f"case when n = 9 then null when n % 20 = 11 then timestamp '1970-01-01' when n = 12 then {NOW} + interval 2 hour else _loaded_at end",
    },
    "reps": {
        "rep_id": "case n when 1 then null else rep_id end",
        "full_name": "case n when 2 then ' ' else full_name end",
        "manager_id": "case when n <= 10 then 'R77' else manager_id end",
        "calendar_id": "case when n % 3 = 0 then 'mars' else calendar_id end",
        "personas": "case n when 4 then 'mid_market|huge' else personas end",
        "active_from": "case n when 5 then null when 6 then date '1970-01-01' when 7 then date '2030-01-01' else active_from end",
        "active_to": "case n when 7 then date '2029-01-01' when 8 then date '1900-01-01' else active_to end",
        "_loaded_at": f"case n when 9 then null when 10 then timestamp '1970-01-01' when 11 then {NOW} + interval 2 hour else _loaded_at end",
    },
    "deals": {
        "deal_id": "case n when 1 then null when 2 then '' else deal_id end",
        "lead_id": "case when n = 3 then null when n % 4 = 0 then 'L-gone' else lead_id end",
        "owner_id": "case when n % 20 = 5 then 'R77' else owner_id end",
        "status": "case when n = 6 then null when n % 4 = 1 then 'Won!' when n % 4 = 2 then 'won' else status end",
        "amount": "case when n % 8 = 2 then null when n % 8 in (3, 5) then -100 else amount end",
        "created_at": f"case when n = 7 then null when n % 20 = 8 then timestamp '1970-01-01' when n % 20 = 9 then {NOW} + interval 3 day else created_at end",
        "closed_at": "case when n % 20 = 10 then timestamp '1970-01-01' when n % 20 = 13 then created_at - interval 1 day when n % 4 = 2 then null else closed_at end",
        "updated_at": "case when n = 11 then null when n % 20 = 12 then timestamp '1970-01-01' when n % 20 = 14 then _loaded_at + interval 6 hour when n % 20 = 15 then created_at - interval 1 day else updated_at end",
        "_loaded_at": f"case when n = 16 then null when n % 20 = 17 then timestamp '1970-01-01' when n = 18 then {NOW} + interval 2 hour else _loaded_at end",
    },
}
# A column of each table that tells two conflicting versions apart, and which rows get a conflicting twin.
_CONFLICT = {
    "leads": "country_code",
    "activities": "outcome",
    "owner_changes": "owner_id",
    "reps": "team",
    "deals": "amount",
}
_ID = {
    "leads": "lead_id",
    "activities": "activity_id",
    "owner_changes": "lead_id",
    "reps": "rep_id",
    "deals": "deal_id",
}


def corrupt(raw: Path, folder: Path) -> None:
    """Write a corrupted copy of `raw` to `folder`: one file a table."""
    with duckdb.connect() as connection:
        for table, changes in _CHANGES.items():
            (folder / table).mkdir(parents=True)
            changed = ", ".join(f"{expression} as {column}" for column, expression in changes.items())
            twin = "null" if table == "owner_changes" else "'7'"
            connection.execute(f"""
                create table {table} as
                with numbered as (
                    select row_number() over () as n, *
                    from (from read_parquet('{raw}/{table}/**/*.parquet', hive_partitioning = false) order by all)
                ),
                changed as (select * replace ({changed}) from numbered),
                twins as (
                    select * replace (cast({twin} as {"decimal(18,2)" if table == "deals" else "varchar"}) as {_CONFLICT[table]})
                    from changed
                    where n = 13 and {_ID[table]} is not null
                )
                select * exclude (n) from changed
                union all select * exclude (n) from twins
                union all select * exclude (n) from changed where n % 5 = 1
            """)
            connection.execute(f"copy {table} to '{folder}/{table}/all.parquet' (format parquet)")


def wrong_rows(folder: Path) -> Mapping[tuple[str, str], tuple[int, set[str]]]:
    """Give how many rows each check must find, and their ids, by (table, check)."""
    found = {}
    with duckdb.connect() as connection:
        for table in _CHANGES:
            connection.execute(f"create view {table} as from read_parquet('{folder}/{table}/*.parquet')")
        for (table, check), condition in _conditions().items():
            ids = connection.execute(
                f"select coalesce({_ID[table]}, '') from {table} as row where {condition}"
            ).fetchall()
            found[table, check] = len(ids), {row_id.strip() for (row_id,) in ids}
    return found


def _conditions() -> dict[tuple[str, str], str]:
    """Say for each check, a second time and otherwise than the gate, which rows are wrong."""
    required = {
        "leads": ("lead_id", "created_at", "updated_at", "_loaded_at"),
        "activities": ("activity_id", "lead_id", "activity_type", "occurred_at", "_loaded_at"),
        "owner_changes": ("lead_id", "changed_at", "_loaded_at"),
        "reps": ("rep_id", "full_name", "active_from", "_loaded_at"),
        "deals": ("deal_id", "lead_id", "status", "created_at", "updated_at", "_loaded_at"),
    }
    instants = {
        "leads": ("created_at", "updated_at", "disqualified_at", "opted_out_at", "merged_at", "_loaded_at"),
        "activities": ("occurred_at", "_loaded_at"),
        "owner_changes": ("changed_at", "_loaded_at"),
        "reps": ("active_from", "active_to", "_loaded_at"),
        "deals": ("created_at", "closed_at", "updated_at", "_loaded_at"),
    }
    happenings = {
        "leads": ("created_at", "updated_at"),
        "activities": ("occurred_at",),
        "owner_changes": ("changed_at",),
        "deals": ("created_at", "updated_at"),
    }
    keys = {
        "leads": ("lead_id", "updated_at", "_loaded_at"),
        "activities": ("activity_id", "_loaded_at"),
        "owner_changes": ("lead_id", "changed_at", "_loaded_at"),
        "reps": ("rep_id", "_loaded_at"),
        "deals": ("deal_id", "updated_at", "_loaded_at"),
    }
    found: dict[tuple[str, str], str] = {}
    for table in _CHANGES:
        for column in required[table]:
            found[table, f"{column}_is_filled"] = f"coalesce(trim({column}::varchar), '') = ''"
        for column in instants[table]:
            earliest = "1970-01-02" if column.startswith("active") else "2000-01-01"
            found[table, f"{column}_is_a_real_date"] = f"{column} < '{earliest}'"
        found[table, "loads_are_not_ahead"] = f"_loaded_at > {NOW} + interval 1 hour"
        same = " and ".join(f"other.{column} = row.{column}" for column in keys[table])
        found[table, "versions_do_not_conflict"] = (
            f"exists (from {table} as other where {same} and to_json(other) <> to_json(row))"
        )
        if table in happenings:
            ahead = [f"{column} > {NOW} + interval 5 minute" for column in instants[table] if column != "_loaded_at"]
            found[table, "nothing_lies_ahead"] = " or ".join(ahead)
            found[table, "nothing_happens_after_its_load"] = " or ".join(
                f"({column} > _loaded_at + interval 5 minute and {column} <= {NOW} + interval 5 minute)"
                for column in happenings[table]
            )
    for table in ("activities", "owner_changes", "deals"):
        found[table, "lead_is_known"] = "lead_id not in (select lead_id from leads where lead_id is not null)"
    unknown_rep = "not in (select rep_id from reps where rep_id is not null)"
    for table in ("leads", "owner_changes", "deals"):
        found[table, "owner_is_known"] = f"owner_id {unknown_rep}"
    found["activities", "actor_is_known"] = f"actor_id {unknown_rep} and is_automated is not true"
    found["activities", "type_is_known"] = "activity_type in ('telex', 'chat')"
    found["leads", "employees_are_believable"] = "employee_count < 0"
    found["leads", "employees_are_known"] = "employee_count is null"
    found["leads", "survivor_is_known"] = (
        "merged_into_lead_id not in (select lead_id from leads where lead_id is not null)"
    )
    found["leads", "updated_after_creation"] = "updated_at < created_at"
    found["deals", "updated_after_creation"] = "updated_at < created_at"
    found["deals", "closed_after_creation"] = "closed_at < created_at"
    found["deals", "status_is_known"] = "status = 'Won!'"
    found["deals", "amount_is_not_negative"] = "amount < 0"
    found["deals", "won_deals_have_an_amount"] = "status = 'won' and amount is null"
    found["deals", "won_deals_are_closed"] = "status = 'won' and closed_at is null"
    found["reps", "calendar_is_known"] = "calendar_id in ('mars', 'singapore')"
    found["reps", "manager_is_known"] = f"manager_id {unknown_rep}"
    found["reps", "personas_are_known"] = "personas like '%huge%'"
    found["reps", "leaves_after_joining"] = "active_to < active_from"
    return found
