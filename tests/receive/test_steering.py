"""Sockets of several workers: who receives what, and what is said where that cannot be."""

import errno
import os
import socket
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsleuth.errors import ConfigError, ServiceError
from flowsleuth.receive import steering
from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.sockets import Bound, kernel_drops
from flowsleuth.receive.steering import bind_steered, worker_of
from flowsleuth.receive.udp import UdpReceiver

IPV6_FREEBIND = 78
"""linux/in6.h: send from an address that this machine does not have."""

V4 = [f"127.0.0.{number}" for number in range(2, 34)]
V6 = [f"2001:db8:{site:x}::{host:x}" for site in range(4) for host in range(1, 9)]


@pytest.fixture
def bind():
    """`bind_steered`, closed at the end."""
    made = []

    def bound(listen, workers):
        made.extend(steered := bind_steered(listen, workers))
        return steered

    yield bound
    for sockets in made:
        for sock in sockets:
            sock.close()


def send(source, target, port):
    """Send the address it comes from, from five ports."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    for _ in range(5):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
            sock.bind((source, 0))
            sock.sendto(source.encode(), (target, port))


def received(sock):
    """What waits at a socket."""
    while True:
        try:
            yield sock.recv(100).decode()
        except BlockingIOError:
            return


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_the_source_address_alone_decides(bind, workers):
    steered = bind([("127.0.0.1", 0)], workers)
    for source in V4:
        send(source, "127.0.0.1", steered[0][0].getsockname()[1])
    found = [list(received(sock)) for (sock,) in steered]
    assert sorted(chain.from_iterable(found)) == sorted(V4 * 5)
    for worker, sources in enumerate(found):
        assert {worker_of(source, workers) for source in sources} == {worker}


def test_one_exporter_has_one_worker_over_ipv4_and_ipv6_and_all_endpoints(bind):
    try:
        steered = bind([("::", 0), ("127.0.0.1", 0)], 8)
    except ServiceError:
        pytest.skip("no IPv6 here")
    both, only_v4 = (sock.getsockname()[1] for sock in steered[0])
    for source in V6:
        send(source, "::1", both)
    for source in V4:
        send(source, "127.0.0.1", both)
        send(source, "127.0.0.1", only_v4)
    found = [[text for sock in sockets for text in received(sock)] for sockets in steered]
    assert sorted(chain.from_iterable(found)) == sorted(V6 * 5 + V4 * 10)
    for worker, sources in enumerate(found):
        assert {worker_of(source, 8) for source in sources} == {worker}


@given(st.ip_addresses(), st.integers(1, 8))
def test_a_mapped_address_is_the_ipv4_address(address, workers):
    worker = worker_of(str(address), workers)
    assert 0 <= worker < workers
    if address.version == 4:
        assert worker_of(f"::ffff:{address}", workers) == worker


def test_neighbours_are_spread_evenly():
    for workers in range(2, 9):
        hit = [0] * workers
        for number in range(4000):
            hit[worker_of(f"192.0.{number // 250}.{number % 250}", workers)] += 1
        assert min(hit) > 0.8 * 4000 / workers


def test_the_receiver_takes_sockets_that_are_bound(bind):
    ((sock,),) = bind([("127.0.0.1", 0)], 1)
    receiver = UdpReceiver([], Sources(), bound=[Bound(sock, 0)])
    receiver.start()
    ((_, port),) = receiver.addresses
    send("127.0.0.2", "127.0.0.1", port)
    batch = receiver.batches(20)
    receiver.stop()
    assert batch is not None
    assert batch.payload(0) == b"127.0.0.2"


def test_drops_that_were_counted_before_are_not_counted_again(bind):
    ((sock,),) = bind([("127.0.0.1", 0)], 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for _ in range(100):
        send("127.0.0.2", "127.0.0.1", sock.getsockname()[1])
    told = kernel_drops(sock)
    assert told > 300
    receiver = UdpReceiver([], Sources(), bound=[Bound(sock, told - 7)])
    receiver.start()
    assert receiver.statistics().kernel_drops == 7
    receiver.stop()


def test_a_port_that_another_shares_is_in_use(bind):
    ((first,), _) = bind([("127.0.0.1", 0)], 2)
    with pytest.raises(ServiceError, match="another program listens there"):
        bind([("127.0.0.1", first.getsockname()[1])], 2)


def test_a_wrong_address_is_said_as_without_workers(bind):
    with pytest.raises(ConfigError, match="no interface has this address"):
        bind([("192.0.2.77", 0)], 2)


def test_another_system_says_what_to_do(bind, monkeypatch):
    monkeypatch.setattr(steering.sys, "platform", "darwin")
    with pytest.raises(ServiceError, match=r"--workers 2: only Linux .*; use --workers 1, or"):
        bind([("127.0.0.1", 0)], 2)


def test_a_kernel_that_does_not_steer_leaves_no_socket_open(bind, monkeypatch):
    def refuse(sock, option, program):
        raise OSError(errno.ENOPROTOOPT, os.strerror(errno.ENOPROTOOPT))

    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(steering, "attach", refuse)
    with pytest.raises(ServiceError, match="--workers 2: Protocol not available; use --workers 1"):
        bind([("127.0.0.1", 0)], 2)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
