"""`load`: a capture's points into InfluxDB, at the flows' own times (backfill)."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import click
import numpy as np

from flowsleuth.cli import HELP
from flowsleuth.cli.moments import shown
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
    shift_of,
)
from flowsleuth.config import Config
from flowsleuth.errors import ConfigError
from flowsleuth.filters.filter import Filter
from flowsleuth.pipeline import files as file_points
from flowsleuth.pipeline.pipeline import Pipeline
from flowsleuth.pipeline.rebase import Rebase, times_ns
from flowsleuth.points import Table, choose
from flowsleuth.receive.datagrams import Sources
from flowsleuth.receive.files import read
from flowsleuth.receive.streams import STDIN
from flowsleuth.schema import BY_NAME, Kept
from flowsleuth.write.influx import InfluxWriter
from flowsleuth.write.lines import encode
from flowsleuth.write.live import first_live
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


@dataclass(frozen=True, slots=True)
class _Loading:
    """What is loaded: files in a range, of which records, and of which profile alone."""

    config: Config
    files: tuple[str, ...]
    asked: TimeRange
    only: Filter | None
    profile: str | None
    shift: Rebase | None = None

    def tables(self, pipeline: Pipeline, label: str) -> Iterator[Table]:
        """Yield the tables to write."""
        with batches_of(
            self.files, pipeline.decoder, self.asked, label, shift=self.shift
        ) as batches:
            for tables in file_points.points(pipeline, batches):
                yield from tables if self.profile is None else _of_profile(tables, self.profile)


def _of_profile(tables: list[Table], profile: str) -> Iterator[Table]:
    for table in tables:
        if table.measurement == "profiles":
            yield choose(table, np.array([name == profile for name in table.tags["profile"]]))


@click.command("load", context_settings=HELP)
@files_argument
@config_option
@click.option(
    "--only-profile",
    "profile",
    metavar="NAME",
    help="Write only the points of this configured profile: fills a new one.",
)
@filter_options
@range_options("--to/--until", BY_RECEIPT)
@click.option("--rebase", is_flag=True, help="Shift all times so that the capture ends now.")
def command(
    files: tuple[str, ...],
    config_path: str | None,
    profile: str | None,
    only: Filter | None,
    since_ns: int | None,
    until_ns: int | None,
    *,
    rebase: bool,
) -> None:
    """Write the points of FILE (capture, archive, folder, bare datagrams, -) into InfluxDB.

    Loading the same again changes nothing; two files, or adjacent ranges, add up. Says beforehand
    how many points lie before the retention, since InfluxDB refuses those.

    A profile that is new in the configuration counts from the next start or reload of `collect` on.
    --only-profile fills the time before, to exactly what it would have been. What was counted then
    and is loaded too would count twice: a range in which `collect` counted it itself is refused,
    with the --to that would do.

    Example: flowsleuth load --only-profile dns-out --from -7d --to 14:05 archive/
    """
    if rebase and STDIN in files:
        raise click.UsageError("--rebase reads the files twice, which stdin cannot: name a FILE")
    asked = TimeRange(since_ns, until_ns)
    config = read_config(config_path)
    if profile is not None:
        config, only = _alone(config, profile, only)
    names = read_hosts(config)
    prepare(config)
    loading = _Loading(config, files, asked, only, profile)
    if rebase:
        loading = replace(loading, shift=shift_of(files, asked))
    retention = _Retention(config, time.time_ns())
    if not rebase and STDIN not in files:
        _check(loading, retention)
    _load(loading, Pipeline(config, names, only), retention)


def _alone(config: Config, profile: str, only: Filter | None) -> tuple[Config, Filter]:
    """Return the configuration with this profile alone, and its filter; raises ConfigError.

    Nothing else of a record that it does not match would be written: the filter leaves it out.
    """
    if only is not None:
        raise click.UsageError("--only-profile has its own filter: leave --filter out")
    found = next((known for known in config.profiles if known.name == profile), None)
    if found is None:
        known = ", ".join(about.name for about in config.profiles) or "none is"
        raise ConfigError(f"profiles: {profile}: no such profile; configured: {known}")
    return config.model_copy(update={"profiles": (found,)}), Filter(found.filter)


def _load(loading: _Loading, pipeline: Pipeline, retention: _Retention) -> None:
    """Write the points, and say what became of them."""
    tags = {"ingester": loading.config.ingester}
    left_out = 0
    with InfluxWriter(loading.config.influx, patient=True) as writer:
        for table in loading.tables(pipeline, "loading"):
            old = retention.too_old(table)
            left_out += int(old.sum())
            writer.submit(table.measurement, encode(choose(table, ~old), tags))
        writer.finish()
        written = writer.totals()
    said = [f"loaded {pipeline.records} flow records as {written.points} points"]
    if left_out:
        said.append(f"{left_out} points before the retention left out")
    if written.points_refused:
        said.append(f"{written.points_refused} refused by InfluxDB")
    click.echo("flowsleuth: " + ", ".join(said), err=True)


def _check(loading: _Loading, retention: _Retention) -> None:
    """Look through the files first: refuse what was counted already, say what is too old."""
    asked = loading.asked
    batches = read(loading.files, Sources(), since_ns=asked.since_ns, until_ns=asked.until_ns)
    times = [(int(at.min()), int(at.max())) for at in map(times_ns, batches) if len(at)]
    if not times:
        return
    oldest, newest = min(first for first, _ in times), max(last for _, last in times)
    if loading.profile is not None:
        _refuse_counted(loading.config, loading.profile, oldest, newest)
    if oldest - loading.config.accepted_age_ns < max(retention.oldest.values()):
        _warn(loading, retention)


def _refuse_counted(config: Config, profile: str, oldest: int, newest: int) -> None:
    """Refuse to load a profile for a time in which `collect` counted it; raises UsageError."""
    live = first_live(config, profile, oldest, newest)
    if live is not None:
        raise click.UsageError(
            f"profile {profile}: collect counted it itself at {shown(live)}, and what is loaded "
            f"for that time would count twice: end before, with --to '{shown(live)}'"
        )


def _warn(loading: _Loading, retention: _Retention) -> None:
    """Count what lies before the retention."""
    old = total = 0
    pipeline = Pipeline(loading.config, {}, loading.only)
    for table in loading.tables(pipeline, "looking for what is too old"):
        old += int(retention.too_old(table).sum())
        total += len(table)
    if old:
        click.echo(
            f"flowsleuth: {old} of {total} points lie before the retention and are left out, since "
            "InfluxDB refuses them; --rebase loads the capture as if it ended now",
            err=True,
        )
