"""Network: what one carries, by protocol, port, host and conversation, against normal."""

from flowsleuth.grafana import cells, influxql, variables
from flowsleuth.grafana.boards import Board
from flowsleuth.grafana.graphs import DIRECTIONS, band, graph
from flowsleuth.grafana.links import crumb, label, narrow
from flowsleuth.grafana.panels import BYTES, COUNT, PACKETS, Panel, Query, Row
from flowsleuth.grafana.tables import Column, table
from flowsleuth.grafana.tops import top

TRAFFIC = influxql.among("traffic", "network", "direction", "protocol")
TALKERS = influxql.among("talkers", "network", "direction", "protocol", "address", "port")
TALKING = influxql.among("conversations", "network", "direction", "protocol", "address", "port")
HOSTS = influxql.among("hosts", "network", "direction", "address")


def board() -> Board:
    """Return the dashboard."""
    return Board(
        "network",
        "FlowSleuth / Network",
        "One network: by protocol, port, host and conversation, against what is normal.",
        [
            _in_and_out(),
            _protocols(),
            _talkers(),
            _conversations(),
            _addresses(),
            _ports(),
            Row("Packets and flows", [_packets(), _flows(), _sizes()]),
            Row("Service ports over time", [_ports_over_time()], collapsed=True),
            Row("Profiles", [_profiles(), _profile_totals()], collapsed=True),
        ],
        [
            variables.site(),
            variables.network(multi=False),
            variables.direction(),
            variables.protocol(),
            variables.address(),
            variables.port(),
            variables.other(),
            variables.leading_ports(),
            variables.filters(),
        ],
        links=[crumb("wall", "Wall"), crumb("networks", "Networks"), crumb("hunt", "Hunt", "›")],
    )


def _in_and_out() -> Panel:
    rates = influxql.among("traffic", "network", "direction")
    normal = (*influxql.among("baseline", "network", "direction"), "\"protocol\" = 'all'")
    return graph(
        "${network}: in and out, against normal",
        "The whole network; what comes in is drawn downwards. The grey band reaches from what is "
        "normal at this hour to where above normal begins. Drag over a spike to narrow the window, "
        "or click it and hunt.",
        [
            Query(
                influxql.rate("traffic", by=("direction",), where=(*rates, influxql.NOT_INTO)),
                "$tag_direction",
            ),
            Query(
                influxql.rate("traffic", by=("direction",), where=(*rates, influxql.INTO)),
                "$tag_direction",
                ref="B",
            ),
            _band((*normal, influxql.NOT_INTO), "C"),
            _band((*normal, influxql.INTO), "D"),
        ],
        mirrored=("B", "D"),
        overrides=[
            look
            for direction in ("out", "in", "internal")
            for look in band(f"{direction} normal", f"{direction} above normal from")
        ]
        + DIRECTIONS,
        links=[
            narrow("network"),
            narrow("hunt", "Hunt at this time", direction=label("direction")),
        ],
        width=12,
    )


def _band(where: tuple[str, ...], ref: str) -> Query:
    fields = ("bytes_expected", "bytes_upper")
    names = ("normal", "above normal from")
    text = influxql.course(
        "baseline", fields, ("direction",), where, factor=influxql.BITS, names=names
    )
    return Query(text, "$tag_direction $col", ref=ref)


def _protocols() -> Panel:
    return graph(
        "By protocol",
        "The chosen traffic by protocol; what comes in is drawn downwards. A protocol that swells "
        "alone is the first half of an answer: click it and hunt in it.",
        [
            Query(
                influxql.rate(
                    "traffic", by=("direction", "protocol"), where=(*TRAFFIC, influxql.NOT_INTO)
                ),
                "$tag_direction $tag_protocol",
            ),
            Query(
                influxql.rate(
                    "traffic", by=("direction", "protocol"), where=(*TRAFFIC, influxql.INTO)
                ),
                "$tag_direction $tag_protocol",
                ref="B",
            ),
        ],
        stacked=True,
        mirrored="B",
        links=[
            narrow("network"),
            narrow(
                "hunt",
                "Hunt in ${__field.labels.direction} ${__field.labels.protocol} at this time",
                direction=label("direction"),
                protocol=label("protocol"),
            ),
        ],
        width=12,
    )


def _talkers() -> Panel:
    return top(
        "Top talkers",
        "The largest address and port pairs of the window. A talker with a large share on a port "
        "that nobody knows is who you look for: click the port to hunt it.",
        "talkers",
        cells.tags("direction", "protocol", "address", "host", "port"),
        where=(*TALKERS, influxql.NO_OTHER_ADDRESS, influxql.NO_OTHER_PORT),
        whole=influxql.among("traffic", "network", "direction"),
        named=cells.named(("network",), HOSTS, "C"),
    )


def _ports() -> Panel:
    return top(
        "Top service ports",
        "The largest service ports of the window, whoever used them.",
        "talkers",
        cells.tags("direction", "protocol", "port"),
        where=(*TALKERS, influxql.NO_OTHER_PORT),
        whole=influxql.among("traffic", "network", "direction"),
        width=12,
    )


def _addresses() -> Panel:
    return top(
        "Top addresses",
        "The largest addresses of the window, on all their ports. Click one for all that it does.",
        "talkers",
        cells.tags("direction", "address", "host"),
        where=(*TALKERS, influxql.NO_OTHER_ADDRESS),
        whole=influxql.among("traffic", "network", "direction"),
        named=cells.named(("network",), HOSTS, "C"),
        width=12,
    )


def _conversations() -> Panel:
    return top(
        "Top conversations",
        "The largest pairs of addresses of the window; they promise no sum.",
        "conversations",
        cells.tags("direction", "protocol", "address", "host", "peer", "port"),
        where=(*TALKING, influxql.NO_OTHER_ADDRESS, influxql.NO_OTHER_PORT),
        whole=influxql.among("traffic", "network", "direction"),
        named=cells.named(("network",), HOSTS, "C"),
    )


def _packets() -> Panel:
    return graph(
        "Packets",
        "Packets a second. Many packets and few bytes: a scan or a flood.",
        [
            Query(
                influxql.rate("traffic", "packets", ("direction",), TRAFFIC, factor=influxql.ONES),
                "$tag_direction",
            )
        ],
        unit=PACKETS,
        links=[narrow("network")],
        overrides=DIRECTIONS,
        width=8,
        height=7,
    )


def _flows() -> Panel:
    return graph(
        "Flow records",
        "Flow records a second, as exported: never multiplied by the sampling rate. Many records "
        "with few packets each: a scan.",
        [
            Query(
                influxql.rate("traffic", "flows", ("direction",), TRAFFIC, factor=influxql.ONES),
                "$tag_direction",
            )
        ],
        unit="short",
        links=[narrow("network")],
        overrides=DIRECTIONS,
        width=8,
        height=7,
    )


def _sizes() -> Panel:
    return graph(
        "Average packet size",
        "Bytes by packets. Bulk transfer is near 1400, a flood or a scan near 60.",
        [
            Query(
                influxql.quotient("traffic", "bytes", "packets", ("direction",), TRAFFIC),
                "$tag_direction",
            )
        ],
        unit=BYTES,
        links=[narrow("network")],
        overrides=DIRECTIONS,
        width=8,
        height=7,
    )


def _ports_over_time() -> Panel:
    leading = '"port" =~ /^${leading_ports:regex}$/'
    return graph(
        "The largest service ports over time",
        "The largest ports of the window (tcp and udp together); over more than two days those "
        "that carried a tenth or more in an hour. What comes in is drawn downwards.",
        [
            Query(
                influxql.rate(
                    "talkers", by=("port",), where=(*TALKERS, leading, influxql.NOT_INTO)
                ),
                "port $tag_port",
            ),
            Query(
                influxql.rate("talkers", by=("port",), where=(*TALKERS, leading, influxql.INTO)),
                "port $tag_port",
                ref="B",
            ),
        ],
        stacked=True,
        mirrored="B",
        links=[
            narrow("network"),
            narrow("hunt", "Hunt port ${__field.labels.port} at this time", port=label("port")),
        ],
    )


def _profiles() -> Panel:
    where = influxql.among("profiles", "direction", "protocol")
    return graph(
        "Profiles",
        "The configured profiles: filters of your own, each record counted once in each, over all "
        "networks.",
        [
            Query(
                influxql.rate("profiles", by=("profile", "direction"), where=where),
                "$tag_profile $tag_direction",
            )
        ],
        links=[narrow("network")],
        width=12,
    )


def _profile_totals() -> Panel:
    where = influxql.among("profiles", "direction", "protocol")
    counters = ("bytes", "packets", "flows")
    return table(
        "Profiles of the window",
        "Bytes, packets and flow records of each profile, over all networks.",
        [Query(influxql.total("profiles", counters, ("profile", "direction"), where), table=True)],
        [
            Column("profile", "Profile"),
            *cells.tags("direction"),
            Column("bytes", "Bytes", BYTES),
            Column("packets", "Packets", COUNT),
            Column("flows", "Flow records", COUNT),
        ],
        sort="Bytes",
        width=12,
    )
