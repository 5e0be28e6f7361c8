"""Rates are right at every zoom and every window length: no saw-tooth, no drop at either edge."""

import json
import secrets
import time
from collections.abc import Iterator

import numpy as np
import pytest
from services import InfluxService, drop, rows

from flowsleuth.config import Config
from flowsleuth.grafana import influxql
from flowsleuth.grafana.write import files
from flowsleuth.points import Table
from grafana.asking import Rows
from grafana.filling import Page, Window
from grafana.world import HOUR, MINUTE, SECOND, _written

BOARD = json.loads(files()["flowsleuth-network.json"])

LENGTHS = {10: 2 * HOUR, 60: 26 * HOUR, 300: 26 * HOUR}
"""Lengths of windows in seconds, and how far back there is traffic in such windows."""

BYTES_A_SECOND = 1000

GRACE_S = 70
"""So long after its end a window is written."""


@pytest.fixture(scope="module")
def steady(influxdb: InfluxService) -> Iterator[Config]:
    """Networks with the same traffic in every window, to the present and beyond."""
    config = Config.model_validate(
        {"influx": influxdb.settings(database=f"test_{secrets.token_hex(6)}")}
    )
    now = time.time_ns()
    tables = []
    for length, back in LENGTHS.items():
        step = length * SECOND
        at = np.arange((now - back) // step * step, now + 10 * MINUTE, step)
        tags = {"network": f"{length} s", "direction": "out", "protocol": "udp"}
        octets = np.full(len(at), length * BYTES_A_SECOND)
        fields = {"bytes": octets, "packets": octets // 100, "flows": octets // 1000}
        tables.append(Table("traffic", {k: [v] * len(at) for k, v in tags.items()}, fields, at))
    _written(config, now, tables)
    yield config
    drop(config)


SHAPES = [
    (length, interval, minutes)
    for length, minutes in ((10, 45), (60, 360), (60, 1440), (300, 1440))
    for interval in (15, 30, 60, 90, 120, 1800)
    if interval < minutes * 6
]
"""Lengths of a window, intervals (s) and ranges."""


@pytest.mark.parametrize("ago_s", [0, 900, -7200], ids=["ends now", "is past", "ends later"])
@pytest.mark.parametrize(("length", "interval", "minutes"), SHAPES)
def test_what_is_steady_is_drawn_as_a_straight_line(
    steady: Config, length: int, interval: int, minutes: int, ago_s: int
) -> None:
    now = time.time_ns()
    end = now - ago_s * SECOND
    window = Window(now - minutes * MINUTE, end, interval)
    constants = {"window": str(length), "settled": str(length + GRACE_S)}
    query = influxql.rate("traffic", where=(f"\"network\" = '{length} s'",))
    drawn = _drawn(rows(steady, Page(BOARD, constants).fill(query, window)), window)
    assert set(drawn.values()) == {8.0 * BYTES_A_SECOND}
    times, wide = list(drawn), interval * SECOND
    step = max(interval // length, 1) * length * SECOND
    assert max(np.diff(times)) <= -(-step // wide) * wide
    assert min(times) <= window.begin_ns
    # In intervals from the last one to the end of the newest window that is written.
    reach = -(-step // wide) * wide
    whole = length * SECOND
    written = (now - GRACE_S * SECOND) // whole * whole
    edge = (end - GRACE_S * SECOND) // whole * whole
    if edge + step <= written:
        assert max(times) + reach >= end
    else:  # what ends later has no edge to count from: it ends somewhere in the newest interval
        assert max(times) + reach >= min(edge, written - step + whole)
    assert max(times) + reach <= time.time_ns() - GRACE_S * SECOND + wide


def _drawn(found: Rows, window: Window) -> dict[int, float]:
    """Return the points in the range, and the next on either side: a line leads to them."""
    times = [int(row["time"]) for row in found]
    first = max((t for t in times if t <= window.begin_ns), default=0)
    last = min((t for t in times if t >= window.end_ns), default=max(times))
    return {t: row["mean"] for t, row in zip(times, found, strict=True) if first <= t <= last}


def test_a_filter_put_behind_the_first_where_reaches_all_points() -> None:
    # Grafana does so with ad-hoc filters.
    query = influxql.rate("traffic", by=("network",))
    assert query.count('FROM "traffic"') == 1
    assert query.index("WHERE") > query.index('FROM "traffic"')
