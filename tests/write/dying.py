"""A program whose children write flushes until they are killed; started by test_killed.py.

Starting Python takes longer than an episode, so one process imports everything and forks. It reads
a line of JSON for each episode and prints `pid N`, `committed I` for each flush, and `ended`.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from flowsleuth.config import Influx
from flowsleuth.write.influx import InfluxWriter
from flowsleuth.write.spool import Spool

PER_EPISODE = 3
"""So many flushes in an episode, each of three requests."""

LIMIT = 2**26
"""Never reached: each flush takes four blocks."""

QUICK = {"retry_interval": 0.005, "total": 2, "max_retry_delay": 0.02, "max_retry_time": 2}


def value(flush: int) -> int:
    """Return the bytes of a flush in `traffic`; those of its talkers have the same sum."""
    return 1 + (flush * 2_654_435_761) % 1_000_003


def tables(flush: int, begin_ns: int) -> Iterator[tuple[str, list[bytes]]]:
    """Yield (measurement, lines) of a flush: three requests with three lines each at most."""
    whole, at = value(flush), begin_ns + flush
    parts = [whole // 5] * 4 + [whole - whole // 5 * 4]
    both = enumerate((whole // 3, whole - whole // 3))
    yield "traffic", [b"traffic,network=%d bytes=%di %d" % (i, part, at) for i, part in both]
    yield "talkers", [b"talkers,port=%d bytes=%di %d" % (*p, at) for p in enumerate(parts)]


def write(url: str, folder: str, episode: int, begin_ns: int, fuse_s: float) -> None:
    """Commit flush after flush until somebody kills this process."""
    if fuse_s:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends it like SIGKILL, wherever it is
        signal.setitimer(signal.ITIMER_REAL, fuse_s)
    settings = Influx.model_validate({"url": url, "org": "o", "batch_points": 3})
    spool = Spool(Path(folder), LIMIT)
    writer = InfluxWriter(settings, spool=spool, pause_s=0.01, retries=QUICK)
    for flush in range(episode * PER_EPISODE, (episode + 1) * PER_EPISODE):
        for measurement, lines in tables(flush, begin_ns):
            writer.submit(measurement, lines)
        writer.commit()
        os.write(1, b"committed %d\n" % flush)
    signal.pause()


def main() -> None:
    """Run an episode for each line of stdin."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            os.write(1, b"pid %d\n" % os.getpid())
            write(**json.loads(line))
        os.waitpid(pid, 0)
        os.write(1, b"ended\n")


if __name__ == "__main__":
    main()
