"""Stretches of time: where something goes on, with short pauses."""

import numpy as np

from flowsleuth.hunt.totals import Floats, Mask

PART_OF_LEVEL = 0.25
"""Of its usual level during the rise: a window with so much of it belongs to it."""

PART_OF_EDGE = 0.05
"""Of that level, in the window before or after: there it began, or ended."""

GAP_S = 600
"""A pause as long as this is part of the same thing."""


def level_of(above: Floats) -> float:
    """Return the height at which most of it lies: the mean weighted by itself."""
    total = float(above.sum())
    return float((above**2).sum()) / total if total > 0 else 0.0


def runs(active: Mask, gap: int) -> list[tuple[int, int]]:
    """Return the stretches [first, last) of what is active; pauses of up to `gap` are in them."""
    at = np.flatnonzero(active)
    if not len(at):
        return []
    parts = np.split(at, np.flatnonzero(np.diff(at) > gap + 1) + 1)
    return [(int(part[0]), int(part[-1]) + 1) for part in parts]


def stretch(above: Floats, core: slice, gap: int) -> tuple[int, int]:
    """Return the stretch [first, last) of `above` which holds the most of the core."""
    level = level_of(above[core])
    found = runs(above >= PART_OF_LEVEL * level, gap) if level > 0 else []
    if not found:
        return core.start, core.stop

    def inside(run: tuple[int, int]) -> float:
        return float(above[max(run[0], core.start) : min(run[1], core.stop)].sum())

    return widened(above, *max(found, key=inside), PART_OF_EDGE * level)


def widened(above: Floats, first: int, last: int, least: float) -> tuple[int, int]:
    """Add the windows in which it began and ended, of which it had only a part."""
    if first > 0 and above[first - 1] >= least:
        first -= 1
    if last < len(above) and above[last] >= least:
        last += 1
    return first, last
