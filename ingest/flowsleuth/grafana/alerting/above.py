"""Traffic above normal, and who it is: one host, many on one port, nobody in particular.

A protocol of a network in one direction is held against what is normal for it, and the excess is
what is over what is expected. Of these three forms one speaks:

- a host: one talker carries half of the excess or more. The alert has its address and port;
- a port: no talker does, but several on one port carry six tenths together;
- nobody: neither.

A fourth form is of the network's whole, where none of `ALONE` is above normal by itself: many
protocols at once, or one that the network never had, for which nothing is normal yet.
"""

from flowsleuth.grafana.alerting import asked, texts
from flowsleuth.grafana.alerting.constants import Span
from flowsleuth.grafana.alerting.history import earlier
from flowsleuth.grafana.alerting.paces import FAST_ON_END, FAST_OVER, NEVER, PACES, Nodes, Pace
from flowsleuth.grafana.alerting.rule import STAYS, VERDICT, WARNING, Ask, Rule
from flowsleuth.grafana.expressions import kept, math, reduced

ALERT = "Traffic above normal"

HOST_CARRIES, PORT_CARRIES = 0.5, 0.6
"""Of the excess. A port's is more, since much of the usual traffic is on one port anyway."""

PEER_CARRIES = 0.5
"""Of the talker's traffic: then it is named, else peers are counted."""

EPISODE_S = 3 * 3600
"""How far back is summed how much it was so far."""

CUT = (*asked.CUT, *asked.LABELS)
WAY = (*asked.WAY, *asked.LABELS)
HOST = (*asked.TALKER, *asked.LABELS)
PORT = (*asked.CUT, "port", *asked.LABELS)

LARGE = (asked.LARGE, asked.NOT_OTHER)

ALONE = ("tcp", "udp", "icmp")
"""Protocols which networks have: what is above normal of these is told by its own protocol's forms.
Expressions do not add up over series, so each is asked for."""


def rules() -> list[Rule]:
    """Return the four forms, each at every pace."""
    return [form(pace) for pace in PACES for form in (_host, _port, _nobody, _whole)]


def _rule(pace: Pace, form: str, words: str, nodes: Nodes, text: texts.Text) -> Rule:
    return Rule(
        f"above-{form}-{pace.name}",
        ALERT,
        f"{words}, {pace.words}",
        WARNING,
        pace.every,
        nodes,
        text.annotations(),
        began=pace.began,
        ended=pace.ended,
        grouped=("protocol", "port"),
    )


def _verdict(of: str) -> Nodes:
    """Return the verdict: it begins where a number reaches what it needs."""
    return [math(VERDICT, f"$Stays * {STAYS} + (${of} >= $Needed) * (2 - $Stays)")]


def _needed(part: float, begins: str = "$Begins") -> Nodes:
    return [math("Needed", f"{part} * $Excess + (1 - {begins}) * {NEVER}")]


def _host(pace: Pace) -> Rule:
    nodes = [
        *pace.judge(CUT),
        *_talkers(pace),
        *_needed(HOST_CARRIES),
        *_verdict("Talker"),
        math("Share", "$Talker / ($Rate + 1)"),
        *_so_far(pace),
        *_peers(pace),
        *earlier(),
    ]
    return _rule(pace, "host", "one host", nodes, texts.HOST)


def _talkers(pace: Pace) -> Nodes:
    """Return what finds the rates of large talkers of what is shown: `Talker`."""
    return [
        asked.windows("Talkers", "talkers", HOST, pace.span, LARGE),
        *pace.mean("TalkerMean", "Talkers"),
        *kept("Talker", "$TalkerMean", "$Shown"),
    ]


def _so_far(pace: Pace) -> Nodes:
    span = Span(pace.edge, seconds=EPISODE_S)
    # Without the small cut off: that would take twice as long, and nothing is joined with these.
    return [asked.sums("Sum", "talkers", HOST, span, LARGE[1:]), reduced("SoFar", "Sum")]


def _peers(pace: Pace) -> Nodes:
    """Return what finds how many peers there are, and the one that carries the most, if any."""
    pair, bits = (*asked.TALKER, "peer", *asked.LABELS), f'sum("bytes"){asked.BITS}'
    return [
        asked.sums("MostPeers", "talkers", HOST, pace.span, LARGE[1:], value='max("peers")'),
        reduced("Peers", "MostPeers"),
        asked.sums("Pairs", "conversations", pair, pace.span, LARGE[:1], value=bits),
        reduced("PairSum", "Pairs"),
        reduced("TalkerAll", "Talkers", "sum"),
        *kept("Peer", "$PairSum", f"$PairSum > {PEER_CARRIES} * $TalkerAll"),
    ]


def _port(pace: Pace) -> Rule:
    named = (asked.MEDIUM, "\"port\" != 'other'")
    nodes = [
        *pace.judge(CUT),
        asked.windows("Ports", "talkers", PORT, pace.span, named),
        *pace.mean("PortMean", "Ports"),
        *kept("PortRate", "$PortMean", "$Shown"),
        *_largest_host(pace),
        *_needed(PORT_CARRIES, f"$Begins * {NO_HOST}"),
        *_verdict("PortRate"),
        math("Share", "$PortRate / ($Rate + 1)"),
        asked.windows("Rows", "talkers", PORT, pace.span, named, value='count("bytes")*1.0'),
        *pace.mean("Hosts", "Rows"),
        math("PortBits", "$Ports * ${window} / 8"),
        reduced("SoFar", "PortBits", "sum"),
        *earlier("Port"),
    ]
    return _rule(pace, "port", "many hosts, one port", nodes, texts.PORT)


def _largest_host(pace: Pace) -> Nodes:
    """Return what finds the rate of the largest talker of each cut: `Largest`.

    From single points: what came late of a talker's window is not in it.
    """
    largest = f'max("bytes"){asked.BITS}'
    return [
        asked.windows(
            "Largests", "talkers", CUT, pace.span, (asked.NOT_OTHER,), value=largest, fill="0"
        ),
        *pace.mean("Largest", "Largests"),
    ]


NO_HOST = f"($Largest < {HOST_CARRIES} * $Excess)"
NO_PORT = f"($LargestPort < {PORT_CARRIES} * $Excess)"


def _nobody(pace: Pace) -> Rule:
    ports = (
        f'SELECT sum("bytes"){asked.BITS} AS "v" FROM ${{detail}}"talkers" '
        f"WHERE $timeFilter AND \"port\" != 'other' GROUP BY {asked.tags(PORT)}"
    )
    nodes = [
        *pace.judge(CUT),
        *_largest_host(pace),
        Ask(
            "Port",
            f'SELECT max("v") FROM ({ports}), ({asked.ALWAYS}) GROUP BY {asked.tags(CUT)}',
            pace.newest,
        ),
        reduced("PortSum", "Port"),
        math("LargestPort", f"$PortSum / {pace.judged}"),
        *_nobodys(f"$Begins * {NO_HOST} * {NO_PORT}"),
    ]
    return _rule(pace, "nobody", "nobody in particular", nodes, texts.NOBODY)


def _nobodys(begins: str) -> Nodes:
    """Return the verdict of traffic itself, and how much there was so far."""
    return [
        math("Verdicts", f"$Stays * {STAYS} + {begins} * (2 - $Stays)"),
        *kept(VERDICT, "$Verdicts", "$Shown"),
        math("Over", "$Traffic * ($Traffic > $Normal) * ${window} / 8"),
        reduced("SoFar", "Over", "sum"),
    ]


def _whole(pace: Pace) -> Rule:
    nodes = [
        *pace.judge(WAY),
        *(node for protocol in ALONE for node in _protocol(pace, protocol)),
        *_talkers(pace),
        *kept("Top", "$Talker", f"$Talker > {HOST_CARRIES} * $Excess"),
        *_nobodys(f"$Begins{''.join(f' * (1 - ${name.title()}Told)' for name in ALONE)}"),
    ]
    return _rule(pace, "whole", "several protocols", nodes, texts.WHOLE)


def _protocol(pace: Pace, protocol: str) -> Nodes:
    """Return what says whether a protocol has an alert of its own: `TcpTold` and so on."""
    name = protocol.title()
    high = f"(${name}High >= {FAST_ON_END})"
    return [
        asked.of_protocol(name, protocol, WAY, pace.span),
        asked.known(f"{name}Upper", "bytes_upper", asked.WAY, (f"\"protocol\" = '{protocol}'",)),
        reduced(f"{name}Normal", f"{name}Upper"),
        math(f"{name}Highs", f"${name} > {FAST_OVER} * ${name}Normal"),
        reduced(f"{name}High", f"{name}Highs", "sum"),
        *pace.mean(f"{name}Rate", name),
        math(
            f"{name}Told",
            f"(${name}Normal > 0) * ({high} || (${name}Rate > ${name}Normal))",
        ),
    ]
