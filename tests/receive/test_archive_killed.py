"""kill -9 at any moment: finished files stay as they are, and what is whole of the last one."""

import json
import logging
import os
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from archives import DAY, LARGE, NAME, archived, gathered, made, names
from dying_archive import datagram
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsleuth.receive.archive_files import find, whole_frames
from flowsleuth.receive.archive_folder import ArchiveFolder

HERE = Path(__file__).parent
EPISODES = 40


@pytest.fixture
def die():
    """`die(folder, first, fuse_s)` archives from a datagram's number on until it is killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, HERE / "dying_archive.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as program:

        def run(**episode):
            program.stdin.write(json.dumps(episode) + "\n")
            program.stdin.flush()
            assert program.stdout.readline() == "ended\n"

        yield run
        program.stdin.close()
        assert program.wait(30) == 0


def test_killed_at_random_moments(die, tmp_path):
    """Each episode goes on where the archive ends, whatever that is."""
    moments, seen_parts, kept = random.Random(5), 0, 0
    finished = {}
    for _ in range(EPISODES):
        die(folder=str(tmp_path), first=kept, fuse_s=moments.uniform(0.004, 0.08))
        parts = [file for file in find(tmp_path) if file.part]
        seen_parts += len(parts)
        assert len(parts) <= 1
        whole = {file.path for file in find(tmp_path)} - {file.path for file in parts}
        assert finished.keys() <= whole
        assert all(whole_frames(path) == path.stat().st_size for path in whole - finished.keys())
        with closing(ArchiveFolder(tmp_path, 1000 * DAY, LARGE)) as folder:
            folder.recover()
        for file in find(tmp_path):
            assert not file.part
            if file.path not in finished:
                finished[file.path] = file.path.read_bytes()
                found = [(payload, at) for _, _, at, payload in gathered(file.path)]
                assert found == [datagram(i) for i in range(kept, kept + len(found))]
                kept += len(found)
    assert all(path.read_bytes() == data for path, data in finished.items())
    assert seen_parts > EPISODES / 4
    assert kept > 1_000


@pytest.fixture(scope="module")
def parted(tmp_path_factory):
    """The bytes of a file of several frames, their ends, and the datagrams up to each."""
    folder = tmp_path_factory.mktemp("parted")
    from flowsleuth.receive import archive as archive_module

    items, ends = made(200, longest=200), [(0, 0)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(archive_module, "FRAME_BYTES", 1)
        # How busy the machine is decides how well a frame is packed: here all are alike.
        patched.setattr(archive_module, "BUSY_RATE", float("inf"))
        archived(folder, items, size=20)
        for i in range(1, 11):
            archived(folder / str(i), items[: 20 * i], size=20)
    data = (folder / NAME).read_bytes()
    for i in range(1, 11):
        ends.append(((folder / str(i) / NAME).stat().st_size, 20 * i))
    return items, data, ends


@settings(max_examples=60)
@given(data=st.data())
def test_what_is_whole_of_an_unfinished_file_becomes_a_finished_one(parted, tmp_path_factory, data):
    items, whole, ends = parted
    cut = data.draw(st.integers(0, len(whole)))
    torn = data.draw(st.binary(max_size=30))
    folder = tmp_path_factory.mktemp("torn")
    (folder / f".{NAME}.part").write_bytes(whole[:cut] + torn)
    with closing(ArchiveFolder(folder, DAY, LARGE)) as archive:
        archive.recover()
    size, count = max(end for end in ends if end[0] <= cut)
    assert names(folder) == [NAME] * bool(count)
    if count:
        assert gathered(folder) == items[:count]
        assert (folder / NAME).stat().st_size == size


def test_a_damaged_frame_ends_what_is_whole(parted, tmp_path):
    _, whole, ends = parted
    torn = bytearray(whole)
    torn[ends[3][0] + 20] ^= 0x55
    (tmp_path / "f").write_bytes(torn)
    assert whole_frames(tmp_path / "f") == ends[3][0]


def test_what_was_left_is_said(parted, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    _, whole, ends = parted
    (tmp_path / f".{NAME}.part").write_bytes(whole[:-1])
    archived(tmp_path, [])
    size = ends[-2][0]
    cut = len(whole) - 1 - size
    assert (
        f".{NAME}.part was not finished: {size} bytes are now {NAME}, {cut} cut off" in caplog.text
    )


def test_the_first_worker_finishes_what_workers_left_that_are_no_more(parted, tmp_path):
    _, whole, _ = parted
    left = [NAME.replace(".0.", f".{worker}.") for worker in (0, 1, 2)]
    for name in left:
        (tmp_path / f".{name}.part").write_bytes(whole)
    archived(tmp_path, [], worker=1, workers=2)
    assert names(tmp_path) == sorted([f".{left[0]}.part", left[1], f".{left[2]}.part"])
    archived(tmp_path, [], worker=0, workers=2)
    assert names(tmp_path) == left


def test_what_cannot_be_recovered_stays(parted, tmp_path, caplog):
    items, whole, _ = parted
    (tmp_path / NAME).write_bytes(whole)
    (tmp_path / f".{NAME}.part").write_bytes(whole)
    archived(tmp_path, [])
    assert names(tmp_path) == [f".{NAME}.part", NAME]
    assert "left as it is" in caplog.text
    assert gathered(tmp_path / NAME) == items
