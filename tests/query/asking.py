"""Records to rank, and the ranking once more in plain Python."""

from collections import defaultdict
from ipaddress import ip_address

import numpy as np
from aggregate.driving import NETWORKS, network_of
from aggregate.traffic import flows_of

from flowsleuth.enrich.networks import Networks
from flowsleuth.protocols import NAMES
from flowsleuth.query.keys import BY_NAME, Known
from flowsleuth.query.selection import Selection
from flowsleuth.query.top import Top

KNOWN = Known(Networks(NETWORKS), lambda stream: f"exporter-{stream}")
EVERYTHING = Selection(None, None, None, 25 * 3600 * 10**9)
AS_SHARED = {"tos": "stream", "src_as": "in_if", "dst_as": "out_if"}
"""Optional columns → the field of a record that stands in for them."""


def families(records):
    """Flows of each family."""
    four = [r for r in records if "." in r["src"] and "." in r["dst"]]
    six = [r for r in records if not ("." in r["src"] and "." in r["dst"])]
    for part in (four, six):
        if part:
            flows = flows_of(part)
            flows.optional = {
                name: np.array([r[field] for r in part], np.uint32)
                for name, field in AS_SHARED.items()
            }
            yield flows


def ranked(records, names, order="bytes", n=10, most=1_000_000, selection=EVERYTHING):
    """Return the Ranking, each record added by itself."""
    top = Top([BY_NAME[name] for name in names], order, KNOWN, most)
    for one in records:
        for flows in families([one]):
            for chosen in selection.chosen(flows, {}):
                top.add(chosen)
                assert top._held <= 2 * most + 2
    return top.ranking(n)


def _network(record, end):
    return network_of(record[end]) or "unassigned"


def _touched(record, end):
    other = {"src": "dst", "dst": "src"}[end]
    mine = _network(record, end)
    return _network(record, other) if mine == "unassigned" else mine


def _flags(record):
    return "".join(c if record["tcp_flags"] >> 7 - i & 1 else "." for i, c in enumerate("CEUAPRSF"))


ONE_SIDED = {
    "srcip": lambda r: str(ip_address(r["src"])),
    "dstip": lambda r: str(ip_address(r["dst"])),
    "srcport": lambda r: r["src_port"],
    "dstport": lambda r: r["dst_port"],
    "proto": lambda r: NAMES[r["protocol"]],
    "flags": _flags,
    "tos": lambda r: r["stream"],
    "srcas": lambda r: r["in_if"],
    "dstas": lambda r: r["out_if"],
    "inif": lambda r: r["in_if"],
    "outif": lambda r: r["out_if"],
    "srcnet": lambda r: _network(r, "src"),
    "dstnet": lambda r: _network(r, "dst"),
    "exporter": lambda r: f"exporter-{r['stream']}",
}
TWO_SIDED = {
    "ip": lambda r, end: str(ip_address(r[end])),
    "port": lambda r, end: r[f"{end}_port"],
    "as": lambda r, end: r[{"src": "in_if", "dst": "out_if"}[end]],
    "if": lambda r, end: r[{"src": "in_if", "dst": "out_if"}[end]],
    "network": _touched,
}


def keys_of(record, names):
    """The distinct keys at which a record counts."""

    def at(end):
        return tuple(
            ONE_SIDED[name](record) if name in ONE_SIDED else TWO_SIDED[name](record, end)
            for name in names
        )

    return {at("src"), at("dst")}


def by_loops(records, names):
    """{key: [flows, packets, bytes, first, last]}."""
    sums = defaultdict(lambda: [0, 0, 0, 2**62, -(2**62)])
    for record in records:
        for key in keys_of(record, names):
            entry = sums[key]
            entry[0] += 1
            entry[1] += record["packets"]
            entry[2] += record["bytes"]
            entry[3] = min(entry[3], record["start_ns"], record["end_ns"])
            entry[4] = max(entry[4], record["end_ns"])
    return dict(sums)


def measured(entry, order):
    """What `order` ranks by."""
    flows, packets, octets, first, last = entry
    seconds = (last - first) / 1e9
    return {
        "flows": flows,
        "packets": packets,
        "bytes": octets,
        "pps": packets / seconds if seconds else 0.0,
        "bps": octets * 8 / seconds if seconds else 0.0,
        "bpp": octets / packets if packets else 0.0,
    }[order]
