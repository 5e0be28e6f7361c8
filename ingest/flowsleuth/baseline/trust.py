"""How far each network's traffic can be trusted now: from what all ingesters wrote of exporters.

Several ingesters, and workers of one, see different exporters of the same network. So none asks
itself: each asks InfluxDB, for points that are old enough for all to have been written, and all
get the same answer.

The lag is the worst of an hour and not the last: an active timeout of half an hour shows only when
a long flow ends.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from flowsleuth.baseline.history import PROFILE, Ask

HOUR_NS = 3_600_000_000_000

SILENT_S = 300.0
"""An exporter of which nothing came for so long is silent: longer than an export pauses anywhere
but in an idle network, where every flow has to end before there is anything to send."""

EVERY = "all"
"""In `exporters.networks`: more networks than a list can hold."""

_STREAMS = """
SELECT max("export_lag_s") AS "lag", last("sampling_state") AS "state",
last("sampling_interval") AS "interval", last("silent_s") AS "silent",
last("networks") AS "networks"
FROM "exporters" WHERE time >= {since_ns} AND time < {until_ns}
GROUP BY "exporter", "domain", "version", "ingester"
"""

_KNOWN, _UNKNOWN = 1, 2
"""Of `exporters.sampling_state`."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known of some exporters together.

    lag_s: the worst export lag, 0 while none is known. sampled: whether any samples, be it at an
    unknown rate. interval: the largest N of 1:N. silent: how many send nothing.
    """

    lag_s: float = 0.0
    sampled: bool = False
    interval: float = 1.0
    silent: int = 0


@dataclass(slots=True)
class Exporter:
    """One exporter over its domains, and over the ingesters that hear it."""

    lag_s: float = 0.0
    sampled: bool = False
    interval: float = 1.0
    silent_s: float | None = None
    networks: set[str] = field(default_factory=set)

    def add(self, answer: dict[str, object]) -> None:
        """Add a stream's row: it is silent where all of its streams are."""
        state, silent_s = _number(answer["state"]), answer["silent"]
        self.lag_s = max(self.lag_s, _number(answer["lag"]))
        self.interval = max(self.interval, _number(answer["interval"]))
        self.sampled |= state == _UNKNOWN or (state == _KNOWN and self.interval > 1)
        if silent_s is not None:
            seconds = _number(silent_s)
            self.silent_s = seconds if self.silent_s is None else min(self.silent_s, seconds)
        self.networks |= _networks(answer["networks"])


class Exporters:
    """All exporters that were heard lately; `of` answers for a network."""

    def __init__(self, exporters: Iterable[Exporter]) -> None:
        self._exporters = list(exporters)

    def of(self, network: str) -> Trust:
        """Return what is known of a network's exporters; of a profile's, that is of all.

        A filter may match what any exporter reports.
        """
        everywhere = network.startswith(PROFILE)
        own = [e for e in self._exporters if everywhere or e.networks & {network, EVERY}]
        return Trust(
            lag_s=max((e.lag_s for e in own), default=0.0),
            sampled=any(e.sampled for e in own),
            interval=max((e.interval for e in own), default=1.0),
            silent=sum(e.silent_s is not None and e.silent_s > SILENT_S for e in own),
        )


def read(ask: Ask, until_ns: int) -> Exporters:
    """Return the exporters as they were in the hour before `until_ns`; raises ServiceError."""
    answers = ask(_STREAMS.format(since_ns=until_ns - HOUR_NS, until_ns=until_ns))
    exporters: dict[str, Exporter] = {}
    for answer in answers:
        exporter = exporters.setdefault(answer.tags["exporter"], Exporter())
        for row in answer.rows:
            exporter.add(dict(zip(answer.columns, row, strict=True)))
    return Exporters(exporters.values())


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _networks(value: object) -> set[str]:
    """Read a list of networks; what is none (somebody else wrote it) names no network."""
    try:
        names = json.loads(str(value))
    except ValueError:
        return set()
    return set(map(str, names)) if isinstance(names, list) else set()
