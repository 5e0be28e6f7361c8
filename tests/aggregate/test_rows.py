"""Rows of open windows: merged where keys repeat, closed early where they do not."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.aggregate.aggregator import FOREVER, Settings
from flowsleuth.aggregate.rows import CODE_BITS, Rows, Store
from flowsleuth.aggregate.spread import portions

from .driving import Driven
from .traffic import NOW, SECOND, flows_of, record


def rows_of(listed, family=4):
    """Rows of (window, port, address, peer, bytes, fresh)."""
    n = len(listed)
    columns = list(zip(*listed, strict=True)) if n else [[]] * 6

    def ends(values):
        if family == 4:
            return np.array(values, np.uint32)
        return np.array([[1, v] for v in values], np.uint64).reshape(-1, 2)

    values = np.ones((n, 4), np.int64)
    values[:, 0] = columns[4]
    return Rows(
        family,
        np.array(columns[0], np.int64) << CODE_BITS | 7,
        np.array(columns[1], np.uint16),
        ends(columns[2]),
        ends(columns[3]),
        values,
        np.array(columns[5], bool),
    )


def as_dict(parts):
    sums = defaultdict(lambda: [0, 0, False])
    for rows in parts:
        low = [ends if ends.ndim == 1 else ends[:, 1] for ends in (rows.address, rows.peer)]
        for i in range(len(rows)):
            key = rows.family, int(rows.key[i]) >> CODE_BITS, int(rows.port[i])
            entry = sums[(*key, int(low[0][i]), int(low[1][i]))]
            entry[0] += int(rows.values[i, 0])
            entry[1] += int(rows.values[i, 2])
            entry[2] |= bool(rows.fresh[i])
    return {key: tuple(entry) for key, entry in sums.items()}


ROW = st.tuples(
    st.integers(0, 4),
    st.integers(0, 1),
    st.sampled_from([1, 2, 37, 101]),
    st.integers(0, 2),
    st.integers(0, 2**60),
    st.booleans(),
)
CHUNKS = st.lists(st.tuples(st.sampled_from([4, 6]), st.lists(ROW, max_size=12)), max_size=6)


@given(st.sampled_from([4, 6]), st.lists(ROW, min_size=1, max_size=30))
def test_merged_rows_are_distinct_and_hold_the_same(family, listed):
    rows = rows_of(listed, family)
    merged = rows.merged()
    assert as_dict([merged]) == as_dict([rows])
    assert len(merged) == len(as_dict([rows]))


@settings(max_examples=30)
@given(CHUNKS, st.integers(1, 20), st.integers(0, 5))
def test_a_store_gives_back_what_it_got_whatever_its_capacity(chunks, capacity, window):
    store = Store(capacity)
    for family, listed in chunks:
        if listed:
            store.add(rows_of(listed, family))
    everything = as_dict([rows_of(listed, family) for family, listed in chunks])
    before = store.take_before(window)
    assert len({rows.family for rows in before}) == len(before)
    rest = store.take_before(9)
    assert all(key[1] < window for key in as_dict(before))
    assert as_dict(before) | as_dict(rest) == everything
    assert len(store) == 0
    assert store.take_before(9) == []


def test_repeating_keys_are_merged_and_the_store_is_not_crowded():
    store = Store(50)
    for _ in range(10):
        store.add(rows_of([(0, 443, address, 1, 5, True) for address in (1, 2, 37)] * 10))
        assert not store.crowded
        assert len(store) <= 50
    assert {entry[0] for entry in as_dict(store.take_before(1)).values()} == {500}


def test_distinct_keys_are_not_merged_in_vain_and_the_oldest_half_goes():
    store = Store(400)
    store.add(rows_of([(i // 100, 443, 37 + 64 * i, 1, 1, True) for i in range(450)]))
    assert store.crowded
    assert store.oldest_half() == 2
    taken = store.take_before(store.oldest_half())
    assert sum(map(len, taken)) == 200
    assert len(store) == 250
    assert not store.crowded


def test_one_window_alone_is_the_oldest_half():
    store = Store(1)
    store.add(rows_of([(7, 443, i, 1, 1, True) for i in range(9)]))
    assert store.oldest_half() == 8


def test_a_crowded_aggregator_is_relieved_window_by_window_and_loses_nothing():
    driven = Driven(Settings(capacity=100))
    driven.add(
        [
            record(
                src=f"10.1.{minute}.{i}",
                start_ns=NOW - minute * 60 * SECOND,
                end_ns=NOW - minute * 60 * SECOND,
                bytes=1000 + i,
            )
            for minute in range(5)
            for i in range(50)
        ]
    )
    aggregator = driven.aggregator
    assert 0 < aggregator.held <= 100
    assert 1 <= aggregator.counters.written_early < 5
    points = driven.flush()
    assert not aggregator.take_early()
    traffic = [p for p in points if p["measurement"] == "traffic"]
    assert len(traffic) == 5
    assert {p["bytes"] for p in traffic} == {sum(range(1000, 1050))}


def long_flows(count):
    """Flows of an hour each: 61 cells."""
    return [
        record(src=f"10.1.0.{i}", start_ns=NOW - 3600 * SECOND, end_ns=NOW, bytes=10**6 + i)
        for i in range(count)
    ]


@pytest.mark.parametrize("most", [1, 61, 100, 305, 400_000])
def test_cells_are_made_in_portions_and_come_out_the_same(monkeypatch, most):
    expected = Driven()
    expected.add(long_flows(10))
    monkeypatch.setattr("flowsleuth.aggregate.spread.MOST_CELLS", most)
    driven = Driven()
    driven.add(long_flows(10))
    assert sorted(map(str, driven.flush())) == sorted(map(str, expected.flush()))


def test_a_portion_has_no_more_cells_than_are_made_at_once(monkeypatch):
    monkeypatch.setattr("flowsleuth.aggregate.spread.MOST_CELLS", 200)
    enriched, _ = Driven().enricher.enrich(flows_of(long_flows(20)), {})
    parts = list(portions(enriched, 60 * SECOND))
    assert all(len(part) * 61 <= 200 + 61 for part in parts)
    assert sum(map(len, parts)) == 20


def test_records_of_which_none_counts_leave_no_trace():
    driven = Driven()
    flows = flows_of([record(), record()])
    flows.counts[:] = False
    driven.aggregator.add(driven.enricher.enrich(flows, {})[0])
    assert driven.aggregator.held == 0
    assert driven.flush() == []


def test_the_oldest_window_is_of_rows_or_of_what_waits():
    driven = Driven()
    assert driven.aggregator.oldest == FOREVER
    driven.add([record()])
    assert driven.aggregator.oldest == (NOW - 5 * SECOND) // (60 * SECOND)
    waits = {"src_port": 50_001, "dst_port": 50_003, "end_ns": NOW - 600 * SECOND}
    driven.add([record(**waits, start_ns=NOW - 700 * SECOND)])
    assert driven.aggregator.oldest == (NOW - 600 * SECOND) // (60 * SECOND)
    driven.flush()
    assert driven.aggregator.oldest == FOREVER


def test_windows_far_apart_have_their_segments():
    """By an exporter's clock gone mad in a capture, or two captures of different years."""
    driven = Driven()
    years = [NOW - year * 365 * 86_400 * SECOND for year in (0, 1, 50)]
    names = ("start_ns", "end_ns", "received_ns", "export_ns")
    driven.add([record(bytes=7, **dict.fromkeys(names, at)) for at in years])
    points = driven.flush()
    for measurement in ("traffic", "talkers", "hosts", "conversations", "heavy"):
        found = {p["time"]: p["bytes"] for p in points if p["measurement"] == measurement}
        window = 3600 * SECOND if measurement == "heavy" else 60 * SECOND
        assert found == {at // window * window: 7 for at in years}
