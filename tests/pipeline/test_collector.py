"""The daemon's loop: a clock that is told, datagrams that are given, lines that are kept."""

import logging

import numpy as np
import pytest
from decode import wire

from flowsleuth.health.ingester import FIELDS
from flowsleuth.health.slate import Slate
from flowsleuth.pipeline.collector import GAUGES, LOGGED, Collector
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.pipeline.state import State
from flowsleuth.points import Table
from flowsleuth.receive.datagrams import Datagrams, Sources
from flowsleuth.receive.sockets import Buffer
from flowsleuth.receive.udp import Statistics
from flowsleuth.write.influx import Standing, Written

from .made import SECOND, config, read

MINUTE = 60 * SECOND
NOW = wire.SECONDS * SECOND // MINUTE * MINUTE
"""The start of a window; the collector starts half a minute later."""


class Site:
    """A receiver, a writer, and the clock of both: each turn of the loop is a step of `script`.

    A step is (seconds after NOW, payloads...); when the script ends, the collector is stopped.
    """

    def __init__(self, script, tmp_path=None, worker=0, slate=None, **settings):
        self.script = list(script)
        self.now = NOW + 30 * SECOND
        self.sources = Sources()
        self.source = self.sources.number(wire.EXPORTER, 2055)
        self.written = []
        self.commits = 0
        self.closed = self.stopped = False
        self.left = []
        self.heard = 0
        self.pipeline = Pipeline(
            config(networks=[{"name": "Site", "prefixes": ["10.0.0.0/8"]}], **settings), {}
        )
        state = State(str(tmp_path) if tmp_path else None, "main")
        self.collector = Collector(
            self.pipeline.config,
            self,
            self.pipeline,
            self,
            state,
            lambda: self.now,
            worker,
            slate=slate,
        )

    # what the collector wants of a receiver

    def batches(self, wait_s):
        if self.stopped:
            return self._batch(self.left.pop(0)) if self.left else None
        if not self.script:
            self.collector.stop()
            return None
        seconds, *payloads = self.script.pop(0)
        self.now = NOW + seconds * SECOND
        return self._batch(payloads) if payloads else None

    def _batch(self, payloads):
        self.heard += len(payloads)
        return Datagrams.pack([(p, self.source, self.now) for p in payloads], self.sources)

    def statistics(self):
        return Statistics(self.heard, 100 * self.heard, 5, (Buffer("a", 1, 7), Buffer("b", 1, 8)))

    def stop(self):
        self.stopped = True

    # what it wants of a writer

    def submit(self, measurement, lines):
        assert not self.closed
        self.written += [(self.now, line.decode()) for line in lines]

    def commit(self):
        self.commits += 1

    def totals(self):
        return Written(points=len(self.written), queue=3, spool=4, write_seconds=0.5)

    def standing(self):
        return Standing.SPOOLED

    def close(self):
        self.closed = True

    def run(self):
        self.collector.run()
        assert self.closed
        assert self.stopped
        return self

    def points(self, measurement):
        """[(seconds after NOW when it was written, tags, fields, seconds of its time)]."""
        return [
            ((at - NOW) // SECOND, tags, fields, (time - NOW) / SECOND)
            for at, line in self.written
            if line.startswith((f"{measurement},", f"{measurement} "))
            for _, tags, fields, time in [read(line)]
        ]


def flow(ended, octets=1000, exported=None):
    """A v9 datagram of one flow: when it ended and was exported, in seconds after NOW."""
    fields = [*wire.ADDRESSES, (7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (153, 8), (152, 8)]
    at = (NOW + ended * SECOND) // 10**6
    record = wire.record(fields, [0x0A000001, 0xC0000201, 50_000, 443, 6, octets, 2, at, at])
    return wire.v9(
        wire.template(256, fields, 9),
        wire.data(256, record),
        seconds=NOW // SECOND + (max(ended, 0) if exported is None else exported),
    )


def test_a_window_is_written_when_it_and_its_grace_are_over():
    site = Site([(40, flow(40)), (61,), (119,), (120,), (121,), (180, flow(179)), (241,)]).run()
    traffic = [(at, f["bytes"]) for at, _, f, _ in site.points("traffic")]
    assert traffic == [(120, 1000), (241, 1000)]


def test_the_grace_is_configured():
    site = Site([(40, flow(40)), (60,), (65,), (66,)], grace="6s").run()
    assert [at for at, _, _, _ in site.points("traffic")] == [66]


def test_stopping_writes_everything_that_was_received():
    site = Site([(40, flow(40)), (41, flow(41))])
    site.left = [[flow(42)], [flow(43), flow(44)]]
    site.run()
    assert sum(f["bytes"] for _, _, f, _ in site.points("traffic")) == 5000
    assert [f["datagrams"] for _, _, f, _ in site.points("ingester")] == [5]
    assert [(tags["kind"]) for _, tags, _, _ in site.points("events")] == ["start", "stop"]
    assert site.commits >= 3


def test_an_exporter_that_falls_silent_is_seen_over_a_restart(tmp_path):
    first = Site([(40, flow(40)), (120,), (180,)], tmp_path).run()
    assert [(at, f["datagrams"], f["silent_s"]) for at, _, f, _ in first.points("exporters")] == [
        (120, 1, 20.0),
        (180, 0, 80.0),
    ]
    assert first.points("exporters")[0][2]["networks"] == '["Site"]'
    second = Site([(240,), (300,)], tmp_path)
    State(str(tmp_path), "main").load(second.pipeline)
    second.now = NOW + 210 * SECOND
    second.pipeline.aggregator.hearing.watch(second.now)
    second.run()
    # Kept were 80 s of silence until 120; they go on at 210, and windows end at 180 and 240.
    assert [f["silent_s"] for _, _, f, _ in second.points("exporters")] == [50.0, 110.0]


class Baseline:
    """A publisher that has three tables to write, one of them when it is stopped."""

    seconds = 1.5

    def __init__(self):
        self.calls = []
        self.tables = []

    def start(self):
        self.calls.append("start")
        self.tables += [self._table(0), self._table(1)]

    def take(self):
        return self.tables.pop(0) if self.tables else None

    def stop(self):
        self.calls.append("stop")
        self.tables.append(self._table(2))

    def reload(self, config):
        self.calls.append(config)

    @staticmethod
    def _table(number):
        tags = {"network": ["Site"], "direction": ["out"], "protocol": ["all"]}
        return Table("baseline", tags, {"lag_s": np.array([number])}, np.array([NOW]))


def test_what_is_normal_is_written_in_parts():
    site = Site([(40,), (41,), (42,)])
    baseline = Baseline()
    site.collector = Collector(
        site.pipeline.config,
        site,
        site.pipeline,
        site,
        State(None, "main"),
        lambda: site.now,
        baseline=baseline,
    )
    for told in site.collector.on_reload:
        told("another configuration")
    site.run()
    assert baseline.calls == ["another configuration", "start", "stop"]
    written = [(at, fields["lag_s"]) for at, _, fields, _ in site.points("baseline")]
    assert written == [(40, 0), (41, 1), (42, 2)]
    assert site.points("ingester")[-1][2]["baseline_seconds"] == 1.5
    assert not any("ingester=" in line for _, line in site.written if line.startswith("baseline"))


def test_every_field_of_the_ingester_is_given():
    site = Site([(40, flow(40)), (130,)]).run()
    first, last = (fields for _, _, fields, _ in site.points("ingester"))
    assert list(first) == list(last) == list(FIELDS)
    assert (first["datagrams"], last["datagrams"]) == (1, 0)
    assert first["datagram_bytes"] == 100
    assert first["kernel_drops"] == 5
    assert first["receive_buffer"] == 15
    assert first["records"] == 1
    assert (first["queue"], first["spool"], first["write_seconds"]) == (3, 4, 0.5)
    assert first["series"] > 0
    assert first["series_budget"] == site.pipeline.config.series_budget
    assert set(site.collector._totals()) == set(FIELDS)


def test_a_window_that_began_before_the_start_is_stamped_as_late():
    """The process before may have written it; windows after the start stand at their start."""
    site = Site([(40, flow(40)), (70, flow(70)), (300,)]).run()
    offsets = [time for _, _, _, time in site.points("traffic")]
    assert 0 < offsets[0] < 1
    assert offsets[1] == 60


def test_what_comes_late_is_a_further_point():
    site = Site(
        [
            (70, flow(70)),
            (190,),
            (200, flow(71, exported=200)),
            (260,),
            (270, flow(72, exported=270)),
            (330,),
        ]
    ).run()
    times = [time for _, _, _, time in site.points("traffic")]
    assert times[0] == 60
    assert all(60 < time < 61 for time in times[1:])
    assert len(set(times)) == len(times) == 3
    late = sum(fields["late_points"] for _, _, fields, _ in site.points("ingester"))
    assert late > 0


def test_a_clock_that_stands_still_makes_no_equal_stamps():
    collector = Site([]).collector
    stamps = [collector._stamp().late for _ in range(50)]
    assert len(set(stamps)) == 50


def test_workers_write_no_point_at_the_same_time(caplog):
    sites = [Site([(40, flow(40)), (200,)], worker=worker).run() for worker in (0, 3)]
    kinds = ("traffic", "talkers", "exporters", "ingester")
    places = [
        {
            line.split(" ")[0] + line.rsplit(" ", 1)[1]
            for _, line in site.written
            if line.startswith(kinds)
        }
        for site in sites
    ]
    assert not places[0] & places[1]
    assert [len(site.points("events")) for site in sites] == [2, 0]


def test_a_bug_costs_its_batch_only_and_is_seen(monkeypatch, caplog):
    site = Site([(40, flow(40)), (41, flow(41), flow(41)), (42, flow(42)), (200,)])
    feed = site.pipeline.feed

    def failing(batch):
        if len(batch) == 2:
            raise ZeroDivisionError
        return feed(batch)

    monkeypatch.setattr(site.pipeline, "feed", failing)
    site.run()
    assert sum(f["bytes"] for _, _, f, _ in site.points("traffic")) == 2000
    assert sum(f["bugs"] for _, _, f, _ in site.points("ingester")) == 2
    (told,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert told.exc_info[0] is ZeroDivisionError


def test_malformed_datagrams_are_counted_and_told_on_demand(caplog):
    with caplog.at_level(logging.DEBUG):
        site = Site([(40, wire.v9(wire.a_set(256, b"", length=900)), flow(40)), (200,)]).run()
    first = site.points("ingester")[0][2]
    assert first["malformed"] == 1
    assert any(m.startswith("malformed: ") and wire.EXPORTER in m for m in caplog.messages)


def test_full_memory_is_written_early(monkeypatch):
    site = Site([(40 + i, *(flow(40 + i - 60 * k) for k in range(3))) for i in range(5)])
    site.pipeline.aggregator._store.capacity = site.pipeline.aggregator._store._merge_at = 2
    site.run()
    assert sum(f["written_early"] for _, _, f, _ in site.points("ingester")) > 0
    assert min(at for at, _, _, _ in site.points("traffic")) < 60
    assert sum(f["bytes"] for _, _, f, _ in site.points("traffic")) == 15_000
    keys = [(line.split(" ")[0], line.rsplit(" ", 1)[1]) for _, line in site.written]
    assert len(set(keys)) == len(keys)


def test_the_state_is_saved_with_each_window_and_at_the_end(tmp_path):
    site = Site([(40, flow(40)), (200,)], tmp_path).run()
    restarted = Site([], tmp_path)
    State(str(tmp_path), "main").load(restarted.pipeline)
    assert restarted.pipeline.aggregator.use().series == site.pipeline.aggregator.use().series > 0


def test_one_line_a_minute_says_what_moved(caplog):
    steps = [(40, flow(40)), (80,), (91, flow(91)), (100,), (152,)]
    with caplog.at_level(logging.INFO):
        Site(steps).run()
    lines = [m for m in caplog.messages if "queue 3" in m]
    assert [line.partition(",")[0] for line in lines] == ["datagrams 2", "kernel_drops 5"][:1] + [
        line.partition(",")[0] for line in lines[1:]
    ]
    assert len(lines) == 3
    assert "datagrams" not in lines[1]
    assert all("spool 4" in line for line in lines)


@pytest.mark.parametrize("name", LOGGED)
def test_what_is_logged_is_a_field(name):
    assert name in FIELDS
    assert set(GAUGES) <= set(LOGGED)


def test_a_bug_in_every_batch_is_decoding_that_does_not_move(monkeypatch):
    slate = Slate()
    site = Site([(40, flow(40)), (41, flow(41))], slate=slate)
    seen = []
    monkeypatch.setattr(slate, "decoding", lambda: seen.append(site.now))
    monkeypatch.setattr(site.pipeline, "feed", lambda batch: 1 // 0)
    site.run()
    assert seen == [NOW + 41 * SECOND] * len(seen)  # only when nothing waited any more


def test_the_slate_shows_the_totals_while_it_runs_and_nothing_afterwards(monkeypatch):
    slate, shown = Slate(), []
    monkeypatch.setattr(slate, "show", lambda *what: shown.append(what))
    Site([(40, flow(40)), (41,)], slate=slate).run()
    totals, sockets, writing = shown[0]
    assert (totals.keys(), sockets, writing) == (FIELDS.keys(), 2, Standing.SPOOLED)
    assert slate.sockets == 0
