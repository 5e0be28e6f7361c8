"""Traffic of which every byte is known: a capture file made with dpkt, and what is in it.

Hosts of Network Green talk to one server over UDP, TCP and ICMP, IPv4 and IPv6, in both
directions. Sizes are drawn with a seed; a total counts IP packets, header included, because that
is what octetDeltaCount counts (RFC 5102, 5.10.1).
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import dpkt

PREFIXES = ("10.1.0.0/16", "2001:db8:1::/48")
"""Network Green: one end of every flow, never both, so that each flow is one row of points."""

_SERVERS = {4: "192.0.2.9", 6: "2001:db8:ffff::9"}
_HOSTS = {4: "10.1.0.{}", 6: "2001:db8:1::{:x}"}
_ICMP = {4: 1, 6: 58}
_MAC = b"\x02\x00\x00\x00\x00\x01"


@dataclass(frozen=True)
class Flow:
    """One 5-tuple, the payload bytes of its packets, and the seconds between them."""

    src: str
    dst: str
    proto: int
    src_port: int
    dst_port: int
    payloads: tuple[int, ...]
    step: float

    @property
    def family(self) -> int:
        return ip_address(self.src).version

    def packets(self) -> Iterator[bytes]:
        """Yield the flow's Ethernet frames."""
        for number, size in enumerate(self.payloads):
            yield bytes(_frame(self, _transport(self, number, b"x" * size)))


@dataclass(frozen=True)
class Total:
    """What an exporter may say of some traffic."""

    bytes: int
    packets: int
    flows: int


_ETHERNET = 14


def total(flows: list[Flow]) -> Total:
    """Return bytes (IP header included), packets and number of the flows."""
    sizes = [len(frame) - _ETHERNET for flow in flows for frame in flow.packets()]
    return Total(sum(sizes), len(sizes), len(flows))


def green(seed: int, hosts: int = 8) -> list[Flow]:
    """Return the flows of some hosts of Network Green."""
    rng = random.Random(seed)
    flows = []
    for host in range(1, hosts + 1):
        for family in (4, 6):
            near, far = _HOSTS[family].format(host), _SERVERS[family]
            for src, dst, proto, src_port, dst_port in (
                (near, far, 17, 40_000 + host, 14_857),
                (near, far, 6, 50_000 + host, 443),
                (far, near, 6, 443, 50_000 + host),
                (near, far, _ICMP[family], 0, 0),
            ):
                sizes = tuple(rng.randrange(20, 1300) for _ in range(rng.randrange(2, 25)))
                flows.append(Flow(src, dst, proto, src_port, dst_port, sizes, rng.random() / 5))
    return flows


def write_pcap(path: Path, flows: list[Flow], end: float) -> None:
    """Write the flows' packets in order of time; the last one is at `end` (s since the epoch)."""
    packets = [
        (number * flow.step, frame) for flow in flows for number, frame in enumerate(flow.packets())
    ]
    last = max(when for when, _ in packets)
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        for when, frame in sorted(packets):
            writer.writepkt(frame, end - last + when)


def _transport(flow: Flow, number: int, payload: bytes) -> dpkt.Packet:
    if flow.proto == 17:
        ports = {"sport": flow.src_port, "dport": flow.dst_port}
        return dpkt.udp.UDP(**ports, ulen=8 + len(payload), data=payload)
    if flow.proto == 6:
        ports = {"sport": flow.src_port, "dport": flow.dst_port}
        return dpkt.tcp.TCP(**ports, seq=number, flags=dpkt.tcp.TH_ACK, data=payload)
    if flow.proto == 1:
        return dpkt.icmp.ICMP(type=8, data=dpkt.icmp.ICMP.Echo(id=7, seq=number, data=payload))
    return dpkt.icmp6.ICMP6(type=128, data=dpkt.icmp6.ICMP6.Echo(id=7, seq=number, data=payload))


def _frame(flow: Flow, transport: dpkt.Packet) -> dpkt.ethernet.Ethernet:
    body = bytes(transport)
    ends = {"src": ip_address(flow.src).packed, "dst": ip_address(flow.dst).packed}
    if flow.family == 4:
        packet = dpkt.ip.IP(**ends, p=flow.proto, len=20 + len(body), data=body)
        kind = dpkt.ethernet.ETH_TYPE_IP
    else:
        packet = dpkt.ip6.IP6(**ends, nxt=flow.proto, plen=len(body), hlim=64, data=body)
        packet.extension_hdrs = {}
        packet.all_extension_headers = []
        kind = dpkt.ethernet.ETH_TYPE_IP6
    return dpkt.ethernet.Ethernet(src=_MAC, dst=_MAC, type=kind, data=packet)
