"""Records that carry the beginning of a packet: addresses and lengths come from there."""

import struct

import dpkt
import pytest

from .wire import VARIABLE, Collector, data, ipfix, only, record, template

FOUR = (bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
SIX = (bytes.fromhex("20010db8" + "0" * 23 + "1"), bytes.fromhex("20010db8" + "0" * 23 + "2"))
MACS = {"src": b"\2" * 6, "dst": b"\4" * 6}


def ip4(payload, protocol, **more):
    return dpkt.ip.IP(src=FOUR[0], dst=FOUR[1], p=protocol, id=77, ttl=9, data=payload, **more)


def ip6(payload, protocol):
    head = struct.pack(">LHBB", 6 << 28 | 0x20 << 20, len(payload), protocol, 9)
    return head + SIX[0] + SIX[1] + payload


TCP = bytes(dpkt.tcp.TCP(sport=1234, dport=443, flags=0x12))
UDP = bytes(dpkt.udp.UDP(sport=53, dport=5353, data=b"x" * 20))
HOP = bytes([6, 0]) + bytes(6)


def ethernet(packet, kind):
    return MACS["dst"] + MACS["src"] + kind.to_bytes(2, "big") + bytes(packet)


def vlan(packet, kind):
    return ethernet(b"\0\7" + b"\x81\0\0\x08" + kind.to_bytes(2, "big") + bytes(packet), 0x88A8)


def read(section, element=315, fields=(), values=()):
    layout = [(10, 4), *fields, (element, VARIABLE)]
    collector = Collector()
    sets = template(256, layout), data(256, record(layout, [5, *values, bytes(section)]))
    flows = only(collector.hear(ipfix(*sets)))
    assert flows.in_if.tolist() == [5]
    return collector.records[0]


@pytest.mark.parametrize(
    ("frame", "ends", "proto", "ports", "octets", "flags"),
    [
        (ethernet(ip4(TCP, 6), 0x0800), FOUR, 6, (1234, 443), 40, 0x12),
        (ethernet(ip6(UDP, 17), 0x86DD), SIX, 17, (53, 5353), 68, 0),
        (vlan(ip4(UDP, 17), 0x0800), FOUR, 17, (53, 5353), 48, 0),
        (ethernet(ip6(HOP + TCP, 0), 0x86DD), SIX, 6, (1234, 443), 68, 0x12),
        (ethernet(ip6(bytes(ip4(TCP, 6)), 4), 0x86DD), FOUR, 6, (1234, 443), 40, 0x12),
        (ethernet(ip4(ip6(UDP, 17), 41), 0x0800), SIX, 17, (53, 5353), 68, 0),
        (ethernet(ip4(b"", 4), 0x0800), FOUR, 4, (0, 0), 20, 0),
        (ethernet(ip4(b"\0" * 8, 1), 0x0800), FOUR, 1, (0, 0), 28, 0),
        (ethernet(ip4(TCP[:6], 6), 0x0800), FOUR, 6, (1234, 443), 26, 0),
        (ethernet(ip6(b"", 43), 0x86DD), SIX, 43, (0, 0), 40, 0),
    ],
)
def test_a_frame_tells_what_the_record_does_not(frame, ends, proto, ports, octets, flags):
    seen = read(frame)
    width = 4 if ends is FOUR else 6
    assert seen["etype"] == {4: 0x0800, 6: 0x86DD}[width]
    assert seen["src_addr"].endswith("1")
    assert seen["dst_addr"].endswith("2")
    assert (seen["proto"], seen["src_port"], seen["dst_port"]) == (proto, *ports)
    assert (seen["bytes"], seen["packets"], seen["tcp_flags"]) == (octets, 1, flags)
    assert seen["ip_ttl"] == 9
    assert seen["fragment_id"] == (77 if width == 4 else 0)


def test_a_packet_without_its_frame():
    assert read(ip4(UDP, 17), element=313)["dst_port"] == 5353
    assert read(ip6(UDP, 17), element=313)["ip_tos"] == 32


def test_what_the_record_tells_itself_counts():
    seen = read(ethernet(ip4(UDP, 17), 0x0800), fields=[(1, 8)], values=[9000])
    assert seen["bytes"] == 9000


@pytest.mark.parametrize(
    "section",
    [b"", ethernet(b"", 0x0806), ethernet(b"\x45\0", 0x0800), ethernet(ip6(b"", 6)[:30], 0x86DD)],
)
def test_what_cannot_be_read_has_no_addresses(section):
    seen = read(section)
    assert "src_addr" not in seen
    assert "bytes" not in seen


def test_tunnels_end_somewhere():
    packet = bytes(ip4(UDP, 17))
    for _ in range(20):
        packet = bytes(ip4(packet, 4))
    assert read(ethernet(packet, 0x0800))["proto"] == 4


def test_readable_and_unreadable_records_keep_their_order():
    layout = [(10, 4), (315, VARIABLE)]
    frame = ethernet(ip4(UDP, 17), 0x0800)
    rows = [record(layout, [i, frame if i % 2 else b"?"]) for i in range(4)]
    collector = Collector()
    decoded = collector.hear(ipfix(template(256, layout), data(256, *rows)))
    assert sorted(r["in_if"] for r in collector.records) == [0, 1, 2, 3]
    assert decoded.counts["records"].tolist() == [4]


def test_a_record_with_addresses_is_left_alone():
    layout = [(8, 4), (12, 4), (315, VARIABLE)]
    collector = Collector()
    row = record(layout, [1, 2, ethernet(ip4(UDP, 17), 0x0800)])
    collector.hear(ipfix(template(256, layout), data(256, row)))
    assert "proto" not in collector.records[0]
