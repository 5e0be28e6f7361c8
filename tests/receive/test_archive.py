"""The archive: what was received comes back to the byte, from files which end when they should."""

import errno
import logging
import os
import subprocess
import threading
from contextlib import closing

import numpy as np
import pytest
from archives import (
    BEGIN,
    DAY,
    LARGE,
    NAME,
    SECOND,
    Clock,
    archived,
    batched,
    gathered,
    made,
    names,
    opened,
    slots,
)
from dpkt import ip, ip6
from dpkt import pcap as dpkt_pcap
from hypothesis import given
from hypothesis import strategies as st
from services import eventually

from flowsleuth.errors import ServiceError
from flowsleuth.receive import archive as archive_module
from flowsleuth.receive import packing
from flowsleuth.receive.archive_files import SLOT_NS, archive_file, find
from flowsleuth.receive.archive_folder import ArchiveFolder
from flowsleuth.receive.datagrams import Datagrams, Sources
from flowsleuth.receive.packing import FILE_HEADER, Packing

MINUTES_5 = SLOT_NS


# what comes back


def test_everything_comes_back_exactly(tmp_path):
    items = made(700, step_ns=3 * SECOND)
    totals = archived(tmp_path, items)
    assert gathered(tmp_path) == items
    assert (totals.archive_lost, totals.archive_errors) == (0, 0)
    assert totals.archive_bytes == sum(file.size() for file in find(tmp_path)) > 0


def test_the_longest_datagrams_and_empty_ones_come_back(tmp_path):
    lengths = [0, 1, 2, 3, 4, 1023, 1024, 1025, 32_768, 65_507]
    items = [
        (address, 2055, BEGIN + i, os.urandom(length))
        for i, (length, address) in enumerate(
            (length, address) for length in lengths for address in ("192.0.2.1", "2001:db8::1")
        )
    ]
    archived(tmp_path, items, size=3)
    assert gathered(tmp_path) == items


@given(st.data())
def test_any_mixture_of_datagrams_comes_back(data):
    item = st.tuples(
        st.sampled_from(["10.0.0.1", "::1", "fe80::1:2"]),
        st.integers(0, 65_535),
        st.integers(0, 2**32 * SECOND - 1),
        st.binary(max_size=40),
    )
    items = data.draw(st.lists(item, max_size=20))
    packing, packets = Packing(), b""
    for batch in batched(items, data.draw(st.integers(1, 20)), Sources()):
        packing.add(batch)
        packets += bytes(packing.view(with_header=False))
        packing.clear()
    assert list(by_dpkt(FILE_HEADER + packets)) == items


def by_dpkt(data):
    """A second opinion on the file's bytes; it verifies IPv4's checksum too."""
    import io
    import socket
    import struct

    at = len(FILE_HEADER)
    for _, packet in dpkt_pcap.Reader(io.BytesIO(data)):
        seconds, nanoseconds = struct.unpack_from("<II", data, at)
        at += 16 + len(packet)
        if packet[0] >> 4 == 4:
            outer = ip.IP(packet)
            assert sum(struct.unpack(">10H", packet[:20])) % 0xFFFF == 0
            address = socket.inet_ntop(socket.AF_INET, outer.src)
        else:
            outer = ip6.IP6(packet)
            address = socket.inet_ntop(socket.AF_INET6, outer.src)
        assert outer.data.ulen == 8 + len(outer.data.data)
        yield address, outer.data.sport, seconds * SECOND + nanoseconds, outer.data.data


def test_tcpdump_reads_it(tmp_path):
    archived(tmp_path, made(50))
    command = "zstd -dc $0 | tcpdump -nvr -"
    try:
        ran = subprocess.run(
            ["sh", "-c", command, tmp_path / NAME], capture_output=True, text=True, check=False
        )
    except OSError:
        ran = None
    if ran is None or "not found" in ran.stderr:
        pytest.skip("left out: no zstd or tcpdump on this machine")
    assert ran.stdout.count("UDP") >= 50
    assert "bad cksum" not in ran.stdout  # IPv4's; UDP's over IPv6 is "bad udp cksum"


def test_a_source_without_an_address_is_kept_under_the_zero_address(tmp_path):
    sources = Sources()
    archive = opened(tmp_path)
    archive.add(Datagrams.pack([(b"x", 0, BEGIN)], sources))
    archive.close()
    assert gathered(tmp_path) == [("0.0.0.0", 0, BEGIN, b"x")]


def test_a_batch_of_giants_gives_its_memory_back(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "_ROOM", 1000)
    items = made(40, longest=500)
    archived(tmp_path, items, size=13)
    assert gathered(tmp_path) == items


# five minutes


def test_files_hold_five_minutes_by_receipt(tmp_path):
    items = made(900, step_ns=SECOND)
    archived(tmp_path, items)
    assert names(tmp_path) == [f"2026112219{minute}.0.pcap.zst" for minute in (45, 50, 55)]
    assert [gathered(tmp_path / name) for name in names(tmp_path)] == slots(items)


def test_a_file_is_finished_when_its_time_is_over_though_nothing_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "FRAME_S", 0.05)
    clock = Clock()
    archive = opened(tmp_path, clock)
    archive.add(batched(made(3))[0])
    assert eventually(lambda: names(tmp_path) == [f".{NAME}.part"])
    assert eventually(lambda: gathered(tmp_path) == made(3))  # readable before it is finished
    clock.now = BEGIN + MINUTES_5 + 3 * SECOND
    assert eventually(lambda: names(tmp_path) == [NAME])
    archive.close()
    assert gathered(tmp_path) == made(3)


def test_a_restart_in_the_same_five_minutes_begins_another_file(tmp_path):
    items = made(90)
    for i in range(0, 90, 30):
        archived(tmp_path, items[i : i + 30])
    begun = [NAME, "20261122194530.0.pcap.zst", "20261122194600.0.pcap.zst"]
    assert names(tmp_path) == begun
    assert gathered(tmp_path) == items
    archived(tmp_path, items[60:])  # the clock was set back
    assert names(tmp_path) == [*begun, "20261122194601.0.pcap.zst"]


def test_the_clock_may_be_set_back(tmp_path):
    items = made(10, begin_ns=BEGIN + MINUTES_5) + made(10, seed=1) + made(10, begin_ns=BEGIN)
    archived(tmp_path, items, size=30)
    assert sorted(gathered(tmp_path)) == sorted(items)


def test_workers_have_files_of_their_own_and_names_sort_by_time(tmp_path):
    one, two = made(400), made(400, seed=1)
    archived(tmp_path, one, worker=0, workers=2)
    archived(tmp_path, two, worker=1, workers=2)
    assert names(tmp_path) == [
        f"2026112219{minute}.{worker}.pcap.zst" for minute in (45, 50) for worker in (0, 1)
    ]
    early, late = slots(one), slots(two)
    assert gathered(tmp_path) == early[0] + late[0] + early[1] + late[1]


@pytest.mark.parametrize(
    "name",
    [
        "202611221945.pcap.zst",
        "202611221945.0.pcap",
        "202611221945.0.pcap.zst.part",
        f".{NAME}",
        "202613221945.0.pcap.zst",
        "20261122194561.0.pcap.zst",
        "capture.pcap.zst",
        ".0.lock",
    ],
)
def test_other_names_are_not_ours(name):
    assert archive_file(name) is None


# what may go


def filled(folder, hours=3):
    """An archive of so many hours, a datagram a second; the items."""
    items = made(hours * 3600, longest=50)
    archived(folder, items, size=2_000)
    return items


def tidied(folder, now, keep_ns, most=LARGE):
    """Look a folder through as an archive does; the bytes that stay."""
    with closing(ArchiveFolder(folder, keep_ns, most)) as archive:
        archive.tidy(now)
        return archive.own_bytes


def test_what_is_too_old_goes(tmp_path):
    items = filled(tmp_path)
    kept = [item for item in items if item[2] >= BEGIN + 3600 * SECOND]
    now = BEGIN + 3 * 3600 * SECOND
    tidied(tmp_path, now, 2 * 3600 * SECOND)
    assert gathered(tmp_path) == kept
    assert len(find(tmp_path)) == 24


def test_the_oldest_go_where_it_is_too_much(tmp_path):
    items = filled(tmp_path)
    sizes = [file.size() for file in find(tmp_path)]
    assert tidied(tmp_path, BEGIN + 3 * 3600 * SECOND, DAY, sum(sizes[20:])) == sum(sizes[20:])
    assert gathered(tmp_path) == [i for part in slots(items)[20:] for i in part]


def test_max_holds_while_it_is_written(tmp_path):
    items = made(3600, longest=1000)
    most = 1_000_000
    archive = opened(tmp_path, most=most)
    for batch in batched(items, 20):
        archive.add(batch)
    archive.close()
    files = find(tmp_path)
    assert sum(file.size() for file in files) <= most
    assert archive.totals().archive_lost == 0
    assert gathered(tmp_path) == items[-len(gathered(tmp_path)) :]
    assert len(files) > 3


def test_where_max_is_too_little_for_five_minutes_the_rest_is_counted(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(archive_module, "FRAME_BYTES", 10_000)
    items = made(200, longest=1000)
    totals = archived(tmp_path, items, size=10, most=50_000)
    kept = gathered(tmp_path)
    assert 0 < totals.archive_lost == len(items) - len(kept)
    assert sum(file.size() for file in find(tmp_path)) <= 53_248  # in whole blocks
    assert caplog.text.count("archive_max is less than five minutes need") == 1


def test_nothing_else_in_the_folder_is_touched(tmp_path):
    others = ["notes.txt", "old.pcap.zst", "2026.0.pcap.zst", ".hidden", f"{NAME}.bak"]
    for name in others:
        (tmp_path / name).write_text("somebody's own")
    inner = tmp_path / "201001010000.0.pcap.zst"
    inner.mkdir()
    (tmp_path / "201001010005.0.pcap.zst").symlink_to(tmp_path / "notes.txt")
    archived(tmp_path, made(10), clock=Clock(BEGIN + 300 * DAY), most=1)
    tidied(tmp_path, BEGIN + 300 * DAY, 1, 0)
    left = {*others, inner.name, "201001010005.0.pcap.zst"}
    assert set(names(tmp_path)) == left
    assert all((tmp_path / name).read_text() == "somebody's own" for name in others)


def test_limits_may_change_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "FRAME_S", 0.05)
    monkeypatch.setattr(archive_module, "TIDY_S", 0.05)
    filled(tmp_path, hours=1)
    archive = opened(tmp_path, Clock(BEGIN + 3600 * SECOND))
    archive.limit(1800 * SECOND, 1 << 50)
    assert eventually(lambda: len(find(tmp_path)) == 6)
    archive.close()


# a folder that cannot be used


def test_two_ingesters_on_one_folder_are_told(tmp_path):
    archive = opened(tmp_path)
    with pytest.raises(ServiceError, match="in use by another process: each ingester needs"):
        ArchiveFolder(tmp_path, DAY, 1 << 50)
    archive.close()
    archived(tmp_path, made(1))


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match=r"file: File exists; archive must be a folder"):
        ArchiveFolder(tmp_path / "file", DAY, 1 << 50)


def test_a_disk_smaller_than_max_is_told(tmp_path):
    with closing(ArchiveFolder(tmp_path, DAY, 1 << 20)) as small:
        assert small.room_advice() is None
    with closing(ArchiveFolder(tmp_path, DAY, 1 << 60)) as large:
        advice = large.room_advice()
    assert "when the disk is full nothing more is kept; lower archive_max" in advice


# a disk that takes nothing


class Disk:
    """A disk with room for so many bytes: os.write as a full one does it."""

    def __init__(self, monkeypatch, room):
        self.room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, number, data):
        taken = min(len(data), self.room)
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= taken
        return self._write(number, data[:taken])


def test_a_full_disk_costs_what_comes_and_nothing_that_is_there(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(archive_module, "FRAME_BYTES", 20_000)
    items = made(1500, longest=1000)
    disk = Disk(monkeypatch, 300_000)
    archive = opened(tmp_path)
    half = batched(items, 50)
    for batch in half[:20]:
        archive.add(batch)
    assert eventually(lambda: archive._queue.empty() and archive.totals().archive_errors > 3)
    before = {name: gathered(tmp_path / name) for name in names(tmp_path)}
    assert any(not name.endswith(".part") for name in before)
    disk.room = 1 << 40
    for batch in half[20:]:
        archive.add(batch)
    archive.close()
    kept = gathered(tmp_path)
    assert len(items) - len(kept) == archive.totals().archive_lost > 0
    assert kept == [item for item in items if item in set(kept)]
    assert kept[-500:] == items[-500:]
    assert not [name for name in names(tmp_path) if name.endswith(".part")]
    for name, held in before.items():
        assert (
            gathered(tmp_path / name.removeprefix(".").removesuffix(".part"))[: len(held)] == held
        )
    assert caplog.text.count("No space left on device") == 1
    assert "free some room or lower archive_max" in caplog.text
    assert "archive: it is written again" in caplog.text


def test_on_a_full_disk_what_is_too_old_makes_room(tmp_path, monkeypatch):
    filled(tmp_path, hours=1)
    disk = Disk(monkeypatch, 0)
    unlink = os.unlink

    def freeing(path, **options):
        disk.room += 1 << 20
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", freeing)
    items = made(5, begin_ns=BEGIN + 7200 * SECOND)
    clock = Clock(BEGIN + 7200 * SECOND)
    monkeypatch.setattr(archive_module, "TIDY_S", 1e9)
    archive = opened(tmp_path, clock, keep_ns=DAY)
    archive._tidy_at = float("inf")
    archive.limit(3600 * SECOND, 1 << 50)
    archive.add(batched(items)[0])
    archive.close()
    assert archive.totals().archive_lost == 0
    assert gathered(tmp_path) == items


def test_a_disk_that_does_not_even_take_the_cut_keeps_the_file_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "FRAME_BYTES", 5_000)
    disk = Disk(monkeypatch, 20_000)
    truncate, broken = os.ftruncate, [True]

    def failing(number, size):
        if broken[0]:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        truncate(number, size)

    monkeypatch.setattr(os, "ftruncate", failing)
    items = made(100, longest=1000)
    archive = opened(tmp_path)
    batches = batched(items, 10)
    for batch in batches[:6]:
        archive.add(batch)
    assert eventually(lambda: archive._queue.empty() and archive.totals().archive_lost)
    broken[0], disk.room = False, 1 << 40
    for batch in batches[6:]:
        archive.add(batch)
    archive.close()
    kept = gathered(tmp_path)
    assert len(kept) == len(items) - archive.totals().archive_lost
    assert kept[-10:] == items[-10:]


def test_a_file_that_cannot_be_synced_is_recovered_at_the_next_start(tmp_path, monkeypatch):
    def failing(_number):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        totals = archived(tmp_path, made(20))
    assert (totals.archive_lost, totals.archive_errors) == (0, 1)
    assert names(tmp_path) == [f".{NAME}.part"]
    archived(tmp_path, [])
    assert names(tmp_path) == [NAME]
    assert gathered(tmp_path) == made(20)


# what cannot wait, and what must not be


def test_receiving_never_waits_for_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "QUEUE_BYTES", 100_000)
    monkeypatch.setattr(archive_module, "FRAME_BYTES", 1)
    go_on, write = threading.Event(), os.write
    monkeypatch.setattr(os, "write", lambda *a: go_on.wait(30) and write(*a))
    items = made(1000, longest=1000)
    archive = opened(tmp_path)
    for batch in batched(items, 10):
        archive.add(batch)
    lost = archive.totals().archive_lost
    assert 500 < lost < 1000
    go_on.set()
    archive.close()
    assert archive.totals().archive_lost == lost
    assert gathered(tmp_path) == items[: 1000 - lost]


def test_a_bug_costs_a_frame_and_not_the_archive(tmp_path, monkeypatch, caplog):
    items = made(30)
    add, bugs = Packing.add, [ZeroDivisionError("a bug")]

    def buggy(self, batch):
        add(self, batch)
        if bugs:
            raise bugs.pop()

    monkeypatch.setattr(Packing, "add", buggy)
    totals = archived(tmp_path, items, size=10)
    assert (totals.archive_lost, totals.archive_errors) == (10, 1)
    assert gathered(tmp_path) == items[10:]
    assert "10 datagrams lost to a bug" in caplog.text


def test_ordinary_times_pack_better_than_busy_ones(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    items = [
        ("192.0.2.1", 1, BEGIN, rng.integers(0, 9, 1_400, np.uint8).tobytes()) for _ in range(2_000)
    ]
    monkeypatch.setattr(archive_module, "BUSY_RATE", 0)
    archived(tmp_path / "busy", items, size=2_000)
    monkeypatch.setattr(archive_module, "BUSY_RATE", 1e18)
    archived(tmp_path / "calm", items, size=2_000)
    busy, calm = ((tmp_path / kind / NAME).stat().st_size for kind in ("busy", "calm"))
    assert calm < busy
    assert gathered(tmp_path / "busy") == gathered(tmp_path / "calm") == items
