"""Numbers, instants and what is unknown, in the words of the report."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from lead_sla.report.figures import Company, Figures, Load, clean
from lead_sla.summary import Row, per_cent

# A number and its unit stay on one line.
_NBSP = "\u00a0"
MINUS = "\u2212"
_NAME_LENGTH = 80
_PACES = {"on_pace": "on pace", "no_target": "no target"}


def name(text: str) -> str:
    """Write a name or an id of the CRM on one line, and not without end."""
    text = clean(text)
    return text if len(text) <= _NAME_LENGTH else f"{text[: _NAME_LENGTH - 1]}…"


def number(value: float | None) -> str:
    """Write a count, such as `1,418`; a dash for null."""
    return "–" if value is None else f"{value:,.0f}"


def dollars(value: float | None) -> str:
    """Write US dollars without cents; a dash for null."""
    return "–" if value is None else f"${value:,.0f}"


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share of 1 as per cent, rounded down; a dash for null."""
    return "–" if share is None else f"{per_cent(share, digits):,.{digits}f}{_NBSP}%"


def rate(part: float, whole: float | None) -> float | None:
    """Divide, or give null where there is nothing to divide by."""
    return float(part) / float(whole) if whole else None


def persona(text: str) -> str:
    """Write a persona for people: `mid_market` is Mid market, `all` is All."""
    return name(text).replace("_", " ").capitalize()


def pace(name: str) -> str:
    """Write a pace for people."""
    return _PACES.get(name, clean(name))


def day(value: date) -> str:
    """Write a day without its year, such as `18 June`."""
    return f"{value.day} {value:%B}"


def instant(value: datetime | None) -> str:
    """Write an instant without its year, such as `18 June, 15:00`."""
    return "never" if value is None else f"{value.day} {value:%B}, {value:%H:%M}"


def duration(value: timedelta) -> str:
    """Write a length of time by its largest unit, rounded down: minutes, hours from two on, days from two on."""
    minutes = int(value.total_seconds() // 60)
    for unit, length in (("days", 24 * 60), ("h", 60)):
        if minutes >= 2 * length:
            return f"{minutes // length}{_NBSP}{unit}"
    return f"{minutes}{_NBSP}min"


def days_long(value: float) -> str:
    """Write a length of time that is given in days."""
    return duration(timedelta(days=value))


def enumeration(items: list[str]) -> str:
    """Join words as a sentence does."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def unknown(company: Company) -> list[str]:
    """Say of each load that is late what is therefore unknown."""
    return [_unknown(company, tables, load) for tables, load in company.unknown]


def _unknown(company: Company, tables: list[str], load: Load) -> str:
    if load.heard_at_local is None:
        return f"unknown: no data in {enumeration(tables)} yet"
    heard, now = load.heard_at_local, company.clock.now_local
    year = f" {heard.year}" if heard.year != now.year else ""
    return (
        f"unknown: no data in {enumeration(tables)} since {day(heard)}{year}, {heard:%H:%M} ({duration(now - heard)})"
    )


def since(company: Company) -> str:
    """Say in three words since when data is missing, such as `since 16 June`; empty where nothing is late."""
    if not company.unknown:
        return ""
    heard = company.unknown[0][1].heard_at_local
    return "yet" if heard is None else f"since {day(heard)}"


def headline_pace(company: Company) -> tuple[str, Row | None]:
    """Give the pace of all personas, and its row; null before the first target or qualified lead."""
    row = next((row for row in company.to_date if row["persona"] == "all"), None)
    return ("unknown" if row is None else pace(row["pace"])), row


def by_value(row: Row) -> bool:
    """Is this persona paced by dollars? Else by leads, as the marts do it."""
    return row["target_value_usd"] is not None


def has_target(row: Row) -> bool:
    """Is there anything to compare this persona with?"""
    return row["target_value_usd"] is not None or row["target_leads"] is not None


def ideal_share(row: Row) -> float | None:
    """Give the month to date as a share of the ideal line, by what the persona is paced by; null while that stands at zero."""
    if by_value(row):
        return rate(row["mtd_value_usd"], row["ideal_mtd_value_usd"])
    return rate(row["mtd_leads"], row["ideal_mtd_leads"])


def count_or_unknown(figures: Figures, count: int) -> str:
    """Write a count; nothing at all, where data is missing, is unknown and not zero."""
    return "unknown" if count == 0 and figures.company.unknown else number(count)


def subject(template: str, figures: Figures) -> str:
    """Fill in the subject, in front of it since when nothing is known."""
    company = figures.company
    filled = template.format(
        date=day(company.clock.as_of_date),
        scope=name(figures.title),
        on_the_list=count_or_unknown(figures, len(figures.on_the_list)),
        due_soon=count_or_unknown(figures, len(figures.due_soon)),
        attainment=percent(rate(figures.total("week_met"), figures.total("week_due")), 0),
        pace=headline_pace(company)[0],
    )
    return clean(f"No data {since(company)}: {filled}" if company.unknown else filled)
