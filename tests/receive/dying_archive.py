"""A program whose children archive until they are killed; started by test_archive_killed.py.

Starting Python takes longer than an episode, so one process imports everything and forks. It reads
a line of JSON for each episode and prints `pid N`, and `ended` when the child is dead.
"""

import json
import os
import signal
import sys
import time
from itertools import count
from pathlib import Path

from archives import BEGIN, DAY, LARGE, SECOND, Clock

from flowsleuth.receive import archive as archive_module
from flowsleuth.receive.archive import Archive
from flowsleuth.receive.archive_folder import ArchiveFolder
from flowsleuth.receive.datagrams import Datagrams, Sources

PER_BATCH = 20
STEP_NS = SECOND


def datagram(number: int) -> tuple[bytes, int]:
    """The payload and receipt of the archive's datagram of this number."""
    seed = number * 2_654_435_761 % 2**32
    return seed.to_bytes(4) * (number % 300), BEGIN + number * STEP_NS


def write(folder: str, first: int, fuse_s: float) -> None:
    """Archive datagram after datagram until somebody kills this process."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends it like SIGKILL, wherever it is
    signal.setitimer(signal.ITIMER_PROF, fuse_s)  # by CPU time: a busy machine changes nothing
    archive_module.FRAME_BYTES = 5_000
    clock, sources = Clock(), Sources()
    source = sources.number("192.0.2.1", 2055)
    archive = Archive(ArchiveFolder(Path(folder), 1000 * DAY, LARGE), clock)
    archive.start()
    for number in count(first, PER_BATCH):
        items = [datagram(i) for i in range(number, number + PER_BATCH)]
        archive.add(Datagrams.pack([(p, source, at) for p, at in items], sources))
        clock.now = items[-1][1]
        while archive._put > archive._got:
            time.sleep(0.0005)


def main() -> None:
    """Run an episode for each line of stdin."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            write(**json.loads(line))
        os.waitpid(pid, 0)
        os.write(1, b"ended\n")


if __name__ == "__main__":
    main()
