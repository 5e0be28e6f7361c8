"""Names are short on the Wall, and can be told from each other."""

import re

import pytest

from flowsleuth.grafana.names import shortened

N = 16


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Green", "Green"),
        ("sixteen letters.", "sixteen letters."),
        ("core-1.lab.example.com", "core-1"),
        ("192.0.2.17", "192.0.2.17"),
        ("router-with-a-long-name-01.example.com", "router-with…e-01"),
        ("Customer network with a long name 07", "Customer ne…e 07"),
        ("2001:db8:1234:5678:9abc::17", "2001:db8:12…::17"),
    ],
)
def test_a_name_is_cut_to_what_tells_it_apart(name: str, written: str) -> None:
    assert _as_grafana_does(name) == written
    assert len(written) <= N


def _as_grafana_does(name: str) -> str:
    """Write a name by the first of the mappings that matches it."""
    for mapping in shortened(N):
        options = mapping["options"]
        if re.match(options["pattern"], name):
            text = re.sub(r"\$(\d)", r"\\\1", options["result"]["text"])
            return re.sub(options["pattern"], text, name)
    return name
