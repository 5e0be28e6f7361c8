"""Timestamps that never meet: a point is never overwritten by a later one of the same series.

A window's points are stamped with its start. What comes later for the same window is a further
point less than a second after it. `Stamp` says how far after, and whoever makes it sees to it that
no two flushes, workers or restarts say the same; this module remembers which windows were written,
and what they held, because late talkers are judged on their window so far.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.digest import Segments

Ints = npt.NDArray[np.int64]

SECOND = 1_000_000_000

MAX_WORKERS = 8
"""Workers of one ingester: what `live_stamp` has room for."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """How far after a window's start the points of one flush lie, in ns below SECOND.

    first: of windows that are written for the first time, and which began after `born` (a window's
    number): what began earlier may have been written by the process before this one.
    late: of all others. step: added for each time that the window was written before, where
    flushes are told apart by their number (files).
    """

    first: int = 0
    late: int = 0
    born: int = -(2**62)
    step: int = 0


def live_stamp(flush_ns: int, worker: int, born: int) -> Stamp:
    """Return the stamp of a flush of `collect` at this time of the clock.

    Milliseconds modulo 125 000 s (34.7 h, longer than any window is remembered) times MAX_WORKERS
    stay below a second; no two flushes of a worker happen in one millisecond.
    """
    late = MAX_WORKERS * (1 + flush_ns // 1_000_000 % 124_999_999) + worker
    return Stamp(first=worker, late=late, born=born)


def file_stamp(first_datagram_hash: int) -> Stamp:
    """Return the stamp for a file: the same whenever it is read, another for another file."""
    offset = 1 + first_datagram_hash % (SECOND - 100_000)
    return Stamp(first=offset, late=offset, step=1)


class Stamps:
    """What was written of each window, for as long as late data may come."""

    def __init__(self) -> None:
        self._written: dict[int, int] = {}
        self._sums: dict[int, tuple[Ints, Ints]] = {}
        self.newest = -(2**62)
        self._forgotten = -(2**62)
        self._flushes = 0

    def renumber(self, places: Ints) -> None:
        """Take other numbers of places: int64, the new one of each, -1 where it is gone."""
        so_far, self._sums = self._sums, {}
        for window, (place, sums) in so_far.items():
            moved = places[place]
            order = np.argsort(moved)
            order = order[moved[order] >= 0]
            if len(order):
                self._sums[window] = (moved[order], sums[order])

    def offsets(self, windows: Ints, stamp: Stamp) -> Ints:
        """Return how far after their starts the points of these windows lie: int64 (n,), ns."""
        distinct, inverse = np.unique(windows, return_inverse=True)
        offsets = [self._offset(int(window), stamp) for window in distinct]
        return np.array(offsets, np.int64)[inverse]

    def _offset(self, window: int, stamp: Stamp) -> int:
        # A file older than those before it comes to windows that may be written and forgotten.
        times = self._flushes if window < self._forgotten else self._written.get(window, 0)
        if times == 0 and window >= stamp.born:
            return stamp.first
        return stamp.late + times * stamp.step

    def late(self, windows: Ints) -> npt.NDArray[np.bool_]:
        """Say which of these windows were written before."""
        distinct, inverse = np.unique(windows, return_inverse=True)
        seen = np.array([int(window) in self._written for window in distinct], bool)
        return seen[inverse]

    def so_far(self, segments: Segments) -> Ints:
        """Return Segments.so_far: what each segment holds and held in earlier flushes."""
        total = _sums(segments)
        for window in np.unique(segments.window):
            earlier = self._sums.get(int(window))
            if earlier is not None:
                at = np.flatnonzero(segments.window == window)
                place = np.searchsorted(earlier[0], segments.place[at])
                place[place == len(earlier[0])] = 0
                hit = earlier[0][place] == segments.place[at]
                total[at[hit]] += earlier[1][place[hit]]
        return total

    def remember(self, segments: Segments) -> None:
        """Add what these segments held to their windows' totals."""
        held = _sums(segments)
        edges = np.flatnonzero(np.diff(segments.window)) + 1
        for at in np.split(np.arange(len(segments.window)), edges):
            window = int(segments.window[at[0]])
            places, sums = segments.place[at], held[at]
            earlier = self._sums.get(window)
            if earlier is not None:
                joined, inverse = np.unique(
                    np.concatenate((earlier[0], places)), return_inverse=True
                )
                total = np.zeros((len(joined), 3), np.int64)
                np.add.at(total, inverse, np.concatenate((earlier[1], sums)))
                places, sums = joined, total
            self._sums[window] = (places, sums)

    def mark(self, windows: Ints) -> None:
        """Note that these windows have been written once more."""
        self._flushes += 1
        for window in np.unique(windows).tolist():
            self._written[window] = self._written.get(window, 0) + 1
            self.newest = max(self.newest, window)

    def forget(self, before: int) -> None:
        """Drop what is remembered of windows before this one."""
        self._forgotten = max(self._forgotten, before)
        for window in [w for w in self._written if w < before]:
            del self._written[window]
            self._sums.pop(window, None)


def _sums(segments: Segments) -> Ints:
    return np.stack((segments.bytes, segments.packets, segments.flows), axis=1)
