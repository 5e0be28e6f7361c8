"""What `collect` needs for sites of several sizes: memory, CPU time, series, points.

Each site sends for --seconds in real time: its hosts by a power law, its services as in traffic.py,
active timeout a minute. docs/operating.md and docs/small.md have the tables.

    python bench/sizes.py [--seconds N]
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
import psutil
from live import SECOND, Sender, Watch, setup
from traffic import SERVICES

from flowsleuth.demo.encode import Encoder, Exporter, FlowColumns


@dataclass(frozen=True)
class Size:
    """A site: what it is called, its preset, its hosts, its flows in a second."""

    name: str
    preset: str
    hosts: int
    rate: int


SIZES = (
    Size("a home or a small office", "small", 60, 50),
    Size("one department, one firewall", "small", 500, 300),
    Size("a site of 2 000 hosts", "normal", 2_000, 2_000),
    Size("a campus", "normal", 20_000, 8_000),
)

NETWORKS = [{"name": f"Net{i}", "prefixes": [f"10.{i}.0.0/16"]} for i in range(10)]


def flows(size: Size, now_ns: int, rng: np.random.Generator) -> FlowColumns:
    """Make what is exported in one second."""
    n = size.rate
    rank = np.minimum((size.hosts * rng.random(n) ** 3).astype(np.int64), size.hosts - 1)
    inside = (10 << 24) + (rank % len(NETWORKS) << 16) + 1 + rank // len(NETWORKS)
    outside = 0x20000000 + (rng.zipf(1.3, n) % 200_000)
    forth = rng.random(n) < 0.5
    pair = np.zeros((2, n, 2), np.uint64)
    pair[0, :, 1], pair[1, :, 1] = np.where(forth, (inside, outside), (outside, inside))
    service = rng.choice(list(SERVICES), n, p=list(SERVICES.values()))
    client = rng.integers(32768, 61000, n)
    end = now_ns - rng.integers(0, 10 * SECOND, n) // 1_000_000 * 1_000_000
    length = np.minimum(rng.exponential(6, n), 60).astype(np.int64) * SECOND
    packets = rng.geometric(0.05, n)
    return FlowColumns(
        is_v6=np.zeros(n, bool), src=pair[0], dst=pair[1],
        src_port=np.where(forth, client, service), dst_port=np.where(forth, service, client),
        protocol=np.where(np.isin(service, (53, 123)), 17, 6),
        tcp_flags=np.full(n, 0x1B), in_if=np.full(n, 1), out_if=np.full(n, 2),
        bytes=packets * rng.integers(60, 1400, n), packets=packets,
        start_ns=end - length, end_ns=end,
    )  # fmt: skip


def measure(size: Size, seconds: int) -> str:
    """Return a row of the table."""
    rng = np.random.default_rng(1)
    settings = {"preset": size.preset, "networks": NETWORKS, "health": None}
    with setup(**settings) as place, Sender(place.port) as sender:
        encoder = Encoder(Exporter(version=9, domain=1, boot_ns=time.time_ns() - 10**14))
        with place.collect():
            watch = Watch()
            process = next(c for c in psutil.Process().children() if "collect" in c.cmdline())
            before = sum(process.cpu_times()[:2])
            began = time.monotonic()
            for second in range(seconds):
                now = time.time_ns()
                made = flows(size, now, rng)
                sender.send(encoder.encode(made, np.full(size.rate, now // SECOND * SECOND)))
                time.sleep(max(0.0, began + second + 1 - time.monotonic()))
            used = sum(process.cpu_times()[:2]) - before
            share = used / (time.monotonic() - began)
        series = int(str(place.ask('SELECT last("series") AS n FROM "ingester"')[0]["n"]))
        points = place.total("ingester", "points")
        lost = place.total("ingester", "kernel_drops")
    assert not lost, f"{lost} datagrams dropped: the machine is too busy to measure"
    minutes = seconds / 60
    return (
        f"| {size.name} | {size.preset} | {size.hosts} | {size.rate} | {watch.peak / 2**20:.0f} MB "
        f"| {share:.1%} | {series} | {points / minutes:.0f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=200)
    seconds = parser.parse_args().seconds
    print("| site | preset | hosts | flows/s | memory | of one core | series | points a minute |")
    print("|---|---|---|---|---|---|---|---|")
    for size in SIZES:
        print(measure(size, seconds), flush=True)


if __name__ == "__main__":
    main()
