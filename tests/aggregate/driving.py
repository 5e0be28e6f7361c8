"""An aggregator with two networks, driven by lists of plain records."""

from collections import defaultdict
from ipaddress import ip_address, ip_network

from flowsleuth.aggregate.aggregator import FOREVER, Aggregator, Settings
from flowsleuth.aggregate.naming import NetworkNames, StreamNames
from flowsleuth.aggregate.stamps import Stamp
from flowsleuth.enrich.enricher import Enricher
from flowsleuth.enrich.networks import Networks
from flowsleuth.enrich.services import Services

from .traffic import flows_of

NETWORKS = (
    ("Green", [ip_network("10.1.0.0/16"), ip_network("2001:db8:1::/48")]),
    ("Blue", [ip_network("10.2.0.0/16")]),
)

CONFIGURED = {(14857, 17): "acme-sync"}


def network_of(address):
    """Return the name of the network of an address, or None."""
    found = [
        name
        for name, prefixes in NETWORKS
        if any(ip_address(address) in prefix for prefix in prefixes)
    ]
    return found[0] if found else None


class Driven:
    """Takes lists of records; `flush` returns points as dicts. profiles: filters."""

    def __init__(self, settings=None, services=None, labels=(), profiles=()):
        self.services = Services(CONFIGURED if services is None else services)
        self.enricher = Enricher(Networks(NETWORKS), self.services, profiles)
        self.aggregator = Aggregator(
            settings or Settings(),
            NetworkNames([name for name, _ in NETWORKS], list(labels)),
            StreamNames(
                lambda stream: (f"exporter-{stream}", "0", "v9"),
                lambda stream, index: f"if{index}",
                lambda address: {"10.1.0.9": "printer"}.get(address, ""),
            ),
            self.services,
        )

    def add(self, records):
        """Count records, each family in one go."""
        v4 = [r for r in records if "." in r["src"] and "." in r["dst"]]
        v6 = [r for r in records if not ("." in r["src"] and "." in r["dst"])]
        for part in (v4, v6):
            if part:
                enriched, noted = self.enricher.enrich(flows_of(part), {})
                self.aggregator.note(noted)
                self.aggregator.add(enriched)

    def flush(self, until=FOREVER, stamp=None):
        """Close windows; returns [{measurement, time, tags..., fields...}]."""
        return points_of(self.aggregator.flush(until, stamp or Stamp()))


def points_of(tables):
    """Turn tables into a list of dicts."""
    points = []
    for table in tables:
        for i in range(len(table)):
            points.append(
                {
                    "measurement": table.measurement,
                    "time": int(table.time_ns[i]),
                    "tags": {k: v[i] for k, v in table.tags.items() if v[i]},
                    **{
                        k: v[i] if isinstance(v[i], str) else v[i].item()
                        for k, v in table.fields.items()
                    },
                }
            )
    return points


def totals_of(points, measurement, window_ns):
    """Return {(window, network, direction, protocol): [bytes, packets, flows]}."""
    sums = defaultdict(lambda: [0, 0, 0])
    for point in points:
        if point["measurement"] == measurement:
            tags = point["tags"]
            entry = sums[
                point["time"] // window_ns, tags["network"], tags["direction"], tags["protocol"]
            ]
            for i, name in enumerate(("bytes", "packets", "flows")):
                entry[i] += point[name]
    return {key: tuple(value) for key, value in sums.items() if any(value)}


def series(point):
    """The identity of a point in InfluxDB: overwritten by another one with the same."""
    return point["measurement"], tuple(sorted(point["tags"].items())), point["time"]
