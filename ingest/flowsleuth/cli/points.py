"""`points`: the line protocol that the ingester would write for a capture."""

import sys

import click

from flowsleuth.cli.options import (
    config_option,
    files_argument,
    progress,
    read_config,
    read_hosts,
)
from flowsleuth.pipeline import files as file_points
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.files import read
from flowsleuth.write.lines import encode
from flowsleuth.write.output import LineFile


@click.command("points")
@files_argument
@config_option
def command(files: tuple[str, ...], config_path: str | None) -> None:
    """Write the points of FILE (capture, bare datagrams, folder, -) as line protocol.

    At the flows' own times; all measurements but `ingester`, `events` and `baseline`.

    Example: flowsleuth points -c flowsleuth.yaml capture.pcap > points.lp
    """
    config = read_config(config_path)
    pipeline = Pipeline(config, read_hosts(config))
    output = LineFile(sys.stdout.buffer, "stdout")
    tags = {"ingester": config.ingester}
    with progress(files, "reading") as on_progress:
        batches = read(files, Sources(), on_progress=on_progress)
        for tables in file_points.points(pipeline, batches):
            for table in tables:
                output.submit(table.measurement, encode(table, tags))
    output.close()
