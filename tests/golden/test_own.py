"""Every version over captures of our own: what was written is what `decode` gives."""

from pathlib import Path

import pytest

from .command import decode
from .matching import compare
from .own import DOMAIN, EXPORTER, VERSIONS, Version, traffic, write_pcap

each_version = pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
COUNTING = [version for version in VERSIONS if version.name in {"v1", "v5", "v7"}]
"""Versions whose header counts the records; of a set that overruns there are captures."""
NO_DOMAIN = {"NETFLOW_V1", "NETFLOW_V7"}


@each_version
def test_capture(version: Version, tmp_path: Path):
    listed = traffic(version)
    write_pcap(tmp_path / "own.pcap", version.write(listed))
    outcome = decode([tmp_path / "own.pcap"])
    assert (outcome.status, len(outcome.records)) == (0, len(listed)), outcome.errors
    expected = [flow.record(version.type, version.sampling) for flow in listed]
    for record in expected:
        record["sampler_address"] = EXPORTER
        if version.type not in NO_DOMAIN:
            record["observation_domain_id"] = DOMAIN
    assert not compare(expected, outcome.records)


@each_version
def test_bare_datagrams(version: Version, tmp_path: Path):
    """The same without addresses: one datagram after another, and one a file in order."""
    listed = traffic(version)
    datagrams = version.write(listed)
    expected = [flow.record(version.type, version.sampling) for flow in listed]
    (tmp_path / "all.bin").write_bytes(b"".join(datagrams))
    assert not compare(expected, decode([tmp_path / "all.bin"]).records)
    paths = [tmp_path / f"{number}.bin" for number in range(len(datagrams))]
    for path, datagram in zip(paths, datagrams, strict=True):
        path.write_bytes(datagram)
    assert not compare(expected, decode(paths).records)


@pytest.mark.parametrize("version", COUNTING, ids=lambda version: version.name)
def test_cut_datagram_keeps_its_whole_records(version: Version, tmp_path: Path):
    """The last record is cut in half: it is counted as malformed, all before it are flows."""
    listed = traffic(version, 5)
    (datagram,) = version.write(listed)
    write_pcap(tmp_path / "cut.pcap", [datagram[:-20]])
    outcome = decode([tmp_path / "cut.pcap"])
    expected = [flow.record(version.type, version.sampling) for flow in listed[:-1]]
    assert (outcome.status, len(outcome.records)) == (0, len(expected))
    assert not compare(expected, outcome.records)
    assert any("malformed" in line.lower() for line in outcome.errors)
