"""Service ports: which the configuration names, which the shipped table lists, and their names.

A column of a million ports is looked up as one gather from a dense table: protocols that have
services get a row of 65536 flags each (some 64 kB), all others share a row of nothing.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from flowsleuth.enrich.service_table import TOPICS
from flowsleuth.protocols import NUMBERS

_PORTS = 1 << 16
_PROTOCOLS = 257
"""0 to 255, and flows.NO_PROTOCOL."""


def read_topic(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield (name, port, protocol number) of each service in one topic of the table."""
    name = ""
    for word in text.split():
        port, slash, keyword = word.partition("/")
        if slash:
            yield name, int(port), NUMBERS[keyword]
        else:
            name = word


SHIPPED: dict[tuple[int, int], str] = {
    (port, protocol): name for text in TOPICS.values() for name, port, protocol in read_topic(text)
}
"""(port, protocol number) -> name, of the shipped table (docs/services.md)."""


class Services:
    """The services of an installation: the configured ones, then the shipped ones.

    configured: (port, protocol number) -> name.
    """

    def __init__(self, configured: Mapping[tuple[int, int], str]) -> None:
        self.configured = dict(configured)
        self._names = SHIPPED | self.configured
        self._configured = _Flags(self.configured)
        self._known = _Flags(SHIPPED)

    def configured_mask(
        self, protocol: npt.NDArray[np.uint16], port: npt.NDArray[np.uint16]
    ) -> npt.NDArray[np.bool_]:
        """Tell which ports the configuration names: two uint16 (n,) -> bool (n,)."""
        return self._configured.of(protocol, port)

    def known_mask(
        self, protocol: npt.NDArray[np.uint16], port: npt.NDArray[np.uint16]
    ) -> npt.NDArray[np.bool_]:
        """Tell which ports the shipped table lists: two uint16 (n,) -> bool (n,)."""
        return self._known.of(protocol, port)

    def name(self, port: int, protocol: int) -> str:
        """Name a service, the configuration's name first; empty where nobody knows it."""
        return self._names.get((port, protocol), "")


class _Flags:
    """A set of (port, protocol), for columns. Row 0 of the table is the row of nothing."""

    def __init__(self, members: Iterable[tuple[int, int]]) -> None:
        members = list(members)
        rows = {protocol: row for row, protocol in enumerate(sorted({p for _, p in members}), 1)}
        self._row = np.zeros(_PROTOCOLS, np.int32)
        table = np.zeros((len(rows) + 1, _PORTS), np.bool_)
        for port, protocol in members:
            self._row[protocol] = rows[protocol]
            table[rows[protocol], port] = True
        self._table = table.ravel()

    def of(
        self, protocol: npt.NDArray[np.uint16], port: npt.NDArray[np.uint16]
    ) -> npt.NDArray[np.bool_]:
        rows = self._row.take(protocol)
        return self._table.take(rows << 16 | port)
