"""The IANA keywords of IP protocols, in lower case: the tag `protocol` of the points, and filters.

Source: IANA, Assigned Internet Protocol Numbers (RFC 5237). Two keywords contain
spaces there ("ISIS over IPv4", "Mobility Header"); they are written with hyphens, since a tag with
spaces needs quoting wherever somebody types it. A number without a keyword (61, 63, 68, 99, 114,
from 148 on) is written as that number.
"""

NO_PROTOCOL = 256
"""The number of a record that names no protocol."""

_KEYWORDS = """
0 hopopt icmp igmp ggp ipv4 st tcp cbt
8 egp igp bbn-rcc-mon nvp-ii pup argus emcon xnet
16 chaos udp mux dcn-meas hmp prm xns-idp trunk-1
24 trunk-2 leaf-1 leaf-2 rdp irtp iso-tp4 netblt mfe-nsp
32 merit-inp dccp 3pc idpr xtp ddp idpr-cmtp tp++
40 il ipv6 sdrp ipv6-route ipv6-frag idrp rsvp gre
48 dsr bna esp ah i-nlsp swipe narp min-ipv4
56 tlsp skip ipv6-icmp ipv6-nonxt ipv6-opts - cftp -
64 sat-expak kryptolan rvd ippc - sat-mon visa ipcv
72 cpnx cphb wsn pvp br-sat-mon sun-nd wb-mon wb-expak
80 iso-ip vmtp secure-vmtp vines iptm nsfnet-igp dgp tcf
88 eigrp ospfigp sprite-rpc larp mtp ax.25 ipip micp
96 scc-sp etherip encap - gmtp ifmp pnni pim
104 aris scps qnx a/n ipcomp snp compaq-peer ipx-in-ip
112 vrrp pgm - l2tp ddx iatp stp srp
120 uti smp sm ptp isis-over-ipv4 fire crtp crudp
128 sscopmce iplt sps pipe sctp fc rsvp-e2e-ignore mobility-header
136 udplite mpls-in-ip manet hip shim6 wesp rohc ethernet
144 aggfrag nsh homa bit-emu
"""
"""Eight a line after the number of the first; a hyphen where the registry has no keyword."""


def _names() -> tuple[str, ...]:
    names = [str(number) for number in range(NO_PROTOCOL)]
    for line in _KEYWORDS.strip().splitlines():
        first, *keywords = line.split()
        for number, keyword in enumerate(keywords, int(first)):
            if keyword != "-":
                names[number] = keyword
    return (*names, "unknown")


NAMES: tuple[str, ...] = _names()
"""Protocol number -> tag value, 257 of them: the last is NO_PROTOCOL's, `unknown`."""

NUMBERS: dict[str, int] = {name: number for number, name in enumerate(NAMES[:NO_PROTOCOL])}
"""Tag value -> protocol number; the inverse of NAMES but for `unknown`."""
