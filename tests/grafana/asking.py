"""Asks what a panel asks: through Grafana's query API where there is one, else InfluxDB itself.

Grafana replaces `$timeFilter` and `$__interval` itself and computes the expressions. Directly, the
queries alone are asked, expressions are left out.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from local_grafana import GrafanaService
from services import rows

from flowsleuth.config import Config
from flowsleuth.errors import ServiceError
from grafana.filling import Json, Page, Window

Rows = list[dict[str, Any]]
"""A row holds its tags and columns; of a time series each point is a row, its number in `value`."""

EXPRESSION = "__expr__"


class Asking(Protocol):
    """How panels are asked; expressions: whether what the server computes is among the answers."""

    expressions: bool

    def answers(self, targets: list[Json], page: Page, window: Window) -> dict[str, Rows]:
        """Return the rows of each target by its ref; raises ServiceError with what is wrong."""


@dataclass
class Directly:
    """Asks InfluxDB."""

    config: Config
    expressions = False

    def answers(self, targets: list[Json], page: Page, window: Window) -> dict[str, Rows]:
        answered = {}
        for target in targets:
            if target["datasource"]["uid"] != EXPRESSION:
                found = rows(self.config, page.fill(target["query"], window))
                is_series = target["resultFormat"] == "time_series"
                answered[target["refId"]] = list(_points(found)) if is_series else found
        return answered


def _points(found: Rows) -> Iterator[dict[str, Any]]:
    for row in found:
        tags = {
            key: value for key, value in row.items() if isinstance(value, str) and key != "time"
        }
        for key, value in row.items():
            if key not in tags and key != "time" and value is not None:
                yield {**tags, "time": row["time"], "value": value, "column": key}


@dataclass
class ThroughGrafana:
    """Asks Grafana's query API about a data source."""

    service: GrafanaService
    uid: str
    expressions = True

    def answers(self, targets: list[Json], page: Page, window: Window) -> dict[str, Rows]:
        queries = [self._query(target, page, window) for target in targets]
        begin, end = (str(ns // 1_000_000) for ns in (window.begin_ns, window.end_ns))
        _, said = self.service.ask("/api/ds/query", {"queries": queries, "from": begin, "to": end})
        results = said.get("results", {})
        wrong = [f"{ref}: {r['error']}" for ref, r in results.items() if r.get("error")]
        if wrong or not results:
            raise ServiceError("; ".join(wrong) or str(said))
        return {ref: list(_of_frames(r.get("frames", []))) for ref, r in results.items()}

    def _query(self, target: Json, page: Page, window: Window) -> Json:
        # What only expressions see would be left out of the answer.
        query = {
            **target,
            "hide": False,
            "intervalMs": window.interval_s * 1000,
            "maxDataPoints": 2000,
        }
        if target["datasource"]["uid"] == EXPRESSION:
            return {**query, "expression": page.fill(target.get("expression", ""), window)}
        filled = page.fill(target["query"], window, macros=False)
        return {**query, "datasource": {"type": "influxdb", "uid": self.uid}, "query": filled}


def _of_frames(frames: list[Json]) -> Iterator[dict[str, Any]]:
    for frame in frames:
        fields = frame["schema"]["fields"]
        columns = frame["data"]["values"]
        for cells in zip(*columns, strict=True):
            row: dict[str, Any] = {}
            for description, cell in zip(fields, cells, strict=True):
                labels = description.get("labels")
                is_time = description["type"] == "time"
                name = description["name"]
                if labels is not None or (not is_time and len(fields) <= 2):
                    name, _ = "value", row.update(labels or {})
                row["time" if is_time else name] = cell * 1_000_000 if is_time and cell else cell
            yield row


@contextmanager
def data_source(service: GrafanaService, config: Config) -> Iterator[str]:
    """Put a data source for a database into Grafana; yield its uid, and take it out again."""
    uid = f"test-{secrets.token_hex(5)}"
    settings = config.influx
    body: Json = {
        "uid": uid,
        "name": uid,
        "type": "influxdb",
        "access": "proxy",
        "url": service.influx_url or settings.url,
        "jsonData": {
            "version": "InfluxQL",
            "dbName": settings.database,
            "httpMode": "POST",
            "timeInterval": "15s",
            "httpHeaderName1": "Authorization",
        },
        # InfluxDB 1.8 takes `user:password` there, or nothing.
        "secureJsonData": {"httpHeaderValue1": f"Token {settings.token.get_secret_value()}"},
    }
    with service.client() as api:
        api.datasource.create_datasource(body)
        try:
            yield uid
        finally:
            api.datasource.delete_datasource_by_uid(uid)
