"""The mail: an HTML part with its pictures, a plain-text part that says the same, and the whole lists as CSV."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lead_sla.report import words
from lead_sla.report.charts import Chart, draw
from lead_sla.report.config import Recipient, ReportConfig
from lead_sla.report.figures import Figures
from lead_sla.report.view import DAYS_OF_TREND, View, view
from lead_sla.settings import PACKAGE
from lead_sla.summary import Row

if TYPE_CHECKING:
    import jinja2

# The attachments that a report may have.
LISTS = ("do_not_be_on_it.csv", "due_soon.csv", "promises_not_kept.csv", "warnings.csv")
# The last four are the full-width forms of the first.
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True)
class Report:
    """A report for one reader, in every form.

    Attributes:
        subject: one line.
        text: the plain-text part.
        pages: the HTML by what its pictures are called: `cid` in the mail, `data` in a file that stands alone.
        short: a few lines without names, for chat channels.
        charts: the pictures.
        attachments: CSV files by name.
    """

    subject: str
    text: str
    pages: Mapping[str, str]
    short: str
    charts: Sequence[Chart]
    attachments: Mapping[str, bytes]


def make_report(figures: Figures, config: ReportConfig) -> Report:
    """Write the report of one reader."""
    charts = draw(figures)
    shown = view(figures, config)
    subject = words.subject(config.subject, figures)
    return Report(
        subject=subject,
        text=_template("report.txt.j2").render(v=shown, days=DAYS_OF_TREND).strip() + "\n",
        pages={how: _page(shown, subject, charts, how) for how in ("cid", "data")},
        short=_short(shown),
        charts=charts,
        attachments=_attachments(figures, config),
    )


def make_mail(report: Report, config: ReportConfig, recipient: Recipient, now: datetime) -> EmailMessage:
    """Put a report into an envelope.

    Args:
        report: the report.
        config: sender and where answers go.
        recipient: to whom.
        now: the Date of the mail, with its zone.
    """
    mail = EmailMessage(policy=SMTP)
    mail["From"] = config.sender
    mail["To"] = recipient.address
    if config.reply_to:
        mail["Reply-To"] = config.reply_to
    mail["Subject"] = report.subject
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = make_msgid(domain=parseaddr(config.sender)[1].rpartition("@")[2])
    # Nobody's absence note should answer a machine.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(report.text)
    mail.add_alternative(report.pages["cid"], subtype="html")
    page = mail.get_payload()[1]
    for chart in report.charts:
        for theme, png in (("light", chart.light), ("dark", chart.dark)):
            name = f"{chart.name}-{theme}"
            page.add_related(png, "image", "png", cid=f"<{_cid(name)}>", filename=f"{name}.png", disposition="inline")
    for name, content in report.attachments.items():
        mail.add_attachment(content, "text", "csv", filename=name)
    return mail


def _page(shown: View, subject: str, charts: Sequence[Chart], how: str) -> str:
    import css_inline

    def source(name: str, png: bytes) -> str:
        return f"cid:{_cid(name)}" if how == "cid" else f"data:image/png;base64,{base64.b64encode(png).decode()}"

    pictures = {
        chart.name: {
            "alt": chart.alt,
            "light": source(f"{chart.name}-light", chart.light),
            "dark": source(f"{chart.name}-dark", chart.dark),
        }
        for chart in charts
    }
    page = _template("report.html.j2").render(v=shown, subject=subject, charts=pictures, days=DAYS_OF_TREND)
    inliner = css_inline.CSSInliner(minify_css=True, load_remote_stylesheets=False)
    return inliner.inline(page)


def _cid(name: str) -> str:
    return f"{name}@lead-sla"


@lru_cache(maxsize=4)
def _template(name: str) -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PACKAGE / "report" / "templates"),
        autoescape=name.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _short(shown: View) -> str:
    """Write the report for a chat: numbers and no names, which could ring somebody's bell."""
    lines = [f"{shown.day}, as of {shown.as_of} ({shown.zone})"]
    lines += [f"{sentence[:1].upper()}{sentence[1:]}." for sentence in shown.unknown]
    lines += [f"{tile.label}: {tile.value} ({tile.note})" for tile in shown.tiles]
    lines += [shown.link] if shown.link else []
    return "\n".join(lines)


def _attachments(figures: Figures, config: ReportConfig) -> dict[str, bytes]:
    """Give the whole lists; instants are UTC, as their names say."""

    def of(row: Row) -> dict[str, Any]:
        return {
            "lead_id": row["lead_id"],
            "lead_url": config.lead_url(row["lead_id"]),
            "rule_id": row["rule_id"],
            "rule_name": row["rule_name"],
            "rep_id": row["rep_id"],
            "rep_name": row["rep_name"],
            "team": row["team"],
            "persona": row["persona"],
            "lead_source": row["lead_source"],
            "touches": row["touches_total"],
            "required_touches": row["required_touches"],
            "triggered_at_utc": f"{row['triggered_at']:%Y-%m-%d %H:%M:%S}",
            "due_at_utc": f"{row['due_at']:%Y-%m-%d %H:%M:%S}",
        }

    lists = {
        "do_not_be_on_it.csv": [
            of(row) | {"days_late": f"{row['violation_age_days']:.2f}", "is_new": "yes" if row["is_new"] else "no"}
            for row in figures.on_the_list
        ],
        "due_soon.csv": [of(row) | {"minutes_left": f"{row['minutes_left']:.0f}"} for row in figures.due_soon],
        # Of the whole company, so for those alone who see it.
        "promises_not_kept.csv": [
            {"promise": promise} for promise in figures.company.promises if figures.scope.kind == "all"
        ],
        "warnings.csv": [{"warning": finding} for finding in figures.company.findings],
    }
    return {name: make_csv(lists[name]) for name in LISTS if lists[name]}


def make_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Write rows as CSV that spreadsheets open as it is: UTF-8 with its mark, every value quoted, no value a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(rows[0])
    writer.writerows([no_formula(value) for value in row.values()] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def no_formula(value: Any) -> Any:
    """Put an apostrophe before what a spreadsheet would run; numbers of our own stay numbers."""
    if not isinstance(value, str):
        return value
    return f"'{value}" if value.startswith(_BEGINS_A_FORMULA) else value
