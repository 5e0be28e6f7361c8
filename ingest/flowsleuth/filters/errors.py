"""The one error of a filter: what is wrong in a line, and the text with a caret below the word."""

import difflib
from collections.abc import Iterable

from flowsleuth.errors import FlowSleuthError

_SHOWN = 100
"""Most characters of the text that are shown; a list of addresses may be thousands long."""


class FilterError(FlowSleuthError):
    """A filter that cannot be understood.

    message: the wrong word and what is allowed there, one line. text: the whole filter; at, width:
    where the word stands in it, and its length.
    """

    def __init__(self, message: str, text: str, at: int, width: int = 1) -> None:
        super().__init__(message, text, at, width)
        self.message = message
        self.text = text
        self.at = at
        self.width = max(width, 1)

    def __str__(self) -> str:
        return f"filter: {self.message}\n{self.pointed()}"

    def pointed(self) -> str:
        """Return two lines: the text (of a long one what is around the wrong word), and carets."""
        flat = "".join(c if c.isprintable() else " " for c in self.text)
        first = max(0, min(self.at - _SHOWN // 2, len(flat) - _SHOWN))
        last = min(len(flat), first + _SHOWN)
        before, after = "… " if first else "", " …" if last < len(flat) else ""
        carets = "^" * max(1, min(self.width, last - self.at))
        indent = " " * (len(before) + self.at - first)
        return f"  {before}{flat[first:last]}{after}\n  {indent}{carets}"


def near(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return the sentence that names the words most like `word`, or what is allowed instead."""
    known = list(known)
    alike = difflib.get_close_matches(word, known, 3, 0.7)
    # Two letters swapped are the most common slip, and in a short word they weigh too much.
    alike = alike or [other for other in known if sorted(other) == sorted(word)]
    return f"did you mean {' or '.join(alike)}?" if alike else f"allowed here: {otherwise}"
