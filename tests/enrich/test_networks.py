"""Lookups of columns against the standard library's `ipaddress`, one address at a time."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsleuth.decode.flows import UNKNOWN_ADDRESS
from flowsleuth.enrich.networks import NO_NETWORK, Networks, spans
from flowsleuth.errors import ConfigError

HALF = 2**64 - 1


def networks(*prefixes: str) -> Networks:
    return Networks([(f"n{i}", [ip_network(p)]) for i, p in enumerate(prefixes)])


def find(table: Networks, *addresses) -> list[int]:
    """Look up addresses of both families; give the answers in their order."""
    answers = []
    for address in map(ip_address, addresses):
        number = int(address)
        if address.version == 4:
            answers += table.lookup4(np.array([number], np.uint32)).tolist()
        else:
            pair = np.array([[number >> 64, number & HALF]], np.uint64)
            answers += table.lookup6(pair).tolist()
    return answers


def expected(prefixes, address) -> int:
    """Brute force: the longest of the prefixes which hold the address."""
    address = getattr(address, "ipv4_mapped", None) or address
    holding = [(n.prefixlen, i) for i, n in enumerate(prefixes) if address in n]
    return max(holding)[1] if holding else NO_NETWORK


@st.composite
def prefixes(draw, bits: int):
    """Prefixes that nest and touch: their addresses come from few bits, their lengths from all."""
    kind = ip_network("0.0.0.0/0" if bits == 32 else "::/0").__class__
    length = draw(st.integers(0, bits))
    base = draw(st.sampled_from([0, 1 << bits - 1, (1 << bits) - 1, 0x20010DB8 << bits - 32]))
    number = base ^ draw(st.integers(0, 3)) << draw(st.integers(0, bits - 2))
    return kind((number >> (bits - length) << (bits - length), length))


def edges(kind, nets, extra):
    """The first and last address of each prefix, the neighbours outside, and `extra`."""
    top = (1 << kind(0).max_prefixlen) - 1
    near = {int(n[0]) + d for n in nets for d in (-1, 0, 1)}
    near |= {int(n[-1]) + d for n in nets for d in (-1, 0, 1)}
    return [kind(number) for number in sorted(near | extra) if 0 <= number <= top]


@given(st.lists(prefixes(32), unique=True, max_size=12), st.sets(st.integers(0, 2**32 - 1)))
def test_ipv4_agrees_with_ipaddress(nets, extra):
    table = Networks([(str(i), [n]) for i, n in enumerate(nets)])
    asked = edges(IPv4Address, nets, extra)
    found = table.lookup4(np.array([int(a) for a in asked], np.uint32))
    assert found.dtype == np.int32
    assert found.tolist() == [expected(nets, a) for a in asked]


def is_mapped(net) -> bool:
    """Such a prefix is one of IPv4, which the brute force does not know."""
    return net.subnet_of(IPv6Network("::ffff:0:0/96"))


@given(
    st.lists(prefixes(128).filter(lambda n: not is_mapped(n)), unique=True, max_size=12),
    st.lists(prefixes(32), unique=True, max_size=3),
    st.sets(st.integers(0, 2**128 - 1)),
)
def test_ipv6_agrees_with_ipaddress(v6, v4, extra):
    nets = v6 + v4
    table = Networks([(str(i), [n]) for i, n in enumerate(nets)])
    mapped = {0xFFFF00000000 + int(n[0]) for n in v4}
    asked = edges(IPv6Address, v6, extra | mapped)
    asked = [a for a in asked if int(a) != 2**128 - 1]  # UNKNOWN_ADDRESS: a test of its own
    pairs = np.array([[int(a) >> 64, int(a) & HALF] for a in asked], np.uint64).reshape(-1, 2)
    assert table.lookup6(pairs).tolist() == [expected(nets, a) for a in asked]


def test_the_longest_prefix_wins_in_whatever_order():
    nested = ("10.1.0.0/16", "10.0.0.0/8", "10.1.2.0/24", "10.1.2.3/32")
    table = networks(*nested)
    asked = ("10.1.2.3", "10.1.2.4", "10.1.3.0", "10.2.0.0", "11.0.0.0")
    assert find(table, *asked) == [3, 2, 0, 1, NO_NETWORK]
    turned = networks(*reversed(nested))
    assert find(turned, *asked) == [0, 1, 3, 2, NO_NETWORK]


def test_prefixes_longer_than_64_bits_are_exact():
    table = networks("2001:db8::/64", "2001:db8::1:0/112", "2001:db8::1:7/128")
    assert find(table, "2001:db8::1:7", "2001:db8::1:8", "2001:db8::2:0", "2001:db8:0:1::") == [
        2,
        1,
        0,
        NO_NETWORK,
    ]


def test_one_network_has_many_prefixes():
    table = Networks(
        [("Green", [ip_network("10.1.0.0/16"), ip_network("2001:db8:1::/48")]), ("Blue", [])]
    )
    assert table.names == ("Green", "Blue")
    assert find(table, "10.1.0.1", "2001:db8:1::1", "10.2.0.1") == [0, 0, NO_NETWORK]


def test_mapped_addresses_and_prefixes_are_ipv4():
    table = networks("10.0.0.0/8", "::ffff:192.0.2.0/120", "::/0")
    assert find(table, "::ffff:10.1.2.3", "192.0.2.1", "::ffff:192.0.2.1") == [0, 1, 1]
    assert find(table, "::ffff:11.0.0.1", "::fffe:10.1.2.3") == [NO_NETWORK, 2]


def test_an_unknown_address_is_in_no_network():
    for table in (networks(), networks("::/0"), networks("ff00::/8")):
        assert table.lookup6(UNKNOWN_ADDRESS[None, :]).tolist() == [NO_NETWORK]
    assert find(networks("::/0"), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe") == [0]


def test_without_networks_and_without_addresses():
    assert find(networks(), "10.0.0.1", "::1") == [NO_NETWORK] * 2
    assert networks("10.0.0.0/8").lookup4(np.zeros(0, np.uint32)).tolist() == []
    assert networks("::/0").lookup6(np.zeros((0, 2), np.uint64)).tolist() == []


def test_a_prefix_in_two_networks_is_refused():
    net = ip_network("10.1.0.0/16")
    with pytest.raises(ConfigError, match=r"10\.1\.0\.0/16 stands in Green and in Blue"):
        Networks([("Green", [net]), ("Blue", [net])])
    assert Networks([("Green", [net, net])]).names == ("Green",)


def test_ten_thousand_nested_prefixes_of_both_families():
    random = np.random.default_rng(3)
    rows = random.integers(0, 2**63, (5000, 2)).tolist()
    nets = set()
    for (a, b), n4, n6 in zip(
        rows, random.integers(8, 33, 5000).tolist(), random.integers(20, 129, 5000), strict=True
    ):
        nets.add(IPv4Network((a >> 31, n4), strict=False))
        nets.add(IPv6Network((0x2001 << 112 | a >> 15 << 64 | b, int(n6)), strict=False))
    nets = sorted(nets, key=str)
    table = Networks([(str(i), [n]) for i, n in enumerate(nets)])
    for index in random.choice(len(nets), 40, replace=False):
        first, last = nets[index][0], nets[index][-1]
        assert find(table, first, last) == [expected(nets, first), expected(nets, last)]
    held = sum(level.nbytes for level in table._levels)
    assert held < 50e6


def test_spans_are_what_is_left_of_each_network():
    held = spans(
        [
            ("Green", [ip_network("10.0.0.0/24"), ip_network("2001:db8::/32")]),
            ("Sub", [ip_network("10.0.0.128/25"), ip_network("2001:db8:0:1::/64")]),
            ("Next", [ip_network("10.0.1.0/24"), ip_network("10.0.2.0/24"), ip_network("::/0")]),
            ("Hidden", [ip_network("10.0.0.0/25")]),
        ]
    )
    base, v6 = 10 << 24, 0x20010DB8 << 96
    assert held == [
        [(6, v6, v6 + 2**64 - 1), (6, v6 + 2**65, v6 + 2**96 - 1)],
        [(4, base + 128, base + 255), (6, v6 + 2**64, v6 + 2**65 - 1)],
        [(4, base + 256, base + 767), (6, 0, v6 - 1), (6, v6 + 2**96, 2**128 - 1)],
        [(4, base, base + 127)],
    ]
