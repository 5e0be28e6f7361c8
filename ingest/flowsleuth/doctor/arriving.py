"""Whether anything arrives on the port, and from whom.

Where `collect` runs, its `/metrics` tell whether it receives. Where it does not, doctor listens in
its place, and what it hears goes through the same rooms, so that templates, clocks, sampling and
networks are judged by the same numbers.
"""

import json
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from flowsleuth.config import Config, Listener
from flowsleuth.doctor.kinds import (
    FIREWALL,
    NO_DATAGRAMS,
    NOT_ALIVE,
    NOT_RUNNING,
    PORT_TAKEN,
    UNLISTED,
    WRONG_PORT,
    Finding,
    well,
)
from flowsleuth.doctor.wire import Seen, Wire
from flowsleuth.errors import FlowSleuthError
from flowsleuth.receive.datagrams import Datagrams, Sources
from flowsleuth.receive.udp import UdpReceiver

USUAL_PORTS = (2055, 2056, 4739, 9555, 9995, 9996)
"""Where exporters are told to send by their vendors' examples; 4739 is IPFIX's (RFC 7011, 10.1)."""

WORKERS = "workers"
"""Stands among the metrics for how many workers told them."""

ANSWER_S = 5.0
POLL_S = 0.2

Metrics = Mapping[str, float]
"""Name of a sample -> its value, over all workers."""


@dataclass(frozen=True, slots=True)
class Running:
    """What a running `collect` said: when doctor came, and after the wait."""

    before: Metrics
    after: Metrics
    reasons: tuple[str, ...] = ()

    def moved(self, name: str) -> int:
        """Return by how much a counter has risen."""
        key = f"flowsleuth_{name}_total"
        return round(max(0.0, self.after.get(key, 0.0) - self.before.get(key, 0.0)))


@dataclass
class Arrival:
    """What arrived within `seconds`.

    running: what a running `collect` said, None where none answers. batches: what doctor received
    in its place. elsewhere: senders to other usual ports (port -> count), where nobody listens.
    wire: what reached the network cards, None where nobody may look. taken: why the port could not
    be had.
    """

    seconds: float
    running: Running | None = None
    batches: list[Datagrams] = field(default_factory=list)
    elsewhere: Counter[tuple[str, int]] = field(default_factory=Counter)
    wire: Mapping[Seen, int] | None = None
    taken: str = ""

    @property
    def received(self) -> int:
        """How many datagrams reached the socket."""
        if self.running is not None:
            return self.running.moved("datagrams")
        return sum(map(len, self.batches))

    @property
    def senders(self) -> list[str]:
        """Whose datagrams reached doctor's own socket."""
        sources = {
            batch.sources.table[number].address
            for batch in self.batches
            for number in set(batch.source.tolist())
        }
        return sorted(sources)


def watch(config: Config, seconds: float) -> Arrival:
    """Watch for so long."""
    arrival = Arrival(seconds)
    before = metrics(config.health)
    with ExitStack() as stack:
        wire = stack.enter_context(Wire())
        if before is None:
            _listen(config, arrival, stack)
        else:
            time.sleep(seconds)
    if before is not None:
        reasons = tuple(_ailments(config.health))
        arrival.running = Running(before, metrics(config.health) or before, reasons)
    arrival.wire = wire.heard
    return arrival


def _listen(config: Config, arrival: Arrival, stack: ExitStack) -> None:
    """Receive on the configured endpoints, and on the usual ports that are free."""
    receivers = {}
    own = UdpReceiver(
        [(listener.host, listener.port) for listener in config.listen],
        Sources(),
        receive_buffer=config.receive_buffer,
    )
    try:
        own.start()
    except FlowSleuthError as error:
        arrival.taken = str(error)
    else:
        stack.callback(own.stop)
    ours = {listener.port for listener in config.listen}
    for port in USUAL_PORTS:
        if port in ours:
            continue
        other = UdpReceiver([(config.listen[0].host, port)], Sources(), receive_buffer=2**16)
        try:
            other.start()
        except FlowSleuthError:
            continue  # somebody listens there: not ours to judge
        receivers[port] = other
        stack.callback(other.stop)
    deadline = time.monotonic() + arrival.seconds
    while time.monotonic() < deadline:
        if arrival.taken:
            time.sleep(POLL_S)
        elif (batch := own.batches(POLL_S)) is not None:
            arrival.batches.append(batch)
        for port, other in receivers.items():
            while (batch := other.batches(0)) is not None:
                for number in batch.source.tolist():
                    arrival.elsewhere[batch.sources.table[number].address, port] += 1


def metrics(endpoint: Listener | None) -> Metrics | None:
    """Return what a running `collect` counts, None where none answers."""
    text = _get(endpoint, "/metrics")
    if text is None or "flowsleuth_" not in text:
        return None
    summed: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            summed[sample.name] += sample.value
            summed[WORKERS] += sample.name == "flowsleuth_alive"
    return summed


def _ailments(endpoint: Listener | None) -> Iterator[str]:
    if text := _get(endpoint, "/healthz"):
        yield from json.loads(text).get("reasons", ())


def _get(endpoint: Listener | None, path: str) -> str | None:
    if endpoint is None:
        return None
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(endpoint.host, endpoint.host)  # noqa: S104
    where = Listener(host=host, port=endpoint.port).text
    try:
        with urllib.request.urlopen(f"http://{where}{path}", timeout=ANSWER_S) as answer:
            return str(answer.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode(errors="replace")
    except OSError:
        return None


def listened_to() -> set[int]:
    """Return the UDP ports at which somebody listens here."""
    ports: set[int] = set()
    for table in ("udp", "udp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        ports |= {int(line.split()[1].rpartition(":")[2], 16) for line in lines}
    return ports


def judge(config: Config, arrival: Arrival, busy_ports: Iterable[int]) -> Iterator[Finding]:
    """Yield what the arrivals say. busy_ports: where somebody listens."""
    ours = {listener.port for listener in config.listen}
    if arrival.running is None and not arrival.taken:
        yield Finding(
            NOT_RUNNING,
            f"no collect answers at {_health(config)}: doctor listened for {arrival.seconds:g} s",
            ("systemctl start flowsleuth", "flowsleuth collect -c flowsleuth.yaml"),
        )
    if arrival.running is not None and arrival.running.reasons:
        yield Finding(
            NOT_ALIVE, "; ".join(arrival.running.reasons), ("journalctl -u flowsleuth -n 50",)
        )
    if arrival.taken:
        yield Finding(PORT_TAKEN, arrival.taken, (f"ss -lunp 'sport = :{min(ours)}'",))
    astray = _astray(arrival, ours, set(busy_ports))
    yield from _ports(astray, ours)
    if arrival.received:
        yield _arrives(arrival)
        yield from _unlisted(arrival)
    elif not arrival.taken:
        yield from _silence(arrival, ours, astray=bool(astray))


def _health(config: Config) -> str:
    return config.health.text if config.health is not None else "(health: null)"


def _astray(arrival: Arrival, ours: set[int], busy: set[int]) -> Counter[tuple[str, int]]:
    """Return who sends where nobody listens: (address, port) -> datagrams."""
    found = Counter(arrival.elsewhere)
    for seen, count in (arrival.wire or {}).items():
        key = (seen.source, seen.port)
        if seen.port not in {*ours, *busy} and key not in arrival.elsewhere:
            found[key] += count
    return found


def _ports(astray: Mapping[tuple[str, int], int], ours: set[int]) -> Iterator[Finding]:
    for (source, port), count in sorted(astray.items()):
        yield Finding(
            WRONG_PORT,
            f"{source} sends NetFlow to port {port} ({count} datagrams), where nobody listens: "
            f"collect listens on {', '.join(map(str, sorted(ours)))}",
            (
                f"on {source}: set the collector's port to {min(ours)} (docs/exporters.md)",
                f'or in flowsleuth.yaml: listen: ["0.0.0.0:{min(ours)}", "0.0.0.0:{port}"]',
            ),
        )


def _arrives(arrival: Arrival) -> Finding:
    names = arrival.senders or sorted({seen.source for seen in arrival.wire or {}})
    whom = f" from {_listed(names)}" if names else ""
    return well(f"{arrival.received} datagrams in {arrival.seconds:g} s{whom}")


def _unlisted(arrival: Arrival) -> Iterator[Finding]:
    if arrival.running is not None and (count := arrival.running.moved("unlisted")):
        yield Finding(
            UNLISTED,
            f"{count} of them are dropped: exporters_only is set and their senders are not listed",
            ("in flowsleuth.yaml: list them under exporters, or exporters_only: false",),
        )


def _silence(arrival: Arrival, ours: set[int], *, astray: bool) -> Iterator[Finding]:
    port = min(ours)
    here = sorted({seen.source for seen in arrival.wire or {} if seen.port in ours})
    if here:
        yield Finding(
            FIREWALL,
            f"NetFlow from {_listed(here)} reaches this machine at port {port}, and never the "
            "socket: a firewall on this machine drops it",
            (
                f"nft insert rule inet filter input udp dport {port} accept",
                f"or: ufw allow proto udp to any port {port}",
                f"or: firewall-cmd --permanent --add-port={port}/udp && firewall-cmd --reload",
            ),
        )
    elif not astray:
        unsure = (
            ""
            if arrival.wire is not None
            else "; run doctor as root to tell whether this machine's firewall drops it"
        )
        yield Finding(
            NO_DATAGRAMS,
            f"nothing arrived on port {port} within {arrival.seconds:g} s{unsure}",
            (
                "on the exporter: check the collector's address and port (docs/exporters.md)",
                f"tcpdump -ni any udp port {port}",
            ),
        )


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
