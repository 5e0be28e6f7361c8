"""`check`: is the configuration right, what does it say in full, how many series will it need."""

import click

from flowsleuth.cli.options import config_option, read_config
from flowsleuth.config import effective


@click.command("check")
@config_option
def command(config_path: str | None) -> None:
    """Check the configuration, and print it with every default filled in (secrets hidden).

    Example: flowsleuth check -c flowsleuth.yaml
    """
    config = read_config(config_path)
    click.echo(effective(config), nl=False)
    for warning in config.not_yet():
        click.echo(f"flowsleuth: {warning}", err=True)
