"""The way down to the culprit, and the picture of the spike: what the engineer looked at."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from flowsleuth.baseline.normal import Series
from flowsleuth.hunt.evidence import OTHER, OTHER_PORT, Contributor, Evidence, Level
from flowsleuth.hunt.findings import Culprit, Graph, Layer, Part
from flowsleuth.hunt.totals import Floats, Ints, Measure
from flowsleuth.hunt.usual import Usual

SHOWN = 5
"""Parts of each layer; the rest is one more."""

LEAST_SHARE = 0.0005
"""Of the change: less would be 0.0 %."""

GRAPH_TIMES, GRAPH_LEAST_S = 3, 5_400
"""A graph shows so many times the length of its finding to each side, and at least so much."""

Normal = Mapping[tuple[Series, Measure], Usual]


def layers(evidence: Evidence, told: Culprit, normal: Normal) -> tuple[Layer, ...]:
    """Return the steps of the drill-down: protocol, port, address, peer."""
    found = [
        Layer("by network", _series_parts(evidence, told, normal, "network")),
        Layer("by protocol", _series_parts(evidence, told, normal, "protocol")),
        Layer("by port", _parts(evidence, told, Level.PORT)),
        Layer("by address", _parts(evidence, told, Level.ADDRESS, port=told.port)),
    ]
    if told.largest_peers:
        found.append(Layer("by peer", told.largest_peers[:SHOWN]))
    return tuple(layer for layer in found if layer.parts)


def _series_parts(evidence: Evidence, told: Culprit, normal: Normal, by: str) -> tuple[Part, ...]:
    """Return what each network, or protocol of the network, had, and its share of the change."""
    totals = evidence.totals
    rows = slice(totals.place(told.first), totals.place(told.last))
    octets: Counter[str] = Counter()
    risen: defaultdict[str, float] = defaultdict(float)
    for series in totals.series:
        same = series.direction == told.series.direction
        if not same or (by == "protocol" and series.network != told.series.network):
            continue
        name = getattr(series, by)
        counts = totals.of(series, told.measure)
        judged = normal.get((series, told.measure))
        usual = (
            float(judged.expected[rows].sum())
            if judged is not None
            else float(np.median(counts)) * (rows.stop - rows.start)
        )
        octets[name] += int(totals.of(series, Measure.BYTES)[rows].sum())
        risen[name] += max(float(counts[rows].sum()) - usual, 0.0)
    change = sum(risen.values()) or 1.0
    return _largest([Part(name, octets[name], risen[name] / change) for name in octets])


def _largest(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the largest parts; what has no share that could be written is left out."""
    ordered = sorted(parts, key=lambda part: (-part.share, -part.bytes, part.name))
    return tuple(
        part for part in ordered[:SHOWN] if part.share >= LEAST_SHARE or part is ordered[0]
    )


def _parts(
    evidence: Evidence, told: Culprit, level: Level, *, port: int | None = None
) -> tuple[Part, ...]:
    """Return the largest of a level, and their shares of what came in these windows."""
    level = Level.TALKER if port is not None and level is Level.ADDRESS else level
    found = evidence.contributors(level, told.series, told.first, told.last, port=port)
    totals = evidence.totals
    rows = slice(totals.place(told.first), totals.place(told.last))
    whole = max(int(totals.of(told.series, told.measure)[rows].sum()), 1)
    parts = [
        Part(
            str(one.address if one.address is not None else one.port),
            int(one.of(Measure.BYTES).sum()),
            int(one.of(told.measure).sum()) / whole,
        )
        for one in _named(found)
    ]
    return _largest(parts)


def _named(found: list[Contributor]) -> Iterator[Contributor]:
    return (one for one in found if one.address != OTHER and one.port != OTHER_PORT)


def graph(evidence: Evidence, told: Culprit, expected: Floats) -> Graph:
    """Return the series around a finding, in bytes a window."""
    totals = evidence.totals
    length = told.last - told.first
    reach = max(GRAPH_TIMES * length, round(GRAPH_LEAST_S / totals.seconds))
    begin, end = totals.place(told.first - reach), totals.place(told.last + reach)
    mine: Ints = np.zeros(end - begin, np.int64)
    if told.inside is not None:
        for one in evidence.contributors(
            Level.TALKER,
            told.series,
            begin + totals.first,
            end + totals.first,
            address=told.inside,
            port=told.port,
        ):
            mine = mine + one.of(Measure.BYTES)
    counts = totals.of(told.series, Measure.BYTES)[begin:end]
    return Graph(begin + totals.first, counts, np.round(expected[begin:end]).astype(np.int64), mine)
