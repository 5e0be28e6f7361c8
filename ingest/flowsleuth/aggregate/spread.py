"""Long flows over the windows in which they were: exact integer shares.

The share of v up to a window's edge t is floor(v (t - start) / (end - start)), in nanoseconds, so
the cells of one flow add up to v to the byte. The product passes 64 bits; the quotient is
estimated in floating point, and what the wrapped integer product leaves mends the estimate.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from flowsleuth.enrich.enricher import Records

Ints = npt.NDArray[np.int64]
_T = TypeVar("_T", bound=np.generic)

MOST_CELLS = 400_000
"""Cells that are made at once: sixty thousand flows of two hours at windows of a second are not."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The c cells of n records: the first of each record in their order, then all further ones.

    extra: int64 (c - n,), the records of the further cells; window: int64 (c,), whole multiples of
    the window's length since the epoch; bytes, packets, flows: int64 (c,).
    """

    extra: Ints
    window: Ints
    bytes: Ints
    packets: Ints
    flows: Ints

    def of(self, column: npt.NDArray[_T]) -> npt.NDArray[_T]:
        """Return a record's value for each of its cells."""
        if not len(self.extra):
            return column
        return np.concatenate((column, column.take(self.extra, axis=0)))


def floor_share(value: Ints, part: Ints, whole: Ints) -> Ints:
    """floor(value * part / whole), exact: 0 <= part <= whole < 2^53, 0 <= value < 2^53."""
    quotient = (value.astype(np.float64) * (part / whole)).astype(np.int64)
    # Both products wrap modulo 2^64, yet their difference is small (a few times `whole`): exact.
    rest = value * part - quotient * whole
    return quotient + np.floor_divide(rest, whole, dtype=np.int64)


def spread(start_ns: Ints, end_ns: Ints, octets: Ints, packets: Ints, window_ns: int) -> Cells:
    """Cut n flows into cells; start >= end puts all into the window of the end.

    A flow counts (flows = 1) in the window that holds its end.
    """
    last = end_ns // window_ns
    window = start_ns // window_ns
    long = np.flatnonzero(window < last)
    ones = np.ones(len(last), np.int64)
    if not len(long):
        return Cells(long, last, octets, packets, ones)
    record, *cut = _cut(long, start_ns, end_ns, octets, packets, window_ns)
    first = np.flatnonzero(np.diff(record, prepend=-1))
    further = np.ones(len(record), bool)
    further[first] = False
    window = np.minimum(window, last)  # a start after the end counts with the end
    whole = (window, octets.copy(), packets.copy(), ones)
    for column, cells in zip(whole, cut, strict=True):
        column[long] = cells[first]
    columns = [
        np.concatenate((column, cells[further])) for column, cells in zip(whole, cut, strict=True)
    ]
    return Cells(record[further], *columns)


def _cut(
    long: Ints, start_ns: Ints, end_ns: Ints, octets: Ints, packets: Ints, window_ns: int
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Cut the flows `long`: record, window, bytes, packets and flows of each of their cells."""
    start, end = start_ns[long], end_ns[long]
    first = start // window_ns
    count = end // window_ns - first + 1
    record = np.repeat(np.arange(len(long)), count)
    begins = np.cumsum(count) - count
    window = first[record] + np.arange(len(record)) - begins[record]
    whole = (end - start)[record]
    part = np.minimum((window + 1) * window_ns - start[record], whole)
    return (
        long[record],
        window,
        _differences(floor_share(octets[long][record], part, whole), begins),
        _differences(floor_share(packets[long][record], part, whole), begins),
        _is_last(begins, len(record)),
    )


def _differences(shares: Ints, begins: Ints) -> Ints:
    """Turn shares up to each edge into shares of each cell; begins: each record's first cell."""
    cells = np.diff(shares, prepend=0)
    cells[begins] = shares[begins]
    return cells


def _is_last(begins: Ints, n: int) -> Ints:
    last = np.zeros(n, np.int64)
    last[begins[1:] - 1] = 1
    last[-1] = 1
    return last


def portions(records: Records, window_ns: int) -> Iterator[Records]:
    """Cut records where their cells become more than MOST_CELLS; one record is never cut."""
    if not len(records):
        return
    cells = np.maximum(records.end_ns // window_ns - records.start_ns // window_ns, 0) + 1
    if int(cells.sum()) <= MOST_CELLS:
        yield records
        return
    portion = np.cumsum(cells) // MOST_CELLS
    edges = np.flatnonzero(np.diff(portion)) + 1
    for rows in np.split(np.arange(len(records)), edges):
        yield records.take(rows)
