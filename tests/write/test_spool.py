"""The spool: what is committed is delivered, in order, or counted; whatever happens in between."""

import errno
import gzip
import logging
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from flowsleuth.config import Config
from flowsleuth.errors import ServiceError
from flowsleuth.schema import Kept
from flowsleuth.write import spool as spool_module
from flowsleuth.write.backlog import Backlog, Batch
from flowsleuth.write.spool import BLOCK, DAMAGED, DAMAGED_KEPT, Spool, open_spool

MEMORY = 2_000


class SmallDisk(Spool):
    """A spool on a disk with `capacity` bytes."""

    capacity = 2**40

    def store(self, batches: Any) -> Any:
        if self.size + sum((batch.size for batch in batches), BLOCK) > self.capacity:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().store(batches)


def on_disk(folder: Path) -> int:
    """Return what the files and folders of a spool take, as `ls -s` counts."""
    groups = [path for path in folder.iterdir() if path.is_dir() and path.name != DAMAGED]
    files = [path for group in groups for path in group.iterdir()]
    return sum(-(-path.stat().st_size // BLOCK) * BLOCK for path in files) + BLOCK * len(groups)


class Life(RuleBasedStateMachine):
    """Flushes, outages, kills and restarts. A line is the number of its point."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.points = 0
        self.put: dict[Kept, list[int]] = defaultdict(list)
        self.committed: dict[Kept, list[int]] = defaultdict(list)
        self.delivered: dict[Kept, list[int]] = defaultdict(list)
        self.hand: list[Batch] = []
        self.dropped = self.died_in_memory = 0
        self.unacknowledged = False

    @initialize(limit=st.integers(2, 30))
    def start(self, limit: int) -> None:
        self.spool = SmallDisk(self.folder, limit * BLOCK)
        self.backlog = Backlog(3, MEMORY, self.spool)
        self.last: dict[Kept, int] = dict.fromkeys(Kept, -1)

    @rule(kept=st.sampled_from(Kept), count=st.integers(1, 10))
    def submit(self, kept: Kept, count: int) -> None:
        numbers = range(self.points, self.points + count)
        self.points += count
        self.backlog.put(kept, [b"%d" % number for number in numbers])
        self.put[kept].extend(numbers)

    @rule()
    def commit(self) -> None:
        self.backlog.commit()
        for kept, numbers in self.put.items():
            self.committed[kept].extend(numbers)
        self.put.clear()

    @rule(blocks=st.sampled_from([0, 3, 10, 2**28]))
    def fill_the_disk(self, blocks: int) -> None:
        self.spool.capacity = blocks * BLOCK

    @precondition(lambda self: self.backlog.points > sum(batch.points for batch in self.hand))
    @rule()
    def take(self) -> None:
        batch = self.backlog.take()
        assert batch is not None
        numbers = [int(line) for line in batch.lines]
        assert gzip.decompress(batch.body()) == b"\n".join(batch.lines)
        assert numbers == sorted(numbers)
        assert numbers[0] > self.last[batch.kept], "in order of each kind"
        self.last[batch.kept] = numbers[-1]
        self.hand.append(batch)

    @precondition(lambda self: self.hand)
    @rule()
    def acknowledge(self) -> None:
        batch = self.hand.pop(0)
        self.delivered[batch.kept].extend(int(line) for line in batch.lines)
        self.backlog.done(batch)

    @precondition(lambda self: self.hand)
    @rule()
    def kill_before_it_is_acknowledged(self) -> None:
        batch = self.hand[0]
        self.delivered[batch.kept].extend(int(line) for line in batch.lines)
        self.unacknowledged = True
        self.kill(4)

    @rule(limit=st.integers(2, 30))
    def kill(self, limit: int) -> None:
        waiting = [b for queue in self.backlog._waiting.values() for b in queue]
        volatile = [b for b in (*waiting, *self.hand) if isinstance(b, Batch) and not b.stored]
        done = {number for numbers in self.delivered.values() for number in numbers}
        self.died_in_memory += sum(int(line) not in done for b in volatile for line in b.lines)
        self.restart(limit)

    @rule(limit=st.integers(2, 30))
    def stop(self, limit: int) -> None:
        self.commit()
        self.backlog.give_up()
        for batch in self.hand:
            self.backlog.done(batch, batch.points)
        assert self.backlog.points == 0
        self.restart(limit)

    def restart(self, limit: int) -> None:
        self.dropped += self.backlog.dropped
        self.hand.clear()
        self.put.clear()
        self.spool.close()
        self.start(limit)

    @invariant()
    def never_more_than_the_limit(self) -> None:
        if hasattr(self, "spool"):
            assert on_disk(self.folder) == self.spool.size <= self.spool.limit
            assert self.backlog._size <= MEMORY

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.commit()
            while self.hand:
                self.acknowledge()
            while self.backlog.points:
                self.take()
                self.acknowledge()
            assert not on_disk(self.folder)
            missing = 0
            for kept in Kept:
                missing += len(set(self.committed[kept]) - set(self.delivered[kept]))
            assert missing <= self.dropped + self.backlog.dropped + self.died_in_memory
            if not self.unacknowledged:  # what was delivered may be dropped before it is again
                assert missing == self.dropped + self.backlog.dropped + self.died_in_memory
            self.spool.close()
        shutil.rmtree(self.folder)


Life.TestCase.settings = settings(
    stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow]
)
TestLife = Life.TestCase


def lines(count: int, start: int = 0) -> list[bytes]:
    return [b"traffic bytes=%di %d" % (i, i) for i in range(start, start + count)]


def stored(folder: Path, flushes: int = 1) -> None:
    """Leave flushes of 3 totals and 2 x 3 of detail, as a killed process does."""
    spool = Spool(folder, 2**20)
    backlog = Backlog(3, MEMORY, spool)
    for i in range(flushes):
        backlog.put(Kept.LONG, lines(3, 10 * i))
        backlog.put(Kept.DETAIL, lines(6, 10 * i))
        backlog.commit()
    spool.close()


def drained(folder: Path) -> list[bytes]:
    spool = Spool(folder, 2**20)
    backlog = Backlog(3, MEMORY, spool)
    backlog.close()
    found = []
    while batch := backlog.take():
        found += batch.lines
        backlog.done(batch)
    spool.close()
    return found


def test_half_of_a_flush_is_nothing(tmp_path: Path):
    stored(tmp_path, 2)
    (tmp_path / "000000000002").rename(tmp_path / "000000000002.new")
    assert sorted(drained(tmp_path)) == sorted(lines(3) + lines(6))
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_numbers_go_on_after_a_restart(tmp_path: Path):
    stored(tmp_path)
    stored(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["000000000001", "000000000002", "lock"]
    assert (tmp_path / names[0] / "000-detail-3.lp.gz").exists()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.write_bytes(b""), "1 points instead of 3"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "end-of-stream marker"),
        (lambda path: path.write_bytes(b"x" + path.read_bytes()), "Not a gzipped file"),
        (lambda path: path.write_bytes(path.read_bytes()[:10] + b"\xff" * 60), "Error -3"),
        (lambda path: path.write_bytes(gzip.compress(b"a\nb")), "2 points instead of 3"),
        (lambda path: path.unlink(), "No such file"),
    ],
)
def test_a_damaged_file_is_named_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: Any, said: str
):
    stored(tmp_path, 2)
    spool = Spool(tmp_path, 2**20)
    backlog = Backlog(3, MEMORY, spool)
    victim = tmp_path / "000000000001" / "000-detail-3.lp.gz"
    there = harm(victim) is not None
    backlog.close()
    found = []
    while batch := backlog.take():
        found += batch.lines
        backlog.done(batch)
    assert (len(found), backlog.dropped, backlog.points) == (15, 3, 0)
    assert f"{victim} is damaged (" in caplog.text
    assert said in caplog.text
    assert "3 points are lost" in caplog.text
    assert (tmp_path / DAMAGED / "000000000001-000-detail-3.lp.gz").exists() is there
    assert spool.size == 0
    spool.close()


def test_damaged_files_are_bounded(tmp_path: Path):
    stored(tmp_path, DAMAGED_KEPT + 5)
    for path in tmp_path.glob("*/*-long-*"):
        path.write_bytes(b"junk")
    drained(tmp_path)
    kept = sorted(path.name[:12] for path in (tmp_path / DAMAGED).iterdir())
    assert kept == [f"{i:012d}" for i in range(6, DAMAGED_KEPT + 6)]


def test_a_full_disk_is_said_and_points_wait_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    spool = SmallDisk(tmp_path, 2**20)
    spool.capacity = 0
    backlog = Backlog(3, MEMORY, spool)
    for _ in range(2):
        backlog.put(Kept.LONG, lines(3))
        backlog.commit()
    said = f"{tmp_path}: No space left on device: points wait in memory"
    assert [record.getMessage() for record in caplog.records] == [said]
    assert (backlog.points, backlog.dropped, spool.size) == (6, 0, 0)
    spool.capacity = 2**20
    backlog.put(Kept.LONG, lines(1))
    backlog.commit()
    taken = []
    backlog.close()
    while batch := backlog.take():
        taken.append((batch.points, batch.stored is not None))
        backlog.done(batch)
    assert taken == [(3, False), (3, False), (1, True)]
    spool.close()


def test_nothing_half_written_stays_on_a_full_disk(tmp_path: Path, monkeypatch: Any):
    spool = Spool(tmp_path, 2**20)
    written = []

    def write(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)

    backlog = Backlog(3, MEMORY, spool)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write)
        backlog.put(Kept.LONG, lines(6))
        backlog.commit()
    assert len(written) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    assert (backlog.points, spool.size) == (6, 0)
    spool.close()


def test_a_full_disk_takes_the_oldest_detail_first(tmp_path: Path):
    spool = SmallDisk(tmp_path, 2**20)
    backlog = Backlog(3, MEMORY, spool)
    for i in range(3):
        backlog.put(Kept.LONG, lines(3, 10 * i))
        backlog.put(Kept.DETAIL, lines(3, 10 * i))
        backlog.commit()
    spool.capacity = spool.size + BLOCK
    backlog.put(Kept.LONG, lines(3, 30))
    backlog.commit()
    assert (backlog.dropped, backlog.points) == (3, 18)
    assert not list(tmp_path.glob("*1/*detail*"))
    assert len(list(tmp_path.glob("*/*detail*"))) == 2
    spool.close()


def test_at_the_limit_the_oldest_detail_goes_first_and_totals_last(tmp_path: Path):
    spool = Spool(tmp_path, 8 * BLOCK)
    backlog = Backlog(3, MEMORY, spool)

    def kept() -> list[str]:
        return [f"{p.parent.name[-1]}{p.name[4]}" for p in sorted(tmp_path.glob("0*/*"))]

    for number in range(1, 3):
        backlog.put(Kept.LONG, lines(3, 10 * number))
        backlog.put(Kept.DETAIL, lines(3, 10 * number))
        backlog.commit()
    assert kept() == ["1d", "1l", "2d", "2l"]
    backlog.put(Kept.LONG, lines(6))
    backlog.commit()
    assert kept() == ["1l", "2d", "2l", "3l", "3l"]
    backlog.put(Kept.DETAIL, lines(3))
    backlog.commit()
    assert kept() == ["1l", "2l", "3l", "3l"], "2d, and then 4d itself: totals are not given for it"
    backlog.put(Kept.LONG, lines(6))
    backlog.commit()
    assert kept() == ["2l", "3l", "3l", "4l", "4l"]
    backlog.put(Kept.LONG, lines(24))
    backlog.commit()
    assert kept() == ["5l"] * 7
    assert (backlog.dropped, backlog.points) == (9 + 3 + 15 + 3, 21)
    spool.close()


def test_one_process_at_a_time(tmp_path: Path):
    config = Config(state_dir=str(tmp_path), ingester="edge", spool="2M")
    spool = open_spool(config)
    assert spool is not None
    assert (spool.directory, spool.limit) == (tmp_path / "spool-edge", 2 * 2**20)
    with pytest.raises(ServiceError, match="spool-edge is in use by another process"):
        open_spool(config)
    spool.close()
    again = open_spool(config)
    assert again is not None
    again.close()
    assert open_spool(Config()) is None


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match=r"file/x: Not a directory; state_dir must be a folder"):
        Spool(tmp_path / "file" / "x", 2**20)


def test_what_others_put_there_is_left_alone(tmp_path: Path):
    (tmp_path / "000000000007").mkdir()
    (tmp_path / "000000000007" / "notes.txt").touch()
    (tmp_path / "000000000008").mkdir()
    stored(tmp_path)
    assert len(drained(tmp_path)) == 9
    assert [path.name for path in tmp_path.glob("*/*")] == ["notes.txt"]
    assert not (tmp_path / "000000000008").exists()


def test_what_cannot_be_removed_is_said(
    tmp_path: Path, monkeypatch: Any, caplog: pytest.LogCaptureFixture
):
    stored(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        patch.setattr(Path, "replace", refuse)
        next(tmp_path.glob("*/001*")).write_bytes(b"junk")
        drained(tmp_path)
    assert "cannot be removed: Read-only file system" in caplog.text
    assert "cannot be set aside: Read-only file system" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING
    assert spool_module.is_full(OSError(errno.EDQUOT, ""))
