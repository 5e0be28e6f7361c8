"""Hunt, the anomaly's workbench: who it is, what changed, and where it was seen before.

The way of an engineer who follows a spike: set the window on it, see what is new there against a
day or a week before, choose the port or the address, and look back over the weeks. Everything on
the page follows the filters above it; a click on a port in a row sets them to that row.
"""

from flowsleuth.grafana import cells, influxql, variables
from flowsleuth.grafana.boards import Board
from flowsleuth.grafana.changes import changed
from flowsleuth.grafana.graphs import bars, graph
from flowsleuth.grafana.links import crumb, label, narrow
from flowsleuth.grafana.panels import BYTES, COUNT, HOUR, RED, Panel, Query, Row, override, text
from flowsleuth.grafana.tables import Column, merged, table, untimed

NETWORK = influxql.among("traffic", "network", "direction")
TRAFFIC = influxql.among("traffic", "network", "direction", "protocol")
TALKERS = influxql.among("talkers", "network", "direction", "protocol", "address", "port")
HEAVY = influxql.among("heavy", "network", "direction", "protocol")
HOSTS = influxql.among("hosts", "network", "direction", "address")


NOBODY_CHOSEN = "choose an address or a port: click one above, or type it on top of the page"


def board() -> Board:
    """Return the dashboard."""
    return Board(
        "hunt",
        "FlowSleuth / Hunt",
        "The anomaly's workbench: what changed, who it is, and where it was seen before.",
        [
            _window(),
            _what_changed(),
            Row("Where it was seen before", [*_earlier(), _history(), _hosts_a_day(), _flows()]),
            Row("The same by protocol, port, address and conversation", _by()),
        ],
        [
            variables.site(),
            variables.network(multi=False),
            variables.direction(),
            variables.protocol(),
            variables.address(),
            variables.port(),
            variables.compare(),
            variables.other(),
            variables.filters(),
        ],
        links=[crumb("wall", "Wall"), crumb("networks", "Networks"), crumb("network", "Network")],
    )


def _window() -> Panel:
    out, into = influxql.NOT_INTO, influxql.INTO
    return graph(
        "${network}: the window",
        "The chosen traffic by direction and protocol; what comes in is drawn downwards. The red "
        "line is the chosen address and port. Drag over the spike to set the window on it: "
        "everything below follows.",
        [_all(out, "A"), _all(into, "B"), _chosen(out, "C"), _chosen(into, "D")],
        stacked=True,
        mirrored=("B", "D"),
        links=[
            narrow("hunt"),
            narrow(
                "hunt",
                "Only ${__field.labels.direction} ${__field.labels.protocol}, at this time",
                direction=label("direction"),
                protocol=label("protocol"),
            ),
        ],
        overrides=[override("byFrameRefID", ref, RED_LINE) for ref in "CD"],
        height=7,
    )


def _all(condition: str, ref: str) -> Query:
    by = ("direction", "protocol")
    rate = influxql.rate("traffic", by=by, where=(*TRAFFIC, condition))
    return Query(rate, "$tag_direction $tag_protocol", ref=ref)


def _chosen(condition: str, ref: str) -> Query:
    where = (*TALKERS, influxql.CHOSEN, condition)
    rate = influxql.rate("talkers", by=("direction",), where=where)
    return Query(rate, "chosen, $tag_direction", ref=ref)


RED_LINE = {
    "color": {"mode": "fixed", "fixedColor": RED},
    "custom.stacking": {"mode": "none"},
    "custom.fillOpacity": 0,
    "custom.lineWidth": 2,
}


def _what_changed() -> Panel:
    return changed(
        "What changed in ${network}, against ${compare:text}",
        "Who is new or sends more than five times what it did comes first, then the largest "
        "difference; “five times” is measured against the growth of the rest of the network. Click "
        "a port: the page narrows to that address and port, and shows where they were seen before.",
        "talkers",
        cells.tags("direction", "protocol", "address", "host", "port"),
        where=(*TALKERS, influxql.NO_OTHER_ADDRESS, influxql.NO_OTHER_PORT),
        whole=NETWORK,
        named=cells.named(("network",), HOSTS, "E"),
        height=9,
    )


def _earlier() -> list[Panel]:
    return [
        _occurrences(
            "Earlier occurrences of port ${port}",
            "When this port carried a tenth or more of a network's traffic, hour by hour, in the "
            "last weeks: the same port on other hosts is how an outbreak looks.",
            ("direction", "protocol", "address"),
            (
                *influxql.among("heavy", "network", "direction", "protocol", "port"),
                influxql.PORT_CHOSEN,
            ),
        ),
        _occurrences(
            "Earlier occurrences of address ${address}",
            "When this address carried a tenth or more of a network's traffic, hour by hour, in "
            "the last weeks, on whatever port.",
            ("direction", "protocol", "port"),
            (*influxql.among("heavy", "network", "address"), influxql.ADDRESS_CHOSEN),
        ),
    ]


def _occurrences(
    title: str, description: str, tags: tuple[str, ...], where: tuple[str, ...]
) -> Panel:
    return table(
        title,
        description,
        [
            Query(influxql.hourly("heavy", (*tags, "network"), where), table=True),
            cells.named(("network",), (*NAMED, where[-1]), "B", influxql.WEEKS),
        ],
        [
            Column("Time", "Hour", HOUR, 132, links=[narrow("hunt", "Hunt at this time", hours=2)]),
            *cells.tags(*(name for tag in tags for name in _with_host(tag))),
            Column("bytes", "Bytes", BYTES, 80),
        ],
        before=[untimed("B"), *merged("bytes")],
        hidden=["network", "seen", *(() if "address" in tags else ("address", "host"))],
        sort="Hour",
        width=12,
        height=7,
        empty=NOBODY_CHOSEN,
    )


NAMED = influxql.among("hosts", "network")


def _with_host(tag: str) -> tuple[str, ...]:
    """Return the columns of a tag: beside an address stands its name."""
    return ("address", "host") if tag == "address" else (tag,)


def _history() -> Panel:
    return bars(
        "The whole history of ${address} port ${port}",
        "What the chosen address and port carried, by six hours, over the last weeks, whatever the "
        "window is. A click on a bar sets the window there.",
        [
            Query(
                influxql.hourly(
                    "talkers",
                    ("address", "port"),
                    (*TALKERS, influxql.CHOSEN),
                    width="6h",
                    fill="0",
                ),
                "$tag_address port $tag_port",
            )
        ],
        unit=BYTES,
        links=[narrow("hunt", "Hunt at this time", hours=12)],
        width=12,
        empty=NOBODY_CHOSEN,
    )


def _hosts_a_day() -> Panel:
    where = (
        *influxql.among("talkers", "network", "direction", "protocol", "port"),
        influxql.PORT_CHOSEN,
    )
    return bars(
        "Hosts a day on port ${port}",
        "How many addresses of the network used this port on each day (UTC). A number that rises "
        "day by day is an outbreak; one that is always there is a service.",
        [Query(influxql.ends_a_day("talkers", "address", where), "hosts")],
        unit=COUNT,
        links=[narrow("hunt", "Hunt around this day", hours=48)],
        width=12,
        empty=NOBODY_CHOSEN,
    )


def _flows() -> Panel:
    when = "--from ${__from:date:iso} --to ${__to:date:iso}"
    lines = (
        "proto ${protocol:csv} and port ${port} and ip ${address}",
        "port ${port}",
        "ip ${address}",
    )
    commands = "\n".join(f"flowsleuth decode ARCHIVE --filter '{line}' {when}" for line in lines)
    return text(
        "The raw flows: paste one of these",
        "Paste the line that fits, with the folder of `collect --archive` for ARCHIVE: it prints "
        "the flow records of this window, of the address and port, the port, or the address.",
        f"```\n{commands}\n```\nLeave out what says `.*`: it is not chosen.",
        height=5,
    )


def _by() -> list[Panel]:
    talkers = influxql.among("talkers", "network", "direction", "protocol", "address", "port")
    talking = influxql.among("conversations", "network", "direction", "protocol", "address", "port")
    changes = "New or more than five times as much as before first, then by difference. "
    return [
        changed(
            "By protocol",
            changes + "Exact: the whole traffic of the network.",
            "traffic",
            cells.tags("direction", "protocol"),
            where=TRAFFIC,
            whole=NETWORK,
            width=12,
        ),
        changed(
            "By port",
            changes + "Click a port to see who uses it.",
            "talkers",
            cells.tags("direction", "protocol", "port"),
            where=(*talkers, influxql.NO_OTHER_PORT),
            whole=NETWORK,
            width=12,
        ),
        changed(
            "By address",
            changes + "Click an address to see all that it does.",
            "talkers",
            cells.tags("direction", "address", "host"),
            where=(*talkers, influxql.NO_OTHER_ADDRESS),
            whole=NETWORK,
            named=cells.named(("network",), HOSTS, "E"),
            width=10,
        ),
        changed(
            "By conversation",
            changes + "The largest pairs of addresses only: they promise no sum.",
            "conversations",
            cells.tags("direction", "protocol", "address", "host", "peer", "port"),
            where=(*talking, influxql.NO_OTHER_ADDRESS, influxql.NO_OTHER_PORT, influxql.CHOSEN),
            whole=NETWORK,
            named=cells.named(("network",), (*HOSTS, influxql.CHOSEN), "E"),
            width=14,
            empty=NOBODY_CHOSEN,
        ),
    ]
