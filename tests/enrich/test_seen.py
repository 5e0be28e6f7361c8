"""What a filter sees of decoded flows, and of what their responders sent."""

import numpy as np
from decode.wire import ADDRESSES, data, message, record, template

from flowsleuth.decode.decoder import Decoder
from flowsleuth.decode.optional import OPTIONAL as DECODED
from flowsleuth.enrich.seen import reversed_of, seen_of, wanted_by
from flowsleuth.filters.columns import OPTIONAL
from flowsleuth.filters.filter import Filter
from flowsleuth.receive.datagrams import NO_RECEIPT, Datagrams, Sources

FIELDS = [*ADDRESSES, (7, 2), (11, 2), (10, 4), (14, 4), (4, 1), (6, 1), (5, 1), (16, 4), (17, 4)]
FIELDS += [(231, 4), (232, 4), (298, 4), (299, 4), (225, 4), (226, 4), (61, 1), (129, 4)]
VALUES = [0x0A000001, 0x0A000002, 1000, 80, 3, 4, 6, 2, 9, 65001, 65002]
VALUES += [100, 200, 10, 20, 0, 0xC0000201, 1, 65003]


def flows_of(wanted):
    sets = template(256, FIELDS, 9), data(256, record(FIELDS, VALUES))
    sources = Sources()
    item = (message(9, *sets), sources.number("192.0.2.1", 2055), NO_RECEIPT)
    (flows,) = Decoder(wanted=wanted).decode(Datagrams.pack([item], sources)).flows
    return flows


def test_a_decoder_is_asked_for_what_filters_read():
    texts = ("port 80 and not tos 3", "src nip 10.0.0.1 or icmp-code 1", "out bytes > 1", "dir 1")
    assert wanted_by(map(Filter, texts)) == {"tos", "nat_src", "icmp"}
    assert wanted_by([]) == frozenset()


def test_every_column_that_a_filter_can_read_has_its_source():
    always = {"out_bytes", "out_packets", "flow_direction"}
    assert {name.replace("nat_", "post_") for name in DECODED} | always == OPTIONAL | {
        "post_src_port",
        "post_dst_port",
    }


def test_sees_the_record():
    flows = flows_of(DECODED)
    assert flows.reverse_bytes is not None
    back = flows.reverse_bytes * 2, flows.reverse_packets * 2
    seen = seen_of(flows, flows.bytes * 2, flows.packets * 2, back)
    for text in (
        "src ip 10.0.0.1 and dst ip 10.0.0.2 and src port 1000 and dst port 80",
        "in if 3 and out if 4 and tcp and flags S and tos 9 and flowdir egress",
        "src as 65001 and dst as 65002 and prev as 65003 and next as 0",
        "bytes 200 and packets 20 and out bytes 400 and out packets 40",
        "src nip 0.0.0.0 and dst nip 192.0.2.1",
    ):
        assert Filter(text).matches(seen).tolist() == [True], text


def test_sees_what_the_responder_sent():
    flows = flows_of(DECODED)
    assert flows.reverse_bytes is not None
    back = flows.reverse_bytes, flows.reverse_packets
    seen = reversed_of(seen_of(flows, flows.bytes, flows.packets, back), *back)
    for text in (
        "src ip 10.0.0.2 and dst ip 10.0.0.1 and src port 80 and dst port 1000",
        "in if 4 and out if 3 and tcp and flags 0 and tos 9",
        "src as 65002 and dst as 65001 and prev as 0 and next as 65003",
        "bytes 200 and packets 20 and out bytes 100 and out packets 10",
        "src nip 192.0.2.1 and dst nip 0.0.0.0",
    ):
        assert Filter(text).matches(seen).tolist() == [True], text


def test_without_optional_columns_they_are_zero():
    flows = flows_of(())
    seen = seen_of(flows, flows.bytes, flows.packets)
    assert Filter("tos 0 and src as 0 and out bytes 0 and nip 0.0.0.0").matches(seen).all()
    both = reversed_of(seen, flows.bytes, flows.packets)
    assert np.array_equal(both.out_bytes, flows.bytes)
