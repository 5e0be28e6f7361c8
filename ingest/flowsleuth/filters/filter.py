"""A filter: nfdump's filter language, parsed once and asked of columns.

A filter is compiled where it is made; to another process goes its text, which is small and knows no
versions. Where nobody has a filter, the parser is not even loaded.
"""

from flowsleuth.filters.columns import Seen, optional
from flowsleuth.filters.conditions import Answer, Condition


class Filter:
    """One filter of nfdump's language.

    text: as it was written. needs: the columns of `Seen` that it reads and that may be None. Two
    filters of the same text are equal. Raises FilterError where the text is none.
    """

    __slots__ = ("_condition", "needs", "text")

    text: str
    needs: frozenset[str]
    _condition: Condition

    def __init__(self, text: str) -> None:
        from flowsleuth.filters.parsing import parse  # noqa: PLC0415  loads Lark

        condition = parse(text)
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "needs", optional(condition.columns()))
        object.__setattr__(self, "_condition", condition)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a filter does not change: {name}")

    def __reduce__(self) -> tuple[type["Filter"], tuple[str]]:
        return Filter, (self.text,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Filter({self.text!r})"

    def matches(self, seen: Seen) -> Answer:
        """Return which records the filter chooses, bool (n,)."""
        return self._condition(seen)
