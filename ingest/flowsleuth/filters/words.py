"""The table of the language's words: what each compares, and what nfdump has that we have not.

Parser, errors, docs and tests walk this table. Words and their meaning are those of nfdump 1.7.1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from flowsleuth.protocols import NUMBERS as IANA_PROTOCOLS

_BYTE, _SHORT, _LONG, _COUNT = 2**8 - 1, 2**16 - 1, 2**32 - 1, 2**64 - 1
_TCP, _ICMP = (6,), (1, 58)

Choices = Mapping[str, tuple[str, ...]]
"""What may stand before a word ('' for nothing) → the columns of which any may match."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word that compares columns.

    about: what it is, for the docs. choices: see Choices; `src and dst`, `src or dst` follow from
    src and dst. most: the largest number that it is compared with. names: words that stand for
    numbers. only: the protocols which the comparison implies.
    """

    about: str
    choices: Choices
    most: int = _COUNT
    names: Mapping[str, int] = field(default_factory=dict)
    only: tuple[int, ...] = ()


def _one(column: str) -> Choices:
    return {"": (column,)}


def _ends(src: str, dst: str) -> Choices:
    return {"": (src, dst), "src": (src,), "dst": (dst,)}


def _ways(both: tuple[str, ...], into: str, out: str) -> Choices:
    return {"": both, "in": (into,), "out": (out,)}


_NFDUMP_PROTOCOLS = """
4=IPIP 10=BBN 11=NVPII 14=ENCOM 19=DCN 22=XNS 23=Trnk1 24=Trnk2 25=Leaf1 26=Leaf2 29=ISO-4
30=NETBK 31=MFESP 32=MEINP 43=Rte6 44=Frag6 48=MHRP 52=INLSP 55=MOBIL 58=ICMP6 59=NOHE6 60=OPTS6
61=HOST 63=NET 64=SATNT 65=KLAN 68=FS 69=SATM 76=BSATM 77=SUNND 78=WBMON 79=WBEXP 80=ISOIP
82=SVMTP 84=TTP 85=NSIGP 89=OSPF 90=S-RPC 94=OS 96=SCCSP 97=ETHIP 108=IPcmp 110=CpqPP 111=IPXIP
114=0hop 124=ISIS4 127=CRUDP 129=IPLT 135=MHEAD 136=UDP-L 137=MPLS
"""
"""nfdump's own short names where they differ from IANA's keywords (its `-o` formats print them)."""

_TYPED = re.compile(r"(?!\d+$)[a-z0-9_.\-]+")
"""Names that are one word of the language: two of IANA's have a + or / in them."""

PROTOCOLS: Mapping[str, int] = MappingProxyType(
    {name: number for name, number in IANA_PROTOCOLS.items() if _TYPED.fullmatch(name)}
    | {
        name.lower(): int(number)
        for number, name in (pair.split("=") for pair in _NFDUMP_PROTOCOLS.split())
    }
)
"""Names of protocols: IANA's and nfdump's. Where they disagree nfdump's counts: ipip is 4."""

NUMBERS: Mapping[str, Word] = MappingProxyType(
    {
        "proto": Word("IP protocol, by name or number", _one("protocol"), _BYTE, PROTOCOLS),
        "port": Word("TCP or UDP port", _ends("src_port", "dst_port"), _SHORT),
        "if": Word("interface (ifIndex)", _ways(("in_if", "out_if"), "in_if", "out_if"), _LONG),
        "as": Word(
            "autonomous system",
            {**_ends("src_as", "dst_as"), "prev": ("prev_as",), "next": ("next_as",)},
            _LONG,
        ),
        "mask": Word("length of the routing prefix", _ends("src_mask", "dst_mask"), _BYTE),
        "vlan": Word("VLAN id", _ends("src_vlan", "dst_vlan"), _SHORT),
        "tos": Word(
            "type of service, the whole byte; `dst`: as it left, else as it came",
            {"": ("tos",), "src": ("tos",), "dst": ("dst_tos",)},
            _BYTE,
        ),
        "flags": Word(
            "TCP flags: letters that must all be on, or a number; implies TCP",
            _one("flags"),
            63,
            only=_TCP,
        ),
        "icmp-type": Word("ICMP type, implies ICMP", _one("icmp_type"), _BYTE, only=_ICMP),
        "icmp-code": Word("ICMP code, implies ICMP", _one("icmp_code"), _BYTE, only=_ICMP),
        "bytes": Word(
            "bytes of the record; `out`: of the way back", _ways(("bytes",), "bytes", "out_bytes")
        ),
        "packets": Word(
            "packets of the record; `out`: of the way back",
            _ways(("packets",), "packets", "out_packets"),
        ),
        "flows": Word("1 for every record", _one("flows")),
        "duration": Word("milliseconds from first to last packet", _one("duration")),
        "pps": Word("packets per second, 0 without a duration", _one("pps")),
        "bps": Word("bits per second, 0 without a duration", _one("bps")),
        "bpp": Word("bytes per packet", _one("bpp")),
        "flowdir": Word(
            "direction at the interface", _one("direction"), 1, {"ingress": 0, "egress": 1}
        ),
        "nport": Word("port after NAT", _ends("post_src_port", "post_dst_port"), _SHORT),
    }
)
"""Words that are compared with numbers."""

ADDRESSES: Mapping[str, Word] = MappingProxyType(
    {
        "ip": Word("address, as exported", _ends("src", "dst")),
        "nip": Word("address after NAT", _ends("post_src", "post_dst")),
    }
)
"""Words that are compared with addresses, or looked up in lists of addresses and prefixes."""

NETS: Mapping[str, Word] = MappingProxyType(
    {
        "net": Word("prefix of the address, as exported", _ends("src", "dst")),
        "xnet": Word("prefix of the address after NAT", _ends("post_src", "post_dst")),
    }
)
"""Words that are compared with one prefix."""

FAMILIES: Mapping[str, int] = MappingProxyType({"ipv4": 4, "ipv6": 6})

SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "host": "ip",
        "inet": "ipv4",
        "inet6": "ipv6",
        "dir": "flowdir",
        "xip": "nip",
        "xport": "nport",
        "previous": "prev",
        "eq": "=",
        "==": "=",
        "gt": ">",
        "lt": "<",
        "ge": ">=",
        "le": "<=",
        "&&": "and",
        "||": "or",
        "!": "not",
    }
)
"""Other spellings that nfdump has."""

QUALIFIERS = ("src", "dst", "in", "out", "prev", "next")
COMPARATORS = ("=", ">", "<", ">=", "<=")
COMBINATORS = ("and", "or", "not")

FLAGS: Mapping[str, int] = MappingProxyType(
    {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "X": 63}
)
"""Letters after `flags` → bits; X is all of them."""

UNSUPPORTED: Mapping[str, str] = MappingProxyType(
    {
        "@include": "a filter is one text here",
        "%": "filters have no labels here: a profile has its name",
        "count": "a record has no number here",
        "ident": "profiles are per installation, not per source",
        "sysid": "exporters have no number here",
        "router": "the tag exporter in InfluxDB tells it",
        "engine-type": "it is not kept as a column",
        "engine-id": "it is not kept as a column",
        "nfversion": "it is not kept as a column",
        "observation": "it is not kept as a column",
        "bgpnext": "it is not kept as a column",
        "mac": "it is not kept as a column",
        "mpls": "it is not kept as a column",
        "fwdstat": "it is not kept as a column",
        "flowlabel": "it is not kept as a column",
        "client": "it is not kept as a column",
        "server": "it is not kept as a column",
        "app": "it is not kept as a column",
        "asa": "events without traffic are not in the points",
        "nat": "events without traffic are not in the points",
        "pblock": "it is not kept as a column",
        "ingress": "access lists and VRFs are not kept as columns (flowdir ingress is)",
        "egress": "access lists and VRFs are not kept as columns (flowdir egress is)",
        "payload": "the packets themselves are not exported to FlowSleuth",
        "geo": "no database of countries is shipped",
        "tun": "tunnels are not looked into",
        "tunip": "tunnels are not looked into",
    }
)
"""Words of nfdump that are understood and refused, and why."""
