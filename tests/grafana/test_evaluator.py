"""The evaluator of alert rules: what it says of made-up answers, and of a real InfluxDB."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from flowsleuth.errors import ServiceError
from grafana.evaluator import Points, Query, Rule, Watch, check, labelled, mathexp, outcome
from grafana.evaluator.rules import of_rule
from grafana.evaluator.source import Instants
from grafana.evaluator.values import Refused, constant

Json = dict[str, Any]
Answer = Iterable[tuple[dict[str, str], Iterable[float | None]]]

GREEN, BLUE = {"network": "Green"}, {"network": "Blue"}
TALKER = {"network": "Green", "address": "10.1.0.7"}


def query(ref: str, text: str = "$timeFilter", begin: int = 300, end: int = 0) -> Json:
    model = {"refId": ref, "rawQuery": True, "resultFormat": "time_series", "query": text}
    reach = {"from": begin, "to": end}
    return {"refId": ref, "datasourceUid": "db", "relativeTimeRange": reach, "model": model}


def expression(ref: str, kind: str, of: str, **more: object) -> Json:
    model = {"refId": ref, "type": kind, "expression": of, **more}
    return {"refId": ref, "datasourceUid": "__expr__", "model": model}


def reduced(ref: str, of: str, reducer: str = "last", mode: str = "dropNN") -> Json:
    return expression(ref, "reduce", of, reducer=reducer, settings={"mode": mode})


def threshold(of: str, above: float, below: float | None = None, ref: str = "T") -> Json:
    condition: Json = {"evaluator": {"type": "gt", "params": [above]}}
    if below is not None:
        condition["unloadEvaluator"] = {"type": "lt", "params": [below]}
    return expression(ref, "threshold", of, conditions=[condition])


def rule(*data: Json, **settings: object) -> Rule:
    whole = {"uid": "r", "title": "Rule", "condition": "T", "data": list(data)}
    group = {"name": "g", "folder": "f", "interval": "10s"}
    return of_rule({"for": "0s", "noDataState": "OK", **whole, **settings}, group)


@dataclass
class Told:
    """A source of made-up answers by query text; a text that is not there cannot be answered."""

    answers: dict[str, Answer] = field(default_factory=dict)
    piece = 1

    def ask(self, asked: Query, instants: Instants) -> list[Points]:
        if asked.text not in self.answers:
            raise ServiceError("InfluxDB is away")
        found = []
        for labels, values in self.answers[asked.text]:
            value = np.array([[np.nan if v is None else v for v in values]])
            found.append(Points(labelled(labels), value, np.ones(value.shape, bool)))
        return found


def simple(**settings: object) -> tuple[Rule, Told]:
    data = (query("A", "a"), reduced("a", "A"), threshold("a", 3, settings.pop("below", None)))  # type: ignore[arg-type]
    return rule(*data, **settings), Told()


def steps(watch: Watch, told: Told, answers: Iterable[Answer | None]) -> list[str]:
    """Evaluate once per answer (None: none can be had); return the state of the only instance."""
    states = []
    for at, answer in zip(itertools.count(0, 10), answers, strict=False):
        told.answers = {} if answer is None else {"a": answer}
        watch.evaluate(at)
        states.append("/".join(s.state for s in watch.states.values()))
    return states


def high(*values: float, labels: dict[str, str] = GREEN) -> list[Answer]:
    return [[(labels, [value])] for value in values]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("2 ** 3 ** 2", 64),
        ("-2 ** 2", 4),
        ("7 % -3", 1),
        ("!0 && 2 > 1", 1),
        ("1 / 0", np.inf),
        ("0 / 0 > 1", np.nan),
        ("1 || nan()", 1),
        ("nan() || 0", 1),
        ("0 && nan()", 0),
        ("1 && nan()", np.nan),
        ("is_nan(0 / 0) + is_inf(-1 / 0)", 2),
        ("is_null(null()) + is_number(null())", 1),
        ("is_nan(null())", np.nan),
        ("1 + null()", None),
        ("round(-2.5) + ceil(0.5) + floor(-0.5) + abs(-4)", 1),
        ("0x10 + 1e-1 * ${a b}", 16.2),
        ("log(1)", 0),
    ],
)
def test_expression_has_grafanas_value(text: str, value: float | None) -> None:
    ((_, found),) = mathexp.compute(text, {"a b": constant(2.0, 1)}, 1).at(0)
    assert found == pytest.approx(value, nan_ok=True) if value is not None else found is None


@pytest.mark.parametrize(
    "text", ["1 >-1", "1 &&!0", "sqrt(4)", "1 +", "abs()", "abs(1, 2)", "1 = 1", "($a", "$ a"]
)
def test_expression_that_grafana_refuses_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        mathexp.parse(text)


def joined(text: str, a: Answer, b: Answer) -> list[tuple[dict[str, str], float | None]]:
    data = [query("A", "a"), reduced("a", "A"), query("B", "b"), reduced("b", "B")]
    made = rule(*data, expression("M", "math", text), threshold("M", 0))
    return outcome(made, Told({"a": a, "b": b}), [0]).values["M"].at(0)


def test_equal_labels_join_and_a_number_without_partner_is_dropped() -> None:
    assert joined("$a - $b", [(GREEN, [5]), (BLUE, [1])], [(GREEN, [2])]) == [(GREEN, 3)]


def test_contained_labels_join_to_the_larger_set() -> None:
    other = TALKER | {"address": "10.1.0.8"}
    found = joined("$b / $a", [(GREEN, [5]), (BLUE, [1])], [(TALKER, [2]), (other, [1])])
    assert found == [(TALKER, 0.4), (other, 0.2)]


def test_exactly_one_against_exactly_one_joins_whatever_the_labels_and_loses_them() -> None:
    assert joined("$a - $b", [(BLUE, [5])], [(TALKER, [2])]) == [({}, 3)]
    assert joined("$a - $b", [(BLUE, [5])], [(TALKER, [2]), (GREEN, [1])]) == []


def test_same_number_of_other_labels_does_not_join() -> None:
    assert joined("$a - $b", [(GREEN, [5]), (TALKER, [1])], [(BLUE, [2])]) == []


def test_null_joins_to_null() -> None:
    assert joined("$a - $b", [(GREEN, [None])], [(GREEN, [2])]) == [(GREEN, None)]


def states_of(made: Rule, told: Told) -> list[tuple[dict[str, str], str]]:
    return [(dict(r.labels), r.state) for r in outcome(made, told, [0]).results(0)]


def test_empty_query_makes_no_data_of_the_whole_rule_even_if_nothing_reads_it() -> None:
    made = rule(query("A", "a"), reduced("a", "A"), query("H", "h"), threshold("a", 3))
    told = Told({"a": [(GREEN, [9])], "h": []})
    assert states_of(made, told) == [({"datasource_uid": "db", "ref_id": "H"}, "NoData")]


def test_join_that_finds_nothing_is_no_data_without_labels() -> None:
    data = [query("A", "a"), reduced("a", "A"), query("B", "b"), reduced("b", "B")]
    made = rule(*data, expression("M", "math", "$a - $b"), threshold("M", 0))
    told = Told({"a": [(GREEN, [9]), (TALKER, [9])], "b": [(BLUE, [1])]})
    assert states_of(made, told) == [({}, "NoData")]


def test_two_results_of_the_same_labels_are_an_error() -> None:
    made, told = simple()
    told.answers = {"a": [(GREEN, [9]), (GREEN, [1])]}
    assert states_of(made, told) == [(GREEN, "Error")]


def test_null_is_no_data_of_its_instance_alone() -> None:
    made, told = simple()
    told.answers = {"a": [(GREEN, [None]), (BLUE, [9])]}
    assert states_of(made, told) == [(GREEN, "NoData"), (BLUE, "Alerting")]


def test_query_that_fails_is_an_error_where_the_condition_needs_it() -> None:
    made = rule(query("A", "a"), reduced("a", "A"), query("H", "h"), threshold("a", 3))
    for there, state in (("h", "Error"), ("a", "NoData")):
        (found,) = outcome(made, Told({there: [(GREEN, [9])]}), [0]).results(0)
        assert found.state == state


@pytest.mark.parametrize(
    ("reducer", "mode", "value"),
    [
        ("last", "dropNN", 4),
        ("last", "", None),
        ("mean", "dropNN", 3),
        ("mean", "", np.nan),
        ("sum", "dropNN", 6),
        ("count", "dropNN", 2),
        ("count", "", 3),
        ("max", "dropNN", 4),
        ("min", "dropNN", 2),
        ("min", "", np.nan),
        ("median", "dropNN", 3),
    ],
)
def test_reducers_see_null_as_their_mode_says(reducer: str, mode: str, value: float | None) -> None:
    made = rule(query("A", "a"), reduced("a", "A", reducer, mode), threshold("a", 3))
    ((_, found),) = outcome(made, Told({"a": [(GREEN, [2, 4, None])]}), [0]).values["a"].at(0)
    assert found == pytest.approx(value, nan_ok=True) if value is not None else found is None


def test_nulls_are_replaced_where_the_mode_says_so() -> None:
    node = reduced("a", "A", "sum", "replaceNN")
    node["model"]["settings"]["replaceWithValue"] = 10
    made = rule(query("A", "a"), node, threshold("a", 3))
    assert outcome(made, Told({"a": [(GREEN, [2, None])]}), [0]).values["a"].at(0) == [(GREEN, 12)]


def test_reducing_nothing_but_nulls_gives_null_but_a_count_and_a_sum_of_zero() -> None:
    for reducer, value in (("max", None), ("median", None), ("sum", 0), ("count", 0)):
        made = rule(query("A", "a"), reduced("a", "A", reducer), threshold("a", 3))
        found = outcome(made, Told({"a": [(GREEN, [None])]}), [0]).values["a"].at(0)
        assert found == [(GREEN, value)]


def test_alert_waits_for_its_time_and_starts_anew_after_a_break() -> None:
    made, told = simple(**{"for": "20s"})
    seen = steps(Watch(made, told), told, [*high(9, 9, 1, 9, 9, 9, 9, 1)])
    assert seen == [
        "Pending", "Pending", "Normal", "Pending", "Pending", "Alerting", "Alerting", "Normal",
    ]  # fmt: skip


def test_alert_comes_back_only_below_its_recovery_threshold() -> None:
    made, told = simple(below=2)
    seen = steps(Watch(made, told), told, high(2.5, 4, 2.5, 2, 1.9, 2.5))
    assert seen == ["Normal", "Alerting", "Alerting", "Alerting", "Normal", "Normal"]


def test_recovery_threshold_holds_while_pending_too() -> None:
    made, told = simple(below=2, **{"for": "20s"})
    seen = steps(Watch(made, told), told, high(4, 2.5, 2.5, 1))
    assert seen == ["Pending", "Pending", "Alerting", "Normal"]


def test_alert_goes_on_for_keep_firing_for() -> None:
    made, told = simple(keepFiringFor="20s")
    seen = steps(Watch(made, told), told, high(4, 1, 1, 4, 1, 1, 1))
    assert seen == [
        "Alerting", "Recovering", "Recovering", "Alerting", "Recovering", "Recovering", "Normal",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("no_data", "states"),
    [
        ("OK", ["Alerting", "Normal", "Normal", "Pending"]),
        ("KeepLast", ["Alerting", "Alerting", "Alerting", "Alerting"]),
        ("Alerting", ["Alerting", "Alerting", "Alerting", "Alerting"]),
    ],
)
def test_no_data_is_of_all_instances_as_the_rule_says(no_data: str, states: list[str]) -> None:
    made, told = simple(noDataState=no_data, **{"for": "10s"})
    seen = steps(Watch(made, told), told, [*high(4, 4), [], [], *high(4)])
    assert seen == ["Pending", *states]


def test_no_data_of_its_own_is_an_instance_and_the_others_are_missing() -> None:
    made, told = simple(noDataState="NoData")
    watch = Watch(made, told)
    steps(watch, told, [*high(4), []])
    assert [one.state for one in watch.states.values()] == ["Alerting", "NoData"]
    (gone,) = watch.evaluate(20)
    assert (gone.before, gone.reason) == ("Alerting", "MissingSeries")
    assert [one.state for one in watch.states.values()] == ["NoData"]


@pytest.mark.parametrize(
    ("error", "states"),
    [
        ("KeepLast", ["Alerting", "Alerting", "Alerting"]),
        ("OK", ["Alerting", "Normal", "Alerting"]),
        ("Alerting", ["Alerting", "Alerting", "Alerting"]),
    ],
)
def test_error_is_of_all_instances_as_the_rule_says(error: str, states: list[str]) -> None:
    made, told = simple(execErrState=error)
    assert steps(Watch(made, told), told, [*high(4), None, *high(4)]) == states


def test_instance_that_comes_no_more_is_resolved_at_its_second_missing_evaluation() -> None:
    made, told = simple()
    watch = Watch(made, told)
    steps(watch, told, high(4))
    told.answers = {"a": [(BLUE, [1])]}
    assert watch.evaluate(10) == []
    (gone,) = watch.evaluate(20)
    assert (gone.before, gone.after, gone.reason) == ("Alerting", "Normal", "MissingSeries")
    assert gone.resolved
    assert "Green" not in {one.labels["network"] for one in watch.states.values()}


def test_instance_says_its_labels_values_and_what_its_texts_lack() -> None:
    texts = {"summary": "{{ $labels.network }}: {{ $values.a.Value }} {{ if $values.h }}x{{ end }}"}
    made, told = simple(annotations=texts, labels={"severity": "warning"})
    told.answers = {"a": [(GREEN, [4])]}
    (fired,) = Watch(made, told).evaluate(0)
    assert fired.fired
    named = {"alertname": "Rule", "grafana_folder": "f", "severity": "warning"}
    assert fired.labels == GREEN | named
    assert fired.instance.values == {"a": 4, "T": 1}
    assert fired.instance.lacks == {"values.h"}
    assert fired.text("summary") == "Green: 4 {{ if $values.h }}x{{ end }}"


def test_value_of_which_several_fit_is_told() -> None:
    made = rule(
        query("A", "a"), reduced("a", "A"), query("H", "h"), reduced("h", "H"), threshold("a", 3)
    )
    told = Told({"a": [(GREEN, [9])], "h": [(TALKER, [1]), (TALKER | {"address": "x"}, [2])]})
    (found,) = outcome(made, told, [0]).results(0)
    assert found.ambiguous == {"h"}


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (rule(query("A"), reduced("a", "A"), threshold("a", 3)), ""),
        (rule(query("A"), reduced("a", "B"), threshold("a", 3)), "no node B"),
        (rule(query("A"), reduced("a", "A"), threshold("T", 3)), "reads itself"),
        (rule(query("A"), reduced("T", "A")), "fires on NaN"),
        (rule(query("A", "x $__from"), reduced("a", "A"), threshold("a", 3)), "$timeFilter"),
        (rule(query("A", "$timeFilter $x"), reduced("a", "A"), threshold("a", 3)), "$x is not"),
        (rule(query("A", begin=0), reduced("a", "A"), threshold("a", 3)), "range is empty"),
        (rule(query("A"), query("B"), reduced("a", "A"), threshold("a", 3)), "B is not used"),
    ],
)
def test_check_names_what_is_wrong(made: Rule, fault: str) -> None:
    found = check(made)
    assert bool(found) is bool(fault)
    assert not fault or fault in found[0]


@pytest.mark.parametrize(
    "data",
    [
        [query("A", "a"), threshold("A", 3)],
        [query("A", "a"), expression("T", "math", "$A > 3")],
        [query("A", "a"), reduced("a", "A", "first"), threshold("a", 3)],
        [query("A", "a"), reduced("a", "A", mode="dropped"), threshold("a", 3)],
        [query("A", "a"), expression("T", "resample", "A")],
        [query("A", "a"), reduced("T", "A"), threshold("T", 3, 2, ref="U")],
    ],
)
def test_what_the_evaluator_does_not_do_is_refused(data: list[Json]) -> None:
    with pytest.raises(Refused):
        outcome(rule(*data), Told({"a": [(GREEN, [9])]}), [0])
