"""Top N: the largest of a network by bytes, with packets, flow records and their share."""

from collections.abc import Sequence

from flowsleuth.grafana import influxql
from flowsleuth.grafana.panels import BYTES, COLUMNS, COUNT, SHARE, Panel, Query
from flowsleuth.grafana.tables import Column, computed, joined, table

TEN = 10


def top(
    title: str,
    description: str,
    measurement: str,
    by: Sequence[Column],
    *,
    where: Sequence[str],
    whole: Sequence[str],
    named: Query | None = None,
    n: int = TEN,
    width: int = 24,
    height: int = 12,
    empty: str = "",
) -> Panel:
    """Return the table. by: the tags, as columns; whole: the conditions of what shares are of."""
    wide = width == COLUMNS
    tags = ("network", "direction", *(column.name for column in by if column.name != "host"))
    tags = tuple(dict.fromkeys(tags))
    whole_query = influxql.total(
        "traffic", ("bytes",), ("network", "direction"), whole, names=("all",)
    )
    return table(
        title,
        description,
        [
            Query(influxql.top(measurement, tags, n, where, more=("packets", "flows")), table=True),
            Query(whole_query, table=True, ref="B"),
            *([named] if named else []),
        ],
        [
            *by,
            Column("bytes", "Bytes", BYTES, 80),
            Column("share", "Share", SHARE, 65, more={"decimals": 1}),
            *(_MORE if wide else ()),
        ],
        before=[
            *joined("bytes"),
            computed("share", "bytes", "/", "all"),
            computed("size", "bytes", "/", "packets"),
        ],
        hidden=[
            *(name for name in _HIDDEN if name not in {column.name for column in by}),
            *(() if wide else [column.name for column in _MORE]),
        ],
        sort="Bytes",
        width=width,
        height=height,
        empty=empty,
    )


_MORE = (
    Column("packets", "Packets", COUNT, 85),
    Column("flows", "Flow records", COUNT, 105),
    Column("size", "Packet size", BYTES, 95),
)
"""What only a table as wide as the page has room for."""

_HIDDEN = ("network", "all", "seen")
"""Columns that only joining needs."""
