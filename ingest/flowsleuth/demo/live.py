"""The live part: the real `flowsleuth collect` as a process, and exporters that send to it.

Each exporter sends from the loopback address and port that the history names, so the collector
takes both for the same. Where an address of 127.0.0.0/8 cannot be had (not Linux), or the port is
taken, it sends from what the system gives.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from flowsleuth.errors import ServiceError
from flowsleuth.receive.datagrams import Datagrams, Source

READY_LIMIT_S, END_LIMIT_S = 90, 60
READY = "listening on"
"""What `collect` logs when it receives; that it can write, it has logged before."""


def flowsleuth(*arguments: str | Path) -> list[str]:
    """Return the command that runs this very FlowSleuth."""
    return [sys.executable, "-m", "flowsleuth", *map(str, arguments)]


def free_udp_port() -> int:
    """Return a UDP port of 127.0.0.1 that is free just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


class Collect:
    """`flowsleuth collect -c CONFIG` while the block lasts; at its end it writes what it holds.

    Raises ServiceError when it does not come up or does not end well, with its last words.
    """

    def __init__(self, config: Path, log: Path) -> None:
        self._config, self._log = config, log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C is for the demo, which ends this one in its turn.
            self._process = subprocess.Popen(  # noqa: S603  this very program
                flowsleuth("collect", "-c", self._config),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            self._wait(self._process)
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Return when it is ready."""
        deadline = time.monotonic() + READY_LIMIT_S
        while READY not in self._log.read_text(errors="replace"):
            if time.monotonic() > deadline or process.poll() is not None:
                raise ServiceError(f"collect does not come up: {self._last_words()}")
            time.sleep(0.05)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            status = self._process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status and kind is None:
            raise ServiceError(f"collect ended with {status}: {self._last_words()}")

    def check(self) -> None:
        """Raise ServiceError if it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise ServiceError(f"collect has ended: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it says nothing"


class Exporters:
    """UDP sockets, one per source, that send to 127.0.0.1:port; a context manager."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._sockets: dict[Source, socket.socket] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._sockets.values():
            sock.close()

    def send(self, batch: Datagrams) -> None:
        """Send a batch at once."""
        for i, source in enumerate(batch.source.tolist()):
            self._socket(batch.sources.table[source]).sendto(batch.payload(i), self._to)

    def _socket(self, source: Source) -> socket.socket:
        if source not in self._sockets:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._sockets[source] = sock
            try:
                sock.bind((source.address, source.port))
            except OSError:
                sock.bind(("127.0.0.1", 0))
        return self._sockets[source]


def at_real_pace(
    until: Callable[[int], Datagrams],
    send: Callable[[Datagrams], None],
    seconds: float,
) -> None:
    """Twice a second send what is due; `until` as `Site.until`. Ends after `seconds`."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        send(until(time.time_ns()))
        time.sleep(min(0.5, left))
