"""Traffic from a seed: random ends, sizes and clocks, as datagrams of v5, v9 or IPFIX.

`records` are what was put in, before anything of FlowSleuth touched it; times are those that the
version can carry (ms, and in v9 whole seconds in the header).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address

import numpy as np
import numpy.typing as npt

from flowsleuth.demo.encode import Encoder, Exporter, FlowColumns
from flowsleuth.receive.datagrams import Datagrams, Sources

from .ingesting import SECOND

NOW = 1_800_000_000 * SECOND
DAY_S = 86_400

ENDS = ("10.1.0.1", "10.1.0.9", "10.2.0.1", "192.168.1.1", "192.168.1.2", "8.8.8.8", "9.9.9.9")
SIX = ("2001:db8:1::1", "2001:db8:1::2", "2001:db8:9::1", "fd00::7")
PORTS = (0, 22, 53, 443, 1023, 1024, 3306, 5000, 14857, 40000, 50000, 65535)
SKEWS_S = (0, 0, 0, 1, 119, 121, 8 * 3600, -8 * 3600)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Traffic:
    """Datagrams in order of receipt, and the records in them as the reference reads them."""

    datagrams: Datagrams
    records: list[dict]

    def part(self, chosen: Callable[[Ints], npt.NDArray[np.bool_]]) -> Datagrams:
        """Return the datagrams whose receipts (ns) are chosen."""
        rows = np.flatnonzero(chosen(self.datagrams.received_ns))
        d = self.datagrams
        return replace(
            d,
            start=d.start[rows],
            length=d.length[rows],
            source=d.source[rows],
            received_ns=d.received_ns[rows],
        )


def generated(seed: int, n: int = 16, seconds: int = 300, days: int = 0) -> Traffic:
    """Return n records exported within `seconds`, `days` from NOW; all by one clock and one rate.

    Every second's first datagram has the templates, so that any part can be read by itself.
    """
    rng = np.random.default_rng(seed)
    version = int(rng.choice([5, 9, 10]))
    exporter = Exporter(
        version=version,
        domain=seed % 50_000,  # of its own: rates are learned by domain
        boot_ns=NOW - int(rng.integers(0, 60 * DAY_S)) * SECOND,
        sampling=int(rng.choice([1, 1, 100])),
        refresh_ns=1,
    )
    received = NOW + days * DAY_S * SECOND + np.sort(rng.integers(0, seconds, n)) * SECOND
    skew = int(rng.choice(SKEWS_S)) * SECOND
    flows = columns(rng, n, received - skew, six=version != 5)
    return of(exporter, flows, received, skew)


def columns(rng: np.random.Generator, n: int, export: Ints, *, six: bool) -> FlowColumns:
    """Return n flows with honest and dishonest times around their export."""
    is_v6 = rng.random(n) < (0.3 if six else 0)
    ends = [np.where(is_v6, rng.choice(SIX, n), rng.choice(ENDS, n)) for _ in range(2)]
    old = rng.choice([-50, 0, 7, 600, 5 * 3600, 26 * 3600], n) * rng.random(n)
    long = rng.choice([0, 1, 90, 900, -5], n) * rng.random(n)
    if rng.random() < 0.1:
        long[0] = 27 * 3600
    end = export - (old * 1000).astype(np.int64) * 1_000_000
    return FlowColumns(
        is_v6=is_v6,
        src=numbers(ends[0]),
        dst=numbers(ends[1]),
        src_port=rng.choice(PORTS, n),
        dst_port=rng.choice(PORTS, n),
        protocol=rng.choice([1, 6, 17, 58], n),
        tcp_flags=rng.choice([0, 2, 16, 18], n),
        in_if=rng.integers(0, 3, n),
        out_if=rng.integers(0, 3, n),
        bytes=rng.integers(0, 2 ** rng.integers(1, 33), n),
        packets=rng.integers(0, 2 ** rng.integers(1, 21), n),
        start_ns=end - (long * 1000).astype(np.int64) * 1_000_000,
        end_ns=end,
    )


def of(exporter: Exporter, flows: FlowColumns, received: Ints, skew_ns: int = 0) -> Traffic:
    """Encode flows that are received at `received` (whole seconds) by a clock `skew_ns` behind."""
    encoded = Encoder(exporter).encode(flows, received - skew_ns)
    sources = Sources()
    batch = Datagrams(
        encoded.data,
        encoded.start,
        encoded.length,
        np.full(len(encoded.start), sources.number("192.0.2.1", 2055), np.int32),
        encoded.export_ns + skew_ns,
        sources,
    )
    records = [
        {
            "src": str(_text(flows.src[i], flows.is_v6[i])),
            "dst": str(_text(flows.dst[i], flows.is_v6[i])),
            "protocol": int(flows.protocol[i]),
            "bytes": int(flows.bytes[i]) * exporter.sampling,
            "packets": int(flows.packets[i]) * exporter.sampling,
            "start_ns": int(flows.start_ns[i]),
            "end_ns": int(flows.end_ns[i]),
            "received_ns": int(received[i]),
            "export_ns": int(received[i]) - skew_ns,
        }
        for i in range(len(flows))
    ]
    return Traffic(batch, records)


def numbers(addresses: npt.NDArray[np.str_] | list[str]) -> npt.NDArray[np.uint64]:
    """Return addresses as uint64 (n, 2), high half first."""
    values = [int(ip_address(str(text))) for text in addresses]
    return np.array([[v >> 64, v & (2**64 - 1)] for v in values], np.uint64).reshape(-1, 2)


def _text(halves: npt.NDArray[np.uint64], is_v6: np.bool_) -> object:
    value = int(halves[0]) << 64 | int(halves[1])
    return ip_address(value.to_bytes(16)) if is_v6 else ip_address(value)
