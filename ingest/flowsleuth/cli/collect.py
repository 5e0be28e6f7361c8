"""`collect`: the daemon."""

import logging
from functools import partial

import click

from flowsleuth.aggregate.stamps import MAX_WORKERS
from flowsleuth.cli.options import config_option, read_config, read_hosts
from flowsleuth.config import Config
from flowsleuth.pipeline.collector import Collector
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.pipeline.shares import deal_out, share_name, share_of
from flowsleuth.pipeline.state import State
from flowsleuth.pipeline.workers import Place, Workers, until_told
from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.steering import bind_steered
from flowsleuth.receive.udp import UdpReceiver
from flowsleuth.write.influx import InfluxWriter
from flowsleuth.write.server import Away
from flowsleuth.write.setup import prepare
from flowsleuth.write.spool import open_spool

log = logging.getLogger("flowsleuth")


@click.command("collect")
@config_option
@click.option(
    "--workers",
    default=1,
    show_default=True,
    metavar="N",
    type=click.IntRange(1, MAX_WORKERS),
    help="Processes that share the work (Linux): an exporter always reaches the same one.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log more: each kind of malformed datagram.")
def command(config_path: str | None, *, workers: int, verbose: bool) -> None:
    """Receive NetFlow and write points into InfluxDB until SIGTERM or Ctrl-C.

    Logs one line a minute to stderr with what moved. Ending it writes everything that it holds.

    Example: flowsleuth collect -c /etc/flowsleuth/flowsleuth.yaml
    """
    _log_to_stderr(verbose=verbose)
    config = read_config(config_path)
    for warning in config.not_yet():
        log.warning("%s", warning)
    names = read_hosts(config)
    deal_out(config, workers)
    ready = _prepared(config)
    if workers == 1:
        _collect(config, names, Place(0, 1, ()), ready=ready)
        return
    sockets = bind_steered(_endpoints(config), workers)
    group = Workers(partial(_work, config, names, ready=ready, verbose=verbose), sockets)
    until_told(group.stop)
    group.run()


def _log_to_stderr(*, verbose: bool, who: str = "") -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format=f"%(asctime)s %(levelname)s {who}%(message)s",
    )
    logging.getLogger("urllib3").setLevel(logging.WARNING)


def _endpoints(config: Config) -> list[tuple[str, int]]:
    return [(listener.host, listener.port) for listener in config.listen]


def _work(
    config: Config, names: dict[str, str], place: Place, *, ready: bool, verbose: bool
) -> None:
    """Be one of several workers, in a process of its own."""
    _log_to_stderr(verbose=verbose, who=f"worker {place.worker}: ")
    _collect(share_of(config, place.workers), names, place, ready=ready)


def _collect(config: Config, names: dict[str, str], place: Place, *, ready: bool) -> None:
    """Receive and write until told to stop. ready: whether InfluxDB has been prepared."""
    pipeline = Pipeline(config, names)
    name = share_name(config.ingester, place.worker, place.workers)
    spool = open_spool(config, name)  # it locks: another process may use neither it nor the state
    state = State(config.state_dir, name)
    state.load(pipeline)
    receiver = UdpReceiver(
        _endpoints(config), Sources(), receive_buffer=config.receive_buffer, bound=place.bound
    )
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
    later = None if ready else lambda: _prepare(config)
    writer = InfluxWriter(config.influx, spool=spool, prepare=later)
    collector = Collector(config, receiver, pipeline, writer, state, worker=place.worker)
    until_told(collector.stop)
    collector.run()


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
