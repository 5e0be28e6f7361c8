"""Are the alerts of 'above normal' right? 28 generated days, judged by provisioning/alerting.

The world is normal_world's with talkers and other anomalies (alerts_world.py); the rules are
evaluated on data time by the tests' evaluator, as often as Grafana would, on arrays that answer as
InfluxDB does. tests/grafana/test_alerts_bench.py compares them with an InfluxDB, and with a Grafana
where there is one. What only the text of an alert needs is left out, and so are instants and
networks of which nothing can be told: days take seconds.

Printed are, for each seed: how many alerts there were without an anomaly, in the first 14 days and
in the last; of the anomalies of three times normal and more, and of the smaller ones: how many were
told (recall), how often the first message named the right culprit, and how long it took from the
first packet to the message, which includes the exporters' active timeout of 60 s. An alert is one
network and direction, however many rules and protocols say so at a time.

Exit status 1 where more than what is demanded was wrong, in one seed or in all together.

    python bench/alerts.py [--seeds N] [--seed FIRST] [--networks N] [-v]
"""

import argparse
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import alerts_world  # noqa: E402
import normal_world  # noqa: E402
from alerts_world import HOST, MANY, OUTBREAK, Points, Talkers, Told  # noqa: E402
from grafana.evaluator import Change, Rule, Watch, only, outcome, read_rules  # noqa: E402
from grafana.evaluator.arrays import Arrays  # noqa: E402
from grafana.evaluator.values import Refused  # noqa: E402

from flowsleuth.baseline.clock import STEP_S  # noqa: E402

RULES = ROOT / "provisioning" / "alerting"
ABOVE_NORMAL = "Traffic above normal"
"""How the titles of the rules begin that are judged."""

MOST_FIRST, MOST_LAST = 3, 1
RECALL, RIGHT, IN_TIME_S = 0.9, 0.95, 300
LARGE = 3.0
"""What is demanded, and of which anomalies: times normal."""

DAY_S = 86_400
HALVES = (0, 14), (14, 28)
WHOLE = range(normal_world.DAYS)
PIECE = 240
"""Instants that are evaluated at once: a bound of the memory."""

KNOWN, MAY = "Known", ("Stays", "Begins")
"""References of the rules: whose traffic they judge, and what of it may be above normal."""

AFTER_S = 3600
"""For how long after an anomaly an alert may be of it: ranges of 15 minutes, 40 minutes' lag."""


@dataclass
class Alert:
    """An instance of a rule that alerts, seconds from the installation; until when."""

    rule: Rule
    labels: dict[str, str]
    begin: float
    end: float = np.inf

    @property
    def way(self) -> tuple[str, str]:
        """Network and direction."""
        return self.labels.get("network", ""), self.labels.get("direction", "")

    @property
    def culprit(self) -> tuple[str | None, str | None]:
        """Address and port, as far as it names them."""
        return self.labels.get("address"), self.labels.get("port")

    def __str__(self) -> str:
        named = "/".join(f"{value}" for name, value in sorted(self.labels.items()))
        return f"{self.rule.uid} on day {self.begin / DAY_S:.3f}: {named}"


@dataclass
class Verdict:
    """What came of one world."""

    told: list[Told]
    wrong: list[list[Alert]] = field(default_factory=list)
    """Alerts without an anomaly, those of one network and direction at a time together."""
    alerts: list[list[Alert]] = field(default_factory=list)
    """Of each anomaly, as they came."""

    def wrong_between(self, first_day: int, last_day: int) -> int:
        """Return how many alerts there were without an anomaly."""
        return sum(first_day * DAY_S <= one[0].begin < last_day * DAY_S for one in self.wrong)


def instants(rule: Rule, seed: int, begin: int, end: int) -> NDArray[np.int64]:
    """Return when Grafana evaluates a rule: it delays each group by some times 10 s."""
    late = zlib.crc32(f"{rule.group} {seed}".encode()) % (rule.interval_s // 10) * 10
    first = -(-(begin - late) // rule.interval_s) * rule.interval_s + late
    return np.arange(first, end, rule.interval_s)


def alerts(
    rules: Sequence[Rule], store: Points, seed: int, days: range = WHOLE, *, skip: bool = True
) -> list[Alert]:
    """Return all instances that alerted in a world; skip: what cannot, which changes nothing."""
    source = Arrays(store, PIECE)
    watches = [Watch(only(rule, rule.condition), source) for rule in rules]
    zero = store.made.first_step * STEP_S
    found: list[Alert] = []
    for day in days:
        begin, end = (zero + each * DAY_S for each in (day, day + 1))
        at = [instants(rule, seed, begin, end) for rule in rules]
        store.move(day * 1440, (day + 1) * 1440)
        source.forget()
        may = may_alert(rules, at, source) if skip else []
        if skip:
            store.narrow({way for some in may for way in some})
            source.forget()
        for i, watch in enumerate(watches):
            changes = watch.run(at[i], _any(may[i], len(at[i])) if skip else None)
            found += _alerts(watch, changes, zero, found)
    return sorted(found, key=lambda one: one.begin)


Ways = dict[tuple[str, str], NDArray[np.bool_]]
"""By network and direction: (n,), at which instants."""


def may_alert(rules: Sequence[Rule], at: Sequence[NDArray[np.int64]], source: Arrays) -> list[Ways]:
    """Return of each rule where and when anything but Normal may come of it.

    The verdict of a rule of above normal is 0 where `Begins` and `Stays` are, of that network and
    direction, and these need no talkers. Several rules have the same of them.
    """
    known: dict[str, Ways] = {}
    found = []
    for rule, when in zip(rules, at, strict=True):
        ways = _not_zero(only(rule, KNOWN), when, source)
        if ways:  # of other networks' pace, mostly
            judged = only(rule, *MAY)
            key = f"{judged.nodes} {when.tobytes().hex()}"
            if key not in known:
                known[key] = _not_zero(judged, when, source)
            ways = known[key]
        found.append(ways)
    return found


def _not_zero(rule: Rule, at: NDArray[np.int64], source: Arrays) -> Ways:
    found = outcome(rule, source, at)
    if found.failed:
        raise Refused(found.failed[1])
    ways: Ways = {}
    refs = MAY if rule.condition in MAY else (rule.condition,)
    for number in (number for ref in refs for number in found.values[ref].numbers):
        may = number.there & (number.value != 0)
        if may.any():
            labels = dict(number.labels)
            way = labels["network"], labels["direction"]
            ways[way] = ways.get(way, False) | may
    return ways


def _any(ways: Ways, count: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.logical_or.reduce([np.zeros(count, np.bool_), *ways.values()])
    return found


def _alerts(
    watch: Watch, changes: Iterable[Change], zero: int, known: Iterable[Alert]
) -> list[Alert]:
    firing = {
        frozenset(one.labels.items()): one
        for one in known
        if one.rule.uid == watch.rule.uid and one.end == np.inf
    }
    new = []
    for change in changes:
        labels = dict(change.instance.result)
        assert labels.get("network"), "a join has dropped the labels"
        key = frozenset(labels.items())
        if change.fired:
            firing[key] = Alert(watch.rule, labels, change.at - zero)
            new.append(firing[key])
        elif change.before == "Alerting" and key in firing:
            firing.pop(key).end = change.at - zero
    return new


def judge(
    seed: int, rules: Sequence[Rule], networks: int, anomalies: int, days: range = WHOLE
) -> Verdict:
    """Return what the rules said in the world of a seed, on these days of it."""
    made, told = alerts_world.world(seed, networks, anomalies)
    # What is normal is looked for in the last 25 hours.
    hours = range(max(24 * (days.start - 2), 0), 24 * days.stop)
    store = Points(made, Talkers(made, told, seed), hours)
    told = [one for one in told if days.start <= one.begin_s / DAY_S < days.stop]
    found = alerts(rules, store, seed, days)
    verdict = Verdict(told, alerts=[[a for a in found if _belongs(a, one)] for one in told])
    of_anomalies = {id(alert) for some in verdict.alerts for alert in some}
    verdict.wrong = list(_together(a for a in found if id(a) not in of_anomalies))
    return verdict


def _belongs(alert: Alert, told: Told) -> bool:
    anomaly = told.anomaly
    in_time = told.begin_s <= alert.begin <= told.end_s + AFTER_S
    return in_time and alert.way == (anomaly.network, anomaly.direction)


def _together(found: Iterable[Alert]) -> Iterator[list[Alert]]:
    """Yield alerts of the same network and direction, as long as one goes on or ended just now."""
    open_: dict[tuple[str, str], list[Alert]] = {}
    for alert in found:
        some = open_.get(alert.way)
        if some and alert.begin <= max(one.end for one in some) + AFTER_S:
            some.append(alert)
        else:
            if some:
                yield some
            open_[alert.way] = [alert]
    yield from open_.values()


def is_right(alert: Alert, told: Told) -> bool:
    """Return whether an alert names who it was: host and port, the port alone, or nobody."""
    if alert.labels.get("protocol", told.anomaly.protocol) not in {told.anomaly.protocol, "all"}:
        return False
    address, port = alert.culprit
    if told.kind == HOST:
        return (address, port) == told.ends[0][:2]
    if told.kind == OUTBREAK:
        return address in {None, "other"} and port == told.ends[0].port
    return address in {None, "other"} and port in {None, "other"}


@dataclass(frozen=True)
class Measured:
    """Some anomalies: how many were told, rightly, and after how many seconds each.

    Demanded of all is that so many are told in time, and of those told, that so many are right.
    """

    all: int
    told: int
    right: int
    seconds: list[float]

    @property
    def in_time(self) -> int:
        """Of how many the first message came soon enough."""
        return sum(one <= IN_TIME_S for one in self.seconds)

    @property
    def good(self) -> bool:
        """Return whether it is as demanded."""
        return self.in_time >= RECALL * self.all and self.right >= RIGHT * self.told

    def __add__(self, other: "Measured") -> "Measured":
        return Measured(
            self.all + other.all,
            self.told + other.told,
            self.right + other.right,
            self.seconds + other.seconds,
        )

    def __str__(self) -> str:
        if not self.told:
            return f"told 0 of {self.all}"
        return (
            f"told {self.told} of {self.all}, {self.in_time} of them within {IN_TIME_S} s, "
            f"{self.right} with the right culprit; after {median(self.seconds):.0f} s "
            f"(at most {max(self.seconds):.0f} s)"
        )


def measure(verdict: Verdict, *, large: bool) -> Measured:
    """Return what there is to say of the anomalies of three times normal, or of the others."""
    chosen = [
        (told, some)
        for told, some in zip(verdict.told, verdict.alerts, strict=True)
        if (told.anomaly.factor >= LARGE) is large
    ]
    heard = [(told, some) for told, some in chosen if some]
    return Measured(
        len(chosen),
        len(heard),
        sum(_rightly(some, told) for told, some in heard),
        [some[0].begin - told.begin_s for told, some in heard],
    )


def _rightly(some: list[Alert], told: Told) -> bool:
    """Return whether the first message names it: all that came at that moment."""
    return all(is_right(one, told) for one in some if one.begin == some[0].begin)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the lines of each seed, and of all together; return the exit status."""
    options = argparse.ArgumentParser(description="Are the alerts right?")
    options.add_argument("--seeds", type=int, default=1, help="how many worlds")
    options.add_argument("--seed", type=int, default=1, help="the first of them")
    options.add_argument("--networks", type=int, default=10, help="how many of the ten")
    options.add_argument("--anomalies", type=int, default=30, help="how many in a world")
    options.add_argument("--rules", type=Path, default=RULES, help="a file, or a folder of them")
    options.add_argument("-v", "--verbose", action="store_true", help="name what was wrong")
    asked = options.parse_args(arguments)
    rules = [r for r in read_rules(asked.rules).values() if r.title.startswith(ABOVE_NORMAL)]
    good, verdicts = bool(rules), []
    print(f"{len(rules)} rules of {ABOVE_NORMAL}")
    for seed in range(asked.seed, asked.seed + asked.seeds):
        began = time.process_time()
        verdicts.append(judge(seed, rules, asked.networks, asked.anomalies))
        good &= report(f"seed {seed}", verdicts[-1:])
        if asked.verbose:
            _explain(verdicts[-1])
        print(f"  ({time.process_time() - began:.0f} s of CPU)", flush=True)
    if len(verdicts) > 1:
        good &= report(f"{len(verdicts)} seeds", verdicts)
    return 0 if good else 1


def report(name: str, verdicts: Sequence[Verdict]) -> bool:
    """Print what came of some worlds; return whether it is as demanded."""
    first, last = (sum(v.wrong_between(*days) for v in verdicts) for days in HALVES)
    large, small = (
        reduce(add, (measure(verdict, large=which) for verdict in verdicts))
        for which in (True, False)
    )
    print(f"{name}: without an anomaly {first} alerts in the first 14 days, {last} in the last")
    print(f"  anomalies of {LARGE:g} times normal and more: {large}")
    print(f"  smaller ones: {small}")
    every = [each for v in verdicts for each in zip(v.told, v.alerts, strict=True)]
    for kind in (HOST, OUTBREAK, MANY):
        some = [(told, alerts) for told, alerts in every if told.kind == kind]
        heard = [(told, alerts) for told, alerts in some if alerts]
        right = sum(_rightly(alerts, told) for told, alerts in heard)
        print(f"  {kind}: told {len(heard)} of {len(some)}, {right} rightly")
    most = [each * len(verdicts) for each in (MOST_FIRST, MOST_LAST)]
    return first <= most[0] and last <= most[1] and large.good


def _explain(verdict: Verdict) -> None:
    for some in verdict.wrong:
        print(f"  wrong: {some[0]}{f' and {len(some) - 1} more' if some[1:] else ''}")
    for told, some in zip(verdict.told, verdict.alerts, strict=True):
        late = some and some[0].begin - told.begin_s > IN_TIME_S
        if not some or late or not _rightly(some, told):
            what = "late" if late else "wrongly told" if some else "missed"
            print(f"  {what}: {told.kind} {told.ends[0]}, {told.anomaly}")
            for alert in some:
                print(f"    {alert.begin - told.begin_s:.0f} s: {alert}")


if __name__ == "__main__":
    sys.exit(main())
