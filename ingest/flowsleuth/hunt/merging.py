"""One thing that happened is one finding, wherever it shows.

A host that sends shows as what its network sends, as what the peer's network receives, as answers
in the other direction, and in bytes, packets and flows. Those are put together that were at the
same time, of the same protocol and port, and have an end in common. Told is the side of who did it:

- the side that rose in bytes, else the one that rose in packets, else in flows, and rose most;
- but not what a flood's target answers, which may be larger than the flood;
- where sides rose about the same, a flood or a scan before who answers it: more was asked than
  answered;
- and who sends before who receives.
"""

from collections.abc import Iterator, Sequence

from flowsleuth.hunt.findings import Culprit, Kind
from flowsleuth.hunt.totals import Measure

ABOUT_THE_SAME = 1.3
"""Times: bytes that differ by less are those of the same packets."""

ICMP = frozenset({"icmp", "ipv6-icmp"})


def merged(culprits: Sequence[Culprit]) -> Iterator[tuple[Culprit, list[Culprit]]]:
    """Yield each thing that happened: the culprit to tell of it, and all sides of it."""
    groups: list[list[Culprit]] = []
    for one in culprits:
        mine = [group for group in groups if any(is_same(one, other) for other in group)]
        groups = [group for group in groups if all(group is not m for m in mine)]
        groups.append([*(other for group in mine for other in group), one])
    for group in groups:
        yield told(group), group


def is_same(one: Culprit, other: Culprit) -> bool:
    """Return whether two culprits are sides of the same thing."""
    together = min(one.last, other.last) - max(one.first, other.first)
    shorter = min(one.last - one.first, other.last - other.first)
    if 2 * together < shorter:
        return False
    if one.series.protocol != other.series.protocol:
        answers = {one.series.protocol, other.series.protocol} & ICMP
        return bool(answers) and bool(_ends(one) & _ends(other)) and _opposite(one, other)
    if one.port is not None and other.port is not None and one.port != other.port:
        return False
    if one.series.network == other.series.network:
        if (one.inside is None or other.inside is None) and one.port == other.port:
            return True  # a port that many hosts share
        return bool(_ends(one) & _ends(other))
    return bool(_ends(one) & _peers(other) or _ends(other) & _peers(one))


def _opposite(one: Culprit, other: Culprit) -> bool:
    return one.series.direction != other.series.direction


def _ends(one: Culprit) -> set[str]:
    ends = {one.address, one.inside} - {None}
    if one.kind is Kind.OUTBREAK:
        ends |= {part.name for part in one.addresses}
    return {end for end in ends if end is not None}


def _peers(one: Culprit) -> set[str]:
    peers = {part.name for part in one.largest_peers}
    if one.address != one.inside and one.address is not None:
        peers.add(one.address)
    return peers


def told(group: Sequence[Culprit]) -> Culprit:
    """Return the side of it that is told."""
    asked = [one for one in group if not any(_answers(one, other) for other in group)]
    measure = min(one.measure for one in asked)
    sides = [one for one in asked if one.measure == measure]
    most = max(float(one.risen[measure]) for one in sides)
    near = [one for one in sides if one.risen[measure] * ABOUT_THE_SAME >= most]
    return min(near, key=lambda one: (_order(one, measure), one.series))


def _answers(one: Culprit, other: Culprit) -> bool:
    """Return whether one is what a flood's target answers, which looks like a scan by it.

    That may be more bytes than the flood, but not more packets.
    """
    return (
        (one.kind, other.kind) == (Kind.SCAN, Kind.FLOOD)
        and one.inside == other.inside
        and _opposite(one, other)
        and float(one.risen[Measure.PACKETS]) < float(other.risen[Measure.PACKETS])
    )


def _order(one: Culprit, measure: Measure) -> tuple[float, ...]:
    """Return what is told first: who asks has more than who answers, and who sends comes first."""
    if one.kind in (Kind.FLOOD, Kind.SCAN):
        return 0, -float(one.risen[measure]), -float(one.risen[Measure.BYTES])
    return 1, one.series.direction == "in", one.kind is Kind.OUTBREAK, -float(one.risen[measure])
