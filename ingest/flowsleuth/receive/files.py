"""Capture files, bare datagrams, folders and stdin as batches of datagrams.

A file is streamed: whatever its length, memory holds one batch, one chunk and what fragments wait.
What is wrong with a file is raised only after all that lies before it was handed out, so that a
cut capture still gives its points, and the user learns where it ends.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from flowsleuth.errors import InputError
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
    batch: int = BATCH,
    on_progress: Progress | None = None,
    tally: Tally | None = None,
) -> Iterator[Datagrams]:
    """Yield the datagrams of `paths`, in order, in batches of up to `batch`.

    A path is a file, '-' (stdin) or a folder, which is its files by name. Datagrams of a capture
    have (exporter address, UDP source port) as source and the packet's time as received_ns; bare
    ones ('', 0), one source for all, and NO_RECEIPT. `on_progress` gets the bytes of the files as
    they are read, in total `total_bytes(paths)`; `tally` is added to. Raises InputError: before
    anything is read where a path does not exist, else after all that lies before the fault.
    """
    tally = tally if tally is not None else Tally()
    pending: list[_Item] = []
    held = 0
    try:
        for path in expand(paths):
            with Stream(path, on_progress) as stream:
                for item in _datagrams(stream, sources, tally):
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


def total_bytes(paths: Sequence[str]) -> int | None:
    """Return the bytes of all files as they lie on the disk; None where stdin or a pipe is one.

    Raises InputError where a path does not exist.
    """
    total = 0
    for path in expand(paths):
        if path == STDIN or not Path(path).is_file():
            return None
        total += Path(path).stat().st_size
    return total


def expand(paths: Sequence[str]) -> list[str]:
    """Replace folders by their files, by name; hidden files and folders within are left out.

    Raises InputError where a path does not exist or a folder has no file.
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
        files = [str(place / name) for name in names if not name.startswith(".")]
        if not files:
            raise InputError(f"{path}: no file in this folder (folders within are not searched)")
        found.extend(files)
    return found


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
