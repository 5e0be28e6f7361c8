"""Writes `provisioning/alerting/`: run `python -m flowsleuth.grafana.alerting.write DIR`.

As shipped, rules have no receiver: the notification policies of the Grafana that reads the files
choose, for a receiver that is not there would stop it from starting. Only what is for the wall has
one, which tells nobody. `documents` gives the same with a receiver for all.
"""

import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from flowsleuth.grafana import contacts
from flowsleuth.grafana.alerting import messages
from flowsleuth.grafana.alerting.constants import Constants
from flowsleuth.grafana.alerting.rule import FOLDER, Rule, finished, settings
from flowsleuth.grafana.alerting.rules import rules
from flowsleuth.grafana.panels import Json

HEAD = "# Written by `python -m flowsleuth.grafana.alerting.write`; do not edit it here.\n"

RULES, TEMPLATES, WALL = (f"flowsleuth-{name}.yaml" for name in ("rules", "templates", "wall"))

CONTACT_POINTS = "contact-points"
"""The folder of those that are copied one folder up, where Grafana reads them."""

GROUP = "flowsleuth"
"""The name of the group of templates."""


def documents(
    constants: Constants | None = None,
    receiver: str = "",
    services: Mapping[tuple[int, int], str] | None = None,
    hosts: Mapping[str, str] | None = None,
    runbook: str = "",
) -> dict[str, Json]:
    """Return what each file says, by its name.

    receiver: the contact point that all rules tell; services, hosts: names, as `messages` has them;
    runbook: the URL of docs/runbook.md.
    """
    text = messages.templates(times(), services, hosts)
    template = {"orgId": 1, "name": GROUP, "template": text}
    return {
        RULES: {"apiVersion": 1, "groups": groups(constants or Constants(), receiver, runbook)},
        TEMPLATES: {"apiVersion": 1, "templates": [template]},
        WALL: {
            "apiVersion": 1,
            "contactPoints": [_contact_point(contacts.WALL, "wall", "webhook", _NEVER)],
            "muteTimes": [{"orgId": 1, "name": contacts.WALL, "time_intervals": contacts.ALWAYS}],
        },
    }


_NEVER = contacts.WALL_SETTINGS


def groups(constants: Constants, receiver: str = "", runbook: str = "") -> list[Json]:
    """Return the groups of rules: one for each pace at which they are evaluated."""
    paces = defaultdict(list)
    for rule in rules():
        paces[rule.every].append({**finished(rule, constants, runbook), **_told(rule, receiver)})
    return [
        {
            "orgId": 1,
            "name": f"flowsleuth-{every}s",
            "folder": FOLDER,
            "interval": f"{every}s",
            "rules": paced,
        }
        for every, paced in sorted(paces.items())
    ]


def _told(rule: Rule, receiver: str) -> Json:
    """Return whom a rule tells."""
    if not rule.severity.notifies:
        return {"notification_settings": settings(rule, contacts.WALL, [contacts.WALL])}
    return {"notification_settings": settings(rule, receiver)} if receiver else {}


def times() -> set[int]:
    """Return how long before they say so alerts begin and end, of all rules."""
    return {seconds for rule in rules() for seconds in (rule.began, rule.ended)}


def contact_points() -> dict[str, Json]:
    """Return what the files of contact points say, by their names."""
    return {
        f"{CONTACT_POINTS}/{one.kind}.yaml": {
            "apiVersion": 1,
            "contactPoints": [
                _contact_point(contacts.RECEIVER, one.kind, one.type, dict(one.settings))
            ],
        }
        for one in contacts.CONTACTS
    }


def _contact_point(name: str, kind: str, type_: str, settings: Any) -> Json:
    receiver = {"uid": f"flowsleuth-{kind}", "type": type_, "settings": dict(settings)}
    return {"orgId": 1, "name": name, "receivers": [receiver]}


def files() -> dict[str, str]:
    """Return the text of each file by its name."""
    return {
        name: HEAD + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
        for name, document in {**documents(), **contact_points()}.items()
    }


def main(folder: str) -> None:
    """Write the files into `folder`."""
    (Path(folder) / CONTACT_POINTS).mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (Path(folder) / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
