"""What came before the time that somebody asks for: it teaches, and nothing of it counts."""

import pytest

from flowsleuth.receive.datagrams import NO_RECEIPT, Datagrams

from .wire import (
    BASIC,
    EXPORTER,
    VARIABLE,
    Collector,
    basic,
    data,
    ipfix,
    legacy,
    message,
    options_template,
    record,
    template,
)


def learn(collector, *payloads, port=2055, received=NO_RECEIPT):
    source = collector.sources.number(EXPORTER, port)
    batch = Datagrams.pack([(p, source, received) for p in payloads], collector.sources)
    collector.decoder.learn(batch)


def lesson(version=10):
    """A template, a rate of 1:100 and an interface's name, between records."""
    return message(
        version,
        template(256, BASIC, version),
        data(256, basic(), basic()),
        options_template(300, [(1, 4)], [(34, 4)], version),
        data(300, record([(1, 4), (34, 4)], [0, 100])),
        options_template(301, [(2 if version == 9 else 10, 4)], [(82, 8)], version),
        data(301, record([(10, 4), (82, 8)], [9, b"eth9\0\0\0\0"])),
    )


@pytest.mark.parametrize("version", [9, 10])
def test_templates_rates_and_names_are_known_afterwards(version):
    collector = Collector()
    learn(collector, lesson(version))
    assert collector.decoder.interface_names == {(EXPORTER, 9): "eth9"}
    collector.hear(message(version, data(256, basic())))
    (shown,) = collector.records
    assert (shown["bytes"], shown["sampling_rate"]) == (100, 100)
    assert collector.total("templates") == 0
    assert collector.total("missing_template") == 0


def test_no_sequence_number_is_judged_across_the_beginning():
    collector = Collector()
    learn(collector, ipfix(template(256, BASIC), data(256, basic())), legacy(5, 3))
    for number in (1_000, 1_001, 1_002, 1_003):
        collector.hear(ipfix(data(256, basic()), sequence=number), legacy(5, sequence=number))
    assert collector.total("lost") == 0
    assert collector.total("records") == 8


def test_what_lacks_its_template_is_forgotten():
    collector = Collector()
    learn(collector, ipfix(data(256, basic())))
    assert sum(collector.decoder.streams.template_wait) == 0
    collector.hear(ipfix(template(256, BASIC)))
    assert collector.records == []


def test_what_waits_already_is_not_taken_for_old():
    """A second archive of the same exporter, read after the first one's range."""
    collector = Collector()
    collector.hear(ipfix(data(256, basic())))
    learn(collector, ipfix(template(256, BASIC)))
    assert sum(collector.decoder.streams.template_wait) == 1
    collector.hear(ipfix(data(256, basic(octets=7))))
    assert [shown["bytes"] for shown in collector.records] == [7]


def test_a_template_that_changes_on_the_way_counts_as_it_was_last():
    longer = [*BASIC, (5, 1)]
    collector = Collector()
    learn(
        collector,
        ipfix(template(256, longer)),
        ipfix(options_template(256, [(10, 4)], [(82, VARIABLE)])),
        ipfix(data(256, record([(10, 4), (82, VARIABLE)], [1, b"lan"]))),
        ipfix(template(256, BASIC), data(256, basic())),
    )
    assert collector.decoder.interface_names == {(EXPORTER, 1): "lan"}
    collector.hear(ipfix(data(256, basic(octets=5))))
    assert [shown["bytes"] for shown in collector.records] == [5]


def test_senseless_bytes_teach_nothing_and_break_nothing():
    collector = Collector()
    learn(collector)
    learn(collector, b"", b"\0", b"\0\x0a\0\x10", lesson()[:-30], legacy(5)[:20], b"hello, world")
    learn(collector, ipfix(template(256, BASIC)))
    collector.hear(ipfix(data(256, basic())))
    assert len(collector.records) == 1
