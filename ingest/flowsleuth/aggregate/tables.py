"""From chosen columns to the tables of points that write receives (names: flowsleuth.schema)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flowsleuth.aggregate.digest import Conversations, Hosts, Totals
from flowsleuth.aggregate.fold import NO_PEERS, OTHER_PORT, TalkerPoints
from flowsleuth.aggregate.grouping import group
from flowsleuth.aggregate.heavy import HOUR, HeavyPoints
from flowsleuth.aggregate.interfaces import OTHER_INTERFACE, Interfaces
from flowsleuth.aggregate.naming import OTHER, NetworkNames, StreamNames, addresses
from flowsleuth.aggregate.profiles import PLACES
from flowsleuth.aggregate.rows import (
    BYTES,
    CODE_BITS,
    DIRECTIONS,
    FLOWS,
    PACKETS,
    PROTOCOLS,
    SYN_ONLY,
)
from flowsleuth.aggregate.trust import COUNTERS, Observed
from flowsleuth.points import FieldColumn, Table
from flowsleuth.protocols import NAMES as PROTOCOL_NAMES

Ints = npt.NDArray[np.int64]
OffsetOf = Callable[[Ints], Ints]
Coded = tuple[Ints, Ints, Ints]
"""Window, code and sums (n, width), as an Accumulator gives them."""

SIDES = ("ingress", "egress")

_INTERFACE_TAGS = ("exporter", "interface", "direction")


@dataclass(frozen=True, slots=True)
class StreamGauges:
    """Gauges that the decoder keeps, by stream index."""

    template_wait: Sequence[int] = field(default_factory=tuple)
    sampling_interval: Sequence[int] = field(default_factory=tuple)
    sampling_state: Sequence[int] = field(default_factory=tuple)


class Tables:
    """Makes tables; holds only how things are called."""

    def __init__(
        self,
        networks: NetworkNames,
        streams: StreamNames,
        interfaces: Interfaces,
        window_ns: int,
        limits: Mapping[str, float],
    ) -> None:
        self._limits = limits
        self._networks = networks
        self._streams = streams
        self._interfaces = interfaces
        self._window_ns = window_ns

    def _times(self, windows: Ints, offset_of: OffsetOf) -> Ints:
        return windows * self._window_ns + offset_of(windows)

    def traffic(self, totals: Totals, redated: Coded, offset_of: OffsetOf) -> Table:
        """Make points of totals by network, direction and protocol."""
        key = totals.key
        late_keys = redated[0] << CODE_BITS | redated[1]
        sums = np.zeros(len(key), np.int64)
        sums[np.searchsorted(key, late_keys)] = redated[2][:, 0]
        return Table(
            "traffic",
            self._networks.tags(key),
            {
                "bytes": totals.sums[:, BYTES],
                "packets": totals.sums[:, PACKETS],
                "flows": totals.sums[:, FLOWS],
                "redated_bytes": sums,
            },
            self._times(key >> CODE_BITS, offset_of),
        )

    def talkers(self, points: TalkerPoints, offset_of: OffsetOf) -> Table:
        """Make points of the kept talkers and what the others folded into."""
        address = addresses(points.high, points.low)
        for i in np.flatnonzero(points.other).tolist():
            address[i] = OTHER
        return Table(
            "talkers",
            {
                **self._networks.tags(points.key),
                "address": address,
                "port": _ports(points.port),
            },
            {
                **_summed(points.sums),
                "peers": np.where(points.peers == NO_PEERS, np.nan, points.peers),
            },
            self._times(points.key >> CODE_BITS, offset_of),
        )

    def heavy(self, points: HeavyPoints) -> Table:
        """Make points of the hour's heavy talkers."""
        return Table(
            "heavy",
            {
                **self._networks.tags(points.code),
                "address": addresses(points.high, points.low),
                "port": _ports(points.port),
            },
            {
                "bytes": points.bytes,
                "packets": points.packets,
                "flows": points.flows,
                "peers": points.peers,
            },
            points.hour * HOUR + points.offset,
        )

    def conversations(self, c: Conversations, chosen: Ints, offset_of: OffsetOf) -> Table:
        """Make points of the chosen conversations."""
        key = c.key[chosen]
        return Table(
            "conversations",
            {
                **self._networks.tags(key),
                "address": addresses(c.high[chosen], c.low[chosen]),
                "peer": addresses(c.peer_high[chosen], c.peer_low[chosen]),
                "port": _ports(c.port[chosen]),
            },
            _summed(c.sums[chosen]),
            self._times(key >> CODE_BITS, offset_of),
        )

    def hosts(self, h: Hosts, chosen: Ints, offset_of: OffsetOf) -> Table:
        """Make points of the chosen hosts, over all protocols and ports."""
        key = h.key[chosen]
        address = addresses(h.high[chosen], h.low[chosen])
        return Table(
            "hosts",
            {
                **self._networks.tags(key, protocol=False),
                "address": address,
                "host": [self._streams.host(text) for text in address],
            },
            {
                **_summed(h.sums[chosen]),
                "peers": h.peers[chosen],
                "ports": h.ports[chosen],
                "syn_only": h.sums[chosen, SYN_ONLY],
            },
            self._times(key >> CODE_BITS, offset_of),
        )

    def interfaces(self, sums: Coded, offset_of: OffsetOf) -> Table:
        """Make points of interfaces; the code is the interface's number times two plus its side."""
        real = sums[1] > 1  # the first number, on either side, stands for no interface
        windows, codes, values = (column[real] for column in sums)
        # Streams of one exporter (domains, versions) share its interfaces, and names may repeat.
        labels: dict[tuple[str, str, str], int] = {}
        numbers = [labels.setdefault(self._interface(c), len(labels)) for c in codes.tolist()]
        groups = group((windows, np.array(numbers, np.int64)))
        tagged = list(labels)
        first = groups.first.tolist()
        tags = [tagged[numbers[i]] for i in first]
        fields: dict[str, FieldColumn] = {**_summed(groups.sum(values))}
        speeds = [self._streams.speed(*self._interfaces.table[int(codes[i]) >> 1]) for i in first]
        if any(speeds):
            fields["speed"] = np.array([speed or np.nan for speed in speeds])
        return Table(
            "interfaces",
            {name: [tag[i] for tag in tags] for i, name in enumerate(_INTERFACE_TAGS)},
            fields,
            self._times(windows[groups.first], offset_of),
        )

    def _interface(self, code: int) -> tuple[str, str, str]:
        """Return exporter, interface and direction of a code."""
        stream, index = self._interfaces.table[code >> 1]
        name = OTHER if index == OTHER_INTERFACE else self._streams.interface(stream, index)
        return self._streams.exporter(stream)[0], name, SIDES[code & 1]

    def profiles(self, names: Sequence[str], sums: Coded, offset_of: OffsetOf) -> Table:
        """Make points of profiles; names: by their number, which is the code's highest part."""
        windows, codes, values = sums
        named = [names[code // PLACES] for code in codes.tolist()]
        fields: dict[str, FieldColumn] = {**_summed(values)}
        if not self._limits.keys().isdisjoint(named):
            fields["bytes_limit"] = np.array([self._limits.get(name, np.nan) for name in named])
        return Table(
            "profiles",
            {
                "profile": named,
                "direction": [DIRECTIONS[code % PLACES // PROTOCOLS] for code in codes.tolist()],
                "protocol": [PROTOCOL_NAMES[code % PROTOCOLS] for code in codes.tolist()],
            },
            fields,
            self._times(windows, offset_of),
        )

    def exporters(
        self,
        trust: tuple[Ints, Ints, Ints, Observed],
        gauges: StreamGauges,
        offset_of: OffsetOf,
    ) -> Table:
        """Make points of who sent, and how far it can be trusted."""
        windows, streams, sums, observed = trust
        names = [self._streams.exporter(stream) for stream in streams.tolist()]
        return Table(
            "exporters",
            {
                "exporter": [name[0] for name in names],
                "domain": [name[1] for name in names],
                "version": [name[2] for name in names],
            },
            {
                **{counter: sums[:, i] for i, counter in enumerate(COUNTERS)},
                "template_wait": _gauge(gauges.template_wait, streams),
                "sampling_interval": _heard(gauges.sampling_interval, streams, observed),
                "sampling_state": _heard(gauges.sampling_state, streams, observed),
                "clock_skew_ms": observed.clock_skew_ms,
                "export_lag_s": observed.export_lag_s,
                "active_timeout_s": observed.active_timeout_s,
                "duplicate_share": observed.duplicate_share,
                "silent_s": observed.silent_s,
                "networks": observed.networks,
            },
            self._times(windows, offset_of),
        )


def _gauge(values: Sequence[int], streams: Ints) -> Ints:
    known = np.array(values, np.int64)
    return np.array([known[i] if i < len(known) else 0 for i in streams.tolist()], np.int64)


def _heard(
    values: Sequence[int], streams: Ints, observed: Observed
) -> Ints | npt.NDArray[np.float64]:
    """Return a gauge that says nothing of a stream in whose window nothing came."""
    known = _gauge(values, streams)
    if observed.heard == len(known):
        return known
    return np.where(np.arange(len(known)) < observed.heard, known, np.nan)


def _summed(values: Ints) -> dict[str, Ints]:
    return {"bytes": values[:, 0], "packets": values[:, 1], "flows": values[:, 2]}


def _ports(ports: Ints) -> list[str]:
    return [OTHER if port == OTHER_PORT else str(port) for port in ports.tolist()]
