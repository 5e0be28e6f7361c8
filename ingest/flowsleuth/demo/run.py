"""`flowsleuth demo`: two weeks loaded, the spike going on live, and what the points then say.

It does by itself what a user does by hand, with the same commands: `load` for the history, then
for the seconds that loading took, and `collect` for what comes live over UDP. What it starts it
ends, by process id; what it writes is in one folder, which goes with it unless one was named.
"""

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

from flowsleuth import config
from flowsleuth.demo import report
from flowsleuth.demo.ask import InfluxPoints, LinePoints, Points
from flowsleuth.demo.capture import PcapWriter
from flowsleuth.demo.database import Database, open_database
from flowsleuth.demo.export import Site
from flowsleuth.demo.live import Collect, Exporters, at_real_pace, flowsleuth, free_udp_port
from flowsleuth.demo.story import DAYS
from flowsleuth.demo.world import DEVICES, NETWORKS
from flowsleuth.errors import InputError, ServiceError
from flowsleuth.receive.datagrams import Datagrams
from flowsleuth.write.server import connect

LIVE_S = 20
"""How long the live part lasts: each exporter sends once in this time."""

FOREVER_S = float("inf")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was asked for.

    keep: go on until Ctrl-C. port: the collector's (UDP), 0 for a free one. folder: where files
    go and stay, None for a temporary one. capture: a pcap for all datagrams, sent ones included.
    """

    keep: bool = False
    seed: int = 1
    port: int = 0
    folder: Path | None = None
    capture: Path | None = None
    live_s: float = LIVE_S
    days: int = DAYS


def run(options: Options) -> None:
    """Run the demo; raises FlowSleuthError, and KeyboardInterrupt when it is broken off."""
    with ExitStack() as stack:
        stack.enter_context(_ending_on_sigterm())
        folder = stack.enter_context(_folder(options.folder))
        capture = stack.enter_context(_writer(options.capture)) if options.capture else None
        database = stack.enter_context(open_database(_say))
        _Demo(options, folder, database, capture).run()


class _Demo:
    """One run: its folder, its database (None: files of lines), its capture and its site."""

    def __init__(
        self, options: Options, folder: Path, database: Database | None, capture: PcapWriter | None
    ) -> None:
        self._options, self._folder, self._database = options, folder, database
        self._port = options.port or free_udp_port()
        self._capture = capture
        self._config = folder / "flowsleuth.yaml"
        # JSON is YAML: nothing to quote by hand.
        self._config.write_text(json.dumps(self._settings(), indent=2) + "\n")
        self._lines: list[Path] = []
        self._site = Site(time.time_ns(), options.seed, options.days)
        self._last_ns = self._site.now_ns

    def run(self) -> None:
        """Do everything, one step after the other."""
        where = self._database.what if self._database else "files of line protocol"
        _say(f"the points go into {where}, everything else into {self._folder}")
        started = time.monotonic()
        path = self._write("history", self._site.history())
        _say(
            f"made {self._options.days} days of NetFlow v9 and IPFIX from {len(DEVICES)} exporters "
            f"in {time.monotonic() - started:.1f} s: {self._site.truth.records} flow records, "
            f"{path.stat().st_size / 1e6:.0f} MB of datagrams"
        )
        self._load(path, "loading them at their own times")
        since = self._write("since", [self._site.until(time.time_ns())])
        self._load(since, "loading what was exported meanwhile")
        if self._database is None:
            self._live_into_file()
        else:
            self._live()
        self._report(whole=True)

    def _settings(self) -> dict[str, object]:
        settings: dict[str, object] = {
            "listen": [f"127.0.0.1:{self._port}"],
            "health": None,
            "networks": [
                {"name": n.name, "prefixes": [str(p) for p in (n.v4, n.v6) if p is not None]}
                for n in NETWORKS
            ],
            "exporters": {d.address: {"name": d.name} for d in DEVICES},
            "state_dir": str(self._folder / "state"),
        }
        if self._database is not None:
            database = self._database
            settings["influx"] = {
                "url": database.url, "token": database.token, "org": database.org, "timeout_s": 60,
            }  # fmt: skip
        return settings

    def _kept(self, batch: Datagrams) -> Datagrams:
        """Return the batch, which goes into the user's capture too."""
        if self._capture is not None:
            self._capture.write(batch)
        if len(batch):
            self._last_ns = int(batch.received_ns[-1])
        return batch

    def _write(self, name: str, batches: Iterable[Datagrams]) -> Path:
        """Write batches into a capture of this name in the folder."""
        path = self._folder / f"{name}.pcap"
        with PcapWriter(path) as writer:
            for batch in batches:
                writer.write(self._kept(batch))
        return path

    def _load(self, path: Path, what: str) -> None:
        """Run `flowsleuth load`, or `points` where there is no database."""
        _say(what)
        if self._database is not None:
            _command("load", "-c", self._config, path)
            return
        lines = path.with_suffix(".lp")
        _command("points", "-c", self._config, path, into=lines)
        self._lines.append(lines)

    def _live(self) -> None:
        """Send to a running `collect`; with keep, report in between and go on until Ctrl-C."""
        with (
            Collect(self._config, self._folder / "collect.log") as collect,
            Exporters(self._port) as exporters,
        ):

            def send(batch: Datagrams) -> None:
                collect.check()
                exporters.send(self._kept(batch))

            _say(f"live: the exporters send to flowsleuth collect at 127.0.0.1:{self._port} (UDP)")
            at_real_pace(self._site.until, send, self._options.live_s)
            if self._options.keep:
                self._report(whole=False)
                _say("going on until Ctrl-C; the spike ends ten minutes after the demo's start")
                try:
                    at_real_pace(self._site.until, send, FOREVER_S)
                except KeyboardInterrupt:
                    _say("ending: collect writes what it holds")

    def _live_into_file(self) -> None:
        """Stand in for `collect`, which needs an InfluxDB: the live datagrams by way of a file."""
        _say("live: without InfluxDB no collect; what the exporters send is kept and read")
        batches: list[Datagrams] = []
        seconds = FOREVER_S if self._options.keep else self._options.live_s
        try:
            at_real_pace(self._site.until, batches.append, seconds)
        except KeyboardInterrupt:
            if not self._options.keep:
                raise
        self._load(self._write("live", batches), "turning them into points")

    def _report(self, *, whole: bool) -> None:
        """Print the tables; whole: everything has been written, so check it against the truth."""
        # By the last datagram and not the clock: so the capture tells which windows are meant.
        times = report.Times(self._last_ns)
        if self._database is None:
            self._tell(LinePoints(self._lines), times, whole=whole)
            click.echo(f"\nThe points: {' '.join(map(str, self._lines))}")
            return
        settings = config.load(str(self._config)).influx
        with connect(settings) as client:
            self._tell(InfluxPoints(client, settings), times, whole=whole)
        if not whole:
            click.echo(
                f"\nInfluxDB: {settings.url}, database {settings.database}, detail in "
                f'"{settings.database}"."{settings.policy}" (InfluxQL)'
            )

    def _tell(self, points: Points, times: report.Times, *, whole: bool) -> None:
        for title, lines in report.story(points, times):
            click.echo(f"\n{title}\n")
            click.echo("\n".join(lines))
        if whole:
            found = report.differences(points, self._site.truth.by_network())
            if found:
                raise ServiceError("the points are not what was exported: " + "; ".join(found))
            click.echo("\nThe sums equal what the exporters exported, to the byte.")
        click.echo("\n".join(["", *report.NEXT]))


def _say(text: str) -> None:
    click.echo(f"demo: {text}")


def _command(*arguments: str | Path, into: Path | None = None) -> None:
    """Run a command of FlowSleuth; raises ServiceError if it fails (it has said why)."""
    with ExitStack() as stack:
        output = stack.enter_context(into.open("wb")) if into is not None else None
        ran = subprocess.run(flowsleuth(*arguments), stdout=output, check=False)  # noqa: S603  this very program
    if ran.returncode:
        raise ServiceError(f"flowsleuth {arguments[0]} failed (exit status {ran.returncode})")


@contextmanager
def _folder(named: Path | None) -> Iterator[Path]:
    if named is None:
        with tempfile.TemporaryDirectory(prefix="flowsleuth-demo-") as folder:
            yield Path(folder)
        return
    try:
        named.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{named}: cannot be made: {error.strerror}") from None
    yield named


@contextmanager
def _writer(path: Path) -> Iterator[PcapWriter]:
    try:
        writer = PcapWriter(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    with writer:
        yield writer


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the demo as Ctrl-C does, so that nothing is left running."""

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
