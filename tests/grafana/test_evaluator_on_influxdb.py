"""The evaluator of alert rules on a real InfluxDB, and against a real Grafana where there is one.

Both are asked about the same instants (Grafana's `/api/v1/eval` takes one) of the same small
database, with the rules in which the traps are: the culprit's join with hysteresis, one against
one, an empty query, NaN and infinity.
"""

import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from local_grafana import GrafanaService
from services import InfluxService, drop, eventually

from flowsleuth.config import Config
from flowsleuth.write import server, setup
from grafana.asking import data_source
from grafana.evaluator import Influx, Rule, Watch, check, labelled, outcome, real
from grafana.evaluator.rules import of_rule

Json = dict[str, Any]

NOW = int(time.time()) // 300 * 300 - 3600
"""When it is over: some time ago, so that nothing depends on the clock."""

CULPRIT = {"network": "Green", "protocol": "udp", "address": "10.1.0.7", "port": "14857"}


def lines() -> Iterator[str]:
    """Green's udp rises from 1 to 9 MB a minute in the last ten minutes, by one talker."""
    for minute in range(-60, 15):
        at = NOW + 60 * minute
        excess = 8_000_000 if -10 <= minute < 0 else 0
        for network, protocol in (("Green", "udp"), ("Green", "tcp"), ("Blue", "udp")):
            mine = excess if (network, protocol) == ("Green", "udp") else 0
            tags = f"network={network},protocol={protocol}"
            yield f"traffic,{tags} bytes={1_000_000 + mine}i {at}"
            yield f"talkers,{tags},address=10.9.0.1,port=443 bytes=600000i {at}"
            if minute % 5 == 0:
                # Of Blue nothing is expected: what is divided by it is infinite, or not a number.
                upper = 0 if network == "Blue" else 25_000
                yield f"baseline,{tags} bytes_upper={upper} {at}"
        if excess:
            tags = ",".join(f"{name}={value}" for name, value in CULPRIT.items())
            yield f"talkers,{tags} bytes={excess}i {at}"


@pytest.fixture(scope="module")
def config(influxdb: InfluxService) -> Iterator[Config]:
    made = Config(influx=influxdb.settings(database=f"test_{secrets.token_hex(6)}"))
    setup.prepare(made)
    write(made, lines(), "s")
    yield made
    drop(made)


def write(config: Config, points: Iterable[str], precision: str) -> None:
    settings = config.influx
    with server.connect(settings) as client, client.write_api() as api:
        api.write(settings.database, settings.org, list(points), write_precision=precision)


TAGS = '"network", "protocol"'
WHO = f'{TAGS}, "address", "port"'

SUM = 'SELECT sum("bytes")*8/300 FROM "traffic" WHERE $timeFilter GROUP BY ' + TAGS
UPPER = 'SELECT mean("bytes_upper")*8 FROM "baseline" WHERE $timeFilter GROUP BY ' + TAGS
TALKERS = (
    'SELECT "r" FROM (SELECT sum("bytes")*8/300 AS "r" FROM "talkers" WHERE $timeFilter '
    f'GROUP BY {WHO}) WHERE "r" > 50000 GROUP BY {WHO}'
)


@dataclass
class Writing:
    """Writes a rule's nodes as file provisioning has them."""

    uid: str

    def query(self, ref: str, text: str, begin: int = 299, end: int = 0) -> Json:
        model = {"refId": ref, "rawQuery": True, "resultFormat": "time_series", "query": text}
        reach = {"from": begin, "to": end}
        return {"refId": ref, "datasourceUid": self.uid, "relativeTimeRange": reach, "model": model}


def expression(ref: str, kind: str, of: str, **more: object) -> Json:
    model = {"refId": ref, "type": kind, "expression": of, **more}
    return {"refId": ref, "datasourceUid": "__expr__", "model": model}


def last(ref: str, of: str) -> Json:
    return expression(ref, "reduce", of, reducer="last", settings={"mode": "dropNN"})


def above(of: str, value: float, below: float | None = None) -> Json:
    condition: Json = {"evaluator": {"type": "gt", "params": [value]}}
    if below is not None:
        condition["unloadEvaluator"] = {"type": "lt", "params": [below]}
    return expression("T", "threshold", of, conditions=[condition])


def culprit(uid: str = "db") -> list[Json]:
    """Three queries joined: the talker's part of what is above normal."""
    to = Writing(uid)
    return [
        to.query("A", SUM),
        to.query("U", UPPER),
        to.query("C", TALKERS),
        last("a", "A"),
        last("u", "U"),
        last("c", "C"),
        expression("M", "math", "($a > $u) * ($c / ($a - $u + 1)) * ($u > 0)"),
        above("M", 0.8, 0.2),
    ]


def of(data: list[Json], **settings: object) -> Rule:
    group = {"name": "g", "folder": "f", "interval": "30s"}
    whole: Json = {"uid": "r", "title": "Above normal", "condition": "T", "noDataState": "OK"}
    return of_rule({**whole, "data": data, **settings}, group)


def test_rule_names_the_culprit_and_resolves(config: Config) -> None:
    rule = of(culprit(), **{"for": "30s"})
    assert check(rule) == []
    with Influx(config.influx) as source:
        watch = Watch(rule, source)
        changes = list(watch.run(range(NOW - 1200, NOW + 600, 30)))
    seen = [(c.at - NOW, c.after, c.reason) for c in changes]
    # The talker is below the query's floor from 240 on: what is missing goes at the second time.
    assert seen == [(-600, "Pending", ""), (-570, "Alerting", ""), (270, "Normal", "MissingSeries")]
    assert all(c.labels.items() >= CULPRIT.items() for c in changes)


def test_nothing_alerts_where_nothing_is_above_normal(config: Config) -> None:
    with Influx(config.influx) as source:
        assert list(Watch(of(culprit()), source).run(range(NOW - 2400, NOW - 660, 60))) == []


def test_database_that_is_away_is_an_error_of_the_query(config: Config) -> None:
    nowhere = config.influx.model_copy(update={"url": "http://127.0.0.1:1"})
    with Influx(nowhere) as source:
        (found,) = outcome(of(culprit(), execErrState="KeepLast"), source, [NOW]).results(0)
    assert (found.state, dict(found.labels)) == ("Error", {})
    assert "127.0.0.1:1" in found.error


def test_series_without_tags_is_named_by_its_column(config: Config) -> None:
    data = [
        Writing("db").query("A", 'SELECT sum("bytes") AS "b" FROM "traffic" WHERE $timeFilter'),
        last("a", "A"),
        above("a", 0),
    ]
    with Influx(config.influx) as source:
        (found,) = outcome(of(data), source, [NOW]).results(0)
    assert dict(found.labels) == {"__name__": "traffic.b"}


def one_against_one(uid: str = "db") -> list[Json]:
    """Blue's traffic and Green's culprit: nothing in common, and joined all the same."""
    to = Writing(uid)
    talker = SUM.replace('"traffic"', '"talkers"').replace("$timeFilter", "{}", 1)
    return [
        to.query("A", SUM.replace("$timeFilter", "$timeFilter AND \"network\" = 'Blue'")),
        to.query("C", talker.format("$timeFilter AND \"port\" = '14857'").replace(TAGS, WHO)),
        last("a", "A"),
        last("c", "C"),
        expression("M", "math", "$c / $a"),
        above("M", 0.1),
    ]


def odd(uid: str = "db") -> list[Json]:
    """Blue's normal is 0: 0/0 and 1/0, which rules must survive."""
    to = Writing(uid)
    return [
        to.query("A", SUM),
        to.query("U", UPPER),
        expression("a", "reduce", "A", reducer="mean"),
        last("u", "U"),
        expression("Q", "math", "$u / $u"),
        expression("I", "math", "$a / $u - 1 + is_inf($a / $u) * ($a % 7)"),
        expression("B", "math", "is_nan($Q) || $Q > 2 && !is_number($I)"),
        expression("M", "math", "round($Q) + $I ** 0.5"),
        above("M", 0),
    ]


def empty(uid: str = "db") -> list[Json]:
    to = Writing(uid)
    nothing = SUM.replace("$timeFilter", "$timeFilter AND \"network\" = 'Nowhere'")
    return [
        to.query("A", SUM),
        to.query("H", nothing),
        last("a", "A"),
        last("h", "H"),
        expression("M", "math", "$a - $h"),
        above("a", 1),
    ]


def windows(uid: str = "db") -> list[Json]:
    """Series of windows joined by their times, and one carried on to the end of its range."""
    to, minutes = Writing(uid), SUM.replace("*8/300", "").replace("GROUP BY", "GROUP BY time(1m),")
    pad = {"window": "1m", "downsampler": "last", "upsampler": "pad"}
    carried = expression("R", "resample", "B", **pad)
    carried["relativeTimeRange"] = {"from": 899, "to": 0}
    return [
        to.query("A", minutes + " fill(0)", begin=899),
        to.query(
            "B",
            minutes.replace("GROUP BY", 'AND "bytes" > 2000000 GROUP BY') + " fill(none)",
            begin=899,
        ),
        carried,
        expression("D", "math", "$A - $B * 0.5"),
        expression("d", "reduce", "D", reducer="sum"),
        expression("c", "reduce", "R", reducer="count", settings={"mode": "dropNN"}),
        expression("H", "math", "$A > $d / 10"),
        expression("h", "reduce", "H", reducer="mean"),
        expression("M", "math", "$h + $c"),
        above("M", 1),
    ]


RULES = {
    "windows": windows,
    "culprit": culprit,
    "one against one": one_against_one,
    "odd numbers": odd,
    "empty": empty,
}


@pytest.fixture(scope="module")
def source_uid(grafana: GrafanaService, config: Config) -> Iterator[str]:
    with data_source(grafana, config) as uid:
        yield uid


def equal(ours: real.Numbers, theirs: real.Numbers) -> bool:
    """Compare without order; NaN equals NaN, and null only null."""

    def comparable(numbers: real.Numbers) -> list[tuple[str, str]]:
        return sorted(
            (str(sorted(labels.items())), "null" if value is None else f"{value + 0.0:.12g}")
            for labels, value in numbers
        )

    return comparable(ours) == comparable(theirs)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("ago", [600, 300, -240])
def test_grafana_has_the_same_numbers(
    name: str, ago: int, grafana: GrafanaService, source_uid: str, config: Config
) -> None:
    rule = of(RULES[name](source_uid))
    theirs = real.values(grafana, rule, NOW - ago)
    with Influx(config.influx) as source:
        ours = outcome(rule, source, [NOW - ago])
    assert theirs.keys() >= ours.values.keys()
    for ref, values in ours.values.items():
        assert equal(values.at(0), theirs[ref]), ref
    assert any(theirs.values())


STEPS = {"stays": (4, 2.5), "comes back": (4, 1), "never": (2.5, 2.5)}
"""Numbers by name, before and after; what is above 3 alerts, until it is below 2."""


def test_grafana_keeps_what_alerts_by_the_same_recovery_threshold(
    grafana: GrafanaService, source_uid: str, config: Config
) -> None:
    data = [
        Writing(source_uid).query(
            "A", 'SELECT last("v") FROM "steps" WHERE $timeFilter GROUP BY "name"', begin=3600
        ),
        last("a", "A"),
        above("a", 3, 2),
    ]
    rule = of_rule(of(data).settings, {"name": "g", "folder": "f", "interval": "10s"})
    with Influx(config.influx) as source, real.installed(grafana, rule) as alerting:
        watch, ours, theirs = Watch(rule, source), [], []
        for step, expected in enumerate(({"stays", "comes back"}, {"stays"})):
            names = {labelled({"name": name}) for name in expected}
            now = time.time_ns()
            write(
                config,
                [
                    f"steps,name={k.replace(' ', chr(92) + ' ')} v={v[step]} {now}"
                    for k, v in STEPS.items()
                ],
                "ns",
            )
            watch.evaluate(now // 10**9 + 1)
            ours.append({one.result for one in watch.firing})
            eventually(lambda: alerting() == names, 45)  # noqa: B023  (it is asked at once)
            theirs.append(alerting())
            assert ours[-1] == theirs[-1] == names


def said(at: int, before: str, after: str, reason: str, labels: dict[str, str]) -> str:
    named = sorted(pair for pair in labels.items() if pair[0] != "grafana_folder")
    return f"{at - NOW} {before} -> {after} ({reason}) {named}"


@pytest.mark.parametrize(
    ("name", "no_data"),
    [
        ("culprit", "OK"),
        ("culprit", "KeepLast"),
        ("one against one", "NoData"),
        ("odd numbers", "Alerting"),
        ("empty", "NoData"),
        ("empty", "Alerting"),
    ],
)
def test_grafana_goes_through_the_same_states(
    name: str, no_data: str, grafana: GrafanaService, source_uid: str, config: Config
) -> None:
    plain = [{**one, "model": {**one["model"]}} for one in RULES[name](source_uid)]
    plain[-1] = above(plain[-1]["model"]["expression"], 0.5)  # its backtest knows no hysteresis
    rule = of(plain, noDataState=no_data, **{"for": "60s", "keepFiringFor": "60s"})
    begin, end = NOW - 900, NOW + 1200
    try:
        theirs = real.changes(grafana, rule, begin, end)
    except real.NotThere:
        pytest.skip("this Grafana has no backtesting (feature toggle alertingBacktesting)")
    with Influx(config.influx) as source:
        ours = list(Watch(rule, source).run(range(begin, end, rule.interval_s)))
    assert sorted(said(*change) for change in theirs) == sorted(
        said(c.at, c.before, c.after, c.reason, c.labels) for c in ours
    )
