"""Panels: what all dashboards draw with, in the JSON of Grafana 11.0 and nothing newer.

A panel is a value; where it stands (`layout`) and what every dashboard shares (`stamp`) come later.
Rates are bits/s by SI (`bps`), bytes decimal (`decbytes`), as network people count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Json = dict[str, Any]

COLUMNS = 24
"""Grafana's grid."""

DATASOURCE: Json = {"type": "influxdb", "uid": "${datasource}"}
"""The data source is a variable: whoever has the points elsewhere chooses, and edits no query."""

MIXED: Json = {"type": "datasource", "uid": "-- Mixed --"}
"""Of panels in which Grafana's server computes with what several queries answer: its own name."""

HOUR, DAY = "time:ddd D MMM HH:mm", "time:D MMM HH:mm"
"""Units: a time in the browser's zone, short enough for a table."""

BITS, PACKETS, BYTES, COUNT, SHARE, SECONDS = "bps", "pps", "decbytes", "short", "percentunit", "s"

GREY, AMBER, RED, BLUE, GREEN = "#8e8e8e", "orange", "red", "blue", "green"
"""Grey is normal: colour is for what somebody must look at, and it always has words beside it."""

CALM = "#4a4e57"
"""Grey where it fills an area."""


@dataclass(frozen=True, slots=True)
class Query:
    """One InfluxQL query. alias: the series' name, with $tag_NAME; table: rows, not series.

    hidden: only expressions see the answer.
    """

    text: str
    alias: str = ""
    table: bool = False
    ref: str = "A"
    hidden: bool = False

    def target(self) -> Json:
        """Return it as Grafana's JSON has it."""
        return {
            "refId": self.ref,
            "datasource": DATASOURCE,
            "rawQuery": True,
            "query": self.text,
            "resultFormat": "table" if self.table else "time_series",
            "alias": self.alias,
            **({"hide": True} if self.hidden else {}),
        }


class Target(Protocol):
    """What a panel asks: an InfluxQL query, or an expression over the answers of others."""

    def target(self) -> Json:
        """Return it as Grafana's JSON has it."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: width of 24 columns, height of 30 pixels each."""

    kind: str
    title: str
    description: str
    queries: Sequence[Target]
    width: int = 24
    height: int = 8
    unit: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[Json] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    transformations: Sequence[Json] = ()
    links: Sequence[Json] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> Json:
        """Return it as Grafana's JSON has it, without its place."""
        defaults: Json = {"noValue": NO_DATA, **self.defaults}
        if self.unit:
            defaults["unit"] = self.unit
        targets = [query.target() for query in self.queries]
        mixed = any(target["datasource"] != DATASOURCE for target in targets)
        return {
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": MIXED if mixed else DATASOURCE,
            "targets": targets,
            "fieldConfig": {"defaults": defaults, "overrides": list(self.overrides)},
            "options": dict(self.options),
            "transformations": list(self.transformations),
            "links": list(self.links),
            **self.extra,
        }


NO_DATA = "no data: choose a longer range or other filters, or see Exporters"


@dataclass(frozen=True, slots=True)
class Row:
    """A row's heading; collapsed, it hides its panels until somebody opens it."""

    title: str
    panels: Sequence[Panel] = ()
    collapsed: bool = False


def override(matcher: str, of: Any, properties: Mapping[str, Any]) -> Json:
    """Return an override: fields that `matcher` finds by `of` get these properties."""
    return {
        "matcher": {"id": matcher, "options": of},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def said(empty: str) -> Json:
    """Return what a panel says where it has nothing to show: why that may be, or the usual."""
    return {"noValue": empty} if empty else {}


def stat(
    title: str,
    description: str,
    queries: Sequence[Target],
    *,
    unit: str = COUNT,
    thresholds: Sequence[tuple[float | None, str]] = ((None, GREY),),
    calc: str = "lastNotNull",
    mappings: Sequence[Json] = (),
    width: int = 4,
    height: int = 4,
    options: Mapping[str, Any] | None = None,
    transformations: Sequence[Json] = (),
    overrides: Sequence[Json] = (),
    links: Sequence[Json] = (),
    empty: str = "",
) -> Panel:
    """Return a number, or one for each series. thresholds: (from this value on, colour)."""
    return Panel(
        "stat",
        title,
        description,
        queries,
        width,
        height,
        unit,
        defaults={
            "color": {"mode": "thresholds"},
            "thresholds": {
                "mode": "absolute",
                "steps": [{"value": value, "color": colour} for value, colour in thresholds],
            },
            "mappings": list(mappings),
            "links": list(links),
            **said(empty),
        },
        overrides=overrides,
        options={
            "reduceOptions": {"calcs": [calc], "fields": "", "values": False},
            "colorMode": "background",
            "graphMode": "none",
            "textMode": "auto",
            "justifyMode": "center",
            "orientation": "auto",
            **(options or {}),
        },
        transformations=transformations,
    )


def text(title: str, description: str, markdown: str, *, width: int = 24, height: int = 3) -> Panel:
    """Return words; variables in them are filled in."""
    return Panel(
        "text",
        title,
        description,
        (),
        width,
        height,
        options={"mode": "markdown", "content": markdown},
    )
