"""Datagrams in batches: what every receiver yields and the decoder reads.

A batch is one flat byte buffer with an offset and a length per datagram, so that a receiver can
fill rows of a preallocated array (recvmmsg) or append packets of a file, and the decoder can take
columns from it without copying a datagram. Nothing in this room looks inside a payload.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

NO_RECEIPT = -1
"""`received_ns` of a datagram whose time of receipt nobody recorded (bare datagrams in a file)."""

MAX_SOURCES = 65_536
"""Most (address, UDP port) pairs told apart; a flood of forged ones shares the last place."""

_MAPPED = b"\0" * 10 + b"\xff\xff"


def address_text(address: bytes) -> str:
    """Write an address of 4 or 16 bytes; an IPv4-mapped one (RFC 4291, 2.5.5.2) as IPv4."""
    if len(address) == 16 and address.startswith(_MAPPED):
        address = address[12:]
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a datagram came from: the exporter's address as text ('' if unknown) and UDP port."""

    address: str
    port: int


@dataclass(slots=True)
class Sources:
    """All sources seen so far; a source's index never changes while the process lives.

    The overflow source, which the later ones share once the table is full, is index 0.
    """

    table: list[Source] = field(default_factory=lambda: [Source("other", 0)])
    index: dict[tuple[str, int], int] = field(default_factory=dict)

    def number(self, address: str, port: int) -> int:
        """Return the index of (address, port), adding it when it is new and there is room."""
        known = self.index.get((address, port))
        if known is not None:
            return known
        if len(self.table) >= MAX_SOURCES:
            return 0
        self.index[address, port] = len(self.table)
        self.table.append(Source(address, port))
        return len(self.table) - 1


@dataclass(frozen=True, slots=True)
class Datagrams:
    """A batch of n datagrams in order of receipt.

    data: uint8 (bytes,), the buffer in which they lie; start, length: int64 (n,), bytes;
    source: int32 (n,), index into `sources.table`;
    received_ns: int64 (n,), ns since the epoch, or NO_RECEIPT.
    """

    data: npt.NDArray[np.uint8]
    start: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    source: npt.NDArray[np.int32]
    received_ns: npt.NDArray[np.int64]
    sources: Sources

    def __len__(self) -> int:
        return len(self.start)

    def payload(self, i: int) -> bytes:
        """Return datagram i's bytes."""
        start = int(self.start[i])
        return self.data[start : start + int(self.length[i])].tobytes()

    def take(self, chosen: npt.NDArray[np.int64]) -> "Datagrams":
        """Return the datagrams at these positions, int64 (k,), in the same buffer."""
        return Datagrams(
            self.data,
            self.start[chosen],
            self.length[chosen],
            self.source[chosen],
            self.received_ns[chosen],
            self.sources,
        )

    @classmethod
    def pack(cls, items: Iterable[tuple[bytes, int, int]], sources: Sources) -> "Datagrams":
        """Make a batch of (payload, source index, received_ns) triples."""
        listed = list(items)
        payloads = [item[0] for item in listed]
        length = np.fromiter(map(len, payloads), np.int64, len(listed))
        return cls(
            data=np.frombuffer(b"".join(payloads), np.uint8),
            start=np.cumsum(length) - length,
            length=length,
            source=np.fromiter((item[1] for item in listed), np.int32, len(listed)),
            received_ns=np.fromiter((item[2] for item in listed), np.int64, len(listed)),
            sources=sources,
        )
