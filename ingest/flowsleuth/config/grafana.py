"""The part of a configuration that says where Grafana is, and how `provision` sets it up."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from flowsleuth.config.sections import Section

POLICY = "policy"
"""The receiver that is none: the user's own notification policies choose one."""


def check_url(url: str) -> str:
    """Return a URL of http or https, without a slash at its end; raises ValueError."""
    parts = urlsplit(url)
    if not url:
        return url
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("a URL such as http://localhost:3000")
    if "@" in parts.netloc:
        raise ValueError("a URL without user and password: they have settings of their own")
    if parts.query or parts.fragment:
        raise ValueError("a URL without ? and #, such as https://example.net/grafana")
    return url.rstrip("/")


Url = Annotated[str, AfterValidator(check_url)]


class Grafana(Section):
    """The Grafana that `provision` sets up."""

    url: Url = Field(default="", description="Grafana 11 or newer; a path behind the host is kept.")
    token: SecretStr = Field(
        default=SecretStr(""),
        description="A service account's token; $GRAFANA_TOKEN if not given.",
    )
    user: str = Field(
        default="", description="Instead of a token; $GRAFANA_USER if neither is given."
    )
    password: SecretStr = Field(
        default=SecretStr(""), description="The user's; $GRAFANA_PASSWORD if not given."
    )
    verify_ssl: bool = Field(
        default=True, description="Whether to check the certificate of an https URL."
    )
    ca_file: str | None = Field(default=None, description="A file with the certificates to trust.")
    client_cert: str | None = Field(
        default=None, description="A file with the certificate to show, and perhaps its key."
    )
    client_key: str | None = Field(default=None, description="A file with its key.")
    timeout_s: float = Field(
        default=30.0, gt=0, le=600, description="Seconds that one request may take."
    )
    influx_url: Url = Field(
        default="", description="InfluxDB as Grafana reaches it, where that is not `influx.url`."
    )
    datasource: str = Field(
        default="", description="The uid of a data source that is there already, to use instead."
    )
    receiver: str = Field(
        default="",
        description="A contact point that is there already, for all alerts; `policy`: your "
        "notification policies choose.",
    )
    mute: tuple[str, ...] = Field(
        default=(), description="Mute timings that are there already, in which alerts are silent."
    )
    runbook: Url = Field(
        default="",
        description="Where a copy of docs/runbook.md can be read: each alert links to its part.",
    )
    identify: str = Field(
        default="https://rdap.org/ip/",
        description="An address behind it says whose it is: NetBox, an IPAM, whois.",
    )
