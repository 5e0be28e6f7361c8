"""Which keys get points, and what these say, against dictionaries: no key is lost on the way.

The prefilter works with 8 buckets here and with pieces of 4 rows, so that nearly everything
collides and every address stands in a piece of its own. The share is a power of two: then sums
and quotients round alike, and the sets must be equal.
"""

from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowsleuth.aggregate import digesting, pieces
from flowsleuth.aggregate.aggregator import Settings
from flowsleuth.aggregate.fold import Limits
from flowsleuth.protocols import NAMES

from .driving import Driven, network_of
from .reference import sides
from .traffic import NOW, SECOND, record

WINDOW = 60 * SECOND
SHARE = 1 / 8
ALL = Limits(10_000, 10_000, 10_000, SHARE)

INSIDE = [f"10.1.0.{i}" for i in range(6)] + ["10.2.0.1", "2001:db8:1::1"]
ANY = [*INSIDE, *(f"192.0.2.{i}" for i in range(4)), "2001:db8:9::1"]


@pytest.fixture(autouse=True, params=[(3, 4), (17, 65_536)], ids=["tiny", "shipped"])
def _sizes(request, monkeypatch):
    monkeypatch.setattr(digesting, "BUCKET_BITS", request.param[0])
    monkeypatch.setattr(pieces, "PIECE", request.param[1])


@st.composite
def windows_of_records(draw):
    """Some windows, one after another, of records that end and start in one instant of it."""
    windows = []
    for number in range(draw(st.integers(1, 3))):
        at = (NOW // WINDOW + number) * WINDOW + SECOND
        size = draw(st.sampled_from([0, 1, 3, 8, 20, 40]))
        windows.append(
            [
                record(
                    src=draw(st.sampled_from(INSIDE)),
                    dst=draw(st.sampled_from(ANY)),
                    protocol=draw(st.sampled_from([6, 17])),
                    dst_port=draw(st.sampled_from([22, 53, 443])),
                    bytes=draw(st.integers(1, 100)) * draw(st.sampled_from([1, 1, 1, 2**43])),
                    packets=draw(st.integers(1, 9)),
                    tcp_flags=draw(st.sampled_from([2, 18])),
                    start_ns=at,
                    end_ns=at,
                    received_ns=at,
                    export_ns=at,
                )
                for _ in range(size)
            ]
        )
    return windows


@dataclass
class Sums:
    bytes: int = 0
    packets: int = 0
    flows: int = 0
    syn_only: int = 0
    peers: set = field(default_factory=set)
    ports: set = field(default_factory=set)

    def add(self, other):
        self.bytes += other.bytes
        self.packets += other.packets
        self.flows += other.flows

    @property
    def counts(self):
        return self.bytes, self.packets, self.flows


class Reference:
    """Remembers which series it gave, as the budget does when there is room for all."""

    def __init__(self):
        self.series = defaultdict(set)

    def window(self, records):
        """Return {measurement: {key: what a point of it says}} of one window."""
        scopes, talkers, hosts, pairs = (defaultdict(Sums) for _ in range(4))
        for r in records:
            protocol, port = NAMES[r["protocol"]], str(r["dst_port"])
            syn_only = int(protocol == "tcp" and r["tcp_flags"] == 2)
            one = Sums(r["bytes"], r["packets"], 1)
            for network, direction, address, peer in sides(r, network_of):
                scope = network, direction
                scopes[scope].add(one)
                for sums in (
                    talkers[*scope, protocol, address, port],
                    hosts[*scope, address],
                    pairs[*scope, protocol, address, peer, port],
                ):
                    sums.add(one)
                    sums.syn_only += syn_only
                    sums.peers.add(peer)
                    sums.ports.add((protocol, port))
        self.scopes = scopes
        return {
            "talkers": self._folded(talkers, hosts),
            "hosts": {
                key: (*sums.counts, len(sums.peers), len(sums.ports), sums.syn_only)
                for key, sums in hosts.items()
                if self._admitted("hosts", key, sums)
            },
            "conversations": {
                key: sums.counts
                for key, sums in pairs.items()
                if self._admitted("conversations", key, sums, by_bytes_only=True)
            },
        }

    def _admitted(self, kind, key, sums, *, by_bytes_only=False):
        scope = self.scopes[key[:2]]
        shares = [sums.bytes / scope.bytes]
        if not by_bytes_only:
            shares.append(sums.packets / scope.packets)
            if len(sums.peers) > 1:
                shares.append(len(sums.peers) / scope.flows)
        if max(shares) >= SHARE:
            self.series[kind].add(key)
        return key in self.series[kind]

    def _folded(self, talkers, hosts):
        by_port = defaultdict(int)
        for (*scope, protocol, _, port), sums in talkers.items():
            by_port[*scope, protocol, port] += sums.bytes
        points = defaultdict(lambda: [0, 0, 0, None])
        for key, sums in talkers.items():
            *scope, protocol, address, port = key
            enough = self.scopes[tuple(scope)].bytes * SHARE
            if self._admitted("talkers", key, sums):
                place, peers = key, len(sums.peers)
            elif hosts[*scope, address].bytes >= enough:
                place, peers = (*scope, protocol, address, "other"), None
            elif by_port[*scope, protocol, port] >= enough:
                place, peers = (*scope, protocol, "other", port), None
            else:
                place, peers = (*scope, protocol, "other", "other"), None
            point = points[place]
            for i, value in enumerate(sums.counts):
                point[i] += value
            point[3] = peers
        return {key: tuple(point) for key, point in points.items()}


FIELDS = {
    "talkers": ("bytes", "packets", "flows", "peers"),
    "hosts": ("bytes", "packets", "flows", "peers", "ports", "syn_only"),
    "conversations": ("bytes", "packets", "flows"),
}
TAGS = {
    "talkers": ("network", "direction", "protocol", "address", "port"),
    "hosts": ("network", "direction", "address"),
    "conversations": ("network", "direction", "protocol", "address", "peer", "port"),
}


def found(points):
    kinds = {measurement: {} for measurement in FIELDS}
    for point in points:
        kind = point["measurement"]
        if kind in kinds:
            key = tuple(point["tags"][name] for name in TAGS[kind])
            assert key not in kinds[kind]
            values = (point[name] for name in FIELDS[kind])
            kinds[kind][key] = tuple(None if v != v else v for v in values)  # noqa: PLR0124  NaN
    return kinds


# One set of sizes for all examples of a test is what is meant.
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(windows_of_records())
def test_points_equal_those_of_dictionaries(windows):
    driven = Driven(Settings(window_ns=WINDOW, limits=ALL, budget=10**7))
    reference = Reference()
    for records in windows:
        driven.add(records)
        assert found(driven.flush()) == reference.window(records)


def test_a_scan_does_not_hide_who_is_large():
    """Thousands of addresses of one byte, and one that a bucket full of them must not swallow."""
    driven = Driven(Settings(window_ns=WINDOW, limits=Limits(3, 3, 3, SHARE)))
    scan = [
        record(src=f"10.1.{i >> 8}.{i & 255}", dst_port=22, bytes=1, packets=1) for i in range(3000)
    ]
    driven.add([*scan, record(src="10.1.200.200", dst_port=53, protocol=17, bytes=600, packets=1)])
    talkers = found(driven.flush())["talkers"]
    assert talkers == {
        ("Green", "out", "udp", "10.1.200.200", "53"): (600, 1, 1, 1),
        ("Green", "out", "tcp", "other", "22"): (3000, 3000, 3000, None),
    }


def test_an_ipv4_address_with_peers_of_both_families_is_one_talker():
    """In InfluxDB two points of the same tags and time would be one: the last."""
    driven = Driven()
    driven.add(
        [
            record(src="10.1.0.9", dst="192.0.2.1", bytes=1000),
            record(src="10.1.0.9", dst="2001:db8:9::1", bytes=70),
            record(src="10.1.0.8", dst="192.0.2.1", bytes=500),
        ]
    )
    kinds = found(driven.flush())
    scope = "Green", "out"
    assert kinds["talkers"] == {
        (*scope, "tcp", "10.1.0.9", "443"): (1070, 20, 2, 2),
        (*scope, "tcp", "10.1.0.8", "443"): (500, 10, 1, 1),
    }
    assert kinds["hosts"][*scope, "10.1.0.9"] == (1070, 20, 2, 2, 1, 0)
    assert len(kinds["conversations"]) == 3


def test_an_address_keeps_its_series_whatever_the_family_of_its_peer():
    driven = Driven()
    later = dict.fromkeys(("start_ns", "end_ns", "received_ns", "export_ns"), NOW + 60 * SECOND)
    driven.add([record(src="10.1.0.9", dst="2001:db8:9::1", bytes=1000)])
    driven.flush()
    before = driven.aggregator.budget.pools["talkers"].hashes.tolist()
    driven.add([record(src="10.1.0.9", dst="192.0.2.1", bytes=1000, **later)])
    driven.flush()
    assert driven.aggregator.budget.pools["talkers"].hashes.tolist() == before
