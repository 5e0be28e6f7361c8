"""Which prefixes are inside: sites whose networks are known, seen through their flows."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsleuth.config import Config
from flowsleuth.config.settings import PRIVATE
from flowsleuth.decode.flows import MAPPED_PREFIX
from flowsleuth.demo.encode import FlowColumns
from flowsleuth.demo.export import Site, merge
from flowsleuth.demo.world import NETWORKS, OUTSIDE_V4, OUTSIDE_V6
from flowsleuth.pipeline import sightings
from flowsleuth.pipeline.sightings import ELSEWHERE, IPV6_BLOCK, Tally, block_of, is_private
from flowsleuth.pipeline.suggest import MOST, suggest

from .made import SECOND, START, batches, datagrams, heard

LAN, WAN = 1, 2


def halves(text):
    address = ip_address(text)
    value = int(address)
    return (0, MAPPED_PREFIX + value) if address.version == 4 else (value >> 64, value % 2**64)


def capture(flows, exporter="192.0.2.1"):
    """Batches of one v9 exporter; a flow is (source, destination, bytes, ingress, egress)."""
    n = len(flows)
    source, target, octets, ingress, egress = zip(*flows, strict=True)
    end = START + np.arange(n) * SECOND // 100
    is_v6 = np.array([":" in text for text in source])

    def ends(texts):
        pairs = np.array([halves(text) for text in texts], np.uint64)
        pairs[~is_v6, 1] -= np.uint64(MAPPED_PREFIX)
        return pairs

    columns = FlowColumns(
        is_v6=is_v6,
        src=ends(source),
        dst=ends(target),
        src_port=np.full(n, 50_000),
        dst_port=np.full(n, 443),
        protocol=np.full(n, 6),
        tcp_flags=np.full(n, 0x1B),
        in_if=np.array(ingress),
        out_if=np.array(egress),
        bytes=np.array(octets),
        packets=np.full(n, 2),
        start_ns=end - SECOND,
        end_ns=end,
    )
    return batches(heard({exporter: datagrams(columns, (end // SECOND + 1) * SECOND)}), 50)


def talk(inside, outside, octets=1000, lan=0, wan=0):
    """Flows both ways."""
    return [(inside, outside, octets, lan, wan), (outside, inside, 3 * octets, wan, lan)]


def found(flows, *, sure=True):
    suggestions = suggest(Config(), capture(flows))
    return {str(s.prefix) for s in suggestions.found if s.sure or not sure}


def outsiders(count, seed=1):
    rng = np.random.default_rng(seed)
    return [str(IPv4Address(int(a))) for a in rng.integers(0x50000000, 0x60000000, count)]


def test_nothing_is_suggested_of_nothing():
    assert suggest(Config(), []) is None


def test_private_addresses_that_send_are_inside():
    flows = [f for peer in outsiders(40) for f in talk("10.1.2.3", peer)]
    flows += [("10.1.2.4", "10.77.1.1", 40, 0, 0)]  # nobody answers there
    assert found(flows) == {"10.1.2.0/24"}


@pytest.mark.parametrize(
    ("hosts", "prefixes"),
    [
        (["10.1.2.3", "10.1.3.4"], {"10.1.2.0/23"}),
        (["10.1.2.3", "10.1.4.4"], {"10.1.2.0/24", "10.1.4.0/24"}),
        ([f"10.1.{i}.9" for i in range(6)], {"10.1.0.0/21"}),
        ([f"10.1.{i}.9" for i in range(0, 256, 40)], {"10.1.0.0/16"}),
        (["192.168.1.1", "100.64.3.1"], {"192.168.1.0/24", "100.64.3.0/24"}),
        (["fd00:1:2::1"], {"fd00:1:2::/64"}),
        (["fd00:1:2:5::1", "fd00:1:2:77::1"], {"fd00:1:2::/56"}),
        (["fd00:1:2:5::1", "fd00:1:2:777::1"], {"fd00:1:2::/48"}),
    ],
)  # fmt: skip
def test_prefixes_are_as_long_as_their_use_lets(hosts, prefixes):
    outside = ["2a01:db8::7" if ":" in host else "80.0.0.1" for host in hosts]
    flows = [f for host, peer in zip(hosts, outside, strict=True) for f in talk(host, peer)]
    assert found(flows) == prefixes


def test_public_prefixes_with_many_peers_are_inside_and_their_peers_are_not():
    inside = [f"203.0.{113 + i % 3}.{1 + i}" for i in range(30)]
    flows = [f for i, peer in enumerate(outsiders(300)) for f in talk(inside[i % 30], peer)]
    popular = [f for host in inside for f in talk(host, "151.101.1.1", 10**7)]
    assert found(flows + popular) == {"203.0.113.0/24", "203.0.114.0/23"}


def test_who_scans_us_is_not_inside():
    flows = [f for i, peer in enumerate(outsiders(60)) for f in talk(f"203.0.113.{i}", peer)]
    scan = [("198.51.100.7", str(IPv4Address(0xCB007100 + 7 * i)), 40, 0, 0) for i in range(999)]
    assert found(flows + scan) == {"203.0.113.0/24"}
    assert "198.51.100.7/32" not in found(flows + scan, sure=False)


def test_one_public_address_beside_private_ones_is_nats():
    flows = [f for peer in outsiders(60) for f in talk("192.168.1.9", peer)]
    flows += [f for peer in outsiders(60) for f in talk("203.0.113.7", peer)]
    assert found(flows) == {"192.168.1.0/24", "203.0.113.7/32"}


def test_an_interface_tells_where_peers_cannot():
    """Six hosts inside, and all peers in one block: it has the most peers, and is outside."""
    flows = []
    for i in range(6):
        flows += talk(f"2001:db8:{i}::1", "2001:db8:ff00::1", lan=LAN, wan=WAN)
        flows += talk(f"10.{i}.0.1", "80.0.0.1", 5000, lan=LAN, wan=WAN)
        flows += talk(f"10.{i}.0.1", "80.0.0.1", 5000, lan=LAN, wan=WAN)
    assert found(flows) == {f"10.{i}.0.0/24" for i in range(6)} | {
        f"2001:db8:{i:x}::/64" if i else "2001:db8::/64" for i in range(6)
    }


def test_a_guess_is_called_one():
    flows = [f for i in range(3) for f in talk("203.0.113.1", f"80.0.{i}.1")]
    assert found(flows) == set()
    assert found(flows, sure=False) == {"203.0.113.1/32"}
    assert found(talk("203.0.113.1", "198.51.100.1"), sure=False) == set()


def test_what_is_no_network_is_none():
    odd = ["127.0.0.1", "224.0.0.251", "169.254.1.1", "0.0.0.0", "255.255.255.255"]
    flows = [f for address in odd for f in talk(address, "80.0.0.1")]
    flows += [f for address in ("fe80::1", "ff02::1", "::1") for f in talk(address, "2a01::1")]
    assert found(flows, sure=False) == set()


def test_the_largest_come_first_and_the_rest_is_counted():
    flows = [f for i in range(MOST + 5) for f in talk(f"10.{i}.0.1", "80.0.0.1", 1000 + i)]
    flows += [("80.0.0.1", "81.0.0.1", 10_000, 0, 0)]
    suggestions = suggest(Config(), capture(flows))
    assert len(suggestions.found) == MOST
    assert suggestions.more == 5
    assert str(suggestions.found[0].prefix) == f"10.{MOST + 4}.0.0/24"
    total = sum(octets for _, _, octets, _, _ in flows)
    assert suggestions.rest == pytest.approx(10_000 / total)
    assert suggestions.found[0].share == pytest.approx(4 * (1000 + MOST + 4) / total)
    assert suggestions.found[0].hosts == suggestions.found[0].peers == 1
    inside = sum(s.share for s in suggestions.found) + suggestions.more_share
    assert inside + suggestions.rest == pytest.approx(1)


def test_a_scan_of_millions_is_forgotten_first(monkeypatch):
    monkeypatch.setattr(sightings, "MOST_ROWS", 200)
    flows = [f for peer in outsiders(50) for f in talk("10.1.2.3", peer)]
    flows += [("10.1.2.3", str(IPv4Address(0x60000000 + 300 * i)), 40, 0, 0) for i in range(2000)]
    assert found(flows) == {"10.1.2.0/24"}


def test_the_demos_networks_are_found():
    batch = merge(list(Site(1_790_000_000 * SECOND, 3, days=1).history()))
    suggestions = suggest(Config(), [batch])
    prefixes = [s.prefix for s in suggestions.found if s.sure]
    known = [p for network in NETWORKS for p in (network.v4, network.v6) if p]
    assert len(prefixes) == len(known)
    for prefix in prefixes:
        assert sum(prefix.version == k.version and prefix.subnet_of(k) for k in known) == 1
        assert not any(
            prefix.overlaps(o) for o in (OUTSIDE_V4, OUTSIDE_V6) if o.version == prefix.version
        )
    assert suggestions.rest == 0


@given(st.integers(1, 2**32 - 1) | st.integers(2**96, 2**128 - 2))
def test_blocks_are_those_of_the_addresses(value):
    address = IPv4Address(value) if value < 2**32 else IPv6Address(value)
    pair = halves(str(address))
    high, low = (np.array([half], np.uint64) for half in pair)
    block = int(block_of(high, low)[0])
    odd = (
        address.is_multicast or address.is_loopback or address.is_link_local
        or (address.version == 4 and (value >= 240 << 24 or value < 1 << 24))
    )  # fmt: skip
    if odd:
        assert block == ELSEWHERE
        return
    assert block == (value >> 8 if address.version == 4 else value >> 80 | IPV6_BLOCK)
    private = any(address in p for p in PRIVATE.prefixes if p.version == address.version)
    assert bool(is_private(np.array([block], np.uint64))[0]) == private


@pytest.mark.parametrize("prefix", PRIVATE.prefixes)
def test_private_blocks_end_where_their_prefixes_do(prefix):
    for address in (prefix[0], prefix[-1], prefix[0] - 1, prefix[-1] + 1):
        high, low = (np.array([half], np.uint64) for half in halves(str(address)))
        block = block_of(high, low)
        assert bool(is_private(block)[0]) == (address in prefix)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 99)), max_size=40))
def test_a_tally_is_a_sum(rows):
    tally, sums = Tally(1, 1), {}
    for key, value in rows:
        tally.add([np.array([key], np.uint64)], np.array([[value]]))
        sums[key] = sums.get(key, 0) + value
    tally.settle()
    assert dict(zip(tally.keys[0].tolist(), tally.sums[:, 0].tolist(), strict=True)) == sums


def test_networks_of_the_configuration_do_not_count_but_rates_do():
    flows = [f for peer in outsiders(5) for f in talk("10.1.2.3", peer)]
    config = Config.model_validate(
        {
            "networks": [{"name": "Every", "prefixes": ["0.0.0.0/0"]}],
            "exporters": {"192.0.2.1": {"sampling": 100}},
        }
    )
    plain, scaled = (suggest(c, capture(flows)) for c in (Config(), config))
    assert [s.prefix for s in scaled.found] == [ip_network("10.1.2.0/24")]
    assert scaled == plain  # shares: a common rate changes none
