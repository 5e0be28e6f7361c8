"""The command as a user's shell sees it: a real process, its exit status, its two streams."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .own import VERSIONS, Version, traffic, write_pcap

each_version = pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)


def run(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "flowsleuth", "decode", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)


@each_version
def test_objects_on_stdout_nothing_on_stderr(version: Version, tmp_path: Path):
    listed = traffic(version)
    write_pcap(tmp_path / "own.pcap", version.write(listed))
    ran = run("-", stdin=(tmp_path / "own.pcap").read_bytes())
    assert (ran.returncode, ran.stderr) == (0, b"")
    records = [json.loads(line) for line in ran.stdout.splitlines()]
    assert sum(record["bytes"] for record in records) == sum(flow.bytes for flow in listed)


def test_malformed_datagram_is_counted_and_no_failure(tmp_path: Path):
    (tmp_path / "cut.bin").write_bytes(VERSIONS[1].write(traffic(VERSIONS[1], 2))[0][:-10])
    ran = run(tmp_path / "cut.bin")
    assert ran.returncode == 0
    assert len(ran.stdout.splitlines()) == 1
    assert b"1 malformed" in ran.stderr


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"\x00\x00\x00\x05\x00\x00\x00\x01\x7f\x00\x00\x01" + bytes(100), "sFlow"),
        (b"\x0c\xa5\x01\x00" + bytes(400), "nfcapd"),
        (b"\xcf\x10\x01\x03" + bytes(400), "flow-tools"),
        (b"StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr\n", "text"),
        (bytes(range(200, 250)), "unknown format"),
        (b"", "empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_netflow_is_one_line(content: bytes, named: str, tmp_path: Path):
    (tmp_path / "file").write_bytes(content)
    ran = run(tmp_path / "file")
    (line,) = ran.stderr.decode().splitlines()
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert named.lower() in line.lower()
    assert str(tmp_path / "file") in line


def test_wrong_usage_is_2_and_a_missing_file_1(tmp_path: Path):
    assert run().returncode == 2
    missing = run(tmp_path / "nothing.pcap")
    assert missing.returncode == 1
    assert len(missing.stderr.splitlines()) == 1
