"""The two containers, pcap and pcapng, as packets with their link type and time.

dpkt's readers know one section and one interface, drop a packet's original length (which says
whether the snap length cut it), and take a cut file for a finished one; so the framing, a few
fields, is read here, and dpkt gives the numbers their names. Nothing in a file makes us allocate
more than MAX_BLOCK bytes. Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from dpkt import pcap, pcapng

from flowsleuth.receive.datagrams import NO_RECEIPT
from flowsleuth.receive.formats import PCAP_ORDERS, PCAPNG_MAGIC, starts_capture
from flowsleuth.receive.streams import Stream

Packet = tuple[int, int, bytes]
"""(capture time in ns since the epoch or NO_RECEIPT, link type, the bytes that were kept)."""

MAX_PACKET = 262_144
"""libpcap's MAXIMUM_SNAPLEN: a longer packet is a damaged file."""

MAX_BLOCK = 16 * 1024 * 1024
"""Longest pcapng block that is kept in memory, as Wireshark has it; others are skipped over."""

_NANOSECOND = {pcap.TCPDUMP_MAGIC_NANO.to_bytes(4, order) for order in ("big", "little")}
_MODIFIED = {pcap.MODPCAP_MAGIC.to_bytes(4, order) for order in ("big", "little")}
"""Alexey Kuznetsov's patch of 1999: eight more bytes in each packet's header."""

_MAGICS = {*PCAP_ORDERS, PCAPNG_MAGIC}


def pcap_packets(stream: Stream) -> Iterator[Packet]:
    """Yield the packets of a pcap, up to its end or to the next capture behind it.

    Raises InputError, naming packet and offset, where the file is cut or damaged.
    """
    header = stream.peek(24)
    if len(header) < 24:
        raise stream.broken("the pcap ends within its header")
    stream.skip(24)
    magic = header[:4]
    order = PCAP_ORDERS[magic]
    record = struct.Struct(order + "IIII")
    extra = 24 if magic in _MODIFIED else 16
    unit = 1 if magic in _NANOSECOND else 1000
    # The upper bits hold the length of the frame check sequence (draft-ietf-opsawg-pcap, 4).
    link_type = struct.unpack_from(order + "I", header, 20)[0] & 0x0FFFFFFF
    number = 1
    while head := stream.peek(extra):
        if head[:4] in _MAGICS and starts_capture(head):
            return
        if len(head) < extra:
            raise stream.broken(f"the pcap ends within the header of packet {number}")
        seconds, fraction, kept, _original = record.unpack_from(head)
        if kept > MAX_PACKET:
            raise stream.broken(f"the pcap is damaged: packet {number} of {kept} bytes")
        whole = stream.read(extra + kept)
        if len(whole) < extra + kept:
            raise stream.broken(f"the pcap ends within packet {number}")
        yield seconds * 1_000_000_000 + fraction * unit, link_type, whole[extra:]
        number += 1


@dataclass(frozen=True, slots=True)
class _Interface:
    """One interface of a section: its link type and snap length, and how it counts time."""

    link_type: int
    snap_length: int
    units_per_second: int
    offset_s: int

    def time(self, units: int) -> int:
        nanoseconds = units * 1_000_000_000 // self.units_per_second + self.offset_s * 1_000_000_000
        return nanoseconds if 0 <= nanoseconds < 2**63 else NO_RECEIPT


def _interface(body: bytes, order: str) -> _Interface:
    """Read an interface description block (4.2): if_tsresol and if_tsoffset among its options."""
    link_type, snap_length = struct.unpack_from(order + "HxxI", body, 8)
    per_second, offset_s = 1_000_000, 0
    at = 16
    while at + 4 <= len(body) - 4:
        code, length = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + length]
        if code == pcapng.PCAPNG_OPT_ENDOFOPT:
            break
        if code == pcapng.PCAPNG_OPT_IF_TSRESOL and value:
            per_second = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
        elif code == pcapng.PCAPNG_OPT_IF_TSOFFSET and len(value) == 8:
            offset_s = struct.unpack(order + "q", value)[0]
        at += 4 + (length + 3) // 4 * 4
    return _Interface(link_type, snap_length, per_second, offset_s)


class _Sections:
    """Reads the blocks of a pcapng; keeps the byte order and interfaces of the section."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.order = "<"
        self.interfaces: list[_Interface] = []
        self.number = 0

    def block(self) -> tuple[int, bytes]:
        """Return type and bytes of the next block; those of no interest come without bytes."""
        head = self.stream.peek(12)
        if head[:4] == PCAPNG_MAGIC:
            self.order = "<" if head[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
            self.interfaces = []
        if len(head) < 12:
            raise self._broken("ends within a block")
        kind, length = struct.unpack_from(self.order + "II", head)
        if length < 12 or length % 4:
            raise self._broken(f"is damaged: a block of {length} bytes")
        if kind not in _SHORTEST:
            if self.stream.skip(length) < length:
                raise self._broken("ends within a block")
            return kind, b""
        if not _SHORTEST[kind] <= length <= MAX_BLOCK:
            raise self._broken(f"is damaged: a block of type {kind} and {length} bytes")
        body = self.stream.peek(length)
        if len(body) < length:
            raise self._broken("ends within a block")
        return kind, body

    def packet(self, kind: int, body: bytes) -> Packet:
        """Read an enhanced (4.3), simple (4.4) or obsolete (appendix A) packet block."""
        if kind == _SIMPLE:
            interface, start, units = self._of(0), 12, None
            kept = min(struct.unpack_from(self.order + "I", body, 8)[0], len(body) - 16)
            kept = min(kept, interface.snap_length or kept)
        else:
            which = "I" if kind == pcapng.PCAPNG_BT_EPB else "Hxx"
            index, high, low, kept = struct.unpack_from(self.order + which + "III", body, 8)
            interface, start, units = self._of(index), 28, high << 32 | low
        if kept > len(body) - start - 4:
            raise self._broken(f"is damaged: packet of {kept} bytes in a block of {len(body)}")
        received_ns = NO_RECEIPT if units is None else interface.time(units)
        return received_ns, interface.link_type, body[start : start + kept]

    def _of(self, index: int) -> _Interface:
        if index >= len(self.interfaces):
            raise self._broken(f"is damaged: no description of interface {index}")
        return self.interfaces[index]

    def _broken(self, what: str) -> Exception:
        return self.stream.broken(f"the pcapng {what} (packet {self.number + 1})")


_SIMPLE = 3
_SHORTEST = {
    pcapng.PCAPNG_BT_SHB: 28,
    pcapng.PCAPNG_BT_IDB: 20,
    pcapng.PCAPNG_BT_EPB: 32,
    pcapng.PCAPNG_BT_PB: 32,
    _SIMPLE: 16,
}
"""The blocks of interest and the least length of each in bytes."""


def pcapng_packets(stream: Stream) -> Iterator[Packet]:
    """Yield the packets of a pcapng, all its sections, up to its end or a pcap behind it.

    Raises InputError, naming packet and offset, where the file is cut or damaged.
    """
    sections = _Sections(stream)
    while head := stream.peek(12):
        if head[:4] in PCAP_ORDERS and starts_capture(head):
            return
        kind, body = sections.block()
        if kind == pcapng.PCAPNG_BT_IDB:
            sections.interfaces.append(_interface(body, sections.order))
        elif body and kind != pcapng.PCAPNG_BT_SHB:
            packet = sections.packet(kind, body)
            stream.read(len(body))
            sections.number += 1
            yield packet
            continue
        stream.read(len(body))
