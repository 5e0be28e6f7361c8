"""The headers of all datagrams of a batch, read at once into `Messages`.

Five versions keep the same few facts at different places. The first 24 bytes of every datagram are
taken as six words, and each fact is picked from them by a mask per version; a batch of one version
costs no more than that version alone.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.gather import Bytes, Ints, gather
from flowsleuth.decode.problems import Faults
from flowsleuth.receive.datagrams import NO_RECEIPT, Datagrams

HEADER_SIZE = {1: 16, 5: 24, 7: 24, 9: 20, 10: 16}
"""Bytes of each version's header."""

TYPE_NAME = {1: "NETFLOW_V1", 5: "NETFLOW_V5", 7: "NETFLOW_V7", 9: "NETFLOW_V9", 10: "IPFIX"}
"""What goflow2 calls each version; v1 and v7 follow."""

_WIDEST = 24
_SECOND_NS = 1_000_000_000
_SFLOW_5 = 5
"""The first word of an sFlow datagram is its version, 32 bits wide."""


@dataclass(frozen=True, slots=True)
class Messages:
    """The headers of m messages: the batch's n datagrams, then those of sets that had waited.

    All int64 (m,): version (0 where it is none that we decode), domain (v5: engine type and id;
    v1 and v7: 0), sequence, count (records of v1, v5, v7), sampling (v5's 16 bits), uptime_ms
    (SysUptime; -1 in IPFIX), export_ns, received_ns, body and end (bytes in the buffer), session
    (index into the batch's sessions; -1: none), stream, carrier (the datagram to count in).
    """

    version: Ints
    domain: Ints
    sequence: Ints
    count: Ints
    sampling: Ints
    uptime_ms: Ints
    export_ns: Ints
    received_ns: Ints
    body: Ints
    end: Ints
    session: Ints
    stream: Ints
    carrier: Ints

    def __len__(self) -> int:
        return len(self.version)

    def row(self, message: int) -> dict[str, int]:
        """Return one message's header, to keep while a set of it waits."""
        return {f.name: int(getattr(self, f.name)[message]) for f in fields(self)}

    def extended(self, rows: list[dict[str, int]]) -> "Messages":
        """Return these messages and `rows` after them."""
        return Messages(
            **{
                f.name: np.concatenate(
                    [getattr(self, f.name), np.array([row[f.name] for row in rows], np.int64)]
                )
                for f in fields(self)
            }
        )


def padded(data: Bytes, start: Ints) -> Bytes:
    """Return the buffer with room for a whole header after every start."""
    room = int(start.max(initial=0)) + _WIDEST - len(data)
    flat = np.ascontiguousarray(data)
    return flat if room <= 0 else np.concatenate([flat, np.zeros(room, np.uint8)])


def read(batch: Datagrams, data: Bytes, faults: Faults) -> Messages:
    """Read all headers of a batch; `session` and `stream` are left at -1.

    data: the batch's buffer, `padded`. A header that is cut short makes the datagram malformed and
    its version 0; an IPFIX length that disagrees with the datagram's is malformed and what lies
    within both is read.
    """
    word = gather(data, batch.start, _WIDEST).view(">u4").reshape(-1, 6).astype(np.int64)
    version = np.where(batch.length >= 2, word[:, 0] >> 16, 0)
    for number, size in HEADER_SIZE.items():
        cut = np.flatnonzero((version == number) & (batch.length < size))
        if len(cut):
            version[cut] = 0
            faults.add_all(cut, f"NetFlow version {number}: header cut short")
    version[~np.isin(version, list(HEADER_SIZE))] = 0
    v5, v9, ipfix = version == 5, version == 9, version == 10
    old = ~(v9 | ipfix)
    seconds = np.where(ipfix, word[:, 1], word[:, 2])
    export_ns = seconds * _SECOND_NS + np.where(old, word[:, 3], 0)
    domain = np.where(v9, word[:, 4], np.where(ipfix, word[:, 3], 0))
    domain = np.where(v5, word[:, 5] >> 16, domain)
    faults.version[:], faults.domain[:] = version, domain
    nowhere = np.full(len(batch), -1, np.int64)
    end = batch.start + batch.length
    messages = Messages(
        version=version,
        domain=domain,
        sequence=np.where(v9, word[:, 3], np.where(ipfix, word[:, 2], word[:, 4])),
        count=word[:, 0] & 0xFFFF,
        sampling=np.where(v5, word[:, 5] & 0xFFFF, 0),
        uptime_ms=np.where(ipfix, -1, word[:, 1]),
        export_ns=export_ns,
        received_ns=np.where(batch.received_ns == NO_RECEIPT, export_ns, batch.received_ns),
        body=batch.start + np.array([HEADER_SIZE.get(v, 0) for v in range(11)])[version],
        end=end,
        session=nowhere,
        stream=nowhere,
        carrier=np.arange(len(batch), dtype=np.int64),
    )
    return _ipfix_ends(messages, batch, faults) if ipfix.any() else messages


def _ipfix_ends(messages: Messages, batch: Datagrams, faults: Faults) -> Messages:
    """RFC 7011, 3.1: the header's length is the message's; never read past the datagram."""
    ipfix = messages.version == 10
    odd = np.flatnonzero(ipfix & (messages.count != batch.length))
    if not len(odd):
        return messages
    faults.add_all(odd, "IPFIX: header length differs from the datagram's")
    stated = np.maximum(batch.start + messages.count, messages.body)
    return replace(messages, end=np.where(ipfix, np.minimum(messages.end, stated), messages.end))


def foreign(data: Bytes, batch: Datagrams) -> str | None:
    """Return the name of the other format that a batch's datagrams look like, None if none does."""
    word: npt.NDArray[np.int64] = gather(data, batch.start, 4).view(">u4").astype(np.int64)
    return "sFlow v5" if ((word == _SFLOW_5) & (batch.length >= 4)).any() else None
