"""What a record says: encode → decode is the identity, whatever its template looks like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.decode.flows import MAPPED_PREFIX, UNKNOWN_ADDRESS
from flowsleuth.decode.limits import Limits
from flowsleuth.protocols import NO_PROTOCOL

from .wire import (
    BASIC,
    NOW,
    SIX,
    VARIABLE,
    Collector,
    basic,
    data,
    ipfix,
    message,
    only,
    options_template,
    record,
    template,
    v9,
)

INTEGERS = {1: "bytes", 2: "packets", 7: "src_port", 11: "dst_port", 4: "proto", 6: "tcp_flags"}
INTEGERS |= {5: "ip_tos", 10: "in_if", 14: "out_if", 16: "src_as", 17: "dst_as", 148: "flow_id"}
TEXTS = {82: "interface_name", 83: "interface_description", 96: "application_name"}


def hear(fields, *records, version=10, **header):
    """Decode records of one layout; return the collector and the only Flows."""
    collector = Collector()
    rows = [record(fields, values) for values in records]
    sets = (template(256, fields, version), data(256, *rows))
    return collector, only(collector.hear(message(version, *sets, **header)))


@st.composite
def layouts(draw):
    """Fields of a template with every kind of length, and records of it."""
    integers = draw(st.lists(st.sampled_from(sorted(INTEGERS)), unique=True))
    texts = draw(st.lists(st.sampled_from(sorted(TEXTS)), unique=True))
    fields = [(i, draw(st.integers(1, 8))) for i in integers]
    fields += [(i, draw(st.sampled_from([VARIABLE, 300, 16]))) for i in texts]
    fields += draw(st.lists(st.sampled_from([(210, 3), (9999, 0), (77, 5, 1234)])))
    fields = [*draw(st.permutations(fields)), (8, 4), (12, 4)]
    rows = draw(st.lists(st.tuples(*(values(*field[:2]) for field in fields)), max_size=5))
    return fields, rows


def values(element, length):
    if element in TEXTS:
        size = 400 if length == VARIABLE else length
        text = st.text("abcäß/0", max_size=size // 2).map(str.encode)
        return text if length == VARIABLE else text.map(lambda b: b.ljust(length, b"\0"))
    return st.integers(0, 256**length - 1)


@settings(max_examples=60)
@given(layouts(), st.lists(layouts(), max_size=1))
def test_encode_decode_is_the_identity(first, more):
    collector = Collector()
    sets, expected = [], []
    for i, (fields, rows) in enumerate([first, *more]):
        sets.append(template(256 + i, fields))
        sets.append(data(256 + i, *(record(fields, row) for row in rows)))
        expected += [shown(fields, row) for row in rows]
    collector.hear(ipfix(*sets))
    keys = {*INTEGERS.values(), *TEXTS.values(), "src_addr", "dst_addr"}
    assert [{k: v for k, v in r.items() if k in keys} for r in collector.records] == expected
    assert collector.total("records") == len(expected)
    assert collector.total("malformed") == 0


def shown(fields, row):
    """What JSON should have of a record."""
    result = {}
    for (element, length, *_), value in zip(fields, row, strict=True):
        if element in INTEGERS and length:
            top = 2**63 - 1 if element in {1, 2} else 2**64
            result[INTEGERS[element]] = min(value, top)
        elif element in TEXTS:
            result[TEXTS[element]] = value.decode().rstrip("\0")
        elif element in {8, 12}:
            dotted = ".".join(map(str, value.to_bytes(4, "big")))
            result["src_addr" if element == 8 else "dst_addr"] = dotted
    return result


def test_integers_wider_than_64_bits_are_cut():
    _, flows = hear([(8, 4), (12, 4), (1, 9)], [1, 2, 7], [1, 2, 2**70])
    assert flows.bytes.tolist() == [7, 2**63 - 1]


def test_bytes_is_the_first_counter_that_is_not_zero():
    counters = [1, 23, 85, 171, 231, 352]
    fields = [(8, 4), (12, 4), *((c, 4) for c in reversed(counters))]
    rows = []
    for i in range(len(counters)):
        in_order = [0] * i + [10 + c for c in range(i, len(counters))]
        rows.append([1, 2, *reversed(in_order)])
    _, flows = hear(fields, *rows)
    assert flows.bytes.tolist() == [10, 11, 12, 13, 14, 15]


def test_packets_is_the_first_counter_that_is_not_zero():
    fields = [(8, 4), (12, 4), *((c, 4) for c in (2, 24, 86, 172, 298))]
    rows = [[1, 2, *[0] * i, *range(10 + i, 15)] for i in range(5)]
    _, flows = hear(fields, *rows)
    assert flows.packets.tolist() == [10, 11, 12, 13, 14]


@pytest.mark.parametrize(
    "elements",
    [
        [(1, 8, 29305), (2, 8, 29305)],
        [(85, 4, 29305), (86, 4, 29305)],
        [(232, 4), (299, 4)],
        [(23, 4, 29305), (24, 4, 29305)],
    ],
)
def test_the_other_direction_is_in_the_same_record(elements):
    collector, flows = hear([*BASIC, *elements], [1, 2, 3, 4, 6, 100, 2, 55, 5])
    assert (flows.reverse_bytes.tolist(), flows.reverse_packets.tolist()) == ([55], [5])
    assert (collector.records[0]["reverse_bytes"], collector.records[0]["reverse_packets"]) == (
        55,
        5,
    )


def test_reverse_counters_join_records_without():
    collector = Collector()
    one_way = (template(256, BASIC), data(256, basic()))
    fields = [*BASIC, (232, 4)]
    two_way = (template(257, fields), data(257, record(fields, [1, 2, 3, 4, 6, 7, 8, 9])))
    flows = only(collector.hear(ipfix(*one_way, *two_way)))
    assert flows.reverse_bytes.tolist() == [0, 9]
    assert flows.reverse_packets.tolist() == [0, 0]


MAPPED = MAPPED_PREFIX


def test_ipv6_is_high_half_first():
    _, flows = hear(SIX, [(5 << 64) + 6, (7 << 64) + 8, 6, 1, 1])
    assert flows.family == 6
    assert flows.src.tolist() == [[5, 6]]
    assert flows.dst.tolist() == [[7, 8]]


def test_a_layout_with_both_families_is_told_apart_by_record():
    fields = [(8, 4), (12, 4), (27, 16), (28, 16), (1, 4)]
    rows = [[1, 2, 0, 0, 10], [0, 0, 3, 4, 20], [0, 0, 0, 0, 30], [0, 9, 0, 0, 40]]
    collector = Collector()
    encoded = [record(fields, row) for row in rows]
    four, six = collector.hear(ipfix(template(256, fields), data(256, *encoded))).flows
    assert (four.family, four.bytes.tolist(), four.dst.tolist()) == (4, [10, 30, 40], [2, 0, 9])
    assert (six.family, six.bytes.tolist(), six.src.tolist()) == (6, [20], [[0, 3]])
    assert [r["src_addr"] for r in collector.records] == ["0.0.0.1", "::3", "0.0.0.0", "0.0.0.0"]
    assert [r["etype"] for r in collector.records] == [2048, 34525, 2048, 2048]


def test_an_end_that_lacks_is_unknown():
    unknown = UNKNOWN_ADDRESS.tolist()
    collector, flows = hear([(8, 4), (1, 4)], [5, 1])
    assert (flows.family, flows.src.tolist(), flows.dst.tolist()) == (
        6,
        [[0, MAPPED + 5]],
        [unknown],
    )
    assert "dst_addr" not in collector.records[0]
    collector, flows = hear([(28, 16), (1, 4)], [5, 1])
    assert (flows.src.tolist(), flows.dst.tolist()) == ([unknown], [[0, 5]])
    collector, flows = hear([(1, 4)], [1])
    assert flows.src.tolist() == flows.dst.tolist() == [unknown]
    assert flows.protocol.tolist() == [NO_PROTOCOL]
    assert "etype" not in collector.records[0]
    assert "proto" not in collector.records[0]


def test_one_ipv6_end_beside_both_of_ipv4():
    _, flows = hear([(8, 4), (12, 4), (27, 16), (1, 4)], [1, 2, 0, 1])
    assert (flows.family, flows.src.tolist()) == (4, [1])


def test_prefixes_are_no_addresses():
    collector, flows = hear([(44, 4), (45, 4), (9, 1)], [1, 2, 24])
    assert flows.family == 6
    assert collector.records[0]["src_net"] == 24


@pytest.mark.parametrize("elements", [(225, 226), (40001, 40002)])
def test_addresses_after_nat(elements):
    fields = [(8, 4), (12, 4), *((e, 4) for e in elements), (227, 2)]
    _, flows = hear(fields, [1, 2, 3, 0, 5], [1, 2, 0, 4, 5], version=9)
    assert flows.post_src.tolist() == [3, 1]
    assert flows.post_dst.tolist() == [2, 4]


def test_ipv6_addresses_after_nat():
    fields = [(27, 16), (28, 16), (281, 16), (282, 16), (225, 4)]
    _, flows = hear(fields, [1, 2, 3, 0, 0], [1, 2, 0, 4, 9])
    assert flows.post_src.tolist() == [[0, 3], [0, MAPPED + 9]]
    assert flows.post_dst.tolist() == [[0, 2], [0, 4]]
    _, flows = hear([(27, 16), (28, 16), (225, 4)], [1, 2, 9])
    assert flows.post_src.tolist() == [[0, MAPPED + 9]]
    assert flows.post_dst is None


def test_nat_joins_records_without():
    collector = Collector()
    fields = [(8, 4), (12, 4), (225, 4)]
    nat = (template(257, fields), data(257, record(fields, [1, 2, 3])))
    flows = only(collector.hear(ipfix(template(256, BASIC), data(256, basic()), *nat)))
    assert flows.post_src.tolist() == [0x0A000001, 3]
    assert flows.post_dst is None


def test_firewall_events_without_traffic_do_not_count():
    for element in (233, 40005):
        fields = [(8, 4), (12, 4), (element, 1), (231, 4)]
        rows = [[1, 2, event, octets] for event, octets in ((1, 0), (2, 0), (3, 0), (1, 9), (5, 0))]
        _, flows = hear(fields, *rows, version=9)
        assert flows.counts.tolist() == [False, True, False, True, True]


def test_direction_and_interfaces():
    _, flows = hear([(8, 4), (12, 4), (61, 1), (252, 4), (253, 4)], [1, 2, 1, 70000, 8])
    assert flows.flow_direction.tolist() == [1]
    assert (flows.in_if.tolist(), flows.out_if.tolist()) == ([70000], [8])


def test_ports_by_protocol():
    _, flows = hear([(8, 4), (12, 4), (180, 2), (183, 2)], [1, 2, 53, 443])
    assert (flows.src_port.tolist(), flows.dst_port.tolist()) == ([53], [443])


def test_json_of_elements_of_every_kind():
    fields = [(56, 6), (95, 4), (70, 3), (71, 3), (72, 3), (32, 2), (58, 2), (62, 16), (15, 3)]
    fields += [(82, VARIABLE), (54, VARIABLE), (8, 3), (311, 4), (89, 1)]
    row = [bytes(range(6)), 0x0D000001, 16 << 4, 17 << 4 | 1, 0, 0x0301, 5, 1, 0]
    row += [b"Gi0/1\0", b"\1", 9, bytes(4), 64]
    collector, _ = hear(fields, row)
    (seen,) = collector.records
    assert seen["src_mac"] == "00:01:02:03:04:05"
    assert seen["application_id"] == "0d000001"
    assert seen["mpls_label"] == [16, 17]
    assert (seen["icmp_type"], seen["icmp_code"]) == (3, 1)
    assert (seen["src_vlan"], seen["vlan_id"]) == (5, 5)
    assert seen["next_hop"] == "::1"
    assert seen["interface_name"] == "Gi0/1"
    assert "fragment_id" not in seen
    assert "src_addr" not in seen


def test_json_takes_what_is_told_of_two_elements_with_one_key():
    collector, _ = hear([(32, 2), (139, 2), (15, 4), (62, 16)], [0x0301, 0, 0, 7])
    assert (collector.records[0]["icmp_type"], collector.records[0]["next_hop"]) == (3, "::7")
    collector, _ = hear([(176, 1), (139, 2)], [0, 0x8005])
    assert collector.records[0]["icmp_type"] == 128


def test_records_of_two_layouts_are_shown_in_wire_order():
    collector = Collector()
    collector.hear(ipfix(template(256, BASIC), template(257, SIX)))
    six = record(SIX, [1, 2, 6, 3, 4])
    collector.hear(
        ipfix(data(257, six), data(256, basic(), basic(port=54)), data(257, six)),
        ipfix(data(256, basic(port=55))),
    )
    assert [r.get("dst_port") for r in collector.records] == [None, 53, 54, None, 55]


FLEXIBLE = [(8, 4), (12, 4), (82, VARIABLE), (1, 4), (83, VARIABLE)]


@pytest.mark.parametrize(
    ("body", "records", "malformed"),
    [
        (record(FLEXIBLE, [1, 2, b"x" * 300, 3, b""]) * 3, 3, 0),
        (record(FLEXIBLE, [1, 2, b"x", 3, b"y"]) + bytes(9), 1, 0),
        (record(FLEXIBLE, [1, 2, b"x", 3, b"y" * 30])[:-1], 0, 1),
        (record(FLEXIBLE, [1, 2, b"x" * 254, 3, b""])[:40], 0, 1),
        (bytes(8) + b"\xff\0", 0, 0),
        (bytes(8) + b"\xff\0\1" + bytes(4), 0, 1),
        (bytes(8) + b"\0" + bytes(4) + b"\xff", 0, 1),
    ],
)
def test_records_of_variable_length(body, records, malformed):
    collector = Collector()
    decoded = collector.hear(ipfix(template(256, FLEXIBLE), data(256, body)))
    assert decoded.counts["records"].tolist() == [records]
    assert decoded.counts["malformed"].tolist() == [malformed]
    assert [r["bytes"] for r in collector.records] == [3] * records


NAMES = st.sampled_from([b"", b"a", b"b" * 255, b"c" * 300])


@settings(max_examples=60)
@given(
    st.lists(st.lists(NAMES, max_size=6), min_size=16, max_size=24),
    st.integers(0, 3),
    st.integers(0, 200),
)
def test_sets_in_lock_step_are_read_like_sets_alone(names, cut, room):
    bodies = [b"".join(record(FLEXIBLE, [1, 2, n, 3, n]) for n in each) for each in names]
    sets = [data(256, body[: len(body) - cut]) for body in bodies]
    together, alone = Collector(), Collector()
    for collector in (together, alone):
        collector.hear(ipfix(template(256, FLEXIBLE)))
    together.hear(*(ipfix(s) for s in sets))
    for s in sets:
        alone.hear(ipfix(s))
    assert together.records == alone.records
    assert together.total("malformed") == alone.total("malformed")
    small = Collector(Limits(records=room))
    small.hear(ipfix(template(256, FLEXIBLE)))
    small.hear(*(ipfix(s) for s in sets))
    assert min(room, len(alone.records)) - 40 <= small.total("records") <= room


def test_the_last_fixed_field_after_a_variable_one_is_whole():
    fields = [(82, VARIABLE), (8, 4), (12, 4)]
    collector = Collector()
    body = record(fields, [b"abcdefgh", 1, 2])[:-2]
    decoded = collector.hear(ipfix(template(256, fields), data(256, body)))
    assert decoded.counts["malformed"].tolist() == [1]
    assert collector.records == []


def test_records_of_nothing_but_variable_fields():
    collector, _ = hear([(82, VARIABLE)], [b"a"], [b""], [b"c"])
    assert [r["interface_name"] for r in collector.records] == ["a", "", "c"]


def test_a_batch_holds_so_many_records():
    collector = Collector(Limits(records=5))
    sets = (template(256, BASIC), data(256, *[basic()] * 3), data(256, *[basic()] * 3))
    decoded = collector.hear(ipfix(*sets))
    assert decoded.counts["records"].tolist() == [3]
    assert decoded.counts["malformed"].tolist() == [1]
    collector = Collector(Limits(records=5))
    rows = [record(FLEXIBLE, [1, 2, b"", 3, b""])] * 3
    decoded = collector.hear(ipfix(template(256, FLEXIBLE), data(256, *rows), data(256, *rows)))
    assert decoded.counts["records"].tolist() == [5]
    assert decoded.counts["malformed"].tolist() == [1]


def test_interface_names_come_from_options_data():
    collector = Collector()
    scopes, fields = [(10, 4)], [(82, VARIABLE), (83, 8)]
    rows = [[1, b"Gi0/1", b"uplink\0\0"], [2, b"", b"core\0\0\0\0"], [3, b"", bytes(8)]]
    encoded = [record([*scopes, *fields], row) for row in rows]
    collector.hear(ipfix(options_template(300, scopes, fields), data(300, *encoded)))
    names = {("192.0.2.1", 1): "Gi0/1", ("192.0.2.1", 2): "core"}
    assert collector.decoder.interface_names == names
    nine = [(2, 2)], [(82, 4)]
    row = record([*nine[0], *nine[1]], [7, b"eth7"])
    collector.hear(v9(options_template(300, *nine, 9), data(300, row)))
    assert collector.decoder.interface_names["192.0.2.1", 7] == "eth7"


def test_interface_names_are_bounded():
    collector = Collector(Limits(interface_names=1))
    fields = [(82, 4)]
    rows = [
        number + name
        for number, name in ((b"\0\1", b"one "), (b"\0\2", b"two "), (b"\0\1", b"uno "))
    ]
    collector.hear(ipfix(options_template(300, [(10, 2)], fields), data(300, *rows)))
    assert collector.decoder.interface_names == {("192.0.2.1", 1): "uno"}


def test_times_of_export_and_receipt_are_the_datagrams():
    collector = Collector()
    collector.hear(ipfix(template(256, BASIC)))
    batch = [ipfix(data(256, basic()), seconds=1_700_000_000 + i) for i in range(3)]
    flows = only(collector.hear(*batch, received=NOW + 5))
    assert np.diff(flows.export_ns).tolist() == [10**9] * 2
    assert set(flows.received_ns.tolist()) == {NOW + 5}
