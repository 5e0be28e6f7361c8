"""Names of addresses, from text in hosts format (hosts(5)): the tag `host` of the points.

Names come from a file and never from reverse DNS: a lookup per record blocks, and an address that
talks to the whole internet would be asked about by the whole internet.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from flowsleuth.errors import ConfigError


def read_names(lines: Iterable[str], place: str) -> dict[str, str]:
    """Map addresses, written as points write them, to the first name that each is given.

    lines: `ADDRESS NAME [ALIAS...]`, comments after `#`. An IPv6 zone (`fe80::1%eth0`) is left
    out, and an IPv4-mapped address is its IPv4 address. Among several names for an address the
    first wins, as the resolver has it. place: the file's name, for messages.
    Raises ConfigError naming the line that is not in this format.
    """
    names: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            address = _address(words[0])
        except ValueError:
            raise ConfigError(
                f"{place}, line {number}: {words[0]!r} is no IP address; "
                "a line is ADDRESS NAME, such as 10.1.0.9 printer-2"
            ) from None
        if len(words) == 1:
            raise ConfigError(
                f"{place}, line {number}: {words[0]} has no name; "
                "write one after the address, or remove the line"
            )
        names.setdefault(str(address), words[1])
    return names


def _address(text: str) -> IPv4Address | IPv6Address:
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
