"""Stands in for Grafana: fills a query's variables in, as the browser does before it asks.

Formats and macros by Grafana's documentation of its variable syntax and of InfluxQL's macros.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

Json = dict[str, Any]

MS = 1_000_000

SERVER_MACROS = ("$timeFilter", "$__interval_ms", "$__interval")
"""Those that Grafana's server replaces; the browser does all others."""

_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}")


@dataclass(frozen=True)
class Window:
    """A page's time range, ns since the epoch, and Grafana's interval in seconds."""

    begin_ns: int
    end_ns: int
    interval_s: int = 60

    def macros(self) -> dict[str, str]:
        begin, end = self.begin_ns // MS, self.end_ns // MS
        return {
            "$timeFilter": f"time >= {begin}ms and time <= {end}ms",
            "$__interval_ms": str(self.interval_s * 1000),
            "$__interval": f"{self.interval_s}s",
            "$__range_s": str((self.end_ns - self.begin_ns) // 10**9),
            "${__range_s}": str((self.end_ns - self.begin_ns) // 10**9),
            "${__from}": str(begin),
            "${__to}": str(end),
            "${__to:date:iso}": _iso(end),
        }


def _iso(ms: int) -> str:
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


@dataclass(frozen=True)
class Page:
    """A dashboard with values for its variables; what is not given is "All" or the default."""

    board: Json
    chosen: Mapping[str, str] = field(default_factory=dict)

    def values(self) -> dict[str, str]:
        """Return each variable's value: given, else of a constant, else the default."""
        return {v["name"]: self._value(v) for v in self.board["templating"]["list"]}

    def _value(self, variable: Json) -> str:
        if variable["name"] in self.chosen:
            return re.escape(self.chosen[variable["name"]])
        if variable["type"] in {"constant", "textbox"}:
            return str(variable["query"])
        if variable.get("includeAll"):
            return str(variable.get("allValue") or ".*")
        return str((variable.get("current") or {}).get("value", ""))

    def fill(self, query: str, window: Window, *, macros: bool = True) -> str:
        """Return the query as InfluxDB gets it; without `macros` as Grafana's server does."""
        for macro, text in window.macros().items():
            if macros or macro not in SERVER_MACROS:
                query = query.replace(macro, text)
        values = self.values()

        def replaced(match: re.Match[str]) -> str:
            name, form = match[1], match[2]
            value = self.chosen.get(name, values[name]) if form != "regex" else values[name]
            return quote(value, safe="") if form == "percentencode" else value

        return _VARIABLE.sub(replaced, query)
