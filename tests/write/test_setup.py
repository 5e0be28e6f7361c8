"""Preparing an InfluxDB: what its answers lead to (2.x permissions, wrong servers)."""

import json
from typing import Any

import pytest

from flowsleuth.config import Config
from flowsleuth.errors import ServiceError
from flowsleuth.write import server, setup

V2 = {"X-Influxdb-Version": "v2.7.12", "X-Influxdb-Build": "OSS"}


class Influx2:
    """An InfluxDB 2.7 as far as setting up goes, with a token that may do what the test says."""

    def __init__(self, fake: Any, buckets: set[str] = frozenset(), **powers: Any) -> None:
        self.told = type(fake.answer(None))
        self.buckets = set(buckets)
        self.created: list[dict[str, Any]] = []
        self.powers = {"orgs": True, "create": 201, "write": True, "token": True, **powers}
        fake.answer = self.answer

    def answer(self, asked: Any) -> Any:
        if asked.path == "/ping":
            return self.told(204, None, V2)
        if not self.powers["token"]:
            return self.told(401, {"code": "unauthorized", "message": "unauthorized access"})
        handlers = {"write": self.write, "orgs": self.orgs, "buckets": self.create}
        return handlers[asked.path.rpartition("/")[2]](asked)

    def write(self, asked: Any) -> Any:
        if asked.query["org"] != "netops":
            return self.told(
                404, {"message": f"organization name {asked.query['org']!r} not found"}
            )
        if asked.query["bucket"] not in self.buckets:
            name = asked.query["bucket"]
            return self.told(404, {"code": "not found", "message": f'bucket "{name}" not found'})
        if not self.powers["write"]:
            return self.told(403, {"code": "forbidden", "message": "insufficient permissions"})
        return self.told(400, {"code": "invalid", "message": "writing requires points"})

    def orgs(self, asked: Any) -> Any:
        found = [{"id": "0a", "name": "netops"}] if self.powers["orgs"] else []
        return self.told(200, {"orgs": found})

    def create(self, asked: Any) -> Any:
        if self.powers["create"] != 201:
            return self.told(self.powers["create"], {"message": "unauthorized access"})
        self.created.append(json.loads(asked.raw))
        self.buckets.add(self.created[-1]["name"])
        return self.told(201, {"id": "1"})


def config(fake: Any, **more: Any) -> Config:
    return Config(influx=fake.settings(**more))


def test_missing_buckets_are_created_with_their_retention(fake: Any):
    influx = Influx2(fake)
    prepared = setup.prepare(config(fake))
    assert prepared == setup.Prepared("2", "v2.7.12", ("flowsleuth", "flowsleuth/detail"))
    rules = {made["name"]: made["retentionRules"][0] for made in influx.created}
    assert rules["flowsleuth"] == {"type": "expire", "everySeconds": 2 * 365 * 86400}
    assert rules["flowsleuth/detail"]["everySeconds"] == 30 * 86400
    assert {made["orgID"] for made in influx.created} == {"0a"}
    assert setup.prepare(config(fake)).created == ()


def test_a_token_limited_to_its_buckets_is_enough(fake: Any):
    influx = Influx2(fake, {"flowsleuth", "flowsleuth/detail"}, orgs=False, create=401)
    assert setup.prepare(config(fake)).created == ()
    assert influx.created == []


def test_one_retention_needs_one_bucket(fake: Any):
    Influx2(fake, {"flowsleuth"}, orgs=False)
    assert setup.prepare(config(fake, detail="")).created == ()


@pytest.mark.parametrize("powers", [{"orgs": False}, {"create": 401}, {"create": 403}])
def test_what_the_token_may_not_create_is_said_as_commands(fake: Any, powers: dict[str, Any]):
    Influx2(fake, {"flowsleuth"}, **powers)
    with pytest.raises(ServiceError) as caught:
        setup.prepare(config(fake))
    text = str(caught.value)
    assert "influx bucket create -o netops -n flowsleuth/detail -r 720h" in text
    assert "-n flowsleuth -r" not in text, "that one is there"
    assert "\n" not in text


@pytest.mark.parametrize(
    ("powers", "settings", "said"),
    [
        ({"token": False}, {}, "does not accept influx.token (401: unauthorized access)"),
        ({"write": False}, {}, "influx.token may not write to the bucket flowsleuth (403"),
        ({}, {"org": "nobody"}, "finds no organisation nobody (404"),
        ({}, {"org": ""}, "influx.org must name the organisation"),
    ],
)
def test_a_refusal_names_the_setting(
    fake: Any, powers: dict[str, Any], settings: dict[str, Any], said: str
):
    Influx2(fake, {"flowsleuth", "flowsleuth/detail"}, **powers)
    with pytest.raises(ServiceError) as caught:
        setup.prepare(config(fake, **settings))
    assert said in str(caught.value)
    assert fake.url in str(caught.value) or "bucket" in said


def test_a_bucket_that_appears_meanwhile_is_no_error(fake: Any):
    Influx2(fake, {"flowsleuth"}, create=422)
    assert setup.prepare(config(fake)).kind == "2"


@pytest.mark.parametrize(
    ("version", "setup_status", "kind"),
    [("v2.7.12", 404, "2"), ("2.0.9", 404, "2"), ("1.8.10", 404, "1.8"),
     ("unknown", 404, "1.8"), ("dev", 200, "2")],
)  # fmt: skip
def test_versions_are_told_apart(fake: Any, version: str, setup_status: int, kind: str):
    told = type(fake.answer(None))
    fake.answer = lambda asked: (
        told(204, None, {"X-Influxdb-Version": version})
        if asked.path == "/ping"
        else told(setup_status, {})
    )
    settings = fake.settings()
    with server.connect(settings) as client:
        assert setup.identify(client, settings) == (kind, version)


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (200, {}, "does not answer as an InfluxDB: see influx.url"),
        (204, {"X-Influxdb-Version": "1.7.9"}, "is 1.7.9: 1.8 and 2.x are supported"),
        (204, {"X-Influxdb-Version": "3.0.1"}, "is 3.0.1: 1.8 and 2.x are supported"),
        (401, {}, "does not accept influx.token"),
        (503, {"X-Influxdb-Version": "v2.7.12"}, "answers 503"),
    ],
)
def test_other_servers_are_refused(fake: Any, status: int, headers: dict[str, str], said: str):
    told = type(fake.answer(None))
    fake.answer = lambda _: told(status, {"message": "x"} if status != 204 else None, headers)
    with pytest.raises(ServiceError, match=said):
        setup.prepare(config(fake))


def test_a_server_that_is_away_is_one_line():
    away = Config(influx={"url": "http://127.0.0.1:1"})
    with pytest.raises(server.Away) as caught:
        setup.prepare(away)
    assert str(caught.value).startswith("InfluxDB at http://127.0.0.1:1 cannot be reached: ")
    assert "Connection refused" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_https_that_is_none_is_one_line(fake: Any):
    url = fake.url.replace("http:", "https:")
    with pytest.raises(ServiceError, match=f"InfluxDB at {url} cannot be reached: ") as caught:
        setup.prepare(Config(influx={"url": url}))
    assert not isinstance(caught.value, server.Away), "waiting does not mend that"


@pytest.mark.parametrize(("status", "away"), [(429, True), (503, True), (401, False), (403, False)])
def test_what_may_answer_later_is_told_from_what_refuses(fake: Any, status: int, away: bool):
    told = type(fake.answer(None))
    fake.answer = lambda asked: (
        told(204, None, V2) if asked.path == "/ping" else told(status, {"message": "x"})
    )
    for ask in (
        lambda client, settings: server.influxql(client, settings, "SHOW DATABASES"),
        lambda *_: setup.prepare(config(fake)),
    ):
        settings = fake.settings()
        with server.connect(settings) as client, pytest.raises(ServiceError) as caught:
            ask(client, settings)
        assert isinstance(caught.value, server.Away) is away


def test_what_1_8_may_not_create_is_said_as_influxql(fake: Any):
    told = type(fake.answer(None))

    def answer(asked: Any) -> Any:
        if asked.path == "/ping":
            return told(204, None, {"X-Influxdb-Version": "1.8.10"})
        if asked.query["q"].startswith("SHOW"):
            return told(200, {"results": [{"series": [{"columns": ["name"], "values": []}]}]})
        return told(403, {"error": "error authorizing query: requires admin privilege"})

    fake.answer = answer
    with pytest.raises(ServiceError) as caught:
        setup.prepare(config(fake))
    assert "requires admin privilege" in str(caught.value)
    assert 'CREATE DATABASE "flowsleuth" WITH DURATION 17520h REPLICATION 1' in str(caught.value)
    assert 'CREATE RETENTION POLICY "detail" ON "flowsleuth" DURATION 720h' in str(caught.value)
