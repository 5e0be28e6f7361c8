"""What a filter means where nfdump has nothing to compare with, and what it is as an object."""

import pickle

import numpy as np
import pytest

from flowsleuth.filters.columns import OPTIONAL, Seen, numbers
from flowsleuth.filters.filter import Filter

from .records import MAPPED, seen_of_rows

TCP, UDP, ICMP, ICMP_6 = 6, 17, 1, 58


def chosen(text: str, *rows: dict, family: int = 4) -> list[int]:
    """Return the numbers of the rows that a filter chooses."""
    return np.flatnonzero(Filter(text).matches(seen_of_rows(rows, family))).tolist()


def test_a_filter_is_its_text():
    one, same, other = Filter("port 80"), Filter("port 80"), Filter("port  80")
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != "port 80"
    assert repr(one) == "Filter('port 80')"
    assert pickle.loads(pickle.dumps(one)) == one


def test_a_filter_does_not_change():
    one = Filter("port 80")
    with pytest.raises(AttributeError, match="does not change: text"):
        one.text = "port 81"


def test_a_filter_of_another_process_chooses_the_same():
    copy = pickle.loads(pickle.dumps(Filter("src ip in [10.0.0.1 10.2.0.0/16] and not flags SA")))
    rows = [{"src": 0x0A000001}, {"src": 0x0A020304, "tcp_flags": 2}, {"src": 5}]
    rows = [row | {"protocol": TCP} for row in rows]
    assert np.flatnonzero(copy.matches(seen_of_rows(rows))).tolist() == [0]


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("port 80 and bytes > 1M and ip 10.0.0.1", set()),
        ("any", set()),
        ("ipv4", set()),
        ("not src as 5", {"src_as"}),
        ("tos 4 or src and dst tos 5", {"tos", "dst_tos"}),
        ("icmp-type 8 or icmp-code 3", {"icmp"}),
        ("not flags S", set()),
        ("flowdir egress", {"flow_direction"}),
        ("xip 10.0.0.1 and nport 5", {"post_src", "post_dst", "post_src_port", "post_dst_port"}),
        ("as in [1 2] and next as 3", {"src_as", "dst_as", "next_as"}),
        ("out bytes > 1", {"out_bytes"}),
    ],
)
def test_needs_the_optional_columns_that_it_reads(text, needs):
    assert Filter(text).needs == needs
    assert needs <= OPTIONAL


@pytest.mark.parametrize("name", sorted(OPTIONAL - {"post_src", "post_dst"}))
def test_a_column_that_nobody_made_is_zero(name):
    seen = seen_of_rows([{}, {}])
    setattr(seen, name, None)
    assert numbers(seen, name).tolist() == [0, 0]


@pytest.mark.parametrize("family", [4, 6])
def test_addresses_after_nat_that_nobody_made_are_zero(family):
    seen = seen_of_rows([{}, {}], family)
    seen.post_src = seen.post_dst = None
    zero = {4: "0.0.0.0", 6: "::"}[family]
    assert Filter(f"nip {zero}").matches(seen).tolist() == [True, True]
    assert Filter("nip 10.0.0.1").matches(seen).tolist() == [False, False]


def test_protocols_have_short_and_iana_names():
    rows = [{"protocol": p} for p in (TCP, UDP, ICMP, ICMP_6, 41, 89, 4, 256)]
    assert chosen("tcp", *rows) == [0]
    assert chosen("UDP or Icmp", *rows) == [1, 2]
    assert chosen("proto ipv6-icmp", *rows) == chosen("proto ICMP6", *rows) == [3]
    assert chosen("proto ipv6", *rows) == [4]
    assert chosen("proto ospf", *rows) == chosen("proto ospfigp", *rows) == [5]
    assert chosen("proto ipip", *rows) == [6]
    assert chosen("proto in [ tcp 17 esp ]", *rows) == [0, 1]
    assert chosen("proto > 88 and proto <= 255", *rows) == [5]


def test_not_before_flags_means_none_of_them():
    rows = [{"protocol": TCP, "tcp_flags": flags} for flags in (0, 2, 16, 18, 0x102)]
    rows.append({"protocol": UDP, "tcp_flags": 18})
    assert chosen("flags SA", *rows) == [3]
    assert chosen("not flags SA", *rows) == [0, 5]
    assert chosen("not not flags SA", *rows) == [3]
    assert chosen("not (flags SA or proto udp)", *rows) == [0]
    assert chosen("not flags = 18", *rows) == [0, 1, 2, 4, 5]
    assert chosen("flags sa", *rows) == chosen("flags as", *rows) == [3]
    assert chosen("flags = 2", *rows) == [1, 4]


def test_lists_may_overlap_and_have_commas():
    rows = [{"src": 0x0A000001}, {"src": 0x0A050505}, {"src": 0x0B000000}]
    assert chosen("src ip in [10.0.0.1, 10.0.0.0/8, 10.5.0.0/16]", *rows) == [0, 1]
    assert chosen("src ip in [0.0.0.0/0]", *rows) == [0, 1, 2]
    assert chosen("src ip in [11.0.0.0/32,2001:db8::/32]", *rows) == [2]


def test_every_number_can_be_listed_and_compared():
    rows = [{"in_if": i, "bytes": 10**i, "src_mask": i} for i in range(5)]
    assert chosen("in if in [1 3]", *rows) == [1, 3]
    assert chosen("in if > 2", *rows) == [3, 4]
    assert chosen("bytes in [1 100 18446744073709551615 257]", *rows) == [0, 2]
    assert chosen("flows in [257 513]", *rows) == []
    assert chosen("bytes < 18446744073709551615", *rows) == [0, 1, 2, 3, 4]
    assert chosen("src mask in [4, 255]", *rows) == [4]


def test_a_netmask_need_not_be_a_prefix():
    rows = [{"src": 0x0A000105}, {"src": 0x0A630105}, {"src": 0x0A630205}]
    assert chosen("src net 10.0.1.5 255.0.255.255", *rows) == [0, 1]


def test_numbers_are_decimal_hexadecimal_or_scaled():
    rows = [{"bytes": n} for n in (31, 2000, 3 * 10**6, 4 * 10**9, 5 * 10**12)]
    texts = ("0x1F", "2k", "3M", "4g", "5T")
    assert [chosen(f"bytes {text}", *rows) for text in texts] == [[0], [1], [2], [3], [4]]


def test_leading_zeros_are_decimal():
    assert chosen("src ip 010.000.0.01", {"src": 0x0A000001}) == [0]


def test_rates_of_records_without_duration_are_zero():
    second = {"end_ns": 10**9}
    rows = [
        {"bytes": 999, "packets": 9},
        {"bytes": 1001, "packets": 10} | second,
        {"bytes": 5, "packets": 0, "start_ns": 10**9},
        {"bytes": 2**53 - 1, "packets": 2**53 - 1, "end_ns": 10**6},
    ]
    assert chosen("bps 0 and pps 0", *rows) == [0, 2]
    assert chosen("bps 8008 and pps = 10 and bpp 100", *rows) == [1]
    assert chosen("bpp 0", *rows) == [2]
    assert chosen("duration 0", *rows) == [0, 2]
    assert chosen("bps > 1t and pps > 1t", *rows) == [3]


def test_duration_counts_whole_milliseconds_of_both_ends():
    row = {"start_ns": 1_999_999, "end_ns": 2_000_000}
    assert chosen("duration 1", row) == [0]


def test_icmp_words_imply_icmp():
    rows = [{"protocol": p, "icmp": 0x0301} for p in (ICMP, ICMP_6, UDP)]
    assert chosen("icmp-type 3 and icmp-code 1", *rows) == [0, 1]
    assert chosen("not icmp-type 3", *rows) == [2]


def test_a_direction_that_is_not_told_is_ingress():
    rows = [{"flow_direction": d} for d in (0, 1, 255)]
    assert chosen("flowdir ingress", *rows) == [0, 2]
    assert chosen("dir EGRESS", *rows) == [1]


def test_ipv6_addresses_match_as_a_whole():
    half = 1 << 64
    rows = [{"src": a} for a in (5 * half + 7, 5 * half + 8, 6 * half + 7, 7)]
    assert chosen("src ip 0:0:0:5::7", *rows, family=6) == [0]
    assert chosen("src ip in [0:0:0:5::8 0:0:0:6::7]", *rows, family=6) == [1, 2]
    assert chosen("src ip in [::7 0:0:0:6::/64]", *rows, family=6) == [2, 3]
    assert chosen("src net 0:0:0:4::/63", *rows, family=6) == [0, 1]
    assert chosen("src net ::/0", *rows, family=6) == [0, 1, 2, 3]
    assert chosen("src net ::/0", {"src": 7}) == []
    assert chosen("src ip 0.0.0.7", *rows, family=6) == []


def test_an_ipv4_end_of_an_ipv6_record_is_an_ipv4_address():
    rows = [{"src": MAPPED + 0x0A000001}, {"src": 0x0A000001}, {"src": MAPPED + 0x0A000002}]
    for text in ("src ip 10.0.0.1", "src ip ::ffff:10.0.0.1", "src ip in [10.0.0.1 10.0.0.9]"):
        assert chosen(text, *rows, family=6) == [0]
    assert chosen("src net 10.0.0.0/8", *rows, family=6) == [0, 2]
    assert chosen("src net ::ffff:10.0.0.0/104", *rows, family=6) == [0, 2]
    assert chosen("src net ::ffff:10.0.0.0/104", {"src": 0x0A000001}) == [0]


def test_families():
    assert chosen("ipv4", {}) == chosen("inet", {}) == [0]
    assert chosen("ipv6", {}) == chosen("inet6", {}) == []
    assert chosen("ipv6", {}, family=6) == [0]


def test_precedence_and_comments():
    rows = [{"protocol": p, "dst_port": d} for p in (TCP, UDP) for d in (53, 80)]
    assert chosen("tcp or udp and dst port 80", *rows) == [0, 1, 3]
    assert chosen("(tcp or udp) and dst port 80", *rows) == [1, 3]
    assert chosen("not tcp and dst port 80", *rows) == [3]
    assert chosen("# web\ntcp # not udp\n&& dst port 80 #", *rows) == [1]


def test_no_records_are_no_answer():
    for family in (4, 6):
        seen = seen_of_rows([], family)
        assert isinstance(seen, Seen)
        for text in ("any", "ip in [10.0.0.1 ::1 ::2]", "bps > 1", "port in [1 2]", "flags S"):
            assert Filter(text).matches(seen).tolist() == []
