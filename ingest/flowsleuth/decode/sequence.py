"""Sequence numbers: what got lost on the way, in the unit in which each version counts.

v5 and v7 count flows, v9 export datagrams, IPFIX data records, options data included. Exporters
that count in another unit exist, and datagrams overtake each other, so a gap is a loss only when
nothing else explains it: another unit, the same gap again (a constant offset, or a balancer that
sends every other datagram elsewhere), a late arrival, a restart. A gap is therefore judged when
the datagram after it has come.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.gather import Ints

_MASK = 0xFFFFFFFF
_HALF = 1 << 31

_LATE = 4_096
"""Units by which a datagram may come late; farther back is a restart of the exporter."""

_JUMP = 1 << 20
"""Units that can be lost in a row; a greater leap is a restart. 10 minutes of an outage at 1 000
datagrams/s stay below, and a random new start hits it once in 4 000 times."""


@dataclass(slots=True)
class Sequence:
    """Where one session's numbering stands.

    expected: the next number, -1 while none is; last: the latest number; units: what the latest
    datagram was worth, in each unit. gap: the latest gap, pending: as much of it as is not judged;
    counted: the latest loss counted, of which late arrivals take back; credit: what they took
    back after it had been reported. late: what would follow a datagram that came late; if it does
    come, the exporter has started again. proven: whether it was seen to count in its version's
    unit.
    """

    expected: int = -1
    last: int = -1
    units: tuple[int, ...] = ()
    gap: int = 0
    pending: int = 0
    counted: int = 0
    credit: int = 0
    late: int = -1
    proven: bool = False

    @property
    def calm(self) -> bool:
        """Whether nothing is to be judged and a run of numbers without gaps says it all."""
        return not self.gap and not self.pending


@dataclass(frozen=True, slots=True)
class Numbered:
    """The numbered datagrams of a batch, grouped by session, in order of receipt; int64 (k,).

    datagram: index in the batch; session; number: as in the header; step: its own unit's worth,
    -1 where a set that waits hides it; flows, records: data records, and with options data.
    """

    datagram: Ints
    session: Ints
    number: Ints
    step: Ints
    flows: Ints
    records: Ints


def lost_units(numbered: Numbered, states: list[Sequence], datagrams: int) -> Ints:
    """Return what was lost before each datagram, int64 (datagrams,), and move `states` on.

    states: by session index, as in `numbered.session`.
    """
    lost = np.zeros(datagrams, np.int64)
    count = len(numbered.datagram)
    if not count:
        return lost
    after = np.where(numbered.step < 0, -1, (numbered.number + numbered.step) & _MASK)
    starts = np.flatnonzero(np.append(True, numbered.session[1:] != numbered.session[:-1]))
    ends = np.append(starts[1:], count)
    expected = np.append(-1, after[:-1])
    expected[starts] = [states[s].expected for s in numbered.session[starts].tolist()]
    deviates = (expected >= 0) & (expected != numbered.number)
    trouble = np.flatnonzero(deviates)
    odd = np.logical_or.reduceat(deviates, starts)
    runs = zip(starts.tolist(), ends.tolist(), odd.tolist(), strict=True)
    for start, end, deviating in runs:
        state = states[int(numbered.session[start])]
        at = start
        while at < end:
            quiet = end
            if deviating or not state.calm:
                _judge(numbered, at, state, lost)
                at += 1
                odd_one = np.searchsorted(trouble, at)
                quiet = min(int(trouble[odd_one]), end) if odd_one < len(trouble) else end
                # The rest follows one another, if it follows from where the judged one left us.
                if not state.calm or (at < end and state.expected != int(numbered.number[at])):
                    continue
            if quiet > at:
                _prove(numbered, quiet - 2, state, follows=quiet - at > 1)
                _note(numbered, quiet - 1, state)
                state.expected = int(after[quiet - 1])
                at = quiet
    return lost


def _note(numbered: Numbered, i: int, state: Sequence) -> None:
    state.last = int(numbered.number[i])
    state.units = (1, int(numbered.flows[i]), int(numbered.records[i]))


def _prove(numbered: Numbered, before: int, state: Sequence, *, follows: bool) -> None:
    """Note that a number was as expected, if the datagram before it was worth more in one unit.

    That datagram is `before` if it `follows` in this batch, else the one which `state` knows.
    """
    flows = int(numbered.flows[before]) if follows else state.units[1] if state.units else 1
    state.proven |= flows != 1 and (follows or state.expected >= 0)


def _judge(numbered: Numbered, i: int, state: Sequence, lost: npt.NDArray[np.int64]) -> None:
    """Judge one datagram's number, and the gap before it now that this one is known."""
    number, step = int(numbered.number[i]), int(numbered.step[i])
    following = -1 if step < 0 else (number + step) & _MASK
    gap = 0 if state.expected < 0 else _signed(number - state.expected)
    if -_LATE <= gap < 0 and not _other_unit(numbered, i, state):
        goes_on = number == state.late
        state.late = following
        if not goes_on:
            _late(state, max(step, 1))
            return
    loss = 0 < gap <= _JUMP and not _other_unit(numbered, i, state)
    if not gap:
        _prove(numbered, i, state, follows=False)
    elif not loss:
        state.proven = False
    if loss and gap == state.gap:
        state.pending = 0
    else:
        _settle(state, int(numbered.datagram[i]), lost)
        state.gap = state.pending = gap if loss else 0
    _note(numbered, i, state)
    state.expected, state.late = following, -1


def _signed(difference: int) -> int:
    return (difference + _HALF & _MASK) - _HALF


def _other_unit(numbered: Numbered, i: int, state: Sequence) -> bool:
    """Whether the number advanced by what the last or this datagram is worth in some unit.

    Never for an exporter that was seen to count as its version demands: there it is chance.
    """
    if state.proven:
        return False
    advance = _signed(int(numbered.number[i]) - state.last)
    return advance in {*state.units, int(numbered.flows[i]), int(numbered.records[i])} - {0}


def _late(state: Sequence, step: int) -> None:
    """Take back what a late datagram had seemed to be lost."""
    if state.pending:
        state.pending = max(state.pending - step, 0)
        return
    back = min(step, state.counted)
    state.counted -= back
    state.credit += back


def _settle(state: Sequence, datagram: int, lost: npt.NDArray[np.int64]) -> None:
    """Count the pending gap as a loss, in the datagram that proved it one."""
    if state.pending:
        back = min(state.credit, state.pending)
        state.credit -= back
        lost[datagram] += state.pending - back
        state.counted = state.pending - back
