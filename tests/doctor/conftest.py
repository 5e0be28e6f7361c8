"""A site on this machine, and doctor asked about it."""

from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from exporters.collecting import free_port
from write.conftest import FakeServer

from flowsleuth.config import Config
from flowsleuth.doctor import arriving
from flowsleuth.doctor.kinds import Finding, Level
from flowsleuth.doctor.run import examine

from .site import Grafana, Influx

WAIT_S = 0.8


class Site:
    """`site.influx` and `site.grafana` can be misconfigured, then `site.findings()` asked."""

    def __init__(self, influx: FakeServer, grafana: FakeServer) -> None:
        self.port = free_port()
        self.influx, self.grafana = Influx(), Grafana()
        influx.answer, grafana.answer = self.influx.answer, self.grafana.answer
        self.settings: dict[str, object] = {
            "listen": [f"127.0.0.1:{self.port}"],
            "health": None,
            "influx": {"url": influx.url, "token": "t", "org": "netops", "timeout_s": 5},
            "grafana": {"url": grafana.url, "token": "g"},
            "networks": [{"name": "Green", "prefixes": ["10.1.0.0/16"]}],
            "receive_buffer": "64k",
        }

    @property
    def config(self) -> Config:
        return Config.model_validate(self.settings)

    def findings(self, seconds: float = WAIT_S) -> list[Finding]:
        return list(examine(self.config, {}, seconds))

    def names(self, level: Level = Level.WRONG, seconds: float = WAIT_S) -> set[str]:
        found = self.findings(seconds)
        for finding in found:
            assert finding.kind is None or finding.mend, finding
        return {f.kind.name for f in found if f.kind is not None and f.level is level}


@pytest.fixture
def servers() -> Iterator[tuple[FakeServer, FakeServer]]:
    pair = FakeServer(), FakeServer()
    yield pair
    for server in pair:
        server.close()


@pytest.fixture
def site(servers, monkeypatch) -> Site:
    """A site that is well; nobody looks at the wire, where other tests' traffic is."""
    monkeypatch.setattr(arriving, "USUAL_PORTS", ())
    monkeypatch.setattr(arriving.Wire, "__enter__", lambda self: self)
    return Site(*servers)


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()
