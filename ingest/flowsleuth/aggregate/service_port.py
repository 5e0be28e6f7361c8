"""The service port where a record alone does not tell it: rules 4 to 6 of the design.

Both ports are above 1023 and none is configured. A service is what several pairs of hosts share,
an ephemeral port is not: so the window in which the flow ends is asked how many distinct pairs use
each of the two ports (among the flows that need this rule, in either direction, per protocol).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.grouping import group, hash_rows, number_dense
from flowsleuth.enrich.enricher import Records

Ints = npt.NDArray[np.int64]
Known = Callable[[npt.NDArray[np.uint16], npt.NDArray[np.uint16]], npt.NDArray[np.bool_]]

MOST_REMEMBERED = 512
"""Ports remembered of a closed window, so that late flows are judged as the others were."""


class PortCounts:
    """How many distinct pairs used a port, by window; late flows add to what is remembered."""

    def __init__(self) -> None:
        self._remembered: dict[int, tuple[Ints, Ints]] = {}

    def forget(self, before_window: int) -> None:
        """Drop what is remembered of windows before this one."""
        for window in [w for w in self._remembered if w < before_window]:
            del self._remembered[window]

    def decide(self, parts: list[Records], windows: list[Ints], known: Known) -> None:
        """Set `port` of records of both families, together; windows: of each record's end."""
        window = np.concatenate(windows)
        low, high, protocol, pair = (
            np.concatenate(columns)
            for columns in zip(*(_columns(records) for records in parts), strict=True)
        )
        spot = window << 25 | protocol << 16
        pairs_low, pairs_high = self._counts(spot, low, high, pair)
        low_known = known(protocol.astype(np.uint16), low.astype(np.uint16))
        high_known = known(protocol.astype(np.uint16), high.astype(np.uint16))
        takes_high = (pairs_high > pairs_low) | (
            (pairs_high == pairs_low) & high_known & ~low_known
        )
        port = np.where(takes_high, high, low).astype(np.uint16)
        at = 0
        for records in parts:
            records.port = port[at : at + len(records)]
            at += len(records)

    def _counts(self, spot: Ints, low: Ints, high: Ints, pair: Ints) -> tuple[Ints, Ints]:
        """Count distinct pairs at (spot, port): for each record's lower and higher port."""
        place = np.concatenate((spot | low, spot | high))
        distinct = group((place, np.concatenate((pair, pair)))).first
        places, numbers = number_dense(spot >> 16)
        dense = np.concatenate((numbers << 16 | low, numbers << 16 | high))
        used, number = number_dense(dense)
        counts = np.bincount(number[distinct], minlength=len(used))
        spots = places[used >> 16] << 16 | (used & 0xFFFF)
        counts += self._recall(spots)
        self._remember(spots, counts)
        found = counts[number]
        return found[: len(low)], found[len(low) :]

    def _recall(self, spots: Ints) -> Ints:
        earlier = np.zeros(len(spots), np.int64)
        windows = spots >> 25
        for window in np.unique(windows):
            remembered = self._remembered.get(int(window))
            if remembered is not None:
                at = np.flatnonzero(windows == window)
                place = np.searchsorted(remembered[0], spots[at])
                place[place == len(remembered[0])] = 0
                hit = remembered[0][place] == spots[at]
                earlier[at[hit]] = remembered[1][place[hit]]
        return earlier

    def _remember(self, spots: Ints, counts: Ints) -> None:
        shared = counts > 1
        spots, counts = spots[shared], counts[shared]
        windows = spots >> 25
        for window in np.unique(windows):
            at = windows == window
            kept, known = spots[at], counts[at]
            earlier = self._remembered.get(int(window))
            if earlier is not None:
                others = ~np.isin(earlier[0], kept)
                kept = np.concatenate((kept, earlier[0][others]))
                known = np.concatenate((known, earlier[1][others]))
            most = np.argsort(-known, kind="stable")[:MOST_REMEMBERED]
            most = most[np.argsort(kept[most])]
            self._remembered[int(window)] = (kept[most], known[most])


def _columns(records: Records) -> tuple[Ints, Ints, Ints, Ints]:
    """Lower and higher port, protocol and the unordered pair of ends, as int64 columns."""
    low = np.minimum(records.src_port, records.dst_port).astype(np.int64)
    high = np.maximum(records.src_port, records.dst_port).astype(np.int64)
    if records.family == 4:
        one = np.minimum(records.src, records.dst)
        other = np.maximum(records.src, records.dst)
        pair = (one.astype(np.uint64) << np.uint64(32) | other).view(np.int64)
    else:
        src, dst = (hash_rows((ends[:, 0], ends[:, 1])) for ends in (records.src, records.dst))
        pair = hash_rows((np.minimum(src, dst), np.maximum(src, dst))).view(np.int64)
    return low, high, records.protocol.astype(np.int64), pair
