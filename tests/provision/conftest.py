"""A Grafana to set up: one that is none, and the command as a user runs it."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowsleuth import cli as command_line
from flowsleuth.grafana.alerting import write
from flowsleuth.provision import shipped
from provision.fake import FakeGrafana


@dataclass(frozen=True)
class Ran:
    """Exit status, and what was said."""

    status: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.out.splitlines()[-1]


Provision = Callable[..., Ran]

PAGES = {"flowsleuth-wall", "flowsleuth-networks", "flowsleuth-hunt", "flowsleuth-host"}
RULES = {"above-host-fast", "limit-network", "ingester-silent", "scan"}
"""What most tests do with: a rule for each group, severity and receiver."""


@pytest.fixture
def fake() -> Iterator[FakeGrafana]:
    grafana = FakeGrafana()
    yield grafana
    grafana.server.close()


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Provision:
    """`command("--dry-run", config="floor: 1M")` runs `flowsleuth provision` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("FLOWSLEUTH_CONFIG", "FLOWSLEUTH_DEBUG", "GRAFANA_URL", "GRAFANA_TOKEN",
                 "GRAFANA_USER", "GRAFANA_PASSWORD"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object, config: str = "") -> Ran:
        path = tmp_path / "config.yaml"
        path.write_text(config)
        words = ["flowsleuth", "provision", "-c", path, *arguments]
        monkeypatch.setattr(sys, "argv", list(map(str, words)))
        capsys.readouterr()
        try:
            command_line.main()
            status = 0
        except SystemExit as done:
            status = int(done.code or 0)
        return Ran(status, *capsys.readouterr())

    return run


@pytest.fixture
def everything() -> None:
    """Asked for by a test that wants all that is shipped; others do with some of each kind."""


@pytest.fixture
def provision(
    fake: FakeGrafana,
    command: Provision,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Provision:
    """The command for the fake Grafana, with a token that it accepts."""
    monkeypatch.setenv("GRAFANA_TOKEN", "good")
    if "everything" not in request.fixturenames:
        pages = [page for page in shipped.dashboards() if page["uid"] in PAGES]
        monkeypatch.setattr(shipped, "dashboards", lambda: pages)
        some = [rule for rule in write.rules() if rule.name in RULES]
        monkeypatch.setattr(write, "rules", lambda: some)
    return lambda *arguments, **more: command("--grafana", fake.url, *arguments, **more)
