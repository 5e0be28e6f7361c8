"""The NOC's playlist: the pages that a screen goes through by itself.

grafana-client has no call for playlists, and Grafana no place in them for a stamp: the uid says
that it is ours. Where an old Grafana chooses the uid itself, it is ours if it has our name and
nothing but our pages.
"""

from flowsleuth.grafana.links import UIDS
from flowsleuth.provision.connection import Grafana, Json
from flowsleuth.provision.items import Found, Item, Kind

UID = "flowsleuth-noc"
NAME = "FlowSleuth NOC"
PAGES = ("wall", "networks", "exporters")
INTERVAL = "1m"


def item() -> Item:
    """Return the playlist that is wanted."""
    pages = [{"type": "dashboard_by_uid", "value": UIDS[page]} for page in PAGES]
    body: Json = {"uid": UID, "name": NAME, "interval": INTERVAL, "items": pages}
    return Item(Kind.PLAYLIST, UID, NAME, _parts(body), body)


def _parts(body: Json) -> Json:
    pages = [{"type": page["type"], "value": page["value"]} for page in body.get("items") or []]
    return {"name": body["name"], "interval": body["interval"], "items": pages}


def found(grafana: Grafana) -> list[Found]:
    """Return what is there of ours."""
    listed: list[Json] = grafana.get("/playlists/") or []
    for brief in sorted(listed, key=lambda one: bool(one["uid"] != UID)):
        if brief["uid"] == UID or brief["name"] == NAME:
            body = grafana.get(f"/playlists/{brief['uid']}")
            parts = _parts(body)
            ours = all(page["value"] in UIDS.values() for page in parts["items"])
            if brief["uid"] == UID or ours:
                return [Found(Kind.PLAYLIST, UID, body["name"], parts, body)]
    return []


def write(grafana: Grafana, wanted: Item, there: Found | None) -> None:
    """Create or replace it."""
    if there is None:
        grafana.send("POST", "/playlists/", dict(wanted.body))
    else:
        uid = there.body["uid"]
        grafana.send("PUT", f"/playlists/{uid}", {**wanted.body, "uid": uid})


def remove(grafana: Grafana, there: Found) -> bool:
    """Delete it."""
    grafana.send("DELETE", f"/playlists/{there.body['uid']}")
    return True
