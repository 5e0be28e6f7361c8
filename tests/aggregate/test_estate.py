"""What goes on when the configuration changes: windows, series, hours, exporters; by names."""

from ipaddress import ip_network

import numpy as np
import pytest

from flowsleuth.aggregate.aggregator import Aggregator, Settings
from flowsleuth.aggregate.budget import Pool
from flowsleuth.aggregate.naming import NetworkNames
from flowsleuth.aggregate.stamps import Stamp, Stamps, live_stamp
from flowsleuth.enrich.enricher import Enricher
from flowsleuth.enrich.networks import Networks

from .driving import NETWORKS, Driven, points_of, series
from .test_heavy import at, by_address, minute
from .traffic import NOW, record

OTHERS = (
    ("Red", [ip_network("10.3.0.0/16")]),
    ("Blue", [ip_network("10.2.0.0/16")]),
    ("Green", [ip_network("10.1.0.0/16"), ip_network("2001:db8:1::/48")]),
)


def renamed(driven, networks, stamp, settings=None):
    """Go on under other networks; what was written of the old ones."""
    former = driven.aggregator
    names = NetworkNames([name for name, _ in networks])
    driven.enricher = Enricher(Networks(networks), driven.services)
    driven.aggregator = Aggregator(
        settings or former.settings, names, former._tables._streams, driven.services
    )
    tables, estate = former.hand_over(stamp)
    driven.aggregator.inherit(estate)
    return points_of(tables)


def test_places_are_found_by_name():
    former, now = (NetworkNames([name for name, _ in of]) for of in (NETWORKS, OTHERS))
    green, blue, nowhere = range(4), range(4, 8), range(8, 12)
    assert now.places_of(former).tolist() == [*(8 + i for i in green), *blue, *range(12, 16)]
    gone = former.places_of(now).tolist()
    assert gone == [-1] * 4 + [*blue, *green, *nowhere]


def test_sums_of_windows_follow_their_networks():
    stamps = Stamps()
    stamps._sums = {
        7: (np.array([1, 4, 9]), np.array([[10], [40], [90]])),
        8: (np.array([1]), np.array([[11]])),
    }
    places = np.array([0, -1, 2, 3, 6, 5, 4, 7, 8, 1])
    stamps.renumber(places)
    assert list(stamps._sums) == [7]
    assert [column.tolist() for column in stamps._sums[7]] == [[1, 6], [[90], [40]]]


def test_a_window_goes_on_with_points_of_their_own_times():
    driven, written = Driven(), []
    for number in range(3):
        driven.add([record(), record(src="10.2.0.1"), record(src="192.0.2.7", dst="192.0.2.8")])
        networks = (OTHERS, NETWORKS)[number % 2]
        written += renamed(driven, networks, live_stamp(NOW + number * 10**9, 0, 0))
    driven.add([record()])
    written += driven.flush(stamp=live_stamp(NOW + 9 * 10**9, 0, 0))
    assert len({series(point) for point in written}) == len(written)
    sums = {}
    for point in written:
        if point["measurement"] == "traffic":
            name = point["tags"]["network"]
            sums[name] = sums.get(name, 0) + point["bytes"]
    assert sums == {
        "Green": 4 * record()["bytes"],
        "Blue": 3 * record()["bytes"],
        "unassigned": 3 * record()["bytes"],
    }


def test_an_hour_goes_on_with_its_minutes():
    driven = Driven()
    stamp = Stamp(late=5, step=1)
    driven.add([at(0, bytes=1000), at(0, bytes=900, src="10.2.0.1")])
    assert by_address(renamed(driven, OTHERS[1:], stamp)) == {}
    driven.add([at(5, bytes=700)])
    renamed(driven, OTHERS[:1] + OTHERS[2:], stamp)  # without Blue
    driven.add([at(50, bytes=1)])
    assert by_address(driven.flush(minute(61), stamp)) == {"10.1.0.1": 1701}


def test_counters_stamps_and_series_are_the_same_ones():
    driven = Driven()
    former = driven.aggregator
    former.early_stamp = stamp = lambda: Stamp(late=7)
    former.counters.written_early = 3
    driven.add([record()])
    renamed(driven, OTHERS, Stamp(late=1))
    assert driven.aggregator.counters.written_early == 3
    assert driven.aggregator.early_stamp is stamp
    assert driven.aggregator.use().series == former.use().series > 0
    assert former.held == 0


def test_what_was_written_early_is_handed_over():
    driven = Driven(Settings(capacity=2))
    driven.aggregator._store._merge_at = 2
    driven.add([record(src=f"10.1.0.{i}", start_ns=NOW, end_ns=NOW) for i in range(1, 9)])
    points = renamed(driven, OTHERS, Stamp(late=1, step=1))
    assert driven.aggregator.take_early() == []
    assert sum(p["bytes"] for p in points if p["measurement"] == "traffic") == 8 * record()["bytes"]


@pytest.mark.parametrize(("limit", "allowance"), [(1000, 7), (1400, 107), (600, 7), (4, 4)])
def test_a_pool_takes_over_the_series_of_another(limit, allowance):
    former, pool = Pool(1000, 30, 0.01), Pool(limit, 30, 0.02)
    keys = np.arange(1, 11, dtype=np.uint64) << np.uint64(44)
    times = np.full(10, NOW)
    former.advance(NOW)
    assert former.admit(keys, np.ones(10), times, keys).all()
    former.allowance = 7.0
    pool.inherit(former)
    assert pool.allowance == allowance
    assert pool.admit(keys, np.zeros(10), times).all()
    assert pool.known.maybe(keys).all()
    assert pool.clock == NOW
