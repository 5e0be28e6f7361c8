"""The cells of tables: what each tag is called in a heading, and the page that a click on it opens.

A network leads to Network, an address or a peer to Host, a protocol or a port to Hunt, window and
filters kept. A port takes its row's protocol and address along, so that one click on a ranked row
narrows Hunt to that very talker.
"""

from collections.abc import Sequence

from flowsleuth.grafana import influxql
from flowsleuth.grafana.links import ANEW, VALUE, field, to
from flowsleuth.grafana.panels import Query
from flowsleuth.grafana.tables import Column

ADDRESS, PORT, PEER, PROTOCOL, DIRECTION, NETWORK, NAME = (
    "Address", "Port", "Peer", "Protocol", "Direction", "Network", "Name",
)  # fmt: skip
"""Headings, by which links find the other cells of a row."""


def tags(*names: str) -> list[Column]:
    """Return the columns of these tags, in this order; each link takes along what the row has."""
    return [_COLUMNS[name](names) for name in names]


def named(same: Sequence[str], where: Sequence[str], ref: str, span: str = influxql.RANGE) -> Query:
    """Return the query of the hosts' names, which a merge puts beside their addresses.

    same: what else must be the same.
    """
    by = (*same, "address", "host")
    conditions = (*where, f"{influxql.column('hosts', 'host')} != ''")
    text = influxql.total("hosts", ("flows",), by, conditions, span=span, names=("seen",))
    return Query(text, table=True, ref=ref)


def _network(_: Sequence[str]) -> Column:
    link = to("network", "Open the network ${__value.text}", network=VALUE)
    return Column("network", NETWORK, links=[link])


def _direction(names: Sequence[str]) -> Column:
    row = {"network": field(NETWORK)} if "network" in names else {}
    return Column(
        "direction",
        DIRECTION,
        width=75,
        links=[to("network", "Only ${__value.text}", direction=VALUE, **row)],
    )


def _protocol(names: Sequence[str]) -> Column:
    row = _row(names, "network", "direction")
    return Column(
        "protocol",
        PROTOCOL,
        width=82,
        links=[to("hunt", "Hunt in ${__value.text}", protocol=VALUE, **row)],
    )


def _port(names: Sequence[str]) -> Column:
    row = _row(names, "network", "direction", "protocol", "address")
    title = "Hunt this address and port" if "address" in names else "Hunt port ${__value.text}"
    return Column("port", PORT, width=62, links=[to("hunt", title, port=VALUE, **row)])


def _address(names: Sequence[str]) -> Column:
    row = _row(names, "network")
    return Column(
        "address",
        ADDRESS,
        links=[to("host", "Open the host ${__value.text}", address=VALUE, **row)],
    )


def _peer(_: Sequence[str]) -> Column:
    # A peer is at home in another network, or in none: that page finds out which.
    link = to("host", "Open the host ${__value.text}", address=VALUE, network=ANEW)
    return Column("peer", PEER, links=[link])


def _host(_: Sequence[str]) -> Column:
    return Column("host", NAME)


def _row(names: Sequence[str], *wanted: str) -> dict[str, str]:
    return {name: field(_HEADINGS[name]) for name in wanted if name in names}


_HEADINGS = {
    "network": NETWORK,
    "direction": DIRECTION,
    "protocol": PROTOCOL,
    "address": ADDRESS,
    "port": PORT,
}

_COLUMNS = {
    "network": _network,
    "direction": _direction,
    "protocol": _protocol,
    "port": _port,
    "address": _address,
    "peer": _peer,
    "host": _host,
}
