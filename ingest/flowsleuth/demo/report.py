"""What the engineer of the story would look at, in the order in which he did, as text.

All sums are over whole windows (minutes), so that they can be checked against the capture; each
function returns the lines of one table.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flowsleuth.demo.ask import FOREVER, MINUTE, Points, Question, Sums
from flowsleuth.demo.world import NETWORKS, STORY_PORT

HOUR, DAY = 60 * MINUTE, 1440 * MINUTE
DIRECTIONS = ("in", "out")
CULPRIT_NETWORK = "Green"


@dataclass(frozen=True, slots=True)
class Times:
    """The edges of tables made at now_ns: hour and day end with the window that is filling."""

    now_ns: int

    @property
    def end(self) -> int:
        """The end of the window that is filling."""
        return (self.now_ns // MINUTE + 1) * MINUTE

    @property
    def hour(self) -> int:
        """The begin of the last hour."""
        return self.end - HOUR

    @property
    def day(self) -> int:
        """The begin of the last day."""
        return self.end - DAY


NEXT = (
    "Where to look next:",
    "  make demo KEEP=1                   goes on until Ctrl-C: the spike ends after ten minutes",
    "  flowsleuth demo --capture two.pcap keeps the datagrams: try `flowsleuth decode two.pcap`",
    "  README.md                          your own exporters: flowsleuth collect",
)


def story(points: Points, times: Times) -> Iterator[tuple[str, list[str]]]:
    """Yield (title, lines) of each table, in the order in which the engineer looked."""
    yield "Traffic per network: one line stands far above its usual self.", networks(points, times)
    yield "Network Green by protocol: it is UDP, going out.", protocols(points, times)
    yield "Top-10 of Green's outgoing UDP, by address and port:", top(points, times)
    yield f"UDP port {STORY_PORT} out of Green, in the two weeks:", occurrences(points)


def networks(points: Points, times: Times) -> list[str]:
    """Traffic per network: last hour beside the same hour the day before, last day, everything."""
    spans = (
        ("last hour", times.hour, FOREVER),
        ("same, a day ago", times.hour - DAY, times.end - DAY),
        ("last 24 h", times.day, FOREVER),
        ("two weeks", 0, FOREVER),
    )
    sums = [
        points.sums(Question("traffic", ("network", "direction"), since=since, until=until))
        for _, since, until in spans
    ]
    rows = [
        (network.name, direction, *(_bytes(s.get((network.name, direction), 0)) for s in sums))
        for network in NETWORKS
        for direction in DIRECTIONS
    ]
    return table(("network", "", *(f"{name}, bytes" for name, *_ in spans)), rows)


def protocols(points: Points, times: Times) -> list[str]:
    """Network Green by protocol: the last hour beside the same hour the day before."""
    where = {"network": CULPRIT_NETWORK}
    by = ("direction", "protocol")
    now = points.sums(Question("traffic", by, where, times.hour))
    before = points.sums(Question("traffic", by, where, times.hour - DAY, times.end - DAY))
    rows = [
        (direction, protocol, _bytes(octets), _bytes(before.get((direction, protocol), 0)))
        for (direction, protocol), octets in _largest(now)
    ]
    return table(("direction", "protocol", "last hour, bytes", "same, a day ago, bytes"), rows)


def top(points: Points, times: Times, size: int = 10) -> list[str]:
    """Rank the Top-10 of Green's outgoing UDP in the last hour, by (address, port)."""
    where = {"network": CULPRIT_NETWORK, "direction": "out", "protocol": "udp"}
    found = points.sums(Question("talkers", ("address", "port"), where, times.hour))
    whole = sum(found.values())
    rows = [
        (str(place), address, port, _bytes(octets), f"{octets / whole:.1%}")
        for place, ((address, port), octets) in enumerate(_largest(found)[:size], 1)
    ]
    return table(("", "address", "port", "last hour, bytes", "share"), rows)


def occurrences(points: Points) -> list[str]:
    """When the story's port was seen leaving Green, by whom and how much."""
    where = {
        "network": CULPRIT_NETWORK, "direction": "out", "protocol": "udp", "port": str(STORY_PORT),
    }  # fmt: skip
    found = points.sums(Question("talkers", ("address",), where, by_minute=True))
    seen: dict[str, list[tuple[int, int]]] = {}
    for (address, minute), octets in found.items():
        seen.setdefault(address, []).append((int(minute), octets))
    rows = []
    for address, minutes in sorted(seen.items(), key=lambda item: min(item[1])):
        first, last = min(minutes)[0], max(minutes)[0] + MINUTE
        span = f"{_clock(first, '%a %d %b %H:%M')} - {_clock(last, '%H:%M')}"
        rows.append((span, address, _bytes(sum(octets for _, octets in minutes))))
    return table(("when (UTC)", "address", "bytes"), rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines with columns of equal width; what looks like a number stands to the right."""
    columns = list(zip(heads, *rows, strict=True))
    lines = []
    widths = [max(map(len, column)) for column in columns]
    right = [all(cell[:1].isdigit() for cell in column[1:]) and "," in column[0]
             for column in columns]  # fmt: skip
    for row in (heads, *rows):
        cells = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines


def differences(points: Points, truth: Mapping[tuple[str, str], int]) -> list[str]:
    """Compare each network's bytes with what the exporters exported; one line per difference."""
    sums = points.sums(Question("traffic", ("network", "direction")))
    found = {(network, direction): octets for (network, direction), octets in sums.items()}
    return [
        f"{network} {direction}: {_bytes(found.get((network, direction), 0))} in the points, "
        f"{_bytes(truth.get((network, direction), 0))} exported"
        for network, direction in sorted({*found, *truth})
        if found.get((network, direction), 0) != truth.get((network, direction), 0)
    ]


def _largest(sums: Sums) -> list[tuple[tuple[str, ...], int]]:
    return sorted(sums.items(), key=lambda item: (-item[1], item[0]))


def _bytes(octets: int) -> str:
    return f"{octets:,}".replace(",", " ")


def _clock(time_ns: int, form: str) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime(form)
