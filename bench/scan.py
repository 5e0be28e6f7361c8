"""A scan of millions of distinct (address, port) pairs through `collect`, and who hides in it.

Twice: from outside at as many addresses inside (each a would-be host of its own), and from one
scanner inside at as many outside (each a would-be conversation). A third into the scan one host
begins to send in earnest. What must hold: memory and series stay bounded, that host has its own
series with every byte of it, and sums are exact. Exit status 1 where one does not.

    python bench/scan.py [--full | --pairs N]

`make bench` sends 300 000 pairs each way in half a minute; --full is 10 million (some minutes).
"""

import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np
from live import SECOND, Sender, Setup, Watch, setup

from flowsleuth.demo.encode import Encoder, Exporter, FlowColumns

FULL, SHORT = 10_000_000, 300_000
RATE = 60_000
"""Flows a second at most: as many as one fast scanner sends probes over a 40 Mbit/s line."""

MEMORY = 400_000_000
"""Bytes resident that `collect` may take."""

PROBE, HEAVY = 40, 1_000_000
"""Bytes of a probe (a bare SYN), and of each second of the host that matters."""

SCANNED, SCANNER = (10 << 24) + 1, (10 << 24) + (99 << 16) + 66
HEAVY_INSIDE, HEAVY_TEXT, HEAVY_PORT = (10 << 24) + (77 << 16) + 5, "10.77.0.5", 873
OUTSIDE = 0x20000000
DETAIL = ("talkers", "hosts", "conversations", "heavy")


@dataclass
class Sent:
    """What went out: bytes of all, bytes of the heavy host, flows."""

    bytes: int = 0
    heavy: int = 0
    flows: int = 0


def probes(first: int, n: int, inward: bool, now: int, heavy: bool) -> FlowColumns:
    """Make n probes from number `first` on, all to different addresses; then the heavy flow."""
    i = np.arange(first, first + n)
    # An odd factor permutes the 2^24 addresses of a /8: no address comes twice.
    target = (SCANNED if inward else OUTSIDE) + (i * 2_654_435_761 & (1 << 24) - 1)
    source = np.full(n, OUTSIDE + 7 if inward else SCANNER)
    ports = np.stack((32768 + i % 28_000, 1 + i * 7919 % 65_535))
    sizes = np.full(n, PROBE)
    if heavy:
        ends = (OUTSIDE + 9, HEAVY_INSIDE) if inward else (HEAVY_INSIDE, OUTSIDE + 9)
        source, target = np.append(source, ends[0]), np.append(target, ends[1])
        ports = np.append(ports, [[40_000], [HEAVY_PORT]], axis=1)
        sizes = np.append(sizes, HEAVY)
    size = len(sizes)
    ends64 = np.zeros((2, size, 2), np.uint64)
    ends64[0, :, 1], ends64[1, :, 1] = source, target
    return FlowColumns(
        is_v6=np.zeros(size, bool),
        src=ends64[0],
        dst=ends64[1],
        src_port=ports[0],
        dst_port=ports[1],
        protocol=np.full(size, 6),
        tcp_flags=np.full(size, 2),
        in_if=np.full(size, 1),
        out_if=np.full(size, 2),
        bytes=sizes,
        packets=np.maximum(1, sizes // 1000),
        start_ns=np.full(size, now - SECOND),
        end_ns=np.full(size, now),
    )


def scan(sender: Sender, pairs: int, inward: bool) -> Sent:
    """Send the scan, a second's worth at a time."""
    encoder = Encoder(Exporter(version=5, domain=1, boot_ns=time.time_ns() - 3600 * SECOND))
    sent = Sent()
    begun = time.monotonic()
    for number, first in enumerate(range(0, pairs, RATE)):
        now = time.time_ns()
        heavy = first >= pairs // 3
        flows = probes(first, min(RATE, pairs - first), inward, now, heavy)
        sender.send(encoder.encode(flows, np.full(len(flows), now)))
        sent.bytes += int(flows.bytes.sum())
        sent.heavy += HEAVY * heavy
        sent.flows += len(flows)
        time.sleep(max(0.0, begun + number + 1 - time.monotonic()))
    return sent


def judged(where: Setup, sent: Sent, peak: int) -> list[str]:
    """Print what came of it; return what is missed."""
    budget = where.config.series_budget
    series = {}
    for name in DETAIL:
        rows = where.ask(f"SHOW SERIES EXACT CARDINALITY FROM {where.source(name)}")
        series[name] = int(str(rows[0]["count"])) if rows else 0
    own = where.total(
        "talkers", where=f"\"address\" = '{HEAVY_TEXT}' AND \"port\" = '{HEAVY_PORT}'"
    )
    sums = {
        f"{name}: {field}": (where.total(name, field), expected)
        for name in ("traffic", "talkers")
        for field, expected in (("bytes", sent.bytes), ("flows", sent.flows))
    }
    lost = where.total("ingester", "kernel_drops")
    text = ", ".join(f"{name} {count:,}" for name, count in series.items())
    print(f"  resident memory at most {peak / 1e6:.0f} MB (of {MEMORY / 1e6:.0f})")
    print(f"  series: {text}; {sum(series.values()):,} of {budget:,}")
    print(f"  the heavy host's own series: {own:,} bytes of {sent.heavy:,}")
    for name, (found, expected) in sums.items():
        print(f"  {name} {found:,} of {expected:,}")
    print(f"  dropped by the kernel: {lost}")
    missed = {
        "memory": peak > MEMORY,
        "series budget": sum(series.values()) > budget,
        "the heavy host": own != sent.heavy,
        "datagrams": lost != 0,
        **{name: found != expected for name, (found, expected) in sums.items()},
    }
    return [name for name, is_missed in missed.items() if is_missed]


def run(pairs: int, inward: bool) -> list[str]:
    """Scan one way; return what is missed."""
    way = "outside at inside" if inward else "one inside at outside"
    short = {} if pairs > 2_000_000 else {"window": "10s", "grace": "1s"}
    print(f"{pairs:,} pairs, {way}")
    with setup(**short) as where:
        begun = time.monotonic()
        with where.collect(), Sender(where.port) as sender:
            watch = Watch()
            sent = scan(sender, pairs, inward)
        print(f"  {time.monotonic() - begun:.0f} s")
        return judged(where, sent, watch.peak)


def main() -> None:
    """Run both ways."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help=f"send {FULL:,} pairs each way")
    parser.add_argument("--pairs", type=int, default=SHORT)
    asked = parser.parse_args()
    pairs = FULL if asked.full else asked.pairs
    missed = [what for inward in (True, False) for what in run(pairs, inward)]
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
