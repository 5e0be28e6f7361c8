"""The configuration: what is accepted, what it becomes, and how a mistake reads."""

import re
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import flowsleuth.config as config_module
from flowsleuth.config import Config, effective, find, load, loading, parse, units
from flowsleuth.config.networks_file import read_networks
from flowsleuth.errors import ConfigError
from flowsleuth.schema import RESERVED_NAMES

ROOT = Path(__file__).parents[1]
DESIGN = ROOT.parent / "shared" / "design.md"
EXAMPLE = ROOT / "docs" / "flowsleuth.example.yaml"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No test finds a configuration of the machine's, or of another test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(loading.VARIABLE, raising=False)
    monkeypatch.setattr(loading, "SEARCH", (Path("flowsleuth.yaml"), tmp_path / "etc.yaml"))


def error(text: str) -> str:
    """Return what `parse` says to `text`, without the file's name; it is one line."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.yaml")
    said = str(caught.value)
    assert said.startswith("f.yaml: ")
    assert said.isprintable()
    return said.removeprefix("f.yaml: ")


# What is accepted


def test_nothing_is_a_configuration():
    assert load() == Config() == parse("") == parse("# nothing\n")
    config = Config()
    assert (config.listen[0].host, config.listen[0].port) == ("0.0.0.0", 2055)
    assert (config.influx.database, config.influx.detail) == ("flowsleuth", "flowsleuth/detail")
    assert config.influx.policy == "detail"
    assert config.window_ns == config.grace_ns == 60 * 10**9
    assert config.accepted_age_ns == 25 * 3600 * 10**9
    assert config.retention.detail_ns == 30 * 86_400 * 10**9
    assert config.retention.long_ns == 730 * 86_400 * 10**9
    assert config.series_budget == 100_000
    assert (config.top.bytes, config.top.packets, config.top.peers) == (20, 20, 20)
    assert (config.max_exporters, config.max_domains, config.max_interfaces) == (1000, 64, 4096)
    assert config.warnings() == []


def test_without_networks_there_is_private():
    for text in ("", "networks: []", "networks:"):
        (network,) = parse(text).networks
        assert network.name == "Private"
        assert ip_network("100.64.0.0/10") in network.prefixes
        assert ip_network("fc00::/7") in network.prefixes


def test_the_designs_own_example(monkeypatch: pytest.MonkeyPatch):
    if not DESIGN.exists():
        pytest.skip("../shared is not there")
    monkeypatch.setenv("INFLUX_TOKEN", "s3cret")
    (text,) = re.findall(r"```yaml\n(.*?)```", DESIGN.read_text(), re.DOTALL)
    config = parse(text)
    assert config.influx.token.get_secret_value() == "s3cret"
    (green,) = config.networks
    assert (green.name, green.labels) == ("Green", {"site": "hq"})
    assert (green.limit, green.floor) == (80_000_000, 5_000_000)
    assert green.prefixes == (ip_network("10.1.0.0/16"), ip_network("2001:db8:1::/48"))
    assert config.exporters["192.0.2.1"].name == "core-1"
    assert config.exporters["192.0.2.1"].sampling == 1000
    assert config.services == {(14857, 17): "acme-sync"}
    assert config.expected[0].upto == 400_000_000
    assert config.warnings()[-1] == (
        "expected[0].network: Servers: no such network, the job has no effect: known are Green"
    )


def test_the_shipped_example_names_every_setting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INFLUX_TOKEN", "s3cret")
    config = load(str(EXAMPLE))
    assert config.exporters["192.0.2.1"].interfaces[3].speed == 10**10
    text = EXAMPLE.read_text()
    for name in Config.spelt():
        assert re.search(rf"^(# )?{name}:", text, re.MULTILINE), f"{name} is not in {EXAMPLE.name}"


def test_the_shipped_example_shows_the_defaults(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INFLUX_TOKEN", "")
    shown = yaml.safe_load(effective(load(str(EXAMPLE))))
    default = yaml.safe_load(effective(Config()))
    examples = {"networks", "exporters", "profiles", "expected", "services", "state_dir"}
    shown["influx"]["org"] = ""
    assert {k: v for k, v in shown.items() if k not in examples} == {
        k: v for k, v in default.items() if k not in examples
    }


def test_every_setting_has_a_description():
    sections, seen = [Config], set()
    while sections:
        section = sections.pop()
        for name, field in section.model_fields.items():
            assert field.description, f"{section.__name__}.{name}"
            for kind in re.findall(r"flowsleuth\.config\.\w+\.(\w+)", repr(field.annotation)):
                found = getattr(config_module, kind)
                if found not in seen:
                    seen.add(found)
                    sections.append(found)
    assert len(seen) >= 8


def test_the_effective_configuration_gives_the_same_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INFLUX_TOKEN", "s3cret")
    config = load(str(EXAMPLE))
    text = effective(config)
    assert "s3cret" not in text
    assert "s3cret" not in repr(config)
    assert "token: '***'" in text
    again = parse(text)
    assert again.model_dump(exclude={"influx": {"token"}}) == config.model_dump(
        exclude={"influx": {"token"}}
    )


def test_a_dollar_comes_back():
    config = parse("ingester: 'a$${b}'")
    assert config.ingester == "a${b}"
    assert parse(effective(config)) == config


def test_listeners():
    listen = parse('listen: ["[::]:2055", "127.0.0.1:0", ":9995"]').listen
    assert [(one.host, one.port) for one in listen] == [
        ("::", 2055),
        ("127.0.0.1", 0),
        ("0.0.0.0", 9995),
    ]
    assert "listen: ['[::]:2055', '127.0.0.1:0', '0.0.0.0:9995']" in effective(
        parse('listen: ["[::]:2055", "127.0.0.1:0", ":9995"]')
    )


def test_words_are_words_and_keys_may_be_numbers():
    config = parse(
        "networks: [{name: no, prefixes: [10.0.0.1]}, {name: 10, prefixes: [10.0.0.2], site: 7}]\n"
        "expected: [{network: no, upto: 3000, hours: 00:30-05:00}]"
    )
    assert [network.name for network in config.networks] == ["no", "10"]
    assert config.networks[0].prefixes == (ip_network("10.0.0.1/32"),)
    assert config.networks[1].labels == {"site": "7"}


def test_a_job_of_a_network_that_is_not_there_is_a_warning():
    def warnings(network: str) -> list[str]:
        servers = "networks: [{name: Servers, prefixes: [10.0.0.1]}]\n"
        return parse(f"{servers}expected: [{{network: {network}, upto: 1M}}]").warnings()

    assert warnings("Servers") == []
    assert warnings("Severs") == [
        "expected[0].network: Severs: no such network, the job has no effect: did you mean Servers?"
    ]


def test_a_jobs_protocol_is_a_keyword_or_a_number():
    text = "expected: [{{network: Private, upto: 1M, protocol: {}}}]"
    for written, protocol in (("TCP", "tcp"), ("47", "gre"), ("253", "253")):
        assert parse(text.format(written)).expected[0].protocol == protocol


def test_a_label_may_be_called_anything_if_it_says_that_it_is_one():
    text = "networks: [{name: A, prefixes: [10.0.0.0/8], labels: {limits: none}, role: lan}]"
    assert parse(text).networks[0].labels == {"limits": "none", "role": "lan"}


def test_exporters_have_one_spelling_and_a_name():
    config = parse('exporters: {"2001:DB8::0:1": {}, "::ffff:192.0.2.9": {sampling: 2}, 1.2.3.4: }')
    assert list(config.exporters) == ["2001:db8::1", "192.0.2.9", "1.2.3.4"]
    assert config.exporters["2001:db8::1"].name == "2001:db8::1"


def test_services_by_name_or_number():
    config = parse("services: {53/udp: dns, 9/132: sctp-9, 1/47: odd}")
    assert config.services == {(53, 17): "dns", (9, 132): "sctp-9", (1, 47): "odd"}
    assert "53/udp: dns, 9/sctp: sctp-9, 1/47: odd" in effective(config)


def test_a_preset_fills_in_what_is_not_said():
    small = parse("preset: small")
    assert (small.series_budget, small.retention.detail_ns) == (20_000, 15 * units.DAY)
    own = parse("preset: small\nseries_budget: 5000\nretention: {long: 1y}")
    assert (own.series_budget, own.retention.detail_ns) == (5000, 15 * units.DAY)
    assert own.retention.long_ns == units.YEAR
    assert parse("preset: small\nretention: {detail: 20d}").retention.detail_ns == 20 * units.DAY


def test_short_windows_accept_less_age():
    assert parse("window: 5s").accepted_age_ns == 2 * units.HOUR
    assert parse("window: 10s").accepted_age_ns == 25 * units.HOUR
    assert parse("window: 5s\naccepted_age: 3h").accepted_age_ns == 3 * units.HOUR


def test_the_detail_retention_follows_the_database():
    assert parse("influx: {database: flows}").influx.detail == "flows/detail"
    assert parse("influx: {detail: ''}").influx.policy == ""


# Where it comes from


def test_the_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert find() is None
    (tmp_path / "etc.yaml").write_text("ingester: etc")
    assert load().ingester == "etc"
    (tmp_path / "flowsleuth.yaml").write_text("ingester: here")
    assert load().ingester == "here"
    (tmp_path / "variable.yaml").write_text("ingester: variable")
    monkeypatch.setenv(loading.VARIABLE, "variable.yaml")
    assert load().ingester == "variable"
    (tmp_path / "named.yaml").write_text("ingester: named")
    assert load("named.yaml").ingester == "named"


def test_a_file_that_was_named_must_be_there(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"^none\.yaml: cannot be read: No such file"):
        load("none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"ingester: \xe9")
    with pytest.raises(ConfigError, match="byte 10 is not UTF-8"):
        load("latin.yaml")


def test_files_are_found_beside_the_configuration(tmp_path: Path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "f.yaml").write_text("hosts_file: hosts\nstate_dir: /var/x\n")
    config = load("conf/f.yaml")
    assert (config.hosts_file, config.state_dir) == ("conf/hosts", "/var/x")


CSV = """name,prefix,site,limit
Blue,10.2.0.0/16,hq,80M
Blue,10.3.0.0/16,,
Red,2001:db8::/32,branch,
"""


def test_networks_from_a_file(tmp_path: Path):
    (tmp_path / "n.csv").write_text(CSV)
    config = parse("networks_file: n.csv\nnetworks: [{name: A, prefixes: [10.1.0.0/16]}]")
    assert [network.name for network in config.networks] == ["A", "Blue", "Red"]
    assert len(config.networks[1].prefixes) == 2
    assert (config.networks[1].labels, config.networks[1].limit) == ({"site": "hq"}, 80_000_000)
    assert parse(effective(config)).networks == config.networks
    assert [network.name for network in parse("networks_file: n.csv").networks] == ["Blue", "Red"]


SPREADSHEETS = {
    "semicolons, byte order mark, CRLF": "\ufeffName;Prefix;site;Limit\r\n"
    "Blue;10.2.0.0/16;hq;80M\r\n"
    "Blue;10.3.0.0/16;;\r\nRed;2001:db8::/32;branch;\r\n",
    "tabs": CSV.replace(",", "\t"),
    "quoted": '"name","prefix","site","limit"\n"Blue","10.2.0.0/16"," hq ","80M"\n'
    '"Blue","10.3.0.0/16","",""\nRed,2001:db8::/32,branch,\n',
    "comments": f"# of the IPAM, on Monday\n\n{CSV}\n# Red,10.9.0.0/16,x,1M\n,,,\n",
    "settings in any line": "name,prefix,site,limit\nRed,2001:db8::/32,branch,\n"
    "Blue,10.2.0.0/16,,\n"
    "Blue,10.3.0.0/16,hq,80M\n",
    "with a hint": "sep=;\n" + CSV.replace(",", ";"),
    "the same twice": CSV.replace("10.3.0.0/16,,", "10.3.0.0/16,hq,80M"),
}


@pytest.mark.parametrize("form", SPREADSHEETS)
def test_networks_as_spreadsheets_write_them(tmp_path: Path, form: str):
    (tmp_path / "n.csv").write_bytes(SPREADSHEETS[form].encode())
    (tmp_path / "plain.csv").write_text(CSV)
    found, plain = (parse(f"networks_file: {name}.csv").networks for name in ("n", "plain"))
    assert {network.name: network for network in found} == {n.name: n for n in plain}


def test_a_comma_in_a_quoted_label(tmp_path: Path):
    (tmp_path / "n.csv").write_text('name,prefix,site\nBlue,10.2.0.0/16,"Paris, 2nd floor"\n')
    (network,) = parse("networks_file: n.csv").networks
    assert network.labels == {"site": "Paris, 2nd floor"}


@given(st.text(alphabet='name,prefix;\t\n"#10./ x', max_size=80))
def test_any_networks_file_is_read_or_refused(text: str):
    try:
        networks = read_networks(f"name,prefix\n{text}", "n.csv", 0, {})
    except ConfigError as said:
        assert str(said).startswith("n.csv:")  # noqa: PT017  most texts are no CSV
        return
    assert all(network["prefixes"] for network in networks)


@pytest.mark.parametrize(
    ("csv", "said"),
    [
        ("name,net\n", "n.csv:1: a first line with the columns name and prefix is needed"),
        ("name,prefix\nBlue,10.2.0.0/16\nBlue,nonsense\n", "n.csv:3: nonsense: allowed: an IPv4"),
        ("name,prefix\nBlue,10.2.0.0/16\nRed,10.1.0.0/16\n",
         "n.csv:3: 10.1.0.0/16: it stands once already: networks[0].prefixes[0]"),
        ("name,prefix\nBlue,10.2.0.0/16\nRed,10.2.0.0/16\n",
         "n.csv:3: 10.2.0.0/16: it stands once already: n.csv:2"),
        ("name,prefix\nother,10.2.0.0/16\n", "n.csv:2: other: allowed: any name but the reserved"),
        ("name,prefix\nBlue\n", "n.csv:2: as many columns as in the first line are allowed"),
        ("name,prefix,limt\nBlue,10.2.0.0/16,3\n", "n.csv:2: 3: did you mean limit?"),
        ("name,prefix,limit\n\nBlue,10.2.0.0/16,\nBlue,10.3.0.0/16,much\n",
         "n.csv:4: much: allowed: bits per second"),
        ("name,prefix,site\nBlue,10.2.0.0/16,hq\nBlue,10.3.0.0/16,lab\n",
         "n.csv:3: site: lab: Blue has hq in line 2: say it once, or the same"),
        ("name,prefix,a b\nBlue,10.2.0.0/16,x\n", "n.csv:2: x: a label has letters, digits"),
        ("name,prefix,labels\n", "n.csv:1: labels: a prefix a line, and a column for each label"),
        ("name,prefix,site,site\n", "n.csv:1: the column site stands twice"),
        ('name,prefix\nBlue,"10.2.0.0/16\n', "n.csv:2: no valid CSV: unexpected end of data"),
        ('# export\nname,prefix\n"Blue\nand more",10.2.0.0/16\n', "n.csv:4: "),
        ("name,prefix\n,10.2.0.0/16\n", "n.csv:2: "),
        ("name,prefix\nBlue,\n", "n.csv:2: "),
        ("", "n.csv:1: a first line with the columns name and prefix is needed"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_networks_file_has_its_line(tmp_path: Path, csv: str, said: str):
    (tmp_path / "n.csv").write_text(csv)
    with pytest.raises(ConfigError) as caught:
        parse("networks_file: n.csv\nnetworks: [{name: A, prefixes: [10.1.0.0/16]}]", "f.yaml")
    assert said in str(caught.value)


def test_a_networks_file_that_is_not_there():
    said = "networks_file: n.csv: cannot be read: No such file or directory"
    assert error("networks_file: n.csv") == said


# How a mistake reads

MISTAKES = {
    # unknown keys
    "windw: 1s": "windw: no such setting: did you mean window?",
    "influx: {tokn: s3cret}": "influx.tokn: no such setting: did you mean token?",
    "exporters: {1.2.3.4: {rate: 1}}": "exporters.1.2.3.4.rate: no such setting: known are name,",
    "networks: [{name: A, prefixes: [10.0.0.0/8], limt: 5}]":
        "networks[0].limt: 5: did you mean limit? (a label of that name: labels: {…})",
    "networks: [{name: A, prefixes: [10.0.0.0/8], port: 5}]":
        "networks[0].port: 5: a label has letters",
    # quantities
    "window: 7s": "window: 7s: allowed: whole seconds from 1s to 1h that divide an hour",
    "window: 60": "window: 60: allowed: whole seconds",
    "window: [1]": "window: allowed: whole seconds",
    "grace: 1.0000000001s": "grace: 1.0000000001s: allowed: a number with its unit",
    "accepted_age: 1m": "accepted_age: 1m: must be no less than window and grace together",
    "retention: {detail: 2h}":
        "retention.detail: 2h: allowed: a number with its unit (s, m, h, d, w, y) from 1d to 100y",
    "receive_buffer: 16MB": "receive_buffer: 16MB: allowed: bytes, a number with k, M or G",
    "series_budget: many": "series_budget: many: allowed: a whole number",
    "share: 0": "share: 0: allowed: greater than 0",
    "networks: [{name: A, prefixes: [10.0.0.0/8], limit: true}]":
        "networks[0].limit: True: allowed: bits per second",
    # names, addresses
    'networks: [{name: "a\\tb", prefixes: [10.0.0.0/8]}]':
        r"networks[0].name: 'a\tb': allowed: 1 to 100 printable characters",
    "networks: [{name: A}]": "networks[0].prefixes: missing: it must be given",
    "networks: [{name: A, prefixes: 10.0.0.0/8}]":
        "networks[0].prefixes: 10.0.0.0/8: allowed: a list",
    "networks: [{name: A, prefixes: [10.0.0.1/8]}]":
        "networks[0].prefixes[0]: 10.0.0.1/8: allowed: a prefix without bits beyond its length: "
        "10.0.0.0/8",
    "networks: [{name: A, prefixes: [10.0.0.0/40]}]":
        "networks[0].prefixes[0]: 10.0.0.0/40: allowed: an IPv4 or IPv6 prefix",
    "networks:\n- {name: A, prefixes: [10.0.0.0/8]}\n- {name: B, prefixes: [10.0.0.0/8]}":
        "networks[1].prefixes[0]: 10.0.0.0/8: it stands once already: networks[0].prefixes[0]",
    "networks:\n- {name: A, prefixes: [10.0.0.0/8]}\n- {name: A, prefixes: [11.0.0.0/8]}":
        "networks[1].name: A: it stands once already: networks[0].name",
    "profiles:\n- {name: A, filter: any}\n- {name: A, filter: any}":
        "profiles[1].name: A: it stands once already: profiles[0].name",
    "networks: {A: 10.0.0.0/8}": "networks: allowed: a list",
    "networks: [10.0.0.0/8]": "networks[0]: 10.0.0.0/8: allowed: a block of `key: value`",
    "exporters: [1.2.3.4]": "exporters: allowed: a block of `key: value`",
    "exporters: {1.2.3: {}}": "exporters.1.2.3: allowed: an IPv4 or IPv6 address",
    "exporters: {1.2.3.4: x}": "exporters.1.2.3.4: x: allowed: a block of `key: value`",
    "exporters: {1.2.3.4: , '::ffff:1.2.3.4': }":
        "exporters.::ffff:1.2.3.4: it stands once already: exporters.1.2.3.4",
    "exporters: {1.2.3.4: {name: x}, 1.2.3.5: {name: x}}":
        "exporters.1.2.3.5.name: x: it stands once already: exporters.1.2.3.4.name",
    "exporters: {1.2.3.4: {count: both}}":
        "exporters.1.2.3.4.count: both: allowed: 'all', 'ingress' or 'egress'",
    "expected: [{network: A, upto: 1M, address: here}]":
        "expected[0].address: here: allowed: an IPv4 or IPv6 address",
    "expected: [{network: A, upto: 1M, hours: nights}]":
        "expected[0].hours: nights: allowed: a time of day as HH:MM-HH:MM",
    "expected: [{network: A, upto: 1M, hours: 24:00-05:00}]":
        "expected[0].hours: 24:00-05:00: allowed: a time of day as HH:MM-HH:MM",
    "expected: [{network: A, upto: 1M, hours: 05:00-05:00}]":
        "expected[0].hours: 05:00-05:00: allowed: a time of day as HH:MM-HH:MM",
    "expected: [{network: A, upto: 1M, protocol: tpc}]":
        "expected[0].protocol: tpc: allowed: a protocol by its IANA keyword or number, such as tcp",
    "expected: [{network: A, upto: 1M, protocol: 256}]":
        "expected[0].protocol: 256: allowed: a protocol by its IANA keyword or number",
    "expected: [{network: A, upto: 1M, until: soon}]": "expected[0].until: soon: allowed: ",
    "timezone: Berlin":
        "timezone: Berlin: allowed: a time zone of the IANA database, such as Europe/Berlin",
    "timezone: ../UTC": "timezone: ../UTC: allowed: a time zone of the IANA database",
    "timezone: Europe": "timezone: Europe: allowed: a time zone of the IANA database",
    "floor: -1": "floor: -1: allowed: bits per second",
    "services: {99999/udp: x}": "services.99999/udp: x: allowed: PORT/PROTOCOL, such as 14857/udp",
    "services: {1/ipx: x}": "services.1/ipx: x: allowed: PORT/PROTOCOL",
    "listen: [2055]": "listen[0]: 2055: allowed: HOST:PORT",
    "listen: [a:99999]": "listen[0]: a:99999: allowed: HOST:PORT",
    "listen: []": "listen: ",
    # InfluxDB
    "influx: {url: localhost}": "influx.url: localhost: allowed: a URL such as http://",
    "influx: {url: 'http://u:p@h'}": "influx.url: http://u:p@h: allowed: a URL without user",
    "influx: {detail: a/b}": "influx.detail: a/b: allowed: flowsleuth/NAME",
    "influx: {detail: flowsleuth/}": "influx.detail: flowsleuth/: allowed: flowsleuth/NAME",
    "influx: {database: 'a\"b'}": 'influx.database: a"b: allowed: printable characters without',
    "influx: {verify_ssl: maybe}": "influx.verify_ssl: maybe: allowed: true or false",
    "influx: x": "influx: x: allowed: a block of `key: value`",
    # YAML
    "a: [": "line 1, column 5: no valid YAML: ",
    "ingester: a\ningester: b": "line 2, column 1: no valid YAML: the key 'ingester' stands twice",
    "ingester: \x00": "no valid YAML: ",
    "- 1": "a list: `key: value` lines are allowed",
    "influx: {token: '${FLOWSLEUTH_NOPE}'}":
        "influx.token: ${FLOWSLEUTH_NOPE}: no such environment variable: set FLOWSLEUTH_NOPE",
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), MISTAKES.items(), ids=lambda value: value[:40])
def test_a_mistake_is_one_line(text: str, said: str):
    assert error(text).startswith(said)


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_reserved_names(name: str):
    allowed = "allowed: any name but the reserved all, other, unassigned, unknown"
    for section in (f"networks: [{{name: {name}, prefixes: [10.0.0.0/8]}}]",):
        assert error(section) == f"networks[0].name: {name}: {allowed}"
    assert allowed in error(f"profiles: [{{name: {name}, filter: any}}]")
    assert allowed in error(f"exporters: {{1.2.3.4: {{name: {name}}}}}")


def test_several_mistakes_are_counted():
    assert error("grace: 1\nshare: 2").endswith(" (and 1 more)")


def test_what_came_from_a_variable_is_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLOWSLEUTH_SECRET", "s3cret")
    for text in (
        "influx: {token: ['${FLOWSLEUTH_SECRET}']}",
        "influx: {url: 'http://u:${FLOWSLEUTH_SECRET}@h'}",
        "influx: {tokn: '${FLOWSLEUTH_SECRET}'}",
    ):
        assert "s3cret" not in error(text)
    assert "s3cret" not in error("influx: {token: [s3cret]}")


def test_a_long_value_is_cut():
    assert len(error(f"window: {'x' * 10_000}")) < 300


# Quantities


@given(st.integers(0, 100 * units.YEAR // units.SECOND))
def test_durations_come_back(seconds: int):
    read = units.duration("0s", "100y")
    assert read(units.format_duration(seconds * units.SECOND)) == seconds * units.SECOND


@given(st.integers(0, 2**63 - 1))
def test_rates_and_sizes_come_back(value: int):
    assert units.read_rate(units.format_rate(value)) == value
    assert units.read_size(units.format_size(value)) == value


@pytest.mark.parametrize(
    ("text", "ns"),
    [("60s", 60 * 10**9), ("1.5h", 5400 * 10**9), ("2y", 730 * units.DAY), ("0.25s", 25 * 10**7)],
)
def test_durations(text: str, ns: int):
    assert units.duration("0s", "9y")(text) == ns


@pytest.mark.parametrize(
    ("value", "bits"), [("80M", 8 * 10**7), ("1.5G", 15 * 10**8), (7, 7), ("10k", 10**4)]
)
def test_rates(value: object, bits: int):
    assert units.read_rate(value) == bits


@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_one_line(text: str):
    try:
        parse(text, "f.yaml")
    except ConfigError as said:
        assert len(str(said).splitlines()) == 1  # noqa: PT017  most texts are no configuration
