"""Host, one address: what it sends and receives, with whom, since when, beside its network."""

from flowsleuth.grafana import cells, influxql, variables
from flowsleuth.grafana.boards import Board
from flowsleuth.grafana.changes import changed
from flowsleuth.grafana.graphs import DIRECTIONS, bars, graph
from flowsleuth.grafana.links import crumb, label, narrow
from flowsleuth.grafana.panels import BYTES, DAY, HOUR, Json, Panel, Query
from flowsleuth.grafana.tables import Column, computed, joined, table
from flowsleuth.grafana.tops import top

OWN = influxql.exactly("talkers", "address")
TALKERS = (*OWN, *influxql.among("talkers", "network", "direction", "protocol", "port"))
TALKING = (*OWN, *influxql.among("conversations", "network", "direction", "protocol", "port"))
NETWORK = influxql.among("traffic", "network", "direction")

NO_ADDRESS = (
    "no data: click an address on another page, or type one above; small ones have no points"
)


def board() -> Board:
    """Return the dashboard."""
    return Board(
        "host",
        "FlowSleuth / Host",
        "One address: what it sends and receives, its peers, since when, and beside its network.",
        [_over_time(), _identity(), _beside(), _changed(), _peers(), _history(), _heavy()],
        [
            variables.address(one=True),
            variables.home(),
            variables.direction(),
            variables.protocol(),
            variables.port(),
            variables.compare(),
            variables.other(),
            variables.filters(),
        ],
        links=[
            crumb("wall", "Wall"),
            crumb("networks", "Networks"),
            crumb("network", "Network"),
            crumb("hunt", "Hunt"),
            _identify(),
        ],
    )


def _identify() -> Json:
    return {
        "type": "link",
        "title": "Whose is it?",
        "url": "${identify}${address}",
        "keepTime": False,
        "includeVars": False,
        "asDropdown": False,
        "targetBlank": True,
        "icon": "external link",
        "tags": [],
        "tooltip": "Looks the address up where the hidden variable `identify` says: NetBox, whois",
    }


def _over_time() -> Panel:
    by = ("direction", "protocol", "port")
    alias = "$tag_direction $tag_protocol $tag_port"
    return graph(
        "${address}: by port",
        "What the address sends and receives, by protocol and service port; what comes in is drawn "
        "downwards. Click a port to hunt it at this time.",
        [
            Query(influxql.rate("talkers", by=by, where=(*TALKERS, influxql.NOT_INTO)), alias),
            Query(influxql.rate("talkers", by=by, where=(*TALKERS, influxql.INTO)), alias, ref="B"),
        ],
        stacked=True,
        mirrored="B",
        links=[
            narrow("host"),
            narrow(
                "hunt",
                "Hunt port ${__field.labels.port} of ${address} at this time",
                direction=label("direction"),
                protocol=label("protocol"),
                port=label("port"),
            ),
        ],
        width=14,
        height=9,
        empty=NO_ADDRESS,
    )


def _identity() -> Panel:
    """Its name, its networks, and when it was seen first and last."""
    ends = ("network", "direction")
    hosts = (
        *influxql.exactly("hosts", "address"),
        *influxql.among("hosts", "network", "direction"),
    )
    return table(
        "First and last seen",
        "Since when the address has points of its own, which is when it was first among the larger "
        "ones of its network, at most as far back as the detail is kept.",
        [
            Query(influxql.seen("talkers", "first", ends, OWN), table=True),
            Query(influxql.seen("talkers", "last", ends, OWN), table=True, ref="B"),
            cells.named(("network",), hosts, "C"),
        ],
        [
            *cells.tags("network", "direction", "host"),
            Column("first_seen", "First seen", DAY, 105),
            Column("last_seen", "Last seen", DAY, 105),
        ],
        before=[
            _kept_time("A", "first_seen"),
            _kept_time("B", "last_seen"),
            *joined("first_seen"),
        ],
        hidden=["seen", "first", "last", "address"],
        width=10,
        height=9,
        empty=NO_ADDRESS,
    )


def _kept_time(ref: str, name: str) -> Json:
    # A merge goes by the names in the answers, and both say Time: so it becomes a number.
    return {**computed(name, "Time", "*", "1"), "filter": {"id": "byRefId", "options": ref}}


def _beside() -> Panel:
    return changed(
        "${address} beside its network, against ${compare:text}",
        "What the address carried in the window and before, its share of its network, and how much "
        "the rest of the network grew meanwhile: who grew with all the others is no anomaly.",
        "talkers",
        cells.tags("network", "direction"),
        where=TALKERS,
        whole=NETWORK,
        height=5,
        empty=NO_ADDRESS,
    )


def _changed() -> Panel:
    return changed(
        "By port, against ${compare:text}",
        "What the address does by protocol and port: new or more than five times as much first, "
        "then by difference. Click a port to hunt it.",
        "talkers",
        cells.tags("direction", "protocol", "port"),
        where=(*TALKERS, influxql.NO_OTHER_PORT),
        whole=NETWORK,
        width=12,
        height=10,
        empty=NO_ADDRESS,
    )


def _peers() -> Panel:
    return top(
        "Peers",
        "With whom it talks: its largest conversations. Click a peer for what that does.",
        "conversations",
        cells.tags("direction", "protocol", "peer", "port"),
        where=TALKING,
        whole=NETWORK,
        n=50,
        width=12,
        height=10,
        empty=NO_ADDRESS,
    )


def _history() -> Panel:
    where = (*OWN, *influxql.among("talkers", "direction", "protocol", "port"))
    return bars(
        "Its last weeks",
        "What the address carried, by six hours, over the last weeks, whatever the window is.",
        [
            Query(
                influxql.hourly("talkers", ("direction",), where, width="6h", fill="0"),
                "$tag_direction",
            )
        ],
        unit=BYTES,
        links=[narrow("host", hours=12)],
        overrides=DIRECTIONS,
        width=12,
        empty=NO_ADDRESS,
    )


def _heavy() -> Panel:
    where = influxql.exactly("heavy", "address")
    return table(
        "When it was heavy",
        "The hours of the last weeks in which the address carried a tenth or more of its network's "
        "traffic, and on which port.",
        [Query(influxql.hourly("heavy", ("direction", "protocol", "port"), where), table=True)],
        [
            Column("Time", "Hour", HOUR, 132, links=[narrow("hunt", "Hunt at this time", hours=2)]),
            *cells.tags("direction", "protocol", "port"),
            Column("bytes", "Bytes", BYTES),
        ],
        sort="Hour",
        width=12,
        height=8,
        empty="never a tenth of its network's traffic in an hour, or no address is chosen",
    )
