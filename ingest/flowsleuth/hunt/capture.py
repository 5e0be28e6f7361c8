"""Evidence from captures: what `gather` kept, answering what the hunt asks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.grouping import group
from flowsleuth.aggregate.naming import UNASSIGNED, address_text
from flowsleuth.aggregate.rows import DIRECTIONS, PROTOCOLS
from flowsleuth.baseline.normal import Series
from flowsleuth.decode.flows import MAPPED_PREFIX, UNKNOWN_ADDRESS
from flowsleuth.hunt.evidence import MOST, Contributor, Level, Sighting, ranked
from flowsleuth.hunt.gather import Gathering
from flowsleuth.hunt.kept import Sums
from flowsleuth.hunt.totals import Ints, Measure, Totals, check, stacked
from flowsleuth.protocols import NAMES

Mask = npt.NDArray[np.bool_]

UNKNOWN = "unknown"
_PROTOCOL = {name: number for number, name in enumerate(NAMES)}


@dataclass(frozen=True, slots=True)
class Times:
    """What of the time is meant, in windows: [first, last) is known, [since, until) examined.

    None for no bound.
    """

    first: int | None = None
    last: int | None = None
    since: int | None = None
    until: int | None = None


class CaptureEvidence:
    """Answers from what has been gathered, which is finished.

    networks: their names, by index. chosen: the networks that are asked about, all if empty.
    """

    def __init__(
        self,
        gathered: Gathering,
        networks: Sequence[str],
        window_ns: int,
        times: Times,
        chosen: Sequence[str] = (),
    ) -> None:
        self._names = [*networks, UNASSIGNED]
        self._number = {name: i for i, name in enumerate(self._names)}
        self._kept = gathered.kept
        self.totals = self._totals(gathered, window_ns, times, chosen)

    def _totals(
        self, gathered: Gathering, window_ns: int, times: Times, chosen: Sequence[str]
    ) -> Totals:
        first, last = gathered.days.span() or (0, 0)
        first = first if times.first is None else max(first, times.first)
        last = max(last if times.last is None else min(last, times.last), first)
        check(gathered.days.codes, last - first)
        found = [(self._series(code), counts) for code, counts in gathered.days.dense(first, last)]
        if chosen:
            found = [pair for pair in found if pair[0].network in chosen]
        watched = np.zeros(last - first, bool)
        for _, counts in found:
            watched |= counts[0] > 0
        since = first if times.since is None else times.since
        until = last if times.until is None else times.until
        return stacked(found, window_ns, first, last, watched, (since, until))

    def _series(self, code: int) -> Series:
        place, protocol = divmod(code, PROTOCOLS)
        return Series(self._names[place >> 2], DIRECTIONS[place & 3], NAMES[protocol])

    def _code(self, series: Series) -> int:
        place = self._number[series.network] * 4 + DIRECTIONS.index(series.direction)
        return place * PROTOCOLS + _PROTOCOL[series.protocol]

    def contributors(
        self,
        level: Level,
        series: Series,
        first: int,
        last: int,
        *,
        address: str | None = None,
        port: int | None = None,
    ) -> list[Contributor]:
        """Return a series' largest contributors in the windows [first, last)."""
        sums = self._kept[level].between(self._code(series), first, last)
        if sums is None:
            return []
        return ranked(_contributors(level, _chosen(level, sums, address, port), first, last))

    def seen(
        self,
        series: Series,
        first: int,
        last: int,
        *,
        address: str | None = None,
        port: int | None = None,
        least: float = 0.0,
        measure: Measure = Measure.BYTES,
    ) -> list[Sighting]:
        """Return when talkers had so much: of a port anywhere, of an address in its network."""
        found: list[Sighting] = []
        for name in [series.network] if port is None else self._names:
            one = series._replace(network=name)
            sums = self._kept[Level.TALKER].between(self._code(one), first, last)
            if sums is not None:
                chosen = _chosen(Level.TALKER, sums, address, port)
                found += _sightings(chosen, one, least, measure)
        return found


def _chosen(level: Level, sums: Sums, address: str | None, port: int | None) -> Sums:
    """Return the sums of an address and a port, where they are given."""
    chosen = np.ones(len(sums), bool)
    if port is not None:
        (column,) = sums.name(level, "port")
        chosen &= column == port
    if address is not None:
        for column, half in zip(sums.name(level, "address"), _halves(address), strict=True):
            chosen &= column == half
    return sums.take(chosen)


def _halves(text: str) -> tuple[int, int]:
    """Return an address as its halves; the inverse of `address_text`."""
    if text == UNKNOWN:
        return int(UNKNOWN_ADDRESS[0]), int(UNKNOWN_ADDRESS[1])
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        return 0, MAPPED_PREFIX | int(address)
    return int(address) >> 64, int(address) & (2**64 - 1)


def _sightings(sums: Sums, series: Series, least: float, measure: Measure) -> Iterator[Sighting]:
    """Yield the talkers of some sums; a window may have been grouped in parts."""
    if not len(sums):
        return
    window, counted = sums.window, sums.counts
    parts = group((*sums.names, window))
    counts, rows = parts.sum(counted), parts.first
    enough = counts[:, measure] >= least
    counts, rows = counts[enough], rows[enough]
    if not len(rows):
        return
    groups = group([column[rows] for column in sums.names])
    for mine in np.split(groups.order, groups.starts[1:]):
        mine = mine[np.argsort(window[rows[mine]])]  # noqa: PLW2901  in the order of time
        address, port, _ = _names(Level.TALKER, sums, int(rows[mine[0]]))
        yield Sighting(series, str(address), port or 0, window[rows[mine]], counts[mine].T)


def _contributors(level: Level, sums: Sums, first: int, last: int) -> list[Contributor]:
    """Lay sums out by window, each contributor's by themselves; only the largest are."""
    if not len(sums):
        return []
    groups = group(sums.names)
    counted = sums.counts
    whole = groups.sum(counted)
    largest = set()
    for column in (0, 2):
        largest |= set(np.argsort(-whole[:, column], kind="stable")[: 2 * MOST].tolist())
    numbers = groups.numbers()
    window = sums.window - first
    found = []
    for i in sorted(largest):
        rows = np.flatnonzero(numbers == i)
        counts = np.zeros((3, last - first), np.int64)
        np.add.at(counts.T, window[rows], counted[rows])
        found.append(
            Contributor(
                *_names(level, sums, int(groups.first[i])),
                counts,
                _most(sums.others[rows], window[rows], last - first),
                _most(sums.peers[rows], window[rows], last - first),
            )
        )
    return found


def _names(level: Level, sums: Sums, row: int) -> tuple[str | None, int | None, str | None]:
    """Return address, port and peer of a row, as far as its level has them."""
    told: dict[str, str | int] = {}
    for name in level.value:
        columns = [int(column[row]) for column in sums.name(level, name)]
        told[name] = columns[0] if name == "port" else address_text(*columns)
    address, port, peer = (told.get(name) for name in ("address", "port", "peer"))
    return (
        None if address is None else str(address),
        None if port is None else int(port),
        None if peer is None else str(peer),
    )


def _most(values: npt.NDArray[np.int32], window: Ints, n: int) -> Ints:
    """Return the largest value in each window: a window may have been grouped in parts."""
    most = np.zeros(n, np.int64)
    np.maximum.at(most, window, values)
    return most
