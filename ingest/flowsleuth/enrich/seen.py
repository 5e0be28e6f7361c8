"""Flows as a filter sees them, and what their responders sent as a filter sees that.

Both stand where bytes are already multiplied by the sampling rate and nothing is chosen or spread
yet; the points and `decode --filter` ask the same view, so they choose the same records.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.flows import Flows
from flowsleuth.decode.optional import OPTIONAL
from flowsleuth.filters.columns import Seen
from flowsleuth.filters.filter import Filter

Ints = npt.NDArray[np.int64]

_CALLED = {"post_src": "nat_src", "post_dst": "nat_dst"}
"""Columns of `Seen` → optional columns of `Flows` with another name: a filter sees addresses after
NAT as they are exported, while `post_src` of `Flows` has the original one where there is none."""

_SWAPPED = (
    ("src", "dst"),
    ("post_src", "post_dst"),
    ("src_port", "dst_port"),
    ("post_src_port", "post_dst_port"),
    ("in_if", "out_if"),
    ("src_as", "dst_as"),
    ("prev_as", "next_as"),
    ("src_mask", "dst_mask"),
    ("src_vlan", "dst_vlan"),
)
"""Columns that change places in the responder's view (RFC 5103, section 3)."""


def wanted_by(filters: Iterable[Filter]) -> frozenset[str]:
    """Return the optional columns which a decoder must make for these filters."""
    needs = {name for one in filters for name in one.needs}
    return OPTIONAL & {_CALLED.get(name, name) for name in needs}


def seen_of(
    flows: Flows, octets: Ints, packets: Ints, back: tuple[Ints, Ints] | None = None
) -> Seen:
    """Return n flows as a filter sees them.

    octets, packets: int64 (n,), after sampling; back: the responder's, where flows have them. The
    flows come from a decoder that was told what is `wanted_by` the filters.
    """
    optional = flows.optional
    named = {name: optional.get(name) for name in OPTIONAL if name not in _CALLED.values()}
    return Seen(
        family=flows.family,
        src=flows.src,
        dst=flows.dst,
        protocol=flows.protocol,
        src_port=flows.src_port,
        dst_port=flows.dst_port,
        tcp_flags=flows.tcp_flags,
        in_if=flows.in_if,
        out_if=flows.out_if,
        bytes=octets,
        packets=packets,
        start_ns=flows.start_ns,
        end_ns=flows.end_ns,
        flow_direction=flows.flow_direction,
        out_bytes=back[0] if back else None,
        out_packets=back[1] if back else None,
        **{name: optional.get(called) for name, called in _CALLED.items()},
        **named,
    )


def reversed_of(seen: Seen, octets: Ints, packets: Ints) -> Seen:
    """Return what the responders sent: both ends change places, and so do the counters.

    TCP flags and ICMP types are the initiator's: the responder's are not known, which is 0.
    """
    swapped = {
        name: getattr(seen, other) for pair in _SWAPPED for name, other in (pair, pair[::-1])
    }
    return replace(
        seen,
        **swapped,
        tcp_flags=np.zeros_like(seen.tcp_flags),
        icmp=None,
        bytes=octets,
        packets=packets,
        out_bytes=seen.bytes,
        out_packets=seen.packets,
    )
