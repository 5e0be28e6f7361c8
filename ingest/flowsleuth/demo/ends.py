"""Who talks in the demo: every host of the site and outside, as one table of ends.

A flow's two ends are indexes into this table, which says the address in both families and the
network; so networks and addresses of a million flows are one indexing each.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from flowsleuth.demo.world import (
    ANOMALIES,
    CLIENT_SERVICES,
    GREEN,
    NETWORKS,
    OUTSIDE,
    OUTSIDE_V4,
    OUTSIDE_V6,
    Service,
)

Ints = npt.NDArray[np.int64]

LOW_64 = 2**64 - 1
BULK_PEERS, FEW_PEERS, CLIENTS = 8, 3, 30
"""Peers outside of the heavy services, of the others, and clients of the site's own servers: few,
so that the demo needs thousands of series and not the whole budget."""


@dataclass(frozen=True, slots=True)
class Ends:
    """e ends: v4, v6 uint64 (e, 2), high half first; network int64 (e,), OUTSIDE or an index.

    hosts: each network's ends; peers: a service's ends outside; clients: of the site's servers.
    """

    v4: npt.NDArray[np.uint64]
    v6: npt.NDArray[np.uint64]
    network: Ints
    hosts: tuple[Ints, ...]
    peers: dict[Service, Ints]
    clients: Ints

    def number(self, address: str) -> int:
        """Return the end of an IPv4 address of the story."""
        return int(np.flatnonzero(self.v4[:, 1] == int(ip_address(address)))[0])

    def addresses(self, ends: Ints, is_v6: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
        """Return uint64 (n, 2): each end's address in the family of its flow."""
        return np.where(is_v6[:, None], self.v6[ends], self.v4[ends])


def make_ends(rng: np.random.Generator) -> Ends:
    """Give everybody an address."""
    groups: list[tuple[int, list[int], list[int]]] = []
    for number, network in enumerate(NETWORKS):
        fixed = [a.address for a in ANOMALIES] if number == GREEN else []
        v4 = _draw(rng, network.v4, network.hosts - len(fixed))
        v4[4:4] = [int(ip_address(address)) for address in fixed]
        v6 = _draw(rng, network.v6, network.hosts) if network.v6 else [0] * network.hosts
        groups.append((number, v4, v6))
    outside = [s for s in CLIENT_SERVICES if not s.inside]
    sizes = [BULK_PEERS if s.share == 1 else FEW_PEERS for s in outside] + [CLIENTS]
    groups += [
        (OUTSIDE, _draw(rng, OUTSIDE_V4, size), _draw(rng, OUTSIDE_V6, size)) for size in sizes
    ]
    story = sorted({int(ip_address(peer)) for a in ANOMALIES for peer in a.peers})
    groups.append((OUTSIDE, story, [0] * len(story)))

    edges = np.cumsum([0] + [len(v4) for _, v4, _ in groups])
    spans = [np.arange(a, b) for a, b in pairwise(edges)]
    n = len(NETWORKS)
    return Ends(
        v4=_halves([a for _, v4, _ in groups for a in v4]),
        v6=_halves([a for _, _, v6 in groups for a in v6]),
        network=np.repeat([g[0] for g in groups], [len(g[1]) for g in groups]),
        hosts=tuple(spans[:n]),
        peers=dict(zip(outside, spans[n:], strict=False)),
        clients=spans[n + len(outside)],
    )


def _draw(rng: np.random.Generator, prefix: IPv4Network | IPv6Network, n: int) -> list[int]:
    """Return n different addresses of a prefix (of an IPv6 one: within its first /112)."""
    room = min(prefix.num_addresses, 2**16) - 2
    offsets = rng.choice(room, n, replace=False) + 1
    return [int(prefix.network_address) + int(offset) for offset in offsets]


def _halves(addresses: list[int]) -> npt.NDArray[np.uint64]:
    return np.array([(a >> 64, a & LOW_64) for a in addresses], np.uint64)
