"""`flowsleuth collect` as a real process with a real UDP socket, and what it left in InfluxDB."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from services import eventually, rows

from flowsleuth.config import Config
from flowsleuth.schema import BY_NAME, Kept

from .traffic import PREFIXES

PATIENCE = 30.0
"""Seconds to wait for a start, or for bytes to arrive in InfluxDB, on a busy machine."""


def free_port() -> int:
    """Return a UDP port of the loopback that nobody has at the moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Collector:
    """A running `collect`: where it listens, and the configuration of the database it writes."""

    port: int
    config: Config
    process: subprocess.Popen = field(repr=False)
    log: Path

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of an InfluxQL query; {detail} in it is the retention's prefix."""
        return rows(self.config, query.format(detail=f'"{self.config.influx.policy}".'))

    def total(self, name: str, measurement: str = "traffic", where: str = "") -> int:
        """Return the sum of one counter; 0 where nothing was written yet."""
        prefix = "{detail}" if BY_NAME[measurement].kept is Kept.DETAIL else ""
        clause = f" WHERE {where}" if where else ""
        found = self.ask(f'SELECT sum("{name}") AS n FROM {prefix}"{measurement}"{clause}')
        return found[0]["n"] if found else 0

    def wait_for(self, name: str, least: int) -> None:
        """Return as soon as `traffic` holds so much, or when patience ends: the test then says."""
        eventually(lambda: self.total(name) >= least, PATIENCE)

    def stop(self) -> None:
        """End it as systemd does; what it has not written yet it writes now."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, self.log.read_text()


@contextmanager
def collecting(
    config: Config, folder: Path, *arguments: str, **settings: Any
) -> Iterator[Collector]:
    """Run `collect` with short windows on the database of `config`."""
    port = free_port()
    influx = config.influx
    settings = {
        "listen": [f"127.0.0.1:{port}"],
        "health": None,
        "influx": {
            "url": influx.url,
            "token": influx.token.get_secret_value(),
            "org": influx.org,
            "database": influx.database,
        },
        "networks": [{"name": "Green", "prefixes": list(PREFIXES)}],
        "window": "1s",
        "grace": "1s",
        "state_dir": str(folder / "state"),
    } | settings
    file, log = folder / "flowsleuth.yaml", folder / "collect.log"
    file.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "flowsleuth", "collect", "-c", str(file), *arguments]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: _bound(port) or process.poll() is not None, PATIENCE)
        assert process.poll() is None, log.read_text()
        yield Collector(port, config, process, log)
    finally:
        process.kill()
        process.wait()


def _bound(port: int) -> bool:
    """Whether some process has the UDP port: the kernel's table, column local_address."""
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") for line in lines)
