"""Shares of long flows: the design's formula to the byte."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowsleuth.aggregate.spread import floor_share, spread

from .reference import cells

WINDOW = 60_000_000_000
DAY = 25 * 3_600_000_000_000

WHOLE = st.integers(1, DAY)


@given(st.integers(0, 2**53 - 1), WHOLE, st.data())
def test_the_share_is_exact_where_products_pass_64_bits(value, whole, data):
    part = data.draw(st.integers(0, whole))
    got = floor_share(np.array([value]), np.array([part]), np.array([whole]))
    assert got.tolist() == [value * part // whole]


FLOW = st.tuples(
    st.integers(0, 2 * DAY), st.integers(0, DAY), st.integers(0, 2**53 - 1), st.integers(0, 10**6)
)


@given(st.lists(FLOW, max_size=12), st.sampled_from([WINDOW, 10 * WINDOW, 60 * WINDOW]))
def test_cells_equal_the_reference_and_add_up(flows, window_ns):
    start = np.array([f[0] for f in flows], np.int64)
    end = start + np.array([f[1] for f in flows], np.int64)
    octets = np.array([f[2] for f in flows], np.int64)
    packets = np.array([f[3] for f in flows], np.int64)
    got = spread(start, end, octets, packets, window_ns)
    record = got.of(np.arange(len(flows)))
    found = sorted(
        zip(
            record.tolist(),
            got.window.tolist(),
            got.bytes.tolist(),
            got.packets.tolist(),
            got.flows.tolist(),
            strict=True,
        )
    )
    expected = sorted(
        (i, *cell)
        for i, (s, e, b, p) in enumerate(
            zip(start.tolist(), end.tolist(), octets.tolist(), packets.tolist(), strict=True)
        )
        for cell in cells(s, e, b, p, window_ns)
    )
    assert found == expected


def test_a_start_after_the_end_counts_in_the_window_of_the_end():
    got = spread(
        np.array([5 * WINDOW]), np.array([2 * WINDOW + 1]), np.array([7]), np.array([1]), WINDOW
    )
    assert (got.window.tolist(), got.bytes.tolist(), got.flows.tolist()) == ([2], [7], [1])
