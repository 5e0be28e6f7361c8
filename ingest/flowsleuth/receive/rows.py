"""Rows of one array into which datagrams are received, many with one system call.

recvmmsg(2) through ctypes fills a row per datagram, and what the kernel writes beside it (length,
sender) lands in NumPy columns: no Python object per datagram, half the CPU of recvfrom in a loop
(bench/receive.py). Where libc has no recvmmsg, recvfrom_into fills the rows.

A row holds what comes over Ethernet; what a longer datagram has beyond it goes to its spill, which
costs address space, no memory, until used. Row and spill together hold the longest datagram that
UDP knows, so nothing is ever cut. The rows are used again and again: `take` copies them out, at the
width of the longest, which is cheaper than the page faults of fresh rows for each batch.
"""

import ctypes
import errno
import os
import socket
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from flowsleuth.receive.datagrams import Datagrams, Sources, address_text

WIDTH = 2_048
"""Bytes of a row: a UDP payload in an Ethernet frame is at most 1 472."""

LONGEST = 65_536
"""Bytes of row and spill together; UDP's length field has 16 bits (RFC 768)."""

_NAME = 28
"""sizeof(struct sockaddr_in6), the longest sender that there is."""

_KEY = {socket.AF_INET: 8, socket.AF_INET6: 24}
"""How many bytes of a sockaddr hold family, port and address; what is behind is not a sender's."""

_NAMED_SOURCES = 131_072
"""Most senders whose index is remembered; a flood of forged ones starts afresh."""

_IOVEC = np.dtype([("base", np.uintp), ("len", np.uintp)], align=True)
_MSGHDR = np.dtype(
    [
        ("name", np.uintp),
        ("namelen", np.uint32),
        ("iov", np.uintp),
        ("iovlen", np.uintp),
        ("control", np.uintp),
        ("controllen", np.uintp),
        ("flags", np.int32),
    ],
    align=True,
)
_MMSGHDR = np.dtype([("hdr", _MSGHDR), ("len", np.uint32)], align=True)
"""struct iovec, msghdr and mmsghdr of recvmmsg(2), as C lays them out here."""


def _recvmmsg() -> Any | None:
    """Return libc's recvmmsg, None where there is none (it is Linux's and FreeBSD's)."""
    if os.name != "posix" or os.uname().sysname != "Linux":
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "recvmmsg", None)
    if function is not None:
        pointer, number = ctypes.c_void_p, ctypes.c_uint
        function.argtypes = [ctypes.c_int, pointer, number, ctypes.c_int, pointer]
        function.restype = ctypes.c_int
    return function


class Rows:
    """`count` rows; `used` of them hold datagrams that nobody has taken yet."""

    def __init__(self, count: int, sources: Sources, *, one_by_one: bool = False) -> None:
        """Allocate the rows; `one_by_one` does without recvmmsg even where there is one."""
        self.count = count
        self.used = 0
        self._sources = sources
        self._known: dict[bytes, int] = {}
        self._data = np.empty((count, WIDTH), np.uint8)
        self._spill = np.empty((count, LONGEST - WIDTH), np.uint8)
        self._names = np.zeros((count, _NAME), np.uint8)
        self._length = np.zeros(count, np.int64)
        self._source = np.zeros(count, np.int32)
        self._received_ns = np.zeros(count, np.int64)
        self._call = None if one_by_one else _recvmmsg()
        if self._call is None:
            self._scratch = bytearray(LONGEST)
        else:
            self._vectors, self._headers = self._point()

    def _point(self) -> tuple[npt.NDArray[np.void], npt.NDArray[np.void]]:
        """Let message i's header point at row i, spill i and name i, once and for all."""
        i = np.arange(self.count, dtype=np.uintp)
        vectors = np.zeros((self.count, 2), _IOVEC)
        for place, array in enumerate((self._data, self._spill)):
            vectors["base"][:, place] = array.ctypes.data + i * array.shape[1]
            vectors["len"][:, place] = array.shape[1]
        headers = np.zeros(self.count, _MMSGHDR)
        inner = headers["hdr"]
        inner["name"] = self._names.ctypes.data + i * _NAME
        inner["namelen"] = _NAME
        inner["iov"] = vectors.ctypes.data + i * (2 * _IOVEC.itemsize)
        inner["iovlen"] = 2
        return vectors, headers

    @property
    def full(self) -> bool:
        """Whether no row is free."""
        return self.used == self.count

    def receive(self, sock: socket.socket) -> int:
        """Fill free rows with what waits at a socket, without waiting; return how many bytes.

        Raises OSError as the socket does.
        """
        first = self.used
        received = self._many(sock) if self._call is not None else self._singly(sock)
        self.used += received
        self._received_ns[first : self.used] = time.time_ns()
        return int(self._length[first : self.used].sum())

    def _many(self, sock: socket.socket) -> int:
        first, call = self.used, self._call
        assert call is not None
        at = self._headers.ctypes.data + first * _MMSGHDR.itemsize
        received: int = call(sock.fileno(), at, self.count - first, socket.MSG_DONTWAIT, None)
        if received < 0:
            error = ctypes.get_errno()
            if error in (errno.EAGAIN, errno.EINTR):
                return 0
            raise OSError(error, os.strerror(error))
        rows = slice(first, first + received)
        self._length[rows] = self._headers["len"][rows]
        self._headers["hdr"]["namelen"][rows] = _NAME
        width = _KEY[sock.family]
        keys = np.ascontiguousarray(self._names[rows, :width]).view(f"V{width}").ravel().tolist()
        known = self._known
        self._source[rows] = [known[key] if key in known else self._named(key) for key in keys]
        return received

    def _named(self, key: bytes) -> int:
        """Give a sender its index; its sockaddr is family, port, (IPv6: flow label,) address."""
        address = key[4:8] if len(key) == 8 else key[8:24]
        if len(self._known) >= _NAMED_SOURCES:
            self._known.clear()
        index = self._sources.number(address_text(address), int.from_bytes(key[2:4]))
        self._known[key] = index
        return index

    def _singly(self, sock: socket.socket) -> int:
        row = self.used
        view = memoryview(self._scratch)
        while row < self.count:
            try:
                length, sender = sock.recvfrom_into(view, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            datagram = np.frombuffer(view[:length], np.uint8)
            self._data[row, : min(length, WIDTH)] = datagram[:WIDTH]
            self._spill[row, : max(length - WIDTH, 0)] = datagram[WIDTH:]
            self._length[row] = length
            address = socket.inet_pton(sock.family, sender[0].partition("%")[0])
            self._source[row] = self._sources.number(address_text(address), sender[1])
            row += 1
        return row - self.used

    def take(self) -> Datagrams:
        """Hand out a copy of the used rows and free them."""
        n, self.used = self.used, 0
        length = self._length[:n].copy()
        width = int(min(length.max(initial=1), WIDTH))
        data = self._data[:n, :width].flatten()
        start = np.arange(n, dtype=np.int64) * width
        long = np.flatnonzero(length > WIDTH)
        if len(long):
            parts, end = [data], data.size
            for row in long.tolist():
                start[row] = end
                parts += [self._data[row], self._spill[row, : length[row] - WIDTH]]
                end += int(length[row])
            data = np.concatenate(parts)
        return Datagrams(
            data=data,
            start=start,
            length=length,
            source=self._source[:n].copy(),
            received_ns=self._received_ns[:n].copy(),
            sources=self._sources,
        )
