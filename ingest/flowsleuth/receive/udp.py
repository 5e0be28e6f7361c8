"""The UDP receiver: one thread that empties the sockets into rows and hands out batches.

It does nothing else, so that a long aggregation does not cost datagrams: the system calls release
the interpreter's lock, and a burst is one of them. After a burst it naps, which collects more
datagrams for the next one; how long depends on what the kernel's buffer holds.

Batches wait in a queue of bounded length. When it is full, the thread stops reading, and datagrams
wait in the kernel's buffer, then are dropped there, where they are counted per socket like any
other overrun: one place and one number for "too slow", and what was received is never thrown away.
"""

import select
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from flowsleuth.receive.datagrams import Datagrams, Sources
from flowsleuth.receive.rows import Rows
from flowsleuth.receive.sockets import Bound, Buffer, bind_all, kernel_drops, widen

RECEIVE_BUFFER = 16 * 1024 * 1024
"""Bytes of kernel buffer to ask for: some 0.3 s at 40 000 datagrams/s (shared/speed.md)."""

BATCH = 2_048
"""Datagrams of a batch at most."""

BATCH_SECONDS = 0.2
"""A batch also closes so long after its first datagram, that little traffic is not late."""

QUEUE = 16
"""Batches that wait for the decoder at most: some 48 MB of ordinary datagrams."""

_NAP_SECONDS = 0.005
_NAP_BUFFER = 4 * 1024 * 1024
"""This nap for a buffer of so many bytes (90 ms at 40 000 datagrams/s), less for a smaller one."""

_LAST_BATCHES = 64
"""Most batches that are still taken from a socket at the stop, lest a busy exporter keep us."""

_POLL_SECONDS = 0.1
"""How soon the thread notices that it shall stop."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What moved since the start: counters, and the buffer of each socket."""

    datagrams: int
    bytes: int
    kernel_drops: int
    buffers: tuple[Buffer, ...]


class UdpReceiver:
    """Listens on UDP endpoints; `start`, then `batches` again and again, then `stop`.

    After `stop`, `batches` gives what was received before, then None for good.
    """

    def __init__(
        self,
        listen: Sequence[tuple[str, int]],
        sources: Sources,
        *,
        receive_buffer: int = RECEIVE_BUFFER,
        batch: int = BATCH,
        batch_seconds: float = BATCH_SECONDS,
        queue: int = QUEUE,
        one_by_one: bool = False,
        bound: Sequence[Bound] = (),
    ) -> None:
        """Remember what to do; nothing is opened before `start`. Port 0 takes a free port.

        bound: sockets to receive on instead of binding any to `listen`.
        """
        self._listen = tuple(listen)
        self._given = tuple(bound)
        self._receive_buffer = receive_buffer
        self._batch_seconds = batch_seconds
        self._rows = Rows(batch, sources, one_by_one=one_by_one)
        self._opened_ns = 0
        self._sockets: list[socket.socket] = []
        self._buffers: tuple[Buffer, ...] = ()
        self._ready: SimpleQueue[Datagrams] = SimpleQueue()
        self._places = threading.Semaphore(queue)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="receive", daemon=True)
        self._failure: BaseException | None = None
        self._datagrams = 0
        self._bytes = 0
        self._dropped: dict[int, int] = {}
        self._kernel_drops = 0

    def start(self) -> None:
        """Bind and begin to receive; raises ConfigError or ServiceError (see `bind_all`)."""
        if self._given:
            self._sockets = [given.sock for given in self._given]
            self._dropped = {given.sock.fileno(): given.dropped for given in self._given}
        else:
            self._sockets = bind_all(self._listen)
        self._buffers = tuple(widen(sock, self._receive_buffer) for sock in self._sockets)
        self._thread.start()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The endpoints that are bound, with the ports that the system chose for 0."""
        return [sock.getsockname()[:2] for sock in self._sockets]

    def batches(self, timeout: float) -> Datagrams | None:
        """Return the next batch, None where none came within `timeout` seconds."""
        try:
            found = self._ready.get(timeout=timeout) if timeout > 0 else self._ready.get_nowait()
        except Empty:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure from None
            return None
        self._places.release()
        return found

    def stop(self) -> None:
        """Take what waits in the kernel, close the last batch and the sockets."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._count_drops()
        for sock in self._sockets:
            sock.close()
        self._sockets = []

    def statistics(self) -> Statistics:
        """Return the counters and buffers as of now."""
        self._count_drops()
        return Statistics(self._datagrams, self._bytes, self._kernel_drops, self._buffers)

    def buffer_advice(self) -> str | None:
        """Return one line on what to do where the kernel gave less buffer than asked, else None."""
        short = [buffer for buffer in self._buffers if buffer.obtained < buffer.asked]
        if not short:
            return None
        worst = min(short, key=lambda buffer: buffer.obtained)
        return (
            f"{worst.listen}: receive buffer of {worst.obtained // 1024} KiB instead of "
            f"{worst.asked // 1024} KiB, bursts may be lost; "
            f"`sysctl -w net.core.rmem_max={worst.asked}` (as root, and in /etc/sysctl.d) lifts "
            "the limit"
        )

    def _count_drops(self) -> None:
        for sock in self._sockets:
            told, number = kernel_drops(sock), sock.fileno()
            self._kernel_drops += (told - self._dropped.get(number, 0)) % 2**32
            self._dropped[number] = told

    def _run(self) -> None:
        try:
            self._receive()
        except BaseException as failure:  # noqa: BLE001 handed to the thread that asks for batches
            self._failure = failure

    def _receive(self) -> None:
        poller = select.poll()
        by_number = {sock.fileno(): sock for sock in self._sockets}
        for number in by_number:
            poller.register(number, select.POLLIN)
        smallest = min((buffer.obtained for buffer in self._buffers), default=0)
        nap = _NAP_SECONDS * min(1.0, smallest / _NAP_BUFFER)
        while not self._stopping.is_set():
            ready = poller.poll(self._patience_ms())
            napping = True
            for number, _ in ready:
                napping &= self._drain(by_number[number])
            self._close_batch_in_time()
            if ready and napping:
                time.sleep(nap)
        for sock in self._sockets:
            for _ in range(_LAST_BATCHES):
                if self._drain(sock):
                    break
        self._hand_over()

    def _patience_ms(self) -> int:
        """Return how long to wait for datagrams: not beyond the end of the batch's time."""
        if not self._rows.used:
            return int(_POLL_SECONDS * 1000)
        left = self._batch_seconds - (time.monotonic_ns() - self._opened_ns) / 1e9
        return max(0, int(min(left, _POLL_SECONDS) * 1000) + 1)

    def _drain(self, sock: socket.socket) -> bool:
        """Take what waits at a socket, a batch at most; return whether it is empty now."""
        if not self._rows.used:
            self._opened_ns = time.monotonic_ns()
        before = self._rows.used
        self._bytes += self._rows.receive(sock)
        self._datagrams += self._rows.used - before
        if self._rows.full:
            self._hand_over()
            return False
        return True

    def _close_batch_in_time(self) -> None:
        age_ns = time.monotonic_ns() - self._opened_ns
        if self._rows.used and age_ns >= self._batch_seconds * 1e9:
            self._hand_over()

    def _hand_over(self) -> None:
        """Queue the rows as a batch; waits for a place in the queue unless we are stopping."""
        if not self._rows.used:
            return
        while not self._stopping.is_set() and not self._places.acquire(timeout=_POLL_SECONDS):
            pass
        self._ready.put(self._rows.take())
