"""What a hunt costs: CPU seconds and memory of `flowsleuth hunt` over a capture of a day.

Ten million flow records of 50 networks (bench/traffic.py: random addresses, so that nearly every
flow is a pair of its own), IPFIX, in one pcap, in which one host sends for twenty minutes. The
command runs in a process of its own, from the file. Exit status 1 where it takes more than is
demanded, or finds another than that host.

    python bench/hunt_cost.py [--flows N] [--hours H]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from traffic import NETWORKS, NOW, RATE, SECOND, flows

from flowsleuth.demo.capture import PcapWriter
from flowsleuth.demo.encode import Encoder, Exporter, FlowColumns
from flowsleuth.receive.datagrams import Datagrams, Sources

CPU_S, MEMORY_MB = 60.0, 1000
FLOWS, HOURS = 10_000_000, 24
PART = 500_000

HOST, PORT = "10.7.42.17", 14857
_HOST = (10 << 24) + (7 << 16) + (42 << 8) + 17
MINUTES, BYTES = 20, 400_000_000
"""How long the host sends, and how much a minute."""


def write(path: Path, count: int, hours: float) -> None:
    """Write the capture, part by part."""
    encoder = Encoder(Exporter(version=10, domain=1, boot_ns=NOW - 86_400 * SECOND))
    sources = Sources()
    source = sources.number("192.0.2.1", 30_000)
    slower = hours * 3600 * RATE / count
    with PcapWriter(path) as writer:
        for number, first in enumerate(range(0, count, PART)):
            n = min(PART, count - first)
            columns, export = flows(n, number + 1)
            at = NOW + ((first + np.arange(n)) / RATE * slower).astype(np.int64) * SECOND
            columns.start_ns += at - export
            columns.end_ns += at - export
            _tell(columns, at, hours)
            encoded = encoder.encode(columns, at)
            writer.write(
                Datagrams(
                    data=encoded.data, start=encoded.start, length=encoded.length,
                    source=np.full(len(encoded.start), source, np.int32),
                    received_ns=encoded.export_ns + 1_000_000, sources=sources,
                )
            )  # fmt: skip


def _tell(columns: FlowColumns, at: np.ndarray[tuple[int], np.dtype[np.int64]],
          hours: float) -> None:  # fmt: skip
    """Make one flow of each minute the host's, two thirds of the way."""
    begin = NOW + int(hours * 2400) // 60 * 60 * SECOND
    for minute in range(MINUTES):
        start = begin + minute * 60 * SECOND
        (rows,) = np.nonzero((at >= start + 60 * SECOND) & (at < start + 120 * SECOND))
        if not len(rows):
            continue
        row = rows[0]
        columns.src[row, 1], columns.dst[row, 1] = _HOST, 0xC6120707
        columns.src_port[row], columns.dst_port[row] = PORT, 50_000
        columns.protocol[row], columns.tcp_flags[row] = 17, 0
        columns.bytes[row], columns.packets[row] = BYTES, BYTES // 1000
        columns.start_ns[row], columns.end_ns[row] = start, start + 59 * SECOND


def measure(path: Path, config: Path) -> tuple[float, float, list[dict[str, object]]]:
    """Hunt in the capture; return CPU seconds, MB at most, and what was found."""
    command = [sys.executable, "-m", "flowsleuth", "hunt", "-c", config, path, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"hunt failed: exit status {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1000, json.loads(out)["findings"]


def main() -> int:
    """Print what it took; return the exit status."""
    options = argparse.ArgumentParser(description="What does a hunt cost?")
    options.add_argument("--flows", type=int, default=FLOWS)
    options.add_argument("--hours", type=float, default=HOURS, help="how long the capture is")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, config = Path(folder) / "day.pcap", Path(folder) / "bench.yaml"
        networks = [{"name": f"net-{i:02}", "prefixes": [f"10.{i}.0.0/16"]}
                    for i in range(NETWORKS)]  # fmt: skip
        config.write_text(json.dumps({"networks": networks}), encoding="utf-8")
        write(path, asked.flows, asked.hours)
        size = path.stat().st_size / 1e6
        cpu, memory, found = measure(path, config)
    told = [(one["kind"], one["address"], one["port"]) for one in found]
    print(
        f"{asked.flows:,} flows of {asked.hours:g} h, a capture of {size:,.0f} MB: "
        f"{cpu:.1f} s of CPU, {memory:.0f} MB of memory, found {told}"
    )
    good = cpu < CPU_S and memory < MEMORY_MB and told == [("host", HOST, PORT)]
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
