"""The columns of the raw tables, and rows that name only what matters."""

from typing import Any

from reference.settings import Row

RAW_COLUMNS: dict[str, tuple[str, ...]] = {
    "leads": (
        "lead_id",
        "created_at",
        "updated_at",
        "email",
        "company_name",
        "employee_count",
        "country_code",
        "lead_source",
        "owner_id",
        "disqualified_at",
        "disqualified_reason",
        "opted_out_at",
        "merged_into_lead_id",
        "merged_at",
        "is_test",
        "is_deleted",
        "_loaded_at",
    ),
    "activities": (
        "activity_id",
        "lead_id",
        "activity_type",
        "occurred_at",
        "actor_id",
        "is_automated",
        "outcome",
        "asset",
        "is_deleted",
        "_loaded_at",
    ),
    "owner_changes": ("lead_id", "owner_id", "changed_at", "_loaded_at"),
    "reps": (
        "rep_id",
        "full_name",
        "email",
        "team",
        "manager_id",
        "calendar_id",
        "personas",
        "active_from",
        "active_to",
        "_loaded_at",
    ),
    "deals": (
        "deal_id",
        "lead_id",
        "owner_id",
        "amount",
        "status",
        "created_at",
        "closed_at",
        "updated_at",
        "_loaded_at",
    ),
}

ORDERING: dict[str, tuple[str, ...]] = {
    "leads": ("lead_id", "updated_at", "_loaded_at"),
    "activities": ("activity_id", "_loaded_at"),
    "owner_changes": ("lead_id", "changed_at", "_loaded_at"),
    "reps": ("rep_id", "_loaded_at"),
    "deals": ("deal_id", "updated_at", "_loaded_at"),
}
"""What tells the versions of a record apart: rows that agree in it agree in everything."""


def raw_row(table: str, **values: Any) -> Row:
    """A row of a raw table with every column of the contract, null where nothing is given."""
    unknown = set(values) - set(RAW_COLUMNS[table])
    if unknown:
        raise KeyError(f"{table} has no {sorted(unknown)}")
    return {column: values.get(column) for column in RAW_COLUMNS[table]}
