"""Networks from a CSV file, as an address management (IPAM) or a spreadsheet exports them.

A first line of column names, then a prefix a line; lines of one name are one network. Separators
are commas, semicolons (a spreadsheet where the comma is the decimal sign) or tabs. Empty lines and
those that begin with # are left out. Whatever is wrong is said with the file and the line.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any

from flowsleuth.config.sections import Place
from flowsleuth.errors import ConfigError

SEPARATORS = ",;\t"

OWN = ("name", "prefix", "limit", "floor")
"""Columns with a meaning of their own, in any case; each other one is a label."""

_HINT = "sep="
"""How a line begins that tells spreadsheets the separator."""


def read_networks(
    text: str, file: str, first: int, lines: dict[Place, str]
) -> list[dict[str, Any]]:
    """Return the networks as the configuration would list them; raises ConfigError.

    They will be number `first` and on of `networks`: `lines` learns at which line each prefix and
    each setting stands. file: its name, for messages.
    """
    rows = _rows(text, file)
    head_at, head = next(rows, (1, []))
    columns = [_column(cell) for cell in head]
    if not {"name", "prefix"} <= set(columns):
        raise ConfigError(
            f"{file}:{head_at}: a first line with the columns name and prefix is needed"
        )
    for column in {"prefixes", "labels"} & set(columns):
        raise ConfigError(
            f"{file}:{head_at}: {column}: a prefix a line, and a column for each label"
        )
    if twice := {column for column in columns if column and columns.count(column) > 1}:
        raise ConfigError(f"{file}:{head_at}: the column {min(twice)} stands twice")
    networks: dict[str, dict[str, Any]] = {}
    numbers: dict[str, int] = {}
    for at, cells in rows:
        if len(cells) != len(columns):
            raise ConfigError(f"{file}:{at}: as many columns as in the first line are allowed")
        given = {column: cell for column, cell in zip(columns, cells, strict=True) if cell}
        prefix, name = given.pop("prefix", ""), given.pop("name", "")
        number = numbers.setdefault(name, first + len(numbers))
        network = networks.setdefault(name, {"name": name, "prefixes": []})
        lines.setdefault(("networks", number), f"{file}:{at}")
        lines["networks", number, "prefixes", len(network["prefixes"])] = f"{file}:{at}"
        network["prefixes"].append(prefix)
        for column, cell in given.items():
            place = ("networks", number, column)
            if network.setdefault(column, cell) != cell:
                raise ConfigError(
                    f"{file}:{at}: {column}: {cell}: {name} has {network[column]} in line "
                    f"{lines[place].rpartition(':')[2]}: say it once, or the same"
                )
            lines.setdefault(place, f"{file}:{at}")
    return list(networks.values())


def _column(cell: str) -> str:
    return cell.lower() if cell.lower() in OWN else cell


def _rows(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that says something: its last line's number, its cells without outer space."""
    rows = csv.reader(io.StringIO(text), delimiter=_separator(text), strict=True)
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if any(cells) and not cells[0].startswith("#") and cells[0].lower() != _HINT:
                yield rows.line_num, cells
    except csv.Error as error:
        raise ConfigError(f"{file}:{rows.line_num}: no valid CSV: {error}") from None


def _separator(text: str) -> str:
    """Return what separates the columns' names in the first line that says something."""
    for line in text.splitlines():
        if _is_hint(line):
            return line[len(_HINT)]
        if line.strip() and not line.startswith("#"):
            return max(SEPARATORS, key=line.count)
    return SEPARATORS[0]


def _is_hint(line: str) -> bool:
    return line.lower().startswith(_HINT) and line[len(_HINT) : len(_HINT) + 1] in tuple(SEPARATORS)
