"""A real Grafana: what `provision` puts there, twice, what it takes away, and files against API."""

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from local_grafana import GrafanaService, find_grafana, local_grafana
from services import eventually
from write.conftest import FakeServer, Told

from flowsleuth.errors import ServiceError
from flowsleuth.grafana.contacts import WALL
from flowsleuth.grafana.links import UIDS
from provision.conftest import Provision, Ran

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]

Json = dict[str, Any]

SHIPPED = "networks: [{name: A, prefixes: [10.0.0.0/8], floor: 1M}]\n"
"""The configuration for which the shipped files are made."""


NIGHTS = [{"times": [{"start_time": "22:00", "end_time": "24:00"}]}]


class Real:
    """The API of a real Grafana, and the command for it."""

    def __init__(
        self, service: GrafanaService, command: Provision, patch: pytest.MonkeyPatch
    ) -> None:
        self.service = service
        self._command = command
        self._patch = patch

    def provision(self, *arguments: object, config: str = SHIPPED) -> Ran:
        return self._command("--grafana", self.service.url, *arguments, config=config)

    def remove(self) -> None:
        """Take ours away, as whoever may do all."""
        self._patch.delenv("GRAFANA_TOKEN", raising=False)
        as_user(self.service, self._patch)
        ran = self.provision("--remove")
        assert ran.status == 0, ran.err

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """Return the body of an answer; raises HTTPError."""
        request = urllib.request.Request(
            f"{self.service.url.rstrip('/')}/api{path}",
            None if body is None else json.dumps(body).encode(),
            {
                "Content-Type": "application/json",
                "Authorization": self.service.authorization,
                "X-Disable-Provenance": "true",
            },
            method=method,
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read()

    def get(self, path: str) -> Any:
        return json.loads(self.ask("GET", path))

    def find(self, path: str) -> bytes:
        try:
            return self.ask("GET", path)
        except urllib.error.HTTPError as error:
            return str(error.code).encode()

    def export(self) -> dict[str, bytes]:
        """Everything that Grafana gives away of itself, byte by byte as it does."""
        paths = [
            "/v1/provisioning/alert-rules/export",
            "/v1/provisioning/alert-rules",
            "/v1/provisioning/policies/export",
            "/v1/provisioning/policies",
            "/v1/provisioning/contact-points/export?decrypt=true",
            "/v1/provisioning/contact-points",
            "/v1/provisioning/mute-timings/export",
            "/v1/provisioning/mute-timings",
            "/v1/provisioning/templates",
            "/alertmanager/grafana/config/api/v1/alerts",
            "/folders?limit=1000",
            "/datasources",
            "/playlists/",
            "/library-elements",
            "/org/preferences",
        ]
        paths += [f"/dashboards/uid/{one['uid']}" for one in self.get("/search?type=dash-db")]
        paths += [f"/datasources/uid/{one['uid']}" for one in self.get("/datasources")]
        paths += [f"/playlists/{one['uid']}" for one in self.get("/playlists/")]
        paths += [f"/folders/{one['uid']}/permissions" for one in self.get("/folders")]
        return {
            path: in_order(self.find(path)) if path.endswith("/permissions") else self.find(path)
            for path in paths
        }


def in_order(answer: bytes) -> bytes:
    """Return a list that Grafana gives in any order, in one."""
    return b"\n".join(sorted(json.dumps(one).encode() for one in json.loads(answer)))


@pytest.fixture
def real(
    grafana: GrafanaService, command: Provision, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Real]:
    """A Grafana in which nothing of ours is; what a test puts there is taken out again."""
    as_user(grafana, monkeypatch)
    one = Real(grafana, command, monkeypatch)
    if one.find("/folders/flowsleuth") != b"404":
        pytest.skip("somebody's FlowSleuth is in this Grafana already")
    yield one
    one.remove()


def as_user(service: GrafanaService, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(service.credential, str):
        monkeypatch.setenv("GRAFANA_TOKEN", service.credential)
    else:
        monkeypatch.setenv("GRAFANA_USER", service.credential[0])
        monkeypatch.setenv("GRAFANA_PASSWORD", service.credential[1])


@pytest.fixture
def inhabited(real: Real) -> Iterator[Real]:
    """A Grafana whose user has things of their own, some of them of our names."""
    query = {
        "refId": "A",
        "datasourceUid": "__expr__",
        "relativeTimeRange": {"from": 60, "to": 0},
        "model": {"refId": "A", "type": "math", "expression": "1 > 2"},
    }
    rule = {
        "uid": "users-rule", "title": "Mine", "condition": "A", "data": [query], "for": "1m",
        "noDataState": "OK", "execErrState": "OK", "labels": {"team": "noc"},
    }  # fmt: skip
    mine = [
        ("POST", "/folders", {"uid": "users-folder", "title": "FlowSleuth"}),
        ("POST", "/datasources", {"uid": "users-source", "name": "FlowSleuth", "type": "influxdb",
                                  "access": "proxy", "url": "http://127.0.0.1:1",
                                  "jsonData": {"version": "InfluxQL"}}),
        ("POST", "/v1/provisioning/contact-points",
         {"uid": "users-contact", "name": "FlowSleuth", "type": "webhook",
          "settings": {"url": "http://127.0.0.1:1/", "password": "p"}}),
        ("PUT", "/v1/provisioning/templates/mine", {"template": '{{ define "mine" }}x{{ end }}'}),
        ("POST", "/v1/provisioning/mute-timings",
         {"name": "nights", "time_intervals": NIGHTS}),
        ("PUT", "/v1/provisioning/policies",
         {"receiver": "FlowSleuth", "group_by": ["grafana_folder"],
          "routes": [{"receiver": "FlowSleuth", "object_matchers": [["team", "=", "noc"]],
                      "mute_time_intervals": ["nights"]}]}),
        ("PUT", "/v1/provisioning/folder/users-folder/rule-groups/mine",
         {"title": "mine", "folderUid": "users-folder", "interval": 60, "rules": [rule]}),
        ("POST", "/dashboards/db", {"folderUid": "users-folder", "dashboard":
         {"uid": "users-page", "title": "FlowSleuth / Wall", "tags": ["flowsleuth"],
          "panels": []}}),
        ("POST", "/playlists/", {"uid": "users-list", "name": "FlowSleuth NOC", "interval": "5m",
         "items": [{"type": "dashboard_by_uid", "value": "users-page"}]}),
    ]  # fmt: skip
    before = real.get("/v1/provisioning/policies")
    before.pop("provenance", None)
    for method, path, body in mine:
        real.ask(method, path, body)
    yield real
    real.remove()
    lists = real.get("/playlists/")
    real.ask("DELETE", f"/playlists/{next(p['uid'] for p in lists if p['interval'] == '5m')}")
    for path in ("/dashboards/uid/users-page", "/v1/provisioning/alert-rules/users-rule"):
        real.ask("DELETE", path)
    real.ask("PUT", "/v1/provisioning/policies", before)
    for path in (
        "/v1/provisioning/mute-timings/nights", "/v1/provisioning/templates/mine",
        "/v1/provisioning/contact-points/users-contact", "/datasources/uid/users-source",
        "/folders/users-folder",
    ):  # fmt: skip
        real.ask("DELETE", path)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """Something that takes messages, which the environment names as our webhook."""
    server = FakeServer()
    server.answer = lambda _: Told(200, {})
    monkeypatch.setenv("FLOWSLEUTH_WEBHOOK_URL", f"{server.url}/s3cret")
    yield server
    server.close()


def nothing_to_do(ran: Ran) -> bool:
    assert ran.status == 0, ran.err
    assert ran.last.startswith("nothing to change: all "), ran.out
    return True


def test_twice_changes_nothing_the_second_time(real, hook):
    ran = real.provision()
    assert ran.status == 0, ran.err
    before = real.export()
    assert nothing_to_do(real.provision())
    assert nothing_to_do(real.provision("--dry-run"))
    assert real.export() == before
    rules = real.get("/v1/provisioning/alert-rules")
    assert rules
    told = {rule["labels"]["severity"]: rule["notification_settings"] for rule in rules}
    assert {told[severity]["receiver"] for severity in ("critical", "warning")} == {"FlowSleuth"}
    assert told["info"]["receiver"] == told["info"]["mute_time_intervals"][0] == WALL
    assert not any(rule.get("provenance") for rule in rules)
    for path in ("contact-points", "templates", "mute-timings"):
        for one in real.get(f"/v1/provisioning/{path}") or []:
            assert not one.get("provenance"), one
    for uid in UIDS.values():
        assert real.get(f"/dashboards/uid/{uid}")["meta"]["folderUid"] == "flowsleuth"


def test_remove_restores_a_grafana_to_the_byte(inhabited, hook):
    before = inhabited.export()
    ran = inhabited.provision()
    assert ran.status == 0, ran.err
    assert inhabited.find("/datasources/uid/flowsleuth") != b"404"
    policies = "/v1/provisioning/policies"
    assert inhabited.find(policies) == before[policies]
    assert nothing_to_do(inhabited.provision())
    ran = inhabited.provision("--remove")
    assert ran.status == 0, ran.err
    assert ran.err == ""
    after = inhabited.export()
    for path in before:
        assert after[path] == before[path], path
    assert after == before


def test_what_somebody_changed_is_said_and_overwritten_or_kept(real, hook):
    assert real.provision().status == 0
    before = real.export()
    rule = real.get("/v1/provisioning/alert-rules")[0]
    wall = real.get("/dashboards/uid/flowsleuth-wall")["dashboard"]
    title = wall["panels"][0]["title"]
    wall["panels"][0]["title"] = "Look here"
    real.ask("POST", "/dashboards/db", {"dashboard": wall, "folderUid": "flowsleuth"})
    moved = {**rule, "for": "9m", "ruleGroup": "mine", "labels": {**rule["labels"], "who": "me"}}
    real.ask("PUT", f"/v1/provisioning/alert-rules/{rule['uid']}", moved)
    contact = real.get("/v1/provisioning/contact-points?name=FlowSleuth")[0]
    contact["disableResolveMessage"] = True
    real.ask("PUT", f"/v1/provisioning/contact-points/{contact['uid']}", contact)
    source = real.get("/datasources/uid/flowsleuth")
    source["url"] = "http://127.0.0.1:2"
    real.ask("PUT", "/datasources/uid/flowsleuth", source)
    changed = real.export()
    kept = real.provision("--keep-edits")
    assert kept.out.count("is kept:") == 4, kept.out
    assert real.export() == changed
    ran = real.provision()
    assert ran.status == 0, ran.err
    for said in ("- Look here", f"+ {title}", "label who", "- 540", "- mine", "- http://127.0.0.1:2",
                 "disableResolveMessage"):  # fmt: skip
        assert said in ran.out
    assert "s3cret" not in ran.out
    assert ran.out.count("is overwritten:") == 4
    assert nothing_to_do(real.provision())
    after = real.export()
    for path in ("/v1/provisioning/contact-points/export?decrypt=true",
                 "/v1/provisioning/alert-rules/export"):  # fmt: skip
        assert after[path] == before[path]


def test_the_demos_alert_reaches_the_receiver(real, hook):
    ran = real.provision("--test")
    assert ran.status == 0, ran.err
    assert "test alert sent through FlowSleuth: flowsleuth-webhook: ok" in ran.out
    assert eventually(lambda: hook.asked)
    assert b"14857" in hook.asked[-1].body
    hook.answer = lambda _: Told(500, {"message": "no room"})
    ran = real.provision("--test")
    assert ran.status == 1
    assert "the test alert did not pass FlowSleuth" in ran.err.splitlines()[-1]


@pytest.fixture
def token(real: Real, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """`token("Viewer")` has the command ask with the token of a service account of that role."""
    made = []

    def make(role: str) -> str:
        account = json.loads(
            real.ask("POST", "/serviceaccounts", {"name": f"test-{role}", "role": role})
        )
        made.append(account["id"])
        path = f"/serviceaccounts/{account['id']}/tokens"
        key = json.loads(real.ask("POST", path, {"name": f"test-{role}"}))["key"]
        monkeypatch.setenv("GRAFANA_TOKEN", key)
        monkeypatch.delenv("GRAFANA_USER", raising=False)
        return str(key)

    yield make
    for number in made:
        real.ask("DELETE", f"/serviceaccounts/{number}")


def test_permissions_that_lack_are_named(real, token):
    before = real.export()
    key = token("Viewer")
    ran = real.provision()
    assert ran.status == 1
    assert ran.err.count("\n") == 1
    assert key not in ran.err
    for what in ("create folders", "write dashboards", "write data sources", "write alert rules",
                 "write contact points"):  # fmt: skip
        assert what in ran.err
    token("Editor")
    ran = real.provision()
    assert ran.status == 1
    assert "may not write data sources" in ran.err
    assert real.export() == before
    monkey = token("Admin")
    assert monkey
    assert real.provision().status == 0
    assert nothing_to_do(real.provision())


def test_an_editor_may_do_all_with_a_data_source_that_is_there(inhabited, token):
    token("Editor")
    arguments = ("--datasource", "users-source", "--receiver", "FlowSleuth", "--mute", "nights")
    ran = inhabited.provision(*arguments)
    assert ran.status == 0, ran.err
    assert nothing_to_do(inhabited.provision(*arguments))
    rules = inhabited.get("/v1/provisioning/alert-rules")
    ours = [rule for rule in rules if rule["uid"].startswith("flowsleuth-")]
    asked = {query["datasourceUid"] for rule in ours for query in rule["data"]}
    assert asked == {"users-source", "__expr__"}
    ran = inhabited.provision("--remove")
    assert ran.status == 0, ran.err


def test_a_refused_token(real, monkeypatch):
    monkeypatch.setenv("GRAFANA_TOKEN", "glsa_nonsense")
    ran = real.provision()
    assert ran.status == 1
    assert ran.err.count("\n") == 1
    assert "does not accept the token" in ran.err


# Files and API


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrafanaService]:
    """A Grafana that has read the shipped files."""
    try:
        find_grafana()
    except ServiceError as error:
        pytest.skip(f"no grafana of its own: {error}")
    folder = tmp_path_factory.mktemp("filed") / "provisioning"
    shutil.copytree(ROOT / "provisioning", folder)
    (folder / "plugins").mkdir()
    environment = {
        "FLOWSLEUTH_INFLUX_URL": "http://localhost:8086",
        "FLOWSLEUTH_INFLUX_DATABASE": "flowsleuth",
        "FLOWSLEUTH_INFLUX_TOKEN": "tok$en",
        "FLOWSLEUTH_DASHBOARDS": str(ROOT / "dashboards"),
    }
    with local_grafana(folder, environment) as service:
        yield service


def comparable(one: Real) -> Json:
    """What all that is put there is, whoever put it there."""
    rules = {rule["uid"]: rule for rule in one.get("/v1/provisioning/alert-rules")}
    for rule in rules.values():
        rule["annotations"].pop("__flowsleuth__", None)
        for key in ("id", "guid", "updated", "provenance", "folderUID", "metadata"):
            rule.pop(key, None)
    groups = one.get("/ruler/grafana/api/v1/rules")["FlowSleuth alerts"]
    templates = {
        template["name"]: template["template"].partition("\n{{- /* flowsleuth:")[0]
        for template in one.get("/v1/provisioning/templates") or []
    }
    pages = {}
    for uid in UIDS.values():
        answer = one.get(f"/dashboards/uid/{uid}")
        page = answer["dashboard"]
        listed = page["templating"]["list"]
        page["templating"]["list"] = [v for v in listed if v["name"] != "flowsleuth"]
        for key in ("id", "version"):
            page.pop(key, None)
        pages[uid] = (page, answer["meta"]["folderTitle"])
    points = {
        point["uid"]: (point["name"], point["type"], _unstamped(point["settings"]))
        for point in one.get("/v1/provisioning/contact-points")
        if point["uid"].startswith("flowsleuth-")
    }
    mutes = {m["name"]: m["time_intervals"] for m in one.get("/v1/provisioning/mute-timings")}
    source = one.get("/datasources/uid/flowsleuth")
    source["jsonData"].pop("flowsleuth", None)
    for key in ("id", "version", "readOnly", "accessControl"):
        source.pop(key, None)
    return {
        "rules": rules,
        "groups": {group["name"]: group["interval"] for group in groups},
        "templates": templates,
        "pages": pages,
        "points": points,
        "mutes": mutes,
        "source": source,
    }


def _unstamped(settings: Json) -> Json:
    return {key: value for key, value in settings.items() if key != "flowsleuth"}


def test_files_and_api_give_the_same(real, filed, command, monkeypatch):
    token = 'influx: {url: "http://localhost:8086", token: "tok$en", org: netops}\n'
    ran = real.provision("--receiver", "policy", config=SHIPPED + token)
    assert ran.status == 0, ran.err
    by_api, by_files = comparable(real), comparable(Real(filed, command, monkeypatch))
    assert by_files["points"]
    assert by_files["mutes"]
    for what, there in by_files.items():
        assert by_api[what].keys() == there.keys(), what
        for key in there:
            assert by_api[what][key] == there[key], f"{what} {key}"


def test_what_files_keep_is_left_to_them(filed, command, monkeypatch):
    as_user(filed, monkeypatch)
    one = Real(filed, command, monkeypatch)
    before = one.export()
    ran = one.provision("--adopt")
    assert ran.status == 1
    assert ran.err.count("\n") == 1
    assert "is kept by Grafana's file provisioning" in ran.err
    assert one.provision("--remove").status == 0
    assert one.export() == before
