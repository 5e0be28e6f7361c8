"""The demo itself, on one day instead of fourteen: with a real InfluxDB, without one, and ended."""

import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from demo.independent import table
from flowsleuth.cli.demo import command
from flowsleuth.demo import database, run
from flowsleuth.demo.live import Collect
from flowsleuth.errors import InputError, ServiceError


def printed(text: str) -> dict[tuple[str, str], list[int]]:
    """Return the numbers of the first table by (network, direction)."""
    rows = re.findall(r"^  (Green|Blue|Red|Servers|Guest) +(in|out) +(.*)$", text, re.MULTILINE)
    return {
        (network, direction): [int(n.replace(" ", "")) for n in re.split(r" {2,}", numbers)]
        for network, direction, numbers in rows
    }


@pytest.fixture
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_docker_answers", lambda: False)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_what_it_prints_equals_an_independent_sum(
    influxd: Path, no_docker: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = children()
    capture = tmp_path / "all.pcap"
    run.run(run.Options(days=1, live_s=3, capture=capture, folder=tmp_path / "kept"))
    text = capsys.readouterr().out
    assert "InfluxDB" in text
    assert "to the byte" in text
    assert printed(text) == table(capture)
    assert re.search(r"^  1 +10\.1\.42\.17 +14857 ", text, re.MULTILINE)
    assert children() == before
    assert (tmp_path / "kept" / "flowsleuth.yaml").exists()


def test_without_an_influxdb_the_points_are_in_files(
    no_docker: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def build(_: object) -> Path:
        raise ServiceError("no influxd and no Go")

    monkeypatch.setattr(database, "find_influxd", lambda: None)
    monkeypatch.setattr(database, "build_influxd", build)
    capture = tmp_path / "all.pcap"
    run.run(run.Options(days=1, live_s=1, capture=capture, folder=tmp_path / "kept"))
    text = capsys.readouterr().out
    assert "no influxd and no Go: the points go into a file" in text
    assert printed(text) == table(capture)
    assert len(list((tmp_path / "kept").glob("*.lp"))) == 3


def test_keep_goes_on_until_it_is_told_to_end_and_leaves_nothing(influxd: Path) -> None:
    program = (
        "from flowsleuth.demo import database, run\n"
        "database._docker_answers = lambda: False\n"
        "run.run(run.Options(keep=True, days=1, live_s=1))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True
    ) as demo:
        started: set[psutil.Process] = set()
        text = ""
        for line in demo.stdout:
            text += line
            started |= set(psutil.Process(demo.pid).children(recursive=True))
            if "going on until Ctrl-C" in line:
                demo.send_signal(signal.SIGTERM)
        assert demo.wait(60) == 0
    assert "InfluxDB: http://127.0.0.1:" in text
    assert "to the byte" in text
    assert len(started) >= 2
    assert psutil.wait_procs(started, timeout=10)[1] == []
    folder = re.search(r"everything else into (\S+)", text)
    assert not Path(folder[1]).exists()


def test_the_command_hands_on_what_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("flowsleuth.cli.demo.run", seen.append)
    assert CliRunner().invoke(command, ["--keep", "--seed", "7", "--dir", "x"]).exit_code == 0
    assert seen == [run.Options(keep=True, seed=7, folder=Path("x"))]


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for options in (
        run.Options(folder=tmp_path / "file" / "x"),
        run.Options(capture=tmp_path / "none" / "x.pcap"),
    ):
        with pytest.raises(InputError, match=r"x.*: cannot be"):
            run.run(options)


def test_a_collect_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("listne: []\n")
    collect = Collect(tmp_path / "wrong.yaml", tmp_path / "log")
    with pytest.raises(ServiceError, match=r"does not come up: .*listne"), collect:
        pass


@contextmanager
def pinged():
    """An HTTP server that answers as InfluxDB does to /ping."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fake_docker(folder: Path, monkeypatch: pytest.MonkeyPatch, run_says: str, port: int) -> Path:
    """Put a docker on the PATH that notes what it is asked."""
    folder.joinpath("docker").write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/asked\n'
        f'case $1 in run) {run_says};; port) echo "127.0.0.1:{port}";; esac\n'
    )
    folder.joinpath("docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder / "asked"


def test_a_container_where_docker_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pinged() as port:
        asked = fake_docker(tmp_path, monkeypatch, "echo abc123", port)
        with database.open_database(lambda _: None) as found:
            assert found is not None
            assert found.url == f"http://127.0.0.1:{port}"
    assert asked.read_text().splitlines()[-1] == "rm --force --volumes abc123"


def test_a_container_that_cannot_be_had_is_said_and_influxd_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_docker(tmp_path, monkeypatch, 'echo "no such image" >&2; exit 125', 1)
    monkeypatch.setattr(database, "find_influxd", lambda: Path("/nowhere/influxd"))
    monkeypatch.setattr(database, "LocalInfluxd", lambda _: pytest.fail("reached"))
    said: list[str] = []
    began = time.monotonic()
    with pytest.raises(pytest.fail.Exception, match="reached"), database.open_database(said.append):
        pass
    assert said[1:] == ["docker run: no such image; looking for influxd instead"]
    assert time.monotonic() - began < 10
