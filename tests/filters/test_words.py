"""The table of words: each is compared with nfdump, and docs/filters.md has each."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowsleuth.config import parse
from flowsleuth.filters import words
from flowsleuth.filters.filter import Filter
from flowsleuth.filters.lexer import KEYWORDS
from flowsleuth.filters.words import Word

from .expressions import EXPRESSIONS

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")
ALL = "\n".join(EXPRESSIONS)
USED = {word.lower() for word in re.findall(r"[A-Za-z][\w-]*|[<>=]=|\|\||&&|[=<>!#]", ALL)}
"""What the expressions compared with nfdump are made of."""


@pytest.mark.parametrize("word", [*KEYWORDS, *words.SYNONYMS, *words.COMPARATORS, "#"])
def test_every_word_is_compared_with_nfdump(word: str):
    assert word in USED


@pytest.mark.parametrize("letter", words.FLAGS)
def test_every_flag_is_compared_with_nfdump(letter: str):
    assert re.search(rf"flags [A-Z]*{letter}", ALL)


@pytest.mark.parametrize("scale", "kmgtKM")
def test_every_scale_is_compared_with_nfdump(scale: str):
    assert re.search(rf" \d+{scale}\b", ALL)


@pytest.mark.parametrize(
    "form",
    [
        r"\b0x[0-9a-f]+",
        r"ip in \[[^\]]*/[^\]]*\]",
        r"port in \[[^\],]*\]",
        r"port in \[[^\]]*,[^\]]*\]",
        r"as in \[",
        r"src xip in \[",
        r"net \d+\.\d+/\d+",
        r"net [\d.]+ 255",
        r"net [0-9a-f:]+/\d+",
        r"not not",
        r"not \(",
        r"\(\(",
        r"\n",
        r"proto [a-z]+\b",
        r"proto \d+",
    ],
)
def test_every_form_is_compared_with_nfdump(form: str):
    assert re.search(form, ALL)


def choices(word: Word) -> list[str]:
    pairs = ["src and dst", "dst and src", "src or dst", "dst or src"]
    return [*word.choices, *(pairs if "src" in word.choices else [])]


@pytest.mark.parametrize("name", [*words.NUMBERS, *words.ADDRESSES, *words.NETS])
def test_every_choice_is_understood(name: str):
    table = words.NUMBERS | words.ADDRESSES | words.NETS
    value = "10.0.0.0/8" if name in words.NETS else "10.0.0.1" if name in words.ADDRESSES else "1"
    for choice in choices(table[name]):
        assert Filter(f"{choice} {name} {value}")
        if name not in words.NETS:
            assert Filter(f"{choice} {name} in [ {value} ]")


def test_there_are_at_least_sixty_expressions():
    assert len(set(EXPRESSIONS)) == len(EXPRESSIONS) >= 60


def test_the_names_of_protocols_can_be_typed():
    assert {Filter(f"proto {name}").text for name in words.PROTOCOLS}
    assert words.PROTOCOLS["ipip"] == 4
    assert words.PROTOCOLS["tcp"] == 6


def rows(table: Mapping[str, Word], *, numbers: bool) -> list[str]:
    """Return the rows of docs/filters.md for a table of words."""
    made = []
    for name, word in table.items():
        before = ", ".join(f"`{choice}`" for choice in word.choices if choice) or "-"
        most = "any" if word.most > 2**32 else f"0 to {word.most}"
        cells = [f"`{name}`", before, *([most] if numbers else []), word.about]
        made.append(f"| {' | '.join(cells)} |")
    return made


TABLES = {
    "Words that are compared with numbers": rows(words.NUMBERS, numbers=True),
    "Words that are compared with addresses": rows(words.ADDRESSES | words.NETS, numbers=False),
    "All else": [
        "| `any` | every record |",
        *(
            f"| `{word}` | records whose addresses are IPv{n} |"
            for word, n in words.FAMILIES.items()
        ),
        *(
            f"| `{spelt}` | `{word}` |".replace("||", "\\|\\|")
            for spelt, word in words.SYNONYMS.items()
        ),
    ],
    "What nfdump has and FlowSleuth has not": [
        f"| `{word}` | {reason} |" for word, reason in words.UNSUPPORTED.items()
    ],
}
"""Heading in docs/filters.md → the rows that its tables must have."""


@pytest.mark.parametrize("heading", TABLES)
def test_the_page_has_every_word(heading: str):
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    written = [line for line in found[1].splitlines() if line.startswith("| `")]
    assert written == TABLES[heading]


@pytest.mark.parametrize(
    "text", re.findall(r"^\| `([^`]+)` \|", PAGE.split("## Words")[0], re.MULTILINE)
)
def test_the_pages_examples_work(text: str):
    assert Filter(text)


def test_the_pages_profiles_work():
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(parse(example).profiles) == 2
