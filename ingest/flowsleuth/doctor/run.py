"""All checks, one after the other, by the way that traffic takes: port, InfluxDB, Grafana."""

import time
from collections.abc import Iterator

from flowsleuth.config import Config
from flowsleuth.doctor import arriving, grafana, host, influxdb, traffic
from flowsleuth.doctor.kinds import CONFIGURATION, GRAFANA_UNKNOWN, Finding, Level, well
from flowsleuth.doctor.traffic import Row, Traffic
from flowsleuth.errors import ConfigError, ServiceError
from flowsleuth.provision.connection import from_environment
from flowsleuth.write.server import Trouble, connect, influxql


def examine(config: Config, names: dict[str, str], seconds: float) -> Iterator[Finding]:
    """Yield all findings. names: address text -> host name; seconds: how long to listen."""
    yield from _configuration(config)
    arrival = arriving.watch(config, seconds)
    yield from arriving.judge(config, arrival, arriving.listened_to())
    database = list(influxdb.check(config))
    yield from database
    reachable = not any(finding.level is Level.WRONG for finding in database)
    dropped = 0
    known: Traffic | None = None
    if reachable:
        dropped = _dropped(config)
        if arrival.running is not None:
            yield influxdb.freshness(config, _age(config))
            known = traffic.stored(lambda query: _rows(config, query))
    if arrival.batches:
        span = f"{arrival.seconds:g} s"
        known = traffic.heard(config, names, arrival.batches, span)
    yield from host.check(config, arrival, dropped)
    if known is not None:
        yield from traffic.judge(config, known)
    yield from _grafana(config)


def _configuration(config: Config) -> Iterator[Finding]:
    warnings = config.warnings()
    for warning in warnings:
        yield Finding(CONFIGURATION, warning, ("flowsleuth check -c flowsleuth.yaml",))
    if not warnings:
        yield well("the configuration is valid")


def _rows(config: Config, query: str) -> Iterator[Row]:
    with connect(config.influx) as client:
        for series in influxql(client, config.influx, query):
            for row in series.rows:
                yield {**series.tags, **dict(zip(series.columns, row, strict=True))}


def _age(config: Config) -> float | None:
    """Return how old the newest point of this ingester is, in s."""
    query = (
        'SELECT last("datagrams") FROM "ingester" WHERE time > now() - 1d '
        f"AND \"ingester\" = '{_quoted(config.ingester)}'"
    )
    for row in _rows(config, query):
        return max(0.0, time.time() - int(row["time"]) / 1e9)
    return None


def _dropped(config: Config) -> int:
    query = (
        'SELECT sum("kernel_drops") AS n FROM "ingester" WHERE time > now() - 1h '
        f"AND \"ingester\" = '{_quoted(config.ingester)}'"
    )
    try:
        return sum(int(row["n"] or 0) for row in _rows(config, query))
    except (ServiceError, *Trouble):
        return 0


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _grafana(config: Config) -> Iterator[Finding]:
    try:
        settings = from_environment(config.grafana)
    except ConfigError as error:
        yield Finding(
            GRAFANA_UNKNOWN,
            f"Grafana was not looked at: {error}",
            ("GRAFANA_TOKEN=… flowsleuth doctor --grafana http://localhost:3000",),
        )
        return
    yield from grafana.check(settings)
