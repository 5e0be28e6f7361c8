"""What is known of each stream by the window of receipt: counters and observed gauges.

Gauges are taken from samples: the clock's skew from datagrams, the export lag and the active
timeout from at most a few thousand records of each batch, which is plenty for a 95th percentile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.accumulator import Accumulator
from flowsleuth.aggregate.duplicates import Duplicates
from flowsleuth.aggregate.grouping import Weights
from flowsleuth.aggregate.hearing import Hearing
from flowsleuth.enrich.enricher import Records

Ints = npt.NDArray[np.int64]

COUNTERS = (
    "datagrams",
    "records",
    "options",
    "templates",
    "lost",
    "missing_template",
    "malformed",
    "implausible",
    "redated",
    "undated",
    "sampling_unknown",
)
"""The counters of the measurement `exporters`, in the order of the columns here."""

_SAMPLE = 4096
"""Records (or datagrams) of a batch that are looked at for the gauges."""

_OCTAVE = 16
_BINS = 17 * _OCTAVE + 1
"""Durations are binned by sixteenths of an octave (4 %), up to 2^17 s, more than a day."""

_LONG_NS = 15_000_000_000
"""A flow of at least this length tells of the active timeout; shorter ones end by themselves."""

_FEWEST = 20
"""Fewer samples than this in a window tell no percentile: the last known value stays."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Gauges of m (window, stream): NaN where nothing is known."""

    clock_skew_ms: npt.NDArray[np.float64]
    export_lag_s: npt.NDArray[np.float64]
    active_timeout_s: npt.NDArray[np.float64]
    duplicate_share: npt.NDArray[np.float64]
    silent_s: npt.NDArray[np.float64]
    networks: list[str]
    """JSON, '' where it need not be said again."""
    heard: int
    """So many of the m were heard in their window; those after them were silent."""


class Trust:
    """Counters and gauges of all streams.

    held_windows: how many may be open at once; networks: their names, by index.
    """

    def __init__(self, window_ns: int, held_windows: int, networks: Sequence[str] = ()) -> None:
        self.window_ns = window_ns
        self.hearing = Hearing(networks, window_ns)
        self._counters = Accumulator(len(COUNTERS))
        self._skews: list[tuple[Ints, Ints, Ints]] = []
        self._lags = Percentile()
        self._durations = Percentile()
        self._duplicates = Duplicates(window_ns, held_windows)

    def datagrams(
        self,
        stream: npt.NDArray[np.int32],
        received_ns: Ints,
        export_ns: Ints,
        counts: Mapping[str, Ints],
    ) -> None:
        """Count datagrams: arrays (n,) of decode's result; stream < 0 is not counted here."""
        known = np.flatnonzero(stream >= 0)
        stream, received_ns, export_ns = stream[known], received_ns[known], export_ns[known]
        window = received_ns // self.window_ns
        zero = np.zeros(len(stream), np.int64)
        columns = [counts[name][known] if name in counts else zero for name in COUNTERS]
        columns[0] = np.ones(len(stream), np.int64)
        self._counters.add(window, stream.astype(np.int64), Weights(np.stack(columns, axis=1)))
        self.hearing.datagrams(stream.astype(np.int64), window, received_ns)
        step = max(1, len(stream) // _SAMPLE)
        stream, window = stream[::step], window[::step]
        skew = (received_ns - export_ns)[::step]
        self._skews.append((window, stream.astype(np.int64), skew))

    def note(self, counter: str, stream: npt.NDArray[np.int32], received_ns: Ints) -> None:
        """Count one for each of n records, by its stream and the window of its receipt."""
        if len(stream):
            columns = np.zeros((len(stream), len(COUNTERS)), np.int64)
            columns[:, COUNTERS.index(counter)] = 1
            window = received_ns // self.window_ns
            self._counters.add(window, stream.astype(np.int64), Weights(columns))

    def observe(self, records: Records) -> None:
        """Look at some records: how late they came, how long the long ones lasted, who has twins.

        Their times have been judged.
        """
        self.hearing.records(records)
        self._duplicates.add(records)
        step = max(1, len(records) // _SAMPLE)
        good = records.dated[::step] & ~records.redated[::step]
        stream = records.stream[::step][good]
        received, start, end = (
            column[::step][good]
            for column in (records.received_ns, records.start_ns, records.end_ns)
        )
        window = received // self.window_ns
        self._lags.add(window, stream, (received - start) / 1e9)
        long = end - start >= _LONG_NS
        self._durations.add(window[long], stream[long], (end - start)[long] / 1e9)

    def take_before(self, window: int) -> tuple[Ints, Ints, Ints, Observed]:
        """Remove windows before this one: window, stream (m,), counters (m, len), gauges.

        After those that were heard come the streams which were silent in the last window.
        """
        windows, streams, sums = self._counters.take_before(window)
        silent, hearing = self.hearing.take_before(window, windows, streams)
        unknown = np.full(len(silent), np.nan)
        skew, lag, timeout, duplicate = (
            np.append(gauge, unknown)
            for gauge in (
                self._median_skews(window, windows, streams),
                self._lags.take_before(window, windows, streams),
                self._durations.take_before(window, windows, streams),
                self._duplicates.take_before(window, windows, streams),
            )
        )
        return (
            np.append(windows, np.full(len(silent), window - 1)),
            np.append(streams, silent),
            np.concatenate((sums, np.zeros((len(silent), len(COUNTERS)), np.int64))),
            Observed(
                skew, lag, timeout, duplicate, hearing.silent_s, hearing.networks, len(windows)
            ),
        )

    def _median_skews(self, window: int, windows: Ints, streams: Ints) -> npt.NDArray[np.float64]:
        """Take the skews of windows before `window`; medians in ms at (windows, streams)."""
        medians = np.full(len(windows), np.nan)
        if not self._skews:
            return medians
        at, stream, skew = (np.concatenate(columns) for columns in zip(*self._skews, strict=True))
        due = at < window
        if not due.any():
            return medians
        self._skews = [(at[~due], stream[~due], skew[~due])]
        at, stream, skew = at[due], stream[due], skew[due]
        order = np.lexsort((skew, stream, at))
        at, stream, skew = at[order], stream[order], skew[order]
        new = np.flatnonzero(np.append(True, (np.diff(at) != 0) | (np.diff(stream) != 0)))
        sizes = np.diff(new, append=len(at))
        middle = (skew[new + (sizes - 1) // 2] + skew[new + sizes // 2]) / 2e6
        found = dict(
            zip(
                zip(at[new].tolist(), stream[new].tolist(), strict=True),
                middle.tolist(),
                strict=True,
            )
        )
        spots = zip(windows.tolist(), streams.tolist(), strict=True)
        medians[:] = [found.get(spot, np.nan) for spot in spots]
        return medians


class Percentile:
    """95th percentile of seconds by window and stream, from logarithmic bins."""

    def __init__(self) -> None:
        self._bins = Accumulator(1)
        self._last: dict[int, float] = {}

    def add(
        self, window: Ints, stream: npt.NDArray[np.int32], seconds: npt.NDArray[np.float64]
    ) -> None:
        """Add n values."""
        octaves = np.log2(1 + np.maximum(seconds, 0)) * _OCTAVE
        bins = np.minimum(octaves.astype(np.int64), _BINS - 1)
        ones = np.ones((len(bins), 1), np.int64)
        self._bins.add(window, stream.astype(np.int64) * _BINS + bins, Weights(ones))

    def take_before(self, window: int, windows: Ints, streams: Ints) -> npt.NDArray[np.float64]:
        """Remove windows before `window`; answer for each (windows, streams): float64 (m,).

        NaN where nothing is known; with too few samples in a window the last value stays.
        """
        of_window, codes, sums = self._bins.take_before(window)
        found: dict[tuple[int, int], float] = {}
        if len(codes):
            stream = codes // _BINS
            new = np.flatnonzero(
                np.append(True, (np.diff(of_window) != 0) | (np.diff(stream) != 0))
            )
            below = np.cumsum(sums[:, 0])
            before = below[new] - sums[new, 0]
            total = below[np.append(new[1:], len(codes)) - 1] - before
            place = np.searchsorted(below, before + 0.95 * total)
            seconds = np.round(2 ** ((codes[place] % _BINS + 0.5) / _OCTAVE) - 1, 1)
            enough = total >= _FEWEST
            spots = zip(of_window[new[enough]].tolist(), stream[new[enough]].tolist(), strict=True)
            found = dict(zip(spots, seconds[enough].tolist(), strict=True))
        answers = np.full(len(windows), np.nan)
        for i, spot in enumerate(zip(windows.tolist(), streams.tolist(), strict=True)):
            if spot in found:
                self._last[spot[1]] = found[spot]
            answers[i] = self._last.get(spot[1], np.nan)
        return answers
