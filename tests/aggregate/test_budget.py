"""The budget wins: whatever arrives there are never more series, and who has one keeps it."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.aggregate.aggregator import Settings
from flowsleuth.aggregate.budget import (
    DAY,
    HIGHEST_BAR,
    POOLS,
    START_SHARE,
    Known,
    Pool,
    SeriesBudget,
)

from .driving import Driven
from .traffic import NOW, SECOND, record

BAR = 0.01
TODAY = NOW // DAY * DAY


def admit(pool, keys, share=0.5, at=TODAY):
    """Ask for keys (numbers) with one share, or a share each; returns which are admitted."""
    hashes = np.array(keys, np.uint64) << np.uint64(44)
    shares = np.broadcast_to(np.array(share, np.float64), hashes.shape)
    times = np.broadcast_to(np.array(at, np.int64), hashes.shape)
    got = pool.admit(hashes, shares, times, hashes)
    return [key for key, yes in zip(keys, got.tolist(), strict=True) if yes]


def test_the_allowance_at_the_start_is_a_quarter_and_the_largest_come_first():
    pool = Pool(40, 30, BAR)
    keys = list(range(1, 31))
    got = admit(pool, keys, [key / 31 for key in keys])
    assert got == keys[-40 // START_SHARE :]


def test_who_has_a_series_keeps_it_however_small():
    pool = Pool(40, 30, BAR)
    assert admit(pool, [1]) == [1]
    assert admit(pool, [1, 2], share=0.0) == [1]


def test_a_new_key_needs_the_bar():
    pool = Pool(4000, 30, BAR)
    assert admit(pool, [1, 2, 3], [BAR - 1e-6, BAR, 0.5]) == [2, 3]


def test_a_key_has_its_series_from_the_window_in_which_it_got_it_not_before():
    pool = Pool(40, 30, BAR)
    minutes = np.arange(4) * 60 * SECOND + TODAY
    one = np.full(4, 1 << 44, np.uint64)
    got = pool.admit(one, np.array([0.0, 0.5, 0.0, 0.5]), minutes)
    assert got.tolist() == [False, True, True, True]
    assert len(pool.hashes) == 1


def test_the_bar_doubles_each_time_that_the_allowance_halves():
    pool = Pool(4000, 30, BAR)
    bars = []
    for left in (1000, 500, 499, 250, 249, 124, 1, 0):
        pool.allowance = left
        bars.append(pool.bar)
    assert bars == [BAR, BAR, 2 * BAR, 2 * BAR, 4 * BAR, 8 * BAR, HIGHEST_BAR, HIGHEST_BAR]


def test_the_bar_rises_within_one_window_too():
    """A scan of equal keys at the lowest bar gets half of the allowance, not all of it."""
    pool = Pool(400, 30, BAR)
    scan = admit(pool, range(1, 1000), BAR)
    assert len(scan) == pytest.approx(50, abs=2)
    assert pool.bar > BAR
    assert admit(pool, [5000], BAR) == []
    assert admit(pool, [5000], 0.5) == [5000]


def test_the_allowance_grows_by_the_day_and_carries_over_up_to_the_limit():
    pool = Pool(300, 30, BAR)
    pool.advance(TODAY)
    start = pool.allowance
    pool.advance(TODAY + DAY // 2)
    assert pool.allowance == start + 5
    pool.advance(TODAY + DAY // 4)
    assert pool.allowance == start + 5
    pool.advance(TODAY + 3 * DAY)
    assert pool.allowance == start + 30
    pool.advance(TODAY + 999 * DAY)
    assert pool.allowance == 300


def test_a_series_counts_until_the_end_of_the_day_of_its_last_point_plus_retention():
    pool = Pool(40, 30, BAR)
    admit(pool, [1, 2], at=TODAY)
    admit(pool, [2], at=TODAY + DAY)
    hosts = np.array([1 << 44, 2 << 44], np.uint64)
    pool.advance(TODAY + 31 * DAY - 1)
    assert len(pool.hashes) == 2
    pool.advance(TODAY + 31 * DAY)
    assert (pool.hashes >> np.uint64(44)).tolist() == [2]
    assert pool.known.maybe(hosts).tolist() == [False, True]


def test_the_place_of_a_dropped_series_is_given_again():
    pool = Pool(4, 2, BAR)
    pool.allowance = 4.0
    assert admit(pool, [1, 2, 3, 4], at=TODAY) == [1, 2, 3, 4]
    assert admit(pool, [5], at=TODAY + 2 * DAY) == []
    assert admit(pool, [5], at=TODAY + 3 * DAY) == [5]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.integers(0, 2**64 - 1))
@settings(max_examples=20)
def test_known_never_denies_what_it_holds(hashes, other):
    known = Known()
    known.fill(np.array([other], np.uint64))
    known.fill(np.array(hashes, np.uint64))
    assert known.maybe(np.array(hashes, np.uint64)).all()
    if not any(h >> 44 == other >> 44 for h in hashes):
        assert not known.maybe(np.array([other], np.uint64)).any()


REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 40 * 24),
        st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1)), max_size=30),
    ),
    max_size=12,
)


@settings(max_examples=30)
@given(REQUESTS, st.integers(1, 30), st.integers(1, 4))
def test_a_pool_equals_the_rules_and_never_passes_its_limit(requests, limit, days):
    """Hours may come out of order; each is one window, in which keys may repeat."""
    pool = Pool(limit, days, BAR)
    for hour, wanted in requests:
        before = set((pool.hashes >> np.uint64(44)).tolist())
        got = admit(
            pool, [key for key, _ in wanted], [s for _, s in wanted], TODAY + hour * DAY // 24
        )
        assert len(pool.hashes) <= limit
        assert (pool.hashes[1:] > pool.hashes[:-1]).all()
        assert len(pool.hashes) == len(pool.last_day) == len(pool.host_hashes)
        assert {key for key, _ in wanted} & before <= set(got)
        bars = {key: max(s for k, s in wanted if k == key) for key in got}
        assert all(share >= BAR for key, share in bars.items() if key not in before)


def test_what_is_forced_beyond_its_pool_is_taken_from_the_talkers():
    budget = SeriesBudget(1000, 30 * DAY, BAR)
    talkers, rest = budget.pools["talkers"], budget.pools["other_other"]
    forced = np.arange(1, rest.limit + 51, dtype=np.uint64) << np.uint64(44)
    budget.force_rest(forced, np.full(len(forced), TODAY))
    budget.force_rest(forced, np.full(len(forced), TODAY))
    assert len(rest.hashes) == rest.limit + 50
    for _ in range(60):
        talkers.allowance = 1000.0
        admit(talkers, list(range(1, 2000)), 0.9)
    assert len(talkers.hashes) == talkers.limit - 50
    assert budget.use().series <= budget.budget


def test_the_pools_are_the_budget_and_conversations_are_at_most_three_tenths():
    assert sum(POOLS.values()) == pytest.approx(1)
    assert POOLS["conversations"] <= 0.3
    pools = SeriesBudget(100_000, 30 * DAY, BAR).pools
    assert sum(pool.limit for pool in pools.values()) <= 100_000


def scan(window, size, seed):
    """Every record another address, peer, port and share: a scan, a flood, a busy day at once."""
    rng = np.random.default_rng(seed)
    at = TODAY + window * 60 * SECOND
    times = dict.fromkeys(("start_ns", "end_ns", "received_ns", "export_ns"), at)
    return [
        record(
            src=f"10.1.{a}.{b}",
            dst=f"192.0.{c}.{d}",
            dst_port=int(port),
            protocol=int(rng.choice([6, 17])),
            bytes=int(2 ** rng.integers(0, 30)),
            **times,
        )
        for a, b, c, d, port in zip(
            *rng.integers(0, 256, (4, size)), rng.integers(1, 1024, size), strict=True
        )
    ]


def test_a_scan_of_the_whole_internet_stays_within_the_budget_and_folds_exactly():
    driven = Driven(Settings(budget=300, retention_ns=2 * DAY))
    seen = set()
    for day in range(3):
        for window in range(4):
            driven.add(scan(day * 1440 + window, 200, seed=day * 100 + window))
            points = driven.flush()
            use = driven.aggregator.use()
            assert use.series <= use.budget == 300
            if day == 0:
                detail = {"talkers", "heavy", "conversations", "hosts"}
                seen |= {
                    (p["measurement"], *sorted(p["tags"].items()))
                    for p in points
                    if p["measurement"] in detail
                }
                assert len(seen) <= 300
            sums = [
                sum(p["bytes"] for p in points if p["measurement"] == name)
                for name in ("traffic", "talkers")
            ]
            assert sums[0] == sums[1]
    assert driven.aggregator.counters.folded_bytes > 0


def test_series_are_counted_out_even_when_nobody_new_comes():
    driven = Driven(Settings(retention_ns=2 * DAY))
    times = ("start_ns", "end_ns", "received_ns", "export_ns")
    driven.add([record(src=f"10.1.0.{i}", **dict.fromkeys(times, TODAY)) for i in range(9)])
    driven.flush()
    before = driven.aggregator.use().series
    for day in range(1, 5):
        driven.add([record(src="10.1.0.1", **dict.fromkeys(times, TODAY + day * DAY))])
        driven.flush()
    assert driven.aggregator.use().series < before


def filled():
    driven = Driven(Settings(budget=500))
    driven.add(scan(0, 50, seed=1))
    driven.flush()
    return driven


def test_the_budget_outlives_a_restart():
    old = filled()
    kept = json.loads(json.dumps(old.aggregator.budget.export_state()))
    new = Driven(Settings(budget=500))
    new.aggregator.budget.import_state(kept)
    assert new.aggregator.use() == old.aggregator.use()
    assert new.aggregator.budget.export_state() == old.aggregator.budget.export_state()
    for driven in (old, new):
        driven.add(scan(0, 50, seed=1) + scan(1, 50, seed=2))
    kinds = ("talkers", "hosts", "conversations")

    def keys(points):
        return {str(p["tags"]) for p in points if p["measurement"] in kinds}

    assert keys(new.flush()) == keys(old.flush())


def test_a_smaller_budget_takes_over_what_there_is_and_admits_nobody():
    kept = filled().aggregator.budget.export_state()
    small = SeriesBudget(10, 30 * DAY, BAR)
    small.import_state(kept)
    before = small.use().series
    assert before > 10
    for pool in small.pools.values():
        assert pool.allowance <= pool.limit
        if len(pool.hashes) >= pool.limit:
            assert admit(pool, [7], 0.9) == []
    assert small.use().series == before


DAMAGED = {
    "a pool lacks": lambda state: state.pop("hosts"),
    "a column lacks": lambda state: state["hosts"].pop("last_day"),
    "no order": lambda state: state["hosts"].update(hashes=[2, 1], hosts=[1, 2], last_day=[1, 1]),
    "twice": lambda state: state["hosts"].update(hashes=[1, 1], hosts=[1, 2], last_day=[1, 1]),
    "lengths": lambda state: state["hosts"].update(hashes=[1], hosts=[], last_day=[1]),
    "negative": lambda state: state["hosts"].update(hashes=[-1], hosts=[1], last_day=[1]),
    "too large": lambda state: state["hosts"].update(hashes=[2**64], hosts=[1], last_day=[1]),
    "nested": lambda state: state["hosts"].update(hashes=[[1]], hosts=[[1]], last_day=[[1]]),
    "text": lambda state: state["hosts"].update(hashes=["x"], hosts=[1], last_day=[1]),
    "allowance": lambda state: state["hosts"].update(allowance=None),
    "clock": lambda state: state["hosts"].update(clock="soon"),
    "no clock": lambda state: state["hosts"].update(clock=float("nan")),
    "no allowance": lambda state: state["hosts"].update(allowance=float("nan")),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_state_is_refused_as_a_whole(how):
    state = json.loads(json.dumps(filled().aggregator.budget.export_state()))
    DAMAGED[how](state)
    budget = SeriesBudget(500, 30 * DAY, BAR)
    with pytest.raises((ValueError, KeyError, TypeError)):
        budget.import_state(state)
    assert budget.use().series == 0
