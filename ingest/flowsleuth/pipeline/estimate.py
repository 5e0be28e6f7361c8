"""Judge by a capture how many series a configuration will need.

The capture goes through the pipeline as it would in `collect`, windows closing by the capture's
own time: once with a budget that nothing exhausts, which tells what is needed, and once with the
configured one, which tells what would fold for want of it. Points are thrown away.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from flowsleuth.aggregate.budget import DAY, POOLS
from flowsleuth.aggregate.stamps import Stamp
from flowsleuth.config import Config
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.points import Table
from flowsleuth.receive.datagrams import Datagrams

WITHOUT_END = 50_000_000
"""A budget that no capture exhausts: a quarter of each part of it can be had at once."""

FEWEST_WINDOWS = 10
"""A shorter capture tells no pace: nearly all of its series are those that are always there."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of series: how many the capture needs, its part of the budget, new ones a day."""

    name: str
    needed: int
    part: int
    new_a_day: int | None

    def at_the_end(self, retention_days: int) -> int:
        """How many there would be after the retention, if the pace lasted."""
        return self.needed + (self.new_a_day or 0) * retention_days


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a capture says of a configuration.

    first_ns, last_ns: receipt of its first and last datagram; last_part_ns: how long the part was
    from which new_a_day is extrapolated. bars: the talkers' admission bar (a share), as configured
    and the highest reached. folded: shares of bytes in talkers' `other`, with a budget that
    nothing exhausts and with the configured one.
    """

    records: int
    first_ns: int
    last_ns: int
    last_part_ns: int
    kinds: tuple[Kind, ...]
    retention_days: int
    bars: tuple[float, float]
    folded: tuple[float, float]


@dataclass(slots=True)
class _Run:
    """What one way through the pipeline left behind.

    grown: (ns before which all is written, series by kind) after each flush.
    """

    pipeline: Pipeline
    first_ns: int = 2**62
    last_ns: int = -(2**62)
    octets: int = 0
    highest_bar: float = 0.0
    grown: list[tuple[int, list[int]]] = field(default_factory=list)

    def note(self, tables: Iterable[Table], until_ns: int) -> None:
        """Note what a flush of all before `until_ns` wrote."""
        budget = self.pipeline.aggregator.budget
        self.octets += sum(
            int(np.sum(np.asarray(table.fields["bytes"])))
            for table in tables
            if table.measurement == "traffic"
        )
        self.highest_bar = max(self.highest_bar, budget.use().bar)
        self.grown.append((until_ns, [len(pool.hashes) for pool in budget.pools.values()]))

    @property
    def folded(self) -> float:
        """Share of bytes in talkers' `other`."""
        return self.pipeline.aggregator.counters.folded_bytes / max(self.octets, 1)


def estimate(config: Config, batches: Callable[[], Iterable[Datagrams]]) -> Estimate | None:
    """Judge a configuration by datagrams, which are read twice; None where they hold no records.

    batches: small ones, so that windows close about when they would in `collect`.
    """
    wanted = _run(config.model_copy(update={"series_budget": WITHOUT_END}), batches())
    if not wanted.pipeline.records:
        return None
    given = _run(config, batches())
    needed = wanted.grown[-1][1]
    last_part, new = _pace(wanted, config.window_ns)
    pools = given.pipeline.aggregator.budget.pools
    kinds = tuple(
        Kind(
            name,
            needed[i],
            pools[name].limit,
            -(-new[i] * DAY // last_part) if last_part else None,
        )
        for i, name in enumerate(POOLS)
    )
    return Estimate(
        records=wanted.pipeline.records,
        first_ns=wanted.first_ns,
        last_ns=wanted.last_ns,
        last_part_ns=last_part,
        kinds=kinds,
        retention_days=pools["talkers"].retention_days,
        bars=(config.share, given.highest_bar),
        folded=(wanted.folded, given.folded),
    )


def _pace(run: _Run, window_ns: int) -> tuple[int, list[int]]:
    """Return how many ns the last part of the capture lasted (0: no telling), and its new series.

    That is about a half of it: the first part shows most of what is always there.
    """
    length = run.last_ns - run.first_ns
    half = run.first_ns + length // 2
    at, before = min(run.grown, key=lambda flush: abs(flush[0] - half))
    if length < FEWEST_WINDOWS * window_ns or abs(at - half) > length // 4:
        return 0, []
    after = run.grown[-1][1]
    return run.last_ns - at, [max(0, a - b) for a, b in zip(after, before, strict=True)]


def _run(config: Config, batches: Iterable[Datagrams]) -> _Run:
    """Drive the pipeline as `collect` does, by the time of the datagrams."""
    run = _Run(Pipeline(config, {}))
    closed = -(2**62)
    for batch in batches:
        decoded = run.pipeline.feed(batch)
        received = decoded.received_ns[decoded.stream >= 0]
        if not len(received):
            continue
        run.first_ns = min(run.first_ns, int(received.min()))
        run.last_ns = max(run.last_ns, int(received.max()))
        tables = run.pipeline.take_early()
        until = (run.last_ns - config.grace_ns) // config.window_ns
        if until > closed:
            tables += run.pipeline.flush(until, Stamp())
            closed = until
        run.note(tables, closed * config.window_ns)
    run.note(run.pipeline.finish(Stamp()), run.last_ns)
    return run
