"""Services and protocols: the tables are sound, and lookups say what the tables say."""

import numpy as np
import pytest

from flowsleuth import protocols
from flowsleuth.enrich.service_table import TOPICS
from flowsleuth.enrich.services import SHIPPED, Services, read_topic
from flowsleuth.protocols import NO_PROTOCOL

TCP, UDP = 6, 17


def columns(*pairs):
    """(port, protocol) pairs as the columns that the masks take."""
    return (
        np.array([protocol for _, protocol in pairs], np.uint16),
        np.array([port for port, _ in pairs], np.uint16),
    )


def test_the_shipped_table_has_each_port_once():
    listed = [(port, proto) for text in TOPICS.values() for _, port, proto in read_topic(text)]
    assert len(listed) == len(set(listed)) == len(SHIPPED)


@pytest.mark.parametrize("topic", TOPICS)
def test_the_shipped_table_is_sound(topic):
    for name, port, protocol in read_topic(TOPICS[topic]):
        assert name
        assert name == name.lower()
        assert 0 < port < 65536
        assert protocol in {TCP, UDP}


def test_masks_agree_with_the_table():
    ports = np.arange(65536, dtype=np.uint16)
    for protocol in (TCP, UDP, 1, 255, NO_PROTOCOL):
        known = Services({}).known_mask(np.full(65536, protocol, np.uint16), ports)
        assert known.dtype == bool
        assert set(np.flatnonzero(known)) == {port for port, p in SHIPPED if p == protocol}


def test_configured_services_are_apart_from_the_shipped_ones():
    services = Services({(14857, UDP): "acme-sync", (8080, TCP): "intranet", (65535, 132): "last"})
    asked = ((14857, UDP), (14857, TCP), (8080, TCP), (443, TCP), (65535, 132), (65535, 256))
    assert services.configured_mask(*columns(*asked)).tolist() == [1, 0, 1, 0, 1, 0]
    assert services.known_mask(*columns(*asked)).tolist() == [0, 0, 1, 1, 0, 0]
    assert services.configured


def test_nothing_configured():
    services = Services({})
    assert not services.configured
    assert services.configured_mask(*columns((443, TCP), (0, NO_PROTOCOL))).tolist() == [0, 0]


def test_names_are_the_configurations_first():
    services = Services({(8080, TCP): "intranet"})
    assert services.name(8080, TCP) == "intranet"
    assert services.name(1194, UDP) == "openvpn"
    assert services.name(14857, UDP) == ""


def test_protocol_names():
    named = {0: "hopopt", 1: "icmp", 6: "tcp", 17: "udp", 41: "ipv6", 47: "gre", 50: "esp"}
    named |= {58: "ipv6-icmp", 89: "ospfigp", 112: "vrrp", 132: "sctp", 136: "udplite", 139: "hip"}
    named |= {143: "ethernet", 147: "bit-emu", 61: "61", 200: "200", NO_PROTOCOL: "unknown"}
    assert {number: protocols.NAMES[number] for number in named} == named
    assert len(protocols.NAMES) == len(set(protocols.NAMES)) == NO_PROTOCOL + 1
    assert all(protocols.NAMES[n] == name for name, n in protocols.NUMBERS.items())


def test_protocol_names_need_no_quotes_in_a_tag():
    assert not any(set(name) & set(" ,=\\\"'") for name in protocols.NAMES)
