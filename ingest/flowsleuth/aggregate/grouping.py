"""Group-by on NumPy alone: hash the key columns, sort the hashes with the row numbers inside.

A 64-bit word holds the hash in its high bits and the row's number in its low bits, so that one
plain `sort` (vectorised in NumPy 2) gives order and groups at once; on the machine where this was
measured it takes half of what `argsort` takes. Hashes may collide: neighbours are compared on the
whole key, and where two keys share a hash the exact `lexsort` decides. So a group is exact always.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_ODD = tuple(
    np.uint64(constant)
    for constant in (
        0x9E3779B97F4A7C15,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0xD6E8FEB86659FD93,
        0xFF51AFD7ED558CCD,
        0xA0761D6478BD642F,
        0xE7037ED1A0B428DB,
        0x8EBC6AF09C88C6E3,
    )
)
"""Odd multipliers with well-spread bits, one per key column (from the literature on mixing)."""

Ints = npt.NDArray[np.int64]

_DENSE_SPAN = 1 << 20
"""Codes are numbered by table where they span no more than this (or four times the rows)."""

EXACT_FLOAT = 2**53
"""Sums of integers in float64 are exact below this."""


@dataclass(frozen=True, slots=True)
class Groups:
    """A grouping of n rows into m groups.

    order: int64 (n,), the rows so that each group's stand together;
    starts: int64 (m,), where in `order` each group begins.
    """

    order: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]

    @property
    def first(self) -> npt.NDArray[np.int64]:
        """One row of each group, int64 (m,)."""
        return self.order[self.starts]

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Rows in each group, int64 (m,)."""
        return np.diff(self.starts, append=len(self.order))

    def take(self, chosen: Ints) -> "Groups":
        """Return the groups of these numbers, int64 (k,)."""
        sizes = self.sizes[chosen]
        starts = np.cumsum(sizes) - sizes
        places = np.repeat(self.starts[chosen] - starts, sizes) + np.arange(sizes.sum())
        return Groups(self.order[places], starts)

    def slices(self, size: int) -> "list[Groups]":
        """Cut into parts of at most `size` groups."""
        n = len(self.starts)
        if n <= size:
            return [self]
        return [self.take(np.arange(at, min(at + size, n))) for at in range(0, n, size)]

    def sum(self, values: Ints) -> Ints:
        """Sum values (n,) or rows of values (n, w) in each group: int64 (m,) or (m, w).

        Groups of one row, the commonest kind, are only picked.
        """
        sums = values.take(self.first, axis=0)
        sizes = self.sizes
        several = sizes > 1
        if several.any():
            rows = self.order[np.repeat(several, sizes)]
            begins = np.cumsum(sizes[several]) - sizes[several]
            sums[several] = np.add.reduceat(values.take(rows, axis=0), begins, axis=0)
        return sums

    def numbers(self) -> npt.NDArray[np.int64]:
        """Return the group of each row, int64 (n,)."""
        marks = np.zeros(len(self.order), np.int64)
        marks[self.starts[1:]] = 1
        numbers = np.empty(len(self.order), np.int64)
        numbers[self.order] = np.cumsum(marks)
        return numbers


def hash_rows(columns: Sequence[npt.NDArray[np.integer]]) -> npt.NDArray[np.uint64]:
    """Mix the columns (each (n,)) of a key into one uint64 (n,), spread in its high bits."""
    mixed = columns[0].astype(np.uint64) * _ODD[0]
    for column, multiplier in zip(columns[1:], _ODD[1:], strict=False):
        mixed ^= mixed >> np.uint64(31)
        mixed += column.astype(np.uint64) * multiplier
    mixed ^= mixed >> np.uint64(32)
    mixed *= _ODD[-1]
    mixed ^= mixed >> np.uint64(29)
    mixed *= _ODD[0]
    return mixed


def group(columns: Sequence[npt.NDArray[np.integer]]) -> Groups:
    """Group n rows by equal values in all columns; groups come in a fixed, arbitrary order."""
    return group_hashed(hash_rows(columns), columns)


def group_hashed(
    hashes: npt.NDArray[np.uint64], columns: Sequence[npt.NDArray[np.integer]]
) -> Groups:
    """Group rows whose hashes are at hand; see `group`."""
    n = len(hashes)
    if n == 0:
        return Groups(np.zeros(0, np.int64), np.zeros(0, np.int64))
    bits = np.uint64(max(1, (n - 1).bit_length()))
    packed = (hashes >> bits << bits) | np.arange(n, dtype=np.uint64)
    packed.sort()
    order = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    packed >>= bits
    same_hash = packed[1:] == packed[:-1]
    differ = np.zeros(n - 1, bool)
    near = np.flatnonzero(same_hash)
    left, right = order[near], order[near + 1]
    unlike = np.zeros(len(near), bool)
    for column in columns:
        unlike |= column[left] != column[right]
    if unlike.any():
        return _group_exact(columns)
    np.logical_not(same_hash, out=differ)
    return Groups(order, np.concatenate(([0], np.flatnonzero(differ) + 1)))


def _group_exact(columns: Sequence[npt.NDArray[np.integer]]) -> Groups:
    order = np.lexsort(tuple(columns))
    differ = np.zeros(len(order) - 1, bool)
    for column in columns:
        ordered = column[order]
        differ |= ordered[1:] != ordered[:-1]
    return Groups(order, np.concatenate(([0], np.flatnonzero(differ) + 1)))


class Weights:
    """Columns of integers >= 0, laid out to be summed by several codes in turn.

    bincount adds in float64, exact while no sum can reach 2^53; beyond, integers are added.
    values: int64 (n, w). floats: float64 (w, n).
    """

    __slots__ = ("exact", "floats", "values")

    def __init__(self, values: Ints) -> None:
        self.values = values
        self.exact = int(values.max(initial=0)) * len(values) < EXACT_FLOAT
        self.floats = np.array(values.T, np.float64, order="C")

    @classmethod
    def beside(cls, *columns: Ints) -> "Weights":
        """Lay columns (n,) side by side."""
        weights = cls.__new__(cls)
        weights.values = np.stack(columns, axis=1)
        weights.floats = np.array(columns, np.float64)
        most = max(int(column.max(initial=0)) for column in columns)
        weights.exact = most * len(columns[0]) < EXACT_FLOAT
        return weights

    def take(self, rows: Ints) -> "Weights":
        """Return the chosen rows."""
        chosen = Weights.__new__(Weights)
        chosen.values, chosen.exact = self.values.take(rows, axis=0), self.exact
        chosen.floats = self.floats.take(rows, axis=1)
        return chosen

    def by(self, codes: Ints, size: int) -> Ints:
        """Sum by code (n,), each below `size`: int64 (size, w), exact."""
        sums = np.zeros((size, len(self.floats)), np.int64)
        if self.exact:
            for i, column in enumerate(self.floats):
                sums[:, i] = np.bincount(codes, weights=column, minlength=size)
        else:
            np.add.at(sums, codes, self.values)
        return sums

    def bound_by(self, column: int, codes: Ints, size: int) -> npt.NDArray[np.float64]:
        """Sum one column by code, never less than the exact sum: float64 (size,)."""
        sums: npt.NDArray[np.float64]
        sums = np.bincount(codes, weights=self.floats[column], minlength=size).astype(np.float64)
        return sums if self.exact else sums * (1 + 1e-9)


def sums_by(codes: Ints, values: Ints, size: int) -> Ints:
    """Sum rows of values (n, w) >= 0 by code (n,), each below `size`: int64 (size, w), exact."""
    return Weights(values).by(codes, size)


def rank_within(
    segments: npt.NDArray[np.int64], values: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Rank of each row by falling value within its segment: int64 (n,), 0 is the largest.

    Values are compared as float32, which tells apart what differs by more than a ten-millionth;
    equal ones keep the order of their rows.
    """
    n = len(values)
    if n == 0:
        return np.zeros(0, np.int64)
    row_bits = max(1, (n - 1).bit_length())
    falling = np.uint64(0x7FFFFFFF) - values.astype(np.float32).view(np.uint32).astype(np.uint64)
    if int(segments.max()).bit_length() + 31 + row_bits <= 64:
        packed = (segments.astype(np.uint64) << np.uint64(31)) | falling
        packed = (packed << np.uint64(row_bits)) | np.arange(n, dtype=np.uint64)
        packed.sort()
        order = (packed & np.uint64((1 << row_bits) - 1)).astype(np.int64)
    else:
        order = np.lexsort((falling, segments))
    ordered = segments[order]
    begins = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1))
    ranks = np.empty(n, np.int64)
    ranks[order] = np.arange(n) - np.repeat(begins, np.diff(begins, append=n))
    return ranks


def number_dense(codes: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Ints]:
    """Return the distinct codes in rising order (m,), and the number of each row's (n,).

    Codes that lie close together, as window and network do, are numbered by table.
    """
    low = int(codes.min(initial=2**62))
    span = int(codes.max(initial=low)) - low + 1
    if span > max(_DENSE_SPAN, 4 * len(codes)):
        distinct, numbers = np.unique(codes, return_inverse=True)
        return distinct, numbers
    place = codes - low
    used = np.zeros(span, bool)
    used[place] = True
    table = np.cumsum(used) - 1
    return np.flatnonzero(used) + low, table[place]


def first_within(segments: Ints, values: Ints, count: int, segment_count: int) -> Ints:
    """Return the rows (k,) of the `count` largest values of each segment; 0 is never among them.

    segments: int64 (n,), below segment_count. Most rows are far too small: the largest of each of
    many buckets bounds the count-th largest from below, and only what reaches that is ranked.
    """
    if count < 1:
        return np.zeros(0, np.int64)
    buckets = max(32, 1 << (2 * count - 1).bit_length())
    rows = np.flatnonzero(values > 0)
    if len(rows) > 4 * segment_count * buckets:
        bucket = segments * buckets + (np.arange(len(values)) & (buckets - 1))
        largest = np.zeros(segment_count * buckets, np.int64)
        np.maximum.at(largest, bucket, values)
        bound = np.partition(largest.reshape(-1, buckets), buckets - count, axis=1)
        enough = np.maximum(bound[:, buckets - count], 1)
        rows = np.flatnonzero(values >= enough[segments])
    return rows[rank_within(segments[rows], values[rows]) < count]


def hash_more(
    hashes: npt.NDArray[np.uint64], column: npt.NDArray[np.integer]
) -> npt.NDArray[np.uint64]:
    """Mix one more column (n,) into hashes (n,)."""
    mixed = hashes + column.astype(np.uint64) * _ODD[1]
    mixed ^= mixed >> np.uint64(32)
    mixed *= _ODD[2]
    mixed ^= mixed >> np.uint64(29)
    mixed *= _ODD[3]
    return mixed
