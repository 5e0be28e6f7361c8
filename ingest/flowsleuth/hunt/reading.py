"""From a configuration to what the hunt needs: where flows are gathered, and what is judged."""

from collections.abc import Sequence

import numpy as np

from flowsleuth.baseline.jobs import Jobs
from flowsleuth.baseline.publisher import zone_of
from flowsleuth.baseline.rows import floors
from flowsleuth.config import Config
from flowsleuth.enrich.enricher import Enricher
from flowsleuth.enrich.networks import Networks
from flowsleuth.enrich.services import Services
from flowsleuth.filters.filter import Filter
from flowsleuth.hunt.capture import CaptureEvidence, Times
from flowsleuth.hunt.gather import Gathering
from flowsleuth.hunt.hunting import Settings
from flowsleuth.hunt.totals import MEASURES, SECOND

PART_OF_FLOOR = 10
"""What carries less than this part of the floor in a window is not kept by itself."""


def settings(config: Config) -> Settings:
    """Return what the hunt judges by."""
    jobs = Jobs(config.expected, zone_of(config)) if config.expected else None
    return Settings(config.floor / 8, floors(config), jobs)


def gathering(config: Config, only: Filter | None = None) -> Gathering:
    """Return what takes in flows; only: the filter that a record must match to count."""
    judged = settings(config)
    names = [network.name for network in config.networks]
    enricher = Enricher(
        Networks([(network.name, network.prefixes) for network in config.networks]),
        Services(config.services),
        (),
        only,
    )
    seconds = config.window_ns / SECOND
    least = np.array(
        [
            [judged.least(name, measure) * seconds / PART_OF_FLOOR for measure in MEASURES]
            for name in [*names, ""]
            for _ in range(4)
        ]
    )
    return Gathering(
        enricher, config.window_ns, config.accepted_age_ns, np.ceil(least).astype(np.int64)
    )


def of_captures(
    config: Config,
    gathered: Gathering,
    times: Times | None = None,
    networks: Sequence[str] = (),
) -> CaptureEvidence:
    """Return the evidence of all flows that were gathered; networks: only these."""
    gathered.finish()
    names = [network.name for network in config.networks]
    return CaptureEvidence(gathered, names, config.window_ns, times or Times(), networks)
