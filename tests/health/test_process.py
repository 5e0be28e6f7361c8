"""A real `collect` with a real InfluxDB: what /metrics counts is what the measurement counts."""

import json
import os
import re
import signal

import pytest
from exporters.collecting import PATIENCE, collecting
from services import eventually
from workers.exporters import Exporters

from flowsleuth.schema import BY_NAME, Kind

from .showing import get
from .test_server import samples

GREEN = {"networks": [{"name": "Green", "prefixes": ["10.0.0.0/24"]}], "health": "127.0.0.1:0"}

AFTER_THE_LAST_LOOK = {"points", "datagrams", "datagram_bytes", "records"}
"""Counters that go on while it stops."""


def url_of(collector):
    pattern = r"(http://\S+)/healthz"
    assert eventually(lambda: re.search(pattern, collector.log.read_text()), PATIENCE)
    return re.search(pattern, collector.log.read_text())[1]


def healthy(url):
    return lambda: get(f"{url}/healthz")[0] == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_counters_are_those_of_the_measurement(influx_config, tmp_path, workers):
    with (
        collecting(influx_config, tmp_path, "--workers", str(workers), **GREEN) as collector,
        Exporters(collector.port) as exporters,
    ):
        url = url_of(collector)
        assert eventually(healthy(url), PATIENCE)
        exporters.announce()
        exporters.export()
        collector.wait_for("bytes", exporters.bytes)

        def total(name):
            found = samples(get(f"{url}/metrics")[2])
            return sum(found[name, str(n)] for n in range(workers))

        assert eventually(lambda: total("flowsleuth_datagrams_total") == exporters.datagrams)
        assert eventually(lambda: total("flowsleuth_records_total") == exporters.flows)
        shown = {f.name: total(f"flowsleuth_{f.name}_total") for f in counters()}
        collector.stop()
        written = {f.name: collector.total(f.name, "ingester") for f in counters()}
    for name in AFTER_THE_LAST_LOOK:
        assert 0 < shown.pop(name) <= written.pop(name)
    assert shown == written


def counters():
    return [f for f in BY_NAME["ingester"].fields if f.kind is Kind.COUNTER]


def test_a_worker_that_dies_is_told_of_until_it_is_back(influx_config, tmp_path):
    with collecting(influx_config, tmp_path, "--workers", "2", **GREEN) as collector:
        url = url_of(collector)
        assert eventually(healthy(url), PATIENCE)
        number = re.search(r"worker 1 is process (\d+)", collector.log.read_text())[1]
        os.kill(int(number), signal.SIGKILL)
        assert eventually(lambda: not healthy(url)(), PATIENCE)
        assert json.loads(get(f"{url}/healthz")[2])["workers"][0]["sockets"] == 1
        assert eventually(healthy(url), PATIENCE)
        assert collector.log.read_text().count("worker 1 is process") == 2
        collector.stop()


@pytest.mark.parametrize("kept", [True, False])
def test_points_that_are_safe_on_disk_are_well_and_those_in_memory_are_not(
    influx_config, tmp_path, kept
):
    away = {"url": "http://127.0.0.1:9", "database": "x"}
    settings = GREEN | {"influx": away} | ({} if kept else {"state_dir": None})
    with collecting(influx_config, tmp_path, **settings) as collector:
        url = url_of(collector)
        assert eventually(
            lambda: (
                '"writing": "taken"' not in (said := get(f"{url}/healthz")[2])
                and '"sockets": 1' in said
            ),
            PATIENCE,
        )
        status, _, text = get(f"{url}/healthz")
    assert (status, json.loads(text)["workers"][0]["writing"]) == (
        (200, "spooled") if kept else (503, "waiting")
    )
