"""Suggested networks as a block of the configuration: valid YAML, each line with its reason."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address

from flowsleuth.config import Prefix
from flowsleuth.config.sections import check_free_name
from flowsleuth.config.units import SECOND
from flowsleuth.pipeline.suggest import Suggestion, Suggestions

NOTHING = (
    "# Nothing tells which end of these flows is inside: name your own prefixes. Without any",
    "# there is one network, Private (RFC 1918, RFC 6598, fc00::/7).",
    "networks: []",
)

_NO_WORD = re.compile(r"[^0-9a-z]+")


def block(found: Suggestions, hosts: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a `networks:` block. hosts: address text → name, for better names."""
    began = datetime.fromtimestamp(found.first_ns // SECOND, UTC)
    ended = datetime.fromtimestamp(found.last_ns // SECOND, UTC)
    yield f"# Judged by {found.records} flow records, {began:%F %R} to {ended:%F %R} UTC."
    if not found.found:
        yield from NOTHING
        return
    yield "# Names are tags: choose them now. What is commented out is a guess."
    yield "networks:"
    for name, members in _named(found.found, hosts).items():
        yield from _network(json.dumps(name, ensure_ascii=False), members)
    if found.more:
        more = f"{found.more} more prefixes with {_percent(found.more_share)} of bytes"
        yield f"# Left out: {more}."
    yield f"# {_percent(found.rest)} of bytes touch none of what was found."


def _network(name: str, members: list[Suggestion]) -> Iterator[str]:
    """Yield the lines of one network; what is not sure is a comment."""
    if len(members) == 1:
        member = members[0]
        mark = "" if member.sure else "# "
        yield f'  {mark}- {{name: {name}, prefixes: ["{member.prefix}"]}}  # {_reason(member)}'
        return
    mark = "" if any(member.sure for member in members) else "# "
    yield f"  {mark}- name: {name}"
    yield f"  {mark}  prefixes:"
    for member in members:
        doubt = "" if member.sure or mark else "# "
        yield f'  {mark}  {doubt}- "{member.prefix}"  # {_reason(member)}'


def _reason(member: Suggestion) -> str:
    hosts = f"{member.hosts} host{'s'[: member.hosts != 1]}"
    return f"{_percent(member.share)} of bytes, {hosts}, {member.peers} peers; {member.why}"


def _percent(share: float) -> str:
    """Write a share with two digits: 61%, 0.34%."""
    return f"{share:.0%}" if share >= 0.1 or not share else f"{100 * share:.2g}%"


def _named(found: tuple[Suggestion, ...], hosts: Mapping[str, str]) -> dict[str, list[Suggestion]]:
    """Give names; prefixes whose hosts are of one domain are one network."""
    named: dict[str, list[Suggestion]] = {}
    for suggestion in found:
        name = _by_domain(suggestion.prefix, hosts) or _by_prefix(suggestion.prefix)
        named.setdefault(name, []).append(suggestion)
    return named


def _by_prefix(prefix: Prefix) -> str:
    return f"net-{_NO_WORD.sub('-', str(prefix))}"


def _by_domain(prefix: Prefix, hosts: Mapping[str, str]) -> str:
    """Return the first label of the domain that most named hosts of a prefix share, or ''."""
    domains = Counter(
        name.partition(".")[2]
        for address, name in hosts.items()
        if (ip_address(address).version == prefix.version and ip_address(address) in prefix)
    )
    if not domains:
        return ""
    domain, count = domains.most_common(1)[0]
    label = domain.partition(".")[0]
    if not label or count < 2 or 2 * count <= domains.total():
        return ""
    try:
        return check_free_name(label)
    except ValueError:
        return ""
