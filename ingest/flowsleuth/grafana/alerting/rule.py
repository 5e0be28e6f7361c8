"""A rule as a value, and the one pass that stamps on all of them what they share.

Every rule computes one number for each series, its verdict: 2 begins an alert, 0 ends it, and 1
leaves things as they are. So what begins an alert can be strict and what ends it slow, whatever
they are made of, and one threshold with two edges serves all rules. (Grafana also takes what waits
for `for` as begun: an alert that must last says so in its verdict, not in `for`.)

Folder, data source, what happens without data or without an answer, links and the runbook are
nobody's to write by hand: `finished` puts them on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowsleuth.grafana.alerting.constants import Constants, Span
from flowsleuth.grafana.expressions import math
from flowsleuth.grafana.links import UIDS
from flowsleuth.grafana.panels import Json, Target

FOLDER = "FlowSleuth alerts"
"""Not the dashboards' folder: Grafana would make a second one of the same title."""

DATASOURCE_UID = "flowsleuth"

BEGINS, STAYS, ENDS = 2, 1, 0
"""Verdicts."""

VERDICT, FIRES = "Verdict", "Fires"
"""References: of each rule's number, and of the threshold on it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A query of InfluxDB; the text may have `$timeFilter`, which stands for the span."""

    ref: str
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class CarriedOn:
    """An expression: a series in steps of `every`, each of which has the last value before it.

    span: where the steps are; they end with it, so their number tells how old the value is.
    """

    ref: str
    of: str
    every: str
    span: Span

    def target(self) -> Json:
        """Return it as Grafana's JSON has it."""
        return {
            "refId": self.ref,
            "type": "resample",
            "expression": self.of,
            "window": self.every,
            "downsampler": "last",
            "upsampler": "pad",
        }


@dataclass(frozen=True, slots=True)
class Severity:
    """How urgent: its name, and whether it notifies anybody."""

    name: str
    notifies: bool = True


CRITICAL, WARNING = Severity("critical"), Severity("warning")
INFO = Severity("info", notifies=False)
"""For the wall: it shows, and nobody's phone rings."""

REMEMBERED = Span(seconds=14 * 86_400, until=6 * 3600)
"""Where earlier occurrences are looked for: not in the last hours, which a message is about."""

NO_SPAN = Span()


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert rule.

    name: the uid is made of it. alert: the alert's name and its heading in the runbook; rules that
    tell the same in different ways share it. form: what tells such rules apart. every, waits:
    seconds between evaluations, and until an alert that stays fires. began, ended: how long before
    it fires what it tells began, and before it is over that ended; in seconds. grouped: labels;
    alerts which have the same values of them are one message. again: hours until what goes on is
    told again. board: of the link.
    """

    name: str
    alert: str
    form: str
    severity: Severity
    every: int
    nodes: Sequence[Ask | Target]
    annotations: Mapping[str, str]
    board: str = "hunt"
    waits: int = 0
    began: int = 300
    ended: int = 120
    grouped: Sequence[str] = ()
    again: int = 24
    labels: Mapping[str, str] = field(default_factory=dict)
    no_data: str = "OK"
    on_error: str = "KeepLast"

    @property
    def uid(self) -> str:
        """Grafana's identifier of the rule."""
        return f"flowsleuth-{self.name}"

    @property
    def title(self) -> str:
        """The title, which no other rule of the folder has."""
        return f"{self.alert}: {self.form}" if self.form else self.alert

    @property
    def anchor(self) -> str:
        """Its heading in the runbook, as a link has it."""
        return self.alert.lower().replace(" ", "-")


def verdict(begins: str, stays: str) -> Target:
    """Return the verdict of two conditions, each 1 or 0."""
    return math(VERDICT, f"({stays}) * {STAYS} + ({begins}) * ({BEGINS} - ({stays}) * {STAYS})")


def finished(rule: Rule, constants: Constants, runbook: str = "") -> Json:
    """Return the rule as Grafana's files have it, without its receiver.

    runbook: the URL of docs/runbook.md, where somebody has published it.
    """
    return {
        "uid": rule.uid,
        "title": rule.title,
        "condition": FIRES,
        "data": [*(_node(node, constants) for node in rule.nodes), _threshold()],
        "noDataState": rule.no_data,
        "execErrState": rule.on_error,
        "for": f"{rule.waits}s",
        "annotations": {
            "summary": "",
            **rule.annotations,
            "alert": rule.alert,
            "began": str(rule.began),
            "ended": str(rule.ended),
            "link": _link(rule.board),
            # Grafana marks that panel's graph, and its own templates link to it. Not the files' own
            # keys for it: those set no link in messages.
            "__dashboardUid__": UIDS[rule.board],
            "__panelId__": "1",
            **({"runbook_url": f"{runbook}#{rule.anchor}"} if runbook else {}),
        },
        "labels": {"severity": rule.severity.name, **rule.labels},
        "isPaused": False,
    }


LABELS_OF = {
    "hunt": ("network", "direction", "protocol", "address", "port"),
    "host": ("network", "address"),
    "network": ("network",),
    "networks": (),
    "exporters": ("exporter",),
}
"""Labels that a board has a variable for, which a link sets."""


def _link(board: str) -> str:
    """Return the link to a board, with what the alert is about chosen there.

    Templates put the alert's own window for its last part.
    """
    chosen = "".join(
        f"{{{{ with $labels.{label} }}}}var-{label}={{{{ urlquery . }}}}&{{{{ end }}}}"
        for label in LABELS_OF[board]
    )
    return f"{{{{ externalURL }}}}d/{UIDS[board]}?{chosen}from=now-3h&to=now"


def settings(rule: Rule, receiver: str, mute: Sequence[str] = ()) -> Json:
    """Return `notification_settings`: this receiver, and which alerts share a message."""
    return {
        "receiver": receiver,
        "group_by": ["grafana_folder", "alertname", *rule.grouped],
        "group_wait": "10s",
        "group_interval": "1m",
        "repeat_interval": f"{rule.again}h",
        **({"mute_time_intervals": list(mute)} if mute else {}),
    }


def _node(node: Ask | Target, constants: Constants) -> Json:
    if isinstance(node, Ask):
        model: Json = {
            "refId": node.ref,
            "rawQuery": True,
            "resultFormat": "time_series",
            "query": constants.fill(node.text),
        }
        return _datum(node.ref, node.span.json(constants), DATASOURCE_UID, model)
    target = node.target()
    span = node.span if isinstance(node, CarriedOn) else NO_SPAN
    model = {key: value for key, value in target.items() if key not in {"datasource", "hide"}}
    model["expression"] = constants.fill(model["expression"])
    return _datum(target["refId"], span.json(constants), "__expr__", model)


def _datum(ref: str, span: Json, source: str, model: Json) -> Json:
    return {"refId": ref, "relativeTimeRange": span, "datasourceUid": source, "model": model}


def _threshold() -> Json:
    """Return what fires: it begins at 2 and ends at 0."""
    condition: dict[str, Any] = {
        "evaluator": {"type": "gt", "params": [(BEGINS + STAYS) / 2]},
        "unloadEvaluator": {"type": "lt", "params": [(STAYS + ENDS) / 2]},
    }
    model = {
        "refId": FIRES,
        "type": "threshold",
        "expression": VERDICT,
        "conditions": [condition],
    }
    return _datum(FIRES, {"from": 0, "to": 0}, "__expr__", model)
