"""Why two windows on end, and why a quarter above: what other bounds would have told.

The 28 generated days of normal_world.py by the minute, against `bytes_upper` as collect would have
known it at each hour. For each bound: how often traffic rose above it without an anomaly in the
first and in the last 14 days (a network and direction are one, ten quiet minutes end it); and how
many anomalies it crossed at all, and within two minutes. Culprits do not matter here:
bench/alerts.py judges by the whole rules.

    python bench/paces.py [--seeds N]
"""

import argparse
from collections.abc import Mapping

import numpy as np
from normal import Remembered, written
from normal_world import MINUTES, World, world
from numpy.typing import NDArray

from flowsleuth.grafana.alerting.paces import (
    FAST_ON_END,
    FAST_OVER,
    MEMORY,
    SLOW_OVER,
    SLOW_WINDOWS,
    STAYS,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

HALF = MINUTES // 2
IN_TIME = 2
"""Minutes after its first one, in which an anomaly is seen: then it is told within five."""


def rates(made: World, past: Remembered) -> Floats:
    """Return bytes/s by minute (s, minutes), wholes included."""
    rows = [
        made.bytes[
            [
                i
                for i, series in enumerate(made.series)
                if series[:2] == one[:2] and one.protocol in {"all", series.protocol}
            ]
        ].sum(axis=0)
        for one in past.series
    ]
    return np.array(rows) / 60


def mean(rate: Floats, windows: int) -> Floats:
    """Return the mean of the last `windows` minutes, 0 before there are so many."""
    total = np.cumsum(rate, axis=1)
    total[:, windows:] -= total[:, :-windows].copy()
    total[:, : windows - 1] = 0
    return total / windows


def bounds(rate: Floats, upper: Floats) -> Mapping[str, Bools]:
    """Return where each bound is crossed, at the last minute that it needs."""

    def on_end(over: float, count: int) -> Bools:
        above = rate > over * upper
        return np.logical_and.reduce([np.roll(above, shift, axis=1) for shift in range(count)])

    def high(over: float) -> Bools:
        return mean(rate, SLOW_WINDOWS) > over * upper

    fast = on_end(FAST_OVER, FAST_ON_END)
    told = mean(fast.astype(float), MEMORY - 1) > 0
    slow = high(SLOW_OVER) & ~told
    return {
        **{f"a minute, x {over}": on_end(over, 1) for over in (1, FAST_OVER, 1.5, 2)},
        **{f"two minutes, x {over}": on_end(over, 2) for over in (1, 1.1, FAST_OVER, 1.5)},
        **{f"mean of {SLOW_WINDOWS}, x {over}": high(over) for over in (0.9, 1, SLOW_OVER, 1.2)},
        "the fast pace": fast,
        "the slow pace, alone": slow,
        "both paces": fast | slow,
    }


def counted(made: World, past: Remembered, crossed: Bools) -> tuple[int, int, int, int]:
    """Return rises without an anomaly in each half, anomalies crossed, and those in time."""
    first = last = seen = timely = 0
    for way in sorted({one[:2] for one in past.series}):
        mine = crossed[[i for i, one in enumerate(past.series) if one[:2] == way]].any(axis=0)
        calm = mine.copy()
        for anomaly in made.anomalies:
            if (anomaly.network, anomaly.direction) == way:
                calm[max(anomaly.begin - 1, 0) : anomaly.end + MEMORY] = False
        going = np.logical_or.reduce([np.roll(calm, shift) for shift in range(STAYS + 1)])
        begins = np.flatnonzero(going & ~np.roll(going, 1))
        first, last = first + int((begins < HALF).sum()), last + int((begins >= HALF).sum())
    for anomaly in made.anomalies:
        rows = [
            i
            for i, one in enumerate(past.series)
            if one[:2] == (anomaly.network, anomaly.direction)
            and one.protocol in {"all", anomaly.protocol}
        ]
        hits = np.flatnonzero(crossed[rows, anomaly.begin : anomaly.end + IN_TIME].any(axis=0))
        seen += bool(hits.size)
        timely += bool(hits.size and hits[0] < IN_TIME)
    return first, last, seen, timely


def main() -> None:
    """Print a row for each bound of each world."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", type=int, default=3, help="how many worlds")
    for seed in range(1, options.parse_args().seeds + 1):
        made = world(seed)
        past = Remembered(made)
        upper = np.repeat(written(made, past)[1], 5, axis=1)
        upper[np.isnan(upper)] = np.inf
        print(f"seed {seed}, {len(made.anomalies)} anomalies")
        print(f"{'above':24} without one: first, last 14 days   crossed   within {IN_TIME} min")
        for name, crossed in bounds(rates(made, past), upper).items():
            first, last, seen, timely = counted(made, past, crossed)
            print(f"{name:24} {first:19} {last:5} {seen:18} {timely:9}", flush=True)


if __name__ == "__main__":
    main()
