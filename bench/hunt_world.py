"""Generated scenarios for the hunt: traffic as exporters export it, and the truth about it.

From a seed: 4 to 40 networks of 5 to 500 Mbit/s at their busiest over 3 hours to two weeks, IPv4
and IPv6, behind exporters of v5, v9 and IPFIX, some of which sample (1:10 to 1:1000), with active
timeouts of one, five or thirty minutes. Normal are

- the rhythms of offices, homes and servers, weekends, and lognormal noise on three scales of time,
- few talkers a minute, of uneven size, so that single hosts stand out all the time,
- downloads of some minutes that raise a network by up to four fifths,
- in scenarios of four days and more nightly backups (up to three times the busiest hour, half an
  hour early or late, of uneven length),
- sessions of 6 to 24 hours, exported at their end in one record,
- in scenarios of hours the many small flows of DNS.

Anomalies are hosts, outbreaks, floods and scans of five minutes to three hours, none to four in a
scenario, 3 to 20 times what is normal for their network, direction and protocol at that hour (a
scan: by flows) and at least twice the floor; some come back on another host, and some go between
two of the networks. Their windows are those in which their packets were.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from flowsleuth.config import Config
from flowsleuth.demo.encode import Encoder, Exporter, FlowColumns
from flowsleuth.demo.export import merge
from flowsleuth.receive.datagrams import Datagrams, Sources

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

SECOND, MINUTE = 1_000_000_000, 60_000_000_000
HOUR_M, DAY_M = 60, 1440
BEGIN = int(datetime(2026, 9, 7, tzinfo=UTC).timestamp()) * SECOND
"""A Monday."""

TCP, UDP = 6, 17
NAMES = {TCP: "tcp", UDP: "udp"}
MOST_NETWORK_MINUTES = 60_000
"""Bounds a scenario: 40 networks for a day, four for ten days; every tenth is four times that."""

FLOOR = 250_000.0
"""Bytes/s: the configuration's default."""
FLOWS_FLOOR = 5.0

OFFICE = (8, 7, 7, 7, 7, 9, 14, 34, 74, 100, 98, 95, 82, 88, 97, 93, 84, 60, 36, 24, 18, 14, 11, 9)
HOMES = (42, 26, 16, 12, 10, 10, 14, 22, 28, 32, 36, 40, 44, 46, 48, 52, 60, 70, 82, 94, 100, 98,
         84, 62)  # fmt: skip
SERVERS = (62, 58, 56, 55, 56, 60, 66, 76, 90, 98, 100, 98, 94, 96, 98, 97, 92, 86, 80, 78, 76, 74,
           70, 66)  # fmt: skip
RHYTHMS = ((OFFICE, 0.2), (HOMES, 1.15), (SERVERS, 0.8))
"""By hour, percent of the busiest; and what is left of it at the weekend."""

SERVICES = {
    TCP: ((443, 50, 0.88, 1.0), (80, 6, 0.9, 0.5), (22, 4, 0.4, 0.2), (25, 3, 0.05, 0.1),
          (8443, 6, 0.6, 0.5), (3306, 5, 0.8, 0.3), (445, 5, 0.5, 0.5), (993, 3, 0.9, 0.2)),
    UDP: ((443, 40, 0.9, 1.0), (1194, 10, 0.6, 1.0), (3478, 8, 0.5, 0.3), (4500, 5, 0.5, 0.8),
          (123, 2, 0.5, 0.001)),
}  # fmt: skip
"""Port, weight, the share of bytes that the server sends, and how large it is beside others."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a hunt should find; windows [first, last) of a minute."""

    kind: str
    network: str
    direction: str
    protocol: str
    address: str | None
    port: int | None
    first: int
    last: int
    factor: float


@dataclass(frozen=True, slots=True)
class Site:
    """One network: its number gives its prefixes; device: the exporter's number."""

    number: int
    hosts: int
    busiest: float
    udp: float
    rhythm: int
    v6: float
    device: int

    @property
    def name(self) -> str:
        """What it is called."""
        return f"net-{self.number:02}"


@dataclass(frozen=True, slots=True)
class Device:
    """An exporter."""

    version: int
    sampling: int
    active_s: int


@dataclass(slots=True)
class Flows:
    """n flows before they are exported; ends are numbers of addresses (see `address`)."""

    device: Ints
    src: Ints
    dst: Ints
    is_v6: npt.NDArray[np.bool_]
    src_port: Ints
    dst_port: Ints
    protocol: Ints
    bytes: Reals
    packets: Reals
    start_ns: Ints
    end_ns: Ints
    whole: npt.NDArray[np.bool_]
    """Exported in one record, whatever the active timeout."""

    def __len__(self) -> int:
        return len(self.src)

    def take(self, rows: npt.NDArray[np.generic]) -> "Flows":
        """Return the chosen rows."""
        return Flows(*(getattr(self, f.name)[rows] for f in fields(self)))

    @staticmethod
    def join(parts: "list[Flows]") -> "Flows":
        """Put flows one after another."""
        return Flows(
            *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Flows))
        )


OUTSIDE = 1 << 20
"""Ends from here on are outside: the number less this is the host's part of the address."""


def address(end: int, *, is_v6: bool) -> str:
    """Return the address of an end as text."""
    outside, number = divmod(end, OUTSIDE)
    if is_v6:
        return f"2001:db8:ff00::{number:x}" if outside else (
            f"2001:db8:{number >> 12:x}::{(number & 0xFFF) + 1:x}"
        )  # fmt: skip
    if outside:
        return f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
    return f"10.{number >> 12}.{(number & 0xFFF) >> 8}.{number & 255}"


def halves(ends: Ints, is_v6: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Return the addresses of ends, uint64 (n, 2)."""
    outside, number = ends >= OUTSIDE, ends & (OUTSIDE - 1)
    network, host = number >> 12, number & 0xFFF
    low4 = np.where(outside, (198 << 24) + (18 << 16) + number, (10 << 24) + (network << 16) + host)
    high6 = (0x20010DB8 << 32) + np.where(outside, 0xFF000000, network << 16)
    low6 = np.where(outside, number, host + 1)
    out = np.zeros((len(ends), 2), np.uint64)
    out[:, 0] = np.where(is_v6, high6, 0)
    out[:, 1] = np.where(is_v6, low6, low4)
    return out


@dataclass(slots=True)
class Scenario:
    """One scenario: what is there, what is true, and the datagrams."""

    seed: int
    minutes: int
    sites: list[Site]
    devices: list[Device]
    truths: list[Truth] = field(default_factory=list)
    flows: list[Flows] = field(default_factory=list)

    @property
    def end_ns(self) -> int:
        """When the capture ends."""
        return BEGIN + self.minutes * MINUTE

    def config(self) -> Config:
        """Return the configuration that knows its networks."""
        return Config.model_validate({
            "timezone": "UTC",
            "networks": [
                {
                    "name": s.name,
                    "prefixes": [f"10.{s.number}.0.0/16", f"2001:db8:{s.number:x}::/48"],
                }
                for s in self.sites
            ]
        })  # fmt: skip

    def datagrams(self) -> Iterator[Datagrams]:
        """Yield the capture, six hours at a time."""
        random = np.random.default_rng([self.seed, 9])
        flows = _sampled(_cut(Flows.join(self.flows), self.devices), self.devices, random)
        export = (flows.end_ns // SECOND + random.integers(1, 15, len(flows))) * SECOND
        sources = Sources()
        encoders = [
            (Encoder(Exporter(device.version, number + 1, BEGIN - 86_400 * SECOND, device.sampling,
                              refresh_ns=600 * SECOND)),
             sources.number(f"192.0.2.{number + 1}", 30_000))
            for number, device in enumerate(self.devices)
        ]  # fmt: skip
        order = np.argsort(export, kind="stable")
        edges = np.arange(BEGIN, self.end_ns + 6 * HOUR_M * MINUTE, 6 * HOUR_M * MINUTE)
        edges = np.minimum(edges, self.end_ns)
        places = np.searchsorted(export[order], edges)
        for begin, end in pairwise(places):
            rows = order[begin:end]
            if len(rows):
                yield self._exported(flows.take(rows), export[rows], encoders, sources)

    def _exported(
        self, flows: Flows, export: Ints, encoders: list[tuple[Encoder, int]], sources: Sources
    ) -> Datagrams:
        parts = []
        for number, (encoder, source) in enumerate(encoders):
            chosen = np.flatnonzero(flows.device == number)
            encoded = encoder.encode(_columns(flows.take(chosen)), export[chosen])
            parts.append(
                Datagrams(
                    data=encoded.data,
                    start=encoded.start,
                    length=encoded.length,
                    source=np.full(len(encoded.start), source, np.int32),
                    received_ns=encoded.export_ns + 1_000_000,
                    sources=sources,
                )
            )
        return merge(parts)


def _columns(flows: Flows) -> FlowColumns:
    n = len(flows)
    return FlowColumns(
        is_v6=flows.is_v6,
        src=halves(flows.src, flows.is_v6),
        dst=halves(flows.dst, flows.is_v6),
        src_port=flows.src_port,
        dst_port=flows.dst_port,
        protocol=flows.protocol,
        tcp_flags=np.where(flows.protocol == TCP, np.where(flows.packets > 2, 0x1B, 0x02), 0),
        in_if=np.full(n, 1),
        out_if=np.full(n, 2),
        bytes=flows.bytes.astype(np.int64),
        packets=flows.packets.astype(np.int64),
        start_ns=flows.start_ns,
        end_ns=flows.end_ns,
    )


def _cut(flows: Flows, devices: list[Device]) -> Flows:
    """Cut flows where their exporter's active timeout does, and before counters pass 31 bits."""
    active = np.array([device.active_s for device in devices])[flows.device] * SECOND
    interval = np.array([device.sampling for device in devices])[flows.device]
    length = flows.end_ns - flows.start_ns
    needed = np.ceil(flows.bytes / interval / 2**31).astype(np.int64)
    active = np.minimum(active, length // np.maximum(needed, 1) + 1)
    parts = np.where(flows.whole, 1, np.maximum(-(-length // active), 1))
    rows = np.repeat(np.arange(len(flows)), parts)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(parts) - parts, parts)
    cut = flows.take(rows)
    step = np.where(parts > 1, active, length)[rows]
    cut.start_ns = flows.start_ns[rows] + number * step
    cut.end_ns = np.minimum(cut.start_ns + step, flows.end_ns[rows])
    share = np.where(length[rows] > 0, (cut.end_ns - cut.start_ns) / np.maximum(length[rows], 1), 1)
    cut.bytes, cut.packets = cut.bytes * share, cut.packets * share
    return cut


def _sampled(flows: Flows, devices: list[Device], random: np.random.Generator) -> Flows:
    """Count packets as the exporter does, and leave out the flows of which it saw none."""
    interval = np.array([device.sampling for device in devices])[flows.device]
    size = flows.bytes / np.maximum(flows.packets, 1e-9)
    counted = np.where(
        interval > 1,
        random.poisson(flows.packets / interval),
        np.maximum(np.round(flows.packets), 1),
    )
    flows.packets = counted.astype(float)
    flows.bytes = counted * np.clip(size, 28, 1500)
    return flows.take(counted > 0)


def scenario(seed: int) -> Scenario:
    """Return the scenario of a seed."""
    random = np.random.default_rng([seed, 1])
    minutes = round(float(np.exp(random.uniform(np.log(180), np.log(14 * DAY_M)))))
    networks = round(float(np.exp(random.uniform(np.log(4), np.log(40)))))
    most = MOST_NETWORK_MINUTES * (4 if seed % 10 == 0 else 1)
    networks = max(min(networks, most // minutes), 4)
    devices = [
        Device(
            int(random.choice([5, 9, 10])),
            int(random.choice([1, 1, 1, 10, 100, 1000])),
            int(random.choice([60, 300, 1800])),
        )
        for _ in range(int(random.integers(1, 5)))
    ]
    sites = [_site(number, devices, random) for number in range(1, networks + 1)]
    made = Scenario(seed, minutes, sites, devices)
    normal = _Normal(made, random)
    made.flows.append(normal.flows())
    _put_anomalies(made, normal, random)
    return made


def _site(number: int, devices: list[Device], random: np.random.Generator) -> Site:
    device = int(random.integers(len(devices)))
    v6 = 0.0 if devices[device].version == 5 else float(random.choice([0, 0.3]))
    return Site(
        number,
        hosts=int(random.integers(8, 60)),
        busiest=float(np.exp(random.uniform(np.log(5), np.log(500)))) * 125_000,
        udp=float(random.uniform(0.1, 0.4)),
        rhythm=int(random.integers(len(RHYTHMS))),
        v6=v6,
        device=device,
    )


def _noise(minutes: int, memory: int, random: np.random.Generator) -> Reals:
    """Return normal noise that changes within `memory` minutes."""
    every = max(memory // 4, 1)
    count = minutes // every + 8
    keep = np.exp(-every / memory)
    white = random.standard_normal(count) * np.sqrt(1 - keep**2)
    steps = np.empty(count)
    steps[0] = random.standard_normal()
    for i in range(1, count):
        steps[i] = keep * steps[i - 1] + white[i]
    return np.interp(np.arange(minutes) / every, np.arange(count), steps)


class _Normal:
    """The traffic without anomalies."""

    def __init__(self, made: Scenario, random: np.random.Generator) -> None:
        self.made, self._random = made, random
        self._parts: list[Flows] = []
        self._series: dict[tuple[int, int, str], Reals] = {}
        self.small: dict[int, float] = {}
        """Flows a minute of DNS."""
        minute = np.arange(made.minutes)
        self._hour = minute / HOUR_M % 24
        self._weekend = minute // DAY_M % 7 >= 5
        for site in made.sites:
            self._network(site)

    def flows(self) -> Flows:
        """Return all of it."""
        return Flows.join(self._parts)

    def around(self, plan: "_Plan") -> float:
        """Return the bytes a minute that a series has in an hour to each side of an anomaly."""
        key = plan.site.number, plan.protocol, plan.direction
        if key not in self._series:
            self._series[key] = np.zeros(self.made.minutes)
            for flows in self._parts:
                inside = flows.src if plan.direction == "out" else flows.dst
                mine = (flows.protocol == plan.protocol) & (inside >> 12 == plan.site.number)
                mine &= (inside < OUTSIDE) & ~flows.whole
                minute = np.clip((flows.start_ns[mine] - BEGIN) // MINUTE, 0, self.made.minutes - 1)
                self._series[key] += np.bincount(minute, flows.bytes[mine], self.made.minutes)
        span = slice(max(plan.begin - HOUR_M, 0), plan.begin + plan.length + HOUR_M)
        return float(self._series[key][span].mean())

    def _network(self, site: Site) -> None:
        random, minutes = self._random, self.made.minutes
        hours, weekend = RHYTHMS[site.rhythm]
        level = np.interp(self._hour, np.arange(25), np.array([*hours, hours[0]]) / 100)
        level = level * np.where(self._weekend, weekend, 1.0)
        for protocol, part in ((TCP, 1 - site.udp), (UDP, site.udp)):
            usual = site.busiest * part * level * 60
            noise = 0.15 * _noise(minutes, 20, random) + 0.12 * _noise(minutes, 360, random)
            volume = usual * np.exp(noise + 0.15 * random.standard_normal(minutes))
            volume = volume * self._downloads(minutes)
            self._parts.append(self._talks(site, protocol, volume))
        self._sessions(site, float(level.min()))
        if minutes >= 4 * DAY_M and random.random() < 0.5:
            self._backup(site)
        if minutes <= 8 * HOUR_M:
            self.small[site.number] = float(random.uniform(5, 40))
            self._parts.append(self._dns(site, self.small[site.number]))

    def _downloads(self, minutes: int) -> Reals:
        """Return by how much downloads raise each minute: a few an hour, up to four fifths."""
        random = self._random
        raised = np.ones(minutes)
        for _ in range(random.poisson(minutes / 240)):
            begin, length = int(random.integers(minutes)), int(random.integers(3, 30))
            raised[begin : begin + length] += random.uniform(0.2, 0.8)
        return np.minimum(raised, 1.8)

    def _talks(self, site: Site, protocol: int, volume: Reals) -> Flows:
        """Divide each minute's bytes among a few talkers."""
        random = self._random
        slot = np.repeat(np.arange(len(volume)), random.poisson(2.0, len(volume)) + 1)
        n = len(slot)
        table = np.array(SERVICES[protocol])
        service = random.choice(len(table), n, p=table[:, 1] / table[:, 1].sum())
        service[np.flatnonzero(np.diff(slot, prepend=-1))] = 0  # no minute without the web
        part = random.lognormal(0, 0.7, n) * table[service, 3]
        size = volume[slot] * part / np.bincount(slot, part)[slot]
        down = size * table[service, 2]
        host = (site.number << 12) + _favourite(site.hosts, n, random) + 10
        peer = OUTSIDE + _favourite(40, n, random) * 97 + service * 7 + 1
        start = BEGIN + slot * MINUTE + random.integers(0, 60_000, n) * 1_000_000
        seconds = np.where(random.random(n) < 0.1, random.uniform(60, 1200, n),
                           random.uniform(0.2, 40, n))  # fmt: skip
        end = start + (seconds * 1000).astype(np.int64) * 1_000_000
        client = random.integers(32_768, 61_000, n)
        is_v6 = random.random(n) < site.v6
        both = (site.device, protocol, is_v6, start, end)
        ports = table[service, 0].astype(np.int64)
        return Flows.join([
            _flows(*both, host, peer, client, ports, size - down, 700),
            _flows(*both, peer, host, ports, client, down, 1150),
        ])  # fmt: skip

    def _sessions(self, site: Site, lowest: float) -> None:
        """Add sessions of many hours, exported at their end; all together less than the night."""
        random, minutes = self._random, self.made.minutes
        if minutes < 10 * HOUR_M or random.random() < 0.5:
            return
        hours = random.uniform(6, min(24, minutes / HOUR_M * 0.8))
        begin = random.uniform(0, minutes - hours * HOUR_M - 5)
        rate = random.uniform(0.2, 0.6) * site.busiest * lowest * (1 - site.udp)
        start = np.array([BEGIN + int(begin * MINUTE)]) // 1_000_000 * 1_000_000
        end = start + int(hours * 3600) * SECOND
        octets = np.array([rate * hours * 3600])
        most = 2**31 * self.made.devices[site.device].sampling
        one = _flows(
            site.device, TCP, np.zeros(1, bool), start, end,
            np.array([(site.number << 12) + 10]), np.array([OUTSIDE + 5000 + site.number]),
            np.array([40_000]), np.array([22]), np.minimum(octets, most), 1300,
        )  # fmt: skip
        one.whole[:] = True
        self._parts.append(one)

    def _backup(self, site: Site) -> None:
        """Add a nightly backup to a server outside, over TCP."""
        random = self._random
        hour, times = random.uniform(0, 5), random.uniform(0.5, 3)
        host = (site.number << 12) + 10 + int(random.integers(site.hosts))
        for day in range(self.made.minutes // DAY_M):
            start_m = day * DAY_M + hour * HOUR_M + random.uniform(-30, 30)
            length = random.uniform(40, 75)
            if start_m < 0 or start_m + length + 40 > self.made.minutes:
                continue
            cuts = (
                BEGIN + np.round((start_m + np.arange(0, length, 5)) * 60).astype(np.int64) * SECOND
            )
            n = len(cuts)
            octets = site.busiest * times * 300 * random.uniform(0.8, 1.2, n)
            port = 873
            self._parts.append(_flows(
                site.device, TCP, np.zeros(n, bool), cuts, cuts + 299 * SECOND,
                np.full(n, host), np.full(n, OUTSIDE + 6000), np.full(n, 41_000), np.full(n, port),
                octets, 1300,
            ))  # fmt: skip

    def _dns(self, site: Site, a_minute: float) -> Flows:
        random = self._random
        n = random.poisson(a_minute * self.made.minutes)
        start = BEGIN + random.integers(0, self.made.minutes * 60, n) * SECOND
        host = (site.number << 12) + _favourite(site.hosts, n, random) + 10
        zeros = np.zeros(n, bool)
        both = (site.device, UDP, zeros, start, start)
        client, dns = random.integers(32_768, 61_000, n), np.full(n, 53)
        peer = np.full(n, OUTSIDE + 53)
        one = _flows(*both, host, peer, client, dns, np.full(n, 70.0), 70)
        other = _flows(*both, peer, host, dns, client, np.full(n, 140.0), 140)
        return Flows.join([one, other])


def _favourite(size: int, n: int, random: np.random.Generator) -> Ints:
    weight = 1 / (np.arange(size) + 2)
    return random.choice(size, n, p=weight / weight.sum())


def _flows(
    device: int,
    protocol: int,
    is_v6: npt.NDArray[np.bool_],
    start: Ints,
    end: Ints,
    src: Ints,
    dst: Ints,
    src_port: Ints,
    dst_port: Ints,
    octets: Reals,
    packet: float,
) -> Flows:
    n = len(start)
    return Flows(
        np.full(n, device), src, dst, is_v6, src_port, dst_port, np.full(n, protocol),
        octets, octets / packet, start, end, np.zeros(n, bool),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Plan:
    """An anomaly before its flows are made."""

    kind: str
    site: Site
    direction: str
    protocol: int
    port: int | None
    begin: int
    length: int
    factor: float


def _put_anomalies(made: Scenario, normal: _Normal, random: np.random.Generator) -> None:
    """Add none to four anomalies, and their truths."""
    wanted = int(random.choice([0, 1, 2, 3, 4], p=[0.15, 0.2, 0.25, 0.25, 0.15]))
    plans: list[_Plan] = []
    tries = 0
    while len(plans) < wanted and tries < 200:
        tries += 1
        plan = _plan(made, random)
        if plan is None or not _apart(plan, plans):
            continue
        plans.append(plan)
        again = made.minutes > 2 * DAY_M and random.random() < 0.3
        if again and plan.kind in {"host", "outbreak"}:
            other = _moved(made, plan, random)
            if _apart(other, plans):
                plans.append(other)
    for plan in plans:
        _Anomaly(made, normal, plan, random).put()


def _plan(made: Scenario, random: np.random.Generator) -> _Plan | None:
    kind = str(random.choice(["host", "outbreak", "flood", "scan"]))
    site = made.sites[int(random.integers(len(made.sites)))]
    protocol = int(random.choice([TCP, UDP]))
    device = made.devices[site.device]
    if kind == "scan" and device.sampling > 10:
        return None
    direction = {"outbreak": "out", "flood": "in"}.get(
        kind, str(random.choice(["out", "out", "in"]))
    )
    port: int | None = int(random.choice([22, 53, 80, 123, 443, 445, 3389, 8443, 14857, 27015,
                                          int(random.integers(1024, 32_000))]))  # fmt: skip
    if kind == "scan" and random.random() < 0.4:
        port = None
    most = min(180, made.minutes // 4)
    length = int(np.exp(random.uniform(np.log(10), np.log(most))))
    left = made.minutes - length - (5 if device.active_s == 60 else 2 * device.active_s // 60 + 5)
    if left < 20:
        return None
    begin = int(random.integers(15, left))
    factor = float(np.exp(random.uniform(np.log(3), np.log(20))))
    return _Plan(kind, site, direction, protocol, port, begin, length, factor)


def _moved(made: Scenario, plan: _Plan, random: np.random.Generator) -> _Plan:
    """Return the same on another day, at another hour."""
    begin = int(random.integers(15, made.minutes - plan.length - 65))
    return _Plan(plan.kind, plan.site, plan.direction, plan.protocol, plan.port, begin,
                 plan.length, plan.factor)  # fmt: skip


def _apart(plan: _Plan, others: list[_Plan]) -> bool:
    """Tell whether an anomaly keeps away from those of its network, protocol and direction."""
    for other in others:
        if (other.site.number, other.protocol) != (plan.site.number, plan.protocol):
            continue
        if (
            plan.begin < other.begin + other.length + 90
            and other.begin < plan.begin + plan.length + 90
        ):
            return False
        # The same hour of two days, or of a week, is what a habit looks like.
        apart = abs(plan.begin - other.begin) % DAY_M
        if min(apart, DAY_M - apart) < 150:
            return False
    return True


class _Anomaly:
    """Makes the flows of one anomaly, and what is true of it."""

    def __init__(
        self, made: Scenario, normal: _Normal, plan: _Plan, random: np.random.Generator
    ) -> None:
        self._made, self._plan, self._random = made, plan, random
        self._rate = max((plan.factor - 1) * normal.around(plan) / 60, 2 * FLOOR)
        """Bytes/s."""
        self._flows_rate = max(plan.factor * normal.small.get(plan.site.number, 0) / 60,
                               2.5 * FLOWS_FLOOR * random.uniform(1, 4))  # fmt: skip
        offset = int(random.integers(0, 60))
        self._start = BEGIN + plan.begin * MINUTE + offset * SECOND
        self._end = self._start + plan.length * MINUTE - int(random.integers(0, 60)) * SECOND
        self._is_v6 = plan.site.v6 > 0 and random.random() < 0.4
        self._hosts = (plan.site.number << 12) + 10 + random.permutation(plan.site.hosts)

    def put(self) -> None:
        """Add it to the scenario."""
        address = getattr(self, f"_{self._plan.kind}")()
        plan = self._plan
        text = None if address is None else globals()["address"](address, is_v6=self._is_v6)
        self._made.truths.append(
            Truth(
                plan.kind, plan.site.name, plan.direction, NAMES[plan.protocol], text, plan.port,
                self._start // MINUTE, -(-self._end // MINUTE), plan.factor,
            )
        )  # fmt: skip

    def _host(self) -> int:
        """One host, one to six peers; of two networks the sender's is told."""
        host = int(self._hosts[0])
        peers = OUTSIDE + 9000 + self._random.integers(0, 900, int(self._random.integers(1, 7)))
        others = [s for s in self._made.sites if s is not self._plan.site]
        if self._plan.direction == "out" and self._random.random() < 0.3 and not self._is_v6:
            peers = np.array([(others[0].number << 12) + 11])
        rates = self._random.dirichlet(np.full(len(peers), 5.0)) * self._rate
        self._steady(np.full(len(peers), host), peers, rates, self._random.uniform(600, 1400))
        return host

    def _outbreak(self) -> None:
        """Several hosts of a network, a few peers each, one port."""
        many = min(int(self._random.integers(5, 40)), len(self._hosts))
        each = self._random.integers(1, 4, many)
        hosts = np.repeat(self._hosts[:many], each)
        peers = OUTSIDE + 9000 + self._random.integers(0, 5000, len(hosts))
        rates = self._random.dirichlet(np.full(len(hosts), 3.0)) * self._rate
        self._steady(hosts, peers, rates, self._random.uniform(80, 1200))

    def _steady(self, hosts: Ints, peers: Ints, rates: Reals, packet: float) -> None:
        """Flows without pause, and their answers; every minute or so they begin anew."""
        random, plan = self._random, self._plan
        n = len(hosts)
        seconds = (self._end - self._start) / SECOND
        flows_each = int(random.choice([1, max(seconds // 90, 1)]))
        rows = np.repeat(np.arange(n), flows_each)
        number = np.tile(np.arange(flows_each), n)
        step = seconds / flows_each
        start = self._start + (number * step * 1000).astype(np.int64) * 1_000_000
        end = self._start + ((number + 1) * step * 1000).astype(np.int64) * 1_000_000
        octets = rates[rows] * step * random.uniform(0.9, 1.1, len(rows))
        assert plan.port is not None
        service = np.full(len(rows), plan.port)
        client = 33_000 + rows * 7 % 20_000 + number % 5
        src_port, dst_port = (service, client) if random.random() < 0.3 else (client, service)
        one, other = hosts[rows], peers[rows]
        if plan.direction == "in":
            one, other = other, one
        both = (plan.site.device, plan.protocol, np.full(len(rows), self._is_v6), start, end)
        self._made.flows += [
            _flows(*both, one, other, src_port, dst_port, octets, packet),
            _flows(*both, other, one, dst_port, src_port, octets * 0.03, 60),
        ]

    def _flood(self) -> int:
        """Many sources outside send to one host."""
        random, plan = self._random, self._plan
        target = int(self._hosts[0])
        minutes = plan.length
        sources = int(random.integers(60, 1500))
        a_minute = min(sources, 12_000 // minutes + 60)
        n = a_minute * minutes
        minute = np.repeat(np.arange(minutes), a_minute)
        start = self._start + minute * MINUTE + random.integers(0, 50_000, n) * 1_000_000
        end = np.minimum(start + random.integers(0, 15_000, n) * 1_000_000, self._end)
        keep = start < self._end
        minute, start, end = minute[keep], start[keep], end[keep]
        n = len(start)
        octets = np.full(n, self._rate * (self._end - self._start) / SECOND / n)
        packet = random.choice([60, 400, 1200])
        octets = octets * random.uniform(0.8, 1.2, n)
        source = OUTSIDE + 20_000 + random.integers(0, sources, n)
        assert plan.port is not None
        client, service = random.integers(1024, 65_000, n), np.full(n, plan.port)
        client = np.maximum(client, plan.port + 1)
        both = (plan.site.device, plan.protocol, np.full(n, self._is_v6), start, end)
        self._made.flows.append(
            _flows(*both, source, np.full(n, target), client, service, octets, packet)
        )
        if random.random() < 0.5:
            self._made.flows.append(
                _flows(*both, np.full(n, target), source, service, client, octets * 0.1, 60)
            )
        return target

    def _scan(self) -> int:
        """One source asks many targets, or many ports of one; some answer."""
        random, plan = self._random, self._plan
        n = int(self._flows_rate * (self._end - self._start) / SECOND)
        interval = self._made.devices[plan.site.device].sampling
        start = self._start + np.sort(random.integers(0, self._end - self._start, n))
        start = start // 1_000_000 * 1_000_000
        if plan.direction == "out":
            source, targets = int(self._hosts[0]), OUTSIDE + 30_000 + random.integers(0, 60_000, n)
            target = np.full(n, OUTSIDE + 31_000)
        else:
            source = OUTSIDE + 8_888
            targets = (plan.site.number << 12) + 256 + random.integers(0, 3000, n)
            target = np.full(n, int(self._hosts[0]))
        if plan.port is None:
            port = random.integers(1, 32_000, n)
        else:
            port, target = np.full(n, plan.port), targets
        client = random.integers(33_000, 60_000, n)
        packets = random.integers(1, 3, n) * float(interval)
        both = (plan.site.device, plan.protocol, np.full(n, self._is_v6), start, start)
        probe = _flows(*both, np.full(n, source), target, client, port, packets * 52, 52)
        answers = np.flatnonzero(random.random(n) < random.uniform(0, 0.9))
        answer = _flows(*both, target, np.full(n, source), port, client, packets * 40, 40)
        self._made.flows += [probe, answer.take(answers)]
        return source
