"""Documentation: the committed pages are fresh, the site needs no network, and every column is described once."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from project_copy import PROJECT, ProjectCopy, copy_project

from lead_sla import docs

CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Columns of one name that are not one thing, and why the name is right all the same.
DIFFERENT = {
    "activity_id": "the activity of the row: a proof, the reason of a credit, a touch",
    "first_contact_at": "ever in dim_leads, from the first conversion on in fct_speed_to_lead, as first_touch_at",
    "first_touch_at": "ever in dim_leads, from the first conversion on in fct_speed_to_lead: both names are the contract's",
    "late_minutes": "always null in due_soon, which has the columns of the list",
    "rep_id": "the rep of the row: the salesperson, who was responsible, who touched",
    "violation_age_days": "always null in due_soon, which has the columns of the list",
    "won_value_usd": "of one lead in dim_leads, where it may be null; a sum over leads in fct_funnel_monthly",
}


@pytest.fixture(scope="module")
def manifest(sample_build: ProjectCopy) -> dict[str, Any]:
    return json.loads((sample_build.folder / "target" / "manifest.json").read_text())


@pytest.fixture(scope="module")
def marts(manifest: dict[str, Any]) -> list[docs.Mart]:
    return docs.marts_of(manifest)


@pytest.fixture(scope="module")
def warehouse(built_warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def site(sample_build: ProjectCopy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the built sample; dbt writes its page in a copy of the project."""
    folder = tmp_path_factory.mktemp("docs")
    project = copy_project(folder / "project", raw=sample_build.raw)
    shutil.copy(sample_build.warehouse, project.warehouse)
    made = project.dbt("docs", "generate", "--static")
    assert made.returncode == 0, made.stdout
    docs.make_site(folder / "site", project.folder / "target")
    return folder / "site"


# The committed pages


def test_the_committed_pages_are_what_the_yaml_says(manifest: dict[str, Any]) -> None:
    for path, text in docs.pages(manifest).items():
        assert (PROJECT / path).read_text() == text, f"{path} is stale: run .venv/bin/python -m lead_sla.docs pages"


def test_the_dictionary_has_every_column_of_every_mart(warehouse: duckdb.DuckDBPyConnection) -> None:
    page = (PROJECT / docs.DICTIONARY).read_text()
    for mart, columns in warehouse.execute(
        "select table_name, list(column_name) from duckdb_columns() where schema_name = 'marts' group by all"
    ).fetchall():
        section = page.split(f"### {mart}\n")[1].split("\n### ")[0]
        assert set(columns) == set(re.findall(r"^\| \**(\w+?)\**(?:&ast;)? \|", section, flags=re.MULTILINE)) - {
            "column"
        }


def test_every_number_has_a_unit_and_it_does_not_contradict_the_description(marts: list[docs.Mart]) -> None:
    for mart in marts:
        for column in mart.columns:
            if column.type == "varchar":
                assert column.unit == "", f"{mart.name}.{column.name}"
            else:
                assert column.unit not in ("", "number"), f"{mart.name}.{column.name}"
            if column.unit in ("US dollars", "minutes"):
                word = column.unit.removeprefix("US ").removesuffix("s")
                assert re.search(f"{word}|always null", column.description.lower()), f"{mart.name}.{column.name}"


# The diagram


def test_a_key_of_the_diagram_is_a_key_of_the_data(
    marts: list[docs.Mart], warehouse: duckdb.DuckDBPyConnection
) -> None:
    for mart in marts:
        key = ", ".join(mart.key)
        assert key, mart.name
        rows, keys = warehouse.execute(
            f"select count(*), (select count(*) from (select distinct {key} from marts.{mart.name})) from marts.{mart.name}"
        ).fetchone()
        assert rows == keys, f"{mart.name} by {key}"


def test_a_reference_of_the_diagram_finds_its_row_in_the_data(
    marts: list[docs.Mart], warehouse: duckdb.DuckDBPyConnection
) -> None:
    references = docs.references_of(marts)
    assert len(references) >= 20
    for reference in references:
        named, found = warehouse.execute(
            f"select count({reference.column}), count({reference.column}) filter (where exists ("
            f"select 1 from marts.{reference.to_mart} where {reference.to_column} = referring.{reference.column})) "
            f"from marts.{reference.mart} as referring"
        ).fetchone()
        if docs._is_sure(reference):
            assert found == named, reference
        else:
            assert named == 0 or found > named / 2, reference


def test_the_diagram_knows_every_column_that_names_a_row_of_another_mart(marts: list[docs.Mart]) -> None:
    """A column that is one mart's whole key, or that ends like one, refers to it or is known not to."""
    ends = ("lead_id", "obligation_id", "rep_id", "owner_id")
    unknown = {
        column.name
        for mart in marts
        for column in mart.columns
        if column.name.endswith(ends) and column.name not in docs.REFERENCES
    }
    assert unknown == set()


# Every column described once


def test_columns_of_one_name_share_a_description_or_are_listed_with_a_reason(manifest: dict[str, Any]) -> None:
    first_block = defaultdict(set)
    marts_with = defaultdict(set)
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model" and node["schema"] == "marts":
            for column in node["columns"].values():
                blocks = column["doc_blocks"]
                first_block[column["name"]].add(blocks[0] if blocks else f"by hand in {node['name']}")
                marts_with[column["name"]].add(node["name"])
    repeated = {name for name, where in marts_with.items() if len(where) > 1}
    apart = {
        name
        for name in repeated
        if len(first_block[name]) > 1 or any(block.startswith("by hand") for block in first_block[name])
    }
    assert apart == set(DIFFERENT)


def test_no_sentence_of_a_mart_is_written_twice(manifest: dict[str, Any]) -> None:
    """What two columns of different names share word for word belongs into a doc block as well."""
    written = defaultdict(set)
    for path in (PROJECT / "models" / "marts").rglob("*.yml"):
        if path.name.endswith(".unit.yml") or path.name.startswith("_"):
            continue
        model = manifest["nodes"][f"model.lead_sla.{path.stem}"]
        for column in model["columns"].values():
            if not column["doc_blocks"]:
                written[" ".join(column["description"].split())].add(f"{path.stem}.{column['name']}")
    assert {text: where for text, where in written.items() if len(where) > 1} == {}


def test_every_doc_block_describes_something(manifest: dict[str, Any]) -> None:
    used = {
        block
        for node in [*manifest["nodes"].values(), *manifest["sources"].values()]
        for thing in [node, *node.get("columns", {}).values()]
        for block in thing.get("doc_blocks", [])
    }
    own = {block for block in manifest["docs"] if block.startswith("doc.lead_sla.")}
    assert own - used - {"doc.lead_sla.__overview__"} == set()


# The site


def test_the_site_has_its_pages_and_the_overview_is_ours(site: Path) -> None:
    assert {page.name for page in site.iterdir()} == {
        "index.html",
        "data-dictionary.html",
        "er-diagram.html",
        "dbt.html",
        "lineage.html",
    }
    assert "who has to call whom, now" in (site / "dbt.html").read_text()


def test_the_lineage_tells_where_every_column_of_a_mart_comes_from(sample_build: ProjectCopy, site: Path) -> None:
    data = re.search(r'colibriData = JSON\.parse\(atob\("([^"]+)"', (site / "lineage.html").read_text())
    assert data
    edges = json.loads(base64.b64decode(data[1]))["lineage"]["edges"]
    reached = {(edge["target"].split(".")[-1], edge["targetColumn"]) for edge in edges}
    # What the run itself knows comes from no table; a count of rows, and a constant, come from no column.
    from_no_column = {
        ("run_metadata", "run_id"),
        ("run_metadata", "reporting_time_zone"),
        ("run_metadata", "run_started_at"),
        ("due_soon", "violation_age_days"),
        ("dim_leads", "deal_count"),
        ("rep_scorecard", "due"),
        ("fct_funnel_monthly", "leads"),
        ("fct_marketing_sla_daily", "qualified_leads"),
    }
    manifest = json.loads((sample_build.folder / "target" / "manifest.json").read_text())
    all_columns = {(mart.name, column.name) for mart in docs.marts_of(manifest) for column in mart.columns}
    assert all_columns - reached == from_no_column


@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_every_page_opens_in_a_browser_and_asks_the_network_for_nothing(site: Path) -> None:
    from playwright.sync_api import sync_playwright

    shows = {
        "index": 'a:has-text("Data dictionary")',
        "data-dictionary": 'h3:text-is("fct_sales_sla_obligations")',
        "er-diagram": 'text.name:text-is("dim_reps")',
        "dbt": 'h2:has-text("Where to begin")',
        "lineage": ':text-is("exposures")',
    }
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        for name, selector in shows.items():
            page = browser.new_page()
            page.on("request", lambda request: asked.append(request.url))
            broken: list[str] = []
            page.on("pageerror", lambda error, broken=broken: broken.append(str(error)))
            page.goto((site / f"{name}.html").as_uri())
            page.locator(selector).first.wait_for(timeout=15_000)
            assert broken == [], name
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
