"""The archive's folder: who may write into it, what goes, and the file that is being written.

Each worker locks its own number, so that two ingesters on one folder are told at the start. Any of
them may remove old files: they all take the oldest first, and a file that is gone already is as
good as removed. What a killed process left unfinished becomes a finished file at the next start.
"""

import errno
import fcntl
import logging
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from flowsleuth.errors import ServiceError
from flowsleuth.receive.archive_files import (
    SLOT_NS,
    ArchiveFile,
    find,
    new_part,
    whole_frames,
)

log = logging.getLogger(__name__)


class Part:
    """A file that is being written. whole: the bytes of its frames, beyond which nothing counts."""

    def __init__(self, file: ArchiveFile) -> None:
        """Make the file; raises OSError."""
        self.file = file
        self.whole = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._number = os.open(file.path, flags, 0o644)

    def append(self, frame: bytes) -> None:
        """Write a frame, all of it or nothing; raises OSError."""
        self._cut()
        try:
            left = memoryview(frame)
            while left:
                left = left[os.write(self._number, left) :]
        except OSError:
            with suppress(OSError):
                self._cut()
            raise
        self.whole += len(frame)

    def finish(self) -> None:
        """Put it on the disk and give it its name; raises OSError, then it is left as it is."""
        try:
            self._cut()
            os.fsync(self._number)
        finally:
            os.close(self._number)
        finish(self.file, self.whole)

    def _cut(self) -> None:
        """Cut off what a failed write left."""
        if os.fstat(self._number).st_size > self.whole:
            os.ftruncate(self._number, self.whole)


def finish(file: ArchiveFile, whole: int) -> Path | None:
    """Give an unfinished file its name, or remove it where nothing is in it; raises OSError."""
    if not whole:
        file.path.unlink()
        return None
    name = file.finished
    if name.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(name))
    file.path.rename(name)
    folder = os.open(name.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return name


class ArchiveFolder:
    """The folder of one ingester as one of its workers uses it.

    keep_ns: how long a file stays; most: bytes on disk at most, of all workers together.
    own_bytes: what this worker's files take on the disk. Raises ServiceError where the folder
    cannot be used, or another process uses it.
    """

    def __init__(
        self, path: Path, keep_ns: int, most: int, worker: int = 0, workers: int = 1
    ) -> None:
        self.path = path
        self.own_bytes = 0
        self.limit(keep_ns, most)
        self._worker = worker
        self._workers = workers
        self._bytes = 0
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = (path / f".{worker}.lock").open("wb")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._measure(find(path))
        except BlockingIOError:
            self._lock.close()
            raise ServiceError(
                f"{path} is in use by another process: each ingester needs an archive of its own "
                "(archive)"
            ) from None
        except OSError as error:
            raise ServiceError(
                f"{error.filename or path}: {error.strerror}; "
                "archive must be a folder that the ingester may write"
            ) from None

    def limit(self, keep_ns: int, most: int) -> None:
        """Keep files for another time, or within other bounds, from now on."""
        self._keep_ns = keep_ns
        self._most = most

    def close(self) -> None:
        """Let another process use it."""
        self._lock.close()

    def room_advice(self) -> str | None:
        """Return one line on what to do where the disk is smaller than the bound, else None."""
        room = self._bytes + shutil.disk_usage(self.path).free
        if room >= self._most:
            return None
        return (
            f"archive: {self.path} has room for {room >> 20} MiB, archive_max is "
            f"{self._most >> 20} MiB: when the disk is full nothing more is kept; lower archive_max"
        )

    def recover(self) -> None:
        """Make finished files of what a killed process left; what is not whole in it is cut off."""
        for file in find(self.path):
            if not file.part or not self._is_ours(file):
                continue
            try:
                size, whole = file.path.stat().st_size, whole_frames(file.path)
                os.truncate(file.path, whole)
                name = finish(file, whole)
            except OSError as error:
                log.warning("archive: %s: %s: left as it is", file.path, error.strerror)
                continue
            what = f"{whole} bytes are now {name.name}" if name else "nothing in it was whole"
            log.warning(
                "archive: %s was not finished: %s, %d cut off", file.path.name, what, size - whole
            )

    def new_part(self, received_ns: int) -> Part:
        """Make the file which a datagram begins; raises OSError."""
        return Part(new_part(self.path, received_ns, self._worker))

    def finish(self, part: Part) -> None:
        """Finish a file, and measure what it takes; raises OSError."""
        part.finish()
        self.grown(ArchiveFile.size(replace(part.file, path=part.file.finished)) - part.whole)

    def grown(self, size: int) -> None:
        """Note that so many bytes were written since the folder was measured."""
        self._bytes += size
        self.own_bytes += size

    def make_room(self, size: int, now_ns: int) -> None:
        """See to it that so many bytes may be added; raises OSError where there is no room."""
        if self._bytes + size > self._most:
            self.tidy(now_ns, size)
            if self._bytes + size > self._most:
                raise OSError(errno.EDQUOT, "archive_max is less than five minutes need")

    def tidy(self, now_ns: int, room: int = 0) -> int:
        """Remove what is too old, then the oldest until `room` fits; return how many files went.

        Raises OSError.
        """
        files = find(self.path)
        sizes = {file.path: file.size() for file in files}
        total = sum(sizes.values())
        gone = []
        for file in files:
            old = (file.slot + 1) * SLOT_NS <= now_ns - self._keep_ns
            if not file.part and (old or total + room > self._most):
                file.path.unlink(missing_ok=True)
                gone.append(file)
                total -= sizes[file.path]
        self._measure(file for file in files if file not in gone)
        return len(gone)

    def _measure(self, files: Iterable[ArchiveFile]) -> None:
        sizes = [(file.size(), self._is_ours(file)) for file in files]
        self._bytes = sum(size for size, _ in sizes)
        self.own_bytes = sum(size for size, ours in sizes if ours)

    def _is_ours(self, file: ArchiveFile) -> bool:
        """Whether a file is this worker's, or of one that is no more, which the first one has."""
        return file.worker == self._worker or (not self._worker and file.worker >= self._workers)
