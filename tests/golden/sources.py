"""What other projects expect of these captures, in our names: one table of fields per source.

A table says, for each key of `flowsleuth decode`, which of the source's fields hold it, in the
order of the design (the first that is not zero), and how the source writes such a value. A key of
the source that no table names is one that the contract does not have.
"""

import json
import re
from ast import literal_eval
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from .catalogue import CAPTURES
from .command import Record

PROTOCOLS = {
    "icmp": 1,
    "icmpv4": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "ipv6icmp": 58,
    "ipv6-icmp": 58,
    "vrrp": 112,
}
"""IANA's numbers of the protocols that the goldens name in words."""


@dataclass(frozen=True)
class Golden:
    """One expectation: a name, the captures in order, the records (not always all of them)."""

    name: str
    paths: list[Path]
    records: list[Record]


@dataclass(frozen=True)
class From:
    """Where a source has one of our keys: its fields in order, and how it writes the value."""

    fields: tuple[str, ...]
    convert: Callable[[Any], Any] = lambda value: value


Table = Mapping[str, From]


def address(text: str) -> str:
    """Return the address as we write it: compressed, IPv4 without the mapped prefix."""
    parsed = ip_address(text)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)


def milliseconds(text: str) -> int:
    """Return ms since the epoch of an ISO time, exactly."""
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def protocol(word: str) -> int:
    """Return the number of a protocol's name."""
    return PROTOCOLS[word.removeprefix("constants.Proto").lower()]


def translate(table: Table, fields: Mapping[str, Any]) -> Record:
    """Return a source's record in our names; keys for which it has no field are left out."""
    record = {}
    for key, source in table.items():
        values = [source.convert(fields[name]) for name in source.fields if name in fields]
        if values:
            record[key] = next((value for value in values if value not in _ZEROS), values[0])
    return record


_ZEROS = (0, "0.0.0.0", "::")

LOGSTASH: Table = {
    "src_addr": From(
        ("ipv4_src_addr", "sourceIPv4Address", "ipv6_src_addr", "sourceIPv6Address"), address
    ),
    "dst_addr": From(
        (
            "ipv4_dst_addr",
            "destinationIPv4Address",
            "ipv6_dst_addr",
            "destinationIPv6Address",
        ),
        address,
    ),
    "proto": From(("protocol", "protocolIdentifier")),
    "src_port": From(("l4_src_port", "sourceTransportPort")),
    "dst_port": From(("l4_dst_port", "destinationTransportPort")),
    "bytes": From(
        ("in_bytes", "octetDeltaCount", "out_bytes", "octetTotalCount", "in_permanent_bytes")
    ),
    "packets": From(("in_pkts", "packetDeltaCount", "out_pkts", "packetTotalCount")),
    "in_if": From(("input_snmp", "ingressInterface")),
    "out_if": From(("output_snmp", "egressInterface")),
    "tcp_flags": From(("tcp_flags", "tcpControlBits")),
    "src_as": From(("src_as",)),
    "dst_as": From(("dst_as",)),
    "time_flow_start_ms": From(("first_switched", "flowStartMilliseconds"), milliseconds),
    "time_flow_end_ms": From(("last_switched", "flowEndMicroseconds"), milliseconds),
}
"""github.com/logstash-plugins/logstash-codec-netflow, lib/logstash/codecs/netflow/*.yaml."""

UPTIME: Table = {
    "time_flow_start_ms": From(("flowStartSysUpTime",)),
    "time_flow_end_ms": From(("flowEndSysUpTime",)),
}
"""IPFIX elements 22 and 21 count from systemInitTimeMilliseconds (160), which an options record
of the same capture may hold (RFC 5102, 5.9)."""

AKVORADO: Table = {
    "sampling_rate": From(("SamplingRate",)),
    "src_addr": From(("SrcAddr",), address),
    "dst_addr": From(("DstAddr",), address),
    "proto": From(("Proto",), protocol),
    "src_port": From(("SrcPort",)),
    "dst_port": From(("DstPort",)),
    "bytes": From(("Bytes",)),
    "packets": From(("Packets",)),
    "in_if": From(("InIf",)),
    "out_if": From(("OutIf",)),
    "tcp_flags": From(("TCPFlags",)),
    "src_as": From(("SrcAS",)),
    "dst_as": From(("DstAS",)),
}
"""github.com/akvorado/akvorado, common/schema: the columns' names. ExporterAddress is left out: the
test there hands payloads to the decoder as from 127.0.0.1, whatever the IP header says."""


def _control_bits(flags: Mapping[str, bool]) -> int:
    order = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")
    return sum(flags[name] << bit for bit, name in enumerate(order))


NETGAUZE: Table = {
    "src_addr": From(("sourceIPv4Address", "sourceIPv6Address"), address),
    "dst_addr": From(("destinationIPv4Address", "destinationIPv6Address"), address),
    "proto": From(("protocolIdentifier",), protocol),
    "src_port": From(("sourceTransportPort",)),
    "dst_port": From(("destinationTransportPort",)),
    "bytes": From(("octetDeltaCount",)),
    "packets": From(("packetDeltaCount",)),
    "in_if": From(("ingressInterface",)),
    "out_if": From(("egressInterface",)),
    "tcp_flags": From(("tcpControlBits",), _control_bits),
    "src_as": From(("bgpSourceAsNumber",)),
    "dst_as": From(("bgpDestinationAsNumber",)),
    "time_flow_start_ms": From(("flowStartMilliseconds",), milliseconds),
    "time_flow_end_ms": From(("flowEndMilliseconds",), milliseconds),
}
"""github.com/NetGauze/NetGauze: IANA's names of the elements."""

PMACCT: Table = {
    "src_addr": From(("ip_src",), address),
    "dst_addr": From(("ip_dst",), address),
    "proto": From(("ip_proto",), protocol),
    "src_port": From(("port_src",)),
    "dst_port": From(("port_dst",)),
    "bytes": From(("bytes",)),
    "packets": From(("packets",)),
}
"""github.com/pmacct/pmacct: the keys of the JSON output."""


def _letters(text: str) -> int:
    return sum(1 << (len(text) - 1 - place) for place, sign in enumerate(text) if sign != ".")


def _hexadecimal(text: str) -> int:
    return int(text, 16)


TELEGRAF: Table = {
    "src_addr": From(("src",), address),
    "dst_addr": From(("dst",), address),
    "proto": From(("protocol",), protocol),
    "src_port": From(("src_port",)),
    "dst_port": From(("dst_port",)),
    "bytes": From(("in_bytes", "in_total_bytes")),
    "packets": From(("in_packets", "in_total_packets")),
    "in_if": From(("in_snmp",)),
    "out_if": From(("out_snmp",)),
    "tcp_flags": From(("tcp_flags",), _letters),
    "src_as": From(("bgp_src_as",)),
    "dst_as": From(("bgp_dst_as",)),
    "time_flow_start_ms": From(("flow_start_ms",)),
    "time_flow_end_ms": From(("flow_end_ms",)),
    "reverse_bytes": From(("type_29305_85",), _hexadecimal),
    "reverse_packets": From(("type_29305_86",), _hexadecimal),
}
"""github.com/influxdata/telegraf, plugins/inputs/netflow; type_29305_* are the reverse elements of
RFC 5103, which Telegraf leaves as they are."""


def logstash() -> Iterator[Golden]:
    """Yield the events of the rspec file; options records (no address in them) are not flows."""
    for path in sorted((CAPTURES / "logstash/golden").glob("*.json")):
        golden = json.loads(path.read_text())
        events = [event["netflow"] for event in golden["events"] if "netflow" in event]
        inits = [event.get("systemInitTimeMilliseconds") for event in events]
        records = []
        for event in events:
            record = translate(LOGSTASH, event)
            if "src_addr" not in record:
                continue
            if inits[0]:
                record |= {k: inits[0] + v for k, v in translate(UPTIME, event).items()}
            records.append(record)
        if records:
            yield Golden(path.stem, _logstash_paths(golden), records)
        if expected := _logstash_expects(golden["expects"]):
            yield Golden(f"{path.stem} expects", _logstash_paths(golden), expected)


_EXPECTS = re.compile(r'^decode\[(\d+)\]\.get\("\[netflow\]\[(\w+)\]"\)\)\.to eq\((.+)\)$')


def _logstash_expects(lines: list[str]) -> list[Record]:
    """Return what the rspec file demands of single fields, one record per index."""
    fields: dict[str, dict[str, Any]] = {}
    for line in lines:
        if "#{" not in line and (found := _EXPECTS.match(line)):
            index, name, value = found.groups()
            fields.setdefault(index, {})[name] = literal_eval(value)
    return [record for found in fields.values() if (record := translate(LOGSTASH, found))]


def _logstash_paths(golden: Mapping[str, Any]) -> list[Path]:
    """Return the captures, templates first (one test of theirs gives them last, one twice)."""
    files = dict.fromkeys(golden["dats"])
    return [CAPTURES / "logstash" / file for file in sorted(files, key=lambda f: "_data" in f)]


def akvorado() -> Iterator[Golden]:
    """Yield the tests of Akvorado's decoder: captures in order, then the flows that they give."""
    for path in sorted((CAPTURES / "akvorado/golden").glob("*.json")):
        steps = json.loads(path.read_text())["sequence"]
        files = [CAPTURES / "akvorado/netflow" / s["input"] for s in steps if "input" in s]
        flows = [flow for step in steps for flow in step.get("expected_flows", ())]
        yield Golden(path.stem, files, [translate(AKVORADO, flow) for flow in flows])


def netgauze() -> Iterator[Golden]:
    """Yield NetGauze's reading of pmacct's test captures, a JSON object per datagram."""
    root = CAPTURES / "netgauze/pmacct-tests"
    for path in sorted(root.glob("*/*-flow.json")):
        records = []
        for line in path.read_text().splitlines():
            ((_, datagram),) = json.loads(line).items()
            records += _netgauze_records(datagram)
        capture = path.relative_to(root).with_name(path.stem.removesuffix("-flow") + ".pcap")
        yield Golden(f"netgauze {capture}", [CAPTURES / "pmacct" / capture], records)


def _netgauze_records(datagram: Mapping[str, Any]) -> Iterator[Record]:
    for found in (part["Data"] for part in datagram["sets"] if "Data" in part):
        for record in found["records"]:
            if record["scope_fields"]:
                continue
            fields = {name: value for field in record["fields"] for name, value in field.items()}
            known = translate(NETGAUZE, fields)
            if "sys_up_time" in datagram:  # RFC 3954, 5.1: both header times are of one moment
                boot = milliseconds(datagram["unix_time"]) - datagram["sys_up_time"]
                known |= {k: boot + v for k, v in translate(UPTIME, fields).items()}
            yield known


def telegraf() -> Iterator[Golden]:
    """Yield Telegraf's test cases; flows are the lines of `netflow`, not `netflow_options`."""
    for folder in sorted((CAPTURES / "telegraf").iterdir()):
        if folder.name.startswith("sflow"):
            continue
        lines = (folder / "expected.out").read_text().splitlines()
        flows = [_line(line) for line in lines if line.startswith("netflow,")]
        records = []
        for flow in flows:
            record = translate(TELEGRAF, flow)
            if "first_switched" in flow:
                record["duration_ms"] = flow["last_switched"] - flow["first_switched"]
            records.append(record)
        yield Golden(f"telegraf {folder.name}", sorted(folder.glob("*.bin")), records)


def _line(line: str) -> dict[str, Any]:
    """Return a line's fields; no string in these files has a comma, blank or equals sign but for
    flow_end_reason's blanks, so the last blank that no quote follows ends the fields."""
    body = line.split(" ", 1)[1]
    if '"' not in (tail := body.rsplit(" ", 1)[-1]) and tail.isdigit():
        body = body.rsplit(" ", 1)[0]
    pairs = (field.split("=", 1) for field in body.split(","))
    return {
        name: text.strip('"') if text.startswith('"') else int(text.removesuffix("u"))
        for name, text in pairs
    }


PMACCT_CAPTURES = {
    "100-IPFIXv10-CISCO": False,
    "101-NFv9-CISCO-cust_primitives": False,
    "103-IPFIXv10-CISCO-pretag-JSON_encoding": False,
    "104-IPFIXv10-IPv6-CISCO-sampling_option": True,
    "111-IPFIXv10-NFv9-IPv6-IPv4-mix_sources": False,
}
"""pmacct's tests, and whether nfacctd multiplied by the sampling rate there (its README says)."""


@dataclass(frozen=True)
class Sums:
    """pmacct's aggregate of some captures: (src, dst, proto, ports) → bytes and packets."""

    name: str
    paths: list[Path]
    renormalised: bool
    totals: dict[tuple[Any, ...], tuple[int, int]]


def pmacct() -> Iterator[Sums]:
    """Yield the tables that nfacctd wrote."""
    for name, renormalised in PMACCT_CAPTURES.items():
        folder = CAPTURES / "pmacct" / name
        if folder.exists():
            lines = (folder / "output-flow-00.json").read_text().splitlines()
            records = [translate(PMACCT, json.loads(line)) for line in lines]
            yield Sums(name, sorted(folder.glob("*.pcap")), renormalised, totals(records))


SUMMED = ("src_addr", "dst_addr", "proto", "src_port", "dst_port")


def totals(records: list[Record]) -> dict[tuple[Any, ...], tuple[int, int]]:
    """Return bytes and packets by addresses, protocol and ports."""
    sums: dict[tuple[Any, ...], tuple[int, int]] = {}
    for record in records:
        key = tuple(record.get(name, 0) for name in SUMMED)
        octets, packets = sums.get(key, (0, 0))
        sums[key] = octets + record["bytes"], packets + record["packets"]
    return sums


def all_goldens() -> list[Golden]:
    """Return every expectation of single records; none without the captures."""
    if not CAPTURES.exists():
        return []
    return [golden for source in (logstash, akvorado, netgauze, telegraf) for golden in source()]


def all_sums() -> list[Sums]:
    """Return every expectation of sums; none without the captures."""
    return list(pmacct()) if CAPTURES.exists() else []
