"""Batches of lines that wait to be written: bounded, totals before detail.

While InfluxDB is away the backlog fills: on disk where there is a spool, else in memory. When it is
full, the oldest detail goes first and the totals last, because a graph without its hosts is worth
more than hosts without a graph. A flush that the disk does not take waits in memory.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from flowsleuth.schema import Kept
from flowsleuth.write.spool import Damaged, Packed, Spool, Stored, is_full, pack

log = logging.getLogger("flowsleuth.write")

OVERHEAD = 50
"""Bytes that a line costs beside its own: the bytes object and its place in the list."""

LOG_EVERY_S = 60.0
"""A disk that takes nothing is logged once in this time."""


@dataclass(slots=True)
class Batch:
    """Lines for one retention, to be written in one request.

    stored: where they are in the spool; packed: their bytes there.
    """

    kept: Kept
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    stored: Stored | None = None
    packed: bytes = b""

    @property
    def points(self) -> int:
        """How many points it holds."""
        return len(self.lines)

    def body(self) -> bytes:
        """Return what is sent, in gzip; the same however often it is sent."""
        return self.packed or pack(self.kept, self.lines).data


class Backlog:
    """Batches of at most `batch_points` lines; thread-safe, for one thread that puts.

    limit: bytes in memory at most; what is on disk has the spool's own limit.
    `dropped` counts the points given up, `points` those that wait or are being written, `kept`
    those that are left on disk for the next process.
    """

    def __init__(self, batch_points: int, limit: int, spool: Spool | None = None) -> None:
        self._batch_points = batch_points
        self._limit = limit
        self._spool = spool
        self._waiting: dict[Kept, deque[Batch | Stored]] = {kept: deque() for kept in Kept}
        self._uncommitted: dict[Kept, list[bytes]] = {kept: [] for kept in Kept}
        self._size = 0
        self._changed = threading.Condition()
        self._closed = False
        self._log_after = 0.0
        self.points = 0
        self.dropped = 0
        self.kept = 0
        if spool is not None:
            self._queue(spool.waiting)
            self._make_room_on_disk(spool, [])

    def put(self, kept: Kept, lines: Sequence[bytes]) -> None:
        """Add lines: with a spool at the next `commit`, else at once, dropping the oldest."""
        if self._spool is not None:
            self._uncommitted[kept].extend(lines)
            return
        with self._changed:
            for part in self._cut(lines):
                self._append(kept, part)
            self._make_room()
            self._changed.notify_all()

    def commit(self) -> None:
        """Put on disk what was put since the last commit: after a kill, all of it or nothing."""
        if self._spool is None:
            return
        fresh = [pack(kept, part) for kept in Kept for part in self._cut(self._uncommitted[kept])]
        for lines in self._uncommitted.values():
            lines.clear()
        with self._changed:
            self._make_room_on_disk(self._spool, fresh)
            if fresh:
                self._queue(self._store(self._spool, fresh))
                self._make_room()
                self._changed.notify_all()

    def _cut(self, lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        for start in range(0, len(lines), self._batch_points):
            yield lines[start : start + self._batch_points]

    def _append(self, kept: Kept, lines: Sequence[bytes]) -> None:
        """Add at most `batch_points` lines in memory, filling up the newest batch."""
        queue = self._waiting[kept]
        newest = queue[-1] if queue else None
        if not isinstance(newest, Batch) or newest.points + len(lines) > self._batch_points:
            newest = Batch(kept)
            queue.append(newest)
        size = sum(map(len, lines)) + OVERHEAD * len(lines)
        newest.lines.extend(lines)
        newest.size += size
        self._size += size
        self.points += len(lines)

    def _queue(self, batches: Sequence[Batch | Stored]) -> None:
        for batch in batches:
            self._waiting[batch.kept].append(batch)
            self.points += batch.points
            if isinstance(batch, Batch):
                self._size += batch.size

    def _store(self, spool: Spool, fresh: Sequence[Packed]) -> Sequence[Batch | Stored]:
        """Return a flush on disk; in memory where the disk does not take it.

        A full disk is a lower limit: the oldest detail of the spool makes room, yet no more than
        twice what is needed, since others may be filling the disk.
        """
        enough = spool.size - 2 * sum(batch.size for batch in fresh)
        while True:
            try:
                return spool.store(fresh)
            except OSError as error:
                if is_full(error) and spool.size > enough and self._drop(Stored, Kept.DETAIL):
                    continue
                if time.monotonic() > self._log_after:
                    self._log_after = time.monotonic() + LOG_EVERY_S
                    log.warning("%s: %s: points wait in memory", spool.directory, error.strerror)
                return [_in_memory(batch) for batch in fresh]

    def _make_room_on_disk(self, spool: Spool, fresh: list[Packed]) -> None:
        """Drop the oldest until `fresh` fits on disk; parts of `fresh` where that must be."""
        for kept in (Kept.DETAIL, Kept.LONG):
            while not spool.room_for(fresh):
                if not self._drop(Stored, kept):
                    at = next((i for i, batch in enumerate(fresh) if batch.kept is kept), None)
                    if at is None:
                        break
                    self.dropped += fresh.pop(at).points

    def _make_room(self) -> None:
        """Drop the oldest until memory is within its limit, or what is over is being written."""
        while self._size > self._limit:
            if not (self._drop(Batch, Kept.DETAIL) or self._drop(Batch, Kept.LONG)):
                return

    def _drop(self, where: type[Batch | Stored], kept: Kept) -> bool:
        """Drop the oldest batch of a kind in memory or on disk; return whether there was one."""
        queue = self._waiting[kept]
        for at, batch in enumerate(queue):
            if isinstance(batch, where):
                del queue[at]
                self.dropped += batch.points
                self._settle(batch)
                if isinstance(batch, Stored) and self._spool is not None:
                    self._spool.remove(batch)
                return True
        return False

    def _settle(self, batch: Batch | Stored) -> None:
        self.points -= batch.points
        if isinstance(batch, Batch):
            self._size -= batch.size

    def has_room(self, timeout: float) -> bool:
        """Wait until half of the memory is free; return whether it is."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._size <= self._limit // 2 or self._closed, timeout
            )

    def take(self) -> Batch | None:
        """Wait for a batch, totals first; None once the backlog is closed and empty."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: any(self._waiting.values()) or self._closed)
                queue = self._waiting[Kept.LONG] or self._waiting[Kept.DETAIL]
                batch = queue.popleft() if queue else None
            if not isinstance(batch, Stored):
                return batch
            if (read := self._read(batch)) is not None:
                return read

    def _read(self, stored: Stored) -> Batch | None:
        """Read a batch from the spool; a damaged one is set aside and counted as dropped."""
        spool = self._spool
        assert spool is not None, "who stored it?"
        try:
            packed, lines = spool.read(stored)
        except Damaged as damage:
            with self._changed:
                spool.set_aside(stored, str(damage))
                self.dropped += stored.points
                self._settle(stored)
                self._changed.notify_all()
            return None
        return Batch(stored.kept, lines, 0, stored, packed.data)

    def done(self, batch: Batch, left: int = 0) -> None:
        """Say that a batch which was taken is settled: written or refused.

        left: how many of its points are not; in memory they are given up, on disk all of the
        batch is kept for the next process.
        """
        with self._changed:
            self._settle(batch)
            if batch.stored is None:
                self.dropped += left
            elif left:
                self.kept += batch.points
            elif self._spool is not None:
                self._spool.remove(batch.stored)
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

    def give_up(self) -> None:
        """Drop all that waits in memory, and leave what is on disk for the next process."""
        with self._changed:
            for queue in self._waiting.values():
                while queue:
                    batch = queue.popleft()
                    self._settle(batch)
                    if isinstance(batch, Stored):
                        self.kept += batch.points
                    else:
                        self.dropped += batch.points
            self._changed.notify_all()


def _in_memory(batch: Packed) -> Batch:
    lines = batch.lines()
    return Batch(batch.kept, lines, sum(map(len, lines)) + OVERHEAD * len(lines))
