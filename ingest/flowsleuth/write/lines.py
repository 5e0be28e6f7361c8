r"""Line protocol from tables: one line of bytes per point.

A column is turned into text as a whole, each distinct tag value escaped once, and `%` puts the
rows together: one to three microseconds a line. The type of a field follows from the schema alone,
never from the values at hand: InfluxDB refuses a field that was an integer yesterday and is a float
today.

Line protocol cannot say everything: a tag value cannot end in a backslash (it would escape what
follows) and nothing may hold a line feed. The first gets a slash, the second becomes a space.
https://docs.influxdata.com/influxdb/v1.8/write_protocols/line_protocol_reference/
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from flowsleuth.points import FieldColumn, Table
from flowsleuth.schema import BY_NAME, Field, Kind, Measurement

FLOAT_UNITS = frozenset({"bytes/s", "ms", "s", "share"})
"""Gauges in these units are floats; everything else that is counted is an integer."""

INGESTER_TAG = "ingester"

_CONTROLS = dict.fromkeys([*range(0x20), 0x7F, 0x85, 0x2028, 0x2029], " ")
_TAG = str.maketrans(
    {**_CONTROLS, " ": r"\ ", ",": r"\,", "=": r"\="} | dict.fromkeys(_CONTROLS, r"\ ")
)
_TEXT = str.maketrans({**_CONTROLS, '"': r"\"", "\\": r"\\"})


def is_float(field: Field) -> bool:
    """Return whether a field's values are floats in InfluxDB."""
    return field.kind is Kind.GAUGE and field.unit in FLOAT_UNITS


def encode(table: Table, constant_tags: Mapping[str, str] | None = None) -> list[bytes]:
    """Return the line of each point of `table` that has a field, without line feeds.

    Tags stand in the schema's order, then the other columns by name, then `constant_tags` by name;
    `ingester` of those is left out where the schema says so. What is not finite, or an empty text,
    is no field. KeyError: a measurement or a field that the schema lacks, which is a bug.
    """
    measurement = BY_NAME[table.measurement]
    columns: list[Iterable[object]] = [
        _tag_cells(n, c) for n, c in _tag_columns(measurement, table)
    ]
    head = measurement.name + "%s" * len(columns) + _constant(measurement, constant_tags or {})
    known = {field.name: field for field in measurement.fields}
    whole: list[Field] = []
    part: list[Field] = []
    for field in (known[name] for name in table.fields):
        column = table.fields[field.name]
        (part if _has_gaps(column) else whole).append(field)
    if part:
        cells = [_field_cells(field, table.fields[field.name]) for field in whole + part]
        columns.append([",".join(filter(None, row)) for row in zip(*cells, strict=True)])
        body = "%s"
    else:
        columns += [_values(field, table.fields[field.name]) for field in whole]
        body = ",".join(_template(field) for field in whole)
    template = f"{head} {body} %d"
    rows = zip(*columns, table.time_ns.tolist(), strict=True)
    if part:  # a point without any field is no point
        rows = (row for row in rows if row[-2])  # type: ignore[assignment]
    return [line.encode() for line in map(template.__mod__, rows)]


def _tag_columns(measurement: Measurement, table: Table) -> Iterable[tuple[str, Sequence[str]]]:
    """Return the tag columns in the order in which lines carry them."""
    own = [name for name in measurement.tags if name in table.tags]
    return ((name, table.tags[name]) for name in own + sorted(set(table.tags) - set(own)))


def _tag_cells(name: str, column: Sequence[str]) -> list[str]:
    """Return ',name=value' for each row, escaped, '' where there is no value."""
    cells = {value: _tag(name, value) for value in set(column)}
    return [cells[value] for value in column]


def _tag(name: str, value: str) -> str:
    """Return ',name=value' escaped for line protocol, or '' for no value."""
    if not value:
        return ""
    if value.endswith("\\"):
        value += "/"
    return f",{name.translate(_TAG)}={value.translate(_TAG)}"


def _constant(measurement: Measurement, tags: Mapping[str, str]) -> str:
    """Return the tags that all lines carry, as a part of the template."""
    cells = (
        _tag(name, tags[name])
        for name in sorted(tags)
        if measurement.ingester_tag or name != INGESTER_TAG
    )
    return "".join(cells).replace("%", "%%")


def _has_gaps(column: FieldColumn) -> bool:
    """Return whether some point lacks this field (or has what InfluxDB cannot hold)."""
    if not isinstance(column, np.ndarray):
        return "" in column
    return column.dtype.kind == "f" and not bool(np.isfinite(column).all())


def _template(field: Field) -> str:
    """Return `name=` and how a value is put there."""
    form = '"%s"' if field.kind is Kind.TEXT else "%r" if is_float(field) else "%di"
    return f"{field.name}={form}"


def _values(field: Field, column: FieldColumn) -> list[object]:
    """Return the column as the Python values that the field's template takes."""
    if field.kind is Kind.TEXT:
        return [str(value).translate(_TEXT) for value in column]
    numbers = np.asarray(column)
    if is_float(field):
        numbers = numbers.astype(np.float64)
    elif numbers.dtype.kind == "f":
        numbers = np.rint(numbers)
    listed: list[object] = numbers.tolist()
    return listed


def _field_cells(field: Field, column: FieldColumn) -> list[str]:
    """Return `name=value` for each row, '' where the value is not finite, or no text."""
    form: Callable[[object], str] = _template(field).__mod__
    if not _has_gaps(column):
        return [form((value,)) for value in _values(field, column)]
    if not isinstance(column, np.ndarray):
        return [value and form((value,)) for value in map(str, _values(field, column))]
    numbers = np.asarray(column)
    there = np.isfinite(numbers)
    values = _values(field, np.where(there, numbers, 0.0))
    return [form((v,)) if ok else "" for v, ok in zip(values, there.tolist(), strict=True)]
