"""`collect --archive` as real processes: killed, on a full disk, with several workers.

InfluxDB is away all the time: what is received is kept all the same.
"""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import pytest
import yaml
from exporters.collecting import PATIENCE, free_port
from services import eventually

from flowsleuth.receive.archive_files import find
from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.files import read
from flowsleuth.receive.steering import worker_of

EXPORTERS = tuple(f"127.0.0.{number}" for number in range(2, 10))
LENGTH = 1_200


def datagram(number):
    """The payload of this number: random, so that frames fill and nothing packs well."""
    return number.to_bytes(4) + random.Random(number).randbytes(LENGTH - 4)


def numbers(folder):
    """The numbers of all datagrams in an archive, each with its sender; all bytes are checked."""
    sources, found = Sources(), []
    for batch in read([str(folder)], sources):
        for i in range(len(batch)):
            payload = batch.payload(i)
            number = int.from_bytes(payload[:4])
            assert payload == datagram(number)
            source = sources.table[batch.source[i]]
            found.append((number, source.address, source.port))
    return found


class Site:
    """A running `collect`, and exporters which send numbered datagrams."""

    def __init__(self, tmp_path, archive, *arguments, **settings):
        self.port = free_port()
        self.archive = archive
        self.log = tmp_path / "collect.log"
        file = tmp_path / "flowsleuth.yaml"
        nobody = f"http://127.0.0.1:{free_port()}"
        settings = {"listen": [f"127.0.0.1:{self.port}"], "influx": {"url": nobody}} | settings
        file.write_text(yaml.safe_dump(settings))
        command = [sys.executable, "-m", "flowsleuth", "collect", "-c", str(file)]
        self.sent = {}
        self.sockets = []
        for address in EXPORTERS:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((address, 0))
            self.sockets.append(sock)
        with self.log.open("a") as output:
            self.process = subprocess.Popen(
                [*command, "--archive", str(archive), *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def send(self, first, count):
        """Send datagrams in turn from all exporters, slowly enough for any machine."""
        for number in range(first, first + count):
            sock = self.sockets[number % len(self.sockets)]
            sock.sendto(datagram(number), ("127.0.0.1", self.port))
            self.sent[number] = sock.getsockname()
            if number % 50 == 0:
                time.sleep(0.01)

    def until_logged(self, text, times=1):
        assert eventually(lambda: self.log.read_text().count(text) >= times, PATIENCE), (
            self.log.read_text()
        )

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, self.log.read_text()


@contextmanager
def collecting(tmp_path, archive, *arguments, **settings):
    site = Site(tmp_path, archive, *arguments, **settings)
    try:
        yield site
    finally:
        site.process.kill()
        site.process.wait()
        for sock in site.sockets:
            sock.close()


def test_workers_keep_every_datagram_once_and_their_exporters_apart(tmp_path):
    archive = tmp_path / "archive"
    with collecting(tmp_path, archive, "--workers", "2", "--keep", "1d") as site:
        site.until_logged("listening on", 2)
        site.send(0, 2_000)
        site.stop()
        kept = numbers(archive)
        assert sorted(kept) == sorted((n, *sender) for n, sender in site.sent.items())
        files = find(archive)
        assert {file.worker for file in files} == {0, 1}
        assert not any(file.part for file in files)
        for file in files:
            senders = {address for _, address, _ in numbers(file.path)}
            assert {worker_of(address, 2) for address in senders} == {file.worker}


def test_killed_it_leaves_every_finished_file_and_finishes_the_other(tmp_path):
    archive, moments = tmp_path / "archive", random.Random(11)
    finished, sent = {}, 0
    for episode in range(3):
        with collecting(tmp_path, archive, receive_buffer="4M") as site:
            site.until_logged("listening on", episode + 1)
            assert all(path.read_bytes() == data for path, data in finished.items())
            for _ in range(moments.randrange(2, 5)):
                site.send(sent, 1_000)
                sent += 1_000
            assert eventually(lambda: any(f.part and f.size() for f in find(archive)), PATIENCE)
            time.sleep(moments.uniform(0, 0.2))
            site.process.kill()
            site.process.wait()
            whole = {f.path for f in find(archive) if not f.part}
            assert finished.keys() <= whole
            finished = {path: path.read_bytes() for path in whole}
    with collecting(tmp_path, archive) as site:
        site.until_logged("listening on", 4)
        site.send(sent, 1_000)
        site.stop()
    assert all(path.read_bytes() == data for path, data in finished.items())
    assert not any(file.part for file in find(archive))
    kept = [number for number, *_ in numbers(archive)]
    assert kept == sorted(set(kept))
    assert kept[-1_000:] == list(range(sent, sent + 1_000))
    assert len(kept) > 3_000
    assert site.log.read_text().count("was not finished") == 3


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 8 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "flowsleuth-test", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("left out: mounting a small disk takes root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(path):
    """Write until nothing more is taken."""
    with path.open("wb") as file, suppress(OSError):
        while True:
            os.write(file.fileno(), bytes(4096))


def test_a_full_disk_is_survived_and_archiving_goes_on(tmp_path, small_disk):
    archive = small_disk / "archive"
    with collecting(tmp_path, archive) as site:
        site.until_logged("lower archive_max")
        site.until_logged("listening on")
        site.send(0, 1_000)
        site.stop()
    (first,) = find(archive)
    before = first.path.read_bytes()
    filler = small_disk / "somebody's own"
    fill(filler)
    with collecting(tmp_path, archive) as site:
        site.until_logged("listening on", 2)
        site.send(1_000, 3_000)
        site.until_logged("No space left on device")
        assert first.path.read_bytes() == before
        filler.unlink()
        time.sleep(0.2)
        site.send(4_000, 1_000)
        site.until_logged("archive: it is written again")
        site.stop()
    assert first.path.read_bytes() == before
    kept = [number for number, *_ in numbers(archive)]
    assert kept[:1_000] == list(range(1_000))
    assert kept[-500:] == list(range(4_500, 5_000))
    lost = re.findall(r"archive_lost (\d+)", site.log.read_text())
    assert sum(map(int, lost)) == 5_000 - len(kept) > 0
    assert site.log.read_text().count("Traceback") == 0


def test_two_on_one_folder_are_told(tmp_path):
    archive = tmp_path / "archive"
    with collecting(tmp_path, archive) as site:
        site.until_logged("listening on")
        other = tmp_path / "other"
        other.mkdir()
        with collecting(other, archive, ingester="b") as second:
            assert second.process.wait(PATIENCE) == 1
            assert "each ingester needs an archive of its own" in second.log.read_text()
        site.stop()
