"""The demo's traffic for an InfluxDB and a collector that are somebody's already."""

import time
from pathlib import Path

import click

from flowsleuth.demo.capture import PcapWriter
from flowsleuth.demo.export import Site
from flowsleuth.demo.live import Exporters, at_real_pace
from flowsleuth.errors import InputError

FOREVER_S = float("inf")


def write(path: Path, seed: int, days: int, port: int | None) -> None:
    """Write the history into a capture, which is there as a whole or not at all.

    port: then send what is live to 127.0.0.1:port, until KeyboardInterrupt. Raises InputError where
    the file cannot be written.
    """
    site = Site(time.time_ns(), seed, days)
    beside = path.with_name(f".{path.name}.part")
    try:
        with PcapWriter(beside) as writer:
            for batch in site.history():
                writer.write(batch)
        size = beside.stat().st_size
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    click.echo(f"demo: {path}: {days} days, {site.truth.records} flow records, {size / 1e6:.0f} MB")
    if port is None:
        return
    click.echo(f"demo: live to 127.0.0.1:{port} (UDP) until Ctrl-C")
    with Exporters(port) as exporters:
        at_real_pace(site.until, exporters.send, FOREVER_S)
