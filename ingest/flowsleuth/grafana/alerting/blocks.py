"""The rule that blocks a culprit, as mails show it: for five firewalls, IPv4 and IPv6.

The rules are those of `flowsleuth block` (`firewalls`), with Grafana's variables as their values.
Of traffic coming in the address is the destination, else the source. A protocol without ports is
blocked as a whole.
"""

from flowsleuth.firewalls import DESTINATION, FIREWALLS, SOURCE, Firewall, Match

_INWARD = "{{ if eq $labels.direction `in` }}"
_PORTS = "{{ if $ports }}"
_ELSE, _END = "{{ else }}", "{{ end }}"


def template() -> str:
    """Return the template of all rules, of an alert whose labels are `$labels`."""
    return f"""
{{{{- $address := $labels.address }}}}{{{{ $port := $labels.port }}}}
{{{{- $protocol := $labels.protocol }}}}
{{{{- $ports := and $port (match `^(tcp|udp|sctp|dccp|udplite)$` $protocol) }}}}
{{{{- if and $protocol (not (eq $address `other`)) }}}}

To block it:
{{{{- if match `:` $address }}}}{_listed(6)}{_ELSE}{_listed(4)}{_END}
{{{{- end }}}}"""


def _listed(family: int) -> str:
    return "".join(_firewall(firewall, family) for firewall in FIREWALLS.values())


def _firewall(firewall: Firewall, family: int) -> str:
    """Return one firewall's name and rules, each way with and without a port."""

    def lines(end: str, port: str) -> str:
        rules = firewall.rules(Match(family, end, "{{ $address }}", "{{ $protocol }}", port))
        return "".join(f"\n  {rule}" for rule in rules)

    def way(end: str) -> str:
        return f"{_PORTS}{lines(end, '{{ $port }}')}{_ELSE}{lines(end, '')}{_END}"

    head = "".join(f"\n  {line}" for line in firewall.head_of(family))
    ways = f"{_INWARD}{way(DESTINATION)}{_ELSE}{way(SOURCE)}{_END}"
    return f"\n{firewall.name}:{head}{ways}"
