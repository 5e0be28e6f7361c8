"""What records can be ranked by: one table of keys, which the code, the help and the docs walk.

A key makes one or two integer columns of records, and text of their values at the very end. Some
keys have two sides (`ip` is both srcip and dstip): a record counts at each of its two values, once
where they are the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.naming import UNASSIGNED, address_text
from flowsleuth.aggregate.rows import halves
from flowsleuth.enrich.enricher import behind_nat
from flowsleuth.enrich.networks import NO_NETWORK, Networks
from flowsleuth.filters.columns import Seen, numbers
from flowsleuth.protocols import NAMES

Column = npt.NDArray[np.integer]
Ends = npt.NDArray[np.unsignedinteger]
Value = str | int

SRC, DST = 0, 1

_FLAGS = "CEUAPRSF"
"""The TCP flags from CWR down to FIN (RFC 9293, 3.1), as nfdump writes them."""


@dataclass(frozen=True, slots=True)
class Known:
    """What keys need beside the records: the networks, and exporters' names by stream index."""

    networks: Networks
    exporter: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Chosen:
    """n records to rank.

    stream: int32 (n,). start_ns, end_ns: int64 (n,): the end as the points have it, and as long
    before it as the exporter says. post: the addresses after NAT at both sides, as in `Flows`.
    """

    seen: Seen
    stream: npt.NDArray[np.int32]
    start_ns: npt.NDArray[np.int64]
    end_ns: npt.NDArray[np.int64]
    post: tuple[Ends | None, Ends | None]

    def take(self, rows: npt.NDArray[np.int64]) -> "Chosen":
        """Return the records of these indices, int64 (k,)."""
        names = [f.name for f in fields(self.seen)[1:]]
        return Chosen(
            Seen(self.seen.family, **{name: _of(getattr(self.seen, name), rows) for name in names}),
            self.stream[rows],
            self.start_ns[rows],
            self.end_ns[rows],
            (_of(self.post[SRC], rows), _of(self.post[DST], rows)),
        )


def _of(column: Any, rows: npt.NDArray[np.int64]) -> Any:
    return None if column is None else column[rows]


@dataclass(frozen=True, slots=True)
class Key:
    """One thing to rank by.

    columns: the records' columns at one side (SRC or DST; the same for both where not `two_sided`);
    value: a row of these columns as people write it. width: how many columns there are. needs: the
    optional columns of `Flows` that it reads.
    """

    name: str
    meaning: str
    columns: Callable[[Chosen, int, Known], Sequence[Column]]
    value: Callable[[Sequence[int], Known], Value]
    width: int = 1
    two_sided: bool = False
    needs: frozenset[str] = frozenset()


def _address(side: int) -> Callable[[Chosen, int, Known], Sequence[Column]]:
    return lambda chosen, _side, _known: halves(_ends(chosen.seen)[side])


def _either_address(chosen: Chosen, side: int, _known: Known) -> Sequence[Column]:
    return halves(_ends(chosen.seen)[side])


def _ends(seen: Seen) -> tuple[Ends, Ends]:
    return seen.src, seen.dst


def _column(name: str) -> Callable[[Chosen, int, Known], Sequence[Column]]:
    return lambda chosen, _side, _known: (numbers(chosen.seen, name),)


def _either(src: str, dst: str) -> Callable[[Chosen, int, Known], Sequence[Column]]:
    return lambda chosen, side, _known: (numbers(chosen.seen, (src, dst)[side]),)


def _network(chosen: Chosen, side: int, known: Known) -> Sequence[Column]:
    seen = chosen.seen
    lookup = known.networks.lookup4 if seen.family == 4 else known.networks.lookup6
    index = behind_nat(_ends(seen)[side], chosen.post[side], lookup)[1]
    return (index.astype(np.int64) - NO_NETWORK,)


def _touched_network(chosen: Chosen, side: int, known: Known) -> Sequence[Column]:
    """Return the network at one side; an end in none counts at the other end's."""
    mine, other = (_network(chosen, which, known)[0] for which in (side, 1 - side))
    return (np.where(mine, mine, other),)


def _network_at(side: int) -> Callable[[Chosen, int, Known], Sequence[Column]]:
    return lambda chosen, _side, known: _network(chosen, side, known)


def _exporter(chosen: Chosen, _side: int, _known: Known) -> Sequence[Column]:
    return (chosen.stream,)


def _number(row: Sequence[int], _known: Known) -> Value:
    return row[0]


def _flags(row: Sequence[int], _known: Known) -> Value:
    return "".join(letter if row[0] >> (7 - i) & 1 else "." for i, letter in enumerate(_FLAGS))


def _address_text(row: Sequence[int], _known: Known) -> Value:
    return address_text(row[0], row[1])


def _network_name(row: Sequence[int], known: Known) -> Value:
    return known.networks.names[row[0] - 1] if row[0] else UNASSIGNED


_ASES = frozenset({"src_as", "dst_as"})

KEYS: tuple[Key, ...] = (
    Key("srcip", "source address", _address(SRC), _address_text, 2),
    Key("dstip", "destination address", _address(DST), _address_text, 2),
    Key("ip", "address at either end", _either_address, _address_text, 2, two_sided=True),
    Key("srcport", "source port", _column("src_port"), _number),
    Key("dstport", "destination port", _column("dst_port"), _number),
    Key("port", "port at either end", _either("src_port", "dst_port"), _number, two_sided=True),
    Key("proto", "protocol", _column("protocol"), lambda row, _known: NAMES[row[0]]),
    Key("flags", "TCP flags", _column("tcp_flags"), _flags),
    Key("tos", "type of service", _column("tos"), _number, needs=frozenset({"tos"})),
    Key("srcas", "source AS", _column("src_as"), _number, needs=_ASES),
    Key("dstas", "destination AS", _column("dst_as"), _number, needs=_ASES),
    Key(
        "as", "AS at either end", _either("src_as", "dst_as"), _number, two_sided=True, needs=_ASES
    ),
    Key("inif", "input interface", _column("in_if"), _number),
    Key("outif", "output interface", _column("out_if"), _number),
    Key("if", "interface at either end", _either("in_if", "out_if"), _number, two_sided=True),
    Key("srcnet", "our network of the source", _network_at(SRC), _network_name),
    Key("dstnet", "our network of the destination", _network_at(DST), _network_name),
    Key("network", "our network at either end", _touched_network, _network_name, two_sided=True),
    Key(
        "exporter",
        "who exported it",
        _exporter,
        lambda row, known: known.exporter(row[0]),
    ),
)
"""All keys, in the order in which the help lists them."""

BY_NAME = {key.name: key for key in KEYS}
