"""Expressions: what Grafana's server computes with the answers of a panel's queries.

InfluxQL cannot join two measurements, and what is above normal is `traffic` against `baseline`. So
each is asked for by itself, and Grafana joins them as it does in alert rules: series of which one
has all labels of the other belong together, and what lacks its counterpart falls out.

Two traps, found by trying:
- Exactly one series against exactly one other are combined even though their labels differ, and
  lose them: Green's spike with Blue's talker. So one side of each join holds at least two series,
  by `padded`: rows of no network, which match nothing else.
- Nothing drops series by their value. A division by zero does, together with a reduction that
  drops what is no number: `Kept`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flowsleuth.grafana import influxql
from flowsleuth.grafana.panels import Json, Query, Target
from flowsleuth.schema import BY_NAME

_SERVER: Json = {"type": "__expr__", "uid": "__expr__"}


@dataclass(frozen=True, slots=True)
class _Expression:
    """One expression of Grafana's server; hidden: only others see what comes out."""

    ref: str
    kind: str
    sides: tuple[tuple[str, Any], ...]
    hidden: bool = True

    def target(self) -> Json:
        """Return it as Grafana's JSON has it."""
        return {
            "refId": self.ref,
            "datasource": _SERVER,
            "type": self.kind,
            **dict(self.sides),
            **({"hide": True} if self.hidden else {}),
        }


def math(ref: str, text: str, *, shown: bool = False) -> Target:
    """Return a computation with others: $REF, + - * / > && and so on; a comparison is 1 or 0."""
    return _Expression(ref, "math", (("expression", text),), hidden=not shown)


def reduced(ref: str, of: str, how: str = "last", *, shown: bool = False) -> Target:
    """Return one number for each series of another; what is no number is dropped."""
    sides = (("expression", of), ("reducer", how), ("settings", {"mode": "dropNN"}))
    return _Expression(ref, "reduce", sides, hidden=not shown)


def numbers(ref: str, query: str, *, shown: bool = False) -> list[Target]:
    """Return a query and the reduction of its series to numbers, which is called `ref`."""
    return [Query(query, ref=f"{ref}q", hidden=True), reduced(ref, f"{ref}q", shown=shown)]


def kept(ref: str, value: str, condition: str, *, shown: bool = False) -> list[Target]:
    """Return `value` only where `condition` is 1: elsewhere it is no number, and is dropped."""
    return [math(f"{ref}m", f"({value}) / ({condition})"), reduced(ref, f"{ref}m", shown=shown)]


def calm(measurement: str, by: Sequence[str], other: str) -> list[Target]:
    """Return what makes the row that says that all is well, where that can be said: `Calm`, a 1.

    It is of nobody: all tags `by` of the measurement are empty. Needs `judged.stale`.
    other: a measurement that has none of these tags.
    """
    counters = (
        influxql.column(name, BY_NAME[name].fields[0].name) for name in (measurement, other)
    )
    of_none, of_one = (f"SELECT sum({counter})*0.0" for counter in counters)
    nobody = f"{influxql.LATELY} AND {influxql.column(measurement, by[0])} = ''"
    none = f'{of_none} AS "v" FROM {influxql.table(measurement)} WHERE {nobody}'
    one = f'{of_one}+1 AS "v" FROM {influxql.table(other)} WHERE {influxql.SIX_HOURS}'
    tags = ", ".join(f'"{tag}"' for tag in by)
    span = "time >= now() - 6h AND time <= now()"
    row = f'SELECT sum("v") AS "v" FROM ({none}), ({one}) WHERE {span} GROUP BY {tags}'
    return [
        *numbers("One", row),
        *kept("Calm", "$One", "$One * (1 - $stale)", shown=True),
    ]


def padded(sources: Sequence[str], by: Sequence[str], pad: int, back: str = "6h") -> str:
    """Return the query of the sum of sources' columns `v`, by tags, with at least two rows more.

    sources: queries of one measurement, none of which says GROUP BY what `by` says; what one lacks
    another may have. pad: the value of the rows more, which have no network; back: how far the
    sources look back.
    """
    # Measurements without the tag `network`, of which one has directions; InfluxDB hands the outer
    # GROUP BY down to all of them.
    pads = [
        f'SELECT sum({influxql.column(name, field)})*0.0{pad:+d} AS "v" '
        f"FROM {influxql.table(name)} WHERE {influxql.SIX_HOURS}"
        for name, field in (("profiles", "bytes"), ("exporters", "records"))
    ]
    tags = ", ".join(f'"{tag}"' for tag in by)
    asked = ", ".join(f"({source})" for source in [*sources, *pads])
    span = f"time >= now() - {back} AND time <= now()"
    return f'SELECT sum("v") AS "v" FROM {asked} WHERE {span} GROUP BY {tags}'
