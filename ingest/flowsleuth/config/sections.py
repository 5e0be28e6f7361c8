"""The parts of a configuration: where to listen, InfluxDB, networks, exporters and what they say.

Every setting has its default, its bounds and its description here and nowhere else; the docs, the
errors and `check` read them from these models. What a part refuses, it refuses with a sentence
that says what is allowed; `loading` adds the place and the value.
"""

import difflib
import re
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from flowsleuth.config import units
from flowsleuth.filters.errors import FilterError
from flowsleuth.filters.filter import Filter
from flowsleuth.protocols import NAMES
from flowsleuth.schema import MEASUREMENTS, RESERVED_NAMES

Prefix = IPv4Network | IPv6Network

TAKEN = {"ingester", "time"}.union(
    *({*m.tags, *(field.name for field in m.fields)} for m in MEASUREMENTS)
)
"""Names which a network's label may not have: InfluxDB could not tell them from ours."""

RESTART: dict[str, JsonValue] = {"restart": True}
"""Marks a setting whose change needs a restart (json_schema_extra); all others can be reloaded."""

UNKNOWN_KEY = "no such setting"
"""How the error of a key begins that nobody knows."""

_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_HOURS = re.compile(r"((?:[01]\d|2[0-3]):[0-5]\d)-(24:00|(?:[01]\d|2[0-3]):[0-5]\d)")


def near(word: str, known: list[str]) -> str:
    """Return the sentence that names what is most like `word`, or all that is known."""
    alike = difflib.get_close_matches(word, known, 3, 0.6)
    return f"did you mean {' or '.join(alike)}?" if alike else f"known are {', '.join(known)}"


Place = tuple[str | int, ...]
"""Where a setting stands: keys and indexes from the top of the file."""


def at(place: Place, allowed: str, other: Place = ()) -> PydanticCustomError:
    """Return the error of a check that looks beyond one setting.

    `place` is relative to where it is raised; `other` is a second place that the message names.
    """
    return PydanticCustomError(
        "at", "{allowed}", {"place": place, "allowed": allowed, "other": other}
    )


def check_name(name: str) -> str:
    """Return `name` if it can be a tag's value: printable, at most 100 characters."""
    if not name or len(name) > 100 or not name.isprintable() or name != name.strip():
        raise ValueError("1 to 100 printable characters, without control characters or outer space")
    return name


def check_free_name(name: str) -> str:
    """Return `name` if it is a name and has no meaning of its own in the points."""
    if name.lower() in RESERVED_NAMES:
        raise ValueError(f"any name but the reserved {', '.join(sorted(RESERVED_NAMES))}")
    return check_name(name)


def _as_text(value: object) -> object:
    """Take a number for text: a network may be called 10, a site 7."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def read_address(value: object) -> str:
    """Return an address in its one spelling (IPv4-mapped as IPv4); raises ValueError."""
    try:
        address = ip_address(str(value))
    except ValueError:
        raise ValueError("an IPv4 or IPv6 address such as 192.0.2.1") from None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def read_prefix(value: object) -> Prefix:
    """Return a prefix; an address alone is its /32 or /128; raises ValueError."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(str(value))
    except ValueError:
        pass
    try:
        loose = ip_network(str(value), strict=False)
    except ValueError:
        raise ValueError("an IPv4 or IPv6 prefix such as 10.1.0.0/16") from None
    raise ValueError(f"a prefix without bits beyond its length: {loose}")


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("a URL such as http://localhost:8086")
    if "@" in parts.netloc:
        raise ValueError("a URL without user and password: influx.token is their place")
    return url.rstrip("/")


def _check_bucket(name: str) -> str:
    if not name.isprintable() or any(c in '"\\' for c in name):
        raise ValueError("printable characters without quotes and backslashes")
    return name


def _check_hours(text: str) -> str:
    match = _HOURS.fullmatch(text)
    if match is None or match[1] == match[2]:
        raise ValueError("a time of day as HH:MM-HH:MM, over midnight too (all day: leave it out)")
    return text


def _check_protocol(name: str) -> str:
    word = name.lower()
    if word.isdecimal() and len(word) < 4 and int(word) < 256:
        return NAMES[int(word)]
    if word not in NAMES:
        raise ValueError("a protocol by its IANA keyword or number, such as tcp")
    return word


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("a time zone of the IANA database, such as Europe/Berlin") from None
    return name


def _check_filter(text: str) -> str:
    try:
        Filter(text)
    except FilterError as error:
        raise PydanticCustomError(
            "filter", "{allowed}", {"allowed": error.message, "pointed": error.pointed()}
        ) from None
    return text


Name = Annotated[str, BeforeValidator(_as_text), AfterValidator(check_name)]
Zone = Annotated[str, AfterValidator(_check_zone)]
FreeName = Annotated[str, BeforeValidator(_as_text), AfterValidator(check_free_name)]
Address = Annotated[str, BeforeValidator(read_address)]
Rate = Annotated[int, BeforeValidator(units.read_rate), PlainSerializer(units.format_rate)]
PrefixIn = Annotated[Prefix, BeforeValidator(read_prefix), PlainSerializer(str)]
DurationOut = PlainSerializer(units.format_duration)


class Section(BaseModel):
    """A part of the configuration: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", regex_engine="python-re")

    @classmethod
    def spelt(cls) -> list[str]:
        """Return the keys as they stand in the file."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if data is None:  # a key with nothing after it: all defaults
            return {}
        if isinstance(data, dict):
            for key in data:
                if key not in cls.spelt():
                    raise at((key,), f"{UNKNOWN_KEY}: {near(str(key), cls.spelt())}")
        return data


class Listener(Section):
    """One socket."""

    host: str = Field(description="An address of this machine, 0.0.0.0 or ::.")
    port: int = Field(ge=0, le=65535, description="0 lets the system choose.")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return data
        match = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]]*)):(\d{1,5})", str(data))
        if match is None or int(match[3]) > 65535:
            raise ValueError("HOST:PORT such as 0.0.0.0:2055 or [::]:2055")
        return {"host": match[1] or match[2] or "0.0.0.0", "port": int(match[3])}  # noqa: S104  a collector listens to all its exporters

    @property
    def text(self) -> str:
        """HOST:PORT as the file has it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @model_serializer
    def _write(self) -> str:
        return self.text


class Influx(Section):
    """Where the points go."""

    url: Annotated[str, AfterValidator(_check_url)] = Field(
        default="http://localhost:8086", description="InfluxDB 1.8 or 2.x."
    )
    token: SecretStr = Field(
        default=SecretStr(""), description="2.x: an API token. 1.8: `user:password`, or nothing."
    )
    org: str = Field(default="", description="2.x: the organisation's name or id. 1.8: nothing.")
    database: Annotated[str, AfterValidator(_check_bucket)] = Field(
        default="flowsleuth", min_length=1, description="1.8: the database, 2.x: the bucket."
    )
    detail: Annotated[str, AfterValidator(_check_bucket)] = Field(
        default_factory=lambda data: f"{data.get('database', 'flowsleuth')}/detail",
        description="1.8: DATABASE/RETENTION POLICY, 2.x: the bucket of that name, for the detail "
        "measurements. Empty: one retention only. DATABASE/detail if not given.",
    )
    verify_ssl: bool = Field(
        default=True, description="Whether to check the certificate of an https URL."
    )
    ca_file: str | None = Field(default=None, description="A file with the certificates to trust.")
    timeout_s: float = Field(
        default=10.0, gt=0, le=600, description="Seconds that one request may take."
    )
    batch_points: int = Field(
        default=5000, ge=1, le=5000, description="Most points in one request."
    )

    @field_validator("detail")
    @classmethod
    def _inside_database(cls, detail: str, info: ValidationInfo) -> str:
        database = info.data.get("database")
        if detail and database is not None and detail.removeprefix(f"{database}/") in {detail, ""}:
            raise ValueError(f"{database}/NAME, as InfluxQL reads it, or '' for one retention only")
        return detail

    @property
    def policy(self) -> str:
        """The name that InfluxQL has for the detail retention ('' if there is none)."""
        return self.detail.removeprefix(f"{self.database}/")

    @property
    def detail_prefix(self) -> str:
        """What InfluxQL has before the measurements of the detail: its policy and a dot."""
        return f'"{self.policy}".' if self.detail else ""


class NetworkSettings(Section):
    """A network: a name, its prefixes, and labels that become tags."""

    name: FreeName = Field(description="The tag `network`.")
    prefixes: tuple[PrefixIn, ...] = Field(
        min_length=1, description="IPv4 and IPv6; of nested ones the longest decides."
    )
    labels: dict[str, Name] = Field(
        default_factory=dict,
        description="Further tags, such as site or role; they may also stand beside `name`.",
    )
    limit: Rate | None = Field(default=None, description="Bits/s above which it is too much.")
    floor: Rate | None = Field(
        default=None, description="Bits/s below which nothing is judged; else the general `floor`."
    )

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        """Every other key is a label, unless it looks like a slip of the pen."""
        if not isinstance(data, dict) or not isinstance(data.get("labels", {}), dict):
            return data
        labels = {key: value for key, value in data.items() if key not in cls.spelt()}
        for key in labels:
            if alike := difflib.get_close_matches(str(key), cls.spelt(), 1, 0.75):
                raise at((key,), f"did you mean {alike[0]}? (a label of that name: labels: {{…}})")
        labels |= data.get("labels", {})
        for key in labels:
            if not _LABEL.fullmatch(str(key)) or key in TAKEN:
                raise at(
                    (key,), "a label has letters, digits, _ and -, and no name of a tag or field"
                )
        return {key: data[key] for key in cls.spelt() if key in data} | {"labels": labels}


class InterfaceSettings(Section):
    """One interface of an exporter."""

    name: Name | None = Field(default=None, description="Shown instead of the number.")
    speed: Rate | None = Field(default=None, description="Bits/s.")


class ExporterSettings(Section):
    """What is known of an exporter beforehand."""

    name: FreeName = Field(description="The tag `exporter`; its address if not given.")
    sampling: int | None = Field(
        default=None,
        ge=1,
        le=2**32 - 1,
        description="1:N, before everything that the exporter says.",
    )
    count: Literal["all", "ingress", "egress"] = Field(
        default="all", description="Which flows count, where the exporter reports both ways."
    )
    interfaces: dict[int, InterfaceSettings] = Field(
        default_factory=dict, description="By interface number (SNMP ifIndex)."
    )


class ProfileSettings(Section):
    """A named filter whose traffic is counted by itself."""

    name: FreeName = Field(description="The tag `profile`.")
    filter: Annotated[str, AfterValidator(_check_filter)] = Field(
        description="What belongs to it, in nfdump's words."
    )
    limit: Rate | None = Field(default=None, description="Bits/s above which it is too much.")
    floor: Rate | None = Field(
        default=None, description="Bits/s below which nothing is judged; else the general `floor`."
    )


class ExpectedJob(Section):
    """A known heavy job, which raises what is normal."""

    network: Name = Field(description="A configured network.")
    address: Address | None = Field(default=None, description="The end inside the network.")
    port: int | None = Field(default=None, ge=0, le=65535, description="The service port.")
    protocol: Annotated[str, BeforeValidator(_as_text), AfterValidator(_check_protocol)] | None = (
        Field(
            default=None,
            description="Its protocol, such as tcp; any that has ports if a port "
            "is given, else any.",
        )
    )
    upto: Rate = Field(description="Bits/s that are expected.")
    hours: Annotated[str, AfterValidator(_check_hours)] | None = Field(
        default=None,
        description="Time of day, HH:MM-HH:MM, over midnight too; all day if not given.",
    )
    until: date | None = Field(default=None, description="The last day on which it begins.")
    note: str = Field(default="", description="Why.")


class Top(Section):
    """How many keep a series of their own, per network, direction and window."""

    bytes: int = Field(default=20, ge=0, le=10_000, description="The first N by bytes,")
    packets: int = Field(default=20, ge=0, le=10_000, description="by packets,")
    peers: int = Field(default=20, ge=0, le=10_000, description="and by distinct peers.")


class Retention(Section):
    """How long points are kept; set only on what FlowSleuth itself creates."""

    detail_ns: Annotated[int, BeforeValidator(units.duration("1d", "100y")), DurationOut] = Field(
        default=30 * units.DAY, alias="detail", description="The detail measurements."
    )
    long_ns: Annotated[int, BeforeValidator(units.duration("1d", "100y")), DurationOut] = Field(
        default=2 * units.YEAR, alias="long", description="All else."
    )
