"""Which prefixes are inside, judged by what captures show: a first list of networks.

Nobody who starts has a list at hand, and a flow record does not say which end is ours. Private
addresses that send are. Of public ones tell, in this order:

1. The interface. Where most of what comes in is from addresses that are inside, the rest of what
   comes in there is inside too; where nothing is, it is outside.
2. The peers. Of the two ends of a flow one is inside. Few blocks talk to many others, and these to
   few. So the block with the most peers is taken, its flows are explained, and the next is looked
   for among the flows that are left. Peers count where both answer each other, if there are such:
   who scans us has many peers too.

A guess is called one (`sure`). Blocks (see `sightings`) are put together to prefixes afterwards.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from itertools import groupby

import numpy as np
import numpy.typing as npt

from flowsleuth.config import Config, Prefix
from flowsleuth.config.settings import PRIVATE
from flowsleuth.decode.decoder import Decoder
from flowsleuth.enrich.enricher import Enricher
from flowsleuth.enrich.networks import Networks
from flowsleuth.enrich.services import Services
from flowsleuth.pipeline.policies import Policies
from flowsleuth.pipeline.sightings import (
    ELSEWHERE,
    IPV6_BLOCK,
    Sightings,
    block_of,
    is_private,
    is_v4,
)
from flowsleuth.receive.datagrams import Datagrams

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

MOST = 20
"""Prefixes that are suggested; a longer list would not be read."""

MANY_PEERS = 8
"""Fewer peers than this may be anybody's."""

MORE_PEERS = 3
"""A block that is surely inside has so many times the peers that its peers have on average."""

MOST_GUESSES = 64
"""Blocks that are looked for by their peers."""

EXPLAINED = 0.99
"""Where so much of the public traffic has an end inside, no more is looked for."""

MOSTLY, HARDLY = 0.5, 0.02
"""Shares of an interface's records from inside, from and up to which its side is told."""

PRIVATE_PART = 0.51
"""The part of a private prefix's /24s that is in use; of a public one all are, or the others may be
a neighbour's."""

PIECES = 3
"""More prefixes than this in one private /16 are suggested as that."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A prefix that seems to be inside.

    share: of all bytes, those with an end in it; hosts: addresses in it that sent; peers: other
    blocks that it talked to; sure: False for a guess; why: what tells, in words.
    """

    prefix: Prefix
    share: float
    hosts: int
    peers: int
    sure: bool
    why: str


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What a capture suggests: the first MOST by bytes, how many more there are, and their share.

    rest: the share of bytes that touches no prefix that was found.
    """

    records: int
    first_ns: int
    last_ns: int
    found: tuple[Suggestion, ...]
    more: int
    more_share: float
    rest: float


def suggest(config: Config, batches: Iterable[Datagrams]) -> Suggestions | None:
    """Look for prefixes; None where the datagrams hold no flow records.

    config: its exporters' rates count, its networks do not.
    """
    seen = _sightings(config, batches)
    if not seen.records:
        return None
    blocks, judged = _judge(seen)
    prefixes = _prefixes(seen, blocks)
    return _measured(seen, prefixes, judged)


def _sightings(config: Config, batches: Iterable[Datagrams]) -> Sightings:
    decoder, policies = Decoder(), Policies(config)
    private = Networks([(PRIVATE.name, PRIVATE.prefixes)])  # tells which address is behind NAT
    enricher = Enricher(private, Services({}))
    seen = Sightings.empty()
    for batch in batches:
        for flows in decoder.decode(batch).flows:
            seen.add(enricher.enrich(flows, policies.of(decoder.streams))[0])
    seen.settle()
    return seen


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Why a block is taken for inside."""

    sure: bool
    why: str


def _judge(seen: Sightings) -> tuple[list[int], dict[int, _Verdict]]:
    """Return the blocks that seem to be inside, and why."""
    high, low = seen.ends.keys
    sent = seen.ends.sums[:, 2] > 0
    senders = np.unique(block_of(high[sent], low[sent]))
    senders = senders[senders != np.uint64(ELSEWHERE)]
    verdicts = {
        b: _Verdict(sure=True, why="private") for b in senders[is_private(senders)].tolist()
    }
    inside, outside = _by_interface(seen, verdicts)
    for block in inside:
        verdicts.setdefault(block, _Verdict(sure=True, why="comes in where private addresses do"))
    verdicts |= dict(_by_peers(seen, set(verdicts), outside))
    return sorted(verdicts), verdicts


def _by_interface(seen: Sightings, known: Iterable[int]) -> tuple[list[int], set[int]]:
    """Return the blocks which come in on the inner side of an exporter, and on its outer side."""
    block, stream, interface = seen.entries.keys
    if not len(block):
        return [], set()
    count = seen.entries.sums[:, 1]
    ours = np.isin(block, np.fromiter(known, np.uint64))
    _, number = np.unique(stream << np.uint64(32) | interface, return_inverse=True)
    total = np.bincount(number, count)
    share = np.bincount(number, np.where(ours, count, 0)) / total
    distinct, of_block = np.unique(block, return_inverse=True)
    records = np.bincount(of_block, count)
    inner = np.bincount(of_block, np.where(share[number] >= MOSTLY, count, 0)) / records
    outer = np.bincount(of_block, np.where(share[number] <= HARDLY, count, 0)) / records
    if not (share >= MOSTLY).any():  # nothing is known of any side
        return [], set()
    public = ~np.isin(distinct, np.fromiter(known, np.uint64)) & (distinct != np.uint64(ELSEWHERE))
    return (
        distinct[public & (inner > MOSTLY)].tolist(),
        set(distinct[public & (outer > MOSTLY)].tolist()),
    )


def _by_peers(
    seen: Sightings, known: set[int], outside: set[int]
) -> Iterable[tuple[int, _Verdict]]:
    """Yield the blocks whose peers make it likely that they are inside."""
    one, other, octets, answered = _pairs(seen)
    names, ends = np.unique(np.concatenate((one, other)), return_inverse=True)
    left, right = ends[: len(one)], ends[len(one) :]
    settled = np.isin(names, np.fromiter(known | {ELSEWHERE}, np.uint64))
    barred = settled | np.isin(names, np.fromiter(outside, np.uint64, len(outside)))
    open_ = ~(settled[left] | settled[right])
    if not open_.any():
        return
    counted = answered if answered[open_].any() else np.ones(len(one), bool)
    peers = _degree(left, right, counted, len(names))
    total, before = octets[open_].sum(), octets[open_].sum()
    for _ in range(MOST_GUESSES):
        degree = np.where(barred, 0, _degree(left, right, counted & open_, len(names)))
        best = int(np.argmax(degree))
        if degree[best] < 2 or before <= (1 - EXPLAINED) * total:
            return
        mine = (left == best) | (right == best)
        theirs = np.where(left == best, right, left)[mine & counted]
        usual = float(peers[theirs].mean())
        sure = degree[best] >= MANY_PEERS and peers[best] >= MORE_PEERS * usual
        yield int(names[best]), _Verdict(sure, "talks to many who talk to few")
        open_ &= ~mine
        barred[best] = True
        before = octets[open_].sum()


def _pairs(seen: Sightings) -> tuple[Words, Words, Ints, Mask]:
    """Return the pairs of different blocks: both ends, bytes both ways, whether both have sent."""
    source, target = seen.pairs.keys
    differ = source != target
    source, target = source[differ], target[differ]
    octets = seen.pairs.sums[differ, 0]
    one, other = np.minimum(source, target), np.maximum(source, target)
    order = np.lexsort((other, one))
    one, other, octets = one[order], other[order], octets[order]
    first = np.flatnonzero(
        np.r_[True, (one[1:] != one[:-1]) | (other[1:] != other[:-1])][: len(one)]
    )
    both = np.diff(first, append=len(one)) > 1
    sums = np.add.reduceat(octets, first) if len(first) else octets
    return one[first], other[first], sums, both


def _degree(left: Ints, right: Ints, counted: Mask, size: int) -> Ints:
    return np.bincount(left[counted], minlength=size) + np.bincount(right[counted], minlength=size)


def _prefixes(seen: Sightings, blocks: list[int]) -> list[tuple[Prefix, list[int]]]:
    """Put blocks together to prefixes; each with its blocks."""
    high, low = seen.ends.keys
    chosen = (seen.ends.sums[:, 2] > 0) & np.isin(block_of(high, low), np.array(blocks, np.uint64))
    high, low = high[chosen], low[chosen]
    v4 = is_v4(high, low)
    hosts = np.unique(low[v4] & np.uint64(0xFFFFFFFF))
    found: list[tuple[Prefix, list[int]]] = []
    used = [block for block in blocks if block < IPV6_BLOCK]
    for upper, group in groupby(used, key=lambda block: block >> 8):
        members = list(group)
        private = bool(is_private(np.array(members[:1], np.uint64))[0])
        pieces = _dense(members, upper << 8, 16, PRIVATE_PART if private else 1)
        if private and len(pieces) > PIECES:
            pieces = [(upper << 8, 16)]
        for first, length in pieces:
            within = [b for b in members if b >> (24 - length) == first >> (24 - length)]
            prefix = IPv4Network((first << 8, length))
            if not private and length == 24:
                prefix = _narrowed(prefix, hosts)
            found.append((prefix, within))
    subnets = np.unique(high[~v4]).tolist()
    for block, group in groupby(subnets, key=lambda half: half >> 16 | IPV6_BLOCK):
        found.append((_ipv6_prefix(list(group)), [block]))
    return found


def _dense(used: list[int], first: int, length: int, part: float) -> list[tuple[int, int]]:
    """Cover used /24s by prefixes (number of the first /24, length) of which `part` is used."""
    size = 1 << (24 - length)
    if len(used) >= part * size:
        return [(first, length)]
    middle = first + size // 2
    halves = ([b for b in used if b < middle], first), ([b for b in used if b >= middle], middle)
    return [p for half, at in halves if half for p in _dense(half, at, length + 1, part)]


def _narrowed(prefix: IPv4Network, hosts: Words) -> IPv4Network:
    """Return the one address of a public /24 that sends, if it is only one: it is NAT's."""
    first = int(prefix.network_address)
    own = hosts[(hosts >= first) & (hosts < first + 256)]
    return IPv4Network((int(own[0]), 32)) if len(own) == 1 else prefix


def _ipv6_prefix(subnets: list[int]) -> IPv6Network:
    """Return the longest of /64, /56 and /48 that holds all of these high halves."""
    length = next(n for n in (64, 56, 48) if len({half >> (64 - n) for half in subnets}) == 1)
    return IPv6Network(((subnets[0] >> (64 - length)) << (128 - length), length))


def _measured(
    seen: Sightings, prefixes: list[tuple[Prefix, list[int]]], judged: dict[int, _Verdict]
) -> Suggestions:
    """Count what each prefix carries, and sort by that."""
    names = np.array([block for _, blocks in prefixes for block in blocks], np.uint64)
    of = np.array([i for i, (_, blocks) in enumerate(prefixes) for _ in blocks], np.int64)
    source, target = (_numbers(ends, names, of) for ends in seen.pairs.keys)
    octets = seen.pairs.sums[:, 0].astype(np.float64)
    total = max(float(octets.sum()), 1.0)
    size = len(prefixes) + 1  # the last place is for what is in none
    carried = np.bincount(source, octets, size) + np.bincount(
        target, np.where(source == target, 0, octets), size
    )
    one, other, _, _ = _pairs(seen)
    left, right = (_numbers(ends, names, of) for ends in (one, other))
    peers = np.bincount(left, minlength=size) + np.bincount(right, minlength=size)
    high, low = seen.ends.keys
    sent = seen.ends.sums[:, 2] > 0
    hosts = np.bincount(_numbers(block_of(high[sent], low[sent]), names, of), minlength=size)
    every = [
        Suggestion(
            prefix,
            float(carried[i]) / total,
            int(hosts[i]),
            int(peers[i]),
            all(judged[block].sure for block in blocks),
            judged[blocks[0]].why,
        )
        for i, (prefix, blocks) in enumerate(prefixes)
    ]
    every.sort(key=lambda s: (-s.share, s.prefix.version, s.prefix))
    last = len(prefixes)
    return Suggestions(
        seen.records,
        seen.first_ns,
        seen.last_ns,
        tuple(every[:MOST]),
        len(every[MOST:]),
        sum(s.share for s in every[MOST:]),
        float(octets[(source == last) & (target == last)].sum()) / total,
    )


def _numbers(blocks: Words, names: Words, of: Ints) -> Ints:
    """Return the number of the prefix that each block is in, the one after the last for none."""
    order = np.argsort(names)
    if not len(order):
        return np.zeros(len(blocks), np.int64)
    place = np.searchsorted(names, blocks, sorter=order)
    place[place == len(order)] = 0
    at = order[place]
    last = int(of.max()) + 1
    return np.where(names[at] == blocks, of[at], last)
