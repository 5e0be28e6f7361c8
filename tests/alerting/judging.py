"""Judges: who evaluates the rules. Grafana itself where there is one, else the tests' evaluator.

Both are asked for the verdicts at an instant of data time. What alerts already stays at 1: Grafana
takes no such memory from outside, so that is applied here (test_delivery has the real thing).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from grafana.asking import data_source
from grafana.evaluator import Influx, Labels, Rule, labelled, outcome, real
from grafana.evaluator.rules import of_rule
from local_grafana import GrafanaService

from flowsleuth.config import Config
from flowsleuth.grafana.alerting import write
from flowsleuth.grafana.alerting.constants import Constants
from flowsleuth.grafana.alerting.rule import BEGINS, ENDS, STAYS, VERDICT

Numbers = dict[str, list[tuple[Labels, float | None]]]


class Judge(Protocol):
    """Evaluates a rule at an instant (epoch seconds)."""

    name: str

    def numbers(self, rule: Rule, at: int) -> tuple[Numbers, set[str]]:
        """Return the numbers of each expression by its reference, and the queries without rows."""


@dataclass
class ByEvaluator:
    """The tests' own evaluator, on a real InfluxDB."""

    source: Influx
    name = "evaluator"

    def numbers(self, rule: Rule, at: int) -> tuple[Numbers, set[str]]:
        found = outcome(rule, self.source, [at])
        empty = {ref for ref, where in found.empty.items() if where[0]}
        numbers = {
            ref: [(labelled(labels), value) for labels, value in values.at(0)]
            for ref, values in found.values.items()
        }
        return numbers, empty


@dataclass
class ByGrafana:
    """A Grafana, of which the data source `uid` is the database."""

    service: GrafanaService
    uid: str
    name = "Grafana"

    def numbers(self, rule: Rule, at: int) -> tuple[Numbers, set[str]]:
        asked = real.with_source(rule, self.uid)
        now = datetime.fromtimestamp(at, UTC).isoformat()
        body = {"condition": rule.condition, "data": asked.settings["data"], "now": now}
        status, said = self.service.ask("/api/v1/eval", body)
        assert status == 200, said
        numbers: Numbers = {}
        empty = set()
        for ref, answer in said["results"].items():
            assert not answer.get("error"), (ref, answer)
            frames = answer.get("frames") or []
            if rule.node(ref).query is None:
                found = real._numbers(frames)
                numbers[ref] = [(labelled(labels), value) for labels, value in found]
            elif not any(len(c) for frame in frames for c in frame["data"]["values"]):
                empty.add(ref)
        return numbers, empty


@contextmanager
def judge(config: Config, grafana: GrafanaService | None) -> Iterator[Judge]:
    """The judge of a database."""
    if grafana is not None:
        with data_source(grafana, config) as uid:
            yield ByGrafana(grafana, uid)
        return
    with Influx(config.influx) as source:
        yield ByEvaluator(source)


def shipped(constants: Constants | None = None) -> dict[str, Rule]:
    """Return all rules as they are written, by their uids without the prefix."""
    return {
        rule["uid"].removeprefix("flowsleuth-"): of_rule(rule, group)
        for group in write.groups(constants or Constants())
        for rule in group["rules"]
    }


@dataclass
class Followed:
    """A rule followed from evaluation to evaluation: what fires at each, by its labels.

    `for` is left out: what waits is told as if it fired.
    """

    judge: Judge
    rule: Rule
    loaded: set[Labels] = field(default_factory=set)
    numbers: Numbers = field(default_factory=dict)
    empty: set[str] = field(default_factory=set)

    def at(self, instant: int) -> set[Labels]:
        """Evaluate; return what fires."""
        self.numbers, self.empty = self.judge.numbers(self.rule, instant)
        # A query without rows is no data for the whole rule, whatever needs it.
        found = [] if self.empty else self.numbers.get(VERDICT, [])
        assert all(labels for labels, _ in found), "a join has dropped the labels"
        self.loaded = {
            labels
            for labels, value in found
            if value is not None
            and value > (ENDS + STAYS) / 2
            and (labels in self.loaded or value > (STAYS + BEGINS) / 2)
        }
        return self.loaded

    def over(self, instants: Sequence[int]) -> list[set[Labels]]:
        """Evaluate at each of these instants."""
        return [self.at(instant) for instant in instants]


def plain(found: set[Labels]) -> set[tuple[tuple[str, str], ...]]:
    """Return labels without those that are empty, sorted."""
    return {tuple(sorted(pair for pair in labels if pair[1])) for labels in found}
