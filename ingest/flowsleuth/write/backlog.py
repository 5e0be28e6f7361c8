"""Batches of lines that wait to be written: bounded, totals before detail.

While InfluxDB is away the backlog fills. When it is full, the oldest detail goes first and the
totals last, because a graph without its hosts is worth more than hosts without a graph. A disk
spool would stand behind this: it takes what `_make_room` gives up.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from flowsleuth.schema import Kept

OVERHEAD = 50
"""Bytes that a line costs beside its own: the bytes object and its place in the list."""


@dataclass(slots=True)
class Batch:
    """Lines for one retention, to be written in one request."""

    kept: Kept
    lines: list[bytes] = field(default_factory=list)
    size: int = 0

    def body(self) -> bytes:
        """Return what is sent; the same however often it is sent."""
        return b"\n".join(self.lines)


class Backlog:
    """Batches of at most `batch_points` lines, at most `limit` bytes in all; thread-safe.

    `dropped` counts the lines given up, `points` those that wait or are being written.
    """

    def __init__(self, batch_points: int, limit: int) -> None:
        self._batch_points = batch_points
        self._limit = limit
        self._waiting: dict[Kept, deque[Batch]] = {kept: deque() for kept in Kept}
        self._size = 0
        self._changed = threading.Condition()
        self._closed = False
        self.points = 0
        self.dropped = 0

    def put(self, kept: Kept, lines: Sequence[bytes]) -> None:
        """Add lines, filling up the newest batch; drops the oldest when there is no room."""
        with self._changed:
            queue = self._waiting[kept]
            for start in range(0, len(lines), self._batch_points):
                self._append(queue, kept, lines[start : start + self._batch_points])
            self._make_room()
            self._changed.notify_all()

    def _append(self, queue: deque[Batch], kept: Kept, lines: Sequence[bytes]) -> None:
        if not queue or len(queue[-1].lines) + len(lines) > self._batch_points:
            queue.append(Batch(kept))
        size = sum(map(len, lines)) + OVERHEAD * len(lines)
        queue[-1].lines.extend(lines)
        queue[-1].size += size
        self._size += size
        self.points += len(lines)

    def _make_room(self) -> None:
        while self._size > self._limit:
            queue = self._waiting[Kept.DETAIL] or self._waiting[Kept.LONG]
            if not queue:  # what is over the limit is being written
                return
            batch = queue.popleft()
            self.dropped += len(batch.lines)
            self._settle(batch)

    def _settle(self, batch: Batch) -> None:
        self._size -= batch.size
        self.points -= len(batch.lines)

    def has_room(self, timeout: float) -> bool:
        """Wait until half of the room is free; return whether it is."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._size <= self._limit // 2 or self._closed, timeout
            )

    def take(self) -> Batch | None:
        """Wait for a batch, totals first; None once the backlog is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: any(self._waiting.values()) or self._closed)
            queue = self._waiting[Kept.LONG] or self._waiting[Kept.DETAIL]
            return queue.popleft() if queue else None

    def done(self, batch: Batch) -> None:
        """Say that a batch which was taken is settled: written, refused or given up."""
        with self._changed:
            self._settle(batch)
            self._changed.notify_all()

    def is_empty(self, timeout: float | None) -> bool:
        """Wait until nothing waits or is being written; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self.points == 0, timeout)

    def close(self) -> None:
        """Let `take` end when all is taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def give_up(self) -> int:
        """Drop all that waits; return how many points somebody is writing just now."""
        with self._changed:
            for queue in self._waiting.values():
                while queue:
                    batch = queue.popleft()
                    self.dropped += len(batch.lines)
                    self._settle(batch)
            self._changed.notify_all()
            return self.points
