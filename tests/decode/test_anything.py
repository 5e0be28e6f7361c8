"""Any bytes at all: no exception, sums that agree, and batches that do not matter."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowsleuth.decode.decoder import COUNTERS
from flowsleuth.decode.limits import Limits
from flowsleuth.schema import BY_NAME

from .test_records import FLEXIBLE
from .wire import (
    BASIC,
    SIX,
    Collector,
    a_set,
    basic,
    data,
    ipfix,
    legacy,
    message,
    options_template,
    record,
    template,
)

SMALL = Limits(
    exporters=2,
    domains=3,
    sessions=4,
    templates=5,
    template_fields=60,
    fields=12,
    layouts=3,
    waiting_bytes=3_000,
    samplers=3,
    interface_names=3,
    sets=80,
    records=400,
    problems=5,
)
SAMPLED = [*BASIC, (48, 1)]
WIDTHS = [BASIC, SIX, FLEXIBLE, SAMPLED, [*BASIC, (21, 4), (22, 4)], [(8, 4), (1, 0)], [(1, 0)]]
OPTIONS = [(48, 2), (34, 2), (160, 8), (82, 4)]


@st.composite
def sets(draw, version):
    set_id = draw(st.integers(256, 259))
    kind = draw(st.sampled_from(["template", "options", "data", "records", "raw", "withdraw"]))
    if kind == "template":
        return template(set_id, draw(st.sampled_from(WIDTHS)), version)
    if kind == "options":
        fields = draw(st.lists(st.sampled_from(OPTIONS), max_size=3))
        return options_template(set_id, [(10, 2)], fields, version)
    if kind == "records":
        return data(set_id, *[basic()] * draw(st.integers(0, 3)))
    if kind == "withdraw":
        return template(draw(st.sampled_from([2, set_id])), [], version)
    if kind == "data":
        return data(set_id, draw(st.binary(max_size=60)))
    return a_set(draw(st.integers(0, 300)), draw(st.binary(max_size=9)), draw(st.integers(0, 40)))


@st.composite
def datagrams(draw):
    kind = draw(st.sampled_from([1, 5, 7, 9, 9, 10, 10, 0]))
    if kind == 0:
        return draw(st.binary(max_size=80))
    if kind in {9, 10}:
        header = {"sequence": draw(st.integers(0, 9)), "domain": draw(st.integers(0, 1))}
        body = draw(st.lists(sets(kind), max_size=5))
        whole = message(kind, *body, **header)
        return whole[: draw(st.sampled_from([len(whole), len(whole), 30]))]
    count = draw(st.integers(0, 3))
    return legacy(kind, count, sequence=draw(st.integers(0, 9)), sampling=draw(st.integers(0, 9)))


@st.composite
def traffic(draw):
    return draw(st.lists(st.tuples(datagrams(), st.sampled_from([1, 2])), max_size=8))


def heard(batches, limits=None):
    collector = Collector(limits)
    for batch in batches:
        collector.hear(*batch)
    return collector


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(traffic(), max_size=3))
def test_nothing_raises_and_sums_agree(batches):
    collector = heard(batches, SMALL)
    for decoded in collector.outcomes:
        assert set(decoded.counts) == set(COUNTERS)
        assert all(len(c) == len(decoded.stream) for c in decoded.counts.values())
        assert sum(len(f) for f in decoded.flows) == decoded.counts["records"].sum()
        assert [f.family for f in decoded.flows] in ([], [4], [6], [4, 6])
        assert len(decoded.problems) <= SMALL.problems
        assert all((c >= 0).all() for c in decoded.counts.values())
    assert len(collector.records) == collector.total("records")
    streams = collector.decoder.streams
    assert min(streams.template_wait) >= 0
    assert len(streams) <= 1 + SMALL.exporters * (SMALL.domains + 1) * 5


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(traffic())
def test_batches_do_not_matter(items):
    at_once, one_by_one = heard([items]), heard([[item] for item in items])
    assert at_once.records == one_by_one.records
    for counter in COUNTERS:
        assert at_once.total(counter) == one_by_one.total(counter), counter
    assert at_once.decoder.export_state() == one_by_one.decoder.export_state()


@given(st.lists(st.binary(max_size=200), max_size=4), st.sampled_from([1, 5, 7, 9, 10, None]))
def test_any_bytes(payloads, version):
    head = b"" if version is None else version.to_bytes(2, "big")
    decoded = Collector(SMALL).hear(*(head + p for p in payloads))
    assert (decoded.stream[decoded.counts["records"] > 0] >= 0).all()


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6))
def test_a_good_datagram_with_wrong_bytes(changes):
    row = record(FLEXIBLE, [1, 2, b"abc", 3, b"d" * 260])
    options = options_template(300, [(10, 2)], OPTIONS[:2]), data(300, bytes(12))
    good = ipfix(template(256, FLEXIBLE), data(256, row, row), *options)
    wrong = bytearray(good)
    for at, value in changes:
        wrong[at % len(wrong)] = value
    collector = Collector(SMALL)
    collector.hear(good, bytes(wrong), good)
    assert collector.total("records") >= 2


def test_every_counter_is_one_of_the_schemas():
    names = {field.name for field in BY_NAME["exporters"].fields}
    assert set(COUNTERS) <= names


@pytest.mark.parametrize("address", ["", "192.0.2.9"])
def test_what_has_no_address_shows_none(address):
    collector = Collector()
    collector.hear(legacy(5), address=address)
    assert collector.records[0].get("sampler_address", "") == address
