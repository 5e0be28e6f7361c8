"""Sampling: the rate of each record, from whichever place its exporter states it.

Order (the design's): the record itself, the sampler that it names, the domain's options data, the
v5 header. Rates are fractions, since packet space and probability need not give whole numbers.
A sign of sampling without a rate is RATE_UNKNOWN, never a silent 1.
"""

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.blocks import RecordBlock
from flowsleuth.decode.flows import RATE_ASSUMED, RATE_KNOWN, RATE_UNKNOWN
from flowsleuth.decode.gather import Ints
from flowsleuth.decode.sessions import DOMAIN_RATE, Session

SAMPLER_IDS = ("samplerId", "selectorId")
_INTERVALS = ("samplingInterval", "samplerRandomInterval")
_MODES = ("samplingAlgorithm", "samplerMode", "selectorAlgorithm")
_RATE_FIELDS = (*_INTERVALS, "samplingPacketInterval", "samplingPopulation", "samplingProbability")

_V5_RATE = 0x3FFF
"""The lower 14 bits of v5's sampling field; the upper two are its mode."""

_WIDEST = 1 << 32
"""Rates are cut to this, so that they and their products stay within int64."""

_SAMPLER_BITS = 40


def apply_rates(block: RecordBlock, sessions: list[Session]) -> None:
    """Fill rate_num, rate_den, rate_state of a block of data records."""
    num, den, state = (np.repeat(part, block.counts) for part in _by_set(block, sessions))
    sampler = sampler_ids(block)
    if sampler is not None:
        _by_sampler(block, sessions, sampler, (num, den, state))
    own = stated_rates(block)
    if own is not None:
        known = own[0] > 0
        num, den = np.where(known, own[0], num), np.where(known, own[1], den)
        silent = (state == RATE_ASSUMED) & ~known & own[2]
        state[known], state[silent] = RATE_KNOWN, RATE_UNKNOWN
    block.rate_num, block.rate_den, block.rate_state = num, den, state.astype(np.uint8)


def sampler_ids(block: RecordBlock) -> Ints | None:
    """Return each record's sampler id (48) or selector id (302), int64 (r,), None without."""
    for name in SAMPLER_IDS:
        field = block.layout.fixed(name)
        if field is not None:
            wide = block.unsigned(field).astype(np.uint64)
            return (wide & np.uint64((1 << (_SAMPLER_BITS - 1)) - 1)).astype(np.int64)
    return None


def stated_rates(block: RecordBlock) -> tuple[Ints, Ints, npt.NDArray[np.bool_]] | None:
    """Return what records themselves state: num, den, int64 (r,), 0/1 where nothing; and signs.

    signs: bool (r,), whether a field about sampling is there. None if the layout has no such field.
    """
    layout = block.layout
    present = [name for name in _RATE_FIELDS if layout.find(name) is not None]
    modes = [f for f in (layout.fixed(name) for name in _MODES) if f is not None]
    if not present and not modes:
        return None
    num, den = np.zeros(len(block), np.int64), np.ones(len(block), np.int64)
    for more_num, more_den in _candidates(block):
        new = (num == 0) & (more_num > 0) & (more_den > 0)
        num, den = np.where(new, more_num, num), np.where(new, more_den, den)
    common = np.gcd(num, den)
    signs = np.full(len(block), bool(present))
    for field in modes:
        signs |= block.unsigned(field) != 0
    return num // common, den // common, signs


def _candidates(block: RecordBlock) -> list[tuple[Ints, Ints]]:
    """Return (num, den) by each way to state a rate that the layout has."""

    def number(name: str) -> Ints | None:
        field = block.layout.fixed(name)
        if field is None:
            return None
        wide = block.unsigned(field).astype(np.uint64)
        return np.minimum(wide, np.uint64(_WIDEST)).astype(np.int64)

    ones = np.ones(len(block), np.int64)
    found = [(value, ones) for value in map(number, _INTERVALS) if value is not None]
    size, population = number("samplingSize"), number("samplingPopulation")
    if size is not None and population is not None:
        found.append((population, size))
    interval, space = number("samplingPacketInterval"), number("samplingPacketSpace")
    if interval is not None:
        # Without its space (RFC 5477, 8.2.2 and 8.2.3) exporters mean 1:interval.
        found.append((interval, ones) if space is None else (interval + space, interval))
    probability = block.layout.fixed("samplingProbability", 4, 8)
    if probability is not None:
        found.append(_by_probability(block, probability))
    return found


def _by_probability(block: RecordBlock, field: int) -> tuple[Ints, Ints]:
    """1 / probability, as the simplest fraction close to it."""
    raw = block.unsigned(field)
    distinct, inverse = np.unique(raw, return_inverse=True)
    floats = distinct.astype(raw.dtype).view(f">f{raw.dtype.itemsize}").astype(float).tolist()
    pairs = [
        Fraction(1 / p).limit_denominator(1_000) if 1 / _WIDEST < p <= 1 else Fraction(0)
        for p in floats
    ]
    num = np.array([f.numerator for f in pairs], np.int64)
    den = np.array([f.denominator for f in pairs], np.int64)
    return num[inverse], den[inverse]


def _by_set(block: RecordBlock, sessions: list[Session]) -> tuple[Ints, Ints, Ints]:
    """Return num, den, state, int64 (s,), that the domain's options or the v5 header give."""
    header = block.messages.sampling[block.message]
    stated = header & _V5_RATE
    num = np.where(stated > 0, stated, 1)
    den = np.ones(len(header), np.int64)
    state = np.where(stated > 0, RATE_KNOWN, np.where(header > 0, RATE_UNKNOWN, RATE_ASSUMED))
    session_of = block.messages.session[block.message]
    for s in np.unique(session_of).tolist():
        session = sessions[s]
        if session.group.rates.silent:
            continue
        mine = np.flatnonzero(session_of == s)
        # A rate that changed in this batch is looked up for each set, else once for all of them.
        parts = np.split(mine, len(mine)) if session.group.rates.changed else [mine]
        for part in parts:
            rate = session.learned(DOMAIN_RATE, int(block.rank[part[0]]))
            if rate is not None:
                (num[part], den[part]), state[part] = rate, RATE_KNOWN
    return num, den, state


def _by_sampler(
    block: RecordBlock,
    sessions: list[Session],
    sampler: Ints,
    rates: tuple[Ints, Ints, Ints],
) -> None:
    """Put the rates of the samplers which records name into num, den, state (r,)."""
    session_of = block.messages.session[block.message]
    changed = any(sessions[s].group.rates.changed for s in np.unique(session_of).tolist())
    # As above: by set where a rate changed in this batch, else by session.
    owner = np.arange(len(session_of)) if changed else session_of
    key = (np.repeat(owner, block.counts) << _SAMPLER_BITS) | sampler
    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])[: len(key)])
    distinct, inverse = np.unique(key[first], return_inverse=True)
    found = np.zeros((len(distinct), 3), np.int64)
    for i, k in enumerate(distinct.tolist()):
        which, sampler_id = k >> _SAMPLER_BITS, k & ((1 << _SAMPLER_BITS) - 1)
        session = sessions[int(session_of[which]) if changed else which]
        rate = session.learned(sampler_id, int(block.rank[which]) if changed else 0)
        if rate is not None:
            found[i] = (*rate, RATE_KNOWN)
        elif sampler_id:
            found[i] = 1, 1, RATE_UNKNOWN
    lengths = np.diff(np.append(first, len(key)))
    named = np.repeat(found[inverse], lengths, axis=0)
    num, den, state = rates
    better = (named[:, 2] == RATE_KNOWN) | ((named[:, 2] == RATE_UNKNOWN) & (state != RATE_KNOWN))
    for target, column in zip((num, den, state), named.T, strict=True):
        target[better] = column[better]
