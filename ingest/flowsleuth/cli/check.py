"""`check`: is the configuration right, what does it say in full, how many series will it need.

stdout is the effective configuration and nothing else, so that it can be kept as a file; what is
said about it goes to stderr.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import click

from flowsleuth.cli import HELP
from flowsleuth.cli.options import config_option, progress, read_config, read_hosts
from flowsleuth.cli.suggested import block
from flowsleuth.config import Config, effective
from flowsleuth.config.units import DAY, HOUR, MINUTE, SECOND
from flowsleuth.errors import InputError
from flowsleuth.pipeline.estimate import Estimate, Kind, estimate
from flowsleuth.pipeline.suggest import suggest as suggest_networks
from flowsleuth.receive.datagrams import Datagrams, Sources
from flowsleuth.receive.files import read
from flowsleuth.receive.streams import STDIN

BATCH = 100
"""Datagrams read at a time: a quiet site sends no more in a few windows, which close in between."""

KIND_NAMES = {
    "talkers": "talkers",
    "address_other": "talkers, port=other",
    "port_other": "talkers, address=other",
    "other_other": "talkers, both other",
    "heavy": "heavy",
    "hosts": "hosts",
    "conversations": "conversations",
}
"""Kinds of series as the points show them."""

FOLDS_LITTLE = 0.005
"""Bytes that fold for want of series below this share are not worth advice."""

FOLDS_MUCH = 0.5
"""Above this share in `other`, the top lists say too little."""


@click.command("check", context_settings=HELP)
@click.argument("files", nargs=-1, metavar="[FILE...]")
@click.option(
    "--suggest",
    is_flag=True,
    help="Print a `networks:` block instead: the prefixes that seem to be inside.",
)
@config_option
def command(files: tuple[str, ...], config_path: str | None, *, suggest: bool) -> None:
    """Check the configuration, and print it with every default filled in (secrets hidden).

    With FILE (capture, bare datagrams, folder) also estimate the series that it will need, judged
    by that traffic: on stderr. An hour or a day of ordinary traffic tells most.

    With --suggest it is the networks that are looked for, for a first configuration.

    Example: flowsleuth check -c flowsleuth.yaml monday.pcap.gz > effective.yaml
    """
    if suggest:
        _suggest(config_path, files)
        return
    if STDIN in files:
        raise click.UsageError("check reads the files twice, which stdin cannot: name a FILE")
    config = read_config(config_path)
    read_hosts(config)
    click.echo(effective(config), nl=False)
    for warning in config.warnings():
        click.echo(f"flowsleuth: {warning}", err=True)
    if files:
        for line in _report(config, _estimate(config, files)):
            click.echo(line, err=True)


def _suggest(config_path: str | None, files: tuple[str, ...]) -> None:
    if not files:
        raise click.UsageError("--suggest needs a FILE to judge by: a capture, or a folder of them")
    config = read_config(config_path)
    hosts = read_hosts(config)
    with progress(files, "looking for networks") as on_progress:
        found = suggest_networks(config, read(files, Sources(), on_progress=on_progress))
    if found is None:
        raise InputError("the files hold no flow records: nothing to judge by")
    for line in block(found, hosts):
        click.echo(line)


def _estimate(config: Config, files: tuple[str, ...]) -> Estimate | None:
    labels = iter(("looking for what is needed", "looking for what would fold"))

    def batches() -> Iterator[Datagrams]:
        with progress(files, next(labels)) as on_progress:
            yield from read(files, Sources(), batch=BATCH, on_progress=on_progress)

    return estimate(config, batches)


def _report(config: Config, found: Estimate | None) -> Iterator[str]:
    """Yield the lines of the report."""
    if found is None:
        yield "flowsleuth: the files hold no flow records: no estimate of the series"
        return
    length = _rough(found.last_ns - found.first_ns)
    began = datetime.fromtimestamp(found.first_ns // SECOND, UTC)
    yield (
        f"flowsleuth: series, judged by {found.records} flow records of {length} "
        f"from {began:%F %R} UTC"
    )
    yield f"  {'kind':24}{'needed':>10}{'of budget':>12}{'new a day*':>12}"
    total = Kind(
        "all",
        sum(kind.needed for kind in found.kinds),
        config.series_budget,
        sum(kind.new_a_day or 0 for kind in found.kinds) if found.last_part_ns else None,
    )
    for kind in (*found.kinds, total):
        new = "?" if kind.new_a_day is None else str(kind.new_a_day)
        name = KIND_NAMES.get(kind.name, kind.name)
        yield f"  {name:24}{kind.needed:>10}{kind.part:>12}{new:>12}"
    yield _pace(found)
    bar, highest = found.bars
    yield f"admission bar: {bar:.2%} of a network's bytes (share), highest reached {highest:.2%}"
    anyway, given = found.folded
    yield (
        f"folded into `other`: {given:.1%} of bytes; {anyway:.1%} with any budget (top, share), "
        f"{max(0.0, given - anyway):.1%} for want of series"
    )
    yield from _advice(config, found)


def _pace(found: Estimate) -> str:
    if not found.last_part_ns:
        return "* the capture is too short to tell how many are new each day"
    return (
        f"* extrapolated from the last {_rough(found.last_part_ns)}: what comes back every day "
        "is new only once, so a capture of less than some days says too much"
    )


def _rough(ns: int) -> str:
    """Return a duration in the largest unit of which it has two."""
    for unit, name in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")):
        if ns >= 2 * unit:
            return f"{ns / unit:.0f} {name}"
    return f"{ns / SECOND:.0f} seconds"


def _advice(config: Config, found: Estimate) -> Iterator[str]:
    """Yield what to do where it does not fit."""
    anyway, given = found.folded
    now = [kind for kind in found.kinds if kind.needed > kind.part]
    later = [
        kind
        for kind in found.kinds
        if kind not in now and kind.at_the_end(found.retention_days) > kind.part
    ]
    if now or given - anyway > FOLDS_LITTLE:
        names = "; ".join(KIND_NAMES[kind.name] for kind in now) or "their growth"
        yield (
            f"does not fit ({names}): raise series_budget to {_enough(config, found, days=1)} or "
            f"more, or raise share (now {config.share:g}) or lower top so that fewer are kept; the "
            "budget holds in any case, and what has no series folds, with exact totals"
        )
    elif later:
        kind = min(later, key=lambda kind: (kind.part - kind.needed) / (kind.new_a_day or 1))
        days = (kind.part - kind.needed) // (kind.new_a_day or 1)
        yield (
            f"fits now; at this pace {KIND_NAMES[kind.name]} would be full after {days} days of "
            f"the {found.retention_days} kept, and the bar would rise: series_budget "
            f"{_enough(config, found, days=found.retention_days)} would do even then, as would a "
            "higher share or a shorter retention.detail"
        )
    else:
        yield "fits"
    if anyway > FOLDS_MUCH:
        yield "more than half would fold with any budget: lower share or raise top for more detail"


def _enough(config: Config, found: Estimate, days: int) -> int:
    """Return a budget, rounded up to two digits, of which each kind's part is enough for `days`.

    For one day a quarter of it must do, since that is the allowance at the start.
    """
    need = max(
        max(kind.at_the_end(days) if days > 1 else 4 * kind.needed, 1)
        / (kind.part / config.series_budget)
        for kind in found.kinds
    )
    step: int = 10 ** max(0, len(str(int(need))) - 2)
    return -(-int(need) // step) * step
