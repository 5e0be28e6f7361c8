"""A block of data records as `Flows`: the columns which every version shares.

Which element fills a column is decided once per layout; what is left per batch is one conversion
per column. Records of a layout with addresses of both families are told apart one by one.
"""

from collections.abc import Set as AbstractSet
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.blocks import RecordBlock
from flowsleuth.decode.flows import (
    DIRECTION_UNKNOWN,
    MAPPED_PREFIX,
    UNKNOWN_ADDRESS,
    Flows,
)
from flowsleuth.decode.gather import Ints
from flowsleuth.decode.optional import DST_PORTS, TRANSLATED, optional_columns
from flowsleuth.decode.sessions import Session
from flowsleuth.decode.times import flow_times
from flowsleuth.protocols import NO_PROTOCOL

Unsigned = npt.NDArray[np.unsignedinteger]
_MOST = np.iinfo(np.int64).max

BYTES = (
    "octetDeltaCount",
    "postOctetDeltaCount",
    "octetTotalCount",
    "postOctetTotalCount",
    "initiatorOctets",
    "layer2OctetDeltaCount",
)
PACKETS = (
    "packetDeltaCount",
    "postPacketDeltaCount",
    "packetTotalCount",
    "postPacketTotalCount",
    "initiatorPackets",
)
REVERSE_BYTES = (
    "reverseOctetDeltaCount",
    "reversePostOctetDeltaCount",
    "reverseOctetTotalCount",
    "responderOctets",
)
REVERSE_PACKETS = (
    "reversePacketDeltaCount",
    "reversePostPacketDeltaCount",
    "reversePacketTotalCount",
    "responderPackets",
)
"""Counters, each the first that is not zero (the design's order)."""

_SRC_PORTS = ("sourceTransportPort", "udpSourcePort", "tcpSourcePort")
_IN_IFS = ("ingressInterface", "ingressPhysicalInterface")
_OUT_IFS = ("egressInterface", "egressPhysicalInterface")
_EVENTS = ("firewallEvent", "NF_F_FW_EVENT")
_CREATED, _DENIED = 1, 3
"""Firewall events without traffic of their own (Cisco ASA NetFlow Implementation Note)."""

ENDS = {
    "src": ("sourceIPv4Address", "sourceIPv6Address"),
    "dst": ("destinationIPv4Address", "destinationIPv6Address"),
}
_POST_4 = {
    "src": ("postNATSourceIPv4Address", "NF_F_XLATE_SRC_ADDR_IPV4"),
    "dst": ("postNATDestinationIPv4Address", "NF_F_XLATE_DST_ADDR_IPV4"),
}
_POST_6 = {"src": "postNATSourceIPv6Address", "dst": "postNATDestinationIPv6Address"}


def flows_of(
    block: RecordBlock, sessions: list[Session], wanted: AbstractSet[str] = frozenset()
) -> list[Flows]:
    """Return the block's records, one `Flows` per address family that occurs.

    wanted: the optional columns to make.
    """
    v4 = is_family_4(block)
    whole = _columns(block, sessions)
    parts: list[tuple[int, npt.NDArray[np.bool_] | None]] = [(4, v4), (6, ~v4)]
    if (four := bool(v4.all())) or not v4.any():
        parts = [(4 if four else 6, None)]
    return [_with_addresses(block, whole, family, chosen, wanted) for family, chosen in parts]


def counter(block: RecordBlock, names: tuple[str, ...]) -> Ints | None:
    """Return the first non-zero of several counters, int64 (r,); None if the layout has none."""
    result: Ints | None = None
    for name in names:
        field = block.layout.fixed(name)
        if field is None:
            continue
        number = _signed(block.unsigned(field))
        result = number if result is None else np.where(result != 0, result, number)
    return result


def is_family_4(block: RecordBlock) -> npt.NDArray[np.bool_]:
    """Return whether each record's ends are IPv4, bool (r,).

    A layout with both pairs has the one that is used in the record, the other is zero.
    """
    four = [block.layout.fixed(names[0], 4) for names in ENDS.values()]
    six = [block.layout.fixed(names[1], 16) for names in ENDS.values()]
    if None in four:
        return np.zeros(len(block), bool)
    used = np.ones(len(block), bool)
    if six != [None, None]:
        used = _any_set(block, four) | ~_any_set(block, six)
    return used


def _any_set(block: RecordBlock, positions: list[int | None]) -> npt.NDArray[np.bool_]:
    result = np.zeros(len(block), bool)
    for field in positions:
        if field is not None:
            raw = block.raw(field) != 0
            result |= raw if raw.ndim == 1 else raw.any(axis=1)
    return result


def _columns(block: RecordBlock, sessions: list[Session]) -> dict[str, npt.NDArray[np.generic]]:
    """Return every column of `Flows` but the addresses."""
    export_ns = block.repeated(block.messages.export_ns).astype(np.int64, copy=False)
    start_ns, end_ns, dated = flow_times(block, sessions, export_ns)
    block.times = start_ns, end_ns
    octets, packets = (_or_zero(block, counter(block, names)) for names in (BYTES, PACKETS))
    reverse_bytes, reverse_packets = counter(block, REVERSE_BYTES), counter(block, REVERSE_PACKETS)
    one_way = reverse_bytes is None and reverse_packets is None
    return {
        "protocol": _number(block, ("protocolIdentifier",), np.uint16, NO_PROTOCOL),
        "src_port": _number(block, _SRC_PORTS, np.uint16),
        "dst_port": _number(block, DST_PORTS, np.uint16),
        "tcp_flags": _number(block, ("tcpControlBits",), np.uint16),
        "in_if": _number(block, _IN_IFS, np.uint32),
        "out_if": _number(block, _OUT_IFS, np.uint32),
        "flow_direction": _number(block, ("flowDirection",), np.uint8, DIRECTION_UNKNOWN),
        "bytes": octets,
        "packets": packets,
        "start_ns": start_ns,
        "end_ns": end_ns,
        "dated": dated,
        "rate_num": block.rate_num,
        "rate_den": block.rate_den,
        "rate_state": block.rate_state,
        "counts": _counts(block, octets, packets),
        "stream": block.repeated(block.messages.stream.astype(np.int32)),
        "export_ns": export_ns,
        "received_ns": block.repeated(block.messages.received_ns),
    } | (
        {}
        if one_way
        else {
            "reverse_bytes": _or_zero(block, reverse_bytes),
            "reverse_packets": _or_zero(block, reverse_packets),
        }
    )


def _number(
    block: RecordBlock, names: tuple[str, ...], dtype: type[np.unsignedinteger], lacking: int = 0
) -> Unsigned:
    """Return the first of several elements that the layout has, as `dtype` (r,)."""
    for name in names:
        field = block.layout.fixed(name)
        if field is not None:
            return block.unsigned(field).astype(dtype)
    return np.full(len(block), lacking, dtype)


def _signed(number: Unsigned) -> Ints:
    if number.dtype.itemsize == 8:
        number = np.minimum(number, np.uint64(_MOST))
    return number.astype(np.int64)


def _or_zero(block: RecordBlock, number: Ints | None) -> Ints:
    return np.zeros(len(block), np.int64) if number is None else number


def _counts(block: RecordBlock, octets: Ints, packets: Ints) -> npt.NDArray[np.bool_]:
    """Whether a record counts as traffic: not an event that carries none yet."""
    counts = np.ones(len(block), bool)
    for name in _EVENTS:
        field = block.layout.fixed(name)
        if field is not None:
            event = block.unsigned(field)
            empty = (octets == 0) & (packets == 0)
            counts &= ~(empty & ((event == _CREATED) | (event == _DENIED)))
    return counts


def _with_addresses(
    block: RecordBlock,
    whole: dict[str, npt.NDArray[np.generic]],
    family: int,
    chosen: npt.NDArray[np.bool_] | None,
    wanted: AbstractSet[str],
) -> Flows:
    """Return the chosen records (None: all) of one family as Flows."""
    ends: dict[str, Any] = {end: _end(block, end, family, chosen) for end in ("src", "dst")}
    nat = {end: _translated(block, end, family, chosen) for end in ("src", "dst")}
    post = {end: _post(nat[end], ends[end]) for end in ("src", "dst")}
    columns: dict[str, Any] = {k: _taken(v, chosen) for k, v in whole.items()}
    more = optional_columns(block, wanted) if wanted else {}
    optional: dict[str, Any] = {name: _taken(column, chosen) for name, column in more.items()}
    for name in TRANSLATED.keys() & wanted:
        end = TRANSLATED[name]
        optional[name] = np.zeros_like(ends[end]) if nat[end] is None else nat[end]
    return Flows(
        family=family,
        **ends,
        post_src=post["src"],
        post_dst=post["dst"],
        **({"reverse_bytes": None, "reverse_packets": None} | columns),
        optional=optional,
    )


def _taken(
    values: npt.NDArray[np.generic], chosen: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.generic]:
    return values if chosen is None else values[chosen]


def _four(block: RecordBlock, field: int, chosen: npt.NDArray[np.bool_] | None) -> Unsigned:
    return _taken(block.raw(field), chosen).astype(np.uint32)


def _six(block: RecordBlock, field: int, chosen: npt.NDArray[np.bool_] | None) -> Unsigned:
    return _taken(block.raw(field), chosen).astype(np.uint64)


def _mapped(address: Unsigned) -> Unsigned:
    """Return IPv4 addresses as IPv4-mapped IPv6 ones, uint64 (n, 2)."""
    wide = np.zeros((len(address), 2), np.uint64)
    wide[:, 1] = address.astype(np.uint64) | np.uint64(MAPPED_PREFIX)
    return wide


def _end(
    block: RecordBlock, end: str, family: int, chosen: npt.NDArray[np.bool_] | None
) -> Unsigned:
    """Return one end's addresses; in family 6 a lone IPv4 end is mapped, a lacking one unknown."""
    four = block.layout.fixed(ENDS[end][0], 4)
    six = block.layout.fixed(ENDS[end][1], 16)
    if family == 4:
        assert four is not None
        return _four(block, four, chosen)
    if six is not None:
        return _six(block, six, chosen)
    if four is not None:
        return _mapped(_four(block, four, chosen))
    size = len(block) if chosen is None else int(np.count_nonzero(chosen))
    return np.tile(UNKNOWN_ADDRESS, (size, 1))


def _translated(
    block: RecordBlock, end: str, family: int, chosen: npt.NDArray[np.bool_] | None
) -> Unsigned | None:
    """Return one end's addresses after NAT, None if the layout has none; zero means untouched."""
    four = next(
        (f for f in (block.layout.fixed(n, 4) for n in _POST_4[end]) if f is not None), None
    )
    six = block.layout.fixed(_POST_6[end], 16)
    if family == 4:
        return None if four is None else _four(block, four, chosen)
    wide = None if six is None else _six(block, six, chosen)
    if four is None:
        return wide
    narrow = _four(block, four, chosen)
    base = np.zeros((len(narrow), 2), np.uint64) if wide is None else wide
    return np.where((narrow != 0)[:, None], _mapped(narrow), base)


def _post(translated: Unsigned | None, address: Unsigned) -> Unsigned | None:
    """Return the addresses after NAT: the original one where it is untouched."""
    if translated is None:
        return None
    if translated.ndim == 1:
        return np.where(translated != 0, translated, address)
    return np.where(translated.any(axis=1, keepdims=True), translated, address)


def joined(parts: list[Flows]) -> Flows:
    """Return several Flows of one family as one."""
    if len(parts) == 1:
        return parts[0]
    columns: dict[str, Any] = {"family": parts[0].family}
    for f in fields(Flows)[1:-1]:
        values = [getattr(part, f.name) for part in parts]
        if all(value is None for value in values):
            columns[f.name] = None
        else:
            columns[f.name] = np.concatenate(
                [
                    _default(p, f.name) if v is None else v
                    for p, v in zip(parts, values, strict=True)
                ]
            )
    optional = {
        name: np.concatenate([part.optional[name] for part in parts]) for name in parts[0].optional
    }
    return Flows(**columns, optional=optional)


def _default(part: Flows, name: str) -> npt.NDArray[np.generic]:
    """Return what an optional column has where one part lacks it."""
    if name.startswith("post_"):
        return getattr(part, name.removeprefix("post_"))  # type: ignore[no-any-return]
    return np.zeros(len(part), np.int64)
