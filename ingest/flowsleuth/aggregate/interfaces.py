"""Numbers for (stream, ifIndex), bounded for each exporter, so that interfaces can be summed.

Nearly all interface indices are small, so a table for each stream answers; larger ones are looked
up one by one, once for each distinct value in a batch.
"""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

SMALL = 4096
"""ifIndex below this is found by table."""

STREAMS = 1024
"""Streams that have a table (16 kB each); a flood of forged exporters shall not get any more."""

OTHER_INTERFACE = -1
"""ifIndex of what an exporter's interfaces share once it has too many."""


NO_INTERFACE = 0
"""ifIndex of a record that names none; its number is 0 for every stream, and makes no point."""


class Interfaces:
    """Numbers interfaces; limit: most interfaces of one stream that are told apart."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.table: list[tuple[int, int]] = [(0, NO_INTERFACE)]
        self._known: dict[tuple[int, int], int] = {}
        self._of_stream: dict[int, int] = {}
        self._small = np.full((0, SMALL), -1, np.int32)

    def numbers(self, stream: npt.NDArray[np.int32], if_index: npt.NDArray[np.uint32]) -> Ints:
        """Return the number of each (stream, ifIndex): int64 (n,); `table` has them by number."""
        top = min(int(stream.max(initial=-1)) + 1, STREAMS)
        if top > len(self._small):
            more = np.full((top - len(self._small), SMALL), -1, np.int32)
            more[:, NO_INTERFACE] = 0
            self._small = np.concatenate((self._small, more))
        place = stream.astype(np.int64) * SMALL + if_index
        beyond = (if_index >= SMALL) | (stream >= STREAMS)
        place[beyond] = 0
        numbers = self._small.ravel().take(place).astype(np.int64)
        numbers[beyond] = -1
        new = np.flatnonzero(numbers < 0)
        if len(new):
            code = stream[new].astype(np.int64) << 32 | if_index[new]
            distinct, inverse = np.unique(code, return_inverse=True)
            found = [self._number(c >> 32, c & 0xFFFFFFFF) for c in distinct.tolist()]
            numbers[new] = np.array(found, np.int64)[inverse]
        return numbers

    def _number(self, stream: int, if_index: int) -> int:
        if if_index == NO_INTERFACE:
            return 0
        known = self._known.get((stream, if_index))
        if known is None:
            if if_index != OTHER_INTERFACE and self._of_stream.get(stream, 0) >= self.limit:
                return self._number(stream, OTHER_INTERFACE)
            self._of_stream[stream] = self._of_stream.get(stream, 0) + 1
            known = self._known[stream, if_index] = len(self.table)
            self.table.append((stream, if_index))
        if 0 <= if_index < SMALL and stream < STREAMS:
            self._small[stream, if_index] = known
        return known
