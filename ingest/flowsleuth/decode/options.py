"""Options data: what an exporter says about itself.

Three things are used: sampling rates (by sampler id, or of the whole domain), interface names, and
the time at which the system started, against which IPFIX may count flow times. Options data are
few, a table of interfaces now and then, so they are read one by one.
"""

from flowsleuth.decode.blocks import RecordBlock
from flowsleuth.decode.limits import Limits
from flowsleuth.decode.rates import sampler_ids, stated_rates
from flowsleuth.decode.sessions import DOMAIN_RATE, SYSTEM_INIT, Session, Timeline

_Statement = tuple[int, tuple[int, tuple[int, int]]]

_LATEST_MS = 1 << 43
"""Beyond it, in the year 2248, milliseconds in ns would not fit in 64 bits for long."""

_INTERFACES = ("ingressInterface", "egressInterface", "scopeInterface")
_NAMES = ("interfaceName", "interfaceDescription")


def learn_options(
    block: RecordBlock,
    sessions: list[Session],
    names: dict[tuple[str, int], str],
    limits: Limits,
) -> list[Timeline]:
    """Learn from a block of options data; return the timelines which changed.

    names: (exporter address, ifIndex) → interface name, filled in place.
    """
    owners = [sessions[s] for s in block.repeated(block.messages.session).tolist()]
    ranks = block.repeated_rank().tolist()
    touched: list[Timeline] = []
    for statements in (_rates(block), _inits(block)):
        for i, (key, value) in statements:
            touched += [
                timeline
                for timeline in (owners[i].rates, owners[i].group.rates)
                if timeline.set(key, value, ranks[i], limits.samplers)
            ]
    _learn_names(block, owners, names, limits.interface_names)
    return touched


def _rates(block: RecordBlock) -> list[_Statement]:
    """Return (record, (sampler id or DOMAIN_RATE, (num, den))) where a record states a rate."""
    stated = stated_rates(block)
    if stated is None:
        return []
    sampler = sampler_ids(block)
    keys = [DOMAIN_RATE] * len(block) if sampler is None else sampler.tolist()
    rates = zip(keys, stated[0].tolist(), stated[1].tolist(), strict=True)
    return [(i, (key, (num, den))) for i, (key, num, den) in enumerate(rates) if num]


def _inits(block: RecordBlock) -> list[_Statement]:
    field = block.layout.fixed("systemInitTimeMilliseconds")
    if field is None:
        return []
    values = enumerate(block.unsigned(field).tolist())
    return [(i, (SYSTEM_INIT, (value, 1))) for i, value in values if 0 < value < _LATEST_MS]


def _learn_names(
    block: RecordBlock, owners: list[Session], names: dict[tuple[str, int], str], most: int
) -> None:
    """Keep interface names; the name itself is preferred to the description."""
    interface = next((f for f in map(block.layout.fixed, _INTERFACES) if f is not None), None)
    texts = [block.octets(f) for f in map(block.layout.find, _NAMES) if f is not None]
    if interface is None or not texts:
        return
    numbers = block.unsigned(interface).tolist()
    for owner, number, *candidates in zip(owners, numbers, *texts, strict=True):
        key = (owner.key[0], number)
        text = next(filter(None, map(as_text, candidates)), "")
        if text and (key in names or len(names) < most):
            names[key] = text


def as_text(octets: bytes) -> str:
    """Return a string element as text (RFC 7011, 6.1.6), without the zeros which pad it."""
    return octets.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
