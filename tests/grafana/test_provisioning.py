"""The files of provisioning/: a Grafana that reads them has the dashboards, and answers."""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_grafana import find_grafana, local_grafana

from flowsleuth.config import Config, Influx
from flowsleuth.demo.influxd import LocalInfluxd
from flowsleuth.errors import ServiceError
from flowsleuth.grafana.links import UIDS
from flowsleuth.write import setup
from flowsleuth.write.influx import InfluxWriter

ROOT = Path(__file__).parents[2]


pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="session")
def asks_who_it_is(influxd: Path) -> Iterator[Config]:
    """A database behind a password, or a token: one point of `traffic`."""
    with LocalInfluxd(influxd, auth=True) as local:
        config = Config(influx=Influx(url=local.url, token=local.token, org=local.org))
        setup.prepare(config)
        with InfluxWriter(config.influx, patient=True) as writer:
            writer.submit("traffic", [b"traffic,network=Green bytes=1i %d" % time.time_ns()])
            writer.finish()
        yield config


def test_a_grafana_that_reads_the_files_answers(asks_who_it_is: Config, tmp_path: Path) -> None:
    try:
        find_grafana()
    except ServiceError as error:
        pytest.skip(f"no grafana of its own: {error}")
    shutil.copytree(ROOT / "provisioning", tmp_path / "provisioning")
    for kind in ("alerting", "plugins"):
        (tmp_path / "provisioning" / kind).mkdir(exist_ok=True)
    influx = asks_who_it_is.influx
    environment = {
        "FLOWSLEUTH_INFLUX_URL": influx.url,
        "FLOWSLEUTH_INFLUX_DATABASE": influx.database,
        "FLOWSLEUTH_INFLUX_TOKEN": influx.token.get_secret_value(),
        "FLOWSLEUTH_DASHBOARDS": str(ROOT / "dashboards"),
    }
    with local_grafana(tmp_path / "provisioning", environment) as service:
        _, found = service.ask("/api/search?type=dash-db")
        assert {board["uid"] for board in found} == set(UIDS.values())
        assert {board["folderTitle"] for board in found} == {"FlowSleuth"}
        query = {
            "refId": "A",
            "datasource": {"type": "influxdb", "uid": "flowsleuth"},
            "rawQuery": True,
            "query": 'SELECT sum("bytes") FROM "traffic" WHERE $timeFilter GROUP BY "network"',
            "resultFormat": "table",
        }
        asked = {"queries": [query], "from": "now-1h", "to": "now"}
        _, said = service.ask("/api/ds/query", asked)
        assert "error" not in said["results"]["A"], said
        assert said["results"]["A"]["frames"]


def test_each_secret_is_a_variable_of_the_form_that_is_expanded_once() -> None:
    # Grafana fills in nothing in the annotations and templates of alerting/ itself.
    kinds = ("datasources", "dashboards", "alerting/contact-points")
    for path in (p for kind in kinds for p in (ROOT / "provisioning" / kind).glob("*.yaml")):
        text = "\n".join(
            line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")
        )
        assert "${" not in text, path.name
    source = (ROOT / "provisioning" / "datasources" / "flowsleuth.yaml").read_text()
    secret = source.partition("secureJsonData:")[2]
    assert re.fullmatch(r"\s*httpHeaderValue1: Token \$\w+\s*", secret)
