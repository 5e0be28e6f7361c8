"""Filters in enrich: the profiles of each record, and what is left out."""

from ipaddress import ip_network

import numpy as np
import pytest
from aggregate.traffic import flows_of, record

from flowsleuth.enrich.counting import Policy
from flowsleuth.enrich.enricher import Enricher, Records
from flowsleuth.enrich.networks import Networks
from flowsleuth.enrich.services import Services
from flowsleuth.filters.filter import Filter

RECORDS = [record(dst_port=port, bytes=port * 10, tcp_flags=2) for port in (53, 80, 443)]


def enricher(*profiles, only=None):
    return Enricher(
        Networks([]),
        Services({}),
        [Filter(text) for text in profiles],
        None if only is None else Filter(only),
    )


def named(records, count):
    """The numbers of the profiles of each record."""
    bits = np.unpackbits(records.profiles, axis=1)[:, :count]
    return [np.flatnonzero(row).tolist() for row in bits]


def test_without_profiles_there_are_no_bits():
    records, _ = enricher().enrich(flows_of(RECORDS), {})
    assert records.profiles.shape == (3, 0)
    assert records.take(np.array([0])).profiles.shape == (1, 0)
    assert Records.join([records, records]).profiles.shape == (6, 0)


@pytest.mark.parametrize("count", [1, 8, 9, 17])
def test_each_profile_has_its_bit(count):
    texts = [f"dst port > {80 + i}" for i in range(count - 1)] + ["dst port 80"]
    records, _ = enricher(*texts).enrich(flows_of(RECORDS), {})
    assert records.profiles.shape == (3, -(-count // 8))
    assert named(records, count) == [[], [count - 1], list(range(count - 1))]
    assert named(records.take(records.bytes > 600), count) == named(records, count)[1:]


def test_filters_see_bytes_after_sampling():
    text = "bytes > 100000"
    sampled, plain = (
        enricher(text).enrich(flows_of(RECORDS), policies)[0]
        for policies in ({0: Policy(sampling=1000)}, {})
    )
    assert named(sampled, 1) == [[0], [0], [0]]
    assert named(plain, 1) == [[], [], []]


def test_only_what_matches_counts():
    records, noted = enricher("dst port 443", only="dst port > 53").enrich(flows_of(RECORDS), {})
    assert records.dst_port.tolist() == [80, 443]
    assert named(records, 1) == [[], [0]]
    assert {what.counter: len(what.stream) for what in noted} == {
        "sampling_unknown": 0,
        "implausible": 0,
    }


@pytest.mark.parametrize("only", [None, "src port 443"])
def test_the_responder_s_half_is_judged_by_itself(only):
    flows = flows_of(RECORDS)
    flows.reverse_bytes = np.array([0, 10**6, 10], np.int64)
    flows.reverse_packets = np.array([0, 1, 1], np.int64)
    records, _ = enricher("src port 443", "bytes > 100k", "dst port 80", only=only).enrich(
        flows, {}
    )
    if only is None:
        assert records.bytes.tolist() == [530, 800, 4430, 10**6, 10]
        assert named(records, 3) == [[], [2], [], [1], [0]]
    else:
        assert (records.bytes.tolist(), named(records, 3)) == ([10], [[0]])


def test_filters_see_addresses_as_exported():
    """Before NAT, though the record counts for the address after it."""
    made = Enricher(
        Networks([("Green", [ip_network("10.1.0.0/16")])]),
        Services({}),
        [Filter("dst ip 192.0.2.1"), Filter("dst net 10.1.0.0/16")],
    )
    flows = flows_of([record(src="198.51.100.1", dst="192.0.2.1")])
    flows.post_src = flows.src
    flows.post_dst = np.array([0x0A010001], np.uint32)
    records, _ = made.enrich(flows, {})
    assert records.dst.tolist() == [0x0A010001]
    assert named(records, 2) == [[0]]
