"""From a filter's text to its condition, or to an error that points: Lark does the parsing.

The grammar is in grammar.lark; its tables are made once in a process.
"""

from functools import cache

from lark import Lark
from lark.exceptions import UnexpectedToken, VisitError

from flowsleuth.filters.build import Builder
from flowsleuth.filters.conditions import Condition
from flowsleuth.filters.expected import explain
from flowsleuth.filters.lexer import FilterLexer


@cache
def _grammar() -> Lark:
    return Lark.open("grammar.lark", rel_to=__file__, parser="lalr", lexer=FilterLexer)


def parse(text: str) -> Condition:
    """Return what `text` asks of records. Raises FilterError."""
    try:
        return Builder(text).transform(_grammar().parse(text))
    except UnexpectedToken as unexpected:
        raise explain(text, unexpected) from None
    except VisitError as carrier:  # Lark's wrapping of what the builder raises
        raise carrier.orig_exc from None
