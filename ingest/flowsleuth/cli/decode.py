"""`decode`: what is in a capture or an archive: flow records as JSON, or the largest of them."""

import json
import sys

import click

from flowsleuth.cli import HELP
from flowsleuth.cli.options import (
    TimeRange,
    config_option,
    files_argument,
    filter_options,
    range_options,
    read_config,
)
from flowsleuth.cli.reading import Reading
from flowsleuth.cli.top import KEY_NAMES, Wanted, as_json, read_wanted, table
from flowsleuth.decode.as_json import json_records
from flowsleuth.enrich.networks import Networks
from flowsleuth.enrich.seen import wanted_by
from flowsleuth.filters.filter import Filter
from flowsleuth.query.keys import Known
from flowsleuth.query.selection import Selection
from flowsleuth.query.top import ORDERS, Ranking, Top


@click.command("decode", context_settings=HELP)
@files_argument
@config_option
@filter_options
@range_options(
    "--to/--until",
    "Shown are records whose time touches the range; of an archive, what was received up to an "
    "hour after it is read too, since exporters report late.",
)
@click.option(
    "--top",
    "wanted",
    metavar="KEY[,KEY...][/ORDER]",
    callback=read_wanted,
    help=f"The largest instead: by {KEY_NAMES}; ORDER is one of {', '.join(ORDERS)} "
    "[default: bytes].",
)
@click.option(
    "-n", "most", default=10, show_default=True, type=click.IntRange(1), help="How many of --top."
)
@click.option("--json", "machine", is_flag=True, help="The ranking of --top as one JSON object.")
def command(
    files: tuple[str, ...],
    config_path: str | None,
    only: Filter | None,
    since_ns: int | None,
    until_ns: int | None,
    wanted: Wanted | None,
    most: int,
    *,
    machine: bool,
) -> None:
    """Write one JSON object for each flow record in FILE (capture, bare datagrams, folder, -).

    The keys are those of goflow2's JSON; bytes and packets are as exported. What is malformed is
    counted on stderr. With --top a table of the largest, bytes and packets after sampling, of what
    counts in the points.

    Example: flowsleuth decode archive/ --from 14:00 --to 14:10 --filter 'proto udp' --top srcip
    """
    if machine and wanted is None:
        raise click.UsageError("--json belongs to --top: without it all is JSON")
    config = read_config(config_path)
    asked = TimeRange(since_ns, until_ns)
    selection = Selection(only, since_ns, until_ns, config.accepted_age_ns)
    columns = wanted_by([] if only is None else [only])
    if wanted is not None:
        columns = columns.union(*(key.needs for key in wanted.keys))
    reading = Reading(files, config, asked, columns, "decoding")
    if wanted is None:
        _show(reading, selection)
    else:
        ranking = _rank(reading, selection, wanted, most)
        lines = [as_json(wanted, ranking)] if machine else table(wanted, ranking, asked)
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
    reading.tell()


def _show(reading: Reading, selection: Selection) -> None:
    """Write the records that are asked for."""
    written = 0
    for decoded in reading.decoded():
        chosen = None
        if not selection.everything:
            policies = reading.policies()
            chosen = [selection.shown(flows, policies) for flows in decoded.flows]
        lines = [json.dumps(record) for record in json_records(decoded, chosen)]
        if lines:
            written += len(lines)
            sys.stdout.write("\n".join(lines) + "\n")
    if reading.records and not written:
        click.echo(f"flowsleuth: none of {reading.records} flow records is asked for", err=True)


def _rank(reading: Reading, selection: Selection, wanted: Wanted, most: int) -> Ranking:
    """Count the records that are asked for."""
    config, streams = reading.config, reading.decoder.streams
    networks = Networks([(network.name, network.prefixes) for network in config.networks])

    def exporter(stream: int) -> str:
        address = streams.table[stream].exporter
        about = config.exporters.get(address)
        return about.name if about is not None else address or "unknown"

    top = Top(wanted.keys, wanted.order, Known(networks, exporter))
    for decoded in reading.decoded():
        for flows in decoded.flows:
            for chosen in selection.chosen(flows, reading.policies()):
                top.add(chosen)
    return top.ranking(most)
