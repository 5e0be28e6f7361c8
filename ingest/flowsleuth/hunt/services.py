"""What is known about a service port: its name, what it is for, and who says so.

First the configuration, then the shipped table, then the names that this system has from the
registry of IANA (RFC 6335), mostly /etc/services. A port that nobody knows is a piece of news: the
story's was one.
"""

import socket
from dataclasses import dataclass

from flowsleuth.enrich.service_table import TOPICS
from flowsleuth.enrich.services import Services, read_topic
from flowsleuth.protocols import NUMBERS

_TOPIC = {
    (port, protocol): topic
    for topic, text in TOPICS.items()
    for _, port, protocol in read_topic(text)
}

LOW_PORTS, REGISTERED_PORTS = 1024, 49152
"""RFC 6335, section 6: System Ports end below, User Ports end below."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service port: name ('' where nobody knows one), and a phrase of what is known."""

    port: int
    protocol: str
    name: str
    known: str

    def __str__(self) -> str:
        named = f" ({self.name})" if self.name else ""
        return f"{self.protocol} port {self.port}{named}"


def service(port: int, protocol: str, configured: Services) -> Service:
    """Return what is known about a port of a protocol, by its keyword."""
    number = NUMBERS.get(protocol, -1)
    name = configured.name(port, number)
    if (port, number) in configured.configured:
        return Service(port, protocol, name, "named in the configuration")
    if (port, number) in _TOPIC:
        return Service(port, protocol, name, f"known for: {_TOPIC[port, number].lower()}")
    try:
        name = socket.getservbyport(port, protocol)
    except (OSError, OverflowError):
        return Service(port, protocol, "", _unknown(port))
    return Service(port, protocol, name, "registered under this name (this system's list)")


def _unknown(port: int) -> str:
    if port < LOW_PORTS:
        return "no name in any list here, though it is a system port"
    if port < REGISTERED_PORTS:
        return "no name in any list here"
    return "a dynamic port, which nobody can register"
