"""Grafana's math expressions: the grammar (Lark's), and what the operators and functions do.

From weakest to strongest: `||`, `&&`, comparisons, `+ -`, `* / %`, `**`, `! -`; all binary ones go
from left to right. Signs that touch are one token, so `>-1` and `&&!` are errors. Comparisons and
logic give 1 or 0; NaN with anything is NaN, but `1 || NaN` is 1 and `0 && NaN` is 0.
"""

import math
import re
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from lark import Lark, Token, Tree
from lark.exceptions import LarkError

from grafana.evaluator import series
from grafana.evaluator.series import Many
from grafana.evaluator.values import (
    Bools,
    Floats,
    Number,
    Pairwise,
    Refused,
    Values,
    constant,
    each,
    join,
)

GRAMMAR = r"""
?start: either
?either: (either OR)? both
?both: (both AND)? compared
?compared: (compared COMPARE)? sum
?sum: (sum ADD)? product
?product: (product MULTIPLY)? power
?power: (power POWER)? factor
?factor: (NOT | ADD) factor -> unary
       | NUMBER -> number
       | VARIABLE -> variable
       | NAME "(" [either ("," either)*] ")" -> call
       | "(" either ")"
OR: "||"
AND: "&&"
COMPARE: "==" | "!=" | ">=" | "<=" | ">" | "<"
ADD: "+" | "-"
MULTIPLY: "*" | "/" | "%"
POWER: "**"
NOT: "!"
NUMBER: /0[xX][0-9a-fA-F]+|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?/
VARIABLE: /\$\w+|\$\{[\w\s]+\}/
NAME: /[^\W\d]+/
%ignore /\s+/
"""

SIGNS = {"!", "&&", "||", ">", "<", ">=", "<=", "==", "!=", "+", "-", "*", "**", "/", "%"}


@cache
def parse(text: str) -> Tree[Token]:
    """Return the tree of an expression; raises Refused."""
    for signs in re.findall(r"[!<>=&|+\-*/%]+", re.sub(r"\d[eE][+-]\d", "", text)):
        if signs not in SIGNS:
            raise Refused(f"`{text}`: `{signs}` is one sign to Grafana: put a space or a bracket")
    try:
        tree = _grammar().parse(text)
    except LarkError as error:
        raise Refused(f"`{text}`: {' '.join(str(error).split())}") from None
    for call in tree.find_data("call"):
        _function(str(call.children[0]), len(_arguments(call)))
    return tree


@cache
def _grammar() -> Lark:
    return Lark(GRAMMAR, parser="lalr")


def names(text: str) -> list[str]:
    """Return the refIds that an expression reads."""
    tokens = parse(text).scan_values(lambda token: token.type == "VARIABLE")
    return [_name(token) for token in tokens]


def compute(text: str, known: Mapping[str, Values | Many], n: int) -> Values | Many:
    """Return what an expression gives at n instants; known: the sets by refId."""
    with np.errstate(all="ignore"):
        return _walk(parse(text), known, n)


def _walk(tree: Tree[Token], known: Mapping[str, Values | Many], n: int) -> Values | Many:
    match tree.data, tree.children:
        case "number", [text]:
            return constant(_number(str(text)), n)
        case "variable", [name]:
            return known[_name(name)]
        case "unary", [sign, below]:
            return _each(_walk(below, known, n), UNARY[str(sign)])
        case "call", [name, *_]:
            arguments = _arguments(tree)
            found = _function(str(name), len(arguments))
            if callable(found):
                return _each(_walk(arguments[0], known, n), found)
            return constant(found, n)
        case _, [left, sign, right]:
            return _join(_walk(left, known, n), _walk(right, known, n), BINARY[str(sign)])
    raise AssertionError(tree.data)


def _each(found: Values | Many, change: "Function") -> Values | Many:
    return series.each(found, change) if isinstance(found, Many) else each(found, change)


def _join(a: Values | Many, b: Values | Many, operate: Pairwise) -> Values | Many:
    if isinstance(a, Values) and isinstance(b, Values):
        return join(a, b, operate)
    return series.join(a, b, operate)


def _arguments(call: Tree[Token]) -> list[Tree[Token]]:
    return [one for one in call.children[1:] if one is not None]


def _name(token: Token) -> str:
    return token.strip("${}")


def _number(text: str) -> float:
    return float(int(text, 16)) if text[:2] in {"0x", "0X"} else float(text)


Function = Callable[[Number], tuple[Floats, Bools]]


def _function(name: str, arguments: int) -> Function | float | None:
    if name in CONSTANTS and not arguments:
        return CONSTANTS[name]
    if name in FUNCTIONS and arguments == 1:
        return FUNCTIONS[name]
    raise Refused(f"Grafana has no function {name} of {arguments} arguments")


def _truth(found: Bools) -> Floats:
    return found.astype(np.float64)


def _nan(function: Callable[[Floats, Floats], Floats]) -> Callable[[Floats, Floats], Floats]:
    """Wrap an operator: NaN with anything is NaN."""

    def wrapped(a: Floats, b: Floats) -> Floats:
        return np.where(np.isnan(a) | np.isnan(b), np.nan, function(a, b))

    return wrapped


def _either(a: Floats, b: Floats) -> Floats:
    # NaN is not 0 here: it is true on the left, and nothing on the right.
    return np.where(a != 0, 1.0, np.where(np.isnan(b), np.nan, _truth(b != 0)))


def _both(a: Floats, b: Floats) -> Floats:
    unknown = np.isnan(a) | np.isnan(b)
    return np.where(a == 0, 0.0, np.where(unknown, np.nan, _truth(b != 0)))


BINARY: dict[str, Callable[[Floats, Floats], Floats]] = {
    "||": _either,
    "&&": _both,
    "==": _nan(lambda a, b: _truth(a == b)),
    "!=": _nan(lambda a, b: _truth(a != b)),
    ">": _nan(lambda a, b: _truth(a > b)),
    "<": _nan(lambda a, b: _truth(a < b)),
    ">=": _nan(lambda a, b: _truth(a >= b)),
    "<=": _nan(lambda a, b: _truth(a <= b)),
    "+": _nan(np.add),
    "-": _nan(np.subtract),
    "*": _nan(np.multiply),
    "/": _nan(np.divide),
    "%": _nan(np.fmod),
    "**": _nan(np.power),
}


def _unary(function: Callable[[Floats], Floats]) -> Function:
    return lambda one: (np.where(np.isnan(one.value), np.nan, function(one.value)), one.null)


UNARY: dict[str, Function] = {
    "!": _unary(lambda value: _truth(value == 0)),
    "-": _unary(np.negative),
}


def _plain(function: Callable[[Floats], Floats]) -> Function:
    """Wrap a function of numbers: of null it makes NaN."""
    return lambda one: (np.where(one.null, np.nan, function(one.value)), np.zeros_like(one.null))


def _asked(function: Callable[[Number], Bools]) -> Function:
    """Wrap a question which null answers, too."""
    return lambda one: (_truth(function(one)), np.zeros_like(one.null))


def _round(value: Floats) -> Floats:
    """Round halves away from zero, as Go does."""
    whole = np.trunc(value)
    return np.where(np.abs(value - whole) >= 0.5, whole + np.copysign(1.0, value), whole)


FUNCTIONS: dict[str, Function] = {
    "abs": _plain(np.abs),
    "log": _plain(np.log),
    "round": _plain(_round),
    "ceil": _plain(np.ceil),
    "floor": _plain(np.floor),
    # Null is asked as a number here: `is_nan(null())` is NaN, which is true.
    "is_nan": _plain(lambda value: _truth(np.isnan(value))),
    "is_inf": _plain(lambda value: _truth(np.isinf(value))),
    "is_null": _asked(lambda one: one.null),
    "is_number": _asked(lambda one: np.isfinite(one.value) & ~one.null),
}

CONSTANTS = {"nan": math.nan, "inf": math.inf, "infn": -math.inf, "null": None}
