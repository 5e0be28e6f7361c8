"""The data source: the shipped file, filled in from the configuration.

Grafana never gives back a secret, so the stamp in `jsonData` has the fingerprint of what was sent.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowsleuth.config import Influx
from flowsleuth.errors import ConfigError
from flowsleuth.provision.connection import Grafana, Json, Refused
from flowsleuth.provision.items import Found, Item, Kind
from flowsleuth.provision.stamps import NAME, SECRET, fingerprint, read

UID = "flowsleuth"

TYPE = "influxdb"

COMPARED = ("name", "type", "access", "url", "user")
"""What is compared beside jsonData; whether it is the default one is the user's to say."""


def item(shipped: Json, influx: Influx, url: str, title: str, key: str) -> Item:
    """Return the data source that is wanted.

    shipped: as the file has it; url: InfluxDB as Grafana reaches it; key: for fingerprints. Raises
    ConfigError where a file of certificates cannot be read.
    """
    login, secrets = _access(influx)
    body: Json = {
        **{key: value for key, value in shipped.items() if key != "secureJsonData"},
        "name": title,
        "uid": UID,
        "url": url,
        "user": login.pop("user", ""),
        "jsonData": {
            **{key: value for key, value in shipped["jsonData"].items() if "Header" not in key},
            "dbName": influx.database,
            **login,
        },
        "secureJsonData": secrets,
    }
    hidden = {f"{SECRET}{name}": fingerprint(secret, key) for name, secret in secrets.items()}
    return Item(Kind.SOURCE, UID, title, {**_parts(body), **hidden}, body)


def _access(influx: Influx) -> tuple[Json, dict[str, str]]:
    """Return what jsonData says about access, and the secrets.

    InfluxDB 2.x has an organisation, and its InfluxQL takes the token in a header alone; 1.8 has
    user and password.
    """
    open_part: Json = {}
    secrets: dict[str, str] = {}
    token = influx.token.get_secret_value()
    if not token.strip(":"):
        pass
    elif ":" in token and not influx.org:
        open_part["user"], _, secrets["password"] = token.partition(":")
    else:
        open_part["httpHeaderName1"] = "Authorization"
        secrets["httpHeaderValue1"] = f"Token {token}"
    if not influx.verify_ssl:
        open_part["tlsSkipVerify"] = True
    elif influx.ca_file:
        open_part["tlsAuthWithCACert"] = True
        secrets["tlsCACert"] = _text(influx.ca_file)
    return open_part, secrets


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"influx.ca_file: {file}: {reason}") from None


def _parts(body: Json) -> dict[str, Any]:
    known = {name: body.get(name) or "" for name in COMPARED}
    inner = body.get("jsonData") or {}
    return {**known, **{f"jsonData.{key}": value for key, value in inner.items() if key != NAME}}


@dataclass(frozen=True, slots=True)
class Named:
    """A data source as everybody sees it who may ask it."""

    uid: str
    name: str
    type: str
    language: str


def listed(settings: Json) -> list[Named]:
    """Return all data sources that whoever asks may see; settings: those of Grafana's pages."""
    return [
        Named(
            body.get("uid", ""),
            name,
            body.get("type", ""),
            (body.get("jsonData") or {}).get("version") or "InfluxQL",
        )
        for name, body in (settings.get("datasources") or {}).items()
    ]


def found(grafana: Grafana) -> list[Found]:
    """Return what is there under our uid."""
    body = grafana.find(f"/datasources/uid/{UID}")
    if body is None:
        return []
    stamp = read((body.get("jsonData") or {}).get(NAME), UID)
    hidden = {
        f"{SECRET}{name}": "" for name, set_ in body.get("secureJsonFields", {}).items() if set_
    }
    # A header's or a password's secret that is of no use any more stays with Grafana: no change.
    known = {name: value for name, value in hidden.items() if stamp and name in stamp.parts}
    keeper = "file provisioning" if body.get("readOnly") else ""
    parts = {**_parts(body), **known}
    return [Found(Kind.SOURCE, UID, body["name"], parts, body, stamp, keeper)]


def write(grafana: Grafana, wanted: Item, there: Found | None) -> None:
    """Create or replace it; secrets are sent along."""
    stamped = {**wanted.body["jsonData"], NAME: wanted.stamp.text()}
    body = {**wanted.body, "jsonData": stamped}
    if there is None:
        grafana.send("POST", "/datasources", body)
        return
    kept = {"isDefault": there.body.get("isDefault", False)}
    grafana.send("PUT", f"/datasources/uid/{UID}", {**body, **kept})


def remove(grafana: Grafana, there: Found) -> bool:
    """Delete it."""
    grafana.send("DELETE", f"/datasources/uid/{there.uid}")
    return True


def trouble(grafana: Grafana, uid: str) -> str:
    """Return why Grafana does not get an answer through a data source, "" if it does."""
    try:
        said = grafana.get(f"/datasources/uid/{uid}/health")
    except Refused as refused:
        return refused.said
    return "" if said.get("status") == "OK" else str(said.get("message", "it says nothing"))
