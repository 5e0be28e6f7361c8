"""What waits: batches, bounds, and what goes first when there is no room."""

import gzip
import threading

from flowsleuth.schema import Kept
from flowsleuth.write.backlog import OVERHEAD, Backlog

LINE = b"x" * (100 - OVERHEAD)


def test_small_puts_share_a_batch_and_large_ones_are_cut():
    backlog = Backlog(batch_points=4, limit=10_000)
    backlog.put(Kept.LONG, [b"a"])
    backlog.put(Kept.LONG, [b"b", b"c"])
    backlog.put(Kept.LONG, [b"d", b"e", b"f", b"g", b"h"])
    backlog.close()
    sizes = []
    while batch := backlog.take():
        sizes.append(gzip.decompress(batch.body()))
        backlog.done(batch)
    assert sizes == [b"a\nb\nc", b"d\ne\nf\ng", b"h"]
    assert backlog.points == 0


def test_totals_are_taken_before_detail():
    backlog = Backlog(10, 10_000)
    backlog.put(Kept.DETAIL, [b"d"])
    backlog.put(Kept.LONG, [b"l"])
    assert [backlog.take().kept, backlog.take().kept] == [Kept.LONG, Kept.DETAIL]


def test_the_oldest_detail_is_dropped_first_and_totals_last():
    backlog = Backlog(batch_points=2, limit=600)
    backlog.put(Kept.LONG, [LINE] * 2)
    backlog.put(Kept.DETAIL, [LINE + b"1", LINE + b"2"])
    backlog.put(Kept.DETAIL, [LINE] * 2)
    assert backlog.dropped == 2
    backlog.put(Kept.LONG, [LINE] * 4)
    assert (backlog.dropped, backlog.points) == (4, 6)
    backlog.put(Kept.LONG, [LINE] * 2)
    assert (backlog.dropped, backlog.points) == (6, 6)
    assert backlog.take().kept is Kept.LONG


def test_what_is_being_written_is_not_dropped():
    backlog = Backlog(batch_points=8, limit=600)
    backlog.put(Kept.LONG, [LINE] * 6)
    batch = backlog.take()
    backlog.put(Kept.DETAIL, [LINE])
    assert (backlog.dropped, backlog.points) == (1, 6)
    assert not backlog.is_empty(0)
    backlog.done(batch)
    assert backlog.is_empty(0)


def test_room_is_waited_for():
    backlog = Backlog(batch_points=8, limit=600)
    backlog.put(Kept.LONG, [LINE] * 6)
    assert not backlog.has_room(0.01)
    timer = threading.Timer(0.05, lambda: backlog.done(backlog.take()))
    timer.start()
    assert backlog.has_room(10)
    timer.join()


def test_given_up_is_dropped():
    backlog = Backlog(batch_points=2, limit=10_000)
    backlog.put(Kept.LONG, [b"a"] * 5)
    backlog.put(Kept.DETAIL, [b"a"])
    backlog.give_up()
    assert (backlog.dropped, backlog.points) == (6, 0)
