"""Grafana: whether it answers, reaches InfluxDB, and has what comes with this version."""

from collections.abc import Iterator
from typing import Any

from flowsleuth import __version__
from flowsleuth.config import Grafana as Settings
from flowsleuth.doctor.kinds import (
    DASHBOARDS_MISSING,
    DASHBOARDS_OLD,
    GRAFANA_AWAY,
    RULES_FAIL,
    RULES_MISSING,
    SOURCE_FAILS,
    SOURCE_MISSING,
    Finding,
    well,
)
from flowsleuth.errors import FlowSleuthError
from flowsleuth.grafana.alerting import write
from flowsleuth.provision import shipped, sources
from flowsleuth.provision.connection import Grafana
from flowsleuth.provision.scene import identify

Json = dict[str, Any]

VERSION = "version"
"""The dashboards' hidden constant that says which FlowSleuth they came with."""


def check(settings: Settings) -> Iterator[Finding]:
    """Yield what there is to say of the Grafana at `settings.url`, asked by who is named there."""
    mend = f"flowsleuth provision --grafana {settings.url}"
    try:
        with Grafana(settings) as grafana:
            version = identify(grafana)
            yield well(f"Grafana {version or '(version unknown)'} answers at {settings.url}")
            yield _source(grafana, settings.datasource or sources.UID, mend)
            yield _dashboards(grafana, mend)
            yield _rules(grafana, mend)
    except FlowSleuthError as error:
        yield Finding(GRAFANA_AWAY, str(error), (f"curl -i {settings.url}/api/health",))


def _source(grafana: Grafana, uid: str, mend: str) -> Finding:
    if grafana.find(f"/datasources/uid/{uid}") is None:
        return Finding(SOURCE_MISSING, f"Grafana has no data source of the uid {uid}", (mend,))
    if said := sources.trouble(grafana, uid):
        return Finding(
            SOURCE_FAILS,
            f"the data source {uid} does not work: {said}",
            (f"{mend} --influx-url URL   # InfluxDB as Grafana reaches it",),
        )
    return well(f"the data source {uid} reaches InfluxDB")


def _dashboards(grafana: Grafana, mend: str) -> Finding:
    missing, old = [], []
    pages = shipped.dashboards()
    for page in pages:
        there = grafana.find(f"/dashboards/uid/{page['uid']}")
        if there is None:
            missing.append(page["title"])
        elif (version := _version(there["dashboard"])) != __version__:
            old.append(f"{page['title']} ({version})")
    if missing:
        return Finding(DASHBOARDS_MISSING, f"Grafana lacks {', '.join(missing)}", (mend,))
    if old:
        said = f"of another version than {__version__}: {', '.join(old)}"
        return Finding(DASHBOARDS_OLD, said, (mend,))
    return well(f"all {len(pages)} dashboards are there, of version {__version__}")


def _version(dashboard: Json) -> str:
    """Return what the hidden constant says; pages before 0.1 had none."""
    variables = (dashboard.get("templating") or {}).get("list") or []
    found = (v.get("query") for v in variables if v.get("name") == VERSION)
    return str(next(found, None) or "unknown")


def _rules(grafana: Grafana, mend: str) -> Finding:
    wanted = {
        rule["uid"]: rule["title"]
        for file in write.documents().values()
        for group in file.get("groups") or ()
        for rule in group["rules"]
    }
    there = {rule["uid"] for rule in grafana.get("/v1/provisioning/alert-rules") or ()}
    if missing := [title for uid, title in wanted.items() if uid not in there]:
        return Finding(RULES_MISSING, f"Grafana lacks the rules {', '.join(missing)}", (mend,))
    state = grafana.get("/prometheus/grafana/api/v1/rules")
    groups = (state.get("data") or {}).get("groups") or ()
    titles = set(wanted.values())
    failing = [
        f"{rule['name']}: {rule.get('lastError') or 'no reason given'}"
        for group in groups
        for rule in group.get("rules") or ()
        if rule.get("name") in titles and rule.get("health") == "error"
    ]
    if failing:
        return Finding(RULES_FAIL, "; ".join(failing), (mend, "journalctl -u grafana-server -n 50"))
    return well(f"all {len(wanted)} alert rules are there and healthy")
