"""`hunt`: the engineer's afternoon in one command."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from flowsleuth.baseline.publisher import Server, zone_of
from flowsleuth.cli import HELP
from flowsleuth.cli.options import (
    TimeRange,
    config_option,
    filter_options,
    range_options,
    read_config,
)
from flowsleuth.cli.reading import Reading
from flowsleuth.config import Config
from flowsleuth.config.sections import near
from flowsleuth.config.units import DAY, HOUR
from flowsleuth.decode.flows import Flows
from flowsleuth.enrich.seen import wanted_by
from flowsleuth.enrich.services import Services
from flowsleuth.errors import ConfigError, InputError
from flowsleuth.filters.filter import Filter
from flowsleuth.hunt.as_json import as_json
from flowsleuth.hunt.capture import Times
from flowsleuth.hunt.evidence import Evidence
from flowsleuth.hunt.findings import Finding
from flowsleuth.hunt.hunting import hunt
from flowsleuth.hunt.page import page
from flowsleuth.hunt.points import PointsEvidence, Range
from flowsleuth.hunt.reading import gathering, of_captures, settings
from flowsleuth.hunt.story import Style, story
from flowsleuth.hunt.telling import Teller

FOUND = 3
"""Exit status with --exit-code when there are findings."""

LEAST_BEFORE, MOST_BEFORE = 2 * HOUR, DAY
"""How much before --from is read of files as well, to compare with: as much as the range is long,
within these bounds."""

_COLOURS: dict[Style, dict[str, Any]] = {
    Style.TITLE: {"bold": True},
    Style.CULPRIT: {"fg": "red", "bold": True},
    Style.QUIET: {"dim": True},
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command was asked for."""

    config: Config
    time: TimeRange
    networks: tuple[str, ...]
    only: Filter | None


@click.command(
    "hunt",
    context_settings=HELP,
    epilog="Example: flowsleuth hunt --influx --from -24h --html report.html",
)
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option("--influx", is_flag=True, help="Hunt in the points of InfluxDB instead of files.")
@config_option
@range_options(
    "--to/--until",
    "Findings touch the range; what lies before it is compared with: two weeks in InfluxDB, of "
    "files as much as the range is long (2 h to a day).",
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    metavar="NAME",
    help="Only this network; may be repeated.",
)
@filter_options
@click.option("--json", "machine", is_flag=True, help="The findings as one JSON object.")
@click.option(
    "--html",
    "html",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a report too: one HTML file with the pictures in it.",
)
@click.option(
    "--exit-code", "tells", is_flag=True, help=f"Exit status {FOUND} when something is found."
)
def command(
    files: tuple[str, ...],
    config_path: str | None,
    since_ns: int | None,
    until_ns: int | None,
    networks: tuple[str, ...],
    only: Filter | None,
    html: Path | None,
    *,
    influx: bool,
    machine: bool,
    tells: bool,
) -> None:
    """Find what stands out in FILE (capture, archive, folder, bare datagrams, -) or in InfluxDB.

    For each network, direction and protocol it looks for windows above what is usual, says who
    carried the change (a host, an outbreak on one port, a flood, a scan), and when the same port or
    address did so before. Files are read once, in bounded memory, so stdin (-) will do. A long flow
    that was exported late is spread over its time, and is no finding.
    """
    if influx == bool(files):
        raise click.UsageError("give FILEs, or --influx" if influx else "give a FILE, or --influx")
    if influx and only is not None:
        raise click.UsageError("--filter asks flow records, which points are not: give FILEs")
    config = read_config(config_path)
    _check_networks(networks, config)
    asked = _Asked(config, TimeRange(since_ns, until_ns), networks, only)
    findings = _in_points(asked) if influx else _in_files(files, asked)
    teller = Teller(config.window_ns, Services(config.services), zone_of(config))
    if html is not None:
        _write(html, page(findings, teller, config.grafana.url))
    if machine:
        click.echo(json.dumps(as_json(findings, teller, config.grafana.url)))
    else:
        _print(findings, teller, config.grafana.url)
    if tells and findings:
        sys.exit(FOUND)


def _check_networks(names: Sequence[str], config: Config) -> None:
    """Refuse names that nobody configured; raises ConfigError."""
    known = [network.name for network in config.networks] + ["unassigned"]
    for name in names:
        if name not in known:
            raise ConfigError(f"--network {name}: no such network: {near(name, known)}")


def _in_files(files: Sequence[str], asked: _Asked) -> list[Finding]:
    """Read the files once, and hunt in what was gathered."""
    config, since, until = asked.config, asked.time.since_ns, asked.time.until_ns
    begin = None if since is None else since - _before(asked.time, asked.time.until_ns)
    columns = wanted_by([] if asked.only is None else [asked.only])
    reading = Reading(files, config, TimeRange(begin, until), columns, "hunting")
    gathered = gathering(config, asked.only)
    listed = {str(address) for address in config.exporters}
    for decoded in reading.decoded():
        for flows in decoded.flows:
            policies = reading.policies()
            if config.exporters_only:
                _leave_out(
                    flows, [stream.exporter in listed for stream in reading.decoder.streams.table]
                )
            gathered.feed(flows, policies)
    reading.tell()
    if reading.received_ns is None:
        raise InputError(f"{' '.join(files)}: nothing was received in this time")
    window = config.window_ns
    first, last = (ns // window for ns in reading.received_ns)
    times = Times(
        first if begin is None else max(first, begin // window),
        last + 1 if until is None else min(last + 1, -(-until // window)),
        None if since is None else since // window,
        None,
    )
    return _hunted(of_captures(config, gathered, times, asked.networks), config)


def _before(time: TimeRange, until: int | None) -> int:
    """Return how much before a range is read, to compare with."""
    if until is None or time.since_ns is None:
        return MOST_BEFORE
    return min(max(until - time.since_ns, LEAST_BEFORE), MOST_BEFORE)


def _leave_out(flows: Flows, listed: Sequence[bool]) -> None:
    """Let flows of exporters that are not listed count for nothing, as `collect` does."""
    flows.counts = flows.counts & np.array(listed, bool)[flows.stream]


def _in_points(asked: _Asked) -> list[Finding]:
    server = Server(asked.config.influx)
    try:
        with _bar("reading totals", 100) as tell:
            told = 0

            def on_progress(done: float) -> None:
                nonlocal told
                if tell is not None and (now := round(100 * done)) > told:
                    tell(now - told)
                    told = now

            evidence = PointsEvidence(
                server.ask,
                asked.config,
                Range(asked.time.since_ns, asked.time.until_ns),
                asked.networks,
                on_progress,
            )
        return _hunted(evidence, asked.config)
    finally:
        server.close()


def _hunted(evidence: Evidence, config: Config) -> list[Finding]:
    with _bar("looking", len(evidence.totals.series)) as tell:
        return hunt(evidence, settings(config), tell)


@contextmanager
def _bar(label: str, length: int) -> Iterator[Callable[[int], None] | None]:
    """Show a bar on stderr if it is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    bar: Any
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update


def _print(findings: Sequence[Finding], teller: Teller, grafana: str) -> None:
    """Print the story; click leaves colours out where stdout is no terminal."""
    plain = not (sys.stdout.encoding or "").lower().startswith("utf")
    lines = story(
        findings,
        teller,
        lambda text, style: click.style(text, **_COLOURS[style]),
        grafana=grafana,
        plain=plain,
    )
    for line in lines:
        click.echo(line)


def _write(path: Path, text: str) -> None:
    """Write the report; raises InputError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
