"""How one number of each panel follows from the points, in NumPy, without any InfluxQL.

One table, by dashboard and panel. A `Sum` says which points count (measurement, span of time, tags)
and what is made of them; `expected` works that out for each group of tags.
"""

# ruff: noqa: E501  the table has a line for each panel

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from flowsleuth.schema import BY_NAME, Kind
from grafana.filling import Page, Window
from grafana.world import MINUTE, SECOND, World

Group = frozenset[tuple[str, str]]
"""Tags and their values."""

SETTLED = 130 * SECOND
WINDOW = MINUTE
DAY = 86_400 * SECOND

COMPARED = {"1d": DAY, "7d": 7 * DAY}

Span = Literal[
    "range",
    "before",
    "rate",
    "inside",
    "lately",
    "six hours",
    "six hours and now",
    "quarter",
    "hour",
    "always",
]


@dataclass(frozen=True)
class Sum:
    """What a query answers, in other words.

    by: tags, a number for each of their values; chosen: tags that the page's variables restrict;
    tags: what else they must be ('!x': must not be); read: how values become a number;
    size: 8 where it is bits of bytes; ref and column: where the panel's number is, by default in
    its first query;
    top: the answer holds only so many, the largest; choice: which of the page's choices.
    """

    measurement: str
    field: str = "bytes"
    by: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    tags: Mapping[str, str] | None = None
    span: Span = "range"
    read: Literal["sum", "max", "last", "count", "one", "first time", "quotient", "ends a day"] = (
        "sum"
    )
    size: float = 1.0
    least: float = -np.inf
    ref: str = ""
    column: str = ""
    top: int = 0
    choice: int = 0

    def mask(self, world: World, page: Page, window: Window, now_ns: int) -> np.ndarray:
        """Return which points count."""
        points = world.points
        times = points.times(self.measurement)
        begin, end = _edges(self.span, window, now_ns, page)
        chosen = (times >= begin) & (times < end)
        wanted = dict(self.tags or {})
        for name in self.chosen:
            if (value := page.chosen.get(name)) is not None:
                wanted[name] = value
        for name, value in wanted.items():
            column = points.tag(self.measurement, name)
            chosen &= (column != value[1:]) if value.startswith("!") else (column == value)
        return chosen & (points.values(self.measurement, self.field) >= self.least)

    def expected(self, world: World, page: Page, window: Window, now_ns: int) -> dict[Group, float]:
        """Return the number of each group."""
        rows = np.flatnonzero(self.mask(world, page, window, now_ns))
        points = world.points
        values = points.values(self.measurement, self.field)[rows]
        times = points.times(self.measurement)[rows]
        if self.read == "ends a day":
            ends = points.tag(self.measurement, "address")[rows]
            return {frozenset(): float(len(set(zip(times // DAY, ends, strict=True))))}
        tags = {name: points.tag(self.measurement, name)[rows] for name in self.by}
        if self.read == "quotient":
            tags["minute"] = (times // MINUTE).astype(str)
        groups: dict[Group, list[int]] = {}
        for i in range(len(rows)):
            key = frozenset((name, column[i]) for name, column in tags.items() if column[i])
            groups.setdefault(key, []).append(i)
        found = {key: self._number(values[at], times[at]) for key, at in groups.items()}
        if self.read == "quotient":
            packets = points.values(self.measurement, "packets")[rows]
            return {key: values[at].sum() / packets[at].sum() for key, at in groups.items()}
        return {key: value * self.size for key, value in found.items()}

    def _number(self, values: np.ndarray, times: np.ndarray) -> float:
        newest = values[times == times.max()]
        return float(
            {
                "sum": values.sum(),
                "max": values.max(),
                "last": newest[-1],
                "count": len(values),
                "one": 1.0,
                "first time": times.min(),
            }.get(self.read, 0.0)
        )

    def answered(
        self, rows: Iterable[Mapping[str, object]], window: Window, now_ns: int
    ) -> dict[Group, float]:
        """Return the numbers in the answer, in the same form."""
        found: dict[Group, float] = {}
        begin, end = _edges("inside" if self.read == "quotient" else "rate", window, now_ns)
        for row in rows:
            value = row.get(self.column or ("value" if "value" in row else self.field))
            if self.read == "first time":
                value = row["time"]
            if value is None:
                continue
            key = frozenset((n, str(row[n])) for n in self.by if row.get(n) not in (None, ""))
            if self.read == "quotient":
                if begin <= (at := int(str(row["time"]))) < end:
                    found[key | {("minute", str(at // MINUTE))}] = float(value)
            elif self.span == "rate":
                if begin <= int(str(row["time"])) < end:
                    found[key] = found.get(key, 0.0) + float(value) * WINDOW / SECOND
            elif self.read in {"max", "last"}:
                found[key] = max(float(value), found.get(key, -np.inf))
            else:
                found[key] = found.get(key, 0.0) + float(value)
        return found


def _edges(span: Span, window: Window, now_ns: int, page: Page | None = None) -> tuple[int, int]:
    """Return the first time, and the one after the last."""
    ms = 1_000_000
    begin, end = window.begin_ns // ms * ms, window.end_ns // ms * ms
    if span == "before" and page:
        earlier = COMPARED[page.values()["compare"]]
        return begin - earlier, min(end + 1, now_ns - SETTLED) - earlier
    return {
        "range": (begin, end + 1),
        "rate": _windows(window, now_ns),
        "inside": _windows(replace(window, end_ns=window.end_ns - WINDOW), now_ns),
        "lately": (now_ns - 300 * SECOND - SETTLED, now_ns - SETTLED),
        "six hours": (now_ns - 6 * 3600 * SECOND, now_ns - SETTLED),
        "six hours and now": (now_ns - 6 * 3600 * SECOND, now_ns),
        "hour": (now_ns - 3600 * SECOND, 2**62),
        "quarter": (now_ns - 900 * SECOND, 2**62),
        "always": (0, now_ns),
    }[span]


def _windows(window: Window, now_ns: int) -> tuple[int, int]:
    """Return what of a rate is compared: windows that begin in the range and are written."""
    last = min(window.end_ns - 1, now_ns - SETTLED)
    return -(-window.begin_ns // WINDOW) * WINDOW, last // WINDOW * WINDOW + WINDOW


def _rate(measurement: str = "traffic", field: str = "bytes", **more: object) -> Sum:
    size = 8.0 if field == "bytes" and measurement != "exporters" else 1.0
    return Sum(measurement, field, span="rate", **{"size": size, **more})


ALL4 = ("network", "direction", "protocol")
TALKER = (*ALL4, "address", "port")
TALKING = (*ALL4, "address", "peer", "port")
NO_OTHERS = {"address": "!other", "port": "!other"}

SUMS: dict[str, dict[str, Sum]] = {
    "flowsleuth-wall": {
        "Networks": Sum("traffic", "flows", ("network",), span="six hours", read="one", ref="Tq"),
        "Exporters": Sum("exporters", "silent_s", ("exporter",), span="quarter", read="last", ref="Xsq"),
        "Age of the data": Sum("profiles", "flows", tags={"profile": "all"}, span="six hours and now", read="count", ref="Wallq"),
        "Above normal": Sum("talkers", "bytes", TALKER, tags={"address": "!other"}, span="lately", size=8 / 300, least=37500 * 60, ref="Cq"),
        "Everything: out above, in below": _rate("profiles", tags={"profile": "all", "direction": "out"}, ref="out"),
        "Networks: grey normal, amber above, red over limit, blue learning": _rate(by=("network",), ref="R"),
        "Exporters: who cannot be trusted": Sum("exporters", "sampling_state", ("exporter",), span="quarter", read="max", ref="Xuq"),
    },
    "flowsleuth-networks": {
        "All networks: out above, in below": _rate(by=("network",), tags={"direction": "out"}),
        "Networks now and normal": Sum("traffic", by=("network", "direction"), span="lately", ref="B"),
        "Share by protocol": Sum("traffic", by=("protocol",)),
        "Top networks": Sum("traffic", by=("network",)),
    },
    "flowsleuth-network": {
        "${network}: in and out, against normal": _rate(by=("direction",), chosen=("network",), tags={"direction": "!in"}),
        "By protocol": _rate(by=("direction", "protocol"), chosen=("network",), tags={"direction": "in"}, ref="B"),
        "Top talkers": Sum("talkers", by=TALKER, chosen=("network",), tags=NO_OTHERS, top=10),
        "Top conversations": Sum("conversations", by=TALKING, chosen=("network",), tags=NO_OTHERS, top=10),
        "Top addresses": Sum("talkers", by=("network", "direction", "address"), chosen=("network",), tags={"address": "!other"}, top=10),
        "Top service ports": Sum("talkers", by=(*ALL4, "port"), chosen=("network",), tags={"port": "!other"}, top=10),
        "Packets": _rate("traffic", "packets", by=("direction",), chosen=("network",)),
        "Flow records": _rate("traffic", "flows", by=("direction",), chosen=("network",)),
        "Average packet size": Sum("traffic", by=("direction",), chosen=("network",), span="inside", read="quotient"),
        "The largest service ports over time": _rate("talkers", by=("port",), chosen=("network",), tags={"direction": "in"}, ref="B"),
        "Profiles": _rate("profiles", by=("profile", "direction")),
        "Profiles of the window": Sum("profiles", "packets", ("profile", "direction")),
    },
    "flowsleuth-hunt": {
        "${network}: the window": _rate(by=("direction", "protocol"), chosen=ALL4, tags={"direction": "!in"}),
        "What changed in ${network}, against ${compare:text}": Sum("talkers", by=TALKER, chosen=TALKER, tags=NO_OTHERS, column="now"),
        "Earlier occurrences of port ${port}": Sum("heavy", by=("direction", "protocol", "address"), chosen=(*ALL4, "port"), span="always"),
        "Earlier occurrences of address ${address}": Sum("heavy", by=("direction", "protocol", "port"), chosen=("network", "address"), span="always"),
        "The whole history of ${address} port ${port}": Sum("talkers", by=("address", "port"), chosen=TALKER, span="always"),
        "Hosts a day on port ${port}": Sum("talkers", chosen=(*ALL4, "port"), tags={"address": "!other"}, span="always", read="ends a day"),
        "By protocol": Sum("traffic", by=ALL4, chosen=ALL4, span="before", ref="B", column="before", choice=1),
        "By port": Sum("talkers", by=(*ALL4, "port"), chosen=TALKER, tags={"port": "!other"}, column="now", choice=1, top=300),
        "By address": Sum("talkers", by=("network", "direction", "address"), chosen=TALKER, tags={"address": "!other"}, column="now", choice=1, top=300),
        "By conversation": Sum("conversations", by=TALKING, chosen=TALKER, tags=NO_OTHERS, column="now"),
    },
    "flowsleuth-host": {
        "${address}: by port": _rate("talkers", by=("direction", "protocol", "port"), chosen=("network", "address"), tags={"direction": "!in"}),
        "First and last seen": Sum("talkers", "flows", ("network", "direction"), chosen=("address",), span="always", read="first time"),
        "${address} beside its network, against ${compare:text}": Sum("talkers", by=("network", "direction"), chosen=("network", "address"), span="before", ref="B", column="before", choice=1),
        "By port, against ${compare:text}": Sum("talkers", by=(*ALL4, "port"), chosen=("network", "address"), tags={"port": "!other"}, column="now"),
        "Peers": Sum("conversations", by=(*ALL4, "peer", "port"), chosen=("network", "address"), top=50),
        "Its last weeks": Sum("talkers", by=("direction",), chosen=("address",), span="always"),
        "When it was heavy": Sum("heavy", by=("direction", "protocol", "port"), chosen=("address",), span="always"),
    },
    "flowsleuth-exporters": {
        "Times, templates, duplicates": Sum("exporters", "missing_template", ("exporter",), span="hour", ref="Missingq"),
        "Trust": Sum("exporters", "sampling_interval", ("exporter",), span="quarter", read="max", ref="Intervalq"),
        "Flow records by exporter": _rate("exporters", "records", by=("exporter",)),
        "Lost on the way, by exporter": _rate("exporters", "lost", by=("exporter",)),
        "Top interfaces": Sum("interfaces", by=("exporter", "interface", "direction")),
        "Leading interfaces: egress above, ingress below": _rate("interfaces", by=("exporter", "interface", "direction"), tags={"direction": "egress"}),
        "Throughput": _rate("ingester", "records", ref="records"),
        "Dropped, refused, late": _rate("ingester", "late_points", ref="late_points"),
        "Folded share": _rate("traffic", "bytes", size=1.0, ref="T"),
    },
}  # fmt: skip
"""By dashboard and panel; what panels name after the schema's fields is found by `sum_of`."""


def sum_of(uid: str, title: str) -> Sum | None:
    """Return how a panel's number follows from the points, None where nothing says so."""
    if (known := SUMS[uid].get(title)) is not None:
        return known
    about, _, names = title.rpartition(": ")
    measurement = {"Streams": "exporters", "Sums": "ingester", "": "ingester"}.get(about)
    if measurement is None:
        return None
    fields = {f.name: f.kind for f in BY_NAME[measurement].fields}
    name = names.partition(" (")[0].split(", ")[0]
    if name not in fields:
        return None
    by = BY_NAME[measurement].tags
    if not about:
        return Sum(measurement, name, by, read="max", ref=name)
    counted = fields[name] is Kind.COUNTER
    return Sum(measurement, name, by, read="sum" if counted else "max", ref="A" if counted else "B")
