"""The rooms without sockets and clocks: a file as `points` reads it, ingesters as `collect` has."""

from collections.abc import Iterable, Iterator

from flowsleuth.aggregate.stamps import Stamp, live_stamp
from flowsleuth.config import Config
from flowsleuth.pipeline import files
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.points import Table
from flowsleuth.receive.datagrams import Datagrams
from flowsleuth.write.lines import encode

from .design_rows import NETWORKS

SECOND = 1_000_000_000
MILLISECOND = 1_000_000


def config_for(window: str, **more: object) -> Config:
    """Return a configuration with the tests' networks."""
    return Config.model_validate({"networks": NETWORKS, "window": window, **more})


def file_lines(config: Config, batches: Iterable[Datagrams]) -> Iterator[bytes]:
    """Yield what `flowsleuth points` prints."""
    for tables in files.points(Pipeline(config, {}), batches):
        yield from _lines(tables, config.ingester)


class Ingester:
    """A process of `collect` which began at `begun_ns`, as far as its points are concerned."""

    def __init__(self, config: Config, begun_ns: int, worker: int = 0) -> None:
        self.config = config
        self.pipeline = Pipeline(config, {})
        self.worker = worker
        self._born = begun_ns // config.window_ns + 1
        self._flushed_ns = 0
        self.pipeline.aggregator.early_stamp = lambda: self._stamp(begun_ns)

    def feed(self, batch: Datagrams) -> list[bytes]:
        """Take datagrams in; returns the lines that memory has no room for."""
        self.pipeline.feed(batch)
        return list(_lines(self.pipeline.take_early(), self.config.ingester))

    def _stamp(self, now_ns: int) -> Stamp:
        self._flushed_ns = max(now_ns, self._flushed_ns + MILLISECOND)
        return live_stamp(self._flushed_ns, self.worker, self._born)

    def flush(self, now_ns: int, until: int | None = None) -> list[bytes]:
        """Return the lines of the windows before `until`, which are over by default."""
        if until is None:
            until = (now_ns - self.config.grace_ns) // self.config.window_ns
        tables = self.pipeline.flush(until, self._stamp(now_ns))
        return list(_lines(tables, self.config.ingester))

    def finish(self, now_ns: int) -> list[bytes]:
        """Return the lines of all that is held, as at SIGTERM."""
        tables = self.pipeline.finish(self._stamp(now_ns))
        return list(_lines(tables, self.config.ingester))


def _lines(tables: Iterable[Table], ingester: str) -> Iterator[bytes]:
    for table in tables:
        yield from encode(table, {"ingester": ingester})
