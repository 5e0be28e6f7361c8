"""Known heavy jobs of the configuration: what they add to what is normal, and when.

Hours are those of the clock on the wall, so that a backup at half past two has its place in the
night in which the clocks change, too. A step of five minutes which a job touches is wholly its.

A job says neither its direction (a backup is `out` of one network and `in` of another, which have
one line each here) nor always its protocol. So it raises all directions of its network, of the
protocols that it could have: what it allows too much, it allows for its hours only, and a limit is
never raised.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from flowsleuth.baseline.clock import STEP_S
from flowsleuth.baseline.normal import WHOLE, Series
from flowsleuth.config import ExpectedJob
from flowsleuth.config.settings import PORT_PROTOCOLS

Floats = NDArray[np.float64]

STEP_MINUTES = STEP_S // 60


class Jobs:
    """The configured jobs. zone: whose clock their hours follow; None is the system's."""

    def __init__(self, jobs: Sequence[ExpectedJob], zone: tzinfo | None) -> None:
        self._jobs = jobs
        self._zone = zone

    def added(self, series: Sequence[Series], steps: NDArray[np.int64]) -> Floats:
        """Return the bytes/s which jobs may add to s series at m steps: float64 (s, m)."""
        added = np.zeros((len(series), len(steps)))
        local = [datetime.fromtimestamp(step * STEP_S, self._zone) for step in steps.tolist()]
        for job in self._jobs:
            rows = np.array([concerns(job, one) for one in series], bool)
            runs = np.array([is_running(job, moment) for moment in local], bool)
            added[np.ix_(rows, runs)] += job.upto / 8
        return added


def concerns(job: ExpectedJob, series: Series) -> bool:
    """Return whether a job's traffic may be in a series."""
    if job.network != series.network:
        return False
    if series.protocol == WHOLE:
        return True
    if job.protocol is not None:
        return job.protocol == series.protocol
    # Port 0 is what protocols without ports have in the points.
    return not job.port or series.protocol in PORT_PROTOCOLS


def is_running(job: ExpectedJob, moment: datetime) -> bool:
    """Return whether a job may run within the step that begins at `moment`, in its local time."""
    day = moment.date()
    if job.hours is not None:
        begin, end = map(_minute, job.hours.split("-"))
        minute = moment.hour * 60 + moment.minute
        begun, over = minute + STEP_MINUTES > begin, minute >= end
        if begin < end:
            if over or not begun:
                return False
        elif not begun:
            if over:
                return False
            day -= timedelta(days=1)  # it began yesterday
    return job.until is None or day <= job.until


def _minute(text: str) -> int:
    """Return the minute of the day of HH:MM."""
    return int(text[:2]) * 60 + int(text[3:])
