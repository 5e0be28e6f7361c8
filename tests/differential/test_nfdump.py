"""nfcapd receives the same datagrams over UDP: flows, bytes and packets agree with nfdump."""

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from golden.catalogue import CAPTURES, GROUPS, each
from golden.command import Record, decode
from golden.own import VERSIONS, Version, traffic, write_pcap
from services import eventually, unavailable

from .datagrams import payloads

PATIENCE = 20
PACE = 0.002
"""Seconds between datagrams: nfcapd asks for no large receive buffer."""

FIELDS = {
    "src_addr": ("src4_addr", "src6_addr"),
    "dst_addr": ("dst4_addr", "dst6_addr"),
    "proto": ("proto",),
    "src_port": ("src_port",),
    "dst_port": ("dst_port",),
    "bytes": ("in_bytes",),
    "packets": ("in_packets",),
}
"""Our key → nfdump's names in its JSON."""

NFCAPD_MULTIPLIES = {"v5", "ipfix"}
"""Versions whose rate nfcapd 1.7.1 applies when it stores; that of a v9 options record for the
whole system (34, 35) it lets be."""


@pytest.fixture
def nfcapd(tmp_path: Path):
    """Return a function: datagrams → records as nfdump prints them."""
    if not (shutil.which("nfcapd") and shutil.which("nfdump")):
        unavailable("nfdump", "not installed (Debian: apt install nfdump)")
    return lambda datagrams: _read(_collected(datagrams, tmp_path))


def _collected(datagrams: list[bytes], folder: Path) -> Path:
    store = folder / "nfcapd"
    store.mkdir()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["nfcapd", "-b", "127.0.0.1", "-p", str(port), "-w", str(store), "-t", "3600"]
    with (folder / "nfcapd.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        assert eventually(lambda: _bound(port))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in datagrams:
                sender.sendto(datagram, ("127.0.0.1", port))
                time.sleep(PACE)
        time.sleep(0.5)
        process.terminate()
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
    (stored,) = store.glob("nfcapd.2*")
    return stored


def _bound(port: int) -> bool:
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") for line in lines)


def _read(stored: Path) -> list[Record]:
    command = ["nfdump", "-r", str(stored), "-o", "json"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return [
        {key: one[name] for key, names in FIELDS.items() for name in names if name in one}
        for one in json.loads(ran.stdout)
    ]


DERIVED = ["derived/isp_sample_v5.pcap", "derived/isp_sample_v9.pcap"]


@pytest.mark.usefixtures("captures")
@pytest.mark.parametrize("file", each(DERIVED if GROUPS else []))
def test_derived_captures(file: str, nfcapd):
    assert_agree(nfcapd(payloads(CAPTURES / file)), decode([CAPTURES / file]).records)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_generated_traffic(version: Version, nfcapd, tmp_path: Path):
    datagrams = version.write(traffic(version, 200))
    write_pcap(tmp_path / "own.pcap", datagrams)
    records = decode([tmp_path / "own.pcap"]).records
    for record in records:
        for counter in ("bytes", "packets"):
            record[counter] *= version.sampling if version.name in NFCAPD_MULTIPLIES else 1
    assert_agree(nfcapd(datagrams), records)


def assert_agree(theirs: list[Record], ours: list[Record]) -> None:
    """Assert equal flows, whatever the order, and with them equal sums."""
    assert len(theirs) == len(ours)
    for counter in ("bytes", "packets"):
        assert sum(one[counter] for one in theirs) == sum(one[counter] for one in ours)
    ordered = [sorted(map(_row, records)) for records in (theirs, ours)]
    assert ordered[0] == ordered[1]


def _row(record: Record) -> tuple:
    """Return a record for comparison; nfdump shows no ports of ICMP, but type and code."""
    icmp = record["proto"] in {1, 58}
    return tuple("" if icmp and "port" in key else str(record[key]) for key in FIELDS)
