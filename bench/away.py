"""InfluxDB stopped under 20 000 flows a second, then started: every byte is there once.

The collector writes into its spool meanwhile, and from there when InfluxDB is back; flows keep
coming all the time. Prints what was sent and found, the spool's largest size and what was dropped.
Exit status 1 where a byte is missing or there twice, or anything was dropped.

    python bench/away.py [--full | --seconds N]

`make bench` stops InfluxDB for 10 seconds; --full is ten minutes.
"""

import argparse
import sys
import threading
import time
from dataclasses import dataclass, field

import numpy as np
from live import SECOND, Sender, Setup, Watch, setup, spooled
from traffic import NOW, RATE, flows

from flowsleuth.demo.encode import Encoder, Exporter

FULL, SHORT = 600, 10
BEFORE_S, AFTER_S = 2, 3
DRAIN_LIMIT_S = 300
KINDS = 20
"""So many different seconds of traffic, which come in turn."""

DROPPED = ("kernel_drops", "points_dropped", "points_refused")
FIELDS = ("bytes", "packets", "flows")


@dataclass
class Traffic:
    """Sends RATE flows each second from a thread, until told to stop.

    sent: bytes, packets and flows, all of them; each record is one row, since half of the ends are
    in the one network and half outside.
    """

    port: int
    sent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        """Start."""
        self._seconds = [flows(RATE, seed)[0] for seed in range(KINDS)]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """End after the second that is being sent; raises what went wrong."""
        self._stopping.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        encoder = Encoder(Exporter(version=9, domain=1, boot_ns=time.time_ns() - 86_400 * SECOND))
        begun, number = time.monotonic(), 0
        try:
            with Sender(self.port) as sender:
                while not self._stopping.is_set():
                    self._second(encoder, sender, number % KINDS)
                    number += 1
                    time.sleep(max(0.0, begun + number - time.monotonic()))
        except BaseException as failure:  # noqa: BLE001  raised again by `stop`
            self.failure = failure

    def _second(self, encoder: Encoder, sender: Sender, kind: int) -> None:
        columns = self._seconds[kind]
        now = time.time_ns() // SECOND * SECOND
        shifted = columns.take(np.arange(RATE))
        shifted.start_ns += now - NOW
        shifted.end_ns += now - NOW
        sender.send(encoder.encode(shifted, np.full(RATE, now)))
        for name in ("bytes", "packets"):
            self.sent[name] += int(getattr(columns, name).sum())
        self.sent["flows"] += RATE


def outage(where: Setup, seconds: int) -> tuple[dict[str, int], int, int]:
    """Return what was sent, the spool's largest size and the most memory, in bytes."""
    largest = 0
    with where.collect() as collect:
        watch = Watch()
        traffic = Traffic(where.port)
        try:
            time.sleep(BEFORE_S)
            where.influxd.pause()
            print(f"  InfluxDB is away for {seconds} s", flush=True)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(0.5)
                collect.check()
                largest = max(largest, spooled(where.spool))
            where.influxd.start()
            begun = time.monotonic()
            while (waiting := spooled(where.spool)) and time.monotonic() < begun + DRAIN_LIMIT_S:
                largest = max(largest, waiting)
                time.sleep(0.1)
            print(f"  the spool was empty {time.monotonic() - begun:.0f} s after it was back")
            time.sleep(AFTER_S)
        finally:
            traffic.stop()
    return traffic.sent, largest, watch.peak


def main() -> None:
    """Run it; exit status 1 where something is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help=f"away for {FULL} s")
    parser.add_argument("--seconds", type=int, default=SHORT)
    asked = parser.parse_args()
    seconds = FULL if asked.full else asked.seconds
    short = {} if seconds >= FULL else {"window": "1s", "grace": "1s"}
    missed = []
    print(f"{RATE:,} flows a second")
    with setup(**short) as where:
        sent, largest, peak = outage(where, seconds)
        for measurement in ("traffic", "talkers"):
            for name, expected in sent.items():
                found = where.total(measurement, name)
                print(f"  {measurement}: {name} {found:,} of {expected:,}")
                if found != expected:
                    missed.append(f"{measurement} {name}")
        dropped = {name: where.total("ingester", name) for name in DROPPED}
        left = spooled(where.spool)
    print(f"  the spool's largest size {largest / 1e6:.1f} MB, left in it {left} bytes")
    print(f"  resident memory at most {peak / 1e6:.0f} MB")
    print("  " + ", ".join(f"{name} {count}" for name, count in dropped.items()))
    missed += [name for name, count in dropped.items() if count]
    if not largest:
        missed.append("the spool was never used")
    if left:
        missed.append("the spool is not empty")
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
