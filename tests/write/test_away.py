"""`collect` as a process while InfluxDB is away: at the start, for long, or for good."""

import gzip
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from services import eventually, rows

from flowsleuth.config import Config
from flowsleuth.demo.influxd import LocalInfluxd

PATIENCE = 30.0

Start = Callable[..., "Daemon"]


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon:
    """A running `collect` with windows of a second, which spools into `folder`."""

    def __init__(self, folder: Path, influx: dict[str, str], **settings: object) -> None:
        self.port = free_port()
        self.spool = folder / "state" / "spool-main"
        self.log = folder / f"{self.port}.log"
        file = folder / f"{self.port}.yaml"
        settings = {
            "listen": [f"127.0.0.1:{self.port}"],
            "influx": influx,
            "window": "1s",
            "grace": "1s",
            "state_dir": str(folder / "state"),
        } | settings
        file.write_text(yaml.safe_dump(settings))
        command = [sys.executable, "-m", "flowsleuth", "collect", "-c", str(file)]
        with self.log.open("w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def said(self) -> str:
        return self.log.read_text()

    def is_up(self) -> bool:
        return eventually(lambda: "starts" in self.said(), PATIENCE)

    def send(self, count: int) -> int:
        """Send so many v5 datagrams of 30 flows each; return their bytes."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for number in range(count):
                sock.sendto(v5(number), ("127.0.0.1", self.port))
                time.sleep(0.001)
        return count * 30 * 1000

    def spooled(self) -> int:
        """Return the bytes of `traffic` that lie in the spool."""
        found = 0
        for path in self.spool.glob("*/*-long-*"):
            body = gzip.decompress(path.read_bytes())
            found += sum(map(int, re.findall(rb"^traffic\S* bytes=(\d+)i", body, re.MULTILINE)))
        return found

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def v5(sequence: int) -> bytes:
    """Return a v5 datagram of 30 flows of 1000 bytes that ended just now."""
    now = time.time_ns()
    uptime = 1_000_000
    header = struct.pack(
        "!HHIIIIBBH", 5, 30, uptime, now // 10**9, now % 10**9, 30 * sequence, 0, 0, 0
    )
    record = struct.Struct("!4s4s4sHHIIIIHHBBBBHHBBH")
    ends = [(bytes([10, 1, 0, i]), bytes([192, 0, 2, i])) for i in range(30)]
    return header + b"".join(
        record.pack(
            a, b, bytes(4), 1, 2, 10, 1000, uptime - 10, uptime,
            40_000, 53, 0, 0, 17, 0, 0, 0, 0, 0, 0,
        )
        for a, b in ends
    )  # fmt: skip


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started = []

    def begin(influx: dict[str, str], **settings: object) -> Daemon:
        started.append(Daemon(tmp_path, influx, **settings))
        return started[-1]

    yield begin
    for daemon in started:
        daemon.process.kill()
        daemon.process.wait()


def test_what_came_while_influxdb_was_away_is_there_once(influxd: Path, start: Start):
    with LocalInfluxd(influxd) as local:
        local.pause()
        influx = {"url": local.url, "token": local.token, "org": local.org}
        one = start(influx)
        assert one.is_up()
        whole = one.send(40)
        assert eventually(lambda: one.spooled() == whole, PATIENCE), one.said()
        one.end(signal.SIGKILL)
        assert one.said().count("WARNING InfluxDB") == 1
        assert "until it answers, points wait in" in one.said()

        two = start(influx)
        assert two.is_up()
        whole += two.send(20)
        assert two.end(signal.SIGTERM) == 0
        assert two.spooled() == whole
        assert "stay in the spool for the next start" in two.said()

        three = start(influx)
        assert three.is_up()
        local.start()
        whole += three.send(20)
        config = Config(influx=influx)
        assert eventually(lambda: "InfluxDB takes points again" in three.said(), PATIENCE)
        assert three.end(signal.SIGTERM) == 0, three.said()
        assert "created flowsleuth" in three.said()
        assert three.spooled() == 0
        for source in ('"traffic"', f'"{config.influx.policy}"."talkers"'):
            (row,) = rows(config, f'SELECT sum("bytes") FROM {source}')
            assert row["sum"] == whole
        (row,) = rows(config, 'SELECT max("spool") FROM "ingester"')
        assert row["max"] > 0


def test_one_that_refuses_is_one_line(influxd: Path, start: Start):
    with LocalInfluxd(influxd, auth=True) as local:
        daemon = start({"url": local.url, "token": "admin:wrong", "org": local.org or "o"})
        assert daemon.process.wait(PATIENCE) == 1
        (line,) = daemon.said().splitlines()
        assert "does not accept influx.token (401" in line


def test_without_a_state_dir_points_wait_in_memory(start: Start):
    daemon = start({"url": "http://127.0.0.1:1"}, state_dir=None)
    assert daemon.is_up()
    assert "points wait in memory: there is no state_dir" in daemon.said()
