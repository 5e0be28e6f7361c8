"""What a filter sees of flow records: one record at a time, as columns.

A profile's filter judges a record as it was exported: before its bytes are spread over windows, and
with the addresses it had before NAT. Only bytes and packets are already multiplied by the sampling
rate, so that `bytes > 1M` means what it says behind a sampled exporter too.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Unsigned = npt.NDArray[np.unsignedinteger]


@dataclass(slots=True)
class Seen:
    """n records of one address family; arrays are (n,) but for family 6's addresses.

    family: 4 or 6. src, dst: uint32, or uint64 (n, 2), high half first, as exported.
    post_src, post_dst: the same shapes, after NAT, 0 where the record names none.
    protocol: uint16, 256 where the record names none. src_port, dst_port: uint16.
    tcp_flags: uint16. tos: uint8. in_if, out_if, src_as, dst_as: uint32.
    bytes, packets: int64, after sampling. start_ns, end_ns: int64, since the epoch.
    The columns that may be None are 0 then, in every record:
    out_bytes, out_packets: int64, the other way's, after sampling. post_src_port, post_dst_port:
    uint16, after NAT. dst_tos, src_mask, dst_mask, flow_direction: uint8. src_vlan, dst_vlan,
    icmp (type * 256 + code): uint16. prev_as, next_as: uint32.
    """

    family: int
    src: Unsigned
    dst: Unsigned
    post_src: Unsigned | None
    post_dst: Unsigned | None
    protocol: npt.NDArray[np.uint16]
    src_port: npt.NDArray[np.uint16]
    dst_port: npt.NDArray[np.uint16]
    tcp_flags: npt.NDArray[np.uint16]
    tos: npt.NDArray[np.uint8] | None
    in_if: npt.NDArray[np.uint32]
    out_if: npt.NDArray[np.uint32]
    src_as: npt.NDArray[np.uint32] | None
    dst_as: npt.NDArray[np.uint32] | None
    bytes: npt.NDArray[np.int64]
    packets: npt.NDArray[np.int64]
    start_ns: npt.NDArray[np.int64]
    end_ns: npt.NDArray[np.int64]
    out_bytes: npt.NDArray[np.int64] | None = None
    out_packets: npt.NDArray[np.int64] | None = None
    post_src_port: npt.NDArray[np.uint16] | None = None
    post_dst_port: npt.NDArray[np.uint16] | None = None
    dst_tos: npt.NDArray[np.uint8] | None = None
    src_mask: npt.NDArray[np.uint8] | None = None
    dst_mask: npt.NDArray[np.uint8] | None = None
    src_vlan: npt.NDArray[np.uint16] | None = None
    dst_vlan: npt.NDArray[np.uint16] | None = None
    prev_as: npt.NDArray[np.uint32] | None = None
    next_as: npt.NDArray[np.uint32] | None = None
    icmp: npt.NDArray[np.uint16] | None = None
    flow_direction: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.bytes)


Column = npt.NDArray[np.integer[Any]]

_LONG = 2**50
"""Bytes or packets at which a rate stops growing, so that 8000 times it fits in 63 bits: a petabyte
in one record is far above whatever anybody compares with."""


def numbers(seen: Seen, name: str) -> Column:
    """Return a column of numbers (n,): one of `Seen`, or one that is computed of them."""
    if name in _COMPUTED:
        return _COMPUTED[name](seen)
    column: Column | None = getattr(seen, name)
    return np.broadcast_to(np.uint8(0), len(seen)) if column is None else column


def _milliseconds(seen: Seen) -> Column:
    """Duration as nfdump has it: whole milliseconds at both ends, 0 for a record that runs back."""
    elapsed: Column = seen.end_ns // 1_000_000 - seen.start_ns // 1_000_000
    return np.maximum(elapsed, 0)


def _per_second(count: Column, each: int, milliseconds: Column) -> Column:
    """Return count * each per second, rounded down; 0 where there is no duration."""
    total = np.minimum(count, _LONG) * (each * 1000)
    rate: Column = np.where(milliseconds > 0, total // np.maximum(milliseconds, 1), 0)
    return rate


def _direction(seen: Seen) -> Column:
    column = numbers(seen, "flow_direction")
    return np.where(column == 255, 0, column)


_COMPUTED: dict[str, Callable[[Seen], Column]] = {
    "flows": lambda seen: np.broadcast_to(np.uint8(1), len(seen)),
    "duration": _milliseconds,
    "pps": lambda seen: _per_second(seen.packets, 1, _milliseconds(seen)),
    "bps": lambda seen: _per_second(seen.bytes, 8, _milliseconds(seen)),
    "bpp": lambda seen: np.where(seen.packets > 0, seen.bytes // np.maximum(seen.packets, 1), 0),
    "icmp_type": lambda seen: numbers(seen, "icmp") >> 8,
    "icmp_code": lambda seen: numbers(seen, "icmp") & 0xFF,
    "direction": _direction,
    "flags": lambda seen: seen.tcp_flags & 0xFF,
}

_MADE_OF = {"icmp_type": "icmp", "icmp_code": "icmp", "direction": "flow_direction"}
"""Computed columns → what they are made of, where that may be None."""

OPTIONAL = frozenset(f.name for f in fields(Seen) if "None" in str(f.type))
"""Columns of `Seen` that may be None: nobody has to make them unless a filter reads them."""


def optional(names: Iterable[str]) -> frozenset[str]:
    """Return which optional columns of `Seen` must be there to answer for these columns."""
    return OPTIONAL & {_MADE_OF.get(name, name) for name in names}
