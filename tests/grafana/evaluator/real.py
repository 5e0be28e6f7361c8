"""A real Grafana asked for the same: a rule's numbers at an instant, and its changes over a time.

Grafana evaluates at any time that it is told (`/api/v1/eval`), and follows a rule over a past one
(`/api/v1/rule/backtest`, with the feature toggle `alertingBacktesting`; at most 100 evaluations).
Neither has the memory that hysteresis needs: for that, `installed` has it evaluate by its clock.
Rules must name a data source that it has: `with_source(rule, uid)`.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from local_grafana import GrafanaService

from grafana.evaluator.rules import EXPRESSION, Rule, of_rule
from grafana.evaluator.values import Labels

Json = dict[str, Any]
Numbers = list[tuple[dict[str, str], float | None]]

Changed = tuple[int, str, str, str, dict[str, str]]
"""Epoch seconds, state before and after, the reason for it, labels."""

UNUSUAL = {"NaN": float("nan"), "Inf": float("inf"), "NegInf": float("-inf")}


class NotThere(Exception):
    """This Grafana does not answer such a question."""


def with_source(rule: Rule, uid: str) -> Rule:
    """Return the rule with its queries asked of the data source `uid`."""
    data = [
        one if one["datasourceUid"] == EXPRESSION else {**one, "datasourceUid": uid}
        for one in rule.settings["data"]
    ]
    group = {"name": rule.group, "folder": rule.folder, "interval": rule.interval_s}
    return of_rule({**rule.settings, "data": data}, group)


def values(service: GrafanaService, rule: Rule, at: int) -> dict[str, Numbers]:
    """Return the numbers of each expression at an instant."""
    body = {"condition": rule.condition, "data": rule.settings["data"], "now": _iso(at)}
    _, said = service.ask("/api/v1/eval", body)
    if "results" not in said:
        raise ValueError(said)
    expressions = {node.ref for node in rule.nodes if node.query is None}
    return {
        ref: list(_numbers(answer.get("frames") or []))
        for ref, answer in said["results"].items()
        if ref in expressions
    }


def _numbers(frames: list[Json]) -> Iterator[tuple[dict[str, str], float | None]]:
    for frame in frames:
        if len(frame["schema"].get("fields", ())) > 1:
            continue  # a series, with its times
        for field, column, odd in zip(
            frame["schema"].get("fields", ()),
            frame["data"]["values"],
            frame["data"].get("entities") or [None] * len(frame["data"]["values"]),
            strict=True,
        ):
            value = column[0] if column else None
            for name, number in UNUSUAL.items():
                if odd and 0 in odd.get(name, ()):
                    value = number
            yield field.get("labels") or {}, value


def changes(service: GrafanaService, rule: Rule, begin: int, end: int) -> list[Changed]:
    """Return what changed, without what is Normal for another reason; raises NotThere."""
    body = {
        "from": _iso(begin),
        "to": _iso(end),
        "interval": f"{rule.interval_s}s",
        "for": f"{rule.for_s}s",
        "keep_firing_for": f"{rule.keep_s}s",
        "condition": rule.condition,
        "data": rule.settings["data"],
        "title": rule.title,
        "no_data_state": rule.no_data,
        "exec_err_state": rule.error,
        "missing_series_evals_to_resolve": rule.missing,
    }
    status, said = service.ask("/api/v1/rule/backtest", body)
    if status == 404:
        raise NotThere(said.get("message"))
    if "schema" not in said:
        raise ValueError(said)
    names = [field["name"] for field in said["schema"]["fields"]]
    columns = dict(zip(names, said["data"]["values"], strict=True))
    found = [
        (at // 1000, *_change(line))
        for at, line in zip(columns["time"], columns["line"], strict=True)
    ]
    return [one for one in found if not one[1] == one[2] == "Normal"]


def _change(line: Json | str) -> tuple[str, str, str, dict[str, str]]:
    entry = json.loads(line) if isinstance(line, str) else line
    before, _, _ = entry["previous"].partition(" (")
    after, _, reason = entry["current"].rstrip(")").partition(" (")
    return before, after, reason, entry["labels"]


@contextmanager
def installed(service: GrafanaService, rule: Rule) -> Iterator[Callable[[], set[Labels]]]:
    """Have Grafana evaluate a rule by its clock; yield what tells the labels of what alerts."""
    uid = f"test-{secrets.token_hex(5)}"
    body = {
        **rule.settings,
        "uid": uid,
        "for": f"{rule.for_s}s",
        "noDataState": rule.no_data,
        "execErrState": rule.error,
        "ruleGroup": uid,
        "folderUID": uid,
        "orgID": 1,
    }
    group = {"title": uid, "folderUid": uid, "interval": rule.interval_s, "rules": [body]}

    def alerting() -> set[Labels]:
        _, said = service.ask(f"/api/prometheus/grafana/api/v1/rules?folder_uid={uid}")
        groups = said["data"]["groups"]
        alerts = [a for g in groups for r in g["rules"] for a in r.get("alerts") or ()]
        hidden = {"alertname", "grafana_folder"}
        return {
            frozenset(pair for pair in alert["labels"].items() if pair[0] not in hidden)
            for alert in alerts
            if alert["state"].startswith("Alerting")
        }

    with service.client() as api:
        api.folder.create_folder(uid, uid)
        try:
            api.client.PUT(f"/v1/provisioning/folder/{uid}/rule-groups/{uid}", json=group)
            yield alerting
        finally:
            api.client.DELETE(f"/folders/{uid}?forceDeleteRules=true")


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
