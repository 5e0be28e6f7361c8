"""A site that can be misconfigured in every way: an exporter, InfluxDB 2.7 and Grafana.

The servers answer as the real ones were seen to, as far as doctor asks.
"""

import json
import socket
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Self

from decode import wire
from write.conftest import Asked, Told

from flowsleuth import __version__
from flowsleuth.grafana.alerting import write
from flowsleuth.provision import shipped

LAYOUT = [*wire.ADDRESSES, (7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (152, 8), (153, 8)]
SAMPLER = (48, 1)
"""FLOW_SAMPLER_ID (RFC 3954, 8): says that it samples, and its rate is in options data."""


@dataclass
class Exporter:
    """Sends to 127.0.0.1:port while the block runs: flows of Network Green, thirty a datagram.

    late_s: how far its clock is behind; lasts_s: how long its flows last; sampler: whether records
    name a sampler of which no options tell.
    """

    port: int
    address: str = "127.0.0.21"
    late_s: float = 0.0
    lasts_s: float = 5.0
    sampler: bool = False
    inside: int = 0x0A010000
    templates: bool = True
    skipped: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _sequence: int = 0

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((self.address, 0))
            while not self._stop.wait(0.05):
                sock.sendto(self.datagram(), ("127.0.0.1", self.port))

    def datagram(self) -> bytes:
        now = time.time() - self.late_s
        end = int(now * 1000) - 1000
        layout = [*LAYOUT, SAMPLER] if self.sampler else LAYOUT
        ends = [end - round(self.lasts_s * 1000), end, *([1] if self.sampler else [])]
        records = [
            wire.record(
                layout,
                [self.inside + n, 0xC6336401, 1024 + port % 60_000, 443, 6, 15_000, 10, *ends],
            )
            for n, port in enumerate(range(30 * self._sequence, 30 * self._sequence + 30), 1)
        ]
        sets = [wire.template(256, layout, 9)] if self.templates else []
        self._sequence += 1 + self.skipped
        return wire.v9(
            *sets, wire.data(256, *records), seconds=int(now), sequence=self._sequence, domain=0
        )


def _not_found(bucket: str) -> Told:
    return Told(404, {"code": "not found", "message": f'bucket "{bucket}" not found'})


@dataclass
class Influx:
    """InfluxDB 2.7 for a token that may read and write buckets.

    sees: whether it sees its organisation; mapped: the buckets that InfluxQL finds.
    """

    token: str = "t"
    org: str = "netops"
    sees: bool = True
    buckets: set[str] = field(default_factory=lambda: {"flowsleuth", "flowsleuth/detail"})
    mapped: set[str] = field(default_factory=lambda: {"flowsleuth", "flowsleuth/detail"})
    writable: bool = True
    rows: dict[str, object] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Told:
        if asked.path == "/ping":
            return Told(204, None, {"X-Influxdb-Version": "v2.7.12"})
        if asked.headers.get("authorization") != f"Token {self.token}":
            return Told(401, {"code": "unauthorized", "message": "unauthorized access"})
        if asked.path == "/api/v2/orgs":
            listed = [{"id": "0a", "name": self.org}] if self.sees else []
            return Told(200, {"orgs": listed})
        if asked.path == "/api/v2/write":
            return self._write(asked)
        assert asked.path == "/query", asked.path
        return self._query(asked.query["q"])

    def _write(self, asked: Asked) -> Told:
        if asked.query["org"] != self.org:
            return Told(404, {"code": "not found", "message": "organization name not found"})
        bucket = asked.query["bucket"]
        if bucket not in self.buckets:
            return _not_found(bucket)
        if not self.writable:
            return Told(403, {"code": "forbidden", "message": "insufficient permissions for write"})
        return Told(400, {"code": "invalid", "message": "no lines to write"})

    def _query(self, statement: str) -> Told:
        bucket = "flowsleuth/detail" if '"detail".' in statement else "flowsleuth"
        if bucket not in self.mapped:
            return Told(
                200, {"results": [{"statement_id": 0, "error": "retention policy not found"}]}
            )
        for words, series in self.rows.items():
            if words in statement:
                return Told(200, {"results": [{"statement_id": 0, "series": series}]})
        return Told(200, {"results": [{"statement_id": 0}]})


@cache
def rules_shipped() -> list[tuple[str, str]]:
    """Return uid and title of each rule; read once, since that takes a second of CPU time."""
    return [
        (rule["uid"], rule["title"])
        for file in write.documents().values()
        for group in file.get("groups") or ()
        for rule in group["rules"]
    ]


@dataclass
class Grafana:
    """Grafana 12.4 as somebody with the role Admin finds it."""

    version: str = __version__
    there: bool = True
    source: bool = True
    source_says: str = "OK"
    rules: bool = True
    failing: str = ""

    def answer(self, asked: Asked) -> Told:
        path = asked.path.removeprefix("/api")
        titles = rules_shipped()
        match path.split("/")[1:]:
            case ["health"]:
                return Told(200, {"database": "ok", "version": "12.4.0"})
            case ["datasources", "uid", _, "health"]:
                return Told(200, {"status": self.source_says, "message": "connection refused"})
            case ["datasources", "uid", uid] if self.source:
                return Told(200, {"uid": uid, "name": "FlowSleuth"})
            case ["dashboards", "uid", uid] if self.there:
                return Told(200, {"dashboard": self._page(uid), "meta": {}})
            case ["v1", "provisioning", "alert-rules"]:
                listed = [{"uid": uid, "title": title} for uid, title in titles]
                return Told(200, listed if self.rules else [])
            case ["prometheus", "grafana", "api", "v1", "rules"]:
                first = {"health": "error", "lastError": self.failing} if self.failing else {}
                rules = [{"name": title, "health": "ok"} for _, title in titles]
                rules[0] |= first
                return Told(200, {"data": {"groups": [{"rules": rules}]}})
        return Told(404, {"message": "not found"})

    def _page(self, uid: str) -> dict[str, object]:
        (page,) = (page for page in shipped.dashboards() if page["uid"] == uid)
        page = json.loads(json.dumps(page))
        for variable in page["templating"]["list"]:
            if variable["name"] == "version":
                variable["query"] = self.version
        return page
