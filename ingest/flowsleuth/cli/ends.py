"""An end of a conversation as it is typed: an address, and a service port such as 14857/udp."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import click

from flowsleuth.hunt.telling import WITH_PORTS

Address = IPv4Address | IPv6Address

LAST_PORT = 65_535


def read_address(text: str) -> Address:
    """Return an address; what is none is wrong usage, named in one line."""
    try:
        address = ip_address(text)
    except ValueError:
        raise click.UsageError(
            f"{text!r} is no address: write one host's, such as 10.1.42.17 or 2001:db8::17"
        ) from None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise click.UsageError(
            f"{text!r} has a zone, which only this machine knows: leave %{address.scope_id} out"
        )
    return address


def read_port(text: str) -> tuple[int, str | None]:
    """Return port and protocol, None where none is named; what is no port is wrong usage."""
    number, slash, protocol = text.partition("/")
    if not (number.isascii() and number.isdigit()) or not 0 < int(number) <= LAST_PORT:
        raise click.UsageError(f"{text!r} is no port: write 1 to {LAST_PORT}, such as 14857/udp")
    protocol = protocol.lower()
    if slash and protocol not in WITH_PORTS:
        known = ", ".join(sorted(WITH_PORTS))
        raise click.UsageError(f"{text!r}: {protocol!r} has no ports; known are {known}")
    return int(number), protocol or None
