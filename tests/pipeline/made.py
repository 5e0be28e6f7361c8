"""Captures made with the demo's encoder, as batches; what the points of a pipeline are as lines."""

import re

import numpy as np

from flowsleuth.config import Config
from flowsleuth.demo.encode import Encoder, Exporter, FlowColumns
from flowsleuth.pipeline import files
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.receive.datagrams import Datagrams, Sources
from flowsleuth.write.lines import encode

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^,]+)')
START = 1_700_000_000 * SECOND
DELAY = 2 * SECOND
"""From the export of a datagram to its receipt."""

NETWORKS = [
    {"name": "Green", "prefixes": ["10.1.0.0/16", "2001:db8:1::/48"]},
    {"name": "Blue", "prefixes": ["10.2.0.0/16"]},
]


def config(**settings):
    """A configuration with two networks."""
    return Config.model_validate({"networks": NETWORKS, **settings})


def flows(count, span_ns, seed, *, v6=True):
    """Random flows that end within `span_ns` from START, and the times of their export."""
    rng = np.random.default_rng(seed)
    is_v6 = rng.random(count) < (0.2 if v6 else 0)
    host, peer = rng.integers(1, 30, (2, count)), rng.integers(1, 200, count)
    blue = rng.random(count) < 0.3

    def ends(v4_base, v6_high, low):
        column = np.zeros((count, 2), np.uint64)
        column[:, 0] = np.where(is_v6, v6_high, 0)
        column[:, 1] = low + np.where(is_v6, 0, v4_base)
        return column

    end = START + np.sort(rng.integers(0, span_ns // 10**6, count)) * 10**6
    green, outside = 0x20010DB800010000, 0x20010DB800090000
    columns = FlowColumns(
        is_v6=is_v6,
        src=ends(np.where(blue, 0x0A020000, 0x0A010000), green, host[0]),
        dst=ends(0xC0000200, outside, peer),
        src_port=rng.integers(1024, 65536, count),
        dst_port=rng.choice([22, 53, 443, 8080, 40000], count),
        protocol=rng.choice([1, 6, 17], count),
        tcp_flags=rng.integers(0, 32, count),
        in_if=rng.integers(0, 4, count),
        out_if=rng.integers(0, 4, count),
        bytes=rng.integers(1, 2**24, count),
        packets=rng.integers(1, 2**12, count),
        start_ns=end - rng.integers(0, 200_000, count) * 10**6,
        end_ns=end,
    )
    return columns, (end // SECOND + 1) * SECOND


def datagrams(columns, export_ns, version=9, domain=7, sampling=1):
    """[(payload, received_ns)] of one exporter."""
    exporter = Exporter(version, domain, START - 10**5 * SECOND, sampling)
    encoded = Encoder(exporter).encode(columns, export_ns)
    whole = encoded.data.tobytes()
    return [
        (whole[start : start + length], at + DELAY)
        for start, length, at in zip(
            encoded.start.tolist(), encoded.length.tolist(), encoded.export_ns.tolist(), strict=True
        )
    ]


def heard(per_exporter):
    """[(payload, exporter, received_ns)] in order of receipt."""
    items = [
        (payload, exporter, at) for exporter, sent in per_exporter.items() for payload, at in sent
    ]
    return sorted(items, key=lambda item: item[2])


def batches(items, size):
    """Yield Datagrams of `size` datagrams each."""
    sources = Sources()
    for i in range(0, len(items), size):
        yield Datagrams.pack(
            [(p, sources.number(exporter, 9995), at) for p, exporter, at in items[i : i + size]],
            sources,
        )


def traffic(count=120, span_ns=2 * HOUR, seed=0):
    """Three exporters (v5, v9, IPFIX) with flows of their own."""
    per_exporter = {}
    for number, version in enumerate((5, 9, 10)):
        columns, export_ns = flows(count, span_ns, seed + number, v6=version != 5)
        sampling = 1 if version == 10 else 10
        per_exporter[f"192.0.2.{number + 1}"] = datagrams(
            columns, export_ns, version, sampling=sampling
        )
    return heard(per_exporter)


def lines_of(tables):
    """Line protocol of tables."""
    return [line.decode() for table in tables for line in encode(table, {"ingester": "main"})]


def points(items, size=500, **settings):
    """The sorted lines that `points` would write."""
    pipeline = Pipeline(config(**settings), {})
    flushes = files.points(pipeline, batches(items, size))
    return sorted(line for tables in flushes for line in lines_of(tables))


def read(line):
    """Take a line apart: measurement, tags, fields (ints, floats), time."""
    head, rest = re.split(r"(?<!\\) ", line, maxsplit=1)
    fields, time = rest.rsplit(" ", 1)
    measurement, *tags = head.split(",")
    return (
        measurement,
        dict(tag.split("=") for tag in tags),
        {name: _value(value) for name, value in FIELD.findall(fields)},
        int(time),
    )


def _value(text):
    if text.startswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return int(text[:-1]) if text.endswith("i") else float(text)


def total(lines, measurement, name="bytes", **tags):
    """Sum a field over lines of one measurement whose tags are as said."""
    found = (read(line) for line in lines if line.startswith(f"{measurement},"))
    return sum(f[name] for _, t, f, _ in found if tags.items() <= t.items())
