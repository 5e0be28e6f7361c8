"""The exact totals of each network, direction and protocol, window by window.

The hunt looks for what stands out in these, so they are kept in full: a window of a series is
24 bytes, two weeks of minutes over 40 networks are a few hundred megabytes at most and usually a
tenth of it, since only days on which a series has traffic take room.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from flowsleuth.baseline.normal import Series
from flowsleuth.errors import InputError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SECOND = 1_000_000_000
HOUR_S, DAY_S = 3_600, 86_400
STEP_S = 300
"""A step is what is normal is told in: five minutes, or a few windows that are about as long."""

MOST_CELLS = 16_000_000
"""Windows times series that are looked at together: a month of minutes of 40 networks, 1 GB."""


class Measure(IntEnum):
    """What may rise; the order is that of the columns of sums."""

    BYTES = 0
    PACKETS = 1
    FLOWS = 2


MEASURES = tuple(Measure)


@dataclass(frozen=True, slots=True)
class Totals:
    """What s series had in t windows that follow each other.

    first: the first window's number (its start divided by window_ns). counts: int64 (3, s, t), in
    the order of `Measure`. watched: bool (t,), where somebody was there to count. The examined
    windows are [since, until); what lies outside of them is known for comparison only.
    """

    series: tuple[Series, ...]
    window_ns: int
    first: int
    counts: Ints
    watched: Mask
    since: int
    until: int

    @property
    def last(self) -> int:
        """The number of the window after the last one."""
        return self.first + len(self.watched)

    @property
    def seconds(self) -> float:
        """The length of a window."""
        return self.window_ns / SECOND

    def of(self, series: Series, measure: Measure) -> Ints:
        """Return a series' windows, int64 (t,); zeros where there is none."""
        if series not in self.series:
            return np.zeros(self.counts.shape[2], np.int64)
        counts: Ints = self.counts[measure, self.series.index(series)]
        return counts

    def place(self, window: int) -> int:
        """Return the index of a window, within the bounds."""
        return min(max(window - self.first, 0), len(self.watched))


class Days:
    """Sums by (code, window), added up bit by bit; dense within each day that has any."""

    def __init__(self, window_ns: int) -> None:
        self._day = DAY_S * SECOND // window_ns
        self._sums: dict[int, dict[int, Ints]] = {}

    def add(self, codes: Ints, windows: Ints, sums: Ints) -> None:
        """Add sums (n, 3) at distinct (code, window): int64 (n,) each."""
        days = windows // self._day
        for code in np.unique(codes).tolist():
            at = np.flatnonzero(codes == code)
            of_code = self._sums.setdefault(code, {})
            for day in np.unique(days[at]).tolist():
                rows = at[days[at] == day]
                held = of_code.get(day)
                if held is None:
                    held = of_code[day] = np.zeros((3, self._day), np.int64)
                held[:, windows[rows] - day * self._day] += sums[rows].T

    @property
    def codes(self) -> int:
        """How many there are."""
        return len(self._sums)

    def span(self) -> tuple[int, int] | None:
        """Return the first window that has anything and the one after the last, None if none."""
        ends: list[int] = []
        for days in self._sums.values():
            for day in {min(days), max(days)}:
                used = np.flatnonzero(days[day].any(axis=0)) + day * self._day
                ends += [int(used[0]), int(used[-1]) + 1] if len(used) else []
        return (min(ends), max(ends)) if ends else None

    def dense(self, first: int, last: int) -> Iterator[tuple[int, Ints]]:
        """Yield each code and its sums in the windows [first, last), int64 (3, last - first).

        They are given away: afterwards there is nothing left.
        """
        for code in sorted(self._sums):
            days = self._sums.pop(code)
            out = np.zeros((3, last - first), np.int64)
            for day, held in days.items():
                begin = day * self._day
                low, high = max(begin, first), min(begin + self._day, last)
                if low < high:
                    out[:, low - first : high - first] = held[:, low - begin : high - begin]
            if out.any():
                yield code, out


def stacked(
    found: Mapping[Series, Ints] | Sequence[tuple[Series, Ints]],
    window_ns: int,
    first: int,
    last: int,
    watched: Mask,
    examined: tuple[int, int],
) -> Totals:
    """Put series together, in the order of their names; raises InputError where they are too many.

    found: int64 (3, last - first) of each. examined: [since, until) in windows.
    """
    pairs = sorted(found.items() if isinstance(found, Mapping) else found, key=lambda pair: pair[0])
    check(len(pairs), last - first)
    counts = (
        np.stack([counts for _, counts in pairs], axis=1)
        if pairs
        else np.zeros((3, 0, last - first), np.int64)
    )
    return Totals(
        tuple(one for one, _ in pairs), window_ns, first, counts, watched,
        max(examined[0], first), min(examined[1], last),
    )  # fmt: skip


def check(series: int, windows: int) -> None:
    """Raise InputError where memory would not do."""
    if series * windows > MOST_CELLS:
        raise InputError(
            f"{series} networks, directions and protocols over {windows} windows are more than can "
            "be looked at together: choose less with --from and --to, or with --network"
        )
