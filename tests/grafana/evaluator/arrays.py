"""Arrays in the place of InfluxDB: a source for judging weeks of data time in minutes.

It answers the InfluxQL that rules use (influxql.lark) as InfluxDB 1.8 does, and refuses the rest.
What both say is compared by test_arrays.py.

A measurement is a `Grid`: s series by k times, NaN where there is no point. An answer is computed
once for all instants at which it is the same, and answers are kept for a while: rules ask the same
things.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grafana.evaluator.aggregates import Same, Tags, grouped
from grafana.evaluator.influxql import Select, parse
from grafana.evaluator.selecting import Grid, Part, Ranges, select
from grafana.evaluator.source import Instants, Points, Query
from grafana.evaluator.values import Refused, labelled

__all__ = ["Arrays", "Grid", "Store", "Tags"]

KEPT = 64
"""Answers that are remembered, of different queries about the same instants."""


class Store(Protocol):
    """Gives the points of a measurement (without its retention policy)."""

    def grid(self, measurement: str, begin_ms: int, end_ms: int) -> Grid:
        """Return at least what lies within begin..end."""


class Arrays:
    """A `Source` of the grids in `store`; piece: instants that are asked about at once."""

    def __init__(self, store: Store, piece: int = 720) -> None:
        self.piece = piece
        self._store = store
        self._known: OrderedDict[tuple[Query, bytes], list[Points]] = OrderedDict()

    def ask(self, query: Query, instants: Instants) -> list[Points]:
        """As `Source` has it."""
        key = (query, instants.tobytes())
        if key not in self._known:
            self._known[key] = self._answer(query, instants)
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]

    def forget(self) -> None:
        """Let go of all answers: the store has other points now."""
        self._known.clear()

    def _answer(self, query: Query, instants: Instants) -> list[Points]:
        asked = parse(query.text, query.interval)
        now = instants * 1000
        whole = Ranges(now - query.begin_s * 1000, now - query.end_s * 1000, now)

        def fetch(measurement: str) -> Grid:
            return self._store.grid(measurement, int(whole.begin.min()), int(whole.end.max()))

        first, which = _different(asked, whole, [fetch(name) for name in asked.measurements])
        ranges = Ranges(whole.begin[first], whole.end[first], now[first])
        parts = select(asked, fetch, ranges)
        for part in parts:
            if len(grouped(Same(part.tags), asked.tags).tags) != len(part.tags):
                raise Refused(f"`{query.text}`: points of several series: not done on arrays")
        return list(_points(parts, which))


def _different(
    asked: Select, ranges: Ranges, grids: list[Grid]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first instants of those at which the answer is the same, and which each has."""
    parts = []
    for grid in grids:
        written = ranges.now - grid.written_s * 1000
        parts.append(np.searchsorted(grid.time_ms, ranges.begin, "left"))
        parts.append(np.searchsorted(grid.time_ms, np.minimum(ranges.end, written), "right"))
        if not asked.is_timed:  # all that was written may be asked
            parts.append(np.searchsorted(grid.time_ms, written, "right"))
    for step in asked.steps_ms:
        parts += [ranges.begin // step, ranges.end // step]
    _, first, which = np.unique(np.stack(parts), axis=1, return_index=True, return_inverse=True)
    return first, which.ravel()


def _points(parts: list[Part], which: NDArray[np.intp]) -> Iterator[Points]:
    """Yield the series that have any point; which: (n,), the range of each instant."""
    has_tags = any(value for part in parts for tags in part.tags for value in tags.values())
    for part in parts:
        times = part.time_ms[which]
        for name, column in part.columns.items():
            for row in np.flatnonzero(~np.isnan(column).all(axis=(1, 2))).tolist():
                value = column[row][which]
                tags = part.tags[row]
                if not has_tags and not tags:
                    tags = {"__name__": f"{part.name}.{name}"}
                yield Points(labelled(tags), value, ~np.isnan(value), times)
