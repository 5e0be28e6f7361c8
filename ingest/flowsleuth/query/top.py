"""The largest of something: sums by key over any number of records, in bounded memory.

Each batch is grouped by itself, and groups are put together when many have come; so memory holds
keys, not records. At most `most` keys stay (a million, some 100 bytes each, half a gigabyte while
they are put together): beyond that the smaller half is given up, and what a sum may lack for it is
known and told. A scan of the internet makes more keys than that, and hardly ever a large one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.grouping import group
from flowsleuth.query.keys import Chosen, Column, Key, Known, Value

Ints = npt.NDArray[np.int64]

MOST_KEYS = 1_000_000
"""Keys that are held at once, unless told otherwise."""

FLOWS, PACKETS, BYTES = range(3)
"""The columns of sums."""

_SECOND, _PACKET = "second", "packet"
_MEASURES = {
    "flows": (FLOWS, 1, None),
    "packets": (PACKETS, 1, None),
    "bytes": (BYTES, 1, None),
    "pps": (PACKETS, 1, _SECOND),
    "bps": (BYTES, 8, _SECOND),
    "bpp": (BYTES, 1, _PACKET),
}
"""What to rank by: a sum, what it is multiplied by, and per what it is taken. Seconds are those
from the start of a key's first flow to the end of its last; without any the rate is 0."""

ORDERS = tuple(_MEASURES)

_NEVER = 2**62


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of m keys.

    columns: the keys, (m,) each. counts: int64 (m, 3), FLOWS, PACKETS, BYTES. first_ns, last_ns:
    int64 (m,), the earliest start and the latest end.
    """

    columns: tuple[Column, ...]
    counts: Ints
    first_ns: Ints
    last_ns: Ints

    def __len__(self) -> int:
        return len(self.counts)

    def take(self, rows: Ints) -> "Sums":
        """Return the chosen keys."""
        return Sums(
            tuple(column[rows] for column in self.columns),
            self.counts[rows],
            self.first_ns[rows],
            self.last_ns[rows],
        )

    @staticmethod
    def joined(parts: "Sequence[Sums]") -> "Sums":
        """Put the same keys of several parts together."""
        columns = tuple(np.concatenate(c) for c in zip(*(p.columns for p in parts), strict=True))
        counts, first, last = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("counts", "first_ns", "last_ns")
        )
        groups = group(columns)
        if not len(groups.starts):
            return Sums(columns, counts, first, last)
        return Sums(
            tuple(column[groups.first] for column in columns),
            groups.sum(counts),
            np.minimum.reduceat(first[groups.order], groups.starts),
            np.maximum.reduceat(last[groups.order], groups.starts),
        )

    def measured(self, order: str) -> npt.NDArray[np.float64]:
        """Return what `order` ranks by, float64 (m,)."""
        column, factor, unit = _MEASURES[order]
        value = self.counts[:, column] * float(factor)
        per = np.ones(len(self))
        if unit == _SECOND:
            per = (self.last_ns - self.first_ns) / 1e9
        elif unit == _PACKET:
            per = self.counts[:, PACKETS].astype(np.float64)
        measured: npt.NDArray[np.float64]
        measured = np.divide(value, per, out=np.zeros(len(self)), where=per > 0)
        return measured


@dataclass(frozen=True, slots=True)
class Row:
    """One of the largest: its key's values, and its counts."""

    values: tuple[Value, ...]
    flows: int
    packets: int
    bytes: int
    first_ns: int
    last_ns: int
    pps: float
    bps: float
    bpp: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """The largest of all keys, and all records together.

    keys: how many different ones there were (a lower bound where some were given up). given_up: how
    many were, and lacking: how much any sum may lack for it, of what was ranked by.
    """

    rows: list[Row]
    total: Row
    keys: int
    given_up: int
    lacking: int


class Top:
    """Sums by a combination of keys."""

    def __init__(
        self, keys: Sequence[Key], order: str, known: Known, most: int = MOST_KEYS
    ) -> None:
        self.keys = tuple(keys)
        self.order = order
        self._known = known
        self._most = most
        self._column = _MEASURES[order][0]
        self._parts: list[Sums] = []
        self._held = 0
        self._given_up = 0
        self._lacking = 0
        self._total = Sums((), np.zeros((1, 3), np.int64), np.array([_NEVER]), np.array([-_NEVER]))

    def add(self, chosen: Chosen) -> None:
        """Count records."""
        seen = chosen.seen
        if not len(seen):
            return
        counts = np.stack((np.ones(len(seen), np.int64), seen.packets, seen.bytes), axis=1)
        self._total = Sums(
            (),
            self._total.counts + counts.sum(axis=0),
            np.minimum(self._total.first_ns, chosen.start_ns.min()),
            np.maximum(self._total.last_ns, chosen.end_ns.max()),
        )
        for columns, rows in self._sides(chosen):
            sums = Sums(columns, counts, chosen.start_ns, chosen.end_ns)
            part = Sums.joined([sums if rows is None else sums.take(rows)])
            self._parts.append(part)
            self._held += len(part)
        if self._held > 2 * self._most:
            self._settle()

    def ranking(self, n: int) -> Ranking:
        """Return the n largest."""
        if self._parts:
            self._settle()
        (sums,) = self._parts or [self._total.take(np.zeros(0, np.int64))]
        rows = sums.take(self._largest(sums, n))
        return Ranking(
            self._rows(rows),
            self._rows(self._total)[0],
            len(sums) + self._given_up,
            self._given_up,
            self._lacking,
        )

    def _sides(self, chosen: Chosen) -> Iterator[tuple[tuple[Column, ...], Ints | None]]:
        """Yield the key's columns and the rows that count there (None: all), for each side."""
        sides = [
            tuple(
                column.astype(np.uint64)
                for key in self.keys
                for column in key.columns(chosen, side, self._known)
            )
            for side in (0, 1)[: 1 + any(key.two_sided for key in self.keys)]
        ]
        yield sides[0], None
        if len(sides) == 2:
            differs = np.zeros(len(chosen.seen), bool)
            for one, other in zip(*sides, strict=True):
                differs |= one != other
            yield sides[1], np.flatnonzero(differs)

    def _settle(self) -> None:
        """Put all parts together, and give up the smaller keys where they are too many."""
        sums = Sums.joined(self._parts)
        if len(sums) > self._most:
            by = sums.counts[:, self._column]
            kept = self._most // 2
            order = np.argpartition(-by, kept)
            self._given_up += len(sums) - kept
            self._lacking += int(by[order[kept:]].max())
            sums = sums.take(order[:kept])
        self._parts, self._held = [sums], len(sums)

    def _largest(self, sums: Sums, n: int) -> Ints:
        """Return the rows of the n largest, the largest first; equal ones by bytes, then by key."""
        measured = sums.measured(self.order)
        candidates = np.arange(len(sums))
        if len(sums) > n:
            candidates = np.flatnonzero(measured >= np.partition(measured, -n)[-n])
        keys = [column[candidates] for column in reversed(sums.columns)]
        order = np.lexsort((*keys, -sums.counts[candidates, BYTES], -measured[candidates]))
        return candidates[order[:n]]

    def _rows(self, sums: Sums) -> list[Row]:
        """Return keys and counts as people write them; of the total the key is empty."""
        keys = zip(*(column.tolist() for column in sums.columns), strict=True)
        values = [self._values(key) for key in keys] if sums.columns else [()] * len(sums)
        rates = (sums.measured(order).tolist() for order in ("pps", "bps", "bpp"))
        columns = zip(
            values,
            sums.counts.tolist(),
            sums.first_ns.tolist(),
            sums.last_ns.tolist(),
            *rates,
            strict=True,
        )
        return [Row(key, *counts, *rest) for key, counts, *rest in columns]

    def _values(self, row: tuple[int, ...]) -> tuple[Value, ...]:
        values, at = [], 0
        for key in self.keys:
            values.append(key.value(row[at : at + key.width], self._known))
            at += key.width
        return tuple(values)
