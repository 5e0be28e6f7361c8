"""Sequence numbers: what is a loss, and what only looks like one."""

import pytest

from .wire import BASIC, Collector, basic, data, ipfix, legacy, options_template, template, v9

V9 = {"unit": 1}


def flows(n):
    return data(256, *[basic()] * n)


def v5_run(*numbers, records=3):
    return [legacy(5, records, sequence=n % 2**32) for n in numbers]


def v9_run(*numbers, records=3):
    return [v9(flows(records), sequence=n % 2**32) for n in numbers]


def ipfix_run(*numbers, records=3):
    return [ipfix(flows(records), sequence=n % 2**32) for n in numbers]


def lost(payloads, *, split=False):
    collector = Collector()
    collector.hear(v9(template(256, BASIC, 9), sequence=2**31))
    collector.hear(ipfix(template(256, BASIC), sequence=2**31))
    for batch in [[p] for p in payloads] if split else [payloads]:
        collector.hear(*batch)
    return collector.total("lost")


RUNS = {
    "v5 counts flows": (v5_run(0, 3, 6, 9), 0),
    "v5 wraps": (v5_run(-3, 0, 3), 0),
    "v5 loses one datagram": (v5_run(0, 3, 9, 12), 3),
    "v7 counts flows": ([legacy(7, 2, sequence=n) for n in (5, 7, 13, 15)], 4),
    "v1 counts nothing": ([legacy(1, 2), legacy(1, 2)], 0),
    "v9 counts datagrams": (v9_run(8, 9, 10), 0),
    "v9 loses two": (v9_run(8, 9, 12, 13), 2),
    "v9 that counts flows": (v9_run(0, 3, 6, 9), 0),
    "IPFIX counts records": (ipfix_run(0, 3, 6), 0),
    "IPFIX loses": (ipfix_run(0, 3, 9, 12, 15, 18), 3),
    "IPFIX that counts messages": (ipfix_run(4, 5, 6, 7), 0),
    "a constant offset": (ipfix_run(0, 10, 20, 30, 40), 0),
    "two gaps": (v9_run(0, 1, 5, 6, 9, 10), 3 + 2),
    "two gaps in a row": (v9_run(0, 2, 6, 7), 1 + 3),
    "overtaken": (v9_run(0, 1, 3, 2, 4, 5), 0),
    "overtaken by two": (v9_run(0, 1, 3, 4, 2, 5, 6), 1),
    "a duplicate": (v9_run(0, 1, 1, 2, 3), 0),
    "a restart": (v9_run(900_000, 900_001, 0, 1, 2), 0),
    "a restart close by": (v9_run(30, 31, 0, 1, 2, 3, 5, 6), 1),
    "a leap": (v9_run(0, 1, 2**31 - 5, 2**31 - 4), 0),
}


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("name", RUNS)
def test_losses(name, split):
    payloads, expected = RUNS[name]
    assert lost(payloads, split=split) == expected


def test_what_came_late_is_set_against_the_next_loss():
    assert lost(v9_run(0, 1, 3, 4, 2, 5, 7, 8)) == 1


def test_sessions_count_for_themselves():
    collector = Collector()
    collector.hear(*[(p, port) for p in v5_run(0, 3, 6) for port in (1, 2)])
    collector.hear(*[(p, 1 + i) for i, p in enumerate(v5_run(9, 12, 0))])
    collector.hear(*[(p, 1 + i) for i, p in enumerate(v5_run(12, 15, 3))])
    decoded = collector.hear(*[(p, 1 + i) for i, p in enumerate(v5_run(15, 18, 6))])
    assert collector.total("lost") == 3
    assert decoded.counts["lost"].tolist() == [0, 0, 0]


def test_options_data_count_in_ipfix():
    collector = Collector()
    options = options_template(300, [(149, 4)], [(34, 4)]), data(300, bytes(8), bytes(8))
    collector.hear(ipfix(template(256, BASIC), *options, sequence=10))
    collector.hear(*ipfix_run(12, 15, 18))
    assert collector.total("lost") == 0


def test_what_waits_is_not_judged():
    collector = Collector()
    collector.hear(ipfix(data(400, bytes(60)), sequence=0))
    collector.hear(ipfix(data(400, bytes(60)), sequence=7))
    collector.hear(ipfix(template(256, BASIC), sequence=14))
    collector.hear(*ipfix_run(14, 17, 20))
    assert collector.total("lost") == 0


def test_a_loss_is_counted_where_it_is_proved():
    collector = Collector()
    collector.hear(v9(template(256, BASIC, 9), sequence=0))
    decoded = collector.hear(*v9_run(1, 2, 5, 6, 7))
    assert decoded.counts["lost"].tolist() == [0, 0, 0, 2, 0]
