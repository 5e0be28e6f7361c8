"""What reaches this machine's network cards, before any firewall: NetFlow by its own looks.

A packet socket hears what the kernel hears, so it tells silence on the wire from a firewall's, and
an exporter that sends to another port from none at all. It needs CAP_NET_RAW. Linux only.
"""

import socket
import struct
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Self

from flowsleuth.receive.datagrams import address_text
from flowsleuth.receive.steering import SO_ATTACH_FILTER, attach

_ETH_P_ALL: Final = 0x0003
_PACKET_HOST: Final = 0
"""sll_pkttype of linux/if_packet.h: addressed to us; what we send ourselves is heard otherwise."""

_UDP: Final = 17
_KEPT: Final = 128
"""Bytes of each packet: headers, and enough of the payload to know NetFlow."""

_LOAD_BYTE, _SHIFT_RIGHT, _JUMP_IF_EQUAL, _RETURN = 0x30, 0x74, 0x15, 0x06
_ONLY_UDP = [
    (_LOAD_BYTE, 0, 0, 0),
    (_SHIFT_RIGHT, 0, 0, 4),
    (_JUMP_IF_EQUAL, 0, 2, 4),
    (_LOAD_BYTE, 0, 0, 9),  # protocol (RFC 791, 3.1)
    (_JUMP_IF_EQUAL, 2, 3, _UDP),
    (_LOAD_BYTE, 0, 0, 6),  # next header (RFC 8200, 3)
    (_JUMP_IF_EQUAL, 0, 1, _UDP),
    (_RETURN, 0, 0, _KEPT),
    (_RETURN, 0, 0, 0),
]

_POLL_S: Final = 0.1
_BUFFER: Final = 4 * 2**20

FIXED: Final = {1: (16, (48, 52)), 5: (24, (48,)), 7: (24, (52,))}
"""Bytes of header and record of the versions with fixed records; v1's have two forms in the wild
(see decode.layouts)."""
V9_HEADER, IPFIX_HEADER = 20, 16


@dataclass(frozen=True, slots=True)
class Seen:
    """NetFlow of one version from one address to one of our ports."""

    source: str
    port: int
    version: int


def looks_like_netflow(payload: bytes, length: int) -> int:
    """Return the version of a datagram of `length` bytes that begins so, 0 if it is no NetFlow."""
    if len(payload) < 4:
        return 0
    version, second = struct.unpack_from("!HH", payload)
    if version in FIXED:
        header, records = FIXED[version]
        lengths = {header + second * record for record in records}
        return version if 0 < second <= 30 and length in lengths else 0
    if version == 9:
        return version if length > V9_HEADER and 0 < second <= length // 4 else 0
    if version == 10:
        return version if length > IPFIX_HEADER and second == length else 0
    return 0


def parse(packet: bytes) -> Seen | None:
    """Return what an IP packet is, None where it is no NetFlow over UDP or a later fragment."""
    if len(packet) < 28:
        return None
    if packet[0] >> 4 == 4:
        if packet[9] != _UDP or struct.unpack_from("!H", packet, 6)[0] & 0x1FFF:
            return None
        udp, source = (packet[0] & 15) * 4, packet[12:16]
    elif packet[0] >> 4 == 6 and len(packet) >= 48 and packet[6] == _UDP:
        udp, source = 40, packet[8:24]
    else:
        return None
    if len(packet) < udp + 8:
        return None
    port, length = struct.unpack_from("!HH", packet, udp + 2)
    version = looks_like_netflow(packet[udp + 8 :], length - 8)
    return Seen(address_text(source), port, version) if version else None


@dataclass
class Wire:
    """Hears NetFlow while the block runs; `heard` is None where that is not permitted."""

    heard: Counter[Seen] | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Open the socket, if we may."""
        if not sys.platform.startswith("linux"):
            return self
        try:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        except OSError:
            return self
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        attach(sock, SO_ATTACH_FILTER, _ONLY_UDP)
        sock.settimeout(_POLL_S)
        self.heard = Counter()
        self._thread = threading.Thread(target=self._run, args=(sock, self.heard), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, sock: socket.socket, heard: Counter[Seen]) -> None:
        with sock:
            while not self._stop.is_set():
                try:
                    packet, where = sock.recvfrom(_KEPT)
                except TimeoutError:
                    continue
                if where[2] == _PACKET_HOST and (seen := parse(packet)) is not None:
                    heard[seen] += 1
