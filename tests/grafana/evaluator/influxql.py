"""The InfluxQL of alert rules as data; what is not in influxql.lark is refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from lark import Lark, Token, Transformer, Tree
from lark.exceptions import LarkError

from grafana.evaluator.rules import UNITS
from grafana.evaluator.values import Refused

Branch = Tree[Token]


class Call(NamedTuple):
    """A function of a field; unit_ms: its second argument, 0 without."""

    function: str
    field: str
    unit_ms: int = 0


class Arithmetic(NamedTuple):
    """Two values and the sign between them."""

    left: "Value"
    sign: str
    right: "Value"


Value = Call | Arithmetic | int | float | str
"""An expression of SELECT; a text is a field's name."""


@dataclass(frozen=True, eq=False)
class Select:
    """columns: name and value of each; every_ms: of GROUP BY time(), 0 is without."""

    columns: tuple[tuple[str, Value], ...]
    sources: "tuple[str | Select, ...]"
    condition: Branch | None
    tags: tuple[str, ...]
    every_ms: int
    fill: str

    @property
    def measurements(self) -> list[str]:
        """The measurements at the bottom, without their retention policies."""
        below = (s.measurements if isinstance(s, Select) else [s] for s in self.sources)
        return list(dict.fromkeys(name for names in below for name in names))

    @property
    def is_timed(self) -> bool:
        """Whether it has $timeFilter; what is within a query that has, has it too."""
        found = self.condition is not None and any(self.condition.find_data("always"))
        return bool(found)

    @property
    def calls(self) -> list[Call]:
        """All calls in the columns, each once."""
        found = (call for _, value in self.columns for call in _calls(value))
        return list(dict.fromkeys(found))

    @property
    def fields(self) -> set[str]:
        """The fields of its sources that it reads."""
        compared = self.condition.find_data("compare") if self.condition else ()
        shown = {name for _, value in self.columns for name in _fields(value)}
        return shown | {str(branch.children[0]) for branch in compared}

    @property
    def steps_ms(self) -> list[int]:
        """The steps of time() in this and all below."""
        below = [s.steps_ms for s in self.sources if isinstance(s, Select)]
        return sorted({self.every_ms, *(step for steps in below for step in steps)} - {0})


def _calls(value: Value) -> Iterator[Call]:
    if isinstance(value, Call):
        yield value
    elif isinstance(value, Arithmetic):
        yield from _calls(value.left)
        yield from _calls(value.right)


def _fields(value: Value) -> Iterator[str]:
    if isinstance(value, Call):
        yield value.field
    elif isinstance(value, Arithmetic):
        yield from _fields(value.left)
        yield from _fields(value.right)
    elif isinstance(value, str):
        yield value


@cache
def parse(text: str, interval: str = "1s") -> Select:
    """Return a query; raises Refused."""
    text = text.replace("$__interval", interval).replace("$interval", interval)
    try:
        return _Builder().transform(_grammar().parse(text))
    except LarkError as error:
        raise Refused(f"`{text}`: not done on arrays: {' '.join(str(error).split())}") from None


@cache
def _grammar() -> Lark:
    return Lark.open("influxql.lark", rel_to=__file__, parser="lalr")


class _Source(NamedTuple):
    of: Any


class _Builder(Transformer[Token, Any]):
    def start(self, parts: list[Any]) -> Select:
        *first, condition, group, fill = parts
        sources = tuple(one.of for one in first if isinstance(one, _Source))
        columns = tuple(one for one in first if not isinstance(one, _Source))
        dimensions = group or ()
        times = [one for one in dimensions if isinstance(one, int)]
        tags = tuple(one for one in dimensions if not isinstance(one, int))
        return Select(columns, sources, condition, tags, times[0] if times else 0, fill or "")

    def column(self, parts: list[Any]) -> tuple[str, Value]:
        value, name = parts
        calls = list(_calls(value))
        own = value if isinstance(value, str) else calls[0].function if calls else ""
        return name or own, value

    def source(self, parts: list[Any]) -> _Source:
        return _Source(parts[0])

    def measurement(self, parts: list[Any]) -> str:
        return str(parts[1])

    def group(self, parts: list[Any]) -> tuple[Any, ...]:
        return tuple(parts)

    def time(self, parts: list[Any]) -> int:
        return int(parts[0])

    def fill(self, parts: list[Token]) -> str:
        return str(parts[0])

    def number(self, parts: list[Token]) -> float:
        text = str(parts[0])
        return int(text) if text.lstrip("-").isdigit() else float(text)

    def field(self, parts: list[str]) -> str:
        return parts[0]

    def call(self, parts: list[Any]) -> Call:
        function, field, unit = parts
        return Call(str(function).lower(), field, unit or 0)

    def arithmetic(self, parts: list[Any]) -> Value:
        left, sign, right = parts
        if isinstance(left, int | float) and isinstance(right, int | float):
            return OPERATORS[str(sign)](left, right)
        return Arithmetic(left, str(sign), right)

    def DURATION(self, token: Token) -> int:  # noqa: N802  (the grammar's name)
        return int(token[:-1]) * int(UNITS[token[-1]]) * 1000

    def NAME(self, token: Token) -> str:  # noqa: N802  (the grammar's name)
        return token[1:-1].replace('\\"', '"').replace("\\\\", "\\")

    def TEXT(self, token: Token) -> str:  # noqa: N802  (the grammar's name)
        return token[1:-1].replace("\\'", "'").replace("\\\\", "\\")

    def REGEX(self, token: Token) -> str:  # noqa: N802  (the grammar's name)
        return token[1:-1].replace("\\/", "/")


OPERATORS: dict[str, Any] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}
