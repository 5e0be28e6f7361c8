"""Captures into points, at the capture's own times.

Windows close at the accepted age in capture time, by whole hours, or at the end, or when memory
demands it, so that the points do not depend on how the datagrams fall into batches.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from hashlib import blake2b

import numpy as np

from flowsleuth.aggregate.aggregator import HOUR
from flowsleuth.aggregate.stamps import Stamp, file_stamp
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.points import Table
from flowsleuth.receive.datagrams import Datagrams


def points(pipeline: Pipeline, batches: Iterable[Datagrams]) -> Iterator[list[Table]]:
    """Yield the tables of each flush."""
    stamp: Stamp | None = None
    newest = 0
    config = pipeline.config
    written_until = 0
    for batch in batches:
        if not len(batch):
            continue
        if stamp is None:
            stamp = file_stamp(_hash(batch))
            pipeline.aggregator.early_stamp = partial(file_stamp, _hash(batch))
        decoded = pipeline.feed(batch)
        newest = max(newest, int(np.max(decoded.received_ns, initial=0)))
        until = newest - config.accepted_age_ns
        for edge in _edges(pipeline, written_until, until // config.window_ns):
            written_until = edge
            if tables := pipeline.flush(edge, stamp):
                yield tables
        if early := pipeline.take_early():
            yield early
    if stamp is not None:
        yield pipeline.finish(stamp)


def _edges(pipeline: Pipeline, after: int, before: int) -> Iterator[int]:
    """Yield the windows up to which to write, one after another: the ends of hours.

    Each hour by itself, because a key that gets its series in one is known in the next, and what
    waits for its port meets closed windows; but no hour of which nothing is held.
    """
    hour = HOUR // pipeline.config.window_ns
    last = before // hour * hour
    while after < last:
        after = min((pipeline.aggregator.oldest // hour + 1) * hour, last)
        yield after


def _hash(batch: Datagrams) -> int:
    """Hash the first datagram and its receipt: what tells one file from another."""
    text = batch.payload(0) + int(batch.received_ns[0]).to_bytes(8, signed=True)
    return int.from_bytes(blake2b(text, digest_size=8).digest())
