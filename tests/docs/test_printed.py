"""Every command, configuration and query that is printed in the documents is run or parsed here.

Executed as a whole are docs/install.md (tests/install/test_page.py) and docs/exporters.md
(tests/exporters); queries and statements are answered by a real InfluxDB; the rest is parsed.
"""

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from services import rows, unavailable

from flowsleuth.cli import COMMANDS, group
from flowsleuth.config import parse
from flowsleuth.filters.filter import Filter
from flowsleuth.schema import BY_NAME
from flowsleuth.write import server

from .printed import ROOT, blocks, commands

ALL = blocks()

SHELL = [block for block in ALL if block.language == "sh"]
CONFIGURATIONS = [block for block in ALL if block.language == "yaml"]
QUERIES = [
    (block, query)
    for block in ALL
    if block.language == "influxql"
    for query in block.text.strip().splitlines()
]

DEVICES = {
    "ios", "nxos", "iosxr", "asa", "junos", "routeros", "fortios", "panos", "eos", "vrp", "vyos",
}  # fmt: skip
"""Languages of devices that are not here: parsed for what matters, and cited."""

OTHERS = {"", "text", "ini", "prometheus", "toml"}
"""What is printed by a program, or is some other program's."""

PROGRAMS = {
    "cat", "chmod", "cp", "curl", "docker", "eval", "export", "flowsleuth", "fprobe", "influx",
    "influxd", "iptables", "make", "mkdir", "modprobe", "nfcapd", "nfreplay", "ovs-vsctl", "pip",
    "python", "python3", "rm", "set", "softflowd", "sysctl", "systemctl",
}  # fmt: skip
"""Programs that somebody may be asked to run."""


@pytest.mark.parametrize("block", ALL, ids=str)
def test_each_block_says_what_it_is(block):
    known = {"sh", "yaml", "influxql", *DEVICES, *OTHERS}
    assert block.language in known, f"{block}: nobody checks {block.language!r}"


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_shell_blocks_are_shell_of_known_programs(block):
    ran = subprocess.run(
        ["bash", "-n"], input=block.text, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, ""), block
    for line in commands(block):
        for part in filter(None, re.split(r" (?:&&|;|\|) |; ", line)):
            words = [w for w in shlex.split(part, comments=True) if not re.match(r"\w+=", w)]
            program = Path(words[0]).name if words else "export"
            assert program in {*PROGRAMS, "cut", "", "."}, f"{block}: {line}"


def arguments(line: str) -> list[str] | None:
    """Return what follows `flowsleuth` as the program of a line, up to what is the shell's.

    None where another program is called; what runs in a container is called there.
    """
    words = [w for w in shlex.split(line, comments=True) if not re.match(r"[A-Z_]+=", w)]
    if words[:1] == ["docker"] and words.count("flowsleuth") == 2:
        words = words[words.index("flowsleuth") + 1 :]
    if not words or Path(words[0]).name != "flowsleuth":
        return None
    ends = [i for i, word in enumerate(words) if word in {">", "|", "&&", ";", "2>"}]
    return words[1 : min(ends, default=len(words))]


OURS = [(block, line) for block in SHELL for line in commands(block) if arguments(line) is not None]


@pytest.mark.parametrize(("block", "line"), OURS, ids=lambda x: str(x)[:60])
def test_our_commands_are_parsed_by_the_command_line(block, line, monkeypatch):
    """Options, their values, filters, times: all that click and its callbacks say."""
    name, *rest = arguments(line)
    assert name in COMMANDS, f"{block}: no command {name}"
    command = group.get_command(click.Context(group), name)
    with command.make_context(name, rest, parent=click.Context(group, info_name="flowsleuth")):
        pass


MAKES = [(b, line) for b in SHELL for line in commands(b) if line.startswith("make ")]


@pytest.mark.parametrize(("block", "line"), MAKES, ids=str)
def test_make_has_the_target(block, line):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert shlex.split(line, comments=True)[1] in targets


FILES = [
    (b, word)
    for b in SHELL
    for line in commands(b)
    for word in shlex.split(line, comments=True)
    if re.match(r"(?:docker|provisioning|dashboards|systemd|docs|bench)/", word)
]


@pytest.mark.parametrize(("block", "file"), FILES, ids=str)
def test_files_of_the_repository_are_there(block, file):
    assert (ROOT / file).exists(), block


def test_programs_of_the_repository_take_their_options():
    """`python bench/x.py --y` in the texts: the file is there."""
    for block in ALL:
        for file in re.findall(r"python ((?:bench|docs)/\S+\.py)", block.text):
            assert (ROOT / file).exists(), f"{block}: {file}"


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=str)
def test_configurations_are_valid(block, monkeypatch):
    for name in re.findall(r"\$\{(\w+)\}", block.text):
        monkeypatch.setenv(name, "http://localhost:8086" if name.endswith("URL") else "x")
    if block.page == "docs/exporters.md":
        assert "plugins: nfprobe" in block.text  # pmacctd's: tests/exporters runs it
        return
    assert parse(block.text, str(block))


HERE = re.compile(r"\.yaml <<'END'\n(.*?)^END$", re.MULTILINE | re.DOTALL)


def test_configurations_in_here_documents_are_valid(monkeypatch):
    found = [(block, match[1]) for block in SHELL for match in HERE.finditer(block.text)]
    assert found
    for block, text in found:
        for name in re.findall(r"\$\{(\w+)\}", text):
            monkeypatch.setenv(name, "http://localhost:8086" if name.endswith("URL") else "x")
        assert parse(text, str(block)).networks


@pytest.mark.parametrize("block", [b for b in ALL if b.language in {"ini", "prometheus"}], ids=str)
def test_other_programs_configurations_are_well_formed(block):
    if block.language == "ini":
        parser = configparser.ConfigParser(strict=False)
        parser.optionxform = str
        parser.read_string(block.text)
        assert parser.sections()
        return
    (job,) = yaml.safe_load(block.text)["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["127.0.0.1:9055"]


@pytest.mark.parametrize(("block", "query"), QUERIES, ids=lambda x: str(x)[:50])
def test_queries_are_answered_by_influxdb(block, query, influx_config):
    rows(influx_config, query)  # raises what InfluxDB refuses
    for measurement in re.findall(r'FROM (?:"detail"\.)?"(\w+)"', query):
        known = BY_NAME[measurement]
        names = {*known.tags, *(f.name for f in known.fields), "detail", measurement}
        assert set(re.findall(r'"(\w+)"', query)) <= names, block


INFLUX = [
    (b, match)
    for b in SHELL
    for line in commands(b)
    for match in re.findall(r"influx -execute (['\"])(.*?)\1(?: |$)", line)
]


def test_statements_for_influxdb_1_8_are_taken_by_it(influx_config, influxdb):
    """In the order in which they make sense, on a database of their own."""
    if influxdb.kind != "1.8":
        unavailable("InfluxDB 1.8", "this one is another")
    settings = influx_config.influx
    database, user = f'"{settings.database}"', settings.database.replace("test_", "user_")
    drop_policy = f'DROP RETENTION POLICY "detail" ON {database}'
    printed = sorted({statement for _, (_, statement) in INFLUX}, key=_order)
    assert len(printed) >= 5
    with server.connect(settings) as client:
        for statement in printed:
            own = statement.replace("TO flowsleuth", f'TO "{user}"')
            own = own.replace("USER flowsleuth", f'USER "{user}"')
            own = re.sub(r'"?\bflowsleuth\b"?', database, own)
            if own.startswith("CREATE RETENTION"):
                server.influxql(client, settings, drop_policy)
            server.influxql(client, settings, own)
        server.influxql(client, settings, f'DROP USER "{user}"')


def _order(statement):
    words = ("CREATE DATABASE", "CREATE RETENTION", "ALTER", "CREATE USER", "GRANT")
    return next(i for i, word in enumerate(words) if statement.startswith(word))


@pytest.mark.parametrize("block", [b for b in ALL if b.language in DEVICES], ids=str)
def test_devices_send_to_the_collector_with_short_timeouts(block):
    assert "192.0.2.10" in block.text
    assert re.search(r"\b2055\b", block.text)
    words = "active|interval|life|refresh|timeout"
    minute = rf"(?i)(?:{words})\D{{0,40}}\b(?:60|60000|1|1m)\b"
    assert re.search(minute, block.text), "no active timeout of a minute"
    assert not re.search(r"[^\x20-\x7e\n]", block.text), "cannot be typed there"


def test_the_pfsense_page_has_the_tested_command():
    (tested,) = (
        b for b in ALL if b.page == "docs/exporters.md" and b.text.startswith("softflowd -i")
    )
    (printed,) = (b for b in ALL if b.page == "docs/pfsense.md" and b.language == "sh")
    assert printed.text.replace("igb1", "eth0") == tested.text


def test_nfsens_repeater_and_player_have_these_options():
    if not shutil.which("nfcapd"):
        unavailable("nfdump", "Debian's package nfdump has nfcapd and nfreplay")
    for block in (b for b in SHELL if b.page == "docs/nfsen.md"):
        for line in commands(block):
            program, *rest = shlex.split(line)
            if program not in {"nfcapd", "nfreplay"}:
                continue
            said = subprocess.run([program, "-h"], capture_output=True, text=True, check=False)
            known = said.stdout + said.stderr
            for option in (word for word in rest if re.fullmatch(r"-[A-Za-z]", word)):
                assert re.search(rf"^\s*{option}\b", known, re.MULTILINE), (program, option)


def test_filters_in_running_text_are_filters():
    for block in ALL:
        for text in re.findall(r"--filter \"([^\"]+)\"", block.text):
            Filter(text)


def test_the_site_is_built_without_a_warning(tmp_path):
    """Links, anchors and the navigation, strictly: what `make docs` does."""
    mkdocs = shutil.which("mkdocs", path=str(Path(sys.executable).parent))
    if mkdocs is None:
        unavailable("mkdocs", "`pip install --group docs` brings it")
    ran = subprocess.run(
        [mkdocs, "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert (tmp_path / "site" / "install.html").exists()
