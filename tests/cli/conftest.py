"""The command line in this process: what a user would see of it, and an InfluxDB that is none."""

import io
import sys
from dataclasses import dataclass

import pytest
from decode import wire
from golden.own import VERSIONS, traffic, write_pcap
from write.conftest import FakeServer, Told

from flowsleuth import cli as command_line


@dataclass(frozen=True)
class Ran:
    """Exit status, stdout (bytes) and stderr (text)."""

    status: int
    out: bytes
    err: str

    @property
    def lines(self):
        return self.out.decode().splitlines()


@pytest.fixture
def cli(monkeypatch, tmp_path, capsysbinary):
    """`cli("decode", path)` in an empty folder, without a configuration around."""
    monkeypatch.chdir(tmp_path)
    for name in ("FLOWSLEUTH_CONFIG", "FLOWSLEUTH_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["flowsleuth", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsysbinary.readouterr()
        try:
            command_line.main()
            status = 0
        except SystemExit as done:
            status = done.code or 0
        out, err = capsysbinary.readouterr()
        return Ran(status, out, err.decode())

    return run


@pytest.fixture
def pcap(tmp_path):
    """A capture of v9: 100 flows of both families."""
    path = tmp_path / "made.pcap"
    version = next(v for v in VERSIONS if v.name == "v9")
    write_pcap(path, version.write(traffic(version)))
    return path


@pytest.fixture
def bare(tmp_path):
    """Two bare datagrams of v5: three flows."""
    path = tmp_path / "made.nf5"
    path.write_bytes(wire.legacy(5, 2) + wire.legacy(5, 1, sequence=2))
    return path


class Influx1:
    """An InfluxDB 1.8 as far as `load` and `collect` go: it keeps the lines."""

    def __init__(self):
        self.server = FakeServer()
        self.server.answer = self._answer
        self.refuses = None

    def _answer(self, asked):
        if asked.path == "/ping":
            return Told(204, None, {"X-Influxdb-Version": "1.8.10"})
        if self.refuses is not None:
            return self.refuses
        return Told(200, {"results": [{}]}) if asked.path == "/query" else Told(204)

    @property
    def lines(self):
        return [
            line.decode()
            for asked in self.server.asked
            if asked.path.endswith("/write")
            for line in asked.body.splitlines()
        ]


@pytest.fixture
def influx():
    database = Influx1()
    yield database
    database.server.close()


@pytest.fixture
def configured(tmp_path, influx):
    """`configured("window: 30s")` writes a configuration that names the InfluxDB; its path."""

    def write(more=""):
        path = tmp_path / "flowsleuth-test.yaml"
        path.write_text(f"influx: {{url: '{influx.server.url}', timeout_s: 3}}\n{more}\n")
        return path

    return write
