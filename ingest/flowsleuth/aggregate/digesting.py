"""Rows of closed windows become a `Digest`: first the many that cannot matter, then the few.

Sums over hash buckets tell in a few linear passes which addresses may have a point at all; a scan
or a busy day has a hundred times more that may not. The others are grouped, in pieces of whole
addresses that a processor's cache holds.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.budget import Known
from flowsleuth.aggregate.digest import (
    Digest,
    Ports,
    Segments,
    Totals,
)
from flowsleuth.aggregate.grouping import (
    Weights,
    group,
    hash_rows,
    number_dense,
    sums_by,
)
from flowsleuth.aggregate.pieces import Bars, Judge, Piece, concatenate, pieces, window_part
from flowsleuth.aggregate.rows import (
    BYTES,
    CODE_BITS,
    FLOWS,
    PACKETS,
    PROTOCOLS,
    SYN_ONLY,
    Rows,
    compact,
    end_columns,
    halves,
)

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_CODE = (1 << CODE_BITS) - 1

BUCKET_BITS = 17
"""Buckets that sums are bounded by: a megabyte for each sum, which caches hold."""

_ODD_STEP = 0x2545F4914F6CDD1D
"""An odd multiplier that spreads (key, port) over the buckets."""


def digest(families: list[Rows], so_far: Callable[[Segments], Ints], judge: Judge) -> Digest:
    """Digest rows, one `Rows` for each family that has any (at least one row in all).

    so_far: gives Segments.so_far.
    """
    families = _one_family_each(families)
    weights = [Weights(rows.values) for rows in families]
    totals, number_of = _totals(families, weights)
    segments = _segments(totals, so_far)
    bars = Bars(segments, judge.share)
    hashes = [_host_hash(rows, judge.scope_hash) for rows in families]
    of_rows = [totals.segment_of[numbers] for numbers in number_of]
    known = Known.union(judge.known)
    may_matter = _may_matter(families, weights, hashes, of_rows, bars, known)
    ports = _heavy_ports(families, weights, number_of, totals, bars)
    # What follows needs the most memory, all rows at once where one address has them all.
    del weights, number_of, of_rows
    found = [
        Piece(piece, its_hashes, bars, judge, known).digest()
        for rows, host_hash, at in zip(families, hashes, may_matter, strict=True)
        for piece, its_hashes in pieces(rows, host_hash, at)
    ]
    return Digest(
        totals,
        segments,
        concatenate([part[0] for part in found]),
        concatenate([part[1] for part in found]),
        concatenate([part[2] for part in found]),
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


def _may_matter(
    families: list[Rows],
    weights: list[Weights],
    hashes: list[Hashes],
    of_rows: list[Ints],
    bars: Bars,
    known: Known,
) -> list[Ints]:
    """Return for each family the rows whose address may have a point of any kind.

    Addresses share buckets, so a bucket's sums bound those of each of its addresses from above:
    what lies in a bucket below all bars, and has no series, can only be folded.
    """
    buckets = [
        ((host_hash + window_part(rows)) >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)
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


def _heavy_ports(
    families: list[Rows],
    weights: list[Weights],
    number_of: list[Ints],
    totals: Totals,
    bars: Bars,
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


def _reaching(codes: Ints, sums: Ints, totals: Totals, bars: Bars) -> Ports:
    """Add up equal codes (key's number << 16 | port), and keep what reaches the bar."""
    groups = group((codes,))
    code, sums = codes[groups.first], groups.sum(sums)
    heavy = np.flatnonzero(sums[:, BYTES] >= bars.bytes[totals.segment_of[code >> 16]])
    return Ports(totals.key[code[heavy] >> 16], code[heavy] & 0xFFFF, sums[heavy])
