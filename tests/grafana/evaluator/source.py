"""Where a rule's queries are answered, and the words that Grafana's server puts into them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grafana.evaluator.values import Bools, Floats, Labels

Instants = NDArray[np.int64]
"""Epoch seconds."""

LONGEST = (("y", 31_536_000_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000))
"""Grafana writes an interval in the largest of these, cut to a whole number of it."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query node: its text, how many seconds before an instant its range begins and ends."""

    text: str
    begin_s: int
    end_s: int
    interval_ms: int = 1000

    def range_ms(self, at: int) -> tuple[int, int]:
        """Return the range when it is `at`, epoch milliseconds, both ends within."""
        return (at - self.begin_s) * 1000, (at - self.end_s) * 1000

    def filled(self, at: int) -> str:
        """Return what InfluxDB is asked when it is `at`."""
        begin, end = self.range_ms(at)
        interval = self.interval
        text = self.text.replace("$timeFilter", f"time >= {begin}ms and time <= {end}ms")
        text = text.replace("$interval", interval)
        text = text.replace("$__interval_ms", str(self.interval_ms))
        return text.replace("$__interval", interval)

    @property
    def interval(self) -> str:
        for unit, ms in LONGEST:
            if self.interval_ms >= ms:
                return f"{self.interval_ms // ms}{unit}"
        return f"{max(self.interval_ms, 1)}ms"


@dataclass(frozen=True, slots=True)
class Points:
    """A series of an answer at n instants: at most k points each, in the order of their times.

    value: (n, k), NaN is null. there: (n, k). time_ms: (n, k), where the source tells it: series
    are joined by it. known: (n,), where there is a series at all, be it without a point.
    """

    labels: Labels
    value: Floats
    there: Bools
    time_ms: NDArray[np.int64] | None = None
    known: Bools | None = None

    @property
    def exists(self) -> Bools:
        return self.there.any(axis=1) if self.known is None else self.known


class Source(Protocol):
    """Answers queries. Raises flowsleuth.errors.ServiceError where it cannot."""

    piece: int
    """For how many instants it answers at once."""

    def ask(self, query: Query, instants: Instants) -> list[Points]:
        """Return the series that the query finds at any of the instants."""
