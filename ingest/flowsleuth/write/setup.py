"""Preparing an InfluxDB: which version answers, and the places that the points need.

1.8: the database with a retention policy for totals, and one for detail. 2.x: two buckets. What is
there already is left as it is, its durations too. Where the token may not create what is missing,
the error says exactly what somebody who may has to run.

On 2.x a token limited to its buckets sees no organisations and perhaps no buckets; so the first
question to each bucket is an empty write, which tells a missing bucket (404) from a forbidden one
(403) and from one that is ready (it complains about the emptiness, 400).
"""

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from influxdb_client.client.influxdb_client import InfluxDBClient

from flowsleuth.config import Config, Influx
from flowsleuth.config.units import DAY, HOUR, SECOND
from flowsleuth.errors import ServiceError
from flowsleuth.write.server import (
    Trouble,
    connect,
    failure,
    influxql,
    message,
    refusal,
    request,
)

DETAIL_SHARD_NS = DAY
"""InfluxDB drops whole shards: the series budget counts on one per UTC day."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An InfluxDB that takes points: its kind, what it calls its version, what was created."""

    kind: Literal["1.8", "2"]
    version: str
    created: tuple[str, ...] = ()


def prepare(config: Config) -> Prepared:
    """Return what answers at `config.influx`, with everything there that points need.

    Raises ServiceError: of another version, token refused, or something is missing that the token
    may not create; Away where it is away and may come back.
    """
    settings = config.influx
    with connect(settings) as client:
        try:
            kind, version = identify(client, settings)
            create = _database if kind == "1.8" else _buckets
            return Prepared(kind, version, tuple(create(client, config)))
        except Trouble as error:
            raise failure(error, settings) from None


def identify(client: InfluxDBClient, settings: Influx) -> tuple[Literal["1.8", "2"], str]:
    """Return the kind and the version of the server; raises ServiceError or `Trouble`."""
    status, headers, text = request(client, "GET", "/ping")
    version = headers.get("x-influxdb-version", "")
    if status in {401, 403, 429} or status >= 500:  # 1.8 with ping-auth-enabled, a proxy
        raise refusal(status, message(text), settings)
    if not version:
        raise ServiceError(f"{settings.url} does not answer as an InfluxDB: see influx.url")
    number = version.removeprefix("v")
    if number.startswith("2."):
        return "2", version
    if number.startswith("1.8"):
        return "1.8", version
    if number[:1].isdigit():
        raise ServiceError(f"InfluxDB at {settings.url} is {version}: 1.8 and 2.x are supported")
    # Built from source it may not know its version; /api/v2/setup is what 1.8 does not have.
    return ("2" if request(client, "GET", "/api/v2/setup")[0] == 200 else "1.8"), version


def _database(client: InfluxDBClient, config: Config) -> list[str]:
    """Create the database and the detail retention policy of 1.8 where they lack."""
    settings, created = config.influx, []
    database, policy = _quoted(settings.database), _quoted(settings.policy)
    long = f"DURATION {_seconds(config.retention.long_ns)} REPLICATION 1"
    detail = f"DURATION {_seconds(config.retention.detail_ns)} REPLICATION 1"
    make = {
        settings.database: f'CREATE DATABASE {database} WITH {long} NAME "autogen"',
        settings.detail: f"CREATE RETENTION POLICY {policy} ON {database} {detail} "
        f"SHARD DURATION {_seconds(DETAIL_SHARD_NS)}",
    }
    if settings.database not in _first(client, settings, "SHOW DATABASES"):
        _run(client, settings, make.values() if settings.detail else [make[settings.database]])
        created.append(settings.database)
        if settings.detail:
            created.append(settings.detail)
    elif settings.detail:
        known = _first(client, settings, f"SHOW RETENTION POLICIES ON {database}")
        if settings.policy not in known:
            _run(client, settings, [make[settings.detail]])
            created.append(settings.detail)
    return created


def _first(client: InfluxDBClient, settings: Influx, statement: str) -> set[str]:
    """Return the first column of the answer to an InfluxQL statement."""
    return {row[0] for series in influxql(client, settings, statement) for row in series.rows}


def _run(client: InfluxDBClient, settings: Influx, statements: Iterable[str]) -> None:
    """Run statements one by one; raises ServiceError with all of them to be run by hand."""
    listed = list(statements)
    try:
        for statement in listed:
            influxql(client, settings, statement)
    except ServiceError as error:
        raise ServiceError(f"{error}; let an administrator run: {'; '.join(listed)}") from None


def _quoted(name: str) -> str:
    return f'"{name}"'  # the configuration allows neither quotes nor backslashes


def _seconds(ns: int) -> str:
    """Return a duration as InfluxQL and `influx` write it."""
    return f"{ns // HOUR}h" if ns % HOUR == 0 else f"{ns // SECOND}s"


def _buckets(client: InfluxDBClient, config: Config) -> list[str]:
    """Create the buckets of 2.x where they lack; return the names of those created."""
    settings = config.influx
    if not settings.org:
        raise ServiceError(
            f"InfluxDB at {settings.url} is a 2.x: influx.org must name the organisation"
        )
    wanted = {settings.database: config.retention.long_ns}
    if settings.detail:
        wanted[settings.detail] = config.retention.detail_ns
    missing = {name: ns for name, ns in wanted.items() if not _is_writable(client, settings, name)}
    commands = "; ".join(
        shlex.join(
            ["influx", "bucket", "create", "-o", settings.org, "-n", name, "-r", _seconds(ns)]
        )
        for name, ns in missing.items()
    )
    if not missing:
        return []
    org_id = _organisation(client, settings, commands)
    for name, ns in missing.items():
        rule = {"type": "expire", "everySeconds": ns // SECOND}
        if name == settings.detail:
            rule["shardGroupDurationSeconds"] = DETAIL_SHARD_NS // SECOND
        body = {"orgID": org_id, "name": name, "retentionRules": [rule]}
        status, _, text = request(client, "POST", "/api/v2/buckets", body=body)
        if status not in {201, 422}:  # 422: somebody else has just created it
            raise ServiceError(_by_hand(settings, name, status, message(text), commands))
    return list(missing)


def _is_writable(client: InfluxDBClient, settings: Influx, bucket: str) -> bool:
    """Return whether a bucket takes points, False where it is missing; raises ServiceError."""
    query = {"org": settings.org, "bucket": bucket, "precision": "ns"}
    status, _, text = request(client, "POST", "/api/v2/write", query, b"#")
    said = message(text)
    if status in {204, 400}:
        return True
    if status == 404 and "bucket" in said:
        return False
    if status == 404:
        raise ServiceError(
            f"InfluxDB at {settings.url} finds no organisation {settings.org} (404: {said}): "
            "see influx.org, and that influx.token belongs to it"
        )
    if status == 403:
        raise ServiceError(
            f"influx.token may not write to the bucket {bucket} (403: {said}): "
            f"let an administrator make one that may read and write {bucket}, with "
            f"influx auth create -o {settings.org} --read-bucket ID --write-bucket ID"
        )
    raise refusal(status, said, settings)


def _organisation(client: InfluxDBClient, settings: Influx, commands: str) -> str:
    """Return the organisation's id; raises ServiceError where the token does not see it."""
    status, _, text = request(client, "GET", "/api/v2/orgs", {"org": settings.org})
    found = json.loads(text).get("orgs", []) if status == 200 else []
    for org in found:
        if settings.org in {org.get("name"), org.get("id")}:
            return str(org["id"])
    said = "it sees no organisation" if status == 200 else message(text)
    raise ServiceError(_by_hand(settings, settings.org, status, said, commands))


def _by_hand(settings: Influx, name: str, status: int, said: str, commands: str) -> str:
    return (
        f"InfluxDB at {settings.url} lacks buckets, and influx.token may not create them "
        f"({name}: {status}: {said}): let somebody who may run: {commands}"
    )
