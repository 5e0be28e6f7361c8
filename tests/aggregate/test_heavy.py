"""`heavy`: the hour's few, and what comes late for them."""

from collections import defaultdict

import pytest

from flowsleuth.aggregate.aggregator import Settings
from flowsleuth.aggregate.stamps import Stamp, live_stamp

from .driving import Driven, series
from .traffic import NOW, SECOND, record

HOUR = 3600 * SECOND
START = NOW // HOUR * HOUR
WINDOWS = HOUR // (60 * SECOND)


def at(minute, **changes):
    """A record that lies in one minute after START."""
    times = ("start_ns", "end_ns", "received_ns", "export_ns")
    return record(**dict.fromkeys(times, START + minute * 60 * SECOND), **changes)


def minute(number):
    """The number of the window of this minute after START."""
    return START // (60 * SECOND) + number


def heavy(points):
    return [p for p in points if p["measurement"] == "heavy"]


def by_address(points):
    return {p["tags"]["address"]: p["bytes"] for p in heavy(points)}


def test_an_hour_is_written_when_it_is_over_with_all_its_minutes():
    driven = Driven()
    for number in (0, 30, 59, 60):
        peers = [at(number, dst=f"192.0.2.{i}", bytes=100) for i in range(1 + number % 7)]
        driven.add(peers)
    assert heavy(driven.flush(minute(60) - 1)) == []
    (point,) = heavy(driven.flush(minute(61)))
    assert point["time"] == START
    counted = 1 + (1 + 30 % 7) + (1 + 59 % 7)
    assert (point["bytes"], point["packets"], point["flows"]) == (
        100 * counted,
        10 * counted,
        counted,
    )
    assert point["peers"] == 1 + 59 % 7
    assert point["tags"] == {
        "network": "Green",
        "direction": "out",
        "protocol": "tcp",
        "address": "10.1.0.1",
        "port": "443",
    }
    (next_hour,) = heavy(driven.flush())
    assert next_hour["time"] == START + HOUR


def test_a_tenth_of_the_hour_is_needed():
    driven = Driven()
    driven.add([at(0, src=f"10.1.0.{i}", bytes=size) for i, size in enumerate((700, 110, 100, 89))])
    driven.add([at(1, src="10.1.0.9", bytes=1), at(2, src="10.1.0.3", bytes=0)])
    assert by_address(driven.flush()) == {
        "10.1.0.0": 700,
        "10.1.0.1": 110,
        "10.1.0.2": 100,
    }


def test_the_tenth_is_of_network_and_direction():
    driven = Driven()
    driven.add(
        [
            at(0, src="10.1.0.1", bytes=10**9),
            at(0, src="10.2.0.1", bytes=10),
            at(0, src="192.0.2.1", dst="10.1.0.2", bytes=7),
        ]
    )
    assert by_address(driven.flush()) == {"10.1.0.1": 10**9, "10.2.0.1": 10, "10.1.0.2": 7}


def test_at_most_ten_of_a_network_and_direction(monkeypatch):
    monkeypatch.setattr("flowsleuth.aggregate.heavy.SHARE", 0.01)
    driven = Driven()
    driven.add([at(0, src=f"10.1.0.{i}", bytes=1000 + i) for i in range(15)])
    assert sorted(by_address(driven.flush()).values()) == list(range(1005, 1015))


def test_late_bytes_go_to_keys_that_were_written_and_to_no_other():
    driven = Driven()
    stamps = [live_stamp(NOW + i * 10**6, 0, -(2**62)) for i in range(3)]
    driven.add([at(0, src="10.1.0.1", bytes=1000)])
    points = driven.flush(minute(61), stamps[0])
    driven.add([at(5, src="10.1.0.1", bytes=3), at(5, src="10.1.0.2", bytes=10**6)])
    late = driven.flush(minute(62), stamps[1])
    assert by_address(late) == {"10.1.0.1": 3}
    assert {series(p) for p in heavy(points)}.isdisjoint(series(p) for p in heavy(late))
    assert all(0 < p["time"] - START < SECOND for p in heavy(late))
    driven.add([at(6, src="10.1.0.1", bytes=4)])
    assert by_address(driven.flush(minute(63), stamps[2])) == {"10.1.0.1": 4}


def test_an_hour_that_began_before_the_process_is_stamped_as_late():
    driven = Driven()
    driven.add([at(30), at(70)])
    points = heavy(driven.flush(stamp=live_stamp(NOW, 0, minute(20))))
    assert [0 < p["time"] - START < SECOND for p in sorted(points, key=series)] == [True, False]


def test_long_ago_hours_are_forgotten():
    driven = Driven(Settings(accepted_age_ns=2 * HOUR))
    for hour in range(12):
        driven.add([at(60 * hour)])
        driven.flush(minute(60 * (hour + 1) + 1))
    hours = driven.aggregator._heavy
    assert len(hours._totals) <= 5
    assert len(hours._written) <= 5
    assert len(hours._stamps._written) <= 6


@pytest.mark.parametrize("window_s", [1, 60, 3600])
def test_whatever_the_window_hours_are_hours(window_s):
    driven = Driven(Settings(window_ns=window_s * SECOND, accepted_age_ns=25 * HOUR))
    driven.add([at(0, bytes=1), at(59, bytes=2), at(60, bytes=4), at(119, bytes=8)])
    sums = defaultdict(int)
    for p in heavy(driven.flush(stamp=Stamp())):
        sums[p["time"]] += p["bytes"]
    assert sums == {START: 3, START + HOUR: 12}
