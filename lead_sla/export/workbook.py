"""Writes the workbook: whole, or not at all."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from xlsxwriter.exceptions import XlsxWriterException

from lead_sla import publish as publishing
from lead_sla.dashboard.site import crm_lead_url
from lead_sla.errors import LeadSlaError, RefusedInput, explain
from lead_sla.export.excel import Book
from lead_sla.export.sheets import SheetMarts, as_of, write_sheets
from lead_sla.files import put
from lead_sla.report.config import Scope
from lead_sla.report.figures import UnknownScope, clean
from lead_sla.settings import Settings

SUFFIX = ".xlsx"
# The files by which Excel and LibreOffice tell each other that they have a workbook open.
_OPEN_MARKS = ("~${}", ".~lock.{}#")
_IN_USE = (errno.EBUSY, errno.ETXTBSY, errno.EROFS)
_SCOPES = ("team", "manager", "rep")


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes:
        path: the workbook.
        sheets: the rows in the table of each sheet.
    """

    path: Path
    sheets: Mapping[str, int]


def parse_scope(text: str) -> Scope:
    """Read whose leads a workbook shows: `all`, `team=NAME`, `manager=REP_ID` or `rep=REP_ID`.

    Raises:
        RefusedInput: it is none of them.
    """
    kind, _, of = text.partition("=")
    if text == "all":
        return Scope()
    if kind in _SCOPES and of.strip() and of.isprintable():
        return Scope(kind, of.strip())
    raise RefusedInput(
        f"{clean(text)} says of nobody whose leads to show",
        todo="give one of: all, team=NAME, manager=REP_ID, rep=REP_ID (rep=unassigned is what nobody owns)",
    )


def export(
    settings: Settings,
    out: Path | None = None,
    published: Path | None = None,
    scope: Scope | None = None,
    now: datetime | None = None,
    doing: Callable[[str], None] = lambda _: None,
    environ: Mapping[str, str] = os.environ,
) -> ExportResult:
    """Write the day's lists and scorecards of published marts as an Excel workbook.

    Args:
        settings: the paths.
        out: the file; what was there is replaced once the new one is whole. Default: `lead-sla_<day of as_of>.xlsx` in the working
            folder, with the scope in its name where it is not the whole company.
        published: the folder of the published marts; default: the usual one.
        scope: whose leads; default: all. Marketing's numbers and the funnel are the whole company's in each.
        now: the present, UTC without a zone: data is late in its eyes; default: the machine's clock.
        doing: told which sheet is being written.
        environ: the environment variables (LEAD_SLA_CRM_LEAD_URL, LEAD_SLA_REPORT_CONFIG).

    Raises:
        RefusedInput: the scope, the name of the file or the configured address of a lead is wrong.
        LeadSlaError: nothing has been published, or the file cannot be written or is open in a spreadsheet. What was there is as it
            was.
    """
    scope = scope or Scope()
    now = now or datetime.now(UTC).replace(tzinfo=None)
    folder = published or settings.published
    run = publishing.current(folder)
    if run is None:
        raise LeadSlaError("Nothing has been published yet", where=str(folder), todo="run: lead-sla build")
    lead_url = crm_lead_url(settings, environ)
    try:
        with SheetMarts(run, settings, now, scope) as marts:
            path = (out or Path.cwd() / _name(marts, scope)).absolute()
            _check(path)
            sheets = _write(path, marts, lead_url, scope, now, doing)
    except UnknownScope as error:
        raise RefusedInput(
            error.what, todo="give another scope: all, team=NAME, manager=REP_ID or rep=REP_ID"
        ) from error
    except duckdb.Error as error:
        raise explain(error, "Writing the workbook") from error
    return ExportResult(path, sheets)


def _name(marts: SheetMarts, scope: Scope) -> str:
    """Name the workbook: one of a part of the company does not take the place of the whole one's."""
    part = "" if scope == Scope() else "_" + re.sub(r"[^\w.-]+", "-", f"{scope.kind}-{scope.of}")[:80]
    return f"lead-sla_{marts.company.clock.as_of_date}{part}{SUFFIX}"


def _check(path: Path) -> None:
    """See that the workbook can be put into its place, before the work of writing it."""
    if path.suffix.lower() != SUFFIX:
        raise RefusedInput(
            "Excel would not open a workbook of this name", where=str(path), todo=f"give a name that ends in {SUFFIX}"
        )
    if path.is_dir():
        raise RefusedInput("This is a folder", where=str(path), todo="name a file in it")
    if not path.parent.is_dir():
        raise RefusedInput(
            "There is no such folder", where=str(path.parent), todo="make it, or name another file by --out"
        )
    for mark in (path.with_name(mark.format(path.name)) for mark in _OPEN_MARKS):
        if mark.exists():
            raise LeadSlaError(
                "The workbook is open in a spreadsheet, which would write over the new one",
                where=str(path),
                todo=f"close it there, or name another file by --out (if nobody has it open, delete {mark.name})",
            )


def _write(
    path: Path, marts: SheetMarts, lead_url: str, scope: Scope, now: datetime, doing: Callable[[str], None]
) -> dict[str, int]:
    company = marts.company
    part = None
    try:
        # Of a name of its own, so that two who write the same workbook do not write into one file; and for its owner alone.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(descriptor)
        part = Path(name)
        with tempfile.TemporaryDirectory(prefix="lead-sla-export-") as scratch:
            book = Book(part, Path(scratch), lead_url, as_of(marts), f"Lead SLA: {marts.title}")
            book.describe(f"Lead SLA. {as_of(marts)}", marts.title, f"From the published run {company.run}", now)
            sheets = write_sheets(book, marts, is_all=scope == Scope(), doing=doing)
            doing("the file")
            book.close()
        put(part, path)
    except (OSError, XlsxWriterException) as error:
        raise _explain(error, path) from error
    finally:
        if part:
            part.unlink(missing_ok=True)
    return sheets


def _explain(error: Exception, path: Path) -> LeadSlaError:
    # XlsxWriter wraps what the operating system said.
    cause = next((arg for arg in error.args if isinstance(arg, OSError)), error)
    if isinstance(cause, PermissionError) or getattr(cause, "errno", None) in _IN_USE:
        return LeadSlaError(
            "The workbook cannot be written: it is open in Excel, or this folder may not be written",
            where=str(path),
            todo="close it, or name another file by --out",
        )
    return explain(cause, "Writing the workbook")
