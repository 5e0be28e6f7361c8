"""What is there: everything of ours in a Grafana, and what of others we must not collide with."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from flowsleuth.errors import ServiceError
from flowsleuth.provision import (
    contacts,
    dashboards,
    folders,
    mutes,
    playlists,
    rules,
    sources,
    templates,
)
from flowsleuth.provision.connection import Grafana, Json
from flowsleuth.provision.items import Found
from flowsleuth.provision.sources import Named

OLDEST = 11
"""The first Grafana whose dashboards and alerting API are as we need them."""

_HERE = re.compile(r"localhost|.*\.localhost|127\..*|::1|0\.0\.0\.0")


@dataclass(frozen=True, slots=True)
class Scene:
    """One Grafana as it is now.

    found: what is there of ours, or under the uids and names that are ours; sources: all data
    sources; receivers: the contact points by their names, each with its integrations; all_rules: as
    the API lists them; folder_titles: those of others; root: the address that its links begin with.
    """

    version: str
    root: str
    found: tuple[Found, ...] = ()
    sources: tuple[Named, ...] = ()
    receivers: Mapping[str, list[Json]] = field(default_factory=dict)
    mutes: frozenset[str] = frozenset()
    all_rules: tuple[Json, ...] = ()
    folder_titles: frozenset[str] = frozenset()


def identify(grafana: Grafana) -> str:
    """Return the version of a Grafana that is new enough, "" where it keeps that to itself.

    Raises ServiceError: nothing answers, or no Grafana, or an old one.
    """
    said = grafana.get("/health")
    if not isinstance(said, dict) or "database" not in said:
        raise ServiceError(f"{grafana.url} does not answer as a Grafana: see --grafana")
    return new_enough(grafana, str(said.get("version") or ""))


def new_enough(grafana: Grafana, version: str) -> str:
    """Return the version; raises ServiceError if it is too old."""
    number = re.match(r"\d+", version)
    if number and int(number[0]) < OLDEST:
        raise ServiceError(
            f"Grafana at {grafana.url} is {version}: {OLDEST}.0 or newer is needed; nothing was "
            "changed"
        )
    return version


def look(grafana: Grafana, version: str) -> Scene:
    """Return all that a run has to know; raises ServiceError."""
    settings = grafana.get("/frontend/settings")
    version = version or new_enough(grafana, settings.get("buildInfo", {}).get("version", ""))
    integrations = contacts.listed(grafana)
    muted = mutes.listed(grafana)
    every = tuple(grafana.get("/v1/provisioning/alert-rules") or [])
    receivers: dict[str, list[Json]] = {}
    for one in integrations:
        receivers.setdefault(one["name"], []).append(one)
    return Scene(
        version=version,
        root=settings.get("appUrl") or "",
        found=(
            *folders.found(grafana),
            *sources.found(grafana),
            *templates.found(grafana),
            *contacts.found(integrations, grafana.credential),
            *mutes.found(muted),
            *dashboards.found(grafana),
            *rules.found(every),
            *playlists.found(grafana),
        ),
        sources=tuple(sources.listed(settings)),
        receivers=receivers,
        mutes=frozenset(mute["name"] for mute in muted),
        all_rules=every,
        folder_titles=frozenset(folders.titles(grafana)),
    )


def told_by_policies(grafana: Grafana) -> set[str]:
    """Return the receivers that the user's notification policies name."""
    return set(_receivers(grafana.get("/v1/provisioning/policies")))


def _receivers(route: Json) -> Iterable[str]:
    if name := route.get("receiver"):
        yield name
    for inner in route.get("routes") or []:
        yield from _receivers(inner)


def only_here(root: str) -> bool:
    """Return whether links that begin so lead to the machine on which somebody reads them."""
    return _HERE.fullmatch(urlsplit(root).hostname or "") is not None
