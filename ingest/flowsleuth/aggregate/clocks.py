"""When a flow was: the exporter's times, judged by the header of the datagram that brought them.

An exporter's clock may be hours off, its counters of uptime may be nonsense. Receipt is the only
time that is ours, and the export header says what the exporter took for "now" then; so the
difference of the two mends the rest (docs/design.md, "Clocks").
"""

import numpy as np
import numpy.typing as npt

from flowsleuth.enrich.enricher import Records

Ints = npt.NDArray[np.int64]

SECOND = 1_000_000_000

SKEW_TOLERATED = 120 * SECOND
"""Headers carry whole seconds and datagrams wait in queues: below this a clock counts as right."""

FUTURE_TOLERATED = 60 * SECOND
"""How long after its own export a flow may end before its time is nonsense."""


def judge(records: Records, accepted_age_ns: int) -> None:
    """Set start_ns, end_ns and redated of each record, in place; see `judged`."""
    records.start_ns, records.end_ns, records.redated = judged(
        records.start_ns,
        records.end_ns,
        records.received_ns,
        records.export_ns,
        accepted_age_ns,
    )


def judged(
    start: Ints, end: Ints, received: Ints, export: Ints, accepted_age_ns: int
) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Return start, end and redated, by the design's rules; all are (n,), ns since the epoch.

    1. Skew above two minutes: all times are shifted by it, and the record is redated.
    2. An end more than a minute after the receipt, or before the accepted age: the record counts
       at its receipt, also redated.
    3. A start before the accepted age of an end within it: the start is the accepted age.
    """
    skew = received - export
    off = np.abs(skew) > SKEW_TOLERATED
    if off.any():
        shift = np.where(off, skew, 0)
        start, end = start + shift, end + shift
    oldest = received - accepted_age_ns
    astray = (end > received + FUTURE_TOLERATED) | (end < oldest)
    if astray.any():
        start = np.where(astray, received, start)
        end = np.where(astray, received, end)
    return np.maximum(start, oldest), end, off | astray
