"""The hunt: find the windows above normal, say who carried them, and what is known about it.

The steps are those of the engineer's afternoon: look at each network, direction and protocol for
what stands out (`usual`), ask who carried the change (`explain`), say what it is (`kinds`), put the
sides of one thing together (`merging`), and look when it happened before (`earlier`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from flowsleuth.baseline.clock import STEP_S
from flowsleuth.baseline.jobs import Jobs
from flowsleuth.baseline.normal import Series
from flowsleuth.hunt.drill import graph, layers
from flowsleuth.hunt.earlier import earlier, is_habit
from flowsleuth.hunt.evidence import Evidence
from flowsleuth.hunt.explain import Explanation, Rise
from flowsleuth.hunt.findings import Culprit, Finding
from flowsleuth.hunt.kinds import culprit
from flowsleuth.hunt.merging import merged
from flowsleuth.hunt.stretches import GAP_S, runs
from flowsleuth.hunt.totals import MEASURES, Measure, Totals
from flowsleuth.hunt.usual import Grid, Usual, usual

PACKETS_FLOOR, FLOWS_FLOOR = 1_000.0, 5.0
"""Per second: below this nothing is judged by packets and flows; of bytes the floor says."""

WORTH_S, WORTH_OF_FLOOR_S = 900, 120
"""A rise must come to what is usual in fifteen minutes, and to the floor for two: so twice the
usual has to last for a quarter of an hour, and four times the usual for five minutes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says. floors: bytes/s by network; floor: where there is none."""

    floor: float
    floors: Mapping[str, float] = field(default_factory=dict)
    jobs: Jobs | None = None

    def least(self, network: str, measure: Measure) -> float:
        """Return what is judged at all, per second."""
        return (self.floors.get(network, self.floor), PACKETS_FLOOR, FLOWS_FLOOR)[measure]


def hunt(
    evidence: Evidence, settings: Settings, on_progress: Callable[[int], None] | None = None
) -> list[Finding]:
    """Return what is found, what matters most first; on_progress gets the series as they are done.

    Things that share a port or an address are told together, the newest first: the trouble that
    comes to the most bytes first.
    """
    totals = evidence.totals
    culprits: list[Culprit] = []
    normal: dict[tuple[Series, Measure], Usual] = {}
    grid = Grid(totals)
    for series in totals.series:
        for measure in MEASURES:
            judged = _judged(totals, series, measure, grid, settings)
            if judged is None:
                continue
            normal[series, measure] = judged
            for rise in _rises(totals, series, measure, judged, settings):
                for blamed in Explanation(evidence, rise).blamed():
                    found = culprit(evidence, rise, blamed)
                    if _examined(found, totals) and not is_habit(evidence, found):
                        culprits.append(found)
        if on_progress is not None:
            on_progress(1)
    return _ordered([_finding(evidence, *event, normal) for event in merged(culprits)])


def _judged(
    totals: Totals, series: Series, measure: Measure, grid: Grid, settings: Settings
) -> Usual | None:
    """Return what is usual for a series, None where it never reaches what is judged."""
    least = settings.least(series.network, measure) * totals.seconds
    counts = totals.of(series, measure)
    if counts.max(initial=0) < least:
        return None
    judged = usual(counts, grid, least)
    if measure is not Measure.BYTES or settings.jobs is None or not judged.above.any():
        return judged
    at = np.flatnonzero(judged.above)
    steps = np.floor((at + totals.first) * totals.seconds / STEP_S).astype(np.int64)
    more = settings.jobs.added([series], steps)[0] * totals.seconds
    above = judged.above.copy()
    above[at] = counts[at] > judged.expected[at] + more + least
    return Usual(judged.expected, above)


def _rises(
    totals: Totals, series: Series, measure: Measure, judged: Usual, settings: Settings
) -> Iterator[Rise]:
    """Yield the stretches that are above, with short pauses, and that are worth a look."""
    least = settings.least(series.network, measure)
    counts = totals.of(series, measure)
    per_window = totals.seconds
    for begin, end in runs(judged.above, max(round(GAP_S / totals.seconds), 1)):
        expected = judged.expected[begin:end]
        worth = max(WORTH_S / per_window * float(expected.mean()), WORTH_OF_FLOOR_S * least)
        if float((counts[begin:end] - expected).sum()) < worth:
            continue
        yield Rise(
            series, measure, begin + totals.first, end + totals.first, expected, worth,
            ~judged.above,
        )  # fmt: skip


def _examined(found: Culprit, totals: Totals) -> bool:
    return found.first < totals.until and found.last > totals.since


def _finding(
    evidence: Evidence,
    told: Culprit,
    sides: list[Culprit],
    normal: Mapping[tuple[Series, Measure], Usual],
) -> Finding:
    totals = evidence.totals
    rows = slice(totals.place(told.first), totals.place(told.last))
    octets = totals.of(told.series, Measure.BYTES)
    of_bytes = normal.get((told.series, Measure.BYTES))
    expected = (
        of_bytes.expected if of_bytes is not None else np.full(len(octets), np.median(octets))
    )
    also = {side.series for side in sides} - {told.series}
    return Finding(
        culprit=told,
        bytes=int(octets[rows].sum()),
        expected_bytes=round(float(expected[rows].sum())),
        earlier=earlier(evidence, told),
        also=tuple(sorted(also)),
        drill=layers(evidence, told, normal),
        graph=graph(evidence, told, expected),
    )


def _ordered(findings: list[Finding]) -> list[Finding]:
    """Order them: by the trouble that they belong to, and within it the newest first."""
    troubles: list[list[Finding]] = []
    for one in findings:
        mine = [t for t in troubles if any(_alike(one, other) for other in t)]
        troubles = [t for t in troubles if all(t is not m for m in mine)]
        troubles.append([*(other for t in mine for other in t), one])
    troubles.sort(key=lambda t: -sum(_weight(one) for one in t))
    return [
        one
        for trouble in troubles
        for one in sorted(trouble, key=lambda each: (-each.culprit.first, -_weight(each)))
    ]


def _alike(one: Finding, other: Finding) -> bool:
    """Return whether two findings share port and protocol, or the address."""
    a, b = one.culprit, other.culprit
    if a.inside is not None and a.inside == b.inside:
        return True
    return bool(a.port) and a.port == b.port and a.series.protocol == b.series.protocol


def _weight(one: Finding) -> float:
    """Return what a finding is worth: the bytes above what is usual that its culprit carried."""
    return float(one.culprit.counts[Measure.BYTES])
