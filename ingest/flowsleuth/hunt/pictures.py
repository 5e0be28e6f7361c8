"""The spike as a picture: the numbers of an SVG, which the report's template draws."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flowsleuth.hunt.bars import means
from flowsleuth.hunt.findings import Finding, Graph
from flowsleuth.hunt.telling import Teller, rate
from flowsleuth.hunt.totals import SECOND, Floats

WIDTH, HEIGHT = 760, 200
LEFT, TOP, RIGHT, BOTTOM = 78, 8, 8, 22
"""Of the picture, in pixels: what is left for the axes."""

MOST_POINTS = 380
"""Of a line: one every two pixels."""

TICKS = 5


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where, in pixels, and what it says."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A graph: the outlines of an area (all of the series) and of its culprit's part, a line.

    begin, end: the finding's window, in pixels.
    """

    area: str
    culprit: str
    expected: str
    begin: float
    end: float
    times: tuple[Tick, ...]
    rates: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    top: int = TOP
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def picture(one: Finding, teller: Teller) -> Picture | None:
    """Return the picture of a finding, None where there is nothing to see."""
    graph = one.graph
    if graph is None or len(graph.counts) < 2:
        return None
    each = max(-(-len(graph.counts) // MOST_POINTS), 1)
    counts, mine, expected = (means(c, each) for c in (graph.counts, graph.culprit, graph.expected))
    seconds = teller.window_ns / SECOND
    top = _nice(max(float(counts.max()), float(expected.max()), 1.0) / seconds * 8) * seconds / 8
    return Picture(
        area=_outline(counts, top),
        culprit=_outline(np.minimum(mine, counts), top),
        expected=_points(expected, top),
        begin=_across(one.culprit.first - graph.first, len(graph.counts)),
        end=_across(one.culprit.last - graph.first, len(graph.counts)),
        times=tuple(_times(graph, teller)),
        rates=tuple(_rates(top, teller)),
    )


def _nice(top: float) -> float:
    """Return the next number of 1, 2, 5 times a power of ten at or above."""
    power = 10.0 ** np.floor(np.log10(top))
    return float(next(n * power for n in (1, 2, 5, 10) if n * power >= top))


def _across(window: float, windows: int) -> float:
    share = min(max(window / windows, 0.0), 1.0)
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _up(value: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP), 1)


def _points(values: Floats, top: float) -> str:
    n = len(values)
    return " ".join(
        f"{_across(i, n)},{_up(v, top)} {_across(i + 1, n)},{_up(v, top)}"
        for i, v in enumerate(values.tolist())
    )


def _outline(values: Floats, top: float) -> str:
    """Return the points of a polygon down to the axis."""
    n = len(values)
    return f"{_across(0, n)},{_up(0, top)} {_points(values, top)} {_across(n, n)},{_up(0, top)}"


def _times(graph: Graph, teller: Teller) -> Iterator[Tick]:
    n = len(graph.counts)
    long = n * teller.window_ns / SECOND > 86_400
    for i in range(TICKS):
        window = n * (2 * i + 1) // (2 * TICKS)
        moment = teller.moment(graph.first + window)
        text = f"{moment:%d %b %H:%M}" if long else f"{moment:%H:%M}"
        yield Tick(_across(window, n), text)


def _rates(top: float, teller: Teller) -> Iterator[Tick]:
    for part in (0.5, 1.0):
        octets_per_s = part * top / (teller.window_ns / SECOND)
        yield Tick(_up(part * top, top), rate(octets_per_s))
