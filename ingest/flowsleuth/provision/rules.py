"""Alert rules: from the shipped files' names of things to the API's, and back into groups.

A group is written as a whole, so it cannot be half there. Rules that somebody else put into one of
our groups are sent along as they are.
"""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from flowsleuth.provision.connection import Grafana, Json, quoted
from flowsleuth.provision.items import Found, Item, Kind
from flowsleuth.provision.stamps import NAME, Stamp, digest, read

STAMP = f"__{NAME}__"
"""The annotation that carries the stamp: Grafana shows names with such edges in no message."""

INTERVAL = "interval"
"""What the stamp of a rule also says of its group."""

FILE_TO_API = {
    "keepFiringFor": "keep_firing_for",
    "missing_series_evals_to_resolve": "missingSeriesEvalsToResolve",
}
"""What the API calls otherwise than the files."""

DURATIONS = ("for", "keep_firing_for", "group_wait", "group_interval", "repeat_interval")

PLAIN = (
    "title",
    "condition",
    "noDataState",
    "execErrState",
    "isPaused",
    "for",
    "keep_firing_for",
    "missingSeriesEvalsToResolve",
    "folderUID",
    "ruleGroup",
)
"""What is compared as it is; labels, annotations, queries and notification settings one by one."""

QUERY_DEFAULTS: Json = {"intervalMs": 1000, "maxDataPoints": 43200}
"""What Grafana writes into each query that lacks it."""

_UNITS = {"y": 31_536_000, "w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
_QUANTITY = re.compile(r"(\d+)(ms|[ywdhms])")
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")


def seconds(text: str | int) -> float:
    """Return a duration as Prometheus writes it: 90s, 1m30s, 1d."""
    if isinstance(text, int):
        return text
    return sum(int(number) * _UNITS[unit] for number, unit in _QUANTITY.findall(text))


def from_file(rule: Json, folder: str, group: str) -> Json:
    """Return a rule of a file as the API takes it.

    In files Grafana replaces $VARIABLES of its environment in titles and labels, and reads $$ as $.
    """
    body = {FILE_TO_API.get(key, key): value for key, value in rule.items()}
    notes = dict(body.get("annotations") or {})
    for key, note in (("dashboardUid", "__dashboardUid__"), ("panelId", "__panelId__")):
        if (value := body.pop(key, None)) is not None:
            notes[note] = str(value)
    labels = {key: expanded(str(value)) for key, value in (body.get("labels") or {}).items()}
    data = [{**query, "model": {**QUERY_DEFAULTS, **query["model"]}} for query in body["data"]]
    placed = {"folderUID": folder, "ruleGroup": group, "title": expanded(body["title"])}
    return {**body, **placed, "annotations": notes, "labels": labels, "data": data}


def expanded(text: str) -> str:
    """Return a file's text as Grafana reads it: variables replaced, $$ as $."""
    return _VARIABLE.sub(
        lambda found: "$" if found[0] == "$$" else os.environ.get(found[1] or found[2], ""), text
    )


def asking(body: Json, uid: str, shipped: str) -> Json:
    """Return a rule that asks the data source `uid` where it asks the shipped one."""
    return {
        **body,
        "data": [
            {**query, "datasourceUid": uid} if query["datasourceUid"] == shipped else query
            for query in body["data"]
        ],
    }


def item(body: Json) -> Item:
    """Return the rule that is wanted; body as the API takes it."""
    return Item(Kind.RULE, body["uid"], body["title"], parts(body), body)


def group_item(folder: str, name: str, interval: str) -> Item:
    """Return the group that is wanted: how often its rules are evaluated."""
    every = seconds(interval)
    return Item(
        Kind.GROUP, f"{folder}/{name}", name, {INTERVAL: every}, {"folder": folder, "name": name}
    )


def parts(body: Json) -> dict[str, Any]:
    """Return what is compared of a rule as the API has it."""
    found = {key: body[key] for key in PLAIN if body.get(key) not in (None, "")}
    found.update({f"label {key}": value for key, value in (body.get("labels") or {}).items()})
    notes = body.get("annotations") or {}
    found.update({f"annotation {key}": text for key, text in notes.items() if key != STAMP})
    found.update({f"query {query['refId']}": query for query in body["data"]})
    told = body.get("notification_settings") or {}
    found.update({f"notification {key}": value for key, value in told.items() if value})
    timed = {
        key: seconds(value) if key.removeprefix("notification ") in DURATIONS else value
        for key, value in found.items()
    }
    return {key: value for key, value in timed.items() if key != "keep_firing_for" or value}


def found(every: Iterable[Json]) -> list[Found]:
    """Return the rules of all that there are (the API's list) which carry a stamp."""
    return [one for body in every if (one := _found(body)).stamp]


def under(every: Iterable[Json], uids: Iterable[str]) -> list[Found]:
    """Return those which have one of these uids, whosever they are."""
    wanted = set(uids)
    return [_found(body) for body in every if body["uid"] in wanted]


def _found(body: Json) -> Found:
    uid = body["uid"]
    stamp = read((body.get("annotations") or {}).get(STAMP), uid)
    if stamp:
        own = {name: value for name, value in stamp.parts.items() if name != INTERVAL}
        stamp = Stamp(uid, own)
    kept = body.get("provenance") or ""
    keeper = {"": "", "file": "file provisioning"}.get(kept, f"provisioning ({kept})")
    return Found(Kind.RULE, uid, body["title"], parts(body), body, stamp, keeper)


def found_groups(grafana: Grafana, wanted: Iterable[Item], every: Iterable[Json]) -> list[Found]:
    """Return the wanted groups that are there, with their rules in `body`.

    What their interval was when we left it, the stamp of any of our rules in them says.
    """
    there = []
    listed = {(rule["folderUID"], rule["ruleGroup"]) for rule in every}
    for one in wanted:
        folder, name = one.body["folder"], one.body["name"]
        if (folder, name) not in listed:
            continue
        path = f"/v1/provisioning/folder/{quoted(folder)}/rule-groups/{quoted(name)}"
        body = grafana.get(path)
        stamps = (
            read((rule.get("annotations") or {}).get(STAMP), rule["uid"])
            for rule in body.get("rules") or []
        )
        left = {stamp.parts[INTERVAL] for stamp in stamps if stamp and INTERVAL in stamp.parts}
        stamp = Stamp(one.uid, {INTERVAL: left.pop()}) if len(left) == 1 else None
        now = {INTERVAL: body["interval"]}
        there.append(Found(Kind.GROUP, one.uid, name, now, body, stamp))
    return there


def write_group(
    grafana: Grafana, group: Item, interval: float, ours: Mapping[str, Json], there: Found | None
) -> None:
    """Write a group as a whole: our rules by uid, and after them who else is in it."""
    folder, name = group.body["folder"], group.body["name"]
    inside = (there.body.get("rules") or []) if there else []
    others = [rule for rule in inside if rule["uid"] not in ours]
    body = {
        "title": name,
        "folderUid": folder,
        "interval": round(interval),
        "rules": [*ours.values(), *others],
    }
    path = f"/v1/provisioning/folder/{quoted(folder)}/rule-groups/{quoted(name)}"
    grafana.send("PUT", path, body)


def stamped(wanted: Item, interval: float) -> Json:
    """Return a rule as it is sent."""
    stamp = Stamp(wanted.uid, {**wanted.stamp.parts, INTERVAL: digest(interval)})
    notes = {**wanted.body["annotations"], STAMP: stamp.text()}
    return {**wanted.body, "annotations": notes}


def remove(grafana: Grafana, there: Found) -> bool:
    """Delete a rule; a group without rules is gone by itself."""
    grafana.send("DELETE", f"/v1/provisioning/alert-rules/{quoted(there.uid)}")
    return True
