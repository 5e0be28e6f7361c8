"""Every kind is found in a capture with its culprit and its window, and nothing where all is quiet.

How often it is right over generated scenarios is measured by `python bench/hunt.py`.
"""

import numpy as np
import pytest

from hunt.made import BEGIN_NS, MINUTE, MINUTES, SECOND, TCP, UDP, Made, configured, found, window

AT, LENGTH = 120, 20
PEER = "198.18.7.7"


def told(finding):
    """What a finding is, in the contract's words; windows are counted from the begin."""
    one = finding.culprit
    return (
        one.kind.value, "/".join(one.series), one.address, one.port,
        one.first - window(0), one.last - window(0),
    )  # fmt: skip


def put_host(made, address="10.1.42.17", peer=PEER):
    made.talk(address, peer, AT, LENGTH, 60_000_000, ports=(14857, 50_000), protocol=UDP)


def put_outbreak(made):
    for host in range(40, 52):
        made.talk(f"10.1.1.{host}", f"198.18.8.{host}", AT, LENGTH, 5_000_000, ports=(50_000, 445))


def put_flood(made):
    for source in range(400):
        made.talk(f"198.18.{20 + source // 200}.{source % 200}", "10.2.0.80", AT, LENGTH, 500_000,
                  ports=(1024 + source, 80))  # fmt: skip


def put_scan(made):
    """One probe after the other, over all targets: 40 a second."""
    for i in range(LENGTH * 60 * 40):
        start = BEGIN_NS + AT * MINUTE + i * SECOND // 40 // 1_000_000 * 1_000_000
        target = f"198.18.{100 + i // 250 % 100}.{i % 250}"
        made.flow("10.1.9.9", target, start, start, 40, (45_000, 22), TCP, 40)


KINDS = {
    "host": (put_host, "Green/out/udp", "10.1.42.17", 14857),
    "outbreak": (put_outbreak, "Green/out/tcp", None, 445),
    "flood": (put_flood, "Blue/in/tcp", "10.2.0.80", 80),
    "scan": (put_scan, "Green/out/tcp", "10.1.9.9", 22),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_found_and_nothing_else(kind):
    put, series, address, port = KINDS[kind]
    made = Made()
    put(made)
    (finding,) = found(made)
    assert told(finding) == (kind, series, address, port, AT, AT + LENGTH)
    one = finding.culprit
    assert one.share > 0.95
    if kind == "outbreak":
        assert {part.name for part in one.addresses} == {f"10.1.1.{n}" for n in range(40, 52)}
    if kind == "flood":
        assert one.peers == 400
    if kind == "scan":
        assert one.peers > 1000


def test_quiet_hours_have_no_finding():
    assert found(Made(seed=2)) == []


def test_two_at_the_same_time_in_two_networks_are_two_findings():
    made = Made()
    put_host(made)
    put_flood(made)
    assert {told(one)[0] for one in found(made)} == {"host", "flood"}


def test_a_host_that_sends_to_another_network_is_one_finding():
    made = Made()
    put_host(made, peer="10.2.0.99")
    (finding,) = found(made)
    assert told(finding)[:3] == ("host", "Green/out/udp", "10.1.42.17")
    assert ("Blue", "in", "udp") in [tuple(series) for series in finding.also]


def test_ipv6():
    made = Made()
    put_host(made, "2001:db8:1::17", "2001:db8:ffff::1")
    (finding,) = found(made)
    assert told(finding)[:4] == ("host", "Green/out/udp", "2001:db8:1::17", 14857)


def test_sampled_traffic_is_corrected():
    made = Made(sampling=100)
    put_host(made)
    (finding,) = found(made)
    assert told(finding) == ("host", "Green/out/udp", "10.1.42.17", 14857, AT, AT + LENGTH)
    assert finding.bytes == pytest.approx(LENGTH * 60_000_000, rel=0.05)


def test_a_long_flow_that_was_exported_late_is_no_finding():
    """4 GB over three hours in one record: 3 Mbit/s of its own, and no more."""
    made = Made()
    start = BEGIN_NS + 30 * MINUTE
    made.flow("10.1.0.99", PEER, start, start + 180 * MINUTE, 1_500_000_000, (40_000, 22))
    assert found(made) == []
    short = Made()  # the same bytes at once are one
    short.flow("10.1.0.99", PEER, start, start + 10 * MINUTE, 1_500_000_000, (40_000, 22))
    (finding,) = found(short)
    assert told(finding) == ("host", "Green/out/tcp", "10.1.0.99", 22, 30, 40)


def test_earlier_occurrences_of_port_and_address():
    made = Made(minutes=600)
    for minute, address, port in ((60, "10.1.3.3", 14857), (240, "10.1.42.17", 9999)):
        made.talk(address, PEER, minute, LENGTH, 60_000_000, ports=(port, 50_000), protocol=UDP)
    made.talk("10.1.42.17", PEER, 500, LENGTH, 60_000_000, ports=(14857, 50_000), protocol=UDP)
    first, *others = found(made)
    assert told(first)[2:5] == ("10.1.42.17", 14857, 500)
    assert [(one.address, one.port, one.first - window(0)) for one in first.earlier] == [
        ("10.1.3.3", 14857, 60),
        ("10.1.42.17", 9999, 240),
    ]
    # All belong to one trouble: the newest first.
    assert [told(one)[4] for one in others] == [240, 60]


def test_a_job_at_the_same_hour_of_other_days_is_a_habit():
    made = Made(minutes=4 * 1440)
    rng = np.random.default_rng(5)
    for day in range(4):
        at = day * 1440 + 200 + int(rng.integers(-10, 10))
        made.talk("10.1.0.50", PEER, at, 40, 60_000_000, ports=(41_000, 873))
    made.talk("10.1.42.17", PEER, 3000, LENGTH, 60_000_000, ports=(14857, 50_000), protocol=UDP)
    assert [told(one)[2] for one in found(made)] == ["10.1.42.17"]


def test_what_is_expected_is_no_finding():
    made = Made()
    made.talk("10.1.0.50", PEER, AT, LENGTH, 60_000_000, ports=(41_000, 873))
    assert len(found(made)) == 1
    job = {"network": "Green", "address": "10.1.0.50", "port": 873, "upto": "20M",
           "hours": "09:00-12:00"}  # fmt: skip
    assert found(made, configured(expected=[job])) == []


def test_below_the_floor_nothing_is_judged():
    made = Made()
    put_host(made)
    networks = [{"name": "Green", "prefixes": ["10.1.0.0/16"], "floor": "100M"}]
    assert found(made, configured(networks=networks)) == []


def test_the_capture_may_begin_or_end_within_it():
    for at in (0, MINUTES - LENGTH):
        made = Made()
        made.talk("10.1.42.17", PEER, at, LENGTH, 60_000_000, ports=(14857, 50_000), protocol=UDP)
        (finding,) = found(made)
        assert told(finding)[2:] == ("10.1.42.17", 14857, at, at + LENGTH)


def probes(made, source, targets, ports, protocol=TCP):
    """Forty probes a second from one source."""
    for i in range(LENGTH * 60 * 40):
        start = BEGIN_NS + AT * MINUTE + i * SECOND // 40 // 1_000_000 * 1_000_000
        made.flow(source, targets(i), start, start, 40, (45_000, ports(i)), protocol, 40)


OTHERS = {
    "of a host's ports from outside": (
        lambda made: probes(made, PEER, lambda _: "10.1.0.20", lambda i: 1 + i % 20_000),
        ("scan", "Green/in/tcp", PEER, None),
    ),
    "of a network from outside": (
        lambda made: probes(made, PEER, lambda i: f"10.1.{i // 250 % 200}.{i % 250}", lambda _: 22),
        ("scan", "Green/in/tcp", PEER, 22),
    ),
    "of a host's ports from inside": (
        lambda made: probes(made, "10.1.9.9", lambda _: PEER, lambda i: 1 + i % 20_000),
        ("scan", "Green/out/tcp", "10.1.9.9", None),
    ),
    "within the network": (
        lambda made: [
            made.talk(f"10.1.5.{n}", "10.1.0.80", AT, LENGTH, 2_000_000, ports=(50_000, 80))
            for n in range(100)
        ],
        ("flood", "Green/internal/tcp", "10.1.0.80", 80),
    ),
    "in transit": (
        lambda made: made.talk("192.0.2.7", PEER, AT, LENGTH, 90_000_000, ports=(50_000, 80)),
        ("host", "unassigned/transit/tcp", "192.0.2.7", 80),
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_scans_and_floods_of_other_sorts(what):
    put, expected = OTHERS[what]
    made = Made(minutes=180)
    put(made)
    findings = found(made)
    assert [told(one)[:4] for one in findings] == [expected]
    assert abs(told(findings[0])[4] - AT) <= 1
    assert abs(told(findings[0])[5] - AT - LENGTH) <= 1
