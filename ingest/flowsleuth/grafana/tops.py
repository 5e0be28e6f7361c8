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
            *_asked(measurement, tags, n, where, wide=wide),
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
            *([computed("size", "bytes", "/", "packets")] if wide else ()),
        ],
        hidden=[name for name in _HIDDEN if name not in {column.name for column in by}],
        sort="Bytes",
        width=width,
        height=height,
        empty=empty,
    )


def _asked(
    measurement: str, tags: Sequence[str], n: int, where: Sequence[str], *, wide: bool
) -> list[Query]:
    """Return what asks for the largest: by bytes; in a wide table with the other counters.

    Those take four times as long, so over more than two days they are left out.
    """
    if not wide:
        return [Query(influxql.top(measurement, tags, n, where), table=True)]
    short, long = ((*where, span) for span in (influxql.SHORT, influxql.LONG))
    more = influxql.top(measurement, tags, n, short, more=("packets", "flows"))
    return [
        Query(more, table=True),
        Query(influxql.top(measurement, tags, n, long), table=True, ref="L"),
    ]


_MORE = (
    Column("packets", "Packets", COUNT, 85),
    Column("flows", "Flow records", COUNT, 105),
    Column("size", "Packet size", BYTES, 95),
)
"""What only a table as wide as the page has room for."""

_HIDDEN = ("network", "all", "seen")
"""Columns that only joining needs."""
