"""A Grafana that is none: as much of its API as `provision` asks, and refuses as the real one does.

test_real.py asks the real one the same; what differs there is wrong here.
"""

import copy
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from write.conftest import Asked, FakeServer, Told

Json = dict[str, Any]

VIEWER = {"folders:read", "dashboards:read", "datasources:query", "alert.rules:read",
          "alert.notifications:read"}  # fmt: skip
EDITOR = VIEWER | {
    "folders:create", "folders:write", "folders:delete",
    "dashboards:create", "dashboards:write", "dashboards:delete",
    "alert.rules:create", "alert.rules:write", "alert.rules:delete",
    "alert.notifications:write", "alert.provisioning.provenance:write",
}  # fmt: skip
ADMIN = EDITOR | {
    "datasources:read", "datasources:create", "datasources:write", "datasources:delete",
    "alert.provisioning:write",
}  # fmt: skip

SECRET = {"slack": {"url", "token"}, "telegram": {"bottoken"}, "pagerduty": {"integrationKey"},
          "webhook": {"password", "authorization_credentials"}}  # fmt: skip
"""What each type of contact point gives back as [REDACTED]."""

ROUTES: list[tuple[str, str, str]] = []


def route(method: str, pattern: str) -> Callable[[Any], Any]:
    def add(function: Any) -> Any:
        ROUTES.append((method, f"/api{pattern}/?", function.__name__))
        return function

    return add


class FakeGrafana:
    """Its state is plain to see and to change; `refuse` is asked before anything else."""

    def __init__(self) -> None:
        self.server = FakeServer()
        self.server.answer = self.answer
        self.version = "12.4.0"
        self.root = "https://grafana.example.net/"
        self.permissions = ADMIN
        self.folders: dict[str, Json] = {}
        self.sources: dict[str, Json] = {}
        self.secrets: dict[str, Json] = {}
        self.dashboards: dict[str, Json] = {}
        self.rules: dict[str, Json] = {}
        self.intervals: dict[tuple[str, str], int] = {}
        self.contacts: dict[str, Json] = {}
        self.templates: dict[str, Json] = {}
        self.playlists: dict[str, Json] = {}
        self.mutes: dict[str, Json] = {}
        self.policies: Json = {"receiver": "empty"}
        self.healthy: Told = Told(200, {"status": "OK", "message": "fine"})
        self.tried: list[Json] = []
        self.refuse: Callable[[Asked], Told | None] = lambda _: None

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def written(self) -> list[str]:
        """What was asked that writes, `METHOD path`."""
        return [
            f"{asked.method} {asked.path}" for asked in self.server.asked if asked.method != "GET"
        ]

    def state(self) -> Json:
        """All that is in it, for comparisons."""
        names = ("folders", "sources", "secrets", "dashboards", "rules", "intervals", "contacts",
                 "templates", "playlists", "policies", "mutes")  # fmt: skip
        return copy.deepcopy({name: getattr(self, name) for name in names})

    def answer(self, asked: Asked) -> Told:
        if (told := self.refuse(asked)) is not None:
            return told
        for method, pattern, name in ROUTES:
            if method == asked.method and (at := re.fullmatch(pattern, asked.path)):
                return getattr(self, name)(asked, *map(unquote, at.groups()))
        return Told(404, {"message": f"no route {asked.method} {asked.path}"})

    @route("GET", "/health")
    def _health(self, _: Asked) -> Told:
        return Told(200, {"database": "ok", "version": self.version, "commit": "x"})

    @route("GET", "/frontend/settings")
    def _settings(self, _: Asked) -> Told:
        listed = {
            one["name"]: {"uid": one["uid"], "type": one["type"], "jsonData": one["jsonData"]}
            for one in self.sources.values()
        }
        build = {"version": self.version}
        return Told(200, {"appUrl": self.root, "buildInfo": build, "datasources": listed})

    @route("GET", "/access-control/user/permissions")
    def _permissions(self, asked: Asked) -> Told:
        if asked.headers.get("authorization") != "Bearer good":
            return Told(401, {"message": "Invalid API key"})
        return Told(200, {action: ["*"] for action in sorted(self.permissions)})

    # Folders

    @route("GET", "/folders")
    def _folders(self, _: Asked) -> Told:
        return Told(200, list(self.folders.values()))

    @route("POST", "/folders")
    def _new_folder(self, asked: Asked) -> Told:
        body = json_of(asked)
        if body["uid"] in self.folders:
            return Told(412, {"message": "a folder with the same uid exists"})
        self.folders[body["uid"]] = body
        return Told(200, body)

    @route("GET", "/folders/([^/]+)")
    def _folder(self, _: Asked, uid: str) -> Told:
        return found(self.folders, uid)

    @route("PUT", "/folders/([^/]+)")
    def _put_folder(self, asked: Asked, uid: str) -> Told:
        self.folders[uid] = {"uid": uid, "title": json_of(asked)["title"]}
        return Told(200, self.folders[uid])

    @route("GET", "/folders/([^/]+)/counts")
    def _counts(self, _: Asked, uid: str) -> Told:
        pages = sum(one["meta"]["folderUid"] == uid for one in self.dashboards.values())
        rules = sum(one["folderUID"] == uid for one in self.rules.values())
        return Told(200, {"dashboard": pages, "alertrule": rules, "folder": 0})

    @route("DELETE", "/folders/([^/]+)")
    def _no_folder(self, _: Asked, uid: str) -> Told:
        del self.folders[uid]
        return Told(200, {"message": "deleted"})

    # Data sources

    @route("GET", "/datasources/uid/([^/]+)")
    def _source(self, _: Asked, uid: str) -> Told:
        if "datasources:read" not in self.permissions:
            return Told(403, {"message": "Permissions needed: datasources:read"})
        if uid not in self.sources:
            return Told(404, {"message": "Data source not found"})
        fields = dict.fromkeys(self.secrets.get(uid, {}), True)
        return Told(200, {**self.sources[uid], "secureJsonFields": fields})

    @route("POST", "/datasources")
    def _new_source(self, asked: Asked) -> Told:
        body = json_of(asked)
        if any(body["name"] == one["name"] for one in self.sources.values()):
            return Told(409, {"message": "data source with the same name already exists"})
        return self._keep_source(
            {"isDefault": False, "readOnly": False, "basicAuth": False, **body}
        )

    @route("PUT", "/datasources/uid/([^/]+)")
    def _put_source(self, asked: Asked, uid: str) -> Told:
        return self._keep_source({**self.sources[uid], **json_of(asked)})

    def _keep_source(self, body: Json) -> Told:
        uid = body["uid"]
        self.secrets[uid] = {**self.secrets.get(uid, {}), **body.pop("secureJsonData", {})}
        self.sources[uid] = body
        return Told(200, {"datasource": body})

    @route("DELETE", "/datasources/uid/([^/]+)")
    def _no_source(self, _: Asked, uid: str) -> Told:
        del self.sources[uid]
        self.secrets.pop(uid, None)
        return Told(200, {"message": "Data source deleted"})

    @route("GET", "/datasources/uid/([^/]+)/health")
    def _source_health(self, _: Asked, uid: str) -> Told:
        return self.healthy

    # Dashboards

    @route("GET", "/search")
    def _search(self, asked: Asked) -> Told:
        tag = asked.query.get("tag")
        return Told(
            200,
            [
                {"uid": uid, "title": one["dashboard"]["title"]}
                for uid, one in self.dashboards.items()
                if tag in one["dashboard"].get("tags", [])
            ],
        )

    @route("GET", "/dashboards/uid/([^/]+)")
    def _dashboard(self, _: Asked, uid: str) -> Told:
        return found(self.dashboards, uid)

    @route("POST", "/dashboards/db")
    def _put_dashboard(self, asked: Asked) -> Told:
        body = json_of(asked)
        page, uid = body["dashboard"], body["dashboard"]["uid"]
        before = self.dashboards.get(uid, {"dashboard": {"version": 0, "id": len(self.dashboards)}})
        if before.get("meta", {}).get("provisioned"):
            return Told(400, {"message": "Cannot save provisioned dashboard"})
        numbers = {"id": before["dashboard"]["id"], "version": before["dashboard"]["version"] + 1}
        meta = {"folderUid": body["folderUid"], "provisioned": False}
        self.dashboards[uid] = {"dashboard": {**page, **numbers}, "meta": meta}
        return Told(200, {"uid": uid, "status": "success"})

    @route("DELETE", "/dashboards/uid/([^/]+)")
    def _no_dashboard(self, _: Asked, uid: str) -> Told:
        del self.dashboards[uid]
        return Told(200, {"title": uid})

    # Alerting

    @route("GET", "/v1/provisioning/alert-rules")
    def _rules(self, _: Asked) -> Told:
        return Told(200, list(self.rules.values()))

    @route("DELETE", "/v1/provisioning/alert-rules/([^/]+)")
    def _no_rule(self, _: Asked, uid: str) -> Told:
        del self.rules[uid]
        self._forget_empty_groups()
        return Told(204)

    def _forget_empty_groups(self) -> None:
        used = {(rule["folderUID"], rule["ruleGroup"]) for rule in self.rules.values()}
        self.intervals = {key: value for key, value in self.intervals.items() if key in used}

    @route("GET", "/v1/provisioning/folder/([^/]+)/rule-groups/([^/]+)")
    def _group(self, _: Asked, folder: str, name: str) -> Told:
        inside = [
            rule
            for rule in self.rules.values()
            if (rule["folderUID"], rule["ruleGroup"]) == (folder, name)
        ]
        if not inside:
            return Told(404, {"message": "rule group not found"})
        interval = self.intervals[folder, name]
        return Told(
            200, {"title": name, "folderUid": folder, "interval": interval, "rules": inside}
        )

    @route("PUT", "/v1/provisioning/folder/([^/]+)/rule-groups/([^/]+)")
    def _put_group(self, asked: Asked, folder: str, name: str) -> Told:
        body = json_of(asked)
        for rule in body["rules"]:
            told = (rule.get("notification_settings") or {}).get("receiver")
            names = {one["name"] for one in self.contacts.values()}
            if told and told not in names:
                return Told(400, {"message": f"receiver {told} does not exist"})
            for mute in (rule.get("notification_settings") or {}).get("mute_time_intervals", ()):
                if mute not in self.mutes:
                    return Told(400, {"message": f"mute time interval {mute} does not exist"})
            if self.rules.get(rule["uid"], {}).get("provenance") == "file":
                return Told(409, {"message": "cannot change provenance from 'file' to ''"})
        staying = {rule["uid"] for rule in body["rules"]}
        for uid in [
            uid
            for uid, rule in self.rules.items()
            if (rule["folderUID"], rule["ruleGroup"]) == (folder, name) and uid not in staying
        ]:
            del self.rules[uid]
        self.intervals[folder, name] = body["interval"]
        for rule in body["rules"]:
            placed = {"folderUID": folder, "ruleGroup": name, "provenance": provenance(asked)}
            self.rules[rule["uid"]] = {
                "id": len(self.rules), "orgID": 1, "updated": "2026-11-27T00:00:00Z",
                "keep_firing_for": "0s", "record": None, "notification_settings": None,
                **rule, **placed,
            }  # fmt: skip
        self._forget_empty_groups()
        return Told(200, body)

    @route("GET", "/v1/provisioning/contact-points")
    def _contacts(self, _: Asked) -> Told:
        return Told(200, [redacted(one) for one in self.contacts.values()])

    @route("POST", "/v1/provisioning/contact-points")
    def _new_contact(self, asked: Asked) -> Told:
        body = json_of(asked)
        if body["uid"] in self.contacts:
            return Told(409, {"message": "receiver configuration with this UID exists"})
        self.contacts[body["uid"]] = {**body, "provenance": provenance(asked)}
        return Told(202, body)

    @route("PUT", "/v1/provisioning/contact-points/([^/]+)")
    def _put_contact(self, asked: Asked, uid: str) -> Told:
        body, before = json_of(asked), self.contacts[uid]
        for name, value in body["settings"].items():
            if value == "[REDACTED]":
                body["settings"][name] = before["settings"][name]
        self.contacts[uid] = {**body, "provenance": provenance(asked)}
        return Told(202, {"message": "contactpoint updated"})

    @route("DELETE", "/v1/provisioning/contact-points/([^/]+)")
    def _no_contact(self, _: Asked, uid: str) -> Told:
        name = self.contacts[uid]["name"]
        last = sum(one["name"] == name for one in self.contacts.values()) == 1
        told = [(rule.get("notification_settings") or {}).get("receiver")
                for rule in self.rules.values()]  # fmt: skip
        if last and (name in told or name in str(self.policies)):
            return Told(409, {"message": "Contact point is currently referenced"})
        del self.contacts[uid]
        return Told(202, {"message": "contactpoint deleted"})

    @route("GET", "/v1/provisioning/templates")
    def _templates(self, _: Asked) -> Told:
        return Told(200, list(self.templates.values()))

    @route("PUT", "/v1/provisioning/templates/([^/]+)")
    def _put_template(self, asked: Asked, name: str) -> Told:
        text = json_of(asked)["template"].strip()
        self.templates[name] = {"name": name, "template": text, "provenance": provenance(asked)}
        return Told(202, self.templates[name])

    @route("DELETE", "/v1/provisioning/templates/([^/]+)")
    def _no_template(self, _: Asked, name: str) -> Told:
        del self.templates[name]
        return Told(204)

    @route("GET", "/v1/provisioning/mute-timings")
    def _mutes(self, _: Asked) -> Told:
        return Told(200, list(self.mutes.values()))

    @route("POST", "/v1/provisioning/mute-timings")
    def _new_mute(self, asked: Asked) -> Told:
        body = json_of(asked)
        self.mutes[body["name"]] = {**body, "provenance": provenance(asked)}
        return Told(201, body)

    @route("PUT", "/v1/provisioning/mute-timings/([^/]+)")
    def _put_mute(self, asked: Asked, name: str) -> Told:
        self.mutes[name] = {**json_of(asked), "provenance": provenance(asked)}
        return Told(202, self.mutes[name])

    @route("DELETE", "/v1/provisioning/mute-timings/([^/]+)")
    def _no_mute(self, _: Asked, name: str) -> Told:
        if any(name in str(rule["notification_settings"]) for rule in self.rules.values()):
            return Told(409, {"message": "time interval is used by rules"})
        del self.mutes[name]
        return Told(204)

    @route("GET", "/v1/provisioning/policies")
    def _policies(self, _: Asked) -> Told:
        return Told(200, self.policies)

    @route("POST", "/alertmanager/grafana/config/api/v1/receivers/test")
    def _try(self, asked: Asked) -> Told:
        body = json_of(asked)
        self.tried.append(body)
        for receiver in body["receivers"]:
            for one in receiver["grafana_managed_receiver_configs"]:
                one.update({"status": "ok"})
        return Told(200, body)

    # Playlists

    @route("GET", "/playlists")
    def _playlists(self, _: Asked) -> Told:
        brief = ("uid", "name", "interval")
        return Told(200, [{key: one[key] for key in brief} for one in self.playlists.values()])

    @route("GET", "/playlists/([^/]+)")
    def _playlist(self, _: Asked, uid: str) -> Told:
        return found(self.playlists, uid)

    @route("POST", "/playlists")
    def _new_playlist(self, asked: Asked) -> Told:
        body = json_of(asked)
        self.playlists[body["uid"]] = body
        return Told(200, body)

    @route("PUT", "/playlists/([^/]+)")
    def _put_playlist(self, asked: Asked, uid: str) -> Told:
        self.playlists[uid] = json_of(asked)
        return Told(200, self.playlists[uid])

    @route("DELETE", "/playlists/([^/]+)")
    def _no_playlist(self, _: Asked, uid: str) -> Told:
        del self.playlists[uid]
        return Told(200, "")


def json_of(asked: Asked) -> Any:
    import json

    return json.loads(asked.body)


def provenance(asked: Asked) -> str:
    return "" if asked.headers.get("x-disable-provenance") else "api"


def found(there: dict[str, Json], uid: str) -> Told:
    return Told(200, there[uid]) if uid in there else Told(404, {"message": "not found"})


def redacted(contact: Json) -> Json:
    hidden = SECRET.get(contact["type"], set())
    settings = {
        key: "[REDACTED]" if key in hidden else value for key, value in contact["settings"].items()
    }
    return {**contact, "settings": settings}
