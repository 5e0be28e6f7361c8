"""Evaluates Grafana's alert rules on data time, without a Grafana.

    from grafana.evaluator import Influx, Watch, read_rules

    rules = read_rules(Path("provisioning/alerting"))      # by uid, as file provisioning reads them
    with Influx(config.influx) as source:                  # a real InfluxDB, asked as Grafana asks
        watch = Watch(rules["fs-above-fast"], source)
        for at in range(begin, end, watch.rule.interval_s):    # epoch seconds
            for change in watch.evaluate(at):              # what became of which instance
                print(change.at, change.before, change.after, change.reason, change.labels)
        watch.firing                                       # the instances that alert now

`evaluate` gives the changes of state alone; `watch.states` has all instances by their labels with
`state` (Normal, Pending, Alerting, Recovering, NoData, Error), `reason`, `since`, `values` (by
refId, as a template's `$values` has them) and `lacks`: the labels and values which an annotation
names and this instance does not have. `change.text("summary")` is an annotation with its plain
`{{ $labels.x }}` and `{{ $values.X.Value }}` filled in; what else is in Go's template language,
only Grafana renders. `check(rule)` says what Grafana would refuse or do otherwise than meant.

One evaluation without states: `outcome(rule, source, [at]).results(0)`; each result has `labels`,
`state` (Normal, Alerting, NoData, Error), `values` and, of an error, `error`. All numbers of all
nodes: `outcome(...).values["refId"].at(0)`, a list of (labels, number or None).

Many instants are evaluated at once: a source gets an array of instants, and each number is an
array over them. `Watch.run(instants)` does so in pieces, for sources which answer so (bench/ has
one over arrays); with InfluxDB it is a loop.

Semantics are those of Grafana 12.4, from ../shared/grafana.md's findings, its documentation and its
public source (facts only), and compared with a real Grafana by test_evaluator_on_influxdb.py where
there is one; `real` asks it. What is left out is refused, not guessed: resampling other than by
`pad`, classic conditions, SQL.
"""

from grafana.evaluator.checks import check
from grafana.evaluator.influx import Influx
from grafana.evaluator.outcome import Outcome, Result, only, outcome
from grafana.evaluator.rules import Node, Rule, read_rules
from grafana.evaluator.source import Points, Query, Source
from grafana.evaluator.states import Change, Instance, Watch
from grafana.evaluator.values import Labels, Number, Values, labelled

__all__ = [
    "Change",
    "Influx",
    "Instance",
    "Labels",
    "Node",
    "Number",
    "Outcome",
    "Points",
    "Query",
    "Result",
    "Rule",
    "Source",
    "Values",
    "Watch",
    "check",
    "labelled",
    "only",
    "outcome",
    "read_rules",
]
