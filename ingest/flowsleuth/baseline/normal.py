"""What is normal for a series at each five minutes of the coming hours, from its past alone.

The past is asked for narrow spans: the same local time ± 1 h of the last ten days, and of two,
three and four weeks ago. Nothing is remembered from one computation to the next, so a restart
changes nothing, and several ingesters which ask the same InfluxDB write the same.

    expected = median of the same hour of the week
    upper    = the largest of
               expected + max(4 scaled deviations, half of it, floor, 3 x noise of sampling)
               reach    + max(3/4 of it, 2 x bursts, 3 x noise of sampling)
               expected + 1/20 of what is expected of the network's whole

The first line alone fails for a backup that begins up to half an hour early or late: around its
edges it holds the lesser part of the samples, and neither median nor median deviation sees it.

`reach` is how high that hour comes when nothing is wrong: the highest five minutes within ± 1 h,
and of the weeks the second highest. What happened in one week alone may have been an anomaly: it is
not learned. What happens twice is: in two of the weeks, or, as an excess over the week before, on
two of the last three days (a new nightly job is known on its third night, and so is a new level).
With one or two weeks known, the other days at that hour have a say.

`bursts` is how far above its own median that hour came on two of all these days: what is small,
such as ICMP, comes and goes, and a median deviation does not see that either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from flowsleuth.baseline.clock import HOUR, OLD_CLOCK, STEP_NS, STEP_S, WEEK, days_before

Floats = NDArray[np.float64]

FLOOR = 125_000.0
"""Bytes/s (1 Mbit/s) below which nothing is judged, where no floor is configured."""

WHOLE = "all"
"""The protocol of a network's whole."""

WEEKS = (7, 14, 21, 28)
RECENT = (1, 2, 3)
"""Days before: where a new habit shows first."""
WEEK_BEFORE = tuple(7 + day for day in RECENT)
OTHERS = (1, 2, 3, 4, 5, 6, 8, 9, 10)
"""The days whose same hour says whether a single week is to be believed."""
DAYS = tuple(sorted({*WEEKS, *OTHERS}))

AROUND = HOUR
"""± 1 h."""
WATCHED = AROUND + 1
"""Of the 25 steps around, how many must have been watched for that day to say anything."""

# The reasons of these factors are the numbers that bench/normal.py prints.
DEVIATIONS = 4.0
SCALED = 1.4826
"""Median absolute deviation to standard deviation, for a normal distribution."""
HALF = 0.5
"""Of what is expected, in every margin above it."""
REACH = 0.75
"""Of `reach`: the next peak may be higher than those of the past."""
BURST = 2.0
PART = 0.05
"""Of a network's whole: a protocol that rises by less is not worth a word."""
SAMPLING = 3.0
TYPICAL_PACKET = 800.0
"""Bytes; for the noise of sampling where no packet came in the last hour."""
STRAIGHT = 1 / 3
"""How far from the line the middle may lie, in parts of its rise; a step lies 1/2 off."""
LEARNING = 3.0
"""While less than a week is known: times the highest five minutes so far."""

SERIES_AT_ONCE = 64
"""Bounds the memory: some 2 MB of samples for each series and three hours."""


class Series(NamedTuple):
    """A row of `baseline`; `network` is 'profile:NAME' for a profile, protocol 'all' the whole."""

    network: str
    direction: str
    protocol: str


class Past(Protocol):
    """What is known of the past; `history.History` asks InfluxDB, tests have arrays."""

    def begun(self, until: int) -> Mapping[Series, int]:
        """Return each series that had traffic in the five weeks before step `until`: its first."""

    def rates(self, series: Sequence[Series], first: int, last: int) -> Floats:
        """Return bytes/s (s, last - first) of steps first..last-1; NaN where nobody watched."""

    def highest(self, series: Sequence[Series], first: int, last: int) -> tuple[Floats, Floats]:
        """Return the highest step of first..last-1 and the mean, bytes/s, (s,) each."""

    def packet_sizes(self, series: Sequence[Series], first: int, last: int) -> Floats:
        """Return bytes by packet (s,), NaN where there was none."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is normal for s series at m steps."""

    series: tuple[Series, ...]
    steps: NDArray[np.int64]
    """(m,): epoch seconds // 300."""
    expected: Floats
    """(s, m), bytes/s."""
    upper: Floats
    """(s, m), bytes/s."""
    learning: NDArray[np.bool_]
    """(s,): less than a week is known."""


def expect(
    past: Past,
    now_ns: int,
    *,
    hours: int = 2,
    floors: Mapping[str, float] | None = None,
    intervals: Mapping[str, float] | None = None,
    since: Mapping[str, int] | None = None,
    zone: tzinfo | None = None,
) -> Expectation:
    """Return what is normal from the step of `now_ns` on for `hours` (at most 22).

    past: `history.History(ask)`. By the name that a series has as its network, which may lack:
    floors: bytes/s. intervals: the sampling interval N of 1:N, of those that are sampled.
    since: ns before which its past does not count, because it was another network then.
    zone: whose clock the rhythm follows; None is the system's.
    There is a row for each series that had traffic in the last five weeks and since `since`.
    """
    now = now_ns // STEP_NS
    steps = np.arange(now, now + hours * HOUR, dtype=np.int64)
    begun = dict(past.begun(now))
    known = _known_since(begun, since or {}, now)
    series = tuple(sorted(one for one in begun if known[one.network] < now))
    since_step = np.array([known[one.network] for one in series], np.int64)
    floor = np.array([(floors or {}).get(one.network, FLOOR) for one in series])
    interval = np.array([(intervals or {}).get(one.network, 1.0) for one in series])
    noise = _noise(past, series, interval, now)
    learning = now - since_step < WEEK
    expected, upper = _from_the_past(past, series, steps, since_step, floor, noise, zone)
    _while_learning(past, series, now, since_step, floor, noise, learning, expected, upper)
    wholes = {one[:2]: i for i, one in enumerate(series) if one.protocol == WHOLE}
    whole = expected[[wholes[one[:2]] for one in series]]
    upper = np.maximum(upper, expected + PART * whole)
    return Expectation(series, steps, expected, upper, learning)


def _known_since(begun: Mapping[Series, int], since: Mapping[str, int], now: int) -> dict[str, int]:
    """Return by network the first step that counts; a protocol is as old as its network."""
    known: dict[str, int] = {}
    for one, first in begun.items():
        known[one.network] = min(first, known.get(one.network, now))
    changed = {name: -(-ns // STEP_NS) for name, ns in since.items()}
    return {name: max(first, changed.get(name, first)) for name, first in known.items()}


def _noise(past: Past, series: Sequence[Series], interval: Floats, now: int) -> Floats:
    """Return (s,) c of the noise of sampling: its standard deviation is sqrt(c x rate), bytes/s.

    Sampled packets of a step are Poisson: sqrt(bytes x interval x packet size) bytes.
    """
    noise = np.zeros(len(series))
    if (which := np.flatnonzero(interval > 1)).size:
        asked = [series[i] for i in which.tolist()]
        sizes = past.packet_sizes(asked, now - HOUR, now)
        noise[which] = interval[which] * np.where(np.isnan(sizes), TYPICAL_PACKET, sizes) / STEP_S
    return noise


def _from_the_past(
    past: Past,
    series: tuple[Series, ...],
    steps: NDArray[np.int64],
    since: NDArray[np.int64],
    floor: Floats,
    noise: Floats,
    zone: tzinfo | None,
) -> tuple[Floats, Floats]:
    """Return expected and upper, (s, m) each, NaN where no day says anything."""
    then = days_before(steps, DAYS, zone)
    old = days_before(steps, DAYS, zone, behind=OLD_CLOCK)
    both = np.concatenate([then, old], axis=1)
    spans = [(int(days.min()) - AROUND, int(days.max()) + AROUND + 1) for days in both]
    if not series:
        return np.empty((0, len(steps))), np.empty((0, len(steps)))
    rates = [past.rates(series, first, last) for first, last in spans]
    for (first, last), found in zip(spans, rates, strict=True):
        found[np.arange(first, last) < since[:, None]] = np.nan
    around = np.arange(-AROUND, AROUND + 1)
    expected, upper = np.empty((2, len(series), len(steps)))
    for begin in range(0, len(series), SERIES_AT_ONCE):
        part = slice(begin, begin + SERIES_AT_ONCE)

        def samples(days: NDArray[np.int64], part: slice = part) -> Floats:
            return np.stack(
                [
                    found[part][:, at[:, None] + around - first]
                    for found, at, (first, _) in zip(rates, days, spans, strict=True)
                ],
                axis=1,
            )

        also = None if np.array_equal(then, old) else samples(old)
        expected[part], upper[part] = judge(
            samples(then), floor[part, None], noise[part, None], also
        )
    return expected, upper


def judge(
    samples: Floats, floor: Floats, noise: Floats, also: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return expected and upper, (s, m) each, from samples (s, d, m, 25) of `DAYS`; bytes/s.

    A NaN among the samples was not watched; in the answer it says that no day is known.
    floor, noise: (s, 1), bytes/s, and as `_noise` has it.
    """
    watched = np.count_nonzero(~np.isnan(samples), axis=3)
    samples = np.where((watched < WATCHED)[..., None], np.nan, samples)
    peaks = _peaks(samples)
    if also is not None:
        peaks = np.fmax(peaks, _peaks(also))
    reach = _reach(peaks)
    expected, spread = _middle(_of(samples, WEEKS), reach)
    if (unknown := np.isnan(expected)).any():
        others = _middle(_of(samples, OTHERS), reach)
        expected = np.where(unknown, others[0], expected)
        spread = np.where(unknown, others[1], spread)
    above = np.maximum.reduce(
        [
            DEVIATIONS * SCALED * spread,
            HALF * expected,
            np.broadcast_to(floor, expected.shape),
            SAMPLING * np.sqrt(noise * expected),
        ]
    )
    bursts = np.nan_to_num(_second(peaks - _median(samples)))
    margin = np.maximum.reduce([REACH * reach, BURST * bursts, SAMPLING * np.sqrt(noise * reach)])
    return expected, np.maximum(expected + above, reach + margin)


def _peaks(samples: Floats) -> Floats:
    """Return (s, d, m): the highest of each hour, a slope through it taken away.

    Mornings rise by half within the hour, at the same time each day: what comes an hour later then
    is not what may come now. A backup that begins is no slope: it keeps most of its height.
    """
    third = samples.shape[3] // 3
    before, after = _median(samples[..., :third]), _median(samples[..., -third:])
    bend = np.abs(_median(samples[..., third:-third]) - (before + after) / 2)
    slope = (after - before) / (samples.shape[3] - third)
    slope = np.where(bend <= STRAIGHT * np.abs(after - before), slope, 0.0)
    level = samples - slope[..., None] * np.arange(-AROUND, AROUND + 1)
    highest: Floats = np.fmin(np.fmax.reduce(samples, axis=3), np.fmax.reduce(level, axis=3))
    return highest


def _reach(peaks: Floats) -> Floats:
    """Return (s, m): how high this hour comes when nothing is wrong; peaks: (s, d, m) of `DAYS`."""
    weeks, others = _of(peaks, WEEKS), _second(_of(peaks, OTHERS))
    known = np.count_nonzero(~np.isnan(weeks), axis=1)
    highest = np.fmax.reduce(weeks, axis=1)
    reach = np.select(
        [known >= 3, known == 2, known == 1],
        [
            _second(weeks),
            _second(np.concatenate([weeks, others[:, None]], axis=1)),
            np.fmax(others, highest),
        ],
        others,
    )
    reach = np.where(np.isnan(reach), highest, reach)
    habit = reach[:, None] + _of(peaks, RECENT) - _of(peaks, WEEK_BEFORE)
    twice: Floats = np.fmax(reach, _second(np.concatenate([weeks, habit], axis=1)))
    return twice


def _of(array: Floats, days: Sequence[int]) -> Floats:
    return array[:, [DAYS.index(day) for day in days]]


def _second(array: Floats) -> Floats:
    """Return the second highest along axis 1, the only one where there is one, NaN where none."""
    ordered = np.sort(np.where(np.isnan(array), -np.inf, array), axis=1)
    second = ordered[:, -1] if ordered.shape[1] == 1 else ordered[:, -2]
    second = np.where(np.isneginf(second), ordered[:, -1], second)
    return np.where(np.isneginf(second), np.nan, second)


def _middle(samples: Floats, reach: Floats) -> tuple[Floats, Floats]:
    """Return median and median absolute deviation (s, m) over days and the hours around.

    What lies above `reach` happened once: it counts as `reach`.
    """
    pooled = np.minimum(np.moveaxis(samples, 2, 1).reshape(*reach.shape, -1), reach[..., None])
    median = _median(pooled)
    return median, _median(np.abs(pooled - median[..., None]))


def _median(samples: Floats) -> Floats:
    """Return the median along the last axis; NaN does not count (np.nanmedian is slow)."""
    ordered = np.sort(samples, axis=-1)
    count = np.count_nonzero(~np.isnan(samples), axis=-1)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, samples.shape[-1] - 1)
    ends = np.take_along_axis(ordered, np.stack([low, high], axis=-1), axis=-1)
    middle: Floats = ends.mean(axis=-1)
    return middle


def _while_learning(
    past: Past,
    series: tuple[Series, ...],
    now: int,
    since: NDArray[np.int64],
    floor: Floats,
    noise: Floats,
    learning: NDArray[np.bool_],
    expected: Floats,
    upper: Floats,
) -> None:
    """Fill in, by what came so far, the series that learn, and the steps that no day knows."""
    lacks = learning | np.isnan(upper).any(axis=1)
    for first in np.unique(since[lacks]):
        which = np.flatnonzero(lacks & (since == first))
        begin = max(int(first), now - WEEK)
        asked = [series[i] for i in which.tolist()]
        highest, mean = (np.nan_to_num(found) for found in past.highest(asked, begin, now))
        most = np.maximum(LEARNING * highest, mean + floor[which])
        most = np.maximum(most, highest + SAMPLING * np.sqrt(noise[which] * highest))
        fill = learning[which, None] | np.isnan(upper[which])
        expected[which] = np.where(fill, mean[:, None], expected[which])
        upper[which] = np.where(fill, most[:, None], upper[which])
