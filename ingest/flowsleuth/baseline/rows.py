"""The rows of `baseline`: which there are, and what the configuration says of each.

There is a row for every (network, direction, protocol) that had traffic, and one with
`protocol=all` for every configured network and profile in each of its directions, from the first
day on: the alert about a limit joins traffic with these rows, and traffic without its row is never
judged. Only `all` rows carry the limit, which is of the whole.

No row has the labels of its network (`site`, `role`): Grafana joins series of which one has all
labels of the other, so traffic grouped by site too still finds its row, while a label that is
edited would leave two series of one network, the old one for as long as InfluxDB keeps it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from flowsleuth.baseline.clock import STEP_NS
from flowsleuth.baseline.history import PROFILE
from flowsleuth.baseline.jobs import Jobs
from flowsleuth.baseline.normal import WHOLE, Expectation, Series
from flowsleuth.baseline.trust import Exporters
from flowsleuth.config import Config
from flowsleuth.points import Table

Floats = NDArray[np.float64]

NETWORK_DIRECTIONS = ("out", "in", "internal")
PROFILE_DIRECTIONS = (*NETWORK_DIRECTIONS, "transit")

TABLE_POINTS = 5_000
"""Most points of one table: a batch of the writer's, and little memory."""


ALWAYS = ("unassigned", f"{PROFILE}all")
"""Names that have rows, where there was traffic, whatever is configured."""


def names(config: Config) -> list[str]:
    """Return what `network` may be called in the rows of this configuration."""
    return [*_configured_names(config), *ALWAYS]


def _configured_names(config: Config) -> list[str]:
    networks = [network.name for network in config.networks]
    return networks + [PROFILE + profile.name for profile in config.profiles]


def configured(config: Config) -> list[Series]:
    """Return the rows that are there without any traffic."""
    networks = [(network.name, NETWORK_DIRECTIONS) for network in config.networks]
    profiles = [(PROFILE + profile.name, PROFILE_DIRECTIONS) for profile in config.profiles]
    return [
        Series(name, direction, WHOLE)
        for name, directions in networks + profiles
        for direction in directions
    ]


def floors(config: Config) -> dict[str, float]:
    """Return the floor of each name, bytes/s."""
    return dict.fromkeys(names(config), config.floor / 8) | _rates(config, "floor")


def _rates(config: Config, setting: str) -> dict[str, float]:
    """Return a rate of the networks and profiles that have it, bytes/s."""
    entries = zip(_configured_names(config), [*config.networks, *config.profiles], strict=True)
    rates = ((name, getattr(about, setting)) for name, about in entries)
    return {name: bits / 8 for name, bits in rates if bits is not None}


def of_config(known: Expectation, config: Config, changed: Collection[str] = ()) -> Expectation:
    """Leave out what is not of this configuration (any more), and add what has no history yet.

    What is normal for those is not known, and not said. Nor is it for what has changed since the
    history ends: what has been said ahead of it stands for an hour.
    """
    ours = set(names(config))
    kept = [i for i, one in enumerate(known.series) if one.network in ours]
    there = {known.series[i] for i in kept}
    more = [one for one in configured(config) if one not in there]
    unknown = np.full((len(more), len(known.steps)), np.nan)
    anew = np.array([known.series[i].network in changed for i in kept], bool)[:, None]
    return Expectation(
        (*(known.series[i] for i in kept), *more),
        known.steps,
        np.concatenate((np.where(anew, np.nan, known.expected[kept]), unknown)),
        np.concatenate((np.where(anew, np.nan, known.upper[kept]), unknown)),
        np.append(known.learning[kept], np.ones(len(more), bool)),
    )


def expectations(known: Expectation, config: Config, jobs: Jobs) -> Iterator[Table]:
    """Yield the points of what is normal, a row for each series at each step."""
    added = jobs.added(known.series, known.steps)
    upper = np.where(added > 0, np.maximum(known.upper, known.expected + added), known.upper)
    columns = {
        "bytes_expected": known.expected,
        "bytes_upper": upper,
        **_bounds(known.series, config, len(known.steps)),
        "learning": np.repeat(known.learning[:, None], len(known.steps), axis=1).astype(float),
    }
    yield from _tables(known.series, known.steps, columns)


def bounds(config: Config, steps: NDArray[np.int64]) -> Iterator[Table]:
    """Yield the points of floors and limits alone, of the configured rows."""
    series = configured(config)
    yield from _tables(series, steps, _bounds(series, config, len(steps)))


def trust(series: Sequence[Series], step: int, exporters: Exporters) -> Iterator[Table]:
    """Yield the points of how far each series can be trusted now, at one step."""
    known = {network: exporters.of(network) for network in {one.network for one in series}}
    of_series = [known[one.network] for one in series]
    columns = {
        "lag_s": np.array([[one.lag_s] for one in of_series]),
        "sampled": np.array([[float(one.sampled)] for one in of_series]),
        "exporters_silent": np.array([[float(one.silent)] for one in of_series]),
    }
    yield from _tables(series, np.array([step]), columns)


def _bounds(series: Sequence[Series], config: Config, steps: int) -> dict[str, Floats]:
    own, limits = floors(config), _rates(config, "limit")
    floor = [own[one.network] for one in series]
    limit = [limits.get(one.network, np.nan) if one.protocol == WHOLE else np.nan for one in series]
    return {
        "bytes_floor": np.repeat(np.array(floor, float)[:, None], steps, axis=1),
        "bytes_limit": np.repeat(np.array(limit, float)[:, None], steps, axis=1),
    }


def _tables(
    series: Sequence[Series], steps: NDArray[np.int64], columns: Mapping[str, Floats]
) -> Iterator[Table]:
    """Yield tables of columns (s, m), a row for each of s series and m steps."""
    rows = max(1, TABLE_POINTS // max(1, len(steps)))
    for first in range(0, len(series), rows):
        part = series[first : first + rows]
        yield Table(
            "baseline",
            {
                tag: [getattr(one, tag) for one in part for _ in range(len(steps))]
                for tag in Series._fields
            },
            {name: column[first : first + rows].ravel() for name, column in columns.items()},
            np.tile(steps * STEP_NS, len(part)),
        )
