"""The rows of open windows: one for each cell and network, at the finest grain that is counted.

A record is a row of each network that it touches (`out` for Green and `in` for Blue). Rows wait
unmerged until their window closes, because sorting once at the end is cheapest when most keys are
new; when they become many, equal keys are merged, and when that does not help the oldest windows
are closed early (`Store.crowded`).
"""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.grouping import group, number_dense
from flowsleuth.aggregate.spread import Cells
from flowsleuth.decode.flows import MAPPED_PREFIX
from flowsleuth.enrich.enricher import Records

OUT, IN, INTERNAL, TRANSIT = range(4)
DIRECTIONS = ("out", "in", "internal", "transit")

BYTES, PACKETS, FLOWS, SYN_ONLY = range(4)
"""The columns of values and sums."""

PROTOCOLS = 257
"""IP protocols and one place for records that name none."""

CODE_BITS = 24
"""Bits of the code that holds network, direction and protocol: room for 16 000 networks."""

SAMPLED = 37
"""The low six bits of the two ends' sum by which rows are sampled: any would do."""

Ints = npt.NDArray[np.int64]
Ends = npt.NDArray[np.unsignedinteger]


def code(network: Ints, direction: Ints | int, protocol: Ints) -> Ints:
    """Pack (network index, direction, protocol) into one integer below 2^CODE_BITS."""
    return (network * 4 + direction) * PROTOCOLS + protocol


@dataclass(slots=True)
class Rows:
    """n rows of one family.

    key: int64 (n,), window << CODE_BITS | code. port: uint16 (n,), the service port.
    address, peer: uint32 (n,), or uint64 (n, 2) in family 6.
    values: int64 (n, 4), the columns BYTES, PACKETS, FLOWS, SYN_ONLY side by side, since they are
    always picked and added together. fresh: bool (n,), False for what lies more than two hours
    before its receipt.
    """

    family: int
    key: Ints
    port: npt.NDArray[np.uint16]
    address: Ends
    peer: Ends
    values: Ints
    fresh: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.key)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Rows":
        """Return the chosen rows (indices or a mask)."""
        if rows.dtype == bool:  # turned into indices once, not once for each column
            rows = np.flatnonzero(rows)
        columns = (getattr(self, f.name) for f in fields(self)[1:])
        return Rows(self.family, *(column.take(rows, axis=0) for column in columns))

    @staticmethod
    def join(parts: "list[Rows]") -> "Rows":
        """Put rows of one family one after another."""
        if len(parts) == 1:
            return parts[0]
        names = [f.name for f in fields(parts[0])[1:]]
        return Rows(
            parts[0].family,
            *(np.concatenate([getattr(part, name) for part in parts]) for name in names),
        )

    def merged(self) -> "Rows":
        """Return one row for each distinct (key, port, address, peer)."""
        groups = group((self.key, self.port, *end_columns(self.address), *end_columns(self.peer)))
        first = groups.first
        return Rows(
            self.family,
            self.key[first],
            self.port[first],
            self.address[first],
            self.peer[first],
            groups.sum(self.values),
            np.logical_or.reduceat(self.fresh[groups.order], groups.starts),
        )


def compact(key: Ints) -> Ints:
    """Renumber keys (n,), at least one, so that those of near windows lie close together."""
    code = key & ((1 << CODE_BITS) - 1)
    window = key >> CODE_BITS
    compacted: Ints = (window - window.min()) * (int(code.max()) + 1) + code
    return compacted


def end_columns(ends: Ends) -> tuple[Ends, ...]:
    """Return the key columns of addresses: one for family 4, two for family 6."""
    return (ends,) if ends.ndim == 1 else (ends[:, 0], ends[:, 1])


def halves(ends: Ends) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return addresses of either family as high and low uint64 (IPv4 mapped, RFC 4291 2.5.5.2)."""
    if ends.ndim == 1:
        return np.zeros(len(ends), np.uint64), ends + np.uint64(MAPPED_PREFIX)
    return ends[:, 0], ends[:, 1]


_BY_ENDS = np.array([TRANSIT, IN, OUT, INTERNAL], np.int64)
"""Direction by `network_ends`; of two different networks the first row is OUT, the second IN."""


def network_ends(records: Records) -> npt.NDArray[np.uint8]:
    """Say which ends are in a network: 0 none, 1 the destination, 2 the source, 3 both."""
    src, dst = (records.src_network >= 0).view(np.uint8), (records.dst_network >= 0).view(np.uint8)
    return src * np.uint8(2) + dst


def rows_of(records: Records, cells: Cells, fresh: npt.NDArray[np.bool_], unassigned: int) -> Rows:
    """Make the rows of records cut into cells; unassigned: the index that stands for no network.

    fresh: bool (c,), per cell.
    """
    ends = network_ends(records)
    use_dst = ends == 1
    network = np.where(use_dst, records.dst_network, records.src_network).astype(np.int64)
    network[network < 0] = unassigned
    direction = _BY_ENDS.take(ends)
    inside = np.flatnonzero(ends == 3)
    crossing = inside[records.src_network[inside] != records.dst_network[inside]]
    direction[crossing] = OUT
    protocol = records.protocol.astype(np.int64)
    first_code = code(network, direction, protocol)
    address, peer = records.src, records.dst
    if use_dst.any():
        chosen = use_dst if records.family == 4 else use_dst[:, None]
        address, peer = np.where(chosen, peer, address), np.where(chosen, address, peer)
    values = np.empty((len(cells.window), 4), np.int64)
    values[:, BYTES], values[:, PACKETS], values[:, FLOWS] = cells.bytes, cells.packets, cells.flows
    values[:, SYN_ONLY] = np.where(cells.of(records.syn_only), cells.flows, 0)
    window = cells.window << CODE_BITS
    port = cells.of(records.port)
    first = Rows(
        records.family,
        window | cells.of(first_code),
        port,
        cells.of(address),
        cells.of(peer),
        values,
        fresh,
    )
    if not len(crossing):
        return first
    crosses = np.zeros(len(records), bool)
    crosses[crossing] = True
    at = np.flatnonzero(cells.of(crosses))
    second_code = code(records.dst_network.astype(np.int64), IN, protocol)
    second = Rows(
        records.family,
        (window | cells.of(second_code))[at],
        port[at],
        cells.of(records.dst)[at],
        cells.of(records.src)[at],
        values.take(at, axis=0),
        fresh[at],
    )
    return Rows.join([first, second])


class Store:
    """The rows of all open windows, of both families, at most `capacity` of them."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._chunks: list[Rows] = []
        self._size = 0
        self._merge_at = capacity

    def __len__(self) -> int:
        return self._size

    def add(self, rows: Rows) -> None:
        """Keep rows; merges equal keys when there are too many and that would help."""
        self._chunks.append(rows)
        self._size += len(rows)
        if self._size > self._merge_at:
            if self._repeats():
                self._merge()
            self._merge_at = max(self.capacity, self._size * 3 // 2)

    def _repeats(self) -> bool:
        """Guess from a sample of pairs of ends whether many rows share their keys."""
        sample = [chunk.take(_sampled(chunk)) for chunk in self._chunks]
        total = sum(map(len, sample))
        families = {chunk.family for chunk in sample}
        merged = sum(
            len(Rows.join([c for c in sample if c.family == family]).merged())
            for family in families
        )
        return total == 0 or merged < total * 3 // 4

    @property
    def crowded(self) -> bool:
        """Whether merging has not made enough room: some windows must be written early."""
        return self._size > self.capacity

    def oldest_half(self) -> int:
        """Return the window below which about half of the rows lie (at least the oldest one)."""
        windows = np.concatenate([chunk.key >> CODE_BITS for chunk in self._chunks])
        distinct, numbers = number_dense(windows)
        below = np.cumsum(np.bincount(numbers))
        half = int(np.searchsorted(below, len(windows) // 2, side="right"))
        return int(distinct[max(half, 1)]) if len(distinct) > 1 else int(distinct[0]) + 1

    def oldest(self, otherwise: int) -> int:
        """Return the oldest window that has rows, `otherwise` where none has."""
        return min((int(chunk.key.min()) >> CODE_BITS for chunk in self._chunks), default=otherwise)

    def take_before(self, window: int) -> list[Rows]:
        """Remove and return the rows of windows before this one, one `Rows` for each family."""
        limit = window << CODE_BITS
        taken: dict[int, list[Rows]] = {}
        kept = []
        for chunk in self._chunks:
            due = chunk.key < limit
            if due.all():
                taken.setdefault(chunk.family, []).append(chunk)
            elif due.any():
                taken.setdefault(chunk.family, []).append(chunk.take(due))
                kept.append(chunk.take(~due))
            else:
                kept.append(chunk)
        self._chunks = kept
        self._size = sum(map(len, kept))
        self._merge_at = self.capacity
        return [Rows.join(taken[family]) for family in sorted(taken)]

    def _merge(self) -> None:
        families = sorted({chunk.family for chunk in self._chunks})
        self._chunks = [
            Rows.join([c for c in self._chunks if c.family == family]).merged()
            for family in families
        ]
        self._size = sum(map(len, self._chunks))


def _sampled(rows: Rows) -> npt.NDArray[np.bool_]:
    """Choose one in 64 rows by both ends: of a scanner's rows, all have the same address."""
    ends = end_columns(rows.address)[-1] + end_columns(rows.peer)[-1]
    chosen: npt.NDArray[np.bool_] = (ends & 63) == SAMPLED
    return chosen
