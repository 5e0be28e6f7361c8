"""The messages' words, by Grafana's own engine: what a rule's pieces become, in every case."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from local_grafana import GrafanaService

from flowsleuth.grafana.alerting import messages, write

Json = dict[str, Any]

TEXT = messages.templates(write.times(), hosts={"10.1.42.17": "lab-7", "2001:db8:1::17": "lab-6"})

LABELS = {
    "alertname": "Traffic above normal: one host, within minutes", "severity": "warning",
    "network": "Green", "direction": "out", "protocol": "udp", "address": "10.1.42.17",
    "port": "53", "site": "hq",
}  # fmt: skip

NOTES = {
    "what": "Green out 102Mbit/s, normal ≤5M",
    "who": "10.1.42.17 udp/53 96 %, to 4 peers",
    "so_far": "3.1GB so far",
    "earlier": "this port: 3rd time in 14 days, last 4 d ago; this host: new in 14 days",
    "advice": "Look at it.",
    "alert": "Traffic above normal",
    "began": "300",
    "ended": "780",
    "link": "http://grafana.example/d/flowsleuth-hunt?var-network=Green&from=now-3h&to=now",
    "runbook_url": "https://runbook.example/#traffic-above-normal",
}

ZONED = re.compile(r"since \d\d:\d\d \S+\b")
"""As Grafana's machine has it."""

NAMES = ("title", "alert", "short", "plain", "html", "markdown", "slack", "long")


def alert(*, status: str = "firing", notes: Json | None = None, **labels: str) -> Json:
    ends = "2025-06-02T14:43:00Z" if status == "resolved" else "0001-01-01T00:00:00Z"
    return {
        "status": status,
        "labels": {k: v for k, v in (LABELS | labels).items() if v},
        "annotations": {k: v for k, v in (NOTES | (notes or {})).items() if v},
        "startsAt": "2025-06-02T14:10:00Z",
        "endsAt": ends,
    }


def rendered(service: GrafanaService, *alerts: Json) -> dict[str, str]:
    """Return each template's text for a group of alerts."""
    asked = "".join(
        f'{{{{ define "asked.{name}" }}}}{{{{ template "flowsleuth.{name}" . }}}}{{{{ end }}}}\n'
        for name in NAMES
    )
    body = {"name": "t", "template": TEXT + asked, "alerts": list(alerts)}
    status, said = service.ask("/api/alertmanager/grafana/config/api/v1/templates/test", body)
    assert status == 200, said
    found = {one["name"].removeprefix("asked."): one["text"] for one in said["results"]}
    assert set(NAMES) <= set(found), said.get("errors")
    return found


def test_names_stand_behind_the_address_and_the_service(grafana: GrafanaService) -> None:
    assert ZONED.sub("since HH:MM", rendered(grafana, alert())["short"]) == (
        "Green out 102Mbit/s, normal ≤5M: 10.1.42.17 (lab-7) udp/53 (dns) 96 %, to 4 peers; "
        "since HH:MM, 3.1GB so far; "
        "this port: 3rd time in 14 days, last 4 d ago; this host: new in 14 days"
    )


def test_what_comes_in_is_told_from_the_other_end(grafana: GrafanaService) -> None:
    who = "to 2001:db8:1::17 tcp/14857 96 %, from 203.0.113.9"
    one = alert(
        notes={"who": who}, direction="in", address="2001:db8:1::17", protocol="tcp", port="14857"
    )
    short = rendered(grafana, one)["short"]
    assert "to 2001:db8:1::17 (lab-6) tcp/14857 96 %, from 203.0.113.9" in short


@pytest.mark.parametrize("count", [1, 2, 30])
@pytest.mark.parametrize("name", ["x" * 200, "Zürich-Süd " * 20])
def test_the_short_form_has_three_hundred_characters_at_most(
    grafana: GrafanaService, count: int, name: str
) -> None:
    notes = {key: f"{NOTES[key]} {name}" for key in ("what", "who", "so_far", "earlier")}
    alerts = [alert(notes=notes, network=f"{name}{i}") for i in range(count)]
    assert len(rendered(grafana, *alerts)["short"]) <= 300


def test_several_alerts_of_a_message_are_counted_and_named(grafana: GrafanaService) -> None:
    other = alert(network="Blue", direction="in")
    found = rendered(grafana, alert(), other, alert(network="Red"))
    assert found["short"].endswith("new in 14 days +2: Blue in Red out")
    assert found["title"] == "Green out 102Mbit/s, normal ≤5M (+2)"
    assert found["long"].count("Address:") == 3


def test_what_is_over_says_how_long_and_how_much(grafana: GrafanaService) -> None:
    found = rendered(grafana, alert(status="resolved"))
    # From 14:05, before it was told, to 14:30, after which it was not above normal.
    assert found["short"] == "Over: Green out 10.1.42.17 (lab-7) udp/53, after 25m, 3.1GB"
    assert found["alert"] == "Over: Traffic above normal (warning)"
    assert re.search(r"^Ended: {5}2025-06-0\d \d\d:[30]0 \S+$", found["long"], re.MULTILINE)
    assert "To block it" not in found["long"]
    shortest = alert(status="resolved", notes={"began": "60", "ended": "2880"})
    assert "after 1m," in rendered(grafana, shortest)["short"]


def test_links_show_the_window(grafana: GrafanaService) -> None:
    found = rendered(grafana, alert())
    # From five minutes before it began to five after it was told.
    fired = int(datetime(2025, 6, 2, 14, 10, tzinfo=UTC).timestamp()) * 1000
    window = f"from={fired - 600_000}&to={fired + 300_000}"
    url = f"http://grafana.example/d/flowsleuth-hunt?var-network=Green&{window}"
    assert f"Hunt: {url}\n" in found["plain"]
    assert f"[Hunt]({url})" in found["markdown"]
    assert f"<{url}|Hunt>" in found["slack"]
    assert f'<a href="{url.replace("&", "&amp;")}">Hunt</a>' in found["html"]


def test_html_is_escaped(grafana: GrafanaService) -> None:
    found = rendered(grafana, alert(notes={"what": "R&D <out> 1Mbit/s, normal ≤5M"}))
    assert found["html"].startswith("R&amp;D &lt;out&gt; 1Mbit/s")
    assert found["plain"].startswith("R&D <out> 1Mbit/s")


JUNOS6 = "set firewall family inet6 filter PROTECT term flowsleuth-in"
MIKROTIK = "/{} firewall filter add chain=forward action=drop protocol={}"
PFSENSE = "Firewall, Rules, the interface, Add on top: Block, {}"
TWICE = "(one rule as source's, one as destination's)"

BLOCKS = {
    ("out", "10.1.42.17", "udp", "53"): (
        "ip access-list extended FLOWSLEUTH",
        "deny udp host 10.1.42.17 any eq 53",
        "deny udp host 10.1.42.17 eq 53 any",
        "set firewall family inet filter PROTECT term flowsleuth from source-address 10.1.42.17/32",
        "set firewall family inet filter PROTECT term flowsleuth from protocol udp",
        "set firewall family inet filter PROTECT term flowsleuth from port 53",
        f"{MIKROTIK.format('ip', 'udp')} src-address=10.1.42.17 port=53 place-before=0",
        f"{PFSENSE.format('IPv4, udp')}, source 10.1.42.17, port 53 {TWICE}",
        "nft insert rule inet filter forward ip saddr 10.1.42.17 udp dport 53 drop",
        "nft insert rule inet filter forward ip saddr 10.1.42.17 udp sport 53 drop",
    ),
    ("in", "2001:db8:1::17", "gre", "0"): (
        "ipv6 access-list FLOWSLEUTH",
        "deny gre any host 2001:db8:1::17",
        f"{JUNOS6} from destination-address 2001:db8:1::17/128",
        f"{JUNOS6} from next-header gre",
        f"{MIKROTIK.format('ipv6', 'gre')} dst-address=2001:db8:1::17 place-before=0",
        f"{PFSENSE.format('IPv6, gre')}, source any, destination 2001:db8:1::17",
        "nft insert rule inet filter forward ip6 daddr 2001:db8:1::17 meta l4proto gre drop",
    ),
}


@pytest.mark.parametrize("case", BLOCKS, ids=lambda case: f"{case[0]} {case[2]}")
def test_the_mail_has_the_rule_that_blocks_it(
    grafana: GrafanaService, case: tuple[str, str, str, str]
) -> None:
    direction, address, protocol, port = case
    one = alert(direction=direction, address=address, protocol=protocol, port=port)
    long = rendered(grafana, one)["long"]
    _, found = long.split("To block it:\n")
    lines = [line.strip() for line in found.splitlines()]
    expected = BLOCKS[case]
    family, term = "6" * (":" in address), "flowsleuth" + "-in" * (direction == "in")
    junos_end = f"set firewall family inet{family} filter PROTECT term {term}"
    names = {"Cisco IOS:", "Junos:", "MikroTik:", "pfSense:", "nftables:"}
    rest = [line for line in lines if line and line not in names]
    assert set(rest) == {*expected, f"{junos_end} then discard"}
    assert names <= set(lines)


def test_the_mail_has_the_command_for_the_raw_flows(grafana: GrafanaService) -> None:
    long = rendered(grafana, alert())["long"]
    assert (
        "flowsleuth decode ARCHIVE --from 2025-06-02T14:00:00Z --to 2025-06-02T14:15:00Z "
        "--filter 'proto udp and port 53 and ip 10.1.42.17'" in long
    )


def test_what_is_not_of_a_host_has_neither_block_nor_command(grafana: GrafanaService) -> None:
    exporter = alert(
        notes={"what": "Exporter core-1 silent for 400 s", "who": "", "so_far": "", "earlier": ""},
        alertname="Exporter silent", network="", direction="", protocol="", address="", port="",
        exporter="core-1", severity="critical",
    )  # fmt: skip
    found = rendered(grafana, exporter)
    assert ZONED.sub("", found["short"]) == "Exporter core-1 silent for 400 s; "
    assert "Exporter:  core-1" in found["long"]
    assert not re.search("To block it|raw flows|Network:", found["long"])
    over = rendered(grafana, {**exporter, "status": "resolved", "endsAt": "2025-06-02T14:43:00Z"})
    assert over["short"].startswith("Over: core-1, after ")


def test_an_influxdb_that_does_not_answer_is_called_that(grafana: GrafanaService) -> None:
    error = alert(
        notes={"what": "Ingester writes nothing", "Error": "dial tcp 127.0.0.1:8086: refused"},
        alertname="DatasourceError", rulename="Ingester silent", network="", direction="",
        protocol="", address="", port="",
    )  # fmt: skip
    found = rendered(grafana, error)
    assert found["short"].startswith("Grafana cannot ask InfluxDB: dial tcp 127.0.0.1:8086")
    assert found["title"] == "Grafana cannot ask InfluxDB"
