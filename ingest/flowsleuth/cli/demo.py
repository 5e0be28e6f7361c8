"""`demo`: the story, on this machine, in about a minute."""

from pathlib import Path

import click

from flowsleuth.cli import HELP
from flowsleuth.demo.run import Options, run
from flowsleuth.demo.story import DAYS
from flowsleuth.demo.written import write


@click.command("demo", context_settings=HELP)
@click.option("--keep", is_flag=True, help="Go on live until Ctrl-C; the spike ends meanwhile.")
@click.option("--seed", default=1, show_default=True, help="Of the traffic: the same, the same.")
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65535),
    help="UDP port of the collector on 127.0.0.1 [default: a free one].",
)
@click.option(
    "--dir",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep configuration, captures and logs here [default: a temporary folder].",
)
@click.option(
    "--capture",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all datagrams to FILE as well (pcap), to count them by other means.",
)
@click.option(
    "--days",
    default=DAYS,
    show_default=True,
    type=click.IntRange(1, 30),
    help="How many days before now are made up.",
)
@click.option(
    "--write",
    "written",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Only write the days to FILE (pcap), to `load` them into an InfluxDB of your own; "
    "with --keep then send what is live to the collector at --port.",
)
def command(
    *,
    keep: bool,
    seed: int,
    days: int,
    port: int,
    folder: Path | None,
    capture: Path | None,
    written: Path | None,
) -> None:
    """Show the whole on made-up traffic: two weeks of it, and a spike that goes on live.

    Uses an InfluxDB of its own (a container, influxd, or one built with Go), else files; needs no
    configuration, touches nothing else, and ends everything that it starts.

    Example: flowsleuth demo --keep
    """
    if written is not None:
        if keep and not port:
            raise click.UsageError("--write with --keep sends to a collector: name its --port")
        write(written, seed, days, port if keep else None)
        return
    run(Options(keep=keep, seed=seed, port=port, folder=folder, capture=capture, days=days))
