"""The design's rules once more, record by record in plain Python: slow, and easy to read.

Only what is exact is here: windows, shares, directions, ports by the rules, totals. Which talkers
are kept is checked by properties instead.
"""

from collections import defaultdict
from fractions import Fraction
from math import floor

SECOND = 1_000_000_000


def judged_times(record, accepted_ns):
    """Return (start, end, redated) by the rules for clocks."""
    start, end, received, export = (
        record[name] for name in ("start_ns", "end_ns", "received_ns", "export_ns")
    )
    redated = False
    if abs(received - export) > 120 * SECOND:
        start, end, redated = start + received - export, end + received - export, True
    if end > received + 60 * SECOND or end < received - accepted_ns:
        start = end = received
        redated = True
    return max(start, received - accepted_ns), end, redated


def cells(start, end, octets, packets, window_ns):
    """Yield (window, bytes, packets, flows) of one flow."""
    last = end // window_ns
    if start >= end or start // window_ns == last:
        yield last, octets, packets, 1
        return
    before = (0, 0)
    for window in range(start // window_ns, last + 1):
        edge = min((window + 1) * window_ns, end)
        part = Fraction(edge - start, end - start)
        now = (floor(octets * part), floor(packets * part))
        yield window, now[0] - before[0], now[1] - before[1], int(window == last)
        before = now


def sides(record, network_of):
    """Yield (network, direction, address, peer) of each network that a record touches."""
    src, dst = record["src"], record["dst"]
    from_network, to_network = network_of(src), network_of(dst)
    if from_network is None and to_network is None:
        yield "unassigned", "transit", src, dst
    elif from_network == to_network:
        yield from_network, "internal", src, dst
    else:
        if from_network is not None:
            yield from_network, "out", src, dst
        if to_network is not None:
            yield to_network, "in", dst, src


def totals(records, network_of, window_ns, accepted_ns):
    """Return {(window, network, direction, protocol): [bytes, packets, flows, redated bytes]}."""
    sums = defaultdict(lambda: [0, 0, 0, 0])
    for record in records:
        start, end, redated = judged_times(record, accepted_ns)
        for network, direction, _, _ in sides(record, network_of):
            for window, octets, packets, flows in cells(
                start, end, record["bytes"], record["packets"], window_ns
            ):
                entry = sums[window, network, direction, record["protocol"]]
                entry[0] += octets
                entry[1] += packets
                entry[2] += flows
                entry[3] += octets if redated else 0
    return dict(sums)


def service_ports(records, configured, known, window_ns, accepted_ns):
    """Return the service port of each record, by the design's six rules."""
    pairs = defaultdict(set)
    waiting = []
    for record in records:
        low, high = sorted((record["src_port"], record["dst_port"]))
        protocol = record["protocol"]
        chosen = [p for p in (low, high) if (p, protocol) in configured]
        if protocol in (1, 58):
            waiting.append(0)
        elif chosen:
            waiting.append(chosen[0])
        elif low < 1024 or low == high:
            waiting.append(low)
        else:
            window = judged_times(record, accepted_ns)[1] // window_ns
            pair = frozenset((record["src"], record["dst"]))
            for port in (low, high):
                pairs[window, protocol, port].add(pair)
            waiting.append((window, protocol, low, high))
    return [p if isinstance(p, int) else _shared(p, pairs, known) for p in waiting]


def _shared(place, pairs, known):
    window, protocol, low, high = place
    of_low, of_high = len(pairs[window, protocol, low]), len(pairs[window, protocol, high])
    if of_low != of_high:
        return low if of_low > of_high else high
    if ((low, protocol) in known) != ((high, protocol) in known):
        return low if (low, protocol) in known else high
    return low
