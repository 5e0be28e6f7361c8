"""A few hours of a small site, made with a seed: quiet by itself, with what a test puts into it.

Two networks, Green (10.1.0.0/16, 2001:db8:1::/48) and Blue (10.2.0.0/16), each with a handful of
hosts that fetch from the web and ask DNS. A talk is a flow of its own in each minute that it lasts.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import numpy as np

from flowsleuth.config import Config
from flowsleuth.decode.decoder import Decoder
from flowsleuth.demo.capture import PcapWriter
from flowsleuth.demo.encode import Encoder, Exporter, FlowColumns
from flowsleuth.hunt.hunting import hunt
from flowsleuth.hunt.reading import gathering, of_captures, settings
from flowsleuth.receive.datagrams import Datagrams, Sources

SECOND, MINUTE = 1_000_000_000, 60_000_000_000
BEGIN = datetime(2026, 11, 16, 8, tzinfo=UTC)
BEGIN_NS = int(BEGIN.timestamp()) * SECOND
MINUTES = 240
TCP, UDP, ICMP = 6, 17, 1

NETWORKS = [
    {"name": "Green", "prefixes": ["10.1.0.0/16", "2001:db8:1::/48"]},
    {"name": "Blue", "prefixes": ["10.2.0.0/16"]},
]
USUAL = 60_000_000
"""Bytes a minute into each network over TCP; a third of it goes out. Both are above the floor."""


def window(minute: int) -> int:
    """Return the number of a window of a minute, counted from BEGIN."""
    return BEGIN_NS // MINUTE + minute


@dataclass
class Made:
    """Flows by their fields, until they are exported. sampling: of the one exporter, IPFIX."""

    seed: int = 1
    minutes: int = MINUTES
    sampling: int = 1
    rows: list[tuple] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        for network in (1, 2):
            self._usual(network)

    def _usual(self, network: int) -> None:
        random = self.random
        for minute in range(self.minutes):
            part = random.dirichlet(np.full(4, 4.0)) * USUAL * np.exp(0.15 * random.normal())
            for size in part:
                host = f"10.{network}.0.{random.integers(10, 30)}"
                peer = f"198.18.0.{random.integers(1, 20)}"
                port = int(random.integers(33_000, 60_000))
                self.talk(host, peer, minute, 1, size / 3, ports=(port, 443), packet=700)
                self.talk(peer, host, minute, 1, size, ports=(443, port), packet=1200)
            self.talk(f"10.{network}.0.9", "198.18.53.53", minute, 1, 20_000,
                      ports=(33_333, 53), protocol=UDP, packet=100)  # fmt: skip

    def talk(
        self, src: str, dst: str, minute: int, minutes: int, octets: float, *,
        ports: tuple[int, int] = (40_000, 443), protocol: int = TCP, packet: float = 1000,
    ) -> None:  # fmt: skip
        """Add `octets` a minute, as a flow in each minute."""
        for each in range(minute, minute + minutes):
            start = BEGIN_NS + each * MINUTE + 1_000_000
            self.flow(src, dst, start, start + 58 * SECOND, octets, ports, protocol, packet)

    def flow(self, src, dst, start, end, octets, ports=(40_000, 443), protocol=TCP, packet=1000):
        """Add one flow record; bytes and packets are those before sampling."""
        packets = max(round(octets / packet / self.sampling), 1)
        self.rows.append((src, dst, *ports, protocol, packets * packet, packets, start, end))

    def batch(self) -> Datagrams:
        """Return all datagrams, in the order of their receipt, some seconds after each end."""
        src, dst, src_port, dst_port, protocol, octets, packets, start, end = zip(
            *sorted(self.rows, key=lambda row: row[-1]), strict=True
        )

        def column(values):
            return np.array(values, np.int64)

        flows = FlowColumns(
            is_v6=np.array([":" in one for one in src]), src=_halves(src), dst=_halves(dst),
            src_port=column(src_port), dst_port=column(dst_port), protocol=column(protocol),
            tcp_flags=column(protocol) * 0, in_if=column(protocol) * 0 + 1,
            out_if=column(protocol) * 0 + 2, bytes=column(octets), packets=column(packets),
            start_ns=column(start), end_ns=column(end),
        )  # fmt: skip
        exporter = Exporter(10, 1, BEGIN_NS - 86_400 * SECOND, self.sampling,
                            refresh_ns=600 * SECOND)  # fmt: skip
        export = (column(end) // SECOND + 2) * SECOND
        encoded = Encoder(exporter).encode(flows, export)
        sources = Sources()
        number = sources.number("192.0.2.1", 30_000)
        return Datagrams(
            data=encoded.data, start=encoded.start, length=encoded.length,
            source=np.full(len(encoded.start), number, np.int32),
            received_ns=encoded.export_ns + 1_000_000, sources=sources,
        )  # fmt: skip

    def write(self, path: Path) -> Path:
        """Write a capture."""
        with PcapWriter(path) as writer:
            writer.write(self.batch())
        return path


def _halves(texts) -> np.ndarray:
    numbers = [int(ip_address(text)) for text in texts]
    return np.array([[n >> 64, n & (2**64 - 1)] for n in numbers], np.uint64)


def configured(**more: object) -> Config:
    """Return the configuration that knows the site."""
    return Config.model_validate({"timezone": "UTC", "networks": NETWORKS, **more})


def evidence_of(made: Made, config: Config | None = None, networks=()):
    """Return the evidence of a capture."""
    config = config or configured()
    gathered = gathering(config)
    for flows in Decoder().decode(made.batch()).flows:
        gathered.feed(flows, {})
    return of_captures(config, gathered, networks=networks)


def found(made: Made, config: Config | None = None):
    """Return what the hunt finds."""
    config = config or configured()
    return hunt(evidence_of(made, config), settings(config))
