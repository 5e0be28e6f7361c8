"""The points: one table of all measurements, which the code, the docs and the tests walk.

A counter is summed (`sum()` over its points is always right); a gauge is read with last, max or
mean. Whoever adds a measurement, a tag or a field adds it here, and the tests say what else lacks.
"""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a field may be read."""

    COUNTER = "counter"
    GAUGE = "gauge"
    TEXT = "text"


class Kept(Enum):
    """Which retention a measurement goes to."""

    DETAIL = "detail"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a measurement: its name, how to read it, its unit and what it says."""

    name: str
    kind: Kind
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement: tags in the order in which lines carry them, and fields."""

    name: str
    kept: Kept
    tags: tuple[str, ...]
    fields: tuple[Field, ...]
    meaning: str
    ingester_tag: bool = True


def _counter(name: str, unit: str, meaning: str) -> Field:
    return Field(name, Kind.COUNTER, unit, meaning)


def _gauge(name: str, unit: str, meaning: str) -> Field:
    return Field(name, Kind.GAUGE, unit, meaning)


BYTES = _counter("bytes", "bytes", "after sampling correction, spread over the flow's windows")
PACKETS = _counter("packets", "packets", "after sampling correction, spread like bytes")
FLOWS = _counter("flows", "flow records", "in the window that holds the flow's end; never scaled")
PEERS = _gauge("peers", "addresses", "distinct peers in one window")
PORTS = _gauge("ports", "ports", "distinct service ports in one window")

MEASUREMENTS: tuple[Measurement, ...] = (
    Measurement(
        "traffic",
        Kept.LONG,
        ("network", "direction", "protocol"),
        (
            BYTES,
            PACKETS,
            FLOWS,
            _counter("redated_bytes", "bytes", "part of bytes whose time the exporter had wrong"),
        ),
        "The exact totals of each network.",
    ),
    Measurement(
        "talkers",
        Kept.DETAIL,
        ("network", "direction", "protocol", "address", "port"),
        (BYTES, PACKETS, FLOWS, PEERS),
        "The largest (address, port) of each network; what is too small is folded into `other`.",
    ),
    Measurement(
        "heavy",
        Kept.DETAIL,
        ("network", "direction", "protocol", "address", "port"),
        (BYTES, PACKETS, FLOWS, PEERS),
        "Hourly: at most 10 talkers per network and direction with a tenth or more of its bytes.",
    ),
    Measurement(
        "conversations",
        Kept.DETAIL,
        ("network", "direction", "protocol", "address", "peer", "port"),
        (BYTES, PACKETS, FLOWS),
        "The largest pairs of addresses; promises no sum.",
    ),
    Measurement(
        "hosts",
        Kept.DETAIL,
        ("network", "direction", "address", "host"),
        (
            BYTES,
            PACKETS,
            FLOWS,
            PEERS,
            PORTS,
            _counter("syn_only", "flow records", "TCP flows that showed SYN and never ACK"),
        ),
        "The largest addresses; promises no sum. `host` where a name is configured.",
    ),
    Measurement(
        "interfaces",
        Kept.LONG,
        ("exporter", "interface", "direction"),
        (BYTES, PACKETS, FLOWS, _gauge("speed", "bits/s", "where the configuration tells it")),
        "Traffic of each exporter's interface, ingress and egress.",
    ),
    Measurement(
        "profiles",
        Kept.LONG,
        ("profile", "direction", "protocol"),
        (
            BYTES,
            PACKETS,
            FLOWS,
            _gauge("bytes_limit", "bytes/s", "the configured limit, where there is one"),
        ),
        "Each record once per profile that it matches; the profile `all` always exists. The limit "
        "is of the profile's whole in a direction.",
    ),
    Measurement(
        "exporters",
        Kept.LONG,
        ("exporter", "domain", "version"),
        (
            _counter("datagrams", "datagrams", "received"),
            _counter("records", "flow records", "data records decoded, events included"),
            _counter("options", "records", "options data records decoded"),
            _counter("templates", "templates", "templates and options templates received"),
            _counter("lost", "sequence units", "missing by the sequence numbers of the version"),
            _counter("missing_template", "sets", "data sets given up for want of a template"),
            _gauge("template_wait", "sets", "data sets that wait for their template"),
            _counter("malformed", "faults", "datagrams, sets or templates that break the format"),
            _counter("implausible", "flow records", "records whose bytes x rate reach 2^53"),
            _counter("redated", "flow records", "records whose time the exporter had wrong"),
            _counter("undated", "flow records", "records without times: the header's are used"),
            _counter("sampling_unknown", "flow records", "sampled at a rate that is not known"),
            _gauge("sampling_interval", "1:N", "the largest rate applied; 0 while it is unknown"),
            _gauge("sampling_state", "code", "0 assumed 1, 1 known, 2 unknown"),
            _gauge("clock_skew_ms", "ms", "receipt minus export time, median of the window"),
            _gauge("active_timeout_s", "s", "observed: 95th percentile of long flows' duration"),
            _gauge("export_lag_s", "s", "95th percentile of receipt minus flow start"),
            _gauge(
                "duplicate_share",
                "share",
                "suspected share of flow records one too many (of k copies k-1)",
            ),
            _gauge("silent_s", "s", "from its last datagram to the end of the window"),
            Field("networks", Kind.TEXT, "JSON list", "the networks that it reports for"),
        ),
        "Who sends, and how far it can be trusted; stamped with the window of receipt. Who falls "
        "silent keeps its points for a day, with `silent_s` rising. `networks` is written when it "
        "changes and every five minutes; `all` in it stands for every network.",
    ),
    Measurement(
        "ingester",
        Kept.LONG,
        (),
        (
            _counter("datagrams", "datagrams", "received"),
            _counter("datagram_bytes", "bytes", "received in datagrams"),
            _counter("records", "flow records", "data records decoded"),
            _counter("points", "points", "written"),
            _counter("kernel_drops", "datagrams", "dropped by the kernel: receive buffer full"),
            _counter("not_netflow", "datagrams", "of no version that is decoded"),
            _counter("unlisted", "datagrams", "dropped: exporters_only is set, sender not listed"),
            _counter("malformed", "faults", "datagrams, sets or templates that break the format"),
            _counter("missing_template", "sets", "data sets given up for want of a template"),
            _counter("write_errors", "batches", "attempts to write that failed"),
            _counter("points_refused", "points", "refused by InfluxDB for good"),
            _counter("points_dropped", "points", "given up because the queue or spool was full"),
            _counter("late_points", "points", "written for windows that were closed already"),
            _counter("folded_bytes", "bytes", "in talkers' `other`"),
            _counter("written_early", "windows", "written before their time: memory was full"),
            _counter("archive_lost", "datagrams", "not archived: disk full, failing or too slow"),
            _counter("archive_errors", "attempts", "to write the archive that failed"),
            _counter("bugs", "datagrams", "lost to a bug: the log has its traceback"),
            _gauge("window_keys", "keys", "rows held in open windows"),
            _gauge("queue", "points", "waiting to be written"),
            _gauge("spool", "bytes", "on disk, waiting to be written"),
            _gauge("archive_bytes", "bytes", "of the archive on disk"),
            _gauge("write_seconds", "s", "longest write"),
            _gauge("series", "series", "in use in the detail measurements"),
            _gauge("series_budget", "series", "allowed in the detail measurements"),
            _gauge("admission_bar", "share", "share of a network's bytes that a new series needs"),
            _gauge("receive_buffer", "bytes", "obtained for the sockets"),
            _gauge("rss", "bytes", "resident memory"),
            _gauge("baseline_seconds", "s", "what computing the last `baseline` took"),
        ),
        "The ingester's own health. Each of several workers writes a point of its own in a window: "
        "there, add gauges up, but take the largest of `write_seconds` and `admission_bar`.",
    ),
    Measurement(
        "events",
        Kept.LONG,
        ("kind",),
        (Field("text", Kind.TEXT, "", "what happened"),),
        "Start, stop, reload, changed networks: the dashboards' annotations.",
    ),
    Measurement(
        "baseline",
        Kept.LONG,
        ("network", "direction", "protocol"),
        (
            _gauge("bytes_expected", "bytes/s", "what is normal"),
            _gauge("bytes_upper", "bytes/s", "above this is above normal"),
            _gauge("bytes_floor", "bytes/s", "below this nothing is judged"),
            _gauge("bytes_limit", "bytes/s", "the configured limit"),
            _gauge("lag_s", "s", "the worst export lag of its exporters in the last hour"),
            _gauge("sampled", "0/1", "whether any of its exporters samples"),
            _gauge("exporters_silent", "exporters", "of its exporters, how many are silent"),
            _gauge("learning", "0/1", "whether too little is known yet to say what is normal"),
        ),
        "What is normal, at steps of five minutes, some of them ahead; the same from every "
        "ingester. Rows with `protocol=all` are the whole, and only they carry `bytes_limit`; a "
        "profile has `network=profile:NAME`.",
        ingester_tag=False,
    ),
)

BY_NAME = {measurement.name: measurement for measurement in MEASUREMENTS}

RESERVED_NAMES = frozenset({"unassigned", "unknown", "other", "all"})
"""Tag values with a meaning of their own: no network, exporter or profile may be called so."""
