"""Layouts: what a template says, compiled so that records are read as columns.

A layout has two shapes. On the wire a record is its fields one after another, some of them of
variable length. In memory it is a packed NumPy structured dtype of the fixed-length fields only;
where a field of variable length stood, nothing stands. So once the records are gathered, columns
are read in the same way from every layout, and v1, v5 and v7 are layouts like any other.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from flowsleuth.decode.elements import BY_NAME

VARIABLE = -1
"""`length` of a field of variable length (0xFFFF in an IPFIX template; RFC 7011, 7)."""


_FORMATS: dict[int, object] = {
    1: "u1",
    2: ">u2",
    4: ">u4",
    8: ">u8",
    16: (">u8", (2,)),
}
"""Bytes of a field → how the packed record holds it."""


class FieldSpec(NamedTuple):
    """One field specifier: element number, enterprise number (0: IANA), length in bytes."""

    element: int
    pen: int
    length: int


class Layout:
    """The fields of one kind of record; `options` says that they are options data.

    size: bytes of the packed record; shortest: bytes of the shortest record on the wire;
    variable: positions of the fields of variable length; runs: bytes of fixed length before each of
    them and after the last.
    """

    def __init__(self, fields: tuple[FieldSpec, ...], *, options: bool = False) -> None:
        self.fields = fields
        self.options = options
        self.variable = tuple(i for i, spec in enumerate(fields) if spec.length == VARIABLE)
        self.size = sum(max(spec.length, 0) for spec in fields)
        self.shortest = self.size + len(self.variable)
        self.runs = [0]
        for spec in fields:
            if spec.length == VARIABLE:
                self.runs.append(0)
            else:
                self.runs[-1] += spec.length

    @cached_property
    def dtype(self) -> np.dtype[np.void]:
        """The packed record: `f0`, `f1` ... for the fields of fixed length that are not empty.

        Integers of a native width are big-endian integers, 16 bytes are two of 8, all else is
        bytes. NumPy has no items of zero bytes, so a packed record has at least one.
        """
        names, formats, offsets, at = [], [], [], 0
        for i, spec in enumerate(self.fields):
            if spec.length > 0:
                names.append(f"f{i}")
                formats.append(_FORMATS.get(spec.length) or ("u1", (spec.length,)))
                offsets.append(at)
                at += spec.length
        shape = {"names": names, "formats": formats, "offsets": offsets, "itemsize": max(at, 1)}
        packed: np.dtype[np.void] = np.dtype(shape)  # type: ignore[call-overload] # as a dictionary
        return packed

    @cached_property
    def position(self) -> dict[tuple[int, int], int]:
        """(element, pen) → position of its first field that is not empty."""
        found: dict[tuple[int, int], int] = {}
        for i, spec in enumerate(self.fields):
            if spec.length:
                found.setdefault((spec.element, spec.pen), i)
        return found

    def find(self, name: str) -> int | None:
        """Return the position of the element called `name`, None where the layout lacks it."""
        element = BY_NAME[name]
        return self.position.get((element.number, element.pen))

    def fixed(self, name: str, *lengths: int) -> int | None:
        """Return the position of the element if its length is fixed (and one of `lengths`)."""
        at = self.find(name)
        if at is None or self.fields[at].length == VARIABLE:
            return None
        return at if not lengths or self.fields[at].length in lengths else None


class Layouts:
    """Interned layouts: equal templates of different exporters are one, and are read together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: dict[tuple[bool, tuple[FieldSpec, ...]], Layout] = {}

    def intern(self, fields: tuple[FieldSpec, ...], *, options: bool) -> Layout:
        """Return the layout of these fields."""
        layout = self._known.get((options, fields))
        if layout is None:
            if len(self._known) >= self._limit:
                self._known.clear()
            layout = self._known[options, fields] = Layout(fields, options=options)
        return layout


def _legacy(*fields: tuple[str, int]) -> Layout:
    return Layout(tuple(FieldSpec(BY_NAME[name].number, 0, length) for name, length in fields))


_COMMON = (
    ("sourceIPv4Address", 4),
    ("destinationIPv4Address", 4),
    ("ipNextHopIPv4Address", 4),
    ("ingressInterface", 2),
    ("egressInterface", 2),
    ("packetDeltaCount", 4),
    ("octetDeltaCount", 4),
    ("flowStartSysUpTime", 4),
    ("flowEndSysUpTime", 4),
    ("sourceTransportPort", 2),
    ("destinationTransportPort", 2),
)
_ROUTING = (
    ("bgpSourceAsNumber", 2),
    ("bgpDestinationAsNumber", 2),
    ("sourceIPv4PrefixLength", 1),
    ("destinationIPv4PrefixLength", 1),
)

_V1 = (
    *_COMMON,
    ("paddingOctets", 2),
    ("protocolIdentifier", 1),
    ("ipClassOfService", 1),
    ("tcpControlBits", 1),
)
_V5 = (
    *_COMMON,
    ("paddingOctets", 1),
    ("tcpControlBits", 1),
    ("protocolIdentifier", 1),
    ("ipClassOfService", 1),
    *_ROUTING,
)

LEGACY: tuple[tuple[int, Layout], ...] = (
    (1, _legacy(*_V1, ("paddingOctets", 7))),
    (1, _legacy(*_V1, ("paddingOctets", 11))),
    (5, _legacy(*_V5, ("paddingOctets", 2))),
    (7, _legacy(*_V5, ("paddingOctets", 6))),
)
"""The records of v1, v5 and v7 (Cisco, NetFlow Export Datagram Format): version and layout.

v1's have 48 bytes on the wire (softflowd, nfdump); Cisco's table has 52, which are read where the
datagram's length says so.
"""
