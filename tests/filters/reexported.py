"""Flows of all captures as v9, so that nfcapd stores of each what FlowSleuth has of it.

nfcapd 1.7.1 reads some of the captures in its own way: it leaves out times in seconds, takes the
start for the end in IPFIX with flowStartSysUpTime, multiplies by rates, and drops ICMP types in
ports of v9. That is no matter of filters, so these flows go to it in a form that it reads well.
"""

from itertools import islice

import numpy as np
from decode.wire import data, record, template, v9
from golden.catalogue import NETFLOW, Group

from flowsleuth.decode.decoder import Decoder
from flowsleuth.decode.flows import UNKNOWN_ADDRESS, Flows
from flowsleuth.decode.optional import OPTIONAL
from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.files import read

from .flows import FOUR, ICMP_4, ICMP_6, SIX
from .stored import ICMP, seen, whole

MOST = 300
"""Records of one capture: the large ones are much of the same."""

EARLIEST, LATEST = 946_684_800 * 10**9, 4_102_444_800 * 10**9
"""The years 2000 to 2100: others come from clocks that were never set."""

_PER_DATAGRAM = 8
_TEMPLATES = {(4, False): (300, FOUR), (6, False): (301, SIX)} | {
    (4, True): (302, ICMP_4),
    (6, True): (303, ICMP_6),
}
_SHARED = ("src_port", "dst_port", "protocol", "tcp_flags", "tos", "dst_tos", "in_if", "out_if")
_ROUTES = ("src_as", "dst_as", "next_as", "prev_as", "src_vlan", "dst_vlan", "flow_direction")
_COUNTS = ("bytes", "packets", "start_ns", "end_ns")
_POST = ("post_src", "post_dst", "post_src_port", "post_dst_port")


def datagrams() -> list[bytes]:
    """Return v9 datagrams with the flows of the captures, at most MOST of each."""
    made: dict[int, list[bytes]] = {}
    for group in NETFLOW:
        for number, one in islice(_records(group), MOST):
            made.setdefault(number, []).append(one)
    announced = [template(number, fields, 9) for number, fields in _TEMPLATES.values()]
    sets = [
        data(number, *records[i : i + _PER_DATAGRAM])
        for number, records in made.items()
        for i in range(0, len(records), _PER_DATAGRAM)
    ]
    return [v9(*(announced if not i else ()), one, sequence=i) for i, one in enumerate(sets)]


def _records(group: Group):
    decoder = Decoder(wanted=OPTIONAL)
    for batch in read([str(path) for path in group.paths], Sources()):
        for flows in decoder.decode(batch).flows:
            yield from _encoded(flows)


def _encoded(flows: Flows):
    """Yield (template id, record) of the flows that v9 can say and that have both ends."""
    one = seen(flows)
    for i in np.flatnonzero(_fit(flows)).tolist():
        icmp = int(flows.protocol[i]) in ICMP
        number, fields = _TEMPLATES[flows.family, icmp]

        def value(name: str, i: int = i) -> int:
            column = getattr(one, name)
            found = 0 if column is None else whole(column[i].tolist())
            return found // 10**6 if name.endswith("_ns") else found

        names = ["src", "dst", *_SHARED, *_ROUTES, "src_mask", "dst_mask", *_COUNTS]
        if icmp:
            kind = ["icmp", "icmp"] if flows.family == 4 else ["icmp_type", "icmp_code", "icmp"]
            names = ["src", "dst", "protocol", *kind, *_COUNTS]
        elif flows.family == 4:
            names += _POST
        values = {name: value(name) for name in names if name not in {"icmp_type", "icmp_code"}}
        values |= {"protocol": values["protocol"] & 0xFF}
        if icmp:
            values |= {"icmp_type": values["icmp"] >> 8, "icmp_code": values["icmp"] & 0xFF}
        else:
            values["tcp_flags"] &= 0xFF
            values["flow_direction"] &= 1
        yield number, record(fields, [values[name] for name in names])


def _fit(flows: Flows) -> np.ndarray:
    fit = (flows.start_ns >= EARLIEST) & (flows.end_ns < LATEST)
    fit &= flows.end_ns >= flows.start_ns
    if flows.family == 6:
        for end in (flows.src, flows.dst):
            fit &= ~(end == UNKNOWN_ADDRESS).all(axis=1)
    return fit
