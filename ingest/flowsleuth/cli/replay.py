"""`flowsleuth replay`: send a capture's datagrams again."""

import re
import time

import click

from flowsleuth.cli import HELP
from flowsleuth.cli.options import (
    BY_RECEIPT,
    TimeRange,
    files_argument,
    progress,
    range_options,
    shift_of,
)
from flowsleuth.errors import ServiceError
from flowsleuth.pipeline.rebase import Rebase, times_ns
from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.files import read
from flowsleuth.receive.replay import Replay, Sent
from flowsleuth.receive.streams import STDIN

_ENDPOINT = re.compile(r"(?:\[([^\]]+)\]|([^:\[\]]+)):(\d{1,5})")
_BATCH = 200
"""Small batches: the first datagram leaves soon, and progress moves."""


def _endpoint(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, int]:
    """Read HOST:PORT, an IPv6 address in brackets."""
    match = _ENDPOINT.fullmatch(value)
    if match is None or not 0 < int(match[3]) < 65_536:
        allowed = "give HOST:PORT, such as 127.0.0.1:2055 or [::1]:2055"
        raise click.BadParameter(f"{value!r}: {allowed}", context, parameter)
    return match[1] or match[2], int(match[3])


@click.command(
    "replay",
    context_settings=HELP,
    epilog="Example: flowsleuth replay spike.pcap --to 127.0.0.1:2055 --speed 10 --rebase",
)
@files_argument
@click.option(
    "--to",
    "endpoint",
    metavar="HOST:PORT",
    callback=_endpoint,
    required=True,
    help="Where a collector listens (UDP).",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="How many times faster than recorded; 0: as fast as sensible.",
)
@range_options("--until", BY_RECEIPT)
@click.option("--rebase", is_flag=True, help="Shift all times so that the capture ends now.")
def command(
    files: tuple[str, ...],
    endpoint: tuple[str, int],
    speed: float,
    since_ns: int | None,
    until_ns: int | None,
    *,
    rebase: bool,
) -> None:
    """Send the datagrams of captures to a collector.

    FILE is a pcap, a pcapng or bare datagrams (also .gz and .zst), a folder, or - for stdin. The
    pace is that of the packets' times, for bare datagrams of their headers'. The exporters' source
    ports stay distinct; their addresses become this machine's. --to is the collector here, so a
    range of time is --from and --until.
    """
    if rebase and STDIN in files:
        raise click.UsageError("--rebase reads the files twice, which stdin cannot: name a FILE")
    asked = TimeRange(since_ns, until_ns)
    shift = shift_of(files, asked) if rebase else None
    began = time.monotonic()
    replay = Replay(*endpoint, speed=speed)
    try:
        with progress(files, "sending", since_ns, until_ns) as on_progress:
            for batch in read(
                files,
                Sources(),
                since_ns=since_ns,
                until_ns=until_ns,
                batch=_BATCH,
                on_progress=on_progress,
            ):
                moved = shift.apply(batch) if shift is not None else batch
                replay.send(moved, times_ns(moved))
    finally:
        replay.close()
        click.echo(_summary(replay.sent, shift, time.monotonic() - began), err=True)
    if 0 < replay.sent.datagrams <= replay.sent.refused:
        host, port = endpoint
        raise ServiceError(f"{host} port {port}: nothing listens there; start `flowsleuth collect`")


def _summary(sent: Sent, shift: Rebase | None, seconds: float) -> str:
    parts = [f"replay: {sent.datagrams} datagrams, {sent.bytes} bytes in {seconds:.1f} s"]
    if shift is not None:
        parts.append(f"times shifted by {shift.seconds} s")
        if shift.unshifted:
            parts.append(f"{shift.unshifted} data sets without their template left as they were")
    if sent.refused:
        parts.append(f"{sent.refused} refused")
    if sent.unsent:
        parts.append(f"{sent.unsent} longer than a UDP datagram left out")
    return "; ".join(parts)
