"""The parent of workers: starts them again when they die, and says when they cannot start."""

import os
import signal
import threading

import pytest
from services import eventually

from flowsleuth.errors import ConfigError, ServiceError
from flowsleuth.health.slate import Slate
from flowsleuth.pipeline import workers
from flowsleuth.pipeline.workers import Workers, hold_reload, until_told


def dies(place):
    os._exit(3 + place.worker)


def cannot(place):
    raise ConfigError("this is the user's to mend")


@pytest.fixture
def short_pauses(monkeypatch):
    monkeypatch.setattr(workers, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(workers, "LONGEST_PAUSE_S", 0.02)


def test_a_worker_that_dies_is_started_again_after_bounded_pauses(short_pauses, caplog):
    group = Workers(dies, [[]], [Slate()], None)
    messages = [f"worker 0 ended with exit status 3; again in {s} s" for s in (0.01, 0.02, 0.02)]

    def stop():
        eventually(lambda: caplog.text.count("again in") >= len(messages))
        group.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(ServiceError, match="worker 0 did not end well"):
        group.run()
    stopper.join()
    assert [text for text in caplog.messages if "again in" in text][: len(messages)] == messages


def test_a_long_life_is_followed_by_the_first_pause(short_pauses, monkeypatch, caplog):
    monkeypatch.setattr(workers, "STEADY_S", 0.0)
    group = Workers(dies, [[]], [Slate()], None)

    def stop():
        eventually(lambda: caplog.text.count("again in") >= 2)
        group.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(ServiceError):
        group.run()
    stopper.join()
    ends = [text for text in caplog.messages if "again in" in text]
    assert {text.rpartition("again in ")[2] for text in ends} == {"0.01 s"}


def test_what_the_user_must_mend_ends_the_start():
    with pytest.raises(ServiceError, match="worker 0 cannot start; its last line says why"):
        Workers(cannot, [[]], [Slate()], None).run()


@pytest.fixture
def signals():
    """Whatever a test does to the handlers, pytest has its own again."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("early", [0, 2])
def test_a_hang_up_before_the_start_is_over_is_one_reload_then(signals, early):
    told = []
    hold_reload()
    for _ in range(early):
        os.kill(os.getpid(), signal.SIGHUP)
    assert told == []
    until_told(lambda: told.append("stop"), lambda: told.append("reload"))
    assert told == ["reload"] * bool(early)
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGTERM)
    assert sorted(told) == sorted(["reload"] * bool(early) + ["reload", "stop"])


def test_workers_are_not_told_of_a_wrong_configuration(caplog):
    def renew():
        group.stop()
        raise ConfigError("f.yaml: wrong")

    group = Workers(dies, [], [], renew)
    group.reload()
    group.run()
    assert caplog.messages == ["reload: f.yaml: wrong; all stays as it was"]
