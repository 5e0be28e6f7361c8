"""Mute timings of our own: when alerts show in Grafana, and tell nobody.

Grafana has no place in them for a stamp; their names say that they are ours.
"""

from typing import Any

from flowsleuth.grafana.contacts import WALL
from flowsleuth.provision.connection import Grafana, Json, quoted
from flowsleuth.provision.items import Found, Item, Kind

NAMES = frozenset({WALL})


def item(name: str, intervals: Any) -> Item:
    """Return a mute timing that is wanted."""
    body: Json = {"name": name, "time_intervals": intervals}
    return Item(Kind.MUTE, name, name, {"time_intervals": intervals}, body)


def listed(grafana: Grafana) -> list[Json]:
    """Return all that are there."""
    every: list[Json] = grafana.get("/v1/provisioning/mute-timings") or []
    return every


def found(every: list[Json]) -> list[Found]:
    """Return those of ours that are there."""
    return [
        Found(
            Kind.MUTE,
            body["name"],
            body["name"],
            {"time_intervals": body["time_intervals"]},
            body,
            keeper="file provisioning" if body.get("provenance") == "file" else "",
        )
        for body in every
        if body["name"] in NAMES
    ]


def write(grafana: Grafana, wanted: Item, there: Found | None) -> None:
    """Create or replace it."""
    if there is None:
        grafana.send("POST", "/v1/provisioning/mute-timings", dict(wanted.body))
    else:
        grafana.send(
            "PUT", f"/v1/provisioning/mute-timings/{quoted(wanted.uid)}", dict(wanted.body)
        )


def remove(grafana: Grafana, there: Found) -> bool:
    """Delete it."""
    grafana.send("DELETE", f"/v1/provisioning/mute-timings/{quoted(there.uid)}")
    return True
