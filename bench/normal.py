"""How often the model of what is normal is wrong, over 28 generated days (see normal_world.py).

It is asked every hour, as `collect` does, with what was known then, anomalies of the past included.
Printed are, for each seed:

- how often traffic rose above `bytes_upper` for two successive five minutes without an anomaly, in
  the first and in the last 14 days, over all networks, directions and protocols (a network's whole
  and the protocol that raises it are one);
- how many of the anomalies it crossed, for two successive five minutes as well.

Exit status 1 where more than what is demanded was wrong.

    python bench/normal.py [--seeds N] [--seed FIRST] [--networks N] [-v]
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from normal_world import DAYS, MINUTES, ZONE, Anomaly, World, world
from numpy.typing import NDArray

from flowsleuth.baseline import normal
from flowsleuth.baseline.clock import DAY, HOUR, STEP_NS, STEP_S
from flowsleuth.baseline.normal import Series

Floats = NDArray[np.float64]

STEPS = MINUTES * 60 // STEP_S
HALF = 14 * DAY
MOST_FIRST, MOST_LAST, LEAST_CROSSED = 3, 1, 0.95
"""What is demanded."""


class Remembered:
    """A `normal.Past` of arrays: what InfluxDB would say of a world."""

    def __init__(self, made: World) -> None:
        self.first = made.first_step
        by_step = made.bytes.reshape(len(made.bytes), STEPS, -1).sum(axis=2) / STEP_S
        watched = made.watched.reshape(STEPS, -1).any(axis=1)
        wholes = sorted({Series(n, d, "all") for n, d, _ in made.series})
        rows = [
            by_step[[i for i, one in enumerate(made.series) if one[:2] == whole[:2]]].sum(axis=0)
            for whole in wholes
        ]
        self.series = (*made.series, *wholes)
        self.bytes_per_s = np.concatenate([by_step, rows])
        self.bytes_per_s[:, ~watched] = np.nan
        self._row = {one: i for i, one in enumerate(self.series)}
        positive = np.nan_to_num(self.bytes_per_s) > 0
        self._begun = np.where(positive.any(axis=1), positive.argmax(axis=1), STEPS) + self.first

    def begun(self, until: int) -> Mapping[Series, int]:
        """As `normal.Past` has it."""
        return {
            one: int(at) for one, at in zip(self.series, self._begun, strict=True) if at < until
        }

    def rates(self, series: Sequence[Series], first: int, last: int) -> Floats:
        """As `normal.Past` has it."""
        out = np.full((len(series), last - first), np.nan)
        low, high = max(first, self.first), min(last, self.first + STEPS)
        if low < high:
            rows = [self._row[one] for one in series]
            out[:, low - first : high - first] = self.bytes_per_s[
                rows, low - self.first : high - self.first
            ]
        return out

    def highest(self, series: Sequence[Series], first: int, last: int) -> tuple[Floats, Floats]:
        """As `normal.Past` has it."""
        found = self.rates(series, first, last)
        if not found.size:
            return np.full(len(series), np.nan), np.full(len(series), np.nan)
        return np.nanmax(found, axis=1), np.nanmean(found, axis=1)

    def packet_sizes(self, series: Sequence[Series], first: int, last: int) -> Floats:
        """As `normal.Past` has it."""
        del first, last
        return np.array([{"icmp": 90.0}.get(one.protocol, 800.0) for one in series])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one world."""

    first: list[tuple[Series, int]]
    """Rises without an anomaly in the first 14 days: a series, and the step since the start."""
    last: list[tuple[Series, int]]
    missed: list[Anomaly]
    crossed: int


def written(
    made: World, past: Remembered, hours: Sequence[int] = range(DAYS * 24)
) -> tuple[Floats, Floats]:
    """Return what is expected and its upper bound, bytes/s (s, steps) each, NaN in other hours.

    As `collect` would have written it, computed every hour.
    """
    expected, upper = np.full((2, *past.bytes_per_s.shape), np.nan)
    rows = {one: i for i, one in enumerate(past.series)}
    for hour in hours:
        now = past.first + hour * HOUR
        told = normal.expect(
            past, now * STEP_NS, hours=1, floors=made.floors, intervals=made.intervals, zone=ZONE
        )
        at = [rows[one] for one in told.series]
        steps = slice(hour * HOUR, (hour + 1) * HOUR)
        expected[at, steps], upper[at, steps] = told.expected, told.upper
    return expected, upper


def judge(made: World) -> Verdict:
    """Return what the model did in a world."""
    past = Remembered(made)
    above = past.bytes_per_s > written(made, past)[1]
    twice = above & np.roll(above, 1, axis=1)
    twice[:, 0] = False
    missed = [a for a in made.anomalies if not _crossed(a, past.series, twice)]
    for anomaly in made.anomalies:
        begin, end = anomaly.begin // 5, -(-anomaly.end // 5)
        for i, one in enumerate(past.series):
            if one[:2] == (anomaly.network, anomaly.direction):
                twice[i, begin : end + 1] = False
    wrong = sorted(_rises(past.series, twice), key=lambda rise: rise[1])
    return Verdict(
        [rise for rise in wrong if rise[1] < HALF],
        [rise for rise in wrong if rise[1] >= HALF],
        missed,
        len(made.anomalies) - len(missed),
    )


def _rises(series: Sequence[Series], twice: NDArray[np.bool_]) -> Iterator[tuple[Series, int]]:
    """Yield when each network's traffic in a direction rises, in a protocol, the whole, or both."""
    for way in sorted({one[:2] for one in series}):
        rows = [i for i, one in enumerate(series) if one[:2] == way]
        above = twice[rows].any(axis=0)
        for step in np.flatnonzero(above & ~np.roll(above, 1)):
            yield series[rows[int(twice[rows, step].argmax())]], int(step)


def _crossed(anomaly: Anomaly, series: Sequence[Series], twice: NDArray[np.bool_]) -> bool:
    rows = [
        i
        for i, one in enumerate(series)
        if one[:2] == (anomaly.network, anomaly.direction)
        and one.protocol in {"all", anomaly.protocol}
    ]
    return bool(twice[rows, anomaly.begin // 5 + 1 : -(-anomaly.end // 5)].any())


def main() -> int:
    """Print a line for each seed; return the exit status."""
    options = argparse.ArgumentParser(description="Is what is normal told rightly?")
    options.add_argument("--seeds", type=int, default=1, help="how many worlds")
    options.add_argument("--seed", type=int, default=1, help="the first of them")
    options.add_argument("--networks", type=int, default=10, help="how many of the ten")
    options.add_argument("--anomalies", type=int, default=30, help="how many in a world")
    options.add_argument("-v", "--verbose", action="store_true", help="name what was wrong")
    asked = options.parse_args()
    good = True
    for seed in range(asked.seed, asked.seed + asked.seeds):
        began = time.process_time()
        made = world(seed, networks=asked.networks, anomalies=asked.anomalies)
        found = judge(made)
        print(
            f"seed {seed}: above without an anomaly {len(found.first)} times in the first 14 days, "
            f"{len(found.last)} in the last; crossed {found.crossed} of {len(made.anomalies)} "
            f"anomalies ({time.process_time() - began:.0f} s of CPU)",
            flush=True,
        )
        if asked.verbose:
            for one, step in found.first + found.last:
                print(f"  wrong: {'/'.join(one)} on day {step / DAY:.2f}")
            for anomaly in found.missed:
                print(f"  missed: {anomaly}")
        good &= (
            len(found.first) <= MOST_FIRST
            and len(found.last) <= MOST_LAST
            and found.crossed >= LEAST_CROSSED * len(made.anomalies)
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
