"""Records made for the tests of aggregate: a list of plain dicts, and as `Records` or `Flows`."""

import numpy as np

from flowsleuth.decode.flows import MAPPED_PREFIX, Flows

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND

DEFAULT = {
    "src": "10.1.0.1",
    "dst": "192.0.2.1",
    "protocol": 6,
    "src_port": 40000,
    "dst_port": 443,
    "bytes": 1000,
    "packets": 10,
    "start_ns": NOW - 5 * SECOND,
    "end_ns": NOW - 2 * SECOND,
    "received_ns": NOW,
    "export_ns": NOW,
    "tcp_flags": 0,
    "in_if": 0,
    "out_if": 0,
    "stream": 0,
}


def record(**changes):
    """A record that differs from the ordinary one as said."""
    unknown = set(changes) - set(DEFAULT)
    assert not unknown, unknown
    return {**DEFAULT, **changes}


def flows_of(records):
    """Return `Flows` of one family (4 if all addresses are IPv4, else 6)."""
    from ipaddress import ip_address

    family = 4 if all("." in r["src"] and "." in r["dst"] for r in records) else 6

    def ends(name):
        numbers = [ip_address(r[name]) for r in records]
        if family == 4:
            return np.array([int(a) for a in numbers], np.uint32)
        values = [int(a) + (MAPPED_PREFIX if a.version == 4 else 0) for a in numbers]
        return np.array([[v >> 64, v & (2**64 - 1)] for v in values], np.uint64).reshape(-1, 2)

    def column(name, dtype):
        return np.array([r[name] for r in records], dtype)

    n = len(records)
    return Flows(
        family=family,
        src=ends("src"),
        dst=ends("dst"),
        post_src=None,
        post_dst=None,
        protocol=column("protocol", np.uint16),
        src_port=column("src_port", np.uint16),
        dst_port=column("dst_port", np.uint16),
        tcp_flags=column("tcp_flags", np.uint16),
        in_if=column("in_if", np.uint32),
        out_if=column("out_if", np.uint32),
        flow_direction=np.full(n, 255, np.uint8),
        bytes=column("bytes", np.int64),
        packets=column("packets", np.int64),
        reverse_bytes=None,
        reverse_packets=None,
        start_ns=column("start_ns", np.int64),
        end_ns=column("end_ns", np.int64),
        dated=np.ones(n, bool),
        rate_num=np.ones(n, np.int64),
        rate_den=np.ones(n, np.int64),
        rate_state=np.zeros(n, np.uint8),
        counts=np.ones(n, bool),
        stream=column("stream", np.int32),
        export_ns=column("export_ns", np.int64),
        received_ns=column("received_ns", np.int64),
    )
