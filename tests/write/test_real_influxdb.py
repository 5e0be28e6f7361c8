"""Against a real InfluxDB: setting up, writing, reading back, refusals, outages."""

import time
from pathlib import Path

import numpy as np
import pytest
from services import InfluxService, drop, eventually, rows

from flowsleuth.config import Config
from flowsleuth.demo.influxd import LocalInfluxd
from flowsleuth.errors import ServiceError
from flowsleuth.points import Table
from flowsleuth.schema import MEASUREMENTS, Kind
from flowsleuth.write import server, setup
from flowsleuth.write.influx import InfluxWriter
from flowsleuth.write.lines import encode, is_float
from flowsleuth.write.spool import Spool


def now() -> int:
    return time.time_ns() // 10**9 * 10**9


def sent(config: Config, *tables: Table) -> InfluxWriter:
    """Write tables and wait; return the closed writer."""
    writer = InfluxWriter(config.influx)
    for table in tables:
        writer.submit(table.measurement, encode(table, {"ingester": config.ingester}))
    assert writer.flush(30)
    writer.close()
    return writer


def traffic(count: int, start: int, **tags: str) -> Table:
    columns = {name: [value] * count for name, value in tags.items()}
    return Table("traffic", columns, {"bytes": np.arange(count)}, start - np.arange(count) * 10**9)


def test_preparing_again_changes_nothing(influxdb: InfluxService, influx_config: Config):
    prepared = setup.prepare(influx_config)
    assert (prepared.kind, prepared.created) == (influxdb.kind, ())


def test_durations_are_the_configured_ones(influxdb: InfluxService, influx_config: Config):
    if influxdb.kind != "1.8":
        pytest.skip("2.x shows no durations in InfluxQL")
    name = influx_config.influx.database
    found = {
        row["name"]: row for row in rows(influx_config, f'SHOW RETENTION POLICIES ON "{name}"')
    }
    assert found["autogen"]["duration"] == "17520h0m0s"
    assert found["autogen"]["default"] is True
    assert found["detail"]["duration"] == "720h0m0s"
    assert found["detail"]["shardGroupDuration"] == "24h0m0s"


def test_what_is_there_is_left_as_it_is(influxdb: InfluxService, influx_config: Config):
    if influxdb.kind != "1.8":
        pytest.skip("2.x shows no durations in InfluxQL")
    name = influx_config.influx.database
    rows(influx_config, f'ALTER RETENTION POLICY "autogen" ON "{name}" DURATION 1000h')
    rows(influx_config, f'DROP RETENTION POLICY "detail" ON "{name}"')
    rows(influx_config, f'CREATE RETENTION POLICY "detail" ON "{name}" DURATION 50h REPLICATION 1')
    assert setup.prepare(influx_config).created == ()
    rows(influx_config, f'DROP RETENTION POLICY "detail" ON "{name}"')
    assert setup.prepare(influx_config).created == (f"{name}/detail",)
    found = {
        row["name"]: row for row in rows(influx_config, f'SHOW RETENTION POLICIES ON "{name}"')
    }
    assert (found["autogen"]["duration"], found["detail"]["duration"]) == ("1000h0m0s", "720h0m0s")


def test_sums_come_back(influx_config: Config):
    start = now()
    ports = [str(i % 7) for i in range(12_000)]
    talkers = Table(
        "talkers",
        {"network": ["Green"] * 12_000, "port": ports},
        {"bytes": np.arange(12_000) << 20, "flows": np.ones(12_000, np.int64)},
        start - np.arange(12_000),
    )
    writer = sent(influx_config, talkers, traffic(100, start, network="Green"))
    assert (writer.totals().points, writer.totals().write_errors) == (12_100, 0)
    (row,) = rows(influx_config, "SELECT sum(bytes), count(flows) FROM detail.talkers")
    assert (row["sum"], row["count"]) == (sum(range(12_000)) << 20, 12_000)
    (row,) = rows(influx_config, "SELECT sum(bytes) FROM traffic WHERE ingester = 'main'")
    assert row["sum"] == sum(range(100))
    assert rows(influx_config, "SELECT sum(bytes) FROM talkers") == []


def test_writing_twice_counts_once(influx_config: Config):
    table = traffic(100, now(), network="Green")
    sent(influx_config, table)
    sent(influx_config, table)
    (row,) = rows(influx_config, "SELECT sum(bytes) FROM traffic")
    assert row["sum"] == sum(range(100))


def test_one_retention_only(influxdb: InfluxService, influx_config: Config):
    name = f"{influx_config.influx.database}_one"
    config = Config(influx=influxdb.settings(database=name, detail=""))
    assert setup.prepare(config).created == (name,)
    try:
        sent(config, Table("talkers", {}, {"bytes": np.array([5])}, np.array([now()])))
        assert rows(config, "SELECT sum(bytes) FROM talkers")[0]["sum"] == 5
    finally:
        drop(config)


@pytest.mark.parametrize("measurement", MEASUREMENTS, ids=lambda m: m.name)
def test_every_field_has_its_type(influx_config: Config, measurement):
    fields = {
        field.name: ["x"] if field.kind is Kind.TEXT
        else np.array([7.0]) if is_float(field) else np.array([7])
        for field in measurement.fields
    }  # fmt: skip
    tags = {name: [f"a {name}, = b\\c"] for name in measurement.tags}
    sent(influx_config, Table(measurement.name, tags, fields, np.array([now()])))
    prefix = "detail." if measurement.kept.value == "detail" else ""
    (row,) = rows(influx_config, f"SELECT * FROM {prefix}{measurement.name}")
    for field in measurement.fields:
        assert row[field.name] == ("x" if field.kind is Kind.TEXT else 7)
    assert {name: row[name] for name in measurement.tags} == {n: v[0] for n, v in tags.items()}
    assert row.get("ingester") == ("main" if measurement.ingester_tag else None)


def test_a_field_of_another_type_is_refused_alone(influx_config: Config):
    start = now()
    sent(influx_config, traffic(1, start, network="Green"))
    writer = InfluxWriter(influx_config.influx)
    good = [b"traffic,network=Blue bytes=1i %d" % (start - i) for i in range(9)]
    writer.submit("traffic", [*good, b"traffic,network=Blue bytes=1.5 %d" % (start - 20)])
    assert writer.flush(30)
    writer.close()
    assert (writer.totals().points, writer.totals().points_refused) == (9, 1)
    (row,) = rows(influx_config, "SELECT sum(bytes) FROM traffic WHERE network = 'Blue'")
    assert row["sum"] == 9


def test_points_before_the_retention_are_refused_alone(influx_config: Config, caplog):
    day = 86_400 * 10**9
    old = Table("talkers", {}, {"bytes": np.arange(5)}, now() - 40 * day + np.arange(5))
    new = Table("talkers", {}, {"bytes": np.arange(5)}, now() + np.arange(5))
    writer = sent(influx_config, old, new)
    assert (writer.totals().points, writer.totals().points_refused) == (5, 5)
    assert rows(influx_config, "SELECT sum(bytes) FROM detail.talkers")[0]["sum"] == 10
    assert "refuses 5 points for good" in caplog.text


def test_a_wrong_token_is_one_line(influxd: Path):
    with LocalInfluxd(influxd, auth=True) as local:
        right = {"url": local.url, "token": local.token, "org": local.org}
        assert setup.prepare(Config(influx=right)).created
        for token in ("admin:wrong", ""):
            with pytest.raises(ServiceError) as caught:
                setup.prepare(Config(influx={**right, "token": token}))
            assert local.url in str(caught.value)
            assert "does not accept influx.token (401" in str(caught.value)
        if local.kind == "1.8":
            check_a_user_without_rights(Config(influx=right))


def check_a_user_without_rights(config: Config) -> None:
    rows(config, "CREATE USER guest WITH PASSWORD 'guest'")
    guest = config.influx.model_dump() | {"token": "guest:guest", "database": "another"}
    with pytest.raises(ServiceError, match='run: CREATE DATABASE "another" WITH') as caught:
        setup.prepare(Config(influx=guest | {"detail": "another/detail"}))
    assert "requires admin privilege" in str(caught.value)


def test_a_query_that_is_wrong_or_refused_is_one_line(influx_config: Config):
    with pytest.raises(ServiceError, match="InfluxDB"):
        rows(influx_config, "SELECT FROM")


@pytest.mark.parametrize("spooled", [False, True], ids=["in memory", "on disk"])
@pytest.mark.parametrize("how", ["pause", "kill"])
def test_a_server_that_goes_and_comes_back_has_everything_once(
    influxd: Path, tmp_path: Path, how: str, spooled: bool
):
    with LocalInfluxd(influxd) as local:
        config = Config(
            influx={"url": local.url, "token": local.token, "org": local.org, "batch_points": 500}
        )
        setup.prepare(config)
        spool = Spool(tmp_path, 2**26) if spooled else None
        writer = InfluxWriter(config.influx, pause_s=0.1, spool=spool)
        start = now()
        for i in range(20):
            lines = encode(traffic(1000, start + i, network="Green"))
            writer.submit("traffic", lines)
            writer.commit()
            if i == 10:
                getattr(local, how)()
        assert eventually(lambda: "cannot be reached" in writer.trouble)
        assert not writer.flush(0.1)
        assert (writer.totals().spool > 0) is spooled
        local.start()
        assert writer.flush(60)
        writer.close()
        counts = writer.totals()
        assert (counts.points, counts.points_dropped, counts.points_refused) == (20_000, 0, 0)
        assert counts.write_errors > 0
        (row,) = rows(config, "SELECT sum(bytes), count(bytes) FROM traffic")
        assert (row["sum"], row["count"]) == (20 * sum(range(1000)), 20_000)


def test_a_server_that_is_away_stops_queries_too(influxdb: InfluxService):
    away = influxdb.settings(url="http://127.0.0.1:1")
    with server.connect(away) as client, pytest.raises(ServiceError, match="cannot be reached"):
        server.influxql(client, away, "SHOW DATABASES")
