"""The datagrams of a capture, taken out without FlowSleuth: dpkt for pcap, else the whole file."""

from pathlib import Path

import dpkt

_MAGIC = {b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1"}


def payloads(path: Path) -> list[bytes]:
    """Return a file's UDP payloads in order; IPFIX messages one after another are taken apart."""
    content = path.read_bytes()
    if content[:4] in _MAGIC:
        return _of_pcap(path)
    if content[:2] == b"\x00\x0a":
        return list(_messages(content))
    return [content]


_RAW_IP = 101


def _of_pcap(path: Path) -> list[bytes]:
    found = []
    with path.open("rb") as file:
        reader = dpkt.pcap.Reader(file)
        for _, frame in reader:
            raw = reader.datalink() == _RAW_IP
            packet = dpkt.ip.IP(frame) if raw else dpkt.ethernet.Ethernet(frame).data
            if isinstance(getattr(packet, "data", None), dpkt.udp.UDP):
                found.append(bytes(packet.data.data))
    return found


def _messages(content: bytes):
    """RFC 7011, 3.1: the header's Length is that of the whole message."""
    start = 0
    while start < len(content):
        length = max(int.from_bytes(content[start + 2 : start + 4]), 16)
        yield content[start : start + length]
        start += length
