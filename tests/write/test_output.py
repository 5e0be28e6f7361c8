"""Lines into files."""

import io
from pathlib import Path

import pytest

from flowsleuth.errors import InputError
from flowsleuth.write.output import LineFile


def test_lines_stand_one_below_the_other(tmp_path: Path):
    sink = LineFile.create(tmp_path / "points.lp")
    sink.submit("traffic", [b"traffic bytes=1i 1", b"traffic bytes=2i 2"])
    sink.submit("traffic", [])
    sink.submit("events", [b'events text="x" 3'])
    assert sink.flush()
    sink.close()
    assert sink.points == 3
    assert (tmp_path / "points.lp").read_bytes() == (
        b'traffic bytes=1i 1\ntraffic bytes=2i 2\nevents text="x" 3\n'
    )


def test_a_stream_that_was_given_stays_open():
    stream = io.BytesIO()
    LineFile(stream).close()
    assert not stream.closed


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"none/x: cannot be written: No such file"):
        LineFile.create(tmp_path / "none" / "x")


class Broken(io.BytesIO):
    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, _: object) -> int:
        raise self.error


def test_a_full_disk_is_one_line():
    sink = LineFile(Broken(OSError(28, "No space left on device")), "points.lp")
    with pytest.raises(InputError, match=r"^points.lp: cannot be written: No space left"):
        sink.submit("traffic", [b"x"])


def test_a_closed_pipe_is_the_command_lines_business():
    with pytest.raises(BrokenPipeError):
        LineFile(Broken(BrokenPipeError())).submit("traffic", [b"x"])
