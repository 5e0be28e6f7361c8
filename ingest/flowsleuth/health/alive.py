"""Is it alive? Its sockets are open, decoding moves, and points get through or are safe on disk.

That is what a supervisor may act on. What the world around does wrong (no exporter sends, one is
silent, datagrams are lost) is no reason to restart an ingester: rules and `doctor` tell of it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from flowsleuth import __version__
from flowsleuth.health.slate import Slate
from flowsleuth.write.influx import Standing

STALLED_S = 60.0
"""Decoding stands still: writing a large window takes seconds, and a turn of the loop has one."""

FAILING = {
    Standing.WAITING: "InfluxDB takes no points, and without state_dir they wait in memory only",
    Standing.LOSING: "InfluxDB takes no points, and there is no room for them any more",
    Standing.ENDED: "the thread that writes has ended: restart, and please report it",
}
"""What is no good state of writing, and why."""


def report(slates: Sequence[Slate]) -> dict[str, Any]:
    """Return what `/healthz` says, as JSON can hold it; one slate for each worker."""
    reasons = [
        f"worker {number}: {reason}" if len(slates) > 1 else reason
        for number, slate in enumerate(slates)
        for reason in ailments(slate)
    ]
    return {
        "alive": not reasons,
        "version": __version__,
        "workers": [
            {
                "worker": number,
                "sockets": slate.sockets,
                "decoding": slate.decoded_ago_s < STALLED_S,
                "writing": slate.writing.name.lower(),
            }
            for number, slate in enumerate(slates)
        ],
        "reasons": reasons,
    }


def ailments(slate: Slate) -> Iterator[str]:
    """Yield a line for each reason why a worker is not alive."""
    if not slate.sockets:
        yield "no socket is open: it is starting, or has died; the log says why"
        return
    if (ago := slate.decoded_ago_s) >= STALLED_S:
        yield f"nothing was decoded for {ago:.0f} s although datagrams wait; the log says why"
    if slate.writing in FAILING:
        yield f"{FAILING[slate.writing]}; the log says why"
