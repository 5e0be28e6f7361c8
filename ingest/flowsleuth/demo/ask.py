"""Sums of bytes out of the points: by InfluxQL, or from files of line protocol where none runs.

One question serves all of the demo's tables: the sum over the points of a measurement between two
times, where tags have given values, by other tags and, if wanted, by minute.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from influxdb_client.client.influxdb_client import InfluxDBClient

from flowsleuth.config import Influx
from flowsleuth.schema import BY_NAME, Kept
from flowsleuth.write.server import influxql

MINUTE = 60_000_000_000
FOREVER = 2**62


@dataclass(frozen=True, slots=True)
class Question:
    """What to sum: points of [since, until) ns whose tags are as `where` says, by tags `by`.

    by_minute: one more key at the end, the minute's start in ns.
    """

    measurement: str
    by: tuple[str, ...]
    where: Mapping[str, str] = field(default_factory=dict)
    since: int = 0
    until: int = FOREVER
    by_minute: bool = False


Sums = dict[tuple[str, ...], int]
"""Bytes by the values of the tags that were asked for; a minute is its ns as text."""


class Points(Protocol):
    """Where points can be asked for."""

    def sums(self, question: Question) -> Sums:
        """Return the sums of bytes."""


class InfluxPoints:
    """The points in an InfluxDB; raises ServiceError when it is away or refuses."""

    def __init__(self, client: InfluxDBClient, settings: Influx) -> None:
        self._client = client
        self._settings = settings

    def sums(self, question: Question) -> Sums:
        """Return the sums of bytes."""
        found: Sums = {}
        for series in influxql(self._client, self._settings, self._statement(question)):
            key = tuple(series.tags[tag] for tag in question.by)
            for time_ns, octets in series.rows:
                whole = (*key, str(time_ns)) if question.by_minute else key
                found[whole] = int(octets)
        return found

    def _statement(self, question: Question) -> str:
        """Return the InfluxQL; names and values are the demo's own and hold no quotes."""
        source = f'"{question.measurement}"'
        if BY_NAME[question.measurement].kept is Kept.DETAIL and self._settings.detail:
            source = f'"{self._settings.database}"."{self._settings.policy}".{source}'
        times = [f"time >= {question.since}", f"time < {question.until}"]
        tags = [f"\"{tag}\" = '{value}'" for tag, value in question.where.items()]
        by = [f'"{tag}"' for tag in question.by] + ["time(1m)"] * question.by_minute
        fill = " fill(none)" if question.by_minute else ""
        conditions, keys = " AND ".join(times + tags), ", ".join(by)
        return f'SELECT sum("bytes") FROM {source} WHERE {conditions} GROUP BY {keys}{fill}'  # noqa: S608  nothing of a user's is in it


class LinePoints:
    """The points in files of line protocol, read once for each question."""

    _BYTES = re.compile(rb"\bbytes=(\d+)i")

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def sums(self, question: Question) -> Sums:
        """Return the sums of bytes."""
        found: Sums = {}
        wanted = {f"{tag}={value}".encode() for tag, value in question.where.items()}
        for line in self._lines(f"{question.measurement},".encode()):
            head, values, time_text = line.split(b" ")
            time_ns = int(time_text)
            tags = head.split(b",")[1:]
            if not question.since <= time_ns < question.until or not wanted.issubset(tags):
                continue
            of = dict(tag.decode().split("=", 1) for tag in tags)
            key = tuple(of[tag] for tag in question.by)
            if question.by_minute:
                key = (*key, str(time_ns // MINUTE * MINUTE))
            match = self._BYTES.search(values)
            found[key] = found.get(key, 0) + (int(match[1]) if match else 0)
        return found

    def _lines(self, start: bytes) -> Iterable[bytes]:
        for path in self._paths:
            with path.open("rb") as file:
                yield from (line for line in file if line.startswith(start))
