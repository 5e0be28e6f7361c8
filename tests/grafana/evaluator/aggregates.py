"""Functions of InfluxQL over arrays (s, r, k): s series, r ranges of time, up to k points in each.

NaN is no point. An aggregate puts the series of a group together, and the points of a slot: of a
bucket of time(), or all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grafana.evaluator.values import Bools, Floats, Refused

Tags = Mapping[str, str]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Slots:
    """Where points go. of: (r, k), the slot of each point; count: of slots.

    there: (r, k), where a range has a point.
    """

    of: Places
    there: Bools
    count: int

    def reduce(self, function: np.ufunc, cells: Floats, nothing: float) -> Floats:
        """Return (s, r, slots): cells (s, r, k) of each slot put together, else `nothing`."""
        if self.count == 1:
            found: Floats = function.reduce(cells, axis=2, initial=nothing)[:, :, None]
            return found
        found = np.full((*cells.shape[:2], self.count), nothing)
        if (np.diff(self.of, axis=1) > 0).all():
            ranges, points = np.nonzero(self.there)
            found[:, ranges, self.of[ranges, points]] = cells[:, ranges, points]
            return found
        for slot in range(self.count):
            mine = np.where(self.of == slot, cells, nothing)
            found[:, :, slot] = function.reduce(mine, axis=2, initial=nothing)
        return found


@dataclass(frozen=True)
class Groups:
    """Series by the tags of GROUP BY. order: the series, group by group; starts: of each group."""

    tags: tuple[Tags, ...]
    order: Places
    starts: Places

    @property
    def of(self) -> Places:
        """The group of each series."""
        found = np.empty(len(self.order), np.intp)
        lengths = np.diff(np.append(self.starts, len(self.order)))
        found[self.order] = np.repeat(np.arange(len(self.tags)), lengths)
        return found

    def reduce(self, function: np.ufunc, cells: Floats) -> Floats:
        """Return (g, c): cells (s, c) of each group put together."""
        if len(self.starts) == len(self.order):
            return cells[self.order]
        found: Floats = function.reduceat(cells[self.order], self.starts)
        return found


class Same:
    """The tags of a grid as a key: of the same object, things are computed once."""

    def __init__(self, tags: tuple[Tags, ...]) -> None:
        self.tags = tags

    def __hash__(self) -> int:
        return id(self.tags)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.tags is other.tags


@lru_cache(maxsize=256)
def grouped(same: Same, names: tuple[str, ...]) -> Groups:
    """Return the groups of series by the tags `names`."""
    keys = [tuple(tags.get(name, "") for name in names) for tags in same.tags]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    starts = [i for i, row in enumerate(order) if not i or keys[row] != keys[order[i - 1]]]
    tags = tuple(dict(zip(names, keys[order[i]], strict=True)) for i in starts)
    return Groups(tags, np.array(order, np.intp), np.array(starts, np.intp))


Aggregate = Callable[[Floats, Groups, Slots], Floats]
"""Makes (g, r, slots) of (s, r, k)."""


def aggregate(name: str) -> Aggregate:
    """Return the function of a name; raises Refused."""
    if name not in AGGREGATES:
        raise Refused(f"{name}(): not done on arrays")
    return AGGREGATES[name]


def _fold(
    function: np.ufunc, nothing: float, column: Floats, groups: Groups, slots: Slots
) -> Floats:
    cells = np.where(np.isnan(column), nothing, column)
    found = groups.reduce(function, slots.reduce(function, cells, nothing))
    there = _count(column, groups, slots) if nothing == 0 else found != nothing
    return np.where(there, found, np.nan)


def _count(column: Floats, groups: Groups, slots: Slots) -> Floats:
    there = (~np.isnan(column)).astype(np.float64)
    return groups.reduce(np.add, slots.reduce(np.add, there, 0.0))


def _counted(column: Floats, groups: Groups, slots: Slots) -> Floats:
    found = _count(column, groups, slots)
    return np.where(found > 0, found, np.nan)


def _folded(function: np.ufunc, nothing: float) -> Aggregate:
    return lambda column, groups, slots: _fold(function, nothing, column, groups, slots)


def _mean(column: Floats, groups: Groups, slots: Slots) -> Floats:
    return AGGREGATES["sum"](column, groups, slots) / _counted(column, groups, slots)


def _end(function: np.ufunc, nothing: float) -> Aggregate:
    """Make `first` or `last`: of several series at the same time, the larger number."""

    def end(column: Floats, groups: Groups, slots: Slots) -> Floats:
        if not column.shape[2]:
            return _fold(np.maximum, -np.inf, column, groups, slots)
        places = np.where(np.isnan(column), nothing, np.arange(column.shape[2]))
        mine = slots.reduce(function, places, nothing)
        there: Bools = np.isfinite(mine)
        value = np.take_along_axis(column, np.where(there, mine, 0).astype(np.intp), axis=2)
        chosen = there & (mine == groups.reduce(function, mine)[groups.of])
        found = groups.reduce(np.maximum, np.where(chosen, value, -np.inf))
        return np.where(np.isneginf(found), np.nan, found)

    return end


AGGREGATES: dict[str, Aggregate] = {
    "sum": _folded(np.add, 0.0),
    "max": _folded(np.maximum, -np.inf),
    "min": _folded(np.minimum, np.inf),
    "count": _counted,
    "mean": _mean,
    "first": _end(np.minimum, np.inf),
    "last": _end(np.maximum, -np.inf),
}


def _cumulative_sum(column: Floats, time_ms: NDArray[np.int64], unit_ms: int) -> Floats:
    del time_ms, unit_ms
    return np.where(np.isnan(column), np.nan, np.nancumsum(column, axis=2))


def _elapsed(column: Floats, time_ms: NDArray[np.int64], unit_ms: int) -> Floats:
    """Return how many units are between each point and the one before it."""
    there = ~np.isnan(column)
    times = np.broadcast_to(time_ms, column.shape)
    before, has = _before(times, there)
    return np.where(there & has, (times - before) // max(unit_ms, 1), np.nan)


def _difference(column: Floats, time_ms: NDArray[np.int64], unit_ms: int) -> Floats:
    """Return how much more each point has than the one before it."""
    del time_ms, unit_ms
    there = ~np.isnan(column)
    before, has = _before(column, there)
    return np.where(there & has, column - before, np.nan)


def _before(values: NDArray[Any], there: Bools) -> tuple[NDArray[Any], Bools]:
    """Return of each point the value of the one before it, and whether there is one."""
    places = np.where(there, np.arange(there.shape[2]), -1)
    newest = np.maximum.accumulate(places, axis=2)
    before = np.concatenate([np.full_like(newest[:, :, :1], -1), newest[:, :, :-1]], axis=2)
    return np.take_along_axis(values, np.maximum(before, 0), axis=2), before >= 0


TRANSFORMS: dict[str, Callable[[Floats, NDArray[np.int64], int], Floats]] = {
    "cumulative_sum": _cumulative_sum,
    "difference": _difference,
    "elapsed": _elapsed,
}
"""Functions that make a point of each point (s, r, k); time_ms: (r, k)."""
