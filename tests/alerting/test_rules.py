"""Every other rule: one site with a situation for each, and a twin of it that must be quiet."""

from collections.abc import Iterator, Mapping

import pytest
from local_grafana import GrafanaService
from services import InfluxService

from alerting.judging import Followed, Judge, judge, plain, shipped
from alerting.site import DAY, HOUR, MEGABIT, Flow, Site

UPPER = {"all": 400.0, "tcp": 300.0, "udp": 300.0}
"""So much that nothing here is above normal."""

MANY = tuple(f"203.0.113.{i}" for i in range(200))


def site() -> Site:
    made = Site()
    made.health()
    for network in ("Limit", "Limit late", "No limit", "Idle"):
        more = {"bytes_limit": 30.0} if network.startswith("Limit") else {}
        made.normal(network, "out", UPPER, lag_s=1900.0 if "late" in network else 60.0, **more)
        made.add(Flow(network, "out", "tcp", "10.1.0.1", "443", 20.0))
        if network != "Idle":
            made.add(Flow(network, "out", "tcp", "10.1.0.2", "443", 20.0, 0, 30))
    _profiles(made)
    _vanished(made)
    _heavy(made)
    _attacks(made)
    _exporters(made)
    _ingesters(made)
    return made


def _profiles(made: Site) -> None:
    made.normal("profile:all", "out", UPPER)
    for name, rate, limit in (("dns", 9.0, 5.0), ("web", 9.0, 20.0), ("mail", 9.0, None)):
        for minute in range(-30, 60):
            tags = {"profile": name, "direction": "out", "protocol": "udp"}
            octets = int((rate if minute >= 0 else 1.0) * MEGABIT * 60)
            own = {"bytes_limit": limit * MEGABIT} if limit else {}
            made.point(
                "profiles", tags, minute, bytes=octets, packets=octets // 800, flows=9, **own
            )


def _vanished(made: Site) -> None:
    for network, more in {
        "Gone": {},
        "Gone, and its exporter": {"exporters_silent": 1.0},
        "Gone at night": {},
        "There": {},
    }.items():
        usual = {"all": 0.5} if network == "Gone at night" else {"all": 40.0}
        made.normal(network, "in", usual, **more)
        made.add(Flow(network, "in", "tcp", "10.1.0.1", "443", 10.0, -90, 0))
        if network == "There":
            made.add(Flow(network, "in", "tcp", "10.1.0.1", "443", 5.0, 0))


GIGABYTE = 10**9


def _heavy(made: Site) -> None:
    """Hours of heavy talkers: the last of them is the hour before zero."""
    hours: Mapping[str, tuple[str, tuple[int, ...]]] = {
        "10.5.0.1": ("7001", ()),  # new
        "10.5.0.2": ("7002", (3 * DAY,)),  # back
        "10.5.0.3": ("7003", (7 * DAY - HOUR,)),  # weekly
        "10.5.0.4": ("7004", tuple(day * DAY for day in range(1, 13))),  # daily
    }
    for address, (port, before) in hours.items():
        tags = {"network": "Heavy", "direction": "out", "protocol": "tcp"}
        tags |= {"address": address, "port": port}
        for minute in (HOUR, *before):
            made.point("heavy", tags, -minute, bytes=3 * GIGABYTE, packets=9, flows=9)
        # A third of what is heavy is no matter.
        small = {**tags, "address": f"{address}9", "port": f"{port}9"}
        made.point("heavy", small, -HOUR, bytes=GIGABYTE // 3, packets=9, flows=9)
    # The port of one, three days ago, on another host: the port is back, the host is new.
    other = {"network": "Heavy", "direction": "out", "protocol": "tcp"}
    made.point("heavy", {**other, "address": "10.5.0.8", "port": "7005"}, -3 * DAY, bytes=10**10)
    made.point("heavy", {**other, "address": "10.5.0.5", "port": "7005"}, -HOUR, bytes=10**10)
    for network, learning in (("Heavy", 0.0), ("Learning", 1.0)):
        made.normal(network, "out", UPPER, learning=learning)
        made.add(Flow(network, "out", "tcp", "10.1.0.1", "443", 50.0))
    new = {"network": "Learning", "direction": "out", "protocol": "tcp"}
    made.point("heavy", {**new, "address": "10.6.0.1", "port": "7009"}, -HOUR, bytes=10**10)


def _attacks(made: Site) -> None:
    for network in ("Scans", "Scans, sampled", "Busy", "Flood"):
        for direction in ("in", "out"):
            made.normal(network, direction, UPPER, sampled=float("sampled" in network))
    for network, syn in (("Scans", 900), ("Scans, sampled", 900), ("Busy", 20)):
        tags = {"network": network, "direction": "out", "address": "10.7.0.1", "host": "printer"}
        for minute in range(-5, 30):
            made.point(
                "hosts", tags, minute, bytes=10**6, packets=1000, flows=1000, syn_only=syn,
                peers=500.0, ports=2.0,
            )  # fmt: skip
    flooded = {"packet": 70, "peers": MANY}
    made.add(
        # 20 Mbit/s of packets of 70 bytes: 36 000/s.
        Flow("Flood", "in", "udp", "10.8.0.1", "9999", 20.0, 0, 20, **flooded),
        # A name server that is always as busy, and a download.
        Flow("Flood", "in", "udp", "10.8.0.2", "53", 20.0, -900, 60, **flooded),
        Flow("Flood", "in", "tcp", "10.8.0.3", "443", 200.0, 0, 20, packet=1400, peers=MANY),
        Flow("Flood", "in", "udp", "10.8.0.4", "123", 60.0, 0, 20, packet=460, peers=MANY),
        Flow("Flood", "out", "udp", "10.8.0.5", "1900", 30.0, 0, 20, packet=900, peers=MANY),
        Flow("Flood", "in", "udp", "10.8.0.6", "53", 5.0, 0, 20, packet=900, peers=MANY),
    )


def _exporters(made: Site) -> None:
    made.exporter("well")
    made.exporter("silent", silent_s=400.0)
    made.exporter("pausing", silent_s=200.0)
    made.exporter("losing", lost=3)
    made.exporter("losing a little", lost=0)
    made.exporter("untemplated", missing_template=2)
    made.exporter("unsampled", sampling_state=2.0)
    made.exporter("assuming", sampling_state=0.0)
    made.exporter("late clock", clock_skew_ms=-500_000.0)
    made.exporter("slow", active_timeout_s=1800.0)
    made.exporter("twice", duplicate_share=0.5)


def _ingesters(made: Site) -> None:
    usual = {"datagrams": 1000, "kernel_drops": 0, "write_errors": 0, "points_dropped": 0}
    usual |= {"points_refused": 0, "write_seconds": 0.2, "folded_bytes": 0}
    for name, own in {
        "dropping": {"kernel_drops": 30},
        "failing": {"write_errors": 1},
        "slow-writer": {"write_seconds": 45.0},
        "folding": {"folded_bytes": 400_000},
    }.items():
        for minute in range(-80, 60):
            made.point("ingester", {"ingester": name}, minute, **usual | own)
            tags = {"ingester": name, "network": "Idle", "direction": "out", "protocol": "udp"}
            made.point("traffic", tags, minute, bytes=1_000_000, packets=900, flows=1)
    for minute in range(-80, -3):
        made.point("ingester", {"ingester": "dead"}, minute, **usual)


@pytest.fixture(scope="module")
def judged(
    influxdb: InfluxService, judging_grafana: GrafanaService | None
) -> Iterator[tuple[Site, Judge]]:
    made = site()
    with made.stored(influxdb) as config, judge(config, judging_grafana) as judging:
        yield made, judging


def way(network: str, direction: str = "out", **more: str) -> dict[str, str]:
    return {"network": network, "direction": direction, **more}


def heavy(address: str, port: str) -> dict[str, str]:
    return way("Heavy", protocol="tcp", address=address, port=port)


TOLD: dict[str, tuple[float, list[dict[str, str]]]] = {
    "limit-network": (9, [way("Limit")]),
    "limit-network-late": (50, [way("Limit late")]),
    "limit-profile": (9, [{"profile": "dns", "direction": "out"}]),
    "limit-profile-late": (50, []),
    "vanished": (20, [{"network": "Gone"}]),
    "vanished-late": (60, []),
    "new-heavy-service": (6, [heavy("10.5.0.1", "7001"), heavy("10.5.0.5", "7005")]),
    "back-port": (6, [heavy("10.5.0.2", "7002"), heavy("10.5.0.5", "7005")]),
    "back-address": (6, [heavy("10.5.0.2", "7002")]),
    "scan": (9, [way("Scans", address="10.7.0.1")]),
    "flood": (6, [way("Flood", "in", address="10.8.0.1")]),
    "amplification": (
        6,
        [
            way("Flood", "in", protocol="udp", address="10.8.0.4", port="123"),
            way("Flood", protocol="udp", address="10.8.0.5", port="1900"),
        ],
    ),
    "exporter-silent": (9, [{"exporter": "silent"}]),
    "flows-lost": (9, [{"exporter": "losing"}]),
    "templates-missing": (9, [{"exporter": "untemplated"}]),
    "sampling-unknown": (9, [{"exporter": "unsampled"}]),
    "clock-off": (9, [{"exporter": "late clock"}]),
    "timeout-too-long": (9, [{"exporter": "slow"}]),
    "duplicates": (9, [{"exporter": "twice"}]),
    "ingester-silent": (3, [{"ingester": "dead"}]),
    "kernel-drops": (9, [{"ingester": "dropping"}]),
    "writes-failing": (9, [{"ingester": "failing"}, {"ingester": "slow-writer"}]),
    "budget": (9, [{"ingester": "folding"}]),
}
"""When each rule is asked (minutes), and whom it tells: all others of the site are its twins."""


def test_every_rule_is_asked() -> None:
    assert {name for name in shipped() if not name.startswith("above-")} == set(TOLD)


@pytest.mark.parametrize("name", TOLD)
def test_each_rule_tells_these_and_nobody_else(judged: tuple[Site, Judge], name: str) -> None:
    made, judging = judged
    minute, expected = TOLD[name]
    rule = Followed(judging, shipped()[name])
    told = plain(rule.at(made.zero + round(minute * 60)))
    assert told == {tuple(sorted(labels.items())) for labels in expected}
