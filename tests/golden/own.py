"""Captures which the project makes itself, so that these tests run on any machine.

The writer here is its own: struct and the RFCs' layouts, nothing of flowsleuth.demo.encode, so
that a field which the package misreads both ways still shows. Flows are drawn with a seed; beside
each version's datagrams stand the records which `flowsleuth decode` shall give for them.
"""

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import dpkt

from .command import Record

EXPORT_S = 1_700_000_000
UPTIME_MS = 3_600_000
DOMAIN = 77
RATE = 100
EXPORTER = "192.0.2.77"
PORT = 40_077

_PER_DATAGRAM = 20


@dataclass(frozen=True)
class Flow:
    """What all versions can say; start and end are ms since the exporter's boot."""

    src: str
    dst: str
    proto: int
    src_port: int
    dst_port: int
    bytes: int
    packets: int
    start: int
    end: int
    flags: int
    in_if: int
    out_if: int
    src_as: int
    dst_as: int

    def record(self, kind: str, sampling: int | None) -> Record:
        """Return the flow as `decode` shows it."""
        boot_ns = EXPORT_S * 10**9 - UPTIME_MS * 10**6
        record = {
            "type": kind,
            "src_addr": self.src,
            "dst_addr": self.dst,
            "proto": self.proto,
            "src_port": self.src_port,
            "dst_port": self.dst_port,
            "bytes": self.bytes,
            "packets": self.packets,
            "time_flow_start_ns": boot_ns + self.start * 10**6,
            "time_flow_end_ns": boot_ns + self.end * 10**6,
            "in_if": self.in_if,
            "out_if": self.out_if,
            "tcp_flags": self.flags,
        }
        if kind != "NETFLOW_V1":
            record |= {"src_as": self.src_as, "dst_as": self.dst_as}
        if sampling is not None:
            record["sampling_rate"] = sampling
        return record


def flows(number: int, family: int, seed: int) -> list[Flow]:
    """Return some flows with every field drawn over its whole range (AS: 16 bits, as in v5)."""
    rng = random.Random(seed)
    drawn = []
    for _ in range(number):
        start = rng.randrange(UPTIME_MS - 60_000)
        drawn.append(
            Flow(
                src=str(ip_address(rng.randbytes(4 if family == 4 else 16))),
                dst=str(ip_address(rng.randbytes(4 if family == 4 else 16))),
                proto=rng.choice((6, 17)),
                src_port=rng.randrange(1 << 16),
                dst_port=rng.randrange(1 << 16),
                bytes=rng.randrange(1, 1 << 32),
                packets=rng.randrange(1, 1 << 32),
                start=start,
                end=start + rng.randrange(60_000),
                flags=rng.randrange(1 << 8),
                in_if=rng.randrange(1 << 16),
                out_if=rng.randrange(1 << 16),
                src_as=rng.randrange(1 << 16),
                dst_as=rng.randrange(1 << 16),
            )
        )
    return drawn


def _chunks(listed: list[Flow]) -> Iterator[list[Flow]]:
    for start in range(0, len(listed), _PER_DATAGRAM):
        yield listed[start : start + _PER_DATAGRAM]


def v1(listed: list[Flow]) -> list[bytes]:
    """NetFlow v1 (Cisco, NetFlow Export Datagram Format): 16 bytes of header, 52 a record."""
    return [
        struct.pack("!HHIII", 1, len(part), UPTIME_MS, EXPORT_S, 0)
        + b"".join(
            ip_address(f.src).packed
            + ip_address(f.dst).packed
            + struct.pack("!IHHIIII", 0, f.in_if, f.out_if, f.packets, f.bytes, f.start, f.end)
            + struct.pack("!HHxxBBB7x", f.src_port, f.dst_port, f.proto, 0, f.flags)
            for f in part
        )
        for part in _chunks(listed)
    ]


def _v5_or_v7(listed: list[Flow], version: int) -> list[bytes]:
    datagrams = []
    for number, part in enumerate(_chunks(listed)):
        tail = struct.pack("!BBH", 0, DOMAIN, 1 << 14 | RATE) if version == 5 else bytes(4)
        datagrams.append(
            struct.pack("!HHIIII", version, len(part), UPTIME_MS, EXPORT_S, 0, number * 20)
            + tail
            + b"".join(_v5_record(f) + bytes(4 if version == 7 else 0) for f in part)
        )
    return datagrams


def _v5_record(f: Flow) -> bytes:
    return (
        ip_address(f.src).packed
        + ip_address(f.dst).packed
        + struct.pack("!IHHIIII", 0, f.in_if, f.out_if, f.packets, f.bytes, f.start, f.end)
        + struct.pack(
            "!HHxBBBHHBBxx", f.src_port, f.dst_port, f.flags, f.proto, 0, f.src_as, f.dst_as, 24, 24
        )
    )


def v5(listed: list[Flow]) -> list[bytes]:
    """NetFlow v5: 24 bytes of header (sampling mode 1, 14 bits of interval), 48 a record."""
    return _v5_or_v7(listed, 5)


def v7(listed: list[Flow]) -> list[bytes]:
    """NetFlow v7: as v5 without engine and sampling, 52 bytes a record."""
    return _v5_or_v7(listed, 7)


_ELEMENTS = (
    (4, 1), (7, 2), (11, 2), (1, 8), (2, 4), (22, 4), (21, 4), (6, 1), (10, 4), (14, 2), (16, 4),
    (17, 2),
)  # fmt: skip
"""Elements after the two addresses, and lengths, of which some are reduced (RFC 7011, 6.2)."""

_ADDRESSES = {4: ((8, 4), (12, 4)), 6: ((27, 16), (28, 16))}
_TEMPLATE = {4: 256, 6: 257}
_OPTIONS = 258


def _specifiers(elements: tuple[tuple[int, int], ...]) -> bytes:
    return b"".join(struct.pack("!HH", *element) for element in elements)


def _set(number: int, body: bytes) -> bytes:
    padding = -len(body) % 4
    return struct.pack("!HH", number, 4 + len(body) + padding) + body + bytes(padding)


def _values(f: Flow, times: tuple[int, int]) -> bytes:
    numbers = (f.proto, f.src_port, f.dst_port, f.bytes, f.packets, *times, f.flags, f.in_if,
               f.out_if, f.src_as, f.dst_as)  # fmt: skip
    return (
        ip_address(f.src).packed
        + ip_address(f.dst).packed
        + b"".join(n.to_bytes(size) for n, (_, size) in zip(numbers, _ELEMENTS, strict=True))
    )


def _templates(kind: int) -> bytes:
    body = b"".join(
        struct.pack("!HH", _TEMPLATE[family], len(_ELEMENTS) + 2)
        + _specifiers(_ADDRESSES[family] + _ELEMENTS)
        for family in (4, 6)
    )
    return _set(kind, body)


def v9(listed: list[Flow]) -> list[bytes]:
    """NetFlow v9 (RFC 3954): templates 256 and 257 first; the rate in options data (34, 35)."""
    options = struct.pack("!HHH", _OPTIONS, 4, 8) + _specifiers(((1, 4), (34, 4), (35, 1)))
    first = _templates(0) + _set(1, options)
    first += _set(_OPTIONS, struct.pack("!IIB", 0, RATE, 2))
    return [
        struct.pack("!HHIIII", 9, count + 3 * (not number), UPTIME_MS, EXPORT_S, number, DOMAIN)
        + body
        for number, (count, body) in enumerate(_bodies(listed, first))
    ]


def ipfix(listed: list[Flow]) -> list[bytes]:
    """IPFIX (RFC 7011): the same templates; boot time and rate (160, 305, 306) in options data."""
    elements = ((149, 4), (160, 8), (305, 4), (306, 4))
    options = struct.pack("!HHH", _OPTIONS, len(elements), 1) + _specifiers(elements)
    first = _templates(2) + _set(3, options)
    boot = EXPORT_S * 1000 - UPTIME_MS
    first += _set(_OPTIONS, struct.pack("!IQII", DOMAIN, boot, 1, RATE - 1))
    datagrams, sequence = [], 0
    for count, body in _bodies(listed, first):
        datagrams.append(struct.pack("!HHIII", 10, 16 + len(body), EXPORT_S, sequence, DOMAIN))
        datagrams[-1] += body
        sequence += count
    return datagrams


def _bodies(listed: list[Flow], first: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each datagram's number of data records, options data included, and its sets."""
    for number, part in enumerate(_chunks(listed)):
        sets = first if number == 0 else b""
        for family in (4, 6):
            rows = [f for f in part if ip_address(f.src).version == family]
            if rows:
                body = b"".join(_values(f, (f.start, f.end)) for f in rows)
                sets += _set(_TEMPLATE[family], body)
        yield len(part) + (number == 0), sets


@dataclass(frozen=True)
class Version:
    """How one version is written, what `decode` calls it, and which sampling rate it tells."""

    name: str
    type: str
    write: Callable[[list[Flow]], list[bytes]]
    families: tuple[int, ...]
    sampling: int | None


VERSIONS = (
    Version("v1", "NETFLOW_V1", v1, (4,), None),
    Version("v5", "NETFLOW_V5", v5, (4,), RATE),
    Version("v7", "NETFLOW_V7", v7, (4,), None),
    Version("v9", "NETFLOW_V9", v9, (4, 6), RATE),
    Version("ipfix", "IPFIX", ipfix, (4, 6), RATE),
)


def traffic(version: Version, number: int = 50) -> list[Flow]:
    """Return the flows that one version shall carry, both families mixed where it can."""
    drawn = [flow for family in version.families for flow in flows(number, family, family)]
    random.Random(0).shuffle(drawn)
    return drawn


def write_pcap(path: Path, datagrams: list[bytes]) -> None:
    """Write the datagrams as they would be captured between EXPORTER and a collector."""
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        for payload in datagrams:
            udp = dpkt.udp.UDP(sport=PORT, dport=2055, ulen=8 + len(payload), data=payload)
            ends = {"src": ip_address(EXPORTER).packed, "dst": bytes((192, 0, 2, 1))}
            packet = dpkt.ip.IP(**ends, p=17, len=28 + len(payload), data=udp)
            frame = dpkt.ethernet.Ethernet(src=bytes(6), dst=bytes(6), data=packet)
            writer.writepkt(bytes(frame), EXPORT_S)
