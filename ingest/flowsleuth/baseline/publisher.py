"""Writes `baseline`: a thread of `collect` that asks InfluxDB what is normal, and says it ahead.

Every hour it computes the coming hours, so that neither an outage of InfluxDB nor a late run leaves
a hole, and every five minutes it says of the present step how far each network can be trusted.

All ingesters do this, and a restart does it again: it must come out the same. So nothing is kept
from one run to the next, each run asks for what lies before the hour (or step) that it is for, long
enough ago for everybody to have written it, and writes at that hour's steps. Who writes last
changes nothing.

It writes nothing itself: the tables wait for the collector's loop, whose flushes are each a whole
in the writer's spool and must not be cut in two. The thread never makes the loop wait.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from hashlib import blake2b
from queue import Empty, SimpleQueue
from zoneinfo import ZoneInfo

import numpy as np

from flowsleuth.baseline import rows, trust
from flowsleuth.baseline.clock import STEP_NS
from flowsleuth.baseline.history import Ask, History
from flowsleuth.baseline.jobs import Jobs
from flowsleuth.baseline.normal import Series, expect
from flowsleuth.baseline.trust import HOUR_NS
from flowsleuth.config import Config, Influx
from flowsleuth.errors import ServiceError
from flowsleuth.points import Table
from flowsleuth.write.server import Away, connect, influxql
from flowsleuth.write.server import Series as Answer

log = logging.getLogger("flowsleuth.baseline")

SECOND_NS = 1_000_000_000

HOURS = 4
"""What a run writes, from the beginning of its hour: three hours are left when the next one is
due."""

LATE_NS = 180 * SECOND_NS
"""How long after the hour begins its run is due: what belongs to the hour before has been written
by then (but for exporters that report late)."""

SPREAD_S = 120
"""Ingesters are spread over so many seconds, by their names: InfluxDB answers one after another."""

MARGIN_NS = 15 * SECOND_NS
"""How long a window that is over may need to reach InfluxDB."""

AGAIN_NS = 60 * SECOND_NS
"""When what failed is tried again; and when the first run after a start or a reload is repeated,
since the event that says which networks have changed is written at the same time."""

QUERY_S = 60.0
"""A query over weeks may take longer than a write."""

CHANGES_NS = 35 * 24 * HOUR_NS
"""How far back `events` are asked for: as far as history is."""


class Publisher:
    """Computes the points of `baseline`; `take` gives them to whoever writes.

    ask: runs InfluxQL, on the configured server if not given. clock: ns since the epoch.
    """

    def __init__(
        self, config: Config, ask: Ask | None = None, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self.seconds = 0.0
        """What the last run took."""
        self._config = config
        self._reloaded: Config | None = None
        self._server = Server(config.influx)
        self._ask: Ask = ask or self._server.ask
        self._clock = clock
        digest = blake2b(config.ingester.encode(), digest_size=4).digest()
        self._late_ns = LATE_NS + int.from_bytes(digest) % SPREAD_S * SECOND_NS
        self._tables: SimpleQueue[Table] = SimpleQueue()
        self._series: tuple[Series, ...] = ()
        self._hour = self._bounds_of = self._step = -1
        self._not_before = self._repeat_at = 0
        self._trouble = ""
        self._stopping = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="baseline", daemon=True)

    def start(self) -> None:
        """Begin; what there is to write comes out of `take`."""
        self._thread.start()

    def stop(self, timeout: float = 1.0) -> None:
        """End soon: a query that still runs after `timeout` seconds is left to its own."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        self._server.close()

    def reload(self, config: Config) -> None:
        """Go on with another configuration (the same InfluxDB), and compute everything anew."""
        self._reloaded = config
        self._wake.set()

    def take(self) -> Table | None:
        """Return some of what there is to write by now, None where that is nothing."""
        try:
            return self._tables.get_nowait()
        except Empty:
            return None

    def _put(self, tables: Iterable[Table]) -> None:
        for table in tables:
            self._tables.put(table)

    def _run(self) -> None:
        while not self._stopping:
            pause_ns = AGAIN_NS
            try:
                pause_ns = self.work()
            except Exception:
                # A bug: it must not go unseen, and the collector goes on without what is normal.
                log.exception("what is normal is not computed because of a bug, please report it")
            self._wake.wait(pause_ns / SECOND_NS)
            self._wake.clear()

    def work(self) -> int:
        """Do what is due now; return in how many ns to come again."""
        if (reloaded := self._reloaded) is not None:
            self._config, self._reloaded = reloaded, None
            self._hour = self._bounds_of = self._step = -1
            self._not_before = 0
        now = self._clock()
        hour = (now - self._late_ns) // HOUR_NS
        step = now // STEP_NS
        if now >= self._not_before:
            try:
                if hour != self._hour or now >= self._repeat_at > 0:
                    self._publish_normal(hour, now)
                if step != self._step:
                    self._publish_trust(step)
                self._recovered()
            except ServiceError as error:
                self._failed(error, hour, now)
        return max(SECOND_NS, min(self._next(), (step + 1) * STEP_NS) - now)

    def _next(self) -> int:
        """Return when the next run is due, whatever step it is then."""
        due = (self._hour + 1) * HOUR_NS + self._late_ns
        return min([at for at in (self._not_before, self._repeat_at) if at] or [due])

    def _publish_normal(self, hour: int, now: int) -> None:
        """Compute what is normal in the hours from `hour` on."""
        config = self._config
        began = time.perf_counter()
        first = hour * HOUR_NS
        exporters = trust.read(self._ask, self._written(first))
        names = rows.names(config)
        zone = zone_of(config)
        since = changes(self._ask, names, now)
        known = expect(
            History(self._ask),
            first,
            hours=HOURS,
            floors=rows.floors(config),
            intervals={name: exporters.of(name).interval for name in names},
            since=since,
            zone=zone,
        )
        changed = {name for name, at in since.items() if at >= first}
        known = rows.of_config(known, config, changed)
        tables = list(rows.expectations(known, config, Jobs(config.expected, zone)))
        self.seconds = time.perf_counter() - began
        log.debug("baseline: %d series in %.1f s", len(known.series), self.seconds)
        self._put(tables)
        self._series = known.series
        self._repeat_at = now + AGAIN_NS if self._hour < 0 else 0
        self._hour, self._step = hour, -1  # new rows want to be told of trust, too

    def _publish_trust(self, step: int) -> None:
        """Say how far each network can be trusted at a step."""
        exporters = trust.read(self._ask, self._written(step * STEP_NS))
        self._put(rows.trust(self._series, step, exporters))
        self._step = step

    def _written(self, at_ns: int) -> int:
        """Return before which time all windows had been written when it was `at_ns`."""
        return at_ns - self._config.window_ns - self._config.grace_ns - MARGIN_NS

    def _failed(self, error: ServiceError, hour: int, now: int) -> None:
        """Say so once, and write what needs no history, so that limits hold all the same."""
        if not self._trouble and isinstance(error, Away):  # the writer warns of that
            log.info("what is normal is not computed until InfluxDB answers")
        elif not self._trouble:
            log.warning("%s; until this is mended nothing is known of what is normal", error)
        self._trouble = str(error)
        self._not_before = now + AGAIN_NS
        if hour not in (self._hour, self._bounds_of):
            steps = np.arange(HOURS * HOUR_NS // STEP_NS) + hour * HOUR_NS // STEP_NS
            self._put(rows.bounds(self._config, steps))
            self._bounds_of = hour

    def _recovered(self) -> None:
        self._not_before = 0
        if self._trouble:
            log.info("InfluxDB answers: what is normal is computed")
            self._trouble = ""


def zone_of(config: Config) -> tzinfo | None:
    """Return the configured time zone; None is the system's."""
    return ZoneInfo(config.timezone) if config.timezone is not None else None


class Server:
    """The configured InfluxDB, with time for long queries."""

    def __init__(self, settings: Influx) -> None:
        longer = {"timeout_s": max(settings.timeout_s, QUERY_S)}
        self._settings = settings.model_copy(update=longer)
        self._client = connect(self._settings)

    def ask(self, statement: str) -> list[Answer]:
        """Run InfluxQL; raises ServiceError."""
        return influxql(self._client, self._settings, statement)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()  # type: ignore[no-untyped-call]  # the client's


def changes(ask: Ask, names: Sequence[str], now_ns: int) -> dict[str, int]:
    """Return by network (or profile:NAME) since when, in ns, it is the one that it is now.

    From the events of kind `networks`, `network NAME: what has changed`; raises ServiceError.
    """
    answers: Sequence[Answer] = ask(
        f'SELECT "text" FROM "events" WHERE "kind" = \'networks\' AND time >= {now_ns - CHANGES_NS}'  # noqa: S608  a number
    )
    since: dict[str, int] = {}
    for at, text in (row for answer in answers for row in answer.rows):
        # A name may hold a colon: of those that fit, the longest.
        fitting = [name for name in names if str(text).startswith(f"network {name}: ")]
        if fitting:
            name = max(fitting, key=len)
            since[name] = max(int(at), since.get(name, 0))
    return since
