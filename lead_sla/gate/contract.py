"""The raw contract as the gate reads it: models/staging/crm/_crm__sources.yml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from lead_sla.raw import CONTRACT

# What tells two versions of one record apart: the id and the ordering columns of semantics. Rows that are equal in these
# and different in anything else leave it to chance which of them counts.
VERSION_KEYS = {
    "leads": ("lead_id", "updated_at", "_loaded_at"),
    "activities": ("activity_id", "_loaded_at"),
    "owner_changes": ("lead_id", "changed_at", "_loaded_at"),
    "reps": ("rep_id", "_loaded_at"),
    "deals": ("deal_id", "updated_at", "_loaded_at"),
}


@dataclass(frozen=True)
class Column:
    """A column of a raw table."""

    name: str
    data_type: str
    is_optional: bool


@dataclass(frozen=True)
class Table:
    """A raw table.

    Attributes:
        name: its name in schema `raw`.
        is_optional: it may be missing altogether.
        columns: in the order of the contract.
        warn_after: the age of the newest load from which it is late; None for never.
        error_after: the age from which it is too old to be built upon; None for never.
    """

    name: str
    is_optional: bool
    columns: tuple[Column, ...]
    warn_after: timedelta | None
    error_after: timedelta | None

    @property
    def version_key(self) -> tuple[str, ...]:
        """The id and the ordering columns."""
        return VERSION_KEYS[self.name]

    def instants(self) -> list[Column]:
        """The columns that hold an instant or a day."""
        return [column for column in self.columns if column.data_type in ("timestamp", "date")]


def read_contract(project: Path) -> list[Table]:
    """Read the raw contract, in its order.

    Args:
        project: the folder of dbt_project.yml.
    """
    page = yaml.safe_load((project / CONTRACT).read_text(encoding="utf-8"))
    tables = []
    for source in page["sources"]:
        of_source = source.get("config", {}).get("freshness")
        for table in source["tables"]:
            freshness = table.get("config", {}).get("freshness", of_source) or {}
            tables.append(
                Table(
                    name=table["name"],
                    is_optional=_is_optional(table),
                    columns=tuple(
                        Column(column["name"], column["data_type"], _is_optional(column)) for column in table["columns"]
                    ),
                    warn_after=_age(freshness.get("warn_after")),
                    error_after=_age(freshness.get("error_after")),
                )
            )
    return tables


def _is_optional(item: Mapping[str, Any]) -> bool:
    return bool(item.get("config", {}).get("meta", {}).get("optional"))


def _age(limit: Mapping[str, Any] | None) -> timedelta | None:
    return timedelta(**{f"{limit['period']}s": limit["count"]}) if limit else None
