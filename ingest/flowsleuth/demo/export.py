"""The story's flows leave their exporters: datagrams in order of receipt, and what is true of them.

Each exporter looks through its cache every 20 seconds, at its own second, and sends what has
ended. The history is made a day at a time and ends exactly now; from there on the same exporters
go on, with the same sequence numbers, a minute at a time and as far as they are asked to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from flowsleuth.demo.encode import Encoded, Encoder, Exporter, FlowColumns
from flowsleuth.demo.story import DAY_MINUTES, DAYS, MINUTE, SECOND, Drawn, Story
from flowsleuth.demo.world import (
    DEVICES,
    GREEN,
    LAN,
    NETWORKS,
    OUTSIDE,
    PUSHED,
    STORY_PORT,
    TCP,
    WAN,
)
from flowsleuth.receive.datagrams import Datagrams, Sources

Ints = npt.NDArray[np.int64]

TICK_NS = 20 * SECOND
FIRST_TICK_NS, NEXT_DEVICE_NS = 2 * SECOND, 5 * SECOND
"""When, after now, the first exporter sends, and how much later each further one: a quarter of a
minute of the live part hears all of them."""

ON_THE_WAY_NS, APART_NS = 1_000_000, 100_000
"""From export to receipt, and between the datagrams of one export."""

UP_NS = 20 * 86_400 * SECOND
"""How long before now the exporters started."""

Row = tuple[str, str, int]
"""Network, direction and protocol number."""


@dataclass(slots=True)
class Truth:
    """What was exported, after sampling correction: [bytes, packets, flows] of each row.

    anomaly_bytes: what left Green from the story's port.
    """

    rows: dict[Row, list[int]] = field(default_factory=dict)
    records: int = 0
    anomaly_bytes: int = 0

    def add(self, flows: Drawn, src: Ints, dst: Ints) -> None:
        """Count flows whose ends are in networks src and dst (OUTSIDE or an index)."""
        rate = np.array([device.sampling for device in DEVICES])[flows.device]
        sums = (flows.bytes * rate, flows.packets * rate, np.ones(len(flows), np.int64))
        self.records += len(flows)
        story = (src == GREEN) & (flows.src_port == STORY_PORT)
        self.anomaly_bytes += int(sums[0][story].sum())
        ways = (
            ("out", src, (src != OUTSIDE) & (src != dst)),
            ("in", dst, (dst != OUTSIDE) & (src != dst)),
            ("internal", src, (src != OUTSIDE) & (src == dst)),
        )
        for direction, network, chosen in ways:
            key = network[chosen] * 256 + flows.protocol[chosen]
            for number in np.unique(key):
                rows = np.flatnonzero(chosen)[key == number]
                name = (NETWORKS[number // 256].name, direction, int(number % 256))
                total = self.rows.setdefault(name, [0, 0, 0])
                for i, column in enumerate(sums):
                    total[i] += int(column[rows].sum())

    def by_network(self) -> dict[tuple[str, str], int]:
        """Return the bytes by (network, direction)."""
        sums: dict[tuple[str, str], int] = {}
        for (network, direction, _), (octets, _, _) in self.rows.items():
            sums[network, direction] = sums.get((network, direction), 0) + octets
        return sums


class Site:
    """The exporters at work: first `history`, whole, then `until` as time goes by.

    now_ns: ns since the epoch; the story's now is its whole second. truth: of all that has been
    handed out so far.
    """

    def __init__(self, now_ns: int, seed: int, days: int = DAYS) -> None:
        self.now_ns = now_ns // SECOND * SECOND
        self.days = days
        self.story = Story(self.now_ns, seed, days)
        self.sources = Sources()
        self.truth = Truth()
        self._source = [self.sources.number(d.address, d.port) for d in DEVICES]
        self._encoders = [
            Encoder(
                Exporter(
                    version=d.version,
                    domain=d.domain,
                    boot_ns=self.now_ns - UP_NS,
                    sampling=d.sampling,
                    interfaces={LAN: "lan", WAN: "wan"},
                    refresh_ns=1800 * SECOND,
                )
            )
            for d in DEVICES
        ]
        self._minute = 0
        self._cache: list[Drawn] = []

    def history(self) -> Iterator[Datagrams]:
        """Yield the two weeks up to now, a day at a time."""
        for day in range(self.days):
            yield self._send(self.story.begin_ns + (day + 1) * DAY_MINUTES * MINUTE, DAY_MINUTES)

    def until(self, time_ns: int) -> Datagrams:
        """Return what is exported before time_ns and has not been returned.

        Templates come with every export here, since a collector that starts now needs them.
        RuntimeError: the history has not been read to its end.
        """
        if self._minute < self.days * DAY_MINUTES:
            raise RuntimeError("the exporters have not come to now: read the whole history first")
        for encoder in self._encoders:
            encoder.exporter = replace(encoder.exporter, refresh_ns=TICK_NS)
        return self._send(time_ns, 1)

    def _send(self, time_ns: int, minutes: int) -> Datagrams:
        """Return the datagrams exported before time_ns; flows are drawn `minutes` at a time."""
        while self.story.begin_ns + self._minute * MINUTE < time_ns:
            self._cache.append(self.story.flows(self._minute, minutes))
            self._minute += minutes
        flows = Drawn.join(self._cache)
        export_ns = self._export(flows)
        sent = export_ns < time_ns
        self._cache = [flows.take(~sent)]
        flows, export_ns = flows.take(sent), export_ns[sent]
        network = self.story.ends.network
        self.truth.add(flows, network[flows.src], network[flows.dst])
        parts = []
        for device, encoder in enumerate(self._encoders):
            chosen = flows.device == device
            encoded = encoder.encode(self._columns(flows.take(chosen)), export_ns[chosen])
            parts.append(self._receive(encoded, self._source[device]))
        return merge(parts)

    def _export(self, flows: Drawn) -> Ints:
        """Return when each flow is exported: at the first look after its end."""
        origin = self.now_ns + FIRST_TICK_NS + flows.device * NEXT_DEVICE_NS
        return origin - (origin - flows.end_ns) // TICK_NS * TICK_NS

    def _columns(self, flows: Drawn) -> FlowColumns:
        ends = self.story.ends
        leaves = ends.network[flows.src] == OUTSIDE
        return FlowColumns(
            is_v6=flows.is_v6,
            src=ends.addresses(flows.src, flows.is_v6),
            dst=ends.addresses(flows.dst, flows.is_v6),
            src_port=flows.src_port,
            dst_port=flows.dst_port,
            protocol=flows.protocol,
            tcp_flags=np.where(flows.protocol == TCP, PUSHED, 0),
            in_if=np.where(leaves, WAN, LAN),
            out_if=np.where(leaves, LAN, WAN),
            bytes=flows.bytes,
            packets=flows.packets,
            start_ns=flows.start_ns,
            end_ns=flows.end_ns,
        )

    def _receive(self, encoded: Encoded, source: int) -> Datagrams:
        """Return an exporter's datagrams with the times at which they arrive."""
        times = encoded.export_ns
        first = np.searchsorted(times, times)
        return Datagrams(
            data=encoded.data,
            start=encoded.start,
            length=encoded.length,
            source=np.full(len(times), source, np.int32),
            received_ns=times + ON_THE_WAY_NS + (np.arange(len(times)) - first) * APART_NS,
            sources=self.sources,
        )


def merge(parts: list[Datagrams]) -> Datagrams:
    """Put batches of the same sources together in order of receipt."""
    sizes = np.array([len(batch.data) for batch in parts])
    shifts = np.cumsum(sizes) - sizes
    received_ns = np.concatenate([batch.received_ns for batch in parts])
    order = np.argsort(received_ns, kind="stable")
    start = np.concatenate([b.start + shift for b, shift in zip(parts, shifts, strict=True)])
    return Datagrams(
        data=np.concatenate([batch.data for batch in parts]),
        start=start[order],
        length=np.concatenate([batch.length for batch in parts])[order],
        source=np.concatenate([batch.source for batch in parts])[order],
        received_ns=received_ns[order],
        sources=parts[0].sources,
    )
