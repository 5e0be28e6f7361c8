"""Real exporters, a real `collect`, a real InfluxDB: as many bytes come out as went in."""

import itertools
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from services import unavailable

from .collecting import Collector, collecting
from .page import USED, blocks
from .programs import EXPORTERS, SOFTFLOWD, WATCHERS, Exporter, find, pmacctd, softflowd
from .traffic import Flow, Total, green, total, write_pcap
from .watch import Wire, watch


def needs(program: str) -> None:
    """Skip where the program is not installed; fail where FLOWSLEUTH_REQUIRE names it."""
    if find(program) is None:
        unavailable(program, f"not installed (Debian: apt install {program})")


@pytest.fixture
def collector(influx_config, tmp_path: Path) -> Iterator[Collector]:
    with collecting(influx_config, tmp_path) as running:
        yield running


def known_to(exporter: Exporter, flows: list[Flow]) -> Total:
    """Return what this exporter can say of the flows."""
    return total([flow for flow in flows if flow.family in exporter.families])


def known(folder: Path, exporter: Exporter, seed: int) -> tuple[Path, Total]:
    """Write traffic that ended five seconds ago; return it and what this exporter can say of it."""
    flows = green(seed)
    capture = folder / f"traffic-{seed}.pcap"
    write_pcap(capture, flows, time.time() - 5)
    return capture, known_to(exporter, flows)


def written(collector: Collector, measurement: str = "traffic", where: str = "") -> Total:
    """Return what InfluxDB holds."""
    counters = ("bytes", "packets", "flows")
    return Total(*(collector.total(name, measurement, where) for name in counters))


def faults(collector: Collector) -> dict[str, int]:
    """Return the counters of `exporters` that say something went wrong, those that are not 0."""
    names = ("lost", "malformed", "missing_template", "implausible")
    counts = {name: collector.total(name, "exporters") for name in names}
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("exporter", EXPORTERS, ids=lambda exporter: exporter.name)
def test_bytes_in_influxdb_are_those_exported(exporter: Exporter, collector, tmp_path: Path):
    needs(exporter.program)
    started = int(time.time())
    capture, expected = known(tmp_path, exporter, seed=1)
    if exporter.program == "softflowd":
        said = softflowd(capture, collector.port, exporter.version)
    else:
        said = pmacctd(capture, collector.port, exporter)
    assert said == expected
    collector.wait_for("bytes", expected.bytes)
    collector.stop()
    assert written(collector) == expected
    assert written(collector, "talkers") == expected
    assert collector.total("redated_bytes") == 0
    then = f"time >= {started - 60}s AND time < {started - 4}s"
    assert collector.total("bytes", where=then) == expected.bytes
    assert collector.total("bytes", where="\"network\" = 'Green'") == expected.bytes
    assert faults(collector) == {}


@pytest.mark.parametrize("exporter", SOFTFLOWD, ids=lambda exporter: exporter.name)
def test_sampled_bytes_are_multiplied(exporter: Exporter, collector, tmp_path: Path):
    """softflowd -s 4 says 1:4 in the v5 header, a v9 options record (34, 35), or an IPFIX one
    (305, 306: one packet taken, three left)."""
    needs("softflowd")
    capture, _ = known(tmp_path, exporter, seed=2)
    said = softflowd(capture, collector.port, exporter.version, "-s", "4")
    collector.wait_for("bytes", 4 * said.bytes)
    collector.stop()
    assert written(collector) == Total(4 * said.bytes, 4 * said.packets, said.flows)


@pytest.fixture
def wire() -> Iterator[Wire]:
    try:
        sender = Wire()
    except PermissionError:
        unavailable("packet socket", "watching an interface needs CAP_NET_RAW")
    with closing(sender):
        yield sender


@pytest.mark.parametrize("exporter", WATCHERS, ids=lambda exporter: exporter.name)
def test_an_exporter_watches_an_interface(exporter: Exporter, wire, collector, tmp_path: Path):
    """All that it says is in InfluxDB, and Network Green has what was sent, no byte more."""
    needs(exporter.program)
    flows = green(seed=5)
    said = watch(exporter, wire, flows, collector.port, tmp_path)
    collector.wait_for("bytes", said.bytes)
    collector.stop()
    assert written(collector) == said
    assert written(collector, "talkers") == said
    assert written(collector, where="\"network\" = 'Green'") == known_to(exporter, flows)
    assert collector.total("redated_bytes") == 0
    assert faults(collector) == {}


@contextmanager
def _udp(*addresses: str) -> Iterator[list[socket.socket]]:
    """Yield a UDP socket bound to each of some addresses of the loopback."""
    with ExitStack() as stack:
        ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in addresses]
        for end, address in zip(ends, addresses, strict=True):
            stack.enter_context(end).bind((address, 0))
        yield ends


@pytest.mark.parametrize("exporter", SOFTFLOWD, ids=lambda exporter: exporter.name)
def test_two_softflowd_on_one_host_lose_nothing(exporter: Exporter, collector, tmp_path: Path):
    """One instance per interface: same address, same domain (0), own source ports and sequences.

    Their datagrams are recorded first and sent alternately, so that they surely interleave. Their
    templates have the same ids and other fields: read with the other's, the sums would be wrong.
    """
    needs("softflowd")
    expected, exports = [], []
    for seed, options in ((3, ()), (4, OTHER_LAYOUT)):
        capture, part = known(tmp_path, exporter, seed)
        expected.append(part)
        exports.append(_recorded(capture, exporter, options))
    if exporter.version != 5:
        (one, fields), (other, others) = (_first_template(e, exporter.version) for e in exports)
        assert one == other
        assert fields != others
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
    assert faults(collector) == {}


OTHER_LAYOUT = ("-A", "milli")
"""Times of day instead of SysUptime: templates of the same ids with other fields."""


def _first_template(export: list[bytes], version: int) -> tuple[int, bytes]:
    """Return id and fields of the template that the first datagram begins with."""
    start = {9: 20, 10: 16}[version]  # RFC 3954, 5.1; RFC 7011, 3.1
    length, identifier = struct.unpack_from("!xxHH", export[0], start)
    return identifier, export[0][start + 6 : start + length]


def _recorded(capture: Path, exporter: Exporter, options: tuple[str, ...]) -> list[bytes]:
    """Return the datagrams that softflowd sends for a capture."""
    with _udp("127.0.0.1") as (recorder,):
        softflowd(capture, recorder.getsockname()[1], exporter.version, *options)
        recorder.setblocking(False)
        datagrams = []
        try:
            while True:
                datagrams.append(recorder.recv(65_536))
        except BlockingIOError:
            return datagrams


def test_every_command_on_the_page_is_one_that_these_tests_run():
    for block in blocks():
        assert sum(words in block for words in USED.values()) == 1, block
    assert len(blocks()) == len(USED)
