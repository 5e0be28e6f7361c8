"""`collect`: the daemon."""

import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from flowsleuth.aggregate.stamps import MAX_WORKERS
from flowsleuth.baseline.publisher import Publisher
from flowsleuth.cli import HELP
from flowsleuth.cli.options import config_option, read_config, read_hosts
from flowsleuth.config import Config
from flowsleuth.health.server import serving
from flowsleuth.health.slate import Slate
from flowsleuth.pipeline.collector import Collector
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.pipeline.reload import plan
from flowsleuth.pipeline.shares import deal_out, share_name, share_of
from flowsleuth.pipeline.state import State
from flowsleuth.pipeline.workers import Place, Work, Workers, hold_reload, until_told
from flowsleuth.receive.archive import Archive
from flowsleuth.receive.archive_folder import ArchiveFolder
from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.steering import bind_steered
from flowsleuth.receive.udp import UdpReceiver
from flowsleuth.write.influx import InfluxWriter
from flowsleuth.write.server import Away
from flowsleuth.write.setup import prepare
from flowsleuth.write.spool import open_spool

log = logging.getLogger("flowsleuth")


Setting = dict[str, Any]
"""Settings by their names in Config."""


def _as_setting(context: click.Context, parameter: click.Parameter, value: str | None) -> Setting:
    """Read what an option says as the configuration would."""
    if value is None:
        return {}
    assert parameter.name is not None
    try:
        config = Config.model_validate({parameter.name: value})
    except ValidationError as error:
        allowed = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise click.BadParameter(f"{value!r}: allowed: {allowed}", context, parameter) from None
    given = {"archive_keep_ns", "archive_max"} & config.model_fields_set
    return {name: getattr(config, name) for name in given}


@click.command("collect", context_settings=HELP)
@config_option
@click.option(
    "--workers",
    default=1,
    show_default=True,
    metavar="N",
    type=click.IntRange(1, MAX_WORKERS),
    help="Processes that share the work (Linux): an exporter always reaches the same one.",
)
@click.option("--archive", metavar="DIR", help="Keep what is received there, as capture files.")
@click.option(
    "--keep",
    "archive_keep",
    metavar="TIME",
    callback=_as_setting,
    help="How long the archive keeps it [default: 14d].",
)
@click.option(
    "--max",
    "archive_max",
    metavar="SIZE",
    callback=_as_setting,
    help="Most bytes of the archive; the oldest go first [default: 200G].",
)
@click.option("-v", "--verbose", is_flag=True, help="Log more: each kind of malformed datagram.")
def command(
    config_path: str | None,
    *,
    workers: int,
    archive: str | None,
    archive_keep: Setting,
    archive_max: Setting,
    verbose: bool,
) -> None:
    """Receive NetFlow and write points into InfluxDB until SIGTERM or Ctrl-C.

    Logs one line a minute to stderr with what moved. Ending it writes everything that it holds.
    SIGHUP has it read the configuration again, with its files of networks and names of hosts; a
    setting that needs a restart is named, and a mistake leaves all as it was. What an option says
    goes before the configuration.

    Example: flowsleuth collect -c /etc/flowsleuth/flowsleuth.yaml
    """
    _log_to_stderr(verbose=verbose)
    hold_reload()
    options = {"archive": archive} if archive else {}
    options |= {**archive_keep, **archive_max}
    config, names = _read(config_path, options, 1)
    if options and config.archive is None:
        raise click.UsageError("--keep and --max are the archive's: name its folder with --archive")
    for warning in config.warnings():
        log.warning("%s", warning)
    deal_out(config, workers)
    task = _Task(config, names, config_path, options, ready=_prepared(config), verbose=verbose)
    slates = [Slate() for _ in range(workers)]
    with serving(config, slates):
        if workers == 1:
            _collect(task, Place(0, 1, (), slates[0]))
            return
        sockets = bind_steered(_endpoints(config), workers)
        group = Workers(partial(_work, task), sockets, slates, _Renewed(task))
        until_told(group.stop, group.reload)
        group.run()


@dataclass(frozen=True, slots=True)
class _Task:
    """What the daemon does, or each of its workers.

    options: settings that stand before those of the file at `path`. ready: whether InfluxDB has
    been prepared.
    """

    config: Config
    names: dict[str, str]
    path: str | None
    options: Setting
    ready: bool
    verbose: bool


class _Renewed:
    """The task of workers that start after a reload: called, it reads the configuration again."""

    def __init__(self, task: _Task) -> None:
        self._task = task

    def __call__(self) -> Work:
        task = self._task
        what = plan(task.config, task.names, partial(_read, task.path, task.options, 1))
        Pipeline(what.config, what.names)  # raises what a worker would
        self._task = replace(task, config=what.config, names=what.names)
        return partial(_work, self._task)


def _read(path: str | None, options: Setting, workers: int) -> tuple[Config, dict[str, str]]:
    """Return the configuration of one of so many workers, and the names of hosts."""
    config = read_config(path).model_copy(update=options)
    return share_of(config, workers), read_hosts(config)


def _log_to_stderr(*, verbose: bool, who: str = "") -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format=f"%(asctime)s %(levelname)s {who}%(message)s",
    )
    logging.getLogger("urllib3").setLevel(logging.WARNING)


def _endpoints(config: Config) -> list[tuple[str, int]]:
    return [(listener.host, listener.port) for listener in config.listen]


def _work(task: _Task, place: Place) -> None:
    """Be one of several workers, in a process of its own."""
    _log_to_stderr(verbose=task.verbose, who=f"worker {place.worker}: ")
    _collect(replace(task, config=share_of(task.config, place.workers)), place)


def _collect(task: _Task, place: Place) -> None:
    """Receive and write until told to stop."""
    config = task.config
    pipeline = Pipeline(config, task.names)
    name = share_name(config.ingester, place.worker, place.workers)
    spool = open_spool(config, name)  # it locks: another process may use neither it nor the state
    state = State(config.state_dir, name)
    state.load(pipeline)
    receiver = UdpReceiver(
        _endpoints(config), Sources(), receive_buffer=config.receive_buffer, bound=place.bound
    )
    archive = _archive(config, place)
    receiver.start()
    for buffer in receiver.statistics().buffers:
        log.info(
            "listening on %s, receive buffer %d KiB (asked for %d)",
            buffer.listen,
            buffer.obtained // 1024,
            buffer.asked // 1024,
        )
    if advice := receiver.buffer_advice():
        log.warning("%s", advice)
    later = None if task.ready else lambda: _prepare(config)
    writer = InfluxWriter(config.influx, spool=spool, prepare=later)
    collector = Collector(
        config,
        receiver,
        pipeline,
        writer,
        state,
        worker=place.worker,
        read=partial(_read, task.path, task.options, place.workers),
        baseline=Publisher(config) if place.worker == 0 else None,
        archive=archive,
        slate=place.slate,
    )
    if archive is not None:
        collector.on_reload.append(lambda new: archive.limit(new.archive_keep_ns, new.archive_max))
    until_told(collector.stop, collector.reload)
    collector.run()


def _archive(config: Config, place: Place) -> Archive | None:
    """Open the archive, if there is one; raises ServiceError."""
    if config.archive is None:
        return None
    folder = ArchiveFolder(
        Path(config.archive),
        config.archive_keep_ns,
        config.archive_max,
        place.worker,
        place.workers,
    )
    if not place.worker and (advice := folder.room_advice()):
        log.warning("%s", advice)
    archive = Archive(folder)
    archive.start()
    return archive


def _prepare(config: Config) -> None:
    prepared = prepare(config)
    for created in prepared.created:
        log.info("InfluxDB: created %s", created)
    log.info("writing to InfluxDB %s at %s", prepared.version, config.influx.url)


def _prepared(config: Config) -> bool:
    """Prepare InfluxDB; return False where it is away, since it may come back.

    Raises ServiceError where it refuses.
    """
    try:
        _prepare(config)
    except Away as away:
        where = f"in {config.state_dir}" if config.state_dir else "in memory: there is no state_dir"
        log.warning("%s; until it answers, points wait %s", away, where)
        return False
    return True
