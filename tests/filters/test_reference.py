"""Random filters choose what plain Python chooses, record by record."""

import operator
from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowsleuth.filters.filter import Filter

from .records import MAPPED, seen_of_rows

Row = dict[str, int]
Test = Callable[[Row], bool]
Pair = tuple[str, Test, Test]
"""A filter's text, what it says of a record, and what it says with `not` before it."""

COMPARE = {"=": operator.eq, "": operator.eq, ">": operator.gt, "<": operator.lt}
COMPARE |= {">=": operator.ge, "<=": operator.le, "lt": operator.lt, "GE": operator.ge}
NUMBERS = {
    "port": (("src_port",), ("dst_port",)),
    "as": (("src_as",), ("dst_as",)),
    "vlan": (("src_vlan",), ("dst_vlan",)),
}
SMALL = st.integers(0, 4)
ADDRESSES = st.sampled_from([0, 1, 2, 256, 0x0A000001, 2**32 - 1])
SIXES = st.sampled_from([1, 2, 1 << 64, (1 << 64) + 1, 1 << 127, MAPPED + 0x0A000001])


@st.composite
def rows(draw, addresses) -> list[Row]:
    """Draw records whose values are few, so that they meet."""
    names = ["src_port", "dst_port", "src_as", "dst_as", "src_vlan", "dst_vlan", "bytes"]
    names += ["packets", "tos"]
    row = st.fixed_dictionaries(
        dict.fromkeys(names, SMALL)
        | {"protocol": st.sampled_from([1, 6, 17, 256]), "tcp_flags": st.integers(0, 63)}
        | {"src": addresses, "dst": addresses, "start_ns": SMALL, "end_ns": st.just(3 * 10**6)}
    )
    return draw(st.lists(row, max_size=8))


def plain(text: str, test: Test) -> Pair:
    return text, test, lambda row: not test(row)


@st.composite
def number(draw) -> Pair:
    word = draw(st.sampled_from([*NUMBERS, "bytes", "packets", "tos", "proto"]))
    sign, value = draw(st.sampled_from([*COMPARE])), draw(SMALL)
    compare = COMPARE[sign]
    if word not in NUMBERS:
        column = "protocol" if word == "proto" else word
        return plain(f"{word} {sign} {value}", lambda row: compare(row[column], value))
    listed = draw(st.booleans())
    values = draw(st.lists(SMALL, min_size=1, max_size=3))
    text = f"in [{' '.join(map(str, values))}]" if listed else f"{sign} {value}"

    def one(row: Row, column: str) -> bool:
        return row[column] in values if listed else compare(row[column], value)

    return _ended(draw, word, text, one, *(names[0] for names in NUMBERS[word]))


def _ended(draw, word: str, text: str, one: Callable[[Row, str], bool], *ends: str) -> Pair:
    how = draw(st.sampled_from(["", "src", "dst", "src and dst", "dst or src"]))
    chosen = [end for end in ends if how in {"src", "dst"} and end.startswith(how)] or ends
    every = all if how == "src and dst" else any
    return plain(f"{how} {word} {text}", lambda row: every(one(row, end) for end in chosen))


@st.composite
def address(draw, family: int) -> Pair:
    drawn = draw(st.lists(SIXES if family == 6 else ADDRESSES, min_size=1, max_size=3))
    width = 128 if family == 6 else 32
    lengths = [draw(st.sampled_from([0, 1, 24, 31, 32, width])) for _ in drawn]
    if family == 6:  # an IPv4-mapped prefix shorter than /96 is an IPv6 one
        lengths = [width if a >> 32 == 0xFFFF else n for a, n in zip(drawn, lengths, strict=True)]
    shifts = [width - n for n in lengths]
    shown = [f"{_text(a, family)}/{n}" for a, n in zip(drawn, lengths, strict=True)]

    def inside(row: Row, end: str) -> bool:
        return any(row[end] >> s == a >> s for a, s in zip(drawn, shifts, strict=True))

    if len(drawn) == 1 and draw(st.booleans()):
        return _ended(draw, "net", shown[0], inside, "src", "dst")
    return _ended(draw, "ip in", f"[{' '.join(shown)}]", inside, "src", "dst")


def _text(value: int, family: int) -> str:
    if family == 4:
        return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))
    return ":".join(f"{value >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))


@st.composite
def flags(draw) -> Pair:
    letters = draw(st.sets(st.sampled_from("FSRPAU"), min_size=1))
    bits = sum({"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}[letter] for letter in letters)

    def every(row: Row) -> bool:
        return row["protocol"] == 6 and row["tcp_flags"] & bits == bits

    def none(row: Row) -> bool:
        return row["protocol"] != 6 or not row["tcp_flags"] & bits

    return f"flags {''.join(letters)}", every, none


def trees(family: int):
    leaves = number() | address(family) | flags() | st.just(plain("any", lambda row: True))
    leaves |= st.just(plain("duration >= 3", lambda row: row["start_ns"] < 10**6))
    return st.recursive(leaves, joined, max_leaves=12)


def joined(inner):
    return st.one_of(
        st.tuples(inner, inner).map(lambda two: both(*two, "and", all, any)),
        st.tuples(inner, inner).map(lambda two: both(*two, "||", any, all)),
        inner.map(lambda one: (f"not ({one[0]})", one[2], one[1])),
    )


def both(one: Pair, other: Pair, word: str, how, opposite) -> Pair:
    return (
        f"({one[0]}) {word} ({other[0]})",
        lambda row: how((one[1](row), other[1](row))),
        lambda row: opposite((one[2](row), other[2](row))),
    )


@given(trees(4), rows(ADDRESSES))
def test_chooses_as_plain_python_does(tree: Pair, records: list[Row]):
    compare(tree, records, 4)


@given(trees(6), rows(SIXES))
def test_chooses_as_plain_python_does_for_ipv6(tree: Pair, records: list[Row]):
    compare(tree, records, 6)


def compare(tree: Pair, records: list[Row], family: int) -> None:
    text, test, _ = tree
    answer = Filter(text).matches(seen_of_rows(records, family))
    assert answer.dtype == np.bool_
    assert answer.tolist() == [test(row) for row in records], text
