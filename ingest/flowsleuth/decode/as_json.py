"""Data records as JSON objects, with the key names of goflow2's JSON.

This is for a reader, not for the hot path: one object per record, in wire order, made from the same
blocks as the columns. What a record lacks is left out. Which element has which key is said by the
table of elements alone; times, counters and addresses come from where the points have them.
"""

from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.blocks import RecordBlock
from flowsleuth.decode.columns import (
    BYTES,
    ENDS,
    PACKETS,
    REVERSE_BYTES,
    REVERSE_PACKETS,
    counter,
    is_family_4,
)
from flowsleuth.decode.decoder import Decoded
from flowsleuth.decode.elements import BY_NUMBER, Element, Kind
from flowsleuth.decode.flows import RATE_KNOWN
from flowsleuth.decode.gather import Ints
from flowsleuth.decode.headers import TYPE_NAME
from flowsleuth.decode.layouts import VARIABLE
from flowsleuth.decode.options import as_text

Json = dict[str, object]
Mask = npt.NDArray[np.bool_]
_Column = list[object]
"""One value per record; None where the record lacks it."""

_COUNTERS = {
    "bytes": BYTES,
    "packets": PACKETS,
    "reverse_bytes": REVERSE_BYTES,
    "reverse_packets": REVERSE_PACKETS,
}
_ETHERTYPE = {4: 0x0800, 6: 0x86DD}


def json_records(decoded: Decoded, chosen: Sequence[Mask] | None = None) -> Iterator[Json]:
    """Yield one object per data record, in wire order. Options data are no data records.

    chosen: which records of each of `decoded.flows` to show, bool (n,); None: all. Nothing is made
    for the others.
    """
    blocks = decoded.blocks if chosen is None else _selected(decoded, chosen)
    places = sorted(
        (int(rank), b, int(first), int(count))
        for b, block in enumerate(blocks)
        for rank, first, count in zip(
            block.rank, np.cumsum(block.counts) - block.counts, block.counts, strict=True
        )
    )
    columns: dict[int, dict[str, _Column]] = {}
    for _, b, first, count in places:
        if b not in columns:
            columns[b] = _columns(blocks[b], decoded)
        named = columns[b].items()
        for i in range(first, first + count):
            yield {key: column[i] for key, column in named if column[i] is not None}


def _selected(decoded: Decoded, chosen: Sequence[Mask]) -> list[RecordBlock]:
    """Return what is chosen of each block.

    The records of a family stand in its `Flows` block by block, in the order of the blocks.
    """
    of_family = {flows.family: mask for flows, mask in zip(decoded.flows, chosen, strict=True)}
    used = dict.fromkeys(of_family, 0)
    blocks = []
    for block in decoded.blocks:
        wanted = np.zeros(len(block), bool)
        is_4 = is_family_4(block)
        for family, mine in ((4, is_4), (6, ~is_4)):
            count = int(np.count_nonzero(mine))
            if count:
                wanted[mine] = of_family[family][used[family] : used[family] + count]
                used[family] += count
        if wanted.any():
            blocks.append(block.select(wanted).without_empty_sets())
    return blocks


def _columns(block: RecordBlock, decoded: Decoded) -> dict[str, _Column]:
    """Return the columns of a block by key, in the order of the objects' keys."""
    columns = _header(block, decoded)
    for key, names in _COUNTERS.items():
        number = counter(block, names)
        if number is not None:
            columns[key] = number.tolist()
    _add_addresses(block, columns)
    for field, spec in enumerate(block.layout.fields):
        element = BY_NUMBER.get((spec.element, spec.pen))
        if element is None or not element.key or not spec.length:
            continue
        values = _read(block, field, element)
        if values is not None:
            known = columns.get(element.key)
            columns[element.key] = values if known is None else _merged(known, values)
    _add_labels(block, columns)
    _add_icmp(block, columns)
    if "src_vlan" in columns:
        columns.setdefault("vlan_id", columns["src_vlan"])
    return columns


def _header(block: RecordBlock, decoded: Decoded) -> dict[str, _Column]:
    """Return what the message's header and the decoder know of each record."""
    messages = block.messages

    def of(column: Ints) -> _Column:
        return list(block.repeated(column).tolist())

    exporter = [decoded.exporters[s] or None for s in messages.session[block.message].tolist()]
    start, end = block.times
    return {
        "type": [TYPE_NAME[version] for version in block.repeated(messages.version).tolist()],
        "time_received_ns": of(messages.received_ns),
        "sequence_num": [
            None if version == 1 else number
            for version, number in zip(of(messages.version), of(messages.sequence), strict=True)
        ],
        "sampling_rate": _shown_rates(block),
        "sampler_address": np.repeat(np.array(exporter, object), block.counts).tolist(),
        "observation_domain_id": of(messages.domain),
        "time_flow_start_ns": start.tolist(),
        "time_flow_end_ns": end.tolist(),
    }


def _shown_rates(block: RecordBlock) -> _Column:
    """1:N as N, a fraction as a float, 0 where no rate is known (as goflow2 does)."""
    return [
        (num if den == 1 else num / den) if state == RATE_KNOWN else 0
        for num, den, state in zip(
            block.rate_num.tolist(), block.rate_den.tolist(), block.rate_state.tolist(), strict=True
        )
    ]


def _merged(first: _Column, second: _Column) -> _Column:
    """Two elements with the same key: the second serves where the first is zero or lacks."""
    return [b if a in _EMPTY else a for a, b in zip(first, second, strict=True)]


_EMPTY = frozenset({None, 0, "", "0.0.0.0", "::"})  # noqa: S104 # the address that means "none"


def _read(block: RecordBlock, field: int, element: Element) -> _Column | None:
    """Return a field's values as JSON has them, None where its length fits no such element."""
    length = block.layout.fields[field].length
    if element.kind is Kind.UINT:
        return None if length == VARIABLE else block.unsigned(field).tolist()
    read, lengths = _READERS.get(element.kind, (None, ()))
    if read is None or (lengths and length not in lengths):
        return None
    return [read(octets) for octets in block.octets(field)]


def _mac(octets: bytes) -> str:
    return octets.hex(":")


def _four(octets: bytes) -> str:
    return str(IPv4Address(octets))


def _six(octets: bytes) -> str:
    return str(IPv6Address(octets))


_READERS: dict[Kind, tuple[Callable[[bytes], object], tuple[int, ...]]] = {
    Kind.IPV4: (_four, (4,)),
    Kind.IPV6: (_six, (16,)),
    Kind.MAC: (_mac, (6,)),
    Kind.TEXT: (as_text, ()),
    Kind.HEX: (bytes.hex, ()),
}


def _add_addresses(block: RecordBlock, columns: dict[str, _Column]) -> None:
    """Add src_addr, dst_addr and etype by the family which the points have."""
    v4 = is_family_4(block).tolist()
    found: dict[str, list[int | None]] = {}
    for end, (four, six) in ENDS.items():
        narrow, wide = block.layout.fixed(four, 4), block.layout.fixed(six, 16)
        by_four = None if narrow is None else [_four(o) for o in block.octets(narrow)]
        by_six = None if wide is None else [_six(o) for o in block.octets(wide)]
        if by_four is None or by_six is None:
            one = by_four or by_six
            if one is not None:
                columns[f"{end}_addr"] = list(one)
            found[end] = [4 if by_four else 6 if by_six else None] * len(block)
        else:
            pairs = zip(v4, by_four, by_six, strict=True)
            columns[f"{end}_addr"] = [a if is_4 else b for is_4, a, b in pairs]
            found[end] = [4 if is_4 else 6 for is_4 in v4]
    families = [a or b for a, b in zip(*found.values(), strict=True)]
    columns["etype"] = [None if f is None else _ETHERTYPE[f] for f in families]


def _add_labels(block: RecordBlock, columns: dict[str, _Column]) -> None:
    """Add the MPLS label stack, from the top (RFC 3032, 2.1: 20 bits of label)."""
    stack = []
    for field, spec in enumerate(block.layout.fields):
        element = BY_NUMBER.get((spec.element, spec.pen))
        if element is not None and element.kind is Kind.LABEL and spec.length == 3:
            stack.append([int.from_bytes(o, "big") >> 4 for o in block.octets(field)])
    if stack:
        columns["mpls_label"] = [
            [label for label in labels if label] for labels in zip(*stack, strict=True)
        ]


def _add_icmp(block: RecordBlock, columns: dict[str, _Column]) -> None:
    """Split the elements which hold ICMP type and code in one number: type * 256 + code."""
    for name in ("icmpTypeCodeIPv4", "icmpTypeCodeIPv6"):
        field = block.layout.fixed(name)
        if field is None:
            continue
        both = block.unsigned(field).tolist()
        for key, values in (
            ("icmp_type", [v >> 8 & 0xFF for v in both]),
            ("icmp_code", [v & 0xFF for v in both]),
        ):
            columns[key] = _merged(columns[key], values) if key in columns else values
