"""Flows twice: as nfcapd stored them, and as FlowSleuth decodes them; and who chooses which."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import nfcapd
import numpy as np
from decode.wire import EXPORTER

from flowsleuth.decode.decoder import Decoder
from flowsleuth.decode.flows import Flows
from flowsleuth.decode.optional import OPTIONAL
from flowsleuth.enrich.seen import seen_of
from flowsleuth.filters.columns import Seen
from flowsleuth.filters.filter import Filter
from flowsleuth.receive.datagrams import NO_RECEIPT, Datagrams, Sources

COLUMNS = "%sa %da %pr %sp %dp %byt %pkt %ts %te"
"""What tells records apart; equal records count as often as they occur."""

ICMP = (1, 58)

Row = tuple[str, ...]
Rows = Counter[Row]


class Stored:
    """Some flows in both programs; `size` of them.

    Records that end before they start are left out of the answers: their duration is 0 in
    FlowSleuth, while nfdump takes it for 2^64 less what it is.
    """

    def __init__(self, datagrams: list[bytes], folder: Path) -> None:
        self._file = nfcapd.collected(datagrams, folder)
        self._seen = [seen(part) for part in decoded(datagrams)]
        self._rows = [_rows(one) for one in self._seen]
        self.size = sum(map(len, self._seen))

    def ours(self, expression: str) -> Rows:
        """Return the records that FlowSleuth's filter chooses."""
        matches = Filter(expression).matches
        found = zip(self._seen, self._rows, strict=True)
        return _forward(rows[i] for one, rows in found for i in np.flatnonzero(matches(one)))

    def theirs(self, expression: str) -> Rows:
        """Return the records that nfdump chooses."""
        return _forward(map(_row, nfcapd.chosen(self._file, expression, COLUMNS)))


def _forward(rows: Iterable[Row]) -> Rows:
    return Counter(row for row in rows if row[-2] <= row[-1])


def decoded(datagrams: list[bytes]) -> list[Flows]:
    """Decode datagrams of one exporter, with all optional columns."""
    sources = Sources()
    source = sources.number(EXPORTER, 2055)
    batch = Datagrams.pack([(d, source, NO_RECEIPT) for d in datagrams], sources)
    return Decoder(wanted=OPTIONAL).decode(batch).flows


def seen(flows: Flows) -> Seen:
    """Return flows as filters see them, for exporters that do not sample."""
    back = None
    if flows.reverse_bytes is not None and flows.reverse_packets is not None:
        back = flows.reverse_bytes, flows.reverse_packets
    return seen_of(flows, flows.bytes, flows.packets, back)


def _rows(one: Seen) -> list[Row]:
    ends = [[str(ip_address(whole(a))) for a in end.tolist()] for end in (one.src, one.dst)]
    numbers = (one.protocol, one.src_port, one.dst_port, one.bytes, one.packets)
    shown = [map(str, column.tolist()) for column in numbers]
    times = [map(_moment, column.tolist()) for column in (one.start_ns, one.end_ns)]
    return [_row(list(row)) for row in zip(*ends, *shown, *times, strict=True)]


def whole(address: int | list[int]) -> int:
    """Return an address of either family as one number."""
    return address if isinstance(address, int) else address[0] << 64 | address[1]


def _moment(ns: int) -> str:
    seconds, rest = divmod(ns // 10**6, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest:03}"


def _row(cells: list[str]) -> Row:
    """Return a record's columns; nfdump prints ICMP's type and code in place of a port."""
    if cells[2] in {"1", "58"}:
        cells[3:5] = "", ""
    return tuple(cells)
