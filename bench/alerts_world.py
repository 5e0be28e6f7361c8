"""The world of normal_world.py with its talkers and other anomalies, as alert rules see it.

Each series' bytes are divided among a dozen talkers, from even to one that dominates, whose parts
drift over hours, and the small rest which folds into `other`. Bursts and backups are of one host.
Of sampled networks, each talker's packets are Poisson.

Anomalies are of three kinds: one host; an outbreak (8 to 40 hosts on one port: the 20 largest have
rows of their own, the others share one); and many hosts on many ports, of which nobody dominates.
Each is tcp, udp or icmp, out, in or internal, of IPv4 or IPv6 addresses, 2 to 20 times what is
normal (of the network's whole in that direction, or of the protocol), and begins at any second.

`Points` is the store of an `Arrays` source. Talkers of 28 days would be gigabytes: `move` makes
those of a piece.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import normal
import normal_world
import numpy as np
from grafana.evaluator.arrays import Grid, Tags
from normal_world import DAYS, LEARNING_DAYS, MINUTES, PACKETS, Anomaly, Floats, World
from numpy.typing import NDArray

from flowsleuth.baseline.clock import STEP_S
from flowsleuth.baseline.normal import Series

HOST, OUTBREAK, MANY = "one host", "an outbreak", "nobody dominates"

WRITTEN_S = 60 + 60 + 5
"""When a window can be asked for, after its start: its length, the grace, and a write."""

BEFORE = 90
"""Minutes of talkers before a piece: as far back as rules look at them to judge."""

TALKERS = 12
ROWS = {OUTBREAK: 20, MANY: 10}
"""How many of an anomaly have rows of their own."""

PORTS = {
    "tcp": (443, 80, 22, 445, 993, 3389, 8080, 5432),
    "udp": (443, 53, 4500, 3478, 123, 51820),
    "icmp": (0,),
    "esp": (0,),
}
DRIFT = 30
"""Minutes between two draws of how the talkers' parts drift."""

LAG_S = 62.0
"""Exporters with an active timeout of a minute."""


Way = tuple[str, str]
"""Network and direction."""


class End(NamedTuple):
    """An (address, port) and its part."""

    address: str
    port: str
    part: float


@dataclass(frozen=True)
class Told:
    """An anomaly, what it is, and who."""

    anomaly: Anomaly
    kind: str
    ends: tuple[End, ...]

    @property
    def begin_s(self) -> float:
        """Seconds from the installation to its first packet."""
        return 60 * (self.anomaly.begin + self.anomaly.late)

    @property
    def end_s(self) -> float:
        """Seconds from the installation to its last packet."""
        return 60.0 * self.anomaly.end


def draw(
    series: list[Series], watched: NDArray[np.bool_], count: int, random: np.random.Generator
) -> list[Anomaly]:
    """Draw `count` anomalies that do not meet each other in a network and direction."""
    drawn: list[Anomaly] = []
    ways = sorted({one[:2] for one in series})
    while len(drawn) < count:
        network, direction = ways[random.integers(len(ways))]
        protocol = ("tcp", "udp", "tcp", "udp", "icmp")[random.integers(5)]
        begin = int(random.integers(LEARNING_DAYS * 1440, MINUTES - 150))
        end = begin + int(random.integers(15, 121))
        factor = float(np.exp(random.uniform(np.log(2), np.log(20))))
        of = "all" if protocol == "icmp" else ("all", protocol)[random.integers(2)]
        apart = all(
            (a.network, a.direction) != (network, direction)
            or a.end + 60 < begin
            or end + 60 < a.begin
            for a in drawn
        )
        if apart and watched[begin:end].all():
            late = float(random.random())
            drawn.append(Anomaly(network, direction, protocol, begin, end, factor, of, late))
    return drawn


def world(seed: int, networks: int, anomalies: int) -> tuple[World, list[Told]]:
    """Return the world of `seed`, and what its anomalies are."""
    made = normal_world.world(seed, networks=networks, anomalies=anomalies, draw=draw)
    random = np.random.default_rng((seed, 1))
    names = [network.name for network in normal_world.NETWORKS]
    told = []
    for anomaly in sorted(made.anomalies, key=lambda one: one.begin):
        kind = (HOST, HOST, OUTBREAK, MANY)[random.integers(4)]
        told.append(Told(anomaly, kind, _ends(kind, anomaly, names, random)))
    return made, told


def _ends(
    kind: str, anomaly: Anomaly, names: list[str], random: np.random.Generator
) -> tuple[End, ...]:
    count = {HOST: 1, OUTBREAK: int(random.integers(8, 41)), MANY: int(random.integers(60, 200))}[
        kind
    ]
    port = str(random.integers(10_000, 60_000)) if anomaly.protocol != "icmp" else "0"
    parts = np.sort(random.dirichlet(np.full(count, 5.0)))[::-1]
    inside = address(names.index(anomaly.network), random.integers(2) == 1)
    ends = []
    for i, part in enumerate(parts.tolist()):
        own = str(random.integers(10_000, 60_000)) if kind == MANY and port != "0" else port
        folded = i >= ROWS.get(kind, 1)
        where = "other" if folded else inside.format(i + 1)
        ends.append(End(where, "other" if folded and kind == MANY else own, part))
    return tuple(ends)


def address(network: int, six: bool) -> str:
    """Return the form of the addresses of a network."""
    return f"2001:db8:{network:x}::9:{{:x}}" if six else f"10.{network}.9.{{}}"


class Talkers:
    """Who is in each series of a world, by minute."""

    def __init__(self, made: World, told: list[Told], seed: int) -> None:
        random = np.random.default_rng((seed, 2))
        self._made, self._told = made, told
        self._names = [network.name for network in normal_world.NETWORKS]
        rows = len(made.series)
        even = random.uniform(0.5, 2.0, rows)[:, None]
        self._parts = (1 + np.arange(TALKERS)) ** -even
        self._rest = random.uniform(0.05, 0.4, rows)[:, None]
        self._drift = self._drifts(rows, random)
        self._whose = random.integers(0, TALKERS, len(made.parts))
        self._seed = seed

    @staticmethod
    def _drifts(rows: int, random: np.random.Generator) -> Floats:
        """Return (s, talkers, times): logarithms which wander over some four hours."""
        steps = random.standard_normal((MINUTES // DRIFT + 2, rows, TALKERS))
        keep = np.exp(-DRIFT / 240)
        for i in range(1, len(steps)):
            steps[i] = keep * steps[i - 1] + np.sqrt(1 - keep * keep) * steps[i]
        return np.moveaxis(0.6 * steps, 0, 2)

    def between(self, first: int, last: int, ways: Collection[Way] | None = None) -> Grid:
        """Return `talkers` of minutes first..last-1, of these ways, or of all."""
        minutes = np.arange(first, last)
        tags: list[Tags] = []
        cells: list[Floats] = []
        parts = [(i, p) for i, p in enumerate(self._made.parts) if p.begin < last and p.end > first]
        for row, one in enumerate(self._made.series):
            if ways is not None and one[:2] not in ways:
                continue
            random = np.random.default_rng((self._seed, 3, first, row))
            found = self._of(row, one, minutes, [(i, p) for i, p in parts if p.row == row])
            for (where, port), sent in self._counted(row, one, found, minutes, random).items():
                tags.append({**one._asdict(), "address": where, "port": port})
                cells.append(sent)
        whole = np.array(cells).reshape(len(tags), len(minutes))
        return _grid(tags, {"bytes": whole}, _minute_ms(self._made, minutes))

    def _of(
        self,
        row: int,
        one: Series,
        minutes: NDArray[np.int64],
        parts: list[tuple[int, normal_world.Part]],
    ) -> dict[tuple[str, str], Floats]:
        """Return the bytes that each sends, before sampling."""
        sent = self._made.sent[row, minutes[0] : minutes[-1] + 1].copy()
        found: dict[tuple[str, str], Floats] = {}
        for number, part in parts:
            span = slice(max(part.begin - minutes[0], 0), part.end - minutes[0])
            begin = max(minutes[0] - part.begin, 0)
            added = part.bytes[begin : begin + len(sent[span])]
            sent[span] -= added
            for end in self._ends(number, part, one):
                found.setdefault(end[:2], np.zeros(len(sent)))[span] += added * end.part
        sent = np.maximum(sent, 0)
        shares = self._shares(row, minutes)
        for k, share in enumerate(shares):
            key = self._talker(one, k)
            found[key] = found.get(key, 0) + sent * share
        return found

    def _ends(self, number: int, part: normal_world.Part, one: Series) -> tuple[End, ...]:
        if part.what == "anomaly":
            anomaly = self._made.anomalies[number]
            return next(told.ends for told in self._told if told.anomaly is anomaly)
        if part.what == "job":
            return (End(self._address(one, 200), "873", 1.0),)
        return (End(*self._talker(one, int(self._whose[number])), 1.0),)

    def _talker(self, one: Series, k: int) -> tuple[str, str]:
        ports = PORTS[one.protocol]
        # One host in two has more than one service.
        return self._address(one, k // 2 if k < 6 else k), str(ports[k % len(ports)])

    def _address(self, one: Series, host: int) -> str:
        return f"10.{self._names.index(one.network)}.{len(one.direction)}.{host + 1}"

    def _shares(self, row: int, minutes: NDArray[np.int64]) -> Floats:
        """Return (talkers, minutes): the part of each, without the rest."""
        at, between = np.divmod(minutes, DRIFT)
        drift, part = self._drift[row], between / DRIFT
        now = drift[:, at] * (1 - part) + drift[:, at + 1] * part
        weights = self._parts[row][:, None] * np.exp(now)
        return weights / weights.sum(axis=0) * (1 - self._rest[row])

    def _counted(
        self,
        row: int,
        one: Series,
        found: dict[tuple[str, str], Floats],
        minutes: NDArray[np.int64],
        random: np.random.Generator,
    ) -> dict[tuple[str, str], Floats]:
        """Return what is counted of each, which adds up to the series'; the rest is `other`."""
        span = slice(minutes[0], minutes[-1] + 1)
        total, sent = np.floor(self._made.bytes[row, span]), self._made.sent[row, span]
        factor = np.divide(total, sent, out=np.zeros_like(sent), where=sent > 0)
        interval = self._made.intervals[one.network]
        counted: dict[tuple[str, str], Floats] = {}
        left = total.copy()
        for key, each in found.items():
            mine = each * factor
            if interval > 1:
                packet = PACKETS[one.protocol] * interval
                mine = random.poisson(mine / packet) * packet
            counted[key] = np.minimum(np.floor(mine), left)
            left = left - counted[key]
        rest = ("other", "other")
        counted[rest] = counted.get(rest, 0) + left
        return counted


def _minute_ms(made: World, minutes: NDArray[np.int64]) -> NDArray[np.int64]:
    return (made.first_step * STEP_S + minutes * 60) * 1000


def _grid(
    tags: list[Tags],
    columns: dict[str, Floats],
    time_ms: NDArray[np.int64],
    written_s: int = WRITTEN_S,
) -> Grid:
    """Return points, of which those that say 0 are not there."""
    there = {name: np.where(column > 0, column, np.nan) for name, column in columns.items()}
    return Grid(tuple(tags), there, time_ms, written_s, frozenset(columns))


@dataclass
class Points:
    """The `Store` of a world: talkers of a piece, the rest whole.

    Without what only the alerts' text is made of: `heavy`, `conversations`, and numbers of peers.
    """

    made: World
    talkers: Talkers
    hours: Sequence[int] = range(DAYS * 24)
    """In which something is normal."""
    _grids: dict[str, Grid] = field(default_factory=dict)
    _now: dict[str, Grid] = field(default_factory=dict)
    _piece: tuple[int, int] = (0, MINUTES)
    _ways: Collection[Way] | None = None

    def __post_init__(self) -> None:
        times = _minute_ms(self.made, np.arange(MINUTES))
        tags: list[Tags] = [one._asdict() for one in self.made.series]
        counted = np.floor(self.made.bytes)
        self._grids["traffic"] = _grid(tags, {"bytes": counted}, times)
        self._grids["baseline"] = _baseline(self.made, self.hours)
        directions = sorted({one.direction for one in self.made.series})
        profiles: list[Tags] = [{"profile": "all", "direction": each} for each in directions]
        of = np.array([[one.direction == each for one in self.made.series] for each in directions])
        self._grids["profiles"] = _grid(profiles, {"bytes": of.astype(float) @ counted}, times)
        datagrams = {"datagrams": self.made.watched[None] * 1.0}
        self._grids["ingester"] = _grid([{"ingester": "main"}], datagrams, times)

    def grid(self, measurement: str, begin_ms: int, end_ms: int) -> Grid:
        """As `Store` has it."""
        del begin_ms, end_ms
        if measurement == "talkers" and measurement not in self._now:
            self._now[measurement] = self.talkers.between(*self._piece, self._ways)
        return self._now[measurement]

    def move(self, first: int, last: int) -> None:
        """Make ready for evaluations at minutes first..last-1."""
        self._piece = max(first - BEFORE, 0), min(last, MINUTES)
        self._ways = None
        self._now = dict(self._grids)

    def narrow(self, ways: Collection[Way]) -> None:
        """Leave out other networks and directions, until the next move."""
        self._ways = ways
        self._now = {name: _of_ways(grid, ways) for name, grid in self._grids.items()}


def _of_ways(grid: Grid, ways: Collection[Way]) -> Grid:
    rows = [
        row
        for row, tags in enumerate(grid.tags)
        if "network" not in tags or (tags["network"], tags["direction"]) in ways
    ]
    columns = {name: column[rows] for name, column in grid.columns.items()}
    return replace(grid, tags=tuple(grid.tags[row] for row in rows), columns=columns)


def _baseline(made: World, hours: Sequence[int]) -> Grid:
    past = normal.Remembered(made)
    expected, upper = normal.written(made, past, hours)
    steps = past.first + np.arange(expected.shape[1])
    networks = [one.network for one in past.series]
    per_row = {
        "bytes_floor": [made.floors[name] for name in networks],
        "lag_s": [LAG_S for _ in networks],
        "sampled": [float(made.intervals[name] > 1) for name in networks],
        "exporters_silent": [0.0 for _ in networks],
    }
    columns = {"bytes_expected": expected, "bytes_upper": upper}
    for name, column in per_row.items():
        columns[name] = np.where(np.isnan(upper), np.nan, np.array(column)[:, None])
    columns["bytes_limit"] = np.full_like(upper, np.nan)
    columns["learning"] = np.where(
        np.isnan(upper), np.nan, np.arange(upper.shape[1]) < 7 * 86_400 // STEP_S
    )
    tags = tuple(one._asdict() for one in past.series)
    return Grid(tags, columns, steps * STEP_S * 1000)
