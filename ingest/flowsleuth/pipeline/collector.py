"""The daemon: receives, counts, and writes each window when it is over.

Receiving has a thread of its own and a writer thread writes; this loop is all between. It takes
what has arrived, and when the clock says that a window and its grace are over, it writes it.
A bug in what a batch does is logged with its traceback, and the loop goes on with the next batch.
A reload happens between two batches: a new pipeline goes on where the former one left off.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict

import numpy as np

from flowsleuth.aggregate.stamps import MAX_WORKERS, Stamp, live_stamp
from flowsleuth.baseline.publisher import Publisher
from flowsleuth.config import Config
from flowsleuth.errors import FlowSleuthError
from flowsleuth.health.ingester import Health, resident_bytes, summary_line
from flowsleuth.health.slate import Slate
from flowsleuth.pipeline.holdings import changed, digests, remembered
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.pipeline.reload import Read, plan, refusal
from flowsleuth.pipeline.state import State
from flowsleuth.points import Table
from flowsleuth.receive.archive import Archive, ArchiveTotals
from flowsleuth.receive.udp import UdpReceiver
from flowsleuth.write.influx import InfluxWriter
from flowsleuth.write.lines import encode

log = logging.getLogger(__name__)

MINUTE_NS = 60_000_000_000

WAIT_S = 0.1
"""How long one turn of the loop waits for datagrams: also how late a window may close."""

LOGGED = (
    "datagrams",
    "records",
    "points",
    "kernel_drops",
    "not_netflow",
    "unlisted",
    "malformed",
    "missing_template",
    "write_errors",
    "points_refused",
    "points_dropped",
    "late_points",
    "written_early",
    "archive_lost",
    "archive_errors",
    "queue",
    "spool",
)
"""What the line of each minute says where it is not zero."""

SHOWN_S = 1.0
"""How old what `/metrics` shows may be."""

GAUGES = ("queue", "spool")
"""Of those, what is told as it is, not as what moved."""


class Collector:
    """One ingester, or one of its workers. clock: ns since the epoch.

    read: reads the configuration again for a reload; without it there is none. Whoever else lives
    by the configuration is told of a new one through `on_reload`.
    archive: keeps what is received, but for what `exporters_only` drops: a stranger's flood must
    not push out what listed exporters sent.
    slate: shows the totals to others while it runs.
    """

    def __init__(
        self,
        config: Config,
        receiver: UdpReceiver,
        pipeline: Pipeline,
        writer: InfluxWriter,
        state: State,
        clock: Callable[[], int] = time.time_ns,
        worker: int = 0,
        read: Read | None = None,
        baseline: Publisher | None = None,
        archive: Archive | None = None,
        slate: Slate | None = None,
    ) -> None:
        self._config = config
        self._receiver = receiver
        self._pipeline = pipeline
        self._writer = writer
        self._state = state
        self._clock = clock
        self._worker = worker
        self._read = read
        self._baseline = baseline
        self._archive = archive
        self._slate = Slate() if slate is None else slate
        self._show_at = 0.0
        self._stopping = self._reload_wanted = False
        self._event_ns = 0
        self.on_reload: list[Callable[[Config], None]] = []
        self._health = Health()
        self._tags = {"ingester": config.ingester}
        self._started_ns = clock()
        self._flushed_ns = 0
        self._closed_until = self._due(self._started_ns)
        self._born = self._started_ns // config.window_ns + 1
        self._bugs = 0
        pipeline.aggregator.early_stamp = self._stamp
        pipeline.aggregator.hearing.watch(self._started_ns)
        if baseline is not None:
            self.on_reload.append(baseline.reload)
        self._malformed = self._missing_template = 0
        self._reported: dict[str, float] = {}
        self._report_at = self._started_ns + MINUTE_NS

    def stop(self) -> None:
        """End the loop soon; may be called by a signal handler."""
        self._stopping = True

    def reload(self) -> None:
        """Read the configuration again soon; may be called by a signal handler."""
        self._reload_wanted = True

    def run(self) -> None:
        """Receive and write until `stop`, then write everything that there is."""
        self.event("start", f"ingester {self._config.ingester} starts")
        self._tell_changed()
        if self._baseline is not None:
            self._baseline.start()
        while not self._stopping:
            if self._reload_wanted:
                self._reload()
            self._take(WAIT_S)
            self._close_windows()
            self._publish()
            self._report()
            self._show()
        self._slate.wipe()
        self._receiver.stop()
        if self._baseline is not None:
            self._baseline.stop()
        while self._publish():
            pass
        while self._take(0):
            pass
        if self._archive is not None:
            self._archive.close()
        self._submit(self._pipeline.finish(self._stamp()))
        self._submit([self._health.point(self._totals(), self._own(self._clock()))])
        self.event("stop", f"ingester {self._config.ingester} stops")
        self._save()
        self._writer.close()
        self._report(last=True)

    def event(self, kind: str, text: str) -> None:
        """Write a point of the measurement `events`: of several workers, the first one does."""
        log.info(text)
        if self._worker:
            return
        self._event_ns = max(self._clock(), self._event_ns + 1)
        at = np.array([self._event_ns], np.int64)
        self._submit([Table("events", {"kind": [kind]}, {"text": [text]}, at)])

    def _reload(self) -> None:
        """Go on with the configuration as it is written now, or as it was where that is wrong."""
        self._reload_wanted = False
        former = self._pipeline
        if self._read is None:
            return
        try:
            what = plan(former.config, former.names, self._read)
            successor = Pipeline(what.config, what.names) if what.changes else None
        except FlowSleuthError as error:
            log.error("%s", refusal(error))  # noqa: TRY400  the user's to mend: one line
            return
        except Exception:
            log.exception("reload: a bug, please report it; all stays as it was")
            return
        if what.held_back and not self._worker:
            log.warning(
                "%s: a change needs a restart; it stays as it was", ", ".join(what.held_back)
            )
        if successor is not None:
            self._submit(successor.succeed(former, self._stamp()))
            self._pipeline, self._config = successor, what.config
        self.event("reload", what.text)
        self._tell_changed()
        if successor is not None:
            for told in self.on_reload:
                told(what.config)
        self._save()

    def _tell_changed(self) -> None:
        """Write an event for each network that is not what it was when it was last heard of."""
        now = digests(self._config)
        for text in changed(self._state.networks, now).values():
            self.event("networks", text)
        self._state.networks = remembered(self._state.networks, now)

    def _take(self, wait_s: float) -> bool:
        """Take one batch in, if there is one."""
        batch = self._receiver.batches(wait_s)
        if batch is None:
            self._slate.decoding()
            return False
        if self._archive is not None:
            self._archive.add(self._pipeline.listed(batch))
        try:
            decoded = self._pipeline.feed(batch)
        except Exception:
            # A bug: it must not stop the daemon, and must not go unseen either.
            log.exception("a batch of %d datagrams was lost to a bug, please report it", len(batch))
            self._bugs += len(batch)
            return True
        self._slate.decoding()
        self._malformed += int(decoded.counts["malformed"].sum())
        self._missing_template += int(decoded.counts["missing_template"].sum())
        for problem in decoded.problems[:1]:
            log.debug("malformed: %s", problem)
        if early := self._pipeline.take_early():
            self._submit(early)
        return True

    def _due(self, now_ns: int) -> int:
        """Return the window before which all are over, their grace included."""
        return (now_ns - self._config.grace_ns) // self._config.window_ns

    def _close_windows(self) -> None:
        now = self._clock()
        until = self._due(now)
        if until <= self._closed_until:
            return
        self._closed_until = until
        flushed = list(self._pipeline.flush(until, self._stamp()))
        self._submit([*flushed, self._health.point(self._totals(), self._own(now))])
        self._save()

    def _publish(self) -> bool:
        """Write a part of what is normal; return whether there was any to write."""
        table = self._baseline.take() if self._baseline is not None else None
        if table is not None:
            self._submit([table])
        return table is not None

    def _stamp(self) -> Stamp:
        """Return a stamp that no other flush of this ingester has or had."""
        self._flushed_ns = max(self._clock(), self._flushed_ns + 1_000_000)
        return live_stamp(self._flushed_ns, self._worker, self._born)

    def _own(self, now_ns: int) -> int:
        """Return a time that no other worker writes a point of the same series at."""
        return now_ns - now_ns % MAX_WORKERS + self._worker

    def _submit(self, tables: Iterable[Table]) -> None:
        """Hand tables to the writer; with a spool they survive together, or not at all."""
        for table in tables:
            self._writer.submit(table.measurement, encode(table, self._tags))
        self._writer.commit()

    def _save(self) -> None:
        self._state.save(self._pipeline)

    def _show(self) -> None:
        """Write on the slate what there is to see, once in SHOWN_S."""
        if (now := time.monotonic()) < self._show_at:
            return
        self._show_at = now + SHOWN_S
        sockets = len(self._receiver.statistics().buffers)
        self._slate.show(self._totals(), sockets, self._writer.standing())

    def _totals(self) -> dict[str, float]:
        received = self._receiver.statistics()
        archived = ArchiveTotals() if self._archive is None else self._archive.totals()
        written = asdict(self._writer.totals())
        aggregator = self._pipeline.aggregator
        use = aggregator.use()
        return {
            "datagrams": received.datagrams,
            "datagram_bytes": received.bytes,
            "records": self._pipeline.records,
            "kernel_drops": received.kernel_drops,
            "not_netflow": self._pipeline.not_netflow,
            "unlisted": self._pipeline.unlisted,
            "malformed": self._malformed,
            "missing_template": self._missing_template,
            **{
                name: written[name]
                for name in (
                    "points",
                    "write_errors",
                    "points_refused",
                    "points_dropped",
                    "queue",
                    "spool",
                    "write_seconds",
                )
            },
            **asdict(aggregator.counters),
            "window_keys": aggregator.held,
            "series": use.series,
            "series_budget": use.budget,
            "admission_bar": use.bar,
            "receive_buffer": sum(buffer.obtained for buffer in received.buffers),
            "rss": resident_bytes(),
            **asdict(archived),
            "bugs": self._bugs,
            "baseline_seconds": self._baseline.seconds if self._baseline is not None else 0,
        }

    def _report(self, *, last: bool = False) -> None:
        """Log one line a minute with what moved."""
        now = self._clock()
        if now < self._report_at and not last:
            return
        self._report_at = now + MINUTE_NS
        totals = self._totals()
        moved = {
            name: totals[name] - (self._reported.get(name, 0) if name not in GAUGES else 0)
            for name in LOGGED
        }
        self._reported = totals
        log.info("%s", summary_line(moved))
