"""`collect`: the daemon."""

import logging
import signal

import click

from flowsleuth.cli.options import config_option, read_config, read_hosts
from flowsleuth.config import Config
from flowsleuth.pipeline.collector import Collector
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.pipeline.state import State
from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.udp import UdpReceiver
from flowsleuth.write.influx import InfluxWriter
from flowsleuth.write.server import Away
from flowsleuth.write.setup import prepare
from flowsleuth.write.spool import open_spool

log = logging.getLogger("flowsleuth")


@click.command("collect")
@config_option
@click.option("-v", "--verbose", is_flag=True, help="Log more: each kind of malformed datagram.")
def command(config_path: str | None, *, verbose: bool) -> None:
    """Receive NetFlow and write points into InfluxDB until SIGTERM or Ctrl-C.

    Logs one line a minute to stderr with what moved. Ending it writes everything that it holds.

    Example: flowsleuth collect -c /etc/flowsleuth/flowsleuth.yaml
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    config = read_config(config_path)
    for warning in config.not_yet():
        log.warning("%s", warning)
    pipeline = Pipeline(config, read_hosts(config))
    state = State(config.state_dir, config.ingester)
    state.load(pipeline)
    ready = _prepared(config)
    receiver = UdpReceiver(
        [(listener.host, listener.port) for listener in config.listen],
        Sources(),
        receive_buffer=config.receive_buffer,
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
    writer = InfluxWriter(
        config.influx,
        spool=open_spool(config),
        prepare=None if ready else lambda: _prepare(config),
    )
    collector = Collector(config, receiver, pipeline, writer, state)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: collector.stop())
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
