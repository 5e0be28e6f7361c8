"""nfcapd receives the same datagrams over UDP: flows, bytes and packets agree with nfdump."""

from pathlib import Path

import nfcapd
import pytest
from golden.catalogue import CAPTURES, GROUPS, each
from golden.command import Record, decode
from golden.own import VERSIONS, Version, traffic, write_pcap

from .datagrams import payloads

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
def stored(tmp_path: Path):
    """Return a function: datagrams → records as nfdump prints them."""
    nfcapd.demand()
    return lambda datagrams: _read(nfcapd.collected(datagrams, tmp_path))


def _read(file: Path) -> list[Record]:
    return [
        {key: one[name] for key, names in FIELDS.items() for name in names if name in one}
        for one in nfcapd.records(file)
    ]


DERIVED = ["derived/isp_sample_v5.pcap", "derived/isp_sample_v9.pcap"]


@pytest.mark.usefixtures("captures")
@pytest.mark.parametrize("file", each(DERIVED if GROUPS else []))
def test_derived_captures(file: str, stored):
    assert_agree(stored(payloads(CAPTURES / file)), decode([CAPTURES / file]).records)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_generated_traffic(version: Version, stored, tmp_path: Path):
    datagrams = version.write(traffic(version, 200))
    write_pcap(tmp_path / "own.pcap", datagrams)
    records = decode([tmp_path / "own.pcap"]).records
    for record in records:
        for counter in ("bytes", "packets"):
            record[counter] *= version.sampling if version.name in NFCAPD_MULTIPLIES else 1
    assert_agree(stored(datagrams), records)


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
