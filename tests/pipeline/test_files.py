"""Captures become points: the same however they are read, twice, and in little memory."""

import dataclasses

import pytest

from flowsleuth.config import Config
from flowsleuth.decode.decoder import Decoder
from flowsleuth.pipeline import files
from flowsleuth.pipeline.pipeline import Pipeline, _settings

from .made import HOUR, START, batches, config, lines_of, points, read, total, traffic


@pytest.fixture(scope="module")
def short():
    return traffic()


def decoded_bytes(items):
    """Bytes by the decoder alone, after sampling."""
    decoder = Decoder()
    return sum(
        int((flows.bytes * flows.rate_num // flows.rate_den).sum())
        for batch in batches(items, 1000)
        for flows in decoder.decode(batch).flows
    )


@pytest.mark.parametrize("size", [1, 7, 2000])
def test_points_do_not_depend_on_batches(short, size):
    assert points(short, size) == points(short, 500)


@pytest.mark.parametrize("settings", [{}, {"window": "5m"}, {"accepted_age": "15m"}])
def test_nothing_is_lost_or_counted_twice(short, settings):
    lines = points(short, **settings)
    expected = decoded_bytes(short)
    assert total(lines, "profiles") == expected
    assert total(lines, "traffic") == total(lines, "talkers") == expected
    assert total(lines, "exporters", "datagrams") == len(short)
    keys = [(line.split(" ")[0], line.rsplit(" ", 1)[1]) for line in lines]
    assert len(set(keys)) == len(keys)


def test_a_file_loaded_twice_gives_identical_points(short):
    assert points(short) == points(short)


def test_two_files_never_overwrite_each_other(short):
    """Same windows, same series: only the stamp differs, and stays below a second."""
    half = len(short) // 2
    one, other = points(short[:half]), points(short[half:])
    places = [
        {(line.split(" ")[0], line.rsplit(" ", 1)[1]) for line in part} for part in (one, other)
    ]
    assert not places[0] & places[1]
    for lines in (one, other):
        offsets = {read(line)[3] % (60 * 10**9) for line in lines if line.startswith("traffic")}
        assert len(offsets) == 1
        assert 0 < offsets.pop() < 10**9
    assert total(one, "traffic") + total(other, "traffic") == sum(
        decoded_bytes(part) for part in (short[:half], short[half:])
    )


def test_points_of_a_long_capture_do_not_depend_on_batches_either():
    """Its oldest windows close on the way, several hours of them at once in a large batch."""
    items = traffic(count=50, span_ns=40 * HOUR)
    assert points(items, 1) == points(items, 20) == points(items, 2000)


def test_years_without_traffic_are_passed_at_once():
    """Hour by hour they would take a quarter of an hour."""
    old = traffic(count=5)
    gap = 60 * 365 * 24 * HOUR
    flushes = list(files.points(Pipeline(config(), {}), batches([*old, _later(old[-1], gap)], 100)))
    assert len(flushes) < 8


def _later(item, gap):
    payload, exporter, received = item
    return payload, exporter, received + gap


def test_windows_of_long_captures_close_on_the_way():
    items = traffic(count=100, span_ns=40 * HOUR)
    pipeline = Pipeline(config(), {})
    flushes = list(files.points(pipeline, batches(items, 20)))
    assert len(flushes) > 10
    first = [read(line) for line in lines_of(flushes[0])]
    assert max(time for _, _, _, time in first) < START + 2 * HOUR
    lines = [line for tables in flushes for line in lines_of(tables)]
    assert total(lines, "traffic") == decoded_bytes(items)


def test_nothing_in_gives_nothing_out():
    assert list(files.points(Pipeline(Config(), {}), [])) == []
    assert list(files.points(Pipeline(Config(), {}), list(batches([], 1)))) == []
    empty = next(batches([(b"", "192.0.2.1", 0)], 1))
    none = type(empty)(
        empty.data, empty.start[:0], empty.length[:0], empty.source[:0], empty.received_ns[:0],
        empty.sources,
    )  # fmt: skip
    assert list(files.points(Pipeline(Config(), {}), [none])) == []


def test_bytes_that_are_no_netflow_give_no_points(short):
    items = [(b"\x00\x63nonsense", "192.0.2.9", START)]
    assert points(items) == []


def test_little_memory_writes_early_and_keeps_sums(short, monkeypatch):
    monkeypatch.setattr(
        "flowsleuth.pipeline.pipeline._settings",
        lambda given: dataclasses.replace(_settings(given), capacity=300),
    )
    small = Pipeline(config(), {})
    lines = [
        line for tables in files.points(small, batches(short, 50)) for line in lines_of(tables)
    ]
    assert small.aggregator.counters.written_early > 2
    expected = decoded_bytes(short)
    assert total(lines, "traffic") == total(lines, "talkers") == expected
    keys = [(line.split(" ")[0], line.rsplit(" ", 1)[1]) for line in lines]
    assert len(set(keys)) == len(keys)
