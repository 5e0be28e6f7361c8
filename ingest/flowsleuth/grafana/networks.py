"""Networks, the entry: all networks at once, who carries most, and who is off its normal."""

from flowsleuth.grafana import cells, influxql, variables
from flowsleuth.grafana.boards import Board
from flowsleuth.grafana.graphs import graph
from flowsleuth.grafana.links import crumb, label, narrow
from flowsleuth.grafana.panels import AMBER, BITS, BYTES, COUNT, SHARE, Panel, Query, Row
from flowsleuth.grafana.tables import Column, computed, joined, table


def board() -> Board:
    """Return the dashboard."""
    return Board(
        "networks",
        "FlowSleuth / Networks",
        "All networks: in and out, by protocol, and against what is normal.",
        [
            _all(),
            _normal(),
            Row("Shares", [_by_protocol(), _top()]),
        ],
        [
            variables.site(),
            variables.network(),
            variables.direction(),
            variables.protocol(),
            variables.filters(),
        ],
        links=[crumb("wall", "Wall")],
    )


WHERE = influxql.among("traffic", "network", "direction", "protocol", "site")


WINDOWS, SPARK = 360, 100
"""Points of a line at most: those of six hours, a minute each; and of a line in a cell. There are
two lines for each network, and forty networks."""


def _all() -> Panel:
    out, into = ("\"direction\" = 'out'",), ("\"direction\" = 'in'",)
    chosen = influxql.among("traffic", "network", "protocol", "site")
    return graph(
        "All networks: out above, in below",
        "Each network's traffic, stacked; what it sends is drawn upwards, what it receives "
        "downwards. A click on a spike narrows the window or opens the network.",
        [
            Query(
                influxql.rate("traffic", by=("network",), where=(*out, *chosen)), "$tag_network out"
            ),
            Query(
                influxql.rate("traffic", by=("network",), where=(*into, *chosen)),
                "$tag_network in",
                ref="B",
            ),
        ],
        stacked=True,
        mirrored="B",
        points=WINDOWS,
        links=[
            narrow("networks"),
            narrow(
                "network", "Open ${__field.labels.network} at this time", network=label("network")
            ),
            narrow(
                "hunt", "Hunt in ${__field.labels.network} at this time", network=label("network")
            ),
        ],
        height=11,
    )


def _normal() -> Panel:
    chosen = influxql.among("traffic", "network", "direction", "site")
    tags = ("network", "direction")
    late = (*influxql.among("baseline", *tags), "\"protocol\" = 'all'")
    return table(
        "Networks now and normal",
        "The last five complete minutes of each network against what is normal at this hour; the "
        "line is the window. Above 100% of the most that is normal is where to look: open it.",
        [
            Query(influxql.rate("traffic", by=tags, where=chosen)),
            Query(
                influxql.total("traffic", ("bytes",), tags, chosen, span=influxql.LATELY),
                table=True,
                ref="B",
            ),
            Query(
                influxql.gauge(
                    "baseline", ("bytes_expected", "bytes_upper"), tags, late, span=influxql.NEWEST
                ),
                table=True,
                ref="C",
            ),
        ],
        [
            *cells.tags(*tags),
            Column(
                "Trend #A",
                "Window",
                BITS,
                more={"custom.cellOptions": {"type": "sparkline", "hideValue": True}},
            ),
            Column("now", "Now", BITS, 90),
            Column("normal", "Normal", BITS, 90),
            Column("times", "Change", "prefix:×", 72, more={"decimals": 1}),
            Column("most", "Normal at most", BITS, 122),
            Column("part", "Of that", SHARE, 70, more={**_ABOVE, "decimals": 0}),
        ],
        before=[
            {"id": "timeSeriesTable", "options": {}, "filter": {"id": "byRefId", "options": "A"}},
            *joined("bytes"),
            computed("now", "bytes", "*", "0.0266666666667"),  # 8 / 300: octets of five minutes
            computed("normal", "bytes_expected", "*", "8"),
            computed("most", "bytes_upper", "*", "8"),
            computed("times", "now", "/", "normal"),
            computed("part", "now", "/", "most"),
        ],
        hidden=["bytes", "bytes_expected", "bytes_upper"],
        sort="Now",
        height=11,
        extra={"maxDataPoints": SPARK},
    )


_ABOVE = {
    "thresholds": {
        "mode": "absolute",
        "steps": [{"value": None, "color": "text"}, {"value": 1, "color": AMBER}],
    },
    "custom.cellOptions": {"type": "color-text"},
}
"""Amber where it is above normal."""


def _by_protocol() -> Panel:
    return Panel(
        "piechart",
        "Share by protocol",
        "Bytes of the window by protocol. A share that is new (UDP, GRE, ICMP) is where to look.",
        [Query(influxql.total("traffic", ("bytes",), ("protocol",), WHERE), "$tag_protocol")],
        12,
        9,
        BYTES,
        options={
            "reduceOptions": {"calcs": ["sum"], "fields": "", "values": False},
            "pieType": "donut",
            "legend": {
                "displayMode": "table",
                "placement": "right",
                "showLegend": True,
                "values": ["value", "percent"],
            },
            "tooltip": {"mode": "single", "sort": "none"},
        },
    )


def _top() -> Panel:
    return table(
        "Top networks",
        "Bytes, packets and flow records of the window by network.",
        [
            Query(
                influxql.total("traffic", ("bytes", "packets", "flows"), ("network",), WHERE),
                table=True,
            )
        ],
        [
            *cells.tags("network"),
            Column(
                "bytes",
                "Bytes",
                BYTES,
                more={
                    "custom.cellOptions": {"type": "gauge", "mode": "basic"},
                    "color": {"mode": "fixed", "fixedColor": "blue"},
                },
            ),
            Column("packets", "Packets", COUNT, 80),
            Column("flows", "Flow records", COUNT, 105),
        ],
        sort="Bytes",
        width=12,
    )
