"""Steps of five minutes, and the same time of other days on people's clocks.

Traffic follows people, and people follow the clock on the wall: what happens at nine happens at
nine in summer too. So days are counted back in local time, whatever UTC did in between.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

STEP_S = 300
STEP_NS = STEP_S * 10**9
HOUR, DAY, WEEK = 12, 288, 2016
"""In steps."""


OLD_CLOCK = 2 * DAY
"""How long after the clocks changed the old one counts as well: what had begun ends by it, machines
that follow UTC keep to it, and in two days a new habit is known."""


def days_before(
    steps: NDArray[np.int64], days: Sequence[int], zone: tzinfo | None, *, behind: int = 0
) -> NDArray[np.int64]:
    """Return (d, m): for each of `days`, the steps at the same local time so many days before.

    steps: int64 (m,), epoch seconds // 300. zone: None is the system's. An hour that a day does not
    have (the clocks go forward) is the hour after it; of one that it has twice, the first.
    behind: by the clock as it was so many steps before each step.
    """
    late = timedelta(seconds=behind * STEP_S)
    local = [datetime.fromtimestamp((int(step) - behind) * STEP_S, zone) + late for step in steps]
    return np.array(
        [[_step(moment - timedelta(days=back)) for moment in local] for back in days], np.int64
    ).reshape(len(days), len(steps))


def _step(moment: datetime) -> int:
    """Arithmetic on an aware datetime is arithmetic on its wall clock, as on a naive one."""
    return int(moment.replace(fold=0).timestamp()) // STEP_S
