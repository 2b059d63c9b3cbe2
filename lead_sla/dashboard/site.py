"""Writes the site: built aside as a whole version, then swapped in with one rename.

    dashboard -> dashboard.versions/<version>     the one link that changes, atomically
    dashboard.versions/<version>/index.html ...   the pages, each with its own numbers in it
    dashboard.versions/<version>/assets/          style, script, and Vega to draw the charts
    dashboard.versions/<version>/data/            the lists of leads, 5,000 rows a file

A page that is open while a new version comes in notices by the version in the next file that it loads, and loads itself anew: no
reader sees rows of two versions together.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb

from lead_sla import publish as publishing
from lead_sla.errors import LeadSlaError, RefusedInput, explain
from lead_sla.files import point, sync
from lead_sla.lock import only_one
from lead_sla.publish import FILE_MODE, FOLDER_MODE, PublishedRun
from lead_sla.report import config as report_config
from lead_sla.settings import PACKAGE, Settings

NAME = "dashboard"
LEAD_URL_VARIABLE = "LEAD_SLA_CRM_LEAD_URL"
COMPANY_VARIABLE = "LEAD_SLA_COMPANY"
KEPT_VERSIONS = 3
# The file of each page, its title, and its name in the navigation.
PAGES = (
    ("index", "Do Not Be On It", "Do Not Be On It"),
    ("marketing", "Marketing SLA", "Marketing SLA"),
    ("sales", "Sales SLA", "Sales SLA"),
    ("matrix", "Buyer Matrix", "Buyer Matrix"),
    ("data", "Data", "Data"),
)
_FOLDER = PACKAGE / "dashboard"
_ASSETS = ("dashboard.css", "dashboard.js")
_UNFINISHED = ".tmp"


@dataclass(frozen=True)
class DashboardResult:
    """What was written.

    Attributes:
        folder: what readers open, a link to the newest version.
        pages: the pages in it, the first one first.
        seconds: how long it took.
    """

    folder: Path
    pages: tuple[Path, ...]
    seconds: float


def write_dashboard(
    settings: Settings,
    published: PublishedRun | Path | None = None,
    out: Path | None = None,
    now: datetime | None = None,
    doing: Callable[[str], None] = lambda _: None,
    environ: Mapping[str, str] = os.environ,
) -> DashboardResult:
    """Write the dashboard of published marts, and make it the one that readers see.

    Args:
        settings: the paths.
        published: the run, or the folder of the published marts; default: the usual folder.
        out: what readers will open; default: `dashboard` beside the published marts.
        now: the present, UTC without a zone: data is late in its eyes; default: the machine's clock.
        doing: told what is being done.
        environ: the environment variables (LEAD_SLA_CRM_LEAD_URL, LEAD_SLA_COMPANY).

    Raises:
        RefusedInput: the configured address of a lead is none, or the report's configuration is wrong.
        LeadSlaError: nothing has been published, `out` is something else's, another process is writing it, or a file cannot be
            written. What readers saw before, they see still.
    """
    started = time.monotonic()
    now = now or datetime.now(UTC).replace(tzinfo=None)
    run = _run(settings, published)
    lead_url = crm_lead_url(settings, environ)
    # Beside the folder `runs` in which the run lies.
    out = (out or run.folder.parents[1] / NAME).absolute()
    if out.exists() and not out.is_symlink():
        raise LeadSlaError(
            "The dashboard would replace a folder or file that is not a dashboard",
            where=str(out),
            todo="name another place by --out, or move that one away",
        )
    versions = out.with_name(f"{out.name}.versions")
    try:
        versions.mkdir(parents=True, exist_ok=True)
        versions.chmod(FOLDER_MODE)
        with only_one(versions / ".lock", "Writing the dashboard"):
            for left_behind in versions.glob(f".*{_UNFINISHED}"):
                shutil.rmtree(left_behind)
            version = f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
            unfinished = versions / f".{uuid.uuid4().hex}{_UNFINISHED}"
            try:
                _write(unfinished, version, run, settings, now, lead_url, environ.get(COMPANY_VARIABLE, ""), doing)
                unfinished.rename(versions / version)
                sync(versions)
                point(out, f"{versions.name}/{version}")
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
            _prune(versions, keep=version)
    except (OSError, duckdb.Error) as error:
        raise explain(error, "Writing the dashboard") from error
    return DashboardResult(out, tuple(out / f"{name}.html" for name, _, _ in PAGES), time.monotonic() - started)


def crm_lead_url(settings: Settings, environ: Mapping[str, str] = os.environ) -> str:
    """Give the address of a lead in the CRM with `{lead_id}` in it: LEAD_SLA_CRM_LEAD_URL, else the report's; empty for none.

    Raises:
        RefusedInput: it is no such address, or the report's configuration is wrong.
    """
    if value := environ.get(LEAD_URL_VARIABLE, "").strip():
        if report_config.lead_url_mistake(value):
            raise RefusedInput(
                f"{LEAD_URL_VARIABLE} is not the address of a lead",
                todo="give one such as https://crm.example.com/leads/{lead_id}, with {lead_id} in it once",
            )
        return value
    path = report_config.config_path(settings, environ)
    return report_config.load_config(path).crm_lead_url if path.exists() else ""


def _run(settings: Settings, published: PublishedRun | Path | None) -> PublishedRun:
    if isinstance(published, PublishedRun):
        return published
    folder = published or settings.published
    run = publishing.current(folder)
    if run is None:
        raise LeadSlaError("Nothing has been published yet", where=str(folder), todo="run: lead-sla build")
    return run


def _write(
    folder: Path,
    version: str,
    run: PublishedRun,
    settings: Settings,
    now: datetime,
    lead_url: str,
    company_name: str,
    doing: Callable[[str], None],
) -> None:
    """Write all files of a version into an unfinished folder, flushed to the disk."""
    # Templates and charts take a second to load: only this command needs them.
    from lead_sla.dashboard.board import Board
    from lead_sla.dashboard.pages.data import data
    from lead_sla.dashboard.pages.marketing import marketing
    from lead_sla.dashboard.pages.matrix import matrix
    from lead_sla.dashboard.pages.sales import sales
    from lead_sla.dashboard.pages.violations import violations
    from lead_sla.dashboard.parts import embed

    for path in (folder, folder / "assets", folder / "data"):
        path.mkdir(mode=FOLDER_MODE)
    with Board(run, settings, now, lead_url, company_name) as board:
        doing("the list of open violations")
        on_it, leads = violations(board, version)
        contents: dict[str, dict[str, Any]] = {"index": on_it}
        for name, lay_out in (("marketing", marketing), ("sales", sales), ("matrix", matrix), ("data", data)):
            doing(f"page {name}")
            contents[name] = lay_out(board)
        frame = _frame(board, version)
    environment = _templates()
    for name, title, _ in PAGES:
        text = environment.get_template(f"{name}.html.j2").render(page=name, title=title, **frame, **contents[name])
        _put(folder / f"{name}.html", text)
    doing("the lists of leads")
    for name, chunks in leads.chunks.items():
        for place, rows in enumerate(chunks):
            _put(
                folder / "data" / f"{name}-{place}.js", f'leadSla.chunk("{version}","{name}",{place},{embed(rows)});\n'
            )
    doing("style, script and the drawing library")
    for asset in _ASSETS:
        _put(folder / "assets" / asset, (_FOLDER / "assets" / asset).read_text(encoding="utf-8"))
    _put(folder / "assets" / "vega.js", _vega())
    for path in (folder / "assets", folder / "data", folder):
        path.chmod(FOLDER_MODE)
        sync(path)


def _frame(board: Any, version: str) -> dict[str, Any]:
    """Give what stands around every page."""
    from lead_sla.report import words

    clock = board.company.clock
    return {
        "company_name": words.name(board.company_name),
        "navigation": [(name, label) for name, _, label in PAGES],
        "version": version,
        "as_of": f"{clock.as_of_local:%A} {clock.as_of_local.day} {clock.as_of_local:%B %Y, %H:%M}",
        "as_of_iso": f"{clock.as_of.isoformat()}Z",
        "zone": clock.zone,
        "unknown": words.unknown(board.company),
        "becoming_late": [(f"{at.isoformat()}Z", sentence) for at, sentence in board.becoming_late()],
    }


@lru_cache(maxsize=1)
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from lead_sla.dashboard.parts import embed

    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["embed"] = embed
    return environment


@lru_cache(maxsize=1)
def _vega() -> str:
    """Give Vega, Vega-Lite and their embedder as one script, of the version that Altair writes charts for."""
    import altair
    import vl_convert

    version = altair.SCHEMA_VERSION.rsplit(".", 1)[0]
    # Within a function, so that its thousand short names are nobody else's.
    return f"(()=>{{{vl_convert.javascript_bundle(vl_version=version)}}})();\n"


def _put(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
    path.chmod(FILE_MODE)
    sync(path)


def _prune(versions: Path, keep: str) -> None:
    """Remove all but the newest versions: who has one open needs its files for the next click."""
    finished = sorted(path for path in versions.iterdir() if path.is_dir() and not path.name.endswith(_UNFINISHED))
    for old in finished[:-KEPT_VERSIONS]:
        if old.name != keep:
            shutil.rmtree(old, ignore_errors=True)
