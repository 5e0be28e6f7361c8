"""The real `flowsleuth collect` before a real InfluxDB on loopback, for the benchmarks.

What is sent is paced: by flows a second, and by what waits in the collector's socket, so that a
slow machine takes longer and loses nothing.
"""

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil
import yaml

from flowsleuth.config import Config
from flowsleuth.demo.encode import Encoded
from flowsleuth.demo.influxd import LocalInfluxd, build_influxd, find_influxd
from flowsleuth.demo.live import Collect, free_udp_port
from flowsleuth.schema import BY_NAME, Kept
from flowsleuth.write import server

SECOND = 1_000_000_000
MOST_WAITING = 1 << 20
"""Bytes in the socket's queue from which on the sender waits: a 1/16 of what `collect` asks for."""


@dataclass(frozen=True)
class Setup:
    """A running InfluxDB and the configuration of the collector that writes to it."""

    influxd: LocalInfluxd
    config: Config
    file: Path
    folder: Path

    @property
    def port(self) -> int:
        """Where the collector listens."""
        return self.config.listen[0].port

    @property
    def spool(self) -> Path:
        """The folder of the collector's spool."""
        return self.folder / "state" / f"spool-{self.config.ingester}"

    def collect(self) -> Collect:
        """Return the collector, to be used in a `with`."""
        return Collect(self.file, self.folder / "collect.log")

    def ask(self, statement: str) -> list[dict[str, object]]:
        """Return the rows of an InfluxQL answer, each with its tags."""
        with server.connect(self.config.influx) as client:
            return [
                {**series.tags, **dict(zip(series.columns, row, strict=True))}
                for series in server.influxql(client, self.config.influx, statement)
                for row in series.rows
            ]

    def source(self, measurement: str) -> str:
        """Return a measurement as FROM takes it."""
        detail = BY_NAME[measurement].kept is Kept.DETAIL
        return f'"{self.config.influx.policy}"."{measurement}"' if detail else f'"{measurement}"'

    def total(self, measurement: str, field: str = "bytes", where: str = "") -> int:
        """Return the sum of a field over all that is there; 0 if nothing is."""
        condition = f" WHERE {where}" if where else ""
        rows = self.ask(f'SELECT sum("{field}") FROM {self.source(measurement)}{condition}')  # noqa: S608  names of our own
        return int(str(rows[0]["sum"])) if rows else 0


@contextmanager
def setup(**settings: object) -> Iterator[Setup]:
    """Yield a running InfluxDB 1.8 and a configuration for it; all of it goes with the block."""
    binary = find_influxd() or build_influxd(print)
    with tempfile.TemporaryDirectory() as name, LocalInfluxd(binary) as influxd:
        folder = Path(name)
        written = {
            "listen": [f"127.0.0.1:{free_udp_port()}"],
            "influx": {"url": influxd.url, "token": influxd.token, "org": influxd.org},
            "networks": [{"name": "Green", "prefixes": ["10.0.0.0/8"]}],
            "state_dir": str(folder / "state"),
            **settings,
        }
        file = folder / "flowsleuth.yaml"
        file.write_text(yaml.safe_dump(written))
        yield Setup(influxd, Config.model_validate(written), file, folder)


class Sender:
    """Sends datagrams to the collector as fast as it takes them."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._key = f":{port:04X}"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, encoded: Encoded) -> None:
        """Send all datagrams; every few it waits for room in the collector's socket."""
        data = encoded.data.tobytes()
        places = zip(encoded.start.tolist(), encoded.length.tolist(), strict=True)
        for number, (start, length) in enumerate(places):
            if number % 100 == 0:
                while self._waiting() > MOST_WAITING:
                    time.sleep(0.002)
            self._socket.sendto(data[start : start + length], self._to)

    def _waiting(self) -> int:
        """Return the bytes in the socket's queue (Linux: /proc/net/udp); 0 elsewhere."""
        try:
            lines = Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            return 0
        columns = map(str.split, lines)
        return next((int(c[4].split(":")[1], 16) for c in columns if c[1].endswith(self._key)), 0)


class Watch:
    """Looks at a process from a thread, ten times a second: the highest resident memory."""

    def __init__(self) -> None:
        self.peak = 0
        self._process = next(
            child for child in psutil.Process().children() if "collect" in child.cmdline()
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while self._process.is_running():
                self.peak = max(self.peak, self._now())
                time.sleep(0.1)
        except (psutil.Error, OSError):
            return

    def _now(self) -> int:
        """Return the highest so far where the kernel tells it, else the present one."""
        status = Path(f"/proc/{self._process.pid}/status")
        if status.exists():
            for line in status.read_text(encoding="ascii", errors="replace").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return int(self._process.memory_info().rss)


def spooled(folder: Path) -> int:
    """Return the bytes of the files that wait in a spool."""
    total = 0
    for path in folder.glob("*/*.lp.gz"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # written and gone meanwhile
            continue
    return total
