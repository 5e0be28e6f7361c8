"""The databases that the dashboards are tried on, one each per test process."""

from collections.abc import Iterator

import pytest
from services import InfluxService, drop

from grafana.asking import Asking, Directly, ThroughGrafana, data_source
from grafana.world import World, demo_world


@pytest.fixture(scope="session")
def world(influxdb: InfluxService) -> Iterator[World]:
    """The demo's networks with the story, which happens now."""
    made = demo_world(influxdb)
    yield made
    drop(made.config)


@pytest.fixture(scope="session")
def asking(world: World, request: pytest.FixtureRequest) -> Iterator[Asking]:
    """Grafana's query API where there is a Grafana, InfluxDB's own elsewhere."""
    try:
        service = request.getfixturevalue("grafana")
    except pytest.skip.Exception:
        yield Directly(world.config)
        return
    with data_source(service, world.config) as uid:
        yield ThroughGrafana(service, uid)
