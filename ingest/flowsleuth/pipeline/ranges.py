"""A range of time out of captures or an archive, readable although its templates came before it.

Exporters repeat templates, samplers and interface names every few minutes, half an hour at most. So
what was received in the half hour before is read as well, for what it announces: its records are
skipped, and no sequence number is judged across the beginning.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from flowsleuth.decode.decoder import Decoder
from flowsleuth.pipeline.rebase import Rebase
from flowsleuth.receive.datagrams import Datagrams, Sources
from flowsleuth.receive.files import BATCH, read
from flowsleuth.receive.frames import Tally
from flowsleuth.receive.streams import Progress

LEARNED_NS = 30 * 60 * 1_000_000_000
"""How long before a range announcements are taken in: the slowest refresh that vendors ship."""


def learned_from(since_ns: int | None) -> int | None:
    """Return the time from which on `read_range` reads."""
    return None if since_ns is None else max(since_ns - LEARNED_NS, 0)


def read_range(
    paths: Sequence[str],
    sources: Sources,
    decoder: Decoder,
    since_ns: int | None = None,
    until_ns: int | None = None,
    *,
    batch: int = BATCH,
    on_progress: Progress | None = None,
    tally: Tally | None = None,
    shift: Rebase | None = None,
) -> Iterator[Datagrams]:
    """Yield what was received in [since, until), as `files.read` does; ns since the epoch.

    shift: moves all times of what is learned and yielded; the range is of the recorded ones.
    Whoever asks decodes each batch with `decoder` before asking for the next one. `on_progress`
    gets `total_bytes(paths, learned_from(since_ns), until_ns)` in all; `tally` counts what was
    read for its announcements too. Raises InputError as `files.read` does.
    """
    for part in read(
        paths,
        sources,
        since_ns=learned_from(since_ns),
        until_ns=until_ns,
        batch=batch,
        on_progress=on_progress,
        tally=tally,
    ):
        before = np.zeros(len(part), bool) if since_ns is None else part.received_ns < since_ns
        if shift is not None:
            part = shift.apply(part)  # noqa: PLW2901  the same datagrams at another time
        if before.any():
            decoder.learn(part.take(np.flatnonzero(before)))
            part = part.take(np.flatnonzero(~before))  # noqa: PLW2901  what is left to yield
        if len(part):
            yield part
