"""What stands where in the mail: every line written out, the same for the HTML and the plain-text part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lead_sla.report import words
from lead_sla.report.config import ReportConfig
from lead_sla.report.figures import Figures
from lead_sla.summary import Row

DAYS_OF_TREND = 7
# Marketing's own people and managers of all read the whole first; who has a list of his own reads that first.
_ORDER_OF_ALL = ("marketing", "sales", "promises", "list", "due", "data")
_ORDER_OF_SOME = ("due", "list", "sales", "marketing", "data")
_REPS_SHOWN = 15
_DUE_SHOWN = 10
_PROMISES_SHOWN = 8
_TONES = {"behind": "bad", "ahead": "warn", "on_pace": "good", "no_target": ""}


@dataclass(frozen=True)
class Tile:
    """One of the few numbers that matter; `tone` is `good`, `warn`, `bad` or empty."""

    label: str
    value: str
    note: str
    tone: str = ""


@dataclass(frozen=True)
class LeadLine:
    """A lead that somebody should call; `when` is how late it is, or when its deadline is."""

    lead: str
    url: str
    rule: str
    rep: str
    when: str
    touches: str
    is_new: bool = False


@dataclass(frozen=True)
class RepLine:
    """Somebody on the list, with the newest leads; `share` is of the longest list, in per cent."""

    name: str
    team: str
    open: str
    note: str
    share: int
    leads: Sequence[LeadLine]
    more: int


@dataclass(frozen=True)
class PersonaLine:
    """Marketing's month to date for a persona."""

    name: str
    pace: str
    tone: str
    leads: str
    leads_notes: Sequence[str]
    dollars: str
    dollars_notes: Sequence[str]


@dataclass(frozen=True)
class RuleLine:
    """Sales' attainment of a rule."""

    name: str
    rate: str
    counts: str
    before: str
    tone: str
    on_the_list: str
    at_risk: str


@dataclass(frozen=True)
class LoadLine:
    """How fresh a raw table is."""

    table: str
    at: str
    is_late: bool


@dataclass(frozen=True)
class View:
    """The whole mail in words.

    Attributes:
        sections: which sections there are, in their order.
        unknown: a sentence per late load.
        change: how the list came from yesterday's, as labels and numbers that add up.
        more_*: how much is left out of a list that was cut.
    """

    title: str
    is_all: bool
    day: str
    as_of: str
    zone: str
    month: str
    run: str
    link: str
    preheader: str
    sections: Sequence[str]
    unknown: Sequence[str]
    tiles: Sequence[Tile]
    change_since: str
    change: Sequence[tuple[str, str]]
    reps: Sequence[RepLine]
    more_reps: str
    company_list: str
    due: Sequence[LeadLine]
    more_due: int
    rules: Sequence[RuleLine]
    personas: Sequence[PersonaLine]
    marketing_sentence: str
    promises: Sequence[tuple[str, str]]
    more_promises: int
    loads: Sequence[LoadLine]
    findings: Sequence[str]
    more_findings: int
    nobody_on_it: str
    nothing_due: str
    no_rules: str
    no_marketing: str


def view(figures: Figures, config: ReportConfig) -> View:
    """Write a report out."""
    company, clock = figures.company, figures.company.clock
    is_all = figures.scope.kind == "all"
    unknown = words.unknown(company)
    tiles = _tiles(figures)
    reps = [_rep(rep, rows, figures, config) for rep, rows in figures.reps[:_REPS_SHOWN]]
    findings_shown = 8 if is_all else 3

    def silence(sentence: str) -> str:
        """Say that there is nothing, unless that is not known."""
        return "; ".join(unknown).capitalize() if unknown else sentence

    return View(
        title=words.name(figures.title),
        is_all=is_all,
        day=f"{clock.as_of_local:%A} {words.day(clock.as_of_date)} {clock.as_of_date.year}",
        as_of=f"{clock.as_of_local:%H:%M}",
        zone=clock.zone,
        month=f"{clock.month_start:%B}",
        run=company.run,
        link=config.link,
        preheader=" · ".join(f"{tile.label}: {tile.value}" for tile in tiles),
        sections=[
            name for name in (_ORDER_OF_ALL if is_all else _ORDER_OF_SOME) if name != "promises" or company.promises
        ],
        unknown=unknown,
        tiles=tiles,
        change_since=words.instant(clock.day_before_local),
        change=_change(figures),
        reps=reps,
        more_reps=_more_reps(figures),
        company_list=_company_list(figures),
        due=[_due(row, figures, config) for row in figures.due_soon[:_DUE_SHOWN]],
        more_due=max(0, len(figures.due_soon) - _DUE_SHOWN),
        rules=[_rule(row) for row in figures.rules],
        personas=[_persona(row) for row in company.to_date],
        marketing_sentence=_marketing(figures),
        promises=[_promise(sentence) for sentence in company.promises[:_PROMISES_SHOWN]],
        more_promises=max(0, len(company.promises) - _PROMISES_SHOWN),
        loads=[LoadLine(load.table, words.instant(load.heard_at_local), load.is_late) for load in company.loads],
        findings=company.findings[:findings_shown],
        more_findings=max(0, len(company.findings) - findings_shown),
        nobody_on_it=silence("Nobody is on it."),
        nothing_due=silence("Nothing is due soon."),
        no_rules=silence("No promise has been opened yet."),
        no_marketing=silence("No targets and no qualified leads yet."),
    )


def _tiles(figures: Figures) -> list[Tile]:
    company, change = figures.company, figures.change
    month = f"{company.clock.month_start:%B}"
    pace, row = words.headline_pace(company)
    if row is None or (row["mtd_leads"] == 0 and company.unknown):
        marketing = Tile(
            f"Marketing, {month}",
            "unknown" if company.unknown else "–",
            "no data" if company.unknown else "no targets yet",
        )
    elif not words.has_target(row):
        marketing = Tile(f"Marketing, {month}", words.number(row["mtd_leads"]), "qualified leads, no target")
    else:
        so_far, ideal = (
            (words.dollars(row["mtd_value_usd"]), words.dollars(row["ideal_mtd_value_usd"]))
            if words.by_value(row)
            else (words.number(row["mtd_leads"]), f"{words.number(row['ideal_mtd_leads'])} leads")
        )
        share = words.ideal_share(row)
        marketing = (
            Tile(f"Marketing, {month}", so_far, "the ideal line has just begun")
            if share is None
            else Tile(
                f"Marketing, {month}",
                words.percent(share, 0),
                f"{pace}: {so_far} of the ideal {ideal}",
                _TONES[row["pace"]],
            )
        )

    met, due = figures.total("week_met"), figures.total("week_due")
    attained, before = words.rate(met, due), words.rate(figures.total("before_met"), figures.total("before_due"))
    week = f"Sales, last {DAYS_OF_TREND} days"
    if attained is None:
        sales = Tile(week, "unknown" if company.unknown else "–", "nothing was due")
    else:
        compared = f", {words.percent(before, 0)} the week before" if before is not None else ""
        sales = Tile(week, words.percent(attained, 0), f"{met:,} of {due:,} promises met{compared}")

    count = len(figures.on_the_list)
    gone = f"{change['cured']:,} cured, {change['closed']:,} closed"
    on_the_list = Tile(
        "Do Not Be On It",
        words.count_or_unknown(figures, count),
        f"{change['newly']:,} came on, {gone} since yesterday",
        "bad" if count else "" if company.unknown else "good",
    )
    due_soon = figures.due_soon
    first = f"the next: {_deadline(due_soon[0], figures)}" if due_soon else "nothing at risk"
    soon = Tile(
        "Due soon",
        words.count_or_unknown(figures, len(due_soon)),
        "no data" if not due_soon and company.unknown else first,
        "warn" if due_soon else "",
    )
    return (
        [marketing, sales, on_the_list, soon] if figures.scope.kind == "all" else [on_the_list, soon, sales, marketing]
    )


def _change(figures: Figures) -> list[tuple[str, str]]:
    change = figures.change
    return [
        ("before", words.number(change["before"])),
        ("came on", f"+{change['newly']:,}"),
        ("cured", f"{words.MINUS}{change['cured']:,}"),
        ("closed", f"{words.MINUS}{change['closed']:,}"),
        ("now", words.count_or_unknown(figures, change["now"])),
    ]


def _rep(rep: Row, rows: Sequence[Row], figures: Figures, config: ReportConfig) -> RepLine:
    shown = {"all": 3, "rep": 25}.get(figures.scope.kind, 4)
    if figures.scope.kind == "all":
        # Bare links: a lead with two broken promises is one link.
        rows = list({row["lead_id"]: row for row in reversed(rows)}.values())[::-1]
    longest = figures.reps[0][0]["open"]
    leads = f"{rep['leads']:,} {'lead' if rep['leads'] == 1 else 'leads'}"
    new = f", {rep['new']:,} new" if rep["new"] else ""
    return RepLine(
        name=words.name(rep["rep_name"]).capitalize() if rep["rep_id"] == "unassigned" else words.name(rep["rep_name"]),
        team=words.name(rep["team"] or ""),
        open=words.number(rep["open"]),
        note=f"{leads}, oldest {words.days_long(rep['oldest_days'])}{new}",
        share=max(2, round(100 * rep["open"] / longest)),
        leads=[
            LeadLine(
                lead=words.name(row["lead_id"]) or "(no id)",
                url=config.lead_url(row["lead_id"]),
                rule=words.name(row["rule_name"]),
                rep=words.name(row["rep_name"]),
                when=f"{words.days_long(row['violation_age_days'])} late",
                touches=_touches(row),
                is_new=row["is_new"],
            )
            for row in rows[:shown]
        ],
        more=max(0, len(rows) - shown),
    )


def _more_reps(figures: Figures) -> str:
    rest = figures.reps[_REPS_SHOWN:]
    return f"and {len(rest):,} more reps with {sum(rep['open'] for rep, _ in rest):,}" if rest else ""


def _company_list(figures: Figures) -> str:
    company = figures.company
    if not company.on_the_list:
        return ""
    nobody = f", {company.unassigned:,} of them owned by nobody" if company.unassigned else ""
    return f"In the whole company {company.on_the_list:,} are open{nobody}."


def _due(row: Row, figures: Figures, config: ReportConfig) -> LeadLine:
    return LeadLine(
        lead=words.name(row["lead_id"]) or "(no id)",
        url=config.lead_url(row["lead_id"]),
        rule=words.name(row["rule_name"]),
        rep="" if figures.scope.kind == "rep" else words.name(row["rep_name"]),
        when=_deadline(row, figures),
        touches=_touches(row),
    )


def _deadline(row: Row, figures: Figures) -> str:
    """Write when it is, and not how soon: nobody knows when the mail will be read."""
    due_at = row["due_at_local"]
    is_today = due_at.date() == figures.company.clock.now_local.date()
    return f"{due_at:%H:%M}" if is_today else words.instant(due_at)


def _touches(row: Row) -> str:
    return f"{row['touches_total']:,} of {row['required_touches']:,} {'touch' if row['required_touches'] == 1 else 'touches'}"


def _rule(row: Row) -> RuleLine:
    now, before = words.rate(row["week_met"], row["week_due"]), words.rate(row["before_met"], row["before_due"])
    points = None if now is None or before is None else 100 * (now - before)
    return RuleLine(
        name=words.name(row["rule_name"]),
        rate="none due" if now is None else words.percent(now),
        counts="" if now is None else f"{row['week_met']:,} of {row['week_due']:,}",
        before="" if points is None else f"{points:+.1f} points".replace("-", words.MINUS),
        tone="" if points is None or abs(points) < 0.05 else "good" if points > 0 else "bad",
        on_the_list=words.number(row["on_the_list"]),
        at_risk=words.number(row["at_risk"]),
    )


def _persona(row: Row) -> PersonaLine:
    def notes(ideal: str, target: str, forecast: str, write: Callable[[float | None], str]) -> list[str]:
        lines = [] if row[target] is None else [f"ideal {write(row[ideal])}", f"target {write(row[target])}"]
        forecasts = [] if row[forecast] is None else [f"forecast {write(row[forecast])}"]
        return [*(lines or ["no target"]), *forecasts]

    return PersonaLine(
        name=words.persona(row["persona"]),
        pace=words.pace(row["pace"]),
        tone=_TONES[row["pace"]],
        leads=words.number(row["mtd_leads"]),
        leads_notes=notes("ideal_mtd_leads", "target_leads", "forecast_leads", words.number),
        dollars=words.dollars(row["mtd_value_usd"]),
        dollars_notes=notes("ideal_mtd_value_usd", "target_value_usd", "forecast_value_usd", words.dollars),
    )


def _marketing(figures: Figures) -> str:
    pace, row = words.headline_pace(figures.company)
    if row is None:
        return ""
    if not words.has_target(row):
        return f"{words.number(row['mtd_leads'])} qualified leads so far; there is no target."
    share = words.ideal_share(row)
    if share is None:
        return "The ideal line has just begun."
    what = "value" if words.by_value(row) else "leads"
    day = words.day(figures.company.clock.as_of_date)
    return f"{words.percent(share)} of the ideal line by {what} on {day}: {pace}."


def _promise(sentence: str) -> tuple[str, str]:
    """Split a sentence of a threshold test into what was observed, and the reason for the bound."""
    observed, _, reason = sentence.partition(". ")
    return observed[:1].upper() + observed[1:], reason
