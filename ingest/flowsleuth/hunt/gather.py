"""Flow records become exact totals and, by level of detail, the sums that may matter.

The way is that of the points: the same enrichment, the same judgement of clocks, the same spreading
of long flows and the same rules for the service port. So what the hunt finds in a capture is what
it finds in InfluxDB after that capture was ingested. One pass is enough, which lets it read stdin.

Rows wait in a store of bounded size and are grouped when it is full, the oldest half at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.clocks import SKEW_TOLERATED, judge
from flowsleuth.aggregate.grouping import Groups, group, number_dense, sums_by
from flowsleuth.aggregate.rows import (
    CODE_BITS,
    DIRECTIONS,
    PROTOCOLS,
    Rows,
    Store,
    compact,
    end_columns,
    halves,
    rows_of,
)
from flowsleuth.aggregate.service_port import PortCounts
from flowsleuth.aggregate.spread import portions, spread
from flowsleuth.decode.flows import Flows
from flowsleuth.enrich.counting import Policy
from flowsleuth.enrich.enricher import Enricher, Records
from flowsleuth.hunt.evidence import CROWD, Level
from flowsleuth.hunt.kept import Kept, Names, Sums
from flowsleuth.hunt.totals import Days

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CAPACITY = 250_000
"""Rows that wait to be grouped (51 bytes each, some ten times that while they are)."""

WAITING = 100_000
"""Records that wait for their service port; when there are more, all but the newest are told it."""

_CODE = (1 << CODE_BITS) - 1


class Gathering:
    """Takes flows in; at the end, `days` and `kept` are what they come to.

    least: int64 (places, 3), by network index * 4 + direction and measure: the amount in a window
    below which a sum is not kept.
    """

    def __init__(
        self, enricher: Enricher, window_ns: int, accepted_age_ns: int, least: Ints
    ) -> None:
        self.days = Days(window_ns)
        self.kept = {level: Kept() for level in Level}
        self.records = 0
        self._enricher = enricher
        self._window_ns = window_ns
        self._accepted_age_ns = accepted_age_ns
        self._least = least
        self._unassigned = len(enricher.networks.names)
        codes = (self._unassigned + 1) * len(DIRECTIONS) * PROTOCOLS
        self._so_far = np.zeros((codes, 3))
        self._windows = np.zeros(codes, np.int64)
        self._store = Store(CAPACITY)
        self._ports = PortCounts()
        self._waiting: list[Records] = []
        self._waiting_size = 0

    def feed(self, flows: Flows, policies: Mapping[int, Policy]) -> None:
        """Count flows; policies: by stream index, what the configuration says of exporters."""
        records, _ = self._enricher.enrich(flows, policies)
        self.records += len(records)
        if not len(records):
            return
        judge(records, self._accepted_age_ns)
        if records.decided.all():
            self._account(records)
            return
        self._account(records.take(records.decided))
        waits = records.take(~records.decided)
        self._waiting.append(waits)
        self._waiting_size += len(waits)
        if self._waiting_size > WAITING:
            self._decide(int(records.received_ns.max()) - SKEW_TOLERATED)
        if self._waiting_size > WAITING:
            self._decide()

    def finish(self) -> None:
        """Count what still waits."""
        self._decide()
        self._group(self._store.take_before(2**38))

    def _decide(self, before_ns: int | None = None) -> None:
        """Give the waiting records which end before a time their ports, and count them."""
        due: dict[int, list[Records]] = {}
        kept = []
        for records in self._waiting:
            ends = records.end_ns < (2**62 if before_ns is None else before_ns)
            due.setdefault(records.family, []).append(records.take(ends))
            if not ends.all():
                kept.append(records.take(~ends))
        self._waiting, self._waiting_size = kept, sum(map(len, kept))
        parts = [Records.join(due[family]) for family in sorted(due)]
        parts = [part for part in parts if len(part)]
        if not parts:
            return
        windows = [records.end_ns // self._window_ns for records in parts]
        self._ports.decide(parts, windows, self._enricher.services.known_mask)
        newest = max(int(window.max()) for window in windows)
        self._ports.forget(newest - self._accepted_age_ns // self._window_ns)
        for records in parts:
            self._account(records)

    def _account(self, records: Records) -> None:
        for part in portions(records, self._window_ns):
            cells = spread(part.start_ns, part.end_ns, part.bytes, part.packets, self._window_ns)
            fresh = np.ones(len(cells.window), bool)
            self._store.add(rows_of(part, cells, fresh, self._unassigned))
            while self._store.crowded:
                self._group(self._store.take_before(self._store.oldest_half()))

    def _group(self, families: Sequence[Rows]) -> None:
        """Add rows to the totals, and what may matter of them to each level."""
        if not families:
            return
        keys = np.concatenate([rows.key for rows in families])
        distinct, numbers = number_dense(compact(keys))
        values = np.concatenate([rows.values[:, :3] for rows in families])
        sums = sums_by(numbers, values, len(distinct))
        of_number = np.empty(len(distinct), np.int64)
        of_number[numbers] = keys
        codes = of_number & _CODE
        self.days.add(codes, of_number >> CODE_BITS, sums)
        bars = self._least[codes // PROTOCOLS]
        averages = self._averages(codes, sums)
        at = 0
        for rows in families:
            part = numbers[at : at + len(rows)]
            at += len(rows)
            self._levels(rows, _Judge(averages, bars, part))

    def _averages(self, codes: Ints, sums: Ints) -> Floats:
        """Return what each total's series has had in a window so far: float64 (totals, 3)."""
        np.add.at(self._so_far, codes, sums)
        np.add.at(self._windows, codes, 1)
        averages: Floats = self._so_far[codes] / self._windows[codes, None]
        return np.maximum(averages, 1.0)

    def _levels(self, rows: Rows, judge: "_Judge") -> None:
        """Group rows of one family by each level."""
        address, peer = end_columns(rows.address), end_columns(rows.peer)
        pairs = group((rows.key, rows.port, *address, *peer))
        pair = _Grouped(rows, pairs, judge)
        self.kept[Level.PAIR].add(pair.sums(Level.PAIR))
        talker = pair.coarser(rows, (rows.key, rows.port, *address))
        self.kept[Level.TALKER].add(talker.sums(Level.TALKER, peers=talker.sizes))
        ends = pair.coarser(rows, (rows.key, *address, *peer))
        self.kept[Level.ENDS].add(ends.sums(Level.ENDS))
        host = talker.coarser(rows, (rows.key, *address))
        host_of_pair = host.numbers[talker.numbers]
        peers = np.bincount(host_of_pair[ends.finer], minlength=len(host.sizes))
        self.kept[Level.ADDRESS].add(host.sums(Level.ADDRESS, others=host.sizes, peers=peers))
        port = talker.coarser(rows, (rows.key, rows.port))
        self.kept[Level.PORT].add(port.sums(Level.PORT, others=port.sizes))
        crowd = ends.coarser(rows, (rows.key, *peer))
        chosen = crowd.sizes >= CROWD
        self.kept[Level.PEER].add(crowd.sums(Level.PEER, others=crowd.sizes, chosen=chosen))


@dataclass(frozen=True, slots=True)
class _Judge:
    """What sums are held against, by total: averages float64 and bars int64 (t, 3).

    number: each row's total, int64 (n,).
    """

    averages: Floats
    bars: Ints
    number: Ints

    def reaching(self, rows: Ints, counts: Ints) -> Ints:
        """Return which sums reach their bar by any measure; rows: one of each."""
        hopeful = np.flatnonzero((counts >= self.bars.min(axis=0)).any(axis=1))
        bars = self.bars[self.number[rows[hopeful]]]
        return hopeful[(counts[hopeful] >= bars).any(axis=1)]

    def parts(self, rows: Ints, counts: Ints) -> npt.NDArray[np.float32]:
        """Return the largest part that each sum is of its series' average, of those at the bar."""
        of = self.number[rows]
        parts = np.where(counts >= self.bars[of], counts / self.averages[of], 0.0)
        largest: npt.NDArray[np.float32] = parts.max(axis=1).astype(np.float32)
        return largest


class _Grouped:
    """Rows grouped by some columns: m groups, each known by its first row."""

    def __init__(
        self, rows: Rows, groups: Groups, judge: _Judge, counts: Ints | None = None,
        first: Ints | None = None,
    ) -> None:  # fmt: skip
        self._rows = rows
        self._judge = judge
        self._groups = groups
        self.first = groups.first if first is None else first
        self.counts = groups.sum(rows.values[:, :3]) if counts is None else counts
        self.sizes = groups.sizes

    @property
    def numbers(self) -> Ints:
        """The group of each finer one."""
        return self._groups.numbers()

    @property
    def finer(self) -> Ints:
        """One finer group of each."""
        return self._groups.first

    def coarser(self, rows: Rows, columns: Sequence[npt.NDArray[np.integer]]) -> "_Grouped":
        """Group these groups by fewer columns of their rows."""
        groups = group([column[self.first] for column in columns])
        return _Grouped(
            rows, groups, self._judge, groups.sum(self.counts), self.first[groups.first]
        )

    def sums(
        self,
        level: Level,
        *,
        others: Ints | None = None,
        peers: Ints | None = None,
        chosen: npt.NDArray[np.bool_] | None = None,
    ) -> Sums:
        """Return the groups that may matter, with the names which their level has."""
        at = self._judge.reaching(self.first, self.counts)
        if chosen is not None:
            at = at[chosen[at]]
        first, counts = self.first[at], self.counts[at]
        rows = self._rows
        zeros = np.zeros(len(at), np.int32)
        return Sums(
            rows.key[first],
            _names(rows, first, level),
            counts[:, 0],
            counts[:, 1],
            counts[:, 2].astype(np.int32),
            zeros if others is None else others[at].astype(np.int32),
            zeros if peers is None else peers[at].astype(np.int32),
            self._judge.parts(first, counts),
        )


def _names(rows: Rows, first: Ints, level: Level) -> Names:
    """Return the columns of what a level names, of some rows."""
    columns: list[npt.NDArray[np.unsignedinteger]] = []
    for name in level.value:
        if name == "port":
            columns.append(rows.port[first])
        else:
            columns += halves((rows.address if name == "address" else rows.peer)[first])
    return tuple(columns)
