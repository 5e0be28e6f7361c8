"""Profiles: each record once for each filter that it matches, whatever combination of them."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowsleuth.aggregate.aggregator import Settings
from flowsleuth.aggregate.grouping import Weights
from flowsleuth.aggregate.profiles import PLACES, Combinations, ProfileTotals
from flowsleuth.aggregate.spread import spread
from flowsleuth.protocols import NAMES

from .driving import Driven, network_of
from .reference import cells, judged_times
from .traffic import NOW, SECOND, record

ADDRESSES = ("10.1.0.1", "10.2.0.1", "192.0.2.1", "2001:db8:1::1", "2001:db8:9::1")


class Above:
    """A filter: a port above `port`, and more than `least` bytes."""

    def __init__(self, port, least):
        self.port, self.least = port, least

    def matches(self, seen):
        return (seen.dst_port > self.port) & (seen.bytes > self.least)

    def matches_one(self, one):
        return one["dst_port"] > self.port and one["bytes"] > self.least


@st.composite
def traffic(draw):
    return [
        record(
            src=draw(st.sampled_from(ADDRESSES)),
            dst=draw(st.sampled_from(ADDRESSES)),
            protocol=draw(st.sampled_from((1, 6, 17, 200))),
            dst_port=draw(st.integers(1, 100)),
            src_port=draw(st.sampled_from((50, 40_000))),
            bytes=draw(st.integers(0, 1000)),
            start_ns=NOW - draw(st.integers(0, 400)) * SECOND,
            end_ns=NOW - draw(st.integers(0, 300)) * SECOND,
        )
        for _ in range(draw(st.integers(1, 20)))
    ]


def direction(one):
    inside = network_of(one["src"]) is not None, network_of(one["dst"]) is not None
    return {
        (True, True): "internal",
        (True, False): "out",
        (False, True): "in",
        (False, False): "transit",
    }[inside]


def expected(records, filters, window_ns, accepted_ns):
    """{(window, profile, direction, protocol): [bytes, packets, flows]} by plain loops."""
    sums = defaultdict(lambda: [0, 0, 0])
    for one in records:
        start, end, _ = judged_times(one, accepted_ns)
        names = ["all"] + [name for name, f in filters.items() if f.matches_one(one)]
        for window, *counts in cells(start, end, one["bytes"], one["packets"], window_ns):
            for name in names:
                entry = sums[window, name, direction(one), NAMES[one["protocol"]]]
                for i, count in enumerate(counts):
                    entry[i] += count
    return {key: value for key, value in sums.items() if any(value)}


def counted(points, window_ns):
    sums = defaultdict(lambda: [0, 0, 0])
    for point in points:
        if point["measurement"] == "profiles":
            tags = point["tags"]
            place = (tags["profile"], tags["direction"], tags["protocol"])
            for i, name in enumerate(("bytes", "packets", "flows")):
                sums[point["time"] // window_ns, *place][i] += point[name]
    return dict(sums)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(traffic(), st.integers(0, 70), st.data())
def test_totals_equal_plain_loops(drawn, count, data):
    """Any number of profiles (70 need two words of bits), early and late flushes."""
    filters = {
        f"p{i}": Above(data.draw(st.integers(0, 100)), data.draw(st.integers(0, 1000)))
        for i in range(count)
    }
    told = Settings(profiles=tuple(filters))
    driven = Driven(told, profiles=list(filters.values()))
    cut = data.draw(st.integers(0, len(drawn)))
    driven.add(drawn[:cut])
    points = driven.flush((NOW - 60 * SECOND) // told.window_ns)
    driven.add(drawn[cut:])
    points += driven.flush()
    assert counted(points, told.window_ns) == expected(
        drawn, filters, told.window_ns, told.accepted_age_ns
    )


def test_points_of_a_profile_with_a_limit_carry_it():
    filters = {"some": Above(0, 0), "others": Above(0, 0)}
    told = Settings(profiles=tuple(filters), profile_limits={"others": 125.0})
    driven = Driven(told, profiles=list(filters.values()))
    driven.add([record()])
    points = [p for p in driven.flush() if p["measurement"] == "profiles"]
    limits = {p["tags"]["profile"]: p["bytes_limit"] for p in points}
    unknown = pytest.approx(np.nan, nan_ok=True)
    assert limits == {"all": unknown, "some": unknown, "others": 125.0}


def records_with(bits):
    """Records which differ in their bits alone, uint8 (n, k)."""
    driven = Driven()
    from .traffic import flows_of

    enriched, _ = driven.enricher.enrich(flows_of([record(dst_port=80)] * len(bits)), {})
    return replace(enriched, profiles=bits)


@pytest.mark.parametrize("most", [1, 5, 10_000])
def test_more_combinations_than_are_known_at_once_lose_nothing(most):
    bits = np.random.default_rng(1).integers(0, 256, (600, 3), dtype=np.uint8)
    totals = ProfileTotals([f"p{i}" for i in range(20)], most)
    for part in np.array_split(bits, 7):
        records = records_with(part)
        made = spread(records.start_ns, records.end_ns, records.bytes, records.packets, 60 * SECOND)
        totals.add(records, made, Weights.beside(made.bytes, made.packets, made.flows))
        assert len(totals._known) <= max(most, len(part))
    _, codes, sums = totals.take_before(2**62)
    flows = {code // PLACES: int(row[2]) for code, row in zip(codes, sums, strict=True)}
    matching = np.unpackbits(bits, axis=1)[:, :20].sum(axis=0)
    assert flows == {0: 600} | {i + 1: int(n) for i, n in enumerate(matching)}


@settings(max_examples=30)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2)), min_size=1), min_size=1))
def test_equal_rows_have_one_number_and_others_another(parts):
    known = Combinations(2)
    seen = {}
    for part in parts:
        columns = np.array(part, np.int64).T
        for row, number in zip(part, known.numbers(list(columns)).tolist(), strict=True):
            assert seen.setdefault(row, number) == number
            assert tuple(known.table[number]) == row
    assert sorted(seen.values()) == list(range(len(known)))


def test_rows_that_share_a_slot_are_told_apart(monkeypatch):
    monkeypatch.setattr(
        "flowsleuth.aggregate.profiles.hash_rows", lambda columns: np.zeros(3, np.uint64)
    )
    known = Combinations(1)
    for _ in range(2):
        assert known.numbers([np.array([7, 8, 7])]).tolist() == [0, 1, 0]
