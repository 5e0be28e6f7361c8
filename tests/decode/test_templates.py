"""Templates: whose they are, how they change, what is wrong with them."""

import struct

import pytest

from flowsleuth.decode.limits import Limits

from .wire import (
    ADDRESSES,
    BASIC,
    VARIABLE,
    Collector,
    a_set,
    basic,
    data,
    ipfix,
    message,
    options_template,
    record,
    specifiers,
    template,
    v9,
)

SWAPPED = [(12, 4), (8, 4), (11, 2), (7, 2), (4, 1), (1, 4), (2, 4)]
BOTH = pytest.mark.parametrize("version", [9, 10])


@BOTH
def test_a_template_serves_from_where_it_came(version):
    collector = Collector()
    collector.hear(message(version, template(256, BASIC, version)))
    decoded = collector.hear(
        message(version, data(256, basic())),
        message(version, data(256, basic()), template(256, SWAPPED, version), data(256, basic())),
        message(version, data(256, basic())),
    )
    assert [r["src_addr"] for r in collector.records] == [
        "10.0.0.1",
        "10.0.0.1",
        "10.0.1.2",
        "10.0.1.2",
    ]
    assert decoded.counts["templates"].tolist() == [0, 1, 0]


@BOTH
def test_a_refresh_changes_nothing_and_is_counted(version):
    collector = Collector()
    both = a_set(
        2 if version == 10 else 0,
        template(256, BASIC, version)[4:] + template(257, SWAPPED, version)[4:],
    )
    for _ in range(3):
        decoded = collector.hear(message(version, both), message(version, both, data(257, basic())))
        assert decoded.counts["templates"].tolist() == [2, 2]
    assert [r["src_addr"] for r in collector.records] == ["10.0.1.2"] * 3


def test_a_known_set_among_new_ones_is_a_refresh():
    collector = Collector()
    collector.hear(ipfix(template(256, BASIC)))
    decoded = collector.hear(ipfix(template(256, BASIC), template(257, SWAPPED)))
    assert decoded.counts["templates"].tolist() == [2]


def test_many_ways_to_say_the_same_are_not_all_remembered():
    collector = Collector()
    for pad in range(0, 3 * 80, 3):
        body = template(256, BASIC)[4:] + bytes(pad)
        assert collector.hear(ipfix(a_set(2, body))).counts["templates"].tolist() == [1]


@BOTH
def test_another_ports_template_serves_while_there_is_none_of_its_own(version):
    collector = Collector()
    collector.hear(message(version, template(256, BASIC, version)), port=1000)
    collector.hear(message(version, data(256, basic())), port=2000)
    collector.hear(message(version, template(256, SWAPPED, version)), port=2000)
    collector.hear(message(version, data(256, basic())), port=2000)
    collector.hear(message(version, data(256, basic())), port=1000)
    assert [r["src_addr"] for r in collector.records] == ["10.0.0.1", "10.0.1.2", "10.0.0.1"]


def test_another_domain_is_another_exporter():
    collector = Collector()
    collector.hear(ipfix(template(256, BASIC)), ipfix(data(256, basic()), domain=8))
    assert collector.records == []
    assert collector.decoder.streams.template_wait[2] == 1


@pytest.mark.parametrize(
    ("withdrawal", "left"),
    [
        (a_set(2, struct.pack(">HH", 256, 0)), {257, 300}),
        (a_set(2, struct.pack(">HH", 2, 0)), {300}),
        (a_set(3, struct.pack(">HH", 3, 0)), {256, 257}),
        (a_set(2, struct.pack(">HH", 999, 0)), {256, 257, 300}),
    ],
)
def test_ipfix_withdraws_templates(withdrawal, left):
    collector = Collector()
    sets = (
        template(256, BASIC),
        template(257, BASIC),
        options_template(300, [(149, 4)], [(34, 4)]),
    )
    collector.hear(ipfix(*sets))
    decoded = collector.hear(ipfix(withdrawal))
    assert decoded.counts["templates"].tolist() == [0]
    assert decoded.counts["malformed"].tolist() == [0]
    options = record([(149, 4), (34, 4)], [7, 10])
    collector.hear(ipfix(data(256, basic()), data(257, basic()), data(300, options)))
    assert collector.total("records") == len(left & {256, 257})
    assert collector.total("options") == len(left & {300})


def test_a_withdrawal_from_another_port_is_none():
    collector = Collector()
    collector.hear(ipfix(template(256, BASIC)), port=1)
    collector.hear(ipfix(a_set(2, struct.pack(">HH", 256, 0))), port=2)
    collector.hear(ipfix(data(256, basic())), port=2)
    collector.hear(ipfix(template(256, BASIC)), port=3)
    collector.hear(ipfix(a_set(2, struct.pack(">HH", 256, 0))), port=1)
    collector.hear(ipfix(data(256, basic())), port=2)
    assert collector.total("records") == 2


def test_released_and_withdrawn_in_one_set_is_read_as_nothing():
    collector = Collector()
    body = template(256, BASIC)[4:] + struct.pack(">HH", 256, 0)
    collector.hear(ipfix(data(256, basic())))
    decoded = collector.hear(ipfix(a_set(2, body)))
    assert decoded.counts["records"].tolist() == [0]
    assert collector.decoder.streams.template_wait[1] == 0


MALFORMED = {
    "id below 256": (10, a_set(2, struct.pack(">HH", 8, 1) + specifiers([(1, 4)]))),
    "cut in a field": (10, a_set(2, struct.pack(">HH", 256, 2) + specifiers([(1, 4)]))),
    "cut in a PEN": (10, a_set(2, struct.pack(">HH", 256, 1) + specifiers([(1, 4, 9)])[:6])),
    "too many fields": (10, template(256, [(210, 1)] * 600)),
    "empty records": (10, template(256, [(1, 0), (2, 0)])),
    "v9 options lengths": (9, a_set(1, struct.pack(">HHH", 256, 4, 6) + bytes(12))),
    "v9 options cut": (9, a_set(1, struct.pack(">HH", 256, 4))),
    "v9 many options": (9, a_set(1, struct.pack(">HHH", 256, 4, 4000) + bytes(12))),
    "v9 options cut in a field": (9, a_set(1, struct.pack(">HHH", 256, 4, 8) + bytes(8))),
    "set overruns": (10, a_set(256, b"", length=9)),
    "set too short": (10, a_set(256, b"", length=3)),
    "v9 set too short": (9, a_set(256, b"", length=3)),
    "reserved id": (10, a_set(17, b"abcd")),
    "reserved id in v9": (9, a_set(2, b"abcd")),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_counted_and_the_rest_read(name):
    version, wrong = MALFORMED[name]
    collector = Collector()
    good = (template(300, BASIC, version), data(300, basic()))
    decoded = collector.hear(message(version, *good, wrong))
    assert decoded.counts["malformed"].tolist() == [1]
    assert decoded.counts["records"].tolist() == [1]
    (problem,) = decoded.problems
    assert problem.version == version
    assert problem.offset >= 20
    assert f"v{version} domain 7 of 192.0.2.1, set {problem.set_id}" in str(problem)


def test_data_of_empty_records_are_malformed():
    collector = Collector()
    decoded = collector.hear(ipfix(template(256, [(1, 0)]), data(256, b"abcd"), data(256)))
    assert decoded.counts["malformed"].tolist() == [2]
    assert decoded.counts["records"].tolist() == [0]


def test_zeros_at_the_end_are_padding_in_v9():
    collector = Collector()
    decoded = collector.hear(
        v9(template(256, BASIC, 9), data(256, basic()), bytes(32)),
        v9(a_set(0, template(257, BASIC, 9)[4:] + bytes(8))),
    )
    assert decoded.counts["malformed"].tolist() == [0, 0]
    assert decoded.counts["templates"].tolist() == [1, 1]
    assert collector.hear(v9(bytes(4) + b"abcd")).counts["malformed"].tolist() == [1]


def test_a_v9_template_without_fields_withdraws_it():
    collector = Collector()
    collector.hear(v9(template(256, BASIC, 9)))
    collector.hear(v9(template(256, [], 9)), v9(data(256, basic())))
    assert collector.total("records") == 0
    assert collector.total("malformed") == 0


def test_sets_of_length_zero_and_many_sets_are_cheap():
    collector = Collector(Limits(sets=200))
    empty = a_set(256, b"") * 300
    decoded = collector.hear(ipfix(template(257, BASIC), empty, data(257, basic())))
    assert decoded.counts["malformed"].tolist() == [1]
    assert "sets in a datagram" in decoded.problems[0].reason
    assert decoded.counts["records"].tolist() == [0]


@pytest.mark.parametrize(
    ("last", "records", "malformed"),
    [
        (data(256, basic()), 1, 0),
        (a_set(256, basic(), length=100), 1, 1),
        (a_set(300, b"", length=2) + data(256, basic()), 0, 1),
        (a_set(100, b"abcd") + data(256, basic()), 1, 1),
        (b"\0\0\0", 0, 0),
    ],
)
def test_a_long_walk_ends_like_a_short_one(last, records, malformed):
    collector = Collector()
    many = a_set(257, b"") * 80
    decoded = collector.hear(ipfix(template(256, BASIC), many, last))
    assert decoded.counts["records"].tolist() == [records]
    assert decoded.counts["malformed"].tolist() == [malformed]


def test_limits_bound_templates():
    collector = Collector(Limits(templates=2))
    sets = [template(i, BASIC) for i in (256, 257, 258)]
    assert collector.hear(ipfix(*sets)).counts["malformed"].tolist() == [1]
    assert collector.hear(ipfix(template(256, SWAPPED))).counts["malformed"].tolist() == [0]
    wide = Collector(Limits(template_fields=10))
    assert wide.hear(ipfix(*sets)).counts["malformed"].tolist() == [2]


def test_the_session_silent_longest_makes_room():
    collector = Collector(Limits(sessions=2))
    collector.hear(ipfix(template(256, BASIC)), port=1)
    collector.hear(ipfix(template(256, BASIC), domain=9), port=2)
    collector.hear(ipfix(template(256, BASIC)), port=1)
    collector.hear(ipfix(template(256, BASIC), domain=10), port=3)
    collector.hear(ipfix(data(256, basic())), port=1)
    assert collector.total("records") == 1
    collector.hear(ipfix(data(256, basic()), domain=9), port=2)
    assert collector.total("records") == 1


def test_layouts_are_shared_until_there_are_too_many():
    collector = Collector(Limits(layouts=2))
    for extra in range(4):
        fields = [*BASIC, (210, 1 + extra)]
        collector.hear(ipfix(template(256, fields), data(256, basic() + bytes(1 + extra))))
        collector.hear(ipfix(template(256, fields), data(256, basic() + bytes(1 + extra))), port=9)
    assert collector.total("records") == 8


def test_options_templates_with_empty_scope_and_padding():
    collector = Collector()
    fields = [(34, 4), (35, 1)]
    sets = (
        options_template(300, [(1, 0)], fields, 9),
        data(300, record(fields, [100, 2]), padding=b"\0" * 3),
    )
    decoded = collector.hear(v9(*sets))
    assert decoded.counts["options"].tolist() == [1]
    assert decoded.counts["malformed"].tolist() == [0]


def test_streams_are_bounded():
    collector = Collector(Limits(exporters=2, domains=2))
    streams = collector.decoder.streams
    for domain in range(4):
        collector.hear(ipfix(domain=domain))
    assert [s.domain for s in streams.table[1:]] == [0, 1, -1]
    collector.hear(ipfix(), address="198.51.100.1")
    last = collector.hear(ipfix(), address="198.51.100.2")
    assert last.stream.tolist() == [0]
    assert streams.table[0].exporter == "other"
    assert len(streams) == 5
    assert collector.hear(ipfix(domain=3)).stream.tolist() == [3]


def test_variable_length_needs_no_template_in_v9():
    collector = Collector()
    fields = [*ADDRESSES, (96, VARIABLE)]
    decoded = collector.hear(v9(template(256, fields, 9), data(256, bytes(40))))
    assert decoded.counts["records"].tolist() == [0]
    assert decoded.counts["malformed"].tolist() == [0]
