"""The whole configuration: every setting at the top of the file, and what they must agree on."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    field_serializer,
    field_validator,
    model_validator,
)

from flowsleuth.config import units
from flowsleuth.config.grafana import Grafana
from flowsleuth.config.sections import (
    RESTART,
    Address,
    DurationOut,
    ExpectedJob,
    ExporterSettings,
    Influx,
    Listener,
    Name,
    NetworkSettings,
    Place,
    ProfileSettings,
    Rate,
    Retention,
    Section,
    Top,
    Zone,
    at,
    near,
    read_address,
    read_prefix,
)

PRIVATE = NetworkSettings(
    name="Private",
    prefixes=tuple(
        map(
            read_prefix,
            ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
        )
    ),
)
"""The one network of who has configured none (RFC 1918, RFC 6598, RFC 4193)."""

PORT_PROTOCOLS = {"tcp": 6, "udp": 17, "dccp": 33, "sctp": 132, "udplite": 136}
"""The protocols with ports, by IANA keyword."""

PRESETS: dict[str, dict[str, Any]] = {
    "normal": {},
    "small": {"series_budget": 20_000, "retention": {"detail": "15d"}},
}
"""What a preset sets where the file itself says nothing."""

_SERVICE = re.compile(r"(\d{1,5})/([a-z]+|\d{1,3})")


def _read_service(value: object) -> object:
    """Return (port, protocol number) of a key such as 14857/udp; raises ValueError."""
    if isinstance(value, tuple):
        return value
    if match := _SERVICE.fullmatch(str(value)):
        port, word = int(match[1]), match[2]
        protocol = int(word) if word.isdigit() else PORT_PROTOCOLS.get(word, 256)
        if port <= 65535 and protocol <= 255:
            return port, protocol
    raise ValueError(f"PORT/PROTOCOL, such as 14857/udp (or {', '.join(PORT_PROTOCOLS)})")


Service = Annotated[tuple[int, int], BeforeValidator(_read_service)]


class Config(Section):
    """A checked configuration. In the file a setting has its alias where it has one."""

    listen: tuple[Listener, ...] = Field(
        default=(Listener(host="0.0.0.0", port=2055),),  # noqa: S104  a collector listens to all its exporters
        min_length=1,
        description="UDP sockets to receive on, HOST:PORT each.",
        json_schema_extra=RESTART,
    )
    health: Listener | None = Field(
        default=Listener(host="127.0.0.1", port=9055),
        description="HOST:PORT of /healthz and /metrics, without authentication; null: none.",
        json_schema_extra=RESTART,
    )
    influx: Influx = Field(
        default_factory=Influx, description="Where the points go.", json_schema_extra=RESTART
    )
    grafana: Grafana = Field(
        default_factory=Grafana, description="Where `provision` puts dashboards and alert rules."
    )
    networks: tuple[NetworkSettings, ...] = Field(
        default=(),
        description="The networks; without any there is one, Private (RFC 1918, 6598, fc00::/7).",
    )
    networks_file: str | None = Field(
        default=None,
        description="A CSV file of more networks: the columns name and prefix, limit and floor, "
        "and one for each label.",
    )
    exporters: dict[Address, ExporterSettings] = Field(
        default_factory=dict, description="What is known of exporters, by their address."
    )
    exporters_only: bool = Field(default=False, description="Drop and count what others send.")
    profiles: tuple[ProfileSettings, ...] = Field(
        default=(), description="Filters counted by themselves."
    )
    expected: tuple[ExpectedJob, ...] = Field(default=(), description="Known heavy jobs.")
    floor: Rate = Field(
        default=2_000_000,
        description="Bits/s below which nothing is judged, where a network or profile names none.",
    )
    timezone: Zone | None = Field(
        default=None,
        description="Whose clock days and hours follow, such as Europe/Berlin; the machine's if "
        "not given.",
    )
    ingester: Name = Field(
        default="main",
        description="A short stable name: several ingesters add up and never overwrite.",
        json_schema_extra=RESTART,
    )
    window_ns: Annotated[int, BeforeValidator(units.read_window), DurationOut] = Field(
        default=units.MINUTE,
        alias="window",
        description="Length of a window; it divides an hour.",
        json_schema_extra=RESTART,
    )
    grace_ns: Annotated[int, BeforeValidator(units.duration("0s", "1h")), DurationOut] = Field(
        default=units.MINUTE,
        alias="grace",
        description="How long a window stays open after its end.",
        json_schema_extra=RESTART,
    )
    accepted_age_ns: Annotated[int, BeforeValidator(units.duration("1m", "30d")), DurationOut] = (
        Field(
            default_factory=lambda data: (
                2 * units.HOUR
                if data.get("window_ns", units.MINUTE) < 10 * units.SECOND
                else 25 * units.HOUR
            ),
            alias="accepted_age",
            description="How old a flow may be to count at its own time: 25h, or 2h where the "
            "window is below 10s.",
            json_schema_extra=RESTART,
        )
    )
    series_budget: int = Field(
        default=100_000,
        ge=100,
        le=100_000_000,
        description="Most series in the detail measurements.",
    )
    retention: Retention = Field(
        default_factory=Retention,
        description="How long InfluxDB keeps points.",
        json_schema_extra=RESTART,
    )
    state_dir: str | None = Field(
        default=None,
        description="Where templates, rates, names and points that InfluxDB has not taken outlive "
        "a restart; none: they do not.",
        json_schema_extra=RESTART,
    )
    spool: Annotated[int, BeforeValidator(units.read_size), PlainSerializer(units.format_size)] = (
        Field(
            default=2**30,
            ge=2**20,
            description="Most bytes in state_dir for points that InfluxDB has not taken yet.",
            json_schema_extra=RESTART,
        )
    )
    archive: str | None = Field(
        default=None,
        description="A folder that keeps the datagrams as received, in capture files; none: none.",
        json_schema_extra=RESTART,
    )
    archive_keep_ns: Annotated[int, BeforeValidator(units.duration("1h", "100y")), DurationOut] = (
        Field(
            default=14 * units.DAY,
            alias="archive_keep",
            description="How long the archive keeps them.",
        )
    )
    archive_max: Annotated[
        int, BeforeValidator(units.read_size), PlainSerializer(units.format_size)
    ] = Field(
        default=200 * 2**30,
        ge=2**20,
        description="Most bytes of the archive on disk; the oldest files go first.",
    )
    services: dict[Service, Name] = Field(
        default_factory=dict, description="Service ports of one's own, `PORT/PROTOCOL: name`."
    )
    hosts_file: str | None = Field(
        default=None, description="Names for addresses, in the format of /etc/hosts."
    )
    receive_buffer: Annotated[
        int, BeforeValidator(units.read_size), PlainSerializer(units.format_size)
    ] = Field(
        default=16 * 2**20,
        ge=4096,
        le=2**31 - 1,
        description="Bytes to ask of the kernel for each socket.",
        json_schema_extra=RESTART,
    )
    top: Top = Field(default_factory=Top, description="How many keep a series of their own.")
    share: float = Field(
        default=0.01,
        gt=0,
        le=1,
        description="The share of a network's bytes that makes an end heavy.",
    )
    preset: Literal["normal", "small"] = Field(
        default="normal",
        description="small: 20 000 series and 15 days of detail, for a Raspberry Pi.",
    )
    max_exporters: int = Field(default=1000, ge=1, description="Most exporters told apart.")
    max_domains: int = Field(
        default=64, ge=1, description="Most observation domains of one exporter."
    )
    max_interfaces: int = Field(default=4096, ge=1, description="Most interfaces of one exporter.")

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        """Put in what the preset says where the file itself says nothing."""
        if not isinstance(data, dict):
            return data
        filled = {**PRESETS.get(str(data.get("preset")), {}), **data}
        if isinstance(preset := PRESETS.get(str(data.get("preset")), {}).get("retention"), dict):
            given = data.get("retention")
            filled["retention"] = {**preset, **given} if isinstance(given, dict) else preset
        if not data.get("networks"):
            filled["networks"] = (PRIVATE,)
        return filled

    @field_validator("exporters", mode="before")
    @classmethod
    def _name_exporters(cls, exporters: Any) -> Any:
        """Give an exporter without a name its address for one; refuse an address twice."""
        if not isinstance(exporters, dict):
            return exporters
        named: dict[str, Any] = {}
        for key, about in exporters.items():
            try:
                address = read_address(key)
            except ValueError as error:
                raise at((key,), f"allowed: {error}") from None
            if address in named:
                raise at((key,), "it stands once already", ("exporters", address))
            bare = about is None or isinstance(about, dict)
            named[address] = {"name": address, **(about or {})} if bare else about
        return named

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Check what no setting can check alone; raises with both places."""
        _once(_names("networks", self.networks))
        _once(_names("profiles", self.profiles))
        _once((("exporters", key, "name"), about.name) for key, about in self.exporters.items())
        _once(
            (("networks", i, "prefixes", j), str(prefix))
            for i, network in enumerate(self.networks)
            for j, prefix in enumerate(network.prefixes)
        )
        if self.accepted_age_ns < self.window_ns + self.grace_ns:
            raise at(("accepted_age",), "must be no less than window and grace together")
        return self

    @field_serializer("services")
    def _write_services(self, services: dict[tuple[int, int], str]) -> dict[str, str]:
        words = {number: word for word, number in PORT_PROTOCOLS.items()}
        return {f"{port}/{words.get(p, p)}": name for (port, p), name in services.items()}

    def warnings(self) -> list[str]:
        """Return a line for each setting that has no effect: what is likely to be a mistake."""
        known = [network.name for network in self.networks]
        return [
            f"expected[{i}].network: {job.network}: no such network, the job has no effect: "
            f"{near(job.network, known)}"
            for i, job in enumerate(self.expected)
            if job.network not in known
        ]


def _names(
    key: str, items: Iterable[NetworkSettings | ProfileSettings]
) -> Iterator[tuple[Place, str]]:
    return (((key, i, "name"), item.name) for i, item in enumerate(items))


def _once(places: Iterable[tuple[Place, str]]) -> None:
    """Raise where two (place, value) pairs have the same value; both places are named."""
    first: dict[str, Place] = {}
    for place, value in places:
        if value in first:
            raise at(place, "it stands once already", first[value])
        first[value] = place
