"""A second reader of the demo's capture, with struct and ipaddress alone: nothing of FlowSleuth.

Reads pcap (little-endian, microseconds, Ethernet, IPv4, UDP), NetFlow v5, v9 and IPFIX with
fields of fixed length, the sampler's rate from options data. It goes record by record, slowly.

As a program it prints the demo's sums out of `flowsleuth demo --capture FILE`:

    python tests/demo/independent.py FILE [NOW]

where NOW (ns, default: the last datagram's time) ends the hour and the day.
"""

import struct
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path

NETWORKS = {
    "Green": ("10.1.0.0/16", "2001:db8:1::/48"),
    "Blue": ("10.2.0.0/16",),
    "Red": ("10.3.0.0/16", "2001:db8:3::/48"),
    "Servers": ("10.9.0.0/16", "2001:db8:9::/48"),
    "Guest": ("10.20.0.0/16",),
}
PREFIXES = [(ip_network(text), name) for name, texts in NETWORKS.items() for text in texts]
MINUTE = 60_000_000_000


@dataclass
class Record:
    """A flow record: times in ns, bytes and packets as exported, rate as it applies."""

    src: str
    dst: str
    src_port: int
    dst_port: int
    protocol: int
    flags: int
    in_if: int
    out_if: int
    bytes: int
    packets: int
    start_ns: int
    end_ns: int
    rate: int


@dataclass
class Reader:
    """The state of all exporters: templates, rates, and each header's (version, sequence)."""

    templates: dict = field(default_factory=dict)
    rates: dict = field(default_factory=dict)
    names: dict = field(default_factory=dict)
    sequences: dict = field(default_factory=dict)
    data_records: Counter = field(default_factory=Counter)

    def read(self, exporter: tuple, data: bytes) -> Iterator[Record]:
        (version,) = struct.unpack_from(">H", data)
        if version == 5:
            yield from self.read_v5(exporter, data)
            return
        if version == 9:
            _, _, uptime, secs, sequence, domain = struct.unpack_from(">HHIIII", data)
            boot_ms, at, end = secs * 1000 - uptime, 20, len(data)
        else:
            _, end, secs, sequence, domain = struct.unpack_from(">HHIII", data)
            assert end == len(data)
            boot_ms, at = None, 16
        stream = (*exporter, domain)
        self.sequences.setdefault(stream, []).append((sequence, self.data_records[stream]))
        while at < end:
            set_id, length = struct.unpack_from(">HH", data, at)
            assert length >= 4
            assert at + length <= end
            body = data[at + 4 : at + length]
            at += length
            if set_id in {0, 2}:
                self.template(stream, body, scoped=False, version=version)
            elif set_id in {1, 3}:
                self.template(stream, body, scoped=True, version=version)
            else:
                yield from self.data(stream, set_id, body, boot_ms)

    def template(self, stream: tuple, body: bytes, *, scoped: bool, version: int) -> None:
        at = 0
        while at + 4 <= len(body):
            if scoped and version == 9:
                template, scope, options = struct.unpack_from(">HHH", body, at)
                scopes, count, at = scope // 4, (scope + options) // 4, at + 6
            elif scoped:
                template, count, scopes = struct.unpack_from(">HHH", body, at)
                at += 6
            else:
                template, count = struct.unpack_from(">HH", body, at)
                scopes, at = 0, at + 4
            if not template:
                return
            layout = [struct.unpack_from(">HH", body, at + 4 * i) for i in range(count)]
            at += 4 * count
            self.templates[(*stream, template)] = (scopes, layout)

    def data(self, stream: tuple, set_id: int, body: bytes, boot_ms: int | None):
        scopes, layout = self.templates[(*stream, set_id)]
        size = sum(length for _, length in layout)
        for begin in range(0, len(body) - size + 1, size):
            at, values = begin, {}
            for element, length in layout:
                values[element] = body[at : at + length]
                at += length
            self.data_records[stream] += 1
            if scopes:
                self.option(stream, values)
            else:
                yield self.flow(stream, values, boot_ms)

    def option(self, stream: tuple, values: dict) -> None:
        number = {element: int.from_bytes(value) for element, value in values.items()}
        if 50 in values:
            self.rates[(*stream, number[48])] = number[50]
        if 306 in values:
            self.rates[(*stream, number[302])] = 1 + number[306] // number[305]
        if 82 in values:
            index = number.get(10, number.get(2))
            self.names[(*stream, index)] = values[82].rstrip(b"\0").decode()

    def flow(self, stream: tuple, values: dict, boot_ms: int | None) -> Record:
        number = {element: int.from_bytes(value) for element, value in values.items()}
        if boot_ms is None:
            start, end = number[152], number[153]
        else:
            start, end = boot_ms + number[22], boot_ms + number[21]
        sampler = number.get(48, number.get(302))
        return Record(
            src=str(ip_address(values.get(8, values.get(27)))),
            dst=str(ip_address(values.get(12, values.get(28)))),
            src_port=number[7],
            dst_port=number[11],
            protocol=number[4],
            flags=number[6],
            in_if=number[10],
            out_if=number[14],
            bytes=number[1],
            packets=number[2],
            start_ns=start * 1_000_000,
            end_ns=end * 1_000_000,
            rate=1 if sampler is None else self.rates[(*stream, sampler)],
        )

    def read_v5(self, exporter: tuple, data: bytes) -> Iterator[Record]:
        _, count, uptime, secs, nsecs, sequence, domain, sampling = struct.unpack_from(
            ">HHIIIIHH", data
        )
        assert len(data) == 24 + 48 * count
        stream = (*exporter, domain)
        self.sequences.setdefault(stream, []).append((sequence, self.data_records[stream]))
        self.data_records[stream] += count
        boot = secs * 10**9 + nsecs - uptime * 1_000_000
        for i in range(count):
            row = struct.unpack_from(">4s4s4sHHIIIIHHBBB", data, 24 + 48 * i)
            src, dst, _, in_if, out_if, packets, octets, first, last = row[:9]
            yield Record(
                src=str(ip_address(src)),
                dst=str(ip_address(dst)),
                src_port=row[9],
                dst_port=row[10],
                protocol=row[13],
                flags=row[12],
                in_if=in_if,
                out_if=out_if,
                bytes=octets,
                packets=packets,
                start_ns=boot + first * 1_000_000,
                end_ns=boot + last * 1_000_000,
                rate=sampling & 0x3FFF or 1,
            )


def packets(path: Path) -> Iterator[tuple[int, tuple[str, int], bytes]]:
    """Yield (receipt in ns, exporter, payload) of each packet of a pcap file."""
    data = path.read_bytes()
    magic, *_, link = struct.unpack_from("<IHHiIII", data)
    assert (magic, link) == (0xA1B2C3D4, 1)
    at = 24
    while at < len(data):
        seconds, micro, size, _ = struct.unpack_from("<IIII", data, at)
        frame = data[at + 16 : at + 16 + size]
        assert frame[12:14] == b"\x08\x00"
        assert frame[14] == 0x45
        assert frame[23] == 17
        exporter = str(ip_address(frame[26:30])), struct.unpack_from(">H", frame, 34)[0]
        yield (seconds * 1_000_000 + micro) * 1000, exporter, frame[42:]
        at += 16 + size


@cache
def network_of(address: str) -> str | None:
    """Return the network of an address by trying every prefix."""
    end = ip_address(address)
    return next((name for prefix, name in PREFIXES if end in prefix), None)


def rows(record: Record) -> Iterator[tuple[str, str]]:
    """Yield (network, direction) of each row that a record makes."""
    src, dst = network_of(record.src), network_of(record.dst)
    if src is not None and src == dst:
        yield src, "internal"
        return
    if src is not None:
        yield src, "out"
    if dst is not None:
        yield dst, "in"


def share(record: Record, since_ns: int, until_ns: int) -> int:
    """Return the bytes of a record, sampling undone, that fall into [since, until)."""
    octets = record.bytes * record.rate
    length = record.end_ns - record.start_ns
    if length <= 0:
        return octets if since_ns <= record.end_ns < until_ns else 0

    def before(edge: int) -> int:
        return octets * max(0, min(edge - record.start_ns, length)) // length

    return before(until_ns) - before(since_ns)


EVER = (0, 2**62)


def records(path: Path) -> Iterator[tuple[int, Record]]:
    """Yield (receipt in ns, record) of a capture."""
    reader = Reader()
    for received_ns, exporter, payload in packets(path):
        for record in reader.read(exporter, payload):
            yield received_ns, record


def sums(path: Path, *spans: tuple[int, int]) -> list[dict[tuple, int]]:
    """Return for each span the bytes by (network, direction, protocol); without any, of all."""
    found = [Counter() for _ in spans or [EVER]]
    for _, record in records(path):
        of = [share(record, *span) for span in spans or [EVER]]
        for row in rows(record):
            for total, octets in zip(found, of, strict=True):
                total[(*row, record.protocol)] += octets
    return found


def table_spans(path: Path, now_ns: int = 0) -> list[tuple[int, int]]:
    """Return the spans of the demo's first table: hour, the same a day ago, day, everything."""
    last = now_ns or max(received for received, _, _ in packets(path))
    end = (last // MINUTE + 1) * MINUTE
    hour, day = 60 * MINUTE, 1440 * MINUTE
    return [(end - hour, EVER[1]), (end - hour - day, end - day), (end - day, EVER[1]), EVER]


def table(path: Path, now_ns: int = 0) -> dict[tuple[str, str], list[int]]:
    """Return the numbers of the demo's first table, by (network, direction)."""
    found: dict[tuple[str, str], list[int]] = {}
    for place, total in enumerate(sums(path, *table_spans(path, now_ns))):
        for (network, direction, _), octets in total.items():
            found.setdefault((network, direction), [0] * 4)[place] += octets
    return found


def main(path: Path, now_ns: int = 0) -> None:
    for row, numbers in sorted(table(path, now_ns).items()):
        print(*row, *numbers)  # noqa: T201  a program that prints
    culprits = Counter()
    for _, record in records(path):
        if record.protocol == 17 and record.src_port == 14857:
            culprits[record.src] += record.bytes * record.rate
    for address, octets in culprits.items():
        print("UDP port 14857 from", address, octets)  # noqa: T201  a program that prints


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
