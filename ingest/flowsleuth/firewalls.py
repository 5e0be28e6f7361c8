"""The rule that blocks an end of traffic, as five firewalls write it: text for somebody to apply.

One table for `flowsleuth block` and for the mails of alerts: there the values are Grafana's
variables. So all values are text here. A service's port may stand at either side of a packet, and
both are blocked.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

SOURCE, DESTINATION = "source", "destination"
"""Where in a packet an address is."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule matches; '' is any.

    family: 4 or 6. end: where the address is, SOURCE or DESTINATION. port: of either side, and
    only with a protocol.
    """

    family: int
    end: str
    address: str
    protocol: str
    port: str


@dataclass(frozen=True, slots=True)
class Firewall:
    """How one firewall's rules are written.

    rules: yields the lines of one rule. head: the line before all rules of a family, '' for none.
    comment: how a line says that it is none. where: what to do with the text.
    """

    name: str
    rules: Callable[[Match], Iterator[str]]
    comment: str
    where: str
    head: tuple[str, str] = ("", "")

    def head_of(self, family: int) -> tuple[str, ...]:
        """Return the lines before the rules of a family."""
        head = self.head[family == 6]
        return (head,) if head else ()


def _cisco(match: Match) -> Iterator[str]:
    host = f"host {match.address}" if match.address else "any"
    left, right = (host, "any") if match.end == SOURCE else ("any", host)
    deny = f"deny {match.protocol or ('ip' if match.family == 4 else 'ipv6')}"
    if not match.port:
        yield f"{deny} {left} {right}"
        return
    yield f"{deny} {left} {right} eq {match.port}"
    yield f"{deny} {left} eq {match.port} {right}"


def _junos(match: Match) -> Iterator[str]:
    family, bits, protocol = (
        ("inet", 32, "protocol") if match.family == 4 else ("inet6", 128, "next-header")
    )
    name = "flowsleuth" if match.end == SOURCE or not match.address else "flowsleuth-in"
    term = f"set firewall family {family} filter PROTECT term {name}"
    if match.address:
        yield f"{term} from {match.end}-address {match.address}/{bits}"
    if match.protocol:
        yield f"{term} from {protocol} {match.protocol}"
    if match.port:
        yield f"{term} from port {match.port}"
    yield f"{term} then discard"


def _mikrotik(match: Match) -> Iterator[str]:
    way = "src" if match.end == SOURCE else "dst"
    words = (
        f"{'/ip' if match.family == 4 else '/ipv6'} firewall filter add chain=forward action=drop",
        f"protocol={match.protocol}" if match.protocol else "",
        f"{way}-address={match.address}" if match.address else "",
        f"port={match.port}" if match.port else "",
        "place-before=0",
    )
    yield " ".join(filter(None, words))


def _pfsense(match: Match) -> Iterator[str]:
    ends = f"source {match.address or 'any'}"
    if match.end == DESTINATION:
        ends = f"source any, destination {match.address or 'any'}"
    port = f", port {match.port} (one rule as source's, one as destination's)" if match.port else ""
    yield (
        f"Firewall, Rules, the interface, Add on top: Block, IPv{match.family}, "
        f"{match.protocol or 'any'}, {ends}{port}"
    )


def _nftables(match: Match) -> Iterator[str]:
    rule = "nft insert rule inet filter forward"
    way = "saddr" if match.end == SOURCE else "daddr"
    if match.address:
        rule += f" {'ip' if match.family == 4 else 'ip6'} {way} {match.address}"
    else:
        rule += f" meta nfproto ipv{match.family}"
    if match.port:
        yield f"{rule} {match.protocol} dport {match.port} drop"
        yield f"{rule} {match.protocol} sport {match.port} drop"
    else:
        yield f"{rule} meta l4proto {match.protocol} drop" if match.protocol else f"{rule} drop"


FIREWALLS = {
    "cisco": Firewall(
        "Cisco IOS",
        _cisco,
        "!",
        "In configuration mode. A new list has to end with a permit of all else; "
        "ip access-group FLOWSLEUTH in puts it on an interface",
        ("ip access-list extended FLOWSLEUTH", "ipv6 access-list FLOWSLEUTH"),
    ),
    "junos": Firewall(
        "Junos",
        _junos,
        "#",
        "In configuration mode. PROTECT is the filter that the interface has; insert the "
        "terms before those that accept",
    ),
    "mikrotik": Firewall("MikroTik", _mikrotik, "#", "In the terminal"),
    "pfsense": Firewall("pfSense", _pfsense, "#", "In the web interface"),
    "nftables": Firewall(
        "nftables", _nftables, "#", "As root; inet filter forward is the chain that forwards"
    ),
}
"""By what `--for` takes, in the order in which mails show them."""
