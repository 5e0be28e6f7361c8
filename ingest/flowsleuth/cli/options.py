"""Options and progress that several commands share."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from flowsleuth.config import Config, load
from flowsleuth.enrich.names import read_names
from flowsleuth.errors import ConfigError
from flowsleuth.receive.files import total_bytes

config_option = click.option(
    "-c",
    "--config",
    "config_path",
    metavar="FILE",
    help="Configuration [default: $FLOWSLEUTH_CONFIG, ./flowsleuth.yaml, "
    "/etc/flowsleuth/flowsleuth.yaml, else the built-in values].",
)

files_argument = click.argument("files", nargs=-1, required=True, metavar="FILE...")


def read_config(path: str | None) -> Config:
    """Load the configuration; raises ConfigError."""
    return load(path)


def read_hosts(config: Config) -> dict[str, str]:
    """Read the hosts file that the configuration names: address text → name; raises ConfigError."""
    if config.hosts_file is None:
        return {}
    try:
        text = Path(config.hosts_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"hosts_file: {config.hosts_file}: {reason}") from None
    return read_names(text.splitlines(), config.hosts_file)


@contextmanager
def progress(files: Sequence[str], label: str) -> Iterator[Callable[[int], None] | None]:
    """Show a bar on stderr while files are read, if it is a terminal and their size is known."""
    length = total_bytes(files)
    if not sys.stderr.isatty() or length is None:
        yield None
        return
    bar: Any
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update
