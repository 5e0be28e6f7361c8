"""v1, v5 and v7, and what all headers share."""

import numpy as np
import pytest

from .wire import (
    BASIC,
    EXPORTER,
    NOW,
    TAIL,
    Collector,
    basic,
    data,
    ipfix,
    legacy,
    only,
    template,
    v9,
)

EXPORTED = NOW + 250_000_000


@pytest.mark.parametrize("version", [1, 5, 7])
def test_a_record_has_its_columns(version):
    collector = Collector()
    flows = only(collector.hear(legacy(version, 2), received=NOW + 10**9))
    assert len(flows) == 2
    assert flows.family == 4
    assert flows.src.tolist() == [0x0A000001] * 2
    assert flows.dst.tolist() == [0x0A000102] * 2
    assert (flows.in_if[0], flows.out_if[0]) == (3, 4)
    assert (flows.packets[0], flows.bytes[0]) == (7, 900)
    assert (flows.src_port[0], flows.dst_port[0]) == (40000, 443)
    assert (flows.protocol[0], flows.tcp_flags[0]) == (6, 0x12)
    assert (flows.start_ns[0], flows.end_ns[0]) == (EXPORTED - 5 * 10**9, EXPORTED - 10**9)
    assert flows.dated.all()
    assert flows.counts.all()
    assert flows.post_src is None
    assert flows.reverse_bytes is None
    assert flows.flow_direction[0] == 255
    assert flows.export_ns[0] == EXPORTED
    assert flows.received_ns[0] == NOW + 10**9
    stream = collector.decoder.streams.table[flows.stream[0]]
    assert (stream.exporter, stream.domain, stream.version) == (EXPORTER, 0, version)


@pytest.mark.parametrize("version", [5, 7])
def test_routing_is_shown(version):
    collector = Collector()
    collector.hear(legacy(version, sequence=77))
    (shown,) = collector.records
    assert shown["type"] == f"NETFLOW_V{version}"
    assert (shown["src_as"], shown["dst_as"]) == (65001, 65002)
    assert (shown["src_net"], shown["dst_net"]) == (24, 16)
    assert (shown["ip_tos"], shown["next_hop"]) == (8, "10.0.0.254")
    assert shown["sequence_num"] == 77
    assert shown["time_received_ns"] == EXPORTED


def test_v1_has_no_sequence_and_may_be_longer():
    collector = Collector()
    collector.hear(legacy(1, 3, tail=TAIL[1] + bytes(4)))
    assert len(collector.records) == 3
    assert collector.records[2]["dst_port"] == 443
    assert "sequence_num" not in collector.records[0]
    assert collector.total("malformed") == 0


def test_v5_domain_is_engine_type_and_id():
    collector = Collector()
    collector.hear(legacy(5, engine=0x0103))
    assert collector.records[0]["observation_domain_id"] == 0x0103


@pytest.mark.parametrize(
    ("payload", "records"),
    [
        (legacy(5, 2, count=55582), 2),
        (legacy(5, 2, trailing=b"abc"), 2),
        (legacy(5, 3, count=1), 1),
        (legacy(5, 1)[:50], 0),
        (legacy(1, 2, count=3), 2),
    ],
)
def test_a_count_that_disagrees_is_malformed_and_whole_records_count(payload, records):
    collector = Collector()
    decoded = collector.hear(payload)
    assert decoded.counts["records"].tolist() == [records]
    assert decoded.counts["malformed"].tolist() == [1]
    assert "count disagrees" in str(decoded.problems[0])


@pytest.mark.parametrize(
    "payload", [b"", b"\0", b"\0\5", legacy(7, 0)[:23], v9()[:19], ipfix()[:15]]
)
def test_a_header_cut_short_is_no_netflow(payload):
    decoded = Collector().hear(payload, legacy(5))
    assert decoded.not_netflow == 1
    assert decoded.stream[0] == -1
    assert decoded.counts["records"].tolist() == [0, 1]


def test_sflow_is_named():
    decoded = Collector().hear(b"\0\0\0\5" + bytes(60))
    assert (decoded.not_netflow, decoded.foreign) == (1, "sFlow v5")
    assert Collector().hear(b"\xff\xff\0\5" + bytes(60)).foreign is None


def test_an_ipfix_length_bounds_the_message():
    collector = Collector()
    sets = (template(256, BASIC), data(256, basic(), basic()))
    collector.hear(ipfix(*sets) + data(256, basic()), ipfix(*sets, length=999))
    assert collector.total("records") == 4
    assert collector.total("malformed") == 1 + 1
    collector.hear(ipfix(*sets, length=3))
    assert collector.total("records") == 4


def test_nothing_is_nothing():
    decoded = Collector().hear()
    assert decoded.flows == []
    assert len(decoded.stream) == 0


def test_versions_mix_in_a_batch():
    collector = Collector()
    decoded = collector.hear(
        legacy(5, 2), v9(template(256, BASIC, 9), data(256, basic())), legacy(1), legacy(7), b"?"
    )
    assert decoded.counts["records"].tolist() == [2, 1, 1, 1, 0]
    assert decoded.counts["templates"].tolist() == [0, 1, 0, 0, 0]
    assert len(only(decoded)) == 5
    assert [r["type"] for r in collector.records] == [
        *["NETFLOW_V5"] * 2,
        "NETFLOW_V9",
        "NETFLOW_V1",
        "NETFLOW_V7",
    ]
    assert np.array_equal(decoded.counts["datagrams"], np.ones(5))
