"""The writer against servers that are slow, full, gone or say no."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from services import eventually

from flowsleuth.errors import ServiceError
from flowsleuth.write import influx
from flowsleuth.write.influx import InfluxWriter
from flowsleuth.write.spool import Spool

QUICK = {"retry_interval": 0.005, "total": 2, "max_retry_delay": 0.02, "max_retry_time": 2}

Writer = Callable[..., InfluxWriter]


@pytest.fixture
def writer(fake: Any) -> Iterator[Writer]:
    """A maker of writers to the fake server, with short pauses; all are closed."""
    made: list[InfluxWriter] = []

    def make(**more: Any) -> InfluxWriter:
        settings = fake.settings(**more.pop("settings", {}))
        made.append(InfluxWriter(settings, **{"retries": QUICK, "pause_s": 0.02, **more}))
        return made[-1]

    yield make
    for one in made:
        one.close(timeout=2)


def told(fake: Any, *answers: tuple[int, Any]) -> None:
    """Let the fake give these answers, then take everything."""
    left = list(answers)
    kind = type(fake.answer(None))
    fake.answer = lambda _: kind(*left.pop(0)) if left else kind()


def test_lines_arrive_zipped_in_the_bucket_of_their_measurement(fake: Any, writer: Writer):
    one = writer()
    one.submit("traffic", [b"traffic bytes=1i 1", b"traffic bytes=2i 2"])
    one.submit("talkers", [b"talkers bytes=1i 1"])
    assert one.flush(10)
    bodies = {asked.query["bucket"]: asked.body for asked in fake.asked}
    assert bodies == {
        "flowsleuth": b"traffic bytes=1i 1\ntraffic bytes=2i 2",
        "flowsleuth/detail": b"talkers bytes=1i 1",
    }
    assert {asked.headers["authorization"] for asked in fake.asked} == {"Token t"}
    assert {asked.headers["content-encoding"] for asked in fake.asked} == {"gzip"}
    assert {(a.query["org"], a.query["precision"]) for a in fake.asked} == {("netops", "ns")}
    assert one.totals().points == 3


def test_one_retention_only(fake: Any, writer: Writer):
    one = writer(settings={"detail": ""})
    one.submit("talkers", [b"talkers bytes=1i 1"])
    assert one.flush(10)
    assert fake.asked[0].query["bucket"] == "flowsleuth"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_is_busy_is_asked_again_with_the_same_bytes(fake: Any, writer: Writer, status: int):
    told(fake, (status, {"message": "busy"}, {"Retry-After": "0"}), (status, None))
    one = writer()
    one.submit("traffic", [b"traffic bytes=1i 1"])
    assert one.flush(10)
    assert len(fake.asked) == 3
    assert len({asked.raw for asked in fake.asked}) == 1
    counts = one.totals()
    assert (counts.points, counts.write_errors, counts.points_dropped) == (1, 2, 0)


def test_retry_after_is_kept_to(fake: Any, writer: Writer):
    told(fake, (503, None, {"Retry-After": "1"}))
    one = writer()
    one.submit("traffic", [b"traffic bytes=1i 1"])
    assert not one.flush(0.7)
    assert one.flush(10)


def test_it_outlasts_the_clients_retries(fake: Any, writer: Writer, caplog: Any):
    told(fake, *[(503, {"message": "down"})] * 8)
    one = writer()
    with caplog.at_level(logging.INFO):
        one.submit("traffic", [b"traffic bytes=1i 1"])
        assert one.flush(10)
    assert len(fake.asked) == 9
    assert one.totals().points == 1
    lines = [record.message for record in caplog.records]
    assert len(lines) == 2, "an outage is logged once, its end once"
    assert "answers 503: down; 1 points wait" in lines[0]
    assert "takes points again" in lines[1]


def test_a_token_that_is_refused_may_become_valid(fake: Any, writer: Writer):
    told(fake, (401, {"message": "unauthorized access"}))
    one = writer(pause_s=0.2)
    one.submit("traffic", [b"traffic bytes=1i 1"])
    assert eventually(lambda: "influx.token (401: unauthorized access)" in one.trouble)
    assert one.flush(10)
    assert one.trouble == ""


def test_refused_points_do_not_hold_up_the_rest(fake: Any, writer: Writer, caplog: Any):
    kind = type(fake.answer(None))

    def answer(asked: Any) -> Any:
        return kind(400, {"message": "unable to parse"}) if b"bad" in asked.body else kind()

    fake.answer = answer
    one = writer()
    lines = [b"traffic bytes=%di %d" % (i, i) for i in range(50)]
    lines[17] = b"traffic bad"
    one.submit("traffic", lines)
    assert one.flush(10)
    assert (one.totals().points, one.totals().points_refused) == (49, 1)
    taken = b"\n".join(a.body for a in fake.asked if b"bad" not in a.body).split(b"\n")
    assert sorted(taken) == sorted(line for line in lines if b"bad" not in line)
    assert "refuses 1 points for good: 400: unable to parse: traffic bad" in caplog.text


def test_the_servers_own_count_is_taken(fake: Any, writer: Writer):
    told(fake, (422, {"message": "partial write: points beyond retention policy dropped=2"}))
    one = writer()
    one.submit("traffic", [b"traffic bytes=1i 1"] * 5)
    assert one.flush(10)
    assert (len(fake.asked), one.totals().points, one.totals().points_refused) == (1, 3, 2)


def test_a_batch_that_is_too_large_is_halved(fake: Any, writer: Writer):
    told(fake, (413, None))
    one = writer()
    one.submit("traffic", [b"traffic bytes=1i 1", b"traffic bytes=2i 2"])
    assert one.flush(10)
    assert [asked.body for asked in fake.asked[1:]] == [
        b"traffic bytes=1i 1",
        b"traffic bytes=2i 2",
    ]


def test_an_outage_drops_the_oldest_detail_and_says_so_at_the_end(
    fake: Any, writer: Writer, caplog: Any
):
    kind = type(fake.answer(None))
    fake.answer = lambda _: kind(503)
    one = writer(settings={"batch_points": 10}, backlog_bytes=10_000)
    for i in range(40):
        one.submit("talkers", [b"talkers bytes=1i %d" % i] * 10)
    one.submit("traffic", [b"traffic bytes=1i 1"])
    assert 0 < one.totals().points_dropped < 400
    assert one.totals().queue <= 10_000 / 50
    one.close(0.1)
    counts = one.totals()
    assert (counts.points, counts.points_dropped, counts.queue) == (0, 401, 0)
    assert "given up at the end" in caplog.text


def test_a_patient_writer_waits_and_then_says_why(fake: Any, writer: Writer, monkeypatch: Any):
    monkeypatch.setattr(influx, "PATIENCE_S", 0.2)
    kind = type(fake.answer(None))
    fake.answer = lambda _: kind(503, {"message": "down"})
    one = writer(patient=True, backlog_bytes=1_000)
    one.submit("talkers", [b"talkers bytes=1i 1"] * 10)
    with pytest.raises(ServiceError, match="answers 503: down"):
        one.submit("talkers", [b"talkers bytes=1i 1"] * 10)
    assert one.totals().points_dropped == 0


def test_closing_does_not_wait_for_a_server_that_asks_for_an_hour(fake: Any, writer: Writer):
    kind = type(fake.answer(None))
    fake.answer = lambda _: kind(503, None, {"Retry-After": "3600"})
    one = writer()
    one.submit("traffic", [b"traffic bytes=1i 1"])
    assert eventually(lambda: fake.asked)
    before = time.monotonic()
    one.close(0.1)
    assert time.monotonic() - before < 5
    assert one.totals().points_dropped == 1


def test_the_longest_write_of_the_last_minute_is_known(fake: Any, writer: Writer, monkeypatch: Any):
    told(fake, (503, None, {"Retry-After": "1"}))
    one = writer()
    assert one.totals().write_seconds == 0
    one.submit("traffic", [b"traffic bytes=1i 1"])
    assert eventually(lambda: one.totals().write_seconds > 0.1), "it goes on"
    assert one.flush(10)
    one.submit("traffic", [b"traffic bytes=1i 2"])
    assert one.flush(10)
    assert one.totals().write_seconds >= 1
    monkeypatch.setattr(influx, "RECENT_S", 0.0)
    assert one.totals().write_seconds == 0


def test_a_load_ends_when_all_is_there_or_says_why_not(fake: Any, writer: Writer, monkeypatch: Any):
    monkeypatch.setattr(influx, "PATIENCE_S", 0.2)
    kind = type(fake.answer(None))
    with writer(patient=True) as one:
        one.submit("traffic", [b"traffic bytes=1i 1"])
        one.finish()
    assert one.totals().points == 1
    fake.answer = lambda _: kind(401, {"message": "no"})

    def load() -> None:
        with writer(patient=True) as one:
            one.submit("traffic", [b"traffic bytes=1i 1"])
            one.finish()

    with pytest.raises(ServiceError, match=r"does not accept influx.token \(401: no\)"):
        load()


def test_a_server_that_is_away_is_asked_until_the_end(writer: Writer, caplog: Any):
    one = writer(settings={"url": "http://127.0.0.1:1"})
    one.submit("traffic", [b"traffic bytes=1i 1"])
    assert eventually(lambda: one.totals().write_errors > 6)
    assert one.trouble.startswith("InfluxDB at http://127.0.0.1:1 cannot be reached: ")
    assert one.trouble.endswith("Connection refused: see that it runs, and influx.url")
    one.close(0)
    assert one.totals().points_dropped == 1
    assert "given up at the end: 1 points: InfluxDB at http://127.0.0.1:1" in caplog.text


def test_a_server_that_was_away_is_prepared_before_the_first_write(
    fake: Any, writer: Writer, caplog: Any
):
    asked = []

    def prepare() -> None:
        asked.append(len(fake.asked))
        if len(asked) < 3:
            raise ServiceError("it is away")

    one = writer(prepare=prepare)
    one.submit("traffic", [b"traffic bytes=1i 1"])
    one.submit("talkers", [b"talkers bytes=1i 1"])
    assert one.flush(10)
    assert asked == [0, 0, 0], "never again once it went well"
    assert (one.totals().points, one.totals().write_errors) == (2, 2)
    assert "it is away" not in caplog.text, "who calls has said so"


def test_what_is_not_written_at_the_end_stays_in_the_spool(
    fake: Any, writer: Writer, tmp_path: Path, caplog: Any
):
    caplog.set_level(logging.INFO)
    kind = type(fake.answer(None))
    fake.answer = lambda _: kind(503)
    one = writer(spool=Spool(tmp_path, 2**20), settings={"batch_points": 2})
    one.submit("traffic", [b"traffic bytes=%di 1" % i for i in range(5)])
    one.commit()
    assert eventually(lambda: one.trouble)
    assert one.totals().spool == 4 * 4096
    before = time.monotonic()
    one.close()
    assert time.monotonic() - before < 5, "what is safe need not wait"
    assert one.totals().points_dropped == 0
    assert "5 points stay in the spool for the next start" in caplog.text
    fake.answer = lambda _: kind()
    fake.asked.clear()
    two = writer(spool=Spool(tmp_path, 2**20))
    assert two.flush(10)
    assert (two.totals().points, two.totals().spool) == (5, 0)
    assert [asked.body.count(b"traffic") for asked in fake.asked] == [2, 2, 1]


def test_refused_points_leave_the_spool(fake: Any, writer: Writer, tmp_path: Path):
    kind = type(fake.answer(None))
    fake.answer = lambda asked: kind(400, {"message": "no"}) if b"bad" in asked.body else kind()
    one = writer(spool=Spool(tmp_path, 2**20))
    one.submit("traffic", [b"traffic bytes=1i 1", b"traffic bad", b"traffic bytes=2i 2"])
    assert one.flush(10)
    counts = one.totals()
    assert (counts.points, counts.points_refused, counts.spool) == (2, 1, 0)


def test_points_wait_in_memory_on_a_full_disk(
    fake: Any, writer: Writer, tmp_path: Path, monkeypatch: Any
):
    spool = Spool(tmp_path, 2**20)
    monkeypatch.setattr(spool, "store", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
    kind = type(fake.answer(None))
    fake.answer = lambda _: kind(503)
    one = writer(spool=spool)
    one.submit("traffic", [b"traffic bytes=1i 1"] * 3)
    one.commit()
    assert eventually(lambda: one.trouble)
    one.close(0.1)
    assert (one.totals().points_dropped, one.totals().spool) == (3, 0)
