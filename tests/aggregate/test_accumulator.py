"""Sums by window and code, however they come: dense, far apart, or too many."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.aggregate import accumulator
from flowsleuth.aggregate.accumulator import Accumulator
from flowsleuth.aggregate.grouping import Weights

ADDED = st.lists(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 2**53), st.integers(0, 1)),
        max_size=15,
    ),
    max_size=6,
)


def add(sums, rows, step=1):
    table = np.array(rows, np.int64).reshape(-1, 4)
    sums.add(table[:, 0] * step, table[:, 1], Weights(table[:, 2:]))


def by_dict(parts, step=1):
    sums = defaultdict(lambda: [0, 0])
    for rows in parts:
        for window, code, one, other in rows:
            sums[window * step, code][0] += one
            sums[window * step, code][1] += other
    return [(*key, *sums[key]) for key in sorted(sums) if any(sums[key])]


def listed(taken):
    windows, codes, sums = taken
    return [(w, c, *s) for w, c, s in zip(windows, codes, sums.tolist(), strict=True)]


@pytest.mark.parametrize("step", [1, 2**40], ids=["windows close together", "windows far apart"])
@pytest.mark.parametrize("many", [3, 1 << 18], ids=["merging", "keeping"])
@settings(max_examples=20)
@given(parts=ADDED, window=st.integers(0, 6))
def test_sums_equal_a_dictionary_in_rising_order(step, many, parts, window):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accumulator, "_MANY", many)
        sums = Accumulator(2)
        for rows in parts:
            add(sums, rows, step)
        before = listed(sums.take_before(window * step))
        rest = listed(sums.take_before(2**60))
    expected = by_dict(parts, step)
    assert before == [row for row in expected if row[0] < window * step]
    assert before + rest == expected
    assert listed(sums.take_before(2**60)) == []


def test_many_equal_places_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(accumulator, "_MANY", 10)
    sums = Accumulator(2)
    for _ in range(100):
        add(sums, [(1, 1, 5, 1), (1, 2, 1, 0)])
        assert sums._size <= 12
    assert listed(sums.take_before(2)) == [(1, 1, 500, 100), (1, 2, 100, 0)]
