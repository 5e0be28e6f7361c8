"""Exporters and interfaces: who sends, how far it can be trusted, and how the ingester fares.

What the schema's tables of `exporters` and `ingester` hold is walked, so that a field which is
added there has its column or its line here.
"""

from collections.abc import Sequence

from flowsleuth.grafana import influxql, trust, variables
from flowsleuth.grafana.boards import Board
from flowsleuth.grafana.expressions import math, numbers
from flowsleuth.grafana.frames import ranked, rows
from flowsleuth.grafana.graphs import graph
from flowsleuth.grafana.health import health
from flowsleuth.grafana.judged import stale
from flowsleuth.grafana.links import VALUE, crumb, field, narrow, to
from flowsleuth.grafana.panels import (
    AMBER,
    BITS,
    BYTES,
    COUNT,
    RED,
    SECONDS,
    SHARE,
    Json,
    Panel,
    Query,
    Row,
)
from flowsleuth.grafana.tables import Column, table
from flowsleuth.schema import BY_NAME, Field, Kind

EXPORTER = influxql.among("exporters", "exporter")
INTERFACE = influxql.among("interfaces", "exporter", "interface")

COLOURED: Json = {
    "custom.cellOptions": {"type": "color-background", "mode": "basic", "wrapText": True}
}

LEFT: Json = {"custom.align": "left"}

FIELDS_A_TABLE = 6

WINDOWS = 360
"""Points of a line at most: those of six hours, a minute each. There are lines for each exporter,
and two for each of the largest interfaces."""

ONLY = "Only ${__value.text}"

NO_EXPORTERS = "no data: nothing was received. Does any exporter send to the ingester's port?"


def board() -> Board:
    """Return the dashboard."""
    return Board(
        "exporters",
        "FlowSleuth / Exporters and interfaces",
        "How far each exporter can be trusted, its interfaces, and the health of the ingester.",
        [
            _states(),
            _times(),
            _records(),
            _losses(),
            Row("Interfaces", [_interfaces(), _busy()]),
            Row("Each stream, with all that is counted", _streams(), collapsed=True),
            Row("The ingester's own health", health(), collapsed=True),
        ],
        [
            variables.exporter(),
            variables.interface(),
            variables.leading("exporter"),
            variables.leading("interface"),
        ],
        links=[crumb("wall", "Wall"), crumb("networks", "Networks")],
    )


def _states() -> Panel:
    said = (
        ("Silent", trust.worst("silent_s", "min", trust.LATELY)),
        ("Lost", trust.lost()),
        ("Sampling", trust.worst("sampling_state", "max", trust.LATELY)),
        ("Interval", trust.worst("sampling_interval", "max", trust.LATELY)),
    )
    wrapped = {"custom.cellOptions": {"type": "auto", "wrapText": True}, **LEFT}
    return _trust(
        "Trust",
        "Each exporter of the last day, the worst first, with what to do about it. Silent: nothing "
        "for five minutes. Lost: by its sequence numbers, in the last hour. Sampling at an unknown "
        "rate: all its bytes are too few.",
        said,
        [
            Column("Now", "State", width=190, more={**COLOURED, **LEFT, "mappings": trust.words()}),
            Column(
                "Remedy", "What to do", width=280, more={**wrapped, "mappings": trust.remedies()}
            ),
            Column("Silent", "Silent for", SECONDS, more=_limits(trust.SILENT_S, RED)),
            Column("Lost", "Lost", SHARE, more=_limits(trust.LOST, AMBER)),
            Column("Sampling", "Sampling", more=_sampling()),
            Column("Interval", "Largest rate", "prefix:1:"),
        ],
        height=11,
    )


def _times() -> Panel:
    said = (
        ("Timeout", trust.worst("active_timeout_s", "max", trust.HOUR)),
        ("Lag", trust.worst("export_lag_s", "max", trust.HOUR)),
        ("Skew", trust.worst("clock_skew_ms", "max", trust.LATELY)),
        ("Waiting", trust.worst("template_wait", "max", trust.LATELY)),
        ("Missing", _of_the_hour("missing_template")),
        ("Duplicates", trust.worst("duplicate_share", "max", trust.LATELY)),
    )
    return _trust(
        "Times, templates, duplicates",
        "Active timeout: set it to 60 s on the exporter. Lag: how long after a flow began its "
        "record came, at the 95th percentile of the last hour; what is younger is not complete. "
        "Clock: set NTP; above two minutes its times are shifted. Duplicates: records that are "
        "there twice, as where two routers report the same flow.",
        said,
        [
            Column("Timeout", "Active timeout", SECONDS, more=_limits(trust.TIMEOUT_S + 1, AMBER)),
            Column("Lag", "Export lag", SECONDS),
            Column("Skew", "Clock off by", "ms", more=_limits(CLOCK_MS, AMBER)),
            Column("Waiting", "Sets waiting", COUNT, more=_limits(1, AMBER)),
            Column("Missing", "Sets given up", COUNT, more=_limits(1, AMBER)),
            Column("Duplicates", "Duplicates", SHARE, more=_limits(DUPLICATES, AMBER)),
        ],
        height=8,
    )


CLOCK_MS = 120_000
"""The ingester shifts the times of exporters that are off by more."""

DUPLICATES = 0.1
"""Suspected share; some records are alike by chance."""


def _trust(
    title: str,
    description: str,
    said: Sequence[tuple[str, str]],
    columns: Sequence[Column],
    *,
    height: int,
) -> Panel:
    """Return a table of what is said of each exporter: a column's name and its query."""
    shown = [math("Now", "$State + 0", shown=True), math("Remedy", "$State + 0", shown=True)]
    for ref, text in said:
        shown += numbers(ref, text, shown=True)
    link = to("exporters", ONLY, exporter=VALUE)
    return table(
        title,
        description,
        [*stale(), *trust.states(), *shown],
        [Column("exporter", "Exporter", links=[link]), *columns],
        before=[
            *rows(),
            *ranked("Now"),
        ],
        hidden=[
            name for name in ("Now", "Remedy") if name not in {column.name for column in columns}
        ],
        empty=NO_EXPORTERS,
        options={"cellHeight": "md"},
        height=height,
    )


def _of_the_hour(name: str) -> str:
    """Return the query of a counter of each exporter, in the last hour."""
    return influxql.total("exporters", (name,), ("exporter",), span=trust.HOUR)


def _limits(amount: float, colour: str) -> Json:
    """Return how a cell looks from an amount on, the usual way below."""
    steps = [{"value": None, "color": "transparent"}, {"value": amount, "color": colour}]
    return {**COLOURED, "thresholds": {"mode": "absolute", "steps": steps}}


def _sampling() -> Json:
    """Return how `sampling_state` looks, in words."""
    plain = {"mode": "absolute", "steps": [{"value": None, "color": "transparent"}]}
    words = {
        "0": {"text": "assumed 1", "color": "transparent"},
        "1": {"text": "known", "color": "transparent"},
        "2": {"text": "unknown", "color": RED},
    }
    return {
        **COLOURED,
        **LEFT,
        "thresholds": plain,
        "mappings": [{"type": "value", "options": words}],
    }


def _records() -> Panel:
    return _counter(
        "Flow records by exporter",
        "Records a second. A line that ends is an exporter gone silent; one that doubles may "
        "report each flow twice.",
        "records",
    )


def _losses() -> Panel:
    return _counter(
        "Lost on the way, by exporter",
        "What is missing by the sequence numbers, a second: datagrams for v9, flow records for "
        "others. With kernel drops (the ingester's health, below) the collector is too slow; "
        "without, the network or the exporter loses.",
        "lost",
    )


def _counter(title: str, description: str, name: str) -> Panel:
    rate = influxql.rate("exporters", name, ("exporter",), EXPORTER, factor=influxql.ONES)
    return graph(
        title,
        description,
        [Query(rate, "$tag_exporter")],
        unit=COUNT,
        links=[narrow("exporters")],
        width=12,
        points=WINDOWS,
    )


def _interfaces() -> Panel:
    row = {"exporter": field("Exporter")}
    return table(
        "Top interfaces",
        "By bytes. Shares are of the interface's speed, where the configuration knows it; the peak "
        "is of the busiest window. One that is full drops what does not fit.",
        [Query(_by_interface(), table=True)],
        [
            Column("exporter", "Exporter", links=[to("exporters", ONLY, exporter=VALUE)]),
            Column("interface", "Interface", links=[to("exporters", ONLY, interface=VALUE, **row)]),
            Column("direction", "Direction"),
            Column("mean", "Mean", BITS),
            Column("share", "Share", SHARE, more=_gauge()),
            Column("busiest", "Busiest", BITS),
            Column("peak", "Peak share", SHARE, more=_gauge()),
            Column("speed", "Speed", BITS),
            Column("bytes", "Bytes", BYTES),
        ],
        sort="Bytes",
        limit=50,
        height=11,
        empty="no data: no exporter in this range says which interfaces its flows take",
    )


def _by_interface() -> str:
    """Return the query of each interface's bytes and rates, and what they are of its speed."""
    bytes_, speed = (influxql.column("interfaces", name) for name in ("bytes", "speed"))
    mean = f"sum({bytes_})*8000/(${{__to}} - ${{__from}})"
    busiest = f"max({bytes_})*8/${{window}}"
    columns = {
        "bytes": f"sum({bytes_})",
        "mean": mean,
        "busiest": busiest,
        "speed": f"max({speed})",
        "share": f"{mean}/max({speed})",
        "peak": f"{busiest}/max({speed})",
    }
    # A line each, as Grafana takes what stands between two slashes of one for a regular expression.
    said = ",\n".join(f'{what} AS "{name}"' for name, what in columns.items())
    where = " AND ".join((influxql.RANGE, *INTERFACE))
    by = ", ".join(f'"{tag}"' for tag in BY_NAME["interfaces"].tags)
    return f'SELECT {said}\nFROM "interfaces" WHERE {where} GROUP BY {by}'


def _gauge() -> Json:
    steps = [
        {"value": None, "color": "#8e8e8e"},
        {"value": 0.7, "color": AMBER},
        {"value": 0.9, "color": RED},
    ]
    return {
        "custom.cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
        "min": 0,
        "max": 1,
        "thresholds": {"mode": "absolute", "steps": steps},
    }


def _busy() -> Panel:
    leading = tuple(
        f"{influxql.column('interfaces', tag)} =~ /^${{leading_{tag}s:regex}}$/"
        for tag in ("exporter", "interface")
    )
    return graph(
        "Leading interfaces: egress above, ingress below",
        "The interfaces that carry most in the range. A flat top is a line that is full.",
        [
            Query(
                influxql.rate(
                    "interfaces",
                    by=BY_NAME["interfaces"].tags,
                    where=(*INTERFACE, *leading, f"\"direction\" = '{direction}'"),
                ),
                f"$tag_exporter $tag_interface {direction}",
                ref=direction,
            )
            for direction in ("egress", "ingress")
        ],
        mirrored=["ingress"],
        legend="table",
        links=[narrow("exporters")],
        height=10,
        points=WINDOWS,
    )


def _streams() -> list[Panel]:
    """Return tables of a few fields each, so that none has to be scrolled sideways."""
    fields = [f for f in BY_NAME["exporters"].fields if f.kind is not Kind.TEXT]
    ordered = sorted(fields, key=lambda f: f.kind is Kind.GAUGE)
    starts = range(0, len(ordered), FIELDS_A_TABLE)
    return [_stream(ordered[first : first + FIELDS_A_TABLE]) for first in starts]


def _stream(fields: Sequence[Field]) -> Panel:
    by = BY_NAME["exporters"].tags
    counters = [f.name for f in fields if f.kind is Kind.COUNTER]
    gauges = [f.name for f in fields if f.kind is Kind.GAUGE]
    queries = []
    if counters:
        text = influxql.total("exporters", counters, by, EXPORTER)
        queries.append(Query(text, table=True))
    if gauges:
        text = influxql.gauge("exporters", gauges, by, EXPORTER, read="max")
        queries.append(Query(text, table=True, ref="B"))
    said = "; ".join(f"{f.name}: {f.unit}, {f.meaning}" for f in fields)
    return table(
        f"Streams: {', '.join(f.name for f in fields)}",
        f"Every stream: counters are sums over the range, gauges their worst. {said}.",
        queries,
        [
            *(Column(tag, tag.capitalize()) for tag in by),
            *(Column(f.name, f.name, COUNT if f.kind is Kind.COUNTER else "none") for f in fields),
        ],
        before=[{"id": "merge", "options": {}}],
        height=7,
        empty=NO_EXPORTERS,
    )
