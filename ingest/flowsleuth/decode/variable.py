"""Records with fields of variable length: where each record and each such field lies.

RFC 7011, 7: one byte of length, or 255 and two bytes. Only lengths have to be read one after
another; the fixed-length fields between them are then gathered as columns like all others. The
walk goes through all sets in lock step, the k-th record of each at once; where few sets have
records left, a step costs more than the records in it, and they are walked one by one.
"""

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.gather import Bytes, Ints
from flowsleuth.decode.layouts import Layout

_LONG = 255
_FEW = 16
"""Sets below which walking each alone is cheaper: a step in lock step costs as much as a dozen."""


def walk_records(
    data: Bytes, layout: Layout, start: Ints, length: Ints, room: int
) -> tuple[Ints, Ints, Ints, Ints]:
    """Find the records of sets: (counts (s,), record (r,), at (r, v), size (r, v)), int64.

    record: where each begins; at, size: its fields of variable length, bytes in `data`.
    A set whose last record is cut short has -1 - count in `counts`. A layout that is empty, and
    what does not fit in `room` records, is such a set too.
    """
    end = start + length
    broken = np.zeros(len(start), bool)
    found, left, position = _lock_step(data, layout, start, end, broken, room)
    rows: list[list[int]] = []
    room -= sum(map(len, found))
    for i in left.tolist():
        begin = int(position[i])
        raw = data[begin : int(end[i])].tobytes()
        broken[i] = not _walk_set(raw, (i, begin), layout, room, rows)
    v = len(layout.variable)
    table = np.concatenate([*found, np.array(rows, np.int64).reshape(-1, 2 + 2 * v)])
    table = table[np.argsort(table[:, 0], kind="stable")]
    counts = np.bincount(table[:, 0], minlength=len(start))
    counts[broken] = -1 - counts[broken]
    return counts, table[:, 1], table[:, 2::2], table[:, 3::2]


def _lock_step(
    data: Bytes, layout: Layout, start: Ints, end: Ints, broken: npt.NDArray[np.bool_], room: int
) -> tuple[list[Ints], Ints, Ints]:
    """Walk all sets at once while they are many; `broken` is filled.

    Returns a table of rows (set, record, at and size of each field) per step, the sets that are
    left to be walked alone, and where each set's next record begins.
    """
    position = start.copy()
    active = np.arange(len(start))
    found: list[Ints] = []
    while len(active) >= _FEW and layout.shortest:
        active = active[end[active] - position[active] >= layout.shortest]
        if len(active) > room:
            broken[active] = True
            return found, active[:0], position
        table, after = _step(data, layout, active, position[active])
        whole = after <= end[active]
        broken[active[~whole]] = True
        active = active[whole]
        position[active] = after[whole]
        found.append(table[whole])
        room -= len(active)
    return found, active, position


def _step(data: Bytes, layout: Layout, active: Ints, begin: Ints) -> tuple[Ints, Ints]:
    """Read the lengths in one record of each set: rows of the table, and where the records end.

    Past a set's end this reads whatever is there, which moves the end further: still past it.
    """
    last = len(data) - 1
    at = begin.copy()
    columns = [active, begin]
    for gap in layout.runs[:-1]:
        at = at + gap
        size = data[np.minimum(at, last)].astype(np.int64)
        at += 1
        long = np.flatnonzero(size == _LONG)
        if len(long):
            high, low = (data[np.minimum(at[long] + k, last)].astype(np.int64) for k in (0, 1))
            size[long] = high << 8 | low
            at[long] += 2
        columns += [at.copy(), size]
        at += size
    return np.stack(columns, axis=1), at + layout.runs[-1]


def _walk_set(
    raw: bytes, which: tuple[int, int], layout: Layout, room: int, found: list[list[int]]
) -> bool:
    """Add the records of one set to `found`; return whether nothing but padding is left.

    which: the set, and where `raw` lies in the buffer.
    """
    if not layout.shortest:
        return not raw
    number, begin = which
    gaps, tail = layout.runs[:-1], layout.runs[-1]
    at = 0
    while len(raw) - at >= layout.shortest:
        if len(found) >= room:
            return False
        row = [number, begin + at]
        for gap in gaps:
            at += gap + 1
            if at > len(raw):
                return False
            size = raw[at - 1]
            if size == _LONG:
                at += 2
                if at > len(raw):
                    return False
                size = raw[at - 2] << 8 | raw[at - 1]
            row += (begin + at, size)
            at += size
        at += tail
        if at > len(raw):
            return False
        found.append(row)
    return True
