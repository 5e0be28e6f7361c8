"""Send datagrams again, at the pace of their times or another.

Each source of the capture gets a UDP socket of its own, so that exporters stay apart by source
port at the collector (all have this machine's address); sockets are bounded, and further sources
share them. Datagrams that are due at nearly the same time go out together: sleeping for less than
a millisecond costs more than it orders.
"""

import errno
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowsleuth.errors import ServiceError
from flowsleuth.receive.datagrams import NO_RECEIPT, Datagrams
from flowsleuth.receive.sockets import listen_text

MAX_SOCKETS = 256
"""Most source ports used at once; well below the usual limit of 1 024 open files."""

FASTEST_PER_SECOND = 20_000
"""Datagrams/s at `speed` 0: some 600 000 flows/s. Beyond, an ordinary receive buffer overflows on
loopback, and a replay that loses datagrams shows nothing."""

_LONGEST_PAUSE_NS = 3_600 * 1_000_000_000
"""A gap longer than this lies between two captures, not within one: go on at once."""

_WORTH_SLEEPING_NS = 1_000_000


@dataclass(slots=True)
class Sent:
    """What a replay did.

    datagrams, bytes: sent. refused: of these, answered with "port unreachable", nothing listened.
    unsent: left out, longer than UDP takes.
    """

    datagrams: int = 0
    bytes: int = 0
    refused: int = 0
    unsent: int = 0


class Replay:
    """Sends batches to one endpoint; `speed` 1 is the recorded pace, N times that, 0 the fastest.

    Raises ServiceError where the endpoint cannot be found or reached.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        speed: float = 1.0,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Resolve the endpoint; the clock and the sleep are the tests' business."""
        self.sent = Sent()
        self._to = listen_text(host, port)
        self._speed = speed
        self._clock_ns = clock_ns
        self._sleep = sleep
        self._sockets: dict[int, socket.socket] = {}
        self._origin: tuple[int, int] | None = None
        self._previous = NO_RECEIPT
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except (socket.gaierror, OverflowError, UnicodeError) as error:
            raise ServiceError(f"{self._to}: cannot be resolved ({error})") from error
        self._family, self._address = found[0], found[4]

    def send(self, batch: Datagrams, times_ns: npt.NDArray[np.int64]) -> None:
        """Send a batch when it is due; times_ns: int64 (n,), of each datagram, or NO_RECEIPT."""
        due = times_ns.tolist()
        for i, source in enumerate(batch.source.tolist()):
            self._wait(due[i])
            self._one(source, batch.payload(i))

    def close(self) -> None:
        """Close the sockets; what was refused last is counted."""
        for sock in self._sockets.values():
            pending = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.sent.refused += pending == errno.ECONNREFUSED
            sock.close()
        self._sockets = {}

    def _wait(self, time_ns: int) -> None:
        now = self._clock_ns()
        if self._speed == 0:
            count = self.sent.datagrams + self.sent.unsent
            time_ns, speed = count * (1_000_000_000 // FASTEST_PER_SECOND), 1.0
        else:
            speed = self._speed
            if time_ns == NO_RECEIPT:
                return
        gap = time_ns - self._previous
        self._previous = time_ns
        if self._origin is None or not -_WORTH_SLEEPING_NS < gap <= _LONGEST_PAUSE_NS:
            self._origin = (now, time_ns)
            return
        began, first = self._origin
        ahead = began + int((time_ns - first) / speed) - now
        if ahead > _WORTH_SLEEPING_NS:
            self._sleep(ahead / 1e9)

    def _one(self, source: int, payload: bytes) -> None:
        place = source % MAX_SOCKETS
        try:
            sock = self._sockets.get(place)
            if sock is None:
                sock = self._sockets[place] = socket.socket(self._family, socket.SOCK_DGRAM)
                sock.connect(self._address)
            try:
                sock.send(payload)
            except ConnectionRefusedError:
                # It answers to the datagram before, and kept this one from being sent.
                self.sent.refused += 1
                sock.send(payload)
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise ServiceError(f"{self._to}: cannot be reached ({error.strerror})") from error
            self.sent.unsent += 1
        else:
            self.sent.datagrams += 1
            self.sent.bytes += len(payload)
