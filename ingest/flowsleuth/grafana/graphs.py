"""Graphs over time: rates as lines or areas, sums as bars."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from flowsleuth.grafana.panels import BITS, GREY, Json, Panel, Target, override, said


def graph(
    title: str,
    description: str,
    queries: Sequence[Target],
    *,
    unit: str = BITS,
    stacked: bool = False,
    mirrored: str | Sequence[str] = (),
    legend: Literal["list", "table"] = "list",
    links: Sequence[Json] = (),
    overrides: Sequence[Json] = (),
    width: int = 24,
    height: int = 9,
    custom: Mapping[str, Any] | None = None,
    transformations: Sequence[Json] = (),
    empty: str = "",
    points: int = 0,
) -> Panel:
    """Return a graph over time. mirrored: the queries, by ref, that are drawn downwards.

    points: at most so many for each line, where a point for each pixel would take too long.
    """
    drawing = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if stacked else 10,
        "showPoints": "auto",
        "pointSize": 4,
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        **(custom or {}),
    }
    more = list(overrides)
    down: Json = {"custom.transform": "negative-Y"}
    if stacked:
        down["custom.stacking"] = {"mode": "normal", "group": "B"}
    more[:0] = [override("byFrameRefID", ref, down) for ref in mirrored]
    return Panel(
        "timeseries",
        title,
        description,
        queries,
        width,
        height,
        unit,
        defaults={
            "custom": drawing,
            "links": list(links),
            "color": {"mode": "palette-classic-by-name"},
            **said(empty),
        },
        overrides=more,
        options={
            "legend": {
                "displayMode": legend,
                "placement": "bottom" if legend == "list" else "right",
                "showLegend": True,
                "calcs": ["mean", "max"] if legend == "table" else [],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        transformations=transformations,
        extra={"maxDataPoints": points} if points else {},
    )


def bars(
    title: str,
    description: str,
    queries: Sequence[Target],
    *,
    unit: str,
    links: Sequence[Json] = (),
    overrides: Sequence[Json] = (),
    width: int = 24,
    height: int = 8,
    empty: str = "",
) -> Panel:
    """Return bars over the last weeks, whatever the page's range. empty: why there may be none.

    A bar chart and no graph: Grafana has a panel keep a range of its own only while the page's is
    relative, and here it is often a spike that somebody clicked.
    """
    return Panel(
        "barchart",
        title,
        description,
        queries,
        width,
        height,
        unit,
        defaults={
            "custom": {"fillOpacity": 80, "lineWidth": 1, "gradientMode": "none"},
            "decimals": 0,
            "min": 0,
            "links": list(links),
            "color": {"mode": "palette-classic-by-name"},
            **said(empty),
        },
        overrides=overrides,
        options={
            "xField": "Time",
            "orientation": "vertical",
            "xTickLabelRotation": 0,
            "xTickLabelSpacing": 100,
            "showValue": "never",
            "stacking": "normal",
            "groupWidth": 0.8,
            "barWidth": 0.97,
            "barRadius": 0,
            "fullHighlight": False,
            "legend": {
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": True,
                "calcs": [],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        transformations=[{"id": "joinByField", "options": {"byField": "Time", "mode": "outer"}}],
    )


def band(low: str, high: str) -> list[Json]:
    """Return the looks of two series that are the edges of what is normal: a grey band."""
    line: Json = {
        "color": {"mode": "fixed", "fixedColor": GREY},
        "custom.lineStyle": {"fill": "dash", "dash": [6, 6]},
        "custom.spanNulls": True,
        "custom.showPoints": "never",
    }
    return [
        override("byName", low, {**line, "custom.fillOpacity": 0}),
        override("byName", high, {**line, "custom.fillBelowTo": low, "custom.fillOpacity": 15}),
    ]


DIRECTIONS: list[Json] = [
    override("byName", name, {"color": {"mode": "fixed", "fixedColor": colour}})
    for name, colour in (
        ("out", "blue"),
        ("in", "green"),
        ("internal", "purple"),
        ("transit", "yellow"),
    )
]
"""Directions look the same everywhere."""
