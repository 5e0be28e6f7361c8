"""What is known of exporters and networks, from InfluxDB or from what doctor heard, and judged.

Both are rows of the measurements `exporters` and `traffic` by the schema's names, so one judgement
serves both.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flowsleuth.config import Config
from flowsleuth.doctor.kinds import (
    ACTIVE_TIMEOUT,
    CLOCK,
    DUPLICATES,
    EMPTY_NETWORK,
    LOSS,
    NO_MATCH,
    SAMPLING,
    SILENT,
    TEMPLATES,
    UNASSIGNED,
    Finding,
    well,
)
from flowsleuth.pipeline import files
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.points import Table
from flowsleuth.receive.datagrams import Datagrams
from flowsleuth.schema import BY_NAME, Kind

LATE_S = 150
"""Rules judge traffic up to 120 s late: an active timeout of a minute, and some slack."""

SKEW_S = 120
"""From here on the ingester shifts an exporter's times."""

SILENT_S = 300
LOST_SHARE = 0.001
DOUBLE_SHARE = 0.2
RATE_UNKNOWN = 2

TIMEOUT_REMEDY = (
    "on {name}: set the active timeout to 60 s (Cisco: cache timeout active 60; softflowd: -t "
    "maxlife=60; others: docs/exporters.md)"
)
TEMPLATES_REMEDY = (
    "on {name}: send templates every minute (Cisco: template data timeout 60; others: "
    "docs/exporters.md)"
)

UNASSIGNED_NAME = "unassigned"

Row = Mapping[str, Any]
"""One stream: the tags and fields of `exporters`, counters summed, gauges the last."""


@dataclass
class Traffic:
    """What is known. networks: bytes by network; span: of which time, in words."""

    span: str
    exporters: list[Row] = field(default_factory=list)
    networks: dict[str, int] = field(default_factory=dict)


def heard(
    config: Config, names: dict[str, str], batches: Sequence[Datagrams], span: str
) -> Traffic:
    """Return what datagrams say that doctor received itself."""
    traffic = Traffic(span)
    for tables in files.points(Pipeline(config, names), batches):
        for table in tables:
            if table.measurement == "exporters":
                traffic.exporters += _rows(table)
            elif table.measurement == "traffic":
                _count(table, traffic.networks)
    return traffic


def _rows(table: Table) -> Iterator[Row]:
    for i in range(len(table)):
        row: dict[str, Any] = {name: column[i] for name, column in table.tags.items()}
        for name, values in table.fields.items():
            value: Any = values[i]
            if isinstance(value, str) or not np.isnan(value):
                row[name] = value
        yield row


def _count(table: Table, networks: dict[str, int]) -> None:
    octets = table.fields["bytes"]
    for i, name in enumerate(table.tags["network"]):
        networks[name] = networks.get(name, 0) + int(octets[i])


Ask = Callable[[str], Iterable[Row]]
"""Answers an InfluxQL query with rows, each with its tags."""

EXPORTERS_SPAN, NETWORKS_SPAN = "1h", "1d"


def exporters_query() -> str:
    """Return the query for the streams of the last hour: counters summed, gauges the last."""
    columns = ", ".join(
        f'{"sum" if f.kind is Kind.COUNTER else "last"}("{f.name}") AS "{f.name}"'
        for f in BY_NAME["exporters"].fields
    )
    tags = ", ".join(f'"{tag}"' for tag in BY_NAME["exporters"].tags)
    return (
        f'SELECT {columns} FROM "exporters" WHERE time > now() - {EXPORTERS_SPAN} GROUP BY {tags}'
    )


def networks_query() -> str:
    """Return the query for what each network carried in the last day."""
    return (
        f'SELECT sum("bytes") AS "bytes" FROM "traffic" WHERE time > now() - {NETWORKS_SPAN} '
        'GROUP BY "network"'
    )


def stored(ask: Ask) -> Traffic:
    """Return what InfluxDB has."""
    traffic = Traffic("the last hour")
    traffic.exporters = list(ask(exporters_query()))
    traffic.networks = {
        str(row["network"]): int(row["bytes"] or 0) for row in ask(networks_query())
    }
    return traffic


def judge(config: Config, traffic: Traffic) -> Iterator[Finding]:
    """Yield what is to be said."""
    if not traffic.exporters:
        return
    addresses = {about.name: address for address, about in config.exporters.items()}
    by_exporter: dict[str, list[Row]] = {}
    for row in traffic.exporters:
        by_exporter.setdefault(str(row["exporter"]), []).append(row)
    ailing = 0
    off = {name: _skew(rows) for name, rows in by_exporter.items()}
    for name, rows in sorted(by_exporter.items()):
        address = addresses.get(name, name)
        found = [
            *_clock(name, off),
            *_sampling(name, address, rows),
            *_timeout(name, rows),
            *_templates(name, rows),
            *_loss(name, rows, traffic.span),
            *_doubles(name, address, rows),
            *_silence(name, rows),
        ]
        ailing += bool(found)
        yield from found
    if ailing < len(by_exporter):
        count = len(by_exporter) - ailing
        yield well(f"{count} of {len(by_exporter)} exporters send as they should")
    yield from _networks(config, traffic.networks)


def _worst(rows: Iterable[Row], field_name: str) -> float:
    """Return the largest value of a field, 0 where nobody has it."""
    return max(
        (float(row[field_name]) for row in rows if row.get(field_name) is not None), default=0
    )


def _total(rows: Iterable[Row], field_name: str) -> int:
    return sum(int(row[field_name]) for row in rows if row.get(field_name) is not None)


def _skew(rows: Iterable[Row]) -> float:
    """Return the clock's offset in s that is furthest from 0: receipt minus export time."""
    known = [float(r["clock_skew_ms"]) / 1000 for r in rows if r.get("clock_skew_ms") is not None]
    return max(known, key=abs, default=0.0)


def _clock(name: str, off: Mapping[str, float]) -> Iterator[Finding]:
    skew = off[name]
    if abs(skew) < SKEW_S:
        return
    hours = skew / 3600
    zone = ", whole hours: a time zone" if abs(hours - round(hours)) < 0.02 and round(hours) else ""
    word = "behind" if skew > 0 else "ahead"
    everybody = len(off) > 1 and all(abs(other - skew) < SKEW_S for other in off.values())
    yield Finding(
        CLOCK,
        f"{name}: its clock is {_span(abs(skew))} {word}{zone}"
        + ("; all others' too, so it may be this machine's" if everybody else ""),
        (
            "here: timedatectl set-ntp true"
            if everybody
            else f"on {name}: have NTP set its clock, in UTC (Cisco: ntp server ADDRESS)",
            "timedatectl timesync-status",
        ),
    )


def _span(seconds: float) -> str:
    """Return a duration in the largest unit of which it has one."""
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 0.995 * unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds:.0f} s"


def _sampling(name: str, address: str, rows: Iterable[Row]) -> Iterator[Finding]:
    if _worst(rows, "sampling_state") != RATE_UNKNOWN:
        return
    yield Finding(
        SAMPLING,
        f"{name} samples, and does not say at which rate: its bytes count once",
        (
            f"in flowsleuth.yaml: exporters: {{{address}: {{sampling: N}}}}   # 1 packet in N",
            "systemctl reload flowsleuth",
        ),
    )


def _timeout(name: str, rows: Iterable[Row]) -> Iterator[Finding]:
    timeout = max(_worst(rows, "active_timeout_s"), 0.0)
    if timeout <= LATE_S:
        return
    yield Finding(
        ACTIVE_TIMEOUT,
        f"{name} speaks of a long flow only after {_span(timeout)} (active timeout)",
        (TIMEOUT_REMEDY.format(name=name),),
    )


def _templates(name: str, rows: Iterable[Row]) -> Iterator[Finding]:
    waiting, lost = _worst(rows, "template_wait"), _total(rows, "missing_template")
    if not waiting and not lost:
        return
    yield Finding(
        TEMPLATES,
        f"{name}: {waiting:.0f} data sets wait for their template, {lost} were given up",
        (TEMPLATES_REMEDY.format(name=name),),
    )


def _loss(name: str, rows: Sequence[Row], span: str) -> Iterator[Finding]:
    lost, came = _total(rows, "lost"), _total(rows, "records")
    if lost <= LOST_SHARE * max(came, 1):
        return
    yield Finding(
        LOSS,
        f"{name}: sequence numbers miss {lost} beside {came} records received in {span}",
        (
            "sysctl -w net.core.rmem_max=16777216   # and receive_buffer: 16M",
            f"on {name} and the way here: see interface drops and rate limits of exports",
        ),
    )


def _doubles(name: str, address: str, rows: Iterable[Row]) -> Iterator[Finding]:
    share = _worst(rows, "duplicate_share")
    if share < DOUBLE_SHARE:
        return
    yield Finding(
        DUPLICATES,
        f"{name}: {share:.0%} of its flow records seem to be second copies",
        (f"in flowsleuth.yaml: exporters: {{{address}: {{count: ingress}}}}",),
    )


def _silence(name: str, rows: Iterable[Row]) -> Iterator[Finding]:
    known = [float(row["silent_s"]) for row in rows if row.get("silent_s") is not None]
    if not known or min(known) < SILENT_S:
        return
    yield Finding(
        SILENT,
        f"{name} has sent nothing for {_span(min(known))}",
        (f"ping {name}", f"tcpdump -ni any udp and host {name}"),
    )


def _networks(config: Config, carried: Mapping[str, int]) -> Iterator[Finding]:
    total = sum(carried.values())
    if not total:
        return
    names = [network.name for network in config.networks]
    empty = [name for name in names if not carried.get(name)]
    away = carried.get(UNASSIGNED_NAME, 0) / total
    remedy = (
        "flowsleuth check --suggest capture.pcap   # what a capture of some minutes shows",
        "in flowsleuth.yaml: networks",
    )
    if len(empty) == len(names):
        yield Finding(NO_MATCH, f"no traffic matches any network ({', '.join(names)})", remedy)
        return
    for name in empty:
        yield Finding(EMPTY_NETWORK, f"network {name} has no traffic", remedy)
    if away > 0.5:
        said = f"{away:.0%} of the bytes touch no configured network"
        yield Finding(UNASSIGNED, said, remedy)
    if not empty and away <= 0.5:
        yield well(f"all {len(names)} networks have traffic; {away:.0%} of bytes touch none")
