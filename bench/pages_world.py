"""The points behind bench/pages.py: a month of 40 networks, with as many series as the budget has.

A few series of each network are always there, as servers are; the others follow each other in a
fixed number of places, so that most live for hours. One network has all of its points: the one
that the pages choose. What pages never read in full is thinned out: in `THINNED` the other
networks have a point each half hour, where they are older than a day.
"""

import http.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowsleuth.schema import BY_NAME, Kept

NETWORKS = 40
CHOSEN = "net-00"
ADDRESS, PORT = "10.0.0.5", "443"
"""Of a server in the chosen network; many use its port."""

MINUTE, HOUR, DAY = 60, 3600, 86_400
DENSE, SPARSE = 25 * HOUR, 30 * MINUTE
AHEAD = 90 * MINUTE
"""Points are written that far into the future, so that there is a now for as long as it takes."""

THINNED = frozenset({"talkers", "conversations", "hosts", "baseline", "interfaces", "exporters"})

PARTS = {"talkers": 0.58, "conversations": 0.28, "hosts": 0.12, "heavy": 0.02}
"""Of the series in the detail measurements."""

PLACES = {"talkers": (16, 24), "conversations": (8, 12), "hosts": (12, 8), "heavy": (3, 5)}
"""Points in a window of one network: of series that are always there, and of those that pass."""

STEPS = {"heavy": HOUR, "baseline": 5 * MINUTE}
"""Seconds between points, where that is not a minute."""

Texts = NDArray[np.object_]


@dataclass
class Part:
    """Series of one measurement that come and go together.

    permanent, passing: measurement and tags as in lines; places: how many of `passing` at a time;
    values: some fields, of which each point has one at random; whole: nothing is thinned.
    """

    measurement: str
    permanent: Texts
    passing: Texts
    places: int
    values: Texts
    whole: bool

    @property
    def step(self) -> int:
        """Seconds between points."""
        return STEPS.get(self.measurement, MINUTE)

    def lines(
        self, random: np.random.Generator, begin: int, end: int, span: tuple[int, int]
    ) -> Texts:
        """Return the lines of [begin, end), of a history over `span`, in epoch seconds."""
        times = np.arange(-(-begin // self.step) * self.step, end, self.step)
        if not self.whole:
            recent = span[1] - AHEAD - DENSE
            times = times[(times >= recent) | (times % SPARSE == 0)]
        stamps = np.array([f" {t}" for t in times.tolist()], dtype=object)
        names = np.broadcast_to(self.permanent, (len(times), len(self.permanent)))
        if self.places:
            # Each place is held by its share of them, one after the other.
            share = len(self.passing) // self.places
            turn = (times - span[0]) * share // (span[1] - span[0]) % share
            which = turn[:, None] + np.arange(self.places) * share
            names = np.hstack([names, self.passing[which]])
        picked = self.values[random.integers(0, len(self.values), names.shape)]
        lines: Texts = (names + picked + stamps[:, None]).ravel()
        return lines


def parts(series: int) -> list[Part]:
    """Return all series; so many of them are in the detail measurements."""
    random = np.random.default_rng(1)
    made = []
    for n in range(NETWORKS):
        name = f"net-{n:02}"
        for measurement, part in PARTS.items():
            stay, places = PLACES[measurement]
            count = max(round(series * part / NETWORKS), stay + places)
            every = [_ends(measurement, name, n, i) for i in range(count)]
            made.append(_part(random, measurement, every[:stay], every[stay:], places, n == 0))
        kinds = [f"direction={d},protocol={p}" for d, p in _KINDS]
        tagged = [f"network={name},{kind},site=s{n % 4}" for kind in kinds]
        made.append(
            _part(random, "traffic", [f"traffic,{MAIN},{t}" for t in tagged], [], 0, n == 0)
        )
        judged = [f"baseline,network={name},{kind}" for kind in kinds]
        judged += [f"baseline,network={name},direction={d},protocol=all" for d in ("in", "out")]
        made.append(_part(random, "baseline", judged, [], 0, n == 0))
        exporter = f"{MAIN},exporter=192.0.2.{n}"
        made.append(
            _part(random, "exporters", [f"exporters,{exporter},domain=0,version=9"], [], 0, n == 0)
        )
        ports = [
            f"interfaces,{exporter},interface={i},direction={d}"
            for i in range(4)
            for d in ("ingress", "egress")
        ]
        made.append(_part(random, "interfaces", ports, [], 0, n == 0))
    profiles = [
        f"profiles,{MAIN},profile={p},direction={d},protocol={k}"
        for p in ("all", "web", "mail")
        for d, k in _KINDS
    ]
    made.append(_part(random, "profiles", profiles, [], 0, True))
    judged = [f"baseline,network=profile:all,direction={d},protocol=all" for d in ("in", "out")]
    made.append(_part(random, "baseline", judged, [], 0, True))
    made.append(_part(random, "ingester", [f"ingester,{MAIN}"], [], 0, True))
    return made


MAIN = "ingester=main"

_KINDS = tuple((d, p) for d in ("out", "in") for p in ("tcp", "udp", "icmp"))


def _ends(measurement: str, name: str, n: int, i: int) -> str:
    """Return measurement and tags of the i-th series of the n-th network."""
    direction = ("out", "in")[i % 2]
    address = f"10.{n}.{i // 2 // 250}.{i // 2 % 250 + 5}"
    port = PORT if i % 5 == 0 else str(1024 + i * 7919 % 60_000)
    tags = {
        "direction": direction,
        "network": name,
        "protocol": "udp" if i % 3 == 1 else "tcp",
        "address": "other" if i == 1 else address,
        "peer": f"198.51.{i % 100}.{i % 250}",
        "port": "other" if i == 1 else port,
        "host": f"host-{i}" if i % 4 == 0 else "",
    }
    wanted = BY_NAME[measurement].tags
    text = ",".join(f"{key}={tags[key]}" for key in wanted if tags[key])
    return f"{measurement},{MAIN},{text}"


def _part(
    random: np.random.Generator,
    measurement: str,
    permanent: list[str],
    passing: list[str],
    places: int,
    chosen: bool,
) -> Part:
    whole = chosen or measurement not in THINNED
    texts = (np.array(names, dtype=object) for names in (permanent, passing))
    return Part(measurement, *texts, places, _values(random, measurement), whole)


def _values(random: np.random.Generator, measurement: str) -> Texts:
    """Return fields with numbers as large as real ones."""
    rows = []
    for _ in range(2000):
        size = int(random.lognormal(13, 2))
        fields = []
        for field in BY_NAME[measurement].fields:
            if field.unit == "JSON list":
                continue
            value = size if field.unit in {"bytes", "bytes/s"} else int(size % 97)
            counted = field.kind.value == "counter" or field.name in {"peers", "ports"}
            fields.append(f"{field.name}={value}{'i' if counted else '.0'}")
        rows.append(" " + ",".join(fields))
    return np.array(rows, dtype=object)


def load(
    port: int,
    database: str,
    series: int,
    span: tuple[int, int],
    more: tuple[int, int] | None = None,
) -> int:
    """Write all of it, day by day, as it would have come; return the number of points.

    more: what is to be written of a history over `span`, or behind its end; else all of it.
    """
    random = np.random.default_rng(2)
    made, count = parts(series), 0
    with ThreadPoolExecutor(3) as pool:
        first, last = more or span
        for begin in range(first, last, DAY):
            end = min(begin + DAY, last)
            jobs = []
            for part in made:
                lines = part.lines(random, begin, end, span)
                count += len(lines)
                policy = "detail" if BY_NAME[part.measurement].kept is Kept.DETAIL else "autogen"
                jobs += [
                    pool.submit(_write, port, database, policy, "\n".join(lines[i : i + 50_000]))
                    for i in range(0, len(lines), 50_000)
                ]
            for job in jobs:
                job.result()
    return count


def _write(port: int, database: str, policy: str, text: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        path = f"/write?db={database}&rp={policy}&precision=s"
        connection.request("POST", path, text.encode())
        answer = connection.getresponse()
        if answer.status != 204:
            raise RuntimeError(f"{answer.status}: {answer.read().decode()}")
    finally:
        connection.close()


def measurements(made: list[Part]) -> Iterator[tuple[str, int]]:
    """Yield how many series each measurement has."""
    for name in BY_NAME:
        yield name, sum(len(p.permanent) + len(p.passing) for p in made if p.measurement == name)
