"""Sampling rates: every place that states one, and which goes first."""

import struct

import pytest

from flowsleuth.decode.flows import RATE_ASSUMED, RATE_KNOWN, RATE_UNKNOWN
from flowsleuth.decode.limits import Limits

from .test_records import hear
from .wire import (
    BASIC,
    Collector,
    basic,
    data,
    ipfix,
    legacy,
    message,
    only,
    options_template,
    record,
    template,
)

ENDS = [(8, 4), (12, 4)]


def rates(flows):
    return list(
        zip(
            flows.rate_num.tolist(), flows.rate_den.tolist(), flows.rate_state.tolist(), strict=True
        )
    )


@pytest.mark.parametrize(
    ("field", "rate"),
    [
        (0, (1, 1, RATE_ASSUMED)),
        (1000, (1000, 1, RATE_KNOWN)),
        (0x4000 | 1000, (1000, 1, RATE_KNOWN)),
        (1, (1, 1, RATE_KNOWN)),
        (0x8000, (1, 1, RATE_UNKNOWN)),
    ],
)
def test_v5_states_it_in_14_bits(field, rate):
    collector = Collector()
    assert rates(only(collector.hear(legacy(5, sampling=field)))) == [rate]
    shown = rate[0] if rate[2] == RATE_KNOWN else 0
    assert collector.records[0]["sampling_rate"] == shown


@pytest.mark.parametrize(
    ("fields", "values", "rate"),
    [
        ([(34, 4)], [100], (100, 1, RATE_KNOWN)),
        ([(34, 4)], [0], (1, 1, RATE_UNKNOWN)),
        ([(50, 4)], [64], (64, 1, RATE_KNOWN)),
        ([(34, 4), (50, 4)], [0, 64], (64, 1, RATE_KNOWN)),
        ([(305, 4)], [500], (500, 1, RATE_KNOWN)),
        ([(305, 4), (306, 4)], [1, 999], (1000, 1, RATE_KNOWN)),
        ([(305, 4), (306, 4)], [2, 3], (5, 2, RATE_KNOWN)),
        ([(305, 4), (306, 4)], [0, 3], (1, 1, RATE_UNKNOWN)),
        ([(305, 4), (309, 4), (310, 4)], [1, 1, 256], (256, 1, RATE_KNOWN)),
        ([(310, 4)], [256], (1, 1, RATE_UNKNOWN)),
        ([(311, 8)], [struct.pack(">d", 0.001)], (1000, 1, RATE_KNOWN)),
        ([(311, 4)], [struct.pack(">f", 0.4)], (5, 2, RATE_KNOWN)),
        ([(311, 8)], [struct.pack(">d", float("nan"))], (1, 1, RATE_UNKNOWN)),
        ([(311, 8)], [struct.pack(">d", -1)], (1, 1, RATE_UNKNOWN)),
        ([(311, 8)], [bytes(8)], (1, 1, RATE_UNKNOWN)),
        ([(35, 1)], [2], (1, 1, RATE_UNKNOWN)),
        ([(35, 1)], [0], (1, 1, RATE_ASSUMED)),
        ([(48, 1)], [3], (1, 1, RATE_UNKNOWN)),
        ([(48, 1)], [0], (1, 1, RATE_ASSUMED)),
        ([(34, 8)], [2**63], (2**32, 1, RATE_KNOWN)),
    ],
)
def test_a_record_may_state_it(fields, values, rate):
    collector, flows = hear([*ENDS, *fields], [1, 2, *values])
    assert rates(flows) == [rate]
    shown = rate[0] / rate[1] if rate[2] == RATE_KNOWN else 0
    assert collector.records[0]["sampling_rate"] == shown


def sampler(version, sampler_id, interval, template_id=300):
    """Options template and data: this sampler (None: the domain) takes 1 of interval."""
    fields = [(34, 4)] if sampler_id is None else [(48, 2), (34, 4)]
    row = [7, interval] if sampler_id is None else [7, sampler_id, interval]
    return (
        options_template(template_id, [(1, 4)], fields, version),
        data(template_id, record([(1, 4), *fields], row)),
    )


FLOW = [*ENDS, (48, 1)]


def flows_of_samplers(*ids):
    return data(256, *(record(FLOW, [1, 2, i]) for i in ids))


@pytest.mark.parametrize("version", [9, 10])
def test_a_sampler_is_looked_up_in_options_data(version):
    collector = Collector()
    collector.hear(message(version, template(256, FLOW, version), *sampler(version, 3, 100)))
    collector.hear(message(version, *sampler(version, 4, 200)))
    flows = only(collector.hear(message(version, flows_of_samplers(3, 4, 4, 5, 0))))
    assert [r["sampling_rate"] for r in collector.records] == [100, 200, 200, 0, 0]
    assert flows.rate_state.tolist() == [1, 1, 1, RATE_UNKNOWN, RATE_ASSUMED]
    streams = collector.decoder.streams
    assert (streams.sampling_interval[1], streams.sampling_state[1]) == (0, RATE_UNKNOWN)
    collector.hear(message(version, flows_of_samplers(3, 4)))
    assert (streams.sampling_interval[1], streams.sampling_state[1]) == (200, RATE_KNOWN)


def test_the_record_goes_before_the_sampler_before_the_domain():
    collector = Collector()
    fields = [*FLOW, (50, 2)]
    collector.hear(ipfix(template(256, fields), *sampler(10, 3, 100), *sampler(10, None, 9, 301)))
    rows = [record(fields, [1, 2, sampler_id, own]) for sampler_id, own in ((3, 7), (3, 0), (4, 0))]
    assert rates(only(collector.hear(ipfix(data(256, *rows))))) == [
        (7, 1, RATE_KNOWN),
        (100, 1, RATE_KNOWN),
        (9, 1, RATE_KNOWN),
    ]


def test_a_domains_rate_serves_all_its_records():
    collector = Collector()
    collector.hear(ipfix(template(256, BASIC), *sampler(10, None, 50)))
    flows = only(collector.hear(ipfix(data(256, basic())), ipfix(data(256, basic()))))
    assert flows.rate_num.tolist() == [50, 50]
    other = only(collector.hear(ipfix(template(256, BASIC), data(256, basic()), domain=8)))
    assert other.rate_state.tolist() == [RATE_ASSUMED]


@pytest.mark.parametrize("split", [False, True])
def test_a_rate_learned_later_applies_from_then_on(split):
    payloads = [
        ipfix(template(256, FLOW), template(257, BASIC), flows_of_samplers(3), data(257, basic())),
        ipfix(*sampler(10, 3, 100), *sampler(10, None, 9, 301)),
        ipfix(flows_of_samplers(3, 3), data(257, basic())),
        ipfix(
            *sampler(10, 3, 200), flows_of_samplers(3), *sampler(10, 3, 300), flows_of_samplers(3)
        ),
    ]
    collector = Collector()
    for batch in [[p] for p in payloads] if split else [payloads]:
        collector.hear(*batch)
    assert [r["sampling_rate"] for r in collector.records] == [0, 0, 100, 100, 9, 200, 300]


def test_another_ports_sampler_serves_while_there_is_none_of_its_own():
    collector = Collector()
    collector.hear(ipfix(template(256, FLOW), *sampler(10, 3, 100)), port=1)
    collector.hear(ipfix(flows_of_samplers(3)), port=2)
    collector.hear(ipfix(*sampler(10, 3, 200)), port=2)
    collector.hear(ipfix(flows_of_samplers(3)), port=1)
    assert [r["sampling_rate"] for r in collector.records] == [100, 100]


def test_a_selector_is_a_sampler():
    collector = Collector()
    fields = [*ENDS, (302, 8)]
    options = options_template(300, [(302, 4)], [(305, 4), (306, 4)])
    stated = data(300, record([(302, 4), (305, 4), (306, 4)], [9, 1, 31]))
    flow = data(256, record(fields, [1, 2, 9]))
    flows = only(collector.hear(ipfix(template(256, fields), options, stated, flow)))
    assert rates(flows) == [(32, 1, RATE_KNOWN)]


def test_options_without_a_rate_teach_none():
    collector = Collector()
    collector.hear(ipfix(template(256, FLOW), *sampler(10, 3, 0)))
    assert only(collector.hear(ipfix(flows_of_samplers(3)))).rate_state.tolist() == [RATE_UNKNOWN]


def test_samplers_are_bounded():
    collector = Collector(Limits(samplers=2))
    collector.hear(
        ipfix(template(256, FLOW), *(s for i in range(4) for s in sampler(10, i + 1, 10)))
    )
    flows = only(collector.hear(ipfix(flows_of_samplers(1, 2, 3, 4))))
    assert flows.rate_state.tolist() == [1, 1, 2, 2]
