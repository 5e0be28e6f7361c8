"""The demo's site: its networks, exporters and services, as tables that `story` draws from.

Everything lives in prefixes for private use, documentation or benchmarks: networks in 10.0.0.0/8
and 2001:db8::/32, the outside in 198.18.0.0/15 (RFC 2544) and 2001:db8:ff00::/48. The exporters
sit on loopback, so that the live part comes from the very addresses that the history names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

TCP, UDP = 6, 17
ICMP = {False: 1, True: 58}
"""The protocol of a ping by "is IPv6"."""

PUSHED = 0x1B
"""TCP flags of a whole session: FIN, SYN, PSH and ACK."""

LAN, WAN = 1, 2
"""Interface numbers of every exporter: towards its networks, towards all else."""


@dataclass(frozen=True, slots=True)
class Device:
    """An exporter of the site: sampling is N of 1:N; domain as v9's source id and IPFIX's."""

    name: str
    address: str
    port: int
    version: int
    domain: int
    sampling: int = 1


DEVICES = (
    Device("core-1", "127.0.0.11", 50001, 9, 1),
    Device("dc-1", "127.0.0.12", 50002, 10, 20),
    Device("wifi-1", "127.0.0.13", 50003, 9, 4, sampling=100),
)


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the site or outside.

    weight: how often; share: how heavy a conversation is; reply: the part of its bytes that the
    server sends; packet: mean size of a packet with data; inside: at the site's own servers.
    """

    port: int
    protocol: int
    weight: float
    share: float
    reply: float
    packet: int
    inside: bool = False


HTTPS = Service(443, TCP, 30, 1.0, 0.88, 1150)
QUIC = Service(443, UDP, 30, 1.0, 0.90, 1180)
TUNNEL = Service(1194, UDP, 10, 1.0, 0.6, 900)
CLIENT_SERVICES = (
    HTTPS,
    Service(80, TCP, 6, 0.3, 0.93, 1200),
    Service(22, TCP, 3, 0.1, 0.45, 400),
    Service(25, TCP, 2, 0.1, 0.05, 900),
    Service(993, TCP, 4, 0.1, 0.90, 800),
    Service(3389, TCP, 2, 0.4, 0.85, 700),
    Service(445, TCP, 3, 0.5, 0.6, 1000, inside=True),
    Service(3306, TCP, 2, 0.2, 0.8, 600, inside=True),
    QUIC,
    Service(53, UDP, 40, 0.0004, 0.65, 140),
    Service(123, UDP, 8, 0.0001, 0.5, 76),
    Service(3478, UDP, 4, 0.15, 0.5, 220),
)
SERVER_SERVICES = (
    HTTPS,
    Service(80, TCP, 8, 0.3, 0.9, 1100),
    Service(22, TCP, 5, 0.1, 0.4, 500),
    Service(25, TCP, 4, 0.1, 0.06, 900),
    Service(8443, TCP, 6, 0.5, 0.6, 1000),
    TUNNEL,
    Service(53, UDP, 30, 0.0004, 0.65, 140),
)
BULK = {False: {TCP: HTTPS, UDP: QUIC}, True: {TCP: HTTPS, UDP: TUNNEL}}
"""What always runs, by "serves" and protocol: no minute without, so totals are smooth."""


def office(hour: Reals, weekday: npt.NDArray[np.int64]) -> Reals:
    """Offices: from 8 to 18, a dip at noon, a tenth of it at the weekend. 0 to 1."""
    day = _bump(hour, 13.0, 4.0) - 0.15 * _bump(hour, 12.6, 0.5)
    return day * np.where(weekday >= 5, 0.1, 1.0)


def evening(hour: Reals, weekday: npt.NDArray[np.int64]) -> Reals:
    """Guests: afternoons and evenings, more at the weekend. 0 to 1."""
    return _bump(hour, 18.5, 4.0) * np.where(weekday >= 5, 1.0, 0.75)


def steady(hour: Reals, weekday: npt.NDArray[np.int64]) -> Reals:
    """Servers: all day, somewhat more when people work. 0 to 1."""
    return 0.6 + 0.4 * office(hour, weekday)


def _bump(hour: Reals, middle: float, width: float) -> Reals:
    """Return a smooth hill with a flat top, on a day that is a circle."""
    distance = np.abs((hour - middle + 12) % 24 - 12)
    return np.asarray(1 / (1 + np.exp((distance - width) * 2)))


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the site.

    device: index into DEVICES; low, high: Mbit/s at rest and at the rhythm's full height;
    udp: UDP's part of the bytes; serves: whether its hosts are the servers.
    """

    name: str
    v4: IPv4Network
    v6: IPv6Network | None
    device: int
    low: float
    high: float
    udp: float
    rhythm: Callable[[Reals, npt.NDArray[np.int64]], Reals]
    hosts: int = 24
    serves: bool = False


NETWORKS = (
    Network("Green", IPv4Network("10.1.0.0/16"), IPv6Network("2001:db8:1::/48"),
            0, 7, 24, 0.22, office, hosts=30),
    Network("Blue", IPv4Network("10.2.0.0/16"), None, 0, 5, 30, 0.20, office),
    Network("Red", IPv4Network("10.3.0.0/16"), IPv6Network("2001:db8:3::/48"),
            1, 4, 18, 0.25, office),
    Network("Servers", IPv4Network("10.9.0.0/16"), IPv6Network("2001:db8:9::/48"),
            1, 10, 60, 0.10, steady, hosts=12, serves=True),
    Network("Guest", IPv4Network("10.20.0.0/16"), None, 2, 1, 22, 0.40, evening),
)  # fmt: skip

GREEN, SERVERS, OUTSIDE = 0, 3, -1
"""Indexes into NETWORKS; OUTSIDE is an end in none of them."""

OUTSIDE_V4 = IPv4Network("198.18.0.0/15")
OUTSIDE_V6 = IPv6Network("2001:db8:ff00::/48")


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A host of Green that sends without pause over the story's port.

    start_s: seconds from now; peers: addresses outside that it sends to.
    """

    address: str
    start_s: int
    length_s: int
    bytes: int
    peers: tuple[str, ...]


STORY_PORT = 14857
DAY_S = 86_400

ANOMALIES = (
    Anomaly("10.1.17.83", -9 * DAY_S - 7_380, 1080, 13_200_000_000,
            ("198.18.77.9", "198.19.4.201", "198.18.140.66")),
    Anomaly("10.1.23.5", -4 * DAY_S + 11_160, 900, 11_700_000_000,
            ("198.18.77.9", "198.19.201.17", "198.19.4.201")),
    Anomaly("10.1.42.17", -600, 1200, 15_000_000_000,
            ("198.18.77.9", "198.19.4.201", "198.18.203.44", "198.19.88.130")),
)  # fmt: skip
"""The story: 15 GB in 20 minutes, begun ten minutes ago, and twice before from other hosts."""
