"""Rows of closed windows become a `Digest`: piece by piece, each piece whole addresses.

Addresses fall into pieces by their hash, so a talker, a host and a conversation lie in one piece
and each piece is grouped by itself.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.budget import Known
from flowsleuth.aggregate.digest import (
    Conversations,
    Digest,
    Hosts,
    Ports,
    Segments,
    Talkers,
    Totals,
)
from flowsleuth.aggregate.grouping import (
    Groups,
    first_within,
    group,
    group_hashed,
    hash_more,
    hash_rows,
    number_dense,
    sums_by,
)
from flowsleuth.aggregate.rows import (
    BYTES,
    CODE_BITS,
    PACKETS,
    PROTOCOLS,
    Rows,
    compact,
    end_columns,
    halves,
)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

PIECE = 65_536
"""Rows of a piece: half a megabyte a column, which the second-level caches of today hold."""

_CODE = (1 << CODE_BITS) - 1
_WINDOW_STEP = np.uint64(0x9E3779B97F4A7C15)
"""Added to a series' hash for each window: the hash by which rows are grouped."""


@dataclass(frozen=True, slots=True)
class Judge:
    """What is heavy. share: the bar; known: the pools' filters; by_peers: how many may be kept."""

    share: float
    scope_hash: Hashes
    known: Mapping[str, Known]
    by_peers: int


def digest(families: list[Rows], so_far: Callable[[Segments], Ints], judge: Judge) -> Digest:
    """Digest rows, one `Rows` for each family that has any (at least one row in all).

    so_far: gives the bytes of each segment's window, earlier flushes included.
    """
    totals, segments = _totals(families, so_far)
    bars = _Bars(segments, judge)
    found = [
        _Piece(piece, hashes, bars, judge).digest()
        for rows in families
        for piece, hashes in _pieces(rows, judge.scope_hash)
    ]
    return Digest(
        totals,
        segments,
        _concatenate([part[0] for part in found]),
        _concatenate([part[1] for part in found]),
        _concatenate([part[2] for part in found]),
        _heavy_ports([part[3] for part in found], bars),
    )


def _totals(families: list[Rows], so_far: Callable[[Segments], Ints]) -> tuple[Totals, Segments]:
    """Sum up by key, and by segment."""
    key = np.concatenate([rows.key for rows in families])
    distinct, numbers = number_dense(compact(key))
    n = len(distinct)
    keys = np.zeros(n, np.int64)
    keys[numbers] = key
    sums = sums_by(numbers, np.concatenate([rows.values for rows in families]), n)
    place = (keys & _CODE) // PROTOCOLS
    places = int(place.max()) + 1
    spots, segment_of = number_dense((keys >> CODE_BITS) * places + place)
    by_segment = sums_by(segment_of, sums, len(spots))
    segments = Segments(
        window=spots // places,
        place=spots % places,
        bytes=by_segment[:, BYTES],
        packets=by_segment[:, PACKETS],
        so_far=by_segment[:, BYTES].copy(),
        peers=np.zeros(len(spots), np.int64),
    )
    segments.so_far[:] = so_far(segments)
    return Totals(keys, sums, segment_of), segments


class _Bars:
    """The bytes and packets that reach the bar, for each segment."""

    def __init__(self, segments: Segments, judge: Judge) -> None:
        self.segments = segments
        self.bytes = np.maximum(segments.so_far * judge.share, 1.0)
        self.packets = np.maximum(segments.packets * judge.share, 1.0)


def _pieces(rows: Rows, scope_hash: Hashes) -> Iterator[tuple[Rows, Hashes]]:
    """Cut rows by address; yields rows and their address's hash."""
    scope = scope_hash[(rows.key & _CODE) // PROTOCOLS]
    hashes = hash_rows((scope, *end_columns(rows.address)))
    if len(rows) <= 2 * PIECE:
        yield rows, hashes
        return
    bits = min(8, (len(rows) // PIECE).bit_length())
    number = (hashes >> np.uint64(64 - bits)).astype(np.uint8)
    order = np.argsort(number, kind="stable")  # a radix sort: one byte
    edges = np.searchsorted(number[order], np.arange((1 << bits) + 1))
    for first, last in pairwise(edges):
        if last > first:
            yield rows.take(order[first:last]), hashes[order[first:last]]


class _Piece:
    """The grouping of one piece: rows (n,) of one family and their addresses' hashes."""

    def __init__(self, rows: Rows, host_hash: Hashes, bars: _Bars, judge: Judge) -> None:
        self.rows = rows
        self.bars = bars
        self.judge = judge
        self.window_part = (rows.key >> CODE_BITS).astype(np.uint64) * _WINDOW_STEP
        end = (rows.key & _CODE) % PROTOCOLS << 16 | rows.port
        self.host_hash = host_hash
        self.series_hash = hash_more(host_hash, end)

    def digest(self) -> tuple[Talkers, Conversations, Hosts, Ports]:
        """Group, and keep what may matter."""
        rows, judge = self.rows, self.judge
        groups = group_hashed(
            self.series_hash + self.window_part, (rows.key, rows.port, *end_columns(rows.address))
        )
        first = groups.first
        sums = groups.sum(rows.values)
        key = rows.key[first]
        segment = self.bars.segments.find(key)
        peers, conversations = self._conversations(groups)
        hosts, heavy = self._hosts(groups, sums, segment, peers)
        self.bars.segments.peers[:] += sums_by(segment, peers, len(self.bars.bytes))
        hashes = self.series_hash[first]
        hopeful = (
            (sums[:, BYTES] >= self.bars.bytes[segment])
            | (sums[:, PACKETS] >= self.bars.packets[segment])
            | judge.known["talkers"].maybe(hashes)
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
        return talkers, conversations, hosts, _port_sums(key, rows.port[first], sums)

    def _conversations(self, groups: Groups) -> tuple[Ints, Conversations]:
        """Count each talker's distinct peers, and find the large conversations."""
        rows = self.rows
        sizes = groups.sizes
        talker = np.repeat(np.arange(len(sizes)), sizes)
        several = np.flatnonzero(sizes[talker] > 1)
        many, of = groups.order[several], talker[several]
        pairs = group((of, *end_columns(rows.peer[many])))
        distinct = of[pairs.first]
        peers = np.where(sizes == 1, 1, np.bincount(distinct, minlength=len(sizes)))
        alone = groups.first[sizes == 1]
        at = np.concatenate((alone, many[pairs.first]))
        sums = np.concatenate((rows.values.take(alone, axis=0), pairs.sum(rows.values[many])))
        return peers, self._large(at, sums)

    def _large(self, at: Ints, sums: Ints) -> Conversations:
        """Return the conversations, of row `at`, that may have a point."""
        rows, judge = self.rows, self.judge
        hashes = self.series_hash[at]
        for column in end_columns(rows.peer[at]):
            hashes = hash_more(hashes, column)
        segment = self.bars.segments.find(rows.key[at])
        chosen = np.flatnonzero(
            (
                (sums[:, BYTES] >= self.bars.bytes[segment])
                | judge.known["conversations"].maybe(hashes)
            )
            & rows.fresh[at]
        )
        at = at[chosen]
        high, low = halves(rows.address[at])
        peer_high, peer_low = halves(rows.peer[at])
        return Conversations(
            rows.key[at],
            rows.port[at].astype(np.int64),
            high,
            low,
            peer_high,
            peer_low,
            sums[chosen],
            rows.fresh[at],
            hashes[chosen],
        )

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
            | judge.known["hosts"].maybe(hashes)
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


def _most_peers(segment: Ints, peers: Ints, judge: Judge) -> Ints:
    """Return the rows with the most peers; one peer distinguishes nobody."""
    several = np.where(peers > 1, peers, 0)
    return first_within(segment, several, judge.by_peers, int(segment.max(initial=0)) + 1)


def _any(groups: Groups, flags: Mask) -> Mask:
    if flags.all():
        return np.ones(len(groups.starts), bool)
    return np.logical_or.reduceat(flags[groups.order], groups.starts)


def _port_sums(key: Ints, port: npt.NDArray[np.uint16], sums: Ints) -> Ports:
    """Sum talkers by (key, port)."""
    groups = group((key, port))
    first = groups.first
    return Ports(key[first], port[first].astype(np.int64), groups.sum(sums))


def _heavy_ports(parts: list[Ports], bars: _Bars) -> Ports:
    """Add up the pieces' ports, and keep those that reach the bar."""
    joined = _concatenate(parts)
    groups = group((joined.key, joined.port))
    sums = groups.sum(joined.sums)
    key = joined.key[groups.first]
    heavy = np.flatnonzero(sums[:, BYTES] >= bars.bytes[bars.segments.find(key)])
    return Ports(key[heavy], joined.port[groups.first[heavy]], sums[heavy])


_Columns = TypeVar("_Columns", Talkers, Conversations, Hosts, Ports)


def _concatenate(parts: list[_Columns]) -> _Columns:
    """Put dataclasses of columns one after another."""
    if len(parts) == 1:
        return parts[0]
    names = [f.name for f in fields(parts[0])]
    return type(parts[0])(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in names)
    )
