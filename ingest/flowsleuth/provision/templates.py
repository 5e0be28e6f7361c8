"""The templates of messages: a group of them is one text, and the stamp a comment at its end."""

import re

from flowsleuth.provision.connection import Grafana, Json, quoted
from flowsleuth.provision.items import Found, Item, Kind
from flowsleuth.provision.stamps import NAME, read

_STAMP = re.compile(r"\n*\{\{- /\* " + NAME + r": (.*?) \*/ -\}\}")


def item(name: str, text: str) -> Item:
    """Return the template that is wanted."""
    return Item(Kind.TEMPLATE, name, name, {"text": text.strip()}, {"template": text.strip()})


def found(grafana: Grafana) -> list[Found]:
    """Return all that are there, whosever they are."""
    every: list[Json] = grafana.get("/v1/provisioning/templates") or []
    return [_found(body) for body in every]


def _found(body: Json) -> Found:
    name, text = body["name"], body["template"].strip()
    at = _STAMP.search(text)
    stamp = read(at[1], name) if at else None
    parts = {"text": _STAMP.sub("", text).strip()}
    return Found(Kind.TEMPLATE, name, name, parts, body, stamp, _keeper(body))


def _keeper(body: Json) -> str:
    kept = body.get("provenance") or ""
    return {"": "", "file": "file provisioning"}.get(kept, f"provisioning ({kept})")


def write(grafana: Grafana, wanted: Item, there: Found | None) -> None:
    """Create or replace it."""
    del there
    text = f"{wanted.body['template']}\n{{{{- /* {NAME}: {wanted.stamp.text()} */ -}}}}"
    grafana.send("PUT", f"/v1/provisioning/templates/{quoted(wanted.uid)}", {"template": text})


def remove(grafana: Grafana, there: Found) -> bool:
    """Delete it."""
    grafana.send("DELETE", f"/v1/provisioning/templates/{quoted(there.uid)}")
    return True
