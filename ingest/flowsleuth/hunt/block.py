"""What blocks an address, a port, or a port of an address: text for a user to apply.

The rules are those of the alerts' mails (`firewalls`). Without an alert nobody says which way the
traffic went, and an address may send or receive: so both ways are blocked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from textwrap import wrap

from flowsleuth.firewalls import DESTINATION, SOURCE, Firewall, Match

Address = IPv4Address | IPv6Address

WIDTH = 80
"""Of comments; a rule is a line."""


@dataclass(frozen=True, slots=True)
class Target:
    """What to block: an address, a port, or both. protocols: keywords; empty for all."""

    address: Address | None
    port: int | None
    protocols: tuple[str, ...] = ()

    def __str__(self) -> str:
        port = f"{'/'.join(self.protocols)} port {self.port}" if self.port is not None else ""
        return " ".join(filter(None, (str(self.address) if self.address else "", port)))

    def matches(self, family: int) -> Iterator[Match]:
        """Yield what is matched in one IP version."""
        address = "" if self.address is None else str(self.address)
        for end in (SOURCE, DESTINATION) if address else (SOURCE,):
            for protocol in self.protocols or ("",):
                port = "" if self.port is None else str(self.port)
                yield Match(family, end, address, protocol, port)


def rules(target: Target, firewall: Firewall) -> Iterator[str]:
    """Yield the lines: what it is and where it goes as comments, then the rules."""
    mark = f"{firewall.comment} "
    yield f"{mark}FlowSleuth: block {target} ({firewall.name}). Nothing has been applied."
    yield from wrap(f"{firewall.where}.", WIDTH, initial_indent=mark, subsequent_indent=mark)
    for family in (4, 6) if target.address is None else (target.address.version,):
        yield from firewall.head_of(family)
        for match in target.matches(family):
            yield from firewall.rules(match)
