"""A real InfluxDB as a source: asked as Grafana's server asks, the answer read as it reads it."""

from collections.abc import Iterator
from typing import Self

import numpy as np

from flowsleuth.config import Influx as Settings
from flowsleuth.write import server
from grafana.evaluator.source import Instants, Points, Query
from grafana.evaluator.values import Labels, Refused, labelled


class Influx:
    """Asks the database of `settings`; a context manager, which lets go of the connection."""

    piece = 1

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = server.connect(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, query: Query, instants: Instants) -> list[Points]:
        """As `Source` has it; n is 1."""
        (at,) = instants.tolist()
        answer = server.influxql(self._client, self._settings, query.filled(at))
        found = list(_columns(answer))
        if not any(labels for labels, *_ in found):
            # What has no tags at all is told apart by its name.
            found = [(labelled({"__name__": name}), name, *rest) for _, name, *rest in found]
        return [_points(labels, cells, times, query) for labels, _, cells, times in found]


def _columns(
    answer: list[server.Series],
) -> Iterator[tuple[Labels, str, list[object], list[object]]]:
    for series in answer:
        at = series.columns.index("time")
        times = [row[at] for row in series.rows]
        for place, column in enumerate(series.columns):
            if column != "time":
                cells = [row[place] for row in series.rows]
                yield labelled(series.tags), f"{series.name}.{column}", cells, times


def _points(labels: Labels, cells: list[object], times: list[object], query: Query) -> Points:
    if any(isinstance(cell, str | bool) for cell in cells):
        raise Refused(f"`{query.text}` gives text: Grafana leaves that out")
    value = np.array([[np.nan if cell is None else float(cell) for cell in cells]])  # type: ignore[arg-type]
    time_ms = np.array([[int(str(at)) // 1_000_000 for at in times]], np.int64)
    return Points(labels, value, np.ones(value.shape, np.bool_), time_ms)
