"""What the rules ask InfluxDB for.

Plain sums with the small cut off in WHERE, grouped by tags and windows: at 100 000 series these
take tenths of a second, while a sub-query which fills empty windows takes six. So Grafana's
expressions do what remains, on series of windows.

Two traps of Grafana:

- It joins exactly one series with exactly one other whatever their labels are, and drops the
  labels. So one side of every join has at least two rows: those of `baseline` have, and `traffic`
  takes some along.
- A single query that finds nothing makes no data of the whole rule, also one that only the text
  needs. So each query of what may not be there takes along rows of what is: of `profiles`, which
  have no network, or of `ingester`, which have no tag at all, and match nothing.
"""

from collections.abc import Sequence

from flowsleuth.grafana import influxql
from flowsleuth.grafana.alerting.constants import NEWEST, Span
from flowsleuth.grafana.alerting.rule import Ask
from flowsleuth.schema import BY_NAME, Kept

WAY = ("network", "direction")
CUT = (*WAY, "protocol")
LABELS = ("site", "role")
"""A network's own, which become labels of the alerts."""

TALKER = (*CUT, "address", "port")

EACH_WINDOW = "time(${window}s)"

LARGE, MEDIUM = '"bytes" > ${small} * ${window}', '"bytes" > ${small} * ${window} / 10'
"""Of a point: who may be a culprit, and who may be one of many."""

NOT_OTHER = "\"address\" != 'other'"

BITS, ONES = "*8.0/${window}", "*1.0"
"""Of a window's sum: bits/s; and things as they are."""


def windows(
    ref: str,
    measurement: str,
    by: Sequence[str],
    span: Span,
    where: Sequence[str] = (),
    *,
    value: str = "",
    fill: str = "none",
) -> Ask:
    """Return the query of a number in each window, bits/s if nothing else is said."""
    value = value or f"sum({influxql.column(measurement, 'bytes')}){BITS}"
    return Ask(
        ref,
        f"SELECT {value} FROM {_source(measurement)} WHERE {_all('$timeFilter', *where)} "
        f"GROUP BY {EACH_WINDOW}, {tags(by)} fill({fill})",
        span,
    )


def _source(measurement: str) -> str:
    """Return what stands after FROM; of the detail, with the rows of `profiles` beside."""
    table = influxql.table(measurement)
    return f'{table}, "profiles"' if BY_NAME[measurement].kept is Kept.DETAIL else table


ALWAYS = f'SELECT last({influxql.column("ingester", "datagrams")})*0 AS "v" FROM "ingester"'
"""A query that finds one row, whenever it is asked: for those that may find nothing."""


def traffic(ref: str, by: Sequence[str], span: Span, where: Sequence[str] = ()) -> Ask:
    """Return the query of traffic, bits/s in each window, 0 in those that are empty.

    By protocol, rows of `baseline` stand beside it, which are 0 and match nothing but themselves:
    see above.
    """
    bytes_ = influxql.column("traffic", "bytes")
    measured = f'SELECT {bytes_} AS "v" FROM "traffic" WHERE {_all("$timeFilter", *where)}'
    sources = f"({measured})"
    if "protocol" in by:
        sources += f", ({_PAD})"
    return Ask(
        ref,
        f'SELECT sum("v"){BITS} FROM {sources} WHERE $timeFilter '
        f"GROUP BY {EACH_WINDOW}, {tags(by)} fill(0)",
        span,
    )


def rises(ref: str, by: Sequence[str], span: Span) -> Ask:
    """Return the query of how much more each window of `traffic` has than the one before."""
    windows = traffic(ref, by, span).text.replace(f"{BITS} FROM", f'{BITS} AS "v" FROM', 1)
    return Ask(ref, f'SELECT difference("v") FROM ({windows}) GROUP BY {tags(by)}', span)


WHOLE = "\"protocol\" = 'all'"

_PAD = (
    f'SELECT {influxql.column("baseline", "bytes_floor")} * 0.0 AS "v" FROM "baseline" '
    f"WHERE $timeFilter AND {WHOLE}"
)


def index(ref: str, span: Span, measurement: str = "traffic", tag: str = "network") -> Ask:
    """Return the query that numbers the windows, from 1 on, for each value of a tag.

    Rows of `profiles` stand beside those of `traffic`: else the only network would be joined with
    the only large talker, or with the only large row of `profiles` where there is none.
    """
    sources = f'"{measurement}"' if measurement == "profiles" else f'"{measurement}", "profiles"'
    ones = (
        f'SELECT sum({influxql.column(measurement, "bytes")})*0+1 AS "one" FROM {sources} '
        f'WHERE $timeFilter GROUP BY {EACH_WINDOW}, "{tag}" fill(1)'
    )
    return Ask(ref, f'SELECT cumulative_sum("one") FROM ({ones}) GROUP BY "{tag}"', span)


def baseline(
    ref: str, field: str, by: Sequence[str], where: Sequence[str] = (), *, factor: str = "*8.0"
) -> Ask:
    """Return the query of the newest value of a field of `baseline`, bits/s if nothing is said.

    There are two rows at least: what is known of a protocol is known of its network's whole, and
    the whole's rows match nothing else; other fields are there for each direction.
    """
    return Ask(ref, f"{_newest(field, factor, where)} GROUP BY {tags(by)}", NEWEST)


def known(ref: str, field: str, by: Sequence[str], where: Sequence[str]) -> Ask:
    """Return the same with a row for every way, 0 where the field is not known."""
    sources = f"({_newest(field, '*8.0', where)}), ({_newest('bytes_floor', '*0.0', (WHOLE,))})"
    return Ask(ref, f'SELECT sum("v") FROM {sources} GROUP BY {tags(by)}', NEWEST)


def _newest(field: str, factor: str, where: Sequence[str]) -> str:
    return (
        f'SELECT last({influxql.column("baseline", field)}){factor} AS "v" FROM "baseline" '
        f"WHERE {_all('$timeFilter', *where)}"
    )


def of_protocol(ref: str, protocol: str, by: Sequence[str], span: Span) -> Ask:
    """Return the query of one protocol's traffic, 0 also where there is only other traffic."""
    bytes_ = influxql.column("traffic", "bytes")
    own, others = (
        f'(SELECT {bytes_}{factor} AS "v" FROM "traffic" '
        f"WHERE $timeFilter AND \"protocol\" {sign} '{protocol}')"
        for sign, factor in (("=", ""), ("!=", "*0"))
    )
    return Ask(
        ref,
        f'SELECT sum("v"){BITS} FROM {own}, {others} WHERE $timeFilter '
        f"GROUP BY {EACH_WINDOW}, {tags(by)} fill(0)",
        span,
    )


def sums(
    ref: str,
    measurement: str,
    by: Sequence[str],
    span: Span,
    where: Sequence[str] = (),
    *,
    value: str = 'sum("bytes")',
) -> Ask:
    """Return the query of one number for each of `by`, over the whole span."""
    return Ask(
        ref,
        f"SELECT {value} FROM {_source(measurement)} WHERE {_all('$timeFilter', *where)} "
        f"GROUP BY {tags(by)}",
        span,
    )


def tags(names: Sequence[str]) -> str:
    """Return tags as GROUP BY has them."""
    return ", ".join(f'"{name}"' for name in names)


def _all(*conditions: str) -> str:
    return " AND ".join(conditions)
