"""The script of the first start: secrets that are made once, tokens with few rights."""

import json
import runpy
import stat

import pytest
from write.conftest import Asked, FakeServer, Told, fake

from .compose import DOCKER

__all__ = ["fake"]


@pytest.fixture
def script(monkeypatch, tmp_path):
    """`script(argument)` runs it on a folder of its own."""
    monkeypatch.setenv("FLOWSLEUTH_SECRETS", str(tmp_path))

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["first_start.py", *arguments])
        runpy.run_path(str(DOCKER / "first_start.py"), run_name="__main__")
        return {path.name: path.read_text() for path in tmp_path.iterdir()}

    return run


class Influx:
    """InfluxDB 2.7 as far as the script asks: the operator sees all, and buckets are made."""

    def __init__(self) -> None:
        self.buckets = {"flowsleuth": "b1"}
        self.made: list[dict[str, object]] = []

    def answer(self, asked: Asked) -> Told:
        body = json.loads(asked.body) if asked.body[:1] == b"{" else None
        match asked.method, asked.path:
            case "GET", "/ping":
                return Told(headers={"X-Influxdb-Version": "v2.7.12"})
            case "POST", "/api/v2/write":
                there = asked.query["bucket"] in self.buckets
                said = "unable to parse" if there else f'bucket "{asked.query["bucket"]}" not found'
                return Told(400 if there else 404, {"message": said})
            case "GET", "/api/v2/orgs":
                return Told(200, {"orgs": [{"id": "o1", "name": "flowsleuth"}]})
            case "POST", "/api/v2/buckets":
                self.buckets[body["name"]] = "b2"
                return Told(201, {})
            case "GET", "/api/v2/buckets":
                found = self.buckets[asked.query["name"]]
                return Told(200, {"buckets": [{"id": found, "name": asked.query["name"]}]})
            case "POST", "/api/v2/authorizations":
                self.made.append(body)
                return Told(201, {"token": f"token {len(self.made)}"})
        return Told(500, {"message": f"not expected: {asked.method} {asked.path}"})


def test_secrets_are_made_once_and_differ(script, tmp_path):
    first = script("secrets")
    assert set(first) == {"influxdb-password", "influxdb-admin-token", "grafana-password"}
    assert len(set(first.values())) == len(first)
    assert min(map(len, first.values())) > 40
    assert script("secrets") == first
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o444}


def test_tokens_are_limited_to_the_two_buckets(script, fake: FakeServer, monkeypatch):
    influx = Influx()
    fake.answer = influx.answer
    monkeypatch.setenv("INFLUX_URL", fake.url)
    monkeypatch.setenv("INFLUX_ORG", "flowsleuth")
    secrets = script("secrets")
    found = script("tokens")
    assert set(influx.buckets) == {"flowsleuth", "flowsleuth/detail"}
    may = {
        body["description"]: {
            (p["action"], p["resource"]["type"], p["resource"]["id"]) for p in body["permissions"]
        }
        for body in influx.made
    }
    both = [("buckets", "b1"), ("buckets", "b2")]
    assert may == {
        "flowsleuth write-token": {(a, *b) for a in ("read", "write") for b in both},
        "flowsleuth read-token": {("read", *b) for b in both},
    }
    assert {found["write-token"], found["read-token"]} == {"token 1", "token 2"}
    admin = f"Token {secrets['influxdb-admin-token']}"
    assert {asked.headers["authorization"] for asked in fake.asked} == {admin}
    asked = len(fake.asked)
    assert script("tokens") == found
    assert len(fake.asked) == asked


def test_what_goes_wrong_is_one_line(script, fake: FakeServer, monkeypatch):
    monkeypatch.setenv("INFLUX_URL", fake.url)
    monkeypatch.setenv("INFLUX_ORG", "flowsleuth")
    script("secrets")
    fake.answer = lambda _: Told(401, {"message": "unauthorized access"})
    with pytest.raises(SystemExit, match=r"^first_start: InfluxDB at .*401"):
        script("tokens")
    with pytest.raises(SystemExit, match="usage"):
        script()
