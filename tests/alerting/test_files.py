"""The files that Grafana reads: current, and with nothing in them that stops it or fools it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana.evaluator import check

from alerting.judging import shipped
from flowsleuth.grafana import contacts
from flowsleuth.grafana.alerting import messages, write
from flowsleuth.grafana.alerting.constants import LATE, PROMPT, Constants, Span
from flowsleuth.grafana.alerting.rules import rules
from flowsleuth.grafana.contacts import CONTACTS
from flowsleuth.schema import BY_NAME

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
ALERTING = ROOT / "provisioning" / "alerting"

RULES = [rule for group in write.groups(Constants()) for rule in group["rules"]]
KEYS = {
    "uid", "title", "condition", "data", "noDataState", "execErrState", "for", "annotations",
    "labels", "isPaused", "notification_settings",
}  # fmt: skip
"""Of a rule, in Grafana 11.0."""


@pytest.mark.parametrize("name", write.files())
def test_each_file_is_what_the_tables_give(name: str) -> None:
    behind = "run python -m flowsleuth.grafana.alerting.write provisioning/alerting"
    assert (ALERTING / name).read_text("utf-8") == write.files()[name], behind


def test_there_are_no_other_files() -> None:
    there = {str(path.relative_to(ALERTING)) for path in ALERTING.rglob("*") if path.is_file()}
    assert there == set(write.files())


def test_what_needs_the_environment_is_not_read_unless_it_is_copied() -> None:
    read = "".join(path.read_text("utf-8") for path in ALERTING.glob("*.yaml"))
    assert "$FLOWSLEUTH" not in read
    assert "receiver: FlowSleuth\n" not in read


def test_names_fit_into_grafana() -> None:
    uids, titles = ([rule[key] for rule in RULES] for key in ("uid", "title"))
    assert len(set(uids)) == len(set(titles)) == len(RULES)
    assert max(map(len, uids)) <= 40
    assert max(map(len, titles)) <= 190


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["uid"])
def test_each_rule_is_as_grafana_11_takes_it(rule: Json) -> None:
    assert set(rule) <= KEYS
    assert not any("$" in text for text in [rule["title"], *rule["labels"].values()])
    # The evaluator knows its traps: references, ranges, what is asked for and not used.
    assert check(shipped()[rule["uid"].removeprefix("flowsleuth-")]) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["uid"])
def test_without_data_or_answer_the_dead_man_alone_speaks(rule: Json) -> None:
    speaks = rule["uid"] == "flowsleuth-ingester-silent"
    found = (rule["noDataState"], rule["execErrState"])
    assert found == (("Alerting", "Error") if speaks else ("OK", "KeepLast"))


def test_each_rule_ends_with_a_threshold_of_two_edges() -> None:
    for rule in RULES:
        last = rule["data"][-1]["model"]
        assert (last["refId"], last["type"]) == (rule["condition"], "threshold")
        assert last["conditions"][0]["unloadEvaluator"]


SEVERITIES = {
    "critical": {"Ingester silent", "Exporter silent", "Flood", "Amplification"},
    "info": {
        "New heavy service", "It is back", "Scan from inside", "Duplicates", "Clock off",
        "Series budget too small",
    },
}  # fmt: skip


def test_severities_say_what_somebody_has_to_do() -> None:
    for severity, alerts in SEVERITIES.items():
        assert {rule.alert for rule in rules() if rule.severity.name == severity} == alerts


def test_what_is_for_the_wall_tells_nobody() -> None:
    for rule in rules():
        told = next(r for r in RULES if r["uid"] == rule.uid).get("notification_settings")
        if rule.severity.notifies:
            assert told is None
        else:
            assert told["receiver"] == contacts.WALL
            assert told["mute_time_intervals"] == [contacts.WALL]
    (mute,) = write.documents()[write.WALL]["muteTimes"]
    assert mute["time_intervals"] == [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]


def test_culprits_are_grouped_by_rule_protocol_and_port() -> None:
    (group,) = (g for g in write.groups(Constants(), "me") if g["interval"] == "30s")
    told = group["rules"][0]["notification_settings"]
    assert told["receiver"] == "me"
    assert told["group_by"] == ["grafana_folder", "alertname", "protocol", "port"]


KNOWN = {
    name
    for measurement in BY_NAME.values()
    for name in (measurement.name, *measurement.tags, *(f.name for f in measurement.fields))
}
ALIASES = {"v", "b", "e", "n", "g", "one", "lost", "came", "site", "role", "ingester", "detail"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["uid"])
def test_each_name_in_a_query_is_in_the_schema(rule: Json) -> None:
    for data in rule["data"]:
        names = set(re.findall(r'"(\w+)"', data["model"].get("query", "")))
        assert names <= KNOWN | ALIASES, data["refId"]


def test_a_span_holds_just_so_many_windows_whenever_it_is_asked() -> None:
    constants = Constants()
    for edge, windows in ((PROMPT, 1), (PROMPT, 15), (LATE, 30)):
        span = Span(edge, windows=windows).json(constants)
        for at in range(0, 600, 10):
            # A late point lies up to a second after its window's start.
            begins = [w for w in range(-6000, 600, 60) if at - span["from"] <= w <= at - span["to"]]
            late = [w for w in begins if w + 0.999 <= at - span["to"]]
            assert len(begins) == len(late) == windows
            assert max(begins) <= at - 60 - edge.late < max(begins) + 60


def test_other_configurations_give_other_queries() -> None:
    text = yaml.safe_dump(write.groups(Constants(window=300, detail="", small=1000)))
    assert "time(300s)" in text
    assert "time(60s)" not in text
    assert '"detail"' not in text
    assert "${" not in text.replace("${1}", "")


def test_each_alert_has_its_heading_in_the_runbook_and_no_other_has() -> None:
    page = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert headings == list(dict.fromkeys(rule.alert for rule in rules()))
    wiki = "https://wiki.example/runbook"
    linked = {r["uid"]: r for g in write.groups(Constants(), runbook=wiki) for r in g["rules"]}
    for rule in rules():
        link = linked[rule.uid]["annotations"]["runbook_url"]
        assert link == f"{wiki}#{rule.alert.lower().replace(' ', '-')}"


def test_nobody_is_sent_to_a_runbook_that_nobody_published() -> None:
    assert not [r["uid"] for r in RULES if "runbook_url" in r["annotations"]]


def test_the_page_lists_each_rule_and_each_contact_point() -> None:
    page = (ROOT / "docs" / "alerts.md").read_text("utf-8")
    for rule in rules():
        assert f"| **{rule.alert}** | {rule.severity.name} |" in page, rule.alert
    for contact in CONTACTS:
        for variable in contact.variables.values():
            assert f"`{variable}`" in page


@pytest.mark.parametrize("contact", CONTACTS, ids=lambda contact: contact.kind)
def test_each_contact_point_uses_templates_that_there_are(contact: contacts.Contact) -> None:
    defined = set(re.findall(r'define "(flowsleuth\.[\w.]+)"', messages.templates(write.times())))
    used = set(re.findall(r'template "([\w.]+)"', str(contact.settings)))
    assert used
    assert used <= defined
    assert contact.secret <= set(contact.settings)
    assert contact.variables


def test_a_contact_point_is_left_out_until_all_its_variables_are_set() -> None:
    telegram = next(one for one in CONTACTS if one.kind == "telegram")
    assert telegram.filled({"FLOWSLEUTH_TELEGRAM_TOKEN": "1:a"}) is None
    told = {"FLOWSLEUTH_TELEGRAM_TOKEN": "1:a", "FLOWSLEUTH_TELEGRAM_CHAT": "-7"}
    filled = telegram.filled(told)
    assert filled is not None
    assert (filled["bottoken"], filled["chatid"]) == ("1:a", "-7")


def test_names_of_hosts_and_services_can_be_put_into_the_templates() -> None:
    text = messages.templates({60}, {(14857, 17): "acme-sync"}, {"10.1.42.17": "lab-7"})
    assert "\nudp/14857 acme-sync\n" in text
    assert "\n10.1.42.17 lab-7\n" in text
    assert "\ntcp/443 https\n" in text
