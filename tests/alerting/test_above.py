"""Traffic above normal: who is told in one site of many networks, each a situation of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest
from local_grafana import GrafanaService
from services import InfluxService

from alerting.judging import Followed, Judge, judge, plain, shipped
from alerting.site import Flow, Site

UPPER = {"all": 40.0, "tcp": 30.0, "udp": 12.0}
"""Mbit/s; half of it is expected."""

CULPRIT = {"address": "10.1.0.7", "port": "14857"}

ALERTS = ("host", "port", "nobody", "whole")


def usual(network: str, **more: object) -> list[Flow]:
    """What every network carries: below half of what is normal at most."""
    return [
        Flow(network, "out", "tcp", "10.1.0.1", "443", 8.0, **more),
        Flow(network, "out", "tcp", "10.1.0.2", "443", 4.0, **more),
        Flow(network, "out", "udp", "10.1.0.3", "53", 3.0, **more),
        Flow(network, "out", "udp", "other", "other", 2.0, **more),
    ]


def culprit(network: str, rate: float, begin: int = 0, end: int = 20, **more: object) -> Flow:
    return Flow(network, "out", "udp", "10.1.0.7", "14857", rate, begin, end, **more)


@dataclass
class Situation:
    """A network of its own; told: the rule that fires, and the labels that it adds."""

    network: str
    told: str = ""
    labels: tuple[tuple[str, str], ...] = ()


HOST = (("address", "10.1.0.7"), ("port", "14857"), ("protocol", "udp"))

SITUATIONS = (
    Situation("Host", "above-host-fast", HOST),
    Situation("Port", "above-port-fast", (("port", "4444"), ("protocol", "udp"))),
    Situation("Nobody", "above-nobody-fast", (("protocol", "udp"),)),
    Situation("Many protocols", "above-whole-fast"),
    Situation("New protocol", "above-whole-fast"),
    Situation("Ping", "above-host-fast", (*HOST[:1], ("port", "0"), ("protocol", "icmp"))),
    Situation("Within a minute", "above-host-fast", HOST),
    Situation("At the end of a minute", "above-host-fast", HOST),
    Situation("Slowly", "above-host-slow", HOST),
    Situation("Every other minute", "above-host-slow", HOST),
    Situation("Late", "above-host-late", HOST),
    Situation("Too late"),
    Situation("A minute"),
    Situation("Other direction"),
    Situation("Usual"),
    Situation("Learning"),
)


def site() -> Site:
    made = Site(labels={"Host": {"site": "hq", "role": "office"}})
    made.health()
    for one in SITUATIONS:
        lag = {"Late": 1900.0, "Too late": 4000.0}.get(one.network, 60.0)
        upper = dict.fromkeys(UPPER, 0.0) if one.network == "Learning" else dict(UPPER)
        if one.network == "Many protocols":
            upper["all"] = 20.0
        if one.network == "Ping":
            upper["icmp"] = 2.0
        made.normal(one.network, "out", upper, lag_s=lag)
        made.normal(one.network, "in", UPPER, lag_s=lag)
        made.add(*usual(one.network))
    made.add(
        culprit("Host", 60.0),
        *(Flow("Port", "out", "udp", f"10.2.0.{i}", "4444", 2.0, 0, 20) for i in range(20)),
        Flow("Port", "out", "udp", "other", "4444", 20.0, 0, 20),
        *(
            Flow("Nobody", "out", "udp", f"10.2.0.{i}", str(5000 + i), 1.5, 0, 20)
            for i in range(12)
        ),
        Flow("Nobody", "out", "udp", "other", "other", 40.0, 0, 20),
        Flow("Many protocols", "out", "tcp", "10.2.0.1", "443", 12.0, 0, 20),
        Flow("Many protocols", "out", "udp", "10.2.0.2", "53", 6.0, 0, 20),
        Flow("New protocol", "out", "gre", "10.2.0.9", "0", 60.0, 0, 20),
        Flow("Ping", "out", "icmp", "10.1.0.7", "0", 60.0, 0, 20),
        # Of what is normal, with what is usual, its first minute has more and less than all.
        culprit("Within a minute", 7.5, 0, 1),
        culprit("Within a minute", 30.0, 1, 20),
        culprit("At the end of a minute", 6.5, 0, 1),
        culprit("At the end of a minute", 30.0, 1, 20),
        culprit("Slowly", 8.6, 0, 40),
        *(culprit("Every other minute", 6.0 + i % 2 * 7.0, i, i + 1) for i in range(40)),
        culprit("Late", 60.0, 0, 40),
        culprit("Too late", 60.0, 0, 40),
        culprit("A minute", 60.0, 0, 1),
        Flow("Other direction", "in", "udp", "10.1.0.7", "53", 5.0),
        culprit("Learning", 60.0),
    )
    return made


@pytest.fixture(scope="module")
def judged(
    influxdb: InfluxService, judging_grafana: GrafanaService | None
) -> Iterator[tuple[Site, Judge]]:
    made = site()
    with made.stored(influxdb) as config, judge(config, judging_grafana) as judging:
        yield made, judging


def at(made: Site, minute: float) -> int:
    return made.zero + round(minute * 60)


MINUTES = {"fast": [-1, 5, 22], "slow": [-1, 19], "late": [-1, 56]}
"""When each pace is asked: before; when it can know; and, the fast one, when it is over."""


def test_each_situation_is_told_by_one_rule_and_what_is_usual_by_none(
    judged: tuple[Site, Judge],
) -> None:
    made, judging = judged
    rules = shipped()
    for form, pace in product(ALERTS, MINUTES):
        name = f"above-{form}-{pace}"
        asked = [at(made, minute) for minute in MINUTES[pace]]
        before, *later = map(plain, Followed(judging, rules[name]).over(asked))
        assert before == set()
        told = set().union(*later)
        expected = {one.network: one.labels for one in SITUATIONS if one.told == name}
        assert {dict(labels)["network"] for labels in told} == set(expected), name
        for labels in told:
            mine = {"network": dict(labels)["network"], "direction": "out"}
            own = {"site": "hq", "role": "office"} if mine["network"] == "Host" else {}
            assert dict(labels) == mine | own | dict(expected[mine["network"]]), name


def test_the_minute_in_which_it_began_counts_if_it_is_above_normal(
    judged: tuple[Site, Judge],
) -> None:
    made, judging = judged
    (told,) = Followed(judging, shipped()["above-host-fast"]).over([at(made, 4)])
    networks = {dict(labels)["network"] for labels in told}
    assert "Within a minute" in networks
    assert "At the end of a minute" not in networks
