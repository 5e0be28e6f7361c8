"""The points of `baseline` in a real InfluxDB, computed from what lies there."""

import signal
import time

import numpy as np
import pytest
from exporters.collecting import collecting
from services import eventually, rows

from flowsleuth.baseline.clock import STEP_NS
from flowsleuth.baseline.publisher import Publisher
from flowsleuth.baseline.trust import Trust
from flowsleuth.config import Config
from flowsleuth.points import Table
from flowsleuth.write import server
from flowsleuth.write.lines import encode

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = time.time_ns() // HOUR * HOUR + 10 * MINUTE
"""InfluxDB refuses what is older than its retention, so that the past is that of today."""

GREEN = {"name": "Green", "prefixes": ["10.1.0.0/16"], "site": "hq", "limit": "80M", "floor": "1M"}


class Site:
    """A database with what somebody wrote, and ingesters that publish into it."""

    def __init__(self, influx_config, **settings):
        self.config = Config.model_validate(
            {"networks": [GREEN], "timezone": "UTC", **settings, "influx": influx_config.influx}
        )

    def write(self, *tables, ingester="main"):
        lines = [line for table in tables for line in encode(table, {"ingester": ingester})]
        influx = self.config.influx
        with server.connect(influx) as client, client.write_api() as api:
            api.write(influx.database, influx.org or "-", b"\n".join(lines))

    def publish(self, now=NOW, **changed):
        """Be an ingester that starts at `now`; return its lines, which are in InfluxDB then."""
        config = self.config.model_copy(update=changed)
        publisher = Publisher(config, clock=lambda: now)
        publisher.work()
        tables = []
        while (table := publisher.take()) is not None:
            tables.append(table)
        publisher.stop()
        assert publisher.seconds > 0
        self.write(*tables, ingester=config.ingester)
        return sorted(line for t in tables for line in encode(t, {"ingester": config.ingester}))

    def row(self, fields, at=NOW // STEP_NS * STEP_NS, **tags):
        where = " AND ".join(f"\"{name}\" = '{value}'" for name, value in tags.items())
        found = rows(self.config, f'SELECT {fields} FROM "baseline" WHERE time = {at} AND {where}')
        for row in found:
            row.pop("time")
        return found

    def traffic(self, days, rate, *, network="Green", direction="out", protocol="tcp", until=NOW):
        """Five minutes each, for so many days; rate: bytes/s by step."""
        last = until // STEP_NS
        steps = np.arange(last - days * 288, last)
        self.write(
            Table(
                "traffic",
                {
                    "network": [network] * len(steps),
                    "direction": [direction] * len(steps),
                    "protocol": [protocol] * len(steps),
                },
                {
                    "bytes": np.array([rate(step) * 300 for step in steps], np.int64),
                    "packets": np.ones(len(steps), np.int64),
                    "flows": np.ones(len(steps), np.int64),
                },
                steps * STEP_NS,
            )
        )

    def exporter(self, name, networks, *, at, ingester="main", domain="0", **gauges):
        """One point of `exporters`; gauges: its fields."""
        self.write(
            Table(
                "exporters",
                {"exporter": [name], "domain": [domain], "version": ["v9"]},
                {"networks": [networks], **{k: np.array([v]) for k, v in gauges.items()}},
                np.array([at]),
            ),
            ingester=ingester,
        )


TRUST = '"lag_s", "sampled", "exporters_silent"'
GREEN_OUT = {"network": "Green", "direction": "out", "protocol": "all"}


def test_limits_hold_on_the_first_day(influx_config):
    site = Site(influx_config)
    site.publish()
    fields = '"bytes_limit", "bytes_floor", "learning", "lag_s", "sampled", "exporters_silent"'
    for direction in ("out", "in", "internal"):
        assert site.row(fields, **GREEN_OUT | {"direction": direction}) == [
            {
                "bytes_limit": 10e6,
                "bytes_floor": 125_000.0,
                "learning": 1,
                "lag_s": 0.0,
                "sampled": 0,
                "exporters_silent": 0,
            }
        ]


def daily(step):
    """Bytes/s that repeat every day: 1 MB/s at night, 2 MB/s from 6 to 18."""
    return 2_000_000 if 72 <= step % 288 < 216 else 1_000_000


def test_a_known_week_says_what_is_normal_and_a_job_raises_it(influx_config):
    job = {"network": "Green", "port": 873, "protocol": "tcp", "upto": "80M"}
    first = (NOW + HOUR) // HOUR % 24
    job["hours"] = f"{first:02}:00-{(first + 1) % 24:02}:00"
    site = Site(influx_config, expected=[job])
    site.traffic(9, daily)
    site.traffic(9, lambda step: 500_000, protocol="udp")
    began = NOW // HOUR * 12
    normal = '"bytes_expected", "bytes_upper", "bytes_limit", "learning"'
    lines = site.publish()
    for step in (began, began + 13, began + 40):
        at = {"at": step * STEP_NS, **GREEN_OUT}
        raised = 10e6 if step == began + 13 else 0
        (tcp,) = site.row(normal, **at | {"protocol": "tcp"})
        (udp,) = site.row(normal, **at | {"protocol": "udp"})
        (whole,) = site.row(normal, **at)
        assert tcp["bytes_expected"] == pytest.approx(daily(step))
        assert udp["bytes_expected"] == pytest.approx(500_000)
        assert whole["bytes_expected"] == pytest.approx(daily(step) + 500_000)
        assert 500_000 < udp["bytes_upper"] < 2_000_000
        for row in (tcp, whole):
            assert row["learning"] == 0
            assert row["bytes_upper"] >= row["bytes_expected"] + raised
            assert row["bytes_upper"] < 8e6 + raised
        assert (tcp["bytes_limit"], whole["bytes_limit"]) == (None, 10e6)
    assert site.publish() == lines
    assert site.publish(now=NOW + 4 * MINUTE, ingester="other") == lines
    (count,) = rows(site.config, 'SELECT count("bytes_upper") AS n FROM "baseline"')
    assert count["n"] == 3 * 48


def test_a_network_that_has_just_changed_is_not_known(influx_config):
    """The run is for an hour that began before the change."""
    site = Site(influx_config)
    site.traffic(9, lambda step: 1_000_000)
    event = Table(
        "events", {"kind": ["networks"]}, {"text": ["network Green: new"]}, np.array([NOW])
    )
    site.write(event)
    site.publish()
    fields = '"bytes_expected", "bytes_upper", "bytes_limit", "learning"'
    assert site.row(fields, **GREEN_OUT) == [
        {"bytes_expected": None, "bytes_upper": None, "bytes_limit": 10e6, "learning": 1}
    ]


def test_a_network_that_changed_learns_anew(influx_config):
    site = Site(influx_config, networks=[GREEN, {"name": "Blue", "prefixes": ["10.2.0.0/16"]}])
    site.traffic(9, lambda step: 1_000_000)
    site.traffic(9, lambda step: 1_000_000, network="Blue")
    text = "network Green: its prefixes changed; what is normal is learned anew"
    event = Table("events", {"kind": ["networks"]}, {"text": [text]}, np.array([NOW - DAY]))
    site.write(event)
    site.publish()
    assert site.row('"learning"', **GREEN_OUT) == [{"learning": 1}]
    assert site.row('"bytes_upper"', **GREEN_OUT) == [{"bytes_upper": pytest.approx(3e6)}]
    assert site.row('"learning"', **GREEN_OUT | {"network": "Blue"}) == [{"learning": 0}]


def test_trust_is_the_same_from_all_ingesters_and_of_all_their_exporters(influx_config):
    site = Site(influx_config, networks=[GREEN, {"name": "Blue", "prefixes": ["10.2.0.0/16"]}])
    lately = NOW - 10 * MINUTE
    site.exporter("a", '["Green"]', at=lately - 30 * MINUTE, export_lag_s=1900.0)
    site.exporter("a", "", at=lately, export_lag_s=20.0, silent_s=10.0, sampling_state=0)
    site.exporter(
        "b", '["Green","Blue"]', at=lately, ingester="w", silent_s=900.0, export_lag_s=5.0
    )
    site.exporter("b", "", at=lately, ingester="w", domain="7", silent_s=901.0)
    site.exporter(
        "c", '["Blue"]', at=lately, sampling_state=1, sampling_interval=1000, silent_s=9.0
    )
    too_new = NOW - MINUTE
    site.exporter("d", '["Green"]', at=too_new, export_lag_s=9000.0)
    first = site.publish()
    assert site.publish(now=NOW + 4 * MINUTE, ingester="other") == first
    assert site.row(TRUST, **GREEN_OUT) == [
        {"lag_s": 1900.0, "sampled": 0, "exporters_silent": 1},
    ]
    assert site.row(TRUST, **GREEN_OUT | {"network": "Blue"}) == [
        {"lag_s": 5.0, "sampled": 1, "exporters_silent": 1}
    ]
    assert len(rows(site.config, 'SHOW SERIES FROM "baseline"')) == 6


def test_trust_is_read_as_it_was_written(influx_config):
    from flowsleuth.baseline import trust

    site = Site(influx_config)
    site.exporter("a", '["Green"]', at=NOW - 1, sampling_state=2, sampling_interval=0, silent_s=1.5)
    site.exporter("a", "", at=NOW, export_lag_s=7.0)
    with server.connect(site.config.influx) as client:
        found = trust.read(lambda q: server.influxql(client, site.config.influx, q), NOW)
    assert found.of("Green") == Trust(0.0, True, 1.0, 0)
    assert found.of("Blue") == Trust()


def test_collect_writes_what_is_normal_within_seconds_of_its_start(influx_config, tmp_path):
    asked = (
        'SELECT last("bytes_limit") AS "limit", last("bytes_floor") AS "floor", '
        'last("learning") AS "learning" FROM "baseline" WHERE "network" = \'Green\' '
        "AND \"direction\" = 'in' AND \"protocol\" = 'all' AND time <= "
    )
    known = {"limit": 10e6, "floor": 125_000.0, "learning": 1}

    def says(wanted):
        found = running.ask(asked + str(time.time_ns()))
        return found and wanted.items() <= found[0].items()

    with collecting(influx_config, tmp_path, networks=[GREEN]) as running:
        assert eventually(lambda: says(known), 20.0)
        seconds = 'SELECT max("baseline_seconds") AS s FROM "ingester"'
        assert eventually(lambda: any(row["s"] for row in running.ask(seconds)), 20.0)
        file = tmp_path / "flowsleuth.yaml"
        file.write_text(file.read_text().replace("80M", "40M"))
        running.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: says(known | {"limit": 5e6}), 20.0)
        running.stop()
    assert "Traceback" not in running.log.read_text()
    assert "WARNING" not in running.log.read_text()
