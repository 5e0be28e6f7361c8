"""Which networks are not what they were: what is normal for them has to be learned anew.

A network is the addresses that it holds. So what is compared is not its list of prefixes but what
is left of them where longer ones belong to other networks; a prefix written as its two halves is
the same. Of each network a digest is kept over restarts, also of one that is gone: it may come back
under its name, with other addresses. A network that is renamed is a new one, whose name has no
history. A profile is what its filter says.
"""

from collections.abc import Mapping
from hashlib import blake2b

from flowsleuth.config import Config
from flowsleuth.enrich.networks import spans

MOST_KEPT = 20_000
"""Digests that are kept: those of the present configuration, and the newest of what is gone."""

Digests = dict[str, str]
"""Name of a network, or `profile:NAME` → digest."""


def digests(config: Config) -> Digests:
    """Return the digests of a configuration."""
    entries = [(network.name, network.prefixes) for network in config.networks]
    ranges = zip(entries, spans(entries), strict=True)
    held = {name: _digest(repr(addresses)) for (name, _), addresses in ranges}
    filters = {f"profile:{p.name}": _digest(" ".join(p.filter.split())) for p in config.profiles}
    return held | filters


def changed(known: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return the text of an event for each name whose digest is not the known one."""
    return {
        name: f"network {name}: its {_what(name)} changed; what is normal is learned anew"
        for name, digest in now.items()
        if known.get(name, digest) != digest
    }


def remembered(known: Mapping[str, str], now: Mapping[str, str]) -> Digests:
    """Return what is to be kept: the digests of now, and what is known of those that are gone."""
    gone = [(name, digest) for name, digest in known.items() if name not in now]
    room = max(0, MOST_KEPT - len(now))
    return dict(gone[len(gone) - min(room, len(gone)) :]) | dict(now)


def _what(name: str) -> str:
    return "filter" if name.startswith("profile:") else "prefixes"


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=12).hexdigest()
