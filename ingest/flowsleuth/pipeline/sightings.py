"""What captures show of addresses: who sent how much, who talked to whom, where it came in.

Three tables of sums, by address, by pair of blocks, and by block and interface. A block is what an
end is judged by as a whole: an IPv4 /24, an IPv6 /48. Tables are bounded, since a scan shows
millions of addresses: what carried least is forgotten first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.grouping import group
from flowsleuth.decode.flows import MAPPED_PREFIX, UNKNOWN_ADDRESS
from flowsleuth.enrich.enricher import Records

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

IPV6_BLOCK = 1 << 63
"""Set in the number of a block of IPv6, whose other bits are the first 48 of the address; that of
IPv4 is the first 24 bits of the address."""

MOST_ROWS = 1_000_000
"""Rows of a table after which those with the least bytes are forgotten."""

ELSEWHERE = (1 << 64) - 1
"""The block of a missing address, and of addresses which no network holds: multicast, loopback,
link-local, unspecified."""


class Tally:
    """Sums by key columns: `width` values for each distinct row of `keys` uint64 columns."""

    def __init__(self, keys: int, width: int) -> None:
        self.keys: list[Words] = [np.zeros(0, np.uint64)] * keys
        self.sums: Ints = np.zeros((0, width), np.int64)
        self._parts: list[tuple[list[Words], Ints]] = []
        self._waiting = 0

    def add(self, keys: Sequence[Words], values: Ints) -> None:
        """Add values (n, width) at key columns (n,)."""
        groups = group(keys)
        self._parts.append(([key[groups.first] for key in keys], groups.sum(values)))
        self._waiting += len(groups.starts)
        if self._waiting > MOST_ROWS:
            self.settle()

    def settle(self) -> None:
        """Bring what was added into `keys` and `sums`; too many rows: most of the first value."""
        parts = [(self.keys, self.sums), *self._parts]
        keys = [
            np.concatenate(columns) for columns in zip(*(part[0] for part in parts), strict=True)
        ]
        values = np.concatenate([part[1] for part in parts])
        groups = group(keys)
        sums, first = groups.sum(values), groups.first
        if len(first) > MOST_ROWS:
            most = np.argsort(-sums[:, 0], kind="stable")[:MOST_ROWS]
            sums, first = sums[most], first[most]
        self.keys, self.sums = [key[first] for key in keys], sums
        self._parts, self._waiting = [], 0


@dataclass(slots=True)
class Sightings:
    """Tables of what was seen.

    ends: by address halves: bytes sent, bytes received, records sent. pairs: by the blocks of
    source and destination: bytes, records. entries: by block of the source, exporter's stream and
    ingress interface: bytes, records.
    """

    ends: Tally
    pairs: Tally
    entries: Tally
    records: int = 0
    first_ns: int = 2**62
    last_ns: int = -(2**62)

    @classmethod
    def empty(cls) -> "Sightings":
        """Return tables of nothing."""
        return cls(Tally(2, 3), Tally(2, 2), Tally(3, 2))

    def add(self, records: Records) -> None:
        """Note records."""
        if not len(records):
            return
        self.records += len(records)
        self.first_ns = min(self.first_ns, int(records.end_ns.min()))
        self.last_ns = max(self.last_ns, int(records.end_ns.max()))
        octets, ones = records.bytes, np.ones(len(records), np.int64)
        none = np.zeros(len(records), np.int64)
        source, target = halves(records.src), halves(records.dst)
        self.ends.add(source, np.stack((octets, none, ones), axis=1))
        self.ends.add(target, np.stack((none, octets, none), axis=1))
        values = np.stack((octets, ones), axis=1)
        from_block = block_of(*source)
        self.pairs.add((from_block, block_of(*target)), values)
        told = np.flatnonzero(records.in_if)
        if len(told):
            where = records.stream[told].astype(np.uint64), records.in_if[told].astype(np.uint64)
            self.entries.add((from_block[told], *where), values[told])

    def settle(self) -> None:
        """Finish the tables."""
        for tally in (self.ends, self.pairs, self.entries):
            tally.settle()


def halves(addresses: npt.NDArray[np.unsignedinteger]) -> tuple[Words, Words]:
    """Return high and low halves, uint64 (n,) each, of a column of either family."""
    if addresses.ndim == 1:
        low = addresses.astype(np.uint64) + np.uint64(MAPPED_PREFIX)
        return np.zeros(len(low), np.uint64), low
    return addresses[:, 0].astype(np.uint64), addresses[:, 1].astype(np.uint64)


def is_v4(high: Words, low: Words) -> Mask:
    """Say which addresses are IPv4: bool (n,)."""
    found: Mask = (high == 0) & (low >> np.uint64(32) == MAPPED_PREFIX >> 32)
    return found


def block_of(high: Words, low: Words) -> Words:
    """Return each address's block, ELSEWHERE for those that no network holds: uint64 (n,)."""
    v4 = is_v4(high, low)
    word = low & np.uint64(0xFFFFFFFF)
    block = np.where(v4, word >> np.uint64(8), (high >> np.uint64(16)) | np.uint64(IPV6_BLOCK))
    first = word >> np.uint64(24)
    odd4 = (first == 0) | (first == 127) | (first >= 224) | (word >> np.uint64(16) == 0xA9FE)
    odd6 = (high >> np.uint64(56) == 0xFF) | (high >> np.uint64(54) == 0xFE80 >> 6) | (high == 0)
    odd6 |= (high == UNKNOWN_ADDRESS[0]) & (low == UNKNOWN_ADDRESS[1])
    return np.where(np.where(v4, odd4, odd6), np.uint64(ELSEWHERE), block)


def is_private(blocks: Words) -> Mask:
    """Say which blocks are for private use (RFC 1918, RFC 6598, RFC 4193): bool (n,)."""
    v6 = blocks >= np.uint64(IPV6_BLOCK)
    low = blocks & np.uint64(0xFFFFFFFFFFFF)
    private4 = (
        (blocks >> np.uint64(16) == 10)
        | (blocks >> np.uint64(12) == 0xAC1)
        | (blocks >> np.uint64(8) == 0xC0A8)
        | (blocks >> np.uint64(14) == 0x644 >> 2)
    )
    private6 = low >> np.uint64(41) == 0xFC >> 1
    found: Mask = np.where(v6, private6 & (blocks != np.uint64(ELSEWHERE)), private4)
    return found
