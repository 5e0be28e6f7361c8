"""What sort of thing a culprit is: told by how its change spreads over peers, ports and hosts.

| kind | direction | what carries the change | spread over |
|---|---|---|---|
| `scan` | out | one address, in small packets | many peers or ports |
| `scan` | in | one peer, in small packets | many addresses or ports |
| `flood` | in | one address | many peers, none of which carries half |
| `host` | any | one address otherwise | |
| `outbreak` | any | one port | several addresses |

`internal` and `transit` have the source as their address, as the points have it: they are `out`
here, but for a peer that many of the network's own hosts send to, which is a `flood`. Many of our
hosts that send to one target outside are an `outbreak`: they are ours to be mended.
"""

from collections.abc import Sequence

import numpy as np

from flowsleuth.hunt.evidence import OTHER, OTHER_PORT, Contributor, Evidence, Level
from flowsleuth.hunt.explain import NEARLY, Blamed, Rise
from flowsleuth.hunt.findings import Culprit, Kind, Part
from flowsleuth.hunt.totals import Ints, Measure

MANY = 16
"""Distinct peers, ports or addresses in a window."""

MORE = 2.0
"""How many times more of them than usual there must be."""

HALF = 0.5

SMALL_PACKET = 300
"""Bytes: probes and their answers are below it, also those that carry a question over UDP."""

LISTED = 16
"""Addresses and peers that are named."""

PART_LISTED = 0.01
"""Of the change: less is not named, since InfluxDB has no series of it."""


def culprit(evidence: Evidence, rise: Rise, blamed: Blamed) -> Culprit:
    """Return what a contributor that carried a rise is."""
    about = _About(evidence, rise, blamed)
    kind, address, port = about.kind()
    one, rows = blamed.one, blamed.rows
    return Culprit(
        series=rise.series,
        measure=rise.measure,
        kind=kind,
        address=address,
        port=port,
        first=blamed.first,
        last=blamed.last,
        counts=one.counts[:, rows].sum(axis=1),
        risen=blamed.risen,
        change=blamed.change,
        share=blamed.share,
        inside=one.address,
        peers=int(one.peers[rows].max(initial=0)),
        ports=int(one.others[rows].max(initial=0)) if blamed.level is Level.ADDRESS else 0,
        addresses=about.addresses,
        largest_peers=about.peers,
    )


class _About:
    """What is known of who carried a rise, in its own windows."""

    def __init__(self, evidence: Evidence, rise: Rise, blamed: Blamed) -> None:
        self._rise, self._blamed = rise, blamed
        one = blamed.one
        self._counts = one.counts[:, blamed.rows].sum(axis=1)
        self._whole = max(int(self._counts[rise.measure]), 1)
        span = (rise.series, blamed.first, blamed.last)
        level = Level.PAIR if one.port is not None else Level.ENDS
        pairs = evidence.contributors(level, *span, address=one.address, port=one.port)
        if one.peer is not None:
            pairs = [pair for pair in pairs if pair.peer == one.peer]
        # Of a port that is scanned from outside no pair is large, but the source is, over all.
        crowd = evidence.contributors(Level.PEER, *span) if blamed.level is Level.PORT else []
        peers = max(pairs, crowd, key=self._largest)
        self.peers = self._parts([each.peer for each in peers], peers)
        talkers: Sequence[Contributor] = pairs
        if one.peer is None:
            talkers = evidence.contributors(Level.TALKER, *span, address=one.address, port=one.port)
        # Of an address or a port its talkers tell what is small, of a talker or a peer its pairs.
        self._found = pairs if blamed.level in (Level.TALKER, Level.PEER) else talkers
        self.addresses = self._parts([each.address for each in talkers], talkers)
        self._ports = self._parts([str(each.port) for each in talkers], talkers)

    def _largest(self, found: Sequence[Contributor]) -> int:
        return max((int(each.of(self._rise.measure).sum()) for each in found), default=0)

    def _parts(self, names: Sequence[str | None], found: Sequence[Contributor]) -> tuple[Part, ...]:
        """Add up by name: the largest first, of those that are worth a name."""
        sums: dict[str, Ints] = {}
        for name, one in zip(names, found, strict=True):
            if name is not None and name not in (OTHER, str(OTHER_PORT)):
                sums[name] = sums.get(name, np.zeros(3, np.int64)) + one.counts.sum(axis=1)
        parts = [
            Part(name, int(counts[Measure.BYTES]), int(counts[self._rise.measure]) / self._whole)
            for name, counts in sums.items()
        ]
        parts.sort(key=lambda part: (-part.share, part.name))
        return tuple(part for part in parts[:LISTED] if part.share >= PART_LISTED)

    def kind(self) -> tuple[Kind, str | None, int | None]:
        """Return kind, address and port."""
        level, one = self._blamed.level, self._blamed.one
        into = self._rise.series.direction == "in"
        if level is Level.PORT:
            return self._of_port(into=into)
        if level is Level.PEER:
            port = int(self._ports[0].name) if self._single(self._ports) else None
            kind = Kind.FLOOD if not into else Kind.SCAN if self._small() else Kind.HOST
            return kind, one.peer, port
        if into:
            if self._many(one.peers) and not self._single(self.peers, HALF):
                return Kind.FLOOD, one.address, one.port
            if level is Level.ADDRESS and self._many(one.others) and self._small():
                source = self.peers[0].name if self._single(self.peers) else one.address
                return Kind.SCAN, source, None
            return Kind.HOST, one.address, one.port
        spread = self._many(one.peers) and not self._single(self.peers, HALF)
        if level is Level.ADDRESS:
            spread = spread or self._many(one.others)
        return Kind.SCAN if spread and self._small() else Kind.HOST, one.address, one.port

    def _of_port(self, *, into: bool) -> tuple[Kind, str | None, int | None]:
        port = self._blamed.one.port
        if self._single(self.peers):
            peer = self.peers[0].name
            if into and self._small():
                return Kind.SCAN, peer, port
            if self._rise.series.direction in {"internal", "transit"}:
                return Kind.FLOOD, peer, port
        return Kind.OUTBREAK, None, port

    def _single(self, parts: tuple[Part, ...], share: float = NEARLY) -> bool:
        """Return whether the largest carries so much."""
        return bool(parts) and parts[0].share >= share

    def _many(self, others: Ints) -> bool:
        """Return whether there are many, and more than usual."""
        blamed = self._blamed
        outside = np.delete(others, np.arange(blamed.rows.start, blamed.rows.stop))
        usual = float(np.median(outside)) if len(outside) else 0.0
        most = int(others[blamed.rows].max(initial=0))
        return most >= MANY and most >= MORE * usual

    def _small(self) -> bool:
        """Return whether it is packets as small as probes, once what is no probe is left out."""
        rest = self._counts - sum(
            (each.counts.sum(axis=1) for each in self._found if not _is_small(each)),
            start=np.zeros(3, np.int64),
        )
        probes = 2 * int(rest[Measure.FLOWS]) >= int(self._counts[Measure.FLOWS])
        return probes and int(rest[0]) <= SMALL_PACKET * max(int(rest[1]), 1)


def _is_small(one: Contributor) -> bool:
    octets, packets = int(one.of(Measure.BYTES).sum()), int(one.of(Measure.PACKETS).sum())
    return octets <= SMALL_PACKET * max(packets, 1)
