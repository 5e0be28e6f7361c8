"""Columns that are made only where somebody asks: which element fills each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsleuth.decode.decoder import Decoder
from flowsleuth.decode.elements import BY_NAME
from flowsleuth.decode.optional import OPTIONAL, TRANSLATED

from .wire import (
    ADDRESSES,
    BASIC,
    SIX,
    Collector,
    basic,
    data,
    legacy,
    message,
    only,
    record,
    template,
)

NUMBERED = {
    "tos": (5,),
    "dst_tos": (55,),
    "src_as": (16,),
    "dst_as": (17,),
    "next_as": (128,),
    "prev_as": (129,),
    "src_mask": (9, 29),
    "dst_mask": (13, 30),
    "src_vlan": (58, 243),
    "dst_vlan": (59, 254),
    "post_src_port": (227, 40003),
    "post_dst_port": (228, 40004),
}
"""Column → the numbers of the elements that fill it (IANA; from 32768 on those of Cisco's ASA)."""


def asked(wanted, *payloads):
    collector = Collector()
    collector.decoder = Decoder(wanted=wanted)
    return collector.hear(*payloads)


def one(fields, values, wanted=OPTIONAL, version=9):
    sets = template(256, fields, version), data(256, record(fields, values))
    return only(asked(wanted, message(version, *sets))).optional


def test_the_table_is_complete():
    assert {*NUMBERED, *TRANSLATED, "icmp"} == OPTIONAL


def test_nothing_is_made_that_nobody_asked_for():
    sets = template(256, BASIC), data(256, basic())
    assert only(Collector().hear(message(10, *sets))).optional == {}


@pytest.mark.parametrize("name", sorted(OPTIONAL))
def test_what_is_asked_for_is_made_alone(name):
    sets = template(256, BASIC), data(256, basic(protocol=1, port=0x0301))
    optional = only(asked({name}, message(10, *sets))).optional
    assert {key: column.tolist() for key, column in optional.items()} == {
        name: [0x0301 if name == "icmp" else 0]
    }


@pytest.mark.parametrize(("name", "number"), [(n, e) for n, es in NUMBERED.items() for e in es])
@pytest.mark.parametrize("length", [1, 2, 4])
def test_each_element_fills_its_column(name, number, length):
    optional = one([*ADDRESSES, (number, length)], [1, 2, 7])
    assert optional[name].tolist() == [7]
    assert sum(int(column.sum()) for column in optional.values()) == 7


@pytest.mark.parametrize("name", [name for name, numbers in NUMBERED.items() if len(numbers) > 1])
def test_the_first_that_is_not_zero_fills_it(name):
    first, second = NUMBERED[name]
    fields = [*ADDRESSES, (first, 2), (second, 2)]
    found = [one(fields, [1, 2, *pair])[name].tolist() for pair in ((3, 4), (0, 4), (3, 0))]
    assert found == [[3], [4], [3]]


@pytest.mark.parametrize("version", [1, 5, 7])
def test_old_versions_have_their_fields(version):
    optional = only(asked(OPTIONAL, legacy(version, records=2))).optional
    routes = [[65001] * 2, [65002] * 2, [24] * 2, [16] * 2] if version > 1 else [[0] * 2] * 4
    names = ("src_as", "dst_as", "src_mask", "dst_mask")
    assert [optional[name].tolist() for name in names] == routes
    assert optional["tos"].tolist() == [8] * 2


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ([(32, 2)], [0x0301]),
        ([(139, 2)], [0x0301]),
        ([(176, 1), (177, 1)], [3, 1]),
        ([(178, 1), (179, 1)], [3, 1]),
        ([(11, 2)], [0x0301]),
        ([(32, 2), (11, 2)], [0x0301, 5]),
        ([(32, 2), (139, 2), (11, 2)], [0, 0x0301, 5]),
        ([(176, 1), (177, 1), (32, 2)], [0, 0, 0x0301]),
    ],
)
def test_icmp_is_type_and_code(fields, values):
    assert one([*ADDRESSES, *fields], [1, 2, *values])["icmp"].tolist() == [0x0301]


@pytest.mark.parametrize(("src", "dst"), [(225, 226), (40001, 40002)])
def test_addresses_after_nat_are_as_exported(src, dst):
    optional = one([*ADDRESSES, (src, 4), (dst, 4)], [1, 2, 0, 9])
    assert [optional[name].tolist() for name in ("nat_src", "nat_dst")] == [[0], [9]]


def test_addresses_after_nat_of_family_6():
    fields = [*SIX, (281, 16), (282, 16), (225, 4)]
    values = [1, 2, 6, 100, 1, 5 << 64 | 6, 0, 7]
    flows = asked(OPTIONAL, message(10, template(256, fields), data(256, record(fields, values))))
    optional = only(flows).optional
    assert optional["nat_src"].tolist() == [[0, 0xFFFF00000000 | 7]]
    assert optional["nat_dst"].tolist() == [[0, 0]]
    fields = fields[:-1]
    values[-1:] = []
    flows = asked(OPTIONAL, message(10, template(256, fields), data(256, record(fields, values))))
    assert only(flows).optional["nat_src"].tolist() == [[5, 6]]


def test_families_and_layouts_are_kept_apart():
    both = [*ADDRESSES, (27, 16), (28, 16), (5, 1)]
    other = [*ADDRESSES, (16, 4)]
    four, six = record(both, [1, 2, 0, 0, 4]), record(both, [0, 0, 1, 2, 6])
    sets = template(256, both), template(257, other)
    sets += data(256, four, six, four), data(257, record(other, [1, 2, 65001]))
    flows = asked({"tos", "src_as", "nat_src"}, message(10, *sets)).flows
    tos, numbers = ([part.optional[name].tolist() for part in flows] for name in ("tos", "src_as"))
    assert tos == [[4, 4, 0], [6]]
    assert numbers == [[0, 0, 65001], [0]]
    assert [part.optional["nat_src"].shape for part in flows] == [part.src.shape for part in flows]


@given(st.sets(st.sampled_from(sorted(OPTIONAL))), st.binary(max_size=60))
def test_no_record_can_hurt(wanted, octets):
    elements = [BY_NAME[name].number for name in ("icmpTypeCodeIPv4", "ipClassOfService")]
    fields = [*ADDRESSES, *((number, 1 + len(octets) % 9) for number in elements)]
    decoded = asked(wanted, message(10, template(256, fields), data(256, octets)))
    assert all(
        len(column) == len(part) for part in decoded.flows for column in part.optional.values()
    )
