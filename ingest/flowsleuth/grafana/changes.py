"""What changed: a table that ranks by change, not by size.

Two plain queries over the same tags, the second with its time shifted (`influxql.BEFORE`), joined
by Grafana. First come those who are new or carry more than five times what they did, then the rest
by difference; what is next to nothing is among these. "Five times" is measured against how much
the rest of the network grew, so that where everybody grew fivefold (a move, a Monday after a
holiday) a new talker is still first. The arithmetic is `calculateField`, which Grafana 11.0 has; it
has no `if`, hence floor and min.
"""

from collections.abc import Sequence

from flowsleuth.grafana import influxql
from flowsleuth.grafana.panels import BYTES, COLUMNS, SHARE, Json, Panel, Query
from flowsleuth.grafana.tables import Column, computed, joined, table

SUDDEN = 5
"""So many times as much as before, and it stands above all that merely grew."""

PARTS = 10_000
"""Less than such a part of the network is not called sudden: there is always something small and
new, and fifty of that would hide who doubled."""

CANDIDATES = 300
"""So many of the largest are ranked: what is smaller is not why somebody looks."""

REMEMBERED = 1000
"""So many of the largest before are asked for: who is in neither list counts as new."""

NEW = 1e6
"""Times as much as before, or more: it was not there (a byte against NEARLY_NOTHING)."""

FIRST = "1e18"
"""More than any difference in bytes (2**53 is the most that is counted): who is sudden is first."""

NEARLY_NOTHING = "0.000001"
"""Bytes, instead of none, so that nothing is divided by zero."""

TIMES: Json = {
    "unit": "prefix:×",
    "decimals": 1,
    "mappings": [
        {
            "type": "range",
            "options": {"from": NEW, "to": None, "result": {"text": "new", "index": 0}},
        }
    ],
}


def changed(
    title: str,
    description: str,
    measurement: str,
    by: Sequence[Column],
    *,
    where: Sequence[str],
    whole: Sequence[str],
    named: Query | None = None,
    limit: int = 50,
    width: int = 24,
    height: int = 8,
    empty: str = "",
) -> Panel:
    """Return the table. by: the tags to rank, as columns; whole: conditions of their networks."""
    wide = width == COLUMNS
    tags = ("network", "direction", *(column.name for column in by if column.name != "host"))
    tags = tuple(dict.fromkeys(tags))
    ends = ("network", "direction")
    queries = [
        Query(influxql.top(measurement, tags, CANDIDATES, where, name="now"), table=True),
        Query(
            influxql.top(measurement, tags, REMEMBERED, where, span=influxql.BEFORE, name="before"),
            table=True,
            ref="B",
        ),
        Query(
            influxql.total("traffic", ("bytes",), ends, whole, names=("all",)), table=True, ref="C"
        ),
        Query(
            influxql.total(
                "traffic", ("bytes",), ends, whole, span=influxql.BEFORE, names=("all_before",)
            ),
            table=True,
            ref="D",
        ),
        *([named] if named else []),
    ]
    return table(
        title,
        description,
        queries,
        [
            *by,
            Column("now", "Now", BYTES, 80),
            Column("earlier", "Before", BYTES, 80),
            Column("times", "Change", width=72, more=TIMES),
            *(_MORE if wide else ()),
        ],
        before=[*joined("now"), *_ranked(limit)],
        hidden=[
            *(name for name in _HIDDEN if name not in {column.name for column in by}),
            *(() if wide else [column.name for column in _MORE]),
        ],
        width=width,
        height=height,
        empty=empty,
    )


_MORE = (
    Column("difference", "Difference", BYTES, 88),
    Column("share", "Share", SHARE, 65, more={"decimals": 1}),
    Column("growth", "The rest grew", width=105, more=TIMES),
)
"""What only a table as wide as the page has room for."""

_HIDDEN = (
    "network",
    "before",
    "all",
    "all_before",
    "seen",
    "all_earlier",
    "rest",
    "rest_earlier",
    "earlier_guarded",
    "rest_guarded",
    "one",
    "usual",
    "bar",
    "weight",
    "steps",
    "parts",
    "counted",
    "sudden",
    "first",
    "score",
)
"""Columns that only the ranking needs."""


def _ranked(limit: int) -> list[Json]:
    return [
        _over_columns("earlier", "sum", "before"),
        _over_columns("all_earlier", "sum", "all_before"),
        computed("difference", "now", "-", "earlier"),
        computed("share", "now", "/", "all"),
        computed("rest", "all", "-", "now"),
        computed("rest_earlier", "all_earlier", "-", "earlier"),
        computed("earlier_guarded", "earlier", "+", NEARLY_NOTHING),
        computed("rest_guarded", "rest_earlier", "+", NEARLY_NOTHING),
        computed("times", "now", "/", "earlier_guarded"),
        computed("growth", "rest", "/", "rest_guarded"),
        computed("one", "1", "*", "1"),
        _over_columns("usual", "max", "growth", "one"),
        computed("bar", "usual", "*", str(SUDDEN)),
        computed("weight", "times", "/", "bar"),
        _floor("steps", "weight"),
        computed("parts", "share", "*", str(PARTS)),
        _floor("counted", "parts"),
        _over_columns("sudden", "min", "steps", "counted", "one"),
        computed("first", "sudden", "*", FIRST),
        computed("score", "first", "+", "difference"),
        {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": "score", "desc": True}]}},
        {"id": "limit", "options": {"limitField": limit}},
    ]


def _over_columns(alias: str, reducer: str, *columns: str) -> Json:
    reduce = {"reducer": reducer, "include": list(columns), "nullValueMode": "null as zero"}
    return {
        "id": "calculateField",
        "options": {"mode": "reduceRow", "alias": alias, "reduce": reduce, "timeSeries": False},
    }


def _floor(name: str, of: str) -> Json:
    unary = {"operator": "floor", "fieldName": of}
    return {
        "id": "calculateField",
        "options": {"mode": "unary", "alias": name, "unary": unary, "timeSeries": False},
    }
