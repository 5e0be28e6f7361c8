"""What a rule's expressions do: reduce series to numbers, and compare numbers with a threshold."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from grafana.evaluator.rules import Json
from grafana.evaluator.source import Points
from grafana.evaluator.values import Bools, Floats, Number, Refused, Values, each

NaN = np.float64("nan")


def reduce(model: Json, series: Sequence[Points], n: int) -> Values:
    """Return the number of each series, and no data where there is no series at all."""
    settings = model.get("settings") or {}
    mode = settings.get("mode") or "strict"
    replacement = float(settings["replaceWithValue"]) if mode == "replaceNN" else None
    if mode not in {"strict", "dropNN", "replaceNN"}:
        raise Refused(f"reduce: Grafana has no mode {mode}")
    name = str(model["reducer"]).lower()
    if name not in REDUCERS:
        raise Refused(f"reduce: Grafana has no reducer {name}")
    numbers = []
    for one in series:
        value, use = one.value, one.there
        if mode == "dropNN":
            use = use & np.isfinite(value)
        elif replacement is not None:
            value = np.where(np.isfinite(value), value, replacement)
        found, null = REDUCERS[name](value, use)
        if mode == "dropNN":
            null = null | np.isnan(found)
        elif replacement is not None:
            found = np.where(np.isnan(found), replacement, found)
        numbers.append(Number(one.labels, found, null, one.exists))
    return Values(tuple(numbers), nothing(series, n))


def kept(model: Json, values: Values) -> Values:
    """Return numbers as a reduction lets them through: without those that are none."""
    if (model.get("settings") or {}).get("mode") != "dropNN":
        return values
    numbers = (
        replace(one, there=one.there & np.isfinite(one.value) & ~one.null) for one in values.numbers
    )
    return Values(tuple(numbers), values.no_data)


def nothing(series: Sequence[Points], n: int) -> Bools:
    """Return (n,): where a query finds nothing."""
    there = np.zeros(n, np.bool_)
    for one in series:
        there |= one.exists
    return ~there


Reducer = Callable[[Floats, Bools], tuple[Floats, Bools]]


def _plain(function: Callable[[Floats, Bools], Floats]) -> Reducer:
    def reducer(value: Floats, use: Bools) -> tuple[Floats, Bools]:
        with np.errstate(all="ignore"):
            found = function(value, use)
        # One null (NaN, here) among them, and the number is NaN.
        unknown = (use & np.isnan(value)).any(axis=1)
        return np.where(unknown, np.nan, found), np.zeros(len(value), np.bool_)

    return reducer


def _sum(value: Floats, use: Bools) -> Floats:
    found: Floats = np.where(use, value, 0.0).sum(axis=1)
    return found


def _extreme(function: np.ufunc, worst: float) -> Callable[[Floats, Bools], Floats]:
    def extreme(value: Floats, use: Bools) -> Floats:
        found = function.reduce(np.where(use, value, worst), axis=1, initial=worst)
        return np.where(use.any(axis=1), found, NaN)

    return extreme


def _count(value: Floats, use: Bools) -> tuple[Floats, Bools]:
    return use.sum(axis=1).astype(np.float64), np.zeros(len(value), np.bool_)


def _last(value: Floats, use: Bools) -> tuple[Floats, Bools]:
    if not value.shape[1]:
        return np.full(len(value), NaN), np.zeros(len(value), np.bool_)
    place = use.shape[1] - 1 - use[:, ::-1].argmax(axis=1)
    found = np.where(use.any(axis=1), value[np.arange(len(value)), place], NaN)
    return found, use.any(axis=1) & np.isnan(found)


def _median(value: Floats, use: Bools) -> Floats:
    count = use.sum(axis=1)
    if not count.any():
        return np.full(len(value), NaN)
    ordered = np.sort(np.where(use, value, np.inf), axis=1)
    rows = np.arange(len(value))
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, ordered.shape[1] - 1)
    return np.where(count > 0, (ordered[rows, low] + ordered[rows, high]) / 2, NaN)


REDUCERS: dict[str, Reducer] = {
    "sum": _plain(_sum),
    "mean": _plain(lambda value, use: _sum(value, use) / use.sum(axis=1)),
    "min": _plain(_extreme(np.minimum, np.inf)),
    "max": _plain(_extreme(np.maximum, -np.inf)),
    "median": _plain(_median),
    "count": _count,
    "last": _last,
}

COMPARE: dict[str, Callable[[Floats, Sequence[float]], Bools]] = {
    "gt": lambda v, p: v > p[0],
    "lt": lambda v, p: v < p[0],
    "eq": lambda v, p: v == p[0],
    "ne": lambda v, p: v != p[0],
    "gte": lambda v, p: v >= p[0],
    "lte": lambda v, p: v <= p[0],
    "within_range": lambda v, p: (v > p[0]) & (v < p[1]),
    "outside_range": lambda v, p: (v < p[0]) | (v > p[1]),
    "within_range_included": lambda v, p: (v >= p[0]) & (v <= p[1]),
    "outside_range_included": lambda v, p: (v <= p[0]) | (v >= p[1]),
}


def threshold(model: Json, values: Values) -> tuple[Values, Values | None]:
    """Return 1 or 0 for each number; with hysteresis also for those that alert already.

    NaN is above and below nothing. So with hysteresis what alerts goes on while it is NaN: it has
    not come back.
    """
    (condition,) = model["conditions"]
    loading = _compared(condition["evaluator"], values, invert=False)
    if (unload := condition.get("unloadEvaluator")) is None:
        return loading, None
    return loading, _compared(unload, values, invert=True)


def _compared(evaluator: Json, values: Values, *, invert: bool) -> Values:
    if evaluator["type"] not in COMPARE:
        raise Refused(f"threshold: Grafana has no {evaluator['type']}")
    compare, params = COMPARE[evaluator["type"]], [float(p) for p in evaluator["params"]]
    return each(values, lambda one: (((compare(one.value, params)) ^ invert) * 1.0, one.null))
