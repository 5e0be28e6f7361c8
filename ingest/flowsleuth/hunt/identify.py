"""What the points say about one service of one host.

Who its peers are, how large its packets, how regular it is, and since when it is there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flowsleuth.config import Config
from flowsleuth.hunt.points import quoted
from flowsleuth.hunt.stretches import GAP_S, runs
from flowsleuth.hunt.telling import Teller, octets, share
from flowsleuth.hunt.totals import DAY_S, HOUR_S, SECOND, Ints
from flowsleuth.write.server import Series as Answer

# ruff: noqa: S608  (InfluxQL of our own; every value in it is quoted)

Ask = Callable[[str], Sequence[Answer]]

SHOWN = 8
"""Peers that are named."""

LEAST_RUNS = 3
"""From so many on it can be regular."""

REGULAR = 0.2
"""How far starts may be off, in parts of what lies between them."""


@dataclass(frozen=True, slots=True)
class Way:
    """One direction and protocol of a service: its sums, and the windows in which it was there."""

    network: str
    direction: str
    protocol: str
    bytes: int
    packets: int
    flows: int
    peers: int
    windows: Ints


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a service: its ways, and bytes by peer, the largest first."""

    ways: tuple[Way, ...]
    peers: tuple[tuple[str, int], ...]


def known(ask: Ask, config: Config, address: str, port: int, protocol: str | None) -> Known:
    """Ask InfluxDB; raises ServiceError."""
    detail = config.influx.detail_prefix
    where = f'"address" = {quoted(address)} AND "port" = {quoted(str(port))}'
    if protocol is not None:
        where += f' AND "protocol" = {quoted(protocol)}'
    sums = 'sum("bytes"), sum("packets"), sum("flows")'
    length = f"{config.window_ns // 1_000_000}ms"
    ways = [
        _way(answer, config.window_ns)
        for answer in ask(
            f'SELECT {sums}, max("peers") FROM {detail}"talkers" WHERE time >= 0 AND {where} '
            f'GROUP BY time({length}), "network", "direction", "protocol" fill(none)'
        )
    ]
    peers = [
        (answer.tags["peer"], int(answer.rows[0][1] or 0))
        for answer in ask(
            f'SELECT sum("bytes") FROM {detail}"conversations" WHERE time >= 0 AND {where} '
            'GROUP BY "peer"'
        )
    ]
    ways.sort(key=lambda way: -way.bytes)
    return Known(tuple(ways), tuple(sorted(peers, key=lambda peer: (-peer[1], peer[0]))))


def _way(answer: Answer, window_ns: int) -> Way:
    times = np.array([row[0] for row in answer.rows], np.int64)
    values = np.nan_to_num(np.array([row[1:] for row in answer.rows], np.float64)).astype(np.int64)
    tags = answer.tags
    sums = values[:, :3].sum(axis=0)
    return Way(
        tags["network"],
        tags["direction"],
        tags["protocol"],
        int(sums[0]),
        int(sums[1]),
        int(sums[2]),
        int(values[:, 3].max(initial=0)),
        np.unique(times // window_ns),
    )


def lines(found: Known, teller: Teller) -> Iterator[str]:
    """Yield what is known, a line each."""
    if not found.ways:
        yield "The points know nothing of it: it was never among the largest of its network."
        return
    windows = np.unique(np.concatenate([way.windows for way in found.ways]))
    yield f"first seen   {teller.moment(int(windows[0])):%a %d %b %Y %H:%M}"
    yield f"last seen    {teller.moment(int(windows[-1])):%a %d %b %Y %H:%M}"
    yield f"regularity   {regularity(windows, teller)}"
    for way in found.ways:
        size = way.bytes / max(way.packets, 1)
        yield (
            f"{way.direction:<12} {way.protocol}, {way.network}: {octets(way.bytes)} in "
            f"{way.flows} flow records, packets of {size:.0f} bytes in the mean, "
            f"up to {way.peers} peers in a window"
        )
    whole = sum(size for _, size in found.peers) or 1
    label = "peers"
    for peer, size in found.peers[:SHOWN]:
        yield f"{label:<12} {peer:<40} {octets(size):>9} {share(size / whole):>8}"
        label = ""
    if len(found.peers) > SHOWN:
        yield f"{'':<12} and {len(found.peers) - SHOWN} more"


def regularity(windows: Ints, teller: Teller) -> str:
    """Say how regular it is, by the windows (in rising order) in which it was there."""
    seconds = teller.window_ns / SECOND
    active = np.zeros(int(windows[-1] - windows[0]) + 1, bool)
    active[windows - windows[0]] = True
    stretches = runs(active, max(round(GAP_S / seconds), 1))
    length = teller.length(int(np.median([last - first for first, last in stretches])))
    if len(stretches) == 1:
        return f"one stretch of {length}"
    text = f"{len(stretches)} stretches, {length} in the median"
    apart = np.diff([first for first, _ in stretches]) * seconds
    every = float(np.median(apart))
    if len(stretches) >= LEAST_RUNS and np.median(np.abs(apart - every)) <= REGULAR * every:
        often = f"{every / DAY_S:.1f} days" if every > 1.5 * DAY_S else f"{every / HOUR_S:.1f} h"
        return f"{text}, about every {often}"
    return f"{text}, at no regular distance"
