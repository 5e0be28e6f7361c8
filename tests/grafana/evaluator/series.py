"""Math on series that are not reduced, and resampling: as Grafana does both.

Two series are joined by the times of their points, which must match exactly: those of windows do,
where all are grouped by the same time. A number goes with each point of a series.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grafana.evaluator.source import Instants, Points
from grafana.evaluator.values import Bools, Floats, Number, Pairwise, Refused, Values, pairs


@dataclass(frozen=True, slots=True)
class Many:
    """A set of series; where `no_data` there is none of them."""

    series: tuple[Points, ...]
    no_data: Bools

    @property
    def count(self) -> np.ndarray:
        """How many series there are at each instant; no data is one."""
        total = self.no_data.astype(np.int64)
        for one in self.series:
            total += one.exists
        return total


def found(series: Sequence[Points], n: int) -> Many:
    """Return the set of a query's series."""
    there = np.zeros(n, np.bool_)
    for one in series:
        there |= one.exists
    return Many(tuple(series), ~there)


def each(many: Many, change: Callable[[Number], tuple[Floats, Bools]]) -> Many:
    """Return the set with the values of each series replaced."""

    def changed(one: Points) -> Points:
        number = Number(one.labels, one.value, np.zeros(one.value.shape, np.bool_), one.exists)
        return replace(one, value=change(number)[0])

    return Many(tuple(map(changed, many.series)), many.no_data)


def join(a: Many | Values, b: Many | Values, operate: Pairwise) -> Many:
    """Return a ∘ b, of which one at least is a set of series; labels as numbers are joined."""
    count_a, count_b = a.count, b.count
    no_data = (a.no_data & (count_b > 0)) | (b.no_data & (count_a > 0))
    lefts, rights = _of(a), _of(b)
    matched = np.zeros(len(no_data), np.bool_)
    joined = []
    for one, other, labels in pairs(lefts, rights):
        made = replace(_joined(one, other, operate), labels=labels)
        if made.exists.any():
            matched |= made.exists
            joined.append(made)
    if ((count_a == 1) & (count_b == 1) & ~matched & ~no_data).any():
        raise Refused("one series against one other, whose labels do not match: they would be lost")
    return Many(tuple(joined), no_data)


def _of(one: Many | Values) -> tuple[Points | Number, ...]:
    return one.series if isinstance(one, Many) else one.numbers


def _joined(one: Points | Number, other: Points | Number, operate: Pairwise) -> Points:
    if isinstance(one, Number):
        assert isinstance(other, Points)
        return _with_number(other, one, lambda mine, theirs: operate(theirs, mine))
    if isinstance(other, Number):
        return _with_number(one, other, operate)
    exists = one.exists & other.exists
    assert one.time_ms is not None
    assert other.time_ms is not None
    if not np.array_equal(one.time_ms, other.time_ms):
        one, other = _common(one, other)
    there = one.there & other.there & exists[:, None]
    return Points(one.labels, operate(one.value, other.value), there, one.time_ms, exists)


def _with_number(series: Points, number: Number, operate: Pairwise) -> Points:
    exists = series.exists & number.there
    null = np.where(number.null, np.nan, number.value)[:, None]
    value = operate(series.value, np.broadcast_to(null, series.value.shape))
    return replace(series, value=value, there=series.there & exists[:, None], known=exists)


def _common(one: Points, other: Points) -> tuple[Points, Points]:
    """Return two series with the points whose times both have."""
    assert one.time_ms is not None
    assert other.time_ms is not None
    n, deep = len(one.value), min(one.value.shape[1], other.value.shape[1])
    made = [np.full((n, deep), np.nan) for _ in range(2)]
    there, times = np.zeros((n, deep), np.bool_), np.zeros((n, deep), np.int64)
    for i in range(n):
        left, right = (np.flatnonzero(each_.there[i]) for each_ in (one, other))
        common, from_left, from_right = np.intersect1d(
            one.time_ms[i, left], other.time_ms[i, right], return_indices=True
        )
        length = len(common)
        made[0][i, :length] = one.value[i, left[from_left]]
        made[1][i, :length] = other.value[i, right[from_right]]
        there[i, :length], times[i, :length] = True, common
    return (
        Points(one.labels, made[0], there, times, one.exists),
        Points(other.labels, made[1], there, times, other.exists),
    )


def carried_on(one: Points, instants: Instants, reach: tuple[int, int], step_s: int) -> Points:
    """Return a series in steps over the range, each with the last value before it (`pad`)."""
    assert one.time_ms is not None
    steps = (reach[0] - reach[1]) // step_s + 1
    n = len(instants)
    value, there = np.full((n, steps), np.nan), np.zeros((n, steps), np.bool_)
    times = (instants[:, None] - reach[0] + np.arange(steps) * step_s) * 1000
    for i in range(n):
        mine = one.time_ms[i, one.there[i]]
        last = np.searchsorted(mine, times[i], "right") - 1
        there[i] = last >= 0
        value[i, there[i]] = one.value[i, one.there[i]][last[there[i]]]
    return Points(one.labels, value, there, times, one.exists)
