"""The listening sockets: bound, given a receive buffer, and asked what the kernel dropped.

The kernel counts per socket what found its buffer full. SO_MEMINFO (Linux 4.12) tells that number
at any time; the ancillary SO_RXQ_OVFL only comes with a datagram that got through, and
/proc/net/udp has to be searched by inode.
"""

import errno
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from flowsleuth.errors import ConfigError, FlowSleuthError, ServiceError

_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("=9I")
"""SK_MEMINFO_VARS of linux/sock_diag.h; the last, SK_MEMINFO_DROPS, is what we want."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """The receive buffer of one socket, in bytes as setsockopt counts them."""

    listen: str
    asked: int
    obtained: int


@dataclass(frozen=True, slots=True)
class Bound:
    """A socket that is bound already, and the kernel's drops there that were counted before."""

    sock: socket.socket
    dropped: int


def listen_text(host: str, port: int) -> str:
    """Write an endpoint as the configuration has it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bind_all(listen: Sequence[tuple[str, int]]) -> list[socket.socket]:
    """Bind a UDP socket per endpoint; all or none.

    Raises ConfigError for what is no address of this machine, ServiceError for what is in use or
    not permitted.
    """
    bound: list[socket.socket] = []
    try:
        for host, port in listen:
            # One IPv6 socket also takes IPv4, unless the port has an IPv4 listener of its own.
            shared = port != 0 and any(p == port and ":" not in h for h, p in listen)
            bound.append(_bind(host, port, v6_only=shared))
    except FlowSleuthError:
        for sock in bound:
            sock.close()
        raise
    return bound


def _bind(host: str, port: int, *, v6_only: bool) -> socket.socket:
    where = f"listen {listen_text(host, port)}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, OverflowError, UnicodeError) as error:
        raise ConfigError(
            f"{where}: is no address; give HOST:PORT, such as 0.0.0.0:2055 or [::]:2055 ({error})"
        ) from error
    family, _, _, _, address = found[0]
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise ServiceError(f"{where}: {error.strerror}") from error
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise _refused(where, port, error) from error
    sock.setblocking(False)
    return sock


def _refused(where: str, port: int, error: OSError) -> FlowSleuthError:
    if error.errno == errno.EADDRINUSE:
        return ServiceError(
            f"{where}: another program listens there (`ss -lunp 'sport = :{port}'` names it)"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return ServiceError(
            f"{where}: not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigError(f"{where}: no interface has this address (`ip addr` lists them)")
    return ServiceError(f"{where}: {error.strerror}")


def widen(sock: socket.socket, asked: int) -> Buffer:
    """Ask for a receive buffer of `asked` bytes, beyond rmem_max where we may; say what we got."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, asked)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, asked)
    # Linux shows the double of what it gives, for its own book-keeping (socket(7)).
    obtained = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    host, port = sock.getsockname()[:2]
    return Buffer(listen_text(host, port), asked, obtained)


def kernel_drops(sock: socket.socket) -> int:
    """Return how many datagrams the kernel dropped at this socket, modulo 2^32; 0 if unknown."""
    try:
        told = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return 0
    return int(_MEMINFO.unpack(told)[8]) if len(told) == _MEMINFO.size else 0
