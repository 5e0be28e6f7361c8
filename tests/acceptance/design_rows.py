"""What the design says of a record, in plain Python: its rows, and the whole of each.

Independent of enrich and aggregate: addresses are `ipaddress` objects, products are Python's
integers. `aggregate.reference` has the rules for times.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aggregate.reference import sides

from flowsleuth.decode.flows import Flows

IMPLAUSIBLE = 2**53

NETWORKS = [
    {"name": "Ten", "prefixes": ["10.0.0.0/8", "fc00::/7"]},
    {"name": "Nested", "prefixes": ["10.1.0.0/16", "2001:db8:1::/48"]},
    {"name": "Lan", "prefixes": ["192.168.0.0/16", "172.16.0.0/12", "fe80::/10"]},
    {"name": "Upper", "prefixes": ["160.0.0.0/3"]},
]
"""Nested, and wide enough that every real capture has rows of several kinds."""

_PREFIXES = sorted(
    ((ip_network(text), net["name"]) for net in NETWORKS for text in net["prefixes"]),
    key=lambda pair: -pair[0].prefixlen,
)

Key = tuple[str, str, int]
Whole = dict[Key, tuple[int, int, int]]
"""(network, direction, protocol) → bytes, packets, flows."""


@cache
def network_of(address: IPv4Address | IPv6Address | str) -> str | None:
    """Return the network with the longest prefix around an address."""
    end = ip_address(address)
    return next((name for prefix, name in _PREFIXES if end in prefix), None)


def records_of(flows: Flows) -> Iterator[dict]:
    """Yield the records that count of what decode gives: sampled, behind NAT, both ways."""
    for i in range(len(flows)):
        if not flows.counts[i]:
            continue
        rate = int(flows.rate_num[i]), int(flows.rate_den[i])
        there = _scaled(flows.bytes, flows.packets, rate, i)
        back = (0, 0)
        if flows.reverse_bytes is not None:
            back = _scaled(flows.reverse_bytes, flows.reverse_packets, rate, i)
        if not all(0 <= count < IMPLAUSIBLE for count in (*there, *back)):
            continue
        src = _behind_nat(flows.family, flows.src, flows.post_src, i)
        dst = _behind_nat(flows.family, flows.dst, flows.post_dst, i)
        protocol = int(flows.protocol[i])
        yield _record(src, dst, protocol, there)
        if any(back):
            yield _record(dst, src, protocol, back)


def wholes(records: Iterable[dict], of: Callable = network_of) -> Whole:
    """Return the sums of all records, once for each row."""
    sums: dict[Key, list[int]] = defaultdict(lambda: [0, 0, 0])
    for record in records:
        for network, direction, _, _ in sides(record, of):
            entry = sums[network, direction, record["protocol"]]
            entry[0] += record["bytes"]
            entry[1] += record["packets"]
            entry[2] += 1
    return {key: tuple(entry) for key, entry in sums.items()}


def _record(src: object, dst: object, protocol: int, counts: tuple[int, int]) -> dict:
    return {"src": src, "dst": dst, "protocol": protocol, "bytes": counts[0], "packets": counts[1]}


def _scaled(octets, packets, rate: tuple[int, int], i: int) -> tuple[int, int]:
    return tuple(int(counts[i]) * rate[0] // rate[1] for counts in (octets, packets))


def _behind_nat(family: int, before, after, i: int) -> IPv4Address | IPv6Address:
    one = _address(family, before[i])
    other = one if after is None else _address(family, after[i])
    return other if network_of(one) is None and network_of(other) is not None else one


def _address(family: int, value) -> IPv4Address | IPv6Address:
    if family == 4:
        return IPv4Address(int(value))
    address = IPv6Address(int(value[0]) << 64 | int(value[1]))
    return address.ipv4_mapped or address
