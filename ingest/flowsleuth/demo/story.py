"""The site's traffic as flows: drawn in NumPy, a block of minutes at a time.

Each network's bytes per minute follow its rhythm and a slow noise, and are divided among that
minute's few conversations. So totals look like a real link's, while InfluxDB gets some two
million points for two weeks and not forty. The story's own flows are laid out beforehand.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt

from flowsleuth.demo.ends import Ends, make_ends
from flowsleuth.demo.world import (
    ANOMALIES,
    BULK,
    CLIENT_SERVICES,
    DEVICES,
    ICMP,
    NETWORKS,
    SERVER_SERVICES,
    SERVERS,
    STORY_PORT,
    TCP,
    UDP,
    Anomaly,
    Network,
    Service,
)

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

SECOND, MILLISECOND = 1_000_000_000, 1_000_000
MINUTE = 60 * SECOND
DAYS = 14
DAY_MINUTES = 1440

ACTIVE_TIMEOUT_S = 60

NOISE_MINUTES = (DAYS + 7) * DAY_MINUTES
"""How long the slow noise is; a demo that runs for more than a week meets it again."""

NOISE_MEMORY = 20
"""Minutes in which the slow noise forgets (by 1/e)."""

MORE = {TCP: (0.0, 0.9), UDP: (0.05, 0.4)}
"""Conversations of a minute beside the bulk one: at rest, and what the full rhythm adds."""

SHARE_OF_LONG = 0.1
SHARE_OF_V6 = 0.3
PING_EVERY = 12
ACK_BYTES = 60


@dataclass(slots=True)
class Drawn:
    """n flow records: src, dst are ends; bytes, packets as the exporter counts them.

    All int64 (n,) but is_v6, bool; start_ns and end_ns are whole milliseconds.
    """

    device: Ints
    src: Ints
    dst: Ints
    is_v6: npt.NDArray[np.bool_]
    src_port: Ints
    dst_port: Ints
    protocol: Ints
    bytes: Ints
    packets: Ints
    start_ns: Ints
    end_ns: Ints

    def __len__(self) -> int:
        return len(self.src)

    def take(self, index: npt.NDArray[np.bool_] | Ints) -> Self:
        """Return the rows that an index array or a mask chooses."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Return all rows of all parts, in order; at least one part."""
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )


@dataclass(slots=True)
class _Talks:
    """m conversations: who serves whom with what; down is what the server sends, in bytes."""

    client: Ints
    server: Ints
    is_v6: npt.NDArray[np.bool_]
    client_port: Ints
    server_port: Ints
    protocol: Ints
    up: Reals
    down: Reals
    packet: Reals
    start_ns: Ints
    end_ns: Ints


class Story:
    """What happens at the site, from `days` days before now on.

    now_ns: whole seconds. The same seed gives the same story, relative to now.
    """

    def __init__(self, now_ns: int, seed: int, days: int = DAYS) -> None:
        self.now_ns = now_ns
        self.seed = seed
        self.begin_ns = now_ns - days * DAY_MINUTES * MINUTE
        rng = np.random.default_rng([seed, 0])
        self.ends: Ends = make_ends(rng)
        self._noise = {
            (number, protocol): _slow_noise(rng)
            for number in range(len(NETWORKS))
            for protocol in (TCP, UDP)
        }
        told = [self._tell(anomaly, rng) for anomaly in ANOMALIES]
        self._anomalies = Drawn.join(told)

    def flows(self, first: int, minutes: int) -> Drawn:
        """Return the flows that begin in `minutes` minutes, the first counted from the begin."""
        rng = np.random.default_rng([self.seed, 1, first])
        minute = np.arange(first, first + minutes)
        parts = []
        for number, network in enumerate(NETWORKS):
            height = self._height(network, minute)
            rate = network.low + (network.high - network.low) * height
            for protocol, share in ((TCP, 1 - network.udp), (UDP, network.udp)):
                slow = self._noise[number, protocol][minute % NOISE_MINUTES]
                noise = np.exp(0.18 * slow + 0.1 * rng.standard_normal(minutes))
                volume = rate * share * noise * (1e6 / 8 * 60)
                talks = self._talks(number, protocol, minute, height, volume, rng)
                parts.append(_records(talks, network.device, rng))
            parts.append(_records(self._pings(number, minute, rng), network.device, rng))
        start = self._anomalies.start_ns
        low = self.begin_ns + first * MINUTE
        parts.append(self._anomalies.take((start >= low) & (start < low + minutes * MINUTE)))
        return Drawn.join(parts)

    def _height(self, network: Network, minute: Ints) -> Reals:
        """Return the network's rhythm, 0 to 1, at each minute (in UTC)."""
        seconds = (self.begin_ns // SECOND) + minute * 60
        weekday = (seconds // 86_400 + 3) % 7  # 1970-01-01 was a Thursday
        return network.rhythm(seconds % 86_400 / 3600, weekday)

    def _talks(
        self,
        number: int,
        protocol: int,
        minute: Ints,
        height: Reals,
        volume: Reals,
        rng: np.random.Generator,
    ) -> _Talks:
        """Divide each minute's volume (bytes) among its conversations."""
        network = NETWORKS[number]
        table = SERVER_SERVICES if network.serves else CLIENT_SERVICES
        services = [s for s in table if s.protocol == protocol]
        at_rest, more = MORE[protocol]
        extra = np.floor(at_rest + more * height + rng.random(len(minute))).astype(np.int64)
        slot = np.repeat(np.arange(len(minute)), 1 + extra)
        n = len(slot)
        opens = np.flatnonzero(np.diff(slot, prepend=-1))
        weights = np.array([s.weight for s in services])
        service = rng.choice(len(services), n, p=weights / weights.sum())
        service[opens] = services.index(BULK[network.serves][protocol])

        def of(column: str) -> Reals:
            return np.array([getattr(s, column) for s in services], np.float64)[service]

        part = rng.lognormal(0, 0.6, n) * of("share")
        size = volume[slot] * part / np.add.reduceat(part, opens)[slot]
        down = size * of("reply")
        host, peer = self._pairs(number, services, service, rng)
        both = network.v6 is not None
        start, end = self._when(minute[slot], rng)
        return _Talks(
            client=peer if network.serves else host,
            server=host if network.serves else peer,
            is_v6=(rng.random(n) < SHARE_OF_V6) if both else np.zeros(n, np.bool_),
            client_port=rng.integers(32_768, 61_000, n),
            server_port=of("port").astype(np.int64),
            protocol=np.full(n, protocol),
            up=size - down,
            down=down,
            packet=of("packet"),
            start_ns=start,
            end_ns=end,
        )

    def _pairs(
        self, number: int, services: list[Service], service: Ints, rng: np.random.Generator
    ) -> tuple[Ints, Ints]:
        """Return the host inside and the peer of each conversation; both have favourites."""
        n = len(service)
        hosts = self.ends.hosts[number]
        host = _favourite(len(hosts), n, rng)
        peer = np.empty(n, np.int64)
        for i, kind in enumerate(services):
            chosen = np.flatnonzero(service == i)
            if NETWORKS[number].serves:
                pool = self.ends.clients
            else:
                pool = self.ends.hosts[SERVERS] if kind.inside else self.ends.peers[kind]
            place = _favourite(len(pool), len(chosen), rng) + host[chosen] * 5
            peer[chosen] = pool[place % len(pool)]
        return hosts[host], peer

    def _when(self, minute: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Return start and end: most are short, some reach the active timeout; in whole ms."""
        n = len(minute)
        long = rng.random(n) < SHARE_OF_LONG
        seconds = np.where(long, rng.uniform(20, 75, n), rng.uniform(0.2, 5, n))
        length = (np.minimum(seconds, ACTIVE_TIMEOUT_S) * 1000).astype(np.int64)
        start = self.begin_ns + minute * MINUTE + rng.integers(0, 60_000, n) * MILLISECOND
        return start, start + length * MILLISECOND

    def _pings(self, number: int, minute: Ints, rng: np.random.Generator) -> _Talks:
        """Return a few pings from the first host to others of its network's bulk peers."""
        minute = minute[rng.random(len(minute)) < 1 / PING_EVERY]
        n = len(minute)
        peers = self.ends.peers[BULK[False][TCP]]
        is_v6 = np.full(n, NETWORKS[number].v6 is not None) & (rng.random(n) < SHARE_OF_V6)
        start, end = self._when(minute, rng)
        octets = rng.integers(1, 60, n).astype(np.float64) * 84
        return _Talks(
            client=np.full(n, self.ends.hosts[number][0]),
            server=rng.choice(peers, n),
            is_v6=is_v6,
            client_port=np.zeros(n, np.int64),
            server_port=np.zeros(n, np.int64),
            protocol=np.where(is_v6, ICMP[True], ICMP[False]),
            up=octets,
            down=octets,
            packet=np.full(n, 84.0),
            start_ns=start,
            end_ns=end,
        )

    def _tell(self, anomaly: Anomaly, rng: np.random.Generator) -> Drawn:
        """Lay out an anomaly's flows: to each peer without pause, a record per active timeout."""
        n = len(anomaly.peers)
        begin, end, peer = [], [], []
        for i, address in enumerate(anomaly.peers):
            first = (i + 1) * ACTIVE_TIMEOUT_S / (n + 1)
            cuts = [0.0, *np.arange(first, anomaly.length_s, ACTIVE_TIMEOUT_S), anomaly.length_s]
            begin += cuts[:-1]
            end += cuts[1:]
            peer += [self.ends.number(address)] * (len(cuts) - 1)
        milliseconds = np.array([begin, end]) * 1000
        span = self.now_ns + anomaly.start_s * SECOND + milliseconds.astype(np.int64) * MILLISECOND
        weight = (span[1] - span[0]) * rng.uniform(0.97, 1.03, len(peer))
        up = np.diff(np.floor(anomaly.bytes * np.cumsum(weight) / weight.sum()), prepend=0)
        up[-1] += anomaly.bytes - up.sum()
        m = len(peer)
        host = np.full(m, self.ends.number(anomaly.address))
        out = Drawn(
            device=np.full(m, NETWORKS[0].device),
            src=host,
            dst=np.array(peer),
            is_v6=np.zeros(m, np.bool_),
            src_port=np.full(m, STORY_PORT),
            dst_port=40_000 + np.array(peer) % 1000,
            protocol=np.full(m, UDP),
            bytes=up.astype(np.int64),
            packets=(up / 1228).astype(np.int64) + 1,
            start_ns=span[0],
            end_ns=span[1],
        )
        back = out.packets // 16 + 1
        reply = Drawn(
            out.device, out.dst, out.src, out.is_v6, out.dst_port, out.src_port, out.protocol,
            back * 92, back, out.start_ns, out.end_ns,
        )  # fmt: skip
        return Drawn.join([out, reply])


def _slow_noise(rng: np.random.Generator) -> Reals:
    """Return noise of mean 0 and deviation 1 that changes within NOISE_MEMORY minutes."""
    kernel = np.exp(-np.arange(6 * NOISE_MEMORY) / NOISE_MEMORY)
    white = rng.standard_normal(NOISE_MINUTES + len(kernel) - 1)
    return np.convolve(white, kernel / np.sqrt((kernel**2).sum()), "valid")


def _favourite(size: int, n: int, rng: np.random.Generator) -> Ints:
    """Return n places of a pool, the first ones often (Zipf's law, flattened at the head)."""
    weight = 1 / (np.arange(size) + 2)
    return rng.choice(size, n, p=weight / weight.sum())


def _records(talks: _Talks, device: int, rng: np.random.Generator) -> Drawn:
    """Return the two records of each conversation, as a device that may sample counts them."""
    down_packets = talks.down / talks.packet + 1
    up_packets = np.maximum(0.55 * down_packets, talks.up / talks.packet) + 1
    up = np.maximum(talks.up, ACK_BYTES * up_packets)
    ends = (talks.client, talks.server)
    ports = (talks.client_port, talks.server_port)
    sides = []
    for way, octets, packets in ((1, up, up_packets), (-1, talks.down, down_packets)):
        counted = np.round(packets).astype(np.int64)
        if (interval := DEVICES[device].sampling) > 1:
            counted = rng.poisson(packets / interval)
        size = np.maximum(octets / packets, 40)
        (src, dst), (src_port, dst_port) = ends[::way], ports[::way]
        drawn = Drawn(
            device=np.full(len(octets), device),
            src=src,
            dst=dst,
            is_v6=talks.is_v6,
            src_port=src_port,
            dst_port=dst_port,
            protocol=talks.protocol,
            bytes=(counted * size).astype(np.int64),
            packets=counted,
            start_ns=talks.start_ns,
            end_ns=talks.end_ns,
        )
        sides.append(drawn.take(counted > 0))
    return Drawn.join(sides)
