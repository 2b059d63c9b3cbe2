"""The charts as Vega-Lite, made with Altair.

Colours, fonts and widths are the page's: marks name a style, and the page's script gives each style its colour in light, in
dark and in print.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import altair as alt

_MINUTES = [1, 5, 15, 60, 240, 1440, 10080]
_MINUTES_LABEL = (
    "datum.value < 60 ? datum.value + ' min' : datum.value < 1440 ? datum.value / 60 + ' h' : datum.value / 1440 + ' d'"
)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def horizontal_bars(
    rows: Sequence[Mapping[str, Any]], *, style: str, unit: str, is_money: bool = False
) -> dict[str, Any]:
    """Bars with their numbers beside them. Rows: name (each once), value, text, and whatever a click is to know."""
    longest = max((row["value"] for row in rows), default=0)
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        y=alt.Y("name:N").sort(None).axis(title=None, domain=False, ticks=False, labelPadding=8, labelLimit=132),
        # Room behind the longest bar for its number.
        x=alt.X("value:Q").scale(domain=[0, max(1, longest) * (1.22 if is_money else 1.14)], nice=False).axis(None),
        tooltip=[alt.Tooltip("name:N", title="name"), alt.Tooltip("text:N", title=unit)],
    )
    bars = base.mark_bar(style=style, cornerRadiusEnd=3, height={"band": 0.66})
    labels = base.mark_text(style="number", align="left", dx=5).encode(text="text:N")
    return _spec(alt.layer(bars, labels), height=max(28, 24 * len(rows)))


def month(panel: Mapping[str, Any]) -> dict[str, Any]:
    """A month's cumulative line against its ideal line, from a panel as the daily report lays it out."""
    days = panel["month_days"]
    x = (
        alt.X("x:Q")
        .scale(domain=[0, days], nice=False)
        .axis(
            title=None, values=[1, 8, 15, 22, days], grid=False, labelExpr=f"datum.value + ' {panel['month']}'",
            labelFlush=True, ticks=False, labelPadding=8,
        )
    )  # fmt: skip
    y = alt.Y("y:Q").scale(zero=True, nice=True).axis(
        title=None, tickCount=5, format="$~s" if panel["is_money"] else ",d", domain=False, ticks=False, labelPadding=8
    )  # fmt: skip

    def layer(points: Sequence[Mapping[str, Any]]) -> alt.Chart:
        return alt.Chart(alt.Data(values=list(points)))

    drawn = [
        layer(panel["band"]).mark_area(style="band").encode(x, y, alt.Y2("to:Q")) if panel["band"] else None,
        layer(panel["ideal"]).mark_line(style="ideal").encode(x, y) if panel["ideal"] else None,
        layer(panel["forecast"]).mark_line(style="forecast").encode(x, y) if panel["forecast"] else None,
        layer(panel["actual"]).mark_line(style="actual").encode(x, y),
        layer(panel["actual"][-1:]).mark_point(style="dot").encode(x, y),
    ]
    return _spec(alt.layer(*(each for each in drawn if each)), height=230)


def attainment(weeks: Sequence[Mapping[str, Any]], promised: float | None) -> dict[str, Any]:
    """Attainment by week against the promised one. Rows: week (ISO date), rate, text, running."""
    x = (
        alt.X("week:T")
        .scale(type="utc")
        .axis(title=None, format="%-d %b", grid=False, tickCount=4, labelFlush=True, labelOverlap=True, ticks=False, labelPadding=8)
    )  # fmt: skip
    # A line may begin above zero: at the fifth below the lowest of what is shown.
    lowest = min([row["rate"] for row in weeks] + ([promised] if promised is not None else []))
    ticks = [fifth / 5 for fifth in range(max(0, ceil(5 * lowest - 1e-9) - 1), 6)]
    axis = alt.Axis(title=None, format=".0%", values=ticks, domain=False, ticks=False, labelPadding=8)
    y = alt.Y("rate:Q").scale(domain=[ticks[0], 1]).axis(axis)
    base = alt.Chart(alt.Data(values=list(weeks))).encode(
        x, y, tooltip=[alt.Tooltip("label:N", title="week of"), alt.Tooltip("text:N", title="met")]
    )
    layers = [base.mark_line(style="actual"), base.transform_filter("!datum.running").mark_point(style="dot")]
    # The running week is hollow: it is not over.
    layers.append(base.transform_filter("datum.running").mark_point(style="hollow"))
    if promised is not None:
        rule = alt.Chart(alt.Data(values=[{"rate": promised}]))
        layers.insert(0, rule.mark_rule(style="promise").encode(y))
    return _spec(alt.layer(*layers), height=150)


def bands(rows: Sequence[Mapping[str, Any]], names: Sequence[str], weeks: Sequence[str]) -> dict[str, Any]:
    """Shares of the speed bands by week. Rows: week (text), band, place (order of the band), leads, share, text."""
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_bar(style="stack")
        .encode(
            x=alt.X("week:N").sort(list(weeks)).axis(title=None, labelAngle=0, labelOverlap="parity", ticks=False, domain=False, labelPadding=8),
            y=alt.Y("leads:Q").stack("normalize").axis(title=None, format=".0%", tickCount=4, domain=False, ticks=False, labelPadding=8),
            color=alt.Color("band:N").scale(domain=list(names)).legend(None),
            order=alt.Order("place:Q"),
            tooltip=[alt.Tooltip("week:N", title="week of"), alt.Tooltip("band:N", title="first touch"), alt.Tooltip("text:N", title="leads")],
        )
    )  # fmt: skip
    return _spec(chart, height=240)


def percentiles(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Percentiles of the minutes to the first touch by week, on a logarithmic scale. Rows: week, label, p50, p90 and their texts."""
    x = (
        alt.X("week:T")
        .scale(type="utc")
        .axis(title=None, format="%-d %b", grid=False, tickCount=5, labelFlush=True, labelOverlap=True, ticks=False, labelPadding=8)
    )  # fmt: skip
    axis = alt.Axis(title=None, values=_MINUTES, labelExpr=_MINUTES_LABEL, domain=False, ticks=False, labelPadding=8)
    layers = []
    for name, style in (("p90", "second"), ("p50", "actual")):
        y = alt.Y(f"{name}:Q").scale(type="log", domain=[1, 20160], clamp=True).axis(axis)
        tooltip = [alt.Tooltip("label:N", title="week of"), alt.Tooltip(f"{name}_text:N", title=name)]
        base = alt.Chart(alt.Data(values=list(rows))).encode(x, y, tooltip=tooltip)
        layers += [
            base.mark_line(style=style),
            base.mark_point(style="dot" if style == "actual" else "second_dot"),
        ]
    return _spec(alt.layer(*layers), height=240)


def hours(rows: Sequence[Mapping[str, Any]], *, is_share: bool) -> dict[str, Any]:
    """Hours of the week as a map of heat. Rows: day (Mon ...), hour, value (null: too few to say), text."""
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        x=alt.X("hour:O").axis(title=None, values=[0, 6, 12, 18], labelExpr="datum.value + ':00'", labelAngle=0, labelAlign="left", labelOffset=-6, ticks=False, domain=False, labelPadding=6),
        y=alt.Y("day:O").sort(list(WEEKDAYS)).axis(title=None, ticks=False, domain=False, labelPadding=8),
        tooltip=[alt.Tooltip("when:N", title="hour"), alt.Tooltip("text:N", title="leads")],
    )  # fmt: skip
    name, steps = ("share", 5) if is_share else ("heat", 7)
    most = 1 if is_share else max((row["value"] for row in rows), default=1) or 1
    # Steps, and not a gradient between two colours: each step is a colour of the page.
    colours = [f"var(--{name}-{step})" for step in range(steps)]
    color = alt.Color("value:Q").scale(type="quantize", domain=[0, most], range=colours).legend(None)
    known = base.transform_filter("datum.value !== null").mark_rect(style="heat").encode(color=color)
    unknown = base.transform_filter("datum.value === null").mark_rect(style="unknown")
    return _spec(alt.layer(unknown, known), height=220)


def months(rows: Sequence[Mapping[str, Any]], *, is_money: bool) -> dict[str, Any]:
    """How months ended against their targets. Rows: month (text), value, target (or null), text."""
    names = [row["month"] for row in rows]
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        x=alt.X("month:N").sort(names).axis(title=None, labelAngle=0, labelOverlap="parity", ticks=False, domain=False, labelPadding=8),
        tooltip=[alt.Tooltip("month:N", title="month"), alt.Tooltip("text:N", title="so far" if is_money else "leads")],
    )  # fmt: skip
    axis = alt.Axis(
        title=None, tickCount=4, format="$~s" if is_money else ",d", domain=False, ticks=False, labelPadding=8
    )
    bars = base.mark_bar(style="bar", cornerRadiusEnd=3, width={"band": 0.62}).encode(alt.Y("value:Q").axis(axis))
    target = (
        base.transform_filter("datum.target !== null")
        .mark_tick(style="target", width={"band": 0.86}, thickness=2)
        .encode(alt.Y("target:Q").axis(axis))
    )
    return _spec(alt.layer(bars, target), height=190)


def _spec(chart: alt.Chart | alt.LayerChart, height: int) -> dict[str, Any]:
    # Not checked against the schema, which takes longer than all the rest: the tests draw every chart in a browser.
    spec = chart.properties(width="container", height=height).to_dict(validate=False)
    # Altair's own look, and an address that nobody is to ask.
    for key in ("config", "$schema"):
        spec.pop(key, None)
    return spec
