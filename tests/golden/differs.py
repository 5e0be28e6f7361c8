"""Where we differ from a golden, and why we are right: golden → field → the section that says so.

A test fails on a difference that is not here, and on an entry here that no longer occurs.
"""

from collections.abc import Mapping

_BORROW = (
    "a second too late: the header's unix_secs minus (SysUptime - value) has to borrow a second "
    "where the milliseconds do, as RFC 3954, 5.1 (System Uptime, UNIX Secs) has it"
)
_WRAP = (
    "51 days after the flow's own end is no start: First lies before the boot, that is before the "
    "wrap of the 32 bits of sysUpTime (Cisco, NetFlow Export Datagram Format, v5; RFC 3418, 2)"
)
_SILENT = (
    "the v5 header's sampling interval is 0, which states no rate (Cisco, NetFlow Export Datagram "
    "Format, v5): decode shows 0, points assume 1 (shared/design.md, Sampling)"
)

_BOTH_TIMES = {"time_flow_start_ms": _BORROW, "time_flow_end_ms": _BORROW}

DIFFERS: Mapping[str, Mapping[str, str]] = {
    "Netflow_5_valid_01": {"time_flow_start_ms": _WRAP, "time_flow_end_ms": _BORROW},
    "Netflow_9_Cisco_ASR_9000_series_template_260": _BOTH_TIMES,
    "Netflow_9_Fortigate_FortiOS_5_2_1": _BOTH_TIMES,
    "Netflow_9_H3C": _BOTH_TIMES,
    "Netflow_9_Ubiquiti_Edgerouter_with_MPLS_labels": _BOTH_TIMES,
    "Netflow_9_template_with_0_length_fields": _BOTH_TIMES,
    "netflow_TestDecodeNFv5": {"sampling_rate": _SILENT},
}

_SEVERAL = (
    "the file holds 15 whole export packets one after another, 24 + 2 x 48 bytes each (Cisco, "
    "NetFlow Export Datagram Format, v5); the README counts the first and calls the rest trailing"
)

_LATE_TEMPLATE = (
    "the template follows its data in the same packet: a collector should keep the records and "
    "decode them after the template came (RFC 3954, 9)"
)

COUNTED: Mapping[str, tuple[int, str]] = {
    "logstash/netflow5.dat": (30, _SEVERAL),
    "opennms-lokahi/adapter/netflow5.dat": (30, _SEVERAL),
    "opennms-lokahi/flows/netflow5.dat": (30, _SEVERAL),
    "python-netflow/packet_v9_template_mixed.bin": (8, _LATE_TEMPLATE),
}
"""Captures of which the README counts another number of data records: file → (ours, reason)."""
