"""A dashboard as a value, and the one pass that stamps on all of them what they share.

uid, tags, links, time zone, schema version, hidden constants, annotations, panel ids and places
are nobody's to write by hand: `finished` puts them on, so no dashboard can lack or vary them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flowsleuth import __version__
from flowsleuth.grafana import influxql
from flowsleuth.grafana.links import UIDS
from flowsleuth.grafana.panels import COLUMNS, DATASOURCE, Json, Panel, Row

SCHEMA_VERSION = 39
"""Of Grafana 11.0; newer ones read it."""

TAG = "flowsleuth"

HIDDEN = 2


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. name: as in `links.UIDS`; variables: as `variables.py` makes them."""

    name: str
    title: str
    description: str
    content: Sequence[Panel | Row]
    variables: Sequence[Json] = ()
    links: Sequence[Json] = ()
    since: str = "now-6h"
    refresh: str = "1m"
    extra: Json = field(default_factory=dict)


def finished(board: Board) -> Json:
    """Return the dashboard as Grafana's JSON has it."""
    variables = [*_constants(), *board.variables]
    whole: Json = _handing({variable["name"] for variable in variables}, _json(board, variables))
    return whole


def _handing(names: set[str], part: Any) -> Any:
    """Return a part of the dashboard whose links hand on only variables that there are."""
    if isinstance(part, list):
        return [_handing(names, inner) for inner in part]
    if isinstance(part, dict):
        return {
            key: _HANDED.sub(lambda found: found[0] if found[1] in names else "", inner)
            if key == "url"
            else _handing(names, inner)
            for key, inner in part.items()
        }
    return part


_HANDED = re.compile(r"\$\{(\w+):queryparam\}&?")


def _json(board: Board, variables: Sequence[Json]) -> Json:
    return {
        "uid": UIDS[board.name],
        "title": board.title,
        "description": board.description,
        "tags": [TAG],
        "timezone": "browser",
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "weekStart": "",
        "refresh": board.refresh,
        "time": {"from": board.since, "to": "now"},
        "timepicker": {},
        "templating": {"list": list(variables)},
        "annotations": {"list": _annotations(variables)},
        "links": [*board.links, *_links()],
        "panels": _placed(board.content),
        **board.extra,
    }


def _constants() -> list[Json]:
    """Return the hidden variables that every query stands on."""
    return [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "influxdb",
            "regex": "",
            "hide": HIDDEN,
            "current": {"text": "FlowSleuth", "value": "flowsleuth"},
            "refresh": 1,
            "multi": False,
            "includeAll": False,
            "options": [],
        },
        *(
            {
                "name": name,
                "description": meaning,
                "type": "constant",
                "hide": HIDDEN,
                "query": value,
                "skipUrlSync": True,
            }
            for name, value, meaning in CONSTANTS
        ),
    ]


CONSTANTS = (
    ("window", "60", "Length of a window in seconds, as the ingester's `window`."),
    ("settled", "130", "A window is written so many seconds after its start: window + grace + 10."),
    ("detail", '"detail".', "Prefix of the detail retention; empty where there is one only."),
    ("small", "37500", "Bytes/s: who sends less is never named a culprit; 0.3 x the lowest floor."),
    ("memory", "30d", "How far back the detail goes: the retention of `heavy` and `talkers`."),
    (
        "identify",
        "https://rdap.org/ip/",
        "An address behind this says whose it is: NetBox, IPAM, whois.",
    ),
    ("version", __version__, "The version of FlowSleuth that these dashboards came with."),
)
"""Name, value and meaning of the hidden constants: `provision` sets them by the configuration."""


def _annotations(variables: Sequence[Json]) -> list[Json]:
    """Return what marks the graphs: alerts, starts and reloads, and what is not complete yet."""
    return [
        {
            "name": "Annotations & Alerts",
            "builtIn": 1,
            "type": "dashboard",
            "datasource": {"type": "grafana", "uid": "-- Grafana --"},
            "enable": True,
            "hide": True,
            "iconColor": "rgba(255, 96, 96, 1)",
        },
        _annotation(
            "Ingester",
            f"SELECT {influxql.column('events', 'text')}, {influxql.column('events', 'kind')} "
            f"FROM {influxql.table('events')} WHERE {influxql.RANGE}",
            tagsColumn="kind",
        ),
        *(
            _annotation(
                f"Not complete yet: {minutes} min", query, hidden=True, timeEndColumn="baseline.end"
            )
            for minutes, query in influxql.incomplete()
            if any(variable["name"] == "network" for variable in variables)
        ),
    ]


def _annotation(name: str, query: str, *, hidden: bool = False, **columns: str) -> Json:
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": hidden,
        "iconColor": "rgba(140, 140, 140, 1)",
        "target": {
            "refId": "Anno",
            "datasource": DATASOURCE,
            "rawQuery": True,
            "query": query,
            "resultFormat": "table",
            "textEditor": True,
            "fromAnnotations": True,
            "textColumn": "text",
            "tagsColumn": "",
            "titleColumn": "",
            "timeEndColumn": "",
            "name": name,
            **columns,
        },
    }


def _links() -> list[Json]:
    """Return the way to all other dashboards, time and variables kept."""
    return [
        {
            "type": "dashboards",
            "title": "FlowSleuth",
            "tags": [TAG],
            "asDropdown": True,
            "keepTime": True,
            "includeVars": True,
            "icon": "external link",
            "targetBlank": False,
            "tooltip": "",
            "url": "",
        }
    ]


def _placed(content: Sequence[Panel | Row]) -> list[Json]:
    """Return the panels, each with its id and its place: left to right, then downwards."""
    placed: list[Json] = []
    grid = _Grid()
    for item in content:
        if isinstance(item, Panel):
            placed.append(grid.place(item))
            continue
        row = grid.heading(item)
        inside = [grid.place(panel) for panel in item.panels]
        row["panels"] = inside if item.collapsed else []
        placed += [row] if item.collapsed else [row, *inside]
    return placed


class _Grid:
    """Where the next panel goes."""

    def __init__(self) -> None:
        self._id = 0
        self._x = self._y = self._height = 0

    def place(self, panel: Panel) -> Json:
        if self._x + panel.width > COLUMNS:
            self._wrap()
        at = {"x": self._x, "y": self._y, "w": panel.width, "h": panel.height}
        self._x += panel.width
        self._height = max(self._height, panel.height)
        return {"id": self._next(), "gridPos": at, **panel.json()}

    def heading(self, row: Row) -> Json:
        if self._x:
            self._wrap()
        at = {"x": 0, "y": self._y, "w": COLUMNS, "h": 1}
        self._y += 1
        return {
            "id": self._next(),
            "type": "row",
            "title": row.title,
            "collapsed": row.collapsed,
            "gridPos": at,
        }

    def _next(self) -> int:
        self._id += 1
        return self._id

    def _wrap(self) -> None:
        self._x, self._y, self._height = 0, self._y + self._height, 0
