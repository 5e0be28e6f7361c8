"""docs/dashboards.md says what is there: each page with its picture, each constant, each test."""

import re
from pathlib import Path

import pytest

from flowsleuth.grafana.boards import CONSTANTS
from flowsleuth.grafana.links import UIDS

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "dashboards.md").read_text(encoding="utf-8")

UNTOLD = {"version"}
"""A constant that nobody changes."""


def test_each_constant_is_told_with_its_default() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", TEXT, re.MULTILINE))
    assert told == {name: value for name, value, _ in CONSTANTS if name not in UNTOLD}


@pytest.mark.parametrize("name", UIDS)
def test_each_page_has_its_picture(name: str) -> None:
    assert f"(images/{name}.png)" in TEXT
    picture = DOCS / "images" / f"{name}.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 500_000


def test_each_test_is_told() -> None:
    rows = re.findall(r"^\| (`test_.*?`) \|", TEXT, re.MULTILINE)
    told = set(re.findall(r"test_\w+\.py", " ".join(rows)))
    assert told == {p.name for p in Path(__file__).parent.glob("test_*.py")} - {Path(__file__).name}
