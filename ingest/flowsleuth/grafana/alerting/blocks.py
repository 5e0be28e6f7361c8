"""The rule that blocks a culprit, as mails show it: for five firewalls, IPv4 and IPv6.

The service's port may be either end's, so both are blocked. Of traffic coming in the address is
the destination, else the source. A protocol without ports is blocked as a whole.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Firewall:
    """How one firewall's rules are written.

    v4, v6: templates; `$from` and `$to` are the ends, of which one is any; a line that has `$port`
    is left out where the protocol has no ports, and one that has `$all` where it has.
    """

    name: str
    v4: tuple[str, ...]
    v6: tuple[str, ...]


PORTS, ALL = "{{ if $ports }}", "{{ if not $ports }}"


def _junos(family: str, bits: int, protocol: str) -> tuple[str, ...]:
    term = f"set firewall family {family} filter PROTECT term flowsleuth"
    return (
        f"{term} from {{{{ $end }}}}-address {{{{ $address }}}}/{bits}",
        f"{term} from {protocol} {{{{ $protocol }}}}",
        f"{PORTS}{term} from port {{{{ $port }}}}",
        f"{term} then discard",
    )


def _cisco() -> tuple[str, ...]:
    host, deny = "host {{ $address }}", "deny {{ $protocol }}"
    inward = f"{{{{ if eq $end `destination` }}}}any {{{{ else }}}}{host} {{{{ end }}}}"
    outward = f"{{{{ if eq $end `destination` }}}}{host}{{{{ else }}}}any{{{{ end }}}}"
    return (
        f"{PORTS}{deny} {inward}{outward} eq {{{{ $port }}}}",
        f"{PORTS}{deny} {inward}eq {{{{ $port }}}} {outward}",
        f"{ALL}{deny} {inward}{outward}",
    )


def _nft(family: str) -> tuple[str, ...]:
    way = "{{ if eq $end `destination` }}daddr{{ else }}saddr{{ end }}"
    rule = f"nft insert rule inet filter forward {family} {way} {{{{ $address }}}}"
    return (
        f"{PORTS}{rule} {{{{ $protocol }}}} dport {{{{ $port }}}} drop",
        f"{PORTS}{rule} {{{{ $protocol }}}} sport {{{{ $port }}}} drop",
        f"{ALL}{rule} meta l4proto {{{{ $protocol }}}} drop",
    )


def _mikrotik(path: str) -> tuple[str, ...]:
    way = "{{ if eq $end `destination` }}dst{{ else }}src{{ end }}-address={{ $address }}"
    drop = f"{path} firewall filter add chain=forward action=drop protocol={{{{ $protocol }}}}"
    return (f"{drop} {way}{PORTS} port={{{{ $port }}}}{{{{ end }}}} place-before=0",)


def _pfsense(family: str) -> tuple[str, ...]:
    ends = "{{ if eq $end `destination` }}source any, destination{{ else }}source{{ end }}"
    rule = (
        f"Firewall, Rules, the interface, Add on top: Block, {family}, {{{{ $protocol }}}}, {ends}"
    )
    port = ", port {{ $port }} (one rule as source's, one as destination's)"
    return (f"{rule} {{{{ $address }}}}{PORTS}{port}{{{{ end }}}}",)


FIREWALLS = (
    Firewall(
        "Cisco IOS",
        ("ip access-list extended FLOWSLEUTH", *_cisco()),
        ("ipv6 access-list FLOWSLEUTH", *_cisco()),
    ),
    Firewall(
        "Junos", _junos("inet", 32, "protocol"), _junos("inet6", 128, "next-header")
    ),
    Firewall("MikroTik", _mikrotik("/ip"), _mikrotik("/ipv6")),
    Firewall("pfSense", _pfsense("IPv4"), _pfsense("IPv6")),
    Firewall("nftables", _nft("ip"), _nft("ip6")),
)  # fmt: skip


def template() -> str:
    """Return the template of all rules, of an alert whose labels are `$labels`."""
    return f"""
{{{{- $address := $labels.address }}}}{{{{ $port := $labels.port }}}}
{{{{- $protocol := $labels.protocol }}}}
{{{{- $ports := and $port (match `^(tcp|udp|sctp|dccp|udplite)$` $protocol) }}}}
{{{{- $end := `source` }}}}
{{{{- if eq $labels.direction `in` }}}}{{{{ $end = `destination` }}}}{{{{ end }}}}
{{{{- if and $protocol (not (eq $address `other`)) }}}}

To block it:
{{{{- if match `:` $address }}}}{_listed("v6")}{{{{ else }}}}{_listed("v4")}{{{{ end }}}}
{{{{- end }}}}"""


def _listed(family: str) -> str:
    return "".join(
        f"\n{firewall.name}:" + "".join(map(_line, getattr(firewall, family)))
        for firewall in FIREWALLS
    )


def _line(text: str) -> str:
    """Return a line; what is only for some alerts has its line break within the condition."""
    for condition in (PORTS, ALL):
        if text.startswith(condition):
            return f"{condition}\n  {text.removeprefix(condition)}{{{{ end }}}}"
    return f"\n  {text}"
