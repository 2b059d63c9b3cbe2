"""The charts of the mail: drawn as PNG without a browser, each for a light and for a dark mail, each with its numbers as text.

They are drawn as wide as a phone shows them, and twice as fine.
"""

from __future__ import annotations

import json
import struct
import textwrap
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from lead_sla.report import words
from lead_sla.report.figures import Clock, Figures
from lead_sla.summary import Row

if TYPE_CHECKING:
    import altair

WIDTH = 340
_SCALE = 2.5
_FONT = "Liberation Sans"  # comes with the renderer: the same picture on every machine
_PANELS = 6


@dataclass(frozen=True)
class Theme:
    """The colours of a chart."""

    background: str
    text: str
    muted: str
    line: str
    actual: str
    ideal: str


LIGHT = Theme("#ffffff", "#1b1f24", "#5b6570", "#e4e7eb", "#2457c5", "#8a939e")
DARK = Theme("#1b1e24", "#e9ebee", "#a2abb6", "#343a43", "#86aefc", "#7f8894")


@dataclass(frozen=True)
class Chart:
    """A picture for light and for dark mails.

    Attributes:
        name: names the files.
        alt: what the picture shows, in numbers.
    """

    name: str
    alt: str
    light: bytes
    dark: bytes


@dataclass(frozen=True)
class _Measure:
    """One of the two things that Marketing owes."""

    name: str
    actual: str
    ideal: str
    target: str
    forecast: str
    low: str | None
    high: str | None
    is_money: bool

    def write(self, value: float | None) -> str:
        return words.dollars(value) if self.is_money else words.number(value)


_LEADS = _Measure(
    "leads", "mtd_leads", "ideal_mtd_leads", "target_leads", "forecast_leads",
    "forecast_leads_low", "forecast_leads_high", is_money=False,
)  # fmt: skip
_DOLLARS = _Measure(
    "dollars",
    "mtd_value_usd",
    "ideal_mtd_value_usd",
    "target_value_usd",
    "forecast_value_usd",
    None,
    None,
    is_money=True,
)


def draw(figures: Figures) -> list[Chart]:
    """Draw every chart of a report that has anything to show: Marketing's four, and the attainment of the rules."""
    return [*_marketing(figures), *_attainment(figures)]


def _marketing(figures: Figures) -> list[Chart]:
    company = figures.company
    months = company.months
    if "all" not in months:
        return []
    personas = {name: days for name, days in months.items() if name != "all"}
    charts = []
    for measure in (_LEADS, _DOLLARS):
        panel = _month_panel(company.clock, "all", months["all"], measure, labelled=True)
        charts.append(_chart(f"marketing-{measure.name}", panel["alt"], {"panels": [panel], "columns": 1}))
        panels = [
            _month_panel(company.clock, name, days, measure, labelled=False)
            for name, days in list(personas.items())[:_PANELS]
        ]
        if panels:
            alt = f"{measure.name.capitalize()} by persona. " + " ".join(panel["alt"] for panel in panels)
            charts.append(
                _chart(f"marketing-{measure.name}-personas", alt, {"panels": panels, "columns": min(3, len(panels))})
            )
    return charts


def _month_panel(
    clock: Clock, persona: str, days: Sequence[Row], measure: _Measure, *, labelled: bool
) -> dict[str, Any]:
    """Lay out one cumulative line: x is days since the month began, so that a day's end is its number."""
    last = days[-1]
    now = clock.elapsed_days

    def at(row: Row) -> float:
        return now if row["date_day"] == clock.as_of_date else row["date_day"].day

    def value(row: Row, column: str | None) -> float | None:
        return None if column is None or row[column] is None else float(row[column])

    actual = [{"x": 0, "y": 0}, *({"x": at(row), "y": value(row, measure.actual)} for row in days)]
    target, ideal, forecast = (value(last, column) for column in (measure.target, measure.ideal, measure.forecast))
    month, low, high = clock.month_days, value(last, measure.low), value(last, measure.high)
    ideals = [
        {"x": 0, "y": 0},
        *({"x": at(row), "y": value(row, measure.ideal)} for row in days),
        {"x": month, "y": target},
    ]
    sofar = value(last, measure.actual)
    write = measure.write

    title = measure.name.capitalize() if labelled else words.persona(persona)
    alt = f"{title}: {write(sofar)} by {words.day(clock.as_of_date)}"
    if target is None:
        subtitle = [f"{write(sofar)}, no target"]
        alt += ", no target"
    else:
        unit = "" if measure.is_money else " leads"
        subtitle = [f"{write(sofar)} of {write(ideal)}" + (" on the ideal line" if labelled else unit)]
        alt += f" against {write(ideal)} on the ideal line and a target of {write(target)} for the month"
    if forecast is not None:
        between = f" (80 % between {write(low)} and {write(high)})" if low is not None else ""
        alt += f"; forecast {write(forecast)}{between}"
        if labelled:
            span = f" ({write(low)} to {write(high)})" if low is not None else ""
            subtitle.append(f"Forecast {write(forecast)}{span}, target {write(target)}")
    return {
        "kind": "month",
        "title": title,
        "subtitle": subtitle,
        "alt": f"{alt}.",
        "is_money": measure.is_money,
        "labelled": labelled,
        "month_days": month,
        "month": f"{clock.month_start:%b}",
        "actual": actual,
        "ideal": [point for point in ideals if point["y"] is not None] if target is not None else [],
        "forecast": [] if forecast is None else [{"x": now, "y": sofar}, {"x": month, "y": forecast}],
        "band": [] if low is None else [{"x": now, "y": sofar, "to": sofar}, {"x": month, "y": low, "to": high}],
    }


def _attainment(figures: Figures) -> list[Chart]:
    names = {row["rule_id"]: words.name(row["rule_name"]) for row in figures.rules}
    running = figures.company.clock.as_of_date.isocalendar()[:2]
    panels = []
    for rule_id, rows in groupby(figures.weeks, key=lambda row: row["rule_id"]):
        weeks = list(rows)
        last = weeks[-1]
        is_running = last["week_start_date"].isocalendar()[:2] == running
        lines = textwrap.wrap(names.get(rule_id, words.name(rule_id)), width=27, max_lines=2, placeholder=" …")
        rates = [words.percent(words.rate(week["met"], week["due"]), 0) for week in weeks]
        extremes = [find(week["met"] / week["due"] for week in weeks) for find in (min, max)]
        told = f"{rates[-1]} ({last['met']:,} of {last['due']:,}) in the week of {words.day(last['week_start_date'])}"
        told += " so far" if is_running else ""
        if len(weeks) > 1:
            told += f", {rates[-2]} in the week of {words.day(weeks[-2]['week_start_date'])}"
            told += f", between {' and '.join(words.percent(each, 0) for each in extremes)} in {len(weeks)} weeks"
        panels.append(
            {
                "kind": "attainment",
                "title": lines,
                "alt": f"{names.get(rule_id, words.name(rule_id))}: {told}.",
                "weeks": [
                    {
                        "week": week["week_start_date"].isoformat(),
                        "rate": words.rate(week["met"], week["due"]),
                        "running": is_running and week is last,
                    }
                    for week in weeks
                ],
                "label": rates[-1],
            }
        )
    # Two rules a picture: pictures stand side by side on a wide screen, and below each other on a phone.
    charts = []
    for number, first in enumerate(range(0, min(len(panels), 2 * _PANELS), 2), start=1):
        pair = panels[first : first + 2]
        alt = "Share of promises met, by the week of the deadline. " + " ".join(panel["alt"] for panel in pair)
        charts.append(_chart(f"attainment-{number}", alt, {"panels": pair, "columns": 2}))
    return charts


def _chart(name: str, alt: str, layout: Mapping[str, Any]) -> Chart:
    text = json.dumps(layout)
    return Chart(name, alt, light=_picture(text, LIGHT), dark=_picture(text, DARK))


@lru_cache(maxsize=64)
def _picture(layout: str, theme: Theme) -> bytes:
    """Draw a layout; the same one for many readers is drawn once."""
    import altair as alt
    import vl_convert

    content = json.loads(layout)
    columns, spacing = content["columns"], 14
    draw_panel = {"month": _draw_month, "attainment": _draw_attainment}
    axis_room = 42 if content["panels"][0].get("labelled") else 0
    width = (WIDTH - spacing * (columns - 1)) / columns - axis_room - 12
    panels = [draw_panel[panel["kind"]](alt, panel, theme, width) for panel in content["panels"]]
    chart = panels[0] if len(panels) == 1 else alt.concat(*panels, columns=columns, spacing=spacing)
    chart = (
        chart.configure(background=theme.background, font=_FONT, padding={"left": 4, "right": 8, "top": 4, "bottom": 4})
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=theme.muted, gridColor=theme.line, domainColor=theme.line, tickColor=theme.line,
            labelFontSize=11, title=None,
        )
        .configure_title(
            color=theme.text, subtitleColor=theme.muted, anchor="start", fontSize=13 if columns == 1 else 12,
            subtitleFontSize=11 if columns == 1 else 10, fontWeight="bold", offset=8, subtitlePadding=3,
        )
    )  # fmt: skip
    return _squeeze(vl_convert.vegalite_to_png(chart.to_json(), scale=_SCALE))


def _squeeze(png: bytes) -> bytes:
    """Compress a PNG as far as it goes: a third of what the renderer writes, the same pixels."""
    parts, pixels, place = [png[:8]], b"", 8
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        kind, content = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        if kind == b"IDAT":
            pixels += content
        else:
            if kind == b"IEND":
                parts.append(_chunk(b"IDAT", zlib.compress(zlib.decompress(pixels), 9)))
            parts.append(_chunk(kind, content))
        place += 12 + length
    return b"".join(parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _draw_month(alt: Any, panel: Mapping[str, Any], theme: Theme, width: float) -> altair.LayerChart:
    labelled, month, days = panel["labelled"], panel["month"], panel["month_days"]
    ticks = [1, 8, 15, 22, days] if labelled else [1, days]
    x = alt.X("x:Q").scale(domain=[0, days], nice=False).axis(
        values=ticks, grid=False, labelExpr=f"datum.value + ' {month}'", labelFlush=True, labelOverlap=False, ticks=False, labelPadding=6,
    )  # fmt: skip
    axis = (
        alt.Axis(
            tickCount=4,
            format="$~s" if panel["is_money"] else ",d",
            domain=False,
            ticks=False,
            labelPadding=6,
            minExtent=42,
            maxExtent=42,
        )
        if labelled
        else None
    )
    y = alt.Y("y:Q").scale(zero=True, nice=labelled).axis(axis)

    def layer(points: list[dict[str, float]]) -> altair.Chart:
        return alt.Chart(alt.Data(values=points))

    thick = 2.5 if labelled else 2
    layers = [
        layer(panel["band"]).mark_area(color=theme.actual, opacity=0.18).encode(x, y, alt.Y2("to:Q")),
        layer(panel["ideal"]).mark_line(color=theme.ideal, strokeDash=[5, 4], strokeWidth=1.5).encode(x, y),
        layer(panel["forecast"]).mark_line(color=theme.actual, strokeDash=[1.5, 3], strokeWidth=thick).encode(x, y),
        layer(panel["actual"]).mark_line(color=theme.actual, strokeWidth=thick).encode(x, y),
        layer(panel["actual"][-1:])
        .mark_circle(color=theme.actual, size=46 if labelled else 30, opacity=1)
        .encode(x, y),
    ]
    title = alt.TitleParams(text=panel["title"], subtitle=panel["subtitle"])
    return alt.layer(*layers).properties(width=width, height=150 if labelled else 72, title=title)


def _draw_attainment(alt: Any, panel: Mapping[str, Any], theme: Theme, width: float) -> altair.LayerChart:
    weeks = alt.Data(values=panel["weeks"])
    x = (
        alt.X("week:T")
        .scale(type="utc")
        .axis(format="%-d %b", grid=False, tickCount=2, labelFlush=True, labelOverlap=True, ticks=False, labelPadding=5)
    )
    y = (
        alt.Y("rate:Q")
        .scale(domain=[0, 1])
        .axis(format=".0%", values=[0, 0.5, 1], domain=False, ticks=False, labelFontSize=9, labelPadding=4)
    )
    line = alt.Chart(weeks).mark_line(color=theme.actual, strokeWidth=2).encode(x, y)
    last = alt.Chart(alt.Data(values=panel["weeks"][-1:]))
    # The running week is hollow: it is not over.
    fill = theme.background if panel["weeks"][-1]["running"] else theme.actual
    dot = last.mark_point(color=theme.actual, fill=fill, size=40, opacity=1, strokeWidth=2).encode(x, y)
    label = last.mark_text(
        color=theme.text, dy=-13, dx=4, align="right", fontSize=12, fontWeight="bold", text=panel["label"]
    ).encode(x, y)
    title = alt.TitleParams(text=panel["title"], fontWeight="normal", fontSize=11)
    return alt.layer(line, dot, label).properties(width=width - 28, height=70, title=title)
