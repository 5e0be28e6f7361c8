"""`decode`: what is in a capture, one JSON object for each flow record."""

import json
import sys
from collections import Counter

import click

from flowsleuth.cli.options import config_option, files_argument, progress, read_config
from flowsleuth.decode.as_json import json_records
from flowsleuth.decode.decoder import Decoded, Decoder
from flowsleuth.decode.limits import Limits
from flowsleuth.errors import InputError
from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.files import read

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


@click.command("decode")
@files_argument
@config_option
def command(files: tuple[str, ...], config_path: str | None) -> None:
    """Write one JSON object for each flow record in FILE (capture, bare datagrams, folder, -).

    The keys are those of goflow2's JSON. What is malformed is counted on stderr.

    Example: flowsleuth decode capture.pcap | jq 'select(.proto == 17)'
    """
    config = read_config(config_path)
    decoder = Decoder(Limits(exporters=config.max_exporters, domains=config.max_domains))
    faults = _Faults()
    records = 0
    with progress(files, "decoding") as on_progress:
        for batch in read(files, Sources(), on_progress=on_progress):
            decoded = decoder.decode(batch)
            faults.note(decoded)
            lines = [json.dumps(record) for record in json_records(decoded)]
            records += len(lines)
            if lines:
                sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    if (
        faults.foreign
        and not records
        and faults.counts["not_netflow"] == faults.counts["datagrams"]
    ):
        raise InputError(
            f"{' '.join(files)}: {faults.foreign}, which is not decoded: NetFlow and IPFIX are"
        )
    faults.tell(sum(decoder.streams.template_wait))
