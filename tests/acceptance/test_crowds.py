"""Scans in process: one address with everything, everything with one address; nothing is lost.

`bench/scan.py` is the same through sockets, with ten million pairs and a bound on memory.
"""

import numpy as np
import pytest

from flowsleuth.demo.encode import Exporter, FlowColumns

from .ingesting import SECOND, Ingester, config_for
from .lines import Store, tags_of
from .traffic import NOW, of

PAIRS = 90_000
"""More than a piece of the digest, all of one address or each of its own."""

INSIDE, OUTSIDE = (10 << 24) + 1, 0x20000000


def scan(*, inward: bool, probe: int = 40) -> FlowColumns:
    """Return a scan, and one heavy flow of 10.2.0.5 at its end."""
    i = np.arange(PAIRS)
    many = (INSIDE if inward else OUTSIDE) + i
    one = np.full(PAIRS, OUTSIDE if inward else INSIDE + 66)
    heavy = (10 << 24) + (2 << 16) + 5
    source = np.append(one, OUTSIDE if inward else heavy)
    target = np.append(many, heavy if inward else OUTSIDE)
    n = PAIRS + 1
    ends = np.zeros((2, n, 2), np.uint64)
    ends[0, :, 1], ends[1, :, 1] = source, target
    constant = {
        "protocol": 6, "tcp_flags": 2, "in_if": 1, "out_if": 2, "packets": 1, "src_port": 40000,
        "start_ns": NOW - SECOND, "end_ns": NOW - SECOND,
    }  # fmt: skip
    return FlowColumns(
        is_v6=np.zeros(n, bool),
        src=ends[0],
        dst=ends[1],
        dst_port=np.append(1 + i % 1000, 873),
        bytes=np.append(np.full(PAIRS, probe), 10**6),
        **{name: np.full(n, value) for name, value in constant.items()},
    )


@pytest.mark.parametrize("inward", [True, False])
@pytest.mark.parametrize("capacity", [500_000, 20_000])
def test_a_scan_is_exact_and_small(inward, capacity):
    flows = scan(inward=inward)
    traffic = of(
        Exporter(version=5, domain=0, boot_ns=NOW - 10**12), flows, np.full(len(flows), NOW)
    )
    config = config_for("60s")
    ingester = Ingester(config, NOW - 600 * SECOND)
    ingester.pipeline.aggregator._store.capacity = capacity
    store = Store()
    for _ in range(2):  # then the scanner has series, and all its rows may have one
        store.write(ingester.feed(traffic.datagrams))
        store.write(ingester.finish(NOW))
    store.once()
    totals = store.totals("traffic", config.window_ns)
    assert store.totals("talkers", config.window_ns) == totals
    assert sum(entry[0] for entry in totals.values()) == 2 * int(flows.bytes.sum())
    series = {name for name, _ in store.points if name.split(b",")[0] in (b"talkers", b"hosts")}
    assert len(series) < 200
    assert any(tags_of(name)["address"] == "10.2.0.5" for name in series)
