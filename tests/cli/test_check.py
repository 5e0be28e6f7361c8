"""`check`: the effective configuration on stdout, and what a capture says of it on stderr."""

import re
from ipaddress import ip_network

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from flowsleuth.cli.check import KIND_NAMES, command
from flowsleuth.cli.suggested import block
from flowsleuth.config import Config, parse
from flowsleuth.demo.capture import PcapWriter
from flowsleuth.demo.encode import Encoder, Exporter, FlowColumns
from flowsleuth.errors import ConfigError, InputError
from flowsleuth.pipeline.suggest import Suggestion, Suggestions
from flowsleuth.pipeline.suggest import suggest as suggest_networks
from flowsleuth.receive.datagrams import Datagrams, Sources
from flowsleuth.receive.files import read

SECOND = 1_000_000_000
NOW = 1_790_000_000 * SECOND
NETWORKS = "networks: [{name: Green, prefixes: [10.1.0.0/16]}]\n"


def capture(path, minutes, peers, per_minute=200, seed=1):
    """A pcap: so many flows a minute between two hosts of Green and `peers` addresses outside."""
    rng = np.random.default_rng(seed)
    n = minutes * per_minute
    export = NOW + np.sort(rng.integers(0, minutes * 60, n)) * SECOND
    ends = np.zeros((2, n, 2), np.uint64)
    ends[0, :, 1] = (10 << 24) + (1 << 16) + rng.integers(1, 3, n)
    ends[1, :, 1] = 0x50000000 + rng.integers(0, peers, n)
    flows = FlowColumns(
        is_v6=np.zeros(n, bool),
        src=ends[0],
        dst=ends[1],
        src_port=rng.integers(32768, 61000, n),
        dst_port=np.full(n, 443),
        protocol=np.full(n, 6),
        tcp_flags=np.full(n, 0x1B),
        in_if=np.ones(n, np.int64),
        out_if=np.full(n, 2),
        bytes=rng.integers(1000, 2000, n),
        packets=np.full(n, 2),
        start_ns=export - 2 * SECOND,
        end_ns=export - SECOND,
    )
    encoded = Encoder(Exporter(9, 1, NOW - 86_400 * SECOND)).encode(flows, export)
    sources = Sources()
    source = sources.number("192.0.2.1", 30_000)
    with PcapWriter(path) as writer:
        writer.write(
            Datagrams(
                data=encoded.data,
                start=encoded.start,
                length=encoded.length,
                source=np.full(len(encoded.start), source, np.int32),
                received_ns=encoded.export_ns,
                sources=sources,
            )
        )
    return path


@pytest.fixture(scope="module")
def hour(tmp_path_factory):
    return capture(tmp_path_factory.mktemp("check") / "hour.pcap", 60, 30)


@pytest.fixture
def check(tmp_path, monkeypatch):
    """`check("series_budget: 500", path)` → stdout and the lines of stderr."""
    monkeypatch.chdir(tmp_path)

    def run(config, *files):
        (tmp_path / "c.yaml").write_text(config)
        arguments = ["-c", "c.yaml", *map(str, files)]
        ran = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert ran.exit_code == 0, ran.stderr
        return ran.stdout, ran.stderr.splitlines()

    return run


def table(lines):
    """{kind: (needed, of budget, new a day)} from the report."""
    names = [*KIND_NAMES.values(), "all"]
    found = {}
    for line in lines:
        for name in names:
            if match := re.fullmatch(rf"  {re.escape(name)} +(\d+) +(\d+) +(\d+|\?)", line):
                found[name] = match.groups()
    assert list(found) == names
    return found


def test_stdout_is_the_effective_configuration(check):
    stdout, lines = check(NETWORKS + "series_budget: 500\n")
    assert lines == []
    assert yaml.safe_load(stdout)["series_budget"] == 500
    assert parse(stdout, "again").series_budget == 500


def test_stdout_stays_yaml_with_files(check, hour):
    assert check(NETWORKS, hour)[0] == check(NETWORKS)[0]


def test_what_a_capture_needs(check, hour):
    _, lines = check(NETWORKS, hour)
    assert lines[0] == (
        "flowsleuth: series, judged by 12000 flow records of 60 minutes from 2026-09-21 14:13 UTC"
    )
    rows = table(lines)
    # Two hosts with one service port each; 30 peers of each, of which the first 20 are kept.
    assert rows["talkers"] == ("2", "40000", "0")
    assert rows["hosts"] == ("2", "20000", "0")
    assert 50 <= int(rows["conversations"][0]) <= 60
    assert rows["all"][1] == "100000"
    assert sum(int(row[0]) for row in list(rows.values())[:-1]) == int(rows["all"][0])
    assert "* extrapolated from the last 30 minutes" in "\n".join(lines)
    assert "admission bar: 1.00% of a network's bytes (share), highest reached 1.00%" in lines
    assert lines[-1] == "fits"


def test_a_short_capture_tells_no_pace(check, tmp_path):
    _, lines = check(NETWORKS, capture(tmp_path / "short.pcap", 2, 30))
    assert table(lines)["all"][2] == "?"
    assert "* the capture is too short to tell how many are new each day" in lines


def test_a_budget_that_is_too_small(check, tmp_path):
    """40 hosts that talk alike: 40 places for talkers, of which a quarter can be had at once."""
    path = capture(tmp_path / "busy.pcap", 20, 40)
    config = "networks: [{name: Outside, prefixes: [80.0.0.0/8]}]\nseries_budget: 100\n"
    _, lines = check(config, path)
    rows = table(lines)
    assert int(rows["talkers"][0]) > int(rows["talkers"][1]) * 0.9
    advice = next(line for line in lines if line.startswith("does not fit"))
    budget = int(re.search(r"raise series_budget to (\d+) or more", advice)[1])
    _, lines = check(config.replace("100", str(budget)), path)
    assert not any(line.startswith("does not fit") for line in lines)


def test_growth_that_would_fill_the_budget(check, tmp_path):
    """Ever new peers: conversations fit into the capture, and not into 30 days of it."""
    path = capture(tmp_path / "new.pcap", 40, 2**20, per_minute=20)
    _, lines = check(NETWORKS + "top: {bytes: 5, packets: 1, peers: 1}\n", path)
    advice = lines[-1]
    assert advice.startswith("fits now; at this pace conversations would be full after ")
    assert int(table(lines)["conversations"][2]) > 1000


def test_what_folds_with_any_budget(check, tmp_path):
    path = capture(tmp_path / "flat.pcap", 15, 2**20, per_minute=400)
    config = "networks: [{name: Outside, prefixes: [80.0.0.0/8]}]\n"
    _, lines = check(config, path)
    assert lines[-1].startswith("more than half would fold with any budget: lower share or raise")


def test_files_without_flows(check, tmp_path):
    with PcapWriter(tmp_path / "empty.pcap"):
        pass
    _, lines = check(NETWORKS, tmp_path / "empty.pcap")
    assert lines == ["flowsleuth: the files hold no flow records: no estimate of the series"]


def test_what_has_no_effect_is_said(check):
    config = NETWORKS + "expected: [{network: Blues, upto: 1M}]\n"
    _, lines = check(config)
    assert lines == [f"flowsleuth: {text}" for text in parse(config, "c.yaml").warnings()]
    assert len(lines) == 1


@pytest.mark.parametrize("setting", ["hosts_file", "networks_file"])
def test_files_that_the_configuration_names_must_be_readable(check, setting):
    with pytest.raises(ConfigError, match=rf"{setting}: absent\.txt: .*No such file"):
        check(f"{setting}: absent.txt\n")


def test_a_file_that_does_not_exist(check):
    with pytest.raises(InputError, match=r"absent\.pcap"):
        check(NETWORKS, "absent.pcap")


def test_stdin_cannot_be_read_twice():
    ran = CliRunner().invoke(command, ["-"])
    assert ran.exit_code == 2
    assert "name a FILE" in ran.stderr


# Suggested networks


@pytest.fixture
def suggest(tmp_path, monkeypatch):
    """`suggest(path, "hosts_file: hosts")` → the lines of stdout, which are a configuration."""
    monkeypatch.chdir(tmp_path)

    def run(file, config=""):
        (tmp_path / "c.yaml").write_text(config)
        arguments = ["--suggest", "-c", "c.yaml", str(file)]
        ran = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert ran.exit_code == 0, ran.stderr
        assert ran.stderr == ""
        (tmp_path / "again.yaml").write_text(ran.stdout)
        again = CliRunner().invoke(command, ["-c", "again.yaml"], catch_exceptions=False)
        assert again.exit_code == 0
        return ran.stdout.splitlines(), parse(ran.stdout, "again.yaml")

    return run


def test_a_suggestion_is_a_configuration_with_reasons(suggest, hour):
    lines, config = suggest(hour)
    assert [(n.name, [str(p) for p in n.prefixes]) for n in config.networks] == [
        ("net-10-1-0-0-24", ["10.1.0.0/24"])
    ]
    assert lines[0].startswith("# Judged by 12000 flow records, 2026-09-21 14:13 to 2026-09-21 15:")
    assert lines[-2].endswith("# 100% of bytes, 2 hosts, 1 peers; private")
    assert lines[-1] == "# 0% of bytes touch none of what was found."


def test_hosts_of_one_domain_are_one_network(suggest, hour, tmp_path):
    names = ["10.1.0.1 printer.green.example.net", "10.1.0.2 www.green.example.net", "10.1.0.9 odd"]
    (tmp_path / "hosts").write_text("\n".join(names))
    assert suggest(hour, "hosts_file: hosts")[1].networks[0].name == "green"
    (tmp_path / "hosts").write_text("\n".join(name.replace("green", "other") for name in names))
    assert suggest(hour, "hosts_file: hosts")[1].networks[0].name == "net-10-1-0-0-24"


def suggestion(prefix, *, sure=True):
    return Suggestion(ip_network(prefix), 0.0123, 1, 3, sure, "private")


def written(*found, hosts=None, more=0):
    suggestions = Suggestions(7, NOW, NOW, found, more, 0.002, 0.3)
    lines = list(block(suggestions, hosts or {}))
    return lines, parse("\n".join(lines), "s.yaml")


def test_a_guess_is_commented_out():
    lines, config = written(
        suggestion("10.1.0.0/16"), suggestion("80.0.0.0/24", sure=False), more=4
    )
    assert [network.name for network in config.networks] == ["net-10-1-0-0-16"]
    guess = next(line for line in lines if "80.0.0.0" in line)
    assert guess.startswith("  # - {name: ")
    assert "# Left out: 4 more prefixes with 0.2% of bytes." in lines
    lines, config = written(suggestion("80.0.0.0/24", sure=False))
    assert config.networks[0].name == "Private"


HQ = {f"10.1.0.{i}": f"h{i}.hq.example" for i in range(3)} | {
    f"2001:db8::{i}": f"h{i}.hq.example" for i in range(3)
}


@pytest.mark.parametrize(
    ("sure", "prefixes"),
    [((True, True), 2), ((True, False), 1), ((False, True), 1), ((False, False), 0)],
)
def test_a_network_of_two_prefixes(sure, prefixes):
    found = [
        suggestion(prefix, sure=of)
        for prefix, of in zip(("10.1.0.0/16", "2001:db8::/48"), sure, strict=True)
    ]
    _, config = written(*found, hosts=HQ)
    (network,) = config.networks
    if prefixes:
        assert (network.name, len(network.prefixes)) == ("hq", prefixes)
    else:
        assert network.name == "Private"


def test_where_nothing_tells():
    lines, config = written()
    assert lines[-1] == "networks: []"
    assert config.networks[0].name == "Private"


def test_a_suggestion_needs_files_with_flows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(command, ["--suggest"])
    assert ran.exit_code == 2
    assert "needs a FILE" in ran.stderr
    with PcapWriter(tmp_path / "empty.pcap"):
        pass
    with pytest.raises(InputError, match="no flow records"):
        CliRunner().invoke(command, ["--suggest", "empty.pcap"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("name", "prefixes"),
    [
        ("derived/isp_sample_v5.pcap", {"170.80.156.33/32", "192.168.0.0/23"}),
        ("derived/isp_sample_v9.pcap",
         {"170.80.156.33/32", "192.168.0.0/23", "2804:3714:4058::/48"}),
    ],
)  # fmt: skip
def test_what_real_captures_suggest(suggest, captures, name, prefixes):
    """A site behind NAT: its private prefix, the public address of its router, its IPv6."""
    _, config = suggest(captures / name)
    assert {str(p) for network in config.networks for p in network.prefixes} == prefixes


def test_any_capture_gives_a_valid_block(captures):
    judged = 0
    for path in sorted(path for path in captures.rglob("*") if path.is_file()):
        try:
            found = suggest_networks(Config(), read([str(path)], Sources()))
        except InputError:
            continue
        if found is not None:
            parse("\n".join(block(found, {})), path.name)
            judged += 1
    assert judged > 30
