"""The `netflow` package's reading of some datagrams: hex lines on stdin, JSON records on stdout.

A program of its own, because that package hangs on some input: it limits itself before the first
datagram, and whoever starts it sets a time limit besides. It imports nothing of FlowSleuth.
"""

import ipaddress
import json
import resource
import sys
from typing import Any

CPU_SECONDS = 30
MEMORY = 1 << 30

FIELDS = {
    "src_addr": (
        "IPV4_SRC_ADDR",
        "IPV6_SRC_ADDR",
        "sourceIPv4Address",
        "sourceIPv6Address",
    ),
    "dst_addr": (
        "IPV4_DST_ADDR",
        "IPV6_DST_ADDR",
        "destinationIPv4Address",
        "destinationIPv6Address",
    ),
    "src_port": ("SRC_PORT", "L4_SRC_PORT", "sourceTransportPort"),
    "dst_port": ("DST_PORT", "L4_DST_PORT", "destinationTransportPort"),
    "bytes": ("IN_OCTETS", "IN_BYTES", "octetDeltaCount", "OUT_BYTES", "octetTotalCount"),
    "packets": ("IN_PACKETS", "IN_PKTS", "packetDeltaCount", "OUT_PKTS", "packetTotalCount"),
}
"""Our key → the package's names in v1/v5, v9, and IPFIX; the first that is not zero counts, as
shared/design.md has it."""


def record(fields: dict[str, Any]) -> dict[str, Any]:
    """Return one record in our names, for what it has of the table."""
    found = {}
    for key, names in FIELDS.items():
        present = [name for name in names if name in fields]
        if not present:
            continue
        name = next((name for name in present if fields[name]), present[0])
        found[key] = _address(name, fields[name]) if key.endswith("addr") else fields[name]
    return found


def _address(name: str, value: int | str) -> str:
    if isinstance(value, int):
        family = ipaddress.IPv6Address if "6" in name else ipaddress.IPv4Address
        return str(family(value))
    return str(ipaddress.ip_address(value))


def main() -> None:
    """Read datagrams of one exporter; options records carry no addresses and are left out."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    import netflow

    templates: dict[str, dict] = {"netflow": {}, "ipfix": {}}
    records = []
    for line in sys.stdin:
        packet = netflow.parse_packet(line.strip(), templates)
        flows = [flow.data if hasattr(flow, "data") else vars(flow) for flow in packet.flows]
        records += [one for flow in flows if "src_addr" in (one := record(flow))]
    json.dump(records, sys.stdout)


if __name__ == "__main__":
    main()
