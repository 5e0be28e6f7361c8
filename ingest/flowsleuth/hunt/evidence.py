"""What the hunt asks for: totals, and who carried them. Captures and InfluxDB both answer.

Questions are by level of detail, from coarse to fine. An answer is per window, so that whoever
asks can tell when it began, and what was usual before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from flowsleuth.baseline.normal import Series
from flowsleuth.hunt.totals import Ints, Measure, Totals


class Level(Enum):
    """By what a series' traffic is divided: the names of what tells one contributor from another.

    `address` is the end inside the network, `peer` the other one, `port` the service port.
    """

    ADDRESS = ("address",)
    PORT = ("port",)
    TALKER = ("address", "port")
    PEER = ("peer",)
    ENDS = ("address", "peer")
    PAIR = ("address", "port", "peer")


OTHER, OTHER_PORT = "other", -1
"""Address and port of what InfluxDB has folded; nobody is called so."""

CROWD = 8
"""A peer is a contributor of its own when it has so many addresses in a window: below, its talkers
say it all."""

MOST = 64
"""Contributors of one answer: the largest by bytes and the largest by flows."""


@dataclass(frozen=True, slots=True)
class Contributor:
    """One part of a series, in w windows.

    address, port, peer: those that its level names, else None. counts: int64 (3, w), in the order
    of `Measure`. others: int64 (w,), how many distinct ones of the next finer kind it had in a
    window: peers of a talker, ports of an address, addresses of a port or a peer; 0 where nobody
    counted. peers: int64 (w,), distinct peers of an address or a talker.
    """

    address: str | None
    port: int | None
    peer: str | None
    counts: Ints
    others: Ints
    peers: Ints

    def of(self, measure: Measure) -> Ints:
        """Return its windows, int64 (w,)."""
        counts: Ints = self.counts[measure]
        return counts


@dataclass(frozen=True, slots=True)
class Sighting:
    """A talker over a long time: n windows in rising order, counts int64 (3, n)."""

    series: Series
    address: str
    port: int
    windows: Ints
    counts: Ints


class Evidence(Protocol):
    """Where the hunt looks. Windows are numbers, as in `Totals`; ranges are [first, last)."""

    @property
    def totals(self) -> Totals:
        """The exact totals."""

    def contributors(
        self,
        level: Level,
        series: Series,
        first: int,
        last: int,
        *,
        address: str | None = None,
        port: int | None = None,
    ) -> list[Contributor]:
        """Return a series' largest contributors, of this address and this port if given."""

    def seen(
        self,
        series: Series,
        first: int,
        last: int,
        *,
        address: str | None = None,
        port: int | None = None,
        least: float = 0.0,
        measure: Measure = Measure.BYTES,
    ) -> list[Sighting]:
        """Return when talkers had at least so much in a window, over a long time.

        Of a port: in any network, in this direction and protocol. Of an address: in this network.
        """


def ranked(found: Sequence[Contributor], most: int = MOST) -> list[Contributor]:
    """Return the largest by bytes and by flows, the largest first."""
    chosen: dict[int, Contributor] = {}
    for measure in (Measure.BYTES, Measure.FLOWS):
        largest = sorted(found, key=lambda one: -int(one.of(measure).sum()))[: most // 2]
        chosen |= {id(one): one for one in largest}
    return list(chosen.values())
