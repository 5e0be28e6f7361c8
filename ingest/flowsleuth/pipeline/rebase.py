"""Shift all times in datagrams, so that an old capture is as if recorded just now.

The header's time of export is shifted in every version. Records of v1, v5 and v7 count from the
exporter's start, which the header places, so they follow; so do v9's and IPFIX's relative ones.
Absolute times stand in records of v9 and IPFIX, at places that the templates say: those are learned
on the way, and what comes before its template keeps its times (counted). The shift is in whole
seconds: then every unit shifts exactly, and durations stay.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from struct import Struct

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.elements import REVERSE_PEN
from flowsleuth.decode.layouts import VARIABLE, FieldSpec, Layout
from flowsleuth.decode.limits import Limits
from flowsleuth.decode.sets import FIRST_DATA_SET, TEMPLATE_SETS
from flowsleuth.decode.templates import BrokenTemplate, parse
from flowsleuth.decode.variable import walk_records
from flowsleuth.receive.datagrams import NO_RECEIPT, Datagrams

SECOND_NS = 1_000_000_000

_SECONDS, _MILLISECONDS, _NTP = (4, 1), (8, 1_000), (8, 1 << 32)

ABSOLUTE_TIMES: dict[int, tuple[int, int]] = {
    **dict.fromkeys((150, 151, 260, 261, 264, 265, 322), _SECONDS),
    **dict.fromkeys((152, 153, 160, 258, 269, 272, 323), _MILLISECONDS),
    **dict.fromkeys((154, 155, 156, 157, 268, 270, 271, 273, 324, 325), _NTP),
}
"""IANA's elements of the types dateTime*: (bytes, units in a second). Micro- and nanoseconds are
NTP times, whose upper 32 bits are seconds (RFC 7011, 6.1.7 to 6.1.10). 0 is no time, and stays."""

EXPORT_TIME = {1: 8, 5: 8, 7: 8, 9: 8, 10: 4}
"""Where the seconds of the export time stand in the headers: the only time in a header."""

_HEADER = {9: 20, 10: 16}
_MOST_SESSIONS = 16_384

_two = Struct(">HH").unpack_from
_u32 = Struct(">I")

_Bytes = npt.NDArray[np.uint8]
_Session = tuple[int, int, int]
"""(source index, version, observation domain): whose templates they are."""


def times_ns(batch: Datagrams) -> npt.NDArray[np.int64]:
    """Return int64 (n,): when each datagram was received, else its header's time; -1 where neither.

    ns since the epoch; of the header whole seconds only.
    """
    times = batch.received_ns.copy()
    for i in np.flatnonzero(times == NO_RECEIPT).tolist():
        payload = batch.payload(i)
        at = EXPORT_TIME.get(int.from_bytes(payload[:2]), len(payload))
        if len(payload) >= at + 4:
            times[i] = _u32.unpack_from(payload, at)[0] * SECOND_NS
    return times


def shift_to_now(batches: Iterable[Datagrams]) -> int:
    """Return the seconds by which to shift a capture so that its last datagram is of now."""
    last = max((int(times_ns(batch).max(initial=NO_RECEIPT)) for batch in batches), default=-1)
    return 0 if last == NO_RECEIPT else round((time.time_ns() - last) / SECOND_NS)


@dataclass(slots=True)
class Rebase:
    """Shifts batches of one capture, in order, by `seconds` (negative: into the past).

    unshifted: data sets whose template is not known, which keep the absolute times in them.
    """

    seconds: int
    unshifted: int = 0
    _templates: dict[_Session, dict[int, Layout]] = field(default_factory=dict)
    _limits: Limits = field(default_factory=Limits)

    def apply(self, batch: Datagrams) -> Datagrams:
        """Return the batch with every time shifted; its receipts too, where they are known."""
        data = batch.data.copy()
        rows = zip(batch.start.tolist(), batch.length.tolist(), batch.source.tolist(), strict=True)
        for start, length, source in rows:
            if length >= 4:
                self._datagram(data[start : start + length], source)
        received = batch.received_ns
        shifted = np.where(received == NO_RECEIPT, NO_RECEIPT, received + self.seconds * SECOND_NS)
        return replace(batch, data=data, received_ns=shifted)

    def _datagram(self, data: _Bytes, source: int) -> None:
        payload = data.tobytes()
        version, stated = _two(payload)
        at = EXPORT_TIME.get(version)
        if at is None or len(payload) < at + 4:
            return
        self._add(data, np.array([at]), 4, self.seconds)
        body = _HEADER.get(version)
        if body is None or len(payload) < body:
            return
        # The domain is the last word of both headers (RFC 3954, 5.1; RFC 7011, 3.1).
        session = (source, version, _u32.unpack_from(payload, body - 4)[0])
        end = min(stated, len(payload)) if version == 10 else len(payload)
        while body + 4 <= end:
            set_id, length = _two(payload, body)
            if length < 4:
                return
            stop = min(body + length, end)
            if set_id in TEMPLATE_SETS[version]:
                self._learn(session, set_id, payload[body + 4 : stop])
            elif set_id >= FIRST_DATA_SET:
                self._records(data, session, set_id, body + 4, stop)
            body += length

    def _learn(self, session: _Session, set_id: int, body: bytes) -> None:
        if session not in self._templates and len(self._templates) >= _MOST_SESSIONS:
            del self._templates[next(iter(self._templates))]
        known = self._templates.setdefault(session, {})
        try:
            for definition in parse(session[1], set_id, body, self._limits.fields):
                if definition.fields is None:
                    known.pop(definition.template_id, None)
                elif len(known) < self._limits.templates or definition.template_id in known:
                    layout = Layout(definition.fields, options=definition.options)
                    known[definition.template_id] = layout
        except BrokenTemplate:
            return

    def _records(self, data: _Bytes, session: _Session, set_id: int, at: int, end: int) -> None:
        layout = self._templates.get(session, {}).get(set_id)
        if layout is None:
            self.unshifted += 1
            return
        if not layout.shortest or not any(map(_time_of, layout.fields)):
            return
        one = np.array([at]), np.array([end - at])
        if layout.variable:
            _, record, place, size = walk_records(data, layout, *one, self._limits.records)
        else:
            record = at + np.arange((end - at) // layout.size) * layout.size
            place = size = np.empty((len(record), 0), np.int64)
        where, passed = record, 0
        for spec in layout.fields:
            if spec.length == VARIABLE:
                where = place[:, passed] + size[:, passed]
                passed += 1
                continue
            if units := _time_of(spec):
                self._add(data, where, spec.length, self.seconds * units)
            # A variable field's own length bytes are already behind `where`: it is set anew there.
            where = where + spec.length

    @staticmethod
    def _add(data: _Bytes, at: npt.NDArray[np.int64], length: int, amount: int) -> None:
        """Add to the big-endian integers of 4 or 8 bytes at `at`, modulo their size."""
        places = at[:, None] + np.arange(length)
        value = data[places].view(f">u{length}").ravel()
        step = np.array(amount % (1 << 8 * length), f"u{length}")
        moved = np.where(value == 0, value, value + step).astype(f">u{length}")
        data[places] = moved[:, None].view(np.uint8)


def _time_of(spec: FieldSpec) -> int:
    """Return how many of the field's units make a second, 0 if it is no absolute time."""
    if spec.pen not in (0, REVERSE_PEN):
        return 0
    length, units = ABSOLUTE_TIMES.get(spec.element, (0, 0))
    return units if spec.length == length else 0
