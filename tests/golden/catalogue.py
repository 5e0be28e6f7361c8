"""The captures' README as data: which files are read together and how many records they hold.

The README's table and its list "To be read in this order" are parsed when the tests are collected,
so a capture that somebody adds there is tested without a new line here.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "captures"
"""Beside the project, never in it: each capture is under its own project's licence."""

OTHER_FORMATS = {
    "sFlow5": "sFlow",
    "nfcapd": "nfcapd",
    "flow-tools v5/v7/v8": "flow-tools",
    "argus binetflow text": "binetflow",
}
"""The README's format → the word with which the command names what it does not read."""

NO_CAPTURE = {
    "spark-netflow/corrupt/ftv5.2016-01-13.compress.9.sample-01": (
        "the second half of a split flow-tools file: its magic number is in the first half"
    ),
}
"""Files in which nothing says what they are: refused as no capture, exit status 1."""

_ROW = re.compile(r"^\| (?P<cells>\S.*) \|$")
_RECORDS = re.compile(r"^(?P<data>\d+)\+(?P<options>\d+)$")


@dataclass(frozen=True)
class Row:
    """One file of the README's table; `records` counts data records, without options data."""

    file: str
    format: str
    container: str
    special: str
    golden: str
    records: int | None


@dataclass(frozen=True)
class Group:
    """Files for one command, in order, because they share one exporter's templates."""

    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """The last file: the one that holds the data."""
        return self.rows[-1].file

    @property
    def paths(self) -> list[Path]:
        return [CAPTURES / row.file for row in self.rows]

    @property
    def records(self) -> int:
        return sum(row.records or 0 for row in self.rows)


def _table(text: str) -> dict[str, Row]:
    rows = {}
    for line in text.splitlines():
        found = _ROW.match(line)
        cells = found["cells"].split(" | ") if found else []
        if len(cells) < 10 or cells[0] in {"file", "---"}:
            continue
        counted = _RECORDS.match(cells[10].strip()) if len(cells) > 10 else None
        data = int(counted["data"]) if counted else None
        rows[cells[0]] = Row(cells[0], cells[4], cells[5], cells[7], cells[8], data)
    return rows


def _orders(text: str) -> list[list[str]]:
    return [line[2:].split(" -> ") for line in text.splitlines() if " -> " in line]


def _groups() -> list[Group]:
    readme = CAPTURES / "README.md"
    if not readme.exists():
        return []
    text = readme.read_text()
    rows = _table(text)
    orders = _orders(text)
    ordered = {file for order in orders for file in order}
    alone = [[file] for file in rows if file not in ordered]
    return [Group(tuple(rows[file] for file in files)) for files in orders + alone]


GROUPS = _groups()
NETFLOW = [
    group
    for group in GROUPS
    if group.rows[0].format not in OTHER_FORMATS and group.name not in NO_CAPTURE
]
OTHERS = [
    row
    for group in GROUPS
    for row in group.rows
    if row.format in OTHER_FORMATS and row.file not in NO_CAPTURE
]


def each(items: list) -> list:
    """Return the parameters of a test over captures.

    Without captures it is one, that the fixture `captures` (which the test uses) leaves out.
    """
    return [pytest.param(item, id=_name(item)) for item in items] or [
        pytest.param(None, id="no-captures")
    ]


def _name(item: object) -> str:
    return item if isinstance(item, str) else getattr(item, "name", "") or item.file
