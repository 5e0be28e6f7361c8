"""Batches of datagrams as the packets of a pcap: what the archive writes and `files` reads back.

The kernel gave us payload, sender and time; the IP and UDP headers around them are made up again,
so that any tool reads the file. The destination is not known: it has the address zero, and the port
of NetFlow, by which Wireshark knows what to dissect.

Headers are filled as columns, and payloads are copied by NumPy, those of one length at once: most
of an exporter's datagrams are full. Lengths that are rare are copied one by one, which takes about
twice the time for each. The buffer is used again for the next frame.
"""

import socket
from struct import pack

import numpy as np
import numpy.typing as npt
from dpkt import ip, pcap

from flowsleuth.receive.captures import MAX_PACKET
from flowsleuth.receive.datagrams import Datagrams, Source, Sources

RAW_IP = 101
"""LINKTYPE_RAW (tcpdump.org/linktypes.html): a packet begins with its IP header."""

FILE_HEADER = pack("<IHHiIII", pcap.TCPDUMP_MAGIC_NANO, 2, 4, 0, 0, MAX_PACKET, RAW_IP)
"""Little-endian, nanoseconds (draft-ietf-opsawg-pcap, 4)."""

_ROOM = 8 * 1024 * 1024
"""Bytes of the buffer: a frame and what a batch brings beyond it, if it is no batch of giants."""

_MANY = 8
"""So many datagrams of one length are worth NumPy's calls (some 10 µs, a slice takes 1 µs)."""

_RECORD, _IPV4, _IPV6, _UDP = 16, 20, 40, 8
_HEADS = {4: _RECORD + _IPV4 + _UDP, 6: _RECORD + _IPV6 + _UDP}
"""Bytes before each payload, by IP version."""

_WIDTH = _HEADS[6]
_NETFLOW_PORT = 2055
_SECOND_NS = 1_000_000_000

_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int64]


def _fields(ip_size: int, ip_length: int, ip_sum: int) -> np.dtype[np.void]:
    """Return what differs between the headers of one source's datagrams, and where it stands."""
    udp = _RECORD + ip_size
    return np.dtype(
        {
            "names": ["seconds", "nanoseconds", "kept", "length", "ip_length", "sum", "udp_length"],
            "formats": ["<u4", "<u4", "<u4", "<u4", ">u2", ">u2", ">u2"],
            "offsets": [0, 4, 8, 12, _RECORD + ip_length, _RECORD + ip_sum, udp + 4],
            "itemsize": _WIDTH,
        }
    )


_FIELDS = {4: _fields(_IPV4, ip_length=2, ip_sum=10), 6: _fields(_IPV6, ip_length=4, ip_sum=46)}
"""RFC 791, 3.1, and RFC 8200, 3. The sum is the header's in IPv4; in IPv6 it is UDP's, left at
zero, for whoever wants it can verify that of the capture as little as we can."""


class Packing:
    """The packets that gather for a frame; of one receiver, whose sources only grow.

    size: bytes so far, without the file's header. datagrams: how many there are.
    """

    def __init__(self) -> None:
        self.size = self.datagrams = 0
        self._clear(_ROOM)
        self._heads = np.zeros((0, _WIDTH), np.uint8)
        self._versions = np.zeros(0, np.int64)
        self._sums = np.zeros(0, np.int64)

    def add(self, batch: Datagrams) -> None:
        """Append the packets of a batch."""
        self._meet(batch.sources)
        self.datagrams += len(batch)
        versions = self._versions[batch.source]
        head = np.where(versions == 4, _HEADS[4], _HEADS[6])
        whole = head + batch.length
        place = len(FILE_HEADER) + self.size + np.cumsum(whole) - whole
        self.size += int(whole.sum())
        self._grow(len(FILE_HEADER) + self.size)
        for version in (4, 6):
            rows = np.flatnonzero(versions == version)
            if len(rows):
                items = self._filled(version, batch.take(rows)).view(f"V{_HEADS[version]}")
                _anywhere(self._buffer, _HEADS[version])[place[rows]] = items.reshape(-1)
        _copy(batch.data, batch.start, self._buffer, place + head, batch.length)

    def view(self, *, with_header: bool) -> memoryview:
        """Return the bytes, with the file's header before them or without; valid until `clear`."""
        start = 0 if with_header else len(FILE_HEADER)
        return self._buffer[start : len(FILE_HEADER) + self.size].data

    def clear(self) -> None:
        """Begin again; memory that a batch of giants took is given back."""
        self.size = self.datagrams = 0
        if len(self._buffer) > _ROOM:
            self._clear(_ROOM)

    def _clear(self, room: int) -> None:
        self._buffer = np.empty(room, np.uint8)
        self._buffer[: len(FILE_HEADER)] = np.frombuffer(FILE_HEADER, np.uint8)

    def _grow(self, size: int) -> None:
        if size > len(self._buffer):
            held = self._buffer
            self._clear(2 * size)
            self._buffer[: len(held)] = held

    def _filled(self, version: int, batch: Datagrams) -> _Bytes:
        """Return the headers of datagrams of one IP version: uint8 (n, bytes)."""
        heads = self._heads[batch.source]
        head = heads.view(_FIELDS[version]).reshape(-1)
        udp = batch.length + _UDP
        total = udp + (_IPV4 if version == 4 else _IPV6)
        head["seconds"], head["nanoseconds"] = np.divmod(batch.received_ns, _SECOND_NS)
        head["kept"] = head["length"] = total
        head["udp_length"] = udp
        if version == 4:
            head["ip_length"] = total
            head["sum"] = _checksums(self._sums[batch.source] + total)
        else:
            head["ip_length"] = udp
        return np.ascontiguousarray(heads[:, : _HEADS[version]])

    def _meet(self, sources: Sources) -> None:
        """Make the headers of sources that are new."""
        new = sources.table[len(self._heads) :]
        if not new:
            return
        heads, versions, sums = zip(*map(_head, new), strict=True)
        self._heads = np.concatenate([self._heads, heads])
        self._versions = np.concatenate([self._versions, versions])
        self._sums = np.concatenate([self._sums, sums])


def _head(source: Source) -> tuple[_Bytes, int, int]:
    """Return a source's headers without times and lengths, the IP version, and the IPv4 sum."""
    version = 6 if ":" in source.address else 4
    try:
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        address = socket.inet_pton(family, source.address)
    except OSError:  # the place that sources beyond the table share has none
        version, address = 4, bytes(4)
    if version == 4:
        ip_header = pack(">BxHHHBBH4s4x", 0x45, 0, 0, 0, 64, ip.IP_PROTO_UDP, 0, address)
    else:
        ip_header = pack(">IHBB16s16x", 6 << 28, 0, ip.IP_PROTO_UDP, 64, address)
    whole = bytes(_RECORD) + ip_header + pack(">HHHH", source.port, _NETFLOW_PORT, 0, 0)
    words = np.frombuffer(ip_header, ">u2")
    return np.frombuffer(whole.ljust(_WIDTH, b"\0"), np.uint8), version, int(words.sum())


def _checksums(sums: _Ints) -> _Ints:
    """Return the ones' complement sums of 16-bit words that were added up (RFC 1071)."""
    folded = (sums & 0xFFFF) + (sums >> 16)
    return ~((folded & 0xFFFF) + (folded >> 16)) & 0xFFFF


def _anywhere(data: _Bytes, size: int) -> npt.NDArray[np.void]:
    """Return the items of `size` bytes that begin at each byte of a buffer: a view."""
    return np.ndarray((len(data) - size + 1,), f"V{size}", buffer=data, strides=(1,))


def _copy(source: _Bytes, start: _Ints, target: _Bytes, place: _Ints, length: _Ints) -> None:
    """Copy n pieces of one buffer to places in another; start, place, length: int64 (n,), bytes."""
    sizes, counts = np.unique(length, return_counts=True)
    for size in sizes[(counts >= _MANY) & (sizes > 0)].tolist():
        rows = np.flatnonzero(length == size)
        _anywhere(target, size)[place[rows]] = _anywhere(source, size)[start[rows]]
    rest = np.flatnonzero(np.isin(length, sizes[counts < _MANY]))
    out, into = source.data, target.data
    for begin, end, at in zip(
        start[rest].tolist(), (start + length)[rest].tolist(), place[rest].tolist(), strict=True
    ):
        into[at : at + end - begin] = out[begin:end]
