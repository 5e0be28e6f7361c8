"""An archive as users ask it: every command that takes a FILE reads the folder."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from pipeline.made import SECOND, START, batches, flows, heard, traffic
from pipeline.made import datagrams as exported

from flowsleuth.cli.collect import command as collect
from flowsleuth.demo.capture import PcapWriter
from flowsleuth.receive.archive import Archive
from flowsleuth.receive.archive_folder import ArchiveFolder

MINUTE = 60 * SECOND
SMALL = "10.1.0.77"
"""The address of the one small flow; the others are below 30."""


def archived(folder, items, size=100):
    """Archive datagrams with the receipts that they have."""
    archive = Archive(ArchiveFolder(folder, 10**18, 10**18), lambda: START)
    archive.start()
    for batch in batches(items, size):
        archive.add(batch)
    archive.close()
    assert archive.totals().archive_lost == 0
    return folder


def zulu(ns):
    return datetime.fromtimestamp(ns / SECOND, UTC).isoformat()


@pytest.fixture
def both(tmp_path):
    """The same datagrams as an archive and as a capture."""
    items = traffic(count=300)
    capture = tmp_path / "same.pcap"
    with PcapWriter(capture) as writer:
        for batch in batches(items, 50):
            writer.write(batch)
    return archived(tmp_path / "archive", items), capture


@pytest.mark.parametrize("name", ["decode", "points"])
def test_an_archive_is_its_datagrams(cli, configured, both, name):
    archive, _ = both
    assert len(list(archive.glob("*.pcap.zst"))) > 20
    ran = [cli(name, "-c", configured("networks: [{name: G, prefixes: [10.1.0.0/16]}]"), path)
           for path in both]  # fmt: skip
    assert ran[0].lines == ran[1].lines
    assert ran[0].status == 0
    assert len(ran[0].lines) > 300
    between = ("--from", zulu(START + 40 * MINUTE), "--to", zulu(START + 50 * MINUTE))
    parts = [cli(name, "-c", configured(), *between, path).lines for path in both]
    assert parts[0] == parts[1]
    assert 0 < len(parts[0]) < len(ran[0].lines)


def yesterday(count=20_000):
    """A day ago: a quarter of an hour of much traffic, and one small flow amid it."""
    columns, export_ns = flows(count, 15 * MINUTE, seed=1, v6=False)
    rng = np.random.default_rng(2)
    busy = columns.src.copy()
    busy[:, 1] = 0x0A010000 + rng.integers(100, 5_000, count)
    columns = replace(columns, src=busy)
    one, one_ns = flows(1, 15 * MINUTE, seed=3, v6=False)
    source = one.src.copy()
    source[:, 1] = 0x0A01004D
    one = replace(
        one,
        src=source,
        src_port=np.array([40_000]),
        dst_port=np.array([14_857]),
        protocol=np.array([17]),
        bytes=np.array([1_234]),
        packets=np.array([2]),
    )
    return one_ns[0], heard(
        {"192.0.2.1": exported(columns, export_ns), "192.0.2.2": exported(one, one_ns)}
    )


def test_one_small_flow_of_yesterday_that_no_series_holds(cli, configured, tmp_path):
    """Issue 5, 2: nothing folds in the archive."""
    at, items = yesterday()
    folder = archived(tmp_path / "archive", items, 500)
    settings = configured(
        "networks: [{name: Green, prefixes: [10.1.0.0/16]}]\nseries_budget: 100\n"
        "top: {bytes: 3, packets: 3, peers: 3}\n"
    )
    lines = cli("points", "-c", settings, folder).lines
    assert any(line.startswith("talkers,") for line in lines)
    assert not [line for line in lines if SMALL in line or ",port=14857" in line]
    ran = cli(
        *("decode", "-c", settings, folder, "--filter", f"src ip {SMALL} and dst port 14857"),
        *("--from", zulu(at - MINUTE), "--to", zulu(at + MINUTE)),
    )
    (shown,) = map(json.loads, ran.lines)
    assert (shown["src_addr"], shown["dst_port"], shown["bytes"]) == (SMALL, 14_857, 1_234)
    assert shown["sampler_address"] == "192.0.2.2"
    before = ("--from", zulu(START - 60 * MINUTE), "--to", zulu(START - 30 * MINUTE))
    assert cli("decode", "-c", settings, folder, "--filter", f"ip {SMALL}", *before).lines == []


# collect's options


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--keep", "3d"], "name its folder with --archive"),
        (["--max", "3G"], "name its folder with --archive"),
        (["--archive", "a", "--keep", "14"], "'--keep': '14': allowed: a number with its unit"),
        (["--archive", "a", "--max", "1k"], "'--max': '1k': allowed: Input should be greater"),
        (["--archive", "a", "--max", "much"], "'--max': 'much': allowed: bytes, a number with k"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(cli, arguments, said):
    ran = cli("collect", *arguments)
    assert ran.status == 2
    assert said in re.sub(r"\s+", " ", ran.err)


def test_a_folder_that_cannot_be_is_one_line(cli, configured, tmp_path):
    (tmp_path / "file").write_text("")
    ran = cli("collect", "-c", configured('listen: ["127.0.0.1:0"]'), "--archive", "file/archive")
    assert ran.status == 1
    assert ran.err.endswith(
        "flowsleuth: file/archive: Not a directory; archive must be a folder that the ingester may "
        "write\n"
    )


def test_help_names_the_options():
    help_text = collect.get_help(
        collect.make_context(
            "collect", [], resilient_parsing=True, help_option_names=["-h", "--help"]
        )
    )
    assert {"--archive", "--keep", "--max"} <= set(re.findall(r"--\w+", help_text))
