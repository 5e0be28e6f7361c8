"""What the tests of the archive share: datagrams with all that must come back, and an archive."""

import numpy as np

from flowsleuth.receive.archive import Archive
from flowsleuth.receive.archive_files import SLOT_NS
from flowsleuth.receive.archive_folder import ArchiveFolder
from flowsleuth.receive.datagrams import Datagrams, Sources
from flowsleuth.receive.files import read

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
BEGIN = 1_795_376_700 * SECOND
"""2026-11-22 19:45:00 UTC: the beginning of five minutes."""

NAME = "202611221945.0.pcap.zst"
LARGE = 1 << 50

ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "255.255.255.255")


def made(count, seed=0, step_ns=SECOND, begin_ns=BEGIN, longest=1_400):
    """[(address, port, received_ns, payload)], in order of receipt."""
    rng = np.random.default_rng(seed)
    return [
        (
            ADDRESSES[int(rng.integers(len(ADDRESSES)))],
            int(rng.integers(65_536)),
            begin_ns + i * step_ns + int(rng.integers(step_ns)),
            rng.bytes(int(rng.integers(longest + 1))),
        )
        for i in range(count)
    ]


def batched(items, size=100, sources=None):
    """The same as batches."""
    sources = sources or Sources()
    return [
        Datagrams.pack(
            [(payload, sources.number(a, port), at) for a, port, at, payload in part], sources
        )
        for part in (items[i : i + size] for i in range(0, len(items), size))
    ]


def gathered(*paths, **options):
    """What `files.read` gives back, as `made` has it."""
    sources, found = Sources(), []
    for batch in read([str(path) for path in paths], sources, **options):
        for i in range(len(batch)):
            source = sources.table[batch.source[i]]
            found.append((source.address, source.port, int(batch.received_ns[i]), batch.payload(i)))
    return found


class Clock:
    """Tells what it was told last."""

    def __init__(self, now=BEGIN):
        self.now = now

    def __call__(self):
        return self.now


def opened(folder, clock=None, keep_ns=14 * DAY, most=LARGE, **place):
    """An archive that has started."""
    archive = Archive(ArchiveFolder(folder, keep_ns, most, **place), clock or Clock())
    archive.start()
    return archive


def archived(folder, items, size=100, **options):
    """Archive all of it, and close; returns the totals."""
    archive = opened(folder, **options)
    for batch in batched(items, size):
        archive.add(batch)
    archive.close()
    return archive.totals()


def names(folder):
    """The names of all files but the locks."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def slots(items):
    """The items of each five minutes."""
    found = {}
    for item in items:
        found.setdefault(item[2] // SLOT_NS, []).append(item)
    return list(found.values())
