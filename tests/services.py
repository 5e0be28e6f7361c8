"""Real services for the tests: found, started or built; a skip where they cannot be had.

FLOWSLEUTH_REQUIRE (`influxdb,grafana`) turns the skip of what it names into a failure.

InfluxDB, the first that is there: FLOWSLEUTH_INFLUX_URL (with _TOKEN and _ORG); docker-compose.yml
where a Docker engine answers; `influxd` (PATH, or built once with Go), one per test process.

Grafana likewise: GRAFANA_URL (with GRAFANA_TOKEN, or GRAFANA_USER and GRAFANA_PASSWORD), Docker,
or `grafana` on the PATH with its folder in GRAFANA_HOME. It is never built.
"""

import contextlib
import functools
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
from local_grafana import GrafanaService, answers, find_grafana, local_grafana, named_grafana

from flowsleuth.config import Config, Influx
from flowsleuth.demo.influxd import LocalInfluxd, build_influxd, find_influxd
from flowsleuth.errors import ServiceError
from flowsleuth.write import server, setup


def unavailable(service: str, reason: str) -> NoReturn:
    """Skip the test, or fail it where FLOWSLEUTH_REQUIRE names the service."""
    if service in os.environ.get("FLOWSLEUTH_REQUIRE", "").replace(",", " ").split():
        pytest.fail(f"FLOWSLEUTH_REQUIRE names {service}: {reason}", pytrace=False)
    pytest.skip(f"no {service}: {reason}")


@dataclass(frozen=True)
class InfluxService:
    """A running InfluxDB; kind is '1.8' or '2'."""

    url: str
    token: str
    org: str
    kind: str

    def settings(self, **more: object) -> Influx:
        """Return the settings for it; `database` is the caller's to choose."""
        return Influx.model_validate(
            {"url": self.url, "token": self.token, "org": self.org, **more}
        )


def _identified(url: str, token: str, org: str) -> InfluxService:
    settings = Influx(url=url, token=token, org=org)
    with server.connect(settings) as client:
        return InfluxService(url, token, org, setup.identify(client, settings)[0])


@contextlib.contextmanager
def own_influxdb() -> Iterator[InfluxService]:
    """The InfluxDB that FLOWSLEUTH_INFLUX_URL names, else one of our own; raises ServiceError."""
    if url := os.environ.get("FLOWSLEUTH_INFLUX_URL"):
        token = os.environ.get("FLOWSLEUTH_INFLUX_TOKEN", "")
        yield _identified(url, token, os.environ.get("FLOWSLEUTH_INFLUX_ORG", ""))
        return
    with LocalInfluxd(find_influxd() or build_influxd()) as local:
        yield InfluxService(local.url, local.token, local.org, local.kind)


@functools.cache
def docker_answers() -> bool:
    """Return whether a Docker engine is there, not only its client."""
    if shutil.which("docker") is None:
        return False
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


@functools.cache
def influxd_or_reason() -> tuple[Path | None, str]:
    """Return an influxd, built if need be, or None and why there is none."""
    try:
        return find_influxd() or build_influxd(), ""
    except ServiceError as error:
        return None, str(error)


@pytest.fixture(scope="session")
def influxd() -> Path:
    """An influxd binary, for tests that stop, kill or protect a server of their own."""
    binary, reason = influxd_or_reason()
    return binary or unavailable("influxdb", reason)


@pytest.fixture(scope="session")
def influxdb(request: pytest.FixtureRequest) -> Iterator[InfluxService]:
    """A real InfluxDB, shared by the tests of this process."""
    if os.environ.get("FLOWSLEUTH_INFLUX_URL"):
        with own_influxdb() as service:
            yield service
        return
    if docker_answers():
        services = request.getfixturevalue("docker_services")
        port = services.port_for("influxdb", 8086)
        url = f"http://127.0.0.1:{port}"
        services.wait_until_responsive(lambda: _is_ready(url), timeout=60.0, pause=0.5)
        yield _identified(url, "flowsleuth-tests-token", "flowsleuth")
        return
    with LocalInfluxd(request.getfixturevalue("influxd")) as local:
        yield InfluxService(local.url, local.token, local.org, local.kind)


def _is_ready(url: str) -> bool:
    settings = Influx(url=url, token="flowsleuth-tests-token", org="flowsleuth")
    with server.connect(settings) as client:
        try:
            return server.request(client, "GET", "/api/v2/orgs", {"org": settings.org})[0] == 200
        except server.Trouble:
            return False


@pytest.fixture(scope="session")
def grafana(request: pytest.FixtureRequest) -> Iterator[GrafanaService]:
    """A real Grafana; what tests put into it has names of their own and is taken out again."""
    if (named := named_grafana()) is not None:
        yield named
        return
    if docker_answers():
        services = request.getfixturevalue("docker_services")
        url = f"http://127.0.0.1:{services.port_for('grafana', 3000)}"
        inside = "" if os.environ.get("FLOWSLEUTH_INFLUX_URL") else "http://influxdb:8086"
        service = GrafanaService(url, ("admin", "admin"), influx_url=inside)
        services.wait_until_responsive(lambda: answers(service), timeout=120.0, pause=0.5)
        yield service
        return
    try:
        find_grafana()
    except ServiceError as error:
        unavailable("grafana", str(error))
    with local_grafana() as service:
        yield service


@pytest.fixture
def influx_config(influxdb: InfluxService) -> Iterator[Config]:
    """A configuration with a database of the test's own, prepared, and removed afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    config = Config(influx=influxdb.settings(database=name))
    setup.prepare(config)
    yield config
    drop(config)


def drop(config: Config) -> None:
    """Remove the database or the buckets of `config`."""
    settings = config.influx
    with server.connect(settings) as client:
        if setup.identify(client, settings)[0] == "1.8":
            server.influxql(client, settings, f'DROP DATABASE "{settings.database}"')
            return
        api = client.buckets_api()
        for name in filter(None, (settings.database, settings.detail)):
            if (bucket := api.find_bucket_by_name(name)) is not None:
                api.delete_bucket(bucket)


def rows(config: Config, statement: str) -> list[dict[str, object]]:
    """Return the rows of an InfluxQL answer, each with its tags, as dictionaries."""
    with server.connect(config.influx) as client:
        return [
            {**series.tags, **dict(zip(series.columns, row, strict=True))}
            for series in server.influxql(client, config.influx, statement)
            for row in series.rows
        ]


def eventually(what: object, seconds: float = 20.0) -> bool:
    """Return whether the callable `what` becomes true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
