"""Records of one layout, gathered from all sets of a batch that have it.

A block is cheap to make (one gather) and cheap to carry: columns are views, and nothing is
converted until somebody asks, be it `columns` for the points or `as_json` for a reader.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.gather import Bytes, Ints, gather, within
from flowsleuth.decode.headers import Messages
from flowsleuth.decode.layouts import VARIABLE, Layout
from flowsleuth.decode.problems import Faults
from flowsleuth.decode.resolve import Resolved
from flowsleuth.decode.variable import walk_records


@dataclass(slots=True)
class RecordBlock:
    """r records of one layout, from s sets, in wire order.

    rows: layout.dtype (r,). message, rank, counts: int64 (s,), for each set its index into
    `messages`, its place in the batch's wire order, and its number of records.
    at, size: int64 (r, v), where the fields of variable length lie in `data`, bytes.
    rate_num, rate_den: int64 (r,), rate_state: uint8 (r,), and times, (start_ns, end_ns) int64
    (r,), as in Flows: filled by the decoder for data records.
    """

    layout: Layout
    rows: npt.NDArray[np.void]
    message: Ints
    rank: Ints
    counts: Ints
    messages: Messages
    data: Bytes
    at: Ints
    size: Ints
    rate_num: Ints
    rate_den: Ints
    rate_state: npt.NDArray[np.uint8]
    times: tuple[Ints, Ints]

    def __len__(self) -> int:
        return len(self.rows)

    def repeated(self, per_message: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Return a header's column for each record."""
        return np.repeat(per_message[self.message], self.counts)

    def select(self, chosen: npt.NDArray[np.bool_]) -> "RecordBlock":
        """Return the records where `chosen`, bool (r,), is true."""
        which = np.repeat(np.arange(len(self.counts)), self.counts)[chosen]
        part = replace(
            self,
            rows=self.rows[chosen],
            counts=np.bincount(which, minlength=len(self.counts)),
            at=self.at[chosen],
            size=self.size[chosen],
        )
        if len(self.rate_num):
            part.rate_num, part.rate_den = self.rate_num[chosen], self.rate_den[chosen]
            part.rate_state = self.rate_state[chosen]
            part.times = self.times[0][chosen], self.times[1][chosen]
        return part

    def without_empty_sets(self) -> "RecordBlock":
        """Return the same records, of the sets that have any."""
        used = self.counts > 0
        return replace(
            self, message=self.message[used], rank=self.rank[used], counts=self.counts[used]
        )

    def repeated_rank(self) -> Ints:
        """Return the place of each record's set in the batch's wire order, int64 (r,)."""
        return np.repeat(self.rank, self.counts)

    def raw(self, field: int) -> npt.NDArray[np.generic]:
        """Return a fixed-length field as the packed record holds it: a view (r,) or (r, k)."""
        view: npt.NDArray[np.generic] = self.rows[f"f{field}"]
        return view

    def unsigned(self, field: int) -> npt.NDArray[np.unsignedinteger]:
        """Return a fixed-length integer of any length (r,); native widths are views.

        What does not fit in 64 bits is the largest number that does (RFC 7011, 6.2: reduced-size
        encoding; wider than 8 octets is no integer at all).
        """
        raw = self.raw(field)
        if raw.ndim == 1:
            return raw  # type: ignore[return-value] # an integer of native width
        width = self.layout.fields[field].length
        octets = np.ascontiguousarray(raw).view(np.uint8).reshape(len(raw), width)
        number = np.zeros(len(raw), np.uint64)
        for column in octets[:, -8:].T:
            number = (number << np.uint64(8)) | column
        number[octets[:, :-8].any(axis=1)] = np.iinfo(np.uint64).max
        return number

    def octets(self, field: int) -> list[bytes]:
        """Return each record's bytes of a field, fixed or variable."""
        spec = self.layout.fields[field]
        if spec.length == VARIABLE:
            v = self.layout.variable.index(field)
            raw = self.data
            return [
                raw[a : a + s].tobytes()
                for a, s in zip(self.at[:, v].tolist(), self.size[:, v].tolist(), strict=True)
            ]
        flat = np.ascontiguousarray(self.raw(field)).tobytes()
        return [flat[i : i + spec.length] for i in range(0, len(flat), spec.length)]


def read_block(resolved: Resolved, number: int, room: int, faults: Faults) -> RecordBlock:
    """Gather the records of layout `number`; at most `room`, the sets beyond are malformed."""
    layout = resolved.layouts[number]
    chosen = np.flatnonzero(resolved.layout == number)
    sets = resolved.sets.take(chosen)
    carrier = resolved.messages.carrier[sets.message]
    if layout.variable or not layout.size:
        counts, at, size, rows = _variable(resolved, layout, sets.start, sets.length, room)
        broken = np.flatnonzero(counts < 0)
        counts = np.abs(counts) - (counts < 0)
        faults.add_all(carrier[broken], "record cut short", sets.set_id[broken], sets.start[broken])
    else:
        counts = sets.length // layout.size
        whole = np.searchsorted(np.cumsum(counts), room, side="right")
        if whole < len(counts):
            faults.add_all(carrier[whole:], "more records in a batch than are held")
            counts[whole:] = 0
        offsets = np.repeat(sets.start, counts) + within(counts) * layout.size
        rows = gather(resolved.data, offsets, layout.size).view(layout.dtype)
        at = size = np.empty((len(rows), 0), np.int64)
    none = np.empty(0, np.int64)
    return RecordBlock(
        layout=layout,
        rows=rows,
        message=sets.message,
        rank=resolved.rank[chosen],
        counts=counts,
        messages=resolved.messages,
        data=resolved.data,
        at=at,
        size=size,
        rate_num=none,
        rate_den=none,
        rate_state=np.empty(0, np.uint8),
        times=(none, none),
    )


def _variable(
    resolved: Resolved, layout: Layout, start: Ints, length: Ints, room: int
) -> tuple[Ints, Ints, Ints, npt.NDArray[np.void]]:
    """Gather records with fields of variable length: counts (see walk_records), at, size, rows."""
    counts, record, at, size = walk_records(resolved.data, layout, start, length, room)
    packed = np.zeros((len(record), layout.dtype.itemsize), np.uint8)
    cursor, filled = record, 0
    for v, fixed in enumerate(layout.runs):
        if fixed:
            piece = gather(resolved.data, cursor, fixed)
            packed[:, filled : filled + fixed] = piece.view(np.uint8).reshape(-1, fixed)
            filled += fixed
        if v < len(layout.variable):
            cursor = at[:, v] + size[:, v]
    return counts, at, size, packed.reshape(-1).view(layout.dtype)
