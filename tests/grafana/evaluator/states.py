"""The states of a rule's instances from one evaluation to the next, as Grafana has them.

A result that alerts makes Pending, and Alerting when `for` has passed since; one that does not,
Normal (after `keepFiringFor`, Recovering until then). No data and errors go by the rule's
settings: for all instances that there are if nothing else came, else for the one that has it. An
instance that comes no more is resolved at its second missing evaluation.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grafana.evaluator.outcome import (
    ALERTING,
    ERROR,
    NO_DATA,
    NORMAL,
    PENDING,
    RECOVERING,
    Outcome,
    Result,
    outcome,
)  # fmt: skip
from grafana.evaluator.rules import Rule
from grafana.evaluator.source import Instants, Source
from grafana.evaluator.values import Bools, Labels, labelled

MISSING = "MissingSeries"
KEEP = "KeepLast"

_PLAIN = re.compile(r"\{\{-?\s*\$(labels|values)\.(\w+)(\.Value)?\s*-?\}\}")
_NAMED = re.compile(r"\$(labels|values)\.(\w+)")


@dataclass(slots=True)
class Instance:
    """One instance of a rule. since: of this state; at: of the last evaluation that had it."""

    rule: Rule
    result: Labels
    """The labels which it has of the queries; `labels` has the rule's own, too."""
    last: Result
    state: str = NORMAL
    reason: str = ""
    since: int = 0
    at: int = 0

    @property
    def values(self) -> dict[str, float | None]:
        return self.last.values

    @property
    def labels(self) -> dict[str, str]:
        own = {name: self._filled(text, {}) for name, text in self.rule.labels.items()}
        extra = {"alertname": self.rule.title, "grafana_folder": self.rule.folder}
        return {**dict(self.result), **own, **extra}

    @property
    def lacks(self) -> set[str]:
        """What annotations and labels name (`labels.x`, `values.X`) and is not there.

        A template may ask before (`{{ if $values.h }}`): then it is no fault.
        """
        there = {f"labels.{name}" for name in self.labels}
        there |= {f"values.{ref}" for ref in self.values}
        texts = " ".join([*self.rule.annotations.values(), *self.rule.labels.values()])
        return {f"{kind}.{name}" for kind, name in _NAMED.findall(texts)} - there

    def text(self, annotation: str) -> str:
        """Return an annotation with its plain labels and values; the rest as it is written."""
        return self._filled(self.rule.annotations[annotation], self.labels)

    def _filled(self, text: str, labels: Mapping[str, str]) -> str:
        known = {**dict(self.result), **labels}

        def put(match: re.Match[str]) -> str:
            if match[1] == "labels":
                return known.get(match[2], "<no value>")
            return f"{value:.15g}" if (value := self.values.get(match[2])) is not None else "NaN"

        return _PLAIN.sub(put, text)


@dataclass(frozen=True)
class Change:
    """An instance has another state, or another reason for it."""

    at: int
    before: str
    instance: Instance

    @property
    def after(self) -> str:
        return self.instance.state

    @property
    def reason(self) -> str:
        return self.instance.reason

    @property
    def labels(self) -> dict[str, str]:
        return self.instance.labels

    @property
    def fired(self) -> bool:
        return self.after == ALERTING != self.before

    @property
    def resolved(self) -> bool:
        return self.after == NORMAL and self.before in {ALERTING, RECOVERING, NO_DATA, ERROR}

    def text(self, annotation: str) -> str:
        return self.instance.text(annotation)


class Watch:
    """A rule with its states; evaluated at successive instants, whole multiples of its interval."""

    def __init__(self, rule: Rule, source: Source) -> None:
        self.rule = rule
        self.states: dict[Labels, Instance] = {}
        self._source = source
        self._templated = any("{{" in text for text in rule.labels.values())

    @property
    def firing(self) -> list[Instance]:
        """The instances that alert, as a message would say it."""
        return [one for one in self.states.values() if one.state in {ALERTING, RECOVERING}]

    def evaluate(self, at: int) -> list[Change]:
        """Evaluate at an instant (epoch seconds); return what has changed."""
        return self._follow(outcome(self.rule, self._source, [at]), 0, at)

    def run(
        self, instants: Sequence[int] | Instants, eventful: Bools | None = None
    ) -> Iterator[Change]:
        """Evaluate at successive instants; yield what has changed.

        eventful: (n,), where anything but Normal may come, if that is known beforehand. Of the
        others only those are evaluated at which what alerted may end: at the second, all has.
        """
        at = np.asarray(instants, np.int64)
        if eventful is not None:
            at = at[self._near(eventful)]
        piece = self._source.piece
        for begin in range(0, len(at), piece):
            part = at[begin : begin + piece]
            yield from self._piece(outcome(self.rule, self._source, part), part)

    def _near(self, eventful: Bools) -> Bools:
        """Return (n,): where to evaluate."""
        ends = self.rule.missing + self.rule.keep_s // self.rule.interval_s
        before = np.full(ends, any(one.state != NORMAL for one in self.states.values()))
        long = np.concatenate([before, eventful])
        return np.logical_or.reduce([long[i : i + len(eventful)] for i in range(ends + 1)])

    def _piece(self, found: Outcome, part: Instants) -> Iterator[Change]:
        """Follow the states where there is anything to follow.

        What is Normal at the two evaluations before an event may matter to it, before that not.
        """
        eventful = np.append(found.eventful(), [True, True])
        near = eventful[:-2] | eventful[1:-1] | eventful[2:]
        for i, at in enumerate(part.tolist()):
            if near[i] or any(one.state != NORMAL for one in self.states.values()):
                yield from self._follow(found, i, at)
            else:
                self.states.clear()

    def _loaded(self) -> set[Labels]:
        """Return what the recovery threshold applies to."""
        return {
            one.result
            for one in self.states.values()
            if one.state in {ALERTING, PENDING} and not one.reason
        }

    def _follow(self, found: Outcome, i: int, at: int) -> list[Change]:
        before = dict(self.states)
        results = found.results(i, self._loaded())
        if before and self._for_all(results):
            for labels, one in before.items():
                self.states[labels] = self._next(one, results[0], at)
        else:
            for result in results:
                new = Instance(self.rule, result.labels, result, since=at)
                key = self._key(new)
                self.states[key] = self._next(before.get(key, new), result, at)
        changed = [
            Change(at, was[0], one)
            for labels, one in self.states.items()
            if (was := _state_of(before.get(labels))) != (one.state, one.reason)
            and not was[0] == one.state == NORMAL
        ]
        return changed + list(self._missing(at))

    def _key(self, new: Instance) -> Labels:
        """Return what tells instances apart: all labels, of which the rule's own come first."""
        if self._templated:
            return labelled(new.labels)
        return frozenset(pair for pair in new.result if pair[0] not in self.rule.labels)

    def _for_all(self, results: Sequence[Result]) -> bool:
        """Return whether the results are of all instances that there are."""
        states = {one.state for one in results}
        return (states == {NO_DATA} and self.rule.no_data != "NoData") or (
            states == {ERROR} and self.rule.error != "Error"
        )

    def _missing(self, at: int) -> Iterator[Change]:
        """Resolve and forget what came no more."""
        for labels, one in list(self.states.items()):
            passing = {one.state, one.reason if one.state == PENDING else ""} & {ERROR, NO_DATA}
            wait = (1 if passing else self.rule.missing) * self.rule.interval_s
            if one.at != at and at - one.at >= wait:
                del self.states[labels]
                gone = replace(one, state=NORMAL, reason=MISSING, at=at)
                if one.state != NORMAL:
                    yield Change(at, one.state, gone)

    def _next(self, one: Instance, result: Result, at: int) -> Instance:
        if result.state == one.state == NORMAL:  # nearly all are
            return Instance(self.rule, one.result, result, NORMAL, "", one.since, at)
        to = self._meant(result.state)
        if to == KEEP:
            to = ALERTING if one.state in {ALERTING, PENDING} else NORMAL
        state = self._calm(one, at) if to == NORMAL else self._raised(one, at, to)
        since = one.since if state == one.state else at
        reason = self._reason(state, result.state)
        return replace(one, last=result, state=state, since=since, at=at, reason=reason)

    def _meant(self, state: str) -> str:
        """Return what the rule's settings make of no data and errors."""
        setting = {NO_DATA: self.rule.no_data, ERROR: self.rule.error}.get(state, state)
        return {"OK": NORMAL, "Ok": NORMAL}.get(setting, setting)

    def _calm(self, one: Instance, at: int) -> str:
        keep = self.rule.keep_s
        if one.state == RECOVERING and at - one.since < keep:
            return RECOVERING
        return RECOVERING if one.state == ALERTING and keep else NORMAL

    def _raised(self, one: Instance, at: int, to: str) -> str:
        """Return what becomes of an instance which goes to Alerting, NoData or Error."""
        if one.state == PENDING:
            return to if at - one.since >= self.rule.for_s else PENDING
        waits = self.rule.for_s and one.state not in {to, RECOVERING}
        return PENDING if waits else to

    def _reason(self, state: str, result: str) -> str:
        if state == result or result in {NORMAL, ALERTING}:
            return ""
        return f"{result}, {KEEP}" if self._meant(result) == KEEP else result


def _state_of(one: Instance | None) -> tuple[str, str]:
    return (one.state, one.reason) if one else (NORMAL, "")
