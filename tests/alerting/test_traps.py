"""The rule that names a host, where joins and data are as thin or as torn as they may be."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from local_grafana import GrafanaService
from services import InfluxService

from alerting.judging import Followed, judge, plain, shipped
from alerting.site import DAY, Flow, Site
from alerting.test_above import CULPRIT, UPPER, culprit, usual

Following = Callable[..., Followed]

NAMED = {"network": "Green", "direction": "out", "protocol": "udp", **CULPRIT}

EVERY_HALF_MINUTE = [minute / 2 for minute in range(8, 60)]


@pytest.fixture
def followed(
    influxdb: InfluxService, judging_grafana: GrafanaService | None
) -> Iterator[Following]:
    """Store a site and follow a rule of it."""
    with ExitStack() as stack:

        def follow(made: Site, name: str = "above-host-fast") -> Followed:
            config = stack.enter_context(made.stored(influxdb))
            judging = stack.enter_context(judge(config, judging_grafana))
            return Followed(judging, shipped()[name])

        yield follow


def green(**more: object) -> Site:
    """A site of one network with everything usual but what is added."""
    made = Site(**more)
    made.health()
    made.normal("Green", "out", UPPER)
    return made


def seconds(made: Site, minutes: list[float]) -> list[int]:
    return [made.zero + round(minute * 60) for minute in minutes]


def names(told: list[set]) -> list[set]:
    return [{tuple(sorted(dict(labels).items())) for labels in plain(one)} for one in told]


def test_one_network_with_one_talker(followed: Following) -> None:
    made = green()
    made.add(culprit("Green", 60.0))
    told = followed(made).over(seconds(made, [-1, 5]))
    assert names(told) == [set(), {tuple(sorted(NAMED.items()))}]


def test_one_network_with_many_talkers_none_of_which_is_large(followed: Following) -> None:
    # One row of profiles is large: Grafana joins it with the only network, whatever its labels say.
    made = green()
    made.add(*(Flow("Green", "out", "udp", f"10.2.0.{i}", str(5000 + i), 0.4) for i in range(60)))
    assert names(followed(made).over(seconds(made, [5, 5.5]))) == [set(), set()]


def test_one_network_above_and_the_only_talker_of_another(followed: Following) -> None:
    made = green()
    made.add(
        Flow("Green", "out", "udp", "other", "other", 60.0),
        # Of this nothing is known: it has no row in `baseline`.
        Flow("Blue", "out", "gre", "10.2.0.9", "0", 60.0),
    )
    assert followed(made).over(seconds(made, [5])) == [set()]


def test_without_any_history(followed: Following) -> None:
    made = green()
    made.add(*usual("Green"), culprit("Green", 60.0))
    rule = followed(made)
    assert len(rule.at(made.zero + 300)) == 1
    # Who never was heavy has no number: the text says that it is new.
    labels = {labels for ref in ("PortHours", "AddressDays") for labels, _ in rule.numbers[ref]}
    assert not any(dict(one).get("port") or dict(one).get("address") for one in labels)


def test_it_begins_with_the_second_window_and_ends_when_ten_were_not_above(
    followed: Following,
) -> None:
    made = green()
    made.add(*usual("Green"), culprit("Green", 60.0, 0, 6))
    told = followed(made).over(seconds(made, EVERY_HALF_MINUTE))
    firing = [m for m, one in zip(EVERY_HALF_MINUTE, told, strict=True) if one]
    # Windows 0 and 1 are known 3 min after the second began; the last one above is window 5.
    assert (firing[0], firing[-1]) == (4.0, 17.5)
    assert firing == [m for m in EVERY_HALF_MINUTE if 4 <= m <= 17.5]


def test_a_single_high_minute_is_no_alert(followed: Following) -> None:
    made = green()
    made.add(*usual("Green"), *(culprit("Green", 60.0, at, at + 1) for at in (0, 2, 5)))
    assert set().union(*followed(made).over(seconds(made, EVERY_HALF_MINUTE))) == set()


@pytest.mark.parametrize("lost", [range(6, 9), range(6, 14)], ids=["3 min", "8 min"])
def test_a_gap_does_not_end_it(followed: Following, lost: range) -> None:
    away = frozenset(lost)
    made = Site()
    made.health(skip=away)
    made.normal("Green", "out", UPPER)
    made.add(*usual("Green", skip=away), culprit("Green", 60.0, 0, 25, skip=away))
    told = followed(made).over(seconds(made, EVERY_HALF_MINUTE))
    firing = [m for m, one in zip(EVERY_HALF_MINUTE, told, strict=True) if one]
    assert firing == [m for m in EVERY_HALF_MINUTE if m >= 4]


def test_at_the_change_of_day(followed: Following) -> None:
    midnight = Site().zero // 86_400 * 86_400
    made = green(zero=midnight - 7 * 60)
    made.add(*usual("Green"), culprit("Green", 60.0))
    told = followed(made).over(seconds(made, EVERY_HALF_MINUTE))
    firing = [m for m, one in zip(EVERY_HALF_MINUTE, told, strict=True) if one]
    assert firing == [m for m in EVERY_HALF_MINUTE if m >= 4]


def test_it_is_the_third_time_in_fourteen_days(followed: Following) -> None:
    made = green()
    made.add(*usual("Green"), culprit("Green", 60.0))
    for minute, address in ((-9 * DAY, "10.1.0.20"), (-4 * DAY, "10.1.0.30"), (-20 * DAY, "x")):
        where = {**NAMED, "address": address}
        # Two hours on end are one occurrence; what is older than 14 days is none.
        made.point("heavy", where, minute, bytes=10**10)
        made.point("heavy", where, minute + 60, bytes=10**10)
    rule = followed(made)
    assert len(rule.at(made.zero + 300)) == 1
    of_port = {ref: dict(rule.numbers[ref]) for ref in ("PortTime", "PortDays")}
    mine = frozenset({("protocol", "udp"), ("port", "14857")})
    assert (of_port["PortTime"][mine], of_port["PortDays"][mine]) == (3, 4)


def test_the_peer_that_carries_most_is_found_and_several_are_counted(followed: Following) -> None:
    made = green()
    made.add(
        *usual("Green"),
        culprit("Green", 60.0, peers=("203.0.113.9",)),
    )
    rule = followed(made)
    rule.at(made.zero + 300)
    peers = [dict(labels) for labels, _ in rule.numbers["Peer"]]
    assert [one["peer"] for one in peers if one["address"] == CULPRIT["address"]] == ["203.0.113.9"]


def test_what_it_was_so_far_is_in_bytes(followed: Following) -> None:
    made = green()
    made.add(*usual("Green"), culprit("Green", 80.0))
    rule = followed(made)
    (labels,) = rule.at(made.zero + 8 * 60)
    # Windows 0 to 5 at 10 MB/s.
    assert dict(rule.numbers["SoFar"])[labels] == 6 * 600_000_000
