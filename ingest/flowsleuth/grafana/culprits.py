"""The Wall's culprit lines: who makes what is above normal, in one line each.

Grafana's server finds them (see `judged`); the browser only puts what belongs to a line side by
side. A network that is above normal without a talker who carries a fifth of the excess has a line
too: a flood from everywhere must not read "Nothing above normal".
"""

from flowsleuth.grafana import influxql
from flowsleuth.grafana.expressions import calm, kept, math, numbers, padded, reduced
from flowsleuth.grafana.frames import filtered, largest, ranked, rows, unless_others
from flowsleuth.grafana.judged import LEVELS, NOTHING, Level, above, networks, stale
from flowsleuth.grafana.links import to
from flowsleuth.grafana.names import shortened, written
from flowsleuth.grafana.panels import (
    AMBER,
    BITS,
    GREY,
    RED,
    SHARE,
    Json,
    Panel,
    Query,
    Target,
    override,
)
from flowsleuth.grafana.tables import computed

TALKER = ("network", "direction", "protocol", "address", "port")

PART = 0.2
"""Of the excess: who carries less is no culprit."""

TENTH = 0.1
"""Of the whole: the same, where it is hardly above normal."""

LINES = 5

DAYS = 14
"""How far back earlier occurrences are looked for."""

BUCKET_MS = 300_000

LINE = (
    '${__data.fields["network"]} ${__data.fields["direction"]} ${__data.fields["Rate"]} '
    '${__data.fields["address"]} ${__data.fields["host"]} '
    '${__data.fields["protocol"]} ${__data.fields["port"]} ${__data.fields["Share"]} '
    '${__data.fields["Since"]} ${__data.fields["Before"]}'
)
"""One line; how many times what is normal it is stands behind it. What stands between its parts is
in how these are written: the line that nothing is above normal has only the first of them."""


def panel(width: int, height: int) -> Panel:
    """Return the panel."""
    return Panel(
        "stat",
        "Above normal",
        "At most five lines: network and direction, who does it, over which protocol and port, its "
        "share, since when, on how many of the 14 days before this port was heavy. Right: how many "
        "times what is normal at most (or its limit) it is. A click hunts for it.",
        _queries(),
        width,
        height,
        BITS,
        defaults={
            "noValue": NOTHING,
            "color": {"mode": "thresholds"},
            "thresholds": {
                "mode": "absolute",
                "steps": [{"value": None, "color": RED}, {"value": 0, "color": AMBER}],
            },
            "mappings": [],
        },
        overrides=_looks(),
        options={
            # Fields are found by what they are called in the end, which is `LINE`.
            "reduceOptions": {
                "calcs": [],
                "fields": "/__data|stale/",
                "values": True,
                "limit": LINES,
            },
            "colorMode": "value",
            "graphMode": "none",
            "textMode": "value_and_name",
            "justifyMode": "auto",
            "orientation": "horizontal",
            "wideLayout": True,
            # To be read from three metres away; what Grafana would choose is far smaller.
            "text": {"titleSize": 20, "valueSize": 22},
        },
        transformations=_lines(),
    )  # fmt: skip


def _queries() -> list[Target]:
    by = ", ".join(f'"{tag}"' for tag in TALKER)
    large = (
        f"{influxql.LATELY} AND {influxql.column('talkers', 'bytes')} > ${{small}} * ${{window}}"
    )
    talkers = (
        f"SELECT sum({influxql.column('talkers', 'bytes')})*8/300 FROM {influxql.table('talkers')} "
        f"WHERE {large} AND \"address\" != 'other' GROUP BY {by}"
    )
    bytes_ = influxql.column("talkers", "bytes")
    nobody = (
        f'SELECT sum({bytes_}) AS "v" FROM {influxql.table("talkers")} '
        f"WHERE {influxql.LATELY} AND {influxql.column('talkers', 'address')} = ''"
    )
    # Named or not, so that there always is a column `host`.
    names = (
        f"SELECT last({influxql.column('hosts', 'bytes')}) FROM {influxql.table('hosts')} "
        f'WHERE {large} GROUP BY "network", "direction", "address", "host"'
    )
    return [
        *stale(),
        *networks(),
        # A row without a network, which is left out later: so that there always are all columns.
        *numbers("Pad", padded([nobody], TALKER, 0), shown=True),
        *numbers("C", talkers),
        *numbers("H", _before()),
        *_clock(),
        *(target for level in LEVELS for target in _culprits(level)),
        *(target for level in LEVELS for target in _wholes(level)),
        *kept("Stale", "1", "$stale", shown=True),
        *_calm(),
        Query(names, ref="Hostq", hidden=True),
        reduced("Host", "Hostq", shown=True),
    ]


def _calm() -> list[Target]:
    """Return what makes the line that nothing is above normal, with the columns of all lines."""
    columns = {"P0": 1, "Normal0": 1, "Rate0": -1, "Since0": -1, "D0": -1}
    return [
        *calm("talkers", TALKER, "exporters"),
        *(math(name, f"{number} * $Calm", shown=True) for name, number in columns.items()),
    ]


def _before() -> str:
    """Return the query of the days before on which a port was heavy."""
    by = ("network", "direction", "protocol", "port")
    tags = ", ".join(f'"{tag}"' for tag in by)
    until = "time < now() - 12h"
    daily = (
        f'SELECT sum({influxql.column("heavy", "bytes")}) AS "b" FROM {influxql.table("heavy")} '
        f"WHERE time >= now() - {DAYS}d AND {until} AND \"port\" != 'other' "
        f"GROUP BY time(1d), {tags} fill(none)"
    )
    # The first day begins before that, and InfluxDB 1.8 counts nothing at all of what is grouped by
    # tags when one bucket, of whatever tags, lies before the outer bound.
    back = f"{DAYS + 1}d"
    counted = (
        f'SELECT count("b") AS "v" FROM ({daily}) WHERE time >= now() - {back} AND {until} '
        f"GROUP BY {tags}"
    )
    return padded([counted], by, 0, back)


def _culprits(level: Level) -> list[Target]:
    """Return what finds who carries a part of the excess (`P`), and its earlier days (`D`)."""
    a, excess, least, who = (level.ref(letter) for letter in ("A", "G", "Q", "P"))
    part, tenth = f"{PART} * ${excess}", f"{TENTH} * ${a}"
    return [
        *above(level),
        math(least, f"{part} + ({tenth} - {part}) * ({tenth} > {part})"),
        *kept(who, "$C", f"$C > ${least}", shown=True),
        math(level.ref("D"), f"$H + 0 * ${who}", shown=True),
    ]


SINCE = "time >= ${__to}ms - 6h AND time < ${__to}ms - ${settled}s"
"""Where the beginning is looked for, by the page's clock, as what is computed with it."""


def _buckets(value: str, by: str, fill: int) -> str:
    return (
        f'SELECT {value} AS "v" FROM "traffic" WHERE {SINCE} GROUP BY time(300s), {by} fill({fill})'
    )


def _clock() -> list[Target]:
    """Return what numbers the buckets of five minutes: `I`, and `M`, the last one's number.

    Grafana's expressions know no time: when something began is found as a number of buckets.
    """
    bytes_, by = influxql.column("traffic", "bytes"), influxql.column("traffic", "network")
    ones = _buckets(f"sum({bytes_})*0+1", by, 1)
    counted = f'SELECT cumulative_sum("v") FROM ({ones}) WHERE {SINCE} GROUP BY {by}'
    return [Query(counted, ref="I", hidden=True), reduced("M", "I", "max")]


def _wholes(level: Level) -> list[Target]:
    """Return what says of each whole above normal: its rate, what is normal, since when."""
    tags = ", ".join(f'"{tag}"' for tag in level.by)
    rates = _buckets(f"sum({influxql.column('traffic', 'bytes')})*8/300", tags, 0)
    a, normal, excess, s, j = (level.ref(letter) for letter in ("A", "N", "G", "S", "J"))
    # Only networks that there are: not the rows that pad. Last in the panel, these join the lines.
    real = f"0 * ${excess} + 0 * $T"
    last = f"floor((${{__to}} - ${{settled}}000) / {BUCKET_MS})"
    return [
        Query(rates, ref=s, hidden=True),
        # The number of the last bucket that was normal; the newest is not complete.
        math(f"{j}s", f"$I * (${s} <= (${normal} + 0 * ${excess})) * ($I < $M)"),
        reduced(j, f"{j}s", "max"),
        math(level.ref("Rate"), f"${a} + {real}", shown=True),
        math(level.ref("Normal"), f"${normal} + {real}", shown=True),
        math(level.ref("Since"), f"({last} - $M + ${j} + 1) * {BUCKET_MS} + {real}", shown=True),
    ]


def _lines() -> list[Json]:
    """Return what makes rows of the parts: those of a network join its culprits' rows."""
    columns = {"Talker": "P", "Before": "D", "Rate": "Rate", "Normal": "Normal", "Since": "Since"}
    lines = [
        *rows(),
        # At either level; where both say it, that of the whole is larger.
        *(largest(name, [f"{letter}{n}" for n in range(3)]) for name, letter in columns.items()),
        computed("Share", "Talker", "/", "Rate"),
        computed("Times", "Rate", "/", "Normal"),
        # A host's name alone is no line, and neither is the row that pads.
        filtered("exclude", host="isNotNull", Talker="isNull"),
        filtered("include", Rate="isNotNull"),
        *ranked("Rate", "Talker"),
        *unless_others("Calm"),
    ]
    # Whether the data is stale is a frame of its own, which stays as it is.
    return [{**line, "filter": {"id": "byRefId", "options": "/^(?!Stale)/"}} for line in lines]


def _looks() -> list[Json]:
    link = to(
        "hunt", "Hunt for it",
        **{tag: f'${{__data.fields["{tag}"]:percentencode}}' for tag in TALKER},
    )  # fmt: skip
    stale = [
        {
            "type": "value",
            "options": {"1": {"text": "STALE", "color": RED}},
        }
    ]
    nobody = {"type": "value", "options": {"0": {"text": "spread"}}}
    return [
        override(
            "byName",
            "Times",
            {
                "displayName": LINE,
                "links": [link],
                "unit": "suffix:× normal",
                "decimals": 1,
                "mappings": [_negative(GREY)],
            },
        ),
        override(
            "byName",
            "Stale",
            {
                "displayName": "Nobody is looked for: the data is stale",
                "unit": "none",
                "mappings": stale,
            },
        ),
        override("byName", "Rate", {"mappings": [_negative()]}),
        override(
            "byName", "Since", {"unit": "time:[· since] HH:mm [·]", "mappings": [_negative()]}
        ),
        override(
            "byName", "Share", {"unit": SHARE, "decimals": 0, "mappings": [nobody, _negative()]}
        ),
        override(
            "byName",
            "Before",
            {
                "unit": f"suffix: of {DAYS} days",
                "decimals": 0,
                "mappings": [_null(f"new in {DAYS} days"), _negative()],
            },
        ),
        _said("network", "$1", empty="Nothing above normal"),
        _said("direction", "$1"),
        _said("address", "$1", null=MANY),
        _said("host", "($1)", *shortened(10, "(", ")")),
        _said("protocol", "$1", null="any"),
        _said("port", "$1", null="any"),
    ]


MANY = "many hosts, none large"


def _said(tag: str, form: str, *shorter: Json, null: str = " ", empty: str = " ") -> Json:
    """Return how a tag is written in a line: `form` with $1 for it, and where it is missing.

    The line's link has it as it is written here: what Hunt is asked for has to be "$1".

    shorter: how it is written where it is long, as five lines must find room on 1280 pixels.
    """
    missing = {"type": "special", "options": {"match": "empty", "result": {"text": empty}}}
    mappings = [*shorter, written("^(.+)$", form), _null(null), missing]
    return override("byName", tag, {"unit": "string", "noValue": " ", "mappings": mappings})


def _negative(colour: str = "") -> Json:
    """Return what writes nothing for numbers that only the line has that nothing is above."""
    blank = {"text": " ", **({"color": colour} if colour else {})}
    return {"type": "range", "options": {"from": None, "to": -0.5, "result": blank}}


def _null(words: str) -> Json:
    return {"type": "special", "options": {"match": "null", "result": {"text": words}}}
