"""Traffic for the benchmarks: 50 networks, three protocols, random addresses; v5, v9 and IPFIX."""

import numpy as np

from flowsleuth.demo.encode import Encoder, Exporter, FlowColumns
from flowsleuth.receive.datagrams import Datagrams, Sources

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
NETWORKS = 50


RATE = 20_000
"""Flows in a second: what the security analyst of shared/design.md has."""


SERVICES = {443: 0.45, 53: 0.2, 80: 0.12, 8443: 0.06, 3306: 0.05, 123: 0.05, 22: 0.04, 25: 0.03}
"""Service port → its share of the flows; those above 1023 need the window to be told apart."""


def flows(n: int, seed: int = 1) -> tuple[FlowColumns, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Make n flows, and when each is exported, RATE a second from NOW on.

    Half come from inside, half from outside; ports are as clients and servers have them.
    """
    rng = np.random.default_rng(seed)
    inside = (10 << 24) + rng.integers(0, NETWORKS, n) * 65536 + rng.integers(1, 65535, n)
    outside = rng.integers(0x20000000, 0xDF000000, n)
    forth = rng.random(n) < 0.5
    pair = np.zeros((2, n, 2), np.uint64)
    pair[0, :, 1] = np.where(forth, inside, outside)
    pair[1, :, 1] = np.where(forth, outside, inside)
    service = rng.choice(list(SERVICES), n, p=list(SERVICES.values()))
    client = rng.integers(32768, 61000, n)
    protocol = np.where(np.isin(service, (53, 123)), 17, 6)
    icmp = rng.random(n) < 0.03
    export = NOW + np.arange(n) // RATE * SECOND
    end = export - rng.integers(0, 15 * SECOND, n) // 1_000_000 * 1_000_000
    length = (rng.exponential(6, n) * SECOND).astype(np.int64) // 1_000_000 * 1_000_000
    packets = rng.geometric(0.05, n)
    columns = FlowColumns(
        is_v6=np.zeros(n, bool),
        src=pair[0],
        dst=pair[1],
        src_port=np.where(icmp, 0, np.where(forth, client, service)),
        dst_port=np.where(icmp, 0, np.where(forth, service, client)),
        protocol=np.where(icmp, 1, protocol),
        tcp_flags=np.where(protocol == 6, 0x1B, 0),
        in_if=np.where(forth, 2, 1),
        out_if=np.where(forth, 1, 2),
        bytes=packets * rng.integers(60, 1400, n),
        packets=packets,
        start_ns=end - length,
        end_ns=end,
    )
    return columns, export


def batches(version: int, n: int, datagrams: int = 2000) -> list[Datagrams]:
    """Encode n flows and cut them into batches as a busy receiver would hand them over."""
    exporter = Exporter(version=version, domain=1, boot_ns=NOW - 86_400 * SECOND)
    encoded = Encoder(exporter).encode(*flows(n))
    sources = Sources()
    source = sources.number("192.0.2.1", 30000)
    cut = []
    for at in range(0, len(encoded.start), datagrams):
        rows = slice(at, at + datagrams)
        count = len(encoded.start[rows])
        first = encoded.start[rows][0]
        last = encoded.start[rows][-1] + encoded.length[rows][-1]
        cut.append(
            Datagrams(
                data=encoded.data[first:last].copy(),
                start=encoded.start[rows] - first,
                length=encoded.length[rows],
                source=np.full(count, source, np.int32),
                received_ns=encoded.export_ns[rows],
                sources=sources,
            )
        )
    return cut
