"""Who carried a rise: the smallest set of contributors that explains the change.

A contributor is judged by its change, not by its size: what it had in the rise less what it usually
has in the windows around. From coarse to fine:

1. Who carries the most, an address, a port or a peer? An address is preferred, then a port: where
   one host carries nearly as much as its whole port does, it is the host that is to blame. A port
   that many hosts share is an outbreak.
2. Of an address, the port that carries its change, if one does.

What is found must carry a good part of the change, and have grown out of proportion: when the
morning begins, port 443 carries most of the change, as it carries most of all traffic; of a port,
the hosts must have become more, too. It is taken out, and what is left is asked again, until
nothing is left that would be a rise. All that were found must explain half of the change together:
a change that nobody carries is a busy hour.
"""

from dataclasses import dataclass, replace

import numpy as np

from flowsleuth.baseline.normal import Series
from flowsleuth.hunt.evidence import OTHER, OTHER_PORT, Contributor, Evidence, Level
from flowsleuth.hunt.stretches import GAP_S, PART_OF_LEVEL, level_of, stretch
from flowsleuth.hunt.totals import Floats, Mask, Measure

ENOUGH = 0.5
"""Of the change: so much explains it."""

SOME = 0.3
"""Of the change: so much explains a part of it, if the parts together explain enough."""

SEVERAL = 3
"""Hosts of a port in a window: fewer are told one by one."""

NEARLY = 0.7
"""Of what the coarser or larger one carries: then the finer one is to blame."""

OUT_OF_PROPORTION = 2.0
"""How many times more than all others together a contributor must have grown."""

OF_THE_LARGEST = 3.0
"""The same for one that usually has half of all: with it, the series itself is noisy."""

LONG_RECORD_S = 7_200
"""A record that lasts longer was exported late: no router is shipped with such a timeout."""

FLAT = 1e-4
"""How much the windows of one record may differ: they do by rounding."""

MOST_CULPRITS = 5
"""Of one rise."""


@dataclass(frozen=True, slots=True)
class Rise:
    """A stretch [first, last) of a series in which a measure was above what is usual.

    expected: float64 (last - first,). worth: what a change must come to, to be looked at.
    quiet: bool, by window of the totals: where the series was as usual.
    """

    series: Series
    measure: Measure
    first: int
    last: int
    expected: Floats
    worth: float
    quiet: Mask


@dataclass(frozen=True, slots=True)
class Blamed:
    """A contributor that carried a change: its windows [first, last), and its share.

    one: over the windows from `begin` on; usual: float64 (3,), what it usually has in a window.
    """

    level: Level
    one: Contributor
    begin: int
    usual: Floats
    first: int
    last: int
    change: float
    share: float

    @property
    def risen(self) -> Floats:
        """What it had above what is usual, float64 (3,)."""
        had = self.one.counts[:, self.rows].sum(axis=1)
        risen: Floats = np.maximum(had - self.usual * (self.last - self.first), 0)
        return risen

    @property
    def rows(self) -> slice:
        """Its windows among those of `one`."""
        return slice(self.first - self.begin, self.last - self.begin)


class Explanation:
    """Looks for who carried one rise."""

    def __init__(self, evidence: Evidence, rise: Rise) -> None:
        totals = evidence.totals
        self.evidence, self.rise = evidence, rise
        length = rise.last - rise.first
        hour = max(round(3600 / totals.seconds), 1)
        pad = min(max(length, hour), 4 * hour)
        self.begin = max(rise.first - pad, totals.first)
        self.end = min(rise.last + pad, totals.last)
        self._core = slice(rise.first - self.begin, rise.last - self.begin)
        around = slice(self.begin - totals.first, self.end - totals.first)
        self._quiet = rise.quiet[around] & totals.watched[around]
        self._gap = max(round(GAP_S / totals.seconds), 1)
        self._total = totals.of(rise.series, rise.measure)[around].astype(float)
        self._left = {
            level: self._asked(level)
            for level in (Level.ADDRESS, Level.PORT, Level.TALKER, Level.PEER)
        }

    def _asked(self, level: Level) -> list[Contributor]:
        found = self.evidence.contributors(level, self.rise.series, self.begin, self.end)
        return [one for one in found if one.address != OTHER and one.port != OTHER_PORT]

    def blamed(self) -> list[Blamed]:
        """Return who carried the change, the largest first; nobody where all are too few."""
        whole = float((self._total[self._core] - self.rise.expected).sum())
        found: list[Blamed] = []
        explained = 0.0
        while len(found) < MOST_CULPRITS:
            change = float((self._total[self._core] - self.rise.expected).sum())
            one = self._largest(change, whole) if change >= self.rise.worth else None
            if one is None:
                break
            explained += one.change
            found.append(one)
            self._take_out(one)
        if explained < ENOUGH * whole:
            return []
        return [one for one in found if self._has_grown(one) and self._is_event(one)]

    def _largest(self, change: float, whole: float) -> Blamed | None:
        """Return who carries the most of what is left of a change, None where nobody does."""
        levels = (Level.ADDRESS, Level.PORT, Level.PEER)
        largest = {
            level: max(self._left[level], key=self._change, default=None) for level in levels
        }
        carried = {level: self._change(one) for level, one in largest.items() if one is not None}
        most = max(carried.values(), default=0.0)
        for level in sorted(carried, key=lambda level: carried[level] < NEARLY * most):
            one = largest[level]
            if one is None or carried[level] < max(SOME * whole, 0.0):
                continue
            if self._is_to_blame(level, one):
                return self._judged(level, one, carried[level], change)
        return None

    def _is_to_blame(self, level: Level, one: Contributor) -> bool:
        """Return whether it changed more than all else; of a port, whether many hosts began."""
        if not self._out_of_proportion(one):
            return False
        if level is not Level.PORT:
            return True
        above = np.maximum(self._counts(one) - self._usual(one), 0)[self._core]
        hosts = one.others[self._core][above >= PART_OF_LEVEL * level_of(above)]
        usual = one.others[self._quiet]
        many = float(np.median(hosts)) if len(hosts) else 0.0
        few = float(usual.mean()) if len(usual) else 0.0
        return many >= SEVERAL and many >= OUT_OF_PROPORTION * few

    def _judged(self, level: Level, one: Contributor, carried: float, change: float) -> Blamed:
        """Return a contributor as a culprit: of an address, its port where that carries it."""
        if level is Level.ADDRESS:
            talkers = [each for each in self._left[Level.TALKER] if each.address == one.address]
            finest = max(talkers, key=self._change, default=None)
            if finest is not None and self._change(finest) >= NEARLY * carried:
                level, one = Level.TALKER, finest
        return self._when(level, one, carried, min(carried / change, 1.0))

    def _counts(self, one: Contributor) -> Floats:
        counts: Floats = one.of(self.rise.measure).astype(float)
        return counts

    def _usual(self, one: Contributor) -> float:
        """Return what it has in a window when all is as usual: the mean, since most come and go."""
        return self._mean_when_quiet(self._counts(one))

    def _mean_when_quiet(self, counts: Floats) -> float:
        quiet = counts[self._quiet]
        return float(quiet.mean()) if len(quiet) else 0.0

    def _change(self, one: Contributor) -> float:
        return float((self._counts(one)[self._core] - self._usual(one)).sum())

    def _out_of_proportion(self, one: Contributor) -> bool:
        """Return whether it grew more than all others did."""
        length = self.rise.last - self.rise.first
        had = float(self._counts(one)[self._core].sum())
        usual = self._usual(one) * length
        all_usual = self._mean_when_quiet(self._total) * length
        rest = max(float(self._total[self._core].sum()) - had, 0.0)
        rest_grown = rest / max(all_usual - usual, 1.0)
        times = OUT_OF_PROPORTION if usual < ENOUGH * all_usual else OF_THE_LARGEST
        return had >= times * usual * max(rest_grown, 1.0)

    def _has_grown(self, found: Blamed) -> bool:
        """Return whether it had more in its own windows, too: noise begins and ends anywhere."""
        had = float(self._counts(found.one)[found.rows].sum())
        usual = found.usual[self.rise.measure] * (found.last - found.first)
        return bool(had >= max(OUT_OF_PROPORTION * usual, usual + self.rise.worth))

    def _is_event(self, found: Blamed) -> bool:
        """Return whether it is known when it happened.

        Of a record that lasts for hours nobody knows when its bytes were sent: that they are
        spread over its time is no evidence that this time was above normal. It shows as the same
        amount in window after window, while no record ends.
        """
        windows = found.last - found.first
        counts = self._counts(found.one)[found.rows]
        middle = float(np.median(counts))
        flat = np.abs(counts - middle) <= FLAT * middle
        long = LONG_RECORD_S / self.evidence.totals.seconds
        if windows < long or np.count_nonzero(flat) < ENOUGH * windows:
            return True
        ended = int(found.one.of(Measure.FLOWS)[found.rows][flat].sum())
        return ended > windows / long

    def _when(self, level: Level, one: Contributor, carried: float, share: float) -> Blamed:
        """Find the windows in which it did so: with a part of its level, and short pauses."""
        above = np.maximum(self._counts(one) - self._usual(one), 0)
        usual = np.array([self._mean_when_quiet(counts) for counts in one.counts.astype(float)])
        first, last = stretch(above, self._core, self._gap)
        return Blamed(
            level, one, self.begin, usual, first + self.begin, last + self.begin, carried, share
        )

    def _take_out(self, found: Blamed) -> None:
        """Go on without what has been explained."""
        mine = found.one
        above = np.maximum(self._counts(mine) - found.usual[self.rise.measure], 0)
        self._total = self._total - above
        talkers = self._left[Level.TALKER]

        def matches(one: Contributor) -> bool:
            return (mine.address is None or one.address == mine.address) and (
                mine.port is None or one.port == mine.port
            )

        gone = [one for one in talkers if mine.peer is None and matches(one)]
        self._left[Level.TALKER] = [one for one in talkers if not any(one is g for g in gone)]
        for level in (Level.ADDRESS, Level.PORT, Level.PEER):
            kept = []
            for one in self._left[level]:
                if one is mine:
                    continue
                taken = [
                    g.counts
                    for g in gone
                    if (one.address is not None and g.address == one.address)
                    or (one.port is not None and g.port == one.port)
                ]
                counts = np.maximum(one.counts - sum(taken), 0) if taken else one.counts
                kept.append(replace(one, counts=counts))
            self._left[level] = kept
