"""What the hunt finds: one thing that happened, and all that is told about it."""

from dataclasses import dataclass, field
from enum import StrEnum

from flowsleuth.baseline.normal import Series
from flowsleuth.hunt.totals import Floats, Ints, Measure


class Kind(StrEnum):
    """What sort of thing it is."""

    HOST = "host"
    OUTBREAK = "outbreak"
    FLOOD = "flood"
    SCAN = "scan"


MEANING = {
    Kind.HOST: "one talker",
    Kind.OUTBREAK: "one port, many hosts",
    Kind.FLOOD: "one target, many sources",
    Kind.SCAN: "one source, many targets or ports",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One of several that carried something: a name, its bytes, and its share of the change."""

    name: str
    bytes: int
    share: float


@dataclass(frozen=True, slots=True)
class Earlier:
    """When the same port or the same address did so before: [first, last) in windows."""

    first: int
    last: int
    network: str
    address: str
    port: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Culprit:
    """Who carried a change, in windows [first, last).

    address is None for an outbreak, port where there is none in particular. counts: int64 (3,), its
    own sums. share: its part of the change of `series` in `measure`. inside: the end in the network
    (None if there are many). peers: distinct ones in a window at most. risen: float64 (3,), what it
    had above what is usual for it.
    """

    series: Series
    measure: Measure
    kind: Kind
    address: str | None
    port: int | None
    first: int
    last: int
    counts: Ints
    risen: Floats
    change: float
    share: float
    inside: str | None
    peers: int
    ports: int
    addresses: tuple[Part, ...] = ()
    largest_peers: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A culprit with what belongs to it.

    bytes, expected_bytes: of its network, direction and protocol from first to last. also: where
    the same thing was seen as well (the other direction, the peer's network).
    """

    culprit: Culprit
    bytes: int
    expected_bytes: int
    earlier: tuple[Earlier, ...] = ()
    also: tuple[Series, ...] = ()
    drill: tuple["Layer", ...] = field(default=())
    graph: "Graph | None" = None


@dataclass(frozen=True, slots=True)
class Layer:
    """One step of the drill-down: what the traffic was divided by, and its largest parts."""

    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """A series around a finding: the first window shown, and counts and expected of each."""

    first: int
    counts: Ints
    expected: Ints
    culprit: Ints
