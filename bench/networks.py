"""What a network lookup costs: ns per address, beside a binary search over the same prefixes.

The ratio is what to compare between machines. Binary search gets flat prefixes only, which is in
its favour: nested ones are flattened before, in both ways.
"""

import time
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network

import numpy as np

from flowsleuth.enrich.networks import Networks

ROWS, REPEATS = 50_000, 40


def nanoseconds(work: Callable[[], object]) -> float:
    """Return the least CPU time of one address over some repeats: noise only ever adds."""
    best = float("inf")
    for _ in range(REPEATS):
        began = time.process_time_ns()
        work()
        best = min(best, time.process_time_ns() - began)
    return best / ROWS


def ipv4(count: int, length: int) -> None:
    """Measure `count` neighbouring prefixes: half of the addresses inside, half anywhere."""
    random = np.random.default_rng(1)
    size = 1 << (32 - length)
    first = 0x0A000000
    nets = [IPv4Network((first + i * size, length)) for i in range(count)]
    table = Networks([(str(net), [net]) for net in nets])
    inside = random.integers(first, first + count * size, ROWS)
    asked = np.where(random.random(ROWS) < 0.5, inside, random.integers(0, 2**32, ROWS))
    asked = asked.astype(np.uint32)
    starts = np.array([0, *(int(n[0]) for n in nets), first + count * size], np.uint32)
    answers = np.array([-1, *range(count), -1], np.int32)

    def search() -> np.ndarray:
        return answers[np.searchsorted(starts, asked, side="right") - 1]

    assert (search() == table.lookup4(asked)).all()
    say(f"IPv4, {count} x /{length}", lambda: table.lookup4(asked), search)


def ipv6(count: int, length: int) -> None:
    """Measure `count` prefixes of 2001:db8::/32; all addresses inside."""
    random = np.random.default_rng(2)
    step = 1 << (128 - length)
    nets = [IPv6Network(((0x20010DB8 << 96) + i * step, length)) for i in range(count)]
    table = Networks([(str(net), [net]) for net in nets])
    numbers = [int(nets[i][0]) + 1 for i in random.integers(0, count, ROWS)]
    asked = np.array([[n >> 64, n & (2**64 - 1)] for n in numbers], np.uint64)
    starts = np.array([n >> 64 for n in map(int, (net[0] for net in nets))], np.uint64)
    high = np.ascontiguousarray(asked[:, 0])
    say(
        f"IPv6, {count} x /{length}",
        lambda: table.lookup6(asked),
        lambda: np.searchsorted(starts, high, side="right"),
    )


def say(what: str, ours: Callable[[], object], search: Callable[[], object]) -> None:
    """Print one row."""
    a, b = nanoseconds(ours), nanoseconds(search)
    print(f"{what:24} {a:6.1f} ns an address, binary search {b:6.1f}: {b / a:4.1f} times")


if __name__ == "__main__":
    for count, length in ((50, 16), (50, 24), (10_000, 24), (10_000, 28)):
        ipv4(count, length)
    for count, length in ((50, 48), (10_000, 48)):
        ipv6(count, length)
