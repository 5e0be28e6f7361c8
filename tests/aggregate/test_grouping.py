"""Group-by is exact, whatever hashes do."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsleuth.aggregate import grouping
from flowsleuth.aggregate.grouping import group, group_hashed, rank_within, sums_by

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


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**53)), max_size=50))
def test_sums_are_exact_beyond_what_floats_hold(rows):
    codes = np.array([code for code, _ in rows], np.int64)
    values = np.array([value for _, value in rows], np.int64)
    expected = [sum(v for c, v in rows if c == code) for code in range(6)]
    assert sums_by(codes, values.reshape(-1, 1), 6)[:, 0].tolist() == expected


@pytest.mark.parametrize("wide", [False, True])
def test_ranks_are_within_each_segment(wide):
    segments = np.array([0, 1, 0, 1, 0]) * (2**40 if wide else 1)
    values = np.array([5, 1, 7, 2, 6])
    assert rank_within(segments, values).tolist() == [2, 1, 0, 0, 1]


def test_nothing_ranks_to_nothing():
    empty = np.zeros(0, np.int64)
    assert len(rank_within(empty, empty)) == 0
