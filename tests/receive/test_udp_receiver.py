"""The UDP receiver over loopback: IPv4, IPv6, long datagrams, drops, and what cannot be bound."""

import errno
import os
import socket
import time

import pytest

from flowsleuth.errors import ConfigError, ServiceError
from flowsleuth.receive import rows, sockets, udp
from flowsleuth.receive.datagrams import Source, Sources
from flowsleuth.receive.udp import UdpReceiver

PATIENCE = 20
LOOPBACK = "127.0.0.1"


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback here")


@pytest.fixture
def start():
    started = []

    def begin(listen=((LOOPBACK, 0),), **options):
        receiver = UdpReceiver(listen, Sources(), **({"receive_buffer": 1 << 20} | options))
        started.append(receiver)
        receiver.start()
        return receiver

    yield begin
    for receiver in started:
        receiver.stop()


@pytest.fixture
def sender():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        yield sock


def take(receiver, count):
    """Return the first `count` (payload, source) pairs."""
    found, end = [], time.monotonic() + PATIENCE
    while len(found) < count and time.monotonic() < end:
        batch = receiver.batches(0.2)
        if batch is not None:
            table = batch.sources.table
            found += [(batch.payload(i), table[batch.source[i]]) for i in range(len(batch))]
    return found


@pytest.mark.parametrize("one_by_one", [False, True], ids=["recvmmsg", "recvfrom_into"])
def test_every_length_arrives_whole(start, sender, one_by_one):
    receiver = start(one_by_one=one_by_one)
    lengths = [0, 1, 24, 1472, 2047, 2048, 2049, 9000, 65_507]
    sent = [os.urandom(n) for n in lengths]
    before = time.time_ns()
    for payload in sent:
        sender.sendto(payload, receiver.addresses[0])
    found = take(receiver, len(sent))
    assert [payload for payload, _ in found] == sent
    assert {source for _, source in found} == {Source(LOOPBACK, sender.getsockname()[1])}
    told = receiver.statistics()
    assert (told.datagrams, told.bytes, told.kernel_drops) == (len(sent), sum(lengths), 0)
    sender.sendto(b"time", receiver.addresses[0])
    batch = receiver.batches(PATIENCE)
    assert before <= batch.received_ns[0] <= time.time_ns()


@needs_ipv6
@pytest.mark.parametrize("one_by_one", [False, True], ids=["recvmmsg", "recvfrom_into"])
def test_ipv6_and_mapped_ipv4(start, sender, one_by_one):
    receiver = start(((LOOPBACK, 0), ("::", 0), ("::1", 0)), one_by_one=one_by_one)
    four, both, six = (port for _, port in receiver.addresses)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender6:
        sender.sendto(b"a", (LOOPBACK, four))
        sender.sendto(b"b", (LOOPBACK, both))
        sender6.sendto(b"c", ("::1", both))
        sender6.sendto(b"d", ("::1", six))
        port, port6 = sender.getsockname()[1], sender6.getsockname()[1]
    found = sorted(take(receiver, 4))
    assert [(p, s.address) for p, s in found] == [
        (b"a", LOOPBACK), (b"b", LOOPBACK), (b"c", "::1"), (b"d", "::1")
    ]  # fmt: skip
    assert [s.port for _, s in found] == [port, port, port6, port6]


@needs_ipv6
def test_both_families_may_listen_on_one_port(start):
    port = start().addresses[0][1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    receiver = start((("::", port), (LOOPBACK, port)))
    assert [p for _, p in receiver.addresses] == [port, port]


def test_a_batch_closes_by_count_and_by_time(start, sender):
    receiver = start(batch=10, batch_seconds=0.05)
    for i in range(25):
        sender.sendto(bytes([i]), receiver.addresses[0])
    sizes, end = [], time.monotonic() + PATIENCE
    while sum(sizes) < 25 and time.monotonic() < end:
        batch = receiver.batches(1)
        sizes += [len(batch)] if batch is not None else []
    assert sum(sizes) == 25
    assert max(sizes) <= 10


def test_rows_are_copied_out(start, sender):
    receiver = start(batch=4, batch_seconds=0.01)
    sender.sendto(b"x" * 3000, receiver.addresses[0])
    first = receiver.batches(PATIENCE)
    for _ in range(8):
        sender.sendto(b"y" * 3000, receiver.addresses[0])
    take(receiver, 8)
    assert first.payload(0) == b"x" * 3000


def test_what_waits_at_the_stop_is_still_given(start, sender):
    receiver = start(batch=2, queue=1)
    for i in range(20):
        sender.sendto(bytes([i]), receiver.addresses[0])
    deadline = time.monotonic() + PATIENCE
    while receiver.statistics().datagrams < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)  # the queue is full: the thread waits, the rest is in the kernel
    assert receiver.statistics().datagrams <= 4
    receiver.stop()
    found = take(receiver, receiver.statistics().datagrams)
    assert len(found) == receiver.statistics().datagrams >= 4
    assert receiver.batches(0) is None
    receiver.stop()


def test_kernel_drops_are_counted(start, sender):
    receiver = start(receive_buffer=4096, batch=2, queue=1)
    for _ in range(500):
        sender.sendto(bytes(1400), receiver.addresses[0])
    told = receiver.statistics()
    if not told.kernel_drops:
        pytest.skip("this kernel does not tell drops (SO_MEMINFO)")
    receiver.stop()
    told = receiver.statistics()
    assert told.datagrams + told.kernel_drops == 500
    assert told.buffers[0].asked == 4096


def test_a_flood_of_senders_takes_bounded_memory(start, monkeypatch):
    monkeypatch.setattr(rows, "_NAMED_SOURCES", 3)
    receiver = start()
    ports = []
    for _ in range(10):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"hello", receiver.addresses[0])
            ports.append(sock.getsockname()[1])
    assert [source.port for _, source in take(receiver, 10)] == ports


def test_buffer_advice(start, monkeypatch):
    assert start(receive_buffer=8192).buffer_advice() is None
    monkeypatch.setattr(sockets, "_SO_RCVBUFFORCE", 9999)
    receiver = start(receive_buffer=1 << 30)
    if receiver.statistics().buffers[0].obtained >= 1 << 30:
        pytest.skip("rmem_max is a gigabyte here")
    assert "sysctl -w net.core.rmem_max=1073741824" in receiver.buffer_advice()


@pytest.mark.parametrize(
    ("listen", "kind", "says"),
    [
        (("no such host.invalid", 2055), ConfigError, "is no address"),
        (("192.0.2.77", 0), ConfigError, "no interface has this address"),
    ],
)
def test_what_cannot_be_bound(listen, kind, says):
    receiver = UdpReceiver([(LOOPBACK, 0), listen], Sources())
    with pytest.raises(kind, match=says) as raised:
        receiver.start()
    assert "\n" not in str(raised.value)
    receiver.stop()


def test_an_address_in_use_is_named(start):
    address = start().addresses[0]
    with pytest.raises(ServiceError, match=f"{LOOPBACK}:{address[1]}: another program"):
        UdpReceiver([address], Sources()).start()


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.EACCES, "CAP_NET_BIND_SERVICE"), (errno.EIO, "Input/output error")],
)
def test_refusals_say_what_to_do(number, says):
    told = sockets._refused("listen x", 80, OSError(number, os.strerror(number)))
    assert isinstance(told, ServiceError)
    assert says in str(told)


def test_a_family_that_the_system_lacks(monkeypatch):
    def lacking(*_):
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported")

    monkeypatch.setattr(sockets.socket, "socket", lacking)
    with pytest.raises(ServiceError, match="not supported"):
        sockets.bind_all([(LOOPBACK, 0)])


def test_a_bug_in_the_thread_comes_out(start, monkeypatch):
    receiver = start()

    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(receiver._rows, "receive", fail)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", receiver.addresses[0])
    receiver._thread.join(PATIENCE)
    with pytest.raises(ZeroDivisionError):
        receiver.batches(0)


def test_recvmmsg_errors_are_os_errors(start):
    receiver = start()
    if receiver._rows._call is None:
        pytest.skip("no recvmmsg here")
    reader = rows.Rows(4, Sources())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert reader.receive(sock) == 0
        sock.close()
        with pytest.raises(OSError, match="descriptor"):
            reader.receive(sock)


def test_drops_unknown_are_zero(monkeypatch, sender):
    monkeypatch.setattr(sockets, "_SO_MEMINFO", 9999)
    assert sockets.kernel_drops(sender) == 0


def test_defaults():
    assert udp.RECEIVE_BUFFER >= 4 << 20
