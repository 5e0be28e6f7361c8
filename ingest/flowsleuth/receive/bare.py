"""Bare datagrams one after another, without any container: cut where the next header begins.

The versions say their length themselves (v1, v5, v7 by a count, IPFIX by a length: RFC 7011, 3.1),
except v9, whose count exporters get wrong: there the FlowSets are walked (RFC 3954, 5) until
something stands in a set's place that is a header. Where no header follows, the rest belongs to
the datagram: a file with one datagram too long or too short goes to the decoder as it is, which
counts what is wrong with it. This is the one place of this room that looks into a payload.
"""

from collections.abc import Iterator
from struct import Struct

from flowsleuth.receive.formats import starts_capture
from flowsleuth.receive.streams import Stream

MAX_DATAGRAM = 65_535
"""Longest datagram, and longest IPFIX message."""

_two = Struct(">HH").unpack_from

_COUNTED = {1: (16, 48), 5: (24, 48), 7: (24, 52)}
"""Bytes of header and of record of the versions that count their records (Cisco, NetFlow
Services Solutions Guide; v1 as softflowd, nfdump and Wireshark have it)."""

_HEADER_V9 = 20
_HEADER_IPFIX = 16


def split(stream: Stream) -> Iterator[bytes]:
    """Yield each datagram, up to the end or to a capture file that follows.

    Raises InputError where more than a datagram's length remains and no header is found in it.
    """
    while view := stream.window(MAX_DATAGRAM + 12):
        if starts_capture(bytes(view[:12])):
            return
        end = _end(view)
        if end is None:
            if len(view) > MAX_DATAGRAM:
                raise stream.broken(
                    f"no datagram begins within {MAX_DATAGRAM} bytes behind the header"
                )
            end = len(view)
        yield stream.read(end)


def _end(view: memoryview) -> int | None:
    """Return where the datagram at the beginning ends, None where that cannot be told."""
    if len(view) < 4:
        return None
    version, number = _two(view)
    if version in _COUNTED:
        header, record = _COUNTED[version]
        end = header + number * record
    elif version == 10:
        end = number
        if end < _HEADER_IPFIX:
            return None
    elif version == 9:
        return _end_v9(view)
    else:
        return None
    return end if end == len(view) or (end < len(view) and _begins(view[end:])) else None


def _end_v9(view: memoryview) -> int | None:
    """Walk the FlowSets. Their ids are 0, 1 and 256 on: a version in that place is a header."""
    at = _HEADER_V9
    while at + 4 <= len(view):
        kind, length = _two(view, at)
        if (1 < kind < 256 and _begins(view[at:])) or starts_capture(bytes(view[at : at + 12])):
            return at
        if length < 4:
            return at if _begins(view[at:]) else None
        at += length
    return at if at == len(view) else None


def _begins(view: memoryview) -> bool:
    """Say whether a datagram or a capture begins here."""
    if len(view) < 4:
        return False
    version: int
    number: int
    version, number = _two(view)
    if version in _COUNTED:
        header, record = _COUNTED[version]
        return 0 < number <= (MAX_DATAGRAM - header) // record
    if version == 10:
        return number >= _HEADER_IPFIX
    return version == 9 or starts_capture(bytes(view[:12]))
