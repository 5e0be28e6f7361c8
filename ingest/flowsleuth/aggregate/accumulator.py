"""Sums by window and a small code: interfaces, profiles, exporters' counters.

A batch is summed by bincount over (window, code) where these lie close together, as they do live,
and grouped where they do not, as in old captures. What comes out is small and is kept as it is;
equal places are added up when their windows are taken, or when too many have come together.
"""

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.grouping import Weights, group

Ints = npt.NDArray[np.int64]
Placed = tuple[Ints, Ints, Ints]
"""window (n,), code (n,), sums (n, width)."""

_DENSE = 1 << 21
"""Places up to which a batch is added by bincount."""

_MANY = 1 << 18
"""Rows from which on equal places are added up before they are taken."""


class Accumulator:
    """Sums of `width` fields for each (window, code)."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._parts: list[Placed] = []
        self._size = 0
        self._merge_at = _MANY

    def add(self, window: Ints, codes: Ints, values: Weights) -> None:
        """Add values (n, width) at (window, code): int64 (n,) each; codes are >= 0."""
        if not len(window):
            return
        part = _summed(window, codes, values)
        self._parts.append(part)
        self._size += len(part[0])
        if self._size > self._merge_at:
            self._parts = [_grouped(self._joined())]
            self._size = len(self._parts[0][0])
            self._merge_at = max(_MANY, 2 * self._size)

    def take_before(self, window: int) -> Placed:
        """Remove windows before this one: those sums that are not all 0, in rising order."""
        windows, codes, sums = self._joined()
        due = windows < window
        kept = ~due
        self._parts = [(windows[kept], codes[kept], sums[kept])] if kept.any() else []
        self._size = int(np.count_nonzero(kept))
        windows, codes, sums = _grouped((windows[due], codes[due], sums[due]))
        order = np.lexsort((codes, windows))
        order = order[sums[order].any(axis=1)]
        return windows[order], codes[order], sums[order]

    def _joined(self) -> Placed:
        if not self._parts:
            none = np.zeros(0, np.int64)
            return none, none, np.zeros((0, self.width), np.int64)
        windows, codes, sums = zip(*self._parts, strict=True)
        return np.concatenate(windows), np.concatenate(codes), np.concatenate(sums)


def _summed(window: Ints, codes: Ints, values: Weights) -> Placed:
    """Sum up by place: the used places of a table, or groups where the table would be too large."""
    first, last = int(window.min()), int(window.max())
    size = int(codes.max()) + 1
    places = (last - first + 1) * size
    if places > max(_DENSE, 4 * len(window)):
        return _grouped((window, codes, values.values))
    place = codes if first == last else (window - first) * size + codes
    sums = values.by(place, places)
    used = np.flatnonzero(sums.any(axis=1))
    return first + used // size, used % size, sums[used]


def _grouped(placed: Placed) -> Placed:
    windows, codes, sums = placed
    groups = group((windows, codes))
    return windows[groups.first], codes[groups.first], groups.sum(sums)
