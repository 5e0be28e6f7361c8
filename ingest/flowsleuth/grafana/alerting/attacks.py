"""Scan, flood and amplification: what peers, packets and flags tell.

They need no history of weeks. A flood and an amplification are held against the same host's own
mean of the last day, or a busy name server would be one all the time.
"""

from flowsleuth.grafana.alerting import asked, texts
from flowsleuth.grafana.alerting.constants import PROMPT, Span
from flowsleuth.grafana.alerting.paces import Nodes
from flowsleuth.grafana.alerting.rule import CRITICAL, INFO, Ask, Rule, verdict
from flowsleuth.grafana.expressions import kept, math, reduced
from flowsleuth.grafana.panels import Target

ADDRESS = (*asked.WAY, "address", *asked.LABELS)
NAMED = (*asked.WAY, "address", "host", *asked.LABELS)
TALKER = (*asked.TALKER, *asked.LABELS)

SCAN_WINDOWS = 5
SCAN_SYN, SCAN_SYN_STAYS, SCAN_PART, SCAN_ENDS = 200, 100, 0.7, 100
"""TCP flows that showed SYN and never ACK, their part of all flows, and how many peers or ports."""

FLOOD_WINDOWS = 2
FLOOD_PACKETS, FLOOD_SIZE, FLOOD_SOURCES, FLOOD_TIMES = 10_000, 200, 100, 5
"""Packets/s, bytes a packet at most, sources, and times the mean of the last day."""

AMPLIFIED_BITS, AMPLIFIED_PEERS, AMPLIFIED_TIMES = 10_000_000, 30, 5

STAYS = 0.5
"""Of what begins a flood or an amplification."""

DAY_S = 86_400

AMPLIFIERS = {
    17: "qotd", 19: "chargen", 53: "dns", 69: "tftp", 111: "portmap", 123: "ntp", 137: "netbios",
    161: "snmp", 389: "cldap", 427: "slp", 520: "rip", 1434: "mssql", 1900: "ssdp", 3283: "ard",
    3389: "rdp", 3702: "ws-discovery", 5093: "sentinel", 5353: "mdns", 5683: "coap",
    10001: "ubiquiti", 11211: "memcached", 27015: "steam", 37810: "dhdiscover",
}  # fmt: skip
"""UDP services whose answers are larger than what was asked, and which ask for no handshake."""


def rules() -> list[Rule]:
    """Return the rules."""
    return [_scan(), _flood(), _amplification()]


def _sums(ref: str, value: str, windows: int, where: tuple[str, ...]) -> list[Ask | Target]:
    """Return a number of each address over the last windows, as `ref`."""
    span = Span(PROMPT, windows=windows)
    return [
        asked.sums(f"{ref}Asked", "hosts", ADDRESS, span, where, value=value),
        reduced(ref, f"{ref}Asked"),
    ]


def _names(windows: int, where: tuple[str, ...]) -> Nodes:
    """Return what finds the name of an address where one is configured: a label of `Name`."""
    span = Span(PROMPT, windows=windows)
    return [asked.sums("NameAsked", "hosts", NAMED, span, where), reduced("Name", "NameAsked")]


def _scan() -> Rule:
    inside = ("\"direction\" != 'in'",)
    many = f"(($Peers >= {SCAN_ENDS}) || ($Ports >= {SCAN_ENDS}))"
    nodes = [
        *_sums("Syn", 'sum("syn_only")', SCAN_WINDOWS, (*inside, '"syn_only" >= 10')),
        *_sums("Flows", 'sum("flows")', SCAN_WINDOWS, inside),
        *_sums("Peers", 'max("peers")', SCAN_WINDOWS, inside),
        *_sums("Ports", 'max("ports")', SCAN_WINDOWS, inside),
        asked.baseline("Samples", "sampled", asked.WAY, (asked.WHOLE,), factor="*1.0"),
        reduced("Sampled", "Samples"),
        math("Begins", f"($Syn >= {SCAN_SYN}) * ($Syn >= {SCAN_PART} * $Flows) * {many}"),
        verdict(
            "($Sampled == 0) * $Begins", f"($Sampled == 0) * ($Syn >= {SCAN_SYN_STAYS})"
        ),
        *_names(SCAN_WINDOWS, inside),
    ]  # fmt: skip
    return Rule(
        "scan", "Scan from inside", "", INFO, 120, nodes, texts.SCAN.annotations(), board="host",
        began=480,
    )  # fmt: skip


def _flood() -> Rule:
    into = ("\"direction\" = 'in'",)
    seconds = f"{FLOOD_WINDOWS}/${{window}}"
    large = f'"packets" >= {FLOOD_PACKETS} * ${{window}} / 10'
    begins = (
        f"($Rate >= {FLOOD_PACKETS}) * ($Rate >= {FLOOD_TIMES} * $Usual) "
        f"* ($Size <= {FLOOD_SIZE}) * ($Sources >= {FLOOD_SOURCES})"
    )
    nodes = [
        *_sums("Rate", f'sum("packets")*1.0/{seconds}', FLOOD_WINDOWS, (*into, large)),
        *_sums("Bits", f'sum("bytes")*8.0/{seconds}', FLOOD_WINDOWS, into),
        *_sums("Sources", 'max("peers")', FLOOD_WINDOWS, into),
        math("Size", "$Bits / ($Rate + 1) / 8"),
        asked.sums(
            "Day", "hosts", ADDRESS, Span(PROMPT, seconds=DAY_S), into,
            value=f'sum("packets")*1.0/{DAY_S}',
        ),
        reduced("Usual", "Day"),
        verdict(begins, f"$Rate >= {STAYS * FLOOD_PACKETS}"),
        *_largest_source(into),
        *_names(FLOOD_WINDOWS, into),
    ]  # fmt: skip
    return Rule(
        "flood", "Flood", "", CRITICAL, 60, nodes, texts.FLOOD.annotations(), board="host",
        began=300,
    )  # fmt: skip


def _largest_source(where: tuple[str, ...]) -> Nodes:
    """Return what finds the source with most packets in a window: a label of `Source`."""
    most, span = 'max("packets")', Span(PROMPT, windows=FLOOD_WINDOWS)
    pair = (*asked.WAY, "address", "peer", *asked.LABELS)
    return [
        asked.sums("Most", "conversations", ADDRESS, span, where, value=most),
        asked.sums("Pairs", "conversations", pair, span, where, value=most),
        reduced("MostOf", "Most"),
        reduced("PairOf", "Pairs"),
        *kept("Source", "$PairOf", "$PairOf >= $MostOf"),
        math("SourceShare", "$Source / ${window} / ($Rate + 1)"),
    ]


def _amplification() -> Rule:
    ports = "|".join(map(str, AMPLIFIERS))
    where = (asked.NOT_OTHER, "\"protocol\" = 'udp'", f'"port" =~ /^({ports})$/')
    span = Span(PROMPT, windows=FLOOD_WINDOWS)
    bits = f'sum("bytes"){asked.BITS}/{FLOOD_WINDOWS}'
    begins = (
        f"($Rate >= {AMPLIFIED_BITS}) * ($Rate >= {AMPLIFIED_TIMES} * $Usual) "
        f"* ($Peers >= {AMPLIFIED_PEERS})"
    )
    nodes: Nodes = [
        asked.sums("Bits", "talkers", TALKER, span, (*where, asked.LARGE), value=bits),
        asked.sums("Ends", "talkers", TALKER, span, where, value='max("peers")'),
        asked.sums(
            "Day", "talkers", TALKER, Span(PROMPT, seconds=DAY_S), where,
            value=f'sum("bytes")*8.0/{DAY_S}',
        ),
        reduced("Rate", "Bits"),
        reduced("Peers", "Ends"),
        reduced("Usual", "Day"),
        verdict(begins, f"$Rate >= {STAYS * AMPLIFIED_BITS}"),
    ]  # fmt: skip
    return Rule(
        "amplification", "Amplification", "", CRITICAL, 60, nodes,
        texts.AMPLIFICATION.annotations(), began=300, grouped=("protocol", "port"),
    )  # fmt: skip
