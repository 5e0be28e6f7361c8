"""Line protocol: what a table becomes, for every measurement of the schema."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsleuth.points import Table
from flowsleuth.schema import MEASUREMENTS, Field, Kind, Measurement
from flowsleuth.write.lines import encode, is_float


def column(field: Field) -> object:
    if field.kind is Kind.TEXT:
        return ["some text"]
    return np.array([7.0]) if is_float(field) else np.array([7])


def unescape(text: str) -> str:
    return re.sub(r"\\([ ,=])", r"\1", text)


def tags_of(line: str) -> dict[str, str]:
    """Read the tags of a line by the rules of the line protocol reference, independently."""
    head = re.split(r"(?<!\\) ", line)[0]
    cells = [re.split(r"(?<!\\)=", cell) for cell in re.split(r"(?<!\\),", head)[1:]]
    return {unescape(name): unescape(value) for name, value in cells}


@pytest.mark.parametrize("measurement", MEASUREMENTS, ids=lambda m: m.name)
def test_each_measurement_has_its_tags_in_order_and_its_types(measurement: Measurement):
    tags = {name: [f"a {name}"] for name in measurement.tags} | {"site": ["hq"], "role": ["lan"]}
    fields = {field.name: column(field) for field in measurement.fields}
    (line,) = encode(
        Table(measurement.name, tags, fields, np.array([1_700_000_000_000_000_000])),
        {"ingester": "main"},
    )
    names = [*measurement.tags, "role", "site", *(["ingester"] * measurement.ingester_tag)]
    assert list(tags_of(line.decode())) == names
    for field in measurement.fields:
        value = '"some text"' if field.kind is Kind.TEXT else "7.0" if is_float(field) else "7i"
        assert f"{field.name}={value}" in line.decode()
    assert line.endswith(b" 1700000000000000000")


def test_counters_are_integers_and_no_gauge_changes_its_type():
    for measurement in MEASUREMENTS:
        for field in measurement.fields:
            assert not (field.kind is Kind.COUNTER and is_float(field))
    table = Table("baseline", {"network": ["Green"]}, {"bytes_upper": np.array([3])}, np.array([1]))
    assert encode(table) == [b"baseline,network=Green bytes_upper=3.0 1"]
    table = Table("exporters", {}, {"template_wait": np.array([3.0])}, np.array([1]))
    assert encode(table) == [b"exporters template_wait=3i 1"]


def test_what_is_not_there_is_left_out():
    table = Table(
        "exporters",
        {"exporter": ["a", ""], "domain": ["0", ""]},
        {
            "records": np.array([1, 2]),
            "template_wait": np.array([np.nan, 4.0]),
            "export_lag_s": np.array([np.inf, 0.5]),
        },
        np.array([10, 20]),
    )
    assert encode(table) == [
        b"exporters,exporter=a,domain=0 records=1i 10",
        b"exporters records=2i,template_wait=4i,export_lag_s=0.5 20",
    ]


def test_a_point_without_a_field_is_no_point():
    table = Table("baseline", {}, {"lag_s": np.array([np.nan, 1.0])}, np.array([1, 2]))
    assert encode(table) == [b"baseline lag_s=1.0 2"]


def test_an_empty_table_has_no_lines():
    table = Table("traffic", {"network": []}, {"bytes": np.array([], np.int64)}, np.array([]))
    assert encode(table) == []


def test_the_largest_integer_is_exact():
    table = Table("traffic", {}, {"bytes": np.array([2**63 - 1])}, np.array([1]))
    assert encode(table) == [b"traffic bytes=9223372036854775807i 1"]


def test_an_empty_text_is_no_field():
    tags = {"exporter": ["a", "b"], "domain": ["0", "0"], "version": ["v9", "v9"]}
    fields = {"datagrams": np.array([1, 2]), "networks": ["", '["A"]']}
    assert encode(Table("exporters", tags, fields, np.array([1, 2]))) == [
        b"exporters,exporter=a,domain=0,version=v9 datagrams=1i 1",
        b'exporters,exporter=b,domain=0,version=v9 datagrams=2i,networks="[\\"A\\"]" 2',
    ]


def test_percent_signs_are_text():
    table = Table("traffic", {"network": ["50%d"]}, {"flows": np.array([1])}, np.array([1]))
    assert encode(table, {"ingester": "%s"}) == [b"traffic,network=50%d,ingester=%s flows=1i 1"]


def test_text_is_quoted_on_one_line():
    table = Table("events", {"kind": ["reload"]}, {"text": ['a "b" \\\nc']}, np.array([1]))
    assert encode(table) == [b'events,kind=reload text="a \\"b\\" \\\\ c" 1']


def test_tags_of_a_name_nobody_knows_come_after_our_own_by_name():
    tags = {"site": ["b"], "direction": ["in"], "Role": ["a"], "network": ["Green"]}
    table = Table("traffic", tags, {"flows": np.array([1])}, np.array([1]))
    assert len(table) == 1
    assert encode(table) == [b"traffic,network=Green,direction=in,Role=a,site=b flows=1i 1"]


def test_a_bug_is_a_key_error():
    with pytest.raises(KeyError):
        encode(Table("traffick", {}, {}, np.array([1])))
    with pytest.raises(KeyError):
        encode(Table("traffic", {}, {"octets": np.array([1])}, np.array([1])))


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_any_tag_value_comes_back(values: list[str]):
    values = [value.encode(errors="replace").decode() for value in values]
    table = Table(
        "traffic",
        {"network": values},
        {"bytes": np.arange(len(values))},
        np.zeros(len(values), np.int64),
    )
    for value, line in zip(values, encode(table), strict=True):
        expected = value + "/" * value.endswith("\\")
        expected = re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", " ", expected)
        assert tags_of(line.decode()) == ({"network": expected} if value else {})
        assert b"\n" not in line
