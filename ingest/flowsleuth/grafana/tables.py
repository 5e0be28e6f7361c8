"""Tables: columns by name, and how the answers of several queries become the rows of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowsleuth.grafana.panels import Json, Panel, Target, override, said


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the query's name for it, its heading, and how it looks.

    links: see `links.py`; more: further properties, such as a cell's type.
    """

    name: str
    title: str = ""
    unit: str = ""
    width: int = 0
    links: Sequence[Json] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    def override(self) -> Json:
        """Return what is said of it in fieldConfig."""
        # The panel's own words say why there are no rows: not for a cell that is empty.
        properties: Json = {"noValue": "–", **self.more}
        if self.unit:
            properties["unit"] = self.unit
        if self.width:
            properties["custom.width"] = self.width
        if self.links:
            properties["links"] = list(self.links)
        return override("byName", self.title or self.name, properties)


_TIMES = ("Time", "time")
"""What the column of times is called, by InfluxQL and by Grafana's expressions."""


def table(
    title: str,
    description: str,
    queries: Sequence[Target],
    columns: Sequence[Column],
    *,
    sort: str = "",
    limit: int = 0,
    width: int = 24,
    height: int = 9,
    before: Sequence[Json] = (),
    hidden: Sequence[str] = (),
    empty: str = "",
    options: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Panel:
    """Return a table of these columns, in this order. sort: a heading, falling.

    hidden: columns that only `before` needs; empty: why there may be no rows; extra: see `Panel`;
    before: transformations that come first, while columns have the names of the queries.
    """
    # InfluxQL's columns come in random order, so they are always placed by name.
    names = {column.name: column.title or column.name for column in columns}
    transformations = [
        *before,
        {
            "id": "organize",
            "options": {
                "indexByName": {name: i for i, name in enumerate(names)},
                "renameByName": {name: title for name, title in names.items() if name != title},
                "excludeByName": {
                    **dict.fromkeys(hidden, True),
                    # Behind a merge either name hides all times, the column that is meant too.
                    **dict.fromkeys(_TIMES, not any(time in names for time in _TIMES)),
                },
                "includeByName": {},
            },
        },
    ]
    if sort:
        transformations.append(
            {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": sort, "desc": True}]}}
        )
    if limit:
        transformations.append({"id": "limit", "options": {"limitField": limit}})
    return Panel(
        "table",
        title,
        description,
        queries,
        width,
        height,
        defaults={
            "custom": {"align": "auto", "filterable": False, "inspect": False, "minWidth": 60},
            **said(empty),
        },
        overrides=[column.override() for column in columns],
        options={
            "showHeader": True,
            "cellHeight": "sm",
            "footer": {"show": False, "reducer": ["sum"], "fields": ""},
            **(options or {}),
        },
        transformations=transformations,
        extra=extra or {},
    )


def joined(counter: str) -> list[Json]:
    """Return what joins the queries of a table by the tags that they share; counter: the first's.

    Merge puts the totals of a network and the names of hosts, which come after, into every row of
    that network or address; rows of theirs alone lack the counter and go.
    """
    return [untimed(), *merged(counter)]


def untimed(ref: str = "") -> Json:
    """Return what drops the times of all answers, or of one, which would be a key of a merge."""
    apart = {"filter": {"id": "byRefId", "options": ref}} if ref else {}
    return {"id": "filterFieldsByName", "options": {"exclude": {"names": ["Time"]}}, **apart}


def merged(counter: str) -> list[Json]:
    """Return the same as `joined` for answers whose times are told apart, or gone."""
    there = {"fieldName": counter, "config": {"id": "isNotNull", "options": {}}}
    return [
        {"id": "merge", "options": {}},
        {"id": "filterByValue", "options": {"type": "include", "match": "all", "filters": [there]}},
    ]


def computed(name: str, left: str, operator: str, right: str) -> Json:
    """Return the transformation that adds a column: two others, or numbers, and + - * or /."""
    binary = {"left": left, "operator": operator, "right": right}
    return {
        "id": "calculateField",
        "options": {"mode": "binary", "alias": name, "binary": binary, "timeSeries": False},
    }
