"""A small site for alert rules: flows and what is normal, as the points that collect would write.

Times are minutes from the site's zero, some hours ago: so that nothing depends on the clock. Rates
are Mbit/s. What is not said is as usual: exporters that are a minute late, heard, and not sampled.
"""

import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from services import InfluxService, drop

from flowsleuth.config import Config
from flowsleuth.write import server, setup

MEGABIT = 125_000
"""Bytes/s."""

DAY, HOUR = 1440, 60
"""In minutes."""

NORMAL_OVER_EXPECTED = 2.0


def recent_zero() -> int:
    """Return an hour (epoch seconds) three hours ago: what the rules are asked about is past."""
    return int(time.time()) // 3600 * 3600 - 3 * 3600


@dataclass(frozen=True)
class Flow:
    """What one talker carries, each minute of [begin, end)."""

    network: str
    direction: str
    protocol: str
    address: str
    port: str
    rate: float
    begin: int = -30
    end: int = 90
    peers: Sequence[str] = ("198.51.100.1", "198.51.100.2")
    packet: int = 800
    skip: frozenset[int] = frozenset()
    """Minutes in which the ingester was not there."""


Tags = tuple[tuple[str, str], ...]


@dataclass
class Site:
    """Points by measurement and tags; `write` puts them into a database of their own."""

    zero: int = field(default_factory=recent_zero)
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of each network."""
    lines: list[str] = field(default_factory=list)
    _sums: dict[tuple[str, Tags, int], list[float]] = field(default_factory=dict)

    def add(self, *flows: Flow) -> None:
        """Count flows in traffic, talkers, conversations, hosts and profiles."""
        for flow in flows:
            for minute in range(flow.begin, flow.end):
                if minute not in flow.skip:
                    self._count(flow, minute)

    def _count(self, flow: Flow, minute: int) -> None:
        way = {"network": flow.network, "direction": flow.direction}
        way |= self.labels.get(flow.network, {})
        cut = way | {"protocol": flow.protocol}
        talker = cut | {"address": flow.address, "port": flow.port}
        octets = flow.rate * MEGABIT * 60
        packets = octets / flow.packet
        peers = len(flow.peers)
        self._sum("traffic", cut, minute, octets, packets)
        all_ = {"profile": "all", "direction": flow.direction, "protocol": flow.protocol}
        self._sum("profiles", all_, minute, octets, packets)
        self._sum("talkers", talker, minute, octets, packets, peers)
        if flow.address != "other":
            host = way | {"address": flow.address, "host": f"host-{flow.address}"}
            self._sum("hosts", host, minute, octets, packets, peers)
            for peer in flow.peers[:8]:
                pair = talker | {"peer": peer}
                self._sum("conversations", pair, minute, octets / peers, packets / peers)

    def _sum(self, name: str, tags: Mapping[str, str], minute: int, *values: float) -> None:
        sums = self._sums.setdefault((name, tuple(sorted(tags.items())), minute), [0.0] * 3)
        for i, value in enumerate(values):
            sums[i] = max(sums[i], value) if i == 2 else sums[i] + value

    def normal(
        self, network: str, direction: str, uppers: Mapping[str, float], **more: float
    ) -> None:
        """Say what is normal at most; `more`: other fields of `baseline`, on the row of the whole.

        A lag and silent exporters are in all rows.
        """
        trust = {"lag_s": 60.0, "exporters_silent": 0.0, "sampled": 0.0, "learning": 0.0}
        trust |= {key: more.pop(key) for key in list(more) if key in trust}
        for protocol, upper in uppers.items():
            fields = trust | {"bytes_floor": 1.0 * MEGABIT}
            if upper:
                fields["bytes_upper"] = upper * MEGABIT
                fields["bytes_expected"] = upper * MEGABIT / NORMAL_OVER_EXPECTED
            if protocol == "all":
                fields |= {key: value * MEGABIT for key, value in more.items()}
            tags = {"network": network, "direction": direction, "protocol": protocol}
            for step in range(-60, 120, 5):
                self.point("baseline", tags, step, **fields)

    def point(
        self, name: str, tags: Mapping[str, str], minute: float, **fields: float | int | str
    ) -> None:
        """Add a point as it is."""
        named = _tagged(sorted(tags.items()))
        ingester = "" if name == "baseline" or "ingester" in tags else ",ingester=main"
        columns = ",".join(f"{key}={_cell(value)}" for key, value in fields.items())
        self.lines.append(f"{name}{ingester}{named} {columns} {self.zero + round(minute * 60)}")

    def health(self, begin: int = -90, end: int = 120, skip: frozenset[int] = frozenset()) -> None:
        """Let the ingester live."""
        for minute in range(begin, end):
            if minute not in skip:
                self.point("ingester", {}, minute, **HEALTHY)

    def exporter(self, name: str, **fields: float) -> None:
        """Let an exporter report; fields: gauges and counters of each minute."""
        tags = {"exporter": name, "domain": "0", "version": "v9"}
        values = (
            {"datagrams": 60, "records": 1800, "lost": 0, "missing_template": 0} | HEARD | fields
        )
        for minute in range(-70, 100):
            self.point("exporters", tags, minute, **values)

    def written(self) -> Iterator[str]:
        """Yield all lines."""
        yield from self.lines
        for (name, tags, minute), (octets, packets, peers) in self._sums.items():
            named = _tagged(tags)
            also = f",peers={peers:.0f}" if name in {"talkers", "hosts"} and peers else ""
            if name == "hosts":
                also += ",ports=1,syn_only=0i"
            yield (
                f"{name},ingester=main{named} bytes={octets:.0f}i,packets={packets:.0f}i,"
                f"flows={packets / 10:.0f}i{also} {self.zero + minute * 60}"
            )

    @contextmanager
    def stored(self, influxdb: InfluxService) -> Iterator[Config]:
        """Write it into a database of its own, which is removed when the block ends."""
        name = f"test_{secrets.token_hex(6)}"
        config = Config(influx=influxdb.settings(database=name))
        setup.prepare(config)
        settings = config.influx
        of_policy = defaultdict(list)
        for line in self.written():
            is_detail = line.split(",", 1)[0] in DETAIL
            of_policy[settings.detail if is_detail else settings.database].append(line)
        with server.connect(settings) as client, client.write_api() as api:
            for bucket, lines in of_policy.items():
                api.write(bucket, settings.org, lines, write_precision="s")
        try:
            yield config
        finally:
            drop(config)


DETAIL = frozenset({"talkers", "heavy", "conversations", "hosts"})

HEARD = {
    "sampling_state": 1.0, "sampling_interval": 1.0, "clock_skew_ms": 5.0, "silent_s": 3.0,
    "active_timeout_s": 60.0, "export_lag_s": 60.0, "duplicate_share": 0.0, "template_wait": 0.0,
}  # fmt: skip

HEALTHY = {
    "datagrams": 1000, "kernel_drops": 0, "write_errors": 0, "points_dropped": 0,
    "points_refused": 0, "write_seconds": 0.2, "folded_bytes": 0, "points": 500,
}  # fmt: skip


def _tagged(tags: Iterable[tuple[str, str]]) -> str:
    return "".join(f",{key}={value.replace(' ', chr(92) + ' ')}" for key, value in tags if value)


def _cell(value: float | str) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value}i" if isinstance(value, int) else repr(float(value))
