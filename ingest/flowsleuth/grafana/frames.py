"""Frames: what the browser does with what Grafana's server computed, before it draws it.

An expression answers with a frame for each series, whose labels are its tags. These transformations
make rows of them, and put the rows of one thing side by side.
"""

from collections.abc import Sequence

from flowsleuth.grafana.panels import Json


def rows() -> list[Json]:
    """Return what makes one table: a column for each label and each expression.

    Rows join by the labels that all frames share; those of the whole go into each row of its parts,
    if the parts come first.
    """
    return [
        {"id": "labelsToFields", "options": {"mode": "columns"}},
        {"id": "merge", "options": {}},
    ]


def grouped(keys: Sequence[str], columns: Sequence[str]) -> Json:
    """Return what leaves one row for each of `keys`, with the largest of columns: `NAME (max)`."""
    key = {"aggregations": [], "operation": "groupby"}
    largest_ = {"aggregations": ["max"], "operation": "aggregate"}
    fields = {**dict.fromkeys(keys, key), **dict.fromkeys(columns, largest_)}
    return {"id": "groupBy", "options": {"fields": fields}}


def largest(name: str, columns: Sequence[str]) -> Json:
    """Return what adds a column: the largest of others, those left out that there are not."""
    reduce = {"reducer": "max", "include": list(columns)}
    return {
        "id": "calculateField",
        "options": {"mode": "reduceRow", "alias": name, "reduce": reduce},
    }


def ranked(*columns: str) -> list[Json]:
    """Return what sorts rows, falling; by the later columns where the earlier ones are equal."""
    # One after another, as sorting is stable: Grafana sorts by one column only.
    return [
        {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": name, "desc": True}]}}
        for name in reversed(columns)
    ]


def unless_others(name: str) -> list[Json]:
    """Return what drops the rows that have a number in this column, but for the very first row.

    So a row that says "nothing" stays only where it stands alone.
    """
    index: Json = {"mode": "index", "alias": "row", "replaceFields": False}
    product: Json = {
        "mode": "binary",
        "alias": "behind",
        "binary": {"left": name, "operator": "*", "right": "row"},
    }
    behind = {"fieldName": "behind", "config": {"id": "greater", "options": {"value": 0}}}
    return [
        {"id": "calculateField", "options": index},
        {"id": "calculateField", "options": product},
        {
            "id": "filterByValue",
            "options": {"type": "exclude", "match": "all", "filters": [behind]},
        },
    ]


def ordered(*columns: str) -> Json:
    """Return what puts columns in this order."""
    return {
        "id": "organize",
        "options": {"indexByName": {name: i for i, name in enumerate(columns)}},
    }


def filtered(kind: str, **tests: str) -> Json:
    """Return what includes or excludes the rows of which all columns pass: isNull or isNotNull."""
    return {
        "id": "filterByValue",
        "options": {
            "type": kind,
            "match": "all",
            "filters": [
                {"fieldName": name, "config": {"id": test, "options": {}}}
                for name, test in tests.items()
            ],
        },
    }
