"""What a rule gives at n instants: its nodes' numbers, and the results that its states follow."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from flowsleuth.errors import ServiceError
from grafana.evaluator import mathexp
from grafana.evaluator.nodes import kept, nothing, reduce, threshold
from grafana.evaluator.rules import EXPRESSION, Node, Rule, seconds
from grafana.evaluator.series import Many, carried_on, found
from grafana.evaluator.source import Instants, Points, Source
from grafana.evaluator.values import Bools, Labels, Number, Refused, Values, labelled

NORMAL, PENDING, ALERTING, RECOVERING, NO_DATA, ERROR = (
    "Normal", "Pending", "Alerting", "Recovering", "NoData", "Error",
)  # fmt: skip

Numbers = dict[str, list[float | None]]


@dataclass(frozen=True)
class Outcome:
    """A rule evaluated at n instants.

    values: of each expression. staying: the condition for what alerts already, where there is
    hysteresis. empty: by query, (n,), where it finds nothing: used or not, all is no data then.
    """

    rule: Rule
    instants: Instants
    values: dict[str, Values]
    staying: Values | None
    empty: dict[str, Bools]
    failed: tuple[str, str] | None = None
    """The query that the condition lacks, and what is wrong with it."""

    def results(self, i: int, loaded: Collection[Labels] = ()) -> list["Result"]:
        """Return the results at instant i; loaded: what alerts or is pending already."""
        if self.failed:
            ref, what = self.failed
            # Only where errors make instances of their own are these told apart by the query.
            refs = _of_queries(self.rule, [ref]) if self.rule.error == ERROR else frozenset()
            return [Result(self, i, refs, ERROR, error=what)]
        condition = self.values[self.rule.condition]
        if empty := sorted(ref for ref, where in self.empty.items() if where[i]):
            return [Result(self, i, _of_queries(self.rule, empty), NO_DATA)]
        if condition.no_data[i] or not condition.count[i]:
            return [Result(self, i, frozenset(), NO_DATA)]
        found = [self._result(number, i) for number in self._condition(i, loaded)]
        twice = [labels for labels, n in Counter(one.labels for one in found).items() if n > 1]
        if twice:
            what = f"duplicate results with labels {dict(twice[0])}"
            return [Result(self, i, twice[0], ERROR, error=what)]
        return found

    def _condition(self, i: int, loaded: Collection[Labels]) -> Iterator[Number]:
        for place, one in enumerate(self.values[self.rule.condition].numbers):
            if one.there[i]:
                stays = self.staying is not None and one.labels in loaded
                yield self.staying.numbers[place] if stays and self.staying else one

    def _result(self, one: Number, i: int) -> "Result":
        value = None if one.null[i] else float(one.value[i])
        state = NO_DATA if value is None else ALERTING if value != 0 else NORMAL
        return Result(self, i, one.labels, state, value)

    def fitting(self, labels: Labels, i: int) -> Numbers:
        """Return by refId what an instance is told: numbers of its labels, else of more or fewer.

        Of several, Grafana takes any.
        """
        told: Numbers = {}
        for ref, values in self.values.items():
            there = [one for one in values.numbers if one.there[i]]
            same = [one for one in there if one.labels == labels]
            chosen = same[-1:] or [o for o in there if o.labels >= labels or o.labels <= labels]
            if chosen:
                told[ref] = [None if one.null[i] else float(one.value[i]) for one in chosen]
        return told

    def eventful(self) -> Bools:
        """Return (n,): where anything but Normal may come of it, whatever was before."""
        if self.failed:
            return np.ones(len(self.instants), np.bool_)
        condition = self.values[self.rule.condition]
        found = condition.no_data | (condition.count == 0)
        for where in self.empty.values():
            found = found | where
        seen: dict[Labels, Bools] = {}
        for one in condition.numbers:
            found = found | (one.there & (one.null | (one.value != 0)))
            before = seen.get(one.labels, np.zeros_like(found))
            found |= before & one.there
            seen[one.labels] = before | one.there
        return found


@dataclass(slots=True)
class Result:
    """One instance at one instant: Normal, Alerting, NoData or Error; value: the condition's."""

    outcome: Outcome
    i: int
    labels: Labels
    state: str
    value: float | None = None
    error: str = ""

    @property
    def values(self) -> dict[str, float | None]:
        """What templates have as $values, by refId; None is null."""
        if self.state == ERROR or (self.state == NO_DATA and self.value is None):
            expressions = (node.ref for node in self.outcome.rule.nodes if node.query is None)
            return dict.fromkeys(expressions, -1.0)
        told = {ref: found[-1] for ref, found in self.outcome.fitting(self.labels, self.i).items()}
        return {**told, self.outcome.rule.condition: self.value}

    @property
    def ambiguous(self) -> set[str]:
        """The refIds of which several numbers fit: a text that names one says any of them."""
        told = self.outcome.fitting(self.labels, self.i)
        return {ref for ref, found in told.items() if len(found) > 1}


def _of_queries(rule: Rule, refs: list[str]) -> Labels:
    """Return the labels of no data and errors: the data source (a rule has one, here), queries."""
    (uid,) = {d["datasourceUid"] for d in rule.settings["data"] if d["refId"] in refs}
    return labelled({"datasource_uid": uid, "ref_id": ",".join(refs)})


def outcome(rule: Rule, source: Source, instants: Sequence[int] | Instants) -> Outcome:
    """Evaluate a rule; raises Refused for what Grafana refuses or the evaluator does not do.

    What the source cannot answer is an outcome, too.
    """
    at = np.asarray(instants, np.int64)
    nodes = ordered(rule)
    needed = _needed(rule, rule.condition)
    series: dict[str, list[Points]] = {}
    for node in nodes:
        if node.query is not None:
            try:
                series[node.ref] = source.ask(node.query, at)
            except ServiceError as error:
                if node.ref in needed:
                    return Outcome(rule, at, {}, None, {}, (node.ref, str(error)))
                series[node.ref] = []  # nothing came: that is no data, for the whole rule
    values: dict[str, Values] = {}
    many = {ref: found(answer, len(at)) for ref, answer in series.items()}
    staying = None
    for node in nodes:
        if node.kind == "resample":
            many[node.ref] = _resampled(node, many, at)
        elif node.query is None:
            came, also = _expression(node, many, values, len(at))
            if isinstance(came, Many):
                many[node.ref] = came
                continue
            values[node.ref] = came
            if also is not None and node.ref != rule.condition:
                raise Refused(f"{node.ref}: a recovery threshold only as the condition")
            staying = also or staying
    if rule.condition not in values:
        raise Refused(f"{rule.uid}: the condition has to be an expression")
    empty = {ref: nothing(found, len(at)) for ref, found in series.items()}
    return Outcome(rule, at, values, staying, empty)


def ordered(rule: Rule) -> list[Node]:
    """Return the nodes, each after those that it reads."""
    done: dict[str, Node] = {}

    def visit(node: Node, above: tuple[str, ...]) -> None:
        if node.ref in above:
            raise Refused(f"{rule.uid}: {node.ref} reads itself")
        for ref in reads(node):
            visit(rule.node(ref), (*above, node.ref))
        done.setdefault(node.ref, node)

    for node in rule.nodes:
        visit(node, ())
    return list(done.values())


def reads(node: Node) -> list[str]:
    """Return the refIds that a node reads."""
    if node.kind == "query":
        return []
    if node.kind == "math":
        return mathexp.names(node.model["expression"])
    return [str(node.model["expression"]).removeprefix("$")]


def _needed(rule: Rule, ref: str) -> set[str]:
    """Return a node and all that it needs."""
    return {ref}.union(*(_needed(rule, each) for each in reads(rule.node(ref))))


def only(rule: Rule, *refs: str) -> Rule:
    """Return a rule with these nodes and what they need alone; the first is its condition.

    Without what is there for the text: a query which finds nothing makes no data of the whole
    rule, needed or not, so all of those left out must find something at any time.
    """
    kept = set().union(*(_needed(rule, ref) for ref in refs))
    nodes = tuple(node for node in rule.nodes if node.ref in kept)
    return replace(rule, nodes=nodes, condition=refs[0])


def _resampled(node: Node, many: Mapping[str, Many], at: Instants) -> Many:
    model, (ref,) = node.model, reads(node)
    if model.get("upsampler") != "pad" or ref not in many:
        raise Refused(f"{node.ref}: a resampling of series by `pad` is all that is done here")
    step = seconds(model["window"])
    carried = (carried_on(one, at, node.reach, step) for one in many[ref].series)
    return Many(tuple(carried), many[ref].no_data)


def _expression(
    node: Node, many: Mapping[str, Many], values: dict[str, Values], n: int
) -> tuple[Values | Many, Values | None]:
    if node.kind == "reduce":
        (ref,) = reads(node)
        if ref not in many:
            return kept(node.model, values[ref]), None
        return reduce(node.model, many[ref].series, n), None
    if node.kind == "math":
        return mathexp.compute(node.model["expression"], {**many, **values}, n), None
    if node.kind == "threshold":
        (ref,) = reads(node)
        if ref not in values:
            raise Refused(f"{node.ref}: {ref} is a series: reduce it first")
        return threshold(node.model, values[ref])
    raise Refused(f"{node.ref}: {EXPRESSION} {node.kind} is not done here")
