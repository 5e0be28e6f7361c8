"""Contact points: one receiver of our own, with an integration for each kind that is configured.

A receiver is a name that several integrations share; each of ours has its own uid, and its stamp
among its settings, where Grafana keeps what it does not know.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flowsleuth.grafana.contacts import CONTACTS
from flowsleuth.provision.connection import Grafana, Json, quoted
from flowsleuth.provision.items import Found, Item, Kind
from flowsleuth.provision.stamps import NAME, SECRET, fingerprint, read

REDACTED = "[REDACTED]"
"""What Grafana gives back for a secret."""


@dataclass(frozen=True, slots=True)
class Integration:
    """One way to be told. kind: our name, type: Grafana's; secret: settings not to show."""

    kind: str
    type: str
    settings: Mapping[str, Any]
    secret: frozenset[str]


def configured() -> list[Integration]:
    """Return the integrations whose variables the environment has."""
    filled = ((one, one.filled(os.environ)) for one in CONTACTS)
    return [
        Integration(one.kind, one.type, settings, one.secret)
        for one, settings in filled
        if settings is not None
    ]


def uid(kind: str) -> str:
    """Return the uid of the integration of a kind."""
    return f"{NAME}-{kind}"


def item(one: Integration, receiver: str, key: str) -> Item:
    """Return the integration that is wanted; key: for fingerprints."""
    body: Json = {
        "uid": uid(one.kind),
        "name": receiver,
        "type": one.type,
        "settings": dict(one.settings),
        "disableResolveMessage": False,
    }
    parts: Json = {"name": receiver, "type": one.type, "disableResolveMessage": False}
    for name, value in one.settings.items():
        if name in one.secret:
            parts[f"{SECRET}{name}"] = fingerprint(str(value), key)
        else:
            parts[f"settings.{name}"] = value
    return Item(Kind.CONTACT, body["uid"], f"{receiver} ({one.kind})", parts, body)


def listed(grafana: Grafana) -> list[Json]:
    """Return all integrations of all contact points."""
    every: list[Json] = grafana.get("/v1/provisioning/contact-points") or []
    return every


def found(every: Iterable[Json], key: str) -> list[Found]:
    """Return those that have a uid as ours have."""
    return [_found(body, key) for body in every if str(body.get("uid")).startswith(f"{NAME}-")]


def _found(body: Json, key: str) -> Found:
    settings = body.get("settings") or {}
    stamp = read(settings.get(NAME), body["uid"])
    left = stamp.parts if stamp else {}
    parts: Json = {
        "name": body["name"],
        "type": body["type"],
        "disableResolveMessage": bool(body.get("disableResolveMessage")),
    }
    for name, value in settings.items():
        if value == REDACTED:
            parts[f"{SECRET}{name}"] = ""
        elif f"{SECRET}{name}" in left:  # a secret of ours that is none of Grafana's
            parts[f"{SECRET}{name}"] = fingerprint(str(value), key)
        elif name != NAME:
            parts[f"settings.{name}"] = value
    kept = body.get("provenance") or ""
    keeper = {"": "", "file": "file provisioning"}.get(kept, f"provisioning ({kept})")
    title = f"{body['name']} ({body['uid'].removeprefix(f'{NAME}-')})"
    return Found(Kind.CONTACT, body["uid"], title, parts, body, stamp, keeper)


def write(grafana: Grafana, wanted: Item, there: Found | None) -> None:
    """Create or replace it; secrets are sent along."""
    settings = {**wanted.body["settings"], NAME: wanted.stamp.text()}
    body = {**wanted.body, "settings": settings}
    if there is None:
        grafana.send("POST", "/v1/provisioning/contact-points", body)
    else:
        grafana.send("PUT", f"/v1/provisioning/contact-points/{quoted(wanted.uid)}", body)


def remove(grafana: Grafana, there: Found) -> bool:
    """Delete it."""
    grafana.send("DELETE", f"/v1/provisioning/contact-points/{quoted(there.uid)}")
    return True
