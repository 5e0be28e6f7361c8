"""Options and progress that several commands share."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from flowsleuth.cli.moments import FORMS, read_moment, shown
from flowsleuth.config import Config, load
from flowsleuth.config.grafana import check_url
from flowsleuth.decode.decoder import Decoder
from flowsleuth.enrich.names import read_names
from flowsleuth.errors import ConfigError
from flowsleuth.filters.errors import FilterError
from flowsleuth.filters.filter import Filter
from flowsleuth.pipeline.ranges import learned_from, read_range
from flowsleuth.pipeline.rebase import Rebase, shift_to_now
from flowsleuth.receive.datagrams import Datagrams, Sources
from flowsleuth.receive.files import read, total_bytes

config_option = click.option(
    "-c",
    "--config",
    "config_path",
    metavar="FILE",
    help="Configuration [default: $FLOWSLEUTH_CONFIG, ./flowsleuth.yaml, "
    "/etc/flowsleuth/flowsleuth.yaml, else the built-in values].",
)

files_argument = click.argument("files", nargs=-1, required=True, metavar="FILE...")

_Command = TypeVar("_Command", bound=Callable[..., Any])

_ONLY = "only"
"""The parameter that the options of a filter fill: a Filter, or None."""


class WrongFilter(click.ClickException):
    """A filter that cannot be understood: one line, and the filter with a caret under the word."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Write it to stderr."""
        click.echo(f"flowsleuth: {self.message}", file=file, err=True)


def filter_options(command: _Command) -> _Command:
    """Give a command --filter and --filter-file: it gets `only`, a Filter or None."""
    from_file = click.option(
        "-f",
        "--filter-file",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
        callback=_take_filter,
        expose_value=False,
        help="The same, read from FILE.",
    )
    given = click.option(
        "--filter",
        metavar="TEXT",
        callback=_take_filter,
        expose_value=False,
        help="Only flow records that match, in nfdump's filter language; bytes, packets and rates "
        "are those after sampling.",
    )
    return given(from_file(command))


def _take_filter(
    context: click.Context, _parameter: click.Parameter, value: str | Path | None
) -> None:
    context.params.setdefault(_ONLY, None)
    if value is None:
        return
    if context.params[_ONLY] is not None:
        raise click.UsageError("give --filter or --filter-file, not both", context)
    try:
        text = value if isinstance(value, str) else value.read_text(encoding="utf-8")
        context.params[_ONLY] = Filter(text)
    except FilterError as error:
        raise WrongFilter(str(error)) from None
    except UnicodeDecodeError:
        raise click.UsageError("--filter-file: it is not UTF-8 text", context) from None


def range_options(until: str, chosen: str) -> Callable[[_Command], _Command]:
    """Give a command --from and `until`: it gets since_ns and until_ns, for `TimeRange`.

    chosen: the sentence that says what is chosen by them.
    """

    def add(command: _Command) -> _Command:
        last = click.option(
            *until.split("/"),
            "until_ns",
            metavar="TIME",
            callback=read_moment,
            help=f"The end, which is not in it; forms as --from. {chosen}",
        )
        first = click.option(
            "--from",
            "since_ns",
            metavar="TIME",
            callback=read_moment,
            help=f"The beginning: {FORMS}.",
        )
        return first(last(command))

    return add


@dataclass(frozen=True, slots=True)
class TimeRange:
    """[since, until) in ns since the epoch, None for no bound; raises UsageError if it is empty."""

    since_ns: int | None
    until_ns: int | None

    def __post_init__(self) -> None:
        """Refuse a range that ends before it begins."""
        if self.since_ns is None or self.until_ns is None or self.since_ns < self.until_ns:
            return
        raise click.UsageError(
            f"--from ({shown(self.since_ns)}) is not before its end ({shown(self.until_ns)})"
        )

    @property
    def bounded(self) -> bool:
        """Whether there is a bound at all."""
        return self.since_ns is not None or self.until_ns is not None


def read_url(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Return a URL as the configuration takes it; another one is wrong usage."""
    try:
        return value and check_url(value)
    except ValueError as error:
        raise click.BadParameter(f"{value}: allowed is {error}") from None


def read_config(path: str | None) -> Config:
    """Load the configuration; raises ConfigError."""
    return load(path)


def read_hosts(config: Config) -> dict[str, str]:
    """Read the hosts file that the configuration names: address text → name; raises ConfigError."""
    if config.hosts_file is None:
        return {}
    try:
        text = Path(config.hosts_file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"hosts_file: {config.hosts_file}: {reason}") from None
    return read_names(text.splitlines(), config.hosts_file)


BY_RECEIPT = (
    "Chosen are whole datagrams by when they were received, so that adjacent ranges add up."
)
"""How `points`, `load` and `replay` choose."""


@contextmanager
def batches_of(
    files: Sequence[str],
    decoder: Decoder,
    asked: TimeRange,
    label: str,
    shift: Rebase | None = None,
) -> Iterator[Iterator[Datagrams]]:
    """Give the datagrams of files in a range, with a bar while they are read.

    decoder learns what exporters announced before the range, and decodes each batch before the next
    one is asked for. shift: moves all times.
    """
    since, until = asked.since_ns, asked.until_ns
    with progress(files, label, learned_from(since), until) as on_progress:
        yield read_range(
            files, Sources(), decoder, since, until, on_progress=on_progress, shift=shift
        )


def shift_of(files: Sequence[str], asked: TimeRange) -> Rebase:
    """Return the shift after which the files' last datagram in a range is of now."""
    since, until = asked.since_ns, asked.until_ns
    with progress(files, "looking for the end", since, until) as on_progress:
        return Rebase(
            shift_to_now(
                read(files, Sources(), since_ns=since, until_ns=until, on_progress=on_progress)
            )
        )


@contextmanager
def progress(
    files: Sequence[str], label: str, since_ns: int | None = None, until_ns: int | None = None
) -> Iterator[Callable[[int], None] | None]:
    """Show a bar on stderr while files are read, if it is a terminal and their size is known.

    since_ns, until_ns: what of an archive is read, as in `receive.files.read`.
    """
    length = total_bytes(files, since_ns, until_ns)
    if not sys.stderr.isatty() or length is None:
        yield None
        return
    bar: Any
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update
