"""What a flow counts for: its bytes and packets by the sampling rate, and whether it counts at all.

The points and what is asked of captures (`decode --top`, filters) take it from here, so that a
number on a graph and the flows behind it are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.flows import RATE_KNOWN, Flows

IMPLAUSIBLE = 2**53
"""Bytes or packets of one record, after sampling, that no exporter can have seen."""

_INGRESS, _EGRESS = 0, 1

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration says of one exporter: its rate (0: nothing) and what to count."""

    sampling: int = 0
    count: str = "all"


@dataclass(frozen=True, slots=True)
class Counted:
    """What n flows count for.

    bytes, packets: int64 (n,), after sampling; back: the responder's, or None where no flow has
    them. implausible: bool (n,), left out because no exporter can have seen so much. chosen,
    returned: bool (n,), whether the flow counts, and its responder's half (nowhere where `back` is
    None). rate_state: as in Flows.
    """

    bytes: Ints
    packets: Ints
    back: tuple[Ints, Ints] | None
    implausible: npt.NDArray[np.bool_]
    chosen: npt.NDArray[np.bool_]
    returned: npt.NDArray[np.bool_]
    rate_state: npt.NDArray[np.uint8]


def count(flows: Flows, policies: Mapping[int, Policy]) -> Counted:
    """Say what flows count for; policies: by stream index, where the configuration says something.

    Events without bytes, the direction which an exporter's policy leaves out, and what is
    implausible do not count.
    """
    num, den, rate_state, chosen = flows.rate_num, flows.rate_den, flows.rate_state, flows.counts
    if policies:
        num, den, rate_state, chosen = _apply(policies, flows)
    octets, packets = _scaled(flows.bytes, num, den), _scaled(flows.packets, num, den)
    huge = (octets >= IMPLAUSIBLE) | (packets >= IMPLAUSIBLE)
    back = None
    if flows.reverse_bytes is not None and flows.reverse_packets is not None:
        back = _scaled(flows.reverse_bytes, num, den), _scaled(flows.reverse_packets, num, den)
        huge |= (back[0] >= IMPLAUSIBLE) | (back[1] >= IMPLAUSIBLE)
    huge &= chosen
    if huge.any():
        chosen = chosen & ~huge
    returned = np.zeros(len(flows), bool) if back is None else chosen & _any(*back)
    return Counted(octets, packets, back, huge, chosen, returned, rate_state)


def _any(octets: Ints, packets: Ints) -> npt.NDArray[np.bool_]:
    return (octets > 0) | (packets > 0)


def _apply(
    policies: Mapping[int, Policy], flows: Flows
) -> tuple[Ints, Ints, npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Let the configuration's rates stand before all others, and leave out what is not counted."""
    num, den, state = flows.rate_num.copy(), flows.rate_den.copy(), flows.rate_state.copy()
    chosen = flows.counts.copy()
    for stream, policy in policies.items():
        rows = flows.stream == stream
        if policy.sampling:
            num[rows], den[rows], state[rows] = policy.sampling, 1, RATE_KNOWN
        if policy.count == "ingress":
            chosen &= ~(rows & (flows.flow_direction == _EGRESS))
        elif policy.count == "egress":
            chosen &= ~(rows & (flows.flow_direction == _INGRESS))
    return num, den, state, chosen


def _scaled(counts: Ints, num: Ints, den: Ints) -> Ints:
    """floor(counts * num / den) in int64; what reaches IMPLAUSIBLE comes out as IMPLAUSIBLE."""
    if not len(counts):
        return counts
    if int(num.max()) == int(num.min()) == int(den.max()) == 1:
        return np.where(counts < 0, IMPLAUSIBLE, counts) if int(counts.min()) < 0 else counts
    estimate = counts.astype(np.float64) * num / den
    fits = (estimate <= IMPLAUSIBLE) & (counts >= 0)  # as exact as float64 is
    scaled = np.full(len(counts), IMPLAUSIBLE, np.int64)
    whole = fits & (counts.astype(np.float64) * num < 2.0**62)
    scaled[whole] = counts[whole] * num[whole] // den[whole]
    rest = np.flatnonzero(fits & ~whole)
    for i in rest:  # a product beyond 64 bits whose quotient is plausible: next to never
        scaled[i] = int(counts[i]) * int(num[i]) // int(den[i])
    return np.minimum(scaled, IMPLAUSIBLE)
