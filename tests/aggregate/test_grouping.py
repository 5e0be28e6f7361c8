"""Group-by is exact, whatever hashes do."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.aggregate import grouping
from flowsleuth.aggregate.grouping import (
    Weights,
    first_within,
    group,
    group_hashed,
    hash_more,
    number_dense,
    rank_within,
    sums_by,
)

SMALL = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2**62), st.integers(0, 9)), max_size=60
)


def by_dict(rows):
    sums = defaultdict(int)
    for a, b, value in rows:
        sums[a, b] += value
    return dict(sums)


def grouped(groups, a, b, values):
    first = groups.first
    return dict(
        zip(
            zip(a[first].tolist(), b[first].tolist(), strict=True),
            groups.sum(values).tolist(),
            strict=True,
        )
    )


def columns(rows):
    table = np.array(rows, np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


@given(SMALL)
def test_groups_equal_a_dictionary(rows):
    a, b, values = columns(rows)
    groups = group((a, b))
    assert grouped(groups, a, b, values) == by_dict(rows)
    assert len(groups.starts) == len(by_dict(rows))
    assert groups.sizes.sum() == len(rows)
    numbers = groups.numbers()
    assert (a[groups.first][numbers] == a).all()


@given(SMALL)
def test_colliding_hashes_fall_back_to_the_exact_way(rows):
    a, b, values = columns(rows)
    groups = group_hashed(np.zeros(len(a), np.uint64), (a, b))
    assert grouped(groups, a, b, values) == by_dict(rows)


def test_hashes_spread():
    n = 200_000
    hashes = grouping.hash_rows((np.arange(n), np.zeros(n, np.int64)))
    assert len(np.unique(hashes >> np.uint64(20))) > n * 0.999


def test_hashes_of_one_more_column_spread():
    n = 200_000
    hashes = hash_more(np.zeros(n, np.uint64), np.arange(n))
    assert len(np.unique(hashes >> np.uint64(20))) > n * 0.999


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**53)), max_size=50))
def test_sums_are_exact_beyond_what_floats_hold(rows):
    codes = np.array([code for code, _ in rows], np.int64)
    values = np.array([[value, 1] for _, value in rows], np.int64).reshape(-1, 2)
    expected = [
        [sum(v for c, v in rows if c == code), codes.tolist().count(code)] for code in range(6)
    ]
    assert sums_by(codes, values, 6).tolist() == expected
    bounds = Weights(values).bound_by(0, codes, 6)
    assert all(int(bound) >= exact for bound, (exact, _) in zip(bounds, expected, strict=True))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**60)), max_size=50), st.data())
def test_weights_of_chosen_rows_sum_like_these_rows(rows, data):
    values = np.array([[value] for _, value in rows], np.int64).reshape(-1, 1)
    codes = np.array([code for code, _ in rows], np.int64)
    chosen = [i for i in range(len(rows)) if data.draw(st.booleans())]
    at = np.array(chosen, np.int64)
    got = Weights(values).take(at).by(codes[at], 6)[:, 0]
    assert got.tolist() == [sum(rows[i][1] for i in chosen if rows[i][0] == c) for c in range(6)]


@pytest.mark.parametrize("step", [1, 2**40], ids=["by table", "by sorting"])
@given(codes=st.lists(st.integers(-9, 9), max_size=40))
def test_codes_are_numbered_in_rising_order(step, codes):
    distinct, numbers = number_dense(np.array(codes, np.int64) * step)
    assert distinct.tolist() == sorted({code * step for code in codes})
    assert [distinct[i] for i in numbers] == [code * step for code in codes]


@pytest.mark.parametrize("wide", [False, True])
def test_ranks_are_within_each_segment(wide):
    segments = np.array([0, 1, 0, 1, 0]) * (2**40 if wide else 1)
    values = np.array([5, 1, 7, 2, 6])
    assert rank_within(segments, values).tolist() == [2, 1, 0, 0, 1]


def test_nothing_ranks_to_nothing():
    empty = np.zeros(0, np.int64)
    assert len(rank_within(empty, empty)) == 0


@pytest.mark.parametrize("rows", [0, 5, 300, 5000], ids=lambda n: f"{n} rows")
@pytest.mark.parametrize("count", [0, 1, 3, 20])
@given(seed=st.integers(0, 2**32), largest=st.sampled_from([1, 9, 2**23]))
@settings(max_examples=8)
def test_the_first_of_each_segment_are_those_of_sorting(rows, count, seed, largest):
    rng = np.random.default_rng(seed)
    segments = rng.integers(0, 3, rows)
    values = rng.integers(0, largest + 1, rows)
    got = first_within(segments, values, count, 3)
    assert len(set(got.tolist())) == len(got)
    for segment in range(3):
        expected = sorted(values[(segments == segment) & (values > 0)].tolist(), reverse=True)
        found = sorted(values[got[segments[got] == segment]].tolist(), reverse=True)
        assert found == expected[:count]
