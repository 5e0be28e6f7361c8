"""Which keys get points of their own, and where all others go, so that sums stay exact.

Of each window, network and direction the first by bytes, by packets and by peers are kept if the
budget admits them. All other talkers fold, step by step, into `port=other` of their address (while
the address is heavy), `address=other` with their port (while the port is heavy), and at last into
`address=other, port=other`. Each step is what the exact total leaves after the steps before it, so
the sum of all is the traffic, whatever was kept.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.budget import SeriesBudget
from flowsleuth.aggregate.digest import Digest, Segments
from flowsleuth.aggregate.grouping import first_within, group, hash_more, sums_by
from flowsleuth.aggregate.rows import BYTES, CODE_BITS, FLOWS, PACKETS, PROTOCOLS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

OTHER_PORT = -1
"""`port` of what is folded over all ports."""

NO_PEERS = -1
"""`peers` of what is folded: nobody counted the distinct ones."""

_CODE = (1 << CODE_BITS) - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """How many are kept by each measure, and the share of its network that makes an end heavy."""

    by_bytes: int = 20
    by_packets: int = 20
    by_peers: int = 20
    share: float = 0.01


@dataclass(frozen=True, slots=True)
class TalkerPoints:
    """p talkers' points: key, port (or OTHER_PORT), address halves, whether it is `other`, sums.

    peers: distinct ones, or NO_PEERS.
    """

    key: Ints
    port: Ints
    high: Hashes
    low: Hashes
    other: Mask
    sums: Ints
    peers: Ints


class Folder:
    """Chooses points. scope_hash: uint64 (places,), a stable hash of (network, direction)."""

    def __init__(
        self, limits: Limits, budget: SeriesBudget, scope_hash: Hashes, window_ns: int
    ) -> None:
        self.limits = limits
        self.budget = budget
        self.scope_hash = scope_hash
        self.window_ns = window_ns

    def talkers(self, digest: Digest) -> tuple[TalkerPoints, Ints]:
        """Choose and fold; also returns which of the digest's talkers were kept, int64 (k,)."""
        t = digest.talkers
        kept = self._kept(digest)
        taken = np.zeros(len(t.key), bool)
        taken[kept] = True
        parts = [
            _points(
                t.key[kept],
                t.port[kept],
                t.high[kept],
                t.low[kept],
                t.sums[kept],
                t.peers[kept],
            )
        ]
        self._fold_to_address(digest, taken, parts)
        self._fold_to_port(digest, taken, parts)
        self._fold_rest(digest, parts)
        return _joined(parts), kept

    def conversations(self, digest: Digest) -> Ints:
        """Return the indices of the conversations that get a point."""
        c = digest.conversations
        segment = digest.segments.find(c.key)
        n = len(digest.segments.window)
        chosen = first_within(segment, c.sums[:, BYTES], self.limits.by_bytes, n)
        shares = _share(c.sums[:, BYTES][chosen], digest.segments.so_far[segment[chosen], BYTES])
        return chosen[
            self._admit("conversations", c.hash[chosen], shares, c.key[chosen], c.host_hash[chosen])
        ]

    def hosts(self, digest: Digest) -> Ints:
        """Return the indices of the hosts that get a point."""
        h = digest.hosts
        segment = digest.segments.find(h.key)
        chosen = self._largest(digest.segments, segment, h.sums, h.peers)
        shares = _largest_share(digest.segments, segment[chosen], h.sums[chosen], h.peers[chosen])
        return chosen[self._admit("hosts", h.hash[chosen], shares, h.key[chosen], h.hash[chosen])]

    def _kept(self, digest: Digest) -> Ints:
        t = digest.talkers
        hopeful = np.flatnonzero(t.hopeful)
        segment = digest.segments.find(t.key[hopeful])
        chosen = self._largest(digest.segments, segment, t.sums[hopeful], t.peers[hopeful])
        of, at = segment[chosen], hopeful[chosen]
        # One long record must not become a point in each of 1500 windows that it touches lightly.
        by_bytes = _share(t.sums[:, BYTES][at], digest.segments.so_far[of, BYTES])
        worth = t.fresh[at] | (by_bytes >= self.limits.share)
        of, at = of[worth], at[worth]
        shares = _largest_share(digest.segments, of, t.sums[at], t.peers[at])
        return at[self._admit("talkers", t.hash[at], shares, t.key[at], t.host_hash[at])]

    def _largest(self, segments: Segments, segment: Ints, sums: Ints, peers: Ints) -> Ints:
        """Return the rows that are among the first of their segment by any measure.

        One peer distinguishes nobody: by peers only those with two or more are ranked.
        """
        limits, n = self.limits, len(segments.window)
        several = np.where(peers > 1, peers, 0)
        return np.unique(
            np.concatenate(
                (
                    first_within(segment, sums[:, BYTES], limits.by_bytes, n),
                    first_within(segment, sums[:, PACKETS], limits.by_packets, n),
                    first_within(segment, several, limits.by_peers, n),
                )
            )
        )

    def _fold_to_address(self, digest: Digest, taken: Mask, parts: list[TalkerPoints]) -> None:
        """Fold what is left of heavy addresses into their `port=other`; marks it as taken."""
        t = digest.talkers
        at = np.flatnonzero(t.heavy & ~taken)
        if not len(at):
            return
        groups = group((t.key[at], t.high[at], t.low[at]))
        first = at[groups.first]
        sums = groups.sum(t.sums[at])
        all_of_it = _sum_by_host(digest, first)
        segment = digest.segments.find(t.key[first])
        shares = _share(all_of_it, digest.segments.so_far[segment, BYTES])
        protocol = (t.key[first] & _CODE) % PROTOCOLS
        keys = hash_more(t.host_hash[first], protocol)
        admitted = self._admit("address_other", keys, shares, t.key[first])
        taken[at[admitted[groups.numbers()]]] = True
        chosen = first[admitted]
        n = len(chosen)
        parts.append(
            _points(
                t.key[chosen],
                np.full(n, OTHER_PORT),
                t.high[chosen],
                t.low[chosen],
                sums[admitted],
                np.full(n, NO_PEERS),
            )
        )

    def _fold_to_port(self, digest: Digest, taken: Mask, parts: list[TalkerPoints]) -> None:
        """Fold what is left of heavy ports into `address=other` with the port."""
        p, t = digest.ports, digest.talkers
        at = np.flatnonzero(taken)
        left = p.sums - _matched(p.key, p.port, t.key[at], t.port[at], t.sums[at])
        used = np.flatnonzero(left.any(axis=1))
        key, port = p.key[used], p.port[used]
        segment = digest.segments.find(key)
        shares = _share(p.sums[:, BYTES][used], digest.segments.so_far[segment, BYTES])
        keys = hash_more(self._scope(key), port)
        chosen = self._admit("port_other", keys, shares, key)
        n = int(np.count_nonzero(chosen))
        none = np.zeros(n, np.uint64)
        parts.append(
            _points(
                key[chosen],
                port[chosen],
                none,
                none,
                left[used[chosen]],
                np.full(n, NO_PEERS),
                other=True,
            )
        )

    def _fold_rest(self, digest: Digest, parts: list[TalkerPoints]) -> None:
        """Whatever the steps before have not taken of the exact totals."""
        so_far = _joined(parts)
        totals = digest.totals
        place = np.searchsorted(totals.key, so_far.key)
        left = totals.sums - sums_by(place, so_far.sums, len(totals.key))
        used = np.flatnonzero(left.any(axis=1))
        key, n = totals.key[used], len(used)
        self.budget.force_rest(self._scope(key), self._times(key))
        none = np.zeros(n, np.uint64)
        parts.append(
            _points(
                key,
                np.full(n, OTHER_PORT),
                none,
                none,
                left[used],
                np.full(n, NO_PEERS),
                other=True,
            )
        )

    def _scope(self, key: Ints) -> Hashes:
        """Hash (network, direction, protocol)."""
        code = key & _CODE
        return hash_more(self.scope_hash[code // PROTOCOLS], code % PROTOCOLS)

    def _times(self, key: Ints) -> Ints:
        return (key >> CODE_BITS) * self.window_ns

    def _admit(
        self, pool: str, keys: Hashes, shares: Floats, key: Ints, hosts: Hashes | None = None
    ) -> Mask:
        return self.budget.pools[pool].admit(keys, shares, self._times(key), hosts)


def _points(
    key: Ints,
    port: Ints,
    high: Hashes,
    low: Hashes,
    sums: Ints,
    peers: Ints,
    *,
    other: bool = False,
) -> TalkerPoints:
    return TalkerPoints(key, port, high, low, np.full(len(key), other), sums, peers)


def _joined(parts: list[TalkerPoints]) -> TalkerPoints:
    def column(name: str) -> npt.NDArray[np.int64]:
        return np.concatenate([getattr(part, name) for part in parts])

    return TalkerPoints(
        column("key"),
        column("port"),
        column("high").view(np.uint64),
        column("low").view(np.uint64),
        column("other").astype(bool),
        column("sums"),
        column("peers"),
    )


def _sum_by_host(digest: Digest, first: Ints) -> Ints:
    """Bytes of the whole address (all protocols) of the talkers `first`."""
    t = digest.talkers
    segment = digest.segments.find(t.key)
    groups = group((segment, t.high, t.low))
    return groups.sum(t.sums[:, BYTES])[groups.numbers()[first]]


def _matched(key: Ints, port: Ints, of_key: Ints, of_port: Ints, sums: Ints) -> Ints:
    """For each (key, port), distinct, the sum of those of (of_key, of_port) that equal it."""
    n = len(key)
    groups = group((np.concatenate((key, of_key)), np.concatenate((port, of_port))))
    numbers = groups.numbers()
    return sums_by(numbers[n:], sums, len(groups.starts))[numbers[:n]]


def _largest_share(segments: Segments, segment: Ints, sums: Ints, peers: Ints) -> Floats:
    """Return the largest of a key's shares: of bytes, of packets, of peers among flows."""
    shares: Floats = np.maximum.reduce(
        [
            _share(sums[:, BYTES], segments.so_far[segment, BYTES]),
            _share(sums[:, PACKETS], segments.so_far[segment, PACKETS]),
            np.where(peers > 1, _share(peers, segments.so_far[segment, FLOWS]), 0.0),
        ]
    )
    return shares


def _share(part: Ints, whole: Ints) -> Floats:
    shares: Floats = part / np.maximum(whole, 1)
    return shares
