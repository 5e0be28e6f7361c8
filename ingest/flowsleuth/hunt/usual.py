"""What is usual for a series in each window of a stretch of time, and where it is above that.

Looked at from afterwards: unlike the alert, the hunt knows what came later. Compared is

- with **both flanks**: a mean over some minutes to some hours with the median of what lies before
  and of what lies after, and the higher of the two counts. So a rise is what goes up *and* comes
  down: a morning that begins is none. This is the change against the capture itself, and all that
  there is for a capture of some hours. Means of every doubled length are taken, each with flanks
  that begin at its own length from its middle: so each rise meets one whose flanks lie outside.
- with **how high the series comes by itself**: some series are smooth, in some a single host stands
  out every few minutes. Logarithms of traffic are about normal, so the highest of each three hours
  tells their deviation: it is taken from the heights that a fifth and three fifths of the blocks
  stay below, which anomalies do not move. Above is what one block in a million would pass, and
  never less than twice the usual.
- with **the same time of other days**, once four are known. It finds what lasts longer than flanks
  reach, and what ends in a rising morning; and it clears what only has one flank, at an end of the
  capture. Once a week is known, it is what was expected, too, and clears all that is not above it.
- with **the habit**: what rose half as high, at the same time ± 1 h, on two other days, or on one a
  week away, is a backup and no finding.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from flowsleuth.hunt.stretches import level_of, runs
from flowsleuth.hunt.totals import DAY_S, HOUR_S, STEP_S, Totals

_NORMAL = NormalDist()

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FLANK_S = 3_600
"""How long a flank is at least; it is as long as the mean that is compared with it."""

LONGEST_S = 4 * HOUR_S
"""The longest mean."""

SURROUNDINGS_S = 6 * HOUR_S
"""How far to each side a habit is measured against."""

PART_OF_FLANK = 1 / 3
"""Of a flank's steps must have been watched."""

RISE = 1.0
"""Of what is usual, on top of it: less is not worth a word."""

BLOCK_S = 10_800
"""The highest of three hours is a maximum of a block."""

LEAST_BLOCKS = 12
RARE = 1e-6
"""Of blocks: what comes less often by itself is above. Hundreds of series at several lengths, over
two weeks, are some ten thousand blocks each."""

LOW, HIGH = 0.2, 0.6
"""Of the blocks: the quantiles that the deviation is taken from."""

LEAST_DEVIATION = 0.06
"""Of the logarithm: no series is smoother than that."""

NEARER = 0.4
"""Of a rise's height above its flanks: what is above this belongs to it."""

PAUSE = 2
"""Steps."""

LEVEL_S = 5_400
"""How far what is expected looks to each side."""

HABIT = 0.5
"""Of a rise: what comes as high as that at the same time of other days is a habit."""

AROUND_S = HOUR_S
"""± 1 h is the same time of the day."""

LEAST_RATIO = 1.5
"""Of what other days had at the same time: a rise that has less of it is how this time is."""

DAYS_KNOWN, WEEK_KNOWN = 4, 8
"""Days from which on the same time of other days is asked, and from which on it says what was
expected: then each hour of the week has another."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What one series should have had in t windows: expected float64 (t,); above bool (t,)."""

    expected: Floats
    above: Mask


class Grid:
    """How windows are put together into steps, for all series of some totals."""

    def __init__(self, totals: Totals) -> None:
        seconds = totals.seconds
        self.per_step = max(round(STEP_S / seconds), 1)
        if totals.counts.shape[2] < 48 * self.per_step:  # an hour or two: windows are looked at
            self.per_step = 1
        # Steps begin at whole multiples, wherever the first window lies.
        self.before = totals.first % self.per_step
        size = totals.counts.shape[2] + self.before
        self.after = -size % self.per_step
        self.windows = totals.counts.shape[2]
        self.steps = (size + self.after) // self.per_step
        self.step_s = seconds * self.per_step
        self.watched = self._by_step(totals.watched.astype(float)).max(axis=1) > 0
        self.days = int(self.steps * self.step_s // DAY_S)

    def _by_step(self, windows: Floats) -> Floats:
        padded = np.pad(windows, (self.before, self.after))
        steps: Floats = padded.reshape(self.steps, self.per_step)
        return steps

    def steps_of(self, windows: Floats) -> Floats:
        """Return the mean of each step's windows (steps,), NaN where nobody watched."""
        means = self._by_step(windows).sum(axis=1)
        inside = np.full(self.steps, float(self.per_step))
        inside[0] -= self.before
        inside[-1] -= self.after
        return np.where(self.watched, means / inside, np.nan)

    def windows_of(self, steps: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Give each window the value of its step."""
        return np.repeat(steps, self.per_step)[self.before : self.before + self.windows]

    def steps_in(self, seconds: float) -> int:
        """Return how many steps are so long, at least one."""
        return max(round(seconds / self.step_s), 1)


def usual(windows: npt.NDArray[np.int64], grid: Grid, least: float) -> Usual:
    """Judge a series; least: what a window must rise by to be looked at at all."""
    x = windows.astype(np.float64)
    steps = grid.steps_of(x)
    habit = _known(steps, grid, least)
    above = _risen(np.where(habit, np.nan, steps), grid, least)
    seasonal = None
    if grid.days >= DAYS_KNOWN:
        seasonal, reach = _other_days(steps, grid)
        above &= grid.windows_of(_more_than_other_days(above, steps, seasonal, grid)).astype(bool)
        bound = seasonal + np.maximum(np.maximum(RISE * seasonal, 1.5 * reach), least)
        hourly = _around(steps, grid.steps_in(AROUND_S / 4))
        above |= grid.windows_of((hourly > bound) & ~habit).astype(bool)
    level = _level(steps, grid, above | grid.windows_of(habit).astype(bool))
    if seasonal is not None and grid.days >= WEEK_KNOWN:
        level = np.where(np.isnan(seasonal), level, seasonal)
    return Usual(np.nan_to_num(grid.windows_of(level).astype(float)), above)


def _more_than_other_days(above: Mask, steps: Floats, seasonal: Floats, grid: Grid) -> Mask:
    """Return the steps in which what is above its flanks is more than other days have, too.

    Asked once a week is known, and before that where only one flank is: a capture that ends in the
    morning of a Monday has nothing but the night to compare with, and the days before.
    """
    risen = grid.steps_of(above.astype(float)) > 0
    reach = grid.steps_in(LONGEST_S)
    for begin, end in runs(risen, 0):
        at_end = begin < reach or end > grid.steps - reach
        if grid.days < WEEK_KNOWN and not at_end:
            continue
        had, usually = np.nan_to_num(steps[begin:end]), seasonal[begin:end]
        known = ~np.isnan(usually)
        if had[known].sum() < LEAST_RATIO * usually[known].sum():
            risen[begin:end] = False
    return risen


def _known(steps: Floats, grid: Grid, least: float) -> Mask:
    """Return the steps which rise, but no higher than is the habit at this time."""
    if grid.days < 2:
        return np.zeros(grid.steps, bool)
    level = _around(steps, grid.steps_in(SURROUNDINGS_S))
    excess = np.nan_to_num(steps - level)
    rises = excess > np.maximum(RISE * np.nan_to_num(level), least)
    known: Mask = rises & (_habit(np.where(rises, excess, 0.0), grid) >= HABIT * excess)
    return known


def _level(steps: Floats, grid: Grid, above: Mask) -> Floats:
    """Return the median around each step, of those that are not above."""
    quiet = np.where(grid.steps_of(above.astype(float)) > 0, np.nan, steps)
    level = quiet
    reach = grid.steps_in(LEVEL_S)
    while np.isnan(level := _around(quiet, reach)).any() and reach < len(steps):
        reach *= 2
    return level if not np.isnan(level).any() else np.nan_to_num(level)


def _risen(steps: Floats, grid: Grid, least: float) -> Mask:
    """Return where a mean over any length is above its flanks, bool (t,)."""
    risen = np.zeros(grid.windows, bool)
    reach = np.inf
    for width in _widths(grid):
        means = _means(steps, width)
        base = np.maximum(_flanks(steps, width, max(width, grid.steps_in(FLANK_S))), least)
        height = np.log(np.maximum(means, base) / base)
        # Longer means are less uneven, whatever a few blocks of them say.
        reach = min(reach, _reach(height, grid.step_s, width) or np.inf)
        over = max(reach, np.log(1 + RISE))
        above = (height > over) & (means > base + least * (base > least))
        for begin, end in runs(above, 0):
            first, last = _grown(steps, base, begin, end, width)
            risen |= grid.windows_of(_only(grid.steps, first, last)).astype(bool)
    return risen


def _widths(grid: Grid) -> list[int]:
    """Return the lengths of means, in steps: 1, 2, 4 … up to a quarter of all."""
    longest = min(grid.steps_in(LONGEST_S), max(grid.steps // 4, 1))
    return [1 << k for k in range(longest.bit_length())]


def _means(steps: Floats, width: int) -> Floats:
    """Return the mean of `width` steps around each; NaN counts as nothing."""
    if width <= 1:
        return steps
    kernel = np.ones(width)
    known = np.convolve(~np.isnan(steps), kernel, "same")
    sums = np.convolve(np.nan_to_num(steps), kernel, "same")
    means: Floats = np.divide(sums, known, out=np.full(len(steps), np.nan), where=known > 0.5)
    return means


def _grown(steps: Floats, base: Floats, begin: int, end: int, width: int) -> tuple[int, int]:
    """Return where a rise whose mean of `width` is above in [begin, end) began and ended.

    Its steps are those nearer to its height than to its flanks, with a pause of two at most.
    """
    low = float(np.median(base[begin:end]))
    first, last = max(begin - width // 2, 0), min(end + width // 2, len(steps))
    height = level_of(np.maximum(np.nan_to_num(steps[first:last]) - low, 0.0))
    high = np.nan_to_num(steps) > low + NEARER * height
    near = slice(max(first - 2 * width, 0), min(last + 2 * width, len(steps)))
    mine = [
        (a + near.start, b + near.start)
        for a, b in runs(high[near], PAUSE)
        if a + near.start < end and begin < b + near.start
    ]
    if not mine:
        return begin, end
    return min(a for a, _ in mine), max(b for _, b in mine)


def _only(n: int, first: int, last: int) -> Mask:
    chosen = np.zeros(n, bool)
    chosen[first:last] = True
    return chosen


def _flanks(steps: Floats, away: int, length: int) -> Floats:
    """Return the higher of the medians before and after; one where only one is known.

    The flanks are `length` steps, and begin `away` steps from each step.
    """
    padded = np.pad(steps, length + away, constant_values=np.nan)
    views = np.lib.stride_tricks.sliding_window_view(padded, length)
    known = np.count_nonzero(~np.isnan(views), axis=1) >= max(PART_OF_FLANK * length, 1)
    medians = np.where(known, _median(views), np.nan)
    n = len(steps)
    before, after = medians[:n], medians[2 * away + length + 1 :][:n]
    return np.fmax(before, after)


def _reach(height: Floats, step_s: float, width: int) -> float | None:
    """Return how high a series hardly ever comes by itself: the log of a multiple of its level.

    None where there are too few blocks to say, of which each holds two means of `width`.
    """
    known = height[~np.isnan(height)]
    longest = int(min(BLOCK_S / step_s, len(known) / LEAST_BLOCKS))
    if longest < 2 * width:
        return None
    parts = np.array_split(known, len(known) // longest)
    highest = np.array([part.max() for part in parts])
    low, high = np.quantile(highest, (LOW, HIGH)).tolist()
    n = longest / width
    deviation: float = max((high - low) / (_highest(HIGH, n) - _highest(LOW, n)), LEAST_DEVIATION)
    reach: float = high + deviation * (_highest(1 - RARE, n) - _highest(HIGH, n))
    return reach


def _highest(p: float, n: float) -> float:
    """Return what the highest of n normal deviates stays below with probability p."""
    return _NORMAL.inv_cdf(p ** (1 / n))


def _around(steps: Floats, reach: int) -> Floats:
    """Return the median of the steps within `reach` of each; at the ends as many to one side."""
    width = 2 * reach + 1
    if width >= len(steps):
        return np.full(len(steps), _median(steps[None])[0])
    views = np.lib.stride_tricks.sliding_window_view(steps, width)
    return np.pad(_median(views), reach, mode="edge")


def _offsets(grid: Grid) -> tuple[int, list[int]]:
    """Return the steps of a day, and the other days to look at: two weeks to each side at most."""
    day = round(DAY_S / grid.step_s)
    most = min(grid.days, 14)
    return day, [k for k in range(-most, most + 1) if k]


def _shifted(steps: Floats, by: int) -> Floats:
    """Return what was so many steps later (earlier where negative), NaN where nothing is known."""
    out = np.full(len(steps), np.nan)
    if by >= 0:
        out[: len(steps) - by] = steps[by:]
    else:
        out[-by:] = steps[:by]
    return out


def _habit(excess: Floats, grid: Grid) -> Floats:
    """Return how high a rise is known at this time: on two other days, or on one a week away."""
    day, offsets = _offsets(grid)
    highest = _running_max(np.nan_to_num(excess), grid.steps_in(AROUND_S))
    days = np.stack([_shifted(highest, k * day) for k in offsets if abs(k) * day < grid.steps])
    known = np.sort(np.where(np.isnan(days), -np.inf, days), axis=0)
    second = known[-2] if len(known) > 1 else np.full(grid.steps, -np.inf)
    weeks = [
        _shifted(highest, k * day) for k in offsets if k % 7 == 0 and abs(k) * day < grid.steps
    ]
    weekly = np.fmax.reduce([np.full(grid.steps, -np.inf), *weeks])
    return np.maximum(np.maximum(second, weekly), 0.0)


def _other_days(steps: Floats, grid: Grid) -> tuple[Floats, Floats]:
    """Return what this time has on other days, and by how much two of them rose above that.

    Expected is the same hour of the week. Where a single week says so, it is not believed beyond
    the second highest of all other days: that week may have had the anomaly.
    """
    day, offsets = _offsets(grid)
    hourly = _around(steps, grid.steps_in(AROUND_S))
    highest = _running_max(np.nan_to_num(steps), grid.steps_in(AROUND_S))
    level = np.stack([_shifted(hourly, k * day) for k in offsets])
    none = np.full((1, grid.steps), np.nan)
    weekly = np.concatenate([none, level[[k % 7 == 0 for k in offsets]]])
    weeks = np.count_nonzero(~np.isnan(weekly), axis=0)
    second = _second(level)
    single = np.fmin(np.fmax.reduce(weekly), second)
    expected = np.select([weeks >= 2, weeks == 1], [_median(weekly.T), single], second)
    peaks = np.stack([_shifted(highest - hourly, k * day) for k in offsets])
    return expected, np.nan_to_num(_second(peaks))


def _second(days: Floats) -> Floats:
    """Return the second highest along axis 0, NaN where there are not two."""
    ordered = np.sort(np.where(np.isnan(days), -np.inf, days), axis=0)
    return np.where(np.isinf(ordered[-2]), np.nan, ordered[-2])


def _running_max(steps: Floats, reach: int) -> Floats:
    """Return the highest within `reach` steps of each."""
    padded = np.pad(steps, reach, constant_values=-np.inf)
    highest: Floats = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=1)
    return highest


def _median(rows: Floats) -> Floats:
    """Return the median of each row; NaN does not count (np.nanmedian is slow)."""
    ordered = np.sort(rows, axis=-1)
    count = np.count_nonzero(~np.isnan(rows), axis=-1)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, rows.shape[-1] - 1)
    ends = np.take_along_axis(ordered, np.stack([low, high], axis=-1), axis=-1)
    middle: Floats = ends.mean(axis=-1)
    return middle
