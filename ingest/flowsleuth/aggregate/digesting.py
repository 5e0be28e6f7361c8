"""Rows of closed windows become a `Digest`: first the many that cannot matter, then the few.

Sums over hash buckets tell in a few linear passes which addresses may have a point at all; a scan
or a busy day has a hundred times more that may not. The others are grouped, in pieces of whole
addresses that a processor's cache holds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
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
    Weights,
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
    FLOWS,
    PACKETS,
    PROTOCOLS,
    SYN_ONLY,
    Ends,
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
BUCKET_BITS = 17
"""Buckets that sums are bounded by: a megabyte for each sum, which caches hold."""

_ODD_STEP = 0x2545F4914F6CDD1D
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


def digest(families: list[Rows], so_far: Callable[[Segments], Ints], judge: Judge) -> Digest:
    """Digest rows, one `Rows` for each family that has any (at least one row in all).

    so_far: gives Segments.so_far.
    """
    families = _one_family_each(families)
    weights = [Weights(rows.values) for rows in families]
    totals, number_of = _totals(families, weights)
    segments = _segments(totals, so_far)
    bars = _Bars(segments, judge.share)
    hashes = [_host_hash(rows, judge.scope_hash) for rows in families]
    of_rows = [totals.segment_of[numbers] for numbers in number_of]
    known = Known.union(judge.known)
    may_matter = _may_matter(families, weights, hashes, of_rows, bars, known)
    ports = _heavy_ports(families, weights, number_of, totals, bars)
    # What follows needs the most memory, all rows at once where one address has them all.
    del weights, number_of, of_rows
    found = [
        _Piece(piece, its_hashes, bars, judge, known).digest()
        for rows, host_hash, at in zip(families, hashes, may_matter, strict=True)
        for piece, its_hashes in _pieces(rows, host_hash, at)
    ]
    return Digest(
        totals,
        segments,
        _concatenate([part[0] for part in found]),
        _concatenate([part[1] for part in found]),
        _concatenate([part[2] for part in found]),
        ports,
    )


def _one_family_each(families: list[Rows]) -> list[Rows]:
    """Move the IPv4 addresses that stand in family 6 too, their peer being IPv6 or unknown, there.

    In two families they would be two points of the same series and time.
    """
    if len(families) < 2:
        return families
    four, six = families
    shared = np.isin(four.address, six.address[_mapped(six), 1].astype(np.uint32))
    if not shared.any():
        return families
    moved, rest = four.take(shared), four.take(~shared)
    address, peer = (np.stack(halves(ends), axis=1) for ends in (moved.address, moved.peer))
    six = Rows.join([six, replace(moved, family=6, address=address, peer=peer)])
    return [rest, six] if len(rest) else [six]


def _mapped(rows: Rows) -> Mask:
    """Tell which addresses of family 6 are IPv4 ones."""
    high, low = rows.address[:, 0], rows.address[:, 1]
    mapped: Mask = (high == 0) & (low >> np.uint64(32) == 0xFFFF)
    return mapped


def _host_hash(rows: Rows, scope_hash: Hashes) -> Hashes:
    """Hash network, direction and address, an IPv4 address alike in both families: uint64 (n,)."""
    scope = scope_hash[(rows.key & _CODE) // PROTOCOLS]
    hashes = hash_rows((scope, *end_columns(rows.address)))
    if rows.family == 6:
        at = np.flatnonzero(_mapped(rows))
        hashes[at] = hash_rows((scope[at], rows.address[at, 1].astype(np.uint32)))
    return hashes


def _totals(families: list[Rows], weights: list[Weights]) -> tuple[Totals, list[Ints]]:
    """Sum up by key; also the number of each row's key, for each family."""
    codes = compact(np.concatenate([rows.key for rows in families]))
    distinct, numbers = number_dense(codes)
    n = len(distinct)
    number_of = np.split(numbers, np.cumsum([len(rows) for rows in families])[:-1])
    keys = np.zeros(n, np.int64)
    sums = np.zeros((n, 4), np.int64)
    for rows, weight, of in zip(families, weights, number_of, strict=True):
        keys[of] = rows.key
        sums += weight.by(of, n)
    place = (keys & _CODE) // PROTOCOLS
    _, segment_of = number_dense((keys >> CODE_BITS) * (int(place.max()) + 1) + place)
    return Totals(keys, sums, segment_of), number_of


def _segments(totals: Totals, so_far: Callable[[Segments], Ints]) -> Segments:
    """Sum up by (window, network, direction)."""
    n = int(totals.segment_of[-1]) + 1
    first = np.searchsorted(totals.segment_of, np.arange(n))
    sums = sums_by(totals.segment_of, totals.sums, n)
    segments = Segments(
        window=totals.key[first] >> CODE_BITS,
        place=(totals.key[first] & _CODE) // PROTOCOLS,
        bytes=sums[:, BYTES],
        packets=sums[:, PACKETS],
        flows=sums[:, FLOWS],
        so_far=sums[:, :SYN_ONLY].copy(),
    )
    segments.so_far[:] = so_far(segments)
    return segments


class _Bars:
    """The bytes, packets and rows that reach the bar, for each segment."""

    def __init__(self, segments: Segments, share: float) -> None:
        self.segments = segments
        self.bytes = np.maximum(segments.so_far[:, BYTES] * share, 1.0)
        self.packets = np.maximum(segments.so_far[:, PACKETS] * share, 1.0)
        self.peers = np.maximum(segments.so_far[:, FLOWS] * share, 2.0)


def _may_matter(
    families: list[Rows],
    weights: list[Weights],
    hashes: list[Hashes],
    of_rows: list[Ints],
    bars: _Bars,
    known: Known,
) -> list[Ints]:
    """Return for each family the rows whose address may have a point of any kind.

    Addresses share buckets, so a bucket's sums bound those of each of its addresses from above:
    what lies in a bucket below all bars, and has no series, can only be folded.
    """
    buckets = [
        ((host_hash + _window_part(rows)) >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)
        for rows, host_hash in zip(families, hashes, strict=True)
    ]
    size = 1 << BUCKET_BITS
    octets, packets, rows_in = (np.zeros(size) for _ in range(3))
    for weight, bucket in zip(weights, buckets, strict=True):
        octets += weight.bound_by(BYTES, bucket, size)
        packets += weight.bound_by(PACKETS, bucket, size)
        rows_in += np.bincount(bucket, minlength=size)
    # Few buckets reach even the lowest bar: only their rows are held against their own bars.
    hot = (octets >= bars.bytes.min()) | (packets >= bars.packets.min())
    hot |= rows_in >= bars.peers.min()
    chosen = []
    for bucket, segment, host_hash in zip(buckets, of_rows, hashes, strict=True):
        matters = known.maybe(host_hash)
        rows = np.flatnonzero(hot[bucket])
        bucket_of, of = bucket[rows], segment[rows]
        matters[rows] |= (
            (octets[bucket_of] >= bars.bytes[of])
            | (packets[bucket_of] >= bars.packets[of])
            | (rows_in[bucket_of] >= bars.peers[of])
        )
        chosen.append(np.flatnonzero(matters))
    return chosen


def _window_part(rows: Rows) -> Hashes:
    """Return what makes hashes of the same key in different windows differ: uint64 (n,)."""
    parts: Hashes = (rows.key >> CODE_BITS).astype(np.uint64) * _WINDOW_STEP
    return parts


def _heavy_ports(
    families: list[Rows],
    weights: list[Weights],
    number_of: list[Ints],
    totals: Totals,
    bars: _Bars,
) -> Ports:
    """Sum up the (key, port) whose bytes reach the bar, over all addresses.

    Again by buckets: each has one (key, port) for its own, and rows of that one are added there;
    rows of others in a bucket that reaches the bar are grouped.
    """
    size = 1 << BUCKET_BITS
    codes = [number << 16 | rows.port for number, rows in zip(number_of, families, strict=True)]
    buckets = [(code * _ODD_STEP >> 24) & (size - 1) for code in codes]
    octets = np.zeros(size)
    for weight, bucket in zip(weights, buckets, strict=True):
        octets += weight.bound_by(BYTES, bucket, size)
    owner = np.full(size, -1, np.int64)
    found, sums = [], []
    hopeful = [
        np.flatnonzero(octets[bucket] >= bars.bytes[totals.segment_of[number]])
        for bucket, number in zip(buckets, number_of, strict=True)
    ]
    for code, bucket, at in zip(codes, buckets, hopeful, strict=True):
        owner[bucket[at]] = code[at]
    for code, bucket, weight, at in zip(codes, buckets, weights, hopeful, strict=True):
        owned = owner[bucket[at]] == code[at]
        own, strangers = at[owned], at[~owned]
        distinct, numbers = number_dense(bucket[own])
        groups = group((code[strangers],))
        found += [owner[distinct], code[strangers][groups.first]]
        sums += [weight.take(own).by(numbers, len(distinct)), groups.sum(weight.values[strangers])]
    return _reaching(np.concatenate(found), np.concatenate(sums), totals, bars)


def _reaching(codes: Ints, sums: Ints, totals: Totals, bars: _Bars) -> Ports:
    """Add up equal codes (key's number << 16 | port), and keep what reaches the bar."""
    groups = group((codes,))
    code, sums = codes[groups.first], groups.sum(sums)
    heavy = np.flatnonzero(sums[:, BYTES] >= bars.bytes[totals.segment_of[code >> 16]])
    return Ports(totals.key[code[heavy] >> 16], code[heavy] & 0xFFFF, sums[heavy])


def _pieces(rows: Rows, hashes: Hashes, at: Ints) -> Iterator[tuple[Rows, Hashes]]:
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


class _Piece:
    """The grouping of one piece: rows (n,) of one family and their addresses' hashes."""

    def __init__(
        self, rows: Rows, host_hash: Hashes, bars: _Bars, judge: Judge, known: Known
    ) -> None:
        self.rows = rows
        self.bars = bars
        self.judge = judge
        self.window_part = _window_part(rows)
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


def _concatenate(parts: list[_Columns]) -> _Columns:
    """Put dataclasses of columns one after another."""
    if len(parts) == 1:
        return parts[0]
    names = [f.name for f in fields(parts[0])]
    return type(parts[0])(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in names)
    )
