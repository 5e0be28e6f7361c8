"""Enriching against the rules written once more in plain Python, record by record."""

from ipaddress import ip_address, ip_network

import numpy as np
import pytest
from aggregate.traffic import NOW, flows_of, record
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.decode.flows import (
    MAPPED_PREFIX,
    RATE_ASSUMED,
    RATE_KNOWN,
    RATE_UNKNOWN,
)
from flowsleuth.enrich.counting import IMPLAUSIBLE, Policy
from flowsleuth.enrich.enricher import Enricher, Records
from flowsleuth.enrich.networks import NO_NETWORK, Networks
from flowsleuth.enrich.services import Services

CONFIGURED = {(14857, 17): "acme", (15000, 17): "acme-2", (8443, 6): "web", (80, 6): "web"}
ENRICHER = Enricher(
    Networks(
        [
            ("Green", [ip_network("10.1.0.0/16"), ip_network("2001:db8:1::/48")]),
            ("Blue", [ip_network("10.2.0.0/16")]),
        ]
    ),
    Services(CONFIGURED),
)
GREEN, BLUE = 0, 1

COUNTS = st.one_of(st.integers(0, 2**20), st.integers(2**50, 2**56), st.integers(-(2**62), 2**62))
RATE_PARTS = st.one_of(st.integers(1, 10), st.integers(1, 2**40))


def texts(ends):
    """Write a column of addresses."""
    if ends.ndim == 1:
        return [str(ip_address(int(a))) for a in ends]
    values = [int(high) << 64 | int(low) for high, low in ends]
    plain = [v - MAPPED_PREFIX if v >> 32 == 0xFFFF else v for v in values]
    return [str(ip_address(v)) for v in plain]


def noted_of(noted):
    return {what.counter: what.stream.tolist() for what in noted}


def scaled(count, num, den):
    """floor(count * num / den), None where no exporter can have seen so much."""
    value = count * num // den
    return value if count >= 0 and value < IMPLAUSIBLE else None


@settings(max_examples=100)
@given(st.lists(st.tuples(COUNTS, COUNTS, RATE_PARTS, RATE_PARTS), min_size=1, max_size=6))
def test_counts_are_multiplied_exactly_or_implausible(drawn):
    flows = flows_of([record(stream=i) for i in range(len(drawn))])
    flows.bytes, flows.packets, flows.rate_num, flows.rate_den = (
        np.array(column, np.int64) for column in zip(*drawn, strict=True)
    )
    records, noted = ENRICHER.enrich(flows, {})
    expected = {
        i: (scaled(octets, num, den), scaled(packets, num, den))
        for i, (octets, packets, num, den) in enumerate(drawn)
    }
    good = {i: counts for i, counts in expected.items() if None not in counts}
    got = zip(records.bytes.tolist(), records.packets.tolist(), strict=True)
    assert dict(zip(records.stream.tolist(), got, strict=True)) == good
    assert noted_of(noted)["implausible"] == [i for i in expected if i not in good]


@pytest.mark.parametrize(
    ("octets", "num", "den", "expected"),
    [
        (2**53 - 1, 1, 1, [2**53 - 1]),
        (2**53, 1, 1, []),
        (-1, 1, 1, []),
        (-1, 1000, 1, []),
        (2**43, 1024, 1, []),
        (2**43 - 1, 1024, 1, [2**53 - 1024]),
        (2**43, 1024, 2, [2**52]),
        (1000, 7, 3, [2333]),
        (2**52 + 1, 2**20 + 1, 2**20, [2**52 + 2**32 + 1]),
        (0, 2**60, 1, [0]),
        (2**54 - 1, 1, 2, [2**53 - 1]),
        (2**54, 1, 2, []),
        (2**62, 2**62, 1, []),
    ],
)
def test_bytes_by_rate(octets, num, den, expected):
    flows = flows_of([record(packets=0)])
    flows.bytes[0], flows.rate_num[0], flows.rate_den[0] = octets, num, den
    records, noted = ENRICHER.enrich(flows, {})
    assert records.bytes.tolist() == expected
    assert len(noted_of(noted)["implausible"]) == 1 - len(expected)


def test_flow_counts_are_never_scaled_and_nothing_in_gives_nothing_out():
    flows = flows_of([record()])
    flows.rate_num[:] = 1000
    assert len(ENRICHER.enrich(flows, {})[0]) == 1
    records, noted = ENRICHER.enrich(flows_of([]), {})
    assert len(records) == 0
    assert noted_of(noted) == {"sampling_unknown": [], "implausible": []}


def with_streams(*streams, **columns):
    flows = flows_of([record(bytes=100, packets=2, stream=stream) for stream in streams])
    for name, values in columns.items():
        setattr(flows, name, np.array(values, getattr(flows, name).dtype))
    return flows


def test_the_configuration_s_rate_stands_before_all_others():
    flows = with_streams(
        0, 1, 0, rate_num=[5, 5, 7], rate_den=[1, 1, 2], rate_state=[RATE_KNOWN, RATE_UNKNOWN, 0]
    )
    records, noted = ENRICHER.enrich(flows, {0: Policy(sampling=1000)})
    assert records.bytes.tolist() == [100_000, 500, 100_000]
    assert records.packets.tolist() == [2000, 10, 2000]
    assert noted_of(noted)["sampling_unknown"] == [1]
    assert flows.rate_num.tolist() == [5, 5, 7]


def test_a_configured_rate_answers_an_unknown_one():
    flows = with_streams(0, 1, 2, rate_state=[RATE_UNKNOWN, RATE_UNKNOWN, RATE_ASSUMED])
    _, noted = ENRICHER.enrich(flows, {1: Policy(sampling=1)})
    assert noted_of(noted)["sampling_unknown"] == [0]
    assert noted[0].received_ns.tolist() == [NOW]


@pytest.mark.parametrize(
    ("count", "left"),
    [("all", [0, 1, 2, 3]), ("ingress", [0, 2, 3]), ("egress", [1, 2, 3])],
)
def test_an_exporter_that_reports_both_ways_counts_once(count, left):
    """0 is ingress, 1 egress; without a direction a record always counts, others' too."""
    flows = with_streams(0, 0, 0, 1, flow_direction=[0, 1, 255, 0])
    flows.bytes = np.arange(4)
    records, _ = ENRICHER.enrich(flows, {0: Policy(count=count)})
    assert records.bytes.tolist() == left


def test_events_without_bytes_do_not_count():
    flows = with_streams(0, 1, counts=[False, True])
    assert ENRICHER.enrich(flows, {})[0].stream.tolist() == [1]


def test_what_is_not_counted_is_not_implausible_either():
    flows = with_streams(0, 1, counts=[False, True], bytes=[2**60, 2**60])
    records, noted = ENRICHER.enrich(flows, {})
    assert len(records) == 0
    assert noted_of(noted)["implausible"] == [1]


def reversing(*rows):
    """Records with reverse counters: (reverse bytes, reverse packets) each."""
    flows = flows_of(
        [
            record(src=f"10.1.0.{i}", dst="10.2.0.1", in_if=3, out_if=4, bytes=100, tcp_flags=2)
            for i in range(len(rows))
        ]
    )
    flows.reverse_bytes, flows.reverse_packets = (
        np.array(column, np.int64) for column in zip(*rows, strict=True)
    )
    return flows


def test_what_the_responder_sent_is_a_record_of_its_own():
    records, _ = ENRICHER.enrich(reversing((70, 7), (0, 0), (0, 1)), {})
    assert records.bytes.tolist() == [100, 100, 100, 70, 0]
    assert records.packets.tolist() == [10, 10, 10, 7, 1]
    back = records.take(np.array([3]))
    assert texts(back.src), texts(back.dst) == (["10.2.0.1"], ["10.1.0.0"])
    assert (back.src_network[0], back.dst_network[0]) == (BLUE, GREEN)
    assert (back.src_port[0], back.dst_port[0], back.port[0]) == (443, 40000, 443)
    assert (back.in_if[0], back.out_if[0]) == (4, 3)
    assert back.start_ns.tolist() == records.start_ns[:1].tolist()
    assert records.syn_only.tolist() == [True] * 3 + [False] * 2


def test_where_nobody_answered_there_is_no_record_more():
    assert len(ENRICHER.enrich(reversing((0, 0), (0, 0)), {})[0]) == 2


def test_reverse_counters_are_sampled_and_judged_with_their_record():
    flows = reversing((70, 7), (2**50, 7))
    flows.rate_num[:] = 100
    records, noted = ENRICHER.enrich(flows, {})
    assert records.bytes.tolist() == [10_000, 7000]
    assert len(noted_of(noted)["implausible"]) == 1


NAT = {
    # before, after NAT: the one that stands for the end, and its network
    ("10.1.0.1", "198.51.100.1"): ("10.1.0.1", GREEN),
    ("198.51.100.1", "10.2.0.7"): ("10.2.0.7", BLUE),
    ("10.1.0.1", "10.2.0.7"): ("10.1.0.1", GREEN),
    ("198.51.100.1", "203.0.113.1"): ("198.51.100.1", NO_NETWORK),
    ("198.51.100.1", "198.51.100.1"): ("198.51.100.1", NO_NETWORK),
}


@pytest.mark.parametrize("end", ["src", "dst"])
@pytest.mark.parametrize("family", [4, 6])
def test_behind_nat_the_end_in_a_network_stands(end, family):
    other = "192.0.2.9" if family == 4 else "2001:db8:9::9"
    away = {"src": "dst", "dst": "src"}[end]
    flows, after = (
        flows_of([record(**{end: pair[i], away: other}) for pair in NAT]) for i in (0, 1)
    )
    setattr(flows, f"post_{end}", getattr(after, end))
    records, _ = ENRICHER.enrich(flows, {})
    networks = getattr(records, f"{end}_network").tolist()
    assert list(zip(texts(getattr(records, end)), networks, strict=True)) == list(NAT.values())
    assert set(texts(getattr(records, away))) == {other}


PORTS = {
    # protocol, source port, destination port: the service port, None where the window must tell
    (6, 40000, 443): 443,
    (6, 443, 40000): 443,
    (6, 22, 443): 22,
    (17, 40000, 50000): None,
    (17, 40000, 40000): 40000,
    (6, 1023, 1024): 1023,
    (6, 1024, 1025): None,
    (6, 0, 40000): 0,
    (17, 14857, 53): 14857,
    (17, 53, 14857): 14857,
    (17, 40000, 14857): 14857,
    (17, 15000, 14857): 14857,
    (6, 14857, 40000): None,
    (6, 80, 8443): 80,
    (1, 0, 2048): 0,
    (58, 128, 40000): 0,
    (1, 14857, 14857): 0,
    (47, 0, 0): 0,
}


@pytest.mark.parametrize("protocol_ports", PORTS)
def test_service_port(protocol_ports):
    protocol, src_port, dst_port = protocol_ports
    flows = flows_of([record(protocol=protocol, src_port=src_port, dst_port=dst_port)])
    records, _ = ENRICHER.enrich(flows, {})
    expected = PORTS[protocol_ports]
    assert records.decided.tolist() == [expected is not None]
    if expected is not None:
        assert records.port.tolist() == [expected]
    assert (records.src_port[0], records.dst_port[0]) == (src_port, dst_port)


def test_without_configured_services_rules_2_and_3_stand_alone():
    enricher = Enricher(Networks([]), Services({}))
    flows = flows_of([record(protocol=17, dst_port=14857), record(dst_port=25)])
    records, _ = enricher.enrich(flows, {})
    assert records.decided.tolist() == [False, True]
    assert records.port[1] == 25
    assert records.src_network.tolist() == [NO_NETWORK] * 2


@pytest.mark.parametrize(
    ("protocol", "flags", "expected"),
    [(6, 0x02, True), (6, 0xC2, True), (6, 0x12, False), (6, 0x10, False), (17, 0x02, False)],
)
def test_syn_only_is_tcp_that_showed_syn_and_never_ack(protocol, flags, expected):
    flows = flows_of([record(protocol=protocol, tcp_flags=flags)])
    assert ENRICHER.enrich(flows, {})[0].syn_only.tolist() == [expected]


def test_records_are_taken_and_joined_column_by_column():
    records, _ = ENRICHER.enrich(with_streams(0, 1, 2, 3), {})
    by_mask = records.take(np.array([True, False, True, False]))
    by_rows = records.take(np.array([3, 1]))
    joined = Records.join([by_mask, by_rows])
    assert joined.stream.tolist() == [0, 2, 3, 1]
    assert len(joined) == len(joined.src) == len(joined.decided) == 4
