"""The ingester's own health: what it moved, what it dropped, and what it holds.

Made from the schema's table of `ingester`: a counter or a gauge that is added there is seen here.
"""

from collections.abc import Sequence
from itertools import groupby

from flowsleuth.grafana import influxql
from flowsleuth.grafana.expressions import math
from flowsleuth.grafana.graphs import graph
from flowsleuth.grafana.links import narrow
from flowsleuth.grafana.panels import BYTES, COUNT, SECONDS, SHARE, Panel, Query
from flowsleuth.grafana.tables import Column, table
from flowsleuth.schema import BY_NAME, Field, Kind

FIELDS = BY_NAME["ingester"].fields

MOVED = ("datagrams", "records", "points")
"""Counters of what went well."""

LARGEST = ("write_seconds", "admission_bar")
"""Gauges of which the largest of the workers counts; all others add up."""

UNITS = {"bytes": BYTES, "s": SECONDS, "share": SHARE}
"""Grafana's unit for one of the schema's; others are counts."""

COUNTERS_A_TABLE = 6

NO_INGESTER = (
    "no data: the ingester writes its own points while it runs; is `flowsleuth collect` up?"
)


def health() -> list[Panel]:
    """Return the panels."""
    return [_moved(), _dropped(), _folded(), *_gauges(), *_sums()]


def _moved() -> Panel:
    return graph(
        "Throughput",
        "Datagrams and records received and points written, a second.",
        [Query(_rate(name), f"{name} ($tag_ingester)", ref=name) for name in MOVED],
        unit=COUNT,
        links=[narrow("exporters")],
        width=8,
    )


def _dropped() -> Panel:
    names = [
        f.name
        for f in FIELDS
        if f.kind is Kind.COUNTER and f.unit != "bytes" and f.name not in MOVED
    ]
    return graph(
        "Dropped, refused, late",
        "Everything that was not written as it came, a second; all at 0 is well. kernel_drops: the "
        "receive buffer is too small, or add workers. write_errors, points_dropped: InfluxDB is "
        "away or too slow. bugs: the log has a traceback, please report it.",
        [Query(_rate(name), f"{name} ($tag_ingester)", ref=name) for name in names],
        unit=COUNT,
        links=[narrow("exporters")],
        width=8,
    )


def _folded() -> Panel:
    traffic = influxql.rate("traffic", by=("ingester",), factor=influxql.ONES)
    return graph(
        "Folded share",
        "Part of the bytes that has no series of its own in `talkers` (it is in `other`, exactly). "
        "When it rises, the series budget is short: raise it, or fewer talkers get their own.",
        [
            Query(_rate("folded_bytes"), ref="F", hidden=True),
            Query(traffic, ref="T", hidden=True),
            math("folded", "$F / ($T + 1)", shown=True),
        ],
        unit=SHARE,
        links=[narrow("exporters")],
        width=8,
    )


def _gauges() -> list[Panel]:
    """Return a graph for each unit of the gauges."""
    gauges = sorted((f for f in FIELDS if f.kind is Kind.GAUGE), key=lambda f: f.unit)
    return [_gauge(unit, list(fields)) for unit, fields in groupby(gauges, key=lambda f: f.unit)]


def _gauge(unit: str, fields: list[Field]) -> Panel:
    said = "; ".join(f"{f.name}: {f.meaning}" for f in fields)
    return graph(
        f"{', '.join(f.name for f in fields)} ({unit})",
        f"{said}. What only rises, or stands at its bound, is where to look.",
        [Query(_held(f.name), f"{f.name} ($tag_ingester)", ref=f.name) for f in fields],
        unit=UNITS.get(unit, COUNT),
        links=[narrow("exporters")],
        width=8,
        height=7,
    )


def _sums() -> list[Panel]:
    """Return tables of a few counters each, so that none has to be scrolled sideways."""
    counters = [f for f in FIELDS if f.kind is Kind.COUNTER]
    starts = range(0, len(counters), COUNTERS_A_TABLE)
    return [_sum(counters[first : first + COUNTERS_A_TABLE]) for first in starts]


def _sum(counters: Sequence[Field]) -> Panel:
    names = [f.name for f in counters]
    return table(
        f"Sums: {', '.join(names)}",
        "Over the range, by ingester. "
        + "; ".join(f"{f.name}: {f.unit}, {f.meaning}" for f in counters),
        [Query(influxql.total("ingester", names, ("ingester",)), table=True)],
        [
            Column("ingester", "Ingester"),
            *(Column(f.name, f.name, UNITS.get(f.unit, COUNT)) for f in counters),
        ],
        height=4,
        empty=NO_INGESTER,
    )


def _rate(name: str) -> str:
    return influxql.rate("ingester", name, ("ingester",), factor=influxql.ONES)


def _held(name: str) -> str:
    """Return the query of a gauge over all workers: each writes a point of its own in a window."""
    how, tag = "max" if name in LARGEST else "sum", influxql.column("ingester", "ingester")
    inner = (
        f'SELECT {how}({influxql.column("ingester", name)}) AS "held" FROM "ingester" '
        f"WHERE {influxql.WINDOWS} GROUP BY time(${{window}}s), {tag} fill(none)"
    )
    return (
        f'SELECT max("held") FROM ({inner})\nWHERE {influxql.AROUND}\n'
        f"GROUP BY time($__interval), {tag} fill(none)"
    )
