"""From a filter's text to tokens: which words are keywords depends on what stands before them.

nfdump's words are also names: `ipv6` is a family and a protocol, `as` a number and two TCP flags. A
lexer that knows what the last keyword wants tells them apart, so that the grammar stays plain. It
also knows the words of nfdump that are refused here, so that their error says so.
"""

import re
from collections.abc import Iterator

from lark import Token
from lark.lexer import Lexer

from flowsleuth.filters import words
from flowsleuth.filters.errors import FilterError

DEEPEST = 50
"""Nested parentheses; a filter that people write has a handful."""

ADDRESS_LIKE = re.compile(r"[0-9]+(\.[0-9]+)+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")

_SCAN = re.compile(
    r"(?P<space>\s+|\#[^\n]*)"
    r"|(?P<word>@?[A-Za-z0-9_:.\-]+)"
    r"|(?P<sign>&&|\|\||!=|<>|>=|<=|==|.)",
    re.DOTALL,
)
_SIGNS = {
    "(": "_OPEN", ")": "_CLOSE", "[": "_LIST", "]": "_END", ",": "_COMMA", "/": "_SLASH",
}  # fmt: skip
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]+|[0-9]+[kmgtKMGT]?")

KEYWORDS = {
    **dict.fromkeys(words.NUMBERS, "COUNTED"),
    **dict.fromkeys(words.ADDRESSES, "LOCATED"),
    **dict.fromkeys(words.NETS, "NET"),
    **dict.fromkeys(words.FAMILIES, "FAMILY"),
    **{word: word.upper() for word in (*words.QUALIFIERS, *words.COMBINATORS, "any")},
}
"""Keyword → the name of its token in the grammar."""


class FilterLexer(Lexer):
    """Lark's interface: what makes tokens of a text."""

    def __init__(self, _lexer_conf: object) -> None:
        pass

    def lex(self, data: str) -> Iterator[Token]:  # type: ignore[override] # Lark passes the text on
        """Yield the tokens of `data`; values are in nfdump's first spelling. Raises FilterError."""
        depth = 0
        wanted, listed = "", False
        previous = ""
        for found in _SCAN.finditer(data):
            if found.lastgroup == "space":
                continue
            kind, value = _kind(data, found, "" if previous == "_SLASH" else wanted)
            yield Token(kind, value, start_pos=found.start(), end_pos=found.end())
            previous = kind
            depth += (kind == "_OPEN") - (kind == "_CLOSE")
            if depth > DEEPEST:
                raise FilterError(f"( is nested more than {DEEPEST} deep", data, found.start())
            if kind in {"COUNTED", "LOCATED", "NET"}:
                wanted, listed = value if kind == "COUNTED" else kind, False
            elif kind == "_LIST":
                listed = True
            elif (kind not in {"IN", "COMPARE"} and not listed) or kind == "_END":
                wanted, listed = "", False


def _kind(data: str, found: re.Match[str], wanted: str) -> tuple[str, str]:
    """Return the token's name and value; `wanted` is what the last keyword is compared with."""
    text = found[0]
    word = words.SYNONYMS.get(text.lower(), text.lower())
    if word in words.COMPARATORS:
        return "COMPARE", word
    if found.lastgroup == "sign":
        return _sign(data, found, word)
    if word == "in" or word in words.COMBINATORS:
        return KEYWORDS[word], word
    if wanted in {"LOCATED", "NET"}:
        return "ADDRESS", text
    if _NUMBER.fullmatch(text):
        return "NUMBER", text
    if wanted == "flags":
        return "LETTERS", text
    if wanted in words.NUMBERS and words.NUMBERS[wanted].names:
        return "NAME", text
    if word in KEYWORDS:
        return KEYWORDS[word], word
    if word in words.UNSUPPORTED:
        raise _refused(data, found, word)
    if ADDRESS_LIKE.fullmatch(text):
        return "ADDRESS", text
    return ("PROTOCOL" if word in words.PROTOCOLS else "WORD"), text


def _sign(data: str, found: re.Match[str], sign: str) -> tuple[str, str]:
    if sign in _SIGNS:
        return _SIGNS[sign], sign
    if sign in KEYWORDS:
        return KEYWORDS[sign], sign
    if sign in words.UNSUPPORTED:
        raise _refused(data, found, sign)
    if sign in {"!=", "<>"}:
        raise FilterError(
            f"{sign!r}: there is no such comparison: write `not port = 80`", data, found.start(), 2
        )
    raise FilterError(
        f"{sign!r}: letters, digits and ( ) [ ] , / = < > ! && || # are allowed",
        data,
        found.start(),
    )


def _refused(data: str, found: re.Match[str], word: str) -> FilterError:
    text = found[0]
    return FilterError(
        f"{text!r}: nfdump has it, FlowSleuth has not: {words.UNSUPPORTED[word]}",
        data,
        found.start(),
        len(text),
    )
