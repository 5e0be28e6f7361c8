"""Points as columns: what aggregate hands to write, one `Table` for one measurement.

Pure data. It stands outside both rooms so that neither has to import the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FieldColumn = npt.NDArray[np.int64] | npt.NDArray[np.float64] | Sequence[str]
"""A field's n values: integers, floats (NaN where the point has no such field) or text."""


@dataclass(frozen=True, slots=True)
class Table:
    """n points of one measurement.

    measurement: a name of `schema.MEASUREMENTS`.
    tags: a column of n strings for each tag, '' where a point lacks it; the measurement's own tags
        and a network's labels.
    fields: a column of n values for each field of the measurement that is there at all.
    time_ns: int64 (n,), ns since the epoch.
    """

    measurement: str
    tags: Mapping[str, Sequence[str]]
    fields: Mapping[str, FieldColumn]
    time_ns: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.time_ns)


def choose(table: Table, chosen: npt.NDArray[np.bool_]) -> Table:
    """Return the points where `chosen`, bool (n,), is true."""
    if chosen.all():
        return table
    rows = np.flatnonzero(chosen)
    listed = rows.tolist()
    return Table(
        table.measurement,
        {name: [column[i] for i in listed] for name, column in table.tags.items()},
        {
            name: column[rows] if isinstance(column, np.ndarray) else [column[i] for i in listed]
            for name, column in table.fields.items()
        },
        table.time_ns[rows],
    )
