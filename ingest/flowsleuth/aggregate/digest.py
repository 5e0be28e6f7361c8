"""The shapes of a digest: what closed windows held, cut down to what can have a point of its own.

Most keys of a busy window are far too small for a series, and a scan makes millions of them. So
rows are grouped once, in pieces that fit the processor's cache, and only those talkers, hosts and
conversations are carried on that reach the bar or have a series already, together with all talkers
of a heavy address. What everything else comes to is known by subtraction from exact totals.

Wherever sums stand, they are int64 (n, 4) with the columns of rows.py: bytes, packets, flows,
syn_only.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.rows import CODE_BITS, PROTOCOLS

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_TABLE = 1 << 20
"""Places up to which a segment is found by table; windows far apart are searched."""

_CODE = (1 << CODE_BITS) - 1


@dataclass(frozen=True, slots=True)
class Totals:
    """Exact sums (n, 4) of n keys (window, network, direction, protocol), in rising order.

    segment_of: int64 (n,), the segment of each; what `traffic` says.
    """

    key: Ints
    sums: Ints
    segment_of: Ints


@dataclass(frozen=True, slots=True)
class Segments:
    """s segments (window, network, direction) in rising order of window, then place.

    place: network index * 4 + direction. so_far: int64 (s, 3), bytes, packets and flows of
    the window, earlier flushes included.
    """

    window: Ints
    place: Ints
    bytes: Ints
    packets: Ints
    flows: Ints
    so_far: Ints

    def find(self, key: Ints) -> Ints:
        """Return the segment of each key, int64 (n,); each key has one."""
        places = int(self.place.max()) + 1
        first = int(self.window.min())
        spots = (self.window - first) * places + self.place
        wanted = ((key >> CODE_BITS) - first) * places + (key & _CODE) // PROTOCOLS
        if int(spots[-1]) > max(_TABLE, 4 * len(key)):
            return np.searchsorted(spots, wanted)
        table = np.zeros(int(spots[-1]) + 1, np.int64)
        table[spots] = np.arange(len(spots))
        return table[wanted]


@dataclass(frozen=True, slots=True)
class Talkers:
    """m talkers that are carried on: key as in Rows, port, address, sums, distinct peers.

    hash: the series' hash; host_hash: the address's within network and direction. heavy: whether
    the address is heavy; hopeful: whether the talker may have a point of its own.
    """

    key: Ints
    port: Ints
    high: Hashes
    low: Hashes
    sums: Ints
    peers: Ints
    fresh: Mask
    hash: Hashes
    host_hash: Hashes
    heavy: Mask
    hopeful: Mask


@dataclass(frozen=True, slots=True)
class Conversations:
    """c conversations that may have a point of their own; hashes as in Talkers."""

    key: Ints
    port: Ints
    high: Hashes
    low: Hashes
    peer_high: Hashes
    peer_low: Hashes
    sums: Ints
    fresh: Mask
    hash: Hashes
    host_hash: Hashes


@dataclass(frozen=True, slots=True)
class Hosts:
    """h addresses that may have a point of their own; key: of any of their talkers."""

    key: Ints
    high: Hashes
    low: Hashes
    sums: Ints
    peers: Ints
    ports: Ints
    fresh: Mask
    hash: Hashes


@dataclass(frozen=True, slots=True)
class Ports:
    """p (key, service port) whose bytes reach the bar: their sums over all addresses."""

    key: Ints
    port: Ints
    sums: Ints


@dataclass(frozen=True, slots=True)
class Digest:
    """All of it."""

    totals: Totals
    segments: Segments
    talkers: Talkers
    conversations: Conversations
    hosts: Hosts
    ports: Ports
