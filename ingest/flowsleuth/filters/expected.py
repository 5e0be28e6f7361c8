"""What the parser did not expect, as a sentence: the word, what is allowed there, what is alike."""

from lark import Token
from lark.exceptions import UnexpectedToken

from flowsleuth.filters import words
from flowsleuth.filters.errors import FilterError, near
from flowsleuth.filters.lexer import KEYWORDS

_ALLOWED = {
    "ADDRESS": "an address such as 192.0.2.1",
    "NUMBER": "a number such as 80 or 10k",
    "LETTERS": "flags such as SA",
    "NAME": "a name such as {}",
    "_LIST": "[",
    "_END": "]",
    "_SLASH": "/ and a length",
    "AND": "and",
    "OR": "or",
    "_CLOSE": ")",
}
"""Token → what is allowed, in the order in which it is said."""

_WORDS = {"ANY": "a word such as proto, ip, net, port, not", "COUNTED": "ip, net, port or the like"}
"""Token with which others come → what is said for all of them."""


def explain(text: str, unexpected: UnexpectedToken) -> FilterError:
    """Return the error for a token that does not fit where it stands."""
    token, expected = unexpected.token, set(unexpected.expected)
    allowed = _sentence(expected, _word_before(unexpected))
    if token.type == "$END":
        if not unexpected.interactive_parser.parser_state.value_stack:
            return FilterError("it is empty: `any` chooses everything", text, 0)
        return FilterError(f"it ends too early: allowed here: {allowed}", text, len(text.rstrip()))
    at = token.start_pos or 0
    shown = text[at : token.end_pos]
    return FilterError(f"{shown!r}: {_about(token, expected, allowed)}", text, at, len(shown))


def _about(token: Token, expected: set[str], allowed: str) -> str:
    starts = "ANY" in expected
    if token.type == "ADDRESS" and starts:
        return f"an address stands after a word: ip {token}"
    if token.type == "NUMBER" and starts:
        return f"a number stands after a word: port {token}"
    if token.type == "_CLOSE" and not starts and "$END" in expected:
        return "no ( stands before it"
    if token.type == "WORD":
        spelt = {**KEYWORDS, **{w: KEYWORDS.get(c, "") for w, c in words.SYNONYMS.items()}}
        known = [word for word, kind in spelt.items() if kind in expected]
        return near(token.lower(), [*known, *(words.PROTOCOLS if starts else ())], allowed)
    return f"allowed here: {allowed}"


def _word_before(unexpected: UnexpectedToken) -> str:
    """Return the last word of the table that the parser has read."""
    state = unexpected.interactive_parser.parser_state
    read = [value for value in state.value_stack if isinstance(value, Token)]
    return next((str(t) for t in reversed(read) if t.type == "COUNTED"), "")


def _sentence(expected: set[str], before: str) -> str:
    for kind, said in _WORDS.items():
        if kind in expected:
            return said
    names = words.NUMBERS[before].names if before else {}
    unfit = {"LETTERS"} if before != "flags" else set()
    unfit |= {"NAME"} if not names else set()
    unfit |= {"ADDRESS", "NUMBER", "NAME", "_SLASH"} if "_END" in expected else set()
    fitting = [text for kind, text in _ALLOWED.items() if kind in expected - unfit]
    return ", ".join(fitting).format(" or ".join([*names][1:3] or names)) or "nothing more"
