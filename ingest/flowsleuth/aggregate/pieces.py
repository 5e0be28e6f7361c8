"""A piece of rows, whole addresses, grouped: talkers, conversations and hosts that may have points.

Each is grouped out of the finer one, and only what reaches the bar, or may have a series already,
is carried on, together with all talkers of a heavy address. A piece fits a processor's cache.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.budget import Known
from flowsleuth.aggregate.digest import (
    Conversations,
    Hosts,
    Segments,
    Talkers,
)
from flowsleuth.aggregate.grouping import (
    Groups,
    first_within,
    group,
    group_hashed,
    hash_more,
)
from flowsleuth.aggregate.rows import (
    BYTES,
    CODE_BITS,
    FLOWS,
    PACKETS,
    PROTOCOLS,
    Ends,
    Rows,
    end_columns,
    halves,
)

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

PIECE = 65_536
"""Rows of a piece: half a megabyte a column, which the second-level caches of today hold."""

_CODE = (1 << CODE_BITS) - 1

_WINDOW_STEP = np.uint64(0x9E3779B97F4A7C15)
"""Added to a series' hash for each window: the hash by which rows are grouped."""


@dataclass(frozen=True, slots=True)
class Judge:
    """What is heavy.

    share: the bar; scope_hash: uint64 (places,), a stable hash of (network, direction); known:
    tests of address hashes, which addresses may have a series; by_bytes, by_peers: how many may
    be kept.
    """

    share: float
    scope_hash: Hashes
    known: Sequence[Known]
    by_bytes: int
    by_peers: int


class Bars:
    """The bytes, packets and rows that reach the bar, for each segment."""

    def __init__(self, segments: Segments, share: float) -> None:
        self.segments = segments
        self.bytes = np.maximum(segments.so_far[:, BYTES] * share, 1.0)
        self.packets = np.maximum(segments.so_far[:, PACKETS] * share, 1.0)
        self.peers = np.maximum(segments.so_far[:, FLOWS] * share, 2.0)


def window_part(rows: Rows) -> Hashes:
    """Return what makes hashes of the same key in different windows differ: uint64 (n,)."""
    parts: Hashes = (rows.key >> CODE_BITS).astype(np.uint64) * _WINDOW_STEP
    return parts


def pieces(rows: Rows, hashes: Hashes, at: Ints) -> Iterator[tuple[Rows, Hashes]]:
    """Cut the rows `at` by their address; yields rows and their addresses' hashes, at least once.

    Of a scan by one address all rows are one piece: that one is not copied.
    """
    bits = min(8, (len(at) // PIECE).bit_length()) if len(at) > 2 * PIECE else 0
    number = (hashes[at] >> np.uint64(56)).astype(np.uint8) >> np.uint8(8 - bits)
    order = np.argsort(number, kind="stable")  # a radix sort: one byte
    edges = np.searchsorted(number[order], np.arange((1 << bits) + 1))
    for first, last in pairwise(edges.tolist()):
        if last - first == len(rows):
            yield rows, hashes
        elif last > first or not bits:
            piece = at[order[first:last]]
            yield rows.take(piece), hashes[piece]


class Piece:
    """The grouping of one piece: rows (n,) of one family and their addresses' hashes."""

    def __init__(
        self, rows: Rows, host_hash: Hashes, bars: Bars, judge: Judge, known: Known
    ) -> None:
        self.rows = rows
        self.bars = bars
        self.judge = judge
        self.window_part = window_part(rows)
        self.may_be_known = known.maybe(host_hash)
        end = (rows.key & _CODE) % PROTOCOLS << 16 | rows.port
        self.host_hash = host_hash
        self.series_hash = hash_more(host_hash, end)

    def digest(self) -> tuple[Talkers, Conversations, Hosts]:
        """Group, and keep what may matter."""
        rows, judge = self.rows, self.judge
        groups = group_hashed(
            self.series_hash + self.window_part, (rows.key, rows.port, *end_columns(rows.address))
        )
        first = groups.first
        sums = groups.sum(rows.values)
        key = rows.key[first]
        segment = self.bars.segments.find(key)
        peers, pairs = self._conversations(groups)
        conversations = self._large([part for each in pairs for part in each.slices(PIECE)])
        hosts, heavy = self._hosts(groups, sums, segment, peers)
        hashes = self.series_hash[first]
        hopeful = (
            (sums[:, BYTES] >= self.bars.bytes[segment])
            | (sums[:, PACKETS] >= self.bars.packets[segment])
            | self.may_be_known[first]
        )
        hopeful[_most_peers(segment, peers, judge)] = True
        at = np.flatnonzero(hopeful | heavy)
        high, low = halves(rows.address[first[at]])
        talkers = Talkers(
            key[at],
            rows.port[first[at]].astype(np.int64),
            high,
            low,
            sums[at],
            peers[at],
            _any(groups, rows.fresh)[at],
            hashes[at],
            self.host_hash[first[at]],
            heavy[at],
            hopeful[at],
        )
        return talkers, conversations, hosts

    def _conversations(self, groups: Groups) -> tuple[Ints, list[Groups]]:
        """Count each talker's distinct peers; also group the rows by conversation."""
        rows = self.rows
        sizes = groups.sizes
        talker = np.repeat(np.arange(len(sizes)), sizes)
        several = np.flatnonzero(sizes[talker] > 1)
        many, of = groups.order[several], talker[several]
        pairs = group((of, *end_columns(rows.peer[many])))
        peers = np.where(sizes == 1, 1, np.bincount(of[pairs.first], minlength=len(sizes)))
        alone = groups.first[sizes == 1]
        each = Groups(alone, np.arange(len(alone)))
        return peers, [each, Groups(many[pairs.order], pairs.starts)]

    def _large(self, parts: list[Groups]) -> Conversations:
        """Return the conversations, groups of rows, that may have a point."""
        rows = self.rows
        # Chosen by their bytes alone, so that a scan's millions are never summed or hashed.
        chosen = [part.take(self._may_have_point(part)) for part in parts]
        at = np.concatenate([part.first for part in chosen])
        sums = np.concatenate([part.sum(rows.values) for part in chosen])
        hashes = self.series_hash[at]
        hashes = _with_peer(hashes, rows.peer[at])
        high, low = halves(rows.address[at])
        peer_high, peer_low = halves(rows.peer[at])
        return Conversations(
            rows.key[at],
            rows.port[at].astype(np.int64),
            high,
            low,
            peer_high,
            peer_low,
            sums,
            rows.fresh[at],
            hashes,
            self.host_hash[at],
        )

    def _may_have_point(self, conversations: Groups) -> Ints:
        """Return the numbers of the conversations that are fresh, large, and among the first.

        What may have a series needs not be large; a known scanner has millions of these.
        """
        at = conversations.first
        octets = conversations.sum(self.rows.values[:, BYTES])
        segments = self.bars.segments
        segment = segments.find(self.rows.key[at])
        large = (octets >= self.bars.bytes[segment]) | self.may_be_known[at]
        few = np.flatnonzero(large & self.rows.fresh[at])
        n = len(segments.window)
        return few[first_within(segment[few], octets[few], self.judge.by_bytes, n)]

    def _hosts(self, groups: Groups, sums: Ints, segment: Ints, peers: Ints) -> tuple[Hosts, Mask]:
        """Group talkers by address; also says of each talker whether its address is heavy."""
        rows, judge = self.rows, self.judge
        first = groups.first
        by_host = group_hashed(
            self.host_hash[first] + self.window_part[first],
            (segment, *end_columns(rows.address[first])),
        )
        host_of = by_host.numbers()
        ports = by_host.sizes
        all_sums = by_host.sum(sums)
        of = segment[by_host.first]
        host_peers = self._host_peers(groups, by_host, host_of, ports, peers)
        heavy = all_sums[:, BYTES] >= self.bars.bytes[of]
        hashes = self.host_hash[first[by_host.first]]
        hopeful = (
            heavy
            | (all_sums[:, PACKETS] >= self.bars.packets[of])
            | self.may_be_known[first[by_host.first]]
        )
        hopeful[_most_peers(of, host_peers, judge)] = True
        fresh = _any(by_host, _any(groups, rows.fresh))
        chosen = np.flatnonzero(hopeful & fresh)
        row = first[by_host.first[chosen]]
        high, low = halves(rows.address[row])
        hosts = Hosts(
            rows.key[row],
            high,
            low,
            all_sums[chosen],
            host_peers[chosen],
            ports[chosen],
            fresh[chosen],
            hashes[chosen],
        )
        return hosts, heavy[host_of]

    def _host_peers(
        self, groups: Groups, by_host: Groups, host_of: Ints, ports: Ints, peers: Ints
    ) -> Ints:
        """Count the distinct peers of each host: over several ports a peer counts once."""
        rows = self.rows
        talker = groups.numbers()
        several = np.flatnonzero(ports[host_of[talker]] > 1)
        counts = by_host.sum(peers)
        if len(several):
            host = host_of[talker[several]]
            pairs = group((host, *end_columns(rows.peer[several])))
            distinct = np.bincount(host[pairs.first], minlength=len(ports))
            counts = np.where(ports > 1, distinct, counts)
        return counts


def _with_peer(hashes: Hashes, peers: Ends) -> Hashes:
    """Mix the peers into hashes, an IPv4 peer alike in both families."""
    mixed = hashes
    for column in end_columns(peers):
        mixed = hash_more(mixed, column)
    if peers.ndim == 2:
        at = np.flatnonzero((peers[:, 0] == 0) & (peers[:, 1] >> np.uint64(32) == 0xFFFF))
        mixed[at] = hash_more(hashes[at], peers[at, 1].astype(np.uint32))
    return mixed


def _most_peers(segment: Ints, peers: Ints, judge: Judge) -> Ints:
    """Return the rows with the most peers; one peer distinguishes nobody."""
    several = np.where(peers > 1, peers, 0)
    return first_within(segment, several, judge.by_peers, int(segment.max(initial=0)) + 1)


def _any(groups: Groups, flags: Mask) -> Mask:
    if flags.all():
        return np.ones(len(groups.starts), bool)
    return np.logical_or.reduceat(flags[groups.order], groups.starts)


_Columns = TypeVar("_Columns", Talkers, Conversations, Hosts)


def concatenate(parts: list[_Columns]) -> _Columns:
    """Put dataclasses of columns one after another."""
    if len(parts) == 1:
        return parts[0]
    names = [f.name for f in fields(parts[0])]
    return type(parts[0])(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in names)
    )
