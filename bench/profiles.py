"""What profiles cost: flows per CPU second with 0, 10 and 40 of them, and of asking a capture.

The whole way from datagram to line protocol, as in throughput.py, turn by turn in one process, so
that a slow moment of the machine slows all. The filters are of the kind that people write: a
protocol and a port or two, a network, sizes, flags. Read the ratios. Exit status 1 where 40
profiles leave less than is demanded.

    python bench/profiles.py [FLOWS]
"""

import sys
import time
from collections.abc import Callable
from statistics import median

from throughput import CONFIG, ours
from traffic import batches

from flowsleuth.decode.as_json import json_records
from flowsleuth.decode.decoder import Decoder
from flowsleuth.enrich.networks import Networks
from flowsleuth.enrich.seen import wanted_by
from flowsleuth.filters.filter import Filter
from flowsleuth.query.keys import BY_NAME, Known
from flowsleuth.query.selection import Selection
from flowsleuth.query.top import Top
from flowsleuth.receive.datagrams import Datagrams

FLOWS = 1_200_000
ROUNDS = 5
DEMANDED = 0.7
"""Of the flows per CPU second without profiles, with 40."""

FORMS = (
    "proto udp and dst port 53 and src net 10.{i}.0.0/16",
    "proto tcp and port in [443 80 8443] and net 10.{i}.0.0/16",
    "src net 10.{i}.0.0/16 and bytes > 1M",
    "proto tcp and flags S and not flags A and dst net 10.{i}.0.0/16",
    "proto icmp or (proto udp and port 123 and src net 10.{i}.0.0/16)",
)
ONE = "src ip 10.7.0.7 and dst port 22"
"""A filter that next to nothing matches."""


def profiles(count: int) -> list[dict[str, str]]:
    """Return so many profiles."""
    return [{"name": f"p{i}", "filter": FORMS[i % len(FORMS)].format(i=i)} for i in range(count)]


def whole_way(count: int) -> Callable[[list[Datagrams]], float]:
    """Return what measures the whole way with so many profiles: CPU seconds."""
    config = type(CONFIG).model_validate(
        {
            "networks": [n.model_dump() for n in CONFIG.networks],
            "profiles": profiles(count),
        }
    )
    return lambda parts: ours(parts, config)[1]


def asked(
    show: Callable[[Decoder, Datagrams], object], wanted: frozenset[str]
) -> Callable[..., float]:
    """Return what measures the decoding of all, and `show` on each batch: CPU seconds."""

    def measure(parts: list[Datagrams]) -> float:
        decoder = Decoder(wanted=wanted)
        began = time.process_time()
        for part in parts:
            show(decoder, part)
        return time.process_time() - began

    return measure


def filtered(decoder: Decoder, part: Datagrams) -> object:
    """Do what `decode --filter` does."""
    decoded = decoder.decode(part)
    selection = Selection(Filter(ONE), None, None, CONFIG.accepted_age_ns)
    chosen = [selection.shown(flows, {}) for flows in decoded.flows]
    return list(json_records(decoded, chosen))


def ranking(top: Top) -> Callable[[Decoder, Datagrams], object]:
    """Do what `decode --top` does."""
    selection = Selection(None, None, None, CONFIG.accepted_age_ns)

    def show(decoder: Decoder, part: Datagrams) -> object:
        for flows in decoder.decode(part).flows:
            for chosen in selection.chosen(flows, {}):
                top.add(chosen)
        return None

    return show


def main() -> None:
    """Print a row for each way."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else FLOWS
    parts = batches(9, count)
    known = Known(Networks([]), str)
    ways: dict[str, Callable[[list[Datagrams]], float]] = {
        "points, no profile": whole_way(0),
        "points, 10 profiles": whole_way(10),
        "points, 40 profiles": whole_way(40),
        "decode alone": asked(lambda decoder, part: decoder.decode(part), frozenset()),
        "decode --filter": asked(filtered, wanted_by([Filter(ONE)])),
        "decode --top srcip": asked(ranking(Top([BY_NAME["srcip"]], "bytes", known)), frozenset()),
        "decode, all as JSON": asked(
            lambda decoder, part: list(json_records(decoder.decode(part))), frozenset()
        ),
    }
    print(f"{count:,} flows (v9), median of {ROUNDS} rounds, turn by turn")
    print(f"{'':22}{'CPU s':>8}{'M flows/s':>11}{'of no profile':>15}")
    rounds = [{name: way(parts) for name, way in ways.items()} for _ in range(ROUNDS)]
    plain = [turn["points, no profile"] for turn in rounds]
    missed = False
    for name in ways:
        seconds = [turn[name] for turn in rounds]
        ratio = median(a / b for a, b in zip(plain, seconds, strict=True))
        of_plain = f"{ratio:.2f}" if name.startswith("points") else ""
        print(f"{name:22}{median(seconds):8.2f}{count / median(seconds) / 1e6:11.2f}{of_plain:>15}")
        missed |= name == "points, 40 profiles" and ratio < DEMANDED
    if missed:
        sys.exit(f"missed: {DEMANDED} with 40 profiles")


if __name__ == "__main__":
    main()
