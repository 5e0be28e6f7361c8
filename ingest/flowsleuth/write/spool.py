"""The spool: batches on disk, so that neither an outage nor a kill -9 loses or doubles a point.

With it every flush is written here first and sent from here, and its files go when InfluxDB has
acknowledged them. A file holds the very bytes that are sent (gzip), so that a batch which was
written but not acknowledged is written again with the same timestamps, which counts once.

A flush is a folder, `SEQUENCE/NUMBER-KIND-POINTS.lp.gz`, filled beside (`SEQUENCE.new`) and
renamed: after a kill either all of it is there or nothing, so that talkers always equal traffic.
Nothing is fsynced: the kernel keeps what a killed process wrote, and a power failure costs the
open windows anyway; a file that it tore is found by gzip's checksum and set aside.
"""

import errno
import fcntl
import gzip
import logging
import re
import shutil
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flowsleuth.config import Config
from flowsleuth.errors import ServiceError
from flowsleuth.schema import Kept

log = logging.getLogger("flowsleuth.write")

GZIP_LEVEL = 1
"""A fifth of the CPU time of the client's own level 9, for a tenth more bytes."""

BLOCK = 4096
"""Files and folders are counted in whole blocks of this size, as file systems hold them."""

DAMAGED_KEPT = 16
"""Damaged files set aside for whoever wants to look; beyond that the oldest goes."""

LOCK, DAMAGED, BESIDE = "lock", "damaged", ".new"

_GROUP = re.compile(r"\d{12,}")
_FILE = re.compile(rf"(\d+)-({'|'.join(kept.value for kept in Kept)})-(\d+)\.lp\.gz")


class Damaged(Exception):
    """A spool file is not what was written: its text says why."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A batch as it is sent and stored: line protocol in gzip, and how many points it has."""

    kept: Kept
    points: int
    data: bytes

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return blocks(len(self.data))

    def lines(self) -> list[bytes]:
        """Return the lines; raises OSError, EOFError or zlib.error where `data` is damaged."""
        return gzip.decompress(self.data).split(b"\n")


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch in the spool. size: bytes on disk, in whole blocks."""

    kept: Kept
    points: int
    size: int
    path: Path


def blocks(size: int) -> int:
    """Return the bytes that a file of `size` bytes takes on disk."""
    return max(-(-size // BLOCK), 1) * BLOCK


def pack(kept: Kept, lines: Sequence[bytes]) -> Packed:
    """Return lines as they are sent: the same lines always give the same bytes."""
    return Packed(kept, len(lines), gzip.compress(b"\n".join(lines), GZIP_LEVEL, mtime=0))


class Spool:
    """The spool of one ingester in a folder of its own; one process at a time.

    directory: made where it lacks. limit: bytes on disk at most; whoever stores sees to it
    (`room_for`). `size` is what is used, `waiting` what an earlier process left, in order.
    Raises ServiceError where the folder cannot be used, or another process uses it.
    """

    def __init__(self, directory: Path, limit: int) -> None:
        self.directory = directory
        self.limit = limit
        self.size = 0
        self._groups: Counter[Path] = Counter()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = (directory / LOCK).open("wb")
            self._take_lock()
            groups = sorted(filter(_is_group, directory.iterdir()), key=_number)
            self._next = 1 + max(map(_number, groups), default=0)
            self.waiting = tuple(self._find(groups))
        except OSError as error:
            raise ServiceError(
                f"{error.filename or directory}: {error.strerror}; "
                "state_dir must be a folder that the ingester may write"
            ) from None

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise ServiceError(
                f"{self.directory} is in use by another process: each ingester on one state_dir "
                "needs a name of its own (ingester)"
            ) from None

    def _find(self, groups: Sequence[Path]) -> Iterator[Stored]:
        """Yield what is there in the order in which it was stored; remove what is half written."""
        for path in self.directory.glob(f"*{BESIDE}"):
            shutil.rmtree(path)
        for group in groups:
            found = [(m, path) for path in group.iterdir() if (m := _FILE.fullmatch(path.name))]
            if not found:
                with suppress(OSError):  # somebody else's file is in it: it is theirs
                    group.rmdir()
                continue
            self.size += BLOCK
            for match, path in sorted(found, key=lambda pair: int(pair[0][1])):
                size = blocks(path.stat().st_size)
                self.size += size
                self._groups[group] += 1
                yield Stored(Kept(match[2]), int(match[3]), size, path)

    def room_for(self, batches: Sequence[Packed]) -> bool:
        """Return whether these may be stored as one flush without passing the limit."""
        return self.size + _size(batches) <= self.limit

    def store(self, batches: Sequence[Packed]) -> list[Stored]:
        """Put a flush on disk, all of it or nothing; raises OSError (a full disk)."""
        group = self.directory / f"{self._next:012d}"
        beside = group.with_name(group.name + BESIDE)
        self._next += 1
        names = [f"{i:03d}-{b.kept.value}-{b.points}.lp.gz" for i, b in enumerate(batches)]
        try:
            beside.mkdir()
            for name, batch in zip(names, batches, strict=True):
                (beside / name).write_bytes(batch.data)
            beside.rename(group)
        except OSError:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        self._groups[group] = len(batches)
        self.size += _size(batches)
        return [
            Stored(batch.kept, batch.points, batch.size, group / name)
            for name, batch in zip(names, batches, strict=True)
        ]

    def read(self, stored: Stored) -> tuple[Packed, list[bytes]]:
        """Return a batch as it was stored, and its lines; raises Damaged."""
        try:
            packed = Packed(stored.kept, stored.points, stored.path.read_bytes())
            lines = packed.lines()
        except OSError as error:  # gzip.BadGzipFile is one
            raise Damaged(error.strerror or str(error)) from None
        except (EOFError, zlib.error) as error:
            raise Damaged(str(error)) from None
        if len(lines) != stored.points:
            raise Damaged(f"{len(lines)} points instead of {stored.points}")
        return packed, lines

    def remove(self, stored: Stored) -> None:
        """Let go of a batch that is settled or given up."""
        try:
            stored.path.unlink(missing_ok=True)
        except OSError as error:
            # Sent again at the next start, which changes nothing.
            log.warning("%s: cannot be removed: %s", stored.path, error.strerror)
        self._forget(stored)

    def set_aside(self, stored: Stored, reason: str) -> None:
        """Move a damaged file out of the way, and say so."""
        folder = self.directory / DAMAGED
        aside = folder / f"{stored.path.parent.name}-{stored.path.name}"
        log.warning(
            "%s is damaged (%s): %d points are lost; set aside as %s",
            stored.path,
            reason,
            stored.points,
            aside,
        )
        try:
            folder.mkdir(exist_ok=True)
            stored.path.replace(aside)
            for old in sorted(folder.iterdir())[:-DAMAGED_KEPT]:
                old.unlink()
        except OSError as error:
            log.warning("%s: cannot be set aside: %s", stored.path, error.strerror)
        self._forget(stored)

    def _forget(self, stored: Stored) -> None:
        group = stored.path.parent
        self.size -= stored.size
        self._groups[group] -= 1
        if not self._groups[group]:
            del self._groups[group]
            self.size -= BLOCK
            with suppress(OSError):
                group.rmdir()

    def close(self) -> None:
        """Let another process use it."""
        self._lock.close()


def spool_folder(state_dir: Path, name: str) -> Path:
    """Return where the spool of an ingester or worker is."""
    return state_dir / f"spool-{name}"


def open_spool(config: Config, name: str = "") -> Spool | None:
    """Return the spool of an ingester, None without a state_dir; raises ServiceError.

    name: of whom the spool is, if not the ingester's (a worker's).
    """
    if config.state_dir is None:
        return None
    folder = spool_folder(Path(config.state_dir), name or config.ingester)
    return Spool(folder, config.spool)


def _size(batches: Sequence[Packed]) -> int:
    """Return the bytes on disk of a flush: its files and their folder."""
    return sum((batch.size for batch in batches), BLOCK if batches else 0)


def _is_group(path: Path) -> bool:
    return _GROUP.fullmatch(path.name) is not None


def _number(group: Path) -> int:
    return int(group.name)


def is_full(error: OSError) -> bool:
    """Return whether an error says that the disk, or the share of it that one has, is full."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}
