"""The two folders: one for the dashboards, one for the alert rules.

Grafana gives a folder no place for a stamp: its uid says that it is ours. It is only taken away
when nothing of anybody else is in it.
"""

import time

from flowsleuth.provision.connection import Grafana, Json
from flowsleuth.provision.items import Found, Item, Kind

DASHBOARDS, RULES = "flowsleuth", "flowsleuth-alerts"
"""Their uids."""

SETTLES_S = 10.0
"""Grafana may count what has just been deleted for a moment longer."""


def item(uid: str, title: str) -> Item:
    """Return the folder that is wanted."""
    return Item(Kind.FOLDER, uid, title, {"title": title}, {"uid": uid, "title": title})


def found(grafana: Grafana) -> list[Found]:
    """Return those of ours that are there."""
    there = [grafana.find(f"/folders/{uid}") for uid in (DASHBOARDS, RULES)]
    return [
        Found(Kind.FOLDER, body["uid"], body["title"], {"title": body["title"]}, body)
        for body in there
        if body is not None
    ]


def titles(grafana: Grafana) -> set[str]:
    """Return the titles that are taken by others at the top."""
    listed: list[Json] = grafana.get("/folders", limit=1000)
    return {folder["title"] for folder in listed if folder["uid"] not in {DASHBOARDS, RULES}}


def write(grafana: Grafana, wanted: Item, there: Found | None) -> None:
    """Create it, or give it its title."""
    if there is None:
        grafana.send("POST", "/folders", dict(wanted.body))
    else:
        body = {"title": wanted.title, "overwrite": True}
        grafana.send("PUT", f"/folders/{wanted.uid}", body)


def remove(grafana: Grafana, there: Found) -> bool:
    """Delete it where it is empty; return whether it was."""
    deadline = time.monotonic() + SETTLES_S
    while any(_inside(grafana, there.uid).values()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    grafana.send("DELETE", f"/folders/{there.uid}")
    return True


def _inside(grafana: Grafana, uid: str) -> dict[str, int]:
    counts: dict[str, int] = grafana.get(f"/folders/{uid}/counts")
    return counts
