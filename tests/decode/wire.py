"""An encoder of its own, straight from the RFCs: it shares nothing with the decoder under test."""

import struct

from flowsleuth.decode.as_json import json_records
from flowsleuth.decode.decoder import Decoder
from flowsleuth.receive.datagrams import NO_RECEIPT, Datagrams, Sources

SECONDS = 1_700_000_000
NOW = SECONDS * 10**9
UPTIME = 1_000_000
EXPORTER = "192.0.2.1"
VARIABLE = 0xFFFF

ADDRESSES = [(8, 4), (12, 4)]
BASIC = [*ADDRESSES, (7, 2), (11, 2), (4, 1), (1, 4), (2, 4)]
SIX = [(27, 16), (28, 16), (4, 1), (1, 8), (2, 8)]


def number(value, length):
    return value.to_bytes(length, "big")


def record(fields, values):
    """Encode one record; a value is a number or bytes, and variable lengths get their prefix."""
    parts = []
    for (_, length, *_), value in zip(fields, values, strict=True):
        if length == VARIABLE:
            prefix = number(len(value), 1) if len(value) < 255 else b"\xff" + number(len(value), 2)
            parts.append(prefix + value)
        else:
            parts.append(value if isinstance(value, bytes) else number(value, length))
    return b"".join(parts)


def basic(source=1, target=2, source_port=1234, port=53, protocol=17, octets=100, packets=2):
    """One record of the layout BASIC: 10.0.0.source to 10.0.1.target."""
    values = [0x0A000000 + source, 0x0A000100 + target, source_port, port, protocol]
    return record(BASIC, [*values, octets, packets])


def specifiers(fields):
    out = b""
    for element, length, *pen in fields:
        out += struct.pack(">HH", element | (0x8000 if pen else 0), length)
        out += struct.pack(">L", pen[0]) if pen else b""
    return out


def a_set(set_id, body, length=None):
    return struct.pack(">HH", set_id, len(body) + 4 if length is None else length) + body


def template(template_id, fields, version=10):
    body = struct.pack(">HH", template_id, len(fields)) + specifiers(fields)
    return a_set(2 if version == 10 else 0, body)


def options_template(template_id, scopes, fields, version=10):
    if version == 10:
        head = struct.pack(">HHH", template_id, len(scopes) + len(fields), len(scopes))
        return a_set(3, head + specifiers([*scopes, *fields]))
    head = struct.pack(">HHH", template_id, 4 * len(scopes), 4 * len(fields))
    return a_set(1, head + specifiers([*scopes, *fields]))


def data(set_id, *records, padding=b""):
    return a_set(set_id, b"".join(records) + padding)


def v9(*sets, sequence=0, seconds=SECONDS, uptime=UPTIME, domain=7):
    head = struct.pack(">HHLLLL", 9, len(sets), uptime, seconds, sequence, domain)
    return head + b"".join(sets)


def ipfix(*sets, sequence=0, seconds=SECONDS, domain=7, length=None):
    body = b"".join(sets)
    size = 16 + len(body) if length is None else length
    return struct.pack(">HHLLL", 10, size, seconds, sequence, domain) + body


def message(version, *sets, **header):
    return v9(*sets, **header) if version == 9 else ipfix(*sets, **header)


LEGACY_RECORD = struct.pack(
    ">LLLHHLLLLHH",
    *(0x0A000001, 0x0A000102, 0x0A0000FE, 3, 4, 7, 900, UPTIME - 5000, UPTIME - 1000, 40000, 443),
)
TAIL = {
    1: struct.pack(">HBBB", 0, 6, 8, 0x12) + bytes(7),
    5: struct.pack(">BBBBHHBBH", 0, 0x12, 6, 8, 65001, 65002, 24, 16, 0),
    7: struct.pack(">BBBBHHBBHL", 0, 0x12, 6, 8, 65001, 65002, 24, 16, 0, 0),
}


def legacy(
    version, records=1, *, sequence=0, count=None, engine=0, sampling=0, tail=None, trailing=b""
):
    """A v1, v5 or v7 datagram of equal records, exported at SECONDS and 250 ms."""
    count = records if count is None else count
    head = struct.pack(">HHLLL", version, count, UPTIME, SECONDS, 250_000_000)
    if version != 1:
        head += struct.pack(">LHH", sequence, engine, sampling)
    body = LEGACY_RECORD + (TAIL[version] if tail is None else tail)
    return head + body * records + trailing


class Collector:
    """A decoder fed with datagrams; `records` has all that it decoded, as JSON."""

    def __init__(self, limits=None):
        self.decoder = Decoder(limits)
        self.sources = Sources()
        self.records = []
        self.outcomes = []

    def hear(self, *payloads, port=2055, address=EXPORTER, received=NO_RECEIPT):
        """Decode a batch of payloads, or of (payload, port) pairs."""
        items = [p if isinstance(p, tuple) else (p, port) for p in payloads]
        batch = Datagrams.pack(
            [(p, self.sources.number(address, at), received) for p, at in items], self.sources
        )
        decoded = self.decoder.decode(batch)
        self.outcomes.append(decoded)
        self.records += list(json_records(decoded))
        return decoded

    def total(self, counter):
        return sum(int(decoded.counts[counter].sum()) for decoded in self.outcomes)


def only(decoded):
    """The only Flows of a batch."""
    (flows,) = decoded.flows
    return flows
