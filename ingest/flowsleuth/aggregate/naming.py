"""From numbers to tags: networks, directions, protocols, addresses, exporters and interfaces.

Inside this room everything is an integer column; only what becomes a point gets its text here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.rows import CODE_BITS, DIRECTIONS, PROTOCOLS
from flowsleuth.decode.flows import MAPPED_PREFIX, UNKNOWN_ADDRESS
from flowsleuth.protocols import NAMES as PROTOCOL_NAMES

Ints = npt.NDArray[np.int64]

UNASSIGNED = "unassigned"
OTHER = "other"

_UNKNOWN = (int(UNKNOWN_ADDRESS[0]), int(UNKNOWN_ADDRESS[1]))


@lru_cache(maxsize=1 << 16)
def address_text(high: int, low: int) -> str:
    """Write an address from its halves: dotted, RFC 5952, or `unknown`."""
    if high == 0 and low >> 32 == 0xFFFF:
        a = low - MAPPED_PREFIX
        return f"{a >> 24}.{a >> 16 & 255}.{a >> 8 & 255}.{a & 255}"
    if (high, low) == _UNKNOWN:
        return "unknown"
    return str(IPv6Address(high << 64 | low))


def addresses(high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64]) -> list[str]:
    """Write a column of addresses."""
    return [address_text(h, o) for h, o in zip(high.tolist(), low.tolist(), strict=True)]


@dataclass(frozen=True, slots=True)
class NetworkNames:
    """The networks' names in the order of their indices, and their own labels (site, role).

    The index after the last stands for no network.
    """

    names: Sequence[str]
    labels: Sequence[Mapping[str, str]] = field(default_factory=tuple)

    def scope_hashes(self) -> npt.NDArray[np.uint64]:
        """Hash (name, direction) of each place, the same in every process: uint64 (places,)."""
        return np.array(
            [
                int.from_bytes(blake2b(f"{direction}/{name}".encode(), digest_size=8).digest())
                for name in [*self.names, UNASSIGNED]
                for direction in DIRECTIONS
            ],
            np.uint64,
        )

    def places_of(self, former: "NetworkNames") -> Ints:
        """Return the number that each place of former networks has here: int64 (places,).

        A place is (network, direction), index * 4 + direction; -1 where no network has the name.
        """
        index = {name: i for i, name in enumerate([*self.names, UNASSIGNED])}
        found = [index.get(name, -1) for name in [*former.names, UNASSIGNED]]
        networks = np.repeat(np.array(found, np.int64), len(DIRECTIONS))
        directions = np.tile(np.arange(len(DIRECTIONS)), len(found))
        return np.where(networks < 0, -1, networks * len(DIRECTIONS) + directions)

    def tags(self, key: Ints, *, protocol: bool = True) -> dict[str, list[str]]:
        """Return the columns network, direction, protocol and the networks' labels of keys."""
        codes = key & ((1 << CODE_BITS) - 1)
        places = codes // PROTOCOLS
        network = places >> 2
        names = [*self.names, UNASSIGNED]
        columns = {
            "network": [names[i] for i in network.tolist()],
            "direction": [DIRECTIONS[i] for i in (places & 3).tolist()],
        }
        if protocol:
            columns["protocol"] = [PROTOCOL_NAMES[i] for i in (codes % PROTOCOLS).tolist()]
        for label in sorted({name for labels in self.labels for name in labels}):
            values = [labels.get(label, "") for labels in self.labels] + [""]
            columns[label] = [values[i] for i in network.tolist()]
        return columns


@dataclass(frozen=True, slots=True)
class StreamNames:
    """How streams and interfaces are called; functions, because both are learned on the way.

    exporter: stream index → (exporter, domain, version); interface: (stream index, ifIndex) → name;
    host: address → name or ''; speed: (stream index, ifIndex) → bits/s, 0 where it is not known.
    """

    exporter: Callable[[int], tuple[str, str, str]]
    interface: Callable[[int, int], str]
    host: Callable[[str], str]
    speed: Callable[[int, int], int] = lambda _stream, _if_index: 0
