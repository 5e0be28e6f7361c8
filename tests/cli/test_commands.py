"""Every command: its help, its exit status, and one line for each mistake."""

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import click
import pytest
from decode import wire
from services import eventually
from write.conftest import Told

from flowsleuth import __version__
from flowsleuth import cli as command_line
from flowsleuth.cli import COMMANDS, DEBUG
from flowsleuth.cli import options as shared_options

READING = ("decode", "points", "load", "hunt")


def one_line(ran, *words):
    """What a user's mistake looks like."""
    assert ran.status == 1
    assert ran.out == b""
    assert ran.err.startswith("flowsleuth: ")
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err
    assert "bug" not in ran.err
    for word in words:
        assert word in ran.err


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_has_an_example_that_begins_with_the_command(cli, name, flag):
    ran = cli(name, flag)
    assert ran.status == 0
    example = re.search(r"Example: flowsleuth (\S+)", ran.out.decode())
    assert example is not None
    assert example[1] == name


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_use_options_that_exist(name):
    command = command_line.group.get_command(None, name)
    known = {o for p in command.params for o in [*p.opts, *p.secondary_opts]}
    example = (command.help + (command.epilog or "")).partition("Example:")[2]
    # What follows a pipe or a redirection is another program's.
    ours = re.split(r"[|>]", example)[0]
    used = set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", ours))
    assert used <= known


def test_the_group_lists_all_commands_and_tells_its_version(cli):
    listed = cli("--help").out.decode()
    assert all(re.search(rf"^  {name} ", listed, re.MULTILINE) for name in COMMANDS)
    assert cli("--version").out.decode() == f"flowsleuth, version {__version__}\n"


WRONG_USAGE = [
    ("nonsense",),
    ("decode",),
    ("points",),
    ("load",),
    ("decode", "--nonsense", "x"),
    ("replay", "x.pcap"),
    ("replay", "x.pcap", "--to", "nowhere"),
    ("replay", "x.pcap", "--to", "127.0.0.1:70000"),
    ("replay", "x.pcap", "--to", "127.0.0.1:1", "--speed", "-1"),
    ("replay", "-", "--to", "127.0.0.1:1", "--rebase"),
    ("load", "-", "--rebase"),
    ("check", "-"),
    ("collect", "surplus"),
    ("collect", "--workers", "0"),
    ("demo", "--port", "70000"),
]


@pytest.mark.parametrize("arguments", WRONG_USAGE, ids=" ".join)
def test_wrong_usage_is_2(cli, arguments):
    ran = cli(*arguments)
    assert ran.status == 2
    assert "Error: " in ran.err
    assert "Traceback" not in ran.err


def test_without_a_command_there_is_help(cli):
    ran = cli()
    assert ran.status in {0, 2}
    assert b"Usage" in ran.out or "Usage" in ran.err


BAD_FILES = {
    "missing": (None, "No such file"),
    "empty": (b"", ""),
    "text": (b"this is no capture\n" * 10, "no capture"),
    "truncated header": (b"\xd4\xc3\xb2\xa1\x02\x00", ""),
    "bad gzip": (b"\x1f\x8b\x08\x00nonsense", ""),
    "nfcapd": (b"\x0c\xa5\x01\x00" + bytes(300), "nfcapd"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
@pytest.mark.parametrize("name", READING)
def test_a_file_that_is_no_capture_is_one_line(cli, configured, tmp_path, name, kind):
    content, word = BAD_FILES[kind]
    path = tmp_path / "odd.bin"
    if content is not None:
        path.write_bytes(content)
    one_line(cli(name, "-c", configured(), path), "odd.bin", word)


@pytest.mark.parametrize("name", READING)
def test_a_truncated_pcap_is_named_after_its_whole_packets(cli, configured, pcap, name):
    whole = pcap.read_bytes()
    pcap.write_bytes(whole[:-7])
    ran = cli(name, "-c", configured(), pcap)
    assert ran.status == 1
    said = ran.err.splitlines()[-1]
    assert said.startswith("flowsleuth: ")
    assert str(pcap) in said
    assert "Traceback" not in ran.err
    if name == "decode":
        assert 0 < len(ran.lines) < 100


NO_CONFIGURATION = {"demo", "replay", "block"}
ASKING = {"identify": ("10.1.42.17", "--port", "14857/udp")}


@pytest.mark.parametrize("name", [n for n in COMMANDS if n not in NO_CONFIGURATION])
def test_a_wrong_configuration_is_one_line_with_its_place(cli, tmp_path, pcap, name):
    path = tmp_path / "wrong.yaml"
    path.write_text("window: 7 fortnights\n")
    files = [pcap] if name in READING else ASKING.get(name, [])
    one_line(cli(name, "-c", path, *files), "wrong.yaml", "window", "7 fortnights")
    one_line(cli(name, "-c", tmp_path / "none.yaml", *files), "none.yaml")


@pytest.mark.parametrize("name", ["points", "load", "collect", "check"])
@pytest.mark.parametrize(
    ("content", "word"),
    [(None, "No such file"), (b"\xff\xfe", "UTF-8"), (b"10.1.0.1\n", "line 1"), (b"x y\n", "'x'")],
    ids=["missing", "no text", "no name", "no address"],
)
def test_a_wrong_hosts_file_is_one_line_with_its_place(
    cli, configured, tmp_path, bare, name, content, word
):
    if content is not None:
        (tmp_path / "names").write_bytes(content)
    files = [bare] if name in READING else []
    one_line(cli(name, "-c", configured("hosts_file: names"), *files), "names", word)


def test_a_bug_is_one_line_that_says_so(cli, monkeypatch, bare):
    def fail(*_, **__):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("flowsleuth.cli.options.read_range", fail)
    ran = cli("decode", bare)
    assert ran.status == 1
    assert ran.err.count("\n") == 1
    assert "this is a bug: ZeroDivisionError: division by zero" in ran.err
    assert DEBUG in ran.err
    monkeypatch.setenv(DEBUG, "1")
    with pytest.raises(ZeroDivisionError):
        cli("decode", bare)


def test_ctrl_c_is_130(cli, monkeypatch, bare):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("flowsleuth.cli.options.read_range", interrupt)
    assert cli("decode", bare).status == 130


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    many = tmp_path / "many.nf5"
    many.write_bytes(b"".join(wire.legacy(5, 30, sequence=30 * i) for i in range(100)))
    for name in ("decode", "points"):
        ours = f"'{sys.executable}' -m flowsleuth {name} '{many}'"
        ran = subprocess.run(
            ["bash", "-c", f"{ours} | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=True,
        )
        assert (ran.stdout, ran.stderr) == ("0\n", "")


# decode


def test_decode_writes_one_object_for_each_record(cli, pcap, bare):
    ran = cli("decode", pcap, bare)
    assert (ran.status, ran.err) == (0, "")
    records = [json.loads(line) for line in ran.lines]
    assert len(records) == 103
    assert {r["type"] for r in records} == {"NETFLOW_V9", "NETFLOW_V5"}


def test_decode_reads_folders_compressed_files_and_stdin(cli, tmp_path, bare):
    content = bare.read_bytes()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "1.nf5").write_bytes(content)
    (folder / "2.nf5.gz").write_bytes(gzip.compress(content))
    assert len(cli("decode", folder).lines) == 6
    assert len(cli("decode", "-", stdin=content).lines) == 3


def test_decode_counts_what_is_malformed_and_succeeds(cli, tmp_path):
    path = tmp_path / "odd.nf9"
    path.write_bytes(wire.v9(wire.data(256, bytes(8))))
    ran = cli("decode", path)
    assert (ran.status, ran.out) == (0, b"")
    assert ran.err == "flowsleuth: 1 datagrams, 1 data sets without a template\n"


def test_decode_tells_the_first_faults_and_counts_all(cli, pcap, tmp_path):
    from golden.own import write_pcap

    bad = tmp_path / "bad.pcap"
    broken = wire.v9(wire.a_set(256, b"", length=900))
    write_pcap(bad, [broken] * 15 + [b"\x00\x63 other", wire.legacy(5)])
    ran = cli("decode", bad)
    assert ran.status == 0
    assert len(ran.lines) == 1
    told = ran.err.splitlines()
    assert (
        sum(line.startswith("flowsleuth: malformed: v9 domain 7 of 192.0.2.77") for line in told)
        == 10
    )
    assert told[-1] == ("flowsleuth: 17 datagrams, 15 malformed, 1 of no version that is decoded")


def test_decode_names_another_format(cli, tmp_path):
    from golden.own import write_pcap

    path = tmp_path / "sflow.pcap"
    write_pcap(path, [b"\x00\x00\x00\x05\x00\x00\x00\x01" + bytes(100)] * 3)
    one_line(cli("decode", path), "sFlow", "sflow.pcap", "NetFlow")


# points


def test_points_writes_line_protocol_and_nothing_else(cli, pcap, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("ingester: here\nnetworks: [{name: World, prefixes: [0.0.0.0/0]}]\n")
    ran = cli("points", "-c", config, pcap)
    assert (ran.status, ran.err) == (0, "")
    line = re.compile(r"[a-z]+(,[a-z]+=[^ ,]+)+ [a-z_]+=[^ ]+ \d{19}")
    assert all(line.fullmatch(written) for written in ran.lines)
    assert all(",ingester=here " in written for written in ran.lines)
    kinds = {written.partition(",")[0] for written in ran.lines}
    assert kinds >= {"traffic", "talkers", "hosts", "exporters", "profiles", "interfaces"}
    assert not kinds & {"ingester", "events", "baseline"}
    assert cli("points", "-c", config, pcap).out == ran.out


def test_points_names_hosts(cli, bare, tmp_path):
    (tmp_path / "hosts").write_text("10.0.0.1 printer-2  # second floor\n")
    (tmp_path / "flowsleuth.yaml").write_text("hosts_file: hosts\n")
    assert b",host=printer-2," in cli("points", bare).out


# load


def traffic_bytes(lines):
    found = (re.match(r"traffic,.*? bytes=(\d+)i", line) for line in lines)
    return sum(int(match[1]) for match in found if match)


def loaded(ran):
    return re.search(r"flowsleuth: loaded (\d+) flow records as (\d+) points(.*)", ran.err)


KEEP = "retention: {detail: 100y, long: 100y}"


def test_load_writes_what_points_prints_and_says_how_many(cli, configured, influx, pcap):
    printed = cli("points", "-c", configured(KEEP), pcap)
    ran = cli("load", "-c", configured(KEEP), pcap)
    assert ran.status == 0
    assert sorted(influx.lines) == sorted(printed.lines)
    assert loaded(ran).groups() == ("100", str(len(printed.lines)), "")


def test_load_says_beforehand_what_is_too_old_and_leaves_it_out(cli, configured, influx, pcap):
    ran = cli("load", "-c", configured(), pcap)
    assert ran.status == 0
    before = re.match(r"flowsleuth: (\d+) of (\d+) points lie before the retention", ran.err)
    assert before is not None
    assert "--rebase" in ran.err.splitlines()[0]
    assert int(before[1]) + len(influx.lines) == int(before[2])
    assert f"{before[1]} points before the retention left out" in loaded(ran)[3]


def test_load_rebased_ends_now_and_leaves_nothing_out(cli, configured, influx, pcap):
    ran = cli("load", "-c", configured(), "--rebase", pcap)
    assert ran.status == 0
    assert loaded(ran)[3] == ""
    newest = max(int(line.rsplit(" ", 1)[1]) for line in influx.lines)
    assert abs(newest / 1e9 - time.time()) < 200


def test_load_says_nothing_where_nothing_is_too_old_after_all(cli, configured, influx, tmp_path):
    """A flow could be 25 hours old, and the retention is a day; this one is not."""
    path = tmp_path / "new.nf5"
    path.write_bytes(now_v5())
    ran = cli("load", "-c", configured("retention: {detail: 1d}"), path)
    assert len(ran.err.splitlines()) == 1
    assert loaded(ran)[3] == ""


def test_load_from_stdin(cli, configured, influx, bare):
    ran = cli("load", "-c", configured(KEEP), "-", stdin=bare.read_bytes())
    assert ran.status == 0
    assert traffic_bytes(influx.lines) == 3 * 900


def test_load_into_one_retention_judges_by_the_long_one(cli, influx, bare, tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text(
        f"influx: {{url: '{influx.server.url}', detail: ''}}\n"
        "retention: {detail: 1d, long: 100y}\n"
    )
    assert loaded(cli("load", "-c", path, bare))[3] == ""


@pytest.mark.parametrize("name", ["load", "collect"])
def test_an_influxdb_that_refuses_the_token_is_one_line(cli, configured, influx, pcap, name):
    influx.refuses = Told(401, {"error": "authorization failed"})
    files = [pcap] if name == "load" else []
    ran = cli(name, "-c", configured(), *files)
    assert ran.status == 1
    said = ran.err.splitlines()[-1]
    assert said.startswith("flowsleuth: ")
    assert "influx.token" in said
    assert "Traceback" not in ran.err


def test_load_tells_what_influxdb_refused(cli, configured, influx, bare):
    answer = influx._answer

    def refuse(asked):
        if asked.path.endswith("/write"):
            return Told(400, {"code": "invalid", "message": "partial write: dropped=1"})
        return answer(asked)

    influx.server.answer = refuse
    ran = cli("load", "-c", configured(KEEP), bare)
    assert "refused by InfluxDB" in ran.err


def test_load_without_an_influxdb_is_one_line(cli, tmp_path, pcap):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        path = tmp_path / "away.yaml"
        path.write_text(f"influx: {{url: 'http://127.0.0.1:{taken.getsockname()[1]}'}}\n")
        one_line(cli("load", "-c", path, pcap), "influx.url")


# collect


class Collecting:
    """`collect` as a process of its own, its log in a file."""

    def __init__(self, folder, config):
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flowsleuth", "collect", "-v", "-c", config],
                stderr=log,
                cwd=folder,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        assert eventually(lambda: self.port is not None, 20), self.text

    @property
    def text(self):
        return self.log.read_text()

    @property
    def port(self):
        found = re.search(r"listening on 127\.0\.0\.1:(\d+)", self.text)
        return int(found[1]) if found else None

    def send(self, *payloads):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for payload in payloads:
                sender.sendto(payload, ("127.0.0.1", self.port))

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(20)


def now_v5():
    return wire.legacy(5, 3).replace(
        wire.SECONDS.to_bytes(4, "big"), int(time.time()).to_bytes(4, "big"), 1
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_collect_writes_what_it_received_when_it_is_stopped(configured, influx, tmp_path, number):
    config = configured("listen: ['127.0.0.1:0']\nprofiles: [{name: web, filter: proto tcp}]")
    collecting = Collecting(tmp_path, config)
    collecting.send(now_v5(), wire.v9(wire.a_set(256, b"", length=900)))
    time.sleep(0.5)
    assert collecting.stop(number) == 0
    assert traffic_bytes(influx.lines) == 3 * 900
    assert [
        line.partition("kind=")[2].partition(",")[0] for line in influx.lines if "kind=" in line
    ] == [
        "start",
        "stop",
    ]
    assert "datagrams 2" in collecting.text
    assert "created flowsleuth" in collecting.text
    assert "malformed: " in collecting.text
    assert any(line.startswith("profiles,profile=web,") for line in influx.lines)


def test_collect_starts_without_its_influxdb_and_keeps_the_points(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        path = tmp_path / "away.yaml"
        path.write_text(
            f"influx: {{url: 'http://127.0.0.1:{taken.getsockname()[1]}', timeout_s: 1}}\n"
            "listen: ['127.0.0.1:0']\nstate_dir: state\n"
        )
        collecting = Collecting(tmp_path, path)
        collecting.send(now_v5())
        time.sleep(0.3)
        assert collecting.stop() == 0
    assert "points wait in " in collecting.text
    kept = [f for f in (tmp_path / "state").rglob("*") if f.is_file() and f.stat().st_size]
    assert kept


def test_collect_on_a_taken_port_is_one_line(cli, configured):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        ran = cli("collect", "-c", configured(f"listen: ['127.0.0.1:{port}']"))
    assert ran.status == 1
    said = ran.err.splitlines()[-1]
    assert said.startswith("flowsleuth: ")
    assert str(port) in said


def test_collect_with_a_state_dir_that_is_none_is_one_line(cli, configured, tmp_path):
    (tmp_path / "file").write_text("")
    ran = cli("collect", "-c", configured("listen: ['127.0.0.1:0']\nstate_dir: file"))
    assert ran.status == 1
    assert "file" in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err


# demo, and progress


def test_demo_hands_on_what_it_is_told(cli, monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr("flowsleuth.cli.demo.run", told.append)
    ran = cli("demo", "--keep", "--seed", 7, "--port", 2055, "--dir", tmp_path, "--capture", "x")
    assert ran.status == 0
    (options,) = told
    assert (options.keep, options.seed, options.port) == (True, 7, 2055)
    assert (options.folder, options.capture.name) == (tmp_path, "x")


def test_progress_is_shown_on_a_terminal_only(cli, monkeypatch, bare):
    assert cli("decode", bare).err == ""
    monkeypatch.setattr(
        shared_options.sys, "stderr", type("Tty", (io_like(),), {"isatty": lambda self: True})()
    )
    with shared_options.progress((str(bare),), "reading") as update:
        assert update is not None
        update(10)
    with shared_options.progress(("-",), "reading") as update:
        assert update is None


def io_like():
    import io

    return io.StringIO


# replay


def test_replay_sends_what_the_capture_holds_and_says_so(cli, pcap):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5)
        to = f"127.0.0.1:{listener.getsockname()[1]}"
        ran = cli("replay", pcap, "--to", to, "--speed", 0, "--rebase")
        assert ran.status == 0
        said = re.fullmatch(
            r"replay: (\d+) datagrams, (\d+) bytes in [\d.]+ s; times shifted by \d+ s\n", ran.err
        )
        heard = [listener.recv(2000) for _ in range(int(said[1]))]
    assert sum(map(len, heard)) == int(said[2])
    exported = int.from_bytes(heard[0][8:12])
    assert abs(exported - time.time()) < 100


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_knows_the_names_of_help_without_the_group(name):
    command = command_line.group.get_command(None, name)
    assert command.make_context(name, [], resilient_parsing=True).help_option_names == [
        "-h",
        "--help",
    ]


def test_commands_are_click_commands():
    context = click.Context(command_line.group)
    assert command_line.group.list_commands(context) == list(COMMANDS)
    assert command_line.group.get_command(context, "nonsense") is None
