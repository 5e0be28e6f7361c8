"""What a query of InfluxQL gives of points in arrays, as InfluxDB 1.8 would.

Sub-queries have the tags and the time() of what asks them, unless they have their own. Series of
different measurements stay apart, also where their tags are the same.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grafana.evaluator.aggregates import (
    TRANSFORMS,
    Same,
    Slots,
    Tags,
    aggregate,
    grouped,
)  # fmt: skip
from grafana.evaluator.influxql import OPERATORS, Arithmetic, Branch, Call, Select, Value
from grafana.evaluator.values import Bools, Floats, Refused

Times = NDArray[np.int64]

EVER = 2**62


@dataclass(frozen=True)
class Grid:
    """Points of s series at k times.

    tags: of each series; what is not there is ''. columns: fields, (s, k), NaN where a point has no
    such field. time_ms: (k,), ascending. written_s: how long after a point's time it can be asked.
    whole: the fields that are integers in InfluxDB.
    """

    tags: tuple[Tags, ...]
    columns: Mapping[str, Floats]
    time_ms: Times
    written_s: int = 0
    whole: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Part:
    """Series of one measurement in r ranges: columns (s, r, k), NaN is no point; time_ms (r, k).

    there: (r, k), where a range has such a point.
    """

    name: str
    tags: tuple[Tags, ...]
    columns: Mapping[str, Floats]
    time_ms: Times
    there: Bools
    whole: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Ranges:
    """The ranges that a query is asked about, epoch ms, (r,); both ends are within.

    now: when it is asked.
    """

    begin: Times
    end: Times
    now: Times

    @property
    def unbounded(self) -> "Ranges":
        """All of time, which is what is asked where there is no $timeFilter."""
        return Ranges(np.full_like(self.begin, -EVER), np.full_like(self.end, EVER), self.now)

    def slots(self, every_ms: int) -> tuple[Times, Bools]:
        """Return the times (r, slots) of the buckets that the ranges touch, and where there are."""
        first, last = self.begin // every_ms, self.end // every_ms
        count = int((last - first).max()) + 1
        buckets = first[:, None] + np.arange(count)
        return buckets * every_ms, buckets <= last[:, None]


Fetch = Callable[[str], Grid]


def select(
    asked: Select,
    fetch: Fetch,
    ranges: Ranges,
    tags: tuple[str, ...] = (),
    every_ms: int = 0,
    *,
    timed: bool = False,
) -> list[Part]:
    """Return what a query gives; tags, every_ms, timed: of what asks it."""
    timed |= asked.is_timed
    dimensions = tuple(dict.fromkeys((*asked.tags, *tags)))
    is_aggregate = any(call.function not in TRANSFORMS for call in asked.calls)
    every_ms = asked.every_ms or (every_ms if is_aggregate else 0)
    parts = list(_parts(asked, fetch, ranges, dimensions, every_ms, timed=timed))
    if is_aggregate:
        return [_aggregated(asked, part, ranges, dimensions, every_ms) for part in parts]
    return [_each(asked, part, dimensions) for part in parts]


def _parts(
    asked: Select,
    fetch: Fetch,
    ranges: Ranges,
    tags: tuple[str, ...],
    every_ms: int,
    *,
    timed: bool,
) -> Iterator[Part]:
    """Yield the points that are asked about, by measurement."""
    found: dict[str, list[Part]] = {}
    for source in asked.sources:
        if isinstance(source, str):
            grid = fetch(source)
            grid = replace(grid, columns=_where(asked.condition, grid))
            read = {name: grid.columns[name] for name in asked.fields if name in grid.columns}
            grid = replace(grid, columns=read)
            parts = [_in_ranges(source, grid, ranges if timed else ranges.unbounded)]
        else:
            inner = select(source, fetch, ranges, tags, every_ms, timed=timed)
            parts = [
                replace(part, columns=_where(asked.condition, part))
                for part in _asked_again(inner, source)
            ]
        for part in parts:
            found.setdefault(part.name, []).append(part)
    yield from map(_together, found.values())


def _in_ranges(name: str, grid: Grid, ranges: Ranges) -> Part:
    """Return the points that lie in each range."""
    some = np.zeros(len(grid.tags), np.bool_)
    for column in grid.columns.values():
        some |= ~np.isnan(column).all(axis=1)
    rows = np.flatnonzero(some)
    end = np.minimum(ranges.end, ranges.now - grid.written_s * 1000)
    first = np.searchsorted(grid.time_ms, ranges.begin, "left")
    last = np.maximum(np.searchsorted(grid.time_ms, end, "right"), first)
    places = first[:, None] + np.arange(int((last - first).max()))
    there = places < last[:, None]
    places = np.minimum(places, max(len(grid.time_ms) - 1, 0))
    columns = {
        key: np.where(there, column[rows][:, places], np.nan)
        for key, column in grid.columns.items()
    }
    tags = tuple(grid.tags[row] for row in rows.tolist())
    return Part(name, tags, columns, grid.time_ms[places], there, grid.whole)


def _together(parts: Sequence[Part]) -> Part:
    """Return the series of one measurement from several sources as one."""
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts:
        if (
            not np.array_equal(part.there, first.there)
            or part.columns.keys() != first.columns.keys()
        ):
            raise Refused(f"{first.name} twice, at different times: not done on arrays")
    return replace(
        first,
        tags=tuple(tags for part in parts for tags in part.tags),
        columns={n: np.concatenate([p.columns[n] for p in parts]) for n in first.columns},
        whole=first.whole.intersection(*(part.whole for part in parts)),
    )


def _asked_again(parts: Sequence[Part], inner: Select) -> Iterator[Part]:
    """Yield the answer of a sub-query as what asks it sees it.

    What is made of integers alone is one, and loses what division made of it.
    """
    for part in parts:
        mine = frozenset(name for name, value in inner.columns if _is_whole(value, part.whole))
        columns = {n: np.trunc(c) if n in mine else c for n, c in part.columns.items()}
        yield replace(part, columns=columns, whole=mine)


def _is_whole(value: Value, whole: frozenset[str]) -> bool:
    if isinstance(value, Call):
        counts = value.function in {"count", "elapsed"}
        return counts or (value.function != "mean" and value.field in whole)
    if isinstance(value, Arithmetic):
        return _is_whole(value.left, whole) and _is_whole(value.right, whole)
    return value in whole if isinstance(value, str) else isinstance(value, int)


def _each(asked: Select, part: Part, tags: tuple[str, ...]) -> Part:
    """Return a point for each point."""
    if asked.every_ms:
        raise Refused("time() without an aggregate")
    made = {
        call: TRANSFORMS[call.function](part.columns[call.field], part.time_ms, call.unit_ms)
        for call in asked.calls
    }
    columns = {n: _compute(value, part.columns, made) for n, value in asked.columns}
    groups = grouped(Same(part.tags), tags)
    if len(groups.tags) != len(part.tags):
        if made:
            raise Refused("a function over points of several series: not done on arrays")
        return replace(part, columns=columns)
    columns = {name: column[groups.order] for name, column in columns.items()}
    return replace(part, tags=groups.tags, columns=columns)


def _aggregated(
    asked: Select, part: Part, ranges: Ranges, tags: tuple[str, ...], every_ms: int
) -> Part:
    groups = grouped(Same(part.tags), tags)
    if every_ms:
        times, there = ranges.slots(every_ms)
        of = (part.time_ms - times[:, :1]) // every_ms
        slots = Slots(of.astype(np.intp), part.there, times.shape[1])
    else:
        times, there = ranges.begin[:, None], np.ones((len(ranges.begin), 1), np.bool_)
        slots = Slots(np.zeros(part.there.shape, np.intp), part.there, 1)
    made = {}
    nothing = np.full((len(part.tags), *part.there.shape), np.nan)
    for call in asked.calls:
        found = aggregate(call.function)(part.columns.get(call.field, nothing), groups, slots)
        made[call] = _filled(asked.fill, found, there) if asked.every_ms else found
    columns = {name: _compute(value, part.columns, made) for name, value in asked.columns}
    return Part(part.name, groups.tags, columns, times, there, part.whole)


def _filled(fill: str, column: Floats, there: Bools) -> Floats:
    """Fill the empty buckets of a range, of each series that has any.

    Nulls are left out: what asks next does so, and the reductions that rules use.
    """
    if fill in {"", "null", "none"}:
        return column
    try:
        value = float(fill)
    except ValueError:
        raise Refused(f"fill({fill}): not done on arrays") from None
    has_any = ~np.isnan(column).all(axis=2, keepdims=True)
    return np.where(has_any & there & np.isnan(column), value, column)


def _compute(value: Value, columns: Mapping[str, Floats], made: Mapping[Call, Floats]) -> Any:
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return columns[value]
    if isinstance(value, Call):
        return made[value]
    left, right = (_compute(one, columns, made) for one in (value.left, value.right))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = OPERATORS[value.sign](left, right)
    # What InfluxDB divides by 0 is 0.
    return np.where((right == 0) & ~np.isnan(left), 0.0, found) if value.sign == "/" else found


def _where(condition: Branch | None, of: Grid | Part) -> Mapping[str, Floats]:
    """Return the columns, NaN where the condition does not hold."""
    keep = True if condition is None else _true(condition, of)
    if keep is True:
        return of.columns
    return {name: np.where(keep, column, np.nan) for name, column in of.columns.items()}


def _true(branch: Any, of: Grid | Part) -> Any:
    """Return where a condition holds: True, or an array that goes with the columns."""
    match branch.data, branch.children:
        case "always", _:
            return True
        case "both", [left, right]:
            found = [_true(one, of) for one in (left, right)]
            return reduce(np.logical_and, [one for one in found if one is not True] or [True])
        case "either", [left, right]:
            return _true(left, of) | _true(right, of)
        case "tag", [name, sign, text]:
            return _of_tags(Same(of.tags), name, str(sign), text)[_deep(of)]
        case "compare", [name, sign, int() | float() as number]:
            if name not in of.columns:
                return np.zeros(
                    (len(of.tags), *(1 for _ in next(iter(of.columns.values())).shape[1:])),
                    np.bool_,
                )
            with np.errstate(invalid="ignore"):
                return COMPARE[str(sign)](of.columns[name], number)
    raise Refused(f"{branch}: not done on arrays")


def _deep(of: Grid | Part) -> tuple[Any, ...]:
    """Return what makes an array (s,) go with the columns."""
    return (slice(None), None) if isinstance(of, Grid) else (slice(None), None, None)


@lru_cache(maxsize=256)
def _of_tags(same: Same, name: str, sign: str, text: str) -> Bools:
    """Return (s,): which series' tag is, or matches, a text."""
    if sign in {"=~", "!~"}:
        found = [re.search(text, tags.get(name, "")) is not None for tags in same.tags]
    else:
        found = [tags.get(name, "") == text for tags in same.tags]
    return np.array(found, np.bool_) ^ (sign not in {"=", "=~"})


COMPARE: dict[str, Any] = {
    "=": np.equal,
    "!=": np.not_equal,
    "<>": np.not_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
}
