"""What the aggregator counts of itself."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Counted since the start; fields of the measurement `ingester`."""

    folded_bytes: int = 0
    written_early: int = 0
    late_points: int = 0
