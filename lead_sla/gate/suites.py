"""What the gate expects of the landed tables, and the Great Expectations files that say so.

This is the place to edit. `python -m lead_sla.gate.suites` writes `gx/` and the tables of docs/data-checks.md from it and
from the raw contract; a test sees that they are in step.

Every expectation looks at one column of a table that `lead_sla/gate/sql` makes: a landed column, or one that says what is
wrong with a row and is null where nothing is (`unknown_lead`, `conflict`). Great Expectations counts, compares with the
allowed share, and names the rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import yaml

from lead_sla.gate.contract import Table, read_contract
from lead_sla.settings import find_project

ERROR, WARNING = "error", "warning"
LOADER, CRM_ADMIN, SALES_OPS = "loader", "CRM admin", "Sales ops"

FOLDER = "gx"
DOCS = Path("docs/data-checks.md")
DATA_SOURCE = "landed"
SCRATCH_VARIABLE = "LEAD_SLA_GATE_SCRATCH"
# The columns first: rows whose columns do not fit the contract cannot be looked at.
CHECKPOINTS = {"columns": ("columns",), "rows": ("loads", "leads", "activities", "owner_changes", "reps", "deals")}
SHOWN_ROWS = 20

_EARLIEST = "2000-01-01"
_SOME, _MANY = 0.001, 0.01


@dataclass(frozen=True)
class Check:
    """One thing that is expected of one column.

    Attributes:
        name: unique in its suite.
        column: the column that is looked at.
        kind: `filled` (no null), `empty` (null: the column says what is wrong), `between`, or `one_of`.
        expects: what is expected, a sentence without its full stop.
        finds: what is wrong where it is not so, after "12 of 300 rows"; empty where the column is the sentence itself.
        todo: what follows, and what to do: sentences.
        why: why the bound is where it is, and of this severity: a sentence without its full stop.
        mends: who mends it.
        warn_above: the share of rows above which it is a warning; None for no warning.
        error_above: the share of rows above which it stops the run; None for never.
        bounds: arguments of the expectation: `min_value`, `max_value`, `value_set`.
    """

    name: str
    column: str
    kind: str
    expects: str
    finds: str
    todo: str
    why: str
    mends: str
    warn_above: float | None = None
    error_above: float | None = None
    bounds: tuple[tuple[str, Any], ...] = ()

    def severities(self) -> Iterator[tuple[str, float]]:
        """Give each severity with the share that is allowed: the error first."""
        if self.error_above is not None:
            yield ERROR, self.error_above
        if self.warn_above is not None:
            yield WARNING, self.warn_above


def suites(contract: list[Table]) -> dict[str, list[Check]]:
    """Give every suite with its checks."""
    own = {
        "leads": _leads(),
        "activities": _activities(),
        "owner_changes": _owner_changes(),
        "reps": _reps(),
        "deals": _deals(),
    }
    return {
        "columns": _columns(),
        "loads": _loads(),
        **{table.name: [*_of_every_table(table), *own[table.name]] for table in contract},
    }


def _columns() -> list[Check]:
    """Of the table of columns: one row per column of the contract or of the landed files."""
    return [
        Check(
            "fits_the_contract",
            "problem",
            "empty",
            "Every column of the contract is landed, in the type of the contract",
            "",
            "Nothing else was looked at.",
            "the build would refuse it",
            LOADER,
            error_above=0,
        ),
        Check(
            "is_in_the_contract",
            "unknown",
            "empty",
            "Nothing is landed that the contract does not know",
            "",
            "Nothing reads it: take it out of the load if it is personal data, or add it to the contract.",
            "it does no harm to the marts, but is often a renamed column or personal data that nobody asked for",
            LOADER,
            warn_above=0,
        ),
    ]


def _loads() -> list[Check]:
    """Of the table of loads: one row per raw table."""
    return [
        Check(
            "is_fresh_enough",
            "too_old",
            "empty",
            "The newest load is younger than `error_after` of the contract",
            "",
            "Look at the loader: what happened since then is unknown, and no deadline since then can be judged.",
            "past this age the marts would be old news",
            LOADER,
            error_above=0,
        ),
        Check(
            "is_fresh",
            "late",
            "empty",
            "The newest load is younger than `warn_after` of the contract",
            "",
            "Look at the loader: what happened since then is unknown.",
            "the marts say `unknown since`, and never `no violations`",
            LOADER,
            warn_above=0,
        ),
        Check(
            "keeps_its_rows",
            "lost_many_rows",
            "empty",
            "No more than 1 % of the rows of the last good check have gone",
            "",
            "The raw tables are append-only: land the missing files again. If they were taken away on purpose: `lead-sla check --accept-counts`.",
            "a folder that was lost takes breaches and credits with it",
            LOADER,
            error_above=0,
        ),
        Check(
            "loses_no_row",
            "lost_some_rows",
            "empty",
            "No row of the last good check has gone",
            "",
            "The raw tables are append-only: see what took rows away.",
            "removing duplicates is harmless, anything else is not",
            LOADER,
            warn_above=0,
        ),
        Check(
            "brings_enough",
            "fewer_rows",
            "empty",
            "The new rows of a day are not far fewer than on the days before (median and median deviation)",
            "",
            "See whether the load broke off, or the CRM was quiet.",
            "half a load looks like a quiet day",
            LOADER,
            warn_above=0,
        ),
        Check(
            "brings_not_too_much",
            "more_rows",
            "empty",
            "The new rows of a day are not far more than on the days before (median and median deviation)",
            "",
            "See whether everything was loaded again, or imported in bulk.",
            "a full reload or an import looks like a busy day",
            LOADER,
            warn_above=0,
        ),
    ]


def _of_every_table(table: Table) -> list[Check]:
    """What is expected of every raw table, from the contract."""
    checks = [
        Check(
            f"{column.name}_is_filled",
            column.name,
            "filled",
            f"`{column.name}` is filled in",
            f"have no {column.name}",
            "Fill it in where the rows come from, and land them again.",
            "the contract does not call it optional, and the models rely on it",
            LOADER,
            error_above=0,
        )
        for column in table.columns
        if not column.is_optional
    ]
    checks += [
        Check(
            f"{column.name}_is_a_real_date",
            column.name,
            "between",
            f"`{column.name}` is not before {earliest}",
            f"have {_a(column.name)} before {earliest}",
            "A date that nobody set is often 1970 or 1900: correct it, or load it as null where it is optional.",
            "single typing errors move single leads; a whole column of them is a loader that turns null into a date",
            LOADER,
            warn_above=_SOME,
            error_above=_MANY,
            bounds=(("min_value", earliest),),
        )
        for column in table.instants()
        for earliest in ["1970-01-02" if column.data_type == "date" else _EARLIEST]
    ]
    key = ", ".join(table.version_key)
    checks += [
        Check(
            "versions_do_not_conflict",
            "conflict",
            "empty",
            f"Versions that are equal in {key} are equal in everything",
            f"are versions with one {key} and different content",
            "Which of them counts is left to chance: take back all but one, or land the right one again with a later _loaded_at.",
            "the marts would not come out the same twice",
            LOADER,
            error_above=0,
        ),
        Check(
            "rows_are_not_repeated",
            "repetition",
            "empty",
            "No row is there twice, equal in every column",
            "repeat another row in every column",
            "They count once: see whether a file was loaded twice.",
            "exact duplicates count once; a tenth of them means a load that runs twice",
            LOADER,
            warn_above=0.1,
        ),
        Check(
            "loads_are_not_ahead",
            "loaded_ahead_of_now",
            "empty",
            "`_loaded_at` does not lie more than an hour ahead of the check's clock",
            "claim a _loaded_at more than an hour ahead of now",
            "Set the loader's clock (or this machine's), and land the rows again.",
            "without `as_of` the newest load is the present: one that lies ahead makes every pending promise late",
            LOADER,
            error_above=0,
        ),
    ]
    if table.name != "reps":
        checks += [
            Check(
                "nothing_happens_after_its_load",
                "ahead_of_load",
                "empty",
                "Nothing happened more than five minutes after it was loaded",
                "happened after they were loaded",
                "A clock runs ahead, or times are local and not UTC: see which.",
                "single clocks run ahead; a share of them means local times, which are hours wrong",
                LOADER,
                warn_above=0.02,
            ),
            Check(
                "nothing_lies_ahead",
                "ahead_of_now",
                "empty",
                "Nothing lies in the future",
                "lie in the future",
                "They stay hidden until then: correct the dates, or the clock that set them.",
                "the future is hidden until it comes, and breaks nothing",
                CRM_ADMIN,
                warn_above=0.02,
            ),
        ]
    return checks


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _known_lead(what: str) -> Check:
    return Check(
        "lead_is_known",
        "unknown_lead",
        "empty",
        "`lead_id` is in raw leads",
        "are of leads that raw leads does not have",
        "They count for nobody: land the leads.",
        f"single ones count for nobody; a fifth of all {what} means that half of the leads were not loaded",
        LOADER,
        warn_above=0.01,
        error_above=0.2,
    )


def _known_owner(column: str = "owner_id", check: str = "owner_is_known", of: str = "unknown_owner") -> Check:
    return Check(
        check,
        of,
        "empty",
        f"`{column}` is in raw reps, or null",
        "name reps that raw reps does not have",
        "The lists show the id alone, without a name or a team: land the reps.",
        "an unknown rep is kept by id",
        SALES_OPS,
        warn_above=0.02,
    )


def _not_before_creation(column: str, of: str) -> Check:
    return Check(
        f"{of}_after_creation",
        f"{of}_too_early",
        "empty",
        f"`{column}` is not before `created_at`",
        f"have {_a(column)} before their created_at",
        "See which of the two is wrong.",
        "the first version holds from created_at on; many of them mean that two time zones were mixed",
        CRM_ADMIN,
        warn_above=0.01,
    )


def _leads() -> list[Check]:
    return [
        _known_owner(),
        Check(
            "employees_are_believable",
            "employee_count",
            "between",
            "`employee_count` is between 0 and 5,000,000",
            "have an employee_count below 0 or above 5,000,000",
            "The persona is read from it: correct the number.",
            "single ones give single leads a wrong persona; a tenth means a wrong column",
            CRM_ADMIN,
            warn_above=_SOME,
            error_above=0.1,
            bounds=(("min_value", 0), ("max_value", 5_000_000)),
        ),
        Check(
            "employees_are_known",
            "no_employee_count",
            "empty",
            "`employee_count` is filled in, where it is landed at all",
            "have no employee_count",
            "Their persona is unknown, and they cannot qualify: enrich them.",
            "enrichment is never complete; where it misses every second lead, qualification tells little",
            CRM_ADMIN,
            warn_above=0.5,
        ),
        Check(
            "survivor_is_known",
            "unknown_survivor",
            "empty",
            "`merged_into_lead_id` is in raw leads, or null",
            "are merged into leads that raw leads does not have",
            "They stay unmerged, so that a person may count twice: land the survivors.",
            "a merge without its survivor does not happen",
            CRM_ADMIN,
            warn_above=0.01,
        ),
        _not_before_creation("updated_at", "updated"),
    ]


def _activities() -> list[Check]:
    return [
        _known_lead("activities"),
        Check(
            "type_is_known",
            "unknown_activity_type",
            "empty",
            "`activity_type` is in the policy seed activity_types",
            "are of activity types that the seed activity_types does not have",
            "They count as system, neither touch nor conversion: add the types there, or map them in staging.",
            "an unknown type is `system`; a fifth of all activities means that a type was renamed, and that touches do not count",
            SALES_OPS,
            warn_above=0.01,
            error_above=0.2,
        ),
        _known_owner("actor_id", "actor_is_known", "unknown_actor"),
    ]


def _owner_changes() -> list[Check]:
    return [_known_lead("owner changes"), _known_owner()]


def _reps() -> list[Check]:
    return [
        Check(
            "calendar_is_known",
            "unknown_calendar",
            "empty",
            "`calendar_id` is in the policy seed business_calendars, or null",
            "are on calendars that the seed business_calendars does not have",
            "Their hours are those of the default calendar: add the calendars there, or correct the reps.",
            "an unknown calendar is the default one",
            SALES_OPS,
            warn_above=0.1,
        ),
        Check(
            "manager_is_known",
            "unknown_manager",
            "empty",
            "`manager_id` is in raw reps, or null",
            "have managers that raw reps does not have",
            "Their reports reach no manager: land the managers as reps.",
            "managers need not sell, and the numbers do not depend on them",
            SALES_OPS,
            warn_above=0.5,
        ),
        Check(
            "personas_are_known",
            "unknown_persona",
            "empty",
            "`personas` names personas of the policy seed personas, separated by |, or is null",
            "serve personas that the seed personas does not have",
            "Marketing owes nothing for them: correct the reps.",
            "targets count the reps of each persona, so a misspelt one lowers what Marketing owes",
            SALES_OPS,
            warn_above=0,
        ),
        Check(
            "leaves_after_joining",
            "gone_too_early",
            "empty",
            "`active_to` is not before `active_from`",
            "leave before they join",
            "They are never active, and count for no target: correct the days.",
            "targets count the active reps",
            SALES_OPS,
            warn_above=0,
        ),
    ]


def _deals() -> list[Check]:
    return [
        _known_lead("deals"),
        _known_owner(),
        Check(
            "status_is_known",
            "status",
            "one_of",
            "`status` is open, won or lost",
            "have a status other than open, won and lost",
            "They count as not won: map the status where it is loaded.",
            "a deal that is not seen as won cancels nothing; a fifth of them means that a status was renamed",
            LOADER,
            warn_above=0,
            error_above=0.2,
            bounds=(("value_set", ["open", "won", "lost"]),),
        ),
        Check(
            "amount_is_not_negative",
            "amount",
            "between",
            "`amount` is 0 or more",
            "have an amount below 0",
            "They lower the won value: correct them.",
            "single corrections are booked so; a tenth means a wrong sign",
            SALES_OPS,
            warn_above=_MANY,
            error_above=0.1,
            bounds=(("min_value", 0),),
        ),
        Check(
            "won_deals_have_an_amount",
            "won_without_amount",
            "empty",
            "A won deal has an `amount`, where amounts are landed at all",
            "are won without an amount",
            "They are worth nothing in the funnel: fill the amounts in.",
            "the won value leaves them out",
            SALES_OPS,
            warn_above=0.05,
        ),
        Check(
            "won_deals_are_closed",
            "won_without_closing",
            "empty",
            "A won deal has a `closed_at`, where it is landed at all",
            "are won without a closed_at",
            "They count at their updated_at, which may be much later: fill it in.",
            "without it the last update stands in",
            SALES_OPS,
            warn_above=0.05,
        ),
        _not_before_creation("updated_at", "updated"),
        _not_before_creation("closed_at", "closed"),
    ]


# --- The files of Great Expectations ----------------------------------------------------------------------------------

_TYPES = {
    "filled": "expect_column_values_to_not_be_null",
    "empty": "expect_column_values_to_be_null",
    "between": "expect_column_values_to_be_between",
    "one_of": "expect_column_values_to_be_in_set",
}


def files(project: Path) -> dict[str, str]:
    """Give every file of `gx/` with its text, by its path below that folder.

    They hold no machine's path and no secret: the scratch database is named by the environment variable
    LEAD_SLA_GATE_SCRATCH when a check runs.
    """
    of_suites = suites(read_contract(project))
    found = {"great_expectations.yml": _context(list(of_suites))}
    for name, checks in of_suites.items():
        found[f"expectations/{name}.json"] = _json(
            {
                "name": name,
                "id": _id("suite", name),
                "expectations": [_expectation(name, check, *level) for check in checks for level in check.severities()],
                "meta": {},
                "notes": None,
            }
        )
        found[f"validation_definitions/{name}.json"] = _json(
            {
                "name": name,
                "id": _id("validation", name),
                "data": {
                    "datasource": {"name": DATA_SOURCE, "id": _id("source", DATA_SOURCE)},
                    "asset": {"name": name, "id": _id("asset", name)},
                    "batch_definition": {"name": "all", "id": _id("batch", name)},
                },
                "suite": {"name": name, "id": _id("suite", name)},
            }
        )
    for name, members in CHECKPOINTS.items():
        found[f"checkpoints/{name}.json"] = _json(
            {
                "name": name,
                "id": _id("checkpoint", name),
                "validation_definitions": [{"name": member, "id": _id("validation", member)} for member in members],
                "actions": [],
                "result_format": {
                    "result_format": "SUMMARY",
                    "partial_unexpected_count": SHOWN_ROWS,
                    "unexpected_index_column_names": ["row_name"],
                },
            }
        )
    return found


def write(project: Path) -> None:
    """Write `gx/` and the tables of docs/data-checks.md."""
    folder = project / FOLDER
    wanted = files(project)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and str(path.relative_to(folder)) not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    page = project / DOCS
    page.write_text(with_tables(page.read_text(encoding="utf-8"), project), encoding="utf-8")


def _expectation(suite: str, check: Check, severity: str, allowed: float) -> dict[str, Any]:
    kwargs: dict[str, Any] = {"column": check.column, **dict(check.bounds)}
    if allowed:
        kwargs["mostly"] = round(1 - allowed, 6)
    return {
        "type": _TYPES[check.kind],
        "kwargs": kwargs,
        "meta": {"check": check.name, "finds": check.finds, "todo": check.todo, "mends": check.mends, "why": check.why},
        "id": _id("expectation", suite, check.name, severity),
        "description": f"{check.expects}.",
        "severity": "critical" if severity == ERROR else "warning",
    }


def _context(assets: list[str]) -> str:
    def store(class_name: str, folder: str | None) -> dict[str, Any]:
        backend: dict[str, Any] = {"class_name": "InMemoryStoreBackend"}
        if folder:
            backend = {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": f"{folder}/",
                "suppress_store_backend_id": True,
            }
        return {"class_name": class_name, "store_backend": backend}

    context = {
        "config_version": 4.0,
        "analytics_enabled": False,
        "progress_bars": {"globally": False},
        "data_docs_sites": {},
        "stores": {
            "expectations_store": store("ExpectationsStore", "expectations"),
            "validation_definition_store": store("ValidationDefinitionStore", "validation_definitions"),
            "checkpoint_store": store("CheckpointStore", "checkpoints"),
            "validation_results_store": store("ValidationResultsStore", None),
        },
        "expectations_store_name": "expectations_store",
        "checkpoint_store_name": "checkpoint_store",
        "validation_results_store_name": "validation_results_store",
        "fluent_datasources": {
            DATA_SOURCE: {
                "type": "sql",
                "id": _id("source", DATA_SOURCE),
                "connection_string": f"duckdb+autocommit:///${{{SCRATCH_VARIABLE}}}",
                "assets": {
                    name: {
                        "type": "table",
                        "id": _id("asset", name),
                        "table_name": name,
                        "batch_definitions": {"all": {"id": _id("batch", name), "partitioner": None}},
                    }
                    for name in assets
                },
            }
        },
    }
    text = yaml.safe_dump(context, sort_keys=False)
    return f"# Written by `python -m lead_sla.gate.suites`: edit lead_sla/gate/suites.py.\n{text}"


def _id(*parts: str) -> str:
    """Great Expectations wants an id for everything; the same thing always has the same."""
    return str(uuid5(NAMESPACE_URL, "/".join(("lead-sla", *parts))))


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


# --- The tables of the documentation ----------------------------------------------------------------------------------


def with_tables(page: str, project: Path) -> str:
    """Put the table of each suite into a page, between `<!-- checks:NAME:begin -->` and `<!-- checks:NAME:end -->`."""
    of_suites = suites(read_contract(project))
    return re.sub(
        r"(?P<begin><!-- checks:(?P<suite>\w+):begin -->)\n.*?(?P<end><!-- checks:(?P=suite):end -->)",
        lambda match: f"{match['begin']}\n{_table(of_suites[match['suite']])}\n{match['end']}",
        page,
        flags=re.DOTALL,
    )


def _table(checks: list[Check]) -> str:
    """Give a suite as a table; what is expected of several columns alike is one row."""
    columns: dict[tuple[str, ...], list[str]] = {}
    for check in checks:
        name = f"`{check.column}`"
        bounds = (_share(check.warn_above), _share(check.error_above))
        columns.setdefault((check.expects.replace(name, "{}"), *bounds, check.mends, check.why), []).append(name)
    rows = [["what", "warning above", "error above", "who mends", "why"], ["---"] * 5]
    for (expects, *rest), names in columns.items():
        rows.append([expects.format(names[0] if len(names) == 1 else f"Each of {', '.join(names)}"), *rest])
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def _share(bound: float | None) -> str:
    return "" if bound is None else f"{100 * bound:g} %" if bound else "any"


if __name__ == "__main__":
    write(find_project())
