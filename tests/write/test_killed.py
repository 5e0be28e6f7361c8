"""kill -9 of a writing process, a hundred times: nothing that was committed is lost or doubled."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from dying import LIMIT, PER_EPISODE, QUICK, value
from services import InfluxService, rows

from flowsleuth.config import Config, Influx
from flowsleuth.write.influx import InfluxWriter
from flowsleuth.write.spool import Spool

KILLS = 100
KILLS_BEFORE_A_REAL_ONE = 30
SEED = 20060911
LINE = re.compile(rb"(traffic|talkers),\w+=(\d+) bytes=(\d+)i (\d+)")


@pytest.fixture
def dying() -> Iterator[subprocess.Popen]:
    program = Path(__file__).with_name("dying.py")
    process = subprocess.Popen(
        [sys.executable, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    yield process
    process.stdin.close()
    process.stdout.close()
    assert process.wait(10) == 0


class Between:
    """Stands before an InfluxDB (or is one) and kills who writes, before or after it is applied."""

    def __init__(self, fake: Any, apply: Callable[[Any], int]) -> None:
        self.pid = 0
        self.left = 0
        self.after = False
        self.bodies: Counter[bytes] = Counter()
        self._told = type(fake.answer(None))
        self._apply = apply
        fake.answer = self.answer

    def answer(self, asked: Any) -> Any:
        self.left -= 1
        dies = self.left == 0
        if dies and not self.after:
            self._kill()
            return self._told(503)
        status = self._apply(asked)
        self.bodies[asked.raw] += status == 204
        if dies:
            self._kill()
        return self._told(status)

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def episodes(
    dying: Any, between: Between, url: str, folder: Path, begin_ns: int = 0, kills: int = KILLS
) -> set[int]:
    """Write and be killed `kills` times; return the flushes that were said to be committed."""
    chance = random.Random(SEED)
    committed = set()
    for episode in range(kills):
        # A third dies by the clock, wherever it is: in a commit, in a rename, at an exit.
        fuse_s = chance.uniform(0.0001, 0.04) if chance.random() < 1 / 3 else 0
        between.left = 0 if fuse_s else chance.randint(1, 3 * PER_EPISODE)
        between.after = chance.random() < 0.5
        order = {"url": url, "folder": str(folder), "episode": episode, "begin_ns": begin_ns}
        dying.stdin.write(json.dumps(order | {"fuse_s": fuse_s}).encode() + b"\n")
        while (line := dying.stdout.readline()) != b"ended\n":
            word, number = line.split()
            if word == b"pid":
                between.pid = int(number)
            else:
                committed.add(int(number))
    return committed


def finish(url: str, folder: Path) -> None:
    """Do as the next process does: write what the killed ones left."""
    settings = Influx.model_validate({"url": url, "org": "o", "batch_points": 3})
    writer = InfluxWriter(settings, spool=Spool(folder, LIMIT), pause_s=0.01, retries=QUICK)
    assert writer.flush(30)
    writer.close()
    counts = writer.totals()
    assert (counts.points_dropped, counts.points_refused, counts.spool) == (0, 0, 0)


def judge(committed: set[int], there: set[int]) -> None:
    """Check the flushes in InfluxDB: all committed ones, and one more where the word was lost."""
    assert committed <= there
    unsaid = Counter(flush // PER_EPISODE for flush in there - committed)
    assert set(unsaid.values()) <= {1}
    assert len(committed) > KILLS_BEFORE_A_REAL_ONE


def test_kill_9_between_a_write_and_its_acknowledgement(fake: Any, dying: Any, tmp_path: Path):
    points: dict[tuple[bytes, ...], set[int]] = {}

    def apply(asked: Any) -> int:
        for name, tag, number, at in LINE.findall(asked.body):
            points.setdefault((name, tag, at), set()).add(int(number))
        return 204

    between = Between(fake, apply)
    committed = episodes(dying, between, fake.url, tmp_path)
    finish(fake.url, tmp_path)
    assert max(between.bodies.values()) > 1, "some was written twice"
    sums: Counter[tuple[bytes, int]] = Counter()
    for (name, _, at), found in points.items():
        assert len(found) == 1, "and with the same bytes"
        sums[name, int(at)] += found.pop()
    there = {at for _, at in sums}
    judge(committed, there)
    for flush in there:
        assert sums[b"traffic", flush] == sums[b"talkers", flush] == value(flush)


def test_kill_9_before_a_real_influxdb(
    fake: Any, dying: Any, tmp_path: Path, influxdb: InfluxService, influx_config: Config
):
    settings = influx_config.influx
    headers = {"Content-Encoding": "gzip", "Authorization": f"Token {influxdb.token}"}
    begin_ns = (time.time_ns() // 10**9 - 60) * 10**9

    def apply(asked: Any) -> int:
        detail = asked.query["bucket"].endswith("detail")
        query = {
            "org": settings.org,
            "bucket": settings.detail if detail else settings.database,
            "precision": "ns",
        }
        url = f"{influxdb.url}/api/v2/write?{urlencode(query)}"
        request = urllib.request.Request(url, asked.raw, headers)
        with urllib.request.urlopen(request) as answer:
            return answer.status

    between = Between(fake, apply)
    committed = episodes(dying, between, fake.url, tmp_path, begin_ns, KILLS_BEFORE_A_REAL_ONE)
    finish(fake.url, tmp_path)
    assert max(between.bodies.values()) > 1, "some was written twice"
    traffic = rows(influx_config, 'SELECT "bytes" FROM "traffic"')
    there = {row["time"] - begin_ns for row in traffic}
    judge(committed, there)
    for source in ('"traffic"', f'"{settings.policy}"."talkers"'):
        (row,) = rows(influx_config, f'SELECT sum("bytes") FROM {source}')
        assert row["sum"] == sum(map(value, there))
