"""`doctor`: what a helpful colleague would check, and the command that mends what it finds."""

from collections import Counter
from typing import Any

import click

from flowsleuth.cli import HELP
from flowsleuth.cli.options import config_option, read_config, read_hosts, read_url
from flowsleuth.doctor.kinds import Finding, Level
from flowsleuth.doctor.run import examine

COLOURS = {Level.GOOD: "green", Level.NOTE: "yellow", Level.WRONG: "red"}


@click.command("doctor", context_settings=HELP)
@config_option
@click.option(
    "--wait",
    "seconds",
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(0.1, 3600),
    help="How long to listen whether anything arrives: exporters send twice a minute or more.",
)
@click.option(
    "--grafana",
    "url",
    metavar="URL",
    callback=read_url,
    help="The Grafana to look at [default: grafana.url, or $GRAFANA_URL].",
)
def command(config_path: str | None, seconds: float, url: str | None) -> None:
    """Look for what keeps traffic from the wall, and say how to mend it. Changes nothing.

    Checked are what arrives at the port and from whom, templates, sequence gaps, clocks, sampling,
    active timeouts, networks, buffers; InfluxDB, its buckets, retentions and mappings; Grafana, its
    data source, dashboards and rules. As root it also hears what a firewall drops.

    Grafana is asked with GRAFANA_TOKEN, else GRAFANA_USER and GRAFANA_PASSWORD. The exit status is
    1 if something is wrong. docs/troubleshooting.md lists all that it can find.

    Example: flowsleuth doctor -c flowsleuth.yaml --grafana http://localhost:3000
    """
    config = read_config(config_path)
    if url:
        grafana = config.grafana.model_copy(update={"url": url})
        config = config.model_copy(update={"grafana": grafana})
    counted: Counter[Level] = Counter()
    for finding in examine(config, read_hosts(config), seconds):
        counted[finding.level] += 1
        _say(finding)
    click.echo(
        f"{counted[Level.WRONG]} wrong, {counted[Level.NOTE]} to note, {counted[Level.GOOD]} well"
    )
    if counted[Level.WRONG]:
        raise click.exceptions.Exit(1)


def _say(finding: Finding) -> None:
    word = click.style(f"{finding.level.value:5}", fg=COLOURS[finding.level])
    name: Any = f"{finding.kind.name}: " if finding.kind is not None else ""
    click.echo(f"{word}  {name}{finding.said}")
    for command in finding.mend:
        click.echo(f"       > {command}")
