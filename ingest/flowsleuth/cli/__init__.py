"""The command line: one group, a module for each command, loaded when it is called.

What the user can mend is one line on stderr and exit status 1; wrong usage is 2 (click's own).
A bug is one line too, and a traceback in the log or, with FLOWSLEUTH_DEBUG set, on stderr.
"""

import os
import sys
from importlib import import_module
from typing import Any

import click

from flowsleuth import __version__
from flowsleuth.errors import FlowSleuthError

COMMANDS = (
    "collect",
    "decode",
    "points",
    "load",
    "hunt",
    "identify",
    "block",
    "replay",
    "provision",
    "check",
    "doctor",
    "demo",
)
"""Each command is `command` in the module of its name; what does not exist yet is not listed."""

HELP = {"help_option_names": ["-h", "--help"]}
"""context_settings of the group and of each command: click keeps a command's help option as it was
made first, so a command that is called without the group must know the names too."""

DEBUG = "FLOWSLEUTH_DEBUG"
"""Environment variable: tracebacks on stderr instead of one line."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"flowsleuth.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The reader has gone (`| head`), which click takes for a failure: nothing more to say,
            # and nothing may be said at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=_Lazy, context_settings=HELP)
@click.version_option(__version__, prog_name="flowsleuth")
def group() -> None:
    """Bring NetFlow (v1, v5, v7, v9, IPFIX) into InfluxDB, for Grafana to show and to tell.

    Example: flowsleuth decode capture.pcap
    """


def main() -> None:
    """Run the command line and exit."""
    try:
        sys.exit(group.main(standalone_mode=False))
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except FlowSleuthError as error:
        click.echo(f"flowsleuth: {error}", err=True)
        sys.exit(1)
    except Exception as bug:
        if os.environ.get(DEBUG):
            raise
        click.echo(
            f"flowsleuth: this is a bug: {type(bug).__name__}: {bug}; "
            f"run it again with {DEBUG}=1 for the traceback, and please report it",
            err=True,
        )
        sys.exit(1)
