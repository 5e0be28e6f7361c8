"""Evidence from InfluxDB: the points that the ingester wrote, asked in InfluxQL.

Totals are `traffic`, exact as in captures. Who carried what are `talkers`, of which each window has
the largest; `hosts` know how many peers and ports an address had, `conversations` who the peers
were. What a culprit carries is large, so it is there; what a scan from outside sends to each of
thousands is not, and then the source stays unknown.

A long history is asked in steps of five minutes and spread evenly over their windows, since it is
only compared with: some hours before what is examined, and all of that, come window by window.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flowsleuth.baseline.normal import Series
from flowsleuth.config import Config
from flowsleuth.errors import InputError
from flowsleuth.hunt.evidence import (
    CROWD,
    OTHER,
    OTHER_PORT,
    Contributor,
    Level,
    Sighting,
    ranked,
)
from flowsleuth.hunt.totals import (
    DAY_S,
    HOUR_S,
    SECOND,
    STEP_S,
    Ints,
    Measure,
    Totals,
    check,
    stacked,
)
from flowsleuth.write.server import Series as Answer

# ruff: noqa: S608  (InfluxQL of our own; every value in it is quoted by `quoted`)

Ask = Callable[[str], Sequence[Answer]]
"""Runs InfluxQL; times are ns. Raises ServiceError."""

HISTORY_S = 14 * DAY_S
"""How much before what is examined is known: two weeks have each hour of the week twice."""

NEAR_S = 6 * HOUR_S
"""Of that, how much is asked window by window."""

FIELDS = ("bytes", "packets", "flows")
_SUMS = ", ".join(f'sum("{name}") AS "{name}"' for name in FIELDS)


@dataclass(frozen=True, slots=True)
class Range:
    """What to examine, ns since the epoch; None for no bound."""

    since_ns: int | None = None
    until_ns: int | None = None


class PointsEvidence:
    """Asks InfluxDB through `ask`.

    chosen: the networks that are asked about, all if empty. on_progress: gets the share of the
    totals that has been read, 0 to 1. Raises InputError where there are no points.
    """

    def __init__(
        self,
        ask: Ask,
        config: Config,
        asked: Range,
        chosen: Sequence[str] = (),
        on_progress: Callable[[float], None] | None = None,
    ) -> None:
        self._ask = ask
        self._window_ns = config.window_ns
        self._detail = config.influx.detail_prefix
        self._chosen = tuple(chosen)
        self._on_progress = on_progress
        self._cached: dict[object, list[_Row]] = {}
        self.totals = self._totals(asked, config.retention.detail_ns or HISTORY_S * SECOND)

    def _totals(self, asked: Range, kept_ns: int) -> Totals:
        ends = [self._edge(which, asked) for which in ("first", "last")]
        if ends[0] is None or ends[1] is None:
            raise InputError(
                "no points of `traffic` in InfluxDB for this time and these networks: "
                "see influx in the configuration, --from, --to and --network"
            )
        window = self._window_ns
        until = ends[1] // window + 1
        oldest = max(ends[0], ends[1] - kept_ns) // window
        since = oldest if asked.since_ns is None else max(asked.since_ns // window, oldest)
        per_step = max(round(STEP_S * SECOND / window), 1)
        near = max(since - round(NEAR_S * SECOND / window), oldest)
        first = max(since - round(HISTORY_S * SECOND / window), oldest)
        first, near = -(-first // per_step) * per_step, near // per_step * per_step
        first = min(first, near)
        found: dict[Series, Ints] = {}
        for begin, end, size in _spans(
            first, near, until, per_step, round(DAY_S * SECOND / window)
        ):
            self._add(found, first, until, begin, end, size)
            if self._on_progress is not None:
                self._on_progress((end - first) / (until - first))
        watched = np.zeros(until - first, bool)
        for counts in found.values():
            watched |= counts[0] > 0
        return stacked(found, window, first, until, watched, (since, until))

    def _edge(self, which: str, asked: Range) -> int | None:
        """Return the time of the first or last point, ns, None where there is none."""
        # The first: of what may be compared with, too.
        until = f" AND time < {asked.until_ns}" if asked.until_ns is not None else ""
        where = f"time >= 0{until}{self._of_networks()}"
        times = [
            int(row[0])
            for answer in self._ask(f'SELECT {which}("bytes") FROM "traffic" WHERE {where}')
            for row in answer.rows
        ]
        return times[0] if times else None

    def _of_networks(self) -> str:
        if not self._chosen:
            return ""
        return " AND (" + " OR ".join(f'"network" = {quoted(n)}' for n in self._chosen) + ")"

    def _add(
        self, found: dict[Series, Ints], first: int, last: int, begin: int, end: int, size: int
    ) -> None:
        """Add the sums of `size` windows each in [begin, end) to the series."""
        where = self._between(begin, end) + self._of_networks()
        tags = '"network", "direction", "protocol"'
        for answer in self._ask(
            f'SELECT {_SUMS} FROM "traffic" WHERE {where} '
            f"GROUP BY time({self._length(size)}), {tags} fill(none)"
        ):
            series = Series(*(answer.tags[name] for name in Series._fields))
            if series not in found:
                check(len(found) + 1, last - first)
                found[series] = np.zeros((3, last - first), np.int64)
            rows = np.array(answer.rows, np.float64)
            times = np.array([row[0] for row in answer.rows], np.int64)
            at = times // self._window_ns - first
            counts = np.nan_to_num(rows[:, 1:4].T).astype(np.int64)
            for i in range(size):
                inside = at + i < end - first
                found[series][:, at[inside] + i] += _part(counts[:, inside], i, size)

    def _between(self, first: int, last: int) -> str:
        return f"time >= {first * self._window_ns} AND time < {last * self._window_ns}"

    def _length(self, windows: int) -> str:
        return f"{windows * self._window_ns // 1_000_000}ms"

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
        measurement = "talkers" if level in _OF_TALKERS else "conversations"
        rows = self._rows(measurement, series, first, last, address, port)
        found = list(_contributors(level, rows, first, last))
        if level is Level.ADDRESS:
            found = self._counted(found, series, first, last)
        if level is Level.PEER:
            found = [one for one in found if int(one.others.max(initial=0)) >= CROWD]
        return ranked(found)

    def _rows(
        self,
        measurement: str,
        series: Series,
        first: int,
        last: int,
        address: str | None,
        port: int | None,
    ) -> "list[_Row]":
        """Return a measurement's rows, asked once for the questions that follow each other."""
        key = measurement, series, first, last, address, port
        if key not in self._cached:
            if len(self._cached) > _MOST_CACHED:
                self._cached.clear()
            where = [self._between(first, last), _of(series)]
            where += [f'"address" = {quoted(address)}'] if address is not None else []
            where += [f'"port" = {quoted(str(port))}'] if port is not None else []
            self._cached[key] = self._asked(measurement, where, first, last)
        return self._cached[key]

    def _asked(self, measurement: str, where: Sequence[str], first: int, last: int) -> "list[_Row]":
        talkers = measurement == "talkers"
        tags = ("address", "port") if talkers else ("address", "port", "peer")
        fields = _SUMS + (', max("peers") AS "peers"' if talkers else "")
        by = ", ".join(f'"{tag}"' for tag in tags)
        answers = self._ask(
            f'SELECT {fields} FROM {self._detail}"{measurement}" WHERE {" AND ".join(where)} '
            f"GROUP BY time({self._length(1)}), {by} fill(none)"
        )
        return [_row(answer, first, last, self._window_ns) for answer in answers]

    def _counted(
        self, found: list[Contributor], series: Series, first: int, last: int
    ) -> list[Contributor]:
        """Add what `hosts` says of peers and ports."""
        where = f"{self._between(first, last)} AND {_of(series, protocol=False)}"
        known: dict[str, tuple[Ints, Ints]] = {}
        for answer in self._ask(
            f'SELECT max("peers") AS "peers", max("ports") AS "ports" '
            f'FROM {self._detail}"hosts" WHERE {where} '
            f'GROUP BY time({self._length(1)}), "address" fill(none)'
        ):
            rows = np.nan_to_num(np.array(answer.rows, np.float64)).astype(np.int64)
            at = np.array([row[0] for row in answer.rows], np.int64) // self._window_ns - first
            peers, ports = np.zeros((2, last - first), np.int64)
            peers[at], ports[at] = rows[:, 1], rows[:, 2]
            known[answer.tags["address"]] = peers, ports
        none = np.zeros(last - first, np.int64)
        return [
            Contributor(one.address, None, None, one.counts, ports, peers)
            for one in found
            for peers, ports in [known.get(one.address or "", (none, none))]
        ]

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
        where = [self._between(first, last), _of(series, network=port is None)]
        where += [f'"address" = {quoted(address)}'] if address is not None else []
        where += [f'"port" = {quoted(str(port))}'] if port is not None else []
        tags = '"network", "address", "port"'
        inner = (
            f'SELECT {_SUMS} FROM {self._detail}"talkers" WHERE {" AND ".join(where)} '
            f"GROUP BY time({self._length(1)}), {tags} fill(none)"
        )
        names = ", ".join(f'"{name}"' for name in FIELDS)
        found = []
        for answer in self._ask(
            f"SELECT {names} FROM ({inner}) "
            f'WHERE "{FIELDS[measure]}" >= {int(least)} GROUP BY {tags}'
        ):
            name, port_text = answer.tags["network"], answer.tags["port"]
            times = np.array([row[0] for row in answer.rows], np.int64)
            counts = np.array([row[1:4] for row in answer.rows], np.int64).T
            found.append(
                Sighting(
                    series._replace(network=name),
                    answer.tags["address"],
                    _port(port_text),
                    times // self._window_ns,
                    counts,
                )
            )
        return found


_OF_TALKERS = frozenset({Level.ADDRESS, Level.PORT, Level.TALKER})
_MOST_CACHED = 16


@dataclass(frozen=True, slots=True)
class _Row:
    """One series of `talkers` or `conversations` by window: int64 (3, w), peers int64 (w,)."""

    address: str
    port: int
    peer: str | None
    counts: Ints
    peers: Ints


def _row(answer: Answer, first: int, last: int, window_ns: int) -> _Row:
    at = np.array([row[0] for row in answer.rows], np.int64) // window_ns - first
    values = np.nan_to_num(np.array([row[1:] for row in answer.rows], np.float64)).astype(np.int64)
    counts = np.zeros((3, last - first), np.int64)
    peers = np.zeros(last - first, np.int64)
    counts[:, at] = values[:, :3].T
    if values.shape[1] > len(FIELDS):
        peers[at] = values[:, 3]
    tags = answer.tags
    return _Row(tags["address"], _port(tags["port"]), tags.get("peer"), counts, peers)


def _contributors(
    level: Level, rows: Sequence[_Row], first: int, last: int
) -> Iterator[Contributor]:
    """Put rows together by the names that a level has."""
    named = level.value
    parts: dict[tuple[object, ...], list[_Row]] = {}
    for row in rows:
        parts.setdefault(tuple(getattr(row, name) for name in named), []).append(row)
    for key, mine in parts.items():
        names = dict(zip(named, key, strict=True))
        others = np.zeros(last - first, np.int64)
        for row in mine:
            # How many hosts are folded nobody knows: no more than there are flows.
            others += np.where(row.address == OTHER, row.counts[2], row.counts[0] > 0)
        counts = sum((row.counts for row in mine), start=np.zeros((3, last - first), np.int64))
        peers = np.max([row.peers for row in mine], axis=0)
        counted = level in (Level.PORT, Level.PEER)
        yield Contributor(
            names.get("address"),
            names.get("port"),
            names.get("peer"),
            counts,
            others if counted else np.zeros(last - first, np.int64),
            peers,
        )


def _spans(
    first: int, near: int, until: int, per_step: int, day: int
) -> Iterator[tuple[int, int, int]]:
    """Yield what to ask at once: [begin, end) in windows, and how many windows are summed."""
    for begin in range(first, near, day):
        yield begin, min(begin + day, near), per_step
    for begin in range(max(first, near), until, day):
        yield begin, min(begin + day, until), 1


def _part(counts: Ints, i: int, size: int) -> Ints:
    """Return the i-th of `size` equal shares, which add up."""
    share: Ints = counts * (i + 1) // size - counts * i // size
    return share


def _of(series: Series, *, network: bool = True, protocol: bool = True) -> str:
    names = ["direction"] + ["network"] * network + ["protocol"] * protocol
    return " AND ".join(f'"{name}" = {quoted(getattr(series, name))}' for name in names)


def _port(text: str) -> int:
    return int(text) if text.isdigit() else OTHER_PORT


def quoted(text: str) -> str:
    """Write a string as InfluxQL has it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
