"""Since when `collect` itself has counted a profile: what is loaded for that time counts twice.

Points tell: `collect` stamps a window that it saw from its beginning with its start, to within its
number of workers in ns, and what comes from files never lies there (aggregate.stamps).
"""

from collections.abc import Iterator

from flowsleuth.aggregate.stamps import MAX_WORKERS
from flowsleuth.config import Config
from flowsleuth.write import server

_PAGE = 10_000
"""Rows of one answer: InfluxDB gives no more where `max-row-limit` has the usual value."""


def first_live(config: Config, profile: str, since_ns: int, until_ns: int) -> int | None:
    """Return the start of the first whole window in [since, until) that `collect` wrote itself.

    ns since the epoch; None where there is none. Raises ServiceError as `server.influxql`.
    """
    last = until_ns - config.window_ns
    found = (at for at in _times(config, profile, since_ns, last) if _is_live(config, at))
    return next(found, None)


def _is_live(config: Config, at_ns: int) -> bool:
    return at_ns % config.window_ns < MAX_WORKERS


def _times(config: Config, profile: str, since_ns: int, last_ns: int) -> Iterator[int]:
    """Yield the times of the profile's points, each once, in rising order."""
    with server.connect(config.influx) as client:
        while since_ns <= last_ns:
            of_both = f'"profile" = {_quoted(profile)} AND "ingester" = {_quoted(config.ingester)}'
            between = f"time >= {since_ns} AND time <= {last_ns} LIMIT {_PAGE}"
            statement = f'SELECT "flows" FROM "profiles" WHERE {of_both} AND {between}'  # noqa: S608  quoted above
            found = server.influxql(client, config.influx, statement)
            times = sorted({int(row[0]) for series in found for row in series.rows})
            yield from times
            if not times:
                return
            since_ns = times[-1] + 1


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
