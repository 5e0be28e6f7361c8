"""Which configured network an address belongs to: longest prefix first, for whole columns.

Nested prefixes are flattened once, when they are configured, into intervals of addresses which do
not overlap, so a lookup never compares prefix lengths. What differs is how an interval is found:

- IPv4 by its bits, 16, then 8, then 8 of them. A row of a level holds the answer itself or says
  where the next level's block of 256 rows is. Nearly all traffic ends at the first level (256 kB,
  which a processor's cache holds), and 10 000 scattered prefixes need some tens of MB.
- IPv6 by binary search on the high half alone. A high half that a prefix longer than /64 splits is
  marked, and only its rows are searched again with all 128 bits.

What both cost beside plain binary search: bench/networks.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.flows import MAPPED_PREFIX, UNKNOWN_ADDRESS
from flowsleuth.errors import ConfigError

IPNetwork: TypeAlias = IPv4Network | IPv6Network
Indices: TypeAlias = npt.NDArray[np.int32]

NO_NETWORK = -1
"""The index of an address that is in no network."""

_DEEPER = -2
"""Not an answer: this value and all below it say that more bits decide."""

_MAPPED = IPv6Network("::ffff:0:0/96")
_HALF = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class _Prefix:
    """The addresses first..last (inclusive, as integers) belong to network `index`."""

    first: int
    last: int
    index: int


class Networks:
    """The configured networks, ready for lookups.

    entries: (name, prefixes) of each network, of either family; the position is the index that
    lookups answer with. A prefix within ::ffff:0:0/96 is taken as the IPv4 prefix that it maps.
    Raises ConfigError where two networks claim the same prefix: nothing could decide between them.
    """

    def __init__(self, entries: Sequence[tuple[str, Sequence[IPNetwork]]]) -> None:
        self.names = tuple(name for name, _ in entries)
        claimed = _claims(entries)
        v4 = [_prefix(net, i) for net, i in claimed.items() if isinstance(net, IPv4Network)]
        v6 = [_prefix(net, i) for net, i in claimed.items() if isinstance(net, IPv6Network)]
        self._levels = _levels(_flatten(v4))
        unknown = int(UNKNOWN_ADDRESS[0]) << 64 | int(UNKNOWN_ADDRESS[1])
        # As the longest of prefixes, the address which stands for "none" is outside even of ::/0.
        v6.append(_Prefix(unknown, unknown, NO_NETWORK))
        intervals = _flatten(v6)
        self._high, self._high_index = _high_halves(intervals)
        self._full = _sortable([start for start, _ in intervals])
        self._full_index = np.array([index for _, index in intervals], np.int32)

    def lookup4(self, addresses: npt.NDArray[np.unsignedinteger]) -> Indices:
        """Find the network of each IPv4 address: uint32 (n,) -> int32 (n,), NO_NETWORK if none."""
        first, second, third = self._levels
        # mode="wrap": no row can lie outside, and not checking takes half the time.
        found: Indices = first.take(addresses >> np.uint32(16), mode="wrap")
        for level, shift in ((second, 8), (third, 0)):
            deeper = np.flatnonzero(found <= _DEEPER)
            if not len(deeper):
                break
            byte = (addresses.take(deeper) >> np.uint32(shift)) & np.uint32(0xFF)
            block = _DEEPER - found.take(deeper)
            found[deeper] = level.take(block << 8 | byte.view(np.int32), mode="wrap")
        return found

    def lookup6(self, addresses: npt.NDArray[np.unsignedinteger]) -> Indices:
        """Find the network of each IPv6 address: uint64 (n, 2), high half first -> int32 (n,).

        IPv4-mapped addresses (RFC 4291, 2.5.5.2) have the network of their IPv4 address, and
        UNKNOWN_ADDRESS has none, whatever is configured.
        """
        high, low = addresses[:, 0], addresses[:, 1]
        found: Indices = self._high_index[np.searchsorted(self._high, high, side="right") - 1]
        deeper = np.flatnonzero(found == _DEEPER)
        if len(deeper):
            keys = np.ascontiguousarray(addresses[deeper], dtype=">u8").view("S16")[:, 0]
            found[deeper] = self._full_index[np.searchsorted(self._full, keys, side="right") - 1]
        mapped = np.flatnonzero(high == 0)
        if len(mapped):
            mapped = mapped[low[mapped] >> np.uint64(32) == MAPPED_PREFIX >> 32]
            found[mapped] = self.lookup4(low[mapped].astype(np.uint32))
        return found


def spans(entries: Sequence[tuple[str, Sequence[IPNetwork]]]) -> list[list[tuple[int, int, int]]]:
    """Return the addresses that each network holds, as (family, first, last) in rising order.

    What longer prefixes give to another network is left out, and neighbours are one: two lists of
    prefixes that hold the same addresses have the same spans. Raises ConfigError as `Networks`.
    """
    held: list[list[tuple[int, int, int]]] = [[] for _ in entries]
    claimed = _claims(entries)
    for family, kind in ((4, IPv4Network), (6, IPv6Network)):
        intervals = _flatten([_prefix(n, i) for n, i in claimed.items() if isinstance(n, kind)])
        for (first, index), (after, _) in pairwise(intervals):
            if index == NO_NETWORK:
                continue
            own = held[index]
            if own and own[-1][0] == family and own[-1][2] == first - 1:
                own[-1] = (family, own[-1][1], after - 1)
            else:
                own.append((family, first, after - 1))
    return held


def _claims(entries: Sequence[tuple[str, Sequence[IPNetwork]]]) -> dict[IPNetwork, int]:
    """Map each prefix to the index of the one network that claims it."""
    claimed: dict[IPNetwork, int] = {}
    for index, (name, prefixes) in enumerate(entries):
        for given in prefixes:
            owner = claimed.setdefault(_unmapped(given), index)
            if owner != index:
                raise ConfigError(
                    f"networks: the prefix {given} stands in {entries[owner][0]} and in {name}; "
                    "leave it in one of them"
                )
    return claimed


def _unmapped(net: IPNetwork) -> IPNetwork:
    """Give the IPv4 prefix that a prefix of IPv4-mapped addresses stands for."""
    if isinstance(net, IPv6Network) and net.subnet_of(_MAPPED):
        low = int(net.network_address) & 0xFFFFFFFF
        return IPv4Network((low, net.prefixlen - _MAPPED.prefixlen))
    return net


def _prefix(net: IPNetwork, index: int) -> _Prefix:
    return _Prefix(int(net.network_address), int(net.broadcast_address), index)


def _flatten(prefixes: Iterable[_Prefix]) -> list[tuple[int, int]]:
    """Turn nested prefixes into (start, network index) of intervals that cover every address.

    Prefixes nest or are disjoint, so the ones that hold the current address form a stack. Starts
    ascend strictly, the first is 0; neighbours may have the same index.
    """
    starts = {0: NO_NETWORK}
    open_: list[_Prefix] = []

    def close(until: int | None) -> None:
        while open_ and (until is None or open_[-1].last < until):
            after = open_.pop().last + 1
            starts[after] = open_[-1].index if open_ else NO_NETWORK

    for prefix in sorted(prefixes, key=lambda p: (p.first, -p.last)):
        close(prefix.first)
        starts[prefix.first] = prefix.index
        open_.append(prefix)
    close(None)
    return sorted(starts.items())


def _levels(intervals: list[tuple[int, int]]) -> tuple[Indices, Indices, Indices]:
    """Build the three IPv4 levels: int32 (65536,), (blocks, 256), (blocks, 256).

    A value v <= _DEEPER stands for block _DEEPER - v of the next level.
    """
    starts = np.array([s for s, _ in intervals if s < 1 << 32], np.int64)
    answers = np.array([i for s, i in intervals if s < 1 << 32], np.int32)
    levels = []
    spans = np.arange(1 << 16, dtype=np.int64) << 16
    for size in (1 << 16, 1 << 8, 1):
        # An interval that starts within a span, after its first address, splits it.
        begin = np.searchsorted(starts, spans, side="right") - 1
        split = begin != np.searchsorted(starts, spans + (size - 1), side="right") - 1
        level = answers[begin]
        level[split] = _DEEPER - np.arange(np.count_nonzero(split), dtype=np.int32)
        levels.append(level)
        spans = spans[split][:, None] + np.arange(256, dtype=np.int64) * (size >> 8)
    return levels[0], levels[1], levels[2]


def _high_halves(intervals: list[tuple[int, int]]) -> tuple[npt.NDArray[np.uint64], Indices]:
    """Cut the IPv6 intervals down to high halves: ascending starts uint64 (m,), answers int32 (m,).

    A high half within which an interval starts has the answer _DEEPER.
    """
    answers: dict[int, int] = {}
    for start, index in intervals:
        high, low = start >> 64, start & _HALF
        if low:
            answers[high] = _DEEPER
            high += 1
        if high <= _HALF:
            answers[high] = index
    ordered = sorted(answers.items())
    highs = np.array([high for high, _ in ordered], np.uint64)
    return highs, np.array([index for _, index in ordered], np.int32)


def _sortable(addresses: list[int]) -> npt.NDArray[np.bytes_]:
    """Write 128-bit integers as 16 bytes, high byte first, whose order is the integers' order.

    NumPy pads byte strings with zeros, so the zeros that it drops from the end compare alike.
    """
    return np.array([a.to_bytes(16, "big") for a in addresses if a >> 128 == 0], "S16")
