"""Sums by level of detail in bounded memory: of each window only what may matter is kept.

Totals are exact elsewhere. Here a sum stays if it is a good part of what its series has in a window
on average so far, and reaches an amount below which nobody would be a culprit. When too many stay,
that part doubles and all are held against it again: a culprit carries more than its series usually
has, so it is among the last to go.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.rows import CODE_BITS
from flowsleuth.hunt.evidence import Level

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Names = tuple[npt.NDArray[np.unsignedinteger], ...]

PART = 0.01
"""Of the average of its series, at first."""

MOST_ROWS = 800_000
"""Sums that one level keeps: 40 to 80 bytes each, three times that while they are put in order."""

_CODE = (1 << CODE_BITS) - 1
_WINDOW_BITS = 38


@dataclass(frozen=True, slots=True)
class Sums:
    """n sums of one level.

    key: int64 (n,), window << CODE_BITS | code. names: the columns (n,) of what its level names, in
    its order: an address or a peer is two of uint64, its halves; a port is one of uint16.
    octets: int64, packets: int64, flows: int32. others, peers: int32, as in `Contributor`. part:
    float32, the largest part of its series' average.
    """

    key: Ints
    names: Names
    octets: Ints
    packets: Ints
    flows: npt.NDArray[np.int32]
    others: npt.NDArray[np.int32]
    peers: npt.NDArray[np.int32]
    part: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.key)

    @property
    def window(self) -> Ints:
        """Of each sum."""
        return self.key >> CODE_BITS

    @property
    def counts(self) -> Ints:
        """int64 (n, 3), in the order of `Measure`."""
        return np.stack([self.octets, self.packets, self.flows.astype(np.int64)], axis=1)

    def name(self, level: Level, name: str) -> Names:
        """Return the columns of one of a level's names."""
        at = 0
        for each in level.value:
            width = 1 if each == "port" else 2
            if each == name:
                return self.names[at : at + width]
            at += width
        raise KeyError(name)

    def take(self, rows: Ints | Mask) -> "Sums":
        """Return the chosen rows."""
        return Sums(
            self.key[rows],
            tuple(column[rows] for column in self.names),
            self.octets[rows],
            self.packets[rows],
            self.flows[rows],
            self.others[rows],
            self.peers[rows],
            self.part[rows],
        )

    @staticmethod
    def join(parts: "list[Sums]") -> "Sums":
        """Put parts one after another; at least one."""
        if len(parts) == 1:
            return parts[0]
        columns = zip(*(part.names for part in parts), strict=True)
        rest = ("octets", "packets", "flows", "others", "peers", "part")
        return Sums(
            np.concatenate([part.key for part in parts]),
            tuple(np.concatenate(column) for column in columns),
            *(np.concatenate([getattr(part, name) for part in parts]) for name in rest),
        )


class Kept:
    """The sums of one level: added bit by bit, then asked."""

    def __init__(self, most: int = MOST_ROWS) -> None:
        self.part = PART
        self._most = most
        self._parts: list[Sums] = []
        self._size = 0
        self._ordered: tuple[Sums, Ints] | None = None

    def __len__(self) -> int:
        return self._size

    def add(self, sums: Sums) -> None:
        """Keep what reaches the part."""
        sums = sums.take(sums.part >= self.part)
        if not len(sums):
            return
        self._parts.append(sums)
        self._size += len(sums)
        while self._size > self._most:
            self.part *= 2
            self._parts = [part.take(part.part >= self.part) for part in self._parts]
            self._size = sum(map(len, self._parts))

    def between(self, code: int, first: int, last: int) -> Sums | None:
        """Return the sums of one series in the windows [first, last), None if there are none.

        Nothing may be added from then on.
        """
        if self._ordered is None:
            if not self._parts:
                return None
            sums = Sums.join(self._parts)
            self._parts = []
            place = (sums.key & _CODE) << _WINDOW_BITS | sums.key >> CODE_BITS
            order = np.argsort(place, kind="stable")
            self._ordered = sums.take(order), place[order]
        sums, place = self._ordered
        of_code = code << _WINDOW_BITS
        begin, end = np.searchsorted(place, [of_code | first, of_code | last]).tolist()
        return sums.take(np.arange(begin, end)) if begin < end else None
