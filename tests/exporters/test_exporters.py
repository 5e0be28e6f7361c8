"""Real exporters, a real `collect`, a real InfluxDB: as many bytes come out as went in."""

import itertools
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from services import unavailable

from .collecting import Collector, collecting
from .programs import EXPORTERS, WATCHERS, Exporter, find, pmacctd, softflowd, watching
from .traffic import Total, green, total, write_pcap


def needs(program: str) -> None:
    """Skip where the program is not installed; fail where FLOWSLEUTH_REQUIRE names it."""
    if find(program) is None:
        unavailable(program, f"not installed (Debian: apt install {program})")


@pytest.fixture
def collector(influx_config, tmp_path: Path) -> Iterator[Collector]:
    with collecting(influx_config, tmp_path) as running:
        yield running


def known(folder: Path, exporter: Exporter, seed: int) -> tuple[Path, Total]:
    """Write traffic that ended five seconds ago; return it and what this exporter can say of it."""
    flows = green(seed)
    capture = folder / f"traffic-{seed}.pcap"
    write_pcap(capture, flows, time.time() - 5)
    return capture, total([flow for flow in flows if flow.family in exporter.families])


def written(collector: Collector, measurement: str = "traffic") -> Total:
    """Return what InfluxDB holds."""
    return Total(*(collector.total(name, measurement) for name in ("bytes", "packets", "flows")))


@pytest.mark.parametrize("exporter", EXPORTERS, ids=lambda exporter: exporter.name)
def test_bytes_in_influxdb_are_those_exported(exporter: Exporter, collector, tmp_path: Path):
    needs(exporter.program)
    started = int(time.time())
    capture, expected = known(tmp_path, exporter, seed=1)
    if exporter.program == "softflowd":
        said = softflowd(capture, collector.port, exporter.version)
        assert (said.bytes, said.packets, said.flows) == (
            expected.bytes,
            expected.packets,
            expected.flows,
        )
    else:
        pmacctd(capture, collector.port, exporter.version)
    collector.wait_for("bytes", expected.bytes)
    collector.stop()
    assert written(collector) == expected
    assert written(collector, "talkers") == expected
    assert collector.total("redated_bytes") == 0
    then = f"time >= {started - 60}s AND time < {started - 4}s"
    assert collector.total("bytes", where=then) == expected.bytes
    assert collector.total("bytes", where="\"network\" = 'Green'") == expected.bytes
    for fault in ("lost", "malformed", "missing_template", "implausible"):
        assert collector.total(fault, "exporters") == 0, fault


@pytest.mark.parametrize("exporter", EXPORTERS[:3], ids=lambda exporter: exporter.name)
def test_sampled_bytes_are_multiplied(exporter: Exporter, collector, tmp_path: Path):
    """softflowd -s 4 says 1:4 in the v5 header, a v9 options record (34, 35), or an IPFIX one
    (305, 306: one packet taken, three left)."""
    needs("softflowd")
    capture, _ = known(tmp_path, exporter, seed=2)
    said = softflowd(capture, collector.port, exporter.version, sampling=4)
    collector.wait_for("bytes", 4 * said.bytes)
    collector.stop()
    assert written(collector) == Total(4 * said.bytes, 4 * said.packets, said.flows)


@pytest.mark.parametrize("exporter", WATCHERS, ids=lambda exporter: exporter.name)
def test_live_traffic_is_what_was_sent(exporter: Exporter, influx_config, tmp_path: Path):
    """The exporter watches the loopback, over which datagrams of known sizes go."""
    needs(exporter.program)
    if os.geteuid() != 0:
        pytest.skip("watching an interface needs CAP_NET_RAW")
    loop = [{"name": "Loop", "prefixes": ["127.0.0.2/32"]}]
    sizes = range(0, 1000, 20)
    with _udp("127.0.0.2", "127.0.0.3") as (src, dst):
        port = dst.getsockname()[1]
        settings = {"networks": loop, "services": {f"{port}/udp": "known"}}
        with collecting(influx_config, tmp_path, **settings) as collector:
            with watching(exporter, port, collector.port, tmp_path):
                for size in sizes:
                    src.sendto(b"x" * size, dst.getsockname())
            _all_of(collector, sizes, port)


def _all_of(collector: Collector, sizes: range, port: int) -> None:
    expected = Total(sum(28 + size for size in sizes), len(sizes), 1)
    collector.wait_for("bytes", expected.bytes)
    collector.stop()
    assert written(collector) == expected
    rows = collector.ask('SELECT sum("bytes") FROM {detail}"talkers" GROUP BY "address","port"')
    assert [(row["address"], row["port"]) for row in rows] == [("127.0.0.2", str(port))]


@contextmanager
def _udp(*addresses: str) -> Iterator[list[socket.socket]]:
    """Yield a UDP socket bound to each of some addresses of the loopback."""
    with ExitStack() as stack:
        ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in addresses]
        for end, address in zip(ends, addresses, strict=True):
            stack.enter_context(end).bind((address, 0))
        yield ends


@pytest.mark.parametrize("exporter", EXPORTERS[:3], ids=lambda exporter: exporter.name)
def test_two_softflowd_on_one_host_lose_nothing(exporter: Exporter, collector, tmp_path: Path):
    """One instance per interface: same address, same domain (0), own source ports and sequences.

    Their datagrams are recorded first and sent alternately, so that they surely interleave.
    """
    needs("softflowd")
    expected = [known(tmp_path, exporter, seed)[1] for seed in (3, 4)]
    exports = [_recorded(tmp_path / f"traffic-{seed}.pcap", exporter) for seed in (3, 4)]
    with _udp("127.0.0.1", "127.0.0.1") as senders:
        for pair in itertools.zip_longest(*exports):
            for sender, datagram in zip(senders, pair, strict=True):
                if datagram is not None:
                    sender.sendto(datagram, ("127.0.0.1", collector.port))
    collector.wait_for("bytes", sum(part.bytes for part in expected))
    collector.stop()
    assert written(collector) == Total(
        *(sum(getattr(part, name) for part in expected) for name in ("bytes", "packets", "flows"))
    )
    assert collector.total("lost", "exporters") == 0


def _recorded(capture: Path, exporter: Exporter) -> list[bytes]:
    """Return the datagrams that softflowd sends for a capture."""
    with _udp("127.0.0.1") as (recorder,):
        softflowd(capture, recorder.getsockname()[1], exporter.version)
        recorder.setblocking(False)
        datagrams = []
        try:
            while True:
                datagrams.append(recorder.recv(65_536))
        except BlockingIOError:
            return datagrams
