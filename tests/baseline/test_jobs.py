"""When a known job may run, and whose traffic it raises."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsleuth.baseline.clock import STEP_S
from flowsleuth.baseline.jobs import Jobs, concerns, is_running
from flowsleuth.baseline.normal import Series
from flowsleuth.config import ExpectedJob

BERLIN = ZoneInfo("Europe/Berlin")


def job(**settings):
    return ExpectedJob.model_validate({"network": "Servers", "upto": "400M", **settings})


def running(about, day, zone=BERLIN):
    """The local times of the day's steps in which a job runs, as 'HH:MM' of the first and last."""
    begin = datetime.fromisoformat(day).replace(tzinfo=zone)
    end = (begin + timedelta(days=1)).timestamp()
    steps = np.arange(begin.timestamp(), end, STEP_S).astype(int) // STEP_S
    added = Jobs([about], zone).added([Series("Servers", "out", "all")], steps)[0]
    found = [datetime.fromtimestamp(s * STEP_S, zone) for s in steps[added > 0].tolist()]
    runs = []
    for moment in found:
        if not runs or moment.timestamp() - runs[-1][1].timestamp() != STEP_S:
            runs.append([moment, moment])
        runs[-1][1] = moment
    return [tuple(f"{edge:%H:%M}" for edge in run) for run in runs]


@pytest.mark.parametrize(
    ("hours", "runs"),
    [
        ("00:30-05:00", [("00:30", "04:55")]),
        ("00:32-05:03", [("00:30", "05:00")]),
        ("00:34-00:36", [("00:30", "00:35")]),
        ("20:00-24:00", [("20:00", "23:55")]),
        ("22:00-04:00", [("00:00", "03:55"), ("22:00", "23:55")]),
        ("23:58-00:00", [("23:55", "23:55")]),
        ("04:00-03:00", [("00:00", "02:55"), ("04:00", "23:55")]),
        (None, [("00:00", "23:55")]),
    ],
)
def test_hours(hours, runs):
    assert running(job(hours=hours), "2027-01-15") == runs


@pytest.mark.parametrize(
    ("day", "runs"),
    [
        ("2027-03-30", [("00:00", "03:55"), ("22:00", "23:55")]),
        ("2027-03-31", [("00:00", "03:55"), ("22:00", "23:55")]),
        ("2027-04-01", [("00:00", "03:55")]),
        ("2027-04-02", []),
    ],
)
def test_the_last_day_is_the_one_on_which_it_begins(day, runs):
    assert running(job(hours="22:00-04:00", until="2027-03-31"), day) == runs
    assert bool(running(job(until="2027-03-31"), day)) == (day <= "2027-03-31")
    assert bool(running(job(hours="02:00-04:00", until="2027-03-31"), day)) == (day <= "2027-03-31")


def test_hours_follow_the_clock_on_the_wall():
    """Berlin: 02:00 became 03:00 on 28 March 2027, and 03:00 became 02:00 on 31 October."""
    nightly = job(hours="02:30-05:00")
    assert running(nightly, "2027-03-28") == [("03:00", "04:55")]
    assert running(nightly, "2027-10-31") == [("02:30", "02:55"), ("02:30", "04:55")]
    assert running(nightly, "2027-10-30", UTC) == [("02:30", "04:55")]


@given(
    st.integers(0, 4 * 366 * 288),
    st.integers(0, 1439),
    st.integers(1, 1439),
    st.integers(0, 4),
)
def test_a_step_that_a_run_touches_is_the_jobs(step, begin, minutes, days_left):
    """Against the plain definition: some day's run overlaps the five minutes."""
    moment = datetime(2026, 1, 1, tzinfo=UTC) + step * timedelta(minutes=5)
    end = (begin + minutes) % 1440
    last = moment.date() + timedelta(days=days_left - 2)
    about = job(hours=f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}", until=last)
    expected = False
    for back in (0, 1):
        day = moment.replace(hour=0, minute=0) - timedelta(days=back)
        run = day + timedelta(minutes=begin)
        overlaps = run < moment + timedelta(minutes=5) and run + timedelta(minutes=minutes) > moment
        expected |= overlaps and day.date() <= last
    assert is_running(about, moment) == expected


@pytest.mark.parametrize(
    ("settings", "protocols"),
    [
        ({}, {"all", "tcp", "udp", "icmp", "gre"}),
        ({"port": 873}, {"all", "tcp", "udp"}),
        ({"port": 0}, {"all", "tcp", "udp", "icmp", "gre"}),
        ({"port": 873, "protocol": "tcp"}, {"all", "tcp"}),
        ({"protocol": "GRE"}, {"all", "gre"}),
    ],
)
def test_protocols_that_a_job_may_have(settings, protocols):
    about = job(**settings)
    for direction in ("out", "in", "internal"):
        found = {
            protocol
            for protocol in ("all", "tcp", "udp", "icmp", "gre")
            if concerns(about, Series("Servers", direction, protocol))
        }
        assert found == protocols
    assert not concerns(about, Series("Green", "out", "all"))
    assert not concerns(about, Series("profile:Servers", "out", "all"))


def test_jobs_at_the_same_time_add_up():
    steps = np.arange(5_000_000, 5_000_288)
    both = [job(hours="00:00-12:00"), job(hours="06:00-18:00", upto="80M")]
    series = [Series("Servers", "in", "tcp"), Series("Green", "in", "tcp")]
    added = Jobs(both, UTC).added(series, steps)
    assert set(added[0].tolist()) == {0.0, 50e6, 60e6, 10e6}
    assert not added[1].any()
    assert Jobs([], None).added(series, steps).shape == (2, 288)
