"""A slate: the numbers that a worker writes about itself and the server of `/metrics` reads.

Shared memory, a double for each number. Nobody waits for anybody: a worker that hangs is still
read, and a reader that hangs does not hold up a worker. A double is read whole; two numbers beside
each other may be of two moments a second apart, as with any scrape.
"""

import multiprocessing
import time
from collections.abc import Mapping
from typing import Final

from flowsleuth.health.ingester import FIELDS
from flowsleuth.write.influx import Standing

_SOCKETS, _DECODED, _WRITING = range(3)
_NUMBERS: Final = {name: place for place, name in enumerate(FIELDS, 3)}


class Slate:
    """The numbers of one worker, which outlive its process.

    sockets: how many it listens on, 0 while it is not running. decoded_s: when it last had nothing
    left to decode or decoded something (monotonic clock, which processes share). writing: whether
    points get through.
    """

    def __init__(self) -> None:
        self._cells = multiprocessing.get_context("spawn").RawArray("d", 3 + len(FIELDS))

    def show(self, totals: Mapping[str, float], sockets: int, writing: Standing) -> None:
        """Write everything but `decoded_s`. totals: every field of `ingester`, since the start."""
        for name, place in _NUMBERS.items():
            self._cells[place] = totals[name]
        self._cells[_WRITING] = writing
        self._cells[_SOCKETS] = sockets

    def decoding(self) -> None:
        """Say that decoding moves."""
        self._cells[_DECODED] = time.monotonic()

    def wipe(self) -> None:
        """Say that the worker is not running."""
        self._cells[:] = [0.0] * len(self._cells)

    @property
    def sockets(self) -> int:
        """How many sockets are open."""
        return int(self._cells[_SOCKETS])

    @property
    def decoded_ago_s(self) -> float:
        """Seconds since decoding moved."""
        return time.monotonic() - float(self._cells[_DECODED])

    @property
    def writing(self) -> Standing:
        """Whether points get through."""
        return Standing(int(self._cells[_WRITING]))

    def totals(self) -> dict[str, float]:
        """Return every field of `ingester`, counters since the worker's start."""
        return {name: self._cells[place] for name, place in _NUMBERS.items()}
