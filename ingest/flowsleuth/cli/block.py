"""`block`: the rule text that would block an address or a port; never applied."""

import click

from flowsleuth.cli import HELP
from flowsleuth.cli.ends import Address, read_address, read_port
from flowsleuth.firewalls import FIREWALLS
from flowsleuth.hunt.block import Target, rules


@click.command(
    "block",
    context_settings=HELP,
    epilog="Example: flowsleuth block 10.1.42.17 14857/udp --for nftables",
)
@click.argument("what", nargs=-1, required=True, metavar="ADDRESS|PORT...")
@click.option(
    "--for",
    "vendor",
    type=click.Choice(list(FIREWALLS)),
    required=True,
    help="Whose syntax.",
)
def command(what: tuple[str, ...], vendor: str) -> None:
    """Print the rules that block an address, a port, or (both given) that port of that address.

    A PORT is written 14857/udp; without a protocol both tcp and udp are meant. The rules go to
    stdout, for you to read and to apply: FlowSleuth never does.
    """
    click.echo("\n".join(rules(_target(what), FIREWALLS[vendor])))


def _target(what: tuple[str, ...]) -> Target:
    """Read what to block; raises BadParameter."""
    addresses: list[Address] = []
    ports: list[tuple[int, str | None]] = []
    for text in what:
        if "/" in text or text.isdigit():
            ports.append(read_port(text))
        else:
            addresses.append(read_address(text))
    if len(addresses) > 1 or len(ports) > 1:
        raise click.UsageError("give one ADDRESS, one PORT, or one of each")
    port, protocol = ports[0] if ports else (None, None)
    protocols = () if port is None else ("tcp", "udp") if protocol is None else (protocol,)
    return Target(addresses[0] if addresses else None, port, protocols)
