"""What is above normal now: rates of the last five complete minutes against `baseline`.

Two levels. A network's whole in one direction is held against its row `protocol=all` and against
its limit; each protocol against its own row. A protocol that a network never had has no row, and a
flood of it shows in the whole. Both are asked for in the same form, a `Level`.

The references of what is asked and computed end in the level's number: `A1` the rate, `U1` what is
normal at most, and so on; `G1` holds what is above normal, by how much.
"""

from dataclasses import dataclass

from flowsleuth.grafana import influxql
from flowsleuth.grafana.expressions import kept, math, numbers, padded, reduced
from flowsleuth.grafana.panels import Query, Target

BACK = "25h"

NOW = f"time > now() - {BACK} AND time <= now()"
"""The newest step of `baseline`; an old one serves where the ingester has fallen behind with it."""

STALE_S = 300
"""Older data is stale: nothing can be said of now."""

NOTHING = "STALE: nothing was written for six hours"
"""What a panel says that has not one row: it must not look calm."""


@dataclass(frozen=True, slots=True)
class Level:
    """One way to cut traffic, each part of which has its row in `baseline`."""

    number: int
    by: tuple[str, ...]
    rows: str

    def ref(self, letter: str) -> str:
        """Return the reference of one of this level's queries or expressions."""
        return f"{letter}{self.number}"


WHOLE = Level(1, ("network", "direction"), "\"protocol\" = 'all'")
PROTOCOL = Level(2, ("network", "direction", "protocol"), "\"protocol\" != 'all'")
LEVELS = (WHOLE, PROTOCOL)


def above(level: Level) -> list[Target]:
    """Return what finds the parts of a level that are above normal.

    `A` is the rate, `N` what it is held against, both in bits/s; `G` has the excess of those above
    normal. A limit that is crossed counts as well, where what is normal is not known yet too.
    """
    a, normal, excess = (level.ref(letter) for letter in "ANG")
    bytes_ = influxql.column("traffic", "bytes")
    rate = f'SELECT sum({bytes_})*8/300 AS "v" FROM "traffic" WHERE {influxql.LATELY}'
    return [
        *numbers(a, padded([rate], level.by, 0)),
        *(_bounds() if level is WHOLE else numbers(normal, _upper(level))),
        # Dropped where it is negative. Joining many series with many is what costs, hence no
        # comparison, which would be joined once more.
        math(f"{excess}m", f"((${a} - ${normal}) ** 0.5) ** 2"),
        reduced(excess, f"{excess}m"),
    ]


def _bounds() -> list[Target]:
    """Return what finds `N1`: what is normal at most, or the limit where that is crossed."""
    crossed = "($U1 != 0) * ($A1 > $U1)"
    unknown = 10**18
    return [
        *numbers("U1", _threshold("bytes_upper")),
        *numbers("L1", _threshold("bytes_limit")),
        # Where both are crossed, what is normal says more than a limit.
        math("B1", f"$U1 * {crossed} + $L1 * (1 - {crossed})"),
        math("N1", f"$B1 + {unknown} * ($B1 == 0)"),
    ]


def over_limit() -> list[Target]:
    """Return, besides `above(WHOLE)`, what finds networks over their limit: `O1`."""
    return kept("O1", "0 * $A1", "($L1 != 0) * ($A1 > $L1)")


def learning() -> list[Target]:
    """Return what finds the networks of which too little is known yet: `E1`, a 0 for each."""
    source = _newest("learning", WHOLE.rows, "")
    return [*numbers("K1", padded([source], WHOLE.by, 1, BACK)), *kept("E1", "0 * $K1", "$K1")]


def stale() -> list[Target]:
    """Return what finds whether the data is stale: `stale`, 1 or 0, which has no labels.

    It is known for as long as there is any point of the last month.
    """
    flows = influxql.column("profiles", "flows")
    month = "time >= now() - 30d AND time <= now()"
    lately = f"time >= now() - {STALE_S}s - ${{window}}s AND time <= now()"
    total = "\"profile\" = 'all'"
    counted = f'SELECT count({flows})*1.0 AS "n" FROM "profiles" WHERE {lately} AND {total}'
    known = f'SELECT last({flows})*0.0 AS "n" FROM "profiles" WHERE {month} AND {total}'
    fresh = f'SELECT sum("n") FROM ({counted}), ({known}) WHERE {month}'
    return [
        Query(fresh, "fresh", ref="Freshq", hidden=True),
        reduced("Fresh", "Freshq"),
        # Grafana gives a series without tags its name as a label, with which it would join nothing.
        # One series against one other loses the labels: the trap, of use for once.
        *numbers("Known", known),
        math("stale", "($Fresh + 0 * $Known) < 0.5"),
    ]


def age() -> list[Target]:
    """Return what finds the age of the data: `age` in s, which has no labels.

    It is the time since the newest window ended that holds anything. InfluxQL knows no such
    difference: so windows of ten seconds are counted, of which the last ones hold nothing and leave
    the running sum as it is.
    """
    flows = influxql.column("profiles", "flows")
    span, total = "time >= now() - 6h AND time < now()", "\"profile\" = 'all'"
    counted = f'FROM "profiles" WHERE {span} AND {total}'
    inner = f'SELECT count({flows}) AS "n" {counted} GROUP BY time(10s) fill(0)'
    return [
        Query(
            f'SELECT cumulative_sum("n") FROM ({inner}) WHERE {span}',
            "running",
            ref="W",
            hidden=True,
        ),
        reduced("Wmax", "W", "max"),
        math("Wrest", "$W == $Wmax"),
        reduced("Wsum", "Wrest", "sum"),
        *numbers("Wall", f"SELECT count({flows}) {counted}"),
        math("age", "($Wsum - 1) * 10 - ${window} + 0 * $Wall"),
    ]


def networks() -> list[Target]:
    """Return what finds the networks that had traffic in the last six hours: `T`, a 1 for each."""
    flows = influxql.column("traffic", "flows")
    tag = influxql.column("traffic", "network")
    return numbers(
        "T",
        f'SELECT sum({flows})*0+1 AS "v" FROM "traffic" WHERE {influxql.SIX_HOURS} GROUP BY {tag}',
    )


def _upper(level: Level) -> str:
    # The pad is below any rate, so that it stays among what is above normal.
    return padded([_newest("bytes_upper", level.rows, "*8")], level.by, -1, BACK)


def _threshold(field: str) -> str:
    # The floor is always there: where the field is not, 0 says that it is not known.
    sources = [_newest(field, WHOLE.rows, "*8"), _newest("bytes_floor", WHOLE.rows, "*0.0")]
    return padded(sources, WHOLE.by, -1, BACK)


def _newest(field: str, rows: str, factor: str) -> str:
    column = influxql.column("baseline", field)
    return f'SELECT last({column}){factor} AS "v" FROM "baseline" WHERE {NOW} AND {rows}'
