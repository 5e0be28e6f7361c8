"""What compose does once, before anything serves: secrets, buckets, and tokens with few rights.

`first_start.py secrets` writes random passwords and InfluxDB's administrator token; InfluxDB and
Grafana take them up at their first start. `first_start.py tokens` then has InfluxDB make the two
buckets, a token that may read and write them (for the ingester) and one that may read them (for
Grafana, whose every viewer can send queries through it). What is there already stays.
"""

import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowsleuth.config import Config
from flowsleuth.errors import FlowSleuthError, ServiceError
from flowsleuth.write.server import connect, message, request
from flowsleuth.write.setup import prepare

FOLDER = Path(os.environ.get("FLOWSLEUTH_SECRETS", "/secrets"))

SECRETS = ("influxdb-password", "influxdb-admin-token", "grafana-password")

TOKENS = {"write-token": ("read", "write"), "read-token": ("read",)}
"""File -> what its holder may do with the two buckets."""


def keep(name: str, secret: str) -> None:
    """Write a secret, whole or not at all, readable for the containers that have the volume."""
    beside = FOLDER / f".{name}"
    beside.write_text(secret)
    beside.chmod(0o444)
    beside.replace(FOLDER / name)


def make_secrets() -> None:
    """Write the secrets that are not there yet."""
    for name in SECRETS:
        if not (FOLDER / name).exists():
            keep(name, secrets.token_urlsafe(32))


def make_tokens(environ: Mapping[str, str]) -> None:
    """Have InfluxDB make buckets and tokens that are not there yet; raises ServiceError."""
    missing = [name for name in TOKENS if not (FOLDER / name).exists()]
    if not missing:
        return
    token = (FOLDER / "influxdb-admin-token").read_text()
    influx = {"url": environ["INFLUX_URL"], "token": token, "org": environ["INFLUX_ORG"]}
    config = Config.model_validate({"influx": influx})
    prepare(config)
    with connect(config.influx) as client:

        def ask(method: str, path: str, query: Any = None, body: Any = None) -> Any:
            status, _, text = request(client, method, path, query, body)
            if status >= 300:
                raise ServiceError(f"InfluxDB: {method} {path}: {status}: {message(text)}")
            return json.loads(text)

        org = ask("GET", "/api/v2/orgs", {"org": config.influx.org})["orgs"][0]["id"]
        buckets = [
            ask("GET", "/api/v2/buckets", {"orgID": org, "name": name})["buckets"][0]["id"]
            for name in (config.influx.database, config.influx.detail)
        ]
        for name in missing:
            asked = {
                "orgID": org,
                "description": f"flowsleuth {name}",
                "permissions": [
                    {"action": action, "resource": {"type": "buckets", "id": bucket, "orgID": org}}
                    for action in TOKENS[name]
                    for bucket in buckets
                ],
            }
            keep(name, ask("POST", "/api/v2/authorizations", body=asked)["token"])


def main() -> None:
    """Do what the argument says."""
    os.umask(0o022)
    try:
        if sys.argv[1:] == ["secrets"]:
            make_secrets()
        elif sys.argv[1:] == ["tokens"]:
            make_tokens(os.environ)
        else:
            sys.exit("usage: first_start.py secrets|tokens")
    except (FlowSleuthError, OSError) as error:
        sys.exit(f"first_start: {error}")


if __name__ == "__main__":
    main()
