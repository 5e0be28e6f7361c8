"""The demo's anomaly, from the points to the message: a real Grafana, receivers of the tests' own.

Grafana reads the rules from files, as shipped but for the pace: all that is minutes there is ten
seconds here. Time goes on by another database: the same points, half an hour older. Where there is
no Grafana this is left out; what the rules say is then judged by the evaluator.

FLOWSLEUTH_MAIL=FILE keeps the mail of the anomaly, as HTML: docs/take_pictures.py shows it.
"""

import contextlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from grafana import world as demo
from local_grafana import GrafanaService, find_grafana, local_grafana
from services import InfluxService, drop, unavailable

from alerting.receivers import Receivers, receivers, text
from flowsleuth.config import Config
from flowsleuth.demo.export import Site
from flowsleuth.demo.world import ANOMALIES, NETWORKS
from flowsleuth.errors import ServiceError
from flowsleuth.grafana import contacts
from flowsleuth.grafana.alerting import write
from flowsleuth.pipeline import files as file_points
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.points import Table, choose
from flowsleuth.receive.datagrams import Datagrams

Json = dict[str, Any]

pytestmark = pytest.mark.timeout(300)

ABOVE = "Traffic above normal"
DAYS = (4, 10, 13)
"""Those of the earlier occurrences, and today."""

LATER = 25 * demo.MINUTE


@pytest.fixture(scope="module")
def databases(influxdb: InfluxService) -> Iterator[tuple[Config, Config]]:
    """The demo's points as they are now, and as they will be."""
    try:
        find_grafana()
    except ServiceError as error:
        unavailable("grafana", str(error))
    config, tables = points(influxdb)
    demo._written(config, 0, tables)
    settings = influxdb.settings(database=f"test_{secrets.token_hex(6)}")
    later = config.model_copy(update={"influx": settings})
    demo._written(later, 0, [replace(t, time_ns=t.time_ns - LATER) for t in tables])
    yield config, later
    drop(config)
    drop(later)


def points(influxdb: InfluxService) -> tuple[Config, list[Table]]:
    """Return the demo's site and its points: of the last hours, and all that was heavy."""
    settings = influxdb.settings(database=f"test_{secrets.token_hex(6)}")
    names = [network.name for network in NETWORKS]
    networks = [
        {"name": n.name, "prefixes": [str(p) for p in (n.v4, n.v6) if p], "site": "hq"}
        for n in NETWORKS
    ]
    config = Config.model_validate({"influx": settings, "networks": networks})
    now = time.time_ns()
    site = Site(now, 1)
    batches = [_around(b, now) for day, b in enumerate(site.history()) if day in DAYS]
    batches.append(site.until(now + LATER + demo.AHEAD))
    flushes = file_points.points(Pipeline(config, {}), iter(batches))
    told = [table for flush in flushes for table in flush]
    told += [*demo._health(now), *demo._heard(now), *demo._normal(now, names)]
    return config, [
        choose(t, (t.time_ns > now - 4 * demo.HOUR) | (t.measurement == "heavy")) for t in told
    ]


def _around(batch: Datagrams, now: int) -> Datagrams:
    """Return what was received within hours of one of the anomalies."""
    begins = [now + anomaly.start_s * demo.SECOND for anomaly in ANOMALIES]
    near = [abs(batch.received_ns - begin) < 3 * demo.HOUR for begin in begins]
    return batch.take(np.flatnonzero(np.any(near, axis=0)))


@pytest.fixture(scope="module")
def told() -> Iterator[Receivers]:
    with receivers() as made:
        yield made


@pytest.fixture(scope="module")
def grafana(told: Receivers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrafanaService]:
    """A Grafana with the shipped files, which evaluates every ten seconds and tells at once."""
    try:
        find_grafana()
    except ServiceError as error:
        unavailable("grafana", str(error))
    folder = tmp_path_factory.mktemp("provisioning")
    for kind in ("alerting", "datasources", "dashboards", "plugins"):
        (folder / kind).mkdir()
    for name, document in {**write.documents(receiver=contacts.RECEIVER), **_mine(told)}.items():
        if groups := document.get("groups"):
            groups.append(_hastened(groups))
        (folder / "alerting" / name).write_text(yaml.safe_dump(document, sort_keys=False))
    environment = {
        "GF_SMTP_ENABLED": "true",
        "GF_SMTP_HOST": "{}:{}".format(*told.smtp),
        "GF_SMTP_FROM_ADDRESS": "grafana@example.net",
        "TZ": "Europe/Berlin",
    }
    with local_grafana(folder, environment) as service:
        yield service


HASTENED = ("above-host", "above-port", "above-nobody", "above-whole", "ingester", "new-heavy")


def _hastened(groups: list[Json]) -> Json:
    """Take some rules out of their groups, into one that is evaluated as often as may be."""
    mine = []
    for group in groups:
        chosen = [
            rule
            for rule in group["rules"]
            if rule["uid"].removeprefix("flowsleuth-").startswith(HASTENED)
            and not rule["uid"].endswith("late")
        ]
        group["rules"] = [rule for rule in group["rules"] if rule not in chosen]
        mine += chosen
    for rule in mine:
        rule["for"] = "10s" if rule["for"] != "0s" else "0s"
        rule["notification_settings"] |= {"group_wait": "1s", "group_interval": "5s"}
    return {**groups[0], "name": "hastened", "interval": "10s", "rules": mine}


def _mine(told: Receivers) -> dict[str, Json]:
    """Return the contact point: each kind whose server the tests can be."""
    environment = {
        "FLOWSLEUTH_MAIL_TO": "noc@example.net",
        **{
            f"FLOWSLEUTH_{kind.upper()}_URL": f"{told.http}/{kind}"
            for kind in ("webhook", "ntfy", "slack", "teams")
        },
    }
    integrations = [
        {"uid": one.kind, "type": one.type, "settings": settings}
        for one in contacts.CONTACTS
        if (settings := one.filled(environment))
    ]
    point = {"orgId": 1, "name": contacts.RECEIVER, "receivers": integrations}
    return {"a-contacts.yaml": {"apiVersion": 1, "contactPoints": [point]}}


def ask(service: GrafanaService, config: Config, url: str = "") -> None:
    """Let Grafana's data source be this database."""
    body = {
        "uid": "flowsleuth",
        "name": "FlowSleuth",
        "type": "influxdb",
        "access": "proxy",
        "url": url or config.influx.url,
        "jsonData": {
            "version": "InfluxQL",
            "dbName": config.influx.database,
            "httpMode": "POST",
            "httpHeaderName1": "Authorization",
        },
        "secureJsonData": {
            "httpHeaderValue1": f"Token {config.influx.token.get_secret_value()}",
        },
    }
    with service.client() as api:
        if "flowsleuth" in {one["uid"] for one in api.datasource.list_datasources()}:
            api.client.PUT("/datasources/uid/flowsleuth", json=body)
        else:
            api.datasource.create_datasource(body)


def wait(what: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module")
def story(
    grafana: GrafanaService, databases: tuple[Config, Config], told: Receivers
) -> dict[str, Json]:
    """What was told: of the anomaly, while InfluxDB was away, and when it was over."""
    now, later = databases
    ask(grafana, now)
    wait(lambda: told.of("/webhook", ABOVE) and _mails(told, "10.1.42.17"))
    ask(grafana, now, "http://127.0.0.1:9")
    wait(lambda: told.of("/webhook", "DatasourceError"))
    count = len(told.posted)
    time.sleep(12)  # another evaluation
    away = told.posted[count:]
    ask(grafana, later)
    wait(lambda: any(body["status"] == "resolved" for body in told.of("/webhook", ABOVE)))
    wait(lambda: _mails(told, "Over: Green"))
    with contextlib.suppress(AssertionError):
        wait(lambda: len(told.of("/webhook", ABOVE)) > 2, 6)  # is there more to come?
    if kept := os.environ.get("FLOWSLEUTH_MAIL"):
        _keep(told, Path(kept))
    return {
        "above": told.of("/webhook", ABOVE),
        "ntfy": told.of("/ntfy", ABOVE),
        "away": away,
        "errors": told.of("/webhook", "DatasourceError"),
    }


def _mails(told: Receivers, words: str) -> list[str]:
    return [whole for mail in told.mails if words in (whole := text(mail))]


def _keep(told: Receivers, path: Path) -> None:
    """Write the anomaly's mail as a mail program would show it."""
    mail = next(m for m in told.mails if demo.CULPRIT in text(m))
    body = mail.get_body(("html",))
    assert body is not None
    path.write_text(body.get_content(), encoding="utf-8")


def test_the_anomaly_is_one_message_and_its_end_another(story: dict[str, Json]) -> None:
    firing, resolved = story["above"]
    assert (firing["status"], resolved["status"]) == ("firing", "resolved")
    (alert,) = firing["alerts"]
    labels = {"network": "Green", "direction": "out", "protocol": "udp", "site": "hq"}
    labels |= {"address": demo.CULPRIT, "port": "14857", "severity": "warning"}
    private = {"alertname", "grafana_folder"}
    assert {k: v for k, v in alert["labels"].items() if k not in private} == labels
    assert [one["labels"] for one in resolved["alerts"]] == [alert["labels"]]


def test_the_short_form_says_it_in_three_hundred_characters(story: dict[str, Json]) -> None:
    short = story["above"][0]["title"]
    assert len(short) <= 300
    assert re.fullmatch(
        r"Green out \d+Mbit/s, normal ≤32M: 10\.1\.42\.17 udp/14857 \d\d %, to \d peers; "
        r"since \d\d:\d\d CET, [\d.]+GB so far; "
        r"this port: 3rd time in 14 days, last 4 d ago; this host: new in 14 days",
        short,
    )
    assert re.match(r"Green out \d+Mbit/s, normal ≤\d+M", short[:40])


def test_its_links_lead_to_that_window_and_to_a_silence(
    story: dict[str, Json], grafana: GrafanaService
) -> None:
    (alert,) = story["above"][0]["alerts"]
    _, hunt, silence = story["ntfy"][0]["message"].splitlines()
    found = re.fullmatch(
        re.escape(f"Hunt: {grafana.url}/d/flowsleuth-hunt?")
        + r"var-network=Green&var-direction=out&var-protocol=udp&var-address=10\.1\.42\.17"
        r"&var-port=14857&from=(\d+)&to=(\d+)",
        hunt,
    )
    assert found
    fired = datetime.fromisoformat(alert["startsAt"]).timestamp()
    begin, end = (int(ms) / 1000 for ms in found.groups())
    assert (fired - begin, end - fired) == (600, 300)  # five minutes before, and a margin
    assert silence.startswith(f"Silence: {grafana.url}/alerting/silence/new?alertmanager=grafana&")


def test_the_mail_has_the_table_the_block_and_the_command(
    story: dict[str, Json], told: Receivers
) -> None:
    assert story["above"]
    mail = next(m for m in told.mails if "10.1.42.17" in text(m))
    assert mail["Subject"].startswith("Green out ")
    whole = text(mail)
    for line in (
        "Address:   10.1.42.17",
        "--filter 'proto udp and port 14857 and ip 10.1.42.17'",
        "deny udp host 10.1.42.17 any eq 14857",
        "set firewall family inet filter PROTECT term flowsleuth from port 14857",
        "nft insert rule inet filter forward ip saddr 10.1.42.17 udp dport 14857 drop",
    ):
        assert line in whole, line


def test_when_it_is_over_it_says_how_long_and_how_much(story: dict[str, Json]) -> None:
    over = story["above"][1]["title"]
    assert re.fullmatch(r"Over: Green out 10\.1\.42\.17 udp/14857, after \d+m, 15GB", over)


def test_an_influxdb_that_is_away_is_one_message_and_ends_no_alert(story: dict[str, Json]) -> None:
    (error, *_) = story["errors"]
    assert {one["labels"]["rulename"] for one in error["alerts"]} == {"Ingester silent"}
    assert error["title"].startswith("Grafana cannot ask InfluxDB: ")
    assert [body["title"] for path, body in story["away"] if path == "/webhook"] == []


def test_what_is_for_the_wall_is_told_to_nobody(
    story: dict[str, Json], told: Receivers, grafana: GrafanaService
) -> None:
    assert story["above"]
    _, listed = grafana.ask("/api/prometheus/grafana/api/v1/rules")
    states = {r["name"]: r["state"] for g in listed["data"]["groups"] for r in g["rules"]}
    assert states["New heavy service"] in {"firing", "inactive"}
    severities = {
        alert["labels"].get("severity")
        for _, body in told.posted
        for alert in body.get("alerts", ())
    }
    assert severities <= {"critical", "warning"}


def test_every_rule_is_there_and_well(grafana: GrafanaService, story: dict[str, Json]) -> None:
    assert story["above"]
    _, listed = grafana.ask("/api/prometheus/grafana/api/v1/rules")
    found = {r["name"]: r for g in listed["data"]["groups"] for r in g["rules"]}
    shipped = [r["title"] for g in write.groups(write.Constants()) for r in g["rules"]]
    assert set(found) == set(shipped)
    assert {name: r.get("lastError") for name, r in found.items() if r["health"] != "ok"} == {}
