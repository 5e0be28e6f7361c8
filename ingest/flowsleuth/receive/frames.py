"""From a captured frame to the UDP datagram in it: link layer, IPv4 and IPv6, fragments.

dpkt parses each layer into an object, down to TCP options, and raises a variety of errors on odd
bytes; all that is needed here is where IP begins and five fields of it, which is some 40 times
cheaper. A link layer is one function in LINK_LAYERS, from frame to (EtherType, offset of what
follows); tags (VLAN, QinQ, MPLS, PPPoE) are then taken off one after another. What is no UDP, or
too short to say, is counted and left: nothing in a frame raises.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from dpkt import ethernet, ip, pcap

from flowsleuth.receive.fragments import Fragments

Layer = tuple[int, int]
"""EtherType of what follows, and the offset at which it begins."""

Udp = tuple[bytes, int, bytes]
"""Source address (4 or 16 bytes), source port, payload."""

_u16 = struct.Struct(">H").unpack_from
_ipv4 = struct.Struct(">BxHHHxBxx4s4s").unpack_from
_ipv6 = struct.Struct(">BxxxHBx16s16s").unpack_from
_udp = struct.Struct(">HxxH").unpack_from

_IP, _IP6 = ethernet.ETH_TYPE_IP, ethernet.ETH_TYPE_IP6
_TAGS = frozenset({0x8100, 0x88A8, 0x9100, 0x9200, 0x9300})
"""IEEE 802.1Q and 802.1ad, and what was used for QinQ before it."""
_MPLS = frozenset({ethernet.ETH_TYPE_MPLS, ethernet.ETH_TYPE_MPLS_MCAST})
_PPPOE = ethernet.ETH_TYPE_PPPoE
_NOTHING: Layer = (0, 0)

_PPP_PROTOCOLS = {0x0021: _IP, 0x0057: _IP6}
"""RFC 1332 and RFC 5072."""

_FAMILIES = {2: _IP, 10: _IP6, 24: _IP6, 28: _IP6, 30: _IP6}
"""AF_INET, and AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS."""


def _by_version(frame: bytes, at: int = 0) -> Layer:
    """Tell IPv4 from IPv6 by the first four bits."""
    version = frame[at] >> 4
    return (_IP if version == 4 else _IP6 if version == 6 else 0), at


def _ethernet(frame: bytes) -> Layer:
    kind = _u16(frame, 12)[0]
    # IEEE 802.3: a length, then LLC; with SNAP the EtherType follows (RFC 1042).
    if kind < 0x0600 and frame[14:20] == b"\xaa\xaa\x03\0\0\0":
        return _u16(frame, 20)[0], 22
    return kind, 14


def _loopback(frame: bytes) -> Layer:
    """Read the address family, in the byte order of whoever captured (NULL) or the network's."""
    family = int.from_bytes(frame[:4])
    return _FAMILIES.get(family) or _FAMILIES.get(int.from_bytes(frame[:4], "little"), 0), 4


def _ppp(frame: bytes, at: int = 0) -> Layer:
    if frame[at : at + 2] == b"\xff\x03":
        at += 2
    return _PPP_PROTOCOLS.get(_u16(frame, at)[0], 0), at + 2


LINK_LAYERS: dict[int, Callable[[bytes], Layer]] = {
    pcap.DLT_NULL: _loopback,
    108: _loopback,
    pcap.DLT_EN10MB: _ethernet,
    pcap.DLT_PPP: _ppp,
    pcap.DLT_PPP_SERIAL: _ppp,
    12: _by_version,
    14: _by_version,
    101: _by_version,
    pcap.DLT_IPV4: _by_version,
    pcap.DLT_IPV6: _by_version,
    pcap.DLT_C_HDLC: lambda frame: (_u16(frame, 2)[0], 4),
    pcap.DLT_LINUX_SLL: lambda frame: (_u16(frame, 14)[0], 16),
    pcap.DLT_LINUX_SLL2: lambda frame: (_u16(frame, 0)[0], 20),
}
"""By LINKTYPE (tcpdump.org/linktypes.html). Raw IP has three numbers, one a system; dpkt's names
for it and for LOOP mean other numbers on OpenBSD, so they stand here as numbers."""


def _untagged(frame: bytes, kind: int, at: int) -> Layer:
    """Take off VLAN tags, MPLS labels and PPPoE until IP or something else begins."""
    while True:
        if kind in _TAGS:
            kind, at = _u16(frame, at + 2)[0], at + 4
        elif kind in _MPLS:
            while not frame[at + 2] & 1:
                at += 4
            kind, at = _by_version(frame, at + 4)
        elif kind == _PPPOE:
            kind, at = _ppp(frame, at + 6)
        else:
            return kind, at


@dataclass(slots=True)
class Tally:
    """What became of the packets of captures (and of the datagrams of bare files).

    packets: read from captures. datagrams: passed on. cut: of these, shorter than they were sent,
    by a snap length. not_udp: anything else, or broken headers. fragments_lost: datagrams whose
    fragments are not all there. unknown_link: packets of a link layer that is not read.
    """

    packets: int = 0
    datagrams: int = 0
    cut: int = 0
    not_udp: int = 0
    fragments_lost: int = 0
    unknown_link: int = 0


class Frames:
    """Takes the frames of one file in order and gives the UDP datagrams in them."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._fragments = Fragments()

    def datagram(self, time_ns: int, link_type: int, frame: bytes) -> Udp | None:
        """Return the datagram that this frame holds or completes."""
        self.tally.packets += 1
        layer = LINK_LAYERS.get(link_type)
        if layer is None:
            self.tally.unknown_link += 1
            return None
        try:
            kind, at = layer(frame)
            if kind != _IP and kind != _IP6:  # noqa: PLR1714 a set would cost more, per packet
                kind, at = _untagged(frame, kind, at)
            if kind == _IP:
                return self._of_ipv4(time_ns, frame, at)
            if kind == _IP6:
                return self._of_ipv6(time_ns, frame, at)
        except (struct.error, IndexError):
            pass
        self.tally.not_udp += 1
        return None

    def finish(self) -> None:
        """Count what is left of fragments at the end of the file."""
        self._fragments.finish()
        self.tally.fragments_lost += self._fragments.lost
        self._fragments.lost = 0

    def _of_ipv4(self, time_ns: int, frame: bytes, at: int) -> Udp | None:
        first, total, number, flags, protocol, source, destination = _ipv4(frame, at)
        header = (first & 15) * 4
        if first >> 4 != 4 or header < 20 or protocol != ip.IP_PROTO_UDP:
            self.tally.not_udp += 1
            return None
        # A total length of 0 is segmentation offload: the capture has it before the card did it.
        segment = frame[at + header : at + total if total else None]
        if flags & 0x3FFF:
            key = (source, destination, number, protocol)
            more = bool(flags & 0x2000)
            whole = self._fragments.add(key, (flags & 0x1FFF) * 8, more, segment, time_ns)
            if whole is None:
                return None
            segment = whole
        return self._of_udp(source, segment)

    def _of_ipv6(self, time_ns: int, frame: bytes, at: int) -> Udp | None:
        first, length, following, source, destination = _ipv6(frame, at)
        if first >> 4 != 6:
            self.tally.not_udp += 1
            return None
        rest = frame[at + 40 : at + 40 + length if length else None]
        while following != ip.IP_PROTO_UDP:
            if following in (ip.IP_PROTO_HOPOPTS, ip.IP_PROTO_ROUTING, ip.IP_PROTO_DSTOPTS):
                following, rest = rest[0], rest[(rest[1] + 1) * 8 :]
            elif following == ip.IP_PROTO_AH:
                following, rest = rest[0], rest[(rest[1] + 2) * 4 :]
            elif following == ip.IP_PROTO_FRAGMENT:
                following, place, number = struct.unpack_from(">BxHI", rest)
                rest = rest[8:]
                if place & 0xFFF9:
                    key = (source, destination, number, following)
                    more = bool(place & 1)
                    whole = self._fragments.add(key, place & 0xFFF8, more, rest, time_ns)
                    if whole is None:
                        return None
                    rest = whole
            else:
                self.tally.not_udp += 1
                return None
        return self._of_udp(source, rest)

    def _of_udp(self, source: bytes, segment: bytes) -> Udp | None:
        port, length = _udp(segment)
        # A length of 0 is a jumbogram (RFC 2675, 4) or segmentation offload.
        if len(segment) < 8 or 0 < length < 8:
            self.tally.not_udp += 1
            return None
        if len(segment) < length:
            self.tally.cut += 1
        return source, port, segment[8 : length or None]
