"""Information elements: the one table of what a field is called, how it is read and shown.

Numbers are IANA's (https://www.iana.org/assignments/ipfix), which NetFlow v9's agree with below
128. Numbers of 32768 and more exist in v9 only, where Cisco's ASA uses them; in IPFIX that bit
announces an enterprise number (PEN). What is not in the table is skipped.
"""

from dataclasses import dataclass
from enum import Enum

REVERSE_PEN = 29305
"""RFC 5103: the element of the same number, of the flow's other direction."""

SCOPE_PEN = -1
"""Scope fields of v9's options templates have numbers of their own (RFC 3954, 6.1)."""


class Kind(Enum):
    """How the bytes of a field are read."""

    UINT = "unsigned integer of 1 to 8 bytes"
    IPV4 = "4 bytes"
    IPV6 = "16 bytes"
    MAC = "6 bytes"
    TEXT = "UTF-8, padded with zeros or of variable length"
    HEX = "bytes shown in hexadecimal"
    FLOAT = "IEEE 754, 4 or 8 bytes"
    LABEL = "MPLS label stack entry: 20 bits of label in 3 bytes"
    NTP = "64-bit NTP time (RFC 7011, 6.1.9 and 6.1.10)"


@dataclass(frozen=True, slots=True)
class Element:
    """One information element; `key` is its name in goflow2's JSON, '' where it is not shown."""

    number: int
    name: str
    kind: Kind
    key: str = ""
    pen: int = 0


_U, _4, _6, _M, _T, _H, _F, _L, _N = Kind

ELEMENTS: tuple[Element, ...] = (
    Element(1, "octetDeltaCount", _U),
    Element(2, "packetDeltaCount", _U),
    Element(4, "protocolIdentifier", _U, "proto"),
    Element(5, "ipClassOfService", _U, "ip_tos"),
    Element(6, "tcpControlBits", _U, "tcp_flags"),
    Element(7, "sourceTransportPort", _U, "src_port"),
    Element(8, "sourceIPv4Address", _4),
    Element(9, "sourceIPv4PrefixLength", _U, "src_net"),
    Element(10, "ingressInterface", _U, "in_if"),
    Element(11, "destinationTransportPort", _U, "dst_port"),
    Element(12, "destinationIPv4Address", _4),
    Element(13, "destinationIPv4PrefixLength", _U, "dst_net"),
    Element(14, "egressInterface", _U, "out_if"),
    Element(15, "ipNextHopIPv4Address", _4, "next_hop"),
    Element(16, "bgpSourceAsNumber", _U, "src_as"),
    Element(17, "bgpDestinationAsNumber", _U, "dst_as"),
    Element(18, "bgpNextHopIPv4Address", _4, "bgp_next_hop"),
    Element(21, "flowEndSysUpTime", _U),
    Element(22, "flowStartSysUpTime", _U),
    Element(23, "postOctetDeltaCount", _U),
    Element(24, "postPacketDeltaCount", _U),
    Element(27, "sourceIPv6Address", _6),
    Element(28, "destinationIPv6Address", _6),
    Element(29, "sourceIPv6PrefixLength", _U, "src_net"),
    Element(30, "destinationIPv6PrefixLength", _U, "dst_net"),
    Element(31, "flowLabelIPv6", _U, "ipv6_flow_label"),
    Element(32, "icmpTypeCodeIPv4", _U),
    Element(34, "samplingInterval", _U),
    Element(35, "samplingAlgorithm", _U),
    Element(44, "sourceIPv4Prefix", _4, "src_prefix"),
    Element(45, "destinationIPv4Prefix", _4, "dst_prefix"),
    Element(48, "samplerId", _U, "sampler_id"),
    Element(49, "samplerMode", _U),
    Element(50, "samplerRandomInterval", _U),
    Element(52, "minimumTTL", _U, "ip_ttl"),
    Element(54, "fragmentIdentification", _U, "fragment_id"),
    Element(55, "postIpClassOfService", _U),
    Element(56, "sourceMacAddress", _M, "src_mac"),
    Element(57, "postDestinationMacAddress", _M, "dst_mac"),
    Element(58, "vlanId", _U, "src_vlan"),
    Element(59, "postVlanId", _U, "dst_vlan"),
    Element(60, "ipVersion", _U),
    Element(61, "flowDirection", _U, "flow_direction"),
    Element(62, "ipNextHopIPv6Address", _6, "next_hop"),
    Element(63, "bgpNextHopIPv6Address", _6, "bgp_next_hop"),
    *(Element(70 + i, f"mplsLabelStackSection{i + 1}", _L) for i in range(10)),
    Element(80, "destinationMacAddress", _M, "dst_mac"),
    Element(81, "postSourceMacAddress", _M, "src_mac"),
    Element(82, "interfaceName", _T, "interface_name"),
    Element(83, "interfaceDescription", _T, "interface_description"),
    Element(85, "octetTotalCount", _U),
    Element(86, "packetTotalCount", _U),
    Element(88, "fragmentOffset", _U, "fragment_offset"),
    Element(89, "forwardingStatus", _U, "forwarding_status"),
    Element(95, "applicationId", _H, "application_id"),
    Element(96, "applicationName", _T, "application_name"),
    Element(128, "bgpNextAdjacentAsNumber", _U),
    Element(129, "bgpPrevAdjacentAsNumber", _U),
    Element(136, "flowEndReason", _U, "flow_end_reason"),
    Element(139, "icmpTypeCodeIPv6", _U),
    Element(148, "flowId", _U, "flow_id"),
    Element(150, "flowStartSeconds", _U),
    Element(151, "flowEndSeconds", _U),
    Element(152, "flowStartMilliseconds", _U),
    Element(153, "flowEndMilliseconds", _U),
    Element(154, "flowStartMicroseconds", _N),
    Element(155, "flowEndMicroseconds", _N),
    Element(156, "flowStartNanoseconds", _N),
    Element(157, "flowEndNanoseconds", _N),
    Element(158, "flowStartDeltaMicroseconds", _U),
    Element(159, "flowEndDeltaMicroseconds", _U),
    Element(160, "systemInitTimeMilliseconds", _U),
    Element(161, "flowDurationMilliseconds", _U),
    Element(162, "flowDurationMicroseconds", _U),
    Element(171, "postOctetTotalCount", _U),
    Element(172, "postPacketTotalCount", _U),
    Element(176, "icmpTypeIPv4", _U, "icmp_type"),
    Element(177, "icmpCodeIPv4", _U, "icmp_code"),
    Element(178, "icmpTypeIPv6", _U, "icmp_type"),
    Element(179, "icmpCodeIPv6", _U, "icmp_code"),
    Element(180, "udpSourcePort", _U, "src_port"),
    Element(181, "udpDestinationPort", _U, "dst_port"),
    Element(182, "tcpSourcePort", _U, "src_port"),
    Element(183, "tcpDestinationPort", _U, "dst_port"),
    Element(192, "ipTTL", _U, "ip_ttl"),
    Element(197, "fragmentFlags", _U, "ip_flags"),
    Element(210, "paddingOctets", _H),
    Element(225, "postNATSourceIPv4Address", _4, "post_nat_src_addr"),
    Element(226, "postNATDestinationIPv4Address", _4, "post_nat_dst_addr"),
    Element(227, "postNAPTSourceTransportPort", _U, "post_nat_src_port"),
    Element(228, "postNAPTDestinationTransportPort", _U, "post_nat_dst_port"),
    Element(230, "natEvent", _U, "nat_event"),
    Element(231, "initiatorOctets", _U),
    Element(232, "responderOctets", _U),
    Element(233, "firewallEvent", _U, "firewall_event"),
    Element(234, "ingressVRFID", _U, "ingress_vrf_id"),
    Element(235, "egressVRFID", _U, "egress_vrf_id"),
    Element(243, "dot1qVlanId", _U, "vlan_id"),
    Element(252, "ingressPhysicalInterface", _U, "in_if"),
    Element(253, "egressPhysicalInterface", _U, "out_if"),
    Element(254, "postDot1qVlanId", _U, "post_vlan_id"),
    Element(256, "ethernetType", _U, "etype"),
    Element(258, "collectionTimeMilliseconds", _U),
    Element(281, "postNATSourceIPv6Address", _6, "post_nat_src_addr"),
    Element(282, "postNATDestinationIPv6Address", _6, "post_nat_dst_addr"),
    Element(298, "initiatorPackets", _U),
    Element(299, "responderPackets", _U),
    Element(302, "selectorId", _U, "selector_id"),
    Element(304, "selectorAlgorithm", _U),
    Element(305, "samplingPacketInterval", _U),
    Element(306, "samplingPacketSpace", _U),
    Element(309, "samplingSize", _U),
    Element(310, "samplingPopulation", _U),
    Element(311, "samplingProbability", _F),
    Element(313, "ipHeaderPacketSection", _H),
    Element(315, "dataLinkFrameSection", _H),
    Element(322, "observationTimeSeconds", _U),
    Element(323, "observationTimeMilliseconds", _U),
    Element(324, "observationTimeMicroseconds", _N),
    Element(325, "observationTimeNanoseconds", _N),
    Element(352, "layer2OctetDeltaCount", _U),
    Element(33000, "NF_F_INGRESS_ACL_ID", _H),
    Element(33001, "NF_F_EGRESS_ACL_ID", _H),
    Element(33002, "NF_F_FW_EXT_EVENT", _U, "firewall_ext_event"),
    Element(40001, "NF_F_XLATE_SRC_ADDR_IPV4", _4, "post_nat_src_addr"),
    Element(40002, "NF_F_XLATE_DST_ADDR_IPV4", _4, "post_nat_dst_addr"),
    Element(40003, "NF_F_XLATE_SRC_PORT", _U, "post_nat_src_port"),
    Element(40004, "NF_F_XLATE_DST_PORT", _U, "post_nat_dst_port"),
    Element(40005, "NF_F_FW_EVENT", _U, "firewall_event"),
    Element(1, "reverseOctetDeltaCount", _U, pen=REVERSE_PEN),
    Element(2, "reversePacketDeltaCount", _U, pen=REVERSE_PEN),
    Element(23, "reversePostOctetDeltaCount", _U, pen=REVERSE_PEN),
    Element(24, "reversePostPacketDeltaCount", _U, pen=REVERSE_PEN),
    Element(85, "reverseOctetTotalCount", _U, pen=REVERSE_PEN),
    Element(86, "reversePacketTotalCount", _U, pen=REVERSE_PEN),
    Element(2, "scopeInterface", _U, pen=SCOPE_PEN),
)

BY_NAME = {element.name: element for element in ELEMENTS}
BY_NUMBER = {(element.number, element.pen): element for element in ELEMENTS}
