"""Which flow records somebody asks for: those that match a filter and touch a range of time.

Judged on columns, before anything is made for a reader: a million flows are looked through for one.
A record stands for two where its responder answered; each half is judged by itself. Times are
those of the points (an exporter's wrong clock is mended by the receipt), so that what a graph shows
at two o'clock is found by asking for two o'clock.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.clocks import judged
from flowsleuth.decode.flows import Flows
from flowsleuth.enrich.counting import Counted, Policy, count
from flowsleuth.enrich.seen import reversed_of, seen_of
from flowsleuth.filters.columns import Seen
from flowsleuth.filters.filter import Filter
from flowsleuth.query.keys import Chosen

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked for.

    only: the filter, None for all records. since_ns, until_ns: the range that a record must touch,
    [since, until), None for no bound. accepted_age_ns: how old a flow may be (see clocks).
    """

    only: Filter | None
    since_ns: int | None
    until_ns: int | None
    accepted_age_ns: int

    @property
    def everything(self) -> bool:
        """Whether no record is left out."""
        return self.only is None and self.since_ns is None and self.until_ns is None

    def shown(self, flows: Flows, policies: Mapping[int, Policy]) -> Mask:
        """Say which records to show, bool (n,): those of which either half is asked for.

        policies: by stream index, what the configuration says of exporters.
        """
        counted = count(flows, policies)
        start, end = self._times(flows)
        first, *answer = _halves(flows, counted)
        matches = self._matching(first)
        for back in answer:
            matches = matches | (self._matching(back) & counted.returned)
        return matches & self._touching(start, end)

    def chosen(self, flows: Flows, policies: Mapping[int, Policy]) -> Iterator[Chosen]:
        """Yield the records to count, as sent and as answered: of those that count in the points.

        policies: as above.
        """
        counted = count(flows, policies)
        start, end = self._times(flows)
        touching = self._touching(start, end)
        # A flow lasted as long as its exporter says, even where points have it at its receipt.
        start = end - np.maximum(flows.end_ns - flows.start_ns, 0)
        post = flows.post_src, flows.post_dst
        sides = (counted.chosen, post), (counted.returned, post[::-1])
        for half, (counts, after) in zip(_halves(flows, counted), sides, strict=False):
            matches = counts & touching & self._matching(half)
            every = Chosen(half, flows.stream, start, end, after)
            yield every if matches.all() else every.take(np.flatnonzero(matches))

    def _times(self, flows: Flows) -> tuple[Ints, Ints]:
        return judged(
            flows.start_ns,
            flows.end_ns,
            flows.received_ns,
            flows.export_ns,
            self.accepted_age_ns,
        )[:2]

    def _touching(self, start: Ints, end: Ints) -> Mask:
        touches = np.ones(len(start), bool)
        if self.since_ns is not None:
            touches &= end >= self.since_ns
        if self.until_ns is not None:
            touches &= start < self.until_ns
        return touches

    def _matching(self, seen: Seen) -> Mask:
        return np.ones(len(seen), bool) if self.only is None else self.only.matches(seen)


def _halves(flows: Flows, counted: Counted) -> Iterator[Seen]:
    """Yield records as filters see them: as they were sent, and what responders sent back."""
    seen = seen_of(flows, counted.bytes, counted.packets, counted.back)
    yield seen
    if counted.back is not None:
        yield reversed_of(seen, *counted.back)
