"""Records that carry the beginning of a packet instead of its addresses, made ordinary ones.

Some routers export a sample as ipHeaderPacketSection (313) or dataLinkFrameSection (315) and leave
the reading to the collector (Cisco IMON, SRv6; RFC 7133). Such a block is laid out anew: behind its
own fields stand those that the packet tells, the innermost where packets are tunnelled, and from
there on it is read like any other. Samples are one packet in thousands, so each is read alone.
"""

from dataclasses import replace
from struct import Struct

import numpy as np

from flowsleuth.decode.blocks import RecordBlock
from flowsleuth.decode.elements import BY_NAME
from flowsleuth.decode.layouts import FieldSpec, Layout

_FRAME, _PACKET = "dataLinkFrameSection", "ipHeaderPacketSection"
_TOLD = (
    ("sourceIPv4Address", 4),
    ("destinationIPv4Address", 4),
    ("sourceIPv6Address", 16),
    ("destinationIPv6Address", 16),
    ("protocolIdentifier", 1),
    ("ipClassOfService", 1),
    ("ipTTL", 1),
    ("tcpControlBits", 1),
    ("fragmentIdentification", 2),
    ("sourceTransportPort", 2),
    ("destinationTransportPort", 2),
    ("octetDeltaCount", 4),
    ("packetDeltaCount", 4),
)
_FIELDS = tuple(FieldSpec(BY_NAME[name].number, 0, length) for name, length in _TOLD)
_RECORD = Struct(">4s4s16s16sBBBBHHHLL")
_ADDRESSES = tuple(name for name, _ in _TOLD[:4])

_IPV4, _IPV6, _VLAN = 0x0800, 0x86DD, frozenset({0x8100, 0x88A8})
_TCP, _UDP, _SCTP = 6, 17, 132
_IN_IP = {4: 4, 41: 6}
"""Protocol numbers of IP in IP (RFC 2003, RFC 2473) → version of the packet inside."""

_EXTENSIONS = frozenset({0, 43, 60})
"""IPv6 headers to pass by: hop-by-hop, routing (SRv6's), destination options (RFC 8200, 4)."""

_MOST_HEADERS = 8
_PORTS = Struct(">HH")
_NO_ADDRESS = bytes(16)


def with_packets_read(block: RecordBlock) -> list[RecordBlock]:
    """Return the block, or instead the records whose packet could be read, and the others."""
    layout = block.layout
    field = next((f for f in map(layout.find, (_FRAME, _PACKET)) if f is not None), None)
    if field is None or any(layout.find(name) is not None for name in _ADDRESSES):
        return [block]
    read = _read_frame if layout.find(_FRAME) == field else _read_packet
    told = [read(section) for section in block.octets(field)]
    legible = np.array([t is not None for t in told], bool)
    parts = [block.select(~legible), block.select(legible)]
    own = parts[1].rows.view(np.uint8).reshape(-1, layout.dtype.itemsize)[:, : layout.size]
    added = np.frombuffer(b"".join(t for t in told if t is not None), np.uint8)
    packed = np.concatenate([own, added.reshape(len(own), _RECORD.size)], axis=1)
    wider = Layout(layout.fields + _FIELDS)
    parts[1] = replace(parts[1], layout=wider, rows=packed.reshape(-1).view(wider.dtype))
    return [part for part in parts if len(part)]


def _read_frame(frame: bytes) -> bytes | None:
    """Read an Ethernet frame, VLAN tags allowed, as a record of _FIELDS; None without IP in it."""
    at = 12
    kind = int.from_bytes(frame[at : at + 2], "big")
    while kind in _VLAN:
        at += 4
        kind = int.from_bytes(frame[at : at + 2], "big")
    return _read_packet(frame[at + 2 :]) if kind in {_IPV4, _IPV6} else None


def _read_packet(packet: bytes) -> bytes | None:
    """Read an IP packet as a record of _FIELDS; None where it is cut in its IP header."""
    told: bytes | None = None
    for _ in range(_MOST_HEADERS):
        version = packet[0] >> 4 if packet else 0
        if version == 4 and len(packet) >= 20:
            protocol, inner = packet[9], packet[(packet[0] & 0xF) * 4 :]
            told = _record(packet, (packet[12:16], packet[16:20], 4), protocol, inner)
        elif version == 6 and len(packet) >= 40:
            protocol, inner = _past_extensions(packet[6], packet[40:])
            told = _record(packet, (packet[8:24], packet[24:40], 6), protocol, inner)
        else:
            break
        if protocol not in _IN_IP or not inner or inner[0] >> 4 != _IN_IP[protocol]:
            break
        packet = inner
    return told


def _past_extensions(header: int, rest: bytes) -> tuple[int, bytes]:
    while header in _EXTENSIONS and len(rest) >= 2:
        header, rest = rest[0], rest[8 + 8 * rest[1] :]
    return header, rest


def _record(packet: bytes, ends: tuple[bytes, bytes, int], protocol: int, inner: bytes) -> bytes:
    source, target, version = ends
    ports = protocol in {_TCP, _UDP, _SCTP} and len(inner) >= 4
    source_port, target_port = _PORTS.unpack_from(inner) if ports else (0, 0)
    flags = inner[13] if protocol == _TCP and len(inner) > 13 else 0
    if version == 4:
        addresses = (source, target, _NO_ADDRESS, _NO_ADDRESS)
        tos, ttl, length = packet[1], packet[8], int.from_bytes(packet[2:4], "big")
        fragment = int.from_bytes(packet[4:6], "big")
    else:
        addresses = (_NO_ADDRESS[:4], _NO_ADDRESS[:4], source, target)
        tos = int.from_bytes(packet[:2], "big") >> 4 & 0xFF
        ttl, length, fragment = packet[7], 40 + int.from_bytes(packet[4:6], "big"), 0
    told = (protocol, tos, ttl, flags, fragment, source_port, target_port, length, 1)
    return _RECORD.pack(*addresses, *told)
