"""The dashboards: the shipped files, their hidden constants set by the configuration.

The stamp is one more hidden constant: it survives when somebody saves the page in the browser.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flowsleuth import __version__
from flowsleuth.config import Config
from flowsleuth.config.units import DAY, HOUR, SECOND
from flowsleuth.grafana.boards import HIDDEN, TAG
from flowsleuth.grafana.links import UIDS
from flowsleuth.provision.connection import Grafana, Json
from flowsleuth.provision.items import Found, Item, Kind
from flowsleuth.provision.stamps import NAME, read

NOT_COMPARED = {
    *("id", "uid", "version", "iteration", "schemaVersion"),
    *("panels", "templating", "annotations"),
}
"""Keys of a dashboard which Grafana counts up itself, or which are compared piece by piece."""

SMALL_SHARE = 0.3
"""Pages name nobody a culprit who sends less than such a part of the lowest floor."""

SLACK_S = 10
"""A window is written at the latest so many seconds after its grace."""


def constants(config: Config) -> dict[str, str]:
    """Return what the dashboards' hidden constants must be for this configuration."""
    window, grace = config.window_ns // SECOND, config.grace_ns // SECOND
    return {
        "window": str(window),
        "settled": str(window + grace + SLACK_S),
        "detail": config.influx.detail_prefix,
        "small": str(round(SMALL_SHARE * lowest_floor(config))),
        "memory": _duration(config.retention.detail_ns),
        "identify": config.grafana.identify,
    }


def lowest_floor(config: Config) -> float:
    """Return the lowest floor of any network, bytes/s."""
    floors = [config.floor if net.floor is None else net.floor for net in config.networks]
    return min(floors, default=config.floor) / 8


def _duration(ns: int) -> str:
    """Return a duration as InfluxQL takes it: it knows no years."""
    return f"{ns // DAY}d" if ns % DAY == 0 else f"{ns // HOUR}h"


def item(shipped: Json, values: Mapping[str, str], source: tuple[str, str], folder: str) -> Item:
    """Return the dashboard that is wanted.

    shipped: as the file has it; values: of the hidden constants; source: name and uid of the data
    source; folder: its uid.
    """
    named = {"text": source[0], "value": source[1]}
    variables = [
        {**variable, "query": values[variable["name"]]}
        if variable["type"] == "constant" and variable["name"] in values
        else {**variable, "current": named}
        if variable["type"] == "datasource"
        else variable
        for variable in shipped["templating"]["list"]
    ]
    body = {**shipped, "templating": {**shipped["templating"], "list": variables}}
    return Item(Kind.DASHBOARD, shipped["uid"], shipped["title"], _parts(body, folder), body)


def _parts(body: Json, folder: str) -> dict[str, Any]:
    parts = {key: value for key, value in body.items() if key not in NOT_COMPARED}
    parts["folder"] = folder
    parts.update(_named("panel", "id", _panels(body.get("panels") or [])))
    variables = (body.get("templating") or {}).get("list") or []
    parts.update(_named("variable", "name", (v for v in variables if v.get("name") != NAME)))
    marks = (body.get("annotations") or {}).get("list") or []
    parts.update(_named("annotation", "name", marks))
    return parts


def _panels(panels: Iterable[Json]) -> Iterator[Json]:
    """Yield all panels, also those in rows that are folded."""
    for panel in panels:
        yield {key: value for key, value in panel.items() if key != "panels"}
        yield from panel.get("panels") or []


def _named(what: str, key: str, pieces: Iterable[Json]) -> dict[str, Any]:
    seen: Counter[str] = Counter()
    named = {}
    for piece in pieces:
        name = f"{what} {piece.get(key)}"
        seen[name] += 1
        named[name if seen[name] == 1 else f"{name} ({seen[name]})"] = piece
    return named


def found(grafana: Grafana) -> list[Found]:
    """Return what is there under the uids of our pages, and what else carries a stamp of ours."""
    tagged: list[Json] = grafana.get("/search", type="dash-db", tag=TAG, limit=5000)
    uids = dict.fromkeys([*UIDS.values(), *(one["uid"] for one in tagged)])
    there = (_found(grafana.find(f"/dashboards/uid/{uid}"), uid) for uid in uids)
    return [one for one in there if one is not None and (one.stamp or one.uid in UIDS.values())]


def _found(answer: Json | None, uid: str) -> Found | None:
    if answer is None:
        return None
    body, meta = answer["dashboard"], answer["meta"]
    variables = (body.get("templating") or {}).get("list") or []
    stamp = next((v.get("query") for v in variables if v.get("name") == NAME), "")
    keeper = "file provisioning" if meta.get("provisioned") else ""
    parts = _parts(body, meta.get("folderUid") or "")
    return Found(Kind.DASHBOARD, uid, body["title"], parts, body, read(stamp, uid), keeper)


def write(grafana: Grafana, wanted: Item, there: Found | None) -> None:
    """Create or replace it; the version before stays in its history."""
    del there
    stamp = {
        "name": NAME,
        "description": "Put here by `flowsleuth provision`: what each part was then.",
        "type": "constant",
        "hide": HIDDEN,
        "query": wanted.stamp.text(),
        "skipUrlSync": True,
    }
    templating = wanted.body["templating"]
    body = {
        **wanted.body,
        "id": None,
        "templating": {**templating, "list": [*templating["list"], stamp]},
    }
    grafana.send(
        "POST",
        "/dashboards/db",
        {
            "dashboard": body,
            "folderUid": wanted.parts["folder"],
            "overwrite": True,
            "message": f"flowsleuth provision {__version__}",
        },
    )


def remove(grafana: Grafana, there: Found) -> bool:
    """Delete it."""
    grafana.send("DELETE", f"/dashboards/uid/{there.uid}")
    return True
