"""What `provision` puts into a Grafana, how often, and what it leaves alone."""

import json
import re
from pathlib import Path

import pytest
from write.conftest import Told

from flowsleuth.demo.world import ANOMALIES, STORY_PORT
from flowsleuth.grafana import contacts
from flowsleuth.grafana.links import UIDS
from flowsleuth.provision import folders, trial
from flowsleuth.provision.alerting import MOST_HOSTS
from flowsleuth.provision.wanted import free_title
from provision.conftest import PAGES
from provision.fake import EDITOR

HOOK = "https://hooks.slack.com/services/very/s3cret"
TWO = 'influx: {url: "http://influx:8086", token: "tok$en2", org: netops}'
RULE, GROUP = "flowsleuth-above-host-fast", "flowsleuth-30s"
ONE = 'influx: {url: "http://influx:8086", token: "grafana:pass:w0rd"}'


@pytest.fixture
def slack(monkeypatch):
    monkeypatch.setenv("FLOWSLEUTH_SLACK_URL", HOOK)


def constants(fake, page="flowsleuth-wall"):
    variables = fake.dashboards[page]["dashboard"]["templating"]["list"]
    return {v["name"]: v["query"] for v in variables if v["type"] == "constant"}


def receivers(fake):
    """Whom rules tell that tell somebody; those for the wall only always have their own."""
    told = [rule["notification_settings"] or {} for rule in fake.rules.values()]
    return {one.get("receiver") for one in told} - {contacts.WALL}


def quiet(ran):
    assert ran.status == 0, ran.err
    assert ran.last.startswith("nothing to change: all ")
    return True


# What is put there


def test_all_of_it_is_put_there_and_stays_editable(provision, fake, slack, everything):
    ran = provision(config=TWO)
    assert ran.status == 0, ran.err
    assert set(fake.folders) == {"flowsleuth", "flowsleuth-alerts"}
    assert set(fake.dashboards) == set(UIDS.values())
    assert {one["meta"]["folderUid"] for one in fake.dashboards.values()} == {"flowsleuth"}
    assert {rule["folderUID"] for rule in fake.rules.values()} == {"flowsleuth-alerts"}
    assert receivers(fake) == {"FlowSleuth"}
    assert set(fake.templates) == {"flowsleuth"}
    for rule in fake.rules.values():
        wall = rule["labels"]["severity"] == "info"
        told = rule["notification_settings"]
        assert (told["receiver"] == contacts.WALL) == wall
        assert (told.get("mute_time_intervals") == [contacts.WALL]) == wall
    assert fake.playlists["flowsleuth-noc"]["items"][0]["value"] == "flowsleuth-wall"
    alerting = [
        *fake.rules.values(),
        *fake.contacts.values(),
        *fake.templates.values(),
        *fake.mutes.values(),
    ]
    assert {one["provenance"] for one in alerting} == {""}
    assert fake.policies == {"receiver": "empty"}
    assert not [line for line in fake.written if "policies" in line]
    created = re.findall(r"^created (.*)$", ran.out, re.MULTILINE)
    assert len(created) > len(UIDS) + len(fake.rules)


def test_twice_changes_nothing_the_second_time(provision, fake, slack):
    provision(config=TWO)
    before, written = fake.state(), len(fake.written)
    assert quiet(provision(config=TWO))
    assert len(fake.written) == written
    assert fake.state() == before


@pytest.mark.parametrize("more", ["", "window: 30s", 'influx: {detail: ""}'])
def test_hidden_constants_are_as_the_configuration_is(provision, fake, more):
    floors = (
        'networks: [{name: A, prefixes: [10.0.0.0/8], floor: 1M}, {name: B, prefixes: ["::/0"]}]'
    )
    provision(config=f"{floors}\nretention: {{detail: 365d}}\ngrace: 20s\n{more}")
    window = 30 if "window" in more else 60
    assert constants(fake).items() >= {
        "window": str(window),
        "settled": str(window + 20 + 10),
        "detail": "" if "detail" in more else '"detail".',
        "small": "37500",
        "memory": "365d",
        "identify": "https://rdap.org/ip/",
    }.items()  # fmt: skip
    queries = [query["model"]["query"] for rule in fake.rules.values() for query in rule["data"]
               if "query" in query["model"]]  # fmt: skip
    assert any(f"* {window} " in query for query in queries)
    assert any('"detail".' in query for query in queries) == ("detail" not in more)


def test_messages_know_the_names_of_hosts_and_services(provision, fake, tmp_path):
    (tmp_path / "hosts").write_text("10.1.42.17 lab-7\n")
    assert provision(config="hosts_file: hosts\nservices: {14857/udp: probe}").status == 0
    text = fake.templates["flowsleuth"]["template"]
    assert "\n10.1.42.17 lab-7\n" in text
    assert "\nudp/14857 probe\n" in text


def test_more_hosts_than_a_template_can_carry_are_said_and_left_out(provision, fake, tmp_path):
    names = (f"10.1.{n >> 8}.{n & 255} h{n}\n" for n in range(MOST_HOSTS + 1))
    (tmp_path / "hosts").write_text("".join(names))
    ran = provision(config="hosts_file: hosts")
    assert "hosts_file has 1001 names, and messages can carry 1000" in ran.err
    assert "h1000" not in fake.templates["flowsleuth"]["template"]


def test_alerts_link_to_a_runbook_where_there_is_one(provision, fake):
    provision("--runbook", "https://wiki.example/flowsleuth/")
    links = {rule["annotations"]["runbook_url"] for rule in fake.rules.values()}
    assert "https://wiki.example/flowsleuth#traffic-above-normal" in links
    provision()
    assert not [rule for rule in fake.rules.values() if "runbook_url" in rule["annotations"]]


def test_influxdb_2_gets_its_token_in_a_header(provision, fake):
    provision(config=TWO)
    source, secrets = fake.sources["flowsleuth"], fake.secrets["flowsleuth"]
    assert (source["url"], source["type"], source["access"]) == (
        "http://influx:8086", "influxdb", "proxy",
    )  # fmt: skip
    inner = {key: value for key, value in source["jsonData"].items() if key != "flowsleuth"}
    assert inner == {
        "version": "InfluxQL",
        "dbName": "flowsleuth",
        "httpMode": "POST",
        "timeInterval": "15s",
        "httpHeaderName1": "Authorization",
    }
    assert secrets == {"httpHeaderValue1": "Token tok$en2"}


def test_influxdb_1_gets_user_and_password(provision, fake):
    provision(config=ONE)
    assert fake.sources["flowsleuth"]["user"] == "grafana"
    assert fake.secrets["flowsleuth"] == {"password": "pass:w0rd"}
    assert "httpHeaderName1" not in fake.sources["flowsleuth"]["jsonData"]


@pytest.mark.parametrize("token", ["", ":"])
def test_an_influxdb_that_asks_nobody_gets_nothing(provision, fake, token):
    provision(config=f'influx: {{token: "{token}"}}')
    assert fake.secrets["flowsleuth"] == {}
    assert quiet(provision(config=f'influx: {{token: "{token}"}}'))


def test_influxdb_at_another_address_and_behind_tls(provision, fake, tmp_path):
    (tmp_path / "ca.pem").write_text("-----CERTIFICATE-----")
    provision("--influx-url", "https://influx.inside/", config="influx: {ca_file: ca.pem}")
    assert fake.sources["flowsleuth"]["url"] == "https://influx.inside"
    assert fake.sources["flowsleuth"]["jsonData"]["tlsAuthWithCACert"] is True
    assert fake.secrets["flowsleuth"] == {"tlsCACert": "-----CERTIFICATE-----"}
    provision(config="influx: {verify_ssl: false}")
    assert fake.sources["flowsleuth"]["jsonData"]["tlsSkipVerify"] is True


def test_a_data_source_of_the_users_own_is_asked_instead(provision, fake):
    fake.sources["theirs"] = {"uid": "theirs", "name": "Points", "type": "influxdb", "jsonData": {}}
    provision("--datasource", "theirs")
    assert set(fake.sources) == {"theirs"}
    asked = {query["datasourceUid"] for rule in fake.rules.values() for query in rule["data"]}
    assert asked == {"theirs", "__expr__"}
    for one in fake.dashboards.values():
        (chosen,) = (v["current"] for v in one["dashboard"]["templating"]["list"]
                     if v["type"] == "datasource")  # fmt: skip
        assert chosen == {"text": "Points", "value": "theirs"}
        assert '"uid": "flowsleuth"' not in json.dumps(one)
    assert quiet(provision("--datasource", "theirs"))


def test_our_own_data_source_goes_when_the_users_is_asked_instead(provision, fake):
    provision()
    fake.sources["theirs"] = {"uid": "theirs", "name": "Points", "type": "influxdb", "jsonData": {}}
    ran = provision("--datasource", "theirs")
    assert "removed data source FlowSleuth [flowsleuth]" in ran.out
    assert set(fake.sources) == {"theirs"}


# Whom alerts tell


def test_without_a_receiver_notification_policies_choose_and_that_is_said(provision, fake):
    ran = provision()
    assert ran.status == 0
    assert "your notification policies" in ran.err
    assert receivers(fake) == {None}


def test_policy_leaves_the_choice_to_the_user(provision, fake, slack):
    provision()
    assert "flowsleuth-slack" in fake.contacts
    ran = provision("--receiver", "policy")
    assert receivers(fake) == {None}
    assert "removed contact point FlowSleuth (slack)" in ran.out
    assert set(fake.contacts) == {"flowsleuth-wall"}


def test_a_receiver_that_is_there_and_mute_timings(provision, fake, slack):
    fake.contacts["c"] = {"uid": "c", "name": "noc", "type": "email", "settings": {}}
    fake.mutes = {name: {"name": name, "time_intervals": []} for name in ("nights", "maintenance")}
    arguments = ("--receiver", "noc", "--mute", "nights", "--mute", "maintenance")
    provision(*arguments)
    assert set(fake.contacts) == {"c", "flowsleuth-wall"}
    assert receivers(fake) == {"noc"}
    told = [rule["notification_settings"] for rule in fake.rules.values()]
    assert {tuple(one["mute_time_intervals"]) for one in told} == {
        ("nights", "maintenance"),
        (contacts.WALL,),
    }
    assert quiet(provision(*arguments))


def test_the_configuration_can_say_it_all(command, fake, monkeypatch):
    monkeypatch.setenv("GRAFANA_TOKEN", "bad")
    fake.contacts["c"] = {"uid": "c", "name": "noc", "type": "email", "settings": {}}
    fake.mutes = {"nights": {"name": "nights", "time_intervals": []}}
    config = f"""grafana:
      {{url: "{fake.url}/", token: good, receiver: noc, mute: [nights], influx_url: "http://i:1"}}"""
    assert command(config=config).status == 0
    assert fake.sources["flowsleuth"]["url"] == "http://i:1"


# Titles and uids of others


def test_what_others_called_so_keeps_its_name(provision, fake, slack):
    fake.folders["mine"] = {"uid": "mine", "title": "FlowSleuth"}
    fake.sources["mine"] = {"uid": "mine", "name": "FlowSleuth", "type": "mysql", "jsonData": {}}
    fake.contacts["mine"] = {"uid": "mine", "name": "FlowSleuth", "type": "email", "settings": {}}
    before = fake.state()
    assert provision().status == 0
    assert fake.folders["flowsleuth"]["title"] == "FlowSleuth 2"
    assert fake.sources["flowsleuth"]["name"] == "FlowSleuth 2"
    assert fake.contacts["flowsleuth-slack"]["name"] == "FlowSleuth 2"
    assert receivers(fake) == {"FlowSleuth 2"}
    assert quiet(provision())
    provision("--remove")
    assert fake.state() == before


def test_free_titles():
    assert free_title("A", {"B"}) == "A"
    assert free_title("A", {"A", "A 2"}) == "A 3"


def test_what_came_by_hand_is_taken_over_only_when_asked(provision, fake):
    fake.dashboards["flowsleuth-wall"] = {
        "dashboard": {"uid": "flowsleuth-wall", "title": "Wall", "tags": [], "id": 1, "version": 7},
        "meta": {"folderUid": ""},
    }
    before = fake.state()
    ran = provision()
    assert ran.status == 1
    assert "dashboard flowsleuth-wall (Wall) is there already" in ran.err
    assert "--adopt" in ran.err
    assert ran.err.count("\n") == 1
    assert fake.state() == before
    assert fake.written == []
    ran = provision("--adopt")
    assert ran.status == 0
    assert "update dashboard FlowSleuth / Wall [flowsleuth-wall]" in ran.out
    assert "  changed in Grafana since, is overwritten:" in ran.out
    assert quiet(provision())


def test_what_came_by_hand_and_is_as_it_should_be_gets_its_stamp(provision, fake):
    provision()
    for one in fake.dashboards.values():
        listed = one["dashboard"]["templating"]["list"]
        one["dashboard"]["templating"]["list"] = [v for v in listed if v["name"] != "flowsleuth"]
    assert provision().status == 1
    assert provision("--adopt").out.count("updated dashboard") == len(PAGES)
    assert quiet(provision())


FILED = {
    "data source": lambda fake: fake.sources["flowsleuth"].update(readOnly=True),
    "contact point": lambda fake: fake.contacts["flowsleuth-slack"].update(provenance="file"),
    "dashboard": lambda fake: fake.dashboards["flowsleuth-hunt"]["meta"].update(provisioned=True),
    "rule": lambda fake: fake.rules[RULE].update(provenance="file"),
}


@pytest.mark.parametrize("kind", FILED)
def test_what_file_provisioning_keeps_is_named_and_nothing_done(provision, fake, slack, kind):
    provision()
    FILED[kind](fake)
    fake.dashboards["flowsleuth-wall"]["dashboard"]["title"] = "Mine"
    before, written = fake.state(), len(fake.written)
    ran = provision("--adopt")
    assert ran.status == 1
    assert re.fullmatch(
        rf"flowsleuth: {kind} .* file provisioning: .*nothing was changed\n", ran.err
    )
    assert fake.state() == before
    assert len(fake.written) == written


def test_copies_that_users_made_are_theirs(provision, fake):
    provision()
    page = json.loads(json.dumps(fake.dashboards["flowsleuth-wall"]))
    page["dashboard"].update(uid="copy", title="My wall")
    fake.dashboards["copy"] = page
    rule = {**fake.rules[RULE], "uid": "copy", "title": "My limit",
            "folderUID": "mine", "ruleGroup": "mine"}  # fmt: skip
    fake.rules["copy"] = rule
    assert quiet(provision())
    provision("--remove")
    assert set(fake.dashboards) == set(fake.rules) == {"copy"}


# What users changed


def panel(fake, page, title):
    panels = fake.dashboards[page]["dashboard"]["panels"]
    return next(one for one in panels if one["title"] == title)


EDITS = {
    "folder": (
        lambda fake: fake.folders["flowsleuth"].update(title="Flows"),
        ["update folder FlowSleuth", "- Flows", "+ FlowSleuth"],
    ),
    "data source": (
        lambda fake: fake.sources["flowsleuth"].update(url="http://other"),
        ["update data source FlowSleuth", "url", "- http://other", "+ http://localhost:8086"],
    ),
    "contact point": (
        lambda fake: fake.contacts["flowsleuth-slack"].update(disableResolveMessage=True),
        ["update contact point FlowSleuth (slack)", "disableResolveMessage", "- true", "+ false"],
    ),
    "panel": (
        lambda fake: panel(fake, "flowsleuth-networks", "Networks now and normal").update(
            title="Ours"
        ),
        ['"Networks now and normal": title', "- Ours", "+ Networks now and normal"],
    ),
    "panel more": (
        lambda fake: fake.dashboards["flowsleuth-host"]["dashboard"]["panels"].append(
            {"id": 99, "title": "Mine", "type": "text"}
        ),
        ['panel 99 "Mine"'],
    ),
    "variable": (
        lambda fake: fake.dashboards["flowsleuth-hunt"]["dashboard"]["templating"]["list"][
            1
        ].update(query="10"),
        ["variable window: query", "- 10", "+ 60"],
    ),
    "moved": (
        lambda fake: fake.dashboards["flowsleuth-hunt"]["meta"].update(folderUid="mine"),
        ["folder", "- mine", "+ flowsleuth"],
    ),
    "rule": (
        lambda fake: fake.rules[RULE].update({"for": "7m"}),
        [f"[{RULE}]", "for", "- 420"],
    ),
    "rule paused": (
        lambda fake: fake.rules[RULE].update(isPaused=True),
        ["isPaused", "- true", "+ false"],
    ),
    "rule label": (
        lambda fake: fake.rules[RULE]["labels"].update(team="noc"),
        ["label team", "- noc"],
    ),
    "rule query": (
        lambda fake: fake.rules[RULE]["data"][0]["model"].update(query="SELECT 1"),
        [": model.query", "- SELECT 1"],
    ),
    "group": (
        lambda fake: fake.intervals.update({("flowsleuth-alerts", GROUP): 70}),
        [f"update rule group {GROUP}", "interval", "- 70"],
    ),
    "template": (
        lambda fake: fake.templates["flowsleuth"].update(
            template=fake.templates["flowsleuth"]["template"].replace("so far", "until now", 1)
            + '\n{{ define "mine" }}x{{ end }}'
        ),
        ["update template flowsleuth", "text", '-{{ define "mine" }}x{{ end }}'],
    ),
    "mute timing": (
        lambda fake: fake.mutes[contacts.WALL].update(time_intervals=[]),
        [f"update mute timing {contacts.WALL}", "time_intervals"],
    ),
    "playlist": (
        lambda fake: fake.playlists["flowsleuth-noc"].update(interval="5m"),
        ["update playlist FlowSleuth NOC", "interval", "- 5m", "+ 1m"],
    ),
}


EDITED = 11
"""Items that EDITS changes."""


@pytest.fixture
def edited(provision, fake, slack):
    """What was there before somebody changed all of EDITS, and after."""
    provision()
    before = fake.state()
    for change, _ in EDITS.values():
        change(fake)
    return before, fake.state()


def test_what_somebody_changed_is_said_before_it_is_overwritten(provision, fake, edited):
    before, changed = edited
    dry = provision("--dry-run")
    assert fake.state() == changed
    ran = provision()
    for said in (dry.out, ran.out):
        assert said.count("  changed in Grafana since, is overwritten:") == EDITED
        for _, words in EDITS.values():
            for word in words:
                assert word in said
    assert unnumbered(fake.state()) == unnumbered(before)
    assert quiet(provision())


def test_what_somebody_changed_can_be_kept(provision, fake, edited):
    _, changed = edited
    ran = provision("--keep-edits")
    assert ran.status == 0
    assert ran.out.count("  changed in Grafana since, is kept:") == EDITED
    assert ran.last.startswith(f"kept {EDITED}, ")
    assert unnumbered(fake.state()) == unnumbered(changed)


def unnumbered(state):
    for one in state["dashboards"].values():
        for key in ("version", "id"):
            one["dashboard"].pop(key)
    for rule in state["rules"].values():
        rule.pop("id")
    return state


def test_our_own_change_is_no_edit(provision, fake):
    provision()
    ran = provision("--dry-run", config="window: 30s")
    assert "changed in Grafana" not in ran.out
    assert "update dashboard FlowSleuth / Wall" in ran.out
    assert re.search(r"variable window: query\n +- 60\n +\+ 30\n", ran.out)
    assert re.search(r"query \w+: model.query\n", ran.out)
    assert ran.last.startswith("update ")
    assert provision("--keep-edits", config="window: 30s").status == 0
    assert constants(fake)["window"] == "30"
    assert quiet(provision(config="window: 30s"))


def test_both_changed_one_item(provision, fake):
    provision()
    fake.dashboards["flowsleuth-wall"]["dashboard"]["description"] = "mine"
    ran = provision("--keep-edits", config="window: 30s")
    assert "kept dashboard" in ran.out or "keep dashboard" in ran.out
    assert "and not taken from this version or configuration: variable window" in ran.out
    assert constants(fake)["window"] == "60"
    assert constants(fake, "flowsleuth-hunt")["window"] == "30"


def test_what_grafana_adds_by_itself_is_no_change(provision, fake):
    provision()
    for one in fake.dashboards.values():
        one["dashboard"]["iteration"] = 5
        for piece in one["dashboard"]["panels"]:
            piece["pluginVersion"] = "12.4.0"
    for rule in fake.rules.values():
        rule["guid"] = "x"
        for query in rule["data"]:
            query["queryType"] = ""
    assert quiet(provision())


def test_a_rule_that_somebody_moved_comes_back_or_stays(provision, fake):
    provision()
    fake.intervals["mine", "mine"] = 60
    fake.rules[RULE].update(folderUID="mine", ruleGroup="mine")
    provision("--keep-edits")
    assert fake.rules[RULE]["folderUID"] == "mine"
    ran = provision()
    assert fake.rules[RULE]["folderUID"] == "flowsleuth-alerts"
    assert "- mine" in ran.out


def test_rules_that_somebody_put_into_our_group_stay(provision, fake):
    provision()
    mine = {**fake.rules[RULE], "uid": "mine", "title": "Mine", "annotations": {}}
    fake.rules["mine"] = mine
    fake.rules[RULE]["for"] = "7m"
    provision()
    assert fake.rules[RULE]["for"] != "7m"
    assert fake.rules["mine"]["title"] == "Mine"


# Secrets


def test_no_secret_is_ever_printed(provision, fake, monkeypatch):
    monkeypatch.setenv("FLOWSLEUTH_SLACK_URL", HOOK)
    said = [provision("--dry-run", config=TWO), provision("--test", config=TWO)]
    monkeypatch.setenv("FLOWSLEUTH_SLACK_URL", HOOK + "2")
    said += [provision("--dry-run", config=ONE), provision(config=ONE), provision("--remove")]
    for ran in said:
        assert ran.status == 0, ran.err
        for secret in ("s3cret", "tok$en2", "w0rd", "good"):
            assert secret not in ran.out + ran.err
    assert "secret url: (not shown)" in said[2].out
    assert "secret password: (not shown)" in said[2].out
    for body in fake.server.asked:  # and nothing of it in what everybody may read
        for inner in re.findall(r'"flowsleuth": "([^"]*)"', body.body.decode()):
            assert "s3cret" not in inner


def test_a_new_secret_is_sent_and_the_same_is_not(provision, fake):
    provision(config=TWO)
    assert quiet(provision(config=TWO))
    ran = provision(config=TWO.replace("tok$", "other$"))
    assert "updated data source FlowSleuth" in ran.out
    assert "changed in Grafana" not in ran.out
    assert fake.secrets["flowsleuth"] == {"httpHeaderValue1": "Token other$en2"}
    assert quiet(provision(config=TWO.replace("tok$", "other$")))


def test_from_one_influxdb_to_the_other_and_back(provision, fake):
    for config in (TWO, ONE, TWO):
        assert provision(config=config).status == 0
        assert quiet(provision(config=config))


# What goes


def test_remove_leaves_a_grafana_as_it_was(provision, fake, slack):
    provision()
    provision("--remove")
    assert not any({**fake.state(), "policies": None}.values())
    ran = provision("--remove")
    assert quiet(ran)


def test_what_is_not_ours_stays_when_ours_goes(provision, fake, slack, monkeypatch):
    monkeypatch.setattr(folders, "SETTLES_S", 0.3)
    provision()
    page = {"dashboard": {"uid": "mine", "title": "Mine", "id": 9, "version": 1},
            "meta": {"folderUid": "flowsleuth"}}  # fmt: skip
    fake.dashboards["mine"] = page
    mine = {**fake.rules[RULE], "uid": "mine", "annotations": {},
            "notification_settings": None}  # fmt: skip
    fake.rules["mine"] = mine
    ran = provision("--remove")
    assert ran.status == 0
    assert set(fake.dashboards) == set(fake.rules) == {"mine"}
    assert set(fake.folders) == {"flowsleuth", "flowsleuth-alerts"}
    assert ran.err.count("stays: there is something in it that is not ours") == 2


@pytest.mark.parametrize("by", ["policies", "rule"])
def test_a_contact_point_that_users_tell_cannot_go(provision, fake, slack, by):
    provision()
    if by == "policies":
        fake.policies = {"receiver": "empty", "routes": [{"receiver": "FlowSleuth"}]}
    else:
        fake.rules["mine"] = {**fake.rules[RULE], "uid": "mine", "title": "Mine"}
    before, written = fake.state(), len(fake.written)
    for arguments in (("--remove",), ("--receiver", "policy")):
        ran = provision(*arguments)
        assert ran.status == 1
        assert re.fullmatch(
            r"flowsleuth: contact point FlowSleuth cannot go: your .* nothing was changed\n",
            ran.err,
        )
    assert fake.state() == before
    assert len(fake.written) == written


def test_what_a_later_version_does_not_have_any_more_goes(provision, fake):
    provision()
    old = {**fake.rules[RULE], "uid": "flowsleuth-old", "title": "Old"}
    stamp = old["annotations"]["__flowsleuth__"].replace(RULE, "flowsleuth-old", 1)
    fake.rules["flowsleuth-old"] = {
        **old,
        "annotations": {**old["annotations"], "__flowsleuth__": stamp},
    }
    kept = provision("--keep-edits")  # its title is not as it was left
    assert "keep rule Old" in kept.out
    assert "flowsleuth-old" in fake.rules
    ran = provision()
    assert "removed rule Old [flowsleuth-old]" in ran.out
    assert "flowsleuth-old" not in fake.rules


# The trial


def test_the_demos_alert_is_sent_through_the_receiver(provision, fake, slack):
    ran = provision("--test")
    assert ran.status == 0
    (sent,) = fake.tried
    assert sent["alert"]["labels"]["network"] == "Green"
    assert sent["alert"]["labels"]["port"] == "14857"
    (one,) = sent["receivers"][0]["grafana_managed_receiver_configs"]
    assert (one["uid"], one["type"]) == ("flowsleuth-slack", "slack")
    assert set(one["settings"]) == {"title", "text"}  # Grafana puts in the URL that it hides
    assert "test alert sent through FlowSleuth: flowsleuth-slack: ok" in ran.out


def test_a_receiver_that_does_not_take_it_is_named(provision, fake, slack):
    failed = {"uid": "flowsleuth-slack", "status": "failed", "error": "no such channel"}
    inner = [{"grafana_managed_receiver_configs": [failed]}]

    def refuse(asked):
        return Told(207, {"receivers": inner}) if asked.path.endswith("/test") else None

    fake.refuse = refuse
    ran = provision("--test")
    assert ran.status == 1
    assert "did not pass FlowSleuth: flowsleuth-slack: failed: no such channel" in ran.err


def test_an_editor_may_do_all_with_a_data_source_that_is_there(provision, fake):
    fake.sources["theirs"] = {"uid": "theirs", "name": "Points", "type": "influxdb", "jsonData": {}}
    fake.permissions = EDITOR
    assert provision("--datasource", "theirs").status == 0
    assert quiet(provision("--datasource", "theirs"))


def test_uids_fit_into_grafanas_forty_characters(provision, fake, slack, everything):
    provision()
    for kind in ("folders", "sources", "dashboards", "rules", "contacts", "playlists"):
        for uid in getattr(fake, kind):
            assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", uid)


def test_the_demos_alert_has_all_that_its_rule_says(provision, fake):
    provision()
    said = set(fake.rules[RULE]["annotations"])
    sent = trial.demo_alert("https://g/")
    assert set(sent["annotations"]) == {name for name in said if not name.startswith("__")}
    assert not [text for text in sent["annotations"].values() if "{{" in text]
    assert set(sent["labels"]) >= {"alertname", *fake.rules[RULE]["labels"]}
    (address,) = {one.address for one in ANOMALIES if one.start_s > -3600}
    assert (sent["labels"]["address"], sent["labels"]["port"]) == (address, str(STORY_PORT))


def test_a_contact_point_of_every_kind(provision, fake, monkeypatch):
    for one in contacts.CONTACTS:
        for variable in one.variables.values():
            monkeypatch.setenv(variable, f"s3cret-{variable}")
    ran = provision()
    assert ran.status == 0, ran.err
    kinds = {one.kind for one in contacts.CONTACTS}
    assert set(fake.contacts) == {f"flowsleuth-{kind}" for kind in {*kinds, "wall"}}
    assert {one["name"] for one in fake.contacts.values()} == {"FlowSleuth", contacts.WALL}
    assert quiet(provision())
    monkeypatch.delenv("FLOWSLEUTH_TELEGRAM_CHAT")  # one of two is not enough
    assert "remove contact point FlowSleuth (telegram)" in provision("--dry-run").out


def test_the_docs_list_every_kind_of_contact_point():
    page = (Path(__file__).parents[2] / "docs" / "provision.md").read_text(encoding="utf-8")
    for one in contacts.CONTACTS:
        names = ", ".join(f"`{name}`" for name in one.variables.values())
        assert f"| {one.kind} | {names} | {one.needs} |" in page
