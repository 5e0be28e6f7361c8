"""Sets whose template is missing: they wait, with their own times, and are given up in the end."""

import pytest

from flowsleuth.decode.limits import Limits

from .wire import (
    BASIC,
    NOW,
    SECONDS,
    Collector,
    basic,
    data,
    ipfix,
    legacy,
    message,
    only,
    template,
)

MINUTE = 60 * 10**9
BOTH = pytest.mark.parametrize("version", [9, 10])


@BOTH
def test_a_set_waits_for_its_template(version):
    collector = Collector()
    collector.hear(message(version, data(256, basic(), basic()), sequence=5), received=NOW)
    assert collector.records == []
    assert collector.decoder.streams.template_wait == [0, 1]
    late = message(version, template(256, BASIC, version), sequence=6, seconds=SECONDS + 60)
    decoded = collector.hear(late, received=NOW + MINUTE)
    flows = only(decoded)
    assert decoded.counts["records"].tolist() == [2]
    assert set(flows.received_ns.tolist()) == {NOW}
    assert set(flows.export_ns.tolist()) == {NOW}
    assert [r["sequence_num"] for r in collector.records] == [5, 5]
    assert collector.decoder.streams.template_wait == [0, 0]
    assert collector.total("missing_template") == 0


def test_a_template_later_in_the_datagram_serves_in_wire_order():
    collector = Collector()
    sets = (data(256, basic(port=1)), data(256, basic(port=2)), template(256, BASIC))
    collector.hear(ipfix(*sets, data(256, basic(port=3))))
    assert [r["dst_port"] for r in collector.records] == [1, 2, 3]


def test_the_rest_of_the_datagram_counts_at_once():
    collector = Collector()
    collector.hear(ipfix(template(257, BASIC)))
    collector.hear(ipfix(data(256, basic()), data(257, basic(port=2))))
    assert [r["dst_port"] for r in collector.records] == [2]


def test_another_ports_template_releases_it():
    collector = Collector()
    collector.hear(ipfix(data(256, basic())), port=1)
    decoded = collector.hear(legacy(5), (ipfix(template(256, BASIC)), 2))
    assert decoded.counts["records"].tolist() == [1, 1]
    assert [r["type"] for r in collector.records] == ["NETFLOW_V5", "IPFIX"]


@BOTH
def test_it_is_given_up_after_half_an_hour(version):
    collector = Collector()
    collector.hear(message(version, data(256, basic())), received=NOW)
    collector.hear(message(version), received=NOW + 30 * MINUTE)
    assert collector.total("missing_template") == 0
    decoded = collector.hear(message(version), message(version), received=NOW + 31 * MINUTE)
    assert decoded.counts["missing_template"].tolist() == [1, 0]
    assert collector.decoder.streams.template_wait == [0, 0]
    collector.hear(message(version, template(256, BASIC, version)), received=NOW + 32 * MINUTE)
    assert collector.records == []


def test_what_was_given_up_counts_with_the_streams_next_datagram():
    collector = Collector()
    collector.hear(ipfix(data(256, basic())), received=NOW)
    decoded = collector.hear(legacy(5), received=NOW + 31 * MINUTE)
    assert decoded.counts["missing_template"].tolist() == [0]
    decoded = collector.hear(legacy(5), ipfix(), received=NOW + 32 * MINUTE)
    assert decoded.counts["missing_template"].tolist() == [0, 1]


def test_the_oldest_make_room():
    collector = Collector(Limits(waiting_bytes=1000, waiting_overhead=100))
    decoded = collector.hear(*(ipfix(data(256 + i, basic())) for i in range(20)))
    kept = 1000 // (len(basic()) + 100)
    assert decoded.counts["missing_template"].sum() == 20 - kept
    assert collector.decoder.streams.template_wait == [0, kept]
    collector.hear(ipfix(template(256 + 19, BASIC), template(256, BASIC)))
    assert len(collector.records) == 1


def test_empty_sets_and_gone_sessions():
    collector = Collector(Limits(sessions=1))
    collector.hear(ipfix(data(256)))
    assert collector.decoder.streams.template_wait == [0, 0]
    collector.hear(ipfix(data(256, basic())))
    collector.hear(ipfix(domain=8))
    collector.hear(ipfix(template(256, BASIC)))
    assert collector.records == []
    collector.hear(b"??", received=NOW + 90 * MINUTE)
    assert collector.decoder.streams.template_wait == [0, 1, 0]
