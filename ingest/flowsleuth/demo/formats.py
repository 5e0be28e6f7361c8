"""How v5, v9 and IPFIX look on the wire, and what an exporter announces before its data.

One table per version says a template's fields; the encoder makes both the announcement and the
rows from it, so they cannot disagree.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

SECOND = 1_000_000_000

V5_RECORD = np.dtype(
    [
        ("src", ">u4"),
        ("dst", ">u4"),
        ("next_hop", ">u4"),
        ("in_if", ">u2"),
        ("out_if", ">u2"),
        ("packets", ">u4"),
        ("bytes", ">u4"),
        ("first", ">u4"),
        ("last", ">u4"),
        ("src_port", ">u2"),
        ("dst_port", ">u2"),
        ("pad1", "u1"),
        ("tcp_flags", "u1"),
        ("protocol", "u1"),
        ("tos", "u1"),
        ("src_as", ">u2"),
        ("dst_as", ">u2"),
        ("src_mask", "u1"),
        ("dst_mask", "u1"),
        ("pad2", ">u2"),
    ]
)

HEADERS = {
    5: np.dtype(
        [
            ("version", ">u2"),
            ("count", ">u2"),
            ("uptime", ">u4"),
            ("secs", ">u4"),
            ("nsecs", ">u4"),
            ("sequence", ">u4"),
            ("domain", ">u2"),
            ("sampling", ">u2"),
        ]
    ),
    9: np.dtype(
        [
            ("version", ">u2"),
            ("count", ">u2"),
            ("uptime", ">u4"),
            ("secs", ">u4"),
            ("sequence", ">u4"),
            ("domain", ">u4"),
        ]
    ),
    10: np.dtype(
        [
            ("version", ">u2"),
            ("length", ">u2"),
            ("secs", ">u4"),
            ("sequence", ">u4"),
            ("domain", ">u4"),
        ]
    ),
}
"""Datagram headers: Cisco's v5, RFC 3954 section 5.1, RFC 7011 section 3.1."""

SET_HEADER = np.dtype([("id", ">u2"), ("length", ">u2")])
"""RFC 3954 section 5.3, RFC 7011 section 3.3.2."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """How one exporter exports.

    version: 5, 9 or 10. sampling: N of 1:N, announced by the v5 header, or by options data
    which the records join by sampler id (v9, element 48) or selectorId (IPFIX, 302).
    interfaces: SNMP index to name, announced by options data (v9 and IPFIX).
    """

    version: int
    domain: int
    boot_ns: int
    sampling: int = 1
    interfaces: Mapping[int, str] = field(default_factory=dict)
    refresh_ns: int = 600 * SECOND


_ENDS = {
    False: (("src", 8, ">u4"), ("dst", 12, ">u4")),
    True: (("src", 27, "V16"), ("dst", 28, "V16")),
}
_TIMES = {
    9: (("first", 22, ">u4"), ("last", 21, ">u4")),
    10: (("start_ms", 152, ">u8"), ("end_ms", 153, ">u8")),
}
_COUNTS = {
    9: (("bytes", 1, ">u4"), ("packets", 2, ">u4")),
    10: (("bytes", 1, ">u8"), ("packets", 2, ">u8")),
}
_SAMPLER = {9: (("sampler", 48, ">u2"),), 10: (("sampler", 302, ">u2"),)}
_SHARED = (
    ("src_port", 7, ">u2"),
    ("dst_port", 11, ">u2"),
    ("protocol", 4, "u1"),
    ("tcp_flags", 6, "u1"),
    ("in_if", 10, ">u4"),
    ("out_if", 14, ">u4"),
)

TEMPLATE_IDS = {False: 256, True: 257}
"""Template id by "is IPv6"."""

SAMPLER_TEMPLATE, INTERFACE_TEMPLATE = 512, 513
SAMPLER_ID = 1
NAME_BYTES = 16


def template_fields(exporter: Exporter, is_v6: bool) -> tuple[tuple[str, int, str], ...]:
    """Return (column, element id, dtype) of each field of a v9 or IPFIX template, in order."""
    version = exporter.version
    sampler = _SAMPLER[version] if exporter.sampling > 1 else ()
    return _ENDS[is_v6] + _TIMES[version] + _COUNTS[version] + _SHARED + sampler


def _set(version: int, kind: str, body: bytes) -> bytes:
    """Wrap a body as a (Flow)Set of templates or options templates, padded to four bytes."""
    ids = {"template": {9: 0, 10: 2}, "options": {9: 1, 10: 3}}
    body += bytes(-len(body) % 4)
    return struct.pack(">HH", ids[kind][version], len(body) + 4) + body


def _options(
    version: int, template: int, scope: tuple[int, int], rest: Sequence[tuple[int, int]]
) -> bytes:
    """Return an options template set: RFC 3954 section 6.1, RFC 7011 section 3.4.2.2."""
    counts = (4, 4 * len(rest)) if version == 9 else (1 + len(rest), 1)
    specifiers = b"".join(struct.pack(">HH", *element) for element in (scope, *rest))
    return _set(version, "options", struct.pack(">HHH", template, *counts) + specifiers)


@dataclass(frozen=True, slots=True)
class Preamble:
    """The sets that precede data: their bytes, how many records they hold, of these data."""

    sets: bytes = b""
    records: int = 0
    data_records: int = 0


def preamble(exporter: Exporter) -> Preamble:
    """Return what the exporter announces; v5 announces nothing."""
    version = exporter.version
    if version == 5:
        return Preamble()
    sets = b""
    for is_v6, template in TEMPLATE_IDS.items():
        layout = template_fields(exporter, is_v6)
        body = struct.pack(">HH", template, len(layout))
        body += b"".join(struct.pack(">HH", e, np.dtype(d).itemsize) for _, e, d in layout)
        sets += _set(version, "template", body)
    records, data_records = len(TEMPLATE_IDS), 0
    if exporter.sampling > 1:
        sets += _sampler_sets(exporter)
        records, data_records = records + 2, data_records + 1
    if exporter.interfaces:
        sets += _interface_sets(exporter)
        records += 1 + len(exporter.interfaces)
        data_records += len(exporter.interfaces)
    return Preamble(sets, records, data_records)


def _sampler_sets(exporter: Exporter) -> bytes:
    """Announce 1:N: v9 as random sampling (elements 48, 49, 50), IPFIX as RFC 5477's 305, 306."""
    if exporter.version == 9:
        sets = _options(9, SAMPLER_TEMPLATE, (1, 4), [(48, 2), (49, 1), (50, 4)])
        body = struct.pack(">IHBI", exporter.domain, SAMPLER_ID, 2, exporter.sampling)
    else:
        sets = _options(10, SAMPLER_TEMPLATE, (302, 2), [(304, 2), (305, 4), (306, 4)])
        body = struct.pack(">HHII", SAMPLER_ID, 1, 1, exporter.sampling - 1)
    body += bytes(-len(body) % 4)
    return sets + struct.pack(">HH", SAMPLER_TEMPLATE, len(body) + 4) + body


def _interface_sets(exporter: Exporter) -> bytes:
    """Announce interface names: scope interface (v9) or ingressInterface (IPFIX), element 82."""
    scope = (2, 4) if exporter.version == 9 else (10, 4)
    body = b"".join(
        struct.pack(f">I{NAME_BYTES}s", index, name.encode())
        for index, name in exporter.interfaces.items()
    )
    data = struct.pack(">HH", INTERFACE_TEMPLATE, len(body) + 4) + body
    return _options(exporter.version, INTERFACE_TEMPLATE, scope, [(82, NAME_BYTES)]) + data
