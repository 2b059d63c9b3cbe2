"""The rules of the house, checked by machine: YAML and SQL in step, layers, descriptions, contracts, one clock, no empty selection."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from project_copy import PROJECT, ProjectCopy

from lead_sla import dbt_build

Node = dict[str, Any]

# A mart reads marts of its own or an earlier folder.
MART_FOLDERS = ["core", "qualification", "sales_sla", "marketing_sla", "reporting"]
CLOCK = "stg_crm__clock"
# The leads that a run rebuilds. To know whether that is all of them, it looks at the agreement as well.
BATCH = "stg_crm__batch"
# A model that looks at all leads in every run, though those before it hold the leads of the batch: it remembers the others.
REMEMBERS = {"int_calendar__horizon"}
# The models that say something else where a run rebuilds some leads only: beside staging, which takes the rows of those alone.
KNOW_OF_INCREMENTS = {
    "stg_crm__activities",
    "stg_crm__activity_versions",
    "int_calendar__horizon",
    "fct_sales_sla_obligations",
}
# What is kept from run to run besides marts: for the next run alone.
KEPT_FOR_THE_NEXT_RUN = {"stg_crm__activity_places", "stg_crm__moves", "int_sales_sla__open_obligations"}
# Of those the one that loses no row: where activities lay does not change.
ADDED_TO = {"stg_crm__activity_places"}
# What stands for ids where models join, and means nothing to readers.
NUMBERS = {"lead_number", "record_lead_number", "merged_into_lead_number", "candidate_number"}
# A mart reads staging where no thought lies between a record and its mart.
NOTHING_IN_BETWEEN = {("dim_reps", "stg_crm__reps"), ("run_metadata", "stg_crm__loads")}
# When the run began is a fact about the run, and no number depends on it.
ABOUT_THE_RUN = "run_metadata"
# The as-of macros hand on every column of the rows that they are given, which are therefore not named before or after them.
STARS = {"int_sales_sla__candidates"}
TAGS = {"policy", "integrity", "sla_threshold"}
OTHER_CLOCKS = re.compile(
    r"\b(current_(timestamp|date|time)\b|localtime|(now|today|getdate|sysdate)\s*\(|run_started_at|modules\.datetime)"
)
# `select *`, but for an import CTE: a whole relation and nothing else, or the rows of one that are wanted.
STAR = re.compile(r"\bselect\s+(distinct\s+)?\*(?!\s*from\s+\{\{\s*(ref|source)\()", re.IGNORECASE)


@pytest.fixture(scope="module")
def manifest(sample_build: ProjectCopy) -> Node:
    return json.loads((sample_build.folder / "target" / "manifest.json").read_text())


@pytest.fixture(scope="module")
def models(manifest: Node) -> list[Node]:
    return of_type(manifest, "model")


@pytest.fixture(scope="module")
def seeds(manifest: Node) -> list[Node]:
    return of_type(manifest, "seed")


@pytest.fixture(scope="module")
def data_tests(manifest: Node) -> list[Node]:
    return of_type(manifest, "test")


@pytest.fixture(scope="module")
def warehouse(built_warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        yield connection


def of_type(manifest: Node, kind: str) -> list[Node]:
    found = [node for node in manifest["nodes"].values() if node["resource_type"] == kind]
    assert found, f"the project has no {kind}"
    return found


def layer(node: Node) -> str:
    """staging, intermediate or marts: the first folder below models/."""
    return Path(node["original_file_path"]).parts[1]


def folder(node: Node) -> str:
    """The folder of a model within its layer."""
    return Path(node["original_file_path"]).parts[2]


def sql_files(*folders: str) -> list[Path]:
    found = [path for name in folders for path in sorted((PROJECT / name).rglob("*.sql"))]
    assert found
    return [path for path in found if "fixtures" not in path.parts]


def code_of(path: Path) -> str:
    """The text of a SQL file without its comments."""
    text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
    return re.sub(r"--[^\n]*", "", text)


def columns_of(connection: duckdb.DuckDBPyConnection, node: Node) -> list[str]:
    found = connection.execute(
        "select column_name from information_schema.columns where table_schema = ? and table_name = ? order by ordinal_position",
        [node["schema"], node.get("identifier") or node["alias"]],
    ).fetchall()
    return [name for (name,) in found]


# YAML and SQL in step


def test_every_relation_has_just_the_columns_of_its_yml(manifest: Node, warehouse: duckdb.DuckDBPyConnection) -> None:
    relations = [*of_type(manifest, "model"), *of_type(manifest, "seed"), *manifest["sources"].values()]
    differ = {
        node["unique_id"]: {"only in the yml": sorted(described - built), "not in the yml": sorted(built - described)}
        for node in relations
        if (described := set(node["columns"])) != (built := set(columns_of(warehouse, node)))
    }
    assert differ == {}


def test_every_seed_column_has_a_type_and_stands_in_the_file(seeds: list[Node]) -> None:
    for seed in seeds:
        with (PROJECT / seed["original_file_path"]).open(newline="") as file:
            header = next(csv.reader(file))
        assert header == list(seed["columns"]) == list(seed["config"]["column_types"]), seed["name"]


def test_every_model_and_seed_has_a_yml_of_its_name_beside_it(models: list[Node], seeds: list[Node]) -> None:
    for node in models + seeds:
        expected = Path(node["original_file_path"]).with_suffix(".yml")
        assert node["patch_path"] == f"lead_sla://{expected}", node["name"]


def test_every_yml_and_its_sql_are_about_the_same(models: list[Node]) -> None:
    known = {model["name"] for model in models}
    for path in (PROJECT / "models").rglob("*.yml"):
        name = path.name.removesuffix(".yml").removesuffix(".unit")
        assert name.startswith("_") or name in known, f"{path.relative_to(PROJECT)} stands beside no model"


def test_everything_is_described(manifest: Node) -> None:
    relations = [*of_type(manifest, "model"), *of_type(manifest, "seed"), *manifest["sources"].values()]
    missing = [node["unique_id"] for node in relations if not node["description"].strip()]
    missing += [
        f"{node['unique_id']}.{column['name']}"
        for node in relations
        for column in node["columns"].values()
        if not column["description"].strip()
    ]
    assert missing == []


def test_descriptions_of_models_and_seeds_say_the_grain(models: list[Node], seeds: list[Node]) -> None:
    assert [node["name"] for node in models + seeds if "Grain: " not in node["description"]] == []


def test_every_column_of_a_mart_says_its_unit(models: list[Node]) -> None:
    """Names carry units by contract; the description must not contradict them."""
    words = {"_usd": "dollar", "_minutes": "minute", "_hours": "hour", "_days": "day", "_rate": "share|attainment|rate"}
    silent = [
        f"{model['name']}.{column['name']}: {column['description']}"
        for model in models
        if layer(model) == "marts"
        for column in model["columns"].values()
        for suffix, word in words.items()
        if column["name"].endswith(suffix) and not re.search(f"{word}|always null", column["description"].lower())
    ]
    assert silent == []


def test_every_mart_has_an_enforced_contract_and_a_key(models: list[Node], data_tests: list[Node]) -> None:
    keyed = {
        test["attached_node"] for test in data_tests if (test.get("test_metadata") or {}).get("name") == "unique_key"
    }
    for mart in (model for model in models if layer(model) == "marts"):
        assert mart["config"]["contract"]["enforced"] is True, mart["name"]
        assert all(column["data_type"] for column in mart["columns"].values()), mart["name"]
        constraints = mart["constraints"] + [
            constraint for column in mart["columns"].values() for constraint in column["constraints"]
        ]
        kinds = {constraint["type"] for constraint in constraints}
        assert "primary_key" in kinds or mart["unique_id"] in keyed or mart["name"] == ABOUT_THE_RUN, mart["name"]


# Layers


def test_each_layer_reads_the_one_before_it(manifest: Node, models: list[Node]) -> None:
    broken = []
    for model in models:
        for parent in model["depends_on"]["nodes"]:
            if parent.startswith("source."):
                fine = layer(model) == "staging"
            elif parent.startswith("seed."):
                fine = layer(model) != "staging" or model["name"] == BATCH
            else:
                fine = may_read(model, manifest["nodes"][parent])
            if not fine:
                broken.append(f"{model['name']} reads {parent}")
    assert broken == []


def may_read(model: Node, parent: Node) -> bool:
    """Whether one model may read another."""
    if parent["name"] in {CLOCK, BATCH}:
        return True
    match layer(model):
        case "staging":
            return layer(parent) == "staging"
        case "intermediate":
            return layer(parent) in {"staging", "intermediate"}
        case "marts":
            if layer(parent) == "marts":
                return MART_FOLDERS.index(folder(parent)) <= MART_FOLDERS.index(folder(model))
            return layer(parent) == "intermediate" or (model["name"], parent["name"]) in NOTHING_IN_BETWEEN
    raise AssertionError(f"{model['name']} lies in no layer")


def is_kept(model: Node) -> bool:
    """Whether a model is kept from run to run; what it holds of the leads of a batch is replaced."""
    return model["config"]["materialized"] == "incremental"


def test_what_is_not_kept_and_speaks_of_all_leads_reads_nothing_that_holds_those_of_the_batch(
    manifest: Node, models: list[Node]
) -> None:
    """Or an increment would make it of the leads of one run."""
    known = {model["unique_id"]: model for model in models}

    def holds_the_batch(model: Node) -> bool:
        if is_kept(model) or model["name"] in REMEMBERS | {BATCH}:
            return False
        parents = [known[parent] for parent in model["depends_on"]["nodes"] if parent in known]
        return any(parent["name"] == BATCH or holds_the_batch(parent) for parent in parents)

    assert {layer(model) for model in models if holds_the_batch(model)} == {"staging", "intermediate"}


def test_what_is_kept_is_replaced_by_lead_or_added_to(models: list[Node]) -> None:
    kept = [model for model in models if is_kept(model)]
    assert kept
    for model in kept:
        assert "lead_id" in model["columns"], model["name"]
        strategy = "append" if model["name"] in ADDED_TO else "replace_leads"
        assert model["config"]["incremental_strategy"] == strategy, model["name"]
        assert layer(model) == "marts" or model["name"] in KEPT_FOR_THE_NEXT_RUN, model["name"]


def test_numbers_that_stand_for_ids_are_between_staging_and_marts_alone(models: list[Node]) -> None:
    numbered = [model for model in models if NUMBERS & set(model["columns"])]
    assert {layer(model) for model in numbered} == {"intermediate"}
    assert [model["name"] for model in numbered if is_kept(model)] == []


def test_a_model_is_written_as_though_the_batch_were_all_there_is() -> None:
    """Staging takes the rows of the batch, by macros of its own; after it hardly any model knows of increments."""
    knowing = {path.stem for path in sql_files("models") if re.search(r"\bis_increment\(", code_of(path))}
    assert knowing == KNOW_OF_INCREMENTS
    taking = [path for path in sql_files("models") if re.search(r"\brows_of_the_batch\(", code_of(path))]
    assert {path.parts[-3] for path in taking} == {"staging"}


def test_ids_are_not_looked_through_for_repeats(warehouse: duckdb.DuckDBPyConnection) -> None:
    made = dict(warehouse.execute("select table_name, sql from duckdb_tables()").fetchall())
    assert "activity_id VARCHAR USING COMPRESSION ZSTD NOT NULL" in made["fct_sales_touches"]
    assert "obligation_id VARCHAR USING COMPRESSION ZSTD NOT NULL" in made["fct_sales_sla_obligations"]
    assert "lead_id VARCHAR USING COMPRESSION Uncompressed NOT NULL" in made["fct_sales_sla_obligations"]
    assert "activity_id VARCHAR USING COMPRESSION Uncompressed" in made["int_leads__activities"]
    assert "lead_id VARCHAR USING COMPRESSION Uncompressed" in made["int_leads__records"]


def test_models_are_named_by_their_layer(models: list[Node]) -> None:
    for model in models:
        name, where = model["name"], layer(model)
        if where == "marts":
            assert folder(model) in MART_FOLDERS, name
            assert not name.startswith(("stg_", "int_")), name
        else:
            prefix = {"staging": "stg", "intermediate": "int"}[where]
            assert name.startswith(f"{prefix}_{folder(model)}__"), name
        assert model["schema"] == where, name


def test_promises_look_at_leaves_alone(manifest: Node, data_tests: list[Node]) -> None:
    """Or a broken promise would skip the marts that come after it."""
    for test in data_tests:
        if "sla_threshold" in test["tags"] and test["config"]["severity"] == "error":
            tested = [parent for parent in test["depends_on"]["nodes"] if not parent.endswith(f".{CLOCK}")]
            assert tested, test["name"]
            for parent in tested:
                assert not [child for child in manifest["child_map"][parent] if child.startswith("model.")], test[
                    "name"
                ]


# How a model reads


def test_every_model_begins_with_its_grain() -> None:
    silent = [path.name for path in sql_files("models") if not path.read_text().startswith("-- Grain: ")]
    assert silent == []


def test_lines_of_models_fit_a_page() -> None:
    """sqlfluff measures what the macros render; a person reads what is written."""
    for path in sql_files("models"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert len(line) <= 120, f"{path.relative_to(PROJECT)} line {number} has {len(line)} characters"


def test_the_vars_that_a_run_accepts_are_those_of_the_project() -> None:
    declared = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    refusal = (PROJECT / "macros/raw/prepare_raw_tables.sql").read_text()
    accepted = re.search(r"if name not in \[(.+?)\]", refusal)
    assert accepted and re.findall(r"'(\w+)'", accepted[1]) == list(declared)
    assert f"they are {', '.join(list(declared)[:-1])} and {list(declared)[-1]}" in refusal


def test_there_is_no_clock_but_as_of() -> None:
    """`var('as_of')` is read in macros/clock, checked in macros/raw, and asked for where loads are looked at."""
    for path in sql_files("models", "macros", "tests"):
        code = code_of(path)
        if path.stem == ABOUT_THE_RUN:
            continue
        assert not (clock := OTHER_CLOCKS.search(code)), f"{path.relative_to(PROJECT)} reads {clock.group()}"
        if re.search(r"var\(\s*['\"]as_of", code):
            assert path.parent.name in {"clock", "raw"} or path.stem in {CLOCK, "stg_crm__loads"}, path.relative_to(
                PROJECT
            )


def test_columns_are_named_past_the_imports() -> None:
    stars = {path.stem for path in sql_files("models") if STAR.search(code_of(path))}
    assert stars == STARS


def test_every_model_ends_with_a_list_of_its_columns() -> None:
    for path in sql_files("models"):
        last = re.split(r"^(?:select\b)", code_of(path), flags=re.MULTILINE)[-1]
        listed = re.split(r"^from\b", last, flags=re.MULTILINE)[0]
        assert not re.search(r"(?<!count\()\*\s*(,|$)", listed, re.MULTILINE), path.relative_to(PROJECT)


def test_no_model_asks_which_engine_it_is_on() -> None:
    for path in sql_files("models", "tests"):
        assert not re.search(r"\b(target\.(type|name)|adapter\.type)\b", code_of(path)), path.relative_to(PROJECT)
    for path in sql_files("macros"):
        if path.parent.name not in {"engines", "clock"}:
            assert not re.search(r"\btarget\.(type|name)\b|\bduckdb__", code_of(path)), path.relative_to(PROJECT)


def test_no_rule_of_the_linter_is_waived_in_the_code() -> None:
    assert [
        str(path.relative_to(PROJECT)) for path in sql_files("models", "macros", "tests") if "noqa" in path.read_text()
    ] == []


# Tests


def test_every_test_of_our_own_answers_with_sentences(
    data_tests: list[Node], warehouse: duckdb.DuckDBPyConnection
) -> None:
    for test in data_tests:
        own = (test.get("test_metadata") or {}).get("name", test["name"]) not in {
            "unique",
            "not_null",
            "accepted_values",
            "relationships",
        }
        if own:
            found = warehouse.execute(f"describe {test['compiled_code']}").fetchall()
            assert "problem" in {row[0] for row in found}, test["name"]


def test_every_singular_test_has_its_tag(data_tests: list[Node]) -> None:
    folders = {"sla": "sla_threshold", "integrity": "integrity"}
    for test in data_tests:
        parts = Path(test["original_file_path"]).parts
        if parts[0] == "tests":
            assert folders[parts[1]] in test["tags"], test["name"]
        if parts[0] == "seeds":
            assert "policy" in test["tags"], test["name"]


def test_every_selection_finds_something(manifest: Node, data_tests: list[Node]) -> None:
    used = {dbt_build.THRESHOLD, dbt_build.POLICY} | TAGS
    for path in [PROJECT / "Makefile", *(PROJECT / ".ci").glob("*"), *(PROJECT / "lead_sla").rglob("*.py")]:
        used |= set(re.findall(r"\btag:(\w+)", path.read_text()))
    tagged = {tag for test in data_tests for tag in test["tags"]}
    assert used <= tagged, f"nothing is tagged {sorted(used - tagged)}"
    assert len(manifest["unit_tests"]) > 0
    for kind in ("model", "seed", "test"):
        assert of_type(manifest, kind)


def test_every_model_with_a_unit_test_file_has_unit_tests(manifest: Node) -> None:
    tested = {test["model"] for test in manifest["unit_tests"].values()}
    files = {path.name.removesuffix(".unit.yml") for path in (PROJECT / "models").rglob("*.unit.yml")}
    assert files <= tested


def test_unit_tests_are_named_as_sentences(manifest: Node) -> None:
    short = [test["name"] for test in manifest["unit_tests"].values() if test["name"].count("_") < 3]
    assert short == []
