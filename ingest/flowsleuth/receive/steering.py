"""Sockets for several workers on one port: the kernel steers each exporter to one of them.

Left to itself, SO_REUSEPORT hashes the UDP ports too. A v9 exporter that sends templates from one
port and data from another, or two softflowd on one host, would then be torn apart. So a classic BPF
program chooses by the source address alone (SO_ATTACH_REUSEPORT_CBPF, Linux 4.5). The kernel
numbers a group's sockets in the order in which they were bound: worker 0 binds first.

Why not one receiver that hands on to the workers: copying would cost it more than receiving.
"""

import ctypes
import socket
import struct
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from itertools import chain

from flowsleuth.errors import ServiceError
from flowsleuth.receive.sockets import bind_all

SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
_SO_ATTACH_REUSEPORT_CBPF = 51

_INSTRUCTION = struct.Struct("=HBBI")
"""struct sock_filter of linux/filter.h: code, jump if true, jump if false, k."""

_NETWORK = 0xFFF00000
"""SKF_NET_OFF: a load from here on counts from the IP header; 0 would be the UDP payload."""

_V4_SOURCE = (12,)
_V6_SOURCE = (8, 12, 16, 20)
"""Where the source address lies in the header, in words of 32 bits (RFC 791, 3.1; RFC 8200, 3)."""

_GOLDEN = 2_654_435_761
"""Multiplicative hashing (Knuth, The Art of Computer Programming, 6.4): neighbours scatter."""

_LOAD_BYTE, _LOAD_WORD, _LOAD_X = 0x30, 0x20, 0x01
_ADD_X, _MULTIPLY, _SHIFT_RIGHT, _MODULO = 0x0C, 0x24, 0x74, 0x94
_JUMP_IF_EQUAL, _TO_X, _RETURN, _RETURN_A = 0x15, 0x07, 0x06, 0x16

_Program = list[tuple[int, int, int, int]]


def worker_of(address: str, workers: int) -> int:
    """Return the worker that an exporter's datagrams reach; the same as the kernel's program."""
    found = ip_address(address)
    packed = (getattr(found, "ipv4_mapped", None) or found).packed
    mixed = 0
    for (word,) in struct.iter_unpack(">I", packed):
        mixed = (mixed + word) * _GOLDEN % 2**32
    return (mixed >> 16) % workers


def _program(workers: int) -> _Program:
    """Return the program; a dual-stack socket receives both kinds of packets."""
    v4 = _mix(_V4_SOURCE, workers)
    return [
        (_LOAD_BYTE, 0, 0, _NETWORK),
        (_SHIFT_RIGHT, 0, 0, 4),
        (_JUMP_IF_EQUAL, len(v4), 0, 6),
        *v4,
        *_mix(_V6_SOURCE, workers),
    ]


def _mix(offsets: Sequence[int], workers: int) -> _Program:
    program: _Program = [(_LOAD_X, 0, 0, 0)]
    for offset in offsets:
        program += [
            (_LOAD_WORD, 0, 0, _NETWORK + offset),
            (_ADD_X, 0, 0, 0),
            (_MULTIPLY, 0, 0, _GOLDEN),
            (_TO_X, 0, 0, 0),
        ]
    return [
        *program,
        (_SHIFT_RIGHT, 0, 0, 16),
        (_MODULO, 0, 0, workers),
        (_RETURN_A, 0, 0, 0),
    ]


def bind_steered(listen: Sequence[tuple[str, int]], workers: int) -> list[list[socket.socket]]:
    """Bind all endpoints for each worker: [worker][endpoint]; all or none.

    Raises what `bind_all` raises, and ServiceError where the kernel does not steer.
    """
    if not sys.platform.startswith("linux"):
        raise _impossible(workers, "only Linux steers datagrams by their exporter")
    # Without SO_REUSEPORT first: it would share a port with another ingester of the same user.
    probes = bind_all(listen)
    groups: list[list[socket.socket]] = []
    try:
        for probe in probes:
            groups.append([])
            _bind_group(probe, workers, groups[-1])
    except OSError as error:
        for sock in chain.from_iterable(groups):
            sock.close()
        raise _impossible(workers, error.strerror or str(error)) from error
    finally:
        for probe in probes:
            probe.close()
    return [list(sockets) for sockets in zip(*groups, strict=True)]


def _bind_group(probe: socket.socket, workers: int, group: list[socket.socket]) -> None:
    """Bind the sockets of one endpoint; none receives before all are bound and steered."""
    address, family = probe.getsockname(), probe.family
    v6_only = family == socket.AF_INET6 and probe.getsockopt(
        socket.IPPROTO_IPV6, socket.IPV6_V6ONLY
    )
    probe.close()
    for _ in range(workers):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        group.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
        attach(sock, SO_ATTACH_FILTER, [(_RETURN, 0, 0, 0)])
        sock.bind(address)
        sock.setblocking(False)
    attach(group[0], _SO_ATTACH_REUSEPORT_CBPF, _program(workers))
    for sock in group:
        sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)


def attach(sock: socket.socket, option: int, program: _Program) -> None:
    """Give a socket a classic BPF program: struct sock_fprog, a length and a pointer."""
    code = b"".join(_INSTRUCTION.pack(*step) for step in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    fprog = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    sock.setsockopt(socket.SOL_SOCKET, option, fprog)


def _impossible(workers: int, reason: str) -> ServiceError:
    return ServiceError(
        f"--workers {workers}: {reason}; use --workers 1, or several ingesters, each with a name "
        "and a port of its own"
    )
