"""Flow records as columns: what decode hands to enrich and aggregate.

One `Flows` holds the records of one address family, in the columns that every version shares.
Records whose two ends are IPv4 stand in family 4 with uint32 addresses, all others in family 6
with two uint64 a row; that keeps the common case small and fast.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

RATE_ASSUMED, RATE_KNOWN, RATE_UNKNOWN = 0, 1, 2
"""`rate_state`: no sign of sampling at all; a rate is known; sampled, but the rate is not known."""

DIRECTION_UNKNOWN = 255
"""`flow_direction` of a record without flowDirection (element 61): else 0 ingress, 1 egress."""

UNKNOWN_ADDRESS = np.array([2**64 - 1, 2**64 - 1], np.uint64)
"""An end that the record does not have (family 6). As an address it is a multicast group that is
not assigned, so no flow can come from it."""

MAPPED_PREFIX = 0xFFFF00000000
"""The low half of an IPv4 address in family 6 is this plus the address (RFC 4291, 2.5.5.2)."""


@dataclass(slots=True)
class Flows:
    """n flow records of one family, in wire order within each (stream, template).

    family: 4 or 6.
    src, dst: uint32 (n,) for family 4; uint64 (n, 2), high half first, for family 6.
    post_src, post_dst: the same shape, addresses after NAT, or None where no record has them;
        a record without has its src or dst there.
    protocol: uint16 (n,), NO_PROTOCOL where it lacks. src_port, dst_port: uint16 (n,), 0 if none.
    tcp_flags: uint16 (n,). in_if, out_if: uint32 (n,), 0 if none. flow_direction: uint8 (n,).
    bytes, packets: int64 (n,), as exported, before sampling correction.
    reverse_bytes, reverse_packets: int64 (n,), the responder's, or None where no record has them.
    start_ns, end_ns: int64 (n,), ns since the epoch by the exporter's clock, SysUptime already
        undone against the header; dated: bool (n,), False where the record has no times of its
        own and both are the header's.
    rate_num, rate_den: int64 (n,): bytes are floor(bytes * num / den). rate_state: uint8 (n,).
    counts: bool (n,), False for events that carry no bytes yet (NSEL created, denied).
    stream: int32 (n,), index into the decoder's streams (exporter, domain, version).
    export_ns, received_ns: int64 (n,), of the datagram that carried the record;
        received_ns is the header's export time where nobody recorded the receipt.
    optional: the columns that the decoder was asked for beyond these (`optional.OPTIONAL`):
        unsigned integers (n,), and nat_src, nat_dst of src's shape; 0 where a record lacks it.
    """

    family: int
    src: npt.NDArray[np.unsignedinteger]
    dst: npt.NDArray[np.unsignedinteger]
    post_src: npt.NDArray[np.unsignedinteger] | None
    post_dst: npt.NDArray[np.unsignedinteger] | None
    protocol: npt.NDArray[np.uint16]
    src_port: npt.NDArray[np.uint16]
    dst_port: npt.NDArray[np.uint16]
    tcp_flags: npt.NDArray[np.uint16]
    in_if: npt.NDArray[np.uint32]
    out_if: npt.NDArray[np.uint32]
    flow_direction: npt.NDArray[np.uint8]
    bytes: npt.NDArray[np.int64]
    packets: npt.NDArray[np.int64]
    reverse_bytes: npt.NDArray[np.int64] | None
    reverse_packets: npt.NDArray[np.int64] | None
    start_ns: npt.NDArray[np.int64]
    end_ns: npt.NDArray[np.int64]
    dated: npt.NDArray[np.bool_]
    rate_num: npt.NDArray[np.int64]
    rate_den: npt.NDArray[np.int64]
    rate_state: npt.NDArray[np.uint8]
    counts: npt.NDArray[np.bool_]
    stream: npt.NDArray[np.int32]
    export_ns: npt.NDArray[np.int64]
    received_ns: npt.NDArray[np.int64]
    optional: dict[str, npt.NDArray[np.unsignedinteger]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.bytes)
