"""When each stream was last heard, and which networks it reports for: who is silent is seen.

An exporter that falls silent writes nothing, and what writes nothing is forgotten by every query
with a short range. So a stream that was heard within a day keeps a point in each window, saying
for how long it has been silent, and which networks miss it.

Only `collect` watches: a file says nothing of who sends now. Time in which nobody listened is no
silence, so a restart neither hides one nor makes one up (it shortens it by the windows that were
still open, two minutes or so). Python loops run over streams, never over records; streams are
bounded by the decoder.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.grouping import number_dense
from flowsleuth.aggregate.naming import UNASSIGNED
from flowsleuth.enrich.enricher import Records

Ints = npt.NDArray[np.int64]

WATCHED_NS = 24 * 3_600_000_000_000
"""Who has been silent for longer is taken for removed."""

LATELY_NS = 3_600_000_000_000
"""A network counts as a stream's for so long after its last record (by the stream's own time: one
that has fallen silent keeps the networks that now miss it)."""

AGAIN_NS = 300_000_000_000
"""The list of networks is written again after this time, so that short queries find it."""

MOST_NETWORKS = 200
"""A longer list is written as `all`: InfluxDB takes 64 KB of text, and dashboards less."""

_MANY = 1 << 18
"""Places noted since the last flush from which on equal ones are put together."""

_NEVER_NS = 2**63
"""Windows up to here close when everything is written at the end: none of them is over."""

_DENSE = 1 << 22
"""Places that are marked in a table; where there are more (many streams), they are sorted."""

OTHERS = 0
"""The stream which exporters beyond the limit share: strangers, whose silence says nothing."""


@dataclass(slots=True)
class Heard:
    """One stream: its last datagram, its networks (index → ns of the last record), what was told.

    told: the list of networks as last written, and the window of that.
    """

    last_ns: int
    networks: dict[int, int] = field(default_factory=dict)
    told: tuple[str, int] = ("", -(2**62))


@dataclass(frozen=True, slots=True)
class Silences:
    """What is known at m (window, stream): silent_s float64 (m,), networks as text, '' for none."""

    silent_s: npt.NDArray[np.float64]
    networks: list[str]


Remembered = tuple[int, int, dict[str, int]]
"""A stream as it is kept: its index, ns of its last datagram, ns of the last record by network."""


class Hearing:
    """Remembers when streams were heard. networks: their names, in the order of their indices."""

    def __init__(self, networks: Sequence[str], window_ns: int) -> None:
        self.watching = False
        self._newest_ns = 0  # until when somebody listened
        self._names = [*networks, UNASSIGNED]
        self._window_ns = window_ns
        self._streams: dict[int, Heard] = {}
        self._receipts: dict[tuple[int, int], int] = {}
        self._touched: list[Ints] = []
        self._noted = 0

    def watch(self, now_ns: int) -> None:
        """Begin to listen: what has passed since the state was kept is nobody's silence."""
        self.watching = True
        away = max(0, now_ns - self._newest_ns)
        self._newest_ns = max(self._newest_ns, now_ns)
        for known in self._streams.values():
            known.last_ns += away
            known.networks = {network: at + away for network, at in known.networks.items()}

    def rename(self, networks: Sequence[str]) -> None:
        """Go on with other networks: one of the same name is the same, others are forgotten."""
        self._touch()
        index = {name: i for i, name in enumerate([*networks, UNASSIGNED])}
        before, self._names = self._names, list(index)
        self._touched, self._noted = [], 0
        for known in self._streams.values():
            names = ((before[i], at) for i, at in known.networks.items())
            known.networks = {index[name]: at for name, at in names if name in index}

    def export_state(self) -> list[Remembered]:
        """Return the streams that are watched; 0 ns is the newest time of any, others are below."""
        return [
            (
                stream,
                known.last_ns - self._newest_ns,
                {self._names[i]: at - self._newest_ns for i, at in known.networks.items()},
            )
            for stream, known in self._streams.items()
        ]

    def import_state(self, streams: Iterable[Remembered]) -> None:
        """Take up what was exported, before `watch`."""
        index = {name: i for i, name in enumerate(self._names)}
        self._newest_ns = 0
        for stream, last_ns, networks in streams:
            known = {index[name]: at for name, at in networks.items() if name in index}
            self._streams[stream] = Heard(min(last_ns, 0), known)

    def datagrams(self, stream: Ints, window: Ints, received_ns: Ints) -> None:
        """Note when datagrams came, int64 (n,) each."""
        if not self.watching or not len(stream):
            return
        base = int(stream.max()) + 1
        distinct, numbers = number_dense(window * base + stream)
        latest = np.zeros(len(distinct), np.int64)
        np.maximum.at(latest, numbers, received_ns)
        for code, at in zip(distinct.tolist(), latest.tolist(), strict=True):
            spot = divmod(code, base)
            self._receipts[spot] = max(at, self._receipts.get(spot, 0))

    def records(self, records: Records) -> None:
        """Note which networks records touch."""
        if not self.watching or not len(records):
            return
        # A stream's places: 0 for an end outside (network -1), the networks, both ends outside.
        width = len(self._names) + 1
        first = records.stream.astype(np.int64) * width + 1
        ends = [first + records.src_network, first + records.dst_network]
        nowhere = records.src_network & records.dst_network  # -1 where both are
        if int(nowhere.min()) < 0:
            ends.append(first[nowhere < 0] + width - 2)
        places = _distinct(ends, int(first.max()) + width)
        streams, place = np.divmod(places[places % width > 0], width)
        self._touched.append(streams * len(self._names) + place - 1)
        self._noted += len(self._touched[-1])
        if self._noted > _MANY:
            self._touched = [np.unique(np.concatenate(self._touched))]
            self._noted = len(self._touched[0])

    def take_before(self, until: int, windows: Ints, streams: Ints) -> tuple[Ints, Silences]:
        """Close the windows before `until`, in which these (windows, streams) were heard.

        Return the streams that are silent in the last of these windows, int64 (k,), and what is
        known at (windows, streams) and then at them, m + k in all.
        """
        rows = list(zip(windows.tolist(), streams.tolist(), strict=True))
        closing = until - 1
        end_ns = until * self._window_ns
        silent_s = [self._hear(*row) for row in rows]
        newest = {stream: i for i, (_, stream) in enumerate(rows)}
        silent = []
        if self.watching and end_ns < _NEVER_NS:
            self._newest_ns = max(self._newest_ns, end_ns)
            silent = self._silent(end_ns, {stream for window, stream in rows if window >= closing})
        silent_s += [seconds for _, seconds in silent]
        newest |= {stream: len(windows) + i for i, (stream, _) in enumerate(silent)}
        self._receipts = {spot: at for spot, at in self._receipts.items() if spot[0] >= until}
        self._touch()
        texts = [""] * len(silent_s)
        for stream, row in newest.items():
            if stream in self._streams:
                texts[row] = self._tell(self._streams[stream], closing)
        return np.array([stream for stream, _ in silent], np.int64), Silences(
            np.array(silent_s, np.float64), texts
        )

    def _hear(self, window: int, stream: int) -> float:
        """Note that a stream was heard in a window; return how long before its end."""
        at = self._receipts.get((window, stream))
        if at is None or stream == OTHERS:
            return np.nan
        known = self._streams.setdefault(stream, Heard(at))
        known.last_ns = max(known.last_ns, at)
        self._newest_ns = max(self._newest_ns, at)
        return max(0.0, ((window + 1) * self._window_ns - known.last_ns) / 1e9)

    def _silent(self, end_ns: int, heard: set[int]) -> list[tuple[int, float]]:
        """Return (stream, seconds) of those which were not heard; forget who left long ago."""
        for stream in [
            s for s, known in self._streams.items() if end_ns - known.last_ns > WATCHED_NS
        ]:
            del self._streams[stream]
        return [
            (stream, max(0.0, (end_ns - known.last_ns) / 1e9))
            for stream, known in self._streams.items()
            if stream not in heard
        ]

    def _touch(self) -> None:
        """Give the streams the networks that were touched since the last flush."""
        if not self._touched:
            return
        early = []  # of streams whose first window is still open
        for code in np.unique(np.concatenate(self._touched)).tolist():
            stream, network = divmod(code, len(self._names))
            if stream in self._streams:
                self._streams[stream].networks[network] = self._streams[stream].last_ns
            elif stream != OTHERS:
                early.append(code)
        self._touched, self._noted = [np.array(early, np.int64)], len(early)

    def _tell(self, known: Heard, window: int) -> str:
        """Return the networks of a stream as JSON, '' where that need not be said again."""
        known.networks = {
            network: at for network, at in known.networks.items() if known.last_ns - at <= LATELY_NS
        }
        names = sorted(self._names[network] for network in known.networks)
        text = json.dumps(["all"] if len(names) > MOST_NETWORKS else names, ensure_ascii=False)
        if text == known.told[0] and (window - known.told[1]) * self._window_ns < AGAIN_NS:
            return ""
        known.told = text, window
        return text


def _distinct(columns: Sequence[Ints], size: int) -> Ints:
    """Return the distinct values of columns, each from 0 to size - 1, in rising order."""
    if size > max(_DENSE, 4 * len(columns[0])):
        return np.unique(np.concatenate(columns))
    used = np.zeros(size, bool)
    for column in columns:
        used[column] = True
    return np.flatnonzero(used)
