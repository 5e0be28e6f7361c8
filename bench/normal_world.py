"""A generated site of ten networks over 28 days, by the minute: what is normal, and what is not.

From a seed. Installed on a Friday at 14:00, Europe/Berlin, three weeks before the clocks go
forward, with a holiday in the second week and two hours without the ingester in the third. The
networks are from 2 Mbit/s to 1 Gbit/s at their busiest: offices (mornings double within the hour,
weekends are a fifth), homes (evenings), servers (flat), with

- lognormal noise on four scales of time (a minute, twenty minutes, six hours, a day), part of it
  shared by a network's series, larger for small networks, at night, and for small protocols;
- downloads and calls of some minutes to an hour, bursts of ICMP of up to fifteen times;
- jobs: four nightly backups and a weekly one, of half to three times the busiest hour of their
  network and direction, each up to half an hour early or late, of uneven length and rate;
- sampling 1:1000 on two exporters, which carry four networks: Poisson, small and large packets.

Anomalies are drawn last, so that they change nothing else, and no earlier than a week after the
installation: before, the model learns, and says so. Each is a host that sends or receives
constantly for 15 minutes to two hours, at any hour: 3 to 20 times what is normal at that hour of
the week (backups included; a holiday does not change what is normal), of the whole network in that
direction or of one protocol, and at least twice the floor, below which nothing is judged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from flowsleuth.baseline.clock import STEP_S
from flowsleuth.baseline.normal import FLOOR, Series

Floats = NDArray[np.float64]

ZONE = ZoneInfo("Europe/Berlin")
INSTALLED = datetime(2026, 3, 6, 14, 0, tzinfo=ZONE)
HOLIDAY = date(2026, 3, 19)
AWAY = (datetime(2026, 3, 24, 9, 17, tzinfo=ZONE), datetime(2026, 3, 24, 11, 8, tzinfo=ZONE))
"""When the ingester was down."""
DAYS = 28
MINUTES = DAYS * 1440
LEARNING_DAYS = 7
MEGABIT = 125_000.0
"""Bytes/s."""

PROTOCOLS = ("tcp", "udp", "icmp", "esp")
PACKETS = {"tcp": 900.0, "udp": 700.0, "icmp": 90.0, "esp": 750.0}
SMALL, LARGE = 80.0, 1400.0
"""Sizes of packets, of which each protocol is a mixture."""

OFFICE = (8, 7, 7, 7, 7, 9, 14, 34, 74, 100, 98, 95, 82, 88, 97, 93, 84, 60, 36, 24, 18, 14, 11, 9)
HOMES = (42, 26, 16, 12, 10, 10, 14, 22, 28, 32, 36, 40, 44, 46, 48, 52, 60, 70, 82, 94, 100, 98,
         84, 62)  # fmt: skip
SERVERS = (62, 58, 56, 55, 56, 60, 66, 76, 90, 98, 100, 98, 94, 96, 98, 97, 92, 86, 80, 78, 76, 74,
           70, 66)  # fmt: skip
"""By local hour, in percent of the busiest."""


class Kind(NamedTuple):
    """How a network's traffic follows the clock and the week."""

    hours: tuple[int, ...]
    saturday: float
    sunday: float


OFFICES = Kind(OFFICE, 0.22, 0.16)
AT_HOME = Kind(HOMES, 1.15, 1.2)
DATA_CENTRE = Kind(SERVERS, 0.8, 0.75)


class Network(NamedTuple):
    """A network: its busiest hour in bytes/s, shares of directions and of ESP, sampling 1:N."""

    name: str
    kind: Kind
    busiest: float
    shares: tuple[float, float, float]
    esp: float = 0.0
    sampling: int = 1


NETWORKS = (
    Network("Core", DATA_CENTRE, 1000 * MEGABIT, (0.5, 0.4, 0.1), 0.05, 1000),
    Network("Servers", DATA_CENTRE, 400 * MEGABIT, (0.6, 0.3, 0.1)),
    Network("Dormitory", AT_HOME, 600 * MEGABIT, (0.15, 0.84, 0.01), 0.02, 1000),
    Network("Green", OFFICES, 120 * MEGABIT, (0.25, 0.7, 0.05)),
    Network("Blue", OFFICES, 80 * MEGABIT, (0.3, 0.6, 0.1), 0.04),
    Network("Storage", DATA_CENTRE, 200 * MEGABIT, (0.4, 0.4, 0.2), 0.0, 1000),
    Network("Guests", OFFICES, 40 * MEGABIT, (0.12, 0.87, 0.01)),
    Network("Branch", OFFICES, 10 * MEGABIT, (0.3, 0.69, 0.01), 0.3),
    Network("Labs", OFFICES, 20 * MEGABIT, (0.4, 0.5, 0.1), 0.0, 1000),
    Network("Kiosk", OFFICES, 2 * MEGABIT, (0.3, 0.68, 0.02)),
)


class Job(NamedTuple):
    """A backup over TCP: local hour of its start, hours it takes, times the busiest hour."""

    network: str
    direction: str
    hour: float
    hours: float
    times: float
    weekday: int | None = None


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What somebody should be told: minutes begin..end-1 since the installation."""

    network: str
    direction: str
    protocol: str
    begin: int
    end: int
    factor: float
    of: str
    """'all': factor times what is normal of the whole; else of its protocol."""
    late: float = 0.0
    """Which part of its first minute is over when it begins."""


class Part(NamedTuple):
    """What one host does in a series, which has it in its bytes: minutes begin..end-1."""

    row: int
    what: str
    """'burst', 'job' or 'anomaly'."""
    begin: int
    bytes: Floats
    """(end - begin,), by minute, before sampling."""

    @property
    def end(self) -> int:
        """The minute after the last."""
        return self.begin + len(self.bytes)


@dataclass(frozen=True, slots=True)
class World:
    """What the points of 28 days would say."""

    series: tuple[Series, ...]
    """Without the wholes."""
    first_step: int
    """Epoch seconds // 300 of the first minute."""
    bytes: Floats
    """(s, minutes), as exported and corrected for sampling."""
    sent: Floats
    """(s, minutes), before sampling, and whether somebody watched or not."""
    parts: tuple[Part, ...]
    """Those of the anomalies in their order, and then the others."""
    watched: NDArray[np.bool_]
    """(minutes,)"""
    anomalies: tuple[Anomaly, ...]
    intervals: dict[str, float]
    """Sampling intervals by network."""
    floors: dict[str, float]
    """Bytes/s by network."""


Draw = Callable[[list[Series], NDArray[np.bool_], int, np.random.Generator], list[Anomaly]]
"""Draws anomalies: of which series, where somebody watches, how many."""


def world(seed: int, *, networks: int = 10, anomalies: int = 30, draw: Draw | None = None) -> World:
    """Return the world of `seed`, or its last `networks` networks (the smaller ones).

    draw: how anomalies are drawn, if not as this module does.
    """
    random = np.random.default_rng(seed)
    chosen = NETWORKS[-networks:]
    calendar = _calendar()
    series, normal, made, parts = [], [], [], []
    for network in chosen:
        for one, plain, noisy, heavy in _network(network, calendar, random):
            parts += [Part(len(series), *each) for each in heavy]
            series.append(one)
            normal.append(plain)
            made.append(noisy)
    floors = {network.name: FLOOR for network in chosen}
    sent, plain = np.array(made), np.array(normal)
    watched = _watched()
    drawn = (draw or _anomalies)(series, watched, anomalies, random)
    put = [_put(anomaly, series, plain, sent, floors, random) for anomaly in drawn]
    intervals = {network.name: float(network.sampling) for network in chosen}
    traffic = sent.copy()
    for i, one in enumerate(series):
        if intervals[one.network] > 1:
            traffic[i] = _sampled(traffic[i], one.protocol, intervals[one.network], random)
    traffic[:, ~watched] = 0
    first = int(INSTALLED.timestamp()) // STEP_S
    whole = (*put, *parts)
    return World(
        tuple(series), first, traffic, sent, whole, watched, tuple(drawn), intervals, floors
    )


class _Calendar(NamedTuple):
    hour: Floats
    """Local, with its fraction, by minute."""
    weekday: NDArray[np.int64]
    """0 is Monday."""
    rest: NDArray[np.int64]
    """The same, but the holiday is a Sunday."""
    day: NDArray[np.int64]
    """Which local day since the installation."""


def _calendar() -> _Calendar:
    begin = INSTALLED.astimezone(UTC)
    hours = [(begin + timedelta(hours=h)).astimezone(ZONE) for h in range(DAYS * 24)]
    minute = np.tile(np.arange(60) / 60, len(hours))
    hour = np.repeat([moment.hour for moment in hours], 60) + minute
    weekday = np.array([moment.weekday() for moment in hours])
    rest = np.where([moment.date() == HOLIDAY for moment in hours], 6, weekday)
    day = [(m.date() - INSTALLED.date()).days for m in hours]
    return _Calendar(hour, *(np.repeat(each, 60) for each in (weekday, rest, day)))


def _rhythm(kind: Kind, calendar: _Calendar, weekday: NDArray[np.int64]) -> Floats:
    """Return by minute the level from 0 to about 1."""
    points = np.array([*kind.hours, kind.hours[0]]) / 100
    week = np.array([1, 1.02, 1.03, 1, 0.92, kind.saturday, kind.sunday])
    level = np.interp(calendar.hour, np.arange(25), points)
    # A day off lacks the people, not what the machines do all night.
    machines = points.min()
    return machines + (level - machines) * week[weekday]


def _noise(tau: float, random: np.random.Generator) -> Floats:
    """Return normal noise by minute whose correlation falls to 1/e in `tau` minutes."""
    every = max(round(tau / 4), 1)
    count = MINUTES // every + 2
    steps = random.standard_normal(count)
    keep = np.exp(-every / tau)
    out, last = np.empty(count), steps[0]
    for i, step in enumerate(steps):
        out[i] = last = keep * last + np.sqrt(1 - keep * keep) * step
    return np.interp(np.arange(MINUTES), np.arange(count) * every, out)


def _wobble(random: np.random.Generator) -> Floats:
    """Return noise of about standard deviation 1: a network's mood over minutes, hours, days."""
    return 0.8 * _noise(20, random) + 0.45 * _noise(360, random) + 0.4 * _noise(2880, random)


Heavy = tuple[str, int, Floats]
"""A `Part` without its row."""


def _network(
    network: Network, calendar: _Calendar, random: np.random.Generator
) -> list[tuple[Series, Floats, Floats, list[Heavy]]]:
    """Return each series with its bytes by minute: in an ordinary week without noise, and made.

    And what in these is of single hosts.
    """
    level = _rhythm(network.kind, calendar, calendar.rest)
    ordinary = _rhythm(network.kind, calendar, calendar.weekday) / level
    sigma = 0.1 * (network.busiest / (100 * MEGABIT)) ** -0.12 * level**-0.15
    shared = _wobble(random)
    udp, icmp = random.uniform(0.08, 0.25), random.uniform(0.0005, 0.003)
    shares = {"tcp": 1 - udp - icmp - network.esp, "udp": udp, "icmp": icmp, "esp": network.esp}
    loud = {"tcp": 1.0, "udp": 1.5, "icmp": 2.5, "esp": 1.3}
    jobs = _jobs(network, random)
    rows = []
    for direction, part in zip(("out", "in", "internal"), network.shares, strict=True):
        for protocol in PROTOCOLS:
            if not (share := shares[protocol]):
                continue
            plain = network.busiest * part * share * level
            mood = 0.6 * shared + 0.8 * _wobble(random)
            spread = sigma * loud[protocol]
            noisy = plain * np.exp(spread * mood - spread**2 / 2)
            noisy *= np.exp(0.1 * loud[protocol] * random.standard_normal(MINUTES))
            usual = plain * ordinary
            extra, heavy = np.zeros(MINUTES), []
            for begin, end, times in _bursts(protocol, network.busiest, random):
                extra[begin:end] += times
                heavy.append(("burst", begin, times * plain[begin:end] * 60))
            noisy += extra * plain
            if protocol == "tcp":
                for job in jobs:
                    if job.direction == direction:
                        run = _runs(job, network.busiest * part, calendar, random)
                        usual += run
                        run = run * np.exp(0.08 * _noise(10, random))
                        noisy += run
                        heavy += [("job", b, run[b:e] * 60) for b, e in _spans(run)]
            one = Series(network.name, direction, protocol)
            rows.append((one, usual * 60, noisy * 60, heavy))
    return rows


def _spans(run: Floats) -> list[tuple[int, int]]:
    """Return where something runs, as first minute and the one after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], run > 0, [0]])))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def _bursts(
    protocol: str, busiest: float, random: np.random.Generator
) -> list[tuple[int, int, float]]:
    """Return what comes and goes within the hour, times the normal: downloads, calls, pings.

    Each with its first minute and the one after its last.

    What one host does shows less where there are many.
    """
    many = min((busiest / (10 * MEGABIT)) ** -0.3, 1.0)
    a_day, low, high = {
        "tcp": (6, 0.1, 0.5),
        "udp": (6, 0.2, 0.8),
        "icmp": (6, 2.0, 14.0),
        "esp": (2, 0.1, 0.5),
    }[protocol]
    bursts = []
    for _ in range(random.poisson(a_day * DAYS)):
        begin, length = int(random.integers(0, MINUTES)), int(random.integers(5, 60))
        bursts.append((begin, min(begin + length, MINUTES), random.uniform(low, high) * many))
    return bursts


def _jobs(network: Network, random: np.random.Generator) -> list[Job]:
    planned = {
        "Servers": ("out", 1.0, None),
        "Storage": ("in", 2.5, None),
        "Green": ("out", 23.0, None),
        "Branch": ("out", 4.0, None),
        "Blue": ("in", 12.0, 6),
    }
    if network.name not in planned:
        return []
    direction, hour, weekday = planned[network.name]
    hours = random.uniform(0.75, 3)
    return [Job(network.name, direction, hour, hours, random.uniform(0.5, 3.0), weekday)]


def _runs(job: Job, busiest: float, calendar: _Calendar, random: np.random.Generator) -> Floats:
    """Return the bytes/s of a job: each run up to half an hour early or late."""
    out = np.zeros(MINUTES)
    for day in range(DAYS + 1):
        there = np.flatnonzero((calendar.day == day) & (calendar.hour >= job.hour))
        early, size, rate = random.uniform(-30, 30), random.normal(0, 0.1), random.normal(0, 0.1)
        if not there.size or job.weekday not in {None, calendar.weekday[there[0]]}:
            continue
        begin = max(there[0] + round(early), 0)
        end = begin + round(60 * job.hours * np.exp(size))
        out[begin:end] = busiest * job.times * np.exp(rate)
    return out


def _watched() -> NDArray[np.bool_]:
    minutes = [int((moment - INSTALLED).total_seconds()) // 60 for moment in AWAY]
    watched = np.ones(MINUTES, np.bool_)
    watched[slice(*minutes)] = False
    return watched


def _sampled(
    traffic: Floats, protocol: str, interval: float, random: np.random.Generator
) -> Floats:
    """Return what is counted of bytes by minute when 1 packet of `interval` is, times that."""
    large = (PACKETS[protocol] - SMALL) / (LARGE - SMALL)
    packets = traffic / PACKETS[protocol] / interval
    counted = LARGE * random.poisson(packets * large) + SMALL * random.poisson(
        packets * (1 - large)
    )
    return counted * interval


def _anomalies(
    series: list[Series],
    watched: NDArray[np.bool_],
    count: int,
    random: np.random.Generator,
) -> list[Anomaly]:
    """Draw `count` which do not meet each other in the same network and direction."""
    drawn: list[Anomaly] = []
    ways = sorted({(one.network, one.direction) for one in series})
    while len(drawn) < count:
        network, direction = ways[random.integers(len(ways))]
        protocol = ("tcp", "udp")[random.integers(2)]
        begin = int(random.integers(LEARNING_DAYS * 1440, MINUTES - 150))
        end = begin + int(random.integers(15, 121))
        factor = float(np.exp(random.uniform(np.log(3), np.log(20))))
        of = ("all", protocol)[random.integers(2)]
        new = Anomaly(network, direction, protocol, begin, end, factor, of)
        apart = all(
            (a.network, a.direction) != (network, direction)
            or a.end + 60 < begin
            or end + 60 < a.begin
            for a in drawn
        )
        if apart and watched[begin:end].all():
            drawn.append(new)
    return drawn


def excess(
    anomaly: Anomaly, series: list[Series], normal: Floats, floors: dict[str, float]
) -> float:
    """Return the bytes by minute that an anomaly adds."""
    meant = [
        i
        for i, one in enumerate(series)
        if one[:2] == (anomaly.network, anomaly.direction) and anomaly.of in {"all", one.protocol}
    ]
    usual = float(normal[meant, anomaly.begin : anomaly.end].sum(axis=0).mean())
    return max((anomaly.factor - 1) * usual, 2 * 60 * floors[anomaly.network])


def _put(
    anomaly: Anomaly,
    series: list[Series],
    normal: Floats,
    traffic: Floats,
    floors: dict[str, float],
    random: np.random.Generator,
) -> Part:
    row = series.index(Series(anomaly.network, anomaly.direction, anomaly.protocol))
    noise = np.exp(0.05 * random.standard_normal(anomaly.end - anomaly.begin))
    added = excess(anomaly, series, normal, floors) * noise
    added[0] *= 1 - anomaly.late
    traffic[row, anomaly.begin : anomaly.end] += added
    return Part(row, "anomaly", anomaly.begin, added)
