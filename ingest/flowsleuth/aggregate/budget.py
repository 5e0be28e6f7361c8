"""The series budget: how many series the detail measurements may ever hold.

InfluxDB keeps an index entry for each series until the last shard with a point of it is dropped,
so what counts is not how many keys a window shows but how many were written within the retention.
A key that has its series keeps it; a new one needs a share of its network's traffic (the bar) and
a place from the allowance, which is a quarter of the budget at the start and grows by budget /
retention days a day. So a scan of the whole internet fills the allowance, raises the bar, and is
folded into `other` from then on.

The budget is cut into pools, one for each kind of series: conversations can never crowd out
talkers, and what a window may write does not depend on what was written beside it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.grouping import hash_rows

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

DAY = 86_400_000_000_000
"""A UTC day in ns; InfluxDB drops whole shards, which for these retentions are days."""

START_SHARE = 4
"""The allowance at the start is the budget divided by this."""

HIGHEST_BAR = 0.64
"""The bar stops doubling here; beyond, the allowance alone decides."""

POOLS = {
    "talkers": 0.40,
    "address_other": 0.08,
    "port_other": 0.05,
    "other_other": 0.02,
    "heavy": 0.05,
    "hosts": 0.20,
    "conversations": 0.20,
}
"""Each kind of series and its part of the budget. `other_other` is always admitted (what is folded
must go somewhere); what it needs beyond its part is taken from the talkers'."""


@dataclass(frozen=True, slots=True)
class Use:
    """What the budget says of itself: series in use, the budget, and the talkers' bar (0..1)."""

    series: int
    budget: int
    bar: float


class Known:
    """A quick test whether a hash may be that of a series (a Bloom filter with one hash)."""

    BITS = 20

    def __init__(self) -> None:
        self.table = np.zeros(1 << self.BITS, bool)

    @classmethod
    def union(cls, parts: Iterable["Known"]) -> "Known":
        """Return one that holds what any of them holds."""
        whole = cls()
        for part in parts:
            whole.table |= part.table
        return whole

    def fill(self, hashes: Hashes) -> None:
        """Hold these and no others."""
        self.table[:] = False
        self.add(hashes)

    def add(self, hashes: Hashes) -> None:
        """Hold these too."""
        self.table[(hashes >> np.uint64(64 - self.BITS)).astype(np.int64)] = True

    def maybe(self, hashes: Hashes) -> Mask:
        """Say of each hash whether it may be among them: never False for one that is."""
        found: Mask = self.table[(hashes >> np.uint64(64 - self.BITS)).astype(np.int64)]
        return found


class Pool:
    """One kind's series: `limit` of them, kept for `retention_days`; `bar`: the lowest share."""

    def __init__(self, limit: int, retention_days: int, bar: float) -> None:
        self.limit = limit
        self.retention_days = retention_days
        self.lowest_bar = bar
        self.taken_elsewhere = 0
        self.known = Known()
        self.host_hashes: Hashes = np.zeros(0, np.uint64)
        self.hashes: Hashes = np.zeros(0, np.uint64)
        self.last_day: Ints = np.zeros(0, np.int64)
        self.allowance = limit / START_SHARE
        self.clock = -1

    def inherit(self, former: "Pool") -> None:
        """Take over the series of another; of what is larger here, a quarter can be had at once."""
        self.hashes, self.last_day = former.hashes, former.last_day
        self.host_hashes = former.host_hashes
        self.taken_elsewhere, self.clock = former.taken_elsewhere, former.clock
        more = max(0, self.limit - former.limit) / START_SHARE
        self.allowance = min(former.allowance + more, float(self.limit))
        self.known.fill(self.host_hashes)

    @property
    def bar(self) -> float:
        """The share that a new key needs now: doubles each time that the allowance halves."""
        left = max(self.allowance, 1.0) / max(self.limit / START_SHARE, 1.0)
        bar = self.lowest_bar
        while left < 0.5 and bar < HIGHEST_BAR:
            bar, left = bar * 2, left * 2
        return bar

    def advance(self, now_ns: int) -> None:
        """Let the allowance grow to this time, and forget series whose shards are gone."""
        if self.clock < 0:
            self.clock = now_ns
        elapsed = now_ns - self.clock
        if elapsed <= 0:
            return
        new_day = now_ns // DAY != self.clock // DAY
        self.clock = now_ns
        grown = self.allowance + self.limit / self.retention_days * elapsed / DAY
        self.allowance = min(grown, float(self.limit))
        if new_day:
            alive = self.last_day + self.retention_days >= now_ns // DAY
            self.hashes, self.last_day = self.hashes[alive], self.last_day[alive]
            self.host_hashes = self.host_hashes[alive]
            self.known.fill(self.host_hashes)

    def admit(
        self,
        keys: Hashes,
        shares: npt.NDArray[np.float64],
        times: Ints,
        hosts: Hashes | None = None,
    ) -> Mask:
        """Say for each key whether it has, or now gets, a series: bool (n,).

        keys: uint64 (n,); shares: float64 (n,), of the network's traffic; times: int64 (n,), ns,
        the window's: a key is known from the window in which it was admitted, not before; hosts:
        uint64 (n,), the hashes of their addresses, by which `known` finds them.
        """
        known = self._touch(keys, times)
        hopeful = np.flatnonzero(~known & (shares >= self.lowest_bar))
        if not len(hopeful):
            return known
        hopeful = hopeful[np.lexsort((-shares[hopeful], times[hopeful]))]
        since = self._admit_new(
            zip(
                keys[hopeful].tolist(),
                shares[hopeful].tolist(),
                times[hopeful].tolist(),
                strict=True,
            )
        )
        if since:
            self._insert(
                since,
                {} if hosts is None else dict(zip(keys.tolist(), hosts.tolist(), strict=True)),
            )
            late = np.flatnonzero(~known)
            for i in late[np.isin(keys[late], np.fromiter(since, np.uint64, len(since)))]:
                known[i] = times[i] >= since[int(keys[i])]
            self._touch(keys[known], times[known])
        return known

    def _admit_new(self, candidates: Iterable[tuple[int, float, int]]) -> dict[int, int]:
        """Admit (key, share, time) in their order, as far as bar, allowance and limit let them.

        Returns the time from which each admitted key has its series.
        """
        since: dict[int, int] = {}
        room, bar, bar_until, clock = 0, self.bar, 0.0, -1
        for key, share, time in candidates:
            if time != clock:
                clock = time
                self.advance(time)
                room = self.limit - len(self.hashes) - self.taken_elsewhere
                bar, bar_until = self.bar, self.allowance / 2
            if share < bar or key in since or room <= len(since) or self.allowance < 1:
                continue
            since[key] = time
            self.allowance -= 1
            if self.allowance < bar_until:
                bar, bar_until = self.bar, self.allowance / 2
        return since

    def force(self, keys: Hashes, times: Ints) -> int:
        """Give each key a series whatever the limit; returns how many are beyond it."""
        known = self._touch(keys, times)
        new = keys[~known]
        if len(new):
            self._insert(dict(zip(new.tolist(), times[~known].tolist(), strict=True)), {})
            self._touch(keys, times)
        return max(0, len(self.hashes) - self.limit)

    def _touch(self, keys: Hashes, times: Ints) -> Mask:
        """Find known keys and note the day of their last point."""
        if not len(self.hashes):
            return np.zeros(len(keys), bool)
        place = np.searchsorted(self.hashes, keys)
        place[place == len(self.hashes)] = 0
        known: Mask = self.hashes[place] == keys
        np.maximum.at(self.last_day, place[known], times[known] // DAY)
        return known

    def _insert(self, since: Mapping[int, int], hosts: Mapping[int, int]) -> None:
        keys = np.sort(np.fromiter(since, np.uint64, len(since)))
        days = np.array([since[int(key)] // DAY for key in keys], np.int64)
        place = np.searchsorted(self.hashes, keys)
        self.hashes = np.insert(self.hashes, place, keys)
        self.last_day = np.insert(self.last_day, place, days)
        of_host = np.array([hosts.get(key, 0) for key in keys.tolist()], np.uint64)
        self.host_hashes = np.insert(self.host_hashes, place, of_host)
        self.known.add(of_host)


class SeriesBudget:
    """All pools. budget: most series; retention_ns: how long detail is kept; bar: lowest share."""

    def __init__(self, budget: int, retention_ns: int, bar: float) -> None:
        self.budget = budget
        days = max(1, -(-retention_ns // DAY))
        self.pools = {
            name: Pool(max(1, int(budget * part)), days, bar) for name, part in POOLS.items()
        }

    def inherit(self, former: "SeriesBudget") -> None:
        """Take over the series of another, whose numbers may have been different ones."""
        for name, pool in self.pools.items():
            pool.inherit(former.pools[name])

    def use(self) -> Use:
        """Tell how much is used."""
        series = sum(len(pool.hashes) for pool in self.pools.values())
        return Use(series, self.budget, self.pools["talkers"].bar)

    def advance(self, now_ns: int) -> None:
        """Let all allowances grow to this time."""
        for pool in self.pools.values():
            pool.advance(now_ns)

    def force_rest(self, keys: Hashes, times: Ints) -> None:
        """Admit the last step of folding; what it needs beyond its pool the talkers give up."""
        beyond = self.pools["other_other"].force(keys, times)
        self.pools["talkers"].taken_elsewhere = beyond

    def export_state(self) -> dict[str, Any]:
        """Return what outlives a restart, as JSON can hold it."""
        return {
            name: {
                "hashes": pool.hashes.tolist(),
                "hosts": pool.host_hashes.tolist(),
                "last_day": pool.last_day.tolist(),
                "allowance": pool.allowance,
                "clock": pool.clock,
            }
            for name, pool in self.pools.items()
        }

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `export_state` gave.

        Raises ValueError, KeyError or TypeError where it is damaged; nothing is taken then.
        """
        series = {name: _series(name, state[name]) for name in self.pools}
        clocks = {name: int(state[name]["clock"]) for name in self.pools}
        allowances = {name: float(state[name]["allowance"]) for name in self.pools}
        if not all(allowance >= 0 for allowance in allowances.values()):
            raise ValueError(f"no allowances: {allowances}")
        for name, pool in self.pools.items():
            pool.hashes, pool.host_hashes, pool.last_day = series[name]
            pool.clock, pool.allowance = clocks[name], min(allowances[name], float(pool.limit))
            pool.known.fill(pool.host_hashes)


def _series(name: str, part: Mapping[str, Any]) -> tuple[Hashes, Hashes, Ints]:
    """Read the series of one pool: hashes in rising order, their hosts' hashes, last days."""
    try:
        hashes = np.array(part["hashes"], np.uint64)
        host_hashes = np.array(part["hosts"], np.uint64)
        last_day = np.array(part["last_day"], np.int64)
    except OverflowError as error:
        raise ValueError(f"series of {name}: {error}") from None
    if hashes.ndim != 1 or not hashes.shape == host_hashes.shape == last_day.shape:
        raise ValueError(f"series of {name} are no columns of one length")
    if not (hashes[1:] > hashes[:-1]).all():
        raise ValueError(f"series of {name} are not in order")
    return hashes, host_hashes, last_day


def series_hash(*columns: npt.NDArray[np.integer]) -> Hashes:
    """Hash the tags of series, columns (n,) each."""
    return hash_rows(columns)
