"""`points`: the line protocol that the ingester would write for a capture."""

import sys

import click

from flowsleuth.cli import HELP
from flowsleuth.cli.options import (
    BY_RECEIPT,
    TimeRange,
    batches_of,
    config_option,
    files_argument,
    filter_options,
    range_options,
    read_config,
    read_hosts,
)
from flowsleuth.filters.filter import Filter
from flowsleuth.pipeline import files as file_points
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.write.lines import encode
from flowsleuth.write.output import LineFile


@click.command("points", context_settings=HELP)
@files_argument
@config_option
@filter_options
@range_options("--to/--until", BY_RECEIPT)
def command(
    files: tuple[str, ...],
    config_path: str | None,
    only: Filter | None,
    since_ns: int | None,
    until_ns: int | None,
) -> None:
    """Write the points of FILE (capture, bare datagrams, folder, -) as line protocol.

    At the flows' own times; all measurements but `ingester`, `events` and `baseline`. With a filter
    what does not match counts in `exporters` only.

    Example: flowsleuth points -c flowsleuth.yaml capture.pcap > points.lp
    """
    config = read_config(config_path)
    asked = TimeRange(since_ns, until_ns)
    pipeline = Pipeline(config, read_hosts(config), only)
    output = LineFile(sys.stdout.buffer, "stdout")
    tags = {"ingester": config.ingester}
    with batches_of(files, pipeline.decoder, asked, "reading") as batches:
        for tables in file_points.points(pipeline, batches):
            for table in tables:
                output.submit(table.measurement, encode(table, tags))
    output.close()
