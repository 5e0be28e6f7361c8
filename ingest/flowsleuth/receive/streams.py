"""A file, or stdin, as a stream of its plain bytes, whatever it is packed in.

Compression is told by the first bytes, never by the name. The decompressors are driven chunk by
chunk instead of through `gzip.open`, because a reader there raises on a cut file and loses what it
had already unpacked: here all bytes before the cut come out, and `fault` says what was wrong.
Memory is bounded: a chunk of input gives at most some MB, so a decompression bomb only takes time.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Self

from flowsleuth.errors import InputError
from flowsleuth.receive.zstd import ZstdDecompressor, ZstdError

STDIN = "-"
"""The path that means standard input."""

CHUNK = 256 * 1024
"""Bytes asked of the file at a time."""

GZIP_MAGIC = b"\x1f\x8b"
"""RFC 1952, 2.3.1."""

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
"""RFC 8878, 3.1.1."""

_GZIP_OUTPUT = 4 * 1024 * 1024

_ZSTD_OUTPUT = 4 * 1024 * 1024
"""A block of 4 bytes may say 128 KiB (RFC 8878, 3.1.1.2)."""

Progress = Callable[[int], None]
"""Told how many bytes of the file, as it lies on the disk, were read since the last call."""


class _FaultyError(Exception):
    """The bytes end too early or are damaged; the text says how."""


def _file_chunks(raw: BinaryIO, on_progress: Progress | None) -> Iterator[bytes]:
    while True:
        try:
            chunk = raw.read(CHUNK)
        except OSError as error:
            raise _FaultyError(f"reading stopped ({error.strerror})") from error
        if not chunk:
            return
        if on_progress is not None:
            on_progress(len(chunk))
        yield chunk


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack gzip members one after another; zeros after one are padding, as gzip(1) has it."""
    engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                yield engine.decompress(rest, _GZIP_OUTPUT)
                rest = engine.unconsumed_tail
                if engine.eof and (rest := engine.unused_data.lstrip(b"\0")):
                    engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
        yield engine.flush()
    except zlib.error as error:
        raise _FaultyError(f"the gzip data are damaged ({error})") from error
    if not engine.eof:
        raise _FaultyError("the gzip data are cut off")


def _unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack zstd frames one after another."""
    engine = ZstdDecompressor()
    try:
        for chunk in chunks:
            rest = chunk
            while rest or not (engine.needs_input or engine.eof):
                if engine.eof:
                    engine = ZstdDecompressor()
                yield engine.decompress(rest, _ZSTD_OUTPUT)
                rest = engine.unused_data
    except ZstdError as error:
        raise _FaultyError(f"the zstd data are damaged ({error})") from error
    if not engine.eof:
        raise _FaultyError("the zstd data are cut off")


_UNPACKERS = {GZIP_MAGIC: _gunzip, ZSTD_MAGIC: _unzstd}


def _open(path: str) -> BinaryIO:
    if path != STDIN:
        try:
            return Path(path).open("rb")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("stdin: is a terminal; give a FILE, or pipe a capture into it")
    return sys.stdin.buffer


class Stream:
    """The plain bytes of one file: look ahead, read, skip; a context manager.

    name: what to call it in messages. offset: plain bytes consumed so far. packed: whether it is
    compressed (offsets then count unpacked bytes). fault: what was wrong where the bytes ended too
    early, known only once the end is reached.
    """

    def __init__(self, path: str, on_progress: Progress | None = None) -> None:
        """Open `path` ('-' is stdin); raises InputError when it cannot be opened."""
        self.name = "stdin" if path == STDIN else path
        self.offset = 0
        self.packed = False
        self.fault: str | None = None
        self._file = _open(path)
        self._owned = path != STDIN
        self._buffer = b""
        self._at = 0
        self._chunks = _file_chunks(self._file, on_progress)
        for magic, unpack in _UNPACKERS.items():
            if self.peek(len(magic)) == magic:
                self.packed = True
                self._chunks = unpack(_chain(self._buffer, self._chunks))
                self._buffer = b""
                break

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._owned:
            self._file.close()

    def _fill(self, n: int) -> None:
        """Have n bytes in the buffer from `_at` on, or all that there are."""
        parts = [self._buffer[self._at :]]
        have = len(parts[0])
        try:
            while have < n:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                parts.append(chunk)
                have += len(chunk)
        except _FaultyError as error:
            self.fault = str(error)
            self._chunks = iter(())
        self._buffer = b"".join(parts)
        self._at = 0

    def window(self, n: int) -> memoryview:
        """Look at the next n bytes without a copy; fewer only at the end."""
        if len(self._buffer) - self._at < n:
            self._fill(n)
        return memoryview(self._buffer)[self._at : self._at + n]

    def peek(self, n: int) -> bytes:
        """Return the next n bytes and stay; fewer only at the end."""
        if len(self._buffer) - self._at < n:
            self._fill(n)
        return self._buffer[self._at : self._at + n]

    def read(self, n: int) -> bytes:
        """Return the next n bytes and go on behind them; fewer only at the end."""
        found = self.peek(n)
        self._at += len(found)
        self.offset += len(found)
        return found

    def skip(self, n: int) -> int:
        """Go on n bytes, in bounded memory; return how many there were."""
        left = n
        while left and (found := len(self.read(min(left, CHUNK)))):
            left -= found
        return n - left

    def broken(self, what: str) -> InputError:
        """Make the one line for a file that cannot be read on, with the offset and the cause."""
        where = f"byte {self.offset}{' of the unpacked data' if self.packed else ''}"
        cause = f" ({self.fault})" if self.fault else ""
        return InputError(f"{self.name}: {what} at {where}{cause}; what lies before it was read")


def _chain(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from chunks
