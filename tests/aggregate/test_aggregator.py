"""The whole room against the reference: sums to the byte, ports by the rules, no point twice."""

from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowsleuth.aggregate.aggregator import Settings
from flowsleuth.aggregate.fold import Limits
from flowsleuth.aggregate.stamps import Stamp, file_stamp, live_stamp
from flowsleuth.protocols import NAMES

from .driving import CONFIGURED, Driven, network_of, series, totals_of
from .reference import service_ports, totals
from .traffic import NOW, SECOND, record

HOUR = 3600 * SECOND

ADDRESSES = ("10.1.0.1", "10.1.0.9", "10.2.0.1", "10.2.0.2", "192.0.2.1", "198.51.100.7")
SIX = ("2001:db8:1::1", "2001:db8:1::2", "2001:db8:9::1")
PORT_NUMBERS = (0, 22, 53, 443, 1023, 1024, 3306, 5000, 14857, 40000, 50000, 65535)
PORTS = st.sampled_from(PORT_NUMBERS)


@st.composite
def records(draw, most=25):
    """Draw records with honest and dishonest clocks."""
    drawn = []
    for _ in range(draw(st.integers(0, most))):
        ends = draw(st.sampled_from([ADDRESSES, ADDRESSES, SIX, ADDRESSES + SIX]))
        received = NOW + draw(st.integers(0, 300)) * SECOND
        end = received - draw(st.integers(-90, 26 * 3600)) * draw(st.sampled_from([1, SECOND]))
        drawn.append(
            record(
                src=draw(st.sampled_from(ends)),
                dst=draw(st.sampled_from(ends)),
                protocol=draw(st.sampled_from([1, 6, 17, 58])),
                src_port=draw(PORTS),
                dst_port=draw(PORTS),
                bytes=draw(st.integers(0, 2**40)),
                packets=draw(st.integers(0, 2**20)),
                start_ns=end - draw(st.integers(-10, 400)) * SECOND,
                end_ns=end,
                received_ns=received,
                export_ns=received - draw(st.sampled_from([0, 1, 119, 8 * 3600, -7200])) * SECOND,
                tcp_flags=draw(st.sampled_from([0, 2, 18, 16])),
                in_if=draw(st.integers(0, 2)),
                out_if=draw(st.integers(0, 5000)),
                stream=draw(st.integers(0, 2)),
            )
        )
    return drawn


WINDOWS = st.sampled_from([SECOND, 10 * SECOND, 60 * SECOND, HOUR])


def settings_for(window_ns, **changes):
    accepted = 2 * HOUR if window_ns < 10 * SECOND else 25 * HOUR
    return Settings(window_ns=window_ns, accepted_age_ns=accepted, **changes)


def expected_totals(drawn, given_settings):
    sums = totals(drawn, network_of, given_settings.window_ns, given_settings.accepted_age_ns)
    return {
        (window, network, direction, NAMES[protocol]): tuple(entry[:3])
        for (window, network, direction, protocol), entry in sums.items()
        if any(entry[:3])
    }


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(records(), WINDOWS, st.data())
def test_traffic_equals_the_reference_and_talkers_equal_traffic(drawn, window_ns, data):
    given_settings = settings_for(
        window_ns, limits=Limits(2, 2, 2, data.draw(st.sampled_from([0.01, 0.3])))
    )
    driven = Driven(given_settings)
    points = []
    rest = list(drawn)
    flushes = 0
    while rest:
        count = data.draw(st.integers(1, len(rest)))
        driven.add(rest[:count])
        rest = rest[count:]
        if data.draw(st.booleans()):
            until = (NOW - data.draw(st.integers(-400, 90_000)) * SECOND) // window_ns
            flushes += 1
            points += driven.flush(until, live_stamp(NOW + flushes * 10**6, 0, -(2**62)))
    points += driven.flush(stamp=live_stamp(NOW + 10**9, 0, -(2**62)))
    assert totals_of(points, "traffic", window_ns) == expected_totals(drawn, given_settings)
    assert totals_of(points, "talkers", window_ns) == totals_of(points, "traffic", window_ns)
    twice = [what for what, count in Counter(map(series, points)).items() if count > 1]
    assert not twice


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(records(most=12))
def test_redated_bytes_equal_the_reference(drawn):
    given_settings = settings_for(60 * SECOND)
    driven = Driven(given_settings)
    driven.add(drawn)
    got = defaultdict(int)
    for point in driven.flush():
        if point["measurement"] == "traffic":
            tags = point["tags"]
            key = (point["time"] // (60 * SECOND), tags["network"], tags["direction"])
            got[(*key, tags["protocol"])] += point["redated_bytes"]
    expected = totals(drawn, network_of, 60 * SECOND, given_settings.accepted_age_ns)
    assert {k: v for k, v in got.items() if v} == {
        (*key[:3], NAMES[key[3]]): entry[3] for key, entry in expected.items() if entry[3]
    }


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(records())
def test_service_ports_follow_the_rules(drawn):
    given_settings = settings_for(60 * SECOND, limits=Limits(100, 100, 100, 1e-12), budget=10**6)
    driven = Driven(given_settings)
    driven.add(drawn)
    known = {
        (port, protocol)
        for port in PORT_NUMBERS
        for protocol in (6, 17)
        if driven.services.name(port, protocol)
    }
    ports = service_ports(
        drawn, CONFIGURED, known, given_settings.window_ns, given_settings.accepted_age_ns
    )
    got = {
        (p["tags"]["protocol"], p["tags"]["port"])
        for p in driven.flush()
        if p["measurement"] == "talkers" and p["tags"]["port"] != "other"
    }
    assert got <= {(NAMES[r["protocol"]], str(p)) for r, p in zip(drawn, ports, strict=True)}
    assert len(got) >= min(1, sum(r["bytes"] for r in drawn))


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(records(most=15), st.data())
def test_points_of_a_file_do_not_depend_on_batches(drawn, data):
    """Flushed only at the end, whatever the order of adding within the capture's batches."""
    cut = data.draw(st.integers(0, len(drawn)))
    whole, parts = Driven(), Driven()
    whole.add(drawn)
    parts.add(drawn[:cut])
    parts.add(drawn[cut:])
    stamp = file_stamp(7)

    def comparable(points):
        return sorted(map(str, (p for p in points if p["measurement"] != "exporters")))

    assert comparable(whole.flush(stamp=stamp)) == comparable(parts.flush(stamp=stamp))


def test_the_story():
    """One host of Green carries the window: it is named, with port and peers."""
    driven = Driven()
    normal = [
        record(src="10.1.0.2", dst=f"192.0.2.{i}", dst_port=443, bytes=10_000) for i in range(50)
    ]
    culprit = [
        record(
            src="10.1.0.9",
            dst=f"198.51.100.{i}",
            protocol=17,
            src_port=40000 + i,
            dst_port=14857,
            bytes=10**9,
            packets=10**6,
        )
        for i in range(3)
    ]
    driven.add(normal + culprit)
    points = driven.flush()
    talkers = [p for p in points if p["measurement"] == "talkers"]
    first = max(talkers, key=lambda p: p["bytes"])
    assert first["tags"] == {
        "network": "Green",
        "direction": "out",
        "protocol": "udp",
        "address": "10.1.0.9",
        "port": "14857",
    }
    assert (first["bytes"], first["flows"], first["peers"]) == (3 * 10**9, 3, 3)
    host = max((p for p in points if p["measurement"] == "hosts"), key=lambda p: p["bytes"])
    assert host["tags"]["host"] == "printer"
    assert (host["peers"], host["ports"]) == (3, 1)
    heavy = [p for p in points if p["measurement"] == "heavy"]
    assert [p["tags"]["address"] for p in heavy] == ["10.1.0.9"]
    assert sum(p["bytes"] for p in points if p["measurement"] == "profiles") == sum(
        r["bytes"] for r in normal + culprit
    )


def test_a_flow_between_two_networks_is_out_of_one_and_into_the_other():
    driven = Driven()
    driven.add([record(src="10.1.0.1", dst="10.2.0.1", dst_port=22, bytes=77)])
    points = driven.flush()
    found = {
        (p["tags"]["network"], p["tags"]["direction"], p["tags"]["address"], p["bytes"])
        for p in points
        if p["measurement"] == "talkers"
    }
    assert found == {("Green", "out", "10.1.0.1", 77), ("Blue", "in", "10.2.0.1", 77)}
    profiles = [p for p in points if p["measurement"] == "profiles"]
    assert [(p["tags"]["direction"], p["bytes"]) for p in profiles] == [("internal", 77)]


def test_what_is_small_folds_step_by_step():
    """A heavy address keeps its small ports together, a heavy port its small addresses."""
    limits = Limits(by_bytes=1, by_packets=1, by_peers=1, share=0.01)
    driven = Driven(Settings(limits=limits))
    heavy_host = [record(src="10.1.0.1", dst_port=port, bytes=1000) for port in range(100, 200)]
    heavy_port = [record(src=f"10.1.1.{i}", dst_port=443, bytes=900) for i in range(50)]
    dust = [record(src=f"10.1.2.{i}", dst_port=500 + i, bytes=1) for i in range(20)]
    driven.add([record(src="10.1.0.77", dst_port=80, bytes=10**5, packets=10**4)])
    driven.add(heavy_host + heavy_port + dust)
    talkers = [p for p in driven.flush() if p["measurement"] == "talkers"]
    by_key = {(p["tags"]["address"], p["tags"]["port"]): p["bytes"] for p in talkers}
    assert by_key == {
        ("10.1.0.77", "80"): 10**5,
        ("10.1.0.1", "other"): 100_000,
        ("other", "443"): 45_000,
        ("other", "other"): 20,
    }


def test_late_bytes_of_a_key_with_a_series_stay_with_it():
    driven = Driven()
    stamp = [live_stamp(NOW + i * 10**6, 0, -(2**62)) for i in range(2)]
    driven.add([record(bytes=10**6)])
    first = driven.flush(NOW // (60 * SECOND) + 1, stamp[0])
    driven.add([record(bytes=10, src="10.1.0.1")])
    second = driven.flush(NOW // (60 * SECOND) + 1, stamp[1])
    keys = [
        [(p["tags"]["address"], p["tags"]["port"]) for p in points if p["measurement"] == "talkers"]
        for points in (first, second)
    ]
    assert keys == [[("10.1.0.1", "443")]] * 2
    assert {p["time"] % (60 * SECOND) for p in first} == {0}
    assert all(0 < p["time"] % (60 * SECOND) < SECOND for p in second)
    assert driven.aggregator.counters.late_points == sum(
        p["measurement"] != "heavy" for p in second
    )


def test_a_window_that_began_before_the_process_is_stamped_as_late():
    driven = Driven()
    driven.add([record()])
    born = NOW // (60 * SECOND) + 1
    points = driven.flush(stamp=live_stamp(NOW, 0, born))
    assert all(
        0 < p["time"] % (60 * SECOND) < SECOND for p in points if p["measurement"] != "heavy"
    )


def test_one_long_record_makes_no_thousand_talkers():
    """26 h and 40 GB, exported at its end, beside busy windows."""
    driven = Driven(Settings())
    busy = [
        record(
            src=f"10.1.0.{1 + i % 5}",
            bytes=10**9,
            start_ns=NOW - k * HOUR,
            end_ns=NOW - k * HOUR,
            received_ns=NOW - k * HOUR,
            export_ns=NOW - k * HOUR,
        )
        for k in range(20)
        for i in range(5)
    ]
    driven.add(busy)
    driven.add([record(src="10.1.9.9", bytes=10**9, start_ns=NOW - 26 * HOUR, end_ns=NOW - SECOND)])
    points = driven.flush()
    long = [
        p for p in points if p["measurement"] == "talkers" and p["tags"]["address"] == "10.1.9.9"
    ]
    alone = [p for p in points if p["measurement"] == "traffic" and p["bytes"] < 10**8]
    busy_windows = {
        p["time"] for p in points if p["measurement"] == "traffic" and p["bytes"] >= 10**9
    }
    assert not {p["time"] for p in long} & {t for t in busy_windows if t < NOW - 2 * HOUR}
    assert len(alone) > 1400


@pytest.mark.parametrize("worker", [0, 3])
def test_stamps_of_workers_and_flushes_never_meet(worker):
    stamps = {live_stamp(NOW + i * 10**6, w, 0).late for i in range(500) for w in range(8)}
    assert len(stamps) == 4000
    assert max(stamps) < SECOND
    assert live_stamp(NOW, worker, 0).first == worker


def test_files_with_different_beginnings_have_different_stamps():
    assert file_stamp(1).first != file_stamp(2).first
    assert Stamp().first == 0


def test_a_network_is_tagged_with_its_labels():
    driven = Driven(labels=[{"site": "hq"}, {}])
    driven.add([record(src="10.1.0.1", dst="10.2.0.1")])
    tagged = {
        p["tags"]["network"]: p["tags"].get("site")
        for p in driven.flush()
        if p["measurement"] == "traffic"
    }
    assert tagged == {"Green": "hq", "Blue": None}


def test_nothing_in_gives_nothing_out():
    assert Driven().flush() == []
