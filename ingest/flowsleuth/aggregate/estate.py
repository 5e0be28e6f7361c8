"""What an aggregator leaves to the one that goes on in its place when the configuration changes.

Rows under old names are written before. What stays is about the time and the exporters, whatever
networks are called; places (network, direction) of networks that keep their name are renumbered.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flowsleuth.aggregate.budget import SeriesBudget
from flowsleuth.aggregate.counters import Counters
from flowsleuth.aggregate.heavy import HeavyHours
from flowsleuth.aggregate.naming import NetworkNames
from flowsleuth.aggregate.service_port import PortCounts
from flowsleuth.aggregate.stamps import Stamp, Stamps
from flowsleuth.aggregate.trust import Trust


@dataclass(frozen=True, slots=True)
class Estate:
    """The parts that go on, and the names by which they number networks."""

    networks: NetworkNames
    counters: Counters
    early_stamp: Callable[[], Stamp]
    budget: SeriesBudget
    ports: PortCounts
    trust: Trust
    stamps: Stamps
    heavy: HeavyHours
