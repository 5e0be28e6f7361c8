"""When a flow began and ended, from whichever of the many time elements a record has.

Zero stands for "not told" throughout: 1970 is no time of a flow. SysUptime counts milliseconds in
32 bits and wraps after 49.7 days, so a time is the export time minus a signed 32-bit difference:
right for all flows within 24 days of their export, on either side of a wrap.
"""

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.blocks import RecordBlock
from flowsleuth.decode.gather import Ints
from flowsleuth.decode.sessions import SYSTEM_INIT, Session

_SECOND = 1_000_000_000
_NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 to 1970 (RFC 7011, 6.1.9)."""

_NTP = 0
_START = (
    ("flowStartMilliseconds", 1_000_000),
    ("flowStartSeconds", _SECOND),
    ("flowStartMicroseconds", _NTP),
    ("flowStartNanoseconds", _NTP),
)
_END = (
    ("flowEndMilliseconds", 1_000_000),
    ("flowEndSeconds", _SECOND),
    ("flowEndMicroseconds", _NTP),
    ("flowEndNanoseconds", _NTP),
)
_OBSERVED = (
    ("observationTimeMilliseconds", 1_000_000),
    ("observationTimeSeconds", _SECOND),
    ("observationTimeMicroseconds", _NTP),
    ("observationTimeNanoseconds", _NTP),
    ("collectionTimeMilliseconds", 1_000_000),
)
_DURATION = (("flowDurationMilliseconds", 1_000_000), ("flowDurationMicroseconds", 1_000))
_LATEST = np.iinfo(np.int64).max


def flow_times(
    block: RecordBlock, sessions: list[Session], export_ns: Ints
) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Return start_ns, end_ns, int64 (r,), and dated, bool (r,); see Flows."""
    up_start, up_end = _by_uptime(block, sessions, export_ns)
    start = _first(
        _absolute(block, _START) + _delta(block, "flowStartDeltaMicroseconds", export_ns) + up_start
    )
    end = _first(
        _absolute(block, _END) + _delta(block, "flowEndDeltaMicroseconds", export_ns) + up_end
    )
    start, end = _by_duration(block, start, end)
    observed = _first(_absolute(block, _OBSERVED))
    end = _or(end, observed)
    start, end = _or(start, end), _or(end, start)
    if end is None or start is None:
        return export_ns, export_ns, np.zeros(len(block), bool)
    dated = end != 0
    if not dated.all():
        start, end = np.where(dated, start, export_ns), np.where(dated, end, export_ns)
    return start, end, dated


def _first(candidates: list[Ints]) -> Ints | None:
    """For each record the first candidate that tells a time; None without candidates."""
    result: Ints | None = None
    for candidate in candidates:
        result = _or(result, candidate)
    return result


def _or(time: Ints | None, other: Ints | None) -> Ints | None:
    if time is None or other is None:
        return other if time is None else time
    return time if time.all() else np.where(time != 0, time, other)


def _absolute(block: RecordBlock, table: tuple[tuple[str, int], ...]) -> list[Ints]:
    """Return ns since the epoch for each element of the table that the layout has."""
    found = []
    for name, unit in table:
        field = block.layout.fixed(name, *((8,) if unit == _NTP else ()))
        if field is not None:
            number = block.unsigned(field)
            found.append(_ntp(number) if unit == _NTP else _scaled(number, unit))
    return found


def _scaled(number: npt.NDArray[np.unsignedinteger], unit: int) -> Ints:
    """Return number * unit ns; 0 where that is beyond the year 2262."""
    wide = number.astype(np.int64)
    if number.dtype.itemsize > 4:
        wide[number.astype(np.uint64) > _LATEST // unit] = 0
    wide *= unit
    return wide


def _ntp(number: npt.NDArray[np.unsignedinteger]) -> Ints:
    """NTP seconds and fraction to ns since 1970; 0 for what lies before."""
    seconds = (number >> np.uint64(32)).astype(np.int64) - _NTP_EPOCH
    fraction = (number & np.uint64(0xFFFFFFFF)).astype(np.int64)
    # Rounded to the nearest: an exporter's microsecond is no whole number of 2^-32 seconds.
    nanoseconds = (fraction * _SECOND + (1 << 31)) >> 32
    return np.where(seconds > 0, seconds * _SECOND + nanoseconds, 0)


def _delta(block: RecordBlock, name: str, export_ns: Ints) -> list[Ints]:
    """RFC 5102, 5.9: microseconds before the export time."""
    field = block.layout.fixed(name)
    if field is None:
        return []
    return [export_ns - block.unsigned(field).astype(np.uint32).astype(np.int64) * 1_000]


def _by_uptime(
    block: RecordBlock, sessions: list[Session], export_ns: Ints
) -> tuple[list[Ints], list[Ints]]:
    """Return start and end by SysUptime (elements 22, 21); none where the boot time is unknown."""
    fields = [block.layout.fixed("flowStartSysUpTime"), block.layout.fixed("flowEndSysUpTime")]
    if fields == [None, None]:
        return [], []
    raw = [None if f is None else block.unsigned(f).astype(np.uint32) for f in fields]
    told = np.zeros(len(block), bool)
    for value in raw:
        if value is not None:
            told |= value != 0
    uptime, known = _uptime(block, sessions, export_ns)
    told &= known
    found: list[list[Ints]] = []
    for value in raw:
        if value is None:
            found.append([])
            continue
        ago = (uptime - value).view(np.int32).astype(np.int64)
        time = export_ns - ago * 1_000_000
        found.append([time if told.all() else np.where(told, time, 0)])
    return found[0], found[1]


def _uptime(
    block: RecordBlock, sessions: list[Session], export_ns: Ints
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
    """Return SysUptime at the export, ms, uint32 (r,), and whether it is known, bool (r,).

    v9 has it in the header. IPFIX has systemInitTimeMilliseconds (160) instead, in the record or
    in options data; uptime is the export time minus that.
    """
    field = block.layout.fixed("systemInitTimeMilliseconds")
    if field is not None:
        init = block.unsigned(field).astype(np.int64)
        return (export_ns // 1_000_000 - init).astype(np.uint32), init != 0
    header = block.messages.uptime_ms[block.message].copy()
    known = header >= 0
    for s in np.flatnonzero(~known).tolist():
        session = sessions[int(block.messages.session[block.message[s]])]
        learned = session.learned(SYSTEM_INIT, int(block.rank[s]))
        if learned is not None:
            known[s] = True
            header[s] = int(block.messages.export_ns[block.message[s]]) // 1_000_000 - learned[0]
    return np.repeat(header.astype(np.uint32), block.counts), np.repeat(known, block.counts)


def _by_duration(
    block: RecordBlock, start: Ints | None, end: Ints | None
) -> tuple[Ints | None, Ints | None]:
    """Tell the end that is missing by the flow's duration (161, 162)."""
    for name, unit in _DURATION:
        field = block.layout.fixed(name)
        if field is not None:
            lasted = _scaled(block.unsigned(field), unit)
            if start is not None:
                end = _or(end, np.where(start != 0, start + lasted, 0))
            if end is not None:
                start = _or(start, np.where(end != 0, end - lasted, 0))
    return start, end
