"""Data sets that came before their template: kept for a while, with their own headers.

Exporters send templates every few minutes, so after a restart the first sets cannot be read yet.
Dropping them loses minutes of traffic; dropping the datagram's other sets with them would lose
more. The oldest give way when time or memory is up.
"""

from dataclasses import dataclass

from flowsleuth.decode.limits import Limits
from flowsleuth.decode.sessions import Group, Session, Streams


@dataclass(slots=True, eq=False)
class WaitingSet:
    """One data set and the header of the message in which it came."""

    session: Session
    set_id: int
    body: bytes
    header: dict[str, int]


class Waiting:
    """All waiting sets, oldest first, and `gave_up`: stream → sets given up and not counted yet."""

    def __init__(self, limits: Limits, streams: Streams) -> None:
        self._limits = limits
        self._streams = streams
        self._queue: dict[WaitingSet, None] = {}
        self._by_template: dict[tuple[Group, int], dict[WaitingSet, None]] = {}
        self._bytes = 0
        self.gave_up: dict[int, int] = {}

    def add(self, waiting: WaitingSet) -> None:
        """Keep a set; the oldest are given up when memory is up."""
        self._queue[waiting] = None
        self._by_template.setdefault((waiting.session.group, waiting.set_id), {})[waiting] = None
        self._bytes += self._cost(waiting)
        self._streams.template_wait[waiting.session.stream] += 1
        while self._bytes > self._limits.waiting_bytes:
            self._give_up(next(iter(self._queue)))

    def expire(self, now_ns: int) -> None:
        """Give up what has waited too long."""
        while self._queue:
            oldest = next(iter(self._queue))
            if now_ns - oldest.header["received_ns"] <= self._limits.waiting_ns:
                return
            self._give_up(oldest)

    def release(self, group: Group, template_id: int) -> list[WaitingSet]:
        """Return the sets which waited for this template, oldest first, and keep them no more."""
        found = list(self._by_template.get((group, template_id), ()))
        for waiting in found:
            self._remove(waiting)
        return found

    def _give_up(self, waiting: WaitingSet) -> None:
        stream = waiting.session.stream
        self.gave_up[stream] = self.gave_up.get(stream, 0) + 1
        self._remove(waiting)

    def _remove(self, waiting: WaitingSet) -> None:
        del self._queue[waiting]
        key = (waiting.session.group, waiting.set_id)
        same = self._by_template[key]
        del same[waiting]
        if not same:
            del self._by_template[key]
        self._bytes -= self._cost(waiting)
        self._streams.template_wait[waiting.session.stream] -= 1

    def _cost(self, waiting: WaitingSet) -> int:
        return len(waiting.body) + self._limits.waiting_overhead
