"""Is traffic counted twice? A guess at it, from a sample of 5-tuples seen at several places.

A router that exports ingress and egress, or two routers on one path, export the same flow more
than once, and no sum shows it. All records of some 5-tuples are sampled, chosen by a hash, so that
a flow is sampled at all places or at none; then each record asks for twins among the others.

The sample of a window is a function of the window's records alone: those whose hash is below the
largest of 2^32, 2^31, ... that leaves no more than there is room for. So neither batches nor the
order of datagrams change what a capture gives, and a scan of the whole internet needs no more
memory.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.clocks import SECOND, SKEW_TOLERATED
from flowsleuth.aggregate.grouping import group, hash_rows
from flowsleuth.enrich.enricher import Records

Ints = npt.NDArray[np.int64]
Marks = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.void]

PER_WINDOW = 2048
"""Most records sampled in a window: their share is known to 1.1 % (standard error) at worst, and
they are matched in about a millisecond."""

HELD = 1 << 20
"""Most records held over all windows: 50 MB, needed only where a file keeps windows open for the
accepted age. `collect` holds a few windows."""

FEWEST = 20
"""Fewer samples tell nothing (a standard error of 11 %): they wait for those of later windows."""

APART_NS = 5 * SECOND
"""Two places see a flow begin and end at most this far apart, judged by when they exported it:
headers of v9 and IPFIX carry whole seconds, and sampled or lazy caches miss a first packet."""

TOGETHER_NS = 1 * SECOND
"""One place seems to have a flow twice if both times agree by this, to the byte: two meters that
cannot be told apart (softflowd on two interfaces of one host), or a datagram that came twice."""

ALIKE = 10
"""Bytes of twins differ by at most one part in this: places count different layers and losses."""

REACH_NS = 60 * SECOND
"""Twins arrive at most this far apart (or a window), the usual difference of inactive timeouts."""

NEIGHBOURS = 4
"""Of the records of a 5-tuple, sorted by start, each is compared with so many before and after:
more places on one path are next to never, and a tuple that repeats all day costs no more."""

UNIT = 2520
"""What a record counts, in integers: divisible by 1 to 2 * NEIGHBOURS + 1, so sums are exact."""

_NEVER = 2**32 - 1
"""The mark of a record that is not sampled, and the bound below which every other one is."""

_FAR = 64
"""Windows in a batch from which on it is not worth while to ask each for its bound."""

_ROW = np.dtype(
    [
        ("mark", "u4"),
        ("stream", "i4"),
        ("tuple", "u8"),
        ("place", "u8"),
        ("start", "i8"),
        ("end", "i8"),
        ("bytes", "i8"),
    ]
)


class Duplicates:
    """Sampled records by window of receipt. held_windows: how many may be open at once."""

    def __init__(self, window_ns: int, held_windows: int) -> None:
        self.window_ns = window_ns
        self._reach = max(1, REACH_NS // window_ns)
        self._room = max(1, min(PER_WINDOW, HELD // (held_windows + 2 * self._reach)))
        self._samples: dict[int, _Sample] = {}
        self._taken = -(2**62)
        self._pending: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        """Count the records held."""
        return sum(len(sample.rows) for sample in self._samples.values())

    def add(self, records: Records) -> None:
        """Sample records whose times have been judged; those without times tell nothing."""
        marks = _marks(records)
        if not records.dated.all():
            marks[~records.dated] = _NEVER
        received = records.received_ns
        first, last = int(received.min()) // self.window_ns, int(received.max()) // self.window_ns
        if first == last:
            self._offer(first, records, marks, None)
            return
        chosen = np.flatnonzero(marks < np.uint32(self._bound(first, last)))
        windows = received[chosen] // self.window_ns
        order = np.argsort(windows, kind="stable")
        chosen, windows = chosen[order], windows[order]
        for rows in np.split(chosen, np.flatnonzero(np.diff(windows)) + 1):
            if len(rows):
                window = int(received[rows[0]]) // self.window_ns
                self._offer(window, records, marks[rows], rows)

    def take_before(self, until: int, windows: Ints, streams: Ints) -> npt.NDArray[np.float64]:
        """Judge windows before `until`; answer for each (windows, streams): float64 (m,).

        The answer is the share of a stream's sampled records that is one too many: of k copies of
        a record, each counts 1 - 1/k. NaN where too few samples have come together.
        """
        found = self._shares(until) if self._samples else {}
        self._taken = max(self._taken, until)
        for window in [w for w in self._samples if w < self._taken - self._reach]:
            del self._samples[window]
        spots = zip(windows.tolist(), streams.tolist(), strict=True)
        return np.array([found.get(spot, np.nan) for spot in spots], np.float64)

    def _bound(self, first: int, last: int) -> int:
        """Return the bound below which a mark may be wanted by a window from first to last."""
        if last - first > _FAR:
            return _NEVER
        samples = [self._samples.get(window) for window in range(first, last + 1)]
        return max(_NEVER if sample is None else sample.bound for sample in samples)

    def _offer(self, window: int, records: Records, marks: Marks, rows: Ints | None) -> None:
        if window < self._taken:
            return
        sample = self._samples.get(window)
        if sample is None:
            sample = self._samples[window] = _Sample(self._room)
        sample.offer(records, marks, rows)

    def _shares(self, until: int) -> dict[tuple[int, int], float]:
        """Return the shares that are known anew, by (window, stream)."""
        near = sorted(w for w in self._samples if w < until + self._reach)
        if not near:
            return {}
        samples = [self._samples[window] for window in near]
        rows = np.concatenate([sample.rows for sample in samples])
        sizes = [len(sample.rows) for sample in samples]
        window = np.repeat(np.array(near, np.int64), sizes)
        # A record counts if a twin of it would have been sampled in every window within reach.
        bound = np.repeat(np.array(self._common_bounds(near), np.uint32), sizes)
        counted = (rows["mark"] < bound) & (window >= self._taken) & (window < until)
        if not counted.any():
            return {}
        surplus = (UNIT - UNIT // _copies(rows, window, self._reach))[counted]
        window, stream = window[counted], rows["stream"][counted].astype(np.int64)
        groups = group((window, stream))
        window, stream = window[groups.first], stream[groups.first]
        order = np.lexsort((stream, window))
        totals = (window, stream, groups.sizes, groups.sum(surplus))
        return self._gathered(*(column[order].tolist() for column in totals))

    def _common_bounds(self, windows: Sequence[int]) -> list[int]:
        """Return for each window the lowest bound of all within reach."""
        bounds = {window: self._samples[window].bound for window in windows}
        reach = range(-self._reach, self._reach + 1)
        return [min(bounds.get(window + i, _NEVER) for i in reach) for window in windows]

    def _gathered(
        self, windows: list[int], streams: list[int], sizes: list[int], surplus: list[int]
    ) -> dict[tuple[int, int], float]:
        """Add up each stream's samples over windows until they are enough to tell."""
        found = {}
        for window, stream, count, extra in zip(windows, streams, sizes, surplus, strict=True):
            samples, sum_ = self._pending.pop(stream, (0, 0))
            samples, sum_ = samples + count, sum_ + extra
            if samples < FEWEST:
                self._pending[stream] = samples, sum_
            else:
                found[window, stream] = round(sum_ / (samples * UNIT), 4)
        return found


class _Sample:
    """What is held of one window: all its records whose mark is below `bound`, at most `room`."""

    __slots__ = ("bound", "room", "rows")

    def __init__(self, room: int) -> None:
        self.room = room
        self.bound = _NEVER
        self.rows: Rows = np.zeros(0, _ROW)

    def offer(self, records: Records, marks: Marks, rows: Ints | None) -> None:
        """Take in records with these marks, at `rows` of them (None: all), as the bound lets."""
        bound = np.uint32(self.bound)
        while _below(bound, self.rows["mark"]) + _below(bound, marks) > self.room:
            bound >>= np.uint32(1)
        if bound < self.bound:
            self.bound = int(bound)
            self.rows = self.rows[self.rows["mark"] < bound]
        wanted = np.flatnonzero(marks < bound)
        if len(wanted):
            chosen = wanted if rows is None else rows[wanted]
            self.rows = np.concatenate((self.rows, _rows(records, chosen, marks[wanted])))


def _below(bound: np.uint32, marks: Marks) -> int:
    return int(np.count_nonzero(marks < bound))


def _marks(records: Records) -> Marks:
    """Hash the ends of each record, in their direction, into uint32 (n,): cheap, for all records.

    Which records are sampled hangs on it and nothing else, so mixing need not be perfect.
    """
    ports = records.src_port.astype(np.uint32)
    ports <<= np.uint32(16)
    ports |= records.dst_port
    if records.family == 6:
        ends = (*records.src.T, *records.dst.T, ports)
        return (hash_rows(ends) >> np.uint64(32)).astype(np.uint32)
    mixed: Marks = records.src * np.uint32(0x9E3779B1)
    mixed += records.dst * np.uint32(0x85EBCA77)
    ports *= np.uint32(0xC2B2AE3D)
    mixed += ports
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(0x27D4EB2F)
    return mixed


def _rows(records: Records, chosen: Ints, marks: Marks) -> Rows:
    """Return what is held of the chosen records; times are on the collector's clock.

    `clocks.judge` tolerates two minutes of skew; between two exporters that is too much.
    """
    received = records.received_ns[chosen]
    skew = received - records.export_ns[chosen]
    skew[np.abs(skew) > SKEW_TOLERATED] = 0  # judge has shifted these
    ends = [end[chosen].reshape(len(chosen), -1).T for end in (records.src, records.dst)]
    stream = records.stream[chosen]
    rows = np.zeros(len(chosen), _ROW)
    rows["mark"], rows["stream"] = marks, stream
    rows["tuple"] = hash_rows(
        (
            *ends[0],
            *ends[1],
            records.src_port[chosen],
            records.dst_port[chosen],
            records.protocol[chosen],
        )
    )
    rows["place"] = hash_rows(
        (
            stream,
            records.flow_direction[chosen],
            records.in_if[chosen],
            records.out_if[chosen],
        )
    )
    rows["start"] = records.start_ns[chosen] + skew
    rows["end"] = records.end_ns[chosen] + skew
    rows["bytes"] = records.bytes[chosen]
    return rows


def _copies(rows: Rows, window: Ints, reach: int) -> Ints:
    """Count the records that each seems to be a copy of, itself included: int64 (n,)."""
    keys = ("bytes", "end", "place", "start", "tuple")
    order = np.lexsort(tuple(rows[key] for key in keys))
    rows, window = rows[order], window[order]
    copies = np.ones(len(rows), np.int64)
    for lag in range(1, NEIGHBOURS + 1):
        left = np.flatnonzero(rows["tuple"][lag:] == rows["tuple"][:-lag])
        if not len(left):
            break
        left = left[np.abs(window[left + lag] - window[left]) <= reach]
        left = left[_twins(rows[left], rows[left + lag])]
        copies[left] += 1
        copies[left + lag] += 1
    answer = np.empty_like(copies)
    answer[order] = copies
    return answer


def _twins(one: Rows, other: Rows) -> npt.NDArray[np.bool_]:
    """Say of pairs of records of equal 5-tuples whether they are the same flow: bool (n,).

    What one place exports of a long flow by its active timeout has times one after another. Two
    records of no length at one place may be packets exported one by one: they are no twins.
    """
    apart = np.maximum(np.abs(one["start"] - other["start"]), np.abs(one["end"] - other["end"]))
    difference = np.abs(one["bytes"] - other["bytes"])
    elsewhere = (apart <= APART_NS) & (
        difference * ALIKE <= np.maximum(one["bytes"], other["bytes"])
    )
    lasting = (one["end"] > one["start"]) & (other["end"] > other["start"])
    here = (apart <= TOGETHER_NS) & lasting & (difference == 0)
    answer: npt.NDArray[np.bool_] = np.where(one["place"] == other["place"], here, elsewhere)
    return answer
