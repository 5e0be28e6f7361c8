"""What the model asks of a real InfluxDB, and what it makes of the answers."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from services import drop

from flowsleuth.baseline import normal
from flowsleuth.baseline.clock import DAY, HOUR, STEP_NS, STEP_S, WEEK
from flowsleuth.baseline.history import History
from flowsleuth.baseline.normal import Series
from flowsleuth.config import Config
from flowsleuth.demo.influxd import LocalInfluxd
from flowsleuth.points import Table
from flowsleuth.write import server, setup
from flowsleuth.write.influx import InfluxWriter
from flowsleuth.write.lines import encode

NOW = int(time.time()) // 3600 * HOUR
"""This hour's first step: InfluxDB refuses what is older than its retention."""
MINUTE_NS = 60 * 10**9

GREEN = Series("Green", "out", "tcp")
GREEN_ALL = Series("Green", "out", "all")
ODD = "O'Brien\\Ltd"


class Site:
    """Writes points at steps of the past, and has the history that reads them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._client = server.connect(config.influx)
        self.history = History(self.ask)
        self.asked: list[str] = []

    def ask(self, statement: str) -> list[server.Series]:
        self.asked.append(statement)
        return server.influxql(self._client, self.config.influx, statement)

    def close(self) -> None:
        self._client.close()

    def write(self, measurement: str, step: int, fields: dict[str, int], **tags: str) -> None:
        ingester = tags.pop("ingester", self.config.ingester)
        columns = {name: [value] for name, value in tags.items()}
        values = {name: np.array([value]) for name, value in fields.items()}
        table = Table(measurement, columns, values, np.array([step * STEP_NS + MINUTE_NS]))
        writer = InfluxWriter(self.config.influx)
        writer.submit(measurement, encode(table, {"ingester": ingester}))
        assert writer.flush(30)
        writer.close()

    def traffic(self, step: int, sent: int, one: Series = GREEN, **labels: str) -> None:
        tags = {"network": one.network, "direction": one.direction, "protocol": one.protocol}
        fields = {"bytes": sent, "packets": sent // 1000, "flows": 1}
        self.write("traffic", step, fields, **tags, **labels)

    def watched(self, step: int) -> None:
        self.write("ingester", step, {"datagrams": 0})


@pytest.fixture
def site(influx_config: Config) -> Iterator[Site]:
    made = Site(influx_config)
    yield made
    made.close()


def test_sums_are_over_ingesters_labels_and_points(site: Site):
    site.traffic(NOW - 1, 1000, site="hq", ingester="one")
    site.traffic(NOW - 1, 2000, site="branch", ingester="two")
    site.traffic(NOW - 1, 300, GREEN._replace(protocol="udp"))
    site.traffic(NOW - 1, 7, GREEN._replace(direction="in"))
    found = site.history.rates([GREEN, GREEN_ALL], NOW - 1, NOW)
    np.testing.assert_allclose(found * STEP_S, [[3000], [3300]])


def test_silence_is_zero_only_where_somebody_watched(site: Site):
    site.watched(NOW - 3)
    site.write(
        "profiles", NOW - 2, {"bytes": 1, "flows": 1}, profile="all", direction="in", protocol="tcp"
    )
    site.traffic(NOW - 1, 300)
    found = site.history.rates([GREEN], NOW - 4, NOW)
    np.testing.assert_allclose(found, [[np.nan, 0, 0, 1]])


def test_the_last_step_is_not_asked(site: Site):
    site.traffic(NOW, 300)
    assert np.isnan(site.history.rates([GREEN], NOW - 2, NOW)).all()
    assert site.history.begun(NOW) == {}


def test_profiles_are_series_of_their_own(site: Site):
    tags = {"profile": "dns-out", "direction": "out", "protocol": "udp"}
    site.write("profiles", NOW - 1, {"bytes": 600, "packets": 6, "flows": 1}, **tags)
    whole = Series("profile:dns-out", "out", "all")
    assert set(site.history.begun(NOW)) == {whole, whole._replace(protocol="udp")}
    assert site.history.rates([whole], NOW - 1, NOW)[0, 0] == 2
    assert site.history.highest([whole], NOW - 1, NOW)[0] == 2
    assert site.history.packet_sizes([whole], NOW - 1, NOW) == 100


def test_a_series_begins_with_its_first_point(site: Site):
    site.traffic(NOW - 500, 300)
    site.traffic(NOW - 20, 300)
    site.traffic(NOW - 10, 300, GREEN._replace(protocol="udp"))
    site.traffic(NOW - 6 * WEEK, 300)
    assert site.history.begun(NOW) == {
        GREEN: NOW - 500,
        GREEN_ALL: NOW - 500,
        GREEN._replace(protocol="udp"): NOW - 10,
    }


def test_the_highest_and_the_mean_so_far(site: Site):
    for step, sent in ((NOW - 4, 3000), (NOW - 3, 9000), (NOW - 1, 6000)):
        site.traffic(step, sent)
    site.traffic(NOW - 3, 900, GREEN._replace(protocol="udp"))
    highest, mean = site.history.highest([GREEN, GREEN_ALL, Series("a", "in", "all")], NOW - 4, NOW)
    np.testing.assert_allclose(highest, [30, 33, np.nan])
    np.testing.assert_allclose(mean, [15, 15.75, 0])


def test_packet_sizes_are_of_those_asked_for(site: Site):
    site.traffic(NOW - 1, 5000)
    found = site.history.packet_sizes([GREEN_ALL, Series("a", "in", "all")], NOW - 1, NOW)
    np.testing.assert_allclose(found, [1000, np.nan])


def test_names_are_quoted(site: Site):
    odd = Series(ODD, "out", "tcp")
    site.traffic(NOW - 1, 3000, odd)
    assert odd in site.history.begun(NOW)
    assert site.history.highest([odd], NOW - 1, NOW)[0] == 10
    assert site.history.packet_sizes([odd], NOW - 1, NOW) == 1000


def test_a_computation_reads_a_small_part_of_the_past(site: Site):
    for back in (0, 7, 14, 21, 28):
        site.traffic(NOW - back * DAY - 1, 3000)
    normal.expect(site.history, NOW * STEP_NS, hours=1, zone=None)
    spans = [text for text in site.asked if 'sum("bytes") FROM "traffic"' in text]
    assert len(spans) == len(normal.DAYS)


def test_eight_days_of_points_are_told_from_end_to_end(site: Site):
    for back in range(8 * 24):
        site.traffic(NOW - 1 - back * HOUR, 300_000)
        site.watched(NOW - 2 - back * HOUR)
    told = normal.expect(site.history, NOW * STEP_NS, hours=2, floors={"Green": 5.0})
    assert told.series == (GREEN_ALL, GREEN)
    assert not told.learning.any()
    assert np.isfinite(told.expected).all()
    assert (told.upper >= 1000 * 1.5).all()
    assert (told.upper <= 1000 * 3).all()


INFLUXD_2 = Path(os.environ.get("FLOWSLEUTH_INFLUXD2", "/opt/influxdb27/influxd"))


@pytest.mark.skipif(not INFLUXD_2.exists(), reason="no InfluxDB 2.x here")
def test_a_2_x_answers_alike():
    with LocalInfluxd(INFLUXD_2) as local:
        settings = {"url": local.url, "token": local.token, "org": local.org, "database": "alike"}
        config = Config.model_validate({"influx": settings})
        setup.prepare(config)
        site = Site(config)
        site.watched(NOW - 3)
        site.traffic(NOW - 2, 300)
        site.traffic(NOW - 1, 600, Series(ODD, "out", "tcp"))
        odd = Series(ODD, "out", "all")
        assert site.history.begun(NOW)[odd] == NOW - 1
        found = site.history.rates([GREEN_ALL, odd], NOW - 4, NOW)
        np.testing.assert_allclose(found, [[np.nan, 0, 1, 0], [np.nan, 0, 0, 2]])
        assert site.history.highest([odd], NOW - 2, NOW) == (2, 1)
        site.close()
        drop(config)
