"""Rules 4 to 6: what several pairs share is the service; late flows are judged as the others."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.aggregate import service_port
from flowsleuth.aggregate.aggregator import Settings
from flowsleuth.aggregate.fold import Limits
from flowsleuth.aggregate.service_port import PortCounts
from flowsleuth.enrich.enricher import Enricher
from flowsleuth.enrich.networks import Networks
from flowsleuth.enrich.services import Services

from .driving import Driven
from .reference import service_ports
from .traffic import NOW, SECOND, flows_of, record

WINDOW = 60 * SECOND
SERVICES = Services({})
ENRICHER = Enricher(Networks([]), SERVICES)
KNOWN = {
    (port, protocol)
    for port in range(1024, 65536)
    for protocol in (6, 17)
    if SERVICES.name(port, protocol)
}


def records_of(records):
    enriched, _ = ENRICHER.enrich(flows_of(records), {})
    return enriched


def decided(counts, *parts):
    """Decide parts (lists of records of one family each) together; return their ports."""
    columns = [records_of(part) for part in parts]
    counts.decide(columns, [r.end_ns // WINDOW for r in columns], SERVICES.known_mask)
    return [r.port.tolist() for r in columns]


def pairs_on(port, count, **changes):
    """`count` pairs of hosts, each with an ephemeral port of its own."""
    return [
        record(dst=f"192.0.2.{i}", src_port=50_000 + i, dst_port=port, **changes)
        for i in range(count)
    ]


ENDS4 = ["10.1.0.1", "10.1.0.2", "192.0.2.1"]
ENDS6 = ["2001:db8:1::1", "2001:db8:1::2", "2001:db8:9::1"]
PORT = st.sampled_from([1024, 3306, 5432, 8080, 40000, 50000, 65535])


@st.composite
def undecided(draw, ends):
    drawn = [
        record(
            src=draw(st.sampled_from(ends)),
            dst=draw(st.sampled_from(ends)),
            protocol=draw(st.sampled_from([6, 17])),
            src_port=draw(PORT),
            dst_port=draw(PORT),
            end_ns=NOW - draw(st.sampled_from([0, 60, 120, 90_000])) * SECOND,
        )
        for _ in range(draw(st.integers(0, 12)))
    ]
    return [{**r, "dst_port": 50001} if r["src_port"] == r["dst_port"] else r for r in drawn]


@settings(max_examples=20)
@given(undecided(ENDS4), undecided(ENDS6))
def test_both_families_many_windows(four, six):
    parts = [part for part in (four, six) if part]
    if parts:
        got = [port for ports in decided(PortCounts(), *parts) for port in ports]
        together = four + six
        age = 26 * 3600 * SECOND
        assert got == service_ports(together, {}, KNOWN, WINDOW, age)


def test_a_late_flow_is_judged_by_what_its_window_had():
    counts = PortCounts()
    assert decided(counts, pairs_on(40_000, 5)) == [[40_000] * 5]
    lone = record(src_port=33_333, dst_port=40_000)
    assert decided(counts, [lone]) == [[40_000]]
    assert decided(PortCounts(), [lone]) == [[33_333]]


def test_other_windows_and_protocols_do_not_tell():
    counts = PortCounts()
    decided(counts, pairs_on(40_000, 5))
    other_window = record(src_port=33_333, dst_port=40_000, end_ns=NOW - 300 * SECOND)
    assert decided(counts, [other_window]) == [[33_333]]
    assert decided(counts, [record(src_port=33_333, dst_port=40_000, protocol=17)]) == [[33_333]]


def test_late_pairs_add_to_what_is_remembered():
    counts = PortCounts()
    decided(counts, pairs_on(40_000, 3))
    decided(counts, pairs_on(33_333, 2))
    assert decided(counts, [record(src_port=33_333, dst_port=40_000)]) == [[40_000]]
    decided(counts, pairs_on(33_333, 9))
    assert decided(counts, [record(src_port=33_333, dst_port=40_000)]) == [[33_333]]


def test_what_is_remembered_is_bounded_and_the_most_shared_stay(monkeypatch):
    monkeypatch.setattr(service_port, "MOST_REMEMBERED", 2)
    counts = PortCounts()
    decided(counts, pairs_on(40_000, 3) + pairs_on(41_000, 2) + pairs_on(42_000, 5))
    lone = [record(src_port=33_333, dst_port=port) for port in (40_000, 41_000, 42_000)]
    assert decided(counts, lone) == [[40_000, 33_333, 42_000]]


def test_what_is_forgotten_tells_nothing():
    counts = PortCounts()
    decided(counts, pairs_on(40_000, 5))
    lone = [record(src_port=33_333, dst_port=40_000)]
    counts.forget(NOW // WINDOW - 5)
    assert decided(counts, lone) == [[40_000]]
    counts.forget(NOW // WINDOW + 1)
    assert decided(counts, lone) == [[33_333]]


def ports_of(points):
    return {p["tags"]["port"] for p in points if p["measurement"] == "talkers"}


def test_a_record_waits_for_the_window_of_its_end():
    """Two windows wait together; each gets its ports when it closes, the other one still waits."""
    driven = Driven()
    later = [r | {"end_ns": NOW + 58 * SECOND} for r in pairs_on(41_000, 3)]
    driven.add(pairs_on(40_000, 3) + later)
    assert driven.aggregator.held == 6
    first = NOW // WINDOW
    assert ports_of(driven.flush(first - 1)) == set()
    assert ports_of(driven.flush(first)) == {"40000"}
    assert driven.aggregator.held >= 3
    assert ports_of(driven.flush()) == {"41000"}
    assert driven.aggregator.held == 0


def test_too_many_that_wait_are_decided_early():
    driven = Driven(Settings(waiting=5, limits=Limits(50, 50, 50, 1e-9)))
    driven.add(pairs_on(40_000, 5))
    assert driven.aggregator.held == 5
    driven.add(pairs_on(40_000, 1, src="10.1.0.77"))
    assert driven.aggregator.held == 6
    assert driven.aggregator._waiting_size == 0
    assert ports_of(driven.flush()) == {"40000"}


@pytest.mark.parametrize("port", [1, 1023])
def test_what_the_record_tells_does_not_wait(port):
    driven = Driven()
    driven.add([record(dst_port=port)])
    assert driven.aggregator._waiting_size == 0
    assert ports_of(driven.flush()) == {str(port)}


def test_pairs_count_in_either_direction_once():
    """A conversation seen from both ends is one pair."""
    there = record(src="10.1.0.1", dst="192.0.2.1", src_port=51_234, dst_port=40_000)
    back = record(src="192.0.2.1", dst="10.1.0.1", src_port=40_000, dst_port=51_234)
    other = record(src="10.1.0.2", dst="192.0.2.9", src_port=51_234, dst_port=45_000)
    assert decided(PortCounts(), [there, back]) == [[40_000, 40_000]]
    assert decided(PortCounts(), [there, back, other]) == [[51_234, 51_234, 51_234]]
