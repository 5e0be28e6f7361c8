"""What filters cost, beside decoding: the optional columns, and the answers to some filters.

All in one process, turn by turn, so that a slow moment of the machine slows all alike: read the
ratios. Decoding without any filter is the measure, in CPU time.

    python bench/filters.py [FLOWS]
"""

import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from traffic import batches

from flowsleuth.decode.decoder import Decoder
from flowsleuth.enrich.seen import seen_of, wanted_by
from flowsleuth.filters.filter import Filter

ROUNDS = 9
VERSION = 9
LISTED = 5000
"""Addresses in a list that somebody might have (a list of bad hosts)."""


def long_list() -> str:
    """Return a filter with a list of random addresses."""
    rng = np.random.default_rng(3)
    octets = rng.integers(0, 256, (LISTED, 4)).tolist()
    return f"ip in [ {' '.join('.'.join(map(str, four)) for four in octets)} ]"


FILTERS = {
    "port 443": "port 443",
    "the design's example": "proto udp and dst port 14857 and src net 10.1.0.0/16 and bytes > 1M",
    "src as 64512 and tos 8": "src as 64512 and tos 8",
    "bps > 1M and duration > 1000": "bps > 1M and duration > 1000",
    f"ip in [ {LISTED} addresses ]": long_list(),
}


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds that the work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Print decoding's cost, and for each filter those of its columns and of its answer."""
    flows = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    parts = batches(VERSION, flows)

    def decode(wanted: frozenset[str]) -> list:
        decoder = Decoder(wanted=wanted)
        return [part for batch in parts for part in decoder.decode(batch).flows]

    plain = frozenset[str]()
    filters = {name: Filter(text) for name, text in FILTERS.items()}
    wanted = {name: wanted_by([one]) for name, one in filters.items()}
    seen = {
        name: [seen_of(part, part.bytes, part.packets) for part in decode(wanted[name])]
        for name in filters
    }
    bare, columns, answers = [], {name: [] for name in filters}, {name: [] for name in filters}
    for _ in range(ROUNDS):
        bare.append(seconds(lambda: decode(plain)))
        for name, one in filters.items():
            if wanted[name]:
                asked = wanted[name]
                columns[name].append(seconds(lambda asked=asked: decode(asked)))
            answers[name].append(
                seconds(lambda one=one, name=name: [one.matches(each) for each in seen[name]])
            )
    base = median(bare)
    print(f"{flows:,} flows of v{VERSION}, median of {ROUNDS} rounds; 100 % is decoding them")
    print(f"{flows / base / 1e6:.2f} M flows/s decoded")
    for name in filters:
        more = median(columns[name]) / base - 1 if columns[name] else 0
        print(f"{name:32}  columns {more:6.1%}   answer {median(answers[name]) / base:6.1%}")


if __name__ == "__main__":
    main()
