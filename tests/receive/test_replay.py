"""Replay: what is sent is what was captured, at its pace, shifted in time if asked."""

import errno
import socket
import struct
import time

import numpy as np
import pytest
from click.testing import CliRunner
from made_captures import ethernet, ipfix, ipv4, pcap, v5, v9

from flowsleuth.cli.replay import command
from flowsleuth.errors import ServiceError
from flowsleuth.pipeline.rebase import ABSOLUTE_TIMES, Rebase, shift_to_now, times_ns
from flowsleuth.receive import replay
from flowsleuth.receive.datagrams import NO_RECEIPT, Datagrams, Sources
from flowsleuth.receive.replay import Replay
from flowsleuth.receive.udp import UdpReceiver

T = 1_700_000_000
NS = 1_000_000_000


@pytest.fixture
def collector():
    receiver = UdpReceiver([("127.0.0.1", 0)], Sources(), receive_buffer=1 << 20)
    receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "capture.pcap"
    frames = [
        (T * NS + i * NS // 100, ethernet(ipv4(v5(i, seconds=T), port=i % 3 + 9)))
        for i in range(12)
    ]
    path.write_bytes(pcap(frames))
    return path


def taken(receiver, count):
    found, end = [], time.monotonic() + 20
    while len(found) < count and time.monotonic() < end:
        batch = receiver.batches(0.2)
        if batch is not None:
            found += [(batch.payload(i), int(batch.source[i])) for i in range(len(batch))]
    return found


def run(*arguments):
    return CliRunner().invoke(command, [str(a) for a in arguments])


def test_round_trip(collector, capture):
    port = collector.addresses[0][1]
    result = run(capture, "--to", f"127.0.0.1:{port}", "--speed", 0)
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("replay: 12 datagrams, 864 bytes in ")
    assert result.stdout == ""
    found = taken(collector, 12)
    assert [payload for payload, _ in found] == [v5(i, seconds=T) for i in range(12)]
    sources = [source for _, source in found]
    assert len(set(sources)) == 3
    assert sources[:3] * 4 == sources


def test_rebase_moves_the_end_to_now(collector, capture):
    port = collector.addresses[0][1]
    result = run(capture, "--to", f"127.0.0.1:{port}", "--speed", 100, "--rebase")
    assert "times shifted by" in result.stderr
    for payload, _ in taken(collector, 12):
        assert abs(struct.unpack_from(">I", payload, 8)[0] - time.time()) < 60


def test_nothing_listens(capture):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    result = run(capture, "--to", f"127.0.0.1:{port}", "--speed", 0)
    assert isinstance(result.exception, ServiceError)
    assert "nothing listens there" in str(result.exception)
    assert "12 refused" in result.stderr


@pytest.mark.parametrize("to", ["nowhere", "host:0", "host:99999", "::1:2055", "[::1]"])
def test_a_wrong_endpoint_is_wrong_usage(capture, to):
    result = run(capture, "--to", to)
    assert result.exit_code == 2
    assert "give HOST:PORT" in result.stderr


def test_rebase_of_stdin_is_wrong_usage():
    result = run("-", "--to", "[::1]:2055", "--rebase")
    assert result.exit_code == 2
    assert "name a FILE" in result.stderr


def test_a_host_that_cannot_be_found():
    with pytest.raises(ServiceError, match="cannot be resolved"):
        Replay("no such host.invalid", 2055)


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 0
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += round(seconds * 1e9)


def paced(times, speed, payload=b"x"):
    """Replay datagrams of these times (s); return what was slept between them."""
    clock = Clock()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        player = Replay(
            *sink.getsockname(), speed=speed, clock_ns=lambda: clock.now, sleep=clock.sleep
        )
        batch = Datagrams.pack([(payload, 0, NO_RECEIPT)] * len(times), Sources())
        player.send(batch, np.array([t * NS if t >= 0 else NO_RECEIPT for t in times], np.int64))
        player.close()
    return clock.slept, player.sent


@pytest.mark.parametrize(
    ("times", "speed", "slept"),
    [
        ([0, 1, 3], 1, [1, 2]),
        ([0, 1, 3], 10, [0.1, 0.2]),
        ([0, 1, 3], 0.5, [2, 4]),
        ([5, 5, 5], 1, []),
        ([0, 1, -1, 2], 1, [1, 1]),
        ([0, 1, 100_000, 100_001], 1, [1, 1]),  # two captures, far apart
        ([100, 101, 7, 8], 1, [1, 1]),  # and the other way round
    ],
)
def test_pace(times, speed, slept):
    assert paced(times, speed)[0] == pytest.approx(slept)


def test_fastest_is_paced_too():
    slept, sent = paced([0] * 4000, 0)
    assert sum(slept) == pytest.approx(4000 / replay.FASTEST_PER_SECOND, rel=0.1)
    assert sent.datagrams == 4000


def test_what_udp_cannot_carry_is_left_out():
    _, sent = paced([0, 0], 1, payload=bytes(65_535))
    assert (sent.unsent, sent.datagrams) == (2, 0)


def test_an_unreachable_network_is_named(monkeypatch):
    class Unreachable(socket.socket):
        def connect(self, _):
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(replay.socket, "socket", Unreachable)
    player = Replay("127.0.0.1", 9)
    batch = Datagrams.pack([(b"x", 0, 0)], Sources())
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:9: cannot be reached"):
        player.send(batch, np.zeros(1, np.int64))
    player.close()


def test_sockets_are_bounded(collector, monkeypatch):
    monkeypatch.setattr(replay, "MAX_SOCKETS", 4)
    player = Replay(*collector.addresses[0], speed=0)
    player.send(Datagrams.pack([(b"x", i, 0) for i in range(9)], Sources()), np.zeros(9, np.int64))
    player.close()
    assert len({source for _, source in taken(collector, 9)}) == 4


def template(template_id, *fields):
    specs = b"".join(struct.pack(">HHI" if len(f) == 3 else ">HH", *f) for f in fields)
    return struct.pack(">HH", template_id, len(fields)) + specs


def rebased(datagrams, seconds=1000, received=NO_RECEIPT):
    batch = Datagrams.pack([(d, 1, received) for d in datagrams], Sources())
    before = batch.data.tobytes()
    shift = Rebase(seconds)
    after = shift.apply(batch)
    assert batch.data.tobytes() == before
    return [after.payload(i) for i in range(len(after))], shift, after


def test_headers_of_every_version():
    old = [struct.pack(">HHIII", 1, 0, 0, T, 0), v5(seconds=T), v9(seconds=T)]
    for at, given in [(8, d) for d in old] + [(4, ipfix(seconds=T))]:
        (shifted,), _, _ = rebased([given])
        assert struct.unpack_from(">I", shifted, at)[0] == T + 1000
        assert shifted[:at] + given[at : at + 4] + shifted[at + 4 :] == given


@pytest.mark.parametrize("make", [v9, ipfix])
@pytest.mark.parametrize("element", sorted(ABSOLUTE_TIMES))
def test_absolute_times_in_records(make, element):
    length, units = ABSOLUTE_TIMES[element]
    learn = make(
        (0 if make is v9 else 2, template(256, (8, 4), (element, length), (2, 1))), seconds=T
    )
    value = T * units + 5 % units
    records = b"".join(
        struct.pack(">I", i) + v.to_bytes(length) + b"\x07"
        for i, v in enumerate((value, value + units, 0))
    )
    given = make((256, records + b"\0\0\0"), seconds=T)
    _, shifted = rebased([learn, given])[0]
    moved = [
        int.from_bytes(shifted[len(given) - len(records) - 3 :][k * (length + 5) + 4 :][:length])
        for k in range(3)
    ]
    assert moved == [value + 1000 * units, value + 1001 * units, 0]
    assert shifted[-3:] == b"\0\0\0"
    back = rebased([learn, given])[1]
    assert back.unshifted == 0


def test_times_behind_fields_of_variable_length():
    specs = ((152, 8), (82, 0xFFFF), (150, 4), (8, 4), (82, 0xFFFF), (151, 4))
    middle, end = T.to_bytes(4) + bytes(4), (T + 9).to_bytes(4)
    records = [
        (T * 1000).to_bytes(8) + b"\x03abc" + middle + b"\xff\x01\x00" + bytes(256) + end,
        (T * 1000 + 7).to_bytes(8) + b"\x00" + middle + b"\x01z" + end,
    ]
    learn = ipfix((2, template(300, *specs)), seconds=T)
    shifted = rebased([learn, ipfix((300, b"".join(records)), seconds=T)])[0][1][20:]
    first, second = shifted[: len(records[0])], shifted[len(records[0]) :]
    s = T + 1000
    assert first[:8] + first[12:16] + first[-4:] == (
        (s * 1000).to_bytes(8) + s.to_bytes(4) + (s + 9).to_bytes(4)
    )
    assert second[:8] + second[9:13] + second[-4:] == (
        (s * 1000 + 7).to_bytes(8) + s.to_bytes(4) + (s + 9).to_bytes(4)
    )
    assert first[8:12] == b"\x03abc"


def test_reverse_enterprise_and_odd_lengths():
    specs = ((0x8000 | 150, 4, 29305), (0x8000 | 150, 4, 9), (151, 8))
    learn = ipfix((2, template(256, *specs)), seconds=T)
    body = T.to_bytes(4) * 2 + T.to_bytes(8)
    shifted = rebased([learn, ipfix((256, body), seconds=T)])[0][1][20:]
    assert shifted == (T + 1000).to_bytes(4) + body[4:]


def test_what_cannot_be_shifted_is_left_and_counted():
    body = T.to_bytes(4)
    withdrawn = struct.pack(">HH", 256, 0)
    given = [
        ipfix((256, body)),
        ipfix((2, template(256, (150, 4)))),
        ipfix((2, withdrawn)),
        ipfix((256, body)),
        ipfix((2, struct.pack(">HH", 5, 1))),
        ipfix()[:14],
        ipfix() + b"\0\x01\0\x02",
        v9((0, struct.pack(">HH", 256, 0) + template(257, (8, 0))), (257, b"")),
        v9()[:16],
        b"\xff\xff\xff\xff",
        b"",
    ]
    shifted, shift, _ = rebased(given)
    assert shift.unshifted == 2
    assert shifted[0][-4:] == body


def test_receipts_shift_and_times_are_found():
    _, _, after = rebased([v5(seconds=T)], received=T * NS)
    assert after.received_ns.tolist() == [(T + 1000) * NS]
    bare = Datagrams.pack(
        [
            (v5(seconds=T), 0, NO_RECEIPT),
            (ipfix(seconds=T + 1), 0, NO_RECEIPT),
            (b"?", 0, NO_RECEIPT),
        ],
        Sources(),
    )
    assert times_ns(bare).tolist() == [T * NS, (T + 1) * NS, NO_RECEIPT]
    assert abs(T + 1 + shift_to_now([bare]) - time.time()) < 5
    assert shift_to_now([]) == 0


def test_sessions_take_bounded_memory(monkeypatch):
    monkeypatch.setattr("flowsleuth.pipeline.rebase._MOST_SESSIONS", 3)
    learn = (2, template(256, (150, 4)))
    _, shift, _ = rebased([ipfix(learn, domain=i) for i in range(9)])
    assert len(shift._templates) == 3
