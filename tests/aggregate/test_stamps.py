"""Timestamps: the first point of a window at its start, all others apart, less than 1 s on."""

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.aggregate.digest import Segments
from flowsleuth.aggregate.stamps import SECOND, Stamp, Stamps, file_stamp, live_stamp

from .driving import Driven
from .traffic import NOW, record

EVER = -(2**62)


def offsets(stamps, windows, stamp):
    return stamps.offsets(np.array(windows), stamp).tolist()


def test_the_first_time_is_the_start_and_what_follows_is_late():
    stamps = Stamps()
    stamp = Stamp(first=0, late=50, born=EVER)
    assert offsets(stamps, [7, 8, 7], stamp) == [0, 0, 0]
    stamps.mark(np.array([7, 7]))
    assert offsets(stamps, [7, 8], stamp) == [50, 0]
    assert stamps.late(np.array([8, 7])).tolist() == [False, True]


def test_what_began_before_the_process_is_late():
    stamp = live_stamp(NOW, 3, born=8)
    first, second = offsets(Stamps(), [7, 8], stamp)
    assert (first, second) == (stamp.late, 3)
    assert 8 <= stamp.late < SECOND


@given(
    st.integers(0, 2**40),
    st.lists(st.integers(1, 124_999_998), min_size=1, max_size=20, unique=True),
    st.integers(0, 7),
    st.integers(0, 7),
)
def test_live_stamps_of_34_hours_differ_by_millisecond_and_worker(start_ms, gaps, one, other):
    times = [start_ms, *(start_ms + gap for gap in gaps)]
    workers = {one, other}
    late = [live_stamp(ms * 10**6, worker, 0).late for ms in times for worker in workers]
    assert len(set(late)) == len(late)
    assert all(8 <= offset < SECOND for offset in late)


def test_flushes_of_a_file_step_and_stay_below_a_second():
    stamp = file_stamp(2**64 - 1)
    stamps = Stamps()
    seen = set()
    for _ in range(50):
        (offset,) = offsets(stamps, [7], stamp)
        assert offset not in seen
        assert 0 < offset < SECOND
        seen.add(offset)
        stamps.mark(np.array([7]))
    assert file_stamp(5) == file_stamp(5)


def segments(rows):
    table = np.array(sorted(rows), np.int64).reshape(-1, 3)
    sums = table[:, 2]
    return Segments(table[:, 0], table[:, 1], sums, sums // 2, sums // 3, np.zeros((0, 3)))


def thrice(sums):
    """What a segment of so many bytes, by flushes, says of bytes, packets and flows."""
    return [sum(octets // part for octets in sums) for part in (1, 2, 3)]


FLUSHES = st.lists(
    st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 5)), st.integers(1, 2**60)),
    max_size=5,
)


@settings(max_examples=30)
@given(FLUSHES, st.integers(0, 4))
def test_windows_so_far_add_up(flushes, horizon):
    stamps = Stamps()
    sums = defaultdict(list)
    for flush in flushes:
        if not flush:
            continue
        now = segments([(*spot, octets) for spot, octets in flush.items()])
        spots = list(zip(now.window.tolist(), now.place.tolist(), strict=True))
        assert stamps.so_far(now).tolist() == [thrice([*sums[spot], flush[spot]]) for spot in spots]
        stamps.remember(now)
        stamps.mark(now.window)
        for spot, octets in flush.items():
            sums[spot].append(octets)
    stamps.forget(horizon)
    ask = segments([(window, place, 0) for window in range(4) for place in range(6)])
    expected = [thrice(sums[w, p] if w >= horizon else []) for w in range(4) for p in range(6)]
    assert stamps.so_far(ask).tolist() == expected


def test_what_is_remembered_of_windows_ends_with_the_accepted_age():
    driven = Driven()
    for hour in range(40):
        later = NOW + hour * 3600 * SECOND
        times = dict.fromkeys(("start_ns", "end_ns", "received_ns", "export_ns"), later)
        driven.add([record(**times, src_port=50_001, dst_port=50_002)])
        driven.flush()
    assert 20 < len(driven.aggregator._stamps._written) <= 27


def test_heavy_is_judged_on_the_window_so_far():
    """Late bytes of which 1 % of the window would be far more have no series of their own."""
    driven = Driven()
    driven.add([record(bytes=10**9, packets=10**6)])
    driven.flush()
    driven.add([record(src="10.1.0.50", bytes=10**6), record(src="10.1.0.51", bytes=2 * 10**7)])
    talkers = {
        (p["tags"]["address"], p["tags"]["port"]): p["bytes"]
        for p in driven.flush(stamp=Stamp(0, 9))
        if p["measurement"] == "talkers"
    }
    assert talkers == {("10.1.0.51", "443"): 2 * 10**7, ("other", "443"): 10**6}
