"""Several workers in one ingester: processes that share a port and nothing else.

Each worker is a whole collector with exporters of its own, to which the kernel steers (see
receive/steering.py). The parent holds the sockets and receives nothing: when a worker dies, its
datagrams wait in the kernel until it is there again, and the others never notice.

Processes and not threads, since decoding in Python holds the interpreter's lock; spawned and not
forked, since NumPy has threads which a fork would tear.
"""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from multiprocessing.context import SpawnProcess

from flowsleuth.errors import FlowSleuthError, ServiceError
from flowsleuth.health.slate import Slate
from flowsleuth.pipeline.reload import refusal
from flowsleuth.receive.sockets import Bound, kernel_drops

log = logging.getLogger(__name__)

STOP = (signal.SIGTERM, signal.SIGINT)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Before a worker is started again: doubles while it dies at once."""

STEADY_S = 60.0
"""A worker that lived so long has not died at once."""

RELOAD = signal.SIGHUP

WAIT_S = 0.2
"""How soon the parent sees that it shall stop or reload, or that a pause is over."""

CANNOT = os.EX_CONFIG
"""Exit status of a worker which said what the user has to mend."""

_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker is given: its number of how many, its sockets, and its slate."""

    worker: int
    workers: int
    bound: tuple[Bound, ...]
    slate: Slate


Work = Callable[[Place], None]
"""What a worker does until it is told to stop: a function that pickle can name."""


def until_told(stop: Callable[[], None], reload: Callable[[], None]) -> None:
    """Have `stop` called at SIGTERM, at SIGINT, and when the parent of a worker is gone.

    `reload` is called at SIGHUP.
    """
    for number in STOP:
        signal.signal(number, lambda *_: stop())
    signal.signal(RELOAD, lambda *_: reload())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*STOP, RELOAD))
    if _held.is_set():
        reload()
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            stop()

        threading.Thread(target=watch, name="parent", daemon=True).start()


_held = threading.Event()
"""Set by a SIGHUP that came while nobody could reload yet."""


def hold_reload() -> None:
    """Let a SIGHUP wait until `until_told` says what it does, instead of ending the process.

    A mask would not do: the threads that NumPy has started by now would take the signal.
    """
    _held.clear()
    signal.signal(RELOAD, lambda *_: _held.set())


class Workers:
    """Starts the workers, starts again those that die, tells them to reload, and stops all of them.

    sockets: [worker][endpoint], bound; closed at the end. slates: one for each worker, wiped when
    it dies. renew: returns the work of workers that start after a reload; raises FlowSleuthError
    where the configuration is wrong, and then none of them reloads.
    """

    def __init__(
        self,
        work: Work,
        sockets: Sequence[Sequence[socket.socket]],
        slates: Sequence[Slate],
        renew: Callable[[], Work],
    ) -> None:
        self._renew = renew
        self._reload_wanted = False
        self._workers = [
            _Worker(work, number, len(sockets), own, slate)
            for number, (own, slate) in enumerate(zip(sockets, slates, strict=True))
        ]
        self._stopping = False

    def stop(self) -> None:
        """End `run` soon; may be called by a signal handler."""
        self._stopping = True

    def reload(self) -> None:
        """Have all workers reload soon; may be called by a signal handler."""
        self._reload_wanted = True

    def run(self) -> None:
        """Work until `stop`, then wait until every worker has written what it holds.

        Raises ServiceError where a worker cannot start, or did not end well.
        """
        try:
            while not self._stopping:
                if self._reload_wanted:
                    self._reload()
                for worker in self._workers:
                    worker.tend()
                connection.wait([s for w in self._workers for s in w.sentinels()], WAIT_S)
        finally:
            for worker in self._workers:
                worker.tell()
            failed = [worker.name for worker in self._workers if not worker.ended_well()]
        if failed:
            raise ServiceError(f"{', '.join(failed)} did not end well; the log says why")

    def _reload(self) -> None:
        self._reload_wanted = False
        try:
            work = self._renew()
        except FlowSleuthError as error:
            log.error("%s", refusal(error))  # noqa: TRY400  the user's to mend: one line
            return
        for worker in self._workers:
            worker.renew(work)


class _Worker:
    """One worker's process, and the next one where it died."""

    def __init__(
        self,
        work: Work,
        number: int,
        workers: int,
        sockets: Sequence[socket.socket],
        slate: Slate,
    ) -> None:
        self.name = f"worker {number}"
        self._work = work
        self._number = number
        self._workers = workers
        self._sockets = sockets
        self._slate = slate
        self._dropped = [kernel_drops(sock) for sock in sockets]
        self._process: SpawnProcess | None = None
        self._status = 0
        self._began = self._start_at = 0.0
        self._pause = FIRST_PAUSE_S
        self._proven = False

    def sentinels(self) -> list[int]:
        """Return what becomes ready when the process ends."""
        return [] if self._process is None else [self._process.sentinel]

    def tend(self) -> None:
        """Start the process when it is time; note when it has died."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._start_at:
                self._start(now)
        elif not self._process.is_alive():
            self._note_end(self._process, now)

    def _start(self, now: float) -> None:
        bound = tuple(map(Bound, self._sockets, self._dropped))
        place = Place(self._number, self._workers, bound, self._slate)
        self._began = now
        self._process = _SPAWN.Process(
            target=_begin, args=(self._work, place), name=self.name, daemon=True
        )
        with _signals_held():
            self._process.start()
        log.info("%s is process %d", self.name, self._process.pid)

    def _note_end(self, process: SpawnProcess, now: float) -> None:
        self._end(process)
        if self._status == CANNOT and not self._proven:
            raise ServiceError(f"{self.name} cannot start; its last line says why")
        self._proven = True
        if now - self._began >= STEADY_S:
            self._pause = FIRST_PAUSE_S
        log.error("%s %s; again in %g s", self.name, _how(self._status), self._pause)
        self._start_at = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
        # What the kernel drops from now on, only the next process can tell.
        self._dropped = [kernel_drops(sock) for sock in self._sockets]

    def _end(self, process: SpawnProcess) -> None:
        process.join()
        self._status = process.exitcode or 0
        process.close()
        self._process = None
        self._slate.wipe()

    def renew(self, work: Work) -> None:
        """Tell the process to reload; one that is started later does this work at once."""
        self._work = work
        if self._process is not None and self._process.pid is not None:
            os.kill(self._process.pid, RELOAD)

    def tell(self) -> None:
        """Tell the process to stop; while it is starting, the signal waits for it."""
        if self._process is not None:
            self._process.terminate()

    def ended_well(self) -> bool:
        """Wait for the end, let go of the sockets, and say whether all was written."""
        if self._process is not None:
            self._end(self._process)
            if self._status:
                log.error("%s %s", self.name, _how(self._status))
        for sock in self._sockets:
            sock.close()
        return self._status == 0


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let a process that starts inherit that signals wait until it can obey (`until_told`)."""
    # Its own start would let the signals through again (before Python 3.13).
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*STOP, RELOAD))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(work: Work, place: Place) -> None:
    """Run in the worker's process."""
    try:
        work(place)
    except FlowSleuthError as error:
        log.error("%s", error)  # noqa: TRY400  the user's to mend: one line
        sys.exit(CANNOT)


def _how(status: int) -> str:
    """Say how a process ended."""
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with exit status {status}"
