"""The ingester's own health: the measurement `ingester`, and the line that `collect` logs.

Everything that moves has a counter; each source below gives some of the fields that
`flowsleuth.schema` lists, and a test demands that all of them are given.
"""

import resource
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from flowsleuth.points import Table
from flowsleuth.schema import BY_NAME, Kind

FIELDS = {f.name: f.kind for f in BY_NAME["ingester"].fields}


class Health:
    """Turns running totals into the deltas and gauges of one point each window."""

    def __init__(self) -> None:
        self._before: dict[str, float] = dict.fromkeys(FIELDS, 0)

    def point(self, totals: Mapping[str, float], time_ns: int) -> Table:
        """Make the point. totals: every field of `ingester`; counters as totals since the start."""
        fields = {}
        for name, kind in FIELDS.items():
            value = totals[name]
            if kind is Kind.COUNTER:
                value, self._before[name] = value - self._before[name], value
            fields[name] = np.array([value], np.float64)
        return Table("ingester", {}, fields, np.array([time_ns], np.int64))


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes (Linux; elsewhere its highest)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


def summary_line(moved: Mapping[str, float]) -> str:
    """Say in one line what moved: only what is not zero, in the table's order."""
    words = [f"{name} {value:.0f}" for name, value in moved.items() if value]
    return ", ".join(words) if words else "nothing arrived"
