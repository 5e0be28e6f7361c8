"""An influxd of one's own: found, built, started, stopped; with programs that play its part."""

import os
import stat
import sys
from pathlib import Path

import pytest

from flowsleuth.config import Config
from flowsleuth.demo import influxd as room
from flowsleuth.demo.influxd import LocalInfluxd, build_influxd, find_influxd
from flowsleuth.errors import ServiceError
from flowsleuth.write import setup


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any influxd or Go; `home/bin` is the whole PATH."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("XDG_CACHE_HOME", "GOPATH", "GOBIN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_where_it_is_looked_for(home: Path, monkeypatch: pytest.MonkeyPatch):
    assert find_influxd() is None
    built = program(home / "go" / "bin" / "influxd", "")
    assert find_influxd() == built
    cached = program(home / ".cache" / "flowsleuth" / "bin" / "influxd", "")
    assert find_influxd() == cached
    on_path = program(home / "bin" / "influxd", "")
    assert find_influxd() == on_path
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert room.cache_folder() == Path("/elsewhere/flowsleuth/bin")


GO = """
import os, pathlib, sys
assert sys.argv[1:] == ["install", "github.com/influxdata/influxdb/cmd/influxd@v1.8.10"]
made = pathlib.Path(os.environ["GOBIN"], "influxd")
made.write_text("#!/bin/sh")
made.chmod(0o755)
"""


def test_it_is_built_once(home: Path):
    program(home / "bin" / "go", GO)
    told: list[str] = []
    built = build_influxd(told.append)
    assert built == find_influxd() == home / ".cache" / "flowsleuth" / "bin" / "influxd"
    assert build_influxd(told.append) == built
    assert len(told) == 1
    assert sorted(p.name for p in built.parent.iterdir()) == ["influxd", "lock"]


@pytest.mark.parametrize(
    ("go", "said"),
    [
        (None, "no influxd on the PATH, and no Go to build one with"),
        ("import sys; print('x\\nno network\\n', file=sys.stderr); sys.exit(1)", ": no network"),
        ("import sys; sys.exit(1)", ": no message"),
        ("import time; time.sleep(60)", "not done in 0.2 s"),
    ],
)
def test_what_cannot_be_built_is_one_line(
    home: Path, go: str | None, said: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(room, "BUILD_LIMIT_S", 0.2 if go and "sleep" in go else 60)
    if go:
        program(home / "bin" / "go", go)
    with pytest.raises(ServiceError) as caught:
        build_influxd()
    assert said in str(caught.value)
    assert find_influxd() is None


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_real_one_leaves_nothing(influxd: Path, tmp_path: Path):
    with LocalInfluxd(influxd) as local:
        pid, folder = local.pid, local._folder
        assert setup.prepare(Config(influx={"url": local.url, "token": local.token,
                                            "org": local.org})).created  # fmt: skip
        assert not gone(pid)
    assert gone(pid)
    assert not folder.exists()
    with pytest.raises(RuntimeError):
        _ = local.pid
    kept = LocalInfluxd(influxd, tmp_path)
    kept.start()
    kept.stop()
    assert (tmp_path / "influxd.log").exists()


FAKE_2 = """
import http.server, sys
if sys.argv[1] == "version":
    print("InfluxDB v2.7.12 (git: ec9dcde5d6) build_date: 2025-05-20")
    sys.exit()
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
host, port = given["--http-bind-address"].split(":")
assert {"--bolt-path", "--engine-path", "--sqlite-path"} <= set(given)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        size = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(size)
        ok = self.path == "/health" or self.path == "/api/v2/setup" and b'"token"' in body
        self.send_response(STATUS if ok and self.command == "POST" else 200 if ok else 404)
        self.end_headers()
    do_POST = do_GET
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""


def test_a_2_is_set_up(tmp_path: Path):
    binary = program(tmp_path / "influxd", FAKE_2.replace("STATUS", "201"))
    with LocalInfluxd(binary) as local:
        assert (local.kind, local.org) == ("2", "flowsleuth")
        assert local.token == room.TOKEN


def test_a_2_that_cannot_be_set_up_is_one_line(tmp_path: Path):
    binary = program(tmp_path / "influxd", FAKE_2.replace("STATUS", "500"))
    with pytest.raises(ServiceError, match="the first user cannot be made: 500"), \
            LocalInfluxd(binary):  # fmt: skip
        pass


def test_one_that_does_not_start_says_its_last_words(tmp_path: Path):
    binary = program(tmp_path / "influxd", "print('a'); print('run: no space left')")
    with pytest.raises(ServiceError, match="influxd does not start: run: no space left"):
        LocalInfluxd(binary).start()
    binary = program(tmp_path / "silent", "")
    with pytest.raises(ServiceError, match="silent does not start: it says nothing"):
        LocalInfluxd(binary).start()


def test_one_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "START_LIMIT_S", 0.1)
    binary = program(
        tmp_path / "influxd", "import sys, time; time.sleep(60 * (sys.argv[1] != 'version'))"
    )
    with pytest.raises(ServiceError, match="does not start"):
        LocalInfluxd(binary).start()


def test_what_is_no_program_is_taken_for_1_8(tmp_path: Path):
    assert LocalInfluxd(tmp_path / "none").kind == "1.8"
