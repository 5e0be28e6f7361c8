"""The queries: InfluxQL in the few forms that are right at every zoom.

Every name of a measurement, tag or field goes through `flowsleuth.schema`, so that a dashboard
cannot ask for what no ingester writes. `${window}` (length of a window in seconds), `${settled}`
(how long after its start a window is surely written) and `${detail}` (the retention's prefix) are
hidden constants of each dashboard: one place to change them.

A rate is the mean over windows of the sum in each window. A plain sum over Grafana's interval
would be a saw-tooth wherever the interval is no multiple of the window. The mean over whole windows
is the sum by the time that they span, so sums are asked for in `STEPS` of as many whole windows as
the interval holds, which costs a fraction at long ranges. Steps are counted from the end of the
newest window that is complete, and what is not whole is left out: no false drop at either edge.

Each query has one condition for one measurement, because Grafana puts ad-hoc filters behind the
first WHERE only. A query around another repeats its range: InfluxDB opens all shards that there
are for a query without a range of its own, whatever the inner one says.
"""

import itertools
from collections.abc import Sequence
from typing import Literal

from flowsleuth.schema import BY_NAME, Kept

BITS, ONES = "*8.0", "*1.0"
"""Octets into bits; and things as they are: a float, or InfluxDB's mean would be an integer."""

WINDOW = "${window}000"
"""The length of a window in ms."""

_FITTING = f"$__interval_ms - $__interval_ms % {WINDOW}"

STEP = f"({_FITTING} + {WINDOW} * (1 - 1 % ({_FITTING} + 1)))"
"""The length of a step in ms: as many windows as fit into the interval; one, where none does, for
1 % (x + 1) is 0 if x is 0, else 1. InfluxDB works that out before it reads anything."""

_WRITTEN = "(${__to} - ${settled}000 + ${window}000)"

_EDGE = f"({_WRITTEN} - {_WRITTEN} % {WINDOW})"

EDGE = f"1ms * {_EDGE}"
"""Where the newest window ends that is written at the end of the range: steps are counted from it,
and so are the intervals of a graph."""

AROUND = (
    "time >= ${__from}ms - $__interval - ${window}s "
    "AND time < ${__to}ms + $__interval * 2 + ${window}s * 2"
)
"""The page's range with a step more on the left and two on the right, so that the outermost ones,
which are cut, lie outside of what is drawn."""


def written(step: str) -> str:
    """Return the condition that leaves out the newest step until it is written as a whole."""
    phase = f"1ms * ({_EDGE} % {step})"
    since = f"(now() - '1970-01-01T00:00:00Z' - ${{settled}}s + ${{window}}s - {phase})"
    return f"time < {phase} + {since}\n/ ({step} * 1000000) * ({step} * 1000000)"


WINDOWS = f"{AROUND} AND {written(WINDOW)}"
"""The range of a rate by single windows."""

RANGE = "$timeFilter"
"""The dashboard's range as it is: for sums."""

BEFORE = (
    "time >= ${__from}ms - ${compare} AND time <= ${__to}ms - ${compare} "
    "AND time < now() - ${settled}s - ${compare}"
)
"""The same range so much earlier as the variable `compare` says; where the range ends with what is
not written yet, so does this."""

WEEKS = "time >= now() - ${memory}"
"""As far back as the detail goes, whatever the range is."""

LATELY = "time >= now() - 300s - ${settled}s AND time < now() - ${settled}s"
"""The last five minutes that are complete, whatever the range is."""

SIX_HOURS = "time >= now() - 6h AND time < now() - ${settled}s"
"""What is complete of the last six hours, whatever the range is."""

NEWEST = "time > now() - 25h AND time <= now()"
"""Where the newest step of `baseline` is; an old one serves where it has fallen behind."""

TYPED = frozenset({"address", "port"})
"""Variables that hold a regular expression somebody typed, not names chosen from a list: there are
too many addresses and ports for a list, and Grafana would drop a value that the list lacks."""

PLAIN = frozenset({"direction", "protocol"})
"""Variables whose values have nothing that a text in InfluxQL would have to escape."""

CHOSEN = "'${address}${port}' != '.*.*'"
ADDRESS_CHOSEN = "'${address}' != '.*'"
PORT_CHOSEN = "'${port}' != '.*'"
"""False, and then free of cost, as long as nothing is chosen: `talkers` over weeks is too much."""

TWO_DAYS_MS = 172_800_000

SHORT = f"${{__to}} - ${{__from}} <= {TWO_DAYS_MS}"
LONG = f"${{__to}} - ${{__from}} > {TWO_DAYS_MS}"
"""Whether the range is short, or long; where it is not, that is false and free of cost as well."""

INTO, NOT_INTO = "\"direction\" = 'in'", "\"direction\" != 'in'"
"""What graphs draw downwards, and what upwards."""

NO_OTHER_ADDRESS = "\"address\" != '${other}'"
NO_OTHER_PORT = "\"port\" != '${other}'"
"""Without what was folded, unless the variable `other` says so."""

LABELS = frozenset({"site", "role", "ingester"})
"""Tags beside those of the schema: a network's labels and the ingester's name."""


def table(measurement: str) -> str:
    """Return what stands after FROM."""
    prefix = "${detail}" if BY_NAME[measurement].kept is Kept.DETAIL else ""
    return f'{prefix}"{measurement}"'


def column(measurement: str, name: str) -> str:
    """Return a quoted tag or field; raises KeyError where the schema has none of that name."""
    known = BY_NAME[measurement]
    if name not in known.tags and name not in LABELS and name not in {f.name for f in known.fields}:
        raise KeyError(f"{measurement} has no {name}")
    return f'"{name}"'


def among(measurement: str, *variables: str) -> tuple[str, ...]:
    """Return conditions: each tag is one of what the variable of the same name says."""
    return tuple(_one_of(measurement, name) for name in variables)


def _one_of(measurement: str, name: str) -> str:
    tag = column(measurement, name)
    if name in TYPED:
        # InfluxDB holds each value that there is against a regex, but looks a text up. What percent
        # encoding leaves as it is has no other metacharacter than the dots of an address.
        text, encoded = f"'${{{name}}}'", f"'${{{name}:percentencode}}'"
        pattern = f"({encoded} != {text} AND {tag} =~ /^${{{name}}}$/)"
        return f"({text} = '.*' OR {tag} = {text} OR {pattern})"
    # :regex escapes; InfluxDB turns a regex without metacharacters into an equality, which is fast.
    condition = f"{tag} =~ /^${{{name}:regex}}$/"
    if name not in PLAIN:
        return condition
    # `.*` is all series there are, held against all others that the query has found, shard by
    # shard; the constant is worked out first, and takes the other side away.
    return f"('${{{name}:csv}}' = '.*' OR {condition})"


def exactly(measurement: str, *variables: str) -> tuple[str, ...]:
    """Return conditions: each tag is just what the variable of the same name says."""
    return tuple(f"{column(measurement, name)} = '${{{name}}}'" for name in variables)


def rate(
    measurement: str,
    field: str = "bytes",
    by: Sequence[str] = (),
    where: Sequence[str] = (),
    *,
    factor: str = BITS,
    empty: str = "0",
) -> str:
    """Return the query of a counter's rate per second, `by` tags; its column is `mean`.

    empty: what a window is without points; "none" where `where` cuts windows off by their time.
    """
    tags = "".join(f", {column(measurement, name)}" for name in by)
    step = STEP if empty == "0" else WINDOW
    steps = (
        f'SELECT sum({column(measurement, field)}){factor}*1000/{step} AS "rate"\n'
        f"FROM {table(measurement)} WHERE {_all([AROUND, written(step), *where])}\n"
        f"GROUP BY time(1ms * {step}, {EDGE}){tags} fill({empty})"
    )
    return (
        f'SELECT mean("rate") FROM ({steps})\nWHERE {AROUND}\n'
        f"GROUP BY time($__interval, {EDGE}){tags} fill(none)"
    )


def total(
    measurement: str,
    fields: Sequence[str],
    by: Sequence[str],
    where: Sequence[str] = (),
    *,
    span: str = RANGE,
    names: Sequence[str] = (),
) -> str:
    """Return the query of counters' sums over the range, a row for each of `by`.

    names: what the columns are called, where not as the fields.
    """
    called = zip(fields, names or fields, strict=True)
    sums = ", ".join(f'sum({column(measurement, f)}) AS "{name}"' for f, name in called)
    tags = ", ".join(column(measurement, name) for name in by)
    grouped = f" GROUP BY {tags}" if by else ""
    return f"SELECT {sums} FROM {table(measurement)} WHERE {_all([span, *where])}{grouped}"


def top(
    measurement: str,
    by: Sequence[str],
    n: int,
    where: Sequence[str] = (),
    *,
    field: str = "bytes",
    more: Sequence[str] = (),
    span: str = RANGE,
    name: str = "",
) -> str:
    """Return the query of the n largest sums of one counter.

    Columns are the tags, the sum, called `name` or as the field, and the sums of `more` counters.
    """
    tags = ", ".join(column(measurement, tag) for tag in by)
    inner = total(measurement, (field, *more), by, where, span=span)
    also = "".join(f', "{other}" AS "{other}"' for other in more)
    largest = f'SELECT top("{field}", {tags}, {n}) AS "{name or field}"{also}'
    return f"{largest} FROM ({inner})\nWHERE {span}"


def gauge(
    measurement: str,
    fields: Sequence[str],
    by: Sequence[str],
    where: Sequence[str] = (),
    *,
    read: str = "last",
    span: str = RANGE,
    names: Sequence[str] = (),
) -> str:
    """Return the query of gauges, read with `last`, `max` or `mean`, a row for each of `by`."""
    called = zip(fields, names or fields, strict=True)
    columns = ", ".join(f'{read}({column(measurement, f)}) AS "{name}"' for f, name in called)
    tags = ", ".join(column(measurement, name) for name in by)
    grouped = f" GROUP BY {tags}" if by else ""
    return f"SELECT {columns} FROM {table(measurement)} WHERE {_all([span, *where])}{grouped}"


def course(
    measurement: str,
    fields: Sequence[str],
    by: Sequence[str],
    where: Sequence[str] = (),
    *,
    factor: str = "",
    names: Sequence[str] = (),
) -> str:
    """Return the query of gauges over time, as means; steps are wide, so points are joined."""
    called = zip(fields, names or fields, strict=True)
    columns = ", ".join(f'mean({column(measurement, f)}){factor} AS "{name}"' for f, name in called)
    tags = "".join(f", {column(measurement, name)}" for name in by)
    return (
        f"SELECT {columns} FROM {table(measurement)}\nWHERE {_all([RANGE, *where])}\n"
        f"GROUP BY time($__interval){tags} fill(none)"
    )


def quotient(
    measurement: str, over: str, under: str, by: Sequence[str], where: Sequence[str] = ()
) -> str:
    """Return the query of one counter divided by another, over time: bytes per packet, say."""
    tags = "".join(f", {column(measurement, name)}" for name in by)
    ratio = f"sum({column(measurement, over)}) / sum({column(measurement, under)})"
    return (
        f"SELECT {ratio} FROM {table(measurement)}\nWHERE {_all([RANGE, *where])}\n"
        f"GROUP BY time($__interval){tags} fill(none)"
    )


def seen(
    measurement: str, end: Literal["first", "last"], by: Sequence[str], where: Sequence[str] = ()
) -> str:
    """Return the query of when `by` were seen first or last in the last weeks: column `Time`."""
    tags = ", ".join(column(measurement, name) for name in by)
    return (
        f'SELECT {end}({column(measurement, "flows")}) AS "{end}" FROM {table(measurement)} '
        f"WHERE {_all([WEEKS, *where])} GROUP BY {tags}"
    )


def hourly(
    measurement: str,
    by: Sequence[str],
    where: Sequence[str] = (),
    *,
    width: str = "1h",
    fill: Literal["none", "0"] = "none",
    span: str = WEEKS,
) -> str:
    """Return the query of the bytes of each hour, or `width`, where there were any or of all."""
    return _buckets(measurement, (width, fill), by, where, span)


def ends_a_day(measurement: str, tag: str, where: Sequence[str] = (), *, span: str = WEEKS) -> str:
    """Return the query of how many values of a tag, `other` aside, were seen on each day (UTC)."""
    named = f"{column(measurement, tag)} != 'other'"
    inner = _buckets(measurement, ("1d", "none"), (tag,), (*where, named), span)
    return f'SELECT count("bytes") AS "{tag}" FROM ({inner}) WHERE {span} GROUP BY time(1d) fill(0)'


def _buckets(
    measurement: str, buckets: tuple[str, str], by: Sequence[str], where: Sequence[str], span: str
) -> str:
    tags = "".join(f", {column(measurement, name)}" for name in by)
    width, fill = buckets
    return (
        f'SELECT sum({column(measurement, "bytes")}) AS "bytes" FROM {table(measurement)} '
        f"WHERE {_all([span, *where])} GROUP BY time({width}){tags} fill({fill})"
    )


LAGS_S = (120, 600, 2400, 7200)
"""Classes of how late exporters are: up to the first, the rates' own edge hides what is missing."""


def incomplete() -> list[tuple[int, str]]:
    """Return, for each class of lag, its minutes and the query of the range that is not complete.

    InfluxQL compares no time with a field, hence classes. The row's time is where the range begins,
    at a step of `baseline`; `end` is where the page's range ends, and reaches Grafana's annotations
    as `baseline.end`.
    """
    lag, where = column("baseline", "lag_s"), among("baseline", "network")
    queries = []
    for least, most in itertools.pairwise(LAGS_S):
        span = f"time >= now() - {most + 300}s AND time <= now()"
        judged = (f"{lag} > {least}", f"{lag} <= {most}", "\"protocol\" = 'all'")
        query = (
            f'SELECT {lag}*0 + ${{__to}} AS "end", {column("baseline", "network")} AS "text" '
            f"FROM {table('baseline')} WHERE {_all([span, *judged, *where])} LIMIT 1"
        )
        queries.append((most // 60, query))
    return queries


def values(measurement: str, tag: str, where: Sequence[str] = ()) -> str:
    """Return the query of a variable: the values that a tag has in the range.

    Not SHOW TAG VALUES: 1.8 ignores its time range, and 2.x answers nothing for the detail bucket.
    """
    field = BY_NAME[measurement].fields[0].name
    inner = (
        f'SELECT last({column(measurement, field)}) AS "last" FROM {table(measurement)} '
        f"WHERE {_all([RANGE, *where])} GROUP BY {column(measurement, tag)}"
    )
    return f"SELECT {column(measurement, tag)} FROM ({inner})\nWHERE {RANGE}"


def _all(conditions: Sequence[str]) -> str:
    # A line each: Grafana takes all between two slashes of a line for a regular expression, and
    # would escape a `$__interval` that stands between a division and a real one.
    return "\nAND ".join(conditions)
