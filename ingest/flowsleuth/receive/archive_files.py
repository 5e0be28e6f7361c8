"""The archive's files: what they are called, what they hold, and which of them lie in a folder.

Five minutes by receipt of one worker are a pcap, a sequence of zstd frames (RFC 8878, 3) each of
which holds whole packets. So a file that was cut anywhere is mended by cutting it at the end of its
last whole frame: no byte has to be written, which is what a full disk and a killed process need.
Until it is finished, a file has a hidden name with `.part` behind it.

All files of an archive lie in one folder, so that every command that reads a folder reads it, and
names sort by time. Nothing else in that folder is ever touched.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path

from flowsleuth.receive.streams import CHUNK, ZSTD_MAGIC
from flowsleuth.receive.zstd import ZstdDecompressor, ZstdError

SLOT_NS = 300 * 1_000_000_000
"""What a file holds: datagrams received in five minutes from a multiple of them since the epoch."""

_SECOND_NS = 1_000_000_000
_NAME = re.compile(r"(\.?)(\d{12})(\d\d)?\.(\d{1,3})\.pcap\.zst(\.part)?")


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file of an archive. slot: its five minutes, receipt in ns // SLOT_NS; worker: whose it is.

    part: whether it is not finished.
    """

    path: Path
    slot: int
    worker: int
    part: bool

    @property
    def finished(self) -> Path:
        """Where the file is once it is finished."""
        return self.path.with_name(_plain(self.path.name))

    def touches(self, since_ns: int | None, until_ns: int | None) -> bool:
        """Whether the file may hold datagrams received in [since, until); None is no bound."""
        begin = self.slot * SLOT_NS
        late_enough = since_ns is None or begin + SLOT_NS > since_ns
        return late_enough and (until_ns is None or begin < until_ns)

    def size(self) -> int:
        """Return the bytes that it takes on the disk; 0 where it is gone."""
        try:
            return self.path.stat().st_blocks * 512
        except OSError:
            return 0


def archive_file(path: str | Path) -> ArchiveFile | None:
    """Return what a path says of a file of an archive, None where its name is none of one."""
    place = Path(path)
    match = _NAME.fullmatch(place.name)
    if match is None or bool(match[1]) != bool(match[5]):
        return None
    try:
        begin = datetime.strptime(match[2] + (match[3] or "00"), "%Y%m%d%H%M%S")  # noqa: DTZ007
    except ValueError:
        return None
    begin_ns = int(begin.replace(tzinfo=UTC).timestamp()) * _SECOND_NS
    return ArchiveFile(place, begin_ns // SLOT_NS, int(match[4]), bool(match[5]))


def find(folder: Path) -> list[ArchiveFile]:
    """Return the files of an archive in a folder, the oldest first; raises OSError."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    found = (archive_file(folder / name) for name in sorted(names, key=_plain))
    return [file for file in found if file is not None]


def new_part(folder: Path, received_ns: int, worker: int) -> ArchiveFile:
    """Return the file that a datagram begins, of a name that nobody has.

    It is that of its five minutes; where they have a file (from before a restart, or before the
    clock was set back), the name has the second too, or the first free one after it.
    """
    slot, received = received_ns // SLOT_NS, received_ns // _SECOND_NS
    names = chain(
        [_name(slot * SLOT_NS // _SECOND_NS, "%Y%m%d%H%M", worker)],
        (_name(second, "%Y%m%d%H%M%S", worker) for second in count(received)),
    )
    for name in names:
        part = folder / f".{name}.part"
        if not part.exists() and not (folder / name).exists():
            break
    return ArchiveFile(part, slot, worker, part=True)


def whole_frames(path: Path) -> int:
    """Return how many bytes the whole zstd frames take at the beginning of a file; raises OSError.

    Their checksums are verified.
    """
    whole = 0
    with path.open("rb") as file:
        for size in _frame_sizes(iter(lambda: file.read(CHUNK), b"")):
            whole += size
    return whole


def _frame_sizes(chunks: Iterator[bytes]) -> Iterator[int]:
    """Yield the packed size of each frame until one is damaged or cut."""
    rest = b""
    while True:
        engine = ZstdDecompressor()
        size = 0
        while not engine.eof:
            rest = rest or next(chunks, b"")
            if not rest or (not size and not rest.startswith(ZSTD_MAGIC[: len(rest)])):
                return
            try:
                engine.decompress(rest)
            except ZstdError:
                return
            size += len(rest)
            rest = engine.unused_data
        yield size - len(rest)


def _name(second: int, form: str, worker: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC).strftime(form)}.{worker}.pcap.zst"


def _plain(name: str) -> str:
    return name.removeprefix(".").removesuffix(".part")
