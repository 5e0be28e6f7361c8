"""Earlier occurrences: when the same port, or the same address, did as much before.

An occurrence is a stretch in which a talker had a quarter of what the finding has in a window, with
short pauses; of a port in any network, of an address on any port. What is there most of the time is
no occurrence: a web server always has its port.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from flowsleuth.hunt.evidence import OTHER, OTHER_PORT, Evidence, Sighting
from flowsleuth.hunt.findings import Culprit, Earlier
from flowsleuth.hunt.stretches import GAP_S, PART_OF_EDGE
from flowsleuth.hunt.totals import Measure
from flowsleuth.hunt.usual import HABIT

AS_MUCH = 0.25
"""Of what the finding has in a window."""

ALWAYS = 0.2
"""Of the time before: what is there so often is no occurrence."""

MOST = 20
"""The newest."""


def earlier(evidence: Evidence, culprit: Culprit) -> tuple[Earlier, ...]:
    """Return the earlier occurrences, in the order of time."""
    totals = evidence.totals
    first, last = totals.first, culprit.first
    if last <= first:
        return ()
    gap = max(round(GAP_S / totals.seconds), 1)
    least = _high(culprit, AS_MUCH * PART_OF_EDGE)
    found: list[Earlier] = []
    for port, address in ((culprit.port or None, None), (None, culprit.inside)):
        if port is not None or address is not None:
            sightings = evidence.seen(
                culprit.series, first, last, address=address, port=port, least=least,
                measure=culprit.measure,
            )  # fmt: skip
            found += _occurrences(culprit, sightings, (last - first) * ALWAYS, gap)
    return tuple(_distinct(found))[-MOST:]


def _high(culprit: Culprit, part: float) -> float:
    """Return a part of what a culprit has in a window; of an outbreak, one of its hosts."""
    windows = max(culprit.last - culprit.first, 1)
    hosts = max(len(culprit.addresses), 1) if culprit.inside is None else 1
    return part * float(culprit.counts[culprit.measure]) / windows / hosts


def _occurrences(
    culprit: Culprit, sightings: Sequence[Sighting], always: float, gap: int
) -> Iterator[Earlier]:
    """Yield the stretches of each talker that are as high."""
    for one in sightings:
        if one.address == OTHER or one.port == OTHER_PORT:
            continue
        spans = [span for span in _spans(one, culprit, gap) if span[1] + gap < culprit.first]
        if sum(last - first for first, last in spans) > always:
            continue
        for first, last in spans:
            rows = (one.windows >= first) & (one.windows < last)
            octets = int(one.counts[Measure.BYTES, rows].sum())
            yield Earlier(first, last, one.series.network, one.address, one.port, octets)


def _spans(one: Sighting, culprit: Culprit, gap: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches in which it is as high, with the windows in which it began and ended."""
    known = set(one.windows.tolist())
    at = one.windows[one.counts[culprit.measure] >= _high(culprit, AS_MUCH)]
    for part in np.split(at, np.flatnonzero(np.diff(at) > gap + 1) + 1):
        if len(part):
            first, last = int(part[0]), int(part[-1])
            yield first - (first - 1 in known), last + 1 + (last + 1 in known)


def _distinct(found: Sequence[Earlier]) -> list[Earlier]:
    """Return each occurrence once: of talkers at the same time on the same port, the largest."""
    kept: list[Earlier] = []
    for one in sorted(found, key=lambda each: (-each.bytes, each.first)):
        if not any(
            one.port == other.port and one.first < other.last and other.first < one.last
            for other in kept
        ):
            kept.append(one)
    return sorted(kept, key=lambda each: (each.first, each.address))


def is_habit(evidence: Evidence, culprit: Culprit, usual_days: int = 2) -> bool:
    """Return whether the address rises as high at this time on other days, so that it is a job.

    On two other days, or on one that is a week or two away.
    """
    totals = evidence.totals
    if culprit.inside is None:
        return False
    day = round(86_400 / totals.seconds)
    around = round(3_600 / totals.seconds)
    if totals.last - totals.first < 2 * day:
        return False
    high = _high(culprit, HABIT)
    counts = np.zeros(totals.last - totals.first, np.int64)
    for one in evidence.seen(
        culprit.series, totals.first, totals.last, address=culprit.inside, port=None
    ):
        np.add.at(counts, one.windows - totals.first, one.counts[culprit.measure])
    # Five minutes of it: one window proves nothing.
    width = max(round(300 / totals.seconds), 1)
    smooth = np.convolve(counts, np.ones(width) / width, "same")
    days = []
    for k in (*range(-14, 0), *range(1, 15)):
        begin = culprit.first + k * day - around - totals.first
        end = culprit.last + k * day + around - totals.first
        if end > 0 and begin < len(smooth) and smooth[max(begin, 0) : end].max(initial=0) >= high:
            days.append(k)
    return len(days) >= usual_days or any(k % 7 == 0 for k in days)
