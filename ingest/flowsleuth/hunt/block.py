"""Rules that block an address, a port, or a port of an address: text for a user to apply.

A service port stands at either side of a packet, and an address may send or receive, so both ways
are blocked. Nothing here is ever applied. Syntax: Cisco IOS extended access lists; Junos firewall
filters (`set` commands); RouterOS 7; pf as pfSense writes it; nftables 0.9 or newer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address

NAME = "FLOWSLEUTH"
"""Of the lists, filters and tables."""


@dataclass(frozen=True, slots=True)
class Target:
    """What to block: an address, a port, or both. protocols: keywords; empty for all."""

    address: Address | None
    port: int | None
    protocols: tuple[str, ...] = ()

    def __str__(self) -> str:
        port = f"{'/'.join(self.protocols)} port {self.port}" if self.port is not None else ""
        return " ".join(filter(None, (str(self.address) if self.address else "", port)))

    @property
    def families(self) -> tuple[int, ...]:
        """The IP versions that are meant."""
        return (4, 6) if self.address is None else (self.address.version,)


@dataclass(frozen=True, slots=True)
class Vendor:
    """How rules are written for one kind of device; where: what to do with the text."""

    title: str
    comment: str
    where: str
    rules: Callable[[Target], Iterator[str]]


def _cisco(target: Target) -> Iterator[str]:
    for family in target.families:
        ip = "ip" if family == 4 else "ipv6"
        kind = "ip access-list extended" if family == 4 else "ipv6 access-list"
        yield f"{kind} {NAME}{'' if family == 4 else '6'}"
        for protocol in target.protocols or (ip,):
            host = f"host {target.address}" if target.address is not None else "any"
            port = f" eq {target.port}" if target.port is not None else ""
            for one in dict.fromkeys((host, "any")):
                other = "any" if one == host else host
                for left, right in dict.fromkeys(((port, ""), ("", port))):
                    yield f" deny {protocol} {one}{left} {other}{right}"
        yield f" permit {ip} any any"


def _junos(target: Target) -> Iterator[str]:
    for family in target.families:
        inet, of = ("inet", "protocol") if family == 4 else ("inet6", "next-header")
        head = f"set firewall family {inet} filter {NAME}"
        length = 32 if family == 4 else 128
        term = f"{head} term block"
        if target.address is not None:
            yield f"{term} from address {target.address}/{length}"
        for protocol in target.protocols:
            yield f"{term} from {of} {protocol}"
        if target.port is not None:
            yield f"{term} from port {target.port}"
        yield f"{term} then discard"
        yield f"{head} term rest then accept"


def _mikrotik(target: Target) -> Iterator[str]:
    for family in target.families:
        menu = "/ip" if family == 4 else "/ipv6"
        for protocol in target.protocols or ("",):
            for address in ("src", "dst") if target.address is not None else ("",):
                for port in ("src", "dst") if target.port is not None else ("",):
                    words = [
                        f"{menu} firewall filter add chain=forward action=drop",
                        f"protocol={protocol}" if protocol else "",
                        f"{address}-address={target.address}" if address else "",
                        f"{port}-port={target.port}" if port else "",
                        f'comment="{NAME}"',
                    ]
                    yield " ".join(filter(None, words))


def _pfsense(target: Target) -> Iterator[str]:
    protocols = target.protocols
    proto = f" proto {{ {' '.join(protocols)} }}" if len(protocols) > 1 else ""
    proto = f" proto {protocols[0]}" if len(protocols) == 1 else proto
    inet = f" inet{'6' if target.address.version == 6 else ''}" if target.address else ""
    host = str(target.address) if target.address is not None else "any"
    port = f" port {target.port}" if target.port is not None else ""
    for one in dict.fromkeys((host, "any")):
        other = "any" if one == host else host
        for left, right in dict.fromkeys(((port, ""), ("", port))):
            yield f"block drop log quick{inet}{proto} from {one}{left} to {other}{right}"


def _nftables(target: Target) -> Iterator[str]:
    table = f"inet {NAME.lower()}"
    yield f"table {table} {{"
    yield "  chain forward {"
    yield "    type filter hook forward priority -10; policy accept;"
    for address in ("saddr", "daddr") if target.address is not None else ("",):
        for port in ("sport", "dport") if target.port is not None else ("",):
            words = []
            if target.address is not None:
                words.append(f"ip{'6' * (target.address.version == 6)} {address} {target.address}")
            if target.port is not None and len(target.protocols) == 1:
                words.append(f"{target.protocols[0]} {port} {target.port}")
            elif target.port is not None:
                words.append(f"meta l4proto {{ {', '.join(target.protocols)} }}")
                words.append(f"th {port} {target.port}")
            yield f"    {' '.join(words)} counter drop"
    yield "  }"
    yield "}"


VENDORS: dict[str, Vendor] = {
    "cisco": Vendor(
        "Cisco IOS",
        "!",
        f"In configuration mode; then at the interface: ip access-group {NAME} in",
        _cisco,
    ),
    "junos": Vendor(
        "Junos",
        "#",
        f"In configuration mode; then: set interfaces IF unit 0 family inet filter input {NAME}",
        _junos,
    ),
    "mikrotik": Vendor(
        "MikroTik RouterOS 7",
        "#",
        "In the terminal; then move the rules above those that accept (place-before=0)",
        _mikrotik,
    ),
    "pfsense": Vendor(
        "pf, as on pfSense",
        "#",
        "In pfSense: Firewall > Rules > Floating, action Block, Quick, both directions",
        _pfsense,
    ),
    "nftables": Vendor("nftables", "#", "Apply with: nft -f FILE", _nftables),
}
"""By what `--for` takes."""


def rules(target: Target, vendor: Vendor) -> Iterator[str]:
    """Yield the lines: what it is and where it goes as comments, then the rules."""
    yield f"{vendor.comment} FlowSleuth: block {target} ({vendor.title}). Nothing has been applied."
    yield f"{vendor.comment} {vendor.where}"
    yield from vendor.rules(target)
