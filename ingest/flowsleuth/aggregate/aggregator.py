"""The windows: records go in, points come out when windows close.

A record is spread over its windows at once, unless its service port can only be told when the
window of its end closes (`service_port`): then the whole record waits, so that all measurements
get it together and sums agree in every flush. Reads no clock: whoever drives it says which windows
are due and how the points are stamped.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.accumulator import Accumulator
from flowsleuth.aggregate.budget import SeriesBudget, Use
from flowsleuth.aggregate.clocks import judge
from flowsleuth.aggregate.counters import Counters
from flowsleuth.aggregate.digest import Digest
from flowsleuth.aggregate.digesting import digest
from flowsleuth.aggregate.estate import Estate
from flowsleuth.aggregate.fold import OTHER_PORT, Folder, Limits
from flowsleuth.aggregate.grouping import Weights
from flowsleuth.aggregate.hearing import Hearing
from flowsleuth.aggregate.heavy import HeavyHours
from flowsleuth.aggregate.interfaces import Interfaces
from flowsleuth.aggregate.naming import NetworkNames, StreamNames
from flowsleuth.aggregate.pieces import Judge
from flowsleuth.aggregate.profiles import ProfileTotals
from flowsleuth.aggregate.rows import (
    BYTES,
    CODE_BITS,
    Store,
    rows_of,
)
from flowsleuth.aggregate.service_port import PortCounts
from flowsleuth.aggregate.spread import portions, spread
from flowsleuth.aggregate.stamps import Stamp, Stamps
from flowsleuth.aggregate.tables import OffsetOf, StreamGauges, Tables
from flowsleuth.aggregate.trust import Trust
from flowsleuth.enrich.enricher import Noted, Records
from flowsleuth.enrich.services import Services
from flowsleuth.points import Table

Ints = npt.NDArray[np.int64]

HOUR = 3_600_000_000_000

OLD_NS = 2 * HOUR
"""Cells further than this before their receipt are exact in `traffic`; in `talkers` they need the
share that makes a key heavy, whatever series it has."""

FOREVER = 2**62
"""A window after all others: what `flush` is told to write everything that there is."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the aggregator is told.

    window_ns; accepted_age_ns: how old a flow may be; limits: of heavy hitters; capacity: most rows
    held in open windows (up to 400 bytes each while they are written); waiting: most records that
    wait for their port; budget, retention_ns: of series; interfaces: most of one exporter;
    profiles: their names, in the order of the bits of `Records.profiles`; profile_limits: bytes/s
    of those that have one.
    """

    window_ns: int = 60_000_000_000
    accepted_age_ns: int = 25 * HOUR
    limits: Limits = field(default_factory=Limits)
    capacity: int = 500_000
    waiting: int = 250_000
    budget: int = 100_000
    retention_ns: int = 30 * 24 * HOUR
    interfaces: int = 4096
    profiles: tuple[str, ...] = ()
    profile_limits: Mapping[str, float] = field(default_factory=dict)


class Aggregator:
    """Turns records into points.

    networks, streams: how things are called; services: the known ports. early_stamp gives the
    stamp of what must be written before its time, or memory would grow (see `take_early`).
    """

    def __init__(
        self, settings: Settings, networks: NetworkNames, streams: StreamNames, services: Services
    ) -> None:
        self.settings = settings
        self.counters = Counters()
        self.early_stamp: Callable[[], Stamp] = Stamp
        self._early: list[Table] = []
        self.budget = SeriesBudget(settings.budget, settings.retention_ns, settings.limits.share)
        self._networks = networks
        self._unassigned = len(networks.names)
        self._services = services
        self._store = Store(settings.capacity)
        self._waiting: list[Records] = []
        self._waiting_size = 0
        self._ports = PortCounts()
        self._interfaces = Interfaces(settings.interfaces)
        self._by_interface = Accumulator(3)
        self._profiles = ProfileTotals(settings.profiles)
        self._redated = Accumulator(1)
        self._trust = Trust(
            settings.window_ns,
            settings.accepted_age_ns // settings.window_ns + 2,
            networks.names,
        )
        self._stamps = Stamps()
        scopes = networks.scope_hashes()
        self._folder = Folder(settings.limits, self.budget, scopes, settings.window_ns)
        pools = self.budget.pools
        self._judge = Judge(
            settings.limits.share,
            scopes,
            [pools[name].known for name in ("talkers", "conversations", "hosts")],
            settings.limits.by_bytes,
            settings.limits.by_peers,
        )
        self._heavy = HeavyHours(settings.window_ns, self.budget, scopes)
        self._tables = Tables(
            networks, streams, self._interfaces, settings.window_ns, settings.profile_limits
        )

    @property
    def held(self) -> int:
        """Rows and records held in open windows."""
        return len(self._store) + self._waiting_size

    @property
    def oldest(self) -> int:
        """The oldest window that something is held of, FOREVER if nothing is."""
        ends = (int(part.end_ns.min()) // self.settings.window_ns for part in self._waiting)
        return min(self._store.oldest(FOREVER), *ends, FOREVER)

    @property
    def hearing(self) -> Hearing:
        """Who was heard when; `watch` on it makes points of who is silent."""
        return self._trust.hearing

    def use(self) -> Use:
        """Tell how much of the series budget is used."""
        return self.budget.use()

    def datagrams(
        self,
        stream: npt.NDArray[np.int32],
        received_ns: Ints,
        export_ns: Ints,
        counts: Mapping[str, Ints],
    ) -> None:
        """Count datagrams for `exporters`: arrays (n,) of decode's result."""
        self._trust.datagrams(stream, received_ns, export_ns, counts)

    def note(self, noted: list[Noted]) -> None:
        """Count what enrich left out."""
        for what in noted:
            self._trust.note(what.counter, what.stream, what.received_ns)

    def add(self, records: Records) -> None:
        """Count records."""
        if not len(records):
            return
        judge(records, self.settings.accepted_age_ns)
        for counter, chosen in (("redated", records.redated), ("undated", ~records.dated)):
            rows = np.flatnonzero(chosen)
            self._trust.note(counter, records.stream[rows], records.received_ns[rows])
        self._trust.observe(records)
        if records.decided.all():
            self._account(records)
            return
        waits = records.take(~records.decided)
        self._waiting.append(waits)
        self._waiting_size += len(waits)
        self._account(records.take(records.decided))
        if self._waiting_size > self.settings.waiting:
            self._decide(FOREVER)

    def take_early(self) -> list[Table]:
        """Return the tables that had to be written before their windows closed."""
        early, self._early = self._early, []
        return early

    def flush(self, until: int, stamp: Stamp, gauges: StreamGauges | None = None) -> list[Table]:
        """Write all windows before `until` (a window's number; FOREVER: all) into tables.

        stamp: how the points' times are made unique; gauges: the decoder's, for `exporters`.
        """

        def offset_of(windows: Ints) -> Ints:
            return self._stamps.offsets(windows, stamp)

        tables = self._counted(until, offset_of)
        tables.append(
            self._tables.exporters(
                self._trust.take_before(until), gauges or StreamGauges(), offset_of
            )
        )
        self._mark(tables)
        horizon = self._horizon()
        heavy = self._heavy.close(until, stamp, horizon)
        if heavy is not None:
            tables.append(self._tables.heavy(heavy))
        self._stamps.forget(horizon)
        self._ports.forget(horizon)
        return self.take_early() + [table for table in tables if len(table)]

    def hand_over(self, stamp: Stamp) -> tuple[list[Table], Estate]:
        """Write all that is held under names which may change; the rest is for `inherit`.

        The aggregator is of no use any more.
        """
        tables = self._counted(FOREVER, lambda windows: self._stamps.offsets(windows, stamp))
        self._mark(tables)
        tables = self.take_early() + [table for table in tables if len(table)]
        return tables, Estate(
            self._networks,
            self.counters,
            self.early_stamp,
            self.budget,
            self._ports,
            self._trust,
            self._stamps,
            self._heavy,
        )

    def inherit(self, estate: Estate) -> None:
        """Go on where another left off, before any record; windows have the same length."""
        places = self._networks.places_of(estate.networks)
        self.counters, self.early_stamp = estate.counters, estate.early_stamp
        self.budget.inherit(estate.budget)
        self._ports, self._trust = estate.ports, estate.trust
        self._trust.hearing.rename(self._networks.names)
        self._stamps = estate.stamps
        self._stamps.renumber(places)
        self._heavy = estate.heavy
        self._heavy.renumber(places, self.budget, self._networks.scope_hashes())

    def _counted(self, until: int, offset_of: OffsetOf) -> list[Table]:
        """Make the points of what records count for, in windows before `until`."""
        self._decide(until)
        return [
            *self._rows(until, offset_of),
            self._tables.interfaces(self._by_interface.take_before(until), offset_of),
            self._tables.profiles(
                self._profiles.names, self._profiles.take_before(until), offset_of
            ),
        ]

    def _rows(self, until: int, offset_of: OffsetOf) -> list[Table]:
        """Make the points of the rows of windows before `until`."""
        rows = self._store.take_before(until)
        if not rows:
            return []
        held = digest(rows, self._stamps.so_far, self._judge)
        tables = self._detail(held, offset_of)
        self._stamps.remember(held.segments)
        return tables

    def _mark(self, tables: list[Table]) -> None:
        """Note which windows have been written, and how many points were late."""
        windows = np.concatenate([table.time_ns // self.settings.window_ns for table in tables])
        self.counters.late_points += int(np.count_nonzero(self._stamps.late(windows)))
        self._stamps.mark(windows)
        self.budget.advance(int(windows.max(initial=0)) * self.settings.window_ns)

    def _relieve(self) -> None:
        """Write the oldest windows early: half of the rows, which then makes room."""
        stamp = self.early_stamp()
        tables = self._rows(
            self._store.oldest_half(), lambda windows: self._stamps.offsets(windows, stamp)
        )
        self.counters.written_early += 1
        self._mark(tables)
        self._early += [table for table in tables if len(table)]

    def _horizon(self) -> int:
        """Return the window before which nothing can come any more."""
        return self._stamps.newest - self.settings.accepted_age_ns // self.settings.window_ns - 2

    def _detail(self, held: Digest, offset_of: OffsetOf) -> list[Table]:
        """Make the points of traffic, talkers, conversations and hosts."""
        points, kept = self._folder.talkers(held)
        folded = points.other | (points.port == OTHER_PORT)
        self.counters.folded_bytes += int(points.sums[folded, BYTES].sum())
        self._heavy.add(held, kept)
        redated = self._redated.take_before(int(held.segments.window.max()) + 1)
        return [
            self._tables.traffic(held.totals, redated, offset_of),
            self._tables.talkers(points, offset_of),
            self._tables.conversations(
                held.conversations, self._folder.conversations(held), offset_of
            ),
            self._tables.hosts(held.hosts, self._folder.hosts(held), offset_of),
        ]

    def _decide(self, until: int) -> None:
        """Give the waiting records which end before window `until` their ports, and count them."""
        window_ns = self.settings.window_ns
        due: dict[int, list[Records]] = {}
        kept = []
        for records in self._waiting:
            ends = records.end_ns // window_ns < until
            if ends.all():
                due.setdefault(records.family, []).append(records)
            elif ends.any():
                due.setdefault(records.family, []).append(records.take(ends))
                kept.append(records.take(~ends))
            else:
                kept.append(records)
        self._waiting = kept
        self._waiting_size = sum(map(len, kept))
        if not due:
            return
        parts = [Records.join(due[family]) for family in sorted(due)]
        windows = [records.end_ns // window_ns for records in parts]
        self._ports.decide(parts, windows, self._services.known_mask)
        for records in parts:
            self._account(records)

    def _account(self, records: Records) -> None:
        """Count records in portions whose cells fit memory."""
        for portion in portions(records, self.settings.window_ns):
            self._account_portion(portion)
            while self._store.crowded:
                self._relieve()

    def _account_portion(self, records: Records) -> None:
        """Cut records into cells and add these to every measurement."""
        window_ns = self.settings.window_ns
        cells = spread(records.start_ns, records.end_ns, records.bytes, records.packets, window_ns)
        fresh = (cells.window + 1) * window_ns > cells.of(records.received_ns) - OLD_NS
        self._store.add(rows_of(records, cells, fresh, self._unassigned))
        sums = Weights.beside(cells.bytes, cells.packets, cells.flows)
        self._profiles.add(records, cells, sums)
        for side, if_index in ((0, records.in_if), (1, records.out_if)):
            if if_index.any():
                numbers = self._interfaces.numbers(records.stream, if_index) * 2 + side
                self._by_interface.add(cells.window, cells.of(numbers), sums)
        if records.redated.any():
            self._account_redated(records.take(records.redated))

    def _account_redated(self, records: Records) -> None:
        window_ns = self.settings.window_ns
        cells = spread(records.start_ns, records.end_ns, records.bytes, records.packets, window_ns)
        fresh = np.ones(len(cells.window), bool)
        rows = rows_of(records, cells, fresh, self._unassigned)
        self._redated.add(
            rows.key >> CODE_BITS,
            rows.key & ((1 << CODE_BITS) - 1),
            Weights(rows.values[:, BYTES : BYTES + 1]),
        )
