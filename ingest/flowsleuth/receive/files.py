"""Capture files, bare datagrams, folders and stdin as batches of datagrams.

A file is streamed: whatever its length, memory holds one batch, one chunk and what fragments wait.
What is wrong with a file is raised only after all that lies before it was handed out, so that a
cut capture still gives its points, and the user learns where it ends.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from flowsleuth.errors import InputError
from flowsleuth.receive.archive_files import ArchiveFile, archive_file
from flowsleuth.receive.bare import split
from flowsleuth.receive.captures import Packet, pcap_packets, pcapng_packets
from flowsleuth.receive.datagrams import NO_RECEIPT, Datagrams, Sources, address_text
from flowsleuth.receive.formats import Format, recognise
from flowsleuth.receive.frames import LINK_LAYERS, Frames, Tally
from flowsleuth.receive.streams import STDIN, Progress, Stream

BATCH = 2_000
"""Datagrams of a batch: from 200 on decoding gains little more (shared/speed.md)."""

BATCH_BYTES = 16 * 1024 * 1024
"""A batch also closes here, so that long datagrams take no more memory than short ones."""

_NAMED_SOURCES = 131_072
"""Most addresses whose text is remembered; a capture of forged ones starts afresh."""

_CONTAINERS = {Format.PCAP: pcap_packets, Format.PCAPNG: pcapng_packets}

_Item = tuple[bytes, int, int]


def read(
    paths: Sequence[str],
    sources: Sources,
    *,
    since_ns: int | None = None,
    until_ns: int | None = None,
    batch: int = BATCH,
    on_progress: Progress | None = None,
    tally: Tally | None = None,
) -> Iterator[Datagrams]:
    """Yield the datagrams of `paths`, in order, in batches of up to `batch`.

    A path is a file, '-' (stdin) or a folder, which is its files by name. Datagrams of a capture
    have (exporter address, UDP source port) as source and the packet's time as received_ns; bare
    ones ('', 0), one source for all, and NO_RECEIPT.

    since_ns, until_ns: only what was received in [since, until), ns since the epoch; files of an
    archive that hold nothing of it are not opened, all others are searched.
    `on_progress` gets the bytes of the files as they are read, in total `total_bytes(paths)`;
    `tally` is added to. Raises InputError: before anything is read where a path does not exist,
    else after all that lies before the fault.
    """
    tally = tally if tally is not None else Tally()
    chosen = _everything if since_ns is None and until_ns is None else _Range(since_ns, until_ns)
    pending: list[_Item] = []
    held = 0
    try:
        for path in expand(paths, since_ns, until_ns):
            for item in chosen(path, _of_file(path, sources, tally, on_progress)):
                tally.datagrams += 1
                pending.append(item)
                held += len(item[0])
                if len(pending) >= batch or held >= BATCH_BYTES:
                    yield Datagrams.pack(pending, sources)
                    pending, held = [], 0
    except InputError:
        if pending:
            yield Datagrams.pack(pending, sources)
        raise
    if pending:
        yield Datagrams.pack(pending, sources)


def total_bytes(
    paths: Sequence[str], since_ns: int | None = None, until_ns: int | None = None
) -> int | None:
    """Return the bytes of all files as they lie on the disk; None where stdin or a pipe is one.

    since_ns, until_ns: as in `read`. Raises InputError where a path does not exist.
    """
    total = 0
    for path in expand(paths, since_ns, until_ns):
        if path == STDIN or not Path(path).is_file():
            return None
        total += Path(path).stat().st_size
    return total


def expand(
    paths: Sequence[str], since_ns: int | None = None, until_ns: int | None = None
) -> list[str]:
    """Replace folders by their files, by name; leave out what an archive has of other times.

    Hidden files and folders within are left out, but for the files that an archive has not
    finished yet. Raises InputError where a path does not exist or a folder has no file.
    """
    found: list[str] = []
    for path in paths:
        place = Path(path)
        try:
            if path == STDIN or not place.is_dir():
                if path != STDIN:
                    place.stat()
                found.append(path)
                continue
            names = sorted(entry.name for entry in place.iterdir() if entry.is_file())
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise InputError(f"{path}: {reason}; give a capture file, a folder or -") from error
        files = sorted(filter(None, map(_readable_name, names)))
        if not files:
            raise InputError(f"{path}: no file in this folder (folders within are not searched)")
        found.extend(str(place / name) for _, name in files)
    return [path for path in found if _may_hold(path, since_ns, until_ns)]


def _readable_name(name: str) -> tuple[str, str] | None:
    """Return what to sort a file of a folder by, and its name; None where it is hidden."""
    archived = archive_file(name)
    if archived is not None:
        return archived.finished.name, name
    return None if name.startswith(".") else (name, name)


def _may_hold(path: str, since_ns: int | None, until_ns: int | None) -> bool:
    archived = None if path == STDIN else archive_file(path)
    return archived is None or archived.touches(since_ns, until_ns)


def _everything(_path: str, items: Iterator[_Item]) -> Iterator[_Item]:
    return items


class _Range:
    """Chooses the datagrams received in [since, until)."""

    def __init__(self, since_ns: int | None, until_ns: int | None) -> None:
        self._since = 0 if since_ns is None else since_ns
        self._until = 1 << 63 if until_ns is None else until_ns

    def __call__(self, path: str, items: Iterator[_Item]) -> Iterator[_Item]:
        """Yield the chosen ones; raises InputError where nobody knows when one was received."""
        since, until = self._since, self._until
        for item in items:
            if item[2] == NO_RECEIPT:
                raise InputError(
                    f"{'stdin' if path == STDIN else path}: its datagrams have no time of receipt, "
                    "by which --from and --to choose; give a capture, or leave them out"
                )
            if since <= item[2] < until:
                yield item


def _of_file(
    path: str, sources: Sources, tally: Tally, on_progress: Progress | None
) -> Iterator[_Item]:
    """Yield the datagrams of one file.

    An archive lives while it is read: its newest file may end anywhere, and the oldest may go.
    """
    archived = None if path == STDIN else archive_file(path)
    if archived is None:
        with Stream(path, on_progress) as stream:
            yield from _datagrams(stream, sources, tally)
        return
    try:
        with _open_archived(archived, on_progress) as stream:
            yield from _datagrams(stream, sources, tally)
    except InputError:
        if not archived.part and archived.path.exists():
            raise


def _open_archived(archived: ArchiveFile, on_progress: Progress | None) -> Stream:
    try:
        return Stream(str(archived.path), on_progress)
    except InputError:
        if not archived.part:
            raise
        return Stream(str(archived.finished), on_progress)  # it was finished a moment ago


def _datagrams(stream: Stream, sources: Sources, tally: Tally) -> Iterator[_Item]:
    """Yield the datagrams of one file, whatever was written one behind the other into it."""
    form = recognise(stream)
    while True:
        if form is Format.BARE:
            source = sources.number("", 0)
            for payload in split(stream):
                yield payload, source, NO_RECEIPT
        else:
            yield from _captured(stream, _CONTAINERS[form](stream), sources, tally)
        if stream.fault:
            raise stream.broken("the file ends")
        if not stream.peek(1):
            return
        form = recognise(stream)


def _captured(
    stream: Stream, packets: Iterator[Packet], sources: Sources, tally: Tally
) -> Iterator[_Item]:
    frames = Frames(tally)
    indices: dict[tuple[bytes, int], int] = {}
    unread: int | None = None
    understood = False
    try:
        for received_ns, link_type, frame in packets:
            if link_type not in LINK_LAYERS:
                unread = link_type
            else:
                understood = True
            found = frames.datagram(received_ns, link_type, frame)
            if found is None:
                continue
            address, port, payload = found
            index = indices.get((address, port))
            if index is None:
                if len(indices) >= _NAMED_SOURCES:
                    indices.clear()
                index = indices[address, port] = sources.number(address_text(address), port)
            yield payload, index, received_ns
    finally:
        frames.finish()
    if unread is not None and not understood:
        raise InputError(
            f"{stream.name}: link layer {unread} is not read "
            "(tcpdump.org/linktypes.html names it); capture on Ethernet, cooked, loopback or raw IP"
        )
