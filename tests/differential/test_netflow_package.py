"""The PyPI package `netflow` reads the same datagrams: addresses, ports, bytes, packets agree."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from golden.catalogue import Group, each
from golden.command import Record, decode
from golden.matching import compare
from golden.own import VERSIONS, Version, traffic, write_pcap

from .datagrams import payloads
from .opinions import ELIGIBLE

PATIENCE = 60
SECOND_OPINION = Path(__file__).with_name("second_opinion.py")


def second_opinion(datagrams: list[bytes]) -> list[Record]:
    """Return what the package reads, from a process with limits."""
    ran = subprocess.run(
        [sys.executable, str(SECOND_OPINION)],
        input="\n".join(datagram.hex() for datagram in datagrams),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-500:]
    return json.loads(ran.stdout)


@pytest.mark.usefixtures("captures")
@pytest.mark.parametrize("group", each(ELIGIBLE))
def test_captures(group: Group):
    expected = second_opinion([datagram for path in group.paths for datagram in payloads(path)])
    records = decode(group.paths).records
    assert len(records) == len(expected)
    assert not compare(expected, records)


@pytest.mark.parametrize(
    "version", [v for v in VERSIONS if v.name != "v7"], ids=lambda version: version.name
)
def test_generated_traffic(version: Version, tmp_path: Path):
    listed = traffic(version, 500)
    datagrams = version.write(listed)
    expected = second_opinion(datagrams)
    assert len(expected) == len(listed)
    write_pcap(tmp_path / "own.pcap", datagrams)
    assert not compare(expected, decode([tmp_path / "own.pcap"]).records)
