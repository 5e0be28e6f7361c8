"""What the dashboards are tried on: a database with the demo's traffic, and the points kept here.

The story goes on for twenty minutes after the points were made, at times to come: so whatever a
test takes, there is a present, as with a collector that runs. Of the two weeks only the days are
loaded that somebody looks at: yesterday and today, a week ago, those of the earlier occurrences.
"""

import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from itertools import product
from typing import Any

import numpy as np
from services import InfluxService

from flowsleuth.baseline import rows
from flowsleuth.baseline.history import History
from flowsleuth.baseline.jobs import Jobs
from flowsleuth.baseline.normal import Series, expect
from flowsleuth.baseline.publisher import Server
from flowsleuth.config import Config
from flowsleuth.demo.export import Site
from flowsleuth.demo.world import ANOMALIES, DEVICES, NETWORKS, STORY_PORT
from flowsleuth.pipeline import files as file_points
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.points import Table
from flowsleuth.receive.datagrams import Datagrams
from flowsleuth.schema import BY_NAME, Kind
from flowsleuth.write import setup
from flowsleuth.write.influx import InfluxWriter
from flowsleuth.write.lines import encode
from grafana.filling import Window

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
STEP = 5 * MINUTE

DAYS = (4, 6, 10, 12, 13)
"""Of the demo's two weeks, the last of which is 13."""

DEMO_DAYS = range(14)

AHEAD = 20 * MINUTE
"""How far the traffic goes on; the story ends half-way."""

CULPRIT = ANOMALIES[-1].address
STORY = {"network": "Green", "protocol": "udp", "port": str(STORY_PORT), "address": CULPRIT}
EARLIER = tuple(anomaly.address for anomaly in ANOMALIES[:-1])

LAB = "lab-7"
"""The name of the culprit."""


@dataclass
class Points:
    """All points of a database, as columns by measurement, for sums of one's own."""

    tables: dict[str, list[Table]] = field(default_factory=dict)

    def add(self, table: Table) -> None:
        self.tables.setdefault(table.measurement, []).append(table)

    def times(self, measurement: str) -> np.ndarray:
        return np.concatenate([t.time_ns for t in self.tables[measurement]])

    def tag(self, measurement: str, name: str) -> np.ndarray:
        """Return a tag of each point, '' where there is none."""
        columns = [t.tags.get(name) or [""] * len(t) for t in self.tables[measurement]]
        return np.concatenate([np.asarray(column, object) for column in columns])

    def values(self, measurement: str, name: str) -> np.ndarray:
        """Return a field of each point, as float64; NaN where there is none."""
        columns = [t.fields.get(name) for t in self.tables[measurement]]
        return np.concatenate(
            [
                np.full(len(t), np.nan) if column is None else np.asarray(column, np.float64)
                for t, column in zip(self.tables[measurement], columns, strict=True)
            ]
        )


@dataclass(frozen=True)
class World:
    """A database, its points, and the last three hours that are complete for sure."""

    config: Config
    now_ns: int
    points: Points = field(repr=False)

    @property
    def window(self) -> Window:
        return Window(self.now_ns - 3 * HOUR, self.now_ns)


def demo_world(
    influxdb: InfluxService, days: Collection[int] = DAYS, *, as_live: bool = False
) -> World:
    """Return a database with the demo's site: its networks, exporters and story.

    days: of the two weeks; as_live: up to the present only, `baseline` computed from all days.
    """
    now = time.time_ns()
    config = Config.model_validate(
        {
            "influx": influxdb.settings(database=f"test_{secrets.token_hex(6)}"),
            "networks": [
                {"name": n.name, "prefixes": [str(p) for p in (n.v4, n.v6) if p], "site": "hq"}
                for n in NETWORKS
            ],
            "exporters": {d.address: {"name": d.name} for d in DEVICES},
        }
    )
    pipeline = Pipeline(config, {CULPRIT: LAB})
    flushes = file_points.points(pipeline, _datagrams(Site(now, 1), days, as_live=as_live))
    tables = [*(t for f in flushes for t in f), *_health(now), *_heard(now)]
    if not as_live:
        return _written(config, now, [*tables, *_normal(now, [n.name for n in NETWORKS])])
    world = _written(config, now, tables)
    _write(config, _computed(config, now))
    return world


def _computed(config: Config, now: int) -> Iterator[Table]:
    """Yield `baseline` as the ingester computes it from the points in InfluxDB."""
    server = Server(config.influx)
    first = now // HOUR * HOUR - 8 * HOUR
    known = expect(History(server.ask), first, hours=12)
    yield from rows.expectations(known, config, Jobs((), UTC))
    for step in range(first // STEP, (first + 12 * HOUR) // STEP):
        columns = {"lag_s": np.full(len(known.series), 60.0)}
        tags = {name: [getattr(s, name) for s in known.series] for name in Series._fields}
        yield Table("baseline", tags, columns, np.full(len(known.series), step * STEP))
    server.close()


def _datagrams(site: Site, days: Collection[int], *, as_live: bool) -> Iterator[Datagrams]:
    for day, batch in enumerate(site.history()):
        if day in days:
            yield batch
    # Asked for when all that lies before has been read: this is the present.
    yield site.until(time.time_ns() if as_live else site.now_ns + AHEAD)


@dataclass(frozen=True)
class Naming:
    """What networks, hosts and exporters are called, by their number."""

    network: str = "Branch office {:02}"
    address: str = "10.{}.0.17"
    host: str = ""
    exporter: str = "router-{:02}.example"


LONG = Naming(
    "Customer network with a very long name {:02}",
    "2001:db8:1234:5678:9abc:def0:1234:{:04x}",
    "workstation-in-the-laboratory-{:02}.corp.example.com",
    "router-with-a-very-long-name-{:02}.example.com",
)


def many_networks(
    influxdb: InfluxService, n: int, naming: Naming = Naming(), *, loud: int = 1
) -> World:
    """Return a database with n networks, quiet but for the first, and exporters with troubles."""
    now = time.time_ns()
    config = Config.model_validate(
        {"influx": influxdb.settings(database=f"test_{secrets.token_hex(6)}")}
    )
    names = [naming.network.format(i) for i in range(1, n + 1)]
    times = np.arange((now - 7 * HOUR) // MINUTE * MINUTE, now + AHEAD, MINUTE)
    rng = np.random.default_rng(n)
    tables = [*_health(now), *_normal(now, names)]
    for name, way, (protocol, share) in product(names, ("in", "out"), (("tcp", 0.8), ("udp", 0.2))):
        wave = 1 + 0.3 * np.sin(times / (2 * HOUR) + len(tables))
        octets = (share * 4e7 * wave * rng.uniform(0.8, 1.2, len(times))).astype(np.int64)
        if name in names[:loud] and (way, protocol) == ("out", "udp"):
            octets[times > now - 15 * MINUTE] += 900_000_000
        same = {"network": name, "direction": way, "protocol": protocol}
        number = names.index(name) + 1
        address, host = (text.format(number) for text in (naming.address, naming.host))
        end = {"network": name, "direction": way, "address": address}
        tables += [
            _counted("traffic", same, octets, times),
            _counted("talkers", {**same, "address": address, "port": "14857"}, octets, times),
            _counted("hosts", end | ({"host": host} if host else {}), octets, times),
        ]
        if name == names[0]:
            profile = {"profile": "all", "direction": way, "protocol": protocol}
            tables.append(_counted("profiles", profile, octets * n, times))
    for i in range(max(3, n // 4)):
        tags = {"exporter": naming.exporter.format(i), "domain": "0", "version": "v9"}
        fields = {
            f.name: np.zeros(len(times))
            for f in BY_NAME["exporters"].fields
            if f.kind is not Kind.TEXT
        }
        fields |= {
            "datagrams": np.full(len(times), 100),
            "sampling_state": np.full(len(times), i % 3),
        }
        fields |= {"silent_s": np.full(len(times), 900.0 if i == 1 else 1.0)}
        tables.append(
            Table("exporters", _all(tags, times), _as_written("exporters", fields), times)
        )
    return _written(config, now, tables)


def _counted(
    measurement: str, tags: Mapping[str, str], octets: np.ndarray, times: np.ndarray
) -> Table:
    values = {"bytes": octets, "packets": octets // 900 + 1, "flows": octets // 90_000 + 1}
    fields = {
        f.name: values.get(f.name, np.ones(len(times), np.int64))
        for f in BY_NAME[measurement].fields
    }
    return Table(measurement, _all(tags, times), _as_written(measurement, fields), times)


def _all(tags: Mapping[str, str], times: Sequence[int] | np.ndarray) -> dict[str, list[str]]:
    return {name: [value] * len(times) for name, value in tags.items()}


def _as_written(measurement: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with the types in which the ingester writes them."""
    kinds = {f.name: f.kind for f in BY_NAME[measurement].fields}
    return {
        name: np.asarray(column, np.int64 if kinds[name] is Kind.COUNTER else np.float64)
        for name, column in fields.items()
    }


def _health(now: int) -> Iterator[Table]:
    """Yield what `load` does not write of the ingester itself."""
    times = np.arange((now - 30 * HOUR) // MINUTE * MINUTE, now + AHEAD, MINUTE)
    fields = [f for f in BY_NAME["ingester"].fields if f.kind is not Kind.TEXT]
    values = {f.name: np.full(len(times), 10 + i) for i, f in enumerate(fields)}
    yield Table("ingester", {}, _as_written("ingester", values), times)
    yield Table("events", {"kind": ["start"]}, {"text": ["it starts"]}, times[-100:-99])


def _heard(now: int) -> Iterator[Table]:
    """Yield what only a running collector knows of its exporters: that they are heard."""
    times = np.arange((now - 2 * HOUR) // MINUTE * MINUTE, now + AHEAD, MINUTE) + 1
    for device in DEVICES:
        tags = {
            "exporter": device.name,
            "domain": str(device.domain),
            "version": VERSIONS[device.version],
        }
        fields = {
            "silent_s": np.full(len(times), 5.0),
            "active_timeout_s": np.full(len(times), 60.0),
        }
        yield Table("exporters", _all(tags, times), fields, times)


VERSIONS = {9: "v9", 10: "ipfix"}

NORMAL = {"all": 9e6, "tcp": 8e6, "udp": 4e6}
"""Bytes/s up to which it is normal: above all of the demo's days, far below the story."""


def _normal(now: int, names: Sequence[str]) -> Iterator[Table]:
    """Yield `baseline` as a collector would have written it."""
    times = np.arange((now - 30 * HOUR) // STEP * STEP, now + HOUR, STEP)
    for name, way, (protocol, upper) in product(
        [*names, "profile:all"], ("in", "out"), NORMAL.items()
    ):
        values = dict.fromkeys((f.name for f in BY_NAME["baseline"].fields), 0.0) | {
            "bytes_expected": upper / 3,
            "bytes_upper": upper,
            "bytes_floor": 125_000.0,
            "lag_s": 60.0,
        }
        if not (name.startswith("profile:") or protocol == "all"):
            values.pop("bytes_limit", None)
        columns = {key: np.full(len(times), value) for key, value in values.items()}
        tags = {"network": name, "direction": way, "protocol": protocol}
        yield Table("baseline", _all(tags, times), _as_written("baseline", columns), times)


def _written(config: Config, now: int, tables: Sequence[Table]) -> World:
    setup.prepare(config)
    _write(config, tables)
    points = Points()
    for table in tables:
        points.add(table)
    return World(config, now, points)


def _write(config: Config, tables: Iterable[Table]) -> None:
    with InfluxWriter(config.influx, patient=True) as writer:
        for table in tables:
            measured = BY_NAME[table.measurement]
            tags = {"ingester": config.ingester} if measured.ingester_tag else {}
            writer.submit(table.measurement, encode(table, tags))
        writer.finish()
        assert not writer.totals().points_refused
