"""`provision`: dashboards, data source, contact points and alert rules into a running Grafana."""

from typing import Any

import click

from flowsleuth.cli import HELP
from flowsleuth.cli.options import config_option, read_config, read_hosts, read_url
from flowsleuth.config import Grafana
from flowsleuth.provision.connection import from_environment
from flowsleuth.provision.run import Options, Voice, run


@click.command("provision", context_settings=HELP)
@config_option
@click.option(
    "--grafana",
    "url",
    metavar="URL",
    callback=read_url,
    help="The Grafana, 11.0 or newer [default: grafana.url, or $GRAFANA_URL].",
)
@click.option("--dry-run", is_flag=True, help="Only say what would change, as a diff.")
@click.option("--remove", is_flag=True, help="Take away all that came from here, nothing else.")
@click.option("--datasource", metavar="UID", help="Use this data source that is there already.")
@click.option(
    "--influx-url",
    metavar="URL",
    callback=read_url,
    help="InfluxDB as Grafana reaches it, where that is not influx.url.",
)
@click.option(
    "--receiver",
    metavar="NAME",
    help="Alerts tell this contact point that is there already; `policy`: your notification "
    "policies choose [default: the contact points that the environment configures].",
)
@click.option(
    "--mute",
    metavar="NAME",
    multiple=True,
    help="A mute timing that is there already, in which alerts are silent; several times too.",
)
@click.option(
    "--runbook",
    metavar="URL",
    callback=read_url,
    help="Where a copy of docs/runbook.md can be read: each alert links to its part.",
)
@click.option("--test", is_flag=True, help="Then send the demo's alert through the receiver.")
@click.option("--keep-edits", is_flag=True, help="Leave what somebody changed in Grafana as it is.")
@click.option(
    "--adopt",
    is_flag=True,
    help="Take over what is there under our names and came another way, by hand say.",
)
@click.option("--ca-file", metavar="FILE", help="Certificates to trust, for an https URL.")
@click.option("--client-cert", metavar="FILE", help="The certificate to show (PEM).")
@click.option("--client-key", metavar="FILE", help="Its key, where that is not in the same file.")
@click.option("--insecure", is_flag=True, help="Do not check Grafana's certificate.")
def command(
    config_path: str | None,
    url: str | None,
    *,
    dry_run: bool,
    remove: bool,
    test: bool,
    keep_edits: bool,
    adopt: bool,
    insecure: bool,
    **given: Any,
) -> None:
    """Put data source, dashboards, contact points and alert rules into a running Grafana.

    As often as you like: what is as it should be is left alone, what somebody changed in Grafana is
    said before it is overwritten, and what is not ours is never touched, your notification policies
    included.

    GRAFANA_TOKEN has a service account's token (role Admin; Editor with --datasource), else
    GRAFANA_USER and GRAFANA_PASSWORD. docs/provision.md says which variables make contact points.

    Example: flowsleuth provision -c flowsleuth.yaml --grafana https://grafana.example.net --dry-run
    """
    if remove and (test or keep_edits or adopt):
        raise click.UsageError(
            "--remove takes all away: --test, --keep-edits and --adopt do not fit"
        )
    if dry_run and test:
        raise click.UsageError("--dry-run sends nothing: --test does not fit")
    config = read_config(config_path)
    overriding = {key: value for key, value in {"url": url, **given}.items() if value}
    if insecure:
        overriding["verify_ssl"] = False
    settings = Grafana.model_validate({**config.grafana.model_dump(), **overriding})
    run(
        config.model_copy(update={"grafana": from_environment(settings)}),
        Options(dry_run=dry_run, remove=remove, test=test, keep_edits=keep_edits, adopt=adopt),
        Voice(click.echo, lambda text: click.echo(f"flowsleuth: {text}", err=True)),
        {} if remove else read_hosts(config),
    )
