"""Interfaces are numbered and bounded, addresses are written, gauges find their stream."""

from ipaddress import ip_address

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.aggregate.aggregator import Settings
from flowsleuth.aggregate.interfaces import (
    NO_INTERFACE,
    OTHER_INTERFACE,
    SMALL,
    STREAMS,
    Interfaces,
)
from flowsleuth.aggregate.naming import addresses
from flowsleuth.aggregate.rows import halves
from flowsleuth.aggregate.stamps import Stamp
from flowsleuth.aggregate.tables import StreamGauges
from flowsleuth.decode.flows import UNKNOWN_ADDRESS

from .driving import Driven, points_of
from .traffic import NOW, record

IF_INDEX = st.one_of(
    st.integers(1, 20), st.sampled_from([SMALL - 2, SMALL - 1, SMALL, 2**31, 2**32 - 1])
)
STREAM = st.one_of(st.integers(0, 3), st.sampled_from([STREAMS - 1, STREAMS, 5 * STREAMS]))
BATCHES = st.lists(st.lists(st.tuples(STREAM, IF_INDEX), max_size=20), max_size=4)


def numbers(interfaces, pairs):
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return interfaces.numbers(table[:, 0].astype(np.int32), table[:, 1].astype(np.uint32)).tolist()


@settings(max_examples=30)
@given(BATCHES)
def test_a_number_stands_for_one_interface_for_good(batches):
    interfaces = Interfaces(100)
    for pairs in batches:
        assert [interfaces.table[n] for n in numbers(interfaces, pairs)] == pairs


def test_what_names_no_interface_has_the_number_0_whatever_the_stream():
    interfaces = Interfaces(3)
    streams = (0, 1, STREAMS - 1, STREAMS, 2 * STREAMS)
    assert numbers(interfaces, [(stream, NO_INTERFACE) for stream in streams]) == [0] * 5
    assert numbers(interfaces, [(STREAMS, 7), (STREAMS, NO_INTERFACE)]) == [1, 0]


def test_a_flood_of_forged_exporters_gets_no_more_tables():
    interfaces = Interfaces(3)
    numbers(interfaces, [(stream, 1) for stream in range(STREAMS - 3, STREAMS + 500)])
    assert len(interfaces._small) == STREAMS


def test_beyond_the_limit_the_interfaces_of_an_exporter_are_other():
    interfaces = Interfaces(3)
    ports = [1, 2, 70_000, 4, 80_000, 1, 70_000]
    got = [interfaces.table[n] for n in numbers(interfaces, [(0, p) for p in ports])]
    assert sum(entry == (0, OTHER_INTERFACE) for entry in got) == 3
    assert len(set(got)) == 4
    assert got[0] == got[5]
    assert got[2] == got[6]
    before = len(interfaces.table)
    again = numbers(interfaces, [(0, p) for p in range(100, 200)])
    assert {interfaces.table[n] for n in again} == {(0, OTHER_INTERFACE)}
    assert len(interfaces.table) == before
    assert interfaces.table[numbers(interfaces, [(1, 4)])[0]] == (1, 4)


def interface_points(points):
    return {
        tuple(p["tags"][name] for name in ("exporter", "interface", "direction")): p["bytes"]
        for p in points
        if p["measurement"] == "interfaces"
    }


def test_each_end_of_a_record_counts_at_its_interface_and_none_where_there_is_none():
    driven = Driven(Settings(interfaces=2))
    driven.add(
        [
            record(in_if=1, out_if=2, bytes=100),
            record(in_if=2, out_if=0, bytes=10),
            record(in_if=0, out_if=5, bytes=1),
        ]
    )
    assert interface_points(driven.flush()) == {
        ("exporter-0", "if1", "ingress"): 100,
        ("exporter-0", "if2", "egress"): 100,
        ("exporter-0", "if2", "ingress"): 10,
        ("exporter-0", "other", "egress"): 1,
    }


def test_an_interface_that_several_streams_report_is_one_series():
    """Two observation domains of a router: the later point must not overwrite the other."""
    driven = Driven()
    driven.aggregator._tables._streams = type(driven.aggregator._tables._streams)(
        lambda stream: ("router", str(stream), "ipfix"),
        lambda stream, index: f"if{index}",
        lambda address: "",
    )
    driven.add([record(in_if=1, stream=0, bytes=100), record(in_if=1, stream=1, bytes=23)])
    points = [p for p in driven.flush() if p["measurement"] == "interfaces"]
    assert [p["bytes"] for p in points] == [123]


def test_gauges_stand_at_their_stream_and_are_0_where_the_decoder_has_none():
    driven = Driven()
    aggregator = driven.aggregator
    received = np.array([NOW, NOW, NOW])
    streams = np.array([0, 1, 2], np.int32)
    aggregator.datagrams(streams, received, received, {})
    gauges = StreamGauges([5, 6], [100, 1], [1, 0])
    points = points_of(aggregator.flush(2**60, Stamp(), gauges))
    assert {
        p["tags"]["exporter"]: (p["template_wait"], p["sampling_interval"], p["sampling_state"])
        for p in points
    } == {"exporter-0": (5, 100, 1), "exporter-1": (6, 1, 0), "exporter-2": (0, 0, 0)}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("10.1.0.1", "10.1.0.1"),
        ("255.255.255.255", "255.255.255.255"),
        ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::", "::"),
        ("::1:0:1", "::1:0:1"),
    ],
)
def test_addresses_are_written_as_rfc_5952_has_it(text, written):
    value = int(ip_address(text))
    if ip_address(text).version == 4:
        high, low = halves(np.array([value], np.uint32))
    else:
        high, low = halves(np.array([[value >> 64, value & 2**64 - 1]], np.uint64))
    assert addresses(high, low) == [written]


def test_an_end_that_the_record_lacks_is_unknown():
    high, low = halves(UNKNOWN_ADDRESS[None, :])
    assert addresses(high, low) == ["unknown"]


def test_hosts_have_their_configured_names():
    driven = Driven()
    driven.add([record(src="10.1.0.9"), record(src="10.1.0.8")])
    hosts = {
        p["tags"]["address"]: p["tags"].get("host")
        for p in driven.flush()
        if p["measurement"] == "hosts"
    }
    assert hosts == {"10.1.0.9": "printer", "10.1.0.8": None}
