"""What a file is, by its first bytes: something to read, or another tool's format by its name.

One table of the formats that we do not read, each with what its owner can do; a capture is told
by its magic, bare datagrams by the NetFlow version in their first two bytes.
"""

from dataclasses import dataclass
from enum import Enum, auto

from dpkt import pcap

from flowsleuth.errors import InputError
from flowsleuth.receive.streams import Stream

PCAP_ORDERS: dict[bytes, str] = {
    magic.to_bytes(4, name): order
    for magic in (pcap.TCPDUMP_MAGIC, pcap.TCPDUMP_MAGIC_NANO, pcap.MODPCAP_MAGIC)
    for name, order in (("big", ">"), ("little", "<"))
}
"""Magic numbers of pcap files as they lie in them, and the byte order that each says."""

PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
"""Block type of a section header; the same in both byte orders (draft-ietf-opsawg-pcapng, 4.1)."""

VERSIONS = frozenset({1, 5, 7, 9, 10})
"""Versions of the export formats: Cisco's v1, v5, v7, RFC 3954 and RFC 7011."""

SHORTEST_CAPTURE = 24
"""Bytes of a pcap header: a file below can be no container, only a (broken) datagram."""


class Format(Enum):
    """What we read."""

    PCAP = auto()
    PCAPNG = auto()
    BARE = auto()


@dataclass(frozen=True, slots=True)
class _Foreign:
    """A format of somebody else: its magic at an offset, what it is, what its owner can do."""

    magic: bytes
    name: str
    remedy: str
    offset: int = 0


_NFCAPD = (
    "an nfcapd file (nfdump's storage)",
    "send it with `nfreplay -v 9 -r FILE -H HOST -p PORT` to `flowsleuth collect`",
)
_FLOWTOOLS = ("a flow-tools file", "send it with `flow-send 0/HOST/PORT < FILE` to `collect`")
_SFLOW = ("sFlow", "only NetFlow and IPFIX are read; have the agent export NetFlow v9 or IPFIX")
_PACKED = "unpack it, or pack it with gzip or zstd"

_FOREIGN = (
    _Foreign(b"\x0c\xa5", *_NFCAPD),
    _Foreign(b"\xa5\x0c", *_NFCAPD),
    _Foreign(b"\xcf\x10", *_FLOWTOOLS),
    *(
        _Foreign(bytes((0, 0, 0, version, 0, 0, 0, family)), *_SFLOW)
        for version in (2, 4, 5)
        for family in (1, 2)
    ),
    _Foreign(b"\xde\xad\xbe\xef", "a SiLK file", "rwsilk2ipfix writes IPFIX from it"),
    _Foreign(b"\xe5\x71\x2d\xcf", "an Argus file", "only NetFlow and IPFIX are read", offset=8),
    _Foreign(b"\x83\x10", "an Argus file", "only NetFlow and IPFIX are read"),
    _Foreign(b"StartTime", "Argus text (binetflow)", "only NetFlow and IPFIX are read"),
    _Foreign(b"snoop\0\0\0", "a snoop capture", "`editcap -F pcap FILE OUT` converts it"),
    _Foreign(b"BZh", "packed with bzip2", _PACKED),
    _Foreign(b"\xfd7zXZ\0", "packed with xz", _PACKED),
    _Foreign(b"\x04\x22\x4d\x18", "packed with lz4", _PACKED),
    _Foreign(b"PK\x03\x04", "a zip archive", _PACKED),
    _Foreign(b"ustar", "a tar archive", "unpack it and give the folder", offset=257),
)

WHAT_WE_READ = "give a pcap, a pcapng, or NetFlow v1, v5, v7, v9 or IPFIX datagrams"


def starts_capture(head: bytes) -> bool:
    """Say whether 12 bytes begin a pcap (its version is 2.x) or a pcapng section."""
    order = PCAP_ORDERS.get(head[:4])
    if order is not None:
        return head[4:6] == (b"\0\x02" if order == ">" else b"\x02\0")
    return head[:4] == PCAPNG_MAGIC and head[8:12] in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a")


def recognise(stream: Stream) -> Format:
    """Say what the stream holds from here on; raises InputError where it is nothing for us."""
    head = stream.peek(512)
    if not head:
        if stream.fault:
            raise stream.broken("nothing can be read")
        raise InputError(f"{stream.name}: is empty; {WHAT_WE_READ}")
    if head[:4] in PCAP_ORDERS:
        return Format.PCAP
    if head[:4] == PCAPNG_MAGIC:
        return Format.PCAPNG
    if int.from_bytes(head[:2]) in VERSIONS and len(head) > 1:
        return Format.BARE
    for foreign in _FOREIGN:
        if head.startswith(foreign.magic, foreign.offset):
            raise InputError(f"{stream.name}: is {foreign.name}, no NetFlow; {foreign.remedy}")
    if _is_text(head):
        raise InputError(f"{stream.name}: is text, no capture; {WHAT_WE_READ}")
    if len(head) < SHORTEST_CAPTURE:
        return Format.BARE
    raise InputError(
        f"{stream.name}: unknown format (it begins with {head[:4].hex(' ')}); {WHAT_WE_READ}"
    )


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode()
    return bool(text) and all(sign.isprintable() or sign in "\t\r\n\f" for sign in text)
