"""Superset's assets (bi/superset) against the marts, the policy and each other, without Superset: make test-superset runs it for real."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
SUPERSET = PROJECT / "bi" / "superset"
ASSETS = SUPERSET / "assets"


def read(kind: str) -> dict[str, dict[str, Any]]:
    """Read the assets of a kind, by the name of their file."""
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ASSETS / kind).rglob("*.yaml"))}


DATABASES, DATASETS, CHARTS, DASHBOARDS = (read(kind) for kind in ("databases", "datasets", "charts", "dashboards"))
BY_UUID = {dataset["uuid"]: dataset for dataset in DATASETS.values()}


def parts(dashboard: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """List the parts of a kind (`CHART`, `ROW`, ...) of a dashboard's layout."""
    return [part for part in dashboard["position"].values() if isinstance(part, dict) and part["type"] == kind]


def names(dataset: dict[str, Any], kind: str) -> list[str]:
    """List the names of the `columns` or `metrics` of a dataset."""
    return [one["column_name" if kind == "columns" else "metric_name"] for one in dataset[kind]]


def query(dataset: dict[str, Any]) -> str:
    """Give the SQL whose rows are the dataset."""
    return dataset.get("sql") or f"select * from marts.{dataset['table_name']}"


@pytest.fixture(scope="module")
def marts() -> dict[str, dict[str, str]]:
    """Mart -> column -> type, as the YAML beside the models promises under contract."""
    return {
        model["name"]: {column["name"]: column["data_type"] for column in model["columns"]}
        for path in (PROJECT / "models" / "marts").rglob("*.yml")
        for model in yaml.safe_load(path.read_text()).get("models", [])
    }


@pytest.fixture(scope="module")
def database(marts: dict[str, dict[str, str]]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the marts as they are promised, empty, and with nothing else."""
    with duckdb.connect() as connection:
        connection.execute("create schema marts")
        for mart, columns in marts.items():
            connection.execute(
                f"create table marts.{mart} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})"
            )
        yield connection


def tables(dataset: dict[str, Any], database: duckdb.DuckDBPyConnection) -> set[str]:
    """List the tables that a dataset reads, with their schemas."""
    return {table.split(" ")[0] for table in database.get_table_names(query(dataset), qualified=True)}


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_has_the_columns_of_its_marts_with_their_types(
    name: str, database: duckdb.DuckDBPyConnection
) -> None:
    dataset = DATASETS[name]
    described = database.execute(f"describe {query(dataset)}").fetchall()
    assert [(column["column_name"], column["type"].replace(" ", "")) for column in dataset["columns"]] == [
        (column, kind) for column, kind, *_ in described
    ]
    for column in dataset["columns"]:
        assert column.get("is_dttm", False) == (column["type"] in ("DATE", "TIMESTAMP")), column
        assert column["verbose_name"]
    main = dataset.get("main_dttm_col")
    assert main is None or any(column["column_name"] == main and column["is_dttm"] for column in dataset["columns"])


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_reads_nothing_but_marts(name: str, database: duckdb.DuckDBPyConnection) -> None:
    dataset = DATASETS[name]
    assert dataset["schema"] == "marts"
    read = tables(dataset, database)
    assert read and all(table.startswith("marts.") for table in read), read


@pytest.mark.parametrize("name", DATASETS)
def test_every_metric_can_be_computed_and_is_no_column(name: str, database: duckdb.DuckDBPyConnection) -> None:
    dataset = DATASETS[name]
    metrics = names(dataset, "metrics")
    assert len(set(metrics)) == len(metrics) > 0
    assert set(metrics) & set(names(dataset, "columns")) == set()
    for metric in dataset["metrics"]:
        assert metric["verbose_name"]
        database.execute(f"select {metric['expression']} from ({query(dataset)}) as dataset")


def test_every_mart_is_a_dataset_and_what_superset_reads_is_what_the_exposure_says(
    marts: dict[str, dict[str, str]], database: duckdb.DuckDBPyConnection
) -> None:
    assert {dataset["table_name"] for dataset in DATASETS.values() if "sql" not in dataset} == set(marts)
    assert {dataset["table_name"] for dataset in DATASETS.values() if "sql" in dataset} & set(marts) == set()
    exposures = yaml.safe_load((PROJECT / "models/marts/_exposures.yml").read_text())["exposures"]
    (exposed,) = [exposure["depends_on"] for exposure in exposures if exposure["name"] == "superset"]
    read = set().union(*(tables(dataset, database) for dataset in DATASETS.values()))
    assert {f"marts.{ref[5:-2]}" for ref in exposed} == read


def test_the_names_of_files_datasets_and_marts_agree(marts: dict[str, dict[str, str]]) -> None:
    for name, dataset in DATASETS.items():
        assert dataset["table_name"] == name
        assert set((dataset.get("extra") or {}).get("marts", [])) <= set(marts)
        described = {column for mart in (dataset.get("extra") or {}).get("marts", [name]) for column in marts[mart]}
        silent = {column["column_name"] for column in dataset["columns"] if not column.get("description")} - described
        assert silent == set(), f"{name}: neither the dataset nor its marts explain {silent}"


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_asks_its_dataset_for_what_it_has(name: str) -> None:
    chart = CHARTS[name]
    dataset, params = BY_UUID[chart["dataset_uuid"]], chart["params"]
    assert params["viz_type"] == chart["viz_type"]
    columns = [params[key] for key in ("x_axis", "source", "target") if key in params]
    for key in ("groupby", "groupbyRows", "groupbyColumns", "all_columns"):
        value = params.get(key, [])
        columns += [value] if isinstance(value, str) else value
    columns += [one["subject"] for one in params["adhoc_filters"]]
    columns += [json.loads(one)[0] for one in params.get("order_by_cols", [])]
    metrics = params.get("metrics", []) + [
        params[key] for key in ("metric", "timeseries_limit_metric") if key in params
    ]
    assert columns or metrics
    assert set(columns) - set(names(dataset, "columns")) == set()
    assert set(metrics) - set(names(dataset, "metrics")) == set()
    formatted = set(params.get("column_config", {}))
    assert formatted <= set(columns) | set(metrics)
    sorts_by = params.get("x_axis_sort")
    assert sorts_by is None or sorts_by in metrics


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_has_a_layout_that_holds_together(name: str) -> None:
    position = DASHBOARDS[name]["position"]
    shown = {chart["uuid"] for chart in CHARTS.values()}
    for key, part in position.items():
        if key == "DASHBOARD_VERSION_KEY":
            continue
        assert part["id"] == key
        for child in part.get("children", []):
            assert position[child]["parents"] == [*part.get("parents", []), key]
        if part["type"] == "ROW":
            assert sum(position[child]["meta"]["width"] for child in part["children"]) <= 12, key
        if part["type"] == "CHART":
            assert part["meta"]["uuid"] in shown
            assert (
                key == f"CHART-{next(name for name, chart in CHARTS.items() if chart['uuid'] == part['meta']['uuid'])}"
            )
    children = [child for part in position.values() if isinstance(part, dict) for child in part.get("children", [])]
    assert Counter(children) == Counter(set(position) - {"DASHBOARD_VERSION_KEY", "ROOT_ID", "HEADER_ID"})


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_shows_as_of_when_and_what_is_unknown(name: str) -> None:
    shown = {part["meta"]["uuid"] for part in parts(DASHBOARDS[name], "CHART")}
    assert {CHARTS["as_of"]["uuid"], CHARTS["newest_loads"]["uuid"]} <= shown


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_filter_of_a_dashboard_is_a_column_of_its_dataset_and_reaches_a_chart(name: str) -> None:
    dashboard = DASHBOARDS[name]
    charts = {part["meta"]["chartId"]: part["meta"]["uuid"] for part in parts(dashboard, "CHART")}
    used = {chart["uuid"]: chart["dataset_uuid"] for chart in CHARTS.values()}
    for one in dashboard["metadata"]["native_filter_configuration"]:
        (target,) = one["targets"]
        column = target["column"]["name"]
        assert column in names(BY_UUID[target["datasetUuid"]], "columns")
        excluded = set(one["scope"]["excluded"])
        assert excluded <= set(charts)
        assert any(
            column in names(BY_UUID[used[uuid]], "columns") for number, uuid in charts.items() if number not in excluded
        )


def test_every_chart_is_on_a_dashboard_and_keeps_its_number_and_every_dataset_is_fed_by_the_one_database() -> None:
    numbers = {
        (part["meta"]["uuid"], part["meta"]["chartId"]) for one in DASHBOARDS.values() for part in parts(one, "CHART")
    }
    assert {uuid for uuid, _ in numbers} == {chart["uuid"] for chart in CHARTS.values()}
    assert len({number for _, number in numbers}) == len(numbers) == len(CHARTS)
    (database,) = DATABASES.values()
    assert {dataset["database_uuid"] for dataset in DATASETS.values()} == {database["uuid"]}


def test_every_asset_has_a_uuid_of_its_own_and_is_managed_here() -> None:
    assets = [*DATABASES.values(), *DATASETS.values(), *CHARTS.values(), *DASHBOARDS.values()]
    assert max(Counter(asset["uuid"] for asset in assets).values()) == 1
    assert all(asset["is_managed_externally"] is True and asset["version"] == "1.0.0" for asset in assets)
    assert len({chart["slice_name"] for chart in CHARTS.values()}) == len(CHARTS)


def test_people_can_write_nothing_through_the_database() -> None:
    (database,) = DATABASES.values()
    assert not any(database[right] for right in ("allow_dml", "allow_ctas", "allow_cvas", "allow_csv_upload"))
    config = (SUPERSET / "superset_config.py").read_text()
    assert f'PUBLISHED_URI = "{database["sqlalchemy_uri"]}"' in config


def test_the_order_of_the_stages_is_that_of_the_policy() -> None:
    with (PROJECT / "seeds/policy/journey_stages.csv").open() as file:
        stages = [row["journey_stage"] for row in sorted(csv.DictReader(file), key=lambda row: int(row["stage_rank"]))]
    lists = re.findall(r"\[('problem.*?)\]", DATASETS["stage_steps"]["sql"])
    assert lists and {tuple(yaml.safe_load(f"[{text}]")) for text in lists} == {tuple(stages)}


def test_a_load_is_late_when_the_source_says_so() -> None:
    (source,) = yaml.safe_load((PROJECT / "models/staging/crm/_crm__sources.yml").read_text())["sources"]
    expected = {}
    for table in source["tables"]:
        freshness = table.get("config", {}).get("freshness", source["config"]["freshness"])["warn_after"]
        expected[table["name"]] = f"{freshness['count']} {freshness['period']}"
    said = re.findall(r"select '(\w+)'.*?_loaded_at.*?, interval (\d+ \w+)", DATASETS["newest_loads"]["sql"])
    assert dict(said) == expected


def test_the_lock_has_a_hash_for_every_package_and_names_no_registry() -> None:
    lock = (SUPERSET / "requirements.txt").read_text()
    packages = re.split(r"\n(?=\S)", lock.strip())
    assert len(packages) > 100
    assert all("==" in package and "--hash=sha256:" in package for package in packages)
    assert "://" not in lock
    for line in (SUPERSET / "requirements.in").read_text().splitlines():
        if pin := re.match(r"([a-z-]+)==([\d.]+)", line):
            assert f"\n{pin[1]}=={pin[2]} " in f"\n{lock}"
