"""The archive: what was received, as it was received, in files of five minutes.

It is what nfcapd's files were: nothing folds there. A thread of its own packs and writes, fed by a
queue of bounded size; what finds no room there is not kept and counted, so that receiving never
waits for a disk. Every few seconds what has gathered is compressed into one zstd frame and written,
which is also what a kill -9 costs. A file is finished by fsync and a rename.

When the disk takes nothing, frames are thrown away and counted until it does again, and the file
goes on from its last whole frame; no finished file is touched but by `keep` and `max`.
"""

import errno
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue

import numpy as np

from flowsleuth.receive.archive_files import SLOT_NS
from flowsleuth.receive.archive_folder import ArchiveFolder, Part
from flowsleuth.receive.datagrams import Datagrams
from flowsleuth.receive.packing import Packing
from flowsleuth.receive.zstd import CompressionParameter, Strategy, ZstdCompressor

log = logging.getLogger(__name__)

CALM: dict[int, int] = {
    CompressionParameter.compression_level: 1,
    CompressionParameter.checksum_flag: 1,
}
"""zstd's parameters where there is time: higher levels cost twice as much for hardly less."""

BUSY: dict[int, int] = {
    CompressionParameter.strategy: Strategy.fast,
    CompressionParameter.window_log: 17,
    CompressionParameter.hash_log: 12,
    CompressionParameter.min_match: 7,
    CompressionParameter.target_length: 192,
    CompressionParameter.checksum_flag: 1,
}
"""zstd's parameters towards the limit of what `collect` takes: a tenth of the CPU time, for some
twice the bytes (bench/archive.py). As its negative levels have them, with tables that fit into a
core's own cache."""

BUSY_RATE = 10 * 1024 * 1024
"""Bytes in a second from which on we are busy: some 200 000 flows/s."""

FRAME_BYTES = 1024 * 1024
"""A frame is written when it has so many bytes unpacked: a longer one packs no better."""

FRAME_S = 5.0
"""How long datagrams gather for a frame at most: what a kill -9 costs."""

QUEUE_BYTES = 64 * 1024 * 1024
"""What may wait for the disk at most: a second of 40 000 datagrams/s (shared/speed.md)."""

LATE_NS = 2 * 1_000_000_000
"""So long after its five minutes a file is finished, where nothing comes that begins another."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The disk, or the share of it that one has, is full."""

TIDY_S = 60.0
"""How often the folder is looked through for what is too old or too much."""


@dataclass(frozen=True, slots=True)
class ArchiveTotals:
    """Datagrams not kept, attempts to write that failed, and the files' bytes on disk now."""

    archive_lost: int = 0
    archive_errors: int = 0
    archive_bytes: int = 0


class Archive:
    """Keeps the batches that one worker receives; `start`, then `add` each batch, then `close`.

    All batches have the same Sources. clock: ns since the epoch; tells when five minutes are over,
    and what is too old.
    """

    def __init__(self, folder: ArchiveFolder, clock: Callable[[], int] = time.time_ns) -> None:
        self._folder = folder
        self._clock = clock
        self._queue: SimpleQueue[Datagrams | None] = SimpleQueue()
        self._put = self._got = 0
        self._refused = self._lost = self._errors = 0
        self._frame = Packing()
        self._frame_ns = 0
        self._calm = ZstdCompressor(options=CALM)
        self._busy = ZstdCompressor(options=BUSY)
        self._part: Part | None = None
        self._slot = -1
        self._frame_at = self._written_at = self._tidy_at = 0.0
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="archive", daemon=True)

    def limit(self, keep_ns: int, most: int) -> None:
        """Keep files within other bounds from now on."""
        self._folder.limit(keep_ns, most)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def add(self, batch: Datagrams) -> None:
        """Keep a batch, without waiting: where the disk is behind, it is counted as lost."""
        if self._put - self._got > QUEUE_BYTES:
            self._refused += len(batch)
            return
        self._put += batch.data.nbytes
        self._queue.put(batch)

    def close(self) -> None:
        """Write what waits, finish the file, and let another process use the folder."""
        self._queue.put(None)
        self._thread.join()
        self._folder.close()

    def totals(self) -> ArchiveTotals:
        """Return the counters and the gauge as of now."""
        return ArchiveTotals(self._refused + self._lost, self._errors, self._folder.own_bytes)

    def _run(self) -> None:
        self._guarded(self._folder.recover)
        going_on = True
        while going_on:
            try:
                batch = self._queue.get(timeout=FRAME_S / 5)
                going_on = batch is not None
            except Empty:
                batch = None
            if batch is not None:
                self._got += batch.data.nbytes
                self._guarded(partial(self._gather, batch))
            self._guarded(self._keep_time)
        self._guarded(self._finish)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do a piece of work; a bug in it costs the frame, and is in the log."""
        try:
            work()
        except Exception:
            lost = self._frame.datagrams
            log.exception("archive: %d datagrams lost to a bug, please report it", lost)
            self._errors += 1
            self._lost += lost
            self._frame.clear()

    def _gather(self, batch: Datagrams) -> None:
        for slot, same in _by_slot(batch):
            if slot != self._slot:
                self._finish()
                self._slot = slot
            if not self._frame.size:
                self._frame_at = time.monotonic() + FRAME_S
                self._frame_ns = int(same.received_ns[0])
            self._frame.add(same)
            if self._frame.size >= FRAME_BYTES:
                self._write()

    def _keep_time(self) -> None:
        """Do what is due: write the frame, finish the file, look for what is too old."""
        now = time.monotonic()
        if self._frame.size and now >= self._frame_at:
            self._write()
        if self._part is not None and self._clock() >= (self._slot + 1) * SLOT_NS + LATE_NS:
            self._finish()
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_S
            self._try(lambda: self._folder.tidy(self._clock()))

    def _write(self) -> None:
        """Write what has gathered as one frame, or give it up."""
        new = self._part is None or not self._part.whole
        before, self._written_at = self._written_at, time.monotonic()
        busy = self._frame.size > BUSY_RATE * (self._written_at - before)
        frame = (self._busy if busy else self._calm).compress(
            self._frame.view(with_header=new), ZstdCompressor.FLUSH_FRAME
        )
        if not self._try(partial(self._store, frame)):
            self._lost += self._frame.datagrams
        elif self._trouble:
            log.info("archive: it is written again; %d datagrams were not kept so far", self._lost)
            self._trouble = ""
        self._frame.clear()

    def _store(self, frame: bytes) -> None:
        """Append a frame to the file of its five minutes; raises OSError."""
        self._folder.make_room(len(frame), self._clock())
        if self._part is None:
            self._part = self._folder.new_part(self._frame_ns)
        try:
            self._part.append(frame)
        except OSError as error:
            if error.errno not in FULL or not self._folder.tidy(self._clock()):
                raise
            self._part.append(frame)
        self._folder.grown(len(frame))

    def _finish(self) -> None:
        """Write what has gathered, and give the file its name."""
        if self._frame.size:
            self._write()
        part, self._part = self._part, None
        if part is not None:
            self._try(partial(self._folder.finish, part))

    def _try(self, work: Callable[[], object]) -> bool:
        """Do what a disk may refuse; a refusal is counted, and logged once until it works again."""
        try:
            work()
        except OSError as error:
            self._errors += 1
            said = f"{error.filename or self._folder.path}: {error.strerror}"
            if said != self._trouble:
                log.error(  # noqa: TRY400  the user's to mend: one line
                    "archive: %s; until it can be written again, datagrams are not kept%s",
                    said,
                    ": free some room or lower archive_max" if error.errno in FULL else "",
                )
            self._trouble = said
            return False
        return True


def _by_slot(batch: Datagrams) -> Iterator[tuple[int, Datagrams]]:
    """Yield the runs of datagrams received in the same five minutes, and which those are."""
    slots = batch.received_ns // SLOT_NS
    edges = np.flatnonzero(slots[1:] != slots[:-1]) + 1
    for rows in np.split(np.arange(len(batch)), edges):
        if len(rows):
            yield int(slots[rows[0]]), batch.take(rows) if len(edges) else batch
