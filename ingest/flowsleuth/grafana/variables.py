"""The variables above the dashboards: the same names on every page, so that links can hand them on.

Values come from sub-queries over the window (see `influxql.values`). "All" is `.*`: each regex in a
query then matches all there is. What is typed by hand, an address say, is taken as well.
"""

from collections.abc import Mapping

from flowsleuth.grafana import influxql
from flowsleuth.grafana.panels import DATASOURCE, Json

ALL = {"text": "All", "value": "$__all"}

EVERYTHING = ".*"


def network(*, multi: bool = True) -> Json:
    """Return the networks of the chosen site; without `multi` there is always one."""
    where = influxql.among("traffic", "site")
    return _asked("network", "Network", influxql.values("traffic", "network", where), multi=multi)


def site() -> Json:
    """Return the sites, where networks have that label."""
    return _asked("site", "Site", influxql.values("traffic", "site"))


def protocol() -> Json:
    """Return the protocols of the chosen networks."""
    where = influxql.among("traffic", "network")
    return _asked("protocol", "Protocol", influxql.values("traffic", "protocol", where))


def port() -> Json:
    """Return the field for a service port, or a regular expression of several."""
    return _typed("port", "Port", EVERYTHING)


def address(*, one: bool = False) -> Json:
    """Return the field for an address, or a regular expression; with `one` it starts empty."""
    return _typed("address", "Address", "" if one else EVERYTHING)


def leading_ports(n: int = 8) -> Json:
    """Return the hidden list of the largest ports of the window: what a graph by port shows.

    It is asked whether the graph is in sight or not. So over more than two days it holds the ports
    that carried a tenth or more in an hour, which are few points.
    """
    largest = [
        influxql.top(name, ("port",), n, (*_talking(name), "\"port\" != 'other'", span))
        for name, span in (("talkers", influxql.SHORT), ("heavy", influxql.LONG))
    ]
    query = f'SELECT "port" FROM ({largest[0]}), ({largest[1]}) WHERE {influxql.RANGE}'
    hidden = {"hide": 2, "refresh": 2, "allValue": None, "skipUrlSync": True}
    return {**_asked("leading_ports", "Leading ports", query), **hidden}


def _talking(measurement: str) -> tuple[str, ...]:
    return influxql.among(measurement, "network", "direction", "protocol")


def home() -> Json:
    """Return the network of the page's one address."""
    where = influxql.exactly("talkers", "address")
    return _asked("network", "Network", influxql.values("talkers", "network", where), multi=False)


def compare() -> Json:
    """Return how much earlier "before" is."""
    return _listed("compare", "Compare with", {"a week before": "7d", "a day before": "1d"})


def other() -> Json:
    """Return whether what was folded into `other` is ranked: the name that rows may not have."""
    return _listed("other", "Small ones, folded", {"hidden": "other", "shown": "none"})


def direction() -> Json:
    """Return the directions, as seen from the network."""
    names = ("out", "in", "internal", "transit")
    return {
        "name": "direction",
        "label": "Direction",
        "type": "custom",
        "query": ",".join(names),
        "options": [],
        "current": ALL,
        "multi": True,
        "includeAll": True,
        "allValue": EVERYTHING,
        "hide": 0,
    }


def filters() -> Json:
    """Return ad-hoc filters: any tag, any value, in every query of the page."""
    return {
        "name": "filters",
        "label": "More filters",
        "type": "adhoc",
        "datasource": DATASOURCE,
        "filters": [],
        "hide": 0,
    }


def exporter() -> Json:
    """Return the exporters."""
    return _asked("exporter", "Exporter", influxql.values("exporters", "exporter"))


def interface() -> Json:
    """Return the interfaces of the chosen exporters."""
    where = influxql.among("interfaces", "exporter")
    return _asked("interface", "Interface", influxql.values("interfaces", "interface", where))


def leading(tag: str, n: int = 8) -> Json:
    """Return the hidden list of the exporters or of the names of the largest interfaces.

    A name is one in many exporters: it takes both lists to choose interfaces.
    """
    where = influxql.among("interfaces", "exporter", "interface")
    largest = influxql.top("interfaces", ("exporter", "interface"), n, where)
    query = f'SELECT "{tag}" FROM ({largest}) WHERE {influxql.RANGE}'
    hidden = {"hide": 2, "refresh": 2, "allValue": None, "skipUrlSync": True}
    return {**_asked(f"leading_{tag}s", f"Leading {tag}s", query), **hidden}


def lag() -> Json:
    """Return the hidden number of seconds by which the slowest exporter is behind; "" if unknown.

    What is younger is not complete. Queries write it as 0${lag}s, right in both cases.
    """
    read = f"ceil(max({influxql.column('baseline', 'lag_s')}))"
    query = (
        f"SELECT {read} FROM {influxql.table('baseline')} WHERE time > now() - 1h AND time <= now()"
    )
    return {
        **_asked("lag", "Lag", query, multi=False),
        "refresh": 2,
        "sort": 0,
        "hide": 2,
        "skipUrlSync": True,
    }


def _asked(name: str, label: str, query: str, *, multi: bool = True) -> Json:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": query,
        "definition": query,
        # Once: at each change of the range Grafana would drop a choice that it does not see there.
        "refresh": 1,
        "regex": "",
        "sort": 7,
        "multi": multi,
        "includeAll": multi,
        "allValue": EVERYTHING if multi else None,
        "current": ALL if multi else {},
        "options": [],
        "hide": 0,
    }


def _typed(name: str, label: str, value: str) -> Json:
    chosen = {"text": value, "value": value, "selected": True}
    return {
        "name": name,
        "label": label,
        "type": "textbox",
        "query": value,
        "current": chosen,
        "options": [chosen],
        "hide": 0,
    }


def _listed(name: str, label: str, values: Mapping[str, str]) -> Json:
    options = [
        {"text": text, "value": value, "selected": i == 0}
        for i, (text, value) in enumerate(values.items())
    ]
    return {
        "name": name,
        "label": label,
        "type": "custom",
        "query": ",".join(f"{text} : {value}" for text, value in values.items()),
        "options": options,
        "current": options[0],
        "multi": False,
        "includeAll": False,
        "hide": 0,
    }
