"""Labelled numbers at n instants, and how Grafana joins two sets of them by their labels.

A set at one instant is what Grafana has after a reduction: some numbers, each with labels, or
"no data" in their place. Here each number has arrays over the instants and says at which it is
there, so that a day is one computation and a single evaluation the case of n = 1.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

Labels = frozenset[tuple[str, str]]


class Refused(ValueError):
    """The rule has what Grafana refuses, or what the evaluator does not do."""


def labelled(labels: Mapping[str, str]) -> Labels:
    return frozenset(labels.items())


@dataclass(frozen=True, slots=True)
class Number:
    """value: NaN is a number like others, but where `null`. there: (n,), at which instants."""

    labels: Labels
    value: Floats
    null: Bools
    there: Bools


@dataclass(frozen=True, slots=True)
class Values:
    """A set of numbers; where `no_data` there is none of them, and Grafana knows that it is so."""

    numbers: tuple[Number, ...]
    no_data: Bools

    def at(self, i: int) -> list[tuple[dict[str, str], float | None]]:
        """Return what is there at instant i: labels, and the number (None: null)."""
        return [
            (dict(one.labels), None if one.null[i] else float(one.value[i]))
            for one in self.numbers
            if one.there[i]
        ]

    @property
    def count(self) -> NDArray[np.int64]:
        """How many values there are at each instant; no data is one."""
        total = self.no_data.astype(np.int64)
        for one in self.numbers:
            total += one.there
        return total


def constant(value: float | None, n: int) -> Values:
    """Return a scalar: a number without labels which is always there."""
    number = Number(
        frozenset(), np.full(n, np.nan if value is None else value), np.full(n, value is None),
        np.ones(n, np.bool_),
    )  # fmt: skip
    return Values((number,), np.zeros(n, np.bool_))


def each(values: Values, change: Callable[[Number], tuple[Floats, Bools]]) -> Values:
    """Return the set with each number's value and null replaced."""
    numbers = (Number(one.labels, *change(one), one.there) for one in values.numbers)
    return Values(tuple(numbers), values.no_data)


Pairwise = Callable[[Floats, Floats], Floats]


def join(a: Values, b: Values, operate: Pairwise) -> Values:
    """Return a ∘ b: for each pair whose labels are equal or contain each other, the larger labels.

    A number without partner is dropped. Exactly one against exactly one is combined whatever the
    labels say, and loses them. Null with anything is null; no data with anything is no data.
    """
    count_a, count_b = a.count, b.count
    no_data = (a.no_data & (count_b > 0)) | (b.no_data & (count_a > 0))
    matched = np.zeros(len(no_data), np.bool_)
    numbers = []
    for one, other, labels in pairs(a.numbers, b.numbers):
        there = one.there & other.there
        if there.any():
            matched |= there
            numbers.append(
                Number(labels, operate(one.value, other.value), one.null | other.null, there)
            )
    alone = (count_a == 1) & (count_b == 1) & ~matched & ~no_data
    if alone.any():
        (left, left_null), (right, right_null) = _only(a), _only(b)
        numbers.append(Number(frozenset(), operate(left, right), left_null | right_null, alone))
    return Values(tuple(numbers), no_data)


def pairs(a: Sequence[Any], b: Sequence[Any]) -> Iterator[tuple[Any, Any, Labels]]:
    """Yield the numbers (or series) whose labels are equal or contain each other.

    With the larger labels. Found by the names of the labels, of which a set has one or two sorts.
    """
    found: dict[tuple[frozenset[str], frozenset[str]], dict[Labels, list[Any]]] = {}
    sorts: dict[frozenset[str], list[Any]] = {}
    for other in b:
        sorts.setdefault(_names(other.labels), []).append(other)
    for one in a:
        mine = _names(one.labels)
        for theirs, others in sorts.items():
            if not (mine >= theirs or mine <= theirs):
                continue
            common = mine & theirs
            if (mine, theirs) not in found:
                found[mine, theirs] = _by(others, common)
            for other in found[mine, theirs].get(_only_of(one.labels, common), ()):
                yield one, other, one.labels if mine >= theirs else other.labels


def _names(labels: Labels) -> frozenset[str]:
    return frozenset(name for name, _ in labels)


def _only_of(labels: Labels, names: frozenset[str]) -> Labels:
    return frozenset(pair for pair in labels if pair[0] in names)


def _by(numbers: list[Any], names: frozenset[str]) -> dict[Labels, list[Any]]:
    found: dict[Labels, list[Any]] = {}
    for one in numbers:
        found.setdefault(_only_of(one.labels, names), []).append(one)
    return found


def _only(values: Values) -> tuple[Floats, Bools]:
    """Return value and null of the number that is there, of use where it is the only one."""
    value, null = np.full(len(values.no_data), np.nan), np.zeros(len(values.no_data), np.bool_)
    for one in values.numbers:
        value = np.where(one.there, one.value, value)
        null = np.where(one.there, one.null, null)
    return value, null
