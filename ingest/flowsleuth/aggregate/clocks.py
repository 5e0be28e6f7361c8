"""When a flow was: the exporter's times, judged by the header of the datagram that brought them.

An exporter's clock may be hours off, its counters of uptime may be nonsense. Receipt is the only
time that is ours, and the export header says what the exporter took for "now" then; so the
difference of the two mends the rest (docs/design.md, "Clocks").
"""

import numpy as np

from flowsleuth.enrich.enricher import Records

SECOND = 1_000_000_000

SKEW_TOLERATED = 120 * SECOND
"""Headers carry whole seconds and datagrams wait in queues: below this a clock counts as right."""

FUTURE_TOLERATED = 60 * SECOND
"""How long after its own export a flow may end before its time is nonsense."""


def judge(records: Records, accepted_age_ns: int) -> None:
    """Set start_ns, end_ns and redated of each record, in place, by the design's rules.

    1. Skew above two minutes: all times are shifted by it, and the record is redated.
    2. An end more than a minute after the receipt, or before the accepted age: the record counts
       at its receipt, also redated.
    3. A start before the accepted age of an end within it: the start is the accepted age.
    """
    received = records.received_ns
    skew = received - records.export_ns
    off = np.abs(skew) > SKEW_TOLERATED
    start, end = records.start_ns, records.end_ns
    if off.any():
        shift = np.where(off, skew, 0)
        start, end = start + shift, end + shift
    oldest = received - accepted_age_ns
    astray = (end > received + FUTURE_TOLERATED) | (end < oldest)
    if astray.any():
        start = np.where(astray, received, start)
        end = np.where(astray, received, end)
    records.start_ns = np.maximum(start, oldest)
    records.end_ns = end
    records.redated = off | astray
