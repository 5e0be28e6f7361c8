"""`heavy`: by the hour, the few talkers that carry their network, for what looks back over weeks.

Sums of the talkers that were kept, so a talker that was below the first of every window in some
minutes lacks those minutes; one that carries a tenth of an hour is above in nearly all of them.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.budget import SeriesBudget, series_hash
from flowsleuth.aggregate.digest import Digest
from flowsleuth.aggregate.grouping import group, rank_within
from flowsleuth.aggregate.rows import BYTES, CODE_BITS, FLOWS, PACKETS, PROTOCOLS
from flowsleuth.aggregate.stamps import Stamp, Stamps

Ints = npt.NDArray[np.int64]
Halves = npt.NDArray[np.uint64]

HOUR = 3_600_000_000_000

MOST = 10
"""Talkers of an hour, network and direction."""

SHARE = 0.1
"""The least share of the hour's bytes of its network and direction."""


@dataclass(frozen=True, slots=True)
class HeavyPoints:
    """p points: hour (number since the epoch), code, port, address halves, sums, peers, offset."""

    hour: Ints
    code: Ints
    port: Ints
    high: Halves
    low: Halves
    bytes: Ints
    packets: Ints
    flows: Ints
    peers: Ints
    offset: Ints


@dataclass(frozen=True, slots=True)
class _Part:
    """Kept talkers of one flush, and the totals of their hours by place (network, direction)."""

    hour: Ints
    code: Ints
    port: Ints
    high: Halves
    low: Halves
    bytes: Ints
    packets: Ints
    flows: Ints
    peers: Ints


class HeavyHours:
    """Adds kept talkers up by the hour. scope_hash: as in Folder."""

    def __init__(self, window_ns: int, budget: SeriesBudget, scope_hash: Halves) -> None:
        self._per_hour = HOUR // window_ns
        self._budget = budget
        self._scope_hash = scope_hash
        self._parts: list[_Part] = []
        self._totals: dict[int, dict[int, int]] = {}
        self._written: dict[int, set[int]] = {}
        self._stamps = Stamps()

    def add(self, digest: Digest, at: Ints) -> None:
        """Add the kept talkers, by index, and what their networks had in all."""
        t, s = digest.talkers, digest.segments
        self._parts.append(
            _Part(
                (t.key[at] >> CODE_BITS) // self._per_hour,
                t.key[at] & ((1 << CODE_BITS) - 1),
                t.port[at],
                t.high[at],
                t.low[at],
                t.sums[at, BYTES],
                t.sums[at, PACKETS],
                t.sums[at, FLOWS],
                t.peers[at],
            )
        )
        hours = s.window // self._per_hour
        for hour, place, octets in zip(
            hours.tolist(), s.place.tolist(), s.bytes.tolist(), strict=True
        ):
            totals = self._totals.setdefault(hour, {})
            totals[place] = totals.get(place, 0) + octets

    def renumber(self, places: Ints, budget: SeriesBudget, scope_hash: Halves) -> None:
        """Go on with another budget and other numbers of networks.

        places: int64, the new number of each place so far, -1 where it is gone: its hour is not
        written, since it is not over.
        """
        self._budget, self._scope_hash = budget, scope_hash
        moved = []
        for part in self._parts:
            place = places[part.code // PROTOCOLS]
            there = _take(part, place >= 0)
            code = place[place >= 0] * PROTOCOLS + there.code % PROTOCOLS
            moved.append(replace(there, code=code))
        self._parts = moved
        self._totals = {
            hour: {int(places[p]): octets for p, octets in totals.items() if places[p] >= 0}
            for hour, totals in self._totals.items()
        }

    def close(self, until: int, stamp: Stamp, horizon: int) -> HeavyPoints | None:
        """Return the points of hours that are over before window `until`.

        horizon: the window before which nothing comes any more.
        """
        last_hour = until // self._per_hour
        if not any((part.hour < last_hour).any() for part in self._parts):
            return None
        part = _Part(
            *(np.concatenate([getattr(p, name) for p in self._parts]) for name in _Part.__slots__)
        )
        due = part.hour < last_hour
        self._parts = [_take(part, ~due)] if not due.all() else []
        points = self._points(_take(part, due), stamp)
        for hour in [h for h in self._written if (h + 1) * self._per_hour < horizon]:
            del self._written[hour]
        for hour in [h for h in self._totals if (h + 1) * self._per_hour < horizon]:
            del self._totals[hour]
        self._stamps.forget(horizon // self._per_hour - 1)
        return points

    def _points(self, part: _Part, stamp: Stamp) -> HeavyPoints:
        groups = group((part.hour, part.code, part.port, part.high, part.low))
        at = groups.first
        hour, code, place = part.hour[at], part.code[at], part.code[at] // PROTOCOLS
        octets = groups.sum(part.bytes)
        total = np.array(
            [self._totals[h][p] for h, p in zip(hour.tolist(), place.tolist(), strict=True)]
        )
        keys = series_hash(
            self._scope_hash[place], code % PROTOCOLS, part.port[at], part.high[at], part.low[at]
        )
        late = self._stamps.late(hour)
        written = np.array(
            [
                k in self._written.get(h, ())
                for h, k in zip(hour.tolist(), keys.tolist(), strict=True)
            ]
        )
        spot = hour - hour.min() << CODE_BITS | place
        first = ~late & (octets >= total * SHARE) & (octets > 0)
        first &= rank_within(spot, np.where(first, octets, 0)) < MOST
        chosen = np.flatnonzero(first | written)
        pool = self._budget.pools["heavy"]
        shares = octets[chosen] / np.maximum(total[chosen], 1)
        chosen = chosen[pool.admit(keys[chosen], shares, hour[chosen] * HOUR)]
        for h, k in zip(hour[chosen].tolist(), keys[chosen].tolist(), strict=True):
            self._written.setdefault(h, set()).add(k)
        born = stamp.born // self._per_hour + 1
        offset = self._stamps.offsets(
            hour[chosen], Stamp(stamp.first, stamp.late, born, stamp.step)
        )
        self._stamps.mark(hour)
        peers = np.maximum.reduceat(part.peers[groups.order], groups.starts)
        rows = at[chosen]
        return HeavyPoints(
            hour[chosen],
            code[chosen],
            part.port[rows],
            part.high[rows],
            part.low[rows],
            octets[chosen],
            groups.sum(part.packets)[chosen],
            groups.sum(part.flows)[chosen],
            peers[chosen],
            offset,
        )


def _take(part: _Part, chosen: npt.NDArray[np.bool_]) -> _Part:
    return _Part(*(getattr(part, name)[chosen] for name in _Part.__slots__))
