"""Sums by window and a small code: interfaces, profiles, exporters' counters.

Codes are dense small integers, so a batch is added by bincount over (window, code), and each
window holds one array that the next batches are added to.
"""

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.grouping import group, sums_by

Ints = npt.NDArray[np.int64]

_DENSE = 1 << 21
"""Cells up to which a batch is added by bincount; a batch over many windows is grouped instead."""


class Accumulator:
    """Sums of `width` fields for each (window, code)."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._windows: dict[int, Ints] = {}

    def add(self, window: Ints, codes: Ints, values: Ints) -> None:
        """Add values, int64 (n, width), at (window, code): int64 (n,) each; codes are >= 0."""
        if not len(window):
            return
        first, last = int(window.min()), int(window.max())
        size = int(codes.max()) + 1
        if (last - first + 1) * size <= _DENSE:
            place = codes if first == last else (window - first) * size + codes
            table = sums_by(place, values, (last - first + 1) * size)
            table = table.reshape(last - first + 1, size, self.width)
            for i in range(last - first + 1):
                if table[i].any():
                    self._room(first + i, size)[:size] += table[i]
            return
        groups = group((window, codes))
        of_window, of_code = window[groups.first], codes[groups.first]
        summed = groups.sum(values)
        for k in np.unique(of_window):
            at = of_window == k
            self._room(int(k), size)[of_code[at]] += summed[at]

    def _room(self, window: int, size: int) -> Ints:
        table = self._windows.get(window)
        if table is None:
            table = self._windows[window] = np.zeros((size, self.width), np.int64)
        elif len(table) < size:
            grown = np.zeros((max(size, 2 * len(table)), self.width), np.int64)
            grown[: len(table)] = table
            table = self._windows[window] = grown
        return table

    def take_before(self, window: int) -> tuple[Ints, Ints, Ints]:
        """Remove windows before this one: window (m,), code (m,) and sums (m, width), not all 0."""
        due = sorted(k for k in self._windows if k < window)
        windows, codes, sums = [], [], []
        for k in due:
            table = self._windows.pop(k)
            used = np.flatnonzero(table.any(axis=1))
            windows.append(np.full(len(used), k, np.int64))
            codes.append(used)
            sums.append(table[used])
        if not windows:
            none = np.zeros(0, np.int64)
            return none, none, np.zeros((0, self.width), np.int64)
        return np.concatenate(windows), np.concatenate(codes), np.concatenate(sums)
