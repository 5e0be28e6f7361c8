"""`load`: a capture's points into InfluxDB, at the flows' own times (backfill)."""

import time
from collections.abc import Iterator, Sequence

import click
import numpy as np

from flowsleuth.cli.options import (
    config_option,
    files_argument,
    progress,
    read_config,
    read_hosts,
)
from flowsleuth.config import Config
from flowsleuth.pipeline import files as file_points
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.pipeline.rebase import Rebase, shift_to_now, times_ns
from flowsleuth.points import Table
from flowsleuth.receive.datagrams import Datagrams, Sources
from flowsleuth.receive.files import read
from flowsleuth.receive.streams import STDIN
from flowsleuth.schema import BY_NAME, Kept
from flowsleuth.write.influx import InfluxWriter
from flowsleuth.write.lines import encode
from flowsleuth.write.setup import prepare


class _Retention:
    """What InfluxDB would refuse, because it is older than what it keeps."""

    def __init__(self, config: Config, now_ns: int) -> None:
        long = config.retention.long_ns
        detail = config.retention.detail_ns if config.influx.detail else long
        self.oldest = {
            Kept.DETAIL: now_ns - detail if detail else -(2**62),
            Kept.LONG: now_ns - long if long else -(2**62),
        }

    def too_old(self, table: Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return table.time_ns < self.oldest[BY_NAME[table.measurement].kept]


@click.command("load")
@files_argument
@config_option
@click.option("--rebase", is_flag=True, help="Shift all times so that the capture ends now.")
def command(files: tuple[str, ...], config_path: str | None, *, rebase: bool) -> None:
    """Write the points of FILE (capture, bare datagrams, folder, -) into InfluxDB.

    Loading the same file twice changes nothing; two files add up. Says beforehand how many points
    lie before the retention, since InfluxDB refuses those.

    Example: flowsleuth load -c flowsleuth.yaml --rebase last-week.pcap.gz
    """
    if rebase and STDIN in files:
        raise click.UsageError("--rebase reads the files twice, which stdin cannot: name a FILE")
    config = read_config(config_path)
    names = read_hosts(config)
    prepare(config)
    shift = None
    if rebase:
        with progress(files, "looking for the end") as on_progress:
            shift = Rebase(shift_to_now(read(files, Sources(), on_progress=on_progress)))
    retention = _Retention(config, time.time_ns())
    if shift is None and STDIN not in files:
        _warn(config, files, retention)
    tags = {"ingester": config.ingester}
    left_out = 0
    with (
        InfluxWriter(config.influx, patient=True) as writer,
        progress(files, "loading") as on_progress,
    ):
        batches = _shifted(read(files, Sources(), on_progress=on_progress), shift)
        pipeline = Pipeline(config, names)
        for tables in file_points.points(pipeline, batches):
            for table in tables:
                lines = encode(table, tags)
                old = retention.too_old(table)
                if old.any():
                    lines = [line for line, gone in zip(lines, old, strict=True) if not gone]
                    left_out += int(old.sum())
                writer.submit(table.measurement, lines)
        writer.finish()
        written = writer.totals()
    said = [f"loaded {pipeline.records} flow records as {written.points} points"]
    if left_out:
        said.append(f"{left_out} points before the retention left out")
    if written.points_refused:
        said.append(f"{written.points_refused} refused by InfluxDB")
    click.echo("flowsleuth: " + ", ".join(said), err=True)


def _shifted(batches: Iterator[Datagrams], shift: Rebase | None) -> Iterator[Datagrams]:
    for batch in batches:
        yield shift.apply(batch) if shift is not None else batch


def _warn(config: Config, files: Sequence[str], retention: _Retention) -> None:
    """Count what lies before the retention, if any datagram of the files does."""
    oldest = min(
        (int(times_ns(batch).min()) for batch in read(files, Sources()) if len(batch)), default=0
    )
    if oldest - config.accepted_age_ns >= max(retention.oldest.values()):
        return
    old = total = 0
    with progress(files, "looking for what is too old") as on_progress:
        batches = read(files, Sources(), on_progress=on_progress)
        for tables in file_points.points(Pipeline(config, {}), batches):
            for table in tables:
                old += int(retention.too_old(table).sum())
                total += len(table)
    if old:
        click.echo(
            f"flowsleuth: {old} of {total} points lie before the retention and are left out, since "
            "InfluxDB refuses them; --rebase loads the capture as if it ended now",
            err=True,
        )
