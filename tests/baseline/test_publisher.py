"""What is written of what is normal, when, and what a missing InfluxDB or a restart does to it."""

import logging
import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from flowsleuth.baseline import publisher as module
from flowsleuth.baseline.clock import STEP_NS
from flowsleuth.baseline.normal import Expectation, Series
from flowsleuth.baseline.publisher import HOURS, Publisher, changes
from flowsleuth.config import Config
from flowsleuth.errors import ServiceError
from flowsleuth.write.lines import encode
from flowsleuth.write.server import Away
from flowsleuth.write.server import Series as Answer

MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
NOON = 1_800_014_400 * 10**9
"""Friday 15 January 2027, 12:00 UTC."""

SETTINGS = {
    "networks": [
        {"name": "Green", "prefixes": ["10.1.0.0/16"], "site": "hq", "limit": "80M", "floor": "5M"},
        {"name": "Blue", "prefixes": ["10.2.0.0/16"]},
    ],
    "profiles": [{"name": "dns", "filter": "udp", "limit": "20M"}],
    "timezone": "UTC",
}
TCP = Series("Green", "out", "tcp")


class Site:
    """A publisher whose clock and whose InfluxDB are told, and the points that it gives."""

    def __init__(self, now=NOON + 10 * MINUTE, series=(TCP,), **settings):
        self.now = now
        self.config = Config.model_validate(SETTINGS | settings)
        self.series = series
        self.asked = []
        self.expected = []
        self.away = None
        self.publisher = Publisher(self.config, self.ask, lambda: self.now)

    def ask(self, statement):
        self.asked.append(statement)
        if self.away:
            raise self.away
        return []

    def expect(self, past, now_ns, *, hours, **told):
        """100 bytes/s are expected everywhere, 300 are the upper bound."""
        self.expected.append((now_ns, told))
        shape = len(self.series), hours * 12
        steps = now_ns // STEP_NS + np.arange(shape[1])
        learning = np.zeros(shape[0], bool)
        return Expectation(
            tuple(self.series), steps, np.full(shape, 100.0), np.full(shape, 300.0), learning
        )

    def points(self):
        """{(network, direction, protocol, time): fields} of what there is to write."""
        found = {}
        for line in self.lines():
            head, fields, at = line.split(" ")
            tags = dict(tag.split("=") for tag in head.split(",")[1:])
            assert list(tags) == ["network", "direction", "protocol"]
            place = (*tags.values(), int(at))
            values = (field.split("=") for field in fields.split(","))
            found[place] = found.get(place, {}) | {k: float(v.rstrip("i")) for k, v in values}
        return found

    def lines(self):
        lines = []
        while (table := self.publisher.take()) is not None:
            assert table.measurement == "baseline"
            lines += [line.decode() for line in encode(table, {"ingester": self.config.ingester})]
        return lines

    def until(self, ns):
        """Work like the thread does until it is so late; return when it worked."""
        times = []
        while self.now < ns:
            times.append(self.now)
            self.now += self.publisher.work()
        self.now = ns
        return times


@pytest.fixture
def site(monkeypatch):
    def make(**settings):
        made = Site(**settings)
        monkeypatch.setattr(module, "expect", made.expect)
        return made

    return make


def test_limits_and_floors_are_there_from_the_first_moment(site):
    at = site(series=())
    at.publisher.work()
    points = at.points()
    steps = sorted({place[3] for place in points})
    assert steps == [NOON + i * STEP_NS for i in range(HOURS * 12)]
    now = NOON + 2 * STEP_NS
    rows = {place[:3]: fields for place, fields in points.items() if place[3] == now}
    ends = ("in", "internal", "out")
    assert sorted(rows) == sorted(
        [(name, end, "all") for name in ("Green", "Blue") for end in ends]
        + [("profile:dns", end, "all") for end in (*ends, "transit")]
    )
    trust = {"lag_s": 0, "sampled": 0, "exporters_silent": 0, "learning": 1}
    assert rows["Green", "in", "all"] == trust | {"bytes_floor": 625_000, "bytes_limit": 10e6}
    assert rows["Blue", "internal", "all"] == trust | {"bytes_floor": 250_000}
    assert rows["profile:dns", "transit", "all"] == trust | {
        "bytes_floor": 250_000,
        "bytes_limit": 2.5e6,
    }


def test_only_the_whole_has_a_limit(site):
    at = site(series=[TCP, Series("Green", "out", "all"), Series("profile:all", "out", "all")])
    at.publisher.work()
    rows = {place[:3]: fields for place, fields in at.points().items() if place[3] == NOON}
    known = {"bytes_expected": 100, "bytes_upper": 300, "learning": 0}
    assert rows[TCP] == known | {"bytes_floor": 625_000}
    assert rows["Green", "out", "all"] == known | {"bytes_floor": 625_000, "bytes_limit": 10e6}
    assert rows["profile:all", "out", "all"] == known | {"bytes_floor": 250_000}


def test_what_is_not_configured_any_more_has_no_rows(site):
    at = site(series=[Series("Old", "out", "all"), Series("unassigned", "transit", "all"), TCP])
    at.publisher.work()
    names = {place[0] for place in at.points()}
    assert names == {"Green", "Blue", "profile:dns", "unassigned"}


def test_jobs_raise_their_networks_upper_bound_in_their_hours(site):
    job = {"network": "Green", "port": 873, "protocol": "tcp", "upto": "8M", "hours": "13:00-13:30"}
    at = site(
        series=[TCP, Series("Green", "out", "udp"), Series("Blue", "out", "tcp")], expected=[job]
    )
    at.publisher.work()
    upper = {
        place: fields["bytes_upper"]
        for place, fields in at.points().items()
        if "bytes_upper" in fields
    }
    raised = {place: value for place, value in upper.items() if value != 300}
    assert raised == {(*TCP, NOON + HOUR + i * STEP_NS): 1_000_100 for i in range(6)}
    assert {place[:3] for place in upper} == {*at.series}


def test_a_job_smaller_than_what_is_normal_changes_nothing(site):
    at = site(expected=[{"network": "Green", "upto": 800}])
    at.publisher.work()
    assert {f["bytes_upper"] for f in at.points().values() if "bytes_upper" in f} == {300}


def test_where_nothing_is_known_a_job_says_nothing_of_what_is_normal(site):
    at = site(series=(), expected=[{"network": "Blue", "upto": "80M"}])
    at.publisher.work()
    assert not any("bytes_upper" in fields for fields in at.points().values())


def test_the_model_is_told_what_the_configuration_and_influxdb_say(site, monkeypatch):
    at = site()
    monkeypatch.setattr(module, "changes", lambda ask, names, now_ns: {"Blue": 17})
    exporter = {"exporter": "a", "domain": "0", "version": "v9", "ingester": "main"}
    columns = ("time", "lag", "state", "interval", "silent", "networks")
    row = (0, 1900.0, 1, 1000, 400.0, '["Green"]')
    at.publisher._ask = lambda _: [Answer("exporters", exporter, columns, (row,))]
    at.publisher.work()
    ((now_ns, told),) = at.expected
    assert now_ns == NOON
    assert told["floors"] == {
        "Green": 625_000,
        "Blue": 250_000,
        "profile:dns": 250_000,
        "unassigned": 250_000,
        "profile:all": 250_000,
    }
    assert told["intervals"]["Green"] == told["intervals"]["profile:dns"] == 1000
    assert told["intervals"]["Blue"] == 1
    assert told["since"] == {"Blue": 17}
    assert str(told["zone"]) == "UTC"
    rows = {place: fields for place, fields in at.points().items() if "lag_s" in fields}
    assert {place[3] for place in rows} == {NOON + 2 * STEP_NS}
    assert {
        (place[0], fields["lag_s"], fields["sampled"], fields["exporters_silent"])
        for place, fields in rows.items()
    } == {("Green", 1900, 1, 1), ("Blue", 0, 0, 0), ("profile:dns", 1900, 1, 1)}


def test_normal_is_computed_every_hour_and_trust_at_every_step(site):
    at = site()
    times = at.until(NOON + 4 * HOUR)
    runs = [now for now, _ in at.expected]
    assert runs == [NOON, NOON, NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR]
    assert len(times) < 60
    steps = {place[3] for place, fields in at.points().items() if "lag_s" in fields}
    assert steps == {NOON + i * STEP_NS for i in range(2, 48)}


def test_a_run_is_never_for_an_hour_that_has_only_begun(site):
    at = site(now=NOON + MINUTE)
    at.publisher.work()
    assert at.expected[0][0] == NOON - HOUR
    covered = {place[3] for place in at.points()}
    assert max(covered) + STEP_NS >= NOON + 3 * HOUR


def test_there_are_always_three_hours_ahead_until_the_next_run(site):
    at = site()
    ahead = at.now
    while at.now < NOON + 5 * HOUR:
        assert ahead - at.now >= 2 * HOUR + 50 * MINUTE or not at.expected
        at.now += at.publisher.work()
        ahead = max([ahead, *(place[3] + STEP_NS for place in at.points())])


def test_two_ingesters_write_the_same_at_the_same_times(site):
    """Whoever starts earlier or later in the hour and the step, and whatever it is called."""
    lines = []
    for name, second in (("main", 10 * MINUTE), ("other", 14 * MINUTE + 59 * 10**9)):
        at = site(now=NOON + second, ingester=name)
        at.publisher.work()
        lines.append(sorted(at.lines()))
    assert lines[0] == lines[1] != []
    assert not any("ingester" in line for line in lines[0])


def test_ingesters_do_not_all_ask_at_once():
    late = {Publisher(Config(ingester=f"i{i}"))._late_ns for i in range(20)}
    assert len(late) > 10
    assert min(late) >= 3 * MINUTE
    assert max(late) < 5 * MINUTE


def test_a_restart_writes_the_same_points_again(site):
    first = site()
    first.publisher.work()
    lines = sorted(first.lines())
    again = site(now=first.now + 2 * MINUTE)
    again.publisher.work()
    assert sorted(again.lines()) == lines


@pytest.mark.parametrize(
    ("error", "level", "said"),
    [
        (Away("InfluxDB cannot be reached"), "INFO", "what is normal is not computed until"),
        (ServiceError("401: it may not read"), "WARNING", "401: it may not read; until this is"),
    ],
)
def test_influxdb_does_not_answer(site, caplog, error, level, said):
    at = site()
    at.away = error
    with caplog.at_level(logging.INFO):
        times = at.until(NOON + 70 * MINUTE)
        assert [b - a for a, b in pairwise(times)] == [MINUTE] * 59
        (told,) = caplog.records
        assert told.levelname == level
        assert told.getMessage().startswith(said)
        points = at.points()
        assert not at.expected
        at.away = None
        at.until(NOON + 80 * MINUTE)
    assert caplog.messages[1:] == ["InfluxDB answers: what is normal is computed"]
    assert points["Green", "out", "all", NOON + HOUR] == {
        "bytes_floor": 625_000,
        "bytes_limit": 10e6,
    }
    assert {place[3] for place in points} == {NOON + i * STEP_NS for i in range(HOURS * 12 + 12)}
    assert at.expected[0][0] == NOON + HOUR


def test_influxdb_goes_away_for_a_while(site, caplog):
    """Neither floors nor limits are written again for an hour that is known already."""
    at = site()
    at.until(NOON + 30 * MINUTE)
    at.points()
    at.away = Away("InfluxDB cannot be reached")
    at.until(NOON + 50 * MINUTE)
    assert at.points() == {}
    at.away = None
    at.until(NOON + 58 * MINUTE)
    assert {place[3] for place in at.points()} == {NOON + 10 * STEP_NS, NOON + 11 * STEP_NS}


def test_a_reload_computes_everything_anew(site):
    at = site()
    at.until(NOON + 30 * MINUTE)
    at.points()
    at.publisher.reload(Config.model_validate(SETTINGS | {"networks": [], "floor": "8M"}))
    at.publisher.work()
    rows = {place[0]: fields for place, fields in at.points().items()}
    assert set(rows) == {"Private", "profile:dns"}
    assert rows["Private"]["bytes_floor"] == 1_000_000
    at.until(at.now + 3 * MINUTE)
    assert len(at.expected) == 4  # as after a start: once, and again a minute later


def test_networks_that_changed_count_from_then_on():
    names = ["Green", "Green: north", "profile:dns"]

    def ask(statement):
        assert "\"kind\" = 'networks'" in statement
        rows = (
            (10, "network Green: its prefixes changed; what is normal is learned anew"),
            (30, "network Green: north: its prefixes changed"),
            (20, "network Green: its prefixes changed"),
            (40, "network profile:dns: its filter changed"),
            (50, "network Gone: its prefixes changed"),
            (60, "something else"),
        )
        return [Answer("events", {}, ("time", "text"), rows)]

    assert changes(ask, names, NOON) == {"Green": 20, "Green: north": 30, "profile:dns": 40}
    assert changes(lambda _: [], names, NOON) == {}


# The thread


def waited(what, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_thread_publishes_and_ends(site):
    at = site()
    at.publisher.start()
    waited(at.points)
    at.publisher.stop()
    assert not at.publisher._thread.is_alive()
    assert at.publisher.seconds > 0


def test_a_reload_wakes_the_thread(site):
    at = site()
    at.publisher.start()
    waited(lambda: len(at.expected) == 1)
    at.publisher.reload(at.config)
    waited(lambda: len(at.expected) == 2)
    at.publisher.stop()


def test_stopping_does_not_wait_for_a_query(site):
    at = site()
    asked, answer = threading.Event(), threading.Event()

    def ask(statement):
        asked.set()
        answer.wait(30)
        return []

    at.publisher._ask = ask
    at.publisher.start()
    assert asked.wait(10)
    began = time.monotonic()
    at.publisher.stop(timeout=0.2)
    assert time.monotonic() - began < 5
    answer.set()
    at.publisher._thread.join(10)
    assert not at.publisher._thread.is_alive()


def test_what_never_started_can_be_stopped(site):
    site().publisher.stop()


def test_a_bug_is_seen_and_does_not_end_the_thread(site, monkeypatch, caplog):
    at = site()
    monkeypatch.setattr(module, "AGAIN_NS", 10**7)
    monkeypatch.setattr(module.rows, "expectations", lambda *told: 1 / 0)
    at.publisher.start()
    waited(lambda: len(at.expected) > 1)
    at.publisher.stop()
    told = caplog.records[0]
    assert "please report" in told.getMessage()
    assert told.exc_info[0] is ZeroDivisionError
