"""Records as a filter sees them, made of a few values each; what is not said is 0."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np

from flowsleuth.filters.columns import Seen

MAPPED = 0xFFFF << 32
"""An IPv4-mapped address is this plus the IPv4 one (RFC 4291, 2.5.5.2)."""

ADDRESSES = ("src", "dst", "post_src", "post_dst")
TYPES = dict.fromkeys(("bytes", "packets", "out_bytes", "out_packets", "start_ns", "end_ns"), "i8")
TYPES |= dict.fromkeys(("in_if", "out_if", "src_as", "dst_as", "prev_as", "next_as"), "u4")
TYPES |= dict.fromkeys(("tos", "dst_tos", "src_mask", "dst_mask", "flow_direction"), "u1")


def seen_of_rows(rows: Sequence[Mapping[str, int]], family: int = 4) -> Seen:
    """Return records of one family; addresses are numbers of 32 or 128 bits."""
    columns = {}
    for name in (field.name for field in fields(Seen)[1:]):
        values = [row.get(name, 0) for row in rows]
        if name not in ADDRESSES:
            columns[name] = np.array(values, TYPES.get(name, "u2"))
        elif family == 4:
            columns[name] = np.array(values, np.uint32)
        else:
            halves = [divmod(value, 1 << 64) for value in values]
            columns[name] = np.array(halves, np.uint64).reshape(-1, 2)
    return Seen(family=family, **columns)
