"""Flow columns become NetFlow v5, v9 and IPFIX datagrams, without a Python loop per flow.

The layout of a whole batch (which record lies in which set of which datagram, and at which
byte) is computed by cumulative sums; then headers and records, each a NumPy structured array in
network byte order, are scattered into one flat buffer. What comes out has the shape that
`receive.datagrams.Datagrams` wants, so a benchmark can feed the decoder without a copy.

v9 and IPFIX send their templates, sampler and interface names in front of the data of the first
datagram and again whenever `refresh_ns` has passed (RFC 3954 section 9, RFC 7011 section 8.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from flowsleuth.demo.formats import (
    HEADERS,
    SAMPLER_ID,
    SECOND,
    SET_HEADER,
    TEMPLATE_IDS,
    V5_RECORD,
    Exporter,
    Preamble,
    preamble,
    template_fields,
)

__all__ = ["Encoded", "Encoder", "Exporter", "FlowColumns"]

Ints: TypeAlias = npt.NDArray[np.int64]
Bytes: TypeAlias = npt.NDArray[np.uint8]

ROOM = 1100
"""A datagram closes behind the record that passes this many bytes of records; with headers,
templates and that last record it stays below 1 472 bytes, so that Ethernet does not fragment."""

V5_RECORDS = 30
"""Most records in a v5 datagram (Cisco's format description)."""

SCATTER_ROWS = 65_536
"""Rows written at a time: bounds the index matrix to some 25 MB."""

MILLISECOND = 1_000_000


@dataclass(slots=True)
class FlowColumns:
    """n unidirectional flow records as they are to be exported.

    src, dst: uint64 (n, 2), high half first; an IPv4 address lies in the low half.
    is_v6: bool (n,). All others int64 (n,): start_ns and end_ns in ns since the epoch (exported
    in ms), bytes and packets as counted by the exporter, that is after its sampling.
    """

    is_v6: npt.NDArray[np.bool_]
    src: npt.NDArray[np.uint64]
    dst: npt.NDArray[np.uint64]
    src_port: Ints
    dst_port: Ints
    protocol: Ints
    tcp_flags: Ints
    in_if: Ints
    out_if: Ints
    bytes: Ints
    packets: Ints
    start_ns: Ints
    end_ns: Ints

    def __len__(self) -> int:
        return len(self.bytes)

    def take(self, index: npt.NDArray[Any]) -> Self:
        """Return the rows that an index array or a mask chooses."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Return all rows of all parts, in order; at least one part."""
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )


@dataclass(frozen=True, slots=True)
class Encoded:
    """n datagrams in one buffer: data uint8, the others int64 (n,); export_ns is ascending."""

    data: Bytes
    start: Ints
    length: Ints
    export_ns: Ints


def _scatter(out: Bytes, start: Ints, rows: npt.NDArray[Any]) -> None:
    """Write row i of a structured array at out[start[i]:]."""
    size = rows.dtype.itemsize
    raw = rows.view(np.uint8).reshape(len(rows), size)
    span = np.arange(size)
    for i in range(0, len(rows), SCATTER_ROWS):
        part = slice(i, i + SCATTER_ROWS)
        out[start[part, None] + span] = raw[part]


def _exclusive(lengths: Ints) -> Ints:
    """Return the sum of all lengths before each."""
    return np.cumsum(lengths) - lengths


def _new(*keys: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return where any key differs from the row before; the first row always does."""
    changed = np.zeros(len(keys[0]), np.bool_)
    changed[:1] = True
    for key in keys:
        changed[1:] |= key[1:] != key[:-1]
    return changed


@dataclass(frozen=True, slots=True)
class _Cut:
    """n records cut into s sets of d datagrams; all int64, places are indexes or bytes.

    set_of_record, in_set (n,): which set, and at which byte of it; set_first, set_length,
    datagram_of_set, set_at (s,): first record, bytes, which datagram, at which byte behind all
    that leads it; datagram_first, body (d,): first record, bytes of all its sets.
    """

    set_of_record: Ints
    in_set: Ints
    set_first: Ints
    set_length: Ints
    datagram_of_set: Ints
    set_at: Ints
    datagram_first: Ints
    body: Ints


def _cut(
    size: Ints, is_v6: npt.NDArray[np.bool_], export_ns: Ints, room: int, set_head: int
) -> _Cut:
    """Cut records of `size` bytes, ordered by export time and family, where either changes.

    A datagram also ends where its records have passed `room` bytes.
    """
    begin = _exclusive(size)
    group = np.flatnonzero(_new(export_ns))
    in_group = begin - np.repeat(begin[group], np.diff(np.append(group, len(size))))
    opens_datagram = _new(export_ns, in_group // room)
    opens_set = opens_datagram | _new(is_v6)
    set_first = np.flatnonzero(opens_set)
    set_of_record = np.cumsum(opens_set) - 1
    datagram_of_set = (np.cumsum(opens_datagram) - 1)[set_first]
    set_length = np.add.reduceat(size, set_first) + set_head
    set_length += -set_length % 4
    first_set = np.flatnonzero(_new(datagram_of_set))
    set_at = _exclusive(set_length)
    return _Cut(
        set_of_record=set_of_record,
        in_set=set_head + begin - begin[set_first][set_of_record],
        set_first=set_first,
        set_length=set_length,
        datagram_of_set=datagram_of_set,
        set_at=set_at - set_at[first_set][datagram_of_set],
        datagram_first=np.flatnonzero(opens_datagram),
        body=np.add.reduceat(set_length, first_set),
    )


@dataclass(slots=True)
class Encoder:
    """One exporter at work: its sequence number and when it last sent its templates."""

    exporter: Exporter
    sequence: int = 0
    refreshed: int | None = None

    def refresh(self) -> None:
        """Send templates and options again with the next datagram."""
        self.refreshed = None

    def encode(self, flows: FlowColumns, export_ns: Ints) -> Encoded:
        """Return the datagrams that export `flows`, each flow at its export_ns (n,), in its order.

        Flows of the same export time share datagrams, IPv4 before IPv6. The sequence number
        goes on from call to call in the version's unit: flows (v5), datagrams (v9), data
        records (IPFIX). ValueError: IPv6 in v5.
        """
        if not len(flows):
            empty = np.empty(0, np.int64)
            return Encoded(np.empty(0, np.uint8), empty, empty, empty)
        v5 = self.exporter.version == 5
        if v5 and flows.is_v6.any():
            raise ValueError("NetFlow v5 has no IPv6")
        order = np.lexsort((flows.is_v6, export_ns))
        flows, export_ns = flows.take(order), export_ns[order]
        layouts = {is_v6: self._dtype(is_v6) for is_v6 in (False, True)}
        size = np.where(flows.is_v6, layouts[True].itemsize, layouts[False].itemsize)
        room = V5_RECORDS * V5_RECORD.itemsize if v5 else ROOM
        cut = _cut(size, flows.is_v6, export_ns, room, 0 if v5 else SET_HEADER.itemsize)

        times = export_ns[cut.datagram_first]
        announced = preamble(self.exporter)
        carries = self._carries(times)
        head = HEADERS[self.exporter.version].itemsize
        lead = head + np.where(carries, len(announced.sets), 0)
        length = cut.body + lead
        start = _exclusive(length)
        set_start = (start + lead)[cut.datagram_of_set] + cut.set_at

        out = np.zeros(int(length.sum()), np.uint8)
        counts = np.diff(np.append(cut.datagram_first, len(flows)))
        _scatter(out, start, self._headers(times, length, counts, carries, announced))
        if announced.sets:
            rows = np.frombuffer(announced.sets, f"V{len(announced.sets)}")
            _scatter(out, start[carries] + head, np.repeat(rows, carries.sum()))
        if not v5:
            heads = np.empty(len(set_start), SET_HEADER)
            is_v6 = flows.is_v6[cut.set_first]
            heads["id"] = np.where(is_v6, TEMPLATE_IDS[True], TEMPLATE_IDS[False])
            heads["length"] = cut.set_length
            _scatter(out, set_start, heads)
        record_start = set_start[cut.set_of_record] + cut.in_set
        for family, layout in layouts.items():
            chosen = flows.is_v6 == family
            if chosen.any():
                _scatter(out, record_start[chosen], self._rows(flows.take(chosen), layout, family))
        return Encoded(out, start, length, times)

    def _dtype(self, is_v6: bool) -> np.dtype[Any]:
        if self.exporter.version == 5:
            return V5_RECORD
        return np.dtype([(name, kind) for name, _, kind in template_fields(self.exporter, is_v6)])

    def _carries(self, times: Ints) -> npt.NDArray[np.bool_]:
        """Return which datagrams carry the templates."""
        turn = times // self.exporter.refresh_ns
        carries = _new(turn)
        carries[0] = self.refreshed is None or turn[0] != self.refreshed
        self.refreshed = int(turn[-1])
        return carries

    def _headers(
        self,
        times: Ints,
        length: Ints,
        counts: Ints,
        carries: npt.NDArray[np.bool_],
        announced: Preamble,
    ) -> npt.NDArray[Any]:
        """Return the header of each datagram and move the sequence number on."""
        exporter = self.exporter
        data_records = counts + np.where(carries, announced.data_records, 0)
        step = np.ones_like(counts) if exporter.version == 9 else data_records
        rows = np.zeros(len(times), HEADERS[exporter.version])
        rows["version"] = exporter.version
        rows["secs"] = times // SECOND
        rows["sequence"] = (self.sequence + _exclusive(step)) % 2**32
        rows["domain"] = exporter.domain
        self.sequence += int(step.sum())
        if exporter.version == 10:
            rows["length"] = length
            return rows
        rows["count"] = counts + np.where(carries, announced.records, 0)
        rows["uptime"] = (times - exporter.boot_ns) // MILLISECOND % 2**32
        if exporter.version == 5:
            rows["nsecs"] = times % SECOND
            # Mode 1 in the two high bits: packet interval sampling.
            rows["sampling"] = 1 << 14 | exporter.sampling if exporter.sampling > 1 else 0
        return rows

    def _rows(self, flows: FlowColumns, layout: np.dtype[Any], is_v6: bool) -> npt.NDArray[Any]:
        """Return flows of one family as rows of its template."""
        rows = np.zeros(len(flows), layout)
        names = layout.names or ()
        for name in ("src", "dst"):
            ends: npt.NDArray[np.uint64] = getattr(flows, name)
            rows[name] = ends.astype(">u8").view("V16")[:, 0] if is_v6 else ends[:, 1]
        for name in (f.name for f in fields(flows)):
            if name in names and name not in ("src", "dst"):
                rows[name] = getattr(flows, name)
        boot = self.exporter.boot_ns
        for name, column in (("first", flows.start_ns), ("last", flows.end_ns)):
            if name in names:
                rows[name] = (column - boot) // MILLISECOND % 2**32
        for name, column in (("start_ms", flows.start_ns), ("end_ms", flows.end_ns)):
            if name in names:
                rows[name] = column // MILLISECOND
        if "sampler" in names:
            rows["sampler"] = SAMPLER_ID
        return rows
