"""The sets of all v9 and IPFIX datagrams, walked in lock step across the batch.

Round k reads the k-th set header of every datagram that still has bytes: a batch of ordinary
datagrams takes two or three rounds however many datagrams there are. A datagram with more than
`_ROUNDS` sets is no ordinary one, and is walked alone.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.gather import Bytes, Ints, gather
from flowsleuth.decode.headers import Messages
from flowsleuth.decode.layouts import LEGACY
from flowsleuth.decode.limits import Limits
from flowsleuth.decode.problems import Faults

_ROUNDS = 64
_HEADER = 4
FIRST_DATA_SET = 256
"""Set ids below are templates (RFC 3954: 0, 1; RFC 7011: 2, 3) or reserved."""

TEMPLATE_SETS = {9: (0, 1), 10: (2, 3)}
"""Version → set ids of templates and of options templates."""


@dataclass(frozen=True, slots=True)
class Sets:
    """s sets in wire order, all int64 (s,).

    message: index into Messages; set_id; start, length: the body in the buffer, bytes.
    """

    message: Ints
    set_id: Ints
    start: Ints
    length: Ints

    def __len__(self) -> int:
        return len(self.message)

    def take(self, chosen: Ints) -> "Sets":
        """Return the sets at these positions."""
        return Sets(
            self.message[chosen], self.set_id[chosen], self.start[chosen], self.length[chosen]
        )

    @classmethod
    def joined(cls, parts: list["Sets"]) -> "Sets":
        """Return the sets of all parts, ordered by message; within a message as they came."""
        whole = cls(
            *(
                np.concatenate([np.empty(0, np.int64)] + [getattr(p, name) for p in parts])
                for name in ("message", "set_id", "start", "length")
            )
        )
        return whole.take(np.argsort(whole.message, kind="stable"))


def legacy_sets(messages: Messages, faults: Faults) -> list[Sets]:
    """Return the records of v1, v5 and v7 as sets: one a datagram, `set_id` -1 - place in LEGACY.

    A count that the datagram's length contradicts is malformed; the whole records are read.
    """
    parts = []
    unread = messages.version.copy()
    room = messages.end - messages.body
    for place, (version, layout) in enumerate(LEGACY):
        at = np.flatnonzero(unread == version)
        if not len(at):
            continue
        stated = messages.count[at] * layout.size
        fits = stated == room[at]
        if version in {later for later, _ in LEGACY[place + 1 :]}:
            other = LEGACY[place + 1][1].size
            rest = ~fits & (messages.count[at] * other == room[at])
            at, stated, fits = at[~rest], stated[~rest], fits[~rest]
        unread[at] = 0
        faults.add_all(at[~fits], f"NetFlow v{version}: count disagrees with the length")
        length = np.minimum(stated, room[at]) // layout.size * layout.size
        parts.append(Sets(at, np.full(len(at), -1 - place, np.int64), messages.body[at], length))
    return parts


def walk(data: Bytes, messages: Messages, limits: Limits, faults: Faults) -> list[Sets]:
    """Return the template and data sets of v9 and IPFIX, a part per round.

    A set that is shorter than its header ends its datagram; one that overruns is cut; both are
    malformed, as are reserved set ids. Fewer than four bytes at the end are padding, and so are
    zeros in v9 (RFC 3954, 5.3).
    """
    at = np.flatnonzero(messages.version >= 9)
    position, end = messages.body[at], messages.end[at]
    parts: list[Sets] = []
    for _ in range(_ROUNDS):
        more = end - position >= _HEADER
        if not more.all():
            at, position, end = at[more], position[more], end[more]
        if not len(at):
            return parts
        head = gather(data, position, _HEADER).view(">u2").reshape(-1, 2).astype(np.int64)
        set_id, length = head[:, 0], head[:, 1]
        following = position + length
        odd = (length < _HEADER) | (following > end) | (set_id < FIRST_DATA_SET)
        if odd.any():
            keep = _judge(data, messages, Sets(at, set_id, position, length), end, odd, faults)
            following = np.where(length < _HEADER, end, np.minimum(following, end))
            part = Sets(at, set_id, position + _HEADER, following - position - _HEADER).take(keep)
        else:
            part = Sets(at, set_id, position + _HEADER, length - _HEADER)
        parts.append(part)
        position = following
    left = zip(at.tolist(), position.tolist(), end.tolist(), strict=True)
    return parts + [_walk_alone(data, messages, where, limits, faults) for where in left]


def _judge(
    data: Bytes,
    messages: Messages,
    heads: Sets,
    end: Ints,
    odd: npt.NDArray[np.bool_],
    faults: Faults,
) -> Ints:
    """Report what is wrong with the odd ones among `heads`; return which sets to read."""
    keep = np.ones(len(heads), bool)
    for i in np.flatnonzero(odd).tolist():
        keep[i] = _good(
            data, messages, int(heads.message[i]), int(heads.start[i]), int(end[i]), faults
        )
    return np.flatnonzero(keep)


def _good(
    data: Bytes, messages: Messages, message: int, position: int, end: int, faults: Faults
) -> bool:
    """Whether the set at `position` can be read; what is wrong with it is reported."""
    set_id, length = (int(v) for v in data[position : position + _HEADER].view(">u2"))
    if length < _HEADER:
        if messages.version[message] != 9 or data[position:end].any():
            faults.add(message, f"set length {length} below 4", set_id=set_id, at=position)
        return False
    if position + length > end:
        over = position + length - end
        faults.add(message, f"set overruns by {over} bytes", set_id=set_id, at=position)
    if set_id >= FIRST_DATA_SET or set_id in TEMPLATE_SETS[int(messages.version[message])]:
        return True
    faults.add(message, "reserved set id", set_id=set_id, at=position)
    return False


def _walk_alone(
    data: Bytes, messages: Messages, where: tuple[int, int, int], limits: Limits, faults: Faults
) -> Sets:
    """Walk on through one datagram: (message, position, end)."""
    message, position, end = where
    raw = data[position:end].tobytes()
    found: list[tuple[int, int, int]] = []
    at = 0
    while len(raw) - at >= _HEADER:
        if len(found) >= limits.sets:
            faults.add(message, f"more than {limits.sets} sets in a datagram", at=position + at)
            break
        set_id = raw[at] << 8 | raw[at + 1]
        length = raw[at + 2] << 8 | raw[at + 3]
        ordinary = set_id >= FIRST_DATA_SET and _HEADER <= length <= len(raw) - at
        if ordinary or _good(data, messages, message, position + at, end, faults):
            stop = min(at + length, len(raw))
            found.append((set_id, position + at + _HEADER, stop - at - _HEADER))
        elif length < _HEADER:
            break
        at += length
    columns = np.array(found, np.int64).reshape(-1, 3)
    return Sets(np.full(len(found), message, np.int64), *columns.T)
