"""Columns that are made only where somebody asks for them: few filters read them, and no point.

Which element fills a column is one table, as for the columns that every `Flows` has; a column which
the layout lacks is 0. Where several elements can fill it, the first that is not zero does.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.blocks import RecordBlock

Unsigned = npt.NDArray[np.unsignedinteger]

_ELEMENTS: dict[str, tuple[type[np.unsignedinteger[Any]], tuple[str, ...]]] = {
    "tos": (np.uint8, ("ipClassOfService",)),
    "dst_tos": (np.uint8, ("postIpClassOfService",)),
    "src_as": (np.uint32, ("bgpSourceAsNumber",)),
    "dst_as": (np.uint32, ("bgpDestinationAsNumber",)),
    "prev_as": (np.uint32, ("bgpPrevAdjacentAsNumber",)),
    "next_as": (np.uint32, ("bgpNextAdjacentAsNumber",)),
    "src_mask": (np.uint8, ("sourceIPv4PrefixLength", "sourceIPv6PrefixLength")),
    "dst_mask": (np.uint8, ("destinationIPv4PrefixLength", "destinationIPv6PrefixLength")),
    "src_vlan": (np.uint16, ("vlanId", "dot1qVlanId")),
    "dst_vlan": (np.uint16, ("postVlanId", "postDot1qVlanId")),
    "post_src_port": (np.uint16, ("postNAPTSourceTransportPort", "NF_F_XLATE_SRC_PORT")),
    "post_dst_port": (np.uint16, ("postNAPTDestinationTransportPort", "NF_F_XLATE_DST_PORT")),
}
"""Column → its type and the elements that fill it."""

DST_PORTS = ("destinationTransportPort", "udpDestinationPort", "tcpDestinationPort")
_ICMP_BOTH = ("icmpTypeCodeIPv4", "icmpTypeCodeIPv6")
_ICMP_PARTS = (("icmpTypeIPv4", "icmpCodeIPv4"), ("icmpTypeIPv6", "icmpCodeIPv6"))

TRANSLATED = {"nat_src": "src", "nat_dst": "dst"}
"""Addresses after NAT as they are exported, 0 where a record has none → the end."""

OPTIONAL = frozenset({*_ELEMENTS, *TRANSLATED, "icmp"})
"""The names of all optional columns."""


def optional_columns(
    block: RecordBlock, wanted: Collection[str]
) -> dict[str, npt.NDArray[np.generic]]:
    """Return the wanted columns of a block but the addresses, each (r,).

    icmp is type * 256 + code, uint16; where no element has it, it is the destination port, since
    that is where v5 and most of v9 put it.
    """
    columns: dict[str, npt.NDArray[np.generic]] = {
        name: _first(block, names, dtype)
        for name, (dtype, names) in _ELEMENTS.items()
        if name in wanted
    }
    if "icmp" in wanted:
        columns["icmp"] = _icmp(block)
    return columns


def _first(
    block: RecordBlock, names: tuple[str, ...], dtype: type[np.unsignedinteger[Any]]
) -> Unsigned:
    """Return the first of several elements that is not zero, as `dtype`; 0 where there is none."""
    found: Unsigned = np.zeros(len(block), dtype)
    for name in names:
        field = block.layout.fixed(name)
        if field is not None:
            found = np.where(found != 0, found, block.unsigned(field).astype(dtype))
    return found


def _icmp(block: RecordBlock) -> Unsigned:
    found = _first(block, _ICMP_BOTH, np.uint16)
    for parts in _ICMP_PARTS:
        kind, code = (_first(block, (name,), np.uint16) for name in parts)
        found = np.where(found != 0, found, (kind << 8) | (code & 0xFF))
    return np.where(found != 0, found, _first(block, DST_PORTS, np.uint16))
