"""Line protocol to a file or stdout: what `points` prints, and a demo without InfluxDB keeps."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from flowsleuth.errors import InputError


class Sink(Protocol):
    """Where lines go: a file or an InfluxDB."""

    def submit(self, measurement: str, lines: Sequence[bytes]) -> None:
        """Take the lines of points of one measurement."""

    def flush(self) -> bool:
        """Wait until all is where it belongs; return whether it is."""

    def close(self) -> None:
        """Write what is left, and let go of everything."""


class LineFile:
    """A sink that writes lines to a binary stream, in order, as they come.

    A stream that breaks (a full disk) raises InputError; a closed pipe (`| head`) raises
    BrokenPipeError, which the command line takes for a normal end.
    """

    def __init__(self, stream: BinaryIO, name: str = "output", *, owned: bool = False) -> None:
        self._stream = stream
        self._name = name
        self._owned = owned
        self.points = 0

    @classmethod
    def create(cls, path: Path) -> "LineFile":
        """Return a sink that writes a new file; raises InputError where that cannot be."""
        try:
            return cls(path.open("wb"), str(path), owned=True)
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None

    def submit(self, measurement: str, lines: Sequence[bytes]) -> None:  # noqa: ARG002  Sink's shape
        """Write the lines."""
        if lines:
            self._try(lambda: self._stream.write(b"\n".join(lines) + b"\n"))
            self.points += len(lines)

    def flush(self) -> bool:
        """Hand what is buffered to the system."""
        self._try(self._stream.flush)
        return True

    def close(self) -> None:
        """Flush, and close a file that was created here."""
        self.flush()
        if self._owned:
            self._try(self._stream.close)

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(f"{self._name}: cannot be written: {error.strerror}") from None
