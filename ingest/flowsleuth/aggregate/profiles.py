"""Exact totals of profiles: a record counts once for each profile whose filter it matches.

Records bring one bit for each profile. Few combinations of bits, direction and protocol ever occur,
so cells are summed by combination, in one go however many profiles there are. Which profiles a
combination stands for is asked when windows close. The profile `all` is all combinations together,
and the only one where none is configured.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.accumulator import Accumulator, Placed
from flowsleuth.aggregate.grouping import Weights, group, hash_rows
from flowsleuth.aggregate.rows import IN, INTERNAL, OUT, PROTOCOLS, TRANSIT, network_ends
from flowsleuth.aggregate.spread import Cells
from flowsleuth.enrich.enricher import Records

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint8]

ALL = "all"
"""The profile that every record is in."""

PLACES = 4 * PROTOCOLS
"""Codes of direction and protocol."""

MOST_COMBINATIONS = 1 << 16
"""Combinations known at once: what exporters send may bring any, and memory shall not grow."""

FOREVER = 2**62

_SLOT_BITS = 16
"""A combination is found by these bits of its hash; where two share a slot, one is looked up."""

_BY_ENDS = np.array([TRANSIT, IN, OUT, INTERNAL], np.int64) * PROTOCOLS
"""Code of the direction by `network_ends`, for what counts once whatever networks there are."""


class Combinations:
    """Numbers for distinct rows of columns, from 0 on, in the order in which they are seen."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.table = np.zeros((0, width), np.int64)
        self._numbers: dict[bytes, int] = {}
        self._slots = np.zeros(1 << _SLOT_BITS, np.int64)

    def __len__(self) -> int:
        return len(self.table)

    def numbers(self, columns: Sequence[Ints]) -> Ints:
        """Return the number of each row of `width` columns int64 (n,); `table` has the rows."""
        slots = (hash_rows(columns) >> np.uint64(64 - _SLOT_BITS)).astype(np.int64)
        if not len(self.table):
            self._add(np.stack([column[:1] for column in columns], axis=1), slots[:1])
        numbers = self._slots.take(slots)
        found = np.ones(len(slots), bool)
        for column, known in zip(columns, self.table.T, strict=True):
            found &= known.take(numbers) == column
        others = np.flatnonzero(~found)
        if len(others):
            groups = group([column[others] for column in columns])
            first = others[groups.first]
            distinct = np.stack([column[first] for column in columns], axis=1)
            numbers[others] = self._add(distinct, slots[first])[groups.numbers()]
        return numbers

    def _add(self, rows: Ints, slots: Ints) -> Ints:
        """Return the numbers of distinct rows, those that are new included."""
        known = len(self._numbers)
        numbers = [self._numbers.setdefault(row.tobytes(), len(self._numbers)) for row in rows]
        found = np.array(numbers, np.int64)
        self.table = np.concatenate((self.table, rows[found >= known]))
        self._slots[slots] = found
        return found


class ProfileTotals:
    """Totals of bytes, packets and flows by profile, direction and protocol.

    names: the configured profiles, in the order of their bits.
    """

    def __init__(self, names: Sequence[str], most: int = MOST_COMBINATIONS) -> None:
        self.names = (ALL, *names)
        self._most = most
        self._words = -(-len(names) // 64)
        self._known = Combinations(1 + self._words)
        self._by_combination = Accumulator(3)
        self._totals = Accumulator(3)

    def add(self, records: Records, cells: Cells, sums: Weights) -> None:
        """Add the cells of records; sums: bytes, packets and flows of each cell."""
        code = _BY_ENDS.take(network_ends(records)) + records.protocol
        if not self._words:
            self._totals.add(cells.window, cells.of(code), sums)
            return
        numbers = self._known.numbers((code, *_words(records.profiles, self._words)))
        self._by_combination.add(cells.window, cells.of(numbers), sums)
        if len(self._known) > self._most:
            self._settle(FOREVER)
            self._known = Combinations(1 + self._words)

    def take_before(self, window: int) -> Placed:
        """Remove windows before this one; the code is `names` index * PLACES + direction's code."""
        self._settle(window)
        return self._totals.take_before(window)

    def _settle(self, until: int) -> None:
        """Count what is known by combination for each profile that it stands for."""
        windows, numbers, sums = self._by_combination.take_before(until)
        if not len(windows):
            return
        rows = self._known.table[numbers]
        self._totals.add(windows, rows[:, 0], Weights(sums))
        bits = np.unpackbits(rows[:, 1:].copy().view(np.uint8), axis=1)
        for number in range(1, len(self.names)):
            at = np.flatnonzero(bits[:, number - 1])
            codes = number * PLACES + rows[at, 0]
            self._totals.add(windows[at], codes, Weights(sums[at]))


def _words(bits: Bits, words: int) -> list[Ints]:
    """Return packed bits (n, k) as columns of 64 bits."""
    wide = np.zeros((len(bits), words * 8), np.uint8)
    wide[:, : bits.shape[1]] = bits
    return list(wide.view(np.int64).T)
