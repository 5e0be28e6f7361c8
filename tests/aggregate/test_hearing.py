"""Who is silent, since when, and which networks miss it."""

import json
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.aggregate import hearing as module
from flowsleuth.aggregate.aggregator import FOREVER
from flowsleuth.aggregate.hearing import Hearing
from flowsleuth.aggregate.trust import COUNTERS, Trust

from .driving import NETWORKS, Driven
from .traffic import NOW, SECOND, flows_of, record

WINDOW = 60 * SECOND
FIRST = NOW // WINDOW
START = FIRST * WINDOW
HOUR = 3600 * SECOND
NAMES = [name for name, _ in NETWORKS]


class Site:
    """A Trust that watches from START on, and what its points say."""

    def __init__(self, window_ns=WINDOW, names=NAMES):
        self.window_ns = window_ns
        self.trust = Trust(window_ns, 10, names)
        self.trust.hearing.watch(START)
        self.enricher = Driven().enricher

    def hear(self, stream, *seconds, records=()):
        """Datagrams of a stream, so many seconds after START; records: (src, dst) in the last."""
        received = START + np.array(seconds) * SECOND
        streams = np.full(len(seconds), stream, np.int32)
        self.trust.datagrams(streams, received, received, {})
        if records:
            flows = flows_of(
                [
                    record(src=src, dst=dst, stream=stream, received_ns=int(received[-1]))
                    for src, dst in records
                ]
            )
            self.trust.observe(self.enricher.enrich(flows, {})[0])

    def close(self, windows):
        """Close so many windows after START: {stream: (window, datagrams, silent_s, networks)}."""
        until = START // self.window_ns + windows
        at, streams, sums, observed = self.trust.take_before(until)
        rows = zip(
            (at - START // self.window_ns).tolist(),
            streams.tolist(),
            sums[:, COUNTERS.index("datagrams")].tolist(),
            observed.silent_s.tolist(),
            observed.networks,
            strict=True,
        )
        return {(window, stream): rest for window, stream, *rest in rows}


def test_a_stream_that_falls_silent_keeps_a_point_in_each_window():
    site = Site()
    site.hear(1, 5, 20)
    site.hear(2, 30, 119)
    assert site.close(1) == {(0, 1): [2, 40.0, "[]"], (0, 2): [1, 30.0, "[]"]}
    assert site.close(2) == {(1, 1): [0, 100.0, ""], (1, 2): [1, 1.0, ""]}
    assert site.close(3) == {(2, 1): [0, 160.0, ""], (2, 2): [0, 61.0, ""]}
    site.hear(1, 185)
    assert site.close(4) == {(3, 1): [1, 55.0, ""], (3, 2): [0, 121.0, ""]}


def test_gauges_of_the_silent_are_not_known():
    site = Site()
    site.hear(1, 5)
    site.close(1)
    windows, _, sums, observed = site.trust.take_before(FIRST + 2)
    assert (windows.tolist(), observed.heard, sums.any()) == ([FIRST + 1], 0, False)
    for gauge in ("clock_skew_ms", "export_lag_s", "active_timeout_s", "duplicate_share"):
        assert np.isnan(getattr(observed, gauge)).all()


def test_windows_that_close_together_have_one_point_of_the_silent():
    """Where the daemon was held up: the gauges of a hundred windows would all say the same."""
    site = Site()
    site.hear(1, 5, 65)
    site.hear(2, 10)
    found = site.close(100)
    assert {spot: row[1] for spot, row in found.items()} == {
        (0, 1): 55.0,
        (1, 1): 55.0,
        (0, 2): 50.0,
        (99, 1): 5935.0,
        (99, 2): 5990.0,
    }


def test_who_has_been_silent_for_a_day_is_forgotten():
    site = Site()
    site.hear(1, 30)
    site.close(1)
    assert list(site.close(1440)) == [(1439, 1)]
    assert site.close(1441) == {}
    site.hear(1, 1441 * 60)
    assert list(site.close(1442)) == [(1441, 1)]


def test_strangers_beyond_the_limit_are_not_watched():
    site = Site()
    site.hear(0, 5, records=[("10.1.0.1", "192.0.2.1")])
    ((spot, (datagrams, silent_s, networks)),) = site.close(1).items()
    assert (spot, datagrams, networks) == ((0, 0), 1, "")
    assert np.isnan(silent_s)
    assert site.close(2) == {}


def test_files_watch_nobody():
    trust = Trust(WINDOW, 10, NAMES)
    at = np.array([START])
    trust.datagrams(np.array([1], np.int32), at, at, {})
    _, _, _, observed = trust.take_before(FIRST + 1)
    assert np.isnan(observed.silent_s).all()
    assert observed.networks == [""]
    assert len(trust.take_before(FIRST + 2)[0]) == 0


def test_the_end_of_all_is_nobodys_silence():
    site = Site()
    site.hear(1, 5)
    site.close(1)
    site.hear(2, 70)
    found = site.trust.take_before(FOREVER)
    assert found[1].tolist() == [2]
    assert sorted(site.trust.hearing._streams) == [1, 2]


GREEN, BLUE, OUTSIDE = "10.1.0.1", "10.2.0.1", "192.0.2.1"


def test_networks_are_those_of_either_end():
    site = Site()
    site.hear(1, 5, records=[(GREEN, OUTSIDE), (OUTSIDE, BLUE)])
    site.hear(2, 5, records=[(OUTSIDE, OUTSIDE), ("2001:db8:1::1", "2001:db8:9::1")])
    site.hear(3, 5, records=[(BLUE, GREEN)])
    site.hear(4, 5, records=[(OUTSIDE, OUTSIDE)])
    assert {stream: json.loads(row[2]) for (_, stream), row in site.close(1).items()} == {
        1: ["Blue", "Green"],
        2: ["Green", "unassigned"],
        3: ["Blue", "Green"],
        4: ["unassigned"],
    }


def test_networks_are_told_when_they_change_and_every_five_minutes():
    site = Site()
    told = {}
    for minute in range(14):
        ends = [(GREEN, OUTSIDE)] if minute != 8 else [(BLUE, OUTSIDE)]
        site.hear(1, 60 * minute + 1, records=ends)
        told[minute] = site.close(minute + 1)[minute, 1][2]
    green, both = '["Green"]', '["Blue", "Green"]'
    assert {minute: text for minute, text in told.items() if text} == {
        0: green,
        5: green,
        8: both,
        13: both,
    }


def test_the_silent_keep_their_networks_and_others_lose_what_they_no_longer_touch():
    site = Site()
    for stream in (1, 2):
        site.hear(stream, 5, records=[(GREEN, OUTSIDE), (BLUE, OUTSIDE)])
    site.close(1)
    texts = defaultdict(list)
    for minute in range(1, 70):
        site.hear(2, 60 * minute + 5, records=[(BLUE, OUTSIDE)])
        for (_, stream), (_, _, text) in site.close(minute + 1).items():
            texts[stream] += [text] * bool(text)
    assert set(texts[1]) == {'["Blue", "Green"]'}
    assert texts[2][0] == '["Blue", "Green"]'
    assert texts[2][-1] == '["Blue"]'


def test_what_is_touched_before_the_first_window_closes_counts():
    site = Site()
    site.hear(1, 61, records=[(GREEN, OUTSIDE)])
    assert site.close(1) == {}
    assert site.close(2)[1, 1][2] == '["Green"]'


def test_a_list_without_end_says_all(monkeypatch):
    monkeypatch.setattr(module, "MOST_NETWORKS", 1)
    site = Site()
    site.hear(1, 5, records=[(GREEN, BLUE)])
    assert site.close(1)[0, 1][2] == '["all"]'


def test_names_are_json():
    site = Site(names=['Gr"ün, 1', "Blue"])
    site.hear(1, 5, records=[(GREEN, OUTSIDE)])
    assert json.loads(site.close(1)[0, 1][2]) == ['Gr"ün, 1']


@settings(max_examples=15)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from([GREEN, BLUE, OUTSIDE])), max_size=30),
    st.booleans(),
)
def test_the_touched_are_the_same_however_they_are_kept(pairs, few):
    """Places that wait for the flush are put together when they become many."""
    site = Site()
    expected = defaultdict(set)
    before = module._MANY
    module._MANY = 1 if few else before
    try:
        for stream, end in pairs:
            site.hear(stream, 5, records=[(end, OUTSIDE)])
            expected[stream].add({GREEN: "Green", BLUE: "Blue", OUTSIDE: "unassigned"}[end])
    finally:
        module._MANY = before
    found = {stream: set(json.loads(row[2])) for (_, stream), row in site.close(1).items()}
    assert found == expected


def test_a_restart_neither_hides_a_silence_nor_makes_one_up():
    old = Site()
    old.hear(1, 5, records=[(GREEN, OUTSIDE)])
    old.hear(2, 5, 110, records=[(BLUE, OUTSIDE)])
    old.close(2)
    kept = json.loads(json.dumps(old.trust.hearing.export_state()))

    new = Trust(WINDOW, 10, ["Blue"])  # Green is gone
    new.hearing.import_state([tuple(stream) for stream in kept])
    new.hearing.watch(START + 10 * HOUR)
    _, streams, _, observed = new.take_before((START + 10 * HOUR) // WINDOW + 1)
    assert streams.tolist() == [1, 2]
    assert observed.silent_s.tolist() == [115.0 + 60, 10.0 + 60]
    assert observed.networks == ["[]", '["Blue"]']


def test_a_clock_that_goes_back_makes_nobody_speak_in_the_future():
    hearing = Hearing(NAMES, WINDOW)
    hearing.import_state([(1, 10**18, {})])
    hearing.watch(START)
    hearing.watch(START - HOUR)
    (stream,), silences = hearing.take_before(FIRST - 30, np.zeros(0, int), np.zeros(0, int))
    assert (stream, silences.silent_s.tolist()) == (1, [0.0])


def test_other_networks_have_other_numbers():
    site = Site()
    site.hear(1, 5, records=[(GREEN, OUTSIDE), (BLUE, OUTSIDE), (OUTSIDE, OUTSIDE)])
    site.close(1)
    site.trust.hearing.rename(["Red", "Blue"])
    site.hear(1, 65)
    assert json.loads(site.close(2)[1, 1][2]) == ["Blue", "unassigned"]


@pytest.mark.parametrize("networks", [1, 3000])
def test_many_networks_cost_memory_only_where_they_are_seen(networks):
    names = ["Green", "Blue", *(f"n{i}" for i in range(networks))]
    site = Site(names=names)
    site.hear(60_000, 5, records=[(GREEN, OUTSIDE)])
    assert json.loads(site.close(1)[0, 60_000][2]) == ["Green"]
