"""A compiled filter: a tree of conditions, each of which answers for a column of records at once.

`not` is carried down to the leaves while the tree is made, as nfdump does; only one leaf cares:
`flags SA` is true where all of the flags are on, `not flags SA` where none of them is.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from flowsleuth.filters.columns import Seen, Unsigned, numbers

Answer = npt.NDArray[np.bool_]
"""Whether each record is chosen, bool (n,)."""

COMPARE: dict[str, Callable[[Any, int], Any]] = {
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}

_MAPPED = 0xFFFF
"""The upper half of the low half of an IPv4-mapped address (RFC 4291, 2.5.5.2)."""


class Condition(Protocol):
    """What can be asked of records."""

    def __call__(self, seen: Seen) -> Answer:
        """Return whether each record is chosen."""
        ...

    def inverted(self) -> "Condition":
        """Return the condition with `not` before it."""
        ...

    def columns(self) -> frozenset[str]:
        """Return the names of the columns that it reads."""
        ...


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions joined by `and` (`every` of them holds) or by `or`."""

    parts: tuple[Condition, ...]
    every: bool

    def __call__(self, seen: Seen) -> Answer:
        """Return where the parts hold together."""
        join = operator.and_ if self.every else operator.or_
        return reduce(join, (part(seen) for part in self.parts))

    def inverted(self) -> Condition:
        """Return its negation: `and` becomes `or` and each part its own negation (De Morgan)."""
        return Joined(tuple(part.inverted() for part in self.parts), every=not self.every)

    def columns(self) -> frozenset[str]:
        """Return the columns of all parts."""
        return frozenset().union(*(part.columns() for part in self.parts))


@dataclass(frozen=True, slots=True)
class Not:
    """A leaf with `not` before it."""

    leaf: "Leaf"

    def __call__(self, seen: Seen) -> Answer:
        """Return where the leaf does not hold."""
        return ~self.leaf(seen)

    def inverted(self) -> Condition:
        """Return the leaf."""
        return self.leaf

    def columns(self) -> frozenset[str]:
        """Return the leaf's column."""
        return self.leaf.columns()


class Leaf:
    """A condition on one column (or none), which `not` simply turns round."""

    __slots__ = ()

    def __call__(self, seen: Seen) -> Answer:
        """Return whether each record is chosen."""
        raise NotImplementedError

    def inverted(self) -> Condition:
        """Return the condition with `not` before it."""
        return Not(self)

    def columns(self) -> frozenset[str]:
        """Return its column."""
        return frozenset({self.column} if hasattr(self, "column") else ())


@dataclass(frozen=True, slots=True)
class Anything(Leaf):
    """Every record."""

    def __call__(self, seen: Seen) -> Answer:
        """Return true."""
        return np.ones(len(seen), bool)


@dataclass(frozen=True, slots=True)
class Family(Leaf):
    """Records of one address family: 4 or 6."""

    family: int

    def __call__(self, seen: Seen) -> Answer:
        """Return whether it is the family of all records seen."""
        return np.full(len(seen), seen.family == self.family)


@dataclass(frozen=True, slots=True)
class Compared(Leaf):
    """A column compared with a number."""

    column: str
    comparison: str
    number: int

    def __call__(self, seen: Seen) -> Answer:
        """Return where the comparison holds."""
        answer: Answer = COMPARE[self.comparison](numbers(seen, self.column), self.number)
        return answer


@dataclass(frozen=True, slots=True, eq=False)
class Listed(Leaf):
    """A column whose number is one of several: uint64, ascending."""

    column: str
    chosen: npt.NDArray[np.uint64]

    def __call__(self, seen: Seen) -> Answer:
        """Return where the number is listed."""
        column = numbers(seen, self.column)
        fitting = np.searchsorted(self.chosen, np.iinfo(column.dtype).max, side="right")
        chosen = self.chosen[:fitting].astype(column.dtype)
        if column.dtype.itemsize > 2:
            return np.isin(column, chosen)
        table = np.zeros(1 << 16, bool)  # ports and the like: ten times as fast as isin
        table[chosen] = True
        return table.take(column)


@dataclass(frozen=True, slots=True)
class Flags(Leaf):
    """All of some TCP flags are on, or (`none`) none of them."""

    column: str
    bits: int
    none: bool = False

    def __call__(self, seen: Seen) -> Answer:
        """Return where the flags are on, or off."""
        answer: Answer = numbers(seen, self.column) & self.bits == (0 if self.none else self.bits)
        return answer

    def inverted(self) -> Condition:
        """Return the other one: none of the flags for all of them."""
        return Flags(self.column, self.bits, not self.none)


@dataclass(frozen=True, slots=True, eq=False)
class Within4(Leaf):
    """An address in any of several IPv4 prefixes with the same mask.

    column: of `Seen`. mask: 32 bits. values: uint32, the prefixes, ascending. In records of family
    6 the address is IPv4 where it is a mapped one: those have one IPv4 end.
    """

    column: str
    mask: int
    values: npt.NDArray[np.uint32]

    def __call__(self, seen: Seen) -> Answer:
        """Return where the address is in one of the prefixes."""
        address = _address(seen, self.column)
        if seen.family == 4:
            return self._among(address)
        mapped: Answer = (address[:, 0] == 0) & (address[:, 1] >> 32 == _MAPPED)
        return mapped & self._among(address[:, 1]) if mapped.any() else mapped

    def _among(self, address: Unsigned) -> Answer:
        masked = address.astype(np.uint32, copy=False) & np.uint32(self.mask)
        if len(self.values) == 1:
            equal: Answer = masked == self.values[0]
            return equal
        return np.isin(masked, self.values)


@dataclass(frozen=True, slots=True, eq=False)
class Within6(Leaf):
    """An address in any of several IPv6 prefixes with the same mask.

    mask: uint64 (2,), high half first. values: uint64 (k, 2), the prefixes.
    """

    column: str
    mask: npt.NDArray[np.uint64]
    values: npt.NDArray[np.uint64]

    def __call__(self, seen: Seen) -> Answer:
        """Return where the address is in one of the prefixes."""
        if seen.family == 4:
            return np.zeros(len(seen), bool)
        masked = _address(seen, self.column) & self.mask
        if len(self.values) == 1:
            equal: Answer = (masked == self.values[0]).all(axis=1)
            return equal
        return np.isin(_octets(masked), _octets(self.values))


def _address(seen: Seen, column: str) -> Unsigned:
    address: Unsigned | None = getattr(seen, column)
    return np.zeros_like(seen.src) if address is None else address


def _octets(addresses: Unsigned) -> npt.NDArray[np.bytes_]:
    """Return (n, 2) halves as one item each, so that both are looked up together."""
    return np.ascontiguousarray(addresses).view("S16").ravel()
