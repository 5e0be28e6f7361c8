"""The measurement `ingester`: every field of the schema, counters as deltas."""

import pytest

from flowsleuth.health import ingester as health
from flowsleuth.health.ingester import FIELDS, Health, resident_bytes, summary_line
from flowsleuth.schema import BY_NAME, Kind


def values(table):
    return {name: column.item() for name, column in table.fields.items()}


def test_counters_are_told_as_what_moved_and_gauges_as_they_are():
    told = Health()
    first = values(told.point(dict.fromkeys(FIELDS, 7), 1000))
    assert first == dict.fromkeys(FIELDS, 7)
    table = told.point(dict.fromkeys(FIELDS, 9), 2000)
    gauges = {f.name for f in BY_NAME["ingester"].fields if f.kind is Kind.GAUGE}
    assert values(table) == {name: 9 if name in gauges else 2 for name in FIELDS}
    assert (table.measurement, table.time_ns.tolist()) == ("ingester", [2000])


@pytest.mark.parametrize("lacking", ["points", "rss"])
def test_a_field_that_nobody_gives_is_a_bug(lacking):
    totals = dict.fromkeys(FIELDS, 1)
    del totals[lacking]
    with pytest.raises(KeyError, match=lacking):
        Health().point(totals, 0)


def test_resident_memory_is_that_of_this_process():
    psutil = pytest.importorskip("psutil")
    assert resident_bytes() == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)


@pytest.mark.parametrize("content", [None, "", "one two"])
def test_resident_memory_without_proc_is_the_highest(monkeypatch, tmp_path, content):
    place = tmp_path / "statm"
    if content is not None:
        place.write_text(content)
    monkeypatch.setattr(health, "Path", lambda _: place)
    assert resident_bytes() > 2**20


def test_the_line_of_a_minute_says_what_is_not_zero():
    assert summary_line({"datagrams": 12, "lost": 0, "queue": 3.0}) == "datagrams 12, queue 3"
    assert summary_line({"datagrams": 0}) == "nothing arrived"
    assert summary_line({"datagrams": 12_345_678}) == "datagrams 12345678"
