"""Packets as the kernel hands them over: only NetFlow is seen, whatever else is on the wire."""

import socket
import struct

import pytest
from decode import wire as encode
from hypothesis import given
from hypothesis import strategies as st
from services import eventually, unavailable

from flowsleuth.doctor import wire
from flowsleuth.doctor.wire import Seen, Wire, looks_like_netflow, parse

DATA = encode.data(256, encode.basic())
NETFLOW = {
    1: encode.legacy(1, 2),
    5: encode.legacy(5, 2),
    7: encode.legacy(7, 2),
    9: encode.v9(DATA),
    10: encode.ipfix(DATA),
}


def ipv4(payload, port=2055, protocol=17, options=b"", fragment=0):
    udp = struct.pack("!HHHH", 4000, port, len(payload) + 8, 0) + payload
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(udp), 0, fragment, 64,
        protocol, 0, bytes([192, 0, 2, 1]), bytes([127, 0, 0, 1]),
    )  # fmt: skip
    return head + options + udp


def ipv6(payload, port=2055):
    udp = struct.pack("!HHHH", 4000, port, len(payload) + 8, 0) + payload
    source, target = (socket.inet_pton(socket.AF_INET6, a) for a in ("2001:db8::1", "::1"))
    return struct.pack("!IHBB16s16s", 6 << 28, len(udp), 17, 64, source, target) + udp


@pytest.mark.parametrize("version", NETFLOW)
@pytest.mark.parametrize("cut", [128, 2000])
def test_netflow_is_seen_whatever_its_version(version, cut):
    payload = NETFLOW[version]
    assert parse(ipv4(payload)[:cut]) == Seen("192.0.2.1", 2055, version)
    assert parse(ipv4(payload, options=bytes(8))[:cut]) == Seen("192.0.2.1", 2055, version)
    assert parse(ipv6(payload, 9995)[:cut]) == Seen("2001:db8::1", 9995, version)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        ipv4(b"\0\x05" + bytes(60)),
        ipv4(b"\0\x09\0\0" + bytes(30)),
        ipv4(b"\0\x0a\0\x05" + bytes(30)),
        ipv4(b"ab"),
        ipv4(NETFLOW[5], protocol=6),
        ipv4(NETFLOW[5], fragment=100),
        ipv4(NETFLOW[5])[:25],
        ipv6(NETFLOW[5])[:44],
        b"\x50" + bytes(60),
    ],
)
def test_all_else_is_not(packet):
    assert parse(packet) is None


@given(st.binary(max_size=200))
def test_no_packet_breaks_it(packet):
    parse(packet)
    looks_like_netflow(packet, len(packet))


def test_it_hears_what_reaches_the_card_once():
    with Wire() as heard, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        if heard.heard is None:
            unavailable("packet socket", "hearing the wire needs CAP_NET_RAW")
        sock.bind(("127.0.0.77", 0))
        for _ in range(3):
            sock.sendto(NETFLOW[9], ("127.0.0.1", 65_001))
        mine = Seen("127.0.0.77", 65_001, 9)
        assert eventually(lambda: heard.heard[mine] == 3)
    assert heard.heard[mine] == 3


def test_where_it_may_not_listen_it_says_so(monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(wire.socket, "socket", refuse)
    with Wire() as heard:
        assert heard.heard is None
    monkeypatch.setattr(wire.sys, "platform", "darwin")
    with Wire() as heard:
        assert heard.heard is None
