"""From flow records to records that know their networks: what aggregate counts.

Per record and in columns: the sampling rate applied, the responder's counters turned into records
of their own, the profiles whose filters match, the two ends after NAT, the network of each, and the
service port as far as a record alone can tell it (rules 1 to 3 of the design). Rule 4 needs the
whole window, so aggregate has it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from flowsleuth.decode.flows import RATE_UNKNOWN, Flows
from flowsleuth.enrich.counting import Counted, Policy, count
from flowsleuth.enrich.networks import NO_NETWORK, Networks
from flowsleuth.enrich.seen import reversed_of, seen_of
from flowsleuth.enrich.services import Services
from flowsleuth.filters.columns import Seen
from flowsleuth.filters.filter import Filter

_ICMP = (1, 58)
_TCP = 6
_SYN, _ACK = 0x02, 0x10
_WELL_KNOWN_BELOW = 1024


@dataclass(slots=True)
class Records:
    """n records of one family, ready to be counted; arrays are (n,) but for family 6's addresses.

    family: 4 or 6. src, dst: uint32, or uint64 (n, 2) for family 6, after NAT.
    src_network, dst_network: int32, index of the network or NO_NETWORK.
    protocol, src_port, dst_port: uint16. port: uint16, the service port, where `decided`.
    bytes, packets: int64, after sampling. syn_only: bool. in_if, out_if: uint32.
    flow_direction: uint8, as in Flows. stream: int32.
    start_ns, end_ns, received_ns, export_ns: int64. dated, redated: bool.
    profiles: uint8 (n, k), a bit for each configured profile (as numpy.packbits); k may be 0.
    """

    family: int
    src: npt.NDArray[np.unsignedinteger]
    dst: npt.NDArray[np.unsignedinteger]
    src_network: npt.NDArray[np.int32]
    dst_network: npt.NDArray[np.int32]
    protocol: npt.NDArray[np.uint16]
    src_port: npt.NDArray[np.uint16]
    dst_port: npt.NDArray[np.uint16]
    port: npt.NDArray[np.uint16]
    decided: npt.NDArray[np.bool_]
    bytes: npt.NDArray[np.int64]
    packets: npt.NDArray[np.int64]
    syn_only: npt.NDArray[np.bool_]
    in_if: npt.NDArray[np.uint32]
    out_if: npt.NDArray[np.uint32]
    flow_direction: npt.NDArray[np.uint8]
    stream: npt.NDArray[np.int32]
    start_ns: npt.NDArray[np.int64]
    end_ns: npt.NDArray[np.int64]
    dated: npt.NDArray[np.bool_]
    redated: npt.NDArray[np.bool_]
    received_ns: npt.NDArray[np.int64]
    export_ns: npt.NDArray[np.int64]
    profiles: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.bytes)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Records":
        """Return the chosen rows (indices or a mask) as records of their own."""
        if rows.dtype == bool:  # turned into indices once, not once for each column
            rows = np.flatnonzero(rows)
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self)[1:]}
        return Records(family=self.family, **columns)

    @staticmethod
    def join(parts: "list[Records]") -> "Records":
        """Put records of one family one after another."""
        if len(parts) == 1:
            return parts[0]
        columns = {
            f.name: np.concatenate([getattr(part, f.name) for part in parts])
            for f in fields(parts[0])[1:]
        }
        return Records(family=parts[0].family, **columns)


@dataclass(frozen=True, slots=True)
class Noted:
    """Records of which something is to be counted.

    counter: a counter of `exporters`; stream, received_ns: int32, int64 (n,), of each record.
    """

    counter: str
    stream: npt.NDArray[np.int32]
    received_ns: npt.NDArray[np.int64]


class Enricher:
    """Enriches flows by a fixed configuration.

    profiles: the filters of the profiles, in the order of their bits. only: the filter that a
    record must match to count at all, None for all records.
    """

    def __init__(
        self,
        networks: Networks,
        services: Services,
        profiles: Sequence[Filter] = (),
        only: Filter | None = None,
    ) -> None:
        self.networks = networks
        self.services = services
        self.profiles = tuple(profiles)
        self.only = only

    def enrich(self, flows: Flows, policies: Mapping[int, Policy]) -> tuple[Records, list[Noted]]:
        """Turn flows into the records to count, and what is to be noted of those left out.

        policies: by stream index, what the configuration says where it says something.
        """
        counted = count(flows, policies)
        noted = [
            _noted("sampling_unknown", flows, counted.rate_state == RATE_UNKNOWN),
            _noted("implausible", flows, counted.implausible),
        ]
        filtering = self.only is not None or bool(self.profiles)
        seen = seen_of(flows, counted.bytes, counted.packets, counted.back) if filtering else None
        records = self._records(flows, counted)
        answers = []
        if counted.back is not None and counted.returned.any():
            back = reversed_of(seen, *counted.back) if seen is not None else None
            answers = [self._chosen(_reversed(records, *counted.back), back, counted.returned)]
        return Records.join([self._chosen(records, seen, counted.chosen), *answers]), noted

    def _chosen(
        self, records: Records, seen: Seen | None, chosen: npt.NDArray[np.bool_]
    ) -> Records:
        """Return the records that count, with the profiles which they are in."""
        if seen is not None:
            if self.only is not None:
                chosen = chosen & self.only.matches(seen)
            records.profiles = self._matching(seen)
        return records if chosen.all() else records.take(chosen)

    def _matching(self, seen: Seen) -> npt.NDArray[np.uint8]:
        """Return the bits of the profiles that match each record, uint8 (n, k)."""
        bits = np.zeros((-(-len(self.profiles) // 8), len(seen)), np.uint8)
        for number, profile in enumerate(self.profiles):
            matches = profile.matches(seen).view(np.uint8)
            bits[number >> 3] |= matches << np.uint8(7 - (number & 7))
        return np.ascontiguousarray(bits.T)

    def _records(self, flows: Flows, counted: Counted) -> Records:
        lookup = self.networks.lookup4 if flows.family == 4 else self.networks.lookup6
        src, src_network = behind_nat(flows.src, flows.post_src, lookup)
        dst, dst_network = behind_nat(flows.dst, flows.post_dst, lookup)
        port, decided = self._service_port(flows)
        flags = flows.tcp_flags
        return Records(
            family=flows.family,
            src=src,
            dst=dst,
            src_network=src_network,
            dst_network=dst_network,
            protocol=flows.protocol,
            src_port=flows.src_port,
            dst_port=flows.dst_port,
            port=port,
            decided=decided,
            bytes=counted.bytes,
            packets=counted.packets,
            syn_only=(flags & (_SYN | _ACK) == _SYN) & (flows.protocol == _TCP),
            in_if=flows.in_if,
            out_if=flows.out_if,
            flow_direction=flows.flow_direction,
            stream=flows.stream,
            start_ns=flows.start_ns,
            end_ns=flows.end_ns,
            dated=flows.dated,
            redated=np.zeros(len(flows), bool),
            received_ns=flows.received_ns,
            export_ns=flows.export_ns,
            profiles=np.zeros((len(flows), 0), np.uint8),
        )

    def _service_port(self, flows: Flows) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.bool_]]:
        """Apply rules 1 to 3: the configured port, the only one below 1024, the lower of two."""
        low, high = (
            np.minimum(flows.src_port, flows.dst_port),
            np.maximum(flows.src_port, flows.dst_port),
        )
        port = low.copy()
        decided = (port < _WELL_KNOWN_BELOW) | (low == high)
        if self.services.configured:
            low_configured = self.services.configured_mask(flows.protocol, low)
            high_configured = self.services.configured_mask(flows.protocol, high)
            chosen = high_configured & ~low_configured
            port[chosen] = high[chosen]
            port[low_configured] = low[low_configured]
            decided |= low_configured | high_configured
        icmp = (flows.protocol == _ICMP[0]) | (flows.protocol == _ICMP[1])
        port[icmp] = 0
        decided |= icmp
        return port, decided


def _noted(counter: str, flows: Flows, chosen: npt.NDArray[np.bool_]) -> Noted:
    rows = np.flatnonzero(chosen)
    return Noted(counter, flows.stream[rows], flows.received_ns[rows])


def behind_nat(
    before: npt.NDArray[np.unsignedinteger],
    after: npt.NDArray[np.unsignedinteger] | None,
    lookup: Callable[[npt.NDArray[np.unsignedinteger]], npt.NDArray[np.int32]],
) -> tuple[npt.NDArray[np.unsignedinteger], npt.NDArray[np.int32]]:
    """Choose the address that is in a network: the original one, else the one after NAT."""
    network = lookup(before)
    if after is None:
        return before, network
    network_after = lookup(after)
    translated = (network == NO_NETWORK) & (network_after != NO_NETWORK)
    chosen = before.copy()
    chosen[translated] = after[translated]
    return chosen, np.where(translated, network_after, network)


def _reversed(
    records: Records, octets: npt.NDArray[np.int64], packets: npt.NDArray[np.int64]
) -> Records:
    """Return what the responder sent: the ends and interfaces swapped (RFC 5103, section 3)."""
    columns = {f.name: getattr(records, f.name) for f in fields(records)}
    for one, other in (
        ("src", "dst"),
        ("src_network", "dst_network"),
        ("src_port", "dst_port"),
        ("in_if", "out_if"),
    ):
        columns[one], columns[other] = columns[other], columns[one]
    columns |= {"bytes": octets, "packets": packets, "syn_only": np.zeros(len(records), bool)}
    return Records(**columns)
