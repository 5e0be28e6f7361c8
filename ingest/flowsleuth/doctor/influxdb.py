"""InfluxDB: whether it answers, lets us write and ask, has everything, and how long it keeps it.

Nothing is created: `collect` does that at its start. The questions are those that its writer and
Grafana ask, so that what is well here works there.
"""

import json
import shlex
from collections.abc import Iterator
from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient

from flowsleuth.config import Config, Influx
from flowsleuth.config.units import SECOND, format_duration
from flowsleuth.doctor.kinds import (
    DATABASE_MISSING,
    INFLUX_AWAY,
    NO_DBRP,
    ORGANISATION,
    RETENTION_DIFFERS,
    RETENTION_MISSING,
    STALE,
    TOKEN_LIMITED,
    TOKEN_REFUSED,
    Finding,
    Kind,
    well,
)
from flowsleuth.errors import ServiceError
from flowsleuth.write.server import Trouble, connect, failure, influxql, message, request
from flowsleuth.write.setup import DETAIL_SHARD_NS, identify

NOT_FOUND = "not found"
"""What every InfluxDB says of a database or retention policy that it does not find."""

STALE_S = 300
"""A window, its grace, and three tries to write it."""

AUTHORISE = (
    "influx auth create -o ORG --read-bucket ID --write-bucket ID --read-bucket ID2 "
    "--write-bucket ID2   # ids: influx bucket list -o ORG"
)


def check(config: Config) -> Iterator[Finding]:
    """Yield what there is to say."""
    settings = config.influx
    with connect(settings) as client:
        try:
            kind, version = identify(client, settings)
            yield well(f"InfluxDB {version} answers at {settings.url}")
            checks = _one(client, config) if kind == "1.8" else _two(client, config)
            yield from checks
        except Trouble as error:
            yield _away(settings, str(failure(error, settings)))
        except ServiceError as error:
            yield _refused(settings, str(error))


def _away(settings: Influx, said: str) -> Finding:
    return Finding(
        INFLUX_AWAY,
        said,
        (
            f"curl -i {settings.url}/ping",
            "systemctl start influxdb",
            "in flowsleuth.yaml: influx.url",
        ),
    )


def _refused(settings: Influx, said: str) -> Finding:
    if "does not accept influx.token" in said or "authorization failed" in said:
        return Finding(TOKEN_REFUSED, said, _token(settings))
    return _away(settings, said)


def _token(settings: Influx) -> tuple[str, ...]:
    if settings.org:
        return (AUTHORISE.replace("ORG", settings.org, 1), "in the environment: INFLUX_TOKEN")
    return (
        (
            "influx -execute \"CREATE USER flowsleuth WITH PASSWORD '…'; GRANT ALL ON "
            f'{settings.database} TO flowsleuth"'
        ),
        "in the environment: INFLUX_TOKEN=user:password",
    )


# InfluxDB 1.8


def _one(client: InfluxDBClient, config: Config) -> Iterator[Finding]:
    settings = config.influx
    databases = {r[0] for s in influxql(client, settings, "SHOW DATABASES") for r in s.rows}
    if settings.database not in databases:
        yield Finding(
            DATABASE_MISSING,
            f"InfluxDB has no database {settings.database} (or influx.token may not see it)",
            (f"influx -execute {shlex.quote(_create_database(config))}",),
        )
        return
    statement = f'SHOW RETENTION POLICIES ON "{settings.database}"'
    policies = {
        str(row[0]): dict(zip(series.columns, row, strict=True))
        for series in influxql(client, settings, statement)
        for row in series.rows
    }
    if settings.detail and settings.policy not in policies:
        yield Finding(
            RETENTION_MISSING,
            f"the database {settings.database} has no retention policy {settings.policy}",
            (f"influx -execute {shlex.quote(_create_policy(config))}",),
        )
        return
    yield from _durations(config, policies)
    yield well(f"database {settings.database} and its retention policies are there")


def _create_database(config: Config) -> str:
    long = _seconds(config.retention.long_ns)
    return f'CREATE DATABASE "{config.influx.database}" WITH DURATION {long} NAME "autogen"'


def _create_policy(config: Config, verb: str = "CREATE") -> str:
    return (
        f'{verb} RETENTION POLICY "{config.influx.policy}" ON "{config.influx.database}" DURATION '
        f"{_seconds(config.retention.detail_ns)} REPLICATION 1 SHARD DURATION "
        f"{_seconds(DETAIL_SHARD_NS)}"
    )


def _seconds(ns: int) -> str:
    return f"{ns // SECOND // 3600}h"


def _durations(config: Config, policies: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """Compare how long the detail is kept: the series budget counts on it."""
    found = policies.get(config.influx.policy, {}).get("duration")
    wanted = config.retention.detail_ns
    if not config.influx.detail or found is None or _ns(str(found)) == wanted:
        return
    yield Finding(
        RETENTION_DIFFERS,
        f"the detail is kept for {found}, and retention.detail is {format_duration(wanted)}",
        (
            f"influx -execute {shlex.quote(_create_policy(config, 'ALTER'))}",
            "or in flowsleuth.yaml: retention.detail",
        ),
    )


def _ns(duration: str) -> int:
    """Return what 1.8 writes as 720h0m0s, in ns."""
    hours, _, rest = duration.partition("h")
    minutes, _, seconds = rest.partition("m")
    parts = (hours, minutes or "0", seconds.rstrip("s") or "0")
    if not all(part.isdigit() for part in parts):
        return 0
    h, m, s = map(int, parts)
    return ((h * 60 + m) * 60 + s) * SECOND


# InfluxDB 2.x


def _two(client: InfluxDBClient, config: Config) -> Iterator[Finding]:
    settings = config.influx
    if not settings.org:
        yield Finding(
            ORGANISATION,
            f"InfluxDB at {settings.url} is a 2.x, and influx.org is not set",
            ("influx org list", "in flowsleuth.yaml: influx.org"),
        )
        return
    status, _, text = request(client, "GET", "/api/v2/orgs", {"org": settings.org})
    if status == 401:
        said = f"InfluxDB at {settings.url} does not accept influx.token (401: {message(text)})"
        yield Finding(TOKEN_REFUSED, said, _token(settings))
        return
    sees = status == 200 and any(
        settings.org in {org.get("name"), org.get("id")} for org in json.loads(text).get("orgs", ())
    )
    lacking = 0
    for bucket, kind in (
        (settings.database, DATABASE_MISSING),
        (settings.detail, RETENTION_MISSING),
    ):
        if not bucket:
            continue
        finding = _bucket(client, config, bucket, kind, sees=sees)
        yield finding
        if finding.kind is ORGANISATION:
            return
        lacking += finding.kind is not None
    if not sees:
        yield Finding(
            TOKEN_LIMITED,
            f"influx.token does not see the organisation {settings.org}"
            + (
                ": it cannot create what is missing"
                if lacking
                else ", and needs not: buckets are there"
            ),
            ("flowsleuth check -c flowsleuth.yaml",) if not lacking else _token(settings)[:1],
        )


def _bucket(
    client: InfluxDBClient, config: Config, bucket: str, missing: Kind, *, sees: bool
) -> Finding:
    """Return whether a bucket takes points, and InfluxQL finds it."""
    settings = config.influx
    query = {"org": settings.org, "bucket": bucket, "precision": "ns"}
    status, _, text = request(client, "POST", "/api/v2/write", query, b"#")
    said = message(text)
    if status == 404 and "bucket" not in said:
        return Finding(
            ORGANISATION,
            f"InfluxDB finds no organisation {settings.org} (404: {said})",
            ("influx org list", "in flowsleuth.yaml: influx.org"),
        )
    if status == 404:
        whose = "" if sees else ", and influx.token may not create it"
        return Finding(missing, f"there is no bucket {bucket}{whose}", (_create(config, bucket),))
    if status in {401, 403}:
        return Finding(
            TOKEN_REFUSED,
            f"influx.token may not write to the bucket {bucket} ({status}: {said})",
            _token(settings),
        )
    return _mapping(client, config, bucket)


def _create(config: Config, bucket: str) -> str:
    detail = bucket == config.influx.detail
    kept = config.retention.detail_ns if detail else config.retention.long_ns
    command = ["influx", "bucket", "create", "-o", config.influx.org, "-n", bucket]
    return shlex.join([*command, "-r", _seconds(kept)])


def _mapping(client: InfluxDBClient, config: Config, bucket: str) -> Finding:
    settings = config.influx
    detail = bucket == settings.detail
    place = f'"{settings.policy}"."talkers"' if detail else '"traffic"'
    try:
        influxql(client, settings, f'SELECT last("bytes") FROM {place} WHERE time > now() - 1m')
    except ServiceError as error:
        if NOT_FOUND not in str(error):
            raise
        said = f"the bucket {bucket} takes points, and InfluxQL does not find it: {error}"
        return Finding(NO_DBRP, said, (_map(settings, bucket),))
    return well(f"bucket {bucket} takes points, and InfluxQL finds it")


def _map(settings: Influx, bucket: str) -> str:
    """Return the command that lets InfluxQL find a bucket."""
    policy = settings.policy if bucket == settings.detail else "autogen --default"
    org, name = shlex.quote(settings.org), shlex.quote(bucket)
    number = f"$(influx bucket list -o {org} -n {name} --hide-headers | cut -f1)"
    database = shlex.quote(settings.database)
    return f"influx v1 dbrp create -o {org} --db {database} --rp {policy} --bucket-id {number}"


def freshness(config: Config, age_s: float | None) -> Finding:
    """Return whether points of this ingester are young. age_s: of its last one; None: no point."""
    if age_s is not None and age_s <= STALE_S:
        return well(f"the newest points of ingester {config.ingester} are {age_s:.0f} s old")
    said = "no point" if age_s is None else f"no point for {age_s:.0f} s"
    return Finding(
        STALE,
        f"collect runs, and InfluxDB has {said} of ingester {config.ingester}",
        ("journalctl -u flowsleuth -n 50",),
    )
