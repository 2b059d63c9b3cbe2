"""Documentation that is made from the project itself: `python -m lead_sla.docs pages` and `python -m lead_sla.docs site FOLDER`.

The pages are committed, and a test holds them fresh: docs/data-dictionary.md and docs/er-diagram.md, from dbt's manifest. The site is
not committed: dbt docs, column-level lineage (colibri), the dictionary and the diagram, all of which open without a network. Neither
reads the company's data: dbt builds a few made-up leads aside, because lineage needs the types of every relation.
"""

from __future__ import annotations

import html
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import jinja2
import markupsafe

from lead_sla.errors import LeadSlaError
from lead_sla.sample import make_sample

PROJECT = Path(__file__).resolve().parents[1]
DICTIONARY, DIAGRAM = "docs/data-dictionary.md", "docs/er-diagram.md"
GENERATED = "<!-- Made from the YAML of the marts by `python -m lead_sla.docs pages`. Do not edit. -->"

# The folders of the marts, in the order of the data dictionary, with their headings.
FOLDERS = {
    "reporting": "Lists and reports",
    "sales_sla": "Sales SLA",
    "marketing_sla": "Marketing SLA",
    "qualification": "Qualification",
    "core": "Core",
}
# Which mart a column refers to. Reps are kept by id even if the CRM does not list them, and `unassigned` is nobody.
REFERENCES = {
    "lead_id": ("dim_leads", "lead_id"),
    "obligation_id": ("fct_sales_sla_obligations", "obligation_id"),
    **dict.fromkeys(
        ("rep_id", "responsible_rep_id", "owner_id", "current_owner_id", "owner_at_trigger", "manager_id"),
        ("dim_reps", "rep_id"),
    ),
}
# Units by the end of a column's name, and by its type where the name does not tell.
UNITS = {
    "_usd": "US dollars",
    "_minutes": "minutes",
    "minutes_left": "minutes",
    "_hours": "hours",
    "_days": "days of 24 hours",
    "_rate": "share",
    "_month": "month (its first day)",
    "_touches": "touches",
    "touches_by_due": "touches",
    "touches_total": "touches",
    "_number": "place, from 1",
    "_leads": "leads",
    "_leads_low": "leads",
    "_leads_high": "leads",
    "open_violations": "obligations",
}
UNITS_OF_MARTS = {"fct_sales_sla_daily": "obligations", "rep_scorecard": "obligations", "fct_funnel_monthly": "leads"}
UNITS_OF_TYPES = {"timestamp": "UTC instant", "date": "day", "boolean": "yes or no", "bigint": "count", "varchar": ""}


@dataclass(frozen=True)
class Column:
    """A column of a mart: its type in DuckDB's words, its unit ("" for a text), and whether it may be empty."""

    name: str
    type: str
    unit: str
    description: str
    is_required: bool


@dataclass(frozen=True)
class Mart:
    """A mart: its folder, what its rows are, its columns and the columns of its key."""

    name: str
    folder: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]


@dataclass(frozen=True)
class Reference:
    """A column of a mart that names a row of another mart."""

    mart: str
    column: str
    to_mart: str
    to_column: str
    is_key: bool


# --- reading the manifest ---------------------------------------------------------------------------------------------


def marts_of(manifest: dict[str, Any]) -> list[Mart]:
    """The marts of dbt's manifest, by folder and name."""
    models = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["original_file_path"].startswith("models/marts/")
    ]
    keys = _tested_keys(manifest)
    folders = list(FOLDERS)
    marts = []
    for model in models:
        folder = Path(model["original_file_path"]).parts[2]
        key = next((c["columns"] for c in model["constraints"] if c["type"] == "primary_key"), None)
        marts.append(
            Mart(
                model["name"],
                folder,
                _one_line(model["description"]),
                tuple(_column(model["name"], column) for column in model["columns"].values()),
                tuple(key or keys.get(model["unique_id"], ())),
            )
        )
    return sorted(marts, key=lambda mart: (folders.index(mart.folder), mart.name))


def _tested_keys(manifest: dict[str, Any]) -> dict[str, list[str]]:
    """The keys that a data test proves, where no constraint can: some of their columns may be empty."""
    return {
        node["attached_node"]: node["test_metadata"]["kwargs"]["columns"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and (node.get("test_metadata") or {}).get("name") == "unique_key"
    }


def _column(mart: str, column: dict[str, Any]) -> Column:
    kinds = {constraint["type"] for constraint in column["constraints"]}
    return Column(
        column["name"],
        column["data_type"],
        unit_of(mart, column["name"], column["data_type"]),
        _one_line(column["description"]),
        "not_null" in kinds,
    )


def unit_of(mart: str, column: str, type_: str) -> str:
    """The unit of a column, by the end of its name, else by its mart if it is a number, else by its type."""
    for end in sorted(UNITS, key=len, reverse=True):
        if column.endswith(end):
            return UNITS[end]
    if type_ in ("bigint", "double") and mart in UNITS_OF_MARTS:
        return UNITS_OF_MARTS[mart]
    return UNITS_OF_TYPES.get(type_, "number")


def references_of(marts: list[Mart]) -> list[Reference]:
    """Which column of which mart names a row of which other mart."""
    names = {mart.name for mart in marts}
    found = []
    for mart in marts:
        for column in mart.columns:
            to_mart, to_column = REFERENCES.get(column.name, (None, None))
            if to_mart in names and (mart.name, column.name) != (to_mart, to_column):
                found.append(Reference(mart.name, column.name, to_mart, to_column, mart.key == (column.name,)))
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())


# --- pages ------------------------------------------------------------------------------------------------------------


def data_dictionary(manifest: dict[str, Any]) -> str:
    """The data dictionary as Markdown: every mart with its grain, key and columns."""
    marts = marts_of(manifest)
    parts = [
        "# Data dictionary",
        GENERATED,
        "What people query: schema `marts` of `data/published/marts.duckdb`, and one Parquet file each in `data/published/parquet/`. "
        "Instants are UTC; days are days of the reporting time zone (`run_metadata.reporting_time_zone`). A column in bold is part of "
        "the key; an asterisk marks one that is never empty. How the marts refer to each other: [er-diagram.md](er-diagram.md). "
        "Numbers that are defined on top of them: [metrics.md](metrics.md).",
        "\n".join(
            f"- {heading}: {', '.join(f'[{mart.name}](#{mart.name})' for mart in marts if mart.folder == folder)}"
            for folder, heading in FOLDERS.items()
        ),
    ]
    for folder, heading in FOLDERS.items():
        parts.append(f"## {heading}")
        for mart in (mart for mart in marts if mart.folder == folder):
            rows = ["| column | type | unit | what it says |", "|---|---|---|---|"]
            rows += [
                f"| {f'**{column.name}**' if column.name in mart.key else column.name}{'&ast;' if column.is_required else ''} "
                f"| {column.type} | {column.unit} | {_cell(column.description)} |"
                for column in mart.columns
            ]
            parts += [f"### {mart.name}", mart.description, "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def er_diagram(manifest: dict[str, Any]) -> str:
    """The ER diagram of the marts as a Markdown page with Mermaid, which GitHub draws."""
    marts = marts_of(manifest)
    references = references_of(marts)
    lines = ["erDiagram"]
    for mart in marts:
        lines.append(f"    {mart.name} {{")
        lines += [
            f"        {_mermaid_type(column.type)} {column.name}{marks}" for column, marks in _keys(mart, references)
        ]
        lines.append("    }")
    lines += [
        f"    {ref.to_mart} |{'|' if _is_sure(ref) else 'o'}--o{'|' if ref.is_key else '{'} {ref.mart} : {ref.column}"
        for ref in references
    ]
    text = [
        "# How the marts refer to each other",
        GENERATED,
        "Keys and references alone; [data-dictionary.md](data-dictionary.md) has every column. A reference to `dim_reps` may find nobody: "
        "reps are kept by id even if the CRM does not list them, and `unassigned` stands for nobody.",
        "```mermaid\n" + "\n".join(lines) + "\n```",
    ]
    return "\n\n".join(text) + "\n"


def _keys(mart: Mart, references: list[Reference]) -> Iterator[tuple[Column, str]]:
    """The columns that the diagram shows, with their marks."""
    referring = {ref.column for ref in references if ref.mart == mart.name}
    for column in mart.columns:
        marks = ["PK"] * (column.name in mart.key) + ["FK"] * (column.name in referring)
        if marks:
            yield column, f" {', '.join(marks)}"


def _is_sure(reference: Reference) -> bool:
    """Does every row find the one that it refers to?"""
    return reference.to_mart != "dim_reps"


def _mermaid_type(type_: str) -> str:
    return re.sub(r"\(.*\)", "", type_)


def pages(manifest: dict[str, Any]) -> dict[str, str]:
    """The committed pages by their path in the project."""
    return {DICTIONARY: data_dictionary(manifest), DIAGRAM: er_diagram(manifest)}


# --- drawing the diagram without a library ----------------------------------------------------------------------------

_WIDTH, _GAP, _HEAD, _ROW, _SPACE = 230, 150, 30, 20, 26


def er_svg(manifest: dict[str, Any]) -> str:
    """The ER diagram as SVG: what is referred to in the middle, facts of leads to its left, lists and aggregates to its right."""
    marts = marts_of(manifest)
    references = references_of(marts)
    targets = {ref.to_mart for ref in references}
    shown = {mart.name: [column for column, _ in _keys(mart, references)] for mart in marts}
    columns: list[list[Mart]] = [[], [], []]
    for mart in marts:
        is_fact = mart.folder != "reporting" and any(column.name == "lead_id" for column in mart.columns)
        columns[1 if mart.name in targets else 0 if is_fact else 2].append(mart)
    places: dict[str, tuple[int, int]] = {}
    tallest = 0
    for place, column in enumerate(columns):
        y = 10
        for mart in column:
            places[mart.name] = (10 + place * (_WIDTH + _GAP), y)
            y += _HEAD + _ROW * len(shown[mart.name]) + _SPACE
        tallest = max(tallest, y)

    def anchor(mart: str, column: str, to_the_right: bool) -> tuple[int, int]:
        x, y = places[mart]
        row = [shown_column.name for shown_column in shown[mart]].index(column)
        return x + (_WIDTH if to_the_right else 0), y + _HEAD + _ROW * row + _ROW // 2

    parts = []
    for ref in references:
        from_x, to_x = places[ref.mart][0], places[ref.to_mart][0]
        x1, y1 = anchor(ref.mart, ref.column, from_x <= to_x)
        x2, y2 = anchor(ref.to_mart, ref.to_column, to_x <= from_x)
        # Two marts of one column are joined by a loop at its right.
        bend1, bend2 = (70, 70) if from_x == to_x else (70, -70) if from_x < to_x else (-70, 70)
        parts.append(
            f'<path class="{"sure" if _is_sure(ref) else "perhaps"}" d="M{x1},{y1} C{x1 + bend1},{y1} {x2 + bend2},{y2} {x2},{y2}">'
            f"<title>{ref.mart}.{ref.column} refers to {ref.to_mart}.{ref.to_column}</title></path>"
        )
    for mart in marts:
        x, y = places[mart.name]
        height = _HEAD + _ROW * len(shown[mart.name])
        parts.append(
            f'<g><title>{html.escape(mart.description)}</title><rect x="{x}" y="{y}" width="{_WIDTH}" height="{height}" rx="6"/>'
        )
        parts.append(f'<text class="name" x="{x + 10}" y="{y + 20}">{mart.name}</text>')
        for row, column in enumerate(shown[mart.name]):
            mark = ' class="key"' if column.name in mart.key else ""
            parts.append(f'<text{mark} x="{x + 10}" y="{y + _HEAD + _ROW * row + 14}">{column.name}</text>')
        parts.append("</g>")
    width = 3 * _WIDTH + 2 * _GAP + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {tallest}" role="img" aria-label="How the marts refer to each other">'
        + "".join(parts)
        + "</svg>"
    )


# --- the site ---------------------------------------------------------------------------------------------------------


def _with_code(text: str) -> markupsafe.Markup:
    """HTML of a description, whose code stands between backticks."""
    return markupsafe.Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(markupsafe.escape(text))))


_JINJA = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
_JINJA.filters["with_code"] = _with_code
_PAGE = _JINJA.from_string("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} – Lead SLA</title>
<style>
  :root { color-scheme: light dark; --line: #8886; --accent: light-dark(#1f5fa8, #8ab8f0); --soft: light-dark(#f4f6f9, #22262c); }
  body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 78rem; padding: 1rem 1.5rem 4rem; }
  nav { display: flex; flex-wrap: wrap; gap: 1.2rem; padding-bottom: .6rem; border-bottom: 1px solid var(--line); }
  a { color: var(--accent); }
  h3 { margin-top: 2.2rem; font-family: ui-monospace, monospace; }
  .wide { overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; }
  th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; }
  td:first-child, code { font-family: ui-monospace, monospace; font-size: .92em; }
  .cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 1rem; padding: 0; list-style: none; }
  .cards li { background: var(--soft); border-radius: 8px; padding: 1rem; }
  svg { width: 100%; min-width: 56rem; height: auto; font: 13px ui-monospace, monospace; }
  svg rect { fill: var(--soft); stroke: var(--line); }
  svg text { fill: currentColor; }
  svg .name { font-weight: 700; font-size: 14px; }
  svg .key { text-decoration: underline; }
  svg path { fill: none; stroke: var(--accent); stroke-width: 1.4; opacity: .55; }
  svg path.perhaps { stroke-dasharray: 4 4; }
  svg path:hover { opacity: 1; stroke-width: 3; }
</style>
</head>
<body>
<nav><a href="index.html">Lead SLA</a><a href="data-dictionary.html">Data dictionary</a><a href="er-diagram.html">ER diagram</a>
<a href="dbt.html">dbt docs</a><a href="lineage.html">Column lineage</a></nav>
<main>
<h1>{{ title }}</h1>
{% if title == "Documentation" %}
<ul class="cards">
<li><a href="data-dictionary.html">Data dictionary</a><br>Every mart: its grain, key and columns, with type and unit.</li>
<li><a href="er-diagram.html">ER diagram</a><br>How the marts refer to each other.</li>
<li><a href="dbt.html">dbt docs</a><br>Every model, seed, test, metric, reader and worked question, with its SQL and the graph from raw table to reader.</li>
<li><a href="lineage.html">Column lineage</a><br>Which column comes from which, back to the raw tables.</li>
</ul>
{% elif svg %}
<p>Keys (underlined) and references. A dashed line may find nobody: reps are kept by id even if the CRM does not list them, and
<code>unassigned</code> stands for nobody.</p>
<div class="wide" tabindex="0" role="region" aria-label="ER diagram">{{ svg | safe }}</div>
{% else %}
<p>Instants are UTC; days are days of the reporting time zone. Key columns are underlined; those with an asterisk are never empty.</p>
{% for folder, heading in folders.items() %}
<h2>{{ heading }}</h2>
{% for mart in marts if mart.folder == folder %}
<h3 id="{{ mart.name }}">{{ mart.name }}</h3>
<p>{{ mart.description | with_code }}</p>
<div class="wide" tabindex="0" role="region" aria-label="Columns of {{ mart.name }}">
<table><thead><tr><th>Column</th><th>Type</th><th>Unit</th><th>What it says</th></tr></thead><tbody>
{% for column in mart.columns %}
<tr><td>{% if column.name in mart.key %}<u>{{ column.name }}</u>{% else %}{{ column.name }}{% endif %}{{ "*" if column.is_required }}</td>
<td>{{ column.type }}</td><td>{{ column.unit }}</td><td>{{ column.description | with_code }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endfor %}
{% endfor %}
{% endif %}
</main>
</body>
</html>
""")


def make_site(folder: Path, target: Path) -> None:
    """Write the site from dbt's artifacts.

    Args:
        folder: where the site comes to lie; what was there is replaced once the new one is whole.
        target: dbt's target folder after `dbt docs generate --static`.

    Raises:
        LeadSlaError: the lineage of a column could not be told.
    """
    manifest = json.loads((target / "manifest.json").read_text())
    marts = marts_of(manifest)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for name, title, values in (
        ("index", "Documentation", {}),
        ("data-dictionary", "Data dictionary", {"marts": marts, "folders": FOLDERS}),
        ("er-diagram", "ER diagram", {"svg": er_svg(manifest)}),
    ):
        (part / f"{name}.html").write_text(_PAGE.render(title=title, **values))
    shutil.copy(target / "static_index.html", part / "dbt.html")
    (part / "lineage.html").write_text(lineage_page(target))
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def lineage_page(target: Path) -> str:
    """The column-level lineage as one HTML page that sends nothing and loads nothing.

    Raises:
        LeadSlaError: colibri could not follow a column.
    """
    # A tool of development alone: production has neither this package nor the need for it.
    from dbt_colibri.lineage_extractor.extractor import DbtColumnLineageExtractor
    from dbt_colibri.report.generator import DbtColibriReportGenerator
    from sqlglot.optimizer.scope import Scope

    # colibri 0.3.7 calls it by the name that sqlglot has given up.
    if not hasattr(Scope, "union_scopes"):
        Scope.union_scopes = property(lambda scope: scope.set_operation_scopes)
    complaints = _Complaints()
    logger = logging.getLogger("colibri")
    logger.addHandler(complaints)
    try:
        with tempfile.TemporaryDirectory() as folder:
            extractor = DbtColumnLineageExtractor(str(target / "manifest.json"), str(target / "catalog.json"))
            DbtColibriReportGenerator(extractor, disable_telemetry=True).generate_report(output_dir=folder)
            page = (Path(folder) / "index.html").read_text()
            if (unread := Path(folder) / "colibri-parsing-errors.json").exists():
                complaints.said.append(unread.read_text())
    finally:
        logger.removeHandler(complaints)
    if complaints.said:
        raise LeadSlaError(
            "The column-level lineage could not be made",
            where=str(target),
            todo="Look at what dbt-colibri says: its version and that of sqlglot may not fit",
            details=complaints.said[:5],
        )
    return page


class _Complaints(logging.Handler):
    """Collects what colibri calls an error, and goes on after."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message."""
        self.said.append(record.getMessage())


# --- dbt --------------------------------------------------------------------------------------------------------------


def build_aside(scratch: Path) -> Path:
    """Build the project on a few made-up leads, with everything in a scratch folder, and document it.

    Returns:
        dbt's target folder, with manifest, catalog and the static page.

    Raises:
        LeadSlaError: dbt failed; the details hold what it said.
    """
    make_sample(60, 40, 1, scratch / "raw")
    _dbt(scratch, "build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
    _dbt(scratch, "docs", "generate", "--static")
    return scratch / "target"


def parse(scratch: Path) -> dict[str, Any]:
    """Read the project, and give dbt's manifest.

    Raises:
        LeadSlaError: dbt failed; the details hold what it said.
    """
    _dbt(scratch, "parse")
    return json.loads((scratch / "target" / "manifest.json").read_text())


def _dbt(scratch: Path, *arguments: str) -> None:
    environment = os.environ | {
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_TARGET_PATH": str(scratch / "target"),
        "DBT_LOG_PATH": str(scratch / "logs"),
        "LEAD_SLA_RAW": str(scratch / "raw"),
        "LEAD_SLA_WAREHOUSE": str(scratch / "warehouse.duckdb"),
    }
    command = [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "--quiet", *arguments]
    finished = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise LeadSlaError(
            f"dbt {arguments[0]} failed",
            where=str(PROJECT),
            todo="Mend what dbt names below",
            details=(finished.stdout + finished.stderr).splitlines()[-20:],
        )


@click.group()
def cli() -> None:
    """Documentation that is made from the project itself."""


@cli.command("pages")
def write_pages() -> None:
    """Write docs/data-dictionary.md and docs/er-diagram.md anew."""
    with tempfile.TemporaryDirectory() as scratch:
        for path, text in pages(parse(Path(scratch))).items():
            (PROJECT / path).write_text(text)
            click.echo(path)


@cli.command("site")
@click.argument("folder", type=click.Path(path_type=Path), default=PROJECT / "target" / "docs-site")
def write_site(folder: Path) -> None:
    """Write the documentation site."""
    with tempfile.TemporaryDirectory() as scratch:
        make_site(folder.resolve(), build_aside(Path(scratch)))
    click.echo(f"{folder / 'index.html'}")


if __name__ == "__main__":
    cli()
