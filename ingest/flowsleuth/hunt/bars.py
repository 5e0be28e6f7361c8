"""A series as a small graph of text: a column for some windows, eighths of a line as blocks."""

from dataclasses import dataclass

import numpy as np

from flowsleuth.hunt.findings import Graph
from flowsleuth.hunt.totals import Floats, Ints

BLOCKS = " ▁▂▃▄▅▆▇█"
PLAIN = " .:-=+*#%"
"""Where a terminal has no blocks."""

COLUMNS, LINES = 60, 6


@dataclass(frozen=True, slots=True)
class Bars:
    """A graph: its lines from top to bottom, and which columns [first, last) are the finding's.

    top: bytes a window at the upper edge. each: windows of one column.
    """

    lines: tuple[str, ...]
    first: int
    last: int
    top: float
    each: int
    begin: int


def bars(graph: Graph, first: int, last: int, *, plain: bool = False) -> Bars:
    """Draw a graph; first, last: the finding's windows."""
    each = max(-(-len(graph.counts) // COLUMNS), 1)
    heights = means(graph.counts, each)
    top = max(float(heights.max(initial=0)), 1.0)
    signs = PLAIN if plain else BLOCKS
    eighths = np.round(heights / top * LINES * 8).astype(int)
    eighths = np.where((heights > 0) & (eighths == 0), 1, eighths)
    lines = [
        "".join(signs[min(max(n - 8 * line, 0), 8)] for n in eighths.tolist())
        for line in reversed(range(LINES))
    ]
    return Bars(
        tuple(lines),
        max((first - graph.first) // each, 0),
        min(-(-(last - graph.first) // each), len(heights)),
        top,
        each,
        graph.first,
    )


def means(counts: Ints, each: int) -> Floats:
    """Return the mean of each `each` windows, the last of what is left."""
    edges = np.arange(0, len(counts), each)
    if not len(edges):
        return np.zeros(0)
    sizes = np.diff(np.append(edges, len(counts)))
    found: Floats = np.add.reduceat(counts, edges) / sizes
    return found
