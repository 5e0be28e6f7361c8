"""Time as a graph shows it: end to end through datagrams of v9 and IPFIX."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from flowsleuth.demo.encode import Exporter, FlowColumns

from .ingesting import SECOND, config_for, file_lines
from .lines import Store, tags_of, values_of
from .traffic import NOW, Traffic, numbers, of

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
HOST = "10.1.0.1"
WINDOW = MINUTE
START = NOW + 17 * SECOND + 250_000_000
"""Neither a window's edge nor a whole second."""

EXPORT_DELAY = 2 * SECOND

Piece = tuple[int, int, int, int]
"""start, end, bytes, packets"""


@dataclass(frozen=True)
class Kind:
    """An exporter. v9 counters have 32 bits here: sampling is how 40 GB fit into one record."""

    version: int
    sampling: int
    packet: int


KINDS = pytest.mark.parametrize("kind", [Kind(9, 10, 1250), Kind(10, 1, 1500)], ids=["v9", "ipfix"])


def flow(kind: Kind, pieces: list[Piece], others: list[Piece] = (), skew_ns: int = 0) -> Traffic:
    """Return the export of a host's flow in pieces, and those of another host."""
    start, end, octets, packets = np.array([*pieces, *others], np.int64).T
    n = len(start)
    constant = {
        "src_port": 40000, "dst_port": 443, "protocol": 6, "tcp_flags": 24, "in_if": 1, "out_if": 2,
    }  # fmt: skip
    flows = FlowColumns(
        is_v6=np.zeros(n, bool),
        src=numbers([HOST] * len(pieces) + ["10.1.0.2"] * len(others)),
        dst=numbers(["192.0.2.1"] * n),
        bytes=octets // kind.sampling,
        packets=packets // kind.sampling,
        start_ns=start,
        end_ns=end,
        **{name: np.full(n, value) for name, value in constant.items()},
    )
    exporter = Exporter(
        version=kind.version, domain=1, boot_ns=NOW - 40 * HOUR, sampling=kind.sampling
    )
    received = (end + EXPORT_DELAY + skew_ns) // SECOND * SECOND
    return of(exporter, flows, received, skew_ns)


def stored(traffic: Traffic) -> Store:
    """Return the points that the traffic gives, in windows of a minute."""
    store = Store()
    store.write(file_lines(config_for("60s"), [traffic.datagrams]))
    store.once()
    return store


def graph(store: Store) -> dict[int, tuple[int, int, int]]:
    """Return bytes, packets and flows of Nested's outgoing TCP by window."""
    return {
        window: entry
        for (window, *rest), entry in store.totals("traffic", WINDOW).items()
        if rest == ["Nested", "out", "tcp"]
    }


@KINDS
def test_one_export_at_the_end_is_the_graph_of_one_a_minute(kind):
    octets, lasts = 15 * 10**9, 30 * MINUTE
    packets = octets // kind.packet
    # An active timeout of 60 s: a packet counts whole in the minute in which it is seen.
    seen = [packets * minute // 30 for minute in range(31)]
    minutes = [
        (
            START + i * MINUTE,
            START + (i + 1) * MINUTE,
            (after - before) * kind.packet,
            after - before,
        )
        for i, (before, after) in enumerate(pairwise(seen))
    ]
    once = graph(stored(flow(kind, [(START, START + lasts, octets, packets)])))
    often = graph(stored(flow(kind, minutes)))
    assert set(once) == set(often)
    assert len(once) == 31
    for window in once:
        assert abs(once[window][0] - often[window][0]) <= kind.packet
        assert abs(once[window][1] - often[window][1]) <= 1
    for drawn in (once, often):
        assert sum(entry[0] for entry in drawn.values()) == octets


@KINDS
def test_26_hours_and_40_gb_are_no_spike(kind):
    octets = 40 * 10**9
    windows = graph(stored(flow(kind, [(START, START + 26 * HOUR, octets, octets // kind.packet)])))
    # The accepted age is 25 h: what began before is spread over that.
    assert len(windows) == 25 * 60 + 1
    inner = [windows[window] for window in sorted(windows)[1:-1]]
    for i in (0, 1):
        column = [entry[i] for entry in inner]
        assert max(column) - min(column) <= 1  # the floor of each edge
        assert max(entry[i] for entry in windows.values()) == max(column)
    assert sum(entry[0] for entry in windows.values()) == octets
    assert sum(entry[2] for entry in windows.values()) == 1


@KINDS
def test_26_hours_beside_others_are_no_1500_talkers(kind):
    """Below a hundredth of an old window the long flow is in `other` there, to the byte."""
    others = [(START + i * MINUTE, START + (i + 1) * MINUTE, 10**8, 10**5) for i in range(26 * 60)]
    store = stored(flow(kind, [(START, START + 26 * HOUR, 10**8, 10**5)], others))
    own = [
        int(at) // WINDOW
        for series, at in store.points
        if series.startswith(b"talkers,") and tags_of(series)["address"] == HOST
    ]
    # Two hours before the receipt are fresh; START is no edge, so another two are cut.
    assert len(own) <= 2 * 60 + 2
    assert store.totals("talkers", WINDOW) == store.totals("traffic", WINDOW)


@KINDS
@pytest.mark.parametrize("hours", [8, -8])
def test_a_clock_hours_off_appears_at_the_right_time_and_marked(kind, hours):
    skew = hours * HOUR
    honest = [(START, START + 5 * MINUTE, 3 * 10**9, 2 * 10**6)]
    shifted = [(start - skew, end - skew, *rest) for start, end, *rest in honest]
    right, wrong = stored(flow(kind, honest)), stored(flow(kind, shifted, skew_ns=skew))
    assert graph(wrong) == graph(right)
    assert _redated(right) == {}
    assert _redated(wrong) == {window: entry[0] for window, entry in graph(wrong).items()}
    assert _skews_ms(right) == {0.0}
    assert _skews_ms(wrong) == {skew / 1e6}


def _redated(store: Store) -> dict[int, int]:
    found: dict[int, int] = defaultdict(int)
    for (series, at), fields in store.points.items():
        if series.startswith(b"traffic,"):
            found[int(at) // WINDOW] += values_of(fields)["redated_bytes"]
    return {window: octets for window, octets in found.items() if octets}


def _skews_ms(store: Store) -> set[float]:
    return {
        values_of(fields)["clock_skew_ms"]
        for (series, _), fields in store.points.items()
        if series.startswith(b"exporters,")
    }
