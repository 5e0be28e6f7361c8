"""`decode`: what is in a capture or an archive: flow records as JSON, or the largest of them."""

import json
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import click

from flowsleuth.aggregate.clocks import SKEW_TOLERATED
from flowsleuth.cli import HELP
from flowsleuth.cli.options import (
    TimeRange,
    batches_of,
    config_option,
    files_argument,
    filter_options,
    range_options,
    read_config,
)
from flowsleuth.cli.top import KEY_NAMES, Wanted, as_json, read_wanted, table
from flowsleuth.config import Config
from flowsleuth.config.units import HOUR
from flowsleuth.decode.as_json import json_records
from flowsleuth.decode.decoder import Decoded, Decoder
from flowsleuth.decode.limits import Limits
from flowsleuth.enrich.counting import Policy
from flowsleuth.enrich.networks import Networks
from flowsleuth.enrich.seen import wanted_by
from flowsleuth.errors import InputError
from flowsleuth.filters.filter import Filter
from flowsleuth.pipeline.policies import Policies
from flowsleuth.query.keys import Known
from flowsleuth.query.selection import Selection
from flowsleuth.query.top import ORDERS, Ranking, Top

REPORTED_LATE = HOUR
"""How long after a range its flows are looked for: routers are shipped with active timeouts of half
an hour, and what waits for a template or in a queue comes later still."""

_SHOWN = 10
"""Faults that are told one by one; the rest is counted."""


class _Faults:
    """What could not be decoded, told at the end."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.shown = 0
        self.foreign = ""

    def note(self, decoded: Decoded) -> None:
        for name in ("malformed", "missing_template"):
            self.counts[name] += int(decoded.counts[name].sum())
        self.counts["not_netflow"] += decoded.not_netflow
        self.counts["datagrams"] += len(decoded.stream)
        self.foreign = self.foreign or decoded.foreign or ""
        for problem in decoded.problems[: _SHOWN - self.shown]:
            click.echo(f"flowsleuth: malformed: {problem}", err=True)
            self.shown += 1

    def tell(self, waiting: int) -> None:
        said = [
            f"{self.counts[name]} {text}"
            for name, text in (
                ("malformed", "malformed"),
                ("not_netflow", "of no version that is decoded"),
            )
            if self.counts[name]
        ]
        without = self.counts["missing_template"] + waiting
        if without:
            said.append(f"{without} data sets without a template")
        if said:
            click.echo(
                f"flowsleuth: {self.counts['datagrams']} datagrams, {', '.join(said)}", err=True
            )


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
    reading = _Reading(files, config, asked, columns)
    if wanted is None:
        _show(reading, selection)
    else:
        ranking = _rank(reading, selection, wanted, most)
        lines = [as_json(wanted, ranking)] if machine else table(wanted, ranking, asked)
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
    reading.tell()


class _Reading:
    """The files, decoded batch by batch.

    wanted: optional columns of flows that are read. records: flow records so far.
    """

    def __init__(
        self, files: Sequence[str], config: Config, asked: TimeRange, wanted: Collection[str]
    ) -> None:
        self.config = config
        self.records = 0
        limits = Limits(exporters=config.max_exporters, domains=config.max_domains)
        self.decoder = Decoder(limits, wanted)
        self._policies = Policies(config)
        self._files = files
        self._faults = _Faults()
        since, until = asked.since_ns, asked.until_ns
        self._received = TimeRange(
            None if since is None else since - SKEW_TOLERATED,
            None if until is None else until + REPORTED_LATE,
        )

    def decoded(self) -> Iterator[Decoded]:
        """Yield what each batch holds."""
        with batches_of(self._files, self.decoder, self._received, "decoding") as batches:
            for batch in batches:
                decoded = self.decoder.decode(batch)
                self._faults.note(decoded)
                self.records += sum(map(len, decoded.flows))
                yield decoded

    def policies(self) -> Mapping[int, Policy]:
        """Return what the configuration says of the streams so far."""
        return self._policies.of(self.decoder.streams)

    def tell(self) -> None:
        """Say what could not be decoded; raises InputError where it is another format."""
        counts, foreign = self._faults.counts, self._faults.foreign
        if foreign and not self.records and counts["not_netflow"] == counts["datagrams"]:
            raise InputError(
                f"{' '.join(self._files)}: {foreign}, which is not decoded: NetFlow and IPFIX are"
            )
        self._faults.tell(sum(self.decoder.streams.template_wait))


def _show(reading: _Reading, selection: Selection) -> None:
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


def _rank(reading: _Reading, selection: Selection, wanted: Wanted, most: int) -> Ranking:
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
