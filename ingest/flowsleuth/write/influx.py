"""Writing to InfluxDB: a thread of its own takes batches from a bounded backlog.

Why not the client's batching API: it drops what it cannot write after its retries, its queue has no
bound, and it cannot tell totals from detail. Its retries are used (WritesRetry: backoff, jitter,
Retry-After), a few for each attempt; a batch that still could not be written stays first and is
tried again, because an outage may last longer than any number of retries. The bytes of a batch
never change, timestamps included, so writing it twice counts once.

What InfluxDB refuses for good (a field of another type, a point older than the retention) must not
hold up the rest: the client's error says how many points were dropped, else the batch is halved
until the culprits are alone.

With a spool what is submitted is on disk before it is sent, and stays there until it is settled.
"""

# mypy: untyped-calls-exclude=influxdb_client
# (the client says that it is typed, and some of it is)

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Self

from influxdb_client.client.write.retry import WritesRetry
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService
from urllib3 import connectionpool

from flowsleuth.config import Influx
from flowsleuth.errors import ServiceError
from flowsleuth.schema import BY_NAME, Kept
from flowsleuth.write.backlog import Backlog, Batch
from flowsleuth.write.server import Trouble, connect, explain, message
from flowsleuth.write.spool import Spool

log = logging.getLogger("flowsleuth.write")

BACKLOG_BYTES = 64 * 2**20
"""Memory for points that wait: some 400 000, hours of a normal installation's outage."""

REFUSED = frozenset({400, 413, 422})
"""Statuses that will be the same tomorrow: bad points (1.8: 400, 2.x: 422), or too many at once."""

PATIENCE_S = 60.0
"""How long a patient `submit` waits for room before it takes the server for lost."""

LOG_EVERY_S = 60.0
"""Troubles and refusals are logged once in this time, the first at once."""

RETRIES: dict[str, Any] = {
    "total": 3,
    "retry_interval": 0.5,
    "max_retry_delay": 5,
    "max_retry_time": 30,
    "allowed_methods": ["POST"],
}
"""The client's retries inside one attempt, in seconds: few, as attempts follow one another."""

LONGEST_WAIT_S = 60.0
"""What a server's Retry-After may ask for at most."""

RECENT_S = 60.0
"""What `write_seconds` looks back over."""

PAUSE_S = 5.0
"""Between two attempts at the same batch."""

NOISY = (WritesRetry.__module__, connectionpool.__name__)
"""Loggers that would tell of every retry; here each is counted, and logged once a minute."""

_DROPPED = re.compile(r"dropped=(\d+)")


@dataclass(slots=True)
class Written:
    """What the writer did; names as in the measurement `ingester`.

    queue: points that wait or are being written. spool: bytes on disk. write_seconds: the longest
    write of RECENT_S.
    """

    points: int = 0
    write_errors: int = 0
    points_refused: int = 0
    points_dropped: int = 0
    queue: int = 0
    spool: int = 0
    write_seconds: float = 0.0


class Standing(IntEnum):
    """What becomes of points: taken; safe in the spool; in memory only; lost; the writer ended."""

    TAKEN = 0
    SPOOLED = 1
    WAITING = 2
    LOSING = 3
    ENDED = 4


class Retry(WritesRetry):
    """The client's retry, whose waiting ends when `stop` is set: nobody waits to stop a daemon."""

    stop = threading.Event()

    def new(self, **changed: Any) -> "Retry":
        """Return the retry after this one, with the same event."""
        made: Retry = super().new(**changed)  # type: ignore[no-untyped-call]  # the client's
        made.stop = self.stop
        return made

    def sleep(self, response: Any = None) -> None:
        """Wait as long as the server asks, else as long as the backoff says."""
        untyped: Any = self
        asked = untyped.get_retry_after(response) if response is not None else None
        self.stop.wait(min(asked or untyped.get_backoff_time(), LONGEST_WAIT_S))


class Stopped(Exception):
    """The writer is being closed while a batch could not be written."""


class InfluxWriter:
    """A sink that writes to InfluxDB (see `output.Sink`).

    settings: where to; the database and retentions are there (see `setup.prepare`).
    spool: where points wait on disk; the writer closes it. Without one they wait in memory.
    prepare: called before the first write until it no longer raises ServiceError, where the
        server was away when its database was to be prepared.
    patient: whether `submit` waits for room (a file is being loaded) instead of dropping the
        oldest points (datagrams keep coming).
    """

    def __init__(
        self,
        settings: Influx,
        *,
        patient: bool = False,
        spool: Spool | None = None,
        prepare: Callable[[], object] | None = None,
        backlog_bytes: int = BACKLOG_BYTES,
        retries: dict[str, Any] | None = None,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.settings = settings
        self.trouble = ""  # why the last attempt failed; '' after one that did not
        self._patient = patient
        self._spool = spool
        self._prepare = prepare
        self._retries = RETRIES | (retries or {})
        self._pause_s = pause_s
        self._client = connect(settings)
        self._service = WriteService(self._client.api_client)
        self._backlog = Backlog(settings.batch_points, backlog_bytes, spool)
        self._totals = Written()
        self._dropped_before = 0  # points given up before the present trouble
        # (end, seconds) of the last writes; as many as a minute of full batches can bring
        self._recent: deque[tuple[float, float]] = deque(maxlen=1000)
        self._begun = 0.0
        self._stop = threading.Event()
        # Who gives `prepare` has said already that the server is away.
        quiet_until = time.monotonic() + LOG_EVERY_S if prepare is not None else 0.0
        self._log_after = {"trouble": quiet_until, "refused": 0.0}
        for name in NOISY:
            logging.getLogger(name).setLevel(logging.ERROR)
        self._thread = threading.Thread(target=self._run, name="write", daemon=True)
        self._thread.start()

    def submit(self, measurement: str, lines: Sequence[bytes]) -> None:
        """Queue the lines of points of one measurement; with a spool they count from `commit` on.

        Raises ServiceError if it is patient and InfluxDB took nothing for PATIENCE_S.
        """
        if self._patient and not self._backlog.has_room(PATIENCE_S):
            raise ServiceError(self._why())
        self._backlog.put(BY_NAME[measurement].kept, lines)

    def commit(self) -> None:
        """Put on disk what was submitted since the last commit, all of it or nothing of it."""
        self._backlog.commit()

    def flush(self, timeout: float | None = PATIENCE_S) -> bool:
        """Wait until all is written or refused; return whether it is within `timeout` seconds."""
        self.commit()
        return self._backlog.is_empty(timeout)

    def finish(self) -> None:
        """Wait until all is written or refused.

        Raises ServiceError when InfluxDB took nothing for PATIENCE_S.
        """
        before = -1
        while not self.flush(PATIENCE_S):
            settled = self._totals.points + self._totals.points_refused
            if settled == before:
                raise ServiceError(self._why())
            before = settled

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(10.0 if kind is None else 0.0)

    def close(self, timeout: float = 10.0) -> None:
        """Write what is left, for at most `timeout` seconds, then leave the rest to the spool.

        What is not in a spool is given up and counted.
        """
        self.commit()
        self._backlog.close()
        if not (self._spool and self.trouble):  # what is safe need not wait for who is away
            self._thread.join(timeout)
        self._stop.set()
        if self._thread.is_alive():
            before = self._backlog.dropped
            self._backlog.give_up()
            # What is in hand ends with its request; a server that hangs has timeout_s for it.
            self._thread.join(self.settings.timeout_s + 1)
            if left := self._backlog.dropped - before:
                log.warning("given up at the end: %d points: %s", left, self._why())
            if kept := self._backlog.kept:
                log.info("%d points stay in the spool for the next start", kept)
        if self._spool is not None:
            self._spool.close()
        self._client.close()

    def totals(self) -> Written:
        """Return the counts since the start; `queue` and `write_seconds` are of now."""
        counts = Written(**asdict(self._totals))
        counts.points_dropped = self._backlog.dropped
        counts.queue = self._backlog.points
        counts.spool = self._spool.size if self._spool is not None else 0
        counts.write_seconds = self._longest(time.monotonic())
        return counts

    def standing(self) -> Standing:
        """Return what becomes of points, judged by the last attempt to write."""
        if not self._thread.is_alive():
            return Standing.ENDED
        if not self.trouble:
            return Standing.TAKEN
        if self._backlog.dropped > self._dropped_before:
            return Standing.LOSING
        return Standing.SPOOLED if self._spool is not None else Standing.WAITING

    def _why(self) -> str:
        """Return why points wait."""
        return self.trouble or f"InfluxDB at {self.settings.url} is too slow"

    def _longest(self, now: float) -> float:
        """Return the longest write of the last RECENT_S, one that still goes on included."""
        while self._recent and self._recent[0][0] < now - RECENT_S:
            self._recent.popleft()
        going_on = now - self._begun if self._begun else 0.0
        return max([going_on, *(seconds for _, seconds in list(self._recent))])

    def _run(self) -> None:
        while (batch := self._backlog.take()) is not None:
            self._begun = time.monotonic()
            left = self._write(batch)
            ended = time.monotonic()
            self._recent.append((ended, ended - self._begun))
            self._begun = 0.0
            self._backlog.done(batch, left)

    def _write(self, batch: Batch) -> int:
        """Write a batch, or parts of it, until it is written or refused.

        Return how many of its points were neither when the writer was stopped.
        """
        parts = [batch]
        while parts:
            part = parts.pop()
            try:
                refusal = self._attempts(part)
            except Stopped:
                return sum(part.points for part in (part, *parts))
            if refusal is None:
                continue
            count = _DROPPED.search(refusal)
            if count is not None and int(count[1]):
                refused = min(int(count[1]), part.points)
                self._totals.points += part.points - refused
                self._refuse(refused, refusal)
            elif part.points == 1:
                self._refuse(1, f"{refusal}: {part.lines[0][:200].decode(errors='replace')}")
            else:
                parts += _halves(part)
        return 0

    def _attempts(self, batch: Batch) -> str | None:
        """Try to write until that is settled; return what InfluxDB says when it refuses.

        Raises Stopped.
        """
        while True:
            try:
                if self._prepare is not None:
                    self._prepare()
                    self._prepare = None
                self._post(batch)
            except ApiException as error:
                if error.status in REFUSED:
                    return f"{error.status}: {message(str(error.body or ''))}"
                self._note(error)
            except (ServiceError, *Trouble) as error:
                self._note(error)
            else:
                self._totals.points += batch.points
                self._recovered()
                return None
            if self._stop.wait(self._pause_s):
                raise Stopped

    def _post(self, batch: Batch) -> None:
        """Send the batch; the client repeats what is worth repeating."""
        detail = batch.kept is Kept.DETAIL and self.settings.detail
        # A WritesRetry measures its time from when it was made: each request needs its own.
        note: Any = self._note  # the client says that a callback returns a number, and ignores it
        retry = Retry(**self._retries, retry_callback=note)
        retry.stop = self._stop
        self._service.post_write(
            org=self.settings.org or "-",
            bucket=self.settings.detail if detail else self.settings.database,
            body=batch.body(),
            precision="ns",
            content_encoding="gzip",
            content_type="text/plain; charset=utf-8",
            urlopen_kw={"retries": retry},
        )

    def _note(self, error: Exception) -> None:
        """Count and log an attempt that failed."""
        self._totals.write_errors += 1
        if not self.trouble:
            self._dropped_before = self._backlog.dropped
        known = isinstance(error, ServiceError)
        self.trouble = str(error) if known else explain(error, self.settings)
        if self._may_log("trouble"):
            log.warning("%s; %d points wait", self.trouble, self._backlog.points)

    def _recovered(self) -> None:
        if self.trouble:
            log.info("InfluxDB takes points again; %d wait", self._backlog.points)
            self.trouble = ""
            self._log_after["trouble"] = 0.0

    def _refuse(self, points: int, reason: str) -> None:
        self._totals.points_refused += points
        if self._may_log("refused"):
            log.warning("InfluxDB refuses %d points for good: %s", points, reason)

    def _may_log(self, what: str) -> bool:
        now = time.monotonic()
        if now < self._log_after[what]:
            return False
        self._log_after[what] = now + LOG_EVERY_S
        return True


def _halves(batch: Batch) -> Iterator[Batch]:
    middle = batch.points // 2
    yield Batch(batch.kept, batch.lines[middle:])
    yield Batch(batch.kept, batch.lines[:middle])
