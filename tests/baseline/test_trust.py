"""How far a network can be trusted: what InfluxDB says of exporters, put together."""

import json

import pytest

from flowsleuth.baseline.trust import SILENT_S, Exporter, Exporters, Trust, read
from flowsleuth.write.server import Series

COLUMNS = ("time", "lag", "state", "interval", "silent", "networks")
SECOND = 10**9
NOW = 1_800_000_000 * SECOND


def exporters(*rows):
    """Rows: (exporter, what is said of one of its streams)."""
    found = {}
    for name, said in rows:
        row = dict.fromkeys(COLUMNS) | said
        if isinstance(row["networks"], list):
            row["networks"] = json.dumps(row["networks"])
        found.setdefault(name, Exporter()).add(row)
    return Exporters(found.values())


def test_nothing_is_known_of_nobody():
    assert exporters().of("Green") == Trust(0.0, False, 1.0, 0)
    assert exporters(("a", {"networks": ["Blue"], "lag": 9.0})).of("Green") == Trust()


def test_the_worst_counts():
    found = exporters(
        ("a", {"networks": ["Green"], "lag": 60.5, "state": 0, "interval": 1, "silent": 1.0}),
        ("b", {"networks": ["Green", "Blue"], "lag": 1900.0, "state": 1, "interval": 1000}),
        ("c", {"networks": ["Red"], "lag": 9000.0, "state": 2, "interval": 0}),
    )
    assert found.of("Green") == Trust(1900.0, True, 1000.0, 0)
    assert found.of("Blue") == Trust(1900.0, True, 1000.0, 0)
    assert found.of("Red") == Trust(9000.0, True, 1.0, 0)
    assert found.of("profile:dns") == Trust(9000.0, True, 1000.0, 0)


@pytest.mark.parametrize(
    ("said", "sampled"),
    [
        ({}, False),
        ({"state": 0, "interval": 1}, False),
        ({"state": 1, "interval": 1}, False),
        ({"state": 1, "interval": 2}, True),
        ({"state": 2, "interval": 0}, True),
    ],
)
def test_sampled(said, sampled):
    assert exporters(("a", {"networks": ["Green"], **said})).of("Green").sampled is sampled


def test_an_exporter_is_silent_where_all_of_its_streams_are():
    late = {"networks": ["Green"], "silent": SILENT_S + 1}
    assert exporters(("a", late), ("b", late)).of("Green").silent == 2
    assert exporters(("a", late), ("a", late)).of("Green").silent == 1
    assert exporters(("a", late), ("a", late | {"silent": 5.0})).of("Green").silent == 0
    assert exporters(("a", late | {"silent": SILENT_S})).of("Green").silent == 0
    assert exporters(("a", late | {"silent": None})).of("Green").silent == 0
    assert exporters(("a", late | {"networks": ["all"]})).of("Blue").silent == 1


@pytest.mark.parametrize("text", [None, "", "Green", "7", "null", '{"Green": 1}', "[1"])
def test_what_is_no_list_of_networks_names_none(text):
    assert exporters(("a", {"networks": text, "lag": 5.0})).of("Green") == Trust()


def test_what_is_asked():
    asked = []

    def ask(statement):
        asked.append(statement)
        row = (0, 7.0, 1, 50, 400.0, '["Green"]')
        return [Series("exporters", {"exporter": "a"}, COLUMNS, (row,))]

    assert read(ask, NOW).of("Green") == Trust(7.0, True, 50.0, 1)
    assert f"time < {NOW} " in " ".join(asked).replace("\n", " ")
