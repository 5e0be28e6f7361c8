"""What the archive costs: the daemon's loop with it and without, turn by turn in one run.

The loop is the real one (`Collector`), from batches as a busy receiver hands them over to finished
lines, which are thrown away; the archive is written to the disk that TMPDIR is on. So the share is
of all that `collect` does but receiving and sending, and is lower with them. All measurements are
on, with 50 networks and random addresses; windows close as the datagrams' own time goes on. Also
says what a flow takes on disk, when we are that busy and in ordinary times. The best of many short
turns each is compared, since other programs of the machine only ever add. Files are not synced:
that happens once in five minutes, here it would be once in half a second.

    python bench/archive.py [FLOWS]
"""

import logging
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from throughput import CONFIG, VERSIONS
from traffic import batches

from flowsleuth.pipeline.collector import Collector
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.pipeline.state import State
from flowsleuth.receive import archive as archive_module
from flowsleuth.receive.archive import Archive
from flowsleuth.receive.archive_files import find
from flowsleuth.receive.archive_folder import ArchiveFolder
from flowsleuth.receive.datagrams import Datagrams
from flowsleuth.receive.udp import Statistics
from flowsleuth.write.influx import Written

DEMANDED = 0.20
"""The archive may cost less than this share of the throughput."""

ROUNDS = 15
DAY_NS = 86_400 * 1_000_000_000


class Given:
    """A receiver that has batches, a clock that follows them, and a writer that keeps nothing."""

    def __init__(self, parts: list[Datagrams]) -> None:
        self.parts = iter(parts)
        self.now = int(parts[0].received_ns[0])
        self.collector: Collector | None = None

    def clock(self) -> int:
        """Return the receipt of the last datagram."""
        return self.now

    def batches(self, _wait_s: float) -> Datagrams | None:
        """Return the next batch; after the last one the collector is told to stop."""
        part = next(self.parts, None)
        if part is None:
            assert self.collector is not None
            self.collector.stop()
            return None
        self.now = int(part.received_ns[-1])
        return part

    def statistics(self) -> Statistics:
        """Return nothing received."""
        return Statistics(0, 0, 0, ())

    def totals(self) -> Written:
        """Return nothing written."""
        return Written()

    def submit(self, _measurement: str, _lines: list[bytes]) -> None:
        """Throw lines away."""

    def commit(self) -> None:
        """Do nothing."""

    stop = close = commit


@dataclass
class Turn:
    """Seconds of one turn, wall and CPU, and what it left on disk."""

    wall: float
    cpu: float
    bytes: int = 0


def turn(parts: list[Datagrams], folder: Path | None) -> Turn:
    """Run the daemon's loop over all batches; with an archive until its last byte is on disk."""
    given = Given(parts)
    archive = None
    if folder is not None:
        archive = Archive(ArchiveFolder(folder, 36_500 * DAY_NS, 1 << 50), given.clock)
    state = State(None, "bench")
    pipeline = Pipeline(CONFIG, {})
    begun, used = time.perf_counter(), time.process_time()
    if archive is not None:
        archive.start()
    given.collector = Collector(
        CONFIG,
        given,
        pipeline,
        given,
        state,
        given.clock,
        archive=archive,  # type: ignore[arg-type]
    )
    given.collector.run()
    done = Turn(time.perf_counter() - begun, time.process_time() - used)
    if archive is not None and folder is not None:
        if archive.totals().archive_lost:
            sys.exit(f"not all is in the archive: {archive.totals()}")
        done.bytes = sum(file.path.stat().st_size for file in find(folder))
    return done


def ordinary_bytes(parts: list[Datagrams]) -> int:
    """Return what batches take on disk where there is time to pack them better."""
    with tempfile.TemporaryDirectory() as folder, patch.object(archive_module, "BUSY_RATE", 1e18):
        return turn(parts, Path(folder)).bytes


def main() -> None:
    """Print a row for each version; exit status 1 where the archive costs too much."""
    logging.disable()
    flows = int(sys.argv[1]) if len(sys.argv) > 1 else 400_000
    missed = []
    print(f"{flows:,} flows of {flows / 20_000 / 60:.1f} minutes, the best of {ROUNDS} turns each")
    print(
        "        M flows/s without, with   lost of throughput         lost by CPU"
        "   bytes a flow, ordinarily"
    )
    for version, (name, _) in VERSIONS.items():
        parts = batches(version, flows)
        pairs = []
        for i in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder, patch.object(os, "fsync"):
                order = [None, Path(folder)] if i % 2 else [Path(folder), None]
                ran = [turn(parts, place) for place in order]
                pairs.append(ran if i % 2 else ran[::-1])
        plain, kept = (min(pair[i].wall for pair in pairs) for i in (0, 1))
        wall = 1 - plain / kept
        cpu = 1 - min(pair[0].cpu for pair in pairs) / min(pair[1].cpu for pair in pairs)
        print(
            f"{name:6}  {flows / plain / 1e6:10.2f} {flows / kept / 1e6:10.2f}"
            f"  {wall:18.1%}  {cpu:18.1%}"
            f"  {pairs[0][1].bytes / flows:11.1f} {ordinary_bytes(parts) / flows:11.1f}"
        )
        if max(wall, cpu) >= DEMANDED:
            missed.append(name)
    print(f"demanded: less than {DEMANDED:.0%}")
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
