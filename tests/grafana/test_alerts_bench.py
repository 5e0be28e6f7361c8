"""bench/alerts.py in small: its arrays against an InfluxDB, and a Grafana where there is one.

The whole of it (28 days, ten networks) is `python bench/alerts.py`.
"""

import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from local_grafana import GrafanaService
from services import InfluxService, drop

from flowsleuth.baseline.clock import STEP_S
from flowsleuth.config import Config
from flowsleuth.write import server, setup
from grafana.asking import data_source
from grafana.evaluator import Influx, Outcome, Rule, only, outcome, read_rules, real
from grafana.evaluator.arrays import Arrays, Grid

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import alerts  # noqa: E402
import alerts_world  # noqa: E402
from alerts_world import HOST, MANY, OUTBREAK, Points, Talkers, Told  # noqa: E402

RULES = {
    uid.removeprefix("flowsleuth-above-"): rule
    for uid, rule in read_rules(alerts.RULES).items()
    if rule.title.startswith(alerts.ABOVE_NORMAL)
}
FORMS = {HOST: "host-fast", OUTBREAK: "port-fast", MANY: "nobody-fast"}

SEED, NETWORKS, ANOMALIES = 1, 1, 30
DAY = 12
"""A day of the smallest network with anomalies."""


world = cache(alerts_world.world)


def small(hours: range) -> tuple[Points, list[Told]]:
    made, told = world(SEED, NETWORKS, ANOMALIES)
    return Points(made, Talkers(made, told, SEED), hours), told


def test_what_is_skipped_would_have_told_nothing() -> None:
    rules = [RULES[name] for name in ("host-fast", "nobody-fast", "whole-slow", "host-late")]
    store, _ = small(range(24 * (DAY - 2), 24 * (DAY + 1)))
    days = range(DAY, DAY + 1)
    some, whole = (
        [(str(one), one.end) for one in alerts.alerts(rules, store, SEED, days, skip=skip)]
        for skip in (True, False)
    )
    assert some == whole != []


def test_anomalies_of_a_small_world_are_told_rightly(capsys: pytest.CaptureFixture[str]) -> None:
    days = range(DAY, DAY + 1)
    verdict = alerts.judge(
        SEED, [RULES[name] for name in FORMS.values()], NETWORKS, ANOMALIES, days
    )
    large = alerts.measure(verdict, large=True)
    assert large.all >= 2
    assert large.told == large.right == large.all
    assert verdict.wrong_between(0, 28) == 0
    assert alerts.report("small", [verdict])
    said = capsys.readouterr().out
    assert f"told {large.all} of {large.all}, " in said
    assert "small: without an anomaly 0 alerts in the first 14 days, 0 in the last" in said


def test_what_is_told_wrongly_late_or_not_at_all_is_no_success() -> None:
    _, told = small(range(0))
    host = next(one for one in told if one.kind == HOST)
    way = {"network": host.anomaly.network, "direction": host.anomaly.direction}
    named = way | dict(zip(("address", "port"), host.ends[0][:2], strict=True))
    rule = RULES["host-fast"]

    def measured(labels: dict[str, str], after: float) -> alerts.Measured:
        one = alerts.Alert(rule, labels, host.begin_s + after)
        return alerts.measure(alerts.Verdict([host], alerts=[[one]]), large=True)

    assert measured(named, 250).good
    assert not measured(named, 301).good
    assert not measured({**named, "port": "1"}, 250).good
    assert not measured(way, 250).good
    assert not alerts.measure(alerts.Verdict([host], alerts=[[]]), large=True).good


@dataclass(frozen=True)
class Case:
    """An anomaly that a rule tells: in arrays at `at`, in InfluxDB `later` seconds after that."""

    told: Told
    rule: Rule
    found: Outcome
    """By the arrays."""
    at: int
    later: int
    config: Config


@pytest.fixture(scope="module", params=FORMS)
def case(request: pytest.FixtureRequest, influxdb: InfluxService) -> Iterator[Case]:
    _, every = small(range(0))
    told = next(t for t in every if t.kind == request.param and t.anomaly.factor >= alerts.LARGE)
    minute = told.anomaly.begin + 6
    store, _ = small(range(minute // 60 - 27, minute // 60 + 1))
    store.move(minute - 60, minute + 1)
    at = store.made.first_step * STEP_S + minute * 60 + 10
    later = (int(time.time()) - at) // 86_400 * 86_400
    rule = RULES[FORMS[request.param]]
    rule = only(rule, rule.condition)
    config = Config(influx=influxdb.settings(database=f"test_{secrets.token_hex(6)}"))
    setup.prepare(config)
    write(config, store, at, later)
    yield Case(told, rule, outcome(rule, Arrays(store), [at]), at, later, config)
    drop(config)


def write(config: Config, store: Points, at: int, later: int) -> None:
    settings = config.influx
    with server.connect(settings) as client, client.write_api() as api:
        for name in ("traffic", "talkers", "profiles", "ingester", "baseline"):
            bucket = settings.detail if name == "talkers" else settings.database
            lines = list(points(name, store.grid(name, 0, 0), at, later))
            api.write(bucket, settings.org, lines, write_precision="s")


def points(name: str, grid: Grid, at: int, later: int) -> Iterator[str]:
    """Yield the last day as lines, as far as it is written by then."""
    times = grid.time_ms // 1000
    places = np.flatnonzero((times > at - 90_300) & (times + grid.written_s <= at))
    for row, tags in enumerate(grid.tags):
        said = ",".join([name, *(f"{key}={value}" for key, value in tags.items())])
        for place in places.tolist():
            cells = {key: column[row, place] for key, column in grid.columns.items()}
            fields = [
                f"{key}={value:.0f}i" if key in grid.whole else f"{key}={value}"
                for key, value in cells.items()
                if not np.isnan(value)
            ]
            if fields:
                yield f"{said} {','.join(fields)} {times[place] + later}"


def comparable(numbers: Sequence[tuple[dict[str, str], float | None]]) -> list[str]:
    return sorted(
        f"{sorted(labels.items())} {'null' if value is None else format(value + 0.0, '.12g')}"
        for labels, value in numbers
    )


def test_arrays_tell_who_it_was(case: Case) -> None:
    (alert,) = (
        alerts.Alert(case.rule, dict(one.labels), case.told.begin_s)
        for one in case.found.results(0)
        if one.state == "Alerting"
    )
    assert alert.way == (case.told.anomaly.network, case.told.anomaly.direction)
    assert alerts.is_right(alert, case.told)


def test_influxdb_says_the_same(case: Case) -> None:
    with Influx(case.config.influx) as source:
        theirs = outcome(case.rule, source, [case.at + case.later])
    for ref, values in case.found.values.items():
        assert comparable(values.at(0)) == comparable(theirs.values[ref].at(0)), ref
    assert not any(where.any() for where in theirs.empty.values())


def test_grafana_says_the_same(case: Case, grafana: GrafanaService) -> None:
    with data_source(grafana, case.config) as uid:
        asked = real.with_source(case.rule, uid)
        theirs = real.values(grafana, asked, case.at + case.later)
    for ref, values in case.found.values.items():
        assert comparable(values.at(0)) == comparable(theirs[ref]), ref
