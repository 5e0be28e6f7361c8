"""Alert rules as Grafana's file provisioning has them (its API's names are understood, too)."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from grafana.evaluator.source import Query
from grafana.evaluator.values import Refused

Json = dict[str, Any]

EXPRESSION = "__expr__"

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}


@dataclass(frozen=True)
class Node:
    """A query or an expression of a rule: what `model` has, of a query its text and range too.

    reach: from how many seconds ago until when; of expressions, resampling alone needs it.
    """

    ref: str
    model: Json
    query: Query | None = None
    reach: tuple[int, int] = (0, 0)

    @property
    def kind(self) -> str:
        """'query', or the expression's type: reduce, math, threshold, …"""
        return "query" if self.query else str(self.model.get("type"))


@dataclass(frozen=True)
class Rule:
    """A rule of a group; times in seconds."""

    uid: str
    title: str
    group: str
    folder: str
    interval_s: int
    condition: str
    nodes: tuple[Node, ...]
    for_s: int = 0
    keep_s: int = 0
    no_data: str = "NoData"
    error: str = "Error"
    missing: int = 2
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    settings: Json = field(default_factory=dict)
    """All of it, as it was read."""

    def node(self, ref: str) -> Node:
        for one in self.nodes:
            if one.ref == ref:
                return one
        raise Refused(f"{self.uid}: there is no node {ref}")


def read_rules(place: Path) -> dict[str, Rule]:
    """Return the rules of a file, or of all files of a folder, by uid."""
    files = sorted(place.glob("*.y*ml")) if place.is_dir() else [place]
    return {rule.uid: rule for file in files for rule in of_file(yaml.safe_load(file.read_text()))}


def of_file(read: Json) -> Iterator[Rule]:
    for group in read.get("groups") or ():
        for settings in group["rules"]:
            yield of_rule(settings, group)


def of_rule(settings: Json, group: Json) -> Rule:
    """Return the rule of its own settings and its group's."""

    def get(*names: str, default: Any = None) -> Any:
        return next((settings[name] for name in names if name in settings), default)

    return Rule(
        uid=settings["uid"],
        title=settings["title"],
        group=group["name"],
        folder=str(group.get("folder", "")),
        interval_s=seconds(group["interval"]),
        condition=settings["condition"],
        nodes=tuple(_node(one) for one in settings["data"]),
        for_s=seconds(get("for", default=0)),
        keep_s=seconds(get("keepFiringFor", "keep_firing_for", default=0)),
        no_data=get("noDataState", "no_data_state", default="NoData"),
        error=get("execErrState", "exec_err_state", default="Error"),
        missing=get("missing_series_evals_to_resolve", "missingSeriesEvalsToResolve", default=2),
        labels={k: str(v) for k, v in (settings.get("labels") or {}).items()},
        annotations={k: str(v) for k, v in (settings.get("annotations") or {}).items()},
        settings=settings,
    )


def _node(data: Json) -> Node:
    model = data["model"]
    reach = data.get("relativeTimeRange") or {"from": 0, "to": 0}
    if data["datasourceUid"] == EXPRESSION:
        return Node(data["refId"], model, reach=(int(reach["from"]), int(reach["to"])))
    text = model.get("query", "")
    if not model.get("rawQuery") or model.get("resultFormat") != "time_series" or ";" in text:
        raise Refused(f"{data['refId']}: one raw query with time_series as its result, please")
    interval = int(model.get("intervalMs") or 1000)
    return Node(data["refId"], model, Query(text, int(reach["from"]), int(reach["to"]), interval))


def seconds(text: object) -> int:
    """Return a duration such as 1h30m, or a number of seconds, in seconds."""
    if isinstance(text, int | float):
        return int(text)
    parts = re.findall(r"(\d+)(ms|[smhdwy])", str(text))
    if not parts or "".join(a + b for a, b in parts) != str(text):
        raise Refused(f"{json.dumps(text)} is no duration")
    return int(sum(int(number) * UNITS[unit] for number, unit in parts))
