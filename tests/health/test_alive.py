"""Alive is: sockets open, decoding moves, points get through or are safe on disk."""

from functools import partial

import pytest

from flowsleuth.health import slate as slates
from flowsleuth.health.alive import STALLED_S, report
from flowsleuth.health.slate import Slate
from flowsleuth.write.influx import Standing

from .showing import slate


def later(monkeypatch, seconds):
    real = slates.time.monotonic
    monkeypatch.setattr(slates.time, "monotonic", lambda: real() + seconds)


@pytest.mark.parametrize("writing", [Standing.TAKEN, Standing.SPOOLED])
def test_a_worker_whose_points_are_safe_is_alive(writing):
    said = report([slate(writing=writing)])
    assert said["alive"]
    assert said["reasons"] == []
    assert said["workers"] == [
        {"worker": 0, "sockets": 1, "decoding": True, "writing": writing.name.lower()}
    ]


@pytest.mark.parametrize(
    ("sick", "reason"),
    [
        (Slate, "no socket is open"),
        (partial(slate, sockets=0), "no socket is open"),
        (partial(slate, decoding=False), "nothing was decoded"),
        (partial(slate, writing=Standing.WAITING), "wait in memory only"),
        (partial(slate, writing=Standing.LOSING), "no room for them"),
        (partial(slate, writing=Standing.ENDED), "the thread that writes has ended"),
    ],
)
def test_what_is_wrong_is_said(sick, reason):
    said = report([sick()])
    assert not said["alive"]
    assert len(said["reasons"]) == 1
    assert said["reasons"][0].startswith(reason) or reason in said["reasons"][0]


def test_all_workers_have_to_be_alive():
    said = report([slate(), slate(sockets=0), slate(writing=Standing.LOSING)])
    assert [reason.partition(":")[0] for reason in said["reasons"]] == ["worker 1", "worker 2"]
    assert not said["alive"]


def test_decoding_that_does_not_move_for_a_minute_is_no_life(monkeypatch):
    shown = slate()
    later(monkeypatch, STALLED_S - 1)
    assert report([shown])["alive"]
    later(monkeypatch, 2)
    assert "nothing was decoded for" in report([shown])["reasons"][0]
    shown.decoding()
    assert report([shown])["alive"]


def test_a_worker_that_ended_is_wiped_off():
    shown = slate(datagrams=7)
    assert shown.totals()["datagrams"] == 7
    shown.wipe()
    assert set(shown.totals().values()) == {0}
    assert not report([shown])["alive"]
