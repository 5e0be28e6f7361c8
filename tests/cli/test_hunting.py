"""`hunt` on the command line: what it reads, how it is told, and what is wrong usage."""

import json
import re
from datetime import UTC, datetime

import pytest
import yaml
from click.testing import CliRunner
from hunt.made import BEGIN, NETWORKS, Made
from hunt.test_kinds import AT, LENGTH, put_flood, put_host, put_outbreak

from flowsleuth.cli.hunt import command

NAMES = {
    "network", "direction", "protocol", "address", "port", "start", "end", "bytes",
    "expected_bytes", "share", "kind", "earlier", "measure", "addresses", "peers", "service",
    "also",
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with captures and a configuration: a host and a flood, an outbreak, and nothing."""
    folder = tmp_path_factory.mktemp("site")
    settings = {"networks": NETWORKS, "timezone": "UTC"}
    (folder / "site.yaml").write_text(yaml.safe_dump(settings))
    busy = Made()
    put_host(busy)
    put_flood(busy)
    busy.write(folder / "busy.pcap")
    spread = Made(seed=3)
    put_outbreak(spread)
    spread.write(folder / "spread.pcap")
    Made(seed=4).write(folder / "quiet.pcap")
    return folder


@pytest.fixture
def hunt(cli, site):
    """`hunt("busy.pcap", "--json")` with the site's configuration."""

    def run(name, *arguments, **more):
        files = [site / name] if name.endswith(".pcap") else [name]
        return cli("hunt", "-c", site / "site.yaml", *files, *arguments, **more)

    return run


def findings(ran):
    assert (ran.status, ran.err) == (0, "")
    return json.loads(ran.out)["findings"]


def moment(minute):
    return datetime.fromtimestamp(BEGIN.timestamp() + 60 * minute, UTC).isoformat()[:19] + "Z"


def test_the_json_is_the_contracts(hunt):
    by_kind = {one["kind"]: one for one in findings(hunt("busy.pcap", "--json"))}
    assert set(by_kind) == {"host", "flood"}
    host = by_kind["host"]
    assert set(host) == NAMES
    expected = {
        "network": "Green", "direction": "out", "protocol": "udp", "address": "10.1.42.17",
        "port": 14857, "start": moment(AT), "end": moment(AT + LENGTH), "earlier": [],
        "addresses": ["10.1.42.17"], "measure": "bytes",
        "service": {"name": None, "known": "no name in any list here"},
    }  # fmt: skip
    assert {name: host[name] for name in expected} == expected
    assert host["bytes"] == pytest.approx(LENGTH * 60_000_000, rel=0.01)
    assert host["expected_bytes"] < host["bytes"] / 100
    assert 0.99 < host["share"] <= 1
    assert [peer["address"] for peer in host["peers"]] == ["198.18.7.7"]


def test_an_outbreak_has_addresses_and_none_of_its_own(hunt):
    (one,) = findings(hunt("spread.pcap", "--json"))
    assert (one["kind"], one["address"], one["port"]) == ("outbreak", None, 445)
    assert set(one["addresses"]) == {f"10.1.1.{n}" for n in range(40, 52)}
    text = hunt("spread.pcap").out.decode()
    assert re.match(r"1 of 1  outbreak of 10\.1\.1\.\d+, .* and 9 more: tcp port 445", text)


def test_a_link_where_grafana_is_configured(cli, site, tmp_path):
    path = tmp_path / "with.yaml"
    path.write_text((site / "site.yaml").read_text() + "grafana: {url: 'http://g.example'}\n")
    asked = ("hunt", "-c", path, site / "busy.pcap", "--html", tmp_path / "report.html")
    (link,) = {one["link"] for one in findings(cli(*asked, "--json")) if one["kind"] == "host"}
    begin = int(BEGIN.timestamp() + 60 * AT) * 1000
    assert link == (
        "http://g.example/d/flowsleuth-hunt?var-network=Green&var-direction=out&var-protocol=udp"
        f"&var-address=10.1.42.17&var-port=14857&from={begin - 600_000}&to={begin + 1_800_000}"
    )
    assert link in cli(*asked).out.decode()
    assert f'<a href="{link.replace("&", "&amp;")}">' in (tmp_path / "report.html").read_text()


def test_quiet_is_said_everywhere(hunt, tmp_path):
    ran = hunt("quiet.pcap", "--html", tmp_path / "report.html", "--exit-code")
    assert ran.status == 0
    assert ran.out.decode() == (
        "Nothing stands out: every network, direction and protocol is as usual.\n"
    )
    assert "Nothing stands out" in (tmp_path / "report.html").read_text()
    assert findings(hunt("quiet.pcap", "--json")) == []


def test_the_exit_code_tells_only_when_asked(hunt):
    assert hunt("busy.pcap").status == 0
    assert hunt("busy.pcap", "--exit-code").status == 3
    assert json.loads(hunt("busy.pcap", "--exit-code", "--json").out)["findings"]


def test_stdin_and_the_file_are_the_same(hunt, site):
    by_name = findings(hunt("busy.pcap", "--json"))
    assert findings(hunt("-", "--json", stdin=(site / "busy.pcap").read_bytes())) == by_name


def test_the_report_needs_nothing_else(hunt, tmp_path):
    hunt("busy.pcap", "--html", tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("<svg") == 2
    assert not re.search(r"https?://|src=|href=|url\(|<script|<link|@import", text)


def test_lines_have_80_columns_and_no_colours_but_on_a_terminal(hunt, site):
    text = hunt("busy.pcap").out.decode()
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    asked = ["-c", str(site / "site.yaml"), str(site / "busy.pcap")]
    coloured = CliRunner().invoke(command, asked, color=True).stdout
    assert "\x1b[1m" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == text


def test_a_filter_chooses_flow_records(hunt):
    assert [
        one["kind"] for one in findings(hunt("busy.pcap", "--json", "--filter", "proto udp"))
    ] == ["host"]
    assert findings(hunt("busy.pcap", "--json", "--filter", "proto udp and not port 14857")) == []


def test_networks_are_chosen_by_name(hunt):
    asked = ("busy.pcap", "--json", "--network")
    assert [one["network"] for one in findings(hunt(*asked, "Blue"))] == ["Blue"]
    assert len(findings(hunt(*asked, "Blue", "--network", "Green"))) == 2
    ran = hunt(*asked, "Gren")
    assert (ran.status, ran.out) == (1, b"")
    assert ran.err == "flowsleuth: --network Gren: no such network: did you mean Green?\n"


@pytest.mark.parametrize(
    ("begin", "end", "number"),
    [(0, 100, 0), (100, 200, 2), (AT + LENGTH + 10, 240, 0), (AT + 5, None, 2), (None, 100, 0)],
)
def test_a_range_is_examined_and_what_lies_before_is_compared_with(hunt, begin, end, number):
    asked = ["busy.pcap", "--json"]
    asked += ["--from", moment(begin)] if begin is not None else []
    asked += ["--to", moment(end)] if end is not None else []
    assert len(findings(hunt(*asked))) == number


def test_wrong_usage(hunt, cli, site):
    for arguments, word in (
        ([], "give a FILE, or --influx"),
        (["--influx", site / "busy.pcap"], "give FILEs, or --influx"),
        (["--influx", "--filter", "proto udp"], "--filter asks flow records"),
    ):
        ran = cli("hunt", *arguments)
        assert (ran.status, ran.out) == (2, b"")
        assert word in ran.err


def test_what_cannot_be_done_is_one_line(hunt, tmp_path, cli, site):
    before = ["--from", "2020-01-01", "--to", "2020-01-02"]
    for ran, words in (
        (hunt("busy.pcap", *before), "nothing was received in this time"),
        (hunt("quiet.pcap", "--html", tmp_path / "no" / "report.html"), "cannot be written"),
    ):
        assert (ran.status, ran.out) == (1, b"")
        assert words in ran.err
        assert ran.err.count("\n") == 1


def test_without_a_configuration_there_is_private(cli, site):
    kinds = {one["network"] for one in findings(cli("hunt", site / "busy.pcap", "--json"))}
    assert kinds == {"Private"}


def test_only_listed_exporters_count_where_the_configuration_says_so(cli, site, tmp_path):
    path = tmp_path / "only.yaml"
    for address, number in (("192.0.2.1", 2), ("192.0.2.9", 0)):
        more = {"exporters": {address: {"name": "a"}}, "exporters_only": True}
        path.write_text(yaml.safe_dump({"networks": NETWORKS, **more}))
        assert len(findings(cli("hunt", "-c", path, site / "busy.pcap", "--json"))) == number
