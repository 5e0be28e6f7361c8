"""Captures made by hand for the tests: frames of every link layer, pcap and pcapng around them."""

import struct

from dpkt import ip, ip6, udp

ADDRESS4 = bytes((192, 0, 2, 1))
ADDRESS6 = bytes.fromhex("20010db8000000000000000000000001")
COLLECTOR4 = bytes((192, 0, 2, 99))
COLLECTOR6 = bytes.fromhex("20010db8000000000000000000000099")
MACS = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02"
PORT = 2056


def v5(sequence=0, records=1, seconds=1_700_000_000):
    """Return a NetFlow v5 datagram whose records are told apart by the sequence."""
    header = struct.pack(">HHIIIIHH", 5, records, 1000, seconds, 0, sequence, 0, 0)
    return header + struct.pack(">I", sequence) * (12 * records)


def v9(*sets, sequence=0, seconds=1_700_000_000, domain=7):
    """Return a v9 datagram of (set id, body) pairs."""
    return struct.pack(">HHIIII", 9, len(sets), 1000, seconds, sequence, domain) + joined(sets)


def ipfix(*sets, sequence=0, seconds=1_700_000_000, domain=7):
    """Return an IPFIX message of (set id, body) pairs."""
    body = joined(sets)
    return struct.pack(">HHIII", 10, 16 + len(body), seconds, sequence, domain) + body


def joined(sets):
    return b"".join(struct.pack(">HH", kind, 4 + len(body)) + body for kind, body in sets)


def udp_segment(payload, port=PORT):
    return bytes(udp.UDP(sport=port, dport=2055, ulen=8 + len(payload), data=payload))


def ipv4(payload, port=PORT):
    """Return an IPv4 packet; dpkt writes it, so that a second opinion made what we read."""
    segment = udp_segment(payload, port)
    return bytes(ip.IP(src=ADDRESS4, dst=COLLECTOR4, p=17, len=20 + len(segment), data=segment))


def ipv6(payload, port=PORT):
    segment = udp_segment(payload, port)
    packet = ip6.IP6(src=ADDRESS6, dst=COLLECTOR6, nxt=17, plen=len(segment), data=segment)
    packet.all_extension_headers = []
    return packet.pack_hdr() + segment


def ipv4_fragments(payload, size, number=1):
    """Return the IPv4 packets into which a datagram is cut, `size` (a multiple of 8) bytes each."""
    segment = udp_segment(payload)
    packets = []
    for at in range(0, len(segment), size):
        piece = segment[at : at + size]
        flags = at // 8 | (0x2000 if at + size < len(segment) else 0)
        header = struct.pack(
            ">BBHHHBBH4s4s",
            0x45,
            0,
            20 + len(piece),
            number,
            flags,
            64,
            17,
            0,
            ADDRESS4,
            COLLECTOR4,
        )
        packets.append(header + piece)
    return packets


def ipv6_fragments(payload, size, number=1):
    segment = udp_segment(payload)
    packets = []
    for at in range(0, len(segment), size):
        piece = segment[at : at + size]
        place = at | (1 if at + size < len(segment) else 0)
        extension = struct.pack(">BBHI", 17, 0, place, number)
        header = struct.pack(">IHBB", 6 << 28, 8 + len(piece), 44, 64) + ADDRESS6 + COLLECTOR6
        packets.append(header + extension + piece)
    return packets


def with_extensions(payload):
    """Return an IPv6 packet with hop-by-hop, routing, destination and authentication headers."""
    segment = udp_segment(payload)
    chain = (
        bytes((43, 0)) + bytes(6)
        + bytes((60, 1)) + bytes(14)
        + bytes((51, 0)) + bytes(6)
        + bytes((17, 4)) + bytes(22)
        + segment
    )  # fmt: skip
    return struct.pack(">IHBB", 6 << 28, len(chain), 0, 64) + ADDRESS6 + COLLECTOR6 + chain


def ethernet(packet, *tags):
    """Return an Ethernet frame; tags are EtherTypes of VLAN tags, outermost first."""
    kind = b"\x08\0" if packet[0] >> 4 == 4 else b"\x86\xdd"
    tagged = b"".join(struct.pack(">HH", tag, 42) for tag in tags)
    return MACS + tagged + kind + packet


def _kind(packet):
    return b"\x08\0" if packet[0] >> 4 == 4 else b"\x86\xdd"


def _family(packet, other):
    return 2 if packet[0] >> 4 == 4 else other


def _snap(packet):
    body = b"\xaa\xaa\x03\0\0\0" + _kind(packet) + packet
    return MACS + struct.pack(">H", min(len(body), 1500)) + body


LINKS = {
    "Ethernet": (1, ethernet),
    "Ethernet, padded": (1, lambda p: ethernet(p) + bytes(20)),
    "VLAN": (1, lambda p: ethernet(p, 0x8100)),
    "QinQ": (1, lambda p: ethernet(p, 0x88A8, 0x8100)),
    "QinQ, old": (1, lambda p: ethernet(p, 0x9100, 0x8100)),
    "SNAP": (1, _snap),
    "MPLS": (1, lambda p: MACS + b"\x88\x47" + b"\0\x01\0\x40" + b"\0\x02\x01\x40" + p),
    "PPPoE": (
        1,
        lambda p: MACS + b"\x88\x64\x11\0\0\x01" + struct.pack(">H", len(p) + 2)
        + (b"\0\x21" if p[0] >> 4 == 4 else b"\0\x57") + p,
    ),
    "raw 12": (12, bytes),
    "raw 14": (14, bytes),
    "raw 101": (101, bytes),
    "raw IP of either version, 228": (228, bytes),
    "raw IP of either version, 229": (229, bytes),
    "cooked": (113, lambda p: b"\0\0\0\x01\0\x06" + bytes(8) + _kind(p) + p),
    "cooked v2": (276, lambda p: _kind(p) + b"\0\0\0\0\0\x03\0\x01\0\x06" + bytes(8) + p),
    "loopback, little": (0, lambda p: struct.pack("<I", _family(p, 30)) + p),
    "loopback, big": (0, lambda p: struct.pack(">I", _family(p, 28)) + p),
    "loopback, OpenBSD": (108, lambda p: struct.pack(">I", _family(p, 24)) + p),
    "PPP": (9, lambda p: b"\xff\x03" + (b"\0\x21" if p[0] >> 4 == 4 else b"\0\x57") + p),
    "PPP, bare": (9, lambda p: (b"\0\x21" if p[0] >> 4 == 4 else b"\0\x57") + p),
    "Cisco HDLC": (104, lambda p: b"\x0f\0" + _kind(p) + p),
}  # fmt: skip


def pcap(packets, link=1, order="<", nano=False, snap=262144, modified=False):
    """Return a pcap of (time in ns, frame) pairs."""
    magic = 0xA1B23C4D if nano else 0xA1B2CD34 if modified else 0xA1B2C3D4
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, link)]
    for time_ns, frame in packets:
        kept = frame[:snap]
        fraction = time_ns % 10**9 // (1 if nano else 1000)
        out.append(struct.pack(order + "IIII", time_ns // 10**9, fraction, len(kept), len(frame)))
        out.append(bytes(8) * modified + kept)
    return b"".join(out)


class Pcapng:
    """Writes pcapng blocks in one byte order."""

    def __init__(self, order="<"):
        self.order = order

    def block(self, kind, body):
        body += bytes(-len(body) % 4)
        length = struct.pack(self.order + "I", 12 + len(body))
        return struct.pack(self.order + "I", kind) + length + body + length

    def section(self):
        return self.block(0x0A0D0D0A, struct.pack(self.order + "IHHq", 0x1A2B3C4D, 1, 0, -1))

    def interface(self, link=1, snap=0, resolution=None, offset=None):
        options = self._option(2, b"eth0")
        if resolution is not None:
            options += self._option(9, bytes((resolution,)))
        if offset is not None:
            options += self._option(14, struct.pack(self.order + "q", offset))
        options += self._option(0, b"")
        return self.block(1, struct.pack(self.order + "HHI", link, 0, snap) + options)

    def _option(self, code, value):
        return struct.pack(self.order + "HH", code, len(value)) + value + bytes(-len(value) % 4)

    def packet(self, units, frame, interface=0, kind=6):
        index = struct.pack(
            self.order + ("I" if kind == 6 else "HH"), interface, *[0] * (kind == 2)
        )
        head = struct.pack(
            self.order + "IIII", units >> 32, units & 0xFFFFFFFF, len(frame), len(frame)
        )
        return self.block(kind, index + head + frame)

    def simple(self, frame, original=None):
        return self.block(3, struct.pack(self.order + "I", original or len(frame)) + frame)
