"""`identify`: what is known about a service of a host, and on request what nmap finds there."""

import shlex
import shutil
import subprocess

import click

from flowsleuth.baseline.publisher import Server, zone_of
from flowsleuth.cli import HELP
from flowsleuth.cli.ends import Address, read_address, read_port
from flowsleuth.cli.options import config_option, read_config
from flowsleuth.enrich.services import Services
from flowsleuth.errors import ServiceError
from flowsleuth.hunt.identify import known, lines
from flowsleuth.hunt.services import service
from flowsleuth.hunt.telling import Teller

BOTH = ("tcp", "udp")


@click.command(
    "identify",
    context_settings=HELP,
    epilog="Example: flowsleuth identify 10.1.42.17 --port 14857/udp",
)
@click.argument("address")
@click.option("--port", required=True, metavar="PORT", help="The service port, such as 14857/udp.")
@config_option
@click.option(
    "--scan",
    is_flag=True,
    help="Also have nmap detect the service, on this host and port alone: it sends packets there.",
)
def command(address: str, port: str, config_path: str | None, *, scan: bool) -> None:
    """Say what the points in InfluxDB know about a service of ADDRESS, and what its port is called.

    Peers, packet sizes, regularity and since when: in as far as it was among the largest of its
    network. Nothing is sent to the host unless --scan is given; nmap's command is shown first.
    """
    host = read_address(address)
    number, protocol = read_port(port)
    config = read_config(config_path)
    teller = Teller(config.window_ns, Services(config.services), zone_of(config))
    for each in (protocol,) if protocol is not None else BOTH:
        about = service(number, each, teller.services)
        click.echo(f"{'service':<12} {about}: {about.known}")
    if scan:  # before all else, since it may be that nmap is not there
        _find_nmap()
    server = Server(config.influx)
    try:
        found = known(server.ask, config, str(host), number, protocol)
    finally:
        server.close()
    for line in lines(found, teller):
        click.echo(line)
    if scan:
        _scan(host, number, protocol)


def _find_nmap() -> str:
    """Return nmap's path; raises ServiceError."""
    nmap = shutil.which("nmap")
    if nmap is None:
        raise ServiceError(
            "--scan needs nmap, which is not on the PATH: install it (apt install nmap)"
        )
    return nmap


def _scan(host: Address, port: int, protocol: str | None) -> None:
    """Run nmap's service detection on one port of one host; raises ServiceError."""
    for each in (protocol,) if protocol is not None else BOTH:
        words = [_find_nmap(), *_KINDS[each], "-sV", "-Pn", "-n", "-p", str(port)]
        words += [*(["-6"] if host.version == 6 else []), str(host)]
        click.echo(f"\n$ {shlex.join(words)}")
        ran = subprocess.run(words, check=False)  # noqa: S603  nmap, with an address and a port
        if ran.returncode:
            raise ServiceError(
                f"nmap failed (exit status {ran.returncode}); see what it says above"
            )


_KINDS: dict[str, list[str]] = {
    "tcp": [],
    "udp": ["-sU"],
    "sctp": ["-sY"],
    "dccp": [],
    "udplite": [],
}
"""nmap's option for the scan of a protocol; of TCP it has its own choice, without root too."""
